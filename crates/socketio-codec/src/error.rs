//! What can go wrong, none of it quoting a payload.

use std::fmt::Display;

use thiserror::Error;

/// A string is not a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// It does not start with `/`.
    #[error("a namespace starts with '/'")]
    NoSlash,
    /// It contains a comma or U+001E, which the wire format cannot carry.
    #[error("a namespace contains neither a comma nor U+001E (byte {offset})")]
    IllegalCharacter {
        /// Byte offset in the namespace.
        offset: usize,
    },
    /// It is longer than [`Namespace::MAX_LEN`](crate::Namespace::MAX_LEN).
    #[error("a namespace has at most {limit} bytes")]
    TooLong {
        /// The longest allowed, in bytes.
        limit: usize,
    },
}

/// A text is not a [`Query`](crate::Query). It is not quoted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// It contains U+001E, which the wire format cannot carry.
    #[error("a query does not contain U+001E (byte {offset})")]
    IllegalCharacter {
        /// Byte offset in the query.
        offset: usize,
    },
    /// It is longer than [`Query::MAX_LEN`](crate::Query::MAX_LEN) when its commas are encoded.
    #[error("a query has at most {limit} bytes")]
    TooLong {
        /// The longest allowed, in bytes.
        limit: usize,
    },
}

/// The peer broke the protocol or a limit. The rest of the connection cannot be understood: end
/// it.
///
/// Offsets count bytes from the start of the message that the packet is in, its text in the JSON
/// format. No part of the packet is quoted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text is empty.
    #[error("the packet is empty")]
    Empty,
    /// The first character is not a packet type, `0` to `6`.
    #[error("the packet type is not one of 0 to 6")]
    UnknownType,
    /// A binary packet does not start with a plain decimal number of attachments, at least 1, and
    /// `-`.
    #[error("byte {offset}: illegal number of attachments")]
    IllegalAttachmentCount {
        /// Where.
        offset: usize,
    },
    /// A binary packet announces more attachments than
    /// [`Limits::max_attachments`](crate::Limits::max_attachments).
    #[error("byte {offset}: more than {limit} attachments announced")]
    TooManyAttachments {
        /// Where their number is.
        offset: usize,
        /// The limit.
        limit: usize,
    },
    /// The namespace is longer than
    /// [`Limits::max_namespace_len`](crate::Limits::max_namespace_len), or the query behind it than
    /// [`Query::MAX_LEN`](crate::Query::MAX_LEN).
    #[error("byte {offset}: a namespace of more than {limit} bytes")]
    NamespaceTooLong {
        /// Where the namespace starts.
        offset: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The namespace contains U+001E, or is otherwise none that could be answered.
    #[error("byte {offset}: an illegal namespace")]
    IllegalNamespace {
        /// Where.
        offset: usize,
    },
    /// The acknowledgement id has more than
    /// [`Limits::max_ack_id_digits`](crate::Limits::max_ack_id_digits) digits, or does not fit
    /// in 64 bits.
    #[error("byte {offset}: the acknowledgement id is too large")]
    AckIdTooLarge {
        /// Where the id starts.
        offset: usize,
    },
    /// An acknowledgement says not which event it acknowledges.
    #[error("byte {offset}: an acknowledgement without an id")]
    MissingAckId {
        /// Where the id should be.
        offset: usize,
    },
    /// What follows the header is not JSON.
    #[error("byte {offset}: invalid JSON")]
    InvalidJson {
        /// Where the JSON stops making sense, to within a byte.
        offset: usize,
    },
    /// The payload is absent, present or of another JSON type than the packet type requires.
    #[error("byte {offset}: the payload is not {expected}")]
    IllegalPayload {
        /// Where the payload starts, or should.
        offset: usize,
        /// What the packet type requires.
        expected: &'static str,
    },
    /// The first item of an event is neither a string nor a number.
    #[error("byte {offset}: an event name that is neither a string nor a number")]
    IllegalEventName {
        /// Where the name is, or should be.
        offset: usize,
    },
    /// An event has a name that belongs to the library, such as `connect`.
    #[error("byte {offset}: the reserved event name {name:?}")]
    ReservedEventName {
        /// Where the name is.
        offset: usize,
        /// Which of them.
        name: &'static str,
    },
    /// A placeholder names an attachment that does not exist.
    #[error("byte {offset}: a placeholder for an attachment that does not exist")]
    IllegalPlaceholder {
        /// Where the placeholder starts.
        offset: usize,
    },
    /// The payload of a binary packet nests arrays and objects too deeply.
    #[error("byte {offset}: more than {limit} arrays and objects inside one another")]
    TooDeep {
        /// Where the first one too many starts.
        offset: usize,
        /// The limit.
        limit: usize,
    },
    /// A text message came where an attachment was due, or in a format that has none.
    #[error("a text message where a binary one was due")]
    UnexpectedText,
    /// A binary message came where no attachment was due.
    #[error("a binary message where no attachment was due")]
    UnexpectedBinary,
    /// The attachments of one packet exceed
    /// [`Limits::max_attachment_bytes`](crate::Limits::max_attachment_bytes).
    #[error("attachments of more than {limit} bytes in one packet")]
    AttachmentsTooLarge {
        /// The limit, in bytes, for all attachments of a packet.
        limit: usize,
    },
    /// The message is not what its format, one other than JSON, makes of a packet.
    #[error("byte {offset}: {problem}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What is wrong, in words that quote nothing.
        problem: &'static str,
    },
    /// What a [`CustomParser`](crate::CustomParser) says; see [`DecodeError::custom`].
    #[error("{message}")]
    Custom {
        /// Its words.
        message: String,
    },
}

impl DecodeError {
    /// An error of a [`CustomParser`](crate::CustomParser). Errors are logged: no part of the
    /// packet belongs into the message.
    pub fn custom(message: impl Display) -> Self {
        Self::Custom {
            message: message.to_string(),
        }
    }

    /// The byte of the message at which the error is, where it is at one.
    pub fn offset(&self) -> Option<usize> {
        match *self {
            Self::UnknownType => Some(0),
            Self::IllegalAttachmentCount { offset }
            | Self::TooManyAttachments { offset, .. }
            | Self::NamespaceTooLong { offset, .. }
            | Self::IllegalNamespace { offset }
            | Self::AckIdTooLarge { offset }
            | Self::MissingAckId { offset }
            | Self::InvalidJson { offset }
            | Self::IllegalPayload { offset, .. }
            | Self::IllegalEventName { offset }
            | Self::ReservedEventName { offset, .. }
            | Self::IllegalPlaceholder { offset }
            | Self::TooDeep { offset, .. }
            | Self::Malformed { offset, .. } => Some(offset),
            Self::Empty
            | Self::UnexpectedText
            | Self::UnexpectedBinary
            | Self::AttachmentsTooLarge { .. }
            | Self::Custom { .. } => None,
        }
    }
}

/// A value cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event name belongs to the library.
    #[error("the event name {name:?} is reserved")]
    ReservedEventName {
        /// Which of them.
        name: &'static str,
    },
    /// The arguments contain more binary values than allowed.
    #[error("more than {limit} binary values in one packet")]
    TooManyAttachments {
        /// The limit.
        limit: usize,
    },
    /// The arguments contain, beside binary values, an object that the receiver would take for
    /// the placeholder of one: `{"_placeholder":true,…}`. The protocol has no escape for it.
    #[error("an object that looks like a placeholder, beside binary values")]
    AmbiguousPlaceholder,
    /// The arguments nest so deeply that no receiver is expected to read them: with binary values
    /// in them, or, in MessagePack, with anything.
    #[error("more than {limit} arrays and objects inside one another")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The value's own `Serialize` failed, or it is not expressible as JSON.
    #[error("not serializable: {message}")]
    Serialize {
        /// What it said.
        message: String,
    },
    /// The packet is one that JSON can carry and the format of the [`Parser`](crate::Parser)
    /// cannot.
    #[error("{what} has no form in this format")]
    Inexpressible {
        /// What it is that cannot be carried.
        what: &'static str,
    },
    /// What a [`CustomParser`](crate::CustomParser) says; see [`EncodeError::custom`].
    #[error("{message}")]
    Custom {
        /// Its words.
        message: String,
    },
}

impl EncodeError {
    /// An error of a [`CustomParser`](crate::CustomParser). Errors are logged: no part of the
    /// packet belongs into the message.
    pub fn custom(message: impl Display) -> Self {
        Self::Custom {
            message: message.to_string(),
        }
    }
}

/// A JSON value is not of the type asked for.
///
/// The message names the kind of value found, never the value. Only the words of a type's own
/// `Deserialize` implementation are passed on as they are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} (byte {offset})")]
pub struct ValueError {
    message: String,
    offset: usize,
}

impl ValueError {
    pub(crate) fn new(message: String, offset: usize) -> Self {
        Self { message, offset }
    }

    /// Byte offset in the JSON text of the value.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// The arguments are not of the types asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// An argument is absent and its type does not accept `null` instead.
    #[error("argument {index} is missing")]
    Missing {
        /// Which one, from 0.
        index: usize,
    },
    /// An argument is not of the type asked for.
    #[error("argument {index}: {reason}")]
    Argument {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        reason: ValueError,
    },
    /// The type asked for refused the arguments as a whole.
    #[error("the arguments: {reason}")]
    List {
        /// What it said.
        reason: ValueError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_knows_its_place_if_it_has_one() {
        assert_eq!(DecodeError::UnknownType.offset(), Some(0));
        assert_eq!(DecodeError::InvalidJson { offset: 7 }.offset(), Some(7));
        assert_eq!(
            DecodeError::TooDeep {
                offset: 7,
                limit: 1
            }
            .offset(),
            Some(7)
        );
        assert_eq!(DecodeError::UnexpectedBinary.offset(), None);
    }
}
