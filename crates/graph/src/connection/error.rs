//! Why there is no connection to the notification service, or no longer.

use engineio::{CloseReason, Refusal, TransportErrorKind};

/// Why the connection to the notification service failed, or ended.
///
/// What the server said is cut short, and the credential of the URL is cut out of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The server refused the connection with an HTTP status: the URL may have expired.
    #[error("the notification service refuses the connection: {0}")]
    Refused(Refusal),
    /// The server refused the namespace (CONNECT_ERROR).
    #[error("the notification service refuses the namespace: \"{message}\"")]
    NamespaceRefused {
        /// What it said, for people.
        message: String,
    },
    /// The server sent DISCONNECT: it does not want to serve this URL any more, or at the moment.
    #[error("the notification service disconnected")]
    Disconnected,
    /// The connection could not be made, or was lost.
    #[error("no connection to the notification service: {0}")]
    Lost(CloseReason),
    /// The server did not answer CONNECT in time.
    #[error("the notification service did not answer in time")]
    NoAnswer,
    /// The server sent something that is not Socket.IO, or too much of it.
    #[error("the notification service broke the protocol: {0}")]
    Protocol(String),
    /// The connection cannot even be tried.
    #[error("the notification service cannot be connected to: {0}")]
    Setup(String),
}

impl ConnectionError {
    /// Whether the server may speak another revision than before.
    pub(crate) fn questions_engine_io(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Protocol(_) | Self::Lost(CloseReason::Protocol(_))
        )
    }

    /// Whether the server has ended the connection itself, in its place behind all that it had sent before. Other
    /// close codes than these may be those of something in between that has lost the server.
    pub(crate) fn is_leave(&self) -> bool {
        matches!(
            self,
            Self::Disconnected
                | Self::NamespaceRefused { .. }
                | Self::Lost(CloseReason::Remote {
                    code: None | Some(1000)
                })
        )
    }

    /// Whether connecting to the same URL again may succeed.
    ///
    /// False after a refusal that the server means: an HTTP status below 500 (other than those that
    /// speak of a passing state, and a lost session), or CONNECT_ERROR; and when the connection
    /// cannot be tried.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.status >= 500 || refusal.is_retryable(),
            Self::NamespaceRefused { .. } | Self::Setup(_) => false,
            Self::Lost(CloseReason::Transport(error)) => error.kind != TransportErrorKind::Request,
            Self::Disconnected | Self::Lost(_) | Self::NoAnswer | Self::Protocol(_) => true,
        }
    }
}
