//! From a `notificationUrl` to notifications where the service speaks the old revision.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use conformance::{Case, Release, Route, http, within};
use engineio::Version;
use futures_util::StreamExt as _;
use graph_notifications::{
    ConnectOptions, ConnectionError, EngineIo, Notification, NotificationUrl, Notifications,
    PlainHttp, TransportMode, UrlOptions,
};
use serde_json::{Value, json};

/// Both forms of the URL, and the CONNECT that each becomes: in the old revision it carries the query.
const URLS: [(&str, &str); 2] = [
    (
        "/zbaehwg/callback?snthgk=1ff3-2345672zz831837523",
        "40/zbaehwg?snthgk=1ff3-2345672zz831837523,",
    ),
    (
        "/notifications?token=aB%2b%2F+c==&list=1,2&flag",
        "40/notifications?token=aB%2b%2F+c==&list=1%2C2&flag,",
    ),
];

mod told_to_speak_it_to_a_server_that_speaks_nothing_else {
    use super::*;
    conformance::over_every_route! { Release::Old, Version::V3 => notifications_arrive, an_end_is_told }
}

mod told_to_speak_it_to_a_server_that_speaks_it_as_well {
    use super::*;
    conformance::over_every_route! { Release::Compatible, Version::V3 => notifications_arrive, an_end_is_told }
}

mod finding_out {
    use super::*;
    conformance::over_every_route! { Release::Old, Version::Auto => notifications_arrive, an_end_is_told }
}

async fn notifications_arrive(case: Case) {
    let value = json!({"value": [{"subscriptionId": "s", "resource": "list"}]});
    for (url, connect) in URLS {
        let Some(server) = case.release.socket_io(json!({})).await else {
            return;
        };
        let url = parse(&server.url(url));
        let mut notifications = within("a connection", options(case).connect(&url))
            .await
            .unwrap();
        assert_eq!(notifications.engine_io(), EngineIo::V3);
        for argument in [value.clone(), json!(value.to_string())] {
            let event = json!({
                "namespace": url.namespace(), "event": "notification", "args": [argument],
            });
            server.command("emit", event).await;
            let notification = next(&mut notifications).await;
            let data: Value = serde_json::from_str(notification.data().unwrap().get()).unwrap();
            assert_eq!(data, value);
        }

        let log = server.seen().await;
        let sent = |text: &str| {
            let (frame, body) = (text.to_owned(), format!("{}:{text}", text.len()));
            log.iter().any(|line| {
                (line.is("frame") && line.str("text") == frame)
                    || (line.is("body") && line.str("text") == body)
            })
        };
        assert!(sent(connect), "{connect} is not in {log:#?}");
        // Never a CONNECT for the root: a server of the old revision has joined it already.
        assert!(!sent("40"), "{log:#?}");
    }
}

async fn an_end_is_told(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let url = parse(&server.url(URLS[0].0));
    let mut notifications = within("a connection", options(case).connect(&url))
        .await
        .unwrap();
    server
        .command("disconnect", json!({"namespace": "/zbaehwg"}))
        .await;
    let end = within("an end", notifications.next()).await.unwrap();
    assert_eq!(end.unwrap_err(), ConnectionError::Disconnected);
}

fn parse(url: &str) -> NotificationUrl {
    let options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
    NotificationUrl::parse_with(url, options).unwrap()
}

fn options(case: Case) -> ConnectOptions {
    let mut options = ConnectOptions::default();
    options.http = Some(http());
    options.engine_io = case.version;
    options.transport = match case.route {
        Route::Polling => TransportMode::Polling,
        Route::WebSocket => TransportMode::WebSocket,
        Route::Upgrade => TransportMode::Upgrade,
    };
    options
}

async fn next(notifications: &mut Notifications) -> Notification {
    let next = within("a notification", notifications.next()).await;
    next.expect("the stream ended").unwrap()
}
