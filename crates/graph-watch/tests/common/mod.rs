//! Runs the program against an emulator in this process.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{process::Stdio, time::Duration};

use graph_emulator::{Emulator, EmulatorConfig};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// The access token in all tests: it must never be printed.
pub(crate) const TOKEN: &str = "PLANTED-access-token";

/// Waits for the thing itself; the limit only keeps a failure from hanging.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it happens")
}

pub(crate) async fn emulator(change: impl FnOnce(&mut EmulatorConfig)) -> Emulator {
    let mut config = EmulatorConfig::default();
    config.settings.token = TOKEN.to_owned();
    change(&mut config);
    Emulator::start(config).await.unwrap()
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
}

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_graph-watch"));
    command
        .env_clear()
        .env("TOKEN", TOKEN)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(command().args(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            stdout: Some(stdout),
        }
    }

    /// The words of the line, and what a resource form needs to use the emulator.
    pub(crate) fn watch(emulator: &Emulator, line: &str) -> Self {
        Self::start(&watch_arguments(emulator, line))
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        soon(self.stdout.as_mut().unwrap().next_line())
            .await
            .unwrap()
    }

    /// The next line as JSON, which it must be, compactly.
    pub(crate) async fn event(&mut self) -> Value {
        event(&self.line().await.expect("another line"))
    }

    /// Skips to the next event of this name.
    pub(crate) async fn event_named(&mut self, name: &str) -> Value {
        loop {
            let event = self.event().await;
            if event["event"] == name {
                return event;
            }
        }
    }

    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn finish(self) -> Finished {
        // A program that never ends may still print now and then, so the limit is for all of it.
        soon(self.collect()).await
    }

    async fn collect(mut self) -> Finished {
        let mut stdout = Vec::new();
        if self.stdout.is_some() {
            while let Some(line) = self.line().await {
                stdout.push(line);
            }
        }
        let mut stderr = String::new();
        soon(
            self.child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut stderr),
        )
        .await
        .unwrap();
        let code = soon(self.child.wait())
            .await
            .unwrap()
            .code()
            .expect("an exit status");
        let finished = Finished {
            code,
            stdout,
            stderr,
        };
        assert!(
            !format!("{finished:?}").contains("PLANTED"),
            "a secret in {finished:?}"
        );
        finished
    }
}

pub(crate) fn watch_arguments<'line>(
    emulator: &'line Emulator,
    line: &'line str,
) -> Vec<&'line str> {
    let graph = ["--allow-http", "--graph-url", emulator.graph_url()];
    let mut arguments: Vec<_> = line.split_whitespace().chain(graph).collect();
    if !line.contains("--token-") && !line.contains("--login") {
        arguments.extend(["--token-env", "TOKEN"]);
    }
    arguments
}

pub(crate) async fn run(arguments: &[&str]) -> Finished {
    Program::start(arguments).finish().await
}

pub(crate) async fn run_watch(emulator: &Emulator, line: &str) -> Finished {
    Program::watch(emulator, line).finish().await
}

pub(crate) async fn run_with_stdin(arguments: &[&str], stdin: &str) -> Finished {
    let mut program = Program::spawn(command().args(arguments).stdin(Stdio::piped()));
    let mut input = program.child.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).await.unwrap();
    drop(input);
    program.finish().await
}

impl Finished {
    /// A failure: this status, one sentence, one next step, nothing else.
    pub(crate) fn failed_with(&self, code: i32) {
        assert_eq!(self.code, code, "{self:#?}");
        let lines: Vec<_> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{self:#?}");
        assert!(
            lines[0].starts_with("graph-watch: ") && lines[0].len() > 20,
            "{self:#?}"
        );
        assert!(
            lines[1].starts_with("next: ") && lines[1].len() > 10,
            "{self:#?}"
        );
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.iter().map(|line| event(line)).collect()
    }
}

pub(crate) fn event(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(event["event"].is_string(), "{line}");
    let compact = serde_json::to_string(&event).unwrap();
    assert_eq!(line.len(), compact.len(), "not compact: {line}");
    event
}
