//! A model of the reference servers: small, strict, and without I/O or a clock.
//!
//! [`Server`] is socket.io 2.5 or 4.8 as a client sees them, Engine.IO below included. The network hands it
//! [`Input`]s and carries its [`Output`]s away; a test is its application: it reads [`Event`]s and uses the verbs. It
//! shares no line with the crates under test, so that it does not share their mistakes.
//!
//! It does what the reference servers do, and says what a client must not do as [`Event::Violation`], whether or
//! not the reference servers mind. One input is one turn of their event loop: what they put off to the end of the
//! turn is put off here.

mod api;
mod client;
mod heartbeat;
mod http;
mod ids;
mod joining;
mod message;
mod options;
mod packet;
mod payload;
mod query;
mod recovery;
mod session;
mod socketio;
mod transport;
mod value;
mod verbs;
mod websocket;
mod wire;

pub use api::{
    AckId, Emitted, Event, ExchangeId, Frame, Input, Method, Output, Revision, SessionId, SocketId,
    TransportName, Violation,
};
pub use options::{Access, Namespace, Options, Refusal};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use client::{Client, Task};
use http::Head;
use ids::Ids;
use packet::Packet;
use recovery::Room;
use session::{Session, State};
use wire::Wire;

/// A model server with all its sessions.
#[derive(Debug)]
pub struct Server {
    options: Options,
    ids: Ids,
    wire: Wire,
    next_session: u64,
    sessions: BTreeMap<SessionId, Session>,
    sids: BTreeMap<String, SessionId>,
    /// Exchanges that are answered before their bodies have come.
    spent: BTreeSet<ExchangeId>,
    clients: BTreeMap<SessionId, Client>,
    next_member: u64,
    rooms: BTreeMap<String, Room>,
    tasks: VecDeque<Task>,
    /// What middleware thinks about.
    delayed: Vec<(Instant, Task)>,
}

impl Server {
    /// A server without sessions. The same seed makes up the same identifiers.
    #[must_use]
    pub fn new(options: Options, seed: u64) -> Self {
        Self {
            options,
            ids: Ids::new(seed),
            wire: Wire::default(),
            next_session: 0,
            sessions: BTreeMap::new(),
            sids: BTreeMap::new(),
            spent: BTreeSet::new(),
            clients: BTreeMap::new(),
            next_member: 0,
            rooms: BTreeMap::new(),
            tasks: VecDeque::new(),
            delayed: Vec::new(),
        }
    }

    /// Takes what the network brings.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Head {
                exchange,
                method,
                target,
                content_type,
            } => {
                let head = Head {
                    exchange,
                    method,
                    target,
                    content_type,
                };
                self.handle_head(now, &head);
            }
            Input::Request {
                exchange,
                method,
                target,
                content_type,
                body,
            } => {
                let head = Head {
                    exchange,
                    method,
                    target,
                    content_type,
                };
                self.handle_request(now, head, &body);
            }
            Input::Aborted(exchange) => self.handle_aborted(now, exchange),
            Input::Upgrade { socket, target } => self.handle_upgrade(now, socket, target),
            Input::Frame(socket, frame) => self.handle_frame(now, socket, &frame),
            Input::SocketClosed { socket, clean } => self.handle_socket_closed(now, socket, clean),
        }
        self.end_turn(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wire.handle_timeout(now);
        for session in self.sessions.values_mut() {
            session.handle_timeout(now, &mut self.wire);
        }
        self.settle(now);
        let late = |client: &Client| client.connect_by.is_some_and(|at| at <= now);
        let late = self.clients.iter().filter(|(_, client)| late(client));
        let late: Vec<_> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.close_client(now, id);
            if let Some(client) = self.clients.get_mut(&id) {
                client.connect_by = None;
            }
        }
        self.delayed.sort_by_key(|(at, _)| *at);
        while self.delayed.first().is_some_and(|(at, _)| *at <= now) {
            let (_, task) = self.delayed.remove(0);
            self.tasks.push_back(task);
        }
        self.end_turn(now);
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self.sessions.values().filter_map(Session::deadline);
        let clients = self.clients.values().filter_map(|client| client.connect_by);
        let delayed = self.delayed.iter().map(|(at, _)| *at);
        sessions
            .chain(clients)
            .chain(delayed)
            .chain(self.wire.deadline())
            .min()
    }

    /// What is to go to the client next.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.wire.outputs.pop_front()
    }

    /// What the application is told next.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.wire.events.pop_front()
    }

    fn is_open(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(Session::is_open)
    }

    /// A packet of Engine.IO has come over a session's transport, or what is none.
    fn receive(&mut self, now: Instant, id: SessionId, packet: Option<Packet>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match packet {
            None => session.receive_malformed(now, &mut self.wire),
            Some(packet) => {
                if let Some(message) = session.receive(now, packet, &mut self.wire) {
                    self.message(now, id, &message);
                }
            }
        }
    }

    fn end_turn(&mut self, now: Instant) {
        self.settle(now);
        self.run_tasks(now);
    }

    /// Tells Socket.IO and the application of sessions that are over.
    fn settle(&mut self, now: Instant) {
        let over = |session: &Session| matches!(session.state, State::Closed(_));
        let over: Vec<_> = self
            .sessions
            .extract_if(.., |_, session| over(session))
            .collect();
        for (id, session) in over {
            self.sids.remove(&session.sid);
            let State::Closed(reason) = session.state else {
                continue;
            };
            self.client_closed(now, id, reason);
            self.wire.events.push_back(Event::Closed {
                session: id,
                reason: reason.to_owned(),
            });
        }
    }
}
