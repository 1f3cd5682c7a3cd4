//! The renewing watch as a state machine: time is an argument, I/O is an action, its outcome an
//! input.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::connection::ConnectionError;
use crate::error::GraphError;
use crate::notification::Notification;
use crate::notification_url::NotificationUrl;
use crate::token::TokenError;
use crate::watch::config::WatchConfig;
use crate::watch::event::{ResyncReason, WatchError, WatchEvent};

/// Between two renewals passes at least this, however short the lifetimes are.
const MIN_RENEW_INTERVAL: Duration = Duration::from_secs(1);

/// And between two precautions.
const MIN_SAFETY_RESYNC: Duration = Duration::from_secs(1);

/// So many replaced connections are kept at a time. More there are only where renewals follow one another faster than
/// heartbeats.
const MAX_RETIRING: usize = 4;

/// A delay beyond this is as good as this, and cannot overflow a point in time.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Names one connection attempt and the connection that comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionId(u64);

/// What the driver shall do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Ask Graph for a URL, and report it as [`Input::Fetched`]. Never while one is being fetched.
    FetchUrl {
        /// The token was refused: ask the provider for a fresh one.
        fresh_token: bool,
    },
    /// Connect, and report [`Input::Opened`] or [`Input::Ended`]; after the first also
    /// [`Input::Notified`] and at last `Ended`.
    Open(ConnectionId, NotificationUrl),
    /// Report [`Input::CaughtUp`] when all has arrived that was sent on the connection by now.
    CatchUp(ConnectionId),
    /// Close gracefully. What has arrived on the connection shall still be reported.
    Close(ConnectionId),
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The outcome of [`Action::FetchUrl`].
    Fetched(Result<Grant, WatchError>),
    /// The connection delivers notifications from now on.
    Opened(ConnectionId),
    /// A notification came, on whichever connection.
    Notified(Notification),
    /// What [`Action::CatchUp`] waits for has arrived.
    CaughtUp(ConnectionId),
    /// The connection could not be opened, or is over.
    Ended(ConnectionId, ConnectionError),
}

/// A URL, and how long it lives from now, if that is known.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) url: NotificationUrl,
    pub(crate) lifetime: Option<Duration>,
}

/// Something for the application.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Watch(WatchEvent),
    /// The last event.
    Failed(WatchError),
}

/// Where URLs come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A request to Graph for each connection.
    Graph,
    /// The same URL always: it cannot be renewed, and a refusal is final.
    Fixed(NotificationUrl),
}

/// What is being done to get the next connection.
///
/// ```text
///                 ┌────────────── backoff ──────────────┐
///                 ▼                                     │
///  Resting ──▶ Fetching ──────▶ Opening ──────▶ up   Waiting
///     ▲  renew    │ ▲ 401: once    │            │       ▲
///     │           │ └─ more, fresh │            │       │
///     │           └──── failed ────┴────────────┼───────┘
///     └─────────────────────────────────────────┘
/// ```
///
/// It goes on beside the coverage by an older connection, which is closed only after the new one is
/// up, and after all that was sent on it before has arrived. When the covering connection is lost while `Resting`,
/// `Waiting` comes next; otherwise the pursuit is under way already and just goes on. Without coverage it is never
/// `Resting`.
#[derive(Debug)]
enum Pursuit {
    /// There is coverage, and it is not yet time to renew it.
    Resting,
    /// Graph is being asked. Skipped when the URL is fixed.
    Fetching { fresh_token: bool },
    /// The URL is being connected to.
    Opening { id: ConnectionId, lease: Lease },
    /// The last attempt failed.
    Waiting { until: Instant, fresh_token: bool },
    /// The watch has failed for good.
    Over,
}

/// The connection that delivers.
#[derive(Debug)]
struct Coverage {
    id: ConnectionId,
    lease: Lease,
    /// When failures before are to be forgotten; `None` once they are.
    stable_at: Option<Instant>,
}

/// A connection that was replaced. It may have hung for a while when it was, and nobody would have noticed: so it is kept
/// until it has caught up.
#[derive(Clone, Copy, Debug)]
struct Retiring {
    id: ConnectionId,
    /// When the overlap is over.
    close_at: Instant,
    /// Whether all that was sent on it before it was replaced has arrived, or has been made up for by a resync.
    caught_up: bool,
}

/// What is known about the life of a URL.
#[derive(Clone, Copy, Debug)]
struct Lease {
    renew_at: Option<Instant>,
    expires_at: Option<Instant>,
}

pub(crate) struct Machine {
    config: WatchConfig,
    source: Source,
    coverage: Option<Coverage>,
    /// The connections that were replaced, the oldest first.
    retiring: Vec<Retiring>,
    pursuit: Pursuit,
    /// Failed attempts since coverage was stable.
    failures: u32,
    was_covered: bool,
    safety_resync_at: Option<Instant>,
    next_id: u64,
    rng: fastrand::Rng,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
}

impl Machine {
    /// Starts the first attempt. `seed` decides the jitter.
    pub(crate) fn new(config: WatchConfig, source: Source, now: Instant, seed: u64) -> Self {
        let mut machine = Self {
            safety_resync_at: safety_resync_at(&config, now),
            config,
            source,
            coverage: None,
            retiring: Vec::new(),
            pursuit: Pursuit::Resting,
            failures: 0,
            was_covered: false,
            next_id: 0,
            rng: fastrand::Rng::with_seed(seed),
            actions: VecDeque::new(),
            events: VecDeque::new(),
        };
        machine.pursue(false);
        machine
    }

    pub(crate) fn handle_input(&mut self, now: Instant, input: Input) {
        if self.is_over() {
            return;
        }
        self.forget_failures_when_stable(now);
        match input {
            Input::Fetched(outcome) => self.fetched(now, outcome),
            Input::Opened(id) => self.opened(now, id),
            Input::Notified(notification) => self.report(WatchEvent::Notification(notification)),
            Input::CaughtUp(id) => {
                let mut retiring = self.retiring.iter_mut();
                if let Some(retiring) = retiring.find(|retiring| retiring.id == id) {
                    retiring.caught_up = true;
                }
            }
            Input::Ended(id, error) => self.ended(now, id, error),
        }
        self.close_retired(now);
    }

    /// All that time can do.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        self.forget_failures_when_stable(now);
        let lease = self.coverage.as_ref().map(|coverage| coverage.lease);
        match self.pursuit {
            Pursuit::Waiting { until, fresh_token } if until <= now => self.pursue(fresh_token),
            Pursuit::Resting if lease.is_some_and(|lease| is_reached(lease.renew_at, now)) => {
                self.pursue(false);
            }
            _ => {}
        }
        self.close_retired(now);
        if is_reached(self.safety_resync_at, now) {
            self.resync(now, ResyncReason::Safety);
        }
    }

    #[must_use]
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    #[must_use]
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let pursuit = match &self.pursuit {
            Pursuit::Over => return None,
            Pursuit::Waiting { until, .. } => Some(*until),
            Pursuit::Resting => self.coverage.as_ref().and_then(|c| c.lease.renew_at),
            Pursuit::Fetching { .. } | Pursuit::Opening { .. } => None,
        };
        let caught_up = self.retiring.iter().filter(|retiring| retiring.caught_up);
        let close_at = caught_up.map(|retiring| retiring.close_at).min();
        let others = [close_at, self.safety_resync_at];
        pursuit
            .into_iter()
            .chain(others.into_iter().flatten())
            .min()
    }

    /// Nothing will happen any more.
    #[must_use]
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.pursuit, Pursuit::Over)
    }

    /// Starts an attempt to get a connection.
    fn pursue(&mut self, fresh_token: bool) {
        match &self.source {
            Source::Graph => {
                self.actions.push_back(Action::FetchUrl { fresh_token });
                self.pursuit = Pursuit::Fetching { fresh_token };
            }
            Source::Fixed(url) => {
                let lease = Lease {
                    renew_at: None,
                    expires_at: None,
                };
                self.open(url.clone(), lease);
            }
        }
    }

    fn open(&mut self, url: NotificationUrl, lease: Lease) {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.actions.push_back(Action::Open(id, url));
        self.pursuit = Pursuit::Opening { id, lease };
    }

    fn fetched(&mut self, now: Instant, outcome: Result<Grant, WatchError>) {
        let Pursuit::Fetching { fresh_token } = self.pursuit else {
            return;
        };
        match outcome {
            Ok(grant) => {
                let lease = self.lease(now, grant.lifetime);
                self.open(grant.url, lease);
            }
            Err(WatchError::Graph(GraphError::Unauthorized(_))) if !fresh_token => {
                self.pursue(true);
            }
            Err(error) => {
                // Without a new token the refused one is still the last.
                let fresh_token = fresh_token && matches!(error, WatchError::Token(_));
                self.retry(now, error, fresh_token);
            }
        }
    }

    /// A URL is replaced when 120 s remain, or a tenth of its life, whichever is less: for long
    /// lives a tenth would be hours too early, for short ones 120 s would be at once.
    fn lease(&self, now: Instant, lifetime: Option<Duration>) -> Lease {
        match lifetime.filter(|lifetime| !lifetime.is_zero()) {
            Some(lifetime) => {
                let margin = (lifetime / 10).min(self.config.renew_margin);
                Lease {
                    renew_at: Some(after(now, lifetime - margin)),
                    expires_at: Some(after(now, lifetime)),
                }
            }
            None => Lease {
                renew_at: Some(after(now, self.config.renew_interval)),
                expires_at: None,
            },
        }
    }

    fn opened(&mut self, now: Instant, opened: ConnectionId) {
        let Pursuit::Opening { id, mut lease } = self.pursuit else {
            return;
        };
        if id != opened {
            return;
        }
        let earliest = after(now, MIN_RENEW_INTERVAL);
        lease.renew_at = lease.renew_at.map(|at| at.max(earliest));
        self.pursuit = Pursuit::Resting;

        let old = self.coverage.take();
        self.coverage = Some(Coverage {
            id,
            lease,
            stable_at: match old.as_ref().and_then(|old| old.stable_at) {
                // Coverage goes on, so the time that it has lasted goes on too.
                Some(stable_at) => Some(stable_at),
                // The renewal itself may have failed before.
                None => Some(after(now, self.config.backoff.stable_after)),
            },
        });
        let was_covered = std::mem::replace(&mut self.was_covered, true);
        match old {
            Some(old) => {
                self.retire(now, old.id);
                if is_reached(old.lease.expires_at, now) {
                    self.resync(now, ResyncReason::Expired);
                } else {
                    self.report(WatchEvent::Renewed);
                }
            }
            None if was_covered => self.resync(now, ResyncReason::Reconnected),
            None => self.resync(now, ResyncReason::Started),
        }
    }

    fn ended(&mut self, now: Instant, ended: ConnectionId, error: ConnectionError) {
        if matches!(self.pursuit, Pursuit::Opening { id, .. } if id == ended) {
            return self.retry(now, error.into(), false);
        }
        if let Some(index) = self.retiring.iter().position(|one| one.id == ended) {
            let retired = self.retiring.remove(index);
            // A server that takes leave has sent all it had before.
            if !retired.caught_up && !error.is_leave() {
                self.resync(now, ResyncReason::Handover);
            }
            return;
        }
        if self.coverage.as_ref().is_none_or(|c| c.id != ended) {
            return;
        }
        self.coverage = None;
        let retry_in = match self.pursuit {
            Pursuit::Waiting { until, .. } => until.saturating_duration_since(now),
            Pursuit::Fetching { .. } | Pursuit::Opening { .. } => Duration::ZERO,
            Pursuit::Resting | Pursuit::Over => return self.retry(now, error.into(), false),
        };
        let reason = error.into();
        self.report(WatchEvent::Down { reason, retry_in });
    }

    fn retry(&mut self, now: Instant, error: WatchError, fresh_token: bool) {
        let max_attempts = self.config.backoff.max_attempts.unwrap_or(u32::MAX);
        if self.is_final(&error) || self.failures >= max_attempts {
            return self.fail(error);
        }
        let backoff = self.config.backoff.delay(self.failures, self.rng.f64());
        let asked_for = match &error {
            WatchError::Graph(error) => error.retry_after().unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let retry_in = backoff.max(asked_for.min(self.config.max_retry_after));
        self.failures = self.failures.saturating_add(1);
        self.pursuit = Pursuit::Waiting {
            until: after(now, retry_in),
            fresh_token,
        };
        if self.coverage.is_none() {
            let reason = error;
            self.report(WatchEvent::Down { reason, retry_in });
        }
    }

    /// Before the first coverage, an answer that makes no sense is a mistake in the settings, and
    /// somebody is there to read about it. Later, it is trouble that may pass, and only a lack of
    /// authorization ends a watch. A fixed URL ends with a refusal: nobody can fetch another.
    fn is_final(&self, error: &WatchError) -> bool {
        match error {
            WatchError::Connection(error) => {
                matches!(self.source, Source::Fixed(_)) && !error.is_retryable()
            }
            WatchError::Graph(GraphError::Unauthorized(_) | GraphError::Forbidden(_)) => true,
            WatchError::Graph(error) => !self.was_covered && !error.is_retryable(),
            // Such as a token file that is read while it is written anew.
            WatchError::Token(
                TokenError::Empty | TokenError::IllegalCharacter { .. } | TokenError::TooLong,
            ) => !self.was_covered,
            other => !other.is_retryable(),
        }
    }

    /// A connection has been replaced.
    fn retire(&mut self, now: Instant, id: ConnectionId) {
        if self.retiring.len() == MAX_RETIRING {
            let oldest = self.retiring.remove(0);
            self.actions.push_back(Action::Close(oldest.id));
            if !oldest.caught_up {
                self.resync(now, ResyncReason::Handover);
            }
        }
        self.actions.push_back(Action::CatchUp(id));
        self.retiring.push(Retiring {
            id,
            close_at: after(now, self.config.overlap),
            caught_up: false,
        });
    }

    /// Closes those that have had their overlap and of which nothing is missing.
    fn close_retired(&mut self, now: Instant) {
        let retired = |one: &mut Retiring| one.caught_up && one.close_at <= now;
        let retired = self.retiring.extract_if(.., retired);
        self.actions
            .extend(retired.map(|one| Action::Close(one.id)));
    }

    fn fail(&mut self, error: WatchError) {
        let retiring = self.retiring.drain(..);
        self.actions
            .extend(retiring.map(|one| Action::Close(one.id)));
        let covering = self.coverage.take().map(|coverage| coverage.id);
        let opening = match self.pursuit {
            Pursuit::Opening { id, .. } => Some(id),
            _ => None,
        };
        let open = covering.into_iter().chain(opening);
        self.actions.extend(open.map(Action::Close));
        self.pursuit = Pursuit::Over;
        self.events.push_back(Event::Failed(error));
    }

    /// A server that accepts and then drops each connection must not be hammered, so it takes more
    /// than a connection to start over with short delays.
    fn forget_failures_when_stable(&mut self, now: Instant) {
        if let Some(coverage) = &mut self.coverage
            && is_reached(coverage.stable_at, now)
        {
            coverage.stable_at = None;
            self.failures = 0;
        }
    }

    fn resync(&mut self, now: Instant, reason: ResyncReason) {
        self.safety_resync_at = safety_resync_at(&self.config, now);
        // Whatever is still missing of what was sent on the replaced ones was sent before.
        for retiring in &mut self.retiring {
            retiring.caught_up = true;
        }
        self.report(WatchEvent::Resync(reason));
    }

    fn report(&mut self, event: WatchEvent) {
        self.events.push_back(Event::Watch(event));
    }
}

fn safety_resync_at(config: &WatchConfig, now: Instant) -> Option<Instant> {
    let interval = config.safety_resync?.max(MIN_SAFETY_RESYNC);
    Some(after(now, interval))
}

fn is_reached(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}

fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay.min(FAR)).unwrap_or(now)
}

#[cfg(test)]
mod tests;
