//! What is read, with the most that it may take, and the worst that is known.

use super::reading as read;
use crate::search::{Shape, Subject, counted, text};

const KIB: u64 = 1 << 10;

/// The packet of an event in MessagePack: `{type: 2, nsp: "/", data: ["e", <list>]}`, up to the length of the list.
const LIST: &[u8] = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xdd";
/// The same with a map.
const MAP: &[u8] = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xdf";
/// `{type: 4, nsp: "/", data: {"message": <bytes>}}`, up to the length of the bytes.
const REFUSAL: &[u8] = b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x81\xa7message\xc6";
/// The packet of an event with a string.
const STRING: &[u8] = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xdb";

const EVENTS: &[Shape] = &[
    text(r#"2["e""#, ",0", "]"),
    text(r#"2["e",["#, "[],", "0]]"),
    text(r#"2[""#, r"\n", "\"]"),
    text(r#"2[""#, r"\naaaaaaaaaaaaaaa", "\"]"),
    text(r#"2["e",""#, r"\u0000", "\"]"),
    text("2[\"e\"]", " ", ""),
    text("2/", "a", ",[\"e\"]"),
    text("2", "1", "[\"e\"]"),
    text("30[", "0,", "0]"),
    text("0{\"sid\":\"", "a", "\"}"),
    text("4{\"message\":\"", "a", "\"}"),
    text(r#"4{"message":""#, r"\n", "\"}"),
    text(r#"4{"message":"","data":["#, "0,", "0]}"),
    text("4\"", "a", "\""),
    text("5", "1", "-[\"e\"]"),
    text(r#"51-["e""#, r#",{"_placeholder":true,"num":0}"#, "]"),
    text("1", "a", ""),
];

const PAYLOADS_4: &[Shape] = &[
    text("4", "\u{1e}4", ""),
    text("4", "a", ""),
    text("b", "AAAA", ""),
    text("", "bAA==\u{1e}", "4"),
    text("", "6\u{1e}", "4"),
];

const PAYLOADS_3: &[Shape] = &[
    text("", "1:4", ""),
    text("", "2:4a", ""),
    text("", "6:b4AA==", ""),
    text("", "0:", ""),
    text("", "\0\x01\u{7f}4", ""),
];

/// What the client does with each message.
pub(crate) const OURS: &[Subject] = &[
    Subject {
        name: "frame, text, revision 4",
        most: 0.8,
        constant: KIB,
        read: read::frame_text_4,
        shapes: &[
            text("4", "a", ""),
            text("b", "AAAA", ""),
            text("0", "a", ""),
        ],
    },
    Subject {
        name: "frame, text, revision 3",
        most: 0.8,
        constant: KIB,
        read: read::frame_text_3,
        shapes: &[text("4", "a", ""), text("b4", "AAAA", "")],
    },
    Subject {
        name: "frame, binary",
        most: 0.0,
        constant: KIB,
        read: read::frame_binary,
        shapes: &[text("", "\u{4}", "")],
    },
    Subject {
        name: "payload, revision 4",
        most: 0.8,
        constant: KIB,
        read: read::payload_4,
        shapes: PAYLOADS_4,
    },
    Subject {
        name: "payload, revision 3",
        most: 0.0,
        constant: KIB,
        read: read::payload_3,
        shapes: PAYLOADS_3,
    },
    Subject {
        name: "handshake",
        most: 0.0,
        constant: 500 * KIB,
        read: read::handshake,
        shapes: &[
            text(
                r#"{"sid":"e","pingInterval":1,"pingTimeout":1,"upgrades":["a""#,
                r#","""#,
                "]}",
            ),
            text(r#"{"sid":""#, "a", "\"}"),
        ],
    },
    Subject {
        name: "connection, revision 4",
        most: 1.0,
        constant: 4 * KIB,
        read: read::connection_4,
        shapes: PAYLOADS_4,
    },
    Subject {
        name: "connection, revision 3",
        most: 0.0,
        constant: 4 * KIB,
        read: read::connection_3,
        shapes: PAYLOADS_3,
    },
    Subject {
        name: "json, revision 5",
        most: 3.0,
        constant: 4 * KIB,
        read: read::json_5,
        shapes: EVENTS,
    },
    Subject {
        name: "json, revision 4",
        most: 3.0,
        constant: 4 * KIB,
        read: read::json_4,
        shapes: EVENTS,
    },
    Subject {
        name: "json with an attachment",
        most: 3.0,
        constant: 4 * KIB,
        read: read::json_with_attachment,
        shapes: &[
            text(r#"51-["e""#, r#",{"_placeholder":true,"num":0}"#, "]"),
            text(r#"51-["e""#, r#",{"num":0,"_placeholder":true}"#, "]"),
            text(r#"51-["e",["#, "[[]],", "0]]"),
        ],
    },
    Subject {
        name: "json with an attachment for each byte",
        most: 96.0,
        constant: 4 * KIB,
        read: read::json_with_attachments,
        shapes: &[text("", "a", "")],
    },
    Subject {
        name: "messagepack",
        most: 15.5,
        constant: 4 * KIB,
        read: read::msgpack,
        shapes: &[
            counted(LIST, b"\xc2"),
            counted(LIST, b"\xc0"),
            counted(LIST, b"\x90"),
            counted(LIST, b"\xe0"),
            counted(LIST, b"\xca\x00\x01\x00\x00"),
            counted(MAP, b"\xc2\xc2"),
            counted(MAP, b"\xa0\xc2"),
            counted(STRING, b"\x01"),
            counted(REFUSAL, b"\xff"),
            counted(LIST, b"\xc4\x00"),
        ],
    },
    Subject {
        name: "session, joining",
        most: 3.0,
        constant: 64 * KIB,
        read: read::session_joining,
        shapes: EVENTS,
    },
    Subject {
        name: "session, joined",
        most: 3.0,
        constant: 64 * KIB,
        read: read::session_joined,
        shapes: EVENTS,
    },
    // Short words that are JSON are read as such, which is the constant.
    Subject {
        name: "session, refused",
        most: 0.85,
        constant: 640 * KIB,
        read: read::session_joining,
        shapes: &[
            text(r#"4{"message":"["#, r"[],", "0]\"}"),
            text(r#"4{"message":"["#, r#"{\"\":0},"#, "0]\"}"),
            text(r#"4{"message":""#, r"\n", "\"}"),
            text(r#"4{"message":""#, "pass-", "\"}"),
        ],
    },
    Subject {
        name: "an event encoded",
        most: 3.0,
        constant: 4 * KIB,
        read: read::event_encoded,
        shapes: EVENTS,
    },
    Subject {
        name: "an event as messagepack",
        most: 7.5,
        constant: 4 * KIB,
        read: read::event_packed,
        shapes: EVENTS,
    },
    Subject {
        name: "a frame encoded",
        most: 1.5,
        constant: 4 * KIB,
        read: read::frame_encoded,
        shapes: &[text("", "a", "")],
    },
    Subject {
        name: "a payload encoded",
        most: 2.0,
        constant: 4 * KIB,
        read: read::payload_encoded,
        shapes: &[text("", "a", "")],
    },
    Subject {
        name: "notification url",
        most: 0.0,
        constant: 64 * KIB,
        read: read::notification_url,
        shapes: &[
            text("https://h.example/callback?", "a", ""),
            text("https://h.example/callback?token=", "é", ""),
            text("https://h.example/callback?", "a=b&", "token=x"),
            text("https://h.example/", "a/", "?token=x"),
            text("https://h.example/", "é", "?token=x"),
        ],
    },
    Subject {
        name: "notification",
        most: 3.0,
        constant: 16 * KIB,
        read: read::notification,
        shapes: &[
            text("{\"value\":[", "{},", "{}]}"),
            text("\"", "a", "\""),
            text("{\"value\":[{\"resource\":\"", "a", "\"}]}"),
            text("\"", "\\u0000", "\""),
        ],
    },
];

/// What a program asks for.
pub(crate) const THEIRS: &[Subject] = &[
    Subject {
        name: "arguments as Value",
        most: 105.0,
        constant: 4 * KIB,
        read: read::values,
        shapes: &[
            text(r#"2["e",["#, "0,", "0]]"),
            text(r#"2["e""#, ",[]", "]"),
            text(r#"2["e""#, ",{}", "]"),
            text(r#"2["e",["#, r#"{"":0},"#, "0]]"),
            text(r#"2["e",["#, r#"{"a":{"":0}},"#, "0]]"),
        ],
    },
    Subject {
        name: "arguments as Vec<String>",
        most: 18.5,
        constant: 4 * KIB,
        read: read::strings,
        shapes: &[
            text(r#"2["e",["#, r#""","#, "\"\"]]"),
            text(r#"2["e",["#, r#""a","#, "\"\"]]"),
        ],
    },
    Subject {
        name: "arguments as &str",
        most: 4.0,
        constant: 4 * KIB,
        read: read::borrowed,
        shapes: &[
            text(r#"2["e",""#, "a", "\"]"),
            text(r#"2["e",""#, r"\n", "\"]"),
        ],
    },
    Subject {
        name: "entries of a notification",
        most: 200.0,
        constant: 16 * KIB,
        read: read::entries,
        shapes: &[text("{\"value\":[", "{},", "{}]}")],
    },
    Subject {
        name: "an event written",
        most: 15.0,
        constant: 4 * KIB,
        read: read::event_written,
        shapes: &[text("", "a", ""), text("", "\u{1}", ""), text("", "\n", "")],
    },
    Subject {
        name: "arguments of the wrong type",
        most: 18.0,
        constant: 4 * KIB,
        read: read::wrong_type,
        shapes: &[
            text(r#"2["e",""#, "a", "\"]"),
            text(r#"2["e",""#, "\u{7f}", "\"]"),
        ],
    },
];
