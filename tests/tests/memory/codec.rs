//! The codecs and the state machines: for each, the most that it takes of the heap for a message of N bytes.

mod reading;
mod subjects;

use bytes::Bytes;
use conformance::heap;

use crate::search::Subject;
use subjects::{OURS, THEIRS};

/// A little more than a power of two: what doubles its size to hold a message is largest then.
const fn behind(power: usize) -> usize {
    power + power / 8
}

/// How many messages the search tries, and how long they are.
const ROUNDS: usize = 100;
const SEARCHED: usize = behind(2 << 10);

/// How many bytes the worst message takes for each of its own, of any size, and the message.
fn highest(subject: &Subject) -> (f64, String) {
    let mut candidates: Vec<_> = subject.candidates().collect();
    let small = subject.worst(&candidates, behind(1 << 10));
    candidates.push(subject.search(7, ROUNDS, SEARCHED));
    let medium = subject.worst(&candidates, behind(64 << 10));
    // What is worst does not change any more.
    let large = subject.worst(std::slice::from_ref(&medium.1), behind(1 << 20));
    let all = [small, medium, large].into_iter();
    let highest = all.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    (highest.0, highest.1.to_string())
}

fn check(subjects: &[Subject]) {
    heap::count();
    let mut wrong = Vec::new();
    for subject in subjects {
        let (ratio, shape) = highest(subject);
        let shape: String = shape.chars().take(120).collect();
        let line = format!("{}: {ratio:.2} for {shape}", subject.name);
        println!("{line}");
        // A bound far from everything that was seen would say nothing.
        if ratio > subject.most || ratio < subject.most * 0.6 {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "not as documented:\n{}", wrong.join("\n"));
}

#[test]
fn no_message_costs_more_to_decode_than_is_documented() {
    check(OURS);
}

/// As values, typed or not, it is the program's choice what a message becomes.
#[test]
fn no_message_costs_more_as_values_than_is_documented() {
    check(THEIRS);
}

/// A message that is kept keeps no more alive than a small multiple of itself, however long the buffer was in which it
/// came.
#[test]
fn a_short_message_keeps_no_long_buffer_alive() {
    heap::count();
    for (name, read, message) in reading::SMALL_IN_LARGE {
        let (kept, heap) = heap::measure(|| {
            let kept = read(Bytes::from(message(1 << 20)));
            assert!(kept.is_some(), "{name}");
            kept
        });
        assert!(heap.peak >= 1 << 20, "{name}: the message counts");
        assert!(heap.kept < 5 << 10, "{name}: {} bytes kept", heap.kept);
        drop(kept);
    }
}

#[test]
fn what_was_taken_leaves_no_room_behind() {
    heap::count();
    for (name, drain) in reading::DRAINED {
        let (kept, heap) = heap::measure(drain);
        assert!(heap.peak > 100 << 10, "{name}: {} at its peak", heap.peak);
        assert!(heap.kept < 16 << 10, "{name}: {} bytes kept", heap.kept);
        drop(kept);
    }
}
