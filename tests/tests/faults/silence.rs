//! Silence: connections that are half open, whoever is waited for in vain, and stalls.
//!
//! What takes its time does so side by side, each row with a relay and a client of its own.

use std::time::Duration;

use conformance::fault::Direction::{ToClient, ToServer};
use conformance::fault::Exchange::*;
use conformance::fault::Fault::Swallow;
use conformance::fault::Part::*;
use conformance::fault::{Rule, accept, on};
use conformance::{Case, Line, Release, Route, over_every_route};
use engineio::Version;
use futures_util::future::join_all;
use serde_json::json;
use socketio::Builder;

use crate::world::World;

/// How long is waited for what never comes. What does come does so sooner, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(4);

/// The sum is how long a server may say nothing.
fn heartbeat() -> serde_json::Value {
    json!({"pingInterval": 500, "pingTimeout": 3500})
}

#[tokio::test]
async fn whoever_is_waited_for_in_vain_is_given_up() {
    tokio::join!(half_open(Version::V4), half_open(Version::V3), in_vain());
}

/// The heartbeat notices, on whichever transport. What was said into it may have arrived or not.
async fn half_open(version: Version) {
    let release = match version {
        Version::V3 => Release::Old,
        _ => Release::Current,
    };
    let case = Case::over(release, version);
    let Some(world) = World::with(case(Route::Polling), heartbeat()).await else {
        return;
    };
    let noticed = async |(nth, route)| {
        let world = world.beside(nth, case(route)).await;
        let mut client = world.client_of(patient(&world)).await;
        world.proxy.half_open();
        client.ask();
        // What polling has left idle is as dead as the rest, and a handshake that finds it waits in vain.
        let story = client.story().await;
        let story = story.replace("failed: HandshakeTimeout, ", "");
        assert_eq!(story, "lost: PingTimeout, connected", "{}", client.row);
        client.works().await;
        world.proxy.reset_all();
        world.end(client).await;
    };
    let routes = [Route::Polling, Route::WebSocket, Route::Upgrade];
    join_all((1..).zip(routes).map(noticed)).await;
}

/// Something that never comes, on the way back or later, to clients of the current server.
async fn in_vain() {
    const NO_HANDSHAKE: &str = "lost: Broken, failed: HandshakeTimeout, connected";
    const NO_CONNECT: &str = "lost: Broken, failed: Timeout, connected";
    const NO_PING: &str = "lost: PingTimeout, connected";
    let opening = [
        (Route::Polling, accept(Swallow), NO_HANDSHAKE),
        (
            Route::Polling,
            on(Handshake).inside(Request, Swallow),
            NO_HANDSHAKE,
        ),
        (
            Route::Polling,
            on(Handshake).before(Head, Swallow),
            NO_HANDSHAKE,
        ),
        (
            Route::Polling,
            on(Handshake).inside(Head, Swallow),
            NO_HANDSHAKE,
        ),
        (
            Route::Polling,
            on(Handshake).inside(Body, Swallow),
            NO_HANDSHAKE,
        ),
        (Route::WebSocket, accept(Swallow), NO_HANDSHAKE),
        (
            Route::WebSocket,
            on(WebSocket).before(Head, Swallow),
            NO_HANDSHAKE,
        ),
        (
            Route::WebSocket,
            on(WebSocket).inside(Head, Swallow),
            NO_HANDSHAKE,
        ),
        (
            Route::WebSocket,
            on(WebSocket).after(Head, Swallow),
            NO_HANDSHAKE,
        ),
        (
            Route::WebSocket,
            on(WebSocket).after_bytes(1, Received, Swallow),
            NO_HANDSHAKE,
        ),
        // Then the answer to CONNECT.
        (Route::Polling, on(Poll).before(Head, Swallow), NO_CONNECT),
        (
            Route::WebSocket,
            on(WebSocket).before(Sent, Swallow),
            NO_CONNECT,
        ),
        (
            Route::WebSocket,
            on(WebSocket).before(Received, Swallow).nth(2),
            NO_CONNECT,
        ),
    ];
    let open = [
        (
            Route::Polling,
            on(Post).before(Request, Swallow),
            "lost: RequestTimeout, connected",
        ),
        (
            Route::Polling,
            on(Post).before(Head, Swallow),
            "lost: RequestTimeout, connected",
        ),
        (
            Route::Polling,
            on(Post).inside(Body, Swallow),
            "lost: RequestTimeout, connected",
        ),
        (Route::Polling, on(Poll).before(Head, Swallow), NO_PING),
        (Route::Polling, on(Poll).inside(Body, Swallow), NO_PING),
        (
            Route::WebSocket,
            on(WebSocket).before(Sent, Swallow),
            NO_PING,
        ),
        (
            Route::WebSocket,
            on(WebSocket).after_bytes(1, Received, Swallow),
            NO_PING,
        ),
        (Route::Upgrade, on(Probe).inside(Received, Swallow), NO_PING),
    ];
    let case = Case::current(Route::Polling);
    let Some(quick) = World::with(case, heartbeat()).await else {
        return;
    };
    let slow = World::new(case).await.unwrap();
    let rows = opening.map(|row| (true, row)).into_iter();
    let rows = rows.chain(open.map(|row| (false, row))).enumerate();
    let fails = async |(index, (is_opening, (route, rule, story))): (usize, (bool, Row))| {
        // Where something else is waited for, the heartbeat is not to come first.
        let server = if story == NO_PING { &quick } else { &slow };
        let world = server.beside(index + 1, Case::current(route)).await;
        let mut client = world.client_of(patient(&world)).await;
        client.tries(&rule);
        world.quiet().await;
        world.proxy.script([rule]);
        match is_opening {
            true => world.proxy.reset_all(),
            false => client.ask(),
        }
        client.tells(story).await;
        client.works().await;
        world.proxy.reset_all();
        world.end(client).await;
    };
    join_all(rows.map(fails)).await;
}

type Row = (Route, Rule, &'static str);

/// A client that waits for everything as long as the limit.
fn patient(world: &World) -> Builder {
    let mut config = world.case.config();
    config.handshake_timeout = LIMIT;
    config.request_timeout = LIMIT;
    world.builder().engine_config(config).connect_timeout(LIMIT)
}

over_every_route! { Release::Current, Version::V4 => a_stall_delays_and_loses_nothing }

mod old {
    use super::*;

    over_every_route! { Release::Old, Version::V3 => a_stall_delays_and_loses_nothing }
}

/// Either way, with something on it.
async fn a_stall_delays_and_loses_nothing(case: Case) {
    let Some(world) = World::new(case).await else {
        return;
    };
    let mut client = world.client().await;
    for direction in [ToServer, ToClient, ToServer, ToClient] {
        client.tries(&direction);
        world.quiet().await;
        world.proxy.stall(direction);
        let before = world.proxy.seen();
        let mut said = Vec::new();
        for _ in 0..3 {
            said.push(client.say().await);
        }
        if direction == ToClient {
            let is_first = |line: &Line| line.is("event") && line.get("args")[0] == said[0];
            world.server.wait_for("the first of them", is_first).await;
        }
        let stalled = world.proxy.seen();
        match direction {
            ToClient => assert_eq!(
                stalled.bytes_to_client, before.bytes_to_client,
                "{}",
                client.row
            ),
            ToServer => assert_eq!(
                stalled.bytes_to_server, before.bytes_to_server,
                "{}",
                client.row
            ),
        }
        world.proxy.resume();
        for number in said {
            client.hears(number).await;
        }
        client.works().await;
    }
    world.end(client).await;
}
