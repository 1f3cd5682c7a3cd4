//! The Socket.IO client with MessagePack packets against the real server with socket.io-msgpack-parser.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

#[macro_use]
mod socket_scenarios;

use conformance::Release;
use engineio::Version;
use socket_scenarios::*;

socket_scenarios! { Release::MessagePack, Version::V4 }
