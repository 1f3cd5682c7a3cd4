//! Sending an event again until it is acknowledged.

use std::time::Duration;

/// How events are sent again until the server acknowledges them: at least once, one at a time, in order.
///
/// Each try has an acknowledgement id of its own, so a late answer to an earlier one is not taken for an answer to the
/// present one. A server may handle an event more than once: after a lost acknowledgement it gets the event again. It
/// must acknowledge every event, or each takes all its tries.
///
/// When the connection is lost, the event under way is sent again as soon as the namespace is joined again, which is a
/// try.
///
/// ```
/// use std::time::Duration;
/// use socketio::Retries;
///
/// let mut retries = Retries::default();
/// retries.max = 5;
/// retries.timeout = Duration::from_secs(2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retries {
    /// How often an event is sent again after the first time. Default: 3.
    pub max: u32,
    /// How long each try may take. Default: 10 s.
    pub timeout: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            max: 3,
            timeout: Duration::from_secs(10),
        }
    }
}
