//! Packets in other formats than JSON.

use socketio_codec::{Limits as CodecLimits, Packet, Parser, Part, Revision};

use super::*;

fn messages(parser: &Parser, packet: &Packet) -> Vec<Message> {
    let parts = parser.encode(packet).unwrap();
    let message = |part| match part {
        Part::Text(text) => Message::Text(text),
        Part::Binary(data) => Message::Binary(data),
        other => panic!("{other:?}"),
    };
    parts.into_iter().map(message).collect()
}

fn packets(script: &mut Script) -> Vec<Packet> {
    let mut decoder = Parser::msgpack().decoder(CodecLimits::default(), Revision::R5);
    let actions = std::iter::from_fn(|| script.session.poll_action());
    let sent = actions.filter_map(|action| match action {
        Action::Send(Message::Binary(data)) => decoder.binary(data).unwrap(),
        Action::Send(other) => panic!("{other:?}"),
        _ => None,
    });
    sent.collect()
}

#[test]
fn a_custom_parser_carries_everything() {
    let mut script = Script::with(|config| config.parser = Parser::msgpack());
    let root = script.join("/");
    script.link_opened();
    let namespace = Namespace::root();
    let joined = Packet::Connect {
        namespace: namespace.clone(),
        query: None,
        payload: Some(Json::from_serialize(&serde_json::json!({"sid": "s"})).unwrap()),
    };
    assert!(matches!(
        &packets(&mut script)[..],
        [Packet::Connect { payload: None, .. }]
    ));
    let server = |script: &mut Script, packet: &Packet| {
        for message in messages(&Parser::msgpack(), packet) {
            script
                .session
                .handle_input(script.now, Input::Message(message));
        }
    };
    server(&mut script, &joined);
    let event = codec::Event::new("e", &(Bytes::from_static(b"x"), 1)).unwrap();
    let ack =
        script
            .session
            .emit_with_ack(root, event.clone(), script.now + Duration::from_secs(1));
    let ack = ack.unwrap();
    let sent = packets(&mut script);
    assert_eq!(
        sent,
        [Packet::Event {
            namespace: namespace.clone(),
            id: Some(0),
            event: event.clone(),
        }]
    );
    server(&mut script, &sent[0]);
    let args = Args::new(&Bytes::from_static(b"reply")).unwrap();
    let reply = Packet::Ack {
        namespace: namespace.clone(),
        id: 0,
        args,
    };
    server(&mut script, &reply);
    let (settled, reply) = script.session.poll_ack().unwrap();
    assert_eq!(settled, ack);
    assert_eq!(reply.unwrap().attachments(), [Bytes::from_static(b"reply")]);
    script.tells(&[
        "/ connected as s",
        r#"/ ["e",{"_placeholder":true,"num":0},1] wants ack"#,
    ]);
    let ticket = script.tickets.pop().unwrap();
    script.session.reply(ticket, Args::default()).unwrap();
    script.session.leave(script.now, root);
    assert!(matches!(
        &packets(&mut script)[..],
        [Packet::Ack { id: 0, .. }, Packet::Disconnect { .. }]
    ));
}

#[test]
fn a_text_where_messagepack_is_spoken_costs_the_link() {
    let mut script = Script::with(|config| config.parser = Parser::msgpack());
    script.join("/");
    script.link_opened();
    script.skip();
    script.server(REPLY);
    script.wants(&["close link"]);
}

#[test]
fn a_format_without_that_revision_is_a_typed_failure() {
    let mut script = Script::with(|config| {
        config.parser = Parser::msgpack();
        config.version = Version::Auto;
    });
    script.join("/");
    script.link_opened_as(Version::V3, Transport::Polling, None);
    script.tells(&["/ connect error: the format of packets has no form for this revision of Socket.IO; for good"]);
    script.wants(&["open link as Auto", "close link"]);
}

#[test]
fn the_size_of_a_packet_is_that_of_its_format() {
    let mut script = Script::with(|config| config.parser = Parser::msgpack());
    let root = script.join("/");
    script.link_opened_with(Transport::WebSocket, Some(100));
    let joined = Packet::Connect {
        namespace: Namespace::root(),
        query: None,
        payload: Some(Json::from_serialize(&serde_json::json!({"sid": "s"})).unwrap()),
    };
    for message in messages(&Parser::msgpack(), &joined) {
        script
            .session
            .handle_input(script.now, Input::Message(message));
    }
    // In JSON, 80 bytes of binary would be a message of its own.
    let large = codec::Event::new("e", &Bytes::from(vec![0; 80])).unwrap();
    let refused = script.session.emit(root, large);
    assert!(
        matches!(refused, Err(EmitError::TooLarge { max: 100, .. })),
        "{refused:?}"
    );
    let small = codec::Event::new("e", &Bytes::from(vec![0; 40])).unwrap();
    script.session.emit(root, small).unwrap();
}
