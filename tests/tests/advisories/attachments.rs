//! Hostile attachments of Socket.IO packets: how many are announced, what then comes, and the placeholders that name them.

use socketio::codec::{DecodeError, Decoder, Limits, Packet};
use socketio::{Bytes, Json};

use crate::codec::{
    LONG, assembled, decoder, event, msgpack, msgpack_argument, msgpack_event, read, read_error,
    refused,
};

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
