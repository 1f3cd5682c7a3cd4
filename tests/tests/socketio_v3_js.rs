//! The Socket.IO client in the old revision against real servers: socket.io 2.5, which speaks nothing else, and
//! socket.io 4.8, which is told to speak it as well.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

#[macro_use]
mod socket_scenarios;

use conformance::{Case, JsServer, Release, Route, first_message, http, within};
use engineio::Version;
use serde_json::{Value, json};
use socket_scenarios::*;
use socketio::{Builder, ConnectError, Event};

/// The query of the example in Microsoft's documentation, and what it becomes.
const QUERY: &str = "snthgk=1ff3-2345672zz831837523";

mod against_a_server_that_speaks_nothing_else {
    use super::*;

    socket_scenarios! { Release::Old, Version::V3 }

    conformance::over_every_route! { Release::Old, Version::V3 =>
        the_query_joins_a_namespace,
        a_refused_token_is_an_error,
        each_namespace_has_a_query_of_its_own,
        a_refusal_can_be_any_value,
        a_namespace_waits_for_the_root,
        a_refused_root_refuses_every_namespace,
        a_query_and_a_path_become_the_reference_clients_bytes,
        a_whole_url_becomes_the_reference_clients_bytes,
    }
}

mod against_a_server_that_speaks_it_as_well {
    use super::*;

    socket_scenarios! { Release::Compatible, Version::V3 }

    conformance::over_every_route! { Release::Compatible, Version::V3 =>
        the_query_joins_a_namespace,
        a_refused_token_is_an_error,
        each_namespace_has_a_query_of_its_own,
        a_refusal_can_be_any_value,
        a_namespace_waits_for_the_root,
        a_refused_root_refuses_every_namespace,
        a_query_and_a_path_become_the_reference_clients_bytes,
        a_whole_url_becomes_the_reference_clients_bytes,
    }
}

async fn the_query_joins_a_namespace(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let connecting = builder(&server, "/admin", case)
        .query("token=T&x=a%20b,c")
        .connect();
    let (socket, mut events) = within("a connection", connecting).await.unwrap();
    let Event::Connected(connected) = next(&mut events).await else {
        panic!("not connected")
    };
    assert!(!connected.recovered);
    assert!(socket.is_connected());

    let joined = joined(&server, "/admin").await;
    assert_eq!(connected.id.as_deref(), Some(joined.str("id")));
    assert!(joined.str("id").starts_with("/admin#"), "{joined:?}");
    let shown = match case.release {
        Release::Old => joined.get("query"),
        _ => joined.get("auth"),
    };
    assert_eq!(
        (&shown["token"], &shown["x"]),
        (&json!("T"), &json!("a b,c"))
    );
    // A comma would end the namespace.
    assert_eq!(first_message(&server).await, "0/admin?token=T&x=a%20b%2Cc,");
    nobody_joined_twice(&server).await;
}

async fn a_refused_token_is_an_error(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let connecting = builder(&server, "/admin", case)
        .query("token=bad")
        .connect();
    let error = within("a refusal", connecting).await.unwrap_err();
    let ConnectError::Refused {
        message,
        data: None,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(message, "not authorized");
    assert_eq!(first_message(&server).await, "0/admin?token=bad,");
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
}

async fn each_namespace_has_a_query_of_its_own(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;
    let joining = socket.namespace("/admin").query("token=bad").connect();
    let error = within("a refusal", joining).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    let joining = socket.namespace("/admin").query("token=ok").connect();
    let (admin, mut admin_events) = within("a namespace", joining).await.unwrap();
    assert!(matches!(next(&mut admin_events).await, Event::Connected(_)));

    let joined = joined(&server, "/admin").await;
    let shown = match case.release {
        Release::Old => joined.get("query"),
        _ => joined.get("auth"),
    };
    assert_eq!(shown["token"], "ok");
    for (socket, events) in [(socket, &mut events), (admin, &mut admin_events)] {
        socket.emit("still", "here").await.unwrap();
        assert_eq!(next_message(events).await.name(), "still");
    }
}

async fn a_refusal_can_be_any_value(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let connecting = builder(&server, "/refused", case).connect();
    let error = within("a refusal", connecting).await.unwrap_err();
    let ConnectError::Refused {
        data: Some(data), ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(data.parse::<Value>().unwrap(), json!({"code": "E1"}));
}

async fn a_namespace_waits_for_the_root(case: Case) {
    let settings = json!({"settings": {"root": "later"}});
    let Some(server) = case.release.socket_io(settings).await else {
        return;
    };
    let connecting = builder(&server, "/admin", case).query("token=T").connect();
    let (socket, mut events) = within("a connection", connecting).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    // A server of release 2 forgets the query of a namespace that is asked for too early, and has it from the
    // handshake only: so look at the packet, which must have come after the root was joined.
    assert_eq!(first_message(&server).await, "0/admin?token=T,");
    let log = server.seen().await;
    let position = |what: &str, text: &str| {
        log.iter()
            .position(|line| {
                line.is(what) && (line.str("namespace") == text || line.str("text") == text)
            })
            .unwrap_or_else(|| panic!("no {what} {text}: {log:#?}"))
    };
    assert!(position("connect", "/") < position("packet", "0/admin?token=T,"));
    socket.emit("hello", "there").await.unwrap();
    assert_eq!(next_message(&mut events).await.name(), "hello");
    nobody_joined_twice(&server).await;
}

async fn a_refused_root_refuses_every_namespace(case: Case) {
    let settings = json!({"settings": {"root": "never"}});
    let Some(server) = case.release.socket_io(settings).await else {
        return;
    };
    for namespace in ["/", "/admin"] {
        let connecting = builder(&server, namespace, case).connect();
        let error = within("a refusal", connecting).await.unwrap_err();
        let ConnectError::Refused {
            message,
            data: None,
        } = &error
        else {
            panic!("{namespace}: {error:?}")
        };
        assert_eq!(message, "root denied");
    }
}

async fn a_query_and_a_path_become_the_reference_clients_bytes(case: Case) {
    let settings = json!({"settings": {"notify": ["{}", {"clientState": "c"}]}});
    let Some(server) = case.release.socket_io(settings).await else {
        return;
    };
    let connecting = Builder::new(server.url("/zbaehwg"))
        .query(QUERY)
        .engine_config(case.route.config())
        .version(case.version)
        .http(http())
        .connect();
    let (_socket, mut events) = within("a connection", connecting).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    notified(&mut events).await;
    the_reference_clients_bytes(&server, case, "/zbaehwg", 42).await;
}

async fn a_whole_url_becomes_the_reference_clients_bytes(case: Case) {
    let settings = json!({"settings": {"notify": ["{}", {"clientState": "c"}]}});
    let Some(server) = case.release.socket_io(settings).await else {
        return;
    };
    let connecting = Builder::new(server.url(&format!("/zbaehwg/callback?{QUERY}")))
        .engine_config(case.route.config())
        .version(case.version)
        .http(http())
        .connect();
    let (_socket, mut events) = within("a connection", connecting).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    notified(&mut events).await;
    the_reference_clients_bytes(&server, case, "/zbaehwg/callback", 51).await;
}

/// The server's notifications, an object as text and an object, arrive as they were sent.
async fn notified(events: &mut socketio::Events) {
    let message = next_message(events).await;
    assert_eq!(message.name(), "notification");
    assert_eq!(message.parse::<String>().unwrap(), "{}");
    let message = next_message(events).await;
    assert_eq!(
        message.parse::<Value>().unwrap(),
        json!({"clientState": "c"})
    );
}

/// What socket.io-client 2.5.0 was seen to write for the same namespace and query.
async fn the_reference_clients_bytes(
    server: &JsServer,
    case: Case,
    namespace: &str,
    counted_length: usize,
) {
    let start = format!("/socket.io/?{QUERY}&EIO=3");
    let connect = format!("40{namespace}?{QUERY},");
    let log = server.seen().await;
    let handshake = log
        .iter()
        .find(|line| line.is("request") || line.is("upgrade"))
        .unwrap();
    if case.route == Route::WebSocket {
        let target = format!("{start}&transport=websocket");
        assert_eq!(handshake.str("target"), target);
        let frame = log.iter().find(|line| line.is("frame")).unwrap();
        assert_eq!(frame.str("text"), connect);
    } else {
        let target = handshake.str("target");
        let rest = target.strip_prefix(&format!("{start}&transport=polling&t="));
        let cache_buster = rest.and_then(|rest| rest.strip_suffix("&b64=1"));
        assert!(
            cache_buster.is_some_and(|value| !value.contains('&')),
            "{target}"
        );
    }
    // An upgrade can be done before the namespace is asked for.
    let upgraded = log
        .iter()
        .any(|line| line.is("frame") && line.str("text") == connect);
    if case.route == Route::Polling || (case.route == Route::Upgrade && !upgraded) {
        let body = log.iter().find(|line| line.is("body")).unwrap();
        assert_eq!(body.str("text"), format!("{counted_length}:{connect}"));
    }
    nobody_joined_twice(server).await;
}
