//! Packets as `socket.io-msgpack-parser` 3 writes them: each one binary message, a MessagePack map.
//!
//! `{type, data?, id?, nsp}`, types 0 to 4: there is no BINARY_EVENT and no BINARY_ACK, because
//! binary values stand where they belong. `data` is the payload of CONNECT and CONNECT_ERROR, the
//! name and arguments of an event, the arguments of an acknowledgement.
//!
//! The MessagePack of it is written by hand: it is one table in each direction, the reader has to
//! know its place and to borrow from the message, and the writer cannot fail.

mod date;
mod decode;
mod encode;
mod from_json;
mod read;
#[cfg(test)]
mod tests;
mod to_json;
mod write;

pub(crate) use self::decode::decode;
pub(crate) use self::encode::encode;
use crate::Revision;

/// What the packets of this format are. Its releases for revision 4 have another one, in which
/// some packets are JSON.
const REVISION: Revision = Revision::R5;

/// Whether packets of this revision can be carried.
pub(crate) fn supports(revision: Revision) -> bool {
    revision == REVISION
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connect = 0,
    Disconnect = 1,
    Event = 2,
    Ack = 3,
    ConnectError = 4,
}

impl Kind {
    fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Connect),
            1 => Some(Self::Disconnect),
            2 => Some(Self::Event),
            3 => Some(Self::Ack),
            4 => Some(Self::ConnectError),
            _ => None,
        }
    }
}
