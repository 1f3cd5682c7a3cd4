//! Sessions captured between the reference clients and servers: the same bytes come from the model.

use std::time::Duration;

use conformance::sim::server::{Event, Namespace, SessionId};
use serde_json::json;

use crate::model::{Model, Options};

const DEAD: &[u8] = &[0xde, 0xad];

fn capturing(mut options: Options) -> Model {
    options.ping_interval = Duration::from_millis(700);
    options.ping_timeout = Duration::from_millis(400);
    let mut model = Model::new(options);
    model.echo = false;
    model
}

/// What the captured server's application did with `bin`: an event of its own, then the answer.
fn answer_bin(model: &mut Model, session: SessionId, more: &[serde_json::Value]) {
    let now = model.now;
    let mut back = vec![
        json!("binback"),
        json!({"$hex": "dead"}),
        json!({"deep": [{"$hex": "09"}]}),
    ];
    back.extend_from_slice(more);
    model.server.emit(now, session, "/", &back);
    model
        .server
        .acknowledge(now, session, "/", 1, &[json!({"$hex": "0102"})]);
    model.pump();
}

fn asked(model: &Model) -> Option<u64> {
    model.events.iter().rev().find_map(|event| match event {
        Event::Event { ack, .. } => Some(*ack),
        _ => None,
    })?
}

fn sid(model: &Model) -> String {
    model
        .server
        .socket_in(model.session(), "/")
        .unwrap()
        .to_owned()
}

#[test]
fn current_client_and_server() {
    let data = Some(json!({"code": "E1"}));
    let admin = Namespace::refused_to("bad", "not authorized", data);
    let mut model = capturing(Options::current().namespace("/admin", admin));
    let url = "/socket.io/?EIO=4&transport=polling&t=zr5h1irf";
    let answer = model.get(url);
    let (session, engine) = (model.session(), model.sid());
    assert_eq!(
        answer,
        format!(
            r#"200 0{{"sid":"{engine}","upgrades":["websocket"],"pingInterval":700,"pingTimeout":400,"maxPayload":1000000}}"#
        )
    );
    let url = format!("{url}&sid={engine}");
    assert_eq!(model.post(&url, r#"40{"token":"abc"}"#), "200 ok");
    let socket = model.websocket(&url.replace("polling", "websocket"));
    let poll = model.poll(&url);
    assert_eq!(model.heard(socket), ["101"]);
    let expected = format!(r#"200 40{{"sid":"{}"}}"#, sid(&model));
    assert_eq!(model.answer(poll), Some(expected));
    assert_eq!(model.say(socket, "2probe"), ["3probe"]);
    let poll = model.poll(&url);
    assert_eq!(model.post(&url, r#"420["hello","é€😀"]"#), "200 ok");
    assert_eq!(asked(&model), Some(0));
    let now = model.now;
    model
        .server
        .acknowledge(now, session, "/", 0, &[json!("ack"), json!("é€😀")]);
    model.pump();
    assert_eq!(
        model.answer(poll).as_deref(),
        Some(r#"200 430["ack","é€😀"]"#)
    );
    assert_eq!(model.say(socket, "5"), [""; 0]);
    let event = r#"451-1["bin",{"_placeholder":true,"num":0}]"#;
    assert_eq!(model.say(socket, event), [""; 0]);
    assert_eq!(model.say(socket, DEAD), [""; 0]);
    assert_eq!(asked(&model), Some(1));
    answer_bin(&mut model, session, &[]);
    assert_eq!(
        model.heard(socket),
        [
            r#"452-["binback",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]}]"#,
            "<dead>",
            "<09>",
            r#"461-1[{"_placeholder":true,"num":0}]"#,
            "<0102>",
        ]
    );
    assert_eq!(
        model.say(socket, r#"40/admin,{"token":"bad"}"#),
        [r#"44/admin,{"message":"not authorized","data":{"code":"E1"}}"#]
    );
    let heard = model.say(socket, r#"40/admin,{"token":"ok"}"#);
    let admin = model.server.socket_in(session, "/admin").unwrap();
    assert_eq!(heard, [format!(r#"40/admin,{{"sid":"{admin}"}}"#)]);
    let now = model.now;
    model
        .server
        .emit(now, session, "/admin", &[json!("welcome"), json!("a")]);
    model.pump();
    assert_eq!(model.heard(socket), [r#"42/admin,["welcome","a"]"#]);
    model.wait();
    assert_eq!(model.heard(socket), ["2"]);
    assert_eq!(model.say(socket, "3"), [""; 0]);
    assert_eq!(model.say(socket, "41/admin,"), [""; 0]);
    assert_eq!(model.say(socket, "41"), [""; 0]);
    assert_eq!(model.close(socket), ["close"]);
    assert_eq!(model.violations(), []);
}

#[test]
fn current_client_and_server_over_polling() {
    let mut model = capturing(Options::current());
    let url = "/socket.io/?EIO=4&transport=polling";
    model.get(url);
    let (session, url) = (model.session(), format!("{url}&sid={}", model.sid()));
    assert_eq!(model.post(&url, "40"), "200 ok");
    model.get(&url);
    let event = "451-1[\"bin\",{\"_placeholder\":true,\"num\":0}]\u{1e}b3q0=";
    assert_eq!(model.post(&url, event), "200 ok");
    answer_bin(&mut model, session, &[]);
    assert_eq!(
        model.get(&url),
        "200 452-[\"binback\",{\"_placeholder\":true,\"num\":0},{\"deep\":[{\"_placeholder\":true,\"num\":1}]}]\
         \u{1e}b3q0=\u{1e}bCQ==\u{1e}461-1[{\"_placeholder\":true,\"num\":0}]\u{1e}bAQI="
    );
    let poll = model.poll(&url);
    model.wait();
    assert_eq!(model.answer(poll).as_deref(), Some("200 2"));
    let poll = model.poll(&url);
    for body in ["3", "41", "1"] {
        assert_eq!(model.post(&url, body), "200 ok");
    }
    assert_eq!(model.answer(poll).as_deref(), Some("200 6"));
    assert_eq!(model.violations(), []);
}

#[test]
fn base64_over_websocket() {
    let mut model = capturing(Options::current());
    let socket = model.websocket("/socket.io/?EIO=4&transport=websocket&b64=1");
    model.say(socket, "40");
    model.say(socket, r#"451-1["bin",{"_placeholder":true,"num":0}]"#);
    assert_eq!(model.say(socket, "b3q0="), [""; 0]);
    let session = model.session();
    answer_bin(&mut model, session, &[]);
    let heard = model.heard(socket);
    assert_eq!(
        [&heard[1], &heard[2], &heard[4]],
        ["b3q0=", "bCQ==", "bAQI="]
    );
}

#[test]
fn old_client_and_servers() {
    for options in [Options::old(), Options::compatible()] {
        let compatible = options.allow_eio3;
        let admin = Namespace::refused_to("bad", "not authorized", None);
        let mut model = capturing(options.namespace("/admin", admin));
        let url = "/socket.io/?EIO=3&transport=polling&t=Q80HHIz&b64=1";
        let answer = model.get(url);
        let (session, engine) = (model.session(), model.sid());
        let handshake = format!(
            r#"0{{"sid":"{engine}","upgrades":["websocket"],"pingInterval":700,"pingTimeout":400"#
        );
        let url = format!("{url}&sid={engine}");
        if compatible {
            assert_eq!(
                answer,
                format!("200 114:{handshake},\"maxPayload\":1000000}}")
            );
            assert_eq!(model.get(&url), "200 2:40");
        } else {
            assert_eq!(answer, format!("200 93:{handshake}}}2:40"));
        }
        let socket = model.websocket(&url.replace("polling", "websocket").replace("&b64=1", ""));
        assert_eq!(model.heard(socket), ["101"]);
        assert_eq!(model.post(&url, r#"19:420["hello","é€😀"]"#), "200 ok");
        let poll = model.poll(&url);
        let now = model.now;
        model
            .server
            .acknowledge(now, session, "/", 0, &[json!("ack"), json!("é€😀")]);
        model.pump();
        assert_eq!(
            model.answer(poll).as_deref(),
            Some(r#"200 17:430["ack","é€😀"]"#)
        );
        assert_eq!(model.say(socket, "2probe"), ["3probe"]);
        let event = r#"42:451-1["bin",{"_placeholder":true,"num":0}]6:b43q0="#;
        assert_eq!(model.post(&url, event), "200 ok");
        let more = [json!("é€😀")];
        answer_bin(&mut model, session, &more);
        assert_eq!(
            model.get(&url),
            r#"200 93:452-["binback",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]},"é€😀"]6:b43q0=6:b4CQ==36:461-1[{"_placeholder":true,"num":0}]6:b4AQI="#
        );
        assert_eq!(model.say(socket, "5"), [""; 0]);
        model.say(socket, r#"451-1["bin",{"_placeholder":true,"num":0}]"#);
        assert_eq!(model.say(socket, [&[4], DEAD].concat().as_slice()), [""; 0]);
        answer_bin(&mut model, session, &more);
        let heard = model.heard(socket);
        assert_eq!(
            [&heard[1], &heard[2], &heard[4]],
            ["<04dead>", "<0409>", "<040102>"]
        );
        let refusal = [r#"44/admin,"not authorized""#];
        assert_eq!(model.say(socket, "40/admin?token=bad,"), refusal);
        assert_eq!(
            model.say(socket, "40/admin?token=ok&x=a%20b,"),
            ["40/admin,"]
        );
        let query = json!({"token": "ok", "x": "a b"});
        let auth = compatible.then_some(query);
        assert!(
            model
                .events
                .iter()
                .any(|event| matches!(event, Event::Connected {
            namespace, id, auth: shown, query, ..
        } if namespace == "/admin" && *id == format!("/admin#{engine}") && *shown == auth
            && query.as_deref() == Some("token=ok&x=a%20b")))
        );
        assert_eq!(model.say(socket, "2"), ["3"]);
        assert_eq!(model.say(socket, "41/admin,"), [""; 0]);
        assert_eq!(model.say(socket, "41"), [""; 0]);
        assert_eq!(model.close(socket), ["close"]);
        assert_eq!(model.violations(), []);
    }
}

#[test]
fn binary_payloads_of_the_old_revision() {
    let mut options = Options::compatible();
    options.socket_io = false;
    let mut model = Model::new(options);
    let url = "/socket.io/?EIO=3&transport=polling";
    model.get(url);
    let url = format!("{url}&sid={}", model.sid());
    let payload = "000100ff34c3a9e282acf09f98800103ff04dead0002ff347a";
    assert_eq!(
        model.post_binary(&url, &crate::model::unhex(payload)),
        "200 ok"
    );
    assert_eq!(model.get(&url), format!("200 <{payload}>"));
}
