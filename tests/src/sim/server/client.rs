//! What Socket.IO knows about one Engine.IO session.

use std::collections::BTreeSet;
use std::time::Instant;

use super::api::{AckId, Revision, SessionId};
use super::message::{Decoder, Message};

/// The client at the other end of a session.
#[derive(Debug)]
pub(super) struct Client {
    /// The revision that the session speaks.
    pub(super) revision: Revision,
    pub(super) decoder: Decoder,
    /// In the order of joining.
    pub(super) members: Vec<Member>,
    /// Namespaces whose CONNECT is not answered yet.
    pub(super) joining: Vec<String>,
    /// Namespaces that wait for the root, on the old server.
    pub(super) behind_root: Vec<String>,
    /// Namespaces that the server has put the client out of.
    pub(super) put_out: BTreeSet<String>,
    /// When the session is closed unless a namespace is joined by then.
    pub(super) connect_by: Option<Instant>,
}

/// A Socket.IO socket: one client in one namespace.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) namespace: String,
    pub(super) id: String,
    /// By which it can be recovered.
    pub(super) private_id: Option<String>,
    /// Told apart from an earlier one in the same namespace.
    pub(super) number: u64,
    /// Acknowledgements that are still to come.
    pub(super) asked: BTreeSet<AckId>,
}

impl Client {
    pub(super) fn new(revision: Revision, server: Revision, connect_by: Option<Instant>) -> Self {
        Self {
            revision,
            decoder: Decoder::new(server),
            members: Vec::new(),
            joining: Vec::new(),
            behind_root: Vec::new(),
            put_out: BTreeSet::new(),
            connect_by,
        }
    }

    pub(super) fn member(&self, namespace: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.namespace == namespace)
    }

    pub(super) fn member_mut(&mut self, namespace: &str) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|member| member.namespace == namespace)
    }

    pub(super) fn remove(&mut self, namespace: &str) -> Option<Member> {
        let at = self
            .members
            .iter()
            .position(|member| member.namespace == namespace)?;
        Some(self.members.remove(at))
    }
}

/// A wish to join a namespace.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub(super) session: SessionId,
    pub(super) namespace: String,
    pub(super) auth: Option<serde_json::Value>,
    pub(super) query: Option<String>,
}

/// What the reference servers put off to the end of the turn in which something has come.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// Asks the namespace's middleware.
    Join(Joining),
    /// The middleware has decided.
    Decide(Joining),
    /// Gives a packet to the socket with this number.
    Deliver(SessionId, u64, Message),
}
