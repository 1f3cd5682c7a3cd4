//! What of a process is resident, as Linux tells it.

use std::fs;
use std::process::Child;

/// The memory of a child process. All sizes are in bytes; nothing is told where there is no such `/proc`.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pid: u32,
}

impl Memory {
    /// Of this child.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self { pid: child.id() }
    }

    /// What is resident now. The sum over all mappings: `statm` lags behind by as much as each processor gathers.
    #[must_use]
    pub fn resident(self) -> Option<u64> {
        field(&self.read("smaps_rollup")?, "Rss:")
    }

    /// The most that was resident since the start, or since [`forget_peak`](Self::forget_peak).
    #[must_use]
    pub fn peak(self) -> Option<u64> {
        field(&self.read("status")?, "VmHWM:")
    }

    /// Lets the peak begin anew. Not every system permits it: whether this one does.
    #[must_use]
    pub fn forget_peak(self) -> bool {
        fs::write(self.path("clear_refs"), "5").is_ok()
    }

    fn read(self, file: &str) -> Option<String> {
        fs::read_to_string(self.path(file)).ok()
    }

    fn path(self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid)
    }
}

/// A line such as `Rss:     1234 kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "VmPeak:\t 9 kB\nVmHWM:\t    7 kB\nRss:   12 kB\n";
        assert_eq!(field(text, "VmHWM:"), Some(7 * 1024));
        assert_eq!(field(text, "Rss:"), Some(12 * 1024));
        assert_eq!(field(text, "Pss:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_resident() {
        let pid = std::process::id();
        let own = Memory { pid };
        assert!(own.resident().unwrap() > 0 && own.peak().unwrap() > 0);
    }
}
