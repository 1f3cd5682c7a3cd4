//! At-least-once: events that are sent again until they are acknowledged, one at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use socketio_codec::{Args, Event, Packet};

use super::namespace::{NamespaceKey, Phase, State};
use super::outgoing::Outgoing;
use super::{AckKey, Offline, Session, later};
use crate::error::{AckError, EmitError};
use crate::limits::Limits;

/// The events of a namespace that are to be acknowledged, in order.
#[derive(Debug, Default)]
pub(super) struct RetryQueue {
    events: VecDeque<Retried>,
    bytes: usize,
    /// The present try of the first event.
    under_way: Option<Try>,
}

#[derive(Debug)]
struct Retried {
    /// Names the event; the acknowledgement id of each try is another one.
    key: AckKey,
    event: Event,
    timeout: Duration,
    tries: u32,
}

#[derive(Debug)]
struct Try {
    id: u64,
    deadline: Instant,
}

impl RetryQueue {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bounds are those of events that wait for a connection.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.events.len() < limits.max_buffered_events && self.bytes < limits.max_buffered_bytes
    }

    /// When the present try has taken too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.as_ref().map(|try_| try_.deadline)
    }

    fn push(&mut self, event: Retried) {
        self.bytes += size(&event.event);
        self.events.push_back(event);
    }

    fn remove(&mut self, index: usize) -> Option<Retried> {
        let event = self.events.remove(index)?;
        self.bytes -= size(&event.event);
        if index == 0 {
            self.under_way = None;
        }
        Some(event)
    }

    /// The end of the namespace, and with it of all that is awaited.
    pub(super) fn drain(&mut self) -> Vec<AckKey> {
        self.under_way = None;
        self.bytes = 0;
        self.events.drain(..).map(|event| event.key).collect()
    }
}

fn size(event: &Event) -> usize {
    let attachments = event.attachments().iter().map(bytes::Bytes::len);
    event.json().len() + attachments.sum::<usize>()
}

impl Session {
    /// Sends an event again and again until it is acknowledged, as [`Retries`](crate::Retries) says, and behind those
    /// before it; `timeout` is that of each try. What came of it is told by [`poll_ack`](Self::poll_ack), exactly once:
    /// [`AckError::Timeout`] if all tries went unanswered, the last one because its connection was lost or not;
    /// [`AckError::Disconnected`] if the namespace has ended.
    ///
    /// # Errors
    ///
    /// See [`EmitError`].
    pub fn emit_retried(
        &mut self,
        now: Instant,
        key: NamespaceKey,
        event: Event,
        timeout: Duration,
    ) -> Result<AckKey, EmitError> {
        let ack = self.next_ack(key)?;
        let slot = key.find(&mut self.slots).ok_or(EmitError::Disconnected)?;
        let active = slot.active().ok_or(EmitError::Disconnected)?;
        if !active.retries.has_room(&self.config.limits) {
            return Err(EmitError::BufferFull);
        }
        let joined = active.is_joined();
        if !joined && self.config.offline == Offline::Reject {
            return Err(EmitError::NotConnected);
        }
        active.retries.push(Retried {
            key: ack,
            event,
            timeout,
            tries: 0,
        });
        if joined {
            self.try_next(now, key);
        }
        Ok(ack)
    }

    /// Sends the first event of the queue, unless it is under way.
    pub(super) fn try_next(&mut self, now: Instant, key: NamespaceKey) {
        loop {
            let Some(slot) = key.find(&mut self.slots) else {
                return;
            };
            let State::Active(active) = &mut slot.state else {
                return;
            };
            let queue = &mut active.retries;
            let joined = matches!(active.phase, Phase::Joined { .. });
            if !joined || !self.writable || queue.under_way.is_some() {
                return;
            }
            let Some(retried) = queue.events.front_mut() else {
                return;
            };
            let id = slot.next_ack;
            slot.next_ack += 1;
            let namespace = slot.name.clone();
            let packet = Packet::Event {
                namespace,
                id: Some(id),
                event: retried.event.clone(),
            };
            let report = active.settings.report_sent;
            let outgoing = Outgoing::event(&self.config.parser, packet, report);
            let fitting = outgoing.map_err(EmitError::from).and_then(|outgoing| {
                self.link.check_size(&outgoing)?;
                Ok(outgoing)
            });
            match fitting {
                Ok(outgoing) => {
                    retried.tries = retried.tries.saturating_add(1);
                    let deadline = later(now, retried.timeout);
                    queue.under_way = Some(Try { id, deadline });
                    return self.send_in(key, outgoing);
                }
                // However often it were sent.
                Err(error) => self.settle_first(key, Err(error.into())),
            }
        }
    }

    /// Whether an acknowledgement is one to the present try.
    pub(super) fn try_acknowledged(&mut self, now: Instant, ack: AckKey, args: &Args) -> bool {
        let queue = ack
            .namespace
            .find(&mut self.slots)
            .and_then(|slot| slot.active());
        let under_way = queue.and_then(|active| active.retries.under_way.as_ref());
        if under_way.is_none_or(|try_| try_.id != ack.id) {
            return false;
        }
        self.settle_first(ack.namespace, Ok(args.clone()));
        self.try_next(now, ack.namespace);
        true
    }

    /// The present try has taken too long.
    pub(super) fn try_timed_out(&mut self, now: Instant, key: NamespaceKey) {
        self.end_try(key);
        self.try_next(now, key);
    }

    /// The present try has come to nothing. If it was the last one, its event is given up.
    pub(super) fn end_try(&mut self, key: NamespaceKey) {
        let Some(active) = key.find(&mut self.slots).and_then(|slot| slot.active()) else {
            return;
        };
        if active.retries.under_way.take().is_none() {
            return;
        }
        let max = active.settings.retries.unwrap_or_default().max;
        let tries = active.retries.events.front().map_or(0, |event| event.tries);
        if tries > max {
            self.settle_first(key, Err(AckError::Timeout));
        }
    }

    fn settle_first(&mut self, key: NamespaceKey, result: Result<Args, AckError>) {
        let active = key.find(&mut self.slots).and_then(|slot| slot.active());
        if let Some(event) = active.and_then(|active| active.retries.remove(0)) {
            self.settled.push_back((event.key, result));
        }
    }

    /// Forgets an event. If it is under way, the server may handle it all the same.
    pub(super) fn cancel_retries(&mut self, now: Instant, ack: AckKey) {
        let Some(active) = ack
            .namespace
            .find(&mut self.slots)
            .and_then(|slot| slot.active())
        else {
            return;
        };
        let queue = &mut active.retries;
        if let Some(index) = queue.events.iter().position(|event| event.key == ack) {
            queue.remove(index);
            self.try_next(now, ack.namespace);
        }
    }
}
