//! From a `notificationUrl` to notifications, against the real socket.io server.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use conformance::{JsServer, Line, Route, TlsFront, http, over_every_route, within};
use engineio::CloseReason;
use engineio::client::Http;
use futures_util::StreamExt as _;
use graph_notifications::{
    ConnectOptions, ConnectionError, Notification, NotificationUrl, NotificationUrlError,
    Notifications, PlainHttp, Recipe, TransportMode, UrlOptions,
};
use serde_json::{Value, json};

/// The form that Microsoft documents, with the documented example's own path and query.
const SPLIT: &str = "/zbaehwg/callback?snthgk=1ff3-2345672zz831837523";

/// The form seen in the field, with a credential that does not survive decoding and encoding.
const DIRECT: &str = "/notifications?token=aB%2b%2F+c==&applicationId=1&applicationId=&flag&z='~";

over_every_route! {
    the_split_form_becomes_the_documented_requests,
    the_direct_form_becomes_the_documented_requests,
    notifications_arrive_as_text_and_as_objects,
    a_disconnection_ends_the_stream_with_the_reason,
    a_closed_connection_ends_the_stream_with_the_reason,
    closing_says_goodbye,
    dropping_closes_the_connection,
    a_namespace_that_the_server_does_not_have_is_refused,
}

async fn the_split_form_becomes_the_documented_requests(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let _notifications = connected(&server, SPLIT, Recipe::Auto, route).await;
    let query = "snthgk=1ff3-2345672zz831837523";
    requests_are_documented(&server, route, query, "/zbaehwg").await;
}

async fn the_direct_form_becomes_the_documented_requests(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let _notifications = connected(&server, DIRECT, Recipe::Auto, route).await;
    // In a query a URL can carry `'` only as `%27`; all other bytes arrive as they were.
    let query = "token=aB%2b%2F+c==&applicationId=1&applicationId=&flag&z=%27~";
    requests_are_documented(&server, route, query, "/notifications").await;
}

#[tokio::test]
async fn the_whole_url_can_be_the_endpoint_even_with_callback_in_it() {
    for route in [Route::WebSocket, Route::Upgrade] {
        let Some(server) = JsServer::socket_io(json!({})).await else {
            return;
        };
        let _notifications = connected(&server, SPLIT, Recipe::Direct, route).await;
        let query = "snthgk=1ff3-2345672zz831837523";
        requests_are_documented(&server, route, query, "/zbaehwg/callback").await;
    }
}

async fn notifications_arrive_as_text_and_as_objects(route: Route) {
    let value = json!({"value": [{"subscriptionId": "s", "resource": "list", "new": [1]}]});
    let flat = json!({"clientState": "c", "resource": "drive"});
    for url in [SPLIT, DIRECT] {
        // Two at once with the answer to CONNECT, two later.
        let notify = json!([value, value.to_string()]);
        let options = json!({"settings": {"notify": notify}});
        let Some(server) = JsServer::socket_io(options).await else {
            return;
        };
        let mut notifications = connected(&server, url, Recipe::Auto, route).await;
        let namespace = NotificationUrl::parse_with(&server.url(url), plain_http()).unwrap();
        for argument in [
            flat.clone(),
            json!(flat.to_string()),
            json!("no JSON at all"),
            json!(7),
        ] {
            let event = json!({
                "namespace": namespace.namespace(), "event": "notification", "args": [argument],
            });
            server.command("emit", event).await;
        }

        for _ in 0..2 {
            let notification = next(&mut notifications).await;
            assert_eq!(data(&notification), value);
            let entries = notification.entries();
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0].resource.as_deref(), Some("list"));
        }
        for _ in 0..2 {
            let notification = next(&mut notifications).await;
            assert_eq!(data(&notification), flat);
            assert_eq!(notification.entries()[0].resource.as_deref(), Some("drive"));
        }
        // What cannot be read says all the same that something changed.
        assert_eq!(next(&mut notifications).await.raw(), Some("no JSON at all"));
        assert_eq!(data(&next(&mut notifications).await), json!(7));
    }
}

#[tokio::test]
async fn no_notification_is_lost_or_reordered_by_the_upgrade() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut notifications = connected(&server, DIRECT, Recipe::Auto, Route::Upgrade).await;
    let mut sent = 0;
    let mut after_the_upgrade = 0;
    while after_the_upgrade < 20 {
        let event = json!({
            "namespace": "/notifications", "event": "notification", "args": [{"number": sent}],
        });
        server.command("emit", event).await;
        sent += 1;
        after_the_upgrade += usize::from(!server.seen_of("upgraded").await.is_empty());
    }
    for number in 0..sent {
        assert_eq!(
            data(&next(&mut notifications).await),
            json!({"number": number})
        );
    }
}

#[tokio::test]
async fn events_of_other_names_are_no_notifications() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut notifications = connected(&server, SPLIT, Recipe::Auto, Route::WebSocket).await;
    for event in ["message", "notifications", "notification"] {
        let event = json!({"namespace": "/zbaehwg", "event": event, "args": [event]});
        server.command("emit", event).await;
    }
    assert_eq!(next(&mut notifications).await.raw(), Some("notification"));
}

async fn a_disconnection_ends_the_stream_with_the_reason(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut notifications = connected(&server, SPLIT, Recipe::Auto, route).await;
    let event = json!({"namespace": "/zbaehwg", "event": "notification", "args": ["last"]});
    server.command("emit", event).await;
    server
        .command("disconnect", json!({"namespace": "/zbaehwg"}))
        .await;

    // What came before is delivered first.
    assert_eq!(next(&mut notifications).await.raw(), Some("last"));
    let error = within("an end", notifications.next())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error, ConnectionError::Disconnected);
    assert!(within("the end", notifications.next()).await.is_none());
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
    assert_eq!(
        server.seen_of("session").await.len(),
        1,
        "nobody tried again"
    );
}

async fn a_closed_connection_ends_the_stream_with_the_reason(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut notifications = connected(&server, DIRECT, Recipe::Auto, route).await;
    server.command("close engine", json!({})).await;
    let error = within("an end", notifications.next())
        .await
        .unwrap()
        .unwrap_err();
    let ConnectionError::Lost(CloseReason::Remote { .. }) = &error else {
        panic!("{error:?}")
    };
    assert!(error.is_retryable());
    assert!(within("the end", notifications.next()).await.is_none());
    assert_eq!(
        server.seen_of("session").await.len(),
        1,
        "nobody tried again"
    );
}

async fn closing_says_goodbye(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut notifications = connected(&server, SPLIT, Recipe::Auto, route).await;
    notifications.close();
    assert!(within("the end", notifications.next()).await.is_none());
    let left = server
        .wait_for("a goodbye", |line| line.is("disconnect"))
        .await;
    assert_eq!(left.str("reason"), "client namespace disconnect");
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
}

async fn dropping_closes_the_connection(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    drop(connected(&server, SPLIT, Recipe::Auto, route).await);
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
}

async fn a_namespace_that_the_server_does_not_have_is_refused(route: Route) {
    for (path, expected) in [
        ("/nowhere", "Invalid namespace"),
        ("/refused", "not authorized"),
    ] {
        let Some(server) = JsServer::socket_io(json!({})).await else {
            return;
        };
        let url = format!("{path}?token=SECRET");
        let error = connect(&server, &url, Recipe::Auto, route)
            .await
            .unwrap_err();
        let ConnectionError::NamespaceRefused { message } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(message, expected);
        assert!(!error.is_retryable());
        server
            .wait_for("the session's end", |line| line.is("closed"))
            .await;
    }
}

#[tokio::test]
async fn a_server_without_websocket_refuses() {
    let Some(server) = JsServer::socket_io(json!({"transports": ["polling"]})).await else {
        return;
    };
    let error = connect(&server, DIRECT, Recipe::Auto, Route::WebSocket)
        .await
        .unwrap_err();
    let ConnectionError::Refused(refusal) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (refusal.status, refusal.message.as_str()),
        (400, "Transport unknown")
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_an_error_without_the_credential() {
    let Some(mut server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    server.kill().await;
    let error = connect(&server, SPLIT, Recipe::Auto, Route::WebSocket)
        .await
        .unwrap_err();
    let ConnectionError::Lost(CloseReason::Transport(_)) = &error else {
        panic!("{error:?}")
    };
    assert!(error.is_retryable());
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("1ff3"), "{shown}");
}

#[tokio::test]
async fn plain_http_has_to_be_allowed_and_is_for_loopback_only() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let url = server.url(SPLIT);
    assert_eq!(
        NotificationUrl::parse(&url),
        Err(NotificationUrlError::NotHttps)
    );
    assert!(NotificationUrl::parse_with(&url, plain_http()).is_ok());
    let elsewhere = format!("http://192.0.2.1{SPLIT}");
    let refused = NotificationUrl::parse_with(&elsewhere, plain_http());
    assert_eq!(refused, Err(NotificationUrlError::NotHttps));
}

#[tokio::test]
async fn tls_with_a_private_authority_works_as_the_live_service_does() {
    let options = json!({"settings": {"notify": [{"value": []}]}});
    let Some(server) = JsServer::socket_io(options).await else {
        return;
    };
    let front = TlsFront::start(server.port()).await;
    for form in [SPLIT, DIRECT] {
        let url = NotificationUrl::parse(&front.url(form)).unwrap();

        let authority = Http::builder()
            .no_proxy()
            .root_certificates_pem(front.authority_pem());
        let mut options = ConnectOptions::default();
        options.http = Some(authority.unwrap().build().unwrap());
        let mut notifications = within("a connection", options.connect(&url)).await.unwrap();
        assert_eq!(data(&next(&mut notifications).await), json!({"value": []}));

        let mut options = ConnectOptions::default();
        options.http = Some(http());
        let error = within("a refusal", options.connect(&url))
            .await
            .unwrap_err();
        let ConnectionError::Lost(CloseReason::Transport(_)) = &error else {
            panic!("{error:?}")
        };
    }
    assert_eq!(
        server.seen_of("session").await.len(),
        2,
        "a stranger never got as far as HTTP"
    );
}

// What the scenarios are made of.

fn plain_http() -> UrlOptions {
    UrlOptions::default().plain_http(PlainHttp::OnLoopback)
}

async fn connect(
    server: &JsServer,
    url: &str,
    recipe: Recipe,
    route: Route,
) -> Result<Notifications, ConnectionError> {
    let url = NotificationUrl::parse_with(&server.url(url), plain_http().recipe(recipe)).unwrap();
    let mut options = ConnectOptions::default();
    options.http = Some(http());
    options.transport = match route {
        Route::Polling => TransportMode::Polling,
        Route::WebSocket => TransportMode::WebSocket,
        Route::Upgrade => TransportMode::Upgrade,
    };
    within("a connection", options.connect(&url)).await
}

/// A connection that is up and, where the route has one, past the upgrade.
async fn connected(server: &JsServer, url: &str, recipe: Recipe, route: Route) -> Notifications {
    let notifications = connect(server, url, recipe, route).await.unwrap();
    if route == Route::Upgrade {
        server
            .wait_for("an upgrade", |line| line.is("upgraded"))
            .await;
    }
    notifications
}

async fn next(notifications: &mut Notifications) -> Notification {
    within("a notification", notifications.next())
        .await
        .expect("the stream is over")
        .unwrap()
}

fn data(notification: &Notification) -> Value {
    let data = notification
        .data()
        .unwrap_or_else(|| panic!("unreadable: {notification:?}"));
    serde_json::from_str(data.get()).unwrap()
}

/// The request targets are those that the reference client makes of the same URL, and the first packet
/// joins the namespace: byte for byte, but for the values of `t` and `sid`, which nobody can know.
async fn requests_are_documented(server: &JsServer, route: Route, query: &str, namespace: &str) {
    let log = server.seen().await;
    let start = format!("/socket.io/?{query}&EIO=4&transport=");
    let first = |what: &str| log.iter().find(|line| line.is(what));
    let connect = format!("40{namespace},");

    let requests: Vec<String> = log
        .iter()
        .filter(|line| line.is("request"))
        .map(request)
        .collect();
    let upgrades: Vec<String> = log
        .iter()
        .filter(|line| line.is("upgrade"))
        .map(request)
        .collect();
    if route == Route::WebSocket {
        assert!(requests.is_empty(), "{requests:?}");
        assert_eq!(upgrades, [format!("{start}websocket")]);
        assert_eq!(first("frame").unwrap().str("text"), connect);
        return;
    }

    assert_eq!(requests[0], format!("GET {start}polling&t=T"));
    let session = [
        format!("GET {start}polling&t=T&sid=S"),
        format!("POST {start}polling&t=T&sid=S"),
    ];
    for request in &requests[1..] {
        assert!(session.contains(request), "{request}");
    }
    assert_eq!(first("body").unwrap().str("text"), connect);
    if route == Route::Upgrade {
        assert_eq!(upgrades, [format!("{start}websocket&sid=S")]);
        let frames: Vec<&str> = log
            .iter()
            .filter(|line| line.is("frame"))
            .map(|line| line.str("text"))
            .collect();
        assert_eq!(frames, ["2probe", "5"]);
    } else {
        assert!(upgrades.is_empty(), "{upgrades:?}");
    }
}

/// A request as `METHOD target` (a WebSocket handshake as its target alone), with the values of `t`
/// and `sid` replaced, if they look as they must.
fn request(line: &Line) -> String {
    let target = line.str("target");
    let (path, query) = target.split_once('?').unwrap();
    let is_cache_buster = |value: &str| !value.is_empty() && value.len() <= 16;
    let is_session = |value: &str| value.len() == 20;
    let parameters: Vec<&str> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some(("t", value)) if is_cache_buster(value) => "t=T",
            Some(("sid", value)) if is_session(value) => "sid=S",
            _ => parameter,
        })
        .collect();
    let method = line.str("method");
    let space = if method.is_empty() { "" } else { " " };
    format!("{method}{space}{path}?{}", parameters.join("&"))
}
