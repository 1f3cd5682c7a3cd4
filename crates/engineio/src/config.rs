//! Settings of a connection, each with its default and the reason for it.

use std::time::Duration;

use crate::subprotocol::Subprotocols;
use crate::timestamp::Timestamp;
use crate::transport::Transport;
use crate::version::Version;

/// How a connection behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The protocol revision. Default: 4.
    pub version: Version,
    /// The transports that may be used, in order: the first one opens the session (or, with
    /// [`try_all_transports`](Self::try_all_transports), the first that can), the others are upgrade targets. Default:
    /// polling, then WebSocket, as the reference client. An empty list means the default.
    pub transports: Vec<Transport>,
    /// Whether opening goes on with the next of [`transports`](Self::transports) where one fails: it cannot be reached,
    /// breaks, hangs, is refused or closed, or brings something that is not Engine.IO. Each is tried once, and with
    /// [`Version::Auto`] once in each revision. A failure that the next transport would share ends the attempt: a server
    /// that forbids the client or does not speak its revision, and settings that allow no request. Default: no, as
    /// the reference client.
    ///
    /// [`Event::TransportFailed`](crate::Event::TransportFailed) tells of each transport that was given up, and the
    /// close reason is the last one's. A session that has fallen back to polling upgrades like any other; the
    /// reference client does not try a transport again that has failed.
    pub try_all_transports: bool,
    /// Whether to upgrade at all. Default: yes.
    pub upgrade: bool,
    /// Whether binary messages travel as base64 on WebSocket, too, in both directions, for what stands in between and
    /// handles text only; `b64=1` in the query tells the server. It makes them a third larger. On polling they are base64
    /// in any case. Default: no.
    pub force_base64: bool,
    /// Which requests carry a parameter that defeats caches, and its name. Default: `t`, on polling.
    pub timestamp: Timestamp,
    /// The subprotocols that WebSocket handshakes offer. A server that chooses another one is not spoken to; the
    /// reference server chooses the first. Default: none.
    pub subprotocols: Subprotocols,
    /// How long opening may take, from the first request to the handshake, on all transports that are tried. With
    /// [`try_all_transports`](Self::try_all_transports), one that hangs is left after its share of the time that is
    /// left: half of it where one more can be tried. Default: 20 s.
    pub handshake_timeout: Duration,
    /// How long an upgrade may take, from opening the WebSocket to leaving polling. The reference client waits for
    /// ever; the reference server gives up after 10 s. Default: 10 s.
    pub probe_timeout: Duration,
    /// How long a POST may go unanswered. GETs have no limit of their own: the server keeps them open until it has
    /// something to say, and the heartbeat bounds that. Default: 20 s.
    pub request_timeout: Duration,
    /// How long a graceful close may take before the connection is dropped. Default: 5 s.
    pub close_timeout: Duration,
    /// Whether cookies that the server sets are kept for the session and sent with its later requests, the upgrade to
    /// WebSocket included. Load balancers use them to bring all requests of a session to one server. They go to no
    /// other host, and end with the session. Default: yes. (The reference client keeps them with `withCredentials`.)
    ///
    /// `Path`, `Domain` and `Secure` decide whether a cookie is kept at all: all requests of a session go to one host
    /// and path. Over plain HTTP, a `Secure` one is kept on loopback only.
    pub cookies: bool,
    /// How many bytes may wait for the transport before `client::Client::is_writable` says no. More makes larger
    /// polling bodies, and a longer queue in front of a slow link. Default: 64 KiB.
    pub send_buffer_bytes: usize,
    /// What the peer may make this side hold.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Version::default(),
            transports: vec![Transport::Polling, Transport::WebSocket],
            try_all_transports: false,
            upgrade: true,
            force_base64: false,
            timestamp: Timestamp::default(),
            subprotocols: Subprotocols::default(),
            handshake_timeout: Duration::from_secs(20),
            probe_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            cookies: true,
            send_buffer_bytes: 64 << 10,
            limits: Limits::default(),
        }
    }
}

/// Limits on what a peer may send.
///
/// # Memory
///
/// Whatever a peer sends, and however fast, a connection takes no more of the heap than this, beside what it was given to
/// send:
///
/// | for | at most | with the defaults |
/// |---|---|---|
/// | HTTP: heads, what is on its way | 1 MiB | 1 MiB |
/// | WebSocket: a frame, and a message in fragments that grows | 4 × [`max_message_bytes`](Self::max_message_bytes) | 64 MiB |
/// | WebSocket: messages that are taken in together, before the last one | 64 KiB | 64 KiB |
/// | polling: a body that grows; one that is being taken | 4 × [`max_body_bytes`](Self::max_body_bytes) | 128 MiB |
///
/// Both transports count only while a session upgrades. A message that is taken keeps at most twice its size alive, or
/// 8 KiB where it is short: one that came in a long buffer is copied out of it. An idle connection has no read buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest WebSocket message in bytes, over all its fragments. Default: 16 MiB.
    pub max_message_bytes: usize,
    /// The largest polling response body in bytes. Default: 32 MiB, which holds a message of 16 MiB in base64. Of
    /// error answers, what is longer than 64 KiB is not read; an answer to a POST that is longer is too large.
    pub max_body_bytes: usize,
    /// The largest number of packets in one polling body. Default: 262,144: a server that has queued a burst sends
    /// it as one body. In the body a packet costs nothing beyond its own bytes; whoever takes it out pays for it.
    pub max_packets_per_payload: usize,
    /// The largest number of cookies that are kept for a session; the oldest ones make room. Default: 50, as RFC 6265
    /// asks of a browser for one domain.
    pub max_cookies: usize,
    /// The largest size in bytes of the cookies that are sent with a request; the oldest ones make room, and one that is
    /// larger by itself is not kept. Default: 8 KiB, half of what Node's servers take as headers.
    pub max_cookie_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: 16 << 20,
            max_body_bytes: 32 << 20,
            max_packets_per_payload: 1 << 18,
            max_cookies: 50,
            max_cookie_bytes: 8 << 10,
        }
    }
}
