//! Packets, and the text form that frames and payloads share: `<type digit><data>`.

use std::fmt;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{Buf as _, Bytes};
use bytestring::ByteString;

use crate::error::DecodeError;
use crate::version::Version;

/// What an application sends and receives.
///
/// A received message is a slice of the buffer it arrived in, and keeps that alive: one read of the socket, or a buffer of
/// at most twice its own size (from a longer one, it is copied). [`Message::detach`] makes a copy of its own.
///
/// `Debug` shows the length only: what applications send first is often a credential.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// UTF-8 text.
    Text(ByteString),
    /// Bytes, carried unchanged.
    Binary(Bytes),
}

impl Message {
    /// Length of the content in bytes, without any framing.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the content is empty. Empty messages are legal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same message in memory of its own, so that it no longer keeps a receive buffer alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(ByteString::from(text.to_string())),
            Self::Binary(bytes) => Self::Binary(Bytes::copy_from_slice(bytes)),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<ByteString> for Message {
    fn from(text: ByteString) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

/// One Engine.IO packet.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet {
    /// `0`, the handshake JSON. Parse it with [`Handshake::parse`](crate::Handshake::parse).
    Open(OpenData),
    /// `1`: the session ends. Means something on polling only.
    Close,
    /// `2`, with `probe` as its data when a transport is being tried.
    Ping(ByteString),
    /// `3`, with `probe` as its data in answer to a probe.
    Pong(ByteString),
    /// `4`, or a binary message.
    Message(Message),
    /// `5`: the probed transport takes over.
    Upgrade,
    /// `6`: nothing, sent to release a pending poll.
    Noop,
}

/// The text of an `open` packet. It carries the session id, so its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenData(pub ByteString);

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A heartbeat carries whatever the peer likes.
        let heartbeat = |f: &mut fmt::Formatter<'_>, name: &str, data: &ByteString| match &**data {
            data @ ("" | "probe") => write!(f, "{name}({data:?})"),
            data => write!(f, "{name}({} bytes)", data.len()),
        };
        match self {
            Self::Open(data) => f.debug_tuple("Open").field(data).finish(),
            Self::Close => f.write_str("Close"),
            Self::Ping(data) => heartbeat(f, "Ping", data),
            Self::Pong(data) => heartbeat(f, "Pong", data),
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::Upgrade => f.write_str("Upgrade"),
            Self::Noop => f.write_str("Noop"),
        }
    }
}

impl fmt::Debug for OpenData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenData(..)")
    }
}

/// Node accepts unpadded base64, so peers that send it exist; the alphabet is held to.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Packet {
    /// Reads the text form of a packet. The result shares `text`'s memory.
    ///
    /// # Errors
    ///
    /// An empty packet, an unknown type digit and bad base64 are errors; each ends the connection.
    pub fn decode(version: Version, text: ByteString) -> Result<Self, DecodeError> {
        if let Some(base64) = text.strip_prefix(version.base64_prefix()) {
            let bytes = BASE64.decode(base64).map_err(|_| DecodeError::Base64)?;
            return Ok(Self::Message(Message::Binary(bytes.into())));
        }
        let Some((&kind, _)) = text.as_bytes().split_first() else {
            return Err(DecodeError::EmptyPacket);
        };
        Ok(match kind {
            b'0' => Self::Open(OpenData(behind_type(text))),
            // Neither side puts data behind 1, 5 or 6; what stands there is ignored, as the reference does.
            b'1' => Self::Close,
            b'2' => Self::Ping(behind_type(text)),
            b'3' => Self::Pong(behind_type(text)),
            b'4' => Self::Message(Message::Text(behind_type(text))),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => return Err(DecodeError::UnknownType(kind)),
        })
    }

    /// Appends the text form of the packet. A binary message becomes base64 behind a `b`.
    pub fn encode(&self, version: Version, out: &mut String) {
        let (kind, data): (char, &str) = match self {
            Self::Open(OpenData(json)) => ('0', json),
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', data),
            Self::Pong(data) => ('3', data),
            Self::Message(Message::Text(text)) => ('4', text),
            Self::Message(Message::Binary(bytes)) => {
                out.push_str(version.base64_prefix());
                BASE64.encode_string(bytes, out);
                return;
            }
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        out.push(kind);
        out.push_str(data);
    }

    /// Exact length in bytes of what [`Packet::encode`] appends.
    ///
    /// The reference client estimates base64 as 1.33 × n, which is too small for short messages.
    #[must_use]
    pub fn encoded_len(&self, version: Version) -> usize {
        match self {
            Self::Open(OpenData(data)) | Self::Ping(data) | Self::Pong(data) => 1 + data.len(),
            Self::Message(Message::Text(text)) => 1 + text.len(),
            Self::Message(Message::Binary(bytes)) => {
                version.base64_prefix().len() + bytes.len().div_ceil(3).saturating_mul(4)
            }
            Self::Close | Self::Upgrade | Self::Noop => 1,
        }
    }
}

/// A text up to here takes less to look through, or to copy, once more than to count the owners of its buffer twice.
pub(crate) const SHORT: usize = 512;

/// The text without its first byte, which is a digit.
fn behind_type(text: ByteString) -> ByteString {
    if text.len() > SHORT {
        return text.slice_ref(text.get(1..).unwrap_or_default());
    }
    let mut bytes = text.into_bytes();
    bytes.advance(1);
    // It was a text before.
    ByteString::try_from(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data: &str) -> Packet {
        Packet::Message(data.into())
    }

    fn binary(data: &'static [u8]) -> Packet {
        Packet::Message(Bytes::from_static(data).into())
    }

    #[test]
    fn every_type_has_its_digit_and_exact_length() {
        for (wire, packet) in [
            ("0{}", Packet::Open(OpenData("{}".into()))),
            ("1", Packet::Close),
            ("2", Packet::Ping("".into())),
            ("2probe", Packet::Ping("probe".into())),
            ("3probe", Packet::Pong("probe".into())),
            ("4", text("")),
            ("4hello", text("hello")),
            ("4é€😀", text("é€😀")),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
            ("b", binary(b"")),
            ("bAQID", binary(&[1, 2, 3])),
            ("bAQIDBA==", binary(&[1, 2, 3, 4])),
        ] {
            assert_eq!(
                Packet::decode(Version::V4, wire.into()),
                Ok(packet.clone()),
                "{wire}"
            );
            let mut out = String::new();
            packet.encode(Version::V4, &mut out);
            assert_eq!(out, wire);
            assert_eq!(packet.encoded_len(Version::V4), wire.len(), "{wire}");
        }
    }

    #[test]
    fn what_is_not_a_packet_is_refused() {
        for (wire, error) in [
            ("", DecodeError::EmptyPacket),
            ("7", DecodeError::UnknownType(b'7')),
            ("abc", DecodeError::UnknownType(b'a')),
            ("é", DecodeError::UnknownType(0xC3)),
            ("b@@", DecodeError::Base64),
            ("bA", DecodeError::Base64),
        ] {
            assert_eq!(
                Packet::decode(Version::V4, wire.into()),
                Err(error),
                "{wire}"
            );
        }
    }

    #[test]
    fn revision_3_writes_the_type_digit_behind_the_b() {
        let packet = binary(&[0xDE, 0xAD]);
        let mut out = String::new();
        packet.encode(Version::V3, &mut out);
        assert_eq!(out, "b43q0=");
        assert_eq!(packet.encoded_len(Version::V3), out.len());
        assert_eq!(Packet::decode(Version::V3, out.into()), Ok(packet));
        let error = DecodeError::UnknownType(b'b');
        assert_eq!(Packet::decode(Version::V3, "b3q0=".into()), Err(error));
    }

    #[test]
    fn unpadded_base64_is_read() {
        assert_eq!(
            Packet::decode(Version::V4, "bAQIDBA".into()),
            Ok(binary(&[1, 2, 3, 4]))
        );
    }

    #[test]
    fn data_behind_a_packet_that_has_none_is_ignored() {
        assert_eq!(Packet::decode(Version::V4, "6x".into()), Ok(Packet::Noop));
    }

    #[test]
    fn the_session_id_is_not_printed() {
        let packet = Packet::decode(Version::V4, r#"0{"sid":"secret"}"#.into());
        assert!(!format!("{packet:?}").contains("secret"));
    }

    #[test]
    fn a_detached_message_is_equal() {
        let message = Message::from("text");
        assert_eq!(message.detach(), message);
    }
}
