//! One row, one rule. Where a row says so, the reference implementation decides otherwise.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::{decode, encode};
use crate::{
    Args, DecodeError, Decoder, EncodeError, Event, Json, Limits, Namespace, Packet, Parser, Query,
    Revision,
};

fn hex(text: &str) -> Bytes {
    let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let digits: Vec<u8> = digits
        .map(|digit| char::from(digit).to_digit(16).unwrap() as u8)
        .collect();
    let pairs = digits.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "{text}");
    pairs.map(|pair| pair[0] * 16 + pair[1]).collect()
}

fn namespace(name: &str) -> Namespace {
    name.parse().unwrap()
}

fn payload(value: &Value) -> Option<Json> {
    Some(Json::from_serialize(value).unwrap())
}

fn data(content: &'static [u8]) -> Bytes {
    Bytes::from_static(content)
}

fn connect(name: &str, payload: Option<Json>) -> Packet {
    Packet::Connect {
        namespace: namespace(name),
        query: None,
        payload,
    }
}

fn event(name: &str, id: Option<u64>, event: Event) -> Packet {
    Packet::Event {
        namespace: namespace(name),
        id,
        event,
    }
}

fn ack(name: &str, id: u64, args: Args) -> Packet {
    Packet::Ack {
        namespace: namespace(name),
        id,
        args,
    }
}

fn read(message: &Bytes) -> Result<Packet, DecodeError> {
    decode(message, &Limits::default())
}

/// An event of one argument.
fn event_of(argument: &[u8]) -> Bytes {
    [
        &hex("83 a474797065 02 a36e7370 a12f a464617461 92 a161")[..],
        argument,
    ]
    .concat()
    .into()
}

/// What an argument is as JSON, with the attachments.
fn argument(bytes: &[u8]) -> Result<(String, Vec<Bytes>), DecodeError> {
    match read(&event_of(bytes))? {
        Packet::Event { event, .. } => {
            let arguments: Vec<_> = event.iter_raw().collect();
            let [argument] = arguments.as_slice() else {
                panic!("{arguments:?}")
            };
            Ok((argument.to_string(), event.attachments().to_vec()))
        }
        other => panic!("{other:?}"),
    }
}

/// `socket.io` and `socket.io-client` 4.8.4 with `socket.io-msgpack-parser` 3.0.2 (`notepack.io` 2.2.0) on Node.js 20
/// sent these to each other.
#[test]
fn packets_of_the_reference_implementation_are_read() {
    let echo = (1, "two", [3], json!({"four": 4.5}), data(b"five"), (), true);
    #[derive(Serialize)]
    struct Wrapped {
        x: Bytes,
    }
    #[derive(Serialize)]
    struct Answer {
        ok: bool,
        f: f64,
        neg: i64,
        big: u64,
        nbig: i64,
        s: &'static str,
        b: Bytes,
    }
    let wrapped = || Wrapped { x: data(b"\x09") };
    let answer = Answer {
        ok: true,
        f: 1.5,
        neg: -1,
        big: 1 << 40,
        nbig: -(1 << 40),
        s: "é😀",
        b: data(&[1, 2, 3]),
    };
    let dated = json!({"d": "2020-01-01T00:00:00.000Z", "l": [null, null]});
    for (message, packet) in [
        // From the client.
        (
            "83a47479706500a464617461d40000a36e7370a12f",
            connect("/", None),
        ),
        (
            "83a47479706500a46461746181a5746f6b656ea178a36e7370a62f61646d696e",
            connect("/admin", payload(&json!({"token": "x"}))),
        ),
        (
            "84a47479706502a46461746198a36d736701a374776f910381a4666f7572cb4012000000000000c404666976
             65c0c3a76f7074696f6e7381a8636f6d7072657373c3a36e7370a12f",
            event("/", None, Event::new("msg", &echo).unwrap()),
        ),
        (
            "85a47479706502a46461746192a46d73673281a178c40109a76f7074696f6e7381a8636f6d7072657373c3a2
             696400a36e7370a12f",
            event("/", Some(0), Event::new("msg2", &wrapped()).unwrap()),
        ),
        (
            "84a47479706503a2696400a4646174619187a26f6bc3a166cb3ff8000000000000a36e6567ffa3626967cf00
             00010000000000a46e626967d3ffffff0000000000a173a6c3a9f09f9880a162c403010203a36e7370a62f61
             646d696e",
            ack("/admin", 0, Args::new(&answer).unwrap()),
        ),
        (
            "82a47479706501a36e7370a12f",
            Packet::Disconnect {
                namespace: Namespace::root(),
            },
        ),
        // From the server.
        (
            "83a47479706500a46461746182a3736964b463464a65374c2d44315a74636f5a4d3041414141a3706964d400
             00a36e7370a12f",
            connect("/", payload(&json!({"sid": "cFJe7L-D1ZtcoZM0AAAA"}))),
        ),
        (
            "83a47479706502a46461746192a2686983a164d7000000016f5e66e800a175d40000a16c92d40000c0a36e73
             70a62f61646d696e",
            event("/admin", None, Event::new("hi", &dated).unwrap()),
        ),
        // A Buffer and an ArrayBuffer.
        (
            "84a47479706502a46461746193a361736bc403010203c70300040506a2696400a36e7370a62f61646d696e",
            event(
                "/admin",
                Some(0),
                Event::new("ask", &(data(&[1, 2, 3]), data(&[4, 5, 6]))).unwrap(),
            ),
        ),
        (
            "84a2696400a47479706503a4646174619181a178c40109a36e7370a12f",
            ack("/", 0, Args::new(&wrapped()).unwrap()),
        ),
        (
            "83a47479706504a46461746182a76d657373616765ae6e6f7420617574686f72697a6564a46461746181a463
             6f6465a24531a36e7370a82f72656675736564",
            Packet::ConnectError {
                namespace: namespace("/refused"),
                payload: Some(
                    Json::from_text(r#"{"message":"not authorized","data":{"code":"E1"}}"#)
                        .unwrap(),
                ),
            },
        ),
    ] {
        let read = read(&hex(message)).unwrap();
        assert_eq!(read, packet, "{message}");
        // Nothing is lost or added on the way back.
        assert_eq!(self::read(&encode(&read).unwrap()), Ok(packet), "{message}");
    }
}

#[test]
fn packets_are_written_with_what_they_have() {
    for (packet, message) in [
        (connect("/", None), "82 a474797065 00 a36e7370 a12f"),
        (
            connect("/a", payload(&json!({"x": 1}))),
            "83 a474797065 00 a464617461 81 a178 01 a36e7370 a22f61",
        ),
        (
            Packet::Disconnect {
                namespace: namespace("/a"),
            },
            "82 a474797065 01 a36e7370 a22f61",
        ),
        (
            event("/", None, Event::new("a", &()).unwrap()),
            "83 a474797065 02 a464617461 91a161 a36e7370 a12f",
        ),
        (
            event("/", Some(300), Event::new("a", &data(b"x")).unwrap()),
            "84 a474797065 02 a464617461 92a161c40178 a26964 cd012c a36e7370 a12f",
        ),
        (
            ack("/", 0, Args::default()),
            "84 a474797065 03 a464617461 90 a26964 00 a36e7370 a12f",
        ),
        // Arguments of an event, sent back.
        (
            ack(
                "/",
                0,
                Event::new("a", &(data(b"x"), 1)).unwrap().into_args(),
            ),
            "84 a474797065 03 a464617461 92c4017801 a26964 00 a36e7370 a12f",
        ),
        (
            ack("/", 0, Event::new("a", &()).unwrap().into_args()),
            "84 a474797065 03 a464617461 90 a26964 00 a36e7370 a12f",
        ),
        (
            Packet::ConnectError {
                namespace: Namespace::root(),
                payload: payload(&json!("no")),
            },
            "83 a474797065 04 a464617461 a26e6f a36e7370 a12f",
        ),
    ] {
        assert_eq!(encode(&packet), Ok(hex(message)), "{packet:?}");
        assert_eq!(read(&hex(message)), Ok(packet), "{message}");
    }
}

/// In the shortest form, as `notepack.io` writes them.
#[test]
fn values_are_written_in_their_shortest_form() {
    let long = |len: usize, marker: &str| {
        let text = serde_json::to_string(&"a".repeat(len)).unwrap();
        (text, [&hex(marker)[..], &vec![b'a'; len]].concat())
    };
    let list = |len: usize, marker: &str| {
        let text = serde_json::to_string(&vec![7; len]).unwrap();
        (text, [&hex(marker)[..], &vec![7; len]].concat())
    };
    let short = |text: &str, bytes: &str| (text.to_owned(), hex(bytes).to_vec());
    for (text, bytes) in [
        short("null", "c0"),
        short("true", "c3"),
        short("false", "c2"),
        short("0", "00"),
        short("127", "7f"),
        short("128", "cc80"),
        short("255", "ccff"),
        short("256", "cd0100"),
        short("65535", "cdffff"),
        short("65536", "ce00010000"),
        short("4294967295", "ceffffffff"),
        short("4294967296", "cf0000000100000000"),
        short("18446744073709551615", "cfffffffffffffffff"),
        short("-1", "ff"),
        short("-32", "e0"),
        short("-33", "d0df"),
        short("-128", "d080"),
        short("-129", "d1ff7f"),
        short("-32768", "d18000"),
        short("-32769", "d2ffff7fff"),
        short("-2147483648", "d280000000"),
        short("-2147483649", "d3ffffffff7fffffff"),
        short("-9223372036854775808", "d38000000000000000"),
        short("1.5", "cb3ff8000000000000"),
        short("-1.5e3", "cbc097700000000000"),
        // These stay what they are to a receiver that knows the difference.
        short("1.0", "cb3ff0000000000000"),
        short("1e2", "cb4059000000000000"),
        short("-0", "cb8000000000000000"),
        short("-0.0", "cb8000000000000000"),
        // Beyond 64 bits: the nearest floating-point number, as to JavaScript.
        short("18446744073709551616", "cb43f0000000000000"),
        short("-9223372036854775809", "cbc3e0000000000000"),
        short(r#""""#, "a0"),
        short(r#""é\n\"\u00e9😀""#, "aac3a90a22c3a9f09f9880"),
        long(31, "bf"),
        long(32, "d920"),
        long(255, "d9ff"),
        long(256, "da0100"),
        long(65_535, "daffff"),
        long(65_536, "db00010000"),
        short("[]", "90"),
        list(15, "9f"),
        list(16, "dc0010"),
        list(65_535, "dcffff"),
        list(65_536, "dd00010000"),
        short("{}", "80"),
        short(
            r#" { "a" : [ { } , [ ] ] , "b" : null } "#,
            "82a1619280 90a162c0",
        ),
        short(
            r#"[[1,[2,3]],{"a":{"b":[4]}},5]"#,
            "939201920203 81a16181a16291 04 05",
        ),
        // Without attachments an object is an object.
        short(
            r#"{"_placeholder":true,"num":0}"#,
            "82ac5f706c616365686f6c646572c3a36e756d00",
        ),
    ] {
        let args = Args::from_json(format!("[{text}]"), vec![]).unwrap();
        let written = encode(&ack("/", 0, args)).unwrap();
        let expected = [
            &hex("84 a474797065 03 a464617461 91")[..],
            &bytes,
            &hex("a26964 00 a36e7370 a12f"),
        ];
        assert_eq!(written, expected.concat(), "{text:.40}");
    }
    for (len, marker) in [
        (0, "c400"),
        (255, "c4ff"),
        (256, "c50100"),
        (65_535, "c5ffff"),
        (65_536, "c600010000"),
    ] {
        let args = Args::new(&Bytes::from(vec![1; len])).unwrap();
        let written = encode(&ack("/", 0, args)).unwrap();
        let expected = [
            &hex("84 a474797065 03 a464617461 91")[..],
            &hex(marker),
            &vec![1; len],
            &hex("a26964 00 a36e7370 a12f"),
        ];
        assert_eq!(written, expected.concat(), "{len}");
    }
    // 16 members and more.
    for (len, marker) in [(15, "8f"), (16, "de0010"), (65_536, "df00010000")] {
        let map: std::collections::BTreeMap<_, _> = (0..len).map(|n| (n, ())).collect();
        let written = encode(&connect("/", Some(Json::from_serialize(&map).unwrap()))).unwrap();
        let start = [&hex("83 a474797065 00 a464617461")[..], &hex(marker)].concat();
        assert!(written.starts_with(&start), "{len}");
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let list = |text: &str| ack("/", 0, Args::from_json(text, vec![]).unwrap());
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(encode(&list(&nested(128))).is_ok());
    let too_deep = EncodeError::TooDeep { limit: 128 };
    let not_unicode = EncodeError::Inexpressible {
        what: "a string that is not Unicode",
    };
    for (packet, error) in [
        (list(&nested(129)), too_deep.clone()),
        (list(&nested(100_000)), too_deep.clone()),
        (
            event(
                "/",
                None,
                Event::from_json(
                    format!("[\"a\",{}]", nested(128)),
                    vec![],
                    Revision::default(),
                )
                .unwrap(),
            ),
            too_deep.clone(),
        ),
        (
            connect(
                "/",
                Some(Json::from_text(format!(r#"{{"a":{}}}"#, nested(128))).unwrap()),
            ),
            too_deep,
        ),
        (list(r#"["\ud800"]"#), not_unicode.clone()),
        (list(r#"[{"\ud800":1}]"#), not_unicode),
        (
            list("[-1e999]"),
            EncodeError::Inexpressible {
                what: "a number beyond 64-bit floating point",
            },
        ),
        (
            Packet::Connect {
                namespace: Namespace::root(),
                query: Some(Query::try_from("x=1").unwrap()),
                payload: None,
            },
            EncodeError::Inexpressible {
                what: "the query of a CONNECT",
            },
        ),
        // It would be there as often as it is referred to: a small packet could become a huge one.
        (
            ack(
                "/",
                0,
                Args::from_json(
                    r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
                    vec![data(b"x")],
                )
                .unwrap(),
            ),
            EncodeError::Inexpressible {
                what: "one attachment in several places",
            },
        ),
    ] {
        assert_eq!(encode(&packet), Err(error), "{packet:?}");
    }
    #[cfg(target_pointer_width = "64")]
    {
        let mut out = super::write::Writer::with_capacity(0);
        assert!(out.array(u32::MAX as usize).is_ok());
        assert!(out.array(u32::MAX as usize + 1).is_err());
        assert!(out.map(u32::MAX as usize + 1).is_err());
    }
}

#[test]
fn values_are_read() {
    let none: &[&[u8]] = &[];
    for (bytes, json, attachments) in [
        ("c0", "null", none),
        ("c2", "false", none),
        ("c3", "true", none),
        ("7f", "127", none),
        ("e0", "-32", none),
        // Not in their shortest form.
        ("cc01", "1", none),
        ("cd0001", "1", none),
        ("ce00000001", "1", none),
        ("cf0000000000000001", "1", none),
        ("cfffffffffffffffff", "18446744073709551615", none),
        ("d001", "1", none),
        ("d0ff", "-1", none),
        ("d1ff7f", "-129", none),
        ("d280000000", "-2147483648", none),
        ("d38000000000000000", "-9223372036854775808", none),
        ("ca3fc00000", "1.5", none),
        // The number that it is, not the nearest one that is short.
        ("ca3dcccccd", "0.10000000149011612", none),
        ("cb3ff0000000000000", "1.0", none),
        ("cb8000000000000000", "-0.0", none),
        ("cb7fefffffffffffff", "1.7976931348623157e+308", none),
        // NaN and the infinities are `null`, as `JSON.stringify` has them.
        ("cb7ff8000000000000", "null", none),
        ("cb7ff0000000000000", "null", none),
        ("ca ff800000", "null", none),
        ("a0", r#""""#, none),
        ("d901 61", r#""a""#, none),
        ("da0001 61", r#""a""#, none),
        ("db00000001 61", r#""a""#, none),
        (
            "a9 22 5c 2f 08 0c 0a 0d 09 1f",
            r#""\"\\/\b\f\n\r\t\u001f""#,
            none,
        ),
        ("a8 7f c3a9 f09f9880 00", "\"\u{7f}é😀\\u0000\"", none),
        ("90", "[]", none),
        ("dc0002 0102", "[1,2]", none),
        ("dd00000002 0102", "[1,2]", none),
        ("80", "{}", none),
        ("82 a16101 a16202", r#"{"a":1,"b":2}"#, none),
        ("de0001 a16101", r#"{"a":1}"#, none),
        ("df00000001 a16190", r#"{"a":[]}"#, none),
        // What is not a string is one as a key, as with `serde_json`.
        (
            "83 01c0 d0ffc0 c3c0",
            r#"{"1":null,"-1":null,"true":null}"#,
            none,
        ),
        // Equal keys are passed on as JSON does.
        ("82 a16101 a16102", r#"{"a":1,"a":2}"#, none),
        ("81 a95f5f70726f746f5f5f01", r#"{"__proto__":1}"#, none),
        // `undefined` is `null` in a list and nothing in an object.
        ("d40000", "null", none),
        ("d40007", "null", none),
        ("92 d40000 01", "[null,1]", none),
        ("83 a161d40000 a16201 a163d40000", r#"{"b":1}"#, none),
        ("81 01d40000", "{}", none),
        // `Date`
        (
            "d700 0000016f5e66e800",
            r#""2020-01-01T00:00:00.000Z""#,
            none,
        ),
        (
            "d700 ffffffffffffffff",
            r#""1969-12-31T23:59:59.999Z""#,
            none,
        ),
        ("d700 7fffffffffffffff", "null", none),
        // Binary values, and `ArrayBuffer`.
        ("c400", r#"{"_placeholder":true,"num":0}"#, &[b""]),
        (
            "c402 0102",
            r#"{"_placeholder":true,"num":0}"#,
            &[b"\x01\x02"],
        ),
        ("c50001 01", r#"{"_placeholder":true,"num":0}"#, &[b"\x01"]),
        (
            "c600000001 01",
            r#"{"_placeholder":true,"num":0}"#,
            &[b"\x01"],
        ),
        ("c70100 01", r#"{"_placeholder":true,"num":0}"#, &[b"\x01"]),
        (
            "c8000100 01",
            r#"{"_placeholder":true,"num":0}"#,
            &[b"\x01"],
        ),
        (
            "c90000000100 01",
            r#"{"_placeholder":true,"num":0}"#,
            &[b"\x01"],
        ),
        (
            "92 c40101 81 a161 c40102",
            r#"[{"_placeholder":true,"num":0},{"a":{"_placeholder":true,"num":1}}]"#,
            &[b"\x01", b"\x02"],
        ),
        // Other extensions are their type and their bytes.
        (
            "d401 07",
            r#"[1,{"_placeholder":true,"num":0}]"#,
            &[b"\x07"],
        ),
        (
            "d500 0708",
            r#"[0,{"_placeholder":true,"num":0}]"#,
            &[b"\x07\x08"],
        ),
        (
            "d6ff 01020304",
            r#"[-1,{"_placeholder":true,"num":0}]"#,
            &[b"\x01\x02\x03\x04"],
        ),
        (
            "d801 00000000000000000000000000000001",
            r#"[1,{"_placeholder":true,"num":0}]"#,
            &[b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"],
        ),
        (
            "c70180 07",
            r#"[-128,{"_placeholder":true,"num":0}]"#,
            &[b"\x07"],
        ),
    ] {
        let (found, parts) = argument(&hex(bytes)).unwrap();
        assert_eq!(
            (found.as_str(), parts.as_slice()),
            (json, attachments_of(attachments).as_slice()),
            "{bytes}"
        );
    }
}

fn attachments_of(parts: &[&'static [u8]]) -> Vec<Bytes> {
    parts.iter().map(|part| data(part)).collect()
}

#[test]
fn what_is_no_messagepack_is_refused() {
    let start = event_of(&[]).len();
    let ends = "the message ends inside a value";
    let announces = "more values announced than there are bytes left";
    let key = "a key that is neither a string, a whole number nor a truth value";
    for (bytes, offset, problem) in [
        ("c1", start, "the one byte that means nothing"),
        ("", start, ends),
        ("cd00", start + 2, ends),
        ("cb00000000000000", start + 8, ends),
        ("a261", start + 2, ends),
        ("d9", start + 1, ends),
        ("d902 61", start + 3, ends),
        ("c4", start + 1, ends),
        ("c40200", start + 3, ends),
        ("d40000 00", start + 3, "something behind the packet"),
        ("d4", start + 1, ends),
        ("d400", start + 2, ends),
        ("c701", start + 2, ends),
        ("81 a161", start + 3, ends),
        // Lengths that nothing backs, none of which is waited or made room for.
        ("dd ffffffff", start, announces),
        ("df ffffffff", start, announces),
        ("df 80000000", start, announces),
        ("dc ffff 00", start, announces),
        ("db ffffffff 61", start + 6, ends),
        ("c6 ffffffff 00", start + 6, ends),
        ("c9 ffffffff 00 00", start + 7, ends),
        ("92 00", start, announces),
        ("81 00", start, announces),
        // Each of these alone could be there, all of them together cannot.
        ("91 92 91 00", start + 4, ends),
        ("a2 61ff", start + 2, "a string that is not UTF-8"),
        // A lone surrogate.
        ("a3 eda080", start + 1, "a string that is not UTF-8"),
        ("a1 c3", start + 1, "a string that is not UTF-8"),
        ("81 c0 01", start + 1, key),
        ("81 90 01", start + 1, key),
        ("81 c40161 01", start + 1, key),
        ("81 cb3ff8000000000000 01", start + 1, key),
        ("81 d40000 d40000", start + 1, key),
    ] {
        let error = DecodeError::Malformed { offset, problem };
        assert_eq!(argument(&hex(bytes)), Err(error), "{bytes}");
    }
}

#[test]
fn depth_is_bounded() {
    // Name and arguments are an array.
    let nested = |depth: usize, inner: &str| [&vec![0x91; depth][..], &hex(inner)].concat();
    for (inner, levels) in [("90", 1), ("80", 1), ("c400", 1), ("d401 07", 2), ("c0", 0)] {
        assert!(argument(&nested(127 - levels, inner)).is_ok(), "{inner}");
        let error = argument(&nested(128 - levels, inner)).unwrap_err();
        assert!(
            matches!(error, DecodeError::TooDeep { limit: 128, .. }),
            "{inner}: {error:?}"
        );
    }
    let error = argument(&nested(1_000_000, "c0")).unwrap_err();
    let offset = event_of(&[]).len() + 127;
    assert_eq!(error, DecodeError::TooDeep { offset, limit: 128 });
    // What is not looked at may be as deep as it likes.
    let ignored = [
        &hex("83 a474797065 01 a36e7370 a12f a178")[..],
        &nested(1_000_000, "c0"),
    ];
    assert!(read(&ignored.concat().into()).is_ok());
}

#[test]
fn packets_are_held_to_their_form() {
    let malformed = |offset, problem| Err(DecodeError::Malformed { offset, problem });
    let illegal = |offset, expected| Err(DecodeError::IllegalPayload { offset, expected });
    let root = Namespace::root;
    let disconnect = || Ok(Packet::Disconnect { namespace: root() });
    let empty_event = |id| Ok(event("/", id, Event::new("a", &()).unwrap()));
    for (message, expected) in [
        ("", Err(DecodeError::Empty)),
        ("c0", malformed(0, "not a map")),
        ("90", malformed(0, "not a map")),
        ("80", malformed(1, "a packet without a type")),
        (
            "81 a474797065 01",
            malformed(7, "a packet without a namespace"),
        ),
        // In any order, with whatever else.
        ("82 a36e7370 a12f a474797065 01", disconnect()),
        (
            "84 a474797065 01 a36e7370 a12f a178 91c0 01 02",
            disconnect(),
        ),
        ("83 a474797065 01 a36e7370 a12f 91c0 02", disconnect()),
        (
            "82 a474797065 01 a36e7370 a12f 00",
            malformed(13, "something behind the packet"),
        ),
        // Twice: the reference implementation takes the last.
        (
            "83 a474797065 01 a474797065 01 a36e7370 a12f",
            malformed(7, "a member that was there before"),
        ),
        (
            "84 a474797065 00 a36e7370 a12f a464617461 d40000 a464617461 80",
            malformed(21, "a member that was there before"),
        ),
        // Types.
        (
            "82 a474797065 05 a36e7370 a12f",
            malformed(6, "the packet type is not one of 0 to 4"),
        ),
        (
            "82 a474797065 ff a36e7370 a12f",
            malformed(6, "a type that is not a whole number"),
        ),
        (
            "82 a474797065 a131 a36e7370 a12f",
            malformed(6, "a type that is not a whole number"),
        ),
        (
            "82 a474797065 cb3fe0000000000000 a36e7370 a12f",
            malformed(6, "a type that is not a whole number"),
        ),
        (
            "82 a474797065 cb3ff0000000000000 a36e7370 a12f",
            disconnect(),
        ),
        // Namespaces.
        (
            "82 a474797065 01 a36e7370 01",
            malformed(11, "a namespace that is not a string"),
        ),
        (
            "82 a474797065 01 a36e7370 c4012f",
            malformed(11, "a namespace that is not a string"),
        ),
        // The reference implementation takes any string.
        (
            "82 a474797065 01 a36e7370 a0",
            Err(DecodeError::IllegalNamespace { offset: 12 }),
        ),
        (
            "82 a474797065 01 a36e7370 a161",
            Err(DecodeError::IllegalNamespace { offset: 12 }),
        ),
        (
            "82 a474797065 01 a36e7370 a32f2c61",
            Err(DecodeError::IllegalNamespace { offset: 13 }),
        ),
        (
            "82 a474797065 01 a36e7370 d9022f1e",
            Err(DecodeError::IllegalNamespace { offset: 14 }),
        ),
        // Ids.
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 07",
            empty_event(Some(7)),
        ),
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 cb401c000000000000",
            empty_event(Some(7)),
        ),
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 d40000",
            empty_event(None),
        ),
        // The reference implementation refuses this; others send it.
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 c0",
            empty_event(None),
        ),
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 cfffffffffffffffff",
            empty_event(Some(u64::MAX)),
        ),
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 cb43f0000000000000",
            Err(DecodeError::AckIdTooLarge { offset: 24 }),
        ),
        // The reference implementation takes negative ones.
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 ff",
            malformed(24, "an id that is not a whole number, 0 or more"),
        ),
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 cb7ff8000000000000",
            malformed(24, "an id that is not a whole number, 0 or more"),
        ),
        (
            "84 a474797065 02 a36e7370 a12f a464617461 91a161 a26964 a130",
            malformed(24, "an id that is not a whole number, 0 or more"),
        ),
        // Ignored where there is none, as there, but it has to be one.
        ("83 a474797065 01 a36e7370 a12f a26964 07", disconnect()),
        (
            "83 a474797065 01 a36e7370 a12f a26964 c3",
            malformed(16, "an id that is not a whole number, 0 or more"),
        ),
        // CONNECT
        ("82 a474797065 00 a36e7370 a12f", Ok(connect("/", None))),
        (
            "83 a474797065 00 a36e7370 a12f a464617461 80",
            Ok(connect("/", payload(&json!({})))),
        ),
        (
            "83 a474797065 00 a36e7370 a12f a464617461 90",
            illegal(18, "absent or a map"),
        ),
        (
            "83 a474797065 00 a36e7370 a12f a464617461 a0",
            illegal(18, "absent or a map"),
        ),
        // Not there; others send it.
        (
            "83 a474797065 00 a36e7370 a12f a464617461 c0",
            Ok(connect("/", None)),
        ),
        // Bytes are numbers where there are no attachments.
        (
            "83 a474797065 00 a36e7370 a12f a464617461 81a161c4020107",
            Ok(connect("/", payload(&json!({"a": [1, 7]})))),
        ),
        // DISCONNECT
        (
            "83 a474797065 01 a36e7370 a12f a464617461 d40000",
            disconnect(),
        ),
        ("83 a474797065 01 a36e7370 a12f a464617461 c0", disconnect()),
        (
            "83 a474797065 01 a36e7370 a12f a464617461 80",
            illegal(18, "absent"),
        ),
        // EVENT
        (
            "82 a474797065 02 a36e7370 a12f",
            illegal(13, "an array with a name in front"),
        ),
        (
            "83 a474797065 02 a36e7370 a12f a464617461 c0",
            illegal(18, "an array with a name in front"),
        ),
        (
            "83 a474797065 02 a36e7370 a12f a464617461 80",
            illegal(18, "an array with a name in front"),
        ),
        // The reference implementation takes any array.
        (
            "83 a474797065 02 a36e7370 a12f a464617461 90",
            Err(DecodeError::IllegalEventName { offset: 19 }),
        ),
        (
            "83 a474797065 02 a36e7370 a12f a464617461 9180",
            Err(DecodeError::IllegalEventName { offset: 19 }),
        ),
        (
            "83 a474797065 02 a36e7370 a12f a464617461 91c400",
            Err(DecodeError::IllegalEventName { offset: 19 }),
        ),
        (
            "83 a474797065 02 a36e7370 a12f a464617461 91a7636f6e6e656374",
            Err(DecodeError::ReservedEventName {
                offset: 19,
                name: "connect",
            }),
        ),
        (
            "83 a474797065 02 a36e7370 a12f a464617461 9107",
            Ok(event(
                "/",
                None,
                Event::from_json("[7]", vec![], Revision::R5).unwrap(),
            )),
        ),
        // ACK
        (
            "84 a474797065 03 a36e7370 a12f a464617461 90 a26964 05",
            Ok(ack("/", 5, Args::default())),
        ),
        (
            "83 a474797065 03 a36e7370 a12f a26964 05",
            illegal(17, "an array"),
        ),
        (
            "83 a474797065 03 a36e7370 a12f a464617461 90",
            Err(DecodeError::MissingAckId { offset: 19 }),
        ),
        // CONNECT_ERROR; without data it is refused by the reference implementation.
        (
            "83 a474797065 04 a36e7370 a12f a464617461 a178",
            Ok(Packet::ConnectError {
                namespace: root(),
                payload: payload(&json!("x")),
            }),
        ),
        (
            "82 a474797065 04 a36e7370 a12f",
            Ok(Packet::ConnectError {
                namespace: root(),
                payload: None,
            }),
        ),
        (
            "83 a474797065 04 a36e7370 a12f a464617461 01",
            illegal(18, "absent, a map or a string"),
        ),
    ] {
        assert_eq!(read(&hex(message)), expected, "{message}");
    }
}

#[test]
fn limits_hold() {
    let mut limits = Limits::default();
    let binaries = |count: u8| {
        let mut bytes = vec![0x90 + count];
        for _ in 0..count {
            bytes.extend([0xc4, 2, 7, 7]);
        }
        event_of(&bytes)
    };
    let argument = event_of(&[]).len();
    limits.max_attachments = 3;
    assert!(decode(&binaries(3), &limits).is_ok());
    let offset = argument + 1 + 3 * 4;
    assert_eq!(
        decode(&binaries(4), &limits),
        Err(DecodeError::TooManyAttachments { offset, limit: 3 })
    );
    limits.max_attachment_bytes = 4;
    assert!(decode(&binaries(2), &limits).is_ok());
    assert_eq!(
        decode(&binaries(3), &limits),
        Err(DecodeError::AttachmentsTooLarge { limit: 4 })
    );

    let named = |len: usize| encode(&connect(&format!("/{}", "a".repeat(len - 1)), None)).unwrap();
    assert!(decode(&named(Namespace::MAX_LEN), &limits).is_ok());
    limits.max_namespace_len = 3;
    assert!(decode(&named(3), &limits).is_ok());
    let error = DecodeError::NamespaceTooLong {
        offset: 11,
        limit: 3,
    };
    assert_eq!(decode(&named(4), &limits), Err(error));

    limits.max_ack_id_digits = 2;
    let numbered = |id| encode(&ack("/", id, Args::default())).unwrap();
    for id in [0, 9, 10, 99] {
        assert!(decode(&numbered(id), &limits).is_ok(), "{id}");
    }
    assert!(matches!(
        decode(&numbered(100), &limits),
        Err(DecodeError::AckIdTooLarge { .. })
    ));
}

/// A peer's object must not become a binary value because it looks like a placeholder, nowhere.
#[test]
fn what_looks_like_a_placeholder_stays_what_it_is() {
    // [{"_placeholder":true,"num":0}, <01>, {"x":{"_placeholder":true,"num":9,"y":<02>}}]
    let look_alike = "ac5f706c616365686f6c646572 c3 a36e756d";
    let message = event_of(&hex(&format!(
        "93 82 {look_alike} 00 c40101 81 a178 83 {look_alike} 09 a179 c40102"
    )));
    let packet = read(&message).unwrap();
    let Packet::Event { event, .. } = &packet else {
        panic!("{packet:?}")
    };
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct LookAlike {
        _placeholder: bool,
        num: u8,
        y: Option<Bytes>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Outer {
        x: LookAlike,
    }
    type Read = ((LookAlike, Bytes, Outer),);
    let look_alike = |num, y| LookAlike {
        _placeholder: true,
        num,
        y,
    };
    let expected = || {
        let outer = Outer {
            x: look_alike(9, Some(data(b"\x02"))),
        };
        ((look_alike(0, None), data(b"\x01"), outer),)
    };
    assert_eq!(event.parse::<Read>().unwrap(), expected());
    assert_eq!(event.detach().parse::<Read>().unwrap(), expected());
    let args = event.clone().into_args();
    assert_eq!(args.parse::<Read>().unwrap(), expected());

    // It goes out as it came in, with or without the name of the event.
    assert_eq!(read(&encode(&packet).unwrap()).as_ref(), Ok(&packet));
    let Packet::Ack { args, .. } = read(&encode(&ack("/", 0, args)).unwrap()).unwrap() else {
        panic!("not an acknowledgement")
    };
    assert_eq!(args.parse::<Read>().unwrap(), expected());
    // JSON cannot say which is which.
    let refused = Err(EncodeError::AmbiguousPlaceholder);
    assert_eq!(Parser::json().encode(&packet), refused);
    assert_eq!(Parser::json().encode(&ack("/", 0, args.detach())), refused);

    // The same text and the same attachments, but in other places, are something else.
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    let other = event_of(&hex(
        "92 c40101 82 ac5f706c616365686f6c646572 c3 a36e756d 00",
    ));
    let mirrored = event_of(&hex(
        "92 82 ac5f706c616365686f6c646572 c3 a36e756d 00 c40101",
    ));
    let (other, mirrored) = (read(&other).unwrap(), read(&mirrored).unwrap());
    let json = |packet: &Packet| match packet {
        Packet::Event { event, .. } => event.args().json().into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(json(&other), format!("[[{placeholder},{placeholder}]]"));
    assert_eq!(json(&other), json(&mirrored));
    assert_eq!(other.attachments(), mirrored.attachments());
    assert_ne!(other, mirrored);
}

#[test]
fn what_only_nearly_looks_like_a_placeholder_goes_anywhere() {
    for bytes in [
        // {"_placeholder":false} beside a binary value, and {"_placeholder":true} without one.
        "92 c40101 81 ac5f706c616365686f6c646572 c2",
        "91 82 ac5f706c616365686f6c646572 c3 a36e756d 00",
    ] {
        let packet = read(&event_of(&hex(bytes))).unwrap();
        let parser = Parser::json();
        let mut decoder = parser.decoder(Limits::default(), Revision::R5);
        let mut received = None;
        for part in parser.encode(&packet).unwrap() {
            received = decoder.part(part).unwrap();
        }
        assert_eq!(received, Some(packet), "{bytes}");
    }
}

#[test]
fn what_was_read_is_part_of_the_message() {
    let message = event_of(&hex("c403010203"));
    let packet = read(&message).unwrap();
    let [attachment] = packet.attachments() else {
        panic!("{packet:?}")
    };
    assert_eq!(
        attachment.as_ptr_range().end,
        message.as_ptr_range().end,
        "not a copy"
    );
}

#[test]
fn text_is_refused() {
    let mut decoder = Parser::msgpack().decoder(Limits::default(), Revision::R5);
    assert_eq!(decoder.text("0".into()), Err(DecodeError::UnexpectedText));
    assert!(!decoder.is_assembling());
    let disconnect = hex("82 a474797065 01 a36e7370 a12f");
    assert!(matches!(decoder.binary(disconnect), Ok(Some(_))));
}

/// Also where it differs in text: white space, escapes, keys beside those of a placeholder.
#[test]
fn json_comes_through_with_its_meaning() {
    let mut decoder = Decoder::new(Limits::default());
    let text =
        r#"51-/a,7[ "n\u0061me" , { "\u0078" : {"num":0.0,"y":[],"_placeholder":true} } , 1e2 ]"#;
    decoder.text(text.into()).unwrap();
    let packet = decoder.binary(data(b"x")).unwrap().unwrap();
    let Ok(Packet::Event {
        namespace,
        id,
        event,
    }) = read(&encode(&packet).unwrap())
    else {
        panic!("not an event")
    };
    assert_eq!(
        (namespace.as_str(), id, event.name()),
        ("/a", Some(7), "name")
    );
    assert_eq!(
        event.args().json(),
        r#"[{"x":{"_placeholder":true,"num":0}},100.0]"#
    );
}

/// What is left over of a message is ignored, and must not be kept for the sake of an attachment.
#[test]
fn a_short_attachment_does_not_keep_a_long_message_alive() {
    for (ignored, in_message) in [(0, true), (10_000, false)] {
        // {type: 2, nsp: "/", data: ["e", <100 bytes>], x: <ignored>}
        let front = b"\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xc4\x64";
        let rest = [&b"\xa1x\xc5"[..], &u16::to_be_bytes(ignored)].concat();
        let ignored = vec![0; ignored.into()];
        let message = Bytes::from([&front[..], &[7; 100], &rest, &ignored].concat());
        let Ok(Packet::Event { event, .. }) = read(&message) else {
            panic!("not an event");
        };
        assert_eq!(event.attachments(), [vec![7; 100]]);
        let attachment = event.attachments()[0].as_ptr();
        assert_eq!(message.as_ptr_range().contains(&attachment), in_message);
    }
}
