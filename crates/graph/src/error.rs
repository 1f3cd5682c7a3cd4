//! Why Microsoft Graph gave no notification URL.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::notification_url::NotificationUrlError;
use crate::text;

/// How deep `innerError` objects are followed. The service nests two.
const MAX_INNER_ERRORS: usize = 8;

/// Why a Graph request failed.
///
/// Which variant it is depends on the status and the `code` of the answer, never on its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// `401`: the token is not, or no longer, valid. A watch asks for a fresh token once.
    #[error("Microsoft Graph does not accept the access token: {0}")]
    Unauthorized(ErrorAnswer),
    /// `403`: the token is valid and does not permit this.
    #[error(
        "Microsoft Graph forbids this: {0}. The token needs the delegated permission Files.Read \
         (or Files.ReadWrite, Files.ReadWrite.All; for a work or school account also \
         Sites.ReadWrite.All); application permissions (app-only tokens) are not supported"
    )]
    Forbidden(ErrorAnswer),
    /// `404`: no such drive, list, site or group, or the token may not see it.
    #[error("Microsoft Graph does not find the resource: {0}")]
    NotFound(ErrorAnswer),
    /// Code `notSupported`: some users get it for their own drive's `/me/drive` path.
    #[error(
        "Microsoft Graph does not support notifications for this path: {0}. The form that works \
         for everyone is /drives/{{id}}; ask GET /me/drive for the id"
    )]
    NotSupported(ErrorAnswer),
    /// `429`: too many requests.
    #[error("Microsoft Graph throttles requests: {answer}")]
    Throttled {
        /// What the service said.
        answer: ErrorAnswer,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// `503`: the service is not available.
    #[error("Microsoft Graph is not available: {answer}")]
    Unavailable {
        /// What the service said.
        answer: ErrorAnswer,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Any other `5xx`.
    #[error("Microsoft Graph failed: {answer}")]
    Server {
        /// What the service said.
        answer: ErrorAnswer,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Any other `4xx`.
    #[error("Microsoft Graph refuses the request: {0}")]
    Rejected(ErrorAnswer),
    /// A redirect, which is not followed: the token goes to no other place than the one asked for.
    #[error(
        "the answer is a redirect (HTTP status {status}), which is not followed; is the Graph base URL right?"
    )]
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// The request got no complete answer.
    #[error(transparent)]
    Transport(#[from] TransportFailure),
    /// The answer is a success and of no use.
    #[error(transparent)]
    BadAnswer(#[from] BadAnswer),
}

impl GraphError {
    /// The error for an HTTP answer that is no success.
    ///
    /// `secrets` are cut out of what the answer says; `retry_after` is the parsed header.
    pub(crate) fn from_answer(
        status: u16,
        body: &[u8],
        request_id_header: Option<&str>,
        retry_after: Option<Duration>,
        secrets: &[&str],
    ) -> Self {
        let answer = ErrorAnswer::read(status, body, request_id_header, secrets);
        match status {
            300..=399 => Self::Redirected { status },
            401 => Self::Unauthorized(answer),
            403 => Self::Forbidden(answer),
            404 => Self::NotFound(answer),
            400 | 501 if answer.has_code("notSupported") => Self::NotSupported(answer),
            429 => Self::Throttled {
                answer,
                retry_after,
            },
            503 => Self::Unavailable {
                answer,
                retry_after,
            },
            500..=599 => Self::Server {
                answer,
                retry_after,
            },
            _ => Self::Rejected(answer),
        }
    }

    /// Whether the same request may succeed later.
    ///
    /// True for `notSupported`, throttling, `5xx`, `408`, `409`, `423`, `425`, and transport
    /// failures.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotSupported(_)
            | Self::Throttled { .. }
            | Self::Unavailable { .. }
            | Self::Server { .. }
            | Self::Transport(_) => true,
            Self::Rejected(answer) => matches!(answer.status, 408 | 409 | 423 | 425),
            Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::Redirected { .. }
            | Self::BadAnswer(_) => false,
        }
    }

    /// How long the service asks to wait before the next request, if it said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. }
            | Self::Unavailable { retry_after, .. }
            | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What the service said, if there was an answer with an error status.
    #[must_use]
    pub fn answer(&self) -> Option<&ErrorAnswer> {
        match self {
            Self::Unauthorized(answer)
            | Self::Forbidden(answer)
            | Self::NotFound(answer)
            | Self::NotSupported(answer)
            | Self::Rejected(answer)
            | Self::Throttled { answer, .. }
            | Self::Unavailable { answer, .. }
            | Self::Server { answer, .. } => Some(answer),
            Self::Redirected { .. } | Self::Transport(_) | Self::BadAnswer(_) => None,
        }
    }
}

/// What the service said along with an error status.
///
/// The texts come from the peer: each is one line of at most 300 characters, without control
/// characters, and with the token cut out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The error's `code`, for programs. The most general one: that of the outermost error.
    pub code: Option<String>,
    /// The error's `message`, for people.
    pub message: Option<String>,
    /// The id of the request, which Microsoft's support asks for.
    pub request_id: Option<String>,
}

impl ErrorAnswer {
    /// Reads `{"error":{"code","message","innerError":{"request-id",…}}}`, as far as it is that.
    fn read(status: u16, body: &[u8], request_id: Option<&str>, secrets: &[&str]) -> Self {
        let body: Option<Value> = serde_json::from_slice(body).ok();
        let error = body
            .as_ref()
            .and_then(|body| body.get("error")?.as_object());
        let show = |text: &str| {
            let text = text::clean(text, secrets);
            (!text.is_empty()).then_some(text)
        };
        let field = |name| show(error?.get(name)?.as_str()?);
        Self {
            status,
            code: field("code"),
            message: field("message"),
            request_id: error
                .and_then(find_request_id)
                .or(request_id)
                .and_then(show),
        }
    }

    fn has_code(&self, code: &str) -> bool {
        self.code
            .as_deref()
            .is_some_and(|own| own.eq_ignore_ascii_case(code))
    }
}

/// `innerError` is spelled in two ways, and nests.
fn find_request_id(error: &Map<String, Value>) -> Option<&str> {
    let mut error = error;
    for _ in 0..MAX_INNER_ERRORS {
        if let Some(id) = error.get("request-id").and_then(Value::as_str) {
            return Some(id);
        }
        error = error
            .get("innerError")
            .or_else(|| error.get("innererror"))?
            .as_object()?;
    }
    None
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", code {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ", \"{message}\"")?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, ", request-id {request_id}")?;
        }
        Ok(())
    }
}

/// The HTTP exchange with Graph broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
#[non_exhaustive]
pub struct TransportFailure {
    /// Where it broke.
    pub kind: TransportFailureKind,
    /// What the HTTP stack says about it, without the URL.
    pub message: String,
}

/// Where an HTTP exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportFailureKind {
    /// No connection: name resolution, TCP, TLS or a proxy failed.
    Connect,
    /// No complete answer within the request timeout.
    Timeout,
    /// The answer broke off, or is not HTTP.
    Exchange,
}

impl fmt::Display for TransportFailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "Microsoft Graph cannot be reached",
            Self::Timeout => "Microsoft Graph did not answer in time",
            Self::Exchange => "the answer of Microsoft Graph broke off or is not HTTP",
        })
    }
}

/// Why a success answer is of no use. Never contains the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadAnswer {
    /// The body is longer than the limit.
    #[error("the answer of Microsoft Graph is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not a JSON object.
    #[error("the answer of Microsoft Graph is not a JSON object; is the Graph base URL right?")]
    NotJson,
    /// There is no `notificationUrl`, or it is not a string.
    #[error("the answer of Microsoft Graph has no notificationUrl")]
    NoNotificationUrl,
    /// The `notificationUrl` cannot be used.
    #[error("the answer of Microsoft Graph has an unusable notificationUrl: {0}")]
    Url(#[from] NotificationUrlError),
}

/// The value of a `Retry-After` header: seconds, or an HTTP date, of which a past one means now.
///
/// RFC 9110, section 10.2.3. Anything else is no value.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> GraphError {
        let wait = Some(Duration::from_secs(7));
        GraphError::from_answer(
            status,
            body.as_bytes(),
            Some("from-header"),
            wait,
            &["PLANTED"],
        )
    }

    #[test]
    fn the_variant_follows_status_and_code() {
        let body = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
        let rows: [(u16, &str, bool, &str); 18] = [
            (401, "InvalidAuthenticationToken", false, "Unauthorized"),
            (403, "accessDenied", false, "Forbidden"),
            (403, "notSupported", false, "Forbidden"),
            (404, "itemNotFound", false, "NotFound"),
            (400, "notSupported", true, "NotSupported"),
            (501, "notSupported", true, "NotSupported"),
            (400, "invalidRequest", false, "Rejected"),
            (408, "", true, "Rejected"),
            (409, "", true, "Rejected"),
            (410, "", false, "Rejected"),
            (423, "", true, "Rejected"),
            (429, "activityLimitReached", true, "Throttled"),
            (500, "generalException", true, "Server"),
            (501, "", true, "Server"),
            (503, "serviceNotAvailable", true, "Unavailable"),
            (504, "notSupported", true, "Server"),
            (302, "", false, "Redirected"),
            (304, "", false, "Redirected"),
        ];
        for (status, code, retryable, variant) in rows {
            let error = error(status, &body(code));
            assert_eq!(error.is_retryable(), retryable, "{status} {code}");
            let name = format!("{error:?}");
            assert!(name.starts_with(variant), "{status} {code}: {name}");
            let waits = matches!(status, 429 | 500..=599) && variant != "NotSupported";
            assert_eq!(error.retry_after().is_some(), waits, "{status} {code}");
        }
        // The message says one thing and the code another: the code counts.
        let misleading = r#"{"error":{"code":"invalidRequest","message":"notSupported"}}"#;
        assert!(matches!(error(400, misleading), GraphError::Rejected(_)));
    }

    #[test]
    fn messages_tell_what_to_do() {
        let forbidden = error(403, "").to_string();
        for permission in [
            "Files.Read ",
            "Files.ReadWrite,",
            "Files.ReadWrite.All",
            "Sites.ReadWrite.All",
            "app-only",
        ] {
            assert!(forbidden.contains(permission), "{forbidden}");
        }
        let unsupported = error(400, r#"{"error":{"code":"notSupported"}}"#).to_string();
        assert!(unsupported.contains("/drives/{id}"), "{unsupported}");
    }

    #[test]
    fn the_request_id_is_found_wherever_it_is() {
        let rows = [
            (r#"{"error":{"innerError":{"request-id":"a"}}}"#, "a"),
            (r#"{"error":{"innererror":{"request-id":"b"}}}"#, "b"),
            (
                r#"{"error":{"innerError":{"code":"x","innererror":{"innerError":{"request-id":"c"}}}}}"#,
                "c",
            ),
            (
                r#"{"error":{"innerError":{"request-id":5}}}"#,
                "from-header",
            ),
            (r#"{"error":{"innerError":[]}}"#, "from-header"),
            (r#"{"error":"text"}"#, "from-header"),
            ("[]", "from-header"),
            ("<html>", "from-header"),
            ("", "from-header"),
        ];
        for (body, expected) in rows {
            let error = error(500, body);
            let id = error.answer().unwrap().request_id.as_deref();
            assert_eq!(id, Some(expected), "{body}");
        }
    }

    #[test]
    fn texts_of_the_peer_are_tamed() {
        let body = serde_json::json!({"error": {
            "code": "x\u{1b}[2Jy PLANTED",
            "message": format!("PLANTED\n{}", "m".repeat(10_000)),
            "innerError": {"request-id": "PLANTED\r\nid"},
        }});
        let error = error(500, &body.to_string());
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("PLANTED"), "{shown}");
        assert!(!shown.contains(|c: char| c.is_control()), "{shown:?}");
        assert!(shown.len() < 2000, "{}", shown.len());
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let seconds = |n| Some(Duration::from_secs(n));
        let rows = [
            ("0", seconds(0)),
            ("120", seconds(120)),
            (" 5 ", seconds(5)),
            ("99999999999999999999999", seconds(u64::MAX)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", seconds(120)),
            ("Sunday, 06-Nov-94 08:49:38 GMT", seconds(1)),
            ("Sun Nov  6 08:49:39 1994", seconds(2)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("-1", None),
            ("1.5", None),
            ("+3", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in rows {
            assert_eq!(parse_retry_after(value, now), expected, "{value:?}");
        }
    }

    #[test]
    fn errors_stay_small() {
        assert!(
            size_of::<GraphError>() <= 112,
            "{}",
            size_of::<GraphError>()
        );
    }
}
