//! Their side: a reference parser in a Node.js process of its own, which answers batch for batch.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;

use serde_json::Value as Json;

use crate::node;

/// A running reference parser. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Theirs {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
}

impl Theirs {
    /// Starts the parser of this name in `package.json`.
    pub(crate) fn start(package: &str) -> Result<Self, String> {
        node::ready()?;
        let mut child = node::command("parsers.js")
            .arg(package)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node could not be run ({error})"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let (answer, answers) = mpsc::channel();
        // Its answers are taken at once, so that neither side waits for the other to make room.
        std::thread::spawn(move || {
            let lines = stdout
                .into_iter()
                .flat_map(|stdout| BufReader::new(stdout).lines());
            for line in lines.map_while(Result::ok) {
                if answer.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            answers,
        })
    }

    /// Has it do these jobs, one after the other; [`answers`](Self::answers) gives what came of them.
    pub(crate) fn ask(&mut self, jobs: Vec<Json>) -> Result<(), String> {
        let mut line = Json::from(jobs).to_string();
        line.push('\n');
        let stdin = self.stdin.as_mut().ok_or("its input is closed")?;
        stdin
            .write_all(line.as_bytes())
            .map_err(|error| format!("the reference parser takes nothing more ({error})"))
    }

    /// The results of the oldest batch that has not been answered yet.
    pub(crate) fn answers(&mut self) -> Result<Vec<Json>, String> {
        let line = self
            .answers
            .recv()
            .map_err(|_| "the reference parser has ended".to_owned())?;
        serde_json::from_str(&line).map_err(|error| format!("not an answer: {error}"))
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // It ends with its input; it is not left behind if it does not.
        self.stdin = None;
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
