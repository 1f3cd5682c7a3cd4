//! The one HTTP stack that carries every request.

mod builder;
mod explain;
mod proxy;

use std::fmt;
use std::sync::Arc;

use ::http::StatusCode;
use bytes::Bytes;
use url::Url;

pub use self::builder::{HttpBuilder, HttpError};
use self::proxy::Proxies;
use super::cookies::Answer;
use crate::connection::Response;
use crate::error::{TransportError, TransportErrorKind};
use crate::secrets::Secrets;

/// An HTTP client, set up once and shared: cloning it is cheap and shares its connection pool.
///
/// HTTP/1.1 only (a WebSocket handshake needs it, and servers are known to refuse HTTP/2), Nagle's algorithm off,
/// redirects not followed (credentials stay with the host they were meant for), TLS by rustls with the system's
/// certificates, the system's proxy settings honoured. [`HttpBuilder`] changes what can be changed.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    proxies: Arc<Proxies>,
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

    /// Whether a proxy forwards requests for this URL, and may change them.
    pub(super) fn is_forwarded(&self, url: &Url) -> bool {
        self.proxies.forward(url)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A proxy URL may hold a password.
        f.write_str("Http(..)")
    }
}

/// Error answers are short; what a server or a proxy writes beyond this helps nobody.
pub(super) const MAX_ERROR_BODY: usize = 64 * 1024;

/// Makes a request and reads the whole answer, at most `limit` bytes of it. An error answer comes without the secrets,
/// and without its body where that is long.
pub(super) async fn exchange(
    request: reqwest::RequestBuilder,
    is_forwarded: bool,
    limit: usize,
    secrets: Secrets,
) -> Answer<Result<Response, TransportError>> {
    let mut response = match send(request, is_forwarded).await {
        Ok(response) => response,
        Err(error) => return Answer::without_cookies(Err(error)),
    };
    // A proxy's cookies are not the server's.
    if let Err(error) = check_proxy(response.status()) {
        return Answer::without_cookies(Err(error));
    }
    let headers = std::mem::take(response.headers_mut());
    let outcome = read_answer(response, limit, secrets).await;
    Answer::new(outcome, &headers)
}

/// Makes a request. `is_forwarded` says that it is made of a proxy, which is then who cannot be reached.
pub(super) async fn send(
    request: reqwest::RequestBuilder,
    is_forwarded: bool,
) -> Result<reqwest::Response, TransportError> {
    request.send().await.map_err(|error| {
        let is_of_proxy = is_forwarded && error.is_connect();
        let mut error = transport_error(error);
        if is_of_proxy {
            error.message = explain::of_proxy(&error.message);
        }
        error
    })
}

async fn read_answer(
    mut response: reqwest::Response,
    limit: usize,
    secrets: Secrets,
) -> Result<Response, TransportError> {
    let status = response.status().as_u16();
    if status == 200 {
        return Ok(Response::new(
            status,
            read_body(&mut response, limit).await?,
        ));
    }
    let body = match read_body(&mut response, limit.min(MAX_ERROR_BODY)).await {
        // The status says enough.
        Err(error) if error.kind == TransportErrorKind::TooLarge => Bytes::new(),
        body => body?,
    };
    Ok(Response::new(status, secrets.remove_from(&body)))
}

/// A server asks for a login with 401. 407 is a proxy's, and comes as an answer where the proxy forwards requests.
pub(super) fn check_proxy(status: StatusCode) -> Result<(), TransportError> {
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(TransportError::new(
            TransportErrorKind::Connect,
            explain::PROXY_LOGIN,
        )),
        _ => Ok(()),
    }
}

/// Reads a body of at most `limit` bytes, into memory that is as large as the body: a piece is a slice of the HTTP
/// library's buffer, which has some 400 KiB, and a short answer would keep all of that alive.
pub(super) async fn read_body(
    response: &mut reqwest::Response,
    limit: usize,
) -> Result<Bytes, TransportError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
        let left = limit.saturating_sub(body.len());
        if chunk.len() > left {
            return Err(TransportError::new(
                TransportErrorKind::TooLarge,
                "a response body",
            ));
        }
        // Twice as large each time, as vectors grow, but never larger than the limit.
        if chunk.len() > body.capacity() - body.len() {
            body.reserve_exact(chunk.len().max(body.len().min(left)));
        }
        body.extend_from_slice(&chunk);
    }
    body.shrink_to_fit();
    Ok(body.into())
}

/// What the HTTP library says, as a value that holds no URL.
#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
pub(super) fn transport_error(error: reqwest::Error) -> TransportError {
    let kind = if error.is_connect() || explain::is_tls_refusal(&error) {
        TransportErrorKind::Connect
    } else if error.is_builder() {
        TransportErrorKind::Request
    } else if explain::is_too_large(&error) {
        TransportErrorKind::TooLarge
    } else if explain::is_not_http(&error) {
        TransportErrorKind::NotHttp
    } else {
        TransportErrorKind::Broken
    };
    TransportError::new(kind, Http::explain(&error))
}

impl Http {
    /// What went wrong with a request, in a few words for people, without the URL and without what every error repeats.
    ///
    /// The words are for showing: they change.
    #[must_use]
    pub fn explain(error: &reqwest::Error) -> String {
        explain::explain(error)
    }
}
