//! The Graph request over HTTP.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use engineio::client::Http;
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER,
};

use crate::error::{GraphError, TransportFailure, TransportFailureKind};
use crate::resource::ResourceError;
use crate::subscription::{Answer, Subscription, SubscriptionRequest};
use crate::text;
use crate::token::{AccessToken, TokenError, TokenProvider, TokenRequest};

/// Why [`SubscriptionRequest::send`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The resource has no path; nothing was sent.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The request failed.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl SubscriptionRequest {
    /// Makes the request once.
    ///
    /// # Errors
    ///
    /// [`SendError::Resource`] when there is nothing to send, else [`SendError::Graph`].
    pub async fn send(&self, http: &Http, token: &AccessToken) -> Result<Subscription, SendError> {
        let url = self.url()?;
        Ok(self.exchange(http, &url, token).await?)
    }

    async fn exchange(
        &self,
        http: &Http,
        url: &str,
        token: &AccessToken,
    ) -> Result<Subscription, GraphError> {
        let secrets = [token.expose()];
        let response = get(
            http,
            url,
            token,
            self.timeout,
            self.max_answer_bytes,
            &secrets,
        )
        .await?;
        self.read(&response.answer(), response.received, &secrets)
    }
}

/// An HTTP answer as it came.
pub(crate) struct Response {
    status: u16,
    headers: HeaderMap,
    /// `None` when it is longer than the limit.
    body: Option<Vec<u8>>,
    /// When it came, by the wall clock.
    pub(crate) received: SystemTime,
}

impl Response {
    pub(crate) fn answer(&self) -> Answer<'_> {
        Answer {
            status: self.status,
            retry_after: self.header(RETRY_AFTER.as_str()),
            date: self.header(DATE.as_str()),
            request_id: self.header("request-id"),
            body: self.body.as_deref(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One GET with the token, and its answer, whatever the status. `secrets` are kept out of errors.
pub(crate) async fn get(
    http: &Http,
    url: &str,
    token: &AccessToken,
    timeout: Duration,
    max_answer_bytes: usize,
    secrets: &[&str],
) -> Result<Response, TransportFailure> {
    let failed = |error: reqwest::Error| describe(error, secrets);
    let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
    let mut bearer = bearer.map_err(|_| TransportFailure {
        kind: TransportFailureKind::Exchange,
        message: "the token does not fit a header".to_owned(),
    })?;
    bearer.set_sensitive(true);
    let mut response = http
        .as_reqwest()
        .get(url)
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        // Without it, any encoding would be acceptable.
        .header(ACCEPT_ENCODING, "identity")
        .timeout(timeout)
        .send()
        .await
        .map_err(failed)?;

    let mut body = Vec::new();
    let mut complete = true;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= max_answer_bytes => {
                body.extend_from_slice(&chunk);
            }
            Ok(None) => break,
            // An error says what it is before its body does.
            Err(error) if response.status().is_success() => return Err(failed(error)),
            Ok(Some(_)) | Err(_) => {
                complete = false;
                break;
            }
        }
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "expiration and Retry-After may be dates, and this is the I/O side"
    )]
    let received = SystemTime::now();
    Ok(Response {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body: complete.then_some(body),
        received,
    })
}

/// Asks for a token. A provider is the application's code: it may hang or panic, and we go on.
pub(crate) async fn ask_for_token(
    provider: &dyn TokenProvider,
    request: TokenRequest,
    timeout: Duration,
) -> Result<AccessToken, TokenError> {
    let asking = AssertUnwindSafe(async { provider.token(request).await }).catch_unwind();
    match tokio::time::timeout(timeout, asking).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_panic)) => Err(TokenError::unavailable("the token provider panicked")),
        Err(_elapsed) => Err(TokenError::TimedOut),
    }
}

/// What the HTTP stack says, without the URL, as one line.
fn describe(error: reqwest::Error, secrets: &[&str]) -> TransportFailure {
    let error = error.without_url();
    let kind = if error.is_timeout() {
        TransportFailureKind::Timeout
    } else if error.is_connect() {
        TransportFailureKind::Connect
    } else {
        TransportFailureKind::Exchange
    };
    TransportFailure {
        kind,
        message: text::clean(&Http::explain(&error), secrets),
    }
}
