//! The task of a connection: it owns the session and the engine, and carries between them and the handles.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use engineio::client::{Client, Http, Timer, now};
use engineio::{CloseReason, Endpoint, Transport, Version};
use http::HeaderMap;
use socketio_codec::Args;
use tokio::sync::{mpsc, oneshot};

use super::events::Mailbox;
use super::membership::{Command, Control, Join, Membership, MembershipId, Shared, Status};
use super::socket::AckHandle;
use crate::error::{AckError, ConnectError, DisconnectReason};
use crate::session::revision::capacity;
use crate::session::{AckKey, Action, Event, Input, NamespaceKey, Session};

/// How many rounds, and messages a round, one wake-up may take before readers and other tasks get their turn.
const ROUNDS: usize = 32;
const MESSAGES: usize = 128;

/// What it takes to open a link.
pub(super) struct Dialer {
    pub(super) http: Http,
    pub(super) endpoint: Endpoint,
    pub(super) config: engineio::Config,
    pub(super) headers: HeaderMap,
}

impl Dialer {
    fn dial(&self, version: Version) -> Client {
        let mut config = self.config.clone();
        config.version = version;
        Client::new(self.http.clone(), self.endpoint.clone(), config)
            .with_headers(self.headers.clone())
    }

    fn first_transport(&self) -> Transport {
        let first = self.config.transports.first();
        first.copied().unwrap_or(Transport::Polling)
    }
}

pub(super) struct Driver {
    session: Session,
    dialer: Dialer,
    link: Link,
    members: Vec<Member>,
    /// The member whose commands are taken next.
    turn: usize,
    /// Who awaits which acknowledgement.
    acks: HashMap<AckKey, oneshot::Sender<Result<Args, AckError>>>,
    /// Who waits for DISCONNECT to have left, or for the close behind it.
    leavers: Vec<oneshot::Sender<()>>,
    /// The member whose events are not read. While there is one, nothing is read from the link, no event is handed
    /// over, and no link is opened: so all queues stay within their bounds.
    blocked: Option<NamespaceKey>,
    control: mpsc::UnboundedReceiver<Control>,
    shared: Arc<Shared>,
    timer: Timer,
}

enum Link {
    Down,
    /// To be opened with this revision as soon as the events are read again.
    Wanted(Version),
    Up(Box<Client>),
    Closing(Box<Client>),
}

/// A namespace that has handles.
struct Member {
    key: NamespaceKey,
    id: MembershipId,
    membership: Weak<Membership>,
    status: Arc<Status>,
    commands: mpsc::Receiver<Box<Command>>,
    mailbox: Mailbox,
    /// Who waits for the namespace to be joined for the first time.
    joined: Option<oneshot::Sender<Result<(), ConnectError>>>,
}

impl Member {
    /// Whoever awaits an acknowledgement learns of it by the end of the channel.
    fn refuse_commands(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
    }
}

impl Driver {
    pub(super) fn new(
        session: Session,
        dialer: Dialer,
        control: mpsc::UnboundedReceiver<Control>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            session,
            dialer,
            link: Link::Down,
            members: Vec::new(),
            turn: 0,
            acks: HashMap::new(),
            leavers: Vec::new(),
            blocked: None,
            control,
            shared,
            timer: Timer::default(),
        }
    }

    /// Runs until all handles are dropped and the connection is closed.
    pub(super) async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        tracing::debug!("the connection's task ends");
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let now = now();
            // The link goes before the commands: it may become writable without having anything to tell.
            let progress = self.poll_control(cx, now)
                | self.poll_room(cx, now)
                | self.poll_link(cx, now)
                | self.poll_commands(cx, now)
                | self.poll_timer(cx, now);
            if !progress {
                self.finish_round();
                let finished = self.control.is_closed() && matches!(self.link, Link::Down);
                return if finished {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            }
        }
        self.finish_round();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Handles come, go, and lose interest.
    fn poll_control(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while let Poll::Ready(Some(control)) = self.control.poll_recv(cx) {
            progress = true;
            match control {
                Control::Join(join) => self.join(*join, now),
                Control::Leave { id, done } => {
                    self.leavers.extend(done);
                    if let Some(index) = self.members.iter().position(|member| member.id == id) {
                        self.leave(index, now);
                    }
                }
                Control::AckDropped(awaited) => {
                    if let Some(key) = awaited.get()
                        && self.acks.remove(key).is_some()
                    {
                        self.session.cancel_ack(*key);
                    }
                }
            }
        }
        progress
    }

    fn join(&mut self, join: Join, now: Instant) {
        match self
            .session
            .join(now, join.namespace, join.auth, join.query)
        {
            Ok(key) => self.members.push(Member {
                key,
                id: join.id,
                membership: join.membership,
                status: join.status,
                commands: join.commands,
                mailbox: join.mailbox,
                joined: Some(join.joined),
            }),
            // Whoever asked may have gone.
            Err(error) => drop(join.joined.send(Err(error))),
        }
        self.settle(now);
    }

    /// What was emitted before goes first, and nothing behind it: others who go on emitting must not keep this from
    /// ending.
    fn leave(&mut self, index: usize, now: Instant) {
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        let key = member.key;
        member.commands.close();
        while let Ok(command) = member.commands.try_recv() {
            execute(&mut self.session, &mut self.acks, key, *command);
        }
        self.session.leave(key);
        self.settle(now);
    }

    /// A reader has caught up.
    fn poll_room(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(key) = self.blocked else {
            return false;
        };
        let member = self.members.iter().find(|member| member.key == key);
        if member.is_some_and(|member| member.mailbox.poll_room(cx).is_pending()) {
            return false;
        }
        self.blocked = None;
        self.settle(now);
        // What had to wait may have filled the queue again.
        if self.blocked.is_none() {
            self.session.set_reading(now, true);
            match &mut self.link {
                Link::Up(client) => client.resume_reading(),
                Link::Wanted(version) => {
                    self.link = Link::Up(Box::new(self.dialer.dial(*version)));
                }
                Link::Down | Link::Closing(_) => {}
            }
        }
        true
    }

    /// What the engine has to tell.
    fn poll_link(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for count in 0..MESSAGES {
            let (Link::Up(client) | Link::Closing(client)) = &mut self.link else {
                return count > 0;
            };
            let Poll::Ready(event) = client.poll_event(cx) else {
                return count > 0;
            };
            if matches!(event, None | Some(engineio::Event::Closed(_))) {
                self.link = Link::Down;
                self.shared.closed(self.dialer.first_transport());
            }
            let input = match event {
                Some(engineio::Event::Opened {
                    handshake,
                    transport,
                    version,
                }) => {
                    tracing::debug!(%transport, %version, "the connection is open");
                    let max_payload = capacity(version, handshake.max_payload);
                    self.shared.opened(transport, max_payload);
                    Input::LinkOpened {
                        handshake,
                        transport,
                        version,
                    }
                }
                Some(engineio::Event::Message(message)) => Input::Message(message),
                Some(engineio::Event::Upgraded(transport)) => {
                    tracing::debug!(%transport, "the connection was upgraded");
                    self.shared.upgraded(transport);
                    Input::LinkUpgraded(transport)
                }
                Some(engineio::Event::UpgradeFailed(error)) => {
                    tracing::debug!(%error, "the upgrade failed");
                    continue;
                }
                Some(engineio::Event::Closed(reason)) => {
                    tracing::debug!(%reason, "the connection is closed");
                    Input::LinkClosed(reason)
                }
                Some(_) => continue,
                None => Input::LinkClosed(CloseReason::Local),
            };
            self.session.handle_input(now, input);
            self.settle(now);
        }
        true
    }

    /// What is to be sent: one command of each member in turn, while it can leave or be buffered.
    fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        for _ in 0..self.members.len() {
            self.turn = (self.turn + 1) % self.members.len().max(1);
            let writable = matches!(&self.link, Link::Up(client) if client.is_writable());
            let Some(member) = self.members.get_mut(self.turn) else {
                continue;
            };
            let key = member.key;
            if !self.session.is_wanted(key) {
                // Its last event waits for a reader. Whoever emits is told now: it may be the reader.
                member.refuse_commands();
                continue;
            }
            let takes = if self.session.is_joined(key) {
                writable
            } else {
                self.session.has_room(key)
            };
            if takes && let Poll::Ready(Some(command)) = member.commands.poll_recv(cx) {
                execute(&mut self.session, &mut self.acks, key, *command);
                self.settle(now);
                progress = true;
            }
        }
        progress
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, present: Instant) -> bool {
        let Some(at) = self.session.poll_timeout() else {
            return false;
        };
        if at > present && self.timer.poll(cx, at).is_pending() {
            return false;
        }
        let now = now();
        self.session.handle_timeout(now);
        self.settle(now);
        true
    }

    /// Carries out what the session wants and passes on what it tells.
    fn settle(&mut self, now: Instant) {
        while let Some(action) = self.session.poll_action() {
            self.act(action, now);
        }
        while let Some((key, result)) = self.session.poll_ack() {
            if let Some(reply) = self.acks.remove(&key) {
                // Whoever awaited it may have gone.
                reply.send(result).ok();
            }
        }
        while self.blocked.is_none()
            && let Some((key, event)) = self.session.poll_event()
        {
            self.deliver(key, event, now);
        }
    }

    fn act(&mut self, action: Action, now: Instant) {
        match action {
            Action::OpenLink { version } if self.blocked.is_some() => {
                self.link = Link::Wanted(version);
            }
            Action::OpenLink { version } => {
                self.link = Link::Up(Box::new(self.dialer.dial(version)));
            }
            Action::Send(message) => {
                let Link::Up(client) = &mut self.link else {
                    return;
                };
                match client.send(message) {
                    // The end of the connection is about to be reported.
                    Ok(()) | Err(engineio::SendError::NotOpen(_)) => {}
                    Err(error) => {
                        // The session checks sizes. Half a packet must not stay on the wire.
                        tracing::debug!(%error, "a message was refused");
                        client.close();
                    }
                }
            }
            Action::CloseLink => match std::mem::replace(&mut self.link, Link::Down) {
                Link::Up(mut client) | Link::Closing(mut client) => {
                    client.close();
                    self.link = Link::Closing(client);
                }
                Link::Down | Link::Wanted(_) => {
                    let closed = Input::LinkClosed(CloseReason::Local);
                    self.session.handle_input(now, closed);
                }
            },
        }
    }

    fn deliver(&mut self, key: NamespaceKey, event: Event, now: Instant) {
        let Some(index) = self.members.iter().position(|member| member.key == key) else {
            return;
        };
        let Some(member) = self.members.get_mut(index) else {
            return;
        };
        match &event {
            Event::Connected(connected) => {
                member.status.connected(connected);
                if let Some(joined) = member.joined.take() {
                    // Whoever asked may have gone; then the namespace is about to be left.
                    joined.send(Ok(())).ok();
                }
            }
            Event::Disconnected { reason, retry_in } => {
                match reason {
                    // In the server's words there may be what the client has sent: the query, or its credentials.
                    DisconnectReason::Refused { .. } => tracing::debug!(?retry_in, "refused"),
                    reason => tracing::debug!(%reason, ?retry_in, "disconnected"),
                }
                member.status.disconnected();
            }
            Event::ConnectError { error, retry_in } => {
                match error {
                    ConnectError::Refused { .. } => tracing::debug!(?retry_in, "refused"),
                    error => tracing::debug!(%error, ?retry_in, "not connected"),
                }
                if let Some(joined) = member.joined.take() {
                    joined.send(Err(error.clone())).ok();
                }
            }
            Event::Message(_) | Event::Upgraded(_) => {}
        }
        let last = event.is_final();
        // Between two connections nothing comes from the server, so nothing has to be stopped; and a reader that waits
        // for a connection to emit on must get it. Who does not read need not be told of each failed attempt.
        let connected = match &event {
            Event::ConnectError { .. } if !last && member.mailbox.is_full() => return,
            Event::ConnectError { .. } | Event::Disconnected { .. } => false,
            _ => true,
        };
        let membership = &member.membership;
        let event = event.map_ack(|ticket| AckHandle::new(ticket, membership.clone()));
        member.mailbox.push(event);
        if last {
            member.mailbox.flush();
            self.members.remove(index);
        } else if connected && member.mailbox.is_full() {
            self.blocked = Some(key);
            self.session.set_reading(now, false);
            if let Link::Up(client) = &mut self.link {
                client.pause_reading();
            }
        }
    }

    fn finish_round(&mut self) {
        for member in &mut self.members {
            member.mailbox.flush();
        }
        let left = match &self.link {
            Link::Up(client) => client.is_flushed() || !client.is_open(),
            Link::Closing(_) => false,
            Link::Down | Link::Wanted(_) => true,
        };
        if left {
            for done in self.leavers.drain(..) {
                done.send(()).ok();
            }
        }
    }
}

/// Nothing is refused here but what a handle could not know yet: then its caller has an answer already, or is told by
/// the acknowledgement.
fn execute(
    session: &mut Session,
    acks: &mut HashMap<AckKey, oneshot::Sender<Result<Args, AckError>>>,
    key: NamespaceKey,
    command: Command,
) {
    let refused = match command {
        Command::Emit(event) => session.emit(key, event).err(),
        Command::EmitWithAck {
            event,
            deadline,
            reply,
            awaited,
        } => {
            if reply.is_closed() {
                return;
            }
            match session.emit_with_ack(key, event, deadline) {
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
        tracing::debug!(%error, "not sent");
    }
}
