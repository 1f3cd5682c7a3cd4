//! Bytes to MessagePack values, one at a time, nothing allocated.

use bytes::Bytes;

use crate::DecodeError;
use crate::limits::is_small_part;

/// A position in a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    message: &'a Bytes,
    position: usize,
}

/// One value, or the beginning of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Item<'a> {
    Nil,
    /// What JavaScript calls so: an extension of the reference implementation's.
    Undefined,
    Bool(bool),
    Unsigned(u64),
    /// Below zero.
    Negative(i64),
    Float(f64),
    String(&'a str),
    Binary(&'a [u8]),
    /// So many values follow.
    Array(usize),
    /// So many keys follow, a value behind each.
    Map(usize),
    /// Milliseconds since 1970: an extension of the reference implementation's.
    Date(i64),
    /// Any other extension.
    Extension(i8, &'a [u8]),
}

impl Item<'_> {
    /// How many values follow that belong to it.
    fn contents(&self) -> usize {
        match *self {
            Self::Array(len) => len,
            Self::Map(len) => len.saturating_mul(2),
            _ => 0,
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a Bytes) -> Self {
        Self {
            message,
            position: 0,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Bytes of the whole message.
    pub(super) fn len(&self) -> usize {
        self.message.len()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.message.len().saturating_sub(self.position)
    }

    /// Part of the message, as one that keeps the message alive only if it is much of that.
    pub(super) fn take(&self, part: &'a [u8]) -> Bytes {
        match is_small_part(part.len(), self.message.len()) {
            true => Bytes::copy_from_slice(part),
            false => self.share(part),
        }
    }

    /// Part of the message, as one that keeps the message alive.
    pub(super) fn share(&self, part: &'a [u8]) -> Bytes {
        self.message.slice_ref(part)
    }

    pub(super) fn malformed(offset: usize, problem: &'static str) -> DecodeError {
        DecodeError::Malformed { offset, problem }
    }

    /// The next value.
    pub(super) fn item(&mut self) -> Result<Item<'a>, DecodeError> {
        let start = self.position;
        let [marker] = self.array()?;
        let item = match marker {
            0x00..=0x7f => Item::Unsigned(marker.into()),
            0x80..=0x8f => Item::Map(usize::from(marker & 0x0f)),
            0x90..=0x9f => Item::Array(usize::from(marker & 0x0f)),
            0xa0..=0xbf => self.string(usize::from(marker & 0x1f))?,
            0xc0 => Item::Nil,
            0xc1 => return Err(Self::malformed(start, "the one byte that means nothing")),
            0xc2 => Item::Bool(false),
            0xc3 => Item::Bool(true),
            0xc4 => self.len8().and_then(|len| self.binary(len))?,
            0xc5 => self.len16().and_then(|len| self.binary(len))?,
            0xc6 => self.len32().and_then(|len| self.binary(len))?,
            0xc7 => self.len8().and_then(|len| self.extension(len))?,
            0xc8 => self.len16().and_then(|len| self.extension(len))?,
            0xc9 => self.len32().and_then(|len| self.extension(len))?,
            0xca => Item::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Item::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Item::Unsigned(u8::from_be_bytes(self.array()?).into()),
            0xcd => Item::Unsigned(u16::from_be_bytes(self.array()?).into()),
            0xce => Item::Unsigned(u32::from_be_bytes(self.array()?).into()),
            0xcf => Item::Unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => signed(i8::from_be_bytes(self.array()?).into()),
            0xd1 => signed(i16::from_be_bytes(self.array()?).into()),
            0xd2 => signed(i32::from_be_bytes(self.array()?).into()),
            0xd3 => signed(i64::from_be_bytes(self.array()?)),
            0xd4 => self.fixed_extension(1)?,
            0xd5 => self.fixed_extension(2)?,
            0xd6 => self.fixed_extension(4)?,
            0xd7 => self.fixed_extension(8)?,
            0xd8 => self.fixed_extension(16)?,
            0xd9 => self.len8().and_then(|len| self.string(len))?,
            0xda => self.len16().and_then(|len| self.string(len))?,
            0xdb => self.len32().and_then(|len| self.string(len))?,
            0xdc => Item::Array(self.len16()?),
            0xdd => Item::Array(self.len32()?),
            0xde => Item::Map(self.len16()?),
            0xdf => Item::Map(self.len32()?),
            0xe0..=0xff => signed(i8::from_be_bytes([marker]).into()),
        };
        // Each value takes a byte: what cannot be there is not waited for.
        if item.contents() > self.left() {
            let problem = "more values announced than there are bytes left";
            return Err(Self::malformed(start, problem));
        }
        Ok(item)
    }

    /// Moves over what belongs to a value whose beginning has been read, however deep.
    pub(super) fn skip_contents(&mut self, item: &Item<'_>) -> Result<(), DecodeError> {
        let mut left = item.contents();
        while left > 0 {
            let item = self.item()?;
            left = (left - 1).saturating_add(item.contents());
        }
        Ok(())
    }

    fn len8(&mut self) -> Result<usize, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?).into())
    }

    fn len16(&mut self) -> Result<usize, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    fn len32(&mut self) -> Result<usize, DecodeError> {
        let len = u32::from_be_bytes(self.array()?);
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn string(&mut self, len: usize) -> Result<Item<'a>, DecodeError> {
        let start = self.position;
        match std::str::from_utf8(self.bytes(len)?) {
            Ok(text) => Ok(Item::String(text)),
            Err(error) => {
                let offset = start + error.valid_up_to();
                Err(Self::malformed(offset, "a string that is not UTF-8"))
            }
        }
    }

    fn binary(&mut self, len: usize) -> Result<Item<'a>, DecodeError> {
        self.bytes(len).map(Item::Binary)
    }

    /// An extension whose length was told. Of type 0 it is an `ArrayBuffer`.
    fn extension(&mut self, len: usize) -> Result<Item<'a>, DecodeError> {
        let kind = i8::from_be_bytes(self.array()?);
        let data = self.bytes(len)?;
        Ok(match kind {
            0 => Item::Binary(data),
            _ => Item::Extension(kind, data),
        })
    }

    /// An extension whose length is in its marker. Of type 0 it is `undefined` or a `Date`.
    fn fixed_extension(&mut self, len: usize) -> Result<Item<'a>, DecodeError> {
        let kind = i8::from_be_bytes(self.array()?);
        let data = self.bytes(len)?;
        Ok(match (kind, <[u8; 8]>::try_from(data)) {
            (0, Ok(milliseconds)) => Item::Date(i64::from_be_bytes(milliseconds)),
            (0, Err(_)) if len == 1 => Item::Undefined,
            _ => Item::Extension(kind, data),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| self.ended())
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.message.get(self.position..).unwrap_or_default();
        let bytes = rest.get(..len).ok_or_else(|| self.ended())?;
        self.position += len;
        Ok(bytes)
    }

    fn ended(&self) -> DecodeError {
        Self::malformed(self.message.len(), "the message ends inside a value")
    }
}

fn signed(value: i64) -> Item<'static> {
    match u64::try_from(value) {
        Ok(value) => Item::Unsigned(value),
        Err(_) => Item::Negative(value),
    }
}
