//! The ways in which a Graph request can go wrong on purpose.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What the next Graph request gets in place of an answer; see [`Control::fail_next`](crate::Control::fail_next).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum GraphFailure {
    /// `400` with code `notSupported`, as `/me/drive` answers to some business users.
    NotSupported,
    /// `401` with code `InvalidAuthenticationToken`.
    Unauthorized,
    /// `403` with code `accessDenied`.
    Forbidden,
    /// `404` with code `itemNotFound`.
    NotFound,
    /// `429` with code `activityLimitReached`.
    TooManyRequests {
        /// The `Retry-After` header; `None` leaves it out.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// `503` with code `serviceNotAvailable`.
    Unavailable {
        /// The `Retry-After` header; `None` leaves it out.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// Any other status, with a Graph error body of code `generalException`.
    Status {
        /// The status; one that HTTP does not know becomes 500.
        status: u16,
    },
    /// `200` with a page of HTML.
    NotJson,
    /// `200` with an answer that has no `notificationUrl`.
    NoNotificationUrl,
    /// `200` with this `notificationUrl`, whatever it is.
    NotificationUrl {
        /// The URL.
        url: String,
    },
    /// `200` with a JSON body of about this many bytes.
    HugeBody {
        /// Its size; 10 MB in the field report this imitates.
        bytes: usize,
    },
    /// No answer, ever; the connection stays open.
    Hang,
}

/// A `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryAfter {
    /// As a number of seconds.
    Seconds(u64),
    /// As the HTTP date that many seconds from now.
    DateIn(u64),
}

impl RetryAfter {
    fn header(self) -> HeaderValue {
        match self {
            Self::Seconds(seconds) => HeaderValue::from(seconds),
            Self::DateIn(seconds) => {
                let now = std::time::SystemTime::from(jiff::Timestamp::now());
                // A century is as good as for ever, and keeps the date one that HTTP can write.
                let seconds = seconds.min(100 * 365 * 86_400);
                let date = httpdate::fmt_http_date(now + Duration::from_secs(seconds));
                HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static("0"))
            }
        }
    }
}

impl GraphFailure {
    pub(crate) async fn respond(self) -> Response {
        match self {
            Self::NotSupported => error(
                StatusCode::BAD_REQUEST,
                "notSupported",
                "The specified operation is not supported.",
            ),
            Self::Unauthorized => unauthorized(),
            Self::Forbidden => error(StatusCode::FORBIDDEN, "accessDenied", "Access denied"),
            Self::NotFound => not_found(),
            Self::TooManyRequests { retry_after } => with_retry_after(
                error(
                    StatusCode::TOO_MANY_REQUESTS,
                    "activityLimitReached",
                    "Too many requests.",
                ),
                retry_after,
            ),
            Self::Unavailable { retry_after } => with_retry_after(
                error(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "serviceNotAvailable",
                    "The service is not available.",
                ),
                retry_after,
            ),
            Self::Status { status } => error(
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                "generalException",
                "Something went wrong.",
            ),
            Self::NotJson => (
                [(header::CONTENT_TYPE, "text/html")],
                "<html><body>Sign in to this network</body></html>",
            )
                .into_response(),
            Self::NoNotificationUrl => Json(json!({ "id": "no-url" })).into_response(),
            Self::NotificationUrl { url } => {
                Json(json!({ "id": "given-url", "notificationUrl": url })).into_response()
            }
            Self::HugeBody { bytes } => (
                [(header::CONTENT_TYPE, "application/json")],
                Body::from(format!(
                    r#"{{"id":"huge","padding":"{}"}}"#,
                    "x".repeat(bytes)
                )),
            )
                .into_response(),
            Self::Hang => std::future::pending().await,
        }
    }
}

pub(crate) fn unauthorized() -> Response {
    let mut response = error(
        StatusCode::UNAUTHORIZED,
        "InvalidAuthenticationToken",
        "Access token is empty, expired or not meant for this emulator.",
    );
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub(crate) fn not_found() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "itemNotFound",
        "The resource could not be found.",
    )
}

/// A Graph error body: the code is the part that programs read, the request id the part that support asks for.
pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let request_id = guid();
    let body = json!({
        "error": {
            "code": code,
            "message": message,
            "innerError": {
                "date": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": request_id,
                "client-request-id": request_id,
            }
        }
    });
    let mut response = (status, Json(body)).into_response();
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

fn with_retry_after(mut response: Response, retry_after: Option<RetryAfter>) -> Response {
    if let Some(retry_after) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, retry_after.header());
    }
    response
}

/// A random identifier in the usual 8-4-4-4-12 shape.
pub(crate) fn guid() -> String {
    let bits = fastrand::u128(..);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        (bits >> 96) as u32,
        (bits >> 80) as u16,
        (bits >> 64) as u16,
        (bits >> 48) as u16,
        bits & 0xffff_ffff_ffff
    )
}
