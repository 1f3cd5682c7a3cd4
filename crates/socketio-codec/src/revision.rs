//! The protocol revisions: everything in which they differ on the wire, as one answer a difference.

/// The revision of the Socket.IO protocol that a peer speaks.
///
/// What differs between revisions is asked here and decided nowhere else. Events,
/// acknowledgements and attachments are the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Revision {
    /// Revision 4, on Engine.IO revision 3: servers socket.io 2.x, and 4.x with `allowEIO3`.
    R4,
    /// Revision 5, on Engine.IO revision 4: servers socket.io 3.x and 4.x.
    #[default]
    R5,
}

/// What a packet may have for a payload, beside none.
pub(crate) struct Payload {
    /// The bytes that it may start with.
    pub(crate) starts: &'static [u8],
    /// In words.
    pub(crate) expected: &'static str,
}

const ANY: Payload = Payload {
    starts: b"{[\"-0123456789tfn",
    expected: "absent or JSON",
};

impl Revision {
    /// The payload of CONNECT. In revision 4 it means nothing; the reference takes what JavaScript calls an object.
    pub(crate) fn connect_payload(self) -> Payload {
        match self {
            Self::R4 => Payload {
                starts: b"{[n",
                expected: "absent, an object, an array or null",
            },
            Self::R5 => Payload {
                starts: b"{",
                expected: "absent or an object",
            },
        }
    }

    /// The payload of the packet of type 4: ERROR in revision 4, whatever the server's middleware
    /// made of it; CONNECT_ERROR in revision 5.
    pub(crate) fn error_payload(self) -> Payload {
        match self {
            Self::R4 => ANY,
            Self::R5 => Payload {
                starts: b"{\"",
                expected: "absent, an object or a string",
            },
        }
    }

    /// Whether digits behind the namespace of a packet of type 4 are its payload, a number. In
    /// revision 5 no number is one, and they are skipped as the id that this packet does not have.
    pub(crate) fn error_may_be_a_number(self) -> bool {
        match self {
            Self::R4 => true,
            Self::R5 => false,
        }
    }

    /// Whether a `?` in the namespace of CONNECT begins a query. In revision 5 it is a character
    /// like any other.
    pub(crate) fn connect_has_query(self) -> bool {
        match self {
            Self::R4 => true,
            Self::R5 => false,
        }
    }

    /// Whether receivers refuse the event names that belong to the library.
    pub(crate) fn reserves_event_names(self) -> bool {
        match self {
            Self::R4 => false,
            Self::R5 => true,
        }
    }
}
