//! The rules by which one URL names a server, a namespace and an engine query.

use engineio::{Endpoint, EndpointError};
use socketio_codec::{Namespace, NamespaceError};

/// Where to connect: a server and a namespace on it.
///
/// The rules are those of the reference client's `io(url)`:
///
/// | part of the URL | becomes |
/// |---|---|
/// | scheme `http`, `https`, `ws`, `wss` | TLS or not; the transport is chosen elsewhere |
/// | user and password | nothing: they are dropped |
/// | path | the *namespace*, verbatim: not decoded, trailing slash kept; none is `/` |
/// | query | the engine query, opaque: its bytes are kept as they are |
/// | fragment | nothing: it is dropped |
///
/// The HTTP path is never taken from the URL; it is `/socket.io/` until [`Target::with_path`] says otherwise.
///
/// ```
/// use socketio::Target;
///
/// let target = Target::parse("wss://example.com/chat?token=abc==")?;
/// assert_eq!(target.namespace().as_str(), "/chat");
/// assert_eq!(target.endpoint().path(), "/socket.io/");
/// assert_eq!(target.endpoint().query(), Some("token=abc=="));
/// # Ok::<(), socketio::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    endpoint: Endpoint,
    namespace: Namespace,
}

/// A text that cannot be used as the URL of a Socket.IO server. None of these repeats the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `://` behind a scheme: `example.com/chat` instead of `https://example.com/chat`.
    #[error("the URL has no scheme; it must begin with https://, http://, wss:// or ws://")]
    NoScheme,
    /// The scheme is none of http, https, ws and wss.
    #[error("the URL's scheme must be https, http, wss or ws")]
    UnknownScheme,
    /// Nothing stands where the host belongs.
    #[error("the URL has no host")]
    NoHost,
    /// The path is no namespace: it holds a comma, which ends a namespace on the wire, or is too long.
    #[error("the path of the URL cannot be a namespace: {0}")]
    Namespace(#[from] NamespaceError),
    /// The host, the port, the HTTP path or the query cannot be used.
    #[error(transparent)]
    Endpoint(EndpointError),
}

impl From<EndpointError> for UrlError {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::NoHost => Self::NoHost,
            EndpointError::Scheme => Self::UnknownScheme,
            error => Self::Endpoint(error),
        }
    }
}

impl Target {
    /// The HTTP path of Socket.IO servers that were not told otherwise.
    pub const DEFAULT_PATH: &str = "/socket.io/";

    /// Reads a URL by the rules of [`Target`].
    ///
    /// # Errors
    ///
    /// See [`UrlError`].
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        if url.len() > Endpoint::MAX_LEN {
            return Err(EndpointError::TooLong.into());
        }
        let url = url.split_once('#').map_or(url, |(url, _fragment)| url);
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = address.split_once("://").ok_or(UrlError::NoScheme)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_user, host)| host);
        if !["http", "https", "ws", "wss"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return Err(UrlError::UnknownScheme);
        }
        if host.is_empty() || host.starts_with(':') {
            return Err(UrlError::NoHost);
        }
        // Only scheme, host and port go through a URL parser: it would rewrite a path, and the namespace is compared
        // byte by byte.
        let endpoint = Endpoint::parse(&format!("{scheme}://{host}"))?
            .with_path(Self::DEFAULT_PATH)?
            .with_query(query)?;
        let namespace = if path.is_empty() {
            Namespace::root()
        } else {
            Namespace::try_from(path)?
        };
        Ok(Self {
            endpoint,
            namespace,
        })
    }

    /// A server and a namespace that were found in another way than by one URL.
    #[must_use]
    pub fn new(endpoint: Endpoint, namespace: Namespace) -> Self {
        Self {
            endpoint,
            namespace,
        }
    }

    /// The same server with another namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// The same target with another HTTP path. Servers usually want its trailing slash, so one is added.
    ///
    /// # Errors
    ///
    /// [`UrlError::Endpoint`] if it does not begin with `/` or holds what a path cannot.
    pub fn with_path(mut self, path: &str) -> Result<Self, UrlError> {
        let slash = if path.ends_with('/') { "" } else { "/" };
        self.endpoint = self.endpoint.with_path(&format!("{path}{slash}"))?;
        Ok(self)
    }

    /// The same target with exactly this HTTP path, for servers that want no trailing slash (`addTrailingSlash: false`).
    ///
    /// # Errors
    ///
    /// As [`with_path`](Self::with_path).
    pub fn with_exact_path(mut self, path: &str) -> Result<Self, UrlError> {
        self.endpoint = self.endpoint.with_path(path)?;
        Ok(self)
    }

    /// The same target with these parameters behind those of its query, percent-encoded.
    ///
    /// # Errors
    ///
    /// [`UrlError::Endpoint`] for the protocol's own parameters and queries that are too long.
    pub fn with_query_pairs<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, UrlError> {
        self.endpoint = self.endpoint.with_query_pairs(pairs)?;
        Ok(self)
    }

    /// The same target with this engine query, given without its `?`, instead of the one it has.
    ///
    /// # Errors
    ///
    /// [`UrlError::Endpoint`] for spaces, control and non-ASCII characters and the protocol's own parameters.
    pub fn with_query(mut self, query: &str) -> Result<Self, UrlError> {
        self.endpoint = self.endpoint.with_query(query)?;
        Ok(self)
    }

    /// The server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Both parts.
    #[must_use]
    pub fn into_parts(self) -> (Endpoint, Namespace) {
        (self.endpoint, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_as_the_reference_client_does() {
        for (url, tls, host, port, namespace, query) in [
            ("https://h", true, "h", 443, "/", None),
            ("http://h/", false, "h", 80, "/", None),
            ("ws://h:8080/chat", false, "h", 8080, "/chat", None),
            ("wss://h/ns/", true, "h", 443, "/ns/", None),
            ("HTTPS://h/ns", true, "h", 443, "/ns", None),
            ("https://h?x=1", true, "h", 443, "/", Some("x=1")),
            ("https://h/ns?", true, "h", 443, "/ns", None),
            ("https://user:p@w@h/ns", true, "h", 443, "/ns", None),
            ("https://h/ns#f?a=1", true, "h", 443, "/ns", None),
            ("https://h/ns?a=1#f", true, "h", 443, "/ns", Some("a=1")),
            ("https://h/a%20b/é", true, "h", 443, "/a%20b/é", None),
            ("https://h/a/../b", true, "h", 443, "/a/../b", None),
            ("https://h//a", true, "h", 443, "//a", None),
            ("https://[::1]:3000/n", true, "[::1]", 3000, "/n", None),
            (
                "https://h/a?k=%41+b&flag&tok=aa==&z=1=2",
                true,
                "h",
                443,
                "/a",
                Some("k=%41+b&flag&tok=aa==&z=1=2"),
            ),
            (
                "https://h/ns?next=https://x/y?z",
                true,
                "h",
                443,
                "/ns",
                Some("next=https://x/y?z"),
            ),
            (
                "https://f3hb0mpua.svc.ms/zbaehwg/callback?snthgk=1ff3-2345672zz831837523",
                true,
                "f3hb0mpua.svc.ms",
                443,
                "/zbaehwg/callback",
                Some("snthgk=1ff3-2345672zz831837523"),
            ),
        ] {
            let target = Target::parse(url).unwrap();
            let endpoint = target.endpoint();
            assert_eq!(endpoint.is_tls(), tls, "{url}");
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{url}");
            assert_eq!(endpoint.path(), "/socket.io/", "{url}");
            assert_eq!(endpoint.query(), query, "{url}");
            assert_eq!(target.namespace().as_str(), namespace, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        let long = format!("https://h/?{}", "x".repeat(Endpoint::MAX_LEN));
        for (url, expected) in [
            ("", UrlError::NoScheme),
            ("example.com/chat", UrlError::NoScheme),
            ("//example.com", UrlError::NoScheme),
            ("localhost:3000", UrlError::NoScheme),
            ("/chat?next=https://h", UrlError::NoScheme),
            ("ftp://h/", UrlError::UnknownScheme),
            ("://h", UrlError::UnknownScheme),
            (" https://h", UrlError::UnknownScheme),
            ("https://", UrlError::NoHost),
            ("https:///chat", UrlError::NoHost),
            ("https://?a=1", UrlError::NoHost),
            ("https://user@/chat", UrlError::NoHost),
            ("https://:443/", UrlError::NoHost),
            (
                "https://h/?a b",
                UrlError::Endpoint(EndpointError::Query(1)),
            ),
            (
                "https://h/?a=é",
                UrlError::Endpoint(EndpointError::Query(2)),
            ),
            (
                "https://h/?a\n",
                UrlError::Endpoint(EndpointError::Query(1)),
            ),
            (&long, UrlError::Endpoint(EndpointError::TooLong)),
        ] {
            assert_eq!(Target::parse(url), Err(expected), "{url:.40}");
        }
        for url in ["https://h/a,b", "https://h/,"] {
            assert!(
                matches!(Target::parse(url), Err(UrlError::Namespace(_))),
                "{url}"
            );
        }
        for url in [
            "https://h:port/",
            "https://h:70000/",
            "https://a b/",
            "https://[::1/",
        ] {
            assert!(
                matches!(Target::parse(url), Err(UrlError::Endpoint(_))),
                "{url}"
            );
        }
    }

    #[test]
    fn the_parts_can_be_replaced() {
        let target = Target::parse("https://h/ns?a=1").unwrap();
        let target = target
            .with_path("/custom/p")
            .unwrap()
            .with_query("b=2")
            .unwrap();
        let (endpoint, namespace) = target.with_namespace(Namespace::root()).into_parts();
        assert_eq!(
            (endpoint.path(), endpoint.query()),
            ("/custom/p/", Some("b=2"))
        );
        assert!(namespace.is_root());

        let target = Target::parse("https://h").unwrap();
        assert_eq!(
            target.clone().with_path("/p/").unwrap().endpoint().path(),
            "/p/"
        );
        assert_eq!(
            target.clone().with_path("custom"),
            Err(EndpointError::Path.into())
        );
        assert_eq!(
            target.with_query("a b"),
            Err(EndpointError::Query(1).into())
        );
    }

    #[test]
    fn nothing_that_is_printed_holds_the_query() {
        let target = Target::parse("https://h/ns?token=hunter2").unwrap();
        assert!(!format!("{target:?}").contains("hunter2"));
        let error = Target::parse("https://h/ns?hunter2 x").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
