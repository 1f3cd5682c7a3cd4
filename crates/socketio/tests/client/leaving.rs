//! Disconnecting, by word or by dropping the handles.

use super::*;

#[tokio::test]
async fn disconnect_sends_what_was_emitted_says_goodbye_and_closes() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    for n in 0..10 {
        socket.emit("n", n).await.unwrap();
    }
    let serve = async {
        for n in 0..10 {
            peer.expect(&format!(r#"2["n",{n}]"#)).await;
        }
        peer.expect("1").await;
        peer.expect_close().await;
    };
    within(async { tokio::join!(socket.disconnect(), serve) }).await;
    let expected = Event::Disconnected {
        reason: DisconnectReason::ClientDisconnect,
        retry_in: None,
    };
    assert_eq!(next(&mut events).await, expected);
    assert!(within(events.next()).await.is_none());
    assert_eq!(socket.emit("x", ()).await, Err(EmitError::Disconnected));
    within(socket.disconnect()).await;
    drop((socket, events));
    no_tasks_left().await;
}

#[tokio::test]
async fn disconnect_waits_for_the_close() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let mut disconnect = Box::pin(socket.disconnect());
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(disconnect.as_mut().poll(cx).is_pending());
    peer.expect("1").await;
    settle().await;
    assert!(
        disconnect.as_mut().poll(cx).is_pending(),
        "the server has not closed yet"
    );
    peer.expect_close().await;
    within(disconnect).await;
}

#[tokio::test]
async fn dropping_all_handles_sends_what_was_emitted_says_goodbye_and_closes() {
    let server = Server::start().await;
    let (socket, events, mut peer) = server.joined().await;
    let clone = socket.clone();
    socket.emit("last", ()).await.unwrap();
    drop((socket, events));
    peer.expect(r#"2["last"]"#).await;
    clone.emit("still here", ()).await.unwrap();
    peer.expect(r#"2["still here"]"#).await;
    drop(clone);
    peer.expect("1").await;
    peer.expect_close().await;
    no_tasks_left().await;
}

#[tokio::test]
async fn events_alone_keep_the_namespace() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    drop(socket);
    settle().await;
    peer.send(r#"20["a"]"#).await;
    message(next(&mut events).await)
        .ack()
        .unwrap()
        .reply(())
        .await
        .unwrap();
    peer.expect("30[]").await;
    drop(events);
    peer.expect("1").await;
    peer.expect_close().await;
    no_tasks_left().await;
}

#[tokio::test]
async fn dropping_all_handles_while_the_server_is_away_ends_the_attempts() {
    let server = Server::start().await;
    let (socket, mut events, peer) = server.joined().await;
    drop((peer, server));
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    drop((socket, events));
    no_tasks_left().await;
}

#[tokio::test]
async fn an_ack_handle_keeps_nothing() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    peer.send(r#"20["a"]"#).await;
    let ack = message(next(&mut events).await).ack().unwrap();
    drop((socket, events));
    peer.expect("1").await;
    peer.expect_close().await;
    no_tasks_left().await;
    assert_eq!(ack.reply(()).await, Err(EmitError::Disconnected));
}

#[tokio::test]
async fn events_before_the_server_s_disconnect_all_arrive() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let serve = async {
        for n in 0..3000 {
            peer.send(&format!(r#"2["n",{n}]"#)).await;
        }
        peer.send("1").await;
        peer.expect_close().await;
    };
    let read = async {
        for n in 0..3000 {
            assert_eq!(message(next(&mut events).await).parse::<i32>().unwrap(), n);
        }
        let expected = Event::Disconnected {
            reason: DisconnectReason::ServerDisconnect,
            retry_in: None,
        };
        assert_eq!(next(&mut events).await, expected);
        assert!(within(events.next()).await.is_none());
    };
    within(async { tokio::join!(serve, read) }).await;
    assert!(!socket.is_connected());
}
