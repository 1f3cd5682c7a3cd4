//! A packet as the messages that carry it.

use bytes::Bytes;
use bytestring::ByteString;
use engineio::{Message, Transport};
#[cfg(feature = "client")]
use socketio_codec::Namespace;
use socketio_codec::{Event, Packet};

/// One encoded packet: a text, and its attachments directly behind it.
#[derive(Debug)]
pub(super) struct Outgoing {
    text: ByteString,
    attachments: Vec<Bytes>,
    /// The event in it, where its leaving is to be told.
    reported: Option<Event>,
}

impl Outgoing {
    pub(super) fn new(packet: &Packet) -> Self {
        let mut text = String::new();
        packet.encode(&mut text);
        Self {
            text: text.into(),
            attachments: packet.attachments().to_vec(),
            reported: None,
        }
    }

    /// The same for an event whose leaving is told if `report` says so.
    pub(super) fn event(packet: &Packet, report: bool) -> Self {
        let reported = match packet {
            Packet::Event { event, .. } if report => Some(event.clone()),
            _ => None,
        };
        Self {
            reported,
            ..Self::new(packet)
        }
    }

    pub(super) fn take_reported(&mut self) -> Option<Event> {
        self.reported.take()
    }

    /// Bytes of all messages together.
    pub(super) fn len(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Bytes of the largest message as a server counts them.
    pub(super) fn largest_message(&self, transport: Transport) -> u64 {
        let attachments = self
            .attachments
            .iter()
            .map(|bytes| binary_size(bytes.len(), transport));
        attachments.fold(text_size(self.text.len()), u64::max)
    }

    pub(super) fn into_messages(self) -> impl Iterator<Item = Message> {
        let attachments = self.attachments.into_iter().map(Message::Binary);
        std::iter::once(Message::Text(self.text)).chain(attachments)
    }
}

/// Bytes of the largest message of a packet before it is encoded: header and JSON in one, each attachment in another.
/// `ack_digits` is how long its acknowledgement id is.
#[cfg(feature = "client")]
pub(crate) fn largest_message(
    namespace: &Namespace,
    ack_digits: usize,
    json: usize,
    attachments: &[Bytes],
    transport: Transport,
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
        .map(|bytes| binary_size(bytes.len(), transport));
    attachments.fold(text, u64::max)
}

/// A text message is preceded by its packet type.
fn text_size(len: usize) -> u64 {
    len as u64 + 1
}

/// A binary message travels as it is in a WebSocket frame, and as `b` and base64 on polling.
fn binary_size(len: usize, transport: Transport) -> u64 {
    let len = len as u64;
    match transport {
        Transport::WebSocket => len,
        _ => len.div_ceil(3).saturating_mul(4).saturating_add(1),
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
                    for transport in [Transport::Polling, Transport::WebSocket] {
                        let namespace = Namespace::try_from(namespace).unwrap();
                        let digits = id.map_or(0, |id: u64| id.to_string().len());
                        let (json, attachments) = (event.json().len(), event.attachments());
                        let size =
                            largest_message(&namespace, digits, json, attachments, transport);
                        let packet = Packet::Event {
                            namespace,
                            id,
                            event: event.clone(),
                        };
                        assert_eq!(size, Outgoing::new(&packet).largest_message(transport));
                    }
                }
            }
        }
    }
}
