//! How a connection is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::client::Http;
use engineio::{Transport, Version};
use http::HeaderMap;
use serde::Serialize;
use socketio_codec::{EncodeError, Json, Namespace, Query};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::driver::{Dialer, Driver};
use super::events::Events;
use super::membership::{Membership, Shared};
use super::socket::Socket;
use crate::error::ConnectError;
use crate::limits::Limits;
use crate::reconnection::Reconnection;
use crate::session::{Config, Session};
use crate::url::Target;

/// How many events wait for their reader before the connection stops reading.
const EVENT_QUEUE: usize = 1024;

type Auth = Option<Result<Json, EncodeError>>;

/// Settings of a connection and of its first namespace.
///
/// ```no_run
/// use std::time::Duration;
/// use socketio::{Builder, Reconnection, Transport};
///
/// # async fn run() -> Result<(), socketio::ConnectError> {
/// let mut reconnection = Reconnection::default();
/// reconnection.max_delay = Duration::from_secs(60);
/// let (socket, events) = Builder::new("https://example.com/chat")
///     .auth([("token", "abc")].into_iter().collect::<std::collections::HashMap<_, _>>())
///     .transports([Transport::WebSocket])
///     .reconnection(reconnection)
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Builder {
    server: Server,
    namespace: Option<String>,
    path: Option<String>,
    query: Option<String>,
    auth: Auth,
    headers: HeaderMap,
    engine: engineio::Config,
    session: Config,
    event_queue: usize,
    http: Option<Http>,
}

#[derive(Clone)]
enum Server {
    Url(String),
    Target(Target),
}

impl Builder {
    /// Connects to the server and namespace of this URL, read as the reference client's `io(url)` does; see
    /// [`Target`]. A URL that cannot be used is reported by [`connect`](Self::connect).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self::with_server(Server::Url(url.into()))
    }

    /// Connects to this server and namespace.
    #[must_use]
    pub fn to(target: Target) -> Self {
        Self::with_server(Server::Target(target))
    }

    fn with_server(server: Server) -> Self {
        Self {
            server,
            namespace: None,
            path: None,
            query: None,
            auth: None,
            headers: HeaderMap::new(),
            engine: engineio::Config::default(),
            session: Config::default(),
            event_queue: EVENT_QUEUE,
            http: None,
        }
    }

    /// The namespace, such as `/chat`, instead of the URL's path.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The HTTP path. Default: `/socket.io/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The engine query without its `?`, instead of the URL's: opaque, its bytes are sent as they are. (In the
    /// reference client the URL's query silently replaces this one.)
    ///
    /// With revision 4 of Socket.IO it is also sent in the CONNECT of the first namespace, unless that is `/`.
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// The auth payload of the namespace's CONNECT, an object. It is sent again with each reconnection. Revision 4 of
    /// Socket.IO has none: see [`ConnectError::AuthUnsupported`].
    #[must_use]
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        self.auth = Some(Json::from_serialize(&auth));
        self
    }

    /// The revision of the protocol: [`Version::V4`], the default, for servers socket.io 3.x and 4.x, whose Socket.IO
    /// revision is 5; [`Version::V3`] for 2.x, whose Socket.IO revision is 4, and 4.x with `allowEIO3`;
    /// [`Version::Auto`] to find it out, which costs one more attempt with servers of 2.x, and the first time only: see
    /// [`session::Config::version`](crate::session::Config::version).
    ///
    /// It is the [`version`](engineio::Config::version) of [`engine_config`](Self::engine_config).
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.engine.version = version;
        self
    }

    /// Headers for every request of the connection, the WebSocket handshake included.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// The transports that may be used: the first one opens the connection, the others are upgrade targets. Default:
    /// polling, then WebSocket.
    #[must_use]
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.engine.transports = transports.into_iter().collect();
        self
    }

    /// All settings of the Engine.IO connection, [`transports`](Self::transports) and [`version`](Self::version) among
    /// them.
    #[must_use]
    pub fn engine_config(mut self, config: engineio::Config) -> Self {
        self.engine = config;
        self
    }

    /// What the server and this side's callers may make the connection hold.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.session.limits = limits;
        self
    }

    /// How a lost connection is replaced.
    #[must_use]
    pub fn reconnection(mut self, reconnection: Reconnection) -> Self {
        self.session.reconnection = reconnection;
        self
    }

    /// How long the server may take to answer the CONNECT of a namespace. Default: 20 s. What comes before, the
    /// network and the Engine.IO handshake, has
    /// [`handshake_timeout`](engineio::Config::handshake_timeout).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.session.connect_timeout = timeout;
        self
    }

    /// How many events may wait in [`Events`] before the connection stops reading; at least 1. Default: 1024. It also
    /// stops at [`Limits::max_queued_bytes`]. The
    /// connection itself holds, beyond that, what it had received when it stopped: at most one polling response, or
    /// the events that came before the answer to CONNECT.
    #[must_use]
    pub fn event_queue(mut self, items: usize) -> Self {
        self.event_queue = items;
        self
    }

    /// The HTTP stack to use, with its certificates and proxy. Default: a new one with the defaults, which takes
    /// milliseconds to set up and memory to keep: share one between many connections.
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.http = Some(http);
        self
    }

    /// Connects and joins the namespace, by a task of its own on the current runtime. From then on the connection
    /// restores itself as [`reconnection`](Self::reconnection) says, until the namespace is left.
    ///
    /// The first failure is returned, and not retried. Dropping the future gives up.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn connect(mut self) -> Result<(Socket, Events), ConnectError> {
        let (endpoint, namespace) = self.target()?.into_parts();
        let auth = self.auth.transpose().map_err(ConnectError::Auth)?;
        let query = endpoint.query().map(Query::try_from).transpose()?;
        let http = self.http.map_or_else(Http::new, Ok)?;
        let span = tracing::debug_span!("socketio", host = endpoint.host(), port = endpoint.port());
        let (control, control_end) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(Handle::current(), &self.session.limits));
        let dialer = Dialer {
            http,
            endpoint,
            config: self.engine,
            headers: self.headers,
        };
        self.session.version = dialer.config.version;
        let session = Session::new(self.session, fastrand::u64(..));
        let driver = Driver::new(session, dialer, control_end, shared.clone());
        tokio::spawn(driver.run().instrument(span));
        Membership::join(control, shared, namespace, auth, query, self.event_queue).await
    }

    fn target(&self) -> Result<Target, ConnectError> {
        let mut target = match &self.server {
            Server::Url(url) => Target::parse(url)?,
            Server::Target(target) => target.clone(),
        };
        if let Some(namespace) = &self.namespace {
            target = target.with_namespace(Namespace::try_from(namespace.as_str())?);
        }
        if let Some(path) = &self.path {
            target = target.with_path(path)?;
        }
        if let Some(query) = &self.query {
            target = target.with_query(query)?;
        }
        Ok(target)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URL, query, auth and headers hold credentials.
        f.debug_struct("Builder")
            .field("engine", &self.engine)
            .field("session", &self.session)
            .field("event_queue", &self.event_queue)
            .finish_non_exhaustive()
    }
}

/// Settings of one more namespace on an existing connection.
#[derive(Clone)]
pub struct NamespaceBuilder {
    membership: Arc<Membership>,
    namespace: String,
    auth: Auth,
    query: Option<String>,
    event_queue: usize,
}

impl NamespaceBuilder {
    pub(super) fn new(membership: Arc<Membership>, namespace: &str) -> Self {
        Self {
            membership,
            namespace: namespace.to_owned(),
            auth: None,
            query: None,
            event_queue: EVENT_QUEUE,
        }
    }

    /// The auth payload of the namespace's CONNECT, an object. It is sent again with each reconnection. Revision 4 of
    /// Socket.IO has none: see [`query`](Self::query).
    #[must_use]
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        self.auth = Some(Json::from_serialize(&auth));
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

    /// As [`Builder::event_queue`]. A full queue stops the reading of the whole connection.
    #[must_use]
    pub fn event_queue(mut self, items: usize) -> Self {
        self.event_queue = items;
        self
    }

    /// Joins the namespace. If the connection is down, it waits for the next attempt; if it was closed behind its last
    /// namespace, it is opened anew. The first failure is returned, and not retried.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; [`ConnectError::NamespaceInUse`] if the connection has the namespace already.
    pub async fn connect(self) -> Result<(Socket, Events), ConnectError> {
        let namespace = Namespace::try_from(self.namespace)?;
        let auth = self.auth.transpose().map_err(ConnectError::Auth)?;
        let query = self.query.as_deref().map(Query::try_from).transpose()?;
        let (control, shared) = (
            self.membership.control.clone(),
            self.membership.shared.clone(),
        );
        Membership::join(control, shared, namespace, auth, query, self.event_queue).await
    }
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
