//! The two transports and the protocol revision: the words that appear in the query of every request.

use std::fmt;

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// HTTP long-polling: one pending GET to receive, one POST at a time to send.
    Polling,
    /// One WebSocket, one packet a message.
    WebSocket,
}

impl Transport {
    /// The transport's name on the wire, as in `transport=websocket`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The Engine.IO revision that a connection speaks.
///
/// What differs between revisions on the wire is decided by a `match` on this type and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Version {
    /// Revision 4: Socket.IO 3.x and 4.x.
    #[default]
    V4,
}

impl Version {
    /// The value of the `EIO` query parameter. It never varies within a session.
    #[must_use]
    pub fn query_value(self) -> &'static str {
        match self {
            Self::V4 => "4",
        }
    }
}
