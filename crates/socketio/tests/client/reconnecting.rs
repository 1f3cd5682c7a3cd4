//! The loss of the connection, and the way back.

use super::*;

#[tokio::test]
async fn no_connection_is_opened_while_nobody_reads_the_events_of_the_last_one() {
    let server = Server::start().await;
    let client = server
        .client("")
        .transports([Transport::Polling])
        .event_queue(2);
    // The event and the close come in one response, so the close is noticed although reading stops.
    let first = [r#"40{"sid":"p"}"#, "42[\"unread\"]\u{1e}1"];
    let serve = server.serve_polling_session(&first);
    let (connected, ()) = within(async { tokio::join!(client.connect(), serve) }).await;
    let (_socket, mut events) = connected.unwrap();

    let second = [r#"40{"sid":"p"}"#];
    let mut serving = Box::pin(server.serve_polling_session(&second));
    // Long enough for the reconnection, which is due after a millisecond.
    for _ in 0..20 {
        settle().await;
    }
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(serving.as_mut().poll(cx).is_pending());
    assert!(!server.was_called(), "an attempt was made");

    let read = async {
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        assert_eq!(message(next(&mut events).await).name(), "unread");
        assert!(matches!(
            next(&mut events).await,
            Event::Disconnected { .. }
        ));
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
    };
    within(async { tokio::join!(read, serving) }).await;
}

#[tokio::test]
async fn a_lost_connection_is_replaced_and_what_was_emitted_meanwhile_is_sent() {
    let server = Server::start().await;
    let (socket, mut events, peer) = server.joined().await;
    drop(peer);
    let Event::Disconnected { reason, retry_in } = next(&mut events).await else {
        panic!()
    };
    assert!(
        matches!(reason, DisconnectReason::LinkClosed(_)),
        "{reason:?}"
    );
    assert!(retry_in.is_some());
    assert!(!socket.is_connected());
    assert_eq!(socket.id(), None);
    socket.emit("a", ()).await.unwrap();
    let reply = socket.emit_with_ack("b", (), LONG);
    let serve = async {
        let mut peer = server.accept().await;
        peer.expect("0").await;
        peer.send(r#"0{"sid":"s2"}"#).await;
        peer.expect(r#"2["a"]"#).await;
        peer.expect(r#"20["b"]"#).await;
        peer.send("30[7]").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(reply, serve) }).await;
    assert_eq!(reply.unwrap().parse::<u8>().unwrap(), 7);
    let Event::Connected(connected) = next(&mut events).await else {
        panic!()
    };
    assert_eq!(connected.id.as_deref(), Some("s2"));
    assert_eq!(socket.id().as_deref(), Some("s2"));
}

#[tokio::test]
async fn failed_attempts_are_told_and_counted() {
    let server = Server::start().await;
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_millis(1);
    reconnection.max_attempts = Some(2);
    let client = server.client("").reconnection(reconnection);
    let (socket, mut events, peer) = server.joined_by(client).await;
    drop((peer, server));
    let told = |event| match event {
        Event::Disconnected { retry_in, .. } => ("disconnected", retry_in.is_some()),
        Event::ConnectError { retry_in, .. } => ("connect error", retry_in.is_some()),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(next(&mut events).await), ("disconnected", true));
    assert_eq!(told(next(&mut events).await), ("connect error", true));
    assert_eq!(told(next(&mut events).await), ("connect error", false));
    assert!(within(events.next()).await.is_none());
    assert_eq!(socket.emit("a", ()).await, Err(EmitError::Disconnected));
    let acked = socket.emit_with_ack("a", (), LONG).await;
    assert_eq!(acked, Err(AckError::Disconnected));
}

#[tokio::test]
async fn awaited_acknowledgements_go_with_the_connection() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let serve = async {
        peer.expect(r#"20["a"]"#).await;
        drop(peer);
    };
    let (reply, ()) = tokio::join!(socket.emit_with_ack("a", (), LONG), serve);
    assert_eq!(reply, Err(AckError::Disconnected));
}

#[tokio::test]
async fn an_event_of_an_earlier_connection_cannot_be_acknowledged() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    for id in 0..2 {
        peer.send(&format!(r#"2{id}["q"]"#)).await;
    }
    let first = message(next(&mut events).await).ack().unwrap();
    let second = message(next(&mut events).await).ack().unwrap();
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    assert_eq!(first.reply(()).await, Err(EmitError::StaleAck));
    let mut peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert_eq!(second.reply(()).await, Err(EmitError::StaleAck));
    socket.emit("alive", ()).await.unwrap();
    peer.expect(r#"2["alive"]"#).await;
}

#[tokio::test]
async fn garbage_costs_the_connection_and_no_more() {
    let server = Server::start().await;
    let (_socket, mut events, mut peer) = server.joined().await;
    peer.send("2{}").await;
    peer.expect_close().await;
    let Event::Disconnected { reason, .. } = next(&mut events).await else {
        panic!()
    };
    assert!(matches!(reason, DisconnectReason::Decode(_)), "{reason:?}");
    let _peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn an_emit_without_room_waits_for_the_connection_and_sends_nothing_when_dropped() {
    let server = Server::start().await;
    let mut limits = Limits::default();
    limits.max_buffered_events = 4;
    let client = server.client("").limits(limits);
    let (socket, mut events, peer) = server.joined_by(client).await;
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    let mut taken = 0;
    loop {
        settle().await;
        let mut emit = Box::pin(socket.emit("n", taken));
        match emit.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.unwrap(),
            Poll::Pending => break,
        }
        taken += 1;
    }
    assert_eq!(taken, 4 + 64);
    let mut peer = server.rejoined().await;
    for n in 0..taken {
        peer.expect(&format!(r#"2["n",{n}]"#)).await;
    }
    socket.emit("after", ()).await.unwrap();
    peer.expect(r#"2["after"]"#).await;
}

#[tokio::test]
async fn a_program_may_want_a_new_connection() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    // However often it says so.
    for _ in 0..100 {
        socket.reconnect();
    }
    let serve = async {
        peer.expect_close().await;
        drop(peer);
        server.rejoined().await
    };
    let follow = async {
        let reason = DisconnectReason::Reconnecting;
        let retry_in = Some(Duration::ZERO);
        assert_eq!(
            next(&mut events).await,
            Event::Disconnected { reason, retry_in }
        );
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
    };
    let (mut peer, ()) = within(async { tokio::join!(serve, follow) }).await;
    socket.emit("again", ()).await.unwrap();
    peer.expect(r#"2["again"]"#).await;
}
