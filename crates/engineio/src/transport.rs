//! The two transports, by the names that stand in the query of every request.

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
