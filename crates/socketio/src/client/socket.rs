//! The handles with which a namespace is spoken to.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use engineio::client::now;
use serde::Serialize;
use socketio_codec::{Args, Event};
use tokio::sync::{mpsc, oneshot};

use super::builder::NamespaceBuilder;
use super::membership::{Command, Control, Membership};
use crate::error::{AckError, EmitError};
use crate::session::{AckKey, AckTicket, later};

/// Digits of the largest acknowledgement id.
const MAX_ACK_DIGITS: usize = 20;

/// A handle of one namespace: cheap to clone, and to be used from anywhere.
///
/// Arguments follow one convention everywhere: **a tuple is the list of arguments, `()` is no arguments, anything else
/// is one argument**. Binary values (`Bytes`, or whatever serializes as bytes) anywhere in them become attachments.
///
/// What is emitted while the namespace is not connected waits for it, within
/// [`Limits::max_buffered_events`](crate::Limits) and [`Limits::max_buffered_bytes`](crate::Limits), and up to 16
/// events more. Delivery is at most once: what was under way when a connection is lost may be lost with it.
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
    /// wait for delivery. A future that is dropped before it is ready has sent nothing.
    ///
    /// # Errors
    ///
    /// See [`EmitError`].
    pub fn emit<A: Serialize>(
        &self,
        name: &str,
        args: A,
    ) -> impl Future<Output = Result<(), EmitError>> + Send + use<'_, A> {
        let event = self.event(name, &args, 0);
        async move { self.membership.send(Command::Emit(event?)).await }
    }

    /// Sends an event and waits for the server's acknowledgement, for at most `timeout`. It always settles: with the reply, the timeout, or the loss of the connection on which the event was sent.
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
            let (reply, settled) = oneshot::channel();
            let awaited = Arc::new(OnceLock::new());
            let command = Command::EmitWithAck {
                event: event?,
                deadline: later(now(), timeout),
                reply,
                awaited: awaited.clone(),
            };
            let mut pending = PendingReply {
                settled,
                awaited,
                control: &self.membership.control,
            };
            // The session keeps the deadline too, but only from when the event has reached it.
            let settle = async {
                self.membership.send(command).await?;
                (&mut pending.settled)
                    .await
                    .unwrap_or(Err(AckError::Disconnected))
            };
            self.membership
                .shared
                .timeout(timeout, settle)
                .await
                .unwrap_or(Err(AckError::Timeout))
        }
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
        self.membership
            .check_size(ack_digits, event.json().len(), event.attachments())?;
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
    control: &'a mpsc::UnboundedSender<Control>,
}

impl Drop for PendingReply<'_> {
    fn drop(&mut self) {
        if !self.settled.is_terminated() {
            // First close: the task takes no event whose reply is closed.
            self.settled.close();
            let awaited = std::mem::take(&mut self.awaited);
            self.control.send(Control::AckDropped(awaited)).ok();
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
            membership.send(command).await
        }
    }

    fn prepare(self, args: &impl Serialize) -> Result<(Arc<Membership>, Command), EmitError> {
        let membership = self.membership.upgrade().ok_or(EmitError::Disconnected)?;
        if membership.status.generation() != self.ticket.generation {
            return Err(EmitError::StaleAck);
        }
        let args = Args::with_max_attachments(args, membership.shared.max_attachments)?;
        membership.check_size(MAX_ACK_DIGITS, args.json().len(), args.attachments())?;
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
