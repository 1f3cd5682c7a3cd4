//! The model server is kept honest: against the cases of the official suites, captured sessions, and the real servers.

// A panic is how a test says what is wrong, in its helpers as well.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod captured;
mod engine_suite;
mod javascript;
mod model;
mod raw;
mod recovery;
mod socket_suite;
