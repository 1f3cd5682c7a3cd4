//! No text of any public type shows a credential.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use futures_util::StreamExt as _;
use graph_notifications::{
    AccessToken, BaseUrl, BaseUrlError, Cloud, ConnectOptions, NotificationUrl,
    NotificationUrlError, PlainHttp, Recipe, Resource, StaticToken, SubscriptionRequest,
    TokenError, TransportMode, UrlOptions, Watch, token_fn,
};
use support::{http, log::Log, relay::Relay};

const SECRET: &str = "PLANTED";

fn url(text: &str, recipe: Recipe) -> Result<NotificationUrl, NotificationUrlError> {
    NotificationUrl::parse_with(text, UrlOptions::default().recipe(recipe))
}

#[test]
fn values_show_no_secret() {
    let token = AccessToken::new(SECRET).unwrap();
    let provider = StaticToken::new(SECRET).unwrap();
    let good_url = url("https://h/n?token=PLANTED", Recipe::Auto).unwrap();
    let mut options = ConnectOptions::default();
    options.http = Some(http());
    let shown = [
        format!("{token:?} {token:#?}"),
        format!("{provider:?}"),
        format!("{good_url:?} {good_url:#?} {:?}", good_url.query()),
        format!(
            "{:?}",
            token_fn(move |_| {
                let token = token.clone();
                async move { Ok(token) }
            })
        ),
        format!(
            "{:?}",
            Watch::builder(Resource::me_drive()).token(provider.clone())
        ),
        format!("{:?}", Watch::for_url(good_url)),
        format!("{:?}", SubscriptionRequest::new(Resource::me_drive())),
        format!("{options:?}"),
    ];
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.is_empty());
    }
}

#[test]
fn errors_show_no_secret() {
    let mut errors: Vec<Box<dyn std::error::Error>> = Vec::new();
    let bad_urls = [
        "PLANTED",
        "http://h/n?token=PLANTED",
        "https://?token=PLANTED",
        "https://h:PLANTED/n?t",
        "https://user:PLANTED@h/n?t=1",
        "https://h/n?t=1#PLANTED",
        "https://h/n?t=PLANTED x",
        "https://h/n?t=PLANTEDé",
        "https://h/PLANTED",
        "https://h/a/callback?PLANTED/callback?PLANTED",
        "https://h/callback?PLANTED",
        "https://h/a,b?PLANTED",
    ];
    for text in bad_urls {
        errors.push(Box::new(url(text, Recipe::Auto).unwrap_err()));
    }
    errors.push(Box::new(
        url("https://h/n?PLANTED", Recipe::Split).unwrap_err(),
    ));
    let long = format!("https://h/n?{}", SECRET.repeat(2000));
    errors.push(Box::new(url(&long, Recipe::Auto).unwrap_err()));
    for text in [
        "PLANTED",
        "http://h/PLANTED",
        "https://PLANTED@h",
        "https://h/?PLANTED",
        "https://h:PLANTED/",
    ] {
        let error: BaseUrlError = BaseUrl::parse(text, PlainHttp::OnLoopback).unwrap_err();
        errors.push(Box::new(error));
    }
    for text in [
        "PLANTED\n",
        "Bearer PLANTED",
        "PLANTEDé",
        &SECRET.repeat(10_000),
    ] {
        let error: TokenError = AccessToken::new(text).unwrap_err();
        errors.push(Box::new(error));
    }
    for error in errors {
        let mut shown = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(cause) = source {
            shown.push_str(&format!(" {cause} {cause:?}"));
            source = cause.source();
        }
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[tokio::test]
async fn logs_show_no_secret() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let relay = Relay::start(None, |_| None).await;
    let provider = StaticToken::new("PLANTED-token").unwrap();
    let watch = relay.watch().token(provider).connect().await.unwrap();
    relay.send("41/notifications,");
    watch.close().await;
    // The service repeats the credential when it refuses the namespace, at first and later.
    for refuse_at_first in [true, false] {
        let relay = Relay::start(None, |_| None).await;
        let packet = r#"{"message":"PLANTED== is not welcome","data":"PLANTED=="}"#;
        let fixed = || {
            let fixed = Watch::for_url(relay.url()).http(http());
            fixed.transport(TransportMode::Polling)
        };
        if refuse_at_first {
            relay.refuse_joins(packet);
            fixed().connect().await.unwrap_err();
        } else {
            let mut watch = fixed().connect().await.unwrap();
            relay.send(&format!("44/notifications,{packet}"));
            watch.next().await.unwrap().unwrap();
            watch.next().await.unwrap().unwrap_err();
        }
    }
    let fixed = Watch::for_url(relay.url())
        .http(http())
        .transport(TransportMode::WebSocket);
    fixed.connect().await.unwrap_err();

    let log = log.text();
    assert!(log.contains("/notifications"), "nothing was logged: {log}");
    assert!(!log.contains(SECRET), "{log}");
    assert!(!log.contains("%2B"), "{log}");
}

#[test]
fn credentials_do_not_travel_in_the_clear() {
    assert!(url("http://10.0.0.1/n?t=1", Recipe::Auto).is_err());
    assert!(Cloud::custom("http://127.0.0.1").is_err());
}
