//! The account of one namespace: what each side says of its numbered events, and whether that agrees.
//!
//! Down, from the server to the client, the server numbers what it hands to the connection from 1 in each session. So the
//! client must see 1, 2, 3 … there; a tail may be missing from a session that it has reported as lost.
//!
//! Up, the client tells what it hands to the connection ([`socketio::Event::Sent`]), in order. So the server must see the
//! same list in each session; again, a tail may be missing from a session that was reported as lost. And what the client
//! has accepted is either told as sent or told as unsent, one by one.

mod counts;
mod down;
mod questions;
mod session;
mod sessions;
mod up;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::promise::{Broken, Promise, Trace};
use questions::Questions;
use session::{Session, Side};
use up::Refused;

pub use counts::Counts;
pub use questions::Answer;
pub use up::Up;

/// How long a session may be over, or an event be under way, without a sign of it while the client says that all is well.
///
/// Several times the heartbeat, which is when a loss must be noticed.
pub const OVERDUE: Duration = Duration::from_secs(15);

/// The account of one namespace of one client.
#[derive(Debug)]
pub struct Account {
    name: String,
    sessions: HashMap<String, Session>,
    /// Those that only one side may still tell of, oldest first.
    half_known: VecDeque<String>,
    /// The session that the client says it is in.
    current: Option<String>,
    /// So many events may be missing in this place: the client has said so.
    lagged: u64,
    last_said: u64,
    questions: Questions,
    refused: Refused,
    /// The weather may put bytes of its own into the connection.
    garbage: bool,
    counts: Counts,
    trace: Trace,
    broken: Vec<Broken>,
}

impl Account {
    /// An empty account.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sessions: HashMap::new(),
            half_known: VecDeque::new(),
            current: None,
            lagged: 0,
            last_said: 0,
            questions: Questions::default(),
            refused: Refused::default(),
            garbage: false,
            counts: Counts::default(),
            trace: Trace::default(),
            broken: Vec::new(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The promises that were broken.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// A line of the trace, for what is not counted.
    pub fn note(&mut self, line: impl Into<String>) {
        self.trace.push(line.into());
    }

    fn break_promise(&mut self, promise: Promise, what: String) {
        Broken::keep(&mut self.broken, promise, &self.name, what, &self.trace);
    }
}

/// What the weather says, and what follows.
impl Account {
    /// Whether bytes that the server has not sent may be put into the connection from now on.
    pub fn garbage(&mut self, possible: bool) {
        self.garbage = possible;
        for session in self.sessions.values_mut() {
            session.garbled |= possible;
        }
    }

    /// What should have been noticed long ago.
    pub fn check(&mut self, now: Instant) {
        let Some(sid) = self.current.clone() else {
            return;
        };
        let lagged = self.lagged > 0;
        let Some(session) = self.sessions.get_mut(&sid) else {
            return;
        };
        let is_long_ago = |at: Instant| now.saturating_duration_since(at) > OVERDUE;
        if session.server_over_at.is_some_and(is_long_ago) && !lagged {
            session.server_over_at = None;
            self.break_promise(
                Promise::GapsAreReported,
                format!(
                    "{} is over, and the client does not know it after {OVERDUE:?}",
                    short(&sid)
                ),
            );
        } else if session.server == Side::Open && session.is_behind() {
            let since = *session.moved_at.get_or_insert(now);
            if is_long_ago(since) {
                session.moved_at = Some(now + OVERDUE * 1_000);
                let what = session.behind();
                self.break_promise(
                    Promise::NothingIsLost,
                    format!("nothing moves in {}: {what}", short(&sid)),
                );
            }
        }
    }

    /// Whether everything has arrived: the weather is fair, nobody sends any more, and the client is connected.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let Counts {
            accepted,
            sent,
            unsent,
            abandoned,
            ..
        } = self.counts;
        let is_told = accepted == sent + unsent + abandoned;
        is_told
            && self.questions.unsettled().is_none()
            && self.current.as_ref().is_some_and(|sid| {
                let session = self.sessions.get(sid);
                session.is_some_and(|session| session.server == Side::Open && !session.is_behind())
            })
    }

    /// The end, after everything had its time to arrive and before the client is dropped.
    pub fn close(&mut self) {
        match self.current.clone() {
            None => self.break_promise(
                Promise::GapsAreReported,
                "not connected in the end, in fair weather".to_owned(),
            ),
            Some(sid) => {
                let session = self.session(&sid);
                let (is_behind, is_open) = (session.is_behind(), session.server == Side::Open);
                let what = session.behind();
                if !is_open {
                    self.break_promise(
                        Promise::GapsAreReported,
                        format!(
                            "{} is over in the end, and the client does not know it",
                            short(&sid)
                        ),
                    );
                } else if is_behind {
                    self.break_promise(
                        Promise::NothingIsLost,
                        format!("{} in the end: {what}", short(&sid)),
                    );
                }
            }
        }
        let told = self.counts.sent + self.counts.unsent + self.counts.abandoned;
        if told != self.counts.accepted {
            let Counts {
                accepted,
                sent,
                unsent,
                ..
            } = self.counts;
            self.break_promise(
                Promise::EveryEmitHasAFate,
                format!("{accepted} emits were accepted, {sent} were told as sent and {unsent} as unsent"),
            );
        }
        if let Some(number) = self.questions.unsettled() {
            let what = format!("question {number} was never settled");
            self.break_promise(Promise::EveryEmitHasAFate, what);
        }
    }
}

/// Enough of an id to tell it from others.
fn short(sid: &str) -> &str {
    sid.get(..6).unwrap_or(sid)
}

#[cfg(test)]
mod tests;
