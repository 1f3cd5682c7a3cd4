//! Sessions: each side opens and closes its own, and what is missing from one that is over was told with its end.

use std::time::Instant;

use super::session::{Session, Side};
use super::{Account, short};
use crate::soak::promise::Promise;

/// Sessions of which one side may still hear: the server has opened them, or the client is through with them. Some are
/// never over for the server, because engineioxide 0.17 pings no more when an upgrade has failed half-way.
const MAX_HALF_KNOWN: usize = 16;

impl Account {
    /// A client has joined.
    pub fn server_opened(&mut self, sid: &str) {
        self.counts.sessions += 1;
        self.note(format!("server: {} joined", short(sid)));
        let session = self.session(sid);
        session.server = Side::Open;
        if session.client == Side::Unknown {
            self.half_known(sid);
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
        self.questions.settle();
        let told = self.counts.sent + self.counts.unsent;
        self.counts.abandoned = self.counts.accepted.saturating_sub(told);
    }

    pub(super) fn client_over(&mut self, sid: &str) {
        self.session(sid).client = Side::Over;
        self.finish_if_over(sid);
        if self.sessions.contains_key(sid) {
            self.half_known(sid);
        }
    }

    /// From now on this session may be finished as the oldest of many.
    fn half_known(&mut self, sid: &str) {
        self.half_known.push_back(sid.to_owned());
        while self.half_known.len() > MAX_HALF_KNOWN
            && let Some(oldest) = self.half_known.pop_front()
        {
            let is_left = |session: &Session| session.client != Side::Open;
            if self.sessions.get(&oldest).is_some_and(is_left) {
                self.finish(&oldest);
            }
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

    pub(super) fn session(&mut self, sid: &str) -> &mut Session {
        let garbled = self.garbage;
        let session = self.sessions.entry(sid.to_owned()).or_default();
        session.garbled |= garbled;
        session
    }
}
