//! A hostile server that sends for ever, against the finished client on real sockets, and what the client takes of the heap
//! meanwhile.
//!
//! The client is alone on a thread, with a runtime of its own, and what that thread allocates is counted; the server has
//! threads of its own. A lane is one way to be hostile; most of them are read by nobody.

#![allow(
    clippy::disallowed_methods,
    reason = "the server sends as fast as real sockets take it"
)]

mod answers;
mod lanes;
mod server;
mod wire;

use std::fmt;
use std::time::Duration;

use engineio::client::Http;
use socketio::{Builder, Events, Limits, Overflow, Parser, Reconnection, Socket, Transport};

use crate::heap::{self, Heap};
use server::{Server, Until};

pub use lanes::LANES;

/// One way to be hostile.
#[derive(Debug)]
#[non_exhaustive]
pub struct Lane {
    /// How it is called.
    pub name: &'static str,
    /// What the server does.
    pub about: &'static str,
    /// How the client connects.
    pub transport: Transport,
    /// What happens when nobody reads.
    pub overflow: Overflow,
    /// Whether somebody reads.
    pub is_read: bool,
    /// Whether packets are MessagePack.
    pub is_msgpack: bool,
    /// How many bytes are enough where time does not count.
    volume: u64,
    answer: server::Answer,
}

/// What is in force.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Of the Engine.IO connection.
    pub engine: engineio::Config,
    /// Of the Socket.IO client.
    pub limits: Limits,
    /// How many events may be unread.
    pub event_queue: usize,
}

impl Settings {
    /// The defaults of the libraries.
    #[must_use]
    pub fn defaults() -> Self {
        Self {
            engine: engineio::Config::default(),
            limits: Limits::default(),
            event_queue: 1024,
        }
    }

    /// Limits so low that a few MiB are far beyond the bound.
    #[must_use]
    pub fn tight() -> Self {
        let mut settings = Self::defaults();
        // Those that are being closed are connections, too.
        settings.engine.close_timeout = Duration::from_millis(100);
        let engine = &mut settings.engine.limits;
        engine.max_message_bytes = 128 << 10;
        engine.max_body_bytes = 256 << 10;
        engine.max_packets_per_payload = 512;
        let limits = &mut settings.limits;
        limits.codec.max_attachment_bytes = 256 << 10;
        limits.max_held_events = 128;
        limits.max_held_bytes = 256 << 10;
        limits.max_queued_bytes = 256 << 10;
        settings.event_queue = 128;
        settings
    }

    /// The most that the client of a lane, which is in one namespace, takes of the heap, as the documentation of [`Limits`]
    /// has it.
    #[must_use]
    pub fn bound(&self, lane: &Lane) -> u64 {
        let engine = &self.engine.limits;
        let limits = &self.limits;
        let (text, reading) = match lane.is_msgpack {
            true => (7 * engine.max_message_bytes, 15 * engine.max_message_bytes),
            false => (engine.max_message_bytes, 0),
        };
        let packet = text + limits.codec.max_attachment_bytes;
        let small = 9 << 10;
        let connection = match lane.transport {
            Transport::Polling => 4 * engine.max_body_bytes + 600 * engine.max_packets_per_payload,
            _ => 4 * engine.max_message_bytes,
        };
        let unread = self.event_queue * small + 2 * (limits.max_queued_bytes + packet);
        let held = limits.max_held_events * small + 2 * (limits.max_held_bytes + packet);
        ((1 << 20) + connection + reading + 2 * packet + unread + held) as u64
    }
}

/// What came of a lane.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// What the client took.
    pub heap: Heap,
    /// What it may take.
    pub bound: u64,
    /// How many bytes the server has sent.
    pub sent: u64,
    /// How many connections the client has made.
    pub connections: u64,
    /// Whether the client took nothing any more.
    pub has_stalled: bool,
}

impl Outcome {
    /// Whether the client took no more than it may.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.heap.peak <= self.bound
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes.div_ceil(1024);
        write!(
            f,
            "peak {} KiB of {} KiB, {} KiB sent on {} connections{}",
            kib(self.heap.peak),
            kib(self.bound),
            kib(self.sent),
            self.connections,
            if self.has_stalled {
                ", and no more was taken"
            } else {
                ""
            }
        )
    }
}

impl Lane {
    /// Plays the lane for so long, or until the server has sent some MiB or the client takes no more.
    ///
    /// # Panics
    ///
    /// When the machine gives no port or thread, and when nobody [counts](heap::count).
    pub fn play(&self, settings: &Settings, time: Option<Duration>, http: &Http) -> Outcome {
        let until = time.map_or(Until::Bytes(self.volume), Until::Time);
        let server = Server::start(self.answer, settings, until);
        let url = server.url();
        let ((), heap) = heap::measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let client = tokio::spawn(self.use_client(self.builder(url, settings, http)));
                server.has_sent_enough().await;
                client.abort();
            });
        });
        Outcome {
            heap,
            bound: settings.bound(self),
            sent: server.sent(),
            connections: server.connections(),
            has_stalled: server.has_stalled(),
        }
    }

    fn builder(&self, url: String, settings: &Settings, http: &Http) -> Builder {
        let mut reconnection = Reconnection::default();
        reconnection.initial_delay = Duration::from_millis(1);
        reconnection.max_delay = Duration::from_millis(1);
        reconnection.retry_on_initial_connect = true;
        let parser = match self.is_msgpack {
            true => Parser::msgpack(),
            false => Parser::json(),
        };
        Builder::new(url)
            .parser(parser)
            .engine_config(settings.engine.clone())
            .transports([self.transport])
            .limits(settings.limits.clone())
            .event_queue(settings.event_queue)
            .overflow(self.overflow)
            .reconnection(reconnection)
            .http(http.clone())
    }

    fn use_client(&self, builder: Builder) -> impl Future<Output = ()> + Send + 'static {
        let is_read = self.is_read;
        async move {
            loop {
                let (socket, mut events): (Socket, Events) =
                    builder.clone().connect_in_background().expect("a client");
                if !is_read {
                    // Until the client says that it has left, which nobody reads.
                    while socket.is_active() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                while events.next().await.is_some() {}
            }
        }
    }
}
