//! From the command line to a watch.

use std::{
    io::{self, BufRead, Read},
    path::Path,
    sync::Arc,
};

use graph_notifications::{
    ApiVersion, BaseUrl, Cloud, Delta, Http, NotificationUrl, PlainHttp, Resource, TokenProvider,
    UrlOptions, Watch, WatchBuilder, WatchConfig, WatchSource,
};

use crate::{
    args::{NetworkArgs, RunArgs, UrlArgs, WatchArgs},
    exit::{Failure, Status},
    login,
    token::TokenSource,
};

/// More than any notificationUrl has: what comes after it on standard input is not read.
const MAX_URL_BYTES: u64 = 16 * 1024;
/// More than any bundle of certificates has.
const MAX_CA_BYTES: u64 = 16 * 1024 * 1024;

/// A watch of a resource, which asks Graph for its URLs, and what tells the changes if that is wanted.
pub(crate) async fn watch_resource(
    resource: Resource,
    args: WatchArgs,
) -> Result<(Watch, Option<Delta>), Failure> {
    // First what can be told without the token, so that the cheaper mistake is told first.
    resource.path()?;
    let base = BaseUrl::parse(&args.graph_url, plain_http(&args.network))?;
    let http = http(&args.network)?;
    let token: Arc<dyn TokenProvider> = match &args.login.login {
        Some(client_id) => {
            let plain_http = plain_http(&args.network);
            let signed_in = login::sign_in(client_id, &args.login, &base, plain_http, http.clone());
            Arc::new(signed_in.await?)
        }
        None => Arc::new(TokenSource::new(args.token)?),
    };
    let cloud = Cloud::Custom(base);
    let version = if args.beta {
        ApiVersion::Beta
    } else {
        ApiVersion::V1
    };
    let delta = Delta::builder(resource.clone())
        .token(token.clone())
        .cloud(cloud.clone())
        .version(version)
        .http(http.clone());
    let delta = args.changes.then(|| delta.build()).transpose()?;
    let mut builder = Watch::builder(resource)
        .token(token)
        .cloud(cloud)
        .version(version)
        .recipe(args.network.recipe());
    if args.network.allow_http {
        builder = builder.allow_http_on_loopback();
    }
    Ok((start(builder, http, &args.run, &args.network), delta))
}

/// A watch of a given URL, which lives as long as the URL.
pub(crate) async fn watch_url(args: UrlArgs) -> Result<Watch, Failure> {
    let text = if args.url == "-" {
        read_url().await?
    } else {
        args.url
    };
    let options = UrlOptions::default()
        .recipe(args.network.recipe())
        .plain_http(plain_http(&args.network));
    let url = NotificationUrl::parse_with(&text, options)?;
    let http = http(&args.network)?;
    Ok(start(Watch::for_url(url), http, &args.run, &args.network))
}

fn start<S: Into<WatchSource>>(
    builder: WatchBuilder<S>,
    http: Http,
    run: &RunArgs,
    network: &NetworkArgs,
) -> Watch {
    let mut config = WatchConfig::default();
    config.backoff.max_attempts = network.retries;
    builder
        .http(http)
        .transport(run.transport())
        .engine_io(run.engine_io())
        .config(config)
        .start()
}

fn plain_http(network: &NetworkArgs) -> PlainHttp {
    if network.allow_http {
        PlainHttp::OnLoopback
    } else {
        PlainHttp::Never
    }
}

fn http(network: &NetworkArgs) -> Result<Http, Failure> {
    let user_agent = concat!("graph-watch/", env!("CARGO_PKG_VERSION"));
    let mut builder = Http::builder().user_agent(user_agent);
    if let Some(path) = &network.ca_file {
        let bad_file = |why: &dyn std::fmt::Display| {
            let what = format!("the certificate file {} is unusable: {why}", path.display());
            Failure::new(
                Status::BadInput,
                what,
                "give --ca-file a file of PEM certificates",
            )
        };
        let pem = read_file(path).map_err(|error| bad_file(&error))?;
        builder = builder
            .root_certificates_pem(&pem)
            .map_err(|error| bad_file(&error))?;
    }
    if let Some(proxy) = &network.proxy {
        builder = builder.proxy(proxy).map_err(|error| {
            let next =
                "give --proxy a URL such as http://proxy.example:8080 or socks5://localhost:1080";
            Failure::new(Status::BadInput, error, next)
        })?;
    }
    builder.build().map_err(Failure::internal)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MAX_CA_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first line of standard input, without the white space around it.
async fn read_url() -> Result<String, Failure> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = Vec::new();
        io::stdin()
            .lock()
            .take(MAX_URL_BYTES)
            .read_until(b'\n', &mut line)?;
        Ok::<_, io::Error>(line)
    });
    let next = "write the notificationUrl on one line to standard input";
    let line = match read.await {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => {
            let what = format!("standard input cannot be read: {error}");
            return Err(Failure::new(Status::BadInput, what, next));
        }
        Err(error) => return Err(Failure::internal(error)),
    };
    let text = String::from_utf8(line)
        .map_err(|_| Failure::new(Status::BadInput, "standard input is not text", next))?;
    match text.trim() {
        "" => Err(Failure::new(
            Status::BadInput,
            "standard input holds no notification URL",
            next,
        )),
        url => Ok(url.to_owned()),
    }
}
