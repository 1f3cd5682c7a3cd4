//! Signing in by device code, and the file that remembers it.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use graph_notifications::{
    AccessToken, BaseUrl, BoxFuture, Cloud, DeviceCode, ExposeSecret, Http, Login, LoginError,
    PlainHttp, SecretString, TokenError, TokenProvider, TokenRequest,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    args::LoginArgs,
    exit::{Failure, Status, one_line},
};

/// More than any refresh token has.
const MAX_CACHE_BYTES: u64 = 128 * 1024;

/// Signs in: with what the file remembers, or else by asking on standard error, which waits for the person.
pub(crate) async fn sign_in(
    client_id: &str,
    args: &LoginArgs,
    graph: &BaseUrl,
    plain_http: PlainHttp,
    http: Http,
) -> Result<SignedIn, Failure> {
    let sign_in = device_code(client_id, args, graph, plain_http, http)?;
    let cache = args.login_cache.clone().map(|path| Cache {
        path,
        client_id: client_id.to_owned(),
        tenant: args.tenant.clone(),
        login_url: args.login_url.clone(),
        graph_url: graph.as_str().to_owned(),
    });
    let Some(cache) = cache else {
        return Ok(SignedIn::new(ask(&sign_in).await?, None, None));
    };
    // A file that cannot be written is told before anybody has to do anything.
    let unusable = |error: io::Error| {
        let path = cache.path.display();
        let what = format!("the file {path} cannot keep the sign-in: {error}");
        let next = "give --login-cache a file in a directory that you can write to";
        Failure::new(Status::BadInput, what, next)
    };
    let remembered = cache.read().await.map_err(unusable)?;
    cache.try_out().await.map_err(unusable)?;
    if let Some(refresh_token) = remembered
        && let Ok(login) = sign_in.restore(refresh_token.clone())
    {
        match login.access_token(TokenRequest::any()).await {
            Err(LoginError::SignInAgain(_)) => {}
            Err(error) if !error.is_retryable() => return Err(error.into()),
            // What passes is the watch's to try again.
            Ok(_) | Err(_) => {
                let signed_in = SignedIn::new(login, Some(cache), Some(refresh_token));
                signed_in.keep().await;
                return Ok(signed_in);
            }
        }
    }
    let signed_in = SignedIn::new(ask(&sign_in).await?, Some(cache), None);
    signed_in.keep().await;
    Ok(signed_in)
}

fn device_code(
    client_id: &str,
    args: &LoginArgs,
    graph: &BaseUrl,
    plain_http: PlainHttp,
    http: Http,
) -> Result<DeviceCode, Failure> {
    let mut builder = DeviceCode::builder(client_id)
        .tenant(&args.tenant)
        .http(http);
    if !args.login_scope.is_empty() {
        let offline = "offline_access".to_owned();
        builder = builder.scopes(args.login_scope.iter().cloned().chain([offline]));
    }
    if let Some(url) = &args.login_url {
        let authority = BaseUrl::parse(url, plain_http).map_err(|_| {
            let what = "the URL of the sign-in service is not an https URL without user and query";
            let next = "give --login-url a URL such as https://login.microsoftonline.us; plain http is for this machine \
                        alone, and needs --allow-http";
            Failure::new(Status::BadInput, what, next)
        })?;
        builder = builder.authority(authority);
    }
    Ok(builder.cloud(cloud(graph)).build()?)
}

/// Which cloud a base URL is of, for where its people sign in.
fn cloud(graph: &BaseUrl) -> Cloud {
    let url = graph.as_str();
    let url = url.strip_suffix("/v1.0").unwrap_or(url);
    match url.strip_suffix("/beta").unwrap_or(url) {
        "https://graph.microsoft.com" => Cloud::Global,
        "https://graph.microsoft.us" => Cloud::UsGov,
        "https://dod-graph.microsoft.us" => Cloud::UsGovDod,
        "https://microsoftgraph.chinacloudapi.cn" => Cloud::China,
        _ => Cloud::Custom(graph.clone()),
    }
}

async fn ask(sign_in: &DeviceCode) -> Result<Login, Failure> {
    let mut pending = sign_in.start().await?;
    tell(pending.message());
    Ok(pending.finish().await?)
}

/// One line on standard error, which never is part of the output.
fn tell(text: &str) {
    let line = format!("graph-watch: {}\n", one_line(text));
    io::stderr().lock().write_all(line.as_bytes()).ok();
}

/// A sign-in whose newest refresh token is in the file before a token made with it is used.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    login: Login,
    cache: Option<Cache>,
    /// What the file holds.
    written: Mutex<Option<SecretString>>,
}

impl SignedIn {
    fn new(login: Login, cache: Option<Cache>, written: Option<SecretString>) -> Self {
        Self(Arc::new(Kept {
            login,
            cache,
            written: Mutex::new(written),
        }))
    }

    /// Writes the refresh token if the file has not got it yet.
    async fn keep(&self) {
        let (Some(cache), Some(token)) = (&self.0.cache, self.0.login.refresh_token()) else {
            return;
        };
        let mut written = self.0.written.lock().await;
        let is_written = |written: &SecretString| written.expose_secret() == token.expose_secret();
        if written.as_ref().is_some_and(is_written) {
            return;
        }
        match cache.write(token.clone()).await {
            Ok(()) => *written = Some(token),
            Err(error) => {
                let path = cache.path.display();
                tell(&format!(
                    "the file {path} cannot keep the sign-in, which ends with this run: {error}"
                ));
            }
        }
    }
}

impl TokenProvider for SignedIn {
    fn token(&self, request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(async move {
            let token = self.0.login.token(request).await;
            self.keep().await;
            token
        })
    }
}

/// The file, and whose sign-in it holds: a refresh token goes to where it came from, and nowhere else.
#[derive(Debug, Clone)]
struct Cache {
    path: PathBuf,
    client_id: String,
    tenant: String,
    login_url: Option<String>,
    graph_url: String,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    client_id: String,
    tenant: String,
    login_url: Option<String>,
    graph_url: String,
    refresh_token: String,
}

impl Cache {
    /// What the file remembers, if there is one and it is for the same sign-in.
    async fn read(&self) -> io::Result<Option<SecretString>> {
        let path = self.path.clone();
        let bytes = blocking(move || {
            let mut bytes = Vec::new();
            match fs::File::open(path) {
                Ok(file) => file.take(MAX_CACHE_BYTES).read_to_end(&mut bytes)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            };
            Ok(bytes)
        })
        .await?;
        // Whatever else it holds would be lost.
        if bytes.is_empty() {
            return Ok(None);
        }
        let contents: Contents = serde_json::from_slice(&bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it holds something else"))?;
        let is_ours = contents.client_id == self.client_id
            && contents.tenant == self.tenant
            && contents.login_url == self.login_url
            && contents.graph_url == self.graph_url;
        Ok(is_ours.then(|| contents.refresh_token.into()))
    }

    /// Whether a file can be made there.
    async fn try_out(&self) -> io::Result<()> {
        let path = self.path.clone();
        blocking(move || {
            let beside = beside(&path)?;
            drop(create(&beside)?);
            fs::remove_file(beside)
        })
        .await
    }

    async fn write(&self, refresh_token: SecretString) -> io::Result<()> {
        let cache = self.clone();
        blocking(move || {
            let contents = serde_json::to_vec(&Contents {
                client_id: cache.client_id,
                tenant: cache.tenant,
                login_url: cache.login_url,
                graph_url: cache.graph_url,
                refresh_token: refresh_token.expose_secret().to_owned(),
            })?;
            // All of it or nothing: half a file would cost the sign-in.
            let beside = beside(&cache.path)?;
            let written = create(&beside).and_then(|mut file| {
                file.write_all(&contents)?;
                file.sync_all()?;
                fs::rename(&beside, &cache.path)
            });
            if written.is_err() {
                fs::remove_file(&beside).ok();
            }
            written
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// A name in the same directory, for this process alone.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file"))?;
    let mut name = name.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(name))
}

/// A new file that only its owner can read and write.
fn create(path: &Path) -> io::Result<fs::File> {
    // Of a process with the same number that was killed.
    fs::remove_file(path).ok();
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
