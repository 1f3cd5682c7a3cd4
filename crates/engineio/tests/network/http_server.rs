//! A minimal Engine.IO server of one session, which says what it has been asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

const OPEN: &str = r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// What the reference server answers to a WebSocket handshake that is none.
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) peer: SocketAddr,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// Reads one, byte by byte: what follows it is not ours.
    pub(crate) async fn read(stream: &mut impl Stream, peer: SocketAddr) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ').map(str::to_owned);
        let (method, target) = (first.next()?, first.next()?);
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let mut request = Self {
            peer,
            method,
            target,
            headers: headers.collect(),
            body: String::new(),
        };
        let length = request.header("content-length").unwrap_or("0");
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await.ok()?;
        request.body = String::from_utf8(body).unwrap();
        Some(request)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let header = headers.find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    /// What it is for.
    pub(crate) fn kind(&self) -> Kind {
        let has = |part| self.target.contains(part);
        match (
            self.method.as_str(),
            has("transport=websocket"),
            has("sid="),
        ) {
            ("GET", true, _) => Kind::WebSocket,
            ("GET", false, false) => Kind::Handshake,
            ("GET", false, true) => Kind::Poll,
            _ => Kind::Post,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Handshake,
    Poll,
    Post,
    WebSocket,
}

/// What is particular about an answer.
#[derive(Default)]
pub(crate) struct Particular {
    /// Another status than success, and the body with it.
    pub(crate) refusal: Option<(&'static str, String)>,
    /// Further header lines, each with its end.
    pub(crate) headers: String,
}

type Script = dyn Fn(&Request) -> Particular + Send + Sync;

pub(crate) struct Server {
    pub(crate) port: u16,
    is_tls: bool,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone)]
struct Session {
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<Request>>>,
    /// What the next poll brings.
    queue: mpsc::UnboundedSender<String>,
    queued: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(None, |_| Particular::default()).await
    }

    pub(crate) async fn tls(config: tokio_rustls::rustls::ServerConfig) -> Self {
        Self::with(Some(config), |_| Particular::default()).await
    }

    pub(crate) async fn scripted(
        script: impl Fn(&Request) -> Particular + Send + Sync + 'static,
    ) -> Self {
        Self::with(None, script).await
    }

    async fn with(
        tls: Option<tokio_rustls::rustls::ServerConfig>,
        script: impl Fn(&Request) -> Particular + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (queue, queued) = mpsc::unbounded_channel();
        let session = Session {
            script: Arc::new(script),
            requests: Arc::default(),
            queue,
            queued: Arc::new(queued.into()),
        };
        let requests = session.requests.clone();
        let is_tls = tls.is_some();
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((mut stream, peer)) = listener.accept().await {
                let (session, acceptor) = (session.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else {
                        session.serve(&mut stream, peer).await;
                        return;
                    };
                    match acceptor.accept(stream).into_fallible().await {
                        Ok(mut stream) => session.serve(&mut stream, peer).await,
                        // A socket that is dropped with something unread takes the alert back.
                        Err((_, mut stream)) => {
                            stream.read_to_end(&mut Vec::new()).await.ok();
                        }
                    }
                });
            }
        });
        Self {
            port,
            is_tls,
            requests,
        }
    }

    /// Its URL, under a name that only an override or a proxy knows.
    pub(crate) fn named_url(&self) -> String {
        self.url_of(super::HOST)
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("localhost")
    }

    fn url_of(&self, host: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}/engine.io/?token=secret", self.port)
    }

    /// What has been asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn requests_of(&self, kind: Kind) -> Vec<Request> {
        let requests = self.requests().into_iter();
        requests.filter(|request| request.kind() == kind).collect()
    }
}

impl Session {
    async fn serve(&self, stream: &mut impl Stream, peer: SocketAddr) {
        while let Some(request) = Request::read(stream, peer).await {
            self.requests.lock().unwrap().push(request.clone());
            let particular = (self.script)(&request);
            let kind = request.kind();
            let is_upgrade = kind == Kind::WebSocket && request.header("upgrade").is_some();
            if is_upgrade && particular.refusal.is_none() {
                let key = request.header("sec-websocket-key").unwrap_or_default();
                let accept = derive_accept_key(key.as_bytes());
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n{}\r\n",
                    particular.headers
                );
                if stream.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
                return self
                    .websocket(stream, !request.target.contains("sid="))
                    .await;
            }
            let (status, body) = match particular.refusal {
                Some(refusal) => refusal,
                None if kind == Kind::WebSocket => ("400 Bad Request", BAD_REQUEST.to_owned()),
                None => ("200 OK", self.answer(&request).await),
            };
            let is_last = request.header("connection") == Some("close");
            let close = if is_last { "Connection: close\r\n" } else { "" };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{close}{}\r\n{body}",
                body.len(),
                particular.headers
            );
            if stream.write_all(answer.as_bytes()).await.is_err() || is_last {
                return;
            }
        }
    }

    async fn answer(&self, request: &Request) -> String {
        match request.kind() {
            Kind::Handshake => OPEN.to_owned(),
            Kind::Poll => self.queued.lock().await.recv().await.unwrap(),
            _ => {
                let packet = request.body.clone();
                // A client that closes is let go.
                let packet = if packet == "1" {
                    "6".to_owned()
                } else {
                    packet
                };
                self.queue.send(packet).unwrap();
                "ok".to_owned()
            }
        }
    }

    async fn websocket(&self, stream: &mut impl Stream, opens: bool) {
        let mut stream = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        if opens && stream.send(Message::text(OPEN)).await.is_err() {
            return;
        }
        while let Some(Ok(message)) = stream.next().await {
            let answer = match message {
                Message::Text(text) if text == "2probe" => {
                    // The poll that is under way ends, so that the client can leave.
                    self.queue.send("6".to_owned()).unwrap();
                    Message::text("3probe")
                }
                Message::Text(text) if text.starts_with('4') => Message::Text(text),
                _ => continue,
            };
            if stream.send(answer).await.is_err() {
                return;
            }
        }
    }
}
