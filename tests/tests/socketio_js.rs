//! The Socket.IO client against the real socket.io server.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

#[macro_use]
mod socket_scenarios;

use bytes::Bytes;
use conformance::{
    Case, JsServer, Release, Route, TlsFront, first_message, over_every_route, within,
};
use engineio::client::Http;
use engineio::{CloseReason, Version};
use serde_json::{Value, json};
use socket_scenarios::*;
use socketio::{Builder, ConnectError, Event};

socket_scenarios! { Release::Current, Version::V4 }

over_every_route! {
    joining_sends_the_credentials_and_gives_an_id,
    a_refused_namespace_says_why,
}

async fn joining_sends_the_credentials_and_gives_an_id(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let builder = builder(&server, "/admin", Case::current(route)).auth(json!({"token": "T"}));
    let (socket, mut events) = within("a connection", builder.connect()).await.unwrap();

    let Event::Connected(connected) = next(&mut events).await else {
        panic!("not connected")
    };
    assert!(!connected.recovered);
    let joined = server.wait_for("a join", |line| line.is("connect")).await;
    assert_eq!(joined.str("namespace"), "/admin");
    assert_eq!(joined.get("auth"), &json!({"token": "T"}));
    assert_eq!(connected.id.as_deref(), Some(joined.str("id")));
    assert!(socket.is_connected());
    assert_eq!(first_message(&server).await, r#"0/admin,{"token":"T"}"#);
}

async fn a_refused_namespace_says_why(route: Route) {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let connecting = builder(&server, "/refused", Case::current(route)).connect();
    let error = within("a refusal", connecting).await.unwrap_err();
    let ConnectError::Refused {
        message,
        data: Some(data),
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(message, "not authorized");
    assert_eq!(data.parse::<Value>().unwrap(), json!({"code": "E1"}));
    assert_eq!(first_message(&server).await, "0/refused,");
    // A connection that nobody uses any more is not kept.
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
}

#[tokio::test]
async fn tls_with_a_private_authority_holds_for_every_transport() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let front = TlsFront::start(server.port()).await;
    let authority = Http::builder()
        .no_proxy()
        .root_certificates_pem(front.authority_pem());
    let authority = authority.unwrap().build().unwrap();
    for route in [Route::Polling, Route::WebSocket, Route::Upgrade] {
        let connecting = Builder::new(front.url("/admin"))
            .engine_config(route.config())
            .http(authority.clone())
            .connect();
        let (socket, mut events) = within("a connection", connecting).await.unwrap();
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        if route == Route::Upgrade {
            assert!(matches!(next(&mut events).await, Event::Upgraded(_)));
        }
        socket
            .emit("bytes", Bytes::from_static(b"\xDE\xAD"))
            .await
            .unwrap();
        let bytes: Bytes = next_message(&mut events).await.parse().unwrap();
        assert_eq!(bytes, b"\xDE\xAD".as_slice());
    }
}

#[tokio::test]
async fn a_url_becomes_requests_as_the_reference_client_makes_them() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let url = server.url("/admin?b=%2B&a=aa==&a=1");
    let (_socket, _events) = within("a connection", socketio::connect(&url))
        .await
        .unwrap();
    let request = server
        .wait_for("a request", |line| line.is("request"))
        .await;
    let (start, cache_buster) = request.str("target").rsplit_once('=').unwrap();
    assert_eq!(
        start,
        "/socket.io/?b=%2B&a=aa==&a=1&EIO=4&transport=polling&t"
    );
    assert!(!cache_buster.is_empty());
    assert_eq!(first_message(&server).await, "0/admin,");
}

#[tokio::test]
async fn the_first_attempt_fails_at_once_where_nobody_listens() {
    let Some(mut server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    server.kill().await;
    for route in [Route::Polling, Route::WebSocket] {
        let connecting = builder(&server, "/", Case::current(route)).connect();
        let error = within("an error", connecting).await.unwrap_err();
        assert!(
            matches!(error, ConnectError::Engine(CloseReason::Transport(_))),
            "{error:?}"
        );
        assert!(error.is_retryable());
    }
}
