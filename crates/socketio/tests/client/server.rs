//! A server that does what a test tells it to, over real sockets.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engineio::client::Http;
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use socketio::{Builder, Bytes, Event, Events, Reconnection, Socket, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// Waits for what must happen; the limit only keeps a broken test from hanging.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it never happened")
}

pub struct Server {
    listener: TcpListener,
    calls: AtomicUsize,
}

/// One client's connection, as the server sees it.
pub struct Peer {
    websocket: WebSocketStream<TcpStream>,
    pub target: String,
    headers: HeaderMap,
}

impl Server {
    pub async fn start() -> Self {
        Self::listen("127.0.0.1:0").await
    }

    pub async fn listen(address: &str) -> Self {
        Self {
            listener: TcpListener::bind(address).await.unwrap(),
            calls: AtomicUsize::new(0),
        }
    }

    pub fn url(&self, rest: &str) -> String {
        format!("http://{}{rest}", self.listener.local_addr().unwrap())
    }

    /// Settings for a client of this server: WebSocket only, and back at once when it is lost.
    pub fn client(&self, rest: &str) -> Builder {
        let mut reconnection = Reconnection::default();
        reconnection.initial_delay = Duration::from_millis(1);
        Builder::new(self.url(rest))
            .transports([Transport::WebSocket])
            .reconnection(reconnection)
            .http(Http::builder().no_proxy().build().unwrap())
    }

    /// Takes the next connection, up to the Engine.IO handshake.
    pub async fn accept(&self) -> Peer {
        self.accept_with(1_000_000).await
    }

    pub async fn accept_with(&self, max_payload: u64) -> Peer {
        // It pings whenever a test wants it to.
        self.accept_saying(0, &format!(r#","maxPayload":{max_payload}"#))
            .await
    }

    /// As a server does that says nothing of what it takes.
    pub async fn accept_old(&self) -> Peer {
        self.accept_saying(25_000, "").await
    }

    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is the library's"
    )]
    async fn accept_saying(&self, ping_interval: u32, more: &str) -> Peer {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        let mut target = String::new();
        let mut headers = HeaderMap::new();
        let note = |request: &Request, response: Response| {
            target = request.uri().to_string();
            headers = request.headers().clone();
            Ok(response)
        };
        let websocket = within(tokio_tungstenite::accept_hdr_async(stream, note))
            .await
            .unwrap();
        let mut peer = Peer {
            websocket,
            target,
            headers,
        };
        let open = format!(
            r#"{{"sid":"engine","upgrades":[],"pingInterval":{ping_interval},"pingTimeout":45000{more}}}"#
        );
        peer.frame(Message::text(format!("0{open}"))).await;
        peer
    }

    /// A client that has joined `/`.
    pub async fn joined(&self) -> (Socket, Events, Peer) {
        self.joined_by(self.client("")).await
    }

    pub async fn joined_by(&self, client: Builder) -> (Socket, Events, Peer) {
        let serve = async {
            let mut peer = self.accept().await;
            peer.expect("0").await;
            peer.send(r#"0{"sid":"s1"}"#).await;
            peer
        };
        let (connected, peer) = within(async { tokio::join!(client.connect(), serve) }).await;
        let (socket, mut events) = connected.unwrap();
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        (socket, events, peer)
    }

    /// Takes a client that comes back.
    pub async fn rejoined(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.expect("0").await;
        peer.send(r#"0{"sid":"s2"}"#).await;
        peer
    }
}

/// Sessions over HTTP long-polling, as far as a test needs them.
impl Server {
    /// Serves one session: the handshake, and then one of these bodies for each GET. POSTs are fine, whatever they
    /// hold.
    pub async fn serve_polling_session(&self, bodies: &[&str]) {
        let open = r#"0{"sid":"engine","upgrades":[],"pingInterval":0,"pingTimeout":45000}"#;
        self.serve_polling(&[open]).await;
        self.serve_polling(bodies).await;
    }

    /// Goes on serving it.
    pub async fn serve_polling(&self, bodies: &[&str]) {
        let mut answers = bodies.iter().peekable();
        while let Some(answer) = answers.peek() {
            let (mut stream, _) = within(self.listener.accept()).await.unwrap();
            self.calls.fetch_add(1, Ordering::SeqCst);
            let body = if is_get(&mut stream).await {
                *answer
            } else {
                "ok"
            };
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}");
            let response = format!("{head}\r\n\r\n{body}");
            within(stream.write_all(response.as_bytes())).await.unwrap();
            if body != "ok" {
                answers.next();
            }
        }
        self.calls.store(0, Ordering::SeqCst);
    }

    /// Whether there was a request since the last session was served to its end.
    pub fn was_called(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > 0
    }
}

/// Reads a request and tells whether it is a GET.
async fn is_get(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text.starts_with("get");
            }
        }
        assert_ne!(within(stream.read_buf(&mut bytes)).await.unwrap(), 0);
    }
}

impl Peer {
    /// A header of the request that opened the connection.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    async fn frame(&mut self, message: Message) {
        within(self.websocket.send(message)).await.unwrap();
    }

    /// Sends a Socket.IO text.
    pub async fn send(&mut self, text: &str) {
        self.frame(Message::text(format!("4{text}"))).await;
    }

    /// Pings, and awaits the answer, which is the next thing that must come.
    pub async fn heartbeat(&mut self) {
        self.frame(Message::text("2")).await;
        let answer = self.receive().await;
        assert_eq!(answer, Some(Message::text("3")));
    }

    pub async fn send_binary(&mut self, bytes: &'static [u8]) {
        self.frame(Message::binary(Bytes::from_static(bytes))).await;
    }

    async fn receive(&mut self) -> Option<Message> {
        within(self.websocket.next()).await.and_then(Result::ok)
    }

    /// Writes a Socket.IO text without flushing it.
    pub async fn feed(&mut self, text: &str) {
        let message = Message::text(format!("4{text}"));
        within(self.websocket.feed(message)).await.unwrap();
    }

    /// Whether it could be sent.
    pub async fn try_send(&mut self, text: &str) -> bool {
        let message = Message::text(format!("4{text}"));
        within(self.websocket.send(message)).await.is_ok()
    }

    /// The next Socket.IO text, unless the connection ends.
    pub async fn any_text(&mut self) -> Option<String> {
        match self.receive().await? {
            Message::Text(text) => text.strip_prefix('4').map(str::to_owned),
            _ => None,
        }
    }

    /// The next Socket.IO text.
    pub async fn text(&mut self) -> String {
        match self.receive().await {
            Some(Message::Text(text)) => text
                .strip_prefix('4')
                .unwrap_or_else(|| panic!("{text}"))
                .to_owned(),
            other => panic!("no text: {other:?}"),
        }
    }

    #[track_caller]
    pub fn expect<'a>(&'a mut self, expected: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move { assert_eq!(self.text().await, expected, "at {caller}") }
    }

    pub async fn expect_binary(&mut self, expected: &[u8]) {
        match self.receive().await {
            Some(Message::Binary(bytes)) => assert_eq!(bytes, expected),
            other => panic!("no attachment: {other:?}"),
        }
    }

    /// The client closes the connection properly, without another word.
    pub async fn expect_close(&mut self) {
        match self.receive().await {
            Some(Message::Close(_)) => {}
            other => panic!("no close: {other:?}"),
        }
        while self.receive().await.is_some() {}
    }

    /// The connection ends, one way or another.
    pub async fn expect_end(&mut self) {
        while self
            .receive()
            .await
            .is_some_and(|message| !matches!(message, Message::Close(_)))
        {}
    }
}

pub async fn next(events: &mut Events) -> Event {
    within(events.next()).await.expect("the events ended")
}

/// All tasks that the client has started have ended.
pub async fn no_tasks_left() {
    let metrics = tokio::runtime::Handle::current().metrics();
    within(async {
        while metrics.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
