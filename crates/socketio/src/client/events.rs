//! The queue of events from a connection's task to whoever reads them.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::vec;

use engineio::Bytes;
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use tokio::sync::mpsc;

use super::Event;
use super::membership::Membership;

/// Everything that happens in one namespace, in order: first [`Event::Connected`], then the server's events and the
/// namespace's lifecycle. The stream ends behind an event that [is final](crate::event::Event::is_final).
///
/// Read it: the queue is bounded, in events ([`Builder::event_queue`](crate::Builder::event_queue)) and in bytes
/// ([`Limits::max_queued_bytes`](crate::Limits::max_queued_bytes)). Nothing is ever dropped (but, when it is full, the
/// failures of further attempts to reconnect), so when it is full the connection stops reading, for all its namespaces,
/// until half of it has been read; meanwhile the heartbeat deadline of this side is suspended, acknowledgements are not
/// received, and the loss of the connection is not noticed. Who only sends can drop the `Events` instead: what would
/// have gone there is discarded.
///
/// Dropping all [`Socket`](crate::Socket)s and the `Events` of a namespace leaves it; the connection is closed behind
/// the last one.
pub struct Events {
    /// Keeps the namespace joined.
    _membership: Arc<Membership>,
    inbox: Inbox,
}

/// The reading end.
pub(super) struct Inbox {
    batches: mpsc::UnboundedReceiver<Vec<Event>>,
    batch: vec::IntoIter<Event>,
    gauge: Arc<Gauge>,
}

/// The task's end: a channel of batches, one batch for all that a wake-up of the task has brought.
pub(super) struct Mailbox {
    batches: mpsc::UnboundedSender<Vec<Event>>,
    batch: Vec<Event>,
    gauge: Arc<Gauge>,
}

/// Measures what is queued, which the channel cannot, and wakes the task when there is room again.
struct Gauge {
    events: Level,
    bytes: Level,
    task: AtomicWaker,
}

/// One measure of the queue.
struct Level {
    queued: AtomicUsize,
    limit: usize,
}

/// A queue of so many events, at least one, or so many bytes.
pub(super) fn mailbox(max_events: usize, max_bytes: usize) -> (Mailbox, Inbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge {
        events: Level::new(max_events),
        bytes: Level::new(max_bytes),
        task: AtomicWaker::new(),
    });
    let mailbox = Mailbox {
        batches: sender,
        batch: Vec::new(),
        gauge: gauge.clone(),
    };
    let inbox = Inbox {
        batches: receiver,
        batch: Vec::new().into_iter(),
        gauge,
    };
    (mailbox, inbox)
}

impl Level {
    fn new(limit: usize) -> Self {
        Self {
            queued: AtomicUsize::new(0),
            limit: limit.max(1),
        }
    }

    /// Lower than the limit, so that a slow reader does not wake the task for every single event.
    fn resume_at(&self) -> usize {
        self.limit / 2
    }

    fn add(&self, amount: usize) {
        self.queued.fetch_add(amount, Ordering::Relaxed);
    }

    /// Whether this has made room.
    fn subtract(&self, amount: usize) -> bool {
        let before = self.queued.fetch_sub(amount, Ordering::AcqRel);
        before > self.resume_at() && before - amount <= self.resume_at()
    }

    fn is_full(&self) -> bool {
        self.queued.load(Ordering::Acquire) >= self.limit
    }

    fn has_room(&self) -> bool {
        self.queued.load(Ordering::Acquire) <= self.resume_at()
    }
}

/// What an event holds beyond its place in the queue.
fn bytes(event: &Event) -> usize {
    match event {
        Event::Message(message) => {
            let attachments = message.attachments().iter().map(Bytes::len);
            message.json().len() + attachments.sum::<usize>()
        }
        _ => 0,
    }
}

impl Mailbox {
    /// Adds an event to the present batch, unless nobody reads.
    pub(super) fn push(&mut self, event: Event) {
        if !self.batches.is_closed() {
            self.gauge.events.add(1);
            self.gauge.bytes.add(bytes(&event));
            self.batch.push(event);
        }
    }

    /// Hands the present batch over.
    pub(super) fn flush(&mut self) {
        if !self.batch.is_empty() {
            // An error means that nobody reads any more.
            self.batches.send(std::mem::take(&mut self.batch)).ok();
        }
    }

    pub(super) fn is_full(&self) -> bool {
        let full = self.gauge.events.is_full() || self.gauge.bytes.is_full();
        full && !self.batches.is_closed()
    }

    /// Waits until the reader has caught up, or is gone.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        // First register, then look: what happens in between wakes.
        self.gauge.task.register(cx.waker());
        let room = self.gauge.events.has_room() && self.gauge.bytes.has_room();
        if room || self.batches.is_closed() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Inbox {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.batch.next() {
                // Whichever makes room last finds that the other one has it.
                if self.gauge.events.subtract(1) | self.gauge.bytes.subtract(bytes(&event)) {
                    self.gauge.task.wake();
                }
                return Poll::Ready(Some(event));
            }
            match ready!(self.batches.poll_recv(cx)) {
                Some(batch) => self.batch = batch.into_iter(),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.batches.close();
        self.gauge.task.wake();
    }
}

impl Events {
    pub(super) fn new(membership: Arc<Membership>, inbox: Inbox) -> Self {
        Self {
            _membership: membership,
            inbox,
        }
    }

    /// The next event; `None` when nothing will happen any more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.inbox.poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.inbox.poll_next(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.inbox.gauge.events.queued.load(Ordering::Relaxed);
        f.debug_struct("Events")
            .field("queued", &queued)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Message;
    use engineio::Transport;
    use std::sync::atomic::AtomicBool;
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn event() -> Event {
        Event::Upgraded(Transport::WebSocket)
    }

    fn read(inbox: &mut Inbox) -> bool {
        inbox
            .poll_next(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn the_task_is_woken_when_half_of_a_full_queue_has_been_read() {
        let (mut mailbox, mut inbox) = mailbox(4, usize::MAX);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        let cx = &mut Context::from_waker(&waker);
        for _ in 0..4 {
            assert!(!mailbox.is_full());
            mailbox.push(event());
        }
        assert!(mailbox.is_full());
        assert!(!read(&mut inbox), "a batch is handed over as a whole");
        mailbox.flush();
        assert!(mailbox.poll_room(cx).is_pending());
        assert!(read(&mut inbox));
        assert!(!mailbox.is_full() && mailbox.poll_room(cx).is_pending());
        assert!(!flag.0.load(Ordering::SeqCst));
        assert!(read(&mut inbox));
        assert!(flag.0.load(Ordering::SeqCst));
        assert!(mailbox.poll_room(cx).is_ready());
    }

    #[test]
    fn a_queue_of_one_works_and_one_of_none_is_one() {
        for limit in [0, 1] {
            let (mut mailbox, mut inbox) = mailbox(limit, usize::MAX);
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(!mailbox.is_full());
            mailbox.push(event());
            mailbox.flush();
            assert!(mailbox.is_full() && mailbox.poll_room(cx).is_pending());
            assert!(read(&mut inbox));
            assert!(!mailbox.is_full() && mailbox.poll_room(cx).is_ready());
        }
    }

    #[test]
    fn a_queue_is_full_of_bytes_too_and_wakes_when_half_of_them_are_gone() {
        let (mut mailbox, mut inbox) = mailbox(100, 24);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        let cx = &mut Context::from_waker(&waker);
        for _ in 0..3 {
            assert!(!mailbox.is_full());
            let event = socketio_codec::Event::new("x", &"1").unwrap();
            assert_eq!(event.json().len(), 9);
            mailbox.push(Event::Message(Message { event, ack: None }));
        }
        assert!(mailbox.is_full());
        mailbox.flush();
        assert!(read(&mut inbox));
        assert!(mailbox.poll_room(cx).is_pending() && !flag.0.load(Ordering::SeqCst));
        assert!(read(&mut inbox));
        assert!(flag.0.load(Ordering::SeqCst));
        assert!(mailbox.poll_room(cx).is_ready());
        assert!(read(&mut inbox) && !mailbox.is_full());
    }

    #[test]
    fn a_reader_that_has_gone_is_never_full_and_wakes_the_task() {
        let (mut mailbox, inbox) = mailbox(1, usize::MAX);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        let cx = &mut Context::from_waker(&waker);
        mailbox.push(event());
        assert!(mailbox.poll_room(cx).is_pending());
        drop(inbox);
        assert!(flag.0.load(Ordering::SeqCst));
        assert!(!mailbox.is_full() && mailbox.poll_room(cx).is_ready());
        mailbox.flush();
        mailbox.push(event());
        assert!(mailbox.batch.is_empty());
    }

    #[test]
    fn what_was_handed_over_can_be_read_when_the_task_is_gone() {
        let (mut mailbox, mut inbox) = mailbox(4, usize::MAX);
        mailbox.push(event());
        mailbox.push(event());
        mailbox.flush();
        drop(mailbox);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(inbox.poll_next(cx), Poll::Ready(Some(_))));
        assert!(matches!(inbox.poll_next(cx), Poll::Ready(Some(_))));
        assert!(matches!(inbox.poll_next(cx), Poll::Ready(None)));
    }
}
