//! The Engine.IO client alone against the real engine.io server.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use bytes::Bytes;
use conformance::{JsServer, Line, Route, TlsFront, http, over_every_route, within};
use engineio::client::{Client, Http};
use engineio::{
    CloseReason, Endpoint, ErrorCode, Event, Message, Refusal, SendError, Transport,
    TransportErrorKind,
};
use futures_util::StreamExt as _;
use serde_json::json;

over_every_route! {
    every_kind_of_message_comes_back,
    the_heartbeat_keeps_a_session_open,
    what_the_server_sent_before_it_closed_arrives,
    what_was_sent_before_a_close_arrives,
    a_server_that_dies_is_noticed,
    what_arrives_while_nobody_reads_is_kept,
    extra_headers_are_on_every_request,
}

async fn every_kind_of_message_comes_back(route: Route) {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, route).await;

    let every_byte: Vec<u8> = (0..=255).collect();
    let messages = [
        text("hello"),
        text("é€😀"),
        text("bAQID"),
        text(""),
        text("x".repeat(300_000)),
        binary([]),
        binary([0x1E]),
        binary(every_byte),
        binary(vec![7; 100_000]),
        text("the end"),
    ];
    for message in &messages {
        client.send(message.clone()).unwrap();
    }
    for message in messages {
        assert_eq!(next_message(&mut client).await, message);
    }
}

async fn the_heartbeat_keeps_a_session_open(route: Route) {
    let options = json!({"pingInterval": 100, "pingTimeout": 20_000});
    let Some(server) = JsServer::engine_io(options).await else {
        return;
    };
    let mut client = open(&server, route).await;

    let pongs = server.wait_until("five pongs", |log| {
        let pongs = log
            .iter()
            .filter(|line| line.is("packet") && line.str("type") == "pong");
        (pongs.count() >= 5).then_some(())
    });
    drive(&mut client, pongs).await;

    client.send(text("still here")).unwrap();
    assert_eq!(next_message(&mut client).await, text("still here"));
}

async fn what_the_server_sent_before_it_closed_arrives(route: Route) {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, route).await;

    let burst = server.command("send and close", json!({"prefix": "m", "count": 100}));
    let mut events = drive(&mut client, burst).await;
    while let Some(event) = within("an event", client.next()).await {
        events.push(event);
    }
    let mut expected: Vec<Event> = (0..100)
        .map(|number| Event::Message(text(format!("m{number}"))))
        .collect();
    let Some(Event::Closed(CloseReason::Remote { .. })) = events.last() else {
        panic!("not closed by the server: {:?}", events.last());
    };
    expected.extend(events.last().cloned());
    assert_eq!(events, expected);
}

async fn what_was_sent_before_a_close_arrives(route: Route) {
    // A server that answered into the closing connection would report a write error.
    let settings = json!({"settings": {"mute": true}});
    let Some(server) = JsServer::engine_io(settings).await else {
        return;
    };
    let mut client = open(&server, route).await;

    for number in 0..100 {
        client.send(text(format!("m{number}"))).unwrap();
    }
    client.close();
    assert!(matches!(
        client.send(text("too late")),
        Err(SendError::NotOpen(_))
    ));
    assert_eq!(closed(&mut client).await, CloseReason::Local);
    assert_eq!(client.next().await, None);

    let end = server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
    assert_eq!(end.str("reason"), "transport close", "{end:?}");
    let expected: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
    assert_eq!(messages_received(&server).await, expected);
    match route {
        Route::Polling => {
            let goodbye = server.seen_of("body").await.pop().unwrap();
            assert!(goodbye.str("text").ends_with('1'), "{goodbye:?}");
        }
        Route::WebSocket | Route::Upgrade => {
            let goodbye = server
                .wait_for("a WebSocket close", |line| line.is("websocket closed"))
                .await;
            assert_eq!(
                goodbye.number("code"),
                Some(1005),
                "a close frame without a code"
            );
        }
    }
}

async fn a_server_that_dies_is_noticed(route: Route) {
    let Some(mut server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, route).await;
    let mut events = drive(&mut client, server.kill()).await;
    if events.is_empty() {
        events.push(next_event(&mut client).await);
    }
    let [Event::Closed(reason)] = events.as_slice() else {
        panic!("{events:?}")
    };
    let CloseReason::Transport(error) = &reason else {
        panic!("{reason:?}")
    };
    assert!(
        matches!(
            error.kind,
            TransportErrorKind::Broken | TransportErrorKind::Connect
        ),
        "{error:?}"
    );
    assert!(reason.is_retryable());
}

async fn what_arrives_while_nobody_reads_is_kept(route: Route) {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, route).await;
    client.pause_reading();
    for number in 0..100 {
        client.send(text(format!("m{number}"))).unwrap();
    }
    let sent = server.wait_until("the echoes leave", |log| {
        let sent = log
            .iter()
            .filter(|line| line.is("sent") && line.str("type") == "message");
        (sent.count() == 100).then_some(())
    });
    assert_eq!(drive(&mut client, sent).await, []);
    client.resume_reading();
    for number in 0..100 {
        assert_eq!(next_message(&mut client).await, text(format!("m{number}")));
    }
}

async fn extra_headers_are_on_every_request(route: Route) {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut headers = http::HeaderMap::new();
    headers.insert("x-tenant", "contoso".parse().unwrap());
    let client = Client::new(http(), endpoint(&server), route.config());
    let mut client = client.with_headers(headers);
    opened(&mut client, route).await;
    client.send(text("a request more")).unwrap();
    next_message(&mut client).await;

    let requests = requests(&server).await;
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.get("headers")["x-tenant"], "contoso", "{request:?}");
    }
}

#[cfg(unix)]
mod a_server_that_falls_silent_is_given_up {
    use super::*;

    #[tokio::test]
    async fn over_polling() {
        falls_silent(Route::Polling).await;
    }

    #[tokio::test]
    async fn over_websocket() {
        falls_silent(Route::WebSocket).await;
    }

    async fn falls_silent(route: Route) {
        let options = json!({"pingInterval": 200, "pingTimeout": 1000});
        let Some(server) = JsServer::engine_io(options).await else {
            return;
        };
        let mut client = open(&server, route).await;
        server.freeze().await;
        let reason = closed(&mut client).await;
        assert_eq!(reason, CloseReason::PingTimeout);
        assert!(reason.is_retryable());
    }
}

#[tokio::test]
async fn a_close_during_the_upgrade_still_delivers_what_was_sent() {
    let settings = json!({"settings": {"mute": true}});
    let Some(server) = JsServer::engine_io(settings).await else {
        return;
    };
    let mut client = client(&server, Route::Upgrade);
    let Event::Opened { .. } = next_event(&mut client).await else {
        panic!("not opened")
    };
    let probed = server.wait_for("a probe", |line| {
        line.is("frame") && line.str("text") == "2probe"
    });
    let events = drive(&mut client, async { drop(probed.await) }).await;
    assert!(
        !matches!(events.last(), Some(Event::Closed(_))),
        "{events:?}"
    );
    for number in 0..20 {
        client.send(text(format!("m{number}"))).unwrap();
    }
    client.close();
    let reason = loop {
        match next_event(&mut client).await {
            Event::Closed(reason) => break reason,
            Event::Upgraded(_) | Event::UpgradeFailed(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason, CloseReason::Local);
    server
        .wait_for("the session's end", |line| line.is("closed"))
        .await;
    let expected: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    assert_eq!(messages_received(&server).await, expected);
}

#[tokio::test]
async fn no_message_is_lost_or_reordered_by_the_upgrade() {
    let after_the_upgrade = 200;
    let settings = json!({"settings": {"stream": after_the_upgrade}});
    let Some(server) = JsServer::engine_io(settings).await else {
        return;
    };
    let mut client = client(&server, Route::Upgrade);

    // Each streamed message is answered by a numbered one, which the server sends back: so there is
    // traffic in both directions before, during and after the upgrade.
    let (mut streamed, mut echoed, mut sent) = (0, 0, 0);
    let mut upgraded_after = None;
    let mut ended = false;
    while !ended || echoed < sent {
        match next_event(&mut client).await {
            Event::Opened { transport, .. } => assert_eq!(transport, Transport::Polling),
            Event::Upgraded(transport) => {
                assert_eq!(transport, Transport::WebSocket);
                upgraded_after = Some(streamed);
            }
            Event::Message(message) if message == text("end") => ended = true,
            Event::Message(message) if message == text(format!("s{streamed}")) => {
                streamed += 1;
                client.send(text(format!("c{sent}"))).unwrap();
                sent += 1;
            }
            Event::Message(message) => {
                assert_eq!(
                    message,
                    text(format!("c{echoed}")),
                    "before it: s{streamed}"
                );
                echoed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let upgraded_after = upgraded_after.expect("an upgrade");
    assert!(upgraded_after > 0, "messages came before the upgrade");
    assert!(streamed >= after_the_upgrade);

    let expected: Vec<String> = (0..sent).map(|number| format!("c{number}")).collect();
    assert_eq!(messages_received(&server).await, expected);
    one_upgrade_and_then_silence_on_http(&server).await;
}

#[tokio::test]
async fn requests_are_those_of_the_reference_client() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let url = server.url("/engine.io/?b=%2B&a=aa==&a=1");
    let endpoint = Endpoint::parse(&url).unwrap();
    let mut client = Client::new(http(), endpoint, Route::Upgrade.config());
    opened(&mut client, Route::Upgrade).await;
    client.send(text("hello")).unwrap();
    next_message(&mut client).await;

    let requests = requests(&server).await;
    let user = "/engine.io/?b=%2B&a=aa==&a=1&EIO=4";
    let handshake = requests[0].str("target");
    let (start, cache_buster) = handshake.rsplit_once('=').unwrap();
    assert_eq!(start, format!("{user}&transport=polling&t"));
    assert!(!cache_buster.is_empty());
    for request in &requests[1..] {
        let target = request.str("target");
        let (start, sid) = target.rsplit_once("&sid=").unwrap();
        assert_eq!(sid.len(), 20, "{target}");
        if request.is("upgrade") {
            assert_eq!(start, format!("{user}&transport=websocket"));
            assert_eq!(request.get("headers").get("sec-websocket-protocol"), None);
        } else {
            let (start, cache_buster) = start.rsplit_once('=').unwrap();
            assert_eq!(start, format!("{user}&transport=polling&t"));
            assert!(!cache_buster.is_empty());
        }
    }
    let frames: Vec<String> = server
        .seen_of("frame")
        .await
        .iter()
        .map(|frame| frame.str("text").to_owned())
        .collect();
    assert_eq!(frames, ["2probe", "5", "4hello"]);
    one_upgrade_and_then_silence_on_http(&server).await;
}

#[tokio::test]
async fn posts_say_what_they_carry() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, Route::Polling).await;
    client.send(binary([0xDE, 0xAD])).unwrap();
    next_message(&mut client).await;

    let requests = server.seen_of("request").await;
    let post = requests
        .iter()
        .find(|request| request.str("method") == "POST")
        .unwrap();
    assert_eq!(
        post.get("headers")["content-type"],
        "text/plain;charset=UTF-8"
    );
    assert_eq!(server.seen_of("body").await[0].str("text"), "b3q0=");
}

#[tokio::test]
async fn posts_stay_within_the_servers_limit() {
    let limit = 1000;
    let options = json!({"maxHttpBufferSize": limit});
    let Some(server) = JsServer::engine_io(options).await else {
        return;
    };
    let mut client = open(&server, Route::Polling).await;

    // Every length of a base64 remainder, and characters of every width in UTF-8.
    let messages: Vec<Message> = (0..300)
        .map(|number| match number % 2 {
            0 => text(format!("{number}é€😀")),
            _ => binary(vec![b'x'; number]),
        })
        .collect();
    for message in &messages {
        client.send(message.clone()).unwrap();
    }
    for message in messages {
        assert_eq!(next_message(&mut client).await, message);
    }

    let bodies = server.seen_of("body").await;
    let lengths: Vec<u64> = bodies
        .iter()
        .filter_map(|body| body.number("length"))
        .collect();
    assert!(lengths.iter().all(|&length| length <= limit), "{lengths:?}");
    // Full, not merely small: the next packet would not have fitted.
    assert!(
        lengths.iter().any(|&length| length > limit - 450),
        "{lengths:?}"
    );
}

#[tokio::test]
async fn a_message_that_the_server_would_not_take_comes_back_to_the_caller() {
    let options = json!({"maxHttpBufferSize": 1000});
    for route in [Route::Polling, Route::WebSocket] {
        let Some(server) = JsServer::engine_io(options.clone()).await else {
            return;
        };
        let mut client = open(&server, route).await;
        let huge = text("x".repeat(1001));
        let Err(SendError::TooLarge { message, max, .. }) = client.send(huge.clone()) else {
            panic!("{route:?}: it was taken");
        };
        assert_eq!((message, max), (huge, 1000));
        client.send(text("the session lives")).unwrap();
        assert_eq!(next_message(&mut client).await, text("the session lives"));
    }
}

#[tokio::test]
async fn a_separator_in_a_text_is_refused_where_it_would_tear_the_payload() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let torn = text("x\u{1E}y");
    let mut client = open(&server, Route::Polling).await;
    assert_eq!(
        client.send(torn.clone()),
        Err(SendError::Separator(torn.clone()))
    );
    let mut client = open(&server, Route::WebSocket).await;
    client.send(torn.clone()).unwrap();
    assert_eq!(next_message(&mut client).await, torn);
}

#[tokio::test]
async fn a_session_without_upgrades_stays_on_polling() {
    let options = json!({"allowUpgrades": false, "pingInterval": 50, "pingTimeout": 20_000});
    let Some(server) = JsServer::engine_io(options).await else {
        return;
    };
    let mut client = client(&server, Route::Upgrade);
    let Event::Opened {
        handshake,
        transport,
    } = next_event(&mut client).await
    else {
        panic!()
    };
    assert_eq!(transport, Transport::Polling);
    assert!(handshake.upgrades.is_empty());
    let pongs = server.wait_until("three pongs", |log| {
        let pongs = log
            .iter()
            .filter(|line| line.is("packet") && line.str("type") == "pong");
        (pongs.count() >= 3).then_some(())
    });
    assert_eq!(drive(&mut client, pongs).await, []);
    assert!(server.seen_of("upgrade").await.is_empty());
}

#[tokio::test]
async fn a_transport_that_the_server_does_not_offer_is_refused() {
    for (offered, wanted) in [("polling", Route::WebSocket), ("websocket", Route::Polling)] {
        let options = json!({"transports": [offered]});
        let Some(server) = JsServer::engine_io(options).await else {
            return;
        };
        let refusal = refused(&server, wanted).await;
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.code, Some(ErrorCode::TransportUnknown));
        assert_eq!(refusal.message, "Transport unknown");
    }
}

#[tokio::test]
async fn a_server_that_forbids_says_so_in_its_own_words() {
    let options = json!({"settings": {"forbid": "not on Sundays"}});
    let Some(server) = JsServer::engine_io(options).await else {
        return;
    };

    let refusal = refused(&server, Route::Polling).await;
    assert_eq!(refusal.status, 403);
    assert_eq!(refusal.code, Some(ErrorCode::Forbidden));
    assert_eq!(refusal.message, "not on Sundays");

    // A WebSocket handshake is turned down with the bare words.
    let refusal = refused(&server, Route::WebSocket).await;
    assert_eq!(refusal.status, 400);
    assert_eq!(refusal.code, None);
    assert_eq!(refusal.message, "not on Sundays");
}

#[tokio::test]
async fn a_session_that_the_server_no_longer_knows_is_closed() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, Route::Polling).await;
    let forgotten = server.command("forget", json!({}));
    drive(&mut client, forgotten).await;

    client.send(text("is anybody there?")).unwrap();
    let reason = closed(&mut client).await;
    let CloseReason::Refused(refusal) = &reason else {
        panic!("{reason:?}")
    };
    assert_eq!(refusal.status, 400);
    assert_eq!(refusal.code, Some(ErrorCode::SessionUnknown));
    assert!(reason.is_retryable(), "a new session can succeed");
}

#[tokio::test]
async fn a_path_that_is_not_the_servers_is_refused() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let endpoint = endpoint(&server).with_path("/elsewhere/").unwrap();
    let mut client = Client::new(http(), endpoint, Route::Polling.config());
    let reason = closed(&mut client).await;
    let CloseReason::Refused(refusal) = &reason else {
        panic!("{reason:?}")
    };
    assert_eq!((refusal.status, refusal.code), (404, None));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_failure_to_connect() {
    let Some(mut server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    server.kill().await;
    for route in [Route::Polling, Route::WebSocket] {
        let reason = closed(&mut client(&server, route)).await;
        let CloseReason::Transport(error) = &reason else {
            panic!("{reason:?}")
        };
        assert_eq!(error.kind, TransportErrorKind::Connect);
        assert!(reason.is_retryable());
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_when_told_so() {
    let Some(server) = JsServer::engine_io(json!({})).await else {
        return;
    };
    let front = TlsFront::start(server.port()).await;
    let endpoint = Endpoint::parse(&front.url("/engine.io/")).unwrap();
    assert!(endpoint.is_tls());

    let stranger = http();
    let authority = front.authority_pem();
    let friend = Http::builder()
        .no_proxy()
        .root_certificates_pem(authority)
        .unwrap()
        .build()
        .unwrap();
    for route in [Route::Polling, Route::WebSocket, Route::Upgrade] {
        let mut client = Client::new(stranger.clone(), endpoint.clone(), route.config());
        let reason = closed(&mut client).await;
        let CloseReason::Transport(error) = &reason else {
            panic!("{reason:?}")
        };
        assert_eq!(error.kind, TransportErrorKind::Connect, "{error:?}");

        let mut client = Client::new(friend.clone(), endpoint.clone(), route.config());
        opened(&mut client, route).await;
        client.send(binary([1, 2, 3])).unwrap();
        assert_eq!(next_message(&mut client).await, binary([1, 2, 3]));
        client.close();
        assert_eq!(closed(&mut client).await, CloseReason::Local);
    }
    assert_eq!(
        server.seen_of("session").await.len(),
        3,
        "a stranger never got as far as HTTP"
    );
}

// What the scenarios are made of.

fn text(text: impl Into<String>) -> Message {
    Message::Text(text.into().into())
}

fn binary(bytes: impl Into<Vec<u8>>) -> Message {
    Message::Binary(Bytes::from(bytes.into()))
}

fn endpoint(server: &JsServer) -> Endpoint {
    Endpoint::parse(&server.url("/engine.io/")).unwrap()
}

fn client(server: &JsServer, route: Route) -> Client {
    Client::new(http(), endpoint(server), route.config())
}

/// A client that is open and, where the route is one, past its upgrade.
async fn open(server: &JsServer, route: Route) -> Client {
    let mut client = client(server, route);
    opened(&mut client, route).await;
    client
}

async fn opened(client: &mut Client, route: Route) {
    match next_event(client).await {
        Event::Opened { transport, .. } => assert_eq!(transport, route.first()),
        other => panic!("{other:?}"),
    }
    if route == Route::Upgrade {
        assert_eq!(
            next_event(client).await,
            Event::Upgraded(Transport::WebSocket)
        );
    }
}

async fn next_event(client: &mut Client) -> Event {
    within("an event", client.next())
        .await
        .expect("the connection is over")
}

async fn next_message(client: &mut Client) -> Message {
    match next_event(client).await {
        Event::Message(message) => message,
        other => panic!("not a message: {other:?}"),
    }
}

/// Why the connection ended, which is the next thing to happen.
async fn closed(client: &mut Client) -> CloseReason {
    match next_event(client).await {
        Event::Closed(reason) => reason,
        other => panic!("not closed: {other:?}"),
    }
}

async fn refused(server: &JsServer, route: Route) -> Refusal {
    match closed(&mut client(server, route)).await {
        CloseReason::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Drives the client, which does nothing by itself, until `other` is done. Gives what happened meanwhile.
async fn drive(client: &mut Client, other: impl Future<Output = ()>) -> Vec<Event> {
    let mut events = Vec::new();
    tokio::pin!(other);
    loop {
        tokio::select! {
            biased;
            event = client.next(), if !matches!(events.last(), Some(Event::Closed(_))) => {
                events.extend(event);
            }
            () = &mut other => return events,
        }
    }
}

/// The texts of the messages that the server received, in its order.
async fn messages_received(server: &JsServer) -> Vec<String> {
    let packets = server.seen_of("packet").await;
    let messages = packets
        .iter()
        .filter(|packet| packet.str("type") == "message");
    messages
        .map(|message| message.str("text").to_owned())
        .collect()
}

/// Every request and WebSocket handshake, in the server's order.
async fn requests(server: &JsServer) -> Vec<Line> {
    let mut log = server.seen().await;
    log.retain(|line| line.is("request") || line.is("upgrade"));
    log
}

async fn one_upgrade_and_then_silence_on_http(server: &JsServer) {
    let log = server.seen().await;
    let upgraded = log
        .iter()
        .position(|line| line.is("upgraded"))
        .expect("an upgrade");
    let later = &log[upgraded..];
    assert!(!later.iter().any(|line| line.is("request")), "{later:#?}");
    assert_eq!(log.iter().filter(|line| line.is("upgrade")).count(), 1);
}
