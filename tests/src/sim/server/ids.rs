//! The identifiers that a server makes up: random in form, the same for the same seed.

use std::time::{Duration, Instant};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Session ids, socket ids and the private ids of recoverable sessions.
#[derive(Debug)]
pub(super) struct Ids {
    state: u64,
    sequence: usize,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            sequence: 0,
        }
    }

    /// Twenty characters, the last four of them counted, as the reference servers make them.
    pub(super) fn next(&mut self) -> String {
        let mut id: String = (0..16).map(|_| self.letter()).collect();
        for place in (0..4).rev() {
            id.push(char::from(ALPHABET[(self.sequence >> (6 * place)) & 63]));
        }
        self.sequence += 1;
        id
    }

    fn letter(&mut self) -> char {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        char::from(ALPHABET[(z & 63) as usize])
    }
}

/// The digits of times in offsets, in their order.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// Offsets of recoverable events: the time in letters, with a count behind it where the time stands still.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    start: Option<Instant>,
    last: String,
    repeated: u64,
}

impl Offsets {
    pub(super) fn next(&mut self, now: Instant) -> String {
        let start = *self.start.get_or_insert(now);
        // Any date will do; this one gives the usual seven letters.
        let millis = Duration::from_secs(1_764_000_000) + now.saturating_duration_since(start);
        let mut rest = millis.as_millis();
        let mut letters = Vec::new();
        while rest > 0 {
            letters.push(char::from(DIGITS[(rest % 64) as usize]));
            rest /= 64;
        }
        let time: String = letters.iter().rev().collect();
        if time == self.last {
            self.repeated += 1;
            return format!("{time}.{}", self.repeated - 1);
        }
        self.last.clone_from(&time);
        self.repeated = 0;
        time
    }
}
