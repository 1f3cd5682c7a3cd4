//! Hostile heads of Socket.IO packets, as text and as MessagePack: ids, namespaces, and names of events.

use socketio::codec::{DecodeError, Decoder, Limits, Packet, Revision};

use crate::codec::{LONG, event, msgpack, msgpack_event, read, refused};

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
