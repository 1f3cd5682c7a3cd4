//! The protocol revisions: everything in which a session differs between them, and how it finds out which one a server
//! speaks.

use std::time::{Duration, Instant};

use engineio::{CloseReason, ErrorCode, Handshake, ProtocolError, Sid, Transport, Version};
use serde::Deserialize;
use serde_json::value::RawValue;
use socketio_codec::{Json, Namespace, Packet, Query, Revision};

use super::{Auth, joining, later};
use crate::error::ConnectError;

/// How long a session with [`Version::Auto`] waits, on a new WebSocket connection to an unknown server, before it sends
/// the first CONNECT: 300 ms.
///
/// A socket.io 2.x server joins `/` by itself and says so at once, which gives it away; and it must never get the
/// CONNECT of `/` that newer servers require, because that creates a second socket on it. Servers that announce a
/// `maxPayload`, as socket.io 4.x does, are not waited for, and neither is any server over polling: there the handshake
/// says enough.
pub const AUTO_GRACE: Duration = Duration::from_millis(300);

/// What a session knows about the revision of its server, from one link to the next.
#[derive(Debug)]
pub(super) struct Finding {
    configured: Version,
    /// With [`Version::Auto`]: what the server was seen to speak.
    found: Option<Version>,
    /// Whether the revision was changed without delay since the last success or failure. A server that contradicts
    /// itself is not changed for again and again.
    changed: bool,
}

/// What is spoken on one link.
#[derive(Debug)]
pub(super) enum Protocol {
    /// Revision 5: every namespace is asked for.
    R5(Doubt),
    /// Revision 4: `/` is joined by the server, and before the others.
    R4 { sid: Sid, root: Root },
}

/// Whether the server may be one of revision 4 after all.
#[derive(Debug)]
pub(super) enum Doubt {
    None,
    /// It has until then to give itself away.
    Grace {
        until: Instant,
    },
    /// CONNECT was sent, and the answer will tell.
    Watching,
}

impl Doubt {
    fn grace(now: Instant) -> Self {
        let until = later(now, AUTO_GRACE);
        Self::Grace { until }
    }
}

/// How `/` stands on a link of revision 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Awaited,
    Joined,
    /// One side has left it. Asking for it again makes a new socket on the server, but there is no answer.
    Left,
}

/// What is to be done for a namespace that is not joined.
#[derive(Debug)]
pub(super) enum Admission {
    /// Ask for it.
    Connect,
    /// Wait for the server to join it by itself.
    Expect,
    /// It is joined already.
    Present,
    /// Ask for it when `/` is joined.
    Queue,
    /// Ask for it when the doubt is over.
    Hold,
    /// It cannot be joined.
    Refuse(ConnectError),
}

/// What a packet says about the link as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    None,
    /// The server has joined `/` by itself.
    RootJoined,
    /// It has refused to, and with it everything else.
    RootRefused,
    /// The server speaks that revision, and not the one of the link.
    Other(Version),
}

impl Finding {
    pub(super) fn new(configured: Version) -> Self {
        Self {
            configured,
            found: None,
            changed: false,
        }
    }

    /// What the next link is to be opened with.
    pub(super) fn version(&self) -> Version {
        match self.found {
            Some(found) if self.configured == Version::Auto => found,
            _ => self.configured,
        }
    }

    /// Whether no link of this session can carry an auth payload.
    pub(super) fn excludes_auth(&self) -> bool {
        self.configured == Version::V3
    }

    /// What is spoken on a link that was opened like this.
    pub(super) fn opened(
        &mut self,
        now: Instant,
        version: Version,
        transport: Transport,
        handshake: &Handshake,
    ) -> Protocol {
        if version == Version::V3 {
            self.found = Some(Version::V3);
            return Protocol::R4 {
                sid: handshake.sid.clone(),
                root: Root::Awaited,
            };
        }
        // Over polling the two differ in their payloads; and no server of revision 4 alone announces `maxPayload`.
        let certain = transport != Transport::WebSocket || handshake.max_payload.is_some();
        let doubt = if certain || self.configured != Version::Auto {
            Doubt::None
        } else if self.found == Some(Version::V4) {
            Doubt::Watching
        } else {
            Doubt::grace(now)
        };
        if certain {
            self.found = Some(Version::V4);
        }
        Protocol::R5(doubt)
    }

    /// Whether an attempt that ended like this may be made at once with the other revision, of which the answer speaks.
    pub(super) fn try_other(&mut self, answer: &CloseReason) -> bool {
        let other = match answer {
            CloseReason::Protocol(ProtocolError::OtherVersion(other)) => *other,
            CloseReason::Refused(refusal)
                if refusal.code == Some(ErrorCode::UnsupportedVersion) =>
            {
                Version::V4
            }
            _ => return false,
        };
        // What was not found out yet, the engine tries by itself.
        self.found.is_some_and(|found| found != other) && self.change(other)
    }

    /// Whether the next attempt may be made with this revision at once.
    pub(super) fn change(&mut self, to: Version) -> bool {
        let allowed = self.configured == Version::Auto && !self.changed;
        self.found = allowed.then_some(to);
        self.changed = allowed;
        allowed
    }

    /// A namespace was joined; the id is the one in the answer.
    pub(super) fn joined(&mut self, protocol: &mut Protocol, id: Option<&str>) {
        self.changed = false;
        if let Protocol::R5(doubt) = protocol {
            *doubt = Doubt::None;
            if id.is_some() {
                self.found = Some(Version::V4);
            }
        }
    }

    /// An attempt has failed, or a link was lost.
    pub(super) fn lost(&mut self) {
        self.changed = false;
    }
}

impl Protocol {
    /// The revision of Engine.IO below.
    pub(super) fn version(&self) -> Version {
        match self {
            Self::R5(_) => Version::V4,
            Self::R4 { .. } => Version::V3,
        }
    }

    pub(super) fn revision(&self) -> Revision {
        match self {
            Self::R4 { .. } => Revision::R4,
            Self::R5(_) => Revision::R5,
        }
    }

    /// When the doubt is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::R5(Doubt::Grace { until }) => Some(*until),
            _ => None,
        }
    }

    /// Ends the grace if it is time. The server may still give itself away by its answer.
    pub(super) fn end_grace(&mut self, now: Instant) -> bool {
        let due = self.deadline().is_some_and(|until| until <= now);
        if due {
            *self = Self::R5(Doubt::Watching);
        }
        due
    }

    /// A grace that is not over begins anew.
    pub(super) fn renew_grace(&mut self, now: Instant) {
        if let Self::R5(doubt @ Doubt::Grace { .. }) = self {
            *doubt = Doubt::grace(now);
        }
    }

    pub(super) fn admission(&self, namespace: &Namespace, auth: &Auth) -> Admission {
        match self {
            Self::R5(Doubt::Grace { .. }) => Admission::Hold,
            Self::R5(_) => Admission::Connect,
            Self::R4 { .. } if auth.is_some() => Admission::Refuse(ConnectError::AuthUnsupported),
            Self::R4 { root, .. } => match (root, namespace.is_root()) {
                (Root::Awaited, true) => Admission::Expect,
                (Root::Joined, true) => Admission::Present,
                (Root::Left, true) => Admission::Refuse(ConnectError::RootLeft),
                // Servers lose the query of a CONNECT that comes before `/` is joined.
                (Root::Awaited, false) => Admission::Queue,
                (Root::Joined | Root::Left, false) => Admission::Connect,
            },
        }
    }

    /// The packet that asks for a namespace.
    pub(super) fn connect(
        &self,
        namespace: &Namespace,
        auth: Option<&Json>,
        query: Option<&Query>,
    ) -> Packet {
        let (query, payload) = match self {
            Self::R5(_) => (None, auth),
            Self::R4 { .. } => (query, None),
        };
        Packet::Connect {
            namespace: namespace.clone(),
            query: query.cloned(),
            payload: payload.cloned(),
        }
    }

    /// Whether the server joins this namespace only when it is asked to: then there is an answer to wait for.
    pub(super) fn asks_for(&self, namespace: &Namespace) -> bool {
        match self {
            Self::R5(_) => true,
            Self::R4 { .. } => !namespace.is_root(),
        }
    }

    /// Whether a packet can say anything about the link: only what concerns the root namespace as a whole does.
    pub(super) fn may_sign(packet: &Packet) -> bool {
        let kind = matches!(packet, Packet::Connect { .. } | Packet::ConnectError { .. });
        kind && packet.namespace().is_root()
    }

    /// Reads what such a packet says about the link. `root_asked`: whether a CONNECT for `/` of this side is not answered.
    pub(super) fn sign(&mut self, packet: &Packet, root_asked: bool) -> Sign {
        match (self, packet) {
            (Self::R5(Doubt::None), _) => Sign::None,
            (Self::R5(_), Packet::Connect { payload, .. }) => {
                match payload.as_ref().and_then(socket_id) {
                    Some(_) => Sign::None,
                    None => Sign::Other(Version::V3),
                }
            }
            (Self::R5(_), Packet::ConnectError { .. }) if !root_asked => Sign::Other(Version::V3),
            (Self::R4 { root, .. }, Packet::Connect { .. }) if *root == Root::Awaited => {
                *root = Root::Joined;
                Sign::RootJoined
            }
            (Self::R4 { root, .. }, Packet::ConnectError { .. }) if *root == Root::Awaited => {
                Sign::RootRefused
            }
            _ => Sign::None,
        }
    }

    /// The id that this client has in a namespace that was just joined. Revision 5 tells it, revision 4 computes it.
    pub(super) fn socket_id(
        &self,
        namespace: &Namespace,
        payload: Option<&Json>,
    ) -> Option<String> {
        match self {
            Self::R5(_) => payload.and_then(socket_id),
            Self::R4 { sid, .. } if namespace.is_root() => Some(sid.expose().to_owned()),
            Self::R4 { sid, .. } => Some(format!("{namespace}#{}", sid.expose())),
        }
    }

    /// What a packet of type 4 means for a namespace that is being joined.
    pub(super) fn refusal(&self, payload: Option<Json>) -> ConnectError {
        match self {
            Self::R5(_) => joining::refusal(payload),
            Self::R4 { .. } => refusal(payload),
        }
    }

    /// What a packet of type 4 means for a namespace that is joined, if it is an event.
    pub(super) fn error_event(&self, payload: Option<&Json>) -> Option<socketio_codec::Event> {
        match self {
            Self::R5(_) => None,
            Self::R4 { .. } => {
                let value = payload.and_then(|payload| payload.parse::<&RawValue>().ok());
                let event = match value {
                    Some(value) => socketio_codec::Event::new("error", value),
                    None => socketio_codec::Event::new("error", &()),
                };
                event.ok()
            }
        }
    }

    /// A namespace was left, by one side or the other.
    pub(super) fn left(&mut self, namespace: &Namespace) {
        if let Self::R4 { root, .. } = self
            && namespace.is_root()
        {
            *root = Root::Left;
        }
    }
}

/// The largest message that the server takes, as this crate counts messages. Those of revision 3 of the engine may be
/// longer: by the type of a binary message, and on polling by the length in front of each (ten digits and a colon).
pub(crate) fn capacity(version: Version, max_payload: Option<u64>) -> Option<u64> {
    const LONGER: u64 = 12;
    match version {
        Version::V3 => max_payload.map(|max| max.saturating_sub(LONGER)),
        _ => max_payload,
    }
}

/// The id in the server's CONNECT. It is not needed for anything.
fn socket_id(payload: &Json) -> Option<String> {
    #[derive(Deserialize)]
    struct Reply {
        sid: String,
    }
    Some(payload.parse::<Reply>().ok()?.sid)
}

/// What an ERROR of revision 4 says: its message as a string, or whatever data the server's middleware attached to it.
fn refusal(payload: Option<Json>) -> ConnectError {
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    let (message, data) = match payload {
        None => (String::new(), None),
        Some(payload) => match payload.parse::<String>() {
            Ok(message) => (message, None),
            Err(_) => {
                let told = payload.parse::<Told>().map(|told| told.message);
                (told.unwrap_or_default(), Some(payload.detach()))
            }
        },
    };
    ConnectError::Refused { message, data }
}
