//! Volatile events, events with a time limit, and what is told of events that were sent or not.

use super::*;

fn event(name: &str) -> codec::Event {
    codec::Event::new(name, &()).unwrap()
}

#[test]
fn a_volatile_event_is_never_buffered() {
    let (mut script, root) = Script::joined();
    script.session.emit_volatile(root, event("a")).unwrap();
    script.wants(&[r#"2["a"]"#]);
    script.link_lost();
    let refused = script.session.emit_volatile(root, event("b"));
    assert_eq!(refused, Err(EmitError::NotConnected));
    script.after_secs(1);
    script.link_opened();
    let refused = script.session.emit_volatile(root, event("c"));
    assert_eq!(refused, Err(EmitError::NotConnected));
    script.server(REPLY);
    script.wants(&["open link", "0"]);
}

#[test]
fn an_event_that_has_not_left_in_time_is_taken_back() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    let soon = script.now + Duration::from_millis(500);
    let later = script.now + Duration::from_secs(9);
    let first = script
        .session
        .emit_before(root, event("too late"), soon)
        .unwrap();
    let second = script
        .session
        .emit_before(root, event("in time"), later)
        .unwrap();
    assert_eq!(script.session.depth(root).events, 2);
    script.after_secs(1);
    assert_eq!(script.acks(), [(first, Err(AckError::Timeout))]);
    assert_eq!(script.session.depth(root).events, 1);
    script.link_opened();
    script.server(REPLY);
    assert_eq!(script.acks(), [(second, Ok("[]".into()))]);
    script.wants(&["open link", "0", r#"2["in time"]"#]);
    let now = script.now;
    let third = script
        .session
        .emit_before(root, event("at once"), now)
        .unwrap();
    assert_eq!(script.acks(), [(third, Ok("[]".into()))]);
    assert_eq!(script.due_in(), None);
}

#[test]
fn an_event_whose_ack_timed_out_before_it_was_sent_is_never_sent() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    let ack = script.emit_with_ack(root, "late", 1);
    script.after(Duration::from_millis(1000));
    assert_eq!(script.acks(), [(ack, Err(AckError::Timeout))]);
    script.link_opened();
    script.server(REPLY);
    script.wants(&["open link", "0"]);
}

#[test]
fn offline_rejection() {
    let (mut script, root) = Script::joined_with(|config| config.offline = Offline::Reject);
    script.emit(root, "a").unwrap();
    script.link_lost();
    assert!(script.session.has_room(root), "a refusal needs no room");
    assert_eq!(script.emit(root, "b"), Err(EmitError::NotConnected));
    let now = script.now;
    let refused = script.session.emit_with_ack(root, event("b"), now);
    assert_eq!(refused, Err(EmitError::NotConnected));
    let refused = script.session.emit_before(root, event("b"), now);
    assert_eq!(refused, Err(EmitError::NotConnected));
    let refused = script
        .session
        .emit_retried(now, root, event("b"), Duration::ZERO);
    assert_eq!(refused, Err(EmitError::NotConnected));
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.wants(&[r#"2["a"]"#, "open link", "0"]);
    assert_eq!(script.session.pending_acks(), 0);
}

#[test]
fn events_that_are_sent_are_told_when_they_leave() {
    let settings = Join {
        report_sent: true,
        ..Join::default()
    };
    let mut script = Script::new();
    let key = script.try_join_with("/", settings).unwrap();
    let silent = script.join("/silent");
    script.emit(key, "early").unwrap();
    script.emit(silent, "silent").unwrap();
    script.tells(&[]);
    script.link_opened();
    script.server(REPLY);
    script.server("0/silent,");
    script.emit_with_ack(key, "asks", 1);
    script.tells(&[
        "/ connected as s1",
        r#"/ sent ["early"]"#,
        "/silent connected as nobody",
        r#"/ sent ["asks"]"#,
    ]);
}

#[test]
fn sent_events_are_counted_when_too_many_of_them_wait_unread() {
    let settings = Join {
        report_sent: true,
        ..Join::default()
    };
    let mut script = Script::with(|config| config.limits.max_buffered_events = 3);
    let key = script.try_join_with("/", settings).unwrap();
    script.link_opened();
    script.server(REPLY);
    script.skip();
    for _ in 0..5 {
        script.emit(key, "read").unwrap();
    }
    script.tells(&[r#"/ sent ["read"]"#; 5]);
    script.session.set_reading(script.now, false);
    for name in ["a", "b", "c"] {
        script.emit(key, name).unwrap();
    }
    // Other numbers between them do not add up to a queue without end.
    for _ in 0..1000 {
        script.emit(key, "more").unwrap();
        for error in [EmitError::NotWritable, EmitError::NotConnected] {
            script.session.tell_unsent(key, 1, error);
        }
    }
    assert_eq!(script.session.events.len(), 6);
    assert!(script.session.poll_event().is_some());
    script.emit(key, "d").unwrap();
    script.emit(key, "more").unwrap();
    script.tells(&[
        r#"/ sent ["b"]"#,
        r#"/ sent ["c"]"#,
        "/ sent 1000 more",
        &format!("/ 1000 unsent: {}", EmitError::NotWritable),
        &format!("/ 1000 unsent: {}", EmitError::NotConnected),
        r#"/ sent ["d"]"#,
        "/ sent 1 more",
    ]);
    assert!(script.session.poll_event_of(key).is_none());
    script.emit(key, "e").unwrap();
    assert!(matches!(
        script.session.poll_event_of(key),
        Some(Event::Sent(_))
    ));
}

#[test]
fn sent_events_that_wait_unread_are_bounded_in_bytes_too() {
    let settings = Join {
        report_sent: true,
        ..Join::default()
    };
    let mut script = Script::with(|config| config.limits.max_buffered_bytes = 20);
    let key = script.try_join_with("/", settings).unwrap();
    script.link_opened();
    script.server(REPLY);
    script.skip();
    script.session.set_reading(script.now, false);
    let name = "x".repeat(15);
    for _ in 0..2 {
        for _ in 0..4 {
            script.emit(key, &name).unwrap();
        }
        let sent = format!(r#"/ sent ["{name}"]"#);
        script.tells(&[&sent, &sent, "/ sent 2 more"]);
    }
}

#[test]
fn what_was_accepted_and_will_not_be_sent_is_told() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    script.skip_events();
    for _ in 0..3 {
        script.emit(root, "lost").unwrap();
    }
    // Who awaits an acknowledgement is told by that.
    let ack = script.emit_with_ack(root, "asks", 60);
    script.session.leave(script.now, root);
    assert_eq!(script.acks(), [(ack, Err(AckError::Disconnected))]);
    script.tells(&[
        "/ 3 unsent: not connected, and not about to be",
        "/ disconnected: disconnected by this side; for good",
    ]);
}

#[test]
fn what_the_next_server_does_not_take_is_told() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    script.skip();
    script.emit(root, &"n".repeat(2000)).unwrap();
    script.emit(root, "small").unwrap();
    script.emit(root, &"n".repeat(2000)).unwrap();
    script.after_secs(1);
    script.link_opened_with(Transport::WebSocket, Some(1000));
    script.server(REPLY);
    script.wants(&["open link", "0", r#"2["small"]"#]);
    script.tells(&[
        "/ connected as s1",
        "/ 2 unsent: a message of the event takes 2006 bytes, the server takes 1000",
    ]);
}

#[test]
fn a_namespace_that_nobody_reads_is_left_for_good() {
    let (mut script, root) = Script::joined();
    script.session.leave_unread(script.now, root);
    script.wants(&["1", "close link"]);
    script.tells(&[
        "/ disconnected: disconnected by this side, because its events were not read; for good",
    ]);
    // What crossed with it is nobody's.
    script.server(r#"2["e"]"#);
    script.tells(&[]);
    script.session.leave_unread(script.now, root);
    script.wants(&[]);
}
