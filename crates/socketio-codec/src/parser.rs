//! Which format packets travel in: JSON, MessagePack, or one's own.

mod custom;
mod part;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

pub use self::custom::{CustomDecoder, CustomParser};
pub use self::part::{Part, Parts};
#[cfg(feature = "msgpack")]
use crate::msgpack;
use crate::{DecodeError, Decoder, EncodeError, Limits, Packet, Revision};

/// How packets become messages and messages packets. Both ends of a connection must use the same.
///
/// The default is the JSON format of Socket.IO, that of [`Packet::encode`] and [`Decoder`]. Two
/// parsers are equal if both are JSON, both are MessagePack, or one is a clone of the other.
///
/// ```
/// use socketio_codec::{Event, Limits, Namespace, Packet, Parser, Part, Revision};
///
/// let parser = Parser::json();
/// let packet = Packet::Event {
///     namespace: Namespace::root(),
///     id: None,
///     event: Event::new("chat", "hello")?,
/// };
/// let mut decoder = parser.decoder(Limits::default(), Revision::R5);
/// let mut received = None;
/// for part in parser.encode(&packet)? {
///     received = decoder.part(part)?;
/// }
/// assert_eq!(received, Some(packet));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Parser(Format);

#[derive(Clone, Default)]
enum Format {
    #[default]
    Json,
    #[cfg(feature = "msgpack")]
    MessagePack,
    Custom(Arc<dyn CustomParser>),
}

impl Parser {
    /// The JSON format: a text message, followed by one binary message for each attachment.
    pub fn json() -> Self {
        Self(Format::Json)
    }

    /// The format of `socket.io-msgpack-parser` 3: one binary message for each packet, a
    /// MessagePack map with binary values where they belong; see [the
    /// crate](crate#messagepack) for how values are translated.
    ///
    /// It carries packets of revision 5 only.
    #[cfg(feature = "msgpack")]
    pub fn msgpack() -> Self {
        Self(Format::MessagePack)
    }

    /// A format of one's own.
    pub fn custom(parser: impl CustomParser) -> Self {
        Self(Format::Custom(Arc::new(parser)))
    }

    /// Whether this is the JSON format.
    pub fn is_json(&self) -> bool {
        matches!(self.0, Format::Json)
    }

    /// `json`, `msgpack`, or how a custom parser calls itself.
    pub fn name(&self) -> &str {
        match &self.0 {
            Format::Json => "json",
            #[cfg(feature = "msgpack")]
            Format::MessagePack => "msgpack",
            Format::Custom(parser) => parser.name(),
        }
    }

    /// Whether packets of this revision can be carried.
    pub fn supports(&self, revision: Revision) -> bool {
        match &self.0 {
            Format::Json => true,
            #[cfg(feature = "msgpack")]
            Format::MessagePack => msgpack::supports(revision),
            Format::Custom(parser) => guarded(|| parser.supports(revision)).unwrap_or(false),
        }
    }

    /// The messages of a packet.
    ///
    /// # Errors
    ///
    /// When the format cannot carry the packet. JSON can carry each, except one that came in
    /// another format and contains, beside binary values, an object that would be taken for the
    /// placeholder of one.
    pub fn encode(&self, packet: &Packet) -> Result<Parts, EncodeError> {
        match &self.0 {
            Format::Json => encode_json(packet),
            #[cfg(feature = "msgpack")]
            Format::MessagePack => {
                msgpack::encode(packet).map(|message| Part::from(message).into())
            }
            Format::Custom(parser) => guarded(|| parser.encode(packet))
                .unwrap_or_else(|| Err(EncodeError::custom(PANICKED))),
        }
    }

    /// As [`encode`](Self::encode), for who is done with the packet: the text of most events is
    /// there already, and moves.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_owned(&self, packet: Packet) -> Result<Parts, EncodeError> {
        if self.is_json()
            && packet.message().is_some()
            && let Packet::Event { event, .. } = packet
        {
            return Ok(Part::Text(event.into_args().into_text()).into());
        }
        self.encode(&packet)
    }

    /// A decoder for the messages of one connection. `revision` should be one that is
    /// [supported](Self::supports).
    pub fn decoder(&self, limits: Limits, revision: Revision) -> ParserDecoder {
        ParserDecoder(match &self.0 {
            Format::Json => Decoding::Json(Decoder::with_revision(limits, revision)),
            #[cfg(feature = "msgpack")]
            Format::MessagePack => Decoding::MessagePack(limits),
            Format::Custom(parser) => {
                Decoding::Custom(guarded(|| parser.decoder(&limits, revision)))
            }
        })
    }
}

fn encode_json(packet: &Packet) -> Result<Parts, EncodeError> {
    if packet.is_ambiguous() {
        return Err(EncodeError::AmbiguousPlaceholder);
    }
    if let Some(message) = packet.message() {
        return Ok(Part::Text(message.clone()).into());
    }
    let mut text = String::with_capacity(packet.encoded_len());
    packet.encode(&mut text);
    let attachments = packet.attachments().iter().cloned().map(Part::Binary);
    Ok(Parts::new(Part::Text(text.into()), attachments.collect()))
}

impl PartialEq for Parser {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Format::Json, Format::Json) => true,
            #[cfg(feature = "msgpack")]
            (Format::MessagePack, Format::MessagePack) => true,
            (Format::Custom(one), Format::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Parser {}

impl fmt::Debug for Parser {
    /// Its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Parser").field(&self.name()).finish()
    }
}

const PANICKED: &str = "the parser has panicked";

/// Runs what somebody else has written. A panic in the task of a connection would be the silent end of everything that
/// it serves.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// After a panic nobody knows what state the decoder is in.
fn custom(
    decoder: &mut Option<Box<dyn CustomDecoder>>,
    decode: impl FnOnce(&mut dyn CustomDecoder) -> Result<Option<Packet>, DecodeError>,
) -> Result<Option<Packet>, DecodeError> {
    let panicked = || DecodeError::custom(PANICKED);
    let usable = decoder.as_deref_mut().ok_or_else(panicked)?;
    guarded(|| decode(usable)).unwrap_or_else(|| {
        *decoder = None;
        Err(panicked())
    })
}

/// Makes packets out of the messages of one connection; see [`Parser::decoder`].
///
/// An error means that the peer broke the protocol, as with [`Decoder`]: the caller ends the
/// connection.
#[derive(Debug)]
pub struct ParserDecoder(Decoding);

#[derive(Debug)]
enum Decoding {
    Json(Decoder),
    /// It keeps nothing from message to message.
    #[cfg(feature = "msgpack")]
    MessagePack(Limits),
    /// None where there was a panic instead.
    Custom(Option<Box<dyn CustomDecoder>>),
}

impl ParserDecoder {
    /// Takes a text message. Gives the packet, or nothing yet if more messages are due.
    ///
    /// # Errors
    ///
    /// When the message is no part of a packet or breaks a limit.
    pub fn text(&mut self, text: ByteString) -> Result<Option<Packet>, DecodeError> {
        match &mut self.0 {
            Decoding::Json(decoder) => decoder.text(text),
            #[cfg(feature = "msgpack")]
            Decoding::MessagePack(_) => Err(DecodeError::UnexpectedText),
            Decoding::Custom(decoder) => custom(decoder, |decoder| decoder.text(text)),
        }
    }

    /// Takes a binary message. Gives the packet, or nothing yet if more messages are due.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn binary(&mut self, data: Bytes) -> Result<Option<Packet>, DecodeError> {
        match &mut self.0 {
            Decoding::Json(decoder) => decoder.binary(data),
            #[cfg(feature = "msgpack")]
            Decoding::MessagePack(limits) => msgpack::decode(&data, limits).map(Some),
            Decoding::Custom(decoder) => custom(decoder, |decoder| decoder.binary(data)),
        }
    }

    /// Takes a message of either kind.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn part(&mut self, part: Part) -> Result<Option<Packet>, DecodeError> {
        match part {
            Part::Text(text) => self.text(text),
            Part::Binary(data) => self.binary(data),
        }
    }

    /// Whether part of a packet is held, waiting for the rest.
    pub fn is_assembling(&self) -> bool {
        match &self.0 {
            Decoding::Json(decoder) => decoder.is_assembling(),
            #[cfg(feature = "msgpack")]
            Decoding::MessagePack(_) => false,
            Decoding::Custom(decoder) => decoder
                .as_ref()
                .and_then(|decoder| guarded(|| decoder.is_assembling()))
                .unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests;
