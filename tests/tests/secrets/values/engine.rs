//! The public types of `engineio`: addresses, handshakes, frames, messages, HTTP settings, and a connection in the middle
//! of everything.

use bytestring::ByteString;
use conformance::http as http_stack;
use engineio::client::{Client, Http};
use engineio::{Bytes, Endpoint, Handshake, Version};

use super::{SID, Shown, handshake, secret_headers};
use crate::needle;

pub(super) fn show(shown: &mut Shown) {
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
            let packet = engineio::Packet::decode(version, ByteString::from(text));
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
