//! Engine.IO and Socket.IO against servers that repeat each secret, in every place where an answer can go wrong.

use std::sync::Arc;

use conformance::{http as http_stack, within};
use engineio::client::{Client, Http};
use engineio::{CloseReason, Endpoint, Subprotocols, Transport, Version};
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use serde_json::json;
use socketio::{Builder, ConnectError, Event, Parser, ProviderError, Reconnection};

use crate::server::{
    Answer, BROKEN, Fixed, Request, Server, Step, accept_of, frame, http, url_encoded,
};
use crate::{ear, needle};

const POLLING: &[Transport] = &[Transport::Polling];
const WEBSOCKET: &[Transport] = &[Transport::WebSocket];
const UPGRADE: &[Transport] = &[Transport::Polling, Transport::WebSocket];

/// The query of every URL: a token with characters that URLs encode, and one without a name.
const QUERY: &str = "token=PLANTED%2Bquery%2F1%3D%3D&PLANTED-flag&key=a+PLANTED+b";

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_static("Bearer PLANTED.bearer+/=="),
    );
    headers.insert(
        COOKIE,
        HeaderValue::from_static("c=PLANTED-cookie; d=PLANTED/2=="),
    );
    let mut key = HeaderValue::from_static("PLANTED-api-key");
    key.set_sensitive(true);
    headers.insert("x-api-key", key);
    headers
}

/// All that a request has, in the forms in which servers repeat it.
fn echo(request: &Request) -> [String; FORMS] {
    let line = request.line();
    let decoded = request.decoded();
    let spaced = decoded.replace('+', " ");
    let json = json!({"code": 3, "message": &*line}).to_string();
    let json = json.replace('+', "\\u002b").replace('/', "\\/");
    let [large, small] = [true, false].map(|large| url_encoded(&line, large));
    [line, decoded, spaced, json, large, small]
}

const FORMS: usize = 6;

const OPEN: &str = r#"0{"sid":"PLANTED-sid/1==","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// A handshake by polling, with a cookie; by WebSocket, these steps.
fn open(request: &Request, steps: Vec<Step>) -> Answer {
    if is_websocket(request) {
        Answer::WebSocket(steps)
    } else {
        http("200 OK", "Set-Cookie: io=PLANTED-io\r\n", OPEN)
    }
}

fn is_websocket(request: &Request) -> bool {
    request.target.contains("transport=websocket")
}

fn has_session(request: &Request) -> bool {
    request.target.contains("sid=") || is_websocket(request)
}

type Choose = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// What goes wrong with any request.
fn failures() -> Vec<(String, Choose)> {
    let mut all: Vec<(String, Choose)> = Vec::new();
    for form in 0..FORMS {
        for status in [
            "400 Bad Request",
            "401 No",
            "403 No",
            "404 No",
            "407 No",
            "413 No",
            "500 No",
            "503 No",
        ] {
            all.push((
                format!("{status}, form {form}"),
                Arc::new(move |request| {
                    let text = echo(request)[form].clone();
                    let status = format!("{status} {}", request.target);
                    let header = format!("X-Echo: {text}\r\nWWW-Authenticate: {text}\r\n");
                    http(&status, &header, &text)
                }),
            ));
        }
        all.push((
            format!("packets that are none, form {form}"),
            Arc::new(move |request| http("200 OK", "", &format!("9{}", echo(request)[form]))),
        ));
        all.push((
            format!("no HTTP, form {form}"),
            Arc::new(move |request| Answer::Last(echo(request)[form].clone())),
        ));
    }
    for status in ["301 M", "302 M", "303 M", "307 M", "308 M"] {
        all.push((
            status.to_owned(),
            Arc::new(move |request| {
                http(
                    status,
                    &format!("Location: https://PLANTED@h{}\r\n", request.target),
                    "",
                )
            }),
        ));
    }
    let fixed: [(&str, Fixed); 4] = [
        ("a handshake that is none", |request| {
            let text = request.line().replace('"', " ");
            http(
                "200 OK",
                "",
                &format!("0{{\"sid\":\"{text}\",\"pingInterval\":\"{text}\"}}"),
            )
        }),
        ("an upgrade that is none", |request| {
            let text = request.line();
            Answer::Last(format!(
                "HTTP/1.1 101 {text}\r\nUpgrade: {text}\r\nConnection: {text}\r\n\r\n{text}"
            ))
        }),
        ("a subprotocol that is none", |request| {
            let (accept, text) = (accept_of(request), request.line());
            Answer::Last(format!(
                "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {text}\r\n\r\n"
            ))
        }),
        ("HTTP behind an upgrade", |request| {
            let (accept, text) = (accept_of(request), request.line());
            Answer::Last(format!(
                "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\nHTTP/1.1 400 Bad\r\nContent-Type: text/html\r\n\r\n{text}"
            ))
        }),
    ];
    let fixed = BROKEN.into_iter().chain(fixed);
    all.extend(fixed.map(|(name, choose)| (name.to_owned(), Arc::new(choose) as Choose)));
    all
}

/// Runs a client until it is closed, and looks at all that it shows.
async fn run(
    name: &str,
    stack: &Http,
    server: &Server,
    way: &[Transport],
    version: Version,
) -> CloseReason {
    let mut config = engineio::Config::default();
    config.transports = way.to_vec();
    config.version = version;
    config.subprotocols = Subprotocols::new(["PLANTED-protocol"]).unwrap();
    let url = format!(
        "http://PLANTED-user:PLANTED-password@127.0.0.1:{}/engine.io/?{QUERY}",
        server.port
    );
    let endpoint = match Endpoint::parse(&url) {
        Ok(endpoint) => endpoint,
        // Where a user is no part of a URL.
        Err(error) => {
            needle::told(name, &error);
            Endpoint::parse(&url.replace("PLANTED-user:PLANTED-password@", "")).unwrap()
        }
    };
    let mut client = Client::new(stack.clone(), endpoint, config).with_headers(headers());
    loop {
        needle::shown(name, &client);
        let event = within(name, std::future::poll_fn(|cx| client.poll_event(cx))).await;
        needle::shown(name, &event);
        match event.unwrap() {
            engineio::Event::Closed(reason) => {
                needle::told(name, &reason);
                return reason;
            }
            engineio::Event::UpgradeFailed(error) => {
                needle::told(name, &error);
                client.close();
            }
            engineio::Event::TransportFailed { reason, .. } => {
                needle::told(name, &reason);
            }
            engineio::Event::Opened { .. } => {
                client.send("PLANTED-message".into()).ok();
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_handshake_that_fails_shows_no_secret() {
    ear::open();
    let stack = http_stack();
    for (name, choose) in failures() {
        let server = Server::start(move |request| choose(request)).await;
        for way in [POLLING, WEBSOCKET] {
            run(&name, &stack, &server, way, Version::V4).await;
            assert!(
                server
                    .seen()
                    .iter()
                    .all(|request| request.line().contains("PLANTED.bearer"))
            );
        }
        if name.contains("form 0") {
            run(&name, &stack, &server, UPGRADE, Version::Auto).await;
        }
    }
    ear::heard_no_secret();
    assert!(ear::lines_of("engineio") > 0);
    assert!(ear::lines_of("reqwest") > 0);
}

#[tokio::test]
async fn a_session_that_fails_shows_no_secret() {
    ear::open();
    let stack = http_stack();
    for (name, choose) in failures() {
        // Who is told to open what is open asks again.
        if name == "a handshake that is none" {
            continue;
        }
        let server = Server::start(move |request| match has_session(request) {
            true => choose(request),
            false => open(request, vec![]),
        })
        .await;
        run(&name, &stack, &server, POLLING, Version::V4).await;
        run(&name, &stack, &server, UPGRADE, Version::V4).await;
        let with_session = server.seen().into_iter().filter(has_session);
        assert!(with_session.clone().count() > 0);
        for request in with_session {
            assert!(request.line().contains("io=PLANTED-io"), "{request:?}");
        }
    }
    ear::heard_no_secret();
}

#[tokio::test]
async fn a_websocket_that_fails_shows_no_secret() {
    ear::open();
    let stack = http_stack();
    let say = |text: &str| Step::Say(text.to_owned());
    let code = [&b"\x0f\xa0"[..], b"PLANTED-reason"].concat();
    let code = String::from_utf8_lossy(&code).into_owned();
    let close: Vec<u8> = [&[0x88, 16][..], b"\x0f\xa0PLANTED-reason"].concat();
    assert!(code.contains("PLANTED"));
    for (name, steps) in [
        ("it ends", vec![]),
        ("it closes with a reason", vec![Step::Raw(close.clone())]),
        (
            "a close frame that is none",
            vec![Step::Raw(frame(0x88, "P"))],
        ),
        ("a message that is none", vec![Step::Repeat("9", "")]),
        (
            "a message, and it ends",
            vec![Step::Hear, Step::Repeat("4", ""), Step::Repeat("b!", "")],
        ),
        (
            "a ping with a text",
            vec![say("2PLANTED"), Step::Hear, Step::Raw(close)],
        ),
        (
            "a ping of WebSocket",
            vec![Step::Raw(frame(0x89, "PLANTED")), Step::Hear, Step::Hear],
        ),
        ("an unknown opcode", vec![Step::Raw(frame(0x83, "PLANTED"))]),
        ("reserved bits", vec![Step::Raw(frame(0xf1, "PLANTED"))]),
        (
            "what is no UTF-8",
            vec![Step::Raw(b"\x81\x09PLANTED\xff\xff".to_vec())],
        ),
        (
            "a continuation of nothing",
            vec![Step::Raw(frame(0x80, "PLANTED"))],
        ),
        (
            "what is longer than it may be",
            vec![Step::Raw(
                b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xffPLANTED".to_vec(),
            )],
        ),
        ("half a frame", vec![Step::Raw(b"\x81\x10PLANTED".to_vec())]),
        (
            "HTTP",
            vec![Step::Raw(
                b"HTTP/1.1 400 PLANTED\r\n\r\nPLANTED-cookie Bearer PLANTED.bearer+/==".to_vec(),
            )],
        ),
    ] {
        for opened in [true, false] {
            // A client says nothing before a session is open.
            let rest = steps
                .iter()
                .filter(|step| opened || !matches!(step, Step::Hear));
            let all = opened.then(|| say(OPEN)).into_iter().chain(rest.cloned());
            let all: Vec<_> = all.collect();
            let server = Server::start(move |request| open(request, all.clone())).await;
            run(name, &stack, &server, WEBSOCKET, Version::V4).await;
        }
    }
    // Below the handshake nobody logs anything: tungstenite would log payloads, if it were given them.
    assert_eq!(ear::lines_of("tungstenite"), 0);
    assert!(ear::lines_of("engineio") > 0);
    ear::heard_no_secret();
}

const JOINED: &str = r#"40{"sid":"PLANTED-id","pid":"PLANTED-pid"}"#;

/// Runs a Socket.IO client until it gives up, and looks at all that it shows.
async fn run_socket(name: &str, steps: Vec<Step>, version: Version) {
    let server = Server::start(move |request| open(request, steps.clone())).await;
    let url = format!("http://PLANTED:PLANTED@127.0.0.1:{}/?{QUERY}", server.port);
    let mut builder = Builder::new(url)
        .version(version)
        .transports([Transport::WebSocket])
        .http(http_stack())
        .headers(headers())
        .parser(Parser::json())
        .report_sent(true)
        .reconnection(Reconnection::disabled());
    if version == Version::V4 {
        builder = builder.auth(json!({
            "token": "PLANTED.auth+/==",
            "nested": [{"key": "PLANTED <nested>"}, 1, "PLANTED-listed"],
        }));
    }
    let (socket, mut events) = match within(name, builder.connect()).await {
        Ok(connected) => connected,
        Err(error) => {
            needle::told(name, &error);
            return;
        }
    };
    socket.emit("e", ("PLANTED", 1)).await.ok();
    let ack = tokio::spawn({
        let socket = socket.clone();
        async move {
            socket
                .emit_with_ack("ask", "PLANTED", conformance::PATIENCE)
                .await
        }
    });
    while let Some(event) = within(name, events.next()).await {
        needle::shown(name, &event);
        needle::shown(name, &(&socket, &events, socket.stats()));
        match event {
            Event::Disconnected { reason, .. } => drop(needle::told(name, &reason)),
            Event::ConnectError { error, .. } => drop(needle::told(name, &error)),
            Event::Unsent { error, .. } => drop(needle::told(name, &error)),
            Event::Message(message) => {
                if let Err(error) = message.parse::<(u8, bool)>() {
                    needle::told(name, &error);
                }
            }
            _ => {}
        }
    }
    match within(name, ack).await.unwrap() {
        Ok(args) => needle::shown(name, &args),
        Err(error) => drop(needle::told(name, &error)),
    }
}

#[tokio::test]
async fn a_namespace_that_fails_shows_no_secret() {
    ear::open();
    let say = |text: &str| Step::Say(text.to_owned());
    let joined = || [say(OPEN), Step::Hear, say(JOINED)].to_vec();
    let behind: [(&str, Vec<Step>); 9] = [
        (
            "it is put out",
            vec![Step::Repeat(r#"44{"message":""#, r#"","data":"PLANTED"}"#)],
        ),
        ("it is put out in a word", vec![Step::Repeat("44\"", "\"")]),
        ("the server leaves", vec![say("41")]),
        (
            "an event",
            vec![Step::Hear, Step::Repeat("42[\"e\",\"", "\"]"), say("41")],
        ),
        (
            "an acknowledgement",
            vec![Step::Hear, Step::Hear, say(r#"430["PLANTED"]"#), say("41")],
        ),
        ("no packet", vec![Step::Repeat("49", "")]),
        ("no JSON", vec![Step::Repeat("42[\"", "\"")]),
        ("no namespace", vec![Step::Repeat("44/", "")]),
        (
            "an attachment too few",
            vec![
                say(r#"451-["e",{"_placeholder":true,"num":0},"PLANTED"]"#),
                Step::Repeat("42[\"", "\"]"),
            ],
        ),
    ];
    for (name, steps) in behind {
        run_socket(name, [joined(), steps].concat(), Version::V4).await;
    }
    for (name, answer) in [
        (
            "it is refused",
            Step::Repeat(r#"44{"message":""#, r#"","data":{"token":"PLANTED"}}"#),
        ),
        ("it is refused in a word", Step::Repeat("44\"", "\"")),
        ("it is refused in a list", Step::Repeat("44[\"", "\"]")),
        ("it is refused in no JSON", Step::Repeat("44{\"", "")),
        (
            "it is accepted in no JSON",
            Step::Repeat("40{\"sid\":\"", ""),
        ),
        ("events before the answer", Step::Repeat("42[\"", "\"")),
    ] {
        run_socket(name, vec![say(OPEN), Step::Hear, answer], Version::V4).await;
    }
    for answer in [
        Step::Repeat("44\"", "\""),
        Step::Repeat("44{\"message\":\"", "\"}"),
        Step::Repeat("44", ""),
    ] {
        run_socket("revision 4", vec![say(OPEN), answer], Version::V3).await;
    }
    ear::heard_no_secret();
    assert!(ear::lines_of("socketio") > 0);
}

/// What a server says of a namespace is for the program, but for the credentials in it.
#[tokio::test]
async fn of_a_refusal_only_the_credentials_are_cut_out() {
    let refusal = r#"44{"message":"expired: PLANTED.auth of PLANTED+q, who is abc","data":{"token":"PLANTED.auth"}}"#;
    let steps = vec![
        Step::Say(OPEN.into()),
        Step::Hear,
        Step::Say(refusal.into()),
    ];
    let server = Server::start(move |request| open(request, steps.clone())).await;
    let url = format!("http://127.0.0.1:{}/?q=PLANTED%2Bq", server.port);
    let builder = Builder::new(url)
        .transports([Transport::WebSocket])
        .http(http_stack());
    let builder = builder.auth(json!({"token": "PLANTED.auth", "short": "abc"}));
    let refused = within("a refusal", builder.connect()).await.unwrap_err();
    let words = needle::told("a refusal", &refused);
    assert!(
        words.contains("expired: [redacted] of [redacted], who is abc"),
        "{words}"
    );
    let ConnectError::Refused {
        data: Some(data), ..
    } = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(data.as_str(), r#"{"token":"PLANTED.auth"}"#);
}

/// The words of a program's own error are shown: so is written at `ProviderError::Failed`.
#[tokio::test]
async fn providers_say_what_they_say_and_what_they_give_is_not_shown() {
    ear::open();
    let server = Server::start(|request| open(request, vec![])).await;
    let builder = || {
        let url = format!("http://127.0.0.1:{}/", server.port);
        Builder::new(url)
            .http(http_stack())
            .transports([Transport::WebSocket])
    };
    let failed = builder().provider(|_| async {
        Err::<socketio::Dial, _>(std::io::Error::other("no key in the ring"))
    });
    let error = within("an error", failed.connect()).await.unwrap_err();
    assert!(needle::told("failed", &error).contains("no key in the ring"));
    for dial in [
        socketio::Dial::new().url("PLANTED"),
        socketio::Dial::new().url("http://h/PLANTED?PLANTED"),
        socketio::Dial::new().query("sid=PLANTED"),
        socketio::Dial::new().query("a=\nPLANTED"),
    ] {
        let given =
            builder().provider(move |_| std::future::ready(Ok::<_, std::io::Error>(dial.clone())));
        let error = within("an error", given.connect()).await.unwrap_err();
        needle::told("given", &error);
        assert!(
            matches!(
                error,
                ConnectError::Provider(ProviderError::Url(_) | ProviderError::OtherNamespace)
            ),
            "{error}"
        );
    }
    let panicked = builder().provider(|_| async { panic_with("PLANTED") });
    let error = within("an error", panicked.connect()).await.unwrap_err();
    needle::told("panicked", &error);
    ear::heard_no_secret();
}

fn panic_with(text: &'static str) -> Result<socketio::Dial, std::io::Error> {
    std::panic::resume_unwind(Box::new(text))
}
