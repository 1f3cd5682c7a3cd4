//! Takes the binary values out of what is being serialized and leaves placeholders.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The binary values found so far, numbered in the order in which they were found.
#[derive(Debug)]
pub(crate) struct Found {
    attachments: RefCell<Vec<Bytes>>,
    max: usize,
    exceeded: Cell<bool>,
}

impl Found {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            attachments: RefCell::default(),
            max,
            exceeded: Cell::new(false),
        }
    }

    /// Whether a value was refused because it was one too many.
    pub(crate) fn exceeded(&self) -> bool {
        self.exceeded.get()
    }

    pub(crate) fn into_attachments(self) -> Vec<Bytes> {
        self.attachments.into_inner()
    }

    fn push(&self, value: &[u8]) -> Option<usize> {
        let mut attachments = self.attachments.borrow_mut();
        let num = attachments.len();
        if num == self.max {
            self.exceeded.set(true);
            return None;
        }
        attachments.push(Bytes::copy_from_slice(value));
        Some(num)
    }
}

/// A value that serializes as JSON with placeholders.
pub(crate) struct Extract<'a, T: ?Sized>(pub(crate) &'a T, pub(crate) &'a Found);

impl<T: Serialize + ?Sized> Serialize for Extract<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Extractor {
            inner: serializer,
            found: self.1,
        })
    }
}

/// Passes everything on except binary values. Also stands for a sequence, map or struct that has
/// been begun.
struct Extractor<'a, S> {
    inner: S,
    found: &'a Found,
}

macro_rules! pass_on {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $method(self, $($arg: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($arg),*)
        }
    )*};
}

macro_rules! begin {
    ($($method:ident($($arg:ident: $type:ty),*) -> $compound:ident;)*) => {$(
        fn $method(self, $($arg: $type),*) -> Result<Self::$compound, S::Error> {
            Ok(Extractor { inner: self.inner.$method($($arg),*)?, found: self.found })
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Extractor<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Extractor<'a, S::SerializeSeq>;
    type SerializeTuple = Extractor<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Extractor<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Extractor<'a, S::SerializeTupleVariant>;
    type SerializeMap = Extractor<'a, S::SerializeMap>;
    type SerializeStruct = Extractor<'a, S::SerializeStruct>;
    type SerializeStructVariant = Extractor<'a, S::SerializeStructVariant>;

    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        let num = self
            .found
            .push(value)
            .ok_or_else(|| S::Error::custom("too many attachments"))?;
        let mut placeholder = self.inner.serialize_struct("Placeholder", 2)?;
        placeholder.serialize_field("_placeholder", &true)?;
        placeholder.serialize_field("num", &num)?;
        placeholder.end()
    }

    pass_on! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Extract(value, self.found))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner
            .serialize_newtype_struct(name, &Extract(value, self.found))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner
            .serialize_newtype_variant(name, index, variant, &Extract(value, self.found))
    }

    begin! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant;
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident;)*) => {$(
        impl<C: $trait> $trait for Extractor<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.$method(&Extract(value, self.found))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! fields {
    ($($trait:ident;)*) => {$(
        impl<C: $trait> $trait for Extractor<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.inner.serialize_field(key, &Extract(value, self.found))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<C: SerializeMap> SerializeMap for Extractor<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    /// A key cannot be a placeholder: a binary one is refused like any other that is no string.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&Extract(value, self.found))
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), C::Error> {
        self.inner.serialize_entry(key, &Extract(value, self.found))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
