//! What is promised, and how a broken promise is told.

use std::collections::VecDeque;
use std::fmt;

/// What must hold however the weather is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Inside a session nothing is lost.
    NothingIsLost,
    /// Nothing comes twice or out of order, nothing is sent twice.
    OnceAndInOrder,
    /// Where something may be missing, the client says so.
    GapsAreReported,
    /// What was emitted is sent, or told as not sent.
    EveryEmitHasAFate,
    /// Nothing is left behind: tasks, file descriptors, memory.
    NothingIsLeftBehind,
}

impl Promise {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 5] = [
        Self::NothingIsLost,
        Self::OnceAndInOrder,
        Self::GapsAreReported,
        Self::EveryEmitHasAFate,
        Self::NothingIsLeftBehind,
    ];

    /// What is counted where it is broken.
    #[must_use]
    pub fn counted_as(self) -> &'static str {
        match self {
            Self::NothingIsLost => "lost inside a session",
            Self::OnceAndInOrder => "duplicated or out of order",
            Self::GapsAreReported => "unreported gaps",
            Self::EveryEmitHasAFate => "emits without a fate",
            Self::NothingIsLeftBehind => "left behind",
        }
    }
}

/// The latest of what happened.
#[derive(Debug, Clone, Default)]
pub struct Trace(VecDeque<String>);

impl Trace {
    const LINES: usize = 60;

    /// One more line.
    pub fn push(&mut self, line: String) {
        if self.0.len() >= Self::LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

/// A promise that was broken, and what happened before.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Which one.
    pub promise: Promise,
    /// Where.
    pub place: String,
    /// How.
    pub what: String,
    /// How often in this place; the first time is told.
    pub times: u64,
    trace: Trace,
}

impl Broken {
    /// Adds one to those of a place: the first of each kind with its trace, the others as a number.
    pub fn keep(kept: &mut Vec<Self>, promise: Promise, place: &str, what: String, trace: &Trace) {
        match kept.iter_mut().find(|broken| broken.promise == promise) {
            Some(broken) => broken.times += 1,
            None => kept.push(Self::new(promise, place, what, trace)),
        }
    }

    /// One, with what happened before.
    #[must_use]
    pub fn new(promise: Promise, place: &str, what: String, trace: &Trace) -> Self {
        Self {
            promise,
            place: place.to_owned(),
            what,
            times: 1,
            trace: trace.clone(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            promise,
            place,
            what,
            times,
            trace,
        } = self;
        writeln!(
            f,
            "{place}: {}, {times} times, first: {what}",
            promise.counted_as()
        )?;
        trace
            .0
            .iter()
            .try_for_each(|line| writeln!(f, "    {line}"))
    }
}
