//! Several namespaces, some of which pause before they are joined again.

use super::*;
use crate::{Decide, Decision, Failure};

/// `/` and the others are joined; a DISCONNECT is retried after ten seconds.
fn joined(others: &[&str], change: impl FnOnce(&mut Config)) -> (Script, Vec<NamespaceKey>) {
    let (mut script, root) = Script::joined_with(|config| {
        config.reconnection.decide = Some(Decide::new(|failure| match failure {
            Failure::Disconnected(DisconnectReason::ServerDisconnect) => {
                Decision::RetryIn(Duration::from_secs(10))
            }
            _ => Decision::Default,
        }));
        change(config);
    });
    let mut keys = vec![root];
    for name in others {
        keys.push(script.join(name));
        script.server(&format!(r#"0{name},{{"sid":"x"}}"#));
    }
    script.skip();
    (script, keys)
}

#[test]
fn behind_the_last_one_that_uses_the_link_it_is_closed() {
    let (mut script, keys) = joined(&["/b"], |_| {});
    script.server("1/b,");
    script.session.leave(script.now, keys[0]);
    script.wants(&["1", "close link"]);
    script.link_closed(CloseReason::Local);
    assert_eq!(script.due_in(), Some(Duration::from_secs(10)));
    script.after_secs(10);
    script.link_opened();
    script.wants(&["open link", "0/b,"]);
}

#[test]
fn nothing_is_opened_for_one_that_is_left_while_the_others_pause() {
    // While it waits for the next link, and while that is being opened.
    for (seconds, wanted) in [(0, &[][..]), (1, &["open link", "close link"])] {
        let (mut script, keys) = joined(&["/b"], |_| {});
        script.server("1/b,");
        script.link_lost();
        script.after_secs(seconds);
        script.session.leave(script.now, keys[0]);
        script.link_closed(CloseReason::Local);
        script.wants(wanted);
        assert_eq!(script.due_in(), Some(Duration::from_secs(10 - seconds)));
        script.after_secs(10 - seconds);
        script.link_opened();
        script.wants(&["open link", "0/b,"]);
    }
}

#[test]
fn in_revision_4_the_root_comes_back_when_nobody_else_uses_the_link() {
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
    script.session.leave(script.now, other);
    script.wants(&["1/b,", "close link"]);
    script.link_closed(CloseReason::Local);
    script.after_secs(1);
    script.link_opened_as(Version::V3, Transport::WebSocket, None);
    script.server("0");
    script.tells(&[
        "/b disconnected: disconnected by this side; for good",
        "/ connected as engine-sid",
    ]);
}

/// Ten namespaces that a server disconnects one after the other have not made ten attempts.
#[test]
fn each_namespace_has_its_own_attempts() {
    let (mut script, _) = Script::joined_with(|config| {
        config.reconnection.max_attempts = Some(2);
        config.reconnection.decide = Some(Decide::new(|_| Decision::Retry));
    });
    for name in ["/b", "/c"] {
        script.join(name);
        script.server(&format!(r#"0{name},{{"sid":"x"}}"#));
    }
    script.skip();
    let ends = ["retry in 1s", "retry in 2s", "for good"];
    for (round, end) in ends.into_iter().enumerate() {
        for name in ["/b", "/c"] {
            script.server(&format!("1{name},"));
            script.tells(&[&format!(
                "{name} disconnected: disconnected by the server; {end}"
            )]);
        }
        if round < 2 {
            script.after_secs(2);
            for name in ["/b", "/c"] {
                script.server(&format!(r#"0{name},{{"sid":"x"}}"#));
            }
            script.skip();
        }
    }
    // That is no concern of the one that has never failed.
    script.link_lost();
    script.tells(&[
        "/ disconnected: the connection was lost: no ping from the server in time; retry in 1s",
    ]);
}

#[test]
fn providers_that_fail_one_by_one_do_not_use_up_each_others_attempts() {
    let (mut script, _) = Script::joined_with(|config| {
        config.reconnection.max_attempts = Some(3);
    });
    for name in ["/b", "/c"] {
        let settings = Join {
            auth: Auth::Asked,
            ..Join::default()
        };
        script.try_join_with(name, settings).unwrap();
        script.skip_actions();
        let key = script.asked.pop().unwrap();
        let auth = Ok(None);
        script
            .session
            .handle_input(script.now, Input::Auth { key, auth });
        script.server(&format!(r#"0{name},{{"sid":"x"}}"#));
    }
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.skip();
    for (delay, end) in [(2, "retry in 2s"), (4, "retry in 4s"), (0, "for good")] {
        for key in std::mem::take(&mut script.asked) {
            let auth = Err(ProviderError::Timeout);
            script
                .session
                .handle_input(script.now, Input::Auth { key, auth });
        }
        script.tells(&["/b", "/c"].map(|name| {
            &*format!("{name} connect error: the provider did not answer in time; {end}").leak()
        }));
        script.after_secs(delay);
        script.skip_actions();
    }
}
