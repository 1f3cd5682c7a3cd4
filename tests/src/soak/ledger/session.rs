//! A session, as both sides have told of it.

use std::collections::VecDeque;
use std::time::Instant;

use super::Up;

/// One side's view of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Side {
    /// It has not been heard of there.
    #[default]
    Unknown,
    Open,
    Over,
}

/// What both sides have told.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) client: Side,
    pub(super) server: Side,
    pub(super) server_over_at: Option<Instant>,
    pub(super) down_sent: u64,
    pub(super) down_seen: u64,
    /// Told as sent and not seen yet; what was seen before it was told. One of them is empty.
    pub(super) told: VecDeque<(Up, u64)>,
    pub(super) ahead: VecDeque<(Up, u64)>,
    /// The weather has put bytes of its own into the connection.
    pub(super) garbled: bool,
    /// The client was dropped in the middle, so it has not told everything.
    pub(super) abandoned: bool,
    pub(super) replied: u64,
    pub(super) replies_seen: u64,
    /// When something last moved, in either direction.
    pub(super) moved_at: Option<Instant>,
}

impl Session {
    /// Whether something is under way, as far as the two sides have told.
    pub(super) fn is_behind(&self) -> bool {
        self.down_seen < self.down_sent
            || !self.told.is_empty()
            || !self.ahead.is_empty()
            || self.replies_seen < self.replied
    }

    pub(super) fn behind(&self) -> String {
        format!(
            "{} of {} events have come down, {} that were sent have not come up, {} were not told, {} of {} replies",
            self.down_seen,
            self.down_sent,
            self.told.len(),
            self.ahead.len(),
            self.replies_seen,
            self.replied
        )
    }
}
