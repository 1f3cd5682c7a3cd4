//! One TCP connection as the controls see it: a line that can be held and ended.

use std::{collections::BTreeMap, sync::Mutex};

use tokio::sync::watch;

use crate::shared::lock;

/// The number of a TCP connection, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineId(pub(crate) u64);

/// What is asked of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LineState {
    /// Bytes stop in both directions while the socket stays open.
    pub(crate) held: bool,
    pub(crate) end: Option<End>,
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A WebSocket close frame where there is a WebSocket, then the end of the stream. Waits until the line is not held.
    Close,
    /// The end of the stream at once.
    Drop,
}

/// What is known of an open line.
#[derive(Debug)]
struct Line {
    state: watch::Sender<LineState>,
    is_relay: bool,
    subscription: Option<String>,
}

/// All open lines.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    hold_new: bool,
    open: BTreeMap<LineId, Line>,
}

impl Lines {
    pub(crate) fn open(&self) -> (LineId, watch::Receiver<LineState>) {
        let mut table = lock(&self.0);
        table.last += 1;
        let id = LineId(table.last);
        let (state, receiver) = watch::channel(LineState {
            held: table.hold_new,
            end: None,
        });
        table.open.insert(
            id,
            Line {
                state,
                is_relay: false,
                subscription: None,
            },
        );
        (id, receiver)
    }

    pub(crate) fn close(&self, id: LineId) {
        lock(&self.0).open.remove(&id);
    }

    /// Remembers that a line carries requests to the relay, and with whose credential.
    pub(crate) fn mark_relay(&self, id: LineId, subscription: Option<String>) {
        if let Some(line) = lock(&self.0).open.get_mut(&id) {
            line.is_relay = true;
            line.subscription = subscription;
        }
    }

    /// Holds the relay's lines that are open now; new ones work.
    pub(crate) fn hold_relay(&self) {
        self.change(|line| line.is_relay, |state| state.held = true);
    }

    /// Holds every line, now and until [`Lines::release`].
    pub(crate) fn hold_all(&self) {
        lock(&self.0).hold_new = true;
        self.change(|_| true, |state| state.held = true);
    }

    /// Lets all held bytes go on.
    pub(crate) fn release(&self) {
        lock(&self.0).hold_new = false;
        self.change(|_| true, |state| state.held = false);
    }

    pub(crate) fn end_all(&self, end: End) {
        self.change(|_| true, |state| state.end = Some(end));
    }

    pub(crate) fn end_relay(&self, end: End) {
        self.change(|line| line.is_relay, |state| state.end = Some(end));
    }

    pub(crate) fn end_subscription(&self, id: &str, end: End) {
        self.change(
            |line| line.subscription.as_deref() == Some(id),
            |state| state.end = Some(end),
        );
    }

    fn change(&self, which: impl Fn(&Line) -> bool, how: impl Fn(&mut LineState)) {
        for line in lock(&self.0).open.values().filter(|line| which(line)) {
            line.state.send_modify(&how);
        }
    }
}
