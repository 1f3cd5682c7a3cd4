//! What a Socket.IO connection must do, whichever revision it speaks.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use conformance::{Case, JsServer, Line, PATIENCE, Release, within};
use engineio::{Transport, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio::{AckError, ConnectError, DisconnectReason, EmitError, Event};

pub(crate) use conformance::{
    builder, connected_on_last_transport, join, next, next_but_upgraded, next_message,
};

/// Runs them all against a release of the server, in a revision.
macro_rules! socket_scenarios {
    ($release:expr, $version:expr) => {
        conformance::over_every_route! { $release, $version =>
            an_unknown_namespace_is_refused,
            events_come_back_with_their_arguments,
            the_server_answers_acknowledgements,
            the_client_answers_acknowledgements,
            an_acknowledgement_always_settles,
            binary_values_travel_anywhere_in_an_event,
            namespaces_share_a_connection_and_nothing_else,
            a_large_event_arrives_whole,
            a_thousand_events_arrive_in_order_before_the_disconnection,
            a_disconnection_by_the_server_is_final,
            a_closed_connection_is_made_anew,
            a_restarted_server_is_found_again,
            leaving_says_goodbye,
            dropping_every_handle_closes_the_connection,
            what_is_emitted_at_once_arrives_once_and_in_order,
            as_many_attachments_as_the_server_takes_and_not_one_more,
            an_answer_that_comes_after_a_reconnection_is_refused_here,
            a_server_that_never_decides_is_given_up,
        }
    };
}

pub(crate) async fn an_unknown_namespace_is_refused(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;
    let joining = socket.namespace("/nowhere").connect();
    let error = within("a refusal", joining).await.unwrap_err();
    let ConnectError::Refused { message, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(message, "Invalid namespace");

    // The namespace beside it goes on.
    socket.emit("still", "here").await.unwrap();
    assert_eq!(
        next_message(&mut events).await.parse::<String>().unwrap(),
        "here"
    );
}

pub(crate) async fn events_come_back_with_their_arguments(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;

    socket
        .emit("message", (1, "2", json!({"3": [true]})))
        .await
        .unwrap();
    let message = next_message(&mut events).await;
    assert_eq!(message.name(), "message");
    let arguments: (u8, String, Value) = message.parse().unwrap();
    assert_eq!(arguments, (1, "2".to_owned(), json!({"3": [true]})));

    // Names that mean something in the reference client's own event emitter, or to JavaScript.
    let names = [
        "close",
        "open",
        "ping",
        "__proto__",
        "é€😀 \"quoted\"\u{1E}",
    ];
    // Old releases keep this one to themselves.
    let error = (case.release != Release::Old).then_some("error");
    for name in names.into_iter().chain(error) {
        socket.emit(name, ()).await.unwrap();
        let message = next_message(&mut events).await;
        assert_eq!(message.name(), name);
        assert_eq!(
            message.parse::<Vec<Value>>().unwrap_or_default(),
            Vec::<Value>::new()
        );
    }

    // Names that belong to the protocol never leave.
    for name in ["connect", "connect_error", "disconnect", "disconnecting"] {
        let refused = socket.emit(name, ()).await;
        assert!(
            matches!(refused, Err(EmitError::Encode(_))),
            "{name}: {refused:?}"
        );
    }
    socket.emit("after", "them").await.unwrap();
    assert_eq!(next_message(&mut events).await.name(), "after");
}

pub(crate) async fn the_server_answers_acknowledgements(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, _events) = join(&server, "/", case).await;

    let answer = socket
        .emit_with_ack("sum", (1, "two"), PATIENCE)
        .await
        .unwrap();
    assert_eq!(
        answer.parse::<(u8, String)>().unwrap(),
        (1, "two".to_owned())
    );

    let answer = socket.emit_with_ack("nothing", (), PATIENCE).await.unwrap();
    assert_eq!(answer.len(), 0);

    let bytes = (Bytes::from_static(b"\xDE\xAD"), Bytes::new());
    let answer = socket
        .emit_with_ack("binary", &bytes, PATIENCE)
        .await
        .unwrap();
    assert_eq!(answer.parse::<(Bytes, Bytes)>().unwrap(), bytes);

    // Many at once, each with its own answer.
    let asked = (0..50).map(|number| {
        let socket = socket.clone();
        async move {
            let answer = socket
                .emit_with_ack("number", number, PATIENCE)
                .await
                .unwrap();
            assert_eq!(answer.parse::<u32>().unwrap(), number);
        }
    });
    futures_util::future::join_all(asked).await;
}

pub(crate) async fn the_client_answers_acknowledgements(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (_socket, mut events) = join(&server, "/", case).await;

    server
        .command("ask", json!({"event": "question", "args": [6, 7]}))
        .await;
    let mut question = next_message(&mut events).await;
    let (a, b): (u32, u32) = question.parse().unwrap();
    question.ack().unwrap().reply(a * b).await.unwrap();
    let answer = server.wait_for("an answer", |line| line.is("answer")).await;
    assert_eq!(answer.get("args"), &json!([42]));

    server
        .command("ask", json!({"event": "bytes", "args": [{"$hex": "0102"}]}))
        .await;
    let mut question = next_message(&mut events).await;
    let bytes: Bytes = question.parse().unwrap();
    assert_eq!(bytes, [1, 2].as_slice());
    question
        .ack()
        .unwrap()
        .reply((bytes, "and text"))
        .await
        .unwrap();
    let answer = server
        .wait_for("an answer with bytes", |line| {
            line.is("answer") && line.str("event") == "bytes"
        })
        .await;
    assert_eq!(answer.get("args"), &json!([{"$hex": "0102"}, "and text"]));

    server.command("emit", json!({"event": "statement"})).await;
    assert!(!next_message(&mut events).await.wants_ack(), "nobody asked");
}

pub(crate) async fn an_acknowledgement_always_settles(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, _events) = join(&server, "/", case).await;

    let soon = Duration::from_millis(50);
    let error = within("a timeout", socket.emit_with_ack("silent", (), soon))
        .await
        .unwrap_err();
    assert!(matches!(error, AckError::Timeout), "{error:?}");

    let asking = tokio::spawn({
        let socket = socket.clone();
        async move { socket.emit_with_ack("silent", "again", PATIENCE * 10).await }
    });
    server
        .wait_for("the question", |line| {
            line.is("event") && line.get("args") == &json!(["again"])
        })
        .await;
    server.command("disconnect", json!({})).await;
    let error = within("an end of the waiting", asking)
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, AckError::Disconnected), "{error:?}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Upload {
    title: String,
    parts: Vec<Part>,
    nothing: Bytes,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    number: u32,
    content: Bytes,
}

pub(crate) async fn binary_values_travel_anywhere_in_an_event(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;

    let upload = Upload {
        title: "é€😀".to_owned(),
        parts: vec![
            Part {
                number: 1,
                content: Bytes::from_static(b"a\x1Eb"),
            },
            Part {
                number: 2,
                content: (0..=255).collect(),
            },
        ],
        nothing: Bytes::new(),
    };
    let arguments = (
        Bytes::from_static(b"\xDE\xAD"),
        upload,
        "text",
        vec![7_u8; 3],
    );
    socket.emit("upload", &arguments).await.unwrap();

    let seen = server.wait_for("the upload", |line| line.is("event")).await;
    let every_byte: String = (0..=255_u8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        seen.get("args"),
        &json!([
            {"$hex": "dead"},
            {
                "title": "é€😀",
                "parts": [
                    {"number": 1, "content": {"$hex": "611e62"}},
                    {"number": 2, "content": {"$hex": every_byte}},
                ],
                "nothing": {"$hex": ""},
            },
            "text",
            [7, 7, 7],
        ]),
    );
    let message = next_message(&mut events).await;
    assert_eq!(message.name(), "upload");
    let back: (Bytes, Upload, String, Vec<u8>) = message.parse().unwrap();
    assert_eq!(
        back,
        (arguments.0, arguments.1, "text".to_owned(), arguments.3)
    );

    // A text event between two binary ones finds its place.
    for number in 0..20_u8 {
        socket
            .emit("bytes", Bytes::from(vec![number; 3]))
            .await
            .unwrap();
        socket.emit("text", number).await.unwrap();
    }
    for number in 0..20_u8 {
        let bytes: Bytes = next_message(&mut events).await.parse().unwrap();
        assert_eq!(bytes, vec![number; 3]);
        let text: u8 = next_message(&mut events).await.parse().unwrap();
        assert_eq!(text, number);
    }
}

pub(crate) async fn namespaces_share_a_connection_and_nothing_else(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (root, mut root_events) = join(&server, "/", case).await;
    let joining = root.namespace("/admin").connect();
    let (admin, mut admin_events) = within("a namespace", joining).await.unwrap();
    assert!(matches!(next(&mut admin_events).await, Event::Connected(_)));
    let joining = root.namespace("/notifications").connect();
    let (_third, mut third_events) = within("a namespace", joining).await.unwrap();
    assert!(matches!(next(&mut third_events).await, Event::Connected(_)));
    assert_eq!(server.seen_of("session").await.len(), 1);
    assert_ne!(root.id(), admin.id());

    for number in 0..10 {
        root.emit("root", number).await.unwrap();
        admin.emit("admin", number).await.unwrap();
    }
    for number in 0..10 {
        for (events, name) in [(&mut root_events, "root"), (&mut admin_events, "admin")] {
            let message = next_message(events).await;
            assert_eq!(
                (message.name(), message.parse::<u32>().unwrap()),
                (name, number)
            );
        }
    }

    // One is thrown out, one leaves, the last one goes on.
    server
        .command("disconnect", json!({"namespace": "/admin"}))
        .await;
    let Event::Disconnected { retry_in, .. } = next(&mut admin_events).await else {
        panic!()
    };
    assert_eq!(retry_in, None);
    root.disconnect().await;
    server
        .wait_for("a goodbye", |line| {
            line.is("disconnect") && line.str("namespace") == "/"
        })
        .await;
    let notify = json!({"namespace": "/notifications", "event": "notification", "args": [1]});
    server.command("emit", notify).await;
    assert_eq!(next_message(&mut third_events).await.name(), "notification");
}

pub(crate) async fn a_large_event_arrives_whole(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;
    let large: String = "é€😀x".repeat(30_000);
    assert_eq!(large.len(), 300_000);
    socket
        .emit("large", (&large, Bytes::from(vec![7; 300_000])))
        .await
        .unwrap();
    let (text, bytes): (String, Bytes) = next_message(&mut events).await.parse().unwrap();
    assert!(text == large, "{} bytes came back", text.len());
    assert!(bytes == vec![7; 300_000], "{} bytes came back", bytes.len());
}

pub(crate) async fn a_thousand_events_arrive_in_order_before_the_disconnection(case: Case) {
    for end in ["disconnect", "close engine"] {
        let Some(server) = case.release.socket_io(json!({})).await else {
            return;
        };
        let (_socket, mut events) = join(&server, "/", case).await;
        let burst = json!({"event": "number", "count": 1000, "then": end});
        server.command("burst", burst).await;
        for number in 0..1000 {
            let message = next_message(&mut events).await;
            assert_eq!(message.parse::<u32>().unwrap(), number);
        }
        let event = next(&mut events).await;
        assert!(matches!(event, Event::Disconnected { .. }), "{event:?}");
    }
}

pub(crate) async fn a_disconnection_by_the_server_is_final(case: Case) {
    for close in [false, true] {
        let Some(server) = case.release.socket_io(json!({})).await else {
            return;
        };
        let (socket, mut events) = join(&server, "/", case).await;
        server.command("disconnect", json!({"close": close})).await;
        let Event::Disconnected { reason, retry_in } = next(&mut events).await else {
            panic!()
        };
        assert!(
            matches!(reason, DisconnectReason::ServerDisconnect),
            "{reason:?}"
        );
        assert_eq!(retry_in, None);
        assert!(!socket.is_connected());
        let refused = socket.emit("too", "late").await;
        assert!(
            matches!(refused, Err(EmitError::Disconnected)),
            "{refused:?}"
        );
        // The last namespace is gone, so the connection is given up, and nothing follows.
        server
            .wait_for("the session's end", |line| line.is("closed"))
            .await;
        assert!(
            within("the end of the stream", events.next())
                .await
                .is_none()
        );
    }
}

pub(crate) async fn a_closed_connection_is_made_anew(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;
    let first_id = socket.id();
    server.command("close engine", json!({})).await;
    let Event::Disconnected { reason, retry_in } = next(&mut events).await else {
        panic!()
    };
    assert!(
        matches!(reason, DisconnectReason::LinkClosed(_)),
        "{reason:?}"
    );
    assert!(retry_in.is_some());

    let Event::Connected(connected) = next(&mut events).await else {
        panic!("not connected")
    };
    assert!(connected.id.is_some());
    assert_ne!(socket.id(), first_id);
    socket.emit("hello", "again").await.unwrap();
    assert_eq!(
        next_message(&mut events).await.parse::<String>().unwrap(),
        "again"
    );
    assert_eq!(server.seen_of("session").await.len(), 2);
}

pub(crate) async fn a_restarted_server_is_found_again(case: Case) {
    let Some(mut server) = case.release.socket_io(json!({})).await else {
        return;
    };
    // Before there was `auth`, the query said who asks.
    let builder = match case.version {
        Version::V3 => builder(&server, "/", case).query("token=T"),
        _ => builder(&server, "/", case).auth(json!({"token": "T"})),
    };
    let (socket, mut events) = within("a connection", builder.connect()).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    let joining = socket.namespace("/admin").connect();
    let (admin, mut admin_events) = within("a namespace", joining).await.unwrap();
    assert!(matches!(next(&mut admin_events).await, Event::Connected(_)));

    // The server says so a little later than it answers.
    joined(&server, "/admin").await;

    server.kill().await;
    for events in [&mut events, &mut admin_events] {
        let event = next_but_upgraded(events).await;
        let Event::Disconnected {
            retry_in: Some(_), ..
        } = event
        else {
            panic!("{event:?}")
        };
    }
    // At least one attempt meets a port where nobody listens.
    let event = next(&mut events).await;
    let Event::ConnectError {
        retry_in: Some(_), ..
    } = event
    else {
        panic!("{event:?}")
    };
    server.start_again().await;

    // Every namespace is joined again, with its credentials.
    for events in [&mut events, &mut admin_events] {
        loop {
            match next(events).await {
                Event::Connected(_) => break,
                Event::ConnectError {
                    retry_in: Some(_), ..
                }
                | Event::Upgraded(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    nobody_joined_twice(&server).await;
    let joined = server.seen_of("connect").await;
    let [.., root_again, admin_again] = joined.as_slice() else {
        panic!("{joined:?}")
    };
    assert_eq!(joined.len(), 4);
    for again in [root_again, admin_again] {
        let root = again.str("namespace") == "/";
        match case.version {
            Version::V3 => assert_eq!(again.get("query")["token"], "T"),
            _ if root => assert_eq!(again.get("auth"), &json!({"token": "T"})),
            _ => assert_eq!(again.get("auth"), &json!({})),
        }
    }
    socket.emit("hello", "again").await.unwrap();
    assert_eq!(
        next_message(&mut events).await.parse::<String>().unwrap(),
        "again"
    );
    admin.emit("hello", "admin").await.unwrap();
    assert_eq!(
        next_message(&mut admin_events)
            .await
            .parse::<String>()
            .unwrap(),
        "admin"
    );
}

pub(crate) async fn leaving_says_goodbye(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/admin", case).await;
    // Unanswered: an old server that writes into the closing connection takes that for its end.
    for number in 0..10 {
        socket.emit("silent", number).await.unwrap();
    }
    within("a disconnection", socket.disconnect()).await;
    assert!(!socket.is_connected());
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
    // What was emitted before arrives, and the goodbye is understood as one: it must not share a POST
    // with the end of the session.
    let log = server.seen().await;
    assert_eq!(log.iter().filter(|line| line.is("event")).count(), 10);
    let left = log
        .iter()
        .find(|line| line.is("disconnect") && line.str("namespace") == "/admin")
        .unwrap();
    assert_eq!(left.str("reason"), "client namespace disconnect");

    let last = loop {
        match next(&mut events).await {
            Event::Message(_) => {}
            other => break other,
        }
    };
    let Event::Disconnected {
        reason,
        retry_in: None,
    } = last
    else {
        panic!("{last:?}")
    };
    assert!(
        matches!(reason, DisconnectReason::ClientDisconnect),
        "{reason:?}"
    );
    assert!(
        within("the end of the stream", events.next())
            .await
            .is_none()
    );
}

pub(crate) async fn dropping_every_handle_closes_the_connection(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, events) = join(&server, "/", case).await;
    drop((socket, events));
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
}

pub(crate) async fn what_is_emitted_at_once_arrives_once_and_in_order(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let connecting = builder(&server, "/admin", case).connect();
    let (socket, mut events) = within("a connection", connecting).await.unwrap();
    // An upgrade is now under way: these go before, during and after it.
    for number in 0..300_u32 {
        let bytes = Bytes::from(number.to_be_bytes().to_vec());
        socket.emit("number", (number, bytes)).await.unwrap();
    }
    let mut upgraded = connected_on_last_transport(&mut events, case.route).await;
    let mut number = 0_u32;
    while number < 300 || !upgraded {
        match next(&mut events).await {
            Event::Message(message) => {
                let (came, bytes): (u32, Bytes) = message.parse().unwrap();
                assert_eq!(
                    (came, bytes.to_vec()),
                    (number, number.to_be_bytes().to_vec())
                );
                number += 1;
            }
            Event::Upgraded(Transport::WebSocket) => upgraded = true,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.seen_of("event").await.len(), 300);
}

pub(crate) async fn as_many_attachments_as_the_server_takes_and_not_one_more(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;
    let ten: Vec<Bytes> = (0..10).map(|number| Bytes::from(vec![number])).collect();
    socket.emit("ten", (&ten,)).await.unwrap();
    let (back,): (Vec<Bytes>,) = next_message(&mut events).await.parse().unwrap();
    assert_eq!(back, ten);

    // The server would close the connection over an eleventh.
    let eleven = vec![Bytes::new(); 11];
    let refused = socket.emit("eleven", (eleven,)).await;
    assert!(matches!(refused, Err(EmitError::Encode(_))), "{refused:?}");
    socket.emit("still", "here").await.unwrap();
    assert_eq!(next_message(&mut events).await.name(), "still");
}

pub(crate) async fn an_answer_that_comes_after_a_reconnection_is_refused_here(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let (socket, mut events) = join(&server, "/", case).await;
    server.command("ask", json!({"event": "question"})).await;
    let mut question = next_message(&mut events).await;
    server.command("close engine", json!({})).await;
    let Event::Disconnected { .. } = next(&mut events).await else {
        panic!("still connected")
    };
    let Event::Connected(_) = next(&mut events).await else {
        panic!("not connected")
    };

    let refused = question.ack().unwrap().reply("too late").await;
    assert!(matches!(refused, Err(EmitError::StaleAck)), "{refused:?}");
    socket.emit("still", "here").await.unwrap();
    assert_eq!(next_message(&mut events).await.name(), "still");
}

pub(crate) async fn a_server_that_never_decides_is_given_up(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let builder = builder(&server, "/undecided", case);
    let connecting = builder.connect_timeout(Duration::from_millis(50)).connect();
    let error = within("a timeout", connecting).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout), "{error:?}");
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
}

// What the scenarios are made of.

/// The server's own word that somebody joined `namespace`.
pub(crate) async fn joined(server: &JsServer, namespace: &str) -> Line {
    server
        .wait_for("a join", |line| {
            line.is("connect") && line.str("namespace") == namespace
        })
        .await
}

/// No session has joined the root namespace twice: an old server makes a second socket of a CONNECT for it.
pub(crate) async fn nobody_joined_twice(server: &JsServer) {
    let joined = server.seen_of("connect").await;
    let ids: Vec<&str> = joined.iter().map(|line| line.str("id")).collect();
    let distinct: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "{joined:#?}");
}
