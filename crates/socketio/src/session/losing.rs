//! Losing the link or a namespace, and the way back.

use std::time::{Duration, Instant};

use super::link::{Link, Loss};
use super::namespace::{NamespaceKey, Phase, Slot, State};
use super::{AckKey, Action, Event, Session, active, later};
use crate::decision::{Decision, Failure};
use crate::error::{AckError, ConnectError, DisconnectReason, EmitError};

/// The jitter of all namespaces that fail together: drawn once, and only if one needs it.
type Jitter = Option<f64>;

impl Session {
    pub(super) fn open_link(&mut self) {
        self.link = Link::Opening;
        self.actions.push_back(Action::OpenLink {
            version: self.finding.version(),
            attempt: self.attempts(),
            websocket_first: self.config.remember_upgrade && self.upgraded,
        });
    }

    /// How many attempts were made by those for whose sake a link is opened.
    fn attempts(&self) -> u32 {
        let attempts = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Active(active) if !active.is_pausing() => Some(active.attempts),
            _ => None,
        });
        attempts.max().unwrap_or(0)
    }

    /// Gives up a link that is of no use any more.
    pub(super) fn fail_link(&mut self, now: Instant, loss: &Loss) {
        let reopen = self.lose(now, loss);
        self.close_link(reopen);
    }

    /// Asks for the end of the link. Nothing that the server still says on it counts.
    pub(super) fn close_link(&mut self, reopen: Option<Instant>) {
        self.forget_abandoned();
        self.link = Link::Closing { reopen };
        self.actions.push_back(Action::CloseLink);
    }

    /// Closes the link behind the last namespace.
    pub(super) fn close_unused_link(&mut self) {
        if self.slots.iter().any(Slot::is_wanted) {
            return;
        }
        match self.link {
            Link::Opening | Link::Open(_) => self.close_link(None),
            Link::Closing { .. } => self.link = Link::Closing { reopen: None },
            Link::Waiting { .. } => self.link = Link::Down,
            Link::Down => {}
        }
    }

    /// The link, or the attempt to open one, is over.
    pub(super) fn lost(&mut self, now: Instant, loss: &Loss) {
        let next = self.lose(now, loss);
        self.link = next.map_or(Link::Down, |at| Link::Waiting { at });
    }

    /// Tells every namespace that the link is gone and returns when to open the next one.
    pub(super) fn lose(&mut self, now: Instant, loss: &Loss) -> Option<Instant> {
        self.finding.lost();
        self.forget_abandoned();
        let mut jitter = Jitter::None;
        for index in 0..self.slots.len() {
            self.lose_one(now, index, loss, &mut jitter);
        }
        self.next_attempt()
    }

    fn lose_one(&mut self, now: Instant, index: usize, loss: &Loss, jitter: &mut Jitter) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        match slot.active().map(|active| &active.phase) {
            // It has not lost anything, and knows when it goes on.
            None | Some(Phase::Pausing { .. }) => {}
            Some(Phase::Joined { .. }) => {
                let reason = loss.reason();
                self.forget_attempts(now, key);
                let retry_in = self.retry_in(key, Failure::Disconnected(&reason), jitter);
                self.interrupt(now, key, retry_in, Event::Disconnected { reason, retry_in });
            }
            Some(_) => {
                let error = loss.error();
                let retry_in = self.retry_in(key, Failure::NotConnected(&error), jitter);
                self.interrupt(now, key, retry_in, Event::ConnectError { error, retry_in });
            }
        }
    }

    /// A namespace is no longer joined, while the link is still there.
    pub(super) fn put_out(&mut self, now: Instant, key: NamespaceKey, reason: DisconnectReason) {
        self.forget_attempts(now, key);
        if let Some(active) = active(&mut self.slots, key) {
            // The server keeps nothing of who was put out. What it may still have, of an earlier interruption, is out
            // of date.
            active.recovery = None;
        }
        let failure = Failure::Disconnected(&reason);
        let retry_in = self.retry_in(key, failure, &mut Jitter::None);
        self.interrupt(now, key, retry_in, Event::Disconnected { reason, retry_in });
        self.rest();
    }

    /// Leaves a namespace whose events nobody reads, for good: the last event is a [`Event::Disconnected`] that says so.
    pub fn leave_unread(&mut self, now: Instant, key: NamespaceKey) {
        let Some(slot) = key.find(&mut self.slots).filter(|slot| slot.is_joined()) else {
            return;
        };
        let namespace = slot.name.clone();
        self.send_disconnect(now, namespace);
        let event = Event::Disconnected {
            reason: DisconnectReason::Overflow,
            retry_in: None,
        };
        self.end(key, State::Idle, event);
        self.rest();
    }

    /// Replaces the link by a new one, or makes the next attempt now instead of later. It is no failure: nobody decides on
    /// it, and no attempt is counted.
    pub fn reconnect(&mut self, now: Instant) {
        match &mut self.link {
            Link::Open(_) => {
                for index in 0..self.slots.len() {
                    self.detach(now, index);
                }
                self.finding.lost();
                self.close_link(Some(now));
                self.close_unused_link();
            }
            Link::Waiting { at } | Link::Closing { reopen: Some(at) } => *at = now,
            Link::Down | Link::Opening | Link::Closing { reopen: None } => return,
        }
        for active in self.slots.iter_mut().filter_map(Slot::active) {
            if active.is_pausing() {
                active.phase = Phase::Waiting;
            }
        }
    }

    /// Takes a namespace off its link, for the next one.
    fn detach(&mut self, now: Instant, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        match slot.active() {
            Some(active) if active.is_joined() => {
                let retry_in = Some(Duration::ZERO);
                let reason = DisconnectReason::Reconnecting;
                self.interrupt(now, key, retry_in, Event::Disconnected { reason, retry_in });
            }
            // It has nothing to lose yet, and will be asked for again.
            Some(active) if !active.is_pausing() => active.phase = Phase::Waiting,
            Some(_) | None => {}
        }
    }

    /// A namespace could not be joined, while the link is still there.
    pub(super) fn not_joined(
        &mut self,
        now: Instant,
        key: NamespaceKey,
        next: State,
        error: ConnectError,
    ) {
        let failure = Failure::NotConnected(&error);
        let retry_in = self.retry_in(key, failure, &mut Jitter::None);
        let event = Event::ConnectError { error, retry_in };
        if retry_in.is_some() {
            self.interrupt(now, key, retry_in, event);
        } else {
            self.end(key, next, event);
        }
        self.rest();
    }

    /// The attempts that led to a namespace that was joined for long are of no account any more.
    fn forget_attempts(&mut self, now: Instant, key: NamespaceKey) {
        let stable_after = self.config.reconnection.stable_after;
        if let Some(active) = active(&mut self.slots, key)
            && matches!(active.phase, Phase::Joined { since } if later(since, stable_after) <= now)
        {
            active.attempts = 0;
        }
    }

    /// When a namespace is to be joined again, if at all. All that is lost at a time, and was not lost before, is
    /// retried at a time.
    fn retry_in(
        &mut self,
        key: NamespaceKey,
        failure: Failure<'_>,
        jitter: &mut Jitter,
    ) -> Option<Duration> {
        let slot = self.slot(key)?;
        let State::Active(active) = &slot.state else {
            return None;
        };
        if !active.is_lasting() {
            return None;
        }
        let decide = self.config.reconnection.decide.as_ref();
        let decision = decide.map_or(Decision::Default, |decide| decide.decide(failure));
        let wish = match decision {
            Decision::Default if failure.is_retried() => None,
            Decision::Retry => None,
            Decision::RetryIn(wish) => Some(wish),
            Decision::Default | Decision::Stop => return None,
        };
        // Without attempts left there is no usual delay, and no other either.
        let usual = self.next_delay(key, jitter)?;
        Some(wish.unwrap_or(usual))
    }

    fn next_delay(&mut self, key: NamespaceKey, jitter: &mut Jitter) -> Option<Duration> {
        let reconnection = &self.config.reconnection;
        let active = active(&mut self.slots, key)?;
        if !reconnection.allows(active.attempts) {
            return None;
        }
        let random = *jitter.get_or_insert_with(|| self.random.f64());
        let delay = reconnection.delay(active.attempts, random);
        active.attempts = active.attempts.saturating_add(1);
        Some(delay)
    }

    /// A namespace pauses before it is joined again, or ends.
    fn interrupt(
        &mut self,
        now: Instant,
        key: NamespaceKey,
        retry_in: Option<Duration>,
        event: Event,
    ) {
        let Some(delay) = retry_in else {
            return self.end(key, State::Idle, event);
        };
        if let Some(active) = active(&mut self.slots, key) {
            let until = later(now, delay);
            active.phase = Phase::Pausing { until };
        }
        // What has not been sent stays, and so does all that is awaited of it.
        let acks = self.acks.drain_sent(key);
        self.disconnect_acks(acks);
        self.end_try(key);
        self.events.push_back((key, event));
    }

    /// Closes a link that no namespace uses at present, or does not open it. A server would not keep it for long, and
    /// one of revision 4 does not let a client join `/` twice on one link.
    pub(super) fn rest(&mut self) {
        let pausing = |slot: &Slot| match &slot.state {
            State::Active(active) => active.is_pausing(),
            State::Abandoned => false,
            State::Idle => true,
        };
        if !self.slots.iter().any(Slot::is_wanted) {
            return self.close_unused_link();
        }
        if !self.slots.iter().all(pausing) {
            return;
        }
        let next = self.next_attempt();
        match &mut self.link {
            Link::Opening | Link::Open(_) => self.close_link(next),
            Link::Closing { reopen } => *reopen = next,
            Link::Waiting { at } => *at = next.unwrap_or(*at),
            Link::Down => {}
        }
    }

    /// When the first of the namespaces that pause wants to go on.
    fn next_attempt(&self) -> Option<Instant> {
        let slots = self.slots.iter();
        let pauses = slots.filter_map(|slot| match &slot.state {
            State::Active(active) => match active.phase {
                Phase::Pausing { until } => Some(until),
                _ => None,
            },
            State::Abandoned | State::Idle => None,
        });
        pauses.min()
    }

    /// Ends a namespace with its last event. All that is awaited in it settles.
    pub(super) fn end(&mut self, key: NamespaceKey, next: State, event: Event) {
        let mut unsent = 0;
        let mut retried = Vec::new();
        if let Some(slot) = key.find(&mut self.slots) {
            if let Some(active) = slot.active() {
                unsent = active.buffer.unawaited();
                retried = active.retries.drain();
            }
            slot.state = next;
        }
        let acks = self.acks.drain(key);
        self.disconnect_acks(acks);
        self.disconnect_acks(retried);
        self.tell_unsent(key, unsent, EmitError::Disconnected);
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
            slot.left_at = None;
            if matches!(slot.state, State::Abandoned) {
                slot.state = State::Idle;
            }
        }
    }
}
