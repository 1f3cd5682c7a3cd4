//! What a watch reports.

use std::fmt;
use std::time::Duration;

use crate::connection::ConnectionError;
use crate::error::GraphError;
use crate::notification::Notification;
use crate::resource::ResourceError;
use crate::token::TokenError;

/// Something that the application should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// Changes may have gone unannounced: run a `delta` query.
    ///
    /// It comes when coverage begins, so it is the first event but for [`WatchEvent::Down`]; after
    /// each gap in coverage; and now and then to be safe.
    Resync(ResyncReason),
    /// The service says that something changed: run a `delta` query.
    Notification(Notification),
    /// There is no coverage: before the first connection, or since one was lost. Comes once more
    /// for each failed attempt. When coverage is back, [`WatchEvent::Resync`] says so.
    Down {
        /// What went wrong.
        reason: WatchError,
        /// How long until the next attempt; zero when one is being made already.
        retry_in: Duration,
    },
    /// A new connection, with a fresh URL, has taken over. Nothing needs to be done: should it turn out that the one before
    /// it had hung, [`ResyncReason::Handover`] says so.
    Renewed,
}

impl WatchEvent {
    /// For traces: a payload names sites and people, and does not belong there.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Resync(_) => "resync",
            Self::Notification(_) => "notification",
            Self::Down { .. } => "down",
            Self::Renewed => "renewed",
        }
    }
}

/// Why a `delta` query should be run without a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResyncReason {
    /// Coverage begins: what changed before is not announced.
    Started,
    /// Coverage was interrupted and is back: what changed in between is not announced.
    Reconnected,
    /// The URL had expired before it could be replaced. The connection was up all the time, but
    /// the service may have stopped using it.
    Expired,
    /// It is time for a precaution, because the service may drop notifications silently.
    Safety,
    /// A connection that had been replaced broke, or hung, before all that was sent on it had arrived.
    Handover,
    /// More notifications came than the application read; they were dropped.
    Lagged,
}

impl ResyncReason {
    /// Whether notifications are delivered from here on, after they were not.
    pub(crate) fn restores_coverage(self) -> bool {
        match self {
            Self::Started | Self::Reconnected => true,
            Self::Expired | Self::Safety | Self::Handover | Self::Lagged => false,
        }
    }

    /// The reason as one word, for logs and machine-readable output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Reconnected => "reconnected",
            Self::Expired => "expired",
            Self::Safety => "safety",
            Self::Handover => "handover",
            Self::Lagged => "lagged",
        }
    }
}

impl fmt::Display for ResyncReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no coverage, or why a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The resource cannot be named in a request.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The builder was given no token provider.
    #[error("no token provider was given")]
    NoToken,
    /// The HTTP stack could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(String),
    /// There is no access token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Microsoft Graph gave no notification URL.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The connection to the notification service failed or was lost.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The task of the watch is gone: there is no tokio runtime, or not one with time and I/O
    /// enabled, or it was shut down.
    #[error(
        "the task of the watch was stopped; a watch needs a running tokio runtime with time and I/O enabled"
    )]
    Stopped,
}

impl WatchError {
    /// Whether a watch tries again after this. After `false` it ends.
    ///
    /// Two more rules depend on the watch: with a fixed URL, a refusal by the notification service
    /// is final; and once there has been coverage, only a lack of authorization is.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Token(error) => error.is_retryable(),
            Self::Graph(error) => error.is_retryable(),
            Self::Connection(_) => true,
            Self::Resource(_) | Self::NoToken | Self::Http(_) | Self::Stopped => false,
        }
    }
}
