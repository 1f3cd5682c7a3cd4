//! Whole messages in pieces: cut at each byte, and byte by byte. Nobody notices.

use bytes::Bytes;
use conformance::fault::Pace;
use conformance::{
    Case, PATIENCE, Release, connected_on_last_transport, http, next, next_message,
    over_every_route, within,
};
use engineio::client::Http;
use engineio::{Transport, Version};
use futures_util::future::join_all;
use serde_json::json;
use socketio::{Builder, Event};

use crate::world::World;

over_every_route! { Release::Current, Version::V4 => every_message_cut_in_two, byte_by_byte }

mod old {
    use super::*;

    over_every_route! { Release::Old, Version::V3 => every_message_cut_in_two, byte_by_byte }
}

/// A session for each byte at which a head, a body or a frame can be cut, and everything in it is.
async fn every_message_cut_in_two(case: Case) {
    const LANES: usize = 16;
    let Some(world) = quiet(case).await else {
        return;
    };
    // To make one is more work than a session.
    let http = http();
    session(&world, &http, "x").await;
    let longest = world.proxy.seen().longest_to_client;
    assert!((100..1000).contains(&longest), "{longest}");

    let lane = async |start: usize| {
        let lane = world.beside(start, case).await;
        for at in (start..longest).step_by(LANES) {
            lane.proxy.pace(Pace::SplitAt(at));
            session(&lane, &http, &format!("cut at {at}")).await;
        }
    };
    join_all((1..=LANES).map(lane)).await;
}

async fn byte_by_byte(case: Case) {
    let Some(world) = quiet(case).await else {
        return;
    };
    world.proxy.pace(Pace::OneByte);
    session(&world, &http(), &"é€😀x".repeat(200)).await;
    let seen = world.proxy.seen();
    assert!(seen.bytes_to_client > 4000, "{seen:?}");
}

/// A server that does not tell what it sees.
async fn quiet(case: Case) -> Option<World> {
    World::with(case, json!({"settings": {"quiet": true}})).await
}

/// Text and bytes there and back, an acknowledgement, and an end.
async fn session(world: &World, http: &Http, text: &str) {
    let builder = Builder::new(world.proxy.url("/"))
        .engine_config(world.case.config())
        .http(http.clone());
    let connecting = within(text, builder.connect()).await;
    let (socket, mut events) = connecting.expect(text);
    if !connected_on_last_transport(&mut events, world.case.route).await {
        let event = next(&mut events).await;
        assert!(
            matches!(event, Event::Upgraded(Transport::WebSocket)),
            "{text}: {event:?}"
        );
    }
    let sent = (text.to_owned(), Bytes::from_static(b"\xDE\xAD\xBE\xEF"));
    socket.emit("mixed", &sent).await.expect(text);
    let back = next_message(&mut events).await;
    assert_eq!(back.parse::<(String, Bytes)>().unwrap(), sent);
    let answer = socket.emit_with_ack("sum", &sent, PATIENCE).await;
    let answer = answer.expect(text);
    assert_eq!(answer.parse::<(String, Bytes)>().unwrap(), sent);
    within(text, socket.disconnect()).await;
}
