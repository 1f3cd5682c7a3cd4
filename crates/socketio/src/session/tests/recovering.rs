//! Connection state recovery.

use super::*;

const OFFERED: &str = r#"0{"sid":"s1","pid":"p1"}"#;

fn interrupted(events: &[&str]) -> Script {
    let mut script = Script::new();
    script
        .try_join("/", Some(serde_json::json!({"token": "T"})))
        .unwrap();
    script.link_opened();
    script.server(OFFERED);
    for event in events {
        script.server(event);
    }
    script.link_lost();
    script.after_secs(1);
    script.skip();
    script.link_opened();
    script
}

/// The bytes are those of a captured session with socket.io 4.8.4.
#[test]
fn what_was_missed_comes_again() {
    let mut script = Script::new();
    script
        .try_join("/", Some(serde_json::json!({"token": "T"})))
        .unwrap();
    script.link_opened();
    script.server(r#"0{"sid":"Oc75xUIO-_T14sX8AAAA","pid":"AU61vnfTeYsf33LrAAAB"}"#);
    script.server(r#"2["e1",{"a":1},"Q80KTut"]"#);
    script.server(r#"2["e2","Q80KTut.0"]"#);
    script.server(r#"20["withack"]"#);
    script.server(r#"51-["bin",{"_placeholder":true,"num":0},"Q80KTvh"]"#);
    script.server_binary(&[1]);
    script.link_lost();
    script.after_secs(1);
    script.skip();
    script.link_opened();
    script.wants(&[r#"0{"pid":"AU61vnfTeYsf33LrAAAB","offset":"Q80KTvh","token":"T"}"#]);
    // The missed events come before the answer, and are told behind it.
    script.server(r#"2["missed",1,"Q80KTwe"]"#);
    script.server(r#"51-["missed2",{"_placeholder":true,"num":0},"Q80KTwe.0"]"#);
    script.server_binary(&[7]);
    script.tells(&[]);
    script.server(r#"0{"sid":"Oc75xUIO-_T14sX8AAAA","pid":"AU61vnfTeYsf33LrAAAB"}"#);
    script.tells(&[
        "/ connected as Oc75xUIO-_T14sX8AAAA, recovered",
        r#"/ ["missed",1,"Q80KTwe"]"#,
        r#"/ ["missed2",{"_placeholder":true,"num":0},"Q80KTwe.0"]"#,
    ]);
    // They count as received.
    script.link_lost();
    script.after_secs(2);
    script.skip();
    script.link_opened();
    script.wants(&[r#"0{"pid":"AU61vnfTeYsf33LrAAAB","offset":"Q80KTwe.0","token":"T"}"#]);
}

#[test]
fn missed_events_that_were_not_told_are_asked_for_again() {
    let mut script = interrupted(&[r#"2["e","Q80KTut"]"#]);
    script.server(r#"2["missed","Q80KTwe"]"#);
    script.link_lost();
    script.after_secs(5);
    script.skip();
    script.link_opened();
    script.wants(&[r#"0{"pid":"p1","offset":"Q80KTut","token":"T"}"#]);
}

#[test]
fn a_server_that_has_forgotten_gives_a_new_session() {
    let mut script = interrupted(&[r#"2["e","Q80KTut"]"#]);
    script.server(r#"0{"sid":"s2","pid":"p2"}"#);
    script.tells(&["/ connected as s2"]);
    script.link_lost();
    script.after_secs(5);
    script.skip();
    script.link_opened();
    script.wants(&[r#"0{"token":"T"}"#]);
}

#[test]
fn without_an_offset_there_is_nothing_to_recover() {
    for event in [
        r#"2["no string",1]"#,
        r#"27["asks for an ack","Q80KTut"]"#,
        r#"2["no arguments"]"#,
    ] {
        let mut script = interrupted(&[event]);
        script.wants(&[r#"0{"token":"T"}"#]);
    }
}

#[test]
fn a_string_at_the_end_of_a_volatile_event_does_no_harm() {
    let mut script = interrupted(&[r#"2["e","Q80KTut"]"#, r#"2["volatile","hello"]"#]);
    script.wants(&[r#"0{"pid":"p1","offset":"Q80KTut","token":"T"}"#]);
}

#[test]
fn who_leaves_and_comes_back_starts_anew() {
    let (mut script, root) = Script::joined();
    script.session.leave(script.now, root);
    script.link_closed(CloseReason::Local);
    let root = script.join("/");
    script.link_opened();
    script.server(OFFERED);
    script.server(r#"2["e","Q80KTut"]"#);
    script.session.leave(script.now, root);
    script.link_closed(CloseReason::Local);
    script.skip();
    script.join("/");
    script.link_opened();
    script.wants(&["open link", "0"]);
}

#[test]
fn an_event_of_the_recovered_session_cannot_be_acknowledged_on_the_new_link() {
    let mut script = Script::new();
    script.join("/");
    script.link_opened();
    script.server(OFFERED);
    script.server(r#"2["e","Q80KTut"]"#);
    script.server(r#"20["asks"]"#);
    script.skip_events();
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(OFFERED);
    script.tells(&[
        "/ disconnected: the connection was lost: no ping from the server in time; retry in 1s",
        "/ connected as s1, recovered",
    ]);
    let ticket = script.tickets.pop().unwrap();
    assert_eq!(
        script.session.reply(ticket, Args::default()),
        Err(EmitError::StaleAck)
    );
}

/// It has kept no state of a client that it has put out; what it might still have is older.
#[test]
fn who_was_put_out_starts_anew() {
    for packet in ["1", r#"4{"message":"out"}"#] {
        let mut script = Script::with(|config| {
            let retry = |_: crate::Failure<'_>| crate::Decision::Retry;
            config.reconnection.decide = Some(crate::Decide::new(retry));
        });
        script.join("/");
        script.link_opened();
        script.server(OFFERED);
        script.server(r#"2["e","Q80KTut"]"#);
        script.server(packet);
        script.link_closed(CloseReason::Local);
        script.after_secs(1);
        script.skip();
        script.link_opened();
        script.wants(&["0"]);
    }
}

/// With id and offset the payload is longer than what the server takes; without them it is not.
#[test]
fn what_would_not_fit_is_not_asked_for() {
    let mut script = Script::new();
    let auth = serde_json::json!({"token": "T".repeat(80)});
    script.try_join("/", Some(auth)).unwrap();
    script.link_opened_with(Transport::WebSocket, Some(100));
    script.server(OFFERED);
    script.server(r#"2["e","Q80KTut"]"#);
    script.link_lost();
    script.after_secs(1);
    script.skip();
    script.link_opened_with(Transport::WebSocket, Some(100));
    script.wants(&[&format!(r#"0{{"token":"{}"}}"#, "T".repeat(80))]);
}
