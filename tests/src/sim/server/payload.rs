//! Engine.IO payloads: several packets in one HTTP body.

use bytes::Bytes;

use super::api::{Frame, Revision};
use super::packet::{Kind, Malformed, Packet};

const TEXT: &str = "text/plain; charset=UTF-8";
const BINARY: &str = "application/octet-stream";
const SEPARATOR: &str = "\u{1e}";

/// The body of a response, and its content type.
pub(super) fn encode(
    packets: &[Packet],
    revision: Revision,
    base64: bool,
) -> (Bytes, &'static str) {
    let texts = packets.iter().map(|packet| packet.to_text(revision));
    match revision {
        Revision::V4 => {
            let body = texts.collect::<Vec<_>>().join(SEPARATOR);
            (body.into(), TEXT)
        }
        Revision::V3 if !base64 && packets.iter().any(Packet::is_binary) => {
            (encode_binary(packets).into(), BINARY)
        }
        Revision::V3 => {
            // A length counts as JavaScript does, in units of UTF-16.
            let body: String = texts
                .map(|text| format!("{}:{text}", text.encode_utf16().count()))
                .collect();
            (body.into(), TEXT)
        }
    }
}

/// The old revision's container: a byte that says text or binary, the length in digits of a byte each, 255.
fn encode_binary(packets: &[Packet]) -> Vec<u8> {
    let mut body = Vec::new();
    for packet in packets {
        let (mark, content) = match packet.to_frame(Revision::V3, false) {
            Frame::Text(text) => (0, text.into_bytes()),
            Frame::Binary(bytes) => (1, bytes.to_vec()),
        };
        body.push(mark);
        body.extend(content.len().to_string().bytes().map(|digit| digit - b'0'));
        body.push(255);
        body.extend(content);
    }
    body
}

/// The packets of a body, in order; what is malformed is the last that is said.
pub(super) fn decode(
    body: &Bytes,
    revision: Revision,
    binary: bool,
) -> Vec<Result<Packet, Malformed>> {
    if binary && revision == Revision::V3 {
        return decode_binary(body);
    }
    let text = String::from_utf8_lossy(body);
    let mut packets = Vec::new();
    match revision {
        Revision::V4 => {
            for part in text.split(SEPARATOR) {
                packets.push(Packet::from_text(part, revision));
                if packets.last() == Some(&Err(Malformed)) {
                    break;
                }
            }
        }
        Revision::V3 => decode_counted(&text, &mut packets),
    }
    packets
}

fn decode_counted(text: &str, packets: &mut Vec<Result<Packet, Malformed>>) {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut rest = units.as_slice();
    if rest.is_empty() {
        packets.push(Err(Malformed));
    }
    while !rest.is_empty() {
        let Some((content, behind)) = take_counted(rest) else {
            packets.push(Err(Malformed));
            return;
        };
        rest = behind;
        if content.is_empty() {
            continue;
        }
        let packet = String::from_utf16(content)
            .map_err(|_| Malformed)
            .and_then(|text| Packet::from_text(&text, Revision::V3));
        let last = match &packet {
            Ok(packet) => packet.kind == Kind::Close,
            Err(Malformed) => true,
        };
        packets.push(packet);
        if last {
            return;
        }
    }
}

/// The first packet's units and those behind it.
fn take_counted(units: &[u16]) -> Option<(&[u16], &[u16])> {
    let colon = units.iter().position(|unit| *unit == u16::from(b':'))?;
    let digits = String::from_utf16(&units[..colon]).ok()?;
    let length = decimal(&digits)?;
    units[colon + 1..].split_at_checked(length)
}

fn decode_binary(body: &Bytes) -> Vec<Result<Packet, Malformed>> {
    let mut packets = Vec::new();
    let mut rest = body.clone();
    while !rest.is_empty() {
        match take_binary(&mut rest) {
            Some(packet) => packets.push(packet),
            None => {
                packets.push(Err(Malformed));
                break;
            }
        }
    }
    packets
}

fn take_binary(rest: &mut Bytes) -> Option<Result<Packet, Malformed>> {
    let mark = *rest.first()?;
    let end = rest.iter().skip(1).position(|byte| *byte == 255)? + 1;
    let mut length: usize = 0;
    for digit in &rest[1..end] {
        if *digit > 9 {
            return None;
        }
        length = length.checked_mul(10)?.checked_add(usize::from(*digit))?;
    }
    let behind = end.checked_add(1)?.checked_add(length)?;
    if end == 1 || behind > rest.len() {
        return None;
    }
    let content = rest.slice(end + 1..behind);
    *rest = rest.slice(behind..);
    Some(match mark {
        0 => std::str::from_utf8(&content)
            .map_err(|_| Malformed)
            .and_then(|text| Packet::from_text(text, Revision::V3)),
        1 => Ok(Packet::from_typed_bytes(&content)),
        _ => Err(Malformed),
    })
}

/// A number in plain digits.
pub(super) fn decimal(digits: &str) -> Option<usize> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
