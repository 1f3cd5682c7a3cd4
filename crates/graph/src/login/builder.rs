//! The settings of a sign-in.

use std::time::Duration;

use engineio::client::Http;
use secrecy::{ExposeSecret as _, SecretString};

use crate::cloud::{BaseUrl, Cloud};
use crate::login::client::{self, Login, PendingLogin};
use crate::login::error::LoginError;
use crate::login::protocol;

/// More than any setting of a real application has, in bytes.
const MAX_SETTING_BYTES: usize = 256;

/// More than any refresh token has, in bytes: they have about 2 KiB.
const MAX_REFRESH_TOKEN_BYTES: usize = 64 * 1024;

/// The scopes that are OpenID Connect's, and belong to no API.
const OPENID_SCOPES: [&str; 4] = ["offline_access", "openid", "profile", "email"];

/// A sign-in by device code, for one application.
///
/// This is the OAuth 2.0 device authorization grant (RFC 8628) of the Microsoft identity platform:
/// it signs a person in on a machine without a browser, for hours and days. The program shows a
/// short code; the person enters it at a web page, on a phone for instance; from then on [`Login`]
/// provides access tokens, and gets new ones before they expire.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use graph_notifications::{DeviceCode, Resource, Watch};
///
/// // An application registered for "public client flows".
/// let sign_in = DeviceCode::builder("11111111-2222-3333-4444-555555555555").build()?;
/// let mut pending = sign_in.start().await?;
/// println!("{}", pending.message());
/// let login = pending.finish().await?;
///
/// // The refresh token is as good as a password: a keyring is a place for it.
/// # fn keep(_: Option<graph_notifications::SecretString>) {}
/// keep(login.refresh_token());
///
/// let watch = Watch::builder(Resource::me_drive()).token(login).connect().await?;
/// # let _ = watch;
/// # Ok(())
/// # }
/// ```
///
/// The next time, [`DeviceCode::restore`] makes a [`Login`] of that refresh token, and nobody is
/// asked.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    pub(super) client_id: String,
    /// With a space between.
    pub(super) scope: String,
    /// `{authority}/{tenant}/oauth2/v2.0`.
    pub(super) endpoint: String,
    pub(super) plain_http: bool,
    pub(super) http: Http,
    pub(super) timeout: Duration,
    pub(super) max_answer_bytes: usize,
}

impl DeviceCode {
    /// Begins with the id of the application, as it is registered with Microsoft Entra: as a
    /// public client, with "Allow public client flows" switched on.
    ///
    /// ```no_run
    /// # fn example() -> Result<(), graph_notifications::LoginError> {
    /// use graph_notifications::DeviceCode;
    ///
    /// let sign_in = DeviceCode::builder("11111111-2222-3333-4444-555555555555")
    ///     .tenant("contoso.onmicrosoft.com")
    ///     .scopes(["Files.Read.All", "Sites.Read.All", "offline_access"])
    ///     .build()?;
    /// # let _ = sign_in;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn builder(client_id: impl Into<String>) -> DeviceCodeBuilder {
        DeviceCodeBuilder {
            client_id: client_id.into(),
            tenant: "common".to_owned(),
            scopes: vec!["Files.Read.All".to_owned(), "offline_access".to_owned()],
            cloud: Cloud::Global,
            authority: None,
            http: None,
            timeout: Duration::from_secs(30),
            max_answer_bytes: 64 * 1024,
        }
    }

    /// Asks for a code for a person to enter. It needs a running tokio runtime, as all of this does.
    ///
    /// # Errors
    ///
    /// [`LoginError::Refused`] for an application, tenant or scope that the service does not
    /// know; what [`LoginError::is_retryable`] says may pass.
    pub async fn start(&self) -> Result<PendingLogin, LoginError> {
        client::start(self).await
    }

    /// A provider from the refresh token of an earlier sign-in; see [`Login::refresh_token`].
    /// Nothing is sent until a token is asked for.
    ///
    /// # Errors
    ///
    /// [`LoginError::Setting`] when it cannot be a refresh token: it is empty, or has a line
    /// break or another illegal character.
    pub fn restore(&self, refresh_token: impl Into<SecretString>) -> Result<Login, LoginError> {
        let refresh_token = refresh_token.into();
        let text = refresh_token.expose_secret();
        check("refresh token", text, MAX_REFRESH_TOKEN_BYTES, |byte| {
            byte == b' ' || byte.is_ascii_graphic()
        })?;
        Ok(Login::restored(self.clone(), refresh_token))
    }
}

/// Settings of a sign-in, made by [`DeviceCode::builder`].
#[derive(Clone, Debug)]
pub struct DeviceCodeBuilder {
    client_id: String,
    tenant: String,
    scopes: Vec<String>,
    cloud: Cloud,
    authority: Option<BaseUrl>,
    http: Option<Http>,
    timeout: Duration,
    max_answer_bytes: usize,
}

impl DeviceCodeBuilder {
    /// Who may sign in: a tenant's id or domain, `organizations` (any work or school account),
    /// `consumers` (personal accounts) or `common` (both). Default `common`.
    ///
    /// An application registered for a single tenant has to name that.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// The delegated permissions to ask for, all of them. Default `Files.Read.All` and
    /// `offline_access`.
    ///
    /// `Files.Read` is enough for the person's own drive; lists of SharePoint sites may need
    /// `Sites.Read.All`, which personal accounts do not have. `offline_access` grants the refresh
    /// token: without it, [`Login`] ends with the first access token, after about an hour.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Where Graph is, which says where to sign in: `login.microsoftonline.com`, `.us` for both of
    /// US Government, `login.chinacloudapi.cn` for China. Default [`Cloud::Global`].
    ///
    /// A [`Cloud::Custom`] needs an [`authority`](Self::authority), too.
    #[must_use]
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Where to sign in, if it is not where [`cloud`](Self::cloud) says. Plain `http` is for
    /// loopback hosts alone, as [`BaseUrl::parse`] has it.
    #[must_use]
    pub fn authority(mut self, authority: BaseUrl) -> Self {
        self.authority = Some(authority);
        self
    }

    /// The HTTP stack: proxy, certificates and so on. Default: a new one with its defaults.
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.http = Some(http);
        self
    }

    /// The longest that one request may take. Default 30 seconds.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The longest answer that is read, in bytes. Real ones are below 8 KiB. Default 64 KiB.
    #[must_use]
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }

    /// Checks the settings; nothing is sent.
    ///
    /// # Errors
    ///
    /// [`LoginError::Setting`] names the one that cannot be used; [`LoginError::Http`].
    pub fn build(self) -> Result<DeviceCode, LoginError> {
        check("client id", &self.client_id, MAX_SETTING_BYTES, |byte| {
            byte.is_ascii_graphic()
        })?;
        check("tenant", &self.tenant, MAX_SETTING_BYTES, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
        })?;
        if self.scopes.is_empty() {
            return Err(setting("scope", "is missing"));
        }
        for scope in &self.scopes {
            // RFC 6749, section 3.3.
            check("scope", scope, MAX_SETTING_BYTES, |byte| {
                byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
            })?;
        }
        let national = national(&self.cloud);
        let authority = match (&self.authority, &self.cloud) {
            (Some(authority), _) => authority.as_str(),
            (None, Cloud::Global) => "https://login.microsoftonline.com",
            (None, _) => match national {
                Some((authority, _)) => authority,
                None => {
                    return Err(setting(
                        "authority",
                        "is missing, as the cloud is a custom one",
                    ));
                }
            },
        };
        let scopes: Vec<_> = self
            .scopes
            .iter()
            .map(|scope| match national {
                // A bare name is one of the global Graph's.
                Some((_, graph))
                    if !scope.contains("://") && !OPENID_SCOPES.contains(&scope.as_str()) =>
                {
                    format!("{graph}/{scope}")
                }
                _ => scope.clone(),
            })
            .collect();
        let endpoint = protocol::endpoint(authority, &self.tenant);
        let http = match self.http {
            Some(http) => http,
            None => Http::new().map_err(|error| LoginError::Http(error.to_string()))?,
        };
        Ok(DeviceCode {
            client_id: self.client_id,
            scope: scopes.join(" "),
            plain_http: endpoint.starts_with("http:"),
            endpoint,
            http,
            timeout: self.timeout,
            max_answer_bytes: self.max_answer_bytes,
        })
    }
}

/// Where a national cloud signs people in, and its Graph.
fn national(cloud: &Cloud) -> Option<(&'static str, &'static str)> {
    const US: &str = "https://login.microsoftonline.us";
    match cloud {
        Cloud::UsGov => Some((US, "https://graph.microsoft.us")),
        Cloud::UsGovDod => Some((US, "https://dod-graph.microsoft.us")),
        Cloud::China => Some((
            "https://login.chinacloudapi.cn",
            "https://microsoftgraph.chinacloudapi.cn",
        )),
        Cloud::Global | Cloud::Custom(_) => None,
    }
}

fn setting(name: &'static str, problem: &'static str) -> LoginError {
    LoginError::Setting { name, problem }
}

fn check(
    name: &'static str,
    text: &str,
    max_bytes: usize,
    is_legal: impl Fn(u8) -> bool,
) -> Result<(), LoginError> {
    if text.is_empty() {
        return Err(setting(name, "is empty"));
    }
    if text.len() > max_bytes {
        return Err(setting(name, "is too long"));
    }
    if !text.bytes().all(is_legal) {
        return Err(setting(name, "has a character that cannot be in one"));
    }
    // A segment of dots alone would name another path.
    if text.bytes().all(|byte| byte == b'.') {
        return Err(setting(name, "is made of dots only"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlainHttp;

    #[test]
    fn each_cloud_has_its_authority_and_its_scopes() {
        let rows = [
            (
                Cloud::Global,
                "https://login.microsoftonline.com/common/oauth2/v2.0",
                "Files.Read.All offline_access",
            ),
            (
                Cloud::UsGov,
                "https://login.microsoftonline.us/common/oauth2/v2.0",
                "https://graph.microsoft.us/Files.Read.All offline_access",
            ),
            (
                Cloud::UsGovDod,
                "https://login.microsoftonline.us/common/oauth2/v2.0",
                "https://dod-graph.microsoft.us/Files.Read.All offline_access",
            ),
            (
                Cloud::China,
                "https://login.chinacloudapi.cn/common/oauth2/v2.0",
                "https://microsoftgraph.chinacloudapi.cn/Files.Read.All offline_access",
            ),
        ];
        for (cloud, endpoint, scope) in rows {
            let built = DeviceCode::builder("id").cloud(cloud).build().unwrap();
            assert_eq!((&*built.endpoint, &*built.scope), (endpoint, scope));
            assert!(!built.plain_http);
        }
        let authority = BaseUrl::parse("http://127.0.0.1:9/", PlainHttp::OnLoopback).unwrap();
        let custom = DeviceCode::builder("id")
            .cloud(Cloud::custom("https://graph.example").unwrap())
            .tenant("contoso.example")
            .scopes(["https://h/X", "Y"]);
        assert_eq!(
            custom.clone().build().unwrap_err(),
            setting("authority", "is missing, as the cloud is a custom one")
        );
        let built = custom.authority(authority).build().unwrap();
        assert_eq!(
            (&*built.endpoint, &*built.scope, built.plain_http),
            (
                "http://127.0.0.1:9/contoso.example/oauth2/v2.0",
                "https://h/X Y",
                true
            )
        );
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let long = "x".repeat(MAX_SETTING_BYTES + 1);
        for (bad, name) in [
            (DeviceCode::builder(""), "client id"),
            (DeviceCode::builder("a b"), "client id"),
            (DeviceCode::builder(&*long), "client id"),
            (DeviceCode::builder("id").tenant(""), "tenant"),
            (DeviceCode::builder("id").tenant("a/b"), "tenant"),
            (DeviceCode::builder("id").tenant(".."), "tenant"),
            (DeviceCode::builder("id").tenant("a?b"), "tenant"),
            (DeviceCode::builder("id").scopes([""; 0]), "scope"),
            (DeviceCode::builder("id").scopes(["a b"]), "scope"),
            (DeviceCode::builder("id").scopes(["a\n"]), "scope"),
        ] {
            match bad.build() {
                Err(LoginError::Setting { name: found, .. }) => assert_eq!(found, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        let built = DeviceCode::builder("id").build().unwrap();
        for bad in ["", "token\n", "tökén"] {
            let refused = built.restore(bad).unwrap_err();
            assert!(matches!(
                refused,
                LoginError::Setting {
                    name: "refresh token",
                    ..
                }
            ));
        }
        assert!(built.restore("M.C5_BAY.0.U.-x*!$").is_ok());
    }
}
