//! The account of one namespace: what each side says of its numbered events, and whether that agrees.
//!
//! Down, from the server to the client, the server numbers what it hands to the connection from 1 in each session. So the
//! client must see 1, 2, 3 … there; a tail may be missing from a session that it has reported as lost.
//!
//! Up, the client tells what it hands to the connection ([`socketio::Event::Sent`]), in order. So the server must see the
//! same list in each session; again, a tail may be missing from a session that was reported as lost. And what the client
//! has accepted is either told as sent or told as unsent, one by one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::promise::{Broken, Promise, Trace};

/// How long a session may be over, or an event be under way, without a sign of it while the client says that all is well.
///
/// Several times the heartbeat, which is when a loss must be noticed.
pub const OVERDUE: Duration = Duration::from_secs(15);

/// Sessions that the server has opened and the client may still hear of.
const MAX_HALF_KNOWN: usize = 64;
/// Numbers that are remembered so that nothing is done twice with them.
const MAX_REMEMBERED: usize = 4_096;

/// How an event was emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// Its sender has gone on; what becomes of it is told as an event.
    Said,
    /// Its sender awaits an acknowledgement.
    Asked,
}

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

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "they are their own description")]
pub struct Counts {
    pub sessions: u64,
    pub down_sent: u64,
    pub down_seen: u64,
    pub down_tail: u64,
    pub down_lagged: u64,
    pub garbled: u64,
    pub accepted: u64,
    pub sent: u64,
    pub unsent: u64,
    pub refused: u64,
    pub abandoned: u64,
    pub up_seen: u64,
    pub up_tail: u64,
    pub asked: u64,
    pub answered: u64,
    pub unanswered: u64,
    pub replied: u64,
    pub replies_seen: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.down_sent += other.down_sent;
        self.down_seen += other.down_seen;
        self.down_tail += other.down_tail;
        self.down_lagged += other.down_lagged;
        self.garbled += other.garbled;
        self.accepted += other.accepted;
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.refused += other.refused;
        self.abandoned += other.abandoned;
        self.up_seen += other.up_seen;
        self.up_tail += other.up_tail;
        self.asked += other.asked;
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.replied += other.replied;
        self.replies_seen += other.replies_seen;
    }
}

/// One side's view of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Side {
    /// It has not been heard of there.
    #[default]
    Unknown,
    Open,
    Over,
}

#[derive(Debug, Default)]
struct Session {
    client: Side,
    server: Side,
    server_over_at: Option<Instant>,
    down_sent: u64,
    down_seen: u64,
    /// Told as sent and not seen yet; what was seen before it was told. One of them is empty.
    told: VecDeque<(Up, u64)>,
    ahead: VecDeque<(Up, u64)>,
    /// The weather has put bytes of its own into the connection.
    garbled: bool,
    /// The client was dropped in the middle, so it has not told everything.
    abandoned: bool,
    replied: u64,
    replies_seen: u64,
    /// When something last moved, in either direction.
    moved_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Asked {
    sent: bool,
    seen: bool,
    settled: bool,
}

/// The account of one namespace of one client.
#[derive(Debug)]
pub struct Account {
    name: String,
    sessions: HashMap<String, Session>,
    /// Those that only the server knows, oldest first.
    half_known: VecDeque<String>,
    /// The session that the client says it is in.
    current: Option<String>,
    /// So many events may be missing in this place: the client has said so.
    lagged: u64,
    last_said: u64,
    asked: BTreeMap<u64, Asked>,
    refused: VecDeque<(Up, u64)>,
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
            asked: BTreeMap::new(),
            refused: VecDeque::new(),
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

    /// Whether the client says that it is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.current.is_some()
    }

    /// A line of the trace, for what is not counted.
    pub fn note(&mut self, line: impl Into<String>) {
        self.trace.push(line.into());
    }

    fn break_promise(&mut self, promise: Promise, what: String) {
        Broken::keep(&mut self.broken, promise, &self.name, what, &self.trace);
    }

    fn session(&mut self, sid: &str) -> &mut Session {
        let garbled = self.garbage;
        let session = self.sessions.entry(sid.to_owned()).or_default();
        session.garbled |= garbled;
        session
    }
}

/// What the server says.
impl Account {
    /// A client has joined.
    pub fn server_opened(&mut self, sid: &str) {
        self.counts.sessions += 1;
        self.note(format!("server: {} joined", short(sid)));
        let session = self.session(sid);
        session.server = Side::Open;
        if session.client == Side::Unknown {
            self.half_known.push_back(sid.to_owned());
            while self.half_known.len() > MAX_HALF_KNOWN
                && let Some(oldest) = self.half_known.pop_front()
            {
                let unknown = |session: &Session| session.client == Side::Unknown;
                if self.sessions.get(&oldest).is_some_and(unknown) {
                    self.finish(&oldest);
                }
            }
        }
    }

    /// Sends the next event of a session: `send` is given its number, and says whether the server has taken it.
    pub fn server_sends(&mut self, sid: &str, send: impl FnOnce(u64) -> bool) -> bool {
        // Once both sides are through with a session, it is closed here.
        let Some(session) = self.sessions.get_mut(sid) else {
            return false;
        };
        let taken = send(session.down_sent + 1);
        if taken {
            session.down_sent += 1;
            self.counts.down_sent += 1;
        }
        taken
    }

    /// An event of the client has arrived.
    pub fn server_saw(&mut self, sid: &str, up: Up, number: u64) {
        self.counts.up_seen += 1;
        if self.refused.contains(&(up, number)) {
            self.break_promise(
                Promise::EveryEmitHasAFate,
                format!("{up:?} {number} was refused, and the server has seen it"),
            );
        }
        if up == Up::Asked {
            self.asked.entry(number).or_default().seen = true;
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

    /// A session is over.
    pub fn server_closed(&mut self, now: Instant, sid: &str) {
        let Some(session) = self.sessions.get_mut(sid) else {
            return;
        };
        if session.server == Side::Over {
            return;
        }
        session.server = Side::Over;
        session.server_over_at = Some(now);
        self.note(format!("server: {} is over", short(sid)));
        self.finish_if_over(sid);
    }
}

/// What the client says.
impl Account {
    /// [`socketio::Event::Connected`].
    pub fn client_connected(&mut self, sid: &str) {
        self.note(format!("client: connected as {}", short(sid)));
        if let Some(old) = self.current.take() {
            // The end of the old one may be among what was dropped unread.
            if self.lagged == 0 {
                self.break_promise(
                    Promise::GapsAreReported,
                    "connected again, and never disconnected".to_owned(),
                );
            }
            self.client_over(&old);
        }
        self.lagged = 0;
        self.half_known.retain(|known| known != sid);
        let session = self.session(sid);
        session.client = Side::Open;
        self.current = Some(sid.to_owned());
    }

    /// [`socketio::Event::Message`], with the session and the number that the server has put into it. `intact` is whether
    /// its content is what the server has sent.
    pub fn client_saw(&mut self, sid: &str, number: u64, intact: bool) {
        self.counts.down_seen += 1;
        let lagged = std::mem::take(&mut self.lagged);
        if self.current.as_deref() != Some(sid) {
            if lagged == 0 {
                let current = self.current.as_deref().map_or("none", short).to_owned();
                return self.break_promise(
                    Promise::OnceAndInOrder,
                    format!("event {number} of {} in session {current}", short(sid)),
                );
            }
            if let Some(old) = self.current.replace(sid.to_owned()) {
                self.client_over(&old);
            }
            self.half_known.retain(|known| known != sid);
            self.session(sid).client = Side::Open;
        }
        let session = self.session(sid);
        session.moved_at = None;
        let missing = number.checked_sub(session.down_seen + 1);
        let was = session.down_seen;
        session.down_seen = session.down_seen.max(number);
        if !intact && session.garbled {
            self.counts.garbled += 1;
        } else if !intact {
            self.break_promise(
                Promise::NothingIsLost,
                format!("event {number} has another content than was sent"),
            );
        }
        match missing {
            Some(0) => {}
            Some(missing) if missing <= lagged => self.counts.down_lagged += missing,
            Some(missing) => self.break_promise(
                Promise::NothingIsLost,
                format!(
                    "event {number} after {was} in {}: {missing} are missing",
                    short(sid)
                ),
            ),
            None => self.break_promise(
                Promise::OnceAndInOrder,
                format!("event {number} after {was} in {}", short(sid)),
            ),
        }
    }

    /// An event that is none of those that were sent.
    pub fn client_cannot_read(&mut self, why: &str) {
        if self.garbage {
            self.counts.garbled += 1;
        } else {
            self.break_promise(
                Promise::NothingIsLost,
                format!("an event cannot be read: {why}"),
            );
        }
    }

    /// [`socketio::Event::Lagged`].
    pub fn client_lagged(&mut self, events: u64) {
        self.lagged += events;
        self.note(format!("client: lagged by {events}"));
    }

    /// [`socketio::Event::Disconnected`].
    pub fn client_disconnected(&mut self, why: &str) {
        self.note(format!("client: disconnected: {why}"));
        self.lagged = 0;
        if let Some(sid) = self.current.take() {
            self.client_over(&sid);
        }
    }

    /// The client was dropped, unread: it will tell no more.
    pub fn client_dropped(&mut self) {
        self.note("client: dropped");
        if let Some(sid) = self.current.take() {
            self.session(&sid).abandoned = true;
            self.client_over(&sid);
        }
        self.lagged = 0;
        for asked in self.asked.values_mut() {
            asked.settled = true;
        }
        let told = self.counts.sent + self.counts.unsent;
        self.counts.abandoned = self.counts.accepted.saturating_sub(told);
    }

    /// An event was taken, and its sender has gone on.
    pub fn client_accepted(&mut self) {
        self.counts.accepted += 1;
    }

    /// An event was not taken, of which nothing has been sent.
    pub fn client_refused(&mut self, up: Up, number: u64) {
        self.counts.refused += 1;
        self.refused.push_back((up, number));
        if self.refused.len() > MAX_REMEMBERED {
            self.refused.pop_front();
        }
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
        } else {
            let asked = self.asked.entry(number).or_default();
            if std::mem::replace(&mut asked.sent, true) {
                self.break_promise(
                    Promise::OnceAndInOrder,
                    format!("question {number} was sent twice"),
                );
            }
        }
        if self.refused.contains(&(up, number)) {
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

    /// A question is about to be asked.
    pub fn client_asks(&mut self, number: u64) {
        self.counts.asked += 1;
        self.asked.entry(number).or_default();
        while self.asked.len() > MAX_REMEMBERED {
            self.asked.pop_first();
        }
    }

    /// A question is settled.
    pub fn client_answered(&mut self, number: u64, answer: Answer) {
        let asked = self.asked.entry(number).or_default();
        let settled = std::mem::replace(&mut asked.settled, true);
        let (sent, seen) = (asked.sent, asked.seen);
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

    fn client_over(&mut self, sid: &str) {
        self.session(sid).client = Side::Over;
        self.finish_if_over(sid);
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

    fn finish_if_over(&mut self, sid: &str) {
        let over = |session: &Session| session.client == Side::Over && session.server == Side::Over;
        if self.sessions.get(sid).is_some_and(over) {
            self.finish(sid);
        }
    }

    fn finish(&mut self, sid: &str) {
        let Some(session) = self.sessions.remove(sid) else {
            return;
        };
        self.counts.down_tail += session.down_sent.saturating_sub(session.down_seen);
        self.counts.up_tail += session.told.len() as u64;
        if let Some(seen) = session.ahead.front()
            && session.client == Side::Over
            && !session.abandoned
        {
            self.break_promise(
                Promise::EveryEmitHasAFate,
                format!(
                    "the server has seen {seen:?} in {}, and it was never told as sent",
                    short(sid)
                ),
            );
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
            && self.asked.values().all(|asked| asked.settled)
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
        let unsettled = self.asked.iter().find(|(_, asked)| !asked.settled);
        if let Some((number, _)) = unsettled {
            let what = format!("question {number} was never settled");
            self.break_promise(Promise::EveryEmitHasAFate, what);
        }
    }
}

impl Session {
    fn is_behind(&self) -> bool {
        self.down_seen < self.down_sent
            || !self.told.is_empty()
            || !self.ahead.is_empty()
            || self.replies_seen < self.replied
    }

    fn behind(&self) -> String {
        format!(
            "{} of {} events have come down, {} that were sent have not come up, {} were not told, {} of {} replies",
            self.down_seen,
            self.down_sent,
            self.told.len(),
            self.ahead.len(),
            self.replies_seen,
            self.replied
        )
    }
}

/// Enough of an id to tell it from others.
fn short(sid: &str) -> &str {
    sid.get(..6).unwrap_or(sid)
}

#[cfg(test)]
mod tests;
