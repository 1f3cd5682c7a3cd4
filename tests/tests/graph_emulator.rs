//! The watch against the emulator: what the service does over hours, in seconds.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use conformance::{Route, http, over_every_route, within};
use futures_util::StreamExt as _;
use graph_emulator::{
    CredentialCheck, Emulator, EmulatorConfig, Encoding, GraphFailure, Notification as Sending,
    Payload, UrlForm,
};
use graph_notifications::{
    AccessToken, BaseUrl, Cloud, ConnectionError, FromResource, GraphError, Notification,
    PlainHttp, Resource, ResyncReason, StaticToken, TokenProvider, TransportMode, Watch,
    WatchBuilder, WatchConfig, WatchError, WatchEvent, token_fn,
};
use serde_json::Value;

over_every_route! {
    every_shape_of_notification_arrives_by_both_forms_of_url,
    an_expired_credential_is_replaced,
    a_half_open_link_is_noticed_and_replaced,
    a_restart_is_survived,
    a_disconnection_leads_to_a_fresh_url,
    refused_namespaces_are_tried_again,
    dropping_the_watch_leaves_nothing_behind,
    rotation_misses_no_notification_and_leaks_no_connection,
    what_a_connection_that_hangs_as_it_is_replaced_does_not_bring_is_made_up_for,
}

async fn every_shape_of_notification_arrives_by_both_forms_of_url(route: Route) {
    for form in [UrlForm::Split, UrlForm::Direct] {
        let emulator = emulator(|config| config.settings.url_form = form).await;
        let mut watch = started(&emulator, route).await;
        for payload in [Payload::Value, Payload::Flat] {
            for encoding in [Encoding::Text, Encoding::Object] {
                let sent = emulator.notify(&Sending::new(payload.clone()).encoding(encoding));
                assert_eq!(sent.receivers, 1);
                let notification = next_notification(&mut watch).await;
                assert_eq!(
                    number(&notification),
                    sent.number,
                    "{payload:?} {encoding:?}"
                );
                assert_eq!(notification.entries().len(), 1);
            }
        }
        emulator.notify(&Sending::new(Payload::Unreadable("not JSON".to_owned())));
        assert_eq!(next_notification(&mut watch).await.raw(), Some("not JSON"));
    }
}

async fn rotation_misses_no_notification_and_leaks_no_connection(route: Route) {
    // The URL is replaced again and again while numbered notifications flow.
    const ROTATIONS: u32 = 4;
    let emulator = emulator(|config| {
        config.settings.lifetime_ms = None;
        config.settings.announce_expiration = false;
        // Two heartbeats show that a replaced connection has brought all it had.
        config.ping_interval = Duration::from_millis(200);
    })
    .await;
    let mut watch = rotating(&emulator, route).await;

    let mut renewed = 0;
    while renewed < ROTATIONS {
        // Several are under way at any time.
        let mut missing = BTreeSet::new();
        for _ in 0..20 {
            let sent = emulator.notify(&Sending::default());
            assert!(sent.receivers >= 1, "a gap in coverage");
            missing.insert(sent.number);
        }
        while !missing.is_empty() {
            match next(&mut watch).await {
                // During a rotation both connections deliver it, the second time perhaps later.
                WatchEvent::Notification(it) => drop(missing.remove(&number(&it))),
                WatchEvent::Renewed => renewed += 1,
                other => panic!("coverage was lost: {other:?}"),
            }
        }
    }
    assert!(emulator.counts().subscriptions > u64::from(ROTATIONS));
    // The old connections are gone, which the emulator may learn a little later than we do.
    within(
        "the old connections' end",
        emulator.wait_until(|counts| counts.joined.now <= 1),
    )
    .await;
    drop(watch);
    within("the end", emulator.wait_for_connections(0)).await;
}

/// A watch that replaces its URL once a second, which is as often as a watch does it.
async fn rotating(emulator: &Emulator, route: Route) -> Watch {
    let mut config = config();
    config.renew_interval = Duration::from_secs(1);
    config.overlap = Duration::from_millis(100);
    let watch = builder(emulator, static_token(emulator), route).config(config);
    let mut watch = within("a watch", watch.connect()).await.unwrap();
    let started = WatchEvent::Resync(ResyncReason::Started);
    assert_eq!(next(&mut watch).await, started);
    watch
}

async fn what_a_connection_that_hangs_as_it_is_replaced_does_not_bring_is_made_up_for(
    route: Route,
) {
    let emulator = emulator(|config| {
        config.settings.lifetime_ms = None;
        config.settings.announce_expiration = false;
        config.ping_interval = Duration::from_millis(500);
        config.ping_timeout = Duration::from_secs(5);
    })
    .await;
    let mut watch = rotating(&emulator, route).await;
    emulator.freeze();
    let sent = emulator.notify(&Sending::default());
    assert_eq!(sent.receivers, 1);
    // Nobody can know yet that the connection hangs, and in time a new one takes over; unless its requests, too, go out
    // on connections that hang, as by polling they may: then coverage is lost, and comes back.
    let mut told = Vec::new();
    let covered = loop {
        match next(&mut watch).await {
            WatchEvent::Resync(reason) => break reason,
            WatchEvent::Notification(_) => panic!("it hangs"),
            other => told.push(other),
        }
    };
    let lost = told.iter().any(|event| *event != WatchEvent::Renewed);
    assert!(!lost || route != Route::WebSocket, "{told:?}");
    assert!(lost || covered == ResyncReason::Handover, "{covered}");
}

#[tokio::test]
async fn an_announced_expiration_is_forestalled() {
    let emulator = emulator(|config| config.settings.lifetime_ms = Some(5_000)).await;
    let mut watch = started(&emulator, Route::WebSocket).await;
    assert_eq!(next(&mut watch).await, WatchEvent::Renewed);
    let sent = emulator.notify(&Sending::default());
    assert_eq!(number(&next_notification(&mut watch).await), sent.number);
    assert_eq!(emulator.counts().subscriptions, 2);
}

async fn an_expired_credential_is_replaced(route: Route) {
    for check in [CredentialCheck::Handshake, CredentialCheck::Namespace] {
        let emulator = emulator(|config| config.settings.credential_check = check).await;
        let mut watch = started(&emulator, route).await;
        assert_eq!(emulator.expire_credentials(), 1);
        recovers(&mut watch).await;
        assert_eq!(
            emulator.counts().subscriptions,
            2,
            "the fresh URL was asked for once"
        );
        delivers(&emulator, &mut watch).await;
    }
}

#[tokio::test]
async fn a_token_that_expires_is_replaced_once() {
    let emulator = emulator(|_| {}).await;
    let control = emulator.control();
    let remembered = emulator.token();
    let fresh = Arc::new(AtomicUsize::new(0));
    let provider = token_fn({
        let fresh = Arc::clone(&fresh);
        move |request| {
            if request.fresh {
                fresh.fetch_add(1, Ordering::Relaxed);
            }
            let token = if request.fresh {
                control.token()
            } else {
                remembered.clone()
            };
            async move { AccessToken::new(token) }
        }
    });
    let watch = builder(&emulator, provider, Route::WebSocket).connect();
    let mut watch = within("a watch", watch).await.unwrap();
    assert_eq!(
        next(&mut watch).await,
        WatchEvent::Resync(ResyncReason::Started)
    );
    assert_eq!(fresh.load(Ordering::Relaxed), 0);

    emulator.update(|settings| settings.token = "the-next-token".to_owned());
    emulator.expire_credentials();
    recovers(&mut watch).await;
    assert_eq!(fresh.load(Ordering::Relaxed), 1);
    delivers(&emulator, &mut watch).await;
}

#[tokio::test]
async fn a_token_that_stays_refused_ends_the_watch() {
    let emulator = emulator(|_| {}).await;
    let mut watch = started(&emulator, Route::WebSocket).await;
    emulator.update(|settings| settings.token = "nobody-has-this-one".to_owned());
    emulator.expire_credentials();
    let error = loop {
        match within("an end", watch.next())
            .await
            .expect("an error comes first")
        {
            Ok(WatchEvent::Down { .. }) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, WatchError::Graph(GraphError::Unauthorized(_))),
        "{error:?}"
    );
    assert!(within("the end", watch.next()).await.is_none());
}

#[tokio::test]
async fn failing_requests_are_tried_again() {
    let emulator = emulator(|_| {}).await;
    let mut watch = started(&emulator, Route::WebSocket).await;
    let failures = [
        GraphFailure::Unavailable { retry_after: None },
        GraphFailure::TooManyRequests { retry_after: None },
        GraphFailure::NotSupported,
        GraphFailure::NotJson,
    ];
    for failure in failures {
        emulator.fail_next(1, failure);
    }
    emulator.expire_credentials();
    recovers(&mut watch).await;
    assert_eq!(emulator.counts().graph_requests, 1 + 4 + 1);
    delivers(&emulator, &mut watch).await;
}

async fn a_half_open_link_is_noticed_and_replaced(route: Route) {
    let emulator = emulator(|config| {
        config.ping_interval = Duration::from_millis(300);
        config.ping_timeout = Duration::from_millis(2_000);
    })
    .await;
    // Graph and the service are one host here: by polling, the next request to Graph finds a kept-alive
    // connection that is as dead as the link, and has to be given up too.
    let watch =
        builder(&emulator, static_token(&emulator), route).request_timeout(Duration::from_secs(2));
    let mut watch = covered(&emulator, watch, route).await;
    delivers(&emulator, &mut watch).await;
    emulator.freeze();
    recovers(&mut watch).await;
    delivers(&emulator, &mut watch).await;
}

async fn a_restart_is_survived(route: Route) {
    let emulator = emulator(|_| {}).await;
    let mut watch = started(&emulator, route).await;
    emulator.go_down().await.unwrap();
    // Neither Graph nor the relay answers: at least one attempt fails.
    for _ in 0..2 {
        let event = next(&mut watch).await;
        assert!(matches!(event, WatchEvent::Down { .. }), "{event:?}");
    }
    emulator.come_back().await.unwrap();
    comes_back(&mut watch).await;
    delivers(&emulator, &mut watch).await;
}

async fn a_disconnection_leads_to_a_fresh_url(route: Route) {
    let emulator = emulator(|_| {}).await;
    let mut watch = started(&emulator, route).await;
    let last = emulator.notify(&Sending::default());
    assert_eq!(emulator.disconnect_namespaces(), 1);
    assert_eq!(number(&next_notification(&mut watch).await), last.number);
    let WatchEvent::Down { reason, .. } = next(&mut watch).await else {
        panic!("not down")
    };
    let expected = WatchError::Connection(ConnectionError::Disconnected);
    assert_eq!(reason.to_string(), expected.to_string());
    comes_back(&mut watch).await;
    assert_eq!(emulator.counts().subscriptions, 2);
    delivers(&emulator, &mut watch).await;
}

async fn refused_namespaces_are_tried_again(route: Route) {
    // From the start …
    let emulator = emulator(|_| {}).await;
    emulator.refuse_connects(2);
    let mut watch = builder(&emulator, static_token(&emulator), route).start();
    for _ in 0..2 {
        let WatchEvent::Down { reason, .. } = next(&mut watch).await else {
            panic!("not down")
        };
        let refused = WatchError::Connection(ConnectionError::NamespaceRefused {
            message: String::new(),
        });
        assert_eq!(
            std::mem::discriminant(&reason),
            std::mem::discriminant(&refused),
            "{reason}"
        );
    }
    assert_eq!(
        next(&mut watch).await,
        WatchEvent::Resync(ResyncReason::Started)
    );
    delivers(&emulator, &mut watch).await;

    // … and after a loss, each time with a fresh URL.
    emulator.refuse_connects(2);
    emulator.cut_connections();
    recovers(&mut watch).await;
    assert_eq!(emulator.counts().refused_connects, 4);
    assert_eq!(emulator.counts().subscriptions, 6);
    delivers(&emulator, &mut watch).await;
}

async fn dropping_the_watch_leaves_nothing_behind(route: Route) {
    let emulator = emulator(|_| {}).await;
    drop(started(&emulator, route).await);
    within("the end", emulator.wait_for_connections(0)).await;

    let watch = started(&emulator, route).await;
    within("a farewell", watch.close()).await;
    within("the end", emulator.wait_for_connections(0)).await;
}

#[tokio::test]
async fn a_flood_puts_off_neither_the_renewal_nor_the_end() {
    let emulator = emulator(|config| config.settings.lifetime_ms = None).await;
    let mut config = config();
    config.renew_interval = Duration::from_secs(1);
    let watch = builder(&emulator, static_token(&emulator), Route::WebSocket).config(config);
    let mut watch = within("a watch", watch.connect()).await.unwrap();
    let control = emulator.control();
    let flooding = tokio::spawn(async move {
        loop {
            control.notify(&Sending::default().copies(1000));
            tokio::task::yield_now().await;
        }
    });
    while next(&mut watch).await != WatchEvent::Renewed {}
    within("a farewell", watch.close()).await;
    flooding.abort();
    within("the end", emulator.wait_for_connections(0)).await;
}

// What the scenarios are made of.

async fn emulator(change: impl FnOnce(&mut EmulatorConfig)) -> Emulator {
    let mut config = EmulatorConfig::default();
    change(&mut config);
    Emulator::start(config).await.unwrap()
}

/// Quick to try again; everything else as by default.
fn config() -> WatchConfig {
    let mut config = WatchConfig::default();
    config.backoff.initial_delay = Duration::from_millis(10);
    config.backoff.max_delay = Duration::from_millis(100);
    config
}

fn static_token(emulator: &Emulator) -> StaticToken {
    StaticToken::new(emulator.token()).unwrap()
}

fn builder(
    emulator: &Emulator,
    provider: impl TokenProvider,
    route: Route,
) -> WatchBuilder<FromResource> {
    let base_url = BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback).unwrap();
    Watch::builder(Resource::drive("b!drive"))
        .token(provider)
        .cloud(Cloud::Custom(base_url))
        .allow_http_on_loopback()
        .http(http())
        .config(config())
        .transport(match route {
            Route::Polling => TransportMode::Polling,
            Route::WebSocket => TransportMode::WebSocket,
            Route::Upgrade => TransportMode::Upgrade,
        })
}

/// A watch with coverage, past its first event.
async fn started(emulator: &Emulator, route: Route) -> Watch {
    let watch = builder(emulator, static_token(emulator), route);
    covered(emulator, watch, route).await
}

async fn covered(emulator: &Emulator, watch: WatchBuilder<FromResource>, route: Route) -> Watch {
    let mut watch = within("a watch", watch.connect()).await.unwrap();
    assert_eq!(
        next(&mut watch).await,
        WatchEvent::Resync(ResyncReason::Started)
    );
    if route == Route::Upgrade {
        let upgraded = emulator.wait_until(|counts| counts.websockets.total >= 1);
        within("an upgrade", upgraded).await;
    }
    watch
}

async fn next(watch: &mut Watch) -> WatchEvent {
    within("an event", watch.next())
        .await
        .expect("the watch is over")
        .unwrap()
}

async fn next_notification(watch: &mut Watch) -> Notification {
    match next(watch).await {
        WatchEvent::Notification(notification) => notification,
        other => panic!("not a notification: {other:?}"),
    }
}

/// Coverage is lost, which is said first, and comes back.
async fn recovers(watch: &mut Watch) {
    let event = next(watch).await;
    assert!(matches!(event, WatchEvent::Down { .. }), "{event:?}");
    comes_back(watch).await;
}

/// Coverage is lost already, and comes back, perhaps after further failures.
async fn comes_back(watch: &mut Watch) {
    loop {
        match next(watch).await {
            WatchEvent::Down { .. } => {}
            WatchEvent::Resync(ResyncReason::Reconnected) => return,
            other => panic!("{other:?}"),
        }
    }
}

async fn delivers(emulator: &Emulator, watch: &mut Watch) {
    let sent = emulator.notify(&Sending::default());
    assert_eq!(number(&next_notification(watch).await), sent.number);
}

/// The number that the emulator gave a notification.
fn number(notification: &Notification) -> u64 {
    let data: Value = serde_json::from_str(notification.data().expect("JSON").get()).unwrap();
    let number = data
        .pointer("/value/0/emulatorNumber")
        .or_else(|| data.get("emulatorNumber"));
    number
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("no number: {data}"))
}
