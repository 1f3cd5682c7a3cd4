//! The tokens after a sign-in, and when they are refreshed: time is an argument.

use std::fmt;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use crate::login::error::LoginError;
use crate::login::protocol::Grant;
use crate::token::AccessToken;

/// A token is replaced this long before it expires, or a tenth of its lifetime if that is less:
/// a request made with it may be under way for a while.
const MARGIN: Duration = Duration::from_secs(60);

/// After a failure that may pass, the next attempt is no sooner than this; it doubles.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// And no later than this, unless the server asks for more.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// As long as a server's `Retry-After` is obeyed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What is to be done for who asks for a token.
#[derive(Clone)]
pub(super) enum Answer {
    /// Here it is.
    Token(AccessToken),
    /// Refresh with this, and report the outcome with [`Session::handle_refreshed`].
    Refresh(SecretString),
    /// There is none now.
    Failed(LoginError),
}

/// The tokens of one person.
pub(super) struct Session {
    access: Option<Access>,
    refresh_token: Option<SecretString>,
    trouble: Option<Trouble>,
}

struct Access {
    token: AccessToken,
    /// From here on a new one is better.
    refresh_at: Instant,
    expires: Instant,
}

/// Why the last refresh failed.
struct Trouble {
    error: LoginError,
    /// How many in a row.
    times: u32,
    /// Before this it is not tried again; `None` is never.
    retry_at: Option<Instant>,
}

impl Session {
    /// After a sign-in.
    pub(super) fn new(now: Instant, grant: Grant) -> Self {
        let mut session = Self {
            access: None,
            refresh_token: None,
            trouble: None,
        };
        session.take(now, grant);
        session
    }

    /// From a refresh token of an earlier run.
    pub(super) fn restored(refresh_token: SecretString) -> Self {
        Self {
            access: None,
            refresh_token: Some(refresh_token),
            trouble: None,
        }
    }

    pub(super) fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// The access token was refused: it is not given away again, even if nothing better is to be had.
    pub(super) fn forget_access(&mut self) {
        self.access = None;
    }

    /// Somebody needs a token. Not to be called while a refresh is under way.
    pub(super) fn ask(&mut self, now: Instant) -> Answer {
        if let Some(access) = &self.access
            && now < access.refresh_at
        {
            return Answer::Token(access.token.clone());
        }
        if let Some(trouble) = &self.trouble
            && trouble.retry_at.is_none_or(|at| now < at)
        {
            let error = trouble.error.clone();
            return self.instead(now, error);
        }
        match &self.refresh_token {
            Some(refresh_token) => Answer::Refresh(refresh_token.clone()),
            None => self.instead(now, LoginError::NoRefreshToken),
        }
    }

    /// The outcome of a refresh, and what it means for who waited for it: never [`Answer::Refresh`].
    pub(super) fn handle_refreshed(
        &mut self,
        now: Instant,
        outcome: Result<Grant, LoginError>,
    ) -> Answer {
        match outcome {
            Ok(grant) => {
                let token = grant.access_token.clone();
                self.take(now, grant);
                Answer::Token(token)
            }
            Err(error) => {
                let times = self.trouble.as_ref().map_or(0, |trouble| trouble.times);
                let asked = error.retry_after().unwrap_or_default().min(MAX_RETRY_AFTER);
                let pause = MIN_PAUSE * (1 << times.min(6));
                // A refresh token that is no good stays so. Of other refusals a person may have
                // removed the cause, such as a wrong policy of the tenant.
                let is_final = matches!(error, LoginError::SignInAgain(_));
                self.trouble = Some(Trouble {
                    error: error.clone(),
                    times: times.saturating_add(1),
                    retry_at: (!is_final).then(|| now + pause.min(MAX_PAUSE).max(asked)),
                });
                self.instead(now, error)
            }
        }
    }

    /// The old token while it lasts, else the error.
    fn instead(&self, now: Instant, error: LoginError) -> Answer {
        match &self.access {
            Some(access) if now < access.expires => Answer::Token(access.token.clone()),
            _ => Answer::Failed(error),
        }
    }

    fn take(&mut self, now: Instant, grant: Grant) {
        let margin = MARGIN.min(grant.lifetime / 10);
        let expires = now + grant.lifetime;
        self.access = Some(Access {
            token: grant.access_token,
            refresh_at: now + (grant.lifetime - margin),
            expires,
        });
        // Without a new one, the old one stays good (RFC 6749, section 6).
        if grant.refresh_token.is_some() {
            self.refresh_token = grant.refresh_token;
        }
        self.trouble = None;
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::login::error::LoginAnswer;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "simulated time begins anywhere")]
        Instant::now()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn grant(token: &str, lifetime: u64, refresh_token: Option<&str>) -> Grant {
        Grant {
            access_token: AccessToken::new(token).unwrap(),
            lifetime: seconds(lifetime),
            refresh_token: refresh_token.map(Into::into),
        }
    }

    fn answer(code: &str) -> LoginAnswer {
        LoginAnswer {
            status: 400,
            code: Some(code.to_owned()),
            message: None,
        }
    }

    fn busy(retry_after: Option<u64>) -> LoginError {
        LoginError::Busy {
            answer: answer("server_error"),
            retry_after: retry_after.map(seconds),
        }
    }

    fn show(answer: Answer) -> String {
        match answer {
            Answer::Token(token) => format!("token {}", token.expose()),
            Answer::Refresh(token) => format!("refresh {}", token.expose_secret()),
            Answer::Failed(error) => format!("failed, retryable {}", error.is_retryable()),
        }
    }

    #[test]
    fn a_token_is_replaced_a_minute_or_a_tenth_before_its_end() {
        for (lifetime, last, first) in [
            (3600, 3539, 3540),
            (600, 539, 540),
            (100, 89, 90),
            (10, 8, 9),
        ] {
            let now = start();
            let mut session = Session::new(now, grant("a", lifetime, Some("r")));
            assert_eq!(show(session.ask(now)), "token a");
            assert_eq!(show(session.ask(now + seconds(last))), "token a");
            assert_eq!(show(session.ask(now + seconds(first))), "refresh r");
        }
        let now = start();
        let mut session = Session::new(now, grant("a", 0, Some("r")));
        assert_eq!(show(session.ask(now)), "refresh r");
        // Who waited for it gets it all the same.
        assert_eq!(
            show(session.handle_refreshed(now, Ok(grant("b", 0, None)))),
            "token b"
        );
    }

    #[test]
    fn refresh_tokens_rotate_or_stay() {
        let now = start();
        let mut session = Session::restored("r1".into());
        for (given, next) in [
            (Some("r2"), "refresh r2"),
            (None, "refresh r2"),
            (Some("r3"), "refresh r3"),
        ] {
            assert!(show(session.ask(now)).starts_with("refresh"));
            let refreshed = session.handle_refreshed(now, Ok(grant("a", 3600, given)));
            assert_eq!(show(refreshed), "token a");
            assert_eq!(show(session.ask(now)), "token a");
            session.forget_access();
            assert_eq!(show(session.ask(now)), next);
        }
    }

    #[test]
    fn an_old_token_serves_while_it_lasts_unless_it_was_refused() {
        let now = start();
        let mut session = Session::new(now, grant("a", 3600, Some("r")));
        let late = now + seconds(3550);
        assert_eq!(show(session.ask(late)), "refresh r");
        assert_eq!(
            show(session.handle_refreshed(late, Err(busy(None)))),
            "token a"
        );
        assert_eq!(show(session.ask(late)), "token a");
        assert_eq!(show(session.ask(late + seconds(1))), "refresh r");
        session.forget_access();
        assert_eq!(
            show(session.handle_refreshed(late, Err(busy(None)))),
            "failed, retryable true"
        );

        let mut session = Session::new(now, grant("a", 3600, None));
        assert_eq!(show(session.ask(late)), "token a");
        let expired = now + seconds(3600);
        assert_eq!(show(session.ask(expired)), "failed, retryable false");
    }

    #[test]
    fn a_service_in_trouble_is_left_alone_for_a_while() {
        let mut now = start();
        let mut session = Session::restored("r".into());
        for (retry_after, pause) in [
            (None, 1),
            (None, 2),
            (None, 4),
            (Some(1), 8),
            (Some(30), 30),
            (None, 32),
            (None, 60),
            (None, 60),
            (Some(u64::MAX), 3600),
        ] {
            assert_eq!(show(session.ask(now)), "refresh r");
            let failed = session.handle_refreshed(now, Err(busy(retry_after)));
            assert_eq!(show(failed), "failed, retryable true");
            let shortly_before = now + seconds(pause) - Duration::from_millis(1);
            assert_eq!(show(session.ask(shortly_before)), "failed, retryable true");
            now += seconds(pause);
        }
        assert_eq!(show(session.ask(now)), "refresh r");
        let refreshed = session.handle_refreshed(now, Ok(grant("a", 3600, None)));
        assert_eq!(show(refreshed), "token a");
        session.forget_access();
        assert_eq!(show(session.ask(now)), "refresh r", "all is forgotten");
    }

    #[test]
    fn a_dead_refresh_token_is_not_tried_again() {
        let now = start();
        let mut session = Session::restored("r".into());
        for (error, later) in [
            (LoginError::Refused(answer("invalid_client")), "refresh r"),
            (
                LoginError::SignInAgain(answer("invalid_grant")),
                "failed, retryable false",
            ),
        ] {
            let failed = session.handle_refreshed(now, Err(error));
            assert_eq!(show(failed), "failed, retryable false");
            assert_eq!(show(session.ask(now)), "failed, retryable false");
            assert_eq!(show(session.ask(now + seconds(1_000_000))), later);
        }
    }
}
