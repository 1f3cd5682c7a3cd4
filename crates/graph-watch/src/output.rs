//! What is printed: JSON lines for programs, readable lines for people, and a live line on a terminal.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

use graph_notifications::{Change, ChangeKind, Entry, Notification, ResyncReason, WatchEvent};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{args::RunArgs, changes::Told, exit::one_line};

/// A readable line shows at most this much of a payload that has none of the known fields.
const MAX_SHOWN_CHARS: usize = 160;

/// Where events go.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    notifications: u64,
    last_notification: Option<Timestamp>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Plain,
    /// Readable lines, and below them a line that is kept up to date.
    Live,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Connected,
    Down,
}

/// One line of JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'event> {
    Resync {
        reason: &'static str,
    },
    Notification {
        data: Option<&'event RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        raw: Option<&'event str>,
    },
    Down {
        reason: String,
        retry_in_ms: u64,
    },
    Renewed,
    Change {
        id: Option<&'event str>,
        name: Option<&'event str>,
        deleted: bool,
        kind: &'static str,
        parent_id: Option<&'event str>,
        size: Option<u64>,
        e_tag: Option<&'event str>,
        last_modified: Option<String>,
    },
    #[serde(rename = "changes_unknown")]
    ChangesUnknown {
        reason: String,
        retry_in_ms: u64,
    },
    #[serde(rename = "changes_lost")]
    ChangesLost {
        reason: String,
    },
}

impl Output {
    pub(crate) fn new(args: &RunArgs) -> Self {
        let live = io::stdout().is_terminal() && io::stderr().is_terminal();
        let format = match (args.json, live) {
            (true, _) => Format::Json,
            (false, true) => Format::Live,
            (false, false) => Format::Plain,
        };
        Self {
            format,
            notifications: 0,
            last_notification: None,
            state: State::Connecting,
        }
    }

    /// How many notifications were printed.
    pub(crate) fn notifications(&self) -> u64 {
        self.notifications
    }

    /// Prints an event, and flushes, so that a program at the other end of a pipe sees it at once.
    pub(crate) fn event(&mut self, event: &WatchEvent) -> io::Result<()> {
        self.note(event);
        let line = match self.format {
            Format::Json => json(event)?,
            Format::Plain | Format::Live => Some(plain(event, Timestamp::now())),
        };
        if let Some(line) = line {
            self.line(&line)?;
            self.refresh();
        }
        Ok(())
    }

    fn note(&mut self, event: &WatchEvent) {
        match event {
            // Others come without a connection, too.
            WatchEvent::Resync(ResyncReason::Started | ResyncReason::Reconnected)
            | WatchEvent::Renewed => self.state = State::Connected,
            WatchEvent::Notification(_) => {
                self.notifications += 1;
                self.last_notification = Some(Timestamp::now());
            }
            WatchEvent::Down { .. } => self.state = State::Down,
            _ => {}
        }
    }

    /// Prints what has changed, or why that is not known.
    pub(crate) fn told(&self, told: &Told) -> io::Result<()> {
        let lines: Vec<String> = match (told, self.format) {
            (Told::Changes(changes, _), Format::Json) => changes
                .iter()
                .map(|change| serde_json::to_string(&change_line(change)))
                .collect::<Result<_, _>>()?,
            (Told::Changes(changes, _), _) => changes.iter().map(plain_change).collect(),
            (Told::Unknown(error, wait), Format::Json) => {
                vec![serde_json::to_string(&Line::ChangesUnknown {
                    reason: error.to_string(),
                    retry_in_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                })?]
            }
            (Told::Unknown(error, wait), _) => {
                let seconds = wait.as_secs_f64();
                vec![format!(
                    "unknown       {error}; next attempt in {seconds:.1} s"
                )]
            }
            (Told::Lost(error), Format::Json) => {
                vec![serde_json::to_string(&Line::ChangesLost {
                    reason: error.to_string(),
                })?]
            }
            (Told::Lost(error), _) => vec![format!("lost          {error}")],
            (Told::Ready | Told::Failed(_), _) => Vec::new(),
        };
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        for line in &lines {
            match self.format {
                Format::Json => self.line(line)?,
                Format::Plain | Format::Live => {
                    self.line(&one_line(&format!("{time}  {line}")))?;
                }
            }
        }
        if !lines.is_empty() {
            self.refresh();
        }
        Ok(())
    }

    /// A remark for people: on standard output where that is for people, else on standard error.
    pub(crate) fn remark(&self, text: &str) -> io::Result<()> {
        match self.format {
            Format::Json => {
                // The reader of the output is a program, which does not need it.
                writeln!(io::stderr().lock(), "{text}").ok();
                Ok(())
            }
            Format::Plain | Format::Live => self.line(text),
        }
    }

    /// Brings the live line up to date.
    pub(crate) fn refresh(&self) {
        if self.format == Format::Live {
            let text = format!("\r\x1b[2K{}", self.status(Timestamp::now()));
            let mut stderr = io::stderr().lock();
            // It is an extra; when it cannot be shown, nothing is lost.
            stderr
                .write_all(text.as_bytes())
                .and_then(|()| stderr.flush())
                .ok();
        }
    }

    /// Removes the live line.
    pub(crate) fn clear(&self) {
        if self.format == Format::Live {
            io::stderr().lock().write_all(b"\r\x1b[2K").ok();
        }
    }

    fn line(&self, line: &str) -> io::Result<()> {
        self.clear();
        let mut stdout = io::stdout().lock();
        stdout.write_all(line.as_bytes())?;
        stdout.write_all(b"\n")?;
        stdout.flush()
    }

    fn status(&self, now: Timestamp) -> String {
        let state = match self.state {
            State::Connecting => "connecting",
            State::Connected => "connected",
            State::Down => "not connected",
        };
        let mut status = format!("[{state}] {} notifications", self.notifications);
        if let Some(last) = self.last_notification {
            let seconds = now.duration_since(last).as_secs().max(0);
            write!(status, ", the last one {seconds} s ago").ok();
        }
        status
    }
}

/// The event as JSON; `None` for what has no line of its own.
fn json(event: &WatchEvent) -> io::Result<Option<String>> {
    let line = match event {
        WatchEvent::Resync(reason) => Line::Resync {
            reason: reason.as_str(),
        },
        WatchEvent::Notification(notification) => Line::Notification {
            data: notification.data(),
            raw: notification.raw(),
        },
        WatchEvent::Down { reason, retry_in } => Line::Down {
            reason: reason.to_string(),
            retry_in_ms: u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
        },
        WatchEvent::Renewed => Line::Renewed,
        _ => return Ok(None),
    };
    Ok(Some(serde_json::to_string(&line)?))
}

/// The event for people, with the time in UTC.
fn plain(event: &WatchEvent, now: Timestamp) -> String {
    let (name, text) = match event {
        WatchEvent::Resync(reason) => ("resync", format!("{reason}: anything may have changed")),
        WatchEvent::Notification(notification) => ("notification", describe(notification)),
        WatchEvent::Down { reason, retry_in } => {
            let seconds = retry_in.as_secs_f64();
            ("down", format!("{reason}; next attempt in {seconds:.1} s"))
        }
        WatchEvent::Renewed => ("renewed", "a fresh connection has taken over".to_owned()),
        _ => ("event", "one that this version does not know".to_owned()),
    };
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    one_line(&format!("{time}  {name:<12}  {text}"))
}

fn change_line(change: &Change) -> Line<'_> {
    Line::Change {
        id: change.id.as_deref(),
        name: change.name.as_deref(),
        deleted: change.deleted,
        kind: match change.kind {
            ChangeKind::File => "file",
            ChangeKind::Folder => "folder",
            ChangeKind::Root => "root",
            ChangeKind::Package => "package",
            _ => "other",
        },
        parent_id: change.parent_id.as_deref(),
        size: change.size,
        e_tag: change.e_tag.as_deref(),
        last_modified: change
            .last_modified
            .and_then(|at| Timestamp::try_from(at).ok())
            .map(|at| at.to_string()),
    }
}

/// The change for people: what happened, and to what. Deleted items may have an id only.
fn plain_change(change: &Change) -> String {
    let what = if change.deleted { "deleted" } else { "changed" };
    let name = change.name.as_deref().or(change.id.as_deref());
    format!("{what:<12}  {}", shorten(name.unwrap_or("something")))
}

fn describe(notification: &Notification) -> String {
    if let Some(raw) = notification.raw() {
        return format!(
            "something changed; the payload is not JSON: {}",
            shorten(raw)
        );
    }
    let entries: Vec<String> = notification
        .entries()
        .iter()
        .map(describe_entry)
        .filter(|text| !text.is_empty())
        .collect();
    match (entries.is_empty(), notification.data()) {
        (false, _) => entries.join("; "),
        (true, Some(data)) => shorten(data.get()),
        (true, None) => "something changed".to_owned(),
    }
}

fn describe_entry(entry: &Entry) -> String {
    let known = [
        ("resource", entry.resource.as_deref()),
        ("site", entry.site_url.as_deref()),
        ("user", entry.user_id.as_deref()),
    ];
    let known = known
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name} {}", shorten(value))));
    let other = entry
        .other
        .iter()
        .filter(|(_, value)| value.is_number() || value.is_boolean())
        .map(|(name, value)| format!("{} {value}", shorten(name)));
    known.chain(other).collect::<Vec<_>>().join(", ")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use graph_notifications::WatchError;

    use super::*;

    fn notification(argument: &str) -> WatchEvent {
        WatchEvent::Notification(Notification::from_json(argument))
    }

    fn down() -> WatchEvent {
        WatchEvent::Down {
            reason: WatchError::NoToken,
            retry_in: Duration::from_millis(1500),
        }
    }

    #[test]
    fn one_event_is_one_line_of_json() {
        for (event, expected) in [
            (
                WatchEvent::Resync(ResyncReason::Started),
                r#"{"event":"resync","reason":"started"}"#,
            ),
            (WatchEvent::Renewed, r#"{"event":"renewed"}"#),
            (
                down(),
                r#"{"event":"down","reason":"no token provider was given","retry_in_ms":1500}"#,
            ),
            (
                notification(r#""{ \"value\": [ 1, \"a\\nb\" ] }""#),
                r#"{"event":"notification","data":{"value":[1,"a\nb"]}}"#,
            ),
            (
                notification(r#"{"z":1,"a":2}"#),
                r#"{"event":"notification","data":{"z":1,"a":2}}"#,
            ),
            (
                notification("\"not\\njson\""),
                r#"{"event":"notification","data":null,"raw":"not\njson"}"#,
            ),
        ] {
            assert_eq!(json(&event).unwrap().unwrap(), expected);
        }
    }

    #[test]
    fn readable_lines_tell_the_time_and_what_there_is() {
        let now: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        for (event, expected) in [
            (
                WatchEvent::Resync(ResyncReason::Reconnected),
                "2026-01-02T03:04:05Z  resync        reconnected: anything may have changed",
            ),
            (
                down(),
                "2026-01-02T03:04:05Z  down          no token provider was given; next attempt in 1.5 s",
            ),
            (
                notification(
                    r#"{"value":[{"resource":"r1","siteUrl":"/s","n":1},{"resource":"r2"}]}"#,
                ),
                "2026-01-02T03:04:05Z  notification  resource r1, site /s, n 1; resource r2",
            ),
            (
                notification(r#"{"unknown":"x"}"#),
                r#"2026-01-02T03:04:05Z  notification  {"unknown":"x"}"#,
            ),
        ] {
            assert_eq!(plain(&event, now), expected);
        }
    }

    #[test]
    fn the_status_says_not_connected_until_there_is_a_connection_again() {
        let mut output = Output {
            format: Format::Plain,
            notifications: 0,
            last_notification: None,
            state: State::Connecting,
        };
        let resync = WatchEvent::Resync;
        for (event, state) in [
            (resync(ResyncReason::Safety), State::Connecting),
            (resync(ResyncReason::Started), State::Connected),
            (WatchEvent::Renewed, State::Connected),
            (down(), State::Down),
            // The connection before the last one has broken, too.
            (resync(ResyncReason::Handover), State::Down),
            (resync(ResyncReason::Lagged), State::Down),
            (resync(ResyncReason::Reconnected), State::Connected),
            (resync(ResyncReason::Safety), State::Connected),
        ] {
            output.note(&event);
            assert_eq!(output.state, state, "{event:?}");
        }
    }

    #[test]
    fn payloads_cannot_move_the_cursor_or_flood_the_terminal() {
        let evil = format!(r#""\u001b[2J\u009b\r\n{}""#, "x".repeat(10_000));
        for event in [
            notification(&evil),
            notification(&format!(r#"{{"resource":{evil}}}"#)),
        ] {
            let line = plain(&event, Timestamp::UNIX_EPOCH);
            assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
            assert!(line.chars().count() < 300, "{}", line.len());
        }
    }
}
