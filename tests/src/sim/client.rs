//! The client without I/O: a session over a succession of connections, joined as the tokio driver joins them.

use std::collections::VecDeque;
use std::time::Instant;

use engineio::{Action, CloseReason, Event as EngineEvent, Input as EngineInput, Transport};
use socketio::session::{
    AckKey, Action as SessionAction, Config, Event, Input as SessionInput, NamespaceKey, Session,
};
use socketio::{AckError, Args};

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
}

/// Session and connection, and what they have to tell.
#[derive(Debug)]
pub struct Client {
    /// The upper half.
    pub session: Session,
    engine: engineio::Config,
    link: Option<(LinkId, Link)>,
    links: u64,
    outputs: VecDeque<Output>,
    /// What the session told the users of its namespaces.
    pub events: VecDeque<(NamespaceKey, Event)>,
    /// What became of what they await.
    pub settled: VecDeque<(AckKey, Result<Args, AckError>)>,
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
            link: None,
            links: 0,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            settled: VecDeque::new(),
        }
    }

    /// The outcome of an action, or a frame.
    ///
    /// # Panics
    ///
    /// When a rule of the connection is broken.
    pub fn handle_input(&mut self, now: Instant, id: LinkId, input: EngineInput) {
        if let Some((_, link)) = self.link.as_mut().filter(|(open, _)| *open == id) {
            link.handle_input(now, input);
        }
        self.settle(now);
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

    /// Whether there is no connection, and none is wanted.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.session.is_idle() && self.link.is_none()
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
        self.events
            .extend(std::iter::from_fn(|| self.session.poll_event()));
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
                self.link = Some((LinkId(self.links), Link::new(config, now)));
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
            SessionAction::CloseLink => match &mut self.link {
                Some((_, link)) => link.close(now),
                None => {
                    let closed = SessionInput::LinkClosed(CloseReason::Local);
                    self.session.handle_input(now, closed);
                }
            },
            SessionAction::AskAuth { key, .. } => {
                let auth = Ok(None);
                self.session
                    .handle_input(now, SessionInput::Auth { key, auth });
            }
            other => panic!("an action that nobody carries out: {other:?}"),
        }
    }
}
