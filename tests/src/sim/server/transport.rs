//! The two transports of a session, as the server holds them.

use std::time::{Duration, Instant};

use super::api::{ExchangeId, Revision, SocketId, TransportName};
use super::packet::{Kind, Packet};
use super::payload;
use super::wire::Wire;

/// How long a close waits for a GET that takes it along.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How a session's packets reach the client.
#[derive(Debug)]
pub(super) enum Transport {
    Polling(Polling),
    WebSocket(WebSocket),
}

/// Whether a transport is closed at once.
#[derive(Debug, PartialEq)]
pub(super) enum Ending {
    /// It is closed.
    Closed,
    /// It will be, with the next GET or when time is up.
    Waits,
}

/// Long-polling: at most one request of each kind.
#[derive(Debug)]
pub(super) struct Polling {
    /// Asked for at the handshake: bytes are to be sent in base64.
    pub(super) base64: bool,
    /// The GET that waits for packets.
    pub(super) get: Option<ExchangeId>,
    /// The POST whose body is still on its way.
    pub(super) post: Option<ExchangeId>,
    closing: Closing,
}

#[derive(Debug)]
enum Closing {
    No,
    /// The next GET takes the close packet along, until then.
    Waits(Instant),
    Done,
}

/// A WebSocket, or one that probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct WebSocket {
    pub(super) socket: SocketId,
    pub(super) base64: bool,
}

impl WebSocket {
    pub(super) fn send(self, packet: &Packet, revision: Revision, wire: &mut Wire) {
        wire.send(self.socket, packet.to_frame(revision, self.base64));
    }
}

impl Transport {
    pub(super) fn name(&self) -> TransportName {
        match self {
            Self::Polling(_) => TransportName::Polling,
            Self::WebSocket(_) => TransportName::WebSocket,
        }
    }

    pub(super) fn is_writable(&self) -> bool {
        match self {
            Self::Polling(polling) => polling.get.is_some(),
            Self::WebSocket(_) => true,
        }
    }

    /// Sends packets over a transport that is writable; says whether this was the end that a close waited for.
    pub(super) fn send(
        &mut self,
        packets: Vec<Packet>,
        revision: Revision,
        wire: &mut Wire,
    ) -> bool {
        match self {
            Self::Polling(polling) => polling.send(packets, revision, wire),
            Self::WebSocket(websocket) => {
                for packet in &packets {
                    websocket.send(packet, revision, wire);
                }
                false
            }
        }
    }

    /// Closes it, in the middle of a request if need be.
    pub(super) fn close(&mut self, now: Instant, revision: Revision, wire: &mut Wire) -> Ending {
        match self {
            Self::Polling(polling) => polling.close(now, revision, wire),
            Self::WebSocket(websocket) => {
                wire.close(now, websocket.socket, None);
                Ending::Closed
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Polling(Polling {
                closing: Closing::Waits(deadline),
                ..
            }) => Some(*deadline),
            _ => None,
        }
    }
}

impl Polling {
    pub(super) fn new(base64: bool) -> Self {
        Self {
            base64,
            get: None,
            post: None,
            closing: Closing::No,
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.closing, Closing::Waits(_))
    }

    fn send(&mut self, mut packets: Vec<Packet>, revision: Revision, wire: &mut Wire) -> bool {
        let Some(exchange) = self.get.take() else {
            return false;
        };
        let ends = self.is_closing();
        if ends {
            packets.push(Packet::new(Kind::Close, ""));
            self.closing = Closing::Done;
        }
        let (body, content_type) = payload::encode(&packets, revision, self.base64);
        wire.respond(exchange, 200, Some(content_type), body);
        ends
    }

    fn close(&mut self, now: Instant, revision: Revision, wire: &mut Wire) -> Ending {
        match self.closing {
            Closing::No => {}
            Closing::Waits(_) => return Ending::Waits,
            Closing::Done => return Ending::Closed,
        }
        if let Some(exchange) = self.post.take() {
            wire.outputs.push_back(super::api::Output::Abort(exchange));
        }
        if self.get.is_none() {
            self.closing = Closing::Waits(now + CLOSE_TIMEOUT);
            return Ending::Waits;
        }
        self.send(vec![Packet::new(Kind::Close, "")], revision, wire);
        self.closing = Closing::Done;
        Ending::Closed
    }

    /// The client has closed the session: its GET is let go.
    pub(super) fn closed_by_client(&mut self, revision: Revision, wire: &mut Wire) {
        if self.get.is_some() {
            self.send(vec![Packet::new(Kind::Noop, "")], revision, wire);
        }
        self.closing = Closing::Done;
    }
}
