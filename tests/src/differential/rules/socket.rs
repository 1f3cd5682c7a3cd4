//! The rules about Socket.IO packets.

use serde_json::Value as Json;
use socketio_codec::{DecodeError, Namespace};

use super::json_text::{Seen, depth, first_string, has_infinite_number, has_lone_surrogate};
use super::{Effect, Place, Rule};
use crate::differential::Parser;
use crate::differential::case::{Frame, Input};
use crate::differential::ours::Why;

const BOTH: &[Parser] = &[Parser::Socket42, Parser::Socket34];
const OLD: &[Parser] = &[Parser::Socket34];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "blank type",
        parsers: BOTH,
        reason: "JavaScript reads nothing and white space as the number 0, and so as CONNECT; they are no packet type.",
        effects: &[Effect::Stricter(|place| {
            matches!(
                error(place),
                Some(DecodeError::Empty | DecodeError::UnknownType)
            ) && place.text().chars().next().is_none_or(is_white_space)
        })],
        examples: || each(&["", " ", "\t{}"]),
    },
    Rule {
        name: "unknown type",
        parsers: OLD,
        reason: "It makes an ERROR packet of its own out of what has no packet type; for us the peer has broken the protocol.",
        effects: &[Effect::Stricter(|place| {
            matches!(error(place), Some(DecodeError::UnknownType))
                && place.reading().is_some_and(|theirs| {
                    theirs.namespace.is_none()
                        && theirs
                            .data
                            .as_deref()
                            .is_some_and(|data| data.starts_with("\"parser error: "))
                })
        })],
        examples: || each(&["7", "hello"]),
    },
    Rule {
        name: "accidental attachments",
        parsers: BOTH,
        reason: "The number of attachments is decimal digits in the protocol; it takes whatever JavaScript converts to a number \
                 (`1e0`, `0x1`, ` 1`, `1.0`).",
        effects: &[Effect::Stricter(|place| {
            let count = Header::of(place.text()).attachments;
            matches!(
                error(place),
                Some(DecodeError::IllegalAttachmentCount { .. })
            ) && !count.bytes().all(|byte| byte.is_ascii_digit())
        })],
        examples: || {
            each(&[
                "51e0-[\"a\"]",
                "50x1-[\"a\"]",
                "5 1-[\"a\"]",
                "51.0-[\"a\"]",
            ])
        },
    },
    Rule {
        name: "white space in an id",
        parsers: BOTH,
        reason: "White space counts as the digit 0 to JavaScript, so that `2 [\"a\"]` would ask for an acknowledgement with id \
                 0, and `1 2` would be one with id NaN; the protocol has digits only.",
        effects: &[Effect::Stricter(|place| {
            Header::of(place.text()).id.contains(is_white_space) && error(place).is_some()
        })],
        examples: || each(&["2 [\"a\"]", "21 2[\"a\"]", "31\u{a0}[]", "0 "]),
    },
    Rule {
        name: "large id",
        parsers: BOTH,
        reason: "An id of more than 64 bits or 20 digits becomes another number in JavaScript, and could not be answered.",
        effects: &[Effect::Stricter(|place| {
            let id = Header::of(place.text()).id;
            matches!(error(place), Some(DecodeError::AckIdTooLarge { .. }))
                && (id.len() > 20 || id.parse::<u64>().is_err())
        })],
        examples: || each(&["218446744073709551616[\"a\"]", "3000000000000000000001[]"]),
    },
    Rule {
        name: "event without data",
        parsers: BOTH,
        reason: "It checks data only where there is some; an event without data has no name.",
        effects: &[Effect::Stricter(|place| {
            let header = Header::of(place.text());
            matches!(error(place), Some(DecodeError::IllegalPayload { .. }))
                && matches!(header.kind, Some('2' | '5'))
                && header.json.is_empty()
        })],
        examples: || each(&["2", "21", "2/a", "51-"]),
    },
    Rule {
        name: "acknowledgement without id",
        parsers: BOTH,
        reason: "It acknowledges nothing; reference clients ignore it later.",
        effects: &[Effect::Stricter(|place| {
            matches!(error(place), Some(DecodeError::MissingAckId { .. }))
                && Header::of(place.text()).id.is_empty()
        })],
        examples: || each(&["3[]", "3", "3/a,[1]", "61-[]"]),
    },
    Rule {
        name: "acknowledgement without data",
        parsers: BOTH,
        reason: "No data and an empty list are the same to whoever waits for the acknowledgement.",
        effects: &[Effect::Otherwise(|_, theirs| {
            if theirs.kind == "ack" && theirs.data.is_none() {
                theirs.data = Some("[]".to_owned());
            }
        })],
        examples: || vec![with_attachments("31", 0), with_attachments("61-1", 1)],
    },
    Rule {
        name: "long namespace",
        parsers: BOTH,
        reason: "Without a bound a peer could make every packet carry megabytes of name.",
        effects: &[Effect::Stricter(|place| {
            matches!(error(place), Some(DecodeError::NamespaceTooLong { .. }))
                && Header::of(place.text()).namespace.len() > Namespace::MAX_LEN
        })],
        examples: || each(&[&format!("0/{},", "a".repeat(1024))]),
    },
    Rule {
        name: "separator in a namespace",
        parsers: BOTH,
        reason: "U+001E separates packets under HTTP long-polling and nothing escapes it: a namespace with it could not be \
                 answered.",
        effects: &[Effect::Stricter(|place| {
            matches!(error(place), Some(DecodeError::IllegalNamespace { .. }))
                && Header::of(place.text()).namespace.contains('\u{1e}')
        })],
        examples: || each(&["0/a\u{1e}b,"]),
    },
    Rule {
        name: "fractional placeholder",
        parsers: BOTH,
        reason: "It checks that `num` lies between 0 and the number of attachments, not that it is whole; `0.5` gives \
                 `undefined`.",
        effects: &[Effect::Stricter(|place| {
            matches!(error(place), Some(DecodeError::IllegalPlaceholder { .. }))
                && place.reading().is_some_and(|theirs| {
                    theirs
                        .data
                        .as_deref()
                        .is_some_and(|data| data.contains("undefined"))
                })
        })],
        examples: || {
            vec![with_attachments(
                r#"51-["a",{"_placeholder":true,"num":0.5}]"#,
                1,
            )]
        },
    },
    Rule {
        name: "replaced placeholder",
        parsers: BOTH,
        reason: "Of equal keys the last counts, so that it never sees a wrong placeholder under an earlier one; we check all \
                 that is there.",
        effects: &[Effect::Stricter(|place| {
            matches!(error(place), Some(DecodeError::IllegalPlaceholder { .. }))
                && no_placeholder_is_wrong(
                    &Seen::of(Header::of(place.text()).json),
                    place.attachments(),
                )
        })],
        examples: || {
            vec![with_attachments(
                r#"51-["a",{"x":{"_placeholder":true,"num":9},"x":1}]"#,
                1,
            )]
        },
    },
    Rule {
        name: "deep binary packet",
        parsers: BOTH,
        reason: "Placeholders have to be looked for in all of it, which overflows its stack some thousand levels later; 128 is \
                 where JSON parsers stop.",
        effects: &[Effect::Stricter(|place| {
            matches!(error(place), Some(DecodeError::TooDeep { .. }))
                && depth(Header::of(place.text()).json) > 128
        })],
        examples: || vec![with_attachments(&format!("51-[\"a\",{}]", nested(128)), 1)],
    },
    Rule {
        name: "name that is not Unicode",
        parsers: BOTH,
        reason: "A name with half a surrogate pair can be compared with no string of ours.",
        effects: &[Effect::Stricter(|place| {
            let header = Header::of(place.text());
            matches!(error(place), Some(DecodeError::IllegalEventName { .. }))
                && has_lone_surrogate(first_string(header.json))
        })],
        examples: || each(&[r#"2["\ud800"]"#]),
    },
    Rule {
        name: "value that is not Unicode",
        parsers: BOTH,
        reason: "The packet is accepted; only reading half a surrogate pair as a string fails.",
        effects: &[Effect::Stricter(|place| {
            is_unreadable(place) && has_lone_surrogate(Header::of(place.text()).json)
        })],
        examples: || each(&[r#"2["a","\udc00"]"#, r#"0{"\ud800x":1}"#]),
    },
    Rule {
        name: "number beyond doubles",
        parsers: BOTH,
        reason: "The packet is accepted; reading `1e999`, which is Infinity in JavaScript and nothing in JSON, fails.",
        effects: &[Effect::Stricter(|place| {
            is_unreadable(place) && has_infinite_number(Header::of(place.text()).json)
        })],
        examples: || each(&[r#"2["a",1e999]"#, r#"31[-1e400]"#]),
    },
    Rule {
        name: "deep value",
        parsers: BOTH,
        reason: "The packet is accepted; reading more than 127 arrays and objects inside one another fails.",
        effects: &[Effect::Stricter(|place| {
            is_unreadable(place) && depth(Header::of(place.text()).json) > 127
        })],
        examples: || each(&[&format!("2[\"a\",{}]", nested(200))]),
    },
    Rule {
        name: "error with any payload",
        parsers: OLD,
        reason: "ERROR of revision 4 carries whatever a middleware gave, truth values and numbers included; there digits are \
                 the payload, and not an id that ERROR does not have.",
        effects: &[
            Effect::Otherwise(|place, theirs| {
                if theirs.kind == "error"
                    && theirs.data.is_none()
                    && !Header::of(place.text())
                        .id
                        .trim_end()
                        .contains(is_white_space)
                {
                    theirs.data = theirs.id.take();
                }
            }),
            Effect::Stricter(|place| {
                let header = Header::of(place.text());
                let payload = format!("{}{}", header.id, header.json);
                header.kind == Some('4')
                    && !header.id.is_empty()
                    && error(place).is_some()
                    && serde_json::from_str::<Json>(&payload).is_err()
            }),
            Effect::Looser(|place| {
                let header = Header::of(place.text());
                header.kind == Some('4') && is_scalar(&format!("{}{}", header.id, header.json))
            }),
        ],
        examples: || each(&["4123", "41{}", "41.5", "4true", "4/a,-1"]),
    },
    Rule {
        name: "id where none belongs",
        parsers: BOTH,
        reason: "Only events and acknowledgements have an id; everybody ignores those of others, and we do not report them.",
        effects: &[Effect::Otherwise(|_, theirs| {
            if matches!(theirs.kind.as_str(), "connect" | "disconnect" | "error") {
                theirs.id = None;
            }
        })],
        examples: || each(&["01", "11", "0/a,7{}"]),
    },
    Rule {
        name: "empty query",
        parsers: OLD,
        reason: "The query behind the namespace of CONNECT is none when it is empty.",
        effects: &[Effect::Otherwise(|_, theirs| {
            if theirs.kind == "connect"
                && let Some(namespace) = &mut theirs.namespace
                && namespace.find('?') == Some(namespace.len() - 1)
            {
                namespace.pop();
            }
        })],
        examples: || each(&["0/a?,"]),
    },
];

impl<'a> Place<'a> {
    /// The text of the packet that both are at: attachments belong to the text before them.
    fn text(&self) -> &'a str {
        let Input::Frames(frames) = self.input else {
            return "";
        };
        let until_here = frames.get(..=self.our).unwrap_or(frames);
        let text = until_here.iter().rev().find_map(|frame| match frame {
            Frame::Text(text) => Some(text.as_str()),
            Frame::Binary(_) => None,
        });
        text.unwrap_or_default()
    }

    /// How many attachments the packet has.
    fn attachments(&self) -> usize {
        Header::of(self.text()).attachments.parse().unwrap_or(0)
    }
}

/// A packet as the reference takes it apart, before it looks at the parts.
struct Header<'a> {
    kind: Option<char>,
    attachments: &'a str,
    namespace: &'a str,
    id: &'a str,
    json: &'a str,
}

impl<'a> Header<'a> {
    fn of(text: &'a str) -> Self {
        let mut rest = text.chars();
        let kind = rest.next();
        let mut rest = rest.as_str();
        let mut attachments = "";
        if let Some('5' | '6') = kind {
            (attachments, rest) = rest.split_once('-').unwrap_or((rest, ""));
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && !is_white_space(c));
        let (id, json) = rest.split_at(end.unwrap_or(rest.len()));
        Self {
            kind,
            attachments,
            namespace,
            id,
            json,
        }
    }
}

fn error<'a>(place: &Place<'a>) -> Option<&'a DecodeError> {
    match place.why() {
        Why::Socket(error) => Some(error),
        _ => None,
    }
}

fn is_unreadable(place: &Place<'_>) -> bool {
    matches!(place.why(), Why::Unreadable(_))
}

/// What JavaScript's `Number` skips.
fn is_white_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

/// Whether it is a string, a truth value or a number, and valid.
fn is_scalar(json: &str) -> bool {
    matches!(
        serde_json::from_str(json),
        Ok(Json::String(_) | Json::Bool(_) | Json::Number(_))
    ) || (json.starts_with('"') && has_lone_surrogate(json))
        || has_infinite_number(json)
}

fn no_placeholder_is_wrong(seen: &Seen, attachments: usize) -> bool {
    match seen {
        Seen::List(items) => items
            .iter()
            .all(|item| no_placeholder_is_wrong(item, attachments)),
        Seen::Object(members) if members.get("_placeholder") == Some(&Seen::True) => {
            let num = members.get("num");
            matches!(num, Some(Seen::Number(num)) if *num >= 0.0 && *num < attachments as f64)
        }
        Seen::Object(members) => members
            .values()
            .all(|member| no_placeholder_is_wrong(member, attachments)),
        Seen::True | Seen::Number(_) | Seen::Other => true,
    }
}

/// Messages of connections that end there.
fn each(texts: &[&str]) -> Vec<Input> {
    let input = |text: &&str| with_attachments(text, 0);
    texts.iter().map(input).collect()
}

fn with_attachments(text: &str, count: usize) -> Input {
    let mut frames = vec![Frame::Text(text.to_owned())];
    frames.resize(1 + count, Frame::Binary(vec![1]));
    Input::Frames(frames)
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}
