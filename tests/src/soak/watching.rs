//! The watch, and who makes the changes that it is to announce.

use std::sync::Arc;
use std::time::Duration;

use engineio::client::{Http, now};
use fastrand::Rng;
use futures_util::StreamExt as _;
use graph_emulator::{Control, Emulator, EmulatorConfig, Encoding, Payload};
use graph_notifications::{
    BaseUrl, Cloud, ConnectOptions, Notification, PlainHttp, Resource, StaticToken, TransportMode,
    Watch, WatchConfig, WatchError, WatchEvent,
};
use serde_json::Value;
use tokio::sync::Notify;

use super::books::{Books, Phase, SharedWatchAccount, lock};

/// How the watches connect.
pub(super) const WATCHES: [(&str, TransportMode); 2] = [
    ("watch by websocket", TransportMode::WebSocket),
    ("watch by upgrade", TransportMode::Upgrade),
];

/// Starts what stands for Microsoft Graph.
pub(super) async fn emulator() -> Emulator {
    let mut config = EmulatorConfig::default();
    config.ping_interval = Duration::from_millis(1_000);
    config.ping_timeout = Duration::from_millis(1_500);
    config.settings.lifetime_ms = Some(20_000);
    Emulator::start(config).await.expect("an emulator")
}

/// Makes numbered changes.
pub(super) async fn changes(
    control: Control,
    account: SharedWatchAccount,
    books: Arc<Books>,
    seed: u64,
) {
    let mut rng = Rng::with_seed(seed);
    loop {
        tokio::time::sleep(Duration::from_millis(rng.u64(0..100))).await;
        if books.phase() >= Phase::Quiet {
            continue;
        }
        let payload = if rng.bool() {
            Payload::Value
        } else {
            Payload::Flat
        };
        let encoding = if rng.bool() {
            Encoding::Text
        } else {
            Encoding::Object
        };
        let change = graph_emulator::Notification::new(payload).encoding(encoding);
        let mut account = lock(&account);
        let before = control.counts().joined;
        let sent = control.notify(&change);
        // Whoever came or went at this very moment may have been told or not.
        let joined = if control.counts().joined == before {
            before.now
        } else {
            0
        };
        account.made(now(), sent.number, joined, sent.receivers as u64);
    }
}

/// Watches until it is dropped.
pub(super) struct Watcher {
    pub(super) account: SharedWatchAccount,
    pub(super) books: Arc<Books>,
    pub(super) transport: TransportMode,
    /// Of the proxy in front of the emulator.
    pub(super) base_url: String,
    pub(super) token: String,
    pub(super) abandon: Arc<Notify>,
    pub(super) seed: u64,
}

impl Watcher {
    pub(super) async fn run(self, http: Http) {
        let mut rng = Rng::with_seed(self.seed);
        loop {
            let watch = self.start(&http, &mut rng);
            tokio::select! {
                () = self.read(watch, &mut rng) => {}
                () = self.abandon.notified() => lock(&self.account).down("dropped"),
            }
        }
    }

    fn start(&self, http: &Http, rng: &mut Rng) -> Watch {
        let base_url = BaseUrl::parse(&self.base_url, PlainHttp::OnLoopback).expect("a URL");
        let mut config = WatchConfig::default();
        config.renew_interval = Duration::from_secs(rng.u64(2..10));
        config.overlap = Duration::from_millis(rng.u64(0..1_000));
        // Those that are not due would hide what is missed.
        config.safety_resync = None;
        config.backoff.initial_delay = Duration::from_millis(50);
        config.backoff.max_delay = Duration::from_millis(500);
        config.backoff.stable_after = Duration::from_secs(1);
        config.max_retry_after = Duration::from_secs(1);
        config.max_queued_events = rng.usize(16..64);
        let mut options = ConnectOptions::default();
        options.transport = self.transport;
        options.handshake_timeout = Duration::from_secs(3);
        options.join_timeout = Duration::from_secs(3);
        Watch::builder(Resource::drive("b!drive"))
            .token(StaticToken::new(self.token.clone()).expect("a token"))
            .cloud(Cloud::Custom(base_url))
            .allow_http_on_loopback()
            .request_timeout(Duration::from_secs(3))
            .connect_options(options)
            .http(http.clone())
            .config(config)
            .start()
    }

    fn enter(&self, event: Result<WatchEvent, WatchError>) {
        let mut account = lock(&self.account);
        match event {
            Ok(WatchEvent::Notification(notification)) => match which(&notification) {
                Some((subscription, number)) => account.announced(&subscription, number),
                None => account.unreadable(notification.raw()),
            },
            Ok(WatchEvent::Resync(reason)) => account.resync(now(), reason),
            Ok(WatchEvent::Down { reason, .. }) => account.down(&reason.to_string()),
            Ok(WatchEvent::Renewed) => account.renewed(),
            Ok(other) => account.note(format!("{other:?}")),
            Err(error) => account.ended(&error.to_string()),
        }
    }

    /// Reads, with pauses, until the watch is dropped. An end of its own is a broken promise, with an error or without.
    async fn read(&self, mut watch: Watch, rng: &mut Rng) {
        while let Some(event) = watch.next().await {
            self.enter(event);
            let pause = match rng.u16(0..1_000) {
                0 => rng.u64(0..3_000),
                1..20 => rng.u64(0..200),
                _ => continue,
            };
            if self.books.phase() == Phase::Storm {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
        lock(&self.account).ended("its stream is over");
    }
}

/// By whose connection a notification came, and its number.
fn which(notification: &Notification) -> Option<(String, u64)> {
    let data: Value = serde_json::from_str(notification.data()?.get()).ok()?;
    let entry = data.pointer("/value/0").unwrap_or(&data);
    let subscription = entry.get("subscriptionId")?.as_str()?;
    Some((
        subscription.to_owned(),
        entry.get("emulatorNumber")?.as_u64()?,
    ))
}
