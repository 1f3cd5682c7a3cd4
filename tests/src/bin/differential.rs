//! Compares our codecs with the reference parsers, case by case, and tells of the first difference that no rule explains.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use conformance::differential::{self, Failure};

/// Compares our codecs with the reference parsers (npm: socket.io-parser, engine.io-parser), as they are pinned in
/// tests/servers/js.
///
/// Each seed makes a case: messages to be read by both sides, valid, nearly valid, damaged or hostile; or a packet that
/// one side writes and the other reads. Whatever comes of it must be equal: what is accepted, what is refused and where,
/// and each value to the last bit. Differences on purpose have a rule with its reason (--rules); how often each was
/// needed is told in the end. At a difference without a rule the case is printed in full, with the command that repeats
/// it, and the exit status is 1.
///
/// Needs Node.js 18 or newer, with npm for the first time; without them the exit status is 2.
#[derive(Parser)]
#[command(version, about, long_about, verbatim_doc_comment)]
struct Cli {
    /// How many cases for each parser.
    #[arg(long, default_value_t = 100_000)]
    cases: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only this parser; can be given several times.
    #[arg(long, value_enum)]
    parser: Vec<differential::Parser>,
    /// Print the rules as a table, and compare nothing.
    #[arg(long)]
    rules: bool,
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.rules {
        print!("{}", differential::table());
        return ExitCode::SUCCESS;
    }
    let parsers = match cli.parser.as_slice() {
        [] => &differential::Parser::ALL,
        some => some,
    };
    for &parser in parsers {
        let start = Instant::now();
        let mut shown = 0;
        let compared = differential::run(parser, cli.seed, cli.cases, |done| {
            // On a terminal one line that changes, elsewhere ten that stay.
            let step = if stdout().is_terminal() { 100 } else { 10 };
            if done * step / cli.cases.max(1) > shown {
                shown = done * step / cli.cases.max(1);
                let line = format!("{}: {done} of {} cases", parser.name(), cli.cases);
                if stdout().is_terminal() {
                    print!("\r{line}");
                    // Progress that cannot be shown is not missed.
                    stdout().flush().ok();
                } else {
                    println!("{line}");
                }
            }
        });
        if stdout().is_terminal() {
            print!("\r\x1b[K");
        }
        match compared {
            Ok(summary) => {
                let seconds = start.elapsed().as_secs_f64();
                let speed = cli.cases as f64 / seconds;
                println!(
                    "{}: {} cases in {seconds:.1} s, {speed:.0} a second, no difference without a rule",
                    parser.name(),
                    cli.cases
                );
                print!("{summary}");
            }
            Err(Failure::Difference(difference)) => {
                println!("{difference}");
                return ExitCode::FAILURE;
            }
            Err(Failure::Unavailable(reason) | Failure::Broken(reason)) => {
                println!("{}: {reason}", parser.name());
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}
