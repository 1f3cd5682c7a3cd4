//! Scripts: lines of a verb and what belongs to it.

use std::time::{Duration, Instant};

/// As many lines are played; more of them reach nothing new.
const MAX_LINES: usize = 256;

/// The lines: the first byte of each, and the rest.
pub(super) fn lines(script: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    script
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split_first())
        .map(|(&verb, rest)| (verb, rest))
        .take(MAX_LINES)
}

/// The first line, which says how everything is set up, and all others.
pub(super) fn settings(script: &[u8]) -> (&[u8], &[u8]) {
    let end = script.iter().position(|&byte| byte == b'\n');
    let (first, rest) = script.split_at(end.unwrap_or(script.len()));
    (first, rest.get(1..).unwrap_or_default())
}

/// The number in front, and what is behind it and one blank. No digits are 0.
pub(super) fn number(rest: &[u8]) -> (u64, &[u8]) {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = rest.split_at(end.unwrap_or(rest.len()));
    let number = digits.iter().take(12).fold(0, |number, digit| {
        number * 10 + u64::from(digit.wrapping_sub(b'0'))
    });
    (number, rest.strip_prefix(b" ").unwrap_or(rest))
}

/// A moment that many milliseconds later, at most a month.
pub(super) fn after(now: Instant, line: &[u8]) -> Instant {
    const MONTH: u64 = 31 * 24 * 60 * 60 * 1000;
    now + Duration::from_millis(number(line).0.min(MONTH))
}

/// A start of time that is the same for a whole script.
#[expect(
    clippy::disallowed_methods,
    reason = "the zero of a simulated clock, which nothing else reads"
)]
pub(super) fn start() -> Instant {
    Instant::now()
}

/// Counts how often a timer is due again at the very moment at which it has been served.
#[derive(Debug, Default)]
pub(super) struct Timer {
    again: u32,
}

impl Timer {
    /// Looks at the next deadline behind a call of `handle_timeout`.
    pub(super) fn served(&mut self, now: Instant, next: Option<Instant>) {
        self.again = match next {
            Some(next) if next <= now => self.again + 1,
            _ => 0,
        };
        assert!(self.again < 256, "a timer is due for ever");
    }
}
