//! The clocks: of the wall, and of the processor time of this process.
#![expect(
    clippy::disallowed_methods,
    reason = "everything here that measures time reads it here"
)]

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The time that passes, and what of it this process spends on the processors.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    started: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let cpu = process_cpu();
        Self {
            cpu,
            started: Instant::now(),
        }
    }

    /// Seconds since the start.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Seconds of processor time that this process has spent since the start, in all its threads.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        process_cpu().saturating_sub(self.cpu).as_secs_f64()
    }
}

/// A point in time that other processes of this machine mean, too.
#[must_use]
pub fn monotonic() -> Duration {
    read(ClockId::Monotonic)
}

/// The processor time of this process so far.
#[must_use]
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// The processor time of this thread so far: what others do with the processors in the meantime is not in it. It takes a
/// tenth of a microsecond or two to ask.
#[must_use]
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    // Neither of them is ever negative.
    clock_gettime(clock).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_of_both_kinds() {
        let watch = Stopwatch::start();
        let before = monotonic();
        while watch.cpu_seconds() == 0.0 {
            std::hint::black_box(vec![0_u8; 4096]);
        }
        assert!(watch.seconds() > 0.0 && monotonic() > before);
        assert!(thread_cpu() > Duration::ZERO);
    }
}
