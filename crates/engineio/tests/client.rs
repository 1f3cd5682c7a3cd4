//! The tokio driver against scripted servers on loopback: what a server, or something that only looks like one, can
//! do on the socket itself.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

mod common;

use std::sync::Arc;

use common::*;
use engineio::{
    CloseReason, ErrorCode, Event, Message, ProtocolError, Subprotocols, Timestamp, Transport,
    TransportErrorKind, UpgradeError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

#[tokio::test]
async fn a_websocket_session_from_handshake_to_close() {
    let (listener, endpoint) = listen();
    let server = tokio::spawn(async move {
        let mut stream = websocket(listener, &[]).await;
        // Everything in one segment, and then a byte at a time: frames do not care.
        stream
            .write_all(&[text(&usual_open()), text("2"), text("4a")].concat())
            .await
            .unwrap();
        for byte in [text("4b"), vec![0x82, 2, 0xDE, 0xAD], vec![0x82, 0]].concat() {
            stream.write_all(&[byte]).await.unwrap();
        }
        let sent = client_frames(&mut stream, 3).await;
        stream.write_all(&[0x88, 0]).await.unwrap();
        sent
    });
    let mut client = client(endpoint, config(WEBSOCKET));
    assert!(matches!(
        next(&mut client).await,
        Event::Opened {
            transport: Transport::WebSocket,
            ..
        }
    ));
    client.send("hello".into()).unwrap();
    for expected in [
        Message::from("a"),
        Message::from("b"),
        Message::from(vec![0xDE, 0xAD]),
        Message::from(vec![]),
    ] {
        assert_eq!(next(&mut client).await, Event::Message(expected));
    }
    client.close();
    assert_eq!(closed(&mut client).await, CloseReason::Local);
    let mut sent = server.await.unwrap();
    assert_eq!(
        sent.pop(),
        Some((0x88, vec![])),
        "an empty close frame comes last"
    );
    sent.sort();
    assert_eq!(sent, [(0x81, b"3".to_vec()), (0x81, b"4hello".to_vec())]);
}

/// What a server of the other revision does: `101`, and an HTTP error inside the WebSocket stream.
#[tokio::test]
async fn an_http_error_inside_the_websocket_is_recognised() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let mut stream = websocket(listener, &[]).await;
        let error = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: 28\r\n\r\nUnsupported protocol version";
        stream.write_all(error.as_bytes()).await.unwrap();
    });
    let mut client = client(endpoint, config(WEBSOCKET));
    let CloseReason::Refused(refusal) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(refusal.status, 400);
    assert_eq!(refusal.code, Some(ErrorCode::UnsupportedVersion));
}

#[tokio::test]
async fn a_plain_http_answer_to_the_websocket_handshake_is_typed() {
    for (status, body, code) in [
        (
            "400 Bad Request",
            "Session ID unknown",
            Some(ErrorCode::SessionUnknown),
        ),
        (
            "400 Bad Request",
            r#"{"code":0,"message":"Transport unknown"}"#,
            Some(ErrorCode::TransportUnknown),
        ),
        ("200 OK", "hello", None),
        ("302 Found", "", None),
    ] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            respond(&mut stream, status, body).await;
        });
        let mut client = client(endpoint, config(WEBSOCKET));
        let CloseReason::Refused(refusal) = closed(&mut client).await else {
            panic!("{status}")
        };
        assert_eq!(
            (refusal.status.to_string().as_str(), refusal.code),
            (&status[..3], code)
        );
    }
}

#[tokio::test]
async fn a_refusal_whose_body_does_not_come_is_a_refusal() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        let head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nno";
        stream.write_all(head).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let mut client = client(endpoint, config(WEBSOCKET));
    let CloseReason::Refused(refusal) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(refusal.status, 403);
}

#[tokio::test]
async fn an_extension_or_subprotocol_that_was_not_asked_for_is_refused() {
    for extra in [
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Protocol: x\r\n",
    ] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = request(&mut stream).await;
            switch_with(&mut stream, &head, extra).await;
            stream.write_all(&text(&usual_open())).await.unwrap();
        });
        let mut client = client(endpoint, config(WEBSOCKET));
        let CloseReason::Transport(error) = closed(&mut client).await else {
            panic!()
        };
        assert_eq!(error.kind, TransportErrorKind::NotWebSocket);
    }
}

/// GHSA-273r-mgr4-v34f, seen from the client: an invalid frame directly behind the `101`, and other garbage.
#[tokio::test]
async fn garbage_frames_end_the_session_with_a_typed_error() {
    let too_long = [vec![0x82, 127], (64_u64 << 20).to_be_bytes().to_vec()].concat();
    for (bytes, kind) in [
        (vec![0xF1, 0x80, 0, 0, 0, 0], TransportErrorKind::WebSocket),
        (vec![0x81, 0x02, 0xFF, 0xFE], TransportErrorKind::WebSocket),
        (too_long, TransportErrorKind::TooLarge),
    ] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let mut stream = websocket(listener, &[]).await;
            stream.write_all(&bytes).await.unwrap();
            // Held open: it is the bytes that end the session.
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let mut client = client(endpoint, config(WEBSOCKET));
        let CloseReason::Transport(error) = closed(&mut client).await else {
            panic!()
        };
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_broken_connection() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let mut stream = websocket(listener, &text(&usual_open())).await;
        stream.write_all(&text("4last words")).await.unwrap();
    });
    let mut client = client(endpoint, config(WEBSOCKET));
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    assert_eq!(next(&mut client).await, Event::Message("last words".into()));
    let CloseReason::Transport(error) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(error.kind, TransportErrorKind::Broken);
}

/// It is HTTP, but more of it than is read.
#[tokio::test]
async fn an_answer_with_too_many_headers_is_too_large() {
    for transport in [POLLING, WEBSOCKET] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
            stream.write_all(head.as_bytes()).await.unwrap();
        });
        let mut client = client(endpoint, config(transport));
        let CloseReason::Transport(error) = closed(&mut client).await else {
            panic!()
        };
        assert_eq!(error.kind, TransportErrorKind::TooLarge, "{error}");
    }
}

/// Such as the first words of a server that wants TLS.
#[tokio::test]
async fn an_answer_that_is_not_http_is_told_as_such() {
    for transport in [POLLING, WEBSOCKET] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            stream
                .write_all(b"\x15\x03\x01\0\x02\x02\x46")
                .await
                .unwrap();
        });
        let mut client = client(endpoint, config(transport));
        let CloseReason::Transport(error) = closed(&mut client).await else {
            panic!()
        };
        assert_eq!(error.kind, TransportErrorKind::NotHttp, "{error}");
        assert!(error.to_string().starts_with("the answer is not HTTP: "));
    }
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error_without_the_url() {
    let (listener, endpoint) = listen();
    drop(listener);
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut client = client(endpoint.clone(), config(&[transport]));
        let reason = closed(&mut client).await;
        let CloseReason::Transport(error) = &reason else {
            panic!()
        };
        assert_eq!(error.kind, TransportErrorKind::Connect);
        assert!(!format!("{reason} {reason:?} {client:?}").contains("TOKEN"));
    }
}

#[tokio::test]
async fn something_that_is_not_http_is_an_error() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let (listener, endpoint) = listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let mut client = client(endpoint, config(&[transport]));
        assert!(matches!(
            closed(&mut client).await,
            CloseReason::Transport(_)
        ));
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        respond(&mut stream, "200 OK", &"4".repeat(2000)).await;
    });
    let mut config = config(POLLING);
    config.limits.max_body_bytes = 1000;
    let mut client = client(endpoint, config);
    let CloseReason::Transport(error) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(error.kind, TransportErrorKind::TooLarge);
}

#[tokio::test]
async fn a_page_instead_of_a_payload_is_a_protocol_error() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        respond(&mut stream, "200 OK", "<!DOCTYPE html>").await;
    });
    let mut client = client(endpoint, config(POLLING));
    assert!(matches!(
        closed(&mut client).await,
        CloseReason::Protocol(ProtocolError::Decode(_))
    ));
}

/// A proxy that swallows WebSockets: the session stays on polling and works.
#[tokio::test]
async fn polling_carries_on_where_the_upgrade_is_refused() {
    let (listener, endpoint) = listen();
    tokio::spawn(async move {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(echo_without_websocket(
                stream,
                sender.clone(),
                receiver.clone(),
            ));
        }
    });
    let mut client = client(endpoint, config(BOTH));
    assert!(matches!(
        next(&mut client).await,
        Event::Opened {
            transport: Transport::Polling,
            ..
        }
    ));
    client.send("to you".into()).unwrap();
    let mut events = [next(&mut client).await, next(&mut client).await];
    events.sort_by_key(|event| matches!(event, Event::Message(_)));
    let [
        Event::UpgradeFailed(UpgradeError::Refused(refusal)),
        Event::Message(message),
    ] = &events
    else {
        panic!("{events:?}")
    };
    assert_eq!(refusal.status, 501);
    assert_eq!(message, &Message::from("to you"));
}

/// One connection to a polling server that sends back what is posted.
async fn echo_without_websocket(
    mut stream: TcpStream,
    sender: mpsc::UnboundedSender<String>,
    receiver: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
) {
    loop {
        let request = request(&mut stream).await;
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        if head.starts_with("POST /engine.io/?token=TOKEN&EIO=4&transport=polling&t=") {
            let content_type = "content-type: text/plain;charset=utf-8";
            assert!(head.to_lowercase().contains(content_type), "{head}");
            sender.send(body.to_owned()).unwrap();
            respond(&mut stream, "200 OK", "ok").await;
        } else if head
            .starts_with("GET /engine.io/?token=TOKEN&EIO=4&transport=websocket&sid=SESSION ")
        {
            respond(&mut stream, "501 Not Implemented", "").await;
        } else if head.contains("&sid=SESSION ") {
            let body = receiver.lock().await.recv().await.unwrap();
            respond(&mut stream, "200 OK", &body).await;
        } else {
            respond(&mut stream, "200 OK", &usual_open()).await;
        }
    }
}

/// What is asked for in a URL and its headers gets there, and binary messages are text in both directions.
#[tokio::test]
async fn force_base64_timestamp_and_subprotocols_are_in_the_handshake() {
    let (listener, endpoint) = listen();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = request(&mut stream).await;
        switch_with(&mut stream, &head, "Sec-WebSocket-Protocol: b\r\n").await;
        let packets = [text(&usual_open()), text("bAwQ=")];
        stream.write_all(&packets.concat()).await.unwrap();
        let sent = client_frames(&mut stream, 2).await;
        stream.write_all(&[0x88, 0]).await.unwrap();
        (head, sent)
    });
    let mut config = config(WEBSOCKET);
    config.force_base64 = true;
    config.timestamp = Timestamp::always().with_parameter("ts").unwrap();
    config.subprotocols = Subprotocols::new(["a", "b"]).unwrap();
    let mut client = client(endpoint, config);
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    client.send(vec![1, 2].into()).unwrap();
    assert_eq!(
        next(&mut client).await,
        Event::Message(Message::from(vec![3, 4]))
    );
    client.close();
    assert_eq!(closed(&mut client).await, CloseReason::Local);
    let (head, sent) = server.await.unwrap();
    let start = "GET /engine.io/?token=TOKEN&EIO=4&transport=websocket&ts=";
    let (value, rest) = head.strip_prefix(start).unwrap().split_at(8);
    assert!(value.bytes().all(|b| b.is_ascii_alphanumeric()), "{value}");
    assert!(rest.starts_with("&b64=1 HTTP/1.1\r\n"), "{rest}");
    assert_eq!(headers(&head, "sec-websocket-protocol"), ["a, b"]);
    assert_eq!(sent, [(0x81, b"bAQI=".to_vec()), (0x88, vec![])]);
    let stats = client.stats();
    assert_eq!((stats.packets_sent, stats.bytes_sent), (1, 5));
    let received = usual_open().len() as u64 + 5;
    assert_eq!(
        (stats.packets_received, stats.bytes_received),
        (2, received)
    );
}

/// A server, or what stands before it, that takes the WebSocket and speaks something else: it is dropped, the session opens
/// by polling, and upgrades where that works by then.
#[tokio::test]
async fn try_all_transports_drops_the_first_and_may_upgrade_to_it() {
    let (listener, endpoint) = listen();
    let (dropped, was_dropped) = oneshot::channel();
    let mut dropped = Some(dropped);
    let probed = Arc::new(Notify::new());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = request(&mut stream).await;
            let websocket = head.contains("&transport=websocket");
            match (websocket, head.contains("&sid=SESSION ")) {
                (true, false) => {
                    switch(&mut stream, &head).await;
                    stream.write_all(&text("<html>")).await.unwrap();
                    let dropped = dropped.take().expect("one attempt by WebSocket");
                    tokio::spawn(async move {
                        drop(stream.read_to_end(&mut Vec::new()).await);
                        dropped.send(()).unwrap();
                    });
                }
                (false, false) => {
                    respond(&mut stream, "200 OK\r\nConnection: close", &usual_open()).await;
                }
                (true, true) => {
                    switch(&mut stream, &head).await;
                    let probed = probed.clone();
                    tokio::spawn(async move {
                        client_frame(&mut stream).await;
                        stream.write_all(&text("3probe")).await.unwrap();
                        probed.notify_one();
                        client_frame(&mut stream).await;
                        stream.write_all(&text("4upgraded")).await.unwrap();
                        drop(stream.read_to_end(&mut Vec::new()).await);
                    });
                }
                (false, true) => {
                    let probed = probed.clone();
                    tokio::spawn(async move {
                        probed.notified().await;
                        respond(&mut stream, "200 OK", "6").await;
                    });
                }
            }
        }
    });
    let mut config = config(&[Transport::WebSocket, Transport::Polling]);
    config.try_all_transports = true;
    let mut client = client(endpoint, config);
    assert!(matches!(
        next(&mut client).await,
        Event::TransportFailed {
            transport: Transport::WebSocket,
            reason: CloseReason::Protocol(_)
        }
    ));
    let Event::Opened { transport, .. } = next(&mut client).await else {
        panic!()
    };
    assert_eq!(transport, Transport::Polling);
    within(was_dropped).await.unwrap();
    assert_eq!(
        next(&mut client).await,
        Event::Upgraded(Transport::WebSocket)
    );
    assert_eq!(next(&mut client).await, Event::Message("upgraded".into()));
    assert!(client.stats().heartbeat_rtt.is_some());
}

/// The first of many transports has a small share of the time; nothing of it is left behind.
#[tokio::test]
async fn try_all_transports_drops_a_get_that_hangs() {
    let (listener, endpoint) = listen();
    let (dropped, mut was_dropped) = oneshot::channel();
    tokio::spawn(async move {
        let (mut get, _) = listener.accept().await.unwrap();
        request(&mut get).await;
        tokio::spawn(async move {
            drop(get.read_to_end(&mut Vec::new()).await);
            dropped.send(()).unwrap();
        });
        let mut others = Vec::new();
        loop {
            others.push(listener.accept().await.unwrap());
        }
    });
    let mut config = config(POLLING);
    config.transports.extend([Transport::WebSocket; 199]);
    config.try_all_transports = true;
    let mut client = client(endpoint, config);
    within(async {
        loop {
            tokio::select! {
                _ = &mut was_dropped => break,
                event = client.next_event() => {
                    assert!(matches!(event, Some(Event::TransportFailed { .. })), "{event:?}");
                }
            }
        }
    })
    .await;
}
