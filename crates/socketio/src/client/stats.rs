//! What a connection has done so far, in numbers.

use std::time::Duration;

/// A snapshot of a connection and of one of its namespaces; see [`Socket::stats`](crate::Socket::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Engine.IO packets sent, on all connections so far, heartbeats included.
    pub packets_sent: u64,
    /// Engine.IO packets received.
    pub packets_received: u64,
    /// Bytes sent, as [`engineio::Stats`] counts them: without the headers of HTTP and WebSocket.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// How long the last round trip took that could be measured on the present connection: that of the last heartbeat
    /// with revision 3, where clients ping; that of the upgrade with revision 4, where servers do.
    pub heartbeat_rtt: Option<Duration>,
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
    pub(super) packets_sent: u64,
    pub(super) packets_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) heartbeat_rtt: Option<Duration>,
    pub(super) connections: u64,
    pub(super) pending_acks: usize,
}
