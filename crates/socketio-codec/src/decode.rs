//! Text and attachments to packets.

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use crate::json::{count_items, trim_end};
use crate::limits::is_small_part;
use crate::revision::Payload;
use crate::{
    Args, DecodeError, Event, Json, Limits, Namespace, NamespaceError, Packet, Query, Revision,
};

/// Makes packets out of messages.
///
/// A packet is one text message, and one binary message for each of its attachments right behind
/// it. The decoder holds what it has of one unfinished packet, bounded by the [`Limits`].
///
/// An error means that the peer broke the protocol: what has been held is forgotten, and the
/// caller ends the connection, because what follows could belong to anything.
///
/// ```
/// use socketio_codec::{Bytes, Decoder, Limits, Packet};
///
/// let mut decoder = Decoder::new(Limits::default());
/// let header = r#"51-["file",{"_placeholder":true,"num":0}]"#;
/// assert_eq!(decoder.text(header.into())?, None);
/// let Some(Packet::Event { event, .. }) = decoder.binary(Bytes::from_static(b"data"))? else {
///     panic!("one attachment was announced");
/// };
/// assert_eq!(event.name(), "file");
/// assert_eq!(event.parse::<Bytes>()?, "data");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decoder {
    revision: Revision,
    limits: Limits,
    partial: Option<Partial>,
}

/// A packet whose attachments have not all arrived.
struct Partial {
    /// With all but the attachments.
    packet: Packet,
    /// Where in the packet's text the JSON starts.
    payload: usize,
    expected: usize,
    attachments: Vec<Bytes>,
    bytes: usize,
}

impl Decoder {
    /// A decoder that expects the text of a packet of [revision 5](Revision::R5).
    pub fn new(limits: Limits) -> Self {
        Self::with_revision(limits, Revision::default())
    }

    /// A decoder that expects the text of a packet of this revision.
    pub fn with_revision(limits: Limits, revision: Revision) -> Self {
        Self {
            revision,
            limits,
            partial: None,
        }
    }

    /// Takes a text message. Gives the packet, or nothing yet if attachments are due.
    ///
    /// # Errors
    ///
    /// When the text is not a packet, breaks a limit, or came instead of an attachment.
    pub fn text(&mut self, text: ByteString) -> Result<Option<Packet>, DecodeError> {
        if self.partial.take().is_some() {
            return Err(DecodeError::UnexpectedText);
        }
        let header = Header::parse(&text, &self.limits, self.revision)?;
        let (payload, expected) = (header.payload, header.attachments);
        let packet = header.packet(text)?;
        if expected == 0 {
            return Ok(Some(packet));
        }
        self.partial = Some(Partial {
            packet,
            payload,
            expected,
            attachments: Vec::new(),
            bytes: 0,
        });
        Ok(None)
    }

    /// Takes a binary message. Gives the packet if it was the last attachment.
    ///
    /// # Errors
    ///
    /// When no attachment is due, the attachments break a limit, be it only because one of them
    /// belongs in many places, or a placeholder names one that does not exist.
    pub fn binary(&mut self, attachment: Bytes) -> Result<Option<Packet>, DecodeError> {
        let mut partial = self.partial.take().ok_or(DecodeError::UnexpectedBinary)?;
        partial.bytes = partial.bytes.saturating_add(attachment.len());
        if partial.bytes > self.limits.max_attachment_bytes {
            let limit = self.limits.max_attachment_bytes;
            return Err(DecodeError::AttachmentsTooLarge { limit });
        }
        partial.attachments.push(attachment);
        if partial.attachments.len() == partial.expected {
            return partial.finish(&self.limits).map(Some);
        }
        self.partial = Some(partial);
        Ok(None)
    }

    /// Forgets what there is of an unfinished packet, as at the end of a connection.
    pub fn reset(&mut self) {
        self.partial = None;
    }

    /// Whether attachments are due.
    pub fn is_assembling(&self) -> bool {
        self.partial.is_some()
    }
}

impl Partial {
    fn finish(self, limits: &Limits) -> Result<Packet, DecodeError> {
        let Self {
            mut packet,
            payload,
            attachments,
            ..
        } = self;
        let args = match &mut packet {
            Packet::Event { event, .. } => event.args_mut(),
            Packet::Ack { args, .. } => args,
            Packet::Connect { .. } | Packet::Disconnect { .. } | Packet::ConnectError { .. } => {
                return Ok(packet);
            }
        };
        args.attach(attachments)
            .map_err(|error| error.within(payload))?;
        let limit = limits.max_attachment_bytes;
        if args.placed_bytes() > limit {
            return Err(DecodeError::AttachmentsTooLarge { limit });
        }
        Ok(packet)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let due = self
            .partial
            .as_ref()
            .map(|partial| partial.expected - partial.attachments.len());
        f.debug_struct("Decoder")
            .field("revision", &self.revision)
            .field("limits", &self.limits)
            .field("attachments_due", &due.unwrap_or_default())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// What stands before the JSON: `type [attachments "-"] [namespace ","] [id]`.
struct Header {
    revision: Revision,
    kind: Kind,
    attachments: usize,
    namespace: Namespace,
    query: Option<Query>,
    id: Option<u64>,
    /// Where the id starts, or would.
    id_offset: usize,
    /// Where the JSON starts, if there is any.
    payload: usize,
}

impl Header {
    fn parse(text: &ByteString, limits: &Limits, revision: Revision) -> Result<Self, DecodeError> {
        let (kind, is_binary) = match text.as_bytes().first().ok_or(DecodeError::Empty)? {
            b'0' => (Kind::Connect, false),
            b'1' => (Kind::Disconnect, false),
            b'2' => (Kind::Event, false),
            b'3' => (Kind::Ack, false),
            b'4' => (Kind::ConnectError, false),
            b'5' => (Kind::Event, true),
            b'6' => (Kind::Ack, true),
            _ => return Err(DecodeError::UnknownType),
        };
        let mut offset = 1;
        let mut attachments = 0;
        if is_binary {
            (attachments, offset) = parse_attachments(text, offset, limits)?;
        }
        let has_query = kind == Kind::Connect && revision.connect_has_query();
        let (namespace, query, id_offset) = parse_namespace(text, offset, limits, has_query)?;
        let (id, payload) = if kind == Kind::ConnectError && revision.error_may_be_a_number() {
            (None, id_offset)
        } else {
            parse_id(text, id_offset, limits)?
        };
        Ok(Self {
            revision,
            kind,
            attachments,
            namespace,
            query,
            id,
            id_offset,
            payload,
        })
    }

    /// The packet, without attachments. The id of a packet that has none is ignored, as in the
    /// reference implementation.
    fn packet(self, text: ByteString) -> Result<Packet, DecodeError> {
        match self.kind {
            Kind::Connect => {
                let payload = self.json(&text, &self.revision.connect_payload())?;
                Ok(Packet::Connect {
                    namespace: self.namespace,
                    query: self.query,
                    payload,
                })
            }
            Kind::Disconnect => {
                let none = Payload {
                    starts: b"",
                    expected: "absent",
                };
                self.json(&text, &none)?;
                Ok(Packet::Disconnect {
                    namespace: self.namespace,
                })
            }
            Kind::Event => {
                let array = self.array(text)?.ok_or(DecodeError::IllegalPayload {
                    offset: self.payload,
                    expected: "an array with a name in front",
                })?;
                let event = Event::from_array(array, self.revision, self.payload)?;
                Ok(Packet::Event {
                    namespace: self.namespace,
                    id: self.id,
                    event,
                })
            }
            Kind::Ack => {
                let id = self.id.ok_or(DecodeError::MissingAckId {
                    offset: self.id_offset,
                })?;
                let args = self.array(text)?.unwrap_or_default();
                Ok(Packet::Ack {
                    namespace: self.namespace,
                    id,
                    args,
                })
            }
            Kind::ConnectError => {
                let payload = self.json(&text, &self.revision.error_payload())?;
                Ok(Packet::ConnectError {
                    namespace: self.namespace,
                    payload,
                })
            }
        }
    }

    /// The payload, if there is one.
    fn json(&self, text: &ByteString, allowed: &Payload) -> Result<Option<Json>, DecodeError> {
        let Some(payload) = self.payload(text, allowed)? else {
            return Ok(None);
        };
        Json::check(take(text, payload))
            .map(Some)
            .map_err(|offset| self.invalid_json(offset))
    }

    fn array(&self, text: ByteString) -> Result<Option<Args>, DecodeError> {
        let array = Payload {
            starts: b"[",
            expected: "an array",
        };
        let Some(payload) = self.payload(&text, &array)? else {
            return Ok(None);
        };
        let len = count_items(payload).map_err(|offset| self.invalid_json(offset))?;
        let is_rest = self.payload + payload.len() == text.len();
        Ok(Some(
            if is_rest && !is_small_part(payload.len(), text.len()) {
                Args::from_message(text, self.payload, len)
            } else {
                Args::from_message(take(&text, payload), 0, len)
            },
        ))
    }

    /// The text behind the header, without white space at its end. White space in front of it is
    /// refused with everything else: the reference implementation takes it for the id 0.
    fn payload<'a>(
        &self,
        text: &'a str,
        allowed: &Payload,
    ) -> Result<Option<&'a str>, DecodeError> {
        let payload = text.get(self.payload..).unwrap_or_default();
        let Some(first) = payload.as_bytes().first() else {
            return Ok(None);
        };
        if !allowed.starts.contains(first) {
            return Err(DecodeError::IllegalPayload {
                offset: self.payload,
                expected: allowed.expected,
            });
        }
        Ok(Some(trim_end(payload)))
    }

    fn invalid_json(&self, offset: usize) -> DecodeError {
        DecodeError::InvalidJson {
            offset: self.payload + offset,
        }
    }
}

/// `attachments "-"`: decimal digits only, and at least 1, because with 0 nothing would end the
/// packet.
fn parse_attachments(
    text: &str,
    offset: usize,
    limits: &Limits,
) -> Result<(usize, usize), DecodeError> {
    let (digits, end) = digits(text, offset);
    let count = decimal(digits);
    if digits.is_empty() || count == Some(0) || text.as_bytes().get(end) != Some(&b'-') {
        return Err(DecodeError::IllegalAttachmentCount { offset });
    }
    match count.and_then(|count| usize::try_from(count).ok()) {
        Some(count) if count <= limits.max_attachments => Ok((count, end + 1)),
        _ => Err(DecodeError::TooManyAttachments {
            offset,
            limit: limits.max_attachments,
        }),
    }
}

/// `namespace ["?" query] ","`: up to the comma, or to the end if there is none.
fn parse_namespace(
    text: &ByteString,
    offset: usize,
    limits: &Limits,
    has_query: bool,
) -> Result<(Namespace, Option<Query>, usize), DecodeError> {
    let rest = text.get(offset..).unwrap_or_default();
    if !rest.starts_with('/') {
        return Ok((Namespace::root(), None, offset));
    }
    let (name, end) = match rest.split_once(',') {
        Some((name, _)) => (name, offset + name.len() + 1),
        None => (rest, text.len()),
    };
    let (name, query) = match name.split_once('?') {
        Some((name, query)) if has_query => (name, query),
        _ => (name, ""),
    };
    let limit = limits.max_namespace_len.min(Namespace::MAX_LEN);
    if name.len() > limit {
        return Err(DecodeError::NamespaceTooLong { offset, limit });
    }
    let query_offset = offset + name.len() + 1;
    if query.len() > Query::MAX_LEN {
        return Err(DecodeError::NamespaceTooLong {
            offset: query_offset,
            limit: Query::MAX_LEN,
        });
    }
    if let Some(inner) = query.find('\u{1e}') {
        return Err(DecodeError::IllegalNamespace {
            offset: query_offset + inner,
        });
    }
    let query = (!query.is_empty()).then(|| Query::from_namespace(take(text, query)));
    if name == "/" {
        return Ok((Namespace::root(), query, end));
    }
    match Namespace::try_from(take(text, name)) {
        Ok(namespace) => Ok((namespace, query, end)),
        Err(NamespaceError::IllegalCharacter { offset: inner }) => {
            Err(DecodeError::IllegalNamespace {
                offset: offset + inner,
            })
        }
        Err(_) => Err(DecodeError::IllegalNamespace { offset }),
    }
}

/// Part of a message, as one that keeps the message alive only if it is much of that.
fn take(text: &ByteString, part: &str) -> ByteString {
    match is_small_part(part.len(), text.len()) {
        true => part.into(),
        false => text.slice_ref(part),
    }
}

/// A run of decimal digits.
fn parse_id(
    text: &str,
    offset: usize,
    limits: &Limits,
) -> Result<(Option<u64>, usize), DecodeError> {
    let (digits, end) = digits(text, offset);
    if digits.is_empty() {
        return Ok((None, end));
    }
    match decimal(digits) {
        Some(id) if digits.len() <= limits.max_ack_id_digits => Ok((Some(id), end)),
        _ => Err(DecodeError::AckIdTooLarge { offset }),
    }
}

/// The digits at `offset`, and where they end.
fn digits(text: &str, offset: usize) -> (&str, usize) {
    let rest = text.get(offset..).unwrap_or_default();
    let len = rest
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    (rest.get(..len).unwrap_or_default(), offset + len)
}

/// The number that the digits are, if it fits.
fn decimal(digits: &str) -> Option<u64> {
    digits.parse().ok()
}
