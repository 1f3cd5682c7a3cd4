//! Socket.IO packets: to be read, and to be written.

use socketio_codec::Revision;

use super::dice::Dice;
use super::json::{BROKEN, Texts};
use super::values;
use super::{Truth, hostile};
use crate::differential::case::{Frame, Message};
use crate::differential::value::Value;

const NAMESPACES: &[&str] = &[
    "/",
    "/a",
    "/admin",
    "/a/b",
    "//",
    "/a?x=1",
    "/a?token=ok&x=a%20b",
    "/?x",
    "/a?",
    "/?",
    "/é",
    "/😀",
    "/a b",
    "/{\"x\":1}",
    "/1",
    "/a-b",
    "/a:b",
    "/\u{7f}",
    "/\"",
    "/[",
    "/__proto__",
];

const NAMES: &[&str] = &[
    r#""a""#,
    r#""message""#,
    r#""""#,
    r#""error""#,
    r#""ping""#,
    r#""connection""#,
    r#""__proto__""#,
    r#""\u0061""#,
    r#""toString""#,
    r#""é😀""#,
    r#""1""#,
    "1",
    "0",
    "-1",
    "1.5",
    "1e3",
    "-0",
    "9007199254740993",
    "1e999",
    "123456789012345678901",
    r#""connect ""#,
    r#""Connect""#,
    r#""disconnect\u0000""#,
];

const BAD_NAMES: &[&str] = &[
    "null",
    "true",
    "false",
    "{}",
    "[]",
    r#"["a"]"#,
    r#"{"toString":"foo"}"#,
    r#""connect""#,
    r#""connect_error""#,
    r#""disconnect""#,
    r#""disconnecting""#,
    r#""newListener""#,
    r#""removeListener""#,
    r#""\u0063onnect""#,
    r#""\ud800""#,
    r#"{"_placeholder":true,"num":0}"#,
];

const IDS: &[&str] = &[
    "0",
    "1",
    "7",
    "12",
    "007",
    "9007199254740991",
    "9007199254740993",
    "18446744073709551615",
    "00000000000000000001",
];

const BAD_IDS: &[&str] = &[
    "18446744073709551616",
    "99999999999999999999",
    "000000000000000000001",
    "-1",
    "1.5",
    "1e3",
    "0x1",
    " ",
    "1 ",
    "1 2",
    "\t",
    "\u{a0}1",
    "１",
    "٣",
    "\u{feff}",
    "\u{2028}",
    "\u{85}",
    "1_000",
    "NaN",
    "+1",
    "1-",
    "1,",
];

const BAD_COUNTS: &[&str] = &[
    "",
    "-",
    "0-",
    "00-",
    "-1-",
    "1.5-",
    "1.0-",
    "1e0-",
    "0x1-",
    "0b1-",
    "0o1-",
    "11-",
    "1000000-",
    "99999999999999999999-",
    "Infinity-",
    "NaN-",
    " 1-",
    "1 -",
    "+1-",
    "1",
    "1,",
    "٣-",
    "1\n-",
    "0.9e1-",
    "001-",
    "010-",
    "0000000000000000000000001-",
    "1--",
    "\u{feff}1-",
    "1\u{85}-",
];

const BAD_TYPES: &[&str] = &[
    "7", "8", "9", "a", "-", "", " ", "\t", "\n", "\u{a0}", "\u{feff}", "\u{85}", "٣", "１", "/",
    "[", "b", "😀",
];

/// Messages of a connection.
pub(super) fn frames(dice: &mut Dice) -> Vec<Frame> {
    if dice.one_in(40) {
        return hostile::frames(dice);
    }
    let mut frames = Vec::new();
    for _ in 0..=dice.few().min(3) {
        let truth = Truth::any(dice);
        packet(dice, truth, &mut frames);
    }
    if dice.one_in(12) {
        disturb(dice, &mut frames);
    }
    frames
}

/// Attachments too many, too few, or out of order.
fn disturb(dice: &mut Dice, frames: &mut Vec<Frame>) {
    let at = dice.below(frames.len());
    match dice.below(5) {
        0 => drop(frames.remove(at)),
        1 => frames.insert(at, Frame::Binary(dice.bytes(4))),
        2 => frames.insert(at, Frame::Text("2[\"x\"]".to_owned())),
        3 => {
            let again = frames[at].clone();
            frames.insert(at, again);
        }
        _ => dice.shuffle(frames),
    }
}

/// Where a packet that is nearly valid is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Type,
    Count,
    Namespace,
    Id,
    Name,
    Payload,
    Json,
    Placeholder,
    Attachments,
}

const FAULTS: &[Fault] = &[
    Fault::Type,
    Fault::Count,
    Fault::Count,
    Fault::Namespace,
    Fault::Id,
    Fault::Name,
    Fault::Payload,
    Fault::Json,
    Fault::Placeholder,
    Fault::Attachments,
];

/// A text and its attachments.
fn packet(dice: &mut Dice, truth: Truth, frames: &mut Vec<Frame>) {
    let fault = match truth {
        Truth::NearlyValid => dice.pick(FAULTS),
        Truth::Valid | Truth::Damaged => Fault::None,
    };
    let binary = match fault {
        Fault::Count | Fault::Placeholder | Fault::Attachments => true,
        _ => dice.one_in(3),
    };
    let kind = if binary {
        dice.pick(b"55566")
    } else {
        dice.pick(b"0012222334")
    };
    let attachments = if binary { 1 + dice.few().min(9) } else { 0 };

    let mut text = String::new();
    if fault == Fault::Type {
        text.push_str(dice.pick(BAD_TYPES));
    } else {
        text.push(char::from(kind));
    }
    if binary {
        if fault == Fault::Count {
            text.push_str(dice.pick(BAD_COUNTS));
        } else {
            text.push_str(&format!("{attachments}-"));
        }
    }
    text.push_str(&namespace(dice, fault));
    text.push_str(&id(dice, kind, fault));
    text.push_str(&payload(dice, kind, attachments, fault));
    if dice.one_in(30) {
        text.push_str(dice.pick(&[" ", "\n", "\t\r"]));
    }
    if truth == Truth::Damaged {
        text = dice.damage_text(&text);
    }
    frames.push(Frame::Text(text));

    let sent = match fault {
        Fault::Attachments => dice.below(attachments + 3),
        _ => attachments,
    };
    for _ in 0..sent {
        frames.push(Frame::Binary(dice.bytes(5)));
    }
}

fn namespace(dice: &mut Dice, fault: Fault) -> String {
    if fault == Fault::Namespace {
        return match dice.below(8) {
            0 => format!("/{},", "a".repeat(dice.pick(&[1022, 1023, 1024, 1100]))),
            1 => format!("/{},", "é".repeat(dice.pick(&[511, 512, 513]))),
            2 => "/a\u{1e}b,".to_owned(),
            3 => "/a".to_owned(),
            4 => "a,".to_owned(),
            5 => ",".to_owned(),
            6 => "/a,/b,".to_owned(),
            _ => format!("/{},", dice.text()),
        };
    }
    match dice.below(6) {
        0..3 => String::new(),
        3 => "/admin,".to_owned(),
        _ => format!("{},", dice.pick(NAMESPACES)),
    }
}

fn id(dice: &mut Dice, kind: u8, fault: Fault) -> String {
    if fault == Fault::Id {
        return dice.pick(BAD_IDS).to_owned();
    }
    let wanted = match kind {
        b'3' | b'6' => !dice.one_in(30),
        b'2' | b'5' => dice.one_in(3),
        _ => dice.one_in(20),
    };
    match (wanted, dice.coin()) {
        (false, _) => String::new(),
        (true, true) => dice.pick(IDS).to_owned(),
        (true, false) => {
            let digits = dice.below(64);
            (dice.bits() >> digits).to_string()
        }
    }
}

fn payload(dice: &mut Dice, kind: u8, attachments: usize, fault: Fault) -> String {
    let mut texts = Texts {
        dice,
        attachments,
        wrong: fault == Fault::Placeholder,
    };
    match fault {
        Fault::Json => return texts.dice.pick(BROKEN).to_owned(),
        Fault::Payload => {
            return match texts.dice.below(8) {
                0 => String::new(),
                1 => "[]".to_owned(),
                2 => "{}".to_owned(),
                _ => texts.value(1),
            };
        }
        _ => {}
    }
    match kind {
        b'0' if texts.dice.coin() => texts.object(2),
        b'4' if texts.dice.one_in(3) => texts.string(),
        b'4' => texts.object(2),
        b'0' | b'1' => String::new(),
        b'2' | b'5' => {
            let names = if fault == Fault::Name {
                BAD_NAMES
            } else {
                NAMES
            };
            let name = if texts.dice.one_in(4) && fault != Fault::Name {
                serde_json::Value::from(texts.dice.text()).to_string()
            } else {
                texts.dice.pick(names).to_owned()
            };
            let mut items = vec![format!("{}{name}{}", texts.space(), texts.space())];
            let more = texts.dice.few() + usize::from(attachments > 0);
            items.extend((0..more).map(|_| texts.item(3)));
            format!("[{}]", items.join(","))
        }
        _ => {
            let more = texts.dice.few() + usize::from(attachments > 0);
            let items: Vec<_> = (0..more).map(|_| texts.item(3)).collect();
            format!("[{}]", items.join(","))
        }
    }
}

/// A packet as an application may make it.
pub(super) fn message(dice: &mut Dice, revision: Revision) -> Message {
    let kind = dice.pick(&[
        "connect",
        "disconnect",
        "event",
        "event",
        "event",
        "event",
        "ack",
        "ack",
        "error",
    ]);
    let has_query = kind == "connect" && revision == Revision::R4;
    let namespaces = NAMESPACES
        .iter()
        .filter(|name| !name.contains('?') || (has_query && !name.ends_with('?')));
    let namespaces: Vec<_> = namespaces.collect();
    let namespace = (dice.pick(&namespaces)).to_string();
    let mut bytes = if dice.coin() { 10 } else { 0 };
    let data = match kind {
        "connect" if dice.coin() => Some(values::object(dice, 3, &mut 0)),
        "error" if dice.one_in(3) => Some(Value::Text(dice.text())),
        "error" => Some(values::object(dice, 3, &mut 0)),
        "event" | "ack" => {
            let mut items = Vec::new();
            if kind == "event" {
                let name = dice.text();
                items.push(Value::Text(name));
            }
            if let Value::List(more) = values::list(dice, 3, &mut bytes) {
                items.extend(more);
            }
            let mut items = Value::List(items);
            // Without bytes beside it, it is an object like any other.
            if items.attachments() == 0
                && dice.one_in(8)
                && let Value::List(items) = &mut items
            {
                let mark = ("_placeholder".to_owned(), Value::Bool(true));
                items.push(Value::Object(vec![
                    mark,
                    ("num".to_owned(), Value::Whole(0)),
                ]));
            }
            Some(items)
        }
        _ => None,
    };
    // What JavaScript counts exactly.
    let number = (dice.bits() >> 11) >> dice.below(53);
    let id = match kind {
        "ack" => Some(number),
        "event" if dice.coin() => Some(number),
        _ => None,
    };
    Message::Socket {
        kind,
        namespace,
        id,
        data,
    }
}
