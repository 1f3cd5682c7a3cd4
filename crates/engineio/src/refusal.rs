//! The server's error answers, as a typed value.

use std::fmt;

use serde::Deserialize;

/// Why the server refused a request, from its error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 0: the transport is unknown, or switched off on the server.
    TransportUnknown,
    /// 1: no such session: it has ended, or the request reached another backend.
    SessionUnknown,
    /// 2: a session must be opened by a GET.
    BadHandshakeMethod,
    /// 3: anything else that the server did not like, such as polling on an upgraded session.
    BadRequest,
    /// 4: the server's own check said no.
    Forbidden,
    /// 5: the server does not speak this revision.
    UnsupportedVersion,
    /// A code that the reference server does not have.
    Other(i64),
}

/// Every code of the reference server with the text that stands for it on WebSocket handshakes.
const CODES: [(i64, ErrorCode, &str); 6] = [
    (0, ErrorCode::TransportUnknown, "Transport unknown"),
    (1, ErrorCode::SessionUnknown, "Session ID unknown"),
    (2, ErrorCode::BadHandshakeMethod, "Bad handshake method"),
    (3, ErrorCode::BadRequest, "Bad request"),
    (4, ErrorCode::Forbidden, "Forbidden"),
    (
        5,
        ErrorCode::UnsupportedVersion,
        "Unsupported protocol version",
    ),
];

/// The server answered, and the answer was no.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What the error body says, where it is one that an Engine.IO server writes.
    pub code: Option<ErrorCode>,
    /// The server's own words: at most 200 characters, control characters removed; empty if it gave none. Where a proxy
    /// may be at fault, it says so behind them.
    pub message: String,
}

const MAX_MESSAGE_CHARS: usize = 200;

#[derive(Deserialize)]
struct Body {
    code: i64,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// Reads an error answer: `{"code":N,"message":"…"}` on HTTP requests, the bare message text on WebSocket
    /// handshakes, or whatever a proxy in between has written.
    #[must_use]
    pub fn new(status: u16, body: &[u8]) -> Self {
        if let Ok(body) = serde_json::from_slice::<Body>(body) {
            let known = CODES.iter().find(|(number, ..)| *number == body.code);
            return Self {
                status,
                code: Some(known.map_or(ErrorCode::Other(body.code), |(_, code, _)| *code)),
                message: readable(&body.message),
            };
        }
        let text = String::from_utf8_lossy(body);
        let code = CODES.iter().find(|(.., message)| *message == text.trim());
        // A page of HTML helps nobody.
        let message = if text.trim_start().starts_with('<') {
            String::new()
        } else {
            readable(&text)
        };
        Self {
            status,
            code: code.map(|(_, code, _)| *code),
            message,
        }
    }

    /// Recognises an HTTP answer inside a WebSocket stream.
    ///
    /// The reference server accepts a WebSocket handshake of a revision that it does not speak with `101`, and then
    /// writes `HTTP/1.1 400 Bad Request…` as plain text into the stream. As a frame, its first byte `H` has RSV1 set
    /// and opcode 8, which no server sends.
    #[must_use]
    pub fn from_http_inside_websocket(bytes: &[u8]) -> Option<Self> {
        let (status, body) = http_inside_websocket(bytes)?;
        Some(Self::new(status, body.as_bytes()))
    }

    /// Whether trying again can help without a change on the caller's side: the session was lost, or the server (or
    /// what stands before it) is in trouble.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.code {
            Some(ErrorCode::SessionUnknown) => true,
            Some(_) => false,
            None => matches!(self.status, 408 | 425 | 429 | 500..=599),
        }
    }
}

/// The status and the body of an HTTP answer inside a WebSocket stream.
pub(crate) fn http_inside_websocket(bytes: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"HTTP/1.")?);
    let status = text.split(' ').nth(1)?.get(..3)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}

/// An error body with other words, but for those that every server says: they mean what they mean, and its code stays.
#[cfg(feature = "client")]
pub(crate) fn reworded(body: &[u8], words: impl Fn(&str) -> String) -> String {
    let text = String::from_utf8_lossy(body);
    if CODES.iter().any(|(.., message)| *message == text.trim()) {
        return text.into_owned();
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(Body { code, message }) => {
            let is_own = CODES.iter().all(|(.., known)| *known != message);
            let message = if is_own { words(&message) } else { message };
            serde_json::json!({ "code": code, "message": message }).to_string()
        }
        Err(_) => words(&text),
    }
}

fn readable(text: &str) -> String {
    let text = text.trim().chars().filter(|c| !c.is_control());
    text.take(MAX_MESSAGE_CHARS).collect()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered HTTP {}", self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_bodies_and_bare_texts_give_the_same_code() {
        for (number, code, text) in CODES {
            let json = Refusal::new(
                400,
                format!(r#"{{"code":{number},"message":"{text}"}}"#).as_bytes(),
            );
            assert_eq!(
                json,
                Refusal {
                    status: 400,
                    code: Some(code),
                    message: text.into()
                }
            );
            assert_eq!(Refusal::new(400, text.as_bytes()), json);
        }
    }

    #[test]
    fn answers_of_others_keep_their_status() {
        assert_eq!(Refusal::new(413, b"").code, None);
        assert_eq!(Refusal::new(502, b"<html>no</html>").message, "");
        assert_eq!(
            Refusal::new(400, br#"{"code":9,"message":"x"}"#).code,
            Some(ErrorCode::Other(9))
        );
        assert_eq!(
            Refusal::new(403, br#"{"code":4,"message":"my own"}"#).message,
            "my own"
        );
    }

    #[test]
    fn messages_are_short_and_printable() {
        let refusal = Refusal::new(400, format!("a\u{7}\n{}", "b".repeat(1000)).as_bytes());
        assert_eq!(refusal.message.len(), MAX_MESSAGE_CHARS);
        assert!(refusal.message.starts_with("ab"));
    }

    #[test]
    fn http_text_behind_a_101_is_recognised() {
        let stream = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\nContent-Length: 28\r\n\r\nUnsupported protocol version";
        let refusal = Refusal::from_http_inside_websocket(stream).unwrap();
        assert_eq!(refusal.status, 400);
        assert_eq!(refusal.code, Some(ErrorCode::UnsupportedVersion));
        // The first segment may end anywhere behind the status.
        assert_eq!(
            Refusal::from_http_inside_websocket(b"HTTP/1.1 400")
                .unwrap()
                .status,
            400
        );
        for other in [&b""[..], b"H", b"HTTP/1.1 ", b"\x81\x01", b"HTTP/1.1 xyz"] {
            assert_eq!(Refusal::from_http_inside_websocket(other), None);
        }
    }
}
