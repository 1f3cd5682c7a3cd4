//! Runs all benchmarks and writes `benches/RESULTS.md`.

use benchmarks::options::Options;
use benchmarks::report::Report;
use clap::Parser;
use std::process::ExitCode;

/// Runs all benchmarks, and writes what they find to `benches/RESULTS.md`.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    Report::new(cli.options).finish()
}
