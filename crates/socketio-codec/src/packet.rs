//! What travels on a connection.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Args, Event, Json, Namespace, Query};

/// One Socket.IO packet.
///
/// EVENT and BINARY_EVENT are one thing here, and so are ACK and BINARY_ACK: whether there are
/// attachments decides which of the two is written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet {
    /// Joins a namespace; from the server, says that it was joined.
    Connect {
        /// Which one.
        namespace: Namespace,
        /// Revision 4 only: what the client tells or authenticates with.
        query: Option<Query>,
        /// Revision 5: what the client authenticates with; from the server, `{"sid":…}`. An
        /// object: servers end the connection on anything else. In revision 4 it means nothing.
        payload: Option<Json>,
    },
    /// Leaves a namespace.
    Disconnect {
        /// Which one.
        namespace: Namespace,
    },
    /// An event.
    Event {
        /// In which namespace.
        namespace: Namespace,
        /// Given if an acknowledgement is expected.
        id: Option<u64>,
        /// Name and arguments.
        event: Event,
    },
    /// The answer to an event.
    Ack {
        /// In which namespace.
        namespace: Namespace,
        /// The id of the event.
        id: u64,
        /// The answer.
        args: Args,
    },
    /// The server refuses to let the client join a namespace. In revision 4 it is called ERROR and
    /// may come at any time.
    ConnectError {
        /// Which one.
        namespace: Namespace,
        /// An object `{message, data?}`; a string or nothing is tolerated. In revision 4 anything.
        payload: Option<Json>,
    },
}

impl Packet {
    /// The namespace the packet belongs to.
    pub fn namespace(&self) -> &Namespace {
        match self {
            Self::Connect { namespace, .. }
            | Self::Disconnect { namespace }
            | Self::Event { namespace, .. }
            | Self::Ack { namespace, .. }
            | Self::ConnectError { namespace, .. } => namespace,
        }
    }

    /// The binary messages that follow the text of [`encode`](Self::encode), all of them, in
    /// order, with nothing else of Socket.IO in between.
    pub fn attachments(&self) -> &[Bytes] {
        match self {
            Self::Event { event, .. } => event.attachments(),
            Self::Ack { args, .. } => args.attachments(),
            Self::Connect { .. } | Self::Disconnect { .. } | Self::ConnectError { .. } => &[],
        }
    }

    /// Its text, if that is there already.
    pub(crate) fn message(&self) -> Option<&ByteString> {
        match self {
            Self::Event {
                namespace,
                id: None,
                event,
            } if namespace.is_root() => event.args().message(),
            _ => None,
        }
    }

    /// Whether its text does not say where the attachments belong.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Event { event, .. } => event.args().attached().is_ambiguous(),
            Self::Ack { args, .. } => args.attached().is_ambiguous(),
            Self::Connect { .. } | Self::Disconnect { .. } | Self::ConnectError { .. } => false,
        }
    }
}
