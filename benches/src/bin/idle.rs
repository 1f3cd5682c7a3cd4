//! Very many idle connections in one process.

use std::io::{Write as _, stderr};
use std::process::ExitCode;
use std::time::Duration;

use benchmarks::idle::{Plan, servant};
use benchmarks::options::Options;
use benchmarks::report::Report;
use clap::{Parser, Subcommand};

/// Holds 10,000 idle connections in one process, and tells what they cost.
///
/// The server runs in a process of its own, and so does each client: ours and raw tokio-tungstenite, plain and with TLS.
/// Measured are
///
/// * what a connection adds to the resident memory of its process (Rss of /proc/PID/smaps_rollup, Linux only): what is
///   there when it does not change any more behind the heartbeats, less what was there behind the first 64
///   connections, which stay open and are not counted. The allocator is the system's and is never told to trim: what it
///   keeps of memory that was freed counts. What the kernel keeps for a socket does not;
/// * the processor time of the client while the server pings each connection once in 25 s;
/// * connections opened a second, 64 at a time;
/// * how ours return when the server is killed and started again on the same port a second later, with the delays that
///   are the default (0.5 s to 1 s before the first attempt, doubled up to 2.5 s to 5 s).
///
/// Each process needs a file descriptor for each connection. The soft limit is raised as far as that; where the hard one
/// is too low, the program says so.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, verbatim_doc_comment)]
#[command(
    after_help = "Exit status: 0 all targets were met; 1 it could not be measured; \
    2 the command line is wrong; 3 a target was missed."
)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// How many connections each client holds [default: 10000; with --quick 2000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    connections: Option<u32>,
    /// Seconds from heartbeat to heartbeat [default: 25; with --quick 5]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    heartbeat: Option<u32>,
    /// Milliseconds that the server is away when it is restarted
    #[arg(long, default_value_t = 1000)]
    away: u32,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// What this program starts beside itself.
    #[command(name = servant::ARGUMENT, hide = true)]
    Servant,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Role::Servant) = cli.role {
        return match servant::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        };
    }
    let mut plan = Plan::new(cli.options);
    if let Some(connections) = cli.connections {
        plan.connections = connections as usize;
    }
    if let Some(seconds) = cli.heartbeat {
        plan = plan.with_heartbeat(Duration::from_secs(seconds.into()));
    }
    plan.away = Duration::from_millis(cli.away.into());
    let mut report = Report::new(cli.options);
    let result = plan.run(&mut report);
    report.finish_with(result)
}

fn fail(error: &std::io::Error) -> ExitCode {
    writeln!(stderr(), "idle: {error}").ok();
    ExitCode::FAILURE
}
