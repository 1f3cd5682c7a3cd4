//! Lines of standard input, and what they ask for.

use std::io::{self, BufRead, Read};
use std::time::Duration;

use serde::Deserialize;
use socketio::Spread;
use tokio::sync::mpsc;

use crate::value::{Arguments, Value};

/// How long an acknowledgement is waited for where the line does not say it.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// A line is held as a whole; this bounds it. It is more than a server takes.
const MAX_LINE: u64 = 64 << 20;
/// Lines that are read ahead.
const LINES: usize = 4;

/// What a line asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Emit(Emit),
    Reply { id: u64, args: Arguments },
    Disconnect,
}

/// An event to be sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Emit {
    pub(crate) name: String,
    pub(crate) args: Arguments,
    pub(crate) volatile: bool,
    pub(crate) answer: Answer,
}

/// Whether an event is to be acknowledged.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    /// It is not; it may wait so long to be sent.
    None { timeout: Option<Duration> },
    /// It is, within this time.
    Within(Duration),
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    emit: Option<String>,
    reply: Option<u64>,
    disconnect: Option<bool>,
    args: Option<Vec<Value>>,
    ack: Option<bool>,
    timeout_ms: Option<u64>,
    volatile: Option<bool>,
}

/// Reads a line; an error is a sentence for people.
pub(crate) fn parse(line: &[u8]) -> Result<Command, String> {
    // To serde, an array of the members' values would do as well.
    if line.trim_ascii_start().starts_with(b"[") {
        return Err("not a line of input: it is an array, and not an object".to_owned());
    }
    let line: Line =
        serde_json::from_slice(line).map_err(|error| format!("not a line of input: {error}"))?;
    let for_emit = line.ack.is_some() || line.timeout_ms.is_some() || line.volatile.is_some();
    match (line.emit, line.reply, line.disconnect) {
        (Some(name), None, None) => {
            let timeout = line.timeout_ms.map(Duration::from_millis);
            let answer = match line.ack {
                Some(true) => Answer::Within(timeout.unwrap_or(ACK_TIMEOUT)),
                _ => Answer::None { timeout },
            };
            Ok(Command::Emit(Emit {
                args: arguments(line.args).map_err(|error| format!("emit {name:?}: {error}"))?,
                name,
                volatile: line.volatile.unwrap_or_default(),
                answer,
            }))
        }
        (None, Some(id), None) if !for_emit => {
            let args = arguments(line.args).map_err(|error| format!("reply {id}: {error}"))?;
            Ok(Command::Reply { id, args })
        }
        (None, None, Some(true)) if !for_emit && line.args.is_none() => Ok(Command::Disconnect),
        _ => Err(
            "not a line of input: it must have one of emit (with args, ack, timeout_ms, volatile), \
             reply (with args), or disconnect (true)"
                .to_owned(),
        ),
    }
}

fn arguments(args: Option<Vec<Value>>) -> Result<Arguments, String> {
    args.unwrap_or_default()
        .into_iter()
        .map(|value| value.decode_base64().map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()
        .map(Spread)
}

/// Reads standard input on a thread of its own, which nothing waits for; the channel ends with it. An item is a line,
/// or why there is none.
pub(crate) fn lines() -> mpsc::Receiver<Result<Vec<u8>, String>> {
    let (sender, receiver) = mpsc::channel(LINES);
    let read = move || {
        read_lines(io::stdin().lock(), MAX_LINE, |line| {
            sender.blocking_send(line).is_ok()
        });
    };
    // Without a thread there is no input, which is no reason not to receive.
    std::thread::Builder::new()
        .name("input".into())
        .spawn(read)
        .ok();
    receiver
}

/// Gives each line that is not blank to `take` until that says no or there are no more.
fn read_lines(
    mut input: impl BufRead,
    max: u64,
    mut take: impl FnMut(Result<Vec<u8>, String>) -> bool,
) {
    loop {
        let mut line = Vec::new();
        let item = match input.by_ref().take(max).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.len() as u64 == max && !line.ends_with(b"\n") => input
                .skip_until(b'\n')
                .map_err(|error| unreadable(&error))
                .and(Err(format!("a line of input is longer than {max} bytes"))),
            Ok(_) if line.trim_ascii().is_empty() => continue,
            Ok(_) => Ok(line),
            Err(error) => {
                take(Err(unreadable(&error)));
                return;
            }
        };
        if !take(item) {
            return;
        }
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("standard input cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn emit(name: &str, args: &[serde_json::Value], volatile: bool, answer: Answer) -> Command {
        Command::Emit(Emit {
            name: name.into(),
            args: values(args),
            volatile,
            answer,
        })
    }

    fn values(args: &[serde_json::Value]) -> Arguments {
        let values = args.iter().map(|arg| Value::deserialize(arg).unwrap());
        Spread(values.collect())
    }

    #[test]
    fn lines_say_what_to_do() {
        let at_once = || Answer::None { timeout: None };
        let within = |ms| Answer::Within(Duration::from_millis(ms));
        for (line, expected) in [
            (r#"{"emit":"x"}"#, emit("x", &[], false, at_once())),
            (
                " { \"args\" : [ 1, [2] ] , \"emit\" : \"\" } \r\n",
                emit("", &[json!(1), json!([2])], false, at_once()),
            ),
            (
                r#"{"emit":"x","args":[null],"ack":true,"timeout_ms":5,"volatile":true}"#,
                emit("x", &[json!(null)], true, within(5)),
            ),
            (
                r#"{"emit":"x","ack":true}"#,
                emit("x", &[], false, within(30_000)),
            ),
            (
                r#"{"emit":"x","ack":false,"volatile":false,"timeout_ms":7}"#,
                emit(
                    "x",
                    &[],
                    false,
                    Answer::None {
                        timeout: Some(Duration::from_millis(7)),
                    },
                ),
            ),
            (
                r#"{"reply":18446744073709551615,"args":["a"]}"#,
                Command::Reply {
                    id: u64::MAX,
                    args: values(&[json!("a")]),
                },
            ),
            (
                r#"{"reply":1}"#,
                Command::Reply {
                    id: 1,
                    args: values(&[]),
                },
            ),
            (r#"{"disconnect":true}"#, Command::Disconnect),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn lines_that_ask_for_nothing_are_refused() {
        for line in [
            "",
            "hello",
            "{",
            "[]",
            r#" ["x",null,null,[1],null,null,null]"#,
            "{}",
            "null",
            r#"{"args":[]}"#,
            r#"{"emit":1}"#,
            r#"{"emit":"x","args":{}}"#,
            r#"{"emit":"x","args":"a"}"#,
            r#"{"emit":"x","ack":1}"#,
            r#"{"emit":"x","timeout_ms":-1}"#,
            r#"{"emit":"x","timeout_ms":1.5}"#,
            r#"{"emit":"x","acknowledge":true}"#,
            r#"{"emit":"x","emit":"y"}"#,
            r#"{"emit":"x"} {"emit":"y"}"#,
            r#"{"emit":"x","reply":1}"#,
            r#"{"emit":"x","args":[{"$base64":"!"}]}"#,
            r#"{"emit":"x","args":[1e400]}"#,
            r#"{"reply":-1}"#,
            r#"{"reply":"1"}"#,
            r#"{"reply":1,"ack":true}"#,
            r#"{"reply":1,"args":[{"$base64":"!"}]}"#,
            r#"{"disconnect":false}"#,
            r#"{"disconnect":true,"args":[]}"#,
            r#"{"disconnect":true,"volatile":true}"#,
        ] {
            let error = parse(line.as_bytes()).unwrap_err();
            assert!(error.len() > 10, "{line}: {error}");
        }
        assert!(parse(b"{\"emit\":\"\xFF\"}").is_err());
        let deep = format!(r#"{{"emit":"x","args":{}"#, "[".repeat(100_000));
        assert!(parse(deep.as_bytes()).is_err());
        let bad = parse(br#"{"emit":"x","args":[{"$base64":"!"}]}"#).unwrap_err();
        assert_eq!(bad, r#"emit "x": a $base64 is not base64"#);
    }

    #[test]
    fn input_is_cut_into_lines_of_bounded_length() {
        let mut seen = Vec::new();
        let input = b"12345678\n\n \r\n123456789\nabc\n1234567\n123456789abcdefgh\nlast";
        read_lines(&input[..], 8, |line| {
            seen.push(line.map(|line| String::from_utf8(line).unwrap()));
            true
        });
        let too_long = || Err("a line of input is longer than 8 bytes".to_owned());
        let line = |text: &str| Ok(text.to_owned());
        assert_eq!(
            seen,
            [
                too_long(),
                too_long(),
                line("abc\n"),
                line("1234567\n"),
                too_long(),
                line("last"),
            ]
        );
        let mut count = 0;
        read_lines(&b"a\nb\nc\n"[..], 8, |_| {
            count += 1;
            count < 2
        });
        assert_eq!(count, 2);
    }
}
