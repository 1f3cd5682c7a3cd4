//! One client, in a process of its own: what it does, and what it finds.

mod ours;
mod raw;
#[cfg(feature = "peers")]
mod rust_socketio;

use std::error::Error;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::clock::Stopwatch;
use crate::server::{Job, Server, Wire};

/// What is wrong: for people.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What is measured is so many times what warms up.
pub const PARTS: u64 = 10;

/// How many round trips are under way at once, where many are.
const IN_FLIGHT: usize = 1000;

/// No run takes so long; one that does has stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Subject {
    /// tokio-tungstenite, which reads text messages. Nobody looks into them.
    RawReceive,
    /// The same, and `serde_json` splits each into its name and the text of its argument, without a copy.
    RawReceiveJson,
    /// tokio-tungstenite sends what `serde_json` makes of a tuple, with a flush (and a system call) for each event.
    RawEmit,
    /// The same, but fed, with one flush at the end: it writes when it has 128 KiB.
    RawEmitBatched,
    /// tokio-tungstenite sends a text and reads it back, one at a time.
    RawEcho,
    /// The same, with a thousand on their way.
    RawEchoes,
    /// This project's client, name and texts of the arguments of each event.
    Receive,
    /// This project's client, from one task, waiting for each event to be taken.
    Emit,
    /// This project's client, waiting for each acknowledgement.
    Ack,
    /// This project's client, waiting for a thousand acknowledgements at a time.
    Acks,
    /// `rust_socketio`, whose callback gets a `serde_json::Value`: there is no other way.
    #[cfg(feature = "peers")]
    RustSocketioReceive,
    /// `rust_socketio`, from one task.
    #[cfg(feature = "peers")]
    RustSocketioEmit,
}

/// What runs the client's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Threads {
    /// tokio's current-thread runtime.
    One,
    /// tokio's multi-thread runtime with two workers.
    Two,
}

/// One run.
#[derive(Debug, Clone, Args)]
#[non_exhaustive]
pub struct Run {
    /// Who does what.
    pub subject: Subject,
    /// On which runtime.
    pub threads: Threads,
    /// Where the server is, and what it does.
    pub url: String,
    /// How many events, or round trips, are the warm-up. Ten times as many are measured then.
    pub part: u64,
}

/// What a run has found; written as JSON by whatever ran it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How many events, or round trips.
    pub events: u64,
    /// Of the wall's clock.
    pub seconds: f64,
    /// Of processor time, of the whole process.
    pub cpu_seconds: f64,
}

impl Subject {
    /// How it connects to the server.
    fn url(self, server: &Server, part: u64) -> String {
        let (wire, job) = match self {
            Self::RawReceive | Self::RawReceiveJson => (Wire::Raw, flood(part)),
            Self::RawEmit | Self::RawEmitBatched => (Wire::Raw, Job::Swallow(part)),
            Self::RawEcho | Self::RawEchoes => (Wire::Raw, Job::Echo),
            Self::Receive => (Wire::SocketIo, flood(part)),
            Self::Emit => (Wire::SocketIo, Job::Swallow(part)),
            Self::Ack | Self::Acks => (Wire::SocketIo, Job::Echo),
            #[cfg(feature = "peers")]
            Self::RustSocketioReceive => (Wire::SocketIo, flood(part)),
            #[cfg(feature = "peers")]
            Self::RustSocketioEmit => (Wire::SocketIo, Job::Swallow(part)),
        };
        server.url(wire, job)
    }

    async fn work(self, url: &str, part: u64) -> Result<Outcome, Failure> {
        match self {
            Self::RawReceive => raw::receive(url, part).await,
            Self::RawReceiveJson => raw::receive_json(url, part).await,
            Self::RawEmit => raw::emit(url, part).await,
            Self::RawEmitBatched => raw::emit_batched(url, part).await,
            Self::RawEcho => raw::echo(url, part).await,
            Self::RawEchoes => raw::echoes(url, part).await,
            Self::Receive => ours::receive(url, part).await,
            Self::Emit => ours::emit(url, part).await,
            Self::Ack => ours::ack(url, part).await,
            Self::Acks => ours::acks(url, part).await,
            #[cfg(feature = "peers")]
            Self::RustSocketioReceive => rust_socketio::receive(url, part).await,
            #[cfg(feature = "peers")]
            Self::RustSocketioEmit => rust_socketio::emit(url, part).await,
        }
    }
}

/// The flood for the warm-up and what is measured.
pub(super) fn flood(part: u64) -> Job {
    Job::Flood(part * (PARTS + 1))
}

impl Threads {
    fn runtime(self) -> Result<Runtime, Failure> {
        let mut builder = match self {
            Self::One => Builder::new_current_thread(),
            Self::Two => Builder::new_multi_thread(),
        };
        Ok(builder.worker_threads(2).enable_all().build()?)
    }
}

impl Run {
    /// Of a client that finds its server there.
    #[must_use]
    pub fn new(subject: Subject, threads: Threads, server: &Server, part: u64) -> Self {
        Self {
            subject,
            threads,
            url: subject.url(server, part),
            part,
        }
    }

    /// The command line to run it with, in a process of its own.
    #[must_use]
    pub fn args(&self) -> [String; 5] {
        [
            "client".to_owned(),
            name(&self.subject),
            name(&self.threads),
            self.url.clone(),
            self.part.to_string(),
        ]
    }

    /// Runs the client in this process.
    ///
    /// # Errors
    ///
    /// Whatever the client finds, and that it has stopped.
    pub fn here(self) -> Result<Outcome, Failure> {
        let runtime = self.threads.runtime()?;
        // As a task, so that it runs on one of the workers, where there are any.
        let work = runtime.spawn(async move {
            let work = self.subject.work(&self.url, self.part);
            timeout(PATIENCE, work).await
        });
        runtime.block_on(work)??
    }
}

/// On the command line.
fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Outcome {
    fn new(events: u64, watch: &Stopwatch) -> Self {
        let seconds = watch.seconds();
        Self {
            events,
            seconds,
            cpu_seconds: watch.cpu_seconds(),
        }
    }

    /// How many a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    /// Microseconds for each, of the wall's clock.
    #[must_use]
    pub fn micros(&self) -> f64 {
        self.seconds * 1e6 / self.events as f64
    }

    /// Microseconds for each, of processor time.
    #[must_use]
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.events as f64
    }
}

/// The argument of all events that are sent: small, and of a type that serde has to look into each time.
#[derive(Debug, Clone, Copy, Serialize)]
struct Argument {
    id: u64,
    name: &'static str,
}

impl Argument {
    /// Five digits, all the time.
    fn new(number: u64) -> Self {
        Self {
            id: 10_000 + number % 90_000,
            name: "x",
        }
    }
}

/// A stream ended that must not.
fn ended() -> Failure {
    "the connection has ended".into()
}

#[cfg(test)]
mod tests;
