//! The states of a session, each with the data that exists only in it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::CloseReason;
use crate::handshake::{Handshake, Sid};
use crate::packet::Packet;
use crate::transport::Transport;
use crate::version::{Pinger, Version};

/// A point in time that is always one: `Duration::MAX`, by which people mean "never", becomes thirty years.
pub(super) fn later(now: Instant, delay: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    now + delay.min(NEVER)
}

/// Where a session is in its life.
///
/// ```text
/// Opening ──open packet──▶ Open ──close, error, silence──▶ Closed
///  ▲ └──────────refused, failed, timed out────────────────────┘
///  └─ once in the other revision, then on the next transport
/// ```
#[derive(Debug)]
pub(super) enum State {
    /// Waiting for the `open` packet.
    Opening(Opening),
    /// The handshake is done.
    Open(Open),
    /// Over.
    Closed,
}

/// An attempt to open a session, and those that may follow it.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) transport: Transport,
    /// The transports that are tried after this one.
    untried: VecDeque<Transport>,
    /// When this attempt has had its time.
    pub(super) attempt_deadline: Instant,
    /// When all of them have.
    deadline: Instant,
    /// How the server answered to another revision, if that was tried before.
    pub(super) earlier: Option<Box<CloseReason>>,
}

impl Opening {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let mut untried: VecDeque<_> = config.transports.iter().copied().collect();
        let transport = untried.pop_front().unwrap_or(Transport::Polling);
        if !config.try_all_transports {
            untried.clear();
        }
        let mut opening = Self {
            transport,
            untried,
            attempt_deadline: now,
            deadline: later(now, config.handshake_timeout),
            earlier: None,
        };
        opening.share_time(now);
        opening
    }

    /// A transport that hangs must leave time for the others: each gets an equal share of what is left.
    fn share_time(&mut self, now: Instant) {
        let left = self.deadline.saturating_duration_since(now);
        let attempts = u32::try_from(self.untried.len() + 1).unwrap_or(u32::MAX);
        self.attempt_deadline = match attempts {
            1 => self.deadline,
            attempts => now + left / attempts,
        };
    }

    /// Turns to the next transport, if there is one and time for it.
    pub(super) fn turn_to_next(&mut self, now: Instant) -> bool {
        if now >= self.deadline {
            return false;
        }
        let Some(next) = self.untried.pop_front() else {
            return false;
        };
        self.transport = next;
        if !self.is_version_told() {
            self.earlier = None;
        }
        self.share_time(now);
        true
    }

    /// Whether the server has told which revision it speaks, so that there is nothing left to find out.
    pub(super) fn is_version_told(&self) -> bool {
        self.earlier
            .as_ref()
            .is_some_and(|answer| answer.tells_version())
    }

    /// What a failure amounts to, together with how another revision was answered before.
    pub(super) fn conclude(
        &self,
        reason: CloseReason,
        first_version: Version,
        second_version: Version,
    ) -> CloseReason {
        match &self.earlier {
            // Where the server has told which revision it speaks, what became of that is all that matters.
            Some(first) if !first.tells_version() => CloseReason::NoCommonVersion {
                first_version,
                first: first.clone(),
                second_version,
                second: Box::new(reason),
            },
            _ => reason,
        }
    }
}

/// An open session.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sid: Sid,
    pub(super) max_payload: Option<u64>,
    pub(super) heartbeat: Heartbeat,
    pub(super) carrier: Carrier,
    /// Set once the caller wants to close.
    pub(super) closing: Option<Closing>,
}

impl Open {
    pub(super) fn closing_deadline(&self) -> Option<Instant> {
        self.closing.as_ref().map(|closing| closing.deadline)
    }
}

/// A session that the caller has closed, and that ends when all is sent.
#[derive(Debug)]
pub(super) struct Closing {
    /// When the caller's patience ends.
    pub(super) deadline: Instant,
    /// On polling: whether the server has been told.
    pub(super) told: bool,
}

/// What carries the packets of an open session.
///
/// ```text
/// Polling{probe: None | Connecting | AwaitingPong} ──3probe──▶ Draining ──requests done, 5──▶ WebSocket
///    ▲ └─ the probe fails or times out: None,                     │
///    │    the session never notices                               │
///    └────────────── the WebSocket fails before 5 ────────────────┘
/// ```
#[derive(Debug)]
pub(super) enum Carrier {
    /// Long-polling, on which an upgrade may be tried meanwhile.
    Polling { requests: Requests, probe: Probe },
    /// The probe was answered: no new request starts, and those under way are waited for.
    Draining {
        requests: Requests,
        deadline: Instant,
    },
    /// One WebSocket.
    WebSocket,
}

impl Carrier {
    pub(super) fn post_deadline(&self) -> Option<Instant> {
        match self {
            Self::Polling { requests, .. } | Self::Draining { requests, .. } => requests.post,
            Self::WebSocket => None,
        }
    }

    pub(super) fn upgrade_deadline(&self) -> Option<Instant> {
        match self {
            Self::Polling { probe, .. } => probe.deadline(),
            Self::Draining { deadline, .. } => Some(*deadline),
            Self::WebSocket => None,
        }
    }

    /// The probe was answered.
    pub(super) fn drain(&mut self, deadline: Instant) {
        if let Self::Polling { requests, .. } = self {
            *self = Self::Draining {
                requests: std::mem::take(requests),
                deadline,
            };
        }
    }

    /// Polling goes on as if nothing had been tried.
    pub(super) fn give_up_upgrade(&mut self) {
        if let Self::Polling { requests, .. } | Self::Draining { requests, .. } = self {
            *self = Self::Polling {
                requests: std::mem::take(requests),
                probe: Probe::None,
            };
        }
    }
}

/// The requests under way.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) get: bool,
    /// When the answer to the POST is overdue.
    pub(super) post: Option<Instant>,
}

impl Requests {
    pub(super) fn is_idle(&self) -> bool {
        !self.get && self.post.is_none()
    }
}

/// An upgrade that is being tried. It has one deadline, whatever becomes of it.
#[derive(Debug)]
pub(super) enum Probe {
    /// Not wanted, not offered, or failed before.
    None,
    /// The WebSocket is opening.
    Connecting { deadline: Instant },
    /// `2probe` was sent.
    AwaitingPong { since: Instant, deadline: Instant },
}

impl Probe {
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The WebSocket is open, and the probe goes out.
    pub(super) fn opened(&mut self, now: Instant) {
        if let Self::Connecting { deadline } = *self {
            *self = Self::AwaitingPong {
                since: now,
                deadline,
            };
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Connecting { deadline } | Self::AwaitingPong { deadline, .. } => Some(*deadline),
        }
    }
}

/// The heartbeat: how long silence is taken for life.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    deadline: Instant,
    suspended: bool,
    turn: Turn,
}

/// Whose ping comes next.
#[derive(Debug)]
enum Turn {
    /// The server pings, always. One of its pings was counted then.
    Server { counted: Option<Instant> },
    /// The client pings, and this is when it does so next.
    Client { next: Instant },
    /// The client has pinged, and awaits the pong.
    Pong { since: Instant },
}

impl Heartbeat {
    pub(super) fn new(now: Instant, pinger: Pinger, handshake: &Handshake) -> Self {
        let (interval, timeout) = (handshake.ping_interval, handshake.ping_timeout);
        let turn = match pinger {
            Pinger::Server => Turn::Server { counted: None },
            Pinger::Client => Turn::Client {
                next: later(now, interval),
            },
        };
        Self {
            interval,
            timeout,
            deadline: later(now, interval + timeout),
            suspended: false,
            turn,
        }
    }

    /// A packet proves life, but which?
    ///
    /// Where the server pings, only its ping proves that it still runs its heartbeat: ordinary packets do not move the
    /// deadline (engine.io-client since 6.6.1). Where the client pings, any packet does, and a pong makes room for the
    /// next ping (engine.io-client 3). The answer is the time of a round trip that ends here.
    pub(super) fn received(&mut self, now: Instant, packet: &Packet) -> Option<Duration> {
        let mut round_trip = None;
        match (&self.turn, packet) {
            (Turn::Server { .. }, Packet::Ping(_)) => {}
            (Turn::Server { .. }, _) => return None,
            (Turn::Client { .. } | Turn::Pong { .. }, Packet::Pong(_)) => {
                if let Turn::Pong { since } = self.turn {
                    round_trip = Some(now.saturating_duration_since(since));
                }
                self.turn = Turn::Client {
                    next: later(now, self.interval),
                };
            }
            (Turn::Client { .. } | Turn::Pong { .. }, _) => {}
        }
        self.deadline = later(now, self.interval + self.timeout);
        round_trip
    }

    /// A ping of the client is under way: its answer has the timeout, and not the interval as well.
    pub(super) fn pinged(&mut self, now: Instant) {
        if let Turn::Client { .. } = self.turn {
            self.turn = Turn::Pong { since: now };
            self.deadline = later(now, self.timeout);
        }
    }

    pub(super) fn answers_pings(&self) -> bool {
        matches!(self.turn, Turn::Server { .. })
    }

    /// Whether a ping of the server was sent behind the one that was counted before it had come.
    ///
    /// The reference server waits for our answer, and then for the interval. Others, such as netty-socketio, ping at an
    /// interval whatever comes back: a link that has hung brings several at once, and all of them may be old. Half of
    /// the interval, because clocks are not exact.
    pub(super) fn counts(&mut self, now: Instant) -> bool {
        let Turn::Server { counted } = &mut self.turn else {
            return false;
        };
        let counts =
            counted.is_none_or(|at| now.saturating_duration_since(at) >= self.interval / 2);
        if counts {
            *counted = Some(now);
        }
        counts
    }

    pub(super) fn set_suspended(&mut self, now: Instant, suspended: bool) {
        if self.suspended && !suspended {
            self.deadline = later(now, self.interval + self.timeout);
        }
        self.suspended = suspended;
    }

    /// When the session is over unless the peer gives a sign of life.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.suspended).then_some(self.deadline)
    }

    /// When the client is to ping.
    pub(super) fn next_ping(&self) -> Option<Instant> {
        match self.turn {
            Turn::Client { next } => Some(next),
            Turn::Server { .. } | Turn::Pong { .. } => None,
        }
    }
}
