//! What the process holds: memory, file descriptors, tasks.

use std::fmt;
use std::time::Duration;

use crate::heap;

/// Resident memory of this process in KiB, where the system tells.
#[must_use]
pub fn memory_kib() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Open file descriptors of this process, where the system tells.
#[must_use]
pub fn descriptors() -> Option<usize> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // The directory itself is open while it is read.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() - 1)
}

/// Whose memory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// What the clients have on the heap.
    Clients,
    /// What all others have there: servers, relays, accounts.
    Others,
    /// What of the process is resident.
    Process,
}

impl Whose {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Clients, Self::Others, Self::Process];

    fn kib(self) -> Option<u64> {
        match self {
            Self::Clients => heap::clients().map(|bytes| bytes / 1024),
            Self::Others => heap::others().map(|bytes| bytes / 1024),
            Self::Process => memory_kib(),
        }
    }

    /// As the report names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clients => "heap of the clients",
            Self::Others => "heap of servers, relays and accounts",
            Self::Process => "resident memory of the process",
        }
    }
}

/// Memory over time.
#[derive(Debug, Clone, Default)]
pub struct Memory([Series; 3]);

impl Memory {
    /// One more sample of each, so long after the start.
    pub fn sample(&mut self, at: Duration) {
        for whose in Whose::ALL {
            if let Some(kib) = whose.kib() {
                self.0[whose as usize].push(at, kib);
            }
        }
    }

    /// A size that grows by so many KiB a second, for as long as it takes to be judged.
    #[cfg(test)]
    pub(super) fn growing(whose: Whose, kib: u64) -> Self {
        let mut memory = Self::default();
        for second in 0..=490 {
            memory.0[whose as usize].push(Duration::from_secs(second), kib * second);
        }
        memory
    }

    /// What was sampled.
    #[must_use]
    pub fn of(&self, whose: Whose) -> &Series {
        &self.0[whose as usize]
    }
}

/// A size over time, in KiB.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<(Duration, u64)>);

/// How a size grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// KiB a minute, by linear fit.
    pub kib_per_minute: f64,
    /// How long it was looked at.
    pub over: Duration,
}

impl Series {
    /// Of each such time the least counts: what is under way comes and goes, what is left behind stays.
    const WINDOW: Duration = Duration::from_secs(10);

    fn push(&mut self, at: Duration, kib: u64) {
        self.0.push((at, kib));
    }

    /// The least and the most that was seen after the warm-up, in KiB.
    #[must_use]
    pub fn range(&self) -> Option<(u64, u64)> {
        let warm = self.warm().iter().map(|(_, kib)| *kib);
        Some((warm.clone().min()?, warm.max()?))
    }

    /// The slope of the floor behind the warm-up, which is the first third and at most two minutes.
    #[must_use]
    pub fn slope(&self) -> Option<Slope> {
        let warm = self.warm();
        let (first, last) = (warm.first()?.0, warm.last()?.0);
        let window = |at: Duration| (at - first).as_secs() / Self::WINDOW.as_secs();
        let mut floor: Vec<(f64, f64)> = warm
            .chunk_by(|(one, _), (next, _)| window(*one) == window(*next))
            .filter_map(|samples| samples.iter().min_by_key(|(_, kib)| *kib))
            .map(|(at, kib)| (at.as_secs_f64() / 60.0, *kib as f64))
            .collect();
        // The last one may have only begun.
        floor.pop();
        let count = floor.len() as f64;
        let mean_x = floor.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = floor.iter().map(|(_, y)| y).sum::<f64>() / count;
        let covariance: f64 = floor.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let variance: f64 = floor.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        (variance > 0.0).then(|| Slope {
            kib_per_minute: covariance / variance,
            over: last - first,
        })
    }

    fn warm(&self) -> &[(Duration, u64)] {
        let end = self.0.last().map_or(Duration::ZERO, |(at, _)| *at);
        let warm_up = (end / 3).min(Duration::from_secs(120));
        let from = self.0.partition_point(|(at, _)| *at < warm_up);
        self.0.get(from..).unwrap_or_default()
    }
}

/// A number that the system may not tell.
#[derive(Debug, Clone, Copy)]
pub struct Told<T>(pub Option<T>);

impl<T: fmt::Display> fmt::Display for Told<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("not available"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(kib_at: impl Fn(u64) -> u64) -> Series {
        let mut series = Series::default();
        for second in 0..=300 {
            series.push(Duration::from_secs(second), kib_at(second));
        }
        series
    }

    fn slope(series: &Series) -> f64 {
        series.slope().unwrap().kib_per_minute
    }

    #[test]
    fn the_slope_is_that_behind_the_warm_up() {
        assert!(slope(&series(|_| 5_000)).abs() < 0.001);
        assert!((slope(&series(|second| 5_000 + 4 * second)) - 240.0).abs() < 0.001);
        let warming = series(|second| if second < 100 { 100 * second } else { 10_000 });
        assert!(slope(&warming).abs() < 0.001);
        assert_eq!(warming.range(), Some((10_000, 10_000)));
        assert_eq!(Series::default().slope(), None);
        assert_eq!(
            series(|_| 1).slope().unwrap().over,
            Duration::from_secs(200)
        );
    }

    #[test]
    fn what_comes_and_goes_has_no_slope_and_hides_none() {
        let busy = |second: u64| {
            if second.is_multiple_of(7) {
                0
            } else {
                20 * second
            }
        };
        assert!(slope(&series(busy)).abs() < 0.001);
        let leaking = slope(&series(|second| 4 * second + busy(second)));
        assert!((leaking - 240.0).abs() < 10.0, "{leaking}");
    }

    #[test]
    fn a_heap_that_nobody_counts_is_not_told() {
        let mut memory = Memory::default();
        memory.sample(Duration::ZERO);
        assert_eq!(memory.of(Whose::Clients).range(), None);
        assert_eq!(memory.of(Whose::Others).range(), None);
        let process = memory.of(Whose::Process).range();
        assert_eq!(process.is_some(), cfg!(target_os = "linux"));
    }

    #[test]
    fn this_process_is_seen() {
        if cfg!(target_os = "linux") {
            assert!(memory_kib().unwrap() > 100);
            let before = descriptors().unwrap();
            assert!(before >= 3);
        } else {
            assert_eq!((memory_kib(), descriptors()), (None, None));
        }
    }
}
