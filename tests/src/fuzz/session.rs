//! A Socket.IO session between a server that says anything at all and a program that does anything at all.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use engineio::{ByteString, CloseReason, Handshake, Message, Refusal, Transport, Version};
use socketio::ProviderError;
use socketio::session::{Action, AuthKey, Config, Input, Session};
use socketio_codec::{Parser, ParserDecoder, Revision};

use super::connection::broken;
use super::program::{Program, config, json};
use super::script::{self, Timer, after, lines, number};

/// A script. Its first line are the settings of `config`. Then the lines of a `Program`, and:
///
/// | line | what happens |
/// |---|---|
/// | `o{…}`, `O{…}` | the link opens with this handshake, on polling or WebSocket; in the other revision behind a `!` |
/// | `u` | it upgrades |
/// | `t…`, `b…` | a message, text or binary |
/// | `c0` | the link is closed, or does not open: one of the reasons |
/// | `n` | there is nothing to open it with |
/// | `a{…}` | the auth payload that was asked for; `a!` there is none |
/// | `z`, `Z` | the program stops reading, and resumes |
/// | `w`, `W`, `f`, `F` | the link takes nothing more, and does; not everything has left, and has |
/// | `+100` | so many milliseconds pass; `~100` while the program sleeps |
pub fn session(data: &[u8]) {
    let (settings, script) = script::settings(data);
    let mut life = Life::new(config(settings));
    for (verb, rest) in lines(script) {
        life.play(verb, rest);
        life.settle();
    }
    life.end();
}

/// What the session has been told of its link.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Link {
    None,
    Opening(Version),
    Open(Version),
    Closing,
}

struct Life {
    session: Session,
    parser: Parser,
    now: Instant,
    timer: Timer,
    link: Link,
    reading: bool,
    flushed: bool,
    /// What a server makes of what is sent.
    server: Option<ParserDecoder>,
    program: Program,
    asked: VecDeque<AuthKey>,
}

impl Life {
    fn new(config: Config) -> Self {
        Self {
            parser: config.parser.clone(),
            now: script::start(),
            timer: Timer::default(),
            link: Link::None,
            reading: true,
            flushed: true,
            server: None,
            program: Program::new(&config),
            asked: VecDeque::new(),
            session: Session::new(config, 7),
        }
    }

    fn play(&mut self, verb: u8, rest: &[u8]) {
        let now = self.now;
        match verb {
            b'o' => self.opened(Transport::Polling, rest),
            b'O' => self.opened(Transport::WebSocket, rest),
            b'u' => self.input(Input::LinkUpgraded(Transport::WebSocket)),
            b't' => {
                if let Ok(text) = ByteString::try_from(Bytes::copy_from_slice(rest)) {
                    self.input(Input::Message(Message::Text(text)));
                }
            }
            b'b' => self.input(Input::Message(Bytes::copy_from_slice(rest).into())),
            b'c' => self.closed(reason(rest)),
            b'n' => {
                if matches!(self.link, Link::Opening(_)) {
                    self.link = Link::None;
                }
                self.input(Input::NoTarget(ProviderError::Failed("none".into())));
            }
            b'a' => {
                if let Some(key) = self.asked.pop_front() {
                    let auth = match rest {
                        b"!" => Err(ProviderError::Failed("none".into())),
                        rest => Ok(json(rest)),
                    };
                    self.input(Input::Auth { key, auth });
                }
            }
            b'z' | b'Z' => {
                self.reading = verb == b'Z';
                self.session.set_reading(now, self.reading);
            }
            b'w' | b'W' => self.session.set_writable(now, verb == b'W'),
            b'f' | b'F' => {
                self.flushed = verb == b'F';
                self.session.set_flushed(now, self.flushed);
            }
            b'+' => self.pass(after(now, rest)),
            b'~' => {
                self.now = after(now, rest);
                self.session.handle_timeout(self.now);
            }
            _ => self.program.play(&mut self.session, now, verb, rest),
        }
    }

    fn opened(&mut self, transport: Transport, rest: &[u8]) {
        let (other, rest) = match rest.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let json = std::str::from_utf8(rest).ok();
        let Some(handshake) = json.and_then(|json| Handshake::parse(json).ok()) else {
            return;
        };
        let version = match self.link {
            Link::Opening(Version::Auto) if other => Version::V3,
            Link::Opening(Version::V3) => Version::V3,
            _ => Version::V4,
        };
        if let Link::Opening(_) = self.link {
            self.link = Link::Open(version);
            let revision = match version {
                Version::V3 => Revision::R4,
                _ => Revision::R5,
            };
            let limits = socketio_codec::Limits::default();
            self.server = Some(self.parser.decoder(limits, revision));
        }
        self.input(Input::LinkOpened {
            handshake: Box::new(handshake),
            transport,
            version,
        });
    }

    fn closed(&mut self, reason: CloseReason) {
        self.link = Link::None;
        self.server = None;
        self.input(Input::LinkClosed(reason));
    }

    fn input(&mut self, input: Input) {
        self.session.handle_input(self.now, input);
    }

    /// Time passes, and each deadline is kept.
    fn pass(&mut self, until: Instant) {
        for _ in 0..512 {
            let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.settle();
            self.timer.served(self.now, self.session.poll_timeout());
        }
        self.now = self.now.max(until);
    }

    /// Carries out and hears out, until there is nothing left.
    fn settle(&mut self) {
        while let Some(action) = self.session.poll_action() {
            self.act(action);
        }
        let unfinished = self
            .server
            .as_ref()
            .is_some_and(ParserDecoder::is_assembling);
        assert!(!unfinished, "half a packet was sent");
        if self.reading {
            while let Some((key, event)) = self.session.poll_event() {
                self.program.told(key, event);
            }
        }
        while let Some((ack, _)) = self.session.poll_ack() {
            self.program.settled(ack);
        }
        assert!(
            self.session.poll_action().is_none(),
            "an action behind the events"
        );
        self.program.bounded(&self.session);
        if self.session.is_idle() {
            assert_eq!(self.link, Link::None, "nothing to do, and a link");
        } else if self.link == Link::None {
            let deadline = self.session.poll_timeout();
            assert!(deadline.is_some(), "it waits for a link, and asks for none");
        }
        // Whoever does not read waits for nobody, and who is to be joined again for what was sent to leave.
        let waits = self.reading && self.flushed && matches!(self.link, Link::Open(_));
        if waits && self.program.waits(&self.session) {
            let deadline = self.session.poll_timeout();
            assert!(deadline.is_some(), "a namespace waits for ever");
        }
    }

    fn act(&mut self, action: Action) {
        match (action, self.link) {
            (Action::OpenLink { version, .. }, Link::None) => self.link = Link::Opening(version),
            (Action::Send(message), Link::Open(_)) => self.sent(message),
            (Action::CloseLink, Link::Open(_) | Link::Opening(_)) => self.link = Link::Closing,
            (Action::AskAuth { key, .. }, _) => self.asked.push_back(key),
            (action, link) => panic!("{action:?} while the link is {link:?}"),
        }
    }

    /// A server would understand it.
    fn sent(&mut self, message: Message) {
        let server = self.server.as_mut().expect("a link");
        let result = match message {
            Message::Text(text) => server.text(text),
            Message::Binary(data) => server.binary(data),
            other => panic!("nobody knows {other:?}"),
        };
        assert!(result.is_ok(), "{result:?}");
    }

    /// Everybody can leave, and then nothing is left: nothing awaited, nothing to wait for.
    fn end(&mut self) {
        self.reading = true;
        self.session.set_reading(self.now, true);
        self.settle();
        self.program.leaves(&mut self.session, self.now);
        self.settle();
        if self.link != Link::None {
            self.closed(CloseReason::Local);
            self.settle();
        }
        self.program.over(&self.session);
    }
}

fn reason(rest: &[u8]) -> CloseReason {
    match number(rest).0 {
        0 => CloseReason::Remote { code: None },
        1 => CloseReason::PingTimeout,
        2 => CloseReason::HandshakeTimeout,
        3 => CloseReason::Local,
        4 => broken().into(),
        5 => Refusal::new(
            400,
            br#"{"code":5,"message":"Unsupported protocol version"}"#,
        )
        .into(),
        6 => Refusal::new(403, b"no").into(),
        _ => engineio::ProtocolError::NoHandshake.into(),
    }
}
