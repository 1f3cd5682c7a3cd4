//! The queue of events from a connection's task to whoever reads them.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_util::task::AtomicWaker;

use super::Event as Told;
use super::membership::Membership;
use super::socket::AckHandle;
use crate::error::{ConnectError, DisconnectReason, EmitError};
use crate::overflow::Overflow;
use crate::session::{Event, content_len};

/// Everything that happens in one namespace, in order: first [`Event::Connected`], behind the failures before it if
/// those are told, then the server's events and the namespace's lifecycle. The stream ends behind an event that
/// [is final](crate::event::Event::is_final).
///
/// Read it: the queue is bounded, in events ([`Builder::event_queue`](crate::Builder::event_queue)) and in bytes
/// ([`Limits::max_queued_bytes`](crate::Limits::max_queued_bytes)). What happens when it is full,
/// [`Overflow`] says. By default nothing is ever dropped (but the failures of further attempts to reconnect), and the
/// connection stops reading, for all its namespaces, until about half of the queue has been read. Who only sends can drop the
/// `Events` instead: what would have gone there is discarded.
///
/// A reader may emit and reply between two events: while there is a connection, that does not depend on what is read. But
/// with a full queue nothing replaces a connection that is lost; a reader that waits then for room for an event of its
/// own, because as many as may wait for a connection do already, waits for itself. Where that can be, read in a task of
/// its own, or have the events dropped.
///
/// When the runtime ends that the connection lives on, the stream ends without a last event.
///
/// Dropping all [`Socket`](crate::Socket)s and the `Events` of a namespace leaves it; the connection is closed behind
/// the last one.
pub struct Events {
    /// Keeps the namespace joined.
    membership: Arc<Membership>,
    inbox: Inbox,
}

/// The reading end: it takes over all that is queued at once, unless that may still be dropped.
pub(super) struct Inbox {
    batch: VecDeque<Event>,
    overflow: Overflow,
    queue: Arc<Queue>,
    /// Whether the end was told.
    ended: bool,
}

/// The task's end: it hands over, at once, all that a wake-up of the task has brought.
pub(super) struct Mailbox {
    batch: Vec<Event>,
    /// The bytes of the batch.
    bytes: usize,
    /// How many events the last batch had: there is room for as many at once.
    usual: usize,
    overflow: Overflow,
    queue: Arc<Queue>,
}

/// What both ends share. The lock is taken once a batch, and for as long as it takes to move that.
pub(super) struct Queue {
    handed_over: Mutex<HandedOver>,
    reader: AtomicWaker,
    task: AtomicWaker,
    reader_is_gone: AtomicBool,
    events: Level,
    bytes: Level,
    /// How many events were dropped, ever.
    dropped: AtomicU64,
}

#[derive(Default)]
struct HandedOver {
    events: VecDeque<Event>,
    /// How many older ones were dropped, and the reader has not been told.
    dropped: u64,
    task_is_gone: bool,
}

/// One measure of the queue, of what was handed over and not read. Counting is no part of handling an event: both ends
/// count for themselves, which costs nothing, and settle once a batch, or a part of the limit.
struct Level {
    /// As far as it is settled.
    queued: AtomicUsize,
    /// What has been read since. Only the reader writes it.
    read: AtomicUsize,
    limit: usize,
}

/// A queue of so many events, at least one, or so many bytes.
pub(super) fn mailbox(max_events: usize, max_bytes: usize, overflow: Overflow) -> (Mailbox, Inbox) {
    let queue = Arc::new(Queue {
        handed_over: Mutex::default(),
        reader: AtomicWaker::new(),
        task: AtomicWaker::new(),
        reader_is_gone: AtomicBool::new(false),
        events: Level::new(max_events),
        bytes: Level::new(max_bytes),
        dropped: AtomicU64::new(0),
    });
    let mailbox = Mailbox {
        batch: Vec::new(),
        bytes: 0,
        usual: 0,
        overflow,
        queue: queue.clone(),
    };
    let inbox = Inbox {
        ended: false,
        batch: VecDeque::new(),
        overflow,
        queue,
    };
    (mailbox, inbox)
}

impl Level {
    fn new(limit: usize) -> Self {
        Self {
            queued: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            limit: limit.max(1),
        }
    }

    /// Lower than the limit, so that a slow reader does not wake the task for every single event.
    fn resume_at(&self) -> usize {
        self.limit / 2
    }

    /// Whether as much is queued as may be, together with what is to be handed over.
    fn is_full(&self, more: usize) -> bool {
        let may_be = self.queued.load(Ordering::Acquire) + more >= self.limit;
        may_be && self.depth() + more >= self.limit
    }

    /// Whether a full one has been read far enough.
    fn has_room(&self) -> bool {
        self.queued.load(Ordering::Acquire) <= self.resume_at()
    }

    fn add(&self, amount: usize) {
        self.queued.fetch_add(amount, Ordering::Relaxed);
    }

    /// The reader has read something; whether it is time to settle.
    fn read(&self, amount: usize) -> bool {
        let read = self.read.load(Ordering::Relaxed) + amount;
        self.read.store(read, Ordering::Relaxed);
        read >= self.limit / 8
    }

    /// Counts off what has been read; whether this has made room.
    fn settle(&self) -> bool {
        let read = self.read.load(Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.subtract(read)
    }

    /// Whether this has made room.
    fn subtract(&self, amount: usize) -> bool {
        let before = self.queued.fetch_sub(amount, Ordering::AcqRel);
        before > self.resume_at() && before - amount <= self.resume_at()
    }

    fn depth(&self) -> usize {
        let read = self.read.load(Ordering::Relaxed);
        self.queued.load(Ordering::Acquire).saturating_sub(read)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, HandedOver> {
        self.handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many events, and bytes of them, are not read yet.
    pub(super) fn depth(&self) -> (usize, usize) {
        // What a reader leaves behind is not counted off.
        if self.reader_is_gone.load(Ordering::Acquire) {
            return (0, 0);
        }
        (self.events.depth(), self.bytes.depth())
    }

    /// How many events were dropped, ever.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// What an event holds beyond its place in the queue: what the server makes as long as it likes.
fn bytes(event: &Event) -> usize {
    match event {
        Event::Message(message) => content_len(&message.event),
        Event::Sent(event) => content_len(event),
        Event::Connected(connected) => connected.id.as_ref().map_or(0, String::len),
        Event::ConnectError {
            error: ConnectError::Refused { message, data },
            ..
        }
        | Event::Disconnected {
            reason: DisconnectReason::Refused { message, data },
            ..
        } => message.len() + data.as_ref().map_or(0, |data| data.as_str().len()),
        _ => 0,
    }
}

impl Mailbox {
    /// Adds an event to the present batch, unless nobody reads.
    pub(super) fn push(&mut self, event: Event) {
        if self.is_closed() {
            return;
        }
        if let Event::Unsent { events, error } = &event
            && self.add_unsent(*events, error)
        {
            return;
        }
        if self.batch.capacity() == 0 {
            self.batch.reserve_exact(self.usual);
        }
        self.bytes += bytes(&event);
        self.batch.push(event);
        if self.overflow == Overflow::DropOldest && self.exceeds_limits() {
            self.flush();
        }
    }

    /// Adds to one of the newest events that says the same: nobody stops a program that goes on emitting, and reads
    /// nothing.
    fn add_unsent(&mut self, more: u64, why: &EmitError) -> bool {
        let mut handed_over = self.queue.lock();
        let newest = handed_over.events.iter_mut().chain(&mut self.batch).rev();
        for event in newest {
            let Event::Unsent { events, error } = event else {
                return false;
            };
            if std::mem::discriminant(error) == std::mem::discriminant(why) {
                *events = events.saturating_add(more);
                return true;
            }
        }
        false
    }

    /// Hands the present batch over.
    pub(super) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.usual = self.batch.len();
        self.queue.events.add(self.batch.len());
        self.queue.bytes.add(std::mem::take(&mut self.bytes));
        let mut handed_over = self.queue.lock();
        let events = &mut handed_over.events;
        if events.is_empty() {
            *events = std::mem::take(&mut self.batch).into();
        } else {
            events.extend(std::mem::take(&mut self.batch));
        }
        if self.overflow == Overflow::DropOldest {
            self.drop_oldest(&mut handed_over);
        }
        drop(handed_over);
        self.queue.reader.wake();
    }

    /// The newest one always stays.
    fn drop_oldest(&self, handed_over: &mut HandedOver) {
        let (events, size) = (&self.queue.events, &self.queue.bytes);
        while handed_over.events.len() > 1
            && (events.depth() > events.limit || size.depth() > size.limit)
            && let Some(oldest) = handed_over.events.pop_front()
        {
            events.subtract(1);
            size.subtract(bytes(&oldest));
            handed_over.dropped += 1;
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_closed(&self) -> bool {
        self.queue.reader_is_gone.load(Ordering::Acquire)
    }

    pub(super) fn overflow(&self) -> Overflow {
        self.overflow
    }

    pub(super) fn is_full(&self) -> bool {
        self.exceeds_limits() && !self.is_closed()
    }

    fn exceeds_limits(&self) -> bool {
        self.queue.events.is_full(self.batch.len()) || self.queue.bytes.is_full(self.bytes)
    }

    /// Waits until the reader has caught up, or is gone. It has the whole queue then: who reads only sees what has been
    /// handed over, and could not tell when there is room.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.flush();
        // First register, then look: what happens in between wakes.
        self.queue.task.register(cx.waker());
        let room = self.queue.events.has_room() && self.queue.bytes.has_room();
        if room || self.is_closed() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.queue.lock().task_is_gone = true;
        self.queue.reader.wake();
    }
}

impl Inbox {
    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.batch.is_empty() {
            // First register, then look.
            self.queue.reader.register(cx.waker());
            let mut handed_over = self.queue.lock();
            let dropped = std::mem::take(&mut handed_over.dropped);
            if dropped > 0 {
                return Poll::Ready(Some(Event::Lagged(dropped)));
            }
            if self.overflow == Overflow::DropOldest {
                self.batch.extend(handed_over.events.pop_front());
            } else {
                self.batch = std::mem::take(&mut handed_over.events);
            }
            if self.batch.is_empty() {
                self.ended = handed_over.task_is_gone;
                return match self.ended {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                };
            }
        }
        let event = self.batch.pop_front();
        if let Some(event) = &event {
            self.count_off(event);
        }
        if self.batch.is_empty() {
            // The next batch brings its own memory; an idle connection needs none.
            self.batch = VecDeque::new();
        }
        Poll::Ready(event)
    }

    fn count_off(&self, event: &Event) {
        let (events, size) = (&self.queue.events, &self.queue.bytes);
        let due = events.read(1) | size.read(bytes(event)) | self.batch.is_empty();
        // Whichever makes room last finds that the other one has it.
        if due && events.settle() | size.settle() {
            self.queue.task.wake();
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.queue.reader_is_gone.store(true, Ordering::Release);
        drop(std::mem::take(&mut self.queue.lock().events));
        self.queue.task.wake();
    }
}

impl Events {
    pub(super) fn new(membership: Arc<Membership>, inbox: Inbox) -> Self {
        Self { membership, inbox }
    }

    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        let told = ready!(self.inbox.poll_next(cx));
        let with = |ticket| AckHandle::new(ticket, Arc::downgrade(&self.membership));
        Poll::Ready(told.map(|event| event.map_ack(with)))
    }

    /// The next event; `None` when nothing will happen any more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Told> {
        poll_fn(|cx| self.poll_told(cx)).await
    }
}

impl Stream for Events {
    type Item = Told;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        self.poll_told(cx)
    }
}

impl FusedStream for Events {
    fn is_terminated(&self) -> bool {
        self.inbox.ended
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("queued", &self.inbox.queue.events.depth())
            .finish_non_exhaustive()
    }
}
