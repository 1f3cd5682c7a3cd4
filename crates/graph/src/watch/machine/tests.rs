use engineio::{CloseReason, Refusal};

use super::*;
use crate::error::{TransportFailure, TransportFailureKind};
use crate::token::TokenError;
use ResyncReason::{Expired, Handover, Reconnected, Safety, Started};

/// A machine and its clock, played as a script.
struct Script {
    machine: Machine,
    now: Instant,
}

const URL: &str = "https://h.example/notifications?token=t";

fn url() -> NotificationUrl {
    NotificationUrl::parse(URL).unwrap()
}

/// No jitter, no overlap and no safety resync, so that a script can name every moment.
fn plain_config() -> WatchConfig {
    let mut config = WatchConfig::default();
    config.backoff.jitter = 0.0;
    config.overlap = Duration::ZERO;
    config.safety_resync = None;
    config
}

#[expect(
    clippy::disallowed_methods,
    reason = "any moment will do to start from"
)]
fn any_instant() -> Instant {
    Instant::now()
}

impl Script {
    fn new(config: WatchConfig, source: Source) -> Self {
        let now = any_instant();
        Self {
            machine: Machine::new(config, source, now, 7),
            now,
        }
    }

    fn graph() -> Self {
        Self::new(plain_config(), Source::Graph)
    }

    fn fixed() -> Self {
        Self::new(plain_config(), Source::Fixed(url()))
    }

    fn input(&mut self, input: Input) {
        self.machine.handle_input(self.now, input);
    }

    /// Lets time pass, stopping at each timeout of the machine as a driver does.
    fn pass(&mut self, seconds: f64) {
        let target = self.now + Duration::from_secs_f64(seconds);
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= target) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            if self.machine.poll_timeout() == Some(at) {
                panic!("the timeout was not used up");
            }
        }
        self.now = target;
        self.machine.handle_timeout(target);
    }

    /// Moves the clock without any call in between, as after a suspend.
    fn jump(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.machine.handle_timeout(self.now);
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.machine.poll_action()).collect()
    }

    #[track_caller]
    fn expect_actions(&mut self, expected: &[Action]) {
        assert_eq!(self.actions(), expected);
    }

    #[track_caller]
    fn expect_events(&mut self, expected: &[Event]) {
        let events: Vec<_> = std::iter::from_fn(|| self.machine.poll_event()).collect();
        assert_eq!(events, expected);
    }

    #[track_caller]
    fn expect_idle(&mut self) {
        self.expect_actions(&[]);
        self.expect_events(&[]);
    }

    /// Grants a URL, expects it to be opened, and says that it is.
    #[track_caller]
    fn come_up(&mut self, id: u64, lifetime: Option<u64>) {
        self.expect_actions(&[fetch()]);
        self.input(granted(lifetime));
        self.expect_actions(&[open(id)]);
        self.input(Input::Opened(ConnectionId(id)));
    }

    /// Expects a replaced connection to be kept until it has caught up.
    #[track_caller]
    fn retire(&mut self, id: u64) {
        self.expect_actions(&[catch_up(id)]);
        self.input(Input::CaughtUp(ConnectionId(id)));
        self.expect_actions(&[close(id)]);
    }

    /// A watch that has just come up for the first time.
    #[track_caller]
    fn up(lifetime: Option<u64>) -> Self {
        let mut script = Self::graph();
        script.come_up(0, lifetime);
        script.expect_actions(&[]);
        script.expect_events(&[resync(Started)]);
        script
    }

    #[track_caller]
    fn expect_timeout_in(&self, seconds: f64) {
        let at = self.machine.poll_timeout().unwrap();
        assert_eq!(at - self.now, Duration::from_secs_f64(seconds));
    }
}

fn fetch() -> Action {
    Action::FetchUrl { fresh_token: false }
}

fn fetch_fresh() -> Action {
    Action::FetchUrl { fresh_token: true }
}

fn open(id: u64) -> Action {
    Action::Open(ConnectionId(id), url())
}

fn catch_up(id: u64) -> Action {
    Action::CatchUp(ConnectionId(id))
}

fn close(id: u64) -> Action {
    Action::Close(ConnectionId(id))
}

fn granted(lifetime: Option<u64>) -> Input {
    Input::Fetched(Ok(Grant {
        url: url(),
        lifetime: lifetime.map(Duration::from_secs),
    }))
}

fn graph_error(status: u16) -> GraphError {
    GraphError::from_answer(status, b"", None, None, &[])
}

fn retry_after(seconds: u64) -> GraphError {
    GraphError::from_answer(429, b"", None, Some(Duration::from_secs(seconds)), &[])
}

fn failed(error: impl Into<WatchError>) -> Input {
    Input::Fetched(Err(error.into()))
}

fn ended(id: u64, error: ConnectionError) -> Input {
    Input::Ended(ConnectionId(id), error)
}

fn lost() -> ConnectionError {
    ConnectionError::Lost(CloseReason::PingTimeout)
}

fn refused(status: u16) -> ConnectionError {
    ConnectionError::Refused(Refusal::new(status, b""))
}

fn namespace_refused() -> ConnectionError {
    ConnectionError::NamespaceRefused {
        message: "no".into(),
    }
}

fn down(reason: impl Into<WatchError>, seconds: u64) -> Event {
    Event::Watch(WatchEvent::Down {
        reason: reason.into(),
        retry_in: Duration::from_secs(seconds),
    })
}

fn resync(reason: ResyncReason) -> Event {
    Event::Watch(WatchEvent::Resync(reason))
}

fn renewed() -> Event {
    Event::Watch(WatchEvent::Renewed)
}

fn notification(n: u32) -> Notification {
    Notification::from_json(&n.to_string())
}

fn notified(n: u32) -> Event {
    Event::Watch(WatchEvent::Notification(notification(n)))
}

#[test]
fn the_first_event_of_coverage_is_a_resync() {
    let mut script = Script::graph();
    script.expect_actions(&[fetch()]);
    script.expect_events(&[]);
    script.input(granted(None));
    script.expect_actions(&[open(0)]);
    script.expect_events(&[]);
    script.input(Input::Opened(ConnectionId(0)));
    script.input(Input::Notified(notification(1)));
    script.expect_actions(&[]);
    script.expect_events(&[resync(Started), notified(1)]);
}

#[test]
fn when_a_url_is_renewed() {
    let rows = [
        // Long lives: 120 s before the end.
        (Some(3600), 3480.0),
        (Some(1201), 1081.0),
        // Short ones: a tenth before.
        (Some(1200), 1080.0),
        (Some(60), 54.0),
        (Some(2), 1.8),
        // Never more often than once a second.
        (Some(1), 1.0),
        // Unknown, or nonsense.
        (None, 1800.0),
        (Some(0), 1800.0),
    ];
    for (lifetime, expected) in rows {
        let script = Script::up(lifetime);
        script.expect_timeout_in(expected);
    }
}

#[test]
fn an_endless_lifetime_does_not_overflow() {
    let mut script = Script::graph();
    script.input(granted(Some(u64::MAX)));
    script.input(Input::Opened(ConnectionId(0)));
    assert!(script.machine.poll_timeout().is_some());
}

#[test]
fn renewal_makes_before_it_breaks() {
    let mut script = Script::up(Some(3600));
    script.pass(3479.0);
    script.expect_idle();
    script.pass(1.0);
    script.expect_actions(&[fetch()]);
    script.input(granted(Some(3600)));
    script.expect_actions(&[open(1)]);
    // The old connection delivers until the new one is up.
    script.input(Input::Notified(notification(1)));
    script.expect_actions(&[]);
    script.input(Input::Opened(ConnectionId(1)));
    script.expect_actions(&[catch_up(0)]);
    // What was under way on the old one still counts.
    script.input(Input::Notified(notification(2)));
    script.input(Input::CaughtUp(ConnectionId(0)));
    script.expect_actions(&[close(0)]);
    script.input(ended(0, lost()));
    script.input(Input::Notified(notification(3)));
    script.expect_events(&[notified(1), renewed(), notified(2), notified(3)]);
    script.expect_actions(&[]);
    script.expect_timeout_in(3480.0);
}

/// A watch that has just been renewed, with an overlap of two seconds.
fn overlapping() -> Script {
    let mut config = plain_config();
    config.overlap = Duration::from_secs(2);
    let mut script = Script::new(config, Source::Graph);
    script.come_up(0, Some(10));
    script.pass(9.0);
    script.come_up(1, Some(10));
    script.expect_actions(&[catch_up(0)]);
    script.expect_events(&[resync(Started), renewed()]);
    script
}

#[test]
fn the_replaced_connection_is_kept_for_the_overlap() {
    let mut script = overlapping();
    script.input(Input::CaughtUp(ConnectionId(0)));
    script.pass(1.9);
    script.input(Input::Notified(notification(1)));
    script.expect_actions(&[]);
    script.expect_events(&[notified(1)]);
    script.pass(0.1);
    script.expect_actions(&[close(0)]);

    // It ends by itself: nothing is left to close.
    let mut script = overlapping();
    script.input(Input::CaughtUp(ConnectionId(0)));
    script.input(ended(0, lost()));
    script.pass(5.0);
    script.expect_idle();

    // The next renewal is up before the overlap is over.
    let mut script = overlapping();
    script.input(ended(1, lost()));
    script.pass(1.0);
    script.come_up(2, Some(10));
    script.pass(1.0);
    script.expect_actions(&[close(0)]);
    script.expect_events(&[down(lost(), 1), resync(Reconnected)]);

    // The watch fails meanwhile.
    let mut script = overlapping();
    script.input(ended(1, lost()));
    script.pass(1.0);
    script.input(failed(graph_error(403)));
    script.expect_actions(&[fetch(), close(0)]);
}

#[test]
fn the_replaced_connection_is_kept_until_all_that_was_sent_on_it_has_arrived() {
    // However long that takes: nothing else tells a connection that is quiet from one that hangs.
    let mut script = overlapping();
    script.pass(8.9);
    script.expect_idle();
    script.input(Input::Notified(notification(1)));
    script.input(Input::CaughtUp(ConnectionId(0)));
    script.expect_actions(&[close(0)]);
    script.expect_events(&[notified(1)]);

    // It had hung.
    let mut script = overlapping();
    script.pass(5.0);
    script.input(ended(0, lost()));
    script.expect_events(&[resync(Handover)]);
    script.expect_actions(&[]);

    // The server takes leave, in its place behind what it had sent.
    for leave in [
        ConnectionError::Disconnected,
        ConnectionError::Lost(CloseReason::Remote { code: None }),
        ConnectionError::Lost(CloseReason::Remote { code: Some(1000) }),
    ] {
        let mut script = overlapping();
        script.input(ended(0, leave));
        script.expect_idle();
    }
    // Something in between does: what it had not passed on is lost.
    let mut script = overlapping();
    let gateway = ConnectionError::Lost(CloseReason::Remote { code: Some(1014) });
    script.input(ended(0, gateway));
    script.expect_events(&[resync(Handover)]);

    // What is missing has been made up for.
    let mut script = overlapping();
    script.input(ended(1, lost()));
    script.pass(1.0);
    script.come_up(2, Some(100));
    script.expect_events(&[down(lost(), 1), resync(Reconnected)]);
    script.input(ended(0, lost()));
    script.expect_idle();
}

#[test]
fn so_many_replaced_connections_are_kept_and_no_more() {
    let mut script = Script::graph();
    script.come_up(0, Some(10));
    for id in 1..=4 {
        script.pass(9.0);
        script.come_up(id, Some(10));
        script.expect_actions(&[catch_up(id - 1)]);
    }
    while script.machine.poll_event().is_some() {}
    script.pass(9.0);
    script.come_up(5, Some(10));
    // What the oldest had not brought is made up for, and so is what the others have not.
    script.expect_actions(&[close(0), catch_up(4), close(1), close(2), close(3)]);
    script.expect_events(&[resync(Handover), renewed()]);
}

#[test]
fn nothing_is_missing_of_a_connection_that_has_caught_up_and_must_make_room() {
    let mut config = plain_config();
    config.overlap = Duration::from_secs(1000);
    let mut script = Script::new(config, Source::Graph);
    script.come_up(0, Some(10));
    for id in 1..=5 {
        script.pass(9.0);
        script.come_up(id, Some(10));
        let room = (id == 5).then(|| close(0));
        let actions: Vec<_> = room.into_iter().chain([catch_up(id - 1)]).collect();
        script.expect_actions(&actions);
        script.input(Input::CaughtUp(ConnectionId(id - 1)));
        script.expect_actions(&[]);
    }
    let renewals = [renewed(), renewed(), renewed(), renewed(), renewed()];
    script.expect_events(&[&[resync(Started)][..], &renewals].concat());
}

#[test]
fn a_failed_renewal_leaves_the_old_connection_alone() {
    let mut script = Script::up(Some(3600));
    script.pass(3480.0);
    script.expect_actions(&[fetch()]);
    script.input(failed(graph_error(503)));
    script.expect_idle();
    script.expect_timeout_in(1.0);
    script.pass(1.0);
    script.expect_actions(&[fetch()]);
    script.input(granted(Some(3600)));
    script.expect_actions(&[open(1)]);
    script.input(ended(1, refused(400)));
    // A refusal of the new URL is answered with another URL.
    script.expect_idle();
    script.expect_timeout_in(2.0);
    script.pass(2.0);
    script.come_up(2, Some(3600));
    script.retire(0);
    script.expect_events(&[renewed()]);
}

#[test]
fn renewal_goes_on_after_the_expiry_and_then_admits_the_doubt() {
    let mut script = Script::up(Some(600));
    script.pass(540.0);
    // One attempt each at 540, 541, 543, 547, 555, 571, 603 s: the last one is after the expiry.
    for delay in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0] {
        script.expect_actions(&[fetch()]);
        script.input(failed(graph_error(500)));
        script.expect_idle();
        script.expect_timeout_in(delay);
        script.pass(delay);
    }
    script.come_up(1, Some(600));
    // The doubt is admitted, and nothing more has to be waited for.
    script.expect_actions(&[catch_up(0), close(0)]);
    script.expect_events(&[resync(Expired)]);
}

#[test]
fn the_old_connection_dies_while_it_is_being_renewed() {
    // While the URL is fetched, while it is opened, and during backoff.
    let mut script = Script::up(Some(3600));
    script.pass(3480.0);
    script.input(ended(0, lost()));
    script.expect_events(&[down(lost(), 0)]);
    script.come_up(1, Some(3600));
    script.expect_actions(&[]);
    script.expect_events(&[resync(Reconnected)]);

    let mut script = Script::up(Some(3600));
    script.pass(3480.0);
    script.input(granted(Some(3600)));
    script.expect_actions(&[fetch(), open(1)]);
    script.input(ended(0, lost()));
    script.input(Input::Opened(ConnectionId(1)));
    script.expect_actions(&[]);
    script.expect_events(&[down(lost(), 0), resync(Reconnected)]);

    let mut script = Script::up(Some(3600));
    script.pass(3480.0);
    script.input(failed(retry_after(10)));
    script.pass(4.0);
    script.input(ended(0, lost()));
    script.expect_events(&[down(lost(), 6)]);
    script.expect_actions(&[fetch()]);
    script.pass(6.0);
    script.come_up(1, Some(3600));
    script.expect_events(&[resync(Reconnected)]);
}

#[test]
fn both_connections_die_during_a_renewal() {
    let mut script = Script::up(Some(3600));
    script.pass(3480.0);
    script.input(granted(Some(3600)));
    script.expect_actions(&[fetch(), open(1)]);
    script.input(ended(0, lost()));
    script.input(ended(1, lost()));
    script.expect_events(&[down(lost(), 0), down(lost(), 1)]);
    script.pass(1.0);
    script.come_up(2, None);
    script.expect_events(&[resync(Reconnected)]);
}

#[test]
fn every_end_by_the_server_leads_to_a_fresh_url() {
    let ends = [
        lost(),
        ConnectionError::Lost(CloseReason::Remote { code: None }),
        ConnectionError::Disconnected,
        ConnectionError::NoAnswer,
        ConnectionError::Protocol("x".into()),
        namespace_refused(),
        refused(400),
        refused(401),
        refused(403),
        refused(404),
        refused(503),
    ];
    for error in ends {
        let mut script = Script::up(None);
        script.pass(60.0);
        script.input(ended(0, error.clone()));
        script.expect_events(&[down(error.clone(), 1)]);
        script.pass(1.0);
        script.expect_actions(&[fetch()]);
        script.input(granted(None));
        script.expect_actions(&[open(1)]);
        script.input(ended(1, error.clone()));
        script.expect_events(&[down(error, 2)]);
        script.pass(2.0);
        script.come_up(2, None);
        script.expect_events(&[resync(Reconnected)]);
    }
}

#[test]
fn a_refused_token_is_replaced_once() {
    let mut script = Script::graph();
    script.expect_actions(&[fetch()]);
    script.input(failed(graph_error(401)));
    script.expect_actions(&[fetch_fresh()]);
    script.expect_events(&[]);
    script.input(failed(graph_error(401)));
    script.expect_actions(&[]);
    script.expect_events(&[Event::Failed(graph_error(401).into())]);
    assert!(script.machine.is_over());
}

#[test]
fn each_renewal_may_replace_the_token() {
    let mut script = Script::up(Some(3600));
    for id in 1..4 {
        script.pass(3480.0);
        script.expect_actions(&[fetch()]);
        script.input(failed(graph_error(401)));
        script.expect_actions(&[fetch_fresh()]);
        script.input(granted(Some(3600)));
        script.expect_actions(&[open(id)]);
        script.input(Input::Opened(ConnectionId(id)));
        script.retire(id - 1);
        script.expect_events(&[renewed()]);
    }
}

#[test]
fn until_there_is_a_fresh_token_the_refused_one_is_not_used_again() {
    let unavailable = || TokenError::unavailable("sign-in server");
    let mut script = Script::graph();
    script.input(failed(graph_error(401)));
    script.expect_actions(&[fetch(), fetch_fresh()]);
    script.input(failed(unavailable()));
    script.expect_events(&[down(unavailable(), 1)]);
    script.pass(1.0);
    script.expect_actions(&[fetch_fresh()]);
    script.input(failed(graph_error(503)));
    script.expect_events(&[down(graph_error(503), 2)]);
    script.pass(2.0);
    script.expect_actions(&[fetch()]);
}

#[test]
fn what_is_final() {
    let rows: [(WatchError, bool, bool); 14] = [
        // The error, final before the first coverage, final after it.
        (graph_error(403).into(), true, true),
        (graph_error(404).into(), true, false),
        (graph_error(400).into(), true, false),
        (graph_error(302).into(), true, false),
        (
            GraphError::BadAnswer(crate::BadAnswer::NotJson).into(),
            true,
            false,
        ),
        (graph_error(429).into(), false, false),
        (graph_error(500).into(), false, false),
        (graph_error(503).into(), false, false),
        (TokenError::refused("x").into(), true, true),
        (TokenError::Empty.into(), true, false),
        (
            TokenError::IllegalCharacter { position: 3 }.into(),
            true,
            false,
        ),
        (TokenError::TooLong.into(), true, false),
        (TokenError::TimedOut.into(), false, false),
        (
            GraphError::Transport(TransportFailure {
                kind: TransportFailureKind::Timeout,
                message: String::new(),
            })
            .into(),
            false,
            false,
        ),
    ];
    for (error, before, after) in rows {
        let mut script = Script::graph();
        script.input(failed(error.clone()));
        assert_eq!(script.machine.is_over(), before, "{error:?} at first");

        let mut script = Script::up(Some(3600));
        script.pass(3480.0);
        script.input(failed(error.clone()));
        assert_eq!(script.machine.is_over(), after, "{error:?} later");
        if after {
            script.expect_actions(&[fetch(), close(0)]);
            script.expect_events(&[Event::Failed(error)]);
        }
    }
}

#[test]
fn not_supported_is_tried_again() {
    let body = br#"{"error":{"code":"notSupported"}}"#;
    let error = GraphError::from_answer(400, body, None, None, &[]);
    let mut script = Script::graph();
    script.input(failed(error.clone()));
    script.expect_events(&[down(error, 1)]);
    script.pass(1.0);
    script.expect_actions(&[fetch(), fetch()]);
}

#[test]
fn silence_after_the_end() {
    let mut script = Script::up(Some(3600));
    script.pass(3480.0);
    script.input(granted(None));
    script.expect_actions(&[fetch(), open(1)]);
    script.input(ended(0, lost()));
    script.input(ended(1, lost()));
    script.pass(1.0);
    script.input(failed(graph_error(403)));
    script.actions();
    script.expect_events(&[
        down(lost(), 0),
        down(lost(), 1),
        Event::Failed(graph_error(403).into()),
    ]);
    script.input(granted(None));
    script.input(Input::Opened(ConnectionId(1)));
    script.input(Input::Notified(notification(1)));
    script.input(ended(1, lost()));
    script.jump(1_000_000);
    script.expect_idle();
    assert_eq!(script.machine.poll_timeout(), None);
}

#[test]
fn delays_double_up_to_the_cap_and_jitter_only_shortens_them() {
    let mut config = plain_config();
    config.backoff.jitter = 0.5;
    let mut script = Script::new(config, Source::Graph);
    for longest in [1, 2, 4, 8, 16, 32, 60, 60, 60, 60] {
        script.expect_actions(&[fetch()]);
        script.input(failed(graph_error(500)));
        let delay = script.machine.poll_timeout().unwrap() - script.now;
        let longest = Duration::from_secs(longest);
        assert!(delay <= longest && delay >= longest / 2, "{delay:?}");
        script.pass(delay.as_secs_f64());
    }
}

#[test]
fn retry_after_is_honoured_within_reason() {
    // It is a lower bound, and bounded itself.
    for (asked, expected) in [(0, 1), (90, 90), (86_400, 86_400), (u64::MAX, 86_400)] {
        let mut script = Script::graph();
        script.input(failed(retry_after(asked)));
        script.expect_events(&[down(retry_after(asked), expected)]);
        script.expect_timeout_in(expected as f64);
    }
}

#[test]
fn failures_are_forgotten_only_after_30_seconds_of_coverage() {
    // A server that accepts and drops is asked less and less often.
    let mut script = Script::graph();
    let mut id = 0;
    for delay in [1, 2, 4, 8] {
        script.come_up(id, None);
        script.pass(29.0);
        script.actions();
        while script.machine.poll_event().is_some() {}
        script.input(ended(id, lost()));
        script.expect_events(&[down(lost(), delay)]);
        script.pass(delay as f64);
        id += 1;
    }
    script.come_up(id, None);
    script.pass(30.0);
    while script.machine.poll_event().is_some() {}
    script.input(ended(id, lost()));
    script.expect_events(&[down(lost(), 1)]);
}

#[test]
fn coverage_lasts_across_renewals() {
    // Lives of 10 s: no connection lasts 30 s, coverage does.
    let mut script = Script::graph();
    script.expect_actions(&[fetch()]);
    script.input(failed(graph_error(500)));
    script.pass(1.0);
    script.expect_events(&[down(graph_error(500), 1)]);
    script.come_up(0, Some(10));
    for id in 1..5 {
        script.pass(9.0);
        script.come_up(id, Some(10));
        script.retire(id - 1);
    }
    while script.machine.poll_event().is_some() {}
    script.input(ended(4, lost()));
    script.expect_events(&[down(lost(), 1)]);
}

#[test]
fn failed_renewals_back_off_although_there_is_coverage() {
    let mut script = Script::up(None);
    script.pass(1800.0);
    for delay in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        script.expect_actions(&[fetch()]);
        script.input(failed(graph_error(500)));
        script.expect_idle();
        script.expect_timeout_in(delay);
        script.pass(delay);
    }
}

#[test]
fn failed_renewals_are_forgotten_once_the_new_connection_is_stable() {
    // Years of coverage with a hiccup now and then: each is the first one.
    let mut config = plain_config();
    config.backoff.max_attempts = Some(3);
    let mut script = Script::new(config, Source::Graph);
    script.come_up(0, None);
    for id in 1..6 {
        script.pass(1800.0);
        script.expect_actions(&[fetch()]);
        script.input(failed(graph_error(500)));
        script.expect_timeout_in(1.0);
        script.pass(1.0);
        script.expect_actions(&[fetch()]);
        script.input(failed(graph_error(500)));
        script.expect_timeout_in(2.0);
        script.pass(2.0);
        script.come_up(id, None);
        script.retire(id - 1);
    }
}

#[test]
fn attempts_can_be_limited() {
    let mut config = plain_config();
    config.backoff.max_attempts = Some(2);
    let mut script = Script::new(config, Source::Graph);
    script.input(failed(graph_error(500)));
    script.pass(1.0);
    script.input(failed(graph_error(500)));
    script.pass(2.0);
    script.input(failed(graph_error(503)));
    script.expect_events(&[
        down(graph_error(500), 1),
        down(graph_error(500), 2),
        Event::Failed(graph_error(503).into()),
    ]);
}

#[test]
fn a_safety_resync_comes_some_time_after_the_last_one() {
    let mut config = plain_config();
    config.safety_resync = Some(Duration::from_secs(900));
    let mut script = Script::new(config, Source::Graph);
    script.pass(10.0);
    script.come_up(0, Some(36_000));
    script.expect_events(&[resync(Started)]);
    script.pass(899.0);
    // A notification is no resync.
    script.input(Input::Notified(notification(1)));
    script.expect_events(&[notified(1)]);
    script.pass(1.0);
    script.expect_events(&[resync(Safety)]);
    script.pass(800.0);
    script.input(ended(0, lost()));
    script.pass(1.0);
    script.come_up(1, Some(36_000));
    script.expect_events(&[down(lost(), 1), resync(Reconnected)]);
    script.pass(899.0);
    script.expect_events(&[]);
    script.pass(1.0);
    script.expect_events(&[resync(Safety)]);
}

#[test]
fn a_safety_interval_of_nothing_is_a_second() {
    let mut config = plain_config();
    config.safety_resync = Some(Duration::ZERO);
    let mut script = Script::new(config, Source::Graph);
    script.expect_timeout_in(1.0);
    script.pass(3.0);
    script.expect_events(&[resync(Safety), resync(Safety), resync(Safety)]);
}

#[test]
fn safety_resyncs_go_on_during_an_outage() {
    let mut config = plain_config();
    config.safety_resync = Some(Duration::from_secs(900));
    let mut script = Script::new(config, Source::Graph);
    script.input(failed(retry_after(3000)));
    script.pass(2700.0);
    script.expect_events(&[
        down(retry_after(3000), 3000),
        resync(Safety),
        resync(Safety),
        resync(Safety),
    ]);
}

#[test]
fn a_clock_far_in_the_future_makes_everything_happen_once() {
    let mut config = plain_config();
    config.safety_resync = Some(Duration::from_secs(900));
    let mut script = Script::new(config, Source::Graph);
    script.come_up(0, Some(3600));
    script.expect_events(&[resync(Started)]);
    script.jump(100 * 365 * 86_400);
    script.expect_actions(&[fetch()]);
    script.expect_events(&[resync(Safety)]);
    script.jump(0);
    script.expect_idle();
    script.input(granted(Some(3600)));
    script.input(Input::Opened(ConnectionId(1)));
    script.expect_actions(&[open(1), catch_up(0), close(0)]);
    script.expect_events(&[resync(Expired)]);
    script.expect_timeout_in(900.0);
}

#[test]
fn a_flood_of_notifications_does_not_put_off_the_renewal() {
    let mut script = Script::up(Some(3600));
    for n in 0..10_000 {
        script.input(Input::Notified(notification(n)));
        script.expect_events(&[notified(n)]);
        script.pass(0.3);
    }
    script.expect_idle();
    script.expect_timeout_in(480.0);
}

#[test]
fn a_fixed_url_is_tried_again_until_it_is_refused() {
    let mut script = Script::fixed();
    script.expect_actions(&[open(0)]);
    script.input(ended(0, lost()));
    script.expect_events(&[down(lost(), 1)]);
    script.pass(1.0);
    script.expect_actions(&[open(1)]);
    script.input(Input::Opened(ConnectionId(1)));
    script.expect_events(&[resync(Started)]);
    // Nothing to renew.
    script.pass(1e6);
    script.expect_idle();
    script.input(ended(1, ConnectionError::Disconnected));
    script.expect_events(&[down(ConnectionError::Disconnected, 1)]);
    script.pass(1.0);
    script.expect_actions(&[open(2)]);
    script.input(Input::Opened(ConnectionId(2)));
    script.expect_events(&[resync(Reconnected)]);
    script.input(ended(2, refused(401)));
    script.expect_actions(&[]);
    script.expect_events(&[Event::Failed(refused(401).into())]);
}

#[test]
fn what_is_final_for_a_fixed_url() {
    let rows = [
        (refused(400), true),
        (refused(401), true),
        (refused(403), true),
        (refused(404), true),
        (refused(302), true),
        (refused(408), false),
        (refused(429), false),
        (refused(500), false),
        (refused(503), false),
        (
            ConnectionError::Refused(Refusal::new(400, b"Session ID unknown")),
            false,
        ),
        (namespace_refused(), true),
        (ConnectionError::Setup(String::new()), true),
        (ConnectionError::Disconnected, false),
        (ConnectionError::NoAnswer, false),
        (ConnectionError::Protocol(String::new()), false),
        (lost(), false),
    ];
    for (error, is_final) in rows {
        let mut script = Script::fixed();
        script.input(ended(0, error.clone()));
        assert_eq!(script.machine.is_over(), is_final, "{error:?}");
    }
}

#[test]
fn inputs_that_do_not_belong_are_ignored() {
    let mut script = Script::up(Some(3600));
    script.input(granted(None));
    script.input(failed(graph_error(403)));
    script.input(Input::Opened(ConnectionId(0)));
    script.input(Input::Opened(ConnectionId(9)));
    script.input(ended(9, lost()));
    script.jump(0);
    script.expect_idle();
    script.expect_timeout_in(3480.0);
}

mod random {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Pass(u32),
        Grant(Option<u16>),
        Refuse(u8),
        Open,
        End(u8),
        CatchUp(u8),
        Notify,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..5_000_u32).prop_map(Step::Pass),
            proptest::option::of(0..5_000_u16).prop_map(Step::Grant),
            (0..4_u8).prop_map(Step::Refuse),
            Just(Step::Open),
            (0..3_u8).prop_map(Step::End),
            (0..3_u8).prop_map(Step::CatchUp),
            Just(Step::Notify),
        ]
    }

    /// The watch as its application and its driver see it.
    #[derive(Default)]
    struct Model {
        fetching: bool,
        /// Those that are not closed.
        live: Vec<ConnectionId>,
        /// Those that were replaced, and of which something may be missing.
        behind: Vec<ConnectionId>,
        /// Something is missing.
        owed: bool,
        opening: Option<ConnectionId>,
        delivering: Option<ConnectionId>,
        covered: bool,
        was_covered: bool,
        gap: bool,
    }

    impl Model {
        fn forget(&mut self, id: ConnectionId) {
            self.live.retain(|live| *live != id);
            let behind = self.behind.len();
            self.behind.retain(|behind| *behind != id);
            self.owed |= self.behind.len() < behind;
            self.opening = self.opening.filter(|opening| *opening != id);
            self.delivering = self.delivering.filter(|delivering| *delivering != id);
        }

        fn look(&mut self, script: &mut Script) -> Result<(), TestCaseError> {
            while let Some(action) = script.machine.poll_action() {
                match action {
                    Action::FetchUrl { .. } => {
                        prop_assert!(!self.fetching, "two requests at once");
                        self.fetching = true;
                    }
                    Action::Open(id, _) => {
                        self.live.push(id);
                        self.opening = Some(id);
                    }
                    Action::CatchUp(id) => self.behind.push(id),
                    Action::Close(id) => {
                        prop_assert!(self.live.contains(&id), "closed what was not open");
                        self.forget(id);
                    }
                }
            }
            while let Some(event) = script.machine.poll_event() {
                if matches!(event, Event::Watch(WatchEvent::Resync(_))) {
                    self.behind.clear();
                    self.owed = false;
                }
                match event {
                    Event::Watch(WatchEvent::Resync(Started)) => {
                        prop_assert!(!self.was_covered);
                        self.was_covered = true;
                        self.covered = true;
                    }
                    Event::Watch(WatchEvent::Resync(Reconnected)) => {
                        prop_assert!(self.was_covered && !self.covered);
                        self.covered = true;
                        self.gap = false;
                    }
                    Event::Watch(WatchEvent::Down { .. }) => {
                        self.gap = self.was_covered;
                        self.covered = false;
                    }
                    Event::Watch(WatchEvent::Renewed) => {
                        prop_assert!(self.covered && !self.gap, "a gap went unreported");
                    }
                    Event::Watch(_) => {}
                    Event::Failed(_) => {
                        self.covered = false;
                        self.owed = false;
                        prop_assert!(self.live.is_empty(), "a connection was leaked");
                    }
                }
            }
            // Coverage is claimed exactly while a connection delivers.
            prop_assert_eq!(self.covered, self.delivering.is_some());
            prop_assert!(self.live.len() <= 2 + MAX_RETIRING);
            prop_assert!(
                !self.owed,
                "what a replaced connection had not brought went unreported"
            );
            // Something always goes on.
            if !script.machine.is_over() {
                let waiting = script.machine.poll_timeout().is_some();
                prop_assert!(waiting || self.fetching || self.opening.is_some());
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn gaps_are_reported_and_nothing_leaks(steps in proptest::collection::vec(step(), 0..80)) {
            let mut config = plain_config();
            config.overlap = Duration::from_secs(2);
            let mut script = Script::new(config, Source::Graph);
            let mut model = Model::default();
            model.look(&mut script)?;
            for step in steps {
                match step {
                    Step::Pass(seconds) => script.jump(u64::from(seconds)),
                    Step::Grant(lifetime) => {
                        if std::mem::take(&mut model.fetching) {
                            script.input(granted(lifetime.map(u64::from)));
                        }
                    }
                    Step::Refuse(kind) => {
                        if std::mem::take(&mut model.fetching) {
                            let status = [401, 500, 503, 429][usize::from(kind)];
                            script.input(failed(graph_error(status)));
                        }
                    }
                    Step::Open => {
                        if let Some(id) = model.opening.take() {
                            model.delivering = Some(id);
                            script.input(Input::Opened(id));
                        }
                    }
                    Step::End(which) => {
                        if let Some(&id) = model.live.get(usize::from(which)) {
                            model.forget(id);
                            script.input(Input::Ended(id, lost()));
                        }
                    }
                    Step::CatchUp(which) => {
                        if let Some(&id) = model.behind.get(usize::from(which)) {
                            model.behind.retain(|behind| *behind != id);
                            script.input(Input::CaughtUp(id));
                        }
                    }
                    Step::Notify => script.input(Input::Notified(notification(0))),
                }
                model.look(&mut script)?;
            }
        }
    }
}
