//! Which transports are tried, for how long, and how what is sent looks on each.

use super::*;

const POLLING_FIRST: [Transport; 2] = [Transport::Polling, Transport::WebSocket];
const WEBSOCKET_FIRST: [Transport; 2] = [Transport::WebSocket, Transport::Polling];

fn trying_all(version: Version, transports: &[Transport]) -> Wire {
    Wire::configured(Config {
        version,
        transports: transports.to_vec(),
        try_all_transports: true,
        ..Config::default()
    })
}

fn refused(status: u16, body: &str) -> Input {
    Input::WebSocketRefused(Refusal::new(status, body.as_bytes()))
}

fn failed(kind: TransportErrorKind) -> Input {
    Input::WebSocketFailed(TransportError::new(kind, ""))
}

#[test]
fn try_all_transports_falls_back_while_opening() {
    for (failure, told) in [
        (failed(TransportErrorKind::Connect), "could not connect"),
        (failed(TransportErrorKind::Broken), "the connection broke"),
        (
            refused(403, "<html>no WebSockets here</html>"),
            "the server answered HTTP 403",
        ),
        (
            refused(400, "Transport unknown"),
            "the server answered HTTP 400: Transport unknown",
        ),
        (Input::WebSocketClosed(None), "closed by the server"),
        (
            Input::Frame(Frame::Text("<html>".into())),
            "the server sent an unknown packet type (byte 0x3c)",
        ),
        (
            Input::Frame(Frame::Text("4a".into())),
            "the server sent another packet where the handshake belongs",
        ),
        (
            Input::Frame(Frame::Text("0{}".into())),
            "the server's handshake cannot be used: a field is missing or of the wrong type",
        ),
    ] {
        let mut wire = trying_all(Version::V4, &WEBSOCKET_FIRST);
        assert_eq!(wire.actions(), ["WS"]);
        wire.input(failure);
        assert_eq!(wire.events(), [format!("websocket failed: {told}")]);
        assert_eq!(wire.actions(), ["drop", "GET"]);
        // It is a session like any other, and upgrades.
        wire.got(OPEN);
        assert_eq!(wire.events(), ["opened polling"]);
        assert_eq!(wire.actions(), ["WS S", "GET S"]);
    }
}

#[test]
fn try_all_transports_falls_back_from_polling_and_tells_the_last_failure() {
    for (failure, told) in [
        (
            answer(400, "Transport unknown"),
            "the server answered HTTP 400: Transport unknown",
        ),
        (answer(502, ""), "the server answered HTTP 502"),
        (Err(broken()), "the connection broke"),
        (
            ok("<html>"),
            "the server sent an unknown packet type (byte 0x3c)",
        ),
    ] {
        let mut wire = trying_all(Version::V4, &POLLING_FIRST);
        assert_eq!(wire.actions(), ["GET"]);
        wire.input(Input::GetDone(failure));
        assert_eq!(wire.events(), [format!("polling failed: {told}")]);
        assert_eq!(wire.actions(), ["WS"]);
        wire.input(failed(TransportErrorKind::Connect));
        assert_eq!(wire.events(), ["closed: could not connect"]);
        assert!(wire.actions().is_empty());
    }
}

#[test]
fn try_all_transports_is_off_by_default() {
    let mut wire = Wire::new(&WEBSOCKET_FIRST);
    wire.input(failed(TransportErrorKind::Connect));
    assert_eq!(wire.events(), ["closed: could not connect"]);
    let mut wire = Wire::new(&WEBSOCKET_FIRST);
    assert_eq!(wire.fire(), 20_000);
    assert_eq!(wire.reason(), CloseReason::HandshakeTimeout);
}

#[test]
fn try_all_transports_ends_where_the_next_one_would_fail_alike() {
    for failure in [
        refused(403, "Forbidden"),
        refused(403, r#"{"code":4,"message":"my own"}"#),
        refused(400, "Unsupported protocol version"),
        failed(TransportErrorKind::Request),
    ] {
        let mut wire = trying_all(Version::V4, &WEBSOCKET_FIRST);
        wire.input(failure);
        assert!(matches!(
            wire.reason(),
            CloseReason::Refused(_) | CloseReason::Transport(_)
        ));
        assert!(wire.actions().is_empty());
    }
    let mut wire = trying_all(Version::V4, &POLLING_FIRST);
    wire.got(&format!("{}:{OPEN}", OPEN.len()));
    assert_eq!(
        wire.reason(),
        ProtocolError::OtherVersion(Version::V3).into()
    );
}

#[test]
fn try_all_transports_gives_one_that_hangs_its_share_of_the_time() {
    let mut wire = trying_all(Version::V4, &WEBSOCKET_FIRST);
    wire.input(Input::WebSocketOpened);
    assert_eq!(wire.fire(), 10_000);
    assert_eq!(
        wire.events(),
        ["websocket failed: no handshake from the server in time"]
    );
    assert_eq!(wire.actions(), ["drop", "GET"]);
    assert_eq!(wire.fire(), 20_000);
    assert_eq!(wire.reason(), CloseReason::HandshakeTimeout);

    // The GET is still under way: it is dropped.
    let mut wire = trying_all(Version::V4, &POLLING_FIRST);
    assert_eq!(wire.actions(), ["GET"]);
    assert_eq!(wire.fire(), 10_000);
    assert_eq!(wire.actions(), ["drop GET", "WS"]);
}

#[test]
fn try_all_transports_leaves_the_next_one_all_the_time_that_is_left() {
    let mut wire = trying_all(Version::V4, &WEBSOCKET_FIRST);
    wire.at(3_000);
    wire.input(failed(TransportErrorKind::Broken));
    assert_eq!(wire.fire(), 20_000);
}

/// A process that was suspended finds the whole deadline behind it.
#[test]
fn try_all_transports_starts_nothing_behind_the_deadline() {
    let mut wire = trying_all(Version::V4, &WEBSOCKET_FIRST);
    wire.now = wire.start + Duration::from_secs(20);
    wire.connection.handle_timeout(wire.now);
    assert_eq!(wire.reason(), CloseReason::HandshakeTimeout);
}

#[test]
fn try_all_transports_tries_each_revision_on_each_transport() {
    let mut wire = trying_all(Version::Auto, &POLLING_FIRST);
    let mut tried = Vec::new();
    let mut given_up = Vec::new();
    while !wire.connection.is_closed() {
        while let Some(action) = wire.connection.poll_action() {
            match action {
                Action::Get(target) => {
                    tried.push((target.transport, target.version));
                    wire.input(Input::GetDone(answer(404, "")));
                }
                Action::OpenWebSocket(target) => {
                    tried.push((target.transport, target.version));
                    wire.input(refused(404, ""));
                }
                _ => {}
            }
        }
        given_up.extend(wire.events());
    }
    assert_eq!(
        tried,
        [
            (Transport::Polling, Version::V4),
            (Transport::Polling, Version::V3),
            (Transport::WebSocket, Version::V4),
            (Transport::WebSocket, Version::V3),
        ]
    );
    let both = "the server speaks no known revision of Engine.IO; tried as revision 4: the server answered HTTP 404; \
                tried as revision 3: the server answered HTTP 404";
    assert_eq!(
        given_up,
        [format!("polling failed: {both}"), format!("closed: {both}")]
    );
}

#[test]
fn try_all_transports_keeps_the_revision_that_the_server_has_told() {
    let mut wire = trying_all(Version::Auto, &POLLING_FIRST);
    wire.got(&format!("{}:{OPEN}", OPEN.len()));
    wire.input(Input::GetDone(Err(broken())));
    assert_eq!(wire.events(), ["polling failed: the connection broke"]);
    let Some(Action::OpenWebSocket(target)) = wire.connection.poll_action() else {
        panic!()
    };
    assert_eq!(target.version, Version::V3);
    // There is nothing more to find out.
    wire.input(refused(404, ""));
    assert_eq!(wire.reason(), Refusal::new(404, b"").into());
}

/// What stands behind a bad first packet is no answer to the attempt that follows it.
#[test]
fn the_rest_of_a_failed_handshake_is_void() {
    let body = format!("4a\x1e{OPEN}");
    let mut wire = trying_all(Version::V4, &POLLING_FIRST);
    wire.got(&body);
    assert_eq!(wire.events().len(), 1);
    assert_eq!(wire.actions(), ["WS"]);
    let mut wire = Wire::speaking(Version::Auto, &[Transport::Polling]);
    assert_eq!(wire.actions(), ["GET"]);
    wire.got(&body);
    assert!(wire.events().is_empty());
    assert_eq!(wire.actions(), ["GET"]);
}

#[test]
fn closing_while_another_transport_is_tried_is_immediate() {
    let mut wire = trying_all(Version::V4, &WEBSOCKET_FIRST);
    wire.input(failed(TransportErrorKind::Broken));
    drop(wire.events());
    wire.close();
    assert_eq!(wire.events(), ["closed: closed by this side"]);
    assert!(wire.actions().is_empty());
}

/// GETs are kept open by the server; the limit is for POSTs.
#[test]
fn request_timeouts_respect_long_polls() {
    let mut wire = Wire::configured(Config {
        transports: vec![Transport::Polling],
        request_timeout: Duration::from_millis(100),
        ..Config::default()
    });
    assert_eq!(wire.actions(), ["GET"]);
    wire.got(OPEN);
    assert_eq!(wire.events(), ["opened polling"]);
    assert_eq!(wire.actions(), ["GET S"]);
    wire.at(499);
    wire.connection.handle_timeout(wire.now);
    wire.got("2");
    assert_eq!(wire.actions(), ["POST S 3", "GET S"]);
    // The POST is what the limit is for; the GET goes on beside it.
    assert_eq!(wire.fire(), 599);
    assert_eq!(wire.reason(), CloseReason::RequestTimeout);
}

#[test]
fn force_base64_sends_text_only_and_says_so() {
    for (version, polling, websocket) in [
        (Version::V4, "bAQI=", "> bAQI="),
        (Version::V3, "6:b4AQI=", "> b4AQI="),
    ] {
        let config = |transport| Config {
            version,
            transports: vec![transport],
            force_base64: true,
            ..Config::default()
        };
        let mut wire = Wire::configured(config(Transport::WebSocket));
        let Some(Action::OpenWebSocket(target)) = wire.connection.poll_action() else {
            panic!()
        };
        assert!(target.base64);
        wire.frame(OPEN);
        let binary = || Message::from(vec![1, 2]);
        wire.connection.send(wire.now, binary()).unwrap();
        assert_eq!(wire.actions(), [websocket]);
        assert_eq!(wire.connection.unsent_bytes(), 0);
        // What counts for the server's limit is what is sent: 76 bytes are 104 of base64, and the limit is 100.
        let large = Message::from(vec![0; 76]);
        assert!(matches!(
            wire.connection.send(wire.now, large),
            Err(SendError::TooLarge { max: 100, .. })
        ));

        let mut wire = Wire::configured(config(Transport::Polling));
        let Some(Action::Get(target)) = wire.connection.poll_action() else {
            panic!()
        };
        assert!(target.base64);
        match version {
            Version::V3 => wire.got(&format!("{}:{OPEN}", OPEN.len())),
            _ => wire.got(OPEN),
        }
        wire.connection.send(wire.now, binary()).unwrap();
        assert_eq!(
            wire.actions(),
            ["GET S".to_owned(), format!("POST S {polling}")]
        );
    }
}

#[test]
fn bytes_are_sent_as_bytes_where_base64_is_not_forced() {
    for (version, polling_asks) in [(Version::V3, true), (Version::V4, false)] {
        let mut wire = Wire::speaking(version, &POLLING_FIRST);
        let Some(Action::Get(target)) = wire.connection.poll_action() else {
            panic!()
        };
        assert_eq!(target.base64, polling_asks);
        match version {
            Version::V3 => wire.got(&format!("{}:{OPEN}", OPEN.len())),
            _ => wire.got(OPEN),
        }
        let Some(Action::OpenWebSocket(target)) = wire.connection.poll_action() else {
            panic!()
        };
        assert!(!target.base64);
    }
}
