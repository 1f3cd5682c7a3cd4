//! Hostile frames, and hostile ends of a connection, on real sockets: while a session opens, when it is open, and on the
//! WebSocket of an upgrade.

use bytes::Bytes;
use engineio::{CloseReason, Event, Message, Transport, TransportErrorKind, UpgradeError};
use socketio::{DisconnectReason, Event as SocketEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::raw::{self, frame, text};
use super::{Kind, SHORT, client, end_of, flood, hasty_upgrade, reset, serve, session};

/// What the reference server answers to a handshake of its own revision.
fn open() -> Vec<u8> {
    text(&raw::usual_open())
}

/// Bytes that are no WebSocket of a server (RFC 6455, section 5).
fn no_frames() -> Vec<(&'static str, Vec<u8>)> {
    let long_control = |opcode: u8| [&[opcode, 126, 0, 126][..], &[b'x'; 126]].concat();
    let mut rows = vec![
        ("reserved bits and a mask", b"\xf1\x80\0\0\0\0".to_vec()),
        (
            "reserved bit 1, as of a compressed message",
            frame(0xC1, b"6"),
        ),
        ("reserved bit 2", frame(0xA1, b"6")),
        ("reserved bit 3", frame(0x91, b"6")),
        ("reserved bit on a ping", frame(0xC9, b"")),
        (
            "reserved bit on a continuation",
            [frame(0x01, b"4"), frame(0xC0, b"x")].concat(),
        ),
        (
            "masked, as only clients do",
            b"\x81\x81\x01\x02\x03\x04\x37".to_vec(),
        ),
        ("a ping in parts", frame(0x09, b"")),
        ("a close in parts", frame(0x08, b"")),
        ("a ping of 126 bytes", long_control(0x89)),
        ("a pong of 126 bytes", long_control(0x8A)),
        ("a close of 126 bytes", long_control(0x88)),
        ("a continuation of nothing", frame(0x80, b"x")),
        (
            "a message inside another",
            [frame(0x01, b"4"), text("4x")].concat(),
        ),
        ("bad UTF-8", frame(0x81, b"4\xff")),
        ("a surrogate in UTF-8", frame(0x81, b"4\xed\xa0\x80")),
        ("UTF-8 that ends early", frame(0x81, b"4\xe2\x82")),
        (
            "UTF-8 that breaks in parts",
            [frame(0x01, b"4\xc3"), frame(0x80, b"(")].concat(),
        ),
        ("a close of one byte", frame(0x88, b"\x03")),
        ("a close with bad UTF-8", frame(0x88, b"\x03\xe8\xff\xfe")),
        (
            "a length of 2^64-1",
            [&[0x82, 127][..], &[0xFF; 8]].concat(),
        ),
        (
            "a length of 2^63-1",
            [&[0x82, 127, 0x7F][..], &[0xFF; 7]].concat(),
        ),
        ("a length of 4 GiB", b"\x82\x7f\0\0\0\x01\0\0\0\0".to_vec()),
    ];
    for opcode in (0x83..=0x87).chain(0x8B..=0x8F) {
        rows.push(("a reserved opcode", frame(opcode, b"")));
    }
    rows
}

/// The reference server wrote into a socket that it had already given up; whoever reads a frame behind `101` has to be
/// ready for one that is none.
#[tokio::test]
async fn cve_2022_21676_no_frame_right_behind_101() {
    for (what, bytes) in no_frames() {
        for behind in [vec![], open()] {
            let (listener, endpoint) = raw::listen();
            let is_open = !behind.is_empty();
            let first = [behind, bytes.clone()].concat();
            let server = tokio::spawn(raw::websocket_held(listener, first));
            let reason = end_of(&endpoint, raw::config(raw::WEBSOCKET)).await;
            let is_typed = match &reason {
                CloseReason::Transport(error) => matches!(
                    error.kind,
                    TransportErrorKind::WebSocket | TransportErrorKind::TooLarge
                ),
                _ => false,
            };
            assert!(is_typed, "{what}, open: {is_open}: {reason:?}");
            assert!(reason.is_retryable());
            // The client has hung up.
            raw::within(server).await.unwrap();
        }
    }
}

/// On the WebSocket of an upgrade it costs the upgrade, and not the session.
#[tokio::test]
async fn cve_2022_21676_no_frame_in_answer_to_the_probe() {
    for (what, bytes) in no_frames() {
        let (listener, endpoint) = raw::listen();
        let (tell, polls) = mpsc::unbounded_channel();
        let bytes = std::sync::Arc::new(bytes);
        serve(
            listener,
            raw::usual_open(),
            Kind::WebSocket,
            polls,
            move |mut stream, head| {
                let bytes = bytes.clone();
                async move {
                    raw::switch(&mut stream, &head).await;
                    stream.write_all(&bytes).await.unwrap();
                    stream.read_to_end(&mut Vec::new()).await.ok();
                }
            },
        );
        tell.send("6".to_owned()).unwrap();
        let mut client = client(&endpoint, raw::config(raw::BOTH));
        assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
        let event = raw::next(&mut client).await;
        let Event::UpgradeFailed(UpgradeError::Transport(_)) = event else {
            panic!("{what}: {event:?}");
        };
        assert!(client.is_open(), "{what}");
    }
}

/// A reset, where a server can make one: it is a broken connection, and nothing worse.
#[tokio::test]
async fn cve_2022_41940_a_reset_in_every_state() {
    // What the server writes before the reset, and whether it first reads the client's next frame.
    let open = open();
    for (what, is_switched, first, awaits) in [
        ("in place of the answer", false, &b""[..], false),
        (
            "in the answer's head",
            false,
            b"HTTP/1.1 101 Switching Pro",
            false,
        ),
        ("right behind 101", true, b"", false),
        ("in the first frame", true, &open[..9], false),
        ("behind the first frame", true, &open, false),
        ("behind the client's first frame", true, &open, true),
        (
            "in a later frame",
            true,
            &[&open[..], &text("4hello")[..4]].concat(),
            true,
        ),
        (
            "between fragments",
            true,
            &[&open[..], &frame(0x01, b"4")].concat(),
            true,
        ),
        (
            "behind a ping",
            true,
            &[&open[..], &frame(0x89, b"")].concat(),
            true,
        ),
        (
            "behind a close",
            true,
            &[&open[..], &frame(0x88, b"")].concat(),
            false,
        ),
    ] {
        let (listener, endpoint) = raw::listen();
        let first = first.to_vec();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = raw::request(&mut stream).await;
            if is_switched {
                raw::switch(&mut stream, &head).await;
            }
            stream.write_all(&first).await.unwrap();
            if awaits {
                raw::client_frame(&mut stream).await;
            }
            reset(stream);
        });
        let reason = end_of(&endpoint, raw::config(raw::WEBSOCKET)).await;
        let is_broken = match &reason {
            CloseReason::Transport(error) => matches!(
                error.kind,
                TransportErrorKind::Broken | TransportErrorKind::NotHttp
            ),
            // Told before the reset, and read before it.
            CloseReason::Remote { .. } => what == "behind a close",
            _ => false,
        };
        assert!(is_broken, "{what}: {reason:?}");
        assert!(reason.is_retryable(), "{what}");
    }
}

/// The same by polling, for each request and in each part of its answer, and on the WebSocket of an upgrade.
#[tokio::test]
async fn cve_2022_41940_a_reset_of_any_request() {
    for kind in super::KINDS {
        for first in [
            "",
            "HTTP/1.1 2",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n4he",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n4h",
        ] {
            let (listener, endpoint) = raw::listen();
            super::serve_silently(
                listener,
                raw::usual_open(),
                kind,
                move |mut stream, _| async move {
                    stream.write_all(first.as_bytes()).await.unwrap();
                    reset(stream);
                },
            );
            if kind == Kind::WebSocket {
                let mut client = client(&endpoint, raw::config(raw::BOTH));
                assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
                let event = raw::next(&mut client).await;
                assert!(matches!(event, Event::UpgradeFailed(_)), "{event:?}");
                assert!(client.is_open());
                continue;
            }
            let reason = end_of(&endpoint, raw::config(raw::POLLING)).await;
            let CloseReason::Transport(error) = &reason else {
                panic!("{kind:?} {first:?}: {reason:?}");
            };
            assert_eq!(error.kind, TransportErrorKind::Broken, "{kind:?} {first:?}");
            assert!(reason.is_retryable());
        }
    }
}

/// Fragments have no price of their own here: a message in as many as it has bytes is a message, and one byte more than
/// allowed is too large, in whatever parts.
#[tokio::test]
async fn cve_2026_48779_a_message_in_tiny_fragments() {
    const SIZE: usize = 50_000;
    for (first, is_text, more) in [
        (0x01, true, 0),
        (0x02, false, 0),
        (0x01, true, 1),
        (0x02, false, 1),
    ] {
        let (listener, endpoint) = raw::listen();
        tokio::spawn(async move {
            let mut bytes = [open(), frame(first, b"4")].concat();
            for _ in 0..SIZE + more - 1 {
                // One with nothing in it, too.
                bytes.extend(frame(0x00, b""));
                bytes.extend(frame(0x00, b"4"));
            }
            bytes.extend(frame(0x80, b""));
            let mut stream = raw::websocket(listener, &bytes).await;
            stream.read_to_end(&mut Vec::new()).await.ok();
        });
        let mut config = raw::config(raw::WEBSOCKET);
        config.limits.max_message_bytes = SIZE;
        let mut client = client(&endpoint, config);
        assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
        let event = raw::next(&mut client).await;
        match event {
            Event::Message(Message::Text(text)) => {
                assert_eq!((text.len(), is_text, more), (SIZE - 1, true, 0));
            }
            Event::Message(Message::Binary(bytes)) => {
                assert_eq!((bytes.len(), is_text, more), (SIZE, false, 0));
            }
            Event::Closed(CloseReason::Transport(error)) => {
                assert_eq!((error.kind, more), (TransportErrorKind::TooLarge, 1));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// No last fragment ever comes, and no limit of size is ever reached. No heartbeat can stand between fragments, so its
/// absence ends the session; opening, an upgrade and a close have deadlines of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cve_2026_62389_empty_fragments_without_end() {
    let endless = frame(0x00, b"").repeat(10_000);
    for (what, first, closes) in [
        ("opening", vec![], false),
        ("open", text(&raw::open(100, 100)), false),
        ("closing", open(), true),
    ] {
        let (listener, endpoint) = raw::listen();
        let (first, endless) = ([first, frame(0x01, b"")].concat(), endless.clone());
        let server = tokio::spawn(async move {
            let mut stream = raw::websocket(listener, &first).await;
            flood(&mut stream, &endless).await;
        });
        let mut config = raw::config(raw::WEBSOCKET);
        match what {
            "opening" => config.handshake_timeout = SHORT,
            _ => config.close_timeout = SHORT,
        }
        let mut client = client(&endpoint, config);
        if closes {
            assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
            client.close();
        }
        let reason = raw::closed(&mut client).await;
        let expected = match what {
            "opening" => CloseReason::HandshakeTimeout,
            "open" => CloseReason::PingTimeout,
            _ => CloseReason::Local,
        };
        assert_eq!(reason, expected, "{what}");
        raw::within(server).await.unwrap();
    }
    let (listener, endpoint) = raw::listen();
    let (tell, polls) = mpsc::unbounded_channel();
    serve(
        listener,
        raw::usual_open(),
        Kind::WebSocket,
        polls,
        move |mut stream, head| {
            let endless = endless.clone();
            async move {
                raw::switch(&mut stream, &head).await;
                stream.write_all(&frame(0x01, b"3")).await.unwrap();
                flood(&mut stream, &endless).await;
            }
        },
    );
    tell.send("4still here".to_owned()).unwrap();
    let mut client = client(&endpoint, hasty_upgrade());
    assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
    let mut events = [raw::next(&mut client).await, raw::next(&mut client).await];
    events.sort_by_key(|event| matches!(event, Event::Message(_)));
    let expected = Event::UpgradeFailed(UpgradeError::Timeout);
    assert_eq!(events, [expected, Event::Message("still here".into())]);
}

/// A limit that holds for each frame holds for nothing.
#[tokio::test]
async fn cve_2026_9675_the_limit_is_that_of_the_message() {
    for first in [0x01, 0x02] {
        let (listener, endpoint) = raw::listen();
        let server = tokio::spawn(async move {
            let bytes = [open(), frame(first, b"4")].concat();
            let mut stream = raw::websocket(listener, &bytes).await;
            flood(&mut stream, &frame(0x00, &[b'x'; 1000])).await;
        });
        let mut config = raw::config(raw::WEBSOCKET);
        config.limits.max_message_bytes = 10_000;
        let reason = end_of(&endpoint, config).await;
        let CloseReason::Transport(error) = &reason else {
            panic!("{reason:?}")
        };
        assert_eq!(error.kind, TransportErrorKind::TooLarge);
        raw::within(server).await.unwrap();
    }
}

/// What is announced and too large is refused by its announcement.
#[tokio::test]
async fn cve_2016_10542_a_message_has_a_largest_size() {
    const LIMIT: usize = 60_000;
    for size in [LIMIT, LIMIT + 1] {
        let (listener, endpoint) = raw::listen();
        tokio::spawn(async move {
            let whole = frame(0x82, &vec![0; size]);
            // Of what is too large, only the announcement ever comes.
            let sent = if size > LIMIT { &whole[..4] } else { &whole };
            raw::websocket_held(listener, [&open()[..], sent].concat()).await;
        });
        let mut config = raw::config(raw::WEBSOCKET);
        config.limits.max_message_bytes = LIMIT;
        let mut client = client(&endpoint, config);
        assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
        match raw::next(&mut client).await {
            Event::Message(message) => {
                assert_eq!(message, Message::from(Bytes::from(vec![0; LIMIT])));
                assert_eq!(size, LIMIT);
            }
            Event::Closed(CloseReason::Transport(error)) => {
                assert_eq!(error.kind, TransportErrorKind::TooLarge);
                assert!(size > LIMIT);
            }
            other => panic!("{size}: {other:?}"),
        }
    }
}

/// A server that pings and takes no answer. The client of a program that reads nothing, or has stopped to read at all,
/// ends that by itself: neither answers nor pings wait in its memory.
#[tokio::test]
async fn ws_8_23_0_pings_while_nobody_reads() {
    for is_full in [false, true] {
        let (listener, endpoint) = raw::listen();
        let server = tokio::spawn(async move {
            let mut stream = session::join(listener, &raw::usual_open()).await;
            if is_full {
                // The program's queue holds one.
                stream
                    .write_all(&text(r#"42["e"]"#).repeat(100))
                    .await
                    .unwrap();
            }
            flood(&mut stream, &frame(0x89, &[b'p'; 125]).repeat(100)).await;
        });
        let items = if is_full { 1 } else { 100 };
        let builder = session::builder(&endpoint, raw::WEBSOCKET).event_queue(items);
        let (_socket, mut events) = raw::within(builder.connect()).await.unwrap();
        if !is_full {
            raw::within(server).await.unwrap();
        }
        let mut messages = 0;
        let error = loop {
            match conformance::next(&mut events).await {
                SocketEvent::Message(_) => messages += 1,
                SocketEvent::Disconnected {
                    reason: DisconnectReason::LinkClosed(CloseReason::Transport(error)),
                    retry_in: Some(_),
                } => break error,
                SocketEvent::Connected(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(error.kind, TransportErrorKind::WebSocket);
        assert!(error.message.contains("pings"), "{error}");
        assert_eq!(messages, if is_full { 100 } else { 0 });
    }
}

/// The header in which a server chooses a subprotocol: of any length, it is none of those that were offered.
#[tokio::test]
async fn cve_2021_32640_a_long_subprotocol() {
    for value in [
        "a".repeat(100_000),
        format!("a{}b", " ".repeat(100_000)),
        "a,".repeat(50_000),
        " ,".repeat(50_000),
        "chat, chat".to_owned(),
    ] {
        let (listener, endpoint) = raw::listen();
        let extra = format!("Sec-WebSocket-Protocol: {value}\r\n");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = raw::request(&mut stream).await;
            raw::switch_with(&mut stream, &head, &extra).await;
            stream.read_to_end(&mut Vec::new()).await.ok();
        });
        let mut config = raw::config(raw::WEBSOCKET);
        config.subprotocols = engineio::Subprotocols::new(["chat"]).unwrap();
        let reason = end_of(&endpoint, config).await;
        let CloseReason::Transport(error) = &reason else {
            panic!("{reason:?}")
        };
        assert_eq!(error.kind, TransportErrorKind::NotWebSocket);
        assert!(error.message.len() < 200, "{error}");
    }
}

/// A close of this side carries nothing: there is no memory that could come along.
#[tokio::test]
async fn cve_2026_45736_a_close_carries_nothing() {
    let (listener, endpoint) = raw::listen();
    let server = tokio::spawn(async move {
        let mut stream = raw::websocket(listener, &open()).await;
        raw::client_frame(&mut stream).await
    });
    let mut config = raw::config(&[Transport::WebSocket]);
    config.close_timeout = SHORT;
    let mut client = client(&endpoint, config);
    assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
    client.close();
    assert_eq!(raw::closed(&mut client).await, CloseReason::Local);
    assert_eq!(raw::within(server).await.unwrap(), Some((0x88, vec![])));
}
