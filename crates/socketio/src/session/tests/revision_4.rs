//! Servers of revision 4: socket.io 2.x, and 4.x with `allowEIO3`.

use super::*;

const REFUSED: &str = "the server refused the namespace:";

/// A session that speaks revision 4 and wants these namespaces; the link is open, and nothing has been said on it.
fn opened(namespaces: &[&str]) -> (Script, Vec<NamespaceKey>) {
    let mut script = Script::with(|config| config.version = Version::V3);
    let keys = namespaces.iter().map(|name| script.join(name)).collect();
    script.wants(&["open link as V3"]);
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    (script, keys)
}

fn joined(namespaces: &[&str]) -> (Script, Vec<NamespaceKey>) {
    let (mut script, keys) = opened(namespaces);
    script.server("0");
    for name in namespaces.iter().filter(|name| **name != "/") {
        script.server(&format!("0{name},"));
    }
    script.skip();
    (script, keys)
}

fn join_with_query(script: &mut Script, namespace: &str, query: &str) {
    let settings = Join {
        query: Some(Query::try_from(query).unwrap()),
        ..Join::default()
    };
    script.try_join_with(namespace, settings).unwrap();
}

#[test]
fn the_root_is_joined_by_the_server() {
    let (mut script, _) = opened(&["/"]);
    script.wants(&[]);
    script.tells(&[]);
    script.server("0");
    script.wants(&[]);
    script.tells(&["/ connected as engine-sid"]);
    script.server("0");
    script.tells(&[]);
}

/// It has joined the root although it takes nothing, so not even a DISCONNECT can be sent.
#[test]
fn a_server_that_takes_nothing_is_left_by_closing_the_link() {
    let mut script = Script::with(|config| config.version = Version::V3);
    let root = script.join("/");
    script.link_opened_as(Version::V3, Transport::Polling, Some(1));
    script.server("0");
    script.skip();
    script.session.leave(script.now, root);
    script.wants(&["close link"]);
}

#[test]
fn the_payload_of_connect_means_nothing() {
    for reply in ["0[]", "0null", r#"0{"sid":"another"}"#] {
        let (mut script, _) = opened(&["/"]);
        script.server(reply);
        script.tells(&["/ connected as engine-sid"]);
    }
}

#[test]
fn other_namespaces_are_asked_for_behind_the_root() {
    let (mut script, _) = opened(&["/a", "/", "/b"]);
    script.join("/c");
    script.wants(&[]);
    script.server("0");
    script.wants(&["0/a,", "0/b,", "0/c,"]);
    script.tells(&["/ connected as engine-sid"]);
    script.server("0/b,");
    script.server("0/a,");
    script.tells(&[
        "/b connected as /b#engine-sid",
        "/a connected as /a#engine-sid",
    ]);
    script.join("/d");
    script.wants(&["0/d,"]);
}

#[test]
fn the_root_is_a_gate_even_where_nobody_wants_it() {
    let (mut script, _) = opened(&["/a"]);
    script.wants(&[]);
    script.server("0");
    script.wants(&["0/a,"]);
    script.server("0/a,");
    script.server(r#"2["for nobody"]"#);
    script.server(r#"4"for nobody""#);
    script.tells(&["/a connected as /a#engine-sid"]);

    script.join("/");
    script.wants(&[]);
    script.tells(&["/ connected as engine-sid"]);
}

#[test]
fn connect_carries_the_query() {
    let mut script = Script::with(|config| config.version = Version::V3);
    join_with_query(&mut script, "/admin", "token=ok&x=a%20b,c");
    join_with_query(&mut script, "/", "never=sent");
    script.link_opened_as(Version::V3, Transport::Polling, None);
    script.server("0");
    script.wants(&["open link as V3", "0/admin?token=ok&x=a%20b%2Cc,"]);
    script.server("0/admin,");
    script.link_lost();
    script.after_secs(1);
    script.link_opened_as(Version::V3, Transport::Polling, None);
    script.server("0");
    script.wants(&["open link as V3", "0/admin?token=ok&x=a%20b%2Cc,"]);
    // Other servers have no use for it.
    let mut script = Script::new();
    join_with_query(&mut script, "/admin", "token=ok");
    script.link_opened();
    script.wants(&["open link", "0/admin,"]);
}

#[test]
fn there_is_no_auth_payload() {
    let auth = || Some(serde_json::json!({"token": "t"}));
    let mut script = Script::with(|config| config.version = Version::V3);
    let error = script.try_join("/a", auth()).unwrap_err();
    assert_eq!(error, ConnectError::AuthUnsupported);
    script.wants(&[]);

    let mut script = Script::with(|config| config.version = Version::Auto);
    script.try_join("/a", auth()).unwrap();
    script.try_join("/", auth()).unwrap();
    script.join("/b");
    script.link_opened_as(Version::V3, Transport::Polling, None);
    let told =
        "connect error: revision 4 of Socket.IO carries no auth payload; use the query; for good";
    script.tells(&[&format!("/a {told}"), &format!("/ {told}")]);
    script.server("0");
    script.wants(&["open link as Auto", "0/b,"]);
}

#[test]
fn an_error_refuses_what_is_being_joined() {
    let refused = |message: &str, data: Option<&str>| ConnectError::Refused {
        message: message.into(),
        data: data.map(|data| {
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            Json::from_serialize(&data).unwrap()
        }),
    };
    for (payload, error) in [
        (r#""not authorized""#, refused("not authorized", None)),
        (
            r#"{"message":"no"}"#,
            refused("no", Some(r#"{"message":"no"}"#)),
        ),
        (r#"{"why":"x"}"#, refused("", Some(r#"{"why":"x"}"#))),
        ("[1]", refused("", Some("[1]"))),
        ("7", refused("", Some("7"))),
        ("null", refused("", Some("null"))),
        ("", refused("", None)),
    ] {
        let (mut script, keys) = opened(&["/admin", "/"]);
        script.server("0");
        script.skip();
        script.server(&format!("4/admin,{payload}"));
        let retry_in = None;
        let expected = Event::ConnectError { error, retry_in };
        assert_eq!(script.session.poll_event(), Some((keys[0], expected)));
        script.wants(&[]);
    }
}

#[test]
fn a_refused_root_refuses_everything() {
    let (mut script, _) = opened(&["/a", "/"]);
    script.join("/b");
    script.server(r#"4"root denied""#);
    let told = format!("connect error: {REFUSED} root denied; for good");
    script.tells(&[
        &format!("/a {told}"),
        &format!("/ {told}"),
        &format!("/b {told}"),
    ]);
    script.wants(&["close link"]);
}

#[test]
fn an_error_of_what_is_joined_is_an_event() {
    let (mut script, _) = joined(&["/", "/a"]);
    for payload in [r#""x""#, r#"{"a":[1]}"#, "null", "7", "[1,2]"] {
        script.server(&format!("4{payload}"));
        script.server(&format!("4/a,{payload}"));
        script.tells(&[
            &format!(r#"/ ["error",{payload}]"#),
            &format!(r#"/a ["error",{payload}]"#),
        ]);
    }
    script.server("4");
    script.tells(&[r#"/ ["error"]"#]);
    script.wants(&[]);
}

#[test]
fn the_root_cannot_be_joined_again_on_the_same_link() {
    for by_server in [true, false] {
        let (mut script, keys) = joined(&["/", "/a"]);
        if by_server {
            script.server("1");
            script.wants(&[]);
        } else {
            script.session.leave(script.now, keys[0]);
            script.wants(&["1"]);
        }
        script.skip_events();
        let root = script.join("/");
        let error = ConnectError::RootLeft;
        let retry_in = None;
        let told = Event::ConnectError { error, retry_in };
        assert_eq!(script.session.poll_event(), Some((root, told)));
        // The others are no worse off, and on the next link it is another matter.
        script.join("/b");
        script.wants(&["0/b,"]);
        script.link_lost();
        script.join("/");
        script.after_secs(1);
        script.link_opened_as(Version::V3, Transport::WebSocket, None);
        script.skip();
        script.server("0");
        script.tells(&["/ connected as engine-sid"]);
        script.wants(&["0/a,"]);
    }
}

#[test]
fn a_root_that_was_left_before_it_was_joined_can_be_joined() {
    let (mut script, keys) = opened(&["/", "/a"]);
    script.session.leave(script.now, keys[0]);
    script.skip();
    script.join("/");
    script.server("0");
    script.tells(&["/ connected as engine-sid"]);
    script.wants(&["0/a,"]);

    let (mut script, keys) = opened(&["/", "/a"]);
    script.session.leave(script.now, keys[0]);
    script.server("0");
    script.wants(&["0/a,"]);
    script.skip_events();
    script.join("/");
    script.tells(&["/ connected as engine-sid"]);
}

#[test]
fn a_namespace_that_was_left_before_it_was_asked_for_is_not_asked_for() {
    let (mut script, keys) = opened(&["/a", "/b"]);
    script.session.leave(script.now, keys[0]);
    script.server("0");
    script.wants(&["0/b,"]);
    script.join("/a");
    script.wants(&["0/a,"]);
}

#[test]
fn the_server_has_only_so_long_to_join_the_root() {
    let (mut script, _) = opened(&["/a", "/"]);
    script.after_secs(19);
    script.tells(&[]);
    script.after_secs(1);
    let told = "connect error: the server did not answer CONNECT in time; for good";
    script.tells(&[&format!("/a {told}"), &format!("/ {told}")]);
    script.wants(&["close link"]);

    // The wait for the namespace itself is another one.
    let (mut script, _) = opened(&["/a"]);
    script.after_secs(19);
    script.server("0");
    script.after_secs(19);
    script.tells(&[]);
    script.after_secs(1);
    script.tells(&[&format!("/a {told}")]);
}

#[test]
fn a_root_that_does_not_come_back_is_tried_again_on_a_new_link() {
    let (mut script, _) = joined(&["/a"]);
    script.link_lost();
    script.after_secs(1);
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    script.skip();
    script.after_secs(20);
    script.wants(&["close link"]);
    let told = "connect error: the server did not answer CONNECT in time";
    script.tells(&[&format!("/a {told}; retry in 2s")]);
}

#[test]
fn events_and_acknowledgements_are_as_ever() {
    let (mut script, keys) = joined(&["/", "/a"]);
    script.emit(keys[1], "x").unwrap();
    let ack = script.emit_with_ack(keys[0], "y", 5);
    script.wants(&[r#"2/a,["x"]"#, r#"20["y"]"#]);
    script.server("30[1]");
    assert_eq!(script.acks(), [(ack, Ok("[1]".into()))]);
    script.server(r#"51-/a,7["z",{"_placeholder":true,"num":0}]"#);
    script.server_binary(b"b");
    script.server(r#"2["connect"]"#);
    script.tells(&[
        r#"/a ["z",{"_placeholder":true,"num":0}] wants ack"#,
        r#"/ ["connect"]"#,
    ]);
}

#[test]
fn messages_are_longer_than_in_revision_5() {
    for (version, largest) in [(Version::V3, 88), (Version::V4, 100)] {
        let mut script = Script::with(|config| config.version = version);
        let root = script.join("/");
        script.link_opened_as(version, Transport::Polling, Some(100));
        script.server(r#"0{"sid":"x"}"#);
        let event = |len: usize| codec::Event::new(&"e".repeat(len - 6), &()).unwrap();
        script.session.emit(root, event(largest)).unwrap();
        let error = script.session.emit(root, event(largest + 1)).unwrap_err();
        let (size, max) = (largest as u64 + 1, largest as u64);
        assert_eq!(error, EmitError::TooLarge { size, max });
    }
}

#[test]
fn nothing_that_is_printed_holds_the_engine_s_id_or_the_query() {
    let mut script = Script::with(|config| config.version = Version::V3);
    join_with_query(&mut script, "/a", "token=hunter2");
    script.join("/");
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    script.server("0");
    let printed = format!("{:?}", script.session);
    assert!(!printed.contains("engine-sid") && !printed.contains("hunter2"));
    let (_, event) = script.session.poll_event().unwrap();
    assert!(!format!("{event:?}").contains("engine-sid"), "{event:?}");
    let actions: Vec<_> = std::iter::from_fn(|| script.session.poll_action()).collect();
    assert!(!format!("{actions:?}").contains("hunter2"));
}
