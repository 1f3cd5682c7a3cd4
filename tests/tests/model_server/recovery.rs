//! Lost connections that are recovered.

use std::time::Duration;

use conformance::sim::server::{Event, SocketId};
use serde_json::{Value, json};

use crate::model::{Model, Options};

/// What is done to the papers.
type Spoil = fn(&mut Value);

const WINDOW: Duration = Duration::from_secs(120);

fn open(model: &mut Model) -> SocketId {
    let socket = model.websocket("/socket.io/?EIO=4&transport=websocket");
    model.heard(socket);
    socket
}

/// The JSON behind the type of a packet.
fn json_of(frame: &str) -> Value {
    let start = frame.find(['[', '{']).unwrap();
    serde_json::from_str(&frame[start..]).unwrap()
}

fn last(frame: &str) -> String {
    let args = json_of(frame);
    args.as_array()
        .unwrap()
        .last()
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

/// A client that has seen one event and is lost; its papers, and its socket's id.
fn lose(model: &mut Model) -> (Value, String) {
    let socket = open(model);
    let reply = json_of(&model.say(socket, r#"40{"token":"T"}"#)[0]);
    let (now, session) = (model.now, model.session());
    model
        .server
        .emit(now, session, "/", &[json!("e1"), json!({"a": 1})]);
    model.server.ask(now, session, "/", &[json!("withack")]);
    model.pump();
    let heard = model.heard(socket);
    assert_eq!(heard[1], r#"420["withack"]"#);
    let offset = last(&heard[0]);
    assert_eq!(heard[0], format!(r#"42["e1",{{"a":1}},"{offset}"]"#));
    model.cut(socket);
    let id = reply["sid"].as_str().unwrap().to_owned();
    (
        json!({"pid": reply["pid"], "offset": offset, "token": "T"}),
        id,
    )
}

fn model() -> Model {
    let mut options = Options::current();
    options.recovery = Some(WINDOW);
    Model::new(options)
}

#[test]
fn what_was_missed_comes_before_the_answer() {
    let mut model = model();
    let (papers, id) = lose(&mut model);
    let now = model.now;
    model
        .server
        .emit_to(now, "/", &id, &[json!("missed"), json!(1)]);
    model
        .server
        .broadcast(now, "/", &[json!("missed2"), json!({"$hex": "07"})]);
    model
        .server
        .emit_to(now, "/", "somebody else", &[json!("not for you")]);
    model.pass(WINDOW);
    let socket = open(&mut model);
    let heard = model.say(socket, format!("40{papers}").as_str());
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert_eq!(heard[0], format!(r#"42["missed",1,"{}"]"#, last(&heard[0])));
    let second = r#"451-["missed2",{"_placeholder":true,"num":0},""#;
    assert!(heard[1].starts_with(second));
    assert_eq!(heard[2], "<07>");
    let pid = papers["pid"].as_str().unwrap();
    assert_eq!(heard[3], format!(r#"40{{"sid":"{id}","pid":"{pid}"}}"#));
    let recovered = |event: &Event| {
        matches!(
            event,
            Event::Connected {
                recovered: true,
                ..
            }
        )
    };
    assert!(model.events.iter().any(recovered));
}

#[test]
fn nothing_is_recovered_without_papers_or_too_late() {
    let cases: [(Spoil, Duration); 4] = [
        (|papers| papers["offset"] = json!("unknown"), Duration::ZERO),
        (|papers| papers["offset"] = json!(1), Duration::ZERO),
        (|papers| papers["pid"] = json!("unknown"), Duration::ZERO),
        (|_| {}, WINDOW + Duration::from_millis(1)),
    ];
    for (spoil, late) in cases {
        let mut model = model();
        let (mut papers, id) = lose(&mut model);
        let pid = papers["pid"].clone();
        spoil(&mut papers);
        model.pass(late);
        let socket = open(&mut model);
        let heard = model.say(socket, format!("40{papers}").as_str());
        assert_eq!(heard.len(), 1);
        let reply = json_of(&heard[0]);
        assert!(reply["sid"] != json!(id) && reply["pid"] != pid, "{reply}");
    }
}

#[test]
fn whoever_leaves_is_not_recovered() {
    let mut model = model();
    let socket = open(&mut model);
    let reply = json_of(&model.say(socket, "40")[0]);
    let (now, session) = (model.now, model.session());
    model.server.emit(now, session, "/", &[json!("e1")]);
    model.pump();
    let offset = last(&model.heard(socket)[0]);
    model.say(socket, "41");
    let papers = json!({"pid": reply["pid"], "offset": offset});
    let again = json_of(&model.say(socket, format!("40{papers}").as_str())[0]);
    assert_ne!(again["pid"], reply["pid"]);
}
