//! Packet to message.

use bytes::Bytes;

use super::from_json::{push_args, push_event, push_json};
use super::write::Writer;
use super::{Kind, REVISION};
use crate::{EncodeError, Packet};

/// The message of a packet.
pub(crate) fn encode(packet: &Packet) -> Result<Bytes, EncodeError> {
    let (kind, id) = match packet {
        Packet::Connect { query, .. } => {
            if query.is_some() && !REVISION.connect_has_query() {
                return Err(EncodeError::Inexpressible {
                    what: "the query of a CONNECT",
                });
            }
            (Kind::Connect, None)
        }
        Packet::Disconnect { .. } => (Kind::Disconnect, None),
        Packet::Event { id, .. } => (Kind::Event, *id),
        Packet::Ack { id, .. } => (Kind::Ack, Some(*id)),
        Packet::ConnectError { .. } => (Kind::ConnectError, None),
    };
    // What is absent is left out: that is understood by implementations that do not know the
    // `undefined` of the JavaScript one.
    let has_data = match packet {
        Packet::Connect { payload, .. } | Packet::ConnectError { payload, .. } => payload.is_some(),
        Packet::Disconnect { .. } => false,
        Packet::Event { .. } | Packet::Ack { .. } => true,
    };
    let mut out = Writer::with_capacity(size_hint(packet));
    out.map(2 + usize::from(has_data) + usize::from(id.is_some()))?;
    out.string("type")?;
    out.unsigned(kind as u64);
    if has_data {
        out.string("data")?;
    }
    match packet {
        Packet::Connect { payload, .. } | Packet::ConnectError { payload, .. } => {
            if let Some(payload) = payload {
                push_json(&mut out, payload)?;
            }
        }
        Packet::Disconnect { .. } => {}
        Packet::Event { event, .. } => push_event(&mut out, event)?,
        Packet::Ack { args, .. } => push_args(&mut out, args)?,
    }
    if let Some(id) = id {
        out.string("id")?;
        out.unsigned(id);
    }
    out.string("nsp")?;
    out.string(packet.namespace().as_str())?;
    Ok(out.into_bytes())
}

/// About how long the message will be: rarely longer, because most of MessagePack is shorter than
/// the JSON.
fn size_hint(packet: &Packet) -> usize {
    const HEADER: usize = 48;
    let json = match packet {
        Packet::Connect { payload, .. } | Packet::ConnectError { payload, .. } => {
            payload.as_ref().map_or(0, |payload| payload.as_str().len())
        }
        Packet::Disconnect { .. } => 0,
        Packet::Event { event, .. } => event.json().len(),
        Packet::Ack { args, .. } => args.tail().len(),
    };
    let attachments = packet.attachments().iter().map(Bytes::len);
    HEADER + packet.namespace().as_str().len() + json + attachments.sum::<usize>()
}
