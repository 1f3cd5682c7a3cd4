//! What a program can see of its connection: unread events, sent events, numbers.

use futures_util::FutureExt as _;
use socketio::Overflow;

use super::adversarial::until;
use super::*;

async fn flood(server: &Server, client: Builder, total: usize) -> (Socket, Events, Peer) {
    let (socket, events, mut peer) = server.joined_by(client).await;
    for number in 0..total {
        peer.send(&format!(r#"2["n",{number}]"#)).await;
    }
    (socket, events, peer)
}

#[tokio::test]
async fn drop_oldest_tells_how_many() {
    const TOTAL: usize = 1000;
    let server = Server::start().await;
    let client = server
        .client("")
        .event_queue(10)
        .overflow(Overflow::DropOldest);
    let (socket, mut events, mut peer) = flood(&server, client, TOTAL).await;
    // Acknowledgements come although nobody reads.
    let asking = socket.emit_with_ack("done?", (), LONG);
    let serve = async {
        peer.expect(r#"20["done?"]"#).await;
        peer.send("30[]").await;
    };
    within(async { tokio::join!(asking, serve) })
        .await
        .0
        .unwrap();
    assert_eq!(next(&mut events).await, Event::Lagged(TOTAL as u64 - 10));
    for number in TOTAL - 10..TOTAL {
        assert_eq!(
            message(next(&mut events).await).json(),
            format!(r#"["n",{number}]"#)
        );
    }
    let stats = socket.stats();
    assert_eq!(
        (stats.dropped_events, stats.queued_events),
        (TOTAL as u64 - 10, 0)
    );
}

#[tokio::test]
async fn overflow_disconnects_if_asked_to_and_what_was_queued_can_be_read() {
    let server = Server::start().await;
    let client = server
        .client("")
        .event_queue(10)
        .overflow(Overflow::Disconnect);
    let (_socket, mut events, mut peer) = flood(&server, client, 11).await;
    peer.expect("1").await;
    peer.expect_close().await;
    for number in 0..10 {
        assert_eq!(
            message(next(&mut events).await).json(),
            format!(r#"["n",{number}]"#)
        );
    }
    assert_eq!(
        next(&mut events).await,
        Event::Disconnected {
            reason: DisconnectReason::Overflow,
            retry_in: None
        }
    );
    assert!(!futures_util::stream::FusedStream::is_terminated(&events));
    assert_eq!(within(events.next()).await, None);
    assert!(futures_util::stream::FusedStream::is_terminated(&events));
}

#[tokio::test]
async fn sent_events_are_told_in_their_place() {
    let server = Server::start().await;
    let client = server.client("").report_sent(true);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    socket
        .emit("a", (1, Bytes::from_static(b"x")))
        .await
        .unwrap();
    peer.send(r#"2["b"]"#).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(match next(&mut events).await {
            Event::Sent(event) => format!(
                "sent {} and {} attachment",
                event.json(),
                event.attachments().len()
            ),
            Event::Message(message) => message.json().to_owned(),
            other => panic!("{other:?}"),
        });
    }
    told.sort();
    let sent = r#"sent ["a",1,{"_placeholder":true,"num":0}] and 1 attachment"#;
    assert_eq!(told, [r#"["b"]"#, sent]);
}

#[tokio::test]
async fn who_emits_without_reading_what_was_sent_does_not_wait() {
    const TOTAL: u64 = 10_000;
    let server = Server::start().await;
    let mut limits = Limits::default();
    limits.max_buffered_events = 8;
    let client = server.client("").report_sent(true).event_queue(4);
    let (socket, mut events, mut peer) = server.joined_by(client.limits(limits)).await;
    let serving = tokio::spawn(async move {
        for number in 0..TOTAL {
            peer.expect(&format!(r#"2["n",{number}]"#)).await;
        }
        peer
    });
    for number in 0..TOTAL {
        within(socket.emit("n", number)).await.unwrap();
    }
    let mut peer = within(serving).await.unwrap();
    assert_eq!(socket.stats().queued_events, 4);
    for number in 0..4 + 8 {
        let told = next(&mut events).await;
        assert!(
            matches!(&told, Event::Sent(event) if event.json() == format!(r#"["n",{number}]"#)),
            "{number}: {told:?}"
        );
    }
    assert_eq!(next(&mut events).await, Event::SentMore(TOTAL - 4 - 8));
    // Who reads on is told of each again.
    socket.emit("read", ()).await.unwrap();
    peer.expect(r#"2["read"]"#).await;
    assert!(matches!(next(&mut events).await, Event::Sent(event) if event.name() == "read"));
}

#[tokio::test]
async fn connecting_in_the_background_tells_by_events() {
    let server = Server::start().await;
    let (socket, mut events) = server.client("").connect_in_background().unwrap();
    socket.emit("early", ()).await.unwrap();
    let mut peer = server.accept().await;
    peer.expect("0").await;
    peer.send(r#"0{"sid":"s"}"#).await;
    peer.expect(r#"2["early"]"#).await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));

    let closed = server.url("");
    drop((server, peer, socket, events));
    let client = Builder::new(closed).transports([Transport::WebSocket]);
    let (socket, mut events) = client.connect_in_background().unwrap();
    assert!(matches!(
        next(&mut events).await,
        Event::ConnectError { retry_in: None, .. }
    ));
    assert_eq!(within(events.next()).await, None);
    assert_eq!(socket.emit("late", ()).await, Err(EmitError::Disconnected));
    assert!(Builder::new("no url").connect_in_background().is_err());
}

#[tokio::test]
async fn a_socket_is_active_until_there_will_be_no_connection_any_more() {
    let server = Server::start().await;
    let (socket, mut events) = server.client("").connect_in_background().unwrap();
    assert!(socket.is_active() && !socket.is_connected());
    let mut peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert!(socket.is_active() && socket.is_connected());
    // A lost connection comes back, …
    drop(peer);
    let lost = next(&mut events).await;
    assert!(!lost.is_final() && socket.is_active(), "{lost:?}");
    peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    // … one that the server ends does not.
    peer.send("1").await;
    assert!(next(&mut events).await.is_final());
    assert!(!socket.is_active() && !socket.is_connected());
}

#[tokio::test]
async fn a_socket_that_was_left_or_refused_is_not_active() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let (other, mut others) = socket.namespace("/no").connect_in_background().unwrap();
    peer.expect("0/no,").await;
    assert!(other.is_active());
    peer.send(r#"4/no,{"message":"no"}"#).await;
    assert!(next(&mut others).await.is_final());
    assert!(!other.is_active() && socket.is_active());
    let serve = async {
        peer.expect("1").await;
        peer.expect_close().await;
    };
    within(async { tokio::join!(socket.disconnect(), serve) }).await;
    assert!(next(&mut events).await.is_final());
    assert!(!socket.is_active());
}

#[tokio::test]
async fn a_socket_tells_its_transport_while_it_is_connected() {
    let server = Server::start().await;
    let (socket, mut events, peer) = server.joined().await;
    assert_eq!(socket.transport(), Some(Transport::WebSocket));
    drop(peer);
    assert!(!next(&mut events).await.is_final());
    assert_eq!(socket.transport(), None);

    let server = Server::start().await;
    let client = server.client("").transports([Transport::Polling]);
    let connecting = tokio::spawn(client.connect());
    server.serve_polling_session(&[r#"40{"sid":"s"}"#]).await;
    let (socket, _events) = within(connecting).await.unwrap().unwrap();
    assert_eq!(socket.transport(), Some(Transport::Polling));
}

#[tokio::test]
async fn retry_on_initial_connect() {
    let server = Server::start().await;
    let url = server.url("");
    drop(server);
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_millis(1);
    reconnection.retry_on_initial_connect = true;
    reconnection.max_attempts = Some(3);
    let client = Builder::new(&*url)
        .transports([Transport::WebSocket])
        .reconnection(reconnection.clone());
    // Nobody is there, and nobody comes.
    let error = within(client.clone().connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Engine(_)), "{error}");
    // Somebody comes.
    reconnection.max_attempts = None;
    let connecting = tokio::spawn(client.reconnection(reconnection).connect());
    let address = url.strip_prefix("http://").unwrap();
    let server = Server::listen(address).await;
    let mut peer = server.accept().await;
    peer.expect("0").await;
    peer.send(r#"0{"sid":"s"}"#).await;
    let (_socket, mut events) = within(connecting).await.unwrap().unwrap();
    loop {
        match next(&mut events).await {
            Event::ConnectError {
                retry_in: Some(_), ..
            } => {}
            Event::Connected(_) => break,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_numbers_of_a_connection() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let before = socket.stats();
    assert_eq!((before.connections, before.pending_acks), (1, 0));
    socket.emit("a", "x".repeat(1000)).await.unwrap();
    peer.text().await;
    peer.send(r#"2["b"]"#).await;
    assert_eq!(message(next(&mut events).await).name(), "b");
    let after = socket.stats();
    assert_eq!(after.engine.packets_sent, before.engine.packets_sent + 1);
    assert_eq!(
        after.engine.packets_received,
        before.engine.packets_received + 1
    );
    assert!(
        after.engine.bytes_sent >= before.engine.bytes_sent + 1000,
        "{after:?}"
    );
    assert!(
        after.engine.bytes_received >= before.engine.bytes_received + 6,
        "{after:?}"
    );
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    let _peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    let again = socket.stats();
    assert_eq!(again.connections, 2);
    assert!(
        again.engine.bytes_sent > after.engine.bytes_sent,
        "the sum of both connections"
    );
}

#[tokio::test]
async fn two_heartbeats_show_that_all_that_was_sent_has_come() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    // A heartbeat before the question says nothing of what was sent between the two.
    peer.heartbeat().await;
    let mut caught_up = std::pin::pin!(socket.caught_up());
    assert_eq!(caught_up.as_mut().now_or_never(), None);
    // What is emitted behind the question leaves when that has been heard.
    socket.emit("asked", ()).await.unwrap();
    peer.expect(r#"2["asked"]"#).await;
    peer.send(r#"2["late"]"#).await;
    // This one may have been under way.
    peer.heartbeat().await;
    socket.emit("more", ()).await.unwrap();
    peer.expect(r#"2["more"]"#).await;
    assert_eq!(caught_up.as_mut().now_or_never(), None);
    peer.heartbeat().await;
    assert_eq!(within(caught_up).await, Ok(()));
    assert_eq!(message(next(&mut events).await).json(), r#"["late"]"#);
}

/// A polling body brings several packets at once, and the queue takes fewer.
#[tokio::test]
async fn who_has_caught_up_can_read_all_of_it() {
    let server = Server::start().await;
    let client = server.client("").transports([Transport::Polling]);
    let connecting = tokio::spawn(client.event_queue(2).connect());
    server.serve_polling_session(&[r#"40{"sid":"s"}"#]).await;
    let (socket, mut events) = within(connecting).await.unwrap().unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    let mut caught_up = std::pin::pin!(socket.caught_up());
    assert_eq!(caught_up.as_mut().now_or_never(), None);
    let body = format!("{}2", "42[\"n\"]\u{1e}".repeat(10));
    server.serve_polling(&["2", &body]).await;
    until(|| socket.stats().engine.heartbeats == 2).await;
    assert_eq!(caught_up.as_mut().now_or_never(), None);
    for _ in 0..10 {
        assert_eq!(message(next(&mut events).await).name(), "n");
    }
    assert_eq!(within(caught_up).await, Ok(()));
}

#[tokio::test]
async fn who_is_disconnected_never_catches_up() {
    let server = Server::start().await;
    let (socket, mut events, peer) = server.joined().await;
    let lose = async {
        drop(peer);
        next(&mut events).await
    };
    let (caught_up, lost) = within(async { tokio::join!(socket.caught_up(), lose) }).await;
    assert!(matches!(lost, Event::Disconnected { .. }), "{lost:?}");
    assert_eq!(caught_up, Err(AckError::Disconnected));
    // Nor does who is not connected.
    let asked = within(socket.caught_up()).await;
    assert_eq!(asked, Err(AckError::Disconnected));
}

/// The connection stays, for another namespace.
#[tokio::test]
async fn who_leaves_never_catches_up() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let serve = async {
        peer.expect("0/b,").await;
        peer.send(r#"0/b,{"sid":"b"}"#).await;
    };
    let (joined, ()) =
        within(async { tokio::join!(socket.namespace("/b").connect(), serve) }).await;
    let (b, _b_events) = joined.unwrap();
    let mut left = std::pin::pin!(b.caught_up());
    assert_eq!(left.as_mut().now_or_never(), None);
    within(b.disconnect()).await;
    assert_eq!(within(left).await, Err(AckError::Disconnected));
    assert!(socket.is_connected());
}
