//! What cannot work, and why: whatever is not named here must work.

use engineio::Version;

use super::{Behaviour, Cell, Server};
use crate::Route;

/// Cells that cannot do something, for one reason.
pub(super) struct Rule {
    applies: fn(Cell, Behaviour) -> bool,
    /// What the client says when it is tried all the same: one of these, or a part of it.
    pub(super) shown_by: &'static [&'static str],
    /// For a reader of the table.
    pub(super) reason: &'static str,
}

/// The first one that applies is the one that is told.
pub(super) const RULES: &[Rule] = &[
    Rule {
        applies: |cell, behaviour| {
            behaviour == Behaviour::Recovery && cell.server.version() == Version::V3
        },
        shown_by: &[ANEW],
        reason: "In this revision of the protocol there is no recovery of connections. The client comes back as somebody new, and \
                 says so: `Connected::recovered` is false.",
    },
    Rule {
        applies: |cell, behaviour| {
            behaviour == Behaviour::Recovery && cell.server == Server::SocketIo31
        },
        shown_by: &[ANEW],
        reason: "socket.io recovers connections from release 4.6 on. The client comes back as somebody new, and says so.",
    },
    Rule {
        applies: |cell, behaviour| {
            behaviour == Behaviour::Recovery && cell.server == Server::Socketioxide
        },
        shown_by: &[ANEW],
        reason: "socketioxide does not recover connections. The client comes back as somebody new, and says so.",
    },
    Rule {
        applies: |cell, behaviour| {
            let unannounced = [Server::SocketIo25, Server::SocketIo31];
            too_large(cell, behaviour) && unannounced.contains(&cell.server)
        },
        // That of the POST is cut, and the GET is told the end of the session: it depends on which is seen first.
        shown_by: &["the connection broke", "closed by the server"],
        reason: "Over polling bytes are base64, and 900 KiB of them more than the 1,000,000 bytes that the server takes in a request \
                 (its `maxHttpBufferSize`). It does not announce that, as later ones do, and ends the session. The client connects \
                 again.",
    },
    Rule {
        applies: too_large,
        shown_by: &["the server takes"],
        reason: "Over polling bytes are base64, and 900 KiB of them more than the 1,000,000 bytes that the server takes in a request \
                 (`maxHttpBufferSize` of socket.io, `max_payload` of socketioxide). It announces that, so the client does not send \
                 what would cost the connection: `emit` returns `EmitError::TooLarge`.",
    },
    Rule {
        applies: |cell, behaviour| {
            let bytes = [Behaviour::Bytes, Behaviour::Kib64Bytes];
            bytes.contains(&behaviour)
                && cell.route == Route::Polling
                && cell.server == Server::SocketioxideEio3
        },
        shown_by: &["unknown packet type"],
        reason: "In this revision base64 begins with `b4`. Over polling socketioxide sends the attachments of events with the `b` of \
                 revision 4 alone, which is no packet. The client says so and connects again.",
    },
];

/// What a behaviour says that has found a connection made anew in place of a recovered one.
pub(super) const ANEW: &str = "connected anew, without what was missed";

/// More than servers take by default, when a third is added to it.
fn too_large(cell: Cell, behaviour: Behaviour) -> bool {
    behaviour == Behaviour::Kib900Bytes && cell.route == Route::Polling
}

impl Rule {
    pub(super) fn is_shown_by(&self, seen: &str) -> bool {
        self.shown_by.iter().any(|expected| seen.contains(expected))
    }
}

/// Why this behaviour cannot work in this cell, if it cannot: the place of its rule in [`RULES`], and the rule.
pub(super) fn exception(cell: Cell, behaviour: Behaviour) -> Option<(usize, &'static Rule)> {
    let mut rules = RULES.iter().enumerate();
    rules.find(|(_, rule)| (rule.applies)(cell, behaviour))
}
