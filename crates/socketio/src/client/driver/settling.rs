//! What the session wants done, and what it tells.

use std::time::Instant;

use engineio::CloseReason;

use super::member::Member;
use super::{CatchingUp, Driver, Link, takes};
use crate::client::dialer::Call;
use crate::client::stats::LinkStats;
use crate::error::{AckError, ConnectError, DisconnectReason, EmitError};
use crate::overflow::Overflow;
use crate::session::{Action, Event, Input, NamespaceKey};

impl Driver {
    /// Carries out what the session wants and passes on what it tells.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            while let Some(action) = self.session.poll_action() {
                self.act(action, now);
            }
            while let Some((key, result)) = self.session.poll_ack() {
                match (self.acks.remove(&key), result) {
                    // Whoever awaited it may have gone.
                    (Some(reply), result) => drop(reply.send(result)),
                    (None, Err(error)) => self.unsent(key.namespace(), error),
                    (None, Ok(_)) => {}
                }
            }
            // Handing an event over may be more than the queue takes, and then there is more to do.
            let Some((key, event)) = self.next_event() else {
                return;
            };
            self.deliver(key, event, now);
        }
    }

    /// The next event that may be handed over now. Whoever waits for a namespace to be joined must learn what became of
    /// it while others are not read, too: it may be their reader that waits.
    fn next_event(&mut self) -> Option<(NamespaceKey, Event)> {
        if self.blocked.is_none() {
            return self.session.poll_event();
        }
        let mut members = self.members.iter();
        members.find_map(|member| {
            let awaited = member.is_awaited();
            let event = awaited.then(|| self.session.poll_event_of(member.key))??;
            Some((member.key, event))
        })
    }

    /// An event that nobody waits for was never acknowledged.
    fn unsent(&mut self, key: NamespaceKey, error: AckError) {
        let error = match error {
            AckError::Emit(error) => error,
            AckError::Timeout => EmitError::NotAcknowledged,
            AckError::Disconnected => EmitError::Disconnected,
        };
        if self.session.is_wanted(key) {
            self.session.tell_unsent(key, 1, error);
        } else if let Some(member) = self.members.iter_mut().find(|member| member.key == key) {
            // The last event is under way already, and must stay the last.
            member.unsent += 1;
        }
    }

    fn act(&mut self, action: Action, now: Instant) {
        self.acted = true;
        match action {
            Action::OpenLink {
                version,
                attempt,
                websocket_first,
            } => {
                let call = Call {
                    version,
                    attempt,
                    websocket_first,
                };
                if self.blocked.is_some() {
                    self.link = Link::Wanted(call);
                } else {
                    self.call(call);
                }
            }
            Action::AskAuth { key, attempt } => {
                let mut members = self.members.iter_mut();
                let member = members.find(|member| member.key == key.namespace());
                match member.and_then(|member| Some((member.auth.clone()?, member))) {
                    Some((auth, member)) => {
                        member.asked = Some((key, auth.ask(attempt, self.patience)));
                    }
                    None => {
                        let auth = Ok(None);
                        self.session.handle_input(now, Input::Auth { key, auth });
                    }
                }
            }
            Action::Send(message) => {
                let Link::Up(live) = &mut self.link else {
                    return;
                };
                match live.client.send(message) {
                    // The end of the connection is about to be reported.
                    Ok(()) | Err(engineio::SendError::NotOpen(_)) => {}
                    Err(error) => {
                        // The session checks sizes. Half a packet must not stay on the wire.
                        tracing::debug!(%error, "a message was refused");
                        live.client.close();
                    }
                }
            }
            Action::CloseLink => match std::mem::replace(&mut self.link, Link::Down) {
                Link::Up(mut live) | Link::Closing(mut live) => {
                    live.client.close();
                    self.link = Link::Closing(live);
                }
                Link::Down | Link::Wanted(_) | Link::Asking(..) => {
                    let closed = Input::LinkClosed(CloseReason::Local);
                    self.session.handle_input(now, closed);
                }
            },
        }
    }

    fn deliver(&mut self, key: NamespaceKey, event: Event, now: Instant) {
        let Some(index) = self.members.iter().position(|member| member.key == key) else {
            return;
        };
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        if !matches!(event, Event::Message(_)) {
            note(member, &event);
        }
        let last = event.is_final();
        if last {
            member.refuse_commands();
            if member.unsent > 0 {
                let (events, error) = (member.unsent, EmitError::Disconnected);
                member.mailbox.push(Event::Unsent { events, error });
            }
        }
        let overflow = member.mailbox.overflow();
        // Between two connections nothing comes from the server, so nothing has to be stopped; and a reader that waits
        // for a connection to emit on must get it. Who does not read need not be told of each failed attempt.
        let connected = match &event {
            Event::ConnectError { .. }
                if !last && overflow != Overflow::DropOldest && member.mailbox.is_full() =>
            {
                return;
            }
            // Nothing that the server sends; and a link that is just being opened must be read.
            Event::ConnectError { .. } | Event::Disconnected { .. } | Event::Unsent { .. } => false,
            _ => true,
        };
        member.mailbox.push(event);
        if last {
            member.mailbox.flush();
            self.members.remove(index);
        } else if connected && member.mailbox.is_full() {
            match overflow {
                // One after the other.
                Overflow::Backpressure if self.blocked.is_some() => {}
                Overflow::Backpressure => {
                    self.blocked = Some(key);
                    self.session.set_reading(now, false);
                    if let Link::Up(live) = &mut self.link {
                        live.client.pause_reading();
                    }
                }
                Overflow::DropOldest => {}
                Overflow::Disconnect => self.session.leave_unread(now, key),
            }
        }
    }

    /// What all links have done so far.
    pub(super) fn link_stats(&self) -> LinkStats {
        let mut stats = self.done;
        if let Link::Up(live) | Link::Closing(live) = &self.link {
            stats.engine = stats.engine.followed_by(live.client.stats());
        }
        stats.connections = self.session.links();
        stats.pending_acks = self.session.pending_acks();
        stats
    }

    pub(super) fn finish_round(&mut self) {
        let writable = self.is_writable();
        for member in &mut self.members {
            if !takes(&self.session, member.key, writable) {
                member.late = member.commands.len();
            }
            member.status.unsent(self.session.depth(member.key));
            member.mailbox.flush();
        }
        self.shared.set_writable(writable);
        *self.shared.lock_stats() = self.link_stats();
        let left = match &self.link {
            Link::Up(live) => live.client.is_flushed() || !live.client.is_open(),
            Link::Closing(_) => false,
            Link::Down | Link::Wanted(_) | Link::Asking(..) => true,
        };
        if left {
            for done in self.leavers.drain(..) {
                done.send(()).ok();
            }
        }
    }

    /// A heartbeat counts as soon as it is read. What came before it in the same polling body may still be on its way to
    /// the queues then: so this is asked when all there was has been handed over, and while there is room for that.
    pub(super) fn tell_caught_up(&mut self) {
        if let Link::Up(live) = &self.link {
            let heartbeats = live.client.stats().heartbeats;
            let (session, blocked) = (&self.session, self.blocked.is_some());
            let over = |waiter: &mut CatchingUp| {
                let has_come = waiter.heartbeats <= heartbeats && !blocked;
                has_come || !session.is_joined(waiter.key)
            };
            for waiter in self.catching_up.extract_if(.., over) {
                if session.is_joined(waiter.key) {
                    waiter.done.send(()).ok();
                }
            }
        }
    }
}

/// What others learn of an event: tracing, who asks for the state of the namespace, and who waits for it to be joined.
fn note(member: &mut Member, event: &Event) {
    let span = member.span.clone();
    let _in = span.enter();
    match event {
        Event::Connected(connected) => {
            tracing::debug!(recovered = connected.recovered, "joined");
            member.status.connected(connected);
            if let Some(joined) = member.joined.take() {
                // Whoever asked may have gone; then the namespace is about to be left.
                joined.send(Ok(())).ok();
            }
        }
        Event::Disconnected { reason, retry_in } => {
            match reason {
                // In the server's words there may be what the client has sent: the query, or its credentials.
                DisconnectReason::Refused { .. }
                | DisconnectReason::LinkClosed(CloseReason::Refused(_)) => {
                    tracing::debug!(?retry_in, "refused");
                }
                reason => tracing::debug!(%reason, ?retry_in, "disconnected"),
            }
            member.status.disconnected();
        }
        Event::ConnectError { error, retry_in } => {
            match error {
                ConnectError::Refused { .. } | ConnectError::Engine(CloseReason::Refused(_)) => {
                    tracing::debug!(?retry_in, "refused");
                }
                error => tracing::debug!(%error, ?retry_in, "not connected"),
            }
            if retry_in.is_none()
                && let Some(joined) = member.joined.take()
            {
                joined.send(Err(error.clone())).ok();
            }
        }
        Event::Unsent { events, error } => tracing::debug!(events, %error, "not sent"),
        Event::Message(_) | Event::Upgraded(_) | Event::Sent(_) => {}
        Event::SentMore(_) | Event::Lagged(_) => {}
    }
}
