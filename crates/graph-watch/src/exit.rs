//! How a run ends: an exit status, one sentence that says what happened, and one line that says what to do next.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use graph_notifications::{
    BadAnswer, BaseUrlError, ConnectionError, DeltaError, ErrorCode, GraphError, LoginError,
    NotificationUrlError, ResourceError, SendError, TokenError, WatchError,
};

/// The exit statuses; `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Internal = 1,
    // 2 is the command line parser's.
    BadInput = 3,
    NoToken = 4,
    Refused = 5,
    NotFound = 6,
    NoConnection = 7,
    BadAnswer = 8,
    TimedOut = 9,
    UrlRefused = 10,
    Busy = 11,
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
        next: String,
    },
    /// Ctrl-C or SIGTERM: whoever sent it knows.
    Interrupted(Status),
    /// Standard output was closed by its reader, which is a normal way to end.
    ReaderGone,
}

impl Failure {
    pub(crate) fn new(status: Status, what: impl fmt::Display, next: impl Into<String>) -> Self {
        Self::Told {
            status,
            what: what.to_string(),
            next: next.into(),
        }
    }

    pub(crate) fn token(what: impl fmt::Display) -> Self {
        let next = "put a delegated access token for Microsoft Graph there, or name another source with --token-env, \
                    --token-file or --token-command, or sign in with --login";
        Self::new(Status::NoToken, what, next)
    }

    /// `last` is what was wrong at the time, if there was no connection.
    pub(crate) fn timed_out(timeout: Duration, notifications: u64, last: Option<&str>) -> Self {
        let seconds = timeout.as_secs();
        let mut what =
            format!("the timeout of {seconds} s is over after {notifications} notifications");
        if let Some(last) = last {
            what.push_str(", and there is no connection: ");
            what.push_str(last);
        }
        let next = match last {
            Some(_) => "see to the connection, or allow more time with --timeout",
            None => "allow more time with --timeout, or ask for less with --count",
        };
        Self::new(Status::TimedOut, what, next)
    }

    /// Says on standard error what there is to say.
    pub(crate) fn report(self) -> ExitCode {
        let (status, what, next) = match self {
            Self::Told { status, what, next } => (status, what, next),
            Self::Interrupted(status) => return ExitCode::from(status as u8),
            Self::ReaderGone => return ExitCode::SUCCESS,
        };
        let text = format!(
            "graph-watch: {}\nnext: {}\n",
            one_line(&what),
            one_line(&next)
        );
        // When even standard error is gone, the status is all that is left to say.
        io::stderr().lock().write_all(text.as_bytes()).ok();
        ExitCode::from(status as u8)
    }
}

/// Errors come from peers and files, too: nothing in them may move a terminal's cursor.
pub(crate) fn one_line(text: &str) -> String {
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
        Self::new(
            Status::Internal,
            what,
            "check where standard output goes, and that there is room",
        )
    }
}

impl From<NotificationUrlError> for Failure {
    fn from(error: NotificationUrlError) -> Self {
        let next = match error {
            NotificationUrlError::NotHttps => {
                "give the https URL that Graph returned; plain http is for this machine alone, and needs --allow-http"
            }
            NotificationUrlError::NoCallback => "leave out --recipe split",
            NotificationUrlError::CallbackTwice => {
                "give the URL once, exactly as Graph returned it"
            }
            _ => {
                "give the notificationUrl exactly as Graph returned it, in quotes, or on standard input with -"
            }
        };
        Self::new(Status::BadInput, error, next)
    }
}

impl From<BaseUrlError> for Failure {
    fn from(error: BaseUrlError) -> Self {
        let next = match error {
            BaseUrlError::NotHttps => {
                "use https; plain http is for this machine alone, and needs --allow-http"
            }
            _ => "give --graph-url a URL such as https://graph.microsoft.us",
        };
        Self::new(Status::BadInput, error, next)
    }
}

impl From<ResourceError> for Failure {
    fn from(error: ResourceError) -> Self {
        let next = "give the identifier exactly as Graph shows it, in quotes";
        Self::new(Status::BadInput, error, next)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::token(error)
    }
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        let (status, next) = match &error {
            LoginError::Setting { .. } => (
                Status::BadInput,
                "check --login, --tenant and --login-scope; a --graph-url that is none of Microsoft's needs --login-url",
            ),
            LoginError::Declined => (
                Status::NoToken,
                "run it again, and accept what the page asks for",
            ),
            LoginError::Expired => (
                Status::NoToken,
                "run it again, and enter the code while it is good, usually for 15 minutes",
            ),
            LoginError::Refused(_) => (
                Status::NoToken,
                "check --login, --tenant and --login-scope, and that the app registration allows public client flows",
            ),
            LoginError::Transport { .. } => (
                Status::NoConnection,
                "check the network, --login-url, --proxy and --ca-file, then try again",
            ),
            LoginError::Busy { .. } => (Status::Busy, "try again later"),
            LoginError::Redirected { .. } | LoginError::Protocol(_) => (
                Status::BadAnswer,
                "check --login-url, and that no sign-in page of the network stands in between",
            ),
            LoginError::Http(_) => return Self::internal(error),
            _ => (Status::NoToken, "run it again, and sign in anew"),
        };
        Self::new(status, error, next)
    }
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        let (status, next) = match &error {
            GraphError::Unauthorized(_) => (
                Status::Refused,
                "get a new access token for the resource https://graph.microsoft.com and try again",
            ),
            GraphError::Forbidden(_) => (
                Status::Refused,
                "sign in as a user with the delegated permission Files.Read and use that token",
            ),
            GraphError::NotFound(_) => (
                Status::NotFound,
                "check the identifier, and that this user can see what it names",
            ),
            GraphError::NotSupported(_) => (
                Status::NotFound,
                "watch the drive by its id, which GET /me/drive tells: graph-watch drive ID; or try again later",
            ),
            GraphError::Throttled { .. }
            | GraphError::Unavailable { .. }
            | GraphError::Server { .. } => (Status::Busy, "try again later"),
            GraphError::Transport(_) => (
                Status::NoConnection,
                "check the network, --graph-url, --proxy and --ca-file, then try again",
            ),
            GraphError::Rejected(_) => (
                Status::BadAnswer,
                "check the resource, and --graph-url if it was given",
            ),
            GraphError::BadAnswer(BadAnswer::Url(NotificationUrlError::NoCallback)) => {
                (Status::BadAnswer, "leave out --recipe split")
            }
            _ => (
                Status::BadAnswer,
                "check --graph-url, and that no sign-in page of the network stands in between",
            ),
        };
        Self::new(status, error, next)
    }
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        let (status, next) = match &error {
            ConnectionError::Refused(refusal)
                if refusal.code == Some(ErrorCode::TransportUnknown) =>
            {
                (
                    Status::UrlRefused,
                    "leave out --transport, as the service takes WebSocket only",
                )
            }
            ConnectionError::Refused(refusal) if refusal.status < 400 => (
                Status::NoConnection,
                "check the URL, and that no sign-in page of the network stands in between",
            ),
            ConnectionError::Refused(_)
            | ConnectionError::NamespaceRefused { .. }
            | ConnectionError::Disconnected => (
                Status::UrlRefused,
                "get a fresh notificationUrl from Graph, as this one has probably expired, and try again",
            ),
            _ => (
                Status::NoConnection,
                "check the network, --proxy, --ca-file and --transport, then try again",
            ),
        };
        Self::new(status, error, next)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Resource(error) => error.into(),
            SendError::Graph(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<WatchError> for Failure {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Resource(error) => error.into(),
            WatchError::Token(error) => error.into(),
            WatchError::Graph(error) => error.into(),
            WatchError::Connection(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<DeltaError> for Failure {
    fn from(error: DeltaError) -> Self {
        match error {
            DeltaError::Resource(error) => error.into(),
            DeltaError::Token(error) => error.into(),
            DeltaError::Graph(error) => error.into(),
            DeltaError::UnsupportedResource => {
                Self::new(Status::BadInput, error, "leave out --changes for this path")
            }
            DeltaError::NoToken | DeltaError::Http(_) => Self::internal(error),
            other => Self::new(
                Status::BadAnswer,
                other,
                "check --graph-url, or leave out --changes",
            ),
        }
    }
}

impl Failure {
    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        Self::new(
            Status::Internal,
            what,
            "try again; if it stays, report it with this text",
        )
    }
}
