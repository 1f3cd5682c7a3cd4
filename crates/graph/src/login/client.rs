//! The sign-in over HTTP, its timer, and the provider that comes of it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use engineio::client::Http;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::{TransportFailureKind, parse_retry_after};
use crate::login::builder::DeviceCode;
use crate::login::error::LoginError;
use crate::login::protocol::{self, Answer, Authorization, Grant, Polled, Request};
use crate::login::session::{self, Session};
use crate::login::sign_in::{Action, Event, Input, SignIn};
use crate::token::{AccessToken, BoxFuture, TokenError, TokenProvider, TokenRequest};

pub(super) async fn start(sign_in: &DeviceCode) -> Result<PendingLogin, LoginError> {
    runtime()?;
    let read = |answer: &Answer<'_>| protocol::read_code(answer, sign_in.plain_http);
    let authorization = exchange(sign_in, &Request::Code, read).await?;
    tracing::debug!(expires_in = ?authorization.expires_in, "got a device code");
    Ok(PendingLogin {
        machine: SignIn::new(now(), authorization.interval, authorization.expires_in),
        sign_in: sign_in.clone(),
        authorization,
        poll: None,
        outcome: None,
    })
}

/// A code that waits for a person to enter it. Dropping it gives up.
pub struct PendingLogin {
    sign_in: DeviceCode,
    authorization: Authorization,
    machine: SignIn,
    /// Kept here, so that the token is not lost when [`PendingLogin::finish`] is dropped.
    poll: Option<BoxFuture<'static, Result<Polled, LoginError>>>,
    outcome: Option<Result<Login, LoginError>>,
}

impl PendingLogin {
    /// What to tell the person: one line that names the page and the code. The service writes it,
    /// in English.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.authorization.message
    }

    /// The code to enter. It is for the person alone: whoever enters it signs in.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.authorization.user_code
    }

    /// The page to enter it at.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        &self.authorization.verification_uri
    }

    /// How long the code was good for when it came, usually 15 minutes.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.authorization.expires_in
    }

    /// Waits until the person has signed in, polling as often as the service permits. What may
    /// pass is tried again.
    ///
    /// Dropping the future loses nothing: call it again to go on. Once it has an outcome, that
    /// stays.
    ///
    /// # Errors
    ///
    /// [`LoginError::Declined`] and [`LoginError::Expired`], or what the service objects to.
    pub async fn finish(&mut self) -> Result<Login, LoginError> {
        loop {
            if let Some(outcome) = &self.outcome {
                return outcome.clone();
            }
            if let Some(poll) = &mut self.poll {
                let polled = poll.await;
                self.poll = None;
                tracing::debug!(pending = polled.is_ok(), "polled for the sign-in");
                self.machine.handle_input(now(), Input::Polled(polled));
            } else if let Some(deadline) = self.machine.poll_timeout() {
                tokio::time::sleep_until(deadline.into()).await;
                self.machine.handle_timeout(now());
            }
            if let Some(Action::Poll) = self.machine.poll_action() {
                let sign_in = self.sign_in.clone();
                let request = Request::Poll {
                    device_code: self.authorization.device_code.clone(),
                };
                self.poll = Some(Box::pin(async move {
                    let read = |answer: &Answer<'_>| protocol::read_poll(&request, answer);
                    exchange(&sign_in, &request, read).await
                }));
            }
            if let Some(event) = self.machine.poll_event() {
                self.outcome = Some(match event {
                    Event::SignedIn(grant) => {
                        tracing::debug!(lifetime = ?grant.lifetime, "signed in");
                        Ok(Login::new(self.sign_in.clone(), Session::new(now(), grant)))
                    }
                    Event::Failed(error) => Err(error),
                });
            }
        }
    }
}

impl fmt::Debug for PendingLogin {
    /// Without the codes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLogin")
            .field("sign_in", &self.sign_in)
            .field("verification_uri", &self.authorization.verification_uri)
            .finish_non_exhaustive()
    }
}

/// A person who is signed in: provides access tokens, and refreshes them before they expire.
///
/// A new token is got a minute before the old one expires, or a tenth of its lifetime if that is
/// less, and at once for [`TokenRequest::fresh`]. Clones are the same sign-in. However many ask at
/// the same time, there is one refresh, and it is brought to its end even if nobody waits for it
/// any more. While the service is in trouble, the old token serves as long as it lasts, and the
/// service is asked again after 1 s, 2 s and so on up to 60 s, or as late as it says.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

struct Inner {
    sign_in: DeviceCode,
    state: Mutex<State>,
    refresh_token: watch::Sender<Option<SecretString>>,
}

struct State {
    session: Session,
    /// The refresh under way: `None` until it is done.
    refresh: Option<watch::Receiver<Option<Outcome>>>,
}

type Outcome = Result<AccessToken, LoginError>;

impl Login {
    pub(super) fn restored(sign_in: DeviceCode, refresh_token: SecretString) -> Self {
        Self::new(sign_in, Session::restored(refresh_token))
    }

    fn new(sign_in: DeviceCode, session: Session) -> Self {
        let (refresh_token, _) = watch::channel(session.refresh_token().cloned());
        let state = Mutex::new(State {
            session,
            refresh: None,
        });
        Self(Arc::new(Inner {
            sign_in,
            state,
            refresh_token,
        }))
    }

    /// The refresh token as it is now, for [`DeviceCode::restore`]. It is as good as a password:
    /// keep it where only this person's programs can read it. `None` if none was granted.
    ///
    /// Each refresh may bring a new one, after which the old one should be discarded: see
    /// [`Login::refresh_tokens`].
    #[must_use]
    pub fn refresh_token(&self) -> Option<SecretString> {
        self.0.refresh_token.borrow().clone()
    }

    /// The refresh token now, and each new one later: for keeping the newest.
    #[must_use]
    pub fn refresh_tokens(&self) -> RefreshTokens {
        let mut tokens = self.0.refresh_token.subscribe();
        tokens.mark_changed();
        RefreshTokens(tokens)
    }

    /// An access token: [`TokenProvider::token`], with the typed error.
    ///
    /// # Errors
    ///
    /// [`LoginError::SignInAgain`] and [`LoginError::NoRefreshToken`] stay; what
    /// [`LoginError::is_retryable`] says may pass.
    pub async fn access_token(&self, request: TokenRequest) -> Result<AccessToken, LoginError> {
        let runtime = runtime()?;
        let mut refresh = {
            let mut state = self.0.lock();
            if request.fresh {
                state.session.forget_access();
            }
            let under_way = state.refresh.clone().filter(is_under_way);
            match under_way {
                Some(refresh) => refresh,
                None => match state.session.ask(now()) {
                    session::Answer::Token(token) => return Ok(token),
                    session::Answer::Failed(error) => return Err(error),
                    session::Answer::Refresh(refresh_token) => {
                        let (done, refresh) = watch::channel(None);
                        runtime.spawn(self.0.clone().refresh(refresh_token, done));
                        state.refresh = Some(refresh.clone());
                        refresh
                    }
                },
            }
        };
        let outcome = match refresh.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        outcome.unwrap_or_else(|| Err(interrupted()))
    }
}

impl TokenProvider for Login {
    fn token(&self, request: TokenRequest) -> BoxFuture<'_, Result<AccessToken, TokenError>> {
        Box::pin(async move { Ok(self.access_token(request).await?) })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("sign_in", &self.0.sign_in)
            .finish_non_exhaustive()
    }
}

/// The sender is gone without an outcome when the runtime of the refresh was shut down.
fn is_under_way(refresh: &watch::Receiver<Option<Outcome>>) -> bool {
    refresh.has_changed().is_ok() && refresh.borrow().is_none()
}

fn interrupted() -> LoginError {
    LoginError::Transport {
        kind: TransportFailureKind::Exchange,
        message: "the runtime of the refresh was shut down".to_owned(),
    }
}

impl Inner {
    /// In a task of its own: a refresh that the service has made must not be lost, as its new
    /// refresh token may be the only good one.
    async fn refresh(
        self: Arc<Self>,
        refresh_token: SecretString,
        done: watch::Sender<Option<Outcome>>,
    ) {
        let request = Request::Refresh { refresh_token };
        let read = |answer: &Answer<'_>| protocol::read_token(&request, answer);
        let refreshed: Result<Grant, _> = exchange(&self.sign_in, &request, read).await;
        match &refreshed {
            Ok(grant) => tracing::debug!(lifetime = ?grant.lifetime, "refreshed the token"),
            Err(error) => tracing::debug!(%error, "the token was not refreshed"),
        }
        let rotated = refreshed.as_ref().ok();
        let rotated = rotated.and_then(|grant| grant.refresh_token.clone());
        let mut state = self.lock();
        // First, so that who has the access token finds the refresh token that came with it.
        if rotated.is_some() {
            self.refresh_token.send_replace(rotated);
        }
        let outcome = match state.session.handle_refreshed(now(), refreshed) {
            session::Answer::Token(token) => Ok(token),
            session::Answer::Failed(error) => Err(error),
            session::Answer::Refresh(_) => Err(interrupted()),
        };
        done.send_replace(Some(outcome));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The refresh tokens of a [`Login`], the newest only.
pub struct RefreshTokens(watch::Receiver<Option<SecretString>>);

impl RefreshTokens {
    /// Waits for one that has not been seen: the first time that is the present one, if there is
    /// any. `None` once the [`Login`] is dropped.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<SecretString> {
        loop {
            self.0.changed().await.ok()?;
            if let Some(token) = self.0.borrow_and_update().clone() {
                return Some(token);
            }
        }
    }
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokens")
    }
}

/// One request and what `read` makes of its answer.
async fn exchange<T>(
    sign_in: &DeviceCode,
    request: &Request,
    read: impl FnOnce(&Answer<'_>) -> Result<T, LoginError>,
) -> Result<T, LoginError> {
    let failed = |error: reqwest::Error| describe(error, request);
    let mut response = sign_in
        .http
        .as_reqwest()
        .post(format!("{}{}", sign_in.endpoint, request.path()))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        // Without it, any encoding would be acceptable.
        .header(ACCEPT_ENCODING, "identity")
        .body(request.form(&sign_in.client_id, &sign_in.scope))
        .timeout(sign_in.timeout)
        .send()
        .await
        .map_err(failed)?;
    let mut body = Vec::new();
    let mut complete = true;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= sign_in.max_answer_bytes => {
                body.extend_from_slice(&chunk);
            }
            Ok(None) => break,
            // An error says what it is before its body does; but whether a poll goes on is in the body.
            Err(error) if response.status().as_u16() < 500 => return Err(failed(error)),
            Ok(Some(_)) | Err(_) => {
                complete = false;
                break;
            }
        }
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "Retry-After may be a date, and this is the I/O side"
    )]
    let today = SystemTime::now();
    let retry_after = response.headers().get(RETRY_AFTER);
    read(&Answer {
        status: response.status().as_u16(),
        retry_after: retry_after.and_then(|value| parse_retry_after(value.to_str().ok()?, today)),
        body: complete.then_some(body.as_slice()),
    })
}

/// What the HTTP stack says, without the URL, as one line.
fn describe(error: reqwest::Error, request: &Request) -> LoginError {
    let error = error.without_url();
    let kind = if error.is_timeout() {
        TransportFailureKind::Timeout
    } else if error.is_connect() {
        TransportFailureKind::Connect
    } else {
        TransportFailureKind::Exchange
    };
    LoginError::Transport {
        kind,
        message: request.clean(&Http::explain(&error)),
    }
}

/// The HTTP stack would panic without one.
fn runtime() -> Result<Handle, LoginError> {
    let missing = |_| LoginError::Http("there is no tokio runtime".to_owned());
    Handle::try_current().map_err(missing)
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
