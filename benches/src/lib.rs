//! What the protocol stack costs, beside the floor and beside its peers: in the same run, so that a noisy machine does
//! not matter.

pub mod allocations;
pub mod cargo;
pub mod clock;
pub mod codec;
pub mod compile;
pub mod idle;
pub mod latency;
pub mod measure;
pub mod options;
pub mod raw;
pub mod report;
pub mod results;
pub mod server;
pub mod throughput;
