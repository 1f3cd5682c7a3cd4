//! An Engine.IO connection between a server that says anything at all and a program that does anything at all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::{
    Action, ByteString, Config, Event, Frame, Input, Message, Packet, Refusal, Response, Transport,
    TransportError, TransportErrorKind, Version, frame, payload,
};

use super::script::{self, Timer, after, lines, number};
use crate::sim::link::Link;

/// A script. Its first line are the settings of `config`. Then:
///
/// | line | what happens |
/// |---|---|
/// | `g…` | the GET is answered with this body; `G404 …` with this status |
/// | `p` | the POST is answered; `P400 …` with this status and body |
/// | `o` | the WebSocket opens; `r400 …` is refused |
/// | `t…`, `b…` | a frame, text or binary |
/// | `c1000` | the WebSocket is closed; without a number by an empty frame |
/// | `xg`, `xp`, `xw` | GET, POST, WebSocket break |
/// | `+100` | so many milliseconds pass; `~100` while the program sleeps |
/// | `s…`, `S…` | the program sends a message, text or binary |
/// | `z`, `Z` | it stops reading, and resumes |
/// | `q` | it closes |
pub fn connection(data: &[u8]) {
    let (settings, script) = script::settings(data);
    let mut life = Life::new(config(settings));
    life.settle();
    for (verb, rest) in lines(script) {
        life.play(verb, rest);
        life.settle();
    }
    life.end();
}

/// The settings of a connection, letter by letter: `3`, `4` and `a` the revision, `p` and `w` the transports in order, `t`
/// to try all of them, `u` not to upgrade, `b` for base64, `s` for small limits.
pub(super) fn config(settings: &[u8]) -> Config {
    let mut config = Config::default();
    config.transports.clear();
    for letter in settings {
        match letter {
            b'3' => config.version = Version::V3,
            b'4' => config.version = Version::V4,
            b'a' => config.version = Version::Auto,
            b'p' => config.transports.push(Transport::Polling),
            b'w' => config.transports.push(Transport::WebSocket),
            b't' => config.try_all_transports = true,
            b'u' => config.upgrade = false,
            b'b' => config.force_base64 = true,
            b's' => config.limits.max_packets_per_payload = 3,
            _ => {}
        }
    }
    config.transports.truncate(2);
    config.transports.dedup();
    config
}

struct Life {
    link: Link,
    now: Instant,
    timer: Timer,
    /// What is spoken, once it is open.
    opened: Option<Version>,
    on_websocket: bool,
    closed: bool,
    max_packets: usize,
    max_payload: Option<u64>,
    /// What was accepted, and has not left.
    sent: VecDeque<Message>,
    received: VecDeque<Message>,
    bytes_sent: u64,
}

impl Life {
    fn new(config: Config) -> Self {
        let now = script::start();
        Self {
            max_packets: config.limits.max_packets_per_payload,
            link: Link::new(config, now),
            now,
            timer: Timer::default(),
            opened: None,
            on_websocket: false,
            closed: false,
            max_payload: None,
            sent: VecDeque::new(),
            received: VecDeque::new(),
            bytes_sent: 0,
        }
    }

    fn play(&mut self, verb: u8, rest: &[u8]) {
        match (network(verb, rest), verb) {
            (Some(Input::GetDone(Ok(response))), _) => self.body(response),
            (Some(Input::Frame(frame)), _) => self.frame(frame),
            (Some(input), _) => self.input(input),
            (None, b'+') => self.pass(after(self.now, rest)),
            (None, b'~') => {
                self.now = after(self.now, rest);
                self.link.handle_timeout(self.now);
            }
            (None, b's') => self.send(String::from_utf8_lossy(rest).into_owned().into()),
            (None, b'S') => self.send(Bytes::copy_from_slice(rest).into()),
            (None, b'z') => self.link.set_reading(self.now, false),
            (None, b'Z') => self.link.set_reading(self.now, true),
            (None, b'q') => self.link.close(self.now),
            _ => {}
        }
    }

    /// What stands in front of an error, or of a close, is received.
    fn body(&mut self, response: Response) {
        let mut expected = None;
        if let (200, Some(version), true) = (response.status, self.opened, self.link.is_polling()) {
            let packets = payload::decode(version, response.body.clone(), self.max_packets);
            let packets = packets.map_while(Result::ok);
            expected = Some(messages(
                packets.take_while(|packet| *packet != Packet::Close),
            ));
        }
        self.input(Input::GetDone(Ok(response)));
        self.expect(expected);
    }

    fn frame(&mut self, frame: Frame) {
        let mut expected = None;
        if let (true, Some(version)) = (self.on_websocket, self.opened) {
            expected = Some(messages(
                frame::decode(version, frame.clone()).ok().into_iter(),
            ));
        }
        self.input(Input::Frame(frame));
        self.expect(expected);
    }

    fn expect(&mut self, expected: Option<Vec<Message>>) {
        let over = self.closed;
        self.settle();
        let received = std::mem::take(&mut self.received);
        if let (Some(expected), false) = (expected, over) {
            assert_eq!(received, expected, "what was received is not what was told");
        }
    }

    fn input(&mut self, input: Input) {
        self.link.handle_input(self.now, input);
    }

    fn send(&mut self, message: Message) {
        let open = self.opened.is_some() && !self.closed;
        if self.link.send(self.now, message.clone()).is_ok() {
            assert!(open, "accepted by a connection that is not open");
            self.sent.push_back(message);
        }
    }

    /// Time passes, and each deadline is kept.
    fn pass(&mut self, until: Instant) {
        for _ in 0..512 {
            let Some(at) = self.link.poll_timeout().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.link.handle_timeout(self.now);
            self.settle();
            self.timer.served(self.now, self.link.poll_timeout());
        }
        self.now = self.now.max(until);
    }

    /// Carries out and hears out, until there is nothing left.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.link.poll_event(self.now) {
                self.told(event);
            }
            let Some(action) = self.link.poll_action() else {
                break;
            };
            self.act(&action);
        }
        self.link.assert_deadline();
        let waits = |message: &Message| message.len().div_ceil(3) * 4 + 16;
        // At most one pong, and the pings of a session that nobody answers.
        let most = 64 + self.sent.iter().map(waits).sum::<usize>();
        let unsent = self.link.unsent_bytes();
        assert!(unsent <= most, "{unsent} bytes wait, of {most}");
        if !self.closed {
            assert_eq!(self.link.stats().bytes_sent, self.bytes_sent);
        }
    }

    fn act(&mut self, action: &Action) {
        let Some(version) = self.opened else {
            return;
        };
        match action {
            Action::Post(_, body) => {
                self.bytes_sent += body.len() as u64;
                let max = self.max_payload.unwrap_or(u64::MAX).max(3);
                assert!(body.len() as u64 <= max, "more than the server takes");
                for packet in payload::decode(version, body.clone(), usize::MAX) {
                    self.left(packet.expect("our own payload"));
                }
            }
            Action::SendFrame(frame) => {
                self.bytes_sent += frame.len() as u64;
                self.left(frame::decode(version, frame.clone()).expect("our own frame"));
            }
            _ => {}
        }
    }

    /// Messages leave as they were sent, in that order, once.
    fn left(&mut self, packet: Packet) {
        if let Packet::Message(message) = packet {
            assert_eq!(self.sent.pop_front(), Some(message));
        }
    }

    fn told(&mut self, event: Event) {
        assert!(!self.closed, "{event:?} behind the end");
        match event {
            Event::Opened {
                handshake,
                transport,
                version,
            } => {
                assert_eq!(self.opened, None, "opened twice");
                assert_ne!(version, Version::Auto);
                self.opened = Some(version);
                self.max_payload = handshake.max_payload;
                self.on_websocket = transport == Transport::WebSocket;
            }
            Event::Message(message) => {
                assert!(self.opened.is_some(), "a message before the handshake");
                self.received.push_back(message);
            }
            Event::Upgraded(transport) => {
                assert_eq!(transport, Transport::WebSocket);
                assert!(!self.on_websocket, "upgraded twice");
                self.on_websocket = true;
            }
            Event::TransportFailed { .. } => assert_eq!(self.opened, None),
            Event::UpgradeFailed(_) => assert!(self.opened.is_some() && !self.on_websocket),
            Event::Closed(_) => {
                self.closed = true;
                self.sent.clear();
            }
            other => panic!("nobody knows {other:?}"),
        }
    }

    /// It can always be closed, and a network that says nothing any more does not hold it up.
    fn end(&mut self) {
        self.link.close(self.now);
        self.settle();
        self.pass(self.now + Duration::from_secs(60));
        assert!(self.closed, "it does not close");
    }
}

/// What a line says of the network, if it is one of those.
pub(super) fn network(verb: u8, rest: &[u8]) -> Option<Input> {
    let bytes = Bytes::copy_from_slice(rest);
    let answer = || {
        let (status, body) = number(rest);
        Response::new(status as u16, Bytes::copy_from_slice(body))
    };
    Some(match verb {
        b'g' => Input::GetDone(Ok(Response::new(200, bytes))),
        b'G' => Input::GetDone(Ok(answer())),
        b'p' => Input::PostDone(Ok(Response::new(200, "ok"))),
        b'P' => Input::PostDone(Ok(answer())),
        b'o' => Input::WebSocketOpened,
        b'r' => {
            let answer = answer();
            Input::WebSocketRefused(Refusal::new(answer.status, &answer.body))
        }
        b't' => Input::Frame(Frame::Text(ByteString::try_from(bytes).ok()?)),
        b'b' => Input::Frame(Frame::Binary(bytes)),
        b'c' => {
            let code = (!rest.is_empty()).then(|| number(rest).0 as u16);
            Input::WebSocketClosed(code)
        }
        b'x' => match rest.first() {
            Some(b'g') => Input::GetDone(Err(broken())),
            Some(b'p') => Input::PostDone(Err(broken())),
            _ => Input::WebSocketFailed(broken()),
        },
        _ => return None,
    })
}

/// What a broken transport says.
pub(super) fn broken() -> TransportError {
    TransportError::new(TransportErrorKind::Broken, "cut")
}

fn messages(packets: impl Iterator<Item = Packet>) -> Vec<Message> {
    let message = |packet| match packet {
        Packet::Message(message) => Some(message),
        _ => None,
    };
    packets.filter_map(message).collect()
}
