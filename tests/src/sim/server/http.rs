//! HTTP requests: handshakes, polls and posts, and what is refused.

use std::time::Instant;

use bytes::Bytes;

use super::Server;
use super::api::{
    Event, ExchangeId, Method, Output, Revision, SessionId, TransportName, Violation,
};
use super::packet::{Kind, Packet};
use super::payload;
use super::query::Target;
use super::session::Session;
use super::transport::{Polling, Transport};

/// A request that is turned down before it reaches a session.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    code: u8,
    pub(super) message: String,
}

impl Refused {
    pub(super) fn new(code: u8, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
        }
    }

    pub(super) fn unknown_transport() -> Self {
        Self::new(0, "Transport unknown")
    }

    fn bad_request() -> Self {
        Self::new(3, "Bad request")
    }

    pub(super) fn unsupported_revision() -> Self {
        Self::new(5, "Unsupported protocol version")
    }

    fn status(&self) -> u16 {
        if self.code == 4 { 403 } else { 400 }
    }

    pub(super) fn json(&self) -> String {
        let message = serde_json::Value::from(self.message.as_str());
        format!(r#"{{"code":{},"message":{message}}}"#, self.code)
    }
}

/// What a request is, beside its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) exchange: ExchangeId,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) content_type: Option<String>,
}

impl Server {
    /// Takes the head of a request whose body is to come: only a POST occupies something by that.
    pub(super) fn handle_head(&mut self, now: Instant, head: &Head) {
        let target = Target::parse(&head.target);
        if head.method != Method::Post || !target.path.starts_with(&self.options.path) {
            return;
        }
        let Ok(Some(id)) = self.verify(&target, head.method, false) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Transport::Polling(polling) = &mut session.transport else {
            return;
        };
        if polling.post.is_some() {
            self.spent.insert(head.exchange);
            self.overlap(now, id, head.exchange, Violation::SecondPost);
        } else {
            polling.post = Some(head.exchange);
        }
    }

    pub(super) fn handle_request(&mut self, now: Instant, head: Head, body: &Bytes) {
        if self.spent.remove(&head.exchange) {
            return;
        }
        let target = Target::parse(&head.target);
        let exchange = head.exchange;
        if !target.path.starts_with(&self.options.path) {
            self.wire.respond(exchange, 404, None, "");
            return;
        }
        match self.verify(&target, head.method, false) {
            Ok(Some(session)) => self.handle_session_request(now, session, &head, body),
            Ok(None) => match self.revision_of(&target) {
                Ok(revision) => self.open_polling(now, revision, &target, head),
                Err(refused) => self.refuse(exchange, &refused),
            },
            Err(refused) => self.refuse(exchange, &refused),
        }
    }

    fn refuse(&mut self, exchange: ExchangeId, refused: &Refused) {
        let content_type = Some("application/json");
        self.wire
            .respond(exchange, refused.status(), content_type, refused.json());
    }

    /// The session that a request is for, or none if it is to open one.
    pub(super) fn verify(
        &mut self,
        target: &Target,
        method: Method,
        upgrade: bool,
    ) -> Result<Option<SessionId>, Refused> {
        let name = target.field("transport");
        let known = self.options.transports.iter();
        let Some(name) = known.copied().find(|known| name == Some(known.as_str())) else {
            return Err(Refused::unknown_transport());
        };
        if let Some(sid) = target.field("sid") {
            return self.verify_session(target, sid, name, upgrade).map(Some);
        }
        if method != Method::Get {
            return Err(Refused::new(2, "Bad handshake method"));
        }
        if name == TransportName::WebSocket && !upgrade {
            return Err(Refused::bad_request());
        }
        match &self.options.forbid {
            Some(message) if message.is_empty() => Err(Refused::new(4, "Forbidden")),
            Some(message) => Err(Refused::new(4, message)),
            None => Ok(None),
        }
    }

    fn verify_session(
        &mut self,
        target: &Target,
        sid: &str,
        transport: TransportName,
        upgrade: bool,
    ) -> Result<SessionId, Refused> {
        let Some(&id) = self.sids.get(sid) else {
            return Err(Refused::new(1, "Session ID unknown"));
        };
        let Some(session) = self.sessions.get(&id) else {
            return Err(Refused::new(1, "Session ID unknown"));
        };
        if !upgrade && session.transport.name() != transport {
            if session.transport.name() == TransportName::WebSocket {
                self.wire.violation(Some(id), Violation::HttpAfterUpgrade);
            }
            return Err(Refused::bad_request());
        }
        if Self::named_revision(target) != session.revision {
            self.wire.violation(Some(id), Violation::OtherRevision);
            // The old server does not look.
            if self.options.revision == Revision::V4 {
                return Err(Refused::bad_request());
            }
        }
        Ok(id)
    }

    fn named_revision(target: &Target) -> Revision {
        match target.field("EIO") {
            Some("4") => Revision::V4,
            _ => Revision::V3,
        }
    }

    /// The revision of a session to be opened.
    pub(super) fn revision_of(&self, target: &Target) -> Result<Revision, Refused> {
        match (self.options.revision, Self::named_revision(target)) {
            (Revision::V3, _) => Ok(Revision::V3),
            (Revision::V4, Revision::V3) if !self.options.allow_eio3 => {
                Err(Refused::unsupported_revision())
            }
            (Revision::V4, named) => Ok(named),
        }
    }

    fn open_polling(&mut self, now: Instant, revision: Revision, target: &Target, head: Head) {
        let polling = Polling::new(target.field("b64").is_some());
        let id = self.open(now, revision, Transport::Polling(polling), head.target);
        self.poll(now, id, head.exchange);
        self.joined_by_server(id);
    }

    /// Opens a session, whose handshake is then its first packet.
    pub(super) fn open(
        &mut self,
        now: Instant,
        revision: Revision,
        transport: Transport,
        target: String,
    ) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        let sid = self.ids.next();
        self.sids.insert(sid.clone(), id);
        self.wire.events.push_back(Event::Opened {
            session: id,
            revision,
            transport: transport.name(),
            target,
        });
        let handshake = self.handshake(&sid, transport.name());
        let mut session = Session::new(now, (id, sid), revision, transport, &self.options);
        session.send(now, Packet::new(Kind::Open, &handshake), &mut self.wire);
        if self.greets_with_connect() {
            let connect = Packet::new(Kind::Message, "0");
            session.send(now, connect, &mut self.wire);
        }
        self.sessions.insert(id, session);
        if self.options.socket_io {
            self.open_client(now, id, revision);
        }
        id
    }

    fn handshake(&self, sid: &str, transport: TransportName) -> String {
        let options = &self.options;
        let upgrades = transport == TransportName::Polling
            && options.upgrades
            && options.transports.contains(&TransportName::WebSocket);
        let upgrades = if upgrades { r#""websocket""# } else { "" };
        let mut json = format!(
            r#"{{"sid":"{sid}","upgrades":[{upgrades}],"pingInterval":{},"pingTimeout":{}"#,
            options.ping_interval.as_millis(),
            options.ping_timeout.as_millis(),
        );
        if options.announce_max_payload && options.revision == Revision::V4 {
            json.push_str(&format!(r#","maxPayload":{}"#, options.max_payload));
        }
        json + "}"
    }

    fn handle_session_request(&mut self, now: Instant, id: SessionId, head: &Head, body: &Bytes) {
        match head.method {
            Method::Get => self.poll(now, id, head.exchange),
            Method::Post => self.post(now, id, head, body),
            Method::Other => {
                self.wire.violation(Some(id), Violation::Method);
                self.wire.respond(head.exchange, 500, None, "");
            }
        }
    }

    fn poll(&mut self, now: Instant, id: SessionId, exchange: ExchangeId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Transport::Polling(polling) = &mut session.transport else {
            return;
        };
        if polling.get.is_some() {
            return self.overlap(now, id, exchange, Violation::SecondGet);
        }
        polling.get = Some(exchange);
        session.polled(now, &mut self.wire);
    }

    /// Two requests of a kind end the session.
    fn overlap(&mut self, now: Instant, id: SessionId, exchange: ExchangeId, what: Violation) {
        self.wire.violation(Some(id), what);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.closed(now, "transport error", &mut self.wire);
        }
        let status = match self.options.revision {
            Revision::V3 => 500,
            Revision::V4 => 400,
        };
        self.wire.respond(exchange, status, None, "");
    }

    fn post(&mut self, now: Instant, id: SessionId, head: &Head, body: &Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Transport::Polling(polling) = &mut session.transport else {
            return;
        };
        match polling.post {
            Some(exchange) if exchange == head.exchange => polling.post = None,
            Some(_) => return self.overlap(now, id, head.exchange, Violation::SecondPost),
            None => {}
        }
        let binary = head.content_type.as_deref() == Some("application/octet-stream");
        if binary && session.revision == Revision::V4 {
            self.wire.violation(Some(id), Violation::ContentType);
            session.closed(now, "transport error", &mut self.wire);
            return self.wire.respond(head.exchange, 400, None, "");
        }
        if body.len() > self.options.max_payload {
            return self.post_too_large(now, id, head.exchange);
        }
        let revision = session.revision;
        for packet in payload::decode(body, revision, binary) {
            self.receive_posted(now, id, packet.ok());
        }
        self.wire
            .respond(head.exchange, 200, Some("text/html"), "ok");
    }

    fn post_too_large(&mut self, now: Instant, id: SessionId, exchange: ExchangeId) {
        self.wire.violation(Some(id), Violation::TooLarge);
        match self.options.revision {
            Revision::V4 => self.wire.respond(exchange, 413, None, ""),
            Revision::V3 => {
                self.wire.outputs.push_back(Output::Abort(exchange));
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.closed(now, "transport error", &mut self.wire);
                }
            }
        }
    }

    fn receive_posted(&mut self, now: Instant, id: SessionId, packet: Option<Packet>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match packet {
            Some(packet) if packet.kind == Kind::Close => {
                if let Transport::Polling(polling) = &mut session.transport {
                    polling.closed_by_client(session.revision, &mut self.wire);
                }
                session.closed(now, "transport close", &mut self.wire);
            }
            packet => self.receive(now, id, packet),
        }
    }

    /// The client's side of an exchange is gone: fatal while the exchange is needed.
    pub(super) fn handle_aborted(&mut self, now: Instant, exchange: ExchangeId) {
        self.spent.remove(&exchange);
        for session in self.sessions.values_mut() {
            let Transport::Polling(polling) = &mut session.transport else {
                continue;
            };
            let needed = [&mut polling.get, &mut polling.post];
            let Some(slot) = needed.into_iter().find(|slot| **slot == Some(exchange)) else {
                continue;
            };
            *slot = None;
            session.closed(now, "transport error", &mut self.wire);
        }
    }
}
