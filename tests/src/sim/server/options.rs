//! How a model server is set up.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::api::{Revision, TransportName};

/// The server's settings; the defaults are those of the reference servers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which server this is: [`Revision::V3`] is socket.io 2.5, [`Revision::V4`] is socket.io 4.8.
    pub revision: Revision,
    /// Whether a server of the current revision speaks the old one, too. Default: no.
    pub allow_eio3: bool,
    /// Whether there is Socket.IO on it. Otherwise this is a bare Engine.IO server, whose messages are the
    /// application's. Default: yes.
    pub socket_io: bool,
    /// The path, with its slash at the end. Default: `/socket.io/`.
    pub path: String,
    /// The time from the opening or a pong to the next ping. Default: 25 s.
    pub ping_interval: Duration,
    /// The time within which a ping must be answered. Default: 20 s.
    pub ping_timeout: Duration,
    /// The time within which an upgrade must be complete. Default: 10 s.
    pub upgrade_timeout: Duration,
    /// The time within which the first namespace must be joined. Default: 45 s.
    pub connect_timeout: Duration,
    /// The most bytes that a POST or a WebSocket message may have. Default: 1,000,000.
    pub max_payload: usize,
    /// Whether the handshake tells it; the old server never does. Default: yes.
    pub announce_max_payload: bool,
    /// Whether an upgrade is offered. Default: yes.
    pub upgrades: bool,
    /// Which transports there are. Default: both.
    pub transports: Vec<TransportName>,
    /// Everybody is turned away with this message; an empty one is the server's own. Default: nobody is.
    pub forbid: Option<String>,
    /// For how long a lost connection can be recovered, current server only. Default: not at all.
    pub recovery: Option<Duration>,
    /// Which namespaces there are. Default: the root, open to all.
    pub namespaces: BTreeMap<String, Namespace>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            revision: Revision::V4,
            allow_eio3: false,
            socket_io: true,
            path: "/socket.io/".to_owned(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            max_payload: 1_000_000,
            announce_max_payload: true,
            upgrades: true,
            transports: vec![TransportName::Polling, TransportName::WebSocket],
            forbid: None,
            recovery: None,
            namespaces: BTreeMap::from([("/".to_owned(), Namespace::default())]),
        }
    }
}

impl Options {
    /// The defaults of socket.io 4.8.
    #[must_use]
    pub fn current() -> Self {
        Self::default()
    }

    /// The defaults of socket.io 4.8 with `allowEIO3`.
    #[must_use]
    pub fn compatible() -> Self {
        Self {
            allow_eio3: true,
            ..Self::default()
        }
    }

    /// The defaults of socket.io 2.5.
    #[must_use]
    pub fn old() -> Self {
        Self {
            revision: Revision::V3,
            announce_max_payload: false,
            ..Self::default()
        }
    }

    /// The same with one more namespace, or another one in the place of the one of that name.
    #[must_use]
    pub fn namespace(mut self, name: &str, namespace: Namespace) -> Self {
        self.namespaces.insert(name.to_owned(), namespace);
        self
    }
}

/// How a namespace lets people in; the default is at once, and everybody.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Who may join.
    pub access: Access,
    /// How long its middleware takes. `None` with [`Access::Open`] means that it has none, which the old server's root shows.
    pub delay: Option<Duration>,
}

impl Namespace {
    /// Lets everybody in.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// Refuses everybody.
    #[must_use]
    pub fn refused(message: &str, data: Option<Value>) -> Self {
        Self::with(Access::Refused(Refusal::new(message, data)))
    }

    /// Refuses whoever shows `token` with this value, in the CONNECT payload or in the query.
    #[must_use]
    pub fn refused_to(token: &str, message: &str, data: Option<Value>) -> Self {
        let refusal = Refusal::new(message, data);
        Self::with(Access::RefusedTo(token.to_owned(), refusal))
    }

    /// Never answers.
    #[must_use]
    pub fn never() -> Self {
        Self::with(Access::Never)
    }

    /// The same, after `delay`.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    fn with(access: Access) -> Self {
        Self {
            access,
            delay: None,
        }
    }

    /// Whether nothing stands between a client and this namespace.
    pub(super) fn has_middleware(&self) -> bool {
        self.delay.is_some() || !matches!(self.access, Access::Open)
    }
}

/// Who may join a namespace.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Everybody.
    #[default]
    Open,
    /// Nobody.
    Refused(Refusal),
    /// Everybody but who shows this `token`.
    RefusedTo(String, Refusal),
    /// Nobody is told.
    Never,
}

/// What somebody who is refused is told.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The error's message.
    pub message: String,
    /// The error's data.
    pub data: Option<Value>,
}

impl Refusal {
    fn new(message: &str, data: Option<Value>) -> Self {
        Self {
            message: message.to_owned(),
            data,
        }
    }
}
