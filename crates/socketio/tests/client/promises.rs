//! Promises where several rules meet: that everybody is told, that everything ends.

use std::pin::Pin;

use futures_util::{FutureExt, Sink};
use socketio::{Overflow, Retries};

use super::adversarial::until;
use super::*;

fn event(name: &str) -> socketio::codec::Event {
    socketio::codec::Event::new(name, &()).unwrap()
}

/// The server says nothing more that could wake anybody.
#[tokio::test]
async fn an_overflow_is_told_to_the_server_at_once() {
    let server = Server::start().await;
    let client = server
        .client("")
        .event_queue(3)
        .overflow(Overflow::Disconnect)
        .retries(Retries::default());
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    let emitting = tokio::spawn(async move { socket.emit("a", ()).await });
    assert!(peer.text().await.ends_with(r#"["a"]"#));
    for n in 0..2 {
        peer.feed(&format!(r#"2["n",{n}]"#)).await;
    }
    peer.send(r#"2["n",2]"#).await;
    peer.expect("1").await;
    peer.expect_close().await;
    assert_eq!(
        within(emitting).await.unwrap(),
        Err(EmitError::Disconnected)
    );
    while !next(&mut events).await.is_final() {}
    drop((events, peer));
    no_tasks_left().await;
}

#[tokio::test]
async fn what_cannot_be_joined_in_the_background_is_told_with_what_was_emitted_there() {
    let server = Server::start().await;
    let (root, _events, _peer) = server.joined().await;
    let again = || root.namespace("/").connect_in_background();
    let no_object = || server.client("").auth("token").connect_in_background();
    let joins: [(&dyn Fn() -> _, _); 2] = [
        (&again, ConnectError::NamespaceInUse),
        (&no_object, ConnectError::AuthNotAnObject),
    ];
    for (join, expected) in joins {
        let (socket, mut events) = join().unwrap();
        socket.try_emit("a", ()).unwrap();
        socket.try_emit("b", ()).unwrap();
        let unsent = Event::Unsent {
            events: 2,
            error: EmitError::Disconnected,
        };
        assert_eq!(next(&mut events).await, unsent);
        let last = Event::ConnectError {
            error: expected,
            retry_in: None,
        };
        assert_eq!(next(&mut events).await, last);
        assert_eq!(within(events.next()).await, None);
    }
}

#[tokio::test]
async fn a_sink_that_was_ready_before_the_end_takes_nothing_behind_it() {
    let server = Server::start().await;
    let (socket, mut events, mut peer) = server.joined().await;
    let mut sink = socket.sink();
    let ready = std::future::poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx));
    within(ready).await.unwrap();
    peer.send("1").await;
    assert!(next(&mut events).await.is_final());
    assert_eq!(within(events.next()).await, None);
    let taken = Pin::new(&mut sink).start_send(event("late"));
    assert_eq!(taken, Err(EmitError::Disconnected));
}

#[tokio::test]
async fn the_end_leaves_no_numbers_behind() {
    let server = Server::start().await;
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = LONG;
    reconnection.max_delay = LONG;
    let client = server.client("").reconnection(reconnection);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    peer.send(r#"2["unread"]"#).await;
    until(|| socket.stats().queued_events == 1).await;
    drop(peer);
    until(|| !socket.is_connected()).await;
    socket.try_emit("a", ()).unwrap();
    until(|| socket.stats().unsent_events == 1).await;
    within(socket.disconnect()).await;
    while !next(&mut events).await.is_final() {}
    let stats = socket.stats();
    assert_eq!((stats.unsent_events, stats.unsent_bytes), (0, 0));
    assert_eq!((stats.queued_events, stats.queued_bytes), (0, 0));

    let (socket, events, mut peer) = server.joined().await;
    peer.send(r#"2["unread"]"#).await;
    until(|| socket.stats().queued_events == 1).await;
    drop(events);
    let stats = socket.stats();
    assert_eq!((stats.queued_events, stats.queued_bytes), (0, 0));
}

#[test]
fn handles_outlive_their_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (socket, mut events, asking, _peer) = runtime.block_on(async {
        let server = Server::start().await;
        let (socket, events, mut peer) = server.joined().await;
        let mut asking = Box::pin({
            let socket = socket.clone();
            async move { socket.emit_with_ack("a", (), LONG).await }
        });
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(asking.as_mut().poll(cx).is_pending());
        peer.expect(r#"20["a"]"#).await;
        (socket, events, asking, peer)
    });
    drop(runtime);
    async {
        assert_eq!(asking.await, Err(AckError::Disconnected));
        assert!(!socket.is_connected());
        assert_eq!(socket.id(), None);
        assert_eq!(socket.emit("a", ()).await, Err(EmitError::Disconnected));
        assert_eq!(socket.try_emit("a", ()), Err(EmitError::Disconnected));
        assert!(socket.emit_volatile("a", ()).is_err());
        assert_eq!(
            socket.emit_timeout("a", (), LONG).await,
            Err(EmitError::Disconnected)
        );
        assert_eq!(
            socket.emit_with_ack("a", (), LONG).await,
            Err(AckError::Disconnected)
        );
        socket.disconnect().await;
        assert_eq!(
            socket.namespace("/a").connect().await.unwrap_err(),
            ConnectError::Closed
        );
        assert_eq!(events.next().await, None);
        assert_eq!(events.next().await, None);
    }
    .now_or_never()
    .unwrap();
}

/// The connection stops reading; what it waits for must be known all the same to who does not read for that reason.
#[tokio::test]
async fn a_reader_that_joins_another_namespace_is_not_stuck() {
    let server = Server::start().await;
    let client = server
        .client("")
        .event_queue(1)
        .connect_timeout(Duration::from_millis(50));
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    for n in 0..3 {
        peer.send(&format!(r#"2["n",{n}]"#)).await;
    }
    until(|| socket.stats().queued_events == 1).await;
    settle().await;
    let joined = within(socket.namespace("/a").connect()).await;
    assert_eq!(joined.unwrap_err(), ConnectError::Timeout);
    let provider = |_| async { Err::<(), _>(std::io::Error::other("no token")) };
    let joined = within(socket.namespace("/b").auth_provider(provider).connect()).await;
    assert!(matches!(joined, Err(ConnectError::Provider(_))));
    for n in 0..3 {
        let event = next(&mut events).await;
        assert_eq!(message(event).parse::<i32>().unwrap(), n);
    }
}

/// In an attempt that nobody waits for, what comes is bounded as well.
#[tokio::test]
async fn failures_of_a_provider_that_nobody_reads_about_do_not_pile_up() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let server = Server::start().await;
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::ZERO;
    reconnection.retry_on_initial_connect = true;
    let client = server.client("").event_queue(1).reconnection(reconnection);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    let asked = Arc::new(AtomicUsize::new(0));
    peer.send(r#"2["n"]"#).await;
    until(|| socket.stats().queued_events == 1).await;
    settle().await;
    let provider = {
        let asked = asked.clone();
        move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Err::<(), _>(std::io::Error::other("no token")) }
        }
    };
    let joining = socket.namespace("/b").auth_provider(provider);
    let (_b, mut b_events) = joining.connect_in_background().unwrap();
    for _ in 0..100 {
        settle().await;
    }
    let times = asked.load(Ordering::SeqCst);
    assert!(times < 10, "asked {times} times");
    message(next(&mut events).await);
    assert!(matches!(
        next(&mut b_events).await,
        Event::ConnectError {
            retry_in: Some(_),
            ..
        }
    ));
}

/// The connection becomes busy with the first of them, and the server reads late.
#[tokio::test]
async fn volatile_events_do_not_wait_for_each_other() {
    let server = Server::start().await;
    let serve = async {
        let mut peer = server.accept_with(10_000_000).await;
        peer.expect("0").await;
        peer.send(r#"0{"sid":"s1"}"#).await;
        peer
    };
    let (connected, mut peer) = tokio::join!(server.client("").connect(), serve);
    let (socket, mut events) = connected.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    let large = "x".repeat(5_000_000);
    let accepted = (0..20).filter(|n| socket.emit_volatile("n", (n, &large)).is_ok());
    let accepted = accepted.count() as u64;
    settle().await;
    let reading = async {
        let mut read = 0;
        while peer.text().await != r#"2["end"]"# {
            read += 1;
        }
        read
    };
    let ((), read) =
        within(async { tokio::join!(async { socket.emit("end", ()).await.unwrap() }, reading) })
            .await;
    let mut dropped = 0;
    while let Some(Some(event)) = events.next().now_or_never() {
        match event {
            Event::Unsent {
                events,
                error: EmitError::NotWritable,
            } => dropped += events,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read + dropped, accepted);
    assert!(dropped > 0);
}

/// Several tasks emit in a namespace, each in its own way, while the server puts them out of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_emitted_while_the_namespace_ends_is_sent_refused_or_told() {
    const ROUNDS: usize = 2_000;
    let server = Server::start().await;
    let (root, mut root_events, mut peer) = server.joined().await;
    let serving = tokio::spawn(async move {
        for round in 0..ROUNDS {
            let (connect, name) = (format!("0/{round},"), format!("/{round},"));
            let mut seen = 0;
            loop {
                let text = peer.text().await;
                if text == connect {
                    peer.send(&format!(r#"0{name}{{"sid":"n"}}"#)).await;
                } else if text.starts_with(r#"2["count""#) {
                    peer.send(&format!(r#"2["seen",{seen}]"#)).await;
                    break;
                } else if text.starts_with(&format!("2{name}")) {
                    seen += 1;
                    if seen == 1 + round % 20 {
                        peer.send(&format!("1{name}")).await;
                    }
                }
            }
        }
    });
    for round in 0..ROUNDS {
        let joining = root.namespace(&format!("/{round}")).connect();
        let (socket, mut events) = within(joining).await.unwrap();
        let emit = |way: usize| {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut sent = 0;
                while socket.is_active() {
                    let taken = match way {
                        0 => socket.emit("e", ()).await,
                        1 => socket.try_emit("e", ()),
                        _ => socket.emit_timeout("e", (), LONG).await,
                    };
                    sent += u64::from(taken.is_ok());
                    tokio::task::yield_now().await;
                }
                sent
            })
        };
        let emitting = futures_util::future::join_all((0..3).map(emit));
        let mut unsent = 0;
        while let Some(event) = within(events.next()).await {
            if let Event::Unsent { events, .. } = event {
                unsent += events;
            }
        }
        let accepted: u64 = within(emitting).await.into_iter().map(Result::unwrap).sum();
        root.emit("count", ()).await.unwrap();
        let seen: u64 = message(next(&mut root_events).await).parse().unwrap();
        assert_eq!(accepted, seen + unsent, "round {round}: {unsent} unsent");
    }
    within(serving).await.unwrap();
}
