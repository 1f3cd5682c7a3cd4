//! What packets cost, and events a second: received, emitted, acknowledged.

use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use benchmarks::allocations;
use benchmarks::codec;
use benchmarks::options::Options;
use benchmarks::report::Report;
use benchmarks::server::Server;
use benchmarks::throughput;
use benchmarks::throughput::client::{Run, Subject, Threads};
use clap::{Parser, Subcommand, ValueEnum as _};

/// For the rows of the codec. In the clients, the floor and ours, each allocation costs a nanosecond more. That is 5 % of
/// what an event costs in the cheapest of them, raw and batched emit, and in the others less than can be seen.
#[global_allocator]
static COUNTING: allocations::Counting = allocations::COUNTING;

/// Measures what packets cost to read and to write, and how fast small events are received, emitted and acknowledged,
/// beside raw WebSocket and other clients.
///
/// A minimal server runs in this process, on the loopback interface, and each client in a process of its own, one after
/// the other, in several rounds. Compared are the medians of ratios within a round. Clients run on tokio's
/// current-thread runtime unless a row says otherwise. Other clients (rust_socketio; the JavaScript client where Node.js
/// and npm are; python-socketio where Python 3 is) need a build with `--features peers`, and the network once, to be
/// installed below the target directory.
///
/// Exit status: 0 all targets met; 1 something could not be measured; 2 the command line; 3 a target was missed.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one client. The program calls itself with it.
    #[command(hide = true)]
    Client(Run),
    /// Runs the server alone, and tells how each client is run against it: under a profiler, for example.
    Serve {
        /// How many events are the warm-up. Ten times as many are measured then.
        #[arg(long, default_value_t = 100_000)]
        part: u64,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Client(run)) => client(run),
        Some(Command::Serve { part }) => serve(part),
        None => measure(cli.options),
    };
    result.unwrap_or_else(|error| {
        writeln!(stderr(), "throughput: {error}").ok();
        ExitCode::FAILURE
    })
}

fn measure(options: Options) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let mut report = Report::new(options);
    codec::rows(&mut report, &options)?;
    throughput::rows(&mut report, options)?;
    Ok(report.finish())
}

fn client(run: Run) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let outcome = serde_json::to_string(&run.here()?)?;
    writeln!(stdout(), "{outcome}")?;
    Ok(ExitCode::SUCCESS)
}

fn serve(part: u64) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let server = Server::start()?;
    for subject in Subject::value_variants() {
        let args = Run::new(*subject, Threads::One, &server, part).args();
        writeln!(stdout(), "throughput {}", args.join(" "))?;
    }
    loop {
        std::thread::park();
    }
}
