//! When to try again: capped exponential backoff with jitter.

use std::time::Duration;

use crate::decision::Decide;

/// How lost connections are replaced.
///
/// Retried is what the reference client retries: every loss of the connection and every failed attempt to replace it.
/// Not retried are a DISCONNECT from the server, a refused namespace, and what this side closed itself. For all but the
/// last, [`decide`](Self::decide) may say otherwise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reconnection {
    /// How many attempts are made in a row for a namespace; `None` is no limit, `Some(0)` no reconnection at all. An
    /// attempt that several namespaces make together is one of each. Default: `None`.
    pub max_attempts: Option<u32>,
    /// The longest delay before the first attempt; it doubles with each further one. Zero retries at once.
    /// Default: 1 s.
    pub initial_delay: Duration,
    /// No delay is longer than this. Default: 5 s.
    pub max_delay: Duration,
    /// The share of each delay that is random, from 0 to 1: a delay of 4 s with a jitter of 0.5 lies between 2 s and
    /// 4 s. It is taken off, also at `max_delay`, so clients that lost the same server do not return together.
    /// Default: 0.5.
    pub jitter: f64,
    /// How long a namespace must have been joined until the attempts before that are forgotten. So a server that accepts
    /// and then drops every connection is not called at full speed.
    /// Default: 30 s.
    pub stable_after: Duration,
    /// Whether a namespace that has never been joined is treated like one that has: its failures are events, and
    /// retried. Then `connect` waits until an attempt succeeds or one fails for good. The reference client does that.
    /// Default: `false`: the first failure is returned.
    pub retry_on_initial_connect: bool,
    /// Who decides what is retried, instead of the rule above. Default: nobody.
    pub decide: Option<Decide>,
}

impl Default for Reconnection {
    fn default() -> Self {
        Self {
            max_attempts: None,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(5),
            jitter: 0.5,
            stable_after: Duration::from_secs(30),
            retry_on_initial_connect: false,
            decide: None,
        }
    }
}

impl Reconnection {
    /// A lost connection is not replaced.
    #[must_use]
    pub fn disabled() -> Self {
        Self {
            max_attempts: Some(0),
            ..Self::default()
        }
    }

    /// The delay before attempt number `attempt`, counted from 0, for a random number from 0 to 1.
    ///
    /// ```
    /// use std::time::Duration;
    /// use socketio::Reconnection;
    ///
    /// let reconnection = Reconnection::default();
    /// assert_eq!(reconnection.delay(0, 0.0), Duration::from_secs(1));
    /// assert_eq!(reconnection.delay(1, 0.5), Duration::from_millis(1500));
    /// assert_eq!(reconnection.delay(1_000_000, 0.0), Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let factor = 1_u64.checked_shl(attempt).unwrap_or(u64::MAX);
        let longest = nanos(self.initial_delay)
            .saturating_mul(factor)
            .min(nanos(self.max_delay));
        let share = share(self.jitter) * share(random);
        // A cast from float to integer saturates, and the share is at most 1: the difference cannot wrap.
        Duration::from_nanos(longest.saturating_sub((longest as f64 * share) as u64))
    }

    pub(crate) fn allows(&self, attempt: u32) -> bool {
        self.max_attempts.is_none_or(|max| attempt < max)
    }
}

/// Saturates after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn share(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_up_to_the_cap_and_the_jitter_stays_below_it() {
        let default = Reconnection::default();
        // attempt, delay with random = 0 (the longest), with random = 1 (the shortest), in ms.
        for (attempt, longest, shortest) in [
            (0, 1000, 500),
            (1, 2000, 1000),
            (2, 4000, 2000),
            (3, 5000, 2500),
            (4, 5000, 2500),
            (62, 5000, 2500),
            (63, 5000, 2500),
            (64, 5000, 2500),
            (1015, 5000, 2500),
            (1_000_000, 5000, 2500),
            (u32::MAX, 5000, 2500),
        ] {
            assert_eq!(
                default.delay(attempt, 0.0).as_millis(),
                longest,
                "attempt {attempt}"
            );
            assert_eq!(
                default.delay(attempt, 1.0).as_millis(),
                shortest,
                "attempt {attempt}"
            );
        }
    }

    #[test]
    fn odd_settings_neither_panic_nor_leave_the_range() {
        let with = |change: fn(&mut Reconnection)| {
            let mut reconnection = Reconnection::default();
            change(&mut reconnection);
            reconnection
        };
        assert_eq!(
            with(|r| r.jitter = 0.0).delay(9, 0.7),
            Duration::from_secs(5)
        );
        assert_eq!(
            with(|r| r.jitter = f64::NAN).delay(9, 0.7),
            Duration::from_secs(5)
        );
        assert_eq!(with(|r| r.jitter = 7.0).delay(9, 1.0), Duration::ZERO);
        assert_eq!(
            with(|r| r.jitter = -1.0).delay(9, 1.0),
            Duration::from_secs(5)
        );
        assert_eq!(
            with(|r| r.initial_delay = Duration::ZERO).delay(70, 0.0),
            Duration::ZERO
        );
        assert_eq!(
            with(|r| r.max_delay = Duration::ZERO).delay(3, 0.0),
            Duration::ZERO
        );
        let endless = with(|r| {
            r.initial_delay = Duration::MAX;
            r.max_delay = Duration::MAX;
        });
        assert_eq!(endless.delay(5, 0.0), Duration::from_nanos(u64::MAX));
        let tiny = with(|r| r.initial_delay = Duration::from_nanos(1));
        assert_eq!(tiny.delay(40, 0.0), Duration::from_secs(5));
    }

    #[test]
    fn the_number_of_attempts_is_limited_only_where_asked() {
        assert!(Reconnection::default().allows(u32::MAX));
        assert!(!Reconnection::disabled().allows(0));
        let two = Reconnection {
            max_attempts: Some(2),
            ..Reconnection::default()
        };
        assert_eq!(
            [0, 1, 2].map(|attempt| two.allows(attempt)),
            [true, true, false]
        );
    }

    proptest! {
        #[test]
        fn no_delay_is_above_the_cap(attempt: u32, random in 0.0..1.0, jitter: f64, initial: u64, max: u64) {
            let reconnection = Reconnection {
                initial_delay: Duration::from_nanos(initial),
                max_delay: Duration::from_nanos(max),
                jitter,
                ..Reconnection::default()
            };
            prop_assert!(reconnection.delay(attempt, random) <= reconnection.max_delay);
        }
    }
}
