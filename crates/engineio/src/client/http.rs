//! The one HTTP stack that carries every request.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::secrets::Secrets;
use crate::connection::Response;
use crate::error::{TransportError, TransportErrorKind};

/// Node's servers drop an idle connection after 5 s. A request that crosses with that on the way fails, and a failed
/// request ends a session, so idle connections are given up first.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// The kinds of proxy that there are.
const PROXY_SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// An HTTP client, set up once and shared: cloning it is cheap and shares its connection pool.
///
/// HTTP/1.1 only (a WebSocket handshake needs it, and servers are known to refuse HTTP/2), Nagle's algorithm off,
/// redirects not followed (credentials stay with the host they were meant for), TLS by rustls with the system's
/// certificates, the system's proxy settings honoured.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client with the defaults.
    ///
    /// # Errors
    ///
    /// [`HttpError`] if the TLS library cannot be set up.
    pub fn new() -> Result<Self, HttpError> {
        Self::builder().build()
    }

    /// Settings for a client.
    #[must_use]
    pub fn builder() -> HttpBuilder {
        HttpBuilder::default()
    }

    /// The reqwest client, for requests of one's own over the same connections, proxy and certificates.
    #[must_use]
    pub fn as_reqwest(&self) -> &reqwest::Client {
        &self.client
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy URL may hold a password.
        f.write_str("Http(..)")
    }
}

/// Builds an [`Http`].
#[derive(Clone, Default)]
pub struct HttpBuilder {
    roots: Vec<reqwest::Certificate>,
    proxy: Option<reqwest::Proxy>,
    no_proxy: bool,
    user_agent: Option<String>,
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The certificates are not PEM, or there is none.
    #[error("no usable certificate in the PEM data: {0}")]
    Certificate(String),
    /// The proxy's URL is not one, or not of a kind that there is (http, https, socks4, socks5). It is not repeated here: it may hold a password.
    #[error("the proxy's URL is not usable")]
    Proxy,
    /// The HTTP library could not be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

impl HttpBuilder {
    /// Trusts these certificates (PEM, one or more) in addition to the system's.
    ///
    /// # Errors
    ///
    /// [`HttpError::Certificate`].
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, HttpError> {
        let roots = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| HttpError::Certificate(innermost(&error)))?;
        if roots.is_empty() {
            return Err(HttpError::Certificate("it holds no certificate".into()));
        }
        // Only a client that is built looks into them.
        let built = reqwest::Client::builder()
            .tls_certs_only(roots.clone())
            .build();
        built.map_err(|error| HttpError::Certificate(innermost(&error)))?;
        self.roots.extend(roots);
        Ok(self)
    }

    /// Sends everything through this proxy (`http://user:password@host:port`, `socks5://…`) instead of the system's.
    ///
    /// # Errors
    ///
    /// [`HttpError::Proxy`].
    pub fn proxy(mut self, url: &str) -> Result<Self, HttpError> {
        // The library ignores a proxy of a scheme that it does not know, and would connect directly.
        let is_known = |scheme: &str| {
            let mut known = PROXY_SCHEMES.iter();
            known.any(|known| scheme.eq_ignore_ascii_case(known))
        };
        if url
            .split_once("://")
            .is_some_and(|(scheme, _)| !is_known(scheme))
        {
            return Err(HttpError::Proxy);
        }
        self.proxy = Some(reqwest::Proxy::all(url).map_err(|_| HttpError::Proxy)?);
        Ok(self)
    }

    /// Uses no proxy, whatever the system's settings say.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.no_proxy = true;
        self
    }

    /// Sets the `User-Agent` header. Default: `engineio/` and the version of this crate.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// [`HttpError::Setup`].
    pub fn build(self) -> Result<Http, HttpError> {
        let built = self
            .clone()
            .into_reqwest()
            .tls_certs_merge(self.roots.clone())
            .build();
        // A machine without any system certificate can still speak plain HTTP, or trust exactly the given ones.
        let built = built.or_else(|error| {
            tracing::debug!(error = innermost(&error), "no system certificates");
            self.clone()
                .into_reqwest()
                .tls_certs_only(self.roots)
                .build()
        });
        let client = built.map_err(|error| HttpError::Setup(innermost(&error)))?;
        Ok(Http { client })
    }

    fn into_reqwest(self) -> reqwest::ClientBuilder {
        let own = concat!("engineio/", env!("CARGO_PKG_VERSION"));
        let mut builder = reqwest::Client::builder()
            .user_agent(self.user_agent.as_deref().unwrap_or(own))
            .http1_only()
            .tcp_nodelay(true)
            .pool_idle_timeout(POOL_IDLE)
            .referer(false)
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none());
        if self.no_proxy {
            builder = builder.no_proxy();
        }
        match self.proxy {
            Some(proxy) => builder.proxy(proxy),
            None => builder,
        }
    }
}

impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder")
            .field("roots", &self.roots.len())
            .finish_non_exhaustive()
    }
}

/// Makes a request and reads the whole answer, at most `limit` bytes of it. An error answer comes without the secrets.
pub(super) async fn exchange(
    request: reqwest::RequestBuilder,
    limit: usize,
    secrets: Secrets,
) -> Result<Response, TransportError> {
    let mut response = request.send().await.map_err(transport_error)?;
    let status = response.status().as_u16();
    let body = read_body(&mut response, limit).await?;
    Ok(if status == 200 {
        Response::new(status, body)
    } else {
        Response::new(status, secrets.remove_from(&body))
    })
}

/// Reads a body of at most `limit` bytes. One that arrives in one piece is not copied.
pub(super) async fn read_body(
    response: &mut reqwest::Response,
    limit: usize,
) -> Result<Bytes, TransportError> {
    let too_large = || TransportError::new(TransportErrorKind::TooLarge, "a response body");
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
        if first.len() + whole.len() + chunk.len() > limit {
            return Err(too_large());
        }
        if first.is_empty() && whole.is_empty() {
            first = chunk;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&chunk);
        }
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// What the HTTP library says, as a value that holds no URL.
#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
pub(super) fn transport_error(error: reqwest::Error) -> TransportError {
    let kind = if error.is_connect() {
        TransportErrorKind::Connect
    } else if error.is_builder() {
        TransportErrorKind::Request
    } else {
        TransportErrorKind::Broken
    };
    TransportError::new(kind, Http::explain(&error))
}

impl Http {
    /// What went wrong with a request, in a few words for people, without the URL and without what every error repeats.
    #[must_use]
    pub fn explain(error: &reqwest::Error) -> String {
        let cause = innermost(error);
        let known = EXPLANATIONS.iter().find(|(sign, _)| cause.contains(sign));
        match known {
            Some((_, explanation)) => (*explanation).to_owned(),
            // A certificate's names are many, and none is the right one.
            None => cause
                .split("; certificate is only")
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

/// The words of libraries that say nothing to who meets them for the first time.
const EXPLANATIONS: [(&str, &str); 6] = [
    (
        "InvalidContentType",
        "the server does not speak TLS; is it plain http?",
    ),
    (
        "UnknownIssuer",
        "the certificate is signed by nobody whom this machine trusts",
    ),
    ("certificate: Expired", "the certificate has expired"),
    ("certificate expired", "the certificate has expired"),
    (
        "proxy authorization required",
        "the proxy asks for a user name and a password",
    ),
    (
        "tunnel error",
        "the proxy does not let the connection through",
    ),
];

/// The innermost cause. The outer ones repeat "error sending request", and the outermost shows the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    cause.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
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
        for ignored in ["ftp://h:1", "socks://h:1", "ws://h:1", "quic://h:1"] {
            let error = Http::builder().proxy(ignored).unwrap_err();
            assert_eq!(error, HttpError::Proxy, "{ignored}");
        }
        for known in [
            "http://h:1",
            "HTTPS://h:1",
            "socks5://h:1",
            "socks5h://h:1",
            "h:1",
        ] {
            assert!(Http::builder().proxy(known).is_ok(), "{known}");
        }
        let error = Http::builder().proxy("http://user:secret@:x").unwrap_err();
        assert!(!error.to_string().contains("secret"));
        let builder = Http::builder()
            .proxy("http://user:secret@localhost:1")
            .unwrap();
        assert!(!format!("{builder:?}").contains("secret"));
        assert_eq!(format!("{:?}", builder.build().unwrap()), "Http(..)");
    }
}
