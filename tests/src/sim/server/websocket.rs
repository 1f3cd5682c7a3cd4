//! WebSockets: handshakes, messages and ends.

use std::time::{Duration, Instant};

use super::Server;
use super::api::{Frame, Method, Output, SessionId, SocketId, TransportName, Violation};
use super::http::Refused;
use super::packet::Packet;
use super::query::Target;
use super::transport::{Transport, WebSocket};
use super::wire::Role;

/// How long a handshake for somebody else is left alone.
const IGNORED_FOR: Duration = Duration::from_secs(1);

impl Server {
    pub(super) fn handle_upgrade(&mut self, now: Instant, socket: SocketId, target: String) {
        let parsed = Target::parse(&target);
        let served = self.options.transports.contains(&TransportName::WebSocket);
        if !parsed.path.starts_with(&self.options.path) {
            if served {
                let role = Role::Ignored(now + IGNORED_FOR);
                self.wire.sockets.insert(socket, role);
            } else {
                self.refuse_upgrade(socket, 404, String::new());
            }
            return;
        }
        match self.verify(&parsed, Method::Get, true) {
            // Node hands it over as a plain request then.
            Err(refused) if !served => self.refuse_upgrade(socket, 400, refused.json()),
            Err(refused) => self.refuse_upgrade(socket, 400, refused.message),
            Ok(_) if parsed.field("transport") != Some("websocket") => {
                self.accept_and_close(socket, now);
            }
            Ok(None) => self.open_websocket(now, socket, &parsed, target),
            Ok(Some(id)) => {
                let Some(session) = self.sessions.get_mut(&id) else {
                    return;
                };
                let taken = session.is_upgrading() || session.upgraded;
                if taken || session.transport.name() == TransportName::WebSocket {
                    self.wire.violation(Some(id), Violation::SecondWebSocket);
                }
                if taken {
                    return self.accept_and_close(socket, now);
                }
                let base64 = parsed.field("b64").is_some();
                session.start_probe(now, WebSocket { socket, base64 }, &self.options);
                self.wire.outputs.push_back(Output::Accept(socket));
                self.wire.sockets.insert(socket, Role::Session(id));
            }
        }
    }

    fn refuse_upgrade(&mut self, socket: SocketId, status: u16, body: String) {
        self.wire.outputs.push_back(Output::Refuse {
            socket,
            status,
            body,
        });
    }

    fn accept_and_close(&mut self, socket: SocketId, now: Instant) {
        self.wire.outputs.push_back(Output::Accept(socket));
        let nobody = SessionId(u64::MAX);
        self.wire.sockets.insert(socket, Role::Session(nobody));
        self.wire.close(now, socket, None);
    }

    fn open_websocket(&mut self, now: Instant, socket: SocketId, parsed: &Target, target: String) {
        let revision = match self.revision_of(parsed) {
            Ok(revision) => revision,
            Err(refused) => {
                let text = http_error(&refused);
                let refusal = Output::AcceptThenHttp { socket, text };
                return self.wire.outputs.push_back(refusal);
            }
        };
        self.wire.outputs.push_back(Output::Accept(socket));
        let base64 = parsed.field("b64").is_some();
        let transport = Transport::WebSocket(WebSocket { socket, base64 });
        let id = self.open(now, revision, transport, target);
        self.wire.sockets.insert(socket, Role::Session(id));
        self.joined_by_server(id);
    }

    pub(super) fn handle_frame(&mut self, now: Instant, socket: SocketId, frame: &Frame) {
        let Some(Role::Session(id)) = self.wire.sockets.get(&socket).copied() else {
            return;
        };
        let length = match frame {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
        };
        if length > self.options.max_payload {
            self.wire.violation(Some(id), Violation::TooLarge);
            self.wire.close(now, socket, Some(1009));
            return self.lost_websocket(now, socket, id, "transport error");
        }
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let packet = Packet::from_frame(frame, session.revision).ok();
        if session.is_probe(socket) {
            session.receive_probe(now, packet, &mut self.wire);
        } else {
            self.receive(now, id, packet);
        }
    }

    pub(super) fn handle_socket_closed(&mut self, now: Instant, socket: SocketId, clean: bool) {
        let Some(role) = self.wire.sockets.get(&socket).copied() else {
            return;
        };
        if let Role::Session(id) = role {
            if clean {
                self.wire.close(now, socket, None);
            }
            self.wire.sockets.remove(&socket);
            self.lost_websocket(now, socket, id, "transport close");
        }
        self.wire.sockets.remove(&socket);
    }

    fn lost_websocket(
        &mut self,
        now: Instant,
        socket: SocketId,
        id: SessionId,
        reason: &'static str,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.is_probe(socket) {
            session.end_probe(now, &mut self.wire);
        } else {
            session.closed(now, reason, &mut self.wire);
        }
    }
}

/// What the reference server writes when it has already switched to WebSocket.
fn http_error(refused: &Refused) -> String {
    format!(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: {}\r\n\r\n{}",
        refused.message.len(),
        refused.message,
    )
}
