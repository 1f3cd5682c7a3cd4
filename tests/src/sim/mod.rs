//! What the tests under simulated time are made of.

pub mod server;
