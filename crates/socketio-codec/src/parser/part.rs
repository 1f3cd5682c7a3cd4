//! The messages that one packet travels in.

use std::{fmt, iter, vec};

use bytes::Bytes;
use bytestring::ByteString;

/// One message of an encoded packet.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Part {
    /// Bytes of the message.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<ByteString> for Part {
    fn from(text: ByteString) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Part {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl fmt::Debug for Part {
    /// Its size: the content may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        };
        write!(f, "{kind}({} bytes)", self.len())
    }
}

/// All messages of an encoded packet, at least one, in the order in which they are to be sent,
/// with nothing else of Socket.IO in between.
///
/// Most packets are one message, and that takes no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    first: Part,
    rest: Vec<Part>,
}

impl Parts {
    /// A message and those behind it.
    pub fn new(first: Part, rest: Vec<Part>) -> Self {
        Self { first, rest }
    }

    /// The messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Part> {
        iter::once(&self.first).chain(&self.rest)
    }
}

/// One message is all.
impl From<Part> for Parts {
    fn from(part: Part) -> Self {
        Self::new(part, Vec::new())
    }
}

impl IntoIterator for Parts {
    type Item = Part;
    type IntoIter = iter::Chain<iter::Once<Part>, vec::IntoIter<Part>>;

    fn into_iter(self) -> Self::IntoIter {
        iter::once(self.first).chain(self.rest)
    }
}
