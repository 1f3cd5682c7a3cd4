//! Microsoft Graph change notifications, against the emulator of Graph and of the service behind it.

use std::time::Duration;

use conformance::{JsServer, http, within};
use futures_util::StreamExt as _;
use graph_emulator::{
    Emulator, EmulatorConfig, Encoding, GraphFailure, Notification as Sending, Payload, RetryAfter,
    UrlForm,
};
use graph_notifications::{
    BaseUrl, Cloud, ConnectOptions, ExposeSecret as _, FromResource, GraphError, Notification,
    NotificationUrl, PlainHttp, Resource, ResourceError, ResyncReason, StaticToken,
    SubscriptionRequest, UrlOptions, Watch, WatchBuilder, WatchConfig, WatchError, WatchEvent,
};
use serde_json::json;

use super::SECOND;

async fn emulator(change: impl FnOnce(&mut EmulatorConfig)) -> Emulator {
    let mut config = EmulatorConfig::default();
    change(&mut config);
    Emulator::start(config).await.unwrap()
}

fn builder(
    emulator: &Emulator,
    change: impl FnOnce(&mut WatchConfig),
) -> WatchBuilder<FromResource> {
    let mut config = WatchConfig::default();
    config.backoff.initial_delay = Duration::from_millis(10);
    config.backoff.max_delay = Duration::from_millis(100);
    change(&mut config);
    Watch::builder(Resource::drive("b!drive"))
        .token(StaticToken::new(emulator.token()).unwrap())
        .cloud(Cloud::Custom(
            BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback).unwrap(),
        ))
        .allow_http_on_loopback()
        .http(http())
        .config(config)
}

async fn covered(watch: WatchBuilder<FromResource>) -> Watch {
    let mut watch = within("a watch", watch.connect()).await.unwrap();
    assert_eq!(
        next(&mut watch).await,
        WatchEvent::Resync(ResyncReason::Started)
    );
    watch
}

async fn next(watch: &mut Watch) -> WatchEvent {
    within("an event", watch.next())
        .await
        .expect("the watch is over")
        .unwrap()
}

async fn delivers(emulator: &Emulator, watch: &mut Watch) {
    emulator.notify(&Sending::default());
    let event = next(watch).await;
    assert!(matches!(event, WatchEvent::Notification(_)), "{event:?}");
}

/// The same bytes reach the service, whichever of the two forms the URL has.
#[tokio::test]
async fn both_documented_url_recipes() {
    for (url, namespace, query) in [
        (
            "/zbaehwg/callback?snthgk=1ff3==",
            "/zbaehwg",
            "snthgk=1ff3==",
        ),
        (
            "/notifications?token=aB%2b+c==&applicationId=1",
            "/notifications",
            "token=aB%2b+c==&applicationId=1",
        ),
    ] {
        let Some(server) = JsServer::socket_io(json!({})).await else {
            return;
        };
        let options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
        let url = NotificationUrl::parse_with(&server.url(url), options).unwrap();
        assert_eq!(
            (url.namespace(), url.query().expose_secret()),
            (namespace, query)
        );
        let mut options = ConnectOptions::default();
        options.http = Some(http());
        let mut notifications = within("a connection", options.connect(&url)).await.unwrap();
        let event =
            json!({"namespace": namespace, "event": "notification", "args": [{"value": []}]});
        server.command("emit", event).await;
        within("a notification", notifications.next())
            .await
            .unwrap()
            .unwrap();
        let handshake = server
            .wait_for("a request", |line| line.is("request") || line.is("upgrade"))
            .await;
        assert!(
            handshake
                .str("target")
                .starts_with(&format!("/socket.io/?{query}&EIO=4&")),
            "{handshake:?}"
        );
    }
    for form in [UrlForm::Split, UrlForm::Direct] {
        let emulator = emulator(|config| config.settings.url_form = form).await;
        let mut watch = covered(builder(&emulator, |_| {})).await;
        delivers(&emulator, &mut watch).await;
    }
}

#[tokio::test]
async fn the_five_resource_paths_clouds_typed_graph_errors_and_retry_after() {
    for (resource, path) in [
        (Resource::me_drive(), "/me/drive/root"),
        (Resource::drive("b!x"), "/drives/b!x/root"),
        (Resource::drive_list("b!x"), "/drives/b!x/list"),
        (
            Resource::group_drive("02bd-9f"),
            "/groups/02bd-9f/drive/root",
        ),
        (
            Resource::site_list("contoso.com,1,2", "l-1"),
            "/sites/contoso.com,1,2/lists/l-1/drive/root",
        ),
    ] {
        for (cloud, host) in [
            (Cloud::Global, "graph.microsoft.com"),
            (Cloud::UsGov, "graph.microsoft.us"),
            (Cloud::UsGovDod, "dod-graph.microsoft.us"),
            (Cloud::China, "microsoftgraph.chinacloudapi.cn"),
        ] {
            let mut request = SubscriptionRequest::new(resource.clone());
            request.cloud = cloud;
            assert_eq!(
                request.url().unwrap(),
                format!("https://{host}/v1.0{path}/subscriptions/socketIo")
            );
        }
    }
    assert!(matches!(
        Resource::drive("a/b").path(),
        Err(ResourceError::IllegalCharacter { .. })
    ));

    let emulator = emulator(|_| {}).await;
    let retry_after = Some(RetryAfter::Seconds(7));
    for (failure, is_expected) in [
        (
            GraphFailure::Unauthorized,
            (|error| matches!(error, GraphError::Unauthorized(_))) as fn(&GraphError) -> bool,
        ),
        (GraphFailure::Forbidden, |error| {
            matches!(error, GraphError::Forbidden(_))
        }),
        (GraphFailure::NotFound, |error| {
            matches!(error, GraphError::NotFound(_))
        }),
        (GraphFailure::NotSupported, |error| {
            matches!(error, GraphError::NotSupported(_))
        }),
        (GraphFailure::TooManyRequests { retry_after }, |error| {
            error.retry_after() == Some(7 * SECOND)
        }),
        (GraphFailure::Unavailable { retry_after }, |error| {
            error.retry_after() == Some(7 * SECOND)
        }),
        (GraphFailure::Status { status: 502 }, |error| {
            matches!(error, GraphError::Server { .. })
        }),
    ] {
        let mut request = SubscriptionRequest::new(Resource::me_drive());
        request.cloud =
            Cloud::Custom(BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback).unwrap());
        emulator.fail_next(1, failure.clone());
        let token = graph_notifications::AccessToken::new(emulator.token()).unwrap();
        let error = within("an answer", request.send(&http(), &token))
            .await
            .unwrap_err();
        let graph_notifications::SendError::Graph(error) = error else {
            panic!("{failure:?}: {error:?}")
        };
        assert!(is_expected(&error), "{failure:?}: {error:?}");
    }
}

/// A fresh URL is connected to before the old connection is left; and what may have been missed is said.
#[tokio::test]
async fn renewal_make_before_break_and_resync_after_every_gap() {
    let emulator = emulator(|config| {
        config.settings.lifetime_ms = None;
        config.settings.announce_expiration = false;
    })
    .await;
    let mut watch = covered(builder(&emulator, |config| {
        config.renew_interval = SECOND;
        config.overlap = Duration::from_millis(200);
    }))
    .await;
    // Somebody listens all the time.
    loop {
        assert!(
            emulator.notify(&Sending::default()).receivers >= 1,
            "a gap in coverage"
        );
        match next(&mut watch).await {
            WatchEvent::Notification(_) => {}
            WatchEvent::Renewed => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(emulator.counts().joined.total >= 2);
    drop(watch);

    let mut watch = covered(builder(&emulator, |_| {})).await;
    let gaps: [fn(&Emulator); 3] = [
        |emulator| emulator.cut_connections(),
        |emulator| assert!(emulator.expire_credentials() >= 1),
        |emulator| assert_eq!(emulator.disconnect_namespaces(), 1),
    ];
    for gap in gaps {
        gap(&emulator);
        let event = next(&mut watch).await;
        assert!(matches!(event, WatchEvent::Down { .. }), "{event:?}");
        loop {
            match next(&mut watch).await {
                WatchEvent::Down { .. } => {}
                WatchEvent::Resync(ResyncReason::Reconnected) => break,
                other => panic!("{other:?}"),
            }
        }
        delivers(&emulator, &mut watch).await;
    }
}

/// As text, as an object, with a list of entries or without, unreadable: each says that something changed.
#[tokio::test]
async fn lenient_notification_type() {
    let emulator = emulator(|_| {}).await;
    let mut watch = covered(builder(&emulator, |_| {})).await;
    for payload in [Payload::Value, Payload::Flat] {
        for encoding in [Encoding::Text, Encoding::Object] {
            emulator.notify(&Sending::new(payload.clone()).encoding(encoding));
            let WatchEvent::Notification(notification) = next(&mut watch).await else {
                panic!("{payload:?}")
            };
            assert_eq!(notification.entries().len(), 1);
        }
    }
    emulator.notify(&Sending::new(Payload::Unreadable("not JSON".to_owned())));
    let WatchEvent::Notification(notification) = next(&mut watch).await else {
        panic!("nothing")
    };
    assert_eq!(notification.raw(), Some("not JSON"));
    for odd in [
        "null",
        "7",
        "[]",
        "{}",
        r#"{"value":7}"#,
        r#"{"value":[{"resource":1},null]}"#,
        "\"\"",
        "\u{FEFF}{",
    ] {
        drop(Notification::from_json(odd).entries());
    }
}

/// A watch that is refused says who has to do what.
#[tokio::test]
async fn a_refused_token_ends_a_watch_with_a_typed_error() {
    let emulator = emulator(|_| {}).await;
    emulator.fail_next(2, GraphFailure::Unauthorized);
    let error = within("an end", builder(&emulator, |_| {}).connect())
        .await
        .unwrap_err();
    assert!(
        matches!(error, WatchError::Graph(GraphError::Unauthorized(_))),
        "{error:?}"
    );
}
