//! How values, and what they are made of, are made of bytes.

use bytes::Bytes;

use super::value::Value;

/// Makes things of bytes, from front to back. Where there are none left, everything is zero and empty.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        byte
    }

    /// One of so many.
    pub(super) fn below(&mut self, count: u8) -> u8 {
        self.byte() % count
    }

    /// Up to eight bytes' worth.
    pub(super) fn number(&mut self) -> u64 {
        (0..self.below(9)).fold(0, |number, _| (number << 8) | u64::from(self.byte()))
    }

    /// A length, and so many bytes, if there are.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest;
        bytes
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// A value, in which nothing is more than `depth` lists and objects deep.
    pub(super) fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth > 0 { 9 } else { 7 };
        match self.below(kinds) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 1),
            2 => Value::Unsigned(self.number()),
            3 => Value::Negative(i64::try_from(self.number() >> 1).map_or(i64::MIN, |n| -1 - n)),
            4 => Value::Float(
                Some(f64::from_bits(self.number()))
                    .filter(|n| n.is_finite())
                    .unwrap_or(0.5),
            ),
            5 => Value::Text(self.text()),
            6 => Value::Data(Bytes::copy_from_slice(self.bytes())),
            7 => Value::List((0..self.below(5)).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let members = 0..self.below(5);
                let members = members.map(|_| (self.key(), self.value(depth - 1)));
                Value::Object(members.collect())
            }
        }
    }

    /// The key of a member; those of placeholders are likelier than others.
    fn key(&mut self) -> String {
        match self.below(8) {
            0 => "_placeholder".into(),
            1 => "num".into(),
            _ => self.text(),
        }
    }
}
