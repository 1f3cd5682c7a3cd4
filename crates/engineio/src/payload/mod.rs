//! Polling payloads: several packets in one HTTP body.

mod counted;
mod separated;

use std::fmt;
use std::ops::Range;
use std::str;

use bytes::Bytes;
use bytestring::ByteString;

use crate::error::DecodeError;
use crate::frame;
use crate::packet::{Message, Packet, SHORT};
use crate::version::{Framing, Version};

/// Reads the packets of a body one after the other. Long messages are slices of the body, short texts are copies.
///
/// A bad packet yields one error and ends the iteration: the packets before it have been delivered, the rest of the
/// body is dropped. So trailing bytes are an error after the good packets, and an empty body is one error.
#[derive(Clone)]
pub struct Packets {
    version: Version,
    body: Bytes,
    /// Where the next packet starts, if there is one.
    next: Option<usize>,
    left: usize,
}

/// Starts reading a payload; at most `max_packets` packets are accepted.
#[must_use]
pub fn decode(version: Version, body: Bytes, max_packets: usize) -> Packets {
    Packets {
        version,
        body,
        next: Some(0),
        left: max_packets,
    }
}

impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.next.map_or(0, |start| self.body.len() - start);
        write!(f, "Packets({rest} bytes left)")
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next.take()?;
        let Some(left) = self.left.checked_sub(1) else {
            return Some(Err(DecodeError::TooManyPackets));
        };
        self.left = left;
        let found = match self.version.framing() {
            Framing::Counted => counted::packet_at(&self.body, start),
            Framing::Separated => Ok(separated::packet_at(&self.body, start)),
        };
        let (form, range, next) = match found {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        // Most are short messages. They are made in the place of what is returned: to move one right behind its making
        // takes as long again.
        let bytes = self.body.get(range.clone()).unwrap_or_default();
        if let (Form::Text, Some(text)) = (form, bytes.strip_prefix(b"4"))
            && text.len() <= SHORT
            && let Ok(text) = str::from_utf8(text)
        {
            self.next = next;
            return Some(Ok(Packet::Message(Message::Text(ByteString::from(text)))));
        }
        let packet = form.decode(self.version, self.body.slice(range));
        self.next = next.filter(|_| packet.is_ok());
        Some(packet)
    }
}

/// What a packet in a body is.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Binary,
}

impl Form {
    fn decode(self, version: Version, packet: Bytes) -> Result<Packet, DecodeError> {
        match self {
            // Checked a packet at a time, so that bad UTF-8 costs nothing that came before it.
            Self::Text => ByteString::try_from(packet)
                .map_err(|_| DecodeError::Utf8)
                .and_then(|text| Packet::decode(version, text)),
            Self::Binary => Ok(frame::decode_binary(version, packet)),
        }
    }
}

/// A packet in a body: what it is, where it stands, and where the next one does, if there is one.
type Found = (Form, Range<usize>, Option<usize>);

/// Writes packets as one body.
#[must_use]
pub fn encode<'a>(version: Version, packets: impl IntoIterator<Item = &'a Packet>) -> Bytes {
    let mut body = String::new();
    for packet in packets {
        match version.framing() {
            Framing::Counted => counted::append(version, packet, &mut body),
            Framing::Separated => separated::append(version, packet, &mut body),
        }
    }
    body.into()
}

/// How many of `packets`, from the front, fit into a body of `max_payload` bytes: at least one if there is any.
#[must_use]
pub fn fitting<'a>(
    version: Version,
    packets: impl IntoIterator<Item = &'a Packet>,
    max_payload: Option<u64>,
) -> usize {
    let max = max_payload.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let mut size = 0_usize;
    let mut count = 0;
    for packet in packets {
        size = size.saturating_add(match version.framing() {
            Framing::Counted => counted::appended_len(version, packet),
            Framing::Separated => separated::appended_len(version, packet, count > 0),
        });
        if count > 0 && size > max {
            break;
        }
        count += 1;
    }
    count
}

/// Length in bytes of a body that carries this packet alone.
#[must_use]
pub fn encoded_len(version: Version, packet: &Packet) -> usize {
    match version.framing() {
        Framing::Counted => counted::appended_len(version, packet),
        Framing::Separated => separated::appended_len(version, packet, false),
    }
}

/// Whether a payload can carry this message without taking its content for something else.
#[must_use]
pub fn can_carry(version: Version, message: &Message) -> bool {
    match (version.framing(), message) {
        (Framing::Separated, Message::Text(text)) => {
            memchr::memchr(separated::SEPARATOR, text.as_bytes()).is_none()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &'static [u8]) -> Vec<Result<Packet, DecodeError>> {
        decode(Version::V4, Bytes::from_static(body), 100).collect()
    }

    fn text(data: &str) -> Packet {
        Packet::Message(data.into())
    }

    fn binary(data: &[u8]) -> Packet {
        Packet::Message(data.to_vec().into())
    }

    #[test]
    fn bodies_as_the_reference_reads_them() {
        assert_eq!(read(b"4a\x1e4b"), [Ok(text("a")), Ok(text("b"))]);
        assert_eq!(read(b"4hello\x1e2\x1e4world").len(), 3);
        assert_eq!(read(b"4"), [Ok(text(""))]);
        assert_eq!(read(b"b"), [Ok(binary(b""))]);
        assert_eq!(
            read(b"4hello\x1ebAQIDBA=="),
            [Ok(text("hello")), Ok(binary(&[1, 2, 3, 4]))]
        );
    }

    #[test]
    fn short_texts_are_copies_and_long_ones_are_slices() {
        for version in [Version::V3, Version::V4] {
            for (len, is_slice) in [(0, false), (SHORT, false), (SHORT + 1, true)] {
                let body = encode(version, &[text(&"x".repeat(len))]);
                let found = decode(version, body.clone(), 1).next();
                let Some(Ok(Packet::Message(Message::Text(text)))) = found else {
                    panic!("{found:?}")
                };
                assert_eq!(
                    body.as_ptr_range().contains(&text.as_ptr()),
                    is_slice,
                    "{len}"
                );
            }
        }
    }

    #[test]
    fn a_bad_packet_ends_the_payload_after_the_good_ones() {
        assert_eq!(read(b""), [Err(DecodeError::EmptyPacket)]);
        assert_eq!(
            read(b"4a\x1e"),
            [Ok(text("a")), Err(DecodeError::EmptyPacket)]
        );
        assert_eq!(
            read(b"4a\x1e9z\x1e4b"),
            [Ok(text("a")), Err(DecodeError::UnknownType(b'9'))]
        );
        assert_eq!(
            read(b"4a\x1e4\xff\x1e4b"),
            [Ok(text("a")), Err(DecodeError::Utf8)]
        );
    }

    #[test]
    fn the_number_of_packets_is_limited() {
        let packets: Vec<_> = decode(Version::V4, Bytes::from_static(b"2\x1e2\x1e2"), 2).collect();
        assert_eq!(packets.len(), 3);
        assert_eq!(packets.last(), Some(&Err(DecodeError::TooManyPackets)));
    }

    /// The reference client, limited to 40 bytes, was seen to send bodies of 11, 39, 11, 39, 40 and 5 bytes.
    #[test]
    fn bodies_are_split_at_max_payload_exactly() {
        let packets = [text("éééé"), text("0123456789"), binary(b"0123456789")];
        let body = encode(Version::V4, &packets);
        assert_eq!(body, "4éééé\x1e40123456789\x1ebMDEyMzQ1Njc4OQ==".as_bytes());
        assert_eq!(body.len(), 39);
        assert_eq!(fitting(Version::V4, &packets, Some(39)), 3);
        assert_eq!(fitting(Version::V4, &packets, Some(38)), 2);
        assert_eq!(fitting(Version::V4, &packets, Some(1)), 1);
        assert_eq!(fitting(Version::V4, &packets, None), 3);
        assert_eq!(fitting(Version::V4, &[], Some(40)), 0);
    }

    fn packets() -> impl Strategy<Value = Vec<Packet>> {
        let packet = prop_oneof![
            "[^\x1e]{0,20}".prop_map(|s| Packet::Message(s.into())),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|b| Packet::Message(b.into())),
            Just(Packet::Noop),
            Just(Packet::Ping("".into())),
        ];
        proptest::collection::vec(packet, 1..20)
    }

    proptest! {
        #[test]
        fn payloads_round_trip(packets in packets()) {
            let body = encode(Version::V4, &packets);
            let back: Result<Vec<_>, _> = decode(Version::V4, body, 100).collect();
            prop_assert_eq!(back, Ok(packets));
        }

        #[test]
        fn a_batch_never_exceeds_the_limit_unless_it_is_one_packet(packets in packets(), max in 1_u64..100) {
            let count = fitting(Version::V4, &packets, Some(max));
            let body = encode(Version::V4, &packets[..count]);
            prop_assert!(count == 1 || body.len() as u64 <= max);
            if count < packets.len() {
                let more = encode(Version::V4, &packets[..=count]);
                prop_assert!(more.len() as u64 > max);
            }
        }

        #[test]
        fn any_body_is_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let len = body.len();
            prop_assert!(decode(Version::V4, body.into(), 1000).count() <= len + 1);
        }
    }
}
