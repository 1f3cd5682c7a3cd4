//! What a namespace reports: its lifecycle and the events of its server.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use engineio::{Transport, Version};
use serde::de::DeserializeOwned;
use socketio_codec::{Args, ArgsError};

use crate::error::{ConnectError, DisconnectReason, EmitError};

/// Something that happened to a namespace. `A` is what answers an event that wants an acknowledgement.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<A> {
    /// The namespace is joined: for the first time, and then once after each reconnection.
    Connected(Connected),
    /// The server sent an event.
    Message(Message<A>),
    /// The connection now uses another transport.
    Upgraded(Transport),
    /// The namespace is no longer connected. Events of the server may have been missed from here on.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
        /// When the next attempt will be made; `None` if there will be none: then this is the last event.
        retry_in: Option<Duration>,
    },
    /// An attempt to connect again has failed.
    ConnectError {
        /// Why.
        error: ConnectError,
        /// When the next attempt will be made; `None` if there will be none: then this is the last event.
        retry_in: Option<Duration>,
    },
    /// An event of this side was handed to the connection; told only where that was asked for, by
    /// [`report_sent`](crate::Builder::report_sent). An event that waits for a connection is told when it leaves, one
    /// that is retried each time it does; acknowledgements are not told.
    Sent(socketio_codec::Event),
    /// So many further events of this side were handed to the connection in this place, and are only counted: the
    /// connection did not read, because nobody read its events, and as many as
    /// [`Limits::max_buffered_events`](crate::Limits::max_buffered_events) and
    /// [`max_buffered_bytes`](crate::Limits::max_buffered_bytes) allow waited to be told already. Of what was sent,
    /// nothing is lost by that.
    SentMore(u64),
    /// So many events or acknowledgements had been accepted, and will not be sent after all. Their senders do not wait
    /// for an outcome any more, so it is told here.
    Unsent {
        /// How many.
        events: u64,
        /// Why: what happened to the first of them; it was of the same kind for all.
        error: EmitError,
    },
    /// So many of the oldest unread events, of whatever kind, were dropped in this place, because nobody read them and
    /// [`Overflow::DropOldest`](crate::Overflow) was asked for.
    Lagged(u64),
}

impl<A> Event<A> {
    /// Whether nothing will follow: the namespace is left, and nobody will try to join it again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Disconnected { retry_in: None, .. } | Self::ConnectError { retry_in: None, .. }
        )
    }

    /// The same event with another kind of answer.
    #[must_use]
    pub fn map_ack<B>(self, with: impl FnOnce(A) -> B) -> Event<B> {
        match self {
            Self::Connected(connected) => Event::Connected(connected),
            Self::Message(Message { event, ack }) => Event::Message(Message {
                event,
                ack: ack.map(with),
            }),
            Self::Upgraded(transport) => Event::Upgraded(transport),
            Self::Disconnected { reason, retry_in } => Event::Disconnected { reason, retry_in },
            Self::ConnectError { error, retry_in } => Event::ConnectError { error, retry_in },
            Self::Sent(event) => Event::Sent(event),
            Self::SentMore(events) => Event::SentMore(events),
            Self::Unsent { events, error } => Event::Unsent { events, error },
            Self::Lagged(events) => Event::Lagged(events),
        }
    }
}

/// The namespace is joined.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The Socket.IO id of this client in this namespace, if the server gave one: new with each connection. It is not
    /// printed: in revision 4 it is made of the id of the Engine.IO session, which is as good as the session.
    pub id: Option<String>,
    /// Whether the server kept this client's state over the interruption: the id and the rooms are the same as before,
    /// and what was missed comes as the next events. Servers of revision 5 offer it where it was switched on
    /// (`connectionStateRecovery`).
    pub recovered: bool,
    /// The transport in use. An upgrade may be over before the namespace is joined; then there is no
    /// [`Event::Upgraded`] in it.
    pub transport: Transport,
    /// The revision of Engine.IO that the server speaks: never [`Version::Auto`].
    pub version: Version,
    /// Which of the namespace's connections this is; acknowledgements belong to one.
    pub(crate) generation: u64,
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("recovered", &self.recovered)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// An event of the server: a name and arguments.
///
/// It is a slice of the buffer it arrived in and keeps that alive: at most twice its own size, or some KiB where it is small.
/// [`detach`](Self::detach) copies it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<A> {
    pub(crate) event: socketio_codec::Event,
    pub(crate) ack: Option<A>,
}

impl<A> Message<A> {
    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.event.name()
    }

    /// The arguments, undecoded.
    #[must_use]
    pub fn args(&self) -> &Args {
        self.event.args()
    }

    /// Reads the arguments: a tuple is the list of them, `()` is none, anything else is the first one. Further
    /// arguments are ignored, missing ones read as null.
    ///
    /// # Errors
    ///
    /// When they are not of type `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        self.event.parse()
    }

    /// The event as JSON text, `["name",…]`, with placeholders in the place of binary values.
    #[must_use]
    pub fn json(&self) -> &str {
        self.event.json()
    }

    /// The binary values, in the order of their placeholders' numbers.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        self.event.attachments()
    }

    /// Takes what answers the event, if the server wants an answer. The second call gives `None`.
    #[must_use = "the server waits for an answer"]
    pub fn ack(&mut self) -> Option<A> {
        self.ack.take()
    }

    /// Whether the server wants an answer that has not been taken by [`ack`](Self::ack) yet.
    #[must_use]
    pub fn wants_ack(&self) -> bool {
        self.ack.is_some()
    }

    /// The same event in memory of its own, so that it no longer keeps a receive buffer alive.
    #[must_use]
    pub fn detach(self) -> Self {
        Self {
            event: self.event.detach(),
            ack: self.ack,
        }
    }
}
