//! Our codecs and the reference parsers, on some thousand cases for each; `--bin differential` compares more.

#![allow(clippy::panic, clippy::expect_used, reason = "this is a test")]

use conformance::differential::{self, Failure, Parser, rules};

const CASES: u64 = 3_000;

#[test]
fn socket_io_parser_4_2() {
    compare(Parser::Socket42);
}

#[test]
fn socket_io_parser_3_4() {
    compare(Parser::Socket34);
}

#[test]
fn engine_io_parser_5_2() {
    compare(Parser::Engine52);
}

#[test]
fn engine_io_parser_2_2() {
    compare(Parser::Engine22);
}

fn compare(parser: Parser) {
    let Some(summary) = available(differential::run(parser, 0, CASES, |_| {})) else {
        return;
    };
    // That something was compared.
    let [read, ours, theirs] = summary.cases;
    assert_eq!(read + ours + theirs, CASES);
    assert!(ours > 100 && theirs > 100, "{summary}");
    assert!(
        summary.packets > 1_000 && summary.refused > 300,
        "{summary}"
    );
    // And that each way to differ comes up where many cases are tried.
    assert!(summary.rules.len() > 2, "{summary}");
}

/// A rule whose difference is gone must go, too.
#[test]
fn each_rule_is_needed_by_each_parser_that_it_names() {
    for parser in Parser::ALL {
        let Some(shown) = available(differential::examples(parser)) else {
            return;
        };
        for rule in rules().filter(|rule| rule.parsers.contains(&parser)) {
            let mut examples = shown.iter().filter(|example| example.rule == rule.name);
            assert!(
                examples.any(|example| example.needed.contains(&rule.name)),
                "{}: no example needs the rule {:?}",
                parser.name(),
                rule.name
            );
        }
    }
}

/// An example is of its own rule with one of the parsers, and of no other with any.
#[test]
fn each_example_shows_its_rule_and_no_other() {
    let mut shown = Vec::new();
    for parser in Parser::ALL {
        let Some(examples) = available(differential::examples(parser)) else {
            return;
        };
        shown.extend(examples);
    }
    for example in &shown {
        let same = shown
            .iter()
            .filter(|other| other.input == example.input && other.rule == example.rule);
        let needed: Vec<_> = same.flat_map(|other| &other.needed).collect();
        assert!(
            !needed.is_empty() && needed.iter().all(|rule| **rule == example.rule),
            "{} shows {needed:?}, and not {:?}",
            example.input,
            example.rule
        );
    }
}

#[test]
fn the_readme_lists_the_rules() {
    let readme = include_str!("../README.md");
    assert!(
        readme.contains(&differential::table()),
        "tests/README.md needs what `cargo run -p conformance --bin differential -- --rules` prints"
    );
}

/// What came of a comparison, if this machine can do it; otherwise that has been said.
fn available<T>(compared: Result<T, Failure>) -> Option<T> {
    match compared {
        Ok(compared) => Some(compared),
        Err(Failure::Difference(difference)) => panic!("{difference}"),
        Err(Failure::Unavailable(reason)) => {
            differential::skip(&reason);
            None
        }
        Err(Failure::Broken(reason)) => panic!("{reason}"),
    }
}
