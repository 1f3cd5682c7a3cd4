//! Events a second, from the network to the user's task and back, beside the floor and the peers.
//!
//! Each client runs in a process of its own, so that its processor time is its own, too; the server runs in this one.
//! All clients have their turn in each round.

pub mod client;
mod peers;
mod process;

use crate::measure::{Samples, in_turn};
use crate::options::Options;
use crate::report::{Report, Row, Target};
use crate::server::Server;
use client::{Failure, Outcome, Subject, Threads};
use peers::Peer;
use process::Program;

const EVENTS: &str = "events/s";
const MICROS: &str = "µs";

/// Measures all rows: receiving, emitting, acknowledgements. The program that runs must have the command `client`,
/// which does what [`Run::here`](client::Run::here) does, and writes the outcome as JSON.
///
/// # Errors
///
/// If a client could not do its work.
pub fn rows(report: &mut Report, options: Options) -> Result<(), Failure> {
    let peers = Peers::new(report);
    let server = Server::start()?;
    let mut bench = Bench {
        server: &server,
        options,
        report,
    };
    bench.receive(&peers)?;
    bench.emit(&peers)?;
    bench.ack()
}

/// The clients in other languages, as far as they can be used here.
struct Peers {
    javascript: Option<Peer>,
    python: Option<Peer>,
}

impl Peers {
    fn new(report: &Report) -> Self {
        if !cfg!(feature = "peers") {
            report.skipped("rust_socketio, JavaScript, Python: build with `--features peers`");
            return Self {
                javascript: None,
                python: None,
            };
        }
        let usable = |name: &str, peer: Result<Peer, String>| {
            report.progress(name);
            peer.inspect_err(|reason| report.skipped(format_args!("{name}: {reason}")))
                .ok()
        };
        Self {
            javascript: usable("the JavaScript client", peers::javascript()),
            python: usable("python-socketio", peers::python()),
        }
    }
}

struct Bench<'a> {
    server: &'a Server,
    options: Options,
    report: &'a mut Report,
}

/// One of those that take turns.
struct Contender {
    name: &'static str,
    program: Program,
    /// See [`Run::part`](client::Run::part). It is made such that a run takes some tenths of a second.
    part: u64,
    outcomes: Vec<Outcome>,
}

impl Bench<'_> {
    fn receive(&mut self, peers: &Peers) -> Result<(), Failure> {
        let own = |name, part, subject| Contender::own(name, part, subject, Threads::One);
        let two = |name, part, subject| Contender::own(name, part, subject, Threads::Two);
        let mut contenders = vec![
            own("ours", 50_000, Subject::Receive),
            own("raw + RawValue", 60_000, Subject::RawReceiveJson),
            own("raw WebSocket", 100_000, Subject::RawReceive),
        ];
        #[cfg(feature = "peers")]
        contenders.push(own("rust_socketio", 10_000, Subject::RustSocketioReceive));
        contenders.extend(Contender::peer(
            "JavaScript",
            10_000,
            "receive",
            &peers.javascript,
        ));
        contenders.extend(Contender::peer(
            "python-socketio",
            500,
            "receive",
            &peers.python,
        ));
        let of = self.measure("receive small events", contenders)?;
        for (floor, target) in [
            ("raw + RawValue", Some(Target::AtLeast(0.8))),
            ("raw WebSocket", None),
            ("rust_socketio", Some(Target::AtLeast(6.0))),
            ("JavaScript", Some(Target::AtLeast(10.0))),
            ("python-socketio", None),
        ] {
            self.compare(&of, floor, Figure::Rate, target);
        }
        for floor in [
            "raw + RawValue",
            "rust_socketio",
            "JavaScript",
            "python-socketio",
        ] {
            self.compare(&of, floor, Figure::Cpu, None);
        }

        let contenders = vec![
            two("ours", 50_000, Subject::Receive),
            two("raw + RawValue", 60_000, Subject::RawReceiveJson),
            #[cfg(feature = "peers")]
            two("rust_socketio", 10_000, Subject::RustSocketioReceive),
        ];
        let of = self.measure("receive small events, two workers", contenders)?;
        self.compare(&of, "raw + RawValue", Figure::Rate, None);
        self.compare(&of, "rust_socketio", Figure::Rate, None);
        self.compare(&of, "raw + RawValue", Figure::Cpu, None);
        Ok(())
    }

    fn emit(&mut self, peers: &Peers) -> Result<(), Failure> {
        let own = |name, part, subject| Contender::own(name, part, subject, Threads::One);
        let mut contenders = vec![
            own("ours", 20_000, Subject::Emit),
            own("raw, each sent", 5_000, Subject::RawEmit),
            own("raw, batched", 30_000, Subject::RawEmitBatched),
        ];
        #[cfg(feature = "peers")]
        contenders.push(own("rust_socketio", 3_000, Subject::RustSocketioEmit));
        contenders.extend(Contender::peer(
            "JavaScript",
            4_000,
            "emit",
            &peers.javascript,
        ));
        let of = self.measure("emit small events", contenders)?;
        // An event that is emitted is on its way, and so is what `send` has sent. What is only batched waits for a flush that
        // is for the program to remember: that is no floor of ours, and stands beside it.
        for (floor, target) in [
            ("raw, each sent", Some(Target::AtLeast(0.7))),
            ("raw, batched", None),
            ("rust_socketio", None),
            ("JavaScript", None),
        ] {
            self.compare(&of, floor, Figure::Rate, target);
        }
        for floor in ["raw, each sent", "raw, batched"] {
            self.compare(&of, floor, Figure::Cpu, None);
        }
        Ok(())
    }

    fn ack(&mut self) -> Result<(), Failure> {
        let own = |name, part, subject| Contender::own(name, part, subject, Threads::One);
        let contenders = vec![
            own("ours", 800, Subject::Ack),
            own("raw echo", 800, Subject::RawEcho),
        ];
        let of = self.measure("ack round trip, one at a time", contenders)?;
        self.compare(&of, "raw echo", Figure::Micros, Some(Target::AtMost(1.25)));
        self.compare(&of, "raw echo", Figure::Cpu, None);

        let contenders = vec![
            own("ours", 10_000, Subject::Acks),
            own("raw echo", 20_000, Subject::RawEchoes),
        ];
        let of = self.measure("acks, 1,000 in flight", contenders)?;
        self.compare(&of, "raw echo", Figure::Rate, None);
        self.compare(&of, "raw echo", Figure::Cpu, None);
        Ok(())
    }

    fn measure(
        &mut self,
        what: &'static str,
        mut contenders: Vec<Contender>,
    ) -> Result<Measured, Failure> {
        let (rounds, factor) = self.options.either((5, 1), (11, 4));
        let (report, server) = (&self.report, self.server);
        // What is made of the numbers, is made of the outcomes.
        in_turn(rounds, &mut contenders, |contender| {
            report.progress(format_args!("{what}: {}", contender.name));
            let outcome = contender.program.run(server, contender.part * factor);
            let outcome =
                outcome.map_err(|error| format!("{what}, {}: {error}", contender.name))?;
            contender.outcomes.push(outcome);
            Ok::<_, Failure>(outcome.rate())
        })?;
        Ok(Measured { what, contenders })
    }

    fn compare(&mut self, of: &Measured, floor: &str, figure: Figure, target: Option<Target>) {
        if let Some(row) = compared(of, floor, figure, target) {
            self.report.add(row);
        }
    }
}

/// The row that compares ours with one of the others, where it was there.
fn compared(of: &Measured, floor: &str, figure: Figure, target: Option<Target>) -> Option<Row> {
    let (ours, samples) = (of.samples("ours", figure)?, of.samples(floor, figure)?);
    let (detail, unit) = match figure {
        Figure::Rate => ("", EVENTS),
        Figure::Micros => ("", MICROS),
        Figure::Cpu => (", CPU", MICROS),
    };
    let name = format!("{}{detail} / {floor}", of.what);
    let row = Row::compared(name, &ours, &samples, unit);
    Some(match target {
        Some(target) => row.wanted(target),
        None => row,
    })
}

/// What has run, with its outcomes.
struct Measured {
    what: &'static str,
    contenders: Vec<Contender>,
}

/// What of an outcome counts.
#[derive(Clone, Copy)]
enum Figure {
    Rate,
    Micros,
    Cpu,
}

impl Measured {
    fn samples(&self, name: &str, figure: Figure) -> Option<Samples> {
        let figure = match figure {
            Figure::Rate => Outcome::rate,
            Figure::Micros => Outcome::micros,
            Figure::Cpu => Outcome::cpu_micros,
        };
        let mut contenders = self.contenders.iter();
        let contender = contenders.find(|contender| contender.name == name)?;
        let figures: Vec<f64> = contender.outcomes.iter().map(figure).collect();
        Some(Samples::from(&figures[..]))
    }
}

impl Contender {
    fn own(name: &'static str, part: u64, subject: Subject, threads: Threads) -> Self {
        Self::new(name, part, Program::Own { subject, threads })
    }

    fn peer(
        name: &'static str,
        part: u64,
        task: &'static str,
        peer: &Option<Peer>,
    ) -> Option<Self> {
        let peer = peer.clone()?;
        Some(Self::new(name, part, Program::Peer { peer, task }))
    }

    fn new(name: &'static str, part: u64, program: Program) -> Self {
        Self {
            name,
            program,
            part,
            outcomes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_compare_ours_with_those_that_were_there() {
        let contender = |name, seconds: &[f64]| Contender {
            outcomes: seconds
                .iter()
                .map(|&seconds| Outcome {
                    events: 10,
                    seconds,
                    cpu_seconds: seconds * 2.0,
                })
                .collect(),
            ..Contender::own(name, 1, Subject::Receive, Threads::One)
        };
        let of = Measured {
            what: "x",
            contenders: vec![
                contender("ours", &[1.0, 4.0, 2.0]),
                contender("y", &[2.0, 2.0, 5.0]),
            ],
        };
        let at_least_two = Some(Target::AtLeast(2.0));
        let row = |name, figure, target| compared(&of, name, figure, target);
        assert_eq!(row("z", Figure::Rate, at_least_two), None);
        for (figure, expected) in [
            (
                Figure::Rate,
                r#"{"name":"x / y","value":5.0,"unit":"events/s","floor":5.0,"ratio":2.0,"target":">= 2","met":true}"#,
            ),
            (
                Figure::Micros,
                r#"{"name":"x / y","value":200000.0,"unit":"µs","floor":200000.0,"ratio":0.5,"target":">= 2","met":false}"#,
            ),
            (
                Figure::Cpu,
                r#"{"name":"x, CPU / y","value":400000.0,"unit":"µs","floor":400000.0,"ratio":0.5,"target":">= 2","met":false}"#,
            ),
        ] {
            let row = row("y", figure, at_least_two).unwrap();
            assert_eq!(serde_json::to_string(&row).unwrap(), expected);
        }
    }
}
