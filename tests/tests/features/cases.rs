//! Cases on which published Socket.IO clients for Rust fail: each has its test.

use std::time::Duration;

use bytes::Bytes;
use conformance::{Route, next, next_message, within};
use serde::{Deserialize, Serialize};
use serde_json::json;
use socketio::{DisconnectReason, EmitError, Event, session};

use super::simulated::{Server, World};
use super::{ROUTES, SECOND, builder, connect, connected, disconnected, join};

#[tokio::test]
async fn an_event_without_arguments() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        socket.emit("nothing", ()).await.unwrap();
        let message = next_message(&mut events).await;
        assert_eq!((message.name(), message.args().len()), ("nothing", 0));
        message.parse::<()>().unwrap();
        within("an end", socket.disconnect()).await;
    }
}

#[tokio::test]
async fn an_attachment_that_contains_0x1e() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        let bytes = Bytes::from_static(b"before\x1Ebehind\x1E");
        socket.emit("bytes", &bytes).await.unwrap();
        assert_eq!(
            next_message(&mut events).await.parse::<Bytes>().unwrap(),
            bytes
        );
        within("an end", socket.disconnect()).await;
    }
}

#[tokio::test]
async fn an_empty_attachment() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        socket.emit("bytes", Bytes::new()).await.unwrap();
        assert_eq!(
            next_message(&mut events).await.parse::<Bytes>().unwrap(),
            Bytes::new()
        );
        socket.emit("still", "here").await.unwrap();
        assert_eq!(next_message(&mut events).await.name(), "still");
        within("an end", socket.disconnect()).await;
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File {
    name: String,
    blob: Bytes,
}

#[tokio::test]
async fn a_name_and_a_blob_in_one_argument() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        let file = File {
            name: "a.bin".to_owned(),
            blob: (0..=255).collect(),
        };
        socket.emit("file", &file).await.unwrap();
        assert_eq!(
            next_message(&mut events).await.parse::<File>().unwrap(),
            file
        );
        within("an end", socket.disconnect()).await;
    }
}

#[tokio::test]
async fn a_300_kb_event_over_polling() {
    let server = server!({});
    let (socket, mut events) = join(&server, "/", Route::Polling).await;
    let large = "é€😀x".repeat(30_000);
    socket.emit("large", &large).await.unwrap();
    assert!(next_message(&mut events).await.parse::<String>().unwrap() == large);
}

#[tokio::test]
async fn an_event_called_close() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        for name in ["close", "error", "message", "open"] {
            socket.emit(name, "only a name").await.unwrap();
            let message = next_message(&mut events).await;
            assert_eq!(
                (message.name(), message.parse::<String>().unwrap()),
                (name, "only a name".to_owned())
            );
        }
        assert!(socket.is_connected());
        within("an end", socket.disconnect()).await;
    }
}

/// Nothing has been awaited in between, not even `Connected`.
#[tokio::test]
async fn an_emit_right_after_connect_returned() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = connect(builder(&server, "/admin", route)).await;
        socket.emit("first", 1).await.unwrap();
        connected(&mut events).await;
        assert_eq!(next_message(&mut events).await.parse::<u32>().unwrap(), 1);
        within("an end", socket.disconnect()).await;
    }
    assert_eq!(server.seen_of("event").await.len(), ROUTES.len());
}

/// Between two events more time goes by than the server gives a client, and the thread goes on with other things all the
/// while, as a handler does that awaits.
#[tokio::test]
async fn a_handler_slower_than_the_ping_timeout() {
    let server = server!({"pingInterval": 50, "pingTimeout": 950});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        socket.emit("first", 1).await.unwrap();
        socket.emit("second", 2).await.unwrap();
        let handled = next_message(&mut events).await;
        // Measured in the server's own time: this many pings are more than its patience.
        let sent = async || {
            let log = server.seen_of("sent").await;
            log.iter().filter(|line| line.str("type") == "ping").count()
        };
        let before = sent().await;
        let slow = async { while sent().await < before + 25 {} };
        within("so many pings", slow).await;
        drop(handled);
        assert_eq!(next_message(&mut events).await.name(), "second");
        socket.emit("third", 3).await.unwrap();
        assert_eq!(next_message(&mut events).await.name(), "third", "{route:?}");
        within("an end", socket.disconnect()).await;
    }
    assert_eq!(
        server.seen_of("session").await.len(),
        ROUTES.len(),
        "each was the only one"
    );
}

/// The server drops whoever sends that much. So it is not sent, which is said at once, and the connection lives.
#[tokio::test]
async fn a_2_mb_emit_to_a_server_that_takes_1_mb() {
    let server = server!({"maxHttpBufferSize": 1_000_000});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        for outcome in [
            socket.emit("huge", "x".repeat(2_000_000)).await,
            socket.emit("huge", Bytes::from(vec![0; 2_000_000])).await,
        ] {
            let Err(EmitError::TooLarge { max, .. }) = outcome else {
                panic!("{route:?}: {outcome:?}")
            };
            assert!(max <= 1_000_000);
        }
        socket.emit("still", "here").await.unwrap();
        assert_eq!(next_message(&mut events).await.name(), "still");
        within("an end", socket.disconnect()).await;
    }
}

/// Handlers that give way at each event, so that the disconnection is long there when most of them run.
#[tokio::test]
async fn a_thousand_events_before_a_server_disconnect_with_slow_handlers() {
    let server = server!({"settings": {"quiet": true}});
    for route in ROUTES {
        let (_socket, mut events) = join(&server, "/", route).await;
        server
            .command(
                "burst",
                json!({"event": "number", "count": 1000, "then": "disconnect"}),
            )
            .await;
        for number in 0..1000 {
            assert_eq!(
                next_message(&mut events).await.parse::<u32>().unwrap(),
                number
            );
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(
            disconnected(&mut events).await,
            (DisconnectReason::ServerDisconnect, None)
        );
    }
}

/// The half of it is not told, and nothing of it sticks to the next connection.
#[tokio::test]
async fn a_websocket_close_in_the_middle_of_attachments() {
    let server = server!({});
    let (_socket, mut events) = join(&server, "/", Route::WebSocket).await;
    let half = r#"52-["half",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    server
        .command("raw and close", json!({"messages": [half, {"$hex": "01"}]}))
        .await;
    let (reason, retry_in) = disconnected(&mut events).await;
    assert!(
        matches!(reason, DisconnectReason::LinkClosed(_)) && retry_in.is_some(),
        "{reason:?}"
    );
    connected(&mut events).await;
    server
        .command("emit", json!({"event": "whole", "args": [{"$hex": "02"}]}))
        .await;
    let message = next_message(&mut events).await;
    assert_eq!(
        (message.name(), message.parse::<Bytes>().unwrap()),
        ("whole", Bytes::from_static(b"\x02"))
    );
}

#[tokio::test]
async fn a_limit_of_two_reconnect_attempts_with_the_server_down() {
    for route in ROUTES {
        let mut server = server!({});
        let mut reconnection = socketio::Reconnection::default();
        reconnection.max_attempts = Some(2);
        reconnection.initial_delay = Duration::from_millis(10);
        let (socket, mut events) =
            connect(builder(&server, "/", route).reconnection(reconnection)).await;
        connected(&mut events).await;
        server.kill().await;
        let (_, retry_in) = disconnected(&mut events).await;
        assert!(retry_in.is_some());
        for last in [false, true] {
            let event = next(&mut events).await;
            let Event::ConnectError { retry_in, .. } = &event else {
                panic!("{event:?}")
            };
            assert_eq!(retry_in.is_none(), last, "{event:?}");
        }
        assert!(within("the end", events.next()).await.is_none());
        assert_eq!(
            socket.emit("too", "late").await,
            Err(EmitError::Disconnected)
        );
    }
}

/// Calls stay seldom, whatever becomes of the exponent, and the way back is as short as ever.
#[test]
fn the_server_down_for_15_minutes() {
    let mut world = World::joined(|_| {});
    world.server = Server::Down;
    world.cut();
    world.emit("kept", &1).unwrap();
    world.pass(15 * 60 * SECOND);
    let calls = world.attempts.len() - 1;
    assert!((180..=360).contains(&calls), "{calls} calls");
    let gaps: Vec<_> = world.attempts[5..]
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    assert!(
        gaps.iter()
            .all(|gap| (2500..=5000).contains(&gap.as_millis())),
        "{gaps:?}"
    );
    let told = world.take_told();
    assert_eq!(told.len(), 1 + calls, "each is told");

    world.server = Server::Up;
    world.pass(5 * SECOND);
    assert!(matches!(
        world.take_told().last(),
        Some((_, session::Event::Connected(_)))
    ));
    assert_eq!(world.received, [r#"2["kept",1]"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_events_in_order_with_two_worker_threads() {
    const COUNT: u32 = 200_000;
    let server = server!({"settings": {"quiet": true}});
    let (_socket, mut events) = join(&server, "/", Route::WebSocket).await;
    server
        .command("burst", json!({"event": "number", "count": COUNT}))
        .await;
    let reading = tokio::spawn(async move {
        for number in 0..COUNT {
            let event = events.next().await.expect("the events ended");
            let Event::Message(message) = event else {
                panic!("{event:?}")
            };
            assert_eq!(message.parse::<u32>().unwrap(), number);
        }
    });
    within("all of them", reading).await.unwrap();
}

/// What comes over WebSocket may share the buffer into which it was read with whatever was read together with it.
/// `detach` gives it memory of its own, which nothing else holds.
#[tokio::test]
async fn holding_one_small_received_value_while_megabytes_flow() {
    let server = server!({});
    let (_socket, mut events) = join(&server, "/", Route::WebSocket).await;
    for number in 0..100 {
        let small = json!({"event": "small", "args": [{"$hex": "0102"}, {"$hex": "0304"}]});
        server.command("emit", small).await;
        let large = json!({"event": "large", "args": ["x".repeat(20_000)]});
        server.command("emit", large).await;
        let message = next_message(&mut events).await;
        assert_eq!(message.name(), "small");
        let [received, _] = message.attachments() else {
            panic!("{number}: {message:?}")
        };
        let place = received.as_ptr();
        let kept = message.detach();
        for (attachment, content) in kept.attachments().iter().zip([[1, 2], [3, 4]]) {
            assert_eq!(attachment.as_ref(), content);
            assert!(attachment.is_unique(), "{number}: something else holds it");
        }
        assert_ne!(
            kept.attachments()[0].as_ptr(),
            place,
            "{number}: not a copy"
        );
        assert_eq!(next_message(&mut events).await.name(), "large");
    }
}
