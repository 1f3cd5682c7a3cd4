//! The command line that all programs here share.

use clap::Args;

/// How long to measure, and how to tell.
#[derive(Debug, Clone, Copy, Args)]
#[non_exhaustive]
pub struct Options {
    /// Measures for a short time only: for a first look, and to see that it works.
    #[arg(long)]
    pub quick: bool,
    /// Writes one JSON object a line instead of a table: name, value, unit, floor, ratio, target, met.
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// The first for a quick look, the second otherwise.
    #[must_use]
    pub fn either<T>(&self, quick: T, thorough: T) -> T {
        if self.quick { quick } else { thorough }
    }
}
