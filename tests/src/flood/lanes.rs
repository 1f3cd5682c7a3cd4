//! The ways to be hostile: what each is called, how the client meets it, and what answers it.

use socketio::Overflow::{self, Backpressure, Disconnect, DropOldest};
use socketio::Transport::{self, Polling, WebSocket};

use super::server::Answer;
use super::{Lane, answers};

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
        answers::small_events,
    )),
    small(lane(
        "events-drop-oldest",
        "small events, unread",
        WebSocket,
        DropOldest,
        answers::small_events,
    )),
    small(lane(
        "events-disconnect",
        "small events, unread",
        WebSocket,
        Disconnect,
        answers::small_events,
    )),
    small(read(lane(
        "events-read",
        "small events, read",
        WebSocket,
        Backpressure,
        answers::small_events,
    ))),
    lane(
        "large-events",
        "events of half a message, unread",
        WebSocket,
        DropOldest,
        answers::large_events,
    ),
    lane(
        "pinned-backpressure",
        "each small event behind a long message that nobody wants",
        WebSocket,
        Backpressure,
        answers::pinned,
    ),
    lane(
        "pinned-drop-oldest",
        "each small event behind a long message that nobody wants",
        WebSocket,
        DropOldest,
        answers::pinned,
    ),
    lane(
        "pinned-fragments",
        "each small event behind a long message in two fragments",
        WebSocket,
        DropOldest,
        answers::pinned_by_fragments,
    ),
    lane(
        "pinned-polling",
        "each small event in a long body",
        Polling,
        DropOldest,
        answers::pinned_by_body,
    ),
    lane(
        "pinned-space",
        "each small event in front of white space",
        WebSocket,
        DropOldest,
        answers::pinned_by_space,
    ),
    read(lane(
        "fragments",
        "one message that never ends",
        WebSocket,
        Backpressure,
        answers::fragments,
    )),
    small(read(lane(
        "empty-fragments",
        "one message of empty fragments that never ends",
        WebSocket,
        Backpressure,
        answers::empty_fragments,
    ))),
    read(lane(
        "announced",
        "frames that are announced as long as can be, and never come",
        WebSocket,
        Backpressure,
        answers::announced,
    )),
    read(lane(
        "body-chunks",
        "a body that never ends",
        Polling,
        Backpressure,
        answers::body_in_chunks,
    )),
    small(read(lane(
        "body-bytes",
        "a body of chunks of a byte that never ends",
        Polling,
        Backpressure,
        answers::body_in_bytes,
    ))),
    small(lane(
        "body-packets",
        "bodies of as many packets as can be, unread",
        Polling,
        Backpressure,
        answers::bodies_of_packets,
    )),
    small(read(lane(
        "body-packets-read",
        "bodies of as many packets as can be, read",
        Polling,
        Backpressure,
        answers::bodies_of_packets,
    ))),
    small(lane(
        "body-dropped",
        "bodies of as many packets as can be, unread",
        Polling,
        DropOldest,
        answers::bodies_of_packets,
    )),
    lane(
        "websocket-pings",
        "WebSocket pings",
        WebSocket,
        Backpressure,
        answers::websocket_pings,
    ),
    small(lane(
        "engine-pings",
        "Engine.IO pings",
        WebSocket,
        Backpressure,
        answers::engine_pings,
    )),
    small(msgpack(lane(
        "messagepack",
        "events that become as much JSON as can be, unread",
        WebSocket,
        DropOldest,
        answers::messagepack,
    ))),
    lane(
        "attachments",
        "events with attachments, unread",
        WebSocket,
        DropOldest,
        answers::attachments,
    ),
    lane(
        "attachments-endless",
        "attachments that are never enough",
        WebSocket,
        Backpressure,
        answers::attachments_without_end,
    ),
    read(lane(
        "head",
        "a head of an answer that never ends",
        Polling,
        Backpressure,
        answers::head,
    )),
    read(lane(
        "head-fields",
        "one field of a head that never ends",
        WebSocket,
        Backpressure,
        answers::head_of_one_field,
    )),
    small(read(lane(
        "head-informational",
        "informational answers",
        Polling,
        Backpressure,
        answers::informational,
    ))),
    read(lane(
        "error-body",
        "an error answer that never ends",
        WebSocket,
        Backpressure,
        answers::error_body,
    )),
    small(read(lane(
        "held",
        "events in front of the answer to CONNECT",
        WebSocket,
        Backpressure,
        answers::held,
    ))),
    lane(
        "refusals",
        "CONNECT_ERRORs of the length of a message, unread",
        WebSocket,
        DropOldest,
        answers::refusals,
    ),
    read(lane(
        "put-out",
        "CONNECT_ERRORs for whoever is joined, unread",
        WebSocket,
        Backpressure,
        answers::put_out,
    )),
    lane(
        "unknown-namespaces",
        "events in namespaces that nobody has joined",
        WebSocket,
        Backpressure,
        answers::unknown_namespaces,
    ),
    small(lane(
        "unknown-acks",
        "acknowledgements that nobody awaits",
        WebSocket,
        Backpressure,
        answers::unknown_acks,
    )),
    lane(
        "reconnects",
        "a connection with a long socket id, and its end",
        WebSocket,
        DropOldest,
        answers::reconnects,
    ),
    lane(
        "handshakes",
        "handshakes with many upgrades, and no more",
        Polling,
        Backpressure,
        answers::handshakes,
    ),
];
