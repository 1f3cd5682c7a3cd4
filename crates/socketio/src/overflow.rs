//! What happens when nobody reads the events.

/// What happens when the queue of a namespace's unread events is full:
/// [`event_queue`](crate::Builder::event_queue) of them, or
/// [`Limits::max_queued_bytes`](crate::Limits::max_queued_bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The connection stops reading, for all its namespaces, until about half of the queue has been read: so the server is
    /// slowed down, and nothing is lost. Meanwhile the heartbeat deadline of this side is suspended, acknowledgements are
    /// not received, and the loss of the connection is, as a rule, not noticed: what is emitted then is taken, and lost.
    /// Sending waits for no reader. A server does not wait for ever: it drops a client
    /// that does not answer its pings.
    #[default]
    Backpressure,
    /// The oldest unread events are dropped, of whatever kind they are, and
    /// [`Event::Lagged`](crate::event::Event::Lagged) tells in their place how many.
    DropOldest,
    /// The namespace is left, for good. What was queued can still be read; the last event is a
    /// [`Disconnected`](crate::event::Event::Disconnected) with
    /// [`DisconnectReason::Overflow`](crate::DisconnectReason::Overflow).
    Disconnect,
}
