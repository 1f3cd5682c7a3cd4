//! The client without I/O: a session over a succession of connections, joined as the tokio driver joins them.

use std::collections::VecDeque;
use std::time::Instant;

use engineio::{Action, CloseReason, Event as EngineEvent, Input as EngineInput, Transport};
use socketio::session::{
    AckKey, Action as SessionAction, AuthKey, Config, Event, Input as SessionInput, NamespaceKey,
    Session,
};
use socketio::{AckError, Args, Json, ProviderError};

use super::link::Link;

/// Names one connection of the client: what comes back for an earlier one is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// What the client wants of the network.
#[derive(Debug)]
pub enum Output {
    /// Carry this out for the connection.
    Act(LinkId, Action),
    /// The connection is over: whatever it has under way is dropped.
    Drop(LinkId),
    /// Somebody else is asked for something.
    Ask(Question),
}

/// What is asked of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// What to open the connection with that would be this one.
    Target(LinkId),
    /// What to join a namespace with.
    Auth(AuthKey),
}

/// What a provider says.
pub type Answer = Result<(), ProviderError>;

/// Session and connection, and what they have to tell.
#[derive(Debug)]
pub struct Client {
    /// The upper half.
    pub session: Session,
    engine: engineio::Config,
    /// Whether it is asked what to open each connection with.
    pub asks_target: bool,
    link: Option<(LinkId, Link)>,
    links: u64,
    /// The connection that is to be opened, as soon as it is known what with, and events are read.
    call: Option<(LinkId, engineio::Config)>,
    reading: bool,
    /// What has not been read.
    unread: Vec<Unread>,
    outputs: VecDeque<Output>,
    /// What the session told the users of its namespaces.
    pub events: VecDeque<(NamespaceKey, Event)>,
    /// What became of what they await.
    pub settled: VecDeque<(AckKey, Result<Args, AckError>)>,
    /// The auth payloads of the namespaces that ask for one each time, in this order; then there are none.
    pub auths: VecDeque<Json>,
}

#[derive(Debug)]
enum Unread {
    Input(LinkId, EngineInput),
    Answer(Question, Answer),
}

impl Client {
    /// A client that has nothing to do yet.
    #[must_use]
    pub fn new(engine: engineio::Config, mut config: Config, seed: u64) -> Self {
        config.version = engine.version;
        config.force_base64 = engine.force_base64;
        Self {
            session: Session::new(config, seed),
            engine,
            asks_target: false,
            link: None,
            links: 0,
            call: None,
            reading: true,
            unread: Vec::new(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            settled: VecDeque::new(),
            auths: VecDeque::new(),
        }
    }

    /// The outcome of an action, or a frame.
    ///
    /// # Panics
    ///
    /// When a rule of the connection is broken.
    pub fn handle_input(&mut self, now: Instant, id: LinkId, input: EngineInput) {
        if let Some((_, link)) = self.link.as_mut().filter(|(open, _)| *open == id) {
            if link.is_reading() || !link.has_to_read(&input) {
                link.handle_input(now, input);
            } else {
                self.unread.push(Unread::Input(id, input));
            }
        }
        self.settle(now);
    }

    /// What a provider says.
    ///
    /// # Panics
    ///
    /// When a rule of the connection is broken.
    pub fn handle_answer(&mut self, now: Instant, question: Question, answer: Answer) {
        if !self.reading {
            return self.unread.push(Unread::Answer(question, answer));
        }
        match question {
            Question::Target(id) => {
                if let Some((_, config)) = self.call.take_if(|(call, _)| *call == id) {
                    match answer {
                        Ok(()) => self.link = Some((id, Link::new(config, now))),
                        Err(error) => self
                            .session
                            .handle_input(now, SessionInput::NoTarget(error)),
                    }
                }
            }
            Question::Auth(key) => {
                let auth = answer.map(|()| self.auths.pop_front());
                self.session
                    .handle_input(now, SessionInput::Auth { key, auth });
            }
        }
        self.settle(now);
    }

    /// Whether the user reads the events. Otherwise nothing is read from the network, no event is handed over, and no
    /// connection is opened, as the tokio driver has it.
    ///
    /// # Panics
    ///
    /// When a rule of the connection is broken.
    pub fn set_reading(&mut self, now: Instant, reading: bool) {
        if self.reading == reading {
            return;
        }
        self.reading = reading;
        self.session.set_reading(now, reading);
        self.set_link_reading(now, reading);
        if reading {
            if !self.asks_target
                && let Some((id, config)) = self.call.take()
            {
                self.link = Some((id, Link::new(config, now)));
            }
            for unread in std::mem::take(&mut self.unread) {
                match unread {
                    Unread::Input(id, input) => self.handle_input(now, id, input),
                    Unread::Answer(question, answer) => self.handle_answer(now, question, answer),
                }
            }
        }
        self.settle(now);
    }

    fn set_link_reading(&mut self, now: Instant, reading: bool) {
        if let Some((_, link)) = &mut self.link {
            link.set_reading(now, reading);
        }
    }

    /// Does what is due.
    ///
    /// # Panics
    ///
    /// When a rule of the connection is broken.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, link)) = &mut self.link {
            link.handle_timeout(now);
        }
        self.session.handle_timeout(now);
        self.settle(now);
    }

    /// When something is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let link = self.link.as_ref();
        let link = link.and_then(|(_, link)| link.poll_timeout());
        link.into_iter().chain(self.session.poll_timeout()).min()
    }

    /// The next thing that the client wants of the network.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Bytes that wait for the network.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        let link = self.link.as_ref();
        link.map_or(0, |(_, link)| link.unsent_bytes())
    }

    /// The connection that there is.
    #[must_use]
    pub fn link(&self) -> Option<LinkId> {
        self.link.as_ref().map(|(id, _)| *id)
    }

    /// Carries everything between the two, until neither has anything left to say. To be called behind each call of
    /// the session.
    ///
    /// # Panics
    ///
    /// When a rule of the connection is broken: two requests of a kind at a time, anything after the end, or waiting
    /// without a deadline.
    pub fn settle(&mut self, now: Instant) {
        loop {
            let writable = self
                .link
                .as_ref()
                .is_some_and(|(_, link)| link.is_writable());
            self.session.set_writable(now, writable);
            self.session.set_flushed(now, self.unsent_bytes() == 0);
            let told = self.settle_engine(now);
            let asked = self.settle_session(now);
            if !told && !asked {
                break;
            }
        }
        if let Some((_, link)) = &self.link {
            link.assert_deadline();
        }
    }

    fn settle_engine(&mut self, now: Instant) -> bool {
        let Some((id, link)) = &mut self.link else {
            return false;
        };
        while let Some(action) = link.poll_action() {
            self.outputs.push_back(Output::Act(*id, action));
        }
        let Some(event) = link.poll_event(now) else {
            return false;
        };
        let input = match event {
            EngineEvent::Opened {
                handshake,
                transport,
                version,
            } => SessionInput::LinkOpened {
                handshake,
                transport,
                version,
            },
            EngineEvent::Message(message) => SessionInput::Message(message),
            EngineEvent::Upgraded(transport) => SessionInput::LinkUpgraded(transport),
            EngineEvent::Closed(reason) => {
                self.outputs.push_back(Output::Drop(*id));
                self.link = None;
                SessionInput::LinkClosed(reason)
            }
            _ => return true,
        };
        self.session.handle_input(now, input);
        true
    }

    fn settle_session(&mut self, now: Instant) -> bool {
        let mut progress = false;
        while let Some(action) = self.session.poll_action() {
            progress = true;
            self.act(now, action);
        }
        if self.reading {
            self.events
                .extend(std::iter::from_fn(|| self.session.poll_event()));
        }
        self.settled
            .extend(std::iter::from_fn(|| self.session.poll_ack()));
        progress
    }

    fn act(&mut self, now: Instant, action: SessionAction) {
        match action {
            SessionAction::OpenLink {
                version,
                websocket_first,
                ..
            } => {
                assert!(self.link.is_none(), "two links at a time");
                let mut config = self.engine.clone();
                config.version = version;
                if websocket_first {
                    config
                        .transports
                        .sort_by_key(|transport| *transport != Transport::WebSocket);
                }
                self.links += 1;
                let id = LinkId(self.links);
                if self.asks_target {
                    self.call = Some((id, config));
                    self.outputs.push_back(Output::Ask(Question::Target(id)));
                } else if self.reading {
                    self.link = Some((id, Link::new(config, now)));
                } else {
                    self.call = Some((id, config));
                }
            }
            SessionAction::Send(message) => {
                if let Some((_, link)) = &mut self.link {
                    let sent = link.send(now, message);
                    assert!(
                        !matches!(sent, Err(engineio::SendError::TooLarge { .. })),
                        "the session let pass what the server does not take"
                    );
                }
            }
            SessionAction::CloseLink => self.close_link(now),
            SessionAction::AskAuth { key, .. } => {
                self.outputs.push_back(Output::Ask(Question::Auth(key)));
            }
            other => panic!("an action that nobody carries out: {other:?}"),
        }
    }

    /// The answer to a close has to be read, whoever reads the events.
    fn close_link(&mut self, now: Instant) {
        let Some((_, link)) = &mut self.link else {
            self.call = None;
            let closed = SessionInput::LinkClosed(CloseReason::Local);
            return self.session.handle_input(now, closed);
        };
        link.set_reading(now, true);
        link.close(now);
        let is_input = |unread: &mut Unread| matches!(unread, Unread::Input(..));
        for unread in self.unread.extract_if(.., is_input).collect::<Vec<_>>() {
            if let Unread::Input(of, input) = unread
                && let Some((id, link)) = &mut self.link
                && *id == of
            {
                link.handle_input(now, input);
            }
        }
    }
}
