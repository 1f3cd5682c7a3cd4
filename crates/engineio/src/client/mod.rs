//! The tokio driver: joins a [`Connection`] to reqwest and to WebSocket frames.
//!
//! A [`Client`] is driven in place by whoever polls it. It starts no task of its own (the HTTP library keeps one for
//! each of its connections), and dropping it drops everything that belongs to the session. One [`Http`] carries all three kinds of request (polling GETs,
//! POSTs and the WebSocket handshake), so that proxies, certificates and headers are set once and hold for all.
//!
//! It tells `tracing` what happens, at level debug, and no secret; nor is one in what the libraries below it log, at any
//! level.
//!
//! ```no_run
//! use engineio::client::{Client, Http};
//! use engineio::{Config, Endpoint, Event};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::parse("https://example.com/engine.io/?room=1")?;
//! let mut client = Client::new(Http::new()?, endpoint, Config::default());
//! while let Some(event) = client.next_event().await {
//!     match event {
//!         Event::Opened { transport, .. } => {
//!             println!("open by {transport}");
//!             client.send("hello".into())?;
//!         }
//!         Event::Message(message) => println!("{message:?}"),
//!         Event::Closed(reason) => println!("{reason}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod clock;
mod cookies;
mod http;
mod io;
mod timer;
mod trace;
mod websocket;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use websocket::fuzzing;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

pub use self::clock::now;
pub use self::http::{Http, HttpBuilder, HttpError};
use self::io::Io;
pub use self::timer::Timer;
use crate::config::Config;
use crate::connection::{Connection, Event, Input};
use crate::endpoint::Endpoint;
use crate::error::SendError;
use crate::handshake::Sid;
use crate::packet::Message;
use crate::secrets::Secrets;
use crate::stats::Stats;
use ::http::HeaderMap;
/// The HTTP library, whose types are part of [`HttpBuilder::customize`], [`Http::as_reqwest`] and [`Http::explain`].
pub use ::reqwest;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use tokio::task::coop;

/// How much may still come in after a deadline before it is taken to have passed: more than was under way at that time.
const OVERDUE_INPUTS: usize = 4096;
/// Counts for more than anything that could have been under way.
const NOTHING_LEFT: usize = OVERDUE_INPUTS + 1;

/// How many messages, and bytes of them, are taken in before the first of them is handed on.
const GATHERED: usize = 32;
const GATHERED_BYTES: usize = 64 * 1024;

/// One Engine.IO connection.
///
/// Nothing happens before it is polled and nothing goes on while it is not: poll it for as long as the session is
/// wanted, be it in a task of its own or in a `select!`. The stream of events ends after [`Event::Closed`].
///
/// Dropping it drops the sockets at once; [`Client::close`] is the polite way.
#[must_use = "a connection does nothing unless it is polled"]
pub struct Client {
    connection: Connection,
    io: Io,
    timer: Timer,
    send_buffer_bytes: usize,
    /// When the last input was taken in, as far as the clock was asked.
    read_at: Instant,
    /// What came behind messages that are not taken yet.
    held_back: Option<Input>,
    /// How much has come in since a deadline passed.
    came_since_deadline: usize,
    reading: bool,
    finished: bool,
    sid: Option<Sid>,
}

impl Client {
    /// A connection to `endpoint` that opens once it is polled.
    pub fn new(http: Http, endpoint: Endpoint, config: Config) -> Self {
        let io = Io::new(http, endpoint, &config);
        let send_buffer_bytes = config.send_buffer_bytes;
        let now = now();
        let connection = Connection::new(config, now);
        Self {
            connection,
            io,
            timer: Timer::default(),
            send_buffer_bytes,
            read_at: now,
            held_back: None,
            came_since_deadline: 0,
            reading: true,
            finished: false,
            sid: None,
        }
    }

    /// Adds headers to every request of the session, the WebSocket handshake included. Those that carry the protocol
    /// (`Connection`, `Upgrade`, `Sec-WebSocket-*`, `Content-Type`, the encodings) are left out.
    ///
    /// A server may repeat a request in the text of an error answer. `Authorization`, `Proxy-Authorization`, `Cookie`
    /// and every value that is [marked as sensitive](::http::HeaderValue::set_sensitive) are cut out there.
    pub fn with_headers(self, headers: HeaderMap) -> Self {
        self.with_shared_headers(Arc::new(headers))
    }

    /// As [`with_headers`](Self::with_headers), with headers that many connections can share.
    pub fn with_shared_headers(mut self, headers: Arc<HeaderMap>) -> Self {
        self.io.set_headers(headers);
        self
    }

    /// What the server was given, or gave, and no error may repeat.
    #[doc(hidden)]
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        self.io.secrets(self.sid.as_ref())
    }

    /// Drives the connection until there is something to tell; `None` after [`Event::Closed`].
    ///
    /// Cancel-safe in the sense of any poll function: nothing is lost between calls.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.connection.poll_event() {
                trace::event(&event);
                if let Event::Opened { handshake, .. } = &event {
                    self.sid = Some(handshake.sid.clone());
                }
                if matches!(event, Event::Closed(_)) {
                    self.io.shut();
                    self.finished = true;
                }
                return Poll::Ready(Some(event));
            }
            if self.finished {
                return Poll::Ready(None);
            }
            if self.poll_inputs(cx).is_pending() {
                ready!(self.poll_deadline(cx));
            }
        }
    }

    /// Takes in what there is: some messages at once, or one of anything else, once the messages before it are taken. To
    /// hand on each message as soon as it is made would take longer: the processor waits for what it has just written.
    fn poll_inputs(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = 0;
        for count in 0..GATHERED {
            self.start_actions(cx);
            let may_come = |held: &mut Input| self.reading || !held.brings_content();
            let input = match self.held_back.take_if(may_come) {
                Some(input) => input,
                None => match self.io.poll_input(cx, self.reading) {
                    Poll::Ready(input) => input,
                    Poll::Pending if count > 0 => break,
                    Poll::Pending => return Poll::Pending,
                },
            };
            let is_message = input.is_message();
            if !is_message && count > 0 {
                self.held_back = Some(input);
                break;
            }
            bytes += input.len();
            self.take_in(input, count == 0);
            if !is_message || bytes > GATHERED_BYTES {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Starts what the connection wants done, and sends on what waits.
    fn start_actions(&mut self, cx: &mut Context<'_>) {
        // What the socket cannot take yet stays in the connection, and counts there as unsent. Only frames wait for the
        // socket: the requests of a session must not wait for a probe.
        while !self.connection.is_frame_next() || self.io.poll_ready(cx).is_ready() {
            match self.connection.poll_action() {
                Some(action) => self.io.start(action),
                None => break,
            }
        }
        self.io.poll_flush(cx);
    }

    fn take_in(&mut self, input: Input, is_first: bool) {
        // The clock is asked once for all messages of one read that are taken in together. A heartbeat counts from when it
        // is answered, however long that read is ago.
        let is_later = self.io.has_read() || is_first || !input.is_message();
        if is_later {
            self.read_at = now();
        }
        self.connection.handle_input(self.read_at, input);
        if is_later || self.came_since_deadline > 0 {
            self.let_deadline_pass(self.read_at, 1);
        }
    }

    /// Lets time have its effect, once there is nothing to read.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = now();
        let nothing_came = match coop::has_budget_remaining() {
            true => NOTHING_LEFT,
            // The task has only read its share for now. A whole share behind a deadline is enough.
            false => OVERDUE_INPUTS,
        };
        if self.let_deadline_pass(now, nothing_came) {
            return Poll::Ready(());
        }
        match self.connection.poll_timeout() {
            Some(deadline) if deadline > now => self.timer.poll(cx, deadline),
            _ => Poll::Pending,
        }
    }

    /// What came in time counts, however late it is read: so a deadline has passed when enough has come behind it, of
    /// which this is some more. A peer that sends as fast as it is read, so that there is always something, does not
    /// put it off.
    fn let_deadline_pass(&mut self, now: Instant, came: usize) -> bool {
        let deadline = self.connection.poll_timeout();
        if deadline.is_none_or(|deadline| deadline > now) {
            self.came_since_deadline = 0;
            return false;
        }
        self.came_since_deadline = self.came_since_deadline.saturating_add(came);
        let has_passed = self.came_since_deadline > OVERDUE_INPUTS;
        if has_passed {
            self.came_since_deadline = 0;
            self.connection.handle_timeout(now);
        }
        has_passed
    }

    /// The next event; `None` after [`Event::Closed`]. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Queues a message. It leaves while the client is polled. The queue has no bound of its own: ask
    /// [`Client::is_writable`] first.
    ///
    /// # Errors
    ///
    /// See [`Connection::send`].
    pub fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.connection.send(now(), message)
    }

    /// Whether sending more is sensible: the session is open, and less than [`Config::send_buffer_bytes`] wait for the
    /// transport. It becomes so while the client is polled.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.connection.is_open() && self.connection.unsent_bytes() < self.send_buffer_bytes
    }

    /// Whether all that was sent has been handed to the network, or at least to a request.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.connection.unsent_bytes() == 0
    }

    /// Whether the session is open for sending.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// What the connection has carried so far. It stays readable when the connection is over.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.connection.stats()
    }

    /// Stops reading from the network, so that the peer is slowed down, and suspends the heartbeat deadline: an
    /// unread ping is not a missing one. The server's own patience is not affected. What was read before still comes: a
    /// polling body, or up to 32 messages of a WebSocket.
    pub fn pause_reading(&mut self) {
        self.reading = false;
        self.connection.set_reading(now(), false);
    }

    /// Reads again.
    pub fn resume_reading(&mut self) {
        self.reading = true;
        self.connection.set_reading(now(), true);
    }

    /// Closes gracefully: what was sent leaves first, within [`Config::close_timeout`]. Poll on until
    /// [`Event::Closed`].
    pub fn close(&mut self) {
        // The server's answer to the close has to be read.
        if !self.reading {
            self.resume_reading();
        }
        self.connection.close(now());
    }
}

impl Stream for Client {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(cx)
    }
}

impl FusedStream for Client {
    fn is_terminated(&self) -> bool {
        self.finished
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
