//! What a hostile server says to each request, for each way to be hostile.

use super::Settings;
use super::server::{Kind, Reply, Request, Then};
use super::wire::{BINARY, PING, TEXT, frame, http, length_of_frame, text};

const OPEN: &str = r#"0{"sid":"S","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
const JOINED: &str = r#"40{"sid":"s"}"#;
const EVENT: &str = r#"42["e"]"#;

fn longest(settings: &Settings) -> usize {
    settings.engine.limits.max_message_bytes
}

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

// What the lanes name.

pub(super) fn small_events(request: &Request, _: &Settings) -> Reply {
    joined(request, text(EVENT))
}

pub(super) fn large_events(request: &Request, settings: &Settings) -> Reply {
    let long = "x".repeat(longest(settings) / 2);
    joined(request, text(format!(r#"42["e","{long}"]"#)))
}

fn unwanted(settings: &Settings) -> String {
    format!("6{}", "x".repeat(longest(settings) - 1))
}

pub(super) fn pinned(request: &Request, settings: &Settings) -> Reply {
    joined(request, [text(unwanted(settings)), text(EVENT)].concat())
}

pub(super) fn pinned_by_fragments(request: &Request, settings: &Settings) -> Reply {
    let unwanted = unwanted(settings);
    let (first, second) = unwanted.split_at(unwanted.len() - 1);
    let parts = [
        frame(false, TEXT, first),
        frame(true, 0, second),
        text(EVENT),
    ];
    joined(request, parts.concat())
}

pub(super) fn pinned_by_body(request: &Request, settings: &Settings) -> Reply {
    bodies(request, || {
        let unwanted = "x".repeat(settings.engine.limits.max_body_bytes - 100);
        format!("6{unwanted}\u{1e}{EVENT}").into_bytes()
    })
}

pub(super) fn pinned_by_space(request: &Request, settings: &Settings) -> Reply {
    let space = " ".repeat(longest(settings) - EVENT.len());
    joined(request, text(format!("{EVENT}{space}")))
}

pub(super) fn fragments(request: &Request, _: &Settings) -> Reply {
    let mut reply = joined(request, frame(false, 0, [b'x'; 1000]));
    reply.once.extend(frame(false, TEXT, "42[\""));
    reply
}

pub(super) fn empty_fragments(request: &Request, _: &Settings) -> Reply {
    let mut reply = joined(request, frame(false, 0, ""));
    reply.once.extend(frame(false, BINARY, ""));
    reply
}

pub(super) fn announced(request: &Request, settings: &Settings) -> Reply {
    let mut reply = frames(request, &[OPEN, JOINED], Then::End);
    reply.once.push(0x80 | TEXT);
    reply.once.extend(length_of_frame(longest(settings)));
    reply
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

pub(super) fn body_in_chunks(request: &Request, _: &Settings) -> Reply {
    polls(request, || Reply {
        once: CHUNKED.into(),
        then: Then::Repeat(format!("1000\r\n{}\r\n", "4".repeat(0x1000)).into_bytes()),
    })
}

pub(super) fn body_in_bytes(request: &Request, _: &Settings) -> Reply {
    polls(request, || Reply {
        once: CHUNKED.into(),
        then: Then::Repeat(b"1\r\n4\r\n".to_vec()),
    })
}

pub(super) fn bodies_of_packets(request: &Request, settings: &Settings) -> Reply {
    bodies(request, || {
        let count = settings.engine.limits.max_packets_per_payload;
        vec![EVENT; count].join("\u{1e}").into_bytes()
    })
}

pub(super) fn websocket_pings(request: &Request, _: &Settings) -> Reply {
    joined(request, frame(true, PING, [0; 125]))
}

pub(super) fn engine_pings(request: &Request, _: &Settings) -> Reply {
    joined(request, text("2"))
}

pub(super) fn attachments(request: &Request, settings: &Settings) -> Reply {
    let size = settings.limits.codec.max_attachment_bytes / 10;
    let size = size.min(longest(settings));
    let mut packet = text(r#"4510-["e",{"_placeholder":true,"num":0}]"#);
    for _ in 0..10 {
        packet.extend(frame(true, BINARY, vec![0; size]));
    }
    joined(request, packet)
}

pub(super) fn messagepack(request: &Request, settings: &Settings) -> Reply {
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

pub(super) fn attachments_without_end(request: &Request, settings: &Settings) -> Reply {
    let mut reply = joined(request, frame(true, BINARY, vec![0; longest(settings)]));
    reply.once.extend(text(r#"4510-["e"]"#));
    reply
}

pub(super) fn head(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: b"HTTP/1.1 200 OK\r\n".to_vec(),
        then: Then::Repeat(b"a: b\r\n".to_vec()),
    }
}

pub(super) fn head_of_one_field(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: b"HTTP/1.1 101 Switching Protocols\r\na: ".to_vec(),
        then: Then::Repeat(b"x".to_vec()),
    }
}

pub(super) fn informational(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: Vec::new(),
        then: Then::Repeat(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".to_vec()),
    }
}

pub(super) fn error_body(_: &Request, _: &Settings) -> Reply {
    Reply {
        once: b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        then: Then::Repeat(b"a\r\n0123456789\r\n".to_vec()),
    }
}

pub(super) fn held(request: &Request, _: &Settings) -> Reply {
    frames(request, &[OPEN], Then::Repeat(text(EVENT)))
}

/// The first one is the end for the namespace; the client is started again, and again.
pub(super) fn refusals(request: &Request, settings: &Settings) -> Reply {
    let message = "x".repeat(longest(settings) - 20);
    let refusal = text(format!(r#"44{{"message":"{message}"}}"#));
    frames(request, &[OPEN], Then::Repeat(refusal))
}

pub(super) fn put_out(request: &Request, settings: &Settings) -> Reply {
    let message = "x".repeat(longest(settings) - 20);
    joined(request, text(format!(r#"44{{"message":"{message}"}}"#)))
}

pub(super) fn unknown_namespaces(request: &Request, settings: &Settings) -> Reply {
    let long = "x".repeat(longest(settings) / 2);
    let packets = [
        format!(r#"42/unknown,["e","{long}"]"#),
        r#"40/unknown,{"sid":"s"}"#.to_owned(),
        r#"44/unknown,{"message":"m"}"#.to_owned(),
    ];
    joined(request, packets.iter().flat_map(text).collect())
}

pub(super) fn unknown_acks(request: &Request, _: &Settings) -> Reply {
    let acks = (0..1000).flat_map(|id| text(format!("43{id}[\"a\"]")));
    joined(request, acks.collect())
}

pub(super) fn reconnects(request: &Request, settings: &Settings) -> Reply {
    let id = "x".repeat(longest(settings) - 20);
    let joined = format!(r#"40{{"sid":"{id}"}}"#);
    frames(request, &[OPEN, &joined], Then::End)
}

pub(super) fn handshakes(_: &Request, _: &Settings) -> Reply {
    let upgrades = vec![r#""""#; 5000].join(",");
    let open =
        format!(r#"0{{"sid":"S","upgrades":[{upgrades}],"pingInterval":1,"pingTimeout":1}}"#);
    Reply {
        once: http(open),
        then: Then::End,
    }
}
