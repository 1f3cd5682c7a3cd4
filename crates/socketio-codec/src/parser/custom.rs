//! What a format of one's own has to do.

use std::fmt::Debug;

use bytes::Bytes;
use bytestring::ByteString;

use super::Parts;
use crate::{DecodeError, EncodeError, Limits, Packet, Revision};

/// A format for packets: what the option `parser` is to the JavaScript library.
///
/// A packet is read with what [`Packet`], [`Event`](crate::Event), [`Args`](crate::Args) (such as
/// [`parse_each`](crate::Args::parse_each)) and [`Json`](crate::Json) offer, and made
///
/// * with [`Event::new`](crate::Event::new), [`Args::new`](crate::Args::new) and
///   [`Json::from_serialize`](crate::Json::from_serialize) out of values, where binary values are
///   those that call `serialize_bytes`, and a list of arguments whose length is known only then is
///   a value that calls `serialize_tuple`; or
/// * with [`Event::from_json`](crate::Event::from_json),
///   [`Args::from_json`](crate::Args::from_json) and [`Json::from_text`](crate::Json::from_text)
///   out of JSON text with placeholders.
///
/// All of them check what they are given. A panic in a parser is an error like those that it
/// returns.
///
/// ```
/// use socketio_codec::{
///     Bytes, ByteString, CustomDecoder, CustomParser, DecodeError, Decoder, EncodeError, Event,
///     Limits, Namespace, Packet, Parser, Part, Parts, Revision,
/// };
///
/// /// The JSON format, upside down, and without binary values.
/// #[derive(Debug)]
/// struct Mirror;
///
/// impl CustomParser for Mirror {
///     fn name(&self) -> &str {
///         "mirror"
///     }
///
///     fn encode(&self, packet: &Packet) -> Result<Parts, EncodeError> {
///         if !packet.attachments().is_empty() {
///             return Err(EncodeError::custom("mirrors show no binary values"));
///         }
///         let mut text = String::new();
///         packet.encode(&mut text);
///         let mirrored: String = text.chars().rev().collect();
///         Ok(Part::Text(mirrored.into()).into())
///     }
///
///     fn decoder(&self, limits: &Limits, revision: Revision) -> Box<dyn CustomDecoder> {
///         Box::new(MirrorDecoder(Decoder::with_revision(limits.clone(), revision)))
///     }
/// }
///
/// #[derive(Debug)]
/// struct MirrorDecoder(Decoder);
///
/// impl CustomDecoder for MirrorDecoder {
///     fn text(&mut self, text: ByteString) -> Result<Option<Packet>, DecodeError> {
///         self.0.text(text.chars().rev().collect::<String>().into())
///     }
///
///     fn binary(&mut self, _: Bytes) -> Result<Option<Packet>, DecodeError> {
///         Err(DecodeError::UnexpectedBinary)
///     }
/// }
///
/// let parser = Parser::custom(Mirror);
/// let packet = Packet::Event {
///     namespace: Namespace::root(),
///     id: Some(7),
///     event: Event::new("chat", "hello")?,
/// };
/// let message = Part::Text(r#"]"olleh","tahc"[72"#.into());
/// assert_eq!(parser.encode(&packet)?, message.clone().into());
/// let mut decoder = parser.decoder(Limits::default(), Revision::R5);
/// assert_eq!(decoder.part(message)?, Some(packet));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait CustomParser: Debug + Send + Sync + 'static {
    /// What the format is called.
    fn name(&self) -> &str;

    /// Whether packets of this revision can be carried; by default they can, of each.
    fn supports(&self, revision: Revision) -> bool {
        let _ = revision;
        true
    }

    /// The messages of a packet. A text must not contain `U+001E`: Engine.IO has it between the
    /// messages of a polling request. The crate `socketio` refuses to send such a packet.
    ///
    /// # Errors
    ///
    /// When the format cannot carry the packet.
    fn encode(&self, packet: &Packet) -> Result<Parts, EncodeError>;

    /// A decoder for the messages of one connection, which holds the peer to the limits.
    fn decoder(&self, limits: &Limits, revision: Revision) -> Box<dyn CustomDecoder>;
}

/// Makes packets out of the messages of one connection.
///
/// An error means that the peer broke the protocol; the decoder is not used again then.
pub trait CustomDecoder: Debug + Send + Sync {
    /// Takes a text message. Gives the packet, or nothing yet if more messages are due.
    ///
    /// # Errors
    ///
    /// When the message is no part of a packet or breaks a limit.
    fn text(&mut self, text: ByteString) -> Result<Option<Packet>, DecodeError>;

    /// Takes a binary message. Gives the packet, or nothing yet if more messages are due.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    fn binary(&mut self, data: Bytes) -> Result<Option<Packet>, DecodeError>;

    /// Whether part of a packet is held, waiting for the rest; by default never, as in a format
    /// where each packet is one message.
    fn is_assembling(&self) -> bool {
        false
    }
}
