//! Where a text is written before it is known how long it will be.

use std::cell::Cell;

/// What a thread keeps for the texts to come. Most are shorter, and those that are not take long enough to write.
const KEPT: usize = 256 << 10;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends an empty buffer, which has the room that an earlier text has made.
pub(crate) fn with<R>(write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // It is missing while it is lent, to a value that writes another text before it writes itself, or where the thread ends.
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let result = write(&mut buffer);
    if buffer.capacity() <= KEPT {
        // At the end of the thread it is not kept.
        let _ = SCRATCH.try_with(|kept| kept.set(buffer));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_empty_and_keeps_its_room() {
        let room = with(|outer| {
            outer.extend_from_slice(b"outer");
            with(|inner| {
                assert!(inner.is_empty());
                inner.extend_from_slice(b"inner");
            });
            assert_eq!(outer, b"outer");
            outer.capacity()
        });
        with(|buffer| assert_eq!((buffer.len(), buffer.capacity()), (0, room)));
        with(|buffer| buffer.reserve(KEPT + 1));
        with(|buffer| assert_eq!(buffer.capacity(), 0));
    }
}
