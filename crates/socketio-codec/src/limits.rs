//! What a peer may make the decoder read and hold.

use crate::Namespace;

/// Bounds on what one packet of a peer may contain.
///
/// # Memory
///
/// Of the heap, beyond the messages themselves, for each byte of them and whatever they contain:
///
/// | what is done | at most |
/// |---|---|
/// | a text message is read | 3 bytes; 1 is kept |
/// | an attachment is held | 96 bytes for each |
/// | MessagePack is read | 15 bytes; the 7 of the longest JSON text are kept |
/// | arguments are read as `serde_json::Value` | 110 bytes: an object with one member takes 630 |
/// | arguments are read as `Vec<String>` | 18 bytes |
/// | a string is read as a type that is no string | 18 bytes, for the error, for a moment |
///
/// So read what a peer can make long into a type of your own, or as [`RawValue`](crate::RawValue), rather than as a
/// `Value`.
///
/// ```
/// let mut limits = socketio_codec::Limits::default();
/// limits.max_attachments = 32;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Attachments of one packet; 10 by default, as in the reference implementation, whose
    /// servers close the connection on more. A header that announces more is refused before
    /// anything is held.
    pub max_attachments: usize,
    /// Bytes of all attachments of one packet together; 64 MiB by default. They are held until
    /// the last one has arrived, so this is what one unfinished packet can cost. An attachment
    /// that several placeholders stand for counts once for each: so often a value holds it that
    /// is read from the packet.
    pub max_attachment_bytes: usize,
    /// Bytes of a namespace; [`Namespace::MAX_LEN`] by default, and never more than that.
    pub max_namespace_len: usize,
    /// Decimal digits of an acknowledgement id, leading zeros included; 20 by default, which is
    /// what the largest `u64` takes.
    pub max_ack_id_digits: usize,
}

/// A message of this size may be kept alive by any part of it.
const SMALL_MESSAGE: usize = 4 * 1024;

/// Whether what takes `len` bytes of a message is too small to keep all of it alive: what a peer
/// adds around it, and nobody counts, would be held with it.
pub(crate) fn is_small_part(len: usize, message: usize) -> bool {
    message > SMALL_MESSAGE && len < message / 2
}

impl Limits {
    /// The default of [`max_attachments`](Self::max_attachments), also held to when sending.
    pub const DEFAULT_MAX_ATTACHMENTS: usize = 10;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_attachments: Self::DEFAULT_MAX_ATTACHMENTS,
            max_attachment_bytes: 64 * 1024 * 1024,
            max_namespace_len: Namespace::MAX_LEN,
            max_ack_id_digits: 20,
        }
    }
}
