//! What is being sent, in order, and awaited, all at once.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::{MaybeDone, maybe_done};
use socketio::{AckHandle, Args, EmitError, Socket};

use crate::input::{Answer, Emit};
use crate::value::Arguments;

/// How many may be under way before no further line is read.
const MAX_UNDER_WAY: usize = 256;

/// What has become of a line.
pub(crate) enum Outcome {
    /// It was carried out, and there is nothing to tell.
    Done,
    /// The server has acknowledged the event of this name.
    Acknowledged { name: String, args: Args },
    /// It could not be carried out; a sentence says which and why.
    Failed(String),
}

/// Lines that are under way, the oldest first.
///
/// All are polled in this order, always. Senders are given room in the order in which they have asked for it, but the
/// one that is polled first takes its place first. On a runtime of one thread no room can become free in the middle of
/// it, so what was begun first is sent first.
pub(crate) struct Sending(VecDeque<Line>);

type Line = Pin<Box<MaybeDone<Pin<Box<dyn Future<Output = Outcome>>>>>>;

impl Sending {
    pub(crate) fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Begins with `line`, behind everything that was begun before. It goes on while somebody waits for the
    /// [`next`](Self::next) outcome.
    pub(crate) fn begin(&mut self, line: impl Future<Output = Outcome> + 'static) {
        // Who is told to let others go first does not ask for room, and loses its place.
        let line = tokio::task::unconstrained(line);
        self.0.push_back(Box::pin(maybe_done(Box::pin(line))));
        self.poll(&mut Context::from_waker(Waker::noop()));
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        for line in &mut self.0 {
            // What is done is kept in there.
            let _: Poll<()> = line.as_mut().poll(cx);
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < MAX_UNDER_WAY
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next outcome; for ever none if nothing is under way. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Outcome {
        poll_fn(|cx| {
            self.poll(cx);
            for index in 0..self.0.len() {
                if let Some(outcome) = self
                    .0
                    .get_mut(index)
                    .and_then(|line| line.as_mut().take_output())
                {
                    self.0.remove(index);
                    return Poll::Ready(outcome);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Sends an event, and waits for the acknowledgement that it asks for.
pub(crate) async fn emit(socket: Socket, emit: Emit) -> Outcome {
    let Emit {
        name,
        args,
        volatile,
        answer,
    } = emit;
    let outcome = match answer {
        Answer::None { timeout } => send(&socket, &name, args, volatile, timeout)
            .await
            .map(|()| None)
            .map_err(|error| error.to_string()),
        Answer::Within(_) if volatile && !socket.is_connected() => {
            Err(EmitError::NotConnected.to_string())
        }
        Answer::Within(timeout) => socket
            .emit_with_ack(&name, args, timeout)
            .await
            .map(Some)
            .map_err(|error| error.to_string()),
    };
    match outcome {
        Ok(Some(args)) => Outcome::Acknowledged { name, args },
        Ok(None) => Outcome::Done,
        Err(error) => Outcome::Failed(format!("emit {name:?}: {error}")),
    }
}

/// Sends an event that is not acknowledged.
async fn send(
    socket: &Socket,
    name: &str,
    args: Arguments,
    volatile: bool,
    timeout: Option<Duration>,
) -> Result<(), EmitError> {
    match timeout {
        // It leaves now or never, which is in time.
        _ if volatile => socket.emit_volatile(name, args),
        Some(timeout) => socket.emit_timeout(name, args, timeout).await,
        None => socket.emit(name, args).await,
    }
}

/// Answers the message that was printed with this number, if it is still known.
pub(crate) async fn reply(id: u64, handle: Option<AckHandle>, args: Arguments) -> Outcome {
    let sent = match handle {
        Some(handle) => handle.reply(args).await.map_err(|error| error.to_string()),
        None => Err("no message waits for it: it was never asked for, is answered, or forgotten behind 1024 others".to_owned()),
    };
    match sent {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(format!("reply {id}: {error}")),
    }
}

/// Leaves the namespace.
pub(crate) async fn disconnect(socket: Socket) -> Outcome {
    socket.disconnect().await;
    Outcome::Done
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, watch};

    use super::*;

    #[tokio::test]
    async fn what_waits_for_room_is_sent_in_the_order_in_which_it_was_begun() {
        for room in [1, 2, 3, 16] {
            let (sender, mut receiver) = mpsc::channel(room);
            let (answer, answered) = watch::channel(false);
            let reader = tokio::spawn(async move {
                let mut received = Vec::new();
                while let Some(number) = receiver.recv().await {
                    received.push(number);
                    // Lets the senders run at different depths of the queue.
                    if number % 7 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                received
            });
            let mut sending = Sending::new();
            for number in 0..1000 {
                let (sender, mut answered) = (sender.clone(), answered.clone());
                let awaited = number < 100;
                sending.begin(async move {
                    sender.send(number).await.unwrap();
                    drop(sender);
                    if awaited {
                        answered.wait_for(|answered| *answered).await.unwrap();
                    }
                    Outcome::Done
                });
                while !sending.has_room() {
                    sending.next().await;
                }
                if number % 5 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            drop(sender);
            answer.send_replace(true);
            while !sending.is_empty() {
                sending.next().await;
            }
            assert!(reader.await.unwrap().into_iter().eq(0..1000), "{room}");
        }
    }
}
