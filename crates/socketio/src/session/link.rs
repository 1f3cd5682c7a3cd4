//! The one connection below all namespaces.

use std::time::Instant;

use engineio::{CloseReason, Message, Transport};
use socketio_codec::{DecodeError, Namespace, Packet, ParserDecoder};

use super::Config;
use super::namespace::{Phase, Slot, State};
use super::outgoing::{Outgoing, is_base64};
use super::revision::Protocol;
use crate::error::{ConnectError, DisconnectReason, EmitError, ProviderError};

/// ```text
///         join                  LinkOpened
///  Down ────────▶ Opening ────────────────────▶ Open
///   ▲              ▲   │ LinkClosed               │ │
///   │         time │   ▼                LinkClosed│ │ last namespace left,
///   ├──────────── Waiting ◀───────────────────────┘ │ or the link is of no use
///   │              ▲                                ▼
///   └──────────────┴───────── LinkClosed ──────── Closing
/// ```
/// Down instead of Waiting: when no namespace is left, or no attempt.
#[derive(Debug)]
pub(super) enum Link {
    /// There is none, and none is wanted.
    Down,
    /// The next attempt is due at `at`.
    Waiting { at: Instant },
    /// An attempt is being made.
    Opening,
    /// Messages flow.
    Open(Box<Open>),
    /// Its end was asked for and is not reported yet; the next attempt is due at `reopen`, and not before that end.
    Closing { reopen: Option<Instant> },
}

/// What belongs to one link and dies with it, such as a half-received packet.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) transport: Transport,
    force_base64: bool,
    max_payload: Option<u64>,
    pub(super) protocol: Protocol,
    decoder: ParserDecoder,
}

impl Link {
    pub(super) fn open(
        transport: Transport,
        max_payload: Option<u64>,
        protocol: Protocol,
        config: &Config,
    ) -> Self {
        let limits = config.limits.codec.clone();
        let decoder = config.parser.decoder(limits, protocol.revision());
        Self::Open(Box::new(Open {
            transport,
            force_base64: config.force_base64,
            max_payload,
            protocol,
            decoder,
        }))
    }

    /// A namespace was left, by one side or the other.
    pub(super) fn left(&mut self, namespace: &Namespace) {
        if let Self::Open(link) = self {
            link.protocol.left(namespace);
        }
    }

    /// What becomes of a namespace that is left before it is joined: the answer to its CONNECT must still come, if there
    /// is one to come.
    pub(super) fn unanswered(&self, slot: &Slot) -> State {
        let State::Active(active) = &slot.state else {
            return State::Idle;
        };
        match (&active.phase, self) {
            (Phase::Joining { .. } | Phase::Behind { .. }, Self::Open(link))
                if link.protocol.asks_for(&slot.name) =>
            {
                State::Abandoned
            }
            _ => State::Idle,
        }
    }

    /// Whether the server takes a packet of that size; without a link, nobody knows.
    pub(super) fn check_size(&self, outgoing: &Outgoing) -> Result<(), EmitError> {
        match self.excess(outgoing) {
            Some((size, max)) => Err(EmitError::TooLarge { size, max }),
            None => Ok(()),
        }
    }

    /// The size of a packet and the largest one that the server takes, if that is less.
    pub(super) fn excess(&self, outgoing: &Outgoing) -> Option<(u64, u64)> {
        let Self::Open(link) = self else {
            return None;
        };
        let base64 = is_base64(link.transport, link.force_base64);
        let size = outgoing.largest_message(base64);
        link.max_payload
            .filter(|max| size > *max)
            .map(|max| (size, max))
    }
}

impl Open {
    pub(super) fn decode(&mut self, message: Message) -> Result<Option<Packet>, DecodeError> {
        match message {
            Message::Text(text) => self.decoder.text(text),
            Message::Binary(bytes) => self.decoder.binary(bytes),
            // Engine.IO has no other messages.
            _ => Ok(None),
        }
    }
}

/// Why a link is of no use any more.
#[derive(Debug)]
pub(super) enum Loss {
    Closed(CloseReason),
    Decode(DecodeError),
    ConnectTimeout,
    TooManyHeldEvents,
    /// There was nothing to open a link with.
    Provider(ProviderError),
}

impl Loss {
    /// As a joined namespace sees it.
    pub(super) fn reason(&self) -> DisconnectReason {
        match self {
            Self::Closed(reason) => DisconnectReason::LinkClosed(reason.clone()),
            Self::Decode(error) => DisconnectReason::Decode(error.clone()),
            Self::ConnectTimeout => DisconnectReason::ConnectTimeout,
            Self::TooManyHeldEvents => DisconnectReason::TooManyHeldEvents,
            // Nothing is joined when a link is about to be opened.
            Self::Provider(_) => DisconnectReason::LinkClosed(CloseReason::Local),
        }
    }

    /// As a namespace sees it that was about to be joined.
    pub(super) fn error(&self) -> ConnectError {
        match self {
            Self::Closed(reason) => ConnectError::Engine(reason.clone()),
            Self::Decode(error) => ConnectError::Decode(error.clone()),
            Self::ConnectTimeout => ConnectError::Timeout,
            Self::TooManyHeldEvents => ConnectError::TooManyHeldEvents,
            Self::Provider(error) => ConnectError::Provider(error.clone()),
        }
    }
}
