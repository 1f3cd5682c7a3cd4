//! Short messages out of long bodies.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use crate::packet::{Message, SHORT};

/// Short messages share pieces of memory of this size, so that each takes hardly more than its own bytes.
const PIECE: usize = 4 << 10;

/// Where short messages are put that came in a long buffer.
///
/// A message is a slice of the polling body in which it came, and keeps all of that alive. A peer could fill one body after
/// the other with what nobody reads, and one short message: the queue of unread messages would be short, and what it keeps
/// alive would have no bound. So what is shorter than half of its body is copied, unless it was as it was read.
#[derive(Debug, Default)]
pub(crate) struct Shelf(BytesMut);

impl Shelf {
    /// The message, so that it keeps little alive beyond its own size. The buffer that it came in has up to `size` bytes.
    pub(crate) fn put(&mut self, message: Message, size: usize) -> Message {
        let len = message.len();
        let is_copied = matches!(message, Message::Text(_)) && len <= SHORT;
        if is_copied || size <= PIECE || len >= size / 2 {
            return message;
        }
        if len >= PIECE / 2 {
            return message.detach();
        }
        match message {
            Message::Text(text) => match ByteString::try_from(self.copy(text.as_bytes())) {
                Ok(copy) => Message::Text(copy),
                // It is the same text; there is no such case.
                Err(_) => Message::Text(text),
            },
            Message::Binary(bytes) => Message::Binary(self.copy(&bytes)),
        }
    }

    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if self.0.capacity() == 0 && !bytes.is_empty() {
            self.0 = BytesMut::with_capacity(PIECE);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the bytes of a message are.
    fn place(message: &Message) -> *const u8 {
        match message {
            Message::Text(text) => text.as_ptr(),
            Message::Binary(bytes) => bytes.as_ptr(),
        }
    }

    #[test]
    fn a_short_message_leaves_a_long_buffer() {
        let mut shelf = Shelf::default();
        for len in [1, 100, SHORT + 1, PIECE / 2, PIECE, 4999] {
            let text = (len > SHORT).then(|| Message::from("x".repeat(len)));
            for message in text.into_iter().chain([Message::from(vec![7; len])]) {
                let put = shelf.put(message.clone(), 10_000);
                assert_eq!(put, message);
                assert_ne!(place(&put), place(&message), "{len}");
            }
        }
    }

    #[test]
    fn what_is_most_of_its_buffer_stays_and_so_does_what_is_in_a_short_one() {
        let mut shelf = Shelf::default();
        for (len, size) in [(5_000, 10_000), (10_000, 10_000), (1, PIECE)] {
            let message = Message::from(vec![7; len]);
            assert_eq!(place(&shelf.put(message.clone(), size)), place(&message));
        }
        // It is no part of a body, however long that was.
        let message = Message::from("x".repeat(SHORT));
        assert_eq!(place(&shelf.put(message.clone(), 10_000)), place(&message));
    }

    #[test]
    fn short_messages_are_neighbours() {
        let mut shelf = Shelf::default();
        let put: Vec<_> = (0..4)
            .map(|_| shelf.put(vec![7; 4].into(), 10_000))
            .collect();
        for pair in put.windows(2) {
            assert_eq!(place(&pair[0]).wrapping_add(4), place(&pair[1]));
        }
    }
}
