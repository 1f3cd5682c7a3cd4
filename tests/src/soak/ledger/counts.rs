//! What is counted of a namespace.

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "they are their own description")]
pub struct Counts {
    pub sessions: u64,
    pub down_sent: u64,
    pub down_seen: u64,
    pub down_tail: u64,
    pub down_lagged: u64,
    pub garbled: u64,
    pub accepted: u64,
    pub sent: u64,
    pub unsent: u64,
    pub refused: u64,
    pub abandoned: u64,
    pub up_seen: u64,
    pub up_tail: u64,
    pub asked: u64,
    pub answered: u64,
    pub unanswered: u64,
    pub replied: u64,
    pub replies_seen: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.down_sent += other.down_sent;
        self.down_seen += other.down_seen;
        self.down_tail += other.down_tail;
        self.down_lagged += other.down_lagged;
        self.garbled += other.garbled;
        self.accepted += other.accepted;
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.refused += other.refused;
        self.abandoned += other.abandoned;
        self.up_seen += other.up_seen;
        self.up_tail += other.up_tail;
        self.asked += other.asked;
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.replied += other.replied;
        self.replies_seen += other.replies_seen;
    }
}
