//! What the process holds: memory, file descriptors, tasks.

use std::fmt;
use std::time::Duration;

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

/// Memory over time.
#[derive(Debug, Clone, Default)]
pub struct Memory(Vec<(Duration, u64)>);

/// How memory grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// KiB a minute, by linear fit.
    pub kib_per_minute: f64,
    /// How long it was looked at.
    pub over: Duration,
}

impl Memory {
    /// One more sample, so long after the start.
    pub fn sample(&mut self, at: Duration) {
        if let Some(kib) = memory_kib() {
            self.push(at, kib);
        }
    }

    fn push(&mut self, at: Duration, kib: u64) {
        self.0.push((at, kib));
    }

    /// The least and the most that was seen after the warm-up, in KiB.
    #[must_use]
    pub fn range(&self) -> Option<(u64, u64)> {
        let warm = self.warm().iter().map(|(_, kib)| *kib);
        Some((warm.clone().min()?, warm.max()?))
    }

    /// The slope behind the warm-up, which is the first third and at most two minutes.
    #[must_use]
    pub fn slope(&self) -> Option<Slope> {
        let warm = self.warm();
        let (first, last) = (warm.first()?.0, warm.last()?.0);
        let count = warm.len() as f64;
        let points = warm
            .iter()
            .map(|(at, kib)| (at.as_secs_f64() / 60.0, *kib as f64));
        let mean_x = points.clone().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = points.clone().map(|(_, y)| y).sum::<f64>() / count;
        let covariance: f64 = points
            .clone()
            .map(|(x, y)| (x - mean_x) * (y - mean_y))
            .sum();
        let variance: f64 = points.map(|(x, _)| (x - mean_x).powi(2)).sum();
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

    fn memory(kib_at: impl Fn(u64) -> u64) -> Memory {
        let mut memory = Memory::default();
        for second in 0..=300 {
            memory.push(Duration::from_secs(second), kib_at(second));
        }
        memory
    }

    #[test]
    fn the_slope_is_that_behind_the_warm_up() {
        let slope = |memory: Memory| memory.slope().unwrap().kib_per_minute;
        assert!(slope(memory(|_| 5_000)).abs() < 0.001);
        assert!((slope(memory(|second| 5_000 + 4 * second)) - 240.0).abs() < 0.001);
        let warming = memory(|second| if second < 100 { 100 * second } else { 10_000 });
        assert!(slope(warming.clone()).abs() < 0.001);
        assert_eq!(warming.range(), Some((10_000, 10_000)));
        assert_eq!(Memory::default().slope(), None);
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
