//! JSON to arguments: a tuple takes the list, `()` takes nothing, anything else the first one.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::de::SliceRead;

use super::Args;
use crate::de::{ReadError, Reader, is_raw_value};
use crate::scan::Scanner;
use crate::{ArgsError, ValueError};

/// Reads the arguments as a `T`.
pub(super) fn read<'de, T: Deserialize<'de>>(args: &'de Args) -> Result<T, ArgsError> {
    read_with(args, PhantomData)
}

/// Reads each argument as a `T`.
pub(super) fn read_each<'de, T: Deserialize<'de>>(args: &'de Args) -> Result<Vec<T>, ArgsError> {
    read_with(args, Each(args.len(), PhantomData))
}

fn read_with<'de, S: DeserializeSeed<'de> + Copy>(
    args: &'de Args,
    seed: S,
) -> Result<S::Value, ArgsError> {
    let reading = Cell::new(None);
    if args.attached().is_empty() {
        let text = if args.is_empty() { "null" } else { args.tail() };
        // As bytes: of text, `serde_json` (1.0.154) takes for granted that it stands at the beginning of a character,
        // which it does not in a key that is no `bool` where one was asked for.
        let mut first = serde_json::Deserializer::from_slice(text.as_bytes());
        let mut array = serde_json::Deserializer::from_slice(args.array().as_bytes());
        let list = List {
            first: &mut first,
            array: &mut array,
            args,
            reading: &reading,
        };
        let value = seed.deserialize(list);
        let is_whole = reading.get().is_none() || is_at_end(first, text);
        if let (Ok(value), true) = (value, is_whole) {
            return Ok(value);
        }
        // The errors of `serde_json` quote the values: find the fault again.
        reading.set(None);
    }
    let attached = Some(args.attached());
    let mut first = match args.is_empty() {
        true => Reader::new("null", 0, None),
        false => Reader::new(args.array(), args.first, attached),
    };
    let mut array = Reader::new(args.array(), 0, attached);
    let list = List {
        first: &mut first,
        array: &mut array,
        args,
        reading: &reading,
    };
    seed.deserialize(list)
        .map_err(|error| explain(args, reading.get(), error))
}

/// As many values as there are arguments.
struct Each<T>(usize, PhantomData<T>);

impl<T> Clone for Each<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Each<T> {}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Each<T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<Vec<T>, D::Error> {
        list.deserialize_tuple(self.0, self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(values)
    }
}

/// Whether the argument has been read to its end: of `1.5`, `serde_json` gives the `1` to someone
/// who asks for a `u128`.
fn is_at_end<'de>(json: serde_json::Deserializer<SliceRead<'de>>, text: &'de str) -> bool {
    let position = json.into_iter::<IgnoredAny>().byte_offset();
    matches!(
        Scanner::new(text, position).peek(),
        None | Some(b',' | b']')
    )
}

fn explain(args: &Args, reading: Option<usize>, error: ReadError) -> ArgsError {
    let offset = error.offset.unwrap_or_default();
    match reading {
        Some(index) if index >= args.len() => ArgsError::Missing { index },
        Some(index) => {
            let offset = offset.saturating_sub(args.offset_of(index));
            ArgsError::Argument {
                index,
                reason: ValueError::new(error.message, offset),
            }
        }
        None => ArgsError::List {
            reason: ValueError::new(error.message, offset),
        },
    }
}

/// The list of arguments as a value to be deserialized.
struct List<'a, D> {
    /// Reads the first argument, or `null` if there is none.
    first: D,
    /// Reads the array, name of the event included.
    array: D,
    args: &'a Args,
    /// Which argument is being read, for the error.
    reading: &'a Cell<Option<usize>>,
}

impl<'a, D> List<'a, D> {
    fn into_first(self) -> D {
        self.reading.set(Some(0));
        self.first
    }

    fn visit<'de, V: Visitor<'de>>(self, expected: usize, visitor: V) -> Result<V::Value, D::Error>
    where
        D: Deserializer<'de>,
    {
        let Self {
            array,
            args,
            reading,
            ..
        } = self;
        array.deserialize_seq(ListVisitor {
            visitor,
            expected,
            args,
            reading,
        })
    }
}

macro_rules! first_argument {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.into_first().$method($($arg,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for List<'_, D> {
    type Error = D::Error;

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.visit(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.visit(len, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if is_raw_value(name) {
            return self.into_first().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    first_argument! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}

/// Shows a visitor that expects a tuple the arguments: without the event's name, with `null` for
/// those missing, and not those beyond the tuple.
struct ListVisitor<'a, V> {
    visitor: V,
    expected: usize,
    args: &'a Args,
    reading: &'a Cell<Option<usize>>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for ListVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<V::Value, A::Error> {
        if self.args.has_name() {
            seq.next_element::<IgnoredAny>()?;
        }
        let fields = Fields {
            seq: &mut seq,
            next: 0,
            present: self.args.len(),
            expected: self.expected,
            reading: self.reading,
        };
        let value = self.visitor.visit_seq(fields)?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}

struct Fields<'a, A> {
    seq: &'a mut A,
    next: usize,
    present: usize,
    expected: usize,
    reading: &'a Cell<Option<usize>>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        if self.next == self.expected {
            return Ok(None);
        }
        self.reading.set(Some(self.next));
        let value = if self.next < self.present {
            self.seq.next_element_seed(seed)?
        } else {
            Some(seed.deserialize(Missing(PhantomData))?)
        };
        self.reading.set(None);
        self.next += 1;
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.expected - self.next)
    }
}

/// An argument that is not there: `null`.
struct Missing<E>(PhantomData<E>);

impl<'de, E: Error> Deserializer<'de> for Missing<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, E> {
        if is_raw_value(name) {
            let mut null = serde_json::Deserializer::from_str("null");
            return null
                .deserialize_newtype_struct(name, visitor)
                .map_err(E::custom);
        }
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
