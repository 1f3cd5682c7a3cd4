//! Clients of one kind that hold very many connections, and do nothing with them.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use engineio::client::Http;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use socketio::{Builder, Event, Events, Socket, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::tls;

/// How many connections are opened at a time.
pub const AT_ONCE: usize = 64;
/// How long opening one may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A small one. An idle connection of ours has none.
const READ_BUFFER: usize = 4096;

/// Whose connections are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// Ours: one `socketio` connection each, with nothing shared but the HTTP stack, and a task each that reads its
    /// events.
    Ours,
    /// The floor: a WebSocket of tokio-tungstenite on a TCP (or tokio-rustls) stream, with a small read
    /// buffer, and a task each that answers Engine.IO's pings. It joins no namespace, has no deadline for the server, and
    /// does not come back.
    Raw,
    /// The client `rust_socketio`.
    #[cfg(feature = "peers")]
    RustSocketio,
}

/// To whom they connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Target {
    /// Whose they are.
    pub kind: Kind,
    /// The server's, on the loopback.
    pub port: u16,
    /// The server's certificate as PEM, if it speaks TLS.
    pub certificate: Option<String>,
}

impl Target {
    /// A server without TLS.
    #[must_use]
    pub fn new(kind: Kind, port: u16) -> Self {
        Self {
            kind,
            port,
            certificate: None,
        }
    }
}

/// What the connections that can come back have told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Told {
    /// How often one was there, the first time included.
    pub connected: u64,
    /// How often one was lost.
    pub lost: u64,
    /// How often an attempt to come back has failed.
    pub failed: u64,
}

/// Opens connections, each of which is then held by a task of its own until the runtime ends.
#[derive(Debug)]
pub struct Holder {
    dial: Arc<Dial>,
}

enum Dial {
    Ours {
        url: String,
        http: Http,
        counts: Arc<Counts>,
    },
    Raw {
        port: u16,
        tls: Option<TlsConnector>,
    },
    #[cfg(feature = "peers")]
    RustSocketio { url: String },
}

#[derive(Debug, Default)]
struct Counts {
    connected: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
}

impl Holder {
    /// One that holds none yet.
    ///
    /// # Errors
    ///
    /// When the certificate is none.
    pub fn new(target: &Target) -> io::Result<Self> {
        let Target {
            kind,
            port,
            certificate,
        } = target;
        let scheme = match certificate {
            Some(_) => "https",
            None => "http",
        };
        let url = format!("{scheme}://{}:{port}", Ipv4Addr::LOCALHOST);
        let dial = match kind {
            Kind::Ours => {
                let mut http = Http::builder().no_proxy().no_system_certificates();
                if let Some(pem) = certificate {
                    http = http
                        .root_certificates_pem(pem.as_bytes())
                        .map_err(io::Error::other)?;
                }
                Dial::Ours {
                    url,
                    http: http.build().map_err(io::Error::other)?,
                    counts: Arc::default(),
                }
            }
            Kind::Raw => Dial::Raw {
                port: *port,
                tls: certificate.as_deref().map(tls::connector).transpose()?,
            },
            #[cfg(feature = "peers")]
            Kind::RustSocketio => Dial::RustSocketio { url },
        };
        Ok(Self {
            dial: Arc::new(dial),
        })
    }

    /// Opens so many, a few at a time. A connection of ours is open when it has joined the namespace, a raw one when
    /// the server's handshake is there.
    ///
    /// # Errors
    ///
    /// The first that one of them has.
    pub async fn open(&self, connections: usize) -> io::Result<()> {
        // A few tasks take turns: one for each connection would leave holes between the connections, which the
        // allocator of some systems cannot use again, because tasks are aligned.
        let left = Arc::new(AtomicUsize::new(connections));
        let mut opening = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (dial, left) = (self.dial.clone(), left.clone());
            opening.spawn(async move {
                let one_less = |left: usize| left.checked_sub(1);
                while left.fetch_update(Relaxed, Relaxed, one_less).is_ok() {
                    timeout(PATIENCE, dial.open()).await??;
                }
                io::Result::Ok(())
            });
        }
        while let Some(opened) = opening.join_next().await {
            opened??;
        }
        Ok(())
    }

    /// What they have told. Only ours do.
    #[must_use]
    pub fn told(&self) -> Told {
        match &*self.dial {
            Dial::Ours { counts, .. } => Told {
                connected: counts.connected.load(Relaxed),
                lost: counts.lost.load(Relaxed),
                failed: counts.failed.load(Relaxed),
            },
            _ => Told::default(),
        }
    }
}

impl Dial {
    async fn open(&self) -> io::Result<()> {
        match self {
            Self::Ours { url, http, counts } => {
                let (socket, events) = Builder::new(url)
                    .transports([Transport::WebSocket])
                    .http(http.clone())
                    .connect()
                    .await
                    .map_err(io::Error::other)?;
                hold(socket, events, counts.clone());
                Ok(())
            }
            Self::Raw { port, tls } => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
                stream.set_nodelay(true)?;
                let Some(tls) = tls else {
                    return open_raw(stream).await;
                };
                let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
                open_raw(tls.connect(name, stream).await?).await
            }
            #[cfg(feature = "peers")]
            Self::RustSocketio { url } => open_rust_socketio(url).await,
        }
    }
}

/// An application that has nothing to do. (A block, because an `async fn` would hold its arguments twice.)
fn hold(socket: Socket, mut events: Events, counts: Arc<Counts>) {
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            let count = match event {
                Event::Connected(_) => &counts.connected,
                Event::Disconnected { .. } => &counts.lost,
                Event::ConnectError { .. } => &counts.failed,
                _ => continue,
            };
            count.fetch_add(1, Relaxed);
        }
        drop(socket);
    });
}

async fn open_raw<S>(stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let url = "ws://127.0.0.1/socket.io/?EIO=4&transport=websocket";
    let opened = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
    let (mut socket, _) = opened.map_err(io::Error::other)?;
    match socket.next().await {
        Some(Ok(Message::Text(handshake))) if handshake.starts_with("0{") => {
            answer_pings(socket);
            Ok(())
        }
        _ => Err(io::Error::other("there is no handshake")),
    }
}

fn answer_pings<S>(mut socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            let is_ping = matches!(&message, Message::Text(text) if text.as_str() == "2");
            if is_ping && socket.send(Message::text("3")).await.is_err() {
                return;
            }
        }
    });
}

#[cfg(feature = "peers")]
async fn open_rust_socketio(url: &str) -> io::Result<()> {
    use rust_socketio::TransportType;
    use rust_socketio::asynchronous::ClientBuilder;

    let client = ClientBuilder::new(url)
        .transport_type(TransportType::Websocket)
        .connect()
        .await
        .map_err(io::Error::other)?;
    // It ends with its last handle.
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(client);
    });
    Ok(())
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ours { .. } => "Ours",
            Self::Raw { .. } => "Raw",
            #[cfg(feature = "peers")]
            Self::RustSocketio { .. } => "RustSocketio",
        })
    }
}
