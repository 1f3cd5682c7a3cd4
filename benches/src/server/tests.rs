use super::*;
use futures_util::{SinkExt as _, StreamExt as _};
use socketio::{Event, Events, Socket, Transport};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(30);

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

async fn connect(server: &Server, job: Job) -> (Socket, Events) {
    let builder = socketio::Builder::new(server.url(Wire::SocketIo, job));
    let connecting = builder.transports([Transport::WebSocket]).connect();
    patiently(connecting).await.unwrap()
}

async fn message(events: &mut Events) -> String {
    loop {
        if let Event::Message(message) = patiently(events.next()).await.unwrap() {
            return message.json().to_string();
        }
    }
}

#[tokio::test]
async fn a_raw_client_gets_what_its_url_asks_for() {
    let server = Server::start().unwrap();
    let connect = async |job| {
        let url = server.url(Wire::Raw, job);
        let connecting = crate::raw::connect(&url);
        patiently(connecting).await.unwrap()
    };

    // More than one chunk, and less than two.
    let (events, mut flooded) = (10_000, connect(Job::Flood(10_000)).await);
    for _ in 0..events {
        let event = patiently(flooded.next()).await.unwrap().unwrap();
        assert_eq!(event.into_text().unwrap().as_str(), EVENT);
    }
    flooded.send(Message::Ping("x".into())).await.unwrap();
    let next = patiently(flooded.next()).await.unwrap().unwrap();
    assert_eq!(next, Message::Pong("x".into()), "one event too many");

    let mut swallowed = connect(Job::Swallow(3)).await;
    // In one read, probably.
    for _ in 0..7 {
        swallowed.feed(Message::text("x")).await.unwrap();
    }
    swallowed.send(Message::Ping("x".into())).await.unwrap();
    for expected in [
        Message::text(DONE),
        Message::text(DONE),
        Message::Pong("x".into()),
    ] {
        let told = patiently(swallowed.next()).await.unwrap().unwrap();
        assert_eq!(told, expected);
    }

    let mut echoed = connect(Job::Echo).await;
    for text in ["x".to_owned(), "y".repeat(200), "z".repeat(70_000)] {
        echoed.send(Message::text(text.as_str())).await.unwrap();
        let echo = patiently(echoed.next()).await.unwrap().unwrap();
        assert!(echo == Message::text(text.as_str()), "{}", text.len());
    }
}

#[tokio::test]
async fn a_socketio_client_gets_what_its_url_asks_for() {
    let server = Server::start().unwrap();

    let (_socket, mut events) = connect(&server, Job::Flood(3)).await;
    for _ in 0..3 {
        let event = message(&mut events).await;
        assert_eq!(event, EVENT.strip_prefix("42").unwrap());
    }

    let (socket, mut events) = connect(&server, Job::Swallow(3)).await;
    for _ in 0..3 {
        socket.emit("msg", "x").await.unwrap();
    }
    let done = message(&mut events).await;
    assert_eq!(done, DONE.strip_prefix("42").unwrap());

    let (socket, _events) = connect(&server, Job::Echo).await;
    for _ in 0..3 {
        let reply = socket.emit_with_ack("msg", "x", PATIENCE).await.unwrap();
        assert!(reply.is_empty());
    }
}
