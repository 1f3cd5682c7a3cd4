//! This stack, through what it offers to everybody.

use std::hint::black_box;

use bytes::Bytes;
use engineio::{ByteString, Version, payload};
use socketio_codec::{Decoder, Event, Limits, Namespace, Packet, Parser};

use super::Subject;
use super::cases::{Chat, File, NAME, Payload};

const OURS: &str = "ours";

/// Gives the name, and the text of each argument.
pub(super) fn decode(text: &ByteString) -> Subject {
    let mut decoder = Decoder::new(Limits::default());
    let text = text.clone();
    Subject::new(
        OURS,
        move || text.clone(),
        move |text| decoder.text(text).is_ok_and(|packet| read(packet.as_ref())),
    )
}

/// As above, and the attachment.
pub(super) fn decode_binary(header: &ByteString, attachment: &Bytes) -> Subject {
    let mut decoder = Decoder::new(Limits::default());
    let messages = (header.clone(), attachment.clone());
    Subject::new(
        OURS,
        move || messages.clone(),
        move |(header, attachment)| {
            decoder.text(header) == Ok(None)
                && (decoder.binary(attachment)).is_ok_and(|packet| read(packet.as_ref()))
        },
    )
}

fn read(packet: Option<&Packet>) -> bool {
    let Some(Packet::Event { event, .. }) = black_box(packet) else {
        return false;
    };
    black_box(event.name());
    black_box(event.attachments());
    event.iter_raw().map(black_box).count() == 1
}

/// Gives the messages that a client sends: what comes out is owned, as what `to_string` gives is.
pub(super) fn encode(chat: Chat) -> Subject {
    let parser = Parser::json();
    let work = move |()| {
        packet(&chat).is_some_and(|packet| black_box(parser.encode_owned(packet)).is_ok())
    };
    Subject::new(OURS, || (), work)
}

/// Writes the text to where there is room already.
pub(super) fn encode_into(chat: Chat) -> Subject {
    let mut out = String::new();
    let work = move |()| {
        out.clear();
        let done = packet(&chat).map(|packet| packet.encode(&mut out));
        black_box(&out);
        done.is_some()
    };
    Subject::new(OURS, || (), work)
}

/// As above, with an attachment.
pub(super) fn encode_binary(file: File) -> Subject {
    let parser = Parser::json();
    let work = move |()| {
        packet(&file).is_some_and(|packet| black_box(parser.encode_owned(packet)).is_ok())
    };
    Subject::new(OURS, || (), work)
}

fn packet(argument: &impl serde::Serialize) -> Option<Packet> {
    Some(Packet::Event {
        namespace: Namespace::root(),
        id: None,
        event: Event::new(NAME, argument).ok()?,
    })
}

/// Gives the packets, checked and decoded.
pub(super) fn decode_payload(version: Version, of: &Payload) -> Subject {
    let body = of.body.clone();
    let count = of.packets.len();
    Subject::new(
        OURS,
        move || body.clone(),
        move |body| {
            let packets = payload::decode(version, body, count);
            packets.filter(|packet| black_box(packet).is_ok()).count() == count
        },
    )
}

/// Gives one body.
pub(super) fn encode_payload(version: Version, of: &Payload) -> Subject {
    let (packets, size) = (of.packets.clone(), of.body.len());
    let work = move |()| black_box(payload::encode(version, &packets)).len() == size;
    Subject::new(OURS, || (), work)
}
