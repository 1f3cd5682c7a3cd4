//! A client in a process of its own.

use std::env;
use std::process::{Command, Stdio};

use super::client::{Failure, Outcome, Run, Subject, Threads, flood};
use super::peers::Peer;
use crate::server::{Job, Server, Wire};

/// What to start.
pub(super) enum Program {
    /// This very program.
    Own { subject: Subject, threads: Threads },
    /// A script in another language: `receive`, or `emit`.
    Peer { peer: Peer, task: &'static str },
}

impl Program {
    /// Starts it and waits for what it says.
    pub(super) fn run(&self, server: &Server, part: u64) -> Result<Outcome, Failure> {
        let mut command = match self {
            Self::Own { subject, threads } => {
                let mut command = Command::new(env::current_exe()?);
                command.args(Run::new(*subject, *threads, server, part).args());
                command
            }
            Self::Peer { peer, task } => {
                let job = match *task {
                    "receive" => flood(part),
                    _ => Job::Swallow(part),
                };
                let mut command = peer.command();
                command.arg(task).arg(server.url(Wire::SocketIo, job));
                command.arg(part.to_string());
                command
            }
        };
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}", output.status, said.trim()).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
