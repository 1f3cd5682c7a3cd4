//! The transports: what carries messages, and what happens when it does not.

use std::time::Duration;

use bytes::Bytes;
use conformance::fault::{Exchange, Fault, FaultProxy, Part, on};
use conformance::{Release, Route, next, next_message, within};
use engineio::{Action, CloseReason, Config, Connection, Input, Response, Version};
use serde_json::json;
use socketio::{Event, Transport};

use super::simulated::{Server, World};
use super::{ROUTES, SECOND, builder, connect, connected, disconnected, join, targets};

#[tokio::test]
async fn engine_io_4() {
    let server = server!({"pingInterval": 100, "pingTimeout": 20_000});
    let (socket, mut events) = join(&server, "/", Route::WebSocket).await;
    // The server asks whether anybody is there, and is answered.
    let answered = |line: &conformance::Line| line.is("packet") && line.str("type") == "pong";
    server.wait_for("a pong", answered).await;
    socket.emit("hello", "there").await.unwrap();
    assert_eq!(
        next_message(&mut events).await.parse::<String>().unwrap(),
        "there"
    );
    let targets = targets(&server).await;
    assert_eq!(targets, ["/socket.io/?EIO=4&transport=websocket"]);
}

/// Two servers that speak the old revision: one that speaks nothing else, and one that was told to.
#[tokio::test]
async fn engine_io_3() {
    for release in [Release::Old, Release::Compatible] {
        let options = json!({"pingInterval": 25_000, "pingTimeout": 20_000});
        let Some(server) = release.socket_io(options).await else {
            return;
        };
        for route in ROUTES {
            let case = conformance::Case::over(release, Version::V3)(route);
            let (socket, mut events) = conformance::join(&server, "/", case).await;
            let sent = ("é€😀".to_owned(), Bytes::from_static(b"\x00\x1E"));
            socket.emit("mixed", &sent).await.unwrap();
            assert_eq!(
                next_message(&mut events)
                    .await
                    .parse::<(String, Bytes)>()
                    .unwrap(),
                sent
            );
            let answer = socket.emit_with_ack("sum", 5, 30 * SECOND).await.unwrap();
            assert_eq!(answer.parse::<u8>().unwrap(), 5);
            within("an end", socket.disconnect()).await;
        }
        for target in targets(&server).await {
            assert!(target.starts_with("/socket.io/?EIO=3&"), "{target}");
        }
    }
}

#[tokio::test]
async fn finds_out_the_revision_by_itself() {
    for (release, revisions) in [
        (Release::Old, &["4", "3"][..]),
        (Release::Middle, &["4"]),
        (Release::Current, &["4"]),
    ] {
        let Some(server) = release.socket_io(json!({})).await else {
            return;
        };
        let case = conformance::Case::over(release, Version::Auto)(Route::WebSocket);
        let (socket, mut events) = conformance::join(&server, "/", case).await;
        socket.emit("hello", "there").await.unwrap();
        assert_eq!(next_message(&mut events).await.name(), "hello");
        let asked: Vec<_> = targets(&server).await;
        let asked = asked
            .iter()
            .map(|target| &target["/socket.io/?EIO=".len()..][..1]);
        assert_eq!(asked.collect::<Vec<_>>(), revisions, "{release:?}");
    }
}

#[tokio::test]
async fn long_polling() {
    let server = server!({});
    let (socket, mut events) = join(&server, "/", Route::Polling).await;
    for size in [8_000, 9_000, 65_536, 300_000] {
        let text = "é".repeat(size / 2);
        socket.emit("large", &text).await.unwrap();
        assert!(
            next_message(&mut events).await.parse::<String>().unwrap() == text,
            "{size}"
        );
    }
    assert!(server.seen_of("upgrade").await.is_empty());
    for target in targets(&server).await {
        assert!(target.contains("transport=polling"), "{target}");
    }
}

#[tokio::test]
async fn websocket() {
    let server = server!({"transports": ["websocket"]});
    let (socket, mut events) = join(&server, "/", Route::WebSocket).await;
    let sent = ("text".to_owned(), Bytes::from(vec![7; 300_000]));
    socket.emit("large", &sent).await.unwrap();
    assert!(
        next_message(&mut events)
            .await
            .parse::<(String, Bytes)>()
            .unwrap()
            == sent
    );
    assert_eq!(targets(&server).await.len(), 1, "nothing but the handshake");
}

/// Messages go on in both directions over polling, with the box that has it in for WebSocket and without it.
#[tokio::test]
async fn upgrade_and_polling_carries_on_if_the_probe_fails_or_is_swallowed() {
    let server = server!({});
    let (socket, mut events) = join(&server, "/", Route::Upgrade).await;
    socket.emit("hello", 1).await.unwrap();
    next_message(&mut events).await;
    within("an end", socket.disconnect()).await;
    assert_eq!(server.seen_of("upgraded").await.len(), 1);

    let refusal = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    for fault in [Fault::say(refusal), Fault::Swallow] {
        let middlebox = FaultProxy::start(server.port()).await;
        middlebox.script([on(Exchange::Probe).before(Part::Request, fault.clone())]);
        let mut config = Route::Upgrade.config();
        config.probe_timeout = Duration::from_millis(200);
        let client = socketio::Builder::new(middlebox.url("/"));
        let (socket, mut events) =
            connect(client.http(conformance::http()).engine_config(config)).await;
        // As long as the probe may take, and some more.
        for number in 0..30 {
            socket.emit("number", number).await.unwrap();
            loop {
                match next(&mut events).await {
                    Event::Message(message) => {
                        assert_eq!(message.parse::<u32>().unwrap(), number);
                        break;
                    }
                    Event::Connected(connected) => {
                        assert_eq!(connected.transport, Transport::Polling);
                    }
                    other => panic!("{fault:?}: {other:?}"),
                }
            }
        }
        assert_eq!(middlebox.seen().struck, 1, "{fault:?}");
    }
    assert_eq!(server.seen_of("upgraded").await.len(), 1);
}

/// The session stays where it was, and the time that a probe may take is bounded.
#[test]
fn a_swallowed_probe_is_given_up() {
    let start = engineio::client::now();
    let mut connection = Connection::new(Config::default(), start);
    assert!(matches!(connection.poll_action(), Some(Action::Get(_))));
    let open = r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;
    connection.handle_input(start, Input::GetDone(Ok(Response::new(200, open))));
    let wanted: Vec<_> = std::iter::from_fn(|| connection.poll_action()).collect();
    assert!(
        matches!(&wanted[..], [Action::OpenWebSocket(_), Action::Get(_)]),
        "{wanted:?}"
    );

    assert_eq!(connection.poll_timeout(), Some(start + 10 * SECOND));
    connection.handle_timeout(start + 10 * SECOND);
    assert_eq!(connection.poll_action(), Some(Action::DropWebSocket));
    assert!(connection.is_open());
    connection
        .send(start + 10 * SECOND, "still here".into())
        .unwrap();
    assert!(
        matches!(connection.poll_action(), Some(Action::Post(_, body)) if body == "4still here")
    );
}

#[tokio::test]
async fn transport_order_try_all_and_remember_upgrade() {
    // The first of the list opens the connection.
    let server = server!({});
    let order = [Transport::WebSocket, Transport::Polling];
    let (_socket, mut events) =
        connect(builder(&server, "/", Route::Upgrade).transports(order)).await;
    assert_eq!(connected(&mut events).await.transport, Transport::WebSocket);

    // Where it is not offered, the next one does.
    let server = server!({"transports": ["polling"]});
    let builder_ = builder(&server, "/", Route::Upgrade).transports(order);
    within("a refusal", builder_.clone().connect())
        .await
        .unwrap_err();
    let (_socket, mut events) = connect(builder_.try_all_transports(true)).await;
    assert_eq!(connected(&mut events).await.transport, Transport::Polling);

    // What was upgraded once begins there the next time, if that is wanted.
    let server = server!({});
    for (remember, transport) in [(false, Transport::Polling), (true, Transport::WebSocket)] {
        let builder = builder(&server, "/", Route::Upgrade).remember_upgrade(remember);
        let (socket, mut events) = connect(builder).await;
        assert_eq!(connected(&mut events).await.transport, Transport::Polling);
        assert!(matches!(
            next(&mut events).await,
            Event::Upgraded(Transport::WebSocket)
        ));
        server.command("close engine", json!({})).await;
        disconnected(&mut events).await;
        assert_eq!(connected(&mut events).await.transport, transport);
        within("an end", socket.disconnect()).await;
    }
}

/// The last byte counts, whatever characters it belongs to: one event is as large as the server takes, the other one
/// byte larger. (A server that gets that byte drops the connection.)
#[tokio::test]
async fn max_payload_is_honoured_when_sending_exactly() {
    let server = server!({"maxHttpBufferSize": 1000});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        let around = r#"42["x",""]"#.len();
        for character in ["x", "é", "€", "😀"] {
            let room = 1000 - around;
            let fits =
                character.repeat(room / character.len()) + &"x".repeat(room % character.len());
            socket.emit("x", &fits).await.unwrap();
            assert_eq!(
                next_message(&mut events).await.parse::<String>().unwrap(),
                fits
            );
            let refused = socket.emit("x", fits + "x").await;
            assert!(
                matches!(refused, Err(socketio::EmitError::TooLarge { .. })),
                "{refused:?}"
            );
        }
        // Bodies hold as many as fit, and no more.
        for number in 0..100 {
            socket
                .emit("number", (number, "é".repeat(50)))
                .await
                .unwrap();
        }
        for number in 0..100 {
            assert_eq!(
                next_message(&mut events).await.parse::<u32>().unwrap(),
                number
            );
        }
        within("an end", socket.disconnect()).await;
    }
    let bodies = server.seen_of("body").await;
    assert!(
        bodies
            .iter()
            .all(|body| body.number("length").unwrap() <= 1000)
    );
    assert!(
        bodies
            .iter()
            .any(|body| body.number("length").unwrap() > 800),
        "full, not merely small"
    );
}

/// 0x1E separates the packets of a polling payload, and is a byte like any other in a frame and in an attachment.
#[tokio::test]
async fn binary_frames_and_polling_payloads_are_never_confused() {
    let server = server!({});
    let every_byte: Bytes = (0..=255).collect();
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        for bytes in [
            Bytes::from_static(b"\x1E"),
            Bytes::from_static(b"4a\x1E4b"),
            Bytes::from_static(b"b\x1Eb"),
            every_byte.clone(),
        ] {
            socket.emit("bytes", (&bytes, "behind it")).await.unwrap();
            let back: (Bytes, String) = next_message(&mut events).await.parse().unwrap();
            assert_eq!(back, (bytes, "behind it".to_owned()), "{route:?}");
        }
        within("an end", socket.disconnect()).await;
    }
}

#[tokio::test]
async fn empty_attachment() {
    let server = server!({});
    for route in ROUTES {
        let (socket, mut events) = join(&server, "/", route).await;
        socket
            .emit("bytes", (Bytes::new(), "between", Bytes::new()))
            .await
            .unwrap();
        let back: (Bytes, String, Bytes) = next_message(&mut events).await.parse().unwrap();
        assert_eq!(
            back,
            (Bytes::new(), "between".to_owned(), Bytes::new()),
            "{route:?}"
        );
        within("an end", socket.disconnect()).await;
    }
}

/// To the millisecond, and whatever else the server sends in between. (A handler of the application cannot be in the
/// way of it: the state machine knows none.)
#[test]
fn half_open_link_detected_at_interval_plus_timeout() {
    let mut world = World::joined(|_| {});
    world.pass(25 * SECOND);
    world.server = Server::Gone;
    let last_ping = world.now;
    world.pass(10 * SECOND);
    world.sends(r#"2["late","but","heard"]"#);
    world.take_told();
    world.pass(35 * SECOND - Duration::from_millis(1));
    assert_eq!(world.take_told(), []);
    world.pass(Duration::from_millis(1));
    let told = world.take_told();
    let [
        (
            at,
            socketio::session::Event::Disconnected {
                reason,
                retry_in: Some(_),
            },
        ),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*at - last_ping, 45 * SECOND);
    assert_eq!(
        *reason,
        socketio::DisconnectReason::LinkClosed(CloseReason::PingTimeout)
    );
}

/// The same by a server whose process is stopped: no packet, no end of the connection.
#[cfg(unix)]
#[tokio::test]
async fn half_open_link_to_a_real_server_is_detected() {
    let server = server!({"pingInterval": 200, "pingTimeout": 1800});
    let mut links = Vec::new();
    for route in ROUTES {
        links.push(join(&server, "/", route).await);
    }
    server.freeze().await;
    for (_socket, events) in &mut links {
        let (reason, retry_in) = disconnected(events).await;
        assert_eq!(
            reason,
            socketio::DisconnectReason::LinkClosed(CloseReason::PingTimeout)
        );
        assert!(retry_in.is_some());
    }
}

/// A laptop that was closed: no timer has fired when it wakes up, and the first thing that it does is to send.
#[test]
fn suspended_process_guard() {
    let mut world = World::joined(|_| {});
    world.suspended(3600 * SECOND);
    world.emit("into", &"the void").unwrap();
    assert_eq!(
        world.received,
        Vec::<String>::new(),
        "written into a dead link"
    );
    let told = world.take_told();
    assert!(
        matches!(
            &told[..],
            [(
                _,
                socketio::session::Event::Disconnected {
                    retry_in: Some(_),
                    ..
                }
            )]
        ),
        "{told:?}"
    );
}

/// Behind a small write, another one would otherwise wait for the first one's confirmation.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nagle_off() {
    let server = server!({});
    for route in ROUTES {
        let (_socket, _events) = join(&server, "/", route).await;
        let sockets = sockets_to(server.port());
        let Ok(sockets) = sockets else {
            eprintln_skipped(&sockets.unwrap_err());
            return;
        };
        assert!(!sockets.is_empty());
        for socket in sockets {
            assert!(socket.nodelay().unwrap(), "{route:?}");
        }
    }
}

/// This process's own connections to a port. Whoever made them keeps them; these are further names for them.
#[cfg(target_os = "linux")]
fn sockets_to(port: u16) -> std::io::Result<Vec<std::net::TcpStream>> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let number = entry.file_name().to_string_lossy().parse().unwrap();
        // One that was closed meanwhile is not one of them.
        let is_socket = std::fs::read_link(entry.path())
            .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
        if is_socket {
            let socket =
                std::net::TcpStream::from(pidfd_getfd(&this, number, PidfdGetfdFlags::empty())?);
            if socket.peer_addr().is_ok_and(|peer| peer.port() == port) {
                sockets.push(socket);
            }
        }
    }
    Ok(sockets)
}

#[cfg(target_os = "linux")]
fn eprintln_skipped(error: &std::io::Error) {
    use std::io::Write as _;

    let notice = format!(
        "\n*** SKIPPED: nagle_off: this system does not let a process look at its sockets: {error} ***\n\n"
    );
    std::io::stderr().write_all(notice.as_bytes()).ok();
}
