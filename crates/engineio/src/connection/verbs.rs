//! What goes into a connection and comes out of it: inputs, actions, events.

use std::fmt;

use bytes::Bytes;

use crate::config::Config;
use crate::error::{CloseReason, TransportError, UpgradeError};
use crate::frame::Frame;
use crate::handshake::{Handshake, Sid};
use crate::packet::Message;
use crate::refusal::Refusal;
use crate::transport::Transport;
use crate::version::Version;

/// What came back from the wire: the outcome of an [`Action`], or a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// The GET is over.
    GetDone(Result<Response, TransportError>),
    /// The POST is over.
    PostDone(Result<Response, TransportError>),
    /// The WebSocket handshake succeeded.
    WebSocketOpened,
    /// The WebSocket handshake was answered with an error, or an HTTP error stands inside the stream.
    WebSocketRefused(Refusal),
    /// A WebSocket message arrived.
    Frame(Frame),
    /// The WebSocket was closed properly, with this close code if there was one.
    WebSocketClosed(Option<u16>),
    /// The WebSocket could not be opened, or it broke.
    WebSocketFailed(TransportError),
}

impl Input {
    /// Whether this brings a message of the application, as far as its first byte says.
    #[cfg(feature = "client")]
    pub(crate) fn is_message(&self) -> bool {
        match self {
            Self::Frame(Frame::Text(text)) => text.starts_with('4'),
            Self::Frame(Frame::Binary(_)) => true,
            _ => false,
        }
    }

    /// Whether this is what waits while reading is paused.
    #[cfg(feature = "client")]
    pub(crate) fn brings_content(&self) -> bool {
        matches!(self, Self::Frame(_) | Self::GetDone(_))
    }

    /// How many bytes of content this brings.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::GetDone(Ok(response)) | Self::PostDone(Ok(response)) => response.body.len(),
            Self::Frame(frame) => frame.len(),
            _ => 0,
        }
    }
}

/// An HTTP response: the status and the whole body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The HTTP status. Only 200 is success.
    pub status: u16,
    /// The body, decompressed, at most [`Limits::max_body_bytes`](crate::Limits).
    pub body: Bytes,
}

impl Response {
    /// A response with this status and body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

/// Which request to make; [`Endpoint::url`](crate::Endpoint::url) turns it into a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The revision to name in the query. It never varies within a session.
    pub version: Version,
    /// The transport to name in the query.
    pub transport: Transport,
    /// Whether the query asks for base64 instead of bytes (`b64=1`).
    pub base64: bool,
    /// The session, once there is one.
    pub sid: Option<Sid>,
}

impl Target {
    pub(super) fn new(
        config: &Config,
        version: Version,
        transport: Transport,
        sid: Option<&Sid>,
    ) -> Self {
        Self {
            version,
            transport,
            base64: version.asks_for_base64(transport, config.force_base64),
            sid: sid.cloned(),
        }
    }
}

/// I/O that the protocol wants. At most one GET, one POST and one WebSocket are wanted at a time.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Make a GET; answer with [`Input::GetDone`]. Aborting it would end the session on the server.
    Get(Target),
    /// Make a POST of this body, `Content-Type: text/plain;charset=UTF-8`; answer with [`Input::PostDone`].
    Post(Target, Bytes),
    /// Open the WebSocket; answer with [`Input::WebSocketOpened`], `WebSocketRefused` or `WebSocketFailed`.
    OpenWebSocket(Target),
    /// Send this over the WebSocket.
    SendFrame(Frame),
    /// Close the session's WebSocket with an empty close frame, after the frames before it; answer with
    /// [`Input::WebSocketClosed`].
    CloseWebSocket,
    /// Give up the WebSocket of a failed upgrade or attempt to open, be it open or not: with a close frame if that can
    /// be written at once. Nothing needs to be answered.
    DropWebSocket,
    /// Give up the GET of an attempt to open that took too long. Nothing needs to be answered.
    DropGet,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(target) => write!(f, "Get({target:?})"),
            // The body holds what the application sends.
            Self::Post(target, body) => write!(f, "Post({target:?}, {} bytes)", body.len()),
            Self::OpenWebSocket(target) => write!(f, "OpenWebSocket({target:?})"),
            Self::SendFrame(frame) => write!(f, "SendFrame({frame:?})"),
            Self::CloseWebSocket => f.write_str("CloseWebSocket"),
            Self::DropWebSocket => f.write_str("DropWebSocket"),
            Self::DropGet => f.write_str("DropGet"),
        }
    }
}

/// What the application learns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Opening failed on this transport, and the next one is being tried: see
    /// [`Config::try_all_transports`](crate::Config::try_all_transports).
    TransportFailed {
        /// The transport that was given up.
        transport: Transport,
        /// How it failed.
        reason: CloseReason,
    },
    /// The session is open.
    Opened {
        /// Its parameters.
        handshake: Box<Handshake>,
        /// The transport that opened it.
        transport: Transport,
        /// The revision that it speaks: never [`Version::Auto`].
        version: Version,
    },
    /// A message arrived.
    Message(Message),
    /// The session has moved to this transport.
    Upgraded(Transport),
    /// The session stays where it is: the upgrade failed and is not tried again.
    UpgradeFailed(UpgradeError),
    /// The session is over. This is the last event; whatever I/O is still under way can be dropped.
    Closed(CloseReason),
}
