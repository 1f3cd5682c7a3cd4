//! A monotonic clock that also advances while the machine is asleep.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Clock adjustments smaller than this are not taken for a suspension.
const LEAST_SUSPENSION: Duration = Duration::from_secs(5);
/// How often the wall clock is looked at, in milliseconds of the monotonic one.
const CHECK_EVERY: u64 = 1000;

struct Start {
    monotonic: Instant,
    wall: SystemTime,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads a clock"
)]
static START: LazyLock<Start> = LazyLock::new(|| Start {
    monotonic: Instant::now(),
    wall: SystemTime::now(),
});
/// Milliseconds spent asleep since the start.
static ASLEEP: AtomicU64 = AtomicU64::new(0);
/// When the wall clock is to be looked at next, in milliseconds since the start.
static NEXT_CHECK: AtomicU64 = AtomicU64::new(0);
/// What both clocks said when they were last compared: time since the start.
static LAST: Mutex<(Duration, Duration)> = Mutex::new((Duration::ZERO, Duration::ZERO));

/// The present, for the state machines.
///
/// `Instant` stands still during suspend on Linux and macOS, so a process that wakes up would take a link that died
/// hours ago for a live one. Where the wall clock has run ahead of the monotonic one by more than five seconds since
/// they were last compared, at most a second of waking time ago, the difference counts as time too. A wall clock set
/// forward by hand looks the same; it costs a reconnection, as in the reference client, which only knows the wall
/// clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads a clock"
)]
#[must_use]
pub fn now() -> Instant {
    let start = &*START;
    let monotonic = Instant::now();
    let elapsed = monotonic.saturating_duration_since(start.monotonic);
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    // Once a second one caller compares; all others only read.
    let due = NEXT_CHECK.load(Ordering::Relaxed);
    let next = elapsed_ms.saturating_add(CHECK_EVERY);
    if elapsed_ms >= due
        && NEXT_CHECK
            .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    {
        // A wall clock before the start says nothing.
        let wall = SystemTime::now()
            .duration_since(start.wall)
            .unwrap_or_default();
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let asleep = suspension(*last, (elapsed, wall));
        *last = (elapsed, wall);
        let asleep_ms = u64::try_from(asleep.as_millis()).unwrap_or(0);
        ASLEEP.fetch_add(asleep_ms, Ordering::Relaxed);
    }
    monotonic + Duration::from_millis(ASLEEP.load(Ordering::Relaxed))
}

/// How long the machine was asleep between two readings of the monotonic and the wall clock.
fn suspension(last: (Duration, Duration), present: (Duration, Duration)) -> Duration {
    let awake = present.0.saturating_sub(last.0);
    // A wall clock that went backwards says nothing.
    let elapsed = present.1.saturating_sub(last.1);
    let ahead = elapsed.saturating_sub(awake);
    // A year ahead is a clock that has just been set for the first time.
    let plausible = LEAST_SUSPENSION..Duration::from_secs(365 * 24 * 60 * 60);
    if plausible.contains(&ahead) {
        ahead
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_runs_ahead_is_a_suspension() {
        let second = Duration::from_secs(1);
        let last = (100 * second, 200 * second);
        for (awake, elapsed, expected) in [
            (second, second, Duration::ZERO),
            (second, 4 * second, Duration::ZERO),
            (second, 3601 * second, 3600 * second),
            (60 * second, second, Duration::ZERO),
            (second, 1_000_000_000 * second, Duration::ZERO),
        ] {
            assert_eq!(
                suspension(last, (last.0 + awake, last.1 + elapsed)),
                expected
            );
        }
        assert_eq!(
            suspension(last, (last.0 + second, last.1 - second)),
            Duration::ZERO
        );
    }

    #[test]
    fn time_does_not_run_backwards() {
        let first = now();
        assert!(now() >= first);
    }
}
