//! The way to the server on real sockets: TLS, proxies, addresses and cookies, for polling and WebSocket alike.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod address;
mod certificates;
mod cookies;
mod customize;
mod hanging;
mod http_proxy;
mod http_server;
mod proxy_server;
mod socks;
mod system;
mod tls;

use std::future::Future;
use std::time::Duration;

use engineio::client::{Client, Http, HttpBuilder};
use engineio::{CloseReason, Config, Endpoint, Event, Transport};

/// A name that no name service knows: whoever reaches it does so through a proxy or an override.
const HOST: &str = "server.test";

/// The three ways a session can go.
const WAYS: [&[Transport]; 3] = [POLLING, WEBSOCKET, UPGRADE];
const POLLING: &[Transport] = &[Transport::Polling];
const WEBSOCKET: &[Transport] = &[Transport::WebSocket];
const UPGRADE: &[Transport] = &[Transport::Polling, Transport::WebSocket];

/// Waits for what must happen; the limit only keeps a broken test from hanging.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it never happened")
}

/// Settings that the machine's own do not disturb.
fn direct() -> HttpBuilder {
    Http::builder().no_proxy()
}

fn client(http: Http, url: &str, way: &[Transport]) -> Client {
    let mut config = Config::default();
    config.transports = way.to_vec();
    Client::new(http, Endpoint::parse(url).unwrap(), config)
}

/// A whole session: opens, upgrades if it goes that way, sends a message, gets it back, and closes.
async fn session(http: HttpBuilder, url: &str, way: &[Transport]) -> Result<(), CloseReason> {
    converse(client(http.build().unwrap(), url, way), way).await
}

async fn converse(mut client: Client, way: &[Transport]) -> Result<(), CloseReason> {
    let mut has_come_back = false;
    loop {
        match within(client.next_event())
            .await
            .expect("an end comes first")
        {
            Event::Opened { .. } if way.len() == 1 => client.send("hello".into()).unwrap(),
            Event::Upgraded(_) => client.send("hello".into()).unwrap(),
            Event::Message(message) => {
                assert_eq!(message, "hello".into());
                has_come_back = true;
                client.close();
            }
            Event::Closed(CloseReason::Local) if has_come_back => return Ok(()),
            Event::Closed(reason) => return Err(reason),
            Event::UpgradeFailed(error) => panic!("no upgrade: {error}"),
            _ => {}
        }
    }
}

/// Why a session ended whose connection failed.
fn transport_error(outcome: Result<(), CloseReason>) -> engineio::TransportError {
    match outcome {
        Err(CloseReason::Transport(error)) => error,
        outcome => panic!("{outcome:?}"),
    }
}
