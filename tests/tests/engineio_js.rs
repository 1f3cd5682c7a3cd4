//! The Engine.IO client alone against the real engine.io server.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

#[macro_use]
mod engine_scenarios;

use conformance::{Case, JsServer, Release, Route, TlsFront, http};
use engine_scenarios::*;
use engineio::client::{Client, Http};
use engineio::{CloseReason, Endpoint, ErrorCode, SendError, TransportErrorKind, Version};
use serde_json::json;

engine_scenarios! { Release::Current, Version::V4 }

conformance::over_one_route! { Release::Current, Version::V4, Route::Polling =>
    posts_stay_within_the_servers_limit,
}

conformance::over_every_route! { Release::Current, Version::V4 =>
    a_path_without_trailing_slash_is_used_as_given,
}

async fn a_path_without_trailing_slash_is_used_as_given(case: Case) {
    let options = json!({"addTrailingSlash": false});
    let Some(server) = JsServer::engine_io(options).await else {
        return;
    };
    let endpoint = Endpoint::parse(&server.url("/engine.io")).unwrap();
    let mut client = Client::new(http(), endpoint, case.config());
    opened(&mut client, case).await;
    for request in requests(&server).await {
        let target = request.str("target");
        assert!(target.starts_with("/engine.io?EIO="), "{target}");
    }
}

#[tokio::test]
async fn posts_say_what_they_carry() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, Case::current(Route::Polling)).await;
    client.send(binary([0xDE, 0xAD])).unwrap();
    next_message(&mut client).await;

    let requests = server.seen_of("request").await;
    let post = requests
        .iter()
        .find(|request| request.str("method") == "POST")
        .unwrap();
    assert_eq!(
        post.get("headers")["content-type"],
        "text/plain;charset=UTF-8"
    );
    assert_eq!(server.seen_of("body").await[0].str("text"), "b3q0=");
}

#[tokio::test]
async fn a_message_that_the_server_would_not_take_comes_back_to_the_caller() {
    let options = json!({"maxHttpBufferSize": 1000});
    for route in [Route::Polling, Route::WebSocket] {
        let Some(server) = JsServer::engine_io(options.clone()).await else {
            return;
        };
        let mut client = open(&server, Case::current(route)).await;
        let huge = text("x".repeat(1001));
        let Err(SendError::TooLarge { message, max, .. }) = client.send(huge.clone()) else {
            panic!("{route:?}: it was taken");
        };
        assert_eq!((message, max), (huge, 1000));
        client.send(text("the session lives")).unwrap();
        assert_eq!(next_message(&mut client).await, text("the session lives"));
    }
}

#[tokio::test]
async fn a_separator_in_a_text_is_refused_where_it_would_tear_the_payload() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let torn = text("x\u{1E}y");
    let mut client = open(&server, Case::current(Route::Polling)).await;
    assert_eq!(
        client.send(torn.clone()),
        Err(SendError::Separator(torn.clone()))
    );
    let mut client = open(&server, Case::current(Route::WebSocket)).await;
    client.send(torn.clone()).unwrap();
    assert_eq!(next_message(&mut client).await, torn);
}

#[tokio::test]
async fn a_server_that_forbids_says_so_in_its_own_words() {
    let options = json!({"settings": {"forbid": "not on Sundays"}});
    let Some(server) = JsServer::engine_io(options).await else {
        return;
    };

    let refusal = refused(&server, Case::current(Route::Polling)).await;
    assert_eq!(refusal.status, 403);
    assert_eq!(refusal.code, Some(ErrorCode::Forbidden));
    assert_eq!(refusal.message, "not on Sundays");

    // A WebSocket handshake is turned down with the bare words.
    let refusal = refused(&server, Case::current(Route::WebSocket)).await;
    assert_eq!(refusal.status, 400);
    assert_eq!(refusal.code, None);
    assert_eq!(refusal.message, "not on Sundays");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_failure_to_connect() {
    let Some(mut server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    server.kill().await;
    for route in [Route::Polling, Route::WebSocket] {
        let reason = closed(&mut client(&server, Case::current(route))).await;
        let CloseReason::Transport(error) = &reason else {
            panic!("{reason:?}")
        };
        assert_eq!(error.kind, TransportErrorKind::Connect);
        assert!(reason.is_retryable());
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_when_told_so() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let front = TlsFront::start(server.port()).await;
    let endpoint = Endpoint::parse(&front.url("/engine.io/")).unwrap();
    assert!(endpoint.is_tls());

    let stranger = Http::builder().no_proxy().build().unwrap();
    let authority = front.authority_pem();
    let friend = Http::builder()
        .no_proxy()
        .root_certificates_pem(authority)
        .unwrap()
        .build()
        .unwrap();
    for route in [Route::Polling, Route::WebSocket, Route::Upgrade] {
        let mut client = Client::new(stranger.clone(), endpoint.clone(), route.config());
        let reason = closed(&mut client).await;
        let CloseReason::Transport(error) = &reason else {
            panic!("{reason:?}")
        };
        assert_eq!(error.kind, TransportErrorKind::Connect, "{error:?}");

        let mut client = Client::new(friend.clone(), endpoint.clone(), route.config());
        opened(&mut client, Case::current(route)).await;
        client.send(binary([1, 2, 3])).unwrap();
        assert_eq!(next_message(&mut client).await, binary([1, 2, 3]));
        client.close();
        assert_eq!(closed(&mut client).await, CloseReason::Local);
    }
    assert_eq!(
        server.seen_of("session").await.len(),
        3,
        "a stranger never got as far as HTTP"
    );
}
