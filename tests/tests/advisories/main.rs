//! One test for each advisory of this field that a client can be attacked by, named by its id, with the input that did
//! the harm; and for some classes of such inputs (CWE) that have no advisory here yet.
//!
//! The page at the root of this repository, ADVISORIES.md, lists them all.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

mod answers;
mod arguments;
mod attachments;
mod codec;
mod engine;
mod headers;
mod page;
mod payloads;
/// The scripted server of the Engine.IO client's own tests.
#[path = "../../../crates/engineio/tests/common/mod.rs"]
mod raw;
mod requests;
mod session;
mod tls;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use engineio::client::Client;
use engineio::{CloseReason, Config, Endpoint, Event, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A client's own deadline, where that is what ends it.
const SHORT: Duration = Duration::from_millis(200);

fn client(endpoint: &Endpoint, config: Config) -> Client {
    Client::new(conformance::http(), endpoint.clone(), config)
}

/// How a client ends that does nothing but read, and send one message where it can.
async fn end_of(endpoint: &Endpoint, config: Config) -> CloseReason {
    let mut client = client(endpoint, config);
    raw::within(async {
        loop {
            match client.next_event().await.expect("a reason") {
                Event::Opened { .. } => client.send("hello".into()).unwrap(),
                Event::Closed(reason) => return reason,
                _ => {}
            }
        }
    })
    .await
}

/// Writes this over and over, until the client has hung up.
async fn flood(stream: &mut TcpStream, chunk: &[u8]) {
    while stream.write_all(chunk).await.is_ok() {}
}

/// Ends a connection with a reset.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Handshake,
    Poll,
    Post,
    WebSocket,
}

const KINDS: [Kind; 4] = [Kind::Handshake, Kind::Poll, Kind::Post, Kind::WebSocket];

impl Kind {
    fn of(head: &str) -> Self {
        let is = |part| head.lines().next().unwrap_or_default().contains(part);
        match (is("transport=websocket"), is("POST "), is("sid=")) {
            (true, ..) => Self::WebSocket,
            (_, true, _) => Self::Post,
            (.., true) => Self::Poll,
            _ => Self::Handshake,
        }
    }

    /// The transports of a client that makes such a request.
    fn transports(self) -> &'static [Transport] {
        match self {
            Self::WebSocket => raw::WEBSOCKET,
            _ => raw::POLLING,
        }
    }
}

/// Serves sessions by polling, with `open` for a handshake, except that requests of this kind are given to `hostile`,
/// with what was read of them. What comes through `polls` is what polls bring.
fn serve<F>(
    listener: TcpListener,
    open: String,
    kind: Kind,
    mut polls: mpsc::UnboundedReceiver<String>,
    hostile: impl Fn(TcpStream, String) -> F + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let hostile = Arc::new(hostile);
    tokio::spawn(async move {
        // A poll that nothing is said to.
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = raw::request(&mut stream).await;
            let asked = Kind::of(&head);
            if asked == kind {
                tokio::spawn(hostile(stream, head));
                continue;
            }
            let body = match asked {
                Kind::Handshake => open.clone(),
                Kind::Post => "ok".to_owned(),
                Kind::Poll => match polls.try_recv() {
                    Ok(body) => body,
                    Err(_) => {
                        held.push(stream);
                        continue;
                    }
                },
                Kind::WebSocket => continue,
            };
            raw::respond(&mut stream, "200 OK\r\nConnection: close", &body).await;
        }
    });
}

/// The same with polls that bring nothing.
fn serve_silently<F>(
    listener: TcpListener,
    open: String,
    kind: Kind,
    hostile: impl Fn(TcpStream, String) -> F + Send + Sync + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (_, polls) = mpsc::unbounded_channel();
    serve(listener, open, kind, polls, hostile);
}

/// Settings under which a request of this kind that is not answered ends soon. All else has its time, on a busy machine, too.
fn hasty(kind: Kind) -> Config {
    let mut config = raw::config(kind.transports());
    match kind {
        Kind::Handshake | Kind::WebSocket => config.handshake_timeout = SHORT,
        Kind::Post => config.request_timeout = SHORT,
        // It is the heartbeat that ends a poll.
        Kind::Poll => {}
    }
    config
}

/// The same for an upgrade.
fn hasty_upgrade() -> Config {
    let mut config = raw::config(raw::BOTH);
    config.probe_timeout = SHORT;
    config
}
