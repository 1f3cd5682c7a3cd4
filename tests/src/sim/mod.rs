//! What the tests under simulated time are made of: a client, a server, and a network in between, without I/O, a clock or
//! a runtime. A seed makes a run, and the same run each time.

pub mod client;
pub mod explore;
pub mod link;
pub mod network;
mod pair;
pub mod script;
pub mod server;

pub use pair::Pair;
