//! What a peer, or a caller without a connection, may make a session hold.

/// Limits of a connection.
///
/// In the worst case each namespace holds the buffered bytes (twice, if [sent events are
/// told](crate::session::Join::report_sent)), the held bytes and the queued bytes, and the connection one unfinished packet
/// of [`codec`](Self::codec)'s size.
///
/// ```
/// let mut limits = socketio::Limits::default();
/// limits.max_buffered_events = 64;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// What one packet of the server may contain. Default: the codec's. Its `max_attachments` also holds for what is
    /// sent: a server drops the connection on more than its own limit, which is 10 as a rule.
    pub codec: socketio_codec::Limits,
    /// How many events may wait in a namespace that is not connected. Default: 1024, a second or two of a busy
    /// program, as long as an ordinary reconnection takes. With [`report_sent`](crate::session::Join::report_sent), so
    /// many may also wait to be told while the connection does not read; further ones are counted.
    pub max_buffered_events: usize,
    /// How many bytes they may have. One more event is taken while they have fewer, however large it is: so any
    /// event can be sent, and the last one may exceed the limit. The same for those that wait to be told. Default: 16 MiB.
    pub max_buffered_bytes: usize,
    /// How many events of the server are held until it answers CONNECT; at more, the connection is given up. A server
    /// sends events that early only when it restores a session. Default: 16,384.
    pub max_held_events: usize,
    /// How many bytes they may have. Default: 64 MiB.
    pub max_held_bytes: usize,
    /// How many bytes of unread events a namespace may hold before the connection stops reading, as it does at a
    /// certain number of them. The event that reaches the limit is still taken. Default: 16 MiB.
    pub max_queued_bytes: usize,
    /// How many acknowledgements may be awaited on the connection, in all its namespaces together. Each costs some
    /// 100 bytes. Default: 65,536.
    pub max_pending_acks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            codec: socketio_codec::Limits::default(),
            max_buffered_events: 1024,
            max_buffered_bytes: 16 << 20,
            max_held_events: 16 << 10,
            max_held_bytes: 64 << 20,
            max_queued_bytes: 16 << 20,
            max_pending_acks: 1 << 16,
        }
    }
}
