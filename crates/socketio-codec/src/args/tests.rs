//! What values become, and what becomes values.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::{ArgsError, Decoder, Event, Packet, RawValue};

fn bytes(content: &'static str) -> Bytes {
    Bytes::from_static(content.as_bytes())
}

/// Arguments as they arrive, without attachments.
fn received(array: &str) -> Args {
    received_with(array, &[])
}

fn received_with(array: &str, attachments: &[Bytes]) -> Args {
    let text = match attachments.len() {
        0 => format!("30{array}"),
        n => format!("6{n}-0{array}"),
    };
    let mut decoder = Decoder::new(Limits {
        max_attachments: 100,
        ..Limits::default()
    });
    let mut packet = decoder.text(text.into()).unwrap();
    for attachment in attachments {
        packet = decoder.binary(attachment.clone()).unwrap();
    }
    match packet {
        Some(Packet::Ack { args, .. }) => args,
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(i32, String);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Newtype<T>(T);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct File {
    name: String,
    data: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    One(Bytes),
    Two(Bytes, i32),
    Named { files: Vec<File> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i32),
    Data(Bytes),
    Object { data: Bytes },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    Blob { data: Bytes },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    file: File,
}

fn file(name: &str, data: &'static str) -> File {
    File {
        name: name.into(),
        data: bytes(data),
        thumbnail: None,
    }
}

/// Writes a value, compares, and reads it back, both directly and as it would arrive.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "the callers are a table")]
fn both_ways<T>(value: T, array: &str, attachments: &[&'static str])
where
    T: Serialize + DeserializeOwned + PartialEq + fmt::Debug,
{
    let args = Args::new(&value).unwrap();
    assert_eq!(args.json(), array);
    assert_eq!(
        args.attachments(),
        attachments.iter().copied().map(bytes).collect::<Vec<_>>()
    );
    assert_eq!(args.len(), args.iter_raw().count());
    assert_eq!(args.parse::<T>().unwrap(), value);

    let arrived = received_with(array, args.attachments());
    assert_eq!(arrived, args);
    assert_eq!(arrived.parse::<T>().unwrap(), value);
    assert_eq!(arrived.detach().parse::<T>().unwrap(), value);

    let event = Event::new("a \"name\"", &value).unwrap();
    assert_eq!(event.args().json(), array);
    assert_eq!(
        event.json(),
        format!(r#"["a \"name\"",{}"#, &array[1..]).replace(",]", "]")
    );
    assert_eq!(*event.args(), args);
    assert_eq!(event.parse::<T>().unwrap(), value);
}

const P0: &str = r#"{"_placeholder":true,"num":0}"#;
const P1: &str = r#"{"_placeholder":true,"num":1}"#;

#[test]
fn a_tuple_is_the_list_and_anything_else_is_one_argument() {
    both_ways((), "[]", &[]);
    both_ways((1,), "[1]", &[]);
    both_ways((1, "a".to_owned(), None::<i32>), r#"[1,"a",null]"#, &[]);
    both_ways(Pair(1, "a".into()), r#"[1,"a"]"#, &[]);
    both_ways(Newtype((1, 2)), "[1,2]", &[]);
    both_ways(Newtype(Newtype(vec![1, 2])), "[[1,2]]", &[]);
    // Arrays of a fixed length are tuples to serde.
    both_ways([1, 2], "[1,2]", &[]);
    both_ways(7, "[7]", &[]);
    both_ways(true, "[true]", &[]);
    both_ways("text \u{1}\"é".to_owned(), "[\"text \\u0001\\\"é\"]", &[]);
    both_ways('é', r#"["é"]"#, &[]);
    both_ways(1.5_f64, "[1.5]", &[]);
    both_ways(1.5_f32, "[1.5]", &[]);
    both_ways(i128::MIN, "[-170141183460469231731687303715884105728]", &[]);
    both_ways(u128::MAX, "[340282366920938463463374607431768211455]", &[]);
    both_ways(u64::MAX, "[18446744073709551615]", &[]);
    both_ways(i64::MIN, "[-9223372036854775808]", &[]);
    both_ways(vec![1, 2], "[[1,2]]", &[]);
    both_ways(Vec::<()>::new(), "[[]]", &[]);
    both_ways(((1, 2),), "[[1,2]]", &[]);
    both_ways(((),), "[null]", &[]);
    both_ways(Unit, "[null]", &[]);
    both_ways(None::<i32>, "[null]", &[]);
    both_ways(Some(7), "[7]", &[]);
    both_ways(Some((1, 2)), "[[1,2]]", &[]);
    both_ways(Shape::Nothing, r#"["Nothing"]"#, &[]);
    both_ways(
        BTreeMap::from([(1, 'a'), (2, 'b')]),
        r#"[{"1":"a","2":"b"}]"#,
        &[],
    );
    both_ways(BTreeMap::from([(true, 'a')]), r#"[{"true":"a"}]"#, &[]);
    both_ways(
        json!({"a": [1, {"b": null}]}),
        r#"[{"a":[1,{"b":null}]}]"#,
        &[],
    );
    both_ways(Box::new(5), "[5]", &[]);
}

#[test]
fn binary_values_at_any_depth() {
    let one = format!("[{P0}]");
    let with_num = |format: &str| format.replace("P0", P0).replace("P1", P1);
    both_ways(bytes("x"), &one, &["x"]);
    both_ways(bytes(""), &one, &[""]);
    both_ways(Newtype(bytes("x")), &one, &["x"]);
    both_ways(Some(bytes("x")), &one, &["x"]);
    both_ways(serde_bytes::ByteBuf::from("x"), &one, &["x"]);
    both_ways(
        (bytes("x"), 1, bytes("y")),
        &with_num("[P0,1,P1]"),
        &["x", "y"],
    );
    both_ways(
        vec![Some(bytes("x")), None],
        &with_num("[[P0,null]]"),
        &["x"],
    );
    both_ways(
        BTreeMap::from([(7, bytes("x")), (8, bytes("y"))]),
        &with_num(r#"[{"7":P0,"8":P1}]"#),
        &["x", "y"],
    );
    both_ways(
        HashMap::from([(true, bytes("x"))]),
        &with_num(r#"[{"true":P0}]"#),
        &["x"],
    );
    both_ways(
        Newtype(vec![(file("a", "x"), 'c')]),
        &with_num(r#"[[[{"name":"a","data":P0},"c"]]]"#),
        &["x"],
    );
    both_ways(Shape::One(bytes("x")), &with_num(r#"[{"One":P0}]"#), &["x"]);
    both_ways(
        (Shape::Nothing, bytes("x")),
        &with_num(r#"["Nothing",P0]"#),
        &["x"],
    );
    both_ways(
        Shape::Two(bytes("x"), 3),
        &with_num(r#"[{"Two":[P0,3]}]"#),
        &["x"],
    );
    both_ways(
        Shape::Named {
            files: vec![file("a", "x"), file("b", "y")],
        },
        &with_num(r#"[{"Named":{"files":[{"name":"a","data":P0},{"name":"b","data":P1}]}}]"#),
        &["x", "y"],
    );
    both_ways(
        File {
            thumbnail: Some(bytes("t")),
            ..file("a", "x")
        },
        &with_num(r#"[{"name":"a","data":P0,"thumbnail":P1}]"#),
        &["x", "t"],
    );
    both_ways(
        (
            Untagged::Number(1),
            Untagged::Data(bytes("x")),
            Untagged::Object { data: bytes("y") },
        ),
        &with_num(r#"[1,P0,{"data":P1}]"#),
        &["x", "y"],
    );
    both_ways(
        Tagged::Blob { data: bytes("x") },
        &with_num(r#"[{"type":"Blob","data":P0}]"#),
        &["x"],
    );
    both_ways(
        Flattened {
            id: 1,
            file: file("a", "x"),
        },
        &with_num(r#"[{"id":1,"name":"a","data":P0}]"#),
        &["x"],
    );
    // The other kinds of value, with an attachment beside them.
    both_ways(
        (bytes("x"), i128::MIN, u128::MAX),
        &with_num(
            "[P0,-170141183460469231731687303715884105728,340282366920938463463374607431768211455]",
        ),
        &["x"],
    );
    both_ways(
        (
            bytes("x"),
            -1_i8,
            1.5_f64,
            'é',
            "a\n".to_owned(),
            true,
            Unit,
            (),
        ),
        &with_num(r#"[P0,-1,1.5,"é","a\n",true,null,null]"#),
        &["x"],
    );
}

#[test]
fn writing_is_like_serde_json() {
    let json = |args: &Args| args.json().into_owned();
    assert_eq!(json(&Args::new("text").unwrap()), r#"["text"]"#);
    assert_eq!(json(&Args::new(&f64::NAN).unwrap()), "[null]");
    assert_eq!(
        json(&Args::new(&(f32::INFINITY, 1.0)).unwrap()),
        "[null,1.0]"
    );
    assert_eq!(json(&Args::new([1, 2].as_slice()).unwrap()), "[[1,2]]");
    assert_eq!(
        json(&Args::new(&format_args!("{}-{}", 1, 2)).unwrap()),
        r#"["1-2"]"#
    );
    let raw = RawValue::from_string(r#"{ "as": "is" }"#.into()).unwrap();
    assert_eq!(json(&Args::new(&raw).unwrap()), r#"[{ "as": "is" }]"#);
    assert_eq!(
        json(&Args::new(&(bytes("x"), raw)).unwrap()),
        format!(r#"[{P0},{{ "as": "is" }}]"#)
    );

    let keys = HashMap::from([(vec![1], 1)]);
    assert!(matches!(
        Args::new(&keys),
        Err(EncodeError::Serialize { .. })
    ));
    // A binary key is no attachment.
    let keys = HashMap::from([(bytes("key"), bytes("value"))]);
    let error = Args::new(&keys).unwrap_err();
    assert_eq!(
        error,
        EncodeError::Serialize {
            message: "key must be a string".into()
        }
    );
    assert_eq!(Args::with_max_attachments(&keys, 0), Err(error));
}

#[test]
fn names() {
    for (name, json) in [
        ("a", r#"["a",1]"#),
        ("", r#"["",1]"#),
        ("é😀", r#"["é😀",1]"#),
        ("a\"\\\n\u{1e}", r#"["a\"\\\n\u001e",1]"#),
        ("error", r#"["error",1]"#),
        ("1", r#"["1",1]"#),
    ] {
        let event = Event::new(name, &1).unwrap();
        assert_eq!((event.name(), event.json()), (name, json));
        assert_eq!(event.detach().name(), name);
        assert_eq!(event.into_args().json(), "[1]");
    }
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        assert_eq!(
            Event::new(name, &1),
            Err(EncodeError::ReservedEventName { name })
        );
    }
}

#[test]
fn too_many_attachments_are_not_sent() {
    let ten = vec![bytes("x"); 10];
    let eleven = vec![bytes("x"); 11];
    let refused = |limit| EncodeError::TooManyAttachments { limit };
    assert_eq!(Args::new(&ten).unwrap().attachments().len(), 10);
    assert_eq!(Args::new(&eleven), Err(refused(10)));
    assert_eq!(Event::new("a", &eleven), Err(refused(10)));
    assert_eq!(
        Args::with_max_attachments(&eleven, 11)
            .unwrap()
            .attachments()
            .len(),
        11
    );
    assert_eq!(
        Event::with_max_attachments("a", &eleven, 11)
            .unwrap()
            .attachments()
            .len(),
        11
    );
    assert_eq!(Args::with_max_attachments(&bytes("x"), 0), Err(refused(0)));
}

#[test]
fn values_that_look_like_placeholders_are_not_sent_beside_binary_ones() {
    for looks_like_one in [
        json!({"_placeholder": true, "num": 0}),
        json!({"_placeholder": true, "num": 1}),
        json!({"_placeholder": true, "num": 7}),
        json!({"_placeholder": true}),
        json!([{"a": {"_placeholder": true, "num": 0}}]),
    ] {
        // Alone it is an ordinary object, which the receiver gets as it is.
        let alone = Args::new(&looks_like_one).unwrap();
        assert_eq!(alone.parse::<Value>().unwrap(), looks_like_one);
        let beside = Args::new(&(&looks_like_one, bytes("x")));
        assert_eq!(
            beside,
            Err(EncodeError::AmbiguousPlaceholder),
            "{looks_like_one}"
        );
    }
    #[derive(Serialize)]
    struct Around {
        _placeholder: bool,
        num: u8,
        inner: Bytes,
    }
    let around = Around {
        _placeholder: true,
        num: 0,
        inner: bytes("x"),
    };
    assert_eq!(Args::new(&around), Err(EncodeError::AmbiguousPlaceholder));
    assert!(Args::new(&(json!({"_placeholder": 1}), bytes("x"))).is_ok());
}

#[test]
fn binary_values_are_not_sent_where_nobody_can_read_them() {
    struct Nested(usize);
    impl Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                0 => serializer.serialize_bytes(b"x"),
                depth => serializer.collect_seq([Self(depth - 1)]),
            }
        }
    }
    assert!(Args::new(&Nested(126)).is_ok());
    assert_eq!(
        Args::new(&Nested(127)),
        Err(EncodeError::TooDeep { limit: 128 })
    );
}

#[test]
fn extra_arguments_are_ignored_and_missing_ones_null() {
    let args = received(r#" [ 1 , "a" , null ] "#.trim());
    assert_eq!(args.len(), 3);
    assert_eq!(args.parse::<i32>().unwrap(), 1);
    assert_eq!(args.parse::<(i32,)>().unwrap(), (1,));
    assert_eq!(args.parse::<(i32, &str)>().unwrap(), (1, "a"));
    assert_eq!(args.parse::<Pair>().unwrap(), Pair(1, "a".into()));
    args.parse::<()>().unwrap();
    type Padded = (
        i32,
        String,
        Option<i32>,
        Option<i32>,
        (),
        Newtype<Option<u8>>,
        Value,
    );
    let all: Padded = args.parse().unwrap();
    assert_eq!(
        all,
        (1, "a".into(), None, None, (), Newtype(None), Value::Null)
    );
    assert_eq!(
        args.parse::<(i32, String, (), i32)>(),
        Err(ArgsError::Missing { index: 3 })
    );

    let none = received("[ ]");
    assert!(none.is_empty());
    none.parse::<()>().unwrap();
    assert_eq!(none.parse::<Option<i32>>().unwrap(), None);
    assert_eq!(none.parse::<(Option<i32>,)>().unwrap(), (None,));
    assert_eq!(none.parse::<Value>().unwrap(), Value::Null);
    assert_eq!(none.parse::<&RawValue>().unwrap().get(), "null");
    assert_eq!(none.parse::<(Box<RawValue>,)>().unwrap().0.get(), "null");
    assert_eq!(none.parse::<i32>(), Err(ArgsError::Missing { index: 0 }));
    assert_eq!(none.parse::<Bytes>(), Err(ArgsError::Missing { index: 0 }));
    assert_eq!(none.parse::<Pair>(), Err(ArgsError::Missing { index: 0 }));
    assert_eq!(
        Args::default().parse::<i32>(),
        Err(ArgsError::Missing { index: 0 })
    );
    assert_eq!(received("[null]").parse::<Option<i32>>().unwrap(), None);
}

#[test]
fn reading_with_attachments_follows_the_same_rules() {
    let args = received_with(&format!(r#"[ {P0} , 1 ]"#), &[bytes("x")]);
    assert_eq!(args.parse::<Bytes>().unwrap(), "x");
    assert_eq!(args.parse::<(Bytes,)>().unwrap(), (bytes("x"),));
    let all: (Bytes, i32, Option<i32>) = args.parse().unwrap();
    assert_eq!(all, (bytes("x"), 1, None));
    assert_eq!(
        args.parse::<(Bytes, i32, u8)>(),
        Err(ArgsError::Missing { index: 2 })
    );
    // The text of a value has its placeholders, and a struct sees an object.
    let (raw, _): (&RawValue, i32) = args.parse().unwrap();
    assert_eq!(raw.get(), P0);
    #[derive(Debug, PartialEq, Deserialize)]
    struct Seen {
        num: u8,
    }
    assert_eq!(args.parse::<Seen>().unwrap(), Seen { num: 0 });
    assert_eq!(
        args.parse::<Value>().unwrap_err().to_string(),
        "argument 0: invalid type: binary data, expected any valid JSON value (byte 0)"
    );
    assert_eq!(
        args.parse::<Vec<u8>>().unwrap_err().to_string(),
        "argument 0: invalid type: binary data, expected a sequence (byte 0)"
    );
    // Ignored values, and keys of each kind.
    #[derive(Debug, PartialEq, Deserialize)]
    struct Last {
        last: Bytes,
    }
    let text = format!(r#"[{{"skipped":[{{"a":"]}}\""}},{P0}],"last":{P1}}}]"#);
    let args = received_with(&text, &[bytes("x"), bytes("y")]);
    assert_eq!(args.parse::<Last>().unwrap(), Last { last: bytes("y") });
    let text = format!(r#"[{{"1":{P0}}},{{"-1.5":2}},{{"é\n":3}},{{"7":4}}]"#);
    let args = received_with(&text, &[bytes("x")]);
    type Keys<'a> = (
        HashMap<u8, Bytes>,
        BTreeMap<&'a str, i32>,
        BTreeMap<Newtype<String>, i32>,
        BTreeMap<Option<u8>, i32>,
    );
    let (numbers, borrowed, escaped, optional) = args.parse::<Keys<'_>>().unwrap();
    assert_eq!(numbers[&1], "x");
    assert_eq!(borrowed["-1.5"], 2);
    assert_eq!(escaped[&Newtype("é\n".to_owned())], 3);
    assert_eq!(optional[&Some(7)], 4);
    assert!(args.parse::<(Value, HashMap<u8, i32>)>().is_err());
    for key in [
        "01", "+1", "inf", "NaN", "null", " 1", "x", "", "1\u{a0}", "[1]",
    ] {
        let text = format!(r#"[{{"{key}":{P0}}}]"#);
        let args = received_with(&text, &[bytes("x")]);
        assert!(args.parse::<HashMap<u64, Bytes>>().is_err(), "{key:?}");
        assert!(serde_json::from_str::<HashMap<u64, Value>>(&format!(r#"{{"{key}":0}}"#)).is_err());
    }
}

/// A value read beside an attachment is read by other code than one without.
#[test]
fn both_readers_agree() {
    fn agree<T: DeserializeOwned + PartialEq + fmt::Debug>(json: &str) {
        let text = received(&format!("[{json}]"));
        let binary = received_with(&format!("[{json},{P0}]"), &[bytes("x")]);
        let expected = serde_json::from_str::<T>(json).ok();
        assert_eq!(text.parse::<T>().ok(), expected, "{json}");
        assert_eq!(binary.parse::<T>().ok(), expected, "{json}");
        assert_eq!(
            text.parse::<(T,)>().ok().map(|(value,)| value),
            expected,
            "{json}"
        );
        assert_eq!(
            binary.parse::<(T,)>().ok().map(|(value,)| value),
            expected,
            "{json}"
        );
    }
    for json in [
        "0",
        "-0",
        "1",
        "-1",
        "255",
        "256",
        "1.0",
        "1e2",
        "-1.5e-3",
        "1e999",
        "-1e999",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "340282366920938463463374607431768211456",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a""#,
        r#""é\u00e9\n\/""#,
        r#""\ud83d\ude00""#,
        r#""\ud800""#,
        r#""ab""#,
        "[]",
        "[1]",
        "[1,2]",
        "[1,2,3]",
        "[[1,2]]",
        "{}",
        r#"{"a":1}"#,
        r#"{"1":1}"#,
        r#"{"a":1,"a":2}"#,
        r#""Nothing""#,
        r#"{"Nothing":null}"#,
        r#"{"One":[1]}"#,
        r#"{"Two":[[1],2]}"#,
        r#"{"Two":[[1]]}"#,
        r#"{"Two":[[1],2,3]}"#,
        r#"{"Named":{"files":[]}}"#,
        r#"{"Named":[[]]}"#,
        r#"{"One":[1],"Two":2}"#,
        "[256]",
        r#"{"name":"n","data":[1,2]}"#,
        r#"{"name":"n","data":"text","extra":[{}]}"#,
        r#"["n",[1]]"#,
        r#"[ 1 , { "a" : [ ] } ]"#,
    ] {
        agree::<bool>(json);
        agree::<u8>(json);
        agree::<i8>(json);
        agree::<u64>(json);
        agree::<i64>(json);
        agree::<u128>(json);
        agree::<i128>(json);
        agree::<f32>(json);
        agree::<f64>(json);
        agree::<char>(json);
        agree::<String>(json);
        agree::<Option<String>>(json);
        agree::<Vec<u8>>(json);
        agree::<Vec<(u8, u8)>>(json);
        agree::<Bytes>(json);
        agree::<serde_bytes::ByteBuf>(json);
        agree::<HashMap<String, u8>>(json);
        agree::<HashMap<u8, u8>>(json);
        agree::<Shape>(json);
        agree::<File>(json);
        agree::<Unit>(json);
        agree::<Newtype<u8>>(json);
        agree::<Untagged>(json);
        agree::<Value>(json);
    }
}

#[test]
fn nesting_is_bounded_when_values_are_read() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let text = |depth| received(&format!("[{}]", nested(depth)));
    assert!(text(127).parse::<Value>().is_ok());
    for depth in [128, 20_000] {
        let error = text(depth).parse::<Value>().unwrap_err().to_string();
        assert!(error.contains("too many arrays and objects"), "{error}");
        text(depth).parse::<serde::de::IgnoredAny>().unwrap();
        assert_eq!(
            text(depth).parse::<&RawValue>().unwrap().get(),
            nested(depth)
        );
    }
    let binary = received_with(&format!("[{},{P0}]", nested(127)), &[bytes("x")]);
    assert!(binary.parse::<Value>().is_ok());
    // Beside one another is not inside one another.
    let wide = received_with(
        &format!("[[{}[]],{P0}]", "[],{},".repeat(200)),
        &[bytes("x")],
    );
    assert_eq!(wide.parse::<Vec<Value>>().unwrap().len(), 401);
}

#[test]
fn errors_say_which_argument_and_never_its_value() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code)]
    struct Strict {
        id: u8,
    }
    #[derive(Debug, Deserialize)]
    enum Choice {
        A,
    }
    type Message = Result<String, String>;
    fn first<T: DeserializeOwned>(args: &Args) -> Message {
        args.parse::<T>()
            .map(|_| "read".into())
            .map_err(|error| error.to_string())
    }
    type Read = fn(&Args) -> Message;
    let read: [(&str, Read, &str); 11] = [
        (
            r#"[{"7":0, "70707":0}]"#,
            first::<HashMap<u8, u8>>,
            "argument 0: invalid value: an integer, expected u8 (byte 8)",
        ),
        (
            r#"["hunter2"]"#,
            first::<u8>,
            "argument 0: invalid type: a string, expected u8 (byte 0)",
        ),
        (
            "[1, 70707]",
            first::<(u8, u8)>,
            "argument 1: invalid value: an integer, expected u8 (byte 0)",
        ),
        (
            r#"[1,  {"a":[1,"hunter2"]}]"#,
            first::<(u8, HashMap<String, Vec<u8>>)>,
            "argument 1: invalid type: a string, expected u8 (byte 8)",
        ),
        (
            r#"[{"hunter2":1}]"#,
            first::<Strict>,
            "argument 0: unknown field, expected one of [\"id\"] (byte 1)",
        ),
        (
            "[{}]",
            first::<Strict>,
            "argument 0: missing field `id` (byte 0)",
        ),
        (
            r#"["hunter2"]"#,
            first::<Choice>,
            "argument 0: unknown variant, expected one of [\"A\"] (byte 0)",
        ),
        (
            "[70707]",
            first::<Choice>,
            "argument 0: invalid type: expected a string or an object (byte 0)",
        ),
        (
            "[[1,2,3]]",
            first::<((u8, u8),)>,
            "argument 0: more items than expected (byte 0)",
        ),
        (
            "[1e999]",
            first::<f64>,
            "argument 0: a number out of range (byte 0)",
        ),
        (
            r#"["\ud800"]"#,
            first::<String>,
            "argument 0: a string with a lone surrogate is not Unicode (byte 0)",
        ),
    ];
    for (array, read, expected) in read {
        assert_eq!(read(&received(array)), Err(expected.to_owned()), "{array}");
        let event = format!(r#"2["name" , {}"#, array.strip_prefix('[').unwrap());
        let packet = Decoder::new(Limits::default())
            .text(event.into())
            .unwrap()
            .unwrap();
        let Packet::Event { event, .. } = packet else {
            panic!("{packet:?}")
        };
        assert_eq!(read(event.args()), Err(expected.to_owned()), "{array}");
    }
}

#[test]
fn as_many_values_as_there_are_arguments() {
    for (array, expected) in [
        ("[]", vec![]),
        ("[null]", vec![json!(null)]),
        (
            r#"[1,"a",[2],{"b":null}]"#,
            vec![json!(1), json!("a"), json!([2]), json!({"b": null})],
        ),
    ] {
        let args = received(array);
        assert_eq!(args.parse_each::<Value>().unwrap(), expected, "{array}");
    }
    let event = Event::new("name", &(1, "a")).unwrap();
    assert_eq!(
        event.args().parse_each::<Value>().unwrap(),
        [json!(1), json!("a")]
    );
    let event = Event::new("name", &()).unwrap();
    assert!(event.args().parse_each::<Value>().unwrap().is_empty());
    let placeholder = |num| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
    let array = format!("[{},{}]", placeholder(1), placeholder(0));
    let args = received_with(&array, &[bytes("a"), bytes("b")]);
    assert_eq!(
        args.parse_each::<Bytes>().unwrap(),
        [bytes("b"), bytes("a")]
    );

    let error = received(r#"[1,"PLANTED"]"#).parse_each::<u8>().unwrap_err();
    assert!(
        matches!(error, ArgsError::Argument { index: 1, .. }),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("PLANTED"));
}

#[test]
fn raw_arguments() {
    let args = received(r#"[ 1,"a,]\"" , { "b" : [ 2 ] },[],null ]"#);
    let raw = args.iter_raw();
    assert_eq!(raw.len(), 5);
    let texts: Vec<_> = raw.collect();
    assert_eq!(
        texts,
        ["1", r#""a,]\"""#, r#"{ "b" : [ 2 ] }"#, "[]", "null"]
    );
    assert_eq!(
        Event::new("name", &(1, "x"))
            .unwrap()
            .iter_raw()
            .last()
            .unwrap(),
        r#""x""#
    );
    assert_eq!(received("[]").iter_raw().count(), 0);
}

/// `serde_json` (1.0.154) reads on behind the first byte of such a key, and takes the rest of its first character for text.
#[test]
fn keys_that_are_no_truth_values_are_an_error() {
    use std::collections::BTreeMap;

    for key in ["\u{520}", "é", "\u{1f600}", "", "t", "yes"] {
        let json = format!(r#"[{{"{key}":6}}]"#);
        let args = Args::from_json(json.as_str(), vec![]).unwrap();
        assert!(args.parse::<BTreeMap<bool, u8>>().is_err(), "{key}");
        let json = crate::Json::from_text(&json[1..json.len() - 1]).unwrap();
        assert!(json.parse::<BTreeMap<bool, u8>>().is_err(), "{key}");
    }
    let args = Args::from_json(r#"[{"true":6}]"#, vec![]).unwrap();
    let read = args.parse::<BTreeMap<bool, u8>>();
    assert_eq!(read, Ok(BTreeMap::from([(true, 6)])));
}
