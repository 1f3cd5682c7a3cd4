//! Pings and pongs, and the time at which a silent client is given up.

use std::time::{Duration, Instant};

use super::api::Revision;
use super::options::Options;
use super::packet::Kind;

/// Who pings whom, and what counts as a sign of life.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    /// The current revision: the server pings.
    ServerPings,
    /// The old revision on a current server: only a ping counts.
    PingsCount,
    /// The old revision on an old server: every packet counts.
    EverythingCounts,
}

#[derive(Debug)]
pub(super) struct Heartbeat {
    style: Style,
    interval: Duration,
    timeout: Duration,
    ping_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// Something else than a pong has put off the expiry since the last ping, which it does once.
    put_off: bool,
}

impl Heartbeat {
    pub(super) fn new(now: Instant, revision: Revision, options: &Options) -> Self {
        let style = match (revision, options.revision) {
            (Revision::V4, _) => Style::ServerPings,
            (Revision::V3, Revision::V4) => Style::PingsCount,
            (Revision::V3, Revision::V3) => Style::EverythingCounts,
        };
        let (interval, timeout) = (options.ping_interval, options.ping_timeout);
        let server_pings = style == Style::ServerPings;
        Self {
            style,
            interval,
            timeout,
            ping_at: server_pings.then(|| now + interval),
            expires_at: (!server_pings).then(|| now + interval + timeout),
            put_off: false,
        }
    }

    /// A packet has come, whatever it is.
    pub(super) fn received(&mut self, now: Instant, kind: Kind) {
        match self.style {
            Style::ServerPings => {
                if kind != Kind::Pong && self.expires_at.is_some() && !self.put_off {
                    self.expires_at = Some(now + self.timeout);
                    self.put_off = true;
                }
            }
            Style::PingsCount => {
                // After an upgrade the current server no longer watches.
                if kind == Kind::Ping && self.expires_at.is_some() {
                    self.expires_at = Some(now + self.interval + self.timeout);
                }
            }
            Style::EverythingCounts => {
                self.expires_at = Some(now + self.interval + self.timeout);
            }
        }
    }

    /// Takes a pong; says whether one was due.
    pub(super) fn takes_pong(&mut self, now: Instant) -> bool {
        if self.style != Style::ServerPings {
            return false;
        }
        let asked = self.ping_at.is_none();
        self.expires_at = None;
        self.ping_at = Some(now + self.interval);
        asked
    }

    /// Whether a pong ends the session.
    pub(super) fn is_fatal_pong(&self) -> bool {
        self.style == Style::PingsCount
    }

    /// The reference servers stop watching until the next sign of life.
    pub(super) fn upgraded(&mut self) {
        self.expires_at = None;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.ping_at, self.expires_at].into_iter().flatten().min()
    }

    /// Whether the server is to ping now; says so once.
    pub(super) fn is_ping_due(&mut self, now: Instant) -> bool {
        let due = self.ping_at.is_some_and(|at| at <= now);
        if due {
            self.ping_at = None;
            self.expires_at = Some(now + self.timeout);
            self.put_off = false;
        }
        due
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
