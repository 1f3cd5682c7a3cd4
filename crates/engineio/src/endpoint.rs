//! Where a server is, and the URL of each request to it.

use std::fmt;
use std::sync::Arc;

use url::{Host, Url};

use crate::connection::Target;

/// The address of an Engine.IO server: scheme, host, port, path and query.
///
/// The query is opaque: its bytes go on every request as they are (the one exception is `'`, which the URL standard
/// writes as `%27`). It is a credential as often as not, so nothing prints it.
///
/// Cloning it is cheap: its clones share the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// http or https; host and port; path; no query, no fragment, no user.
    base: Arc<Url>,
    query: Option<Arc<str>>,
}

/// A text that is not the address of an Engine.IO server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It cannot be parsed as a URL.
    #[error("not a URL: {0}")]
    NotAUrl(url::ParseError),
    /// The scheme is none of http, https, ws and wss.
    #[error("the scheme must be http, https, ws or wss")]
    Scheme,
    /// There is no host.
    #[error("the URL has no host")]
    NoHost,
    /// The path does not begin with `/`, or holds `?`, `#`, spaces or control characters.
    #[error("the path must begin with / and hold no ?, #, space or control character")]
    Path,
    /// The query holds a character that a URL cannot carry as it is; percent-encode it.
    #[error("the query has a character at byte {0} that must be percent-encoded")]
    Query(usize),
    /// The query sets a parameter that belongs to the protocol.
    #[error("the query must not set {0}: the protocol does")]
    Reserved(&'static str),
    /// The whole is longer than [`Endpoint::MAX_LEN`].
    #[error("the URL is longer than {} bytes", Endpoint::MAX_LEN)]
    TooLong,
}

impl Endpoint {
    /// The longest accepted URL in bytes. Servers and proxies rarely take a request line of more than 8 to 16 KiB.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Path used where the URL has none.
    pub const DEFAULT_PATH: &str = "/engine.io/";

    /// Reads a URL with scheme http, https, ws or wss. A path of `/` means `/engine.io/`; user and fragment are
    /// dropped, as the reference client does.
    ///
    /// # Errors
    ///
    /// See [`EndpointError`].
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        if url.len() > Self::MAX_LEN {
            return Err(EndpointError::TooLong);
        }
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let (base, query) = match url.split_once('?') {
            Some((base, query)) => (base, Some(query)),
            None => (url, None),
        };
        // The URL parser would take the first segment of the path for the host.
        if base
            .split_once("://")
            .is_some_and(|(_, rest)| rest.starts_with('/'))
        {
            return Err(EndpointError::NoHost);
        }
        let base = Url::parse(base).map_err(|error| match error {
            url::ParseError::EmptyHost => EndpointError::NoHost,
            error => EndpointError::NotAUrl(error),
        })?;
        let scheme = match base.scheme() {
            "http" | "ws" => "http",
            "https" | "wss" => "https",
            _ => return Err(EndpointError::Scheme),
        };
        // Assembled anew: the URL library does not change a scheme in place once user and port are there.
        let host = base.host().ok_or(EndpointError::NoHost)?.to_owned();
        let port = base.port_or_known_default().ok_or(EndpointError::Scheme)?;
        let path = if base.path() == "/" {
            Self::DEFAULT_PATH
        } else {
            base.path()
        };
        let base = Url::parse(&format!("{scheme}://{host}:{port}{path}"))
            .map_err(EndpointError::NotAUrl)?;
        let endpoint = Self {
            base: Arc::new(base),
            query: None,
        };
        match query {
            Some(query) => endpoint.with_query(query),
            None => Ok(endpoint),
        }
    }

    /// The same server with another HTTP path, such as `/socket.io/`. It is used as given: the reference server wants
    /// the trailing slash, unless it is set up without one (`addTrailingSlash: false`).
    ///
    /// # Errors
    ///
    /// [`EndpointError::Path`].
    pub fn with_path(mut self, path: &str) -> Result<Self, EndpointError> {
        let bad = |c: char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control();
        if !path.starts_with('/') || path.contains(bad) {
            return Err(EndpointError::Path);
        }
        if path.len() > Self::MAX_LEN {
            return Err(EndpointError::TooLong);
        }
        Arc::make_mut(&mut self.base).set_path(path);
        Ok(self)
    }

    /// The same server with this query, without its `?`. Its bytes are kept as they are; an empty one is none.
    ///
    /// # Errors
    ///
    /// Characters that a URL cannot carry, the protocol's own parameters (`EIO`, `transport`, `sid`), and over-long
    /// queries.
    pub fn with_query(mut self, query: &str) -> Result<Self, EndpointError> {
        let bad = |b: u8| !b.is_ascii_graphic() || matches!(b, b'"' | b'<' | b'>' | b'#');
        if let Some(position) = query.bytes().position(bad) {
            return Err(EndpointError::Query(position));
        }
        if query.len() > Self::MAX_LEN {
            return Err(EndpointError::TooLong);
        }
        for pair in query.split('&') {
            let key = pair.split_once('=').map_or(pair, |(key, _)| key);
            // The server would see two values, or a session id that nobody gave out.
            if let Some(key) = reserved(key) {
                return Err(EndpointError::Reserved(key));
            }
        }
        self.query = (!query.is_empty()).then(|| query.into());
        Ok(self)
    }

    /// The same server with these parameters behind the query that is there; `with_query("")` first replaces it. Names
    /// and values are percent-encoded as JavaScript's `encodeURIComponent` does, so that a server reads exactly them.
    ///
    /// ```
    /// let endpoint = engineio::Endpoint::parse("https://example.com/?room=1")?
    ///     .with_query_pairs([("user", "a b"), ("token", "x+y==")])?;
    /// assert_eq!(endpoint.query(), Some("room=1&user=a%20b&token=x%2By%3D%3D"));
    /// # Ok::<(), engineio::EndpointError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The protocol's own parameters (`EIO`, `transport`, `sid`), and over-long queries.
    pub fn with_query_pairs<K, V>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, EndpointError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut query = self.query.as_deref().unwrap_or_default().to_owned();
        for (name, value) in pairs {
            if let Some(name) = reserved(name.as_ref()) {
                return Err(EndpointError::Reserved(name));
            }
            if !query.is_empty() {
                query.push('&');
            }
            encode_component(name.as_ref(), &mut query);
            query.push('=');
            encode_component(value.as_ref(), &mut query);
            if query.len() > Self::MAX_LEN {
                return Err(EndpointError::TooLong);
            }
        }
        self.query = (!query.is_empty()).then(|| query.into());
        Ok(self)
    }

    /// Whether the server is reached by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The host; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Whether the host is this machine: `localhost` or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The port, given or implied by the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.base.port_or_known_default().unwrap_or_default()
    }

    /// The HTTP path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.base.path()
    }

    /// The opaque query without its `?`. It is a credential as often as not.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The URL of a request, its scheme http or https for both transports. `timestamp` is the name and the value of the
    /// parameter that defeats caches, where there is one: see [`Timestamp`](crate::Timestamp).
    ///
    /// The order of the query is the reference client's: the user's part, `EIO`, `transport`, `t`, `b64`, `sid`.
    #[must_use]
    pub fn url(&self, target: &Target, timestamp: Option<(&str, &str)>) -> Url {
        let mut query = String::with_capacity(64 + self.query.as_ref().map_or(0, |own| own.len()));
        if let Some(own) = &self.query {
            query.push_str(own);
            query.push('&');
        }
        query.push_str("EIO=");
        query.push_str(target.version.query_value());
        query.push_str("&transport=");
        query.push_str(target.transport.name());
        if let Some((name, value)) = timestamp {
            query.push('&');
            encode_component(name, &mut query);
            query.push('=');
            encode_component(value, &mut query);
        }
        if target.base64 {
            query.push_str("&b64=1");
        }
        if let Some(sid) = &target.sid {
            query.push_str("&sid=");
            encode_component(sid.expose(), &mut query);
        }
        let mut url = Url::clone(&self.base);
        url.set_query(Some(&query));
        url
    }
}

/// The protocol's own parameter of this name.
pub(crate) fn reserved(name: &str) -> Option<&'static str> {
    ["EIO", "transport", "sid"]
        .into_iter()
        .find(|&reserved| reserved == name)
}

/// Percent-encodes as JavaScript's `encodeURIComponent`, which servers expect of a parameter's value.
fn encode_component(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'(' | b')' => out.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.query.is_some() { "?.." } else { "" };
        write!(f, "Endpoint({}{query})", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Handshake;
    use crate::transport::Transport;
    use crate::version::Version;

    fn url(endpoint: &str, transport: Transport, sid: Option<&str>, t: Option<&str>) -> String {
        url_of(Version::V4, endpoint, transport, sid, t)
    }

    fn target(version: Version, transport: Transport, forced: bool) -> Target {
        Target {
            version,
            transport,
            base64: version.asks_for_base64(transport, forced),
            sid: None,
        }
    }

    fn url_of(
        version: Version,
        endpoint: &str,
        transport: Transport,
        sid: Option<&str>,
        t: Option<&str>,
    ) -> String {
        let sid = sid.map(|sid| {
            let json = format!(r#"{{"sid":"{sid}","pingInterval":1,"pingTimeout":1}}"#);
            Handshake::parse(&json).unwrap().sid
        });
        let endpoint = Endpoint::parse(endpoint).unwrap();
        let target = Target {
            sid,
            ..target(version, transport, false)
        };
        endpoint.url(&target, t.map(|t| ("t", t))).into()
    }

    #[test]
    fn request_urls_are_the_reference_client_s() {
        assert_eq!(
            url(
                "https://f3hb0mpua.svc.ms/socket.io/?snthgk=1ff3-2345672zz831837523",
                Transport::WebSocket,
                None,
                None
            ),
            "https://f3hb0mpua.svc.ms/socket.io/?snthgk=1ff3-2345672zz831837523&EIO=4&transport=websocket"
        );
        assert_eq!(
            url(
                "http://localhost:3000",
                Transport::Polling,
                Some("YxNy--_b"),
                Some("zr5hou0d")
            ),
            "http://localhost:3000/engine.io/?EIO=4&transport=polling&t=zr5hou0d&sid=YxNy--_b"
        );
        assert_eq!(
            url(
                "wss://h:443/x?a=1",
                Transport::WebSocket,
                Some("a&b=é"),
                None
            ),
            "https://h/x?a=1&EIO=4&transport=websocket&sid=a%26b%3D%C3%A9"
        );
    }

    #[test]
    fn revision_3_asks_for_base64_on_polling_only() {
        let url = |transport, sid, t| url_of(Version::V3, "http://h/socket.io/", transport, sid, t);
        assert_eq!(
            url(Transport::Polling, Some("S"), Some("Q80HHJZ")),
            "http://h/socket.io/?EIO=3&transport=polling&t=Q80HHJZ&b64=1&sid=S"
        );
        assert_eq!(
            url(Transport::WebSocket, Some("S"), None),
            "http://h/socket.io/?EIO=3&transport=websocket&sid=S"
        );
    }

    #[test]
    fn force_base64_is_told_on_both_transports() {
        let endpoint = Endpoint::parse("http://h/").unwrap();
        for (version, eio) in [(Version::V3, 3), (Version::V4, 4)] {
            for transport in [Transport::Polling, Transport::WebSocket] {
                assert_eq!(
                    endpoint
                        .url(&target(version, transport, true), Some(("t", "x")))
                        .as_str(),
                    format!("http://h/engine.io/?EIO={eio}&transport={transport}&t=x&b64=1")
                );
            }
        }
        let url = endpoint.url(&target(Version::V4, Transport::Polling, false), None);
        assert!(!url.as_str().contains("b64"));
    }

    #[test]
    fn the_timestamp_parameter_is_encoded() {
        let endpoint = Endpoint::parse("http://h/").unwrap();
        let target = target(Version::V4, Transport::WebSocket, false);
        assert_eq!(
            endpoint.url(&target, Some(("my ts&", "1"))).as_str(),
            "http://h/engine.io/?EIO=4&transport=websocket&my%20ts%26=1"
        );
    }

    #[test]
    fn a_path_without_trailing_slash_stays_without() {
        for endpoint in [
            Endpoint::parse("http://h/socket.io?a=1"),
            Endpoint::parse("http://h/?a=1")
                .unwrap()
                .with_path("/socket.io"),
        ] {
            let target = target(Version::V4, Transport::WebSocket, false);
            assert_eq!(
                endpoint.unwrap().url(&target, None).as_str(),
                "http://h/socket.io?a=1&EIO=4&transport=websocket"
            );
        }
    }

    #[test]
    fn a_structured_query_is_encoded_and_appended() {
        let endpoint = Endpoint::parse("http://h/?tok=aa==").unwrap();
        let none: [(&str, &str); 0] = [];
        assert_eq!(endpoint.clone().with_query_pairs(none).unwrap(), endpoint);
        let pairs = [("a b", "é&=#+"), ("-_.!~*()", "%"), ("", "")];
        let more = endpoint.clone().with_query_pairs(pairs).unwrap();
        let encoded = "a%20b=%C3%A9%26%3D%23%2B&-_.!~*()=%25&=";
        assert_eq!(more.query(), Some(format!("tok=aa==&{encoded}").as_str()));
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let instead = endpoint.clone().with_query("").unwrap();
        let instead = instead.with_query_pairs(owned).unwrap();
        assert_eq!(instead.query(), Some(encoded));
        // A server reads what was meant.
        let url = more.url(&target(Version::V4, Transport::Polling, false), None);
        let read: Vec<_> = url.query_pairs().into_owned().collect();
        assert_eq!(read[1], ("a b".to_owned(), "é&=#+".to_owned()));
        for name in ["EIO", "transport", "sid"] {
            assert_eq!(
                endpoint.clone().with_query_pairs([(name, "1")]),
                Err(EndpointError::Reserved(name))
            );
        }
        let long = "x".repeat(Endpoint::MAX_LEN - 8);
        assert_eq!(
            endpoint.with_query_pairs([("a", long)]),
            Err(EndpointError::TooLong)
        );
    }

    #[test]
    fn the_query_is_kept_byte_for_byte() {
        for query in [
            "tok=aa==&z=%2B+b&flag&a=1&a=2",
            "a=%zz",
            "{x}|[y]^`",
            "&&=",
            "a=b;c",
        ] {
            let full = url(
                &format!("https://h/?{query}"),
                Transport::WebSocket,
                None,
                None,
            );
            assert_eq!(
                full,
                format!("https://h/engine.io/?{query}&EIO=4&transport=websocket")
            );
        }
    }

    #[test]
    fn addresses_are_taken_apart() {
        let endpoint = Endpoint::parse("wss://user:pw@[::1]:8443/path/?q=1#f").unwrap();
        assert!(endpoint.is_tls() && endpoint.is_loopback());
        assert_eq!((endpoint.host(), endpoint.port()), ("[::1]", 8443));
        assert_eq!((endpoint.path(), endpoint.query()), ("/path/", Some("q=1")));
        let endpoint = Endpoint::parse("ws://h?").unwrap();
        assert_eq!(
            (endpoint.port(), endpoint.path(), endpoint.query()),
            (80, "/engine.io/", None)
        );
        assert!(!endpoint.is_tls() && !endpoint.is_loopback());
        let endpoint = endpoint.with_path("/socket.io").unwrap();
        assert_eq!(endpoint.path(), "/socket.io");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        use EndpointError::{NotAUrl, Query, Reserved, Scheme, TooLong};
        let long = format!("http://h/?{}", "x".repeat(Endpoint::MAX_LEN));
        for (text, error) in [
            ("", NotAUrl(url::ParseError::RelativeUrlWithoutBase)),
            ("h/x", NotAUrl(url::ParseError::RelativeUrlWithoutBase)),
            ("http://", EndpointError::NoHost),
            ("http:///path", EndpointError::NoHost),
            ("http://h:99999/", NotAUrl(url::ParseError::InvalidPort)),
            ("ftp://h/", Scheme),
            ("http://h/?a b", Query(1)),
            ("http://h/?a=é", Query(2)),
            ("http://h/?\r\nX: y", Query(0)),
            ("http://h/?EIO=3", Reserved("EIO")),
            ("http://h/?a&transport=x", Reserved("transport")),
            ("http://h/?sid=zz", Reserved("sid")),
            (&long, TooLong),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text:.40}");
        }
        let endpoint = Endpoint::parse("http://h").unwrap();
        for path in ["", "x", "/a?b", "/a#b", "/a b", "/a\n"] {
            assert_eq!(
                endpoint.clone().with_path(path),
                Err(EndpointError::Path),
                "{path}"
            );
        }
    }

    #[test]
    fn debug_hides_the_query() {
        let text = format!("{:?}", Endpoint::parse("https://h/x?token=secret").unwrap());
        assert_eq!(text, "Endpoint(https://h/x?..)");
    }
}
