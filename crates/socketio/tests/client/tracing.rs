//! What is traced: where things happen, and no secret.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};
use socketio::Dial;

use super::*;

const SECRET: &str = "PLANTED";

/// Collects everything that is traced, at every level, with the spans it happens in.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    text: String,
    spans: Vec<String>,
    entered: Vec<usize>,
}

impl Log {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn text(&self) -> String {
        self.state().text.clone()
    }
}

impl ::tracing::Subscriber for Log {
    fn enabled(&self, _: &::tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &::tracing::span::Attributes<'_>) -> ::tracing::span::Id {
        let mut text = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut text));
        let mut state = self.state();
        writeln!(state.text, "{text}").unwrap();
        state.spans.push(text);
        ::tracing::span::Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, _: &::tracing::span::Id, values: &::tracing::span::Record<'_>) {
        values.record(&mut Fields(&mut self.state().text));
    }

    fn record_follows_from(&self, _: &::tracing::span::Id, _: &::tracing::span::Id) {}

    fn event(&self, event: &::tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut Fields(&mut text));
        let mut state = self.state();
        let spans: Vec<&str> = state
            .entered
            .iter()
            .map(|span| &*state.spans[*span])
            .collect();
        let line = format!("{}:{text}", spans.join(" > "));
        writeln!(state.text, "{line}").unwrap();
    }

    fn enter(&self, span: &::tracing::span::Id) {
        let index = usize::try_from(span.into_u64()).unwrap() - 1;
        self.state().entered.push(index);
    }

    fn exit(&self, _: &::tracing::span::Id) {
        self.state().entered.pop();
    }
}

struct Fields<'a>(&'a mut String);

impl ::tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &::tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

#[tokio::test]
async fn what_happens_is_traced_in_the_spans_of_connection_attempt_and_namespace() {
    let log = Log::default();
    let _guard = ::tracing::subscriber::set_default(log.clone());
    let server = Server::start().await;
    let (socket, mut events, peer) = server.joined().await;
    drop(peer);
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    let _peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    drop((socket, events));
    let text = log.text();
    let has = |parts: &[&str]| {
        let found = text
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} in\n{text}");
    };
    has(&[
        "socketio host=\"127.0.0.1\"",
        "> attempt number=0",
        "the connection is open",
    ]);
    has(&["> attempt number=1", "the connection is open"]);
    has(&[
        "socketio host",
        "> namespace name=/:",
        "joined",
        "recovered=false",
    ]);
    has(&["> namespace name=/:", "disconnected", "retry_in"]);
}

fn secret_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer PLANTED"));
    headers.insert(COOKIE, HeaderValue::from_static("c=PLANTED"));
    headers
}

/// Everything of a client that may be printed, while it goes through its whole life with secrets everywhere.
#[tokio::test]
async fn neither_traces_nor_values_nor_errors_show_a_secret() {
    let log = Log::default();
    let _guard = ::tracing::subscriber::set_default(log.clone());
    let server = Server::start().await;
    let mut shown = String::new();
    let client = server
        .client("/?token=PLANTED")
        .headers(secret_headers())
        .auth(serde_json::json!({ "token": SECRET }))
        .report_sent(true)
        .provider(|_| async {
            let value = HeaderValue::from_static("Bearer PLANTED");
            Ok::<_, std::io::Error>(
                Dial::new()
                    .query("token=PLANTED")
                    .header(AUTHORIZATION, value),
            )
        });
    write!(
        shown,
        "{client:?} {client:#?} {:?}",
        Dial::new().query(SECRET)
    )
    .unwrap();
    let serve = async {
        let mut peer = server.accept().await;
        assert!(peer.target.contains(SECRET));
        peer.expect(r#"0{"token":"PLANTED"}"#).await;
        peer.send(r#"0{"sid":"PLANTED","pid":"PLANTED"}"#).await;
        peer.send(r#"21["event",{"secret":"PLANTED"},"Q80KTut"]"#)
            .await;
        peer.text().await;
        // The credentials come back in every place where a server can put them.
        peer.send("9PLANTED").await;
        peer.expect_close().await;
        let mut peer = server.accept().await;
        peer.text().await;
        peer.send(r#"4{"message":"token PLANTED is not valid","data":"PLANTED"}"#)
            .await;
    };
    let follow = async {
        let (socket, mut events) = client.connect().await.unwrap();
        socket.emit("secret", SECRET).await.unwrap();
        write!(
            shown,
            "{socket:?} {events:?} {:?} {:?}",
            socket.stats(),
            socket.sink()
        )
        .unwrap();
        while let Some(event) = events.next().await {
            // What a server says is for the program, but for what was secret already.
            if let Event::ConnectError {
                error: ConnectError::Refused { message, .. },
                ..
            } = &event
            {
                assert_eq!(message, "token [redacted] is not valid");
            }
            write!(shown, "{event:?}").unwrap();
            if let Event::Message(mut message) = event {
                write!(shown, "{:?}", message.ack()).unwrap();
            }
        }
    };
    within(async { tokio::join!(serve, follow) }).await;
    assert!(shown.contains("Unsent") || shown.contains("Disconnected"));
    assert!(!shown.contains(SECRET), "{shown}");
    let text = log.text();
    assert!(text.contains("refused"), "{text}");
    // The name of an event is no secret; all else is.
    assert!(!text.contains(SECRET), "{text}");
}
