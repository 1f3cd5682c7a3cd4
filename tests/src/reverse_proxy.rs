//! A reverse proxy on a bad line: it rewrites heads of requests, and everything arrives late and torn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::proxy::{chunk, dial, head, listen};

/// What stands in front of many servers: requests of one connection are passed on one by one, under another `Host`
/// and with `X-Forwarded-For`, until one becomes a WebSocket. While the server is away it says `502 Bad Gateway`.
///
/// Nothing that it passes on, in either direction, arrives in the pieces in which it was sent.
#[derive(Debug)]
pub struct ReverseProxy {
    port: u16,
    requests: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl ReverseProxy {
    /// Stands in front of `127.0.0.1:target`.
    ///
    /// # Panics
    ///
    /// When no port can be opened.
    pub async fn start(target: u16) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let (port, accepting) =
            listen(move |stream| serve(stream, target, Arc::clone(&counter))).await;
        Self {
            port,
            requests,
            accepting,
        }
    }

    /// `http://127.0.0.1:PORT` followed by `rest`.
    #[must_use]
    pub fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}{rest}", self.port)
    }

    /// How many requests it has passed on.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for ReverseProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(client: TcpStream, target: u16, passed: Arc<AtomicUsize>) -> std::io::Result<()> {
    let (from_client, mut to_client) = client.into_split();
    let mut from_client = BufReader::new(from_client);
    let mut request = Request::read(&mut from_client).await?;
    let Ok(server) = dial(target).await else {
        let answer = "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        return to_client.write_all(answer.as_bytes()).await;
    };
    let (from_server, mut to_server) = server.into_split();
    let requests = async {
        loop {
            passed.fetch_add(1, Ordering::Relaxed);
            tear(request.rewritten(target).as_bytes(), &mut to_server).await?;
            if request.is_websocket() {
                return pass(from_client, to_server).await;
            }
            let body = (&mut from_client).take(request.length());
            pass(body, &mut to_server).await?;
            request = Request::read(&mut from_client).await?;
        }
    };
    // What the server has said before it left is passed on to the end.
    tokio::select! {
        ended = requests => ended,
        ended = pass(from_server, to_client) => ended,
    }
}

/// The head of a request, as it came.
struct Request(String);

impl Request {
    async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Self> {
        head(stream).await.map(Self)
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.0
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    }

    fn length(&self) -> u64 {
        self.header("content-length")
            .map_or(0, |length| length.parse().unwrap_or(0))
    }

    fn is_websocket(&self) -> bool {
        self.header("upgrade")
            .is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
    }

    /// The same under the name that the server has behind this proxy.
    fn rewritten(&self, target: u16) -> String {
        let host = |line: &&str| line.to_ascii_lowercase().starts_with("host:");
        let kept: String = self
            .0
            .lines()
            .filter(|line| !line.is_empty() && !host(line))
            .map(|line| format!("{line}\r\n"))
            .collect();
        format!("{kept}Host: backend.test:{target}\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n")
    }
}

/// Passes on what comes, to its end.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    while let Some(chunk) = chunk(&mut from).await? {
        tear(&chunk, &mut to).await?;
    }
    Ok(())
}

/// Writes in pieces of 1, 2, 4, … bytes, with a pause behind the first one.
#[expect(
    clippy::disallowed_methods,
    reason = "nobody waits for this: it is the delay of a line"
)]
async fn tear(mut bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(1);
    const LARGEST_PIECE: usize = 16 << 10;

    let mut size = 1;
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        to.write_all(piece).await?;
        match size {
            1 => tokio::time::sleep(PAUSE).await,
            _ => tokio::task::yield_now().await,
        }
        bytes = rest;
        size = (2 * size).min(LARGEST_PIECE);
    }
    Ok(())
}
