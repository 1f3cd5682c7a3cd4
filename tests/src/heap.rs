//! Whose the memory is: the heap of those under test, apart from that of the servers, relays and accounts around them.
//!
//! Resident memory is that of the process, in which all of them live. So those under test allocate in their own name, and
//! what they allocate is counted as theirs until it is freed, by whomever. There are two ways to be under test: the
//! threads of a runtime that lives as long as the soak, and whatever one thread does while a closure
//! runs ([`measure`]).

use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tracking_allocator::{
    AllocationGroupId, AllocationGroupToken, AllocationRegistry, AllocationTracker,
};

pub use tracking_allocator::Allocator;

static COUNTED: OnceLock<()> = OnceLock::new();
static CLIENTS: Meter = Meter::new();
static OTHERS: Meter = Meter::new();
/// Who owns what the groups allocate, by their numbers. A thread has one at most.
static OWNERS: [OnceLock<&'static Meter>; 1024] = [const { OnceLock::new() }; 1024];

/// Counts from now on. Only a program whose global allocator is an [`Allocator`] has something to count.
pub fn count() {
    COUNTED.get_or_init(|| {
        // An error says that somebody else has set one; then this one counts nothing.
        AllocationRegistry::set_global_tracker(Tracker).ok();
        AllocationRegistry::enable_tracking();
    });
}

/// What this thread allocates from now on is the clients'.
pub(crate) fn is_of_clients() {
    if COUNTED.get().is_some() {
        // For as long as the thread lives; there are few of them.
        let group = Box::leak(Box::new(group_of(&CLIENTS)));
        std::mem::forget(group.enter());
    }
}

/// Live bytes that were allocated by the clients, if somebody counts.
pub(crate) fn clients() -> Option<u64> {
    COUNTED.get().map(|()| CLIENTS.live())
}

/// Live bytes that were allocated by all others since they are counted: servers, relays, accounts.
pub(crate) fn others() -> Option<u64> {
    COUNTED.get().map(|()| OTHERS.live())
}

/// What something has taken of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heap {
    /// The most bytes that were live at a time. While something grows, the old and the new place count.
    pub peak: u64,
    /// Bytes that are still live: they belong to the result.
    pub kept: u64,
    /// All bytes that were allocated, be they freed again or not.
    pub total: u64,
}

/// What this thread takes of the heap while `f` runs. What was there before does not count, and nor does what is freed of
/// it.
///
/// # Panics
///
/// When nobody [counts](count).
pub fn measure<T>(f: impl FnOnce() -> T) -> (T, Heap) {
    thread_local! {
        static OWN: RefCell<Option<(AllocationGroupToken, &'static Meter)>> = const { RefCell::new(None) };
    }
    assert!(COUNTED.get().is_some(), "somebody counts");
    let mut own = OWN.take().unwrap_or_else(|| {
        let meter = Box::leak(Box::new(Meter::new()));
        (group_of(meter), meter)
    });
    let (group, meter) = &mut own;
    let before = meter.start();
    let guard = group.enter();
    let result = f();
    drop(guard);
    let heap = meter.since(before);
    OWN.set(Some(own));
    (result, heap)
}

/// A group of its own for a thread.
fn group_of(owner: &'static Meter) -> AllocationGroupToken {
    let group = AllocationGroupToken::register().expect("a group");
    let place = OWNERS.get(group.id().as_usize().get());
    let set = place.map(|place| place.set(owner));
    assert!(matches!(set, Some(Ok(()))), "fewer threads");
    group
}

/// A number of bytes that come and go.
#[derive(Debug)]
struct Meter {
    live: AtomicI64,
    peak: AtomicI64,
    total: AtomicU64,
}

impl Meter {
    const fn new() -> Self {
        Self {
            live: AtomicI64::new(0),
            peak: AtomicI64::new(0),
            total: AtomicU64::new(0),
        }
    }

    fn add(&self, size: usize) {
        let size = size.cast_signed() as i64;
        let live = self.live.fetch_add(size, Ordering::Relaxed) + size;
        self.peak.fetch_max(live, Ordering::Relaxed);
        self.total
            .fetch_add(size.cast_unsigned(), Ordering::Relaxed);
    }

    fn take(&self, size: usize) {
        self.live
            .fetch_sub(size.cast_signed() as i64, Ordering::Relaxed);
    }

    fn live(&self) -> u64 {
        // Less than nothing is what a thread sees that is ahead of another.
        positive(self.live.load(Ordering::Relaxed))
    }

    /// Begins to look for a peak. The answer is what is live, and what was allocated, before.
    fn start(&self) -> (i64, u64) {
        let live = self.live.load(Ordering::Relaxed);
        self.peak.store(live, Ordering::Relaxed);
        (live, self.total.load(Ordering::Relaxed))
    }

    fn since(&self, (live, total): (i64, u64)) -> Heap {
        Heap {
            peak: positive(self.peak.load(Ordering::Relaxed) - live),
            kept: positive(self.live.load(Ordering::Relaxed) - live),
            total: self.total.load(Ordering::Relaxed) - total,
        }
    }
}

fn positive(bytes: i64) -> u64 {
    bytes.try_into().unwrap_or(0)
}

struct Tracker;

impl Tracker {
    fn owner(group: &AllocationGroupId) -> &'static Meter {
        let owner = OWNERS.get(group.as_usize().get());
        owner.and_then(OnceLock::get).copied().unwrap_or(&OTHERS)
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
        let meter = Meter::new();
        meter.take(1);
        assert_eq!(meter.live(), 0);
        meter.add(1);
        meter.add(100);
        meter.add(20);
        meter.take(100);
        assert_eq!(meter.live(), 20);
    }

    #[test]
    fn the_peak_is_counted_from_the_start() {
        let meter = Meter::new();
        meter.add(1000);
        let before = meter.start();
        meter.take(400);
        meter.add(500);
        meter.take(300);
        let heap = meter.since(before);
        assert_eq!((heap.peak, heap.kept, heap.total), (100, 0, 500));
    }

    #[test]
    fn who_has_a_group_is_its_owner_s() {
        let group = group_of(&CLIENTS).id();
        let owner = |group: &AllocationGroupId| std::ptr::from_ref(Tracker::owner(group));
        assert!(std::ptr::eq(owner(&group), &raw const CLIENTS));
        let other = AllocationGroupToken::register().unwrap().id();
        for id in [other, AllocationGroupId::ROOT] {
            assert!(std::ptr::eq(owner(&id), &raw const OTHERS));
        }
    }
}
