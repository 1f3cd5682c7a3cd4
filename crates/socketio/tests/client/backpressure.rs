//! Who is faster than the other side waits, and nothing is lost.

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
