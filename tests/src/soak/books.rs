//! All accounts of a soak, and the phase that it is in.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socketio::Transport;

use super::ledger::Account;
use super::watched::WatchAccount;

/// What a namespace is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Events both ways; who reads too little slows the server down.
    Talking,
    /// Acknowledgements both ways.
    Asking,
    /// Events of the server, of which the oldest unread ones are dropped.
    Lagging,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Talking, Self::Asking, Self::Lagging];

    pub(super) fn namespace(self) -> &'static str {
        match self {
            Self::Talking => "/",
            Self::Asking => "/asking",
            Self::Lagging => "/lagging",
        }
    }
}

/// How far a soak has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    /// The weather is bad.
    Storm,
    /// It is fair, and everybody goes on.
    Fair,
    /// Nobody sends any more.
    Quiet,
}

/// The routes that busy clients take.
pub(super) const LANES: [(&str, &[Transport]); 3] = [
    ("websocket", &[Transport::WebSocket]),
    ("upgrade", &[Transport::Polling, Transport::WebSocket]),
    ("polling", &[Transport::Polling]),
];

pub(super) type SharedAccount = Arc<Mutex<Account>>;
pub(super) type SharedWatchAccount = Arc<Mutex<WatchAccount>>;

/// All accounts.
pub(super) struct Books {
    phase: AtomicU8,
    lanes: Vec<(&'static str, [SharedAccount; 3])>,
    pub(super) watches: Vec<SharedWatchAccount>,
}

impl Books {
    pub(super) fn new(watches: &[&str]) -> Self {
        let account = |lane: &str, role: Role| {
            let name = format!("{lane} {}", role.namespace());
            Arc::new(Mutex::new(Account::new(name)))
        };
        let accounts = |lane| (lane, Role::ALL.map(|role| account(lane, role)));
        let watch = |name: &&str| Arc::new(Mutex::new(WatchAccount::new(*name)));
        Self {
            phase: AtomicU8::new(Phase::Storm as u8),
            lanes: LANES.iter().map(|(lane, _)| accounts(*lane)).collect(),
            watches: watches.iter().map(watch).collect(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Storm,
            1 => Phase::Fair,
            _ => Phase::Quiet,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn account(&self, lane: &str, role: Role) -> Option<SharedAccount> {
        let (_, accounts) = self.lanes.iter().find(|(name, _)| *name == lane)?;
        Some(Arc::clone(&accounts[role as usize]))
    }

    pub(super) fn of_lane(&self, lane: &str, mut act: impl FnMut(&mut Account)) {
        let lanes = self.lanes.iter().filter(|(name, _)| *name == lane);
        lanes.for_each(|(_, accounts)| accounts.iter().for_each(|account| act(&mut lock(account))));
    }

    pub(super) fn each(&self, mut act: impl FnMut(&mut Account)) {
        for account in self.lanes.iter().flat_map(|(_, accounts)| accounts) {
            act(&mut lock(account));
        }
    }

    pub(super) fn each_watch(&self, mut act: impl FnMut(&mut WatchAccount)) {
        self.watches
            .iter()
            .for_each(|account| act(&mut lock(account)));
    }
}

/// An account is right even if somebody has panicked with it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
