//! One JSON value, kept as text.

use std::fmt;

use bytestring::ByteString;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::check;
use crate::de::Reader;
use crate::{DecodeError, EncodeError, ValueError};

/// One valid JSON value as text: the payload of a CONNECT or CONNECT_ERROR packet.
///
/// `Debug` shows its size only: it may be what a client authenticates with. A received one is a
/// slice of the message it came in and keeps the receive buffer behind it alive;
/// [`detach`](Self::detach) it to keep it.
///
/// ```
/// use socketio_codec::Json;
///
/// #[derive(serde::Serialize)]
/// struct Auth {
///     token: &'static str,
/// }
///
/// let auth = Json::from_serialize(&Auth { token: "secret" })?;
/// assert_eq!(auth.as_str(), r#"{"token":"secret"}"#);
/// assert_eq!(format!("{auth:?}"), "Json(18 bytes)");
/// # Ok::<(), socketio_codec::EncodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Json(ByteString);

impl Json {
    /// Writes a value as JSON. These packets carry no attachments: binary values become arrays
    /// of numbers.
    ///
    /// # Errors
    ///
    /// When the value has no form in JSON.
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        match serde_json::to_string(value) {
            Ok(text) => Ok(Self(text.into())),
            Err(error) => Err(EncodeError::Serialize {
                message: error.to_string(),
            }),
        }
    }

    /// Takes a JSON text as it is, as a [`CustomParser`](crate::CustomParser) may have one.
    ///
    /// ```
    /// use socketio_codec::{DecodeError, Json};
    ///
    /// assert_eq!(Json::from_text(r#" {"sid":"x"}"#)?.as_str(), r#"{"sid":"x"}"#);
    /// let error = Json::from_text("{sid}").unwrap_err();
    /// assert_eq!(error, DecodeError::InvalidJson { offset: 1 });
    /// # Ok::<(), DecodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is not one JSON value.
    pub fn from_text(text: impl Into<ByteString>) -> Result<Self, DecodeError> {
        let (text, offset) = trim(&text.into());
        Self::check(text).map_err(|at| DecodeError::InvalidJson {
            offset: offset + at,
        })
    }

    /// Checks a text. On failure gives the byte offset at which it stops being JSON.
    pub(crate) fn check(text: ByteString) -> Result<Self, usize> {
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(IgnoredAny) => Ok(Self(text)),
            Err(error) => Err(offset_of(&error, &text)),
        }
    }

    /// A text that has been made as JSON, with nothing around it.
    #[cfg(feature = "msgpack")]
    pub(crate) fn known(text: ByteString) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Reads the value.
    ///
    /// # Errors
    ///
    /// When the value is not a `T`; the error never quotes it.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ValueError> {
        if let Ok(value) = serde_json::from_slice(self.0.as_bytes()) {
            return Ok(value);
        }
        // The errors of `serde_json` quote the value: find the fault again.
        T::deserialize(&mut Reader::new(&self.0, 0, None))
            .map_err(|error| ValueError::new(error.message, error.offset.unwrap_or_default()))
    }

    /// A copy in a buffer of its own, which keeps nothing else alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self(ByteString::from(self.as_str()))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.0.len())
    }
}

const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A text without the white space around it, and how much of that was in front.
pub(crate) fn trim(text: &ByteString) -> (ByteString, usize) {
    let behind = text.trim_start_matches(WHITE_SPACE);
    let offset = text.len() - behind.len();
    (text.slice_ref(trim_end(behind)), offset)
}

/// A text without the white space at its end.
pub(crate) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(WHITE_SPACE)
}

/// Checks, in one pass, that a text is a JSON array, and counts its items. On failure gives the
/// byte offset at which it stops being one.
pub(crate) fn count_items(array: &str) -> Result<usize, usize> {
    if let Some(len) = check::count_items(array) {
        return Ok(len);
    }
    let mut json = serde_json::Deserializer::from_str(array);
    let len = json
        .deserialize_seq(Counter)
        .and_then(|len| json.end().map(|()| len));
    len.map_err(|error| offset_of(&error, array))
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<usize, A::Error> {
        let mut len = 0;
        while items.next_element::<IgnoredAny>()?.is_some() {
            len += 1;
        }
        Ok(len)
    }
}

/// `serde_json` counts lines and columns, and now and then stops one byte early.
fn offset_of(error: &serde_json::Error, text: &str) -> usize {
    if error.is_eof() {
        return text.len();
    }
    let lines_before = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let line_start = lines_before.map(str::len).sum::<usize>();
    text.len()
        .min(line_start + error.column().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_at_their_byte() {
        for (text, offset) in [
            ("[1,]", 3),
            ("[1,\n\n x]", 6),
            ("[\"é\u{1}\"]", 3),
            ("[1", 2),
            ("[1]]", 3),
            ("[1] x", 4),
            ("[01]", 2),
            ("[1.]", 3),
            (r#"["\x"]"#, 3),
            (r#"["\u12"]"#, 6),
            ("[tru]", 4),
            ("[NaN]", 1),
            ("['a']", 1),
            ("[{1:2}]", 2),
        ] {
            let found = count_items(text).unwrap_err();
            assert!(found.abs_diff(offset) <= 1, "{text}: {found}");
        }
    }

    #[test]
    fn an_array_is_counted_at_any_depth() {
        let deep = format!("[1,{}{}]", "[".repeat(20_000), "]".repeat(20_000));
        for (text, len) in [
            ("[]", 0),
            ("[ ] \r\n\t", 0),
            (r#"["a",{"b":[1,2]},null]"#, 3),
            (r#"["\ud800",1e999]"#, 2),
            (&deep, 2),
        ] {
            assert_eq!(count_items(text), Ok(len));
        }
    }

    #[test]
    fn the_fault_is_named_without_the_value() {
        let json = Json::from_text(r#"{"a":1, "token":"hunter2"}"#).unwrap();
        #[derive(Debug, Deserialize)]
        struct Wrong {
            #[expect(dead_code)]
            token: u8,
        }
        let error = json.parse::<Wrong>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid type: a string, expected u8 (byte 16)"
        );
        assert_eq!(error.offset(), 16);
        assert!(json.parse::<serde_json::Value>().is_ok());
    }
}
