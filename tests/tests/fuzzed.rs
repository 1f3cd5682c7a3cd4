//! The fuzz targets of `fuzz/`, on their seeds and what is near to them.

#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "this is how a test fails, and says what with"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use conformance::fuzz::{BODIES, Body};

/// How many variants of the seeds of a target are tried.
const VARIANTS: usize = 1_500;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| name(entry.unwrap().path())).collect()
}

/// The seeds of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = fuzz().join("seeds").join(target);
    let entries = fs::read_dir(&directory).unwrap();
    let mut seeds: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), fs::read(&path).unwrap())
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is empty", directory.display());
    seeds
}

/// Runs a body; where it fails, the input is shown.
fn run(target: &str, body: Body, from: &str, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        eprintln!("{target}, from {from}: {}", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn each_target_has_a_body_and_seeds() {
    let bodies: BTreeSet<_> = BODIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), bodies);
    assert_eq!(names(&fuzz().join("seeds")), bodies);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in bodies {
        let target = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        let target = fs::read_to_string(target).unwrap();
        assert!(
            target.contains(&format!("conformance::fuzz::{name}(")),
            "{name}: {target}"
        );
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not built"
        );
    }
}

#[test]
fn seeds_break_no_promise() {
    for (target, body) in BODIES {
        for (name, input) in seeds(target) {
            run(target, body, &name, &input);
        }
    }
}

/// The same variants each time: a fuzzer finds more, but it does not run here.
#[test]
fn what_is_near_to_a_seed_breaks_no_promise() {
    for (target, body) in BODIES {
        let seeds = seeds(target);
        let mut random = fastrand::Rng::with_seed(7);
        for n in 0..VARIANTS {
            let (name, seed) = &seeds[n % seeds.len()];
            let (_, other) = &seeds[random.usize(..seeds.len())];
            let input = variant(&mut random, seed, other);
            run(target, body, name, &input);
        }
    }
}

/// What costs a peer nothing is read in one go: without a stack that overflows, and without a second look at everything
/// for each of its parts, which would take minutes here.
#[test]
fn much_of_the_same_breaks_no_promise() {
    let rows: [(&str, &str, &str, &str); 20] = [
        ("args", "[", "[", ""),
        ("args", "", "[", "]"),
        ("args", "[", "{\"a\":", ""),
        ("args", "[0", ",{}", "\n"),
        ("engineio_v3", "", "1:2", ""),
        ("engineio_v3", "", "9", ""),
        ("engineio_v3", "200000:4", "😀", ""),
        ("engineio_v4", "", "2\u{1e}", ""),
        ("graph", "", "\"\\", ""),
        ("graph", "401\n\n{\"error\":", "{\"innerError\":", "}"),
        ("graph", "200\n\n", "[", "]"),
        ("handshake", "", "[", "]"),
        ("handshake", "{\"sid\":\"", "\\u0061", ""),
        ("socketio_v4", "4", "[", "]"),
        ("socketio_v5", "2", "1", ""),
        ("socketio_v5", "2/", "n", ""),
        ("socketio_v5", "5", "1", ""),
        ("socketio_v5", "2[\"a\"", ",[]", ""),
        ("socketio_v5", "2[\"a\",", "[", "]"),
        ("urls", "https://a.test/x?", "&", ""),
    ];
    for (target, head, unit, end) in rows {
        let (_, body) = BODIES.iter().find(|(name, _)| *name == target).unwrap();
        let many = 200_000 / unit.len();
        let input = format!("{head}{}{}", unit.repeat(many), end.repeat(many));
        body(input.as_bytes());
        body(format!("{input}]}}]").as_bytes());
    }
    let packet = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a";
    for unit in [0x91, 0x81, 0xa1, 0xc7] {
        let input = [&packet[..], &vec![unit; 200_000]].concat();
        conformance::fuzz::msgpack(&input);
    }
}

/// A seed with some things changed, left out, doubled, swapped, or taken from another one.
fn variant(random: &mut fastrand::Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=input.len());
        let part = at..random.usize(at..=input.len()).min(at + 16);
        let lines = |text: &[u8]| {
            text.split_inclusive(|&b| b == b'\n')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        match random.u8(..8) {
            0 => drop(input.drain(part)),
            1 => {
                let copy = input[part].to_vec();
                drop(input.splice(at..at, copy));
            }
            2 => input.truncate(at),
            3 => input.insert(at, random.u8(..)),
            4 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            5 if at < input.len() => {
                let of = b"0129-/,[]{}\"\\ \n\x1e\x00\xff:tefn";
                input[at] = of[random.usize(..of.len())];
            }
            6 => {
                let mut order = lines(&input);
                let len = order.len().max(1);
                let (one, two) = (random.usize(..len), random.usize(..len));
                if !order.is_empty() {
                    order.swap(one, two);
                }
                input = order.concat();
            }
            _ => {
                let (mut order, of) = (lines(&input), lines(other));
                if !of.is_empty() {
                    let line = of[random.usize(..of.len())].clone();
                    order.insert(random.usize(..=order.len()), line);
                }
                input = order.concat();
            }
        }
    }
    input
}
