//! What holds for every packet and every message.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this is how a test fails"
)]

#[cfg(feature = "msgpack")]
mod msgpack;
mod value;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use socketio_codec::{
    Args, Bytes, Decoder, EncodeError, Event, Json, Limits, Namespace, Packet, Query, RawValue,
    Revision,
};

use value::Value;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::Unsigned),
        (i64::MIN..0).prop_map(Value::Negative),
        // Halves survive any way of printing and reading.
        any::<i32>().prop_map(|half| Value::Float(f64::from(half) + 0.5)),
        any::<String>().prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(|data| Value::Data(data.into())),
    ];
    let key = prop_oneof![
        4 => any::<String>(),
        1 => select(vec!["_placeholder", "num"]).prop_map(String::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |value| {
        prop_oneof![
            prop::collection::vec(value.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(key.clone(), value, 0..4).prop_map(Value::Object),
        ]
    })
}

fn namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![
        Just(Namespace::root()),
        any::<String>().prop_map(|name| {
            let name = name.replace([',', '\u{1e}'], "");
            Namespace::try_from(format!("/{name}")).unwrap()
        }),
    ]
}

fn payload() -> impl Strategy<Value = Option<Json>> {
    let object = prop::collection::btree_map(any::<String>(), value(), 0..3);
    prop::option::of(object.prop_map(|object| Json::from_serialize(&object).unwrap()))
}

/// Packets with the arguments they were made from. Not those that cannot be sent.
fn packet() -> impl Strategy<Value = (Packet, [Value; 3])> {
    let args = || [value(), value(), value()];
    let id = prop::option::of(any::<u64>());
    let no_args = || [Value::Null, Value::Null, Value::Null];
    prop_oneof![
        1 => (namespace(), payload()).prop_map(move |(namespace, payload)| {
            (Packet::Connect { namespace, query: None, payload }, no_args())
        }),
        1 => namespace().prop_map(move |namespace| {
            (Packet::Disconnect { namespace }, no_args())
        }),
        1 => (namespace(), payload()).prop_map(move |(namespace, payload)| {
            (Packet::ConnectError { namespace, payload }, no_args())
        }),
        4 => (namespace(), id, any::<String>(), args())
            .prop_filter_map("not sendable", |(namespace, id, name, args)| {
                let event = sendable(Event::with_max_attachments(&name, &args, 100))?;
                Some((Packet::Event { namespace, id, event }, args))
            }),
        4 => (namespace(), any::<u64>(), args())
            .prop_filter_map("not sendable", |(namespace, id, args)| {
                let answer = sendable(Args::with_max_attachments(&args, 100))?;
                Some((Packet::Ack { namespace, id, args: answer }, args))
            }),
    ]
}

fn sendable<T>(result: Result<T, EncodeError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(EncodeError::AmbiguousPlaceholder) => None,
        Err(error) => panic!("{error}"),
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_attachments = 100;
    limits
}

fn encode(packet: &Packet) -> String {
    let mut text = String::new();
    packet.encode(&mut text);
    text
}

fn decode(revision: Revision, text: &str, attachments: &[Bytes]) -> Packet {
    let mut decoder = Decoder::with_revision(limits(), revision);
    let mut packet = decoder.text(text.into()).unwrap();
    for attachment in attachments {
        assert_eq!(packet, None);
        packet = decoder.binary(attachment.clone()).unwrap();
    }
    assert!(!decoder.is_assembling());
    packet.unwrap()
}

fn args(packet: &Packet) -> Option<&Args> {
    match packet {
        Packet::Event { event, .. } => Some(event.args()),
        Packet::Ack { args, .. } => Some(args),
        _ => None,
    }
}

/// Asks everything that can be asked.
fn examine(revision: Revision, packet: &Packet) {
    let text = encode(packet);
    let again = decode(revision, &text, packet.attachments());
    assert_eq!(&again, packet);
    assert_eq!(encode(&again), text);
    assert!(!format!("{packet:?}").is_empty());
    if let Packet::Event { event, .. } = packet {
        assert_eq!(event.name(), event.detach().name());
    }
    let Some(args) = args(packet) else { return };
    let raw: Vec<&str> = args.iter_raw().collect();
    let json = args.json();
    let expected: Vec<&RawValue> = serde_json::from_str(&json).unwrap();
    assert_eq!(
        raw,
        expected.into_iter().map(RawValue::get).collect::<Vec<_>>()
    );
    assert_eq!(raw.len(), args.len());
    assert_eq!(&args.detach(), args);
    assert!(args.parse::<()>().is_ok());
    drop(args.parse::<Value>());
    drop(args.parse::<(Value, Option<String>, Vec<Bytes>)>());
    drop(args.parse::<(BTreeMap<u8, f64>, i128, Result<char, &str>)>());
}

/// Pieces of packets, so that random texts get past the first character.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        6 => select(vec![
            "0", "1", "2", "3", "4", "5", "6", "-", "/", "/a,", "/a?b", ",", "[", "]", "{", "}", ":", " ",
            "\"", "\\", "\"a\"", "\"\\ud800\"", "\"_placeholder\":true", "\"num\":0", "\"num\":-1",
            "{\"_placeholder\":true,\"num\":0}", "[\"a\",", "null", "true", "1.5", "-0", "1e999",
            "51-", "61-0", "\u{1e}", "é", "\"connect\"",
        ])
        .prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
}

#[derive(Debug, Clone)]
enum Message {
    Text(String),
    Binary(Bytes),
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        fragments().prop_map(Message::Text),
        fragments().prop_map(|rest| Message::Text(format!("51-[\"a\",{rest}]"))),
        fragments().prop_map(|rest| Message::Text(format!("2[{rest}"))),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(|data| Message::Binary(data.into())),
    ]
}

fn run(messages: impl IntoIterator<Item = Message> + Clone) {
    run_in(Revision::R4, messages.clone());
    run_in(Revision::R5, messages);
}

fn run_in(revision: Revision, messages: impl IntoIterator<Item = Message>) {
    let mut decoder = Decoder::with_revision(Limits::default(), revision);
    for message in messages {
        let was_assembling = decoder.is_assembling();
        let (is_text, result) = match message {
            Message::Text(text) => (true, decoder.text(text.into())),
            Message::Binary(data) => (false, decoder.binary(data)),
        };
        if was_assembling == is_text {
            assert!(result.is_err(), "text and attachments do not mix");
        }
        match result {
            Ok(Some(packet)) => {
                assert!(!decoder.is_assembling());
                examine(revision, &packet);
            }
            Ok(None) => assert!(decoder.is_assembling()),
            Err(_) => assert!(!decoder.is_assembling()),
        }
    }
}

proptest! {
    #[test]
    fn packets_survive_the_wire((packet, values) in packet()) {
        let revision = Revision::R5;
        let arrived = decode(revision, &encode(&packet), packet.attachments());
        prop_assert_eq!(&arrived, &packet);
        examine(revision, &arrived);
        if let Some(args) = args(&arrived) {
            prop_assert_eq!(args.parse::<[Value; 3]>().unwrap(), values);
        }
    }

    #[test]
    fn queries_survive_the_wire(name in "/[^,?\u{1e}]{0,9}", query in "[^\u{1e}]{1,9}") {
        let packet = Packet::Connect {
            namespace: Namespace::try_from(name).unwrap(),
            query: Some(Query::try_from(query.as_str()).unwrap()),
            payload: None,
        };
        let mut decoder = Decoder::with_revision(limits(), Revision::R4);
        prop_assert_eq!(decoder.text(encode(&packet).into()), Ok(Some(packet)));
    }

    #[test]
    fn any_messages_are_decoded_or_refused(messages in prop::collection::vec(message(), 0..8)) {
        run(messages);
    }

    #[test]
    fn damaged_packets_are_decoded_or_refused(
        (packet, _) in packet(),
        damage in prop::collection::vec((any::<Index>(), 0_usize..3, fragments()), 0..3),
    ) {
        let mut text: Vec<char> = encode(&packet).chars().collect();
        for (position, removed, inserted) in damage {
            let start = position.index(text.len() + 1);
            let end = text.len().min(start + removed);
            text.splice(start..end, inserted.chars());
        }
        let text = Message::Text(text.into_iter().collect());
        let attachments = packet.attachments().iter().cloned().map(Message::Binary);
        run([text].into_iter().chain(attachments).collect::<Vec<_>>());
    }
}
