//! Joining a namespace: CONNECT, and the answers to it.

use std::time::Instant;

use engineio::{CloseReason, ProtocolError, Version};
use serde::Deserialize;
use serde_json::value::RawValue;
use socketio_codec::{Json, Namespace, Packet};

use super::link::{Link, Loss};
use super::namespace::{AuthKey, Held, Phase, REJOIN_PAUSE, State, without};
use super::outgoing::Outgoing;
use super::recovery::Recovery;
use super::revision::{Admission, Protocol, Sign};
use super::{Action, Auth, Event, Session, active, later, packets};
use crate::error::{ConnectError, DisconnectReason, ProviderError};
use crate::event::Connected;

impl Session {
    /// Joins each namespace that waits for that, as far as the link lets it.
    pub(super) fn connect_waiting(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            self.connect(now, index);
        }
    }

    /// Takes a namespace that waits for a link as far as the link lets it.
    pub(super) fn connect(&mut self, now: Instant, index: usize) {
        let Link::Open(link) = &self.link else {
            return;
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        let State::Active(active) = &mut slot.state else {
            return;
        };
        if !matches!(active.phase, Phase::Waiting | Phase::Queued { .. }) {
            return;
        }
        let deadline = later(now, self.config.connect_timeout);
        let joining = Phase::Joining {
            deadline,
            held: Held::default(),
        };
        if !self.config.parser.supports(link.protocol.revision()) {
            return self.not_joined(now, key, State::Idle, ConnectError::ParserUnsupported);
        }
        let admission = link.protocol.admission(&slot.name, &active.settings.auth);
        if let (Admission::Connect, Some(left_at)) = (&admission, slot.left_at) {
            let until = later(left_at, REJOIN_PAUSE);
            if now < until {
                active.phase = Phase::Pausing { until };
                return;
            }
            if !self.flushed {
                active.phase = Phase::Waiting;
                return;
            }
        }
        match admission {
            Admission::Connect => match &active.settings.auth {
                Auth::Asked => {
                    self.asks += 1;
                    let ask = AuthKey {
                        namespace: key,
                        ask: self.asks,
                    };
                    active.phase = Phase::Asking(ask);
                    let attempt = active.attempts;
                    self.actions
                        .push_back(Action::AskAuth { key: ask, attempt });
                }
                Auth::Fixed(auth) => {
                    let auth = auth.clone();
                    self.send_connect(now, index, Some(&auth));
                }
                Auth::None => self.send_connect(now, index, None),
            },
            Admission::Expect => active.phase = joining,
            Admission::Present => {
                active.phase = joining;
                self.connect_accepted(now, index, None);
            }
            Admission::Queue => {
                if matches!(active.phase, Phase::Waiting) {
                    active.phase = Phase::Queued { deadline };
                }
            }
            Admission::Hold => {}
            // Who was joined before can wait for the next link.
            Admission::Refuse(ConnectError::RootLeft) if active.established => {
                active.phase = Phase::Waiting;
            }
            Admission::Refuse(error) => self.not_joined(now, key, State::Idle, error),
        }
    }

    /// The auth payload is there, or will not come.
    pub(super) fn auth_answered(
        &mut self,
        now: Instant,
        key: AuthKey,
        auth: Result<Option<Json>, ProviderError>,
    ) {
        let namespace = key.namespace;
        let asked = active(&mut self.slots, namespace);
        if !asked.is_some_and(|active| matches!(active.phase, Phase::Asking(asked) if asked == key))
        {
            return;
        }
        let error = match auth {
            Ok(Some(auth)) if !auth.is_object() => ConnectError::AuthNotAnObject,
            Ok(auth) => return self.send_connect(now, namespace.index(), auth.as_ref()),
            Err(error) => error.into(),
        };
        self.not_joined(now, namespace, State::Idle, error);
    }

    fn send_connect(&mut self, now: Instant, index: usize, auth: Option<&Json>) {
        let (Link::Open(link), Some(slot)) = (&self.link, self.slots.get_mut(index)) else {
            return;
        };
        let key = slot.key(index);
        let State::Active(active) = &mut slot.state else {
            return;
        };
        let asked = active
            .recovery
            .as_ref()
            .and_then(|recovery| recovery.ask(auth));
        let query = active.settings.query.as_ref();
        let packet = |auth: Option<&Json>| {
            let packet = link.protocol.connect(&slot.name, auth, query);
            Outgoing::new(&self.config.parser, packet)
        };
        // Rather nothing is recovered than nothing joined.
        let asked = asked.as_ref().and_then(|asked| packet(Some(asked)).ok());
        let asked = asked.filter(|asked| self.link.excess(asked).is_none());
        let packet = match asked.map_or_else(|| packet(auth), Ok) {
            Ok(packet) => packet,
            Err(error) => return self.not_joined(now, key, State::Idle, ConnectError::Auth(error)),
        };
        // Credentials that the server would not take are the end for their namespace: sending them would cost
        // all the others the connection.
        if let Some((size, max)) = self.link.excess(&packet) {
            let error = ConnectError::AuthTooLarge { size, max };
            return self.not_joined(now, key, State::Idle, error);
        }
        active.given = auth.cloned();
        active.phase = Phase::Joining {
            deadline: later(now, self.config.connect_timeout),
            held: Held::default(),
        };
        self.send(packet);
    }

    /// Acts on what a packet says about the link as a whole, and tells whether that is all it says.
    pub(super) fn handle_sign(&mut self, now: Instant, packet: &Packet) -> bool {
        let Link::Open(link) = &mut self.link else {
            return false;
        };
        if !Protocol::may_sign(packet) {
            return false;
        }
        let root = self.slots.iter().find(|slot| slot.name.is_root());
        let root_asked = root.is_some_and(|root| match &root.state {
            State::Idle => false,
            State::Abandoned => true,
            State::Active(active) => {
                matches!(active.phase, Phase::Joining { .. } | Phase::Behind { .. })
            }
        });
        match (link.protocol.sign(packet, root_asked), packet) {
            (Sign::RootJoined, _) => {
                if let Some(index) = self.index_of(&Namespace::root()) {
                    self.connect_accepted(now, index, None);
                }
                self.connect_waiting(now);
            }
            (Sign::RootRefused, Packet::ConnectError { payload, .. }) => {
                let error = without(&[&self.secrets], link.protocol.refusal(payload.clone()));
                for index in 0..self.slots.len() {
                    if let Some(slot) = self.slots.get(index)
                        && slot.is_wanted()
                        && !slot.is_joined()
                    {
                        let key = slot.key(index);
                        self.not_joined(now, key, State::Idle, error.clone());
                    }
                }
            }
            (Sign::Other(version), _) => self.change_revision(now, version),
            (Sign::None | Sign::RootRefused, _) => return false,
        }
        true
    }

    /// Replaces a link on which nothing was joined by one of another revision. Nobody needs to know.
    fn change_revision(&mut self, now: Instant, version: Version) {
        if !self.finding.change(version) {
            let reason = CloseReason::Protocol(ProtocolError::OtherVersion(version));
            return self.fail_link(now, &Loss::Closed(reason));
        }
        for slot in &mut self.slots {
            if let State::Active(active) = &mut slot.state
                && !active.is_pausing()
            {
                active.phase = Phase::Waiting;
            }
        }
        self.close_link(Some(now));
    }

    pub(super) fn connect_accepted(&mut self, now: Instant, index: usize, payload: Option<&Json>) {
        let Link::Open(link) = &mut self.link else {
            return;
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        let active = match &mut slot.state {
            State::Active(active) => active,
            State::Abandoned => {
                // Nobody wants it any more. Now that it is joined, it can be left.
                slot.state = State::Idle;
                let namespace = slot.name.clone();
                self.send_disconnect(now, namespace);
                return;
            }
            State::Idle => return,
        };
        match &mut active.phase {
            Phase::Joining { held, .. } => {
                let held = std::mem::take(held);
                let buffered = std::mem::take(&mut active.buffer);
                active.phase = Phase::Joined { since: now };
                active.established = true;
                let kept = active.recovery.take();
                let kept = kept.filter(|kept| kept.is_resumed_by(payload));
                let recovered = kept.is_some();
                // What came before the answer on a link on which the namespace was left before, was meant for then.
                let held = if recovered || slot.left_at.is_none() {
                    held
                } else {
                    Held::default()
                };
                active.recovery = kept.or_else(|| Recovery::offered(payload));
                if let Some(recovery) = &mut active.recovery {
                    let missed = held.iter().filter(|(_, id)| id.is_none());
                    missed.for_each(|(event, _)| recovery.received(now, event));
                }
                slot.generation += 1;
                let id = link.protocol.socket_id(&slot.name, payload);
                self.finding.joined(&mut link.protocol, id.as_deref());
                let connected = Connected {
                    id,
                    recovered,
                    transport: link.transport,
                    version: link.protocol.version(),
                    generation: slot.generation,
                };
                self.events.push_back((key, Event::Connected(connected)));
                let generation = slot.generation;
                let held = held.into_iter();
                self.events.extend(
                    held.map(|(event, id)| (key, packets::received(key, generation, event, id))),
                );
                self.flush(key, buffered);
                self.try_next(now, key);
            }
            Phase::Behind { .. } => {
                // The answer to an earlier CONNECT with an earlier auth payload: leave, and ask again.
                active.phase = Phase::Waiting;
                let namespace = slot.name.clone();
                self.send_disconnect(now, namespace);
                self.connect_waiting(now);
            }
            Phase::Waiting
            | Phase::Pausing { .. }
            | Phase::Asking(_)
            | Phase::Queued { .. }
            | Phase::Joined { .. } => {}
        }
    }

    /// The server answered CONNECT with no: the end for this namespace, and no concern of the others. A server that says
    /// it of a joined namespace has put this client out, which the reference client takes for the end, too; unless the
    /// packet is no more than an event.
    pub(super) fn connect_refused(&mut self, now: Instant, index: usize, payload: Option<Json>) {
        let Link::Open(link) = &self.link else {
            return;
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let key = slot.key(index);
        match &mut slot.state {
            State::Abandoned => slot.state = State::Idle,
            State::Active(active) => match active.phase {
                Phase::Joining { .. } => {
                    let secrets = [&active.secrets(), &self.secrets];
                    let error = without(&secrets, link.protocol.refusal(payload));
                    self.not_joined(now, key, State::Idle, error);
                }
                Phase::Behind { .. } => {
                    active.phase = Phase::Waiting;
                    self.connect_waiting(now);
                }
                Phase::Joined { .. } => {
                    if let Some(event) = link.protocol.error_event(payload.as_ref()) {
                        let event = packets::received(key, slot.generation, event, None);
                        self.events.push_back((key, event));
                        return;
                    }
                    let secrets = [&active.secrets(), &self.secrets];
                    let error = without(&secrets, link.protocol.refusal(payload));
                    let reason = DisconnectReason::from_refusal(error);
                    self.put_out(now, key, reason);
                }
                Phase::Waiting
                | Phase::Pausing { .. }
                | Phase::Asking(_)
                | Phase::Queued { .. } => {}
            },
            State::Idle => {}
        }
    }

    /// The server has not answered CONNECT. A namespace whose first failure is final fails alone. One that is retried
    /// takes a new link: a second CONNECT on this one could reach the server after it has
    /// handled the first, and that makes it drop the connection.
    pub(super) fn connect_timed_out(&mut self, now: Instant, index: usize) {
        let Some(slot) = self.slots.get(index) else {
            return;
        };
        let State::Active(active) = &slot.state else {
            return;
        };
        if active.is_lasting() {
            self.fail_link(now, &Loss::ConnectTimeout);
        } else {
            let next = self.link.unanswered(slot);
            self.not_joined(now, slot.key(index), next, ConnectError::Timeout);
        }
    }
}

/// What a CONNECT_ERROR says: `{"message":…,"data":…}`, or a bare string from foreign servers.
pub(super) fn refusal(payload: Option<Json>) -> ConnectError {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        message: String,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let Some(payload) = payload else {
        return ConnectError::Refused {
            message: String::new(),
            data: None,
        };
    };
    // To take a string for an object would cost an error that quotes all of it.
    let object = payload.is_object().then(|| payload.parse().ok()).flatten();
    let (message, data) = if let Some(Refusal { message, data }) = object {
        (
            message,
            data.and_then(|data| Json::from_serialize(data).ok()),
        )
    } else if let Ok(message) = payload.parse() {
        (message, None)
    } else {
        // Whatever it is, a program may make sense of it.
        (String::new(), Some(payload.detach()))
    };
    ConnectError::Refused { message, data }
}
