//! The arguments of an event or an acknowledgement.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

pub(crate) use self::write::write;
use crate::json::{count_items, trim, trim_end};
use crate::placeholder::{Attached, Placeholder, PlaceholderError};
use crate::scan::Scanner;
use crate::{ArgsError, DecodeError, EncodeError, Limits};

/// The arguments of an event or an acknowledgement: a list of JSON values, and the binary values
/// in them.
///
/// They are kept as the text and the binary messages they travel in, and become values when
/// asked. A tuple is the list, `()` is no arguments, anything else is one argument, when
/// [writing](Self::new) and when [reading](Self::parse); see the [crate](crate) for all of the
/// convention.
///
/// Received arguments are slices of the messages they came in. Keeping them, or a `Bytes` out of
/// [`attachments`](Self::attachments), keeps the whole receive buffer behind it alive: to keep a
/// little of much, [`detach`](Self::detach) it. What [`parse`](Self::parse) gives as an owned
/// type (`String`, `Vec<u8>`, `Bytes`) is a copy and keeps nothing.
///
/// ```
/// use socketio_codec::{Args, Bytes};
///
/// let args = Args::new(&("a.png", Bytes::from_static(b"\x89PNG")))?;
/// assert_eq!(args.json(), r#"["a.png",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(args.attachments().len(), 1);
///
/// let (name, data): (&str, Bytes) = args.parse()?;
/// assert_eq!((name, &data[..]), ("a.png", &b"\x89PNG"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Args {
    /// The message they came in: a slice of it would cost more than a short one does to read.
    text: ByteString,
    /// Where in the text a JSON array starts, with nothing behind it. Its first item may be the
    /// name of an event.
    start: usize,
    /// Where in the array the first argument starts, or would.
    first: usize,
    len: usize,
    /// Most have none.
    attached: Option<Box<Attached>>,
}

impl Args {
    /// Serializes arguments, with at most [`Limits::DEFAULT_MAX_ATTACHMENTS`] binary values.
    ///
    /// # Errors
    ///
    /// When the arguments have no form in JSON (a map whose keys are no strings), contain too
    /// many binary values, or contain, besides binary values, an object that the receiver would
    /// take for the placeholder of one.
    pub fn new(args: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        Self::with_max_attachments(args, Limits::DEFAULT_MAX_ATTACHMENTS)
    }

    /// As [`new`](Self::new), with another limit. A receiver that was not told to take more than
    /// 10 ends the connection.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_max_attachments(
        args: &(impl Serialize + ?Sized),
        max_attachments: usize,
    ) -> Result<Self, EncodeError> {
        write(None, args, max_attachments)
    }

    /// Takes arguments as they stand in a packet of the JSON format, as a
    /// [`CustomParser`](crate::CustomParser) may have them: an array, and the binary values that
    /// placeholders stand for in it.
    ///
    /// With attachments, **every** object that looks like a placeholder is one, as in that format.
    /// For a format in which binary values stand where they belong, make the arguments with
    /// [`new`](Self::new) instead, out of a value that calls `serialize_bytes` for those: it
    /// refuses objects of the peer's that only look like placeholders.
    ///
    /// ```
    /// use socketio_codec::{Args, Bytes};
    ///
    /// let text = r#"["a.png",{"_placeholder":true,"num":0}]"#;
    /// let args = Args::from_json(text, vec![Bytes::from_static(b"\x89PNG")])?;
    /// assert_eq!(args.len(), 2);
    /// assert!(Args::from_json(text, vec![Bytes::new(), Bytes::new()]).is_ok());
    /// assert!(Args::from_json(r#"{"not":"an array"}"#, vec![]).is_err());
    /// # Ok::<(), socketio_codec::DecodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is not one JSON array, a placeholder names an attachment that is not there,
    /// or, with attachments, arrays and objects nest more than 128 deep. Offsets count from the
    /// start of the text.
    pub fn from_json(
        text: impl Into<ByteString>,
        attachments: Vec<Bytes>,
    ) -> Result<Self, DecodeError> {
        let (text, start) = trim(&text.into());
        Self::from_trimmed(text, start, attachments)
    }

    /// Offsets of errors count from the start of a message in which the text starts at `offset`.
    pub(crate) fn from_trimmed(
        text: ByteString,
        offset: usize,
        attachments: Vec<Bytes>,
    ) -> Result<Self, DecodeError> {
        if !text.starts_with('[') {
            return Err(DecodeError::IllegalPayload {
                offset,
                expected: "an array",
            });
        }
        let len = count_items(&text).map_err(|at| DecodeError::InvalidJson {
            offset: offset + at,
        })?;
        let attached = Attached::new(attachments, &text).map_err(|error| error.within(offset))?;
        Ok(Self::from_array(text, len, attached))
    }

    /// `text` is a valid JSON array of `len` items with nothing around it, and what is attached
    /// belongs to it.
    pub(crate) fn from_array(text: ByteString, len: usize, attached: Attached) -> Self {
        Self {
            attached: attached.boxed(),
            ..Self::from_message(text, 0, len)
        }
    }

    /// `text` is, from `start` on, a valid JSON array of `len` items with nothing behind it.
    pub(crate) fn from_message(text: ByteString, start: usize, len: usize) -> Self {
        Self {
            text,
            start,
            first: 1,
            len,
            attached: None,
        }
    }

    /// Takes the first item for the name of an event; `first` is where the second one starts.
    pub(crate) fn set_first(&mut self, first: usize) {
        self.first = first;
        self.len = self.len.saturating_sub(1);
    }

    /// Adds the attachments when they have arrived.
    pub(crate) fn attach(&mut self, attachments: Vec<Bytes>) -> Result<(), PlaceholderError> {
        self.attached = Attached::new(attachments, self.array())?.boxed();
        Ok(())
    }

    /// See [`Attached::placed_bytes`].
    pub(crate) fn placed_bytes(&self) -> usize {
        self.attached().placed_bytes()
    }

    /// Reads the arguments: a tuple as the list, anything else as the first argument.
    ///
    /// Arguments beyond the tuple are ignored, missing ones read as `null`, so that `Option`
    /// takes them. Strings without escapes and binary values can be borrowed (`&str`,
    /// `&serde_bytes::Bytes`).
    ///
    /// # Errors
    ///
    /// When an argument is missing or not of its type; it says which, and never quotes a value.
    /// Arrays and objects more than 127 deep cannot be read, nor a string with a lone surrogate
    /// (`"\ud800"`) as a `String`; use [`iter_raw`](Self::iter_raw) for those.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        read::read(self)
    }

    /// Reads each argument as a `T`, however many there are: for who does not know the event.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_each<'a, T: Deserialize<'a>>(&'a self) -> Result<Vec<T>, ArgsError> {
        read::read_each(self)
    }

    /// The arguments as a JSON array, placeholders in place of binary values. Allocates only if
    /// they are those of an event, whose array has its name in front; see
    /// [`Event::json`](crate::Event::json) for that.
    pub fn json(&self) -> Cow<'_, str> {
        if self.has_name() {
            Cow::Owned(format!("[{}", self.tail()))
        } else {
            Cow::Borrowed(self.array())
        }
    }

    /// The JSON text of each argument, in order, found as it is asked for.
    pub fn iter_raw(&self) -> RawArgs<'_> {
        RawArgs {
            scanner: Scanner::new(self.array(), self.first),
            left: self.len,
        }
    }

    /// The binary values, numbered as the placeholders say. Not all need be referred to, and in
    /// arguments that came as MessagePack not every object that looks like a placeholder is one:
    /// [`parse`](Self::parse) knows.
    pub fn attachments(&self) -> &[Bytes] {
        self.attached().attachments()
    }

    /// The number of arguments.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no arguments.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy in buffers of its own, which keeps nothing else alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self {
            text: self.array().into(),
            start: 0,
            first: self.first,
            len: self.len,
            attached: self.attached().detach().boxed(),
        }
    }

    /// The whole array, name included.
    pub(crate) fn array(&self) -> &str {
        self.text.get(self.start..).unwrap_or_default()
    }

    /// The array from the first argument on, without the opening bracket.
    pub(crate) fn tail(&self) -> &str {
        let start = self.start + self.first;
        self.text.get(start..).unwrap_or_default()
    }

    pub(crate) fn attached(&self) -> &Attached {
        static NONE: Attached = Attached::none();
        self.attached.as_deref().unwrap_or(&NONE)
    }

    /// Where in the array the first argument starts, or would.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// Which placeholder stands where, counted from the first argument.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let place = |found: &Placeholder| (found.start - self.first, found.num);
        self.attached().placeholders().iter().map(place)
    }

    /// The message that an event with these arguments is, if it goes to the namespace `/`, and asks for no
    /// acknowledgement: that of an event made here, or received as such.
    pub(crate) fn message(&self) -> Option<&ByteString> {
        let is_one = self.start == 1 && self.text.starts_with('2') && self.attachments().is_empty();
        is_one.then_some(&self.text)
    }

    /// The text that they are in.
    pub(crate) fn into_text(self) -> ByteString {
        self.text
    }

    pub(crate) fn has_name(&self) -> bool {
        self.first != 1
    }

    /// Where in the array an argument starts.
    fn offset_of(&self, index: usize) -> usize {
        let mut scanner = Scanner::new(self.array(), self.first);
        for _ in 0..index {
            scanner.skip_value();
            scanner.eat(b',');
        }
        scanner.peek();
        scanner.position()
    }
}

impl Default for Args {
    /// No arguments.
    fn default() -> Self {
        Self::from_message(ByteString::from_static("[]"), 0, 0)
    }
}

/// Same text, same attachments in the same places.
impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        self.tail() == other.tail()
            && self.attachments() == other.attachments()
            && self.places().eq(other.places())
    }
}

impl Eq for Args {}

impl fmt::Debug for Args {
    /// Sizes only: the values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args")
            .field("len", &self.len)
            .field("text_bytes", &self.tail().len())
            .field("attachment_bytes", self.attached())
            .finish()
    }
}

/// The JSON texts of arguments; see [`Args::iter_raw`].
#[derive(Clone)]
pub struct RawArgs<'a> {
    scanner: Scanner<'a>,
    left: usize,
}

impl<'a> Iterator for RawArgs<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.left = self.left.checked_sub(1)?;
        self.scanner.peek();
        if self.left == 0 {
            // All up to the end of the array, however long it is.
            return self.scanner.rest().strip_suffix(']').map(trim_end);
        }
        let start = self.scanner.position();
        self.scanner.skip_value()?;
        let value = self.scanner.since(start);
        self.scanner.eat(b',');
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RawArgs<'_> {}

impl fmt::Debug for RawArgs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawArgs")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
