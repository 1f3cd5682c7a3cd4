//! One Engine.IO session: its state, its buffer, its heartbeat and its upgrade.

use std::time::{Duration, Instant};

use super::api::{Event, Frame, Revision, SessionId, Violation};
use super::heartbeat::Heartbeat;
use super::options::Options;
use super::packet::{Kind, Packet};
use super::transport::{Ending, Transport, WebSocket};
use super::wire::Wire;

/// How often a pending GET is let go while an upgrade is under way.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Open,
    /// The server closes, and waits for what is still to be fetched.
    Closing,
    /// Over, for this reason.
    Closed(&'static str),
}

/// A WebSocket that is to become the transport.
#[derive(Debug)]
struct Probe {
    websocket: WebSocket,
    /// When the pending GET is let go next, from the probe on.
    check_at: Option<Instant>,
    expires_at: Instant,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) sid: String,
    pub(super) revision: Revision,
    pub(super) state: State,
    pub(super) transport: Transport,
    pub(super) upgraded: bool,
    buffer: Vec<Packet>,
    close_when_drained: bool,
    heartbeat: Heartbeat,
    probe: Option<Probe>,
}

impl Session {
    /// A session that has said nothing yet.
    pub(super) fn new(
        now: Instant,
        (id, sid): (SessionId, String),
        revision: Revision,
        transport: Transport,
        options: &Options,
    ) -> Self {
        Self {
            id,
            sid,
            revision,
            state: State::Open,
            transport,
            upgraded: false,
            buffer: Vec::new(),
            close_when_drained: false,
            heartbeat: Heartbeat::new(now, revision, options),
            probe: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn is_upgrading(&self) -> bool {
        self.probe.is_some()
    }

    /// Puts a packet behind those that wait, and sends them all if the transport takes them.
    pub(super) fn send(&mut self, now: Instant, packet: Packet, wire: &mut Wire) {
        if self.is_open() {
            self.buffer.push(packet);
            self.flush(now, wire);
        }
    }

    pub(super) fn flush(&mut self, now: Instant, wire: &mut Wire) {
        if matches!(self.state, State::Closed(_))
            || self.buffer.is_empty()
            || !self.transport.is_writable()
        {
            return;
        }
        let packets = std::mem::take(&mut self.buffer);
        self.transmit(now, packets, wire);
        if std::mem::take(&mut self.close_when_drained) {
            self.close_transport(now, wire);
        }
    }

    fn transmit(&mut self, now: Instant, packets: Vec<Packet>, wire: &mut Wire) {
        if self.transport.send(packets, self.revision, wire) {
            self.closed(now, "forced close", wire);
        }
    }

    /// A GET has come, and waits from now on.
    pub(super) fn polled(&mut self, now: Instant, wire: &mut Wire) {
        self.flush(now, wire);
        if let Transport::Polling(polling) = &self.transport
            && polling.is_closing()
            && polling.get.is_some()
        {
            self.transmit(now, vec![Packet::new(Kind::Noop, "")], wire);
        }
    }

    /// A packet has come over the transport; a message is the caller's to read.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        packet: Packet,
        wire: &mut Wire,
    ) -> Option<Frame> {
        if !self.is_open() {
            return None;
        }
        self.heartbeat.received(now, packet.kind);
        match packet.kind {
            Kind::Message => return Some(packet.data),
            Kind::Ping => match self.revision {
                Revision::V3 => self.send(now, Packet::new(Kind::Pong, ""), wire),
                Revision::V4 => {
                    wire.violation(Some(self.id), Violation::Ping);
                    self.closed(now, "transport error", wire);
                }
            },
            Kind::Pong => {
                if !self.heartbeat.takes_pong(now) {
                    wire.violation(Some(self.id), Violation::Pong);
                }
                if self.heartbeat.is_fatal_pong() {
                    self.closed(now, "transport error", wire);
                }
            }
            // Over polling it does not get here.
            Kind::Close => wire.violation(Some(self.id), Violation::CloseOverWebSocket),
            Kind::Unknown => wire.violation(Some(self.id), Violation::BadPacket),
            Kind::Open | Kind::Upgrade | Kind::Noop => {
                wire.violation(Some(self.id), Violation::StrayPacket);
            }
        }
        None
    }

    /// Something has come that is no packet.
    pub(super) fn receive_malformed(&mut self, now: Instant, wire: &mut Wire) {
        if self.is_open() {
            wire.violation(Some(self.id), Violation::BadPacket);
            self.closed(now, "parse error", wire);
        }
    }

    /// The application, or Socket.IO, closes the session.
    pub(super) fn close(&mut self, now: Instant, wire: &mut Wire) {
        if !self.is_open() {
            return;
        }
        self.state = State::Closing;
        if self.buffer.is_empty() {
            self.close_transport(now, wire);
        } else {
            self.close_when_drained = true;
        }
    }

    fn close_transport(&mut self, now: Instant, wire: &mut Wire) {
        if self.transport.close(now, self.revision, wire) == Ending::Closed {
            self.closed(now, "forced close", wire);
        }
    }

    /// The session is over.
    pub(super) fn closed(&mut self, now: Instant, reason: &'static str, wire: &mut Wire) {
        if matches!(self.state, State::Closed(_)) {
            return;
        }
        self.state = State::Closed(reason);
        self.buffer.clear();
        self.transport.close(now, self.revision, wire);
        self.end_probe(now, wire);
    }

    /// A WebSocket has come that is to become the transport.
    pub(super) fn start_probe(&mut self, now: Instant, websocket: WebSocket, options: &Options) {
        self.probe = Some(Probe {
            websocket,
            check_at: None,
            expires_at: now + options.upgrade_timeout,
        });
    }

    /// The probing WebSocket, if that is what `socket` is.
    pub(super) fn is_probe(&self, socket: super::api::SocketId) -> bool {
        let probe = self.probe.as_ref();
        probe.is_some_and(|probe| probe.websocket.socket == socket)
    }

    /// Closes the probing WebSocket; the session stays on the transport that it has.
    pub(super) fn end_probe(&mut self, now: Instant, wire: &mut Wire) {
        if let Some(probe) = self.probe.take() {
            wire.close(now, probe.websocket.socket, None);
        }
    }

    /// A packet has come over the probing WebSocket.
    pub(super) fn receive_probe(&mut self, now: Instant, packet: Option<Packet>, wire: &mut Wire) {
        let Some(probe) = &mut self.probe else {
            return;
        };
        match packet {
            Some(packet) if packet.is(Kind::Ping, "probe") => {
                let pong = Packet::new(Kind::Pong, "probe");
                probe.websocket.send(&pong, self.revision, wire);
                probe.check_at = Some(now + CHECK_INTERVAL);
            }
            Some(packet) if packet.kind == Kind::Upgrade => {
                if probe.check_at.is_none() {
                    wire.violation(Some(self.id), Violation::UpgradeWithoutProbe);
                }
                let websocket = probe.websocket;
                self.upgrade(now, websocket, wire);
            }
            _ => {
                wire.violation(Some(self.id), Violation::ProbePacket);
                self.end_probe(now, wire);
            }
        }
    }

    fn upgrade(&mut self, now: Instant, websocket: WebSocket, wire: &mut Wire) {
        self.probe = None;
        self.transport.close(now, self.revision, wire);
        self.transport = Transport::WebSocket(websocket);
        self.upgraded = true;
        self.heartbeat.upgraded();
        wire.events.push_back(Event::Upgraded(self.id));
        self.flush(now, wire);
        if self.state == State::Closing {
            self.close_transport(now, wire);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let probe = self.probe.as_ref();
        [
            self.heartbeat.deadline(),
            self.transport.deadline(),
            probe.map(|probe| probe.expires_at),
            probe.and_then(|probe| probe.check_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if self.heartbeat.is_ping_due(now) {
            self.send(now, Packet::new(Kind::Ping, ""), wire);
        }
        if self.heartbeat.is_expired(now) {
            self.closed(now, "ping timeout", wire);
        }
        if due(self.transport.deadline()) {
            self.closed(now, "forced close", wire);
        }
        if let Some(probe) = &mut self.probe {
            if probe.expires_at <= now {
                self.end_probe(now, wire);
            } else if due(probe.check_at) {
                probe.check_at = Some(now + CHECK_INTERVAL);
                self.let_poll_go(now, wire);
            }
        }
    }

    /// An upgrade need not wait for the next packet.
    fn let_poll_go(&mut self, now: Instant, wire: &mut Wire) {
        if matches!(self.transport, Transport::Polling(_)) && self.transport.is_writable() {
            self.transmit(now, vec![Packet::new(Kind::Noop, "")], wire);
        }
    }
}
