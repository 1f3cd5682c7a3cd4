//! Access tokens, and who provides them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::text;

/// The longest token that is accepted, in bytes: more than any HTTP server takes in a header.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// A boxed future, as an object-safe trait has to return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives an access token whenever a request to Microsoft Graph needs one.
///
/// It is asked anew before each request, so it should keep the token until shortly before that
/// expires. Use [`token_fn`] for a closure and [`StaticToken`] for a constant.
pub trait TokenProvider: Send + Sync + 'static {
    /// An access token for Microsoft Graph.
    ///
    /// The future may be dropped before it is ready. Work that must not be cut short belongs in a
    /// task of the provider's own, and work that blocks belongs on another thread: a watch asks from
    /// the task that also serves its connections.
    fn token(&self, request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, TokenError>>;
}

impl<P: TokenProvider + ?Sized> TokenProvider for Arc<P> {
    fn token(&self, request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        (**self).token(request)
    }
}

/// What kind of token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The last token was refused (`401`): a remembered one will not do.
    pub fresh: bool,
}

impl TokenRequest {
    /// Any valid token, a remembered one included.
    #[must_use]
    pub fn any() -> Self {
        Self { fresh: false }
    }

    /// A token newer than the last one, which was refused.
    #[must_use]
    pub fn fresh() -> Self {
        Self { fresh: true }
    }
}

/// An access token that cannot be printed.
///
/// It is held in memory that is wiped when it is dropped.
#[derive(Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    /// Takes a token: visible ASCII characters only, as they go into an HTTP header.
    ///
    /// # Errors
    ///
    /// [`TokenError::Empty`], [`TokenError::IllegalCharacter`] (a line break from a file, the
    /// word `Bearer` in front) or [`TokenError::TooLong`] (64 KiB).
    pub fn new(token: impl Into<SecretString>) -> Result<Self, TokenError> {
        let token = token.into();
        let text = token.expose_secret();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        if let Some(position) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(TokenError::IllegalCharacter { position });
        }
        Ok(Self(token))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The provider has none now, and may have one later: a watch asks again, with backoff.
    #[error("no access token at the moment: {0}")]
    Unavailable(String),
    /// The provider will have none until a person does something: a watch ends.
    #[error("no access token: {0}")]
    Refused(String),
    /// The provider did not answer in time.
    #[error("the token provider did not answer in time")]
    TimedOut,
    /// The token is empty.
    #[error("the access token is empty")]
    Empty,
    /// The token contains a space, a line break or another character that no token has.
    #[error(
        "the access token contains a character that cannot be in one, at byte {position}; it must be the bare token, without spaces or line breaks"
    )]
    IllegalCharacter {
        /// The byte offset of the first such character.
        position: usize,
    },
    /// The token is longer than 64 KiB.
    #[error("the access token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
}

impl TokenError {
    /// [`TokenError::Unavailable`], for a reason that may pass. The text is shown to people: it
    /// must hold no secret. It is cut to 300 characters.
    #[must_use]
    pub fn unavailable(reason: impl fmt::Display) -> Self {
        Self::Unavailable(text::clean(&reason.to_string(), &[]))
    }

    /// [`TokenError::Refused`], for a reason that stays. The text is shown to people: it must
    /// hold no secret. It is cut to 300 characters.
    #[must_use]
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(text::clean(&reason.to_string(), &[]))
    }

    /// Whether asking again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut)
    }
}

/// Always the same token: for a short run, or a test.
///
/// A Graph token lives for about an hour; when it has expired, a watch with a static token ends
/// at its next renewal.
#[derive(Clone, Debug)]
pub struct StaticToken(AccessToken);

impl StaticToken {
    /// A provider of this token.
    ///
    /// # Errors
    ///
    /// Those of [`AccessToken::new`].
    pub fn new(token: impl Into<SecretString>) -> Result<Self, TokenError> {
        AccessToken::new(token).map(Self)
    }
}

impl From<AccessToken> for StaticToken {
    fn from(token: AccessToken) -> Self {
        Self(token)
    }
}

impl TokenProvider for StaticToken {
    fn token(&self, _request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

/// A provider made of a closure that returns a future.
///
/// ```
/// use graph_notifications::{AccessToken, TokenError, token_fn};
///
/// let provider = token_fn(|request| async move {
///     let token = if request.fresh { "a-new-one" } else { "the-remembered-one" };
///     AccessToken::new(token)
/// });
/// # let _ = provider;
/// ```
pub fn token_fn<F, Fut>(function: F) -> TokenFn<F>
where
    F: Fn(TokenRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<AccessToken, TokenError>> + Send + 'static,
{
    TokenFn(function)
}

/// The provider that [`token_fn`] makes.
#[derive(Clone)]
pub struct TokenFn<F>(F);

impl<F> fmt::Debug for TokenFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenFn")
    }
}

impl<F, Fut> TokenProvider for TokenFn<F>
where
    F: Fn(TokenRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<AccessToken, TokenError>> + Send + 'static,
{
    fn token(&self, request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin((self.0)(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_fits_a_header() {
        for good in ["eyJ0eXAi.eyJ.sig-_~+/==", "EwB!*$'", &"x".repeat(65536)] {
            assert_eq!(AccessToken::new(good).unwrap().expose(), good);
        }
        let illegal = |position| TokenError::IllegalCharacter { position };
        let rows = [
            ("", TokenError::Empty),
            ("abc\n", illegal(3)),
            ("abc\r\nX-Evil: 1", illegal(3)),
            ("Bearer abc", illegal(6)),
            ("tökén", illegal(1)),
            ("\u{0}", illegal(0)),
            (&"x".repeat(65537), TokenError::TooLong),
        ];
        for (text, expected) in rows {
            assert_eq!(AccessToken::new(text).unwrap_err(), expected);
        }
    }

    #[tokio::test]
    async fn providers_are_objects() {
        let closure = token_fn(|request| async move {
            AccessToken::new(if request.fresh { "fresh" } else { "kept" })
        });
        let providers: [Arc<dyn TokenProvider>; 3] = [
            Arc::new(StaticToken::new("static").unwrap()),
            Arc::new(closure),
            Arc::new(token_fn(|_| async {
                Err(TokenError::refused("sign in\nagain"))
            })),
        ];
        let mut seen = Vec::new();
        for provider in providers {
            for request in [TokenRequest::any(), TokenRequest::fresh()] {
                let token = provider.token(request).await;
                seen.push(token.map(|token| token.expose().to_owned()));
            }
        }
        let refused = || Err(TokenError::Refused("sign in again".into()));
        assert_eq!(
            seen,
            [
                Ok("static".to_owned()),
                Ok("static".to_owned()),
                Ok("kept".to_owned()),
                Ok("fresh".to_owned()),
                refused(),
                refused(),
            ]
        );
    }

    #[test]
    fn only_passing_trouble_is_retried() {
        assert!(TokenError::unavailable("x").is_retryable());
        assert!(TokenError::TimedOut.is_retryable());
        assert!(!TokenError::refused("x").is_retryable());
        assert!(!TokenError::Empty.is_retryable());
    }
}
