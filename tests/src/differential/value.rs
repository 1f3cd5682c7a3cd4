//! JSON values with bytes in them, and the text by which they are compared.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::json;

/// What an argument can be. Written and read through serde, as an application does it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    /// Keys may be there twice.
    Object(Vec<(String, Self)>),
}

impl Value {
    /// The same with its type in front, as `servers/js/parsers.js` takes it.
    pub(crate) fn tagged(&self) -> serde_json::Value {
        match self {
            Self::Null => json!(null),
            Self::Bool(truth) => json!(truth),
            Self::Whole(number) => json!(number),
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Bytes(bytes) => json!({"b": BASE64_STANDARD.encode(bytes)}),
            Self::List(items) => json!({"a": items.iter().map(Self::tagged).collect::<Vec<_>>()}),
            Self::Object(members) => {
                let members = members.iter().map(|(key, value)| (key, value.tagged()));
                json!({"o": members.collect::<Vec<_>>()})
            }
        }
    }

    /// How many byte strings are in it.
    pub(crate) fn attachments(&self) -> usize {
        match self {
            Self::Bytes(_) => 1,
            Self::List(items) => items.iter().map(Self::attachments).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.attachments()).sum(),
            _ => 0,
        }
    }

    /// A text that equal values have in common. As in JavaScript, numbers are doubles, the last of equal keys counts,
    /// and the order of keys does not.
    pub(crate) fn canonical(&self) -> String {
        let mut out = String::new();
        self.append(&mut out);
        out
    }

    fn append(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Whole(number) => out.push_str(&number_text(*number as f64)),
            Self::Number(number) => out.push_str(&number_text(*number)),
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Bytes(bytes) => out.push_str(&hex(bytes)),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.append(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                // As JavaScript sorts: by UTF-16 code units.
                let units = |key: &str| key.encode_utf16().collect::<Vec<_>>();
                let members: BTreeMap<_, _> = members
                    .iter()
                    .map(|(key, value)| (units(key), (key, value)))
                    .collect();
                out.push('{');
                for (index, (key, value)) in members.into_values().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(key));
                    out.push(':');
                    value.append(out);
                }
                out.push('}');
            }
        }
    }
}

/// A number to the last bit: integers that doubles tell apart in decimal, all others as their bits.
pub(crate) fn number_text(number: f64) -> String {
    let is_integer = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    if is_integer && number.to_bits() != (-0.0_f64).to_bits() {
        format!("{number:.0}")
    } else {
        format!("0x{:016x}", number.to_bits())
    }
}

/// A string as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Bytes as they are compared.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::from("<");
    for byte in bytes {
        // Writing to a string cannot fail.
        write!(out, "{byte:02x}").ok();
    }
    out.push('>');
    out
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Whole(number) => serializer.serialize_i64(*number),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => items.serialize(serializer),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whatever)
    }
}

struct Whatever;

impl<'de> Visitor<'de> for Whatever {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Number(number as f64), Value::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Value::Object(object))
    }
}
