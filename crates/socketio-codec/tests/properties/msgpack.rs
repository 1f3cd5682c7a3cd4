//! What holds for every packet and every message in MessagePack.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use socketio_codec::{
    Bytes, DecodeError, Decoder, EncodeError, Limits, Packet, Parser, Part, Parts, RawValue,
    Revision,
};

use super::{Value, args, examine, fragments, limits, packet};

fn encode(packet: &Packet) -> Bytes {
    match only(Parser::msgpack().encode(packet).unwrap()) {
        Part::Binary(message) => message,
        other => panic!("{other:?}"),
    }
}

fn only(parts: Parts) -> Part {
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap();
    assert_eq!(parts.next(), None, "one message is all");
    first
}

fn decode(limits: Limits, message: Bytes) -> Result<Packet, DecodeError> {
    let mut decoder = Parser::msgpack().decoder(limits, Revision::R5);
    let packet = decoder.binary(message)?;
    assert!(!decoder.is_assembling());
    Ok(packet.unwrap())
}

/// Reads a message, and whatever it is, sends that on in either format.
fn run(message: Bytes) {
    let size = message.len();
    let Ok(packet) = decode(Limits::default(), message) else {
        return;
    };
    assert_eq!(
        decode(Limits::default(), encode(&packet)).as_ref(),
        Ok(&packet)
    );
    match Parser::json().encode(&packet) {
        Ok(parts) => {
            let mut decoder = Decoder::new(Limits::default());
            let mut received = None;
            for part in parts {
                received = match part {
                    Part::Text(text) => decoder.text(text).unwrap(),
                    Part::Binary(data) => decoder.binary(data).unwrap(),
                    other => panic!("{other:?}"),
                };
            }
            assert_eq!(received.as_ref(), Some(&packet));
            examine(Revision::R5, &packet);
        }
        Err(error) => assert_eq!(error, EncodeError::AmbiguousPlaceholder),
    }
    if let Some(args) = args(&packet) {
        // The text grows most with control characters; binary values are few.
        const PLACEHOLDERS: usize = 10 * r#"{"_placeholder":true,"num":0}"#.len();
        let json = args.json();
        assert!(json.len() <= 6 * size + PLACEHOLDERS);
        let kept: usize = args.attachments().iter().map(Bytes::len).sum();
        assert!(kept <= size);
        let expected: Vec<&RawValue> = serde_json::from_str(&json).unwrap();
        assert!(args.iter_raw().eq(expected.into_iter().map(RawValue::get)));
    }
}

/// Pieces of MessagePack, so that random ones get past the first byte.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => select(vec![
            &b"\x83\xa4type"[..], b"\xa4type", b"\xa3nsp", b"\xa4data", b"\xa2id", b"\xa1/",
            b"\xacplaceholder", b"\xac_placeholder\xc3", b"\xa3num\x00", b"\x82", b"\x81", b"\x80",
            b"\x90", b"\x91", b"\x92", b"\x93", b"\xa1a", b"\xa0", b"\xa1\n", b"\xa7connect",
            b"\x00", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\xc0", b"\xc2", b"\xc3",
            b"\xc1", b"\xc4\x00", b"\xc4\x01a", b"\xc7\x01\x00a", b"\xc7\x01\x05a",
            b"\xd4\x00\x00", b"\xd5\x01ab", b"\xd7\x00\x00\x00\x01\x6f\x5e\x66\xe8\x00",
            b"\xca\x3d\xcc\xcc\xcd", b"\xcb\x3f\xf8\0\0\0\0\0\0", b"\xcb\x7f\xf8\0\0\0\0\0\0",
            b"\xcb\xff\xff", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xd3\x80\0\0\0\0\0\0\0",
            b"\xdd\xff\xff\xff\xff", b"\xdc\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xff",
        ])
        .prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn event_around(argument: &[u8]) -> Bytes {
    let start = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa1a";
    [start, argument].concat().into()
}

proptest! {
    #[test]
    fn packets_survive_the_wire((packet, values) in packet()) {
        let arrived = decode(limits(), encode(&packet)).unwrap();
        prop_assert_eq!(&arrived, &packet);
        if let Some(args) = args(&arrived) {
            prop_assert_eq!(args.parse::<[Value; 3]>().unwrap(), values);
        }
        // Both formats say the same.
        examine(Revision::R5, &arrived);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        run(bytes.into());
    }

    #[test]
    fn any_pieces_are_decoded_or_refused(pieces in pieces()) {
        run(event_around(&pieces));
        run(pieces.into());
    }

    #[test]
    fn damaged_packets_are_decoded_or_refused(
        (packet, _) in packet(),
        damage in prop::collection::vec((any::<Index>(), 0_usize..3, pieces()), 0..3),
    ) {
        let mut message = encode(&packet).to_vec();
        for (position, removed, inserted) in damage {
            let start = position.index(message.len() + 1);
            let end = message.len().min(start + removed);
            message.splice(start..end, inserted);
        }
        run(message.into());
    }

    /// Also of values that our own encoder never writes.
    #[test]
    fn what_comes_as_json_goes_on_as_messagepack(rest in fragments(), data in ".{0,3}") {
        let data = Bytes::from(data);
        for text in [format!(r#"2["a",{rest}]"#), format!(r#"51-["a",{rest}]"#), format!("0{rest}")] {
            let mut decoder = Decoder::new(Limits::default());
            let Ok(mut packet) = decoder.text(text.as_str().into()) else { continue };
            if decoder.is_assembling() {
                let Ok(whole) = decoder.binary(data.clone()) else { continue };
                packet = whole;
            }
            let packet = packet.unwrap();
            let message = match Parser::msgpack().encode(&packet) {
                Ok(parts) => match only(parts) {
                    Part::Binary(message) => message,
                    other => panic!("{other:?}"),
                },
                Err(EncodeError::Inexpressible { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            let arrived = decode(Limits::default(), message).unwrap();
            prop_assert_eq!(arrived.namespace(), packet.namespace());
            match (args(&arrived), args(&packet)) {
                (Some(arrived), Some(sent)) => {
                    prop_assert_eq!(arrived.len(), sent.len());
                    if let Ok(values) = sent.parse::<[Value; 4]>() {
                        prop_assert_eq!(arrived.parse::<[Value; 4]>().unwrap(), values);
                    }
                }
                (None, None) => {}
                _ => panic!("{arrived:?} is not {packet:?}"),
            }
        }
    }
}
