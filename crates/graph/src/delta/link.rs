//! The links that a delta query goes along: opaque, secret, and bound to one origin.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use engineio::secrets::Secrets;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::cloud::PlainHttp;

/// The longest link that is accepted, in bytes: far more than HTTP servers take in a request line.
const MAX_LEN: usize = 64 * 1024;

/// The function whose argument is a token, in links that have it in the path: `delta(token='…')`.
const TOKEN_ARGUMENT: &str = "token='";

/// A point in the history of a drive or list, as Microsoft Graph wrote it: an `@odata.deltaLink`,
/// an `@odata.nextLink`, or where to start over.
///
/// It is opaque and used as it came (of all that URLs may hold, only an apostrophe in the query travels
/// in another form, as `%27`). It carries a token, so `Debug` does not show it; to keep it
/// over a restart of the program, store [`DeltaLink::expose`], or serialize it with serde, and guard
/// what is stored like a password.
///
/// A link that comes from a file may have been tampered with. [`DeltaLink::parse`] checks its form,
/// and [`Delta`](crate::Delta) sends the access token only to links of its own cloud: the same scheme,
/// host and port.
///
/// ```
/// use graph_notifications::DeltaLink;
///
/// let kept = "https://graph.microsoft.com/v1.0/drives/b!x/root/delta?token=MzslMjM0";
/// let link = DeltaLink::parse(kept)?;
/// assert_eq!(link.expose(), kept);
/// assert!(!format!("{link:?}").contains("MzslMjM0"));
/// # Ok::<(), graph_notifications::DeltaLinkError>(())
/// ```
#[derive(Clone)]
pub struct DeltaLink(SecretString);

/// Why a text is not a [`DeltaLink`]. Never contains the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaLinkError {
    /// It is not an absolute URL, or contains white space or control characters.
    #[error("the delta link is not an absolute URL")]
    NotAUrl,
    /// It is neither `https`, nor `http` to a loopback host.
    #[error("the delta link is not https")]
    NotHttps,
    /// It has a user, a password or a fragment.
    #[error("the delta link has a user or a fragment")]
    Extra,
    /// It is longer than 64 KiB.
    #[error("the delta link is longer than {MAX_LEN} bytes")]
    TooLong,
}

impl DeltaLink {
    /// Takes a link: `https`, or `http` to a loopback host, without user and fragment.
    ///
    /// # Errors
    ///
    /// [`DeltaLinkError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, DeltaLinkError> {
        if text.len() > MAX_LEN {
            return Err(DeltaLinkError::TooLong);
        }
        // URL parsers skip some of these without a word, and a link is used as it came.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(DeltaLinkError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| DeltaLinkError::NotAUrl)?;
        if url.scheme() != "https" && !PlainHttp::OnLoopback.allows(&url) {
            return Err(DeltaLinkError::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(DeltaLinkError::Extra);
        }
        Ok(Self(text.into()))
    }

    /// The link, which is a secret: to be stored, and not to be shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The link that a `Location` header has: a URL, maybe relative to that of the request.
    pub(super) fn from_location(location: &str, request: &str) -> Option<Self> {
        Self::parse(location).ok().or_else(|| {
            let absolute = Url::parse(request).ok()?.join(location).ok()?;
            Self::parse(absolute.as_str()).ok()
        })
    }

    /// Whether it leads to the same scheme, host and port as `base_url`.
    pub(super) fn belongs_to(&self, base_url: &str) -> bool {
        match (Url::parse(self.expose()), Url::parse(base_url)) {
            (Ok(own), Ok(base)) => own.origin().is_tuple() && own.origin() == base.origin(),
            _ => false,
        }
    }

    /// A short stand-in to recognize it by.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.expose().hash(&mut hasher);
        hasher.finish()
    }
}

/// What must not be repeated of the URL of a request, the longest first.
pub(super) fn secrets_of(url: &str) -> Vec<String> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut secrets = vec![url.to_owned()];
    if !query.is_empty() {
        secrets.extend(Secrets::in_query(query));
    }
    let lower = path.to_ascii_lowercase().replace("%27", "'");
    if lower.contains(TOKEN_ARGUMENT) {
        // Where quotes are encoded, and the rest with them, the decoded form is another text.
        for path in [path.to_owned(), path.replace("%27", "'")] {
            let argument = path.split_once(TOKEN_ARGUMENT).map(|(_, rest)| rest);
            let token = argument.and_then(|rest| rest.split('\'').next());
            secrets.extend(token.map(Secrets::in_query).unwrap_or_default());
        }
    }
    secrets
}

impl fmt::Debug for DeltaLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeltaLink([redacted])")
    }
}

impl PartialEq for DeltaLink {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for DeltaLink {}

impl std::str::FromStr for DeltaLink {
    type Err = DeltaLinkError;

    fn from_str(text: &str) -> Result<Self, DeltaLinkError> {
        Self::parse(text)
    }
}

/// As the text of the link, which is a secret.
impl Serialize for DeltaLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for DeltaLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    fn what_is_a_link_and_what_is_not() {
        let long = format!("https://h/{}", "x".repeat(MAX_LEN));
        let rows = [
            ("https://h/v1.0/drives/b!x/root/delta?token=a%2Bb==", None),
            ("https://h/v1.0/drives/b!x/root/delta(token='x')", None),
            ("http://127.0.0.1:9/delta?token=1", None),
            ("http://localhost/delta?token=1", None),
            (
                "http://graph.microsoft.com/delta",
                Some(DeltaLinkError::NotHttps),
            ),
            (
                "http://localhost.example/delta",
                Some(DeltaLinkError::NotHttps),
            ),
            ("ftp://h/delta", Some(DeltaLinkError::NotHttps)),
            ("file:///etc/passwd", Some(DeltaLinkError::NotHttps)),
            ("https://u@h/delta", Some(DeltaLinkError::Extra)),
            ("https://h:p@evil/delta", Some(DeltaLinkError::Extra)),
            ("https://h/delta#f", Some(DeltaLinkError::Extra)),
            ("", Some(DeltaLinkError::NotAUrl)),
            ("/v1.0/delta?token=1", Some(DeltaLinkError::NotAUrl)),
            (" https://h/delta", Some(DeltaLinkError::NotAUrl)),
            ("https://h/de\nlta", Some(DeltaLinkError::NotAUrl)),
            (&long, Some(DeltaLinkError::TooLong)),
        ];
        for (text, refused) in rows {
            match (DeltaLink::parse(text), refused) {
                (Ok(link), None) => assert_eq!(link.expose(), text),
                (Err(error), Some(expected)) => assert_eq!(error, expected, "{text}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_link_belongs_to_one_origin() {
        let rows = [
            ("https://h/v1.0/x?t=1", "https://h/v1.0", true),
            ("https://h:443/x", "https://h/v1.0", true),
            ("https://H/x", "https://h/v1.0", true),
            ("https://h:444/x", "https://h/v1.0", false),
            ("https://h.evil/x", "https://h/v1.0", false),
            ("https://evil/h/v1.0", "https://h/v1.0", false),
            ("https://sub.h/x", "https://h/v1.0", false),
            ("http://localhost/x", "https://localhost/v1.0", false),
            ("https://localhost/x", "http://localhost/v1.0", false),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:1/v1.0", true),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:2/v1.0", false),
            ("http://127.0.0.2:1/x", "http://127.0.0.1:1/v1.0", false),
        ];
        for (link, base, expected) in rows {
            let link = DeltaLink::parse(link).unwrap();
            assert_eq!(link.belongs_to(base), expected, "{} {base}", link.expose());
        }
    }

    #[test]
    fn a_location_may_be_relative() {
        let rows = [
            ("https://o/delta?token=2", Some("https://o/delta?token=2")),
            ("/v1.0/delta?token=2", Some("https://h/v1.0/delta?token=2")),
            ("?token=2", Some("https://h/v1.0/old?token=2")),
            ("http://evil/x", None),
        ];
        for (location, expected) in rows {
            let link = DeltaLink::from_location(location, "https://h/v1.0/old?token=1");
            assert_eq!(link.as_ref().map(DeltaLink::expose), expected, "{location}");
        }
    }

    #[test]
    fn links_are_kept_by_serde_and_checked_when_they_come_back() {
        let text = r#""https://h/delta?token=PLANTED""#;
        let link: DeltaLink = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&link).unwrap(), text);
        assert!(!format!("{link:?}").contains("PLANTED"));

        let bad = r#""http://evil.example/delta?token=PLANTED""#;
        let error = serde_json::from_str::<DeltaLink>(bad).unwrap_err();
        assert!(error.to_string().contains("not https"), "{error}");
        assert!(!error.to_string().contains("PLANTED"), "{error}");
    }

    #[test]
    fn tokens_are_secret_wherever_a_link_has_them() {
        let rows = [
            "https://h/delta?token=PLANTED",
            "https://h/delta?$skiptoken=PLANTED&x=y",
            "https://h/delta(token='PLANTED')",
            "https://h/delta(token=%27PLANTED%27)",
            "https://h/delta?token=PLAN%54ED",
        ];
        for url in rows {
            let secrets = secrets_of(url);
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let said = text::clean(&format!("no PLANTED, no {url}"), &secrets);
            assert!(!said.contains("PLANTED"), "{url}: {said}");
        }
    }
}
