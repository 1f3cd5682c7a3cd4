//! Sessions as scripts of frames, under simulated time.

#![expect(
    clippy::disallowed_methods,
    reason = "some instant is needed to start from"
)]

mod stats;
mod transports;

use std::time::Duration;

use super::*;
use crate::error::{DecodeError, TransportError, TransportErrorKind};
use crate::refusal::ErrorCode;
use crate::version::Version;

const OPEN: &str = r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":100}"#;

/// A connection with the wire played by the test.
struct Wire {
    connection: Connection,
    start: Instant,
    now: Instant,
}

impl Wire {
    fn new(transports: &[Transport]) -> Self {
        Self::speaking(Version::V4, transports)
    }

    fn speaking(version: Version, transports: &[Transport]) -> Self {
        Self::configured(Config {
            version,
            transports: transports.to_vec(),
            ..Config::default()
        })
    }

    fn configured(config: Config) -> Self {
        let start = Instant::now();
        Self {
            connection: Connection::new(config, start),
            start,
            now: start,
        }
    }

    /// Open by WebSocket.
    fn websocket() -> Self {
        let mut wire = Self::new(&[Transport::WebSocket]);
        assert_eq!(wire.actions(), ["WS"]);
        wire.input(Input::WebSocketOpened);
        wire.frame(OPEN);
        assert_eq!(wire.events(), ["opened websocket"]);
        wire
    }

    /// Open by polling, with a GET pending.
    fn polling() -> Self {
        let mut wire = Self::new(&[Transport::Polling]);
        assert_eq!(wire.actions(), ["GET"]);
        wire.got(OPEN);
        assert_eq!(wire.events(), ["opened polling"]);
        assert_eq!(wire.actions(), ["GET S"]);
        wire
    }

    /// Open by polling, with a GET pending and `2probe` sent.
    fn probing() -> Self {
        let mut wire = Self::new(&[Transport::Polling, Transport::WebSocket]);
        assert_eq!(wire.actions(), ["GET"]);
        wire.got(OPEN);
        assert_eq!(wire.events(), ["opened polling"]);
        assert_eq!(wire.actions(), ["WS S", "GET S"]);
        wire.input(Input::WebSocketOpened);
        assert_eq!(wire.actions(), ["> 2probe"]);
        wire
    }

    fn input(&mut self, input: Input) {
        self.connection.handle_input(self.now, input);
    }

    fn frame(&mut self, text: &str) {
        self.input(Input::Frame(Frame::Text(text.into())));
    }

    fn got(&mut self, body: &str) {
        self.input(Input::GetDone(ok(body)));
    }

    fn posted(&mut self) {
        self.input(Input::PostDone(ok("ok")));
    }

    fn send(&mut self, text: &str) {
        self.connection.send(self.now, text.into()).unwrap();
    }

    fn close(&mut self) {
        self.connection.close(self.now);
    }

    /// Lets time pass up to `ms` since the start, without a timer firing on the way.
    fn at(&mut self, ms: u64) {
        let then = self.start + Duration::from_millis(ms);
        let due = self.connection.poll_timeout().filter(|&due| due < then);
        assert_eq!(
            due.map(|due| due - self.start),
            None,
            "a timer is due before {ms} ms"
        );
        self.now = then;
    }

    /// Lets the next timer fire and tells when, in milliseconds since the start.
    fn fire(&mut self) -> u128 {
        self.now = self.connection.poll_timeout().expect("a timer");
        self.connection.handle_timeout(self.now);
        (self.now - self.start).as_millis()
    }

    fn actions(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.connection.poll_action())
            .map(show_action)
            .collect()
    }

    fn events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.connection.poll_event())
            .map(show_event)
            .collect()
    }

    fn reason(&mut self) -> CloseReason {
        let events: Vec<_> = std::iter::from_fn(|| self.connection.poll_event()).collect();
        match events.last() {
            Some(Event::Closed(reason)) => reason.clone(),
            other => panic!("not closed: {other:?}"),
        }
    }
}

fn ok(body: &str) -> Result<Response, TransportError> {
    answer(200, body)
}

fn answer(status: u16, body: &str) -> Result<Response, TransportError> {
    Ok(Response {
        status,
        body: Bytes::copy_from_slice(body.as_bytes()),
    })
}

fn broken() -> TransportError {
    TransportError::new(TransportErrorKind::Broken, "")
}

fn show_action(action: Action) -> String {
    let sid = |target: Target| {
        target
            .sid
            .map_or(String::new(), |sid| format!(" {}", sid.expose()))
    };
    match action {
        Action::Get(target) => format!("GET{}", sid(target)),
        Action::Post(target, body) => {
            format!(
                "POST{} {}",
                sid(target),
                String::from_utf8_lossy(&body).replace('\x1e', "|")
            )
        }
        Action::OpenWebSocket(target) => format!("WS{}", sid(target)),
        Action::SendFrame(Frame::Text(text)) => format!("> {text}"),
        Action::SendFrame(Frame::Binary(bytes)) => format!("> {bytes:?}"),
        Action::CloseWebSocket => "close".into(),
        Action::DropWebSocket => "drop".into(),
        Action::DropGet => "drop GET".into(),
    }
}

fn show_event(event: Event) -> String {
    match event {
        Event::TransportFailed { transport, reason } => format!("{transport} failed: {reason}"),
        Event::Opened { transport, .. } => format!("opened {transport}"),
        Event::Message(Message::Text(text)) => text.to_string(),
        Event::Message(Message::Binary(bytes)) => format!("{bytes:?}"),
        Event::Upgraded(transport) => format!("upgraded {transport}"),
        Event::UpgradeFailed(error) => format!("upgrade failed: {error}"),
        Event::Closed(reason) => format!("closed: {reason}"),
    }
}

// Handshake.

#[test]
fn a_websocket_session_opens_with_its_first_frame() {
    let mut wire = Wire::websocket();
    wire.frame("4hello");
    wire.input(Input::Frame(Frame::Binary(Bytes::from_static(b"\x01\x02"))));
    assert_eq!(wire.events(), ["hello", r#"b"\x01\x02""#]);
    wire.send("world");
    wire.connection
        .send(wire.now, Message::Binary(Bytes::from_static(b"\x03")))
        .unwrap();
    assert_eq!(wire.actions(), ["> 4world", r#"> b"\x03""#]);
}

#[test]
fn packets_behind_the_handshake_in_its_payload_are_read_in_order() {
    let mut wire = Wire::new(&[Transport::Polling]);
    wire.actions().clear();
    wire.got(&format!("{OPEN}\x1e4a\x1e2\x1e4b"));
    assert_eq!(wire.events(), ["opened polling", "a", "b"]);
    assert_eq!(wire.actions(), ["POST S 3", "GET S"]);
}

#[test]
fn the_first_packet_must_be_open() {
    let mut wire = Wire::new(&[Transport::Polling]);
    wire.got("4a");
    assert_eq!(wire.reason(), ProtocolError::NoHandshake.into());
    let mut wire = Wire::new(&[Transport::WebSocket]);
    wire.input(Input::WebSocketOpened);
    wire.input(Input::Frame(Frame::Binary(Bytes::new())));
    assert_eq!(wire.reason(), ProtocolError::NoHandshake.into());
}

#[test]
fn a_handshake_that_cannot_be_read_ends_the_attempt() {
    for body in ["0", "0{", "0{}"] {
        let mut wire = Wire::new(&[Transport::Polling]);
        wire.got(body);
        assert!(matches!(
            wire.reason(),
            CloseReason::Protocol(ProtocolError::Handshake(_))
        ));
    }
}

#[test]
fn an_error_answer_is_typed_on_both_transports() {
    let mut wire = Wire::new(&[Transport::Polling]);
    let body = r#"{"code":5,"message":"Unsupported protocol version"}"#;
    wire.input(Input::GetDone(answer(400, body)));
    let CloseReason::Refused(refusal) = wire.reason() else {
        panic!()
    };
    assert_eq!(
        (refusal.status, refusal.code),
        (400, Some(ErrorCode::UnsupportedVersion))
    );
    let mut wire = Wire::new(&[Transport::WebSocket]);
    wire.input(Input::WebSocketRefused(refusal.clone()));
    assert_eq!(wire.reason(), refusal.into());
}

#[test]
fn opening_has_a_deadline_that_the_websocket_alone_does_not_meet() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut wire = Wire::new(&[transport]);
        wire.input(Input::WebSocketOpened);
        assert_eq!(wire.fire(), 20_000);
        assert_eq!(wire.reason(), CloseReason::HandshakeTimeout);
    }
}

#[test]
fn closing_while_opening_is_immediate() {
    let mut wire = Wire::new(&[Transport::Polling]);
    wire.close();
    assert_eq!(wire.events(), ["closed: closed by this side"]);
    assert!(wire.actions().is_empty());
}

#[test]
fn an_empty_list_of_transports_is_the_default() {
    let mut wire = Wire::new(&[]);
    assert_eq!(wire.actions(), ["GET"]);
}

// Heartbeat.

#[test]
fn each_ping_is_answered_and_moves_the_deadline() {
    let mut wire = Wire::websocket();
    for beat in 1..=3 {
        wire.at(beat * 300);
        wire.frame("2");
        assert_eq!(wire.actions(), ["> 3"]);
    }
    assert_eq!(wire.fire(), 900 + 500);
    assert_eq!(wire.reason(), CloseReason::PingTimeout);
}

/// The rule of engine.io-client since 6.6.1: only a ping from the server restarts the timer.
#[test]
fn messages_do_not_move_the_deadline() {
    let mut wire = Wire::websocket();
    for ms in (100..=400).step_by(100) {
        wire.at(ms);
        wire.frame("4x");
    }
    assert_eq!(wire.fire(), 500);
    assert_eq!(wire.reason(), CloseReason::PingTimeout);
}

#[test]
fn polling_answers_pings_by_post_and_once_a_payload() {
    let mut wire = Wire::polling();
    for beat in 1..=3 {
        wire.at(beat * 300);
        wire.got("2\x1e2\x1e2");
        assert_eq!(wire.actions(), ["POST S 3", "GET S"]);
        wire.posted();
    }
    assert_eq!(wire.fire(), 900 + 500);
}

#[test]
fn sending_on_an_expired_heartbeat_closes_instead() {
    let mut wire = Wire::websocket();
    // The process was suspended: no timer fired.
    wire.now = wire.start + Duration::from_secs(3600);
    let error = wire.connection.send(wire.now, "x".into()).unwrap_err();
    assert_eq!(error, SendError::NotOpen("x".into()));
    assert_eq!(wire.reason(), CloseReason::PingTimeout);
}

#[test]
fn the_deadline_is_suspended_while_nothing_is_read() {
    let mut wire = Wire::websocket();
    wire.connection.set_reading(wire.now, false);
    assert_eq!(wire.connection.poll_timeout(), None);
    wire.at(10_000);
    wire.send("still open");
    wire.connection.set_reading(wire.now, true);
    assert_eq!(wire.fire(), 10_500);
    assert_eq!(wire.reason(), CloseReason::PingTimeout);
}

// Polling.

#[test]
fn one_post_at_a_time_and_the_next_carries_all_that_waited() {
    let mut wire = Wire::polling();
    wire.send("a");
    assert_eq!(wire.actions(), ["POST S 4a"]);
    wire.send("b");
    wire.connection
        .send(wire.now, Message::Binary(Bytes::from_static(b"\xde\xad")))
        .unwrap();
    assert!(wire.actions().is_empty());
    assert_eq!(wire.connection.unsent_bytes(), "4bb3q0=".len());
    wire.posted();
    assert_eq!(wire.actions(), ["POST S 4b|b3q0="]);
    wire.posted();
    assert!(wire.actions().is_empty());
}

#[test]
fn bodies_respect_max_payload() {
    let mut wire = Wire::polling();
    wire.send("first");
    let long = "x".repeat(60);
    wire.send(&long);
    wire.send(&long);
    wire.send("y");
    assert_eq!(wire.actions(), ["POST S 4first"]);
    wire.posted();
    assert_eq!(wire.actions(), [format!("POST S 4{long}")]);
    wire.posted();
    assert_eq!(wire.actions(), [format!("POST S 4{long}|4y")]);
}

#[test]
fn a_message_that_the_server_would_refuse_is_refused_here() {
    let text = |len: usize| Message::from("x".repeat(len));
    let binary = |len: usize| Message::from(vec![0; len]);
    for (open, message, size) in [
        (Wire::polling as fn() -> Wire, text(99), 100),
        (Wire::polling, text(100), 101),
        (Wire::polling, binary(74), 101),
        (Wire::polling, binary(72), 97),
        (Wire::websocket, text(99), 100),
        (Wire::websocket, text(100), 101),
        (Wire::websocket, binary(100), 100),
        (Wire::websocket, binary(101), 101),
    ] {
        let mut wire = open();
        let result = wire.connection.send(wire.now, message.clone());
        let expected = if size > 100 {
            Err(SendError::TooLarge {
                message,
                size,
                max: 100,
            })
        } else {
            Ok(())
        };
        assert_eq!(result, expected);
    }
}

#[test]
fn a_separator_in_a_text_is_for_websocket_only() {
    let mut wire = Wire::polling();
    let error = wire.connection.send(wire.now, "a\x1eb".into()).unwrap_err();
    assert_eq!(error, SendError::Separator("a\x1eb".into()));
    Wire::websocket().send("a\x1eb");
}

#[test]
fn nothing_is_sent_before_the_handshake() {
    let mut wire = Wire::new(&[Transport::Polling]);
    assert!(matches!(
        wire.connection.send(wire.now, "x".into()),
        Err(SendError::NotOpen(_))
    ));
}

#[test]
fn a_failed_request_ends_the_session() {
    let mut wire = Wire::polling();
    wire.input(Input::GetDone(answer(
        400,
        r#"{"code":1,"message":"Session ID unknown"}"#,
    )));
    let CloseReason::Refused(refusal) = wire.reason() else {
        panic!()
    };
    assert_eq!(refusal.code, Some(ErrorCode::SessionUnknown));

    let mut wire = Wire::polling();
    wire.send("x");
    wire.input(Input::PostDone(answer(413, "")));
    let CloseReason::Refused(refusal) = wire.reason() else {
        panic!()
    };
    assert_eq!(refusal.status, 413);

    let mut wire = Wire::polling();
    wire.input(Input::GetDone(Err(broken())));
    assert_eq!(wire.reason(), broken().into());
}

/// GHSA-r635-g3xr-vw7x: a server that never answers a POST.
#[test]
fn a_post_without_an_answer_times_out() {
    let mut wire = Wire::polling();
    wire.send("x");
    // The heartbeat goes on, so only the request's own deadline can end this.
    let mut ms = 0;
    while ms < 19_800 {
        ms += 300;
        wire.at(ms);
        wire.got("2");
    }
    assert_eq!(wire.fire(), 20_000);
    assert_eq!(wire.reason(), CloseReason::RequestTimeout);
}

/// Nobody needs to read the rest of the body, and a queue of short messages would keep many of them alive.
#[test]
fn a_short_message_of_a_long_body_does_not_keep_it_alive() {
    for (message, length, in_body) in [
        (1, 100_000, false),
        (1, 1_000, false),
        (1_000, 100_000, false),
        (1_000, 1_000, true),
    ] {
        let message = "e".repeat(message);
        let body = Bytes::from(format!("4{message}\u{1e}6{}", "x".repeat(length)));
        let mut test = Wire::polling();
        test.input(Input::GetDone(Ok(Response::new(200, body.clone()))));
        let Some(Event::Message(Message::Text(text))) = test.connection.poll_event() else {
            panic!("no message");
        };
        assert_eq!(text, message);
        assert_eq!(body.as_ptr_range().contains(&text.as_ptr()), in_body);
    }
}

/// They are read where they are when they are asked for.
#[test]
fn messages_among_other_packets_come_in_order_body_by_body() {
    let mut wire = Wire::polling();
    wire.got("2\u{1e}4a\u{1e}6\u{1e}bAQ==\u{1e}4b");
    wire.got("6");
    wire.got("4c\u{1e}4d\u{1e}1\u{1e}4void");
    let events = [
        "a",
        "b\"\\x01\"",
        "b",
        "c",
        "d",
        "closed: closed by the server",
    ];
    assert_eq!(wire.events(), events);
}

#[test]
fn what_precedes_a_bad_packet_is_delivered() {
    let mut wire = Wire::polling();
    wire.got("4a\x1e9z\x1e4b");
    let bad = "the server sent an unknown packet type (byte 0x39)";
    assert_eq!(wire.events(), ["a".into(), format!("closed: {bad}")]);
    assert!(wire.actions().is_empty());
}

#[test]
fn bad_frames_end_the_session() {
    for (frame, error) in [
        ("abc", DecodeError::UnknownType(b'a')),
        ("", DecodeError::EmptyPacket),
    ] {
        let mut wire = Wire::websocket();
        wire.frame(frame);
        assert_eq!(wire.reason(), ProtocolError::from(error).into());
    }
}

#[test]
fn legal_packets_at_the_wrong_time_are_tolerated() {
    let mut wire = Wire::websocket();
    for frame in [OPEN, "3", "3probe", "5", "6", "1"] {
        wire.frame(frame);
    }
    assert!(wire.events().is_empty());
    wire.frame("4alive");
    assert_eq!(wire.events(), ["alive"]);
}

// Upgrade.

#[test]
fn upgrade_with_the_poll_released_by_noop() {
    let mut wire = Wire::probing();
    wire.frame("3probe");
    assert!(wire.actions().is_empty());
    wire.got("6");
    assert_eq!(wire.actions(), ["> 5"]);
    assert_eq!(wire.events(), ["upgraded websocket"]);
    wire.frame("4x");
    assert_eq!(wire.events(), ["x"]);
}

#[test]
fn upgrade_with_data_in_the_last_poll_and_a_post_under_way() {
    let mut wire = Wire::probing();
    wire.send("one");
    assert_eq!(wire.actions(), ["POST S 4one"]);
    wire.frame("3probe");
    wire.send("two");
    wire.got("4echo\x1e2");
    assert_eq!(wire.events(), ["echo"]);
    // The POST is still under way: nothing else may leave yet.
    assert!(wire.actions().is_empty());
    wire.posted();
    assert_eq!(wire.actions(), ["> 5", "> 4two", "> 3"]);
    wire.send("three");
    assert_eq!(wire.actions(), ["> 4three"]);
}

#[test]
fn polling_goes_on_while_the_probe_is_out() {
    let mut wire = Wire::probing();
    wire.got("4a");
    assert_eq!(wire.actions(), ["GET S"]);
    wire.send("b");
    assert_eq!(wire.actions(), ["POST S 4b"]);
    wire.posted();
    assert_eq!(wire.events(), ["a"]);
}

#[test]
fn an_upgrade_is_tried_only_where_both_sides_want_it() {
    let other = OPEN.replace("websocket", "webtransport");
    for (transports, upgrade, open) in [
        (vec![Transport::Polling], true, OPEN),
        (vec![Transport::Polling, Transport::WebSocket], false, OPEN),
        (
            vec![Transport::Polling, Transport::WebSocket],
            true,
            &*other,
        ),
    ] {
        let config = Config {
            transports,
            upgrade,
            ..Config::default()
        };
        let now = Instant::now();
        let mut wire = Wire {
            connection: Connection::new(config, now),
            start: now,
            now,
        };
        assert_eq!(wire.actions(), ["GET"]);
        wire.got(open);
        assert_eq!(wire.actions(), ["GET S"]);
    }
}

/// Every way a probe can fail, before and after `3probe`: the session stays on polling, does not try again, and can
/// still send and receive.
#[test]
fn a_failed_upgrade_never_touches_the_session() {
    let refusal = Refusal::new(400, b"Bad request");
    let failures: Vec<(&str, Vec<Input>)> = vec![
        ("refused", vec![Input::WebSocketRefused(refusal)]),
        ("broken", vec![Input::WebSocketFailed(broken())]),
        (
            "closed",
            vec![Input::WebSocketOpened, Input::WebSocketClosed(None)],
        ),
        (
            "wrong answer",
            vec![
                Input::WebSocketOpened,
                Input::Frame(Frame::Text("3wrong".into())),
            ],
        ),
        (
            "a message",
            vec![
                Input::WebSocketOpened,
                Input::Frame(Frame::Text("4x".into())),
            ],
        ),
        (
            "garbage",
            vec![
                Input::WebSocketOpened,
                Input::Frame(Frame::Text("zz".into())),
            ],
        ),
        (
            "binary",
            vec![
                Input::WebSocketOpened,
                Input::Frame(Frame::Binary(Bytes::new())),
            ],
        ),
        (
            "closed after the answer",
            vec![
                Input::WebSocketOpened,
                Input::Frame(Frame::Text("3probe".into())),
                Input::WebSocketClosed(Some(1000)),
            ],
        ),
        (
            "noise after the answer",
            vec![
                Input::WebSocketOpened,
                Input::Frame(Frame::Text("3probe".into())),
                Input::Frame(Frame::Text("6".into())),
            ],
        ),
    ];
    for (name, inputs) in failures {
        let mut wire = Wire::new(&[Transport::Polling, Transport::WebSocket]);
        wire.got(OPEN);
        wire.actions().clear();
        wire.events().clear();
        wire.send("sent before");
        for input in inputs {
            wire.input(input);
        }
        wire.send("sent after");
        let events = wire.events();
        assert!(
            matches!(&events[..], [e] if e.starts_with("upgrade failed")),
            "{name}: {events:?}"
        );
        wire.posted();
        let actions = wire.actions();
        assert!(actions.contains(&"drop".to_owned()), "{name}: {actions:?}");
        assert!(
            actions.contains(&"POST S 4sent after".to_owned()),
            "{name}: {actions:?}"
        );
        wire.got("4still here");
        assert_eq!(wire.events(), ["still here"], "{name}");
        assert_eq!(wire.actions(), ["GET S"], "{name}");
        // The late words of the probe's socket change nothing.
        wire.input(Input::WebSocketFailed(broken()));
        wire.frame("3probe");
        assert!(
            wire.events().is_empty() && wire.actions().is_empty(),
            "{name}"
        );
    }
}

#[test]
fn an_upgrade_has_one_deadline_in_each_of_its_states() {
    for inputs in 0..3 {
        let config = Config {
            probe_timeout: Duration::from_millis(250),
            ..Config::default()
        };
        let now = Instant::now();
        let mut wire = Wire {
            connection: Connection::new(config, now),
            start: now,
            now,
        };
        wire.got(OPEN);
        let steps = [
            Input::WebSocketOpened,
            Input::Frame(Frame::Text("3probe".into())),
        ];
        for (input, at) in steps.into_iter().zip([100, 200]).take(inputs) {
            wire.at(at);
            wire.input(input);
        }
        wire.events().clear();
        assert_eq!(wire.fire(), 250);
        assert_eq!(wire.events(), ["upgrade failed: the upgrade took too long"]);
        assert_eq!(wire.actions().last().map(String::as_str), Some("drop"));
        wire.got("6");
        assert_eq!(wire.actions(), ["GET S"]);
    }
}

#[test]
fn the_server_may_close_by_polling_during_an_upgrade() {
    let mut wire = Wire::probing();
    wire.got("4last\x1e1");
    assert_eq!(wire.events(), ["last", "closed: closed by the server"]);
    assert!(wire.actions().is_empty());
}

// Close.

#[test]
fn polling_close_is_a_body_of_its_own_behind_what_was_sent() {
    let mut wire = Wire::polling();
    wire.send("a");
    wire.send("b");
    wire.close();
    assert_eq!(wire.actions(), ["POST S 4a"]);
    wire.posted();
    assert_eq!(wire.actions(), ["POST S 4b"]);
    // What arrives meanwhile is still delivered, and not polled for again.
    wire.got("4late");
    assert!(wire.actions().is_empty());
    wire.posted();
    assert_eq!(wire.actions(), ["POST S 1"]);
    wire.posted();
    assert_eq!(wire.events(), ["late", "closed: closed by this side"]);
}

#[test]
fn websocket_close_is_a_close_frame_behind_what_was_sent() {
    let mut wire = Wire::websocket();
    wire.send("a");
    wire.close();
    wire.close();
    assert_eq!(wire.actions(), ["> 4a", "close"]);
    assert!(matches!(
        wire.connection.send(wire.now, "x".into()),
        Err(SendError::NotOpen(_))
    ));
    wire.frame("4late");
    wire.input(Input::WebSocketClosed(None));
    assert_eq!(wire.events(), ["late", "closed: closed by this side"]);
}

#[test]
fn a_close_that_nobody_answers_ends_by_itself() {
    let mut wire = Wire::websocket();
    wire.connection.set_reading(wire.now, false);
    wire.close();
    assert_eq!(wire.fire(), 5000);
    assert_eq!(wire.reason(), CloseReason::Local);
}

#[test]
fn closing_during_a_probe_gives_it_up() {
    let mut wire = Wire::probing();
    wire.close();
    assert_eq!(wire.actions(), ["drop", "POST S 1"]);
    wire.posted();
    assert_eq!(wire.reason(), CloseReason::Local);
}

#[test]
fn closing_while_draining_completes_the_upgrade_first() {
    let mut wire = Wire::probing();
    wire.frame("3probe");
    wire.send("a");
    wire.close();
    assert!(wire.actions().is_empty());
    wire.got("6");
    assert_eq!(wire.actions(), ["> 5", "> 4a", "close"]);
    wire.input(Input::WebSocketClosed(None));
    assert_eq!(wire.reason(), CloseReason::Local);
}

#[test]
fn closing_while_draining_falls_back_with_the_upgrade() {
    let mut wire = Wire::probing();
    wire.frame("3probe");
    wire.send("a");
    wire.close();
    wire.input(Input::WebSocketClosed(None));
    assert_eq!(wire.actions(), ["drop", "POST S 4a"]);
    wire.posted();
    assert_eq!(wire.actions(), ["POST S 1"]);
    wire.posted();
    assert_eq!(wire.reason(), CloseReason::Local);
}

#[test]
fn the_server_closes() {
    let mut wire = Wire::polling();
    wire.got("6\x1e1");
    assert_eq!(wire.reason(), CloseReason::Remote { code: None });
    let mut wire = Wire::websocket();
    wire.input(Input::WebSocketClosed(Some(1009)));
    assert_eq!(wire.reason(), CloseReason::Remote { code: Some(1009) });
}

#[test]
fn what_waits_is_counted_until_an_action_takes_it_away() {
    let mut wire = Wire::websocket();
    wire.send("abc");
    wire.connection
        .send(wire.now, Message::Binary(Bytes::new()))
        .unwrap();
    assert_eq!(wire.connection.unsent_bytes(), 5);
    assert!(wire.connection.poll_action().is_some());
    assert_eq!(wire.connection.unsent_bytes(), 1);
    wire.actions().clear();
    assert_eq!(wire.connection.unsent_bytes(), 0);

    let mut wire = Wire::probing();
    wire.frame("3probe");
    wire.send("abc");
    assert_eq!(wire.connection.unsent_bytes(), 4);
    wire.got("6");
    assert_eq!(wire.actions(), ["> 5", "> 4abc"]);
    assert_eq!(wire.connection.unsent_bytes(), 0);
}

// Revision 3.

/// A 2.x server's handshake, by the reference server; the root namespace's CONNECT is in the same payload.
const OPEN_V3: &str =
    r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200}"#;

fn websocket_v3() -> Wire {
    let mut wire = Wire::speaking(Version::V3, &[Transport::WebSocket]);
    assert_eq!(wire.actions(), ["WS"]);
    wire.input(Input::WebSocketOpened);
    wire.frame(OPEN_V3);
    assert_eq!(wire.events(), ["opened websocket"]);
    wire
}

#[test]
fn revision_3_polls_with_counted_payloads() {
    let mut wire = Wire::speaking(Version::V3, &[Transport::Polling, Transport::WebSocket]);
    assert_eq!(wire.actions(), ["GET"]);
    let length = OPEN_V3.len();
    wire.got(&format!("{length}:{OPEN_V3}2:40"));
    assert_eq!(wire.events(), ["opened polling", "0"]);
    assert_eq!(wire.actions(), ["WS S", "GET S"]);
    wire.send("20[\"hello\",\"é€😀\"]");
    assert_eq!(wire.actions(), ["POST S 19:420[\"hello\",\"é€😀\"]"]);
    // A separator of the other revision is text like any other.
    wire.send("a\x1eb");
    wire.input(Input::WebSocketOpened);
    assert_eq!(wire.actions(), ["> 2probe"]);
    wire.frame("3probe");
    wire.got("1:6");
    wire.posted();
    assert_eq!(wire.actions(), ["> 5", "> 4a\x1eb"]);
}

#[test]
fn in_revision_3_the_client_pings() {
    let mut wire = websocket_v3();
    assert_eq!(wire.fire(), 300);
    assert_eq!(wire.actions(), ["> 2"]);
    wire.at(400);
    wire.frame("3");
    assert_eq!(wire.fire(), 700);
    assert_eq!(wire.actions(), ["> 2"]);
    // No pong, and nothing else.
    assert_eq!(wire.fire(), 900);
    assert_eq!(wire.reason(), CloseReason::PingTimeout);
}

#[test]
fn in_revision_3_any_packet_is_a_sign_of_life() {
    let mut wire = websocket_v3();
    assert_eq!(wire.fire(), 300);
    wire.at(450);
    wire.frame("4x");
    assert_eq!(wire.fire(), 950);
    assert_eq!(wire.reason(), CloseReason::PingTimeout);
}

#[test]
fn in_revision_3_pings_of_the_server_are_not_answered() {
    let mut wire = websocket_v3();
    wire.frame("2");
    assert!(wire.actions().is_empty());
}

#[test]
fn a_session_of_revision_3_by_polling_closes_with_a_counted_packet() {
    let mut wire = Wire::speaking(Version::V3, &[Transport::Polling]);
    wire.got(&format!("{}:{OPEN_V3}", OPEN_V3.len()));
    wire.actions().clear();
    wire.close();
    assert_eq!(wire.actions(), ["POST S 1:1"]);
}

#[test]
fn a_server_of_the_other_revision_is_named() {
    let counted = format!("{}:{OPEN_V3}2:40", OPEN_V3.len());
    for (ours, body, theirs) in [
        (Version::V4, counted.as_str(), Version::V3),
        (Version::V3, OPEN, Version::V4),
    ] {
        let mut wire = Wire::speaking(ours, &[Transport::Polling]);
        wire.got(body);
        assert_eq!(wire.reason(), ProtocolError::OtherVersion(theirs).into());
    }
}

#[test]
fn auto_starts_over_where_a_polling_server_shows_the_other_revision() {
    let mut wire = Wire::speaking(Version::Auto, &[Transport::Polling, Transport::WebSocket]);
    assert_eq!(wire.actions(), ["GET"]);
    let counted = format!("{}:{OPEN_V3}2:40", OPEN_V3.len());
    wire.got(&counted);
    assert!(wire.events().is_empty());
    let Some(Action::Get(target)) = wire.connection.poll_action() else {
        panic!()
    };
    assert_eq!(
        (target.version, target.transport, target.sid),
        (Version::V3, Transport::Polling, None)
    );
    wire.got(&counted);
    let Some(Event::Opened { version, .. }) = wire.connection.poll_event() else {
        panic!()
    };
    assert_eq!(version, Version::V3);
    assert_eq!(wire.actions(), ["WS S", "GET S"]);
}

#[test]
fn auto_is_revision_4_where_that_is_spoken() {
    let mut wire = Wire::speaking(Version::Auto, &[Transport::WebSocket]);
    wire.input(Input::WebSocketOpened);
    wire.frame(OPEN);
    let Some(Event::Opened { version, .. }) = wire.connection.poll_event() else {
        panic!()
    };
    assert_eq!(version, Version::V4);
}

#[test]
fn auto_starts_over_once_where_the_version_is_refused() {
    let refusal = || Refusal::new(400, b"Unsupported protocol version");
    let mut wire = Wire::speaking(Version::Auto, &[Transport::WebSocket]);
    assert_eq!(wire.actions(), ["WS"]);
    wire.input(Input::WebSocketRefused(refusal()));
    assert_eq!(wire.actions(), ["drop", "WS"]);
    wire.input(Input::WebSocketRefused(refusal()));
    let reason = wire.reason();
    assert_eq!(
        reason.to_string(),
        "the server speaks no known revision of Engine.IO; tried as revision 4: the server answered HTTP 400: Unsupported protocol \
         version; tried as revision 3: the server answered HTTP 400: Unsupported protocol version"
    );
    // Something that is no Engine.IO server, as far as this one answer goes.
    let mut wire = Wire::speaking(Version::Auto, &[Transport::Polling]);
    for _ in 0..2 {
        wire.input(Input::GetDone(answer(404, "not here")));
    }
    let answered = "the server answered HTTP 404: not here";
    assert_eq!(
        wire.reason().to_string(),
        format!(
            "the server speaks no known revision of Engine.IO; tried as revision 4: {answered}; tried as revision 3: {answered}"
        )
    );
    // A server in trouble, or one that wants somebody else, is no question of revisions.
    for status in [401, 403, 429, 500, 503] {
        let mut wire = Wire::speaking(Version::Auto, &[Transport::Polling]);
        wire.input(Input::GetDone(answer(status, "")));
        assert_eq!(wire.reason(), Refusal::new(status, b"").into());
    }
    // Nor is the network.
    let mut wire = Wire::speaking(Version::Auto, &[Transport::Polling]);
    wire.input(Input::GetDone(Err(broken())));
    assert_eq!(wire.reason(), broken().into());
}

#[test]
fn auto_tells_what_a_stranger_answered() {
    let mut wire = Wire::speaking(Version::Auto, &[Transport::Polling]);
    wire.got("<html>");
    wire.got("<html>");
    assert_eq!(
        wire.reason().to_string(),
        "the server speaks no known revision of Engine.IO; tried as revision 4: the server sent an unknown packet type (byte 0x3c); \
         tried as revision 3: the server sent a payload with a bad length"
    );
}

mod any_order {
    //! Whatever happens in whatever order, the promises hold.

    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Get(u16, String),
        GetFails,
        Post(u16),
        PostFails,
        Opened,
        Refused,
        Frame(Frame),
        WsClosed,
        WsFailed,
        Send(Message),
        Close,
        Read(bool),
        Wait(u64),
        Fire,
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => Just(OPEN.to_owned()),
            4 => Just(format!("{}:{OPEN_V3}2:40", OPEN_V3.len())),
            2 => Just("1:3".to_owned()),
            2 => Just("2".to_owned()),
            2 => Just("3probe".to_owned()),
            2 => Just("6".to_owned()),
            2 => Just("4x\x1e4y".to_owned()),
            1 => Just("1".to_owned()),
            1 => ".{0,8}",
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (prop_oneof![9 => Just(200), 1 => Just(400)], text()).prop_map(|(s, t)| Step::Get(s, t)),
            1 => Just(Step::GetFails),
            4 => prop_oneof![9 => Just(200), 1 => Just(413)].prop_map(Step::Post),
            1 => Just(Step::PostFails),
            3 => Just(Step::Opened),
            1 => Just(Step::Refused),
            6 => text().prop_map(|t| Step::Frame(Frame::Text(t.into()))),
            1 => Just(Step::Frame(Frame::Binary(Bytes::from_static(b"x")))),
            1 => Just(Step::WsClosed),
            1 => Just(Step::WsFailed),
            4 => ".{0,5}".prop_map(|t| Step::Send(t.into())),
            1 => Just(Step::Close),
            1 => any::<bool>().prop_map(Step::Read),
            2 => (0_u64..400).prop_map(Step::Wait),
            1 => Just(Step::Fire),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn promises_hold(
            transports in prop_oneof![
                Just(vec![Transport::Polling]),
                Just(vec![Transport::WebSocket]),
                Just(vec![Transport::Polling, Transport::WebSocket]),
                Just(vec![Transport::WebSocket, Transport::Polling]),
            ],
            version in prop_oneof![Just(Version::V3), Just(Version::V4), Just(Version::Auto)],
            try_all_transports: bool,
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let mut wire = Wire::configured(Config {
                version,
                transports,
                try_all_transports,
                ..Config::default()
            });
            let (mut gets, mut posts, mut sockets) = (0, 0, 0);
            let (mut closed, mut reading) = (false, true);
            for step in steps {
                // Outcomes are played only for what was asked for.
                match step {
                    Step::Get(status, body) if gets == 1 => { gets = 0; wire.input(Input::GetDone(answer(status, &body))); }
                    Step::GetFails if gets == 1 => { gets = 0; wire.input(Input::GetDone(Err(broken()))); }
                    Step::Post(status) if posts == 1 => { posts = 0; wire.input(Input::PostDone(answer(status, "ok"))); }
                    Step::PostFails if posts == 1 => { posts = 0; wire.input(Input::PostDone(Err(broken()))); }
                    Step::Opened if sockets == 1 => wire.input(Input::WebSocketOpened),
                    Step::Refused if sockets == 1 => wire.input(Input::WebSocketRefused(Refusal::new(400, b""))),
                    Step::Frame(frame) if sockets == 1 => wire.input(Input::Frame(frame)),
                    Step::WsClosed if sockets == 1 => wire.input(Input::WebSocketClosed(None)),
                    Step::WsFailed if sockets == 1 => wire.input(Input::WebSocketFailed(broken())),
                    Step::Send(message) => drop(wire.connection.send(wire.now, message)),
                    Step::Close => wire.close(),
                    Step::Read(on) => { reading = on; wire.connection.set_reading(wire.now, on); }
                    Step::Wait(ms) => {
                        wire.now += Duration::from_millis(ms);
                        wire.connection.handle_timeout(wire.now);
                    }
                    Step::Fire => if let Some(at) = wire.connection.poll_timeout() {
                        wire.now = wire.now.max(at);
                        wire.connection.handle_timeout(wire.now);
                    },
                    _ => {}
                }
                while let Some(event) = wire.connection.poll_event() {
                    prop_assert!(!closed, "{:?} after Closed", event);
                    closed |= matches!(event, Event::Closed(_));
                }
                while let Some(action) = wire.connection.poll_action() {
                    prop_assert!(!closed, "{:?} after Closed", action);
                    match action {
                        Action::Get(_) => gets += 1,
                        Action::Post(_, body) => { posts += 1; prop_assert!(!body.is_empty()); }
                        Action::OpenWebSocket(_) => sockets += 1,
                        Action::SendFrame(_) => prop_assert_eq!(sockets, 1),
                        Action::CloseWebSocket => {}
                        Action::DropWebSocket => sockets = 0,
                        Action::DropGet => gets = 0,
                    }
                }
                prop_assert!(gets <= 1 && posts <= 1 && sockets <= 1);
                prop_assert_eq!(wire.connection.is_closed(), closed);
                prop_assert!(!closed || wire.connection.unsent_bytes() == 0);
                prop_assert!(closed || !reading || wire.connection.poll_timeout().is_some());
            }
        }
    }
}
