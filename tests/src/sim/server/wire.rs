//! The server's side of the network: what it has said, and what becomes of each WebSocket.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::api::{Event, ExchangeId, Frame, Output, SessionId, SocketId, Violation};

/// How long the other side may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a WebSocket is to the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// The transport of a session, or what is to become it.
    Session(SessionId),
    /// A close frame is sent; dropped at that time if none comes back.
    Closing(Instant),
    /// A handshake that nobody answers; dropped at that time.
    Ignored(Instant),
}

/// Outputs and events in the order in which they came about.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) outputs: VecDeque<Output>,
    pub(super) events: VecDeque<Event>,
    pub(super) sockets: BTreeMap<SocketId, Role>,
}

impl Wire {
    pub(super) fn respond(
        &mut self,
        exchange: ExchangeId,
        status: u16,
        content_type: Option<&'static str>,
        body: impl Into<Bytes>,
    ) {
        self.outputs.push_back(Output::Respond {
            exchange,
            status,
            content_type,
            body: body.into(),
        });
    }

    pub(super) fn send(&mut self, socket: SocketId, frame: Frame) {
        self.outputs.push_back(Output::Send(socket, frame));
    }

    /// Sends a close frame, once.
    pub(super) fn close(&mut self, now: Instant, socket: SocketId, code: Option<u16>) {
        let Some(Role::Session(_)) = self.sockets.get(&socket) else {
            return;
        };
        self.outputs.push_back(Output::Close { socket, code });
        let deadline = now + CLOSE_TIMEOUT;
        self.sockets.insert(socket, Role::Closing(deadline));
    }

    pub(super) fn violation(&mut self, session: Option<SessionId>, what: Violation) {
        self.events.push_back(Event::Violation { session, what });
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.sockets
            .values()
            .filter_map(|role| role.deadline())
            .min()
    }

    /// Drops the WebSockets whose time has come.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let due = |role: &Role| role.deadline().is_some_and(|deadline| deadline <= now);
        for (socket, _) in self.sockets.extract_if(.., |_, role| due(role)) {
            self.outputs.push_back(Output::Drop(socket));
        }
    }
}

impl Role {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Session(_) => None,
            Self::Closing(deadline) | Self::Ignored(deadline) => Some(deadline),
        }
    }
}
