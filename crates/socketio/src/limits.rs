//! What a peer, or a caller without a connection, may make a session hold.

/// Limits of a connection.
///
/// # Memory
///
/// Whatever a server sends, and whether or not anybody reads it, a connection takes no more of the heap than the sum of
/// these. The largest packet is [`max_message_bytes`](engineio::Limits::max_message_bytes) of text (seven times as much out
/// of MessagePack) with [`max_attachment_bytes`](socketio_codec::Limits::max_attachment_bytes).
///
/// | for | at most | with the defaults |
/// |---|---|---|
/// | the Engine.IO connection | what [its limits](engineio::Limits#memory) say | 193 MiB |
/// | a packet that is not complete | 2 × the largest packet | 160 MiB |
/// | packets of a polling body that came when the queue was full | 600 bytes × [`max_packets_per_payload`](engineio::Limits::max_packets_per_payload) | 150 MiB |
/// | each namespace: unread events | 9 KiB × [`event_queue`](crate::Builder::event_queue) + 2 × ([`max_queued_bytes`](Self::max_queued_bytes) + the largest packet) | 201 MiB |
/// | each namespace that is being joined: held events | 9 KiB × [`max_held_events`](Self::max_held_events) + 2 × ([`max_held_bytes`](Self::max_held_bytes) + the largest packet) | 432 MiB |
/// | with MessagePack: a packet that is being read | 15 × `max_message_bytes` | 240 MiB |
///
/// The 9 KiB are for small events, each of which may be all that keeps a receive buffer alive. What a program does with an
/// event comes on top ([as values](socketio_codec::Limits#memory) it takes a multiple), and so does what it sends: buffered
/// events, twice if [sent events are told](crate::session::Join::report_sent), and the answers to acknowledgements that it
/// awaits and does not take.
///
/// Where memory is short, the limit that counts most is `max_message_bytes`: servers of socket.io take 1 MB by default
/// themselves.
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
