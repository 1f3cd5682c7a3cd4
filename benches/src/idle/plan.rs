//! What is measured, one after the other, and the rows that it makes.
#![expect(
    clippy::disallowed_methods,
    reason = "connections that are idle have no event to wait for"
)]

use std::io;
use std::thread::sleep;
use std::time::Duration;

use super::descriptors;
use super::holder::{AT_ONCE, Kind, Target};
use super::memory::Memory;
use super::servant::{HolderProcess, ServerProcess};
use super::server::Settings;
use super::storm;
use super::tls::Identity;
use crate::clock::Stopwatch;
use crate::measure::Samples;
use crate::options::Options;
use crate::report::{Report, Row, Target as Goal};

/// What an idle plain connection may take.
const RESIDENT_KIB: f64 = 8.0;
/// What share of a core the heartbeats of [`REFERENCE`] connections may take, in percent.
const HEARTBEATS_PERCENT: f64 = 3.0;
/// The number of connections, and the seconds from heartbeat to heartbeat, that the above is about.
const REFERENCE: (f64, f64) = (10_000.0, 25.0);
/// Of a peer there are this many times fewer: it is there for comparison only.
#[cfg(feature = "peers")]
const FEWER: usize = 10;

/// How many, and how long.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// How many connections each subject holds, beside the first few that are not counted.
    pub connections: usize,
    /// The time from one heartbeat to the next.
    pub heartbeat: Duration,
    /// For how long heartbeats are watched: parts of this length, and how many of them. Together at least one interval.
    pub windows: (Duration, u32),
    /// How long the server is away when it is restarted.
    pub away: Duration,
}

impl Plan {
    /// 10,000 connections with heartbeats of 25 s, as servers have them; for a quick look 2,000 with heartbeats of 5 s,
    /// which is the same number of heartbeats a second.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            connections: options.either(2_000, 10_000),
            heartbeat: options.either(Duration::from_secs(5), Duration::from_secs(25)),
            windows: options.either(
                (Duration::from_secs(2), 3),
                (Duration::from_millis(12_500), 4),
            ),
            away: Duration::from_secs(1),
        }
    }

    /// With another time from heartbeat to heartbeat, which is watched as a whole.
    #[must_use]
    pub fn with_heartbeat(mut self, heartbeat: Duration) -> Self {
        let (length, windows) = &mut self.windows;
        *length = (*length).max(heartbeat / *windows);
        self.heartbeat = heartbeat;
        self
    }

    /// Measures all of it.
    ///
    /// # Errors
    ///
    /// What keeps it from being measured.
    pub fn run(&self, report: &mut Report) -> io::Result<()> {
        descriptors::make_room((self.connections + AT_ONCE) as u64)?;
        let identity = Identity::generate()?;
        let mut subjects = Subjects {
            raw: self.open(report, Kind::Raw, None)?,
            ours: self.open(report, Kind::Ours, None)?,
            raw_tls: self.open(report, Kind::Raw, Some(&identity))?,
            ours_tls: self.open(report, Kind::Ours, Some(&identity))?,
        };
        self.watch(report, &mut subjects)?;
        let Subjects {
            raw,
            ours,
            raw_tls,
            ours_tls,
        } = subjects;
        report_memory(report, "plain", &ours, &raw);
        report_memory(report, "TLS", &ours_tls, &raw_tls);
        #[cfg(feature = "peers")]
        self.report_peer(report, ours.resident)?;
        #[cfg(not(feature = "peers"))]
        report.skipped("rust_socketio: build with --features peers");
        self.report_heartbeats(report, "plain", &ours, &raw);
        self.report_heartbeats(report, "TLS", &ours_tls, &raw_tls);
        report_rate(report, "plain", &ours, &raw);
        report_rate(report, "TLS", &ours_tls, &raw_tls);
        drop((raw, raw_tls));
        self.storm(report, "plain", ours)?;
        self.storm(report, "TLS", ours_tls)
    }

    /// Opens the connections of a subject.
    fn open(
        &self,
        report: &Report,
        kind: Kind,
        identity: Option<&Identity>,
    ) -> io::Result<Subject> {
        let name = format!("{kind:?}{}", identity.map_or("", |_| ", TLS"));
        report.progress(format!("{name}: {} connections", self.connections));
        let mut settings = Settings::new(self.heartbeat);
        settings.identity = identity.cloned();
        let mut server = ServerProcess::start(&settings)?;
        settings.port = server.port();
        let mut target = Target::new(kind, server.port());
        target.certificate = identity.map(|identity| identity.certificate().to_owned());
        let mut holder = HolderProcess::start(&target)?;
        // What the process needs but once: threads, the HTTP stack, memory to open so many at a time. These stay open,
        // but nothing of them counts.
        holder.open(AT_ONCE)?;
        let memory = holder.memory();
        let before = settled(memory);
        let watch = Stopwatch::start();
        holder.open(self.connections)?;
        let per_second = self.connections as f64 / watch.seconds();
        let open = server.seen()?.open;
        if open != (self.connections + AT_ONCE) as u64 {
            return Err(io::Error::other(format!(
                "{name}: the server has {open} connections"
            )));
        }
        Ok(Subject {
            settings,
            server,
            holder,
            connections: self.connections,
            per_second,
            before,
            resident: None,
            heartbeats: Heartbeats::default(),
        })
    }

    /// Lets all of them live through some heartbeats at the same time: what disturbs one disturbs them all. What is
    /// resident is looked at behind that, when each has had one.
    fn watch(&self, report: &Report, subjects: &mut Subjects) -> io::Result<()> {
        for subject in subjects.all() {
            settled(subject.holder.memory());
        }
        let (length, windows) = self.windows;
        for window in 0..windows {
            report.progress(format!("heartbeats: {} of {windows}", window + 1));
            let mut before = Vec::new();
            for subject in subjects.all() {
                before.push(subject.spent()?);
            }
            sleep(length);
            for (subject, before) in subjects.all().into_iter().zip(before) {
                let after = subject.spent()?;
                subject.heartbeats.add(before, after)?;
            }
        }
        for subject in subjects.all() {
            subject.settle();
        }
        Ok(())
    }

    fn report_heartbeats(&self, report: &mut Report, how: &str, ours: &Subject, raw: &Subject) {
        let (connections, seconds) = REFERENCE;
        let each = |subject: &Subject| Samples::from(&subject.heartbeats.micros[..]);
        let (own, floor) = (each(ours), each(raw));
        report.add(Row::compared(
            format!("heartbeat of an idle connection, {how}: CPU / raw tokio-tungstenite"),
            &own,
            &floor,
            "µs",
        ));
        let percent = own.median() * connections / seconds / 1e6 * 100.0;
        let is_reference = (self.connections as f64, self.heartbeat.as_secs_f64()) == REFERENCE;
        let computed = match is_reference {
            true => String::new(),
            false => format!(
                " (computed from {} of {} s)",
                self.connections,
                self.heartbeat.as_secs_f64()
            ),
        };
        let row = Row::new(
            format!("10000 idle connections, {how}, heartbeats of 25 s: share of a core{computed}"),
            percent,
            "%",
        );
        report.add(match how {
            "plain" => row.wanted(Goal::AtMost(HEARTBEATS_PERCENT)),
            _ => row,
        });
    }

    fn storm(&self, report: &mut Report, how: &str, subject: Subject) -> io::Result<()> {
        let connections = subject.connections + AT_ONCE;
        report.progress(format!("the server of {connections} goes, {how}"));
        let found = storm::storm(
            subject.server,
            subject.holder,
            &subject.settings,
            connections as u64,
            self.away,
        )?;
        let named = |what: &str| format!("server of {connections} restarts, {how}: {what}");
        report.add(Row::new(
            named("all connected again after"),
            found.seconds,
            "s",
        ));
        report.add(Row::new(
            named("attempts a second at the peak, as the server sees them"),
            found.peak_accepted as f64,
            "1/s",
        ));
        let mean = found.attempts as f64 / connections as f64;
        report.add(Row::new(named("attempts of each"), mean, "1"));
        match found.peak {
            Some(peak) => {
                let more = kib(peak.saturating_sub(found.before)) / connections as f64;
                report.add(Row::new(named("peak resident"), kib(peak) / 1024.0, "MiB"));
                report.add(Row::new(
                    named("resident more than before, each, at the peak"),
                    more,
                    "KiB",
                ));
            }
            None => report.skipped("peak memory: the system does not tell it"),
        }
        Ok(())
    }

    #[cfg(feature = "peers")]
    fn report_peer(&self, report: &mut Report, ours: Option<f64>) -> io::Result<()> {
        let fewer = Self {
            connections: (self.connections / FEWER).max(1),
            ..self.clone()
        };
        let mut subject = fewer.open(report, Kind::RustSocketio, None)?;
        subject.settle();
        if let (Some(ours), Some(theirs)) = (ours, subject.resident) {
            report.add(Row::compared(
                format!(
                    "idle connection, plain: resident / rust_socketio (of {})",
                    fewer.connections
                ),
                &Samples::from(&[ours][..]),
                &Samples::from(&[theirs][..]),
                "KiB",
            ));
        }
        Ok(())
    }
}

struct Subjects {
    raw: Subject,
    ours: Subject,
    raw_tls: Subject,
    ours_tls: Subject,
}

impl Subjects {
    fn all(&mut self) -> [&mut Subject; 4] {
        [
            &mut self.raw,
            &mut self.ours,
            &mut self.raw_tls,
            &mut self.ours_tls,
        ]
    }
}

/// A client process, its server, and what is known of it.
struct Subject {
    settings: Settings,
    server: ServerProcess,
    holder: HolderProcess,
    connections: usize,
    per_second: f64,
    /// Bytes that were resident before its connections.
    before: Option<u64>,
    /// KiB that each of its connections adds.
    resident: Option<f64>,
    heartbeats: Heartbeats,
}

/// What heartbeats cost: one number for each window.
#[derive(Default)]
struct Heartbeats {
    micros: Vec<f64>,
}

/// Processor time, and heartbeats that it was spent on.
#[derive(Clone, Copy)]
struct Spent {
    cpu: Duration,
    heartbeats: u64,
}

impl Heartbeats {
    fn add(&mut self, before: Spent, after: Spent) -> io::Result<()> {
        let heartbeats = after.heartbeats - before.heartbeats;
        if heartbeats == 0 {
            return Err(io::Error::other("no heartbeat was answered"));
        }
        let cpu = after.cpu.saturating_sub(before.cpu);
        self.micros
            .push(cpu.as_secs_f64() * 1e6 / heartbeats as f64);
        Ok(())
    }
}

impl Subject {
    fn spent(&mut self) -> io::Result<Spent> {
        Ok(Spent {
            heartbeats: self.server.seen()?.pongs,
            cpu: self.holder.cpu()?,
        })
    }

    fn settle(&mut self) {
        let (before, after) = (self.before, settled(self.holder.memory()));
        self.resident = before
            .zip(after)
            .map(|(before, after)| kib(after.saturating_sub(before)) / self.connections as f64);
    }
}

/// What is resident when that does not change any more. Memory that was freed, and that the allocator keeps, is part of
/// it: nobody who runs the client gets it back.
fn settled(memory: Memory) -> Option<u64> {
    let mut before = memory.resident()?;
    for _ in 0..20 {
        sleep(Duration::from_millis(250));
        let now = memory.resident()?;
        if now == before {
            break;
        }
        before = now;
    }
    Some(before)
}

fn report_memory(report: &mut Report, how: &str, ours: &Subject, raw: &Subject) {
    let (Some(own), Some(floor)) = (ours.resident, raw.resident) else {
        return report.skipped(format!(
            "memory, {how}: there is no /proc/PID/smaps_rollup, which Linux has"
        ));
    };
    let row = Row::new(
        format!("idle connection, {how}: resident beyond the process"),
        own,
        "KiB",
    );
    report.add(match how {
        "plain" => row.wanted(Goal::AtMost(RESIDENT_KIB)),
        _ => row,
    });
    report.add(Row::compared(
        format!("idle connection, {how}: resident / raw tokio-tungstenite"),
        &Samples::from(&[own][..]),
        &Samples::from(&[floor][..]),
        "KiB",
    ));
}

fn report_rate(report: &mut Report, how: &str, ours: &Subject, raw: &Subject) {
    report.add(Row::compared(
        format!("connections opened, {how} / raw tokio-tungstenite"),
        &Samples::from(&[ours.per_second][..]),
        &Samples::from(&[raw.per_second][..]),
        "1/s",
    ));
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
