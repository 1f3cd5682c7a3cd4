//! Where Microsoft Graph is: the clouds, the API version, and where plain HTTP is tolerated.

use std::fmt;

use url::{Host, Url};

/// Whether `http://` may stand where `https://` is expected.
///
/// Tokens and notification URLs are credentials, so plain HTTP is refused everywhere, and can
/// be allowed for loopback hosts only: `localhost`, `127.0.0.0/8` and `::1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlainHttp {
    /// Always refused. The default.
    #[default]
    Never,
    /// Allowed when the host is a loopback host: for a local stand-in and for tests.
    OnLoopback,
}

impl PlainHttp {
    pub(crate) fn allows(self, url: &Url) -> bool {
        url.scheme() == "http" && self == Self::OnLoopback && is_loopback(url)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A Microsoft Graph deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// `https://graph.microsoft.com`. The default.
    #[default]
    Global,
    /// US Government L4: `https://graph.microsoft.us`.
    UsGov,
    /// US Government L5, Department of Defense: `https://dod-graph.microsoft.us`.
    UsGovDod,
    /// China, operated by 21Vianet: `https://microsoftgraph.chinacloudapi.cn`.
    China,
    /// Any other base URL.
    Custom(BaseUrl),
}

impl Cloud {
    /// A deployment at an `https` base URL; see [`BaseUrl::parse`].
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`] says what is wrong with the URL.
    pub fn custom(base_url: &str) -> Result<Self, BaseUrlError> {
        BaseUrl::parse(base_url, PlainHttp::Never).map(Self::Custom)
    }

    /// The base URL followed by the version: `https://graph.microsoft.com/v1.0`.
    pub(crate) fn versioned(&self, version: ApiVersion) -> String {
        let base = match self {
            Self::Global => "https://graph.microsoft.com",
            Self::UsGov => "https://graph.microsoft.us",
            Self::UsGovDod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
            Self::Custom(base) if base.has_version => return base.url.clone(),
            Self::Custom(base) => &base.url,
        };
        format!("{base}/{version}")
    }
}

/// The base URL of a [`Cloud::Custom`] deployment, such as `https://graph.example`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    /// Without a trailing slash.
    url: String,
    has_version: bool,
}

impl BaseUrl {
    /// Reads a base URL: `https`, or `http` where `plain_http` allows it; a host; maybe a path;
    /// no user, query or fragment.
    ///
    /// The API version is appended, unless the base URL ends in `/v1.0` or `/beta`: then it is
    /// used as it stands, whatever [`ApiVersion`] says.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`] says what is wrong with the URL.
    pub fn parse(text: &str, plain_http: PlainHttp) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text).map_err(|error| BaseUrlError::NotAUrl(error.to_string()))?;
        if url.scheme() != "https" && !plain_http.allows(&url) {
            return Err(BaseUrlError::NotHttps);
        }
        let extra = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if extra {
            return Err(BaseUrlError::Extra);
        }
        let url = url.as_str().trim_end_matches('/').to_owned();
        let has_version = [ApiVersion::V1, ApiVersion::Beta]
            .iter()
            .any(|version| url.ends_with(&format!("/{version}")));
        Ok(Self { url, has_version })
    }

    /// The URL, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }
}

/// Why a text is not the base URL of a Graph deployment. Never contains the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlError {
    /// It is not a URL.
    #[error("the Graph base URL is not a URL: {0}")]
    NotAUrl(String),
    /// It is neither `https`, nor `http` to a loopback host with [`PlainHttp::OnLoopback`].
    #[error(
        "the Graph base URL is not https; plain http is possible for loopback hosts only, and has to be allowed"
    )]
    NotHttps,
    /// It has a user, a query or a fragment.
    #[error("the Graph base URL has a user, a query or a fragment")]
    Extra,
}

/// The version of the Graph API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiVersion {
    /// `v1.0`, the default.
    #[default]
    V1,
    /// `beta`.
    Beta,
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(text: &str) -> Cloud {
        Cloud::Custom(BaseUrl::parse(text, PlainHttp::OnLoopback).unwrap())
    }

    #[test]
    fn base_and_version() {
        let rows = [
            (
                Cloud::Global,
                ApiVersion::V1,
                "https://graph.microsoft.com/v1.0",
            ),
            (
                Cloud::Global,
                ApiVersion::Beta,
                "https://graph.microsoft.com/beta",
            ),
            (
                Cloud::UsGov,
                ApiVersion::V1,
                "https://graph.microsoft.us/v1.0",
            ),
            (
                Cloud::UsGovDod,
                ApiVersion::V1,
                "https://dod-graph.microsoft.us/v1.0",
            ),
            (
                Cloud::China,
                ApiVersion::V1,
                "https://microsoftgraph.chinacloudapi.cn/v1.0",
            ),
            (
                custom("https://h:8443/prefix/"),
                ApiVersion::V1,
                "https://h:8443/prefix/v1.0",
            ),
            (
                custom("http://127.0.0.1:9"),
                ApiVersion::Beta,
                "http://127.0.0.1:9/beta",
            ),
            (
                custom("https://graph.microsoft.com/beta/"),
                ApiVersion::V1,
                "https://graph.microsoft.com/beta",
            ),
        ];
        for (cloud, version, expected) in rows {
            assert_eq!(cloud.versioned(version), expected);
        }
    }

    #[test]
    fn plain_http_needs_loopback_and_permission() {
        let rows = [
            ("https://h", true, true),
            ("http://127.0.0.1:8", false, true),
            ("http://127.9.9.9", false, true),
            ("http://localhost:8", false, true),
            ("http://LOCALHOST:8", false, true),
            ("http://[::1]:8", false, true),
            ("http://10.0.0.1", false, false),
            ("http://graph.microsoft.com", false, false),
            ("http://localhost.example", false, false),
            ("http://127.0.0.1.example", false, false),
            ("ftp://127.0.0.1", false, false),
            ("ws://127.0.0.1", false, false),
        ];
        for (text, never, on_loopback) in rows {
            for (plain_http, expected) in [
                (PlainHttp::Never, never),
                (PlainHttp::OnLoopback, on_loopback),
            ] {
                let parsed = BaseUrl::parse(text, plain_http);
                assert_eq!(parsed.is_ok(), expected, "{text} {plain_http:?} {parsed:?}");
            }
        }
    }

    #[test]
    fn unusable_base_urls_are_refused() {
        for text in ["", "graph.microsoft.com", "https://", "/v1.0"] {
            let refused = Cloud::custom(text);
            assert!(
                matches!(refused, Err(BaseUrlError::NotAUrl(_))),
                "{text} {refused:?}"
            );
        }
        for text in [
            "https://user:pw@h",
            "https://user@h",
            "https://h/?token=x",
            "https://h/#f",
        ] {
            assert_eq!(Cloud::custom(text), Err(BaseUrlError::Extra), "{text}");
        }
    }
}
