//! `siocat`, a `wscat` for Socket.IO: lines of JSON in, lines of JSON out.
//!
//! ```sh
//! cargo run -p socketio --example siocat -- http://localhost:3000/chat
//! ```

#[path = "siocat/args.rs"]
mod args;
#[path = "siocat/ending.rs"]
mod ending;
#[path = "siocat/exit.rs"]
mod exit;
#[path = "siocat/input.rs"]
mod input;
#[path = "siocat/output.rs"]
mod output;
#[path = "siocat/replies.rs"]
mod replies;
#[path = "siocat/run.rs"]
mod run;
#[path = "siocat/sending.rs"]
mod sending;
#[path = "siocat/settings.rs"]
mod settings;
#[path = "siocat/value.rs"]
mod value;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::ending::Ending;
use crate::exit::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The order of what is sent depends on there being one thread.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Failure::internal(error).report(),
    };
    match runtime.block_on(execute(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn execute(cli: Cli) -> Result<(), Failure> {
    let mut ending = Ending::new(cli.timeout);
    let (builder, namespace) = settings::builder(&cli)?;
    let output = Output::new(namespace);
    let connected = tokio::select! {
        connected = builder.connect() => connected,
        ended = ending.wait() => return Err(ended.failure(0)),
    };
    match connected {
        Ok((socket, events)) => run::run(socket, events, output, cli.count, ending).await,
        Err(error) => {
            output.connect_error(&error)?;
            Err(error.into())
        }
    }
}
