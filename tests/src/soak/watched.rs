//! The account of a watch: each change must be announced, or be covered by a resync that comes after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use graph_notifications::ResyncReason;

use super::promise::{Broken, Promise, Trace};

/// How long a change may stay unannounced while the watch says that it covers: the heartbeat, the overlap of two
/// connections and the time to close one, with room to spare.
pub const OVERDUE: Duration = Duration::from_secs(15);

/// Changes that were told to one connection alone, and have not been announced.
const MAX_SINGLE: usize = 10_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "they are their own description")]
pub struct Counts {
    pub made: u64,
    pub announced: u64,
    pub again: u64,
    pub covered: u64,
    pub down: u64,
    pub resyncs: u64,
    pub renewed: u64,
    pub connections: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.made += other.made;
        self.announced += other.announced;
        self.again += other.again;
        self.covered += other.covered;
        self.down += other.down;
        self.resyncs += other.resyncs;
        self.renewed += other.renewed;
        self.connections += other.connections;
    }
}

/// The account of one watch.
#[derive(Debug)]
pub struct WatchAccount {
    name: String,
    last_made: u64,
    /// Neither announced nor covered by a resync, and when they were made.
    pending: BTreeMap<u64, Instant>,
    /// Told to one connection, the only one there was, and not announced.
    single: BTreeSet<u64>,
    /// The latest number that came by each subscription.
    latest: HashMap<String, u64>,
    /// Since when the watch has said that changes are announced.
    covered_since: Option<Instant>,
    counts: Counts,
    trace: Trace,
    broken: Vec<Broken>,
}

impl WatchAccount {
    /// An empty account.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            last_made: 0,
            pending: BTreeMap::new(),
            single: BTreeSet::new(),
            latest: HashMap::new(),
            covered_since: None,
            counts: Counts::default(),
            trace: Trace::default(),
            broken: Vec::new(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The promises that were broken.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Whether the watch says that changes are announced.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.covered_since.is_some()
    }

    /// Whether each change was announced or is covered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_covered() && self.pending.is_empty()
    }

    /// A line of the trace, for what is not counted.
    pub fn note(&mut self, line: impl Into<String>) {
        self.trace.push(line.into());
    }

    fn break_promise(&mut self, promise: Promise, what: String) {
        Broken::keep(&mut self.broken, promise, &self.name, what, &self.trace);
    }

    /// A change was made: `joined` connections were there, and so many of them were told.
    pub fn made(&mut self, now: Instant, number: u64, joined: u64, told: u64) {
        self.counts.made += 1;
        self.last_made = number;
        self.pending.insert(number, now);
        if (joined, told) == (1, 1) {
            self.single.insert(number);
            if self.single.len() > MAX_SINGLE {
                self.single.pop_first();
            }
        }
    }

    /// It was announced, on the connection of this subscription.
    pub fn announced(&mut self, subscription: &str, number: u64) {
        if number > self.last_made {
            let what = format!("change {number} was announced before it was made");
            return self.break_promise(Promise::OnceAndInOrder, what);
        }
        match self.pending.remove(&number) {
            Some(_) => self.counts.announced += 1,
            None => self.counts.again += 1,
        }
        self.single.remove(&number);
        let latest = self.latest.get(subscription).copied();
        if latest.is_none() {
            self.counts.connections += 1;
            // Of those that are gone.
            if self.latest.len() > 16 {
                let oldest = self.latest.iter().min_by_key(|(_, number)| **number);
                let oldest = oldest.map(|(subscription, _)| subscription.clone());
                oldest.and_then(|oldest| self.latest.remove(&oldest));
            }
        }
        let last = latest.unwrap_or(number.saturating_sub(1));
        self.latest
            .insert(subscription.to_owned(), number.max(last));
        if number <= last {
            let what = format!("change {number} came after {last} on one connection");
            return self.break_promise(Promise::OnceAndInOrder, what);
        }
        let lost: Vec<u64> = self.single.range(last + 1..number).copied().collect();
        if let Some(first) = lost.first() {
            let what =
                format!("change {number} came after {last} on one connection, without {first}");
            self.break_promise(Promise::NothingIsLost, what);
            self.single.retain(|single| !lost.contains(single));
        }
    }

    /// The application was told to look for itself, and looks now.
    pub fn resync(&mut self, now: Instant, reason: ResyncReason) {
        self.note(format!("resync: {reason}, up to {}", self.last_made));
        self.counts.resyncs += 1;
        self.counts.covered += self.pending.len() as u64;
        self.pending.clear();
        match reason {
            ResyncReason::Started | ResyncReason::Reconnected => {
                self.covered_since = Some(now);
            }
            // Notifications were dropped unread, perhaps out of the middle, and with them the end of an old coverage.
            ResyncReason::Lagged => self.single.clear(),
            _ => {}
        }
    }

    /// The watch says that changes are not announced.
    pub fn down(&mut self, why: &str) {
        self.note(format!("down: {why}"));
        self.counts.down += u64::from(self.covered_since.take().is_some());
    }

    /// A notification cannot be read.
    pub fn unreadable(&mut self, raw: Option<&str>) {
        let what = format!("a notification that was never sent: {raw:?}");
        self.break_promise(Promise::OnceAndInOrder, what);
    }

    /// The watch has given up, which it has no reason to.
    pub fn ended(&mut self, why: &str) {
        self.covered_since = None;
        self.break_promise(
            Promise::GapsAreReported,
            format!("the watch has ended: {why}"),
        );
    }

    /// A new connection has taken over.
    pub fn renewed(&mut self) {
        self.note(format!("renewed, up to {}", self.last_made));
        self.counts.renewed += 1;
    }

    /// What should have been announced long ago.
    pub fn check(&mut self, now: Instant) {
        let Some(since) = self.covered_since else {
            return;
        };
        let overdue =
            |made: Instant| made >= since && now.saturating_duration_since(made) > OVERDUE;
        let overdue: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, made)| overdue(**made))
            .map(|(number, _)| *number)
            .collect();
        if let Some(first) = overdue.first() {
            let what = format!("change {first} was not announced in {OVERDUE:?}, nor was a gap");
            self.break_promise(Promise::GapsAreReported, what);
            self.pending.retain(|number, _| !overdue.contains(number));
        }
    }

    /// The end, after everything had its time to arrive.
    pub fn close(&mut self) {
        if !self.is_covered() {
            let what = "down in the end, in fair weather".to_owned();
            self.break_promise(Promise::GapsAreReported, what);
        } else if let Some((first, _)) = self.pending.first_key_value() {
            let what = format!("change {first} was neither announced nor covered by a resync");
            self.break_promise(Promise::GapsAreReported, what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account that is covered, and the time of its start.
    fn covered() -> (WatchAccount, Instant) {
        let mut account = WatchAccount::new("watch");
        let now = engineio::client::now();
        account.resync(now, ResyncReason::Started);
        (account, now)
    }

    fn broken(account: &WatchAccount) -> Vec<Promise> {
        account
            .broken()
            .iter()
            .map(|broken| broken.promise)
            .collect()
    }

    #[test]
    fn what_is_announced_or_covered_is_accounted_for() {
        let (mut account, now) = covered();
        account.made(now, 1, 1, 1);
        account.announced("a", 1);
        account.made(now, 2, 1, 1);
        account.down("lost");
        account.made(now, 3, 0, 0);
        account.resync(now, ResyncReason::Reconnected);
        account.made(now, 4, 2, 2);
        account.announced("b", 4);
        account.announced("c", 4);
        account.check(now + OVERDUE * 2);
        account.close();
        assert_eq!(broken(&account), []);
        let counts = account.counts();
        assert_eq!(
            (counts.made, counts.announced, counts.covered, counts.again),
            (4, 2, 2, 1)
        );
    }

    #[test]
    fn each_promise_can_be_broken() {
        type Story = fn(&mut WatchAccount, Instant);
        let stories: [(Promise, Story); 6] = [
            (Promise::GapsAreReported, |account, now| {
                account.made(now, 1, 1, 1);
                account.close();
            }),
            (Promise::GapsAreReported, |account, now| {
                // A later gap does not cover for a change that was missed in fair weather.
                account.made(now, 1, 1, 1);
                account.check(now + OVERDUE * 2);
                account.resync(now, ResyncReason::Reconnected);
            }),
            (Promise::GapsAreReported, |account, _| {
                account.down("lost");
                account.close();
            }),
            (Promise::NothingIsLost, |account, now| {
                (1..=3).for_each(|number| account.made(now, number, 1, 1));
                account.announced("a", 1);
                account.announced("a", 3);
            }),
            (Promise::OnceAndInOrder, |account, now| {
                account.made(now, 1, 1, 1);
                account.announced("a", 1);
                account.announced("a", 1);
            }),
            (Promise::OnceAndInOrder, |account, _| {
                account.announced("a", 1);
            }),
        ];
        for (number, (promise, story)) in stories.into_iter().enumerate() {
            let (mut account, now) = covered();
            story(&mut account, now);
            assert_eq!(broken(&account), [promise], "story {number}");
        }
    }

    #[test]
    fn what_was_dropped_unread_is_excused_where_it_is_told() {
        let (mut account, now) = covered();
        (1..=3).for_each(|number| account.made(now, number, 1, 1));
        account.announced("a", 1);
        account.resync(now, ResyncReason::Lagged);
        account.announced("a", 3);
        account.close();
        assert_eq!(broken(&account), []);
    }
}
