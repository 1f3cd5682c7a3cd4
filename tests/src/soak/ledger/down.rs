//! Down, from the server to the client: numbered from 1 in each session, seen as 1, 2, 3 …

use super::session::Side;
use super::{Account, short};
use crate::soak::promise::Promise;

impl Account {
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
}
