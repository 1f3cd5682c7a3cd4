//! What the emulator saw, kept for assertions, and counters that can be waited on.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::shared::lock;

/// At most this many requests, and as many packets, are kept; later ones are only counted, so that a long run stays small.
const MAX_RECORDS: usize = 20_000;

/// What the emulator saw since it started, in order of arrival.
///
/// Request targets contain the emulator's own made-up credentials; no header value is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Log {
    /// Every HTTP request, WebSocket handshakes included.
    pub requests: Vec<RequestRecord>,
    /// Every Engine.IO packet that a client sent, as text.
    pub packets: Vec<PacketRecord>,
    /// Records that were not kept because there were too many.
    pub dropped: u64,
}

impl Log {
    /// The Graph requests among [`Log::requests`].
    pub fn graph_requests(&self) -> impl Iterator<Item = &RequestRecord> {
        self.requests.iter().filter(|request| !request.is_relay())
    }

    /// The requests to the relay among [`Log::requests`].
    pub fn relay_requests(&self) -> impl Iterator<Item = &RequestRecord> {
        self.requests.iter().filter(|request| request.is_relay())
    }

    /// The packets of one TCP connection.
    pub fn packets_of(&self, connection: u64) -> impl Iterator<Item = &str> {
        self.packets
            .iter()
            .filter(move |packet| packet.connection == connection)
            .map(|packet| packet.text.as_str())
    }
}

/// One HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The TCP connection it came on, numbered from 1.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// The names of its headers, in lower case.
    pub headers: Vec<String>,
}

impl RequestRecord {
    /// Whether it went to the relay, not to Graph.
    #[must_use]
    pub fn is_relay(&self) -> bool {
        self.target.starts_with("/socket.io")
    }
}

/// One Engine.IO packet from a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PacketRecord {
    /// The TCP connection it came on, numbered from 1.
    pub connection: u64,
    /// The transport it came by.
    pub transport: Transport,
    /// The packet with its type digit, such as `40/notifications,`; a binary message is `<binary>`.
    pub text: String,
}

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transport {
    /// In the body of a POST.
    Polling,
    /// In a WebSocket message.
    #[serde(rename = "websocket")]
    WebSocket,
}

/// How many things there are, now and since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gauge {
    /// Right now.
    pub now: u64,
    /// Since the start.
    pub total: u64,
}

impl Gauge {
    pub(crate) fn up(&mut self) {
        self.now += 1;
        self.total += 1;
    }

    pub(crate) fn down(&mut self) {
        self.now = self.now.saturating_sub(1);
    }
}

/// Counters of one emulator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// TCP connections.
    pub connections: Gauge,
    /// TCP connections that became WebSockets.
    pub websockets: Gauge,
    /// Clients that have joined a namespace.
    pub joined: Gauge,
    /// HTTP requests, WebSocket handshakes included.
    pub requests: u64,
    /// Engine.IO packets from clients, those in [`Log::packets`] that were not kept included.
    pub packets: u64,
    /// Graph requests, refused ones included.
    pub graph_requests: u64,
    /// Subscriptions handed out.
    pub subscriptions: u64,
    /// Numbered notifications, those without a receiver included.
    pub notifications: u64,
    /// CONNECT packets that were refused.
    pub refused_connects: u64,
}

/// Keeps the log and the counters.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    log: Mutex<Log>,
    counts: watch::Sender<Counts>,
}

impl Recorder {
    pub(crate) fn request(&self, record: RequestRecord) {
        let mut log = lock(&self.log);
        if log.requests.len() < MAX_RECORDS {
            log.requests.push(record);
        } else {
            log.dropped += 1;
        }
        drop(log);
        self.count(|counts| counts.requests += 1);
    }

    pub(crate) fn packet(&self, connection: u64, transport: Transport, text: &str) {
        let mut log = lock(&self.log);
        if log.packets.len() < MAX_RECORDS {
            log.packets.push(PacketRecord {
                connection,
                transport,
                text: text.to_owned(),
            });
        } else {
            log.dropped += 1;
        }
        drop(log);
        self.count(|counts| counts.packets += 1);
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    pub(crate) fn log(&self) -> Log {
        lock(&self.log).clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Counts> {
        self.counts.subscribe()
    }
}
