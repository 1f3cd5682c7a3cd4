//! How long an event takes to the user, and a connection until it stands.

use std::process::ExitCode;

use benchmarks::latency;
use benchmarks::options::Options;
use benchmarks::report::Report;
use clap::Parser;

/// Measures how long an event takes from the server's write to the user's task, at 1,000 events a second, and how many
/// round trips it takes to connect.
///
/// Servers run in threads of this process, on the loopback interface; to connect, clients go through a relay that holds
/// back each direction for 25 ms. Clients run on tokio's current-thread runtime, one after the other, in several rounds;
/// the numbers are medians of the rounds. rust_socketio needs a build with `--features peers`.
///
/// Exit status: 0 measured; 1 could not measure; 2 a mistake in the command line.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let options = Cli::parse().options;
    let mut report = Report::new(options);
    let result = latency::rows(&mut report, options);
    report.finish_with(result)
}
