//! Hostile arguments and payloads of Socket.IO packets: deep values, values that are dear to read, and what is packed
//! around small ones.

use socketio::Bytes;
use socketio::codec::{ArgsError, DecodeError, Packet};

use crate::codec::{
    assembled, decoder, event, msgpack, msgpack_argument, read, read_error, refused,
};

/// A depth at which nothing that calls itself comes to an end on the stack of a test.
const DEEP: usize = 100_000;

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
