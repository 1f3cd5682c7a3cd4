//! Packets of Socket.IO, as a server may send them: the decoder, from packet to packet.

use bytes::Bytes;
use socketio_codec::{
    ByteString, DecodeError, Decoder, EncodeError, Limits, Packet, Parser, Part, Revision,
};

use super::args;

/// Messages of revision 5: each line is one, binary behind a `>`. A `!` alone is the end of a connection.
pub fn socketio_v5(data: &[u8]) {
    read(Revision::R5, data);
}

/// The same in revision 4.
pub fn socketio_v4(data: &[u8]) {
    read(Revision::R4, data);
}

fn read(revision: Revision, data: &[u8]) {
    let mut limits = Limits::default();
    limits.max_attachment_bytes = 1024;
    let mut decoder = Decoder::with_revision(limits.clone(), revision);
    let mut parts = Vec::new();
    let mut bytes = 0;
    for line in data.split(|&byte| byte == b'\n').take(256) {
        if line == b"!" {
            decoder.reset();
            parts.clear();
            assert!(!decoder.is_assembling());
            continue;
        }
        let Some(part) = part(line) else {
            continue;
        };
        if parts.is_empty() {
            bytes = 0;
        } else {
            bytes += part.len();
        }
        let interrupted = decoder.is_assembling() && matches!(part, Part::Text(_));
        let announced = matches!(&part, Part::Text(text) if text.starts_with(['5', '6']));
        let out_of_place = !decoder.is_assembling() && matches!(part, Part::Binary(_));
        parts.push(part.clone());
        let result = take(&mut decoder, part);
        match &result {
            Ok(Some(packet)) => {
                assert!(!decoder.is_assembling(), "what is finished is kept");
                assert_eq!(packet.attachments().len(), parts.len() - 1);
                let mut anew = Decoder::with_revision(limits.clone(), revision);
                assert_eq!(
                    decoded(&mut anew, &parts),
                    result,
                    "what came before matters"
                );
                within_limits(packet, &limits);
                written(packet, &limits, revision);
            }
            Ok(None) => {
                assert!(decoder.is_assembling());
                assert!(bytes <= limits.max_attachment_bytes);
                assert!(parts.len() <= limits.max_attachments);
            }
            Err(error) => {
                assert!(!decoder.is_assembling(), "what is broken is kept");
                assert!(
                    error.to_string().len() < 512,
                    "an error that repeats the message"
                );
            }
        }
        assert!(
            !announced || !matches!(result, Ok(Some(_))),
            "attachments were announced, and there are none"
        );
        let refused = interrupted || out_of_place;
        assert!(!refused || result.is_err(), "messages interleave");
        if decoder.is_assembling() {
            assert!(!refused);
        } else {
            parts.clear();
        }
    }
}

fn part(line: &[u8]) -> Option<Part> {
    match line.strip_prefix(b">") {
        Some(data) => Some(Part::Binary(Bytes::copy_from_slice(data))),
        None => {
            let text = ByteString::try_from(Bytes::copy_from_slice(line));
            text.ok().map(Part::Text)
        }
    }
}

fn decoded(decoder: &mut Decoder, parts: &[Part]) -> Result<Option<Packet>, DecodeError> {
    let mut result = Ok(None);
    for part in parts {
        result = take(decoder, part.clone());
    }
    result
}

fn take(decoder: &mut Decoder, part: Part) -> Result<Option<Packet>, DecodeError> {
    match part {
        Part::Text(text) => decoder.text(text),
        Part::Binary(data) => decoder.binary(data),
        other => panic!("nobody knows {other:?}"),
    }
}

fn within_limits(packet: &Packet, limits: &Limits) {
    assert!(packet.namespace().as_str().len() <= limits.max_namespace_len);
    let attachments = packet.attachments();
    assert!(attachments.len() <= limits.max_attachments);
    let bytes: usize = attachments.iter().map(Bytes::len).sum();
    assert!(bytes <= limits.max_attachment_bytes);
    match packet {
        Packet::Event { event, .. } => {
            assert_eq!(event.detach(), *event);
            args::check(event.args());
            let items: Vec<&serde_json::value::RawValue> =
                serde_json::from_str(event.json()).expect("the JSON has been checked");
            assert_eq!(items.len(), event.args().len() + 1);
        }
        Packet::Ack { args, .. } => args::check(args),
        Packet::Connect { payload, .. } | Packet::ConnectError { payload, .. } => {
            if let Some(json) = payload {
                assert_eq!(json.detach(), *json);
                assert!(json.parse::<serde::de::IgnoredAny>().is_ok() || json.as_str().len() > 127);
            }
        }
        _ => {}
    }
}

/// What was read can be written, and is the same when it is read again.
fn written(packet: &Packet, limits: &Limits, revision: Revision) {
    again(&Parser::json(), packet, limits, revision).expect("what came as JSON can be JSON");
    if revision == Revision::R5 {
        // Not every text is Unicode, not every number is one of 64 bits.
        drop(as_msgpack(packet, limits));
    }
}

fn again(
    parser: &Parser,
    packet: &Packet,
    limits: &Limits,
    revision: Revision,
) -> Result<(), EncodeError> {
    let mut decoder = parser.decoder(limits.clone(), revision);
    let mut result = Ok(None);
    for part in parser.encode(packet)? {
        assert!(matches!(result, Ok(None)), "{result:?}");
        result = decoder.part(part);
    }
    assert_eq!(result.as_ref(), Ok(&Some(packet.clone())));
    Ok(())
}

/// What comes back from MessagePack stays what it is, as often as it is sent.
fn as_msgpack(packet: &Packet, limits: &Limits) -> Result<(), EncodeError> {
    let mut limits = limits.clone();
    limits.max_attachments = usize::MAX;
    let parser = Parser::msgpack();
    let mut decoder = parser.decoder(limits.clone(), Revision::R5);
    for part in parser.encode(packet)? {
        let packet = decoder.part(part).expect("our own MessagePack");
        let packet = packet.expect("one message a packet");
        again(&parser, &packet, &limits, Revision::R5)?;
    }
    Ok(())
}

/// One packet as MessagePack.
pub fn msgpack(data: &[u8]) {
    let limits = Limits::default();
    let mut decoder = Parser::msgpack().decoder(limits.clone(), Revision::R5);
    let packet = match decoder.binary(Bytes::copy_from_slice(data)) {
        Ok(packet) => packet.expect("one message a packet"),
        Err(error) => {
            assert!(
                error.to_string().len() < 512,
                "an error that repeats the message"
            );
            return;
        }
    };
    within_limits(&packet, &limits);
    again(&Parser::msgpack(), &packet, &limits, Revision::R5).expect("it came as MessagePack");
    match again(&Parser::json(), &packet, &limits, Revision::R5) {
        Ok(()) | Err(EncodeError::AmbiguousPlaceholder) => {}
        Err(error) => panic!("{error}"),
    }
}
