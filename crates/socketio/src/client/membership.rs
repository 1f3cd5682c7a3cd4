//! What the handles of one joined namespace share, and how they talk to the connection's task.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use engineio::Transport;
use socketio_codec::{Args, Bytes, Event, Json, Namespace, Packet, Parser};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Timeout;

use super::channel::{self, Receiver, Sender};
use super::events::{Events, Mailbox, Queue, mailbox};
use super::provider::Provider;
use super::socket::Socket;
use super::stats::{LinkStats, Stats};
use crate::error::{AckError, ConnectError, EmitError};
use crate::event::Connected;
use crate::overflow::Overflow;
use crate::retries::Retries;
use crate::session::outgoing::Outgoing;
use crate::session::{self, AckKey, AckTicket, Depth, Offline, outgoing};

/// Digits of the largest acknowledgement id.
pub(super) const MAX_ACK_DIGITS: usize = 20;

/// Whether a namespace was joined.
pub(super) type Outcome = oneshot::Receiver<Result<(), ConnectError>>;

/// How many commands of a namespace wait for its task before senders are made to wait. Only bursts need room here.
pub(super) const COMMANDS: usize = 64;

/// One joined namespace, as its handles see it. Dropping the last of them leaves the namespace.
pub(super) struct Membership {
    id: MembershipId,
    namespace: Namespace,
    pub(super) retries: Option<Retries>,
    queue: Arc<Queue>,
    pub(super) status: Arc<Status>,
    pub(super) commands: Sender<Command>,
    pub(super) control: Sender<Control>,
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MembershipId(u64);

/// What is sent in a namespace.
pub(super) enum Command {
    Emit(Event),
    /// To be dropped unless it can leave at once.
    EmitVolatile(Event),
    /// To be sent again until it is acknowledged. Nobody waits for that.
    EmitRetried(Event),
    EmitAwaited {
        event: Event,
        wish: Wish,
        reply: oneshot::Sender<Result<Args, AckError>>,
        /// Where the task says what it awaits.
        awaited: Arc<OnceLock<AckKey>>,
    },
    Reply {
        ticket: AckTicket,
        args: Args,
    },
}

impl Command {
    /// Whether nobody will learn what became of it.
    pub(super) fn is_unawaited(&self) -> bool {
        !matches!(self, Self::EmitAwaited { .. })
    }
}

/// What somebody awaits of an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    /// That it leaves by then.
    SentBy(Instant),
    /// Its acknowledgement, by then.
    AckBy(Instant),
    /// Its acknowledgement, however often it must be sent; each time may take that long.
    Retried(Duration),
}

/// What a task is told beside what is to be sent. Nobody ever waits to say it, so handles can say it when they are
/// dropped; and each is said at most once per handle, awaited acknowledgement or call of `caught_up`, so the unbounded
/// channel has a bound.
pub(super) enum Control {
    Join(Box<Join>),
    Leave {
        id: MembershipId,
        done: Option<oneshot::Sender<()>>,
    },
    /// All that the server has sent by now is awaited.
    CatchUp {
        id: MembershipId,
        done: oneshot::Sender<()>,
    },
    /// A new connection is wanted, now. Said again only when it has been heard.
    Reconnect,
    /// Somebody does not await this acknowledgement any more. If nothing is in here, its event has not been taken, and
    /// will not be.
    AckDropped(Arc<OnceLock<AckKey>>),
}

/// The task's end of a membership.
pub(super) struct Join {
    pub(super) id: MembershipId,
    pub(super) namespace: Namespace,
    pub(super) settings: session::Join,
    pub(super) auth: Option<Provider<Option<Json>>>,
    pub(super) status: Arc<Status>,
    pub(super) commands: Receiver<Command>,
    pub(super) mailbox: Mailbox,
    pub(super) joined: oneshot::Sender<Result<(), ConnectError>>,
}

/// Whether the namespace is connected, as of the latest event that was handed over, and what waits in it.
#[derive(Default)]
pub(super) struct Status {
    /// Which of the namespace's connections this is; 0 while it has none.
    generation: AtomicU64,
    id: Mutex<Option<String>>,
    /// Events that wait to be sent, and bytes of them.
    unsent_events: AtomicUsize,
    unsent_bytes: AtomicUsize,
}

/// What a namespace is joined with.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) join: session::Join,
    pub(super) auth: Option<Provider<Option<Json>>>,
    pub(super) event_queue: usize,
    pub(super) overflow: Overflow,
}

/// What all handles of a connection know about it.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where the connection's task runs, and its timers.
    runtime: Handle,
    pub(super) max_attachments: usize,
    parser: Parser,
    force_base64: bool,
    max_queued_bytes: usize,
    last_id: AtomicU64,
    /// The largest message that the server takes, as of the latest handshake; 0 if it said nothing.
    max_payload: AtomicU64,
    /// Whether messages go through a WebSocket.
    websocket: AtomicBool,
    /// Whether what is sent now leaves at once.
    writable: AtomicBool,
    /// Whether the task has been asked for a new connection, and has not heard it yet.
    reconnecting: AtomicBool,
    pub(super) offline: Offline,
    pub(super) stats: Mutex<LinkStats>,
}

impl Membership {
    /// Asks the task behind `control` to join a namespace. The handles are there at once; the outcome comes later.
    pub(super) fn join(
        control: &Sender<Control>,
        shared: Arc<Shared>,
        namespace: Namespace,
        settings: Settings,
    ) -> Result<(Socket, Events, Outcome), ConnectError> {
        let id = MembershipId(shared.last_id.fetch_add(1, Ordering::Relaxed));
        let status = Arc::new(Status::default());
        let (commands, commands_end) = channel::bounded(COMMANDS);
        let (mailbox, inbox) = mailbox(
            settings.event_queue,
            shared.max_queued_bytes,
            settings.overflow,
        );
        let (joined, outcome) = oneshot::channel();
        let membership = Arc::new(Self {
            id,
            namespace: namespace.clone(),
            retries: settings.join.retries,
            queue: inbox.queue().clone(),
            status: status.clone(),
            commands,
            control: control.clone(),
            shared,
        });
        let join = Join {
            id,
            namespace,
            settings: settings.join,
            auth: settings.auth,
            status,
            commands: commands_end,
            mailbox,
            joined,
        };
        control
            .try_send(Control::Join(Box::new(join)))
            .map_err(|_| ConnectError::Closed)?;
        let events = Events::new(membership.clone(), inbox);
        Ok((Socket::new(membership), events, outcome))
    }

    /// Waits until the namespace is joined, or will not be.
    pub(super) async fn joined(
        (socket, events, outcome): (Socket, Events, Outcome),
    ) -> Result<(Socket, Events), ConnectError> {
        outcome.await.unwrap_or(Err(ConnectError::Closed))?;
        Ok((socket, events))
    }

    pub(super) async fn leave(&self) {
        let (done, finished) = oneshot::channel();
        let leave = Control::Leave {
            id: self.id,
            done: Some(done),
        };
        if self.control.try_send(leave).is_ok() {
            // An error means that the task is gone, and the connection with it.
            finished.await.ok();
        }
    }

    pub(super) async fn catch_up(&self) -> Result<(), AckError> {
        let (done, caught_up) = oneshot::channel();
        let catch_up = Control::CatchUp { id: self.id, done };
        // An error means that the task is gone, and the connection with it.
        self.control
            .try_send(catch_up)
            .map_err(|_| AckError::Disconnected)?;
        caught_up.await.map_err(|_| AckError::Disconnected)
    }

    /// Refuses what would be refused later, when nobody listens any more.
    pub(super) fn check(&self, event: &Event, ack_digits: usize) -> Result<(), EmitError> {
        if self.shared.offline == Offline::Reject && self.status.generation() == 0 {
            return Err(EmitError::NotConnected);
        }
        if self.shared.parser.is_json() {
            return self.check_size(ack_digits, event.json().len(), event.attachments());
        }
        self.check_encoded(Packet::Event {
            namespace: self.namespace.clone(),
            id: (ack_digits > 0).then_some(u64::MAX),
            event: event.clone(),
        })
    }

    /// The same for an acknowledgement.
    pub(super) fn check_reply(&self, args: &Args) -> Result<(), EmitError> {
        if self.shared.parser.is_json() {
            return self.check_size(MAX_ACK_DIGITS, args.json().len(), args.attachments());
        }
        self.check_encoded(Packet::Ack {
            namespace: self.namespace.clone(),
            id: u64::MAX,
            args: args.clone(),
        })
    }

    /// How many digits an acknowledgement id of an event may have that asks for none by itself.
    pub(super) fn ack_digits(&self) -> usize {
        self.retries.map_or(0, |_| MAX_ACK_DIGITS)
    }

    pub(super) fn stats(&self) -> Stats {
        let (queued_events, queued_bytes) = self.queue.depth();
        let link = *self.shared.lock_stats();
        Stats {
            engine: link.engine,
            connections: link.connections,
            pending_acks: link.pending_acks,
            queued_events,
            queued_bytes,
            dropped_events: self.queue.dropped(),
            unsent_events: self.status.unsent_events.load(Ordering::Relaxed),
            unsent_bytes: self.status.unsent_bytes.load(Ordering::Relaxed),
        }
    }

    /// Refuses what the server would not take. The session does too, but when it does nobody listens any more.
    fn check_size(
        &self,
        ack_digits: usize,
        json: usize,
        attachments: &[Bytes],
    ) -> Result<(), EmitError> {
        let (max, base64) = self.shared.capacity();
        let size =
            outgoing::largest_message(&self.namespace, ack_digits, json, attachments, base64);
        check_max(size, max)
    }

    /// How large a packet is in another format, only that format can tell.
    fn check_encoded(&self, packet: Packet) -> Result<(), EmitError> {
        let (max, base64) = self.shared.capacity();
        let outgoing = Outgoing::new(&self.shared.parser, packet)?;
        check_max(outgoing.largest_message(base64), max)
    }
}

fn check_max(size: u64, max: Option<u64>) -> Result<(), EmitError> {
    match max {
        Some(max) if size > max => Err(EmitError::TooLarge { size, max }),
        _ => Ok(()),
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.control
            .try_send(Control::Leave {
                id: self.id,
                done: None,
            })
            .ok();
    }
}

impl Status {
    pub(super) fn connected(&self, connected: &Connected) {
        self.id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&connected.id);
        self.generation
            .store(connected.generation, Ordering::Release);
    }

    pub(super) fn disconnected(&self) {
        self.generation.store(0, Ordering::Release);
        self.id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    pub(super) fn unsent(&self, depth: Depth) {
        self.unsent_events.store(depth.events, Ordering::Relaxed);
        self.unsent_bytes.store(depth.bytes, Ordering::Relaxed);
    }

    /// 0 while not connected.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn id(&self) -> Option<String> {
        self.id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Shared {
    pub(super) fn new(runtime: Handle, config: &session::Config) -> Self {
        let limits = &config.limits;
        Self {
            runtime,
            offline: config.offline,
            parser: config.parser.clone(),
            force_base64: config.force_base64,
            stats: Mutex::default(),
            writable: AtomicBool::new(false),
            reconnecting: AtomicBool::new(false),
            max_attachments: limits.codec.max_attachments,
            max_queued_bytes: limits.max_queued_bytes,
            last_id: AtomicU64::new(0),
            max_payload: AtomicU64::new(0),
            websocket: AtomicBool::new(false),
        }
    }

    /// As [`tokio::time::timeout`], but by the connection's runtime: handles are used outside of runtimes, too.
    pub(super) fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F> {
        let _runtime = self.runtime.enter();
        tokio::time::timeout(limit, future)
    }

    pub(super) fn opened(&self, transport: Transport, max_payload: Option<u64>) {
        self.max_payload
            .store(max_payload.unwrap_or(0), Ordering::Relaxed);
        self.upgraded(transport);
    }

    pub(super) fn upgraded(&self, transport: Transport) {
        let websocket = transport == Transport::WebSocket;
        self.websocket.store(websocket, Ordering::Relaxed);
    }

    /// The next connection opens with this transport. It may carry less: on polling, attachments are a third larger.
    pub(super) fn closed(&self, next: Transport) {
        self.upgraded(next);
    }

    /// That of the present connection, or of the next one.
    pub(super) fn transport(&self) -> Transport {
        match self.websocket.load(Ordering::Relaxed) {
            true => Transport::WebSocket,
            false => Transport::Polling,
        }
    }

    /// Whether this is the first wish for a new connection since the last one was heard.
    pub(super) fn wants_reconnect(&self) -> bool {
        !self.reconnecting.swap(true, Ordering::AcqRel)
    }

    pub(super) fn reconnect_heard(&self) {
        self.reconnecting.store(false, Ordering::Release);
    }

    pub(super) fn set_writable(&self, writable: bool) {
        self.writable.store(writable, Ordering::Relaxed);
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    pub(super) fn lock_stats(&self) -> MutexGuard<'_, LinkStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The largest message that the server takes, if it said so, and whether binary ones travel as base64.
    fn capacity(&self) -> (Option<u64>, bool) {
        let max = self.max_payload.load(Ordering::Relaxed);
        let base64 = outgoing::is_base64(self.transport(), self.force_base64);
        ((max != 0).then_some(max), base64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_emitted_without_a_connection_must_fit_the_next_one() {
        let shared = Shared::new(Handle::current(), &session::Config::default());
        shared.opened(Transport::Polling, Some(1000));
        assert_eq!(shared.capacity(), (Some(1000), true));
        shared.upgraded(Transport::WebSocket);
        assert_eq!(shared.capacity(), (Some(1000), false));
        shared.closed(Transport::Polling);
        assert_eq!(shared.capacity(), (Some(1000), true));
        shared.opened(Transport::WebSocket, None);
        assert_eq!(shared.capacity(), (None, false));
    }
}
