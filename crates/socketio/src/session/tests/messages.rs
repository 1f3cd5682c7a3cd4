//! Events, attachments, and what must not be sent.

use super::*;

#[test]
fn events_and_attachments_travel_both_ways() {
    let (mut script, root) = Script::joined();
    script.server(r#"2["message",1,"2",{"3":[true]}]"#);
    script.tells(&[r#"/ ["message",1,"2",{"3":[true]}]"#]);

    let args = (Bytes::from_static(&[1, 2]), "x", Bytes::from_static(&[]));
    script
        .session
        .emit(root, codec::Event::new("bin", &args).unwrap())
        .unwrap();
    script.emit(root, "next").unwrap();
    script.wants(&[
        r#"52-["bin",{"_placeholder":true,"num":0},"x",{"_placeholder":true,"num":1}]"#,
        "binary [01, 02]",
        "binary []",
        r#"2["next"]"#,
    ]);

    script.server(r#"51-["b",{"_placeholder":true,"num":0}]"#);
    script.tells(&[]);
    script.server_binary(&[0x1e]);
    let (_, event) = script.session.poll_event().unwrap();
    let Event::Message(message) = event else {
        panic!("{event:?}")
    };
    assert_eq!(message.name(), "b");
    assert_eq!(message.attachments(), [Bytes::from_static(&[0x1e])]);
}

#[test]
fn what_comes_before_the_answer_to_connect_is_told_behind_connected() {
    let mut script = Script::new();
    script.join("/");
    script.link_opened();
    script.server(r#"2["missed",1]"#);
    script.server(r#"27["missed",2]"#);
    script.tells(&[]);
    script.server(REPLY);
    script.tells(&[
        "/ connected as s1",
        r#"/ ["missed",1]"#,
        r#"/ ["missed",2] wants ack"#,
    ]);
    let ticket = script.tickets.remove(0);
    script
        .session
        .reply(ticket, Args::new(&()).unwrap())
        .unwrap();
    script.wants(&["open link", "0", "37[]"]);
}

#[test]
fn what_comes_before_the_answer_to_connect_is_bounded() {
    let bounds: [fn(&mut Limits); 2] = [
        |limits| limits.max_held_events = 2,
        |limits| limits.max_held_bytes = 10,
    ];
    for bound in bounds {
        let (mut script, _) = Script::joined_with(|config| bound(&mut config.limits));
        script.join("/b");
        for _ in 0..2 {
            script.server(r#"2/b,["e"]"#);
        }
        script.wants(&["0/b,"]);
        script.server(r#"2/b,["e"]"#);
        script.wants(&["close link"]);
        let why = "the server sent too much before it answered CONNECT";
        script.tells(&[
            &format!("/ disconnected: {why}; retry in 1s"),
            &format!("/b connect error: {why}; for good"),
        ]);
    }
}

#[test]
fn emits_before_connected_are_sent_in_order_behind_the_answer_to_connect() {
    let mut script = Script::new();
    let root = script.join("/");
    script.emit(root, "a").unwrap();
    script.link_opened();
    script.emit(root, "b").unwrap();
    script.wants(&["open link", "0"]);
    script.server(REPLY);
    script.emit(root, "c").unwrap();
    script.wants(&[r#"2["a"]"#, r#"2["b"]"#, r#"2["c"]"#]);
}

#[test]
fn emits_while_disconnected_are_sent_after_reconnecting() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    script.emit(root, "a").unwrap();
    script.after_secs(1);
    script.link_closed(CloseReason::HandshakeTimeout);
    script.emit(root, "b").unwrap();
    script.after_secs(2);
    script.link_opened();
    script.wants(&["open link", "open link", "0"]);
    script.server(REPLY);
    script.wants(&[r#"2["a"]"#, r#"2["b"]"#]);
}

#[test]
fn the_buffer_is_bounded_in_events() {
    let (mut script, root) = Script::joined_with(|c| c.limits.max_buffered_events = 2);
    script.link_lost();
    for name in ["a", "b"] {
        assert!(script.session.has_room(root));
        script.emit(root, name).unwrap();
    }
    assert!(!script.session.has_room(root));
    assert_eq!(script.emit(root, "c"), Err(EmitError::BufferFull));
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    assert!(script.session.has_room(root));
    script.wants(&["open link", "0", r#"2["a"]"#, r#"2["b"]"#]);
}

#[test]
fn the_buffer_is_bounded_in_bytes_and_takes_any_single_event() {
    let (mut script, root) = Script::joined_with(|c| c.limits.max_buffered_bytes = 100);
    script.link_lost();
    let large = codec::Event::new("large", &Bytes::from(vec![0; 1000])).unwrap();
    script.session.emit(root, large.clone()).unwrap();
    assert!(!script.session.has_room(root));
    assert_eq!(script.session.emit(root, large), Err(EmitError::BufferFull));
}

#[test]
fn nothing_is_sent_to_a_namespace_that_is_not_joined() {
    let (mut script, _) = Script::joined();
    let other = script.join("/b");
    script.server(r#"2/b,0["wants ack"]"#);
    script.server("0/b,");
    script.server("1/b,");
    assert_eq!(script.emit(other, "x"), Err(EmitError::Disconnected));
    script.session.leave(script.now, other);
    script.tells(&[
        "/b connected as nobody",
        r#"/b ["wants ack"] wants ack"#,
        "/b disconnected: disconnected by the server; for good",
    ]);
    let ticket = script.tickets.remove(0);
    let reply = script.session.reply(ticket, Args::new(&()).unwrap());
    assert_eq!(reply, Err(EmitError::StaleAck));
    script.wants(&["0/b,"]);
}

#[test]
fn packets_for_namespaces_that_are_not_joined_are_ignored() {
    let (mut script, root) = Script::joined();
    let left = script.join("/left");
    script.server("0/left,");
    script.session.leave(script.now, left);
    script.wants(&["0/left,", "1/left,"]);
    script.skip_events();
    for namespace in ["/left", "/never"] {
        for packet in [
            format!(r#"2{namespace},["e"]"#),
            format!("3{namespace},0[]"),
            format!("0{namespace},"),
            format!("1{namespace},"),
            format!(r#"4{namespace},{{"message":"no"}}"#),
        ] {
            script.server(&packet);
        }
    }
    script.tells(&[]);
    script.wants(&[]);
    assert!(script.session.is_joined(root));
}

#[test]
fn a_packet_that_cannot_be_decoded_costs_the_link_and_no_more() {
    for (text, binary) in [
        ("2{}", None),
        ("9", None),
        ("", None),
        (r#"2abc["a"]"#, None),
        (r#"50-["e"]"#, None),
        (r#"511-["e"]"#, None),
        (
            r#"51-["e",{"_placeholder":true,"num":"splice"}]"#,
            Some(&[1][..]),
        ),
    ] {
        let (mut script, _) = Script::joined();
        script.server(text);
        if let Some(binary) = binary {
            script.server_binary(binary);
        }
        script.wants(&["close link"]);
        let told = script.events();
        let prefix = "/ disconnected: the server sent something that is no packet";
        assert!(
            told.len() == 1 && told[0].starts_with(prefix),
            "{text}: {told:?}"
        );
        script.server(r#"2["after"]"#);
        script.tells(&[]);
        script.link_closed(CloseReason::Local);
        script.after_secs(1);
        script.link_opened();
        script.wants(&["open link", "0"]);
    }
}

#[test]
fn a_half_received_packet_dies_with_its_link() {
    let (mut script, _) = Script::joined();
    script.server(r#"51-["half",{"_placeholder":true,"num":0}]"#);
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.skip_events();
    script.server(r#"2["whole"]"#);
    script.tells(&[r#"/ ["whole"]"#]);
}

#[test]
fn what_the_server_would_not_take_is_refused_at_once() {
    let mut script = Script::new();
    let root = script.join("/");
    script.link_opened_with(Transport::WebSocket, Some(100));
    script.server(REPLY);
    // `4` and `2["x","…"]`: 10 characters beside the text.
    let text = |len: usize| codec::Event::new("x", &"a".repeat(len)).unwrap();
    script.session.emit(root, text(90)).unwrap();
    let too_large = Err(EmitError::TooLarge {
        size: 101,
        max: 100,
    });
    assert_eq!(script.session.emit(root, text(91)), too_large);

    let binary = |len: usize| codec::Event::new("x", &Bytes::from(vec![0; len])).unwrap();
    script.session.emit(root, binary(100)).unwrap();
    assert_eq!(script.session.emit(root, binary(101)), too_large);

    let now = script.now;
    let acked = script
        .session
        .emit_with_ack(root, text(91), now)
        .unwrap_err();
    assert_eq!(
        acked,
        EmitError::TooLarge {
            size: 102,
            max: 100
        }
    );
    script.after_secs(1);
    assert_eq!(script.acks(), []);
}

#[test]
fn base64_makes_attachments_larger_on_polling() {
    let mut script = Script::new();
    let root = script.join("/");
    script.link_opened_with(Transport::Polling, Some(101));
    script.server(REPLY);
    let binary = |len: usize| codec::Event::new("x", &Bytes::from(vec![0; len])).unwrap();
    script.session.emit(root, binary(75)).unwrap();
    let refused = script.session.emit(root, binary(76));
    assert_eq!(
        refused,
        Err(EmitError::TooLarge {
            size: 105,
            max: 101
        })
    );
}

#[test]
fn what_waited_for_a_server_that_takes_less_settles() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    let deadline = script.now + Duration::from_secs(60);
    let event = codec::Event::new("x", &"a".repeat(200)).unwrap();
    let ack = script.session.emit_with_ack(root, event, deadline).unwrap();
    script.emit(root, "small").unwrap();
    script.after_secs(1);
    script.link_opened_with(Transport::WebSocket, Some(100));
    script.server(REPLY);
    script.wants(&["open link", "0", r#"2["small"]"#]);
    let error = EmitError::TooLarge {
        size: 211,
        max: 100,
    };
    assert_eq!(script.acks(), [(ack, Err(AckError::Emit(error)))]);
}
