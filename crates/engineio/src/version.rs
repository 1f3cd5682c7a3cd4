//! The protocol revisions: everything in which they differ on the wire, as one answer a difference.

use crate::error::CloseReason;
use crate::refusal::ErrorCode;
use crate::transport::Transport;

/// The Engine.IO revision that a connection speaks, or that it is to find out.
///
/// What differs between revisions is asked here and decided nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Version {
    /// Revision 3: Socket.IO 1.x and 2.x, and 4.x servers with `allowEIO3`.
    V3,
    /// Revision 4: Socket.IO 3.x and 4.x.
    #[default]
    V4,
    /// To be found out: an attempt starts as revision 4, and starts over as revision 3, once, if the server's answer
    /// shows that it does not speak revision 4. What was found out is in [`Event::Opened`](crate::Event::Opened).
    ///
    /// On polling the answer shows it. On WebSocket a server of revision 3 answers like one of revision 4, and does not
    /// ping; only what it sends next can tell, which is not Engine.IO's business.
    Auto,
}

/// How the packets of a polling payload are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Each packet behind its length.
    Counted,
    /// A separator between two packets.
    Separated,
}

/// Which side sends the pings of the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinger {
    Client,
    Server,
}

impl Version {
    /// The revision that an attempt starts with.
    pub(crate) fn first(self) -> Self {
        match self {
            Self::V3 => Self::V3,
            Self::V4 | Self::Auto => Self::V4,
        }
    }

    /// The revision to try after `first` was answered like this: another one only where the answer says that the server
    /// does not speak the first, or nothing that an Engine.IO server says, and not where the network or the server as
    /// such is in trouble.
    pub(crate) fn second(self, answer: &CloseReason) -> Option<Self> {
        let unspoken = match answer {
            CloseReason::Protocol(_) => true,
            CloseReason::Refused(refusal) => match refusal.code {
                Some(code) => code == ErrorCode::UnsupportedVersion,
                None => matches!(refusal.status, 200..=299 | 400 | 404 | 405 | 426 | 501),
            },
            _ => false,
        };
        (self == Self::Auto && unspoken).then_some(Self::V3)
    }

    /// The value of the `EIO` query parameter. It never varies within a session.
    #[must_use]
    pub fn query_value(self) -> &'static str {
        match self {
            Self::V3 => "3",
            Self::V4 | Self::Auto => "4",
        }
    }

    /// What stands before the base64 of a binary message in a text context: revision 3 has the type digit, too.
    pub(crate) fn base64_prefix(self) -> &'static str {
        match self {
            Self::V3 => "b4",
            Self::V4 | Self::Auto => "b",
        }
    }

    /// The type byte in front of a binary WebSocket message; revision 4 has none, and nothing but messages.
    pub(crate) fn binary_type_byte(self) -> Option<u8> {
        match self {
            Self::V3 => Some(4),
            Self::V4 | Self::Auto => None,
        }
    }

    /// Whether requests ask for base64 (`b64=1`) instead of bytes. Revision 3 does so on polling in any case: its binary
    /// payloads are read all the same, but text payloads are what every server and proxy handles. Revision 4 has no
    /// others there.
    pub(crate) fn asks_for_base64(self, transport: Transport, forced: bool) -> bool {
        match self {
            Self::V3 => forced || transport == Transport::Polling,
            Self::V4 | Self::Auto => forced,
        }
    }

    pub(crate) fn framing(self) -> Framing {
        match self {
            Self::V3 => Framing::Counted,
            Self::V4 | Self::Auto => Framing::Separated,
        }
    }

    pub(crate) fn pinger(self) -> Pinger {
        match self {
            Self::V3 => Pinger::Client,
            Self::V4 | Self::Auto => Pinger::Server,
        }
    }

    /// The revision that writes a polling handshake like this one, which is not a payload of this revision.
    ///
    /// A server of one revision that is spoken to in the other answers `96:0{…}` or `0{…}`: servers of revision 3
    /// never look at `EIO`.
    pub(crate) fn betrayed_by(self, handshake: &[u8]) -> Option<Self> {
        let digits = handshake
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let counted = digits > 0
            && handshake
                .get(digits..)
                .is_some_and(|rest| rest.starts_with(b":0{"));
        match self {
            Self::V4 | Self::Auto if counted => Some(Self::V3),
            Self::V3 if handshake.starts_with(b"0{") => Some(Self::V4),
            Self::V3 | Self::V4 | Self::Auto => None,
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.query_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_revision_is_recognised_by_its_handshake() {
        for (handshake, v3, v4) in [
            (&b"96:0{\"sid\":\"x\"}2:40"[..], None, Some(Version::V3)),
            (b"0{\"sid\":\"x\"}", Some(Version::V4), None),
            (b"", None, None),
            (b":0{", None, None),
            (b"96:4{", None, None),
            (b"<html>", None, None),
        ] {
            assert_eq!(Version::V3.betrayed_by(handshake), v3);
            assert_eq!(Version::V4.betrayed_by(handshake), v4);
        }
    }
}
