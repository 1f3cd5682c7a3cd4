use super::*;

/// An account with a session of both sides, and the time of its start.
fn joined() -> (Account, Instant) {
    let mut account = Account::new("lane /");
    account.server_opened("one");
    account.client_connected("one");
    (account, engineio::client::now())
}

fn sends(account: &mut Account, sid: &str, times: usize) {
    for _ in 0..times {
        assert!(account.server_sends(sid, |_| true));
    }
}

fn says(account: &mut Account, number: u64) {
    account.client_accepted();
    account.client_sent(Up::Said, number);
}

fn broken(account: &Account) -> Vec<Promise> {
    account
        .broken()
        .iter()
        .map(|broken| broken.promise)
        .collect()
}

#[test]
fn a_life_in_order_breaks_nothing() {
    let (mut account, now) = joined();
    sends(&mut account, "one", 2);
    assert!(
        !account.server_sends("one", |_| false),
        "not taken, so it has no number"
    );
    sends(&mut account, "one", 1);
    account.client_saw("one", 1, true);
    account.client_saw("one", 2, true);
    says(&mut account, 1);
    account.server_saw("one", Up::Said, 1);
    // The server may see it before the client has told.
    account.server_saw("one", Up::Said, 2);
    says(&mut account, 2);
    says(&mut account, 3);
    account.client_refused(Up::Said, 4);
    account.client_accepted();
    account.client_disconnected("lost");
    account.client_unsent(1);
    account.server_closed(now, "one");
    account.client_asks(1);
    account.server_opened("two");
    account.client_connected("two");
    account.client_sent(Up::Asked, 1);
    account.server_saw("two", Up::Asked, 1);
    account.client_answered(1, Answer::Number(1));
    sends(&mut account, "two", 5);
    account.client_lagged(3);
    account.client_saw("two", 4, true);
    account.client_saw("two", 5, true);
    account.check(now + OVERDUE * 2);
    assert!(account.is_settled());
    account.close();
    assert_eq!(broken(&account), []);
    let counts = account.counts();
    assert_eq!((counts.down_sent, counts.down_seen), (8, 4));
    assert_eq!((counts.down_tail, counts.down_lagged), (1, 3));
    assert_eq!((counts.up_seen, counts.up_tail), (3, 1));
}

#[test]
fn each_promise_can_be_broken() {
    type Story = fn(&mut Account, Instant);
    let stories: [(&str, Promise, Story); 21] = [
        (
            "an event is missing",
            Promise::NothingIsLost,
            |account, _| {
                sends(account, "one", 3);
                account.client_saw("one", 1, true);
                account.client_saw("one", 3, true);
            },
        ),
        (
            "more are missing than were told",
            Promise::NothingIsLost,
            |account, _| {
                sends(account, "one", 3);
                account.client_lagged(1);
                account.client_saw("one", 3, true);
            },
        ),
        (
            "the last ones are missing, without an end",
            Promise::NothingIsLost,
            |account, now| {
                sends(account, "one", 1);
                account.check(now);
                account.check(now + OVERDUE * 2);
            },
        ),
        (
            "the last ones are missing in the end",
            Promise::NothingIsLost,
            |account, _| {
                sends(account, "one", 1);
                account.close();
            },
        ),
        ("another content", Promise::NothingIsLost, |account, _| {
            sends(account, "one", 1);
            account.client_saw("one", 1, false);
        }),
        (
            "an event of the client is missing",
            Promise::NothingIsLost,
            |account, _| {
                says(account, 1);
                says(account, 2);
                account.server_saw("one", Up::Said, 2);
            },
        ),
        (
            "the same, and the server was first",
            Promise::NothingIsLost,
            |account, _| {
                account.server_saw("one", Up::Said, 2);
                says(account, 1);
            },
        ),
        ("twice", Promise::OnceAndInOrder, |account, _| {
            sends(account, "one", 1);
            account.client_saw("one", 1, true);
            account.client_saw("one", 1, true);
        }),
        (
            "an event of an earlier session",
            Promise::OnceAndInOrder,
            |account, _| {
                sends(account, "one", 1);
                account.client_disconnected("lost");
                account.client_connected("two");
                account.client_saw("one", 1, true);
            },
        ),
        (
            "an event after the end",
            Promise::OnceAndInOrder,
            |account, _| {
                sends(account, "one", 1);
                account.client_disconnected("lost");
                account.client_saw("one", 1, true);
            },
        ),
        (
            "seen twice by the server",
            Promise::OnceAndInOrder,
            |account, _| {
                says(account, 1);
                account.server_saw("one", Up::Said, 1);
                says(account, 2);
                account.server_saw("one", Up::Said, 1);
            },
        ),
        ("sent twice", Promise::OnceAndInOrder, |account, _| {
            says(account, 1);
            account.client_sent(Up::Said, 1);
        }),
        (
            "the answer to another question",
            Promise::OnceAndInOrder,
            |account, _| {
                account.client_asks(1);
                account.client_sent(Up::Asked, 1);
                account.server_saw("one", Up::Asked, 1);
                account.client_answered(1, Answer::Number(2));
            },
        ),
        (
            "an acknowledgement of another event",
            Promise::OnceAndInOrder,
            |account, _| {
                account.server_got_reply("one", 1, 2);
            },
        ),
        (
            "connected again, and never disconnected",
            Promise::GapsAreReported,
            |account, _| {
                account.client_connected("two");
            },
        ),
        (
            "the server is gone, and nothing is told",
            Promise::GapsAreReported,
            |account, now| {
                account.server_closed(now, "one");
                account.check(now + OVERDUE * 2);
            },
        ),
        (
            "not connected in the end",
            Promise::GapsAreReported,
            |account, _| {
                account.client_disconnected("lost");
                account.close();
            },
        ),
        (
            "accepted, and then nothing",
            Promise::EveryEmitHasAFate,
            |account, _| {
                account.client_accepted();
                account.close();
            },
        ),
        (
            "refused, and sent",
            Promise::EveryEmitHasAFate,
            |account, _| {
                account.client_refused(Up::Said, 1);
                account.server_saw("one", Up::Said, 1);
            },
        ),
        (
            "seen, and never told as sent",
            Promise::EveryEmitHasAFate,
            |account, now| {
                account.server_saw("one", Up::Said, 1);
                account.client_disconnected("lost");
                account.server_closed(now, "one");
            },
        ),
        (
            "a question that nobody settles",
            Promise::EveryEmitHasAFate,
            |account, _| {
                account.client_asks(1);
                account.close();
            },
        ),
    ];
    for (name, promise, story) in stories {
        let (mut account, now) = joined();
        story(&mut account, now);
        assert_eq!(broken(&account), [promise], "{name}");
    }
}

#[test]
fn what_the_weather_has_spoilt_is_not_held_against_anybody() {
    let (mut account, _) = joined();
    account.garbage(true);
    sends(&mut account, "one", 1);
    account.client_saw("one", 1, false);
    assert_eq!(broken(&account), []);
    assert_eq!(account.counts().garbled, 1);
}

#[test]
fn a_client_that_is_dropped_has_nothing_more_to_tell() {
    let (mut account, now) = joined();
    account.client_accepted();
    account.client_asks(1);
    account.server_saw("one", Up::Said, 1);
    account.client_dropped();
    account.server_closed(now, "one");
    account.server_opened("two");
    account.client_connected("two");
    account.close();
    assert_eq!(broken(&account), []);
}

#[test]
fn what_is_settled_is_forgotten_some_time_later_and_stays_settled() {
    let (mut account, _) = joined();
    for number in 1..=3_000 {
        account.client_asks(number);
        account.client_sent(Up::Asked, number);
        account.client_answered(number, Answer::Unknown);
    }
    // Late as it is, it is not a question that somebody has to settle.
    (1..=3_000).for_each(|number| account.server_saw("one", Up::Asked, number));
    assert!(account.is_settled());
    assert!(account.questions.len() <= 513);

    account.client_asks(3_001);
    (3_002..=6_000).for_each(|number| account.client_asks(number));
    account.client_answered(6_000, Answer::Unknown);
    assert_eq!(account.questions.unsettled(), Some(3_001));
    assert_eq!(broken(&account), []);
}

#[test]
fn sessions_of_which_the_server_tells_no_end_are_forgotten() {
    let (mut account, _) = joined();
    for number in 0..1_000_u64 {
        let sid = format!("session {number}");
        account.client_disconnected("lost");
        account.server_opened(&sid);
        account.client_connected(&sid);
        says(&mut account, number + 1);
    }
    assert!(account.sessions.len() <= 18);
    assert!(account.half_known.len() <= 16);
    account.server_saw("session 999", Up::Said, 1_000);
    assert!(account.is_settled());
    assert_eq!(broken(&account), []);
    let counts = account.counts();
    assert!(
        counts.up_tail > 900,
        "what was under way was lost with them"
    );
}
