//! `graph-watch` prints changes in OneDrive and SharePoint drives and lists as they happen.

mod args;
mod changes;
mod demo;
mod exit;
mod login;
mod output;
mod run;
mod source;
mod token;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Cli, Command, RunArgs, Watched},
    changes::Changes,
    exit::Failure,
    output::Output,
    run::Ending,
};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Failure::internal(error).report(),
    };
    let outcome = runtime.block_on(execute(command));
    // Standard input may still be waited for on a thread of its own; nobody needs it any more.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn execute(command: Command) -> Result<(), Failure> {
    match Watched::from(command) {
        Watched::Demo(args) => {
            let mut output = Output::new(&args);
            demo::run(args, &mut output, Ending::new(args.timeout())).await
        }
        Watched::Url(args) => {
            let run = args.run;
            let mut ending = Ending::new(run.timeout());
            let watch = tokio::select! {
                watch = source::watch_url(args) => watch?,
                ended = ending.wait() => return Err(ended.failure(0, None)),
            };
            print(watch, None, run, ending).await
        }
        Watched::Resource(resource, args) => {
            let run = args.run;
            let mut ending = Ending::new(run.timeout());
            let (watch, delta) = tokio::select! {
                watched = source::watch_resource(resource, *args) => watched?,
                ended = ending.wait() => return Err(ended.failure(0, None)),
            };
            print(watch, delta.map(Changes::start), run, ending).await
        }
    }
}

async fn print(
    watch: graph_notifications::Watch,
    changes: Option<Changes>,
    args: RunArgs,
    ending: Ending,
) -> Result<(), Failure> {
    let mut output = Output::new(&args);
    run::run(watch, changes, &mut output, args.count, ending).await
}
