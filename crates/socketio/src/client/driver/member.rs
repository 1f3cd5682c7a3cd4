//! A namespace as the task sees it, and what is done with the commands of its handles.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use socketio_codec::{Args, Json};
use tokio::sync::oneshot;
use tracing::Span;

use crate::client::channel::Receiver;
use crate::client::events::Mailbox;
use crate::client::membership::{Command, Join, MembershipId, Status, Wish};
use crate::client::provider::{Asked, Provider};
use crate::error::{AckError, ConnectError, EmitError};
use crate::session::{AckKey, AuthKey, Depth, Event, NamespaceKey, Session};

/// A namespace that has handles.
pub(super) struct Member {
    pub(super) key: NamespaceKey,
    pub(super) id: MembershipId,
    pub(super) status: Arc<Status>,
    pub(super) commands: Receiver<Command>,
    pub(super) mailbox: Mailbox,
    /// Who provides the auth payload, and the answer under way.
    pub(super) auth: Option<Provider<Option<Json>>>,
    pub(super) asked: Option<(AuthKey, Asked<Option<Json>>)>,
    /// How many of the commands had to wait: too long for what is to leave at once.
    pub(super) late: usize,
    /// Commands that will not be carried out, and whose senders do not know it.
    pub(super) unsent: u64,
    pub(super) span: Span,
    /// Who waits for the namespace to be joined for the first time.
    pub(super) joined: Option<oneshot::Sender<Result<(), ConnectError>>>,
}

impl Member {
    pub(super) fn new(key: NamespaceKey, join: Join) -> Self {
        Self {
            key,
            id: join.id,
            status: join.status,
            commands: join.commands,
            mailbox: join.mailbox,
            auth: join.auth,
            asked: None,
            late: 0,
            unsent: 0,
            span: tracing::debug_span!("namespace", name = %join.namespace),
            joined: Some(join.joined),
        }
    }

    /// Whether somebody waits for it to be joined.
    pub(super) fn is_awaited(&self) -> bool {
        self.joined
            .as_ref()
            .is_some_and(|joined| !joined.is_closed())
    }

    /// Whoever awaits an acknowledgement learns of it by the end of the channel.
    pub(super) fn refuse_commands(&mut self) {
        self.unsent += refused(&mut self.commands);
    }
}

/// With the member, be it by the end of the runtime, goes what its handles say of it.
impl Drop for Member {
    fn drop(&mut self) {
        self.status.disconnected();
        self.status.unsent(Depth::default());
    }
}

/// Takes no more commands, and tells how many were there that nobody awaits anything of.
fn refused(commands: &mut Receiver<Command>) -> u64 {
    let refused = commands.end();
    refused.filter(Command::is_unawaited).count() as u64
}

/// Tells whoever wants to join a namespace that there is not even an attempt.
pub(super) fn refuse(mut join: Join, error: ConnectError) {
    let events = refused(&mut join.commands);
    if events > 0 {
        let error = EmitError::Disconnected;
        join.mailbox.push(Event::Unsent { events, error });
    }
    let told = error.clone();
    join.mailbox.push(Event::ConnectError {
        error,
        retry_in: None,
    });
    join.mailbox.flush();
    // Whoever asked may have gone.
    join.joined.send(Err(told)).ok();
}

/// Nothing is refused here but what a handle could not know yet. Who awaits something is told by that, others by an
/// event.
pub(super) fn execute(
    session: &mut Session,
    acks: &mut BTreeMap<AckKey, oneshot::Sender<Result<Args, AckError>>>,
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
