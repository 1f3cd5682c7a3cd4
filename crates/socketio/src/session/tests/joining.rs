//! CONNECT and its answers.

use super::*;

#[test]
fn connect_is_sent_for_every_namespace_as_soon_as_the_link_is_open() {
    let mut script = Script::new();
    let auth = serde_json::json!({"token": "abc"});
    script.try_join("/", Some(auth)).unwrap();
    script.join("/custom");
    script.wants(&["open link"]);
    script.link_opened();
    script.wants(&[r#"0{"token":"abc"}"#, "0/custom,"]);
    script.server(r#"0/custom,{"sid":"b"}"#);
    script.server(r#"0{"sid":"a","pid":"secret"}"#);
    script.tells(&["/custom connected as b", "/ connected as a"]);
    script.wants(&[]);
}

#[test]
fn the_answer_needs_no_id() {
    for reply in ["0", "0{}", r#"0{"sid":7}"#] {
        let mut script = Script::new();
        script.join("/");
        script.link_opened();
        script.server(reply);
        script.tells(&["/ connected as nobody"]);
    }
}

#[test]
fn connected_names_the_transport_and_upgrades_are_told_to_who_is_joined() {
    let mut script = Script::new();
    script.join("/");
    script.join("/late");
    script.link_opened_with(Transport::Polling, None);
    script.server(REPLY);
    let (_, event) = script.session.poll_event().unwrap();
    let Event::Connected(connected) = event else {
        panic!("{event:?}")
    };
    assert_eq!(connected.transport, Transport::Polling);

    script
        .session
        .handle_input(script.now, Input::LinkUpgraded(Transport::WebSocket));
    script.tells(&["/ upgraded to websocket"]);
    script.server("0/late,");
    let (_, event) = script.session.poll_event().unwrap();
    let Event::Connected(connected) = event else {
        panic!("{event:?}")
    };
    assert_eq!(connected.transport, Transport::WebSocket);
}

#[test]
fn a_namespace_joined_later_uses_the_open_link() {
    let (mut script, _) = Script::joined();
    script.join("/b");
    script.wants(&["0/b,"]);
    script.server("0/b,");
    script.tells(&["/b connected as nobody"]);
}

#[test]
fn a_namespace_is_joined_once() {
    let (mut script, _) = Script::joined();
    assert_eq!(
        script.try_join("/", None),
        Err(ConnectError::NamespaceInUse)
    );
    script.join("/b");
    assert_eq!(
        script.try_join("/b", None),
        Err(ConnectError::NamespaceInUse)
    );
    script.link_lost();
    script.after_secs(1);
    assert_eq!(
        script.try_join("/", None),
        Err(ConnectError::NamespaceInUse)
    );
    script.wants(&["0/b,", "open link"]);
}

#[test]
fn the_server_s_second_connect_changes_nothing() {
    let (mut script, _) = Script::joined();
    script.server(r#"0{"sid":"s2"}"#);
    script.tells(&[]);
    script.wants(&[]);
}

#[test]
fn auth_must_be_an_object() {
    let mut script = Script::new();
    for auth in [
        serde_json::json!([1]),
        serde_json::json!(null),
        serde_json::json!("x"),
    ] {
        assert_eq!(
            script.try_join("/", Some(auth)),
            Err(ConnectError::AuthNotAnObject)
        );
    }
    script.wants(&[]);
}

#[test]
fn a_refusal_is_final_for_its_namespace_and_no_concern_of_others() {
    let (mut script, root) = Script::joined();
    script.join("/admin");
    script.wants(&["0/admin,"]);
    script.server(
        r#"4/admin,{"message":"not authorized","data":{"z":12345678901234567890123,"a":[]}}"#,
    );
    let (_, event) = script.session.poll_event().unwrap();
    let Event::ConnectError {
        error: ConnectError::Refused { message, data },
        retry_in: None,
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!(message, "not authorized");
    // As the server wrote it: neither digits nor order are lost.
    assert_eq!(
        data.unwrap().as_str(),
        r#"{"z":12345678901234567890123,"a":[]}"#
    );
    script.wants(&[]);
    assert!(script.session.is_joined(root));

    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.wants(&["open link", "0"]);
}

#[test]
fn a_refusal_of_a_joined_namespace_is_its_end() {
    let (mut script, root) = Script::joined();
    script.join("/admin");
    script.wants(&["0/admin,"]);
    script.server(r#"0/admin,{"sid":"A"}"#);
    drop(script.session.poll_event());
    script.server(r#"4/admin,{"message":"expired"}"#);
    let (_, event) = script.session.poll_event().unwrap();
    let Event::Disconnected {
        reason: DisconnectReason::Refused { message, data },
        retry_in: None,
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!((message.as_str(), data), ("expired", None));
    // A DISCONNECT could reach a server that has forgotten the namespace, and cost the connection.
    script.wants(&[]);
    assert!(script.session.is_joined(root));
}

/// To look for secrets takes a multiple of the words, which may be as long as a message.
#[test]
fn long_words_of_a_refusal_are_cut_short_and_no_secret_is_left_at_the_end() {
    let secret = "0123456789".repeat(10);
    let behind = [0, 4000, 4096, 8000, 100_000]
        .map(|before| ("é".repeat(before / 2) + &secret, before < 4096));
    // The place of each is shorter than the secret, and what is left of the last one comes forward.
    let many = (secret.repeat(1000), false);
    for (words, is_whole) in behind.into_iter().chain([many]) {
        let mut script = Script::new();
        let secrets = Secrets::new(None, [secret.clone()]);
        script.session.set_secrets(secrets);
        script.join("/");
        script.link_opened();
        script.server(&format!(r#"4{{"message":"{words}"}}"#));
        let (_, event) = script.session.poll_event().unwrap();
        let Event::ConnectError {
            error: ConnectError::Refused { message, .. },
            ..
        } = event
        else {
            panic!("{event:?}")
        };
        assert!(message.len() <= 4096, "{message}");
        assert!(!message.contains("012"), "{message}");
        assert_eq!(message.ends_with("[redacted]"), is_whole, "{message}");
    }
}

#[test]
fn a_refusal_may_be_written_in_other_ways() {
    for (packet, message, has_data) in [
        (
            r#"4{"message":"Invalid namespace"}"#,
            "Invalid namespace",
            false,
        ),
        (r#"4"no""#, "no", false),
        (r#"4{"code":7}"#, "", true),
        ("4", "", false),
    ] {
        let mut script = Script::new();
        script.join("/");
        script.link_opened();
        script.server(packet);
        let (_, event) = script.session.poll_event().unwrap();
        let Event::ConnectError {
            error,
            retry_in: None,
        } = event
        else {
            panic!("{event:?}")
        };
        let ConnectError::Refused {
            message: told,
            data,
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!((&*told, data.is_some()), (message, has_data), "{packet}");
    }
}

#[test]
fn the_last_refused_namespace_closes_the_link() {
    let mut script = Script::new();
    script.join("/a");
    script.join("/b");
    script.link_opened();
    script.wants(&["open link", "0/a,", "0/b,"]);
    script.server(r#"4/a,{"message":"no"}"#);
    script.wants(&[]);
    script.server(r#"4/b,{"message":"no"}"#);
    script.wants(&["close link"]);
    script.link_closed(CloseReason::Local);
    assert!(script.session.is_idle());
    assert_eq!(script.due_in(), None);
}

#[test]
fn a_namespace_that_is_refused_when_it_comes_back_stays_away() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(r#"4{"message":"expired"}"#);
    script.tells(&[
        "/ disconnected: the connection was lost: no ping from the server in time; retry in 1s",
        "/ connect error: the server refused the namespace: expired; for good",
    ]);
    script.wants(&["open link", "0", "close link"]);
    assert_eq!(script.emit(root, "x"), Err(EmitError::Disconnected));
}

#[test]
fn a_server_that_does_not_answer_connect_is_given_20_seconds() {
    let (mut script, _) = Script::joined();
    script.join("/slow");
    script.wants(&["0/slow,"]);
    assert_eq!(script.due_in(), Some(Duration::from_secs(20)));
    script.after(Duration::from_millis(19_999));
    script.tells(&[]);
    script.after(Duration::from_millis(1));
    script.tells(&["/slow connect error: the server did not answer CONNECT in time; for good"]);
    script.wants(&[]);
    // Should the server answer after all, it must not keep a client that has gone.
    script.server("0/slow,");
    script.wants(&["1/slow,"]);
    script.tells(&[]);
}

#[test]
fn a_late_answer_to_an_abandoned_connect_is_followed_by_disconnect() {
    let (mut script, root) = Script::joined();
    let slow = script.join("/slow");
    script.session.leave(script.now, slow);
    script.tells(&["/slow connect error: closed by this side; for good"]);
    script.wants(&["0/slow,"]);
    script.server(r#"2/slow,["for nobody"]"#);
    script.server("0/slow,");
    script.wants(&["1/slow,"]);
    script.server("0/slow,");
    script.wants(&[]);
    script.tells(&[]);
    assert!(script.session.is_joined(root));
}

#[test]
fn a_late_refusal_of_an_abandoned_connect_is_the_end_of_it() {
    let (mut script, _) = Script::joined();
    let slow = script.join("/slow");
    script.session.leave(script.now, slow);
    script.server(r#"4/slow,{"message":"no"}"#);
    script.wants(&["0/slow,"]);
    script.tells(&["/slow connect error: closed by this side; for good"]);
    script.join("/slow");
    script.wants(&["0/slow,"]);
}

#[test]
fn a_second_connect_waits_for_the_answer_to_the_first() {
    for (answer, then) in [
        ("0/slow,", &["1/slow,", r#"0/slow,{"new":1}"#][..]),
        (r#"4/slow,{"message":"no"}"#, &[r#"0/slow,{"new":1}"#][..]),
    ] {
        let (mut script, _) = Script::joined();
        let first = script.join("/slow");
        script.wants(&["0/slow,"]);
        script.session.leave(script.now, first);
        script.skip_events();
        let second = script
            .try_join("/slow", Some(serde_json::json!({"new": 1})))
            .unwrap();
        script.wants(&[]);
        script.server(answer);
        script.after_leaving();
        script.wants(then);
        script.tells(&[]);
        script.server("0/slow,");
        script.tells(&["/slow connected as nobody"]);
        assert!(script.session.is_joined(second) && !script.session.is_joined(first));
    }
}

#[test]
fn an_abandoned_connect_is_forgotten_with_its_link() {
    let losses: [fn(&mut Script); 2] = [Script::link_lost, |script| {
        script.server("garbage");
        script.link_closed(CloseReason::Local);
    }];
    for lose in losses {
        let (mut script, _) = Script::joined();
        let slow = script.join("/slow");
        script.session.leave(script.now, slow);
        lose(&mut script);
        script.after_secs(1);
        script.link_opened();
        script.skip();
        script.join("/slow");
        script.wants(&["0/slow,"]);
    }
}

#[test]
fn an_abandoned_connect_is_forgotten_with_the_last_namespace() {
    let (mut script, root) = Script::joined();
    let slow = script.join("/slow");
    script.session.leave(script.now, slow);
    script.session.leave(script.now, root);
    script.link_closed(CloseReason::Local);
    script.skip();
    script.join("/slow");
    script.link_opened();
    script.wants(&["open link", "0/slow,"]);
}

#[test]
fn waiting_behind_an_abandoned_connect_ends_too() {
    let (mut script, root) = Script::joined();
    let first = script.join("/slow");
    script.session.leave(script.now, first);
    script.join("/slow");
    script.skip_events();
    script.after_secs(20);
    script.tells(&["/slow connect error: the server did not answer CONNECT in time; for good"]);
    script.join("/slow");
    script.link_lost();
    let lost = "no ping from the server in time";
    script.tells(&[
        &format!("/ disconnected: the connection was lost: {lost}; retry in 1s"),
        &format!("/slow connect error: no connection: {lost}; for good"),
    ]);
    assert!(script.session.has_room(root));
}

#[test]
fn the_first_failure_of_a_first_attempt_is_final() {
    let mut script = Script::new();
    script.join("/");
    script.link_closed(CloseReason::HandshakeTimeout);
    script
        .tells(&["/ connect error: no connection: no handshake from the server in time; for good"]);
    script.after_secs(1000);
    script.wants(&["open link"]);
    assert!(script.session.is_idle());
}

#[test]
fn a_namespace_can_be_joined_again_after_everything_has_ended() {
    let (mut script, old) = Script::joined();
    script.server("1");
    script.wants(&["close link"]);
    let new = script.join("/");
    script.wants(&[]);
    script.link_closed(CloseReason::Local);
    script.after_secs(0);
    script.link_opened();
    script.server(REPLY);
    script.wants(&["open link", "0"]);
    script.tells(&[
        "/ disconnected: disconnected by the server; for good",
        "/ connected as s1",
    ]);
    assert_eq!(script.emit(old, "x"), Err(EmitError::Disconnected));
    script.emit(new, "x").unwrap();
    script.wants(&[r#"2["x"]"#]);
}

/// The server would drop the connection, and with it the other namespaces.
#[test]
fn credentials_that_are_too_large_are_the_end_of_one_namespace() {
    let mut script = Script::new();
    let auth = serde_json::json!({"token": "x".repeat(100)});
    script.join("/");
    script.try_join("/a", Some(auth.clone())).unwrap();
    script.link_opened_with(Transport::WebSocket, Some(50));
    script.wants(&["open link", "0"]);
    script.tells(&[
        "/a connect error: CONNECT with the auth payload takes 117 bytes, the server takes 50; for good",
    ]);
    script.server(REPLY);
    script.skip();
    script.try_join("/a", Some(auth)).unwrap();
    script.wants(&[]);
    assert_eq!(script.events().len(), 1);
}

#[test]
fn credentials_that_are_too_large_leave_no_unused_link() {
    let mut script = Script::new();
    let auth = serde_json::json!({"token": "x".repeat(100)});
    script.try_join("/", Some(auth)).unwrap();
    script.link_opened_with(Transport::WebSocket, Some(50));
    script.wants(&["open link", "close link"]);
    assert_eq!(script.events().len(), 1);
}

/// The answer may be among what is not read.
#[test]
fn who_does_not_read_does_not_give_up_the_link_for_a_first_attempt_that_is_retried() {
    let (mut script, _) = Script::joined_with(|config| {
        config.reconnection.retry_on_initial_connect = true;
    });
    script.join("/b");
    script.skip();
    script.session.set_reading(script.now, false);
    script.after_secs(100);
    script.wants(&[]);
    script.tells(&[]);
    script.session.set_reading(script.now, true);
    script.after_secs(19);
    script.wants(&[]);
    script.after_secs(1);
    script.wants(&["close link"]);
}
