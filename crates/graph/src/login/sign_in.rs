//! Polling until the person has signed in, as a state machine: time is an argument.

use std::time::{Duration, Instant};

use crate::login::error::LoginError;
use crate::login::protocol::{Grant, Polled};

/// Whatever the server says, polls are no closer than this.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// RFC 8628, section 3.5: each `slow_down` adds this much.
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// The longest pause that troubles of the network or the server lead to.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// What the driver shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Ask for the token, and report it as [`Input::Polled`].
    Poll,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Input {
    /// The outcome of [`Action::Poll`].
    Polled(Result<Polled, LoginError>),
}

/// How it ended: the only event.
#[derive(Debug)]
pub(super) enum Event {
    SignedIn(Grant),
    Failed(LoginError),
}

/// The wait for one person and one code.
#[derive(Debug)]
pub(super) struct SignIn {
    state: State,
    /// Between two polls.
    interval: Duration,
    /// How many polls in a row have got no answer to the question.
    troubles: u32,
    expires: Instant,
    event: Option<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        until: Instant,
    },
    /// The driver has not been told yet.
    Due,
    Polling,
    Over,
}

impl SignIn {
    /// A code that came at `now`.
    pub(super) fn new(now: Instant, interval: Duration, expires_in: Duration) -> Self {
        let interval = interval.max(MIN_INTERVAL);
        Self {
            state: State::Waiting {
                until: now + interval,
            },
            interval,
            troubles: 0,
            expires: now + expires_in,
            event: None,
        }
    }

    pub(super) fn handle_input(&mut self, now: Instant, input: Input) {
        if self.state != State::Polling {
            return;
        }
        let Input::Polled(outcome) = input;
        match outcome {
            Ok(Polled::Granted(grant)) => return self.end(Event::SignedIn(grant)),
            Ok(Polled::Pending) => self.troubles = 0,
            Ok(Polled::SlowDown) => {
                self.troubles = 0;
                self.interval += SLOW_DOWN;
            }
            Err(error) if error.is_retryable() => {
                self.troubles += 1;
                let asked = error.retry_after().unwrap_or_default();
                return self.wait(now, self.backoff().max(asked));
            }
            Err(error) => return self.end(Event::Failed(error)),
        }
        self.wait(now, self.interval);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            // A poll under way decides for itself: the person may just have made it.
            State::Waiting { .. } if now >= self.expires => {
                self.end(Event::Failed(LoginError::Expired));
            }
            State::Waiting { until } if now >= until => self.state = State::Due,
            _ => {}
        }
    }

    #[must_use]
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        if self.state != State::Due {
            return None;
        }
        self.state = State::Polling;
        Some(Action::Poll)
    }

    #[must_use]
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.event.take()
    }

    #[must_use]
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until.min(self.expires)),
            State::Due | State::Polling | State::Over => None,
        }
    }

    fn wait(&mut self, now: Instant, pause: Duration) {
        // A pause beyond the end of the code is as good as its end, and cannot overflow.
        let left = self.expires.saturating_duration_since(now);
        self.state = State::Waiting {
            until: now + pause.min(left),
        };
        self.handle_timeout(now);
    }

    /// RFC 8628, section 3.5, asks for exponential backoff when connections time out.
    fn backoff(&self) -> Duration {
        let factor = 1u32 << self.troubles.min(6);
        let longest = self.interval.max(MAX_BACKOFF);
        self.interval.saturating_mul(factor).min(longest)
    }

    fn end(&mut self, event: Event) {
        self.state = State::Over;
        self.event = Some(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TransportFailureKind;
    use crate::login::error::LoginAnswer;
    use crate::token::AccessToken;

    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "simulated time begins anywhere")]
        Instant::now()
    }

    fn trouble() -> LoginError {
        LoginError::Transport {
            kind: TransportFailureKind::Timeout,
            message: String::new(),
        }
    }

    fn refused(code: &str) -> LoginError {
        LoginError::Refused(LoginAnswer {
            status: 400,
            code: Some(code.to_owned()),
            message: None,
        })
    }

    fn busy(seconds: u64) -> LoginError {
        let LoginError::Refused(answer) = refused("temporarily_unavailable") else {
            unreachable!()
        };
        LoginError::Busy {
            answer,
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    fn granted() -> Polled {
        Polled::Granted(Grant {
            access_token: AccessToken::new("a").unwrap(),
            lifetime: SECOND,
            refresh_token: None,
        })
    }

    /// Answers polls at once with `answers`, and returns at which seconds they came and how it ended.
    fn run(
        interval: u64,
        expires_in: u64,
        answers: Vec<Result<Polled, LoginError>>,
    ) -> (Vec<u64>, Event) {
        let begin = start();
        let mut sign_in = SignIn::new(
            begin,
            Duration::from_secs(interval),
            Duration::from_secs(expires_in),
        );
        let mut answers = answers.into_iter();
        let mut polls = Vec::new();
        let mut now = begin;
        loop {
            // Calls at any time change nothing.
            sign_in.handle_timeout(begin);
            sign_in.handle_input(now, Input::Polled(Err(LoginError::Declined)));
            assert!(sign_in.poll_action().is_none());
            if let Some(event) = sign_in.poll_event() {
                assert!(sign_in.poll_timeout().is_none());
                assert!(answers.next().is_none(), "all answers were asked for");
                return (polls, event);
            }
            now = sign_in.poll_timeout().expect("it goes on");
            sign_in.handle_timeout(now);
            if let Some(Action::Poll) = sign_in.poll_action() {
                polls.push((now - begin).as_secs());
                let answer = answers.next().expect("no poll too many");
                sign_in.handle_input(now, Input::Polled(answer));
            }
        }
    }

    #[test]
    fn polls_keep_the_interval_that_the_server_sets() {
        let pending = || Ok(Polled::Pending);
        let slow = || Ok(Polled::SlowDown);
        for (interval, answers, polls) in [
            (
                5,
                vec![pending(), pending(), Ok(granted())],
                vec![5, 10, 15],
            ),
            (0, vec![pending(), Ok(granted())], vec![1, 2]),
            (
                5,
                vec![slow(), pending(), slow(), pending(), Ok(granted())],
                vec![5, 15, 25, 40, 55],
            ),
            // Twice, four times, and after an answer as before.
            (
                5,
                vec![Err(trouble()), Err(trouble()), pending(), Ok(granted())],
                vec![5, 15, 35, 40],
            ),
            (5, vec![Err(busy(42)), Ok(granted())], vec![5, 47]),
            (5, vec![Err(busy(1)), Ok(granted())], vec![5, 15]),
            (100, vec![Err(trouble()), Ok(granted())], vec![100, 200]),
        ] {
            let (at, event) = run(interval, 900, answers);
            assert_eq!(at, polls);
            assert!(matches!(event, Event::SignedIn(_)), "{event:?}");
        }
    }

    #[test]
    fn what_does_not_pass_ends_it() {
        for error in [
            LoginError::Declined,
            LoginError::Expired,
            refused("bad_verification_code"),
            LoginError::Redirected { status: 302 },
            LoginError::Protocol("is bad"),
        ] {
            let (polls, event) = run(5, 900, vec![Ok(Polled::Pending), Err(error.clone())]);
            assert_eq!(polls, [5, 10]);
            assert!(matches!(event, Event::Failed(failed) if failed == error));
        }
    }

    #[test]
    fn a_code_that_nobody_enters_expires() {
        let pending = || Ok(Polled::Pending);
        for (expires_in, answers, polls) in [
            (12, vec![pending(), pending()], vec![5, 10]),
            (10, vec![pending()], vec![5]),
            (3, vec![], vec![]),
            (0, vec![], vec![]),
            (60, vec![Err(busy(u64::MAX))], vec![5]),
        ] {
            let (at, event) = run(5, expires_in, answers);
            assert_eq!(at, polls);
            assert!(matches!(event, Event::Failed(LoginError::Expired)));
        }
    }

    #[test]
    fn an_answer_that_is_under_way_when_the_code_expires_counts() {
        for (answer, signed_in) in [(Ok(granted()), true), (Ok(Polled::Pending), false)] {
            let now = start();
            let mut sign_in = SignIn::new(now, SECOND, SECOND * 2);
            sign_in.handle_timeout(now + SECOND);
            assert_eq!(sign_in.poll_action(), Some(Action::Poll));
            sign_in.handle_timeout(now + SECOND * 3);
            assert!(sign_in.poll_event().is_none());
            sign_in.handle_input(now + SECOND * 3, Input::Polled(answer));
            match sign_in.poll_event() {
                Some(Event::SignedIn(_)) => assert!(signed_in),
                Some(Event::Failed(LoginError::Expired)) => assert!(!signed_in),
                other => panic!("{other:?}"),
            }
        }
    }
}
