//! Reads JSON values with attachments in place of their placeholders.
//!
//! It works on text that has been found valid and behaves as `serde_json` does, with two
//! differences: it knows where in the text it is, so that an object can be recognised as a
//! placeholder before it is entered, and its errors do not quote what they found.

mod error;
mod key;
mod variant;

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

pub(crate) use self::error::ReadError;
use self::key::Key;
use self::variant::{UnitVariant, Variant};
use crate::placeholder::{Attached, MAX_DEPTH};
use crate::scan::{Scanner, StringToken};

/// Reads one value after another from a text.
#[derive(Debug)]
pub(crate) struct Reader<'de> {
    scanner: Scanner<'de>,
    attached: Option<&'de Attached>,
    depth_left: usize,
}

/// Whether `serde_json` asks, in its private way, for the text of a value instead of its meaning.
pub(crate) fn is_raw_value(name: &str) -> bool {
    name.starts_with("$serde_json::private::")
}

impl<'de> Reader<'de> {
    /// A reader at `position`. The placeholders of `attached` count from the start of `text`.
    pub(crate) fn new(text: &'de str, position: usize, attached: Option<&'de Attached>) -> Self {
        Self {
            scanner: Scanner::new(text, position),
            attached,
            depth_left: MAX_DEPTH,
        }
    }

    fn any<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        match self.peek()? {
            b'"' => match self.string()?.decode() {
                Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
                Some(Cow::Owned(text)) => visitor.visit_string(text),
                None => Err(ReadError::custom(
                    "a string with a lone surrogate is not Unicode",
                )),
            },
            b'{' => match self.placeholder() {
                Some(bytes) => visitor.visit_borrowed_bytes(bytes),
                None => self.object(visitor),
            },
            b'[' => self.array(visitor),
            _ => match self.scanner.scalar() {
                "null" => visitor.visit_unit(),
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                number => visit_number(number, visitor),
            },
        }
    }

    fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        if self.peek()? != b'"' {
            return self.any(visitor);
        }
        let token = self.string()?;
        match token.verbatim() {
            Some(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            None => serde_json::Deserializer::from_str(token.quoted())
                .deserialize_bytes(visitor)
                .map_err(|_| ReadError::custom("a string that does not serve as bytes")),
        }
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        self.enter()?;
        let value = visitor.visit_seq(Items {
            reader: self,
            is_first: true,
        })?;
        self.leave(b']')?;
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        self.enter()?;
        let value = visitor.visit_map(Items {
            reader: self,
            is_first: true,
        })?;
        self.leave(b'}')?;
        Ok(value)
    }

    fn enumeration<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        match self.peek()? {
            b'{' => {
                self.enter()?;
                let value = visitor.visit_enum(Variant(self))?;
                self.leave(b'}')?;
                Ok(value)
            }
            b'"' => visitor.visit_enum(UnitVariant(self)),
            _ => Err(ReadError::custom(
                "invalid type: expected a string or an object",
            )),
        }
    }

    /// Moves over the placeholder that starts here, if one does.
    fn placeholder(&mut self) -> Option<&'de Bytes> {
        let (placeholder, bytes) = self.attached?.at(self.scanner.position())?;
        self.scanner.advance(placeholder.end - placeholder.start);
        Some(bytes)
    }

    /// Moves over the string that starts here, if a number or boolean is written in it.
    fn quoted_scalar(&mut self) -> Option<&'de str> {
        let mut ahead = self.scanner;
        let text = ahead.string()?.verbatim()?;
        let is_scalar = text.starts_with(|c: char| c.is_ascii_digit() || "-tf".contains(c))
            && serde_json::from_str::<IgnoredAny>(text).is_ok();
        is_scalar.then(|| {
            self.scanner = ahead;
            text
        })
    }

    fn enter(&mut self) -> Result<(), ReadError> {
        self.scanner.advance(1);
        self.depth_left = self.depth_left.saturating_sub(1);
        if self.depth_left == 0 {
            return Err(ReadError::custom(
                "too many arrays and objects inside one another",
            ));
        }
        Ok(())
    }

    fn leave(&mut self, end: u8) -> Result<(), ReadError> {
        self.depth_left += 1;
        if self.scanner.eat(end) {
            return Ok(());
        }
        Err(ReadError::custom("more items than expected"))
    }

    fn skip(&mut self) -> Result<(), ReadError> {
        self.scanner.skip_value().ok_or_else(ReadError::malformed)
    }

    fn peek(&mut self) -> Result<u8, ReadError> {
        self.scanner.peek().ok_or_else(ReadError::malformed)
    }

    fn string(&mut self) -> Result<StringToken<'de>, ReadError> {
        self.scanner.string().ok_or_else(ReadError::malformed)
    }

    fn expect(&mut self, byte: u8) -> Result<(), ReadError> {
        if self.scanner.eat(byte) {
            Ok(())
        } else {
            Err(ReadError::malformed())
        }
    }

    /// Runs a step and notes where it began if it fails and nothing inside it did.
    fn located<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        self.scanner.peek();
        let start = self.scanner.position();
        step(self).map_err(|mut error| {
            error.offset.get_or_insert(start);
            error
        })
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: &str, visitor: V) -> Result<V::Value, ReadError> {
    if let Ok(number) = number.parse::<u64>() {
        return visitor.visit_u64(number);
    }
    // "-0" is a floating-point number, as for `serde_json`: integers have no such value.
    if let Some(number) = number.parse::<i64>().ok().filter(|&number| number != 0) {
        return visitor.visit_i64(number);
    }
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() => visitor.visit_f64(number),
        Ok(_) => Err(ReadError::custom("a number out of range")),
        Err(_) => Err(ReadError::malformed()),
    }
}

macro_rules! wide_integer {
    ($method:ident => $visit:ident) => {
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.located(|reader| {
                let mut ahead = reader.scanner;
                match ahead.scalar().parse() {
                    Ok(number) => {
                        reader.scanner = ahead;
                        visitor.$visit(number)
                    }
                    Err(_) => reader.any(visitor),
                }
            })
        }
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(|reader| reader.any(visitor))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(|reader| reader.bytes(visitor))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(|reader| {
            if reader.peek()? == b'n' {
                reader.skip()?;
                return visitor.visit_none();
            }
            visitor.visit_some(reader)
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.located(|reader| {
            if !is_raw_value(name) {
                return visitor.visit_newtype_struct(reader);
            }
            let start = reader.scanner.position();
            reader.skip()?;
            serde_json::Deserializer::from_str(reader.scanner.since(start))
                .deserialize_newtype_struct(name, visitor)
                .map_err(|_| ReadError::malformed())
        })
    }

    /// A placeholder is an object to someone who asks for one.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(|reader| match reader.peek()? {
            b'{' => reader.object(visitor),
            _ => reader.any(visitor),
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.located(|reader| reader.enumeration(visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.skip()?;
        visitor.visit_unit()
    }

    /// Rounded once, and not by way of a double; as `serde_json` does it.
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(|reader| {
            let mut ahead = reader.scanner;
            let number = ahead.scalar();
            let is_integer =
                number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok_and(|n| n != 0);
            match number.parse::<f32>() {
                Ok(value)
                    if !is_integer
                        && number
                            .starts_with(|first: char| first == '-' || first.is_ascii_digit()) =>
                {
                    reader.scanner = ahead;
                    if value.is_finite() {
                        visitor.visit_f64(value.into())
                    } else {
                        Err(ReadError::custom("a number out of range"))
                    }
                }
                _ => reader.any(visitor),
            }
        })
    }

    wide_integer!(deserialize_i128 => visit_i128);
    wide_integer!(deserialize_u128 => visit_u128);

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f64 char str string
        unit unit_struct seq tuple tuple_struct identifier
    }
}

/// The items of the array or object that the reader has entered.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    is_first: bool,
}

impl Items<'_, '_> {
    /// Whether there is another item before `end`; moves to it.
    fn advance(&mut self, end: u8) -> Result<bool, ReadError> {
        if self.reader.peek()? == end {
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            self.reader.expect(b',')?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        if !self.advance(b']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        if !self.advance(b'}')? {
            return Ok(None);
        }
        seed.deserialize(Key(&mut *self.reader)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        self.reader.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}
