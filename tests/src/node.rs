//! Node.js with the packages of `servers/js`, where this machine has it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whether Node.js can be used, with the packages as the lock file pins them; otherwise why not. The first call in a
/// process may install them, which takes its time.
pub(crate) fn ready() -> Result<(), String> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

/// One of the scripts, to be run.
pub(crate) fn command(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(scripts().join(script));
    command
}

/// Says past the test harness's capture that the running test was skipped, and why.
///
/// # Panics
///
/// Where the environment says `CI=true`: nothing is skipped there.
pub(crate) fn skip(reason: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "the real servers are required where CI=true: {reason}",
    );
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let notice = format!(
        "\n*** SKIPPED: {test}: the real JavaScript server could not be used: {reason} ***\n\n"
    );
    // With no standard error left there is nobody to tell.
    std::io::stderr().write_all(notice.as_bytes()).ok();
}

/// Where the scripts, their manifest and their lock file stand.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/js")
}

/// Installs the packages as the lock file pins them, once a machine.
///
/// Test binaries run at the same time: a lock on a file lets one install while the others wait,
/// and a copy of the lock file beside the packages says which state they are in.
fn install() -> Result<(), String> {
    run("node", &["--version"])?;
    let at = |path: &str| scripts().join(path);
    let read = |path: &str| std::fs::read(at(path)).unwrap_or_default();
    let wanted = read("package-lock.json");

    let lock = File::create(at(".install-lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if read("node_modules/.installed") == wanted {
        return Ok(());
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    run(npm, &["ci"])?;
    std::fs::write(at("node_modules/.installed"), wanted).map_err(|error| error.to_string())
}

/// Runs a program among the scripts; an error says which one and what it wrote.
fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(scripts())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program} could not be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "`{program} {}` failed: {}",
        args.join(" "),
        said.trim()
    ))
}
