//! How one namespace is joined, the first of a connection or another one.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use socketio_codec::{EncodeError, Json, Namespace, Query};

use super::events::Events;
use super::membership::{Membership, Outcome, Settings};
use super::provider::{self, AnyError, Attempt, Provider};
use super::socket::Socket;
use crate::error::ConnectError;
use crate::overflow::Overflow;
use crate::retries::Retries;
use crate::session;

/// How many events wait for their reader before something is done about it.
const EVENT_QUEUE: usize = 1024;

/// The settings of one namespace.
#[derive(Clone)]
pub(super) struct Joining {
    pub(super) auth: AuthSource,
    pub(super) join: session::Join,
    pub(super) event_queue: usize,
    pub(super) overflow: Overflow,
}

/// Where an auth payload comes from.
#[derive(Clone)]
pub(super) enum AuthSource {
    Nowhere,
    Fixed(Result<Json, EncodeError>),
    Asked(Provider<Option<Json>>),
}

impl AuthSource {
    pub(super) fn fixed(auth: &impl Serialize) -> Self {
        Self::Fixed(Json::from_serialize(auth))
    }
}

impl Joining {
    pub(super) fn settings(self, query: Option<Query>) -> Result<Settings, ConnectError> {
        let mut join = self.join;
        join.query = query;
        let mut auth = None;
        join.auth = match self.auth {
            AuthSource::Nowhere => session::Auth::None,
            AuthSource::Fixed(auth) => session::Auth::Fixed(auth.map_err(ConnectError::Auth)?),
            AuthSource::Asked(provider) => {
                auth = Some(provider);
                session::Auth::Asked
            }
        };
        Ok(Settings {
            join,
            auth,
            event_queue: self.event_queue,
            overflow: self.overflow,
        })
    }
}

impl Default for Joining {
    fn default() -> Self {
        Self {
            auth: AuthSource::Nowhere,
            join: session::Join::default(),
            event_queue: EVENT_QUEUE,
            overflow: Overflow::default(),
        }
    }
}

/// Settings of one more namespace on an existing connection.
#[derive(Clone)]
pub struct NamespaceBuilder {
    membership: Arc<Membership>,
    namespace: String,
    query: Option<String>,
    joining: Joining,
}

impl NamespaceBuilder {
    pub(super) fn new(membership: Arc<Membership>, namespace: &str) -> Self {
        Self {
            membership,
            namespace: namespace.to_owned(),
            query: None,
            joining: Joining::default(),
        }
    }

    /// The auth payload of the namespace's CONNECT, an object. It is sent again with each reconnection. Revision 4 of
    /// Socket.IO has none: see [`query`](Self::query).
    #[must_use]
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        self.joining.auth = AuthSource::fixed(&auth);
        self
    }

    /// As [`Builder::auth_provider`](crate::Builder::auth_provider).
    #[must_use]
    pub fn auth_provider<V, A, E>(
        mut self,
        provide: impl Fn(Attempt) -> A + Send + Sync + 'static,
    ) -> Self
    where
        V: Serialize + 'static,
        A: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<AnyError>,
    {
        self.joining.auth = AuthSource::Asked(Provider::new(provide, provider::auth));
        self
    }

    /// What the server is told with the namespace's CONNECT where revision 4 of Socket.IO is spoken, which has no auth
    /// payload: a query without its `?`, opaque, whose bytes are sent as they are, but commas as `%2C`. Servers of
    /// revision 5 do not get it.
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// As [`Builder::event_queue`](crate::Builder::event_queue). A full queue stops the reading of the whole connection.
    #[must_use]
    pub fn event_queue(mut self, items: usize) -> Self {
        self.joining.event_queue = items;
        self
    }

    /// As [`Builder::overflow`](crate::Builder::overflow).
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.joining.overflow = overflow;
        self
    }

    /// As [`Builder::retries`](crate::Builder::retries).
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.joining.join.retries = Some(retries);
        self
    }

    /// As [`Builder::report_sent`](crate::Builder::report_sent).
    #[must_use]
    pub fn report_sent(mut self, report: bool) -> Self {
        self.joining.join.report_sent = report;
        self
    }

    /// Joins the namespace. If the connection is down, it waits for the next attempt; if it was closed behind its last
    /// namespace, it is opened anew. The first failure is returned, and not retried, as
    /// [`Builder::connect`](crate::Builder::connect) says.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; [`ConnectError::NamespaceInUse`] if the connection has the namespace already.
    pub async fn connect(self) -> Result<(Socket, Events), ConnectError> {
        Membership::joined(self.start()?).await
    }

    /// As [`connect`](Self::connect), but without waiting for it; see [`Builder::connect_in_background`](crate::Builder::connect_in_background).
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]: settings that cannot be used.
    pub fn connect_in_background(self) -> Result<(Socket, Events), ConnectError> {
        let (socket, events, _outcome) = self.start()?;
        Ok((socket, events))
    }

    fn start(self) -> Result<(Socket, Events, Outcome), ConnectError> {
        let namespace = Namespace::try_from(self.namespace)?;
        let query = self.query.as_deref().map(Query::try_from).transpose()?;
        let settings = self.joining.settings(query)?;
        let Membership {
            control, shared, ..
        } = &*self.membership;
        Membership::join(control, shared.clone(), namespace, settings)
    }
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
