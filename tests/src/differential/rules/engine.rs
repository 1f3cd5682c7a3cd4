//! The rules about Engine.IO packets and payloads.

use engineio::DecodeError;

use super::{Effect, Place, Rule};
use crate::differential::Parser;
use crate::differential::case::{Frame, Input};
use crate::differential::ours::Why;

const BOTH: &[Parser] = &[Parser::Engine52, Parser::Engine22];
const OLD: &[Parser] = &[Parser::Engine22];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "data where none belongs",
        parsers: BOTH,
        reason: "Nothing is ever said behind the types 1, 5 and 6; everybody ignores it, and we do not report it.",
        effects: &[Effect::Otherwise(|_, theirs| {
            if matches!(theirs.kind.as_str(), "close" | "upgrade" | "noop")
                && theirs.data.as_deref().is_some_and(is_text)
            {
                theirs.data = None;
            }
        })],
        examples: || ["1x", "5probe", "6x"].map(text).into(),
    },
    Rule {
        name: "improper base64",
        parsers: BOTH,
        reason: "Node.js skips what is not base64 and never fails; bytes that nobody has sent are no message.",
        effects: &[Effect::Stricter(|place| {
            let base64 = place
                .packet()
                .and_then(|packet| packet.get(place.prefix()..).map(str::to_owned));
            is(place, &DecodeError::Base64) && base64.is_some_and(|base64| !is_base64(&base64))
        })],
        examples: || ["b4@@", "b4AB_-", "b4A", "b4AB==AQID"].map(text).into(),
    },
    Rule {
        name: "not UTF-8",
        parsers: BOTH,
        reason: "A body that is not UTF-8 is decoded with U+FFFD in place of what is wrong, and the binary form with it in \
                 place of surrogates; we deliver no text that nobody has sent.",
        effects: &[Effect::Stricter(|place| match place.input {
            Input::Body {
                bytes,
                octets: false,
            } => {
                // Lengths count what stands in place of what is wrong.
                let is_counted = place.parser == Parser::Engine22;
                let is_length = is_counted && is(place, &DecodeError::Length);
                (is_length || is(place, &DecodeError::Utf8)) && std::str::from_utf8(bytes).is_err()
            }
            Input::Body { octets: true, .. } => is(place, &DecodeError::Utf8),
            Input::Frames(_) => false,
        })],
        examples: || {
            vec![
                // In either revision the invalid byte is in the first packet.
                body(b"4\xff\x1e", false),
                body(b"2:4\xff", false),
                body(b"\x00\x04\xff4\xed\xa0\x80", true),
            ]
        },
    },
    Rule {
        name: "accidental length",
        parsers: OLD,
        reason: "A length is decimal digits; it takes whatever JavaScript converts to a number (` 2`, `0x2`, `2e0`), and more \
                 digits than any length needs.",
        effects: &[Effect::Stricter(|place| {
            is(place, &DecodeError::Length)
                && place.length().is_some_and(|length| {
                    length.len() > 10 || !length.bytes().all(|byte| byte.is_ascii_digit())
                })
        })],
        examples: || {
            [" 2:40", "0x2:40", "2e0:40", "2.0:40", "00000000002:40"]
                .map(|text| body(text.as_bytes(), false))
                .into()
        },
    },
    Rule {
        name: "length inside a surrogate pair",
        parsers: OLD,
        reason: "A length that ends in the middle of a character gives it a string with half a surrogate pair; that is no text.",
        effects: &[Effect::Stricter(|place| {
            is(place, &DecodeError::Length)
                && place
                    .part()
                    .is_some_and(|part| String::from_utf16(&part.packet).is_err())
        })],
        examples: || vec![body("2:4😀".as_bytes(), false)],
    },
    Rule {
        name: "packet of no length",
        parsers: OLD,
        reason: "It skips `0:`; to us that is a noop, which means as little.",
        effects: &[Effect::More(|place| {
            place.ours_is_noop()
                && place
                    .part()
                    .is_some_and(|part| part.length.parse() == Ok(0))
        })],
        examples: || {
            ["0:", "0:2:40", "2:400:"]
                .map(|text| body(text.as_bytes(), false))
                .into()
        },
    },
    Rule {
        name: "form by first byte",
        parsers: OLD,
        reason: "The two forms of a payload differ in the first byte of each packet (a digit, or 0 and 1), and no server sends \
                 one for the other; proxies do change content types, by which it goes.",
        effects: &[
            Effect::Looser(is_of_other_form),
            Effect::Stricter(is_of_other_form),
            Effect::Apart(is_of_other_form),
        ],
        examples: || {
            vec![
                body(b"2:40", true),
                body(b"\x00\x02\xff40", false),
                body(b"\x02\x02\xff\x04a", true),
            ]
        },
    },
    Rule {
        name: "bad length of the binary form",
        parsers: OLD,
        reason: "The digits of a length are the bytes 0 to 9, ten at most, and that much must follow; it takes other bytes for \
                 several digits, and cuts a packet short where the body ends.",
        effects: &[Effect::Stricter(|place| {
            is(place, &DecodeError::Length) && place.wrong_part().is_some_and(|part| *part <= 1)
        })],
        examples: || {
            vec![
                body(b"\x00\x09\xff4a", true),
                body(b"\x01\x0a\xff\x041234567890", true),
            ]
        },
    },
    Rule {
        name: "binary form as a whole",
        parsers: OLD,
        reason: "It delivers nothing of a binary payload whose lengths are wrong somewhere; we deliver what stands in front, as \
                 both do everywhere else.",
        effects: &[Effect::Looser(|place| {
            place.wrong_part().is_some()
                && place.their == 0
                && place.theirs.len() == 1
                && place
                    .ours
                    .last()
                    .is_some_and(|last| matches!(last.why, Why::Engine(_)))
        })],
        examples: || vec![body(b"\x00\x02\xff4a\x00\x01", true)],
    },
    Rule {
        name: "empty binary body",
        parsers: OLD,
        reason: "A body without packets is an error in every other form.",
        effects: &[Effect::Stricter(
            |place| matches!(place.input, Input::Body { bytes, octets: true } if bytes.is_empty()),
        )],
        examples: || vec![body(b"", true)],
    },
    Rule {
        name: "base64 of another type",
        parsers: OLD,
        reason: "Only messages are ever bytes; it reads `b2…` as a ping with bytes in it, and `b` with anything else behind it \
                 as a packet of no type.",
        effects: &[Effect::Stricter(|place| {
            is(place, &DecodeError::UnknownType(b'b'))
                && place
                    .packet()
                    .is_some_and(|packet| packet.starts_with('b') && !packet.starts_with("b4"))
        })],
        examples: || ["b", "b2AQID", "bAQID"].map(text).into(),
    },
    Rule {
        name: "bytes of another type",
        parsers: OLD,
        reason: "Only messages are ever bytes; those of any other type, or of none, are nothing to us.",
        effects: &[Effect::Otherwise(|_, theirs| {
            if theirs.kind != "message" && theirs.data.as_deref().is_some_and(|data| !is_text(data))
            {
                theirs.kind = "noop".to_owned();
                theirs.data = None;
            }
        })],
        examples: || {
            vec![
                Input::Frames(vec![Frame::Binary(vec![])]),
                Input::Frames(vec![Frame::Binary(vec![2, 1])]),
                Input::Frames(vec![Frame::Binary(vec![9])]),
            ]
        },
    },
];

/// A packet of the text form of revision 3.
struct Part {
    /// The text of its length.
    length: String,
    /// What that many code units are, if the length is a plain one.
    packet: Vec<u16>,
}

impl Part {
    fn first_of(units: &[u16]) -> Option<Self> {
        let colon = units.iter().position(|unit| *unit == u16::from(b':'))?;
        let (length, behind) = units.split_at(colon);
        let behind = behind.get(1..)?;
        let length = String::from_utf16_lossy(length);
        let count = length.parse().unwrap_or(0);
        let packet = behind.get(..count).unwrap_or(behind).to_vec();
        Some(Self { length, packet })
    }
}

impl Place<'_> {
    /// The text of the packet that both are at.
    fn packet(&self) -> Option<String> {
        match (self.input, self.parser) {
            (Input::Frames(frames), _) => match frames.get(self.our)? {
                Frame::Text(text) => Some(text.clone()),
                Frame::Binary(_) => None,
            },
            (Input::Body { bytes, .. }, Parser::Engine52) => {
                let packet = bytes.split(|byte| *byte == 0x1e).nth(self.our)?;
                String::from_utf8(packet.to_vec()).ok()
            }
            (Input::Body { octets: false, .. }, _) => String::from_utf16(&self.part()?.packet).ok(),
            (Input::Body { .. }, _) => self.binary_form_text(),
        }
    }

    /// The code units of a text payload of revision 3 from the packet on that we are at; those before it are well formed.
    fn counted_form(&self) -> Option<Vec<u16>> {
        let Input::Body {
            bytes,
            octets: false,
        } = self.input
        else {
            return None;
        };
        let mut rest: Vec<u16> = String::from_utf8_lossy(bytes).encode_utf16().collect();
        for _ in 0..self.our {
            let part = Part::first_of(&rest)?;
            rest.drain(..part.length.len() + 1 + part.packet.len());
        }
        Some(rest)
    }

    /// The part of a text payload of revision 3 that we are at.
    fn part(&self) -> Option<Part> {
        Part::first_of(&self.counted_form()?)
    }

    fn length(&self) -> Option<String> {
        self.part().map(|part| part.length)
    }

    /// The bytes of the binary form from the packet on that we are at; those before it are well formed.
    fn binary_form(&self) -> Option<&[u8]> {
        let Input::Body {
            bytes,
            octets: true,
        } = self.input
        else {
            return None;
        };
        let mut rest = bytes.as_slice();
        for _ in 0..self.our {
            let (length, behind) = binary_form_length(rest)?;
            rest = behind.get(length..)?;
        }
        Some(rest)
    }

    fn binary_form_text(&self) -> Option<String> {
        let (length, behind) = binary_form_length(self.binary_form()?)?;
        String::from_utf8(behind.get(..length)?.to_vec()).ok()
    }

    /// The first byte of the first part of a body of bytes that is no part of the binary form.
    fn wrong_part(&self) -> Option<&u8> {
        let Input::Body {
            bytes,
            octets: true,
        } = self.input
        else {
            return None;
        };
        let mut rest = bytes.as_slice();
        loop {
            let first = rest.first()?;
            let behind = binary_form_length(rest).and_then(|(length, behind)| behind.get(length..));
            match behind {
                Some(behind) if *first <= 1 => rest = behind,
                _ => return Some(first),
            }
        }
    }

    /// How much of a text is in front of the base64.
    fn prefix(&self) -> usize {
        match self.parser {
            Parser::Engine22 => 2,
            _ => 1,
        }
    }

    fn ours_is_noop(&self) -> bool {
        use crate::differential::case::Step;
        matches!(self.our().map(|our| &our.step), Some(Step::Packet(reading)) if reading.kind == "noop")
    }
}

/// The length in front of a packet of the binary form, and what stands behind it.
fn binary_form_length(packet: &[u8]) -> Option<(usize, &[u8])> {
    let end = packet.iter().skip(1).position(|byte| *byte == 0xff)? + 1;
    let digits = packet.get(1..end)?;
    let is_length = (1..=10).contains(&digits.len()) && digits.iter().all(|digit| *digit <= 9);
    let length = digits.iter().fold(0_usize, |length, digit| {
        length
            .saturating_mul(10)
            .saturating_add(usize::from(*digit))
    });
    is_length.then_some((length, packet.get(end + 1..)?))
}

fn engine_error<'a>(place: &Place<'a>) -> Option<&'a DecodeError> {
    match place.why() {
        Why::Engine(error) => Some(error),
        _ => None,
    }
}

/// Whether the packet that we are at begins as one of the other form than the content type says. Bytes are taken
/// apart as a whole over there: in those, any of them may be.
fn is_of_other_form(place: &Place<'_>) -> bool {
    match place.counted_form() {
        Some(rest) => rest.first().is_some_and(|first| *first <= 1),
        None => place.wrong_part().is_some_and(|part| *part > 1),
    }
}

fn is(place: &Place<'_>, error: &DecodeError) -> bool {
    engine_error(place) == Some(error)
}

/// Whether canonical data is text, and not bytes.
fn is_text(data: &str) -> bool {
    data.starts_with('"')
}

/// Base64 of the standard alphabet, with all of its padding or none, and nothing in the bits that are left over.
fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let last = data.bytes().last().and_then(value).unwrap_or(0);
    data.bytes().all(|byte| value(byte).is_some())
        && match data.len() % 4 {
            0 => padding == 0,
            2 => matches!(padding, 0 | 2) && last & 0xf == 0,
            3 => padding <= 1 && last & 0x3 == 0,
            _ => false,
        }
}

fn text(text: &str) -> Input {
    Input::Frames(vec![Frame::Text(text.to_owned())])
}

fn body(bytes: &[u8], octets: bool) -> Input {
    let bytes = bytes.to_vec();
    Input::Body { bytes, octets }
}
