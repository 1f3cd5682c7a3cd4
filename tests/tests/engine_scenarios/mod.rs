//! What an Engine.IO session must do, whichever revision it speaks.

mod transports;

use bytes::Bytes;
use conformance::{Case, JsServer, Line, Route, http, within};
use engineio::client::Client;
use engineio::{
    CloseReason, Endpoint, ErrorCode, Event, Message, Refusal, SendError, Transport,
    TransportErrorKind, Version,
};
use futures_util::StreamExt as _;
use serde_json::json;

pub(crate) use transports::*;

/// Runs them all against a release of the server, in a revision.
macro_rules! engine_scenarios {
    ($release:expr, $version:expr) => {
        conformance::over_every_route! { $release, $version =>
            every_kind_of_message_comes_back,
            the_heartbeat_keeps_a_session_open,
            what_the_server_sent_before_it_closed_arrives,
            what_was_sent_before_a_close_arrives,
            a_server_that_dies_is_noticed,
            what_arrives_while_nobody_reads_is_kept,
            extra_headers_are_on_every_request,
            a_server_that_falls_silent_is_given_up,
            text_of_every_length_comes_back,
            force_base64_makes_text_of_bytes_in_both_directions,
            a_structured_query_and_the_timestamp_arrive_as_they_are_set,
            the_round_trip_of_the_heartbeat_is_measured,
        }
        conformance::over_one_route! { $release, $version, Route::WebSocket =>
            subprotocols_are_agreed_on,
        }
        conformance::over_one_route! { $release, $version, Route::Upgrade =>
            a_close_during_the_upgrade_still_delivers_what_was_sent,
            no_message_is_lost_or_reordered_by_the_upgrade,
            a_session_without_upgrades_stays_on_polling,
            requests_are_those_of_the_reference_client,
        }
        conformance::over_one_route! { $release, $version, Route::Polling =>
            a_session_that_the_server_no_longer_knows_is_closed,
            a_transport_that_the_server_does_not_offer_is_refused,
            a_path_that_is_not_the_servers_is_refused,
            try_all_transports_opens_where_the_first_is_not_offered,
        }
    };
}

pub(crate) async fn every_kind_of_message_comes_back(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;

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

pub(crate) async fn text_of_every_length_comes_back(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;

    // Where a length has more digits, and in bytes, characters or UTF-16 units the same text has another number of
    // them. The characters next to where surrogates would be are among them, and the first and the last beyond.
    let characters = [
        "x",
        "é",
        "€",
        "\u{D7FF}",
        "\u{E000}",
        "\u{FFFF}",
        "\u{10000}",
        "😀",
        "\u{10FFFF}",
    ];
    let mut messages = Vec::new();
    for length in (0..=12).chain(96..=103).chain(996..=1003) {
        for character in characters {
            let units: usize = character.encode_utf16().count();
            let mut whole = character.repeat(length / units);
            messages.push(text(format!("{whole}{}", "x".repeat(length % units))));
            whole.insert_str(0, &"x".repeat(length % units));
            messages.push(text(whole));
        }
    }
    for message in &messages {
        client.send(message.clone()).unwrap();
    }
    for message in messages {
        assert_eq!(next_message(&mut client).await, message);
    }
}

pub(crate) async fn the_heartbeat_keeps_a_session_open(case: Case) {
    let options = json!({"pingInterval": 100, "pingTimeout": 20_000});
    let Some(server) = case.release.engine_io(options).await else {
        return;
    };
    let mut client = open(&server, case).await;

    drive(&mut client, beats(&server, case, 5)).await;

    client.send(text("still here")).unwrap();
    assert_eq!(next_message(&mut client).await, text("still here"));
}

pub(crate) async fn what_the_server_sent_before_it_closed_arrives(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;

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

pub(crate) async fn what_was_sent_before_a_close_arrives(case: Case) {
    // A server that answered into the closing connection would report a write error.
    let settings = json!({"settings": {"mute": true}});
    let Some(server) = case.release.engine_io(settings).await else {
        return;
    };
    let mut client = open(&server, case).await;

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
    match case.route {
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

pub(crate) async fn a_server_that_dies_is_noticed(case: Case) {
    let Some(mut server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;
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

pub(crate) async fn what_arrives_while_nobody_reads_is_kept(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;
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

pub(crate) async fn extra_headers_are_on_every_request(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut headers = http::HeaderMap::new();
    headers.insert("x-tenant", "contoso".parse().unwrap());
    let client = Client::new(http(), endpoint(&server), case.config());
    let mut client = client.with_headers(headers);
    opened(&mut client, case).await;
    client.send(text("a request more")).unwrap();
    next_message(&mut client).await;

    let requests = requests(&server).await;
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.get("headers")["x-tenant"], "contoso", "{request:?}");
    }
}

#[cfg(unix)]
pub(crate) async fn a_server_that_falls_silent_is_given_up(case: Case) {
    let options = json!({"pingInterval": 200, "pingTimeout": 1000});
    let Some(server) = case.release.engine_io(options).await else {
        return;
    };
    let mut client = open(&server, case).await;
    server.freeze().await;
    let reason = closed(&mut client).await;
    assert_eq!(reason, CloseReason::PingTimeout);
    assert!(reason.is_retryable());
}

pub(crate) async fn a_close_during_the_upgrade_still_delivers_what_was_sent(case: Case) {
    let settings = json!({"settings": {"mute": true}});
    let Some(server) = case.release.engine_io(settings).await else {
        return;
    };
    let mut client = client(&server, case);
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

pub(crate) async fn no_message_is_lost_or_reordered_by_the_upgrade(case: Case) {
    let after_the_upgrade = 200;
    let settings = json!({"settings": {"stream": after_the_upgrade}});
    let Some(server) = case.release.engine_io(settings).await else {
        return;
    };
    let mut client = client(&server, case);

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

pub(crate) async fn requests_are_those_of_the_reference_client(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let url = server.url("/engine.io/?b=%2B&a=aa==&a=1");
    let endpoint = Endpoint::parse(&url).unwrap();
    let mut client = Client::new(http(), endpoint, case.config());
    opened(&mut client, case).await;
    client.send(text("hello")).unwrap();
    next_message(&mut client).await;

    let (user, behind_the_cache_buster) = match case.version {
        Version::V3 => ("/engine.io/?b=%2B&a=aa==&a=1&EIO=3", "&b64=1"),
        _ => ("/engine.io/?b=%2B&a=aa==&a=1&EIO=4", ""),
    };
    let is_polling = |target: &str| {
        let rest = target.strip_prefix(&format!("{user}&transport=polling&t="));
        let cache_buster = rest.and_then(|rest| rest.strip_suffix(behind_the_cache_buster));
        cache_buster.is_some_and(|value| !value.is_empty() && !value.contains('&'))
    };
    let requests = requests(&server).await;
    let handshake = requests[0].str("target");
    assert!(is_polling(handshake), "{handshake}");
    for request in &requests[1..] {
        let target = request.str("target");
        let (start, sid) = target.rsplit_once("&sid=").unwrap();
        assert_eq!(sid.len(), 20, "{target}");
        if request.is("upgrade") {
            assert_eq!(start, format!("{user}&transport=websocket"));
            assert_eq!(request.get("headers").get("sec-websocket-protocol"), None);
        } else {
            assert!(is_polling(start), "{target}");
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

pub(crate) async fn a_session_without_upgrades_stays_on_polling(case: Case) {
    let options = json!({"allowUpgrades": false, "pingInterval": 50, "pingTimeout": 20_000});
    let Some(server) = case.release.engine_io(options).await else {
        return;
    };
    let mut client = client(&server, case);
    let Event::Opened {
        handshake,
        transport,
        ..
    } = next_event(&mut client).await
    else {
        panic!()
    };
    assert_eq!(transport, Transport::Polling);
    assert!(handshake.upgrades.is_empty());
    assert_eq!(drive(&mut client, beats(&server, case, 3)).await, []);
    assert!(server.seen_of("upgrade").await.is_empty());
}

pub(crate) async fn posts_stay_within_the_servers_limit(case: Case) {
    let limit = 1000;
    let options = json!({"maxHttpBufferSize": limit});
    let Some(server) = case.release.engine_io(options).await else {
        return;
    };
    let mut client = open(&server, case).await;

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

pub(crate) async fn a_session_that_the_server_no_longer_knows_is_closed(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let mut client = open(&server, case).await;
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

pub(crate) async fn a_transport_that_the_server_does_not_offer_is_refused(case: Case) {
    for (offered, wanted) in [("polling", Route::WebSocket), ("websocket", Route::Polling)] {
        let options = json!({"transports": [offered]});
        let Some(server) = case.release.engine_io(options).await else {
            return;
        };
        let case = Case {
            route: wanted,
            ..case
        };
        let refusal = refused(&server, case).await;
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.code, Some(ErrorCode::TransportUnknown));
        assert_eq!(refusal.message, "Transport unknown");
    }
}

pub(crate) async fn a_path_that_is_not_the_servers_is_refused(case: Case) {
    let Some(server) = case.release.engine_io(json!({})).await else {
        return;
    };
    let endpoint = endpoint(&server).with_path("/elsewhere/").unwrap();
    let mut client = Client::new(http(), endpoint, case.config());
    let reason = closed(&mut client).await;
    let CloseReason::Refused(refusal) = &reason else {
        panic!("{reason:?}")
    };
    assert_eq!((refusal.status, refusal.code), (404, None));
}

// What the scenarios are made of.

pub(crate) fn text(text: impl Into<String>) -> Message {
    Message::Text(text.into().into())
}

pub(crate) fn binary(bytes: impl Into<Vec<u8>>) -> Message {
    Message::Binary(Bytes::from(bytes.into()))
}

pub(crate) fn endpoint(server: &JsServer) -> Endpoint {
    Endpoint::parse(&server.url("/engine.io/")).unwrap()
}

pub(crate) fn client(server: &JsServer, case: Case) -> Client {
    Client::new(http(), endpoint(server), case.config())
}

/// A client that is open and, where the route is one, past its upgrade.
pub(crate) async fn open(server: &JsServer, case: Case) -> Client {
    let mut client = client(server, case);
    opened(&mut client, case).await;
    client
}

pub(crate) async fn opened(client: &mut Client, case: Case) {
    match next_event(client).await {
        Event::Opened {
            transport, version, ..
        } => assert_eq!((transport, version), (case.route.first(), case.version)),
        other => panic!("{other:?}"),
    }
    if case.route == Route::Upgrade {
        assert_eq!(
            next_event(client).await,
            Event::Upgraded(Transport::WebSocket)
        );
    }
}

pub(crate) async fn next_event(client: &mut Client) -> Event {
    within("an event", client.next())
        .await
        .expect("the connection is over")
}

pub(crate) async fn next_message(client: &mut Client) -> Message {
    match next_event(client).await {
        Event::Message(message) => message,
        other => panic!("not a message: {other:?}"),
    }
}

/// Why the connection ended, which is the next thing to happen.
pub(crate) async fn closed(client: &mut Client) -> CloseReason {
    match next_event(client).await {
        Event::Closed(reason) => reason,
        other => panic!("not closed: {other:?}"),
    }
}

pub(crate) async fn refused(server: &JsServer, case: Case) -> Refusal {
    match closed(&mut client(server, case)).await {
        CloseReason::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Drives the client, which does nothing by itself, until `other` is done. Gives what happened meanwhile.
pub(crate) async fn drive(client: &mut Client, other: impl Future<Output = ()>) -> Vec<Event> {
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

/// Waits until the server has heard `count` heartbeats: pings of the client, or its answers to the server's.
pub(crate) async fn beats(server: &JsServer, case: Case, count: usize) {
    let kind = match case.version {
        Version::V3 => "ping",
        _ => "pong",
    };
    server
        .wait_until("the heartbeats", |log| {
            let beats = log
                .iter()
                .filter(|line| line.is("packet") && line.str("type") == kind);
            (beats.count() >= count).then_some(())
        })
        .await;
}

/// The texts of the messages that the server received, in its order.
pub(crate) async fn messages_received(server: &JsServer) -> Vec<String> {
    let packets = server.seen_of("packet").await;
    let messages = packets
        .iter()
        .filter(|packet| packet.str("type") == "message");
    messages
        .map(|message| message.str("text").to_owned())
        .collect()
}

/// Every request and WebSocket handshake, in the server's order.
pub(crate) async fn requests(server: &JsServer) -> Vec<Line> {
    let mut log = server.seen().await;
    log.retain(|line| line.is("request") || line.is("upgrade"));
    log
}

pub(crate) async fn one_upgrade_and_then_silence_on_http(server: &JsServer) {
    let log = server.seen().await;
    let upgraded = log
        .iter()
        .position(|line| line.is("upgraded"))
        .expect("an upgrade");
    let later = &log[upgraded..];
    assert!(!later.iter().any(|line| line.is("request")), "{later:#?}");
    assert_eq!(log.iter().filter(|line| line.is("upgrade")).count(), 1);
}
