//! What is awaited: acknowledgements, and that events leave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::namespace::NamespaceKey;

/// Names an awaited acknowledgement, or that an event is awaited to leave, within its session and for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckKey {
    pub(super) namespace: NamespaceKey,
    pub(super) id: u64,
}

impl AckKey {
    /// The namespace that it is awaited in.
    #[must_use]
    pub fn namespace(self) -> NamespaceKey {
        self.namespace
    }
}

/// All that is awaited in a session, by name and by deadline.
#[derive(Debug, Default)]
pub(super) struct PendingAcks {
    pending: BTreeMap<AckKey, Pending>,
    /// The same ones, so that the first to time out is at hand.
    deadlines: BTreeSet<(Instant, AckKey)>,
}

#[derive(Debug)]
struct Pending {
    deadline: Instant,
    stage: Stage,
}

/// How far an event has come of which something is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is buffered, and nothing but its leaving is awaited.
    Leaving,
    /// It is buffered, and its acknowledgement awaited.
    Buffered,
    /// It has left, and with it the chance to send it on another link.
    Sent,
}

impl PendingAcks {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn insert(&mut self, key: AckKey, deadline: Instant, stage: Stage) {
        self.pending.insert(key, Pending { deadline, stage });
        self.deadlines.insert((deadline, key));
    }

    /// Takes note that an event has left, and tells whether that was all that was awaited.
    pub(super) fn sent(&mut self, key: AckKey) -> bool {
        let Some(pending) = self.pending.get_mut(&key) else {
            return false;
        };
        let last = pending.stage == Stage::Leaving;
        pending.stage = Stage::Sent;
        last && self.remove(key)
    }

    /// Whether it was awaited.
    pub(super) fn remove(&mut self, key: AckKey) -> bool {
        let Some(pending) = self.pending.remove(&key) else {
            return false;
        };
        self.deadlines.remove(&(pending.deadline, key))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Takes one that has timed out.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<AckKey> {
        let &(deadline, key) = self.deadlines.first()?;
        (deadline <= now && self.remove(key)).then_some(key)
    }

    /// Takes all of a namespace.
    pub(super) fn drain(&mut self, namespace: NamespaceKey) -> Vec<AckKey> {
        self.drain_where(namespace, |_| true)
    }

    /// Takes those of a namespace whose events have been sent.
    pub(super) fn drain_sent(&mut self, namespace: NamespaceKey) -> Vec<AckKey> {
        self.drain_where(namespace, |pending| pending.stage == Stage::Sent)
    }

    fn drain_where(
        &mut self,
        namespace: NamespaceKey,
        which: impl Fn(&Pending) -> bool,
    ) -> Vec<AckKey> {
        let all = AckKey { namespace, id: 0 }..=AckKey {
            namespace,
            id: u64::MAX,
        };
        let range = self.pending.range(all);
        let keys: Vec<_> = range
            .filter(|(_, p)| which(p))
            .map(|(key, _)| *key)
            .collect();
        for key in &keys {
            self.remove(*key);
        }
        keys
    }
}
