//! Lines of standard output.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use socketio::{Args, ConnectError, Connected, DisconnectReason, Namespace, Transport};

use crate::value::{print_args, print_json};

/// Standard output, and how much of what counts has gone there.
pub(crate) struct Output {
    namespace: Namespace,
    messages: u64,
}

/// One line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Connected {
        namespace: &'a str,
        sid: Option<&'a str>,
        transport: &'a str,
        recovered: bool,
    },
    Message {
        namespace: &'a str,
        name: &'a str,
        args: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        ack: Option<u64>,
    },
    Ack {
        name: &'a str,
        args: &'a RawValue,
    },
    Disconnected {
        reason: &'a str,
        retry_in_ms: Option<u64>,
    },
    ConnectError {
        message: &'a str,
        data: Option<Box<RawValue>>,
    },
    Upgraded {
        transport: &'a str,
    },
    Error {
        message: &'a str,
    },
}

impl Output {
    pub(crate) fn new(namespace: Namespace) -> Self {
        Self {
            namespace,
            messages: 0,
        }
    }

    /// How many messages were printed.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    pub(crate) fn connected(&self, connected: &Connected) -> io::Result<()> {
        print(&Line::Connected {
            namespace: self.namespace.as_str(),
            sid: connected.id.as_deref(),
            transport: connected.transport.name(),
            recovered: connected.recovered,
        })
    }

    /// `ack` is by what to reply.
    pub(crate) fn message(&mut self, name: &str, args: &Args, ack: Option<u64>) -> io::Result<()> {
        self.messages += 1;
        match print_args(args) {
            Ok(args) => print(&Line::Message {
                namespace: self.namespace.as_str(),
                name,
                args: &args,
                ack,
            }),
            Err(error) => self.error(&format!("message {name:?} cannot be printed: {error}")),
        }
    }

    pub(crate) fn ack(&self, name: &str, args: &Args) -> io::Result<()> {
        match print_args(args) {
            Ok(args) => print(&Line::Ack { name, args: &args }),
            Err(error) => self.error(&format!(
                "the acknowledgement of {name:?} cannot be printed: {error}"
            )),
        }
    }

    pub(crate) fn disconnected(
        &self,
        reason: &DisconnectReason,
        retry_in: Option<Duration>,
    ) -> io::Result<()> {
        let retry_in = retry_in.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        print(&Line::Disconnected {
            reason: &reason.to_string(),
            retry_in_ms: retry_in,
        })
    }

    pub(crate) fn connect_error(&self, error: &ConnectError) -> io::Result<()> {
        let told = error.to_string();
        let (message, data) = match error {
            // The server's own words, as programs compare them.
            ConnectError::Refused { message, data } => (message.as_str(), data.as_ref()),
            _ => (told.as_str(), None),
        };
        let data = data.and_then(|data| print_json(data.as_str()));
        print(&Line::ConnectError { message, data })
    }

    pub(crate) fn upgraded(&self, transport: Transport) -> io::Result<()> {
        let transport = transport.name();
        print(&Line::Upgraded { transport })
    }

    pub(crate) fn error(&self, message: &str) -> io::Result<()> {
        print(&Line::Error { message })
    }
}

/// Writes a line and flushes, so that a program at the other end of a pipe sees it at once.
fn print(line: &Line<'_>) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_documented() {
        let args = RawValue::from_string("[1]".into()).unwrap();
        let message = |ack| Line::Message {
            namespace: "/n",
            name: "a\nb",
            args: &args,
            ack,
        };
        let disconnected = |retry_in_ms| Line::Disconnected {
            reason: "why",
            retry_in_ms,
        };
        for (line, expected) in [
            (
                Line::Connected {
                    namespace: "/",
                    sid: Some("S"),
                    transport: Transport::Polling.name(),
                    recovered: false,
                },
                r#"{"event":"connected","namespace":"/","sid":"S","transport":"polling","recovered":false}"#,
            ),
            (
                message(None),
                r#"{"event":"message","namespace":"/n","name":"a\nb","args":[1]}"#,
            ),
            (
                message(Some(7)),
                r#"{"event":"message","namespace":"/n","name":"a\nb","args":[1],"ack":7}"#,
            ),
            (
                Line::Ack {
                    name: "x",
                    args: &args,
                },
                r#"{"event":"ack","name":"x","args":[1]}"#,
            ),
            (
                disconnected(Some(900)),
                r#"{"event":"disconnected","reason":"why","retry_in_ms":900}"#,
            ),
            (
                disconnected(None),
                r#"{"event":"disconnected","reason":"why","retry_in_ms":null}"#,
            ),
            (
                Line::ConnectError {
                    message: "no",
                    data: print_json("{\"code\":\n1}"),
                },
                r#"{"event":"connect_error","message":"no","data":{"code":1}}"#,
            ),
            (
                Line::ConnectError {
                    message: "no",
                    data: None,
                },
                r#"{"event":"connect_error","message":"no","data":null}"#,
            ),
            (
                Line::Upgraded {
                    transport: Transport::WebSocket.name(),
                },
                r#"{"event":"upgraded","transport":"websocket"}"#,
            ),
            (
                Line::Error { message: "m" },
                r#"{"event":"error","message":"m"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&line).unwrap(), expected);
        }
    }
}
