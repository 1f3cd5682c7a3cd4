//! The messages that wait for an answer, by the numbers they were printed with.

use std::collections::BTreeMap;

/// How many of them are remembered: who answers does so soon, and who never does must not use up the memory.
const MAX_WAITING: usize = 1024;

/// What answers each of them. When there are too many, the oldest is forgotten.
pub(crate) struct Replies<Handle> {
    last: u64,
    waiting: BTreeMap<u64, Handle>,
}

impl<Handle> Replies<Handle> {
    pub(crate) fn new() -> Self {
        Self {
            last: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// Keeps a handle under a new number.
    pub(crate) fn keep(&mut self, handle: Handle) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, handle);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
        }
        self.last
    }

    /// Takes the handle of this number, if nobody has yet.
    pub(crate) fn take(&mut self, id: u64) -> Option<Handle> {
        self.waiting.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_once_and_the_oldest_is_forgotten() {
        let mut replies = Replies::new();
        let first = replies.keep("first");
        let second = replies.keep("second");
        assert_eq!((first, second), (1, 2));
        assert_eq!(replies.take(2), Some("second"));
        assert_eq!((replies.take(2), replies.take(3)), (None, None));
        for _ in 1..MAX_WAITING {
            replies.keep("more");
        }
        assert_eq!(replies.waiting.len(), MAX_WAITING);
        let latest = replies.keep("latest");
        assert_eq!(replies.waiting.len(), MAX_WAITING);
        assert_eq!(replies.take(1), None);
        assert_eq!(replies.take(3), Some("more"));
        assert_eq!(replies.take(latest), Some("latest"));
    }
}
