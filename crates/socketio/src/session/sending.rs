//! What the caller sends: events, buffered until their namespace is joined, and acknowledgements.

use std::time::Instant;

use socketio_codec::{Args, Event, Namespace, Packet};

use super::acks::Stage;
use super::namespace::{AckTicket, Buffer, NamespaceKey, Slot, State};
use super::outgoing::Outgoing;
use super::{AckKey, Action, Offline, Session, active};
use crate::error::EmitError;

/// How much waits in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Depth {
    /// Events that wait for a connection, or to be tried.
    pub events: usize,
    /// Bytes of those.
    pub bytes: usize,
}

impl Session {
    /// Sends an event: at once if the namespace is joined, otherwise when it is.
    ///
    /// # Errors
    ///
    /// See [`EmitError`].
    pub fn emit(&mut self, key: NamespaceKey, event: Event) -> Result<(), EmitError> {
        self.enqueue(key, event, None, None)
    }

    /// Sends an event if that is possible at once, and drops it otherwise.
    ///
    /// # Errors
    ///
    /// [`EmitError::NotConnected`], and see [`EmitError`].
    pub fn emit_volatile(&mut self, key: NamespaceKey, event: Event) -> Result<(), EmitError> {
        if self.is_joined(key) {
            self.emit(key, event)
        } else {
            Err(EmitError::NotConnected)
        }
    }

    /// Sends an event as [`emit`](Self::emit) does, and takes it back if it has not left by `deadline`.
    /// [`poll_ack`](Self::poll_ack) tells, exactly once: no arguments when it has left, or
    /// [`AckError::Timeout`](crate::AckError::Timeout).
    ///
    /// # Errors
    ///
    /// See [`EmitError`].
    pub fn emit_before(
        &mut self,
        key: NamespaceKey,
        event: Event,
        deadline: Instant,
    ) -> Result<AckKey, EmitError> {
        let awaited = self.next_ack(key)?;
        self.enqueue(key, event, None, Some(awaited))?;
        if self.is_joined(key) {
            self.settled.push_back((awaited, Ok(Args::default())));
        } else {
            self.acks.insert(awaited, deadline, Stage::Leaving);
        }
        Ok(awaited)
    }

    /// Sends an event as [`emit`](Self::emit) does and awaits its acknowledgement until `deadline`. What came of it
    /// is told by [`poll_ack`](Self::poll_ack), exactly once.
    ///
    /// # Errors
    ///
    /// See [`EmitError`].
    pub fn emit_with_ack(
        &mut self,
        key: NamespaceKey,
        event: Event,
        deadline: Instant,
    ) -> Result<AckKey, EmitError> {
        let ack = self.next_ack(key)?;
        self.enqueue(key, event, Some(ack.id), Some(ack))?;
        let stage = if self.is_joined(key) {
            Stage::Sent
        } else {
            Stage::Buffered
        };
        self.acks.insert(ack, deadline, stage);
        Ok(ack)
    }

    /// Never reset and never reused, so a late acknowledgement can never be taken for another one.
    pub(super) fn next_ack(&mut self, key: NamespaceKey) -> Result<AckKey, EmitError> {
        let retried = self.slots.iter().map(Slot::retried).sum::<usize>();
        if self.acks.len() + retried >= self.config.limits.max_pending_acks {
            return Err(EmitError::TooManyAcks);
        }
        let slot = key.find(&mut self.slots).ok_or(EmitError::Disconnected)?;
        let ack = AckKey {
            namespace: key,
            id: slot.next_ack,
        };
        slot.next_ack += 1;
        Ok(ack)
    }

    /// Forgets what is awaited: it is not reported any more, and its event is taken back if it has not been sent.
    pub fn cancel_ack(&mut self, now: Instant, ack: AckKey) {
        if !self.acks.remove(ack) {
            self.cancel_retries(now, ack);
        } else if let Some(active) = active(&mut self.slots, ack.namespace) {
            active.buffer.remove(ack.id);
        }
    }

    /// Acknowledges an event of the server.
    ///
    /// # Errors
    ///
    /// [`EmitError::StaleAck`] if the namespace has been disconnected since the event came: the server would drop
    /// the connection. [`EmitError::TooLarge`].
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used up")]
    pub fn reply(&mut self, ticket: AckTicket, args: Args) -> Result<(), EmitError> {
        let slot = ticket
            .namespace
            .find(&mut self.slots)
            .ok_or(EmitError::StaleAck)?;
        if !slot.is_joined() || slot.generation != ticket.generation {
            return Err(EmitError::StaleAck);
        }
        let namespace = slot.name.clone();
        let packet = Packet::Ack {
            namespace,
            id: ticket.id,
            args,
        };
        let outgoing = Outgoing::new(&self.config.parser, packet)?;
        self.link.check_size(&outgoing)?;
        self.send(outgoing);
        Ok(())
    }

    /// Whether an event would be taken or refused at once: the namespace is joined, its buffer has room, or it has none.
    #[must_use]
    pub fn has_room(&self, key: NamespaceKey) -> bool {
        let limits = &self.config.limits;
        match self.slot(key).map(|slot| &slot.state) {
            Some(State::Active(active)) if active.settings.retries.is_some() => {
                active.retries.has_room(limits)
            }
            Some(State::Active(active)) => {
                active.is_joined()
                    || self.config.offline == Offline::Reject
                    || active.buffer.has_room(limits)
            }
            _ => false,
        }
    }

    /// How much waits in a namespace.
    #[must_use]
    pub fn depth(&self, key: NamespaceKey) -> Depth {
        match self.slot(key).map(|slot| &slot.state) {
            Some(State::Active(active)) => {
                let (events, bytes) = active.buffer.size();
                Depth {
                    events: events + active.retries.len(),
                    bytes: bytes + active.retries.bytes(),
                }
            }
            _ => Depth::default(),
        }
    }

    /// How many acknowledgements are awaited in all namespaces together.
    #[must_use]
    pub fn pending_acks(&self) -> usize {
        self.acks.len() + self.slots.iter().map(Slot::retried).sum::<usize>()
    }

    /// Encodes and sends or buffers an event. `awaited` names what settles when it leaves, or later.
    fn enqueue(
        &mut self,
        key: NamespaceKey,
        event: Event,
        ack: Option<u64>,
        awaited: Option<AckKey>,
    ) -> Result<(), EmitError> {
        let slot = key.find(&mut self.slots).ok_or(EmitError::Disconnected)?;
        let State::Active(active) = &mut slot.state else {
            return Err(EmitError::Disconnected);
        };
        let packet = Packet::Event {
            namespace: slot.name.clone(),
            id: ack,
            event,
        };
        let report = active.settings.report_sent;
        let outgoing = Outgoing::event(&self.config.parser, packet, report)?;
        self.link.check_size(&outgoing)?;
        if active.is_joined() {
            self.send_in(key, outgoing);
        } else if self.config.offline == Offline::Reject {
            return Err(EmitError::NotConnected);
        } else {
            let awaited = awaited.map(|awaited| awaited.id);
            active.buffer.push(outgoing, awaited, &self.config.limits)?;
        }
        Ok(())
    }

    /// Sends what has waited for a namespace to be joined.
    pub(super) fn flush(&mut self, key: NamespaceKey, buffered: Buffer) {
        let mut unsent: Option<(u64, EmitError)> = None;
        for (outgoing, awaited) in buffered {
            let awaited = awaited.map(|id| AckKey { namespace: key, id });
            // The server may take less than the one before it.
            match (self.link.check_size(&outgoing), awaited) {
                (Ok(()), awaited) => {
                    if let Some(awaited) = awaited
                        && self.acks.sent(awaited)
                    {
                        self.settled.push_back((awaited, Ok(Args::default())));
                    }
                    self.send_in(key, outgoing);
                }
                (Err(error), Some(awaited)) => {
                    if self.acks.remove(awaited) {
                        self.settled.push_back((awaited, Err(error.into())));
                    }
                }
                (Err(error), None) => unsent.get_or_insert((0, error)).0 += 1,
            }
        }
        if let Some((events, error)) = unsent {
            self.tell_unsent(key, events, error);
        }
    }

    /// Tells, as [`Event::Unsent`](super::Event), that events will not be sent although their senders have gone on in
    /// the belief that they will.
    pub fn tell_unsent(&mut self, key: NamespaceKey, events: u64, error: EmitError) {
        if events == 0 {
            return;
        }
        self.count(key, super::Event::Unsent { events, error });
    }

    /// Sends an event, and tells so where that was asked for.
    pub(super) fn send_in(&mut self, key: NamespaceKey, mut outgoing: Outgoing) {
        if let Some(event) = outgoing.take_reported()
            && let Some(active) = active(&mut self.slots, key)
        {
            // Who emits must not wait until this is read: it may be the reader.
            if self.reading || active.reports.has_room(&self.config.limits) {
                active.reports.add(&event);
                self.events.push_back((key, super::Event::Sent(event)));
            } else {
                self.count(key, super::Event::SentMore(1));
            }
        }
        self.send(outgoing);
    }

    /// Tells a number of events. However many there are, and nobody reads: they are told together with those that
    /// nothing came behind but other numbers.
    fn count(&mut self, key: NamespaceKey, more: super::Event) {
        let newest = self.events.iter_mut().rev().filter(|(of, _)| *of == key);
        for (_, event) in newest {
            match (event, &more) {
                (
                    super::Event::Unsent { events, error },
                    super::Event::Unsent {
                        events: more,
                        error: why,
                    },
                ) if std::mem::discriminant(error) == std::mem::discriminant(why) => {
                    *events = events.saturating_add(*more);
                    return;
                }
                (super::Event::SentMore(events), super::Event::SentMore(more)) => {
                    *events = events.saturating_add(*more);
                    return;
                }
                (super::Event::Unsent { .. } | super::Event::SentMore(_), _) => {}
                _ => break,
            }
        }
        self.events.push_back((key, more));
    }

    /// Takes leave of a namespace that is joined.
    pub(super) fn send_disconnect(&mut self, now: Instant, namespace: Namespace) {
        self.link.left(&namespace);
        let slot = self.index_of(&namespace);
        if let Some(slot) = slot.and_then(|index| self.slots.get_mut(index)) {
            slot.left_at = Some(now);
        }
        // A format that has no DISCONNECT leaves it to the end of the link, and so does a server that takes none: one
        // of revision 4 has joined the root without a CONNECT that would have been too large, too.
        if let Ok(packet) = Outgoing::new(&self.config.parser, Packet::Disconnect { namespace })
            && self.link.excess(&packet).is_none()
        {
            self.send(packet);
        }
    }

    pub(super) fn send(&mut self, outgoing: Outgoing) {
        self.actions
            .extend(outgoing.into_messages().map(Action::Send));
    }
}
