//! Hears all that is logged in this process, by `log` and by `tracing`, at every level.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use crate::needle;

#[derive(Default)]
struct Heard {
    /// Lines of each target.
    lines: BTreeMap<String, u64>,
    /// Those that have a secret in them, and the thread: each test has its own.
    leaks: Vec<(String, String)>,
}

static HEARD: LazyLock<Mutex<Heard>> = LazyLock::new(Mutex::default);

fn heard() -> MutexGuard<'static, Heard> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(target: &str, line: &str) {
    let leaks = needle::is_in(line) || needle::is_in(target);
    let mut heard = heard();
    let target = target.split("::").next().unwrap_or_default();
    *heard.lines.entry(target.to_owned()).or_default() += 1;
    if leaks {
        heard.leaks.push((thread(), format!("{target}: {line}")));
    }
}

/// Begins to listen, if nobody does.
pub(crate) fn open() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Ear).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        tracing::subscriber::set_global_default(Ear).unwrap();
    });
}

/// How many lines this crate has logged.
pub(crate) fn lines_of(target: &str) -> u64 {
    heard().lines.get(target).copied().unwrap_or_default()
}

fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Checks that no line had a secret in it: of this test, or of a thread that is nobody's.
#[track_caller]
pub(crate) fn heard_no_secret() {
    let own = thread();
    // Tests are named by their modules.
    let is_another_s = |name: &str| name.contains("::") && name != own;
    let mut leaks = heard().leaks.clone();
    leaks.retain(|(thread, _)| !is_another_s(thread));
    assert!(leaks.is_empty(), "{leaks:#?}");
}

struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        hear(record.target(), &record.args().to_string());
    }

    fn flush(&self) {}
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        hear(span.metadata().target(), &line.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line::default();
        values.record(&mut line);
        hear("span", &line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        hear(event.metadata().target(), &line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?} {value:#?}").unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }
}

#[test]
fn a_secret_is_heard_wherever_it_is_logged() {
    let leaks = || {
        heard()
            .leaks
            .iter()
            .filter(|(thread, _)| *thread == self::thread())
            .count()
    };
    open();
    log::trace!("PLANTED");
    tracing::trace!(field = "PLANTED");
    tracing::debug!(field = ?b"PLANTED", "message");
    tracing::info!("{}", "PLANTED");
    drop(tracing::trace_span!("span", field = "PLANTED"));
    let span = tracing::error_span!("span", field = tracing::field::Empty);
    span.record("field", "PLANTED");
    assert_eq!(leaks(), 6);
}
