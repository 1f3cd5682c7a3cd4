//! Runs an emulator until it is interrupted; the first line on standard output says where it is, as JSON.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use graph_emulator::{AnswerShape, Emulator, EmulatorConfig, UrlForm};

/// A local stand-in for the Microsoft Graph socketIo endpoints and their push relay, on 127.0.0.1.
///
/// Prints one line of JSON with graph_url, control_url and token, then runs until it is interrupted.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Port of the Graph endpoints and the relay; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the HTTP control API; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// The bearer token that requests must carry (made up for this run by default; not a place for a real one).
    #[arg(long)]
    token: Option<String>,
    /// Form of the notificationUrl.
    #[arg(long, value_enum, default_value_t = Form::Split)]
    url_form: Form,
    /// Fields of the answer.
    #[arg(long, value_enum, default_value_t = Answer::Field)]
    answer: Answer,
    /// How many seconds a notificationUrl works.
    #[arg(long, value_name = "SECS", default_value_t = 3600)]
    lifetime: u64,
    /// Leave expirationDateTime out of the answer.
    #[arg(long)]
    no_expiration: bool,
    /// Refuse the polling transport, as the real relay does.
    #[arg(long)]
    no_polling: bool,
    /// Engine.IO ping interval.
    #[arg(long, value_name = "MS", default_value_t = 25_000)]
    ping_interval: u64,
    /// Engine.IO ping timeout.
    #[arg(long, value_name = "MS", default_value_t = 20_000)]
    ping_timeout: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Split,
    Direct,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Answer {
    Documented,
    Field,
}

impl Args {
    fn config(self) -> EmulatorConfig {
        let mut config = EmulatorConfig::default();
        config.port = self.port;
        config.control_port = Some(self.control_port);
        config.ping_interval = Duration::from_millis(self.ping_interval);
        config.ping_timeout = Duration::from_millis(self.ping_timeout);
        let settings = &mut config.settings;
        if let Some(token) = self.token {
            settings.token = token;
        }
        settings.url_form = match self.url_form {
            Form::Split => UrlForm::Split,
            Form::Direct => UrlForm::Direct,
        };
        settings.answer = match self.answer {
            Answer::Documented => AnswerShape::Documented,
            Answer::Field => AnswerShape::Field,
        };
        settings.lifetime_ms = Some(self.lifetime.saturating_mul(1000));
        settings.announce_expiration = !self.no_expiration;
        settings.polling = !self.no_polling;
        config
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr().lock(), "graph-emulator: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let emulator = Emulator::start(args.config()).await?;
    let place = serde_json::json!({
        "graph_url": emulator.graph_url(),
        "control_url": emulator.control_url(),
        "token": emulator.token(),
    });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{place}")?;
    stdout.flush()?;
    drop(stdout);
    tokio::signal::ctrl_c().await?;
    Ok(())
}
