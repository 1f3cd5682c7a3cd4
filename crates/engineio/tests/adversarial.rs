//! What a hostile or merely odd server can do to a client, tried on both transports and across the upgrade.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod common;

use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use common::*;
use engineio::client::now;
use engineio::{
    Action, CloseReason, Config, Connection, Event, Frame, Input, Message, ProtocolError, Response,
    Transport, TransportErrorKind, UpgradeError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;

/// Writes `chunk` over and over, until `total` bytes have gone out or the client has hung up: whether it all went out.
async fn flood(stream: &mut (impl AsyncWriteExt + Unpin), chunk: &[u8], total: usize) -> bool {
    let mut left = total;
    while left > 0 {
        if stream.write_all(chunk).await.is_err() {
            return false;
        }
        left = left.saturating_sub(chunk.len());
    }
    true
}

// The state machine alone.

fn actions(connection: &mut Connection) -> Vec<Action> {
    std::iter::from_fn(|| connection.poll_action()).collect()
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

fn ok(body: &str) -> Input {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Input::GetDone(Ok(Response::new(200, body)))
}

fn text_frame(packet: &str) -> Input {
    Input::Frame(Frame::Text(packet.into()))
}

/// A session of the state machine that is open on this transport, with all that it wanted done.
fn opened(transport: Transport) -> Connection {
    let mut connection = Connection::new(config(&[transport]), now());
    drop(actions(&mut connection));
    if transport == Transport::WebSocket {
        connection.handle_input(now(), Input::WebSocketOpened);
        connection.handle_input(now(), text_frame(&usual_open()));
    } else {
        connection.handle_input(now(), ok(&usual_open()));
    }
    assert!(connection.is_open());
    drop(actions(&mut connection));
    drop(events(&mut connection));
    connection
}

/// `Duration::MAX` is how people write "no limit".
#[test]
fn a_limit_of_time_beyond_the_clock_is_no_panic() {
    let changes: [fn(&mut Config); 4] = [
        |config| config.handshake_timeout = Duration::MAX,
        |config| config.probe_timeout = Duration::MAX,
        |config| config.request_timeout = Duration::MAX,
        |config| config.close_timeout = Duration::MAX,
    ];
    for change in changes {
        let mut config = config(BOTH);
        change(&mut config);
        let mut connection = Connection::new(config, now());
        connection.handle_input(now(), ok(&usual_open()));
        connection.handle_input(now(), Input::WebSocketOpened);
        connection.send(now(), "x".into()).unwrap();
        connection.handle_input(now(), text_frame("3probe"));
        connection.close(now());
        connection.handle_timeout(now());
        assert!(!connection.is_closed());
    }
}

/// A server that pings and does not read: the answers must not pile up behind the full socket.
#[test]
fn any_number_of_pings_waits_for_one_answer() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let mut connection = opened(transport);
        // The socket is full (or the POST unanswered): no action is taken away.
        for _ in 0..10_000 {
            connection.handle_input(
                now(),
                match transport {
                    Transport::WebSocket => text_frame("2"),
                    _ => ok("2"),
                },
            );
        }
        assert!(
            connection.unsent_bytes() <= 2,
            "{transport}: {} bytes of pongs wait",
            connection.unsent_bytes()
        );
    }
}

/// In revision 3 the client pings: at an interval of nothing, once for each answer. A server that answers what it has not
/// read, and never reads, must not make pings pile up.
#[test]
fn any_number_of_pongs_makes_one_ping_wait() {
    for transport in [Transport::WebSocket, Transport::Polling] {
        let mut config = config(&[transport]);
        config.version = engineio::Version::V3;
        let mut connection = Connection::new(config, now());
        drop(actions(&mut connection));
        let open = open(0, 20_000);
        match transport {
            Transport::WebSocket => {
                connection.handle_input(now(), Input::WebSocketOpened);
                connection.handle_input(now(), text_frame(&open));
            }
            _ => connection.handle_input(now(), ok(&format!("{}:{open}", open.len()))),
        }
        assert!(connection.is_open());
        drop(actions(&mut connection));
        for _ in 0..10_000 {
            connection.handle_timeout(now());
            connection.handle_input(
                now(),
                match transport {
                    Transport::WebSocket => text_frame("3"),
                    _ => ok("1:3"),
                },
            );
        }
        assert!(connection.is_open());
        assert!(
            connection.unsent_bytes() <= 2,
            "{transport}: {} bytes of pings wait",
            connection.unsent_bytes()
        );
    }
}

/// On a WebSocket a frame behind the close is a protocol error of this side, and the failed write would cut the closing
/// handshake short, with whatever the server still had to say.
#[test]
fn a_ping_during_the_close_of_a_websocket_is_not_answered_behind_it() {
    let mut connection = opened(Transport::WebSocket);
    connection.close(now());
    connection.handle_input(now(), text_frame("2"));
    assert_eq!(actions(&mut connection), [Action::CloseWebSocket]);
}

/// The session is no more by then; the POST would be refused as one for an unknown session.
#[test]
fn a_ping_during_the_close_by_polling_is_not_answered_behind_it() {
    let mut connection = opened(Transport::Polling);
    connection.close(now());
    let [Action::Post(_, body)] = &actions(&mut connection)[..] else {
        panic!()
    };
    assert_eq!(body, "1");
    connection.handle_input(now(), ok("2"));
    let body = Bytes::from_static(b"ok");
    let posted = Response::new(200, body);
    connection.handle_input(now(), Input::PostDone(Ok(posted)));
    assert_eq!(actions(&mut connection), []);
    assert_eq!(events(&mut connection), [Event::Closed(CloseReason::Local)]);
}

/// A second handshake must not move the session elsewhere: the reference client would run it again.
#[test]
fn a_second_handshake_changes_nothing() {
    let mut connection = opened(Transport::Polling);
    let before = connection.poll_timeout();
    let other = open(1, 1).replace("SESSION", "OTHER");
    connection.handle_input(now(), ok(&format!("{other}\x1e4a")));
    assert_eq!(
        events(&mut connection),
        [Event::Message(Message::from("a"))]
    );
    assert_eq!(connection.poll_timeout(), before);
    let [Action::Get(target)] = &actions(&mut connection)[..] else {
        panic!()
    };
    assert_eq!(target.sid.as_ref().unwrap().expose(), "SESSION");
}

#[test]
fn only_the_exact_probe_answer_upgrades() {
    for answer in [
        Input::Frame(Frame::Binary(Bytes::from_static(b"3probe"))),
        text_frame("3probe\n"),
        text_frame("3probe\x1e6"),
        text_frame("2probe"),
        text_frame("3"),
        text_frame("bM3Byb2Jl"),
        text_frame("5"),
        text_frame(""),
    ] {
        let mut connection = Connection::new(config(BOTH), now());
        connection.handle_input(now(), ok(&usual_open()));
        connection.handle_input(now(), Input::WebSocketOpened);
        connection.handle_input(now(), answer.clone());
        let events = events(&mut connection);
        assert!(
            matches!(
                &events[..],
                [
                    Event::Opened { .. },
                    Event::UpgradeFailed(UpgradeError::WrongAnswer)
                ]
            ),
            "{answer:?}: {events:?}"
        );
        assert!(connection.is_open());
    }
}

/// Heartbeats at the edges of what a handshake can say.
#[test]
fn a_heartbeat_of_nothing_ends_the_session_and_one_of_ages_does_not_panic() {
    for (interval, timeout, alive) in [(0, 0, false), (u64::MAX, u64::MAX, true), (0, 1000, true)] {
        let start = now();
        let mut connection = Connection::new(config(POLLING), start);
        connection.handle_input(start, ok(&open(interval, timeout)));
        connection.handle_timeout(start);
        assert_eq!(connection.is_open(), alive, "{interval} {timeout}");
        assert!(alive || connection.poll_timeout().is_none());
    }
}

/// The text of an auth payload, of the session id and of the query must not reach a log by way of `{:?}`.
#[test]
fn debug_shows_no_secret_that_is_on_its_way() {
    let secret = r#"40{"token":"TOKEN"}"#;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut connection = opened(transport);
        connection.send(now(), secret.into()).unwrap();
        connection.send(now(), secret.into()).unwrap();
        let shown = format!("{connection:?}");
        assert!(!shown.contains("TOKEN"), "{transport} connection: {shown}");
        for action in actions(&mut connection) {
            let shown = format!("{action:?}");
            assert!(!shown.contains("TOKEN"), "{transport} action: {shown}");
        }
    }
}

#[test]
fn debug_of_an_input_shows_no_session_id() {
    for input in [ok(&usual_open()), text_frame(&usual_open())] {
        let shown = format!("{input:?}");
        assert!(!shown.contains("SESSION"), "{shown}");
    }
}

// WebSocket.

/// RFC 6455 lets an endpoint answer only the latest of several pings. A server that pings and does not read must not
/// make this side hold an answer to each (the `ws` package had this until 8.23.0, undici and curl too).
#[tokio::test]
async fn a_flood_of_websocket_pings_is_not_held_in_memory() {
    const FLOOD: usize = 32 << 20;
    let (listener, endpoint) = listen();
    let server = tokio::spawn(async move {
        // The heartbeat ends the session of a client that answers the flood by not reading any more.
        let mut stream = websocket(listener, &text(&open(4000, 4000))).await;
        let pings = frame(0x89, &[b'p'; 125]).repeat(512);
        if !flood(&mut stream, &pings, FLOOD).await {
            return 0;
        }
        if stream.write_all(&text("2")).await.is_err() {
            return 0;
        }
        let mut stream = BufReader::new(stream);
        let mut held = 0;
        while let Some((first, data)) = client_frame(&mut stream).await {
            if first == 0x81 {
                break;
            }
            held += data.len();
        }
        held
    });
    let mut client = client(endpoint, config(WEBSOCKET));
    let driver = tokio::spawn(async move { while client.next_event().await.is_some() {} });
    let held = within(server).await.unwrap();
    driver.abort();
    // The system's own send buffer takes some megabytes.
    assert!(
        held < FLOOD / 2,
        "{held} of {FLOOD} bytes of pings were answered from memory"
    );
}

/// Frames that mean nothing, as fast as the server can write them: a deadline must pass all the same.
async fn deadline_under_flood(first: Vec<u8>, chunk: Vec<u8>, close: bool) -> CloseReason {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (ping_interval, ping_timeout) = if close { (25_000, 20_000) } else { (100, 100) };
        let start = [text(&open(ping_interval, ping_timeout)), first].concat();
        let mut stream = websocket(listener, &start).await;
        flood(&mut stream, &chunk, usize::MAX).await;
    });
    let mut config = config(WEBSOCKET);
    config.close_timeout = Duration::from_millis(100);
    let mut client = client(endpoint, config);
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    if close {
        client.close();
    }
    closed(&mut client).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_noops_does_not_hide_the_missing_ping() {
    let reason = deadline_under_flood(vec![], text("6").repeat(20_000), false).await;
    assert_eq!(reason, CloseReason::PingTimeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_does_not_hide_the_missing_ping() {
    let reason = deadline_under_flood(vec![], text("4x").repeat(20_000), false).await;
    assert_eq!(reason, CloseReason::PingTimeout);
}

/// CVE-2026-62389: a message in fragments that never ends, and that never grows either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_empty_fragments_do_not_hide_the_missing_ping() {
    let reason =
        deadline_under_flood(frame(0x01, b"4"), frame(0x00, b"").repeat(20_000), false).await;
    // To count the fragments and refuse them is as good.
    assert!(
        matches!(reason, CloseReason::PingTimeout | CloseReason::Transport(_)),
        "{reason:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_ends_under_a_flood() {
    let reason = deadline_under_flood(vec![], text("6").repeat(20_000), true).await;
    assert_eq!(reason, CloseReason::Local);
}

/// The same without luck. The runtime lets a task find data (or a timer) ready 128 times and then shows it nothing more
/// until it has yielded, so under a steady flood a timer that is asked last is never asked in time. Here the budget is
/// used up on purpose; the deadline has passed and must be seen all the same.
#[tokio::test]
async fn a_deadline_passes_for_a_task_that_never_runs_out_of_data() {
    let (listener, endpoint) = listen();
    let server = tokio::spawn(websocket_held(listener, text(&open(100, 100))));
    let mut client = client(endpoint, config(WEBSOCKET));
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    let late = now() + Duration::from_millis(300);
    while now() < late {
        tokio::task::yield_now().await;
    }
    let mut polled = 0;
    let event = std::future::poll_fn(|cx| {
        while tokio::task::coop::has_budget_remaining() {
            let mut consume = std::pin::pin!(tokio::task::coop::consume_budget());
            assert!(consume.as_mut().poll(cx).is_ready());
        }
        if let Poll::Ready(event) = client.poll_event(cx) {
            return Poll::Ready(event);
        }
        polled += 1;
        cx.waker().wake_by_ref();
        if polled < 1000 {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    })
    .await;
    server.abort();
    assert_eq!(event, Some(Event::Closed(CloseReason::PingTimeout)));
}

/// The same for a caller that never finds nothing to read: a deadline that has passed is not put off by all that is
/// there to be read.
#[tokio::test]
async fn a_deadline_is_not_put_off_by_a_long_backlog() {
    const BACKLOG: usize = 20_000;
    let (listener, endpoint) = listen();
    let (written, was_written) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let mut stream = websocket(listener, &text(&open(100, 100))).await;
        stream.write_all(&text("4x").repeat(BACKLOG)).await.unwrap();
        written.send(()).unwrap();
        stream
    });
    let mut client = client(endpoint, config(WEBSOCKET));
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    within(was_written).await.unwrap();
    let late = now() + Duration::from_millis(300);
    while now() < late {
        tokio::task::yield_now().await;
    }
    let mut read = 0;
    let reason = tokio::task::unconstrained(async {
        loop {
            match client.next_event().await.unwrap() {
                Event::Closed(reason) => return reason,
                _ => read += 1,
            }
        }
    })
    .await;
    drop(server.await.unwrap());
    assert_eq!(reason, CloseReason::PingTimeout);
    assert!(read < BACKLOG, "all of the backlog was read first");
}

/// CVE-2026-9675: a limit that holds for each frame and not for their sum.
#[tokio::test]
async fn the_limit_of_a_message_counts_all_its_fragments() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let mut stream = websocket(listener, &text(&usual_open())).await;
        stream.write_all(&frame(0x01, b"4")).await.unwrap();
        flood(&mut stream, &frame(0x00, &[b'x'; 100]), usize::MAX).await;
    });
    let mut config = config(WEBSOCKET);
    config.limits.max_message_bytes = 1000;
    let mut client = client(endpoint, config);
    let CloseReason::Transport(error) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(error.kind, TransportErrorKind::TooLarge);
}

/// A buffer for a large message must not go on to hold small ones: each of them, while it waits to be read, would keep
/// all of it.
#[tokio::test]
async fn a_small_message_does_not_keep_the_buffer_of_a_large_one() {
    for expected in [Message::from(Bytes::from_static(b"one")), "one".into()] {
        let (listener, endpoint) = listen();
        let small = match &expected {
            Message::Text(small) => text(&format!("4{small}")),
            _ => frame(0x82, b"one"),
        };
        tokio::spawn(async move {
            let large = frame(0x82, &[0; 60_000]);
            let bytes = [text(&usual_open()), large, small, text("4two")];
            websocket_held(listener, bytes.concat()).await;
        });
        let mut client = client(endpoint, config(WEBSOCKET));
        assert!(matches!(next(&mut client).await, Event::Opened { .. }));
        drop(next(&mut client).await);
        let Event::Message(message) = next(&mut client).await else {
            panic!()
        };
        assert_eq!(message, expected);
        drop(client);
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into_bytes(),
            other => panic!("{other:?}"),
        };
        // What it shares with nobody any more is what it alone has kept.
        let mut kept = bytes.try_into_mut().unwrap();
        kept.clear();
        assert!(!kept.try_reclaim((8 << 10) + 1));
    }
}

/// The application was busy for longer than the heartbeat's window, and a ping had come in time: it counts from when
/// it is read, so there is a whole window from then on.
#[tokio::test]
async fn a_ping_read_late_counts_from_when_it_is_read() {
    let (listener, endpoint) = listen();
    let (proceed, proceeded) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let packets = [text(&open(1500, 1500)), text("4a"), text("2"), text("4b")];
        let mut stream = websocket(listener, &packets.concat()).await;
        proceeded.await.unwrap();
        stream.write_all(&text("4c")).await.unwrap();
        stream
    });
    let mut client = client(endpoint, config(WEBSOCKET));
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    assert_eq!(next(&mut client).await, Event::Message("a".into()));
    // There is no other way to let the clock of a real connection pass: this is the event that is waited for.
    let late = now() + Duration::from_millis(3100);
    while now() < late {
        tokio::task::yield_now().await;
    }
    assert_eq!(next(&mut client).await, Event::Message("b".into()));
    // Whether the timer is due already shows on being polled, long before the server says more.
    let mut polled = 0;
    let early = std::future::poll_fn(|cx| {
        if let Poll::Ready(event) = client.poll_event(cx) {
            return Poll::Ready(Some(event));
        }
        polled += 1;
        cx.waker().wake_by_ref();
        if polled < 10_000 {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    })
    .await;
    assert_eq!(early, None);
    proceed.send(()).unwrap();
    assert_eq!(next(&mut client).await, Event::Message("c".into()));
    drop(server.await.unwrap());
}

/// Whatever bytes follow the `101`, the session ends with a reason, and nothing panics.
#[tokio::test]
async fn random_bytes_after_the_handshake_only_end_the_session() {
    let mut random = fastrand::Rng::with_seed(0x5EED);
    for _ in 0..100 {
        let (listener, endpoint) = listen();
        let opens = random.bool();
        let mut bytes = vec![0; random.usize(1..400)];
        random.fill(&mut bytes);
        // Half of them look like frames at least.
        if random.bool() {
            bytes[0] = [0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0x48][random.usize(..9)];
        }
        tokio::spawn(async move {
            let first = if opens { text(&usual_open()) } else { vec![] };
            let mut stream = websocket(listener, &first).await;
            drop(stream.write_all(&bytes).await);
        });
        let mut client = client(endpoint, config(WEBSOCKET));
        let reason = closed(&mut client).await;
        assert!(
            !matches!(
                reason,
                CloseReason::Local | CloseReason::PingTimeout | CloseReason::HandshakeTimeout
            ),
            "{reason:?}"
        );
    }
}

/// CVE-2022-41940, seen from the client: a reset instead of an end, in every state.
#[tokio::test]
async fn a_reset_is_a_broken_connection_in_every_state() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        for step in 0..3 {
            let (listener, endpoint) = listen();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_zero_linger().unwrap();
                if step == 0 {
                    return;
                }
                let head = request(&mut stream).await;
                match transport {
                    Transport::WebSocket => {
                        switch(&mut stream, &head).await;
                        if step == 2 {
                            stream.write_all(&text(&usual_open())).await.unwrap();
                            client_frame(&mut stream).await.unwrap();
                        }
                    }
                    _ => {
                        if step == 2 {
                            respond(&mut stream, "200 OK", &usual_open()).await;
                            request(&mut stream).await;
                        }
                    }
                }
            });
            let mut client = client(endpoint, config(&[transport]));
            let reason = within(async {
                loop {
                    match client.next_event().await.unwrap() {
                        Event::Opened { .. } => client.send("x".into()).unwrap(),
                        Event::Closed(reason) => return reason,
                        _ => {}
                    }
                }
            })
            .await;
            let CloseReason::Transport(error) = &reason else {
                panic!("{transport} {step}: {reason:?}")
            };
            assert_ne!(error.kind, TransportErrorKind::TooLarge);
            assert!(reason.is_retryable());
        }
    }
}

// HTTP.

/// A credential in the query or a header stays with the host that it was meant for.
#[tokio::test]
async fn redirects_are_answers_and_not_followed() {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect"] {
        for transport in [Transport::Polling, Transport::WebSocket] {
            let (listener, endpoint) = listen();
            let (elsewhere, _) = listen();
            let location = format!(
                "{status}\r\nLocation: http://{}/engine.io/",
                elsewhere.local_addr().unwrap()
            );
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                request(&mut stream).await;
                respond(&mut stream, &location, "").await;
            });
            let mut client = client(endpoint, config(&[transport]));
            let CloseReason::Refused(refusal) = closed(&mut client).await else {
                panic!()
            };
            assert_eq!(refusal.status.to_string(), status[..3]);
            let mut accept = std::pin::pin!(elsewhere.accept());
            let visitor =
                std::future::poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx).is_ready()));
            assert!(!visitor.await, "somebody came along");
        }
    }
}

/// RUSTSEC-2023-0065: a head that never ends, in many lines and in one.
#[tokio::test]
async fn an_endless_head_is_given_up() {
    for line in [
        "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        "a",
    ] {
        for transport in [Transport::Polling, Transport::WebSocket] {
            let (listener, endpoint) = listen();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                request(&mut stream).await;
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nX-First: ")
                    .await
                    .unwrap();
                flood(&mut stream, line.repeat(200).as_bytes(), usize::MAX).await;
            });
            let mut client = client(endpoint, config(&[transport]));
            let reason = closed(&mut client).await;
            assert!(matches!(reason, CloseReason::Transport(_)), "{reason:?}");
        }
    }
}

#[tokio::test]
async fn an_endless_body_in_tiny_chunks_is_given_up() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        flood(&mut stream, "1\r\n4\r\n".repeat(100).as_bytes(), usize::MAX).await;
    });
    let mut config = config(POLLING);
    config.limits.max_body_bytes = 10_000;
    let mut client = client(endpoint, config);
    let CloseReason::Transport(error) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(error.kind, TransportErrorKind::TooLarge);
}

/// What a server says to a POST is `ok`. Else it could be a second polling body, beside the one that a poll brings.
#[tokio::test]
async fn the_answer_to_a_post_is_short_or_too_large() {
    for (size, is_good) in [(64 << 10, true), ((64 << 10) + 1, false)] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let mut polls = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = request(&mut stream).await;
                let body = match head.split_once(' ') {
                    Some(("POST", _)) => "k".repeat(size),
                    _ if head.contains("sid=") => {
                        polls.push(stream);
                        continue;
                    }
                    _ => usual_open(),
                };
                respond(&mut stream, "200 OK\r\nConnection: close", &body).await;
            }
        });
        let mut client = client(endpoint, config(POLLING));
        assert!(matches!(next(&mut client).await, Event::Opened { .. }));
        client.send("one".into()).unwrap();
        if is_good {
            client.close();
        }
        let reason = closed(&mut client).await;
        match reason {
            CloseReason::Local => assert!(is_good),
            CloseReason::Transport(error) => {
                assert_eq!((error.kind, is_good), (TransportErrorKind::TooLarge, false));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A GET has no limit of its own: the heartbeat is what bounds an answer that begins and never ends.
#[tokio::test]
async fn an_answer_that_never_ends_is_bounded_by_the_heartbeat() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        respond(&mut stream, "200 OK", &open(100, 100)).await;
        request(&mut stream).await;
        let start = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n2";
        stream.write_all(start).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let mut client = client(endpoint, config(POLLING));
    assert_eq!(closed(&mut client).await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn odd_answers_to_the_first_get_are_typed() {
    for (answer, expected) in [
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "refused 101",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", "refused 204"),
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\n0",
            "refused 206",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "protocol"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0{",
            "transport",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n0{}",
            "transport",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n0{",
            "transport",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
            "transport",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x0b",
            "protocol",
        ),
    ] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let mut client = client(endpoint, config(POLLING));
        let reason = closed(&mut client).await;
        let found = match &reason {
            CloseReason::Refused(refusal) => format!("refused {}", refusal.status),
            CloseReason::Protocol(ProtocolError::Decode(_)) => "protocol".into(),
            CloseReason::Transport(_) => "transport".into(),
            _ => String::new(),
        };
        assert_eq!(found, expected, "{answer:?}: {reason:?}");
    }
}

/// Each secret is looked for in all of it, and a server may choose many, as cookies.
#[tokio::test]
async fn the_body_of_an_error_answer_is_not_read_to_its_end() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 16777216\r\n\r\n";
        stream.write_all(head).await.unwrap();
        // The rest never comes.
        stream.write_all(&[b'a'; 100_000]).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let mut client = client(endpoint, config(POLLING));
    let CloseReason::Refused(refusal) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!((refusal.status, refusal.message.as_str()), (404, ""));
}

/// Web frameworks repeat the request's target in their answers (Fastify's 404 does, with the query): what was sent as
/// a credential must not come back out as an error text.
#[tokio::test]
async fn a_refusal_that_repeats_the_url_shows_no_credential() {
    for opens in [false, true] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = request(&mut stream).await;
            if opens {
                respond(&mut stream, "200 OK", &usual_open()).await;
                head = request(&mut stream).await;
            }
            let target = head.split(' ').nth(1).unwrap();
            let body = format!(
                r#"{{"message":"Route GET:{target} not found","error":"Not Found","statusCode":404}}"#
            );
            respond(&mut stream, "404 Not Found", &body).await;
        });
        let mut client = client(endpoint, config(POLLING));
        let reason = closed(&mut client).await;
        let shown = format!("{reason} {reason:?}");
        assert!(
            !shown.contains("TOKEN") && !shown.contains("SESSION"),
            "{shown}"
        );
    }
}

/// Browsers can set no header in a WebSocket handshake, so credentials travel as subprotocols.
#[tokio::test]
async fn a_refusal_that_repeats_the_handshake_s_headers_shows_no_credential() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = request(&mut stream).await;
        let name = header(&head, "sec-websocket-protocol").unwrap();
        let key = header(&head, "x-key").unwrap();
        respond(&mut stream, "403 Forbidden", &format!("no {name}, {key}!")).await;
    });
    let mut config = config(&[Transport::WebSocket]);
    config.subprotocols = engineio::Subprotocols::new(["chat", "PLANTED1"]).unwrap();
    let mut headers = http::HeaderMap::new();
    let mut key = http::HeaderValue::from_static("PLANTED2");
    key.set_sensitive(true);
    headers.insert("x-key", key);
    let mut client = client(endpoint, config).with_headers(headers);
    let reason = closed(&mut client).await;
    let shown = format!("{reason} {reason:?}");
    assert!(!shown.contains("PLANTED"), "{shown}");
    assert!(shown.contains("HTTP 403: no "), "{shown}");
}

/// An application's headers are for its own business; those that carry the protocol stay the protocol's.
#[tokio::test]
async fn headers_of_the_application_do_not_double_those_of_the_protocol() {
    let mut own = http::HeaderMap::new();
    own.insert("authorization", "Bearer x".parse().unwrap());
    own.insert("content-type", "application/octet-stream".parse().unwrap());
    own.insert("connection", "close".parse().unwrap());
    own.insert("upgrade", "h2c".parse().unwrap());
    own.insert("sec-websocket-version", "8".parse().unwrap());
    own.insert("sec-websocket-key", "AAAA".parse().unwrap());

    let (listener, endpoint) = listen();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await
    });
    let mut websocket = client(endpoint, config(WEBSOCKET)).with_headers(own.clone());
    let driver = tokio::spawn(async move { while websocket.next_event().await.is_some() {} });
    let head = within(server).await.unwrap();
    driver.abort();
    assert_eq!(headers(&head, "authorization"), ["Bearer x"]);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
    ] {
        assert_eq!(headers(&head, name), [value], "{name}");
    }
    assert_eq!(headers(&head, "sec-websocket-key").len(), 1);

    let (listener, endpoint) = listen();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = request(&mut stream).await;
            if head.starts_with("POST") {
                return head;
            }
            if head.contains("sid=") {
                // The poll stays open.
                tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
            } else {
                respond(&mut stream, "200 OK\r\nConnection: close", &usual_open()).await;
            }
        }
    });
    let mut polling = client(endpoint, config(POLLING)).with_headers(own);
    assert!(matches!(next(&mut polling).await, Event::Opened { .. }));
    polling.send("x".into()).unwrap();
    let driver = tokio::spawn(async move { while polling.next_event().await.is_some() {} });
    let head = within(server).await.unwrap();
    driver.abort();
    assert_eq!(headers(&head, "content-type"), ["text/plain;charset=UTF-8"]);
}

// The upgrade.

/// A probe's socket that takes nothing more must not hold up the polling that carries the session.
#[tokio::test]
async fn a_stuck_probe_does_not_touch_the_session() {
    let (listener, endpoint) = listen();
    let (failed, has_failed) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut has_failed = Some(has_failed);
        let mut answers = vec!["4b", "4a"];
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = request(&mut stream).await;
            if head.contains("transport=websocket") {
                switch(&mut stream, &head).await;
                tokio::spawn(async move {
                    client_frame(&mut stream).await;
                    let pings = frame(0x89, &[b'p'; 125]).repeat(512);
                    if flood(&mut stream, &pings, 16 << 20).await {
                        drop(stream.write_all(&text("4wrong")).await);
                    }
                    // Open for ever, and never read.
                    std::future::pending::<()>().await;
                });
            } else if head.contains("sid=") {
                if let Some(has_failed) = has_failed.take() {
                    let answer = answers.pop().unwrap();
                    tokio::spawn(async move {
                        has_failed.await.unwrap();
                        respond(&mut stream, "200 OK\r\nConnection: close", answer).await;
                    });
                } else if let Some(answer) = answers.pop() {
                    respond(&mut stream, "200 OK\r\nConnection: close", answer).await;
                } else {
                    tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
                }
            } else {
                respond(&mut stream, "200 OK\r\nConnection: close", &usual_open()).await;
            }
        }
    });
    let mut config = config(BOTH);
    config.probe_timeout = Duration::from_secs(5);
    let mut client = client(endpoint, config);
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    let event = next(&mut client).await;
    assert!(matches!(event, Event::UpgradeFailed(_)), "{event:?}");
    failed.send(()).unwrap();
    assert_eq!(next(&mut client).await, Event::Message("a".into()));
    assert_eq!(next(&mut client).await, Event::Message("b".into()));
}
