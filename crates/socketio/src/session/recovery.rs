//! Connection state recovery: what a client needs to be given back, after an interruption, what it has missed.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use socketio_codec::{Event, Json};

/// What a namespace knows about the session that the server keeps for it.
///
/// A server with `connectionStateRecovery` gives a private session id with its CONNECT, and adds to each broadcast
/// event, as its last argument, a string that names the event: its offset. A client that comes back with both gets its
/// id, its rooms and the missed events.
pub(super) struct Recovery {
    pid: String,
    offset: Option<Offset>,
    /// An offset that contradicts the known one. If another one agrees with it, the known one was none.
    rival: Option<Offset>,
}

/// What was sent without an offset (volatile events, or before recovery was switched on) may end in a string, too. The
/// reference client takes any such string for an offset, and is not recovered then. Offsets have a form, by the adapter
/// that makes them, and a point in time in it, so most other strings can be told from them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offset {
    text: String,
    form: Form,
    /// The server's time in it, in ms since 1970, and a counter behind that.
    time: u64,
    counter: u64,
    received: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The in-memory adapter: milliseconds in base 64, and a counter: `Q80KTut`, `Q80KTut.0`.
    Yeast,
    /// Redis streams: `1692629353219-0`.
    Stream,
    /// MongoDB: an object id, which begins with seconds.
    ObjectId,
    /// Of another adapter. There is no telling it from other strings.
    Opaque,
}

/// No adapter makes longer ones.
const MAX_OFFSET_LEN: usize = 128;
/// No server makes longer ones.
const MAX_PID_LEN: usize = 256;
/// By how much more the server's clock may advance between two events than ours.
const CLOCK_SLACK: Duration = Duration::from_secs(60);
/// 2020 to 2100, in ms: times of events, and of hardly any word.
const EPOCH: std::ops::Range<u64> = 1_577_836_800_000..4_102_444_800_000;

impl Recovery {
    /// What the server's CONNECT says, if it offers recovery.
    pub(super) fn offered(payload: Option<&Json>) -> Option<Self> {
        let pid = pid(payload?)?;
        Some(Self {
            pid,
            offset: None,
            rival: None,
        })
    }

    /// Whether the server's CONNECT says that it has kept the session.
    pub(super) fn is_resumed_by(&self, payload: Option<&Json>) -> bool {
        payload.and_then(pid).is_some_and(|pid| pid == self.pid)
    }

    /// Learns from an event which one was received last.
    pub(super) fn received(&mut self, now: Instant, event: &Event) {
        let args = event.args();
        let Some(last) = args.iter_raw().last() else {
            return;
        };
        let Ok(text) = serde_json::from_str::<&str>(last) else {
            return;
        };
        if let Some(offset) = Offset::read(now, text) {
            self.learn(offset);
        }
    }

    fn learn(&mut self, offset: Offset) {
        match (&self.offset, &self.rival) {
            (None, _) => self.offset = Some(offset),
            (Some(known), _) if offset.follows(known) => {
                self.offset = Some(offset);
                self.rival = None;
            }
            (Some(_), Some(rival)) if offset.follows(rival) => {
                self.offset = Some(offset);
                self.rival = None;
            }
            // What has a form is to be trusted more than what has none.
            (Some(known), _) if known.form == Form::Opaque && offset.form != Form::Opaque => {
                self.offset = Some(offset);
            }
            (Some(_), _) if offset.form != Form::Opaque => self.rival = Some(offset),
            (Some(_), _) => {}
        }
    }

    /// The payload of the CONNECT that asks for the session. Auth members come last: where one has the same name, it
    /// counts, as with the reference client. Without an offset a server cannot recover anything.
    pub(super) fn ask(&self, auth: Option<&Json>) -> Option<Json> {
        let offset = &self.offset.as_ref()?.text;
        let (pid, offset) = (
            Json::from_serialize(&self.pid).ok()?,
            Json::from_serialize(offset).ok()?,
        );
        let own = format!(r#"{{"pid":{},"offset":{}"#, pid.as_str(), offset.as_str());
        let members = auth.map_or("}", |auth| {
            auth.as_str()
                .trim_start_matches(['{', ' ', '\t', '\r', '\n'])
        });
        let comma = if members.starts_with('}') { "" } else { "," };
        let asked = RawValue::from_string(format!("{own}{comma}{members}")).ok()?;
        Json::from_serialize(&asked).ok()
    }
}

/// Neither id nor offset is printed: with both, anybody can take the session over.
impl std::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recovery(..)")
    }
}

impl Offset {
    fn read(received: Instant, text: &str) -> Option<Self> {
        let (form, time, counter) = yeast(text)
            .or_else(|| stream(text))
            .or_else(|| object_id(text))
            .or_else(|| {
                let opaque = !text.is_empty() && !text.contains(char::is_whitespace);
                opaque.then_some((Form::Opaque, 0, 0))
            })?;
        (text.len() <= MAX_OFFSET_LEN).then(|| Self {
            text: text.to_owned(),
            form,
            time,
            counter,
            received,
        })
    }

    /// Whether the same server may have made it after that one.
    fn follows(&self, earlier: &Self) -> bool {
        if self.form == Form::Opaque {
            return earlier.form == Form::Opaque;
        }
        let elapsed = self.received.saturating_duration_since(earlier.received) + CLOCK_SLACK;
        let latest = earlier
            .time
            .saturating_add(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.form == earlier.form
            && (self.time, self.counter) > (earlier.time, earlier.counter)
            && self.time <= latest
    }
}

fn yeast(text: &str) -> Option<(Form, u64, u64)> {
    const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    let (time, counter) = match text.split_once('.') {
        // `.0` is the second one of its millisecond.
        Some((time, counter)) => (time, number(counter)?.checked_add(1)?),
        None => (text, 0),
    };
    if time.len() != 7 {
        return None;
    }
    let time = time.chars().try_fold(0, |time, digit| {
        Some(time * 64 + ALPHABET.find(digit)? as u64)
    })?;
    EPOCH
        .contains(&time)
        .then_some((Form::Yeast, time, counter))
}

fn stream(text: &str) -> Option<(Form, u64, u64)> {
    let (time, counter) = text.split_once('-')?;
    let (time, counter) = (number(time)?, number(counter)?);
    EPOCH
        .contains(&time)
        .then_some((Form::Stream, time, counter))
}

fn object_id(text: &str) -> Option<(Form, u64, u64)> {
    let digits = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let time = u64::from_str_radix(text.get(..8).filter(|_| digits)?, 16).ok()? * 1000;
    // The five bytes in between are the process's, the last three count.
    let counter = u64::from_str_radix(text.get(18..)?, 16).ok()?;
    EPOCH
        .contains(&time)
        .then_some((Form::ObjectId, time, counter))
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

fn pid(payload: &Json) -> Option<String> {
    #[derive(Deserialize)]
    struct Reply {
        pid: String,
    }
    let Reply { pid } = payload.parse().ok()?;
    (pid.len() <= MAX_PID_LEN).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the origin of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    fn recovery() -> Recovery {
        let payload = Json::from_serialize(&serde_json::json!({"sid": "s", "pid": "p"})).unwrap();
        Recovery::offered(Some(&payload)).unwrap()
    }

    /// The offset that is asked with after events with these last arguments, one a second.
    fn offset_after(last: &[&str]) -> Option<String> {
        let mut recovery = recovery();
        let mut now = start();
        for last in last {
            recovery.received(now, &Event::new("e", &(1, last)).unwrap());
            now += Duration::from_secs(1);
        }
        let asked = recovery.ask(None)?;
        let asked: serde_json::Value = asked.parse().unwrap();
        Some(asked["offset"].as_str().unwrap().to_owned())
    }

    /// Captured from socket.io 4.8.4: three events of two milliseconds, 128 ms apart.
    const CAPTURED: [&str; 4] = ["Q80KTut", "Q80KTut.0", "Q80KTvh", "Q80KTwe"];

    #[test]
    fn the_offset_is_that_of_the_last_event_and_not_any_last_string() {
        let [a, b, c, d] = CAPTURED;
        for (last, offset) in [
            (&[a][..], Some(a)),
            (&[a, b, c, d], Some(d)),
            // Volatile events have no offset; their last argument may be a string all the same.
            (&[a, b, "hello"], Some(b)),
            (&[a, b, "two words"], Some(b)),
            (&["hello", a], Some(a)),
            (&[a, "Tuesday", b], Some(b)),
            (&["Tuesday", a, b], Some(b)),
            (&["Tuesday", a, b, "Thunder", c], Some(c)),
            (&[a, "goodbye"], Some(a)),
            // Sent again, or out of order: the latest counts.
            (&[b, a], Some(b)),
            (&["two words"], None),
            (&[""], None),
            (
                &["1692629353219-0", "1692629353219-1"],
                Some("1692629353219-1"),
            ),
            (&["1692629353219-1", "12-3"], Some("1692629353219-1")),
            (
                &["64e37d2a0123456789000001", "64e37d2b0123456789000002"],
                Some("64e37d2b0123456789000002"),
            ),
            // Of an unknown adapter, the last one.
            (&["7", "8"], Some("8")),
        ] {
            assert_eq!(offset_after(last).as_deref(), offset, "{last:?}");
        }
    }

    #[test]
    fn what_is_no_string_is_no_offset() {
        let mut recovery = recovery();
        for event in [
            Event::new("e", &()).unwrap(),
            Event::new("Q80KTut", &()).unwrap(),
            Event::new("e", &("Q80KTut", 1)).unwrap(),
            Event::new("e", &("Q".repeat(1000),)).unwrap(),
        ] {
            recovery.received(start(), &event);
        }
        assert_eq!(recovery.ask(None), None);
    }

    #[test]
    fn auth_members_win() {
        let mut recovery = recovery();
        recovery.received(start(), &Event::new("e", &"Q80KTut").unwrap());
        for (auth, expected) in [
            (serde_json::json!({}), r#"{"pid":"p","offset":"Q80KTut"}"#),
            (
                // Of two members with one name, JavaScript takes the last.
                serde_json::json!({"offset": 7, "token": "T"}),
                r#"{"pid":"p","offset":"Q80KTut","offset":7,"token":"T"}"#,
            ),
        ] {
            let asked = recovery.ask(Some(&Json::from_serialize(&auth).unwrap()));
            assert_eq!(asked.unwrap().as_str(), expected);
        }
    }

    #[test]
    fn neither_id_nor_offset_is_printed() {
        let mut recovery = recovery();
        recovery.received(start(), &Event::new("e", &"Q80KTut").unwrap());
        assert_eq!(format!("{recovery:?}"), "Recovery(..)");
    }

    #[test]
    fn only_a_string_is_a_private_id() {
        for payload in [
            serde_json::json!({"sid": "s"}),
            serde_json::json!({"sid": "s", "pid": 7}),
            serde_json::json!({"sid": "s", "pid": "p".repeat(1000)}),
        ] {
            let payload = Json::from_serialize(&payload).unwrap();
            assert!(Recovery::offered(Some(&payload)).is_none());
        }
        assert!(Recovery::offered(None).is_none());
        let own = Json::from_serialize(&serde_json::json!({"sid": "x", "pid": "p"})).unwrap();
        assert!(recovery().is_resumed_by(Some(&own)));
        assert!(!recovery().is_resumed_by(None));
    }
}
