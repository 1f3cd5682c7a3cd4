//! The outcomes of all cells, written down: `MATRIX.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use engineio::Version;
use serde_json::Value;

use super::rules::RULES;
use super::{Behaviour, Cell, Network, Outcome, Server};
use crate::Route;

/// What the table says of a behaviour in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It works.
    Works,
    /// It cannot work, as the rule with this number says, from 0 on.
    CannotWork(usize),
    /// Nobody has tried yet.
    Unknown,
}

const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works => f.write_str("✓"),
            Self::CannotWork(rule) => {
                let digits = (rule + 1).to_string();
                let raised = digits
                    .bytes()
                    .map(|digit| SUPERSCRIPTS[usize::from(digit - b'0')]);
                write!(f, "—{}", raised.collect::<String>())
            }
            Self::Unknown => f.write_str("?"),
        }
    }
}

impl Mark {
    /// The mark that is written like this; whatever is no mark is unknown.
    fn read(text: &str) -> Self {
        let known = [Self::Works]
            .into_iter()
            .chain((0..RULES.len()).map(Self::CannotWork));
        let mut known = known.filter(|mark| mark.to_string() == text);
        known.next().unwrap_or(Self::Unknown)
    }

    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Works => Some(Self::Works),
            Outcome::CannotWork(rule) => Some(Self::CannotWork(*rule)),
            Outcome::Fails(_) => None,
        }
    }

    /// In words.
    fn meaning(self) -> String {
        match self {
            Self::Works => "it works".to_owned(),
            Self::CannotWork(rule) => {
                let reason = RULES.get(rule).map_or("", |rule| rule.reason);
                format!("it cannot work: {reason}")
            }
            Self::Unknown => "nothing".to_owned(),
        }
    }
}

/// A mark for each behaviour in each cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(BTreeMap<(Cell, Behaviour), Mark>);

impl Table {
    /// Where the table is committed.
    #[must_use]
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("MATRIX.md")
    }

    /// Reads what [`render`](Self::render) wrote. What is not there, or not understood, is [`Mark::Unknown`].
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut table = Self::default();
        let mut section = None;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                section = find(title, Server::title);
                continue;
            }
            let mut columns = line.trim_matches('|').split('|').map(str::trim);
            let behaviour = find(columns.next().unwrap_or_default(), Behaviour::title);
            let (Some(server), Some(behaviour)) = (section, behaviour) else {
                continue;
            };
            for (&network, marks) in Network::value_variants().iter().zip(columns) {
                for (&route, mark) in Route::value_variants().iter().zip(marks.split(' ')) {
                    let cell = Cell {
                        server,
                        route,
                        network,
                    };
                    table.0.insert((cell, behaviour), Mark::read(mark));
                }
            }
        }
        table
    }

    /// What it says of this behaviour in this cell.
    #[must_use]
    pub fn mark(&self, cell: Cell, behaviour: Behaviour) -> Mark {
        let mark = self.0.get(&(cell, behaviour));
        mark.copied().unwrap_or(Mark::Unknown)
    }

    /// Notes an outcome, unless it is a failure.
    pub fn note(&mut self, cell: Cell, behaviour: Behaviour, outcome: &Outcome) {
        if let Some(mark) = Mark::of(outcome) {
            self.0.insert((cell, behaviour), mark);
        }
    }

    /// Whether the outcome is what the table says.
    ///
    /// # Errors
    ///
    /// When it is not: the cell, what was expected, and what happened, in full.
    pub fn check(&self, cell: Cell, behaviour: Behaviour, outcome: &Outcome) -> Result<(), String> {
        let expected = self.mark(cell, behaviour);
        let got = match (outcome, Mark::of(outcome)) {
            (_, Some(mark)) if mark == expected => return Ok(()),
            (Outcome::Fails(what), _) => format!("it failed: {what}"),
            (_, mark) => mark.unwrap_or(Mark::Unknown).meaning(),
        };
        let title = behaviour.title();
        let expected = expected.meaning();
        Err(format!(
            "{cell}, {title}\n  the table says: {expected}\n  what happened: {got}\n"
        ))
    }

    /// The whole page.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = HEAD.to_owned();
        for &server in Server::value_variants() {
            page += &format!(
                "| {} | {} | {} | {} |\n",
                server.title(),
                release(server),
                if server.version() == Version::V3 {
                    3
                } else {
                    4
                },
                settings(server)
            );
        }
        for &server in Server::value_variants() {
            page += &format!("\n## {}\n\n", server.title());
            page += &row("", |network| network.title().to_owned());
            page += &"|---".repeat(1 + Network::value_variants().len());
            page += "|\n";
            for &behaviour in Behaviour::value_variants() {
                page += &row(behaviour.title(), |network| {
                    let marks = Route::value_variants().iter().map(|&route| {
                        let cell = Cell {
                            server,
                            route,
                            network,
                        };
                        self.mark(cell, behaviour).to_string()
                    });
                    marks.collect::<Vec<_>>().join(" ")
                });
            }
        }
        page += "\n## Why not\n\n";
        for (number, rule) in (1..).zip(RULES) {
            page += &format!("{number}. {}\n", rule.reason);
        }
        page
    }
}

const HEAD: &str = "\
# Which servers it has been tried with

The client against real servers, over each transport, through four networks. **Each entry is three marks: over polling, over
WebSocket, and over polling with the upgrade to WebSocket.** ✓ is: it works. —¹ is: it cannot work, for the reason with that
number [below](#why-not), and it is shown that it does not.

*plain* is a loopback connection. *TLS* has a certificate of a private authority. The *CONNECT proxy* wants a login, and the
server behind it is reached by TLS. The *reverse proxy* passes on one request after another under another `Host`, answers 502
while the server is away, and tears whatever goes through it into pieces of 1, 2, 4, … bytes with pauses between them.

This page is written by a program and checked by tests, which fail when an entry changes; [README.md](README.md#the-matrix) says how
to run both.

| server | version | revision of Engine.IO | settings that matter |
|---|---|---|---|
";

fn row(title: &str, entry: impl Fn(Network) -> String) -> String {
    let networks = Network::value_variants().iter();
    let entries: String = networks
        .map(|&network| format!(" {} |", entry(network)))
        .collect();
    format!("| {title} |{entries}\n")
}

fn find<T: Copy + clap::ValueEnum>(title: &str, of: impl Fn(T) -> &'static str) -> Option<T> {
    T::value_variants()
        .iter()
        .copied()
        .find(|&value| of(value) == title)
}

fn settings(server: Server) -> &'static str {
    match server {
        Server::SocketIo25 | Server::SocketIo31 => "none",
        Server::SocketIo48 => "`connectionStateRecovery`",
        Server::SocketIo48Eio3 => "`allowEIO3`, `connectionStateRecovery`",
        Server::Socketioxide => "`max_payload` of 1,000,000 bytes, which is socket.io's default",
        Server::SocketioxideEio3 => "feature `v4`; `max_payload` as above",
    }
}

/// The exact release, as it is pinned.
fn release(server: Server) -> String {
    let alias = match server {
        Server::SocketIo25 => "socket.io-2.5",
        Server::SocketIo31 => "socket.io-3.1",
        Server::SocketIo48 | Server::SocketIo48Eio3 => "socket.io-4.8",
        Server::Socketioxide | Server::SocketioxideEio3 => {
            let lock = include_str!("../../../Cargo.lock");
            let package = lock
                .split("[[package]]")
                .find(|package| package.contains("\nname = \"socketioxide\"\n"));
            let version =
                package.and_then(|package| package.split("version = \"").nth(1)?.split('"').next());
            return version.unwrap_or("?").to_owned();
        }
    };
    let packages: Value =
        serde_json::from_str(include_str!("../../servers/js/package.json")).unwrap_or_default();
    let pinned = packages["dependencies"][alias].as_str().unwrap_or("?");
    pinned.rsplit('@').next().unwrap_or(pinned).to_owned()
}
