//! The page of results, in Markdown.

use std::fmt::{self, Write as _};

use crate::report::{Row, Table};

use super::{Part, Program, Setting};

/// What stands between these is written by hand, and stays when the page is written anew.
const HAND: (&str, &str) = (
    "<!-- By hand from here on; kept when this page is written anew. -->",
    "<!-- By hand until here. -->",
);

const INCOMPLETE: &str = "**Incomplete:**";
const QUICK: &str = "**A first look (`--quick`), with fewer and shorter rounds:**";

/// How the names of the rows begin that tell whether the targets of the project are met: one for each target. A row may be
/// missing where a peer is not installed.
const WANTED: [&str; 12] = [
    "decode EVENT of ",
    "allocations: decode EVENT of ",
    "encode EVENT of ",
    "allocations: encode EVENT of ",
    "decode payload",
    "receive small events / raw + RawValue",
    "receive small events / rust_socketio",
    "receive small events / JavaScript",
    "emit small events / raw",
    "ack round trip, one at a time / raw",
    "idle connection, plain: resident",
    "10000 idle connections, plain",
];

/// All that the page says.
#[derive(Debug)]
pub struct Page<'a> {
    /// Where and with what.
    pub setting: &'a Setting,
    /// Whether it is only a first look.
    pub quick: bool,
    /// What has been measured so far.
    pub parts: &'a [Part],
    /// What is missed, and why: from [`by_hand`].
    pub misses: &'a str,
}

/// What somebody has written into an earlier page. Nothing where there is none.
#[must_use]
pub fn by_hand(page: &str) -> &str {
    let behind = page.split_once(HAND.0).map(|(_, behind)| behind);
    let words = behind.and_then(|behind| behind.split_once(HAND.1));
    words.map(|(words, _)| words.trim()).unwrap_or_default()
}

/// The targets of the project about which a page says nothing.
#[must_use]
pub fn missing(page: &str) -> Vec<&'static str> {
    let names: Vec<_> = targets(page).collect();
    let told = |wanted: &str| names.iter().any(|name| name.starts_with(wanted));
    WANTED.into_iter().filter(|wanted| !told(wanted)).collect()
}

/// Whether a page has all rows of all programs, measured in full length.
#[must_use]
pub fn is_complete(page: &str) -> bool {
    missing(page).is_empty() && !page.contains(INCOMPLETE) && !page.contains(QUICK)
}

/// The rows of the page that have a target, by name: those of the first table.
fn targets(page: &str) -> impl Iterator<Item = &str> {
    let table = page
        .lines()
        .skip_while(|line| *line != "## Targets")
        .skip(1);
    table
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .map(str::trim)
        .skip(1)
}

impl Page<'_> {
    /// The page.
    #[must_use]
    pub fn write(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        self.write_to(&mut page).ok();
        page
    }

    fn write_to(&self, page: &mut String) -> fmt::Result {
        let Setting {
            date,
            machine,
            versions,
        } = self.setting;
        writeln!(page, "# Results\n")?;
        let how = match self.quick {
            true => format!("{QUICK} measured"),
            false => "Measured".to_owned(),
        };
        writeln!(
            page,
            "{how} on {date}: {machine}. Written by `cargo run --release -p benchmarks --features peers --bin results`;"
        )?;
        writeln!(
            page,
            "[the README](README.md) says what each row is, and how to read a ratio. Ratios are medians of ratios within a run:"
        )?;
        writeln!(
            page,
            "they can be compared between machines, values cannot.\n"
        )?;
        writeln!(page, "![The main results, as bars](results.svg)\n")?;
        let versions: Vec<_> = versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        writeln!(page, "Versions: {}.\n", versions.join(", "))?;

        self.write_targets(page)?;
        writeln!(page, "## Misses\n")?;
        let (begin, end) = HAND;
        match self.misses {
            "" => writeln!(page, "{begin}\n{end}\n")?,
            misses => writeln!(page, "{begin}\n\n{misses}\n\n{end}\n")?,
        }
        for program in Program::ALL {
            self.write_part(page, program)?;
        }
        Ok(())
    }

    fn write_targets(&self, page: &mut String) -> fmt::Result {
        let rows = self.parts.iter().flat_map(|part| &part.rows);
        let rows: Vec<Row> = rows.filter(|row| row.met.is_some()).cloned().collect();
        let met = rows.iter().filter(|row| row.met == Some(true)).count();
        writeln!(page, "## Targets\n\n{met} of {} are met.\n", rows.len())?;
        writeln!(page, "{}", Table(&rows))
    }

    fn write_part(&self, page: &mut String, program: Program) -> fmt::Result {
        writeln!(page, "## {}\n\n`{}`\n", program.title(), program.command())?;
        let Some(part) = self.parts.iter().find(|part| part.program == program) else {
            return writeln!(page, "{INCOMPLETE} it has not run.\n");
        };
        if let Some(failure) = &part.failure {
            writeln!(page, "{INCOMPLETE} {failure}\n")?;
        }
        if !part.rows.is_empty() {
            writeln!(page, "{}", Table(&part.rows))?;
        }
        for what in &part.skipped {
            writeln!(page, "Not measured: {what}.\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;
    use crate::report::Target;
    use crate::results::chart::tests::row;

    fn page(misses: &str) -> String {
        let part = |program, rows| Part {
            program,
            rows,
            skipped: Vec::new(),
            failure: None,
        };
        let receive = row(
            "receive small events / raw + RawValue",
            3e6,
            4e6,
            "events/s",
        );
        let emit = row(
            "emit small events / raw tokio-tungstenite",
            2e6,
            4e6,
            "events/s",
        );
        let parts = [
            part(
                Program::Throughput,
                vec![
                    receive.wanted(Target::AtLeast(0.7)),
                    emit.wanted(Target::AtLeast(0.7)),
                ],
            ),
            Part {
                skipped: vec!["rust_socketio; it comes with --features peers".to_owned()],
                ..part(
                    Program::Latency,
                    vec![Row::new("connect", 3.0, "round trips")],
                )
            },
            Part {
                failure: Some("exit status: 1: error: no ports".to_owned()),
                ..part(Program::Idle, Vec::new())
            },
        ];
        let setting = Setting {
            date: "2020-02-20".to_owned(),
            machine: "a processor, 2 cores".to_owned(),
            versions: vec![("rustc".to_owned(), "1.95.0".to_owned())],
        };
        let page = Page {
            setting: &setting,
            quick: false,
            parts: &parts,
            misses,
        };
        page.write()
    }

    #[test]
    fn the_page_of_some_rows() {
        expect_file!["page.md"].assert_eq(&page("`emit`: the profile says so."));
    }

    #[test]
    fn what_is_written_by_hand_stays() {
        let empty = page("");
        assert_eq!((by_hand(&empty), by_hand("no page")), ("", ""));
        let words = "one\n\n| two |";
        let (begin, _) = HAND;
        let edited = empty.replacen(begin, &format!("{begin}\n{words}"), 1);
        assert_eq!(by_hand(&edited), words);
        assert_eq!(page(by_hand(&edited)), page(words));
    }

    #[test]
    fn what_is_not_told_is_missing() {
        let page = page("");
        let names: Vec<_> = targets(&page).collect();
        let expected = [
            "receive small events / raw + RawValue",
            "emit small events / raw tokio-tungstenite",
        ];
        assert_eq!(names, expected);
        assert_eq!(missing(&page).len(), WANTED.len() - 2);
    }

    #[test]
    fn a_complete_page_tells_of_each_target_at_full_length() {
        let row = |name| Row::new(format!("{name} …"), 1.0, "ns");
        let rows = WANTED.map(|name| row(name).wanted(Target::AtMost(1.0)));
        let mut parts = Program::ALL.map(|program| Part {
            program,
            rows: rows.to_vec(),
            skipped: Vec::new(),
            failure: None,
        });
        let setting = Setting {
            date: String::new(),
            machine: String::new(),
            versions: Vec::new(),
        };
        let complete = |parts: &[Part], quick| {
            let page = Page {
                setting: &setting,
                quick,
                parts,
                misses: "",
            };
            is_complete(&page.write())
        };
        assert!(complete(&parts, false) && !complete(&parts, true));
        assert!(!complete(&parts[1..], false));
        parts[0].failure = Some("x".to_owned());
        assert!(!complete(&parts, false));
    }
}
