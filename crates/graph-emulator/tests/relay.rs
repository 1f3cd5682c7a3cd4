//! The relay half: credentials, notifications, and each way to be unreliable.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{End, PATH, Socket, argument, ask, http, inner, soon, start, subscription};
use graph_emulator::{CredentialCheck, Encoding, Notification, Payload, Transport, UrlForm};
use serde_json::{Value, json};

#[tokio::test]
async fn both_url_forms_lead_to_a_namespace() {
    let emulator = start(|_| ()).await;
    for (form, namespaces) in [
        (UrlForm::Split, &["/zbaehwg", "/zbaehwg/callback"][..]),
        (UrlForm::Direct, &["/notifications"][..]),
    ] {
        emulator.update(|settings| settings.url_form = form);
        for namespace in namespaces {
            let (query, _) = subscription(&emulator).await;
            let mut socket = Socket::opened(&emulator, &query).await;
            let reply = socket.join(namespace).await;
            assert!(
                reply.starts_with(&format!("40{namespace},{{\"sid\":\"")),
                "{reply}"
            );
            soon(emulator.wait_for_connections(1)).await;
            assert_eq!(emulator.notify(&Notification::default()).receivers, 1);
            assert!(
                socket
                    .text()
                    .await
                    .starts_with(&format!("42{namespace},[\"notification\","))
            );
            drop(socket);
            soon(emulator.wait_for_connections(0)).await;
        }
    }
    let counts = soon(emulator.wait_until(|counts| counts.websockets.now == 0)).await;
    assert_eq!(
        (
            counts.joined.total,
            counts.websockets.total,
            counts.subscriptions
        ),
        (3, 3, 3)
    );
}

#[tokio::test]
async fn every_payload_shape_and_encoding() {
    let emulator = start(|_| ()).await;
    let mut socket = Socket::joined(&emulator).await;
    soon(emulator.wait_for_connections(1)).await;

    emulator.notify(&Notification::new(Payload::Value));
    let value = inner(&socket.text().await);
    assert_eq!(value["value"][0]["emulatorNumber"], 1);
    assert!(value["value"][0]["subscriptionId"].is_string());

    emulator.notify(&Notification::new(Payload::Flat).encoding(Encoding::Object));
    let flat = argument(&socket.text().await);
    assert_eq!(flat["emulatorNumber"], 2);
    assert!(flat["subscriptionExpirationDateTime"].is_string());

    emulator.notify(&Notification::new(Payload::Unreadable(
        "{not json".to_owned(),
    )));
    assert_eq!(argument(&socket.text().await), "{not json");

    emulator
        .notify(&Notification::new(Payload::Custom(json!({ "a": 1 }))).encoding(Encoding::Object));
    assert_eq!(argument(&socket.text().await), json!({ "a": 1 }));

    let sent = emulator.notify(&Notification::default().copies(3));
    assert_eq!((sent.number, sent.receivers), (5, 1));
    for _ in 0..3 {
        assert_eq!(inner(&socket.text().await)["value"][0]["emulatorNumber"], 5);
    }
}

#[tokio::test]
async fn the_credential_is_checked_at_the_handshake() {
    let emulator = start(|_| ()).await;
    let (status, body) = Socket::open(&emulator, "snthgk=unknown")
        .await
        .err()
        .unwrap();
    assert_eq!(status, 403);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], 4);
    let (query, _) = subscription(&emulator).await;
    let reencoded = query.replace("==", "%3D%3D");
    assert_eq!(
        Socket::open(&emulator, &reencoded).await.err().unwrap().0,
        403
    );
    Socket::opened(&emulator, &query).await;
}

#[tokio::test]
async fn or_at_the_connect() {
    let check = CredentialCheck::Namespace;
    let emulator = start(|config| config.settings.credential_check = check).await;
    let mut socket = Socket::opened(&emulator, "snthgk=unknown").await;
    let reply = socket.join("/zbaehwg").await;
    assert!(reply.starts_with("44/zbaehwg,{\"message\":"), "{reply}");
    assert_eq!(emulator.counts().refused_connects, 1);
}

#[tokio::test]
async fn only_the_namespace_of_the_url_can_be_joined() {
    let emulator = start(|_| ()).await;
    let (query, _) = subscription(&emulator).await;
    let mut socket = Socket::opened(&emulator, &query).await;
    assert_eq!(
        socket.join("/notifications").await,
        r#"44/notifications,{"message":"Invalid namespace"}"#
    );
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{"), "the root is open");
    assert_eq!(emulator.counts().joined.total, 0, "but does not count");
}

#[tokio::test]
async fn connects_are_refused_as_often_as_asked() {
    let emulator = start(|_| ()).await;
    let (query, namespace) = subscription(&emulator).await;
    emulator.refuse_connects(2);
    let mut socket = Socket::opened(&emulator, &query).await;
    for expected in ["44", "44", "40"] {
        let reply = socket.join(&namespace).await;
        assert!(reply.starts_with(expected), "{reply}");
    }
}

#[tokio::test]
async fn namespaces_are_disconnected_and_connections_stay() {
    let emulator = start(|_| ()).await;
    let mut socket = Socket::joined(&emulator).await;
    soon(emulator.wait_for_connections(1)).await;
    assert_eq!(emulator.disconnect_namespaces(), 1);
    assert_eq!(socket.text().await, "41/zbaehwg,");
    soon(emulator.wait_for_connections(0)).await;
    assert!(socket.join("/zbaehwg").await.starts_with("40"));
}

#[tokio::test]
async fn a_connect_reply_can_lack_its_object() {
    let emulator = start(|config| config.settings.connect_reply_sid = false).await;
    let (query, namespace) = subscription(&emulator).await;
    let mut socket = Socket::opened(&emulator, &query).await;
    assert_eq!(socket.join(&namespace).await, "40/zbaehwg,");
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    assert_eq!(inner(&socket.text().await)["value"][0]["emulatorNumber"], 1);

    let (query, namespace) = subscription(&emulator).await;
    let poll = Poll::open(emulator.graph_url(), &query).await;
    poll.post(&format!("40{namespace},")).await;
    assert_eq!(poll.get().await, "40/zbaehwg,");
}

/// The polling transport.
struct Poll {
    url: String,
}

impl Poll {
    fn url(base: &str, query: &str) -> String {
        format!("{base}/socket.io/?{query}&EIO=4&transport=polling")
    }

    async fn open(base: &str, query: &str) -> Self {
        let url = Self::url(base, query);
        let open = soon(http().get(&url).send())
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        Self {
            url: format!("{url}&sid={}", open["sid"].as_str().unwrap()),
        }
    }

    async fn post(&self, body: &str) {
        let response = soon(http().post(&self.url).body(body.to_owned()).send())
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
    }

    /// The next payload without pings.
    async fn get(&self) -> String {
        loop {
            let response = soon(http().get(&self.url).send()).await.unwrap();
            assert_eq!(response.status(), 200);
            let payload = response.text().await.unwrap();
            let packets: Vec<_> = payload
                .split('\u{1e}')
                .filter(|packet| *packet != "2")
                .collect();
            if !packets.is_empty() {
                return packets.join("\u{1e}");
            }
            self.post("3").await;
        }
    }
}

#[tokio::test]
async fn polling_works_and_its_packets_are_seen() {
    let emulator = start(|config| config.settings.url_form = UrlForm::Direct).await;
    let (query, namespace) = subscription(&emulator).await;
    let poll = Poll::open(emulator.graph_url(), &query).await;
    poll.post(&format!("40{namespace},")).await;
    assert!(poll.get().await.starts_with("40/notifications,{\"sid\":"));
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    assert_eq!(inner(&poll.get().await)["value"][0]["emulatorNumber"], 1);
    let log = emulator.log();
    assert!(
        log.packets
            .iter()
            .any(|p| p.transport == Transport::Polling && p.text == "40/notifications,")
    );

    emulator.close_connections();
    soon(emulator.wait_for_connections(0)).await;
    let gone = soon(http().get(&poll.url).send()).await.unwrap();
    let status = gone.status().as_u16();
    let body = gone.text().await.unwrap();
    assert!(status == 400 || body.ends_with('1'), "{status} {body}");
}

#[tokio::test]
async fn either_transport_can_be_refused() {
    let emulator = start(|config| config.settings.polling = false).await;
    let (query, _) = subscription(&emulator).await;
    let url = Poll::url(emulator.graph_url(), &query);
    let refused = soon(http().get(&url).send()).await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], 0);
    Socket::opened(&emulator, &query).await;

    emulator.update(|settings| (settings.polling, settings.websocket) = (true, false));
    assert_eq!(Socket::open(&emulator, &query).await.err().unwrap().0, 400);
    Poll::open(emulator.graph_url(), &query).await;
}

#[tokio::test]
async fn closing_sends_a_close_frame_and_cutting_does_not() {
    let emulator = start(|_| ()).await;
    let mut socket = Socket::joined(&emulator).await;
    soon(emulator.wait_for_connections(1)).await;
    assert_eq!(emulator.close_connections(), 1);
    assert_eq!(socket.end().await, End::CloseFrame);
    soon(emulator.wait_for_connections(0)).await;

    let mut socket = Socket::joined(&emulator).await;
    soon(emulator.wait_for_connections(1)).await;
    emulator.cut_connections();
    assert_eq!(socket.end().await, End::Cut);
    let counts = soon(emulator.wait_until(|counts| counts.joined.now == 0)).await;
    assert_eq!(counts.joined.total, 2);
    soon(emulator.wait_until(|counts| counts.connections.now == 0)).await;
}

#[tokio::test]
async fn frozen_connections_are_silent_and_open() {
    let emulator = start(|_| ()).await;
    let mut frozen = Socket::joined(&emulator).await;
    soon(emulator.wait_for_connections(1)).await;
    emulator.freeze();
    let mut free = Socket::joined(&emulator).await;
    soon(emulator.wait_for_connections(2)).await;
    assert_eq!(emulator.notify(&Notification::default()).receivers, 2);
    assert_eq!(inner(&free.text().await)["value"][0]["emulatorNumber"], 1);
    assert_eq!(
        ask(&emulator, PATH).await.status(),
        200,
        "Graph is not frozen"
    );
    // The first ping is sent at once, so it may have come before the frost.
    while let Some(early) = frozen.arrived() {
        assert_eq!(
            early.unwrap().unwrap(),
            tokio_tungstenite::tungstenite::Message::text("2")
        );
    }
    frozen.send("41/zbaehwg,").await;
    assert_eq!(emulator.counts().websockets.now, 2);
    assert_eq!(
        emulator.counts().joined.now,
        2,
        "nothing gets out of it either"
    );

    emulator.thaw();
    assert_eq!(inner(&frozen.text().await)["value"][0]["emulatorNumber"], 1);
    soon(emulator.wait_for_connections(1)).await;
}

#[tokio::test]
async fn a_frozen_connection_outlives_the_servers_patience_but_not_its_client() {
    let emulator = start(|config| {
        config.ping_interval = Duration::from_millis(500);
        config.ping_timeout = Duration::from_millis(500);
    })
    .await;
    let mut socket = Socket::joined(&emulator).await;
    soon(emulator.wait_for_connections(1)).await;
    emulator.freeze();
    soon(emulator.wait_for_connections(0)).await;
    assert_eq!(
        emulator.counts().websockets.now,
        1,
        "the session is gone, the socket is not"
    );
    while let Some(early) = socket.arrived() {
        assert!(early.unwrap().unwrap().is_text());
    }
    drop(socket);
    soon(emulator.wait_until(|counts| counts.websockets.now == 0)).await;
}

#[tokio::test]
async fn everything_can_freeze() {
    let emulator = start(|_| ()).await;
    emulator.freeze_everything();
    let control = emulator.control();
    let asked = tokio::spawn(async move { ask(&control, PATH).await.status() });
    soon(emulator.wait_until(|counts| counts.connections.now == 1)).await;
    assert_eq!(emulator.counts().graph_requests, 0);
    assert!(!asked.is_finished());
    emulator.thaw();
    assert_eq!(soon(asked).await.unwrap(), 200);
}

#[tokio::test]
async fn it_goes_down_and_comes_back_at_the_same_port() {
    let emulator = start(|_| ()).await;
    let (query, namespace) = subscription(&emulator).await;
    let mut socket = Socket::opened(&emulator, &query).await;
    assert!(socket.join(&namespace).await.starts_with("40"));
    soon(emulator.wait_for_connections(1)).await;

    emulator.go_down().await.unwrap();
    assert_eq!(socket.end().await, End::Cut);
    let url = format!("{}{PATH}", emulator.graph_url());
    let refused = soon(http().get(&url).send()).await.unwrap_err();
    assert!(refused.is_connect(), "{refused}");
    emulator.go_down().await.unwrap();
    soon(emulator.wait_until(|counts| counts.connections.now == 0)).await;

    emulator.come_back().await.unwrap();
    emulator.come_back().await.unwrap();
    let mut socket = Socket::opened(&emulator, &query).await;
    assert!(
        socket.join(&namespace).await.starts_with("40"),
        "its credential is still good"
    );

    soon(emulator.restart(Duration::from_millis(1)))
        .await
        .unwrap();
    assert_eq!(socket.end().await, End::Cut);
    assert_eq!(ask(&emulator, PATH).await.status(), 200);
}

#[tokio::test]
async fn polling_sessions_do_not_survive_a_restart() {
    let emulator = start(|_| ()).await;
    let (query, namespace) = subscription(&emulator).await;
    let poll = Poll::open(emulator.graph_url(), &query).await;
    poll.post(&format!("40{namespace},")).await;
    soon(emulator.wait_for_connections(1)).await;
    soon(emulator.restart(Duration::ZERO)).await.unwrap();
    soon(emulator.wait_for_connections(0)).await;
    loop {
        let response = soon(http().get(&poll.url).send()).await.unwrap();
        match response.status().as_u16() {
            // What was under way is delivered first.
            200 => {}
            status => {
                assert_eq!(status, 400);
                assert!(
                    response
                        .text()
                        .await
                        .unwrap()
                        .contains("Session ID unknown")
                );
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_credential_ends_by_itself() {
    let emulator = start(|config| config.settings.lifetime_ms = Some(200)).await;
    let (query, _) = subscription(&emulator).await;
    let refusal = loop {
        match Socket::open(&emulator, &query).await {
            Ok(mut socket) => {
                socket.text().await;
                assert_eq!(socket.end().await, End::CloseFrame);
            }
            Err((status, _)) => break status,
        }
    };
    assert_eq!(refusal, 403);
}

#[tokio::test]
async fn credentials_expire_on_demand_each_with_its_own_connections() {
    let emulator = start(|_| ()).await;
    let mut old = Socket::joined(&emulator).await;
    assert_eq!(emulator.expire_credentials(), 1);
    let mut new = Socket::joined(&emulator).await;
    assert_eq!(old.end().await, End::CloseFrame);
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    assert_eq!(inner(&new.text().await)["value"][0]["emulatorNumber"], 1);
}

#[tokio::test]
async fn it_pings_as_it_was_told_and_gives_up_on_who_does_not_answer() {
    let emulator = start(|config| {
        config.ping_interval = Duration::from_millis(120);
        config.ping_timeout = Duration::from_millis(80);
    })
    .await;
    let (query, _) = subscription(&emulator).await;
    let mut socket = Socket::open(&emulator, &query).await.unwrap();
    let open = socket.text().await;
    let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(
        (&open["pingInterval"], &open["pingTimeout"]),
        (&json!(120), &json!(80))
    );
    // Its ping is not answered, and then it says goodbye.
    for packet in ["2", "1"] {
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(message.to_text().unwrap(), packet);
    }
    socket.end().await;
}

#[tokio::test]
async fn the_log_has_the_first_packets_and_the_exact_targets() {
    let emulator = start(|_| ()).await;
    let (query, namespace) = subscription(&emulator).await;
    let mut socket = Socket::opened(&emulator, &query).await;
    socket.join(&namespace).await;
    soon(emulator.wait_for_packet("40/zbaehwg,")).await;
    let log = emulator.log();
    let request = log.relay_requests().next().unwrap();
    assert_eq!(
        request.target,
        format!("/socket.io/?{query}&EIO=4&transport=websocket")
    );
    assert!(
        request
            .headers
            .iter()
            .any(|name| name == "sec-websocket-key")
    );
    let packets: Vec<_> = log
        .packets_of(request.connection)
        .filter(|packet| *packet != "3")
        .collect();
    assert_eq!(packets, ["40/zbaehwg,"]);
    assert_eq!(emulator.counts().requests, 2);
    assert_eq!(log.dropped, 0);
}

#[tokio::test]
async fn dropping_it_stops_it() {
    let emulator = start(|_| ()).await;
    let url = format!("{}{PATH}", emulator.graph_url());
    let mut socket = Socket::joined(&emulator).await;
    drop(emulator);
    assert_eq!(socket.end().await, End::Cut);
    loop {
        // The listener goes when its task is next looked at.
        match soon(http().get(&url).send()).await {
            Err(error) if error.is_connect() => break,
            _ => tokio::task::yield_now().await,
        }
    }
}
