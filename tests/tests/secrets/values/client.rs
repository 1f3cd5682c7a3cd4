//! The public types of the Socket.IO client: builders and dials, a socket that is connected, its events, and its errors.

use std::time::Duration;

use conformance::{http as http_stack, within};
use engineio::Transport;
use http::header::{AUTHORIZATION, HeaderValue};
use serde_json::json;
use socketio::{Builder, Dial, Event};

use super::{Failing, SID, Shown, secret_headers};
use crate::needle;
use crate::server::{Answer, Server, Step};

/// A session over a socket, with a server that gives secrets and repeats some.
pub(super) async fn show(shown: &mut Shown) {
    let server = Server::start(|_| {
        Answer::WebSocket(vec![
            Step::Say(format!("0{SID}")),
            Step::Hear,
            Step::Say(r#"40{"sid":"PLANTED","pid":"PLANTED"}"#.into()),
            Step::Say(r#"421["e","PLANTED","PLANTED-offset"]"#.into()),
            Step::Stay,
        ])
    })
    .await;
    let dial = || {
        let value = HeaderValue::from_static("Bearer PLANTED");
        Dial::new()
            .url("http://PLANTED:PLANTED@h/?PLANTED")
            .query("token=PLANTED")
            .header(AUTHORIZATION, value)
    };
    shown.value("socketio::Dial", dial());
    let url = format!("http://127.0.0.1:{}/?token=PLANTED", server.port);
    let builder = Builder::new(&url)
        .transports([Transport::WebSocket])
        .http(http_stack())
        .headers(secret_headers())
        .query("token=PLANTED")
        .query_pairs([("token", "PLANTED")])
        .auth(json!({"token": "PLANTED"}))
        .report_sent(true);
    shown.value("socketio::Builder", &builder);
    let asked = Builder::new("https://PLANTED:PLANTED@h/?token=PLANTED")
        .auth_provider(|_| async { Ok::<_, std::io::Error>(json!({"token": "PLANTED"})) })
        .provider(move |_| std::future::ready(Ok::<_, std::io::Error>(dial())));
    shown.value("socketio::Builder", &asked);
    let target =
        socketio::Target::parse("https://PLANTED:PLANTED@h/?token=PLANTED#PLANTED").unwrap();
    shown.value("socketio::Target", &target);
    shown.value("socketio::Builder", Builder::to(target));
    for url in [
        "PLANTED",
        "PLANTED://h",
        "https://:PLANTED@h",
        "https://h:PLANTED",
        "https://@:1",
        "https://h/?sid=PLANTED",
        "https://h/?a=\nPLANTED",
        "https://h/a,b?PLANTED",
    ] {
        match socketio::Target::parse(url) {
            Ok(target) => needle::shown("Target", &target),
            Err(error) => shown.error("socketio::UrlError", error),
        }
        if let Err(error) = Builder::new(url).http(http_stack()).connect_in_background() {
            shown.error("socketio::ConnectError", error);
        }
    }
    for auth in [json!("PLANTED"), json!(["PLANTED"])] {
        let refused = Builder::new("https://h")
            .http(http_stack())
            .auth(auth)
            .connect();
        shown.error(
            "socketio::ConnectError",
            within("a refusal", refused).await.unwrap_err(),
        );
    }
    let (socket, mut events) = within("a connection", builder.connect()).await.unwrap();
    shown.value("socketio::Socket", &socket);
    shown.value("socketio::Events", &events);
    shown.value("socketio::EmitSink", socket.sink());
    shown.value("socketio::Stats", socket.stats());
    shown.value("socketio::Limits", socketio::Limits::default());
    let member = socket
        .namespace("/other")
        .auth(json!({"token": "PLANTED"}))
        .query("token=PLANTED");
    shown.value("socketio::NamespaceBuilder", member);
    socket.emit("e", "PLANTED").await.unwrap();
    shown.error(
        "socketio::EmitError",
        socket.emit("connect", "PLANTED").await.unwrap_err(),
    );
    let unsendable = socket
        .emit_with_ack("e", ("PLANTED", Failing), Duration::from_secs(1))
        .await;
    shown.error("socketio::AckError", unsendable.unwrap_err());
    loop {
        let event = within("an event", events.next()).await.unwrap();
        shown.value("socketio::Event", &event);
        match event {
            Event::Connected(connected) => {
                assert_eq!(connected.id.as_deref(), Some("PLANTED"));
                shown.value("socketio::Connected", connected);
            }
            Event::Message(mut message) => {
                shown.value("socketio::Message", &message);
                shown.value("socketio::AckHandle", message.ack());
                break;
            }
            _ => {}
        }
    }
    shown.error(
        "socketio::DisconnectReason",
        socketio::DisconnectReason::ServerDisconnect,
    );
    let reason = socketio::DisconnectReason::LinkClosed(engineio::CloseReason::PingTimeout);
    shown.value(
        "socketio::Failure",
        socketio::Failure::Disconnected(&reason),
    );
    shown.value(
        "socketio::Decide",
        socketio::Decide::new(|_| socketio::Decision::Stop),
    );
    shown.value("socketio::Reconnection", socketio::Reconnection::default());
    // Its words are the program's; see `providers_say_what_they_say`.
    shown.error("socketio::ProviderError", socketio::ProviderError::Timeout);
}
