//! The events that the application has not read yet: bounded, and never losing that something
//! changed.

use std::collections::VecDeque;

use crate::watch::event::{ResyncReason, WatchEvent};

/// What an event costs beside the payload of its notification.
const EVENT_BYTES: usize = size_of::<WatchEvent>();

/// What is left after coalescing must fit.
const MIN_EVENTS: usize = 4;

#[derive(Debug)]
pub(crate) struct Backlog {
    events: VecDeque<WatchEvent>,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

impl Backlog {
    pub(crate) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            max_events: max_events.max(MIN_EVENTS),
            max_bytes,
        }
    }

    pub(crate) fn push(&mut self, event: WatchEvent) {
        self.bytes += bytes(&event);
        self.events.push_back(event);
        if self.events.len() > self.max_events || self.bytes > self.max_bytes {
            self.coalesce();
        }
    }

    pub(crate) fn pop(&mut self) -> Option<WatchEvent> {
        let event = self.events.pop_front()?;
        self.bytes -= bytes(&event);
        Some(event)
    }

    /// Puts an event back that was popped last.
    pub(crate) fn unpop(&mut self, event: WatchEvent) {
        self.bytes += bytes(&event);
        self.events.push_front(event);
    }

    /// All that the waiting events ask for is a `delta` query, and to know whether there is coverage.
    ///
    /// So what is left is that coverage began or came back, one resync for the rest, a renewal, and
    /// the last `Down` unless coverage came back after it. The resync says `Lagged` if notifications
    /// were lost, else what the last one said.
    fn coalesce(&mut self) {
        let mut coverage = None;
        let mut resync = None;
        let mut down = None;
        let mut renewed = None;
        for event in self.events.drain(..) {
            match event {
                WatchEvent::Notification(_) => resync = Some(ResyncReason::Lagged),
                WatchEvent::Resync(reason) if reason.restores_coverage() => {
                    down = None;
                    // The first one: that is how the start of it all stays the first event.
                    coverage = coverage.or(Some(reason));
                }
                WatchEvent::Resync(reason) => {
                    if resync != Some(ResyncReason::Lagged) {
                        resync = Some(reason);
                    }
                }
                WatchEvent::Down { .. } => down = Some(event),
                WatchEvent::Renewed => renewed = Some(event),
            }
        }
        if coverage.is_some() && resync != Some(ResyncReason::Lagged) {
            resync = None;
        }
        let resyncs = coverage.into_iter().chain(resync).map(WatchEvent::Resync);
        self.events.extend(resyncs.chain(renewed).chain(down));
        self.bytes = self.events.iter().map(bytes).sum();
    }
}

fn bytes(event: &WatchEvent) -> usize {
    EVENT_BYTES
        + match event {
            WatchEvent::Notification(notification) => notification.size(),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::notification::Notification;
    use crate::watch::event::WatchError;

    fn notification(text: &str) -> WatchEvent {
        WatchEvent::Notification(Notification::from_json(text))
    }

    fn down() -> WatchEvent {
        WatchEvent::Down {
            reason: WatchError::Stopped,
            retry_in: Duration::ZERO,
        }
    }

    fn drain(mut backlog: Backlog) -> Vec<WatchEvent> {
        let events = std::iter::from_fn(|| backlog.pop()).collect();
        assert_eq!(backlog.bytes, 0);
        events
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let mut backlog = Backlog::new(4, 10_000);
        let events = [
            WatchEvent::Resync(ResyncReason::Started),
            notification("1"),
            notification("1"),
            down(),
        ];
        for event in events.clone() {
            backlog.push(event);
        }
        assert_eq!(drain(backlog), events);
    }

    #[test]
    fn a_flood_becomes_one_resync() {
        let mut backlog = Backlog::new(8, 1_000_000);
        for n in 0..100_000 {
            backlog.push(notification(&n.to_string()));
            assert!(backlog.events.len() <= 8);
        }
        let events = drain(backlog);
        assert_eq!(events[0], WatchEvent::Resync(ResyncReason::Lagged));
        // The latest are kept after it, so nothing is lost silently.
        assert_eq!(events.last(), Some(&notification("99999")));
        let lagged = events
            .iter()
            .filter(|event| matches!(event, WatchEvent::Resync(_)));
        assert_eq!(lagged.count(), 1);
    }

    #[test]
    fn bytes_count_too() {
        let mut backlog = Backlog::new(1000, 10_000);
        let large = format!("\"{}\"", "x".repeat(4_000));
        for _ in 0..100 {
            backlog.push(notification(&large));
            assert!(backlog.bytes <= 10_000);
        }
        // One that is alone too large is a change all the same.
        let mut backlog = Backlog::new(1000, 100);
        backlog.push(notification(&large));
        assert_eq!(drain(backlog), [WatchEvent::Resync(ResyncReason::Lagged)]);
    }

    #[test]
    fn an_outage_that_lasts_is_kept_and_one_that_is_over_is_not() {
        use ResyncReason::{Reconnected, Safety, Started};
        let resync = WatchEvent::Resync;
        let rows = [
            (
                vec![resync(Started), down(), resync(Reconnected), down(), down()],
                vec![resync(Started), down()],
            ),
            (
                vec![resync(Started), down(), down(), down(), resync(Reconnected)],
                vec![resync(Started)],
            ),
            (
                vec![
                    resync(Reconnected),
                    down(),
                    down(),
                    down(),
                    resync(Reconnected),
                ],
                vec![resync(Reconnected)],
            ),
            (
                vec![resync(Started), down(), down(), down(), resync(Safety)],
                vec![resync(Started), down()],
            ),
            (
                vec![down(), down(), down(), down(), resync(Safety)],
                vec![resync(Safety), down()],
            ),
            (vec![down(); 5], vec![down()]),
            (vec![WatchEvent::Renewed; 5], vec![WatchEvent::Renewed]),
            (
                vec![
                    resync(Started),
                    notification("1"),
                    WatchEvent::Renewed,
                    down(),
                    resync(Reconnected),
                ],
                vec![
                    resync(Started),
                    resync(ResyncReason::Lagged),
                    WatchEvent::Renewed,
                ],
            ),
            // The application knows of an outage: that it is over must not drown.
            (
                vec![
                    resync(Reconnected),
                    notification("1"),
                    notification("2"),
                    notification("3"),
                    notification("4"),
                ],
                vec![resync(Reconnected), resync(ResyncReason::Lagged)],
            ),
        ];
        for (given, expected) in rows {
            let mut backlog = Backlog::new(4, 100_000);
            for event in given.clone() {
                backlog.push(event);
            }
            assert_eq!(drain(backlog), expected, "{given:?}");
        }
    }

    #[test]
    fn an_event_can_be_put_back() {
        let mut backlog = Backlog::new(4, 10_000);
        backlog.push(notification("1"));
        backlog.push(down());
        let first = backlog.pop().unwrap();
        backlog.unpop(first.clone());
        assert_eq!(drain(backlog), [first, down()]);
    }
}
