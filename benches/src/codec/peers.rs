//! Other codecs in Rust, as far as their API lets them.
//!
//! * `socketioxide-parser-common`, the parser of a server, is public. What it gives of a received event is its name and
//!   the text of the whole array, and it checks no more of the JSON than it takes to find the name: it does less than the
//!   floor. The arguments are parsed when they are read as some type; they cannot be read as `RawValue`.
//! * `engineioxide-core`, what `engineioxide` reads and writes payloads with, is public. It reads a stream of an HTTP
//!   body; here the body is there, in one piece, which is what it can do fastest.
//! * `rust_engineio` keeps its payload to itself, and offers its packet. What it does with payloads is a few lines, which
//!   stand here as they stand there. It does not check that text is UTF-8: its packets are bytes.
//! * `rust_socketio` keeps its packet to itself, and offers no way to it but a connection.

use std::hint::black_box;

use bytes::{BufMut as _, Bytes, BytesMut};
use engineio::{ByteString, Message, Packet, Version};
use engineioxide_core as oxide;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http_body_util::Full;
use socketioxide_core::parser::{Parse as _, ParseConfig, ParseError, ParserState};
use socketioxide_core::{Str, Value, packet};
use socketioxide_parser_common::CommonParser;

use super::cases::{self, NAME, Payload};
use super::{Comparison, Kind, Subject};

const PARSER_COMMON: &str = "socketioxide-parser-common";
const ENGINEIOXIDE: &str = "engineioxide-core";
const RUST_ENGINEIO: &str = "rust_engineio";
const MAX_PAYLOAD: u64 = u64::MAX;

/// Adds the peers that can do it.
pub(super) fn join(comparison: &mut Comparison) {
    let peers = match comparison.kind {
        Kind::DecodeText => vec![decode(&cases::text(&cases::chat(comparison.bytes)))],
        Kind::DecodeBinary => vec![decode_binary()],
        Kind::EncodeText => vec![encode(cases::chat(comparison.bytes))],
        // None of them writes to where there is room already.
        Kind::EncodeInto => vec![],
        Kind::EncodeBinary => vec![encode(cases::file())],
        Kind::DecodePayload(version, content) => {
            let payload = cases::payload(version, content, comparison.packets);
            let rust_engineio = || decode_payload_rust_engineio(&payload);
            // It knows revision 4 only.
            let rust_engineio = (version == Version::V4).then(rust_engineio);
            let engineioxide = decode_payload_engineioxide(version, &payload);
            [engineioxide].into_iter().chain(rust_engineio).collect()
        }
        Kind::EncodePayload(version, content) => {
            let payload = cases::payload(version, content, comparison.packets);
            let rust_engineio = || encode_payload_rust_engineio(&payload);
            let rust_engineio = (version == Version::V4).then(rust_engineio);
            let engineioxide = encode_payload_engineioxide(version, &payload);
            [engineioxide].into_iter().chain(rust_engineio).collect()
        }
    };
    comparison.subjects.extend(peers);
}

/// Gives the name, and the text of the array.
fn decode(text: &ByteString) -> Subject {
    let (config, state) = (ParseConfig::default(), ParserState::default());
    let text = Str::from(text.to_string());
    Subject::new(
        PARSER_COMMON,
        move || text.clone(),
        move |text| {
            let packet = CommonParser.decode_str(&config, &state, text);
            packet.is_ok_and(|packet| read(&packet))
        },
    )
}

fn decode_binary() -> Subject {
    let (config, state) = (ParseConfig::default(), ParserState::default());
    let (header, attachment) = cases::binary();
    let messages = (Str::from(header.to_string()), attachment);
    Subject::new(
        PARSER_COMMON,
        move || messages.clone(),
        move |(header, attachment)| {
            let header = CommonParser.decode_str(&config, &state, header);
            let packet = CommonParser.decode_bin(&config, &state, attachment);
            matches!(header, Err(ParseError::NeedsMoreBinaryData))
                && packet.is_ok_and(|packet| read(&packet))
        },
    )
}

fn read(packet: &packet::Packet) -> bool {
    use packet::PacketData::{BinaryEvent, Event};
    match black_box(&packet.inner) {
        Event(value, _) | BinaryEvent(value, _) => {
            black_box(value.as_str());
            black_box(CommonParser.read_event(value)).is_ok()
        }
        _ => false,
    }
}

fn encode(argument: impl serde::Serialize + 'static) -> Subject {
    let work = move |()| {
        let value = CommonParser.encode_value(&argument, Some(NAME));
        value.is_ok_and(|value| {
            let message = CommonParser.encode(packet::Packet::event("/", value));
            matches!(black_box(message), Value::Str(..))
        })
    };
    Subject::new(PARSER_COMMON, || (), work)
}

fn decode_payload_engineioxide(version: Version, payload: &Payload) -> Subject {
    let (body, count) = (payload.body.clone(), payload.packets.len());
    let work = move |body| {
        let packets =
            oxide::payload::decoder(Full::new(body), None, protocol(version), MAX_PAYLOAD);
        let good = packets.filter(|packet| std::future::ready(black_box(packet).is_ok()));
        good.count().now_or_never() == Some(count)
    };
    Subject::new(ENGINEIOXIDE, move || body.clone(), work)
}

fn encode_payload_engineioxide(version: Version, payload: &Payload) -> Subject {
    let packets: Vec<_> = payload
        .packets
        .iter()
        .map(|packet| oxide_packet(version, packet))
        .collect();
    let size = payload.body.len();
    // It takes the packets, in the small lists in which they wait to be sent.
    let prepare = move || -> Vec<oxide::PacketBuf> {
        let one = |packet: &oxide::Packet| oxide::PacketBuf::from_iter([packet.clone()]);
        packets.iter().map(one).collect()
    };
    let work = move |packets: Vec<_>| {
        let body =
            oxide::payload::encoder(stream::iter(packets), protocol(version), false, MAX_PAYLOAD);
        black_box(body.now_or_never()).is_some_and(|body| body.data.len() == size)
    };
    Subject::in_batches(batch(payload), ENGINEIOXIDE, prepare, work)
}

fn oxide_packet(version: Version, packet: &Packet) -> oxide::Packet {
    match packet {
        Packet::Message(Message::Text(text)) => oxide::Packet::Message(text.to_string().into()),
        Packet::Message(Message::Binary(data)) if version == Version::V3 => {
            oxide::Packet::BinaryV3(data.clone())
        }
        Packet::Message(Message::Binary(data)) => oxide::Packet::Binary(data.clone()),
        _ => oxide::Packet::Noop,
    }
}

fn protocol(version: Version) -> oxide::ProtocolVersion {
    match version {
        Version::V3 => oxide::ProtocolVersion::V3,
        _ => oxide::ProtocolVersion::V4,
    }
}

#[expect(clippy::result_large_err, reason = "the error is the peer's")]
fn decode_payload_rust_engineio(payload: &Payload) -> Subject {
    let (body, count) = (payload.body.clone(), payload.packets.len());
    let work = move |body: Bytes| {
        let packets = body.split(|&byte| byte as char == '\x1e');
        let packets = packets.map(|packet| rust_engineio::Packet::try_from(body.slice_ref(packet)));
        let packets = packets.collect::<Result<Vec<_>, _>>();
        packets.is_ok_and(|packets| packets.into_iter().map(black_box).count() == count)
    };
    Subject::new(RUST_ENGINEIO, move || body.clone(), work)
}

fn encode_payload_rust_engineio(payload: &Payload) -> Subject {
    use rust_engineio::PacketId;
    let packets = payload.packets.iter().map(|packet| match packet {
        Packet::Message(Message::Text(text)) => {
            rust_engineio::Packet::new(PacketId::Message, text.as_bytes().clone())
        }
        Packet::Message(Message::Binary(data)) => {
            rust_engineio::Packet::new(PacketId::MessageBinary, data.clone())
        }
        _ => rust_engineio::Packet::new(PacketId::Noop, Bytes::new()),
    });
    let packets: Vec<_> = packets.collect();
    let size = payload.body.len();
    let work = move |packets: Vec<rust_engineio::Packet>| {
        let mut body = BytesMut::new();
        for packet in packets {
            body.extend(Bytes::from(packet));
            body.put_u8(0x1E);
        }
        body.truncate(body.len().saturating_sub(1));
        black_box(body.freeze()).len() == size
    };
    Subject::in_batches(batch(payload), RUST_ENGINEIO, move || packets.clone(), work)
}

/// Of inputs that are lists of packets, so many that they fit into the cache of the processor.
fn batch(payload: &Payload) -> u64 {
    512_usize.div_ceil(payload.packets.len()) as u64
}
