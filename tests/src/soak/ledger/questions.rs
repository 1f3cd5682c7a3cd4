//! Acknowledgements: each question settles once, with its own answer, and each reply carries the number it is for.

use std::collections::BTreeMap;

use super::{Account, Up};
use crate::soak::promise::Promise;

/// So many are remembered when they are settled, so that nothing more is done with them: those of half a minute.
const MAX_REMEMBERED: usize = 512;

/// What became of an event whose acknowledgement was awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The server answered with this number.
    Number(u64),
    /// The client says that it has not been sent.
    NotSent,
    /// Nobody knows.
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) sent: bool,
    pub(super) seen: bool,
    settled: bool,
}

/// All questions, of which the oldest are forgotten as soon as they are settled.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: BTreeMap<u64, Asked>,
    /// Numbers up to this one.
    forgotten: u64,
}

impl Questions {
    /// One of them, unless it is forgotten.
    pub(super) fn of(&mut self, number: u64) -> Option<&mut Asked> {
        (number > self.forgotten).then(|| self.asked.entry(number).or_default())
    }

    fn forget(&mut self) {
        while self.asked.len() > MAX_REMEMBERED
            && let Some(oldest) = self.asked.first_entry()
            && oldest.get().settled
        {
            self.forgotten = *oldest.key();
            oldest.remove();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    /// Nobody is there any more to settle them.
    pub(super) fn settle(&mut self) {
        self.asked
            .values_mut()
            .for_each(|asked| asked.settled = true);
    }

    /// The first that nobody has settled.
    pub(super) fn unsettled(&self) -> Option<u64> {
        let unsettled = self.asked.iter().find(|(_, asked)| !asked.settled);
        unsettled.map(|(number, _)| *number)
    }
}

impl Account {
    /// A question is about to be asked.
    pub fn client_asks(&mut self, number: u64) {
        self.counts.asked += 1;
        self.questions.of(number);
        self.questions.forget();
    }

    /// A question is settled.
    pub fn client_answered(&mut self, number: u64, answer: Answer) {
        let (settled, sent, seen) = match self.questions.of(number) {
            Some(asked) => {
                let settled = std::mem::replace(&mut asked.settled, true);
                (settled, asked.sent, asked.seen)
            }
            // Only what is settled is forgotten.
            None => (true, true, true),
        };
        if settled {
            self.break_promise(
                Promise::OnceAndInOrder,
                format!("question {number} was settled twice"),
            );
        }
        match answer {
            Answer::Number(reply) => {
                self.counts.answered += 1;
                if reply != number {
                    self.break_promise(
                        Promise::OnceAndInOrder,
                        format!("question {number} was answered with {reply}"),
                    );
                } else if !seen {
                    self.break_promise(
                        Promise::EveryEmitHasAFate,
                        format!("question {number} was answered, and the server has not seen it"),
                    );
                }
            }
            Answer::NotSent => {
                self.client_refused(Up::Asked, number);
                if sent || seen {
                    self.break_promise(
                        Promise::EveryEmitHasAFate,
                        format!("question {number} was refused, and was sent"),
                    );
                }
            }
            Answer::Unknown => self.counts.unanswered += 1,
        }
    }

    /// The client has taken an acknowledgement of an event of this session.
    pub fn client_replied(&mut self, sid: &str) {
        self.counts.replied += 1;
        if let Some(session) = self.sessions.get_mut(sid) {
            session.replied += 1;
        }
    }

    /// An acknowledgement of the client has arrived, for the event `number` of this session.
    pub fn server_got_reply(&mut self, sid: &str, number: u64, reply: u64) {
        self.counts.replies_seen += 1;
        if let Some(session) = self.sessions.get_mut(sid) {
            session.replies_seen += 1;
        }
        if number != reply {
            self.break_promise(
                Promise::OnceAndInOrder,
                format!("event {number} was acknowledged with {reply}"),
            );
        }
    }
}
