//! What is retried: the rule of the reference client, and a program's own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{ConnectError, DisconnectReason};

/// What a [`Decide`] is asked about: a namespace that is no longer joined, or could not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure<'a> {
    /// It was joined, and is no longer.
    Disconnected(&'a DisconnectReason),
    /// An attempt to join it has failed.
    NotConnected(&'a ConnectError),
}

/// What becomes of a namespace behind a [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Decision {
    /// What the reference client does: [`Failure::is_retried`].
    #[default]
    Default,
    /// Try again after the usual delay (with revision 4, a namespace `/` that the server has put out on the next
    /// connection only, if other namespaces use the present one), while [`Reconnection::max_attempts`](crate::Reconnection::max_attempts) allows
    /// it.
    Retry,
    /// Try again after this delay, while the number of attempts allows it. Nothing makes it longer: a server that
    /// accepts and drops at once is called again each time that it has passed.
    RetryIn(Duration),
    /// Give up.
    Stop,
}

impl Failure<'_> {
    /// Whether the reference client tries again. It does so unless the server has said that it does not want this
    /// client, by DISCONNECT or CONNECT_ERROR, or the caller is at fault.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        match self {
            Self::Disconnected(reason) => match reason {
                DisconnectReason::ServerDisconnect
                | DisconnectReason::Refused { .. }
                | DisconnectReason::ClientDisconnect
                | DisconnectReason::Overflow => false,
                DisconnectReason::Reconnecting
                | DisconnectReason::LinkClosed(_)
                | DisconnectReason::Decode(_)
                | DisconnectReason::ConnectTimeout
                | DisconnectReason::TooManyHeldEvents => true,
            },
            Self::NotConnected(error) => matches!(
                error,
                ConnectError::Engine(_)
                    | ConnectError::Timeout
                    | ConnectError::Decode(_)
                    | ConnectError::TooManyHeldEvents
                    | ConnectError::Provider(_)
            ),
        }
    }
}

/// Decides what is retried.
///
/// It is called in the connection's task, once for each namespace and failure: it should be quick. If it panics, the
/// decision is [`Decision::Default`]. It is not asked about what this side has closed itself, and not about the first
/// attempt unless [that is retried](crate::Reconnection::retry_on_initial_connect).
///
/// ```
/// use std::time::Duration;
/// use socketio::{ConnectError, Decide, Decision, Failure, Reconnection};
///
/// let mut reconnection = Reconnection::default();
/// reconnection.decide = Some(Decide::new(|failure| match failure {
///     // The token has expired; the provider will bring a new one.
///     Failure::NotConnected(ConnectError::Refused { message, .. }) if message == "expired" => Decision::Retry,
///     Failure::NotConnected(ConnectError::Refused { message, .. }) if message == "busy" => {
///         Decision::RetryIn(Duration::from_secs(60))
///     }
///     _ => Decision::Default,
/// }));
/// ```
#[derive(Clone)]
pub struct Decide(Arc<dyn Fn(Failure<'_>) -> Decision + Send + Sync>);

impl Decide {
    /// Decides by this function.
    pub fn new(decide: impl Fn(Failure<'_>) -> Decision + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    pub(crate) fn decide(&self, failure: Failure<'_>) -> Decision {
        catch_unwind(AssertUnwindSafe(|| (self.0)(failure))).unwrap_or_default()
    }
}

impl fmt::Debug for Decide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decide(..)")
    }
}

/// Two are equal when one is a clone of the other.
impl PartialEq for Decide {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
