//! What lies between the two: exchanges and WebSockets that take time, and fail as a seed or a script wants it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::{
    Action, Endpoint, Frame, Input as ClientInput, Refusal, Response, Target, TransportError,
    TransportErrorKind,
};

use super::client::{Answer, LinkId, Output, Question};
use super::server::{self, ExchangeId, SocketId};
use socketio::ProviderError;

/// What arrives somewhere.
#[derive(Debug)]
pub enum Delivery {
    /// At the server.
    Server(server::Input),
    /// At the client.
    Client(LinkId, ClientInput),
    /// At the client, from a provider.
    Answer(Question, Answer),
}

/// Longer than the heartbeats and the time limits of most lives.
pub const LONGEST_STALL: Duration = Duration::from_secs(30);

/// How a network behaves: each field is a probability out of 1,000, but the latency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weather {
    /// How long anything takes one way.
    pub latency: Range<Duration>,
    /// Something is held back for up to [`LONGEST_STALL`], and what follows it on its WebSocket with it.
    pub stalled: u32,
    /// A connection for a request or a WebSocket cannot be made.
    pub unreachable: u32,
    /// A request never arrives, and nobody says so.
    pub swallowed: u32,
    /// A response is lost, and nobody says so.
    pub lost_response: u32,
    /// The connection ends in the middle of a response.
    pub truncated: u32,
    /// Something in between answers instead of the server.
    pub intruder: u32,
    /// With a frame, the WebSocket breaks, and both sides learn of it.
    pub reset: u32,
    /// With a frame, the WebSocket goes silent in both directions, and nobody learns of it.
    pub half_open: u32,
    /// Something in between closes the WebSocket properly.
    pub closed: u32,
    /// A provider has nothing to provide.
    pub unprovided: u32,
}

impl Weather {
    /// Some milliseconds, and nothing is ever lost.
    #[must_use]
    pub fn fair() -> Self {
        Self {
            latency: Duration::from_millis(1)..Duration::from_millis(20),
            stalled: 0,
            unreachable: 0,
            swallowed: 0,
            lost_response: 0,
            truncated: 0,
            intruder: 0,
            reset: 0,
            half_open: 0,
            closed: 0,
            unprovided: 0,
        }
    }
}

/// All exchanges and WebSockets that are under way.
#[derive(Debug)]
pub struct Network {
    weather: Weather,
    random: fastrand::Rng,
    endpoint: Endpoint,
    names: u64,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    sockets: BTreeMap<SocketId, Socket>,
    /// What is on its way, by arrival; the number keeps the order of what arrives at a time.
    on_the_way: BTreeMap<(Instant, u64), Delivery>,
}

#[derive(Debug)]
struct Exchange {
    link: LinkId,
    is_get: bool,
}

#[derive(Debug)]
struct Socket {
    link: LinkId,
    /// Frames stay in order: none arrives before the one in front of it.
    to_server: Instant,
    to_client: Instant,
    /// Nothing passes any more.
    silent: bool,
    open: bool,
}

impl Network {
    /// A network in which nothing is under way.
    #[must_use]
    pub fn new(weather: Weather, endpoint: Endpoint, seed: u64) -> Self {
        Self {
            weather,
            random: fastrand::Rng::with_seed(seed),
            endpoint,
            names: 0,
            exchanges: BTreeMap::new(),
            sockets: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
        }
    }

    /// From now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// When the next thing arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.on_the_way.keys().next().map(|(at, _)| *at)
    }

    /// What has arrived by now.
    pub fn arrive(&mut self, now: Instant) -> Option<Delivery> {
        let entry = self.on_the_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    fn happens(&mut self, probability: u32) -> bool {
        probability > 0 && self.random.u32(0..1000) < probability
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn latency(&mut self) -> Duration {
        let Range { start, end } = self.weather.latency;
        let spread = u64::try_from(end.saturating_sub(start).as_micros()).unwrap_or(u64::MAX);
        let latency = start + Duration::from_micros(self.random.u64(0..=spread));
        match self.happens(self.weather.stalled) {
            true => latency + LONGEST_STALL.mul_f64(self.random.f64()),
            false => latency,
        }
    }

    fn deliver(&mut self, at: Instant, delivery: Delivery) {
        let number = self.name();
        self.on_the_way.insert((at, number), delivery);
    }

    fn client(&mut self, at: Instant, link: LinkId, input: ClientInput) {
        self.deliver(at, Delivery::Client(link, input));
    }

    // What the client wants.

    /// Carries out what the client wants.
    pub fn carry_out(&mut self, now: Instant, output: Output) {
        match output {
            Output::Act(link, action) => self.act(now, link, action),
            Output::Drop(link) => self.drop_link(now, link),
            Output::Ask(question) => {
                let at = now + self.latency();
                let answer = match self.happens(self.weather.unprovided) {
                    true => Err(ProviderError::Failed("nothing there".to_owned())),
                    false => Ok(()),
                };
                self.deliver(at, Delivery::Answer(question, answer));
            }
        }
    }

    fn act(&mut self, now: Instant, link: LinkId, action: Action) {
        match action {
            Action::Get(target) => {
                let target = self.target(&target);
                self.request(now, link, server::Method::Get, target, Bytes::new());
            }
            Action::Post(target, body) => {
                let target = self.target(&target);
                self.request(now, link, server::Method::Post, target, body);
            }
            Action::OpenWebSocket(target) => {
                let target = self.target(&target);
                self.open_socket(now, link, target);
            }
            Action::SendFrame(frame) => self.frame_to_server(now, link, frame),
            Action::CloseWebSocket => self.close_to_server(now, link),
            Action::DropWebSocket => {
                self.drop_sockets(now, link);
                self.lose(link, |input| {
                    !matches!(input, ClientInput::GetDone(_) | ClientInput::PostDone(_))
                });
            }
            Action::DropGet => {
                self.drop_exchanges(now, link, |exchange| exchange.is_get);
                self.lose(link, |input| matches!(input, ClientInput::GetDone(_)));
            }
            _ => {}
        }
    }

    fn target(&self, target: &Target) -> String {
        request_target(&self.endpoint, target)
    }

    fn request(
        &mut self,
        now: Instant,
        link: LinkId,
        method: server::Method,
        target: String,
        body: Bytes,
    ) {
        let exchange = ExchangeId(self.name());
        let is_get = method == server::Method::Get;
        let arrival = now + self.latency();
        if self.happens(self.weather.unreachable) {
            let error = TransportError::new(TransportErrorKind::Connect, "unreachable");
            return self.client(arrival, link, done(is_get, Err(error)));
        }
        self.exchanges.insert(exchange, Exchange { link, is_get });
        if self.happens(self.weather.swallowed) {
            return;
        }
        if self.happens(self.weather.intruder) {
            self.exchanges.remove(&exchange);
            let page = Response::new(502, Bytes::from_static(b"<html>Bad Gateway</html>"));
            return self.client(arrival, link, done(is_get, Ok(page)));
        }
        let content_type = (!is_get).then(|| "text/plain;charset=UTF-8".to_owned());
        let request = server::Input::Request {
            exchange,
            method,
            target,
            content_type,
            body,
        };
        self.deliver(arrival, Delivery::Server(request));
    }

    fn open_socket(&mut self, now: Instant, link: LinkId, target: String) {
        let socket = SocketId(self.name());
        let arrival = now + self.latency();
        if self.happens(self.weather.unreachable) {
            let error = TransportError::new(TransportErrorKind::Connect, "unreachable");
            return self.client(arrival, link, ClientInput::WebSocketFailed(error));
        }
        if self.happens(self.weather.intruder) {
            let refusal = Refusal::new(403, b"<html>no WebSocket here</html>");
            return self.client(arrival, link, ClientInput::WebSocketRefused(refusal));
        }
        let silent = self.happens(self.weather.swallowed);
        self.sockets.insert(
            socket,
            Socket {
                link,
                to_server: arrival,
                to_client: arrival,
                silent,
                open: false,
            },
        );
        if !silent {
            let upgrade = server::Input::Upgrade { socket, target };
            self.deliver(arrival, Delivery::Server(upgrade));
        }
    }

    fn socket_of(&self, link: LinkId) -> Option<SocketId> {
        let mut sockets = self.sockets.iter();
        let found = sockets.find(|(_, socket)| socket.link == link);
        found.map(|(id, _)| *id)
    }

    /// When a frame arrives at the server, if it does.
    fn passage(&mut self, now: Instant, id: SocketId, to_server: bool) -> Option<Instant> {
        let latency = self.latency();
        if self.happens(self.weather.reset) {
            self.break_socket(now + latency, id);
            return None;
        }
        if self.happens(self.weather.closed) {
            self.close_in_between(now + latency, id);
            return None;
        }
        let silent = self.happens(self.weather.half_open);
        let socket = self.sockets.get_mut(&id)?;
        socket.silent |= silent;
        if socket.silent {
            return None;
        }
        let last = if to_server {
            &mut socket.to_server
        } else {
            &mut socket.to_client
        };
        *last = (now + latency).max(*last);
        Some(*last)
    }

    fn frame_to_server(&mut self, now: Instant, link: LinkId, frame: Frame) {
        if let Some(id) = self.socket_of(link)
            && let Some(at) = self.passage(now, id, true)
        {
            let frame = frame_for_server(frame);
            self.deliver(at, Delivery::Server(server::Input::Frame(id, frame)));
        }
    }

    /// A close frame: the other side answers with its own.
    fn close_to_server(&mut self, now: Instant, link: LinkId) {
        let Some(id) = self.socket_of(link) else {
            return;
        };
        if let Some(at) = self.passage(now, id, true) {
            let closed = server::Input::SocketClosed {
                socket: id,
                clean: true,
            };
            self.deliver(at, Delivery::Server(closed));
            let back = at + self.latency();
            self.sockets.remove(&id);
            self.client(back, link, ClientInput::WebSocketClosed(None));
        }
    }

    /// What is on its way to the client on something that it has dropped never arrives.
    fn lose(&mut self, link: LinkId, what: impl Fn(&ClientInput) -> bool) {
        self.on_the_way.retain(|_, delivery| match delivery {
            Delivery::Client(of, input) => *of != link || !what(input),
            Delivery::Server(_) | Delivery::Answer(..) => true,
        });
    }

    fn drop_link(&mut self, now: Instant, link: LinkId) {
        self.drop_exchanges(now, link, |_| true);
        self.drop_sockets(now, link);
    }

    fn drop_exchanges(&mut self, now: Instant, link: LinkId, which: impl Fn(&Exchange) -> bool) {
        let dropped: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.link == link && which(exchange))
            .map(|(id, _)| *id)
            .collect();
        for id in dropped {
            self.exchanges.remove(&id);
            let at = now + self.latency();
            self.deliver(at, Delivery::Server(server::Input::Aborted(id)));
        }
    }

    fn drop_sockets(&mut self, now: Instant, link: LinkId) {
        while let Some(id) = self.socket_of(link) {
            let latency = self.latency();
            if let Some(socket) = self.sockets.remove(&id)
                && !socket.silent
            {
                let at = (now + latency).max(socket.to_server);
                let closed = server::Input::SocketClosed {
                    socket: id,
                    clean: false,
                };
                self.deliver(at, Delivery::Server(closed));
            }
        }
    }

    // What happens to a WebSocket.

    /// Both sides learn that it is gone.
    fn break_socket(&mut self, at: Instant, id: SocketId) {
        self.end_in_between(at, id, false, |_| {
            let error = TransportError::new(TransportErrorKind::Broken, "reset");
            ClientInput::WebSocketFailed(error)
        });
    }

    /// Something in between says goodbye to both.
    fn close_in_between(&mut self, at: Instant, id: SocketId) {
        self.end_in_between(at, id, true, |open| match open {
            true => ClientInput::WebSocketClosed(Some(1001)),
            false => {
                let error = TransportError::new(TransportErrorKind::Broken, "closed");
                ClientInput::WebSocketFailed(error)
            }
        });
    }

    /// Ends it behind what is on its way in both directions. `told` is what the client learns, by whether it was open.
    fn end_in_between(
        &mut self,
        at: Instant,
        id: SocketId,
        clean: bool,
        told: impl FnOnce(bool) -> ClientInput,
    ) {
        if let Some(socket) = self.sockets.remove(&id) {
            let closed = server::Input::SocketClosed { socket: id, clean };
            self.deliver(at.max(socket.to_server), Delivery::Server(closed));
            self.client(at.max(socket.to_client), socket.link, told(socket.open));
        }
    }

    /// All connections to the server break, as when its process ends.
    pub fn cut(&mut self, now: Instant) {
        for id in self.sockets.keys().copied().collect::<Vec<_>>() {
            let latency = self.latency();
            self.break_socket(now + latency, id);
        }
        for (_, exchange) in std::mem::take(&mut self.exchanges) {
            let at = now + self.latency();
            let error = TransportError::new(TransportErrorKind::Broken, "reset");
            self.client(at, exchange.link, done(exchange.is_get, Err(error)));
        }
    }

    // What the server wants.

    /// Carries out what the server wants.
    pub fn answer(&mut self, now: Instant, output: server::Output) {
        match output {
            server::Output::Respond {
                exchange,
                status,
                body,
                ..
            } => self.respond(now, exchange, Ok(Response::new(status, body))),
            server::Output::Abort(exchange) => {
                let error = TransportError::new(TransportErrorKind::Broken, "it ended");
                self.respond(now, exchange, Err(error));
            }
            server::Output::Accept(id) => {
                if let Some(at) = self.passage(now, id, false)
                    && let Some(socket) = self.sockets.get_mut(&id)
                {
                    socket.open = true;
                    let link = socket.link;
                    self.client(at, link, ClientInput::WebSocketOpened);
                }
            }
            server::Output::Refuse {
                socket,
                status,
                body,
            } => {
                let refusal = Refusal::new(status, body.as_bytes());
                self.end_socket(now, socket, ClientInput::WebSocketRefused(refusal));
            }
            server::Output::AcceptThenHttp { socket, text } => {
                let at = self.passage(now, socket, false);
                let link = self.sockets.get(&socket).map(|socket| socket.link);
                if let (Some(at), Some(link)) = (at, link) {
                    self.client(at, link, ClientInput::WebSocketOpened);
                }
                let refusal = Refusal::from_http_inside_websocket(text.as_bytes());
                let input = match refusal {
                    Some(refusal) => ClientInput::WebSocketRefused(refusal),
                    None => ClientInput::WebSocketFailed(TransportError::new(
                        TransportErrorKind::WebSocket,
                        "no frame",
                    )),
                };
                self.end_socket(now, socket, input);
            }
            server::Output::Send(id, frame) => {
                if let Some(at) = self.passage(now, id, false)
                    && let Some(socket) = self.sockets.get(&id)
                {
                    let frame = match frame {
                        server::Frame::Text(text) => Frame::Text(text.into()),
                        server::Frame::Binary(bytes) => Frame::Binary(bytes),
                    };
                    self.client(at, socket.link, ClientInput::Frame(frame));
                }
            }
            server::Output::Close { socket, code } => {
                self.end_socket(now, socket, ClientInput::WebSocketClosed(code));
            }
            server::Output::Drop(id) => {
                let error = TransportError::new(TransportErrorKind::Broken, "it ended");
                self.end_socket(now, id, ClientInput::WebSocketFailed(error));
            }
        }
    }

    fn end_socket(&mut self, now: Instant, id: SocketId, last: ClientInput) {
        if let Some(at) = self.passage(now, id, false)
            && let Some(socket) = self.sockets.remove(&id)
        {
            self.client(at, socket.link, last);
        }
    }

    fn respond(
        &mut self,
        now: Instant,
        id: ExchangeId,
        response: Result<Response, TransportError>,
    ) {
        let at = now + self.latency();
        if self.happens(self.weather.lost_response) {
            return;
        }
        let truncated = self.happens(self.weather.truncated);
        let Some(exchange) = self.exchanges.remove(&id) else {
            return;
        };
        let result = if truncated {
            Err(TransportError::new(TransportErrorKind::Broken, "truncated"))
        } else {
            response
        };
        self.client(at, exchange.link, done(exchange.is_get, result));
    }
}

/// The path and the query of a request.
pub(super) fn request_target(endpoint: &Endpoint, target: &Target) -> String {
    let url = endpoint.url(target, None);
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

/// The client's frame in the server's words.
pub(super) fn frame_for_server(frame: Frame) -> server::Frame {
    match frame {
        Frame::Text(text) => server::Frame::Text(text.to_string()),
        Frame::Binary(bytes) => server::Frame::Binary(bytes),
        other => panic!("a frame that nobody knows: {other:?}"),
    }
}

fn done(is_get: bool, result: Result<Response, TransportError>) -> ClientInput {
    if is_get {
        ClientInput::GetDone(result)
    } else {
        ClientInput::PostDone(result)
    }
}
