//! Floods the client, and tells whether its memory stays within the documented bound.

use std::alloc::System;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser;
use conformance::flood::{LANES, Lane, Settings};
use conformance::heap::{self, Allocator};
use conformance::http;

/// Tells the heap of each client from everything else.
#[global_allocator]
static ALLOCATOR: Allocator<System> = Allocator::system();

/// Lets a hostile server send to the Socket.IO client as fast as it can, in each of some thirty ways (lanes): events that
/// nobody reads, messages, bodies and heads that never end, floods of pings, attachments, refusals, reconnections.
///
/// The heap of each client is counted apart from that of its server, and its peak must stay below the bound that the
/// documentation of `socketio::Limits` gives for the limits in force: by default such low ones that a few MiB too many
/// are seen.
///
/// Exit status: 0 all within the bound; 1 one was not; 2 the command line was wrong; 101 the machine did not give what
/// this needs, such as a free port.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// How long each lane takes, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only lanes whose names contain this.
    #[arg(long, default_value = "")]
    lane: String,
    /// How many lanes are played at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// With the default limits of the libraries.
    #[arg(long)]
    defaults: bool,
    /// Only lists the lanes.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    heap::count();
    let cli = Cli::parse();
    let lanes: Vec<&Lane> = LANES
        .iter()
        .filter(|lane| lane.name.contains(&cli.lane))
        .collect();
    let mut out = std::io::stdout();
    if cli.list {
        for lane in lanes {
            writeln!(out, "{:20} {}", lane.name, lane.about).ok();
        }
        return ExitCode::SUCCESS;
    }
    let settings = match cli.defaults {
        true => Settings::defaults(),
        false => Settings::tight(),
    };
    let time = Some(Duration::from_secs(cli.seconds));
    let http = http();
    let (count, left, beyond) = (lanes.len(), Mutex::new(lanes.into_iter()), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..cli.jobs.max(1) {
            scope.spawn(|| {
                let next = || left.lock().ok()?.next();
                while let Some(lane) = next() {
                    let outcome = lane.play(&settings, time, &http);
                    let verdict = if outcome.is_within() { "" } else { "BEYOND: " };
                    if let Ok(mut beyond) = beyond.lock() {
                        *beyond += usize::from(!outcome.is_within());
                    }
                    writeln!(std::io::stdout(), "{:20} {verdict}{outcome}", lane.name).ok();
                }
            });
        }
    });
    let beyond = beyond.into_inner().unwrap_or(count);
    writeln!(out, "{count} lanes, {beyond} beyond the bound").ok();
    match beyond {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
