//! What a program sends arrives: any packet, written and read, in each revision and format.

use bytes::Bytes;
use engineio::{Message, Version, frame, payload};
use socketio_codec::{
    Args, Event, Json, Limits, Namespace, Packet, Parser, Query, Revision, Spread,
};

use super::cursor::Cursor;
use super::value::Value;

/// How deep the values are.
const DEPTH: usize = 6;

/// The bytes make packets of Socket.IO and then of Engine.IO.
pub fn round_trips(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    for _ in 0..8 {
        if cursor.is_empty() {
            return;
        }
        match cursor.below(4) {
            0 => engine(&mut cursor, Version::V3),
            1 => engine(&mut cursor, Version::V4),
            2 => socket(&mut cursor, Revision::R4),
            _ => socket(&mut cursor, Revision::R5),
        }
    }
}

fn socket(cursor: &mut Cursor<'_>, revision: Revision) {
    let Some(packet) = packet(cursor, revision) else {
        return;
    };
    let mut limits = Limits::default();
    limits.max_attachments = usize::MAX;
    for parser in [Parser::json(), Parser::msgpack()] {
        if !parser.supports(revision) {
            continue;
        }
        let parts = parser.encode(&packet).expect("what serde has written");
        let mut decoder = parser.decoder(limits.clone(), revision);
        let mut result = Ok(None);
        for part in parts {
            assert!(matches!(result, Ok(None)), "{result:?}");
            result = decoder.part(part);
        }
        let received = result.expect("our own packet").expect("all of it");
        assert_eq!(values(&received), values(&packet));
        // Numbers and the order of members may be written in another way, the rest may not.
        if parser.is_json() {
            assert_eq!(received, packet);
        }
    }
}

fn packet(cursor: &mut Cursor<'_>, revision: Revision) -> Option<Packet> {
    let namespace = match cursor.below(3) {
        0 => Namespace::root(),
        // In revision 4 what is behind a `?` is no part of the name.
        _ => Namespace::try_from(format!(
            "/{}",
            cursor.text().replace([',', '?', '\u{1e}'], "")
        ))
        .ok()?,
    };
    let id = (cursor.below(2) == 1).then(|| cursor.number());
    Some(match cursor.below(5) {
        0 => {
            let (mut query, mut payload) = (None, None);
            if revision == Revision::R4 {
                query = Query::try_from(cursor.text().as_str()).ok();
                query = query.filter(|query| !query.is_empty() && !namespace.is_root());
            } else if id.is_some() {
                payload = Some(object(cursor));
            }
            Packet::Connect {
                namespace,
                query,
                payload,
            }
        }
        1 => Packet::Disconnect { namespace },
        2 => Packet::Ack {
            namespace,
            id: id.unwrap_or_default(),
            args: Args::with_max_attachments(&arguments(cursor), usize::MAX).ok()?,
        },
        3 => Packet::ConnectError {
            namespace,
            payload: Some(object(cursor)),
        },
        _ => {
            let name = cursor.text();
            let args = arguments(cursor);
            let event = Event::with_max_attachments(&name, &args, usize::MAX).ok()?;
            assert_eq!(event.name(), name);
            assert_eq!(event.args().parse_each().as_ref(), Ok(&args.0));
            Packet::Event {
                namespace,
                id,
                event,
            }
        }
    })
}

/// Its values hold no bytes, which have no place in those packets.
fn object(cursor: &mut Cursor<'_>) -> Json {
    let members = (0..cursor.below(4)).map(|_| (cursor.text(), cursor.number()));
    let members: std::collections::BTreeMap<_, _> = members.collect();
    Json::from_serialize(&members).expect("an object")
}

fn arguments(cursor: &mut Cursor<'_>) -> Spread<Value> {
    Spread((0..cursor.below(5)).map(|_| cursor.value(DEPTH)).collect())
}

/// What a packet says, however it is written.
fn values(packet: &Packet) -> (Packet, Option<Vec<Value>>) {
    let (head, args) = match packet.clone() {
        Packet::Event {
            namespace,
            id,
            event,
        } => {
            let args = event.args().clone();
            let name = Event::new(event.name(), &()).expect("a name");
            let event = Packet::Event {
                namespace,
                id,
                event: name,
            };
            (event, args)
        }
        Packet::Ack {
            namespace,
            id,
            args,
        } => {
            let head = Packet::Ack {
                namespace,
                id,
                args: Args::default(),
            };
            (head, args)
        }
        other => return (other, None),
    };
    (head, Some(args.parse_each().expect("our own arguments")))
}

fn engine(cursor: &mut Cursor<'_>, version: Version) {
    let mut packets = Vec::new();
    for _ in 0..cursor.below(8) {
        let message = match cursor.below(2) {
            0 => Message::from(cursor.text()),
            _ => Message::from(Bytes::copy_from_slice(cursor.bytes())),
        };
        let packet = match cursor.below(8) {
            0 => engineio::Packet::Noop,
            1 => engineio::Packet::Close,
            2 => engineio::Packet::Ping("probe".into()),
            3 => engineio::Packet::Upgrade,
            _ => engineio::Packet::Message(message.clone()),
        };
        for frame in [
            frame::encode(version, packet.clone()),
            frame::encode_as_text(version, &packet),
        ] {
            assert_eq!(frame::decode(version, frame).as_ref(), Ok(&packet));
        }
        if payload::can_carry(version, &message) {
            packets.push(packet);
        }
    }
    if packets.is_empty() {
        return;
    }
    let max = cursor.number();
    let count = payload::fitting(version, &packets, Some(max));
    let (now, later) = packets.split_at(count);
    let body = payload::encode(version, now);
    assert!(count == 1 || body.len() as u64 <= max);
    if let Some(next) = later.first() {
        let more = payload::encode(version, now.iter().chain([next]));
        assert!(more.len() as u64 > max, "there was room for one more");
    }
    let read: Result<Vec<_>, _> = payload::decode(version, body, count).collect();
    assert_eq!(read.as_deref(), Ok(now));
}
