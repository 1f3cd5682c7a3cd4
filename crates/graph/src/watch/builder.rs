//! How a watch is set up and started.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::client::Http;

use crate::EngineIo;
use crate::cloud::{ApiVersion, Cloud, PlainHttp};
use crate::connection::{ConnectOptions, TransportMode};
use crate::notification_url::{NotificationUrl, Recipe};
use crate::resource::Resource;
use crate::subscription::SubscriptionRequest;
use crate::token::TokenProvider;
use crate::watch::client::{Driver, Fetcher};
use crate::watch::config::WatchConfig;
use crate::watch::event::WatchError;
use crate::watch::{End, Shared, Watch, machine};

/// Settings of a watch, made by [`Watch::builder`] or [`Watch::for_url`].
#[derive(Clone, Debug)]
pub struct WatchBuilder<S> {
    source: S,
    http: Option<Http>,
    connect_options: ConnectOptions,
    config: WatchConfig,
}

/// The source of a [`Watch::builder`]: a request to Graph for each connection.
#[derive(Clone)]
pub struct FromResource {
    request: SubscriptionRequest,
    token: Option<Arc<dyn TokenProvider>>,
}

/// The source of a [`Watch::for_url`]: always the same URL.
#[derive(Clone, Debug)]
pub struct FromUrl(NotificationUrl);

/// Either source.
#[derive(Clone, Debug)]
pub struct WatchSource(Source);

#[derive(Clone, Debug)]
enum Source {
    Resource(FromResource),
    Url(FromUrl),
}

impl FromResource {
    pub(super) fn new(resource: Resource) -> Self {
        Self {
            request: SubscriptionRequest::new(resource),
            token: None,
        }
    }
}

impl fmt::Debug for FromResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromResource")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

impl FromUrl {
    pub(super) fn new(url: NotificationUrl) -> Self {
        Self(url)
    }
}

impl From<FromResource> for WatchSource {
    fn from(source: FromResource) -> Self {
        Self(Source::Resource(source))
    }
}

impl From<FromUrl> for WatchSource {
    fn from(source: FromUrl) -> Self {
        Self(Source::Url(source))
    }
}

impl WatchBuilder<FromResource> {
    /// Who provides access tokens. There is no default.
    #[must_use]
    pub fn token(mut self, provider: impl TokenProvider) -> Self {
        self.source.token = Some(Arc::new(provider));
        self
    }

    /// Where Graph is. Default [`Cloud::Global`].
    #[must_use]
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.source.request.cloud = cloud;
        self
    }

    /// Default [`ApiVersion::V1`].
    #[must_use]
    pub fn version(mut self, version: ApiVersion) -> Self {
        self.source.request.version = version;
        self
    }

    /// How to read the `notificationUrl` that Graph answers with. Default [`Recipe::Auto`].
    #[must_use]
    pub fn recipe(mut self, recipe: Recipe) -> Self {
        self.source.request.url_options.recipe = recipe;
        self
    }

    /// Accepts a `notificationUrl` with `http`, if its host is a loopback host.
    ///
    /// For the Graph request, a base URL with `http` says the same for itself; see
    /// [`BaseUrl::parse`](crate::BaseUrl::parse).
    #[must_use]
    pub fn allow_http_on_loopback(mut self) -> Self {
        self.source.request.url_options.plain_http = PlainHttp::OnLoopback;
        self
    }

    /// The longest that one request to Graph may take. Default 30 seconds.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.source.request.timeout = timeout;
        self
    }

    /// The longest answer of Graph that is read, in bytes. Default 1 MiB.
    #[must_use]
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.source.request.max_answer_bytes = bytes;
        self
    }
}

impl<S: Into<WatchSource>> WatchBuilder<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            http: None,
            connect_options: ConnectOptions::default(),
            config: WatchConfig::default(),
        }
    }

    /// The HTTP stack for the Graph request and for the connections: proxy, certificates and so
    /// on. Default: a new one with its defaults.
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.http = Some(http);
        self
    }

    /// How the connections use the transports. Default [`TransportMode::WebSocket`].
    #[must_use]
    pub fn transport(mut self, transport: TransportMode) -> Self {
        self.connect_options.transport = transport;
        self
    }

    /// The protocol revision of the connections. Default [`EngineIo::V4`].
    #[must_use]
    pub fn engine_io(mut self, version: EngineIo) -> Self {
        self.connect_options.engine_io = version;
        self
    }

    /// All the settings of the connections.
    #[must_use]
    pub fn connect_options(mut self, options: ConnectOptions) -> Self {
        self.connect_options = options;
        self
    }

    /// Renewal, backoff, precautions and limits.
    #[must_use]
    pub fn config(mut self, config: WatchConfig) -> Self {
        self.config = config;
        self
    }

    /// Starts the watch and waits until there is coverage. What may pass is tried again, without
    /// end unless [`WatchConfig::backoff`] limits the attempts.
    ///
    /// The first event of the watch is
    /// [`Resync(Started)`](crate::ResyncReason::Started).
    ///
    /// # Errors
    ///
    /// The error that ended the watch.
    pub async fn connect(self) -> Result<Watch, WatchError> {
        let mut watch = self.start();
        watch.covered().await?;
        Ok(watch)
    }

    /// Starts the watch. Failures before the first coverage show up in the stream, as
    /// [`WatchEvent::Down`](crate::WatchEvent::Down) or as the error that ends it.
    ///
    /// It needs a running tokio runtime; without one the stream is an error.
    #[must_use]
    pub fn start(self) -> Watch {
        let shared = Shared::new(&self.config);
        let task = match self.driver(&shared) {
            Ok((runtime, driver)) => Some(runtime.spawn(driver.run()).abort_handle()),
            Err(error) => {
                shared.end(End::Failed(error));
                None
            }
        };
        Watch { shared, task }
    }

    fn driver(self, shared: &Arc<Shared>) -> Result<(tokio::runtime::Handle, Driver), WatchError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| WatchError::Stopped)?;
        let http = match self.http {
            Some(http) => http,
            None => Http::new().map_err(|error| WatchError::Http(error.to_string()))?,
        };
        let mut connect_options = self.connect_options;
        connect_options.http = Some(http.clone());
        let (source, fetcher) = match self.source.into().0 {
            Source::Url(FromUrl(url)) => (machine::Source::Fixed(url), None),
            Source::Resource(FromResource { request, token }) => {
                request.url()?;
                let fetcher = Fetcher {
                    provider: token.ok_or(WatchError::NoToken)?,
                    token_timeout: self.config.token_timeout,
                    request,
                    http,
                };
                (machine::Source::Graph, Some(Arc::new(fetcher)))
            }
        };
        let driver = Driver::new(
            self.config,
            source,
            fetcher,
            connect_options,
            shared.clone(),
        );
        Ok((runtime, driver))
    }
}
