//! Hostile bodies of polling: the payloads of Engine.IO, and the lengths in them.

use engineio::{Packet as EnginePacket, Version, payload};
use socketio::Bytes;

use crate::codec::LONG;

/// Many packets in one body: each costs far more than its bytes, so their number has a limit of its own.
#[test]
fn cve_2020_36048_very_many_tiny_packets() {
    for (version, packet) in [
        (Version::V3, "2:4a"),
        (Version::V3, "1:6"),
        (Version::V4, "4a\u{1e}"),
        (Version::V4, "6\u{1e}"),
    ] {
        let body = Bytes::from(packet.repeat(LONG / 2));
        let limit = engineio::Limits::default().max_packets_per_payload;
        let read = payload::decode(version, body, limit);
        let (mut good, mut bad) = (0, vec![]);
        for packet in read {
            match packet {
                Ok(_) => good += 1,
                Err(error) => bad.push(error),
            }
        }
        assert_eq!(good, limit, "{packet:?}");
        assert_eq!(bad, [engineio::DecodeError::TooManyPackets]);
    }
}

/// Each packet is read once: what is left of the body is neither copied nor looked at.
#[test]
fn cve_2020_36048_no_packet_costs_more_for_what_stands_behind_it() {
    for (version, packet) in [
        (Version::V3, "2:4é"),
        (Version::V3, "\x00\x02\u{ff}4a"),
        (Version::V4, "4é\u{1e}"),
    ] {
        const PACKETS: usize = 200_000;
        let one: Vec<u8> = match packet.starts_with('\0') {
            // The binary form: 0xFF is a byte, and no character.
            true => b"\x00\x02\xff4a".to_vec(),
            false => packet.as_bytes().to_vec(),
        };
        // A body that ends in a packet of megabytes.
        let body = [one.repeat(PACKETS), vec![b'x'; LONG]].concat();
        let read = payload::decode(version, body.into(), usize::MAX);
        let good = read.take_while(Result::is_ok).count();
        assert_eq!(good, PACKETS, "{packet:?}");
    }
}

/// Lengths of revision 3: decimal, at most ten digits, and no more than there is.
#[test]
fn cve_2020_36048_lengths_that_are_none() {
    let digits = "9".repeat(LONG) + ":4a";
    let zeros = "0".repeat(LONG) + "2:4a";
    let binary_digits = [&b"\x00"[..], &[9; LONG], b"\xff4a"].concat();
    for body in [
        digits.as_bytes(),
        zeros.as_bytes(),
        &binary_digits,
        b"9999999999:4a",
        b"4294967297:4a",
        b"18446744073709551617:4a",
        b"18446744073709551616:4a",
        b"-1:4a",
        b"+2:4a",
        b" 2:4a",
        b"2 :4a",
        b"2.0:4a",
        b"2e0:4a",
        b"0x2:4a",
        b"NaN:4a",
        b":4a",
        b"2",
        b"3:4a",
        // Half of a surrogate pair.
        "2:4\u{1f600}".as_bytes(),
        b"\x00\xff4a",
        b"\x00\x02",
        b"\x00\x03\xff4a",
        b"\x00\x0a\xff4a",
        b"\x00\x324a",
        b"\x01\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4a",
    ] {
        let mut read = payload::decode(Version::V3, Bytes::copy_from_slice(body), 10);
        let shown = body.get(..20).unwrap_or(body);
        assert_eq!(
            read.next(),
            Some(Err(engineio::DecodeError::Length)),
            "{shown:?}"
        );
        assert_eq!(read.next(), None, "{shown:?}");
    }
    // A packet of no length is skipped, and counts.
    let mut read = payload::decode(Version::V3, "0:0:0:2:4a".into(), 3);
    let expected = [
        Some(Ok(EnginePacket::Noop)),
        Some(Ok(EnginePacket::Noop)),
        Some(Ok(EnginePacket::Noop)),
        Some(Err(engineio::DecodeError::TooManyPackets)),
        None,
    ];
    for packet in expected {
        assert_eq!(read.next(), packet);
    }
}
