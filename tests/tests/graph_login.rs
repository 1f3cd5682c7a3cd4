//! Signing in by device code, against the emulator: hours of tokens in seconds.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use conformance::{http, within};
use futures_util::StreamExt as _;
use graph_emulator::{Emulator, EmulatorConfig, LoginDecision, Notification};
use graph_notifications::{
    BaseUrl, Cloud, DeviceCode, ExposeSecret as _, Login, LoginError, PlainHttp, Resource,
    ResyncReason, SubscriptionRequest, TokenError, TokenProvider as _, TokenRequest, UrlOptions,
    Watch, WatchConfig, WatchError, WatchEvent,
};

async fn emulator() -> Emulator {
    let emulator = Emulator::start(EmulatorConfig::default()).await.unwrap();
    emulator.update_login(|settings| settings.interval_s = 1);
    emulator
}

fn base(emulator: &Emulator) -> BaseUrl {
    BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback).unwrap()
}

fn sign_in(emulator: &Emulator) -> DeviceCode {
    let builder = DeviceCode::builder("11111111-2222-3333-4444-555555555555").http(http());
    builder.authority(base(emulator)).build().unwrap()
}

async fn signed_in(emulator: &Emulator) -> Login {
    emulator.approve_logins();
    let mut pending = within("a code", sign_in(emulator).start()).await.unwrap();
    within("a sign-in", pending.finish()).await.unwrap()
}

/// Asks Graph for a URL with the token: whether it is accepted.
async fn accepted(emulator: &Emulator, login: &Login, request: TokenRequest) -> bool {
    let token = within("a token", login.token(request)).await.unwrap();
    let mut request = SubscriptionRequest::new(Resource::me_drive());
    request.cloud = Cloud::Custom(base(emulator));
    request.url_options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
    within("an answer", request.send(&http(), &token))
        .await
        .is_ok()
}

fn secret(login: &Login) -> String {
    login.refresh_token().unwrap().expose_secret().to_owned()
}

async fn watch(emulator: &Emulator, login: Login) -> Result<Watch, WatchError> {
    let mut config = WatchConfig::default();
    config.backoff.max_attempts = Some(3);
    let builder = Watch::builder(Resource::me_drive())
        .token(login)
        .cloud(Cloud::Custom(base(emulator)))
        .allow_http_on_loopback()
        .http(http())
        .config(config);
    within("a watch", builder.connect()).await
}

#[tokio::test]
async fn login_by_device_code() {
    let emulator = emulator().await;
    let mut pending = within("a code", sign_in(&emulator).start()).await.unwrap();
    assert!(pending.message().contains(pending.user_code()));
    assert!(pending.verification_uri().ends_with("/devicelogin"));

    // The person takes a while.
    let person = async {
        emulator.wait_for_login(|counts| counts.polls >= 2).await;
        emulator.approve_logins();
    };
    let (login, ()) = within("a sign-in", async {
        tokio::join!(pending.finish(), person)
    })
    .await;
    let login = login.unwrap();

    let mut watch = watch(&emulator, login.clone()).await.unwrap();
    let started = WatchEvent::Resync(ResyncReason::Started);
    assert_eq!(within("a start", watch.next()).await, Some(Ok(started)));
    assert_eq!(emulator.notify(&Notification::default()).receivers, 1);
    let event = within("a notification", watch.next()).await;
    assert!(matches!(event, Some(Ok(WatchEvent::Notification(_)))));
    watch.close().await;
    assert_eq!(emulator.login_counts().refreshes, 0);

    // Another run, for which nobody has to sign in.
    let restored = sign_in(&emulator)
        .restore(login.refresh_token().unwrap())
        .unwrap();
    assert!(accepted(&emulator, &restored, TokenRequest::any()).await);
    assert_ne!(secret(&restored), secret(&login), "it has rotated");
    let counts = emulator.login_counts();
    assert_eq!((counts.codes, counts.refreshes), (1, 1));
}

#[tokio::test]
async fn a_login_is_refreshed_when_it_expires_and_when_it_is_refused() {
    let emulator = emulator().await;
    // Expired as soon as they are there.
    emulator.update_login(|settings| settings.token_lifetime_s = 0);
    let login = signed_in(&emulator).await;
    let first = secret(&login);
    emulator.update_login(|settings| settings.token_lifetime_s = 3600);
    for _ in 0..3 {
        assert!(accepted(&emulator, &login, TokenRequest::any()).await);
    }
    assert_eq!(emulator.login_counts().refreshes, 1);
    let second = secret(&login);
    assert_ne!(second, first);

    assert!(emulator.revoke_access_tokens() > 0);
    assert!(!accepted(&emulator, &login, TokenRequest::any()).await);
    assert!(accepted(&emulator, &login, TokenRequest::fresh()).await);
    assert!(accepted(&emulator, &login, TokenRequest::any()).await);
    assert_eq!(emulator.login_counts().refreshes, 2);
    assert_ne!(secret(&login), second);

    // A service that leaves the refresh token as it is.
    emulator.update_login(|settings| settings.rotate = false);
    let third = secret(&login);
    assert!(accepted(&emulator, &login, TokenRequest::fresh()).await);
    assert!(accepted(&emulator, &login, TokenRequest::fresh()).await);
    assert_eq!(secret(&login), third);

    // A watch whose token is refused asks for a fresh one by itself.
    emulator.revoke_access_tokens();
    let watch = watch(&emulator, login).await.unwrap();
    watch.close().await;
    assert_eq!(emulator.login_counts().refreshes, 5);
}

#[tokio::test]
async fn a_login_that_has_ended_ends_the_watch() {
    let emulator = emulator().await;
    let login = signed_in(&emulator).await;
    emulator.revoke_access_tokens();
    assert_eq!(emulator.revoke_refresh_tokens(), 1);
    let error = watch(&emulator, login).await.unwrap_err();
    match &error {
        WatchError::Token(TokenError::Refused(reason)) => {
            assert!(reason.contains("sign in again"), "{reason}");
            assert!(reason.contains("AADSTS700082"), "{reason}");
            assert!(!reason.contains("emulator-refresh"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_outlasts_a_sign_in_service_in_trouble() {
    let emulator = emulator().await;
    let login = signed_in(&emulator).await;
    emulator.revoke_access_tokens();
    emulator.update_login(|settings| settings.busy = 1);
    let watch = watch(&emulator, login).await.unwrap();
    watch.close().await;
    assert_eq!(emulator.login_counts().refreshes, 2);
}

#[tokio::test]
async fn sign_ins_that_come_to_nothing() {
    for (decision, expected) in [
        (LoginDecision::Decline, LoginError::Declined),
        (LoginDecision::Expire, LoginError::Expired),
    ] {
        let emulator = emulator().await;
        emulator.update_login(|settings| settings.decision = decision);
        let mut pending = within("a code", sign_in(&emulator).start()).await.unwrap();
        let error = within("an end", pending.finish()).await.unwrap_err();
        assert_eq!(error, expected);
    }
    // The code runs out here, too, without asking.
    let emulator = emulator().await;
    emulator.update_login(|settings| settings.code_lifetime_s = 0);
    let mut pending = within("a code", sign_in(&emulator).start()).await.unwrap();
    let error = within("an end", pending.finish()).await.unwrap_err();
    assert_eq!(error, LoginError::Expired);
    assert_eq!(emulator.login_counts().polls, 0);
}
