//! The cases of the official Socket.IO suite, and their like in the old revision.

use std::time::Duration;

use conformance::sim::server::{Event, Namespace, SocketId, Violation};
use serde_json::json;

use crate::model::{Model, Options};

const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const OLD_WEBSOCKET: &str = "/socket.io/?EIO=3&transport=websocket";

/// A server with the suite's namespaces, and a WebSocket whose handshake is read.
fn open() -> (Model, SocketId) {
    let options = Options::current().namespace("/custom", Namespace::open());
    let mut model = Model::new(options);
    let socket = model.websocket(WEBSOCKET);
    assert_eq!(model.heard(socket).len(), 2);
    (model, socket)
}

/// The old revision on both servers that speak it, the root joined.
fn old() -> Vec<(Model, SocketId)> {
    let servers = [Options::compatible(), Options::old()];
    let opened = servers.map(|options| {
        let mut model = Model::new(options.namespace("/custom", Namespace::open()));
        let socket = model.websocket(OLD_WEBSOCKET);
        assert_eq!(model.heard(socket)[2..], ["40"]);
        (model, socket)
    });
    opened.into()
}

fn connected(
    model: &Model,
    namespace: &str,
) -> (String, Option<serde_json::Value>, Option<String>) {
    let found = model.events.iter().rev().find_map(|event| match event {
        Event::Connected {
            namespace: name,
            id,
            auth,
            query,
            ..
        } if name == namespace => Some((id.clone(), auth.clone(), query.clone())),
        _ => None,
    });
    found.expect("a connection")
}

#[test]
fn namespaces_are_joined() {
    let cases = [
        ("40", "/", None),
        (r#"40{"token":"123"}"#, "/", Some(json!({"token": "123"}))),
        ("40/custom,", "/custom", None),
        (
            r#"40/custom,{"token":"abc"}"#,
            "/custom",
            Some(json!({"token": "abc"})),
        ),
    ];
    for (frame, namespace, payload) in cases {
        let (mut model, socket) = open();
        let heard = model.say(socket, frame);
        let (id, auth, _) = connected(&model, namespace);
        let prefix = if namespace == "/" { "40" } else { "40/custom," };
        assert_eq!(heard, [format!(r#"{prefix}{{"sid":"{id}"}}"#)]);
        assert_eq!(auth, payload);
        assert_ne!(id, model.sid());
    }
    for (mut model, socket) in old() {
        assert_eq!(connected(&model, "/").0, model.sid());
        assert_eq!(model.say(socket, "40/custom?a=b,"), ["40/custom,"]);
        let (id, _, query) = connected(&model, "/custom");
        assert_eq!(
            (id, query.as_deref()),
            (format!("/custom#{}", model.sid()), Some("a=b"))
        );
    }
}

#[test]
fn unknown_namespaces_are_refused() {
    let (mut model, socket) = open();
    let refusal = r#"44/random,{"message":"Invalid namespace"}"#;
    assert_eq!(model.say(socket, "40/random"), [refusal]);
    let refusals = [refusal, r#"44/random,"Invalid namespace""#];
    for ((mut model, socket), refusal) in old().into_iter().zip(refusals) {
        assert_eq!(model.say(socket, "40/random,"), [refusal]);
    }
}

#[test]
fn whoever_joins_nothing_is_closed() {
    let (mut model, socket) = open();
    assert_eq!(model.say(socket, "4abc"), ["close"]);
    assert_eq!(model.violations(), [Violation::Undecodable]);

    let mut options = Options::current();
    options.connect_timeout = Duration::from_secs(5);
    let mut model = Model::new(options.namespace("/slow", Namespace::never()));
    let socket = model.websocket(WEBSOCKET);
    model.heard(socket);
    assert_eq!(model.say(socket, "40/slow,"), [""; 0]);
    assert_eq!(model.wait(), Duration::from_secs(5));
    assert_eq!(model.heard(socket), ["close"]);
}

#[test]
fn namespaces_are_left() {
    let (mut model, socket) = open();
    model.say(socket, "40");
    model.say(socket, "40/custom");
    assert_eq!(model.say(socket, "41"), [""; 0]);
    assert_eq!(
        model.say(socket, "42/custom,[\"message\"]"),
        ["42/custom,[\"message\"]"]
    );
    assert_eq!(model.say(socket, "41/custom"), [""; 0]);
    assert_eq!(model.violations(), []);
    let left = |event: &&Event| matches!(event, Event::Disconnected { reason, .. } if reason == "client namespace disconnect");
    assert_eq!(model.events.iter().filter(left).count(), 2);
    assert_eq!(model.say(socket, "40/custom,").len(), 1);
}

#[test]
fn messages_come_back() {
    let cases: [&[&str]; 5] = [
        &[r#"42["message",1,"2",{"3":[true]}]"#],
        &[
            r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            "<010203>",
            "<040506>",
        ],
        &[r#"42456["message",1,"2",{"3":[false]}]"#],
        &[
            r#"452-789["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            "<010203>",
            "<040506>",
        ],
        &[r#"42/custom,["message"]"#],
    ];
    for frames in cases {
        let (mut model, socket) = open();
        model.say(socket, "40");
        model.say(socket, "40/custom,");
        let mut heard = Vec::new();
        for frame in frames {
            heard = match frame.strip_prefix('<') {
                Some(digits) => model.say(socket, crate::model::unhex(digits).as_slice()),
                None => model.say(socket, *frame),
            };
        }
        // An acknowledgement has no name.
        let expected = frames.iter().map(|frame| {
            let frame = frame.replace("42456[\"message\",", "43456[");
            frame.replace("452-789[\"message\",", "462-789[")
        });
        assert_eq!(heard, expected.collect::<Vec<_>>());
    }
}

#[test]
fn invalid_packets_close() {
    for frame in [
        "4abc",
        "42{}",
        "42abc[\"message1\",1]",
        "4511-[\"a\"]",
        "44{\"message\":\"x\"}",
    ] {
        let (mut model, socket) = open();
        model.say(socket, "40");
        assert_eq!(model.say(socket, frame), ["close"]);
        assert_eq!(model.violations().len(), 1, "{frame}");
    }
    for (at, (mut model, socket)) in old().into_iter().enumerate() {
        let heard = model.say(socket, "4abc");
        assert_eq!(heard.is_empty(), at == 1, "{heard:?}");
        assert_eq!(model.violations(), [Violation::Undecodable]);
    }
}

#[test]
fn nobody_connects_to_the_root_of_the_old_revision() {
    for (at, (mut model, socket)) in old().into_iter().enumerate() {
        let closed: &[&str] = if at == 0 { &["close"] } else { &[] };
        assert_eq!(model.say(socket, "40"), closed);
        assert_eq!(model.violations(), [Violation::RootConnect]);
    }
}

#[test]
fn a_slow_root_of_the_old_server_loses_the_queries_that_come_too_early() {
    let root = Namespace::open().after(Duration::from_secs(1));
    let options = Options::old().namespace("/", root);
    let mut model = Model::new(options.namespace("/custom", Namespace::open()));
    let socket = model.websocket(OLD_WEBSOCKET);
    assert_eq!(model.heard(socket).len(), 2);
    assert_eq!(model.say(socket, "40/custom?a=b,"), [""; 0]);
    assert_eq!(model.wait(), Duration::from_secs(1));
    assert_eq!(model.heard(socket), ["40", "40/custom,"]);
    assert_eq!(connected(&model, "/custom").2, None);
}

#[test]
fn the_server_puts_out_and_closes() {
    let (mut model, socket) = open();
    model.say(socket, "40");
    model.say(socket, "40/custom,");
    let (now, session) = (model.now, model.session());
    model.server.disconnect(now, session, "/custom");
    model.pump();
    assert_eq!(model.heard(socket), ["41/custom,"]);
    assert_eq!(model.say(socket, "420[\"a\"]"), ["430[]"]);
    // What the client sends before it knows is nobody's fault.
    assert_eq!(model.say(socket, "42/custom,[\"late\"]"), ["close"]);
    assert_eq!(model.violations(), []);
    assert!(
        model
            .events
            .iter()
            .any(|event| matches!(event, Event::Crossed { .. }))
    );

    let socket = model.websocket(WEBSOCKET);
    model.heard(socket);
    model.say(socket, "40");
    let session = model.session();
    model.server.disconnect_all(now, session);
    model.pump();
    assert_eq!(model.heard(socket), ["41", "close"]);
}

#[test]
fn acknowledgements_that_the_server_asks_for() {
    let (mut model, socket) = open();
    model.say(socket, "40");
    let (now, session) = (model.now, model.session());
    for id in 0..2 {
        model.server.ask(now, session, "/", &[json!("q")]);
        model.pump();
        assert_eq!(model.heard(socket), [format!("42{id}[\"q\"]")]);
    }
    assert_eq!(model.say(socket, "431[{\"a\":1}]"), [""; 0]);
    let answer = model.events.last();
    assert!(
        matches!(answer, Some(Event::Acked { id: 1, args, .. }) if *args == [json!({"a": 1})]),
        "{answer:?}"
    );
    model.say(socket, "431[]");
    model.say(socket, "437[]");
    assert_eq!(
        model.violations(),
        [Violation::UnknownAck, Violation::UnknownAck]
    );
    assert_eq!(model.say(socket, "430[]"), [""; 0]);
    assert_eq!(model.violations(), []);
}

#[test]
fn volatile_events_do_not_wait() {
    use conformance::sim::server::Emitted;

    let url = "/socket.io/?EIO=4&transport=polling";
    let mut model = Model::new(Options::current());
    model.get(url);
    let url = format!("{url}&sid={}", model.sid());
    model.post(&url, "40");
    model.get(&url);
    let (now, session) = (model.now, model.session());
    let args = [json!("now")];
    let emitted = model.server.emit_volatile(now, session, "/", &args);
    assert_eq!(emitted, Some(Emitted::Dropped));
    let poll = model.poll(&url);
    let emitted = model.server.emit_volatile(now, session, "/", &args);
    assert_eq!(emitted, Some(Emitted::Sent));
    model.pump();
    assert_eq!(model.answer(poll).as_deref(), Some("200 42[\"now\"]"));
}
