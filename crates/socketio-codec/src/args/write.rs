//! Arguments to JSON: a tuple is the list, `()` is none, anything else is one.

use std::fmt::{self, Display};
use std::str;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::ser::{self, Impossible, SerializeTuple, SerializeTupleStruct, Serializer};

use crate::placeholder::{Attached, MAX_DEPTH, Placeholder, PlaceholderError};
use crate::scratch::Scratch;
use crate::ser::{Extract, Found};
use crate::{Args, EncodeError};

/// What an event begins with that goes to the namespace `/` and asks for no acknowledgement.
const EVENT: u8 = b'2';

/// Writes `[name, arguments…]`, or `[arguments…]` without a name.
///
/// With a name, what stands in front of the array is all that most events need in order to be sent; see
/// [`Args::message`].
#[inline]
pub(crate) fn write(
    name: Option<&str>,
    args: &(impl Serialize + ?Sized),
    max_attachments: usize,
) -> Result<Args, EncodeError> {
    let found = Found::new(max_attachments);
    let mut out = Scratch::take();
    let start = usize::from(name.is_some());
    if start > 0 {
        out.0.push(EVENT);
    }
    out.0.push(b'[');
    let named = match name {
        Some(name) => serde_json::to_writer(&mut out.0, name).map(|()| out.0.push(b',')),
        None => Ok(()),
    };
    let first = out.0.len();
    let written = named.and_then(|()| write_items(&mut out.0, args, &found));
    let len = written.map_err(|error| match found.exceeded() {
        true => EncodeError::TooManyAttachments {
            limit: max_attachments,
        },
        false => EncodeError::Serialize {
            message: error.to_string(),
        },
    })?;
    if len == 0 && name.is_some() {
        // The comma.
        out.0.pop();
    }
    let first = first.min(out.0.len());
    out.0.push(b']');
    let Ok(text) = str::from_utf8(&out.0) else {
        return Err(EncodeError::Serialize {
            message: "not UTF-8".into(),
        });
    };
    let text = ByteString::from(text);
    drop(out);
    let attached = match found.into_attachments() {
        none if none.is_empty() => None,
        attachments => place(attachments, text.get(start..).unwrap_or_default())?.boxed(),
    };
    Ok(Args {
        text,
        start,
        first: first - start,
        len,
        attached,
    })
}

/// Finds the attachments in what has been written.
fn place(attachments: Vec<Bytes>, array: &str) -> Result<Attached, EncodeError> {
    let attached = Attached::new(attachments, array).map_err(|error| match error {
        PlaceholderError::TooDeep { .. } => EncodeError::TooDeep { limit: MAX_DEPTH },
        PlaceholderError::NoSuchAttachment { .. } => EncodeError::AmbiguousPlaceholder,
    })?;
    match has_only_our_placeholders(&attached) {
        true => Ok(attached),
        false => Err(EncodeError::AmbiguousPlaceholder),
    }
}

/// Appends the arguments. Gives how many there are.
fn write_items(
    out: &mut Vec<u8>,
    args: &(impl Serialize + ?Sized),
    found: &Found,
) -> Result<usize, serde_json::Error> {
    let mut list = List { out, found, len: 0 };
    match args.serialize(&mut list) {
        Ok(()) => {}
        Err(ListError::NotAList) => list.push(args)?,
        Err(ListError::Json(error)) => return Err(error),
    }
    Ok(list.len)
}

/// Whether there is nothing but the placeholders that were written for the attachments, one each:
/// no value of the caller's looks like another one, or hides one by looking like one around it.
fn has_only_our_placeholders(attached: &Attached) -> bool {
    let is_bare = |found: &Placeholder| {
        let bare = format!(r#"{{"_placeholder":true,"num":{}}}"#, found.num);
        found.end - found.start == bare.len()
    };
    let found = attached.placeholders();
    found.len() == attached.attachments().len() && found.iter().all(is_bare)
}

/// Writes the fields of a tuple as items of the array, and refuses everything else before
/// anything is written.
struct List<'a> {
    out: &'a mut Vec<u8>,
    found: &'a Found,
    /// How many there are so far.
    len: usize,
}

impl List<'_> {
    fn push(&mut self, item: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        if self.len > 0 {
            self.out.push(b',');
        }
        self.len += 1;
        serde_json::to_writer(&mut *self.out, &Extract(item, self.found))
    }
}

#[derive(Debug)]
enum ListError {
    NotAList,
    Json(serde_json::Error),
}

impl Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAList => f.write_str("not a list of arguments"),
            Self::Json(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ListError {}

impl ser::Error for ListError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Json(ser::Error::custom(message))
    }
}

type NoList = Impossible<(), ListError>;

macro_rules! one_argument {
    ($($method:ident($($arg:ident: $type:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $($arg: $type),*) -> Result<$ok, ListError> {
            Err(ListError::NotAList)
        }
    )*};
}

impl Serializer for &mut List<'_> {
    type Ok = ();
    type Error = ListError;
    type SerializeSeq = NoList;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = NoList;
    type SerializeMap = NoList;
    type SerializeStruct = NoList;
    type SerializeStructVariant = NoList;

    fn serialize_tuple(self, _len: usize) -> Result<Self, ListError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _len: usize) -> Result<Self, ListError> {
        Ok(self)
    }

    fn serialize_unit(self) -> Result<(), ListError> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), ListError> {
        value.serialize(self)
    }

    one_argument! {
        serialize_bool(_value: bool) -> ();
        serialize_i8(_value: i8) -> ();
        serialize_i16(_value: i16) -> ();
        serialize_i32(_value: i32) -> ();
        serialize_i64(_value: i64) -> ();
        serialize_i128(_value: i128) -> ();
        serialize_u8(_value: u8) -> ();
        serialize_u16(_value: u16) -> ();
        serialize_u32(_value: u32) -> ();
        serialize_u64(_value: u64) -> ();
        serialize_u128(_value: u128) -> ();
        serialize_f32(_value: f32) -> ();
        serialize_f64(_value: f64) -> ();
        serialize_char(_value: char) -> ();
        serialize_str(_value: &str) -> ();
        serialize_bytes(_value: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit_struct(_name: &'static str) -> ();
        serialize_unit_variant(_name: &'static str, _index: u32, _variant: &'static str) -> ();
        serialize_seq(_len: Option<usize>) -> NoList;
        serialize_tuple_variant(
            _name: &'static str, _index: u32, _variant: &'static str, _len: usize) -> NoList;
        serialize_map(_len: Option<usize>) -> NoList;
        serialize_struct(_name: &'static str, _len: usize) -> NoList;
        serialize_struct_variant(
            _name: &'static str, _index: u32, _variant: &'static str, _len: usize) -> NoList;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _value: &T) -> Result<(), ListError> {
        Err(ListError::NotAList)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), ListError> {
        Err(ListError::NotAList)
    }

    fn collect_str<T: Display + ?Sized>(self, _value: &T) -> Result<(), ListError> {
        Err(ListError::NotAList)
    }
}

impl SerializeTuple for &mut List<'_> {
    type Ok = ();
    type Error = ListError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ListError> {
        self.push(value).map_err(ListError::Json)
    }

    fn end(self) -> Result<(), ListError> {
        Ok(())
    }
}

impl SerializeTupleStruct for &mut List<'_> {
    type Ok = ();
    type Error = ListError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ListError> {
        SerializeTuple::serialize_element(self, value)
    }

    fn end(self) -> Result<(), ListError> {
        Ok(())
    }
}
