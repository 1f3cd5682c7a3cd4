//! An event: a name and arguments.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::args::{self, Args, RawArgs};
use crate::json::trim;
use crate::scan::Scanner;
use crate::{ArgsError, DecodeError, EncodeError, Limits, Revision};

/// The name, if it is one that the reference implementation keeps for itself, on either side.
fn reserved(name: &str) -> Option<&'static str> {
    Some(match name {
        "connect" => "connect",
        "connect_error" => "connect_error",
        "disconnect" => "disconnect",
        "disconnecting" => "disconnecting",
        "newListener" => "newListener",
        "removeListener" => "removeListener",
        _ => return None,
    })
}

/// Where the name of most events stands as it is, between the opening bracket and `first`, where the first of so many
/// arguments stands or would.
fn place(first: usize, len: usize) -> Range<usize> {
    let behind = if len > 0 { "\"," } else { "\"" };
    "[\"".len()..first.saturating_sub(behind.len())
}

/// An event: a name and [arguments](Args).
///
/// A received event is a slice of the messages it came in and keeps the whole receive buffer
/// behind it alive; [`detach`](Self::detach) what is to be kept.
///
/// ```
/// use socketio_codec::Event;
///
/// let event = Event::new("chat", &("hello", 7))?;
/// assert_eq!(event.name(), "chat");
/// assert_eq!(event.json(), r#"["chat","hello",7]"#);
/// assert_eq!(event.parse::<(String, u32)>()?, ("hello".to_owned(), 7));
///
/// assert!(Event::new("disconnect", &()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event {
    args: Args,
    /// The name, where it does not stand as it is between the bracket and the first argument: it is escaped, or a number,
    /// or there is white space. One word, because most events have none and all of them are moved.
    name: Option<Box<Box<str>>>,
}

impl Event {
    /// Serializes an event, with at most [`Limits::DEFAULT_MAX_ATTACHMENTS`] binary values. The
    /// arguments are those of [`Args::new`].
    ///
    /// # Errors
    ///
    /// When the name is reserved (`connect`, `connect_error`, `disconnect`, `disconnecting`,
    /// `newListener`, `removeListener`: receivers end the connection on these), and as
    /// [`Args::new`].
    pub fn new(name: &str, args: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        Self::with_max_attachments(name, args, Limits::DEFAULT_MAX_ATTACHMENTS)
    }

    /// As [`new`](Self::new), with another limit. A receiver that was not told to take more than
    /// 10 ends the connection.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_max_attachments(
        name: &str,
        args: &(impl Serialize + ?Sized),
        max_attachments: usize,
    ) -> Result<Self, EncodeError> {
        // The strictest rule for names: what is sent must be good for any receiver.
        if let Some(name) = reserved(name) {
            return Err(EncodeError::ReservedEventName { name });
        }
        let args = args::write(Some(name), args, max_attachments)?;
        // Escapes are longer than what they stand for.
        let is_there = place(args.first(), args.len()).len() == name.len();
        let name = (!is_there).then(|| Box::new(name.into()));
        Ok(Self { args, name })
    }

    /// Takes an event as it stands in a packet of the JSON format, name in front, as a
    /// [`CustomParser`](crate::CustomParser) may have it. `revision` says which names are
    /// refused. About attachments see [`Args::from_json`].
    ///
    /// ```
    /// use socketio_codec::{Event, Revision};
    ///
    /// let event = Event::from_json(r#"["chat","hello",7]"#, vec![], Revision::R5)?;
    /// assert_eq!(event.name(), "chat");
    /// assert!(Event::from_json(r#"[{"no":"name"}]"#, vec![], Revision::R5).is_err());
    /// # Ok::<(), socketio_codec::DecodeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the first item is no name or a reserved one, and as [`Args::from_json`].
    pub fn from_json(
        text: impl Into<ByteString>,
        attachments: Vec<Bytes>,
        revision: Revision,
    ) -> Result<Self, DecodeError> {
        let (text, start) = trim(&text.into());
        Self::from_array(
            Args::from_trimmed(text, start, attachments)?,
            revision,
            start,
        )
    }

    /// Takes the first item of an array for the name. Offsets of errors count from the start of a
    /// message in which the array starts at `start`.
    pub(crate) fn from_array(
        mut array: Args,
        revision: Revision,
        start: usize,
    ) -> Result<Self, DecodeError> {
        let text = array.array();
        let mut scanner = Scanner::new(text, 1);
        let first = scanner.peek();
        let offset = start + scanner.position();
        let name = match first {
            Some(b'"') => scanner.string().and_then(|token| token.decode()),
            Some(b'-' | b'0'..=b'9') => Some(scanner.scalar().into()),
            _ => None,
        };
        let name = name.ok_or(DecodeError::IllegalEventName { offset })?;
        if revision.reserves_event_names()
            && let Some(name) = reserved(&name)
        {
            return Err(DecodeError::ReservedEventName { offset, name });
        }
        scanner.eat(b',');
        let (first, len) = (scanner.position(), array.len().saturating_sub(1));
        let is_there = text.get(place(first, len)) == Some(&*name);
        let name = (!is_there).then(|| Box::new(name.into()));
        array.set_first(first);
        Ok(Self { args: array, name })
    }

    /// The name. Names are strings, rarely numbers: of those, the JSON text.
    pub fn name(&self) -> &str {
        match &self.name {
            Some(name) => name,
            None => {
                let place = place(self.args.first(), self.args.len());
                self.args.array().get(place).unwrap_or_default()
            }
        }
    }

    /// The arguments.
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// The arguments alone.
    pub fn into_args(self) -> Args {
        self.args
    }

    pub(crate) fn args_mut(&mut self) -> &mut Args {
        &mut self.args
    }

    /// Reads the arguments; see [`Args::parse`].
    ///
    /// # Errors
    ///
    /// As [`Args::parse`].
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ArgsError> {
        self.args.parse()
    }

    /// Name and arguments as one JSON array, placeholders in place of binary values.
    pub fn json(&self) -> &str {
        self.args.array()
    }

    /// The JSON text of each argument, in order; see [`Args::iter_raw`].
    pub fn iter_raw(&self) -> RawArgs<'_> {
        self.args.iter_raw()
    }

    /// The binary values in the arguments; see [`Args::attachments`].
    pub fn attachments(&self) -> &[Bytes] {
        self.args.attachments()
    }

    /// A copy in buffers of its own, which keeps nothing else alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self {
            name: self.name.clone(),
            args: self.args.detach(),
        }
    }
}

/// Same text, same attachments: the name `1` is not the name `"1"`.
impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json() && self.args == other.args
    }
}

impl Eq for Event {}

impl fmt::Debug for Event {
    /// The name, and the sizes of the arguments: their values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.name())
            .field("args", &self.args)
            .finish()
    }
}
