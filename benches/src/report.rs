//! What was measured, as rows: a table for people, JSON lines for programs, and a verdict.

use std::fmt;
use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::process::ExitCode;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::measure::Samples;
use crate::options::Options;

/// The exit status when a target was missed.
pub const MISSED: u8 = 3;

/// One measurement. The floor is what it is compared with, in the same unit and measured in the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Row {
    /// What was measured, and, behind ` / `, what it is compared with.
    pub name: String,
    /// The median.
    pub value: f64,
    /// Of the value and of the floor.
    pub unit: String,
    /// The median of what it is compared with.
    pub floor: Option<f64>,
    /// The value as a multiple of the floor: the median of the ratios of rounds that ran next to each other.
    pub ratio: Option<f64>,
    /// What the ratio, or the value where there is none, has to be.
    pub target: Option<Target>,
    /// Whether it is.
    pub met: Option<bool>,
}

/// A bound on a ratio, or on a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Row {
    /// A value by itself.
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            floor: None,
            ratio: None,
            target: None,
            met: None,
        }
    }

    /// The median of some samples.
    pub fn of(name: impl Into<String>, samples: &Samples, unit: &str) -> Self {
        Self::new(name, samples.median(), unit)
    }

    /// Compared with samples of the same rounds.
    pub fn compared(
        name: impl Into<String>,
        samples: &Samples,
        floor: &Samples,
        unit: &str,
    ) -> Self {
        Self {
            floor: Some(floor.median()),
            ratio: Some(samples.ratio_to(floor)),
            ..Self::of(name, samples, unit)
        }
    }

    /// With what is to be reached. The ratio counts where there is one.
    #[must_use]
    pub fn wanted(mut self, target: Target) -> Self {
        self.target = Some(target);
        self.met = Some(target.is_met(self.ratio.unwrap_or(self.value)));
        self
    }
}

impl Target {
    /// Whether a ratio, or a value, is within the bound.
    #[must_use]
    pub fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "<= {bound}"),
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (make, bound): (fn(f64) -> Self, _) = match text.split_at_checked(2) {
            Some(("<=", bound)) => (Self::AtMost, bound),
            Some((">=", bound)) => (Self::AtLeast, bound),
            _ => return Err(format!("not a target: {text}")),
        };
        let bound = bound.trim().parse();
        bound.map(make).map_err(|_| format!("not a target: {text}"))
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a program has measured so far.
#[derive(Debug)]
pub struct Report {
    options: Options,
    rows: Vec<Row>,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            rows: Vec::new(),
        }
    }

    /// Says, at a terminal, what is being done now.
    pub fn progress(&self, what: impl fmt::Display) {
        let mut err = stderr();
        if err.is_terminal() {
            write!(err, "\r\x1b[K{what} …").ok();
            err.flush().ok();
        }
    }

    /// Says what could not be measured here, and what to do about it.
    pub fn skipped(&self, what: impl fmt::Display) {
        self.end_progress();
        writeln!(stderr(), "SKIPPED: {what}").ok();
    }

    /// Adds a row. As JSON, it is written at once.
    pub fn add(&mut self, row: Row) {
        if self.options.json
            && let Ok(line) = serde_json::to_string(&row)
        {
            self.end_progress();
            writeln!(stdout(), "{line}").ok();
        }
        self.rows.push(row);
    }

    /// Writes the table, and tells whether each target was met.
    #[must_use]
    pub fn finish(self) -> ExitCode {
        self.end_progress();
        if !self.options.json {
            write!(stdout(), "{}", Table(&self.rows)).ok();
        }
        match self.rows.iter().any(|row| row.met == Some(false)) {
            true => ExitCode::from(MISSED),
            false => ExitCode::SUCCESS,
        }
    }

    /// As [`Report::finish`]; where something could not be measured, says so, behind what was.
    #[must_use]
    pub fn finish_with<E: fmt::Display>(self, result: Result<(), E>) -> ExitCode {
        let verdict = self.finish();
        match result {
            Ok(()) => verdict,
            Err(error) => {
                writeln!(stderr(), "error: {error}").ok();
                ExitCode::FAILURE
            }
        }
    }

    fn end_progress(&self) {
        let mut err = stderr();
        if err.is_terminal() {
            write!(err, "\r\x1b[K").ok();
        }
    }
}

/// Rows for people, in Markdown, which can be read as it is.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.iter().map(|row| row.name.chars().count()).max();
        let name = name.unwrap_or(0).max(4);
        let unit = self.0.iter().map(|row| row.unit.chars().count()).max();
        let unit = unit.unwrap_or(0).max(4);
        writeln!(
            f,
            "| {:name$} | {:>10} | {:unit$} | {:>10} | {:>8} | {:>8} | met |",
            "what", "value", "unit", "floor", "ratio", "target"
        )?;
        writeln!(
            f,
            "|{:-<1$}|{2:->11}:|{3:-<4$}|{5:->11}:|{6:->9}:|{7:->9}:|-----|",
            "",
            name + 2,
            "",
            "",
            unit + 2,
            "",
            "",
            ""
        )?;
        for row in self.0 {
            let optional = |value: Option<f64>| value.map(number).unwrap_or_default();
            let target = row.target.map(|target| target.to_string());
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "",
            };
            writeln!(
                f,
                "| {:name$} | {:>10} | {:unit$} | {:>10} | {:>8} | {:>8} | {met:3} |",
                row.name,
                number(row.value),
                row.unit,
                optional(row.floor),
                optional(row.ratio),
                target.unwrap_or_default(),
            )?;
        }
        Ok(())
    }
}

/// Three digits that mean something, and no more.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(samples: &[f64], floor: &[f64]) -> Row {
        Row::compared(
            "x / y",
            &Samples::from(samples),
            &Samples::from(floor),
            "ns",
        )
    }

    #[test]
    fn a_row_is_one_object_with_seven_members_and_is_read_back() {
        let row = compared(&[2.0, 4.0, 6.0], &[2.0, 2.0, 2.0]).wanted(Target::AtMost(1.5));
        let json = serde_json::to_string(&row).unwrap();
        let expected = r#"{"name":"x / y","value":4.0,"unit":"ns","floor":2.0,"ratio":2.0,"target":"<= 1.5","met":false}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row);
    }

    #[test]
    fn a_target_is_about_the_ratio_where_there_is_one() {
        let row = compared(&[100.0], &[50.0]);
        for (target, met) in [
            (Target::AtMost(2.0), true),
            (Target::AtMost(1.9), false),
            (Target::AtLeast(2.0), true),
            (Target::AtLeast(2.1), false),
        ] {
            assert_eq!(row.clone().wanted(target).met, Some(met), "{target}");
        }
        let alone = Row::new("x", 7.0, "KiB").wanted(Target::AtMost(8.0));
        assert_eq!((alone.met, alone.ratio), (Some(true), None));
        assert_eq!(Row::new("x", 7.0, "KiB").met, None);
    }
}
