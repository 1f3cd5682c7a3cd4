//! Everything that reads what a peer has sent, and what it keeps of it.

use std::any::Any;
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use engineio::secrets::Secrets;
use engineio::{
    Config, Connection, Event, Frame, Handshake, Input, Message, Response, Transport, Version,
    frame, payload,
};
use graph_notifications::{Notification, NotificationUrl};
use serde_json::Value;
use socketio::Namespace;
use socketio::session::{self, Session};
use socketio_codec::{Args, Limits, Packet, Parser, Revision};

pub(crate) type Kept = Box<dyn Any>;

fn text(message: Bytes) -> ByteString {
    ByteString::try_from(message).unwrap_or_default()
}

fn now() -> Instant {
    engineio::client::now()
}

pub(crate) fn frame_text_4(message: Bytes) -> Kept {
    Box::new(frame::decode(Version::V4, Frame::Text(text(message))))
}

pub(crate) fn frame_text_3(message: Bytes) -> Kept {
    Box::new(frame::decode(Version::V3, Frame::Text(text(message))))
}

pub(crate) fn frame_binary(message: Bytes) -> Kept {
    let as_4 = frame::decode(Version::V4, Frame::Binary(message.clone()));
    Box::new((as_4, frame::decode(Version::V3, Frame::Binary(message))))
}

/// One packet after the other.
pub(crate) fn payload_4(body: Bytes) -> Kept {
    Box::new(payload::decode(Version::V4, body, usize::MAX).last())
}

pub(crate) fn payload_3(body: Bytes) -> Kept {
    Box::new(payload::decode(Version::V3, body, usize::MAX).last())
}

const HANDSHAKE: &str = r#"{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;

pub(crate) fn handshake(message: Bytes) -> Kept {
    Box::new(Handshake::parse(&text(message)))
}

/// A connection that polls, and what it has to tell of a body.
fn connection(version: Version, body: Bytes) -> Connection {
    let mut config = Config::default();
    config.version = version;
    let mut connection = Connection::new(config, now());
    let open = match version {
        Version::V3 => format!("{}:0{HANDSHAKE}", HANDSHAKE.len() + 1),
        _ => format!("0{HANDSHAKE}"),
    };
    for body in [Bytes::from(open), body] {
        while connection.poll_event().is_some() {}
        let answer = Response::new(200, body);
        connection.handle_input(now(), Input::GetDone(Ok(answer)));
    }
    connection
}

pub(crate) fn connection_4(body: Bytes) -> Kept {
    Box::new(connection(Version::V4, body))
}

pub(crate) fn connection_3(body: Bytes) -> Kept {
    Box::new(connection(Version::V3, body))
}

fn decoded(revision: Revision, message: Bytes) -> Option<Packet> {
    let mut decoder = Parser::json().decoder(Limits::default(), revision);
    decoder.text(text(message)).ok()?
}

pub(crate) fn json_5(message: Bytes) -> Kept {
    Box::new(decoded(Revision::R5, message))
}

pub(crate) fn json_4(message: Bytes) -> Kept {
    Box::new(decoded(Revision::R4, message))
}

/// With one attachment, which is empty.
pub(crate) fn json_with_attachment(message: Bytes) -> Kept {
    let mut decoder = Parser::json().decoder(Limits::default(), Revision::R5);
    let header = decoder.text(text(message));
    let packet = header.and_then(|_| decoder.binary(Bytes::new()));
    Box::new((packet, decoder))
}

/// As many attachments as one likes: each byte of the message is one.
#[expect(clippy::needless_pass_by_value, reason = "as everything that reads")]
pub(crate) fn json_with_attachments(message: Bytes) -> Kept {
    let mut limits = Limits::default();
    limits.max_attachments = usize::MAX;
    let mut decoder = Parser::json().decoder(limits, Revision::R5);
    // A longer one is no worse.
    let count = message.len().min(1 << 14);
    let announced = count + 1;
    decoder
        .text(format!(r#"5{announced}-["e"]"#).into())
        .unwrap();
    for index in 0..count {
        decoder.binary(message.slice(index..=index)).unwrap();
    }
    Box::new(decoder)
}

fn unpacked(message: Bytes) -> Option<Packet> {
    let mut decoder = Parser::msgpack().decoder(Limits::default(), Revision::R5);
    decoder.binary(message).ok()?
}

pub(crate) fn msgpack(message: Bytes) -> Kept {
    Box::new(unpacked(message))
}

fn args(packet: Option<Packet>) -> Option<Args> {
    match packet {
        Some(Packet::Event { event, .. }) => Some(event.args().clone()),
        _ => None,
    }
}

pub(crate) fn values(message: Bytes) -> Kept {
    Box::new(args(decoded(Revision::R5, message)).map(|args| args.parse_each::<Value>().ok()))
}

pub(crate) fn strings(message: Bytes) -> Kept {
    Box::new(args(decoded(Revision::R5, message)).map(|args| args.parse::<Vec<String>>().ok()))
}

pub(crate) fn borrowed(message: Bytes) -> Kept {
    let args = args(decoded(Revision::R5, message));
    let len = args
        .as_ref()
        .map(|args| args.parse::<&str>().map_or(0, str::len));
    Box::new((args, len))
}

pub(crate) fn wrong_type(message: Bytes) -> Kept {
    let args = args(decoded(Revision::R5, message));
    Box::new(args.map(|args| args.parse::<u32>()))
}

/// A session that has asked to join.
fn session() -> Session {
    let mut session = Session::new(session::Config::default(), 1);
    // What the words of a server are searched for.
    session.set_secrets(Secrets::new(Some("token=pass"), []));
    session
        .join(now(), Namespace::root(), session::Join::default())
        .unwrap();
    let opened = session::Input::LinkOpened {
        handshake: Box::new(Handshake::parse(HANDSHAKE).unwrap()),
        transport: Transport::WebSocket,
        version: Version::V4,
    };
    session.handle_input(now(), opened);
    session
}

pub(crate) fn session_joining(message: Bytes) -> Kept {
    let mut session = session();
    session.handle_input(now(), session::Input::Message(text(message).into()));
    Box::new(session)
}

pub(crate) fn session_joined(message: Bytes) -> Kept {
    let mut session = session();
    for text in [
        ByteString::from_static(r#"0{"sid":"s","pid":"p"}"#),
        text(message),
    ] {
        session.handle_input(now(), session::Input::Message(text.into()));
    }
    Box::new(session)
}

/// An event of this side.
pub(crate) fn event_written(message: Bytes) -> Kept {
    Box::new(socketio_codec::Event::new("e", &*text(message)))
}

/// Arguments that are there already, such as those of an event that is passed on.
pub(crate) fn event_encoded(message: Bytes) -> Kept {
    Box::new(decoded(Revision::R5, message).map(|packet| Parser::json().encode(&packet)))
}

pub(crate) fn event_packed(message: Bytes) -> Kept {
    Box::new(decoded(Revision::R5, message).map(|packet| Parser::msgpack().encode(&packet)))
}

pub(crate) fn frame_encoded(message: Bytes) -> Kept {
    let text = engineio::Packet::Message(text(message).into());
    Box::new(frame::encode(Version::V4, text))
}

pub(crate) fn payload_encoded(message: Bytes) -> Kept {
    let binary = engineio::Packet::Message(message.into());
    Box::new(payload::encode(Version::V4, [&binary]))
}

pub(crate) fn notification_url(message: Bytes) -> Kept {
    Box::new(NotificationUrl::parse(&text(message)))
}

pub(crate) fn notification(message: Bytes) -> Kept {
    Box::new(Notification::from_json(&text(message)))
}

pub(crate) fn entries(message: Bytes) -> Kept {
    Box::new(Notification::from_json(&text(message)).entries())
}

/// Something small that comes in something large: who reads it, and the message.
type SmallInLarge = (
    &'static str,
    fn(Bytes) -> Option<Kept>,
    fn(usize) -> Vec<u8>,
);

pub(crate) const SMALL_IN_LARGE: &[SmallInLarge] = &[
    (
        "a packet among others",
        |body| keep(message_of(Version::V4, body)),
        |size| format!("42[\"e\"]\u{1e}6{}", "x".repeat(size)).into_bytes(),
    ),
    (
        "a packet among others, revision 3",
        |body| keep(message_of(Version::V3, body)),
        |size| format!("{}:6{}7:42[\"e\"]", size + 1, "x".repeat(size)).into_bytes(),
    ),
    (
        "an event in front of white space",
        |message| keep(args(decoded(Revision::R5, message))),
        |size| format!(r#"2["e"]{}"#, " ".repeat(size)).into_bytes(),
    ),
    (
        "a payload in front of white space",
        |message| match decoded(Revision::R5, message) {
            Some(Packet::ConnectError { payload, .. }) => keep(payload),
            _ => None,
        },
        |size| format!(r#"4{{}}{}"#, "\n".repeat(size)).into_bytes(),
    ),
    (
        "an attachment in MessagePack",
        |message| keep(args(unpacked(message)).filter(|args| args.attachments().len() == 1)),
        |size| {
            // {type: 2, nsp: "/", data: ["e", <one byte>], options: "   …"}
            let front = b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xc4\x01x\xa7options\xdb";
            let len = u32::try_from(size).unwrap().to_be_bytes();
            [&front[..], &len, &vec![b' '; size]].concat()
        },
    ),
];

fn keep<T: 'static>(value: Option<T>) -> Option<Kept> {
    value.map(|value| Box::new(value) as Kept)
}

fn message_of(version: Version, body: Bytes) -> Option<Message> {
    let mut connection = connection(version, body);
    match connection.poll_event()? {
        Event::Message(message) => Some(message),
        _ => None,
    }
}

/// What is left when everything was taken that a burst has brought.
type Drained = (&'static str, fn() -> Kept);

pub(crate) const DRAINED: &[Drained] = &[
    ("a connection behind a long poll", || {
        let body = ["42[\"e\"]"; 20_000].join("\u{1e}");
        let mut connection = connection(Version::V4, body.into());
        let taken = std::iter::from_fn(|| connection.poll_event()).count();
        assert_eq!(taken, 20_000);
        Box::new(connection)
    }),
    ("a session behind the events of a long poll", || {
        let mut session = session();
        let joined = ByteString::from_static(r#"0{"sid":"s"}"#);
        let event = ByteString::from_static(r#"2["e"]"#);
        for text in std::iter::once(joined).chain(vec![event; 20_000]) {
            session.handle_input(now(), session::Input::Message(text.into()));
        }
        let taken = std::iter::from_fn(|| session.poll_event()).count();
        assert_eq!(taken, 20_001);
        Box::new(session)
    }),
    ("a session behind the events that were held", || {
        let mut session = session();
        let joined = ByteString::from_static(r#"0{"sid":"s"}"#);
        let event = ByteString::from_static(r#"2["e"]"#);
        for text in vec![event; 10_000].into_iter().chain([joined]) {
            session.handle_input(now(), session::Input::Message(text.into()));
        }
        let taken = std::iter::from_fn(|| session.poll_event()).count();
        assert_eq!(taken, 10_001);
        Box::new(session)
    }),
    ("a decoder behind an event with attachments", || {
        let mut decoder = Parser::json().decoder(Limits::default(), Revision::R5);
        decoder.text(r#"510-["e"]"#.into()).unwrap();
        let parts = (0..10).filter_map(|_| decoder.binary(vec![0; 100_000].into()).unwrap());
        assert_eq!(parts.count(), 1);
        Box::new(decoder)
    }),
];
