//! Socket.IO on the sessions: what packets do, and how namespaces are left.

use std::time::Instant;

use serde_json::{Map, Value};

use super::Server;
use super::api::{Event, Frame, Revision, SessionId, Violation};
use super::client::{Client, Member, Task};
use super::message::{self, Message, Type};
use super::packet::Packet;
use super::query;

/// The reasons after which the reference server lets somebody recover.
const RECOVERABLE: [&str; 5] = [
    "transport error",
    "transport close",
    "forced close",
    "ping timeout",
    "forced server close",
];

impl Server {
    pub(super) fn open_client(&mut self, now: Instant, id: SessionId, revision: Revision) {
        let server = self.options.revision;
        let connect_by = (server == Revision::V4).then(|| now + self.options.connect_timeout);
        let client = Client::new(revision, server, connect_by);
        self.clients.insert(id, client);
    }

    /// One Engine.IO message has come.
    pub(super) fn message(&mut self, now: Instant, id: SessionId, frame: &Frame) {
        if !self.options.socket_io {
            let (session, data) = (id, frame.clone());
            return self.wire.events.push_back(Event::Message { session, data });
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        match client.decoder.add(frame) {
            Ok(None) => {}
            Ok(Some(message)) => match self.options.revision {
                Revision::V4 => self.dispatch_strictly(now, id, message),
                Revision::V3 => self.dispatch_leniently(now, id, message),
            },
            Err(what) => {
                self.wire.violation(Some(id), what);
                if message::is_fatal(what, frame, self.options.revision) {
                    self.close_engine(now, id);
                }
            }
        }
    }

    /// As socket.io 4: what does not fit the state ends the connection.
    fn dispatch_strictly(&mut self, now: Instant, id: SessionId, mut message: Message) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let (auth, query) = match client.revision {
            Revision::V4 => (message.payload.clone(), None),
            Revision::V3 => {
                let (path, query) = query::split_namespace(&message.namespace);
                let path = query::normalize_path(path);
                let auth = object_of(query.unwrap_or_default());
                let query = query.map(str::to_owned);
                message.namespace = path;
                (Some(auth), query)
            }
        };
        let joined = client.member(&message.namespace);
        match (message.kind, joined) {
            (Type::Connect, None) => self.ask_to_join(now, id, message.namespace, auth, query),
            (Type::Event | Type::Ack | Type::Disconnect, Some(member)) => {
                let task = Task::Deliver(id, member.number, message);
                self.tasks.push_back(task);
            }
            _ => {
                self.blame(id, &message);
                self.close_client(now, id);
            }
        }
    }

    /// As socket.io 2: what does not fit the state is passed over.
    fn dispatch_leniently(&mut self, now: Instant, id: SessionId, message: Message) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        if message.kind == Type::Connect {
            let (path, query) = query::split_namespace(&message.namespace);
            let (path, query) = (path.to_owned(), query.map(str::to_owned));
            if path == "/" || client.member(&path).is_some() {
                let message = Message {
                    namespace: path.clone(),
                    ..message
                };
                self.blame(id, &message);
            }
            return self.ask_to_join(now, id, path, None, query);
        }
        match client.member(&message.namespace) {
            Some(member) if message.kind != Type::ConnectError => {
                let task = Task::Deliver(id, member.number, message);
                self.tasks.push_back(task);
            }
            _ => self.blame(id, &message),
        }
    }

    /// Says what is wrong with a packet that does not fit the state.
    fn blame(&mut self, id: SessionId, message: &Message) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let what = match message.kind {
            Type::Connect if client.revision == Revision::V3 && message.namespace == "/" => {
                Violation::RootConnect
            }
            Type::Connect => Violation::SecondConnect,
            Type::ConnectError => Violation::ConnectError,
            _ if client.put_out.contains(&message.namespace) => {
                return self.wire.events.push_back(Event::Crossed {
                    session: id,
                    namespace: message.namespace.clone(),
                });
            }
            _ => Violation::NotJoined,
        };
        self.wire.violation(Some(id), what);
    }

    pub(super) fn run_tasks(&mut self, now: Instant) {
        while let Some(task) = self.tasks.pop_front() {
            match task {
                Task::Join(joining) => self.join(now, joining),
                Task::Decide(joining) => self.decide(now, joining),
                Task::Deliver(session, number, message) => {
                    self.deliver(now, session, number, &message);
                }
            }
            self.settle(now);
        }
    }

    fn deliver(&mut self, now: Instant, id: SessionId, number: u64, message: &Message) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let mut members = client.members.iter_mut();
        let Some(member) = members.find(|member| member.number == number) else {
            return self.blame(id, message);
        };
        let namespace = message.namespace.clone();
        match (message.kind, message.id) {
            (Type::Disconnect, _) => self.leave(now, id, &namespace, "client namespace disconnect"),
            (Type::Ack, Some(ack)) if member.asked.remove(&ack) => {
                self.wire.events.push_back(Event::Acked {
                    session: id,
                    namespace,
                    id: ack,
                    args: message.args(),
                });
            }
            (Type::Ack, _) => self.wire.violation(Some(id), Violation::UnknownAck),
            (_, ack) => {
                let args = message.args();
                if args.is_empty() {
                    self.wire.violation(Some(id), Violation::EmptyEvent);
                }
                self.wire.events.push_back(Event::Event {
                    session: id,
                    namespace,
                    args,
                    ack,
                });
            }
        }
    }

    /// A client is out of a namespace, for `reason`.
    pub(super) fn leave(&mut self, now: Instant, id: SessionId, namespace: &str, reason: &str) {
        let client = self.clients.get_mut(&id);
        if let Some(member) = client.and_then(|client| client.remove(namespace)) {
            self.left(now, id, member, reason);
        }
    }

    fn left(&mut self, now: Instant, id: SessionId, member: Member, reason: &str) {
        if let Some(private_id) = member.private_id
            && RECOVERABLE.contains(&reason)
        {
            let room = self.rooms.entry(member.namespace.clone()).or_default();
            room.keep(now, private_id, member.id);
        }
        self.wire.events.push_back(Event::Disconnected {
            session: id,
            namespace: member.namespace,
            reason: reason.to_owned(),
        });
    }

    /// Socket.IO gives up the connection.
    pub(super) fn close_client(&mut self, now: Instant, id: SessionId) {
        if self.is_open(id) {
            self.close_engine(now, id);
            self.client_closed(now, id, "forced server close");
        }
    }

    pub(super) fn client_closed(&mut self, now: Instant, id: SessionId, reason: &str) {
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        for member in client.members {
            self.left(now, id, member, reason);
        }
    }

    /// Sends Engine.IO messages.
    pub(super) fn write(&mut self, now: Instant, id: SessionId, frames: Vec<Frame>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        for frame in frames {
            session.send(now, Packet::message(frame), &mut self.wire);
        }
    }
}

/// A query as the current server shows it to who asks for the CONNECT payload.
fn object_of(query: &str) -> Value {
    let fields = query::fields(query).into_iter();
    let fields = fields.map(|(key, value)| (key, Value::from(value)));
    Value::Object(fields.collect::<Map<_, _>>())
}
