//! Packets: which ones are sent when, and what is done with those that arrive.

use std::time::Instant;

use socketio_codec::{Namespace, Packet};

use super::link::{Link, Loss};
use super::namespace::{AckTicket, NamespaceKey, Phase, State};
use super::{AckKey, Event, Session};
use crate::error::DisconnectReason;
use crate::event::Message;

impl Session {
    pub(super) fn handle_message(&mut self, now: Instant, message: engineio::Message) {
        let Link::Open(link) = &mut self.link else {
            return;
        };
        match link.decode(message) {
            Ok(Some(Packet::Event {
                namespace,
                id,
                event,
            })) => self.handle_event(now, &namespace, id, event),
            Ok(Some(packet)) => {
                if !self.handle_sign(now, &packet) {
                    self.handle_packet(now, packet);
                }
            }
            Ok(None) => {}
            Err(error) => self.fail_link(now, &Loss::Decode(error)),
        }
    }

    #[inline]
    fn handle_event(
        &mut self,
        now: Instant,
        namespace: &Namespace,
        id: Option<u64>,
        event: socketio_codec::Event,
    ) {
        let Some(index) = self.index_of(namespace) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let (key, generation) = (slot.key(index), slot.generation);
        let State::Active(active) = &mut slot.state else {
            return;
        };
        match &mut active.phase {
            Phase::Joined { .. } => {
                if let Some(recovery) = &mut active.recovery
                    && id.is_none()
                {
                    recovery.received(now, &event);
                }
                self.events
                    .push_back((key, received(key, generation, event, id)));
            }
            Phase::Joining { held, .. } => {
                if !held.push(event, id, &self.config.limits) {
                    self.fail_link(now, &Loss::TooManyHeldEvents);
                }
            }
            Phase::Waiting
            | Phase::Pausing { .. }
            | Phase::Asking(_)
            | Phase::Queued { .. }
            | Phase::Behind { .. } => {}
        }
    }

    /// Packets of a namespace that is not joined, or that make no sense in its state, are ignored: they may have
    /// crossed with a DISCONNECT of ours.
    fn handle_packet(&mut self, now: Instant, packet: Packet) {
        let Some(index) = self.index_of(packet.namespace()) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        match packet {
            Packet::Ack { id, args, .. } => {
                let ack = AckKey { namespace: key, id };
                if !slot.is_joined() || self.try_acknowledged(now, ack, &args) {
                    return;
                }
                if self.acks.remove(ack) {
                    self.settled.push_back((ack, Ok(args)));
                }
            }
            Packet::Connect { payload, .. } => self.connect_accepted(now, index, payload.as_ref()),
            Packet::ConnectError { payload, .. } => {
                self.connect_refused(now, index, payload);
            }
            // Before the answer to CONNECT it is meant for the connection that this side has left just before.
            Packet::Disconnect { namespace } if slot.is_joined() => {
                self.link.left(&namespace);
                self.put_out(now, key, DisconnectReason::ServerDisconnect);
            }
            // A DISCONNECT that nobody is there for; there are no other packets.
            _ => {}
        }
    }
}

/// An event of the server as its namespace's user sees it.
#[inline]
pub(super) fn received(
    namespace: NamespaceKey,
    generation: u64,
    event: socketio_codec::Event,
    id: Option<u64>,
) -> Event {
    let ack = id.map(|id| AckTicket {
        namespace,
        generation,
        id,
    });
    Event::Message(Message { event, ack })
}
