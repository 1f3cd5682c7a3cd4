//! Many watches as one stream, against the emulator.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;

use conformance::{http, within};
use futures_util::StreamExt as _;
use graph_emulator::{Emulator, EmulatorConfig, GraphFailure, Notification as Sending, Payload};
use graph_notifications::{
    BaseUrl, Cloud, PlainHttp, Resource, StaticToken, TokenProvider, Watch, WatchError, WatchEvent,
    Watches,
};

const DRIVES: [&str; 5] = ["b!1", "b!2", "b!3", "b!4", "b!5"];

fn watch(emulator: &Emulator, drive: &str, token: &str) -> Watch {
    let base_url = BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback).unwrap();
    let token: Arc<dyn TokenProvider> = Arc::new(StaticToken::new(token).unwrap());
    Watch::builder(Resource::drive(drive))
        .token(token)
        .cloud(Cloud::Custom(base_url))
        .allow_http_on_loopback()
        .http(http())
        .start()
}

async fn next(
    watches: &mut Watches<&'static str>,
) -> (&'static str, Result<WatchEvent, WatchError>) {
    within("an event", watches.next()).await.expect("a watch")
}

/// All of them, once each, whatever order they come in.
async fn each(watches: &mut Watches<&'static str>, expected: impl Fn(&WatchEvent) -> bool) {
    let mut seen = BTreeSet::new();
    while seen.len() < watches.len() {
        let (drive, event) = next(watches).await;
        let event = event.unwrap();
        assert!(expected(&event), "{drive}: {event:?}");
        assert!(seen.insert(drive), "{drive} twice");
    }
    assert_eq!(seen, watches.keys().copied().collect());
}

fn is_notification(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Notification(_))
}

#[tokio::test]
async fn many_drives_at_once() {
    let emulator = Emulator::start(EmulatorConfig::default()).await.unwrap();
    let token = emulator.token();
    let mut watches = Watches::new();
    assert!(
        watches.next().await.is_none(),
        "there is nothing to wait for"
    );
    watches.extend(DRIVES.map(|drive| (drive, watch(&emulator, drive, &token))));
    assert_eq!(watches.len(), DRIVES.len());
    each(&mut watches, |event| matches!(event, WatchEvent::Resync(_))).await;

    let sent = emulator.notify(&Sending::new(Payload::Value));
    assert_eq!(sent.receivers, DRIVES.len());
    each(&mut watches, is_notification).await;

    // One that is taken out is gone at once, and nothing of it is told any more.
    emulator.notify(&Sending::new(Payload::Value));
    let removed = watches.remove(&"b!3").unwrap();
    assert!(!watches.contains(&"b!3") && watches.remove(&"b!3").is_none());
    each(&mut watches, is_notification).await;
    within("the end of one", removed.close()).await;
    within(
        "its connection's end",
        emulator.wait_until(|counts| counts.websockets.now == 4),
    )
    .await;

    // Another one may take a key over.
    let earlier = watches.insert("b!1", watch(&emulator, "b!1", &token));
    drop(earlier.expect("the one that was there"));
    let (drive, event) = next(&mut watches).await;
    assert!(
        drive == "b!1" && matches!(event, Ok(WatchEvent::Resync(_))),
        "{drive}: {event:?}"
    );

    within("the end of all", watches.close()).await;
    within(
        "all connections' ends",
        emulator.wait_until(|counts| counts.websockets.now == 0),
    )
    .await;
}

#[tokio::test]
async fn one_that_fails_does_not_keep_the_others_from_going_on() {
    let emulator = Emulator::start(EmulatorConfig::default()).await.unwrap();
    let token = emulator.token();
    let mut watches = Watches::new();
    watches.insert("b!1", watch(&emulator, "b!1", &token));
    each(&mut watches, |event| matches!(event, WatchEvent::Resync(_))).await;

    emulator.fail_next(1, GraphFailure::Forbidden);
    watches.insert("b!2", watch(&emulator, "b!2", &token));
    let (drive, event) = next(&mut watches).await;
    assert_eq!(drive, "b!2");
    assert!(event.is_err(), "{event:?}");
    assert!(!watches.contains(&"b!2"), "it is over");

    emulator.notify(&Sending::new(Payload::Value));
    let (drive, event) = next(&mut watches).await;
    assert!(drive == "b!1" && is_notification(&event.unwrap()));
    drop(watches);
    within(
        "the connection's end",
        emulator.wait_until(|counts| counts.websockets.now == 0),
    )
    .await;
}

/// Whoever waits for events learns that the last watch was taken out.
#[tokio::test]
async fn a_reader_is_not_left_waiting_for_nobody() {
    let emulator = Emulator::start(EmulatorConfig::default()).await.unwrap();
    let mut watches = Watches::new();
    watches.insert("b!1", watch(&emulator, "b!1", &emulator.token()));
    each(&mut watches, |event| matches!(event, WatchEvent::Resync(_))).await;
    {
        let mut waiting = Box::pin(watches.next());
        let pending =
            std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending()));
        assert!(pending.await);
    }
    drop(watches.remove(&"b!1"));
    assert!(within("the end", watches.next()).await.is_none());
}
