//! The hostile server: blocking sockets, a thread for each connection.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::Settings;

/// How long a client may neither ask nor read before it is taken that it wants no more.
const STALL: Duration = Duration::from_secs(1);
/// How long a connection stalls before it is ended, where there is time to see what happens then.
const LONG_STALL: Duration = Duration::from_secs(3);
/// How many connections are enough, where time does not count.
const CONNECTIONS: u64 = 50;
/// What is on its way is not at the client.
const SEND_BUFFER: u32 = 64 << 10;
/// What is repeated is written in pieces of about this size.
const PIECE: usize = 64 << 10;

/// When the server has sent enough.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// After so many bytes or a number of connections, or when the client takes no more.
    Bytes(u64),
    /// After this time.
    Time(Duration),
}

/// What the server answers to a request.
pub(super) type Answer = fn(&Request, &Settings) -> Reply;

/// A request of the client.
pub(super) struct Request {
    pub(super) kind: Kind,
    /// What a WebSocket handshake is answered with.
    pub(super) accept: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The handshake by polling.
    Open,
    /// The first poll of a session, which brings the answer to CONNECT.
    FirstPoll,
    /// Another one.
    Poll,
    Post,
    WebSocket,
}

/// Bytes, and what follows them.
pub(super) struct Reply {
    pub(super) once: Vec<u8>,
    pub(super) then: Then,
}

pub(super) enum Then {
    /// The next request.
    Request,
    /// The end of the connection, without further ado.
    End,
    /// The same bytes for ever.
    Repeat(Vec<u8>),
}

pub(super) struct Server {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Answer,
    settings: Settings,
    until: Until,
    start: Instant,
    sent: AtomicU64,
    connections: AtomicU64,
    /// When a request was read or anything written, in milliseconds from the start.
    active: AtomicU64,
    has_stalled: AtomicBool,
    is_first_poll: AtomicBool,
    is_over: AtomicBool,
}

impl Server {
    pub(super) fn start(answer: Answer, settings: &Settings, until: Until) -> Self {
        let listener = listener().expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            answer,
            settings: settings.clone(),
            until,
            start: Instant::now(),
            sent: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            active: AtomicU64::new(0),
            has_stalled: AtomicBool::new(false),
            is_first_poll: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
        });
        let of_all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                if of_all.is_over.load(Ordering::Relaxed) {
                    break;
                }
                of_all.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&of_all);
                // However it ends, the next one comes.
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Self { port, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits for that.
    pub(super) async fn has_sent_enough(&self) {
        let shared = &self.shared;
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let elapsed = shared.start.elapsed();
            let is_over = match shared.until {
                Until::Time(time) => elapsed >= time,
                Until::Bytes(bytes) => {
                    let active = Duration::from_millis(shared.active.load(Ordering::Relaxed));
                    let has_stalled = elapsed.saturating_sub(active) > STALL;
                    shared.has_stalled.store(has_stalled, Ordering::Relaxed);
                    has_stalled || self.sent() >= bytes || self.connections() >= CONNECTIONS
                }
            };
            if is_over {
                return;
            }
        }
    }

    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    pub(super) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    pub(super) fn has_stalled(&self) -> bool {
        self.shared.has_stalled.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // The listener notices.
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(STALL))?;
        loop {
            let request = self.read(&mut stream)?;
            self.is_active();
            let reply = (self.answer)(&request, &self.settings);
            self.write(&mut stream, &reply.once)?;
            match reply.then {
                Then::Request => {}
                Then::End => {
                    // What has been read as a poll may have ended as one.
                    self.is_first_poll.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Then::Repeat(bytes) => {
                    let times = (PIECE / bytes.len().max(1)).max(1);
                    let piece = bytes.repeat(times);
                    loop {
                        self.write(&mut stream, &piece)?;
                    }
                }
            }
        }
    }

    fn read(&self, stream: &mut TcpStream) -> io::Result<Request> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head);
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(of, value)| of.eq_ignore_ascii_case(name).then(|| value.to_owned()))
        };
        let length = header("content-length").and_then(|length| length.parse().ok());
        stream.read_exact(&mut vec![0; length.unwrap_or(0)])?;
        let kind = if head.starts_with("POST") {
            Kind::Post
        } else if head.contains("transport=websocket") {
            Kind::WebSocket
        } else if !head.contains("sid=") {
            self.is_first_poll.store(true, Ordering::Relaxed);
            Kind::Open
        } else if self.is_first_poll.swap(false, Ordering::Relaxed) {
            Kind::FirstPoll
        } else {
            Kind::Poll
        };
        let key = header("sec-websocket-key").unwrap_or_default();
        Ok(Request {
            kind,
            accept: derive_accept_key(key.as_bytes()),
        })
    }

    fn write(&self, stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        let mut since = Instant::now();
        while !bytes.is_empty() {
            if self.is_over.load(Ordering::Relaxed) {
                return Err(ErrorKind::Interrupted.into());
            }
            match stream.write(bytes) {
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    self.sent.fetch_add(written as u64, Ordering::Relaxed);
                    self.is_active();
                    since = Instant::now();
                }
                Err(error) => {
                    let is_full =
                        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                    if !is_full || since.elapsed() > LONG_STALL {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn is_active(&self) {
        let now = self.start.elapsed().as_millis() as u64;
        self.active.store(now, Ordering::Relaxed);
    }
}

fn listener() -> io::Result<TcpListener> {
    // Only tokio's sockets can be told the size of the buffer.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _in = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(64)?.into_std()?;
    listener.set_nonblocking(false)?;
    Ok(listener)
}
