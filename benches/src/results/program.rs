//! The programs that measure: what each is for, how it is run, and what it says.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _, stderr};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::cargo;
use crate::options::Options;
use crate::report::{MISSED, Row};

use super::criterion;

/// A program of this package that measures something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Program {
    /// Events end to end, both directions, and acknowledgements; and the targets of the codecs.
    Throughput,
    /// From the server's write to the user's task, and until a connection stands.
    Latency,
    /// Connections on which nothing happens.
    Idle,
    /// The benchmarks of the codecs, by criterion.
    Codec,
    /// Crates and builds.
    Compile,
}

/// What one program has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Which one.
    pub program: Program,
    /// What it has measured, before it ended or failed.
    pub rows: Vec<Row>,
    /// What it could not measure on this machine, in its own words.
    pub skipped: Vec<String>,
    /// Why there may be more to measure.
    pub failure: Option<String>,
}

impl Program {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 5] = [
        Self::Throughput,
        Self::Latency,
        Self::Idle,
        Self::Codec,
        Self::Compile,
    ];

    /// The name of the target: of a bench for the codecs, and of a binary otherwise.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Idle => "idle",
            Self::Codec => "codec",
            Self::Compile => "compile",
        }
    }

    /// What it is about, as a heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Throughput => "Throughput",
            Self::Latency => "Latency and connecting",
            Self::Idle => "Idle connections",
            Self::Codec => "Codecs",
            Self::Compile => "Compiling",
        }
    }

    /// How it is run by hand, with the peers.
    #[must_use]
    pub fn command(self) -> String {
        let (verb, kind) = match self {
            Self::Codec => ("bench", "bench"),
            _ => ("run --release", "bin"),
        };
        let name = self.name();
        format!("cargo {verb} -p benchmarks --features peers --{kind} {name}")
    }

    /// Compiles all of them, so that nothing is compiled while something is measured.
    ///
    /// # Errors
    ///
    /// Cargo fails.
    pub fn build_all() -> io::Result<()> {
        for what in [
            &["build", "--release", "--bins"][..],
            &["bench", "--no-run", "--bench", "codec"],
        ] {
            let (verb, rest) = what.split_at(1);
            cargo::text(cargo_for(verb).args(rest))?;
        }
        Ok(())
    }

    /// Runs it, and tells of each row as it comes.
    #[must_use]
    pub fn run(self, options: Options, target: &Path, row: impl FnMut(&Row)) -> Part {
        let mut part = Part {
            program: self,
            rows: Vec::new(),
            skipped: Vec::new(),
            failure: None,
        };
        let outcome = match self {
            Self::Codec => part.run_criterion(options, target, row),
            _ => part.run_binary(options, row),
        };
        part.failure = outcome.err().map(|error| error.to_string());
        part
    }
}

impl Part {
    fn run_binary(&mut self, options: Options, mut row: impl FnMut(&Row)) -> io::Result<()> {
        let mut command = cargo_for(&["run", "--release", "--quiet"]);
        command.args(["--bin", self.program.name(), "--", "--json"]);
        if options.quick {
            command.arg("--quick");
        }
        let mut rows = Vec::new();
        let ended = listen(&mut command, |line| {
            let measured = serde_json::from_str(line)
                .map_err(|error| io::Error::other(format!("not a row: {line}: {error}")))?;
            row(&measured);
            rows.push(measured);
            Ok(())
        });
        self.rows = rows;
        let (status, said) = ended?;
        self.end(status, &said)
    }

    /// Criterion writes what it finds to files. They go to a folder that has nothing of earlier runs.
    fn run_criterion(
        &mut self,
        options: Options,
        target: &Path,
        row: impl FnMut(&Row),
    ) -> io::Result<()> {
        let folder = target.join("benchmarks").join("criterion");
        fs::remove_dir_all(&folder).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let mut command = cargo_for(&["bench", "--quiet"]);
        command.args(["--bench", self.program.name(), "--", "--noplot"]);
        if options.quick {
            command.arg("--quick");
        }
        command.env("CRITERION_HOME", &folder);
        let ended = listen(&mut command, |_| Ok(()));
        self.rows = criterion::rows(&folder)?;
        self.rows.iter().for_each(row);
        let (status, said) = ended?;
        self.end(status, &said)
    }

    fn end(&mut self, status: ExitStatus, said: &str) -> io::Result<()> {
        let mut last = "";
        for line in said.lines().filter(|line| !line.trim().is_empty()) {
            match line.strip_prefix("SKIPPED: ") {
                Some(what) => self.skipped.push(what.to_owned()),
                None => last = line,
            }
        }
        match status.code() {
            Some(0) => Ok(()),
            Some(code) if code == i32::from(MISSED) => Ok(()),
            _ => Err(io::Error::other(format!("{status}: {last}"))),
        }
    }
}

/// Cargo for this package, with the features that this program has been built with.
fn cargo_for(verb: &[&str]) -> Command {
    let mut command = Command::new(cargo::program());
    command.current_dir(cargo::workspace());
    command.args(verb).args(["--package", "benchmarks"]);
    if cfg!(feature = "peers") {
        command.args(["--features", "peers"]);
    }
    command
}

/// Runs a command and hears its lines as it writes them. What it says about errors is passed on, and returned.
fn listen(
    command: &mut Command,
    mut line: impl FnMut(&str) -> io::Result<()>,
) -> io::Result<(ExitStatus, String)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || {
        let mut said = String::new();
        for line in err.into_iter().flat_map(|err| BufReader::new(err).lines()) {
            let Ok(line) = line else { break };
            // Criterion's progress, at great length.
            if !line.starts_with("Benchmarking ") {
                writeln!(stderr(), "{line}").ok();
            }
            said.push_str(&line);
            said.push('\n');
        }
        said
    });
    // To its end in any case: nobody can write to a pipe that is full.
    let mut heard = Ok(());
    for text in out.into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let outcome = text.and_then(|text| line(&text));
        heard = heard.and(outcome);
    }
    let status = child.wait()?;
    let said = errors.join().unwrap_or_default();
    heard.map(|()| (status, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(script: &str) -> (io::Result<()>, Part) {
        let mut part = Part {
            program: Program::Idle,
            rows: Vec::new(),
            skipped: Vec::new(),
            failure: None,
        };
        let mut shell = Command::new("sh");
        let (status, said) = listen(shell.args(["-c", script]), |_| Ok(())).unwrap();
        (part.end(status, &said), part)
    }

    #[test]
    fn a_missed_target_is_no_failure_and_what_was_skipped_is_kept() {
        let (outcome, part) = ended("echo noise >&2; echo 'SKIPPED: x' >&2; exit 3");
        assert!(outcome.is_ok());
        assert_eq!(part.skipped, ["x"]);
    }

    #[test]
    fn a_failure_is_told_in_the_last_words() {
        let (outcome, _) = ended("echo before >&2; echo 'error: no' >&2; echo >&2; exit 1");
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("1: error: no"), "{error}");
        let (outcome, _) = ended("kill -9 $$");
        assert!(outcome.unwrap_err().to_string().contains("signal"));
    }

    #[test]
    fn a_line_that_is_none_is_told_and_the_others_are_heard() {
        let mut heard = Vec::new();
        let mut shell = Command::new("sh");
        let outcome = listen(shell.args(["-c", "echo a; echo b; echo c"]), |line| {
            heard.push(line.to_owned());
            match line {
                "b" => Err(io::Error::other("not that")),
                _ => Ok(()),
            }
        });
        assert_eq!(heard, ["a", "b", "c"]);
        assert_eq!(outcome.unwrap_err().to_string(), "not that");
    }
}
