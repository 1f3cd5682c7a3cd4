//! The model server of a script, and its application.
//!
//! | `server` does | |
//! |---|---|
//! | `emits / ["hello",1]` | sends an event; bytes are `{"$hex":"dead"}` |
//! | `broadcasts / ["hello",1]` | sends one to everybody who is there, and to whoever is recovered later |
//! | `emits-volatile / ["hello",1]` | sends one that cannot be recovered, unless the transport is busy |
//! | `asks / ["hello",1]` | sends one that wants an answer |
//! | `answers / 0 [true]` | acknowledges the client's event with this number |
//! | `disconnects /` | puts the client out of a namespace |
//! | `disconnects` | puts it out of all, and ends the Engine.IO session |
//! | `closes` | ends the Engine.IO session |
//! | `forgets` | knows nothing of the session any more, and says nothing |
//! | `sends TEXT hello`, `sends BIN dead` | sends an Engine.IO message |

use std::collections::VecDeque;
use std::time::Instant;

use engineio::{Action, Endpoint};
use serde_json::Value;

use super::settings::ModelSettings;
use super::subject::Wanted;
use super::wire::{binary_line, body_text, text_line, unescaped_text, unhex};
use super::{Failure, wire};
use crate::sim::network::{frame_for_server, request_target};
use crate::sim::server::{
    self, Event, ExchangeId, Input, Method, Output, Server, SessionId, SocketId,
};

/// A model server, and what it has said that the client has not got yet.
#[derive(Debug)]
pub(super) struct Model {
    server: Server,
    session: Option<SessionId>,
    names: u64,
    get: Option<ExchangeId>,
    post: Option<ExchangeId>,
    socket: Option<SocketId>,
    said: VecDeque<String>,
}

impl Model {
    pub(super) fn new(settings: &ModelSettings) -> Self {
        Self {
            server: Server::new(settings.0.clone(), 1),
            session: None,
            names: 0,
            get: None,
            post: None,
            socket: None,
            said: VecDeque::new(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Failure> {
        self.server.handle_timeout(now);
        self.settle()
    }

    /// What it says next of what goes the way that `line` goes. That something broke is the network's to say, where
    /// the server does not.
    pub(super) fn says(&mut self, now: Instant, line: &str) -> Result<Option<String>, Failure> {
        let (channel, what) = line.split_once(' ').unwrap_or((line, ""));
        let goes_there = |said: &String| said.split(' ').next() == Some(channel);
        let place = self.said.iter().position(goes_there);
        let next = place.and_then(|place| self.said.get(place));
        if !matches!(what, "BROKEN" | "UNREACHABLE") || next.is_some_and(|next| next == line) {
            return Ok(place.and_then(|place| self.said.remove(place)));
        }
        match channel {
            "GET" => self.abort(now, |model| &mut model.get)?,
            "POST" => self.abort(now, |model| &mut model.post)?,
            _ => self.end_socket(now, false)?,
        }
        self.unsay(channel);
        Ok(Some(line.to_owned()))
    }

    /// Nobody is there any more for what goes this way.
    fn unsay(&mut self, channel: &str) {
        self.said
            .retain(|said| said.split(' ').next() != Some(channel));
    }

    /// What it has said and the client has not got.
    pub(super) fn unheard(&self) -> impl Iterator<Item = &str> {
        self.said.iter().map(String::as_str)
    }

    /// Takes what the client wants of the network.
    pub(super) fn take(
        &mut self,
        now: Instant,
        wanted: Wanted,
        endpoint: &Endpoint,
    ) -> Result<(), Failure> {
        let target = |target| request_target(endpoint, target);
        match wanted {
            Wanted::Act(Action::Get(to)) => {
                let exchange = ExchangeId(self.name());
                self.get = Some(exchange);
                self.input(now, request(exchange, Method::Get, target(&to), b""))?;
            }
            Wanted::Act(Action::Post(to, body)) => {
                let exchange = ExchangeId(self.name());
                self.post = Some(exchange);
                self.input(now, request(exchange, Method::Post, target(&to), &body))?;
            }
            Wanted::Act(Action::OpenWebSocket(to)) => {
                let socket = SocketId(self.name());
                self.socket = Some(socket);
                let target = target(&to);
                self.input(now, Input::Upgrade { socket, target })?;
            }
            Wanted::Act(Action::SendFrame(frame)) => {
                let socket = self.socket.ok_or("there is no WebSocket")?;
                self.input(now, Input::Frame(socket, frame_for_server(frame)))?;
            }
            Wanted::Act(Action::CloseWebSocket) => {
                self.end_socket(now, true)?;
                // The other half of the closing handshake, which is below the server.
                self.said.push_back("ws CLOSE".to_owned());
            }
            Wanted::Act(Action::DropWebSocket) => {
                self.end_socket(now, false)?;
                self.unsay("ws");
            }
            Wanted::Act(Action::DropGet) => {
                self.unsay("GET");
                self.abort(now, |model| &mut model.get)?;
            }
            Wanted::Act(other) => return Err(format!("{other:?} is news to the server")),
            Wanted::Drop => {
                self.abort(now, |model| &mut model.get)?;
                self.abort(now, |model| &mut model.post)?;
                self.end_socket(now, false)?;
                self.said.clear();
            }
        }
        Ok(())
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn input(&mut self, now: Instant, input: Input) -> Result<(), Failure> {
        self.server.handle_input(now, input);
        self.settle()
    }

    fn abort(
        &mut self,
        now: Instant,
        of: fn(&mut Self) -> &mut Option<ExchangeId>,
    ) -> Result<(), Failure> {
        match of(self).take() {
            Some(exchange) => self.input(now, Input::Aborted(exchange)),
            None => Ok(()),
        }
    }

    fn end_socket(&mut self, now: Instant, clean: bool) -> Result<(), Failure> {
        match self.socket.take() {
            Some(socket) => self.input(now, Input::SocketClosed { socket, clean }),
            None => Ok(()),
        }
    }

    fn settle(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Opened { session, .. } => self.session = Some(session),
                Event::Violation { what, .. } => {
                    return Err(format!("the client broke a rule: {what:?}"));
                }
                _ => {}
            }
        }
        while let Some(output) = self.server.poll_output() {
            let said = self.said(output);
            self.said.extend(said);
        }
        Ok(())
    }

    /// An output as a line, unless the client has given up what it belongs to.
    fn said(&mut self, output: Output) -> Option<String> {
        let mut channel = |exchange: ExchangeId| {
            let get = self.get.take_if(|get| *get == exchange);
            let post = self.post.take_if(|post| *post == exchange);
            get.map(|_| "GET").or(post.map(|_| "POST"))
        };
        let socket = self.socket;
        let ours = |id: SocketId| (socket == Some(id)).then_some(());
        Some(match output {
            Output::Respond {
                exchange,
                status,
                body,
                ..
            } => {
                let line = format!("{} {status} {}", channel(exchange)?, body_text(&body));
                line.trim_end().to_owned()
            }
            Output::Abort(exchange) => format!("{} BROKEN", channel(exchange)?),
            Output::Accept(id) => ours(id).map(|()| "ws 101".to_owned())?,
            Output::Refuse {
                socket,
                status,
                body,
            } => ours(socket).map(|()| format!("ws {status} {body}"))?,
            Output::AcceptThenHttp { socket, text } => {
                ours(socket).map(|()| format!("ws HTTP {}", body_text(text.as_bytes())))?
            }
            Output::Send(id, frame) => {
                ours(id)?;
                match frame {
                    server::Frame::Text(text) => text_line(&text),
                    server::Frame::Binary(bytes) => binary_line(&bytes),
                }
            }
            Output::Close { socket, code } => {
                ours(socket)?;
                self.socket = None;
                match code {
                    Some(code) => format!("ws CLOSE {code}"),
                    None => "ws CLOSE".to_owned(),
                }
            }
            Output::Drop(id) => {
                ours(id)?;
                self.socket = None;
                "ws BROKEN".to_owned()
            }
        })
    }

    /// Has the application do something.
    pub(super) fn acts(&mut self, now: Instant, line: &str) -> Result<(), Failure> {
        let session = self.session.ok_or("there is no session")?;
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let args = |text: &str| -> Result<Vec<Value>, Failure> {
            serde_json::from_str(text).map_err(|error| error.to_string())
        };
        let server = &mut self.server;
        match verb {
            "emits" => {
                let sent = server.emit(now, session, first, &args(rest)?);
                sent.ok_or("nobody is there")?;
            }
            "emits-volatile" => {
                let sent = server.emit_volatile(now, session, first, &args(rest)?);
                sent.ok_or("nobody is there")?;
            }
            "broadcasts" => server.broadcast(now, first, &args(rest)?),
            "asks" => {
                let sent = server.ask(now, session, first, &args(rest)?);
                sent.ok_or("nobody is there")?;
            }
            "answers" => {
                let (number, rest) = rest.split_once(' ').ok_or("answers what?")?;
                let number = number.parse().map_err(|_| "no number")?;
                server.acknowledge(now, session, first, number, &args(rest)?);
            }
            "disconnects" if first.is_empty() => server.disconnect_all(now, session),
            "disconnects" => server.disconnect(now, session, first),
            "closes" => server.close_engine(now, session),
            "forgets" => server.forget(session),
            "sends" => {
                let frame = match first {
                    "TEXT" => server::Frame::Text(unescaped_text(rest)?),
                    "BIN" => server::Frame::Binary(unhex(rest)?.into()),
                    other => return Err(format!("{other:?} is no kind of message")),
                };
                server.inject(now, session, frame);
            }
            other => return Err(format!("no server {other}")),
        }
        self.settle()
    }
}

fn request(exchange: ExchangeId, method: Method, target: String, body: &[u8]) -> Input {
    let content_type = match method {
        Method::Post => Some("text/plain;charset=UTF-8".to_owned()),
        _ => None,
    };
    Input::Request {
        exchange,
        method,
        target,
        content_type,
        body: bytes::Bytes::copy_from_slice(body),
    }
}

/// What the client wants, as a line.
pub(super) fn describe(wanted: &Wanted, endpoint: &Endpoint) -> String {
    match wanted {
        Wanted::Act(action) => wire::describe(action, endpoint),
        Wanted::Drop => "DROP".to_owned(),
    }
}
