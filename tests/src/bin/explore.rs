//! Lives many random lives of a client under simulated time, and tells of the first in which a promise is broken.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use conformance::sim::explore::{Summary, explore};

/// Explores simulated networks: each seed makes a client, a server, a network with its faults, and what their users do.
///
/// Prints how many seeds a second it gets through. When a promise is broken it prints the seed and what happened, and
/// exits with status 1; `--from SEED --seeds 1` then repeats that life.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many threads.
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program for a terminal"
)]
fn main() -> ExitCode {
    let cli = Cli::parse();
    // What panics is a broken promise, and is told below.
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let threads = cli.threads.max(1);
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let end = cli.from.saturating_add(cli.seeds);
            let seeds = (cli.from.saturating_add(worker)..end)
                .step_by(usize::try_from(threads).unwrap_or(1));
            std::thread::spawn(move || {
                let mut sum = Summary::default();
                for seed in seeds {
                    sum += explore(seed)?;
                }
                Ok::<_, String>(sum)
            })
        })
        .collect();
    let mut sum = Summary::default();
    for worker in workers {
        match worker.join() {
            Ok(Ok(lived)) => sum += lived,
            Ok(Err(broken)) => {
                println!("{broken}");
                return ExitCode::FAILURE;
            }
            Err(_) => {
                println!("a life could not begin");
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} seeds in {seconds:.1} s, {:.0} a second: {sum:?}",
        cli.seeds,
        cli.seeds as f64 / seconds
    );
    ExitCode::SUCCESS
}
