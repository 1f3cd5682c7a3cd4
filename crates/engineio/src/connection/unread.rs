//! What a connection has to tell and nobody has taken yet.

use std::collections::VecDeque;

use super::Event;
use crate::packet::Packet;
use crate::payload::Packets;
use crate::shelf::Shelf;

/// Events, in order. The messages of a polling body are in there as the body, and cut out of it when they are taken: a
/// message may have a single byte, and an event is many times as large.
#[derive(Debug)]
pub(super) struct Unread(VecDeque<Entry>);

#[derive(Debug)]
enum Entry {
    Event(Event),
    Messages(Box<Messages>),
}

/// So many messages of a body that has been read before.
#[derive(Debug)]
struct Messages {
    packets: Packets,
    left: usize,
    /// Bytes of the body.
    size: usize,
    shelf: Shelf,
}

impl Unread {
    pub(super) fn new() -> Self {
        // One event at a time, as a rule; what grows by itself has room for four.
        Self(VecDeque::with_capacity(1))
    }

    pub(super) fn push_back(&mut self, event: Event) {
        self.0.push_back(Entry::Event(event));
    }

    /// Puts the last event, a message, back into its body of `size` bytes: `packets` are the body from this message on,
    /// and not given if the last event before this one is of the same body.
    pub(super) fn put_back(&mut self, packets: Option<Packets>, size: usize) {
        self.0.pop_back();
        match (packets, self.0.back_mut()) {
            (Some(packets), _) => self.0.push_back(Entry::Messages(Box::new(Messages {
                packets,
                left: 1,
                size,
                shelf: Shelf::default(),
            }))),
            (None, Some(Entry::Messages(messages))) => messages.left += 1,
            (None, _) => {}
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Event> {
        loop {
            match self.0.pop_front()? {
                Entry::Event(event) => return Some(event),
                Entry::Messages(mut messages) => {
                    if let Some(event) = messages.next() {
                        // The body is not kept for as long as nothing else happens.
                        if messages.left > 0 {
                            self.0.push_front(Entry::Messages(messages));
                        }
                        return Some(event);
                    }
                }
            }
        }
    }
}

impl Iterator for Messages {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.left = self.left.checked_sub(1)?;
        let message = self.packets.find_map(|packet| match packet {
            Ok(Packet::Message(message)) => Some(message),
            _ => None,
        })?;
        Some(Event::Message(self.shelf.put(message, self.size)))
    }
}
