//! Servers whose revision is to be found out.

use engineio::{ProtocolError, Refusal};

use super::*;

const WEBSOCKET: Transport = Transport::WebSocket;
const POLLING: Transport = Transport::Polling;

fn wanting(namespaces: &[&str]) -> Script {
    let mut script = Script::with(|config| config.version = Version::Auto);
    for namespace in namespaces {
        script.join(namespace);
    }
    script.wants(&["open link as Auto"]);
    script
}

/// What the next link is opened with.
fn next_link(script: &mut Script) -> Vec<String> {
    script.link_lost();
    script.skip();
    script.after_secs(1);
    script.actions()
}

fn closed(script: &mut Script) {
    script.link_closed(CloseReason::Local);
    assert_eq!(script.due_in(), Some(Duration::ZERO), "at once");
    script.after_secs(0);
}

fn unsupported() -> CloseReason {
    let body = br#"{"code":5,"message":"Unsupported protocol version"}"#;
    CloseReason::Refused(Refusal::new(400, body))
}

#[test]
fn a_server_that_says_enough_in_its_handshake_is_not_waited_for() {
    let max = Some(1_000_000);
    for (transport, max_payload) in [(WEBSOCKET, max), (POLLING, None), (POLLING, max)] {
        let mut script = wanting(&["/"]);
        script.link_opened_as(Version::V4, transport, max_payload);
        script.wants(&["0"]);
        // Whatever it answers, it is what it is.
        script.server("0");
        script.tells(&["/ connected as nobody"]);
        assert_eq!(next_link(&mut script), ["open link"]);
    }
}

#[test]
fn what_the_engine_has_found_out_is_remembered() {
    let mut script = wanting(&["/"]);
    script.link_opened_as(Version::V3, POLLING, None);
    script.wants(&[]);
    script.server("0");
    script.tells(&["/ connected as engine-sid"]);
    assert_eq!(next_link(&mut script), ["open link as V3"]);
}

#[test]
fn a_server_in_doubt_gets_a_grace() {
    let mut script = wanting(&["/", "/a"]);
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    assert_eq!(script.due_in(), Some(AUTO_GRACE));
    script.after(AUTO_GRACE - Duration::from_millis(1));
    script.join("/b");
    script.wants(&[]);
    script.after(Duration::from_millis(1));
    script.wants(&["0", "0/a,", "0/b,"]);
    script.server(r#"0{"sid":"s1"}"#);
    script.tells(&["/ connected as s1"]);
    // It has told. From now on nothing is waited for.
    script.server("0");
    script.wants(&[]);
    assert_eq!(next_link(&mut script), ["open link"]);
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.wants(&["0"]);
}

#[test]
fn the_silence_of_a_server_that_is_not_read_says_nothing() {
    let mut script = wanting(&["/"]);
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.session.set_reading(script.now, false);
    assert_eq!(script.due_in(), None);
    script.after(10 * AUTO_GRACE);
    script.wants(&[]);
    // What has come meanwhile is read now, and time enough is left for it.
    script.session.set_reading(script.now, true);
    assert_eq!(script.due_in(), Some(AUTO_GRACE));
    script.server("0");
    script.wants(&["close link"]);
}

#[test]
fn the_answer_of_any_namespace_ends_the_doubt() {
    let mut script = wanting(&["/a"]);
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.after(AUTO_GRACE);
    script.server(r#"0/a,{"sid":"x"}"#);
    script.wants(&["0/a,"]);
    script.server("0");
    script.wants(&[]);
    assert_eq!(next_link(&mut script), ["open link"]);
}

#[test]
fn a_server_of_revision_4_gives_itself_away() {
    for sign in ["0", "0{}", r#"4"denied""#, r#"4{"why":"x"}"#] {
        let mut script = wanting(&["/", "/a"]);
        script.link_opened_as(Version::V4, WEBSOCKET, None);
        script.server(sign);
        script.wants(&["close link"]);
        closed(&mut script);
        script.wants(&["open link as V3"]);
        script.tells(&[]);
        script.link_opened_as(Version::V3, WEBSOCKET, None);
        script.server("0");
        script.wants(&["0/a,"]);
        script.server("0/a,");
        script.tells(&["/ connected as engine-sid", "/a connected as /a#engine-sid"]);
        assert_eq!(next_link(&mut script), ["open link as V3"]);
        script.link_opened_as(Version::V3, WEBSOCKET, None);
        script.wants(&[]);
    }
}

#[test]
fn a_slow_server_of_revision_4_gives_itself_away_by_its_answer() {
    for (namespaces, sign) in [
        (&["/"][..], "0"),
        (&["/", "/a"], "0"),
        (&["/a"], "0"),
        (&["/a"], r#"4"denied""#),
    ] {
        let mut script = wanting(namespaces);
        script.link_opened_as(Version::V4, WEBSOCKET, None);
        script.after(AUTO_GRACE);
        script.skip();
        script.server(sign);
        script.wants(&["close link"]);
        script.tells(&[]);
        closed(&mut script);
        script.wants(&["open link as V3"]);
    }
}

#[test]
fn a_refusal_that_was_asked_for_is_a_refusal() {
    let mut script = wanting(&["/"]);
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.after(AUTO_GRACE);
    script.server(r#"4{"message":"no"}"#);
    script.tells(&["/ connect error: the server refused the namespace: no; for good"]);
    script.wants(&["0", "close link"]);
}

#[test]
fn what_was_emitted_meanwhile_is_sent_on_the_other_link() {
    let mut script = Script::with(|config| config.version = Version::Auto);
    let root = script.join("/");
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.emit(root, "early").unwrap();
    script.server("0");
    closed(&mut script);
    script.link_opened_as(Version::V3, WEBSOCKET, None);
    script.skip();
    script.server("0");
    script.wants(&[r#"2["early"]"#]);
}

#[test]
fn who_leaves_while_the_link_is_replaced_needs_no_other() {
    let mut script = Script::with(|config| config.version = Version::Auto);
    let root = script.join("/");
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.server("0");
    script.session.leave(script.now, root);
    script.skip();
    script.link_closed(CloseReason::Local);
    assert!(script.session.is_idle());
}

#[test]
fn a_server_that_was_replaced_by_a_newer_one_is_followed_at_once() {
    for answer in [
        unsupported(),
        ProtocolError::OtherVersion(Version::V4).into(),
    ] {
        let mut script = wanting(&["/"]);
        script.link_opened_as(Version::V3, POLLING, None);
        script.server("0");
        assert_eq!(next_link(&mut script), ["open link as V3"]);
        script.link_closed(answer);
        script.tells(&[]);
        script.wants(&["open link"]);
        script.link_opened_as(Version::V4, POLLING, None);
        script.wants(&["0"]);
        script.server(r#"0{"sid":"s1"}"#);
        script.tells(&["/ connected as s1"]);
    }
}

#[test]
fn a_server_that_was_replaced_by_an_older_one_is_followed_at_once() {
    let known = || {
        let mut script = wanting(&["/"]);
        script.link_opened_as(Version::V4, WEBSOCKET, None);
        script.after(AUTO_GRACE);
        script.server(r#"0{"sid":"s1"}"#);
        script.skip();
        assert_eq!(next_link(&mut script), ["open link"]);
        script
    };
    let mut script = known();
    script.link_closed(ProtocolError::OtherVersion(Version::V3).into());
    script.wants(&["open link as V3"]);
    script.tells(&[]);

    let mut script = known();
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.server("0");
    script.wants(&["0", "close link"]);
    closed(&mut script);
    script.wants(&["open link as V3"]);
    script.tells(&[]);
}

#[test]
fn a_server_that_contradicts_itself_is_not_followed_for_ever() {
    // Never joined: one more attempt, and the failure says what was answered.
    let mut script = wanting(&["/"]);
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.server("0");
    closed(&mut script);
    script.link_closed(unsupported());
    script.wants(&["close link", "open link as V3"]);
    let events = script.events();
    assert_eq!(events.len(), 1);
    assert!(
        events[0].contains("Unsupported protocol version; for good"),
        "{events:?}"
    );

    // Joined before: with a delay, and from the start.
    let mut script = wanting(&["/"]);
    script.link_opened_as(Version::V3, POLLING, None);
    script.server("0");
    assert_eq!(next_link(&mut script), ["open link as V3"]);
    script.link_closed(unsupported());
    script.wants(&["open link"]);
    script.link_opened_as(Version::V4, WEBSOCKET, None);
    script.server("0");
    script.wants(&["0", "close link"]);
    let told = "no connection: the server speaks revision 3 of Engine.IO";
    script.tells(&[&format!("/ connect error: {told}; retry in 2s")]);
    script.link_closed(CloseReason::Local);
    script.after_secs(2);
    script.wants(&["open link as Auto"]);
}

#[test]
fn other_failures_are_ordinary() {
    let mut script = wanting(&["/"]);
    script.link_opened_as(Version::V3, POLLING, None);
    script.server("0");
    assert_eq!(next_link(&mut script), ["open link as V3"]);
    script.link_closed(CloseReason::HandshakeTimeout);
    script.wants(&[]);
    script.after_secs(2);
    script.wants(&["open link as V3"]);
}

#[test]
fn a_fixed_revision_stays() {
    let mut script = Script::with(|config| config.version = Version::V3);
    script.join("/");
    script.link_closed(unsupported());
    script.wants(&["open link as V3"]);
    assert_eq!(script.events().len(), 1);

    let mut script = Script::new();
    script.join("/");
    script.link_opened();
    script.server("0");
    script.tells(&["/ connected as nobody"]);
    script.wants(&["open link", "0"]);
}
