//! The public types of `socketio_codec`: packets and their parts, decoders in the middle of a packet, and the errors of
//! texts, arguments and values.

use std::collections::HashMap;

use bytestring::ByteString;
use graph_notifications::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use socketio_codec::{Args, Bytes, Json, Namespace, Packet, Parser, Query, Revision, Spread};

use super::{Failing, Shown};
use crate::needle;

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

pub(super) fn show(shown: &mut Shown) {
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
