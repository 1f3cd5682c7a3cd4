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
        let until = |at: Instant| tokio::time::Instant::now() + at.saturating_duration_since(now());
        let (armed, sleep) = self.sleep.get_or_insert_with(|| {
            let sleep = tokio::time::sleep_until(until(deadline));
            (deadline, Box::pin(sleep))
        });
        if *armed > deadline {
            *armed = deadline;
            sleep.as_mut().reset(until(deadline));
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if *armed >= deadline {
                break;
            }
            // A deadline that is put off, as each ping and each acknowledgement does, moves the timer once it has rung.
            *armed = deadline;
            sleep.as_mut().reset(until(deadline));
        }
        self.sleep = None;
        Poll::Ready(())
    }
}
