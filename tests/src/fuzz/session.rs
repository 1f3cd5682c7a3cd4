//! A Socket.IO session between a server that says anything at all and a program that does anything at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::{ByteString, CloseReason, Handshake, Message, Refusal, Transport, Version};
use socketio::session::{
    AckKey, AckTicket, Action, Auth, AuthKey, Config, Event, Input, Join, NamespaceKey, Session,
};
use socketio::{Args, EmitError, Json, Namespace, Offline, ProviderError, Reconnection, Retries};
use socketio_codec::{Event as Emitted, Parser, ParserDecoder, Query, Revision};

use super::connection::broken;
use super::script::{self, Timer, after, lines, number};

/// A script. Its first line are the settings, letter by letter: `3`, `4` and `a` the revision, `m` for MessagePack, `r`
/// to retry the first attempt, too, `d` to retry none, `n` to retry two, `o` to refuse events while offline, `u` to
/// remember an upgrade, `l` for small limits. Then:
///
/// | line | what happens |
/// |---|---|
/// | `j/chat {…}` | a namespace is joined, with this auth payload; letters before the `/`: `a` asks for it, `q` has a query, `r` retries, `s` is told what is sent |
/// | `l0` | the first namespace is left; `L0` because nobody reads |
/// | `o{…}`, `O{…}` | the link opens with this handshake, on polling or WebSocket; in the other revision behind a `!` |
/// | `u` | it upgrades |
/// | `t…`, `b…` | a message, text or binary |
/// | `c0` | the link is closed, or does not open: one of the reasons |
/// | `n` | there is nothing to open it with |
/// | `a{…}` | the auth payload that was asked for; `a!` there is none |
/// | `e0 ["name",…]` | an event in the first namespace; `v` if it can leave at once, `d` within a second, `k` with an acknowledgement, `y` again and again until there is one |
/// | `x0` | the first acknowledgement is not awaited any more |
/// | `p[…]` | the oldest event that wants it is acknowledged |
/// | `z`, `Z` | the program stops reading, and resumes |
/// | `w`, `W`, `f`, `F` | the link takes nothing more, and does; not everything has left, and has |
/// | `R` | reconnect |
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

fn config(settings: &[u8]) -> Config {
    let mut config = Config::default();
    config.limits.max_buffered_events = 16;
    for letter in settings {
        match letter {
            b'3' => config.version = Version::V3,
            b'4' => config.version = Version::V4,
            b'a' => config.version = Version::Auto,
            b'm' => config.parser = Parser::msgpack(),
            b'r' => config.reconnection.retry_on_initial_connect = true,
            b'd' => config.reconnection = Reconnection::disabled(),
            b'n' => config.reconnection.max_attempts = Some(2),
            b'o' => config.offline = Offline::Reject,
            b'u' => config.remember_upgrade = true,
            b'l' => {
                config.limits.max_held_events = 2;
                config.limits.max_held_bytes = 64;
                config.limits.max_buffered_events = 2;
                config.limits.max_buffered_bytes = 64;
                config.limits.max_pending_acks = 2;
                config.limits.codec.max_attachments = 2;
                config.limits.codec.max_attachment_bytes = 16;
            }
            _ => {}
        }
    }
    config
}

/// What the session has been told of its link.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Link {
    None,
    Opening(Version),
    Open(Version),
    Closing,
}

/// What the user of a namespace has been told.
#[derive(Debug, Default)]
struct Told {
    connected: bool,
    over: bool,
}

struct Life {
    session: Session,
    config: Config,
    now: Instant,
    timer: Timer,
    link: Link,
    reading: bool,
    /// What a server makes of what is sent.
    server: Option<ParserDecoder>,
    keys: Vec<NamespaceKey>,
    told: BTreeMap<usize, Told>,
    asked: VecDeque<AuthKey>,
    tickets: VecDeque<AckTicket>,
    awaited: BTreeSet<AckKey>,
}

impl Life {
    fn new(config: Config) -> Self {
        Self {
            session: Session::new(config.clone(), 7),
            config,
            now: script::start(),
            timer: Timer::default(),
            link: Link::None,
            reading: true,
            server: None,
            keys: Vec::new(),
            told: BTreeMap::new(),
            asked: VecDeque::new(),
            tickets: VecDeque::new(),
            awaited: BTreeSet::new(),
        }
    }

    fn play(&mut self, verb: u8, rest: &[u8]) {
        let now = self.now;
        match verb {
            b'j' => self.join(rest),
            b'l' | b'L' => {
                if let Some(key) = self.key(rest).0 {
                    match verb {
                        b'l' => self.session.leave(now, key),
                        _ => self.session.leave_unread(now, key),
                    }
                }
            }
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
            b'e' | b'v' | b'd' | b'k' | b'y' => self.emit(verb, rest),
            b'x' => {
                let nth = usize::try_from(number(rest).0).unwrap_or_default();
                if let Some(ack) = self.awaited.iter().nth(nth).copied() {
                    self.session.cancel_ack(now, ack);
                    self.awaited.remove(&ack);
                }
            }
            b'p' => {
                if let (Some(ticket), Some(args)) = (self.tickets.pop_front(), arguments(rest)) {
                    drop(self.session.reply(ticket, args));
                }
            }
            b'z' | b'Z' => {
                self.reading = verb == b'Z';
                self.session.set_reading(now, self.reading);
            }
            b'w' | b'W' => self.session.set_writable(now, verb == b'W'),
            b'f' | b'F' => self.session.set_flushed(now, verb == b'F'),
            b'R' => self.session.reconnect(now),
            b'+' => self.pass(after(now, rest)),
            b'~' => {
                self.now = after(now, rest);
                self.session.handle_timeout(self.now);
            }
            _ => {}
        }
    }

    fn join(&mut self, rest: &[u8]) {
        let start = rest.iter().position(|&byte| byte == b'/');
        let (letters, rest) = rest.split_at(start.unwrap_or(rest.len()));
        let end = rest.iter().position(|&byte| byte == b' ');
        let (name, auth) = rest.split_at(end.unwrap_or(rest.len()));
        let Some(name) = std::str::from_utf8(name)
            .ok()
            .and_then(|name| Namespace::try_from(name).ok())
        else {
            return;
        };
        let mut join = json(auth).map_or_else(Join::default, Join::with_auth);
        for letter in letters {
            match letter {
                b'a' => join.auth = Auth::Asked,
                b'q' => join.query = Query::try_from("token=ok&x=a%20b").ok(),
                b'r' => {
                    let mut retries = Retries::default();
                    retries.max = 2;
                    join.retries = Some(retries);
                }
                b's' => join.report_sent = true,
                _ => {}
            }
        }
        if let Ok(key) = self.session.join(self.now, name, join) {
            assert!(!self.keys.contains(&key), "a key that another one had");
            self.told.insert(self.keys.len(), Told::default());
            self.keys.push(key);
        }
    }

    /// A namespace by its number, and what is behind it.
    fn key<'a>(&self, rest: &'a [u8]) -> (Option<NamespaceKey>, &'a [u8]) {
        let (nth, rest) = number(rest);
        let key = usize::try_from(nth).ok().and_then(|nth| self.keys.get(nth));
        (key.copied(), rest)
    }

    fn emit(&mut self, verb: u8, rest: &[u8]) {
        let (Some(key), rest) = self.key(rest) else {
            return;
        };
        let Some(event) = event(rest) else {
            return;
        };
        let (now, second) = (self.now, Duration::from_secs(1));
        let session = &mut self.session;
        let awaited = match verb {
            b'e' => session.emit(key, event).map(|()| None),
            b'v' => session.emit_volatile(key, event).map(|()| None),
            b'd' => session.emit_before(key, event, now + second).map(Some),
            b'k' => session.emit_with_ack(key, event, now + second).map(Some),
            _ => session.emit_retried(now, key, event, second).map(Some),
        };
        match awaited {
            Ok(ack) => {
                if let Some(ack) = ack {
                    assert!(self.awaited.insert(ack), "two awaited things of one name");
                }
                assert!(self.session.is_wanted(key), "accepted, and nobody is there");
            }
            Err(EmitError::Disconnected) => assert!(!self.session.is_wanted(key)),
            Err(_) => {}
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
            self.server = Some(self.config.parser.decoder(limits, revision));
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
                self.told(key, event);
            }
        }
        while let Some((ack, _)) = self.session.poll_ack() {
            assert!(self.awaited.remove(&ack), "settled, and nobody awaits it");
        }
        assert!(
            self.session.poll_action().is_none(),
            "an action behind the events"
        );
        self.bounded();
    }

    fn bounded(&self) {
        assert_eq!(self.session.pending_acks(), self.awaited.len());
        let limits = &self.config.limits;
        assert!(self.awaited.len() <= limits.max_pending_acks);
        for key in &self.keys {
            let depth = self.session.depth(*key);
            // What is retried waits in a queue of its own.
            assert!(depth.events <= 2 * limits.max_buffered_events);
        }
        if self.session.is_idle() {
            assert_eq!(self.link, Link::None, "nothing to do, and a link");
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

    fn told(&mut self, key: NamespaceKey, event: Event) {
        let nth = self.keys.iter().position(|known| *known == key);
        let told = nth.and_then(|nth| self.told.get_mut(&nth));
        let told = told.expect("a namespace that was joined");
        assert!(!told.over, "{event:?} behind the last event");
        told.over = event.is_final();
        match event {
            Event::Connected(_) => {
                assert!(!told.connected, "connected twice");
                told.connected = true;
            }
            Event::Message(mut message) => {
                assert!(
                    told.connected,
                    "an event in a namespace that is not connected"
                );
                self.tickets.extend(message.ack());
            }
            Event::Upgraded(_) => assert!(told.connected),
            Event::Disconnected { .. } => told.connected = false,
            Event::ConnectError { .. } => assert!(!told.connected),
            Event::Sent(_) | Event::SentMore(_) | Event::Unsent { .. } => {}
            other => panic!("nobody knows {other:?}"),
        }
    }

    /// Everybody can leave, and then nothing is left: nothing awaited, nothing to wait for.
    fn end(&mut self) {
        self.reading = true;
        self.session.set_reading(self.now, true);
        self.settle();
        for key in self.keys.clone() {
            self.session.leave(self.now, key);
            self.settle();
            assert!(!self.session.is_wanted(key));
        }
        if self.link != Link::None {
            self.closed(CloseReason::Local);
            self.settle();
        }
        assert!(self.told.values().all(|told| told.over), "no last event");
        assert!(self.awaited.is_empty(), "{:?} never settle", self.awaited);
        assert!(self.session.is_idle(), "{:?}", self.session);
        assert_eq!(self.session.poll_timeout(), None);
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

fn json(text: &[u8]) -> Option<Json> {
    Json::from_text(std::str::from_utf8(text).ok()?).ok()
}

/// Where there are placeholders, there are two attachments.
fn attachments(text: &str) -> Vec<Bytes> {
    let all = [&b"\xde\xad"[..], b"\x09"].map(Bytes::from_static);
    let any = text.contains("_placeholder");
    all.into_iter().filter(|_| any).collect()
}

fn arguments(text: &[u8]) -> Option<Args> {
    let text = std::str::from_utf8(text).ok()?;
    Args::from_json(text, attachments(text)).ok()
}

fn event(text: &[u8]) -> Option<Emitted> {
    let text = std::str::from_utf8(text).ok()?;
    Emitted::from_json(text, attachments(text), Revision::R5).ok()
}
