//! The real JavaScript servers as child processes: started, commanded, and asked what they saw.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::{node, within};

/// One thing the server saw or did, as it wrote it: `what` says which.
///
/// | `what` | other fields |
/// |---|---|
/// | `request` | `method`, `target`, `headers` of an HTTP request |
/// | `body` | `target`, `text` of a POST |
/// | `upgrade` | `target`, `headers` of a WebSocket handshake |
/// | `frame` | a WebSocket message as received: `text` or `hex` |
/// | `websocket closed` | `code` |
/// | `session`, `upgraded`, `closed` | an Engine.IO session: `session`, `transport`, `reason` |
/// | `packet`, `sent` | an Engine.IO packet received or sent: `type`, `transport`, `text` or `hex` |
/// | `refused` | `code`, `message` of an Engine.IO handshake turned down; old releases do not tell |
/// | `connect`, `disconnect` | `namespace`, `id`, `auth` (none in old releases), `query`, `recovered`, `reason` |
/// | `event` | `namespace`, `name`, `args`, `ack` |
/// | `answer` | the `args` of an acknowledgement the server asked for |
///
/// Bytes inside `args` stand as `{"$hex":"…"}`. Long texts are cut; `length` is that of the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Line(Value);

impl Line {
    /// Whether this line is about `what`.
    #[must_use]
    pub fn is(&self, what: &str) -> bool {
        self.str("what") == what
    }

    /// The text of `field`; empty where there is none.
    #[must_use]
    pub fn str(&self, field: &str) -> &str {
        self.0
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The whole number in `field`, if there is one.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        self.0.get(field).and_then(Value::as_u64)
    }

    /// The value of `field`; null where there is none.
    #[must_use]
    pub fn get(&self, field: &str) -> &Value {
        self.0.get(field).unwrap_or(&Value::Null)
    }
}

/// Everything seen so far; whoever waits for more is woken.
type Log = watch::Sender<Vec<Line>>;

fn transcript(log: &[Line]) -> String {
    log.iter().map(|Line(line)| format!("  {line}\n")).collect()
}

/// A real socket.io or engine.io server in a process of its own, on a free loopback port.
///
/// It ends with this value: the process is killed on drop, and also ends by itself when its
/// standard input closes.
#[derive(Debug)]
pub struct JsServer {
    script: &'static str,
    options: Value,
    port: u16,
    process: Process,
    log: Arc<Log>,
    commands: AtomicU64,
}

impl JsServer {
    /// Starts a socket.io server (`servers/js/server.js`); `None` when this machine cannot run it,
    /// which has then been said loudly.
    ///
    /// `options` are the server's own (`pingInterval`, `allowEIO3`, …), plus `server`, the release (`"2.5"`, `"3.1"`
    /// or, by default, `"4.8"`), `parser`, which is `"msgpack"` or nothing, and `settings`, described in the script.
    ///
    /// # Panics
    ///
    /// When the server does not start, and, in place of `None`, where the environment says `CI=true`.
    pub async fn socket_io(options: Value) -> Option<Self> {
        Self::start("server.js", options).await
    }

    /// Starts an engine.io server (`servers/js/engine.js`); otherwise as [`JsServer::socket_io`].
    ///
    /// # Panics
    ///
    /// As [`JsServer::socket_io`].
    pub async fn engine_io(options: Value) -> Option<Self> {
        Self::start("engine.js", options).await
    }

    async fn start(script: &'static str, options: Value) -> Option<Self> {
        let ready = tokio::task::spawn_blocking(node::ready).await;
        if let Err(reason) = ready.expect("whether Node.js is there") {
            node::skip(&reason);
            return None;
        }
        let log = Arc::new(watch::Sender::default());
        let (process, port) = Process::spawn(script, &options, &log).await;
        Some(Self {
            script,
            options,
            port,
            process,
            log,
            commands: AtomicU64::new(0),
        })
    }

    /// The loopback port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` followed by `rest`.
    #[must_use]
    pub fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}{rest}", self.port)
    }

    /// Everything the server has seen by now, oldest first.
    ///
    /// # Panics
    ///
    /// When the server does not say so in time.
    pub async fn seen(&self) -> Vec<Line> {
        if !self.process.killed {
            // Its lines come in order: behind this one there is nothing left of the past.
            self.obey("sync", json!({})).await;
        }
        self.log.borrow().clone()
    }

    /// The newest `count` lines that have come in, each cut to what fits a line or two, for the message of a failed test.
    #[must_use]
    pub fn transcript(&self, count: usize) -> String {
        let log = self.log.borrow();
        let newest = transcript(&log[log.len().saturating_sub(count)..]);
        let cut = newest.lines().map(|line| line.chars().take(240));
        cut.map(|line| line.chain(['\n']).collect::<String>())
            .collect()
    }

    /// Everything the server has seen by now about `what`, oldest first.
    ///
    /// # Panics
    ///
    /// As [`JsServer::seen`].
    pub async fn seen_of(&self, what: &str) -> Vec<Line> {
        let mut lines = self.seen().await;
        lines.retain(|line| line.is(what));
        lines
    }

    /// The first line that `matches`, whether it was seen already or is still to come.
    ///
    /// # Panics
    ///
    /// When it does not come; the message carries the whole log.
    pub async fn wait_for(&self, what: &str, matches: impl Fn(&Line) -> bool) -> Line {
        self.wait_until(what, |log| log.iter().find(|line| matches(line)).cloned())
            .await
    }

    /// What `judge` makes of the whole log, once it makes something of it.
    ///
    /// # Panics
    ///
    /// When it never does; the message carries the whole log.
    pub async fn wait_until<T>(&self, what: &str, judge: impl Fn(&[Line]) -> Option<T>) -> T {
        let mut changes = self.log.subscribe();
        let mut verdict = None;
        let met = changes.wait_for(|log| {
            verdict = judge(log);
            verdict.is_some() || log.iter().any(|line| line.is("failed"))
        });
        let met = tokio::time::timeout(crate::PATIENCE, met).await.is_ok();
        match verdict {
            Some(verdict) if met => verdict,
            _ => panic!(
                "the server never saw {what}. It saw:\n{}",
                transcript(&self.log.borrow())
            ),
        }
    }

    /// Has the server do `command` (one of its script) with the fields of `args`, and waits until it
    /// did; at least one socket or session must have been reached.
    ///
    /// # Panics
    ///
    /// When the server does not do it, or reached nobody.
    pub async fn command(&self, command: &str, args: Value) {
        let done = self.obey(command, args).await;
        assert_ne!(done.number("reached"), Some(0), "{command} reached nobody");
    }

    async fn obey(&self, command: &str, args: Value) -> Line {
        let id = self.commands.fetch_add(1, Ordering::Relaxed);
        let mut line = args;
        line["command"] = json!(command);
        line["id"] = json!(id);
        self.process.write(&format!("{line}\n")).await;
        self.wait_for(command, |line| {
            line.is("done") && line.number("id") == Some(id)
        })
        .await
    }

    /// Kills the process: every connection breaks, and the port refuses new ones.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Stops the process without ending it: connections stay open and nothing answers any more, as when
    /// a machine vanishes from the network.
    ///
    /// # Panics
    ///
    /// When it cannot be stopped.
    #[cfg(unix)]
    pub async fn freeze(&self) {
        let id = self.process.child.id().expect("it runs").to_string();
        let stopped = Command::new("kill").args(["-STOP", &id]).status();
        assert!(
            within("a signal", stopped)
                .await
                .expect("`kill` runs")
                .success()
        );
    }

    /// Starts it anew after [`kill`](Self::kill), on the port it had. The log goes on.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_again(&mut self) {
        let mut options = self.options.clone();
        options["port"] = json!(self.port);
        (self.process, _) = Process::spawn(self.script, &options, &self.log).await;
    }
}

/// The running child, with the task that copies its lines to the log.
#[derive(Debug)]
struct Process {
    child: Child,
    stdin: Mutex<ChildStdin>,
    reader: JoinHandle<()>,
    killed: bool,
}

impl Process {
    async fn spawn(script: &str, options: &Value, log: &Arc<Log>) -> (Self, u16) {
        let mut child = Command::from(node::command(script))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node was there a moment ago");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let (started, port) = tokio::sync::oneshot::channel();
        let reader = tokio::spawn(read(stdout, started, Arc::clone(log)));
        let port = within("the server's port", port).await;
        let port = port.unwrap_or_else(|_| panic!("no server:\n{}", transcript(&log.borrow())));
        (
            Self {
                child,
                stdin: Mutex::new(stdin),
                reader,
                killed: false,
            },
            port,
        )
    }

    async fn write(&self, line: &str) {
        let written = async { self.stdin.lock().await.write_all(line.as_bytes()).await };
        within("room for a command", written)
            .await
            .expect("the server takes commands");
    }

    async fn kill(&mut self) {
        self.killed = true;
        within("the server's end", self.child.kill())
            .await
            .expect("it can be killed");
        within("its last lines", &mut self.reader)
            .await
            .expect("the reader ends with the pipe");
    }
}

/// Copies the server's lines to the log until its standard output ends.
async fn read(stdout: ChildStdout, started: tokio::sync::oneshot::Sender<u16>, log: Arc<Log>) {
    let mut started = Some(started);
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        let line = Line(serde_json::from_str(&text).unwrap_or_else(|_| json!({"what": text})));
        let port = line
            .number("port")
            .and_then(|port| u16::try_from(port).ok());
        log.send_modify(|log| log.push(line));
        if let Some(port) = port
            && let Some(started) = started.take()
        {
            // Nobody waits for the port only when the test is already failing.
            started.send(port).ok();
        }
    }
}
