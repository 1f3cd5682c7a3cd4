//! The tokio client: handles, and one task per connection that joins a [`Session`](crate::session::Session) to an
//! Engine.IO [`Client`](engineio::client::Client).

mod builder;
mod channel;
mod dialer;
mod driver;
mod events;
mod joining;
mod membership;
mod provider;
mod sink;
mod socket;
mod stats;

pub use builder::Builder;
pub use events::Events;
pub use joining::NamespaceBuilder;
pub use provider::{Attempt, Dial};
pub use sink::EmitSink;
pub use socket::{AckHandle, Socket};
pub use stats::Stats;

use crate::error::ConnectError;

/// Something that happened to a namespace: an item of [`Events`].
pub type Event = crate::event::Event<AckHandle>;

/// An event of the server: a name and arguments. An [`AckHandle`] answers it.
pub type Message = crate::event::Message<AckHandle>;

/// Connects to the server and the namespace that a URL names, with all settings at their defaults.
///
/// The URL is read as the reference client's `io(url)` does: see [`Target`](crate::Target). The future resolves when
/// the namespace is joined; the first failure is returned, and not retried. Dropping the future gives up.
///
/// # Errors
///
/// See [`ConnectError`].
///
/// # Panics
///
/// Outside a tokio runtime.
pub async fn connect(url: &str) -> Result<(Socket, Events), ConnectError> {
    Builder::new(url).connect().await
}
