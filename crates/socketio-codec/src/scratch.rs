//! Where a text is written before it is known how long it will be.

use std::cell::Cell;
use std::mem;

/// What a thread keeps for the texts to come. Most are shorter, and those that are not take long enough to write.
const KEPT: usize = 256 << 10;

thread_local! {
    static KEPT_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer with the room that an earlier text has made.
pub(crate) struct Scratch(pub(crate) Vec<u8>);

impl Scratch {
    /// An empty one. There is no room in it while another is in use, by a value that writes another text before it writes
    /// itself, nor where the thread ends.
    pub(crate) fn take() -> Self {
        Self(KEPT_BUFFER.try_with(Cell::take).unwrap_or_default())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut buffer = mem::take(&mut self.0);
        if buffer.capacity() <= KEPT {
            buffer.clear();
            // At the end of the thread it is not kept.
            let _ = KEPT_BUFFER.try_with(|kept| kept.set(buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_empty_and_keeps_its_room() {
        let room = {
            let mut outer = Scratch::take();
            outer.0.extend_from_slice(b"outer");
            let mut inner = Scratch::take();
            assert!(inner.0.is_empty());
            inner.0.extend_from_slice(b"inner");
            drop(inner);
            assert_eq!(outer.0, b"outer");
            outer.0.capacity()
        };
        let mut again = Scratch::take();
        assert_eq!((again.0.len(), again.0.capacity()), (0, room));
        again.0.reserve(KEPT + 1);
        drop(again);
        assert_eq!(Scratch::take().0.capacity(), 0);
    }
}
