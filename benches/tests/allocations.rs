//! How often this stack asks for memory, new or more of it, to read and to write a packet.

use benchmarks::allocations;
use benchmarks::codec::{Comparison, Content, Kind, comparisons};
use engineio::Version;

#[global_allocator]
static COUNTING: allocations::Counting = allocations::COUNTING;

/// Of this stack, in the three cases of a kind, which differ in size.
fn at_most(cases: &mut [Comparison], kind: Kind, most: [f64; 3]) {
    let cases = cases.iter_mut().filter(|case| case.kind == kind);
    let counted = cases.flat_map(|case| case.subjects.first_mut()?.allocations());
    let counted: Vec<_> = counted.collect();
    assert_eq!(counted.len(), most.len(), "{kind:?}");
    let within = |(count, most): (&f64, f64)| *count <= most;
    let are_within = counted.iter().zip(most).all(within);
    assert!(are_within, "{kind:?}: {counted:?}");
}

#[test]
fn reading_and_writing_allocates_no_more_than_it_has_to() {
    assert!(allocations::is_counted());
    let cases = &mut comparisons()[..];

    // Of 101 B, 1 KiB and 64 KiB. What is read is a part of the message.
    at_most(cases, Kind::DecodeText, [0.0; 3]);
    // The text is written to where there is room already, and its copy is the message.
    at_most(cases, Kind::EncodeText, [1.0; 3]);
    at_most(cases, Kind::EncodeInto, [1.0; 3]);

    // Of 1, 64 and 1024 packets. Short text is copied. Base64 is decoded into memory of its own.
    for version in [Version::V3, Version::V4] {
        let text = Kind::DecodePayload(version, Content::Text);
        at_most(cases, text, [1.0, 64.0, 1024.0]);
        let base64 = Kind::DecodePayload(version, Content::Binary);
        at_most(cases, base64, [2.0, 2.0 * 64.0, 2.0 * 1024.0]);
    }
    // Nothing a packet: the body grows as it is written.
    for version in [Version::V3, Version::V4] {
        for content in [Content::Text, Content::Binary] {
            let kind = Kind::EncodePayload(version, content);
            at_most(cases, kind, [2.0, 8.0, 12.0]);
        }
    }
}
