//! What can go wrong, named by who is at fault.

use std::fmt;

use crate::packet::Message;
use crate::refusal::{ErrorCode, Refusal};
use crate::transport::Transport;
use crate::version::Version;

/// The peer sent something that is not a packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A frame or a part of a payload without even a type.
    #[error("an empty packet")]
    EmptyPacket,
    /// The first byte is none of the packet types.
    #[error("an unknown packet type (byte 0x{0:02x})")]
    UnknownType(u8),
    /// A base64 message that is not base64.
    #[error("a binary message with bad base64")]
    Base64,
    /// A packet that is not UTF-8.
    #[error("a text packet that is not UTF-8")]
    Utf8,
    /// A length that is not one, or that does not fit what follows it.
    #[error("a payload with a bad length")]
    Length,
    /// More packets in one payload than [`Limits::max_packets_per_payload`](crate::Limits).
    #[error("a payload with more packets than the limit allows")]
    TooManyPackets,
}

/// The peer broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// It sent something that is not a packet.
    #[error("the server sent {0}")]
    Decode(#[from] DecodeError),
    /// The first packet was not `open`.
    #[error("the server sent another packet where the handshake belongs")]
    NoHandshake,
    /// The server speaks, but another revision.
    #[error("the server speaks revision {0} of Engine.IO")]
    OtherVersion(Version),
    /// The `open` packet cannot be used.
    #[error("the server's handshake cannot be used: {0}")]
    Handshake(&'static str),
}

/// The network, or a program that speaks something else, is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}{message}", if .message.is_empty() { "" } else { ": " })]
#[non_exhaustive]
pub struct TransportError {
    /// What kind of failure it was.
    pub kind: TransportErrorKind,
    /// The details as the operating system or a library told them, without any URL.
    pub message: String,
}

impl TransportError {
    /// Makes an error; `message` must hold neither a URL nor a header.
    #[must_use]
    pub fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// The kinds of [`TransportError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection to the server or the proxy: name resolution, refusal, TLS.
    Connect,
    /// The connection broke before the message was complete.
    Broken,
    /// The answer is not HTTP: another program listens there, or the server wants TLS.
    NotHttp,
    /// The answer is not the answer to a WebSocket handshake.
    NotWebSocket,
    /// The WebSocket protocol was violated.
    WebSocket,
    /// A message or a body is larger than the configured limit.
    TooLarge,
    /// The request could not be made: a URL or header that HTTP does not allow.
    Request,
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "could not connect",
            Self::Broken => "the connection broke",
            Self::NotHttp => "the answer is not HTTP",
            Self::NotWebSocket => "the server did not answer the WebSocket handshake as it must",
            Self::WebSocket => "the WebSocket connection failed",
            Self::TooLarge => "the server sent more than the limit allows",
            Self::Request => "the request could not be made",
        })
    }
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// [`Connection::close`](crate::Connection::close) was called.
    #[error("closed by this side")]
    Local,
    /// The server ended the session: a WebSocket close, or a `close` packet on polling.
    #[error("closed by the server{}", code_suffix(.code))]
    Remote {
        /// The WebSocket close code, if there was one. The reference server sends none.
        code: Option<u16>,
    },
    /// No ping within the interval and timeout of the handshake: the link is dead, or this process was asleep.
    #[error("no ping from the server in time")]
    PingTimeout,
    /// No handshake within [`Config::handshake_timeout`](crate::Config), or within a transport's share of it.
    #[error("no handshake from the server in time")]
    HandshakeTimeout,
    /// A POST was not answered within [`Config::request_timeout`](crate::Config).
    #[error("the server did not answer a request in time")]
    RequestTimeout,
    /// The server answered a request with an error.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The network failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The server broke the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// With [`Version::Auto`]: the server speaks no revision that this side speaks.
    #[error(
        "the server speaks no known revision of Engine.IO; tried as revision {first_version}: {first}; tried as revision {second_version}: {second}"
    )]
    NoCommonVersion {
        /// The revision that was tried first.
        first_version: Version,
        /// How that ended.
        first: Box<Self>,
        /// The revision that was tried then.
        second_version: Version,
        /// How that ended.
        second: Box<Self>,
    },
}

fn code_suffix(code: &Option<u16>) -> String {
    code.map(|code| format!(" (WebSocket close code {code})"))
        .unwrap_or_default()
}

impl std::error::Error for Refusal {}

impl CloseReason {
    /// Whether the server has told which revision it speaks.
    pub(crate) fn tells_version(&self) -> bool {
        matches!(self, Self::Protocol(ProtocolError::OtherVersion(_)))
    }

    /// Whether opening may end otherwise on another transport: not where the server has turned down this client or its
    /// revision, nor where the caller's settings allow no request at all.
    pub(crate) fn may_differ_by_transport(&self) -> bool {
        match self {
            Self::Refused(refusal) => !matches!(
                refusal.code,
                Some(ErrorCode::Forbidden | ErrorCode::UnsupportedVersion)
            ),
            Self::Transport(error) => error.kind != TransportErrorKind::Request,
            Self::Protocol(error) => !matches!(error, ProtocolError::OtherVersion(_)),
            Self::NoCommonVersion { second, .. } => second.may_differ_by_transport(),
            Self::Remote { .. } | Self::HandshakeTimeout => true,
            Self::Local | Self::PingTimeout | Self::RequestTimeout => false,
        }
    }

    /// Whether a new connection can succeed without a change on the caller's side.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Local => false,
            Self::Refused(refusal) => refusal.is_retryable(),
            Self::Transport(error) => error.kind != TransportErrorKind::Request,
            Self::NoCommonVersion { second, .. } => second.is_retryable(),
            Self::Remote { .. }
            | Self::PingTimeout
            | Self::HandshakeTimeout
            | Self::RequestTimeout
            | Self::Protocol(_) => true,
        }
    }
}

/// A message was not taken. Each variant gives it back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is not open: not yet, no more, or its heartbeat has just been found to have expired.
    #[error("the connection is not open")]
    NotOpen(Message),
    /// The server would refuse the message and end the session.
    #[error("the message takes {size} bytes, the server takes {max}")]
    TooLarge {
        /// The message.
        message: Message,
        /// Its size on the current transport: base64 makes binary a third larger on polling.
        size: u64,
        /// `maxPayload` of the handshake.
        max: u64,
    },
    /// The text contains `U+001E`, which polling cannot carry: nothing escapes it. Send it as binary.
    #[error("a text with U+001E cannot be sent by polling")]
    Separator(Message),
}

impl SendError {
    /// The message that was not taken.
    #[must_use]
    pub fn into_message(self) -> Message {
        match self {
            Self::NotOpen(message) | Self::TooLarge { message, .. } | Self::Separator(message) => {
                message
            }
        }
    }
}

/// A probe failed; the session goes on by polling and does not try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The server refused the handshake of the new transport.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The network failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The new transport was closed before the upgrade was complete.
    #[error("the {0} transport was closed during the upgrade")]
    Closed(Transport),
    /// The answer to the probe was not `3probe`.
    #[error("the server's answer to the probe is not one")]
    WrongAnswer,
    /// The upgrade took longer than [`Config::probe_timeout`](crate::Config).
    #[error("the upgrade took too long")]
    Timeout,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences() {
        let error = TransportError::new(TransportErrorKind::Connect, "connection refused");
        assert_eq!(error.to_string(), "could not connect: connection refused");
        let error = TransportError::new(TransportErrorKind::Broken, "");
        assert_eq!(error.to_string(), "the connection broke");
        let reason = CloseReason::Remote { code: Some(1009) };
        assert_eq!(
            reason.to_string(),
            "closed by the server (WebSocket close code 1009)"
        );
        let reason = CloseReason::from(ProtocolError::from(DecodeError::UnknownType(b'9')));
        assert_eq!(
            reason.to_string(),
            "the server sent an unknown packet type (byte 0x39)"
        );
    }
}
