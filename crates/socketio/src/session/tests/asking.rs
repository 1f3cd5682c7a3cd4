//! Attempts that a provider equips.

use super::*;

fn asked() -> Join {
    Join {
        auth: Auth::Asked,
        ..Join::default()
    }
}

fn json(value: &serde_json::Value) -> Json {
    Json::from_serialize(value).unwrap()
}

impl Script {
    fn answer(&mut self, auth: Result<Option<Json>, ProviderError>) {
        let key = self.asked.pop().unwrap();
        self.session
            .handle_input(self.now, Input::Auth { key, auth });
    }
}

#[test]
fn the_auth_payload_is_asked_for_each_time() {
    let mut script = Script::new();
    script.try_join_with("/a", asked()).unwrap();
    script.link_opened();
    script.wants(&["open link", "auth of /a, attempt 0?"]);
    script.answer(Ok(Some(json(&serde_json::json!({"token": 1})))));
    script.server(r#"0/a,{"sid":"1"}"#);
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.wants(&[r#"0/a,{"token":1}"#, "open link", "auth of /a, attempt 1?"]);
    script.answer(Ok(None));
    script.wants(&["0/a,"]);
}

#[test]
fn a_failure_of_the_first_question_is_final() {
    let mut script = Script::new();
    script.try_join_with("/", asked()).unwrap();
    script.link_opened();
    script.skip_actions();
    script.answer(Err(ProviderError::Failed("no token".into())));
    script.tells(&["/ connect error: the provider failed: no token; for good"]);
    script.wants(&["close link"]);
}

#[test]
fn later_failures_are_retried_and_the_others_go_on() {
    let (mut script, root) = Script::joined();
    script.try_join_with("/a", asked()).unwrap();
    script.skip_actions();
    script.answer(Ok(None));
    script.server(r#"0/a,{"sid":"1"}"#);
    script.skip();
    script.link_lost();
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    script.skip();
    for (error, told) in [
        (
            ProviderError::Timeout,
            "the provider did not answer in time; retry in 2s",
        ),
        (
            ProviderError::Panicked,
            "the provider panicked; retry in 4s",
        ),
    ] {
        script.answer(Err(error));
        script.tells(&[&format!("/a connect error: {told}")]);
        script.emit(root, "e").unwrap();
        script.wants(&[r#"2["e"]"#]);
        script.after_secs(4);
        script.wants(&["auth of /a, attempt 2?"].map(|line| {
            if told.contains("panicked") {
                "auth of /a, attempt 3?"
            } else {
                line
            }
        }));
    }
    script.answer(Ok(None));
    script.wants(&["0/a,"]);
}

#[test]
fn what_is_no_object_is_not_sent() {
    let mut script = Script::new();
    script.try_join_with("/", asked()).unwrap();
    script.link_opened();
    script.skip_actions();
    script.answer(Ok(Some(json(&serde_json::json!("token")))));
    script.tells(&["/ connect error: the auth payload must be an object; for good"]);
}

#[test]
fn late_answers_are_ignored() {
    let mut script = Script::new();
    let key = script.try_join_with("/", asked()).unwrap();
    script.link_opened();
    script.skip_actions();
    let late = script.asked[0];
    script.session.leave(script.now, key);
    script.skip();
    script.link_closed(CloseReason::Local);
    script.try_join_with("/", asked()).unwrap();
    script.link_opened();
    script.skip_actions();
    let auth = Ok(Some(json(&serde_json::json!({"late": true}))));
    script
        .session
        .handle_input(script.now, Input::Auth { key: late, auth });
    script.wants(&[]);
    script.answer(Ok(None));
    script.wants(&["0"]);
}

#[test]
fn the_link_may_go_while_the_answer_is_awaited() {
    let (mut script, _) = Script::joined_with(|config| {
        config.reconnection.retry_on_initial_connect = true;
    });
    script.try_join_with("/a", asked()).unwrap();
    script.skip_actions();
    let late = script.asked[0];
    script.link_lost();
    let auth = Ok(None);
    script
        .session
        .handle_input(script.now, Input::Auth { key: late, auth });
    script.wants(&[]);
    script.after_secs(1);
    script.link_opened();
    script.wants(&["open link", "0", "auth of /a, attempt 1?"]);
}

#[test]
fn without_a_target_there_is_another_attempt() {
    let (mut script, _) = Script::joined();
    script.link_lost();
    script.after_secs(1);
    script
        .session
        .handle_input(script.now, Input::NoTarget(ProviderError::Timeout));
    script.after_secs(2);
    script.wants(&["open link", "open link"]);
    script.tells(&[
        "/ disconnected: the connection was lost: no ping from the server in time; retry in 1s",
        "/ connect error: the provider did not answer in time; retry in 2s",
    ]);
}

#[test]
fn revision_4_has_no_auth_payload_to_ask_for() {
    let mut script = Script::with(|config| config.version = Version::Auto);
    script.try_join_with("/a", asked()).unwrap();
    script.link_opened_as(Version::V3, Transport::Polling, None);
    let told = script.events();
    assert!(
        told[0].contains("revision 4 of Socket.IO carries no auth payload"),
        "{told:?}"
    );
    assert_eq!(script.asked, []);
}
