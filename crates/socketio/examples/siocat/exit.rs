//! How a run ends: an exit status, one sentence that says what happened, and one line that says what to do next.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use socketio::{ConnectError, DisconnectReason, UrlError};

/// The exit statuses; `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Internal = 1,
    /// The command line parser's, too.
    Usage = 2,
    BadInput = 3,
    Refused = 4,
    NoConnection = 5,
    Disconnected = 6,
    TimedOut = 7,
    /// 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
    /// Likewise for SIGTERM.
    Terminated = 143,
}

/// Why a run did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell.
    Told {
        status: Status,
        what: String,
        next: &'static str,
    },
    /// Ctrl-C or SIGTERM: whoever sent it knows.
    Interrupted(Status),
    /// Standard output was closed by its reader, which is a normal way to end.
    ReaderGone,
}

impl Failure {
    pub(crate) fn new(status: Status, what: impl fmt::Display, next: &'static str) -> Self {
        let what = what.to_string();
        Self::Told { status, what, next }
    }

    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        let next = "try again; if it stays, report it with this text";
        Self::new(Status::Internal, what, next)
    }

    pub(crate) fn timed_out(timeout: Duration, messages: u64) -> Self {
        let what = format!("the timeout of {timeout:?} is over after {messages} messages");
        let next = "allow more time with --timeout, or ask for less with --count";
        Self::new(Status::TimedOut, what, next)
    }

    /// Says on standard error what there is to say.
    pub(crate) fn report(self) -> ExitCode {
        let (status, what, next) = match self {
            Self::Told { status, what, next } => (status, what, next),
            Self::Interrupted(status) => return ExitCode::from(status as u8),
            Self::ReaderGone => return ExitCode::SUCCESS,
        };
        let text = format!("siocat: {}\nnext: {next}\n", one_line(&what));
        // When even standard error is gone, the status is all that is left to say.
        io::stderr().lock().write_all(text.as_bytes()).ok();
        ExitCode::from(status as u8)
    }
}

/// Errors come from peers and files, too: nothing in them may move a terminal's cursor.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl From<io::Error> for Failure {
    /// What went wrong in writing to standard output.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        let what = format!("standard output cannot be written: {error}");
        let next = "check where standard output goes, and that there is room";
        Self::new(Status::Internal, what, next)
    }
}

impl From<UrlError> for Failure {
    fn from(error: UrlError) -> Self {
        ConnectError::from(error).into()
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let (status, next) = match &error {
            ConnectError::Url(_) => (
                Status::BadInput,
                "give a URL such as http://localhost:3000/chat, and check --path and --query",
            ),
            ConnectError::Namespace(_) => (
                Status::BadInput,
                "give a namespace such as /chat, without a comma",
            ),
            ConnectError::Query(_) => (Status::BadInput, "check --query"),
            ConnectError::Http(_) => (Status::BadInput, "check --ca-file and --proxy"),
            ConnectError::Auth(_) | ConnectError::AuthNotAnObject => {
                (Status::Usage, "give --auth a JSON object")
            }
            ConnectError::AuthUnsupported => (
                Status::BadInput,
                "leave out --auth, and give what the server wants in --query",
            ),
            ConnectError::ParserUnsupported => (
                Status::BadInput,
                "leave out --parser, or give --engine-io 4 if the server speaks it",
            ),
            ConnectError::AuthTooLarge { .. } => (Status::BadInput, "give less in --auth"),
            ConnectError::Refused { .. } => (
                Status::Refused,
                "check the namespace, --auth and --query, and ask whoever runs the server",
            ),
            _ => (
                Status::NoConnection,
                "check that the server runs, the URL, --path, --transport, --engine-io, --parser, --proxy and --ca-file",
            ),
        };
        Self::new(status, error, next)
    }
}

impl From<DisconnectReason> for Failure {
    fn from(reason: DisconnectReason) -> Self {
        let (status, next) = match reason {
            DisconnectReason::ServerDisconnect => (
                Status::Disconnected,
                "ask whoever runs the server why, or connect again",
            ),
            DisconnectReason::Refused { .. } => (
                Status::Refused,
                "check the namespace, --auth and --query, and ask whoever runs the server",
            ),
            _ => (
                Status::NoConnection,
                "connect again, or leave out --no-reconnect",
            ),
        };
        Self::new(status, reason, next)
    }
}

#[cfg(test)]
mod tests {
    use socketio::engineio::CloseReason;

    use super::*;

    #[test]
    fn each_end_has_its_status() {
        let refused = || ConnectError::Refused {
            message: "m".into(),
            data: None,
        };
        for (failure, expected) in [
            (Failure::from(ConnectError::Url(UrlError::NoHost)), 3),
            (refused().into(), 4),
            (ConnectError::Timeout.into(), 5),
            (ConnectError::Engine(CloseReason::PingTimeout).into(), 5),
            (ConnectError::AuthNotAnObject.into(), 2),
            (ConnectError::ParserUnsupported.into(), 3),
            (DisconnectReason::ServerDisconnect.into(), 6),
            (DisconnectReason::ConnectTimeout.into(), 5),
            (Failure::timed_out(Duration::from_secs(1), 0), 7),
            (Failure::internal("x"), 1),
            (io::Error::from(io::ErrorKind::StorageFull).into(), 1),
        ] {
            let Failure::Told { status, .. } = failure else {
                panic!("{failure:?}")
            };
            assert_eq!(status as u8, expected);
        }
        let lost = ConnectError::Engine(CloseReason::Remote { code: None });
        let Failure::Told { next, .. } = Failure::from(lost) else {
            panic!("there is nothing to tell")
        };
        // The server hangs up on packets in another format.
        assert!(next.contains("--parser"), "{next}");
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::from(gone), Failure::ReaderGone));
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(one_line("a\u{1b}[2J\nb\u{9b}c"), "a [2J b c");
    }
}
