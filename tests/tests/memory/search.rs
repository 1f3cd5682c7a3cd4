//! Looks for the input that costs most: a repeated unit, changed at random, and kept where it costs more.

use std::any::Any;

use bytes::Bytes;
use conformance::heap;
use fastrand::Rng;

/// Something that reads what a peer has sent.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// How many bytes it may take for each byte of the message, the message itself not counted.
    pub(crate) most: f64,
    /// What it may take besides.
    pub(crate) constant: u64,
    /// Reads, and gives what is to be kept.
    pub(crate) read: fn(Bytes) -> Box<dyn Any>,
    /// What messages look like.
    pub(crate) shapes: &'static [Shape],
}

/// What messages begin with, what is repeated in them, what they end with.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) front: &'static [u8],
    pub(crate) unit: &'static [u8],
    pub(crate) end: &'static [u8],
    /// Whether the front ends with the number of units, as a `u32`.
    pub(crate) is_counted: bool,
}

/// A message of text.
pub(crate) const fn text(front: &'static str, unit: &'static str, end: &'static str) -> Shape {
    Shape {
        front: front.as_bytes(),
        unit: unit.as_bytes(),
        end: end.as_bytes(),
        is_counted: false,
    }
}

/// A message in which a list is as long as it says in front.
pub(crate) const fn counted(front: &'static [u8], unit: &'static [u8]) -> Shape {
    Shape {
        front,
        unit,
        end: b"",
        is_counted: true,
    }
}

/// What units are made of, besides single bytes.
const WORDS: [&str; 20] = [
    "[", "]", "{", "}", ",", ":", "\"", "\\", "0", "-", "null", "[]", "{}", "\"\"", "\\u0000",
    "\"a\":0", "\u{1e}4", "2:4a", " ", "é",
];

/// A message, but for its size.
#[derive(Clone)]
pub(crate) struct Candidate {
    shape: Shape,
    unit: Vec<u8>,
}

impl Candidate {
    /// A message of about `size` bytes.
    fn of_size(&self, size: usize) -> Bytes {
        let Shape {
            front,
            end,
            is_counted,
            ..
        } = self.shape;
        let count = size.saturating_sub(front.len() + end.len()) / self.unit.len().max(1);
        let units = self.unit.repeat(count);
        let count = u32::try_from(count).unwrap().to_be_bytes();
        let count = if is_counted { &count[..] } else { b"" };
        Bytes::from([front, count, &units, end].concat())
    }

    fn mutate(&mut self, rng: &mut Rng) {
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..=self.unit.len());
            match rng.u8(..7) {
                0 | 1 => drop(self.unit.splice(at..at, rng.choice(WORDS).unwrap().bytes())),
                2 if at < self.unit.len() => drop(self.unit.remove(at)),
                3 if at < self.unit.len() => self.unit[at] = rng.u8(..),
                4 => self.unit.insert(at, rng.u8(..)),
                5 => self.unit.truncate(at),
                _ if self.unit.len() < 64 => self.unit.extend_from_within(at..),
                _ => {}
            }
        }
    }
}

impl Subject {
    /// The messages of the table.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.shapes.iter().map(|shape| Candidate {
            shape: *shape,
            unit: shape.unit.into(),
        })
    }

    /// The worst message that the search finds.
    pub(crate) fn search(&self, seed: u64, rounds: usize, size: usize) -> Candidate {
        let mut rng = Rng::with_seed(seed);
        let seeds: Vec<_> = self.candidates().collect();
        let mut worst = self.worst(&seeds, size);
        for round in 0..rounds {
            // Now and then anew, because the worst so far may be a dead end.
            let mut candidate = match round % 4 {
                0 => rng.choice(&seeds).unwrap().clone(),
                _ => worst.1.clone(),
            };
            candidate.mutate(&mut rng);
            let ratio = self.ratio(&candidate, size);
            if ratio > worst.0 {
                worst = (ratio, candidate);
            }
        }
        worst.1
    }

    /// Whichever costs most.
    pub(crate) fn worst(&self, candidates: &[Candidate], size: usize) -> (f64, Candidate) {
        let all = candidates.iter();
        let rated = all.map(|candidate| (self.ratio(candidate, size), candidate.clone()));
        rated.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    }

    /// How many bytes a message of about this size takes for each of its bytes, beyond the constant.
    pub(crate) fn ratio(&self, candidate: &Candidate, size: usize) -> f64 {
        let message = candidate.of_size(size);
        let len = message.len().max(1);
        let (kept, heap) = heap::measure(|| (self.read)(message));
        drop(kept);
        heap.peak.saturating_sub(self.constant) as f64 / len as f64
    }
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (front, end) = (
            self.shape.front.escape_ascii(),
            self.shape.end.escape_ascii(),
        );
        write!(f, "{front} ({})* {end}", self.unit.escape_ascii())
    }
}
