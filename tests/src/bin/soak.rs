//! Soaks clients and watches in bad weather, and tells whether every promise was kept.

use std::alloc::System;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use conformance::heap::{self, Allocator};
use conformance::soak::{Length, Plan, run};

/// Tells the heap of the clients from that of the servers, which are in the same process.
#[global_allocator]
static ALLOCATOR: Allocator<System> = Allocator::system();

/// Runs busy Socket.IO clients and Microsoft Graph watches in bad weather, and accounts for every event by its number.
///
/// Three clients (WebSocket, polling with upgrade, polling) with three namespaces each exchange events, attachments and
/// acknowledgements with a server in this process, and two watches follow a stand-in for Microsoft Graph. Meanwhile the
/// server is killed and started again, sessions and namespaces are closed, subscriptions expire, connections are reset,
/// half open, stalled, slowed to single bytes, refused, ignored and spoilt, clients leave, reconnect and are dropped, and
/// users stop reading for a while.
///
/// In the end the weather turns fair, everything must come back, and all clients are dropped. The report says how many
/// events were lost inside a session, came twice or out of order, or vanished without a word, what gaps were not
/// reported, how the heap of the clients has grown, and what was left behind. The seed decides what goes wrong and what
/// is sent; when exactly it meets what is under way is up to the machine, so a seed is repeated in kind and not to the
/// byte.
///
/// Exit status: 0 every promise was kept; 1 one was broken, and the report says which and what happened before; 2 the
/// command line was wrong; 101 the machine did not give what a soak needs, such as a free port, or a client has panicked.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// How long the weather is bad.
    #[arg(long, default_value_t = 2.0, value_parser = time)]
    minutes: f64,
    /// What goes wrong [default: a random one, which is printed].
    #[arg(long)]
    seed: Option<u64>,
    /// The longest pause between two troubles of one source, in seconds.
    #[arg(long, default_value_t = 12.0, value_parser = time)]
    calm: f64,
    /// The steepest rise of the clients' heap that is no leak, in KiB a minute; judged where it was seen for five minutes
    /// or more.
    ///
    /// What the threads of the clients have allocated, and nobody has freed. Of every ten seconds the least counts, because
    /// some hundred KiB come and go with what is under way. A client that leaks two bytes with each event exceeds this. The
    /// servers, the relays and the accounts are in the same process, grow with each of their lives, and are told but not
    /// judged.
    #[arg(long, default_value_t = 64.0)]
    max_slope: f64,
    /// Ends with the report as one line of JSON.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=100_000.0).contains(&number) => Ok(number),
        _ => Err("not a number from 0 to 100000".to_owned()),
    }
}

fn main() -> ExitCode {
    heap::count();
    let cli = Cli::parse();
    let seed = cli.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let length = Length::Time(Duration::from_secs_f64(cli.minutes * 60.0));
    let mut plan = Plan::new(seed, length);
    plan.longest_calm = Duration::from_secs_f64(cli.calm);
    plan.max_slope = cli.max_slope;

    let mut out = std::io::stdout();
    let is_terminal = out.is_terminal();
    let mut minute = 0;
    writeln!(out, "seed {seed}").ok();
    let report = run(&plan, |status| {
        if is_terminal {
            write!(out, "\r\x1b[K{status}").ok();
            out.flush().ok();
        } else if status.elapsed().as_secs() / 60 > minute {
            minute = status.elapsed().as_secs() / 60;
            writeln!(out, "{status}").ok();
        }
        true
    });
    if is_terminal {
        write!(out, "\r\x1b[K").ok();
    }
    writeln!(out, "{report}").ok();
    if cli.json {
        writeln!(out, "{}", report.json()).ok();
    }
    if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
