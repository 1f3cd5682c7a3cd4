//! The watch against relays that flood, fall silent and drop, and applications that read late or never.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engineio::CloseReason;
use futures_util::StreamExt as _;
use graph_notifications::{
    ConnectOptions, ConnectionError, ResyncReason, TransportMode, Watch, WatchError, WatchEvent,
};
use support::relay::quick;
use support::websocket::{Connection, Raw, frame};
use support::{PATIENCE, http};

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it happens")
}

async fn next(watch: &mut Watch) -> WatchEvent {
    let item = within(watch.next()).await;
    let shown = format!("{item:?}");
    assert!(!shown.contains("PLANTED"), "{shown}");
    item.expect("an event").expect("no error")
}

async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The reason of the next event, which says that there is no coverage.
async fn next_down(watch: &mut Watch) -> (WatchError, Duration) {
    match next(watch).await {
        WatchEvent::Down { reason, retry_in } => (reason, retry_in),
        other => panic!("{other:?}"),
    }
}

/// Sends notifications until the client is gone.
fn flood(mut connection: Connection) {
    let block = frame(r#"42/notifications,["notification","{}"]"#).repeat(1000);
    while connection.write(&block) {}
}

#[tokio::test]
async fn a_flood_puts_off_neither_the_renewal_nor_the_farewell() {
    let raw = Raw::start(|mut connection, _| {
        connection.join();
        flood(connection);
    });
    let mut config = quick();
    config.renew_interval = Duration::ZERO;
    let mut watch = within(raw.watch().config(config).connect()).await.unwrap();
    while next(&mut watch).await != WatchEvent::Renewed {}
    within(watch.close()).await;
    until(|| raw.open() == 0).await;
}

#[tokio::test]
async fn a_flood_does_not_grow_and_is_not_lost() {
    let is_sent = Arc::new(AtomicBool::new(false));
    let sent = is_sent.clone();
    let raw = Raw::start(move |mut connection, _| {
        connection.join();
        for _ in 0..100 {
            connection.write(&frame(r#"42/notifications,["notification","{}"]"#).repeat(1000));
        }
        connection.send(r#"42/notifications,["notification","17"]"#);
        sent.store(true, Ordering::SeqCst);
        connection.hang();
    });
    let mut watch = raw.watch().start();
    // The reader is asleep.
    until(|| is_sent.load(Ordering::SeqCst)).await;
    let first = next(&mut watch).await;
    assert_eq!(first, WatchEvent::Resync(ResyncReason::Started));
    let mut lagged = false;
    let mut read = 0;
    loop {
        match next(&mut watch).await {
            WatchEvent::Resync(ResyncReason::Lagged) => lagged = true,
            WatchEvent::Notification(notification) => {
                read += 1;
                if notification.data().unwrap().get() == "17" {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lagged, "{read} were read");
    assert!(read < 100_001, "all were kept");
}

/// A payload that comes as an attachment is a payload, and leaves no placeholder.
#[tokio::test]
async fn payloads_in_attachments_are_read() {
    let raw = Raw::start(|mut connection, _| {
        connection.join();
        let header = r#"451-/notifications,["notification",{"_placeholder":true,"num":0}]"#;
        connection.send(header);
        connection.write(b"\x82\x07{\"a\":1}");
        connection.send(header);
        connection.write(b"\x82\x02\xffx");
        connection.hang();
    });
    let mut watch = raw.watch().start();
    assert_eq!(
        next(&mut watch).await,
        WatchEvent::Resync(ResyncReason::Started)
    );
    let WatchEvent::Notification(json) = next(&mut watch).await else {
        panic!()
    };
    assert_eq!(json.data().unwrap().get(), r#"{"a":1}"#);
    let WatchEvent::Notification(other) = next(&mut watch).await else {
        panic!()
    };
    assert_eq!(
        (other.data().is_none(), other.raw()),
        (true, Some("\u{fffd}x"))
    );
}

#[tokio::test]
async fn who_accepts_and_drops_is_not_hammered() {
    let raw = Raw::start(|mut connection, number| {
        if number % 2 == 0 {
            connection.join();
        }
    });
    let mut config = quick();
    config.backoff.jitter = 0.0;
    let mut watch = raw.watch().config(config).start();
    let mut expected = Duration::from_millis(5);
    for number in 0..8 {
        if number % 2 == 0 {
            let covered = next(&mut watch).await;
            assert!(matches!(covered, WatchEvent::Resync(_)), "{covered:?}");
        }
        let (reason, retry_in) = next_down(&mut watch).await;
        assert!(matches!(reason, WatchError::Connection(_)), "{reason:?}");
        assert_eq!(retry_in, expected);
        expected = (2 * expected).min(Duration::from_millis(20));
    }
    assert!(raw.grants() >= 8, "each attempt has a fresh URL");
}

#[tokio::test]
async fn silence_at_any_point_is_noticed() {
    let raw = Raw::start(|mut connection, number| {
        match number {
            0 => {}
            1 => connection.switch(),
            2 => connection.open(),
            3 => {
                connection.switch();
                connection.send(r#"0{"sid":"s","upgrades":[],"pingInterval":50,"pingTimeout":50}"#);
                connection.read();
                connection.send("40/notifications,");
            }
            _ => connection.join(),
        }
        connection.hang();
    });
    let mut options = ConnectOptions::default();
    options.handshake_timeout = Duration::from_millis(200);
    options.join_timeout = Duration::from_millis(200);
    let mut watch = raw.watch().connect_options(options).start();
    for expected in [
        ConnectionError::Lost(CloseReason::HandshakeTimeout),
        ConnectionError::Lost(CloseReason::HandshakeTimeout),
        ConnectionError::NoAnswer,
    ] {
        assert_eq!(next_down(&mut watch).await.0, expected.into());
    }
    let started = WatchEvent::Resync(ResyncReason::Started);
    assert_eq!(next(&mut watch).await, started);
    let (reason, _) = next_down(&mut watch).await;
    let silent = ConnectionError::Lost(CloseReason::PingTimeout);
    assert_eq!(reason, silent.into());
    let reconnected = WatchEvent::Resync(ResyncReason::Reconnected);
    assert_eq!(next(&mut watch).await, reconnected);
    // Nothing of the earlier ones is left.
    until(|| raw.open() == 1).await;
}

#[tokio::test]
async fn the_end_of_a_namespace_is_an_outage_at_any_point() {
    let raw = Raw::start(|mut connection, number| {
        match number {
            // Instead of an answer to CONNECT.
            0 => {
                connection.open();
                connection.read();
                connection.send("41/notifications,");
            }
            1 => {
                connection.open();
                connection.read();
                connection.send(r#"44/notifications,{"message":"no PLANTED-1"}"#);
            }
            // After it.
            2 => {
                connection.join();
                connection.send(r#"44/notifications,{"message":"no PLANTED-2"}"#);
            }
            3 => {
                connection.join();
                connection.send("41/notifications,");
                connection.send("41/notifications,");
            }
            _ => {
                connection.join();
                // A second answer, others' namespaces, an event and an end of theirs: all of no concern.
                connection.send("40/notifications,{\"sid\":\"y\"}");
                connection.send("40/other,{\"sid\":\"y\"}");
                connection.send("41/other,");
                connection.send("42/other,[\"notification\",\"1\"]");
                connection.send("42/notifications,[\"notification\",\"2\"]");
            }
        }
        connection.hang();
    });
    let mut options = ConnectOptions::default();
    options.join_timeout = Duration::from_millis(200);
    let mut watch = raw.watch().connect_options(options).start();
    let mut seen = Vec::new();
    loop {
        match next(&mut watch).await {
            WatchEvent::Notification(notification) => {
                assert_eq!(notification.data().unwrap().get(), "2");
                break;
            }
            WatchEvent::Resync(reason) => seen.push(reason.as_str()),
            WatchEvent::Down { reason, .. } => {
                assert!(matches!(reason, WatchError::Connection(_)), "{reason:?}");
                if seen.last() != Some(&"down") {
                    seen.push("down");
                }
            }
            other => panic!("{other:?}"),
        }
    }
    // Each gap is reported, and then its end.
    let expected = [
        "down",
        "started",
        "down",
        "reconnected",
        "down",
        "reconnected",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn wherever_it_is_dropped_or_closed_nothing_stays() {
    for stage in 0..4 {
        let raw = Raw::start(move |mut connection, _| match stage {
            0 => connection.hang(),
            1 => {
                connection.switch();
                connection.hang();
            }
            2 => {
                connection.open();
                connection.hang();
            }
            _ => {
                connection.join();
                flood(connection);
            }
        });
        for close in [false, true] {
            let before = raw.requests().len();
            // Nobody reads.
            let watch = raw.watch().start();
            until(|| raw.requests().len() > before && raw.open() > 0).await;
            if close {
                within(watch.close()).await;
            } else {
                drop(watch);
            }
            until(|| raw.open() == 0).await;
        }
    }
}

#[tokio::test]
async fn every_byte_of_the_query_arrives() {
    const QUERY: &str = "token=a%2Bb%2b==&a=1&a=1&t=x+y;z&q='^`{|}[]\\~!$()*,:@/?%00%zz%&=&&flag";
    for transport in [TransportMode::WebSocket, TransportMode::Polling] {
        let raw = Raw::start(|connection, _| connection.hang());
        for path in ["/notifications", "/zbaehwg/callback", "/A%2fb/;p='/"] {
            let url = raw.url(&format!("{path}?{QUERY}"));
            let mut options = ConnectOptions::default();
            options.transport = transport;
            options.http = Some(http());
            let before = raw.requests().len();
            let connecting = tokio::spawn(async move { options.connect(&url).await.map(drop) });
            until(|| raw.requests().len() > before || connecting.is_finished()).await;
            let requests = raw.requests();
            let Some(request) = requests.get(before) else {
                panic!("{:?}", connecting.await)
            };
            // All but one, which the URL standard escapes.
            let expected = format!("/socket.io/?{QUERY}&EIO=4&transport=").replace('\'', "%27");
            assert!(request.starts_with(&expected), "{request}");
            connecting.abort();
        }
        until(|| raw.open() == 0).await;
    }
}

#[tokio::test]
async fn limits_of_time_beyond_the_clock_are_no_panic() {
    let raw = Raw::start(|mut connection, _| {
        connection.join();
        connection.send("42/notifications,[\"notification\",\"2\"]");
        connection.hang();
    });
    let mut config = quick();
    config.renew_margin = Duration::MAX;
    config.renew_interval = Duration::MAX;
    config.overlap = Duration::MAX;
    config.safety_resync = Some(Duration::MAX);
    config.max_retry_after = Duration::MAX;
    config.token_timeout = Duration::MAX;
    config.max_queued_events = usize::MAX;
    config.max_queued_bytes = usize::MAX;
    config.backoff.initial_delay = Duration::MAX;
    config.backoff.max_delay = Duration::MAX;
    config.backoff.jitter = f64::NAN;
    config.backoff.stable_after = Duration::MAX;
    let mut options = ConnectOptions::default();
    options.handshake_timeout = Duration::MAX;
    options.join_timeout = Duration::MAX;
    options.max_message_bytes = usize::MAX;
    let watch = raw.watch().config(config).connect_options(options);
    let mut watch = within(watch.request_timeout(Duration::MAX).connect())
        .await
        .unwrap();
    let started = WatchEvent::Resync(ResyncReason::Started);
    assert_eq!(next(&mut watch).await, started);
    let notified = next(&mut watch).await;
    assert!(matches!(notified, WatchEvent::Notification(_)));
    within(watch.close()).await;
}
