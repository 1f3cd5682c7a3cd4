//! Where and with what it was measured.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use jiff::Timestamp;

use crate::cargo;

/// The day, the machine, and the versions of what took part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// In UTC.
    pub date: String,
    /// The processor, the memory, the kernel.
    pub machine: String,
    /// Names and versions.
    pub versions: Vec<(String, String)>,
}

/// Crates of others that are compared with, or are the floor.
const CRATES: [&str; 9] = [
    "rust_engineio",
    "rust_socketio",
    "engineioxide",
    "socketioxide-parser-common",
    "tungstenite",
    "tokio-tungstenite",
    "tokio",
    "serde_json",
    "memchr",
];

impl Setting {
    /// Looks around. What cannot be found out is left out.
    #[must_use]
    pub fn find() -> Self {
        let workspace = cargo::workspace();
        let mut versions = vec![("this workspace".to_owned(), own(&workspace))];
        let lock = fs::read_to_string(workspace.join("Cargo.lock")).unwrap_or_default();
        for name in CRATES {
            versions.extend(locked(&lock, name).map(|version| (name.to_owned(), version)));
        }
        let peers = workspace.join("benches").join("peers");
        let read = |file: &str| fs::read_to_string(peers.join(file)).unwrap_or_default();
        let javascript = npm_locked(&read("js/package-lock.json"), "socket.io-client");
        let python = pip_pinned(&read("python/requirements.txt"), "python-socketio");
        for (name, version) in [
            ("socket.io-client", javascript),
            ("python-socketio", python),
        ] {
            versions.extend(version.map(|version| (name.to_owned(), version)));
        }
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let rustc = said(Command::new(rustc).arg("--version"));
        let node = said(Command::new("node").arg("--version"));
        let python = said(Command::new("python3").arg("--version"));
        for (name, version) in [("rustc", rustc), ("Node.js", node), ("Python", python)] {
            let version = version.map(|version| {
                let words = version.split_whitespace();
                let number = words
                    .map(|word| word.trim_start_matches('v'))
                    .find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
                number.unwrap_or(&version).to_owned()
            });
            versions.extend(version.map(|version| (name.to_owned(), version)));
        }
        Self {
            date: Timestamp::now().strftime("%Y-%m-%d").to_string(),
            machine: machine(),
            versions,
        }
    }
}

fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = available_parallelism().map_or(0, usize::from);
    let mut parts = vec![
        processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        format!("{cores} cores"),
    ];
    parts.extend(memory.as_deref().and_then(gibibytes));
    let system = std::env::consts::OS.replacen('l', "L", 1);
    parts.push(format!("{system} {}", kernel.trim()).trim().to_owned());
    parts.join(", ")
}

/// The version of the workspace, and the commit where there is one.
fn own(workspace: &Path) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        said(git.arg("-C").arg(workspace).args(arguments))
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return version.to_owned();
    };
    // The results themselves are always about to change.
    let changes = git(&["status", "--porcelain", "--", ".", ":!benches"]);
    let changed = match changes.as_deref() {
        None | Some("") => "",
        Some(_) => ", with changes",
    };
    format!("{version} ({commit}{changed})")
}

/// What a program writes, where it exists and succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The value of `name : value` in a file of the kernel.
fn field(file: &str, name: &str) -> Option<String> {
    file.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// `8149996 kB`, as people say it.
fn gibibytes(memory: &str) -> Option<String> {
    let kibibytes: f64 = memory.split_whitespace().next()?.parse().ok()?;
    Some(format!("{:.1} GiB", kibibytes / 1024.0 / 1024.0))
}

/// The newest version of a crate in a lock file.
fn locked(lock: &str, name: &str) -> Option<String> {
    let mut lines = lock.lines();
    let name = format!("name = \"{name}\"");
    let mut newest = None;
    while lines.any(|line| line == name) {
        let version = lines.next()?.strip_prefix("version = \"")?;
        newest = Some(version.trim_end_matches('"').to_owned());
    }
    newest
}

/// The version of a package in a lock file of npm.
fn npm_locked(lock: &str, name: &str) -> Option<String> {
    let lock: serde_json::Value = serde_json::from_str(lock).ok()?;
    let package = lock.get("packages")?.get(format!("node_modules/{name}"))?;
    Some(package.get("version")?.as_str()?.to_owned())
}

/// The version of a package in a file of pip's requirements.
fn pip_pinned(requirements: &str, name: &str) -> Option<String> {
    requirements.lines().find_map(|line| {
        let version = line.strip_prefix(name)?.strip_prefix("==")?;
        Some(version.split_whitespace().next()?.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_and_of_cargo() {
        let file = "MemFree: 1 kB\nMemTotal:        8149996 kB\n";
        let memory = field(file, "MemTotal").unwrap();
        assert_eq!(gibibytes(&memory).unwrap(), "7.8 GiB");
        assert_eq!(field(file, "Mem"), None);
        let lock = "[[package]]\nname = \"x\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"x\"\nversion = \"2.0.0\"\ndependencies = [\n \"y\",\n]\n";
        assert_eq!(locked(lock, "x").unwrap(), "2.0.0");
        assert_eq!(locked(lock, "y"), None);
        let lock = r#"{"packages":{"":{},"node_modules/x":{"version":"1.2.3"}}}"#;
        assert_eq!(npm_locked(lock, "x").unwrap(), "1.2.3");
        assert_eq!(npm_locked(lock, "y"), None);
        assert_eq!(pip_pinned("x-y==1.0\nx==2.0 # z\n", "x").unwrap(), "2.0");
        assert_eq!(pip_pinned("", "x"), None);
    }

    #[test]
    fn what_took_part_is_named() {
        let setting = Setting::find();
        let named = |name: &str| setting.versions.iter().any(|(other, _)| other == name);
        assert!(named("rustc") && named("rust_socketio"), "{setting:?}");
    }
}
