//! The channel of a namespace's commands. Its end is exact: what was accepted is received.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::membership::Command;
use crate::error::EmitError;

/// The handles' end. Boxed in the channel: an idle one reserves room for 32.
#[derive(Clone)]
pub(super) struct Commands {
    channel: mpsc::Sender<Box<Command>>,
    gate: Gate,
}

/// The task's end.
pub(super) struct CommandsEnd {
    channel: mpsc::Receiver<Box<Command>>,
    gate: Gate,
}

/// Room for one command, for as long as it is kept.
pub(super) struct Permit {
    room: mpsc::OwnedPermit<Box<Command>>,
    gate: Gate,
}

/// Who has room could otherwise use it when the end has been looked for, and nobody would ever receive that.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<IsShut>>);

type IsShut = bool;

/// A channel with room for so many commands.
pub(super) fn commands(room: usize) -> (Commands, CommandsEnd) {
    let (sender, receiver) = mpsc::channel(room);
    let gate = Gate::default();
    let commands = Commands {
        channel: sender,
        gate: gate.clone(),
    };
    let end = CommandsEnd {
        channel: receiver,
        gate,
    };
    (commands, end)
}

impl Gate {
    /// What is done here is done before the gate is shut.
    fn pass<T>(&self, send: impl FnOnce() -> Result<T, EmitError>) -> Result<T, EmitError> {
        let is_shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *is_shut {
            true => Err(EmitError::Disconnected),
            false => send(),
        }
    }

    fn shut(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

impl Commands {
    /// Waits for room.
    pub(super) async fn send(&self, command: Command) -> Result<(), EmitError> {
        let room = self.channel.reserve().await;
        let room = room.map_err(|_| EmitError::Disconnected)?;
        let command = Box::new(command);
        self.gate.pass(|| {
            room.send(command);
            Ok(())
        })
    }

    /// Sends if there is room now; otherwise it is `full`.
    pub(super) fn try_send(&self, command: Command, full: EmitError) -> Result<(), EmitError> {
        let command = Box::new(command);
        self.gate.pass(|| {
            self.channel.try_send(command).map_err(|error| match error {
                TrySendError::Full(_) => full,
                TrySendError::Closed(_) => EmitError::Disconnected,
            })
        })
    }

    pub(super) fn reserve(&self) -> impl Future<Output = Result<Permit, EmitError>> + Send + use<> {
        let Self { channel, gate } = self.clone();
        async move {
            let room = channel.reserve_owned().await;
            let room = room.map_err(|_| EmitError::Disconnected)?;
            Ok(Permit { room, gate })
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    #[cfg(test)]
    pub(super) fn max_room(&self) -> usize {
        self.channel.max_capacity()
    }
}

impl Permit {
    pub(super) fn send(self, command: Command) -> Result<(), EmitError> {
        let Self { room, gate } = self;
        let command = Box::new(command);
        gate.pass(|| {
            room.send(command);
            Ok(())
        })
    }
}

impl CommandsEnd {
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Box<Command>>> {
        self.channel.poll_recv(cx)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.channel.len()
    }

    /// Accepts no more, and receives what is left.
    pub(super) fn end(&mut self) -> impl Iterator<Item = Box<Command>> {
        self.gate.shut();
        self.channel.close();
        std::iter::from_fn(|| self.channel.try_recv().ok())
    }
}

/// Whoever awaits an outcome learns of the end by it, even if the runtime ends.
impl Drop for CommandsEnd {
    fn drop(&mut self) {
        self.end().for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socketio_codec::Event;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    fn command() -> Command {
        Command::Emit(Event::new("a", &()).unwrap())
    }

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        }
    }

    #[test]
    fn behind_the_end_nothing_is_accepted() {
        let (commands, mut end) = commands(2);
        let permit = now(commands.reserve()).unwrap().unwrap();
        assert_eq!(now(commands.send(command())), Some(Ok(())));
        assert_eq!(now(commands.send(command())), None);
        let full = commands.try_send(command(), EmitError::NotWritable);
        assert_eq!(full, Err(EmitError::NotWritable));
        assert!(!commands.is_closed());
        assert_eq!(end.end().count(), 1);
        assert!(commands.is_closed());
        let refused = Err(EmitError::Disconnected);
        assert_eq!(permit.send(command()), refused);
        assert_eq!(now(commands.send(command())), Some(refused.clone()));
        assert_eq!(commands.try_send(command(), EmitError::BufferFull), refused);
        assert_eq!(end.end().count(), 0);
    }

    /// Four threads send in four ways while a fifth one ends it.
    #[test]
    fn what_was_accepted_is_received() {
        const ROUNDS: usize = 5_000;
        let start = Barrier::new(5);
        let accepted = AtomicUsize::new(0);
        let rounds: Vec<_> = (0..ROUNDS).map(|_| commands(8)).collect();
        let senders: Vec<_> = rounds.iter().map(|(sender, _)| sender.clone()).collect();
        let send = |way: usize| {
            for commands in &senders {
                start.wait();
                let mut kept = None;
                for turn in 0..8 {
                    let sent = match way {
                        0 => now(commands.send(command())),
                        1 => Some(commands.try_send(command(), EmitError::BufferFull)),
                        2 => now(commands.reserve()).map(|room| room?.send(command())),
                        _ if turn == 0 => {
                            kept = now(commands.reserve()).and_then(Result::ok);
                            None
                        }
                        _ => kept.take().map(|permit| permit.send(command())),
                    };
                    accepted.fetch_add(usize::from(sent == Some(Ok(()))), Ordering::SeqCst);
                }
                start.wait();
            }
        };
        let mut received = 0;
        std::thread::scope(|scope| {
            for way in 0..4 {
                scope.spawn(move || send(way));
            }
            for (_, mut end) in rounds {
                start.wait();
                received += end.end().count();
                start.wait();
            }
        });
        assert_eq!(received, accepted.into_inner());
        assert!(received > 0);
    }
}
