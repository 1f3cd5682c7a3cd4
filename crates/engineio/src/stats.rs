//! What a connection has carried so far, in numbers.

use std::time::Duration;

/// Counters of one connection, from its first request on: a snapshot, which stays readable when the connection is over.
///
/// Everything counts that belongs to the connection, attempts that failed and probes included, on both transports.
/// Retried connections are new ones and count from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Engine.IO packets that have been handed to the transport, of every type, heartbeats and probes included. What the
    /// transport has failed to deliver is among them.
    pub packets_sent: u64,
    /// Engine.IO packets that have been read, of every type, the handshake included.
    pub packets_received: u64,
    /// Bytes of the WebSocket messages and POST bodies that have been handed to the transport, without the headers of
    /// HTTP and WebSocket and without TLS: a binary message on polling counts as the base64 that it is there.
    pub bytes_sent: u64,
    /// Bytes of the WebSocket messages and response bodies that have come in, error answers included, without headers;
    /// bodies count as they are after decompression.
    pub bytes_received: u64,
    /// The last round trip that was measured; none before the first.
    ///
    /// With revision 3 the client pings, and this is the time from each ping to its pong. With revision 4 the server
    /// pings, and a client sees no round trip but one: the probe of an upgrade (`2probe` to `3probe`). It takes in
    /// the time that a ping waits behind other data on this side.
    pub heartbeat_rtt: Option<Duration>,
    /// Heartbeats of the peer: its pings where it pings (revision 4), its pongs where this side does (revision 3). Only
    /// those count that follow one another: a ping that comes when our answer to the one before it has left and half the
    /// interval has passed, and the answer to a ping of ours. So when two of them have come since some moment, everything has come that the server had sent by
    /// that moment: the second one was sent later.
    pub heartbeats: u64,
}

impl Stats {
    /// Adds what a later connection has carried. The round trip becomes the later one's.
    #[must_use]
    pub fn followed_by(self, later: Self) -> Self {
        Self {
            packets_sent: self.packets_sent.saturating_add(later.packets_sent),
            packets_received: self.packets_received.saturating_add(later.packets_received),
            bytes_sent: self.bytes_sent.saturating_add(later.bytes_sent),
            bytes_received: self.bytes_received.saturating_add(later.bytes_received),
            heartbeat_rtt: later.heartbeat_rtt,
            heartbeats: self.heartbeats.saturating_add(later.heartbeats),
        }
    }

    pub(crate) fn sent(&mut self, packets: usize, bytes: usize) {
        self.packets_sent = self.packets_sent.saturating_add(packets as u64);
        self.bytes_sent = self.bytes_sent.saturating_add(bytes as u64);
    }

    pub(crate) fn received_bytes(&mut self, bytes: usize) {
        self.bytes_received = self.bytes_received.saturating_add(bytes as u64);
    }

    pub(crate) fn received_packet(&mut self) {
        self.packets_received = self.packets_received.saturating_add(1);
    }
}
