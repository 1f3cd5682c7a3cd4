//! A Socket.IO client: namespaces, events, acknowledgements, binary values, reconnection.
//!
//! It speaks revision 5 of the protocol (servers socket.io 3.x and 4.x), on demand revision 4 (2.x), and can find out
//! which one a server speaks: see [`Builder::version`]. [`connect`] takes a URL and gives a pair: a
//! [`Socket`], a cheap handle to emit with, and [`Events`], a stream of everything that happens, the coming and going
//! of the connection included. There are no callbacks. [`migrating`] says, name by name, what replaces what of other
//! clients.
//!
#![cfg_attr(feature = "client", doc = "```no_run")]
#![cfg_attr(not(feature = "client"), doc = "```text")]
//! use std::time::Duration;
//! use socketio::{Bytes, Event};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (socket, mut events) = socketio::connect("https://example.com/chat?room=1").await?;
//! socket.emit("hello", ("world", 42)).await?;
//!
//! let reply = socket.emit_with_ack("question", "why?", Duration::from_secs(5)).await?;
//! let answer: String = reply.parse()?;
//!
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Connected(connected) => println!("connected by {}", connected.transport),
//!         Event::Message(mut message) if message.name() == "picture" => {
//!             let (title, picture): (String, Bytes) = message.parse()?;
//!             println!("{answer}: {title}, {} bytes", picture.len());
//!             if let Some(ack) = message.ack() {
//!                 ack.reply("got it").await?;
//!             }
//!         }
//!         Event::Message(message) => println!("{}", message.json()),
//!         Event::Disconnected { reason, retry_in } => println!("{reason}; again in {retry_in:?}"),
//!         Event::ConnectError { error, retry_in } => println!("{error}; again in {retry_in:?}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What to rely on
//!
//! * **Arguments**: a tuple is the list of arguments, `()` is none, anything else is one; in both directions.
//! * **Events never lie**: after a [`Event::Disconnected`], events of the server may have been missed, unless the next
//!   [`Event::Connected`] is [recovered](Connected::recovered). A loss and a failed attempt say whether and when there
//!   will be another attempt; what was accepted and not sent after all is told by [`Event::Unsent`].
//! * **Acknowledgements always settle**: with the reply, the timeout, or the loss of the connection. Ids are never used
//!   twice, and an event of an earlier connection cannot be acknowledged on a later one.
//! * **Everything is bounded**: [`Limits`], [`Builder::event_queue`]. Who emits faster than the network waits, or is
//!   refused ([`Socket::try_emit`], [`Builder::offline`]). Who reads slower than the server sends slows the server down,
//!   or loses the oldest events and is told, or is disconnected, as [`Overflow`] says.
//! * **Nothing leaks**: dropping a future takes back what it asked for; dropping all handles closes the connection and
//!   ends its task.
//! * **Delivery** is at most once, or at least once with [`Builder::retries`].
//! * **Reconnection** is capped exponential backoff with jitter, see [`Reconnection`]. It starts with the first success,
//!   unless [the first attempt is retried too](Reconnection::retry_on_initial_connect). What is retried, [`Decide`] can
//!   change, and what an attempt uses, [`Builder::provider`] and [`Builder::auth_provider`] bring anew each time.
//!
//! # Logs
//!
//! What happens is told by `tracing`, targets `socketio` and `engineio`, at level debug, in a span for the connection, for
//! each attempt and for each namespace. No secret is in it, nor in what the libraries below write to `log` and `tracing`,
//! at any level.
//!
//! # Without tokio
//!
//! The client is a thin driver around [`session::Session`], a state machine without I/O. With `default-features =
//! false` that is all there is, and nothing depends on a runtime.
#![cfg_attr(
    not(feature = "client"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the links above lead to the client"
    )
)]

mod decision;
mod error;
pub mod event;
mod limits;
mod overflow;
mod reconnection;
mod retries;
pub mod session;
mod url;

#[cfg(feature = "client")]
mod client;

#[cfg(all(doc, feature = "client"))]
#[doc = include_str!("../MIGRATING.md")]
pub mod migrating {}

pub use bytes::Bytes;
pub use engineio::{self, Transport, Version};
pub use socketio_codec as codec;
pub use socketio_codec::{Args, ArgsError, Json, Namespace, Parser, Spread};

pub use decision::{Decide, Decision, Failure};
pub use error::{AckError, ConnectError, DisconnectReason, EmitError, ProviderError};
pub use event::Connected;
pub use limits::Limits;
pub use overflow::Overflow;
pub use reconnection::Reconnection;
pub use retries::Retries;
pub use session::Offline;
pub use url::{Target, UrlError};

#[cfg(feature = "client")]
pub use client::{
    AckHandle, Attempt, Builder, Dial, EmitSink, Event, Events, Message, NamespaceBuilder, Socket,
    Stats, connect,
};
