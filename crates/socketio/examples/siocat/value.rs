//! Values with bytes in them, which lines of JSON write as `{"$base64":"…"}`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;
use serde_json::value::{RawValue, to_raw_value};
use socketio::{Args, ArgsError, Bytes, Spread};

/// The only key of an object that stands for bytes.
const BASE64: &str = "$base64";

/// A JSON value, or bytes. Unlike `serde_json`'s, it keeps the order of an object's keys.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Bytes(Bytes),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// A text behind `$base64` that is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadBase64;

impl fmt::Display for BadBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a $base64 is not base64")
    }
}

impl Value {
    /// With bytes in place of the objects that stand for them.
    pub(crate) fn decode_base64(self) -> Result<Self, BadBase64> {
        Ok(match self {
            Self::Array(items) => Self::Array(
                items
                    .into_iter()
                    .map(Self::decode_base64)
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(entries) => match entries.as_slice() {
                [(key, Self::String(text))] if key == BASE64 => {
                    Self::Bytes(STANDARD.decode(text).map_err(|_| BadBase64)?.into())
                }
                _ => Self::Object(
                    entries
                        .into_iter()
                        .map(|(key, value)| Ok((key, value.decode_base64()?)))
                        .collect::<Result<_, _>>()?,
                ),
            },
            other => other,
        })
    }

    /// With objects in place of the bytes that they stand for.
    fn encode_base64(self) -> Self {
        match self {
            Self::Bytes(bytes) => {
                let text = Self::String(STANDARD.encode(bytes));
                Self::Object(vec![(BASE64.to_owned(), text)])
            }
            Self::Array(items) => Self::Array(items.into_iter().map(Self::encode_base64).collect()),
            Self::Object(entries) => Self::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, value.encode_base64()))
                    .collect(),
            ),
            other => other,
        }
    }
}

/// Received arguments as JSON on one line.
///
/// Text that is on one line already stays as it came, with numbers and strings that this side could not hold.
pub(crate) fn print_args(args: &Args) -> Result<Box<RawValue>, ArgsError> {
    if args.attachments().is_empty()
        && let Some(text) = as_it_is(&args.json())
    {
        return Ok(text);
    }
    let values = args.parse_each::<Value>()?;
    let values = values.into_iter().map(Value::encode_base64).collect();
    // What has been read from JSON can be written as JSON.
    Ok(to_raw_value(&Value::Array(values)).unwrap_or_default())
}

/// Received JSON on one line, where that is possible.
pub(crate) fn print_json(json: &str) -> Option<Box<RawValue>> {
    as_it_is(json).or_else(|| {
        let value: Value = serde_json::from_str(json).ok()?;
        to_raw_value(&value).ok()
    })
}

fn as_it_is(json: &str) -> Option<Box<RawValue>> {
    if json.contains(['\n', '\r']) {
        return None;
    }
    RawValue::from_string(json.to_owned()).ok()
}

/// A list of arguments to be sent.
pub(crate) type Arguments = Spread<Value>;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line's `args` become when they are sent, and what is printed of them when they come back.
    fn sent(line: &str) -> Result<Args, String> {
        let values: Vec<Value> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let values: Result<_, _> = values.into_iter().map(Value::decode_base64).collect();
        let arguments = Spread(values.map_err(|error| error.to_string())?);
        Args::new(&arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_come_back_as_they_went() {
        for line in [
            "[]",
            "[null]",
            "[true,false]",
            "[0,-1,18446744073709551615,-9223372036854775808]",
            "[0.1,1e+300,5e-324,1.7976931348623157e+308,0.30000000000000004,51.248178375505404,-93.31137037688033]",
            r#"["","é€😀","\u0000\n\"\\"]"#,
            r#"[[],[[1],[]],{}]"#,
            r#"[{"z":1,"a":{"z":2}}]"#,
            r#"[{"$base64":""}]"#,
            r#"["x",{"b":[{"$base64":"3q0="}],"a":1.5},{"$base64":"AP8="}]"#,
            r#"[{"$base64":"3q0="},18446744073709551615,0.30000000000000004,"\n"]"#,
            // Objects that only look alike.
            r#"[{"$base64":1}]"#,
            r#"[{"$base64":"!","other":1}]"#,
            r#"[{"base64":"!"}]"#,
        ] {
            let args = sent(line).unwrap();
            assert_eq!(print_args(&args).unwrap().get(), line);
        }
    }

    #[test]
    fn bytes_travel_as_attachments() {
        let args = sent(r#"["x",{"b":[{"$base64":"3q0="}]},{"$base64":""}]"#).unwrap();
        assert_eq!(args.attachments(), [&b"\xDE\xAD"[..], b""]);
        assert_eq!(
            args.json(),
            r#"["x",{"b":[{"_placeholder":true,"num":0}]},{"_placeholder":true,"num":1}]"#
        );
        assert!(sent("[[1,2]]").unwrap().attachments().is_empty());
    }

    #[test]
    fn what_is_not_base64_is_refused_wherever_it_is() {
        for line in [
            r#"[{"$base64":"!"}]"#,
            r#"[{"$base64":"YQ"}]"#,
            r#"[{"$base64":"YQ==\n"}]"#,
            r#"[{"$base64":"_-8="}]"#,
            r#"[1,{"a":[{"$base64":"x"}]}]"#,
        ] {
            assert_eq!(sent(line), Err(BadBase64.to_string()), "{line}");
        }
    }

    #[test]
    fn received_text_is_printed_on_one_line_and_otherwise_as_it_came() {
        use socketio::codec::{Decoder, Limits, Packet};
        let received = |array: &str| {
            let mut decoder = Decoder::new(Limits::default());
            match decoder.text(format!("30{array}").into()) {
                Ok(Some(Packet::Ack { args, .. })) => args,
                other => panic!("{other:?}"),
            }
        };
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for same in [
            "[1e400,123456789012345678901234567890,1.10]",
            r#"["\ud800"]"#,
            r#"[{"_placeholder":true,"num":0}]"#,
            r#"[{"$base64":"!"}]"#,
            &deep,
        ] {
            assert_eq!(print_args(&received(same)).unwrap().get(), same);
        }
        let spread = "[1,\r\n {\"z\":\"\\n\",\n\"a\":[ ]}\n]";
        assert_eq!(
            print_args(&received(spread)).unwrap().get(),
            r#"[1,{"z":"\n","a":[]}]"#
        );
        assert!(print_args(&received("[\n1e400]")).is_err());
        assert_eq!(print_json("{\"a\":\n1}").unwrap().get(), r#"{"a":1}"#);
    }
}
