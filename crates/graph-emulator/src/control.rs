//! The controls of a running emulator.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    config::Settings,
    failure::GraphFailure,
    log::{Counts, Log},
    notification::{Notification, Sent},
    shared::{Shared, lock},
    wire::{End, Port},
};

/// A handle to make a running [`Emulator`](crate::Emulator) do things and to ask what it saw.
///
/// It does not keep the emulator running.
#[derive(Debug, Clone)]
pub struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) port: Arc<Port>,
}

/// What the emulator is and what it saw.
impl Control {
    /// What to use in place of `https://graph.microsoft.com`, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn graph_url(&self) -> &str {
        &self.shared.base_url
    }

    /// The bearer token that Graph requests must carry.
    #[must_use]
    pub fn token(&self) -> String {
        self.shared.settings().token
    }

    /// The current settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.settings()
    }

    /// Changes the settings; what is connected stays as it is.
    pub fn update(&self, change: impl FnOnce(&mut Settings)) {
        self.shared.update_settings(change);
    }

    /// Everything seen so far.
    #[must_use]
    pub fn log(&self) -> Log {
        self.shared.recorder.log()
    }

    /// The counters as they are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.recorder.counts()
    }

    /// Waits, without a limit of its own, until the counters satisfy a condition, and returns them as they are then.
    ///
    /// A change between two looks at the counters can be missed if it is undone at once; the totals never are.
    pub async fn wait_until(&self, condition: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.shared.recorder.subscribe();
        match counts.wait_for(condition).await {
            Ok(counts) => *counts,
            // The sender lives in `self`.
            Err(_) => self.counts(),
        }
    }

    /// Waits until a client has sent this packet, such as `40/notifications,`, on whichever connection.
    pub async fn wait_for_packet(&self, text: &str) {
        self.wait_until(|_| self.log().packets.iter().any(|packet| packet.text == text))
            .await;
    }

    /// Waits until exactly this many clients have joined a namespace and not left.
    pub async fn wait_for_connections(&self, joined: u64) -> Counts {
        self.wait_until(|counts| counts.joined.now == joined).await
    }
}

/// The Graph requests.
impl Control {
    /// Makes the next `times` Graph requests fail, after those that were asked to fail before.
    pub fn fail_next(&self, times: usize, failure: GraphFailure) {
        lock(&self.shared.failures).extend(std::iter::repeat_n(failure, times));
    }

    /// Forgets the failures that have not happened yet.
    pub fn fail_no_more(&self) {
        lock(&self.shared.failures).clear();
    }
}

/// The relay.
impl Control {
    /// Sends a notification to everybody who has joined.
    pub fn notify(&self, notification: &Notification) -> Sent {
        let mut number = 0;
        self.shared.recorder.count(|counts| {
            counts.notifications += 1;
            number = counts.notifications;
        });
        // Before anybody asks what has changed.
        self.shared.changes.notified(number);
        Sent {
            number,
            receivers: self.shared.relay.notify(notification, number),
        }
    }

    /// Sends `41` to everybody who has joined, and says to how many; their connections stay open.
    pub fn disconnect_namespaces(&self) -> usize {
        self.shared.relay.disconnect()
    }

    /// Answers the next `times` CONNECT packets with `44`.
    pub fn refuse_connects(&self, times: u32) {
        self.shared
            .connects_to_refuse
            .store(times, Ordering::Relaxed);
    }

    /// Ends all credentials handed out so far as if their time had come, and says how many.
    ///
    /// What is connected with them is closed, and they are refused from now on.
    pub fn expire_credentials(&self) -> usize {
        let ids = self.shared.subscriptions.ids();
        ids.iter()
            .filter(|id| self.shared.end_subscription(id))
            .count()
    }

    /// Closes all Engine.IO connections: a WebSocket with a close frame, polling with a close packet.
    ///
    /// Says how many clients had joined.
    pub fn close_connections(&self) -> usize {
        self.shared.lines.end_relay(End::Close);
        self.shared.relay.close(&self.shared)
    }
}

/// The network.
impl Control {
    /// Cuts the relay's TCP connections without a close frame.
    pub fn cut_connections(&self) {
        self.shared.lines.end_relay(End::Drop);
    }

    /// Makes the relay's open TCP connections half-open: bytes stop in both directions, and the sockets stay open.
    ///
    /// New connections work. This lasts until [`Control::thaw`].
    pub fn freeze(&self) {
        self.shared.lines.hold_relay();
    }

    /// The same for all connections, those of Graph requests included, and for new ones: they are accepted and nothing
    /// comes back. This lasts until [`Control::thaw`].
    pub fn freeze_everything(&self) {
        self.shared.lines.hold_all();
    }

    /// Lets frozen connections go on where they were.
    pub fn thaw(&self) {
        self.shared.lines.release();
    }

    /// Kills every connection and session; when this returns, new connections are refused.
    ///
    /// Credentials stay good. [`Control::come_back`] ends it.
    ///
    /// # Errors
    ///
    /// When the port cannot be held.
    pub async fn go_down(&self) -> io::Result<()> {
        let downed = self.port.down(&self.shared).await;
        self.shared.relay.close(&self.shared);
        downed
    }

    /// Listens again, at the same port.
    ///
    /// # Errors
    ///
    /// When the port cannot be opened.
    pub async fn come_back(&self) -> io::Result<()> {
        self.port.up(&self.shared).await
    }

    /// [`Control::go_down`] and, that much later, [`Control::come_back`].
    ///
    /// # Errors
    ///
    /// When the port cannot be held or opened.
    pub async fn restart(&self, down_for: Duration) -> io::Result<()> {
        self.go_down().await?;
        tokio::time::sleep_until(Instant::now() + down_for).await;
        self.come_back().await
    }
}
