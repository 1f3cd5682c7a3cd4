//! Acknowledgements that are awaited.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::namespace::NamespaceKey;

/// Names an awaited acknowledgement within its session, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckKey {
    pub(super) namespace: NamespaceKey,
    pub(super) id: u64,
}

/// All awaited acknowledgements of a session, by name and by deadline.
#[derive(Debug, Default)]
pub(super) struct PendingAcks {
    pending: BTreeMap<AckKey, Pending>,
    /// The same ones, so that the first to time out is at hand.
    deadlines: BTreeSet<(Instant, AckKey)>,
}

#[derive(Debug)]
struct Pending {
    deadline: Instant,
    /// Whether the event has left, and with it the chance to send it on another link.
    sent: bool,
}

impl PendingAcks {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn insert(&mut self, key: AckKey, deadline: Instant, sent: bool) {
        self.pending.insert(key, Pending { deadline, sent });
        self.deadlines.insert((deadline, key));
    }

    pub(super) fn mark_sent(&mut self, key: AckKey) {
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.sent = true;
        }
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
        self.drain_where(namespace, |pending| pending.sent)
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
