//! Engine.IO, client side: packets, codecs, a connection state machine without I/O, and a tokio driver.
//!
//! The crate is three rooms, each usable without the next:
//!
//! * [`packet`], [`frame`] and [`payload`]: the wire format, as plain functions;
//! * [`Connection`]: one Engine.IO session as a state machine. Time is an argument, bytes come in and go out as
//!   values, and nothing inside sleeps, locks, spawns or reads a clock;
//! * `client` (feature `client`, on by default): the driver that joins a [`Connection`] to
//!   reqwest and to WebSocket frames.
//!
//! # The contract of a `Connection`
//!
//! Feed it what happened ([`Connection::handle_input`], [`Connection::handle_timeout`]), then drain
//! [`Connection::poll_event`] and [`Connection::poll_action`] until both are empty, carry the actions out, and call
//! again when an outcome arrives or [`Connection::poll_timeout`] is reached. Spurious calls are no-ops.
//!
//! ```
//! use std::time::Instant;
//! use engineio::{Action, Config, Connection, Event, Frame, Input, Transport};
//!
//! # #[allow(clippy::disallowed_methods)]
//! let now = Instant::now();
//! let mut config = Config::default();
//! config.transports = vec![Transport::WebSocket];
//! let mut connection = Connection::new(config, now);
//! assert!(matches!(connection.poll_action(), Some(Action::OpenWebSocket(_))));
//!
//! connection.handle_input(now, Input::WebSocketOpened);
//! let open = r#"0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
//! connection.handle_input(now, Input::Frame(Frame::Text(open.into())));
//! assert!(matches!(connection.poll_event(), Some(Event::Opened { .. })));
//!
//! connection.handle_input(now, Input::Frame(Frame::Text("2".into())));
//! assert_eq!(connection.poll_action(), Some(Action::SendFrame(Frame::Text("3".into()))));
//! ```

mod config;
mod connection;
pub mod endpoint;
mod error;
pub mod frame;
mod handshake;
pub mod packet;
pub mod payload;
mod refusal;
// For the protocols above: their errors repeat what was sent, too.
#[doc(hidden)]
pub mod secrets;
mod shelf;
mod stats;
mod subprotocol;
mod timestamp;
mod transport;
mod version;

#[cfg(feature = "client")]
pub mod client;

pub use bytes::Bytes;
pub use bytestring::ByteString;

pub use config::{Config, Limits};
pub use connection::{Action, Connection, Event, Input, Response, Target};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{
    CloseReason, DecodeError, ProtocolError, SendError, TransportError, TransportErrorKind,
    UpgradeError,
};
pub use frame::Frame;
pub use handshake::{Handshake, Sid};
pub use packet::{Message, Packet};
pub use refusal::{ErrorCode, Refusal};
pub use stats::Stats;
pub use subprotocol::{SubprotocolError, Subprotocols};
pub use timestamp::Timestamp;
pub use transport::Transport;
pub use version::Version;
