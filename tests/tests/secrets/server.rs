//! A server that is written by hand, answers what a test wants, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What comes back for a request.
pub(crate) enum Answer {
    /// These bytes; the connection stays.
    Bytes(String),
    /// These bytes, and the connection ends.
    Last(String),
    /// An open WebSocket, on which this happens, and then it breaks off.
    WebSocket(Vec<Step>),
    /// What a proxy does: whatever comes goes to this port, and back.
    Tunnel(u16),
}

/// What a server answers, whatever it is asked.
pub(crate) type Fixed = fn(&Request) -> Answer;

/// Answers of HTTP that repeat the request and are none.
pub(crate) const BROKEN: [(&str, Fixed); 6] = [
    ("no HTTP", |request| Answer::Last(request.line())),
    ("a body that breaks off", |request| {
        Answer::Last(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n4{}",
            request.line()
        ))
    }),
    ("the body of an error that breaks off", |request| {
        Answer::Last(format!(
            "HTTP/1.1 500 No\r\nContent-Length: 99999\r\n\r\n{}",
            request.line()
        ))
    }),
    ("a head that breaks off", |request| {
        Answer::Last(format!("HTTP/1.1 200 OK\r\nX-Echo: {}\r\n", request.line()))
    }),
    ("a head that is none", |request| {
        Answer::Last(format!(
            "HTTP/1.1 200 OK\r\n{}\u{1}\r\n\r\n",
            request.line()
        ))
    }),
    ("a length that is none", |request| {
        let text = request.line();
        Answer::Last(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {text}\r\n\r\n{text}"
        ))
    }),
];

/// What happens on a WebSocket.
#[derive(Clone)]
pub(crate) enum Step {
    /// A text frame.
    Say(String),
    /// These bytes.
    Raw(Vec<u8>),
    /// A frame of the client is waited for; what it says is kept with the requests.
    Hear,
    /// All that was heard so far in a text frame, behind and before these.
    Repeat(&'static str, &'static str),
    /// Until the client ends it.
    Stay,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    /// All of it on one line, as a careless server repeats it.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.head, self.body).replace(['\r', '\n'], " ")
    }

    /// The same with what is encoded for a URL decoded.
    pub(crate) fn decoded(&self) -> String {
        let line = self.line();
        format!("{} {line}", url_decoded(&line))
    }
}

/// A text as it is in a URL, with small digits or large ones.
pub(crate) fn url_encoded(text: &str, large: bool) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
            char::from(byte).to_string()
        }
        _ if large => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    });
    encoded.collect()
}

fn url_decoded(word: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer with this status line, headers and body.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> Answer {
    Answer::Bytes(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

type Choose = dyn Fn(&Request) -> Answer + Send + Sync;
type Seen = Arc<Mutex<Vec<Request>>>;

pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Seen,
    connections: Arc<Mutex<usize>>,
    asked: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(choose: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(Vec::new(), choose).await
    }

    /// By TLS. Each connection is shown the next one of these; the last one stays.
    pub(crate) async fn tls(
        configs: Vec<ServerConfig>,
        choose: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::with(configs, choose).await
    }

    async fn with(
        configs: Vec<ServerConfig>,
        choose: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, connections) = (Seen::default(), Arc::new(Mutex::new(0)));
        let asked = Arc::new(Notify::new());
        let (choose, log, count): (Arc<Choose>, _, _) =
            (Arc::new(choose), seen.clone(), connections.clone());
        let told = asked.clone();
        let acceptors = configs
            .into_iter()
            .map(|config| TlsAcceptor::from(Arc::new(config)));
        let acceptors: Vec<_> = acceptors.collect();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    *count - 1
                };
                let acceptor = acceptors.get(number).or(acceptors.last()).cloned();
                let (choose, log, told) = (choose.clone(), log.clone(), told.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, &*choose, &log, &told).await,
                        Some(acceptor) => {
                            let stream = acceptor.accept(stream).await.ok()?;
                            serve(stream, &*choose, &log, &told).await
                        }
                    }
                });
            }
        });
        Self {
            port,
            seen,
            connections,
            asked,
            accepting,
        }
    }

    /// A proxy for CONNECT to this port of this machine.
    pub(crate) async fn tunnel(target: u16) -> Self {
        Self::start(move |_| Answer::Tunnel(target)).await
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Until something was asked whose target ends so.
    pub(crate) async fn asked(&self, end: &str) {
        loop {
            let asked = self.asked.notified();
            if self
                .seen()
                .iter()
                .any(|request| request.target.ends_with(end))
            {
                return;
            }
            asked.await;
        }
    }

    /// The connections so far.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<S>(mut stream: S, choose: &Choose, seen: &Seen, told: &Notify) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let request = read(&mut stream).await?;
        seen.lock().unwrap().push(request.clone());
        told.notify_waiters();
        match choose(&request) {
            Answer::Bytes(bytes) => stream.write_all(bytes.as_bytes()).await.ok()?,
            Answer::Last(bytes) => {
                stream.write_all(bytes.as_bytes()).await.ok()?;
                stream.shutdown().await.ok()?;
                return None;
            }
            Answer::WebSocket(steps) => return websocket(stream, &request, steps, seen).await,
            Answer::Tunnel(port) => {
                let mut target = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                tokio::io::copy_bidirectional(&mut stream, &mut target)
                    .await
                    .ok()?;
                return None;
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut first = head.split(' ').map(str::to_owned);
    let (method, target) = (first.next()?, first.next()?);
    let mut lines = head.lines().map(str::to_ascii_lowercase);
    let length = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        target,
        head,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// What a server answers to the key of a handshake.
pub(crate) fn accept_of(request: &Request) -> String {
    let mut lines = request
        .head
        .lines()
        .filter_map(|line| line.split_once(": "));
    let key = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
    let key = key.map_or("", |(_, key)| key);
    derive_accept_key(key.as_bytes())
}

pub(crate) fn frame(first: u8, payload: &str) -> Vec<u8> {
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..=125) => bytes.push(length),
        _ => {
            bytes.push(126);
            bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(payload.as_bytes());
    bytes
}

async fn websocket<S>(mut stream: S, request: &Request, steps: Vec<Step>, seen: &Seen) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_of(request)
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut heard = request.line();
    for step in steps {
        match step {
            Step::Say(text) => stream.write_all(&frame(0x81, &text)).await.ok()?,
            Step::Raw(bytes) => stream.write_all(&bytes).await.ok()?,
            Step::Hear => {
                let text = hear(&mut stream).await?;
                heard = format!("{heard} {text}");
                seen.lock().unwrap().push(Request {
                    method: "FRAME".into(),
                    target: request.target.clone(),
                    head: String::new(),
                    body: text,
                });
            }
            Step::Repeat(before, after) => {
                let text: String = heard.chars().filter(|c| *c != '"' && *c != '\\').collect();
                let text = format!("{before}{text}{after}");
                stream.write_all(&frame(0x81, &text)).await.ok()?;
            }
            Step::Stay => while hear(&mut stream).await.is_some() {},
        }
    }
    stream.flush().await.ok()
}

async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    let length = match head[1] & 0x7f {
        126 => usize::from(stream.read_u16().await.ok()?),
        length => usize::from(length),
    };
    let mut rest = vec![0; 4 + length];
    stream.read_exact(&mut rest).await.ok()?;
    let (mask, payload) = rest.split_at_mut(4);
    for (position, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[position % 4];
    }
    Some(String::from_utf8_lossy(payload).into_owned())
}
