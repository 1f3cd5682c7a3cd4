//! The public types of `graph_notifications`: addresses, tokens, watches, subscriptions, changes, sign-ins and
//! notifications.

use conformance::{http as http_stack, within};
use graph_notifications::{
    AccessToken, BaseUrl, Cloud, Delta, DeltaLink, DeviceCode, ExposeSecret as _, NotificationUrl,
    PlainHttp, Resource, StaticToken, SubscriptionRequest, TokenRequest, UrlOptions, Watch,
    Watches, token_fn,
};

use super::Shown;
use crate::needle;
use crate::server::{Server, http};

const TOKENS: &str = r#"{"token_type":"Bearer","access_token":"PLANTED-access","expires_in":0,"refresh_token":"PLANTED-refresh"}"#;

fn graph(server: &Server) -> String {
    format!("http://127.0.0.1:{}", server.port)
}

pub(super) async fn show(shown: &mut Shown) {
    let server = Server::start(|request| match request.target.as_str() {
        target if target.ends_with("/devicecode") => http("200 OK", "", r#"{"user_code":"PLANTED-code","device_code":"PLANTED-device","verification_uri":"https://h/","message":"PLANTED-code","interval":0}"#),
        target if target.ends_with("/token") => http("200 OK", "", TOKENS),
        target if target.ends_with("/socketIo") => http("200 OK", "", r#"{"notificationUrl":"https://h/n?token=PLANTED","id":"1"}"#),
        _ => {
            let link = request.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
            let body = format!(r#"{{"value":[{{"id":"1","name":"n","@microsoft.graph.downloadUrl":"https://h/?tempauth=PLANTED"}}],"@odata.deltaLink":"http://{link}/delta?token=PLANTED"}}"#);
            http("200 OK", "", &body)
        }
    })
    .await;
    let base = || BaseUrl::parse(&graph(&server), PlainHttp::OnLoopback).unwrap();
    shown.value("graph_notifications::BaseUrl", base());
    shown.value("graph_notifications::Cloud", Cloud::Custom(base()));
    for url in [
        "PLANTED",
        "https://PLANTED:PLANTED@h",
        "https://h/?PLANTED",
        "https://h:PLANTED",
        "http://h/PLANTED",
        "https://h/#PLANTED",
    ] {
        shown.error(
            "graph_notifications::BaseUrlError",
            Cloud::custom(url).unwrap_err(),
        );
    }
    let token = AccessToken::new("PLANTED").unwrap();
    shown.value("graph_notifications::AccessToken", &token);
    let fixed = StaticToken::new("PLANTED").unwrap();
    shown.value("graph_notifications::StaticToken", &fixed);
    let given = token.clone();
    shown.value(
        "graph_notifications::TokenFn",
        token_fn(move |_| std::future::ready(Ok(given.clone()))),
    );
    for bad in ["PLANTED\n", "Bearer PLANTED", "PLANTEDé"] {
        shown.error(
            "graph_notifications::TokenError",
            AccessToken::new(bad).unwrap_err(),
        );
    }
    let options = || UrlOptions::default().plain_http(PlainHttp::OnLoopback);
    let url = NotificationUrl::parse_with("http://localhost:1/n?token=PLANTED", options()).unwrap();
    shown.value("graph_notifications::NotificationUrl", &url);
    for bad in [
        "PLANTED",
        "https://PLANTED:PLANTED@h/?t",
        "http://h/?PLANTED",
        "https://h/n?t=\nPLANTED",
        "https://h/n?t#PLANTED",
    ] {
        if let Err(error) = NotificationUrl::parse(bad) {
            needle::told("NotificationUrlError", &error);
            shown
                .looked_at
                .insert("graph_notifications::NotificationUrlError");
            shown.error(
                "graph_notifications::BadAnswer",
                graph_notifications::BadAnswer::from(error),
            );
        }
    }
    shown.value("graph_notifications::FromUrl", Watch::for_url(url.clone()));
    shown.value(
        "graph_notifications::WatchBuilder",
        Watch::for_url(url.clone()).http(http_stack()),
    );
    // Nobody else has one.
    shown.value(
        "graph_notifications::WatchSource",
        Watch::for_url(url.clone()),
    );
    let builder = Watch::builder(Resource::me_drive()).token(fixed.clone());
    shown.value("graph_notifications::FromResource", &builder);
    shown.value("graph_notifications::WatchBuilder", &builder);
    let mut options = graph_notifications::ConnectOptions::default();
    options.http = Some(http_stack());
    shown.value("graph_notifications::ConnectOptions", &options);
    shown.value(
        "graph_notifications::WatchConfig",
        graph_notifications::WatchConfig::default(),
    );
    shown.value("graph_notifications::Resource", Resource::me_drive());
    let watch = Watch::for_url(url).http(http_stack()).start();
    shown.value("graph_notifications::Watch", &watch);
    let mut watches = Watches::new();
    watches.insert("key", watch);
    shown.value("graph_notifications::Watches", &watches);
    drop(watches);

    let mut request = SubscriptionRequest::new(Resource::me_drive());
    request.cloud = Cloud::Custom(base());
    shown.value("graph_notifications::SubscriptionRequest", &request);
    let granted = within("a subscription", request.send(&http_stack(), &token))
        .await
        .unwrap();
    assert_eq!(
        granted.notification_url.query().expose_secret(),
        "token=PLANTED"
    );
    shown.value("graph_notifications::Subscription", granted);

    let builder = Delta::builder(Resource::me_drive())
        .token(fixed)
        .cloud(Cloud::Custom(base()))
        .http(http_stack());
    shown.value("graph_notifications::DeltaBuilder", &builder);
    let delta = builder.build().unwrap();
    shown.value("graph_notifications::Delta", &delta);
    let mut changes = delta.changes(None);
    let page = within("a page", changes.next_page())
        .await
        .unwrap()
        .unwrap();
    assert!(page.changes[0].json().get().contains("PLANTED"));
    shown.value("graph_notifications::Change", &page.changes[0]);
    shown.value("graph_notifications::Page", page);
    shown.value("graph_notifications::Changes", &changes);
    let link = changes.delta_link().unwrap().clone();
    shown.value("graph_notifications::DeltaLink", &link);
    let changes = delta.changes(Some(&link));
    shown.value("graph_notifications::Changes", &changes);
    shown.value(
        "graph_notifications::Collected",
        within("all", changes.collect()).await.unwrap(),
    );
    for bad in [
        "PLANTED",
        "http://h/?PLANTED",
        "https://PLANTED@h/",
        "https://h/#PLANTED",
        "https://h:PLANTED/",
    ] {
        let error = DeltaLink::parse(bad).unwrap_err();
        needle::told("DeltaLinkError", &error);
        shown.error(
            "graph_notifications::DeltaError",
            graph_notifications::DeltaError::BadLink(error),
        );
    }

    let builder = DeviceCode::builder("app")
        .authority(base())
        .http(http_stack());
    shown.value("graph_notifications::DeviceCodeBuilder", &builder);
    let sign_in = builder.build().unwrap();
    shown.value("graph_notifications::DeviceCode", &sign_in);
    let mut pending = within("a code", sign_in.start()).await.unwrap();
    shown.value("graph_notifications::PendingLogin", &pending);
    let login = within("tokens", pending.finish()).await.unwrap();
    shown.value("graph_notifications::Login", &login);
    shown.value("graph_notifications::RefreshTokens", login.refresh_tokens());
    needle::shown("a refresh token", &login.refresh_token());
    needle::shown("a token", &login.access_token(TokenRequest::any()).await);
    shown.error(
        "graph_notifications::LoginError",
        sign_in.restore("PLANTED\n").unwrap_err(),
    );
    let notification = graph_notifications::Notification::from_json(
        r#""{\"value\":[{\"clientState\":\"PLANTED\",\"resource\":\"r\"}]}""#,
    );
    let entry = notification.entries().remove(0);
    assert_eq!(entry.client_state.as_deref(), Some("PLANTED"));
    shown.value("graph_notifications::Entry", entry);
    shown.value("graph_notifications::Notification", &notification);
    shown.value(
        "graph_notifications::WatchEvent",
        graph_notifications::WatchEvent::Notification(notification),
    );
}
