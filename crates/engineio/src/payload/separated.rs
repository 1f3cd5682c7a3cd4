//! Payloads of revision 4: text packets with `U+001E` between them. Nothing escapes it.

use bytes::Bytes;
use bytestring::ByteString;

use crate::error::DecodeError;
use crate::packet::Packet;
use crate::version::Version;

pub(super) const SEPARATOR: u8 = 0x1E;

/// The first packet, and what follows it if anything does.
pub(super) fn split_first(
    version: Version,
    mut body: Bytes,
) -> Result<(Packet, Option<Bytes>), DecodeError> {
    let (packet, rest) = match memchr::memchr(SEPARATOR, &body) {
        Some(end) => (body.split_to(end), Some(body.slice(1..))),
        None => (body, None),
    };
    // Checked a packet at a time, so that bad UTF-8 costs nothing that came before it.
    let text = ByteString::try_from(packet).map_err(|_| DecodeError::Utf8)?;
    Ok((Packet::decode(version, text)?, rest))
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
