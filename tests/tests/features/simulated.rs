//! The client under simulated time: both state machines, joined as a driver joins them, and a server of a few lines.

use std::time::{Duration, Instant};

use engineio::{
    Action as Io, Connection, Event as EngineEvent, Frame, Input as FromWire, TransportError,
    TransportErrorKind,
};
use socketio::codec;
use socketio::session::{Action, Config, Event, Input, Join, NamespaceKey, Session};
use socketio::{AckError, Args, EmitError, Namespace, Transport};

use super::SECOND;

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// It lets everybody in and pings every 25 s, with 20 s of patience.
    Up,
    /// Nobody listens on its port.
    Down,
    /// It opens connections and never answers CONNECT.
    Undecided,
    /// It lets everybody in and closes the connection at once.
    Dropping,
    /// It has vanished from the network: nothing comes, and nothing says so.
    Gone,
}

/// A client, its server, and the time.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) server: Server,
    pub(crate) session: Session,
    pub(crate) root: NamespaceKey,
    link: Option<Connection>,
    next_ping: Option<Instant>,
    /// When connections were opened.
    pub(crate) attempts: Vec<Instant>,
    /// The Socket.IO texts that the server got, but for CONNECT.
    pub(crate) received: Vec<String>,
    /// What the client told, and when.
    pub(crate) told: Vec<(Instant, Event)>,
    pub(crate) settled: Vec<Result<Args, AckError>>,
}

impl World {
    /// A client that is about to join `/`.
    pub(crate) fn new(server: Server, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let now = engineio::client::now();
        let mut session = Session::new(config, 7);
        let root = session
            .join(now, Namespace::root(), Join::default())
            .unwrap();
        let mut world = Self {
            now,
            server,
            session,
            root,
            link: None,
            next_ping: None,
            attempts: Vec::new(),
            received: Vec::new(),
            told: Vec::new(),
            settled: Vec::new(),
        };
        world.drive();
        world
    }

    /// A client that has joined `/`.
    pub(crate) fn joined(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = Self::new(Server::Up, change);
        assert!(
            matches!(world.told.pop(), Some((_, Event::Connected(_)))),
            "not connected"
        );
        world
    }

    pub(crate) fn emit(
        &mut self,
        name: &str,
        args: &impl serde::Serialize,
    ) -> Result<(), EmitError> {
        let emitted = self
            .session
            .emit(self.root, codec::Event::new(name, args).unwrap());
        self.drive();
        emitted
    }

    pub(crate) fn emit_with_ack(&mut self, name: &str, timeout: Duration) {
        let event = codec::Event::new(name, &()).unwrap();
        let asked = self
            .session
            .emit_with_ack(self.root, event, self.now + timeout);
        asked.unwrap();
        self.drive();
    }

    /// The server sends a Socket.IO text.
    pub(crate) fn sends(&mut self, text: &str) {
        self.input(FromWire::Frame(Frame::Text(format!("4{text}").into())));
    }

    /// The connection breaks.
    pub(crate) fn cut(&mut self) {
        let broken = TransportError::new(TransportErrorKind::Broken, "cut");
        self.input(FromWire::WebSocketFailed(broken));
    }

    /// Time goes by, and what is due is done when it is due.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = [
                self.session.poll_timeout(),
                self.link.as_ref().and_then(Connection::poll_timeout),
                self.next_ping,
            ];
            let Some(at) = due.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            if self.next_ping.is_some_and(|at| at <= self.now) {
                self.next_ping = (self.server == Server::Up).then(|| self.now + 25 * SECOND);
                if self.server == Server::Up {
                    self.input(FromWire::Frame(Frame::Text("2".into())));
                }
            }
            self.session.handle_timeout(self.now);
            if let Some(link) = &mut self.link {
                link.handle_timeout(self.now);
            }
            self.drive();
        }
        self.now = end;
    }

    /// Time goes by while the process is suspended: nothing at all is done.
    pub(crate) fn suspended(&mut self, time: Duration) {
        self.now += time;
    }

    /// What was told since this was asked last.
    pub(crate) fn take_told(&mut self) -> Vec<(Instant, Event)> {
        std::mem::take(&mut self.told)
    }

    fn input(&mut self, input: FromWire) {
        if let Some(link) = &mut self.link {
            link.handle_input(self.now, input);
        }
        self.drive();
    }

    /// Everything is done that is to be done now: the loop that a driver is.
    fn drive(&mut self) {
        loop {
            if let Some(action) = self.session.poll_action() {
                self.carry_out(action);
            } else if let Some(action) = self.link.as_mut().and_then(Connection::poll_action) {
                self.serve(action);
            } else if let Some(event) = self.link.as_mut().and_then(Connection::poll_event) {
                self.pass_on(event);
            } else if let Some((_, event)) = self.session.poll_event() {
                self.told.push((self.now, event));
            } else if let Some((_, outcome)) = self.session.poll_ack() {
                self.settled.push(outcome);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::OpenLink { .. } => {
                self.attempts.push(self.now);
                let mut config = engineio::Config::default();
                config.transports = vec![Transport::WebSocket];
                self.link = Some(Connection::new(config, self.now));
            }
            Action::Send(message) => {
                let sent = self.link.as_mut().unwrap().send(self.now, message);
                // A link that is gone says so by itself.
                drop(sent);
            }
            Action::CloseLink => self.link.as_mut().unwrap().close(self.now),
            other => panic!("{other:?}"),
        }
    }

    fn pass_on(&mut self, event: EngineEvent) {
        let input = match event {
            EngineEvent::Opened {
                handshake,
                transport,
                version,
            } => Input::LinkOpened {
                handshake,
                transport,
                version,
            },
            EngineEvent::Message(message) => Input::Message(message),
            EngineEvent::Closed(reason) => Input::LinkClosed(reason),
            other => panic!("{other:?}"),
        };
        self.session.handle_input(self.now, input);
    }

    /// The server's part.
    fn serve(&mut self, action: Io) {
        let answers = match (self.server, action) {
            (Server::Gone, _) => vec![],
            (Server::Down, Io::OpenWebSocket(_)) => {
                let refused = TransportError::new(TransportErrorKind::Connect, "nobody listens");
                vec![FromWire::WebSocketFailed(refused)]
            }
            (_, Io::OpenWebSocket(_)) => {
                let open = r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
                self.next_ping = Some(self.now + 25 * SECOND);
                vec![
                    FromWire::WebSocketOpened,
                    FromWire::Frame(Frame::Text(open.into())),
                ]
            }
            (server, Io::SendFrame(Frame::Text(text))) => {
                let joined = FromWire::Frame(Frame::Text(r#"40{"sid":"s"}"#.into()));
                match (text.as_ref(), server) {
                    ("3", _) | ("40", Server::Undecided) => vec![],
                    ("40", Server::Dropping) => vec![joined, FromWire::WebSocketClosed(Some(1000))],
                    ("40", _) => vec![joined],
                    (message, _) => {
                        self.received
                            .push(message.strip_prefix('4').unwrap().to_owned());
                        vec![]
                    }
                }
            }
            (_, Io::CloseWebSocket) => vec![FromWire::WebSocketClosed(Some(1000))],
            _ => vec![],
        };
        for answer in answers {
            self.link.as_mut().unwrap().handle_input(self.now, answer);
        }
    }
}
