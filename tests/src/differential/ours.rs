//! Our side: the codecs as an application meets them.

use engineio::packet::OpenData;
use engineio::{Frame as EngineFrame, Message as EngineMessage, Packet as EnginePacket, Version};
use engineio::{frame, payload};
use socketio_codec::{
    Args, ArgsError, DecodeError, Decoder, Event, Json, Limits, Namespace, Packet, Query, Revision,
    Spread,
};

use super::case::{Form, Frame, Input, Message, Reading, Step};
use super::value::{Value, hex, number_text, quoted};

/// What came of a frame, or of a part of a body, on our side.
#[derive(Clone, Debug)]
pub(crate) struct Our {
    pub(crate) step: Step,
    pub(crate) why: Why,
}

/// Why there is no packet, or no value in it.
#[derive(Clone, Debug)]
pub(crate) enum Why {
    Fine,
    Socket(DecodeError),
    Engine(engineio::DecodeError),
    /// A packet came, and what is in it could not be read as values.
    Unreadable(#[expect(dead_code, reason = "shown with a difference")] String),
}

impl Our {
    fn fine(step: Step) -> Self {
        let why = Why::Fine;
        Self { step, why }
    }
}

pub(crate) fn read_socket(revision: Revision, input: &Input) -> Vec<Our> {
    let Input::Frames(frames) = input else {
        return Vec::new();
    };
    let mut decoder = Decoder::with_revision(Limits::default(), revision);
    let mut steps = Vec::new();
    for frame in frames {
        let read = match frame {
            Frame::Text(text) => decoder.text(text.as_str().into()),
            Frame::Binary(bytes) => decoder.binary(bytes.clone().into()),
        };
        match read {
            Ok(None) => steps.push(Our::fine(Step::Nothing)),
            Ok(Some(packet)) => steps.push(socket_reading(&packet)),
            Err(error) => {
                steps.push(Our {
                    step: Step::Refused(error.to_string()),
                    why: Why::Socket(error),
                });
                break;
            }
        }
    }
    steps
}

fn socket_reading(packet: &Packet) -> Our {
    let (kind, id, data) = match packet {
        Packet::Connect { payload, .. } => ("connect", None, json(payload.as_ref())),
        Packet::Disconnect { .. } => ("disconnect", None, Ok(None)),
        Packet::Event { id, event, .. } => ("event", *id, self::event(event)),
        Packet::Ack { id, args, .. } => ("ack", Some(*id), list(None, args)),
        Packet::ConnectError { payload, .. } => ("error", None, json(payload.as_ref())),
        _ => ("unknown", None, Ok(None)),
    };
    let namespace = match packet {
        Packet::Connect {
            namespace,
            query: Some(query),
            ..
        } => format!("{namespace}?{}", query.as_str()),
        packet => packet.namespace().to_string(),
    };
    let (data, why) = match data {
        Ok(data) => (data, Why::Fine),
        Err(error) => (None, Why::Unreadable(error)),
    };
    let step = Step::Packet(Reading {
        kind: kind.to_owned(),
        namespace: Some(namespace),
        id: id.map(|id| number_text(id as f64)),
        data,
    });
    Our { step, why }
}

fn json(payload: Option<&Json>) -> Result<Option<String>, String> {
    let value = payload.map(Json::parse::<Value>).transpose();
    let value = value.map_err(|error| error.to_string())?;
    Ok(value.map(|value| value.canonical()))
}

fn event(event: &Event) -> Result<Option<String>, String> {
    // A name that is a number is its text.
    let is_text = event
        .json()
        .trim_start_matches(['[', ' ', '\t', '\n', '\r'])
        .starts_with('"');
    let name = event.name();
    let name = match name.parse() {
        Ok(number) if !is_text => number_text(number),
        _ => quoted(name),
    };
    list(Some(name), event.args())
}

fn list(name: Option<String>, args: &Args) -> Result<Option<String>, String> {
    let values: Result<Vec<Value>, ArgsError> = args.parse_each();
    let values = values.map_err(|error| error.to_string())?;
    let items = name.into_iter().chain(values.iter().map(Value::canonical));
    Ok(Some(format!("[{}]", items.collect::<Vec<_>>().join(","))))
}

pub(crate) fn write_socket(message: &Message) -> Result<Input, String> {
    let Message::Socket {
        kind,
        namespace,
        id,
        data,
    } = message
    else {
        return Err("not a Socket.IO packet".to_owned());
    };
    let (name, query) = match namespace.split_once('?') {
        Some((name, query)) => (name, Some(query)),
        None => (namespace.as_str(), None),
    };
    let namespace = Namespace::try_from(name).map_err(|error| error.to_string())?;
    let payload = match data {
        Some(data) => Some(Json::from_serialize(data).map_err(|error| error.to_string())?),
        None => None,
    };
    let items = match data {
        Some(Value::List(items)) => items.clone(),
        _ => Vec::new(),
    };
    let packet = match *kind {
        "connect" => Packet::Connect {
            namespace,
            query: query
                .map(Query::try_from)
                .transpose()
                .map_err(|error| error.to_string())?,
            payload,
        },
        "disconnect" => Packet::Disconnect { namespace },
        "error" => Packet::ConnectError { namespace, payload },
        "ack" => Packet::Ack {
            namespace,
            id: id.unwrap_or_default(),
            args: Args::new(&Spread(items)).map_err(|error| error.to_string())?,
        },
        _ => {
            let mut items = items.into_iter();
            let Some(Value::Text(name)) = items.next() else {
                return Err("an event without a name".to_owned());
            };
            Packet::Event {
                namespace,
                id: *id,
                event: Event::new(&name, &Spread(items.collect()))
                    .map_err(|error| error.to_string())?,
            }
        }
    };
    let mut text = String::new();
    packet.encode(&mut text);
    let attachments = packet.attachments().iter();
    let attachments = attachments.map(|bytes| Frame::Binary(bytes.to_vec()));
    Ok(Input::Frames(
        std::iter::once(Frame::Text(text))
            .chain(attachments)
            .collect(),
    ))
}

pub(crate) fn read_engine(version: Version, input: &Input) -> Vec<Our> {
    let mut steps = Vec::new();
    let mut note = |read: Result<EnginePacket, engineio::DecodeError>| {
        steps.push(match read {
            Ok(packet) => Our::fine(Step::Packet(engine_reading(packet))),
            Err(error) => Our {
                step: Step::Refused(error.to_string()),
                why: Why::Engine(error),
            },
        });
        matches!(steps.last(), Some(Our { why: Why::Fine, .. }))
    };
    match input {
        Input::Frames(frames) => {
            for frame in frames {
                let frame = match frame {
                    Frame::Text(text) => EngineFrame::Text(text.as_str().into()),
                    Frame::Binary(bytes) => EngineFrame::Binary(bytes.clone().into()),
                };
                if !note(frame::decode(version, frame)) {
                    break;
                }
            }
        }
        Input::Body { bytes, .. } => {
            for packet in payload::decode(version, bytes.clone().into(), usize::MAX) {
                note(packet);
            }
        }
    }
    steps
}

fn engine_reading(packet: EnginePacket) -> Reading {
    let (kind, data) = match packet {
        EnginePacket::Open(OpenData(data)) => ("open", Some(quoted(&data))),
        EnginePacket::Close => ("close", None),
        EnginePacket::Ping(data) => ("ping", Some(quoted(&data))),
        EnginePacket::Pong(data) => ("pong", Some(quoted(&data))),
        EnginePacket::Message(EngineMessage::Text(data)) => ("message", Some(quoted(&data))),
        EnginePacket::Message(EngineMessage::Binary(data)) => ("message", Some(hex(&data))),
        EnginePacket::Upgrade => ("upgrade", None),
        EnginePacket::Noop => ("noop", None),
        _ => ("unknown", None),
    };
    Reading {
        kind: kind.to_owned(),
        // No data and empty text are one and the same.
        data: data.filter(|data| data != "\"\""),
        ..Reading::default()
    }
}

pub(crate) fn write_engine(version: Version, message: &Message) -> Result<Input, String> {
    let Message::Engine { packets, form } = message else {
        return Err("not Engine.IO packets".to_owned());
    };
    let packets = packets.iter().map(|(kind, data)| {
        let text = match data {
            Some(Frame::Text(text)) => text.as_str(),
            _ => "",
        };
        Ok(match *kind {
            "open" => EnginePacket::Open(OpenData(text.into())),
            "close" => EnginePacket::Close,
            "ping" => EnginePacket::Ping(text.into()),
            "pong" => EnginePacket::Pong(text.into()),
            "message" => match data {
                Some(Frame::Binary(bytes)) => EnginePacket::Message(bytes.clone().into()),
                _ => EnginePacket::Message(text.into()),
            },
            "upgrade" => EnginePacket::Upgrade,
            "noop" => EnginePacket::Noop,
            _ => return Err(format!("a packet of kind {kind}")),
        })
    });
    let packets = packets.collect::<Result<Vec<_>, String>>()?;
    Ok(match form {
        Form::Frames => Input::Frames(
            packets
                .into_iter()
                .filter_map(|packet| match frame::encode(version, packet) {
                    EngineFrame::Text(text) => Some(Frame::Text(text.to_string())),
                    EngineFrame::Binary(bytes) => Some(Frame::Binary(bytes.to_vec())),
                    _ => None,
                })
                .collect(),
        ),
        Form::Text | Form::Octets => Input::Body {
            bytes: payload::encode(version, &packets).to_vec(),
            octets: false,
        },
    })
}
