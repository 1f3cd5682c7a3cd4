//! Plays the matrix of servers, routes and networks, and compares it with the committed table or writes that anew.

use std::process::ExitCode;

use clap::Parser;
use conformance::Route;
use conformance::matrix::{Behaviour, Cell, Network, Server, Table, play};
use futures_util::{StreamExt as _, stream};

/// Plays what the client does with each server, over each route, through each network, and compares the outcomes with
/// tests/MATRIX.md.
///
/// Without filters everything is played, which takes a minute or two. Each filter can be given several times. What has
/// failed, and what differs from the table, is told in full, and the exit status is then 1.
///
/// With --write the outcomes are written into the table; entries that the filters leave out stay as they are, and an
/// entry that fails is never written. What cannot work needs a rule with its reason, in tests/src/matrix/rules.rs.
///
/// The servers of socket.io need Node.js 18 or newer with npm.
#[derive(Parser)]
#[command(version, about, long_about, verbatim_doc_comment)]
struct Cli {
    /// Only this server.
    #[arg(long, value_enum)]
    server: Vec<Server>,
    /// Only over this route.
    #[arg(long, value_enum)]
    route: Vec<Route>,
    /// Only through this network.
    #[arg(long, value_enum)]
    network: Vec<Network>,
    /// Only this behaviour.
    #[arg(long, value_enum)]
    behaviour: Vec<Behaviour>,
    /// Write the outcomes into the table.
    #[arg(long)]
    write: bool,
    /// How many cells are played at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program for a terminal")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // What panics is an outcome, and is told below.
    std::panic::set_hook(Box::new(|_| {}));
    let behaviours = chosen(&cli.behaviour);
    let cells = Cell::all().filter(|cell| {
        chosen(&cli.server).contains(&cell.server)
            && chosen(&cli.route).contains(&cell.route)
            && chosen(&cli.network).contains(&cell.network)
    });
    let path = Table::path();
    let mut table = Table::read(&std::fs::read_to_string(&path).unwrap_or_default());

    let mut well = true;
    let mut playing = stream::iter(cells)
        .map(async |cell| (cell, play(cell, &behaviours).await))
        .buffer_unordered(cli.jobs.max(1));
    while let Some((cell, outcomes)) = playing.next().await {
        let Some(outcomes) = outcomes else {
            well = false;
            continue;
        };
        println!("{cell}");
        for (behaviour, outcome) in outcomes {
            if cli.write {
                table.note(cell, behaviour, &outcome);
            }
            if let Err(difference) = table.check(cell, behaviour, &outcome) {
                well = false;
                println!("\n{difference}");
            }
        }
    }
    drop(playing);
    if cli.write
        && let Err(error) = std::fs::write(&path, table.render())
    {
        println!("{}: {error}", path.display());
        well = false;
    }
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a filter lets through: without one, everything.
fn chosen<T: clap::ValueEnum>(filter: &[T]) -> Vec<T> {
    match filter {
        [] => T::value_variants().to_vec(),
        some => some.to_vec(),
    }
}
