//! The handles with which a namespace is spoken to.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use engineio::Transport;
use engineio::client::now;
use serde::Serialize;
use socketio_codec::{Args, Event};
use tokio::sync::oneshot;

use super::channel::Sender;
use super::joining::NamespaceBuilder;
use super::membership::{Command, Control, MAX_ACK_DIGITS, Membership, Wish};
use super::sink::EmitSink;
use super::stats::Stats;
use crate::error::{AckError, EmitError};
use crate::session::{AckKey, AckTicket, later};

/// A handle of one namespace: cheap to clone, and to be used from anywhere.
///
/// Arguments follow one convention everywhere: **a tuple is the list of arguments, `()` is no arguments, anything else
/// is one argument**. Binary values (`Bytes`, or whatever serializes as bytes) anywhere in them become attachments.
///
/// What is emitted while the namespace is not connected waits for it, within
/// [`Limits::max_buffered_events`](crate::Limits) and [`Limits::max_buffered_bytes`](crate::Limits), and up to 64
/// events more. Delivery is at most once: what was under way when a connection is lost may be lost with it. For at least
/// once there are [`retries`](crate::Builder::retries).
///
/// Events leave in the order in which the connection's task takes them. Futures that are awaited one after the other
/// keep their order; those that run at the same time may overtake one another. [`Socket::try_emit`] and
/// [`Socket::sink`] keep it without waiting for each event.
#[derive(Clone)]
pub struct Socket {
    membership: Arc<Membership>,
}

impl Socket {
    pub(super) fn new(membership: Arc<Membership>) -> Self {
        Self { membership }
    }

    /// Sends an event.
    ///
    /// The arguments are written at once; the future waits for room, which is how a fast sender is slowed down to the
    /// speed of the network, and, while there is no connection and the buffer is full, waits for that. It does not
    /// wait for delivery, unless [`retries`](crate::Builder::retries) were asked for: then it waits for the server's
    /// acknowledgement. A future that is dropped before it is ready has sent nothing, or takes back what was not sent.
    ///
    /// What was taken and then could not be sent after all is told as [`Event::Unsent`](crate::event::Event::Unsent).
    ///
    /// # Errors
    ///
    /// See [`EmitError`].
    pub fn emit<A: Serialize>(
        &self,
        name: &str,
        args: A,
    ) -> impl Future<Output = Result<(), EmitError>> + Send + use<'_, A> {
        let event = self.event(name, &args, self.membership.ack_digits());
        async move {
            let event = event?;
            match self.membership.retries {
                None => Ok(self.membership.commands.send(Command::Emit(event)).await?),
                Some(retries) => {
                    self.acknowledged(event, Wish::Retried(retries.timeout))
                        .await
                }
            }
        }
    }

    /// Sends an event as [`emit`](Self::emit) does if there is room for it now.
    ///
    /// With [`retries`](crate::Builder::retries) it is sent until it is acknowledged, and nobody waits for that.
    ///
    /// # Errors
    ///
    /// [`EmitError::BufferFull`], and see [`EmitError`].
    pub fn try_emit(&self, name: &str, args: impl Serialize) -> Result<(), EmitError> {
        let event = self.event(name, &args, self.membership.ack_digits())?;
        let command = match self.membership.retries {
            None => Command::Emit(event),
            Some(_) => Command::EmitRetried(event),
        };
        self.membership
            .commands
            .try_send(command)
            .map_err(|refused| refused.or_full(EmitError::BufferFull))
    }

    /// Sends an event if it can leave at once, and drops it otherwise: for what is worthless later, such as a position.
    /// It is never buffered, and never sent again.
    ///
    /// In the rare case that the connection turns out to be gone or busy only after this has returned, as the second of
    /// two large events at a time finds it, the event is dropped all the same, and
    /// [`Event::Unsent`](crate::event::Event::Unsent) tells.
    ///
    /// # Errors
    ///
    /// [`EmitError::NotConnected`], [`EmitError::NotWritable`], and see [`EmitError`].
    pub fn emit_volatile(&self, name: &str, args: impl Serialize) -> Result<(), EmitError> {
        let event = self.event(name, &args, self.membership.ack_digits())?;
        if !self.is_connected() {
            return Err(EmitError::NotConnected);
        }
        if !self.membership.shared.is_writable() {
            return Err(EmitError::NotWritable);
        }
        self.membership
            .commands
            .try_send(Command::EmitVolatile(event))
            .map_err(|refused| refused.or_full(EmitError::NotWritable))
    }

    /// Sends an event and waits until it has left, for at most `timeout`: then it is taken back. (With
    /// [`retries`](crate::Builder::retries), until it is acknowledged.)
    ///
    /// # Errors
    ///
    /// [`EmitError::Timeout`], and see [`EmitError`].
    pub fn emit_timeout<A: Serialize>(
        &self,
        name: &str,
        args: A,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), EmitError>> + Send + use<'_, A> {
        let event = self.event(name, &args, self.membership.ack_digits());
        async move {
            let wish = match self.membership.retries {
                None => Wish::SentBy(later(now(), timeout)),
                Some(retries) => Wish::Retried(retries.timeout),
            };
            let settled = self.acknowledged(event?, wish);
            let shared = &self.membership.shared;
            shared
                .timeout(timeout, settled)
                .await
                .unwrap_or(Err(EmitError::Timeout))
        }
    }

    /// Sends an event and waits for the server's acknowledgement, for at most `timeout`. It always settles: with the
    /// reply, the timeout, or the loss of the connection on which the event was sent.
    ///
    /// With [`retries`](crate::Builder::retries) the event survives that loss, `timeout` is that of each try, and the
    /// future waits for as long as there are tries left.
    ///
    /// Dropping the future forgets the acknowledgement, and takes the event back if it has not been sent.
    ///
    /// # Errors
    ///
    /// See [`AckError`].
    pub fn emit_with_ack<A: Serialize>(
        &self,
        name: &str,
        args: A,
        timeout: Duration,
    ) -> impl Future<Output = Result<Args, AckError>> + Send + use<'_, A> {
        let event = self.event(name, &args, MAX_ACK_DIGITS);
        async move {
            let event = event?;
            if self.membership.retries.is_some() {
                return self.settled(event, Wish::Retried(timeout)).await;
            }
            // The session keeps the deadline too, but only from when the event has reached it.
            let settled = self.settled(event, Wish::AckBy(later(now(), timeout)));
            let shared = &self.membership.shared;
            shared
                .timeout(timeout, settled)
                .await
                .unwrap_or(Err(AckError::Timeout))
        }
    }

    /// As [`settled`](Self::settled), for those who do not ask for the reply.
    async fn acknowledged(&self, event: Event, wish: Wish) -> Result<(), EmitError> {
        match self.settled(event, wish).await {
            Ok(_) => Ok(()),
            Err(AckError::Emit(error)) => Err(error),
            Err(AckError::Disconnected) => Err(EmitError::Disconnected),
            Err(AckError::Timeout) => Err(match wish {
                Wish::Retried(_) => EmitError::NotAcknowledged,
                Wish::SentBy(_) | Wish::AckBy(_) => EmitError::Timeout,
            }),
        }
    }

    /// Sends an event and waits for what is wished of it.
    async fn settled(&self, event: Event, wish: Wish) -> Result<Args, AckError> {
        let (reply, settled) = oneshot::channel();
        let awaited = Arc::new(OnceLock::new());
        let command = Command::EmitAwaited {
            event,
            wish,
            reply,
            awaited: awaited.clone(),
        };
        // A command that is still to be sent goes with this future.
        let taken = self.membership.commands.send(command).await;
        taken.map_err(EmitError::from)?;
        let mut pending = PendingReply {
            settled,
            awaited,
            control: &self.membership.control,
        };
        (&mut pending.settled)
            .await
            .unwrap_or(Err(AckError::Disconnected))
    }

    /// A sink of events: what is put into it is sent as [`try_emit`](Self::try_emit) does, as soon as there is room.
    ///
    /// ```no_run
    /// use futures_util::{SinkExt, StreamExt, stream};
    /// use socketio::codec::Event;
    ///
    /// # async fn run(socket: socketio::Socket) -> Result<(), Box<dyn std::error::Error>> {
    /// let events = stream::iter(0..10).map(|number| Ok(Event::new("count", &number)?));
    /// events.forward(socket.sink().sink_err_into::<Box<dyn std::error::Error>>()).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sink(&self) -> EmitSink {
        EmitSink::new(self.membership.clone())
    }

    /// What the connection has done so far, and what waits in this namespace. It is cheap to ask for.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.membership.stats()
    }

    /// Another namespace on the same connection.
    #[must_use]
    pub fn namespace(&self, name: &str) -> NamespaceBuilder {
        NamespaceBuilder::new(self.membership.clone(), name)
    }

    /// The Socket.IO id of this client in this namespace, while it is connected and if the server gave one.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.membership.status.id()
    }

    /// Whether the namespace is connected, as of the latest event that was handed to [`Events`](crate::Events).
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.membership.status.generation() != 0
    }

    /// Whether the namespace is connected or still to be, once more or for the first time. It is not any more when it was
    /// left, or refused or lost for good: what is emitted then is refused, and it takes
    /// [`namespace`](Self::namespace) to join it again.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.membership.commands.is_closed()
    }

    /// The transport in use, while the namespace is connected.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        let transport = self.membership.shared.transport();
        self.is_connected().then_some(transport)
    }

    /// Replaces the connection by a new one, for all its namespaces; or, while there is none, makes the next attempt now
    /// instead of later. For a program that knows more than the connection does: the network has changed, the token has
    /// been replaced.
    ///
    /// Each namespace that is joined reports [`DisconnectReason::Reconnecting`](crate::DisconnectReason), and is joined
    /// again. The old connection is closed first, for which it has its
    /// [`close_timeout`](engineio::Config::close_timeout).
    pub fn reconnect(&self) {
        if self.membership.shared.wants_reconnect() {
            // An error means that the task is gone, and the connection with it.
            self.membership.control.try_send(Control::Reconnect).ok();
        }
    }

    /// Waits until all that the server had sent when this was called has arrived, and can be read: for two heartbeats of
    /// the server, of which it can only have sent the second one later. With the usual heartbeat of 25 s that takes up to
    /// 50 s. Cancel-safe.
    ///
    /// The heartbeats are not read either while the connection does not read, because nobody reads its events
    /// ([`Overflow::Backpressure`](crate::Overflow::Backpressure)): go on reading meanwhile.
    ///
    /// A connection can hang for as long without anybody noticing. Who replaces it by another one, and must not miss
    /// anything, keeps it until this is ready.
    ///
    /// # Errors
    ///
    /// [`AckError::Disconnected`] if the namespace is not connected, or the connection is lost first: then something may
    /// be missing.
    pub async fn caught_up(&self) -> Result<(), AckError> {
        self.membership.catch_up().await
    }

    /// Leaves the namespace, for all its handles. What was emitted before is sent first.
    ///
    /// Sent is not handled: the reference server drops events that it reads together with the DISCONNECT behind them,
    /// whichever client sent them. Who must be sure awaits an acknowledgement first.
    ///
    /// The future is ready when the server has been told and, if this was the connection's last namespace, the
    /// connection is closed. Dropping it does not take the request back.
    pub async fn disconnect(&self) {
        self.membership.leave().await;
    }

    fn event(
        &self,
        name: &str,
        args: &impl Serialize,
        ack_digits: usize,
    ) -> Result<Event, EmitError> {
        let max_attachments = self.membership.shared.max_attachments;
        let event = Event::with_max_attachments(name, args, max_attachments)?;
        self.membership.check(&event, ack_digits)?;
        Ok(event)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

/// An acknowledgement that is awaited. When it is dropped unsettled, the task is told to forget it.
struct PendingReply<'a> {
    settled: oneshot::Receiver<Result<Args, AckError>>,
    awaited: Arc<OnceLock<AckKey>>,
    control: &'a Sender<Control>,
}

impl Drop for PendingReply<'_> {
    fn drop(&mut self) {
        if !self.settled.is_terminated() {
            // First close: the task takes no event whose reply is closed.
            self.settled.close();
            let awaited = std::mem::take(&mut self.awaited);
            self.control.try_send(Control::AckDropped(awaited)).ok();
        }
    }
}

/// Answers one event of the server. It belongs to the connection on which the event came.
pub struct AckHandle {
    ticket: AckTicket,
    membership: Weak<Membership>,
}

impl AckHandle {
    pub(super) fn new(ticket: AckTicket, membership: Weak<Membership>) -> Self {
        Self { ticket, membership }
    }

    /// Sends the acknowledgement. Its arguments follow the convention of [`Socket`]. Like
    /// [`Socket::emit`], the future waits for room and not for delivery.
    ///
    /// # Errors
    ///
    /// [`EmitError::StaleAck`] if the connection on which the event came is gone: nothing is sent then, because a
    /// server drops a connection that acknowledges what it has not asked. See [`EmitError`] for the others.
    pub fn reply<A: Serialize>(
        self,
        args: A,
    ) -> impl Future<Output = Result<(), EmitError>> + Send + use<A> {
        let reply = self.prepare(&args);
        async move {
            let (membership, command) = reply?;
            Ok(membership.commands.send(command).await?)
        }
    }

    fn prepare(self, args: &impl Serialize) -> Result<(Arc<Membership>, Command), EmitError> {
        let membership = self.membership.upgrade().ok_or(EmitError::Disconnected)?;
        if membership.status.generation() != self.ticket.generation {
            return Err(EmitError::StaleAck);
        }
        let args = Args::with_max_attachments(args, membership.shared.max_attachments)?;
        membership.check_reply(&args)?;
        Ok((
            membership,
            Command::Reply {
                ticket: self.ticket,
                args,
            },
        ))
    }
}

impl fmt::Debug for AckHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AckHandle").field(&self.ticket).finish()
    }
}

impl PartialEq for AckHandle {
    fn eq(&self, other: &Self) -> bool {
        self.ticket == other.ticket && Weak::ptr_eq(&self.membership, &other.membership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::joining::Joining;
    use crate::client::membership::{COMMANDS, Shared};
    use crate::session::Config;
    use futures_util::FutureExt;
    use socketio_codec::Namespace;

    /// The channel to the task has no bound of its own.
    #[tokio::test]
    async fn futures_that_are_dropped_tell_the_task_no_more_than_it_has_to_forget() {
        let (control, mut control_end) = crate::client::channel::unbounded();
        let shared = Shared::new(tokio::runtime::Handle::current(), &Config::default());
        let settings = Joining::default().settings(None).unwrap();
        let namespace = Namespace::try_from("/").unwrap();
        let (socket, _events, _outcome) =
            Membership::join(&control, Arc::new(shared), namespace, settings).unwrap();
        for _ in 0..1000 {
            let asking = socket.emit_with_ack("a", (), Duration::from_secs(60));
            assert!(asking.now_or_never().is_none());
        }
        let told = control_end.end();
        let forget = told.filter(|control| matches!(control, Control::AckDropped(_)));
        assert_eq!(forget.count(), COMMANDS);
    }
}
