//! MessagePack packets against the real socket.io server with socket.io-msgpack-parser.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use bytes::Bytes;
use conformance::{JsServer, Route, http, over_every_route, within};
use engineio::client::Client;
use engineio::{Endpoint, Event as EngineEvent, Message};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio_codec::{
    Args, Event, Json, Limits, Namespace, Packet, Parser, ParserDecoder, Part, Revision,
};

over_every_route! {
    every_kind_of_value_comes_back,
    packets_mean_the_same_on_both_sides,
}

/// The Socket.IO packets of an Engine.IO session.
struct Peer {
    client: Client,
    parser: Parser,
    decoder: ParserDecoder,
}

impl Peer {
    async fn start(route: Route) -> Option<(JsServer, Self)> {
        let server = JsServer::socket_io(json!({"parser": "msgpack"})).await?;
        let endpoint = Endpoint::parse(&server.url("/socket.io/")).unwrap();
        let parser = Parser::msgpack();
        let peer = Self {
            client: Client::new(http(), endpoint, route.config()),
            decoder: parser.decoder(Limits::default(), Revision::R5),
            parser,
        };
        Some((server, peer))
    }

    fn send(&mut self, packet: &Packet) {
        for part in self.parser.encode(packet).unwrap() {
            let Part::Binary(data) = part else {
                panic!("{part:?}")
            };
            self.client.send(Message::Binary(data)).unwrap();
        }
    }

    async fn receive(&mut self) -> Packet {
        loop {
            let event = within("a packet", self.client.next_event()).await;
            let packet = match event.expect("the connection is over") {
                EngineEvent::Message(Message::Binary(data)) => self.decoder.binary(data).unwrap(),
                EngineEvent::Opened { .. } | EngineEvent::Upgraded(_) => continue,
                other => panic!("{other:?}"),
            };
            return packet.expect("one message is a packet");
        }
    }

    async fn opened(&mut self) {
        let event = within("an open session", self.client.next_event()).await;
        assert!(matches!(event, Some(EngineEvent::Opened { .. })));
    }

    async fn join(&mut self, namespace: &str, payload: Option<Json>) -> Packet {
        self.send(&Packet::Connect {
            namespace: namespace.parse().unwrap(),
            query: None,
            payload,
        });
        self.receive().await
    }
}

fn event(namespace: &str, id: Option<u64>, event: Event) -> Packet {
    Packet::Event {
        namespace: namespace.parse().unwrap(),
        id,
        event,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    integers: Vec<i64>,
    large: u64,
    floats: Vec<f64>,
    texts: Vec<String>,
    none: Option<u8>,
    truths: [bool; 2],
    data: Vec<Bytes>,
    nested: Value,
}

async fn every_kind_of_value_comes_back(route: Route) {
    let Some((_server, mut peer)) = Peer::start(route).await else {
        return;
    };
    peer.opened().await;
    let joined = peer.join("/", None).await;
    assert!(matches!(joined, Packet::Connect { .. }), "{joined:?}");

    let edges: Vec<i64> = (0..53).flat_map(|bit| [1 << bit, (1 << bit) - 1]).collect();
    let everything = Everything {
        integers: edges.iter().flat_map(|&edge| [edge, -edge]).collect(),
        large: 1 << 53,
        // None that is whole and beyond 64 bits: the reference implementation writes those as 0.
        floats: vec![0.5, -1.25e-300, f64::MIN_POSITIVE, 0.1],
        texts: ["", "é😀", "\0\"\\\u{7f}"]
            .map(String::from)
            .into_iter()
            .chain([31, 32, 255, 256, 65_535, 65_536].map(|len| "x".repeat(len)))
            .collect(),
        none: None,
        truths: [true, false],
        data: [0, 1, 255, 256, 65_535, 65_536]
            .map(|len| Bytes::from(vec![7; len]))
            .to_vec(),
        nested: json!({
            "empty": [{}, []],
            "fifteen": vec![1; 15],
            "sixteen": vec![1; 16],
            "placeholder": {"_placeholder": 1, "num": 0},
            "keys": (0..20).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>(),
        }),
    };
    let args = (everything.clone(), "second");
    let sent = event("/", None, Event::new("echo", &args).unwrap());
    peer.send(&sent);
    let Packet::Event { event: echo, .. } = peer.receive().await else {
        panic!("not an event")
    };
    assert_eq!(echo.name(), "echo");
    let (echoed, second): (Everything, String) = echo.parse().unwrap();
    assert_eq!(echoed, everything);
    assert_eq!(second, "second");

    peer.send(&event(
        "/",
        Some(300),
        Event::new("echo", &everything.data).unwrap(),
    ));
    let Packet::Ack { id, args, .. } = peer.receive().await else {
        panic!("not an acknowledgement")
    };
    assert_eq!(id, 300);
    assert_eq!(args.parse::<(Vec<Bytes>,)>().unwrap(), (everything.data,));
}

async fn packets_mean_the_same_on_both_sides(route: Route) {
    let Some((server, mut peer)) = Peer::start(route).await else {
        return;
    };
    peer.opened().await;
    let auth = Json::from_serialize(&json!({"token": "T"})).unwrap();
    let Packet::Connect {
        namespace, payload, ..
    } = peer.join("/admin", Some(auth)).await
    else {
        panic!("not joined")
    };
    let joined = server.wait_for("a join", |line| line.is("connect")).await;
    assert_eq!(namespace.as_str(), "/admin");
    assert_eq!(joined.get("auth"), &json!({"token": "T"}));
    let payload: Value = payload.unwrap().parse().unwrap();
    // Nothing of the `pid` that the server has not.
    assert_eq!(payload, json!({"sid": joined.str("id")}));

    let refused = peer.join("/refused", None).await;
    let Packet::ConnectError {
        namespace,
        payload: Some(payload),
    } = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(namespace.as_str(), "/refused");
    assert_eq!(
        payload.parse::<Value>().unwrap(),
        json!({"message": "not authorized", "data": {"code": "E1"}})
    );

    let ask = json!({"namespace": "/admin", "event": "ask", "args": [1, {"$hex": "0102"}]});
    server.command("ask", ask).await;
    let Packet::Event {
        id: Some(id),
        event: question,
        ..
    } = peer.receive().await
    else {
        panic!("nothing to acknowledge")
    };
    let question: (u8, Bytes) = question.parse().unwrap();
    assert_eq!(question, (1, Bytes::from_static(&[1, 2])));
    peer.send(&Packet::Ack {
        namespace: Namespace::try_from("/admin").unwrap(),
        id,
        args: Args::new(&(Bytes::from_static(&[3]), "done")).unwrap(),
    });
    // The client sends while it is asked for events.
    let answer = tokio::select! {
        answer = server.wait_for("an answer", |line| line.is("answer")) => answer,
        packet = peer.receive() => panic!("{packet:?}"),
    };
    assert_eq!(answer.get("args"), &json!([{"$hex": "03"}, "done"]));

    server
        .command("disconnect", json!({"namespace": "/admin"}))
        .await;
    let left = Packet::Disconnect {
        namespace: Namespace::try_from("/admin").unwrap(),
    };
    assert_eq!(peer.receive().await, left);
}
