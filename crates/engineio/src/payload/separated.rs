//! Payloads of revision 4: text packets with `U+001E` between them. Nothing escapes it.

use super::{Form, Found};
use crate::packet::Packet;
use crate::version::Version;

pub(super) const SEPARATOR: u8 = 0x1E;

/// The packet at `start`.
pub(super) fn packet_at(body: &[u8], start: usize) -> Found {
    let rest = body.get(start..).unwrap_or_default();
    match memchr::memchr(SEPARATOR, rest) {
        Some(len) => (Form::Text, start..start + len, Some(start + len + 1)),
        None => (Form::Text, start..body.len(), None),
    }
}

pub(super) fn append(version: Version, packet: &Packet, body: &mut String) {
    body.reserve(packet.encoded_len(version) + 1);
    if !body.is_empty() {
        body.push(char::from(SEPARATOR));
    }
    packet.encode(version, body);
}

pub(super) fn appended_len(version: Version, packet: &Packet, follows_another: bool) -> usize {
    packet.encoded_len(version) + usize::from(follows_another)
}
