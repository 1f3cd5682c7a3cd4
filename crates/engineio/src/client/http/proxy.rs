//! Which proxy is used, if any.

use ::http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::builder::HttpError;

/// The kinds of proxy that there are.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
/// Where SOCKS proxies listen, RFC 1928, section 3.
const SOCKS_PORT: u16 = 1080;

/// The caller's choice.
#[derive(Clone, Default)]
pub(super) enum ProxyChoice {
    /// What the system's settings say.
    #[default]
    System,
    /// None at all.
    Direct,
    /// This one.
    Given(Url),
}

impl ProxyChoice {
    /// Reads the URL of a proxy; `host:port` is one by HTTP.
    pub(super) fn parse(url: &str) -> Result<Self, HttpError> {
        let with_scheme = match url.contains("://") {
            true => url.to_owned(),
            false => format!("http://{url}"),
        };
        let mut url = Url::parse(&with_scheme).map_err(|_| HttpError::Proxy)?;
        // The library ignores a proxy of a scheme that it does not know, and would connect directly.
        if !SCHEMES.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return Err(HttpError::Proxy);
        }
        if url.scheme().starts_with("socks") && url.port().is_none() {
            url.set_port(Some(SOCKS_PORT))
                .map_err(|()| HttpError::Proxy)?;
        }
        Ok(Self::Given(url))
    }

    /// Sets it, with a user name and a password if there are any.
    pub(super) fn apply(
        self,
        builder: reqwest::ClientBuilder,
        login: Option<(String, String)>,
    ) -> Result<reqwest::ClientBuilder, HttpError> {
        let mut url = match self {
            Self::System | Self::Direct if login.is_some() => return Err(HttpError::ProxyLogin),
            Self::System => return Ok(builder),
            Self::Direct => return Ok(builder.no_proxy()),
            Self::Given(url) => url,
        };
        if let Some((user, password)) = login {
            url.set_username(&user).map_err(|()| HttpError::Proxy)?;
            url.set_password(Some(&password))
                .map_err(|()| HttpError::Proxy)?;
        }
        // SOCKS 4 knows no password; the library would leave it out.
        let has_login = !url.username().is_empty() || url.password().is_some();
        if has_login && url.scheme().starts_with("socks4") {
            return Err(HttpError::ProxyLogin);
        }
        // The library reads the URL once more, and would connect directly where it cannot.
        let matcher = Matcher::builder().all(String::from(url.clone())).build();
        let anywhere = Uri::from_static("http://server.invalid/");
        if matcher.intercept(&anywhere).is_none() {
            return Err(HttpError::Proxy);
        }
        let proxy = reqwest::Proxy::all(url).map_err(|_| HttpError::Proxy)?;
        Ok(builder.proxy(proxy))
    }
}

/// What is known of the proxies of a client.
pub(super) struct Proxies(Option<Matcher>);

impl Proxies {
    pub(super) fn of(choice: &ProxyChoice) -> Self {
        Self(match choice {
            ProxyChoice::System => Some(Matcher::from_system()),
            ProxyChoice::Direct => None,
            ProxyChoice::Given(url) => {
                Some(Matcher::builder().all(String::from(url.clone())).build())
            }
        })
    }

    /// Whether a proxy forwards requests for this URL. Those for https and those by SOCKS go through tunnels, in which
    /// nobody changes them.
    pub(super) fn forward(&self, url: &Url) -> bool {
        let uri = url.as_str().parse::<Uri>();
        let (Some(matcher), Ok(uri), "http") = (&self.0, uri, url.scheme()) else {
            return false;
        };
        let scheme = matcher.intercept(&uri);
        let scheme = scheme.as_ref().and_then(|proxy| proxy.uri().scheme_str());
        scheme.is_some_and(|scheme| scheme.starts_with("http"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_by_an_http_proxy_is_forwarded() {
        for (proxy, url, is_forwarded) in [
            (Some("http://p:1"), "http://h:8080/?a=b%20c", true),
            (Some("https://u:p@p:1"), "http://h/", true),
            (Some("http://p:1"), "https://h/", false),
            (Some("socks5h://p:1"), "http://h/", false),
            (Some("socks4://p:1"), "http://h/", false),
            (None, "http://h/", false),
        ] {
            let choice = proxy.map_or(ProxyChoice::Direct, |url| ProxyChoice::parse(url).unwrap());
            let forwarded = Proxies::of(&choice).forward(&Url::parse(url).unwrap());
            assert_eq!(forwarded, is_forwarded, "{proxy:?} {url}");
        }
    }
}
