//! Faults on real sockets, by a relay between the client and the real server: what the user is shown, that each gap in
//! coverage is, that nothing is sent twice, and that everything comes back.
//!
//! Each table has one body. Each row is a rule of the relay and what the user's stream then shows, in order.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

mod graph;
mod handshake;
mod names;
mod polling;
mod silence;
mod splitting;
mod upgrade;
mod websocket;
mod world;
