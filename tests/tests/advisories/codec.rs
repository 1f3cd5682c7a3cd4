//! How the codecs alone read a hostile text or binary message.
//!
//! Inputs of megabytes have to be read in a time that grows with their length: a parser that looks at each byte for
//! each byte before it would have some 10^12 steps to do for [`LONG`] bytes, and the tests would never end.

use socketio::Bytes;
use socketio::codec::{DecodeError, Decoder, Limits, Packet, Parser, Part, Revision};

/// A length at which nothing but linear work comes to an end.
pub(crate) const LONG: usize = 2_000_000;

pub(crate) fn decoder() -> Decoder {
    Decoder::new(Limits::default())
}

/// What becomes of one text.
pub(crate) fn read(text: impl Into<String>) -> Result<Option<Packet>, DecodeError> {
    decoder().text(text.into().into())
}

/// The error of one text; then nothing is held, and the next text is read as if nothing had been.
pub(crate) fn refused(text: &str) -> DecodeError {
    let mut decoder = decoder();
    let shown = text.get(..40).unwrap_or(text);
    let Err(error) = decoder.text(text.into()) else {
        panic!("{shown} was accepted");
    };
    assert!(!decoder.is_assembling(), "{shown}");
    assert!(decoder.text(r#"2["next"]"#.into()).is_ok(), "{shown}");
    error
}

/// The packet of one text with these attachments behind it.
pub(crate) fn assembled(text: &str, attachments: &[&'static [u8]]) -> Result<Packet, DecodeError> {
    let mut decoder = decoder();
    let mut packet = decoder.text(text.into())?;
    for attachment in attachments {
        packet = decoder.binary(Bytes::from_static(attachment))?;
    }
    assert!(!decoder.is_assembling(), "{text}");
    Ok(packet.unwrap_or_else(|| panic!("{text}: no packet")))
}

pub(crate) fn event(packet: Packet) -> socketio::codec::Event {
    match packet {
        Packet::Event { event, .. } => event,
        other => panic!("no event: {other:?}"),
    }
}

pub(crate) fn msgpack(message: impl Into<Bytes>) -> Result<Option<Packet>, DecodeError> {
    let mut decoder = Parser::msgpack().decoder(Limits::default(), Revision::R5);
    decoder.part(Part::Binary(message.into()))
}

/// A MessagePack event of the namespace `/` with this for its data.
pub(crate) fn msgpack_event(data: &[u8]) -> Vec<u8> {
    [b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data", data].concat()
}

/// A MessagePack event with one argument.
pub(crate) fn msgpack_argument(argument: &[u8]) -> Vec<u8> {
    msgpack_event(&[b"\x92\xa1e", argument].concat())
}

pub(crate) fn read_error(payload: &str) -> Result<Option<Packet>, DecodeError> {
    read(format!("4{payload}"))
}
