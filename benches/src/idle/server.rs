//! A server that does as little as Engine.IO 4 and Socket.IO 5 permit, by WebSocket only: it opens sessions, lets them
//! join, and pings.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::tls::Identity;
use crate::clock::monotonic;

/// As many as there may be; the kernel has a limit of its own. What finds no room here comes again after a second.
const BACKLOG: u32 = 65_535;

/// How the server behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// Where it listens on the loopback; 0 for any.
    pub port: u16,
    /// The time from ping to ping. The first one of a connection comes sooner, each at another time, as if the
    /// connections were old: so there are as many pings in each second.
    pub ping_interval: Duration,
    /// With what it shows who it is, if it speaks TLS.
    pub identity: Option<Identity>,
}

impl Settings {
    /// A server without TLS on any port.
    #[must_use]
    pub fn new(ping_interval: Duration) -> Self {
        Self {
            port: 0,
            ping_interval,
            identity: None,
        }
    }
}

/// What the server has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Seen {
    /// WebSockets that are open now.
    pub open: u64,
    /// Those of them that have joined the namespace `/`.
    pub joined: u64,
    /// Answers to its pings.
    pub pongs: u64,
    /// TCP connections, whatever became of them.
    pub accepted: u64,
    /// The most of them in one second.
    pub peak_accepted: u64,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    books: Arc<Books>,
    _accepting: JoinSet<()>,
}

impl Server {
    /// Listens, and serves in tasks of the current runtime.
    ///
    /// # Errors
    ///
    /// When the port is taken, or the identity is none.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let acceptor = settings.identity.as_ref().map(Identity::acceptor);
        let acceptor = acceptor.transpose()?;
        let socket = TcpSocket::new_v4()?;
        // The connections of the one before, which was killed, linger there.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port)))?;
        let listener = socket.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        let books = Arc::new(Books::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(
            listener,
            acceptor,
            settings.ping_interval,
            books.clone(),
        ));
        Ok(Self {
            port,
            books,
            _accepting: accepting,
        })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.books.seen()
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    ping_interval: Duration,
    books: Arc<Books>,
) {
    // They end with the server.
    let mut sessions = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let number = books.accepted();
        let first = first_ping(number, ping_interval);
        let books = books.clone();
        stream.set_nodelay(true).ok();
        match &acceptor {
            None => sessions.spawn(serve(stream, number, first, ping_interval, books)),
            Some(acceptor) => sessions.spawn(serve_encrypted(
                stream,
                acceptor.clone(),
                number,
                first,
                ping_interval,
                books,
            )),
        };
        while sessions.try_join_next().is_some() {}
    }
}

/// The golden ratio: however many there are, they are spread evenly.
fn first_ping(number: u64, interval: Duration) -> Duration {
    let share = (number as f64 * 0.618_033_988_749_895).fract();
    interval.mul_f64(share)
}

async fn serve_encrypted(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    number: u64,
    first: Duration,
    interval: Duration,
    books: Arc<Books>,
) {
    if let Ok(stream) = acceptor.accept(stream).await {
        serve(stream, number, first, interval, books).await;
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    number: u64,
    first: Duration,
    interval: Duration,
    books: Arc<Books>,
) {
    // Small buffers: there are very many, and they carry a byte or two.
    let config = WebSocketConfig::default().read_buffer_size(1024);
    let accepted = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await;
    let Ok(mut socket) = accepted else {
        return;
    };
    let handshake = format!(
        r#"0{{"sid":"e{number}","upgrades":[],"pingInterval":{},"pingTimeout":20000,"maxPayload":1000000}}"#,
        interval.as_millis()
    );
    if socket.send(Message::text(handshake)).await.is_err() {
        return;
    }
    let mut entry = Entry::new(books);
    let mut pings = interval_at(Instant::now() + first, interval);
    loop {
        let sent = tokio::select! {
            _ = pings.tick() => socket.send(Message::text("2")).await,
            received = socket.next() => match received {
                Some(Ok(Message::Text(text))) if text == "3" => {
                    entry.pong();
                    Ok(())
                }
                Some(Ok(Message::Text(text))) if text.starts_with("40") => {
                    entry.join();
                    socket.send(Message::text(format!(r#"40{{"sid":"s{number}"}}"#))).await
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => Ok(()),
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

#[derive(Debug, Default)]
struct Books {
    open: AtomicU64,
    joined: AtomicU64,
    pongs: AtomicU64,
    seconds: Mutex<Seconds>,
}

#[derive(Debug, Default)]
struct Seconds {
    total: u64,
    present: u64,
    of_present: u64,
    peak: u64,
}

impl Books {
    /// How many there were before this one.
    fn accepted(&self) -> u64 {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.count(monotonic().as_secs())
    }

    fn seen(&self) -> Seen {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            open: self.open.load(Ordering::Relaxed),
            joined: self.joined.load(Ordering::Relaxed),
            pongs: self.pongs.load(Ordering::Relaxed),
            accepted: seconds.total,
            peak_accepted: seconds.peak,
        }
    }
}

impl Seconds {
    fn count(&mut self, second: u64) -> u64 {
        if second != self.present {
            self.present = second;
            self.of_present = 0;
        }
        self.of_present += 1;
        self.peak = self.peak.max(self.of_present);
        self.total += 1;
        self.total - 1
    }
}

/// An open WebSocket in the books.
struct Entry {
    books: Arc<Books>,
    joined: bool,
}

impl Entry {
    fn new(books: Arc<Books>) -> Self {
        books.open.fetch_add(1, Ordering::Relaxed);
        Self {
            books,
            joined: false,
        }
    }

    fn pong(&self) {
        self.books.pongs.fetch_add(1, Ordering::Relaxed);
    }

    fn join(&mut self) {
        if !self.joined {
            self.joined = true;
            self.books.joined.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.books.open.fetch_sub(1, Ordering::Relaxed);
        if self.joined {
            self.books.joined.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_of_one_second() {
        let mut seconds = Seconds::default();
        let numbers = [7, 7, 7, 8, 9, 9].map(|second| seconds.count(second));
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        assert_eq!((seconds.total, seconds.peak), (6, 3));
    }

    #[test]
    fn first_pings_are_spread_over_the_interval() {
        let interval = Duration::from_secs(10);
        let mut of_each_second = [0; 10];
        for number in 0..1000 {
            let second = first_ping(number, interval).as_secs();
            of_each_second[usize::try_from(second).unwrap()] += 1;
        }
        assert!(
            of_each_second
                .iter()
                .all(|count| (95..=105).contains(count)),
            "{of_each_second:?}"
        );
    }
}
