//! What the libraries cost those who build them, beside a peer.

use std::io;
use std::process::ExitCode;

use benchmarks::compile::{Library, Package};
use benchmarks::measure::in_turn;
use benchmarks::options::Options;
use benchmarks::report::{Report, Row};
use clap::Parser;

/// Counts the crates that our libraries bring along, and takes the time of clean release builds, beside rust_socketio.
///
/// Each library is built as the only dependency of an empty package, in a temporary folder, on all cores. What has to be
/// downloaded is downloaded before. rust_socketio takes its TLS from the system's OpenSSL; ours compiles it. The peer is
/// there with the feature `peers` only.
///
/// With --quick, crates are counted, and nothing but the core is built.
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
    let result = run(options, &mut report);
    report.finish_with(result)
}

fn run(options: Options, report: &mut Report) -> io::Result<()> {
    report.progress("downloading what is not here yet");
    let core = Package::new(Library::Core)?;
    let client = Package::new(Library::Client)?;
    let graph = Package::new(Library::Graph)?;
    let peer = match cfg!(feature = "peers") {
        true => Some(Package::new(Library::RustSocketio)?),
        false => None,
    };
    if peer.is_none() {
        report.skipped("rust_socketio; it comes with --features peers");
    }

    report.progress("counting crates");
    let crates = client.crates()? as f64;
    match &peer {
        Some(peer) => {
            let (crates, theirs) = ([crates], [peer.crates()? as f64]);
            let name = "crates with socketio / rust_socketio";
            let (crates, theirs) = (crates.as_slice().into(), theirs.as_slice().into());
            report.add(Row::compared(name, &crates, &theirs, "crates"));
        }
        None => report.add(Row::new("crates with socketio", crates, "crates")),
    }
    for (name, package) in [
        ("crates with the core of socketio", &core),
        ("crates with graph-notifications", &graph),
    ] {
        report.add(Row::new(name, package.crates()? as f64, "crates"));
    }

    let mut builds = vec![core];
    if options.quick {
        report.skipped("builds of the clients, which take longer than --quick allows");
    } else {
        builds.push(client);
        builds.extend(peer);
    }
    let rounds = options.either(1, 2);
    let mut begun = 0;
    let samples = in_turn(rounds, &mut builds, |package| {
        begun += 1;
        report.progress(format_args!("building, time {begun}"));
        package.build()
    })?;
    if let Some(core) = samples.first() {
        report.add(Row::of("clean build of the core of socketio", core, "s"));
    }
    match (samples.get(1), samples.get(2)) {
        (Some(client), Some(peer)) => {
            let name = "clean build of socketio / rust_socketio";
            report.add(Row::compared(name, client, peer, "s"));
        }
        (Some(client), None) => report.add(Row::of("clean build of socketio", client, "s")),
        (None, _) => {}
    }
    Ok(())
}
