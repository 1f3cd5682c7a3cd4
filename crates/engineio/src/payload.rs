//! Polling payloads: several packets in one HTTP body, joined by `U+001E` in revision 4.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use crate::error::DecodeError;
use crate::packet::Packet;
use crate::transport::Version;

/// What stands between two packets in revision 4. Nothing escapes it.
pub const SEPARATOR: u8 = 0x1E;

/// Reads the packets of a body one after the other, without copying.
///
/// A bad packet yields one error and ends the iteration: the packets before it have been delivered, the rest of the
/// body is dropped. So a trailing separator is an error after the good packets, and an empty body is one error.
pub struct Packets {
    version: Version,
    rest: Option<Bytes>,
    left: usize,
}

/// Starts reading a payload; at most `max_packets` packets are accepted.
#[must_use]
pub fn decode(version: Version, body: Bytes, max_packets: usize) -> Packets {
    Packets {
        version,
        rest: Some(body),
        left: max_packets,
    }
}

impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.rest.as_ref().map_or(0, Bytes::len);
        write!(f, "Packets({rest} bytes left)")
    }
}

impl Packets {
    fn next_v4(&mut self, mut body: Bytes) -> Result<Packet, DecodeError> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(DecodeError::TooManyPackets)?;
        let packet = match memchr::memchr(SEPARATOR, &body) {
            Some(end) => {
                let packet = body.split_to(end);
                self.rest = Some(body.slice(1..));
                packet
            }
            None => body,
        };
        // Checked a packet at a time, so that bad UTF-8 costs nothing that came before it.
        let text = ByteString::try_from(packet).map_err(|_| DecodeError::Utf8)?;
        Packet::decode(&text)
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let body = self.rest.take()?;
        let packet = match self.version {
            Version::V4 => self.next_v4(body),
        };
        if packet.is_err() {
            self.rest = None;
        }
        Some(packet)
    }
}

/// Writes packets as one body.
#[must_use]
pub fn encode<'a>(version: Version, packets: impl IntoIterator<Item = &'a Packet>) -> Bytes {
    match version {
        Version::V4 => {
            let mut out = String::new();
            for (index, packet) in packets.into_iter().enumerate() {
                if index > 0 {
                    out.push(char::from(SEPARATOR));
                }
                out.reserve(packet.encoded_len() + 1);
                packet.encode(&mut out);
            }
            out.into()
        }
    }
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
        size = size.saturating_add(match version {
            Version::V4 => packet.encoded_len() + usize::from(count > 0),
        });
        if count > 0 && size > max {
            break;
        }
        count += 1;
    }
    count
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
