//! Socket.IO packets, as they stand in Engine.IO messages.

use bytes::Bytes;
use serde_json::Value;

use super::api::{AckId, Frame, Revision, Violation};
use super::payload::decimal;
use super::value::{put_bytes, take_bytes};

/// The most attachments that the reference servers take.
const MAX_ATTACHMENTS: usize = 10;

/// Event names that mean something else.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Type {
    Connect,
    Disconnect,
    Event,
    Ack,
    /// In the old revision ERROR.
    ConnectError,
}

/// A packet, its attachments in their places as `{"$hex":"…"}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) kind: Type,
    pub(super) namespace: String,
    pub(super) id: Option<AckId>,
    pub(super) payload: Option<Value>,
}

impl Message {
    /// The items of an array payload.
    pub(super) fn args(&self) -> Vec<Value> {
        match &self.payload {
            Some(Value::Array(items)) => items.clone(),
            _ => Vec::new(),
        }
    }
}

/// The packet without a payload, or with one that is JSON already.
pub(super) fn encode(kind: Type, namespace: &str, json: &str) -> Frame {
    let digit = match kind {
        Type::Connect => '0',
        Type::Disconnect => '1',
        Type::Event => '2',
        Type::Ack => '3',
        Type::ConnectError => '4',
    };
    Frame::Text(format!("{digit}{}{json}", prefix(namespace)))
}

/// An event or an acknowledgement with its attachments behind it.
pub(super) fn encode_args(
    kind: Type,
    namespace: &str,
    id: Option<AckId>,
    args: &[Value],
) -> Vec<Frame> {
    let mut attachments = Vec::new();
    let args: Value = args
        .iter()
        .map(|arg| take_bytes(arg, &mut attachments))
        .collect();
    let id = id.map_or_else(String::new, |id| id.to_string());
    let start = match (kind, attachments.len()) {
        (Type::Ack, 0) => "3".to_owned(),
        (Type::Ack, count) => format!("6{count}-"),
        (_, 0) => "2".to_owned(),
        (_, count) => format!("5{count}-"),
    };
    let text = format!("{start}{}{id}{args}", prefix(namespace));
    let attachments = attachments.into_iter().map(Frame::Binary);
    std::iter::once(Frame::Text(text))
        .chain(attachments)
        .collect()
}

fn prefix(namespace: &str) -> String {
    match namespace {
        "/" => String::new(),
        namespace => format!("{namespace},"),
    }
}

/// Puts packets together with their attachments.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Which server this is: the old one is less strict.
    server: Revision,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    message: Message,
    expected: usize,
    attachments: Vec<Bytes>,
}

impl Decoder {
    pub(super) fn new(server: Revision) -> Self {
        Self {
            server,
            pending: None,
        }
    }

    /// Takes one Engine.IO message; the packet that it completes, if it does.
    pub(super) fn add(&mut self, frame: &Frame) -> Result<Option<Message>, Violation> {
        match (frame, self.pending.take()) {
            (Frame::Text(_), Some(_)) => Err(Violation::InterleavedText),
            (Frame::Text(text), None) => {
                let (message, expected) = decode(text, self.server)?;
                if expected == 0 {
                    return Ok(Some(message));
                }
                self.pending = Some(Pending {
                    message,
                    expected,
                    attachments: Vec::new(),
                });
                Ok(None)
            }
            (Frame::Binary(_), None) => Err(Violation::StrayAttachment),
            (Frame::Binary(bytes), Some(mut pending)) => {
                pending.attachments.push(bytes.clone());
                if pending.attachments.len() < pending.expected {
                    self.pending = Some(pending);
                    return Ok(None);
                }
                pending.complete().map(Some)
            }
        }
    }
}

impl Pending {
    fn complete(mut self) -> Result<Message, Violation> {
        if let Some(payload) = &self.message.payload {
            let complete =
                put_bytes(payload, &self.attachments).ok_or(Violation::BadPlaceholder)?;
            self.message.payload = Some(complete);
        }
        Ok(self.message)
    }
}

/// A packet's text, and how many attachments follow.
fn decode(text: &str, server: Revision) -> Result<(Message, usize), Violation> {
    let undecodable = Violation::Undecodable;
    let (kind, binary) = match text.bytes().next() {
        Some(b'0') => (Type::Connect, false),
        Some(b'1') => (Type::Disconnect, false),
        Some(b'2') => (Type::Event, false),
        Some(b'3') => (Type::Ack, false),
        Some(b'4') => (Type::ConnectError, false),
        Some(b'5') => (Type::Event, true),
        Some(b'6') => (Type::Ack, true),
        _ => return Err(undecodable),
    };
    let mut rest = &text[1..];
    let mut expected = 0;
    if binary {
        let (count, behind) = rest.split_once('-').ok_or(undecodable)?;
        expected = decimal(count)
            .filter(|count| *count > 0)
            .ok_or(undecodable)?;
        if expected > MAX_ATTACHMENTS {
            return Err(Violation::TooManyAttachments);
        }
        rest = behind;
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, json) = rest.split_at(digits);
    let id = match id {
        "" => None,
        id => Some(id.parse().map_err(|_| undecodable)?),
    };
    let payload = match json {
        "" => None,
        json => Some(serde_json::from_str(json).map_err(|_| undecodable)?),
    };
    if payload
        .as_ref()
        .is_some_and(|payload| !is_valid(kind, payload, server))
    {
        return Err(undecodable);
    }
    let message = Message {
        kind,
        namespace: namespace.to_owned(),
        id,
        payload,
    };
    Ok((message, expected))
}

fn is_valid(kind: Type, payload: &Value, server: Revision) -> bool {
    // To the old server whatever JavaScript calls an object is one.
    let is_object = match server {
        Revision::V4 => payload.is_object(),
        Revision::V3 => payload.is_object() || payload.is_array() || payload.is_null(),
    };
    match kind {
        Type::Connect => is_object,
        Type::Disconnect => false,
        Type::ConnectError => payload.is_string() || is_object,
        Type::Ack => payload.is_array(),
        Type::Event => match payload.get(0).filter(|_| payload.is_array()) {
            Some(Value::Number(_)) => true,
            Some(Value::String(name)) => {
                server == Revision::V3 || !RESERVED.contains(&name.as_str())
            }
            _ => false,
        },
    }
}

/// Whether a frame that is no packet ends the connection: the old server passes over unknown types.
pub(super) fn is_fatal(what: Violation, frame: &Frame, server: Revision) -> bool {
    let unknown = match frame {
        Frame::Text(text) => !matches!(text.bytes().next(), None | Some(b'0'..=b'6')),
        Frame::Binary(_) => false,
    };
    server == Revision::V4 || what != Violation::Undecodable || !unknown
}
