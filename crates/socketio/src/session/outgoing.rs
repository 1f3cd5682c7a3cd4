//! A packet as the messages that carry it.

#[cfg(feature = "client")]
use bytes::Bytes;
use engineio::{Message, Transport};
#[cfg(feature = "client")]
use socketio_codec::Namespace;
use socketio_codec::{EncodeError, Event, Packet, Parser, Part, Parts};

/// One encoded packet.
#[derive(Debug)]
pub(crate) struct Outgoing {
    parts: Parts,
    /// The event in it, where its leaving is to be told.
    reported: Option<Event>,
}

impl Outgoing {
    pub(crate) fn new(parser: &Parser, packet: Packet) -> Result<Self, EncodeError> {
        let parts = parser.encode_owned(packet)?;
        // JSON escapes it. Elsewhere it would cost the connection, as soon as that is by polling.
        if !parser.is_json() && parts.iter().any(has_separator) {
            return Err(EncodeError::custom(
                "the parser has made a text with U+001E, which separates messages on polling",
            ));
        }
        Ok(Self {
            parts,
            reported: None,
        })
    }

    /// The same for an event whose leaving is told if `report` says so.
    pub(super) fn event(
        parser: &Parser,
        packet: Packet,
        report: bool,
    ) -> Result<Self, EncodeError> {
        let reported = match &packet {
            Packet::Event { event, .. } if report => Some(event.clone()),
            _ => None,
        };
        Ok(Self {
            reported,
            ..Self::new(parser, packet)?
        })
    }

    pub(super) fn take_reported(&mut self) -> Option<Event> {
        self.reported.take()
    }

    /// Bytes of all messages together.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum()
    }

    /// Bytes of the largest message as a server counts them, binary ones as base64 or not.
    pub(crate) fn largest_message(&self, base64: bool) -> u64 {
        let sizes = self.parts.iter().map(|part| match part {
            Part::Binary(data) => binary_size(data.len(), base64),
            other => text_size(other.len()),
        });
        sizes.max().unwrap_or_default()
    }

    pub(super) fn into_messages(self) -> impl Iterator<Item = Message> {
        // There are no other parts.
        self.parts.into_iter().filter_map(|part| match part {
            Part::Text(text) => Some(Message::Text(text)),
            Part::Binary(data) => Some(Message::Binary(data)),
            _ => None,
        })
    }
}

fn has_separator(part: &Part) -> bool {
    matches!(part, Part::Text(text) if text.contains('\u{1e}'))
}

/// Bytes of the largest message of a packet before it is encoded, in the JSON format: header and JSON in one, each attachment in another.
/// `ack_digits` is how long its acknowledgement id is.
#[cfg(feature = "client")]
pub(crate) fn largest_message(
    namespace: &Namespace,
    ack_digits: usize,
    json: usize,
    attachments: &[Bytes],
    base64: bool,
) -> u64 {
    let namespace = if namespace.is_root() {
        0
    } else {
        namespace.as_str().len() + 1
    };
    let count = if attachments.is_empty() {
        0
    } else {
        attachments.len().to_string().len() + 1
    };
    let text = text_size(1 + count + namespace + ack_digits + json);
    let attachments = attachments
        .iter()
        .map(|bytes| binary_size(bytes.len(), base64));
    attachments.fold(text, u64::max)
}

/// A text message is preceded by its packet type.
fn text_size(len: usize) -> u64 {
    len as u64 + 1
}

/// Whether binary messages travel as base64: always on polling, and on WebSocket if that is asked for.
pub(crate) fn is_base64(transport: Transport, forced: bool) -> bool {
    forced || transport != Transport::WebSocket
}

/// A binary message travels as it is, or as `b` and base64.
fn binary_size(len: usize, base64: bool) -> u64 {
    let len = len as u64;
    if base64 {
        len.div_ceil(3).saturating_mul(4).saturating_add(1)
    } else {
        len
    }
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_known_before_the_packet_is_encoded() {
        let event = |len| Event::new("e", &(Bytes::from(vec![0; len]), 1)).unwrap();
        for event in [Event::new("e", &"x").unwrap(), event(0), event(1000)] {
            for namespace in ["/", "/abc"] {
                for id in [None, Some(0), Some(u64::MAX)] {
                    for base64 in [false, true] {
                        let namespace = Namespace::try_from(namespace).unwrap();
                        let digits = id.map_or(0, |id: u64| id.to_string().len());
                        let (json, attachments) = (event.json().len(), event.attachments());
                        let size = largest_message(&namespace, digits, json, attachments, base64);
                        let packet = Packet::Event {
                            namespace,
                            id,
                            event: event.clone(),
                        };
                        assert_eq!(
                            size,
                            Outgoing::new(&Parser::json(), packet)
                                .unwrap()
                                .largest_message(base64)
                        );
                    }
                }
            }
        }
    }
}
