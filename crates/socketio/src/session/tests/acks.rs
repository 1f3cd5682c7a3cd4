//! Acknowledgements, of both sides.

use super::*;

fn timeout(key: AckKey) -> (AckKey, Result<String, AckError>) {
    (key, Err(AckError::Timeout))
}

fn disconnected(key: AckKey) -> (AckKey, Result<String, AckError>) {
    (key, Err(AckError::Disconnected))
}

#[test]
fn replies_find_their_events_in_any_order() {
    let (mut script, root) = Script::joined();
    let first = script.emit_with_ack(root, "a", 5);
    let second = script.emit_with_ack(root, "b", 5);
    script.wants(&[r#"20["a"]"#, r#"21["b"]"#]);
    script.server(r#"31["second",2]"#);
    script.server("30[]");
    assert_eq!(
        script.acks(),
        [
            (second, Ok(r#"["second",2]"#.into())),
            (first, Ok("[]".into()))
        ]
    );
    assert_eq!(script.due_in(), None);
}

#[test]
fn a_reply_may_have_attachments() {
    let (mut script, root) = Script::joined();
    let key = script.emit_with_ack(root, "a", 5);
    script.server(r#"61-0[{"_placeholder":true,"num":0}]"#);
    assert_eq!(script.acks(), []);
    script.server_binary(&[1, 2]);
    let (settled, reply) = script.session.poll_ack().unwrap();
    assert_eq!(settled, key);
    assert_eq!(reply.unwrap().attachments(), [Bytes::from_static(&[1, 2])]);
}

#[test]
fn unknown_and_second_replies_are_ignored() {
    let (mut script, root) = Script::joined();
    let key = script.emit_with_ack(root, "a", 5);
    for reply in ["31[]", "318446744073709551615[]", "30[1]", "30[2]"] {
        script.server(reply);
    }
    assert_eq!(script.acks(), [(key, Ok("[1]".into()))]);
    script.wants(&[r#"20["a"]"#]);
}

#[test]
fn each_namespace_counts_for_itself_and_for_ever() {
    let (mut script, root) = Script::joined();
    let other = script.join("/b");
    script.server("0/b,");
    script.skip_actions();
    script.emit_with_ack(root, "a", 60);
    script.emit_with_ack(other, "a", 60);
    script.wants(&[r#"20["a"]"#, r#"2/b,0["a"]"#]);

    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.server("0/b,");
    script.skip_actions();
    script.emit_with_ack(root, "a", 60);
    script.wants(&[r#"21["a"]"#]);

    script.session.leave(script.now, other);
    let other = script.join("/b");
    script.after_leaving();
    script.server("0/b,");
    script.skip_actions();
    script.emit_with_ack(other, "a", 60);
    script.wants(&[r#"2/b,1["a"]"#]);
}

#[test]
fn a_reply_that_does_not_come_times_out() {
    let (mut script, root) = Script::joined();
    let late = script.emit_with_ack(root, "a", 9);
    let early = script.emit_with_ack(root, "b", 5);
    assert_eq!(script.due_in(), Some(Duration::from_secs(5)));
    script.after(Duration::from_millis(4999));
    assert_eq!(script.acks(), []);
    script.after(Duration::from_millis(1));
    assert_eq!(script.acks(), [timeout(early)]);
    script.server("31[]");
    assert_eq!(script.acks(), []);
    script.after_secs(4);
    assert_eq!(script.acks(), [timeout(late)]);
}

#[test]
fn an_event_that_timed_out_unsent_is_taken_back() {
    let (mut script, root) = Script::joined_with(|c| c.limits.max_buffered_bytes = 10);
    script.link_lost();
    let key = script.emit_with_ack(root, "waited too long", 1);
    assert!(!script.session.has_room(root));
    script.after_secs(1);
    assert_eq!(script.acks(), [timeout(key)]);
    assert!(script.session.has_room(root));
    script.link_opened();
    script.server(REPLY);
    script.wants(&["open link", "0"]);
}

#[test]
fn a_cancelled_ack_frees_its_place_and_takes_its_event_back() {
    let (mut script, root) = Script::joined_with(|c| c.limits.max_pending_acks = 1);
    let sent = script.emit_with_ack(root, "sent", 60);
    script.session.cancel_ack(script.now, sent);
    script.server("30[]");
    script.link_lost();
    let unsent = script.emit_with_ack(root, "unsent", 60);
    script.session.cancel_ack(script.now, unsent);
    script.session.cancel_ack(script.now, unsent);
    assert_eq!(script.acks(), []);
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.wants(&[r#"20["sent"]"#, "open link", "0"]);
}

#[test]
fn the_number_of_awaited_acks_is_bounded() {
    let (mut script, root) = Script::joined_with(|c| c.limits.max_pending_acks = 2);
    for _ in 0..2 {
        script.emit_with_ack(root, "a", 5);
    }
    let event = codec::Event::new("a", &()).unwrap();
    let refused = script.session.emit_with_ack(root, event, script.now);
    assert_eq!(refused, Err(EmitError::TooManyAcks));
    script.server("30[]");
    script.emit_with_ack(root, "a", 5);
    script.wants(&[r#"20["a"]"#, r#"21["a"]"#, r#"22["a"]"#]);
}

#[test]
fn with_the_link_goes_what_was_sent_and_stays_what_was_not() {
    let (mut script, root) = Script::joined();
    let sent = script.emit_with_ack(root, "sent", 60);
    script.link_lost();
    assert_eq!(script.acks(), [disconnected(sent)]);
    let waiting = script.emit_with_ack(root, "waiting", 60);
    script.after_secs(1);
    script.link_closed(CloseReason::HandshakeTimeout);
    assert_eq!(script.acks(), []);
    script.after_secs(2);
    script.link_opened();
    script.server(REPLY);
    script.server("30[]");
    assert_eq!(script.acks(), []);
    script.server(r#"31["late"]"#);
    assert_eq!(script.acks(), [(waiting, Ok(r#"["late"]"#.into()))]);
}

#[test]
fn what_was_flushed_goes_with_the_link_like_everything_sent() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    let key = script.emit_with_ack(root, "a", 60);
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.link_lost();
    assert_eq!(script.acks(), [disconnected(key)]);
}

#[test]
fn every_ack_settles_when_its_namespace_ends() {
    let ends: [fn(&mut Script, NamespaceKey); 4] = [
        |script, _| script.server("1"),
        |script, key| script.session.leave(script.now, key),
        |script, key| {
            script.link_lost();
            script.session.leave(script.now, key);
        },
        |script, _| {
            script.link_lost();
            script.after_secs(1);
            script.link_opened();
            script.server(r#"4{"message":"no"}"#);
        },
    ];
    for (index, end) in ends.into_iter().enumerate() {
        let (mut script, root) = Script::joined();
        let key = script.emit_with_ack(root, "a", 60);
        end(&mut script, root);
        assert_eq!(script.acks(), [disconnected(key)], "way {index}");
    }
    let (mut script, root) = Script::joined_with(|c| c.reconnection = Reconnection::disabled());
    let key = script.emit_with_ack(root, "a", 60);
    script.link_lost();
    assert_eq!(script.acks(), [disconnected(key)]);

    // Also those that were not sent.
    let mut script = Script::new();
    let root = script.join("/");
    let key = script.emit_with_ack(root, "a", 60);
    script.link_closed(CloseReason::HandshakeTimeout);
    assert_eq!(script.acks(), [disconnected(key)]);
}

#[test]
fn events_of_the_server_are_acknowledged_with_attachments_too() {
    let (mut script, _) = Script::joined();
    script.server(r#"2456["a"]"#);
    script.server(r#"218446744073709551615["b"]"#);
    script.server(r#"2["c"]"#);
    script.tells(&[r#"/ ["a"] wants ack"#, r#"/ ["b"] wants ack"#, r#"/ ["c"]"#]);
    let second = script.tickets.remove(1);
    let first = script.tickets.remove(0);
    script
        .session
        .reply(second, Args::new(&("x", 1)).unwrap())
        .unwrap();
    script
        .session
        .reply(first, Args::new(&Bytes::from_static(&[9])).unwrap())
        .unwrap();
    script.wants(&[
        r#"318446744073709551615["x",1]"#,
        r#"61-456[{"_placeholder":true,"num":0}]"#,
        "binary [09]",
    ]);
}

#[test]
fn an_event_of_an_earlier_connection_cannot_be_acknowledged() {
    let (mut script, _) = Script::joined();
    for packet in [r#"20["a"]"#, r#"21["b"]"#, r#"22["c"]"#] {
        script.server(packet);
    }
    script.skip_events();
    let args = || Args::new(&()).unwrap();
    script.link_lost();
    let ticket = script.tickets.remove(0);
    assert_eq!(
        script.session.reply(ticket, args()),
        Err(EmitError::StaleAck)
    );
    script.after_secs(1);
    script.link_opened();
    let ticket = script.tickets.remove(0);
    assert_eq!(
        script.session.reply(ticket, args()),
        Err(EmitError::StaleAck)
    );
    script.server(REPLY);
    let ticket = script.tickets.remove(0);
    assert_eq!(
        script.session.reply(ticket, args()),
        Err(EmitError::StaleAck)
    );
    script.wants(&["open link", "0"]);
}
