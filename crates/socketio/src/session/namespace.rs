//! One namespace of a session: its state, and what waits in it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engineio::secrets::Secrets;
use socketio_codec::{Event, Json, Namespace, Query};

use super::config::Join;
use super::later;
use super::outgoing::Outgoing;
use super::recovery::Recovery;
use super::retrying::RetryQueue;
use crate::error::{ConnectError, EmitError};
use crate::limits::Limits;

/// How long after its DISCONNECT a namespace may be joined again on the same link. The reference server handles a
/// DISCONNECT one turn later than a CONNECT: if it reads both at once, it takes the CONNECT for a second one, and drops
/// the connection.
pub(super) const REJOIN_PAUSE: Duration = Duration::from_millis(100);

/// Names one joining of a namespace within its session. When the namespace is left and joined again, the old name
/// stays without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceKey {
    slot: usize,
    pub(super) join: u64,
}

impl NamespaceKey {
    pub(super) fn index(self) -> usize {
        self.slot
    }

    pub(super) fn find(self, slots: &mut [Slot]) -> Option<&mut Slot> {
        slots
            .get_mut(self.slot)
            .filter(|slot| slot.joins == self.join)
    }
}

/// The right to acknowledge one event, once, while the connection it came on lasts.
#[derive(Debug, PartialEq, Eq)]
pub struct AckTicket {
    pub(super) namespace: NamespaceKey,
    /// Which of the namespace's connections the event came on.
    pub(crate) generation: u64,
    pub(super) id: u64,
}

/// Names one question for an auth payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthKey {
    pub(super) namespace: NamespaceKey,
    pub(super) ask: u64,
}

impl AuthKey {
    /// The namespace that the payload is for.
    #[must_use]
    pub fn namespace(self) -> NamespaceKey {
        self.namespace
    }
}

/// A namespace that was joined at least once. It is kept when it is left, for the sake of its counters, until another
/// one takes its place.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Namespace,
    /// How often it was asked for.
    pub(super) joins: u64,
    /// How often the server said yes.
    pub(super) generation: u64,
    pub(super) next_ack: u64,
    /// When it was left on the present link.
    pub(super) left_at: Option<Instant>,
    pub(super) state: State,
}

/// ```text
///             join                   LinkClosed, DISCONNECT: retried
///   Idle ─────────────▶ Active ◀─────────────────── Pausing ◀─────┐
///    ▲  ▲       Waiting, Queued, Asking ─▶ Joining ──CONNECT──▶ Joined
///    │  │                   ▲                  │ │                │
///    │  └───────────────────┼── CONNECT_ERROR ─┘ │                │
///    │  └───────────────────┼── leave, DISCONNECT┼────────────────┘
///    │               reply  │                    │ leave, timeout
///    │                   Behind ◀──── join ─── Abandoned
///    └────────────────────────── reply ──────────┘
/// ```
#[derive(Debug)]
pub(super) enum State {
    /// Nobody wants it.
    Idle,
    /// Nobody wants it, but CONNECT was sent and is not answered. If it is joined, it must be left; until then
    /// neither CONNECT nor DISCONNECT may be sent, or the server drops the connection.
    Abandoned,
    /// Somebody wants it.
    Active(Box<Active>),
}

/// What a namespace has while somebody wants it.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) settings: Join,
    /// Whether it was joined since it was asked for.
    pub(super) established: bool,
    /// Whether it is treated like one that was joined even before.
    retry_first: bool,
    /// Attempts made since it was last joined for long.
    pub(super) attempts: u32,
    pub(super) buffer: Buffer,
    pub(super) retries: RetryQueue,
    pub(super) reports: Reports,
    /// The auth payload that the server was last given.
    pub(super) given: Option<Json>,
    /// Where the server keeps this namespace's state over an interruption.
    pub(super) recovery: Option<Recovery>,
    pub(super) phase: Phase,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// There is no link, or it is not known what to say on it.
    Waiting,
    /// It has failed, and the next attempt is not due yet.
    Pausing { until: Instant },
    /// The link is there; the auth payload is being asked for.
    Asking(AuthKey),
    /// The server must join `/` first.
    Queued { deadline: Instant },
    /// The answer to an abandoned CONNECT must come first.
    Behind { deadline: Instant },
    /// CONNECT was sent, or the server joins the namespace by itself.
    Joining { deadline: Instant, held: Held },
    /// The server said that it is joined.
    Joined { since: Instant },
}

impl Slot {
    pub(super) fn new(name: Namespace) -> Self {
        Self {
            name,
            joins: 0,
            generation: 0,
            next_ack: 0,
            left_at: None,
            state: State::Idle,
        }
    }

    pub(super) fn key(&self, index: usize) -> NamespaceKey {
        NamespaceKey {
            slot: index,
            join: self.joins,
        }
    }

    /// Whether it must not be joined yet on the link on which it was left.
    pub(super) fn is_being_left(&self, now: Instant) -> bool {
        self.left_at.is_some_and(|at| now < later(at, REJOIN_PAUSE))
    }

    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    pub(super) fn is_joined(&self) -> bool {
        matches!(&self.state, State::Active(active) if active.is_joined())
    }

    pub(super) fn active(&mut self) -> Option<&mut Active> {
        match &mut self.state {
            State::Active(active) => Some(active),
            State::Idle | State::Abandoned => None,
        }
    }

    /// How many acknowledgements it awaits for the sake of retries.
    pub(super) fn retried(&self) -> usize {
        match &self.state {
            State::Active(active) => active.retries.len(),
            State::Idle | State::Abandoned => 0,
        }
    }

    /// When something is due: the end of a pause, or of the patience for an answer to CONNECT or to a try. `read` is
    /// whether an answer of the server would be read.
    pub(super) fn deadline(&self, read: bool) -> Option<Instant> {
        let State::Active(active) = &self.state else {
            return None;
        };
        let pause = match active.phase {
            Phase::Pausing { until } => Some(until),
            _ => None,
        };
        let deadlines = [pause, self.reply_deadline(read), active.retries.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// When an answer to CONNECT is overdue. Who gives up the link for the lack of one must have looked for it.
    pub(super) fn reply_deadline(&self, read: bool) -> Option<Instant> {
        let State::Active(active) = &self.state else {
            return None;
        };
        match active.phase {
            Phase::Queued { deadline }
            | Phase::Behind { deadline }
            | Phase::Joining { deadline, .. } => (read || !active.is_lasting()).then_some(deadline),
            Phase::Waiting | Phase::Pausing { .. } | Phase::Asking(_) | Phase::Joined { .. } => {
                None
            }
        }
    }

    /// The same for a namespace that gives up the link.
    pub(super) fn lasting_deadline(&mut self) -> Option<&mut Instant> {
        match &mut self.state {
            State::Active(active) if active.is_lasting() => match &mut active.phase {
                Phase::Queued { deadline }
                | Phase::Behind { deadline }
                | Phase::Joining { deadline, .. } => Some(deadline),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The most bytes of a server's words: nobody reads more, and to look for secrets in them takes a multiple.
const MOST_WORDS: usize = 4 * 1024;

/// A refusal without these secrets in the server's words, which are cut short. What it says to programs, `data`, is left
/// as it is.
pub(super) fn without(secrets: &[&Secrets], refusal: ConnectError) -> ConnectError {
    match refusal {
        ConnectError::Refused { message, data } => {
            let words = first(&message, 2 * MOST_WORDS);
            // Of a secret that stands across the end, the beginning would not be found: so the last of them go.
            let unsure = if words.len() < message.len() {
                MOST_WORDS
            } else {
                0
            };
            let clean = secrets
                .iter()
                .fold(words.to_owned(), |words, secrets| secrets.remove(&words));
            let sure = clean.len().saturating_sub(unsure);
            let message = first(&clean, sure.min(MOST_WORDS)).to_owned();
            ConnectError::Refused { message, data }
        }
        error => error,
    }
}

/// The first bytes of a text, up to the end of a character.
fn first(text: &str, bytes: usize) -> &str {
    let mut ends = (0..=bytes.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

impl Active {
    pub(super) fn new(settings: Join, phase: Phase, retry_first: bool) -> Self {
        Self {
            settings,
            established: false,
            retry_first,
            attempts: 0,
            buffer: Buffer::default(),
            retries: RetryQueue::default(),
            reports: Reports::default(),
            given: None,
            recovery: None,
            phase,
        }
    }

    /// What the server was given with CONNECT.
    pub(super) fn secrets(&self) -> Secrets {
        let query = self.settings.query.as_ref().map(Query::as_str);
        let auth = self.given.as_ref().map(Json::as_str).unwrap_or_default();
        Secrets::new(query, Secrets::in_json(auth))
    }

    pub(super) fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Joined { .. })
    }

    /// Whether it outlives its failures.
    pub(super) fn is_lasting(&self) -> bool {
        self.established || self.retry_first
    }

    pub(super) fn is_pausing(&self) -> bool {
        matches!(self.phase, Phase::Pausing { .. })
    }
}

/// Packets that wait for the namespace to be joined.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    packets: VecDeque<(Outgoing, Option<u64>)>,
    bytes: usize,
}

impl Buffer {
    /// How many packets, and bytes of them.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.packets.len(), self.bytes)
    }

    /// How many are there whose senders await nothing any more.
    pub(super) fn unawaited(&self) -> u64 {
        let unawaited = self.packets.iter().filter(|(_, awaited)| awaited.is_none());
        unawaited.count() as u64
    }

    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.packets.len() < limits.max_buffered_events && self.bytes < limits.max_buffered_bytes
    }

    /// `awaited` names what settles when the packet leaves, or later.
    pub(super) fn push(
        &mut self,
        outgoing: Outgoing,
        awaited: Option<u64>,
        limits: &Limits,
    ) -> Result<(), EmitError> {
        if !self.has_room(limits) {
            return Err(EmitError::BufferFull);
        }
        self.bytes += outgoing.len();
        self.packets.push_back((outgoing, awaited));
        Ok(())
    }

    /// Takes back the packet of which nobody awaits anything any more.
    pub(super) fn remove(&mut self, awaited: u64) {
        if let Some(index) = self.packets.iter().position(|(_, id)| *id == Some(awaited))
            && let Some((outgoing, _)) = self.packets.remove(index)
        {
            self.bytes -= outgoing.len();
        }
    }
}

impl IntoIterator for Buffer {
    type Item = (Outgoing, Option<u64>);
    type IntoIter = std::collections::vec_deque::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.packets.into_iter()
    }
}

/// What is told of sent events and was not taken yet: the events themselves, whose senders wait for nobody to take them.
#[derive(Debug, Default)]
pub(super) struct Reports {
    events: usize,
    bytes: usize,
}

impl Reports {
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        self.events < limits.max_buffered_events && self.bytes < limits.max_buffered_bytes
    }

    pub(super) fn add(&mut self, event: &Event) {
        self.events += 1;
        self.bytes += content_len(event);
    }

    pub(super) fn remove(&mut self, event: &Event) {
        self.events -= 1;
        self.bytes -= content_len(event);
    }
}

/// Bytes of an event's content.
pub(crate) fn content_len(event: &Event) -> usize {
    let attachments = event.attachments().iter().map(bytes::Bytes::len);
    event.json().len() + attachments.sum::<usize>()
}

/// Events that came before the answer to CONNECT: a server that restores a session sends what was missed first.
#[derive(Debug, Default)]
pub(super) struct Held {
    events: Vec<(Event, Option<u64>)>,
    bytes: usize,
}

impl Held {
    /// Whether there was room for it.
    pub(super) fn push(&mut self, event: Event, id: Option<u64>, limits: &Limits) -> bool {
        self.bytes = self.bytes.saturating_add(content_len(&event));
        self.events.push((event, id));
        self.events.len() <= limits.max_held_events && self.bytes <= limits.max_held_bytes
    }
}

impl Held {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, (Event, Option<u64>)> {
        self.events.iter()
    }
}

impl IntoIterator for Held {
    type Item = (Event, Option<u64>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}
