//! Payloads of revision 3, in two forms: `<length>:<packet>` as text, its length counted in UTF-16 code units, and a
//! binary form whose lengths are bytes. Both are read; the text form is written, because sessions ask for base64.

use std::fmt::Write as _;

use super::{Form, Found};
use crate::error::DecodeError;
use crate::packet::{Message, OpenData, Packet};
use crate::version::Version;

/// The longest accepted length: more digits are no length of anything that fits a body.
const MAX_DIGITS: usize = 10;
/// What each packet of the binary form begins with.
const TEXT: u8 = 0;
const BINARY: u8 = 1;
/// What ends a length in the binary form, whose digits are the bytes 0 to 9.
const END_OF_LENGTH: u8 = 0xFF;

/// The packet at `start`. The two forms of a payload differ in their first byte: a text payload begins with an ASCII digit.
pub(super) fn packet_at(body: &[u8], start: usize) -> Result<Found, DecodeError> {
    let rest = body.get(start..).unwrap_or_default();
    let (form, start, length) = match rest.split_first() {
        None => return Err(DecodeError::EmptyPacket),
        Some((&kind @ (TEXT | BINARY), behind)) => {
            let (length, digits) = length(behind, 0, END_OF_LENGTH)?;
            let form = match kind {
                TEXT => Form::Text,
                _ => Form::Binary,
            };
            (form, start + 1 + digits, length)
        }
        Some(_) => {
            let (units, digits) = length(rest, b'0', b':')?;
            let length = utf16_prefix(rest.get(digits..).unwrap_or_default(), units)?;
            // The reference skips packets of no length, as it does those of the binary form that are of no type.
            let form = if length == 0 {
                Form::Binary
            } else {
                Form::Text
            };
            (form, start + digits, length)
        }
    };
    let end = start.checked_add(length).filter(|&end| end <= body.len());
    let end = end.ok_or(DecodeError::Length)?;
    Ok((form, start..end, (end < body.len()).then_some(end)))
}

/// Reads decimal digits, of which `zero` is the 0, up to `end`. Gives the number, and how many bytes it took.
fn length(bytes: &[u8], zero: u8, end: u8) -> Result<(usize, usize), DecodeError> {
    let mut length = 0_usize;
    for (digits, &byte) in bytes.iter().enumerate().take(MAX_DIGITS + 1) {
        if byte == end && digits > 0 {
            return Ok((length, digits + 1));
        }
        let digit = byte.checked_sub(zero).filter(|digit| *digit <= 9);
        let digit = usize::from(digit.ok_or(DecodeError::Length)?);
        length = length.saturating_mul(10).saturating_add(digit);
    }
    Err(DecodeError::Length)
}

/// How many bytes of UTF-8 are `units` UTF-16 code units. A length that ends between the two units of a surrogate pair,
/// or behind the end, is none.
fn utf16_prefix(text: &[u8], units: usize) -> Result<usize, DecodeError> {
    // Most are ASCII.
    if text.get(..units).is_some_and(<[u8]>::is_ascii) {
        return Ok(units);
    }
    let mut left = units;
    let mut position = 0;
    while left > 0 {
        // The lead byte of a character tells its length; whether it is well formed is checked later.
        let (bytes, units) = match text.get(position).ok_or(DecodeError::Length)? {
            0x00..=0x7F => (1, 1),
            0x80..=0xDF => (2, 1),
            0xE0..=0xEF => (3, 1),
            0xF0..=0xFF => (4, 2),
        };
        left = left.checked_sub(units).ok_or(DecodeError::Length)?;
        position += bytes;
    }
    Ok(position)
}

pub(super) fn append(version: Version, packet: &Packet, body: &mut String) {
    body.reserve(MAX_DIGITS + 1 + packet.encoded_len(version));
    // Writing to a string cannot fail.
    let _ = write!(body, "{}:", utf16_len(version, packet));
    packet.encode(version, body);
}

pub(super) fn appended_len(version: Version, packet: &Packet) -> usize {
    let digits = utf16_len(version, packet).checked_ilog10().unwrap_or(0) as usize + 1;
    digits + 1 + packet.encoded_len(version)
}

/// Length of a packet's text form in UTF-16 code units. Only the data of a packet can be anything but ASCII.
fn utf16_len(version: Version, packet: &Packet) -> usize {
    let data: &str = match packet {
        Packet::Open(OpenData(data)) | Packet::Ping(data) | Packet::Pong(data) => data,
        Packet::Message(Message::Text(data)) => data,
        _ => "",
    };
    if data.is_ascii() {
        return packet.encoded_len(version);
    }
    // Every character is one unit, and those beyond the basic plane, four bytes long, are two.
    let units = data.bytes().map(|byte| match byte {
        0x80..=0xBF => 0,
        0xF0..=0xFF => 2,
        _ => 1,
    });
    packet.encoded_len(version) - data.len() + units.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{decode, encode, fitting};
    use super::*;
    use proptest::prelude::*;

    fn read(body: &[u8]) -> Vec<Result<Packet, DecodeError>> {
        decode(Version::V3, Bytes::copy_from_slice(body), 100).collect()
    }

    fn text(data: &str) -> Packet {
        Packet::Message(data.into())
    }

    fn binary(data: &[u8]) -> Packet {
        Packet::Message(data.to_vec().into())
    }

    #[test]
    fn lengths_count_utf_16_units() {
        let body = "19:420[\"hello\",\"é€😀\"]";
        assert_eq!(read(body.as_bytes()), [Ok(text("20[\"hello\",\"é€😀\"]"))]);
        let packet = text("20[\"hello\",\"é€😀\"]");
        assert_eq!(encode(Version::V3, [&packet]), body.as_bytes());
        assert_eq!(appended_len(Version::V3, &packet), body.len());
        // A code-point count ends within the pair, a byte count behind the end.
        for bad in ["2:4😀", "5:4😀", "4:4😀"] {
            assert_eq!(read(bad.as_bytes()), [Err(DecodeError::Length)], "{bad}");
        }
        assert_eq!(read("3:4😀".as_bytes()), [Ok(text("😀"))]);
    }

    #[test]
    fn text_payloads_as_the_reference_writes_them() {
        let packets = [
            text("51-[\"bin\",{\"_placeholder\":true,\"num\":0}]"),
            binary(&[0xDE, 0xAD]),
        ];
        let body = b"42:451-[\"bin\",{\"_placeholder\":true,\"num\":0}]6:b43q0=";
        // 42 counts the id of the captured packet, which this one does not have.
        let body = String::from_utf8_lossy(body).replace("42:", "41:");
        assert_eq!(encode(Version::V3, &packets), body.as_bytes());
        assert_eq!(read(body.as_bytes()), packets.map(Ok));
        assert_eq!(read(b"1:2"), [Ok(Packet::Ping("".into()))]);
        assert_eq!(read(b"1:6").len(), 1);
        assert_eq!(read(b"3:4a\x1e"), [Ok(text("a\x1e"))]);
    }

    #[test]
    fn binary_payloads_as_the_reference_writes_them() {
        let body = b"\x00\x01\x00\xff4\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x01\x03\xff\x04\xde\xad\x00\x02\xff4z";
        assert_eq!(
            read(body),
            [Ok(text("é€😀")), Ok(binary(&[0xDE, 0xAD])), Ok(text("z"))]
        );
        // Of a type other than message: nothing.
        assert_eq!(read(b"\x01\x02\xff\x03x"), [Ok(Packet::Noop)]);
    }

    #[test]
    fn what_is_no_payload_is_refused_behind_what_was_good() {
        assert_eq!(read(b""), [Err(DecodeError::EmptyPacket)]);
        assert_eq!(read(b"0:2:4a"), [Ok(Packet::Noop), Ok(text("a"))]);
        assert_eq!(read(b"2:4ax"), [Ok(text("a")), Err(DecodeError::Length)]);
        for bad in [
            &b":4a"[..],
            b" 2:4a",
            b"0x2:4a",
            b"-1:4",
            b"2",
            b"9:4a",
            b"12345678901:4",
            b"\x00\xff",
            b"\x00\x01",
            b"\x00\x0a\xff4",
            b"\x00\x02\xff4",
            b"\x00\x02\xff4\xff",
        ] {
            let packets = read(bad);
            assert!(matches!(packets[..], [Err(_)]), "{bad:?}: {packets:?}");
        }
    }

    #[test]
    fn bodies_are_split_at_max_payload_exactly() {
        let packets = [text("éééé"), text("0123456789"), binary(b"0123456789")];
        let size = encode(Version::V3, &packets).len() as u64;
        assert_eq!(fitting(Version::V3, &packets, Some(size)), 3);
        assert_eq!(fitting(Version::V3, &packets, Some(size - 1)), 2);
    }

    fn packets() -> impl Strategy<Value = Vec<Packet>> {
        let packet = prop_oneof![
            ".{0,20}".prop_map(|s| Packet::Message(s.into())),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|b| Packet::Message(b.into())),
            Just(Packet::Pong("".into())),
        ];
        proptest::collection::vec(packet, 1..20)
    }

    proptest! {
        #[test]
        fn payloads_round_trip(packets in packets()) {
            let body = encode(Version::V3, &packets);
            let back: Result<Vec<_>, _> = decode(Version::V3, body, 100).collect();
            prop_assert_eq!(back, Ok(packets.clone()));
            for packet in &packets {
                let alone = encode(Version::V3, [packet]);
                prop_assert_eq!(alone.len(), appended_len(Version::V3, packet));
            }
        }

        #[test]
        fn any_body_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let len = body.len();
            prop_assert!(decode(Version::V3, body.into(), 1000).count() <= len + 1);
        }

        #[test]
        fn nearly_valid_bodies_are_read_without_panic(
            packets in packets(), position in any::<prop::sample::Index>(), byte in any::<u8>()
        ) {
            let mut body = encode(Version::V3, &packets).to_vec();
            let at = position.index(body.len());
            body[at] = byte;
            let len = body.len();
            prop_assert!(decode(Version::V3, body.into(), 1000).count() <= len + 1);
        }
    }
}
