//! Some of the random lives that `cargo run -p conformance --release --bin explore` lives more of.

#![allow(clippy::panic, reason = "this is a test")]

use conformance::sim::explore::{Summary, explore};

#[test]
fn no_promise_is_broken_in_the_first_lives() {
    let mut sum = Summary::default();
    for seed in 0..200 {
        match explore(seed) {
            Ok(lived) => sum += lived,
            Err(broken) => panic!("{broken}"),
        }
    }
    // That something happened in them.
    let Summary {
        up,
        down,
        again,
        settled,
        unsent,
        lost,
        recovered,
    } = sum;
    assert!(
        [up, down, again, settled, unsent, lost, recovered]
            .into_iter()
            .all(|count| count > 10),
        "{sum:?}"
    );
}

#[test]
fn a_seed_makes_the_same_life_each_time() {
    assert_eq!(explore(7), explore(7));
}
