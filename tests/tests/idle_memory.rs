//! What an idle connection costs: a process of its own, because memory is counted by the process.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use std::io::Write as _;

use conformance::{JsServer, http, next, within};
use serde_json::json;
use socketio::{Builder, Event, Transport};

/// Connections that are there before it is counted: what the first ones bring with them is not a connection's.
const BEFORE: usize = 200;
const COUNTED: usize = 1_000;
/// What each may cost, in bytes: a little more than it does, with and without optimization.
const LIMIT: usize = 8 << 10;

/// The memory of this process that is there, in bytes, if this system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Idle, joined, over WebSocket, to a server in a process of its own; all share one HTTP stack.
#[tokio::test]
async fn idle_connection_within_8_kib() {
    if resident().is_none() {
        let notice = "\n*** SKIPPED: idle_connection_within_8_kib: this system does not tell the memory of a process ***\n\n";
        std::io::stderr().write_all(notice.as_bytes()).ok();
        return;
    }
    let quiet = json!({"settings": {"quiet": true}});
    let Some(server) = JsServer::socket_io(quiet).await else {
        return;
    };
    let shared = http();
    let mut idle = Vec::with_capacity(BEFORE + COUNTED);
    let mut before = 0;
    for number in 0..BEFORE + COUNTED {
        if number == BEFORE {
            before = resident().unwrap();
        }
        let builder = Builder::new(server.url("/")).transports([Transport::WebSocket]);
        let connecting = builder.http(shared.clone()).connect();
        let (socket, mut events) = within("a connection", connecting).await.unwrap();
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        idle.push((socket, events));
    }
    let each = (resident().unwrap() - before) / COUNTED;
    assert!(idle.iter().all(|(socket, _)| socket.is_connected()));
    let notice = format!("an idle connection takes {each} bytes\n");
    std::io::stderr().write_all(notice.as_bytes()).ok();
    assert!(
        each <= LIMIT,
        "an idle connection takes {each} bytes, {LIMIT} are the limit"
    );
}
