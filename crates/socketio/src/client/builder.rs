//! How a connection is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::client::Http;
use engineio::{Transport, Version};
use http::HeaderMap;
use serde::Serialize;
use socketio_codec::{Namespace, Parser, Query};
use tokio::runtime::Handle;
use tracing::Instrument as _;

use super::channel;
use super::dialer::Dialer;
use super::driver::Driver;
use super::events::Events;
use super::joining::{AuthSource, Joining};
use super::membership::{Membership, Outcome, Shared};
use super::provider::{self, AnyError, Attempt, Dial, Provider};
use super::socket::Socket;
use crate::error::ConnectError;
use crate::limits::Limits;
use crate::overflow::Overflow;
use crate::reconnection::Reconnection;
use crate::retries::Retries;
use crate::session::{Config, Offline, Session};
use crate::url::Target;

/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(20);

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
    trailing_slash: bool,
    query: Option<String>,
    query_pairs: Vec<(String, String)>,
    headers: HeaderMap,
    provider: Option<Provider<Dial>>,
    patience: Duration,
    engine: engineio::Config,
    session: Config,
    first: Joining,
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
            trailing_slash: true,
            query: None,
            query_pairs: Vec::new(),
            headers: HeaderMap::new(),
            provider: None,
            patience: PATIENCE,
            engine: engineio::Config::default(),
            session: Config::default(),
            first: Joining::default(),
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

    /// Whether a slash is added to a path that does not end in one. Default: yes; servers with `addTrailingSlash: false`
    /// want none.
    #[must_use]
    pub fn trailing_slash(mut self, add: bool) -> Self {
        self.trailing_slash = add;
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

    /// Parameters behind those of the engine query. Names and values are percent-encoded, so that the server reads
    /// exactly them. Further calls add further parameters.
    #[must_use]
    pub fn query_pairs<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = pairs.into_iter();
        self.query_pairs
            .extend(pairs.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The auth payload of the namespace's CONNECT, an object. It is sent again with each reconnection. Revision 4 of
    /// Socket.IO has none: see [`ConnectError::AuthUnsupported`].
    #[must_use]
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        self.first.auth = AuthSource::fixed(&auth);
        self
    }

    /// Asks for the auth payload each time that the namespace is to be joined: for tokens that expire.
    ///
    /// The provider runs in a task of its own. If it fails, does not answer within
    /// [`provider_timeout`](Self::provider_timeout) or panics, the namespace is not joined, and
    /// [`ConnectError::Provider`] tells; that is retried, once the first attempt has succeeded.
    ///
    /// ```no_run
    /// # async fn fetch_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn run() -> Result<(), socketio::ConnectError> {
    /// let (socket, events) = socketio::Builder::new("https://example.com/")
    ///     .auth_provider(|_attempt| async {
    ///         let token = fetch_token().await?;
    ///         Ok::<_, std::io::Error>(std::collections::HashMap::from([("token", token)]))
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
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
        self.first.auth = AuthSource::Asked(Provider::new(provide, provider::auth));
        self
    }

    /// Asks, before each attempt to connect, for what is to be used in it: URL, query and headers. What the provider
    /// does not give is as the other settings say. It is treated as [`auth_provider`](Self::auth_provider) says.
    ///
    /// ```no_run
    /// use http::{HeaderValue, header::AUTHORIZATION};
    /// use socketio::{Builder, Dial};
    ///
    /// # async fn fetch_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn run() -> Result<(), socketio::ConnectError> {
    /// type Error = Box<dyn std::error::Error + Send + Sync>;
    /// let (socket, events) = Builder::new("https://example.com/")
    ///     .provider(|_attempt| async {
    ///         let bearer = format!("Bearer {}", fetch_token().await?);
    ///         Ok::<_, Error>(Dial::new().header(AUTHORIZATION, HeaderValue::try_from(bearer)?))
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn provider<A, E>(mut self, provide: impl Fn(Attempt) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Result<Dial, E>> + Send + 'static,
        E: Into<AnyError>,
    {
        self.provider = Some(Provider::new(provide, Ok));
        self
    }

    /// How long a provider may take. Default: 20 s.
    #[must_use]
    pub fn provider_timeout(mut self, timeout: Duration) -> Self {
        self.patience = timeout;
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

    /// How many events may wait in [`Events`] before [`overflow`](Self::overflow) says what happens; at least 1.
    /// Default: 1024. The same happens at [`Limits::max_queued_bytes`]. The
    /// connection itself holds, beyond that, what it had received when it stopped: at most one polling response, 32
    /// messages of a WebSocket, or the events that came before the answer to CONNECT.
    #[must_use]
    pub fn event_queue(mut self, items: usize) -> Self {
        self.first.event_queue = items;
        self
    }

    /// What happens when nobody reads the events. Default: the connection stops reading.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.first.overflow = overflow;
        self
    }

    /// What becomes of events that are emitted while their namespace is not connected. Default: they wait for it.
    #[must_use]
    pub fn offline(mut self, offline: Offline) -> Self {
        self.session.offline = offline;
        self
    }

    /// Sends events again until the server acknowledges them, one at a time and in order: at least once instead of at
    /// most once. Volatile events are not. Default: no.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.first.join.retries = Some(retries);
        self
    }

    /// Tells which events of this side are handed to the connection, as
    /// [`Event::Sent`](crate::event::Event::Sent): the counterpart, for what is sent, of the events that are received.
    /// They take their place in the queue like those, but nobody who emits waits for their being read. With
    /// [`Overflow::Backpressure`], while the queue is full, a limited number of them waits beside it
    /// ([`Limits::max_buffered_events`], [`Limits::max_buffered_bytes`]); further ones are only counted, by
    /// [`Event::SentMore`](crate::event::Event::SentMore). Default: no.
    #[must_use]
    pub fn report_sent(mut self, report: bool) -> Self {
        self.first.join.report_sent = report;
        self
    }

    /// The format of packets, which must be the server's: JSON, the default,
    #[cfg_attr(feature = "msgpack", doc = "[MessagePack](Parser::msgpack),")]
    #[cfg_attr(not(feature = "msgpack"), doc = "MessagePack (feature `msgpack`),")]
    /// or [one's own](crate::codec::CustomParser).
    #[must_use]
    pub fn parser(mut self, parser: Parser) -> Self {
        self.session.parser = parser;
        self
    }

    /// Whether a connection that ended up on WebSocket is replaced by one that begins there. Default: no. See
    /// [`session::Config::remember_upgrade`](crate::session::Config::remember_upgrade).
    #[must_use]
    pub fn remember_upgrade(mut self, remember: bool) -> Self {
        self.session.remember_upgrade = remember;
        self
    }

    /// Whether opening goes on with the next transport where one fails. Default: no. See
    /// [`engineio::Config::try_all_transports`].
    #[must_use]
    pub fn try_all_transports(mut self, try_all: bool) -> Self {
        self.engine.try_all_transports = try_all;
        self
    }

    /// Whether a connection that opens by polling is upgraded to WebSocket. Default: yes.
    #[must_use]
    pub fn upgrade(mut self, upgrade: bool) -> Self {
        self.engine.upgrade = upgrade;
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
    /// The first failure is returned, and not retried, unless
    /// [`retry_on_initial_connect`](Reconnection::retry_on_initial_connect) says so: then the failures so far are the
    /// first items of the `Events`. Dropping the future gives up.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn connect(self) -> Result<(Socket, Events), ConnectError> {
        Membership::joined(self.start()?).await
    }

    /// Connects as [`connect`](Self::connect) does, but does not wait for it: what becomes of it is told by the
    /// `Events`, and what is emitted meanwhile waits. The first failure is the last event, unless
    /// [`retry_on_initial_connect`](Reconnection::retry_on_initial_connect) says that it is retried.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]: settings that cannot be used.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn connect_in_background(self) -> Result<(Socket, Events), ConnectError> {
        let (socket, events, _outcome) = self.start()?;
        Ok((socket, events))
    }

    fn start(mut self) -> Result<(Socket, Events, Outcome), ConnectError> {
        let target = self.target()?;
        let endpoint = target.endpoint();
        let query = endpoint.query().map(Query::try_from).transpose()?;
        let settings = self.first.settings(query)?;
        let http = self.http.map_or_else(Http::new, Ok)?;
        let span = tracing::debug_span!("socketio", host = endpoint.host(), port = endpoint.port());
        let (control, control_end) = channel::unbounded();
        self.session.version = self.engine.version;
        self.session.force_base64 = self.engine.force_base64;
        let shared = Arc::new(Shared::new(Handle::current(), &self.session));
        let namespace = target.namespace().clone();
        let dialer = Dialer {
            http,
            target,
            config: self.engine,
            headers: (!self.headers.is_empty()).then(|| Arc::new(self.headers)),
            provider: self.provider,
        };
        let session = Session::new(self.session, fastrand::u64(..));
        let driver = Driver::new(session, dialer, self.patience, control_end, shared.clone());
        tokio::spawn(driver.instrument(span));
        Membership::join(&control, shared, namespace, settings)
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
            target = match self.trailing_slash {
                true => target.with_path(path)?,
                false => target.with_exact_path(path)?,
            };
        } else if !self.trailing_slash {
            let path = target.endpoint().path().trim_end_matches('/').to_owned();
            target = target.with_exact_path(&path)?;
        }
        if let Some(query) = &self.query {
            target = target.with_query(query)?;
        }
        let pairs = self.query_pairs.iter();
        target = target.with_query_pairs(pairs.map(|(name, value)| (name, value)))?;
        Ok(target)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // URL, query, auth and headers hold credentials.
        f.debug_struct("Builder")
            .field("engine", &self.engine)
            .field("session", &self.session)
            .field("event_queue", &self.first.event_queue)
            .finish_non_exhaustive()
    }
}
