//! The server goes, comes back on the same port, and all return to it.
#![expect(
    clippy::disallowed_methods,
    reason = "how long the server is away is what the test is about"
)]

use std::io;
use std::thread::sleep;
use std::time::Duration;

use super::servant::{HolderProcess, ServerProcess};
use super::server::Settings;
use crate::clock::Stopwatch;

/// How often is looked whether all have returned.
const GLANCE: Duration = Duration::from_millis(20);
/// How long they may take.
const PATIENCE: f64 = 300.0;

/// What a storm was like.
#[derive(Debug)]
pub(super) struct Found {
    /// From the moment that the server listens again until all are connected.
    pub(super) seconds: f64,
    /// The most connections that the new server was asked for in one second.
    pub(super) peak_accepted: u64,
    /// Attempts of all clients, those that found no server included.
    pub(super) attempts: u64,
    /// Bytes that were resident before.
    pub(super) before: u64,
    /// The most that were, meanwhile.
    pub(super) peak: Option<u64>,
}

/// Kills the server, which is then away for a while.
pub(super) fn storm(
    server: ServerProcess,
    mut holder: HolderProcess,
    settings: &Settings,
    connections: u64,
    away: Duration,
) -> io::Result<Found> {
    let memory = holder.memory();
    let before = memory.resident();
    let told = holder.told()?;
    let forgets = memory.forget_peak();
    drop(server);
    sleep(away);
    let mut server = ServerProcess::start(settings)?;
    let watch = Stopwatch::start();
    let mut sampled = before;
    let seconds = loop {
        if server.seen()?.joined >= connections {
            break watch.seconds();
        }
        if watch.seconds() > PATIENCE {
            return Err(io::Error::other(
                "some connections have not returned to the server",
            ));
        }
        sampled = sampled.max(memory.resident());
        sleep(GLANCE);
    };
    let peak = match forgets {
        true => memory.peak(),
        // The peak since the start may be an older one.
        false => sampled,
    };
    let now = holder.told()?;
    let attempts = (now.connected + now.failed) - (told.connected + told.failed);
    Ok(Found {
        seconds,
        peak_accepted: server.seen()?.peak_accepted,
        attempts,
        before: before.unwrap_or_default(),
        peak,
    })
}
