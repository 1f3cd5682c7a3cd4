//! The settings of a watch.

use std::time::Duration;

use socketio::Reconnection;

/// How a watch behaves over time. The defaults suit the live service.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WatchConfig {
    /// How long before its expiration a URL is replaced, at most: for lifetimes of less than ten
    /// times this, it is a tenth of the lifetime. Default 120 seconds.
    pub renew_margin: Duration,
    /// When a URL without a known expiration is replaced. Default 30 minutes; at least 1 second.
    pub renew_interval: Duration,
    /// How long a connection that was replaced is kept at least. It is kept until all that was sent on it before the new
    /// one was up has arrived, which takes two heartbeats of the service to know, 50 seconds as a rule; meanwhile
    /// changes are announced twice. At most four are kept, and the oldest makes room. Default 2 seconds.
    pub overlap: Duration,
    /// How long after the last resync the application is told to resync to be safe, whether or not
    /// there is coverage; `None` for never. Default 15 minutes; at least 1 second.
    pub safety_resync: Option<Duration>,
    /// The delays between failed attempts, how many are made, and how long coverage must have
    /// lasted until the failures before it are forgotten.
    ///
    /// Default: 1 second doubling up to 1 minute, each shortened at random by up to half; no limit
    /// on attempts; 30 seconds.
    pub backoff: Reconnection,
    /// The longest `Retry-After` that is honoured. A longer one is cut, so that one broken answer
    /// cannot disable the watch for good. Default 24 hours.
    pub max_retry_after: Duration,
    /// How long the token provider may take. Default 60 seconds.
    pub token_timeout: Duration,
    /// How many events may wait to be read. One more, and the notifications among them make room
    /// for a single [`ResyncReason::Lagged`](crate::ResyncReason::Lagged). Default 1,024; at least 4.
    pub max_queued_events: usize,
    /// How many bytes of notifications may wait to be read, with the same effect. One notification
    /// keeps at most 256 KiB. Default 4 MiB.
    pub max_queued_bytes: usize,
}

impl Default for WatchConfig {
    fn default() -> Self {
        let mut backoff = Reconnection::default();
        backoff.max_attempts = None;
        backoff.initial_delay = Duration::from_secs(1);
        backoff.max_delay = Duration::from_secs(60);
        backoff.jitter = 0.5;
        backoff.stable_after = Duration::from_secs(30);
        Self {
            renew_margin: Duration::from_secs(120),
            renew_interval: Duration::from_secs(30 * 60),
            overlap: Duration::from_secs(2),
            safety_resync: Some(Duration::from_secs(15 * 60)),
            backoff,
            max_retry_after: Duration::from_secs(24 * 60 * 60),
            token_timeout: Duration::from_secs(60),
            max_queued_events: 1024,
            max_queued_bytes: 4 * 1024 * 1024,
        }
    }
}
