//! The task of a connection: it owns the session and the engine, and carries between them and the handles.

mod member;
mod settling;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use engineio::CloseReason;
use engineio::client::{Client, Timer, now};
use socketio_codec::Args;
use tokio::sync::oneshot;
use tracing::Span;

use super::channel::Receiver;
use super::dialer::{Call, Dialer};
use super::membership::{Command, Control, Join, MembershipId, Shared};
use super::provider::{Asked, Dial};
use super::stats::LinkStats;
use crate::error::{AckError, EmitError};
use crate::session::revision::capacity;
use crate::session::{AckKey, Input, NamespaceKey, Session};
use member::{Member, execute, refuse};

/// How many rounds, and messages a round, one wake-up may take before readers and other tasks get their turn.
const ROUNDS: usize = 4;
const MESSAGES: usize = 64;

/// How many commands of a namespace are taken before the next one's.
const COMMANDS: usize = 64;

pub(super) struct Driver {
    session: Session,
    dialer: Dialer,
    patience: Duration,
    link: Link,
    /// What the links before this one have done.
    done: LinkStats,
    members: Vec<Member>,
    /// The member whose commands are taken next.
    turn: usize,
    /// Who awaits which acknowledgement.
    acks: BTreeMap<AckKey, oneshot::Sender<Result<Args, AckError>>>,
    /// Who waits for DISCONNECT to have left, or for the close behind it.
    leavers: Vec<oneshot::Sender<()>>,
    /// Who waits for all that the server has sent.
    catching_up: Vec<CatchingUp>,
    /// Whether the session had anything done since this was unset.
    acted: bool,
    /// The member whose events are not read. While there is one, nothing is read from the link, no event is handed
    /// over, and no link is opened: so all queues stay within their bounds.
    blocked: Option<NamespaceKey>,
    control: Receiver<Control>,
    shared: Arc<Shared>,
    timer: Timer,
}

enum Link {
    Down,
    /// To be opened as soon as the events are read again.
    Wanted(Call),
    /// What it is to be opened with is being asked for.
    Asking(Asked<Dial>, Call),
    Up(Box<Live>),
    Closing(Box<Live>),
}

/// Somebody who waits for all that the server had sent at some moment.
struct CatchingUp {
    key: NamespaceKey,
    /// With so many heartbeats of the link it has come.
    heartbeats: u64,
    done: oneshot::Sender<()>,
}

/// A link, and the span of its attempt.
struct Live {
    client: Client,
    span: Span,
}

/// Runs until all handles are dropped and the connection is closed. It is a future itself: an `async` block around it
/// would hold it twice.
impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_rounds(cx));
        tracing::debug!("the connection's task ends");
        Poll::Ready(())
    }
}

impl Driver {
    pub(super) fn new(
        session: Session,
        dialer: Dialer,
        patience: Duration,
        control: Receiver<Control>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            session,
            dialer,
            patience,
            link: Link::Down,
            done: LinkStats::default(),
            // One, as a rule; a vector that grows has room for four.
            members: Vec::with_capacity(1),
            turn: 0,
            acks: BTreeMap::new(),
            leavers: Vec::new(),
            catching_up: Vec::new(),
            acted: false,
            blocked: None,
            control,
            shared,
            timer: Timer::default(),
        }
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let now = now();
            let (writable, flushed) = (self.is_writable(), self.is_flushed());
            self.session.set_writable(now, writable);
            self.session.set_flushed(now, flushed);
            self.settle(now);
            // The link goes before the commands: it may become writable without having anything to tell.
            let progress = self.poll_control(cx, now)
                | self.poll_room(cx, now)
                | self.poll_providers(cx, now)
                | self.poll_link(cx, now)
                | self.poll_commands(cx, now)
                | self.poll_timer(cx, now);
            if !progress && (writable, flushed) == (self.is_writable(), self.is_flushed()) {
                self.finish_round();
                self.tell_caught_up();
                let finished = self.control.is_finished() && matches!(self.link, Link::Down);
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
        for count in 0..MESSAGES {
            let Poll::Ready(control) = self.control.poll_recv(cx) else {
                return count > 0;
            };
            match control {
                Control::Join(join) => self.join(*join, now),
                Control::Leave { id, done } => {
                    self.leavers.extend(done);
                    if let Some(index) = self.members.iter().position(|member| member.id == id) {
                        self.leave(index, now);
                    }
                }
                Control::CatchUp { id, done } => self.catch_up(id, done),
                Control::Reconnect => {
                    self.shared.reconnect_heard();
                    self.session.reconnect(now);
                    self.settle(now);
                }
                Control::AckDropped(awaited) => {
                    if let Some(key) = awaited.get()
                        && self.acks.remove(key).is_some()
                    {
                        self.session.cancel_ack(now, *key);
                    }
                }
            }
        }
        true
    }

    /// Who is not connected is told at once: `done` is dropped.
    fn catch_up(&mut self, id: MembershipId, done: oneshot::Sender<()>) {
        self.catching_up.retain(|waiter| !waiter.done.is_closed());
        let member = self.members.iter().find(|member| member.id == id);
        if let (Some(member), Link::Up(live)) = (member, &self.link) {
            self.catching_up.push(CatchingUp {
                key: member.key,
                // The first may have been under way already.
                heartbeats: live.client.stats().heartbeats + 2,
                done,
            });
        }
    }

    fn join(&mut self, join: Join, now: Instant) {
        let namespace = join.namespace.clone();
        match self.session.join(now, namespace, join.settings.clone()) {
            Ok(key) => self.members.push(Member::new(key, join)),
            Err(error) => refuse(join, error),
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
        if !self.session.is_wanted(key) {
            // Its last event waits for a reader, and nothing may come behind that.
            return member.refuse_commands();
        }
        for command in member.commands.end() {
            execute(&mut self.session, &mut self.acks, key, command, now);
        }
        self.session.leave(now, key);
        self.settle(now);
    }

    /// A reader has caught up.
    fn poll_room(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(key) = self.blocked else {
            return false;
        };
        let member = self.members.iter_mut().find(|member| member.key == key);
        if member.is_some_and(|member| member.mailbox.poll_room(cx).is_pending()) {
            return false;
        }
        self.blocked = None;
        self.settle(now);
        // What had to wait may have filled the queue again.
        if self.blocked.is_none() {
            self.session.set_reading(now, true);
            match &mut self.link {
                Link::Up(live) => live.client.resume_reading(),
                Link::Wanted(call) => {
                    let call = *call;
                    self.call(call);
                }
                Link::Down | Link::Asking(..) | Link::Closing(_) => {}
            }
        }
        true
    }

    /// What providers have answered. An answer waits, as everything does, while there are events that are not read.
    fn poll_providers(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        let blocked = self.blocked.is_some();
        if let Link::Asking(asked, call) = &mut self.link
            && !blocked
            && let Poll::Ready(dial) = asked.poll(cx)
        {
            progress = true;
            let call = *call;
            match dial.and_then(|dial| self.dialer.dial(call, dial)) {
                Ok(client) => self.open(client, call),
                Err(error) => {
                    tracing::debug!(%error, "nothing to connect with");
                    self.link = Link::Down;
                    self.session.handle_input(now, Input::NoTarget(error));
                }
            }
        }
        for member in &mut self.members {
            let told = !blocked || member.is_awaited();
            if let Some((key, asked)) = &mut member.asked
                && told
                && let Poll::Ready(auth) = asked.poll(cx)
            {
                progress = true;
                let key = *key;
                member.asked = None;
                if let Err(error) = &auth {
                    let _in = member.span.enter();
                    tracing::debug!(%error, "nothing to authenticate with");
                }
                self.session.handle_input(now, Input::Auth { key, auth });
            }
        }
        if progress {
            self.settle(now);
        }
        progress
    }

    /// Opens a link, when it is known what with.
    fn call(&mut self, call: Call) {
        match &self.dialer.provider {
            Some(provider) => {
                self.link = Link::Asking(provider.ask(call.attempt, self.patience), call);
            }
            None => self.open(self.dialer.client(call), call),
        }
    }

    fn open(&mut self, client: Client, call: Call) {
        let span = tracing::debug_span!("attempt", number = call.attempt, version = %call.version);
        self.link = Link::Up(Box::new(Live { client, span }));
    }

    /// What the engine has to tell, until there is no more, or the link is gone. Whether that leaves something to do:
    /// messages that are only handed over do not.
    fn poll_link(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let (Link::Up(live) | Link::Closing(live)) = &self.link else {
            return false;
        };
        let span = live.span.clone();
        let _in = span.enter();
        self.acted = false;
        let was_blocked = self.blocked.is_some();
        for _ in 0..MESSAGES {
            let (Link::Up(live) | Link::Closing(live)) = &mut self.link else {
                return true;
            };
            let Poll::Ready(event) = live.client.poll_event(cx) else {
                return self.acted || self.blocked.is_some() != was_blocked;
            };
            if let Some(engineio::Event::Opened { .. }) = event {
                self.session.set_secrets(live.client.secrets());
            }
            let ended = matches!(event, None | Some(engineio::Event::Closed(_)));
            if ended {
                self.done = self.link_stats();
                self.catching_up.clear();
                self.link = Link::Down;
                self.shared.closed(self.dialer.first_transport());
            }
            self.acted |= !matches!(event, Some(engineio::Event::Message(_)));
            if let Some(input) = self.input(event) {
                self.session.handle_input(now, input);
                self.settle(now);
            }
            if ended {
                return true;
            }
        }
        true
    }

    /// What it means to the session.
    fn input(&self, event: Option<engineio::Event>) -> Option<Input> {
        match event {
            Some(engineio::Event::Message(message)) => return Some(Input::Message(message)),
            Some(engineio::Event::Opened {
                handshake,
                transport,
                version,
            }) => {
                tracing::debug!(%transport, %version, "the connection is open");
                let max_payload = capacity(version, handshake.max_payload);
                self.shared.opened(transport, max_payload);
                return Some(Input::LinkOpened {
                    handshake,
                    transport,
                    version,
                });
            }
            Some(engineio::Event::Upgraded(transport)) => {
                tracing::debug!(%transport, "the connection was upgraded");
                self.shared.upgraded(transport);
                return Some(Input::LinkUpgraded(transport));
            }
            Some(engineio::Event::Closed(reason)) => {
                tracing::debug!("the connection is closed");
                return Some(Input::LinkClosed(reason));
            }
            None => return Some(Input::LinkClosed(CloseReason::Local)),
            // The engine has traced why, without the words of the server.
            Some(engineio::Event::TransportFailed { transport, .. }) => {
                tracing::debug!(%transport, "the next transport is tried");
            }
            Some(engineio::Event::UpgradeFailed(_)) => tracing::debug!("the upgrade failed"),
            Some(_) => {}
        }
        None
    }

    /// What is to be sent: some commands of each member in turn, while they can leave or be buffered.
    fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        for _ in 0..self.members.len() {
            self.turn = (self.turn + 1) % self.members.len().max(1);
            for _ in 0..COMMANDS {
                if !self.poll_command(cx, now) {
                    break;
                }
                progress = true;
            }
        }
        progress
    }

    fn poll_command(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let writable = self.is_writable();
        let Some(member) = self.members.get_mut(self.turn) else {
            return false;
        };
        let key = member.key;
        if !self.session.is_wanted(key) {
            // Its last event waits for a reader. Whoever emits is told now: it may be the reader.
            member.refuse_commands();
            return false;
        }
        if !takes(&self.session, key, writable) {
            return false;
        }
        let Poll::Ready(command) = member.commands.poll_recv(cx) else {
            return false;
        };
        let late = member.late > 0;
        member.late = member.late.saturating_sub(1);
        let span = member.span.clone();
        let _in = span.enter();
        if late && matches!(command, Command::EmitVolatile(_)) {
            self.session.tell_unsent(key, 1, EmitError::NotWritable);
        } else {
            execute(&mut self.session, &mut self.acks, key, command, now);
        }
        self.settle(now);
        true
    }

    fn is_writable(&self) -> bool {
        matches!(&self.link, Link::Up(live) if live.client.is_writable())
    }

    fn is_flushed(&self) -> bool {
        match &self.link {
            Link::Up(live) => live.client.is_flushed(),
            _ => true,
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, present: Instant) -> bool {
        let Some(at) = self.session.poll_timeout() else {
            // Most of the time there is none, and nothing is kept for the next one.
            self.timer = Timer::default();
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
}

/// Whether what is emitted in a namespace can leave or be buffered now. Whether events are read has no part in it: the
/// reader may be who waits for this.
fn takes(session: &Session, key: NamespaceKey, writable: bool) -> bool {
    let leaves = writable || !session.is_joined(key);
    leaves && session.has_room(key)
}
