//! What the parts of one emulator share.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, atomic::AtomicU32},
};

use tokio::time::Instant;

use crate::{
    config::Settings,
    delta::ChangeLog,
    failure::GraphFailure,
    log::Recorder,
    login::Logins,
    relay::Relay,
    subscription::{Subscription, Subscriptions},
    wire::{End, Lines},
};

#[derive(Debug)]
pub(crate) struct Shared {
    /// Scheme and authority of the port that clients connect to.
    pub(crate) base_url: String,
    pub(crate) recorder: Recorder,
    pub(crate) lines: Lines,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) changes: ChangeLog,
    pub(crate) failures: Mutex<VecDeque<GraphFailure>>,
    pub(crate) connects_to_refuse: AtomicU32,
    pub(crate) relay: Relay,
    pub(crate) logins: Logins,
    settings: RwLock<Settings>,
}

impl Shared {
    pub(crate) fn new(base_url: String, settings: Settings, relay: Relay) -> Arc<Self> {
        Arc::new(Self {
            base_url,
            recorder: Recorder::default(),
            lines: Lines::default(),
            subscriptions: Subscriptions::default(),
            changes: ChangeLog::default(),
            failures: Mutex::default(),
            connects_to_refuse: AtomicU32::new(0),
            relay,
            logins: Logins::default(),
            settings: RwLock::new(settings),
        })
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn update_settings<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        change(
            &mut self
                .settings
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Hands out a subscription whose credential ends by itself.
    pub(crate) fn subscribe(self: &Arc<Self>, settings: &Settings) -> Subscription {
        let subscription = self.subscriptions.issue(settings);
        self.recorder.count(|counts| counts.subscriptions += 1);
        let deadline = settings
            .lifetime_ms
            .and_then(|ms| Instant::now().checked_add(std::time::Duration::from_millis(ms)));
        if let Some(deadline) = deadline {
            let shared = Arc::downgrade(self);
            let id = subscription.id.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(deadline).await;
                if let Some(shared) = shared.upgrade() {
                    shared.end_subscription(&id);
                }
            });
        }
        subscription
    }

    /// From now on the credential is refused, and what was connected with it is closed.
    pub(crate) fn end_subscription(&self, id: &str) -> bool {
        let ended = self.subscriptions.end(id);
        if ended {
            self.lines.end_subscription(id, End::Close);
            self.relay.end_subscription(id);
        }
        ended
    }
}

/// Locks; what was protected is plain data, which a panic elsewhere does not break.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
