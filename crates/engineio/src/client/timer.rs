//! The one timer that a driver needs.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::time::Sleep;

use super::clock::now;

/// A timer for the deadlines of a state machine, on the clock of [`now`].
///
/// It arms itself when it is polled, and sleeps on unchanged deadlines at no cost.
#[derive(Debug, Default)]
pub struct Timer {
    /// Kept between deadlines; it is reset, not made anew.
    sleep: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Timer {
    /// Waits for `deadline`. A timer that has fired is used up, whatever comes of it: the next poll arms it again.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let until = || tokio::time::Instant::now() + deadline.saturating_duration_since(now());
        let (_, sleep) = match &mut self.sleep {
            Some(armed) if armed.0 == deadline => armed,
            Some(armed) => {
                armed.0 = deadline;
                armed.1.as_mut().reset(until());
                armed
            }
            none => none.insert((deadline, Box::pin(tokio::time::sleep_until(until())))),
        };
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }
}
