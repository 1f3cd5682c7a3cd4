//! What a Rust program may expect of a library.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use conformance::{PATIENCE, Route, next_message, within};
use engineio::{
    Action as Io, Connection, Endpoint, Event as EngineEvent, Input as FromWire, Response,
};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use socketio::session::{Action, Config, Event as SessionEvent, Input, Join, Session};
use socketio::{Event, Events, Namespace, Socket, codec};

use super::{builder, connect, connected, disconnected, join};

/// The coming and going of the connection stands among the messages, in the order in which it happened.
#[tokio::test]
async fn stream_of_events_lifecycle_included() {
    fn assert_stream<S: Stream<Item = Event> + Send + Unpin + 'static>(_: &S) {}
    fn assert_handle<S: Clone + Send + Sync + 'static>(_: &S) {}

    let server = server!({});
    let (socket, events) = connect(builder(&server, "/", Route::WebSocket)).await;
    assert_stream::<Events>(&events);
    assert_handle::<Socket>(&socket);
    server
        .command(
            "burst",
            json!({"event": "number", "count": 2, "then": "close engine"}),
        )
        .await;
    let mut kinds = Vec::new();
    let mut events = pin!(events.map(|event| match event {
        Event::Connected(_) => "connected",
        Event::Message(_) => "message",
        Event::Disconnected {
            retry_in: Some(_), ..
        } => "lost",
        Event::Disconnected { retry_in: None, .. } => "over",
        _ => "other",
    }));
    while let Some(kind) = within("an event", events.next()).await {
        kinds.push(kind);
        if kinds == ["connected", "message", "message", "lost", "connected"] {
            within("an end", socket.disconnect()).await;
        }
    }
    assert_eq!(
        kinds,
        [
            "connected",
            "message",
            "message",
            "lost",
            "connected",
            "over"
        ]
    );
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shape {
    Circle {
        radius: f64,
    },
    Polygon {
        points: Vec<(i32, i32)>,
        label: Option<String>,
    },
    Picture {
        content: Bytes,
        properties: BTreeMap<String, u64>,
    },
}

#[tokio::test]
async fn serde_in_both_directions() {
    let server = server!({});
    let (socket, mut events) = join(&server, "/", Route::WebSocket).await;
    let shapes = vec![
        Shape::Circle { radius: 0.1 },
        Shape::Polygon {
            points: vec![(-1, i32::MAX)],
            label: None,
        },
        Shape::Picture {
            content: Bytes::from_static(b"\x00\x1E"),
            properties: [("é".to_owned(), 1 << 53)].into(),
        },
    ];
    socket.emit("shapes", (&shapes, "and", ())).await.unwrap();
    let back: (Vec<Shape>, String, Option<u8>) = next_message(&mut events).await.parse().unwrap();
    assert_eq!(back, (shapes.clone(), "and".to_owned(), None));
    for shape in shapes {
        let answer = socket
            .emit_with_ack("shape", &shape, PATIENCE)
            .await
            .unwrap();
        assert_eq!(answer.parse::<Shape>().unwrap(), shape);
    }
    // What is not of the type is an error that says where, and the message is still there.
    socket
        .emit("shapes", [json!({"kind": "circle", "radius": "long"})])
        .await
        .unwrap();
    let message = next_message(&mut events).await;
    message.parse::<(Shape,)>().unwrap_err();
    assert!(message.json().contains("long"));
}

/// Blocking sockets of the standard library, one request after another: no runtime, no HTTP library, no client.
fn polled_by_hand(port: u16) -> Vec<String> {
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}/socket.io/")).unwrap();
    let exchange = |method: &str, target: &engineio::Target, body: &[u8]| {
        let url = endpoint.url(target, None).to_string();
        let path = &url[url.find("/socket.io/").unwrap()..];
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Response::new(status, body.to_owned()))
    };
    let mut config = engineio::Config::default();
    config.transports = vec![engineio::Transport::Polling];

    let now = engineio::client::now;
    let mut session = Session::new(Config::default(), 1);
    let root = session
        .join(now(), Namespace::root(), Join::default())
        .unwrap();
    let mut link: Option<Connection> = None;
    let mut told = Vec::new();
    loop {
        while let Some(action) = session.poll_action() {
            match action {
                Action::OpenLink { .. } => link = Some(Connection::new(config.clone(), now())),
                Action::Send(message) => link.as_mut().unwrap().send(now(), message).unwrap(),
                Action::CloseLink => link.as_mut().unwrap().close(now()),
                other => panic!("{other:?}"),
            }
        }
        while let Some((_, event)) = session.poll_event() {
            match event {
                SessionEvent::Connected(_) => {
                    session
                        .emit(root, codec::Event::new("hello", &("by hand", 1)).unwrap())
                        .unwrap();
                }
                SessionEvent::Message(message) => {
                    told.push(message.json().to_owned());
                    session.leave(now(), root);
                }
                SessionEvent::Disconnected { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        if session.is_idle() {
            return told;
        }
        let Some(connection) = &mut link else {
            continue;
        };
        // A POST first: the answer to a GET may depend on it.
        let mut wanted: Vec<_> = std::iter::from_fn(|| connection.poll_action()).collect();
        wanted.sort_by_key(|action| !matches!(action, Io::Post(..)));
        for action in wanted {
            let input = match action {
                Io::Get(target) => FromWire::GetDone(exchange("GET", &target, b"")),
                Io::Post(target, body) => FromWire::PostDone(exchange("POST", &target, &body)),
                other => panic!("{other:?}"),
            };
            connection.handle_input(now(), input);
        }
        while let Some(event) = connection.poll_event() {
            let input = match event {
                EngineEvent::Opened {
                    handshake,
                    transport,
                    version,
                } => Input::LinkOpened {
                    handshake,
                    transport,
                    version,
                },
                EngineEvent::Message(message) => Input::Message(message),
                EngineEvent::Closed(reason) => Input::LinkClosed(reason),
                other => panic!("{other:?}"),
            };
            session.handle_input(now(), input);
        }
    }
}

#[tokio::test]
async fn sans_io_core_usable_alone_on_any_runtime() {
    let server = server!({"pingInterval": 200});
    let port = server.port();
    let told = tokio::task::spawn_blocking(move || polled_by_hand(port));
    assert_eq!(
        within("the end", told).await.unwrap(),
        [r#"["hello","by hand",1]"#]
    );
    server.wait_for("the end", |line| line.is("closed")).await;
}

/// Dropped at each point at which it waits for something: no session stays, and no task.
#[tokio::test]
async fn cancel_safe_and_nothing_leaks_on_drop() {
    let server = server!({});
    let tasks = tokio::runtime::Handle::current().metrics();
    let at_first = tasks.num_alive_tasks();
    let mut is_ready = false;
    for polls in 0.. {
        {
            let mut connecting = pin!(builder(&server, "/", Route::Upgrade).connect());
            let mut left = polls;
            let outcome = std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                connecting.as_mut().poll(cx).map(Some)
            });
            is_ready = within("progress", outcome).await.is_some();
        }
        if is_ready {
            break;
        }
    }
    assert!(is_ready);

    // An acknowledgement that nobody waits for any more gives its place back; an emit that is dropped sends nothing.
    let (socket, events) = join(&server, "/", Route::WebSocket).await;
    for _ in 0..10 {
        let mut asking = Box::pin(socket.emit_with_ack("silent", (), PATIENCE));
        for _ in 0..3 {
            let polled = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx)));
            assert!(polled.await.is_pending());
            tokio::task::yield_now().await;
        }
    }
    drop(socket.emit("never", "polled"));
    let settled = async {
        while socket.stats().pending_acks > 0 {
            tokio::task::yield_now().await;
        }
    };
    within("no place taken", settled).await;

    // Nor does anything reconnect when it is gone.
    server.command("cut", json!({})).await;
    drop((socket, events));
    let ended = |log: &[conformance::Line]| {
        let count = |what| log.iter().filter(|line| line.is(what)).count();
        (count("session") == count("closed")).then_some(())
    };
    server.wait_until("the end of each session", ended).await;
    let gone = async {
        while tasks.num_alive_tasks() > at_first {
            tokio::task::yield_now().await;
        }
    };
    within("the end of each task", gone).await;
    assert!(
        server
            .seen_of("event")
            .await
            .iter()
            .all(|line| line.str("name") == "silent")
    );
}

/// The lock file names what is needed by each package, on every platform and with every feature that is on.
#[test]
fn rustls_by_default_and_no_openssl() {
    let lock =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    // A package of which there are several is named with its version, as it is where it is needed.
    let mut names: Vec<_> = packages(&lock).map(|(name, ..)| name).collect();
    names.sort_unstable();
    let is_one_of_many = |name| names.iter().filter(|other| **other == name).count() > 1;
    let needs: BTreeMap<String, Vec<&str>> = packages(&lock)
        .map(|(name, version, needs)| match is_one_of_many(name) {
            true => (format!("{name} {version}"), needs),
            false => (name.to_owned(), needs),
        })
        .collect();
    for root in ["socketio", "graph-notifications", "graph-watch"] {
        let mut tree = HashSet::from([root]);
        let mut rest = vec![root];
        while let Some(package) = rest.pop() {
            rest.extend(
                needs[package]
                    .iter()
                    .copied()
                    .filter(|needed| tree.insert(needed)),
            );
        }
        assert!(tree.contains("rustls"), "{root}");
        for foreign in ["openssl", "openssl-sys", "native-tls", "tokio-native-tls"] {
            assert!(!tree.contains(foreign), "{root} needs {foreign}");
        }
    }
}

/// Name, version and dependencies of each package of a lock file.
fn packages(lock: &str) -> impl Iterator<Item = (&str, &str, Vec<&str>)> {
    lock.split("[[package]]").skip(1).map(|package| {
        let value = |key| package.lines().find_map(|line| line.strip_prefix(key));
        let name = value("name = ").unwrap().trim_matches('"');
        let version = value("version = ").unwrap().trim_matches('"');
        let needs = package.lines().filter_map(|line| line.strip_prefix(" \""));
        (
            name,
            version,
            needs.map(|line| line.trim_end_matches("\",")).collect(),
        )
    })
}

/// Collects everything that is traced, at every level.
#[derive(Clone, Default)]
struct Traces(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Traces {
    fn note(&self, name: &str, record: impl FnOnce(&mut Fields<'_>)) {
        let mut text = self.0.lock().unwrap();
        text.push_str(&format!("{name}:"));
        record(&mut Fields(&mut text));
        text.push('\n');
    }
}

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl tracing::Subscriber for Traces {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.note(&format!("span {}", span.metadata().name()), |fields| {
            span.record(fields);
        });
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        self.note("record", |fields| values.record(fields));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.note(event.metadata().target(), |fields| event.record(fields));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn tracing_counters_and_secrets_redacted() {
    // With one subscriber alone, whether a place in the code is traced is decided by whichever thread comes there first.
    let _other = tracing::Dispatch::new(Traces::default());
    let traces = Traces::default();
    let _guard = tracing::subscriber::set_default(traces.clone());
    let server = server!({"connectionStateRecovery": {}});
    for route in super::ROUTES {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", "Bearer PLANTED".parse().unwrap());
        let builder = builder(&server, "/admin", route)
            .query("token=PLANTED")
            .auth(json!({"token": "PLANTED"}))
            .headers(headers);
        let mut shown = format!("{builder:?}");
        let (socket, mut events) = connect(builder).await;
        let met = connected(&mut events).await;
        socket.emit("number", 1).await.unwrap();
        while !matches!(conformance::next(&mut events).await, Event::Message(_)) {}
        let stats = socket.stats();
        assert!(
            stats.engine.packets_sent >= 2 && stats.engine.packets_received >= 3,
            "{stats:?}"
        );
        assert!(
            stats.engine.bytes_sent > 40 && stats.engine.bytes_received > 100,
            "{stats:?}"
        );
        assert_eq!((stats.connections, stats.pending_acks), (1, 0));
        server.command("cut", json!({})).await;
        let lost = disconnected(&mut events).await;
        connected(&mut events).await;
        assert_eq!(socket.stats().connections, 2);
        shown.push_str(&format!("{socket:?} {events:?} {met:?} {lost:?} {stats:?}"));
        assert!(
            !shown.contains("PLANTED") && !shown.contains(met.id.as_deref().unwrap()),
            "{shown}"
        );
        within("an end", socket.disconnect()).await;
    }
    let refused = builder(&server, "/admin", Route::Polling)
        .query("token=PLANTED")
        .auth(json!({"token": "bad"}));
    within("a refusal", refused.connect()).await.unwrap_err();

    let targets = super::targets(&server).await;
    let text = traces.0.lock().unwrap();
    for span in ["span socketio", "span namespace", "span attempt"] {
        assert!(text.contains(span), "no {span} in {text}");
    }
    assert!(!text.contains("PLANTED"), "{text}");
    for target in targets {
        if let Some((_, sid)) = target.rsplit_once("&sid=") {
            assert!(!text.contains(sid), "{text}");
        }
    }
}
