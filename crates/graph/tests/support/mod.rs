//! A scripted HTTP/1.1 server on loopback: one request a connection, any bytes as the answer.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod log;
pub(crate) mod relay;
pub(crate) mod sign_in;
pub(crate) mod websocket;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use graph_notifications::{BoxFuture, Http};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Generous: only a hung test ever waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

pub(crate) enum Reply {
    /// These bytes, then close.
    Bytes(Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
}

/// A whole answer with a status, extra header lines (each ending in CRLF), and a body.
pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Reply::Bytes(bytes)
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Serves until the runtime ends. A handler is dropped when its client hangs up.
pub(crate) async fn serve<F>(handler: F) -> Server
where
    F: Fn(Request) -> BoxFuture<'static, Reply> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    let handler = Arc::new(handler);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handler = handler.clone();
            let seen = seen.clone();
            tokio::spawn(async move {
                let _outcome = exchange(stream, &*handler, &seen).await;
            });
        }
    });
    Server { address, requests }
}

async fn exchange<F>(
    mut stream: TcpStream,
    handler: &F,
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()>
where
    F: Fn(Request) -> BoxFuture<'static, Reply>,
{
    let mut bytes = Vec::new();
    let head_len = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_len]).into_owned();
    let mut lines = head.lines();
    let mut request = Request {
        line: lines.next().unwrap().to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: String::new(),
    };
    let body_len = request
        .header("content-length")
        .map_or(0, |len| len.parse().unwrap());
    while bytes.len() < head_len + body_len {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    request.body = String::from_utf8_lossy(&bytes[head_len..]).into_owned();
    seen.lock().unwrap().push(request.clone());
    let mut rest = [0; 1];
    let reply = tokio::select! {
        reply = handler(request) => reply,
        _gone = stream.read(&mut rest) => return Ok(()),
    };
    match reply {
        Reply::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Silence => {
            // Until the client gives up.
            while stream.read_buf(&mut bytes).await? > 0 {}
            Ok(())
        }
    }
}

/// Serves the same answer to everyone.
pub(crate) async fn serve_always(answer: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    serve(move |_| {
        let reply = answer();
        Box::pin(async move { reply })
    })
    .await
}

/// An HTTP stack that talks to loopback whatever the machine's proxy settings are.
pub(crate) fn http() -> Http {
    Http::builder().no_proxy().build().unwrap()
}
