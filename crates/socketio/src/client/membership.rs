//! What the handles of one joined namespace share, and how they talk to the connection's task.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use engineio::Transport;
use socketio_codec::{Args, Bytes, Event, Json, Namespace, Query};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Timeout;

use super::events::{Events, Mailbox, mailbox};
use super::socket::Socket;
use crate::error::{AckError, ConnectError, EmitError};
use crate::event::Connected;
use crate::limits::Limits;
use crate::session::outgoing;
use crate::session::{AckKey, AckTicket};

/// How many commands of a namespace wait for its task before senders are made to wait. Only bursts need room here.
const COMMANDS: usize = 16;

/// One joined namespace, as its handles see it. Dropping the last of them leaves the namespace.
pub(super) struct Membership {
    id: MembershipId,
    namespace: Namespace,
    pub(super) status: Arc<Status>,
    pub(super) commands: mpsc::Sender<Box<Command>>,
    pub(super) control: mpsc::UnboundedSender<Control>,
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MembershipId(u64);

/// What is sent in a namespace. Boxed in its channel: an idle channel reserves room for 32.
pub(super) enum Command {
    Emit(Event),
    EmitWithAck {
        event: Event,
        deadline: Instant,
        reply: oneshot::Sender<Result<Args, AckError>>,
        /// Where the task says what it awaits.
        awaited: Arc<OnceLock<AckKey>>,
    },
    Reply {
        ticket: AckTicket,
        args: Args,
    },
}

/// What a task is told beside what is to be sent. Nobody ever waits to say it, so handles can say it when they are
/// dropped; and each is said at most once per handle or awaited acknowledgement, so the unbounded channel has a bound.
pub(super) enum Control {
    Join(Box<Join>),
    Leave {
        id: MembershipId,
        done: Option<oneshot::Sender<()>>,
    },
    /// Somebody does not await this acknowledgement any more. If nothing is in here, its event has not been taken, and
    /// will not be.
    AckDropped(Arc<OnceLock<AckKey>>),
}

/// The task's end of a membership.
pub(super) struct Join {
    pub(super) id: MembershipId,
    pub(super) namespace: Namespace,
    pub(super) auth: Option<Json>,
    pub(super) query: Option<Query>,
    pub(super) membership: Weak<Membership>,
    pub(super) status: Arc<Status>,
    pub(super) commands: mpsc::Receiver<Box<Command>>,
    pub(super) mailbox: Mailbox,
    pub(super) joined: oneshot::Sender<Result<(), ConnectError>>,
}

/// Whether the namespace is connected, as of the latest event that was handed over.
#[derive(Default)]
pub(super) struct Status {
    /// Which of the namespace's connections this is; 0 while it has none.
    generation: AtomicU64,
    id: Mutex<Option<String>>,
}

/// What all handles of a connection know about it.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where the connection's task runs, and its timers.
    runtime: Handle,
    pub(super) max_attachments: usize,
    max_queued_bytes: usize,
    last_id: AtomicU64,
    /// The largest message that the server takes, as of the latest handshake; 0 if it said nothing.
    max_payload: AtomicU64,
    /// 1 while messages go through a WebSocket.
    websocket: AtomicU64,
}

impl Membership {
    /// Joins a namespace on the connection behind `control`.
    pub(super) async fn join(
        control: mpsc::UnboundedSender<Control>,
        shared: Arc<Shared>,
        namespace: Namespace,
        auth: Option<Json>,
        query: Option<Query>,
        event_queue: usize,
    ) -> Result<(Socket, Events), ConnectError> {
        let id = MembershipId(shared.last_id.fetch_add(1, Ordering::Relaxed));
        let status = Arc::new(Status::default());
        let (commands, commands_end) = mpsc::channel(COMMANDS);
        let (mailbox, inbox) = mailbox(event_queue, shared.max_queued_bytes);
        let (joined, outcome) = oneshot::channel();
        let membership = Arc::new(Self {
            id,
            namespace: namespace.clone(),
            status: status.clone(),
            commands,
            control: control.clone(),
            shared,
        });
        let join = Join {
            id,
            namespace,
            auth,
            query,
            membership: Arc::downgrade(&membership),
            status,
            commands: commands_end,
            mailbox,
            joined,
        };
        control
            .send(Control::Join(Box::new(join)))
            .map_err(|_| ConnectError::Closed)?;
        let events = Events::new(membership.clone(), inbox);
        outcome.await.unwrap_or(Err(ConnectError::Closed))?;
        Ok((Socket::new(membership), events))
    }

    pub(super) async fn leave(&self) {
        let (done, finished) = oneshot::channel();
        let leave = Control::Leave {
            id: self.id,
            done: Some(done),
        };
        if self.control.send(leave).is_ok() {
            // An error means that the task is gone, and the connection with it.
            finished.await.ok();
        }
    }

    pub(super) async fn send(&self, command: Command) -> Result<(), EmitError> {
        self.commands
            .send(Box::new(command))
            .await
            .map_err(|_| EmitError::Disconnected)
    }

    /// Refuses what the server would not take. The session does too, but when it does nobody listens any more.
    pub(super) fn check_size(
        &self,
        ack_digits: usize,
        json: usize,
        attachments: &[Bytes],
    ) -> Result<(), EmitError> {
        let (max, transport) = self.shared.capacity();
        let size =
            outgoing::largest_message(&self.namespace, ack_digits, json, attachments, transport);
        match max {
            Some(max) if size > max => Err(EmitError::TooLarge { size, max }),
            _ => Ok(()),
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.control
            .send(Control::Leave {
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
    pub(super) fn new(runtime: Handle, limits: &Limits) -> Self {
        Self {
            runtime,
            max_attachments: limits.codec.max_attachments,
            max_queued_bytes: limits.max_queued_bytes,
            last_id: AtomicU64::new(0),
            max_payload: AtomicU64::new(0),
            websocket: AtomicU64::new(0),
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
        let websocket = u64::from(transport == Transport::WebSocket);
        self.websocket.store(websocket, Ordering::Relaxed);
    }

    /// The next connection opens with this transport. It may carry less: on polling, attachments are a third larger.
    pub(super) fn closed(&self, next: Transport) {
        self.upgraded(next);
    }

    fn capacity(&self) -> (Option<u64>, Transport) {
        let max = self.max_payload.load(Ordering::Relaxed);
        let websocket = self.websocket.load(Ordering::Relaxed) != 0;
        let transport = if websocket {
            Transport::WebSocket
        } else {
            Transport::Polling
        };
        ((max != 0).then_some(max), transport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_emitted_without_a_connection_must_fit_the_next_one() {
        let shared = Shared::new(Handle::current(), &Limits::default());
        shared.opened(Transport::Polling, Some(1000));
        assert_eq!(shared.capacity(), (Some(1000), Transport::Polling));
        shared.upgraded(Transport::WebSocket);
        assert_eq!(shared.capacity(), (Some(1000), Transport::WebSocket));
        shared.closed(Transport::Polling);
        assert_eq!(shared.capacity(), (Some(1000), Transport::Polling));
        shared.opened(Transport::WebSocket, None);
        assert_eq!(shared.capacity(), (None, Transport::WebSocket));
    }
}
