//! Settings of the HTTP stack.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::ClientBuilder;

use super::Http;
use super::explain::innermost;
use super::proxy::{Proxies, ProxyChoice};

/// Node's servers drop an idle connection after 5 s. A request that crosses with that on the way fails, and a failed
/// request ends a session, so idle connections are given up first.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Shorter than the time for a handshake (20 s), so that an error tells what it was that took so long, and long
/// enough for a lost packet or two on the way through a proxy and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longer than the heartbeat of the reference server (25 s): a connection with traffic is never probed.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// How often, and how many times, a silent peer is probed. Then the connection is dead.
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const TCP_KEEPALIVE_RETRIES: u32 = 3;
/// Ten years: the library adds it to the present, which no `Duration::MAX` allows.
const NO_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

type Customize = Arc<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>;

/// Builds an [`Http`].
///
/// Everything here holds for polling and WebSocket alike.
///
/// ```
/// use engineio::client::Http;
///
/// # fn main() -> Result<(), engineio::client::HttpError> {
/// let http = Http::builder()
///     .proxy("http://proxy.example:3128")?
///     .proxy_auth("user", "password")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpBuilder {
    roots: Vec<reqwest::Certificate>,
    system_certificates: bool,
    identity: Option<reqwest::Identity>,
    proxy: ProxyChoice,
    proxy_login: Option<(String, String)>,
    user_agent: Option<String>,
    connect_timeout: Option<Duration>,
    tcp_keepalive: Option<Duration>,
    local_address: Option<IpAddr>,
    resolved: Vec<(String, Vec<SocketAddr>)>,
    customize: Vec<Customize>,
}

impl Default for HttpBuilder {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            system_certificates: true,
            identity: None,
            proxy: ProxyChoice::default(),
            proxy_login: None,
            user_agent: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            tcp_keepalive: Some(TCP_KEEPALIVE),
            local_address: None,
            resolved: Vec::new(),
            customize: Vec::new(),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The certificates are not PEM, or there is none.
    #[error("no usable certificate in the PEM data: {0}")]
    Certificate(String),
    /// The client certificate and its key are not PEM, one of them is missing, or they do not belong together.
    #[error("no usable client certificate and key in the PEM data: {0}")]
    Identity(String),
    /// The proxy's URL is not one, or not of a kind that there is (http, https, socks4, socks5). It is not repeated here: it may hold a password.
    #[error("the proxy's URL is not usable")]
    Proxy,
    /// There is a user name and a password for a proxy, and no proxy that could take them.
    #[error("a user name and a password need a proxy that is set with them, by HTTP or SOCKS 5")]
    ProxyLogin,
    /// The HTTP library could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

/// Certificates.
impl HttpBuilder {
    /// Trusts these certificates (PEM, one or more) in addition to the system's.
    ///
    /// # Errors
    ///
    /// [`HttpError::Certificate`].
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, HttpError> {
        let failed = |error| HttpError::Certificate(innermost(&error));
        let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(failed)?;
        if roots.is_empty() {
            return Err(HttpError::Certificate("it holds no certificate".into()));
        }
        // Only a client that is built looks into them.
        let trial = reqwest::Client::builder().tls_certs_only(roots.clone());
        trial.build().map_err(failed)?;
        self.roots.extend(roots);
        Ok(self)
    }

    /// Trusts only the certificates of [`root_certificates_pem`](Self::root_certificates_pem), and none of the
    /// system's. Without any, no server can be reached by TLS.
    #[must_use]
    pub fn no_system_certificates(mut self) -> Self {
        self.system_certificates = false;
        self
    }

    /// Shows this certificate to servers that ask for one: PEM with the certificate, those between it and its root if
    /// there are any, and its private key (PKCS #8, PKCS #1 or SEC 1, not encrypted), in any order.
    ///
    /// # Errors
    ///
    /// [`HttpError::Identity`], which never shows the key.
    pub fn client_identity_pem(mut self, pem: &[u8]) -> Result<Self, HttpError> {
        let failed = |error| HttpError::Identity(innermost(&error));
        let identity = reqwest::Identity::from_pem(pem).map_err(|error| {
            let is_encrypted = String::from_utf8_lossy(pem).contains("-BEGIN ENCRYPTED PRIVATE");
            match is_encrypted {
                true => HttpError::Identity("the private key is encrypted".into()),
                false => failed(error),
            }
        })?;
        // Only a client that is built looks whether they belong together.
        let trial = reqwest::Client::builder().tls_certs_only([]);
        trial.identity(identity.clone()).build().map_err(failed)?;
        self.identity = Some(identity);
        Ok(self)
    }
}

/// The way to the server.
impl HttpBuilder {
    /// Sends everything through this proxy instead of the system's: `http://host:port`, `https://…`, `socks5://…`
    /// (names are resolved here), `socks5h://…` (names are resolved by the proxy), `socks4://…`, `socks4a://…`. The URL
    /// may hold a user name and a password, percent-encoded: `http://user:password@host:port`.
    ///
    /// The default is the system's settings: the environment variables `HTTP_PROXY` and `HTTPS_PROXY`, by the scheme of
    /// the server's URL, then `ALL_PROXY`, except for the hosts of `NO_PROXY`, all in upper or lower case; on Windows
    /// and macOS, where there are none, those of the network settings.
    ///
    /// A server behind `https://` is reached by an HTTP proxy's `CONNECT`, one behind `http://` by requests that the
    /// proxy forwards. Many proxies do not forward WebSocket handshakes, and some forward nothing at all: behind those,
    /// use `https://`, or SOCKS, which makes no difference between the two. Where only the handshake is refused, a
    /// session stays on polling, and [`UpgradeError`](crate::UpgradeError) tells why.
    ///
    /// # Errors
    ///
    /// [`HttpError::Proxy`].
    pub fn proxy(mut self, url: &str) -> Result<Self, HttpError> {
        self.proxy = ProxyChoice::parse(url)?;
        Ok(self)
    }

    /// The user name and the password for [`proxy`](Self::proxy), as they are, instead of those in its URL.
    #[must_use]
    pub fn proxy_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.proxy_login = Some((user.into(), password.into()));
        self
    }

    /// Uses no proxy, whatever the system's settings say.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxyChoice::Direct;
        self
    }

    /// How long connecting may take, with name resolution, proxy and TLS; `None` for as long as the operating system
    /// tries. Default: 15 s.
    ///
    /// Several addresses of one kind are tried in turn, each for its share of this time. IPv6 and IPv4 addresses are
    /// tried side by side, the second kind 300 ms after the first (RFC 8305, "Happy Eyeballs").
    #[must_use]
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.connect_timeout = timeout.into();
        self
    }

    /// After how much silence TCP begins to ask whether the peer is still there, in whole seconds; it then asks every
    /// 15 s, and gives up after three unanswered questions. `None` for never. Default: 30 s.
    ///
    /// The heartbeat of the protocol finds a dead server sooner. This is for when it is suspended, because the
    /// application does not read, and for firewalls that forget silent connections.
    #[must_use]
    pub fn tcp_keepalive(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.tcp_keepalive = silence.into();
        self
    }

    /// Connects from this address of this machine. Default: what the operating system chooses.
    ///
    /// Only addresses of its kind, IPv4 or IPv6, are then connected to.
    #[must_use]
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// Takes these for the addresses of `host`, in this order, instead of asking the name service. The port stays that
    /// of the URL. It holds for proxies too. A second call for the same host replaces the first.
    #[must_use]
    pub fn resolve(
        mut self,
        host: impl Into<String>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        // Port 0 stands for the URL's.
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
        self.resolved.push((host.into(), addresses.collect()));
        self
    }
}

/// Everything else.
impl HttpBuilder {
    /// Sets the `User-Agent` header. Default: `engineio/` and the version of this crate.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Changes the settings of the HTTP library itself, for what this builder does not offer. `change` is called when
    /// the client is built, after all other settings, and perhaps more than once.
    ///
    /// What the protocol needs is set after it, and holds whatever it does: HTTP/1.1, no redirects, no retries,
    /// `TCP_NODELAY`, no `Referer`, idle connections kept for 4 s, and no time limit on requests and on reading (the
    /// server keeps a poll open until it has something to say). Some things cannot be put right afterwards: a
    /// `Cookie` among the library's default headers is lost where a session has cookies of its own, headers of the
    /// WebSocket handshake do not belong there, and a TLS configuration that is passed in ready-made must not offer
    /// `h2`.
    ///
    /// ```
    /// use engineio::client::{Http, reqwest};
    ///
    /// # fn main() -> Result<(), engineio::client::HttpError> {
    /// let http = Http::builder()
    ///     .customize(|settings| settings.tls_version_min(reqwest::tls::Version::TLS_1_3))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn customize(
        mut self,
        change: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.customize.push(Arc::new(change));
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// [`HttpError::Setup`], and [`HttpError::Proxy`] or [`HttpError::ProxyLogin`] if the proxy and its user do not go
    /// together.
    pub fn build(self) -> Result<Http, HttpError> {
        let failed = |error| HttpError::Setup(innermost(&error));
        let proxies = Arc::new(Proxies::of(&self.proxy));
        if self.system_certificates {
            match self.clone().into_reqwest(true)?.build() {
                Ok(client) => return Ok(Http { client, proxies }),
                // A machine without any system certificate can still speak plain HTTP, or trust exactly the given ones.
                Err(error) => tracing::debug!(error = innermost(&error), "no system certificates"),
            }
        }
        let client = self.into_reqwest(false)?.build().map_err(failed)?;
        Ok(Http { client, proxies })
    }

    fn into_reqwest(self, system_certificates: bool) -> Result<ClientBuilder, HttpError> {
        let own = concat!("engineio/", env!("CARGO_PKG_VERSION"));
        let probing = self.tcp_keepalive.is_some();
        let mut builder = reqwest::Client::builder()
            .user_agent(self.user_agent.as_deref().unwrap_or(own))
            .tcp_keepalive(self.tcp_keepalive)
            // Any of the three switches it on.
            .tcp_keepalive_interval(probing.then_some(TCP_KEEPALIVE_INTERVAL))
            .tcp_keepalive_retries(probing.then_some(TCP_KEEPALIVE_RETRIES))
            .local_address(self.local_address);
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(identity) = self.identity {
            builder = builder.identity(identity);
        }
        for (host, addresses) in &self.resolved {
            builder = builder.resolve_to_addrs(host, addresses);
        }
        builder = match system_certificates {
            true => builder.tls_certs_merge(self.roots),
            false => builder.tls_certs_only(self.roots),
        };
        builder = self.proxy.apply(builder, self.proxy_login)?;
        if !self.customize.is_empty() {
            let customize = self.customize.iter();
            // A limit that was set cannot be taken back, only moved to where nobody meets it.
            builder = customize
                .fold(builder, |builder, change| change(builder))
                .timeout(NO_LIMIT)
                .read_timeout(NO_LIMIT);
        }
        Ok(builder
            .http1_only()
            .tcp_nodelay(true)
            .pool_idle_timeout(POOL_IDLE)
            .referer(false)
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none()))
    }
}

impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's URL, its login and the key are secrets.
        f.debug_struct("HttpBuilder")
            .field("roots", &self.roots.len())
            .field("system_certificates", &self.system_certificates)
            .field("identity", &self.identity.is_some())
            .field("connect_timeout", &self.connect_timeout)
            .field("tcp_keepalive", &self.tcp_keepalive)
            .field("local_address", &self.local_address)
            .field("resolved", &self.resolved)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn settings_are_checked_and_not_repeated() {
        assert!(matches!(
            Http::builder().root_certificates_pem(b"no certificate"),
            Err(HttpError::Certificate(_))
        ));
        let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            Http::builder().root_certificates_pem(damaged),
            Err(HttpError::Certificate(_))
        ));
        let builder = Http::builder()
            .proxy("http://user:secret@localhost:1")
            .unwrap()
            .proxy_auth("user", "secret");
        assert!(!format!("{builder:?}").contains("secret"));
        assert_eq!(format!("{:?}", builder.build().unwrap()), "Http(..)");
    }

    #[test]
    fn proxies_are_of_a_known_kind_or_refused() {
        for unusable in [
            "ftp://h:1",
            "socks://h:1",
            "ws://h:1",
            "quic://h:1",
            "http://",
            "socks5://",
            "http://user:secret@:x",
            "http://h:99999",
            "",
        ] {
            let error = Http::builder().proxy(unusable).unwrap_err();
            assert_eq!(error, HttpError::Proxy, "{unusable}");
            assert!(!error.to_string().contains("secret"));
        }
        for known in [
            "http://h:1",
            "HTTPS://h:1",
            "socks5://h:1",
            "socks5h://h",
            "socks4://[::1]:1",
            "http://us%40er:p%3Aw%2F@h:1",
            "http://us er:p^w|d`\"<>{}@h:1",
            "h:1",
            "user:password@h:1",
        ] {
            let http = Http::builder().proxy(known).unwrap().build();
            assert!(http.is_ok(), "{known}: {http:?}");
        }
    }

    #[test]
    fn a_proxy_login_needs_a_proxy_that_takes_it() {
        let with = |proxy: &str| Http::builder().proxy(proxy).unwrap();
        for proxy in ["http://h:1", "https://h:1", "socks5://h:1", "socks5h://h:1"] {
            let login = with(proxy).proxy_auth("us:er", "@/?#\u{e9}\u{1}");
            assert!(login.build().is_ok(), "{proxy}");
        }
        for builder in [
            Http::builder().proxy_auth("user", "secret"),
            Http::builder().no_proxy().proxy_auth("user", "secret"),
            with("socks4://h:1").proxy_auth("user", "secret"),
            with("socks4a://user:secret@h:1"),
        ] {
            assert_eq!(builder.build().unwrap_err(), HttpError::ProxyLogin);
        }
    }

    #[test]
    fn a_client_identity_is_checked_at_once_and_never_shown() {
        let key = KeyPair::generate().unwrap();
        let other = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["client".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for (pem, reason) in [
            (String::new(), "not found"),
            ("no PEM".into(), "not found"),
            (certificate.clone(), "not found"),
            (key.serialize_pem(), "not found"),
            (certificate.clone() + &other.serialize_pem(), "KeyMismatch"),
            (certificate.clone() + encrypted, "is encrypted"),
            (certificate.clone() + damaged, ""),
        ] {
            let error = Http::builder()
                .client_identity_pem(pem.as_bytes())
                .unwrap_err();
            let HttpError::Identity(text) = &error else {
                panic!("{error}")
            };
            assert!(text.contains(reason) && !text.is_empty(), "{text}");
            let body = other.serialize_pem();
            let line = body.lines().nth(1).unwrap();
            assert!(!error.to_string().contains(line));
        }
        for pem in [
            certificate.clone() + &key.serialize_pem(),
            key.serialize_pem() + &certificate,
        ] {
            let builder = Http::builder().client_identity_pem(pem.as_bytes()).unwrap();
            let line = pem.lines().nth(1).unwrap();
            assert!(!format!("{builder:?}").contains(line));
            assert!(builder.build().is_ok());
        }
    }

    #[test]
    fn a_change_that_cannot_be_used_is_an_error() {
        let builder = Http::builder().customize(|settings| settings.user_agent("a\nb"));
        assert!(matches!(builder.build(), Err(HttpError::Setup(_))));
    }
}
