//! Hostile handshakes, read by the state machine of a session under simulated time.

use std::time::Duration;

use engineio::client::now;
use engineio::{
    CloseReason, Config, Connection, Event, Frame, Handshake, Input, ProtocolError, Response,
    SendError, Transport,
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn handshake(members: &str) -> Result<Handshake, ProtocolError> {
    Handshake::parse(&format!(r#"{{"sid":"s",{members}}}"#))
}

/// Numbers at the edges and beyond them: bounded, or refused; arithmetic on time never overflows.
#[test]
fn cwe_1284_heartbeats_of_odd_numbers() {
    for (number, is_good) in [
        ("0", true),
        ("-0", true),
        ("-0.0", true),
        ("0.001", true),
        ("1e-400", true),
        ("25000.5", true),
        ("18446744073709551615", true),
        ("18446744073709551616", true),
        ("1e308", true),
        ("-1", false),
        ("-1e308", false),
        ("-1e-300", false),
        ("1e400", false),
        ("-1e400", false),
        ("NaN", false),
        ("Infinity", false),
        ("null", false),
        (r#""25000""#, false),
        ("[25000]", false),
        ("true", false),
        ("{}", false),
    ] {
        for (interval, timeout) in [(number, "1"), ("1", number), (number, number)] {
            let members = format!(r#""pingInterval":{interval},"pingTimeout":{timeout}"#);
            let parsed = handshake(&members);
            assert_eq!(parsed.is_ok(), is_good, "{members}: {parsed:?}");
            let Ok(parsed) = parsed else { continue };
            assert!(parsed.ping_interval <= WEEK && parsed.ping_timeout <= WEEK);
            // A session lives by it, on either transport, without a panic, and with a deadline.
            for transport in [Transport::Polling, Transport::WebSocket] {
                let start = now();
                let mut connection = opened(transport, &format!(r#"{{"sid":"s",{members}}}"#));
                let deadline = connection.poll_timeout().unwrap();
                assert!(deadline <= start + 3 * WEEK);
                connection.handle_timeout(deadline);
                assert!(connection.is_closed(), "{members}");
            }
        }
    }
}

/// A server that says it takes nothing, or anything.
#[test]
fn cwe_1284_odd_limits_of_a_server() {
    for (number, max) in [
        ("0", None),
        ("-1", None),
        ("-1e308", None),
        ("0.5", None),
        ("1", Some(1)),
        ("1.9", Some(1)),
        ("1e308", Some(u64::MAX)),
        ("18446744073709551616", Some(u64::MAX)),
        ("null", None),
    ] {
        let members = format!(r#""pingInterval":1000,"pingTimeout":1000,"maxPayload":{number}"#);
        assert_eq!(handshake(&members).unwrap().max_payload, max, "{number}");
        for transport in [Transport::Polling, Transport::WebSocket] {
            let mut connection = opened(transport, &format!(r#"{{"sid":"s",{members}}}"#));
            let sent = connection.send(now(), "hello".into());
            match max {
                Some(1) => assert!(matches!(sent, Err(SendError::TooLarge { max: 1, .. }))),
                _ => assert_eq!(sent, Ok(())),
            }
        }
    }
    for number in ["1e400", r#""1000000""#, "[]", "true"] {
        let members = format!(r#""pingInterval":1,"pingTimeout":1,"maxPayload":{number}"#);
        assert!(handshake(&members).is_err(), "{number}");
    }
}

/// Depth, length, members of any kind and number.
#[test]
fn cwe_674_handshakes_that_are_bombs() {
    let usual = r#""pingInterval":1,"pingTimeout":1"#;
    let rows = [
        ("[".repeat(10_000), false),
        ("[".repeat(10_000_000), false),
        (
            format!(r#"{{"sid":"s",{usual},"x":{}}}"#, "[".repeat(5000)),
            false,
        ),
        // In a member that nobody reads.
        (
            format!(
                r#"{{"sid":"s",{usual},"x":{}{}}}"#,
                "[".repeat(5000),
                "]".repeat(5000)
            ),
            true,
        ),
        (
            format!(r#"{{"sid":"s",{usual},"upgrades":{}}}"#, "[".repeat(5000)),
            false,
        ),
        (
            format!(r#"{{"sid":{},{usual}}}"#, "{\"a\":".repeat(2000)),
            false,
        ),
        (format!(r#"{{"sid":"{}",{usual}}}"#, "s".repeat(512)), true),
        (format!(r#"{{"sid":"{}",{usual}}}"#, "s".repeat(513)), false),
        (
            format!(r#"{{"sid":"s",{usual},"x":"{}"}}"#, "x".repeat(16 << 10)),
            false,
        ),
        (format!(r#"{{"sid":"s","sid":"t",{usual}}}"#), false),
        (format!(r#"{{"sid":"\ud800",{usual}}}"#), false),
        (format!(r#"{{"sid":"",{usual}}}"#), false),
        (format!(r#"{{"sid":["s"],{usual}}}"#), false),
        (
            format!(r#"{{"sid":"s",{usual},"upgrades":["{}"]}}"#, "__proto__"),
            true,
        ),
        (
            format!(r#"{{"sid":"s",{usual},"__proto__":{{"sid":"t"}}}}"#),
            true,
        ),
        (format!(r#"{{"sid":"s",{usual}}}{{}}"#), false),
    ];
    for (json, is_good) in rows {
        let shown = json.get(..60).unwrap_or(&json);
        assert_eq!(Handshake::parse(&json).is_ok(), is_good, "{shown}");
        for transport in [Transport::Polling, Transport::WebSocket] {
            let mut connection = asked(transport);
            connection.handle_input(now(), answer(transport, &format!("0{json}")));
            let event = connection.poll_event();
            match is_good {
                true => assert!(matches!(event, Some(Event::Opened { .. })), "{shown}"),
                false => {
                    let Some(Event::Closed(reason)) = event else {
                        panic!("{shown}: {event:?}");
                    };
                    assert!(matches!(
                        reason,
                        CloseReason::Protocol(ProtocolError::Handshake(_))
                    ));
                    assert!(reason.is_retryable());
                }
            }
        }
    }
}

/// A connection whose first request is under way.
fn asked(transport: Transport) -> Connection {
    let mut config = Config::default();
    config.transports = vec![transport];
    let mut connection = Connection::new(config, now());
    while connection.poll_action().is_some() {}
    if transport == Transport::WebSocket {
        connection.handle_input(now(), Input::WebSocketOpened);
    }
    connection
}

fn answer(transport: Transport, packet: &str) -> Input {
    match transport {
        Transport::WebSocket => Input::Frame(Frame::Text(packet.into())),
        _ => Input::GetDone(Ok(Response::new(200, packet.to_owned()))),
    }
}

fn opened(transport: Transport, json: &str) -> Connection {
    let mut connection = asked(transport);
    connection.handle_input(now(), answer(transport, &format!("0{json}")));
    assert!(connection.is_open(), "{json}");
    connection
}
