//! MessagePack values to bytes, each in its shortest form.

use bytes::Bytes;

use crate::EncodeError;

/// What has been written so far.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into()
    }

    pub(super) fn nil(&mut self) {
        self.0.push(0xc0);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.0.push(0xc2 + u8::from(value));
    }

    pub(super) fn unsigned(&mut self, value: u64) {
        if let Ok(value) = u8::try_from(value) {
            if value >= 0x80 {
                self.0.push(0xcc);
            }
            self.0.push(value);
        } else if let Ok(value) = u16::try_from(value) {
            self.marked(0xcd, &value.to_be_bytes());
        } else if let Ok(value) = u32::try_from(value) {
            self.marked(0xce, &value.to_be_bytes());
        } else {
            self.marked(0xcf, &value.to_be_bytes());
        }
    }

    /// A number below zero; any other one is [`unsigned`](Self::unsigned).
    pub(super) fn negative(&mut self, value: i64) {
        if let Ok(value) = i8::try_from(value) {
            if value < -0x20 {
                self.0.push(0xd0);
            }
            self.0.extend(value.to_be_bytes());
        } else if let Ok(value) = i16::try_from(value) {
            self.marked(0xd1, &value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.marked(0xd2, &value.to_be_bytes());
        } else {
            self.marked(0xd3, &value.to_be_bytes());
        }
    }

    pub(super) fn float(&mut self, value: f64) {
        self.marked(0xcb, &value.to_be_bytes());
    }

    pub(super) fn string(&mut self, value: &str) -> Result<(), EncodeError> {
        match u8::try_from(value.len()) {
            Ok(len) if len < 0x20 => self.0.push(0xa0 + len),
            Ok(len) => self.marked(0xd9, &[len]),
            Err(_) => self.long(value.len(), 0xda, 0xdb)?,
        }
        self.0.extend_from_slice(value.as_bytes());
        Ok(())
    }

    pub(super) fn binary(&mut self, value: &[u8]) -> Result<(), EncodeError> {
        match u8::try_from(value.len()) {
            Ok(len) => self.marked(0xc4, &[len]),
            Err(_) => self.long(value.len(), 0xc5, 0xc6)?,
        }
        self.0.extend_from_slice(value);
        Ok(())
    }

    /// Begins an array of so many items.
    pub(super) fn array(&mut self, len: usize) -> Result<(), EncodeError> {
        match u8::try_from(len) {
            Ok(len) if len < 0x10 => self.0.push(0x90 + len),
            _ => self.long(len, 0xdc, 0xdd)?,
        }
        Ok(())
    }

    /// Begins a map of so many keys, a value behind each.
    pub(super) fn map(&mut self, len: usize) -> Result<(), EncodeError> {
        match u8::try_from(len) {
            Ok(len) if len < 0x10 => self.0.push(0x80 + len),
            _ => self.long(len, 0xde, 0xdf)?,
        }
        Ok(())
    }

    /// A length in 16 bits, or in 32.
    fn long(&mut self, len: usize, short: u8, long: u8) -> Result<(), EncodeError> {
        if let Ok(len) = u16::try_from(len) {
            self.marked(short, &len.to_be_bytes());
        } else if let Ok(len) = u32::try_from(len) {
            self.marked(long, &len.to_be_bytes());
        } else {
            return Err(EncodeError::Inexpressible {
                what: "a value of more than 4 GiB",
            });
        }
        Ok(())
    }

    fn marked(&mut self, marker: u8, content: &[u8]) {
        self.0.push(marker);
        self.0.extend_from_slice(content);
    }
}
