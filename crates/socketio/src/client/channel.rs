//! A channel to the connection's task that takes no memory while it is empty, and whose end is exact: what was accepted
//! is received.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::{Semaphore, TryAcquireError};

use crate::error::EmitError;

/// The handles' end.
pub(super) struct Sender<T>(Arc<Channel<T>>);

/// The task's end.
pub(super) struct Receiver<T> {
    channel: Arc<Channel<T>>,
    /// What is left of what was taken out of the channel all at once.
    taken: VecDeque<T>,
    /// For how many of those the room has not been given back.
    batch: usize,
}

/// Room for one item, for as long as it is kept.
pub(super) struct Permit<T> {
    channel: Arc<Channel<T>>,
    is_used: bool,
}

/// Nothing is received any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// Why an item was not accepted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

struct Channel<T> {
    /// For so many items more. Who waits for it is served in turn.
    room: Semaphore,
    state: Mutex<State<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    /// That of the task, while it waits for an item.
    receiver: Option<Waker>,
    senders: usize,
    /// Who has room could otherwise use it when the end has been looked for, and nobody would ever receive that.
    is_shut: bool,
}

/// A channel with room for so many items; who finds none waits.
pub(super) fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        room: Semaphore::new(room),
        state: Mutex::new(State {
            items: VecDeque::new(),
            receiver: None,
            senders: 1,
            is_shut: false,
        }),
    });
    let receiver = Receiver {
        channel: channel.clone(),
        taken: VecDeque::new(),
        batch: 0,
    };
    (Sender(channel), receiver)
}

/// A channel that is never full.
pub(super) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(Semaphore::MAX_PERMITS)
}

impl<T> Channel<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts what there is room for.
    fn accept(&self, item: T) -> Result<(), Closed> {
        let mut state = self.lock();
        if state.is_shut {
            return Err(Closed);
        }
        state.items.push_back(item);
        let receiver = state.receiver.take();
        // Outside of the lock, which the task is about to want.
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }

    async fn acquire(&self) -> Result<(), Closed> {
        let room = self.room.acquire().await.map_err(|_| Closed)?;
        room.forget();
        Ok(())
    }
}

impl<T> Sender<T> {
    /// Waits for room.
    pub(super) async fn send(&self, item: T) -> Result<(), Closed> {
        self.0.acquire().await?;
        self.0.accept(item)
    }

    /// Sends if there is room now.
    pub(super) fn try_send(&self, item: T) -> Result<(), Refused> {
        let room = self.0.room.try_acquire().map_err(|error| match error {
            TryAcquireError::NoPermits => Refused::Full,
            TryAcquireError::Closed => Refused::Closed,
        })?;
        room.forget();
        self.0.accept(item).map_err(|Closed| Refused::Closed)
    }

    pub(super) fn reserve(&self) -> impl Future<Output = Result<Permit<T>, Closed>> + use<T> {
        let channel = self.0.clone();
        async move {
            channel.acquire().await?;
            Ok(Permit {
                channel,
                is_used: false,
            })
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.room.is_closed()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(self.0.clone())
    }
}

/// The task learns that nobody is left.
impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        let receiver = match state.senders {
            0 => state.receiver.take(),
            _ => None,
        };
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl<T> Permit<T> {
    pub(super) fn send(mut self, item: T) -> Result<(), Closed> {
        self.is_used = true;
        self.channel.accept(item)
    }
}

impl<T> Drop for Permit<T> {
    fn drop(&mut self) {
        if !self.is_used {
            self.channel.room.add_permits(1);
        }
    }
}

impl<T> Receiver<T> {
    /// The next item, in the order in which they were accepted.
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        if self.taken.is_empty() {
            self.take_all(cx);
        }
        let Some(item) = self.taken.pop_front() else {
            return Poll::Pending;
        };
        // A half at a time, so that what cannot be carried out yet holds no more room than its own.
        let left = self.taken.len();
        if 2 * left <= self.batch {
            self.channel.room.add_permits(self.batch - left);
            self.batch = left;
        }
        Poll::Ready(item)
    }

    /// Under load, the two queues take turns at being filled; while there is nothing, neither keeps its memory.
    fn take_all(&mut self, cx: &mut Context<'_>) {
        let mut state = self.channel.lock();
        mem::swap(&mut state.items, &mut self.taken);
        self.batch = self.taken.len();
        if self.taken.is_empty() {
            state.items = VecDeque::new();
            self.taken = VecDeque::new();
            match &mut state.receiver {
                Some(receiver) => receiver.clone_from(cx.waker()),
                receiver => *receiver = Some(cx.waker().clone()),
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.taken.len() + self.channel.lock().items.len()
    }

    /// Whether nothing is there, and nothing will come: all senders are gone.
    pub(super) fn is_finished(&self) -> bool {
        let state = self.channel.lock();
        state.senders == 0 && state.items.is_empty() && self.taken.is_empty()
    }

    /// Accepts no more, and receives what is left. Handles that stay do not keep the task's memory by its waker.
    pub(super) fn end(&mut self) -> impl Iterator<Item = T> + use<T> {
        let mut state = self.channel.lock();
        state.is_shut = true;
        let rest = mem::take(&mut state.items);
        let receiver = state.receiver.take();
        drop((state, receiver));
        self.channel.room.close();
        mem::take(&mut self.taken).into_iter().chain(rest)
    }
}

/// Whoever awaits an outcome learns of the end by it, even if the runtime ends.
impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.end().for_each(drop);
    }
}

impl From<Closed> for EmitError {
    fn from(Closed: Closed) -> Self {
        Self::Disconnected
    }
}

impl Refused {
    /// What it means to who emits; `full` if there was no room.
    pub(super) fn or_full(self, full: EmitError) -> EmitError {
        match self {
            Self::Full => full,
            Self::Closed => Closed.into(),
        }
    }
}
