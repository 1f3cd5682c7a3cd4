//! Odd servers and careless programs.

use super::*;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn emits_behind_a_disconnect_fail_at_once_even_while_nobody_reads_the_events() {
    let server = Server::start().await;
    let client = server.client("").event_queue(1);
    let (socket, events, mut peer) = server.joined_by(client).await;
    for n in 0..10 {
        peer.send(&format!(r#"2["n",{n}]"#)).await;
    }
    until(|| format!("{events:?}") == "Events { queued: 1, .. }").await;
    let serve = async {
        peer.expect("1").await;
        peer.expect_close().await;
    };
    within(async { tokio::join!(socket.disconnect(), serve) }).await;
    for _ in 0..100 {
        let emitted = within(socket.emit("x", ())).await;
        assert_eq!(emitted, Err(EmitError::Disconnected));
    }
    let asked = within(socket.emit_with_ack("x", (), LONG)).await;
    assert_eq!(asked, Err(AckError::Disconnected));
}

/// One polling response holds more events than the queue, and the server's DISCONNECT. Who answers each event from the
/// loop that reads them must come to its end.
#[tokio::test]
async fn a_reader_that_emits_is_not_stuck_behind_the_server_s_disconnect() {
    let server = Server::start().await;
    let client = server
        .client("")
        .transports([Transport::Polling])
        .event_queue(1);
    let mut burst = vec![String::from(r#"40{"sid":"s1"}"#)];
    burst.extend((0..100).map(|n| format!(r#"42["n",{n}]"#)));
    burst.push("41".into());
    let burst = burst.join("\u{1e}");
    let bodies = [burst.as_str(), "6"];
    let serve = server.serve_polling_session(&bodies);
    let read = async {
        let (socket, mut events) = client.connect().await.unwrap();
        let mut count = 0;
        while let Some(event) = events.next().await {
            count += usize::from(matches!(event, Event::Message(_)));
            socket.emit("echo", count).await.ok();
        }
        assert_eq!(count, 100);
    };
    within(async {
        tokio::select! {
            () = read => {}
            () = async { serve.await; std::future::pending().await } => {}
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_ends_though_others_emit_without_pause() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let serving = tokio::spawn(async move { peer.expect_end().await });
    let emitters: Vec<_> = (0..4)
        .map(|_| {
            let socket = socket.clone();
            tokio::spawn(async move { while socket.emit("x", "y").await.is_ok() {} })
        })
        .collect();
    tokio::task::yield_now().await;
    within(socket.disconnect()).await;
    for emitter in emitters {
        within(emitter).await.unwrap();
    }
    within(serving).await.unwrap();
}

/// The server takes messages, but never all of them: there is always something of the other namespace under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_one_namespace_does_not_wait_for_another_one_to_fall_silent() {
    let server = Server::start().await;
    let (root, root_events, mut peer) = server.joined().await;
    let serve = async {
        peer.expect("0/a,").await;
        peer.send(r#"0/a,{"sid":"a1"}"#).await;
    };
    let joining = root.namespace("/a");
    let (joined, ()) = within(async { tokio::join!(joining.connect(), serve) }).await;
    let (other, other_events) = joined.unwrap();
    let flooding: Vec<_> = (0..8)
        .map(|_| {
            let root = root.clone();
            tokio::spawn(async move { while root.emit("x", "y".repeat(1000)).await.is_ok() {} })
        })
        .collect();
    // The flood is on.
    for _ in 0..1000 {
        assert!(peer.text().await.starts_with("2["));
    }
    let mut leaving = tokio::spawn(async move { other.disconnect().await });
    let mut behind = None;
    within(async {
        loop {
            tokio::select! {
                biased;
                left = &mut leaving => break left.unwrap(),
                text = peer.text() => match &mut behind {
                    None if text == "1/a," => behind = Some(0),
                    None => {}
                    Some(behind) => {
                        *behind += 1;
                        assert!(*behind < 20_000, "the server was told long ago");
                    }
                },
            }
        }
    })
    .await;
    let serving = tokio::spawn(async move { peer.expect_end().await });
    within(root.disconnect()).await;
    for flood in flooding {
        within(flood).await.unwrap();
    }
    drop((other_events, root_events));
    within(serving).await.unwrap();
}

#[tokio::test]
async fn credentials_that_the_server_would_not_take_cost_nobody_the_connection() {
    let server = Server::start().await;
    let (root, mut events, mut peer) = server.joined().await;
    let auth = serde_json::json!({"token": "x".repeat(2_000_000)});
    let joining = root.namespace("/a").auth(auth).connect();
    let error = within(joining).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::AuthTooLarge { size, max: 1_000_000 } if size > 2_000_000),
        "{error:?}"
    );
    root.emit("alive", ()).await.unwrap();
    peer.expect(r#"2["alive"]"#).await;
    peer.send(r#"2["alive"]"#).await;
    assert_eq!(message(next(&mut events).await).name(), "alive");
}

/// Base64 makes it a third larger, and a new connection starts with polling.
#[tokio::test]
async fn what_the_next_connection_would_refuse_is_refused_at_once() {
    let server = Server::start().await;
    let client = server.client("");
    let (socket, mut events, peer) = server.joined_by(client).await;
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    // Larger than the last connection took: nobody knows better.
    let emitted = socket.emit("x", Bytes::from(vec![0; 2_000_000])).await;
    assert!(matches!(emitted, Err(EmitError::TooLarge { .. })));
}

/// Polls a future `polls` times with a pause in between, and drops it.
async fn poll_and_drop<F: Future>(future: F, polls: usize) {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let ready = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx)));
        if ready.await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// The server answers everything, as far as the client lets it.
async fn serve_anything(server: &Server) {
    let mut peer = server.accept().await;
    while let Some(text) = peer.any_text().await {
        let namespace = if text.contains("/a,") { "/a," } else { "" };
        let body = text.get(1..).unwrap_or_default().trim_start_matches("/a,");
        let digits: String = body.chars().take_while(char::is_ascii_digit).collect();
        let answer = match text.chars().next() {
            Some('0') => format!(r#"0{namespace}{{"sid":"s"}}"#),
            Some('2') if !digits.is_empty() => format!("3{namespace}{digits}[]"),
            _ => continue,
        };
        if !peer.try_send(&answer).await {
            break;
        }
    }
}

#[tokio::test]
async fn a_future_that_is_dropped_anywhere_leaves_nothing_behind() {
    let server = Arc::new(Server::start().await);
    let serving = tokio::spawn({
        let server = server.clone();
        async move {
            let mut sessions = tokio::task::JoinSet::new();
            loop {
                let server = server.clone();
                // One after the other: each client is gone before the next one comes.
                sessions.spawn(async move { serve_anything(&server).await });
                sessions.join_next().await;
            }
        }
    });
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    until(|| tasks() == 2).await;
    let provided = |client: Builder| {
        let auth = |_| async {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(serde_json::json!({}))
        };
        let dial = |_| async {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(socketio::Dial::new())
        };
        client.auth_provider(auth).provider(dial)
    };
    for kind in 0..10 {
        for polls in 0..40 {
            let mut client = server.client("");
            if kind == 5 {
                client = client.retries(socketio::Retries::default());
            }
            if kind == 0 {
                poll_and_drop(client.connect(), polls).await;
            } else if kind == 8 {
                poll_and_drop(provided(client).connect(), polls).await;
            } else if kind == 9 {
                let handles = provided(client).connect_in_background().unwrap();
                handles.0.try_emit("early", ()).unwrap();
                poll_and_drop(std::future::pending::<()>(), polls).await;
                drop(handles);
            } else {
                let (socket, events) = within(client.connect()).await.unwrap();
                match kind {
                    5 => poll_and_drop(socket.emit("x", polls), polls).await,
                    6 => poll_and_drop(socket.emit_timeout("x", polls, LONG), polls).await,
                    7 => {
                        let event = socketio::codec::Event::new("x", &polls).unwrap();
                        let mut sink = socket.sink();
                        poll_and_drop(futures_util::SinkExt::send(&mut sink, event), polls).await;
                    }
                    1 => poll_and_drop(socket.emit("x", polls), polls).await,
                    2 => poll_and_drop(socket.emit_with_ack("x", (), LONG), polls).await,
                    3 => poll_and_drop(socket.disconnect(), polls).await,
                    _ => poll_and_drop(socket.namespace("/a").connect(), polls).await,
                }
                if polls % 2 == 0 {
                    // Nothing is awaited any more, and nothing is buffered.
                    until(|| socket.stats().pending_acks == 0).await;
                    assert!(kind != 5 || socket.stats().unsent_events == 0);
                }
                drop((socket, events));
            }
            // The server's two tasks, and none of the client's.
            until(|| tasks() <= 2).await;
        }
    }
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_events_arrive_in_order_by_a_slow_reader() {
    const TOTAL: usize = 200_000;
    let server = Server::start().await;
    let (_socket, mut events, mut peer) = server.joined().await;
    let serving = tokio::spawn(async move {
        for n in 0..TOTAL {
            peer.feed(&format!(r#"2["n",{n}]"#)).await;
        }
        peer.send("1").await;
        peer.expect_end().await;
    });
    for n in 0..TOTAL {
        let event = next(&mut events).await;
        assert_eq!(message(event).parse::<usize>().unwrap(), n);
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected {
            reason: DisconnectReason::ServerDisconnect,
            retry_in: None
        }
    ));
    within(serving).await.unwrap();
}

#[tokio::test]
async fn attachments_at_the_edges() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let many = |n: u8| {
        (0..n)
            .map(|b| Bytes::from(vec![0x1e, b]))
            .collect::<Vec<_>>()
    };
    let placeholders: Vec<_> = (0..10)
        .map(|n| format!(r#"{{"_placeholder":true,"num":{n}}}"#))
        .collect();
    let ten = format!(r#"510-["ten",[{}]]"#, placeholders.join(","));

    socket.emit("ten", (many(10),)).await.unwrap();
    peer.expect(&ten).await;
    for n in 0..10 {
        peer.expect_binary(&[0x1e, n]).await;
    }
    assert!(matches!(
        socket.emit("eleven", (many(11),)).await,
        Err(EmitError::Encode(_))
    ));
    socket.emit("empty", Bytes::new()).await.unwrap();
    peer.expect(r#"51-["empty",{"_placeholder":true,"num":0}]"#)
        .await;
    peer.expect_binary(&[]).await;

    peer.send(&ten).await;
    for bytes in [[0x1e_u8; 1]; 10] {
        peer.send_binary(Box::leak(Box::new(bytes))).await;
    }
    let received = message(next(&mut events).await);
    assert_eq!(
        received.parse::<Vec<Bytes>>().unwrap(),
        vec![Bytes::from_static(&[0x1e]); 10]
    );
    peer.send(r#"51-["empty",{"_placeholder":true,"num":0}]"#)
        .await;
    peer.send_binary(&[]).await;
    let empty = message(next(&mut events).await);
    assert_eq!(empty.parse::<Bytes>().unwrap(), Bytes::new());
    peer.send(r#"511-["eleven"]"#).await;
    peer.expect_close().await;
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected {
            reason: DisconnectReason::Decode(_),
            retry_in: Some(_)
        }
    ));
}

#[tokio::test]
async fn any_name_but_the_reserved_ones_is_only_a_name() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    for name in [
        "close",
        "error",
        "open",
        "message",
        "ping",
        "connection",
        "__proto__",
        "",
        "1",
        "\u{1e}",
        "\"",
        "é€😀",
    ] {
        let text = format!("2[{}]", serde_json::to_string(name).unwrap());
        socket.emit(name, ()).await.unwrap();
        peer.expect(&text).await;
        peer.send(&text).await;
        let received = message(next(&mut events).await);
        assert_eq!(received.name(), name);
        received.parse::<()>().unwrap();
        assert!(received.parse::<Option<String>>().unwrap().is_none());
    }
    for name in ["connect", "connect_error", "disconnect", "disconnecting"] {
        let emitted = socket.emit(name, ()).await;
        assert!(matches!(emitted, Err(EmitError::Encode(_))), "{name}");
    }
}

/// Whatever the server says of namespaces, acknowledgements and connections that do not exist is ignored.
#[tokio::test]
async fn talk_of_what_does_not_exist_is_ignored() {
    let server = Server::start().await;
    let (_socket, mut events, mut peer) = server.joined().await;
    for n in 0..1000 {
        for text in [
            format!(r#"2/n{n},["x"]"#),
            format!(r#"0/n{n},{{"sid":"x"}}"#),
            format!("1/n{n},"),
            format!(r#"4/n{n},{{"message":"x"}}"#),
            format!("3{n}[]"),
            "318446744073709551615[]".into(),
            r#"0{"sid":"again"}"#.into(),
        ] {
            peer.feed(&text).await;
        }
    }
    peer.send(r#"2["end"]"#).await;
    assert_eq!(message(next(&mut events).await).name(), "end");
}

#[test]
fn handles_work_on_any_thread() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (socket, events, serving) = runtime.block_on(async {
        let server = Server::start().await;
        let (socket, events, mut peer) = server.joined().await;
        let serving = tokio::spawn(async move {
            peer.expect(r#"2["x"]"#).await;
            peer.expect(r#"20["y"]"#).await;
            peer.send("30[1]").await;
            // The last event, if it left within its time; else it was taken back.
            peer.expect_end().await;
        });
        (socket, events, serving)
    });
    // A plain thread, without a runtime.
    futures_util_block_on(async {
        socket.emit("x", ()).await.unwrap();
        let reply = socket.emit_with_ack("y", (), LONG).await.unwrap();
        assert_eq!(reply.parse::<u8>().unwrap(), 1);
        let reply = socket
            .emit_with_ack("z", (), Duration::from_millis(1))
            .await;
        assert_eq!(reply, Err(AckError::Timeout));
        socket.disconnect().await;
    });
    drop((socket, events));
    runtime.block_on(async { within(serving).await.unwrap() });
}

/// A minimal executor of no library.
fn futures_util_block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// With one large event after another the queue is full long before its number of items is reached.
#[tokio::test]
async fn unread_events_are_bounded_in_bytes() {
    let server = Server::start().await;
    let (_socket, mut events, mut peer) = server.joined().await;
    const TOTAL: usize = 300;
    let sent = Arc::new(AtomicUsize::new(0));
    let serving = tokio::spawn({
        let sent = sent.clone();
        async move {
            let text = format!(r#"2["n","{}"]"#, "x".repeat(1_000_000));
            for _ in 0..TOTAL {
                peer.send(&text).await;
                sent.fetch_add(1, Ordering::SeqCst);
            }
            peer
        }
    });
    let mut last = 0;
    let mut still = 0;
    // Until nothing moves any more.
    while still < 20_000 {
        tokio::task::yield_now().await;
        let now = sent.load(Ordering::SeqCst);
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
    assert!(
        last < TOTAL / 2,
        "{last} MB are held for a reader that does not read"
    );
    for _ in 0..TOTAL {
        message(next(&mut events).await);
    }
    within(serving).await.unwrap();
}

/// Who reads the events emits more, between two of them, than waits without a connection.
#[tokio::test]
async fn a_reader_that_emits_is_not_stuck_without_a_connection() {
    const TOTAL: usize = 2000;
    let server = Server::start().await;
    let client = server.client("").event_queue(1);
    let (socket, mut events, peer) = server.joined_by(client).await;
    drop(peer);
    until(|| format!("{events:?}") == "Events { queued: 1, .. }").await;
    let emit = async {
        for n in 0..TOTAL {
            socket.emit("n", n).await.unwrap();
        }
    };
    let serve = async {
        let mut peer = server.rejoined().await;
        for n in 0..TOTAL {
            peer.expect(&format!(r#"2["n",{n}]"#)).await;
        }
        peer
    };
    let ((), mut peer) = within(async { tokio::join!(emit, serve) }).await;
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    peer.send(r#"2["still here"]"#).await;
    assert_eq!(message(next(&mut events).await).name(), "still here");
}

#[tokio::test]
async fn failed_attempts_that_nobody_reads_about_neither_pile_up_nor_end() {
    let server = Server::start().await;
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_millis(1);
    reconnection.max_delay = Duration::from_millis(1);
    let client = server.client("").event_queue(4).reconnection(reconnection);
    let (_socket, mut events, peer) = server.joined_by(client).await;
    drop(peer);
    for _ in 0..50 {
        drop(server.accept().await);
    }
    let mut peer = server.rejoined().await;
    until(|| format!("{events:?}") == "Events { queued: 5, .. }").await;
    let mut told = 0;
    loop {
        match next(&mut events).await {
            Event::Connected(_) => break,
            Event::Disconnected { .. } | Event::ConnectError { .. } => told += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 4);
    peer.send(r#"2["still here"]"#).await;
    assert_eq!(message(next(&mut events).await).name(), "still here");
}
