//! Bodies of the fuzz targets in `fuzz/`: each takes any bytes whatsoever, and panics when a promise is broken.
//!
//! Two kinds of input: the bytes themselves, where a codec reads one thing; and a script of lines, a verb each, where
//! something lives on from one message to the next. Scripts hold the protocol's own text, so that what was captured
//! once makes a seed, and what a fuzzer finds can be read.

#![allow(
    clippy::missing_panics_doc,
    reason = "that is what all of them do, when a promise is broken"
)]

mod args;
mod client;
mod connection;
mod cursor;
mod engine;
mod graph;
mod packets;
mod program;
mod round_trips;
mod script;
mod session;
mod urls;
/// The values of the codec's own tests.
#[path = "../../../crates/socketio-codec/tests/properties/value.rs"]
mod value;
mod websocket;

pub use args::args;
pub use client::client;
pub use connection::connection;
pub use engine::{engineio_v3, engineio_v4, handshake};
pub use graph::graph;
pub use packets::{msgpack, socketio_v4, socketio_v5};
pub use round_trips::round_trips;
pub use session::session;
pub use urls::urls;
pub use websocket::websocket;

/// A body: it returns, whatever the bytes are, unless a promise is broken.
pub type Body = fn(&[u8]);

/// All bodies, by the names of their targets.
pub const BODIES: [(&str, Body); 14] = [
    ("args", args),
    ("client", client),
    ("connection", connection),
    ("engineio_v3", engineio_v3),
    ("engineio_v4", engineio_v4),
    ("graph", graph),
    ("handshake", handshake),
    ("msgpack", msgpack),
    ("round_trips", round_trips),
    ("session", session),
    ("socketio_v4", socketio_v4),
    ("socketio_v5", socketio_v5),
    ("urls", urls),
    ("websocket", websocket),
];
