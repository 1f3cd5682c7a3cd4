//! What the users on both sides do, at random.

use std::time::Duration;

use serde_json::json;
use socketio::session::{AckTicket, Join, NamespaceKey};
use socketio::{EmitError, Namespace, codec};

use super::NAMES;
use super::ledger::{Ledger, Wish};
use super::settings::{MAX_BUFFERED, Settings};
use crate::sim::Pair;
use crate::sim::network::Weather;
use crate::sim::server::SessionId;

/// One client, one server, and the account of all that is promised between them.
pub(super) struct Life {
    pair: Pair,
    random: fastrand::Rng,
    join: Join,
    /// What the client will answer later.
    unanswered: Vec<AckTicket>,
    pub(super) ledger: Ledger,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let settings = Settings::random(&mut random);
        let mut ledger = Ledger::new(&settings.join);
        ledger.note(&format!("{settings:?}"));
        Self {
            join: settings.join.clone(),
            pair: settings.pair(seed),
            random,
            unanswered: Vec::new(),
            ledger,
        }
    }

    pub(super) fn live(&mut self) {
        for _ in 0..self.random.usize(5..60) {
            self.act();
            let pause = self.random.u64(0..2_000);
            self.pass(Duration::from_millis(pause));
        }
        // In the end the weather is fair and everybody reads, and everything must come right.
        self.ledger.note("fair weather");
        self.pair.network.set_weather(Weather::fair());
        self.pair.client.set_reading(self.pair.now, true);
        for _ in 0..60 {
            self.pass(Duration::from_secs(2));
        }
        // A server that does not answer is asked again and again, for each event of the queue.
        for _ in 0..500 {
            if self.ledger.awaited().is_empty() {
                break;
            }
            self.pass(Duration::from_secs(2));
        }
        self.ledger.judge(&self.pair.client.session);
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

    fn take_note(&mut self) {
        while let Some(event) = self.pair.server.poll_event() {
            if let Some(Wish {
                session,
                namespace,
                ack,
            }) = self.ledger.server_told(event)
                && self.random.u8(0..4) > 0
            {
                let now = self.pair.now;
                self.pair
                    .server
                    .acknowledge(now, session, &namespace, ack, &[]);
                self.pair.settle();
            }
        }
        while let Some((key, event)) = self.pair.client.events.pop_front() {
            self.unanswered.extend(self.ledger.client_told(key, event));
            if self.random.u8(0..4) > 0 {
                self.answers();
            }
        }
        while let Some((ack, outcome)) = self.pair.client.settled.pop_front() {
            self.ledger.settled(ack, &outcome);
        }
        for key in self.ledger.keys() {
            let depth = self.pair.client.session.depth(key);
            // What is retried waits in a queue of its own.
            let queues = 1 + usize::from(self.join.retries.is_some());
            let most = queues * MAX_BUFFERED;
            assert!(depth.events <= most, "{} events wait", depth.events);
        }
    }

    fn act(&mut self) {
        let n = self.random.usize(0..NAMES.len());
        let now = self.pair.now;
        match self.random.u8(0..18) {
            0 | 1 => self.joins(n),
            2 if self.random.u8(0..3) == 0 => self.leaves(n),
            2 | 16 => self.emits_again(n),
            3..=5 => self.emits(n),
            6 => self.asks(n),
            7..=9 => self.server_emits(n),
            10 => self.server_asks(n),
            11 => self.server_ends(n),
            12 => {
                self.ledger.note("reconnect");
                self.pair.client.session.reconnect(now);
            }
            13 => self.reads(),
            14 => self.cancels(),
            17 => self.answers(),
            _ => {
                self.ledger.note("cut");
                self.pair.network.cut(now);
            }
        }
        self.pair.settle();
        self.take_note();
    }

    fn answers(&mut self) {
        for ticket in std::mem::take(&mut self.unanswered) {
            let session = &mut self.pair.client.session;
            let reply = session.reply(ticket, socketio::Args::default());
            let told = reply.is_ok() || reply == Err(EmitError::StaleAck);
            assert!(told, "{reply:?}");
            self.pair.settle();
        }
    }

    fn reads(&mut self) {
        let reading = self.random.bool();
        self.ledger.note(if reading { "read" } else { "pause" });
        self.pair.client.set_reading(self.pair.now, reading);
    }

    fn joins(&mut self, n: usize) {
        let namespace = Namespace::try_from(NAMES[n]).expect("a namespace");
        let (now, join) = (self.pair.now, self.join.clone());
        if let Ok(key) = self.pair.client.session.join(now, namespace, join) {
            self.ledger.joins(n, key);
        }
    }

    fn leaves(&mut self, n: usize) {
        if let Some(key) = self.ledger.key(n) {
            self.ledger.leaves(n);
            self.pair.client.session.leave(self.pair.now, key);
            self.pair.settle();
            // Some change their mind at once.
            if self.random.bool() {
                self.joins(n);
            }
        }
    }

    fn event(&mut self, name: &str, n: usize) -> (u64, codec::Event) {
        let number = self.ledger.number();
        let padding = "x".repeat(self.random.usize(0..200));
        let binary = bytes::Bytes::from(vec![7; self.random.usize(0..40)]);
        let event = if self.random.u8(0..4) == 0 {
            codec::Event::new(name, &(n, number, binary))
        } else {
            codec::Event::new(name, &(n, number, padding))
        };
        (number, event.expect("an event"))
    }

    fn emits(&mut self, n: usize) {
        let Some(key) = self.ledger.key(n) else {
            return;
        };
        let how = self.random.u8(0..4);
        let most = if self.random.u8(0..8) == 0 { 40 } else { 8 };
        for _ in 0..self.random.usize(1..most) {
            self.emits_one(n, key, how);
        }
    }

    fn emits_one(&mut self, n: usize, key: NamespaceKey, how: u8) {
        let (number, event) = self.event("up", n);
        let session = &mut self.pair.client.session;
        match how {
            0 => {
                if session.emit_volatile(key, event).is_ok() {
                    self.ledger.accepted(n, number);
                }
            }
            1 => {
                let patience = Duration::from_millis(self.random.u64(0..3_000));
                let deadline = self.pair.now + patience;
                if let Ok(ack) = session.emit_before(key, event, deadline) {
                    self.ledger.accepted(n, number);
                    self.ledger.awaits_departure(n, number, ack);
                }
            }
            _ => {
                if session.emit(key, event).is_ok() {
                    self.ledger.accepted(n, number);
                }
            }
        }
    }

    /// An event that is sent until it is acknowledged.
    fn emits_again(&mut self, n: usize) {
        let Some(key) = self.ledger.key(n) else {
            return;
        };
        let Some(retries) = self.join.retries else {
            return;
        };
        for _ in 0..self.random.usize(1..4) {
            let (number, event) = self.event("again", n);
            let (now, time) = (self.pair.now, retries.timeout);
            let session = &mut self.pair.client.session;
            if let Ok(ack) = session.emit_retried(now, key, event, time) {
                self.ledger.awaits(n, number, ack);
            }
        }
    }

    fn asks(&mut self, n: usize) {
        let Some(key) = self.ledger.key(n) else {
            return;
        };
        let (number, event) = self.event("up", n);
        let deadline = self.pair.now + Duration::from_millis(self.random.u64(0..20_000));
        let session = &mut self.pair.client.session;
        if let Ok(ack) = session.emit_with_ack(key, event, deadline) {
            self.ledger.awaits(n, number, ack);
        }
    }

    /// Somebody does not want to know any more.
    fn cancels(&mut self) {
        let awaited = self.ledger.awaited();
        if let Some(ack) = self.random.choice(awaited) {
            self.ledger.cancels(ack);
            self.pair.client.session.cancel_ack(self.pair.now, ack);
        }
    }

    /// A socket of the server's: the session, and its id.
    fn socket(&mut self, n: usize) -> Option<(SessionId, String)> {
        let session = self.random.choice(self.ledger.sessions())?;
        let id = self.pair.server.socket_in(session, NAMES[n])?.to_owned();
        self.ledger
            .is_heard(n, session, &id)
            .then_some((session, id))
    }

    fn server_emits(&mut self, n: usize) {
        let Some((session, id)) = self.socket(n) else {
            return;
        };
        for _ in 0..self.random.usize(1..8) {
            let number = self.ledger.server_sends(n, &id, false);
            let args = [json!("down"), json!(number)];
            let now = self.pair.now;
            self.pair.server.emit(now, session, NAMES[n], &args);
        }
    }

    fn server_asks(&mut self, n: usize) {
        if let Some((session, id)) = self.socket(n) {
            let number = self.ledger.server_sends(n, &id, true);
            let args = [json!("down"), json!(number)];
            let now = self.pair.now;
            self.pair.server.ask(now, session, NAMES[n], &args);
        }
    }

    fn server_ends(&mut self, n: usize) {
        let Some((session, id)) = self.socket(n) else {
            return;
        };
        let now = self.pair.now;
        match self.random.u8(0..3) {
            0 => {
                self.ledger.note(&format!("server disconnects {id}"));
                self.pair.server.disconnect(now, session, NAMES[n]);
            }
            1 => {
                self.ledger.note("server closes the session");
                self.pair.server.close_engine(now, session);
            }
            _ => {
                self.ledger.note("server forgets the session");
                self.pair.server.forget(session);
                self.ledger.forgets(session);
            }
        }
    }
}
