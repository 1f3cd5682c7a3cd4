//! Who is faster than the other side waits, and nothing is lost.

use std::time::Duration;

use socketio::Retries;

use super::adversarial::until;
use super::*;

#[tokio::test]
async fn who_emits_faster_than_the_server_reads_waits() {
    const TOTAL: usize = 200;
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = sent.clone();
    let sending = tokio::spawn(async move {
        for n in 0..TOTAL {
            socket.emit("n", (n, "x".repeat(250_000))).await.unwrap();
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        socket
    });
    settle().await;
    let ahead = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(
        ahead < TOTAL / 2,
        "{ahead} events are somewhere between client and server"
    );
    for n in 0..TOTAL {
        assert!(peer.text().await.starts_with(&format!(r#"2["n",{n},"#)));
    }
    within(sending).await.unwrap();
}

#[tokio::test]
async fn who_does_not_read_events_stops_the_server_and_loses_nothing() {
    const TOTAL: usize = 2000;
    let server = Server::start().await;
    let client = server.client("").event_queue(8);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = sent.clone();
    let serving = tokio::spawn(async move {
        for n in 0..TOTAL {
            peer.send(&format!(r#"2["n",{n},"{}"]"#, "x".repeat(100_000)))
                .await;
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        peer
    });
    let queued = |events: &Events| format!("{events:?}");
    within(async {
        while queued(&events) != "Events { queued: 8, .. }" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    settle().await;
    let ahead = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(
        ahead < TOTAL / 2,
        "{ahead} events are somewhere between server and reader"
    );
    assert_eq!(queued(&events), "Events { queued: 8, .. }");
    // Sending goes on.
    socket.emit("hello", ()).await.unwrap();
    for n in 0..TOTAL {
        let (number, _): (usize, String) = message(next(&mut events).await).parse().unwrap();
        assert_eq!(number, n);
    }
    let mut peer = within(serving).await.unwrap();
    peer.expect(r#"2["hello"]"#).await;
}

/// A clock that stands still goes on by itself only when nobody has anything to do.
#[tokio::test]
async fn a_connection_that_waits_for_its_reader_does_nothing() {
    let server = Server::start().await;
    let client = server.client("").event_queue(8);
    let (_socket, events, mut peer) = server.joined_by(client).await;
    for n in 0..20 {
        peer.send(&format!(r#"2["n",{n}]"#)).await;
    }
    within(async {
        while format!("{events:?}") != "Events { queued: 8, .. }" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    tokio::time::pause();
    let never = std::future::pending::<()>();
    let waited = tokio::time::timeout(Duration::from_millis(10), never).await;
    assert!(waited.is_err());
    drop(peer);
}

#[tokio::test]
async fn dropped_events_stop_nobody() {
    let server = Server::start().await;
    let client = server.client("").event_queue(1);
    let (socket, events, mut peer) = server.joined_by(client).await;
    let serve = async {
        for n in 0..1000 {
            peer.send(&format!(r#"2["n",{n}]"#)).await;
        }
        peer.expect(r#"20["a"]"#).await;
        peer.send("30[]").await;
    };
    // It is dropped while the connection waits for it.
    let ask = async {
        settle().await;
        drop(events);
        socket.emit_with_ack("a", (), LONG).await.unwrap();
    };
    within(async { tokio::join!(serve, ask) }).await;
}

#[tokio::test]
async fn a_link_that_is_lost_while_nobody_reads_is_replaced_when_somebody_does() {
    let server = Server::start().await;
    let client = server.client("").event_queue(2);
    let (_socket, mut events, mut peer) = server.joined_by(client).await;
    for n in 0..6 {
        peer.send(&format!(r#"2["n",{n}]"#)).await;
    }
    settle().await;
    drop(peer);
    for n in 0..6 {
        assert_eq!(message(next(&mut events).await).parse::<i32>().unwrap(), n);
    }
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    let _peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

/// Serves a client that is to answer so many questions in words of its own, and then to acknowledge them.
async fn ask(mut peer: Peer, total: usize) -> Peer {
    for n in 0..total {
        peer.send(&format!(r#"2{n}["ask",{n}]"#)).await;
    }
    let (mut answers, mut acks) = (0, 0);
    while (answers, acks) != (total, total) {
        let text = peer.text().await;
        if text.starts_with(r#"2["answer","#) {
            assert_eq!(text, format!(r#"2["answer",{answers}]"#));
            answers += 1;
        } else if text.starts_with('3') {
            assert_eq!(text, format!("3{acks}[]"));
            assert_eq!(
                answers,
                acks + 1,
                "each acknowledgement comes behind its answer"
            );
            acks += 1;
        }
    }
    peer
}

/// Reads so many questions and answers each before it reads on.
async fn answer(socket: &Socket, events: &mut Events, total: usize) {
    let mut read = 0;
    while read < total {
        let Event::Message(mut message) = next(events).await else {
            continue;
        };
        assert_eq!(message.parse::<usize>().unwrap(), read);
        within(socket.emit("answer", read)).await.unwrap();
        within(message.ack().unwrap().reply(())).await.unwrap();
        read += 1;
    }
}

#[tokio::test]
async fn who_answers_each_event_before_the_next_one_does_not_wait_for_itself() {
    const TOTAL: usize = 500;
    for report in [false, true] {
        let server = Server::start().await;
        let client = server.client("").event_queue(100).report_sent(report);
        let (socket, mut events, peer) = server.joined_by(client).await;
        let serving = tokio::spawn(ask(peer, TOTAL));
        until(|| socket.stats().queued_events >= 100).await;
        answer(&socket, &mut events, TOTAL).await;
        within(serving).await.unwrap();
    }
}

/// What others emit comes first, and there is no end of it.
#[tokio::test]
async fn who_answers_each_event_does_not_wait_for_the_reports_of_others() {
    const TOTAL: usize = 100;
    let server = Server::start().await;
    let client = server.client("").event_queue(10).report_sent(true);
    let (socket, mut events, peer) = server.joined_by(client).await;
    let emitter = socket.clone();
    let emitting = tokio::spawn(async move {
        while emitter.emit("noise", ()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let serving = tokio::spawn(ask(peer, TOTAL));
    until(|| socket.stats().queued_events >= 10).await;
    settle().await;
    answer(&socket, &mut events, TOTAL).await;
    emitting.abort();
    within(serving).await.unwrap();
}

/// The connection stops reading for all its namespaces.
#[tokio::test]
async fn who_answers_in_one_namespace_does_not_wait_for_the_reader_of_another() {
    const TOTAL: usize = 100;
    let server = Server::start().await;
    let client = server.client("").event_queue(TOTAL).report_sent(true);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    let serve = async {
        peer.expect("0/b,").await;
        peer.send(r#"0/b,{"sid":"b"}"#).await;
    };
    let joining = socket.namespace("/b").event_queue(2).connect();
    let (joined, ()) = within(async { tokio::join!(joining, serve) }).await;
    let (b, b_events) = joined.unwrap();
    let serving = tokio::spawn(async move {
        for n in 0..TOTAL - 1 {
            peer.feed(&format!(r#"2{n}["ask",{n}]"#)).await;
        }
        peer.send(r#"2/b,["n"]"#).await;
        peer
    });
    until(|| socket.stats().queued_events == TOTAL - 1 && b.stats().queued_events == 2).await;
    answer(&socket, &mut events, TOTAL - 1).await;
    drop(b_events);
    within(serving).await.unwrap();
}

/// The loss is not noticed: what is emitted is taken, and lost as what is under way may be.
#[tokio::test]
async fn who_emits_into_a_lost_link_while_nobody_reads_does_not_wait() {
    const TOTAL: usize = 5_000;
    let server = Server::start().await;
    let client = server.client("").event_queue(4);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    for n in 0..4 {
        peer.send(&format!(r#"2{n}["n",{n}]"#)).await;
    }
    until(|| socket.stats().queued_events == 4).await;
    drop(peer);
    let mut read = message(next(&mut events).await);
    for n in 0..TOTAL {
        let emitting = socket.emit("lost", (n, "x".repeat(1000)));
        within(emitting).await.unwrap();
    }
    within(read.ack().unwrap().reply(())).await.unwrap();
    let mut asking = Box::pin(socket.emit_with_ack("lost", (), LONG));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(asking.as_mut().poll(cx).is_pending());
    settle().await;
    assert!(asking.as_mut().poll(cx).is_pending() && socket.is_connected());
    // What the server has sent can be read, and then it is told.
    for n in 1..4 {
        let number: usize = message(next(&mut events).await).parse().unwrap();
        assert_eq!(number, n);
    }
    let lost = next(&mut events).await;
    assert!(
        matches!(
            lost,
            Event::Disconnected {
                retry_in: Some(_),
                ..
            }
        ),
        "{lost:?}"
    );
    assert_eq!(within(asking).await, Err(AckError::Disconnected));
    let _peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

/// The acknowledgement is not read before the events are, but there is an end of waiting for it.
#[tokio::test]
async fn who_awaits_acknowledgements_between_events_does_not_wait_for_ever() {
    const TOTAL: usize = 20;
    let server = Server::start().await;
    let mut retries = Retries::default();
    (retries.max, retries.timeout) = (1, Duration::from_millis(20));
    let client = server.client("").event_queue(4).retries(retries);
    let (socket, mut events, mut peer) = server.joined_by(client).await;
    for n in 0..TOTAL {
        peer.send(&format!(r#"2["n",{n}]"#)).await;
    }
    until(|| socket.stats().queued_events == 4).await;
    let serving = tokio::spawn(async move {
        while let Some(text) = peer.any_text().await {
            let id = text
                .strip_prefix('2')
                .and_then(|text| text.split('[').next());
            peer.send(&format!("3{}[]", id.unwrap())).await;
        }
    });
    for n in 0..TOTAL {
        let number: usize = message(next(&mut events).await).parse().unwrap();
        assert_eq!(number, n);
        let outcome = within(socket.emit("answer", n)).await;
        let is_told = matches!(outcome, Ok(()) | Err(EmitError::NotAcknowledged));
        assert!(is_told && (n > 0 || outcome.is_err()), "{n}: {outcome:?}");
    }
    serving.abort();
}

/// The id is the server's choice, and each connection brings one more.
#[tokio::test]
async fn the_id_of_a_connection_counts_among_the_bytes_that_nobody_has_read() {
    const SIZE: usize = 100_000;
    let server = Server::start().await;
    let client = server.client("");
    let serve = async {
        let mut peer = server.accept().await;
        peer.expect("0").await;
        peer.send(&format!(r#"0{{"sid":"{}"}}"#, "s".repeat(SIZE)))
            .await;
        peer
    };
    let (connected, _peer) = within(async { tokio::join!(client.connect(), serve) }).await;
    let (socket, mut events) = connected.unwrap();
    assert_eq!(socket.stats().queued_bytes, SIZE);
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert_eq!(socket.stats().queued_bytes, 0);
}
