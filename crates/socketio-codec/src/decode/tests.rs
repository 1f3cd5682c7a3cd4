//! One row, one rule. Where a row says so, the reference implementation decides otherwise.

use super::*;

fn decode(text: &str) -> Result<Option<Packet>, DecodeError> {
    Decoder::new(Limits::default()).text(text.into())
}

fn decode_all(text: &str, attachments: &[&'static [u8]]) -> Result<Packet, DecodeError> {
    let mut decoder = Decoder::new(Limits::default());
    let mut packet = decoder.text(text.into())?;
    for attachment in attachments {
        assert!(decoder.is_assembling());
        assert_eq!(packet, None);
        packet = decoder.binary(Bytes::from_static(attachment))?;
    }
    assert!(!decoder.is_assembling());
    Ok(packet.expect("all attachments were given"))
}

/// A packet in short: type, namespace, id, JSON, attachments.
fn show(packet: &Packet) -> String {
    let or_none = |json: &Option<Json>| {
        json.as_ref()
            .map_or("-".into(), |json| json.as_str().to_owned())
    };
    let namespace = packet.namespace();
    let shown = match packet {
        Packet::Connect { query, payload, .. } => {
            let query = query
                .as_ref()
                .map_or(String::new(), |query| format!("?{}", query.as_str()));
            format!("CONNECT {namespace}{query} {}", or_none(payload))
        }
        Packet::Disconnect { .. } => format!("DISCONNECT {namespace}"),
        Packet::Event {
            id: None, event, ..
        } => {
            format!("EVENT {namespace} {}{}", event.name(), event.args().json())
        }
        Packet::Event {
            id: Some(id),
            event,
            ..
        } => {
            format!(
                "EVENT {namespace} {id} {}{}",
                event.name(),
                event.args().json()
            )
        }
        Packet::Ack { id, args, .. } => format!("ACK {namespace} {id} {}", args.json()),
        Packet::ConnectError { payload, .. } => {
            format!("CONNECT_ERROR {namespace} {}", or_none(payload))
        }
    };
    match packet.attachments().len() {
        0 => shown,
        n => format!("{shown} +{n}"),
    }
}

#[test]
fn text_packets() {
    for (text, expected) in [
        // The comma is optional only when nothing follows.
        ("0", "CONNECT / -"),
        ("0/,", "CONNECT / -"),
        ("0/", "CONNECT / -"),
        ("0/a", "CONNECT /a -"),
        ("0/a,", "CONNECT /a -"),
        (r#"0{"sid":"x"}"#, r#"CONNECT / {"sid":"x"}"#),
        ("0/a,{}", "CONNECT /a {}"),
        (r#"0/a{"x":1}"#, r#"CONNECT /a{"x":1} -"#),
        ("0/a?x=1,", "CONNECT /a?x=1 -"),
        ("1", "DISCONNECT /"),
        ("1/a,", "DISCONNECT /a"),
        ("1/a", "DISCONNECT /a"),
        (r#"2["a",1,null]"#, "EVENT / a[1,null]"),
        (r#"20["a"]"#, "EVENT / 0 a[]"),
        (
            r#"2/a,12["a",{"d":"é😀"}]"#,
            r#"EVENT /a 12 a[{"d":"é😀"}]"#,
        ),
        (r#"2/,["a"]"#, "EVENT / a[]"),
        (r#"2007["a"]"#, "EVENT / 7 a[]"),
        (
            r#"218446744073709551615["a"]"#,
            "EVENT / 18446744073709551615 a[]",
        ),
        (r#"200000000000000000007["a"]"#, "EVENT / 7 a[]"),
        // White space inside and behind the JSON.
        ("2[\"a\"] \t\r\n", "EVENT / a[]"),
        ("2[ \"a\" , 1 ]", "EVENT / a[ 1 ]"),
        ("2[ \"a\" ]", "EVENT / a[]"),
        // Numeric names.
        ("2[1]", "EVENT / 1[]"),
        ("2[-1.5e3,2]", "EVENT / -1.5e3[2]"),
        // Names that only look special.
        (r#"2["error"]"#, "EVENT / error[]"),
        (r#"2["ping"]"#, "EVENT / ping[]"),
        (r#"2["connection"]"#, "EVENT / connection[]"),
        (r#"2["close"]"#, "EVENT / close[]"),
        (r#"2["__proto__"]"#, "EVENT / __proto__[]"),
        (r#"2["Connect"]"#, "EVENT / Connect[]"),
        (r#"2[""]"#, "EVENT / []"),
        (r#"2["a\n\"\u00e9"]"#, "EVENT / a\n\"é[]"),
        // What cannot be read as a value is still delivered.
        (r#"2["a","\ud800",1e999]"#, r#"EVENT / a["\ud800",1e999]"#),
        // An object in a text packet is an object.
        (
            r#"2["a",{"_placeholder":true,"num":9}]"#,
            r#"EVENT / a[{"_placeholder":true,"num":9}]"#,
        ),
        ("35[]", "ACK / 5 []"),
        ("3/a,5[1]", "ACK /a 5 [1]"),
        (
            r#"31[{"_placeholder":true,"num":9}]"#,
            r#"ACK / 1 [{"_placeholder":true,"num":9}]"#,
        ),
        // An ACK without JSON has no arguments.
        ("31", "ACK / 1 []"),
        ("3/a,1", "ACK /a 1 []"),
        ("4", "CONNECT_ERROR / -"),
        (r#"4"x""#, r#"CONNECT_ERROR / "x""#),
        (r#"44"x""#, r#"CONNECT_ERROR / "x""#),
        (
            r#"4/admin,{"message":"not authorized","data":{"code":"E1"}}"#,
            r#"CONNECT_ERROR /admin {"message":"not authorized","data":{"code":"E1"}}"#,
        ),
        // Ids where they mean nothing are ignored.
        (r#"07{"x":1}"#, r#"CONNECT / {"x":1}"#),
        ("1/a,7", "DISCONNECT /a"),
    ] {
        let packet = decode_all(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(show(&packet), expected, "{text}");
    }
}

#[test]
fn rejected_texts() {
    use DecodeError::*;
    let payload = |offset, expected| IllegalPayload { offset, expected };
    let connect = |offset| payload(offset, "absent or an object");
    let nothing = |offset| payload(offset, "absent");
    let array = |offset| payload(offset, "an array");
    let named = |offset| payload(offset, "an array with a name in front");
    let refusal = |offset| payload(offset, "absent, an object or a string");
    let name = |offset| IllegalEventName { offset };
    let json = |offset| InvalidJson { offset };
    let count = IllegalAttachmentCount { offset: 1 };
    let too_many = TooManyAttachments {
        offset: 1,
        limit: 10,
    };
    for (text, expected) in [
        // The reference implementation takes an empty message for a CONNECT.
        ("", Empty),
        ("7", UnknownType),
        ("9", UnknownType),
        ("a", UnknownType),
        ("-", UnknownType),
        (" 2[\"a\"]", UnknownType),
        ("é", UnknownType),
        ("0[]", connect(1)),
        ("0null", connect(1)),
        (r#"0"x""#, connect(1)),
        ("0/a,[]", connect(4)),
        (r#"0{"x":1"#, json(7)),
        (r#"0{"x":1}{"#, json(8)),
        (r#"0{"x":1,}"#, json(8)),
        ("1{}", nothing(1)),
        ("1null", nothing(1)),
        ("1/a,[]", nothing(4)),
        // The reference implementation delivers an event without a name.
        ("2", named(1)),
        ("21", named(2)),
        ("2/a", named(3)),
        (r#"2/a["x"]"#, named(8)),
        ("2[]", name(2)),
        ("2{}", array(1)),
        ("2null", array(1)),
        (r#"2"a""#, array(1)),
        ("2[null]", name(2)),
        ("2[true]", name(2)),
        ("2[{}]", name(2)),
        (r#"2[{"toString":"foo"}]"#, name(2)),
        (r#"2[ ["a"]]"#, name(3)),
        // The reference implementation delivers names that are not Unicode.
        (r#"2["\ud800"]"#, name(2)),
        (
            r#"2["connect"]"#,
            ReservedEventName {
                offset: 2,
                name: "connect",
            },
        ),
        (
            r#"2["connect_error"]"#,
            ReservedEventName {
                offset: 2,
                name: "connect_error",
            },
        ),
        (
            r#"2["disconnect",1]"#,
            ReservedEventName {
                offset: 2,
                name: "disconnect",
            },
        ),
        (
            r#"21["disconnecting"]"#,
            ReservedEventName {
                offset: 3,
                name: "disconnecting",
            },
        ),
        (
            r#"2/a,["newListener"]"#,
            ReservedEventName {
                offset: 5,
                name: "newListener",
            },
        ),
        (
            r#"2["removeListener"]"#,
            ReservedEventName {
                offset: 2,
                name: "removeListener",
            },
        ),
        (
            r#"2["\u0063onnect"]"#,
            ReservedEventName {
                offset: 2,
                name: "connect",
            },
        ),
        (r#"2["a""#, json(5)),
        (r#"2["a"]x"#, json(6)),
        (r#"2["a"]["b"]"#, json(6)),
        (r#"2["a",]"#, json(6)),
        ("2[\"a\",\"\u{1}\"]", json(7)),
        (r#"2["a",01]"#, json(7)),
        (r#"2["a",NaN]"#, json(6)),
        ("2[\"a\"]\u{a0}", json(6)),
        (r#"2abc["a"]"#, array(1)),
        (r#"2-1["a"]"#, array(1)),
        (r#"21.5["a"]"#, array(2)),
        // The reference implementation takes white space for the id 0.
        (r#"2 ["a"]"#, array(1)),
        ("2\t[\"a\"]", array(1)),
        (r#"2/a, ["a"]"#, array(4)),
        (r#"21 ["a"]"#, array(2)),
        ("0 ", connect(1)),
        ("1 ", nothing(1)),
        ("31 ", array(2)),
        // The reference implementation loses the precision of these.
        (r#"218446744073709551616["a"]"#, AckIdTooLarge { offset: 1 }),
        (
            r#"2/a,000000000000000000001["a"]"#,
            AckIdTooLarge { offset: 4 },
        ),
        // The reference implementation drops these.
        ("3", MissingAckId { offset: 1 }),
        ("3[]", MissingAckId { offset: 1 }),
        ("3/a,[]", MissingAckId { offset: 4 }),
        ("31{}", array(2)),
        ("31null", array(2)),
        ("31[", json(3)),
        ("4[]", refusal(1)),
        ("4null", refusal(1)),
        ("4true", refusal(1)),
        (r#"4"x"#, json(3)),
        (r#"5["a"]"#, count.clone()),
        (r#"5-["a"]"#, count.clone()),
        (r#"50-["a"]"#, count.clone()),
        (r#"500-["a"]"#, count.clone()),
        (r#"5-1-["a"]"#, count.clone()),
        (r#"5+1-["a"]"#, count.clone()),
        (r#"51.5-["a"]"#, count.clone()),
        (r#"51["a"]"#, count.clone()),
        ("51", count.clone()),
        ("5", count.clone()),
        (r#"5Infinity-["a"]"#, count.clone()),
        // The reference implementation takes these for 1.
        (r#"51e0-["a"]"#, count.clone()),
        (r#"50x1-["a"]"#, count.clone()),
        (r#"5 1-["a"]"#, count.clone()),
        ("60-1[]", count.clone()),
        (r#"511-["a"]"#, too_many.clone()),
        (r#"51000000-["e"]"#, too_many.clone()),
        (r#"599999999999999999999999-["e"]"#, too_many.clone()),
        // The name is checked before there are attachments.
        (r#"51-[{"_placeholder":true,"num":0}]"#, name(4)),
        // The reference implementation delivers nothing at all.
        ("51-", named(3)),
        ("61-[]", MissingAckId { offset: 3 }),
        ("0/a\u{1e}b,", IllegalNamespace { offset: 3 }),
    ] {
        match (decode(text), &expected) {
            (Err(InvalidJson { offset: found }), InvalidJson { offset }) => {
                assert!(found.abs_diff(*offset) <= 1, "{text}: {found}");
            }
            (found, _) => assert_eq!(found, Err(expected), "{text}"),
        }
    }
}

#[test]
fn binary_packets() {
    const A: &[u8] = b"a";
    for (text, attachments, expected) in [
        (
            r#"51-["a",{"_placeholder":true,"num":0}]"#,
            &[A][..],
            r#"EVENT / a[{"_placeholder":true,"num":0}] +1"#,
        ),
        (
            r#"52-/a,3["a",{"num":1,"_placeholder":true,"x":0},{"_placeholder":true,"num":0}]"#,
            &[A, A],
            r#"EVENT /a 3 a[{"num":1,"_placeholder":true,"x":0},{"_placeholder":true,"num":0}] +2"#,
        ),
        (
            r#"61-3[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
            &[b""],
            r#"ACK / 3 [{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}] +1"#,
        ),
        // Not all attachments need be used.
        (r#"51-["a"]"#, &[A], "EVENT / a[] +1"),
        ("61-3", &[A], "ACK / 3 [] +1"),
        (
            r#"51-["a",{"_placeholder":1}]"#,
            &[A],
            r#"EVENT / a[{"_placeholder":1}] +1"#,
        ),
        // Leading zeros, as in an id.
        (r#"501-["a"]"#, &[A], "EVENT / a[] +1"),
        (r#"510-["a"]"#, &[A; 10], "EVENT / a[] +10"),
    ] {
        let packet =
            decode_all(text, attachments).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(show(&packet), expected, "{text}");
        assert_eq!(packet.attachments(), attachments, "{text}");
    }
}

#[test]
fn rejected_placeholders() {
    for num in ["-1", "1", "2", "0.5", "\"0\"", "\"splice\"", "null", "{}"] {
        let text = format!(r#"51-/a,["a",{{"_placeholder":true,"num":{num}}}]"#);
        assert_eq!(
            decode_all(&text, &[b"x"]),
            Err(DecodeError::IllegalPlaceholder { offset: 11 }),
            "{num}"
        );
    }
    assert_eq!(
        decode_all(r#"61-1[{"_placeholder":true}]"#, &[b"x"]),
        Err(DecodeError::IllegalPlaceholder { offset: 5 })
    );
}

#[test]
fn depth_is_bounded_only_where_placeholders_are_looked_for() {
    let text = |header: &str| format!("{header}{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!(decode_all(&text("30"), &[]).is_ok());
    assert_eq!(
        decode_all(&text("61-0"), &[b"x"]),
        Err(DecodeError::TooDeep {
            offset: 4 + 128,
            limit: 128
        })
    );
}

#[test]
fn an_error_ends_the_unfinished_packet() {
    let header = r#"52-["a",{"_placeholder":true,"num":0}]"#;
    let mut decoder = Decoder::new(Limits::default());
    let stray = |decoder: &mut Decoder| decoder.binary(Bytes::from_static(b"x"));

    assert_eq!(stray(&mut decoder), Err(DecodeError::UnexpectedBinary));
    assert_eq!(decoder.text(header.into()), Ok(None));
    assert_eq!(stray(&mut decoder), Ok(None));
    assert_eq!(
        decoder.text(r#"2["b"]"#.into()),
        Err(DecodeError::UnexpectedText)
    );
    assert!(!decoder.is_assembling());
    assert_eq!(stray(&mut decoder), Err(DecodeError::UnexpectedBinary));

    assert_eq!(decoder.text(header.into()), Ok(None));
    decoder.reset();
    assert!(!decoder.is_assembling());
    assert!(matches!(decoder.text(r#"2["b"]"#.into()), Ok(Some(_))));

    // A header in error announces nothing.
    assert!(decoder.text("51-[".into()).is_err());
    assert!(!decoder.is_assembling());
}

#[test]
fn limits() {
    let decoder = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Decoder::new(limits)
    };
    let mut two = decoder(|limits| limits.max_attachments = 2);
    assert_eq!(
        two.text(r#"53-["a"]"#.into()),
        Err(DecodeError::TooManyAttachments {
            offset: 1,
            limit: 2
        })
    );
    assert_eq!(two.text(r#"52-["a"]"#.into()), Ok(None));
    let mut many = decoder(|limits| limits.max_attachments = usize::MAX);
    assert_eq!(many.text(r#"518446744073709551615-["a"]"#.into()), Ok(None));

    let mut bytes = decoder(|limits| limits.max_attachment_bytes = 3);
    assert_eq!(bytes.text(r#"53-["a"]"#.into()), Ok(None));
    assert_eq!(bytes.binary(Bytes::from_static(b"ab")), Ok(None));
    assert_eq!(bytes.binary(Bytes::from_static(b"c")), Ok(None));
    assert_eq!(
        bytes.binary(Bytes::from_static(b"d")),
        Err(DecodeError::AttachmentsTooLarge { limit: 3 })
    );
    assert!(!bytes.is_assembling());

    let mut places = decoder(|limits| limits.max_attachment_bytes = 3);
    let place = r#"{"_placeholder":true,"num":0}"#;
    let header = format!(r#"51-["x",{place},[{place}]]"#);
    for (attachment, is_good) in [("a", true), ("ab", false)] {
        assert_eq!(places.text(header.as_str().into()), Ok(None));
        let packet = places.binary(attachment.into());
        assert_eq!(packet.is_ok(), is_good, "{attachment}");
        assert!(!places.is_assembling());
    }

    let mut name = decoder(|limits| limits.max_namespace_len = 3);
    assert!(name.text("0/ab,".into()).is_ok());
    assert_eq!(
        name.text("0/abc,".into()),
        Err(DecodeError::NamespaceTooLong {
            offset: 1,
            limit: 3
        })
    );
    let mut any_name = decoder(|limits| limits.max_namespace_len = usize::MAX);
    let longest = "a".repeat(Namespace::MAX_LEN - 1);
    assert!(any_name.text(format!("0/{longest},").into()).is_ok());
    assert_eq!(
        any_name.text(format!("0/{longest}a,").into()),
        Err(DecodeError::NamespaceTooLong {
            offset: 1,
            limit: Namespace::MAX_LEN
        })
    );

    let mut id = decoder(|limits| limits.max_ack_id_digits = 2);
    assert!(id.text(r#"212["a"]"#.into()).is_ok());
    assert_eq!(
        id.text(r#"2123["a"]"#.into()),
        Err(DecodeError::AckIdTooLarge { offset: 1 })
    );
}

#[test]
fn a_packet_is_a_slice_of_its_message() {
    let message = ByteString::from(r#"2/ns,5["name",{"a":["text"]}]"#);
    let range = message.as_bytes().as_ptr_range();
    let is_slice = |text: &str| range.contains(&text.as_ptr());
    let packet = Decoder::new(Limits::default())
        .text(message.clone())
        .unwrap()
        .unwrap();
    let Packet::Event {
        namespace, event, ..
    } = &packet
    else {
        panic!("{packet:?}")
    };
    assert!(is_slice(namespace.as_str()));
    assert!(is_slice(event.name()));
    assert!(is_slice(event.json()));
    assert!(is_slice(event.iter_raw().next().unwrap()));
    let (borrowed,): (std::collections::BTreeMap<&str, Vec<&str>>,) = event.parse().unwrap();
    assert!(is_slice(borrowed["a"][0]));

    let kept = event.detach();
    assert_eq!(&kept, event);
    assert_eq!(kept.name(), "name");
    assert!(!is_slice(kept.name()) && !is_slice(kept.json()));
    assert!(!is_slice(namespace.detach().as_str()));
}

#[test]
fn attachments_are_the_messages_themselves() {
    let attachment = Bytes::from(vec![7; 100]);
    let mut decoder = Decoder::new(Limits::default());
    decoder
        .text(r#"51-["a",{"_placeholder":true,"num":0}]"#.into())
        .unwrap();
    let packet = decoder.binary(attachment.clone()).unwrap().unwrap();
    assert_eq!(packet.attachments()[0].as_ptr(), attachment.as_ptr());
    let Packet::Event { event, .. } = &packet else {
        panic!("{packet:?}")
    };
    let borrowed: &serde_bytes::Bytes = event.parse().unwrap();
    assert_eq!(borrowed.as_ptr(), attachment.as_ptr());
    assert_ne!(
        event.detach().attachments()[0].as_ptr(),
        attachment.as_ptr()
    );
    assert_eq!(event.detach(), *event);
}

#[test]
fn nothing_quotes_a_payload() {
    let secret = "hunter2";
    for text in [
        r#"0{"token":"hunter2""#,
        r#"2["a","hunter2""#,
        r#"2[{"hunter2":1}]"#,
        r#"0/hunter2,["hunter2"]"#,
    ] {
        let error = decode(text).unwrap_err();
        assert!(!format!("{error:?} {error}").contains(secret), "{text}");
    }
    for text in [
        r#"0{"token":"hunter2"}"#,
        r#"2["a","hunter2"]"#,
        r#"31["hunter2"]"#,
    ] {
        assert!(!format!("{:?}", decode(text)).contains(secret), "{text}");
    }
    let mut decoder = Decoder::new(Limits::default());
    decoder.text(r#"52-["a","hunter2"]"#.into()).unwrap();
    decoder.binary(Bytes::from_static(b"hunter2")).unwrap();
    assert!(!format!("{decoder:?}").contains(secret));
    let packet = decoder.binary(Bytes::from_static(b"hunter2")).unwrap();
    assert!(!format!("{packet:?}").contains(secret));
}

/// What a client and a server of the reference implementation said to each other.
#[test]
fn a_captured_session() {
    for (text, attachments) in [
        (r#"0{"token":"abc"}"#, &[][..]),
        (r#"0{"sid":"mXxSMp9IOhPylXa6AAAA"}"#, &[]),
        (r#"20["hello","é€😀"]"#, &[]),
        (r#"30["ack","é€😀"]"#, &[]),
        (
            r#"51-1["bin",{"_placeholder":true,"num":0}]"#,
            &[b"\xde\xad" as &[u8]],
        ),
        (
            r#"52-["binback",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]}]"#,
            &[b"\xde\xad", b"\x09"],
        ),
        (r#"61-1[{"_placeholder":true,"num":0}]"#, &[b"\x01\x02"]),
        (r#"0/admin,{"token":"bad"}"#, &[]),
        (
            r#"4/admin,{"message":"not authorized","data":{"code":"E1"}}"#,
            &[],
        ),
        (r#"0/admin,{"token":"ok"}"#, &[]),
        (r#"0/admin,{"sid":"jI6et2Al2pmJLyBfAAAC"}"#, &[]),
        (r#"2/admin,["welcome","a"]"#, &[]),
        ("1/admin,", &[]),
        ("1", &[]),
    ] {
        let packet = decode_all(text, attachments).unwrap();
        let mut again = String::new();
        packet.encode(&mut again);
        assert_eq!(again, text);
        assert_eq!(packet.attachments(), attachments);
    }
}

/// White space, and digits that mean nothing, may be as long as a message.
#[test]
fn a_small_packet_does_not_keep_a_large_message_alive() {
    let padding = 16 << 10;
    for (text, is_kept) in [
        (format!(r#"2["e"]{}"#, " ".repeat(padding)), false),
        (format!(r#"0{{"sid":"x"}}{}"#, "\n".repeat(padding)), false),
        (format!(r#"2["e"{}]"#, " ".repeat(padding)), true),
        (r#"2["e"]  "#.into(), true),
    ] {
        let message = Bytes::from(text);
        let packet = Decoder::new(Limits::default()).text(message.clone().try_into().unwrap());
        assert!(matches!(packet, Ok(Some(_))));
        assert_eq!(message.is_unique(), !is_kept, "{}", message.len());
    }
    let zeros = "0".repeat(padding);
    let message = Bytes::from(format!(r#"5{zeros}1-["e"]"#));
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.text(message.clone().try_into().unwrap()), Ok(None));
    assert!(message.is_unique());
}

#[test]
fn revision_4_has_other_payloads() {
    for (text, in_4, in_5) in [
        // ERROR is whatever the server's middleware made of it.
        (r#"4"no""#, Some(r#"CONNECT_ERROR / "no""#), true),
        (
            r#"4{"why":"x"}"#,
            Some(r#"CONNECT_ERROR / {"why":"x"}"#),
            true,
        ),
        ("4", Some("CONNECT_ERROR / -"), true),
        ("4null", Some("CONNECT_ERROR / null"), false),
        ("4/admin,[1]", Some("CONNECT_ERROR /admin [1]"), false),
        ("4/admin,false", Some("CONNECT_ERROR /admin false"), false),
        ("4/admin,-7.5", Some("CONNECT_ERROR /admin -7.5"), false),
        ("442", Some("CONNECT_ERROR / 42"), true),
        (
            "4123456789012345678901",
            Some("CONNECT_ERROR / 123456789012345678901"),
            false,
        ),
        ("4abc", None, false),
        ("4nil", None, false),
        // CONNECT has none that means anything, and may have a query.
        ("0", Some("CONNECT / -"), true),
        ("0/admin,", Some("CONNECT /admin -"), true),
        (r#"0{"sid":"x"}"#, Some(r#"CONNECT / {"sid":"x"}"#), true),
        ("0[]", Some("CONNECT / []"), false),
        ("0/a,null", Some("CONNECT /a null"), false),
        (r#"0"x""#, None, false),
        ("0true", None, false),
        ("0/a,-1", None, false),
        ("0/a,x", None, false),
        ("0/a?x=1&y=?,", Some("CONNECT /a?x=1&y=? -"), true),
        ("0/?x=1", Some("CONNECT /?x=1 -"), true),
        // No name belongs to the library.
        (r#"2["connect",1]"#, Some("EVENT / connect[1]"), false),
        (r#"2["disconnect"]"#, Some("EVENT / disconnect[]"), false),
        // Nothing else differs.
        (r#"2/a?x=1,7["b"]"#, Some("EVENT /a?x=1 7 b[]"), true),
        ("1/a,", Some("DISCONNECT /a"), true),
        ("1{}", None, false),
        ("31[2]", Some("ACK / 1 [2]"), true),
        ("2{}", None, false),
        ("7", None, false),
        ("", None, false),
    ] {
        let mut decoder = Decoder::with_revision(Limits::default(), Revision::R4);
        let packet = decoder.text(text.into()).ok().flatten();
        assert_eq!(packet.as_ref().map(show).as_deref(), in_4, "{text}");
        assert_eq!(decode(text).is_ok(), in_5, "{text}");
    }
}

#[test]
fn revision_4_takes_the_query_off_the_namespace() {
    let mut decoder = Decoder::with_revision(Limits::default(), Revision::R4);
    let packet = decoder.text("0/?x=1".into()).unwrap().unwrap();
    assert!(packet.namespace().is_root());
    let packet = decode("0/?x=1").unwrap().unwrap();
    assert_eq!(packet.namespace().as_str(), "/?x=1");
}

/// Each has its own limit: what may be sent, a long token behind a long name, can be read.
#[test]
fn a_query_is_no_part_of_the_length_of_a_namespace() {
    let name = format!("/{}", "n".repeat(Namespace::MAX_LEN - 1));
    let query = "q".repeat(Query::MAX_LEN);
    let decode =
        |text: &str| Decoder::with_revision(Limits::default(), Revision::R4).text(text.into());
    let packet = Packet::Connect {
        namespace: Namespace::try_from(name.as_str()).unwrap(),
        query: Some(Query::try_from(query.as_str()).unwrap()),
        payload: None,
    };
    assert_eq!(decode(&format!("0{name}?{query},")), Ok(Some(packet)));
    for (text, offset, limit) in [
        (format!("0{name}?{query}q,"), name.len() + 2, Query::MAX_LEN),
        (format!("0{name}n?{query},"), 1, Namespace::MAX_LEN),
    ] {
        let error = DecodeError::NamespaceTooLong { offset, limit };
        assert_eq!(decode(&text), Err(error));
    }
    let error = DecodeError::IllegalNamespace { offset: 6 };
    assert_eq!(decode("0/a?b=\u{1e},"), Err(error));
}

/// A queue of short events would keep many long messages alive.
#[test]
fn a_short_payload_does_not_keep_long_white_space_alive() {
    for (space, in_message) in [(100, true), (100_000, false)] {
        let text = ByteString::from(format!(r#"2["e",1]{}"#, " ".repeat(space)));
        let packet = Decoder::new(Limits::default()).text(text.clone());
        let Ok(Some(Packet::Event { event, .. })) = packet else {
            panic!("not an event");
        };
        assert_eq!(event.json(), r#"["e",1]"#);
        let message = text.as_bytes().as_ptr_range();
        assert_eq!(message.contains(&event.json().as_ptr()), in_message);
    }
}

#[test]
fn a_name_is_what_it_is_wherever_it_stands() {
    for (array, name, len) in [
        (r#"["a"]"#, "a", 0),
        (r#"["a",1]"#, "a", 1),
        (r#"["a",[],2]"#, "a", 2),
        (r#"[ "a"]"#, "a", 0),
        (r#"["a" ]"#, "a", 0),
        (r#"["a" ,1]"#, "a", 1),
        (r#"["a", 1]"#, "a", 1),
        (r#"[""]"#, "", 0),
        (r#"["",1]"#, "", 1),
        (r#"[ "" ,1]"#, "", 1),
        (r#"["\u0061",1]"#, "a", 1),
        (r#"["a\"b"]"#, "a\"b", 0),
        (r#"["\\",1]"#, "\\", 1),
        (r#"["é",1]"#, "é", 1),
        ("[1]", "1", 0),
        ("[12,1]", "12", 1),
        ("[-1.5e3 ,1]", "-1.5e3", 1),
    ] {
        let packet = Decoder::new(Limits::default()).text(format!("2{array}").into());
        let Ok(Some(Packet::Event { event, .. })) = packet else {
            panic!("{array}: {packet:?}")
        };
        assert_eq!((event.name(), event.args().len()), (name, len), "{array}");
        assert_eq!(event.detach().name(), name, "{array}");
        assert_eq!(event.json(), array);
        // Written anew, it is as it is usual.
        let event = Event::new(name, &()).unwrap();
        assert_eq!(event.name(), name, "{array}");
        assert_eq!(event.detach(), event);
    }
}
