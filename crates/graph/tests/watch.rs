//! The watch with a real clock and real sockets, against a relay of the tests' own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use graph_notifications::{
    AccessToken, BoxFuture, ConnectOptions, ConnectionError, GraphError, Resource, ResourceError,
    ResyncReason, StaticToken, TokenError, TransportMode, Watch, WatchError, WatchEvent, token_fn,
};
use support::relay::{Relay, quick};
use support::{PATIENCE, Reply, Request, Server, answer, http, serve};

fn token() -> StaticToken {
    StaticToken::new("PLANTED").unwrap()
}

fn nothing(_request: &Request) -> Option<Reply> {
    None
}

async fn next(watch: &mut Watch) -> Option<Result<WatchEvent, WatchError>> {
    let item = tokio::time::timeout(PATIENCE, watch.next())
        .await
        .expect("an event in time");
    let shown = format!("{item:?}");
    assert!(!shown.contains("PLANTED"), "{shown}");
    item
}

async fn next_event(watch: &mut Watch) -> WatchEvent {
    next(watch).await.expect("an event").expect("no error")
}

async fn expect_resync(watch: &mut Watch, expected: ResyncReason) {
    assert_eq!(next_event(watch).await, WatchEvent::Resync(expected));
}

async fn expect_notification(watch: &mut Watch, expected: &str) {
    match next_event(watch).await {
        WatchEvent::Notification(notification) => {
            assert_eq!(notification.data().unwrap().get(), expected);
        }
        other => panic!("{other:?}"),
    }
}

/// Polls until something is so; the test's patience is the limit.
async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("in time");
}

#[tokio::test]
async fn from_a_token_to_notifications() {
    let relay = Relay::start(None, nothing).await;
    let mut watch = relay.watch().token(token()).connect().await.unwrap();
    expect_resync(&mut watch, ResyncReason::Started).await;
    relay.notify(r#"{"value":[]}"#);
    expect_notification(&mut watch, r#"{"value":[]}"#).await;
    // An object instead of a string, an event of another name, no argument at all.
    relay.send(r#"42/notifications,["notification",{"a":1}]"#);
    relay.send(r#"42/notifications,["other",{"a":2}]"#);
    relay.send(r#"42/notifications,["notification"]"#);
    expect_notification(&mut watch, r#"{"a":1}"#).await;
    expect_notification(&mut watch, "null").await;

    let requests = relay.server.requests();
    assert_eq!(
        requests[0].line,
        "GET /v1.0/drives/b!x/root/subscriptions/socketIo HTTP/1.1"
    );
    assert!(
        requests[1]
            .target()
            .starts_with("/socket.io/?token=PLANTED-0&EIO=4&transport=polling"),
        "{:?}",
        requests[1]
    );
    assert_eq!(requests[2].body, "40/notifications,");
    // The token goes to Graph and nowhere else.
    assert!(
        requests[1..]
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}

#[tokio::test]
async fn each_end_is_followed_by_a_fresh_url() {
    let relay = Relay::start(None, nothing).await;
    let mut watch = relay.watch().token(token()).connect().await.unwrap();
    expect_resync(&mut watch, ResyncReason::Started).await;
    for (number, end) in ["41/notifications,", "1", "9garbage", "49"]
        .iter()
        .enumerate()
    {
        relay.notify("{}");
        relay.send(end);
        expect_notification(&mut watch, "{}").await;
        let down = next_event(&mut watch).await;
        let is_connection = matches!(
            &down,
            WatchEvent::Down {
                reason: WatchError::Connection(_),
                ..
            }
        );
        assert!(is_connection, "{down:?}");
        expect_resync(&mut watch, ResyncReason::Reconnected).await;
        let token = format!("token=PLANTED-{}&", number + 1);
        let requests = relay.server.requests();
        assert!(
            requests
                .iter()
                .any(|request| request.target().contains(&token))
        );
    }
}

#[tokio::test]
async fn renewal_without_a_gap() {
    let relay = Relay::start(Some(Duration::from_secs(2)), nothing).await;
    let mut config = quick();
    config.overlap = Duration::from_millis(100);
    let mut watch = relay
        .watch()
        .config(config)
        .token(token())
        .connect()
        .await
        .unwrap();
    expect_resync(&mut watch, ResyncReason::Started).await;
    // Notifications flow all the time; none is missed, and there is no gap.
    let sender = relay.clone();
    let sending = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for number in 0_u32.. {
            sender.notify(&number.to_string());
            // Two of them show that a replaced connection has brought all it had.
            sender.send("2");
            ticks.tick().await;
        }
    });
    let mut renewals = 0;
    let mut latest = None;
    while renewals < 2 {
        match next_event(&mut watch).await {
            WatchEvent::Renewed => renewals += 1,
            WatchEvent::Notification(notification) => {
                let number: u32 = notification.data().unwrap().get().parse().unwrap();
                // While two connections are up, both deliver.
                assert!(
                    Some(number) <= latest.map_or(Some(0), |latest: u32| latest.checked_add(1))
                );
                latest = latest.max(Some(number));
            }
            other => panic!("{other:?}"),
        }
    }
    until(|| relay.sessions().1 >= 2).await;
    sending.abort();
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let provider = || {
        let asked = asked.clone();
        token_fn(move |request| {
            asked.lock().unwrap().push(request.fresh);
            async move {
                AccessToken::new(if request.fresh {
                    "PLANTED-new"
                } else {
                    "PLANTED-old"
                })
            }
        })
    };
    let relay = Relay::start(None, |request| {
        let is_old = request.header("authorization") == Some("Bearer PLANTED-old");
        is_old.then(|| answer(401, "", ""))
    })
    .await;
    let watch = relay.watch().token(provider()).connect().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [false, true]);
    drop(watch);

    asked.lock().unwrap().clear();
    let relay = Relay::start(None, |_| Some(answer(401, "", ""))).await;
    let mut watch = relay.watch().token(provider()).start();
    let error = next(&mut watch).await.unwrap().unwrap_err();
    assert!(
        matches!(error, WatchError::Graph(GraphError::Unauthorized(_))),
        "{error:?}"
    );
    assert_eq!(next(&mut watch).await, None);
    assert_eq!(next(&mut watch).await, None);
    assert_eq!(*asked.lock().unwrap(), [false, true]);
}

#[tokio::test]
async fn connect_waits_for_coverage_and_start_shows_what_happens_before() {
    let troubled = || async {
        let count = AtomicUsize::new(0);
        Relay::start(None, move |request| {
            // One failure of Graph, and one of the relay.
            match count.fetch_add(1, Ordering::Relaxed) {
                0 => Some(answer(503, "", "")),
                2 => {
                    assert!(request.target().starts_with("/socket.io/"));
                    Some(answer(400, "", r#"{"code":3,"message":"Bad PLANTED-0"}"#))
                }
                _ => None,
            }
        })
        .await
    };
    let relay = troubled().await;
    let mut watch = relay.watch().token(token()).connect().await.unwrap();
    expect_resync(&mut watch, ResyncReason::Started).await;

    let relay = troubled().await;
    let mut watch = relay.watch().token(token()).start();
    let WatchEvent::Down { reason, .. } = next_event(&mut watch).await else {
        panic!("not down")
    };
    assert!(
        matches!(reason, WatchError::Graph(GraphError::Unavailable { .. })),
        "{reason:?}"
    );
    let WatchEvent::Down { reason, .. } = next_event(&mut watch).await else {
        panic!("not down")
    };
    let refused = matches!(&reason, WatchError::Connection(ConnectionError::Refused(_)));
    assert!(refused, "{reason:?}");
    expect_resync(&mut watch, ResyncReason::Started).await;

    let relay = Relay::start(None, |_| Some(answer(403, "", ""))).await;
    let error = relay.watch().token(token()).connect().await.unwrap_err();
    assert!(
        matches!(error, WatchError::Graph(GraphError::Forbidden(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_provider_may_fail_hang_and_panic() {
    let relay = Relay::start(None, nothing).await;
    let count = Arc::new(AtomicUsize::new(0));
    let provider = token_fn(move |_| {
        let turn = count.fetch_add(1, Ordering::Relaxed);
        assert_ne!(turn, 0, "a provider that panics at once");
        async move {
            match turn {
                1 => panic!("a provider that panics later"),
                2 => std::future::pending().await,
                3 => Err(TokenError::unavailable("no network")),
                _ => AccessToken::new("PLANTED"),
            }
        }
    });
    let mut config = quick();
    config.token_timeout = Duration::from_millis(50);
    let mut watch = relay.watch().config(config).token(provider).start();
    let panicked = TokenError::unavailable("the token provider panicked");
    for expected in [
        panicked.clone(),
        panicked,
        TokenError::TimedOut,
        TokenError::unavailable("no network"),
    ] {
        match next_event(&mut watch).await {
            WatchEvent::Down { reason, .. } => assert_eq!(reason, expected.into()),
            other => panic!("{other:?}"),
        }
    }
    expect_resync(&mut watch, ResyncReason::Started).await;
}

#[tokio::test]
async fn a_slow_reader_learns_that_it_missed_something() {
    let relay = Relay::start(None, nothing).await;
    let mut config = quick();
    config.max_queued_events = 8;
    let mut watch = relay
        .watch()
        .config(config)
        .token(token())
        .connect()
        .await
        .unwrap();
    expect_resync(&mut watch, ResyncReason::Started).await;
    for number in 0..1000 {
        relay.notify(&number.to_string());
    }
    let mut read = 0;
    while next_event(&mut watch).await != WatchEvent::Resync(ResyncReason::Lagged) {
        read += 1;
        assert!(read < 1000, "nothing was dropped");
    }
}

#[tokio::test]
async fn dropping_and_closing() {
    let relay = Relay::start(None, nothing).await;
    let watch = relay.watch().token(token()).connect().await.unwrap();
    tokio::time::timeout(PATIENCE, watch.close()).await.unwrap();
    assert_eq!(relay.sessions(), (1, 1));

    // Dropped, it hangs up: the handler of the open poll is dropped too.
    let hung_up = Arc::new(tokio::sync::Semaphore::new(0));
    let silent = silent_server(hung_up.clone()).await;
    let watch = Watch::for_url(url_of(&silent))
        .http(http())
        .transport(TransportMode::Polling)
        .start();
    until(|| !silent.requests().is_empty()).await;
    drop(watch);
    let hanging_up = hung_up.acquire();
    drop(
        tokio::time::timeout(PATIENCE, hanging_up)
            .await
            .unwrap()
            .unwrap(),
    );

    // A watch that never came up closes as well.
    let watch = Watch::for_url(url_of(&silent)).http(http()).start();
    tokio::time::timeout(PATIENCE, watch.close()).await.unwrap();
}

fn url_of(server: &Server) -> graph_notifications::NotificationUrl {
    let options = graph_notifications::UrlOptions::default()
        .plain_http(graph_notifications::PlainHttp::OnLoopback);
    let text = format!("{}/notifications?token=PLANTED", server.url());
    graph_notifications::NotificationUrl::parse_with(&text, options).unwrap()
}

/// Accepts and says nothing; adds a permit for each client that hangs up.
async fn silent_server(hung_up: Arc<tokio::sync::Semaphore>) -> Server {
    struct Guard(Arc<tokio::sync::Semaphore>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    serve(move |_| -> BoxFuture<'static, Reply> {
        let guard = Guard(hung_up.clone());
        Box::pin(async move {
            let _guard = guard;
            std::future::pending().await
        })
    })
    .await
}

#[tokio::test]
async fn a_fixed_url() {
    let relay = Relay::start(None, nothing).await;
    let builder = || {
        Watch::for_url(relay.url())
            .http(http())
            .transport(TransportMode::Polling)
            .config(quick())
    };
    let mut watch = builder().connect().await.unwrap();
    expect_resync(&mut watch, ResyncReason::Started).await;
    relay.send("41/notifications,");
    match next_event(&mut watch).await {
        WatchEvent::Down { reason, .. } => assert_eq!(reason, ConnectionError::Disconnected.into()),
        other => panic!("{other:?}"),
    }
    expect_resync(&mut watch, ResyncReason::Reconnected).await;
    let lines = relay.server.requests();
    assert!(lines.iter().all(|request| {
        request
            .target()
            .starts_with("/socket.io/?token=PLANTED==&b=%2B&EIO=4")
    }));

    // Refusals are final: by status, and of the namespace.
    let refusing = Relay::start(None, |_| Some(answer(401, "", "who is PLANTED=="))).await;
    let error = Watch::for_url(refusing.url())
        .http(http())
        .transport(TransportMode::Polling)
        .connect()
        .await
        .unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("PLANTED"),
        "{error:?}"
    );
    assert!(
        matches!(&error, WatchError::Connection(ConnectionError::Refused(refusal)) if refusal.status == 401),
        "{error:?}"
    );

    let refusing = Relay::start(None, nothing).await;
    refusing.refuse_joins(r#"{"message":"PLANTED== is\u0007 not welcome"}"#);
    let mut watch = Watch::for_url(refusing.url())
        .http(http())
        .transport(TransportMode::Polling)
        .start();
    let refused = ConnectionError::NamespaceRefused {
        message: "[redacted] is not welcome".to_owned(),
    };
    assert_eq!(next(&mut watch).await, Some(Err(refused.into())));
    assert_eq!(next(&mut watch).await, None);
}

#[tokio::test]
async fn one_connection_alone() {
    let relay = Relay::start(None, nothing).await;
    let mut options = ConnectOptions::default();
    options.transport = TransportMode::Polling;
    options.http = Some(http());
    let mut notifications = options.clone().connect(&relay.url()).await.unwrap();
    relay.notify("1");
    relay.send("41/notifications,");
    let first = notifications.next().await.unwrap().unwrap();
    assert_eq!(first.data().unwrap().get(), "1");
    assert_eq!(
        notifications.next().await.unwrap(),
        Err(ConnectionError::Disconnected)
    );
    assert!(notifications.next().await.is_none());

    let mut notifications = options.clone().connect(&relay.url()).await.unwrap();
    notifications.close();
    assert!(notifications.next().await.is_none());

    options.handshake_timeout = Duration::from_millis(50);
    let silent = silent_server(Arc::new(tokio::sync::Semaphore::new(0))).await;
    let error = options.connect(&url_of(&silent)).await.unwrap_err();
    assert_eq!(
        error,
        ConnectionError::Lost(engineio::CloseReason::HandshakeTimeout)
    );
}

#[tokio::test]
async fn what_arrived_before_the_farewell_is_delivered_after_it() {
    let relay = Relay::start(None, nothing).await;
    let mut options = ConnectOptions::default();
    options.transport = TransportMode::Polling;
    options.http = Some(http());
    let mut notifications = options.connect(&relay.url()).await.unwrap();
    for number in 0..100 {
        relay.notify(&number.to_string());
    }
    // The first is read, so all have arrived: they are one payload.
    for number in 0..100 {
        let item = tokio::time::timeout(PATIENCE, notifications.next())
            .await
            .unwrap();
        let notification = item.unwrap().unwrap();
        assert_eq!(notification.data().unwrap().get(), number.to_string());
        notifications.close();
        if number == 1 {
            // The server was told while there is still something to read.
            until(|| relay.sessions() == (1, 1)).await;
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    assert!(notifications.next().await.is_none());
    assert!(notifications.next().await.is_none());
}

#[tokio::test]
async fn settings_that_cannot_work() {
    let error = Watch::builder(Resource::drive("a/b"))
        .token(token())
        .http(http())
        .connect()
        .await;
    assert!(matches!(
        error,
        Err(WatchError::Resource(ResourceError::IllegalCharacter { .. }))
    ));
    let error = Watch::builder(Resource::me_drive())
        .http(http())
        .connect()
        .await;
    assert!(matches!(error, Err(WatchError::NoToken)));
}

#[test]
fn without_a_runtime_the_stream_is_an_error() {
    let mut watch = Watch::builder(Resource::me_drive()).token(token()).start();
    let first = futures_util::FutureExt::now_or_never(watch.next());
    assert_eq!(first, Some(Some(Err(WatchError::Stopped))));
}

#[test]
fn without_a_timer_in_the_runtime_the_stream_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut watch = Watch::builder(Resource::me_drive())
            .token(token())
            .http(http())
            .start();
        assert_eq!(watch.next().await, Some(Err(WatchError::Stopped)));
        assert_eq!(watch.next().await, None);
    });
}
