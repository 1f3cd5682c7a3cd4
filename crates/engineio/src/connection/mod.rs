//! One Engine.IO session as a state machine: handshake, heartbeat, upgrade, close; no I/O, no clock.

mod opening;
mod state;
#[cfg(test)]
mod tests;
mod unread;
mod upgrade;
mod verbs;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::config::Config;
use crate::error::{CloseReason, DecodeError, ProtocolError, SendError, UpgradeError};
use crate::frame::{self, Frame};
use crate::packet::{Message, Packet};
use crate::payload;
use crate::refusal::Refusal;
use crate::stats::Stats;
use crate::transport::Transport;
use crate::version::Version;
use state::{Carrier, Closing, Opening, Probe, State, later};
use unread::Unread;

pub use verbs::{Action, Event, Input, Response, Target};

/// One Engine.IO session.
///
/// See the [crate documentation](crate#the-contract-of-a-connection) for how to drive it.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    /// What is spoken now: never [`Version::Auto`].
    version: Version,
    state: State,
    /// Packets that no request or frame carries yet.
    outbox: VecDeque<Packet>,
    /// Bytes of what was handed over and is still here, in `outbox` or as frames in `actions`.
    unsent_bytes: usize,
    /// Whether our part of the heartbeat is among them: an answer to a ping, or, in revision 3, a ping.
    beat_waits: bool,
    reading: bool,
    /// How many packets the POST among the actions holds.
    posting: usize,
    stats: Stats,
    actions: VecDeque<Action>,
    events: Unread,
}

impl Connection {
    /// A connection that wants to open: its first action is already there.
    #[must_use]
    pub fn new(mut config: Config, now: Instant) -> Self {
        if config.transports.is_empty() {
            config.transports = Config::default().transports;
        }
        let opening = Opening::new(&config, now);
        let mut connection = Self {
            version: config.version.first(),
            config,
            state: State::Opening(opening),
            outbox: VecDeque::new(),
            unsent_bytes: 0,
            beat_waits: false,
            reading: true,
            posting: 0,
            stats: Stats::default(),
            // One at a time, as a rule; what grows by itself has room for four.
            actions: VecDeque::with_capacity(1),
            events: Unread::new(),
        };
        connection.start_attempt();
        connection
    }

    /// Takes in what happened. Inputs that the state has no use for are ignored.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        if !self.is_closed() {
            self.stats.received_bytes(input.len());
        }
        match (&self.state, input) {
            (State::Open(open), Input::Frame(frame))
                if matches!(open.carrier, Carrier::WebSocket) =>
            {
                self.handle_frame(now, frame);
            }
            (State::Open(_), input) => self.handle_while_open(now, input),
            (State::Opening(opening), input) => {
                let transport = opening.transport;
                self.handle_while_opening(now, transport, input);
            }
            (State::Closed, _) => {}
        }
    }

    /// Takes in that time has passed. Everything that time can do is in here.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        match &self.state {
            State::Opening(opening) => {
                if due(Some(opening.attempt_deadline)) {
                    self.opening_failed(now, CloseReason::HandshakeTimeout);
                }
            }
            State::Open(open) => {
                if due(open.closing_deadline()) {
                    self.closed(CloseReason::Local);
                } else if due(open.heartbeat.deadline()) {
                    self.closed(CloseReason::PingTimeout);
                } else if due(open.carrier.post_deadline()) {
                    self.closed(CloseReason::RequestTimeout);
                } else if due(open.carrier.upgrade_deadline()) {
                    self.upgrade_failed(now, UpgradeError::Timeout);
                } else if due(open.heartbeat.next_ping()) {
                    self.ping(now);
                }
            }
            State::Closed => {}
        }
    }

    /// When [`Connection::handle_timeout`] is to be called next. A connection that is not closed and is being read
    /// always has a deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Opening(opening) => Some(opening.attempt_deadline),
            State::Open(open) => [
                open.closing_deadline(),
                open.heartbeat.deadline(),
                open.heartbeat.next_ping(),
                open.carrier.post_deadline(),
                open.carrier.upgrade_deadline(),
            ]
            .into_iter()
            .flatten()
            .min(),
            State::Closed => None,
        }
    }

    /// The next I/O to do.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front()?;
        match &action {
            Action::SendFrame(frame) => {
                self.unsent_bytes = self.unsent_bytes.saturating_sub(weight(frame));
                self.beat_waits &= !frame.is_beat();
                self.stats.sent(1, frame.len());
            }
            Action::Post(_, body) => self.stats.sent(self.posting, body.len()),
            _ => {}
        }
        Some(action)
    }

    /// Whether the next action is to send a frame, which has to wait while the socket takes nothing. Everything else
    /// can be started at any time.
    #[must_use]
    pub fn is_frame_next(&self) -> bool {
        matches!(self.actions.front(), Some(Action::SendFrame(_)))
    }

    /// The next thing the application should know.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Hands over a message. Messages leave in this order, whatever the transport does meanwhile.
    ///
    /// Nothing here bounds how much is handed over faster than it leaves: [`Connection::unsent_bytes`] tells.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message in it: the connection is not open, the server would refuse the message, or
    /// polling cannot carry it. Where the heartbeat turns out to have expired (the process was suspended, and its
    /// timers with it), the connection closes now instead of writing into a dead link.
    pub fn send(&mut self, now: Instant, message: Message) -> Result<(), SendError> {
        let State::Open(open) = &self.state else {
            return Err(SendError::NotOpen(message));
        };
        if open.closing.is_some() {
            return Err(SendError::NotOpen(message));
        }
        if open
            .heartbeat
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.closed(CloseReason::PingTimeout);
            return Err(SendError::NotOpen(message));
        }
        let by_polling = !matches!(open.carrier, Carrier::WebSocket);
        let max = open.max_payload;
        if by_polling && !payload::can_carry(self.version, &message) {
            return Err(SendError::Separator(message));
        }
        let packet = Packet::Message(message);
        let size = if by_polling {
            payload::encoded_len(self.version, &packet)
        } else if self.config.force_base64 {
            packet.encoded_len(self.version)
        } else {
            frame::encoded_len(self.version, &packet)
        } as u64;
        match (packet, max) {
            (Packet::Message(message), Some(max)) if size > max => {
                return Err(SendError::TooLarge { message, size, max });
            }
            (packet, _) => self.enqueue(packet),
        }
        self.flush(now);
        Ok(())
    }

    /// Bytes of the packets that have been handed over and that no [`Action`] has taken away yet, each packet counting
    /// for one at least.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Closes gracefully: what was sent before leaves first. The end is reported as [`Event::Closed`].
    pub fn close(&mut self, now: Instant) {
        match &mut self.state {
            State::Opening(_) => self.closed(CloseReason::Local),
            State::Open(open) => {
                if open.closing.is_some() {
                    return;
                }
                open.closing = Some(Closing {
                    deadline: later(now, self.config.close_timeout),
                    told: false,
                });
                match &mut open.carrier {
                    Carrier::Polling { probe, .. } => {
                        if std::mem::replace(probe, Probe::None).is_under_way() {
                            self.actions.push_back(Action::DropWebSocket);
                        }
                        self.flush(now);
                    }
                    // The upgrade completes or fails first; both lead back to here through `flush`.
                    Carrier::Draining { .. } => {}
                    Carrier::WebSocket => self.actions.push_back(Action::CloseWebSocket),
                }
            }
            State::Closed => {}
        }
    }

    /// Tells that the caller stops or resumes reading from the wire. While nothing is read, a ping could not be seen,
    /// so its absence says nothing: the heartbeat deadline is suspended and starts anew with reading.
    pub fn set_reading(&mut self, now: Instant, reading: bool) {
        self.reading = reading;
        if let State::Open(open) = &mut self.state {
            open.heartbeat.set_suspended(now, !reading);
        }
    }

    /// What the connection has carried so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether the session is open for sending.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.closing.is_none())
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    // Open.

    fn handle_while_open(&mut self, now: Instant, input: Input) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        match (input, &mut open.carrier) {
            (
                Input::GetDone(result),
                Carrier::Polling { requests, .. } | Carrier::Draining { requests, .. },
            ) => {
                requests.get = false;
                match result {
                    Ok(Response { status: 200, body }) => self.handle_payload(now, body),
                    Ok(response) => {
                        self.closed(Refusal::new(response.status, &response.body).into());
                    }
                    Err(error) => self.closed(error.into()),
                }
            }
            (
                Input::PostDone(result),
                Carrier::Polling { requests, .. } | Carrier::Draining { requests, .. },
            ) => {
                requests.post = None;
                match result {
                    // The body is `ok`, and says nothing about whether the server liked the payload.
                    Ok(Response { status: 200, .. }) => {}
                    Ok(response) => {
                        self.closed(Refusal::new(response.status, &response.body).into());
                    }
                    Err(error) => self.closed(error.into()),
                }
            }
            (input, Carrier::Polling { probe, .. }) if probe.is_under_way() => {
                self.handle_probe(now, input);
            }
            (input, Carrier::Draining { .. }) => self.handle_probe(now, input),
            (Input::WebSocketClosed(code), Carrier::WebSocket) => {
                self.closed(CloseReason::Remote { code });
            }
            (Input::WebSocketFailed(error), Carrier::WebSocket) => self.closed(error.into()),
            (Input::WebSocketRefused(refusal), Carrier::WebSocket) => self.closed(refusal.into()),
            // The late words of a probe that was given up.
            _ => {}
        }
        self.flush(now);
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) {
        match self.read_frame(frame) {
            // Means nothing over WebSocket, to either official side; the WebSocket close does.
            Ok(Packet::Close) => {}
            Ok(packet) => self.handle_packet(now, packet),
            Err(error) => self.broken(now, error),
        }
        self.flush(now);
    }

    fn read_frame(&mut self, frame: Frame) -> Result<Packet, DecodeError> {
        frame::decode(self.version, frame).inspect(|_| self.stats.received_packet())
    }

    fn handle_payload(&mut self, now: Instant, body: Bytes) {
        let max = self.config.limits.max_packets_per_payload;
        let size = body.len();
        let mut packets = payload::decode(self.version, body, max);
        let mut has_messages = false;
        loop {
            let from_here = (!has_messages).then(|| packets.clone());
            let Some(packet) = packets.next() else {
                return;
            };
            match packet.inspect(|_| self.stats.received_packet()) {
                // Packets before a `close` or a bad packet have been delivered; what follows is void.
                Ok(Packet::Close) if matches!(self.state, State::Open(_)) => {
                    self.closed(CloseReason::Remote { code: None });
                }
                Ok(packet) => {
                    let is_message = matches!(packet, Packet::Message(_));
                    self.handle_packet(now, packet);
                    if is_message && matches!(self.state, State::Open(_)) {
                        self.events.put_back(from_here, size);
                        has_messages = true;
                    }
                }
                Err(error) => self.broken(now, error),
            }
            // Where an attempt to open fails, what follows belongs to no session, be it over or be it tried anew.
            if !matches!(self.state, State::Open(_)) {
                return;
            }
        }
    }

    fn handle_packet(&mut self, now: Instant, packet: Packet) {
        match &mut self.state {
            State::Opening(opening) => {
                let transport = opening.transport;
                match packet {
                    Packet::Open(data) => self.handle_open(now, transport, &data),
                    _ => self.opening_failed(now, ProtocolError::NoHandshake.into()),
                }
            }
            State::Open(open) => {
                let round_trip = open.heartbeat.received(now, &packet);
                if round_trip.is_some() {
                    self.stats.heartbeat_rtt = round_trip;
                    self.stats.heartbeats = self.stats.heartbeats.saturating_add(1);
                }
                match packet {
                    Packet::Message(message) => self.events.push_back(Event::Message(message)),
                    Packet::Ping(_) => self.pinged(now),
                    // Legal packets at the wrong time: the reference client tolerates them, so servers may send them.
                    _ => {}
                }
            }
            State::Closed => {}
        }
    }

    /// The server's turn in the heartbeat.
    fn pinged(&mut self, now: Instant) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        // A ping that comes before our answer to another one has left was not sent behind that.
        if !self.beat_waits && open.heartbeat.counts(now) {
            self.stats.heartbeats = self.stats.heartbeats.saturating_add(1);
        }
        // One answer is enough for any number of pings, and none is due behind a close.
        if open.heartbeat.answers_pings()
            && open.closing.is_none()
            && !std::mem::replace(&mut self.beat_waits, true)
        {
            self.enqueue(Packet::Pong("".into()));
        }
    }

    /// The client's turn in the heartbeat.
    fn ping(&mut self, now: Instant) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        open.heartbeat.pinged(now);
        // A pong that came before our last ping had left was no answer to it: that ping is still the next.
        if open.closing.is_none() && !std::mem::replace(&mut self.beat_waits, true) {
            self.enqueue(Packet::Ping("".into()));
        }
        self.flush(now);
    }

    /// Starts what the state allows: requests, the end of an upgrade, frames, the end of a close.
    fn flush(&mut self, now: Instant) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        if let Carrier::Draining { requests, .. } = &open.carrier {
            if !requests.is_idle() {
                return;
            }
            // Both requests are over: the WebSocket takes over with `5`, and everything that waited follows on it.
            open.carrier = Carrier::WebSocket;
            let closing = open.closing.is_some();
            self.send_frame(Packet::Upgrade);
            self.events.push_back(Event::Upgraded(Transport::WebSocket));
            self.flush_frames();
            if closing {
                self.actions.push_back(Action::CloseWebSocket);
            }
            return;
        }
        match &open.carrier {
            Carrier::WebSocket => self.flush_frames(),
            Carrier::Polling { .. } => self.flush_requests(now),
            Carrier::Draining { .. } => {}
        }
    }

    fn enqueue(&mut self, packet: Packet) {
        self.unsent_bytes += packet.encoded_len(self.version);
        self.outbox.push_back(packet);
    }

    fn flush_frames(&mut self) {
        while let Some(packet) = self.outbox.pop_front() {
            self.unsent_bytes = self
                .unsent_bytes
                .saturating_sub(packet.encoded_len(self.version));
            self.send_frame(packet);
        }
    }

    fn send_frame(&mut self, packet: Packet) {
        let frame = if self.config.force_base64 {
            frame::encode_as_text(self.version, &packet)
        } else {
            frame::encode(self.version, packet)
        };
        self.unsent_bytes += weight(&frame);
        self.actions.push_back(Action::SendFrame(frame));
    }

    /// At most one GET and one POST are under way; a server ends the session over a second one.
    fn flush_requests(&mut self, now: Instant) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let Carrier::Polling { requests, .. } = &mut open.carrier else {
            return;
        };
        let target = Target::new(
            &self.config,
            self.version,
            Transport::Polling,
            Some(&open.sid),
        );
        if requests.post.is_none() {
            let version = self.version;
            if !self.outbox.is_empty() {
                let count = payload::fitting(version, &self.outbox, open.max_payload);
                let body = payload::encode(version, self.outbox.iter().take(count));
                for packet in self.outbox.drain(..count) {
                    self.unsent_bytes = self
                        .unsent_bytes
                        .saturating_sub(packet.encoded_len(self.version));
                    self.beat_waits &= !matches!(packet, Packet::Ping(_) | Packet::Pong(_));
                }
                requests.post = Some(later(now, self.config.request_timeout));
                self.posting = count;
                self.actions.push_back(Action::Post(target.clone(), body));
            } else if let Some(closing) = &mut open.closing {
                if closing.told {
                    return self.closed(CloseReason::Local);
                }
                // In a body of its own: a Socket.IO server handles messages later than a `close` in the same body,
                // and drops them then. The reference client waits for its buffer to drain, too.
                closing.told = true;
                requests.post = Some(later(now, self.config.request_timeout));
                self.posting = 1;
                let body = payload::encode(version, [&Packet::Close]);
                self.actions.push_back(Action::Post(target.clone(), body));
            }
        }
        if !requests.get && open.closing.is_none() {
            requests.get = true;
            self.actions.push_back(Action::Get(target));
        }
    }

    // Closed.

    fn broken(&mut self, now: Instant, error: DecodeError) {
        let reason = ProtocolError::from(error).into();
        match &self.state {
            State::Opening(_) => self.opening_failed(now, reason),
            State::Open(_) | State::Closed => self.closed(reason),
        }
    }

    /// After this, silence: what was received stays readable, what was not sent is dropped.
    fn closed(&mut self, reason: CloseReason) {
        let reason = match &self.state {
            // Whatever ends a session that is being closed, the caller wanted it to end.
            State::Open(open) if open.closing.is_some() => CloseReason::Local,
            State::Closed => return,
            State::Opening(_) | State::Open(_) => reason,
        };
        self.state = State::Closed;
        self.outbox.clear();
        self.actions.clear();
        self.unsent_bytes = 0;
        self.events.push_back(Event::Closed(reason));
    }
}

/// What a frame counts for among the unsent bytes: an empty one waits, too.
fn weight(frame: &Frame) -> usize {
    frame.len().max(1)
}
