//! The model server under simulated time, spoken to in raw bytes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use conformance::sim::server::{
    Event, ExchangeId, Frame, Input, Method, Output, Server, SessionId, SocketId, Violation,
};

pub(crate) use conformance::sim::server::Options;

/// A model server with an application that sends back whatever comes, as it came.
pub(crate) struct Model {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    /// What its application was told and has not been asked about, but messages and events.
    pub(crate) events: Vec<Event>,
    /// Whether the application sends anything back.
    pub(crate) echo: bool,
    exchanges: u64,
    sockets: u64,
    answers: BTreeMap<ExchangeId, String>,
    heard: BTreeMap<SocketId, Vec<String>>,
}

/// The bytes of a whole string of hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// `<` and hexadecimal digits and `>`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("<{digits}>")
}

impl Model {
    #[expect(
        clippy::disallowed_methods,
        reason = "simulated time has to start somewhere"
    )]
    pub(crate) fn new(options: Options) -> Self {
        Self {
            server: Server::new(options, 1),
            now: Instant::now(),
            events: Vec::new(),
            echo: true,
            exchanges: 0,
            sockets: 0,
            answers: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    fn input(&mut self, input: Input) {
        self.server.handle_input(self.now, input);
        self.pump();
    }

    /// Has the application do its part, and sorts what comes out.
    pub(crate) fn pump(&mut self) {
        while let Some(event) = self.server.poll_event() {
            self.apply(event);
        }
        while let Some(output) = self.server.poll_output() {
            self.sort(output);
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Message { session, data } if self.echo => {
                self.server.inject(self.now, session, data);
            }
            Event::Event {
                session,
                namespace,
                args,
                ack,
            } if self.echo => match ack {
                Some(ack) => {
                    let answer = args.get(1..).unwrap_or_default();
                    self.server
                        .acknowledge(self.now, session, &namespace, ack, answer);
                }
                None if args.first().is_some_and(|name| name != "silent") => {
                    self.server.emit(self.now, session, &namespace, &args);
                }
                None => {}
            },
            other => self.events.push(other),
        }
    }

    fn sort(&mut self, output: Output) {
        let (socket, said) = match output {
            Output::Respond {
                exchange,
                status,
                content_type,
                body,
            } => {
                let body = match content_type {
                    Some("application/octet-stream") => hex(&body),
                    _ => String::from_utf8(body.to_vec()).unwrap(),
                };
                let answer = format!("{status} {body}");
                return assert_eq!(self.answers.insert(exchange, answer), None);
            }
            Output::Abort(exchange) => {
                let answer = "nothing".to_owned();
                return assert_eq!(self.answers.insert(exchange, answer), None);
            }
            Output::Accept(socket) => (socket, "101".to_owned()),
            Output::Refuse {
                socket,
                status,
                body,
            } => (socket, format!("{status} {body}")),
            Output::AcceptThenHttp { socket, text } => (socket, format!("101 {text}")),
            Output::Send(socket, Frame::Text(text)) => (socket, text),
            Output::Send(socket, Frame::Binary(bytes)) => (socket, hex(&bytes)),
            Output::Close { socket, code: None } => (socket, "close".to_owned()),
            Output::Close {
                socket,
                code: Some(code),
            } => (socket, format!("close {code}")),
            Output::Drop(socket) => (socket, "end".to_owned()),
        };
        self.heard.entry(socket).or_default().push(said);
    }

    /// Sends a request without waiting for its answer.
    pub(crate) fn request(
        &mut self,
        method: Method,
        target: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> ExchangeId {
        let exchange = ExchangeId(self.exchanges);
        self.exchanges += 1;
        self.input(Input::Request {
            exchange,
            method,
            target: target.to_owned(),
            content_type: content_type.map(str::to_owned),
            body: Bytes::copy_from_slice(body),
        });
        exchange
    }

    /// Sends the head of a POST.
    pub(crate) fn head(&mut self, target: &str) -> ExchangeId {
        let exchange = ExchangeId(self.exchanges);
        self.exchanges += 1;
        self.input(Input::Head {
            exchange,
            method: Method::Post,
            target: target.to_owned(),
            content_type: None,
        });
        exchange
    }

    /// Sends a GET whose answer may come later.
    pub(crate) fn poll(&mut self, target: &str) -> ExchangeId {
        self.request(Method::Get, target, None, b"")
    }

    /// The answer to a request, if there is one: the status and the body, or `nothing`.
    pub(crate) fn answer(&mut self, exchange: ExchangeId) -> Option<String> {
        self.answers.remove(&exchange)
    }

    /// The answer to a GET that is answered at once.
    pub(crate) fn get(&mut self, target: &str) -> String {
        let exchange = self.poll(target);
        self.answer(exchange).expect("an answer at once")
    }

    /// The answer to a POST of text.
    pub(crate) fn post(&mut self, target: &str, body: &str) -> String {
        let content_type = Some("text/plain;charset=UTF-8");
        let exchange = self.request(Method::Post, target, content_type, body.as_bytes());
        self.answer(exchange).expect("an answer at once")
    }

    /// The answer to a POST of bytes.
    pub(crate) fn post_binary(&mut self, target: &str, body: &[u8]) -> String {
        let content_type = Some("application/octet-stream");
        let exchange = self.request(Method::Post, target, content_type, body);
        self.answer(exchange).expect("an answer at once")
    }

    pub(crate) fn abort(&mut self, exchange: ExchangeId) {
        self.input(Input::Aborted(exchange));
    }

    /// Opens a WebSocket.
    pub(crate) fn websocket(&mut self, target: &str) -> SocketId {
        let socket = SocketId(self.sockets);
        self.sockets += 1;
        self.input(Input::Upgrade {
            socket,
            target: target.to_owned(),
        });
        socket
    }

    /// Sends a WebSocket message, and says what has come meanwhile.
    pub(crate) fn say(&mut self, socket: SocketId, frame: impl Into<Frame>) -> Vec<String> {
        self.say_keeping(socket, frame.into());
        self.heard(socket)
    }

    /// As [`Model::say`], and leaves what has come for later.
    pub(crate) fn say_keeping(&mut self, socket: SocketId, frame: Frame) {
        self.input(Input::Frame(socket, frame));
    }

    /// Ends a WebSocket with a close frame, and says what has come meanwhile.
    pub(crate) fn close(&mut self, socket: SocketId) -> Vec<String> {
        self.close_keeping(socket);
        self.heard(socket)
    }

    /// As [`Model::close`], and leaves what has come for later.
    pub(crate) fn close_keeping(&mut self, socket: SocketId) {
        let clean = true;
        self.input(Input::SocketClosed { socket, clean });
    }

    /// Ends a WebSocket without a word.
    pub(crate) fn cut(&mut self, socket: SocketId) {
        let clean = false;
        self.input(Input::SocketClosed { socket, clean });
    }

    /// What has come over a WebSocket and was not told yet.
    pub(crate) fn heard(&mut self, socket: SocketId) -> Vec<String> {
        self.heard.remove(&socket).unwrap_or_default()
    }

    /// Lets time pass, and everything happen that is due in it.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.server.handle_timeout(due);
            self.pump();
        }
        self.now = end;
    }

    /// Lets time pass until something comes out, and says how much.
    pub(crate) fn wait(&mut self) -> Duration {
        let start = self.now;
        while self.answers.is_empty() && self.heard.is_empty() {
            let due = self.server.poll_timeout().expect("something is due");
            self.pass(due - self.now);
        }
        self.now - start
    }

    pub(crate) fn violations(&mut self) -> Vec<Violation> {
        let violations = self.events.iter().filter_map(|event| match event {
            Event::Violation { what, .. } => Some(*what),
            _ => None,
        });
        let violations = violations.collect();
        self.events
            .retain(|event| !matches!(event, Event::Violation { .. }));
        violations
    }

    /// Why the sessions that are over are over.
    pub(crate) fn reasons(&self) -> Vec<&str> {
        let reasons = self.events.iter().filter_map(|event| match event {
            Event::Closed { reason, .. } => Some(reason.as_str()),
            _ => None,
        });
        reasons.collect()
    }

    /// The `sid` of the session opened last.
    pub(crate) fn sid(&self) -> String {
        let session = self.session();
        self.server.sid(session).expect("it is open").to_owned()
    }

    /// The session opened last.
    pub(crate) fn session(&self) -> SessionId {
        let opened = self.events.iter().rev().find_map(|event| match event {
            Event::Opened { session, .. } => Some(*session),
            _ => None,
        });
        opened.expect("a session")
    }
}
