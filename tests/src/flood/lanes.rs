//! The ways to be hostile.

use socketio::Overflow::{self, Backpressure, Disconnect, DropOldest};
use socketio::Transport::{self, Polling, WebSocket};

use super::server::{Answer, Kind, Reply, Request, Then};
use super::wire::{BINARY, PING, TEXT, frame, http, length_of_frame, text};
use super::{Lane, Settings};

const OPEN: &str = r#"0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
const JOINED: &str = r#"40{"sid":"s"}"#;
const EVENT: &str = r#"42["e"]"#;

const fn lane(
    name: &'static str,
    about: &'static str,
    transport: Transport,
    overflow: Overflow,
    answer: Answer,
) -> Lane {
    Lane {
        name,
        about,
        transport,
        overflow,
        is_read: false,
        is_msgpack: false,
        volume: 16 << 20,
        answer,
    }
}

const fn read(mut lane: Lane) -> Lane {
    lane.is_read = true;
    lane
}

/// Each message has a few bytes, so that there are many of them in less.
const fn small(mut lane: Lane) -> Lane {
    lane.volume = 512 << 10;
    lane
}

const fn msgpack(mut lane: Lane) -> Lane {
    lane.is_msgpack = true;
    lane
}

/// All of them.
pub const LANES: &[Lane] = &[
    small(lane(
        "events-backpressure",
        "small events, unread",
        WebSocket,
        Backpressure,
        small_events,
    )),
    small(lane(
        "events-drop-oldest",
        "small events, unread",
        WebSocket,
        DropOldest,
        small_events,
    )),
    small(lane(
        "events-disconnect",
        "small events, unread",
        WebSocket,
        Disconnect,
        small_events,
    )),
    small(read(lane(
        "events-read",
        "small events, read",
        WebSocket,
        Backpressure,
        small_events,
    ))),
    lane(
        "large-events",
        "events of half a message, unread",
        WebSocket,
        DropOldest,
        large_events,
    ),
    lane(
        "pinned-backpressure",
        "each small event behind a long message that nobody wants",
        WebSocket,
        Backpressure,
        pinned,
    ),
    lane(
        "pinned-drop-oldest",
        "each small event behind a long message that nobody wants",
        WebSocket,
        DropOldest,
        pinned,
    ),
    lane(
        "pinned-fragments",
        "each small event behind a long message in two fragments",
        WebSocket,
        DropOldest,
        pinned_by_fragments,
    ),
    lane(
        "pinned-polling",
        "each small event in a long body",
        Polling,
        DropOldest,
        pinned_by_body,
    ),
    lane(
        "pinned-space",
        "each small event in front of white space",
        WebSocket,
        DropOldest,
        pinned_by_space,
    ),
    read(lane(
        "fragments",
        "one message that never ends",
        WebSocket,
        Backpressure,
        fragments,
    )),
    small(read(lane(
        "empty-fragments",
        "one message of empty fragments that never ends",
        WebSocket,
        Backpressure,
        empty_fragments,
    ))),
    read(lane(
        "announced",
        "frames that are announced as long as can be, and never come",
        WebSocket,
        Backpressure,
        announced,
    )),
    read(lane(
        "body-chunks",
        "a body that never ends",
        Polling,
        Backpressure,
        body_in_chunks,
    )),
    small(read(lane(
        "body-bytes",
        "a body of chunks of a byte that never ends",
        Polling,
        Backpressure,
        body_in_bytes,
    ))),
    small(lane(
        "body-packets",
        "bodies of as many packets as can be, unread",
        Polling,
        Backpressure,
        bodies_of_packets,
    )),
    small(read(lane(
        "body-packets-read",
        "bodies of as many packets as can be, read",
        Polling,
        Backpressure,
        bodies_of_packets,
    ))),
    small(lane(
        "body-dropped",
        "bodies of as many packets as can be, unread",
        Polling,
        DropOldest,
        bodies_of_packets,
    )),
    lane(
        "websocket-pings",
        "WebSocket pings",
        WebSocket,
        Backpressure,
        websocket_pings,
    ),
    small(lane(
        "engine-pings",
        "Engine.IO pings",
        WebSocket,
        Backpressure,
        engine_pings,
    )),
    small(msgpack(lane(
        "messagepack",
        "events that become as much JSON as can be, unread",
        WebSocket,
        DropOldest,
        messagepack,
    ))),
    lane(
        "attachments",
        "events with attachments, unread",
        WebSocket,
        DropOldest,
        attachments,
    ),
    lane(
        "attachments-endless",
        "attachments that are never enough",
        WebSocket,
        Backpressure,
        attachments_without_end,
    ),
    read(lane(
        "head",
        "a head of an answer that never ends",
        Polling,
        Backpressure,
        head,
    )),
    read(lane(
        "head-fields",
        "one field of a head that never ends",
        WebSocket,
        Backpressure,
        head_of_one_field,
    )),
    small(read(lane(
        "head-informational",
        "informational answers",
        Polling,
        Backpressure,
        informational,
    ))),
    read(lane(
        "error-body",
        "an error answer that never ends",
        WebSocket,
        Backpressure,
        error_body,
    )),
    small(read(lane(
        "held",
        "events in front of the answer to CONNECT",
        WebSocket,
        Backpressure,
        held,
    ))),
    lane(
        "refusals",
        "CONNECT_ERRORs of the length of a message, unread",
        WebSocket,
        DropOldest,
        refusals,
    ),
    read(lane(
        "put-out",
        "CONNECT_ERRORs for whoever is joined, unread",
        WebSocket,
        Backpressure,
        put_out,
    )),
    lane(
        "unknown-namespaces",
        "events in namespaces that nobody has joined",
        WebSocket,
        Backpressure,
        unknown_namespaces,
    ),
    small(lane(
        "unknown-acks",
        "acknowledgements that nobody awaits",
        WebSocket,
        Backpressure,
        unknown_acks,
    )),
    lane(
        "reconnects",
        "a connection with a long socket id, and its end",
        WebSocket,
        DropOldest,
        reconnects,
    ),
    lane(
        "handshakes",
        "handshakes with many upgrades, and no more",
        Polling,
        Backpressure,
        handshakes,
    ),
];

fn longest(settings: &Settings) -> usize {
    settings.engine.limits.max_message_bytes
}

// Who answers what.

/// Over WebSocket: the handshake, these frames, and those for ever.
fn frames(request: &Request, first: &[&str], then: Then) -> Reply {
    let accept = &request.accept;
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    let first = first.iter().flat_map(text);
    Reply {
        once: head.into_bytes().into_iter().chain(first).collect(),
        then,
    }
}

fn joined(request: &Request, again: Vec<u8>) -> Reply {
    frames(request, &[OPEN, JOINED], Then::Repeat(again))
}

/// By polling: what every session needs, and this to each further poll.
fn polls(request: &Request, poll: impl FnOnce() -> Reply) -> Reply {
    let once = match request.kind {
        Kind::Open => http(OPEN),
        Kind::FirstPoll => http(JOINED),
        Kind::Post => http("ok"),
        Kind::Poll | Kind::WebSocket => return poll(),
    };
    Reply {
        once,
        then: Then::Request,
    }
}

fn bodies(request: &Request, body: impl FnOnce() -> Vec<u8>) -> Reply {
    polls(request, || Reply {
        once: http(body()),
        then: Then::Request,
    })
}

// The lanes.

fn small_events(request: &Request, _: &Settings) -> Reply {
    joined(request, text(EVENT))
}

fn large_events(request: &Request, settings: &Settings) -> Reply {
    let long = "x".repeat(longest(settings) / 2);
    joined(request, text(format!(r#"42["e","{long}"]"#)))
}

fn unwanted(settings: &Settings) -> String {
    format!("6{}", "x".repeat(longest(settings) - 1))
}

fn pinned(request: &Request, settings: &Settings) -> Reply {
    joined(request, [text(unwanted(settings)), text(EVENT)].concat())
}

fn pinned_by_fragments(request: &Request, settings: &Settings) -> Reply {
    let unwanted = unwanted(settings);
    let (first, second) = unwanted.split_at(unwanted.len() - 1);
    let parts = [
        frame(false, TEXT, first),
        frame(true, 0, second),
        text(EVENT),
    ];
    joined(request, parts.concat())
}

fn pinned_by_body(request: &Request, settings: &Settings) -> Reply {
    bodies(request, || {
        let unwanted = "x".repeat(settings.engine.limits.max_body_bytes - 100);
        format!("6{unwanted}\u{1e}{EVENT}").into_bytes()
    })
}

fn pinned_by_space(request: &Request, settings: &Settings) -> Reply {
    let space = " ".repeat(longest(settings) - EVENT.len());
    joined(request, text(format!("{EVENT}{space}")))
}

fn fragments(request: &Request, _: &Settings) -> Reply {
    let mut reply = joined(request, frame(false, 0, [b'x'; 1000]));
    reply.once.extend(frame(false, TEXT, "42[\""));
    reply
}

fn empty_fragments(request: &Request, _: &Settings) -> Reply {
    let mut reply = joined(request, frame(false, 0, ""));
    reply.once.extend(frame(false, BINARY, ""));
    reply
}

fn announced(request: &Request, settings: &Settings) -> Reply {
    let mut reply = frames(request, &[OPEN, JOINED], Then::End);
    reply.once.push(0x80 | TEXT);
    reply.once.extend(length_of_frame(longest(settings)));
    reply
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn body_in_chunks(request: &Request, _: &Settings) -> Reply {
    polls(request, || Reply {
        once: CHUNKED.into(),
        then: Then::Repeat(format!("1000\r\n{}\r\n", "4".repeat(0x1000)).into_bytes()),
    })
}

fn body_in_bytes(request: &Request, _: &Settings) -> Reply {
    polls(request, || Reply {
        once: CHUNKED.into(),
        then: Then::Repeat(b"1\r\n4\r\n".to_vec()),
    })
}

fn bodies_of_packets(request: &Request, settings: &Settings) -> Reply {
    bodies(request, || {
        let count = settings.engine.limits.max_packets_per_payload;
        vec![EVENT; count].join("\u{1e}").into_bytes()
    })
}

fn websocket_pings(request: &Request, _: &Settings) -> Reply {
    joined(request, frame(true, PING, [0; 125]))
}

fn engine_pings(request: &Request, _: &Settings) -> Reply {
    joined(request, text("2"))
}

fn attachments(request: &Request, settings: &Settings) -> Reply {
    let size = settings.limits.codec.max_attachment_bytes / 10;
    let size = size.min(longest(settings));
    let mut packet = text(r#"4510-["e",{"_placeholder":true,"num":0}]"#);
    for _ in 0..10 {
        packet.extend(frame(true, BINARY, vec![0; size]));
    }
    joined(request, packet)
}

fn messagepack(request: &Request, settings: &Settings) -> Reply {
    // {type: 0, nsp: "/", data: {sid: "s"}}
    let joined = b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x81\xa3sid\xa1s";
    // {type: 2, nsp: "/", data: ["e", {false: false, …}]}
    let event = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xdf";
    let count = (longest(settings) - 100) / 2;
    let members = u32::try_from(count).unwrap_or_default().to_be_bytes();
    let event = [&event[..], &members, &[0xc2, 0xc2].repeat(count)].concat();
    let mut reply = frames(request, &[OPEN], Then::Repeat(frame(true, BINARY, event)));
    reply.once.extend(frame(true, BINARY, joined));
    reply
}

fn attachments_without_end(request: &Request, settings: &Settings) -> Reply {
    let mut reply = joined(request, frame(true, BINARY, vec![0; longest(settings)]));
    reply.once.extend(text(r#"4510-["e"]"#));
    reply
}

fn head(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: b"HTTP/1.1 200 OK\r\n".to_vec(),
        then: Then::Repeat(b"a: b\r\n".to_vec()),
    }
}

fn head_of_one_field(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: b"HTTP/1.1 101 Switching Protocols\r\na: ".to_vec(),
        then: Then::Repeat(b"x".to_vec()),
    }
}

fn informational(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: Vec::new(),
        then: Then::Repeat(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec()),
    }
}

fn error_body(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        then: Then::Repeat(b"a\r\n0123456789\r\n".to_vec()),
    }
}

fn held(request: &Request, _: &Settings) -> Reply {
    frames(request, &[OPEN], Then::Repeat(text(EVENT)))
}

/// The first one is the end for the namespace; the client is started again, and again.
fn refusals(request: &Request, settings: &Settings) -> Reply {
    let message = "x".repeat(longest(settings) - 20);
    let refusal = text(format!(r#"44{{"message":"{message}"}}"#));
    frames(request, &[OPEN], Then::Repeat(refusal))
}

fn put_out(request: &Request, settings: &Settings) -> Reply {
    let message = "x".repeat(longest(settings) - 20);
    joined(request, text(format!(r#"44{{"message":"{message}"}}"#)))
}

fn unknown_namespaces(request: &Request, settings: &Settings) -> Reply {
    let long = "x".repeat(longest(settings) / 2);
    let packets = [
        format!(r#"42/unknown,["e","{long}"]"#),
        r#"40/unknown,{"sid":"s"}"#.to_owned(),
        r#"44/unknown,{"message":"m"}"#.to_owned(),
    ];
    joined(request, packets.iter().flat_map(text).collect())
}

fn unknown_acks(request: &Request, _: &Settings) -> Reply {
    let acks = (0..1000).flat_map(|id| text(format!("43{id}[\"a\"]")));
    joined(request, acks.collect())
}

fn reconnects(request: &Request, settings: &Settings) -> Reply {
    let id = "x".repeat(longest(settings) - 20);
    let joined = format!(r#"40{{"sid":"{id}"}}"#);
    frames(request, &[OPEN, &joined], Then::End)
}

fn handshakes(_: &Request, _: &Settings) -> Reply {
    let upgrades = vec![r#""""#; 5000].join(",");
    let open =
        format!(r#"0{{"sid":"S","upgrades":[{upgrades}],"pingInterval":1,"pingTimeout":1}}"#);
    Reply {
        once: http(open),
        then: Then::End,
    }
}
