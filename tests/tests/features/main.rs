//! One test for each feature that FEATURES.md promises, named after it, and a check that the page names no other.
//!
//! Rules that time decides are tested on the state machines under simulated time; what touches the network, against
//! the real servers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

/// A server of the current release, or the end of a test that was skipped.
macro_rules! server {
    ($($options:tt)*) => {
        match conformance::JsServer::socket_io(serde_json::json!($($options)*)).await {
            Some(server) => server,
            None => return,
        }
    };
}

mod cases;
mod evidence;
mod graph;
mod network;
mod page;
mod rust;
mod simulated;
mod socketio;
mod transport;

use std::time::Duration;

use ::socketio::{Connected, DisconnectReason, Event, Events};
use conformance::{Case, JsServer, Route, next, next_but_upgraded};

const ROUTES: [Route; 3] = [Route::Polling, Route::WebSocket, Route::Upgrade];

const SECOND: Duration = Duration::from_secs(1);

fn builder(server: &JsServer, namespace: &str, route: Route) -> ::socketio::Builder {
    conformance::builder(server, namespace, Case::current(route))
}

async fn join(server: &JsServer, namespace: &str, route: Route) -> (::socketio::Socket, Events) {
    conformance::join(server, namespace, Case::current(route)).await
}

async fn connect(builder: ::socketio::Builder) -> (::socketio::Socket, Events) {
    conformance::within("a connection", builder.connect())
        .await
        .unwrap()
}

/// Takes `Connected`, past failed attempts.
async fn connected(events: &mut Events) -> Connected {
    loop {
        match next(events).await {
            Event::Connected(connected) => return connected,
            Event::ConnectError {
                retry_in: Some(_), ..
            }
            | Event::Upgraded(_) => {}
            other => panic!("not connected: {other:?}"),
        }
    }
}

/// Takes `Disconnected`: why, and when it will be tried again.
async fn disconnected(events: &mut Events) -> (DisconnectReason, Option<Duration>) {
    match next_but_upgraded(events).await {
        Event::Disconnected { reason, retry_in } => (reason, retry_in),
        other => panic!("not disconnected: {other:?}"),
    }
}

/// The targets of all requests that the server has seen, WebSocket handshakes included.
async fn targets(server: &JsServer) -> Vec<String> {
    let log = server.seen().await;
    let requests = log
        .iter()
        .filter(|line| line.is("request") || line.is("upgrade"));
    requests.map(|line| line.str("target").to_owned()).collect()
}
