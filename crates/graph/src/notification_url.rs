//! A `notificationUrl`, taken apart into what a Socket.IO client connects to.

use std::fmt;
use std::str::FromStr;

use engineio::{Endpoint, EndpointError};
use secrecy::{ExposeSecret as _, SecretString};
use socketio::Namespace;
use url::Url;

use crate::cloud::PlainHttp;

/// The longest URL that is accepted, in bytes. It is also the limit of the reference client.
const MAX_LEN: usize = 8000;

/// What separates endpoint and query in the split form.
const CALLBACK: &str = "/callback";

/// Where notifications are delivered, as Microsoft Graph's `notificationUrl` says.
///
/// The query is a bearer credential: whoever has it receives the notifications. It can be had
/// from [`NotificationUrl::query`] behind a secret type, and appears nowhere else.
///
/// ```
/// use graph_notifications::NotificationUrl;
///
/// let url: NotificationUrl =
///     "https://f3hb0mpua.svc.ms/zbaehwg/callback?snthgk=1ff3-2345672zz831837523".parse()?;
/// assert_eq!(url.endpoint(), "https://f3hb0mpua.svc.ms/zbaehwg");
/// assert_eq!(url.namespace(), "/zbaehwg");
/// assert!(!format!("{url:?}").contains("1ff3"));
/// # Ok::<(), graph_notifications::NotificationUrlError>(())
/// ```
#[derive(Clone)]
pub struct NotificationUrl {
    /// Scheme, host, port if given, and the namespace.
    endpoint: String,
    /// Where in `endpoint` the namespace starts.
    origin_len: usize,
    host: String,
    query: SecretString,
}

/// How a `notificationUrl` becomes endpoint and query. Both ways are documented by Microsoft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recipe {
    /// [`Recipe::Split`] when the path ends in `/callback`, else [`Recipe::Direct`]. The default.
    #[default]
    Auto,
    /// The endpoint is what stands before `/callback?`, the query what stands after it.
    Split,
    /// The endpoint is the whole URL up to its query.
    Direct,
}

/// How to read a `notificationUrl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlOptions {
    /// Default [`Recipe::Auto`].
    pub recipe: Recipe,
    /// Whether `http` is accepted instead of `https`. Default [`PlainHttp::Never`].
    pub plain_http: PlainHttp,
}

impl UrlOptions {
    /// Sets the recipe.
    #[must_use]
    pub fn recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = recipe;
        self
    }

    /// Says where `http` is accepted.
    #[must_use]
    pub fn plain_http(mut self, plain_http: PlainHttp) -> Self {
        self.plain_http = plain_http;
        self
    }
}

impl NotificationUrl {
    /// Reads a URL with the default options: recipe [`Recipe::Auto`], `https` only.
    ///
    /// # Errors
    ///
    /// [`NotificationUrlError`] says what is wrong with the URL.
    pub fn parse(text: &str) -> Result<Self, NotificationUrlError> {
        Self::parse_with(text, UrlOptions::default())
    }

    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`NotificationUrlError`] says what is wrong with the URL.
    pub fn parse_with(text: &str, options: UrlOptions) -> Result<Self, NotificationUrlError> {
        use NotificationUrlError as Error;

        if text.len() > MAX_LEN {
            return Err(Error::TooLong);
        }
        // The URL parser below is used for its verdict and for the host. Path and query are taken
        // from the text itself, because their bytes must reach the server unchanged.
        let (before_query, query) = match text.split_once('?') {
            Some((before, query)) => (before, query),
            None => (text, ""),
        };
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => Error::NoHost,
            other => Error::NotAUrl(other.to_string()),
        })?;
        if url.scheme() != "https" && !options.plain_http.allows(&url) {
            return Err(Error::NotHttps);
        }
        let host = url.host_str().ok_or(Error::NoHost)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(Error::Fragment);
        }
        // The URL parser forgives blanks around a URL, line breaks within, and backslashes.
        let is_illegal = |byte: u8| !byte.is_ascii_graphic();
        if before_query.bytes().any(|b| is_illegal(b) || b == b'\\') {
            return Err(Error::IllegalCharacter { part: "address" });
        }
        if query.bytes().any(is_illegal) {
            return Err(Error::IllegalCharacter { part: "query" });
        }
        if query.is_empty() {
            return Err(Error::EmptyQuery);
        }
        // It also takes a missing host for a path that begins with a slash too many.
        let (_scheme, authority_and_path) = before_query.split_once("://").ok_or(Error::NoHost)?;
        if authority_and_path.starts_with('/') {
            return Err(Error::NoHost);
        }
        let path = match authority_and_path.find('/') {
            Some(start) => authority_and_path.get(start..).unwrap_or_default(),
            None => "",
        };

        let namespace = match (options.recipe, path.strip_suffix(CALLBACK)) {
            (Recipe::Direct, _) | (Recipe::Auto, None) => match path {
                "" => "/",
                path => path,
            },
            (Recipe::Split, None) => return Err(Error::NoCallback),
            (Recipe::Auto | Recipe::Split, Some(endpoint_path)) => {
                if query.contains("/callback?") {
                    return Err(Error::CallbackTwice);
                }
                if matches!(endpoint_path, "" | "/") {
                    return Err(Error::EmptyNamespace);
                }
                endpoint_path
            }
        };
        if namespace.contains(',') {
            return Err(Error::CommaInNamespace);
        }
        if namespace.len() > Namespace::MAX_LEN {
            return Err(Error::NamespaceTooLong);
        }

        let mut endpoint = format!("{}://{host}", url.scheme());
        if let Some(port) = url.port() {
            endpoint.push_str(&format!(":{port}"));
        }
        let origin_len = endpoint.len();
        connectable(&endpoint, query)?;
        endpoint.push_str(namespace);
        Ok(Self {
            host: host.to_owned(),
            endpoint,
            origin_len,
            query: query.into(),
        })
    }

    /// The URL without its query: scheme, host, port if it is not the default, and namespace.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Scheme, host and port: the endpoint without the namespace.
    pub(crate) fn origin(&self) -> &str {
        self.endpoint.get(..self.origin_len).unwrap_or_default()
    }

    /// The host, in lower case; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The Socket.IO namespace: the path of the endpoint, byte for byte.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.endpoint.get(self.origin_len..).unwrap_or_default()
    }

    /// The query of the Engine.IO requests, byte for byte, without the `?`: a credential.
    ///
    /// The server receives these bytes, but for `'`, which the URL standard writes as `%27`.
    #[must_use]
    pub fn query(&self) -> &SecretString {
        &self.query
    }
}

/// Whether the Engine.IO client takes it: better to know here than at each attempt to connect.
fn connectable(origin: &str, query: &str) -> Result<(), NotificationUrlError> {
    use NotificationUrlError as Error;

    let endpoint = Endpoint::parse(origin).and_then(|endpoint| endpoint.with_query(query));
    endpoint.map(drop).map_err(|error| match error {
        EndpointError::Reserved(parameter) => Error::ReservedParameter(parameter),
        EndpointError::TooLong => Error::TooLong,
        EndpointError::Query(_) => Error::IllegalCharacter { part: "query" },
        other => Error::NotAUrl(other.to_string()),
    })
}

impl FromStr for NotificationUrl {
    type Err = NotificationUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for NotificationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationUrl")
            .field("endpoint", &self.endpoint)
            .field("query", &format_args!("[redacted]"))
            .finish()
    }
}

impl PartialEq for NotificationUrl {
    fn eq(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint && self.query.expose_secret() == other.query.expose_secret()
    }
}

impl Eq for NotificationUrl {}

/// Why a text is not a `notificationUrl`. Never contains the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationUrlError {
    /// It is not a URL.
    #[error("the notification URL is not a URL: {0}")]
    NotAUrl(String),
    /// It is longer than 8,000 bytes.
    #[error("the notification URL is longer than {MAX_LEN} bytes")]
    TooLong,
    /// It is neither `https`, nor `http` to a loopback host with [`PlainHttp::OnLoopback`].
    #[error(
        "the notification URL is not https; plain http is possible for loopback hosts only, and has to be allowed"
    )]
    NotHttps,
    /// It has no host.
    #[error("the notification URL has no host")]
    NoHost,
    /// It contains a user name or a password.
    #[error("the notification URL contains a user name or a password")]
    UserInfo,
    /// It has a `#` part.
    #[error("the notification URL has a fragment (#)")]
    Fragment,
    /// It contains a space, a control or a non-ASCII character, a backslash in front of the `?`, or
    /// one of `"<>` behind it.
    #[error(
        "the {part} of the notification URL contains a space, a control or a non-ASCII character, or one that has to be percent-encoded"
    )]
    IllegalCharacter {
        /// `"address"` for all that stands before the `?`, or `"query"`.
        part: &'static str,
    },
    /// It has no query, which is the credential. A shell cuts an unquoted URL at its `&`.
    #[error("the notification URL has no query, so it lacks the credential; was it cut off?")]
    EmptyQuery,
    /// The query has a parameter that is Engine.IO's own: `EIO`, `transport` or `sid`.
    #[error("the query of the notification URL has the parameter {0}, which belongs to Engine.IO")]
    ReservedParameter(&'static str),
    /// It contains `/callback?` twice, so where to split it is not clear.
    #[error("the notification URL contains /callback? twice")]
    CallbackTwice,
    /// [`Recipe::Split`] was asked for, and there is no `/callback?`.
    #[error("the notification URL cannot be split: it does not contain /callback?")]
    NoCallback,
    /// Nothing stands between the host and `/callback?`.
    #[error("the notification URL has no namespace in front of /callback?")]
    EmptyNamespace,
    /// The namespace contains a comma, which ends a namespace in a Socket.IO packet.
    #[error("the namespace in the notification URL contains a comma")]
    CommaInNamespace,
    /// The namespace is longer than [`Namespace::MAX_LEN`].
    #[error(
        "the namespace in the notification URL is longer than {} bytes",
        Namespace::MAX_LEN
    )]
    NamespaceTooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "https://f3hb0mpua.svc.ms/zbaehwg/callback?snthgk=1ff3-2345672zz831837523";
    const FIELD: &str =
        "https://southcentralus1-7.pushnp.svc.ms/notifications?token=AB%2Bc==&applicationId=11-22";

    fn read(text: &str, recipe: Recipe) -> Result<[String; 4], NotificationUrlError> {
        let options = UrlOptions::default()
            .recipe(recipe)
            .plain_http(PlainHttp::OnLoopback);
        let url = NotificationUrl::parse_with(text, options)?;
        assert_eq!(
            format!("{}{}", url.origin(), url.namespace()),
            url.endpoint()
        );
        Ok([
            url.endpoint().into(),
            url.host().into(),
            url.namespace().into(),
            url.query().expose_secret().into(),
        ])
    }

    #[test]
    fn good_urls() {
        use Recipe::{Auto, Direct, Split};
        let sample = [
            "https://f3hb0mpua.svc.ms/zbaehwg",
            "f3hb0mpua.svc.ms",
            "/zbaehwg",
            "snthgk=1ff3-2345672zz831837523",
        ];
        let field = [
            "https://southcentralus1-7.pushnp.svc.ms/notifications",
            "southcentralus1-7.pushnp.svc.ms",
            "/notifications",
            "token=AB%2Bc==&applicationId=11-22",
        ];
        let rows = [
            (SAMPLE, Auto, sample),
            (SAMPLE, Split, sample),
            (
                SAMPLE,
                Direct,
                [
                    "https://f3hb0mpua.svc.ms/zbaehwg/callback",
                    "f3hb0mpua.svc.ms",
                    "/zbaehwg/callback",
                    "snthgk=1ff3-2345672zz831837523",
                ],
            ),
            (FIELD, Auto, field),
            (FIELD, Direct, field),
            // Nothing in the query is touched: order, duplicates, padding, escapes, quotes, a second `?`.
            (
                "https://h/n?b=2&a=1&a=%41+%2b&flag&tok=aa==&q='\\^`{|}?/",
                Auto,
                [
                    "https://h/n",
                    "h",
                    "/n",
                    "b=2&a=1&a=%41+%2b&flag&tok=aa==&q='\\^`{|}?/",
                ],
            ),
            // The namespace is the path verbatim: not decoded, not normalised.
            (
                "https://H.example:8443/A%20b/./x/?t=1",
                Auto,
                [
                    "https://h.example:8443/A%20b/./x/",
                    "h.example",
                    "/A%20b/./x/",
                    "t=1",
                ],
            ),
            ("HTTPS://h:443/n?t", Auto, ["https://h/n", "h", "/n", "t"]),
            ("https://h/?t=1", Auto, ["https://h/", "h", "/", "t=1"]),
            ("https://h?t=1", Auto, ["https://h/", "h", "/", "t=1"]),
            // `/callback?` within the query does not make a split URL.
            (
                "https://h/n?next=/callback?x",
                Auto,
                ["https://h/n", "h", "/n", "next=/callback?x"],
            ),
            (
                "https://h/n/callbacks?t=1",
                Auto,
                ["https://h/n/callbacks", "h", "/n/callbacks", "t=1"],
            ),
            (
                "http://127.0.0.1:81/n?t=1",
                Auto,
                ["http://127.0.0.1:81/n", "127.0.0.1", "/n", "t=1"],
            ),
            (
                "http://[::1]:81/a/b/callback?t=1",
                Auto,
                ["http://[::1]:81/a/b", "[::1]", "/a/b", "t=1"],
            ),
        ];
        for (text, recipe, expected) in rows {
            assert_eq!(
                read(text, recipe),
                Ok(expected.map(str::to_owned)),
                "{text} {recipe:?}"
            );
        }
    }

    #[test]
    fn bad_urls() {
        use NotificationUrlError as E;
        use Recipe::{Auto, Direct, Split};
        let address = E::IllegalCharacter { part: "address" };
        let query = E::IllegalCharacter { part: "query" };
        let long = format!("https://h/n?t={}", "x".repeat(8000));
        let path = "p".repeat(Namespace::MAX_LEN);
        let long_path = format!("https://h/{path}?t=1");
        let long_split = format!("https://h/{path}/callback?t=1");
        let rows = [
            ("http://svc.ms/n?t=1", Auto, E::NotHttps),
            ("wss://svc.ms/n?t=1", Auto, E::NotHttps),
            ("ftp://svc.ms/n?t=1", Auto, E::NotHttps),
            ("mailto:a@b?t=1", Auto, E::NotHttps),
            ("https://?t=1", Auto, E::NoHost),
            ("https:///?t=1", Auto, E::NoHost),
            ("https:///notifications?t=1", Auto, E::NoHost),
            ("https://h/n", Auto, E::EmptyQuery),
            ("https://h/n?", Auto, E::EmptyQuery),
            ("https://h/n/callback?", Auto, E::EmptyQuery),
            ("https://h/n/callback", Auto, E::EmptyQuery),
            (
                "https://h/a/callback?x=/b/callback?y",
                Auto,
                E::CallbackTwice,
            ),
            ("https://h/a/callback?x/callback?y", Split, E::CallbackTwice),
            ("https://h/a,b?t=1", Auto, E::CommaInNamespace),
            ("https://h/a,b/callback?t=1", Auto, E::CommaInNamespace),
            ("https://h/n?t=a b", Auto, query.clone()),
            ("https://h/n?t=é", Direct, query.clone()),
            ("https://h/n?t=a\nb", Auto, query.clone()),
            ("https://h/n?t=a ", Auto, query.clone()),
            ("https://h/n?t=\"a\"", Auto, query.clone()),
            ("https://h/n?t=<a>", Direct, query),
            ("https://h/n?t=1&sid=x", Auto, E::ReservedParameter("sid")),
            (
                "https://h/n/callback?EIO=3",
                Split,
                E::ReservedParameter("EIO"),
            ),
            (
                "https://h/n?transport",
                Auto,
                E::ReservedParameter("transport"),
            ),
            ("https://h/a b?t=1", Auto, address.clone()),
            ("https://h/é?t=1", Auto, address.clone()),
            (" https://h/n?t=1", Auto, address.clone()),
            ("https:\\\\h/n?t=1", Auto, address.clone()),
            ("https://h\\n?t=1", Auto, address),
            ("https://h/callback?t=1", Auto, E::EmptyNamespace),
            ("https://h//callback?t=1", Split, E::EmptyNamespace),
            (FIELD, Split, E::NoCallback),
            ("https://u:p@h/n?t=1", Auto, E::UserInfo),
            ("https://u@h/n?t=1", Auto, E::UserInfo),
            ("https://h/n?t=1#f", Auto, E::Fragment),
            ("https://h/n#?t=1", Auto, E::Fragment),
            (&long, Auto, E::TooLong),
            (&long_path, Auto, E::NamespaceTooLong),
            (&long_split, Auto, E::NamespaceTooLong),
        ];
        for (text, recipe, expected) in rows {
            assert_eq!(read(text, recipe), Err(expected), "{text} {recipe:?}");
        }
        for text in [
            "",
            "h/n?t=1",
            "not a url",
            "https://h:99999/n?t=1",
            "/n?t=1",
        ] {
            let refused = read(text, Auto);
            assert!(matches!(refused, Err(E::NotAUrl(_))), "{text} {refused:?}");
        }
    }

    #[test]
    fn plain_http_has_to_be_allowed() {
        let refused = NotificationUrl::parse("http://127.0.0.1/n?t=1");
        assert_eq!(refused, Err(NotificationUrlError::NotHttps));
    }

    #[test]
    fn equality_includes_the_query() {
        let url = |text| NotificationUrl::parse(text).unwrap();
        assert_eq!(url(SAMPLE), SAMPLE.parse().unwrap());
        assert_ne!(url("https://h/n?t=1"), url("https://h/n?t=2"));
        assert_ne!(url("https://h/n?t=1"), url("https://h/m?t=1"));
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_keeps_every_byte(
            text in "(https?://)?(h|127\\.0\\.0\\.1|\\[::1\\])?(:[0-9]{0,5})?(/[ -~]{0,9}){0,3}(/callback)?(\\?\\PC{0,30})?",
        ) {
            for recipe in [Recipe::Auto, Recipe::Split, Recipe::Direct] {
                if let Ok([_, _, namespace, query]) = read(&text, recipe) {
                    let cut = if text.contains(&format!("{namespace}/callback?{query}")) {
                        "/callback?"
                    } else {
                        "?"
                    };
                    let tail = format!("{namespace}{cut}{query}");
                    let without_path = format!("?{query}");
                    proptest::prop_assert!(
                        text.ends_with(&tail) || (namespace == "/" && text.ends_with(&without_path))
                    );
                }
            }
        }
    }
}
