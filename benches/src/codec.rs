//! What it costs to read and to write packets, in memory: no sockets, no tasks.

pub mod cases;
mod floors;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod rows;

use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use engineio::Version;

pub use self::rows::rows;
use crate::allocations;
use crate::clock::thread_cpu;

/// The subjects of one case, all of which do the same work as far as they let it be known what they do.
#[derive(Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// What is done to what.
    pub name: String,
    /// What kind of a case it is.
    pub kind: Kind,
    /// The size of what is read or written.
    pub bytes: usize,
    /// How many packets that is.
    pub packets: usize,
    /// This stack, then the floor, then its peers.
    pub subjects: Vec<Subject>,
}

/// What is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A text EVENT is read.
    DecodeText,
    /// An EVENT with an attachment is read.
    DecodeBinary,
    /// A text EVENT is written, out of a value, to a message of its own.
    EncodeText,
    /// A text EVENT is written, out of a value, to where there is room already.
    EncodeInto,
    /// An EVENT with an attachment is written, out of a value.
    EncodeBinary,
    /// An Engine.IO payload is read.
    DecodePayload(Version, Content),
    /// An Engine.IO payload is written.
    EncodePayload(Version, Content),
}

/// What is in the packets of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// The text of a Socket.IO EVENT.
    Text,
    /// An attachment, which travels as base64.
    Binary,
}

/// Something that does the work of a case.
pub struct Subject {
    /// Whose it is, or what is done.
    pub name: &'static str,
    run: Box<dyn FnMut(u64) -> Option<Spent>>,
}

/// What it took to do some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Spent {
    /// Of the processor, so that it does not matter who else uses it.
    pub time: Duration,
    /// How often memory was asked for, new or more of it; see [`allocations`].
    pub allocations: u64,
}

impl Subject {
    /// Work that takes its input by value, and tells whether it was done. What comes out of it is dropped as part of it,
    /// so that the work of a reader includes letting go of what it has read.
    ///
    /// The inputs are prepared in front of the clock, in batches that fit into the cache: to have a message in hand, one
    /// reference more to its memory, is the work of who receives it and not of who decodes it.
    fn new<T: 'static>(
        name: &'static str,
        prepare: impl FnMut() -> T + 'static,
        work: impl FnMut(T) -> bool + 'static,
    ) -> Self {
        // To ask the clock takes as long as the smallest work does: here, less than one percent of it.
        Self::in_batches(512, name, prepare, work)
    }

    /// As above, for inputs that are large.
    fn in_batches<T: 'static>(
        most: u64,
        name: &'static str,
        mut prepare: impl FnMut() -> T + 'static,
        mut work: impl FnMut(T) -> bool + 'static,
    ) -> Self {
        let mut inputs = Vec::new();
        let run = move |times: u64| {
            let mut spent = Spent::default();
            let mut left = times;
            while left > 0 {
                let batch = left.min(most);
                left -= batch;
                inputs.extend((0..batch).map(|_| prepare()));
                let (allocations, (time, done)) = allocations::count(|| {
                    let mut done = true;
                    let started = thread_cpu();
                    for input in inputs.drain(..) {
                        done &= work(black_box(input));
                    }
                    (thread_cpu().saturating_sub(started), done)
                });
                if !done {
                    return None;
                }
                spent.time += time;
                spent.allocations += allocations;
            }
            Some(spent)
        };
        Self {
            name,
            run: Box::new(run),
        }
    }

    /// Does the work so many times; nothing if it cannot be done.
    pub fn run(&mut self, times: u64) -> Option<Spent> {
        (self.run)(times)
    }

    /// How often the work, done once, asks for memory. What it does the first time only is left out.
    pub fn allocations(&mut self) -> Option<f64> {
        const TIMES: u32 = 2;
        self.run(1)?;
        let spent = self.run(TIMES.into())?;
        Some(spent.allocations as f64 / f64::from(TIMES))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subject").field(&self.name).finish()
    }
}

/// All cases, those of a kind next to each other.
#[must_use]
pub fn comparisons() -> Vec<Comparison> {
    let texts = cases::SIZES.into_iter().flat_map(|(size, bytes)| {
        let text = cases::text(&cases::chat(bytes));
        let decode = Comparison {
            name: format!("decode EVENT of {size}"),
            kind: Kind::DecodeText,
            bytes,
            packets: 1,
            subjects: vec![ours::decode(&text), floors::decode(&text)],
        };
        let encode = Comparison {
            name: format!("encode EVENT of {size}"),
            kind: Kind::EncodeText,
            bytes,
            packets: 1,
            subjects: vec![
                ours::encode(cases::chat(bytes)),
                floors::encode(cases::chat(bytes)),
            ],
        };
        let encode_into = Comparison {
            name: format!("encode EVENT of {size} into a buffer"),
            kind: Kind::EncodeInto,
            bytes,
            packets: 1,
            subjects: vec![
                ours::encode_into(cases::chat(bytes)),
                floors::encode_into(cases::chat(bytes)),
            ],
        };
        [decode, encode, encode_into]
    });
    let (header, attachment) = cases::binary();
    let bytes = header.len() + attachment.len();
    let binary = [
        Comparison {
            name: "decode EVENT with an attachment of 1 KiB".into(),
            kind: Kind::DecodeBinary,
            bytes,
            packets: 1,
            subjects: vec![
                ours::decode_binary(&header, &attachment),
                floors::decode_binary(&header, &attachment),
            ],
        },
        Comparison {
            name: "encode EVENT with an attachment of 1 KiB".into(),
            kind: Kind::EncodeBinary,
            bytes,
            packets: 1,
            subjects: vec![
                ours::encode_binary(cases::file()),
                floors::encode_binary(cases::file()),
            ],
        },
    ];
    let payloads = cases::VERSIONS.into_iter().flat_map(|version| {
        let contents = [Content::Text, Content::Binary].into_iter();
        contents.flat_map(move |content| {
            let counts = cases::COUNTS.into_iter();
            counts.flat_map(move |packets| payloads(version, content, packets))
        })
    });
    let mut comparisons: Vec<_> = texts.chain(binary).chain(payloads).collect();
    #[cfg(feature = "peers")]
    for comparison in &mut comparisons {
        peers::join(comparison);
    }
    comparisons.sort_by_key(|comparison| comparison.kind.order());
    comparisons
}

fn payloads(version: Version, content: Content, packets: usize) -> [Comparison; 2] {
    let of = cases::payload(version, content, packets);
    let what = match content {
        Content::Text => "text",
        Content::Binary => "base64",
    };
    let plural = if packets == 1 { "" } else { "s" };
    let what = format!("payload of {packets} packet{plural}, revision {version}, {what}");
    let comparison = |name, kind, subjects| Comparison {
        name,
        kind,
        bytes: of.body.len(),
        packets,
        subjects,
    };
    [
        comparison(
            format!("decode {what}"),
            Kind::DecodePayload(version, content),
            vec![
                ours::decode_payload(version, &of),
                floors::decode_payload(version, &of),
            ],
        ),
        comparison(
            format!("encode {what}"),
            Kind::EncodePayload(version, content),
            vec![
                ours::encode_payload(version, &of),
                floors::encode_payload(version, &of),
            ],
        ),
    ]
}

impl Kind {
    /// Where it stands in a table.
    fn order(self) -> usize {
        match self {
            Self::DecodeText => 0,
            Self::DecodeBinary => 1,
            Self::EncodeText => 2,
            Self::EncodeInto => 3,
            Self::EncodeBinary => 4,
            Self::DecodePayload(..) => 5,
            Self::EncodePayload(..) => 6,
        }
    }

    /// Whether it is about payloads, whose packets count.
    fn is_payload(self) -> bool {
        matches!(self, Self::DecodePayload(..) | Self::EncodePayload(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_does_its_work() {
        for comparison in comparisons() {
            for mut subject in comparison.subjects {
                let spent = subject.run(2);
                assert!(spent.is_some(), "{}, {subject:?}", comparison.name);
            }
        }
    }
}
