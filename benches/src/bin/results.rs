//! Runs all programs that measure, and writes the page and the picture of what they find.

use std::fs;
use std::io::{self, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use benchmarks::cargo;
use benchmarks::options::Options;
use benchmarks::report::Report;
use benchmarks::results::chart::charts;
use benchmarks::results::page::{Page, by_hand, missing};
use benchmarks::results::{Part, Program, Setting, picture};
use clap::Parser;

const PAGE: &str = "RESULTS.md";
const PICTURE: &str = "results.svg";

/// Builds and runs all other benchmarks, one after the other, and writes what they find to `RESULTS.md`, with a picture,
/// `results.svg`.
///
/// Both are written anew after each program, so that an interruption costs what was being measured and no more. What a
/// person has written below "Misses" in the page of the repository is kept. A program that fails is named on the page,
/// with what it had measured; the others run nevertheless.
///
/// Leave the machine alone while it runs: about half an hour, and some minutes with --quick.
///
/// Exit status: 0 all targets are met; 1 not all could be measured; 2 a mistake in the command line; 3 a target was
/// missed.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// Where to write to. Without it, to `benches/` of the workspace; with --quick, to `benchmarks/` in the target
    /// folder, so that a first look never replaces the results of the repository.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut report = Report::new(cli.options);
    match run(&cli, &mut report) {
        Ok(true) => report.finish(),
        Ok(false) => {
            // The verdict on the others is on the page.
            let _ = report.finish();
            ExitCode::FAILURE
        }
        Err(error) => {
            writeln!(stderr(), "error: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Whether all could be measured.
fn run(cli: &Cli, report: &mut Report) -> io::Result<bool> {
    let options = cli.options;
    if cfg!(not(feature = "peers")) {
        report.skipped("the peers; they come with --features peers");
    }
    let target = target()?;
    let benches = cargo::workspace().join("benches");
    let output = match &cli.output {
        Some(folder) => folder.clone(),
        None => options.either(target.join("benchmarks"), benches.clone()),
    };
    fs::create_dir_all(&output)?;
    let committed = fs::read_to_string(benches.join(PAGE)).unwrap_or_default();
    let setting = Setting::find();

    report.progress("building");
    Program::build_all()?;
    let mut parts = Vec::new();
    for program in Program::ALL {
        let name = program.name();
        report.progress(name);
        let part = program.run(options, &target, |row| {
            report.progress(format_args!("{name}: {}", row.name));
            report.add(row.clone());
        });
        if let Some(failure) = &part.failure {
            report.skipped(format_args!("the rest of {name}: {failure}"));
        }
        parts.push(part);
        let page = Page {
            setting: &setting,
            quick: options.quick,
            parts: &parts,
            misses: by_hand(&committed),
        };
        write(&output, &page)?;
    }
    let page = fs::read_to_string(output.join(PAGE))?;
    for wanted in missing(&page) {
        report.skipped(format_args!("a target, that of `{wanted}`"));
    }
    writeln!(stderr(), "written: {}", output.join(PAGE).display())?;
    Ok(parts.iter().all(|part| part.failure.is_none()))
}

fn write(output: &Path, page: &Page<'_>) -> io::Result<()> {
    let parts: &[Part] = page.parts;
    let rows: Vec<_> = parts.iter().flat_map(|part| part.rows.clone()).collect();
    let Setting { date, machine, .. } = page.setting;
    let picture = picture::svg(&charts(&rows), &format!("{machine}; {date}"));
    fs::write(output.join(PICTURE), picture)?;
    fs::write(output.join(PAGE), page.write())
}

/// Where Cargo puts what it builds, and we what is not for the repository.
fn target() -> io::Result<PathBuf> {
    let mut metadata = Command::new(cargo::program());
    metadata.current_dir(cargo::workspace());
    metadata.args(["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: serde_json::Value = serde_json::from_str(&cargo::text(&mut metadata)?)?;
    let folder = metadata.get("target_directory").and_then(|it| it.as_str());
    folder
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other("cargo metadata names no target directory"))
}
