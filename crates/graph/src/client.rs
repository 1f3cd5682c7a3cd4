//! The Graph request over HTTP.

use std::time::SystemTime;

use engineio::client::Http;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER,
};

use crate::error::{GraphError, TransportFailure, TransportFailureKind};
use crate::resource::ResourceError;
use crate::subscription::{Answer, Subscription, SubscriptionRequest};
use crate::text;
use crate::token::AccessToken;

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
        let failed = |error: reqwest::Error| GraphError::Transport(describe(error, token));
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
            .timeout(self.timeout)
            .send()
            .await
            .map_err(failed)?;

        let mut body = Vec::new();
        let mut complete = true;
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= self.max_answer_bytes => {
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

        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: header(RETRY_AFTER.as_str()),
            date: header(DATE.as_str()),
            request_id: header("request-id"),
            body: complete.then_some(body.as_slice()),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "expiration and Retry-After may be dates, and this is the I/O side"
        )]
        let now = SystemTime::now();
        self.read(&answer, now, &[token.expose()])
    }
}

/// What the HTTP stack says, without the URL, as one line.
fn describe(error: reqwest::Error, token: &AccessToken) -> TransportFailure {
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
        message: text::clean(&Http::explain(&error), &[token.expose()]),
    }
}
