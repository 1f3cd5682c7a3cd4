//! What each attempt to connect uses, asked anew each time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use socketio_codec::Json;
use tokio::task::JoinHandle;

use crate::error::ProviderError;

/// Which attempt a provider is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// How many attempts were made since the last stable connection; 0 is the first.
    pub number: u32,
}

/// What one attempt uses instead of the constant settings of the [`Builder`](crate::Builder), and beside them.
///
/// ```
/// use http::header::AUTHORIZATION;
/// use http::HeaderValue;
/// use socketio::Dial;
///
/// let dial = Dial::new().query("room=1").header(AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
/// # drop(dial);
/// ```
#[derive(Clone, Default)]
pub struct Dial {
    pub(super) url: Option<String>,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

impl Dial {
    /// Nothing but the constant settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server, and the query if it has one. If it has a path, that must be the namespace of the first URL: a
    /// connection cannot change its namespaces.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The engine query without its `?`, instead of any other; as [`Builder::query`](crate::Builder::query).
    #[must_use]
    pub fn query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// A header, instead of constant ones of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// All of it may be secret.
impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dial(..)")
    }
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send>>;

/// Whatever error a provider has.
pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Asks the user's code for something.
pub(super) struct Provider<T>(Arc<dyn Fn(Attempt) -> Answer<T> + Send + Sync>);

impl<T: Send + 'static> Provider<T> {
    pub(super) fn new<V, A, E>(
        provide: impl Fn(Attempt) -> A + Send + Sync + 'static,
        convert: fn(V) -> Result<T, ProviderError>,
    ) -> Self
    where
        V: 'static,
        A: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<AnyError>,
    {
        Self(Arc::new(move |attempt| {
            let answer = provide(attempt);
            Box::pin(async move {
                match answer.await {
                    Ok(value) => convert(value),
                    Err(error) => Err(ProviderError::Failed(error.into().to_string())),
                }
            })
        }))
    }

    /// Asks, in a task of its own: whatever happens there does not happen to the connection.
    pub(super) fn ask(&self, number: u32, patience: Duration) -> Asked<T> {
        let provide = self.0.clone();
        Asked(tokio::spawn(async move {
            let answer = async move { provide(Attempt { number }).await };
            let answer = tokio::time::timeout(patience, answer).await;
            answer.unwrap_or(Err(ProviderError::Timeout))
        }))
    }
}

impl<T> Clone for Provider<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// An answer under way. Dropping it gives it up.
pub(super) struct Asked<T>(JoinHandle<Result<T, ProviderError>>);

impl<T> Asked<T> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, ProviderError>> {
        let answer = ready!(Pin::new(&mut self.0).poll(cx));
        // The only other way for a task to end is that it is aborted, by the end of its runtime.
        Poll::Ready(answer.unwrap_or(Err(ProviderError::Panicked)))
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The auth payload that a provider gave, as it travels.
pub(super) fn auth(value: impl Serialize) -> Result<Option<Json>, ProviderError> {
    Json::from_serialize(&value)
        .map(Some)
        .map_err(ProviderError::Auth)
}
