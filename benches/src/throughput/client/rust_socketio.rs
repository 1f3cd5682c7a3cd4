//! `rust_socketio`, its asynchronous client.

use std::hint::black_box;

use futures_util::FutureExt as _;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Payload, TransportType};
use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{Argument, Failure, Outcome, PARTS, ended};
use crate::clock::Stopwatch;

/// Takes the time in the callback: to hand each event to another task would cost it more.
pub(super) async fn receive(url: &str, part: u64) -> Result<Outcome, Failure> {
    let (finish, mut finished) = mpsc::unbounded_channel();
    let (mut received, mut watch) = (0, Stopwatch::start());
    let client = builder(url).on("msg", move |payload, _client| {
        black_box(payload);
        received += 1;
        if received == part {
            watch = Stopwatch::start();
        } else if received == part * (PARTS + 1) {
            finish.send(Outcome::new(part * PARTS, &watch)).ok();
        }
        std::future::ready(()).boxed()
    });
    let client = client.connect().await?;
    let outcome = finished.recv().await.ok_or_else(ended)?;
    client.disconnect().await?;
    Ok(outcome)
}

/// Emits from one task. It takes no types, but `serde_json::Value`.
pub(super) async fn emit(url: &str, part: u64) -> Result<Outcome, Failure> {
    let (open, mut opened) = mpsc::unbounded_channel();
    let (tell, mut done) = mpsc::unbounded_channel();
    let client = builder(url)
        .on("open", move |_, _| {
            open.send(()).ok();
            std::future::ready(()).boxed()
        })
        .on_any(move |_, _, _| {
            tell.send(()).ok();
            std::future::ready(()).boxed()
        });
    let client = client.connect().await?;
    wait(&mut opened, 1).await?;
    emit_all(&client, part).await?;
    wait(&mut done, 1).await?;
    let watch = Stopwatch::start();
    emit_all(&client, part * PARTS).await?;
    wait(&mut done, PARTS).await?;
    let outcome = Outcome::new(part * PARTS, &watch);
    client.disconnect().await?;
    Ok(outcome)
}

async fn emit_all(client: &Client, events: u64) -> Result<(), Failure> {
    for number in 0..events {
        let Argument { id, name } = Argument::new(number);
        let payload = Payload::Text(vec![json!({"id": id, "name": name})]);
        client.emit("msg", payload).await?;
    }
    Ok(())
}

async fn wait(told: &mut UnboundedReceiver<()>, times: u64) -> Result<(), Failure> {
    for _ in 0..times {
        told.recv().await.ok_or_else(ended)?;
    }
    Ok(())
}

fn builder(url: &str) -> ClientBuilder {
    ClientBuilder::new(url)
        .transport_type(TransportType::Websocket)
        .reconnect(false)
}
