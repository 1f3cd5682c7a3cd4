//! Up, from the client to the server: each emit is told as sent or as unsent, and those that were sent are seen in order.

use std::collections::VecDeque;

use super::{Account, short};
use crate::soak::promise::Promise;

/// So many are remembered, so that they are not sent all the same.
const MAX_REMEMBERED: usize = 512;

/// How an event was emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// Its sender has gone on; what becomes of it is told as an event.
    Said,
    /// Its sender awaits an acknowledgement.
    Asked,
}

/// What was not taken, of which the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Refused(VecDeque<(Up, u64)>);

impl Refused {
    fn add(&mut self, up: Up, number: u64) {
        if self.0.len() >= MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((up, number));
    }

    fn contains(&self, up: Up, number: u64) -> bool {
        self.0.contains(&(up, number))
    }
}

impl Account {
    /// An event was taken, and its sender has gone on.
    pub fn client_accepted(&mut self) {
        self.counts.accepted += 1;
    }

    /// An event was not taken, of which nothing has been sent.
    pub fn client_refused(&mut self, up: Up, number: u64) {
        self.counts.refused += 1;
        self.refused.add(up, number);
    }

    /// [`socketio::Event::Unsent`].
    pub fn client_unsent(&mut self, events: u64) {
        self.counts.unsent += events;
        self.note(format!("client: {events} unsent"));
    }

    /// [`socketio::Event::Sent`].
    pub fn client_sent(&mut self, up: Up, number: u64) {
        if up == Up::Said {
            self.counts.sent += 1;
            if number <= self.last_said {
                let last = self.last_said;
                self.break_promise(
                    Promise::OnceAndInOrder,
                    format!("{number} was sent after {last}"),
                );
            }
            self.last_said = self.last_said.max(number);
        } else if let Some(asked) = self.questions.of(number)
            && std::mem::replace(&mut asked.sent, true)
        {
            self.break_promise(
                Promise::OnceAndInOrder,
                format!("question {number} was sent twice"),
            );
        }
        if self.refused.contains(up, number) {
            self.break_promise(
                Promise::EveryEmitHasAFate,
                format!("{up:?} {number} was refused, and was sent"),
            );
        }
        let Some(sid) = self.current.clone() else {
            return self.break_promise(
                Promise::EveryEmitHasAFate,
                format!("{up:?} {number} was sent while not connected"),
            );
        };
        let session = self.session(&sid);
        session.moved_at = None;
        match session.ahead.pop_front() {
            Some(seen) if seen == (up, number) => {}
            Some(seen) => {
                session.ahead.push_front(seen);
                self.break_promise(
                    Promise::NothingIsLost,
                    format!("{up:?} {number} was sent, and the server has seen {seen:?} instead"),
                );
            }
            None => session.told.push_back((up, number)),
        }
    }

    /// An event of the client has arrived.
    pub fn server_saw(&mut self, sid: &str, up: Up, number: u64) {
        self.counts.up_seen += 1;
        if self.refused.contains(up, number) {
            self.break_promise(
                Promise::EveryEmitHasAFate,
                format!("{up:?} {number} was refused, and the server has seen it"),
            );
        }
        if up == Up::Asked
            && let Some(asked) = self.questions.of(number)
        {
            asked.seen = true;
        }
        let Some(session) = self.sessions.get_mut(sid) else {
            return;
        };
        session.moved_at = None;
        match session.told.pop_front() {
            Some(told) if told == (up, number) => {}
            Some(told) => {
                session.told.push_front(told);
                let at = session.told.iter().position(|told| *told == (up, number));
                session.told.drain(..at.map_or(0, |at| at + 1));
                self.break_promise(
                    match at {
                        Some(_) => Promise::NothingIsLost,
                        None => Promise::OnceAndInOrder,
                    },
                    format!(
                        "the server has seen {up:?} {number} in {}, and {told:?} is next",
                        short(sid)
                    ),
                );
            }
            None => session.ahead.push_back((up, number)),
        }
    }

    /// An event that is none of those that were sent.
    pub fn server_cannot_read(&mut self, sid: &str, why: &str) {
        let what = format!("an event in {} cannot be read: {why}", short(sid));
        self.break_promise(Promise::NothingIsLost, what);
    }
}
