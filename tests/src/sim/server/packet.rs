//! Engine.IO packets one at a time, as they stand in a WebSocket message or in a payload.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::api::{Frame, Revision};

/// Standard base64; reads it with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The type of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Close,
    Ping,
    Pong,
    Message,
    Upgrade,
    Noop,
    /// Bytes of the old revision that say another type than message: Node puts up with them.
    Unknown,
}

/// A packet; none has no data but an empty text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Packet {
    pub(super) kind: Kind,
    pub(super) data: Frame,
}

/// What is no packet.
#[derive(Debug, PartialEq)]
pub(super) struct Malformed;

impl Packet {
    pub(super) fn new(kind: Kind, text: &str) -> Self {
        Self {
            kind,
            data: Frame::from(text),
        }
    }

    pub(super) fn message(data: Frame) -> Self {
        Self {
            kind: Kind::Message,
            data,
        }
    }

    pub(super) fn is_binary(&self) -> bool {
        matches!(self.data, Frame::Binary(_))
    }

    /// Whether this is a packet of `kind` with exactly this text.
    pub(super) fn is(&self, kind: Kind, text: &str) -> bool {
        self.kind == kind && self.data == Frame::from(text)
    }

    /// As in a WebSocket message.
    pub(super) fn to_frame(&self, revision: Revision, base64: bool) -> Frame {
        match &self.data {
            Frame::Binary(bytes) if !base64 => match revision {
                Revision::V4 => Frame::Binary(bytes.clone()),
                Revision::V3 => Frame::Binary([&[4], bytes.as_ref()].concat().into()),
            },
            _ => Frame::Text(self.to_text(revision)),
        }
    }

    /// As text, bytes in base64.
    pub(super) fn to_text(&self, revision: Revision) -> String {
        match (&self.data, revision) {
            (Frame::Text(text), _) => format!("{}{text}", self.kind.digit()),
            (Frame::Binary(bytes), Revision::V4) => format!("b{}", BASE64.encode(bytes)),
            (Frame::Binary(bytes), Revision::V3) => format!("b4{}", BASE64.encode(bytes)),
        }
    }

    pub(super) fn from_frame(frame: &Frame, revision: Revision) -> Result<Self, Malformed> {
        match (frame, revision) {
            (Frame::Text(text), _) => Self::from_text(text, revision),
            (Frame::Binary(_), Revision::V4) => Ok(Self::message(frame.clone())),
            (Frame::Binary(bytes), Revision::V3) => Ok(Self::from_typed_bytes(bytes)),
        }
    }

    /// The old revision's binary form, whose first byte is the type.
    pub(super) fn from_typed_bytes(bytes: &Bytes) -> Self {
        match bytes.split_first() {
            Some((4, _)) => Self::message(Frame::Binary(bytes.slice(1..))),
            _ => Self::new(Kind::Unknown, ""),
        }
    }

    pub(super) fn from_text(text: &str, revision: Revision) -> Result<Self, Malformed> {
        if let Some(encoded) = text.strip_prefix('b') {
            let encoded = match (revision, encoded.strip_prefix('4')) {
                (Revision::V4, _) => encoded,
                (Revision::V3, Some(encoded)) => encoded,
                (Revision::V3, None) => return Ok(Self::new(Kind::Unknown, "")),
            };
            // Node takes what it can read; no client may count on that.
            let bytes = BASE64.decode(encoded).map_err(|_| Malformed)?;
            return Ok(Self::message(Frame::Binary(bytes.into())));
        }
        let kind = match text.bytes().next() {
            Some(b'0') => Kind::Open,
            Some(b'1') => Kind::Close,
            Some(b'2') => Kind::Ping,
            Some(b'3') => Kind::Pong,
            Some(b'4') => Kind::Message,
            Some(b'5') => Kind::Upgrade,
            Some(b'6') => Kind::Noop,
            _ => return Err(Malformed),
        };
        Ok(Self::new(kind, &text[1..]))
    }
}

impl Kind {
    fn digit(self) -> char {
        match self {
            Self::Open => '0',
            Self::Close => '1',
            Self::Ping => '2',
            Self::Pong => '3',
            Self::Message => '4',
            Self::Upgrade => '5',
            Self::Noop | Self::Unknown => '6',
        }
    }
}
