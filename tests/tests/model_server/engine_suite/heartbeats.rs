//! The suites' cases of signs of life, and of their absence.

use super::*;

#[test]
fn heartbeats_over_polling() {
    let mut model = new();
    let url = open(&mut model, POLLING);
    for _ in 0..3 {
        let poll = model.poll(&url);
        assert_eq!(model.wait(), INTERVAL);
        assert_eq!(model.answer(poll).as_deref(), Some("200 2"));
        assert_eq!(model.post(&url, "3"), "200 ok");
    }
    for mut model in old() {
        let url = open(&mut model, OLD_POLLING);
        for _ in 0..3 {
            model.pass(INTERVAL);
            assert_eq!(model.post(&url, "1:2"), "200 ok");
            assert_eq!(model.get(&url), "200 1:3");
        }
    }
}

#[test]
fn polling_sessions_without_heartbeats_close() {
    let late = INTERVAL + TIMEOUT;
    let sessions = [(new(), POLLING)].into_iter();
    for (mut model, target) in sessions.chain(old().map(|model| (model, OLD_POLLING))) {
        let url = open(&mut model, target);
        model.pass(late - Duration::from_millis(1));
        assert_eq!(model.reasons(), [""; 0]);
        model.pass(Duration::from_millis(1));
        assert_eq!(model.reasons(), ["ping timeout"]);
        assert_unknown(&mut model, &url);
    }
}

#[test]
fn heartbeats_over_websocket() {
    let mut model = new();
    let socket = model.websocket(WEBSOCKET);
    model.heard(socket);
    for _ in 0..3 {
        assert_eq!(model.wait(), INTERVAL);
        assert_eq!(model.heard(socket), ["2"]);
        assert_eq!(model.say(socket, "3"), [""; 0]);
    }
    // Something else puts the end off once.
    model.wait();
    assert_eq!(model.heard(socket), ["2"]);
    model.pass(TIMEOUT / 2);
    assert_eq!(model.say(socket, "4a"), ["4a"]);
    model.pass(TIMEOUT / 2);
    assert_eq!(model.say(socket, "4b"), ["4b"]);
    assert_eq!(model.wait(), TIMEOUT / 2);
    assert_eq!(model.heard(socket), ["close"]);
    assert_eq!(model.reasons(), ["ping timeout"]);
    // The client need not answer for ever.
    assert_eq!(model.wait(), Duration::from_secs(30));
    assert_eq!(model.heard(socket), ["end"]);

    for (at, mut model) in old().into_iter().enumerate() {
        let socket = model.websocket(OLD_WEBSOCKET);
        model.heard(socket);
        for _ in 0..3 {
            model.pass(INTERVAL);
            assert_eq!(model.say(socket, "2"), ["3"]);
        }
        // To the old server anything is a sign of life.
        model.pass(INTERVAL);
        assert_eq!(model.say(socket, "4a"), ["4a"]);
        let left = if at == 0 { TIMEOUT } else { INTERVAL + TIMEOUT };
        assert_eq!(model.wait(), left);
        assert_eq!(model.heard(socket), ["close"]);
    }
}
