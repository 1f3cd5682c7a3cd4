//! WebSocket framing: one packet a WebSocket message.

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;

use crate::error::DecodeError;
use crate::packet::{Message, Packet};
use crate::version::Version;

/// The content of one WebSocket data message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A text message: `<type digit><data>`, or `b<base64>`.
    Text(ByteString),
    /// A binary message: the bytes of a binary Engine.IO message.
    Binary(Bytes),
}

impl Frame {
    /// Length of the WebSocket message in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether this is a part of the heartbeat: a ping, or the answer to one.
    pub(crate) fn is_beat(&self) -> bool {
        matches!(self, Self::Text(text) if text == "2" || text == "3")
    }

    /// Whether the WebSocket message is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Open packets carry the session id, messages whatever the application sends, pings whatever a peer likes.
            Self::Text(text)
                if matches!(&**text, "1" | "2" | "2probe" | "3" | "3probe" | "5" | "6") =>
            {
                write!(f, "Text({text:?})")
            }
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// Reads a frame as a packet. The result shares the frame's memory.
///
/// In revision 4 a binary frame is the message itself, with no type byte; in revision 3 its first byte is the type, and
/// a frame of any type but `message` is nothing, as the reference has it. A text frame that starts with `b` is a base64
/// message even where none was asked for. A frame is never searched for separators: a `U+001E` in it is data.
///
/// # Errors
///
/// As [`Packet::decode`]; an empty text frame is an error, an empty binary frame is not.
pub fn decode(version: Version, frame: Frame) -> Result<Packet, DecodeError> {
    match frame {
        Frame::Text(text) => Packet::decode(version, text),
        Frame::Binary(bytes) => Ok(decode_binary(version, bytes)),
    }
}

/// Reads the binary form of a packet.
pub(crate) fn decode_binary(version: Version, bytes: Bytes) -> Packet {
    match version.binary_type_byte() {
        None => Packet::Message(Message::Binary(bytes)),
        Some(kind) if bytes.first() == Some(&kind) => {
            Packet::Message(Message::Binary(bytes.slice(1..)))
        }
        Some(_) => Packet::Noop,
    }
}

/// Writes a packet as a frame.
#[must_use]
pub fn encode(version: Version, packet: Packet) -> Frame {
    match (packet, version.binary_type_byte()) {
        (Packet::Message(Message::Binary(bytes)), None) => Frame::Binary(bytes),
        (Packet::Message(Message::Binary(bytes)), Some(kind)) => {
            let mut frame = BytesMut::with_capacity(1 + bytes.len());
            frame.put_u8(kind);
            frame.put(bytes);
            Frame::Binary(frame.freeze())
        }
        (packet, _) => encode_as_text(version, &packet),
    }
}

/// Writes a packet as a text frame, a binary message as base64, as a client does that has asked for that
/// ([`Config::force_base64`](crate::Config::force_base64)). Its length is [`Packet::encoded_len`].
#[must_use]
pub fn encode_as_text(version: Version, packet: &Packet) -> Frame {
    let mut text = String::with_capacity(packet.encoded_len(version));
    packet.encode(version, &mut text);
    Frame::Text(text.into())
}

/// Length in bytes of the WebSocket message that carries `packet`.
#[must_use]
pub fn encoded_len(version: Version, packet: &Packet) -> usize {
    match packet {
        Packet::Message(Message::Binary(bytes)) => {
            usize::from(version.binary_type_byte().is_some()) + bytes.len()
        }
        packet => packet.encoded_len(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_frames_carry_no_type_byte_and_may_be_empty() {
        for bytes in [&b""[..], b"\xde\xad", b"4\x1e2"] {
            let packet = Packet::Message(Bytes::from_static(bytes).into());
            let frame = encode(Version::V4, packet.clone());
            assert_eq!(frame, Frame::Binary(Bytes::from_static(bytes)));
            assert_eq!(encoded_len(Version::V4, &packet), bytes.len());
            assert_eq!(decode(Version::V4, frame), Ok(packet));
        }
    }

    #[test]
    fn binary_frames_of_revision_3_begin_with_the_type() {
        for bytes in [&b""[..], b"\xde\xad"] {
            let packet = Packet::Message(Bytes::from_static(bytes).into());
            let frame = encode(Version::V3, packet.clone());
            assert_eq!(frame, Frame::Binary([b"\x04", bytes].concat().into()));
            assert_eq!(encoded_len(Version::V3, &packet), frame.len());
            assert_eq!(decode(Version::V3, frame), Ok(packet));
        }
        for ignored in [&b""[..], b"\x01\x02\x03", b"4x"] {
            let frame = Frame::Binary(Bytes::from_static(ignored));
            assert_eq!(decode(Version::V3, frame), Ok(Packet::Noop));
        }
    }

    #[test]
    fn text_frames_are_not_split_at_separators() {
        let frame = Frame::Text("4a\x1e4b".into());
        assert_eq!(
            decode(Version::V4, frame),
            Ok(Packet::Message("a\x1e4b".into()))
        );
    }

    #[test]
    fn base64_in_a_text_frame_is_a_binary_message() {
        let frame = Frame::Text("b3q0=".into());
        let expected = Packet::Message(Bytes::from_static(b"\xde\xad").into());
        assert_eq!(decode(Version::V4, frame), Ok(expected));
    }

    #[test]
    fn force_base64_makes_text_of_binary_messages() {
        let packet = Packet::Message(Bytes::from_static(b"\xde\xad").into());
        for (version, text) in [(Version::V4, "b3q0="), (Version::V3, "b43q0=")] {
            let frame = encode_as_text(version, &packet);
            assert_eq!(frame, Frame::Text(text.into()));
            assert_eq!(decode(version, frame), Ok(packet.clone()));
        }
        let text = Packet::Message("a".into());
        assert_eq!(
            encode_as_text(Version::V4, &text),
            encode(Version::V4, text.clone())
        );
    }

    #[test]
    fn an_empty_text_frame_is_an_error() {
        let frame = Frame::Text("".into());
        assert_eq!(decode(Version::V4, frame), Err(DecodeError::EmptyPacket));
    }

    #[test]
    fn debug_shows_neither_session_id_nor_content() {
        for secret in ["0{\"sid\":\"secret\"}", "440{\"token\":\"secret\"}"] {
            assert!(!format!("{:?}", Frame::Text(secret.into())).contains("secret"));
        }
    }
}
