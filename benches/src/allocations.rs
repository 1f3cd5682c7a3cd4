//! How often an operation asks for memory.
//!
//! A program counts if it says so:
//!
//! ```
//! use benchmarks::allocations;
//!
//! #[global_allocator]
//! static COUNTING: allocations::Counting = allocations::COUNTING;
//!
//! assert!(allocations::is_counted());
//! let (times, _) = allocations::count(|| std::hint::black_box(vec![1_u8]));
//! assert_eq!(times, 1);
//! ```
//!
//! Counting costs about a nanosecond each time: a thread-local cell is added to. What grows is still grown in its place if
//! the system can: a counter that makes an allocation, a copy and a release of it would measure something else wherever
//! something grows (three times faster or slower, for 64 KiB). Memory that is asked for zeroed is zeroed by hand,
//! however: a program that measures resident memory had better not count.

use std::hint::black_box;

use alloc_counter::{AllocCounterSystem, count_alloc};

/// The allocator of the system, counted.
pub type Counting = AllocCounterSystem;

/// What the `#[global_allocator]` of a program that counts is set to.
pub const COUNTING: Counting = AllocCounterSystem;

/// Whether this program counts.
#[must_use]
pub fn is_counted() -> bool {
    count(|| black_box(Box::new(0_u8))).0 > 0
}

/// How often something asks for memory, new or more of it, in this thread. Never, where it is not counted.
pub fn count<R>(run: impl FnOnce() -> R) -> (u64, R) {
    let ((allocations, reallocations, _), result) = count_alloc(run);
    ((allocations + reallocations) as u64, result)
}
