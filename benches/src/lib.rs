//! What the protocol stack costs, beside the floor and beside its peers: in the same run, so that a noisy machine does
//! not matter.

pub mod clock;
pub mod measure;
pub mod options;
pub mod report;
