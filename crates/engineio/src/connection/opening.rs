//! Opening a session: the first answer, and what is tried next where it is no handshake.

use std::time::Instant;

use super::state::{Carrier, Heartbeat, Open, Probe, Requests, State, later};
use super::{Action, Connection, Event, Input, Target};
use crate::error::{CloseReason, ProtocolError};
use crate::handshake::Handshake;
use crate::packet::OpenData;
use crate::refusal::Refusal;
use crate::transport::Transport;

impl Connection {
    /// Asks for a session in the revision and on the transport whose turn it is.
    pub(super) fn start_attempt(&mut self) {
        let State::Opening(opening) = &self.state else {
            return;
        };
        let target = Target::new(&self.config, self.version, opening.transport, None);
        self.actions.push_back(match opening.transport {
            Transport::Polling => Action::Get(target),
            Transport::WebSocket => Action::OpenWebSocket(target),
        });
    }

    /// An attempt has failed: the other revision is next, or another transport, or the end.
    pub(super) fn opening_failed(&mut self, now: Instant, reason: CloseReason) {
        let State::Opening(opening) = &mut self.state else {
            return;
        };
        let failed = opening.transport;
        let hangs = reason == CloseReason::HandshakeTimeout;
        let second = self.config.version.second(&reason);
        if let (None, Some(version)) = (&opening.earlier, second) {
            self.version = version;
            opening.earlier = Some(Box::new(reason));
        } else {
            let told = opening.is_version_told();
            let reason = opening.conclude(reason, self.config.version.first(), self.version);
            if !reason.may_differ_by_transport() || !opening.turn_to_next(now) {
                return self.closed(reason);
            }
            if !told {
                self.version = self.config.version.first();
            }
            let transport = failed;
            self.events
                .push_back(Event::TransportFailed { transport, reason });
        }
        self.actions.clear();
        match failed {
            Transport::WebSocket => self.actions.push_back(Action::DropWebSocket),
            Transport::Polling if hangs => self.actions.push_back(Action::DropGet),
            // It is over.
            Transport::Polling => {}
        }
        self.start_attempt();
    }

    pub(super) fn handle_while_opening(
        &mut self,
        now: Instant,
        transport: Transport,
        input: Input,
    ) {
        let failure = match (transport, input) {
            (Transport::Polling, Input::GetDone(Ok(response))) if response.status == 200 => {
                match self.version.betrayed_by(&response.body) {
                    Some(other) => ProtocolError::OtherVersion(other).into(),
                    None => {
                        self.handle_payload(now, response.body);
                        return self.flush(now);
                    }
                }
            }
            (Transport::Polling, Input::GetDone(Ok(response))) => {
                Refusal::new(response.status, &response.body).into()
            }
            (Transport::Polling, Input::GetDone(Err(error)))
            | (Transport::WebSocket, Input::WebSocketFailed(error)) => error.into(),
            (Transport::WebSocket, Input::WebSocketRefused(refusal)) => refusal.into(),
            (Transport::WebSocket, Input::WebSocketClosed(code)) => CloseReason::Remote { code },
            (Transport::WebSocket, Input::Frame(frame)) => match self.read_frame(frame) {
                Ok(packet) => {
                    self.handle_packet(now, packet);
                    return self.flush(now);
                }
                Err(error) => ProtocolError::from(error).into(),
            },
            _ => return,
        };
        self.opening_failed(now, failure);
    }

    /// Protocol, "Handshake": the transport is open with the `open` packet, and not before.
    pub(super) fn handle_open(&mut self, now: Instant, transport: Transport, data: &OpenData) {
        let handshake = match Handshake::parse(&data.0) {
            Ok(handshake) => handshake,
            Err(error) => return self.opening_failed(now, error.into()),
        };
        let carrier = match transport {
            Transport::WebSocket => Carrier::WebSocket,
            Transport::Polling => {
                let upgradable = self.config.upgrade
                    && self.config.transports.contains(&Transport::WebSocket)
                    && handshake
                        .upgrades
                        .iter()
                        .any(|name| name == Transport::WebSocket.name());
                let probe = if upgradable {
                    self.actions.push_back(Action::OpenWebSocket(Target::new(
                        &self.config,
                        self.version,
                        Transport::WebSocket,
                        Some(&handshake.sid),
                    )));
                    Probe::Connecting {
                        deadline: later(now, self.config.probe_timeout),
                    }
                } else {
                    Probe::None
                };
                Carrier::Polling {
                    requests: Requests::default(),
                    probe,
                }
            }
        };
        let mut heartbeat = Heartbeat::new(now, self.version.pinger(), &handshake);
        heartbeat.set_suspended(now, !self.reading);
        self.state = State::Open(Open {
            sid: handshake.sid.clone(),
            max_payload: handshake.max_payload,
            heartbeat,
            carrier,
            closing: None,
        });
        let handshake = Box::new(handshake);
        self.events.push_back(Event::Opened {
            handshake,
            transport,
            version: self.version,
        });
    }
}
