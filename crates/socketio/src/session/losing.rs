//! Losing the link or a namespace, and the way back.

use std::time::{Duration, Instant};

use super::link::{Link, Loss};
use super::namespace::{NamespaceKey, Phase, Slot, State};
use super::{AckKey, Action, Event, Session, later};
use crate::error::AckError;

impl Session {
    pub(super) fn open_link(&mut self) {
        self.link = Link::Opening;
        let version = self.finding.version();
        self.actions.push_back(Action::OpenLink { version });
    }

    /// Gives up a link that is of no use any more.
    pub(super) fn fail_link(&mut self, now: Instant, loss: &Loss) {
        let reopen = self.lose(now, loss);
        self.link = Link::Closing { reopen };
        self.actions.push_back(Action::CloseLink);
    }

    /// Closes the link behind the last namespace.
    pub(super) fn close_unused_link(&mut self) {
        if self.slots.iter().any(Slot::is_wanted) {
            return;
        }
        match self.link {
            Link::Opening | Link::Open(_) => {
                self.link = Link::Closing { reopen: None };
                self.actions.push_back(Action::CloseLink);
            }
            Link::Closing { .. } => self.link = Link::Closing { reopen: None },
            Link::Waiting { .. } => self.link = Link::Down,
            Link::Down => {}
        }
    }

    /// Tells every namespace that the link is gone and returns when to open the next one.
    pub(super) fn lose(&mut self, now: Instant, loss: &Loss) -> Option<Instant> {
        if let Link::Open(link) = &self.link
            && link.is_stable(now, self.config.reconnection.stable_after)
        {
            self.attempts = 0;
        }
        self.finding.lost();
        self.forget_abandoned();
        let wanted = |slot: &Slot| matches!(&slot.state, State::Active(a) if a.established);
        let retry_in = if self.slots.iter().any(wanted) {
            self.next_delay()
        } else {
            None
        };
        for index in 0..self.slots.len() {
            self.lose_one(index, loss, retry_in);
        }
        let retried = self.slots.iter().any(Slot::is_wanted);
        retry_in.filter(|_| retried).map(|delay| later(now, delay))
    }

    pub(super) fn lose_one(&mut self, index: usize, loss: &Loss, retry_in: Option<Duration>) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        let State::Active(active) = &mut slot.state else {
            return;
        };
        let retry_in = retry_in.filter(|_| active.established);
        let event = match std::mem::replace(&mut active.phase, Phase::Waiting) {
            Phase::Joined => Event::Disconnected {
                reason: loss.reason(),
                retry_in,
            },
            _ => Event::ConnectError {
                error: loss.error(),
                retry_in,
            },
        };
        if retry_in.is_none() {
            self.end(key, State::Idle, event);
            return;
        }
        // What has not been sent stays, and so do the acknowledgements it awaits.
        let acks = self.acks.drain_sent(key);
        self.disconnect_acks(acks);
        self.events.push_back((key, event));
    }

    pub(super) fn next_delay(&mut self) -> Option<Duration> {
        let reconnection = &self.config.reconnection;
        if !reconnection.allows(self.attempts) {
            return None;
        }
        let delay = reconnection.delay(self.attempts, self.random.f64());
        self.attempts = self.attempts.saturating_add(1);
        Some(delay)
    }

    /// Ends a namespace with its last event. All that is awaited in it settles.
    pub(super) fn end(&mut self, key: NamespaceKey, next: State, event: Event) {
        if let Some(slot) = key.find(&mut self.slots) {
            slot.state = next;
        }
        let acks = self.acks.drain(key);
        self.disconnect_acks(acks);
        self.events.push_back((key, event));
    }

    pub(super) fn disconnect_acks(&mut self, acks: Vec<AckKey>) {
        self.settled.extend(
            acks.into_iter()
                .map(|ack| (ack, Err(AckError::Disconnected))),
        );
    }

    /// With the link, the server has forgotten what it was asked on it.
    pub(super) fn forget_abandoned(&mut self) {
        for slot in &mut self.slots {
            if matches!(slot.state, State::Abandoned) {
                slot.state = State::Idle;
            }
        }
    }
}
