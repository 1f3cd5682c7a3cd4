//! Socket.IO: namespaces, events, acknowledgements, and what becomes of them when the connection is lost.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use conformance::{Line, PATIENCE, Release, Route, next, next_but_upgraded, next_message, within};
use engineio::{CloseReason, Version};
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio::{
    AckError, ConnectError, Dial, DisconnectReason, EmitError, Event, Limits, Overflow, Parser,
    Reconnection, Retries, Socket, session,
};

use super::simulated::{Server, World};
use super::{ROUTES, SECOND, builder, connect, connected, disconnected, join};

#[tokio::test]
async fn several_namespaces_on_one_connection() {
    let server = server!({});
    for route in ROUTES {
        let (root, mut root_events) = join(&server, "/", route).await;
        let joining = root.namespace("/admin").connect();
        let (admin, mut admin_events) = within("a namespace", joining).await.unwrap();
        connected(&mut admin_events).await;
        assert_ne!(root.id(), admin.id());
        for number in 0..10 {
            root.emit("root", number).await.unwrap();
            admin.emit("admin", number).await.unwrap();
        }
        for number in 0..10 {
            let message = next_message(&mut root_events).await;
            assert_eq!(
                (message.name(), message.parse::<u32>().unwrap()),
                ("root", number)
            );
            let message = next_message(&mut admin_events).await;
            assert_eq!(
                (message.name(), message.parse::<u32>().unwrap()),
                ("admin", number)
            );
        }
        // One leaves, the other stays.
        within("an end", root.disconnect()).await;
        admin.emit("still", "here").await.unwrap();
        assert_eq!(next_message(&mut admin_events).await.name(), "still");
        within("an end", admin.disconnect()).await;
    }
    assert_eq!(server.seen_of("session").await.len(), ROUTES.len());
}

#[tokio::test]
async fn acks_are_sent_and_answered() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        let bytes = Bytes::from_static(b"\xDE\xAD");
        let answer = socket
            .emit_with_ack("sum", (1, &bytes), PATIENCE)
            .await
            .unwrap();
        assert_eq!(answer.parse::<(u8, Bytes)>().unwrap(), (1, bytes));

        let (before, number) = (server.seen_of("answer").await.len(), route as u32);
        server
            .command("ask", json!({"event": "question", "args": [6, number]}))
            .await;
        let mut question = next_message(&mut events).await;
        let (a, b): (u32, u32) = question.parse().unwrap();
        question
            .ack()
            .unwrap()
            .reply((a + b, "text"))
            .await
            .unwrap();
        let answered = |log: &[Line]| {
            log.iter()
                .filter(|line| line.is("answer"))
                .nth(before)
                .cloned()
        };
        let answer = server.wait_until("an answer", answered).await;
        assert_eq!(answer.get("args"), &json!([6 + number, "text"]));
        within("an end", socket.disconnect()).await;
    }
}

#[tokio::test]
async fn acks_always_settle() {
    let server = server!({});
    let (socket, mut events) = join(&server, "/", Route::WebSocket).await;
    let soon = Duration::from_millis(50);
    let timed_out = within("a timeout", socket.emit_with_ack("silent", (), soon)).await;
    assert_eq!(timed_out.unwrap_err(), AckError::Timeout);

    let asking = socket.emit_with_ack("silent", "again", PATIENCE * 10);
    let cutting = async {
        let asked = |line: &Line| line.is("event") && line.get("args") == &json!(["again"]);
        server.wait_for("the question", asked).await;
        server.command("cut", json!({})).await;
    };
    let (lost, ()) = within("a loss", async { tokio::join!(asking, cutting) }).await;
    assert_eq!(lost.unwrap_err(), AckError::Disconnected);
    disconnected(&mut events).await;
    assert_eq!(socket.stats().pending_acks, 0, "a place is kept");
}

/// Each at its own time, whatever happens meanwhile.
#[test]
fn acks_settle_at_their_deadlines() {
    let mut world = World::joined(|_| {});
    world.emit_with_ack("answered", 5 * SECOND);
    world.emit_with_ack("timed out", 10 * SECOND);
    world.emit_with_ack("lost", 60 * SECOND);
    assert_eq!(world.received.len(), 3);
    world.sends("30[]");
    world.pass(10 * SECOND - Duration::from_millis(1));
    assert_eq!(world.settled.len(), 1);
    assert!(world.settled[0].is_ok());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.settled[1..], [Err(AckError::Timeout)]);
    world.cut();
    assert_eq!(world.settled[2..], [Err(AckError::Disconnected)]);
    // One that waits for the connection has a deadline, too.
    world.server = Server::Down;
    world.emit_with_ack("never sent", 20 * SECOND);
    world.pass(20 * SECOND);
    assert_eq!(world.settled[3..], [Err(AckError::Timeout)]);
    world.server = Server::Up;
    world.pass(10 * SECOND);
    assert_eq!(world.received.len(), 3, "it was taken back");
}

#[tokio::test]
async fn stale_ack_after_reconnect_is_refused_locally() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        server.command("ask", json!({"event": "question"})).await;
        let mut question = next_message(&mut events).await;
        server.command("cut", json!({})).await;
        disconnected(&mut events).await;
        connected(&mut events).await;
        let refused = question.ack().unwrap().reply("too late").await;
        assert_eq!(refused.unwrap_err(), EmitError::StaleAck);
        // A server that gets it drops the connection.
        socket.emit("still", "here").await.unwrap();
        assert_eq!(next_message(&mut events).await.name(), "still");
        within("an end", socket.disconnect()).await;
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Album {
    title: String,
    pictures: Vec<Picture>,
    cover: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Picture {
    file_name: String,
    content: Bytes,
    thumbnails: BTreeMap<String, Bytes>,
}

#[tokio::test]
async fn binary_anywhere_in_a_typed_payload() {
    let server = server!({});
    let picture = |name: &str| Picture {
        file_name: name.to_owned(),
        content: Bytes::copy_from_slice(name.as_bytes()),
        thumbnails: [
            ("small".to_owned(), Bytes::new()),
            ("large".to_owned(), Bytes::from_static(b"\x1E\xFF")),
        ]
        .into(),
    };
    let album = Album {
        title: "é€😀".to_owned(),
        pictures: vec![picture("a"), picture("b")],
        cover: Some(Bytes::from_static(b"cover")),
    };
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        socket
            .emit("album", (&album, 7, Bytes::from_static(b"beside")))
            .await
            .unwrap();
        let back: (Album, u8, Bytes) = next_message(&mut events).await.parse().unwrap();
        assert_eq!(back, (album.clone(), 7, Bytes::from_static(b"beside")));
        within("an end", socket.disconnect()).await;
    }
    let seen = server.wait_for("the album", |line| line.is("event")).await;
    assert_eq!(
        seen.get("args")[0]["pictures"][1]["content"],
        json!({"$hex": "62"})
    );
    assert_eq!(seen.get("args")[0]["cover"], json!({"$hex": "636f766572"}));
}

#[tokio::test]
async fn auth_payload_is_asked_for_per_attempt() {
    let server = server!({});
    let count = Arc::new(AtomicUsize::new(0));
    let builder = builder(&server, "/admin", Route::WebSocket).auth_provider(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(json!({"token": format!("T{number}")}))
        }
    });
    let (_socket, mut events) = connect(builder).await;
    connected(&mut events).await;
    server.command("cut", json!({})).await;
    disconnected(&mut events).await;
    connected(&mut events).await;
    let joined = |log: &[Line]| {
        let joins: Vec<_> = log
            .iter()
            .filter(|line| line.is("connect"))
            .cloned()
            .collect();
        (joins.len() == 2).then_some(joins)
    };
    let joins = server.wait_until("two joins", joined).await;
    let tokens: Vec<_> = joins
        .iter()
        .map(|join| join.get("auth")["token"].as_str().unwrap())
        .collect();
    assert_eq!(tokens, ["T0", "T1"]);
}

#[tokio::test]
async fn url_query_and_headers_are_re_evaluated_per_attempt() {
    // The second attempt goes to another server.
    let servers = (server!({}), server!({}));
    let urls = [servers.0.url("/"), servers.1.url("/")];
    let builder = builder(&servers.0, "/", Route::WebSocket).provider(move |attempt| {
        let url = urls[attempt.number.min(1) as usize].clone();
        async move {
            let number = attempt.number;
            let bearer = format!("Bearer {number}").try_into()?;
            let dial = Dial::new().url(url).query(format!("attempt={number}"));
            Ok::<_, http::header::InvalidHeaderValue>(dial.header(AUTHORIZATION, bearer))
        }
    });
    let (_socket, mut events) = connect(builder).await;
    connected(&mut events).await;
    servers.0.command("cut", json!({})).await;
    disconnected(&mut events).await;
    connected(&mut events).await;
    for (number, server) in [&servers.0, &servers.1].into_iter().enumerate() {
        let [handshake] = &server.seen_of("upgrade").await[..] else {
            panic!("not one attempt at server {number}")
        };
        assert_eq!(
            handshake.get("headers")["authorization"],
            format!("Bearer {number}")
        );
        assert_eq!(
            handshake.str("target"),
            format!("/socket.io/?attempt={number}&EIO=4&transport=websocket")
        );
    }
}

#[tokio::test]
async fn connect_error_is_a_typed_outcome_of_connect() {
    let mut server = server!({});
    for route in ROUTES {
        let connecting = builder(&server, "/refused", route).connect();
        let error = within("a refusal", connecting).await.unwrap_err();
        assert!(!error.is_retryable());
        let ConnectError::Refused {
            message,
            data: Some(data),
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(message, "not authorized");
        assert_eq!(data.parse::<Value>().unwrap(), json!({"code": "E1"}));
    }
    server.kill().await;
    let connecting = builder(&server, "/", Route::Polling).connect();
    let error = within("a failure", connecting).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(
        matches!(error, ConnectError::Engine(CloseReason::Transport(_))),
        "{error:?}"
    );
}

#[test]
fn deadline_for_the_connect_reply() {
    let mut world = World::new(Server::Undecided, |_| {});
    world.pass(20 * SECOND - Duration::from_millis(1));
    assert_eq!(world.take_told(), []);
    world.pass(Duration::from_millis(1));
    let told = world.take_told();
    let [
        (
            _,
            session::Event::ConnectError {
                error: ConnectError::Timeout,
                retry_in: None,
            },
        ),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };

    // Who had been let in before does not give up.
    let mut world = World::joined(|_| {});
    world.server = Server::Undecided;
    world.cut();
    world.take_told();
    world.pass(60 * SECOND);
    assert!(world.attempts.len() > 3);
    world.server = Server::Up;
    world.pass(60 * SECOND);
    assert!(matches!(
        world.take_told().pop(),
        Some((_, session::Event::Connected(_)))
    ));
}

#[tokio::test]
async fn deadline_for_the_connect_reply_of_a_real_server() {
    let server = server!({});
    for route in ROUTES {
        let builder =
            builder(&server, "/undecided", route).connect_timeout(Duration::from_millis(50));
        let error = within("a timeout", builder.connect()).await.unwrap_err();
        assert_eq!(error, ConnectError::Timeout);
    }
}

#[tokio::test]
async fn events_without_argument_with_numeric_names_and_names_such_as_close_or_error() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        for name in [
            "close",
            "error",
            "open",
            "ping",
            "message",
            "__proto__",
            "é\"\\\u{1E}",
            "",
        ] {
            socket.emit(name, ()).await.unwrap();
            let message = next_message(&mut events).await;
            assert_eq!((message.name(), message.args().len()), (name, 0));
        }
        // Only a server can send a number; it reads as its text.
        server
            .command("emit", json!({"event": 42, "args": ["numeric"]}))
            .await;
        let message = next_message(&mut events).await;
        assert_eq!(
            (message.name(), message.parse::<String>().unwrap()),
            ("42", "numeric".to_owned())
        );
        within("an end", socket.disconnect()).await;
    }
}

#[tokio::test]
async fn ordered_delivery() {
    let server = server!({});
    for route in ROUTES {
        // Before, during and after an upgrade, with attachments and without.
        let (socket, mut events) = connect(builder(&server, "/", route)).await;
        connected(&mut events).await;
        for number in 0..200_u32 {
            let bytes = (number % 3 == 0).then(|| Bytes::from(vec![0x1E; 10]));
            socket.emit("number", (number, bytes)).await.unwrap();
        }
        for number in 0..200 {
            let message = next_message(&mut events).await;
            assert_eq!(message.parse::<u32>().unwrap(), number, "{route:?}");
        }
        within("an end", socket.disconnect()).await;
    }
    let log = server.seen_of("event").await;
    let arrived: Vec<_> = log
        .iter()
        .map(|line| line.get("args")[0].as_u64().unwrap())
        .collect();
    let expected: Vec<_> = ROUTES.iter().flat_map(|_| 0..200).collect();
    assert!(arrived == expected, "the server saw another order");
}

/// The delays before attempts, one after another, while the server is down.
fn delays(world: &mut World, attempts: usize) -> Vec<Duration> {
    let mut last = world.now;
    let from = world.attempts.len();
    while world.attempts.len() < from + attempts {
        world.pass(Duration::from_millis(100));
    }
    let taken = world.attempts[from..from + attempts].iter();
    taken
        .map(|at| *at - std::mem::replace(&mut last, *at))
        .collect()
}

#[test]
fn reconnection_with_backoff_jitter_inside_the_cap_and_a_limit_that_holds() {
    let mut world = World::joined(|_| {});
    world.server = Server::Down;
    world.cut();
    let delays = delays(&mut world, 200);
    for (delay, longest) in delays
        .iter()
        .zip([1, 2, 4, 5, 5].into_iter().chain(std::iter::repeat(5)))
    {
        let longest = longest * SECOND;
        assert!(
            (longest / 2..=longest).contains(delay),
            "{delay:?} of {longest:?}"
        );
    }
    // At the cap, clients that lost the same server come back one by one.
    let distinct: HashSet<_> = delays[3..].iter().collect();
    assert!(distinct.len() > 100, "{} of 197", distinct.len());

    for limit in [0, 1, 2, 7] {
        let mut world = World::joined(|config| config.reconnection.max_attempts = Some(limit));
        world.server = Server::Down;
        world.cut();
        world.pass(3600 * SECOND);
        assert_eq!(world.attempts.len(), 1 + limit as usize);
        let told = world.take_told();
        assert!(told.last().unwrap().1.is_final(), "{told:?}");
    }
}

#[test]
fn backoff_resets_only_after_a_stable_period() {
    let mut world = World::joined(|config| config.reconnection.jitter = 0.0);
    // A server that lets everybody in and drops them at once is called ever more seldom …
    world.server = Server::Dropping;
    world.cut();
    world.pass(600 * SECOND);
    let calls = world.attempts.len();
    assert!((120..=125).contains(&calls), "{calls} calls in 10 minutes");
    // … and one that has kept them for some time is called back as if nothing had been.
    world.server = Server::Up;
    world.pass(10 * SECOND);
    for (stable, first_delay) in [(29, 5), (30, 1)] {
        world.pass(10 * SECOND);
        world.server = Server::Up;
        while !world.session.is_joined(world.root) {
            world.pass(SECOND);
        }
        let since = *world.attempts.last().unwrap();
        world.pass(stable * SECOND - (world.now - since));
        world.server = Server::Down;
        world.cut();
        assert_eq!(
            delays(&mut world, 1),
            [first_delay * SECOND],
            "after {stable} s"
        );
        world.server = Server::Dropping;
        world.pass(60 * SECOND);
    }
}

#[tokio::test]
async fn typed_disconnect_reasons_and_whether_and_when_it_will_retry() {
    let server = server!({});
    for route in ROUTES {
        let (_socket, mut events) = join(&server, "/", route).await;
        server.command("disconnect", json!({})).await;
        assert_eq!(
            disconnected(&mut events).await,
            (DisconnectReason::ServerDisconnect, None)
        );

        let (socket, mut events) = join(&server, "/", route).await;
        server.command("close engine", json!({})).await;
        let (reason, retry_in) = disconnected(&mut events).await;
        assert!(
            matches!(
                reason,
                DisconnectReason::LinkClosed(CloseReason::Remote { .. })
            ),
            "{reason:?}"
        );
        assert!(retry_in.unwrap() <= Duration::from_millis(20));
        connected(&mut events).await;

        server.command("cut", json!({})).await;
        let (reason, retry_in) = disconnected(&mut events).await;
        assert!(
            matches!(
                reason,
                DisconnectReason::LinkClosed(CloseReason::Transport(_))
            ),
            "{reason:?}"
        );
        assert!(retry_in.is_some());
        connected(&mut events).await;

        within("an end", socket.disconnect()).await;
        assert_eq!(
            disconnected(&mut events).await,
            (DisconnectReason::ClientDisconnect, None)
        );
        assert!(within("the end", events.next()).await.is_none());
    }
}

/// What was broadcast while the TCP connection was cut arrives once and in order. Volatile events carry no offset; one
/// that ends in a string, even a string of an offset's length, must not be taken for one that does.
#[tokio::test]
async fn connection_state_recovery() {
    let server = server!({"connectionStateRecovery": {}});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        let id = socket.id();
        for round in 0..3_u32 {
            let first = round * 10;
            server
                .command("broadcast", json!({"event": "number", "args": [first]}))
                .await;
            assert_eq!(
                next_message(&mut events).await.parse::<u32>().unwrap(),
                first
            );
            for word in ["hello", "Tuesday", "Q80KTut"] {
                let volatile = json!({"event": "word", "args": [word], "volatile": true});
                server.command("emit", volatile).await;
                assert_eq!(
                    next_message(&mut events).await.parse::<String>().unwrap(),
                    word
                );
            }
            let missed = json!({"event": "number", "first": first + 1, "count": 4});
            server.command("cut and broadcast", missed).await;

            let (reason, retry_in) = disconnected(&mut events).await;
            assert!(retry_in.is_some(), "{reason:?}");
            let connected = connected(&mut events).await;
            assert!(connected.recovered, "{route:?}, round {round}");
            assert_eq!((socket.id(), connected.id), (id.clone(), id.clone()));
            server
                .command("broadcast", json!({"event": "number", "args": [first + 5]}))
                .await;
            for number in first + 1..=first + 5 {
                assert_eq!(
                    next_message(&mut events).await.parse::<u32>().unwrap(),
                    number
                );
            }
        }
        within("an end", socket.disconnect()).await;
    }
}

/// Where the server has forgotten, the client is told so.
#[tokio::test]
async fn a_session_that_could_not_be_recovered_is_a_new_one() {
    let mut server = server!({"connectionStateRecovery": {}});
    let (socket, mut events) = join(&server, "/", Route::WebSocket).await;
    let id = socket.id();
    server
        .command("broadcast", json!({"event": "number", "args": [1]}))
        .await;
    next_message(&mut events).await;
    server.kill().await;
    disconnected(&mut events).await;
    server.start_again().await;
    assert!(!connected(&mut events).await.recovered);
    assert_ne!(socket.id(), id);
}

/// One at a time, in order, each try with an id of its own: so an answer that comes late is not taken for another one's.
#[tokio::test]
async fn at_least_once_retries() {
    let server = server!({"settings": {"hold": ["order"]}});
    let mut retries = Retries::default();
    retries.max = 1000;
    retries.timeout = Duration::from_millis(100);
    let (socket, mut events) =
        connect(builder(&server, "/", Route::WebSocket).retries(retries)).await;
    connected(&mut events).await;

    let orders = async { tokio::join!(socket.emit("order", 1), socket.emit("order", 2)) };
    let serving = async {
        // It is sent again because it was not acknowledged in time, and again because the connection was lost.
        let tries = |log: &[Line]| log.iter().filter(|line| line.is("event")).count();
        server
            .wait_until("two tries", |log| (tries(log) >= 2).then_some(()))
            .await;
        server.command("cut", json!({})).await;
        disconnected(&mut events).await;
        let before = tries(&server.seen().await);
        connected(&mut events).await;
        server
            .wait_until("more tries", |log| (tries(log) >= before + 2).then_some(()))
            .await;
        server.command("release", json!({})).await;
    };
    let ((first, second), ()) = within("both", async { tokio::join!(orders, serving) }).await;
    first.unwrap();
    second.unwrap();

    let log = server.seen().await;
    let orders: Vec<_> = log
        .iter()
        .filter(|line| line.is("event"))
        .map(|line| line.get("args")[0].as_u64().unwrap())
        .collect();
    assert!(orders.is_sorted(), "one at a time: {orders:?}");
    assert!(
        orders.starts_with(&[1, 1, 1, 1]) && orders.ends_with(&[2]),
        "{orders:?}"
    );
    let ids: Vec<_> = log
        .iter()
        .filter(|line| line.is("packet") && line.str("text").contains("order"))
        .map(|line| line.str("text").to_owned())
        .collect();
    assert_eq!(
        ids.iter().collect::<HashSet<_>>().len(),
        ids.len(),
        "{ids:?}"
    );
}

#[tokio::test]
async fn volatile_drops() {
    let mut server = server!({});
    let (socket, mut events) = join(&server, "/", Route::WebSocket).await;
    socket.emit_volatile("position", 1).unwrap();
    assert_eq!(next_message(&mut events).await.parse::<u32>().unwrap(), 1);

    // Not connected.
    server.kill().await;
    disconnected(&mut events).await;
    assert_eq!(
        socket.emit_volatile("position", 2),
        Err(EmitError::NotConnected)
    );
    socket.emit("kept", 3).await.unwrap();
    server.start_again().await;
    connected(&mut events).await;
    let message = next_message(&mut events).await;
    assert_eq!(
        (message.name(), message.parse::<u32>().unwrap()),
        ("kept", 3),
        "nothing was kept but this"
    );
}

/// A server that does not read, until there is no room any more on the way to it.
#[cfg(unix)]
#[tokio::test]
async fn volatile_drops_while_the_connection_is_busy() {
    let server = server!({});
    let (socket, _events) = join(&server, "/", Route::WebSocket).await;
    server.freeze().await;
    let large = "x".repeat(64 << 10);
    let refused = within("a refusal", async {
        loop {
            if let Err(error) = socket.emit_volatile("position", &large) {
                return error;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(refused.await, EmitError::NotWritable);
}

#[tokio::test]
async fn catch_all_in_and_out() {
    let server = server!({});
    let (socket, mut events) =
        connect(builder(&server, "/", Route::WebSocket).report_sent(true)).await;
    connected(&mut events).await;
    for name in ["never", "heard", "of"] {
        socket.emit(name, (1, "x")).await.unwrap();
        let Event::Sent(sent) = next(&mut events).await else {
            panic!("not told")
        };
        assert_eq!(
            (sent.name(), sent.parse::<(u8, String)>().unwrap()),
            (name, (1, "x".to_owned()))
        );
        assert_eq!(next_message(&mut events).await.name(), name);
    }
}

#[tokio::test]
async fn custom_parser_and_messagepack() {
    let server = server!({"parser": "msgpack"});
    for route in ROUTES {
        let parser = builder(&server, "/", route).parser(Parser::msgpack());
        let (socket, mut events) = connect(parser).await;
        connected(&mut events).await;
        let bytes: Bytes = (0..=255).collect();
        let sent = (
            json!({"n": [1, -1, 2.5, null, true], "é": "€😀"}),
            bytes,
            Bytes::new(),
        );
        socket.emit("mixed", &sent).await.unwrap();
        assert_eq!(
            next_message(&mut events)
                .await
                .parse::<(Value, Bytes, Bytes)>()
                .unwrap(),
            sent
        );
        let answer = socket
            .emit_with_ack("question", &sent.1, PATIENCE)
            .await
            .unwrap();
        assert_eq!(answer.parse::<Bytes>().unwrap(), sent.1);
        within("an end", socket.disconnect()).await;
    }
    // It is not JSON that went there.
    let frames = server.seen_of("frame").await;
    assert!(
        frames
            .iter()
            .any(|frame| frame.str("hex").starts_with("84a474797065")),
        "a map that begins with `type`"
    );
}

/// The JSON format, upside down.
#[derive(Debug)]
struct Mirror;

#[derive(Debug)]
struct MirrorDecoder(socketio::codec::Decoder);

mod mirror {
    use socketio::codec::{
        ByteString, CustomDecoder, CustomParser, DecodeError, Decoder, EncodeError, Limits, Packet,
        Part, Parts, Revision,
    };

    use super::{Bytes, Mirror, MirrorDecoder};

    impl CustomParser for Mirror {
        fn name(&self) -> &str {
            "mirror"
        }

        fn encode(&self, packet: &Packet) -> Result<Parts, EncodeError> {
            let mut text = String::new();
            packet.encode(&mut text);
            Ok(Part::Text(text.chars().rev().collect::<String>().into()).into())
        }

        fn decoder(&self, limits: &Limits, revision: Revision) -> Box<dyn CustomDecoder> {
            Box::new(MirrorDecoder(Decoder::with_revision(
                limits.clone(),
                revision,
            )))
        }
    }

    impl CustomDecoder for MirrorDecoder {
        fn text(&mut self, text: ByteString) -> Result<Option<Packet>, DecodeError> {
            self.0.text(text.chars().rev().collect::<String>().into())
        }

        fn binary(&mut self, _: Bytes) -> Result<Option<Packet>, DecodeError> {
            Err(DecodeError::UnexpectedBinary)
        }
    }
}

#[test]
fn a_parser_of_ones_own() {
    let mut world = World::new(Server::Undecided, |config| {
        config.parser = Parser::custom(Mirror);
    });
    world.sends(r#"}"s":"dis"{0"#);
    world.emit("abc", &1).unwrap();
    assert_eq!(world.received, [r#"]1,"cba"[2"#]);
    world.sends(r#"]1,"cba"[2"#);
    let told = world.take_told();
    let [
        (_, session::Event::Connected(_)),
        (_, session::Event::Message(message)),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(message.name(), "abc");
}

#[test]
fn offline_buffer_is_bounded_and_the_outcome_is_known() {
    let mut world = World::joined(|config| config.limits.max_buffered_events = 100);
    world.server = Server::Down;
    world.cut();
    let (mut taken, mut refused) = (0, 0);
    for number in 0..10_000 {
        match world.emit("number", &number) {
            Ok(()) => taken += 1,
            Err(EmitError::BufferFull) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((taken, refused), (100, 9_900));
    assert_eq!(world.session.depth(world.root).events, 100);
    world.server = Server::Up;
    world.pass(10 * SECOND);
    let expected: Vec<_> = (0..100)
        .map(|number| format!(r#"2["number",{number}]"#))
        .collect();
    assert_eq!(world.received, expected);

    // In bytes.
    let mut world = World::joined(|config| config.limits.max_buffered_bytes = 1 << 20);
    world.server = Server::Down;
    world.cut();
    let large = "x".repeat(100_000);
    let outcomes: Vec<_> = (0..20).map(|_| world.emit("large", &large)).collect();
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        11
    );
    assert!(world.session.depth(world.root).bytes < (1 << 20) + 200_000);

    // Not at all, if that is wanted.
    let mut world = World::joined(|config| config.offline = socketio::Offline::Reject);
    world.server = Server::Down;
    world.cut();
    assert_eq!(world.emit("x", &()), Err(EmitError::NotConnected));

    // What was taken and can never be sent is told: so no outcome is unknown.
    let mut world = World::joined(|config| config.reconnection = Reconnection::disabled());
    world.server = Server::Down;
    world.cut();
    assert_eq!(world.emit("x", &()), Err(EmitError::Disconnected));
}

/// A client that reads nothing until the server has sent 2,000 events.
#[tokio::test]
async fn receive_queue_is_bounded_with_a_policy() {
    const QUEUE: usize = 8;
    const SENT: u32 = 2_000;
    let server = server!({"settings": {"quiet": true}});
    let unread = async |overflow| {
        let builder = builder(&server, "/", Route::WebSocket)
            .event_queue(QUEUE)
            .overflow(overflow);
        let (socket, mut events) = connect(builder).await;
        connected(&mut events).await;
        server
            .command("burst", json!({"event": "number", "count": SENT}))
            .await;
        (socket, events)
    };
    let until = async |socket: &Socket, is_so: &dyn Fn(socketio::Stats) -> bool| {
        let waiting = async {
            while !is_so(socket.stats()) {
                tokio::task::yield_now().await;
            }
        };
        within("the numbers of a connection", waiting).await;
    };

    // The server has to wait, and everything arrives.
    let (socket, mut events) = unread(Overflow::Backpressure).await;
    until(&socket, &|stats| stats.queued_events >= QUEUE).await;
    for number in 0..SENT {
        assert_eq!(
            next_message(&mut events).await.parse::<u32>().unwrap(),
            number
        );
    }
    within("an end", socket.disconnect()).await;

    // The newest stay, and how many went is told in their place.
    let (socket, mut events) = unread(Overflow::DropOldest).await;
    until(&socket, &|stats| {
        stats.engine.packets_received >= u64::from(SENT)
    })
    .await;
    let mut expected = 0;
    while expected < SENT {
        match next_but_upgraded(&mut events).await {
            Event::Lagged(dropped) => expected += u32::try_from(dropped).unwrap(),
            Event::Message(message) => {
                assert_eq!(message.parse::<u32>().unwrap(), expected);
                expected += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        socket.stats().dropped_events >= u64::from(SENT) - 3 * QUEUE as u64,
        "{:?}",
        socket.stats()
    );
    within("an end", socket.disconnect()).await;

    // The connection is given up, for good, and what was queued can still be read.
    let (_socket, mut events) = unread(Overflow::Disconnect).await;
    let mut read = 0;
    let reason = loop {
        match next_but_upgraded(&mut events).await {
            Event::Message(message) => {
                assert_eq!(message.parse::<u32>().unwrap(), read);
                read += 1;
            }
            Event::Disconnected {
                reason,
                retry_in: None,
            } => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason, DisconnectReason::Overflow);
}

#[tokio::test]
async fn attachment_limit_default_10_adjustable_enforced_on_send_too() {
    let many = |count: u8| {
        (0..count)
            .map(|number| Bytes::from(vec![number]))
            .collect::<Vec<_>>()
    };
    let hex = |count: u8| {
        (0..count)
            .map(|number| json!({"$hex": format!("{number:02x}")}))
            .collect::<Vec<_>>()
    };
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        socket.emit("ten", (many(10),)).await.unwrap();
        assert_eq!(
            next_message(&mut events)
                .await
                .parse::<(Vec<Bytes>,)>()
                .unwrap(),
            (many(10),)
        );
        // The server would close the connection over an eleventh.
        let refused = socket.emit("eleven", (many(11),)).await;
        assert!(matches!(refused, Err(EmitError::Encode(_))), "{refused:?}");
        socket.emit("still", "here").await.unwrap();
        assert_eq!(next_message(&mut events).await.name(), "still");
        // Nor does this side take eleven.
        server
            .command("emit", json!({"event": "eleven", "args": [hex(11)]}))
            .await;
        let (reason, retry_in) = disconnected(&mut events).await;
        assert!(
            matches!(reason, DisconnectReason::Decode(_)) && retry_in.is_some(),
            "{reason:?}"
        );
        within("an end", socket.disconnect()).await;
    }

    let server = server!({"settings": {"maxAttachments": 50}});
    let mut limits = Limits::default();
    limits.codec.max_attachments = 50;
    let (socket, mut events) =
        connect(builder(&server, "/", Route::WebSocket).limits(limits)).await;
    connected(&mut events).await;
    socket.emit("fifty", (many(50),)).await.unwrap();
    assert_eq!(
        next_message(&mut events)
            .await
            .parse::<(Vec<Bytes>,)>()
            .unwrap(),
        (many(50),)
    );
    assert!(socket.emit("more", (many(51),)).await.is_err());
}

/// A number of attachments that no memory could hold is refused before any of them is waited for.
#[test]
fn a_packet_that_announces_more_attachments_costs_the_link_and_no_memory() {
    let mut world = World::joined(|_| {});
    world.sends(r#"545999999999-["x",{"_placeholder":true,"num":0}]"#);
    let told = world.take_told();
    let [
        (
            _,
            session::Event::Disconnected {
                reason: DisconnectReason::Decode(_),
                retry_in: Some(_),
            },
        ),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
}

/// The old revision has another way to say who asks.
#[tokio::test]
async fn the_old_revision_says_in_the_query_who_asks() {
    let Some(server) = Release::Old.socket_io(json!({})).await else {
        return;
    };
    let case = conformance::Case::over(Release::Old, Version::V3)(Route::WebSocket);
    let refused = conformance::builder(&server, "/admin", case)
        .query("token=bad")
        .connect();
    let error = within("a refusal", refused).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}
