//! A sign-in shows no secret, and logs none: in a program of its own, as other tests would share the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use graph_notifications::{TokenError, TokenRequest};
use support::log::Log;
use support::sign_in::*;

#[tokio::test]
async fn no_secret_is_shown_or_logged() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = serve_tokens(vec![
        refused("authorization_pending"),
        (200, tokens(0, "PLANTED-refresh")),
        refused("server_error"),
        refused("bad_verification_code"),
    ])
    .await;
    let sign_in = sign_in(&server);
    let mut pending = soon(sign_in.start()).await.unwrap();
    let mut shown = format!("{pending:?} {pending:#?}");
    let login = soon(pending.finish()).await.unwrap();
    shown += &format!("{login:?} {sign_in:?} {:?}", login.refresh_tokens());
    shown += &format!("{:?}", login.refresh_token());
    let busy = soon(login.access_token(TokenRequest::any()))
        .await
        .unwrap_err();
    shown += &format!("{busy} {busy:?} {:?}", TokenError::from(busy.clone()));
    let mut pending = soon(sign_in.start()).await.unwrap();
    let refused = soon(pending.finish()).await.unwrap_err();
    shown += &format!("{refused} {refused:?}");
    shown += &format!("{:?}", sign_in.restore("PLANTED\n").unwrap_err());
    assert!(shown.contains("bad_verification_code") && shown.contains("server_error"));
    assert!(!shown.contains("PLANTED"), "{shown}");

    let log = log.text();
    for expected in ["got a device code", "signed in", "was not refreshed"] {
        assert!(log.contains(expected), "{expected} was not logged: {log}");
    }
    assert!(!log.contains("PLANTED"), "{log}");
}
