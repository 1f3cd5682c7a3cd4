//! What can go wrong, as sentences that hold no secret.

use std::fmt;

use engineio::CloseReason;
use socketio_codec::{DecodeError, EncodeError, Json, NamespaceError, QueryError};

use crate::url::UrlError;

/// Why a joined namespace is no longer connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server sent DISCONNECT for this namespace: it does not want this client. Not retried.
    #[error("disconnected by the server")]
    ServerDisconnect,
    /// The server sent CONNECT_ERROR for the joined namespace: it has put this client out. Not retried.
    #[error("put out by the server{}", Told(message))]
    Refused {
        /// The server's words, as it sent them; but for credentials that it repeats: values of the auth payload, of the
        /// query, of headers and cookies are cut out, if they have four bytes or more. Words of more than 4 KiB are cut
        /// short.
        message: String,
        /// What the server added for programs.
        data: Option<Json>,
    },
    /// This side left: by `disconnect()`, or by dropping the last handle. Not retried.
    #[error("disconnected by this side")]
    ClientDisconnect,
    /// This side wanted a new connection: [`Socket::reconnect`](crate::Socket::reconnect). Retried at once.
    #[error("reconnecting, as this side wanted")]
    Reconnecting,
    /// The connection is gone. Retried.
    #[error("the connection was lost: {0}")]
    LinkClosed(CloseReason),
    /// The server sent something that is no Socket.IO packet. The connection was given up; retried.
    #[error("the server sent something that is no packet: {0}")]
    Decode(DecodeError),
    /// The server did not answer, on a new connection, the CONNECT of a namespace that had been joined before. The
    /// connection was given up; retried.
    #[error("the server did not answer a CONNECT in time")]
    ConnectTimeout,
    /// Before answering CONNECT the server sent more events than [`Limits::max_held_events`](crate::Limits) and
    /// [`Limits::max_held_bytes`](crate::Limits) allow. The connection was given up; retried.
    #[error("the server sent too much before it answered CONNECT")]
    TooManyHeldEvents,
    /// Nobody read the events fast enough, and [`Overflow::Disconnect`](crate::Overflow) was asked for. Not retried.
    #[error("disconnected by this side, because its events were not read")]
    Overflow,
}

impl DisconnectReason {
    /// Whether a new connection can succeed without a change on the caller's side.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ServerDisconnect
            | Self::Refused { .. }
            | Self::ClientDisconnect
            | Self::Overflow => false,
            Self::LinkClosed(reason) => reason.is_retryable(),
            Self::Reconnecting
            | Self::Decode(_)
            | Self::ConnectTimeout
            | Self::TooManyHeldEvents => true,
        }
    }
}

impl DisconnectReason {
    /// What a CONNECT_ERROR means for a namespace that is joined.
    pub(crate) fn from_refusal(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused { message, data } => Self::Refused { message, data },
            _ => Self::ServerDisconnect,
        }
    }
}

/// Why a namespace could not be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The text given as a namespace is not one.
    #[error("not a namespace: {0}")]
    Namespace(#[from] NamespaceError),
    /// The auth payload cannot be written as JSON.
    #[error("the auth payload cannot be sent: {0}")]
    Auth(EncodeError),
    /// The auth payload is JSON, but not an object, which is all that servers take.
    #[error("the auth payload must be an object")]
    AuthNotAnObject,
    /// The server speaks revision 4 of the protocol, which has no auth payload: it would be lost. Servers of that
    /// revision are given the query instead.
    #[error("revision 4 of Socket.IO carries no auth payload; use the query")]
    AuthUnsupported,
    /// The format of packets that was asked for is not one of the protocol revision that the server speaks.
    #[error("the format of packets has no form for this revision of Socket.IO")]
    ParserUnsupported,
    /// The text given as the query of a namespace cannot be sent.
    #[error("the query cannot be sent: {0}")]
    Query(#[from] QueryError),
    /// The namespace `/` was left on this connection, which continues for other namespaces. Servers of revision 4
    /// do not answer who wants to join it again, before there is a new connection.
    #[error(
        "the namespace / was left, and with revision 4 of Socket.IO that is for the rest of the connection"
    )]
    RootLeft,
    /// The auth payload is too large: the server announced that it takes no message of that size.
    #[error("CONNECT with the auth payload takes {size} bytes, the server takes {max}")]
    AuthTooLarge {
        /// Bytes of the CONNECT message.
        size: u64,
        /// The server's `maxPayload`.
        max: u64,
    },
    /// The HTTP client could not be set up.
    #[cfg(feature = "client")]
    #[error(transparent)]
    Http(#[from] engineio::client::HttpError),
    /// This connection has the namespace already, or is still about to join it.
    #[error("the namespace is in use on this connection")]
    NamespaceInUse,
    /// There is no connection: the attempt failed, or the connection was lost before the server had answered.
    #[error("no connection: {0}")]
    Engine(CloseReason),
    /// The server refused the namespace (CONNECT_ERROR). Not retried.
    #[error("the server refused the namespace{}", Told(message))]
    Refused {
        /// The server's words, as it sent them; but for credentials that it repeats: values of the auth payload, of the
        /// query, of headers and cookies are cut out, if they have four bytes or more. Words of more than 4 KiB are cut
        /// short.
        message: String,
        /// What the server added for programs.
        data: Option<Json>,
    },
    /// The server did not answer CONNECT in time.
    #[error("the server did not answer CONNECT in time")]
    Timeout,
    /// The server sent something that is no Socket.IO packet.
    #[error("the server sent something that is no packet: {0}")]
    Decode(DecodeError),
    /// The server sent too many events before it answered CONNECT.
    #[error("the server sent too much before it answered CONNECT")]
    TooManyHeldEvents,
    /// What the attempt needs could not be had from its provider. Retried, once the first attempt has succeeded.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// This side gave up: the last handle was dropped, or the connection's task has ended with its runtime.
    #[error("closed by this side")]
    Closed,
}

impl ConnectError {
    /// Whether the same attempt can succeed later without a change on the caller's side.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Engine(reason) => reason.is_retryable(),
            Self::Timeout | Self::Decode(_) | Self::TooManyHeldEvents | Self::Provider(_) => true,
            #[cfg(feature = "client")]
            Self::Http(_) => false,
            Self::Url(_)
            | Self::Namespace(_)
            | Self::Auth(_)
            | Self::AuthNotAnObject
            | Self::AuthUnsupported
            | Self::ParserUnsupported
            | Self::Query(_)
            | Self::RootLeft
            | Self::AuthTooLarge { .. }
            | Self::NamespaceInUse
            | Self::Refused { .. }
            | Self::Closed => false,
        }
    }
}

/// Why a provider gave nothing to connect with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// It said so, with these words. They end up in logs: a provider should not put a secret into its errors.
    #[error("the provider failed: {}", Readable(.0))]
    Failed(String),
    /// It did not answer within [`provider_timeout`](crate::Builder::provider_timeout).
    #[error("the provider did not answer in time")]
    Timeout,
    /// It panicked.
    #[error("the provider panicked")]
    Panicked,
    /// What it gave as URL, path or query cannot be used.
    #[error("what the provider gave cannot be used: {0}")]
    Url(#[from] UrlError),
    /// The URL that it gave names another namespace. Only the server and the query can change.
    #[error("the provider's URL names another namespace")]
    OtherNamespace,
    /// What it gave as auth payload cannot be written as JSON.
    #[error("the provider's auth payload cannot be sent: {0}")]
    Auth(EncodeError),
}

/// Why an event or an acknowledgement was not taken. Nothing of it has been sent, unless it says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The name is reserved, or the arguments cannot be written as JSON and attachments.
    #[error("the event cannot be sent: {0}")]
    Encode(#[from] EncodeError),
    /// The server would drop the connection: it announced that it takes no message of that size.
    #[error("a message of the event takes {size} bytes, the server takes {max}")]
    TooLarge {
        /// Bytes of the largest message of the event on the current transport: base64 makes attachments a third
        /// larger on polling.
        size: u64,
        /// The server's `maxPayload`.
        max: u64,
    },
    /// The namespace is not connected, and as many events as allowed are waiting for it already.
    #[error("too many events are waiting for the connection")]
    BufferFull,
    /// As many acknowledgements as [`Limits::max_pending_acks`](crate::Limits) are awaited already.
    #[error("too many acknowledgements are awaited")]
    TooManyAcks,
    /// The namespace is not connected now, and the event was not to wait for it: it is volatile, or
    /// [`Offline::Reject`](crate::Offline) was asked for.
    #[error("not connected")]
    NotConnected,
    /// What was sent before has not left yet, and the event was not to wait for it: it is volatile.
    #[error("the connection is busy")]
    NotWritable,
    /// It could not be sent in the time that it was given, and was taken back. With [`Retries`](crate::Retries): it was
    /// not acknowledged in that time, and is not sent again; the server may have handled it all the same.
    #[error("not sent in time")]
    Timeout,
    /// With [`Retries`](crate::Retries): it was sent as often as allowed, and never acknowledged. The server may have
    /// handled it all the same.
    #[error("not acknowledged, however often it was sent")]
    NotAcknowledged,
    /// The event to be acknowledged came on an earlier connection; the server does not know it any more.
    #[error("the event came on an earlier connection")]
    StaleAck,
    /// The namespace is left for good. With [`Retries`](crate::Retries) the event may have been sent before.
    #[error("not connected, and not about to be")]
    Disconnected,
}

/// Why an acknowledgement did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The event was not sent at all.
    #[error(transparent)]
    Emit(EmitError),
    /// It did not come in time. The server may have handled the event all the same, unless it was still waiting for
    /// a connection: then it has been taken back. With [`Retries`](crate::Retries): none of all tries was acknowledged.
    #[error("no acknowledgement in time")]
    Timeout,
    /// The connection was lost first. The server may have handled the event all the same.
    #[error("disconnected before the acknowledgement came")]
    Disconnected,
}

impl From<EmitError> for AckError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Disconnected => Self::Disconnected,
            error => Self::Emit(error),
        }
    }
}

impl From<EncodeError> for AckError {
    fn from(error: EncodeError) -> Self {
        Self::Emit(error.into())
    }
}

/// A peer's text for a person's terminal: short, and without control characters.
struct Readable<'a>(&'a str);

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_CHARS: usize = 200;
        let mut printable = self.0.chars().filter(|c| !c.is_control());
        printable
            .by_ref()
            .take(MAX_CHARS)
            .try_for_each(|c| fmt::Write::write_char(f, c))?;
        if printable.next().is_some() {
            f.write_str("…")
        } else {
            Ok(())
        }
    }
}

/// What a peer gives as its reason, behind a colon, if it gives one: data may stand in its place.
struct Told<'a>(&'a str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            message => write!(f, ": {}", Readable(message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_a_sentence_whatever_the_server_wrote() {
        let refused = |message: &str| ConnectError::Refused {
            message: message.into(),
            data: None,
        };
        assert_eq!(
            refused("not authorized").to_string(),
            "the server refused the namespace: not authorized"
        );
        assert_eq!(
            refused("a\u{1b}[2Jb\n").to_string(),
            "the server refused the namespace: a[2Jb"
        );
        assert_eq!(refused("").to_string(), "the server refused the namespace");
        let put_out = DisconnectReason::from_refusal(refused(""));
        assert_eq!(put_out.to_string(), "put out by the server");
        let long = refused(&"é".repeat(201)).to_string();
        assert!(long.ends_with("é…") && long.matches('é').count() == 200);
        assert!(!refused(&"é".repeat(200)).to_string().ends_with('…'));
    }

    #[test]
    fn refusals_and_own_mistakes_are_not_retryable() {
        for (error, retryable) in [
            (ConnectError::Timeout, true),
            (ConnectError::Engine(CloseReason::PingTimeout), true),
            (ConnectError::Engine(CloseReason::Local), false),
            (
                ConnectError::Refused {
                    message: String::new(),
                    data: None,
                },
                false,
            ),
            (ConnectError::Url(UrlError::NoHost), false),
        ] {
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
        assert!(!DisconnectReason::ServerDisconnect.is_retryable());
        assert!(DisconnectReason::ConnectTimeout.is_retryable());
    }
}
