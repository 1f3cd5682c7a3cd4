//! What the server's application can do.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Server;
use super::api::{AckId, Emitted, Frame, Revision, SessionId};
use super::message::{self, Type};

impl Server {
    /// Sends an event to one client: `args` are its name and its arguments, bytes as `{"$hex":"…"}`.
    ///
    /// Nothing happens, and nothing is said, where nobody has joined the namespace in this session.
    pub fn emit(
        &mut self,
        now: Instant,
        session: SessionId,
        namespace: &str,
        args: &[Value],
    ) -> Option<Emitted> {
        let id = self.socket_in(session, namespace)?.to_owned();
        self.emit_to(now, namespace, &id, args);
        Some(Emitted::Sent)
    }

    /// As [`Server::emit`], and asks for an acknowledgement, which comes as an
    /// [`Event::Acked`](super::Event::Acked). Such an event cannot be recovered.
    pub fn ask(
        &mut self,
        now: Instant,
        session: SessionId,
        namespace: &str,
        args: &[Value],
    ) -> Option<Emitted> {
        self.socket_in(session, namespace)?;
        let room = self.rooms.entry(namespace.to_owned()).or_default();
        let ack = room.next_ack();
        let member = self.clients.get_mut(&session)?.member_mut(namespace)?;
        member.asked.insert(ack);
        let frames = message::encode_args(Type::Event, namespace, Some(ack), args);
        self.write(now, session, frames);
        self.settle(now);
        Some(Emitted::Asked(ack))
    }

    /// As [`Server::emit`], unless the transport cannot take it at once. Such an event cannot be recovered.
    pub fn emit_volatile(
        &mut self,
        now: Instant,
        session: SessionId,
        namespace: &str,
        args: &[Value],
    ) -> Option<Emitted> {
        self.socket_in(session, namespace)?;
        if !self.sessions.get(&session)?.transport.is_writable() {
            return Some(Emitted::Dropped);
        }
        let frames = message::encode_args(Type::Event, namespace, None, args);
        self.write(now, session, frames);
        self.settle(now);
        Some(Emitted::Sent)
    }

    /// Sends an event to the socket with this id; if it is lost and can be recovered, it gets the event then.
    pub fn emit_to(&mut self, now: Instant, namespace: &str, id: &str, args: &[Value]) {
        self.publish(now, namespace, Some(id), args);
    }

    /// Sends an event to everybody in a namespace, and to whoever is recovered later.
    pub fn broadcast(&mut self, now: Instant, namespace: &str, args: &[Value]) {
        self.publish(now, namespace, None, args);
    }

    fn publish(&mut self, now: Instant, namespace: &str, to: Option<&str>, args: &[Value]) {
        let args = match self.recovery_window() {
            Some(window) => {
                let room = self.rooms.entry(namespace.to_owned()).or_default();
                room.store(now, window, to, args.to_vec())
            }
            None => args.to_vec(),
        };
        let frames = message::encode_args(Type::Event, namespace, None, &args);
        let meant = |id: &str| to.is_none_or(|to| to == id);
        let sessions: Vec<_> = self.clients.keys().copied().collect();
        for session in sessions {
            if self.socket_in(session, namespace).is_some_and(meant) {
                self.write(now, session, frames.clone());
            }
        }
        self.settle(now);
    }

    /// Answers an event that asked for an acknowledgement.
    ///
    /// The reference servers send it even if the namespace has been left meanwhile.
    pub fn acknowledge(
        &mut self,
        now: Instant,
        session: SessionId,
        namespace: &str,
        ack: AckId,
        args: &[Value],
    ) {
        let frames = message::encode_args(Type::Ack, namespace, Some(ack), args);
        self.write(now, session, frames);
        self.settle(now);
    }

    /// Puts a client out of a namespace; the session stays.
    pub fn disconnect(&mut self, now: Instant, session: SessionId, namespace: &str) {
        if self.socket_in(session, namespace).is_none() {
            return;
        }
        let frame = message::encode(Type::Disconnect, namespace, "");
        self.write(now, session, vec![frame]);
        if let Some(client) = self.clients.get_mut(&session) {
            client.put_out.insert(namespace.to_owned());
        }
        self.leave(now, session, namespace, "server namespace disconnect");
        self.settle(now);
    }

    /// Puts a client out of all its namespaces and closes the session.
    pub fn disconnect_all(&mut self, now: Instant, session: SessionId) {
        let Some(client) = self.clients.get(&session) else {
            return;
        };
        let members = client.members.iter();
        let namespaces: Vec<_> = members.map(|member| member.namespace.clone()).collect();
        for namespace in namespaces {
            self.disconnect(now, session, &namespace);
        }
        self.close_client(now, session);
        self.settle(now);
    }

    /// Closes the session; no Socket.IO packet says so.
    pub fn close_engine(&mut self, now: Instant, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.close(now, &mut self.wire);
        }
        self.settle(now);
    }

    /// Forgets a session without a word, as when its next request meets another machine: a pending GET is never
    /// answered, and its `sid` is unknown from now on.
    pub fn forget(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.remove(&session) {
            self.sids.remove(&session.sid);
        }
        self.clients.remove(&session);
    }

    /// Sends an Engine.IO message that no Socket.IO made: all that a bare Engine.IO server can send.
    pub fn inject(&mut self, now: Instant, session: SessionId, message: Frame) {
        self.write(now, session, vec![message]);
        self.settle(now);
    }

    /// The `sid` of a session that is not over.
    #[must_use]
    pub fn sid(&self, session: SessionId) -> Option<&str> {
        let session = self.sessions.get(&session)?;
        Some(&session.sid)
    }

    /// The id of the socket that has joined a namespace in a session.
    #[must_use]
    pub fn socket_in(&self, session: SessionId, namespace: &str) -> Option<&str> {
        let member = self.clients.get(&session)?.member(namespace)?;
        Some(&member.id)
    }

    /// For how long a connection can be recovered; only the current server can.
    pub(super) fn recovery_window(&self) -> Option<Duration> {
        let current = self.options.revision == Revision::V4;
        self.options.recovery.filter(|_| current)
    }
}
