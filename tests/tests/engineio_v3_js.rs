//! The Engine.IO client in revision 3 against real engine.io servers: those that speak nothing else, and those that
//! are told to speak it as well.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

#[macro_use]
mod engine_scenarios;

use conformance::{Case, Release, Route};
use engine_scenarios::*;
use engineio::{CloseReason, ErrorCode, Event, ProtocolError, Version};
use serde_json::json;

mod against_a_server_that_speaks_nothing_else {
    use super::*;

    engine_scenarios! { Release::Old, Version::V3 }

    conformance::over_one_route! { Release::Old, Version::V3, Route::Polling =>
        payloads_are_counted,
        a_separator_is_a_character_like_any_other,
    }

    conformance::over_one_route! { Release::Old, Version::V3, Route::WebSocket =>
        binary_frames_say_what_they_are,
    }
}

mod against_a_server_that_speaks_it_as_well {
    use super::*;

    engine_scenarios! { Release::Compatible, Version::V3 }

    conformance::over_one_route! { Release::Compatible, Version::V3, Route::Polling =>
        payloads_are_counted,
        posts_stay_within_the_servers_limit,
        a_separator_is_a_character_like_any_other,
    }

    conformance::over_one_route! { Release::Compatible, Version::V3, Route::WebSocket =>
        binary_frames_say_what_they_are,
    }
}

async fn payloads_are_counted(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;
    client.send(text("é€😀")).unwrap();
    client.send(binary([0xDE, 0xAD])).unwrap();
    client.send(binary([])).unwrap();
    for expected in [text("é€😀"), binary([0xDE, 0xAD]), binary([])] {
        assert_eq!(next_message(&mut client).await, expected);
    }
    let post = server.seen_of("request").await;
    let post = post.iter().find(|line| line.str("method") == "POST");
    assert_eq!(
        post.unwrap().get("headers")["content-type"],
        "text/plain;charset=UTF-8"
    );
    let bodies = server.seen_of("body").await;
    let written: String = bodies.iter().map(|body| body.str("text")).collect();
    assert_eq!(written, "5:4é€😀6:b43q0=2:b4");
}

async fn a_separator_is_a_character_like_any_other(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;
    client.send(text("x\u{1E}y")).unwrap();
    assert_eq!(next_message(&mut client).await, text("x\u{1E}y"));
}

async fn binary_frames_say_what_they_are(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;
    client.send(binary([0xDE, 0xAD])).unwrap();
    client.send(binary([])).unwrap();
    assert_eq!(next_message(&mut client).await, binary([0xDE, 0xAD]));
    assert_eq!(next_message(&mut client).await, binary([]));
    let frames = server.seen_of("frame").await;
    let frames: Vec<&str> = frames.iter().map(|frame| frame.str("hex")).collect();
    assert_eq!(frames, ["04dead", "04"]);
    let requests = requests(&server).await;
    assert_eq!(
        requests[0].str("target"),
        "/engine.io/?EIO=3&transport=websocket"
    );
}

#[tokio::test]
async fn a_server_that_speaks_the_new_revision_only_says_so() {
    for (release, route) in [
        // Over WebSocket this release accepts the connection and stays silent.
        (Release::Middle, Route::Polling),
        (Release::Current, Route::Polling),
        (Release::Current, Route::WebSocket),
    ] {
        let Some(server) = release.engine_io(json!({})).await else {
            return;
        };
        let refusal = refused(&server, Case::over(release, Version::V3)(route)).await;
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.code, Some(ErrorCode::UnsupportedVersion));
        assert_eq!(refusal.message, "Unsupported protocol version");
    }
}

#[tokio::test]
async fn a_server_that_speaks_the_old_revision_only_betrays_itself() {
    for route in [Route::Polling, Route::Upgrade] {
        let Some(server) = Release::Old.engine_io(json!({})).await else {
            return;
        };
        let case = Case::over(Release::Old, Version::V4)(route);
        let reason = closed(&mut client(&server, case)).await;
        let expected = ProtocolError::OtherVersion(Version::V3);
        assert_eq!(reason, CloseReason::Protocol(expected));
    }
}

#[tokio::test]
async fn the_revision_is_found_out_on_polling() {
    for route in [Route::Polling, Route::Upgrade] {
        for (release, spoken, attempts) in [
            (Release::Old, Version::V3, 2),
            (Release::Middle, Version::V4, 1),
            (Release::Current, Version::V4, 1),
            (Release::Compatible, Version::V4, 1),
        ] {
            let Some(server) = release.engine_io(json!({})).await else {
                return;
            };
            let case = Case::over(release, Version::Auto)(route);
            let mut client = client(&server, case);
            let Event::Opened { version, .. } = next_event(&mut client).await else {
                panic!("{case:?}: not opened")
            };
            assert_eq!(version, spoken, "{case:?}");
            client.send(text("é€😀")).unwrap();
            loop {
                match next_event(&mut client).await {
                    Event::Upgraded(_) => {}
                    other => {
                        assert_eq!(other, Event::Message(text("é€😀")), "{case:?}");
                        break;
                    }
                }
            }
            // Every handshake is a request without a session.
            let handshakes: Vec<String> = requests(&server)
                .await
                .iter()
                .map(|request| request.str("target").to_owned())
                .filter(|target| !target.contains("&sid="))
                .collect();
            assert_eq!(handshakes.len(), attempts, "{case:?}: {handshakes:?}");
            let last = format!("EIO={}&", spoken.query_value());
            assert!(handshakes.last().unwrap().contains(&last), "{case:?}");
        }
    }
}
