//! Random lives of a client, each made by a seed, and the promises that hold in all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use engineio::{Transport, Version};
use serde_json::{Value, json};
use socketio::session::{AckKey, Config, Event, Join, NamespaceKey};
use socketio::{DisconnectReason, Namespace, codec};

use super::Pair;
use super::network::Weather;
use super::server::{self, Options, Revision, SessionId};

const NAMES: [&str; 2] = ["/", "/chat"];

/// Lives one life to its end.
///
/// # Errors
///
/// The promise that was broken, and what happened until then.
pub fn explore(seed: u64) -> Result<Summary, String> {
    let mut life = Life::new(seed);
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life.live()));
    match lived {
        Ok(()) => Ok(life.summary),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let what = text.unwrap_or_default();
            Err(format!("seed {seed}: {what}\n{}", life.transcript))
        }
    }
}

/// What happened in a life, so that a reader sees that something did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Events that arrived at the server.
    pub up: u64,
    /// Events that arrived at the client.
    pub down: u64,
    /// Acknowledgements that settled.
    pub settled: u64,
    /// Connections that were lost.
    pub lost: u64,
    /// Sessions that were recovered.
    pub recovered: u64,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.up += other.up;
        self.down += other.down;
        self.settled += other.settled;
        self.lost += other.lost;
        self.recovered += other.recovered;
    }
}

/// One client, one server, and an account of all that is promised between them.
struct Life {
    pair: Pair,
    random: fastrand::Rng,
    transcript: String,
    summary: Summary,
    keys: [Option<NamespaceKey>; 2],
    /// Numbers the events of either side.
    number: u64,
    /// What was accepted by the session, by namespace: numbers go up.
    accepted: [BTreeSet<u64>; 2],
    /// What the server has seen of them.
    seen: [BTreeSet<u64>; 2],
    /// How many the session has said it will not send.
    unsent: u64,
    /// Whether the namespace has ever lost a connection: then what was under way may be lost.
    interrupted: [bool; 2],
    awaited: BTreeSet<AckKey>,
    /// What the server has sent to each of its sockets, and how much of it the client has received.
    sockets: BTreeMap<(usize, String), Sent>,
    /// The socket that a namespace is joined with.
    joined: [Option<String>; 2],
    sessions: BTreeSet<SessionId>,
}

#[derive(Debug, Default)]
struct Sent {
    /// Where it lives: a session that it was recovered from may linger, and what is said there is nobody's.
    session: Option<SessionId>,
    numbers: Vec<u64>,
    received: usize,
    /// Those that ask for an acknowledgement: a server does not keep them for who comes back.
    asking: BTreeSet<u64>,
    /// Whether somebody came back to this socket.
    recovered: bool,
}

impl Sent {
    /// The next one that the client must receive.
    fn next(&mut self, received: u64) -> Option<u64> {
        loop {
            let next = self.numbers.get(self.received).copied();
            let lost = next.is_some_and(|next| next != received && self.asking.contains(&next));
            if !lost || !self.recovered {
                self.received += 1;
                return next;
            }
            self.received += 1;
        }
    }

    /// How many it has not received, and should have.
    fn missing(&self) -> usize {
        let rest = self.numbers.iter().skip(self.received);
        rest.filter(|number| !self.recovered || !self.asking.contains(number))
            .count()
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let (options, version) = server(&mut random);
        let mut engine = engineio::Config::default();
        engine.version = version;
        engine.transports = match random.u8(0..4) {
            0 => vec![Transport::Polling],
            1 => vec![Transport::WebSocket],
            2 => vec![Transport::WebSocket, Transport::Polling],
            _ => vec![Transport::Polling, Transport::WebSocket],
        };
        engine.upgrade = random.u8(0..4) > 0;
        engine.try_all_transports = random.bool();
        engine.force_base64 = random.u8(0..4) == 0;
        let mut config = Config::default();
        config.remember_upgrade = random.bool();
        config.reconnection.initial_delay = Duration::from_millis(200);
        config.reconnection.retry_on_initial_connect = true;
        config.limits.max_buffered_events = 16;
        let weather = weather(&mut random);
        let mut transcript = String::new();
        writeln!(transcript, "{engine:?}\n{options:?}\n{weather:?}").ok();
        Self {
            pair: Pair::new(engine, config, options, weather, seed),
            random,
            transcript,
            summary: Summary::default(),
            keys: [None; 2],
            number: 0,
            accepted: Default::default(),
            seen: Default::default(),
            unsent: 0,
            interrupted: [false; 2],
            awaited: BTreeSet::new(),
            sockets: BTreeMap::new(),
            joined: Default::default(),
            sessions: BTreeSet::new(),
        }
    }

    fn live(&mut self) {
        for _ in 0..self.random.usize(5..60) {
            self.act();
            let pause = self.random.u64(0..2_000);
            self.pass(Duration::from_millis(pause));
        }
        // In the end the weather is fair, and everything must come right.
        self.note("fair weather");
        self.pair.network.set_weather(Weather::fair());
        for _ in 0..60 {
            self.pass(Duration::from_secs(2));
        }
        self.judge();
    }

    fn note(&mut self, what: &str) {
        writeln!(self.transcript, "{what}").ok();
    }

    /// Time goes by, in which both sides' users take note of what they are told.
    fn pass(&mut self, time: Duration) {
        let slice = Duration::from_millis(20);
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(slice);
            self.pair.run_for(step);
            left -= step;
            self.take_note();
        }
    }

    fn act(&mut self) {
        let n = self.random.usize(0..2);
        let now = self.pair.now;
        match self.random.u8(0..14) {
            0 | 1 => self.join(n),
            2 => {
                if let Some(key) = self.keys[n].filter(|_| self.random.u8(0..3) == 0) {
                    self.note(&format!("leave {}", NAMES[n]));
                    self.pair.client.session.leave(now, key);
                    self.interrupted[n] = true;
                }
            }
            3..=5 => self.emit(n),
            6 => self.emit_with_ack(n),
            7..=9 => self.server_emits(n),
            10 => self.server_asks(n),
            11 => self.server_ends(n),
            12 => {
                self.note("reconnect");
                self.pair.client.session.reconnect(now);
            }
            _ => {
                self.note("cut");
                self.pair.network.cut(now);
            }
        }
        self.pair.settle();
        self.take_note();
    }

    fn join(&mut self, n: usize) {
        let namespace = Namespace::try_from(NAMES[n]).expect("a namespace");
        let joined = self
            .pair
            .client
            .session
            .join(self.pair.now, namespace, Join::default());
        if let Ok(key) = joined {
            self.note(&format!("join {}", NAMES[n]));
            self.keys[n] = Some(key);
        }
    }

    fn event(&mut self, n: usize) -> codec::Event {
        self.number += 1;
        let padding = "x".repeat(self.random.usize(0..200));
        let binary = bytes::Bytes::from(vec![7; self.random.usize(0..40)]);
        let event = if self.random.u8(0..4) == 0 {
            codec::Event::new("up", &(n, self.number, binary))
        } else {
            codec::Event::new("up", &(n, self.number, padding))
        };
        event.expect("an event")
    }

    fn emit(&mut self, n: usize) {
        let Some(key) = self.keys[n] else { return };
        for _ in 0..self.random.usize(1..8) {
            let event = self.event(n);
            if self.pair.client.session.emit(key, event).is_ok() {
                self.note(&format!("emit {} in {}", self.number, NAMES[n]));
                self.accepted[n].insert(self.number);
            }
        }
    }

    fn emit_with_ack(&mut self, n: usize) {
        let Some(key) = self.keys[n] else { return };
        let event = self.event(n);
        let deadline = self.pair.now + Duration::from_millis(self.random.u64(0..20_000));
        if let Ok(ack) = self.pair.client.session.emit_with_ack(key, event, deadline) {
            self.note(&format!(
                "emit {} in {} with {ack:?}",
                self.number, NAMES[n]
            ));
            assert!(self.awaited.insert(ack), "an ack id was used twice");
        }
    }

    /// A socket of the server's: the session, and its id.
    fn socket(&mut self, n: usize) -> Option<(SessionId, String)> {
        let sessions: Vec<_> = self.sessions.iter().copied().collect();
        let session = self.random.choice(sessions)?;
        let id = self.pair.server.socket_in(session, NAMES[n])?.to_owned();
        // A server of revision 4 joins the root for everybody: what it says there before a client wants it, or wants it
        // again, is nobody's.
        if n == 0 && self.joined[0].as_ref() != Some(&id) {
            return None;
        }
        let home = self.sockets.get(&(n, id.clone()))?.session;
        (home == Some(session)).then_some((session, id))
    }

    fn server_emits(&mut self, n: usize) {
        let Some((session, id)) = self.socket(n) else {
            return;
        };
        for _ in 0..self.random.usize(1..8) {
            self.number += 1;
            self.note(&format!("server emits {} to {id}", self.number));
            let args = [json!("down"), json!(self.number)];
            self.pair
                .server
                .emit(self.pair.now, session, NAMES[n], &args);
            let sent = self.sockets.entry((n, id.clone())).or_default();
            sent.numbers.push(self.number);
        }
    }

    fn server_asks(&mut self, n: usize) {
        if let Some((session, id)) = self.socket(n) {
            self.number += 1;
            self.note(&format!("server asks {} of {id}", self.number));
            let args = [json!("down"), json!(self.number)];
            self.pair
                .server
                .ask(self.pair.now, session, NAMES[n], &args);
            let sent = self.sockets.entry((n, id)).or_default();
            sent.numbers.push(self.number);
            sent.asking.insert(self.number);
        }
    }

    fn server_ends(&mut self, n: usize) {
        let Some((session, id)) = self.socket(n) else {
            return;
        };
        let now = self.pair.now;
        match self.random.u8(0..3) {
            0 => {
                self.note(&format!("server disconnects {id}"));
                self.pair.server.disconnect(now, session, NAMES[n]);
            }
            1 => {
                self.note("server closes the session");
                self.pair.server.close_engine(now, session);
            }
            _ => {
                self.note("server forgets the session");
                self.pair.server.forget(session);
                self.sessions.remove(&session);
            }
        }
    }

    // What both sides are told.

    fn take_note(&mut self) {
        while let Some(event) = self.pair.server.poll_event() {
            self.server_told(event);
        }
        while let Some((key, event)) = self.pair.client.events.pop_front() {
            self.client_told(key, event);
        }
        while let Some((ack, _)) = self.pair.client.settled.pop_front() {
            assert!(
                self.awaited.remove(&ack),
                "an acknowledgement settled twice"
            );
            self.summary.settled += 1;
        }
        for key in self.keys.into_iter().flatten() {
            let depth = self.pair.client.session.depth(key);
            assert!(depth.events <= 16, "{} events wait", depth.events);
        }
    }

    fn server_told(&mut self, event: server::Event) {
        match event {
            server::Event::Opened { session, .. } => {
                self.sessions.insert(session);
            }
            server::Event::Closed { session, reason } => {
                self.note(&format!("server: {session:?} closed: {reason}"));
                self.sessions.remove(&session);
            }
            server::Event::Connected {
                session,
                namespace,
                id,
                recovered,
                ..
            } => {
                self.note(&format!("server: {namespace} joined as {id}, {recovered}"));
                let n = NAMES.iter().position(|name| *name == namespace);
                let n = n.expect("a namespace");
                let sent = self.sockets.entry((n, id)).or_default();
                if !recovered {
                    // In revision 4 who comes back in the same session has the same id.
                    *sent = Sent::default();
                }
                sent.session = Some(session);
            }
            server::Event::Event {
                session,
                namespace,
                args,
                ack,
            } => {
                let number = args.get(2).and_then(Value::as_u64).expect("a number");
                let n = NAMES
                    .iter()
                    .position(|name| *name == namespace)
                    .expect("a namespace");
                assert_eq!(
                    args.get(1),
                    Some(&json!(n)),
                    "an event in another namespace"
                );
                let last = self.seen[n].last().copied().unwrap_or_default();
                assert!(number > last, "event {number} behind {last}");
                self.seen[n].insert(number);
                self.summary.up += 1;
                if let Some(ack) = ack.filter(|_| self.random.u8(0..4) > 0) {
                    self.pair
                        .server
                        .acknowledge(self.pair.now, session, &namespace, ack, &[]);
                    self.pair.settle();
                }
            }
            server::Event::Violation { what, .. } => panic!("the client broke a rule: {what:?}"),
            other => self.note(&format!("server: {other:?}")),
        }
    }

    fn client_told(&mut self, key: NamespaceKey, event: Event) {
        let place = self.keys.iter().position(|present| *present == Some(key));
        let Some(n) = place else {
            // The last words of a namespace that was joined anew meanwhile.
            return;
        };
        match event {
            Event::Connected(connected) => {
                let id = connected.id.clone().expect("an id");
                self.note(&format!(
                    "client: {} connected as {id}, {}",
                    NAMES[n], connected.recovered
                ));
                self.summary.recovered += u64::from(connected.recovered);
                assert!(self.joined[n].is_none(), "connected twice");
                if connected.recovered {
                    self.sockets.entry((n, id.clone())).or_default().recovered = true;
                }
                self.joined[n] = Some(id);
            }
            Event::Message(mut message) => {
                let number: u64 = message.parse().expect("a number");
                let id = self.joined[n]
                    .clone()
                    .expect("an event without a connection");
                let sent = self.sockets.entry((n, id)).or_default();
                assert_eq!(
                    sent.next(number),
                    Some(number),
                    "lost, doubled or out of order"
                );
                self.summary.down += 1;
                if let Some(ticket) = message.ack() {
                    let reply = self
                        .pair
                        .client
                        .session
                        .reply(ticket, socketio::Args::default());
                    assert!(
                        reply.is_ok() || !self.pair.client.session.is_joined(key),
                        "{reply:?}"
                    );
                    self.pair.settle();
                }
            }
            Event::Disconnected { reason, retry_in } => {
                self.note(&format!(
                    "client: {} disconnected: {reason}, {retry_in:?}",
                    NAMES[n]
                ));
                self.interrupted[n] = true;
                self.summary.lost += 1;
                let id = self.joined[n].take();
                // Leaving has the last word also while there is no connection.
                let left = reason == DisconnectReason::ClientDisconnect;
                assert!(id.is_some() || left, "disconnected twice");
                if reason == DisconnectReason::ServerDisconnect
                    && let Some(id) = id
                    && let Some(sent) = self.sockets.get(&(n, id))
                {
                    assert_eq!(sent.missing(), 0, "lost before a DISCONNECT");
                }
                if retry_in.is_none() {
                    assert!(!reason.is_retryable(), "given up for good: {reason}");
                    self.keys[n] = None;
                }
            }
            Event::ConnectError { error, retry_in } => {
                self.note(&format!(
                    "client: {} not connected: {error}, {retry_in:?}",
                    NAMES[n]
                ));
                assert!(self.joined[n].is_none(), "a failure while connected");
                self.interrupted[n] = true;
                if retry_in.is_none() {
                    assert!(!error.is_retryable(), "given up for good: {error}");
                    self.keys[n] = None;
                }
            }
            Event::Unsent { events, .. } => self.unsent += events,
            other => self.note(&format!("client: {other:?}")),
        }
    }

    // What must be true in the end.

    fn judge(&mut self) {
        assert!(self.awaited.is_empty(), "an acknowledgement never settled");
        for (n, name) in NAMES.into_iter().enumerate() {
            if let Some(key) = self.keys[n] {
                assert!(
                    self.pair.client.session.is_joined(key),
                    "{name} did not come back in fair weather"
                );
                let depth = self.pair.client.session.depth(key);
                assert_eq!(depth.events, 0, "events still wait");
            }
            if !self.interrupted[n] {
                let missing: Vec<_> = self.accepted[n].difference(&self.seen[n]).collect();
                assert!(
                    missing.is_empty(),
                    "{missing:?} lost without an interruption"
                );
                let id = self.joined[n].clone();
                if let Some(sent) = id.and_then(|id| self.sockets.get(&(n, id))) {
                    assert_eq!(sent.missing(), 0, "lost without an interruption");
                }
            }
        }
    }
}

/// A server, and a revision in which it can be spoken to.
fn server(random: &mut fastrand::Rng) -> (Options, Version) {
    let (mut options, versions) = match random.u8(0..4) {
        0 => (Options::old(), &[Version::V3, Version::Auto][..]),
        1 => (
            Options::compatible(),
            &[Version::V3, Version::V4, Version::Auto][..],
        ),
        _ => (Options::current(), &[Version::V4, Version::Auto][..]),
    };
    let version = random.choice(versions.iter().copied()).unwrap_or_default();
    options = options.namespace("/chat", server::Namespace::open());
    options.ping_interval = Duration::from_millis(random.u64(500..10_000));
    options.ping_timeout = Duration::from_millis(random.u64(500..5_000));
    if options.revision == Revision::V4 {
        options.announce_max_payload = random.u8(0..4) > 0;
        if random.bool() {
            options.recovery = Some(Duration::from_secs(120));
        }
    }
    options.upgrades = random.u8(0..4) > 0;
    (options, version)
}

/// Half of all networks are fair.
fn weather(random: &mut fastrand::Rng) -> Weather {
    let mut weather = Weather::fair();
    weather.latency = Duration::ZERO..Duration::from_millis(random.u64(1..300));
    if random.bool() {
        return weather;
    }
    let mut chance = |most: u32| {
        if random.u8(0..3) == 0 {
            random.u32(0..most)
        } else {
            0
        }
    };
    weather.unreachable = chance(300);
    weather.swallowed = chance(100);
    weather.lost_response = chance(100);
    weather.truncated = chance(100);
    weather.intruder = chance(100);
    weather.reset = chance(50);
    weather.half_open = chance(30);
    weather.closed = chance(30);
    weather
}
