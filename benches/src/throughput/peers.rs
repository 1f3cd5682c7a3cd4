//! Clients in other languages, installed beside this program, as their lock files say.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An interpreter and a script.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    interpreter: PathBuf,
    script: PathBuf,
}

impl Peer {
    /// To be completed with the script's arguments.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.arg(&self.script);
        command
    }
}

/// The JavaScript client, if Node.js and npm are there; or why it cannot be used.
pub(super) fn javascript() -> Result<Peer, String> {
    run(Command::new("node").arg("--version"))?;
    let home = copy("js", &["package.json", "package-lock.json", "client.js"])?;
    once(&home, "package-lock.json", || {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        run(Command::new(npm).arg("ci").current_dir(&home))
    })?;
    Ok(Peer {
        interpreter: "node".into(),
        script: home.join("client.js"),
    })
}

/// python-socketio, if Python 3 is there; or why it cannot be used.
pub(super) fn python() -> Result<Peer, String> {
    let home = copy("python", &["requirements.txt", "client.py"])?;
    let (system, environment) = match cfg!(windows) {
        true => ("python", "venv/Scripts/python.exe"),
        false => ("python3", "venv/bin/python"),
    };
    let interpreter = home.join(environment);
    once(&home, "requirements.txt", || {
        run(Command::new(system)
            .args(["-m", "venv", "venv"])
            .current_dir(&home))?;
        let pip = ["-m", "pip", "install", "--requirement", "requirements.txt"];
        run(Command::new(&interpreter).args(pip).current_dir(&home))
    })?;
    Ok(Peer {
        interpreter,
        script: home.join("client.py"),
    })
}

/// A directory of its own below the one where Cargo puts programs: the sources stay clean.
fn copy(peer: &str, files: &[&str]) -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let below = program.parent().unwrap_or(Path::new("."));
    let home = below.join("benchmark-peers").join(peer);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(peer);
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    for file in files {
        let source = source.join(file);
        fs::copy(&source, home.join(file))
            .map_err(|error| format!("{}: {error}", source.display()))?;
    }
    Ok(home)
}

/// Installs packages unless that was done already, with the same lock file.
fn once(
    home: &Path,
    lock: &str,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let wanted = fs::read(home.join(lock)).map_err(|error| error.to_string())?;
    let installed = home.join(".installed");
    if fs::read(&installed).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(installed, wanted).map_err(|error| error.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let program = command.get_program().display().to_string();
    let output = output.map_err(|error| format!("{program} could not be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} failed: {}", said.trim()))
}
