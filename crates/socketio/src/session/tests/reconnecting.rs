//! The way back after the link is lost.

use super::*;

const LOST: &str = "the connection was lost: no ping from the server in time";

fn told_delay(script: &mut Script) -> Option<Duration> {
    match script.session.poll_event() {
        Some((_, Event::Disconnected { retry_in, .. } | Event::ConnectError { retry_in, .. })) => {
            assert_eq!(script.due_in(), retry_in, "what is told is what is done");
            retry_in
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_way_to_lose_the_link_is_retried() {
    let refused = engineio::Refusal::new(400, br#"{"code":1,"message":"Session ID unknown"}"#);
    for reason in [
        CloseReason::PingTimeout,
        CloseReason::RequestTimeout,
        CloseReason::Remote { code: None },
        CloseReason::Refused(refused),
    ] {
        let (mut script, root) = Script::joined();
        script.link_closed(reason.clone());
        let expected = Event::Disconnected {
            reason: DisconnectReason::LinkClosed(reason),
            retry_in: Some(Duration::from_secs(1)),
        };
        assert_eq!(script.session.poll_event(), Some((root, expected)));
        script.after_secs(1);
        script.wants(&["open link"]);
    }
}

#[test]
fn the_way_back() {
    let mut script = Script::new();
    script
        .try_join("/a", Some(serde_json::json!({"token": "t"})))
        .unwrap();
    script.link_opened();
    script.server(r#"0/a,{"sid":"1"}"#);
    script.link_lost();
    script.after_secs(1);
    script.link_closed(CloseReason::HandshakeTimeout);
    script.after_secs(2);
    script.link_opened();
    script.server(r#"0/a,{"sid":"2"}"#);
    let connect = r#"0/a,{"token":"t"}"#;
    script.wants(&["open link", connect, "open link", "open link", connect]);
    script.tells(&[
        "/a connected as 1",
        &format!("/a disconnected: {LOST}; retry in 1s"),
        "/a connect error: no connection: no handshake from the server in time; retry in 2s",
        "/a connected as 2",
    ]);
}

#[test]
fn delays_grow_to_the_cap_while_the_server_is_down() {
    let (mut script, _) = Script::joined();
    script.link_lost();
    let mut delays = Vec::new();
    for _ in 0..6 {
        let delay = told_delay(&mut script).unwrap();
        delays.push(delay.as_secs());
        script.after(delay - Duration::from_nanos(1));
        script.wants(&[]);
        script.after(Duration::from_nanos(1));
        script.wants(&["open link"]);
        script.link_closed(CloseReason::HandshakeTimeout);
    }
    assert_eq!(delays, [1, 2, 4, 5, 5, 5]);
}

#[test]
fn jitter_spreads_even_at_the_cap_and_is_the_seed_s() {
    let delays = |seed: u64| {
        let (mut script, root) = Script::joined_with(|c| c.reconnection.jitter = 0.5);
        script.session.random = fastrand::Rng::with_seed(seed);
        active(&mut script.session.slots, root).unwrap().attempts = 1_000_000;
        script.link_lost();
        let mut delays = Vec::new();
        for _ in 0..20 {
            let delay = told_delay(&mut script).unwrap();
            assert!(delay > Duration::from_millis(2500) && delay <= Duration::from_secs(5));
            delays.push(delay);
            script.after(delay);
            script.link_closed(CloseReason::HandshakeTimeout);
        }
        delays
    };
    let first = delays(1);
    assert_eq!(first, delays(1));
    assert_ne!(first, delays(2));
    assert!(first.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn a_server_that_accepts_and_drops_is_not_called_at_full_speed() {
    let (mut script, _) = Script::joined();
    let mut delays = Vec::new();
    for _ in 0..5 {
        script.after_secs(29);
        script.link_lost();
        let delay = told_delay(&mut script).unwrap();
        delays.push(delay.as_secs());
        script.after(delay);
        script.link_opened();
        script.server(REPLY);
        script.tells(&["/ connected as s1"]);
    }
    assert_eq!(delays, [1, 2, 4, 5, 5]);
    script.after_secs(30);
    script.link_lost();
    assert_eq!(told_delay(&mut script), Some(Duration::from_secs(1)));
}

#[test]
fn a_link_without_a_joined_namespace_is_not_stable_however_long_it_lasts() {
    let (mut script, _) = Script::joined_with(|c| c.connect_timeout = Duration::from_secs(60));
    script.link_lost();
    assert_eq!(told_delay(&mut script), Some(Duration::from_secs(1)));
    script.after_secs(1);
    script.link_opened();
    script.after_secs(50);
    script.link_lost();
    assert_eq!(told_delay(&mut script), Some(Duration::from_secs(2)));
}

#[test]
fn the_number_of_attempts_is_limited() {
    let (mut script, root) = Script::joined_with(|c| c.reconnection.max_attempts = Some(2));
    script.link_lost();
    for _ in 0..2 {
        assert!(told_delay(&mut script).is_some());
        script.after_secs(5);
        script.link_closed(CloseReason::HandshakeTimeout);
    }
    assert_eq!(told_delay(&mut script), None);
    script.after_secs(1000);
    script.wants(&["open link", "open link"]);
    assert_eq!(script.emit(root, "x"), Err(EmitError::Disconnected));
    assert!(script.session.is_idle());
}

#[test]
fn the_limit_holds_against_a_server_that_accepts_and_drops() {
    let (mut script, _) = Script::joined_with(|c| c.reconnection.max_attempts = Some(2));
    for left in [true, true, false] {
        script.link_lost();
        assert_eq!(told_delay(&mut script).is_some(), left);
        script.after_secs(5);
        script.link_opened();
        script.server(REPLY);
        script.skip_events();
    }
    script.after_secs(1000);
    script.wants(&["open link", "0", "open link", "0"]);
}

#[test]
fn reconnection_can_be_switched_off() {
    let (mut script, _) = Script::joined_with(|c| c.reconnection = Reconnection::disabled());
    script.link_lost();
    script.tells(&[&format!("/ disconnected: {LOST}; for good")]);
    script.after_secs(1000);
    script.wants(&[]);
}

#[test]
fn joining_anew_after_the_last_attempt_starts_over() {
    let (mut script, _) = Script::joined_with(|c| c.reconnection.max_attempts = Some(1));
    script.link_lost();
    script.after_secs(1);
    script.link_closed(CloseReason::HandshakeTimeout);
    script.join("/");
    script.link_opened();
    script.server(REPLY);
    script.skip_events();
    script.link_lost();
    assert_eq!(told_delay(&mut script), Some(Duration::from_secs(1)));
}

#[test]
fn a_joined_namespace_that_gets_no_answer_on_a_new_link_is_tried_on_another() {
    let (mut script, _) = Script::joined();
    script.join("/b");
    script.server("0/b,");
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.skip();
    script.after_secs(20);
    script.wants(&["close link"]);
    script.tells(&[
        "/ disconnected: the server did not answer a CONNECT in time; retry in 2s",
        "/b connect error: the server did not answer CONNECT in time; retry in 2s",
    ]);
    // The next attempt is not made before the old link is gone.
    script.after_secs(3);
    script.wants(&[]);
    script.link_closed(CloseReason::Local);
    script.after_secs(0);
    script.wants(&["open link"]);
}

#[test]
fn a_namespace_that_joins_while_the_link_is_down_waits_for_the_next_attempt() {
    let (mut script, _) = Script::joined();
    script.link_lost();
    script.join("/b");
    script.wants(&[]);
    script.after_secs(1);
    script.link_opened();
    script.wants(&["open link", "0", "0/b,"]);
    script.server("0/b,");
    script.tells(&[
        &format!("/ disconnected: {LOST}; retry in 1s"),
        "/b connected as nobody",
    ]);
}

#[test]
fn endless_settings_do_not_overflow() {
    let (mut script, root) = Script::joined_with(|c| {
        c.reconnection.initial_delay = Duration::MAX;
        c.reconnection.max_delay = Duration::MAX;
        c.connect_timeout = Duration::MAX;
    });
    script.link_lost();
    assert!(script.due_in() > Some(Duration::from_secs(1 << 31)));
    assert!(script.session.has_room(root));
}

/// The answer may be there, behind events that nobody reads.
#[test]
fn an_answer_that_could_not_be_read_is_not_overdue() {
    let (mut script, _) = Script::joined();
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.skip();
    script.session.set_reading(script.now, false);
    assert_eq!(script.due_in(), None);
    script.after_secs(1000);
    script.wants(&[]);
    script.session.set_reading(script.now, true);
    assert_eq!(script.due_in(), Some(Duration::from_secs(20)));
    script.session.set_reading(script.now, true);
    script.after_secs(19);
    script.session.set_reading(script.now, true);
    script.after_secs(1);
    script.wants(&["close link"]);
}

#[test]
fn who_joins_for_the_first_time_does_not_wait_for_the_readers_of_others() {
    let (mut script, _) = Script::joined();
    script.session.set_reading(script.now, false);
    script.join("/a");
    script.after_secs(20);
    script.tells(&["/a connect error: the server did not answer CONNECT in time; for good"]);
}

#[test]
fn a_new_link_on_demand() {
    let (mut script, root) = Script::joined();
    script.join("/b");
    script.skip_actions();
    let ack = script.emit_with_ack(root, "asks", 60);
    script.skip_actions();
    script.session.reconnect(script.now);
    assert_eq!(script.acks(), [(ack, Err(AckError::Disconnected))]);
    script.wants(&["close link"]);
    // What was about to be joined has nothing to tell.
    script.tells(&["/ disconnected: reconnecting, as this side wanted; retry in 0ns"]);
    script.emit(root, "meanwhile").unwrap();
    script.link_closed(CloseReason::Local);
    script.after_secs(0);
    script.link_opened();
    script.wants(&["open link", "0", "0/b,"]);
    script.server(REPLY);
    script.wants(&[r#"2["meanwhile"]"#]);
    // It was no failure.
    script.link_lost();
    script.tells(&[
        "/ connected as s1",
        &format!("/ disconnected: {LOST}; retry in 1s"),
        "/b connect error: no connection: no ping from the server in time; for good",
    ]);
}

#[test]
fn an_attempt_at_once_on_demand() {
    let (mut script, _) = Script::joined();
    script.link_lost();
    script.wants(&[]);
    script.session.reconnect(script.now);
    script.after_secs(0);
    script.wants(&["open link"]);
    // While it is being opened there is nothing to do better.
    script.session.reconnect(script.now);
    script.wants(&[]);
    script.link_opened();
    script.wants(&["0"]);
}

#[test]
fn nobody_reconnects_for_nobody() {
    let (mut script, root) = Script::joined();
    script.session.leave(script.now, root);
    script.skip();
    script.session.reconnect(script.now);
    script.wants(&[]);
    script.link_closed(CloseReason::Local);
    script.session.reconnect(script.now);
    script.after_secs(9);
    script.wants(&[]);
    assert!(script.session.is_idle());
}
