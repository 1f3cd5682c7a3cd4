//! MessagePack to JSON text and attachments.
//!
//! What only JavaScript has becomes what `JSON.stringify` would have made of it, so that a peer
//! gives the same values in either format: dates are strings, `undefined` is `null` in a list and
//! nothing in an object, infinite numbers are `null`.

use std::fmt::{Display, Write};

use bytes::Bytes;

use super::date;
use super::read::{Item, Reader};
use crate::limits::is_small_part;
use crate::placeholder::{Attached, MAX_DEPTH, Placeholder};
use crate::{Args, DecodeError, Json, Limits};

/// The array of `len` values that stand at `contents`, with binary values as attachments. `start`
/// is where the array began.
pub(super) fn args(
    contents: Reader<'_>,
    start: usize,
    len: usize,
    limits: &Limits,
) -> Result<Args, DecodeError> {
    let mut transcoder = Transcoder::new(contents, Some(limits));
    transcoder.value(Item::Array(len), start, 0)?;
    let Transcoder {
        reader,
        mut out,
        mut attachments,
        attachment_bytes,
        mut placeholders,
        has_marker,
        ..
    } = transcoder;
    // Attachments that are a small part of a long message do not keep all of that alive.
    if is_small_part(attachment_bytes, reader.len()) {
        for attachment in &mut attachments {
            *attachment = Bytes::copy_from_slice(attachment);
        }
    }
    out.shrink_to_fit();
    placeholders.shrink_to_fit();
    let attached = Attached::at_places(attachments, placeholders, &out, has_marker);
    Ok(Args::from_array(out.into(), len, attached))
}

/// A value whose beginning has been read at `start`. There are no attachments: binary values are
/// arrays of numbers, as with [`Json::from_serialize`].
pub(super) fn json(
    contents: Reader<'_>,
    start: usize,
    item: Item<'_>,
) -> Result<Json, DecodeError> {
    let mut transcoder = Transcoder::new(contents, None);
    transcoder.value(item, start, 0)?;
    let mut out = transcoder.out;
    out.shrink_to_fit();
    Ok(Json::known(out.into()))
}

struct Transcoder<'a> {
    reader: Reader<'a>,
    out: String,
    /// Of attachments, where there are any.
    limits: Option<&'a Limits>,
    attachments: Vec<Bytes>,
    attachment_bytes: usize,
    placeholders: Vec<Placeholder>,
    /// Whether an object has a key like that of placeholders.
    has_marker: bool,
}

impl<'a> Transcoder<'a> {
    fn new(reader: Reader<'a>, limits: Option<&'a Limits>) -> Self {
        Self {
            reader,
            out: String::new(),
            limits,
            attachments: Vec::new(),
            attachment_bytes: 0,
            placeholders: Vec::new(),
            has_marker: false,
        }
    }

    /// Writes a value whose beginning has been read at `start`, inside of `depth` others.
    fn value(&mut self, item: Item<'a>, start: usize, depth: usize) -> Result<(), DecodeError> {
        match item {
            // In a list; members of objects are left out.
            Item::Nil | Item::Undefined => self.out.push_str("null"),
            Item::Bool(value) => self.display(value),
            Item::Unsigned(value) => self.display(value),
            Item::Negative(value) => self.display(value),
            Item::Float(value) => match serde_json::Number::from_f64(value) {
                Some(value) => self.display(value),
                None => self.out.push_str("null"),
            },
            Item::String(value) => self.string(value),
            Item::Date(milliseconds) => match date::to_iso_8601(milliseconds) {
                Some(date) => self.string(&date),
                None => self.out.push_str("null"),
            },
            Item::Array(len) => self.list(len, start, depth)?,
            Item::Map(len) => self.object(len, start, depth)?,
            Item::Binary(data) => self.binary(data, start, depth)?,
            Item::Extension(kind, data) => {
                check_depth(start, depth)?;
                self.out.push('[');
                self.display(kind);
                self.out.push(',');
                self.binary(data, start, depth + 1)?;
                self.out.push(']');
            }
        }
        Ok(())
    }

    fn list(&mut self, len: usize, start: usize, depth: usize) -> Result<(), DecodeError> {
        check_depth(start, depth)?;
        self.out.push('[');
        for index in 0..len {
            if index > 0 {
                self.out.push(',');
            }
            let start = self.reader.position();
            let item = self.reader.item()?;
            self.value(item, start, depth + 1)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn object(&mut self, len: usize, start: usize, depth: usize) -> Result<(), DecodeError> {
        check_depth(start, depth)?;
        self.out.push('{');
        let mut is_first = true;
        for _ in 0..len {
            let key_start = self.reader.position();
            let key = self.reader.item()?;
            let start = self.reader.position();
            let item = self.reader.item()?;
            if item == Item::Undefined {
                check_key(&key, key_start)?;
                continue;
            }
            if !std::mem::take(&mut is_first) {
                self.out.push(',');
            }
            self.key(key, key_start)?;
            self.out.push(':');
            self.value(item, start, depth + 1)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn key(&mut self, key: Item<'a>, start: usize) -> Result<(), DecodeError> {
        check_key(&key, start)?;
        match key {
            Item::String(name) => {
                self.has_marker |= name == "_placeholder";
                self.string(name);
            }
            Item::Bool(name) => self.quoted(name),
            Item::Unsigned(name) => self.quoted(name),
            Item::Negative(name) => self.quoted(name),
            _ => {}
        }
        Ok(())
    }

    fn binary(&mut self, data: &'a [u8], start: usize, depth: usize) -> Result<(), DecodeError> {
        check_depth(start, depth)?;
        let Some(limits) = self.limits else {
            self.numbers(data);
            return Ok(());
        };
        let num = self.attachments.len();
        if num >= limits.max_attachments {
            return Err(DecodeError::TooManyAttachments {
                offset: start,
                limit: limits.max_attachments,
            });
        }
        self.attachment_bytes = self.attachment_bytes.saturating_add(data.len());
        if self.attachment_bytes > limits.max_attachment_bytes {
            return Err(DecodeError::AttachmentsTooLarge {
                limit: limits.max_attachment_bytes,
            });
        }
        let start = self.out.len();
        self.out.push_str(r#"{"_placeholder":true,"num":"#);
        self.display(num);
        self.out.push('}');
        let end = self.out.len();
        self.placeholders.push(Placeholder { start, end, num });
        self.attachments.push(self.reader.share(data));
        Ok(())
    }

    fn numbers(&mut self, data: &[u8]) {
        self.out.push('[');
        for (index, byte) in data.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.display(byte);
        }
        self.out.push(']');
    }

    /// A string with what JSON wants escaped, as `serde_json` does it.
    fn string(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = rest.find(|next: char| next < ' ' || next == '"' || next == '\\') {
            let (plain, behind) = rest.split_at(at);
            self.out.push_str(plain);
            let mut characters = behind.chars();
            match characters.next() {
                Some(quoted @ ('"' | '\\')) => self.out.extend(['\\', quoted]),
                Some('\n') => self.out.push_str("\\n"),
                Some('\r') => self.out.push_str("\\r"),
                Some('\t') => self.out.push_str("\\t"),
                Some('\u{8}') => self.out.push_str("\\b"),
                Some('\u{c}') => self.out.push_str("\\f"),
                Some(other) => self.display(format_args!("\\u{:04x}", u32::from(other))),
                None => {}
            }
            rest = characters.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    fn quoted(&mut self, value: impl Display) {
        self.display(format_args!("\"{value}\""));
    }

    fn display(&mut self, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }
}

/// Objects have strings for keys. Numbers and truth values become strings, as in `serde_json`.
fn check_key(key: &Item<'_>, start: usize) -> Result<(), DecodeError> {
    match key {
        Item::String(_) | Item::Bool(_) | Item::Unsigned(_) | Item::Negative(_) => Ok(()),
        _ => {
            let problem = "a key that is neither a string, a whole number nor a truth value";
            Err(Reader::malformed(start, problem))
        }
    }
}

/// Whether an array, object or placeholder at `start` may be inside of `depth` others.
fn check_depth(start: usize, depth: usize) -> Result<(), DecodeError> {
    if depth < MAX_DEPTH {
        return Ok(());
    }
    Err(DecodeError::TooDeep {
        offset: start,
        limit: MAX_DEPTH,
    })
}
