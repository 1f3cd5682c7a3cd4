//! How a session behaves, and what joining one of its namespaces takes.

use std::time::Duration;

use engineio::Version;
use socketio_codec::{Json, Parser, Query};

use crate::limits::Limits;
use crate::reconnection::Reconnection;
use crate::retries::Retries;

/// How a session behaves.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The revision to speak. Default: [`Version::V4`], which is revision 5 of Socket.IO.
    ///
    /// With [`Version::Auto`] the session finds it out and remembers it, from one link to the next. If need be it
    /// replaces the first link by one of the other revision, at once and without telling anybody. Over WebSocket alone
    /// and with an unknown server without `maxPayload`, that is before socket.io 4.5, CONNECT is sent
    /// [`AUTO_GRACE`](super::AUTO_GRACE) later.
    pub version: Version,
    /// How lost connections are replaced.
    pub reconnection: Reconnection,
    /// How long the server may take to answer the CONNECT of a namespace. The reference client waits for ever.
    /// Default: 20 s.
    pub connect_timeout: Duration,
    /// Whether a link that ended up on WebSocket is replaced by one that begins there, and is not upgraded again. It is
    /// forgotten when an attempt fails or the transport breaks. Default: `false`, as in the reference client.
    pub remember_upgrade: bool,
    /// Whether binary messages travel as base64 on WebSocket, too, which the engine below was told: then they are
    /// larger. Default: `false`.
    pub force_base64: bool,
    /// What becomes of events that are emitted while their namespace is not connected. Default: they wait.
    pub offline: Offline,
    /// The format of packets, which must be the server's. Default: JSON.
    pub parser: Parser,
    /// What the peer and the caller may make the session hold.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Version::default(),
            reconnection: Reconnection::default(),
            connect_timeout: Duration::from_secs(20),
            remember_upgrade: false,
            force_base64: false,
            offline: Offline::default(),
            parser: Parser::default(),
            limits: Limits::default(),
        }
    }
}

/// What becomes of events that are emitted while their namespace is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Offline {
    /// They wait for it, within [`Limits::max_buffered_events`] and [`Limits::max_buffered_bytes`].
    #[default]
    Buffer,
    /// They are refused: [`EmitError::NotConnected`](crate::EmitError::NotConnected).
    Reject,
}

/// How a namespace is joined, the first time and again on each new link.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Join {
    /// What the client authenticates with.
    pub auth: Auth,
    /// What servers of revision 4 get instead, except in the namespace `/`, which they join by themselves.
    pub query: Option<Query>,
    /// Whether events are sent again until they are acknowledged, with
    /// [`Session::emit_retried`](super::Session::emit_retried).
    pub retries: Option<Retries>,
    /// Whether events that are sent are told, as [`Event::Sent`](crate::event::Event::Sent), or counted, as
    /// [`Event::SentMore`](crate::event::Event::SentMore).
    pub report_sent: bool,
}

impl Join {
    /// With this auth payload.
    #[must_use]
    pub fn with_auth(auth: Json) -> Self {
        Self {
            auth: Auth::Fixed(auth),
            ..Self::default()
        }
    }
}

/// The auth payload of a namespace's CONNECT: an object, of which revision 4 knows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Auth {
    /// There is none.
    #[default]
    None,
    /// Always this one.
    Fixed(Json),
    /// It is asked for each time, by [`Action::AskAuth`](super::Action::AskAuth).
    Asked,
}

impl Auth {
    pub(super) fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }
}
