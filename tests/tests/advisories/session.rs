//! Hostile Socket.IO servers, on real sockets, against the finished client.

use engineio::{Endpoint, Transport};
use socketio::codec::DecodeError;
use socketio::{Builder, ConnectError, DisconnectReason, Event, Parser, Reconnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::raw::{self, frame, text, within};
use super::{flood, hasty};

/// A Socket.IO client of a raw server, which comes back at once when it loses the connection.
pub(crate) fn builder(endpoint: &Endpoint, transports: &[Transport]) -> Builder {
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = std::time::Duration::from_millis(1);
    reconnection.max_delay = std::time::Duration::from_millis(1);
    let mut config = raw::config(transports);
    // A hostile server does not answer a close.
    config.close_timeout = std::time::Duration::from_millis(10);
    Builder::new(format!("http://127.0.0.1:{}/", endpoint.port()))
        .engine_config(config)
        .reconnection(reconnection)
        .http(conformance::http())
}

/// Takes the next client up to its CONNECT, and lets it into `/`.
pub(crate) async fn join(listener: TcpListener, open: &str) -> TcpStream {
    join_one(&listener, open).await
}

async fn join_one(listener: &TcpListener, open: &str) -> TcpStream {
    let mut stream = connect_one(listener, open).await;
    stream.write_all(&text(r#"40{"sid":"s"}"#)).await.unwrap();
    stream
}

/// Takes the next client up to its CONNECT.
async fn connect_one(listener: &TcpListener, open: &str) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let head = raw::request(&mut stream).await;
    raw::switch(&mut stream, &head).await;
    stream.write_all(&text(open)).await.unwrap();
    raw::client_frame(&mut stream).await.unwrap();
    stream
}

/// What is sent to a client that has joined, one row in each of its connections; and the errors that end them.
async fn errors_of(
    rows: Vec<Vec<u8>>,
    builder: impl FnOnce(&Endpoint) -> Builder,
) -> Vec<DecodeError> {
    let (listener, endpoint) = raw::listen();
    let count = rows.len();
    let server = tokio::spawn(async move {
        for row in rows {
            let mut stream = join_one(&listener, &raw::usual_open()).await;
            stream.write_all(&row).await.unwrap();
            // And binary messages without end, which nobody holds.
            flood(&mut stream, &frame(0x82, &[0; 1000])).await;
        }
        // In the end, a good one.
        let mut stream = join_one(&listener, &raw::usual_open()).await;
        stream.write_all(&text(r#"42["good"]"#)).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let (_socket, mut events) = within(builder(&endpoint).connect()).await.unwrap();
    let mut errors = Vec::new();
    loop {
        match conformance::next(&mut events).await {
            Event::Connected(_) => {}
            Event::Disconnected {
                reason: DisconnectReason::Decode(error),
                retry_in: Some(_),
            } => errors.push(error),
            Event::Message(message) => {
                assert_eq!(message.name(), "good");
                break;
            }
            other => panic!("after {} errors: {other:?}", errors.len()),
        }
    }
    assert_eq!(errors.len(), count);
    server.abort();
    errors
}

async fn errors_of_texts(texts: &[&str]) -> Vec<DecodeError> {
    let rows = texts.iter().map(|packet| text(packet)).collect();
    errors_of(rows, |endpoint| builder(endpoint, raw::WEBSOCKET)).await
}

#[tokio::test]
async fn cve_2026_33151_floods_of_attachments() {
    let errors = errors_of_texts(&[
        r#"451000000-["e"]"#,
        r#"4511-["e"]"#,
        r#"451.5-["e"]"#,
        r#"45Infinity-["e"]"#,
        r#"45-1-["e"]"#,
        // One is announced, and more come.
        r#"461-7[]"#,
    ])
    .await;
    let (last, counts) = errors.split_last().unwrap();
    assert_eq!(*last, DecodeError::UnexpectedBinary);
    assert!(counts.iter().all(|error| matches!(
        error,
        DecodeError::TooManyAttachments { .. } | DecodeError::IllegalAttachmentCount { .. }
    )));
}

/// Ten attachments may come to what their limit says, all together.
#[tokio::test]
async fn cve_2026_33151_attachments_without_measure() {
    let rows = vec![text(r#"4510-["e"]"#)];
    let errors = errors_of(rows, |endpoint| {
        let mut limits = socketio::Limits::default();
        limits.codec.max_attachment_bytes = 4500;
        builder(endpoint, raw::WEBSOCKET).limits(limits)
    });
    let expected = DecodeError::AttachmentsTooLarge { limit: 4500 };
    assert_eq!(errors.await, [expected]);
}

#[tokio::test]
async fn cve_2026_69185_zero_attachments_and_frames_without_end() {
    let errors = errors_of_texts(&[r#"450-["e"]"#, "460-7[]", r#"42["good"#]).await;
    let expected = DecodeError::IllegalAttachmentCount { offset: 1 };
    assert_eq!(errors[..2], [expected.clone(), expected]);
}

#[tokio::test]
async fn cve_2020_36049_ids_and_namespaces_without_end() {
    let (ones, name) = ("1".repeat(60_000), "n".repeat(60_000));
    let errors = errors_of_texts(&[
        &format!("43{ones}[]"),
        &format!(r#"42{ones}["e"]"#),
        &format!(r#"42/{name},["e"]"#),
    ])
    .await;
    let expected = [
        DecodeError::AckIdTooLarge { offset: 1 },
        DecodeError::AckIdTooLarge { offset: 1 },
        DecodeError::NamespaceTooLong {
            offset: 1,
            limit: socketio::Namespace::MAX_LEN,
        },
    ];
    assert_eq!(errors, expected);
}

#[tokio::test]
async fn cve_2022_2421_a_placeholder_in_place_of_a_method() {
    let texts = [r#""splice""#, "-1", "1", "0.5", "1e400"];
    let texts = texts.map(|num| format!(r#"451-["e",{{"_placeholder":true,"num":{num}}}]"#));
    let errors = errors_of_texts(&texts.each_ref().map(String::as_str)).await;
    for error in errors {
        assert!(
            matches!(error, DecodeError::IllegalPlaceholder { .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn cve_2023_32695_an_event_whose_name_is_an_object() {
    let texts = [r#"42[{"toString":"foo"}]"#, "42[null]", "42[]", "42"];
    let errors = errors_of_texts(&texts).await;
    assert!(matches!(errors[0], DecodeError::IllegalEventName { .. }));
}

/// In the reference implementation an event of this name that nobody listens for is thrown, and ends the process.
#[tokio::test]
async fn cve_2024_38355_an_event_named_error() {
    const NAMES: [&str; 6] = [
        "error",
        "close",
        "uncaughtException",
        "__proto__",
        "toString",
        "",
    ];
    let (listener, endpoint) = raw::listen();
    let server = tokio::spawn(async move {
        let mut stream = join_one(&listener, &raw::usual_open()).await;
        for name in NAMES {
            stream
                .write_all(&text(&format!(r#"42["{name}"]"#)))
                .await
                .unwrap();
            stream
                .write_all(&text(&format!(r#"427["{name}",1]"#)))
                .await
                .unwrap();
        }
        // One that is the library's own, which costs the connection and no more.
        for name in ["connect", "disconnect", "newListener"] {
            stream
                .write_all(&text(&format!(r#"42["{name}"]"#)))
                .await
                .ok();
            stream.read_to_end(&mut Vec::new()).await.ok();
            stream = join_one(&listener, &raw::usual_open()).await;
        }
        stream
    });
    let (_socket, mut events) = within(builder(&endpoint, raw::WEBSOCKET).connect())
        .await
        .unwrap();
    let mut names = Vec::new();
    let mut reserved = 0;
    while reserved < 3 {
        match conformance::next(&mut events).await {
            Event::Message(message) => names.push(message.name().to_owned()),
            Event::Disconnected {
                reason: DisconnectReason::Decode(DecodeError::ReservedEventName { .. }),
                retry_in: Some(_),
            } => reserved += 1,
            Event::Connected(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let expected = NAMES.iter().flat_map(|name| [*name, *name]);
    assert_eq!(names, expected.collect::<Vec<_>>());
    assert!(matches!(
        conformance::next(&mut events).await,
        Event::Connected(_)
    ));
    server.abort();
}

/// MessagePack: lengths of which nothing comes, depth, and binary values without number.
#[tokio::test]
async fn cve_2026_33151_messagepack_that_announces_more_than_there_is() {
    let head = |data: &[u8]| [b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data", data].concat();
    let joined = b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x81\xa3sid\xa1s";
    let rows = [
        head(b"\xdd\xff\xff\xff\xff"),
        head(b"\x92\xa1e\xdf\xff\xff\xff\xff"),
        head(b"\x92\xa1e\xc6\xff\xff\xff\xff"),
        head(b"\x92\xa1e\xdb\xff\xff\xff\xff"),
        head(b"\x92\xa1e\xc9\xff\xff\xff\xff\x05"),
        head(&[&b"\x92\xa1e"[..], &[0x91; 1000], b"\xc0"].concat()),
        head(&[&b"\x9c\xa1e"[..], &b"\xc4\x00".repeat(11)].concat()),
        head(b"\x91\x81\xa8toString\xa3foo"),
    ];
    let (listener, endpoint) = raw::listen();
    let count = rows.len();
    let server = tokio::spawn(async move {
        for row in rows {
            let mut stream = connect_one(&listener, &raw::usual_open()).await;
            stream.write_all(&frame(0x82, joined)).await.unwrap();
            stream.write_all(&frame(0x82, &row)).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
    });
    let client = builder(&endpoint, raw::WEBSOCKET).parser(Parser::msgpack());
    let (_socket, mut events) = within(client.connect()).await.unwrap();
    let mut errors = 0;
    while errors < count {
        match conformance::next(&mut events).await {
            Event::Connected(_) => {}
            Event::Disconnected {
                reason: DisconnectReason::Decode(_),
                retry_in: Some(_),
            } => errors += 1,
            other => panic!("after {errors}: {other:?}"),
        }
    }
    within(server).await.unwrap();
}

/// The POST that carries CONNECT, and then an event: a server that never answers it loses the session, not the program.
#[tokio::test]
async fn cve_2026_59725_the_client_of_a_hung_post_comes_back() {
    let (listener, endpoint) = raw::listen();
    super::serve_silently(
        listener,
        raw::usual_open(),
        super::Kind::Post,
        |mut stream, _| async move {
            stream.read_to_end(&mut Vec::new()).await.ok();
        },
    );
    let client = builder(&endpoint, raw::POLLING).engine_config(hasty(super::Kind::Post));
    let error = within(client.connect()).await.err();
    let expected = ConnectError::Engine(engineio::CloseReason::RequestTimeout);
    assert_eq!(error, Some(expected));
}

/// Before it lets a client in, a server may send events, but not without number.
#[tokio::test]
async fn cwe_770_events_before_the_answer_to_connect() {
    let (listener, endpoint) = raw::listen();
    let server = tokio::spawn(async move {
        let mut stream = connect_one(&listener, &raw::usual_open()).await;
        flood(&mut stream, &text(r#"42["early"]"#).repeat(100)).await;
    });
    let error = within(builder(&endpoint, raw::WEBSOCKET).connect())
        .await
        .err();
    assert_eq!(error, Some(ConnectError::TooManyHeldEvents));
    within(server).await.unwrap();
}

/// The words of a server end up in logs and on terminals.
#[tokio::test]
async fn cwe_117_words_of_a_server_are_one_line() {
    let words = "\\u001b[2J\\r\\n2026-01-01 INFO all is well\\u202e\\u0000";
    let (listener, endpoint) = raw::listen();
    let server = tokio::spawn(async move {
        let mut stream = connect_one(&listener, &raw::usual_open()).await;
        let refusal = format!(r#"44{{"message":"{words}"}}"#);
        stream.write_all(&text(&refusal)).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let error = within(builder(&endpoint, raw::WEBSOCKET).connect())
        .await
        .err()
        .unwrap();
    let shown = error.to_string();
    assert!(shown.contains("all is well"), "{shown}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    server.abort();
}
