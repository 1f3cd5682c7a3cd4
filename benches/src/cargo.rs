//! Cargo, as the programs here call it, and the workspace that it is called for.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// The program itself: the one that has started this process, where one has.
#[must_use]
pub fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command to its end, and takes what it writes. What it says about errors goes where ours goes.
///
/// # Errors
///
/// Cannot be started, fails, or does not write text.
pub fn text(command: &mut Command) -> io::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(command, &error))?;
    if !output.status.success() {
        return Err(failed(command, &output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(command, &error))
}

fn failed(command: &Command, why: &dyn std::fmt::Display) -> io::Error {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    io::Error::other(format!("`{}`: {why}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_named() {
        let version = text(Command::new(program()).arg("--version")).unwrap();
        assert!(version.starts_with("cargo "), "{version}");
        let error = text(Command::new(program()).args(["no-such-command", "x"])).unwrap_err();
        assert!(
            error.to_string().contains("no-such-command x`: exit"),
            "{error}"
        );
    }
}
