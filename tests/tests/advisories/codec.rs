//! Hostile texts and binary messages, read by the codecs alone: Socket.IO packets, their arguments, polling payloads.
//!
//! Inputs of megabytes have to be read in a time that grows with their length: a parser that looks at each byte for
//! each byte before it would have some 10^12 steps to do here, and these tests would never end.

use engineio::{Packet as EnginePacket, Version, payload};
use socketio::codec::{ArgsError, DecodeError, Decoder, Limits, Packet, Parser, Part, Revision};
use socketio::{Bytes, Json};

/// A length at which nothing but linear work comes to an end.
const LONG: usize = 2_000_000;

/// A depth at which nothing that calls itself comes to an end on the stack of a test.
const DEEP: usize = 100_000;

fn decoder() -> Decoder {
    Decoder::new(Limits::default())
}

/// What becomes of one text.
fn read(text: impl Into<String>) -> Result<Option<Packet>, DecodeError> {
    decoder().text(text.into().into())
}

/// The error of one text; then nothing is held, and the next text is read as if nothing had been.
fn refused(text: &str) -> DecodeError {
    let mut decoder = decoder();
    let shown = text.get(..40).unwrap_or(text);
    let Err(error) = decoder.text(text.into()) else {
        panic!("{shown} was accepted");
    };
    assert!(!decoder.is_assembling(), "{shown}");
    assert!(decoder.text(r#"2["next"]"#.into()).is_ok(), "{shown}");
    error
}

/// The packet of one text with these attachments behind it.
fn assembled(text: &str, attachments: &[&'static [u8]]) -> Result<Packet, DecodeError> {
    let mut decoder = decoder();
    let mut packet = decoder.text(text.into())?;
    for attachment in attachments {
        packet = decoder.binary(Bytes::from_static(attachment))?;
    }
    assert!(!decoder.is_assembling(), "{text}");
    Ok(packet.unwrap_or_else(|| panic!("{text}: no packet")))
}

fn event(packet: Packet) -> socketio::codec::Event {
    match packet {
        Packet::Event { event, .. } => event,
        other => panic!("no event: {other:?}"),
    }
}

fn msgpack(message: impl Into<Bytes>) -> Result<Option<Packet>, DecodeError> {
    let mut decoder = Parser::msgpack().decoder(Limits::default(), Revision::R5);
    decoder.part(Part::Binary(message.into()))
}

/// A MessagePack event of the namespace `/` with this for its data.
fn msgpack_event(data: &[u8]) -> Vec<u8> {
    [b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data", data].concat()
}

/// A MessagePack event with one argument.
fn msgpack_argument(argument: &[u8]) -> Vec<u8> {
    msgpack_event(&[b"\x92\xa1e", argument].concat())
}

// Polling payloads.

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

// Headers of Socket.IO packets.

/// Ids and namespaces of any length are refused by their length, and digits are read once.
#[test]
fn cve_2020_36049_digits_and_namespaces_without_end() {
    let ones = "1".repeat(LONG);
    let zeros = "0".repeat(LONG);
    let name = "n".repeat(LONG);
    for (text, error) in [
        (
            format!(r#"2{ones}["e"]"#),
            DecodeError::AckIdTooLarge { offset: 1 },
        ),
        (
            format!(r#"2{zeros}7["e"]"#),
            DecodeError::AckIdTooLarge { offset: 1 },
        ),
        // Nothing ends it.
        (format!("3{ones}"), DecodeError::AckIdTooLarge { offset: 1 }),
        (
            format!(r#"51-/a,{ones}["e"]"#),
            DecodeError::AckIdTooLarge { offset: 6 },
        ),
        (
            format!(r#"5{ones}-["e"]"#),
            DecodeError::TooManyAttachments {
                offset: 1,
                limit: 10,
            },
        ),
        (
            format!("5{ones}"),
            DecodeError::IllegalAttachmentCount { offset: 1 },
        ),
        (
            format!(r#"2/{name},["e"]"#),
            DecodeError::NamespaceTooLong {
                offset: 1,
                limit: socketio::Namespace::MAX_LEN,
            },
        ),
        (
            format!("1/{name}"),
            DecodeError::NamespaceTooLong {
                offset: 1,
                limit: socketio::Namespace::MAX_LEN,
            },
        ),
    ] {
        assert_eq!(refused(&text), error, "{}", &text[..20]);
    }
    // The edge: 20 digits that fit in 64 bits, and not one more.
    for (id, is_good) in [
        ("18446744073709551615", true),
        ("00000000000000000007", true),
        ("18446744073709551616", false),
        ("99999999999999999999", false),
        ("000000000000000000007", false),
    ] {
        assert_eq!(read(format!("3{id}[]")).is_ok(), is_good, "{id}");
    }
}

/// The same where the id is a number of MessagePack.
#[test]
fn cve_2020_36049_ids_and_namespaces_of_messagepack() {
    let ack =
        |id: &[u8]| msgpack([&b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id"[..], id].concat());
    assert!(matches!(
        ack(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        Ok(Some(Packet::Ack { id: u64::MAX, .. }))
    ));
    let float = |value: f64| [&b"\xcb"[..], &value.to_be_bytes()].concat();
    for id in [
        float(1e300),
        float(18_446_744_073_709_551_616.0),
        float(f64::INFINITY),
        float(f64::NAN),
        float(0.5),
        float(-1.0),
        b"\xff".to_vec(),
        b"\xa17".to_vec(),
        b"\x91\x07".to_vec(),
    ] {
        assert!(ack(&id).is_err(), "{id:?}");
    }
    let mut long = b"\x83\xa4type\x02\xa4data\x91\xa1e\xa3nsp\xdb".to_vec();
    long.extend(u32::try_from(LONG).unwrap().to_be_bytes());
    long.push(b'/');
    long.extend(vec![b'n'; LONG - 1]);
    assert!(matches!(
        msgpack(long),
        Err(DecodeError::NamespaceTooLong { .. })
    ));
}

// Attachments.

/// A count that is none, or one above the limit, is refused with the text: nothing waits for attachments.
#[test]
fn cve_2026_33151_counts_that_are_none_or_too_high() {
    let none = DecodeError::IllegalAttachmentCount { offset: 1 };
    let too_many = DecodeError::TooManyAttachments {
        offset: 1,
        limit: 10,
    };
    for kind in ["5", "6"] {
        for (count, error) in [
            ("1000000", &too_many),
            ("11", &too_many),
            ("4294967297", &too_many),
            ("18446744073709551617", &too_many),
            ("99999999999999999999999999", &too_many),
            ("1.5", &none),
            ("1e1", &none),
            ("Infinity", &none),
            ("-Infinity", &none),
            ("NaN", &none),
            ("-1", &none),
            ("+1", &none),
            (" 1", &none),
            ("1 ", &none),
            ("0x1", &none),
            ("1_0", &none),
            ("\u{661}", &none),
            ("", &none),
        ] {
            let text = format!(r#"{kind}{count}-7["e"]"#);
            assert_eq!(refused(&text), *error, "{text}");
        }
        assert_eq!(refused(&format!(r#"{kind}1["e"]"#)), none);
        assert_eq!(refused(&format!("{kind}1")), none);
    }
}

/// One frame more than announced, and one when nothing was announced.
#[test]
fn cve_2026_33151_more_frames_than_announced() {
    let mut decoder = decoder();
    let text = r#"52-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    assert_eq!(decoder.text(text.into()), Ok(None));
    assert_eq!(decoder.binary(Bytes::from_static(b"0")), Ok(None));
    assert!(decoder.binary(Bytes::from_static(b"1")).unwrap().is_some());
    for _ in 0..1000 {
        let more = decoder.binary(Bytes::from_static(b"2"));
        assert_eq!(more, Err(DecodeError::UnexpectedBinary));
        assert!(!decoder.is_assembling());
    }
    // Text where the second attachment belongs ends it, too.
    assert_eq!(decoder.text(text.into()), Ok(None));
    assert_eq!(decoder.binary(Bytes::from_static(b"0")), Ok(None));
    let between = decoder.text(text.into());
    assert_eq!(between, Err(DecodeError::UnexpectedText));
    assert!(!decoder.is_assembling());
}

/// Few attachments, of any size: all of one packet have one limit together.
#[test]
fn cve_2026_33151_attachments_of_any_size() {
    let mut limits = Limits::default();
    limits.max_attachment_bytes = 100;
    let mut decoder = Decoder::new(limits);
    assert_eq!(decoder.text(r#"510-["e"]"#.into()), Ok(None));
    for _ in 0..2 {
        assert_eq!(decoder.binary(vec![0; 50].into()), Ok(None));
    }
    let too_large = DecodeError::AttachmentsTooLarge { limit: 100 };
    assert_eq!(decoder.binary(vec![0; 1].into()), Err(too_large));
    assert!(!decoder.is_assembling());
}

/// MessagePack announces lengths, which must be there: nothing is reserved, and nothing is waited for.
#[test]
fn cve_2026_33151_lengths_of_messagepack_with_nothing_behind_them() {
    for head in [
        // Arrays, maps, binary values, strings, extensions: as many as can be said.
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdc\xff\xff",
        b"\xde\xff\xff",
        b"\xc5\xff\xff",
        b"\xda\xff\xff",
        b"\xc8\xff\xff\x01",
        b"\x9f",
        b"\x8f",
        b"\xbf",
        b"\xc7\xff\x01",
        b"\xd8\x01",
        b"\xc1",
    ] {
        for message in [
            head.to_vec(),
            msgpack_event(head),
            msgpack_argument(head),
            msgpack_argument(&[b"\x81\xa1k", head].concat()),
            // As a key, and as a member that is not looked at.
            msgpack_argument(&[b"\x81", head].concat()),
            [b"\x81", head].concat(),
            [b"\x84\xa4type\x02\xa3nsp\xa1/\xa0", head].concat(),
        ] {
            let error = msgpack(message.clone()).unwrap_err();
            assert!(
                matches!(error, DecodeError::Malformed { .. }),
                "{message:?}: {error}"
            );
        }
    }
    // Each of many arrays announces all that is left: what is announced is counted, not looked for.
    let nested: Vec<u8> = b"\xdd\x00\x00\x00\x01".repeat(LONG / 5);
    assert!(msgpack(msgpack_argument(&nested)).is_err());
    // As a member that nobody reads.
    let unread = [
        &b"\x84\xa4type\x02\xa3nsp\xa1/\xa0"[..],
        &nested,
        b"\xc0\xa4data\x91\xa1e",
    ];
    assert!(msgpack(unread.concat()).is_ok());
    // Eleven binary values, where ten are allowed; extensions are binary values, too.
    for value in [&b"\xc4\x00"[..], b"\xd4\x05x", b"\xc7\x01\x00x"] {
        let data = [&b"\x9c\xa1e"[..], &value.repeat(11)].concat();
        let error = msgpack(msgpack_event(&data)).unwrap_err();
        assert!(
            matches!(error, DecodeError::TooManyAttachments { limit: 10, .. }),
            "{error}"
        );
    }
}

/// A packet that announces nothing and has no end: refused, and so is each binary message that follows it.
#[test]
fn cve_2026_69185_zero_attachments() {
    for text in [
        r#"50-["e"]"#,
        r#"500-["e"]"#,
        r#"50-/admin,7["e"]"#,
        "60-1[]",
        r#"50-["e",{"_placeholder":true,"num":0}]"#,
    ] {
        let mut decoder = decoder();
        let error = decoder.text(text.into()).unwrap_err();
        assert_eq!(error, DecodeError::IllegalAttachmentCount { offset: 1 });
        for _ in 0..1000 {
            let held = decoder.binary(Bytes::from_static(b"more"));
            assert_eq!(held, Err(DecodeError::UnexpectedBinary), "{text}");
            assert!(!decoder.is_assembling(), "{text}");
        }
        assert!(decoder.text(r#"2["next"]"#.into()).unwrap().is_some());
    }
}

// Placeholders.

/// The number of a placeholder is the index of an attachment that is there, or the packet is none.
#[test]
fn cve_2022_2421_placeholders_that_name_no_attachment() {
    let long = "1".repeat(100_000);
    let fraction = format!("0.{long}");
    for num in [
        r#""splice""#,
        r#""0""#,
        r#""length""#,
        r#""__proto__""#,
        "-1",
        "1",
        "2",
        "1.5",
        "0.5",
        "1e400",
        "-1e400",
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
        &long,
        &fraction,
        "null",
        "true",
        "[0]",
        r#"{"valueOf":0}"#,
    ] {
        let placeholder = format!(r#"{{"_placeholder":true,"num":{num}}}"#);
        for (text, kind) in [
            (format!(r#"51-["e",{placeholder}]"#), "an event"),
            (format!("61-7[{placeholder}]"), "an acknowledgement"),
            (
                format!(r#"51-["e",[[{{"a":{placeholder}}}]]]"#),
                "deep inside",
            ),
            (
                format!(r#"51-["e",{{"_placeholder":true,"num":0}},{placeholder}]"#),
                "behind a good one",
            ),
            (
                format!(r#"51-["e",{{"num":{num},"x":1,"_placeholder":true}}]"#),
                "in another order",
            ),
            (
                format!(r#"51-["e",{{"_placeholder":true,"num":0,"num":{num}}}]"#),
                "behind another number",
            ),
            (
                format!(r#"51-["e",{{"\u005fplaceholder":true,"n\u0075m":{num}}}]"#),
                "in other letters",
            ),
        ] {
            let error = assembled(&text, &[b"data"]).unwrap_err();
            assert!(
                matches!(error, DecodeError::IllegalPlaceholder { .. }),
                "{kind}, {}: {error}",
                num.get(..30).unwrap_or(num)
            );
        }
    }
    // Without a number it names none, either.
    let error = assembled(r#"51-["e",{"_placeholder":true}]"#, &[b"data"]).unwrap_err();
    assert!(matches!(error, DecodeError::IllegalPlaceholder { .. }));
    // In place of the name of the event it is no name.
    let error = refused(r#"51-[{"_placeholder":true,"num":0}]"#);
    assert!(matches!(error, DecodeError::IllegalEventName { .. }));
}

/// What only looks like a placeholder is data: in packets without attachments, and where the mark is not `true`.
#[test]
fn cve_2022_2421_what_looks_like_a_placeholder_is_data() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Literal {
        _placeholder: bool,
        num: serde_json::Value,
    }
    let event_of = |text: &str| event(read(text).unwrap().unwrap());
    for num in [r#""splice""#, "0", "-1", "1e3"] {
        let literal = format!(r#"{{"_placeholder":true,"num":{num}}}"#);
        let event = event_of(&format!(r#"2["e",{literal}]"#));
        let read: Literal = event.parse().unwrap();
        assert_eq!(
            read.num,
            serde_json::from_str::<serde_json::Value>(num).unwrap()
        );
        assert!(event.parse::<Bytes>().is_err(), "{literal}");
        assert_eq!(event.attachments().len(), 0);
        // CONNECT_ERROR has no attachments.
        let Ok(Some(Packet::ConnectError { payload, .. })) = read_error(&literal) else {
            panic!("{literal}");
        };
        assert_eq!(payload.as_ref().map(Json::as_str), Some(literal.as_str()));
    }
    for mark in ["1", r#""true""#, "false", "null", "[true]"] {
        let text = format!(r#"51-["e",{{"_placeholder":{mark},"num":"splice"}}]"#);
        let event = event(assembled(&text, &[b"data"]).unwrap());
        assert!(
            event.parse::<serde_json::Value>().unwrap().is_object(),
            "{mark}"
        );
    }
}

fn read_error(payload: &str) -> Result<Option<Packet>, DecodeError> {
    read(format!("4{payload}"))
}

/// Any number of placeholders may stand for one attachment. What they come to, if each is read, has the limit of the
/// attachments themselves: else a text of a few bytes for each would make gigabytes of one of megabytes.
#[test]
fn cve_2022_2421_one_attachment_in_many_places() {
    const PLACES: usize = 1000;
    let place = r#"{"_placeholder":true,"num":0}"#;
    let text = format!(r#"51-["e",[{}]]"#, [place; PLACES].join(","));
    let mut limits = Limits::default();
    limits.max_attachment_bytes = 100 * PLACES;
    for (size, is_good) in [(0, true), (100, true), (101, false), (100 * PLACES, false)] {
        let mut decoder = Decoder::new(limits.clone());
        assert_eq!(decoder.text(text.as_str().into()), Ok(None));
        let packet = decoder.binary(vec![0; size].into());
        assert!(!decoder.is_assembling());
        if is_good {
            let values = event(packet.unwrap().unwrap()).parse::<Vec<Bytes>>();
            assert_eq!(
                values.unwrap().iter().map(Bytes::len).sum::<usize>(),
                size * PLACES
            );
        } else {
            let limit = limits.max_attachment_bytes;
            assert_eq!(packet, Err(DecodeError::AttachmentsTooLarge { limit }));
        }
    }
}

// Names of events.

/// An event's name is a string, or at least a number: nothing of a peer's is ever asked for a string.
#[test]
fn cve_2023_32695_names_that_are_none() {
    for revision in [Revision::R5, Revision::R4] {
        for name in [
            r#"{"toString":"foo"}"#,
            r#"{"toString":null}"#,
            "{}",
            r#"["e"]"#,
            "[]",
            "null",
            "true",
            "false",
        ] {
            for text in [format!("2[{name}]"), format!(r#"2/a,7[{name},"x"]"#)] {
                let mut decoder = Decoder::with_revision(Limits::default(), revision);
                let error = decoder.text(text.as_str().into()).unwrap_err();
                assert!(
                    matches!(error, DecodeError::IllegalEventName { .. }),
                    "{text}: {error}"
                );
            }
        }
    }
    for text in [
        "2",
        "2[]",
        "2{}",
        r#"2{"0":"e"}"#,
        "2null",
        r#"2"e""#,
        "27",
        "2[",
        r#"2["e""#,
    ] {
        refused(text);
    }
    for data in [
        // {toString: "foo"}, nil, true, ["e"], a binary value, an extension, a float, no name at all.
        &b"\x91\x81\xa8toString\xa3foo"[..],
        b"\x91\xc0",
        b"\x91\xc3",
        b"\x91\x91\xa1e",
        b"\x91\xc4\x01e",
        b"\x91\xd4\x05e",
        b"\x91\xd4\x00\x00",
        b"\x90",
        b"\xa1e",
        b"\x81\x00\xa1e",
        b"\xc0",
    ] {
        assert!(msgpack(msgpack_event(data)).is_err(), "{data:?}");
    }
}

/// Any other name is only a name. Those that are the library's own end the connection with an error of their own.
#[test]
fn cve_2024_38355_no_name_has_a_meaning() {
    for name in [
        "error",
        "close",
        "data",
        "end",
        "ping",
        "message",
        "__proto__",
        "constructor",
        "toString",
        "uncaughtException",
        "",
    ] {
        let text = format!(r#"2["{name}"]"#);
        assert_eq!(event(read(text).unwrap().unwrap()).name(), name);
    }
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
        // As it is read, and not as it is written.
        r"\u0063onnect",
    ] {
        let error = refused(&format!(r#"2["{name}"]"#));
        assert!(
            matches!(error, DecodeError::ReservedEventName { .. }),
            "{name}: {error}"
        );
    }
}

// Arguments.

/// Nothing that walks over a value does so by recursion without an end.
#[test]
fn cwe_674_deep_values() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = |depth: usize| {
            let inner = if open == "[" { "" } else { "1" };
            format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
        };
        // Never looked at, the depth does no harm; read as a value, it is an error, also where it ends the wrong way.
        let event = event(read(format!(r#"2["e",{}]"#, deep(DEEP))).unwrap().unwrap());
        let error = event.parse::<serde_json::Value>().unwrap_err();
        assert!(matches!(error, ArgsError::Argument { .. }), "{error}");
        assert!(event.parse::<serde::de::IgnoredAny>().is_ok());
        assert_eq!(event.iter_raw().count(), 1);
        assert!(event.args().parse_each::<serde_json::Value>().is_err());
        for text in [
            format!(r#"2["e",{}"#, open.repeat(DEEP)),
            format!(r#"2["e",{}"#, close.repeat(DEEP)),
        ] {
            assert!(matches!(refused(&text), DecodeError::InvalidJson { .. }));
        }
        // With attachments all of it is looked at, to a limit.
        let text = format!(r#"51-["e",{}]"#, deep(DEEP));
        let error = assembled(&text, &[b"data"]).unwrap_err();
        assert!(matches!(error, DecodeError::TooDeep { limit: 128, .. }));
        for payload in [format!(r#"{{"data":{}}}"#, deep(DEEP)), deep(DEEP)] {
            let packet = read_error(&payload);
            let Ok(Some(Packet::ConnectError { payload, .. })) = packet else {
                continue;
            };
            assert!(payload.unwrap().parse::<serde_json::Value>().is_err());
        }
    }
    for level in [&b"\x91"[..], b"\x81\xa0", b"\x81\x01"] {
        let deep = [&level.repeat(DEEP)[..], b"\xc0"].concat();
        let error = msgpack(msgpack_argument(&deep)).unwrap_err();
        assert!(
            matches!(error, DecodeError::TooDeep { limit: 128, .. }),
            "{error}"
        );
        let connect = [b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x81\xa0", &deep[..]].concat();
        assert!(msgpack(connect).is_err());
        let elsewhere = [
            b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1e\xa0",
            &deep[..],
        ]
        .concat();
        assert!(msgpack(elsewhere).is_ok());
        // As a key.
        let key = [b"\x81", &deep[..], b"\xc0"].concat();
        assert!(msgpack(msgpack_argument(&key)).is_err());
    }
}

/// A number of any length, a string of nothing but escapes, keys that are all the same: once over the text.
#[test]
fn cwe_407_values_that_are_dear_to_read() {
    const LONG: usize = super::codec::LONG / 3;
    let digits = "9".repeat(LONG);
    for number in [
        digits.clone(),
        format!("-{digits}"),
        format!("0.{digits}"),
        format!("1e{digits}"),
        format!("1e-{digits}"),
        format!("{digits}e-{}", LONG - 1),
    ] {
        let event = event(read(format!(r#"2["e",{number}]"#)).unwrap().unwrap());
        let shown = &number[..10];
        assert!(event.parse::<u64>().is_err(), "{shown}");
        if let Ok(value) = event.parse::<f64>() {
            assert!(value.is_finite(), "{shown}");
        }
        let Ok(Some(Packet::ConnectError { payload, .. })) =
            read_error(&format!(r#"{{"data":{number}}}"#))
        else {
            panic!("{shown}");
        };
        if let Ok(value) = payload.unwrap().parse::<serde_json::Value>() {
            assert!(value["data"].as_f64().unwrap().is_finite(), "{shown}");
        }
    }
    let escapes = r"\u0061".repeat(LONG / 6);
    let text = event(read(format!(r#"2["e","{escapes}"]"#)).unwrap().unwrap());
    assert_eq!(text.parse::<String>().unwrap().len(), LONG / 6);
    let same = r#""a":1,"#.repeat(LONG / 60);
    let object = event(read(format!(r#"2["e",{{{same}"a":2}}]"#)).unwrap().unwrap());
    let value = object.parse::<std::collections::BTreeMap<String, u8>>();
    assert_eq!(value.unwrap()["a"], 2);
    // In places of placeholders, too.
    let marks = r#""_placeholder":true,"#.repeat(10_000);
    let text = format!(r#"51-["e",{{{marks}"num":0}}]"#);
    let event = event(assembled(&text, &[b"data"]).unwrap());
    assert_eq!(event.parse::<Bytes>().unwrap(), "data");
}

/// What is packed into a packet and counted nowhere (white space, members that nobody reads) is not held with it: else a
/// queue of a thousand events of a few bytes would hold a thousand messages of megabytes.
#[test]
fn cwe_771_small_packets_in_large_messages() {
    const PADDING: usize = 100_000;
    let spaces = " ".repeat(PADDING);
    let zeros = "0".repeat(PADDING);
    for text in [
        format!(r#"2["e"]{spaces}"#),
        format!(r#"27["e"]{spaces}"#),
        format!("37[]{spaces}"),
        format!("0{{}}{spaces}"),
        format!("4{{}}{spaces}"),
        format!("1{spaces}"),
        format!(r#"5{zeros}1-["e"]"#),
    ] {
        let message = Bytes::from(text);
        let mut decoder = decoder();
        let packet = decoder.text(message.clone().try_into().unwrap());
        let shown = &message[..3];
        // A DISCONNECT with anything behind it is none.
        assert!(packet.is_ok() || shown == b"1  ", "{shown:?}");
        assert!(message.is_unique(), "{shown:?}");
    }
    let unread = [&b"\xa0\xc6"[..], &100_000_u32.to_be_bytes(), &[0; PADDING]].concat();
    for data in [
        &b"\x92\xa1e\xc4\x01x"[..],
        b"\x92\xa1e\xd4\x05x",
        b"\x92\xa1e\x01",
    ] {
        let head = b"\x84\xa4type\x02\xa3nsp\xa2/a\xa4data";
        let message = Bytes::from([&head[..], data, &unread].concat());
        let packet = msgpack(message.clone()).unwrap();
        assert!(packet.is_some());
        assert!(message.is_unique(), "{data:?}");
    }
}
