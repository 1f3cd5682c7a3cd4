//! The sign-in service: codes, polls and refreshes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{PATH, http, soon, start};
use graph_emulator::{Emulator, LoginDecision};
use serde_json::{Value, json};

async fn post(emulator: &Emulator, path: &str, form: &str) -> (u16, Value) {
    let url = format!("{}/common/oauth2/v2.0/{path}", emulator.graph_url());
    let kind = "application/x-www-form-urlencoded";
    let request = http().post(url).header("content-type", kind);
    let response = soon(request.body(form.to_owned()).send()).await.unwrap();
    (
        response.status().as_u16(),
        soon(response.json()).await.unwrap(),
    )
}

async fn poll(emulator: &Emulator, device_code: &str) -> (u16, Value) {
    let form = format!(
        "client_id=app&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code={device_code}"
    );
    post(emulator, "token", &form).await
}

async fn refresh(emulator: &Emulator, token: &str) -> (u16, Value) {
    let form = format!("client_id=app&grant_type=refresh_token&refresh_token={token}");
    post(emulator, "token", &form).await
}

async fn code(emulator: &Emulator) -> String {
    let (status, code) = post(emulator, "devicecode", "client_id=app&scope=Files.Read+x").await;
    assert_eq!(status, 200, "{code}");
    let message = code["message"].as_str().unwrap();
    assert!(message.contains(code["user_code"].as_str().unwrap()));
    assert!(message.contains(code["verification_uri"].as_str().unwrap()));
    assert_eq!(
        (&code["interval"], &code["expires_in"]),
        (&5.into(), &900.into())
    );
    code["device_code"].as_str().unwrap().to_owned()
}

async fn graph(emulator: &Emulator, token: &Value) -> u16 {
    let request = http().get(format!("{}{PATH}", emulator.graph_url()));
    let request = request.bearer_auth(token.as_str().unwrap());
    soon(request.send()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_poll_is_told_what_was_decided() {
    let emulator = start(|_| ()).await;
    let code = code(&emulator).await;
    emulator.update_login(|settings| settings.slow_down = 1);
    for (decision, error) in [
        (LoginDecision::Pending, "slow_down"),
        (LoginDecision::Pending, "authorization_pending"),
        (LoginDecision::Decline, "authorization_declined"),
        (LoginDecision::Expire, "expired_token"),
    ] {
        emulator.update_login(|settings| settings.decision = decision);
        let (status, answer) = poll(&emulator, &code).await;
        assert_eq!((status, &answer["error"]), (400, &error.into()));
    }
    emulator.approve_logins();
    let (status, granted) = poll(&emulator, &code).await;
    assert_eq!((status, &granted["token_type"]), (200, &"Bearer".into()));
    assert_eq!(graph(&emulator, &granted["access_token"]).await, 200);
    // A code is good once.
    for spent in [code.as_str(), "unknown"] {
        let (status, answer) = poll(&emulator, spent).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &"bad_verification_code".into())
        );
    }
    assert_eq!(emulator.login_counts().polls, 7);
}

#[tokio::test]
async fn tokens_end_and_are_refreshed() {
    let emulator = start(|_| ()).await;
    emulator.approve_logins();
    let (_, granted) = poll(&emulator, &code(&emulator).await).await;
    let first = granted["refresh_token"].as_str().unwrap();

    assert_eq!(emulator.revoke_access_tokens(), 1);
    assert_eq!(graph(&emulator, &granted["access_token"]).await, 401);
    let (status, granted) = refresh(&emulator, first).await;
    assert_eq!(status, 200);
    assert_eq!(graph(&emulator, &granted["access_token"]).await, 200);
    let second = granted["refresh_token"].as_str().unwrap();
    let (status, answer) = refresh(&emulator, first).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));

    emulator.update_login(|settings| {
        settings.rotate = false;
        settings.busy = 1;
        settings.token_lifetime_s = 0;
    });
    assert_eq!(refresh(&emulator, second).await.0, 503);
    for _ in 0..2 {
        let (status, granted) = refresh(&emulator, second).await;
        assert_eq!((status, granted.get("refresh_token")), (200, None));
        assert_eq!(
            graph(&emulator, &granted["access_token"]).await,
            401,
            "expired"
        );
    }
    assert_eq!(emulator.revoke_refresh_tokens(), 1);
    assert_eq!(refresh(&emulator, second).await.0, 400);
}

#[tokio::test]
async fn it_is_controlled_over_http() {
    let emulator = start(|config| config.control_port = Some(0)).await;
    let api = emulator.control_url().unwrap();
    let call = async |method: &str, name: &str, body: Value| {
        let method = method.parse().unwrap();
        let request = http().request(method, format!("{api}/{name}")).json(&body);
        let response = soon(request.send()).await.unwrap();
        let status = response.status().as_u16();
        (status, soon(response.json::<Value>()).await.unwrap())
    };
    let code = code(&emulator).await;
    assert_eq!(poll(&emulator, &code).await.0, 400);
    let (status, answer) = call("PATCH", "login", json!({ "decision": "approve" })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["settings"]["decision"], "approve");
    assert_eq!(
        answer["counts"],
        json!({ "codes": 1, "polls": 1, "refreshes": 0 })
    );
    assert_eq!(poll(&emulator, &code).await.0, 200);
    for (which, affected) in [("access", 1), ("refresh", 1), ("refresh", 0)] {
        let (_, answer) = call("POST", "revoke", json!({ which: true })).await;
        assert_eq!(answer["affected"], affected, "{which}");
    }
    for body in [json!({ "unknown": 1 }), json!({ "decision": 1 })] {
        assert_eq!(call("PATCH", "login", body).await.0, 422);
    }
}

#[tokio::test]
async fn incomplete_requests_are_refused() {
    let emulator = start(|_| ()).await;
    for (path, form, error) in [
        ("devicecode", "scope=x", "invalid_request"),
        ("devicecode", "client_id=x", "invalid_request"),
        (
            "token",
            "grant_type=refresh_token&refresh_token=x",
            "invalid_request",
        ),
        (
            "token",
            "client_id=x&grant_type=password",
            "unsupported_grant_type",
        ),
        (
            "token",
            "client_id=x&grant_type=refresh_token",
            "invalid_grant",
        ),
    ] {
        let (status, answer) = post(&emulator, path, form).await;
        assert_eq!((status, &answer["error"]), (400, &error.into()), "{form}");
    }
}
