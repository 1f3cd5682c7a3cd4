//! A namespace as the task sees it, and what is done with the commands of its handles.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use socketio_codec::{Args, Json};
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use crate::client::events::Mailbox;
use crate::client::membership::{Command, Membership, MembershipId, Status, Wish};
use crate::client::provider::{Asked, Provider};
use crate::error::{AckError, ConnectError};
use crate::session::{AckKey, AuthKey, NamespaceKey, Session};

/// A namespace that has handles.
pub(super) struct Member {
    pub(super) key: NamespaceKey,
    pub(super) id: MembershipId,
    pub(super) membership: Weak<Membership>,
    pub(super) status: Arc<Status>,
    pub(super) commands: mpsc::Receiver<Box<Command>>,
    pub(super) mailbox: Mailbox,
    /// Who provides the auth payload, and the answer under way.
    pub(super) auth: Option<Provider<Option<Json>>>,
    pub(super) asked: Option<(AuthKey, Asked<Option<Json>>)>,
    pub(super) reports_sent: bool,
    /// Commands that will not be carried out, and whose senders do not know it.
    pub(super) unsent: u64,
    pub(super) span: Span,
    /// Who waits for the namespace to be joined for the first time.
    pub(super) joined: Option<oneshot::Sender<Result<(), ConnectError>>>,
}

impl Member {
    /// Whether somebody waits for it to be joined.
    pub(super) fn is_awaited(&self) -> bool {
        self.joined
            .as_ref()
            .is_some_and(|joined| !joined.is_closed())
    }

    /// Whoever awaits an acknowledgement learns of it by the end of the channel.
    pub(super) fn refuse_commands(&mut self) {
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.unsent += u64::from(command.is_unawaited());
        }
    }
}

/// Nothing is refused here but what a handle could not know yet. Who awaits something is told by that, others by an
/// event.
pub(super) fn execute(
    session: &mut Session,
    acks: &mut HashMap<AckKey, oneshot::Sender<Result<Args, AckError>>>,
    key: NamespaceKey,
    command: Command,
    now: Instant,
) {
    let refused = match command {
        Command::Emit(event) => session.emit(key, event).err(),
        Command::EmitVolatile(event) => session.emit_volatile(key, event).err(),
        Command::EmitRetried(event) => {
            let timeout = session.retries(key).unwrap_or_default().timeout;
            session.emit_retried(now, key, event, timeout).err()
        }
        Command::EmitAwaited {
            event,
            wish,
            reply,
            awaited,
        } => {
            if reply.is_closed() {
                return;
            }
            let ack = match wish {
                Wish::SentBy(deadline) => session.emit_before(key, event, deadline),
                Wish::AckBy(deadline) => session.emit_with_ack(key, event, deadline),
                Wish::Retried(timeout) => session.emit_retried(now, key, event, timeout),
            };
            match ack {
                Ok(ack) => {
                    // Set here and nowhere else.
                    awaited.set(ack).ok();
                    acks.insert(ack, reply);
                }
                Err(error) => drop(reply.send(Err(error.into()))),
            }
            None
        }
        Command::Reply { ticket, args } => session.reply(ticket, args).err(),
    };
    if let Some(error) = refused {
        session.tell_unsent(key, 1, error);
    }
}
