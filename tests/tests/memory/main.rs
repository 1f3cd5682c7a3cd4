//! What a peer can make of the heap: for each thing that reads, the worst that a message of N bytes costs; and for the
//! finished client, what a server costs that sends for ever. A process of its own, because the heap is counted by it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this is a test"
)]

mod client;
mod codec;
mod search;

use std::alloc::System;

use conformance::heap::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator<System> = Allocator::system();
