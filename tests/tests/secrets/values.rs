//! Every public type that can hold text, with secrets wherever it can hold one.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use bytestring::ByteString;
use conformance::{http as http_stack, within};
use engineio::client::{Client, Http};
use engineio::{Bytes, Endpoint, Handshake, Transport, Version};
use graph_notifications::{
    AccessToken, BaseUrl, Cloud, Delta, DeltaLink, DeviceCode, ExposeSecret as _, NotificationUrl,
    PlainHttp, Resource, SecretString, StaticToken, SubscriptionRequest, TokenRequest, UrlOptions,
    Watch, Watches, token_fn,
};
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use socketio::session::{Auth, Config, Input, Join, Session};
use socketio::{Builder, Dial, Event};
use socketio_codec::{Args, Json, Namespace, Packet, Parser, Query, Revision, Spread};

use crate::server::{Answer, Server, Step, http};
use crate::{ear, needle, source};

/// What is shown, by type.
#[derive(Default)]
struct Shown {
    looked_at: BTreeSet<&'static str>,
    leaks: Vec<String>,
}

impl Shown {
    fn value(&mut self, name: &'static str, value: impl Debug) {
        self.look_at(name, &[format!("{value:?}"), format!("{value:#?}")]);
    }

    fn error(&mut self, name: &'static str, error: impl Error + 'static) {
        self.look_at(name, &needle::words_of(&error));
    }

    fn look_at(&mut self, name: &'static str, texts: &[String]) {
        self.looked_at.insert(name);
        let leaks = texts.iter().filter(|text| needle::is_in(text));
        self.leaks
            .extend(leaks.map(|text| format!("{name}: {text}")));
    }
}

const SID: &str =
    r#"{"sid":"PLANTED-sid","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;

fn handshake() -> Box<Handshake> {
    Box::new(Handshake::parse(SID).unwrap())
}

fn secret_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let bearer = HeaderValue::from_static("Bearer PLANTED-bearer");
    headers.insert(AUTHORIZATION, bearer);
    headers.insert(COOKIE, HeaderValue::from_static("c=PLANTED-cookie"));
    headers
}

/// A type whose errors are its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[expect(dead_code, reason = "never read")]
    known: u8,
}

#[derive(Debug, Deserialize)]
enum Choice {
    One,
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it cannot be written"))
    }
}

/// One that refuses a text, and does not say which.
#[derive(Debug)]
struct Never;

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unexpected = serde::de::Unexpected::Str(&text);
        Err(serde::de::Error::invalid_value(unexpected, &"another text"))
    }
}

fn of_engine(shown: &mut Shown) {
    for url in [
        "https://user:PLANTED@h/engine.io/?token=PLANTED",
        "https://h/engine.io/?token=PLANTED#PLANTED",
    ] {
        shown.value("engineio::Endpoint", Endpoint::parse(url));
    }
    let endpoint = Endpoint::parse("https://h/?token=PLANTED").unwrap();
    for url in [
        "PLANTED",
        "PLANTED://h",
        "https://PLANTED PLANTED/",
        "https://:PLANTED@/",
        "https://h:PLANTED/",
        "https://h/?sid=PLANTED",
        "https://h/?t=PLANTED\r\nX: PLANTED",
        &format!("https://h/?{}", "PLANTED".repeat(20_000)),
    ] {
        if let Err(error) = Endpoint::parse(url) {
            shown.error("engineio::EndpointError", error);
        }
    }
    for query in [
        "EIO=PLANTED",
        "sid=PLANTED",
        "a=PLANTED#",
        "\nPLANTED",
        "é=PLANTED",
    ] {
        if let Err(error) = endpoint.clone().with_query(query) {
            shown.error("engineio::EndpointError", error);
        }
    }
    for path in ["PLANTED", "/PLANTED?PLANTED", "/\nPLANTED"] {
        if let Err(error) = endpoint.clone().with_path(path) {
            shown.error("engineio::EndpointError", error);
        }
    }
    let mut config = engineio::Config::default();
    config.subprotocols = engineio::Subprotocols::new(["PLANTED"]).unwrap();
    shown.value("engineio::Subprotocols", config.subprotocols.clone());
    for names in [
        &["PLANTED PLANTED"][..],
        &["PLANTED", "PLANTED"],
        &["PLANTEDé"],
    ] {
        let refused = engineio::Subprotocols::new(names.iter().copied()).unwrap_err();
        needle::told("engineio::SubprotocolError", &refused);
    }
    shown.value("engineio::Config", config.clone());
    shown.value("engineio::Timestamp", engineio::Timestamp::always());
    shown.value("engineio::Handshake", handshake());
    shown.value("engineio::Sid", handshake().sid.clone());
    for bad in [
        r#"{"sid":"PLANTED""#,
        r#"{"sid":"PLANTED","pingInterval":"PLANTED"}"#,
        "PLANTED",
    ] {
        let error = Handshake::parse(bad).unwrap_err();
        shown.error("engineio::ProtocolError", error.clone());
        shown.error("engineio::CloseReason", engineio::CloseReason::from(error));
    }
    for text in [
        "0PLANTED", "4PLANTED", "bPLANTED", "9PLANTED", "2PLANTED", "3PLANTED",
    ] {
        let frame = engineio::Frame::Text(text.into());
        shown.value("engineio::Frame", &frame);
        shown.value(
            "engineio::Action",
            engineio::Action::SendFrame(frame.clone()),
        );
        shown.value("engineio::Input", engineio::Input::Frame(frame));
        for version in [Version::V3, Version::V4] {
            let packet = engineio::Packet::decode(version, &ByteString::from(text));
            shown.value("engineio::Packet", packet);
        }
    }
    let binary = Bytes::from_static(b"PLANTED");
    shown.value("engineio::Frame", engineio::Frame::Binary(binary.clone()));
    let packets = engineio::payload::decode(Version::V4, binary.clone(), 9);
    shown.value("engineio::Packets", packets);
    shown.value(
        "engineio::OpenData",
        engineio::packet::OpenData("PLANTED".into()),
    );
    shown.value(
        "engineio::Response",
        engineio::Response::new(200, binary.clone()),
    );
    let response = engineio::Response::new(400, binary.clone());
    shown.value("engineio::Input", engineio::Input::GetDone(Ok(response)));
    let messages = [
        engineio::Message::from("PLANTED"),
        engineio::Message::Binary(binary),
    ];
    for message in messages {
        shown.value("engineio::Message", message.clone());
        shown.value("engineio::Event", engineio::Event::Message(message.clone()));
        shown.error(
            "engineio::SendError",
            engineio::SendError::Separator(message.clone()),
        );
        shown.error("engineio::SendError", engineio::SendError::NotOpen(message));
    }
    // A connection in the middle of everything.
    let now = engineio::client::now();
    let mut connection = engineio::Connection::new(config.clone(), now);
    let mut seen = 0;
    for input in [
        engineio::Input::GetDone(Ok(engineio::Response::new(200, format!("0{SID}")))),
        engineio::Input::GetDone(Ok(engineio::Response::new(200, "4PLANTED"))),
        engineio::Input::WebSocketOpened,
        engineio::Input::Frame(engineio::Frame::Text("3probe".into())),
        engineio::Input::GetDone(Ok(engineio::Response::new(200, "4PLANTED"))),
    ] {
        connection.handle_input(now, input);
        connection.send(now, "PLANTED".into()).ok();
        shown.value("engineio::Connection", &connection);
        while let Some(event) = connection.poll_event() {
            shown.value("engineio::Event", event);
        }
        while let Some(action) = connection.poll_action() {
            if let engineio::Action::Get(target) = &action {
                shown.value("engineio::Target", target);
                seen += usize::from(target.sid.is_some());
            }
            shown.value("engineio::Action", action);
        }
    }
    assert!(seen > 0, "no request with a session id");
    // Its texts are somebody's who has cut secrets out; `wire` has what comes of real servers.
    for kind in [
        engineio::TransportErrorKind::Connect,
        engineio::TransportErrorKind::WebSocket,
    ] {
        let error = engineio::TransportError::new(kind, "words");
        shown.error(
            "engineio::UpgradeError",
            engineio::UpgradeError::from(error.clone()),
        );
        shown.error("engineio::TransportError", error);
    }
    shown.error("engineio::Refusal", engineio::Refusal::new(400, b"words"));

    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["client".to_owned()]).unwrap();
    let identity = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let builder = Http::builder()
        .no_system_certificates()
        .proxy("http://PLANTED:PLANTED@localhost:1")
        .unwrap()
        .proxy_auth("PLANTED", "PLANTED")
        .client_identity_pem(identity.as_bytes())
        .unwrap()
        .user_agent("PLANTED")
        .customize(|reqwest| reqwest.default_headers(secret_headers()));
    let text = format!("{builder:?} {builder:#?}");
    for line in key
        .serialize_pem()
        .lines()
        .filter(|line| !line.starts_with('-'))
    {
        assert!(!text.contains(line));
    }
    shown.value("engineio::HttpBuilder", &builder);
    shown.value("engineio::Http", builder.build().unwrap());
    for error in [
        Http::builder()
            .proxy("PLANTED://PLANTED:PLANTED@h")
            .unwrap_err(),
        Http::builder().proxy("http://user:PLANTED@:x").unwrap_err(),
        Http::builder()
            .root_certificates_pem(b"PLANTED")
            .unwrap_err(),
        Http::builder()
            .client_identity_pem(
                b"-----BEGIN PRIVATE KEY-----\nPLANTED\n-----END PRIVATE KEY-----\n",
            )
            .unwrap_err(),
        Http::builder()
            .no_system_certificates()
            .user_agent("PLANTED\n")
            .build()
            .unwrap_err(),
        Http::builder()
            .no_system_certificates()
            .proxy("socks4://PLANTED:PLANTED@h:1")
            .unwrap()
            .build()
            .unwrap_err(),
    ] {
        shown.error("engineio::HttpError", error);
    }
    let client = Client::new(http_stack(), endpoint, config).with_headers(secret_headers());
    shown.value("engineio::Secrets", client.secrets());
    shown.value("engineio::Client", client);
}

fn of_codec(shown: &mut Shown) {
    let args = Args::new(&json!({"token": "PLANTED"})).unwrap();
    let binary = Args::new(&(Bytes::from_static(b"PLANTED"), "PLANTED")).unwrap();
    shown.value("socketio_codec::RawArgs", args.iter_raw());
    let json = Json::from_text(r#"{"token":"PLANTED"}"#).unwrap();
    let query: Query = Query::try_from("token=PLANTED").unwrap();
    let namespace = Namespace::try_from("/chat").unwrap();
    let event =
        socketio_codec::Event::new("name", &("PLANTED", Bytes::from_static(b"PLANTED"))).unwrap();
    for args in [args, binary] {
        shown.value("socketio_codec::Args", &args);
        let packet = Packet::Ack {
            namespace: namespace.clone(),
            id: 1,
            args,
        };
        shown.value("socketio_codec::Packet", packet);
    }
    shown.value("socketio_codec::Event", &event);
    shown.value("socketio_codec::Json", &json);
    shown.value("socketio_codec::Query", &query);
    shown.value("socketio_codec::Namespace", &namespace);
    let packets = [
        Packet::Connect {
            namespace: namespace.clone(),
            query: Some(query),
            payload: Some(json.clone()),
        },
        Packet::ConnectError {
            namespace: namespace.clone(),
            payload: Some(json.clone()),
        },
        Packet::Event {
            namespace,
            id: Some(1),
            event: event.clone(),
        },
    ];
    for packet in &packets {
        shown.value("socketio_codec::Packet", packet);
        for parser in [Parser::json(), Parser::msgpack()] {
            let Ok(parts) = parser.encode(packet) else {
                continue;
            };
            for part in parts.iter() {
                shown.value("socketio_codec::Part", part);
            }
            let mut decoder = parser.decoder(socketio_codec::Limits::default(), Revision::R5);
            // One that waits for attachments.
            let first = parts.iter().next().unwrap().clone();
            decoder.part(first).ok();
            shown.value("socketio_codec::ParserDecoder", &decoder);
            shown.value("socketio_codec::Parts", parts);
            shown.value("socketio_codec::Parser", parser);
        }
    }
    // What it holds is the caller's, and shown as the caller's type shows it.
    let secrets = vec![SecretString::from("PLANTED")];
    shown.value("socketio_codec::Spread", Spread(secrets));
    for text in [
        r#"2["a",{"token":"PLANTED"}"#,
        r#"51-["PLANTED",{"_placeholder":true,"num":7}]"#,
        r#"0{"token":PLANTED}"#,
        r#"2{"token":"PLANTED"}"#,
        r#"2["connect","PLANTED"]"#,
        r#"3["PLANTED"]"#,
        "7PLANTED",
        "PLANTED",
        "4PLANTED",
        "0/PLANTED?PLANTED",
        r#"51-["a",{"_placeholder":true,"num":0},"PLANTED"]"#,
    ] {
        for revision in [Revision::R4, Revision::R5] {
            let mut decoder =
                socketio_codec::Decoder::with_revision(socketio_codec::Limits::default(), revision);
            match decoder.text(ByteString::from(text)) {
                Ok(packet) => needle::shown(
                    "Packet",
                    &packet.filter(|packet| !matches!(packet, Packet::Connect { .. })),
                ),
                Err(error) => shown.error("socketio_codec::DecodeError", error),
            }
            shown.value("socketio_codec::Decoder", &decoder);
        }
    }
    let event = |json: &str| {
        socketio_codec::Event::from_json(json.replacen('[', "[\"e\",", 1), vec![], Revision::R5)
            .unwrap()
    };
    let text = event(r#"["PLANTED"]"#);
    let object = event(r#"[{"PLANTED":"PLANTED","known":"PLANTED"}]"#);
    for error in [
        text.parse::<u8>().unwrap_err(),
        text.parse::<(u8, u8)>().unwrap_err(),
        text.parse::<Vec<bool>>().unwrap_err(),
        text.parse::<Choice>()
            .map(|choice| matches!(choice, Choice::One))
            .unwrap_err(),
        text.parse::<Never>().unwrap_err(),
        text.parse::<char>().unwrap_err(),
        text.parse::<std::net::IpAddr>().unwrap_err(),
        object.parse::<Strict>().unwrap_err(),
        object
            .parse::<Choice>()
            .map(|choice| matches!(choice, Choice::One))
            .unwrap_err(),
        object.parse::<HashMap<u8, String>>().unwrap_err(),
        object.parse::<HashMap<String, f64>>().unwrap_err(),
    ] {
        shown.error("socketio_codec::ArgsError", error);
    }
    shown.error(
        "socketio_codec::ValueError",
        json.parse::<Strict>().unwrap_err(),
    );
    shown.error(
        "socketio_codec::ValueError",
        json.parse::<u8>().unwrap_err(),
    );
    for error in [
        Args::new(&("PLANTED", Failing)).unwrap_err(),
        Args::new(&HashMap::from([(vec!["PLANTED"], "PLANTED")])).unwrap_err(),
        socketio_codec::Event::new("connect", &"PLANTED").unwrap_err(),
    ] {
        shown.error("socketio_codec::EncodeError", error);
    }
}

fn of_sessions(shown: &mut Shown) {
    let auth = || Json::from_text(r#"{"token":"PLANTED"}"#).unwrap();
    let now = engineio::client::now();
    let mut config = Config::default();
    config.version = Version::V4;
    shown.value("socketio::Config", &config);
    let mut join = Join::with_auth(auth());
    join.query = Some(Query::try_from("token=PLANTED").unwrap());
    join.report_sent = true;
    shown.value("socketio::Auth", Auth::Fixed(auth()));
    shown.value("socketio::Join", &join);
    let mut session = Session::new(config, 7);
    let key = session.join(now, Namespace::root(), join).unwrap();
    let opened = Input::LinkOpened {
        handshake: handshake(),
        transport: Transport::Polling,
        version: Version::V4,
    };
    for input in [
        opened,
        Input::Message(r#"0{"sid":"PLANTED","pid":"PLANTED"}"#.into()),
        Input::Message(r#"21["e","PLANTED","PLANTED-offset"]"#.into()),
        Input::Message(r#"51-["e",{"_placeholder":true,"num":0},"PLANTED"]"#.into()),
    ] {
        shown.value("socketio::Input", &input);
        let event = socketio_codec::Event::new("e", &"PLANTED").unwrap();
        session.emit(key, event.clone()).ok();
        session
            .emit_retried(now, key, event, Duration::from_secs(1))
            .ok();
        session.handle_input(now, input);
        shown.value("socketio::Session", &session);
        while let Some(action) = session.poll_action() {
            shown.value("socketio::Action", action);
        }
        while let Some((_, event)) = session.poll_event() {
            shown.value("socketio::Event", &event);
            if let socketio::session::Event::Message(mut message) = event {
                shown.value("socketio::Message", &message);
                needle::shown("a ticket", &message.ack());
            }
        }
    }
}

/// A session over a socket, with a server that gives secrets and repeats some.
async fn of_clients(shown: &mut Shown) {
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

const TOKENS: &str = r#"{"token_type":"Bearer","access_token":"PLANTED-access","expires_in":0,"refresh_token":"PLANTED-refresh"}"#;

fn graph(server: &Server) -> String {
    format!("http://127.0.0.1:{}", server.port)
}

async fn of_graph(shown: &mut Shown) {
    let server = Server::start(|request| match request.target.as_str() {
        target if target.ends_with("/devicecode") => http("200 OK", "", r#"{"user_code":"PLANTED-code","device_code":"PLANTED-device","verification_uri":"https://h/","message":"PLANTED-code","interval":0}"#),
        target if target.ends_with("/token") => http("200 OK", "", TOKENS),
        target if target.ends_with("/socketIo") => http("200 OK", "", r#"{"notificationUrl":"https://h/n?token=PLANTED","id":"1"}"#),
        _ => {
            let link = request.head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
            let body = format!(r#"{{"value":[{{"id":"1","name":"n","@microsoft.graph.downloadUrl":"https://h/?tempauth=PLANTED"}}],"@odata.deltaLink":"http://{link}/delta?token=PLANTED"}}"#);
            http("200 OK", "", &body)
        }
    })
    .await;
    let base = || BaseUrl::parse(&graph(&server), PlainHttp::OnLoopback).unwrap();
    shown.value("graph_notifications::BaseUrl", base());
    shown.value("graph_notifications::Cloud", Cloud::Custom(base()));
    for url in [
        "PLANTED",
        "https://PLANTED:PLANTED@h",
        "https://h/?PLANTED",
        "https://h:PLANTED",
        "http://h/PLANTED",
        "https://h/#PLANTED",
    ] {
        shown.error(
            "graph_notifications::BaseUrlError",
            Cloud::custom(url).unwrap_err(),
        );
    }
    let token = AccessToken::new("PLANTED").unwrap();
    shown.value("graph_notifications::AccessToken", &token);
    let fixed = StaticToken::new("PLANTED").unwrap();
    shown.value("graph_notifications::StaticToken", &fixed);
    let given = token.clone();
    shown.value(
        "graph_notifications::TokenFn",
        token_fn(move |_| std::future::ready(Ok(given.clone()))),
    );
    for bad in ["PLANTED\n", "Bearer PLANTED", "PLANTEDé"] {
        shown.error(
            "graph_notifications::TokenError",
            AccessToken::new(bad).unwrap_err(),
        );
    }
    let options = || UrlOptions::default().plain_http(PlainHttp::OnLoopback);
    let url = NotificationUrl::parse_with("http://localhost:1/n?token=PLANTED", options()).unwrap();
    shown.value("graph_notifications::NotificationUrl", &url);
    for bad in [
        "PLANTED",
        "https://PLANTED:PLANTED@h/?t",
        "http://h/?PLANTED",
        "https://h/n?t=\nPLANTED",
        "https://h/n?t#PLANTED",
    ] {
        if let Err(error) = NotificationUrl::parse(bad) {
            needle::told("NotificationUrlError", &error);
            shown
                .looked_at
                .insert("graph_notifications::NotificationUrlError");
            shown.error(
                "graph_notifications::BadAnswer",
                graph_notifications::BadAnswer::from(error),
            );
        }
    }
    shown.value("graph_notifications::FromUrl", Watch::for_url(url.clone()));
    shown.value(
        "graph_notifications::WatchBuilder",
        Watch::for_url(url.clone()).http(http_stack()),
    );
    // Nobody else has one.
    shown.value(
        "graph_notifications::WatchSource",
        Watch::for_url(url.clone()),
    );
    let builder = Watch::builder(Resource::me_drive()).token(fixed.clone());
    shown.value("graph_notifications::FromResource", &builder);
    shown.value("graph_notifications::WatchBuilder", &builder);
    let mut options = graph_notifications::ConnectOptions::default();
    options.http = Some(http_stack());
    shown.value("graph_notifications::ConnectOptions", &options);
    shown.value(
        "graph_notifications::WatchConfig",
        graph_notifications::WatchConfig::default(),
    );
    shown.value("graph_notifications::Resource", Resource::me_drive());
    let watch = Watch::for_url(url).http(http_stack()).start();
    shown.value("graph_notifications::Watch", &watch);
    let mut watches = Watches::new();
    watches.insert("key", watch);
    shown.value("graph_notifications::Watches", &watches);
    drop(watches);

    let mut request = SubscriptionRequest::new(Resource::me_drive());
    request.cloud = Cloud::Custom(base());
    shown.value("graph_notifications::SubscriptionRequest", &request);
    let granted = within("a subscription", request.send(&http_stack(), &token))
        .await
        .unwrap();
    assert_eq!(
        granted.notification_url.query().expose_secret(),
        "token=PLANTED"
    );
    shown.value("graph_notifications::Subscription", granted);

    let builder = Delta::builder(Resource::me_drive())
        .token(fixed)
        .cloud(Cloud::Custom(base()))
        .http(http_stack());
    shown.value("graph_notifications::DeltaBuilder", &builder);
    let delta = builder.build().unwrap();
    shown.value("graph_notifications::Delta", &delta);
    let mut changes = delta.changes(None);
    let page = within("a page", changes.next_page())
        .await
        .unwrap()
        .unwrap();
    assert!(page.changes[0].json().get().contains("PLANTED"));
    shown.value("graph_notifications::Change", &page.changes[0]);
    shown.value("graph_notifications::Page", page);
    shown.value("graph_notifications::Changes", &changes);
    let link = changes.delta_link().unwrap().clone();
    shown.value("graph_notifications::DeltaLink", &link);
    let changes = delta.changes(Some(&link));
    shown.value("graph_notifications::Changes", &changes);
    shown.value(
        "graph_notifications::Collected",
        within("all", changes.collect()).await.unwrap(),
    );
    for bad in [
        "PLANTED",
        "http://h/?PLANTED",
        "https://PLANTED@h/",
        "https://h/#PLANTED",
        "https://h:PLANTED/",
    ] {
        let error = DeltaLink::parse(bad).unwrap_err();
        needle::told("DeltaLinkError", &error);
        shown.error(
            "graph_notifications::DeltaError",
            graph_notifications::DeltaError::BadLink(error),
        );
    }

    let builder = DeviceCode::builder("app")
        .authority(base())
        .http(http_stack());
    shown.value("graph_notifications::DeviceCodeBuilder", &builder);
    let sign_in = builder.build().unwrap();
    shown.value("graph_notifications::DeviceCode", &sign_in);
    let mut pending = within("a code", sign_in.start()).await.unwrap();
    shown.value("graph_notifications::PendingLogin", &pending);
    let login = within("tokens", pending.finish()).await.unwrap();
    shown.value("graph_notifications::Login", &login);
    shown.value("graph_notifications::RefreshTokens", login.refresh_tokens());
    needle::shown("a refresh token", &login.refresh_token());
    needle::shown("a token", &login.access_token(TokenRequest::any()).await);
    shown.error(
        "graph_notifications::LoginError",
        sign_in.restore("PLANTED\n").unwrap_err(),
    );
    let notification = graph_notifications::Notification::from_json(
        r#""{\"value\":[{\"clientState\":\"PLANTED\",\"resource\":\"r\"}]}""#,
    );
    let entry = notification.entries().remove(0);
    assert_eq!(entry.client_state.as_deref(), Some("PLANTED"));
    shown.value("graph_notifications::Entry", entry);
    shown.value("graph_notifications::Notification", &notification);
    shown.value(
        "graph_notifications::WatchEvent",
        graph_notifications::WatchEvent::Notification(notification),
    );
}

/// What is made of answers only, by the tests of `graph` and `wire`, which look at all that is shown there.
const ELSEWHERE: [&str; 9] = [
    "graph_notifications::ConnectionError",
    "graph_notifications::ErrorAnswer",
    "graph_notifications::GraphError",
    "graph_notifications::LoginAnswer",
    "graph_notifications::Notifications",
    "graph_notifications::ResourceError",
    "graph_notifications::SendError",
    "graph_notifications::TransportFailure",
    "graph_notifications::WatchError",
];

#[tokio::test]
async fn no_public_type_shows_a_secret() {
    ear::open();
    let mut shown = Shown::default();
    of_engine(&mut shown);
    of_codec(&mut shown);
    of_sessions(&mut shown);
    of_clients(&mut shown).await;
    of_graph(&mut shown).await;
    assert!(shown.leaks.is_empty(), "{:#?}", shown.leaks);
    let looked_at: BTreeSet<&str> = shown.looked_at.into_iter().chain(ELSEWHERE).collect();
    let known = source::types_that_hold_text();
    let missing: Vec<_> = known
        .iter()
        .filter(|name| !looked_at.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "public types without a sample here: {missing:#?}"
    );
    let gone: Vec<_> = looked_at
        .iter()
        .filter(|name| !known.iter().any(|known| known == **name))
        .collect();
    assert!(
        gone.is_empty(),
        "samples of no public type that holds text: {gone:#?}"
    );
    ear::heard_no_secret();
}
