//! What a connection has done so far, in numbers.

/// A snapshot of a connection and of one of its namespaces; see [`Socket::stats`](crate::Socket::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// What all connections so far have carried, heartbeats included. Its
    /// [round trip](engineio::Stats::heartbeat_rtt) is that of the present connection.
    pub engine: engineio::Stats,
    /// How many connections were opened: one more than there were reconnections.
    pub connections: u64,
    /// Acknowledgements that are awaited, in all namespaces of the connection.
    pub pending_acks: usize,
    /// Events of this namespace that were received and not read.
    pub queued_events: usize,
    /// Bytes of those.
    pub queued_bytes: usize,
    /// Events of this namespace that were dropped, ever, as [`Overflow::DropOldest`](crate::Overflow) wants it.
    pub dropped_events: u64,
    /// Events of this namespace that wait for a connection, or to be tried.
    pub unsent_events: usize,
    /// Bytes of those.
    pub unsent_bytes: usize,
}

/// The part of it that belongs to the connection. Its task writes it at the end of each wake-up.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LinkStats {
    pub(super) engine: engineio::Stats,
    pub(super) connections: u64,
    pub(super) pending_acks: usize,
}
