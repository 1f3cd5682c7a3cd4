//! What a namespace remembers across connections: the count of acknowledgements, and what can be recovered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api::AckId;
use super::ids::Offsets;

/// How often the reference server forgets events that are too old.
const SWEEP: Duration = Duration::from_secs(60);

/// One namespace, over all its clients.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) next_ack: AckId,
    offsets: Offsets,
    /// Lost sockets by their private id.
    lost: BTreeMap<String, Lost>,
    /// Events that can be sent again, oldest first.
    events: Vec<Stored>,
    swept_at: Option<Instant>,
}

#[derive(Debug)]
struct Lost {
    id: String,
    since: Instant,
}

#[derive(Debug)]
struct Stored {
    offset: String,
    /// Whom it was for; everybody otherwise.
    to: Option<String>,
    args: Vec<Value>,
    at: Instant,
}

/// A socket that is there again.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) id: String,
    pub(super) missed: Vec<Vec<Value>>,
}

impl Room {
    pub(super) fn next_ack(&mut self) -> AckId {
        self.next_ack += 1;
        self.next_ack - 1
    }

    /// Gives an event its offset and keeps it; `to` is the socket that it is for.
    pub(super) fn store(
        &mut self,
        now: Instant,
        window: Duration,
        to: Option<&str>,
        mut args: Vec<Value>,
    ) -> Vec<Value> {
        self.sweep(now, window);
        let offset = self.offsets.next(now);
        args.push(Value::from(offset.as_str()));
        self.events.push(Stored {
            offset,
            to: to.map(str::to_owned),
            args: args.clone(),
            at: now,
        });
        args
    }

    /// Keeps a socket whose connection is lost.
    pub(super) fn keep(&mut self, now: Instant, private_id: String, id: String) {
        self.lost.insert(private_id, Lost { id, since: now });
    }

    /// The socket with this private id, and what it has missed since `offset`.
    pub(super) fn restore(
        &mut self,
        now: Instant,
        window: Duration,
        private_id: &str,
        offset: &str,
    ) -> Option<Recovered> {
        self.sweep(now, window);
        let lost = self.lost.get(private_id)?;
        if lost.since + window < now {
            self.lost.remove(private_id);
            return None;
        }
        let seen = self
            .events
            .iter()
            .position(|event| event.offset == offset)?;
        let missed = self.events.iter().skip(seen + 1);
        let missed = missed.filter(|event| event.to.as_ref().is_none_or(|to| *to == lost.id));
        Some(Recovered {
            id: lost.id.clone(),
            missed: missed.map(|event| event.args.clone()).collect(),
        })
    }

    /// Forgets what was too old at the last minute's turn.
    fn sweep(&mut self, now: Instant, window: Duration) {
        let mut turn = *self.swept_at.get_or_insert(now);
        while turn + SWEEP <= now {
            turn += SWEEP;
        }
        self.swept_at = Some(turn);
        self.lost.retain(|_, lost| lost.since + window >= turn);
        self.events.retain(|event| event.at + window >= turn);
    }
}
