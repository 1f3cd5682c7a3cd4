//! The queue of events from a connection's task to whoever reads them.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use futures_util::task::AtomicWaker;
use tokio::sync::mpsc;

use super::Event;
use super::membership::Membership;

/// Everything that happens in one namespace, in order: first [`Event::Connected`], then the server's events and the
/// namespace's lifecycle. The stream ends behind an event that [is final](crate::event::Event::is_final).
///
/// Read it: the queue is bounded ([`Builder::event_queue`](crate::Builder::event_queue)). Nothing is ever dropped, so
/// when it is full the connection stops reading, for all its namespaces, until half of it has been read; meanwhile the
/// heartbeat deadline of this side is suspended, acknowledgements are not received, and a lost connection is neither
/// noticed nor replaced. Who only sends can drop the `Events` instead: what would have gone there is discarded.
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
    limit: usize,
    gauge: Arc<Gauge>,
}

/// Counts events, which the channel cannot, and wakes the task when there is room again.
struct Gauge {
    queued: AtomicUsize,
    /// Lower than the limit, so that a slow reader does not wake the task for every single event.
    resume_at: usize,
    task: AtomicWaker,
}

/// A queue of `limit` events, at least one.
pub(super) fn mailbox(limit: usize) -> (Mailbox, Inbox) {
    let limit = limit.max(1);
    let (sender, receiver) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge {
        queued: AtomicUsize::new(0),
        resume_at: limit / 2,
        task: AtomicWaker::new(),
    });
    let mailbox = Mailbox {
        batches: sender,
        batch: Vec::new(),
        limit,
        gauge: gauge.clone(),
    };
    let inbox = Inbox {
        batches: receiver,
        batch: Vec::new().into_iter(),
        gauge,
    };
    (mailbox, inbox)
}

impl Mailbox {
    /// Adds an event to the present batch, unless nobody reads.
    pub(super) fn push(&mut self, event: Event) {
        if !self.batches.is_closed() {
            self.gauge.queued.fetch_add(1, Ordering::Relaxed);
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
        !self.batches.is_closed() && self.gauge.queued.load(Ordering::Acquire) >= self.limit
    }

    /// Waits until the reader has caught up, or is gone.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        // First register, then look: what happens in between wakes.
        self.gauge.task.register(cx.waker());
        let room = self.gauge.queued.load(Ordering::Acquire) <= self.gauge.resume_at;
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
                if self.gauge.queued.fetch_sub(1, Ordering::AcqRel) == self.gauge.resume_at + 1 {
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
        let queued = self.inbox.gauge.queued.load(Ordering::Relaxed);
        f.debug_struct("Events")
            .field("queued", &queued)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let (mut mailbox, mut inbox) = mailbox(4);
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
            let (mut mailbox, mut inbox) = mailbox(limit);
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
    fn a_reader_that_has_gone_is_never_full_and_wakes_the_task() {
        let (mut mailbox, inbox) = mailbox(1);
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
        let (mut mailbox, mut inbox) = mailbox(4);
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
