//! Arguments to JSON: a tuple is the list, `()` is none, anything else is one.

use std::cell::Cell;
use std::fmt::{self, Display};

use bytestring::ByteString;
use serde::Serialize;
use serde::ser::{
    self, Impossible, SerializeSeq, SerializeTuple, SerializeTupleStruct, Serializer,
};

use crate::placeholder::{Attached, MAX_DEPTH, Placeholder, PlaceholderError};
use crate::ser::{Extract, Found};
use crate::{Args, EncodeError};

const LITTLE_TEXT: usize = 128;

/// Writes `[name, arguments…]`, or `[arguments…]` without a name. The result counts the name as
/// an argument.
pub(crate) fn write(
    name: Option<&str>,
    args: &(impl Serialize + ?Sized),
    max_attachments: usize,
) -> Result<Args, EncodeError> {
    let found = Found::new(max_attachments);
    let mut text = Vec::with_capacity(LITTLE_TEXT);
    let len = match write_items(&mut text, name, args, &found) {
        Ok(len) => len,
        Err(_) if found.exceeded() => {
            return Err(EncodeError::TooManyAttachments {
                limit: max_attachments,
            });
        }
        Err(error) => {
            return Err(EncodeError::Serialize {
                message: error.to_string(),
            });
        }
    };
    // `Bytes` keeps a vector without spare room as it is and needs a header for any other.
    text.shrink_to_fit();
    let Ok(text) = ByteString::try_from(text) else {
        return Err(EncodeError::Serialize {
            message: "not UTF-8".into(),
        });
    };
    let attached = Attached::new(found.into_attachments(), &text).map_err(|error| match error {
        PlaceholderError::TooDeep { .. } => EncodeError::TooDeep { limit: MAX_DEPTH },
        PlaceholderError::NoSuchAttachment { .. } => EncodeError::AmbiguousPlaceholder,
    })?;
    if !has_only_our_placeholders(&attached) {
        return Err(EncodeError::AmbiguousPlaceholder);
    }
    Ok(Args::from_array(text, len, attached))
}

fn write_items(
    out: &mut Vec<u8>,
    name: Option<&str>,
    args: &(impl Serialize + ?Sized),
    found: &Found,
) -> Result<usize, serde_json::Error> {
    let mut json = serde_json::Serializer::new(out);
    let mut items = json.serialize_seq(None)?;
    let count = Cell::new(0);
    if let Some(name) = name {
        SerializeSeq::serialize_element(&mut items, name)?;
        count.set(1);
    }
    match args.serialize(List {
        items: &mut items,
        found,
        count: &count,
    }) {
        Ok(()) => {}
        Err(ListError::NotAList) => {
            SerializeSeq::serialize_element(&mut items, &Extract(args, found))?;
            count.set(count.get() + 1);
        }
        Err(ListError::Json(error)) => return Err(error),
    }
    SerializeSeq::end(items)?;
    Ok(count.get())
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
struct List<'a, S> {
    items: &'a mut S,
    found: &'a Found,
    count: &'a Cell<usize>,
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

impl<S: SerializeSeq<Error = serde_json::Error>> Serializer for List<'_, S> {
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

impl<S: SerializeSeq<Error = serde_json::Error>> SerializeTuple for List<'_, S> {
    type Ok = ();
    type Error = ListError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ListError> {
        let written = self.items.serialize_element(&Extract(value, self.found));
        self.count.set(self.count.get() + 1);
        written.map_err(ListError::Json)
    }

    fn end(self) -> Result<(), ListError> {
        Ok(())
    }
}

impl<S: SerializeSeq<Error = serde_json::Error>> SerializeTupleStruct for List<'_, S> {
    type Ok = ();
    type Error = ListError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ListError> {
        SerializeTuple::serialize_element(self, value)
    }

    fn end(self) -> Result<(), ListError> {
        Ok(())
    }
}
