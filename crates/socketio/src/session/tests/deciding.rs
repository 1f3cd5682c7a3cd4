//! What is retried, and when.

use super::*;
use crate::{Decide, Decision, Failure};

fn deciding(
    decide: impl Fn(Failure<'_>) -> Decision + Send + Sync + 'static,
) -> (Script, NamespaceKey) {
    Script::joined_with(|config| config.reconnection.decide = Some(Decide::new(decide)))
}

fn always(decision: Decision) -> (Script, NamespaceKey) {
    deciding(move |_| decision)
}

#[test]
fn without_a_decision_the_rule_of_the_reference_client_holds() {
    for decide in [None, Some(Decide::new(|_| Decision::Default))] {
        for (packet, told) in [
            ("1", "/ disconnected: disconnected by the server; for good"),
            (
                r#"4{"message":"out"}"#,
                "/ disconnected: put out by the server: out; for good",
            ),
            (
                "x",
                "/ disconnected: the server sent something that is no packet: the first byte is no packet type; \
                 retry in 1s",
            ),
        ] {
            let decide = decide.clone();
            let (mut script, _) = Script::joined_with(|config| config.reconnection.decide = decide);
            script.server(packet);
            let [event] = &script.events()[..] else {
                panic!("one event");
            };
            // The decoder's own words are not the point.
            let (told, ends) = told.rsplit_once(';').unwrap();
            assert!(
                event.starts_with(told.split(": the first").next().unwrap()),
                "{event}"
            );
            assert!(event.ends_with(ends), "{event}");
        }
    }
}

#[test]
fn a_server_disconnect_is_retried_if_that_is_decided() {
    let (mut script, _) = always(Decision::Retry);
    script.server("1");
    script.tells(&["/ disconnected: disconnected by the server; retry in 1s"]);
    // Nothing else uses the link.
    script.wants(&["close link"]);
    script.link_closed(CloseReason::Local);
    script.after(Duration::from_millis(999));
    script.wants(&[]);
    script.after(Duration::from_millis(1));
    script.wants(&["open link"]);
    script.link_opened();
    script.wants(&["0"]);
    script.server(REPLY);
    script.tells(&["/ connected as s1"]);
}

#[test]
fn a_link_that_others_use_is_kept_for_the_way_back() {
    let (mut script, root) = always(Decision::Retry);
    script.join("/b");
    script.server(r#"0/b,{"sid":"b"}"#);
    script.skip();
    script.server("1/b,");
    script.tells(&["/b disconnected: disconnected by the server; retry in 1s"]);
    script.emit(root, "still here").unwrap();
    script.wants(&[r#"2["still here"]"#]);
    script.after_secs(1);
    script.wants(&["0/b,"]);
    script.server(r#"0/b,{"sid":"b2"}"#);
    script.tells(&["/b connected as b2"]);
}

#[test]
fn a_pause_outlives_the_link_and_is_not_told_again() {
    let (mut script, _) = always(Decision::RetryIn(Duration::from_secs(10)));
    script.join("/b");
    script.server(r#"0/b,{"sid":"b"}"#);
    script.skip();
    script.server("1/b,");
    script.after_secs(3);
    script.link_lost();
    script.tells(&[
        "/b disconnected: disconnected by the server; retry in 10s",
        "/ disconnected: the connection was lost: no ping from the server in time; retry in 10s",
    ]);
    // The first of both opens the link for both.
    script.after_secs(7);
    script.wants(&["open link"]);
    script.link_opened();
    script.wants(&["0/b,"]);
    script.after_secs(3);
    script.wants(&["0"]);
}

#[test]
fn a_server_that_disconnects_at_once_is_asked_ever_more_seldom() {
    let (mut script, _) = always(Decision::Retry);
    let mut delays = Vec::new();
    for _ in 0..5 {
        script.server("1");
        script.link_closed(CloseReason::Local);
        delays.push(script.due_in().unwrap().as_secs());
        script.after(script.due_in().unwrap());
        script.link_opened();
        script.server(REPLY);
        // Shorter than what counts as stable.
        script.after_secs(5);
    }
    assert_eq!(delays, [1, 2, 4, 5, 5]);
    script.after_secs(30);
    script.server("1");
    script.link_closed(CloseReason::Local);
    assert_eq!(script.due_in(), Some(Duration::from_secs(1)));
}

#[test]
fn a_refusal_is_retried_if_that_is_decided() {
    let (mut script, _) = deciding(|failure| match failure {
        Failure::NotConnected(ConnectError::Refused { message, .. }) if message == "expired" => {
            Decision::Retry
        }
        _ => Decision::Default,
    });
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(r#"4{"message":"expired"}"#);
    script.skip_actions();
    script.link_closed(CloseReason::Local);
    script.after_secs(2);
    script.link_opened();
    script.server(r#"4{"message":"banned"}"#);
    script.tells(&[
        "/ disconnected: the connection was lost: no ping from the server in time; retry in 1s",
        "/ connect error: the server refused the namespace: expired; retry in 2s",
        "/ connect error: the server refused the namespace: banned; for good",
    ]);
}

#[test]
fn a_loss_is_not_retried_if_that_is_decided() {
    let (mut script, root) = always(Decision::Stop);
    script.link_lost();
    script.tells(&[
        "/ disconnected: the connection was lost: no ping from the server in time; for good",
    ]);
    assert!(!script.session.is_wanted(root));
    assert!(script.session.is_idle());
}

#[test]
fn the_number_of_attempts_limits_decisions_too() {
    let (mut script, _) = Script::joined_with(|config| {
        config.reconnection.max_attempts = Some(2);
        config.reconnection.decide =
            Some(Decide::new(|_| Decision::RetryIn(Duration::from_secs(1))));
    });
    for _ in 0..3 {
        script.link_lost();
        script.after_secs(1);
    }
    script.wants(&["open link", "open link"]);
    assert!(script.events().last().unwrap().ends_with("for good"));
}

#[test]
fn a_decision_that_panics_is_the_default() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut script, _) = deciding(|_| panic!("not today"));
    script.link_lost();
    std::panic::set_hook(hook);
    script.tells(&[
        "/ disconnected: the connection was lost: no ping from the server in time; retry in 1s",
    ]);
}

#[test]
fn nobody_is_asked_about_leaving() {
    let (mut script, root) = deciding(|failure| panic!("{failure:?}"));
    script.session.leave(script.now, root);
    script.tells(&["/ disconnected: disconnected by this side; for good"]);
}

#[test]
fn retry_on_initial_connect() {
    let mut script = Script::with(|config| {
        config.reconnection.retry_on_initial_connect = true;
        config.reconnection.max_attempts = Some(3);
    });
    script.join("/");
    script.link_closed(CloseReason::HandshakeTimeout);
    script.tells(&[
        "/ connect error: no connection: no handshake from the server in time; retry in 1s",
    ]);
    script.after_secs(1);
    script.link_opened();
    script.wants(&["open link", "open link", "0"]);
    // No answer to CONNECT: a second one on this link could meet the answer to the first.
    script.after_secs(20);
    script.wants(&["close link"]);
    script.tells(&["/ connect error: the server did not answer CONNECT in time; retry in 2s"]);
    script.link_closed(CloseReason::Local);
    script.after_secs(2);
    script.link_opened();
    script.server(REPLY);
    script.tells(&["/ connected as s1"]);
}

#[test]
fn a_first_attempt_is_final_unless_asked_otherwise() {
    let mut script = Script::with(|config| {
        config.reconnection.decide = Some(Decide::new(|_| Decision::Retry));
    });
    script.join("/");
    script.link_closed(CloseReason::HandshakeTimeout);
    script
        .tells(&["/ connect error: no connection: no handshake from the server in time; for good"]);
}

#[test]
fn a_new_namespace_does_not_wait_for_another_ones_hour() {
    let (mut script, _) = always(Decision::RetryIn(Duration::from_secs(3600)));
    script.link_lost();
    script.join("/b");
    assert_eq!(script.due_in(), Some(Duration::from_secs(5)));
    script.after_secs(5);
    script.link_opened();
    script.wants(&["open link", "0/b,"]);
    script.server(r#"0/b,{"sid":"b"}"#);
    script.after_secs(3595);
    script.wants(&["0"]);
}

#[test]
fn in_revision_4_the_root_comes_back_on_a_new_link() {
    let mut script = Script::with(|config| {
        config.version = Version::V3;
        config.reconnection.decide = Some(Decide::new(|_| Decision::Retry));
    });
    script.join("/");
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    script.server("0");
    script.server("1");
    script.wants(&["open link as V3", "close link"]);
    script.link_closed(CloseReason::Local);
    script.after_secs(1);
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    script.server("0");
    script.wants(&["open link as V3"]);
    script.tells(&[
        "/ connected as engine-sid",
        "/ disconnected: disconnected by the server; retry in 1s",
        "/ connected as engine-sid",
    ]);
}

#[test]
fn remember_upgrade() {
    for (remember, second, third) in [
        (true, "open link by websocket", "open link"),
        (false, "open link", "open link"),
    ] {
        let mut script = Script::with(|config| config.remember_upgrade = remember);
        script.join("/");
        script.link_opened_with(Transport::Polling, None);
        script.server(REPLY);
        script
            .session
            .handle_input(script.now, Input::LinkUpgraded(Transport::WebSocket));
        script.skip();
        script.link_lost();
        script.after_secs(1);
        script.wants(&[second]);
        // A proxy may have come in between that lets no WebSocket through.
        script.link_closed(CloseReason::HandshakeTimeout);
        script.after_secs(2);
        script.wants(&[third]);
    }
}

#[test]
fn in_revision_4_a_root_that_is_out_waits_for_the_next_link_if_others_keep_this_one() {
    let mut script = Script::with(|config| {
        config.version = Version::V3;
        config.reconnection.decide = Some(Decide::new(|_| Decision::Retry));
    });
    script.join("/");
    let other = script.join("/b");
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    script.server("0");
    script.server("0/b,");
    script.server("1");
    script.skip();
    script.after_secs(60);
    script.wants(&[]);
    script.tells(&[]);
    script.emit(other, "still here").unwrap();
    script.wants(&[r#"2/b,["still here"]"#]);
    script.link_lost();
    script.after_secs(5);
    script.skip();
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    script.server("0");
    script.tells(&["/ connected as engine-sid"]);
}
