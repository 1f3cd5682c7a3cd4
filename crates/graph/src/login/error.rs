//! Why nobody is signed in.

use std::fmt;
use std::time::Duration;

use crate::error::TransportFailureKind;
use crate::token::TokenError;

/// Why a sign-in, or a refresh after it, failed.
///
/// No variant holds a token, a device code or a refresh token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// A setting cannot be used; nothing was sent.
    #[error("the {name} of the sign-in {problem}")]
    Setting {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The HTTP stack cannot be set up, or there is no tokio runtime.
    #[error("the HTTP stack cannot be set up: {0}")]
    Http(String),
    /// The person declined.
    #[error("the sign-in was declined")]
    Declined,
    /// Nobody entered the code in time. Start again.
    #[error("the code has expired before anybody entered it")]
    Expired,
    /// The refresh token is not, or no longer, good: a person must sign in again.
    #[error("a person must sign in again: {0}")]
    SignInAgain(LoginAnswer),
    /// The access token has expired, and no refresh token was granted: the scope `offline_access`
    /// is missing.
    #[error(
        "the access token has expired and there is no refresh token, which the scope offline_access gives: a person must sign in again"
    )]
    NoRefreshToken,
    /// The sign-in service refuses the request: an unknown application, tenant or scope, or an
    /// application that is not registered for public client flows.
    #[error("the sign-in service refuses: {0}")]
    Refused(LoginAnswer),
    /// The sign-in service is busy or in trouble: `429`, `5xx`, or a code that says so.
    #[error("the sign-in service is busy or in trouble: {answer}")]
    Busy {
        /// What it said.
        answer: LoginAnswer,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// A redirect, which is not followed.
    #[error(
        "the answer of the sign-in service is a redirect (HTTP status {status}), which is not followed; is the authority right?"
    )]
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// The request got no complete answer.
    #[error("{}: {message}", transport(*kind))]
    Transport {
        /// Where it broke.
        kind: TransportFailureKind,
        /// What the HTTP stack says about it, without the URL.
        message: String,
    },
    /// The answer is a success and of no use. Never contains the answer.
    #[error("the answer of the sign-in service {0}; is the authority right?")]
    Protocol(&'static str),
}

fn transport(kind: TransportFailureKind) -> &'static str {
    match kind {
        TransportFailureKind::Connect => "the sign-in service cannot be reached",
        TransportFailureKind::Timeout => "the sign-in service did not answer in time",
        TransportFailureKind::Exchange => {
            "the answer of the sign-in service broke off or is not HTTP"
        }
    }
}

impl LoginError {
    /// Whether the same may succeed later, without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Transport { .. })
    }

    /// How long the service asks to wait before the next request, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<LoginError> for TokenError {
    /// [`TokenError::Unavailable`] if it may pass, else [`TokenError::Refused`].
    fn from(error: LoginError) -> Self {
        if error.is_retryable() {
            Self::unavailable(error)
        } else {
            Self::refused(error)
        }
    }
}

/// What the sign-in service said along with an error.
///
/// The texts come from the peer: each is one line of at most 300 characters, without control
/// characters, and with the secrets of the request cut out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `error`, for programs, such as `invalid_grant`.
    pub code: Option<String>,
    /// `error_description`, for people; Microsoft's begins with a number such as `AADSTS700016`.
    pub message: Option<String>,
}

impl fmt::Display for LoginAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}
