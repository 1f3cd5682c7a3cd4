//! One client of a Socket.IO server as a state machine: several namespaces on one Engine.IO connection, and what
//! becomes of them when it is lost.
//!
//! Nothing in here sleeps, reads a clock or does I/O. The program that drives a [`Session`] tells it what happened and
//! when ([`Session::handle_input`], [`Session::handle_timeout`]), carries out what it asks for
//! ([`Session::poll_action`]), and learns what came of it ([`Session::poll_event`], [`Session::poll_ack`]). After each
//! call it drains the polls, and comes back when [`Session::poll_timeout`] says so. Spurious calls are no-ops.
//!
//! ```
//! use std::time::Instant;
//! use engineio::{Handshake, Message, Transport, Version};
//! use socketio::session::{Action, Config, Event, Input, Join, Session};
//! use socketio::{Namespace, codec};
//!
//! # #[allow(clippy::disallowed_methods)]
//! let now = Instant::now();
//! let mut session = Session::new(Config::default(), 42);
//! let chat = session.join(now, Namespace::try_from("/chat")?, Join::default())?;
//! assert!(matches!(session.poll_action(), Some(Action::OpenLink { version: Version::V4, .. })));
//!
//! let handshake = Handshake::parse(r#"{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#)?;
//! session.handle_input(now, Input::LinkOpened {
//!     handshake: Box::new(handshake),
//!     transport: Transport::WebSocket,
//!     version: Version::V4,
//! });
//! assert_eq!(session.poll_action(), Some(Action::Send(Message::from("0/chat,"))));
//!
//! session.handle_input(now, Input::Message(Message::from(r#"0/chat,{"sid":"x"}"#)));
//! assert!(matches!(session.poll_event(), Some((key, Event::Connected(_))) if key == chat));
//!
//! session.emit(chat, codec::Event::new("hello", &("world", 1))?)?;
//! assert_eq!(session.poll_action(), Some(Action::Send(Message::from(r#"2/chat,["hello","world",1]"#))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acks;
mod config;
mod joining;
mod link;
mod losing;
mod namespace;
pub(crate) mod outgoing;
mod packets;
mod recovery;
mod retrying;
pub(crate) mod revision;
mod sending;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use engineio::secrets::Secrets;
use engineio::{CloseReason, Handshake, Transport, Version};
use socketio_codec::{Args, Json, Namespace};

use crate::error::{AckError, ConnectError, DisconnectReason, ProviderError};
use crate::retries::Retries;
use acks::PendingAcks;
use link::{Link, Loss};
use namespace::{Active, Phase, Slot, State};
use revision::Finding;

pub use acks::AckKey;
pub use config::{Auth, Config, Join, Offline};
#[cfg(feature = "client")]
pub(crate) use namespace::content_len;
pub use namespace::{AckTicket, AuthKey, NamespaceKey};
pub use revision::AUTO_GRACE;
pub use sending::Depth;

/// What a namespace reports. An event that wants an acknowledgement carries an [`AckTicket`] for [`Session::reply`].
pub type Event = crate::event::Event<AckTicket>;

/// What happened to the link, which is one Engine.IO connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Input {
    /// The attempt that [`Action::OpenLink`] asked for has succeeded.
    LinkOpened {
        /// What the server said in its handshake.
        handshake: Box<Handshake>,
        /// The transport it opened with.
        transport: Transport,
        /// The revision it speaks; never [`Version::Auto`].
        version: Version,
    },
    /// The link changed its transport.
    LinkUpgraded(Transport),
    /// A message arrived.
    Message(engineio::Message),
    /// The attempt failed, or the link that was open is gone.
    LinkClosed(CloseReason),
    /// There is nothing to make the attempt with that [`Action::OpenLink`] asked for.
    NoTarget(ProviderError),
    /// The answer to [`Action::AskAuth`]: the payload, if there is to be one.
    Auth {
        /// The question.
        key: AuthKey,
        /// The answer.
        auth: Result<Option<Json>, ProviderError>,
    },
}

/// What the session wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Open a new link. The outcome is [`Input::LinkOpened`] or [`Input::LinkClosed`].
    OpenLink {
        /// The revision to speak. With [`Version::Auto`] the engine tries, within one attempt, what it can.
        version: Version,
        /// How many attempts were made since the last stable connection: 0 is the first. Each namespace counts its own;
        /// this is the largest of their numbers.
        attempt: u32,
        /// Whether to begin with WebSocket, where the last link ended up, if that is among the transports; see
        /// [`Config::remember_upgrade`].
        websocket_first: bool,
    },
    /// Ask for the auth payload with which a namespace is to be joined now. The answer is [`Input::Auth`]; it must come,
    /// and in a reasonable time, because the session waits for it. It may come too late, and is ignored then.
    AskAuth {
        /// Names the question.
        key: AuthKey,
        /// How many attempts were made for this namespace since its last stable connection.
        attempt: u32,
    },
    /// Send this message on the link. The messages of one packet follow one another.
    Send(engineio::Message),
    /// Close the link when all that was sent before has left. The outcome is [`Input::LinkClosed`].
    CloseLink,
}

/// Several namespaces on one connection. See the [module](self).
#[derive(Debug)]
pub struct Session {
    config: Config,
    random: fastrand::Rng,
    finding: Finding,
    link: Link,
    /// What the server was given to open the link, and may repeat.
    secrets: Secrets,
    /// Whether what the server sends reaches the session.
    reading: bool,
    /// Whether what is sent leaves.
    writable: bool,
    /// Whether all that was sent has left.
    flushed: bool,
    /// Links opened so far.
    links: u64,
    /// Whether the last link ended up on WebSocket.
    upgraded: bool,
    asks: u64,
    slots: Vec<Slot>,
    by_name: HashMap<Namespace, usize>,
    /// All acknowledgement ids of namespaces that have lost their slot are below: when they are joined again, a late
    /// acknowledgement must not be taken for a new one.
    forgotten_acks: u64,
    acks: PendingAcks,
    actions: VecDeque<Action>,
    events: VecDeque<(NamespaceKey, Event)>,
    settled: VecDeque<(AckKey, Result<Args, AckError>)>,
}

// What a caller asks for.
impl Session {
    /// A session that has no namespace yet and so wants no link. The seed decides the jitter of reconnections: give
    /// each session another one.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            finding: Finding::new(config.version),
            config,
            random: fastrand::Rng::with_seed(seed),
            link: Link::Down,
            secrets: Secrets::default(),
            reading: true,
            writable: true,
            flushed: true,
            links: 0,
            upgraded: false,
            asks: 0,
            // There is one at a time, as a rule; what grows by itself has room for four.
            slots: Vec::with_capacity(1),
            by_name: HashMap::new(),
            forgotten_acks: 0,
            acks: PendingAcks::default(),
            actions: VecDeque::with_capacity(1),
            events: VecDeque::with_capacity(1),
            settled: VecDeque::new(),
        }
    }

    /// Joins a namespace, now and again after each reconnection.
    ///
    /// [`Event::Connected`] reports success. Until the first success any failure is final, and reported as a final
    /// [`Event::ConnectError`], unless
    /// [that is retried](crate::Reconnection::retry_on_initial_connect).
    ///
    /// # Errors
    ///
    /// [`ConnectError::NamespaceInUse`], [`ConnectError::AuthNotAnObject`], or [`ConnectError::AuthUnsupported`] if the
    /// [revision](Config::version) is known to carry none; if that is found out later, it is a final event.
    pub fn join(
        &mut self,
        now: Instant,
        namespace: Namespace,
        settings: Join,
    ) -> Result<NamespaceKey, ConnectError> {
        if matches!(&settings.auth, Auth::Fixed(auth) if !auth.is_object()) {
            return Err(ConnectError::AuthNotAnObject);
        }
        if settings.auth.is_some() && self.finding.excludes_auth() {
            return Err(ConnectError::AuthUnsupported);
        }
        let index = match self.index_of(&namespace) {
            Some(index) => index,
            None => self.new_slot(now, namespace),
        };
        let Some(slot) = self.slots.get_mut(index) else {
            return Err(ConnectError::Closed);
        };
        let phase = match slot.state {
            State::Idle => Phase::Waiting,
            State::Abandoned => Phase::Behind {
                deadline: later(now, self.config.connect_timeout),
            },
            State::Active(_) => return Err(ConnectError::NamespaceInUse),
        };
        let retry_first = self.config.reconnection.retry_on_initial_connect;
        slot.joins += 1;
        slot.state = State::Active(Box::new(Active::new(settings, phase, retry_first)));
        let key = slot.key(index);
        match &mut self.link {
            Link::Down => self.open_link(),
            Link::Open(_) => self.connect_waiting(now),
            // The next attempt may be hours away, by the decision on another namespace.
            Link::Closing { reopen: Some(at) } | Link::Waiting { at } => {
                *at = later(now, self.config.reconnection.max_delay).min(*at);
            }
            Link::Closing { reopen } => *reopen = Some(now),
            Link::Opening => {}
        }
        Ok(key)
    }

    /// A place for a namespace: one that another namespace has left, so that a program that passes through many holds
    /// no more of them than it has had at a time.
    fn new_slot(&mut self, now: Instant, namespace: Namespace) -> usize {
        let idle = self
            .slots
            .iter()
            .position(|slot| matches!(slot.state, State::Idle) && !slot.is_being_left(now));
        let index = idle.unwrap_or(self.slots.len());
        if let Some(slot) = self.slots.get_mut(index) {
            self.by_name.remove(&slot.name);
            self.forgotten_acks = self.forgotten_acks.max(slot.next_ack);
            slot.name = namespace.clone();
        } else {
            self.slots.push(Slot::new(namespace.clone()));
        }
        if let Some(slot) = self.slots.get_mut(index) {
            slot.next_ack = self.forgotten_acks;
            slot.left_at = None;
        }
        self.by_name.insert(namespace, index);
        index
    }

    /// Leaves a namespace: sends DISCONNECT if it was joined, drops what was waiting for it, and reports a final
    /// [`Event::Disconnected`]. The link is closed behind the last namespace.
    pub fn leave(&mut self, now: Instant, key: NamespaceKey) {
        let Some(slot) = key.find(&mut self.slots) else {
            return;
        };
        let State::Active(active) = &slot.state else {
            return;
        };
        let established = active.established;
        let next = self.link.unanswered(slot);
        if slot.is_joined() {
            let namespace = slot.name.clone();
            self.send_disconnect(now, namespace);
        }
        let event = if established {
            let reason = DisconnectReason::ClientDisconnect;
            Event::Disconnected {
                reason,
                retry_in: None,
            }
        } else {
            Event::ConnectError {
                error: ConnectError::Closed,
                retry_in: None,
            }
        };
        self.end(key, next, event);
        self.rest();
    }

    /// Whether the namespace is joined, so that events leave at once.
    #[must_use]
    pub fn is_joined(&self, key: NamespaceKey) -> bool {
        self.slot(key).is_some_and(Slot::is_joined)
    }

    /// Whether the namespace is joined or still to be: it has not been left, refused or disconnected for good.
    #[must_use]
    pub fn is_wanted(&self, key: NamespaceKey) -> bool {
        self.slot(key)
            .is_some_and(|slot| matches!(slot.state, State::Active(_)))
    }

    /// Whether there is nothing to do: no namespace, no link.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.link, Link::Down)
    }

    /// How events of the namespace are retried, if they are.
    #[must_use]
    pub fn retries(&self, key: NamespaceKey) -> Option<Retries> {
        match &self.slot(key)?.state {
            State::Active(active) => active.settings.retries,
            State::Idle | State::Abandoned => None,
        }
    }

    /// How many links have been opened so far.
    #[must_use]
    pub fn links(&self) -> u64 {
        self.links
    }

    /// Where a namespace has its slot.
    fn index_of(&self, namespace: &Namespace) -> Option<usize> {
        // Looking at a few names is faster than hashing one.
        match self.slots.len() {
            ..=4 => self.slots.iter().position(|slot| slot.name == *namespace),
            _ => self.by_name.get(namespace).copied(),
        }
    }

    fn slot(&self, key: NamespaceKey) -> Option<&Slot> {
        self.slots
            .get(key.index())
            .filter(|slot| slot.joins == key.join)
    }
}

// What happens.
impl Session {
    /// What the server was given with the requests that opened the link, so that no refusal repeats it.
    #[doc(hidden)]
    pub fn set_secrets(&mut self, secrets: Secrets) {
        self.secrets = secrets;
    }

    /// Tells what happened to the link.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::LinkOpened {
                handshake,
                transport,
                version,
            } => {
                if matches!(self.link, Link::Opening) {
                    self.links += 1;
                    self.upgraded = transport == Transport::WebSocket;
                    let protocol = self.finding.opened(now, version, transport, &handshake);
                    let max_payload = revision::capacity(version, handshake.max_payload);
                    self.link = Link::open(transport, max_payload, protocol, &self.config);
                    self.connect_waiting(now);
                }
            }
            Input::LinkUpgraded(transport) => {
                let Link::Open(link) = &mut self.link else {
                    return;
                };
                link.transport = transport;
                self.upgraded = transport == Transport::WebSocket;
                for (index, slot) in self.slots.iter().enumerate().filter(|(_, s)| s.is_joined()) {
                    self.events
                        .push_back((slot.key(index), Event::Upgraded(transport)));
                }
            }
            Input::Message(message) => self.handle_message(now, message),
            Input::NoTarget(error) => {
                if matches!(self.link, Link::Opening) {
                    self.lost(now, &Loss::Provider(error));
                }
            }
            Input::Auth { key, auth } => self.auth_answered(now, key, auth),
            Input::LinkClosed(reason) => match self.link {
                Link::Opening if self.finding.try_other(&reason) => self.open_link(),
                Link::Opening | Link::Open(_) => {
                    // The reference client forgets an upgrade upon any error of a transport.
                    let opening = matches!(self.link, Link::Opening);
                    if opening || matches!(reason, CloseReason::Transport(_)) {
                        self.upgraded = false;
                    }
                    self.lost(now, &Loss::Closed(reason));
                }
                Link::Closing { reopen } => {
                    self.link = reopen.map_or(Link::Down, |at| Link::Waiting { at });
                }
                Link::Down | Link::Waiting { .. } => {}
            },
        }
    }

    /// Tells that the program stops or resumes reading from the link. Meanwhile an answer to CONNECT may wait unread:
    /// a namespace that is retried does not give up the link for the lack of one, and waits anew afterwards. Unread may
    /// also be what tells a server's revision: nothing is made of its silence. And sent events that are to be told are
    /// only counted when too many wait to be taken: [`Event::SentMore`].
    pub fn set_reading(&mut self, now: Instant, reading: bool) {
        if reading && !self.reading {
            let renewed = later(now, self.config.connect_timeout);
            for deadline in self.slots.iter_mut().filter_map(Slot::lasting_deadline) {
                *deadline = renewed;
            }
            if let Link::Open(link) = &mut self.link {
                link.protocol.renew_grace(now);
            }
        }
        self.reading = reading;
    }

    /// Tells whether the link takes more. While it does not, nothing is sent again: a server that reads nothing must not
    /// make the same event pile up in front of it.
    pub fn set_writable(&mut self, now: Instant, writable: bool) {
        if writable && !self.writable {
            self.writable = true;
            for index in 0..self.slots.len() {
                if let Some(slot) = self.slots.get(index) {
                    self.try_next(now, slot.key(index));
                }
            }
        }
        self.writable = writable;
    }

    /// Tells whether all that was sent has left. Until then a namespace that was just left is not joined again: the server
    /// must not read both packets at once.
    pub fn set_flushed(&mut self, now: Instant, flushed: bool) {
        let left = flushed && !self.flushed;
        self.flushed = flushed;
        if left {
            self.connect_waiting(now);
        }
    }

    /// Does what is due: a reconnection, the first CONNECT to a server in doubt, the end of waiting for a CONNECT reply
    /// or an acknowledgement, another try.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        while let Some(ack) = self.acks.pop_due(now) {
            if let Some(active) = active(&mut self.slots, ack.namespace) {
                active.buffer.remove(ack.id);
            }
            self.settled.push_back((ack, Err(AckError::Timeout)));
        }
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(index) else {
                break;
            };
            let key = slot.key(index);
            if due(slot.reply_deadline(self.reading)) {
                self.connect_timed_out(now, index);
            } else if let Some(active) = slot.active() {
                if matches!(active.phase, Phase::Pausing { until } if until <= now) {
                    active.phase = Phase::Waiting;
                    self.connect(now, index);
                } else if due(active.retries.deadline()) {
                    self.try_timed_out(now, key);
                }
            }
        }
        if let Link::Waiting { at } = self.link
            && at <= now
        {
            self.open_link();
        }
        if let Link::Open(link) = &mut self.link
            && self.reading
            && link.protocol.end_grace(now)
        {
            self.connect_waiting(now);
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next thing to tell the user of a namespace.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<(NamespaceKey, Event)> {
        let told = self.events.pop_front()?;
        // What was told at once, such as the events of one long poll, leaves no large queue behind.
        if self.events.is_empty() && self.events.capacity() > SPARE_EVENTS {
            self.events = VecDeque::new();
        }
        self.told(told.0, &told.1);
        Some(told)
    }

    /// The next thing to tell the user of this namespace, whatever there is to tell others before.
    #[must_use]
    pub fn poll_event_of(&mut self, key: NamespaceKey) -> Option<Event> {
        let index = self.events.iter().position(|(of, _)| *of == key)?;
        let (_, event) = self.events.remove(index)?;
        self.told(key, &event);
        Some(event)
    }

    /// An event was taken.
    fn told(&mut self, key: NamespaceKey, event: &Event) {
        if let Event::Sent(event) = event
            && let Some(active) = active(&mut self.slots, key)
        {
            active.reports.remove(event);
        }
    }

    /// The next outcome of [`emit_with_ack`](Self::emit_with_ack). These have a queue of their own: who waits for an
    /// acknowledgement must not have to wait until somebody has read all events before it.
    #[must_use]
    pub fn poll_ack(&mut self) -> Option<(AckKey, Result<Args, AckError>)> {
        self.settled.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, if nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let link = match &self.link {
            Link::Waiting { at } => Some(*at),
            Link::Open(link) if self.reading => link.protocol.deadline(),
            _ => None,
        };
        let reading = self.reading;
        let replies = self.slots.iter();
        let replies = replies.filter_map(|slot| slot.deadline(reading));
        replies.chain(link).chain(self.acks.next_deadline()).min()
    }
}

/// For how many events an idle session has room.
const SPARE_EVENTS: usize = 64;

fn active(slots: &mut [Slot], key: NamespaceKey) -> Option<&mut Active> {
    key.find(slots)?.active()
}

/// A point in time that is always representable: a longer delay than a century is cut down to one.
pub(crate) fn later(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now + delay.min(CENTURY)
}
