//! The cases of the official Engine.IO suites, with the settings that those expect.

use std::time::Duration;

use conformance::sim::server::{Method, Violation};

use crate::model::{Model, Options};

mod heartbeats;

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";
const OLD_POLLING: &str = "/engine.io/?EIO=3&transport=polling";
const OLD_WEBSOCKET: &str = "/engine.io/?EIO=3&transport=websocket";

const INTERVAL: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(200);

fn with_settings_of_the_suites(mut options: Options) -> Model {
    options.socket_io = false;
    options.path = "/engine.io/".to_owned();
    options.ping_interval = INTERVAL;
    options.ping_timeout = TIMEOUT;
    Model::new(options)
}

fn new() -> Model {
    with_settings_of_the_suites(Options::current())
}

/// The two servers that speak the old revision.
fn old() -> [Model; 2] {
    [Options::compatible(), Options::old()].map(with_settings_of_the_suites)
}

/// Opens a session over polling, and says where it is.
fn open(model: &mut Model, target: &str) -> String {
    let answer = model.get(target);
    assert!(answer.starts_with("200 "), "{answer}");
    format!("{target}&sid={}", model.sid())
}

/// The end of a session, as the suites look for it.
fn assert_unknown(model: &mut Model, url: &str) {
    assert_eq!(
        model.get(url),
        r#"400 {"code":1,"message":"Session ID unknown"}"#
    );
}

#[test]
fn polling_opens_a_session() {
    let mut model = new();
    let answer = model.get(POLLING);
    let json = answer.strip_prefix("200 0").unwrap();
    let sid = model.sid();
    assert_eq!(
        json,
        format!(
            r#"{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}}"#
        )
    );
    for mut model in old() {
        let answer = model.get(OLD_POLLING);
        let (length, json) = answer
            .strip_prefix("200 ")
            .unwrap()
            .split_once(":0")
            .unwrap();
        assert_eq!(length.parse(), Ok(json.len() + 1));
    }
}

#[test]
fn polling_refuses_other_revisions_transports_and_methods() {
    let mut model = new();
    let refusal = r#"400 {"code":5,"message":"Unsupported protocol version"}"#;
    assert_eq!(model.get("/engine.io/?transport=polling"), refusal);
    assert_eq!(model.get("/engine.io/?EIO=abc&transport=polling"), refusal);
    let refusal = r#"400 {"code":0,"message":"Transport unknown"}"#;
    assert_eq!(model.get("/engine.io/?EIO=4"), refusal);
    assert_eq!(model.get("/engine.io/?EIO=4&transport=abc"), refusal);
    let refusal = r#"400 {"code":2,"message":"Bad handshake method"}"#;
    assert_eq!(model.post(POLLING, ""), refusal);
    let exchange = model.request(Method::Other, POLLING, None, b"");
    assert_eq!(model.answer(exchange).as_deref(), Some(refusal));
}

#[test]
fn websocket_opens_a_session() {
    for (mut model, target) in [(new(), WEBSOCKET)]
        .into_iter()
        .chain(old().map(|model| (model, OLD_WEBSOCKET)))
    {
        let socket = model.websocket(target);
        let heard = model.heard(socket);
        assert_eq!(heard[0], "101");
        assert!(heard[1].starts_with(r#"0{"sid":""#) && heard[1].contains(r#""upgrades":[]"#));
    }
}

#[test]
fn websocket_refuses_other_revisions_and_transports() {
    let mut model = new();
    for target in [
        "/engine.io/?transport=websocket",
        "/engine.io/?EIO=abc&transport=websocket",
    ] {
        let socket = model.websocket(target);
        let text = "101 HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\n\
                    Content-Length: 28\r\n\r\nUnsupported protocol version";
        assert_eq!(model.heard(socket), [text]);
    }
    for target in ["/engine.io/?EIO=4", "/engine.io/?EIO=4&transport=abc"] {
        let socket = model.websocket(target);
        assert_eq!(model.heard(socket), ["400 Transport unknown"]);
    }
    // For somebody else, who does not answer.
    let socket = model.websocket("/elsewhere/?EIO=4&transport=websocket");
    assert_eq!(
        (model.heard(socket), model.wait()),
        (vec![], Duration::from_secs(1))
    );
    assert_eq!(model.heard(socket), ["end"]);
}

#[test]
fn polling_carries_messages() {
    let mut model = new();
    let url = open(&mut model, POLLING);
    for payload in [
        "4hello",
        "4test1\u{1e}4test2\u{1e}4test3",
        "4hello\u{1e}bAQIDBA==",
    ] {
        assert_eq!(model.post(&url, payload), "200 ok");
        assert_eq!(model.get(&url), format!("200 {payload}"));
    }
    for mut model in old() {
        let url = open(&mut model, &format!("{OLD_POLLING}&b64=1"));
        for payload in [
            "6:4hello",
            "6:4test16:4test26:4test3",
            "6:4hello10:b4AQIDBA==",
        ] {
            assert_eq!(model.post(&url, payload), "200 ok");
            assert_eq!(model.get(&url), format!("200 {payload}"));
        }
        let url = open(&mut model, OLD_POLLING);
        let payload = b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04";
        assert_eq!(model.post_binary(&url, payload), "200 ok");
        assert_eq!(model.get(&url), "200 <0006ff3468656c6c6f0105ff0401020304>");
    }
}

#[test]
fn polling_closes_on_invalid_packets() {
    let mut model = new();
    let url = open(&mut model, POLLING);
    assert_eq!(model.post(&url, "abc"), "200 ok");
    assert_eq!(model.violations(), [Violation::BadPacket]);
    assert_eq!(model.reasons(), ["parse error"]);
    assert_unknown(&mut model, &url);
    for mut model in old() {
        let url = open(&mut model, OLD_POLLING);
        assert_eq!(model.post(&url, "abc"), "200 ok");
        assert_eq!(model.reasons(), ["parse error"]);
    }
}

#[test]
fn polling_closes_on_duplicate_requests() {
    let mut model = new();
    let url = open(&mut model, POLLING);
    let first = model.poll(&url);
    assert_eq!(model.get(&url), "400 ");
    assert_eq!(model.answer(first).as_deref(), Some("200 1"));
    assert_eq!(model.violations(), [Violation::SecondGet]);
    assert_unknown(&mut model, &url);

    let url = open(&mut model, POLLING);
    let first = model.head(&url);
    assert_eq!(model.post(&url, "4hello"), "400 ");
    assert_eq!(model.answer(first).as_deref(), Some("nothing"));
    assert_eq!(model.violations(), [Violation::SecondPost]);
    assert_unknown(&mut model, &url);
}

#[test]
fn polling_closes_on_cancelled_requests() {
    for post in [false, true] {
        let mut model = new();
        let url = open(&mut model, POLLING);
        let exchange = if post {
            model.head(&url)
        } else {
            model.poll(&url)
        };
        model.abort(exchange);
        assert_eq!(model.reasons(), ["transport error"]);
        assert_unknown(&mut model, &url);
    }
}

#[test]
fn websocket_carries_messages_and_closes_on_invalid_ones() {
    let mut model = new();
    let socket = model.websocket(WEBSOCKET);
    model.heard(socket);
    assert_eq!(model.say(socket, "4hello"), ["4hello"]);
    assert_eq!(model.say(socket, [1, 2, 3, 4].as_slice()), ["<01020304>"]);
    assert_eq!(model.say(socket, "abc"), ["close"]);
    assert_eq!(model.reasons(), ["parse error"]);
    for mut model in old() {
        let socket = model.websocket(OLD_WEBSOCKET);
        model.heard(socket);
        assert_eq!(model.say(socket, "4hello"), ["4hello"]);
        assert_eq!(
            model.say(socket, [4, 1, 2, 3, 4].as_slice()),
            ["<0401020304>"]
        );
        assert_eq!(model.say(socket, "abc"), ["close"]);
    }
}

#[test]
fn polling_sessions_close() {
    let mut model = new();
    let url = open(&mut model, POLLING);
    let poll = model.poll(&url);
    assert_eq!(model.post(&url, "1"), "200 ok");
    assert_eq!(model.answer(poll).as_deref(), Some("200 6"));
    assert_eq!(model.reasons(), ["transport close"]);
    assert_unknown(&mut model, &url);
    for mut model in old() {
        let url = open(&mut model, OLD_POLLING);
        let poll = model.poll(&url);
        assert_eq!(model.post(&url, "1:1"), "200 ok");
        assert_eq!(model.answer(poll).as_deref(), Some("200 1:6"));
        assert_unknown(&mut model, &url);
    }
}

#[test]
fn the_server_closes_polling_sessions() {
    // A GET that waits; none; and one with something left to fetch.
    let mut model = new();
    let url = open(&mut model, POLLING);
    let (session, now, poll) = (model.session(), model.now, model.poll(&url));
    model.server.close_engine(now, session);
    model.pump();
    assert_eq!(model.answer(poll).as_deref(), Some("200 1"));

    let url = open(&mut model, POLLING);
    let session = model.session();
    model.server.close_engine(now, session);
    assert_eq!(model.get(&url), "200 6\u{1e}1");
    assert_unknown(&mut model, &url);

    let url = open(&mut model, POLLING);
    let session = model.session();
    assert_eq!(model.post(&url, "4left"), "200 ok");
    model.server.close_engine(now, session);
    assert_eq!(model.get(&url), "200 4left");
    assert_eq!(model.get(&url), "200 6\u{1e}1");
    assert_unknown(&mut model, &url);
}

#[test]
fn websocket_sessions_close() {
    let sessions = [(new(), WEBSOCKET)].into_iter();
    for (mut model, target) in sessions.chain(old().map(|model| (model, OLD_WEBSOCKET))) {
        let socket = model.websocket(target);
        model.heard(socket);
        // As text it means nothing.
        assert_eq!(model.say(socket, "1"), [""; 0]);
        assert_eq!(model.violations(), [Violation::CloseOverWebSocket]);
        assert_eq!(model.close(socket), ["close"]);
        assert_eq!(model.reasons(), ["transport close"]);
        let socket = model.websocket(target);
        model.heard(socket);
        model.cut(socket);
        assert_eq!(model.heard(socket), [""; 0]);
        assert_eq!(model.reasons(), ["transport close", "transport close"]);
    }
}

#[test]
fn sessions_upgrade_and_leave_http_behind() {
    let noop = |target| {
        if target == POLLING {
            "200 6"
        } else {
            "200 1:6"
        }
    };
    let sessions = [(new(), POLLING)].into_iter();
    for (mut model, target) in sessions.chain(old().map(|model| (model, OLD_POLLING))) {
        let url = open(&mut model, target);
        let websocket_url = url.replace("polling", "websocket");
        let poll = model.poll(&url);
        let socket = model.websocket(&websocket_url);
        assert_eq!(model.heard(socket), ["101"]);
        assert_eq!(model.say(socket, "2probe"), ["3probe"]);
        assert_eq!(model.wait(), Duration::from_millis(100));
        assert_eq!(model.answer(poll).as_deref(), Some(noop(target)));
        assert_eq!(model.say(socket, "5"), [""; 0]);
        assert_eq!(model.say(socket, "4hello"), ["4hello"]);
        assert_eq!(model.violations(), []);

        assert_eq!(model.get(&url), r#"400 {"code":3,"message":"Bad request"}"#);
        assert_eq!(
            model.post(&url, "4a"),
            r#"400 {"code":3,"message":"Bad request"}"#
        );
        let http = Violation::HttpAfterUpgrade;
        assert_eq!(model.violations(), [http, http]);
        let second = model.websocket(&websocket_url);
        assert_eq!(model.heard(second), ["101", "close"]);
        assert_eq!(model.violations(), [Violation::SecondWebSocket]);
        assert_eq!(model.say(socket, "4hello"), ["4hello"]);
    }
}

#[test]
fn upgrades_end_in_time() {
    let mut options = Options::current();
    options.socket_io = false;
    options.path = "/engine.io/".to_owned();
    let mut model = Model::new(options);
    let url = open(&mut model, POLLING);
    let socket = model.websocket(&url.replace("polling", "websocket"));
    assert_eq!(model.heard(socket), ["101"]);
    assert_eq!(model.wait(), Duration::from_secs(10));
    assert_eq!(model.heard(socket), ["close"]);
    assert_eq!(model.post(&url, "4still here"), "200 ok");
    assert_eq!(model.get(&url), "200 4still here");
}
