//! Gaps in the coverage of a Graph watch: each is told, and told to be over, and no notification is missing outside one.

use std::time::Duration;

use conformance::fault::Exchange::*;
use conformance::fault::Fault::*;
use conformance::fault::Part::*;
use conformance::fault::{Fault, FaultProxy, Rule, Seen, on};
use conformance::{Route, http, over_every_route, within};
use futures_util::StreamExt as _;
use graph_emulator::{Emulator, EmulatorConfig, Notification};
use graph_notifications::{
    BaseUrl, Cloud, PlainHttp, Resource, StaticToken, TransportMode, Watch, WatchConfig, WatchEvent,
};
use serde_json::Value;

use crate::world::{ERROR, GARBAGE};

over_every_route! {
    what_breaks_is_a_gap_that_is_told,
    requests_that_break_are_made_again,
}

struct World {
    emulator: Emulator,
    /// In front of the relay and of Graph.
    proxy: FaultProxy,
    watch: Watch,
    /// What is being tried, for whoever reads a failure.
    row: String,
}

impl World {
    async fn new(route: Route, change: impl FnOnce(&mut EmulatorConfig)) -> Self {
        let mut config = EmulatorConfig::default();
        change(&mut config);
        let emulator = Emulator::start(config).await.unwrap();
        let port = emulator.graph_url().rsplit_once(':').unwrap().1;
        let proxy = FaultProxy::start(port.parse().unwrap()).await;
        emulator.update(|settings| settings.relay_url = Some(proxy.url("")));
        let mut config = WatchConfig::default();
        config.backoff.initial_delay = Duration::from_millis(5);
        config.backoff.max_delay = Duration::from_millis(20);
        let graph = BaseUrl::parse(&proxy.url(""), PlainHttp::OnLoopback).unwrap();
        let watch = Watch::builder(Resource::drive("b!drive"))
            .token(StaticToken::new(emulator.token()).unwrap())
            .cloud(Cloud::Custom(graph))
            .allow_http_on_loopback()
            .http(http())
            .config(config)
            .request_timeout(Duration::from_secs(4))
            .transport(match route {
                Route::Polling => TransportMode::Polling,
                Route::WebSocket => TransportMode::WebSocket,
                Route::Upgrade => TransportMode::Upgrade,
            });
        let watch = within("a watch", watch.connect()).await.unwrap();
        let mut world = Self {
            emulator,
            proxy,
            watch,
            row: format!("{route:?}, at first"),
        };
        assert_eq!(world.story().await, "Started");
        if route == Route::Upgrade {
            let upgraded = world
                .emulator
                .wait_until(|counts| counts.websockets.total >= 1);
            within("an upgrade", upgraded).await;
        }
        world.covers().await;
        world
    }

    async fn next(&mut self) -> WatchEvent {
        let event = within(&self.row, self.watch.next()).await;
        event.expect("the watch is over").unwrap()
    }

    /// Waits, where there are polls, until one waits for a notification.
    async fn polls(&self, route: Route) {
        if route == Route::Polling {
            self.proxy.wait_for("a poll", Seen::only_a_poll_waits).await;
        }
    }

    /// What the watch tells until there is coverage, and that as well.
    async fn story(&mut self) -> String {
        let mut story = Vec::new();
        loop {
            match self.next().await {
                WatchEvent::Notification(_) => story.push("heard".to_owned()),
                WatchEvent::Down { .. } => story.push("down".to_owned()),
                WatchEvent::Resync(reason) => {
                    story.push(format!("{reason:?}"));
                    return story.join(", ");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whatever is sent now comes, with nothing else in between.
    async fn covers(&mut self) {
        for _ in 0..2 {
            let sent = self.emulator.notify(&Notification::default());
            match self.next().await {
                WatchEvent::Notification(came) => {
                    assert_eq!(number(&came), sent.number, "{}", self.row);
                }
                other => panic!("{}: {other:?}", self.row),
            }
        }
    }
}

/// The number that the emulator gave a notification.
fn number(notification: &graph_notifications::Notification) -> u64 {
    let data: Value = serde_json::from_str(notification.data().unwrap().get()).unwrap();
    data.pointer("/value/0/emulatorNumber")
        .and_then(Value::as_u64)
        .unwrap()
}

async fn what_breaks_is_a_gap_that_is_told(route: Route) {
    const GAP: &str = "down, Reconnected";
    const BEHIND: &str = "heard, down, Reconnected";
    let ends = [Reset, Close].into_iter();
    let rows: Vec<(Rule, &str)> = match route {
        Route::Polling => ends
            .flat_map(|fault| {
                [
                    (on(Poll).before(Head, fault.clone()), GAP),
                    (on(Poll).inside(Head, fault.clone()), GAP),
                    (on(Poll).after(Head, fault.clone()), GAP),
                    (on(Poll).inside(Body, fault.clone()), GAP),
                    (on(Poll).before(Request, fault), BEHIND),
                ]
            })
            .chain(
                [ERROR.as_bytes(), GARBAGE]
                    .map(|bytes| (on(Poll).before(Head, Fault::say(bytes)), GAP)),
            )
            .collect(),
        Route::WebSocket | Route::Upgrade => ends
            .flat_map(|fault| {
                [
                    (on(None).before(Received, fault.clone()), GAP),
                    (on(None).after_bytes(1, Received, fault.clone()), GAP),
                    (on(None).inside(Received, fault.clone()), GAP),
                    (on(None).after(Received, fault), BEHIND),
                ]
            })
            .chain(
                [&b"\x83\x00"[..], b"\x81\x054", b"\x81\x019", b"\x88\x00"]
                    .map(|bytes| (on(None).before(Received, Fault::say(bytes)), GAP)),
            )
            .collect(),
    };
    let mut world = World::new(route, |_| {}).await;
    for (rule, story) in rows {
        world.row = format!("{route:?}, {rule:?}");
        world.polls(route).await;
        world.proxy.script([rule]);
        world.emulator.notify(&Notification::default());
        assert_eq!(world.story().await, story, "{}", world.row);
        world.covers().await;
    }
}

/// Those to Graph for a new URL, when the old one has expired.
async fn requests_that_break_are_made_again(route: Route) {
    let ends = [Reset, Close].into_iter().flat_map(|fault| {
        [
            on(Other).before(Request, fault.clone()),
            on(Other).inside(Request, fault.clone()),
            on(Other).before(Head, fault.clone()),
            on(Other).inside(Head, fault.clone()),
            on(Other).after(Head, fault.clone()),
            on(Other).inside(Body, fault),
        ]
    });
    let wrong = [ERROR.as_bytes(), GARBAGE];
    let wrong = wrong.map(|bytes| on(Other).before(Head, Fault::say(bytes)));
    let mut world = World::new(route, |_| {}).await;
    for rule in ends.chain(wrong) {
        world.row = format!("{route:?}, {rule:?}");
        world.proxy.script([rule]);
        assert_ne!(world.emulator.expire_credentials(), 0, "{}", world.row);
        assert_eq!(
            world.story().await,
            "down, down, Reconnected",
            "{}",
            world.row
        );
        world.covers().await;
    }
}

#[tokio::test]
async fn half_open_connections_are_gaps() {
    tokio::join!(
        a_half_open_connection_is_a_gap(Route::Polling),
        a_half_open_connection_is_a_gap(Route::WebSocket),
        a_half_open_connection_is_a_gap(Route::Upgrade),
    );
}

/// The relay's heartbeat notices.
async fn a_half_open_connection_is_a_gap(route: Route) {
    let heartbeat = |config: &mut EmulatorConfig| {
        config.ping_interval = Duration::from_millis(500);
        config.ping_timeout = Duration::from_millis(3500);
    };
    let mut world = World::new(route, heartbeat).await;
    world.proxy.half_open();
    world.emulator.notify(&Notification::default());
    let event = world.next().await;
    assert!(matches!(event, WatchEvent::Down { .. }), "{event:?}");
    // By polling, Graph is then asked on a connection that is as dead, and that is given up, too.
    let story = world.story().await.replace("down, ", "");
    assert_eq!(story, "Reconnected", "{route:?}");
    world.covers().await;
}
