//! What a library costs those who build it: how many crates, and how many seconds from nothing.
//!
//! Each library is the only dependency of an empty package outside the workspace, as it is for somebody who has just
//! added it: no feature is on that something else wants, and the versions are those of our lock file. All of the library
//! is compiled; what it has of generic code is not instantiated, and nothing is linked.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo;
use crate::clock::Stopwatch;

/// A library, and with which features.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Library {
    /// `socketio`, as it comes.
    Client,
    /// `socketio` without its driver: the codecs and the state machines.
    Core,
    /// `graph-notifications`, as it comes.
    Graph,
    /// `rust_socketio`, with its asynchronous client.
    RustSocketio,
}

impl Library {
    fn package(self) -> &'static str {
        match self {
            Self::Client | Self::Core => "socketio",
            Self::Graph => "graph-notifications",
            Self::RustSocketio => "rust_socketio",
        }
    }

    /// The line in the manifest.
    fn dependency(self) -> String {
        let local = |folder: &str| {
            let path = cargo::workspace().join("crates").join(folder);
            // A string of JSON is one of TOML.
            format!("path = {}", serde_json::json!(path))
        };
        let (source, more) = match self {
            Self::Client => (local("socketio"), ""),
            Self::Core => (local("socketio"), ", default-features = false"),
            Self::Graph => (local("graph"), ""),
            // Which one is what the lock file says.
            Self::RustSocketio => (r#"version = "*""#.to_owned(), r#", features = ["async"]"#),
        };
        format!("{} = {{ {source}{more} }}", self.package())
    }
}

/// An empty package with one dependency. Its folder is removed with it.
#[derive(Debug)]
pub struct Package {
    folder: PathBuf,
}

impl Package {
    /// Writes it, and downloads what it needs and is not on this machine yet.
    ///
    /// # Errors
    ///
    /// Cannot be written or downloaded.
    pub fn new(library: Library) -> io::Result<Self> {
        let name = format!("benchmarks-compile-{}-{library:?}", std::process::id());
        let package = Self {
            folder: std::env::temp_dir().join(name),
        };
        let source = package.folder.join("src");
        fs::create_dir_all(&source)?;
        fs::write(source.join("lib.rs"), "")?;
        let manifest = format!(
            "[package]\nname = \"empty\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{}\n",
            library.dependency()
        );
        fs::write(package.folder.join("Cargo.toml"), manifest)?;
        let lock = cargo::workspace().join("Cargo.lock");
        fs::copy(lock, package.folder.join("Cargo.lock"))?;
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let host = cargo::text(Command::new(rustc).args(["--print", "host-tuple"]))?;
        let fetch = ["fetch", "--quiet", "--target", host.trim()];
        cargo::text(package.cargo().args(fetch))?;
        Ok(package)
    }

    /// How many crates the library brings along, for this machine: what is linked, and what macros are expanded with.
    /// What only build scripts need is not among them. One crate in two versions is two.
    ///
    /// # Errors
    ///
    /// Cargo fails.
    pub fn crates(&self) -> io::Result<usize> {
        let tree = ["tree", "--offline", "--edges", "normal", "--prefix", "none"];
        let tree = cargo::text(self.cargo().args(tree))?;
        // Neither the empty package nor the library itself.
        Ok(distinct(&tree).saturating_sub(2))
    }

    /// Seconds of a release build from nothing, on all cores.
    ///
    /// # Errors
    ///
    /// Cargo fails.
    pub fn build(&self) -> io::Result<f64> {
        let target = self.folder.join("target");
        let watch = Stopwatch::start();
        let build = ["build", "--release", "--offline", "--quiet"];
        let built = cargo::text(
            self.cargo()
                .args(build)
                .env("CARGO_TARGET_DIR", &target)
                .env("CARGO_INCREMENTAL", "0")
                // Nothing from a cache.
                .env("RUSTC_WRAPPER", ""),
        );
        let seconds = watch.seconds();
        fs::remove_dir_all(&target)?;
        built.map(|_| seconds)
    }

    fn cargo(&self) -> Command {
        let mut cargo = Command::new(cargo::program());
        cargo.current_dir(&self.folder);
        cargo
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// The crates in what `cargo tree --prefix none` writes: a name, a version, and more that does not matter, in each line.
fn distinct(tree: &str) -> usize {
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    crates.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_a_version() {
        let tree = "empty v0.0.0 (/tmp/x)\na v1.0.0 (/x/a)\nb v1.0.0\nc v1.0.0 (proc-macro)\nb v2.0.0\n\nb v1.0.0 (*)\nc v1.0.0 (proc-macro) (*)\n";
        assert_eq!(distinct(tree), 5);
    }

    #[test]
    fn the_core_brings_less_than_the_client_and_the_client_less_than_graph() {
        let crates = [Library::Core, Library::Client, Library::Graph].map(|library| {
            let package = Package::new(library).unwrap();
            assert!(package.folder.exists());
            package.crates().unwrap()
        });
        assert!(crates.is_sorted() && crates[0] > 0, "{crates:?}");
        assert!(crates[0] < crates[1], "{crates:?}");
    }
}
