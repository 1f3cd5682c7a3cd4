//! Events and answers as texts: JSON with placeholders, and behind it each attachment.

use bytes::Bytes;
use serde::ser::{Error, Serialize, Serializer};
use serde_json::Value;
use socketio::codec::{Event, Revision};
use socketio::{Args, Spread};

use super::Failure;
use super::wire::{hex, unhex};

/// The event `["bin",{"_placeholder":true,"num":0}] + dead`, as a user makes it.
pub(super) fn event(text: &str) -> Result<Event, Failure> {
    let (json, attachments) = split(text)?;
    if attachments.is_empty() {
        let event = Event::from_json(json, attachments, Revision::R5);
        return event.map_err(|error| error.to_string());
    }
    let mut items = items(&json)?;
    let name = items.drain(..1).next();
    let name = name.as_ref().and_then(Value::as_str).ok_or("no name")?;
    let event = Event::new(name, &with_bytes(&items, &attachments));
    event.map_err(|error| error.to_string())
}

/// The arguments of an answer, as a user makes them.
pub(super) fn args(text: &str) -> Result<Args, Failure> {
    let (json, attachments) = split(text)?;
    if attachments.is_empty() {
        let args = Args::from_json(json, attachments);
        return args.map_err(|error| error.to_string());
    }
    let args = Args::new(&with_bytes(&items(&json)?, &attachments));
    args.map_err(|error| error.to_string())
}

/// What the user is told.
pub(super) fn text(json: &str, attachments: &[Bytes]) -> String {
    let attachments = attachments.iter();
    let attachments = attachments.map(|bytes| format!(" + {}", hex(bytes)));
    std::iter::once(json.to_owned())
        .chain(attachments)
        .collect()
}

fn split(text: &str) -> Result<(String, Vec<Bytes>), Failure> {
    // The last one may be empty.
    let text = format!("{text} ");
    let mut parts = text.split(" + ");
    let json = parts.next().unwrap_or_default().trim_end().to_owned();
    let attachments = parts.map(|digits| unhex(digits).map(Into::into));
    Ok((json, attachments.collect::<Result<_, _>>()?))
}

fn items(json: &str) -> Result<Vec<Value>, Failure> {
    let items: Vec<Value> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    match items.is_empty() {
        true => Err("bytes of nothing".to_owned()),
        false => Ok(items),
    }
}

/// A value in which bytes stand where their placeholders stood.
struct WithBytes<'a>(&'a Value, &'a [Bytes]);

fn with_bytes<'a>(items: &'a [Value], attachments: &'a [Bytes]) -> Spread<WithBytes<'a>> {
    let items = items.iter();
    Spread(items.map(|item| WithBytes(item, attachments)).collect())
}

impl Serialize for WithBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, attachments) = *self;
        match value {
            Value::Array(items) => {
                serializer.collect_seq(items.iter().map(|item| Self(item, attachments)))
            }
            Value::Object(fields) if fields.contains_key("_placeholder") => {
                let number = fields.get("num").and_then(Value::as_u64);
                let number = number.and_then(|number| usize::try_from(number).ok());
                let bytes = number.and_then(|number| attachments.get(number));
                let bytes = bytes.ok_or_else(|| S::Error::custom("no such attachment"))?;
                serializer.serialize_bytes(bytes)
            }
            Value::Object(fields) => {
                let fields = fields.iter();
                serializer.collect_map(fields.map(|(key, field)| (key, Self(field, attachments))))
            }
            other => other.serialize(serializer),
        }
    }
}
