//! What is told of a soak, while it goes on and at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Plan;
use super::books::{Books, Phase};
use super::promise::{Broken, Promise, Trace};
use super::resources::{Memory, Slope, Told, Whose, memory_kib};
use super::{ledger, watched};
use crate::heap;

/// How it goes.
#[derive(Debug, Clone)]
pub struct Status {
    elapsed: Duration,
    phase: Phase,
    busy: ledger::Counts,
    watch: watched::Counts,
    troubles: BTreeMap<&'static str, u64>,
    broken: u64,
}

impl Status {
    pub(super) fn new(
        elapsed: Duration,
        phase: Phase,
        books: &Books,
        troubles: BTreeMap<&'static str, u64>,
    ) -> Self {
        let (mut busy, mut watch) = (ledger::Counts::default(), watched::Counts::default());
        let mut broken = 0;
        let times = |broken: &[Broken]| broken.iter().map(|broken| broken.times).sum::<u64>();
        books.each(|account| {
            busy += account.counts();
            broken += times(account.broken());
        });
        books.each_watch(|account| {
            watch += account.counts();
            broken += times(account.broken());
        });
        Self {
            elapsed,
            phase,
            busy,
            watch,
            troubles,
            broken,
        }
    }

    /// How long it has been going on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Events that have arrived, in both directions.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.busy.down_seen + self.busy.up_seen + self.watch.announced
    }

    /// Troubles that have struck.
    #[must_use]
    pub fn troubles(&self) -> u64 {
        self.troubles.values().sum()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs();
        let phase = match self.phase {
            Phase::Storm => "",
            Phase::Fair | Phase::Quiet => ", settling",
        };
        write!(
            f,
            "{}:{:02}{phase}: {} events, {} sessions, {} notifications, {} gaps told, {} troubles, {} KiB of the clients, {} KiB resident, {} broken promises",
            seconds / 60,
            seconds % 60,
            self.busy.down_seen + self.busy.up_seen,
            self.busy.sessions,
            self.watch.announced,
            self.watch.resyncs,
            self.troubles(),
            Told(heap::clients().map(|bytes| bytes / 1024)),
            Told(memory_kib()),
            self.broken
        )
    }
}

/// What is held at one time.
#[derive(Debug, Clone, Copy)]
pub struct Leftovers {
    /// Tasks of the clients' runtime.
    pub tasks: usize,
    /// Tasks of the runtime around them.
    pub world_tasks: usize,
    /// File descriptors of the process, where the system tells.
    pub descriptors: Option<usize>,
    /// Bytes on the heap that the clients have allocated, where they are counted.
    pub heap: Option<u64>,
}

impl Leftovers {
    /// What may be left of the clients' heap, in bytes: the accounts have some of it, because clients enter into them.
    const MAX_HEAP: u64 = 1 << 20;

    pub(super) fn is_more_than(&self, before: &Self) -> bool {
        self.tasks > before.tasks || self.descriptors > before.descriptors
    }

    /// What of it is more than before, each in words.
    fn broken(&self, before: &Self) -> Vec<Broken> {
        let mut broken = Vec::new();
        if self.tasks > before.tasks {
            broken.push(format!(
                "{} tasks of the clients, {} at the start",
                self.tasks, before.tasks
            ));
        }
        if self.descriptors > before.descriptors {
            let (end, start) = (Told(self.descriptors), Told(before.descriptors));
            broken.push(format!("{end} file descriptors, {start} at the start"));
        }
        if let (Some(end), Some(start)) = (self.heap, before.heap)
            && end > start + Self::MAX_HEAP
        {
            broken.push(format!(
                "{end} bytes of the clients on the heap, {start} at the start"
            ));
        }
        broken.into_iter().map(left_behind).collect()
    }
}

/// What a soak has shown.
#[derive(Debug)]
pub struct Report {
    seed: u64,
    status: Status,
    held: Option<(Leftovers, Leftovers)>,
    memory: Memory,
    broken: Vec<Broken>,
}

impl Report {
    pub(super) fn new(plan: &Plan, status: &Status, books: &Books, memory: &Memory) -> Self {
        let mut broken = Vec::new();
        books.each(|account| broken.extend_from_slice(account.broken()));
        books.each_watch(|account| broken.extend_from_slice(account.broken()));
        broken.extend(too_steep(plan, memory));
        Self {
            seed: plan.seed,
            status: status.clone(),
            held: None,
            memory: memory.clone(),
            broken,
        }
    }

    pub(super) fn held(mut self, start: Leftovers, end: Leftovers) -> Self {
        self.broken.extend(end.broken(&start));
        self.held = Some((start, end));
        self
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    /// How it went.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    fn times(&self, promise: Promise) -> u64 {
        let broken = self
            .broken
            .iter()
            .filter(|broken| broken.promise == promise);
        broken.map(|broken| broken.times).sum()
    }

    /// The same as one line of JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let mut promises = serde_json::Map::new();
        for promise in Promise::ALL {
            promises.insert(promise.counted_as().to_owned(), self.times(promise).into());
        }
        let mut slopes = serde_json::Map::new();
        for whose in Whose::ALL {
            let slope = self.memory.of(whose).slope();
            let slope = slope.map(|slope| slope.kib_per_minute);
            slopes.insert(whose.name().to_owned(), slope.into());
        }
        serde_json::json!({
            "seed": self.seed,
            "clean": self.is_clean(),
            "seconds": self.status.elapsed.as_secs(),
            "events": self.status.events(),
            "sessions": self.status.busy.sessions,
            "notifications": self.status.watch.announced,
            "troubles": self.status.troubles,
            "broken": promises,
            "kib_per_minute": slopes,
            "tasks": self.held.map(|(start, end)| [start.tasks, end.tasks]),
            "heap": self.held.map(|(start, end)| [start.heap, end.heap]),
            "descriptors": self.held.map(|(start, end)| [start.descriptors, end.descriptors]),
        })
        .to_string()
    }
}

/// Only what the clients have is judged.
fn too_steep(plan: &Plan, memory: &Memory) -> Option<Broken> {
    let slope = memory.of(Whose::Clients).slope()?;
    (slope.over >= Plan::MIN_SLOPE && slope.kib_per_minute > plan.max_slope).then(|| {
        left_behind(format!(
            "{}: {slope} is more than {} KiB a minute",
            Whose::Clients.name(),
            plan.max_slope
        ))
    })
}

fn left_behind(what: String) -> Broken {
    Broken::new(
        Promise::NothingIsLeftBehind,
        "process",
        what,
        &Trace::default(),
    )
}

impl fmt::Display for Slope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kib_per_minute,
            over,
        } = self;
        write!(
            f,
            "{kib_per_minute:+.0} KiB a minute over {} s",
            over.as_secs()
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for broken in &self.broken {
            writeln!(f, "BROKEN PROMISE, {broken}")?;
        }
        let Status {
            elapsed,
            busy,
            watch,
            troubles,
            ..
        } = &self.status;
        writeln!(f, "seed {}, {} s", self.seed, elapsed.as_secs())?;
        write!(f, "troubles: {}:", self.status.troubles())?;
        let mut separator = "";
        for (name, times) in troubles {
            write!(f, "{separator} {times} {name}")?;
            separator = ",";
        }
        writeln!(f)?;
        writeln!(
            f,
            "down: {} sent in {} sessions, {} seen, {} lost with their session, {} told as dropped unread, {} spoilt on the way",
            busy.down_sent,
            busy.sessions,
            busy.down_seen,
            busy.down_tail,
            busy.down_lagged,
            busy.garbled
        )?;
        writeln!(
            f,
            "up: {} accepted, {} told as sent, {} as unsent, {} refused; with questions {} seen, {} lost with their session",
            busy.accepted, busy.sent, busy.unsent, busy.refused, busy.up_seen, busy.up_tail
        )?;
        writeln!(
            f,
            "acknowledgements: of {} questions {} were answered and {} settled otherwise; of {} replies {} arrived",
            busy.asked, busy.answered, busy.unanswered, busy.replied, busy.replies_seen
        )?;
        writeln!(
            f,
            "watches: {} changes, {} announced, {} covered by one of {} resyncs; {} times down, {} times renewed, {} announced twice, by two connections",
            watch.made,
            watch.announced,
            watch.covered,
            watch.resyncs,
            watch.down,
            watch.renewed,
            watch.again
        )?;
        for promise in Promise::ALL {
            writeln!(f, "{}: {}", promise.counted_as(), self.times(promise))?;
        }
        for whose in Whose::ALL {
            let memory = self.memory.of(whose);
            write!(f, "{}: {}", whose.name(), Told(memory.slope()))?;
            if let Some((least, most)) = memory.range() {
                write!(f, ", {least} to {most} KiB")?;
            }
            writeln!(f)?;
        }
        if let Some((start, end)) = &self.held {
            writeln!(
                f,
                "left of the clients' heap: {} bytes, {} at the start",
                Told(end.heap),
                Told(start.heap)
            )?;
            writeln!(
                f,
                "file descriptors: {} at the start, {} at the end",
                Told(start.descriptors),
                Told(end.descriptors)
            )?;
            writeln!(
                f,
                "tasks: {} at the start, {} at the end; around the clients {} and {}",
                start.tasks, end.tasks, start.world_tasks, end.world_tasks
            )?;
        }
        write!(
            f,
            "{}",
            if self.is_clean() {
                "clean"
            } else {
                "NOT CLEAN"
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Length;
    use super::*;

    #[test]
    fn a_steep_rise_of_the_clients_is_a_broken_promise() {
        let plan = Plan::new(1, Length::Time(Duration::ZERO));
        let broken = |whose, kib| too_steep(&plan, &Memory::growing(whose, kib)).is_some();
        assert!(broken(Whose::Clients, 2));
        assert!(!broken(Whose::Clients, 1), "60 KiB a minute");
        assert!(!broken(Whose::Others, 1_000));
        assert!(!broken(Whose::Process, 1_000));
        assert!(too_steep(&plan, &Memory::default()).is_none());
    }

    #[test]
    fn whatever_is_left_behind_is_a_broken_promise() {
        let held = |tasks, descriptors, heap| Leftovers {
            tasks,
            world_tasks: 0,
            descriptors,
            heap,
        };
        let before = held(1, Some(10), Some(100));
        for (after, broken) in [
            (held(1, Some(10), Some(200_000)), 0),
            (held(0, Some(9), Some(0)), 0),
            (held(2, Some(10), Some(100)), 1),
            (held(1, Some(11), Some(100)), 1),
            (held(1, Some(10), Some(2_000_000)), 1),
            (held(2, Some(11), Some(2_000_000)), 3),
        ] {
            assert_eq!(after.broken(&before).len(), broken, "{after:?}");
        }
        let untold = held(1, None, None);
        assert!(untold.broken(&untold).is_empty());
    }
}
