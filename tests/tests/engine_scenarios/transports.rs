//! Which transport opens a session, and what is asked for on it.

use conformance::{Case, Route, http};
use engineio::client::Client;
use engineio::{CloseReason, ErrorCode, Event, Subprotocols, Timestamp, Transport, Version};
use serde_json::json;

use super::{binary, next_event, next_message, opened, requests, text};

pub(crate) async fn try_all_transports_opens_where_the_first_is_not_offered(case: Case) {
    for (offered, first) in [
        (Transport::WebSocket, Transport::Polling),
        (Transport::Polling, Transport::WebSocket),
    ] {
        let options = json!({"transports": [offered.name()]});
        let Some(server) = case.release.engine_io(options).await else {
            return;
        };
        let mut config = case.config();
        config.transports = vec![first, offered];
        config.try_all_transports = true;
        let mut client = Client::new(http(), super::endpoint(&server), config);
        match next_event(&mut client).await {
            Event::TransportFailed {
                transport,
                reason: CloseReason::Refused(refusal),
            } => {
                assert_eq!(transport, first);
                assert_eq!(refusal.code, Some(ErrorCode::TransportUnknown));
            }
            other => panic!("{other:?}"),
        }
        match next_event(&mut client).await {
            Event::Opened { transport, .. } => assert_eq!(transport, offered),
            other => panic!("{other:?}"),
        }
        client.send(text("hello")).unwrap();
        assert_eq!(next_message(&mut client).await, text("hello"));
    }
}

pub(crate) async fn force_base64_makes_text_of_bytes_in_both_directions(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut config = case.config();
    config.force_base64 = true;
    let mut client = Client::new(http(), super::endpoint(&server), config);
    opened(&mut client, case).await;
    let before = client.stats();
    let bytes = binary(vec![7; 30_000]);
    client.send(bytes.clone()).unwrap();
    assert_eq!(next_message(&mut client).await, bytes);
    // A third more than the bytes themselves, there and back.
    let after = client.stats();
    assert!(after.bytes_sent - before.bytes_sent > 40_000, "{after:?}");
    assert!(
        after.bytes_received - before.bytes_received > 40_000,
        "{after:?}"
    );
    for request in requests(&server).await {
        let target = request.str("target");
        assert!(target.contains("&b64=1"), "{target}");
    }
}

pub(crate) async fn subprotocols_are_agreed_on(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut config = case.config();
    config.subprotocols = Subprotocols::new(["chat.v2", "chat.v1"]).unwrap();
    let mut client = Client::new(http(), super::endpoint(&server), config);
    // The server takes the first one, and what it answers is checked.
    opened(&mut client, case).await;
    let requests = requests(&server).await;
    let [.., handshake] = &requests[..] else {
        panic!("no request")
    };
    assert_eq!(
        handshake.get("headers")["sec-websocket-protocol"],
        "chat.v2, chat.v1"
    );
}

pub(crate) async fn a_structured_query_and_the_timestamp_arrive_as_they_are_set(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let endpoint = super::endpoint(&server).with_query_pairs([("a b", "é&=")]);
    let mut config = case.config();
    config.timestamp = Timestamp::always().with_parameter("ts").unwrap();
    let mut client = Client::new(http(), endpoint.unwrap(), config);
    opened(&mut client, case).await;
    for request in requests(&server).await {
        let target = request.str("target");
        let start = "/engine.io/?a%20b=%C3%A9%26%3D&EIO=";
        assert!(target.starts_with(start), "{target}");
        assert!(
            target.contains("&ts=") && !target.contains("&t="),
            "{target}"
        );
    }
}

/// A client of the old revision pings; one of the new sees no way there and back but that of the upgrade's probe.
pub(crate) async fn the_round_trip_of_the_heartbeat_is_measured(case: Case) {
    let options = json!({"pingInterval": 50, "pingTimeout": 20_000});
    let Some(server) = case.release.engine_io(options).await else {
        return;
    };
    let mut client = Client::new(http(), super::endpoint(&server), case.config());
    opened(&mut client, case).await;
    super::drive(&mut client, super::beats(&server, case, 3)).await;
    let seen = case.version == Version::V3 || case.route == Route::Upgrade;
    assert_eq!(client.stats().heartbeat_rtt.is_some(), seen);
}
