//! The tokio client against scripted servers on loopback.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]
#![allow(missing_docs, unreachable_pub, reason = "a test")]

mod adversarial;
mod backpressure;
mod connecting;
mod leaving;
mod messages;
mod namespaces;
mod observing;
mod offline;
mod parsing;
mod promises;
mod providing;
mod reconnecting;
mod revisions;
mod server;
mod tracing;
mod types;

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use engineio::CloseReason;
use socketio::{
    AckError, Builder, Bytes, ConnectError, DisconnectReason, EmitError, Event, Events, Limits,
    Message, Reconnection, Socket, Transport, UrlError, Version,
};

use server::{Peer, Server, next, no_tasks_left, within};

const LONG: Duration = Duration::from_secs(60);

fn message(event: Event) -> Message {
    match event {
        Event::Message(message) => message,
        other => panic!("no message: {other:?}"),
    }
}

/// Gives every task a thousand chances to run.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}
