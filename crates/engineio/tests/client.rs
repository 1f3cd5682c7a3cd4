//! The tokio driver against scripted servers on loopback: what a server, or something that only looks like one, can
//! do on the socket itself.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use engineio::client::{Client, Http};
use engineio::{
    CloseReason, Config, Endpoint, ErrorCode, Event, Message, ProtocolError, Transport,
    TransportErrorKind, UpgradeError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

const OPEN: &str = r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// Waits for what must happen; the limit only keeps a broken test from hanging.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it never happened")
}

async fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (
        listener,
        Endpoint::parse(&format!("http://127.0.0.1:{port}/engine.io/?token=secret")).unwrap(),
    )
}

fn client(endpoint: Endpoint, transports: &[Transport]) -> Client {
    let http = Http::builder().no_proxy().build().unwrap();
    let mut config = Config::default();
    config.transports = transports.to_vec();
    Client::new(http, endpoint, config)
}

async fn next(client: &mut Client) -> Event {
    within(client.next_event()).await.expect("the stream ended")
}

async fn closed(client: &mut Client) -> CloseReason {
    loop {
        if let Event::Closed(reason) = next(client).await {
            assert_eq!(
                within(client.next_event()).await,
                None,
                "silence after Closed"
            );
            return reason;
        }
    }
}

/// Reads one request: its head, and its body if it tells a length.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        assert_ne!(
            stream.read_buf(&mut bytes).await.unwrap(),
            0,
            "the request ended early: {text}"
        );
    }
}

async fn respond(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
}

/// Answers a WebSocket handshake properly, with `extra` header lines.
async fn switch(stream: &mut TcpStream, extra: &str) {
    let request = request(stream).await;
    let key = request
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then_some(value)
        })
        .unwrap();
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// A text frame as a server sends it: unmasked.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u8::try_from(text.len()).unwrap() {
        len @ 0..=125 => bytes.push(len),
        len => bytes.extend([126, 0, len]),
    }
    bytes.extend(text.as_bytes());
    bytes
}

/// Reads what a client sends over its WebSocket until `count` frames are there; unmasks them.
async fn frames(stream: &mut TcpStream, count: usize) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    for _ in 0..count {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.unwrap();
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await.unwrap();
        let mut data = vec![0; usize::from(head[1] & 0x7F)];
        stream.read_exact(&mut data).await.unwrap();
        data.iter_mut()
            .zip(mask.iter().cycle())
            .for_each(|(byte, mask)| *byte ^= mask);
        frames.push((head[0], data));
    }
    frames
}

#[tokio::test]
async fn a_websocket_session_from_handshake_to_close() {
    let (listener, endpoint) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, "").await;
        // Everything in one segment, and then a byte at a time: frames do not care.
        stream
            .write_all(&[frame(OPEN), frame("2"), frame("4a")].concat())
            .await
            .unwrap();
        for byte in [frame("4b"), vec![0x82, 2, 0xDE, 0xAD], vec![0x82, 0]].concat() {
            stream.write_all(&[byte]).await.unwrap();
        }
        let sent = frames(&mut stream, 3).await;
        stream.write_all(&[0x88, 0]).await.unwrap();
        sent
    });
    let mut client = client(endpoint, &[Transport::WebSocket]);
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
    let (listener, endpoint) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, "").await;
        let error = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: 28\r\n\r\nUnsupported protocol version";
        stream.write_all(error.as_bytes()).await.unwrap();
    });
    let mut client = client(endpoint, &[Transport::WebSocket]);
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
        let (listener, endpoint) = listen().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            respond(&mut stream, status, body).await;
        });
        let mut client = client(endpoint, &[Transport::WebSocket]);
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
    let (listener, endpoint) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        let head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\nno";
        stream.write_all(head).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let mut client = client(endpoint, &[Transport::WebSocket]);
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
        let (listener, endpoint) = listen().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            switch(&mut stream, extra).await;
            stream.write_all(&frame(OPEN)).await.unwrap();
        });
        let mut client = client(endpoint, &[Transport::WebSocket]);
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
        let (listener, endpoint) = listen().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            switch(&mut stream, "").await;
            stream.write_all(&bytes).await.unwrap();
            // Held open: it is the bytes that end the session.
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let mut client = client(endpoint, &[Transport::WebSocket]);
        let CloseReason::Transport(error) = closed(&mut client).await else {
            panic!()
        };
        assert_eq!(error.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_broken_connection() {
    let (listener, endpoint) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        switch(&mut stream, "").await;
        stream.write_all(&frame(OPEN)).await.unwrap();
        stream.write_all(&frame("4last words")).await.unwrap();
    });
    let mut client = client(endpoint, &[Transport::WebSocket]);
    assert!(matches!(next(&mut client).await, Event::Opened { .. }));
    assert_eq!(next(&mut client).await, Event::Message("last words".into()));
    let CloseReason::Transport(error) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(error.kind, TransportErrorKind::Broken);
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error_without_the_url() {
    let (listener, endpoint) = listen().await;
    drop(listener);
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut client = client(endpoint.clone(), &[transport]);
        let reason = closed(&mut client).await;
        let CloseReason::Transport(error) = &reason else {
            panic!()
        };
        assert_eq!(error.kind, TransportErrorKind::Connect);
        assert!(!format!("{reason} {reason:?} {client:?}").contains("secret"));
    }
}

#[tokio::test]
async fn something_that_is_not_http_is_an_error() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let (listener, endpoint) = listen().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        let mut client = client(endpoint, &[transport]);
        assert!(matches!(
            closed(&mut client).await,
            CloseReason::Transport(_)
        ));
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let (listener, endpoint) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        respond(&mut stream, "200 OK", &"4".repeat(2000)).await;
    });
    let mut config = Config::default();
    config.transports = vec![Transport::Polling];
    config.limits.max_body_bytes = 1000;
    let http = Http::builder().no_proxy().build().unwrap();
    let mut client = Client::new(http, endpoint, config);
    let CloseReason::Transport(error) = closed(&mut client).await else {
        panic!()
    };
    assert_eq!(error.kind, TransportErrorKind::TooLarge);
}

#[tokio::test]
async fn a_page_instead_of_a_payload_is_a_protocol_error() {
    let (listener, endpoint) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        respond(&mut stream, "200 OK", "<!DOCTYPE html>").await;
    });
    let mut client = client(endpoint, &[Transport::Polling]);
    assert!(matches!(
        closed(&mut client).await,
        CloseReason::Protocol(ProtocolError::Decode(_))
    ));
}

/// A proxy that swallows WebSockets: the session stays on polling and works.
#[tokio::test]
async fn polling_carries_on_where_the_upgrade_is_refused() {
    let (listener, endpoint) = listen().await;
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
    let mut client = client(endpoint, &[Transport::Polling, Transport::WebSocket]);
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
        if head.starts_with("POST /engine.io/?token=secret&EIO=4&transport=polling&t=") {
            let content_type = "content-type: text/plain;charset=utf-8";
            assert!(head.to_lowercase().contains(content_type), "{head}");
            sender.send(body.to_owned()).unwrap();
            respond(&mut stream, "200 OK", "ok").await;
        } else if head.starts_with("GET /engine.io/?token=secret&EIO=4&transport=websocket&sid=S ")
        {
            respond(&mut stream, "501 Not Implemented", "").await;
        } else if head.contains("&sid=S ") {
            let body = receiver.lock().await.recv().await.unwrap();
            respond(&mut stream, "200 OK", &body).await;
        } else {
            respond(&mut stream, "200 OK", OPEN).await;
        }
    }
}
