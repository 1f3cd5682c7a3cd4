//! Events, attachments and acknowledgements.

use super::*;

#[tokio::test]
async fn events_travel_both_ways_with_binary_values_anywhere() {
    #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    struct File {
        name: String,
        blob: Bytes,
    }
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let file = || File {
        name: "n".into(),
        blob: Bytes::from_static(&[1, 0x1e]),
    };
    socket.emit("nothing", ()).await.unwrap();
    socket.emit("close", ("a", 1)).await.unwrap();
    socket.emit("file", file()).await.unwrap();
    peer.expect(r#"2["nothing"]"#).await;
    peer.expect(r#"2["close","a",1]"#).await;
    let json = r#"51-["file",{"name":"n","blob":{"_placeholder":true,"num":0}}]"#;
    peer.expect(json).await;
    peer.expect_binary(&[1, 0x1e]).await;

    peer.send(json).await;
    peer.send_binary(&[1, 0x1e]).await;
    peer.send(r#"2["nothing"]"#).await;
    assert_eq!(
        message(next(&mut events).await).parse::<File>().unwrap(),
        file()
    );
    message(next(&mut events).await).parse::<()>().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_arrives_whole_and_in_order() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let send = async {
        for n in 0..5000 {
            socket.emit("n", n).await.unwrap();
        }
    };
    let echo = async {
        for n in 0..5000 {
            let text = peer.text().await;
            assert_eq!(text, format!(r#"2["n",{n}]"#));
            peer.send(&text).await;
        }
    };
    let read = async {
        for n in 0..5000 {
            assert_eq!(message(next(&mut events).await).parse::<i32>().unwrap(), n);
        }
    };
    within(async { tokio::join!(send, echo, read) }).await;
}

#[tokio::test]
async fn acknowledgements_find_their_way() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let serve = async {
        peer.expect(r#"20["a"]"#).await;
        peer.expect(r#"21["b"]"#).await;
        peer.send(r#"31["second"]"#).await;
        peer.send(r#"30["first",1]"#).await;
        peer.send(r#"27["question"]"#).await;
        peer.expect(r#"37["answer"]"#).await;
    };
    let ask = async {
        let a = socket.emit_with_ack("a", (), LONG);
        let b = socket.emit_with_ack("b", (), LONG);
        let (a, b) = tokio::join!(a, b);
        assert_eq!(
            a.unwrap().parse::<(String, u8)>().unwrap(),
            ("first".into(), 1)
        );
        assert_eq!(b.unwrap().parse::<String>().unwrap(), "second");
        let mut question = message(next(&mut events).await);
        assert!(question.wants_ack());
        question.ack().unwrap().reply("answer").await.unwrap();
        assert!(question.ack().is_none());
    };
    within(async { tokio::join!(serve, ask) }).await;
}

#[tokio::test]
async fn an_acknowledgement_that_does_not_come_times_out() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let reply = socket.emit_with_ack("a", (), Duration::from_millis(5));
    assert_eq!(within(reply).await, Err(AckError::Timeout));
    peer.expect(r#"20["a"]"#).await;
}

#[tokio::test]
async fn a_dropped_acknowledgement_frees_its_place() {
    let server = Server::start().await;
    let mut limits = Limits::default();
    limits.max_pending_acks = 1;
    let (socket, _events, mut peer) = server.joined_by(server.client("").limits(limits)).await;
    for round in 0..3 {
        let mut first = Box::pin(socket.emit_with_ack("a", (), LONG));
        tokio::select! {
            reply = &mut first => panic!("{reply:?}"),
            text = peer.text() => assert_eq!(text, format!(r#"2{round}["a"]"#)),
        }
        let refused = within(socket.emit_with_ack("b", (), LONG)).await;
        assert_eq!(refused, Err(AckError::Emit(EmitError::TooManyAcks)));
        drop(first);
    }
}

#[tokio::test]
async fn what_is_dropped_before_it_was_sent_is_not_sent() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let mut dropped = Box::pin(socket.emit_with_ack("dropped", (), LONG));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(dropped.as_mut().poll(cx).is_pending());
    drop(dropped);
    socket.emit("after", ()).await.unwrap();
    peer.expect(r#"2["after"]"#).await;
}

#[tokio::test]
async fn what_the_server_would_not_take_is_refused_at_once() {
    let server = Server::start().await;
    let serve = async {
        let mut peer = server.accept_with(100).await;
        peer.expect("0").await;
        peer.send("0").await;
        peer
    };
    let (connected, mut peer) = tokio::join!(server.client("").connect(), serve);
    let (socket, _events) = connected.unwrap();
    let refused = Err(EmitError::TooLarge {
        size: 101,
        max: 100,
    });
    assert_eq!(socket.emit("x", "a".repeat(91)).await, refused);
    assert_eq!(socket.emit("x", Bytes::from(vec![0; 101])).await, refused);
    let refused = socket.emit_with_ack("x", "a".repeat(90), LONG).await;
    assert!(matches!(
        refused,
        Err(AckError::Emit(EmitError::TooLarge { .. }))
    ));
    socket.emit("x", "a".repeat(90)).await.unwrap();
    assert_eq!(peer.text().await.len(), 99);
}

#[tokio::test]
async fn the_number_of_attachments_is_limited_and_the_limit_can_be_raised() {
    let server = Server::start().await;
    let eleven = vec![Bytes::from_static(&[7]); 11];
    let (socket, _events, _peer) = server.joined().await;
    assert!(matches!(
        socket.emit("x", &eleven).await,
        Err(EmitError::Encode(_))
    ));

    let mut limits = Limits::default();
    limits.codec.max_attachments = 11;
    let client = server.client("").limits(limits);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    socket.emit("x", &eleven).await.unwrap();
    let text = peer.text().await;
    assert!(text.starts_with(r#"511-["x",["#), "{text}");
    peer.send(&text).await;
    for _ in 0..11 {
        peer.expect_binary(&[7]).await;
        peer.send_binary(&[7]).await;
    }
    assert_eq!(
        message(next(&mut events).await)
            .parse::<Vec<Bytes>>()
            .unwrap(),
        eleven
    );
}

#[tokio::test]
async fn an_acknowledgement_can_be_awaited_for_as_long_as_the_connection_lasts() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let asking = socket.emit_with_ack("a", (), Duration::MAX);
    let serve = async {
        peer.expect(r#"20["a"]"#).await;
        peer.send("30[7]").await;
    };
    let (reply, ()) = within(async { tokio::join!(asking, serve) }).await;
    assert_eq!(reply.unwrap().parse::<u8>(), Ok(7));

    let asking = socket.emit_with_ack("b", (), Duration::MAX);
    let serve = async {
        peer.expect(r#"21["b"]"#).await;
        drop(peer);
    };
    let (reply, ()) = within(async { tokio::join!(asking, serve) }).await;
    assert_eq!(reply, Err(AckError::Disconnected));
}

#[tokio::test]
async fn reserved_names_are_refused() {
    let server = Server::start().await;
    let (socket, _events, _peer) = server.joined().await;
    assert!(matches!(
        socket.emit("connect", ()).await,
        Err(EmitError::Encode(_))
    ));
    let acked = socket.emit_with_ack("disconnect", (), LONG).await;
    assert!(matches!(acked, Err(AckError::Emit(EmitError::Encode(_)))));
}
