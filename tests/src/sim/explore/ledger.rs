//! The account of a life: what was accepted, sent, told and received, and what of it breaks a promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use socketio::session::{AckKey, AckTicket, Event, Join, NamespaceKey, Session};
use socketio::{AckError, Args, DisconnectReason};

use super::{NAMES, Summary};
use crate::sim::server::{self, AckId, SessionId};

/// What both sides did and were told.
pub(super) struct Ledger {
    pub(super) transcript: String,
    pub(super) summary: Summary,
    /// Numbers the events of either side.
    number: u64,
    /// Whether the client tells what it has sent.
    reports_sent: bool,
    /// Which namespace each key has stood for.
    places: BTreeMap<NamespaceKey, usize>,
    accounts: [Account; NAMES.len()],
    awaited: BTreeMap<AckKey, Awaited>,
    /// What the server has sent to each of its sockets, and how much of it the client has received.
    sockets: BTreeMap<(usize, String), Sent>,
    sessions: BTreeSet<SessionId>,
}

/// One namespace.
#[derive(Default)]
struct Account {
    key: Option<NamespaceKey>,
    /// What the session took, and nobody awaits an answer to.
    accepted: BTreeSet<u64>,
    /// What it said it had sent of that.
    sent: BTreeSet<u64>,
    /// How many more, of whatever kind, it said it had sent while nobody read.
    sent_more: u64,
    /// What was taken back, because it had not left in time.
    late: BTreeSet<u64>,
    /// What was taken back, because nobody wanted to know any more.
    cancelled: BTreeSet<u64>,
    /// How many it said it would not send.
    unsent: u64,
    /// What the server has seen of all that is sent once.
    seen: BTreeSet<u64>,
    /// The same by joining, of which a session may see several: only inside one there is an order.
    seen_in: BTreeMap<(SessionId, u64), BTreeSet<u64>>,
    /// How often the server was joined.
    joinings: u64,
    /// The last one that the server has seen, in each session, of what is retried.
    retried: BTreeMap<SessionId, u64>,
    /// Whether the namespace has ever lost a connection: then what was under way may be lost.
    interrupted: bool,
    /// The socket that it is joined with.
    joined: Option<String>,
}

/// What is awaited.
struct Awaited {
    n: usize,
    number: u64,
    /// Only that it leaves, not that it is acknowledged.
    departure: bool,
}

/// An event of the client's that wants to be acknowledged.
pub(super) struct Wish {
    pub(super) session: SessionId,
    pub(super) namespace: String,
    pub(super) ack: AckId,
}

/// What the server has sent to one of its sockets.
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
            self.received += 1;
            if !lost || !self.recovered {
                return next;
            }
        }
    }

    /// How many it has not received, and should have.
    fn missing(&self) -> usize {
        let rest = self.numbers.iter().skip(self.received);
        rest.filter(|number| !self.recovered || !self.asking.contains(number))
            .count()
    }
}

fn place(namespace: &str) -> usize {
    let n = NAMES.iter().position(|name| *name == namespace);
    n.expect("a namespace")
}

impl Ledger {
    pub(super) fn new(join: &Join) -> Self {
        Self {
            transcript: String::new(),
            summary: Summary::default(),
            number: 0,
            reports_sent: join.report_sent,
            places: BTreeMap::new(),
            accounts: Default::default(),
            awaited: BTreeMap::new(),
            sockets: BTreeMap::new(),
            sessions: BTreeSet::new(),
        }
    }

    pub(super) fn note(&mut self, what: &str) {
        writeln!(self.transcript, "{what}").ok();
    }

    /// The number of the next event.
    pub(super) fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub(super) fn key(&self, n: usize) -> Option<NamespaceKey> {
        self.accounts[n].key
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = NamespaceKey> {
        self.accounts.iter().filter_map(|account| account.key)
    }

    // What the users do.

    pub(super) fn joins(&mut self, n: usize, key: NamespaceKey) {
        self.note(&format!("join {}", NAMES[n]));
        let account = &mut self.accounts[n];
        account.key = Some(key);
        // Whoever had it before may not have read yet that it is over.
        account.joined = None;
        self.places.insert(key, n);
    }

    pub(super) fn leaves(&mut self, n: usize) {
        self.note(&format!("leave {}", NAMES[n]));
        self.accounts[n].interrupted = true;
    }

    pub(super) fn accepted(&mut self, n: usize, number: u64) {
        self.note(&format!("emit {number} in {}", NAMES[n]));
        self.accounts[n].accepted.insert(number);
    }

    pub(super) fn awaits(&mut self, n: usize, number: u64, ack: AckKey) {
        self.note(&format!("emit {number} in {} with {ack:?}", NAMES[n]));
        self.expects(n, number, ack, false);
    }

    pub(super) fn awaits_departure(&mut self, n: usize, number: u64, ack: AckKey) {
        self.expects(n, number, ack, true);
    }

    fn expects(&mut self, n: usize, number: u64, ack: AckKey, departure: bool) {
        let awaited = Awaited {
            n,
            number,
            departure,
        };
        let before = self.awaited.insert(ack, awaited);
        assert!(before.is_none(), "an ack id was used twice");
    }

    /// All that is awaited.
    pub(super) fn awaited(&self) -> Vec<AckKey> {
        self.awaited.keys().copied().collect()
    }

    pub(super) fn cancels(&mut self, ack: AckKey) {
        self.note(&format!("cancel {ack:?}"));
        if let Some(awaited) = self.awaited.remove(&ack)
            && awaited.departure
        {
            // It may have left.
            let account = &mut self.accounts[awaited.n];
            account.accepted.remove(&awaited.number);
            account.cancelled.insert(awaited.number);
        }
    }

    /// The sessions that the server has.
    pub(super) fn sessions(&self) -> Vec<SessionId> {
        self.sessions.iter().copied().collect()
    }

    /// Whether what the server says to this socket in this session is for the client.
    ///
    /// A server of revision 4 joins the root for everybody: what it says there before a client wants it, or wants it
    /// again, is nobody's.
    pub(super) fn is_heard(&self, n: usize, session: SessionId, id: &str) -> bool {
        let joined = self.accounts[n].joined.as_deref() == Some(id);
        let sent = self.sockets.get(&(n, id.to_owned()));
        (n != 0 || joined) && sent.is_some_and(|sent| sent.session == Some(session))
    }

    /// The number of what it sends.
    pub(super) fn server_sends(&mut self, n: usize, id: &str, asks: bool) -> u64 {
        let number = self.number();
        let verb = if asks { "asks" } else { "emits" };
        self.note(&format!("server {verb} {number} to {id}"));
        let sent = self.sockets.entry((n, id.to_owned())).or_default();
        sent.numbers.push(number);
        if asks {
            sent.asking.insert(number);
        }
        number
    }

    pub(super) fn forgets(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    // What they are told.

    /// The server's user; what it is asked to acknowledge.
    pub(super) fn server_told(&mut self, event: server::Event) -> Option<Wish> {
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
                self.accounts[place(&namespace)].joinings += 1;
                let sent = self.sockets.entry((place(&namespace), id)).or_default();
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
                self.server_got(session, &namespace, &args);
                return ack.map(|ack| Wish {
                    session,
                    namespace,
                    ack,
                });
            }
            server::Event::Violation { what, .. } => panic!("the client broke a rule: {what:?}"),
            other => self.note(&format!("server: {other:?}")),
        }
        None
    }

    fn server_got(&mut self, session: SessionId, namespace: &str, args: &[Value]) {
        let n = place(namespace);
        let number = args.get(2).and_then(Value::as_u64).expect("a number");
        assert_eq!(
            args.get(1),
            Some(&json!(n)),
            "an event in another namespace"
        );
        let account = &mut self.accounts[n];
        if args.first() == Some(&json!("again")) {
            let last = account.retried.insert(session, number).unwrap_or_default();
            assert!(number >= last, "event {number} again, behind {last}");
            self.summary.again += u64::from(number == last);
            return;
        }
        let joining = (session, account.joinings);
        let seen = account.seen_in.entry(joining).or_default();
        let last = seen.last().copied().unwrap_or_default();
        assert!(number > last, "event {number} behind {last}");
        seen.insert(number);
        assert!(
            !account.late.contains(&number),
            "event {number} was taken back"
        );
        assert!(account.seen.insert(number), "event {number} twice");
        self.summary.up += 1;
    }

    /// Something awaited has come, or will not.
    pub(super) fn settled(&mut self, ack: AckKey, outcome: &Result<Args, AckError>) {
        self.note(&format!("client: {ack:?} settled: {}", outcome.is_ok()));
        self.summary.settled += 1;
        let awaited = self.awaited.remove(&ack);
        let awaited = awaited.expect("an acknowledgement settled twice, or behind its cancelling");
        if awaited.departure && outcome.is_err() {
            let account = &mut self.accounts[awaited.n];
            let seen = account.seen.contains(&awaited.number);
            assert!(!seen, "taken back, and sent");
            account.late.insert(awaited.number);
        }
    }

    /// The client's user; what it is asked to answer.
    pub(super) fn client_told(&mut self, key: NamespaceKey, event: Event) -> Option<AckTicket> {
        let n = *self.places.get(&key).expect("a namespace");
        // The last words of a namespace may come when it is joined anew; its account goes on.
        let present = self.accounts[n].key == Some(key);
        match event {
            Event::Sent(event) => {
                let (place, number): (usize, u64) = event.parse().expect("a number");
                assert_eq!(place, n, "sent in another namespace");
                let awaited = self.awaited.values().any(|one| one.number == number);
                let account = &mut self.accounts[n];
                if event.name() == "up" && account.accepted.contains(&number) {
                    assert!(account.sent.insert(number), "event {number} sent twice");
                } else if event.name() == "up" {
                    // One with an answer, which may have come already; or one that nobody wants to know of.
                    assert!(awaited || number <= self.number, "sent from nowhere");
                }
            }
            Event::SentMore(events) => self.accounts[n].sent_more += events,
            Event::Unsent { events, .. } => {
                self.accounts[n].unsent += events;
                self.summary.unsent += events;
            }
            _ if !present => {}
            Event::Connected(connected) => {
                let id = connected.id.clone().expect("an id");
                let how = if connected.recovered {
                    ", recovered"
                } else {
                    ""
                };
                self.note(&format!("client: {} connected as {id}{how}", NAMES[n]));
                self.summary.recovered += u64::from(connected.recovered);
                assert!(self.accounts[n].joined.is_none(), "connected twice");
                if connected.recovered {
                    self.sockets.entry((n, id.clone())).or_default().recovered = true;
                }
                self.accounts[n].joined = Some(id);
            }
            Event::Message(mut message) => {
                let number: u64 = message.parse().expect("a number");
                let id = self.accounts[n].joined.clone();
                let id = id.expect("an event without a connection");
                let sent = self.sockets.entry((n, id)).or_default();
                let next = sent.next(number);
                assert_eq!(next, Some(number), "lost, doubled or out of order");
                self.summary.down += 1;
                return message.ack();
            }
            Event::Disconnected { reason, retry_in } => {
                self.note(&format!(
                    "client: {} disconnected: {reason}, {retry_in:?}",
                    NAMES[n]
                ));
                self.disconnected(n, &reason);
                if retry_in.is_none() {
                    assert!(!reason.is_retryable(), "given up for good: {reason}");
                    self.accounts[n].key = None;
                }
            }
            Event::ConnectError { error, retry_in } => {
                self.note(&format!(
                    "client: {} not connected: {error}, {retry_in:?}",
                    NAMES[n]
                ));
                let account = &mut self.accounts[n];
                assert!(account.joined.is_none(), "a failure while connected");
                account.interrupted = true;
                if retry_in.is_none() {
                    assert!(!error.is_retryable(), "given up for good: {error}");
                    account.key = None;
                }
            }
            other => self.note(&format!("client: {other:?}")),
        }
        None
    }

    fn disconnected(&mut self, n: usize, reason: &DisconnectReason) {
        let account = &mut self.accounts[n];
        account.interrupted = true;
        self.summary.lost += 1;
        let id = account.joined.take();
        // Leaving has the last word also while there is no connection.
        let left = *reason == DisconnectReason::ClientDisconnect;
        assert!(id.is_some() || left, "disconnected twice");
        if *reason == DisconnectReason::ServerDisconnect
            && let Some(id) = id
            && let Some(sent) = self.sockets.get(&(n, id))
        {
            assert_eq!(sent.missing(), 0, "lost before a DISCONNECT");
        }
    }

    // What must be true in the end.

    pub(super) fn judge(&self, session: &Session) {
        assert!(
            self.awaited.is_empty(),
            "{:?} never settled",
            self.awaited.keys()
        );
        for (n, (name, account)) in NAMES.into_iter().zip(&self.accounts).enumerate() {
            if let Some(key) = account.key {
                assert!(
                    session.is_joined(key),
                    "{name} did not come back in fair weather"
                );
                assert_eq!(session.depth(key).events, 0, "events still wait");
            }
            account.judge();
            if !account.interrupted {
                let id = account.joined.clone();
                if let Some(sent) = id.and_then(|id| self.sockets.get(&(n, id))) {
                    assert_eq!(sent.missing(), 0, "lost without an interruption");
                }
            }
            if self.reports_sent {
                let taken = account.accepted.difference(&account.late).count();
                let known = account.sent.len() as u64 + account.sent_more + account.unsent;
                // Answers that were not sent, and questions that were, are told in the same way.
                assert!(
                    known >= taken as u64,
                    "of {taken} events {known} were sent or told"
                );
                let seen = account.seen.intersection(&account.accepted);
                let unsaid = seen.filter(|seen| !account.sent.contains(seen)).count();
                assert!(
                    unsaid as u64 <= account.sent_more,
                    "{unsaid} seen, and never told as sent"
                );
            }
        }
    }
}

impl Account {
    /// Between joining and leaving nothing is missing of what was sent between two events that arrived. And without an
    /// interruption all that was taken has arrived, or was told.
    fn judge(&self) {
        for seen in self.seen_in.values() {
            if let (Some(first), Some(last)) = (seen.first(), seen.last()) {
                let lost = self.sent.range(first..last);
                let lost: Vec<_> = lost.filter(|number| !seen.contains(number)).collect();
                assert!(lost.is_empty(), "{lost:?} lost inside a session");
            }
        }
        if self.interrupted {
            return;
        }
        let missing = self.accepted.difference(&self.seen);
        let missing: Vec<_> = missing
            .filter(|number| !self.late.contains(number))
            .collect();
        assert!(
            missing.len() as u64 <= self.unsent,
            "{missing:?} lost without an interruption"
        );
    }
}
