//! What is emitted while there is no connection, or while it is busy.

use socketio::{Offline, Retries};

use super::*;

/// A joined client whose server has gone away, and stays away.
async fn offline(server: &Server, client: Builder) -> (Socket, Events) {
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = LONG;
    reconnection.max_delay = LONG;
    let (socket, mut events, peer) = server.joined_by(client.reconnection(reconnection)).await;
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    (socket, events)
}

#[tokio::test]
async fn a_million_emits_while_offline_stay_within_the_bound_and_each_outcome_is_known() {
    const TOTAL: usize = 1_000_000;
    let server = Server::start().await;
    let mut limits = Limits::default();
    limits.max_buffered_events = 1000;
    let client = server.client("").limits(limits);
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_secs(2);
    reconnection.jitter = 0.0;
    let (socket, mut events, peer) = server.joined_by(client.reconnection(reconnection)).await;
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    let mut accepted = Vec::new();
    let mut refused = 0_usize;
    for number in 0..TOTAL {
        match socket.try_emit("n", number) {
            Ok(()) => accepted.push(number),
            Err(EmitError::BufferFull) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        if number % 10_000 == 0 {
            // The connection's task shall have taken all that it takes.
            settle().await;
            assert!(socket.stats().unsent_events <= 1000);
        }
    }
    assert_eq!(accepted.len() + refused, TOTAL);
    // The buffer, and what is on the way to it.
    assert!(
        (1000..=1000 + 64).contains(&accepted.len()),
        "{}",
        accepted.len()
    );
    let mut peer = server.rejoined().await;
    for number in accepted {
        peer.expect(&format!(r#"2["n",{number}]"#)).await;
    }
}

#[tokio::test]
async fn emits_that_wait_for_room_are_known_to_have_failed_when_the_client_leaves() {
    let server = Server::start().await;
    let mut limits = Limits::default();
    limits.max_buffered_events = 10;
    let (socket, mut events) = offline(&server, server.client("").limits(limits)).await;
    let emitting: Vec<_> = (0..100)
        .map(|number| {
            let socket = socket.clone();
            tokio::spawn(async move { socket.emit("n", number).await })
        })
        .collect();
    settle().await;
    within(socket.disconnect()).await;
    let mut accepted = 0;
    for emit in emitting {
        match within(emit).await.unwrap() {
            Ok(()) => accepted += 1,
            Err(EmitError::Disconnected) => {}
            Err(error) => panic!("{error}"),
        }
    }
    // What was accepted was not sent, and that is told.
    let mut unsent = 0;
    loop {
        match next(&mut events).await {
            Event::Unsent {
                events,
                error: EmitError::Disconnected | EmitError::BufferFull,
            } => unsent += events,
            Event::Disconnected { retry_in: None, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(accepted, unsent);
    assert!(accepted >= 10);
}

#[tokio::test]
async fn offline_rejection() {
    let server = Server::start().await;
    let client = server.client("").offline(Offline::Reject);
    let (socket, _events) = offline(&server, client).await;
    assert_eq!(socket.emit("a", ()).await, Err(EmitError::NotConnected));
    assert_eq!(socket.try_emit("a", ()), Err(EmitError::NotConnected));
    assert_eq!(
        socket.emit_with_ack("a", (), LONG).await,
        Err(AckError::Emit(EmitError::NotConnected))
    );
    assert_eq!(socket.stats().unsent_events, 0);
}

#[tokio::test]
async fn volatile_events_are_dropped_without_a_connection() {
    let server = Server::start().await;
    let client = server.client("");
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    socket.emit_volatile("a", 1).unwrap();
    peer.expect(r#"2["a",1]"#).await;
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    assert_eq!(socket.emit_volatile("b", 1), Err(EmitError::NotConnected));
    let mut peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    socket.emit("c", 1).await.unwrap();
    peer.expect(r#"2["c",1]"#).await;
}

#[tokio::test]
async fn volatile_events_are_dropped_while_the_connection_is_busy() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let large = "x".repeat(900_000);
    let mut sent = 0_usize;
    // The server does not read: some time its sockets are full.
    let refused = within(async {
        loop {
            match socket.emit_volatile("n", (sent, &large)) {
                Ok(()) => sent += 1,
                Err(error) => return error,
            }
            settle().await;
        }
    })
    .await;
    assert_eq!(refused, EmitError::NotWritable);
    // What was taken arrives.
    for number in 0..sent {
        assert!(
            peer.text()
                .await
                .starts_with(&format!(r#"2["n",{number},"#))
        );
    }
}

#[tokio::test]
async fn an_emit_with_a_time_limit_is_taken_back() {
    let server = Server::start().await;
    let client = server.client("");
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_secs(1);
    reconnection.jitter = 0.0;
    let (socket, mut events, peer) = server.joined_by(client.reconnection(reconnection)).await;
    socket.emit_timeout("at once", (), LONG).await.unwrap();
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    let late = socket
        .emit_timeout("late", (), Duration::from_millis(10))
        .await;
    assert_eq!(late, Err(EmitError::Timeout));
    let in_time = socket.emit_timeout("in time", (), LONG);
    let serve = async {
        let mut peer = server.rejoined().await;
        peer.expect(r#"2["in time"]"#).await;
    };
    let (in_time, ()) = within(async { tokio::join!(in_time, serve) }).await;
    assert_eq!(in_time, Ok(()));
}

#[tokio::test]
async fn what_is_put_into_the_sink_is_sent_in_order() {
    use futures_util::{SinkExt, StreamExt, stream};
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let events = (0..1000).map(|number| Ok(socketio::codec::Event::new("n", &number).unwrap()));
    let sending = tokio::spawn(stream::iter(events.collect::<Vec<_>>()).forward(socket.sink()));
    for number in 0..1000 {
        peer.expect(&format!(r#"2["n",{number}]"#)).await;
    }
    within(sending).await.unwrap().unwrap();
    let mut sink = socket.sink();
    within(socket.disconnect()).await;
    let event = socketio::codec::Event::new("n", &()).unwrap();
    assert_eq!(within(sink.send(event)).await, Err(EmitError::Disconnected));
}

fn retries(max: u32, timeout: Duration) -> Retries {
    let mut retries = Retries::default();
    retries.max = max;
    retries.timeout = timeout;
    retries
}

/// The id of an event that asks for an acknowledgement.
fn ack_id(text: &str) -> u64 {
    text[1..text.find('[').unwrap()].parse().unwrap()
}

#[tokio::test]
async fn at_least_once_retries() {
    let server = Server::start().await;
    let client = server.client("").retries(retries(2, LONG));
    let (socket, _events, mut peer) = server.joined_by(client).await;
    let emit = socket.emit("first", 1);
    let serve = async {
        let lost = peer.text().await;
        assert!(lost.ends_with(r#"["first",1]"#), "{lost}");
        drop(peer);
        let mut peer = server.rejoined().await;
        let again = peer.text().await;
        assert!(again.ends_with(r#"["first",1]"#), "{again}");
        assert_ne!(ack_id(&lost), ack_id(&again));
        peer.send(&format!("3{}[]", ack_id(&again))).await;
        peer
    };
    let (emitted, mut peer) = within(async { tokio::join!(emit, serve) }).await;
    assert_eq!(emitted, Ok(()));
    let asking = socket.emit_with_ack("asks", (), LONG);
    let serve = async {
        let id = ack_id(&peer.text().await);
        peer.send(&format!("3{id}[7]")).await;
    };
    let (reply, ()) = within(async { tokio::join!(asking, serve) }).await;
    assert_eq!(reply.unwrap().parse::<u32>().unwrap(), 7);
}

#[tokio::test]
async fn what_is_never_acknowledged_fails_after_all_its_tries() {
    let server = Server::start().await;
    let client = server
        .client("")
        .retries(retries(2, Duration::from_millis(10)));
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    assert_eq!(
        within(socket.emit("a", ())).await,
        Err(EmitError::NotAcknowledged)
    );
    for _ in 0..3 {
        assert!(peer.text().await.ends_with(r#"["a"]"#));
    }
    // Nobody waits for this one; so it is told.
    socket.try_emit("b", ()).unwrap();
    assert_eq!(
        next(&mut events).await,
        Event::Unsent {
            events: 1,
            error: EmitError::NotAcknowledged
        }
    );
}

#[tokio::test]
async fn a_retried_emit_that_is_dropped_is_not_sent_again() {
    let server = Server::start().await;
    let client = server.client("").retries(retries(9, LONG));
    let (socket, _events, mut peer) = server.joined_by(client).await;
    let mut emit = Box::pin(socket.emit("dropped", ()));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(emit.as_mut().poll(cx).is_pending());
    assert!(peer.text().await.ends_with(r#"["dropped"]"#));
    drop(emit);
    let other = socket.emit("other", ());
    let serve = async {
        let id = ack_id(&peer.text().await);
        peer.send(&format!("3{id}[]")).await;
    };
    let (other, ()) = within(async { tokio::join!(other, serve) }).await;
    assert_eq!(other, Ok(()));
    assert_eq!(socket.stats().pending_acks, 0);
}
