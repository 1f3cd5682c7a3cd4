//! Scripts of a session under simulated time: what happens, what the session wants done, and what it tells.

mod acks;
mod asking;
mod deciding;
mod hostile;
mod joining;
mod leaving;
mod messages;
mod parsers;
mod pausing;
mod promises;
mod reconnecting;
mod recovering;
mod retrying;
mod revision_4;
mod sending;
mod unknown_revision;

use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::{CloseReason, Handshake, Message, Transport, Version};
use socketio_codec as codec;
use socketio_codec::{Args, Json, Namespace, Query};

use super::*;
use crate::error::EmitError;
use crate::{Limits, Reconnection};

const REPLY: &str = r#"0{"sid":"s1"}"#;

struct Script {
    session: Session,
    now: Instant,
    tickets: Vec<AckTicket>,
    asked: Vec<AuthKey>,
}

impl Script {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// Jitter is off, so that delays are round: 1, 2, 4, 5, 5, … seconds.
    #[expect(clippy::disallowed_methods, reason = "the origin of simulated time")]
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.reconnection.jitter = 0.0;
        change(&mut config);
        Self {
            session: Session::new(config, 7),
            now: Instant::now(),
            tickets: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// A session that has joined `/`.
    fn joined() -> (Self, NamespaceKey) {
        Self::joined_with(|_| {})
    }

    fn joined_with(change: impl FnOnce(&mut Config)) -> (Self, NamespaceKey) {
        let mut script = Self::with(change);
        let key = script.join("/");
        script.link_opened();
        script.server(REPLY);
        script.wants(&["open link", "0"]);
        script.tells(&["/ connected as s1"]);
        (script, key)
    }

    fn join(&mut self, namespace: &str) -> NamespaceKey {
        self.try_join(namespace, None).unwrap()
    }

    fn try_join(
        &mut self,
        namespace: &str,
        auth: Option<serde_json::Value>,
    ) -> Result<NamespaceKey, ConnectError> {
        let auth = auth.map(|auth| Json::from_serialize(&auth).unwrap());
        let settings = auth.map_or_else(Join::default, Join::with_auth);
        self.try_join_with(namespace, settings)
    }

    fn try_join_with(
        &mut self,
        namespace: &str,
        settings: Join,
    ) -> Result<NamespaceKey, ConnectError> {
        let namespace = Namespace::try_from(namespace).unwrap();
        self.session.join(self.now, namespace, settings)
    }

    fn link_opened(&mut self) {
        self.link_opened_with(Transport::WebSocket, None);
    }

    fn link_opened_with(&mut self, transport: Transport, max_payload: Option<u64>) {
        self.link_opened_as(Version::V4, transport, max_payload);
    }

    fn link_opened_as(&mut self, version: Version, transport: Transport, max_payload: Option<u64>) {
        let handshake = r#"{"sid":"engine-sid","pingInterval":1,"pingTimeout":1}"#;
        let mut handshake = Handshake::parse(handshake).unwrap();
        handshake.max_payload = max_payload;
        self.session.handle_input(
            self.now,
            Input::LinkOpened {
                handshake: Box::new(handshake),
                transport,
                version,
            },
        );
    }

    fn link_closed(&mut self, reason: CloseReason) {
        self.session
            .handle_input(self.now, Input::LinkClosed(reason));
    }

    /// The link breaks.
    fn link_lost(&mut self) {
        self.link_closed(CloseReason::PingTimeout);
    }

    fn server(&mut self, text: &str) {
        self.session
            .handle_input(self.now, Input::Message(Message::from(text)));
    }

    fn server_binary(&mut self, bytes: &'static [u8]) {
        let message = Message::Binary(Bytes::from_static(bytes));
        self.session.handle_input(self.now, Input::Message(message));
    }

    fn emit(&mut self, key: NamespaceKey, name: &str) -> Result<(), EmitError> {
        self.session
            .emit(key, codec::Event::new(name, &()).unwrap())
    }

    fn emit_with_ack(&mut self, key: NamespaceKey, name: &str, seconds: u64) -> AckKey {
        let deadline = self.now + Duration::from_secs(seconds);
        let event = codec::Event::new(name, &()).unwrap();
        self.session.emit_with_ack(key, event, deadline).unwrap()
    }

    /// Time goes by; what is due is done when it is due.
    fn after(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            assert!(
                self.session
                    .poll_timeout()
                    .is_none_or(|next| next > self.now),
                "a timer is left behind"
            );
        }
        self.now = end;
        self.session.handle_timeout(end);
    }

    /// Long enough to join again what was left.
    fn after_leaving(&mut self) {
        self.after(namespace::REJOIN_PAUSE);
    }

    fn after_secs(&mut self, seconds: u64) {
        self.after(Duration::from_secs(seconds));
    }

    /// How long until something is due.
    fn due_in(&self) -> Option<Duration> {
        self.session
            .poll_timeout()
            .map(|at| at.saturating_duration_since(self.now))
    }

    fn actions(&mut self) -> Vec<String> {
        let actions: Vec<_> = std::iter::from_fn(|| self.session.poll_action()).collect();
        actions
            .into_iter()
            .map(|action| match action {
                Action::OpenLink {
                    websocket_first: true,
                    ..
                } => "open link by websocket".into(),
                Action::OpenLink {
                    version: Version::V4,
                    ..
                } => "open link".into(),
                Action::OpenLink { version, .. } => format!("open link as {version:?}"),
                Action::AskAuth { key, attempt } => {
                    self.asked.push(key);
                    let name = &self.session.slots[key.namespace().index()].name;
                    format!("auth of {name}, attempt {attempt}?")
                }
                Action::CloseLink => "close link".into(),
                Action::Send(Message::Text(text)) => text.to_string(),
                Action::Send(Message::Binary(bytes)) => format!("binary {:02x?}", bytes.as_ref()),
                other => format!("{other:?}"),
            })
            .collect()
    }

    fn events(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some((key, event)) = self.session.poll_event() {
            let name = self.session.slots[key.index()].name.clone();
            let retry = |retry_in: Option<Duration>| {
                retry_in.map_or("for good".into(), |delay| format!("retry in {delay:?}"))
            };
            lines.push(match event {
                Event::Connected(connected) => {
                    let id = connected.id.as_deref().unwrap_or("nobody");
                    let recovered = if connected.recovered {
                        ", recovered"
                    } else {
                        ""
                    };
                    format!("{name} connected as {id}{recovered}")
                }
                Event::Message(mut message) => {
                    let ack = message.ack();
                    let wants_ack = if ack.is_some() { " wants ack" } else { "" };
                    self.tickets.extend(ack);
                    format!("{name} {}{wants_ack}", message.json())
                }
                Event::Upgraded(transport) => format!("{name} upgraded to {transport}"),
                Event::Disconnected { reason, retry_in } => {
                    format!("{name} disconnected: {reason}; {}", retry(retry_in))
                }
                Event::ConnectError { error, retry_in } => {
                    format!("{name} connect error: {error}; {}", retry(retry_in))
                }
                Event::Sent(event) => format!("{name} sent {}", event.json()),
                Event::SentMore(events) => format!("{name} sent {events} more"),
                Event::Unsent { events, error } => format!("{name} {events} unsent: {error}"),
                Event::Lagged(events) => format!("{name} lagged by {events}"),
            });
        }
        lines
    }

    /// Nothing said so far matters.
    fn skip(&mut self) {
        self.skip_actions();
        self.skip_events();
    }

    fn skip_actions(&mut self) {
        drop(self.actions());
    }

    fn skip_events(&mut self) {
        drop(self.events());
    }

    fn acks(&mut self) -> Vec<(AckKey, Result<String, AckError>)> {
        let acks = std::iter::from_fn(|| self.session.poll_ack());
        acks.map(|(key, result)| (key, result.map(|args| args.json().into_owned())))
            .collect()
    }

    /// Everything that the session wants done by now, and nothing else.
    #[track_caller]
    fn wants(&mut self, expected: &[&str]) {
        assert_eq!(self.actions(), expected);
    }

    /// Everything that the session tells by now, and nothing else.
    #[track_caller]
    fn tells(&mut self, expected: &[&str]) {
        assert_eq!(self.events(), expected);
    }
}
