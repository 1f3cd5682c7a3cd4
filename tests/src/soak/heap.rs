//! Whose the memory is: the live bytes of the heap, those of the clients apart from all others.
//!
//! Resident memory is that of the process, in which the servers and the accounts live, too. So each thread of the
//! clients' runtime allocates in its own name, and what it allocates is counted as theirs until somebody frees it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use tracking_allocator::{
    AllocationGroupId, AllocationGroupToken, AllocationRegistry, AllocationTracker,
};

pub use tracking_allocator::Allocator;

static COUNTED: OnceLock<()> = OnceLock::new();
static CLIENTS: Live = Live::new();
static OTHERS: Live = Live::new();

/// Counts from now on. Only a program whose global allocator is an [`Allocator`] has something to count.
pub fn count() {
    COUNTED.get_or_init(|| {
        // An error says that somebody else has set one; then this one counts nothing.
        AllocationRegistry::set_global_tracker(Tracker).ok();
        AllocationRegistry::enable_tracking();
    });
}

/// What this thread allocates from now on is the clients'.
pub(super) fn is_of_clients() {
    if COUNTED.get().is_some()
        && let Some(group) = AllocationGroupToken::register()
    {
        // For as long as the thread lives; there are few of them.
        let group = Box::leak(Box::new(group));
        std::mem::forget(group.enter());
    }
}

/// Live bytes that were allocated by the clients, if somebody counts.
pub(super) fn clients() -> Option<u64> {
    COUNTED.get().map(|()| CLIENTS.bytes())
}

/// Live bytes that were allocated by all others since they are counted: servers, relays, accounts.
pub(super) fn others() -> Option<u64> {
    COUNTED.get().map(|()| OTHERS.bytes())
}

/// A number of bytes.
#[derive(Debug)]
struct Live(AtomicI64);

impl Live {
    const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    fn add(&self, size: usize) {
        self.0
            .fetch_add(size.cast_signed() as i64, Ordering::Relaxed);
    }

    fn take(&self, size: usize) {
        self.0
            .fetch_sub(size.cast_signed() as i64, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        // Less than nothing is what a thread sees that is ahead of another.
        self.0.load(Ordering::Relaxed).try_into().unwrap_or(0)
    }
}

struct Tracker;

impl Tracker {
    /// Only the clients have groups.
    fn owner(group: &AllocationGroupId) -> &'static Live {
        if *group == AllocationGroupId::ROOT {
            &OTHERS
        } else {
            &CLIENTS
        }
    }
}

impl AllocationTracker for Tracker {
    fn allocated(&self, _: usize, size: usize, _: usize, group: AllocationGroupId) {
        Self::owner(&group).add(size);
    }

    fn deallocated(
        &self,
        _: usize,
        size: usize,
        _: usize,
        source: AllocationGroupId,
        _: AllocationGroupId,
    ) {
        Self::owner(&source).take(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_there_until_they_are_freed() {
        let live = Live::new();
        live.take(1);
        assert_eq!(live.bytes(), 0);
        live.add(1);
        live.add(100);
        live.add(20);
        live.take(100);
        assert_eq!(live.bytes(), 20);
    }

    #[test]
    fn who_has_a_group_is_a_client() {
        let owner = |group: &AllocationGroupId| std::ptr::from_ref(Tracker::owner(group));
        let group = AllocationGroupToken::register().unwrap().id();
        assert!(std::ptr::eq(owner(&group), &raw const CLIENTS));
        assert!(std::ptr::eq(
            owner(&AllocationGroupId::ROOT),
            &raw const OTHERS
        ));
    }
}
