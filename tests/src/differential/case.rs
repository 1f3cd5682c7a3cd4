//! A case: what is read or written by both sides, and what comes of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::value::{Value, hex, number_text, quoted};

/// What a parser is compared about.
#[derive(Clone, Debug)]
pub(crate) enum Case {
    /// Both sides read the same.
    Read(Input),
    /// We write it; both sides read that.
    WeWrite(Message),
    /// They write it; we read that.
    TheyWrite(Message),
}

/// What is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// The messages of one connection.
    Frames(Vec<Frame>),
    /// The body of a polling request, whose content type says that it is bytes (`octets`), or text.
    Body { bytes: Vec<u8>, octets: bool },
}

/// A message of a WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

/// What is written.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A Socket.IO packet.
    Socket {
        kind: &'static str,
        namespace: String,
        id: Option<u64>,
        /// Of an event, its name and its arguments.
        data: Option<Value>,
    },
    /// Engine.IO packets.
    Engine {
        packets: Vec<(&'static str, Option<Frame>)>,
        form: Form,
    },
}

/// How Engine.IO packets are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    /// Each as a message of a WebSocket.
    Frames,
    /// As the body of a polling request.
    Text,
    /// The same as bytes, where the revision can.
    Octets,
}

/// What came of a frame, or of a part of a body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    /// Why it was refused. It is the last step.
    Refused(String),
    /// A packet.
    Packet(Reading),
    /// Nothing yet.
    Nothing,
}

/// A packet, as far as it can be compared.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
pub(crate) struct Reading {
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) id: Option<String>,
    /// The canonical text of it.
    pub(crate) data: Option<String>,
}

impl Frame {
    fn job(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Binary(bytes) => json!([BASE64_STANDARD.encode(bytes)]),
        }
    }

    fn canonical(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Binary(bytes) => hex(bytes),
        }
    }
}

impl Input {
    /// As `servers/js/parsers.js` takes it.
    pub(crate) fn job(&self) -> serde_json::Value {
        match self {
            Self::Frames(frames) => {
                json!({"frames": frames.iter().map(Frame::job).collect::<Vec<_>>()})
            }
            Self::Body { bytes, octets } => {
                json!({"body": [BASE64_STANDARD.encode(bytes)], "octets": octets})
            }
        }
    }

    /// As `servers/js/parsers.js` gives it.
    pub(crate) fn from_job(job: &serde_json::Value) -> Option<Self> {
        let decode = |data: &serde_json::Value| BASE64_STANDARD.decode(data.get(0)?.as_str()?).ok();
        if let Some(body) = job.get("body") {
            let octets = job.get("octets")?.as_bool()?;
            let bytes = decode(body)?;
            return Some(Self::Body { bytes, octets });
        }
        let frames = job.get("frames")?.as_array()?.iter();
        let frames = frames.map(|frame| match frame.as_str() {
            Some(text) => Some(Frame::Text(text.to_owned())),
            None => decode(frame).map(Frame::Binary),
        });
        frames.collect::<Option<_>>().map(Self::Frames)
    }
}

impl Message {
    /// As `servers/js/parsers.js` takes it.
    pub(crate) fn job(&self) -> serde_json::Value {
        match self {
            Self::Socket {
                kind,
                namespace,
                id,
                data,
            } => {
                let mut job = json!({"kind": kind, "namespace": namespace});
                if let Some(id) = id {
                    job["id"] = json!(id);
                }
                if let Some(data) = data {
                    job["data"] = data.tagged();
                    job["attachments"] = json!(data.attachments());
                }
                job
            }
            Self::Engine { packets, form } => {
                let packet = |(kind, data): &(&str, Option<Frame>)| match data {
                    Some(data) => json!({"kind": kind, "data": data.job()}),
                    None => json!({"kind": kind}),
                };
                let form = match form {
                    Form::Frames => "frame",
                    Form::Text => "text",
                    Form::Octets => "octets",
                };
                json!({"packets": packets.iter().map(packet).collect::<Vec<_>>(), "form": form})
            }
        }
    }

    /// What the other side must read.
    pub(crate) fn meant(&self) -> Vec<Step> {
        match self {
            Self::Socket {
                kind,
                namespace,
                id,
                data,
            } => {
                let attachments = data.as_ref().map_or(0, Value::attachments);
                let mut steps = vec![Step::Nothing; attachments];
                steps.push(Step::Packet(Reading {
                    kind: (*kind).to_owned(),
                    namespace: Some(namespace.clone()),
                    id: id.map(|id| number_text(id as f64)),
                    data: data.as_ref().map(Value::canonical),
                }));
                steps
            }
            Self::Engine { packets, .. } => packets
                .iter()
                .map(|(kind, data)| {
                    Step::Packet(Reading {
                        kind: (*kind).to_owned(),
                        // No data and empty text are one and the same.
                        data: data
                            .as_ref()
                            .map(Frame::canonical)
                            .filter(|data| data != "\"\""),
                        ..Reading::default()
                    })
                })
                .collect(),
        }
    }
}
