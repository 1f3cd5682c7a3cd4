//! Very many connections with nothing to do: their memory, their heartbeats, and their return when the server was gone.

pub mod descriptors;
pub mod holder;
pub mod memory;
mod plan;
pub mod servant;
pub mod server;
mod storm;
pub mod tls;

pub use plan::Plan;

#[cfg(test)]
mod tests;
