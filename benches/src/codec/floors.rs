//! The least that has to be done: what somebody would write who needs no more than this one packet.

use std::borrow::Cow;
use std::hint::black_box;

use bytes::Bytes;
use engineio::{ByteString, Version};
use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Subject;
use super::cases::{Chat, File, NAME, Payload};

const SEPARATOR: u8 = 0x1E;

/// Name and argument of an event that has just one.
///
/// A `Cow` in a tuple is always a copy, to serde: that would be a slower floor, and one that allocates.
#[derive(Deserialize)]
struct Raw<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] &'a RawValue);

/// Reads the JSON behind the digit of the type, which it does not look at. It takes the message by value and lets go of
/// it, as each subject does, and the result does not outlive it.
pub(super) fn decode(text: &ByteString) -> Subject {
    let text = text.clone();
    Subject::new("RawValue", move || text.clone(), |text| raw(&text, 1))
}

/// As above: the header is skipped, and the attachment is there already.
pub(super) fn decode_binary(header: &ByteString, attachment: &Bytes) -> Subject {
    let message = (header.clone(), attachment.clone());
    Subject::new(
        "RawValue",
        move || message.clone(),
        |(text, attachment)| {
            black_box(&attachment);
            raw(&text, "51-".len())
        },
    )
}

fn raw(text: &str, header: usize) -> bool {
    let json = text.get(header..).unwrap_or_default();
    black_box(serde_json::from_str::<Raw<'_>>(json)).is_ok_and(|Raw(name, argument)| {
        black_box((name, argument));
        true
    })
}

/// Writes the JSON; there is no digit in front of it.
pub(super) fn encode(chat: Chat) -> Subject {
    let work = move |()| black_box(serde_json::to_string(&(NAME, &chat))).is_ok();
    Subject::new("to_string", || (), work)
}

/// As above, to where there is room already.
pub(super) fn encode_into(chat: Chat) -> Subject {
    let mut out = Vec::new();
    let work = move |()| {
        out.clear();
        let done = serde_json::to_writer(&mut out, &(NAME, &chat));
        black_box(&out);
        done.is_ok()
    };
    Subject::new("to_writer", || (), work)
}

/// Writes a placeholder of a fixed number, and takes the attachment as it is.
pub(super) fn encode_binary(file: File) -> Subject {
    let work = move |()| {
        let text = serde_json::to_string(&(NAME, file.with_placeholder()));
        black_box((text, file.data())).0.is_ok()
    };
    Subject::new("to_string", || (), work)
}

/// Looks for the end of each packet, and at nothing else: revision 4 ends them with a byte, revision 3 begins them with
/// their length. What they are is not looked at, nor are they UTF-8 for certain, nor is their base64 decoded.
pub(super) fn decode_payload(version: Version, payload: &Payload) -> Subject {
    let body = payload.body.clone();
    let count = payload.packets.len();
    let prepare = move || body.clone();
    match version {
        Version::V3 => Subject::new("lengths", prepare, move |body| {
            split(&body, take_counted) == count
        }),
        _ => Subject::new("memchr", prepare, move |body| {
            split(&body, take_separated) == count
        }),
    }
}

fn split<'a>(
    body: &'a [u8],
    mut take: impl FnMut(&'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)>,
) -> usize {
    let mut rest = Some(body);
    let mut count = 0;
    while let Some((packet, behind)) = rest.and_then(&mut take) {
        black_box(packet);
        count += 1;
        rest = behind;
    }
    count
}

fn take_separated(body: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    match memchr(SEPARATOR, body) {
        Some(end) => Some((body.get(..end)?, body.get(end + 1..))),
        None => Some((body, None)),
    }
}

fn take_counted(body: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut length = 0;
    let mut behind = body.iter();
    loop {
        match behind.next()? {
            b':' => break,
            digit => length = length * 10 + usize::from(digit & 0x0F),
        }
    }
    let (packet, rest) = behind.as_slice().split_at_checked(length)?;
    Some((packet, (!rest.is_empty()).then_some(rest)))
}

/// Copies each packet, encoded before, to its place behind the others, in a body that is large enough from the
/// beginning.
pub(super) fn encode_payload(version: Version, payload: &Payload) -> Subject {
    let encoded = |packet: &engineio::Packet| engineio::payload::encode(version, [packet]);
    let packets: Vec<_> = payload.packets.iter().map(encoded).collect();
    let size = payload.body.len();
    let work = move |()| {
        let mut body = Vec::with_capacity(size);
        for packet in &packets {
            if version == Version::V4 && !body.is_empty() {
                body.push(SEPARATOR);
            }
            body.extend_from_slice(packet);
        }
        black_box(Bytes::from(body)).len() == size
    };
    Subject::new("copy", || (), work)
}
