//! The program above a Socket.IO client: what it does, what it is told, and what it may rely on.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socketio::session::{AckKey, AckTicket, Auth, Config, Event, Join, NamespaceKey, Session};
use socketio::{Args, EmitError, Json, Limits, Namespace, Offline, Reconnection, Retries, Version};
use socketio_codec::{Event as Emitted, Parser, Query, Revision};

use super::script::number;

/// One that joins and leaves, emits and answers, as its script says:
///
/// | line | what happens |
/// |---|---|
/// | `j/chat {…}` | a namespace is joined, with this auth payload; letters before the `/`: `a` asks for it, `q` has a query, `r` retries, `s` is told what is sent |
/// | `l0` | the first namespace is left; `L0` because nobody reads |
/// | `e0 ["name",…]` | an event in the first namespace; `v` if it can leave at once, `d` within a second, `k` with an acknowledgement, `y` again and again until there is one |
/// | `x0` | the first acknowledgement is not awaited any more |
/// | `p[…]` | the oldest event that wants it is acknowledged |
/// | `R` | reconnect |
#[derive(Debug)]
pub(super) struct Program {
    limits: Limits,
    namespaces: Vec<Joined>,
    tickets: VecDeque<AckTicket>,
    /// And whether there is a limit to that whatever happens: what is retried has none while there is no connection.
    awaited: BTreeMap<AckKey, bool>,
}

/// A namespace, and what was told of it.
#[derive(Debug)]
struct Joined {
    key: NamespaceKey,
    /// Its auth payload is the program's to give, whenever that may be.
    asked: bool,
    connected: bool,
    over: bool,
}

impl Program {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            limits: config.limits.clone(),
            namespaces: Vec::new(),
            tickets: VecDeque::new(),
            awaited: BTreeMap::new(),
        }
    }

    /// Plays a line, if it is one of the program's.
    pub(super) fn play(&mut self, session: &mut Session, now: Instant, verb: u8, rest: &[u8]) {
        match verb {
            b'j' => self.join(session, now, rest),
            b'l' | b'L' => {
                if let Some(key) = self.key(rest).0 {
                    match verb {
                        b'l' => session.leave(now, key),
                        _ => session.leave_unread(now, key),
                    }
                }
            }
            b'e' | b'v' | b'd' | b'k' | b'y' => self.emit(session, now, verb, rest),
            b'x' => {
                let nth = usize::try_from(number(rest).0).unwrap_or_default();
                if let Some(ack) = self.awaited.keys().nth(nth).copied() {
                    session.cancel_ack(now, ack);
                    self.awaited.remove(&ack);
                }
            }
            b'p' => {
                if let (Some(ticket), Some(args)) = (self.tickets.pop_front(), arguments(rest)) {
                    drop(session.reply(ticket, args));
                }
            }
            b'R' => session.reconnect(now),
            _ => {}
        }
    }

    fn join(&mut self, session: &mut Session, now: Instant, rest: &[u8]) {
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
        if let Ok(key) = session.join(now, name, join) {
            assert!(!self.is_known(key), "a key that another one had");
            self.namespaces.push(Joined {
                key,
                asked: letters.contains(&b'a'),
                connected: false,
                over: false,
            });
        }
    }

    /// A namespace by its number, and what is behind it.
    fn key<'a>(&self, rest: &'a [u8]) -> (Option<NamespaceKey>, &'a [u8]) {
        let (nth, rest) = number(rest);
        let key = usize::try_from(nth)
            .ok()
            .and_then(|nth| self.namespaces.get(nth));
        (key.map(|joined| joined.key), rest)
    }

    fn emit(&mut self, session: &mut Session, now: Instant, verb: u8, rest: &[u8]) {
        let (Some(key), rest) = self.key(rest) else {
            return;
        };
        let Some(event) = event(rest) else {
            return;
        };
        let second = Duration::from_secs(1);
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
                    let before = self.awaited.insert(ack, verb != b'y');
                    assert!(before.is_none(), "two awaited things of one name");
                }
                assert!(session.is_wanted(key), "accepted, and nobody is there");
            }
            Err(EmitError::Disconnected) => assert!(!session.is_wanted(key)),
            Err(_) => {}
        }
    }

    pub(super) fn told(&mut self, key: NamespaceKey, event: Event) {
        let mut joined = self.namespaces.iter_mut();
        let told = joined.find(|joined| joined.key == key);
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

    fn is_known(&self, key: NamespaceKey) -> bool {
        self.namespaces.iter().any(|joined| joined.key == key)
    }

    /// What is awaited settles once.
    pub(super) fn settled(&mut self, ack: AckKey) {
        let awaited = self.awaited.remove(&ack);
        assert!(awaited.is_some(), "settled, and nobody awaits it");
    }

    /// To be called when everything has been told.
    pub(super) fn bounded(&self, session: &Session) {
        assert_eq!(session.pending_acks(), self.awaited.len());
        assert!(self.awaited.len() <= self.limits.max_pending_acks);
        if self.awaited.values().any(|is_limited| *is_limited) {
            assert!(session.poll_timeout().is_some(), "awaited for ever");
        }
        for joined in &self.namespaces {
            let depth = session.depth(joined.key);
            // What is retried waits in a queue of its own.
            assert!(depth.events <= 2 * self.limits.max_buffered_events);
        }
    }

    /// Whether a namespace waits for the server, or for another attempt.
    pub(super) fn waits(&self, session: &Session) -> bool {
        let mut namespaces = self.namespaces.iter();
        namespaces.any(|told| session.is_wanted(told.key) && !told.asked && !told.connected)
    }

    /// Leaves everything.
    pub(super) fn leaves(&self, session: &mut Session, now: Instant) {
        for joined in &self.namespaces {
            session.leave(now, joined.key);
            assert!(!session.is_wanted(joined.key));
        }
    }

    /// When everybody has left, and everything is told, nothing is left.
    pub(super) fn over(&self, session: &Session) {
        let mut namespaces = self.namespaces.iter();
        assert!(namespaces.all(|told| told.over), "no last event");
        assert!(self.awaited.is_empty(), "{:?} never settle", self.awaited);
        assert!(session.is_idle(), "{session:?}");
        assert_eq!(session.poll_timeout(), None);
    }
}

/// The settings of a session, letter by letter: `3`, `4` and `a` the revision, `m` for MessagePack, `r` to retry the
/// first attempt, too, `d` to retry none, `n` to retry two, `o` to refuse events while offline, `e` to remember an upgrade,
/// `l` for small limits.
pub(super) fn config(settings: &[u8]) -> Config {
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
            b'e' => config.remember_upgrade = true,
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

pub(super) fn json(text: &[u8]) -> Option<Json> {
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
