//! Where we differ from the reference parsers on purpose: each way is a rule with its reason.

mod engine;
mod json_text;
mod socket;

use std::fmt::Write as _;

use super::Parser;
use super::case::{Input, Reading, Step};
use super::ours::{Our, Why};

/// A way in which we differ on purpose.
#[derive(Debug)]
pub struct Rule {
    /// What it is called in the summary.
    pub name: &'static str,
    /// The parsers that we differ from.
    pub parsers: &'static [Parser],
    /// Why, in a sentence.
    pub reason: &'static str,
    pub(crate) effects: &'static [Effect],
    /// Inputs that show it, with any of the parsers.
    pub(crate) examples: fn() -> Vec<Input>,
}

/// How it shows at one place of an input.
#[derive(Debug)]
pub(crate) enum Effect {
    /// We refuse what they read, or cannot make values of it.
    Stricter(fn(&Place<'_>) -> bool),
    /// We read what they refuse.
    Looser(fn(&Place<'_>) -> bool),
    /// Both read it. This makes ours of theirs.
    Otherwise(fn(&Place<'_>, &mut Reading)),
    /// Neither refuses it, and what they read has nothing in common any more.
    Apart(fn(&Place<'_>) -> bool),
    /// We read a packet where they read none.
    More(fn(&Place<'_>) -> bool),
}

/// A place where the two sides differ.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) parser: Parser,
    pub(crate) input: &'a Input,
    pub(crate) ours: &'a [Our],
    pub(crate) theirs: &'a [Step],
    /// The index of our step.
    pub(crate) our: usize,
    /// The index of their step.
    pub(crate) their: usize,
}

impl<'a> Place<'a> {
    pub(crate) fn our(&self) -> Option<&'a Our> {
        self.ours.get(self.our)
    }

    pub(crate) fn their(&self) -> Option<&'a Step> {
        self.theirs.get(self.their)
    }

    pub(crate) fn why(&self) -> &'a Why {
        self.our().map_or(&Why::Fine, |our| &our.why)
    }

    /// What they read here.
    pub(crate) fn reading(&self) -> Option<&'a Reading> {
        match self.their()? {
            Step::Packet(reading) => Some(reading),
            Step::Refused(_) | Step::Nothing => None,
        }
    }
}

/// All rules.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    socket::RULES.iter().chain(engine::RULES)
}

/// The rules about a parser.
pub(crate) fn rules_for(parser: Parser) -> impl Iterator<Item = &'static Rule> {
    rules().filter(move |rule| rule.parsers.contains(&parser))
}

/// All rules as the table in the README of the tests.
#[must_use]
pub fn table() -> String {
    let mut out = String::from("| rule | parsers | why |\n|---|---|---|\n");
    for rule in rules() {
        let parsers: Vec<_> = rule.parsers.iter().map(|parser| parser.name()).collect();
        // Writing to a string cannot fail.
        writeln!(
            out,
            "| `{}` | {} | {} |",
            rule.name,
            parsers.join(", "),
            rule.reason
        )
        .ok();
    }
    out
}
