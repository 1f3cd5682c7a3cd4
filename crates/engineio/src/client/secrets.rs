//! What a request carries and an error must not show: servers repeat a request in their answers.

use ::http::header::{AUTHORIZATION, COOKIE, HeaderMap};
use bytes::Bytes;
use serde_json::Value;

use crate::handshake::Sid;

/// The query, session id and credentials of one request.
pub(super) struct Secrets(Vec<String>);

/// Shorter values are no credentials, and would be found everywhere.
const LEAST_LENGTH: usize = 4;

impl Secrets {
    pub(super) fn new(
        query: Option<&str>,
        sid: Option<&Sid>,
        others: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut secrets: Vec<_> = others.into_iter().collect();
        if let Some(query) = query {
            secrets.push(query.to_owned());
            for pair in query.split('&') {
                let value = pair.split_once('=').map_or(pair, |(_, value)| value);
                // A server shows the value as it came, or as it has read it.
                secrets.push(value.to_owned());
                // For a form decoder `+` is a space, for others it is itself.
                for pair in [pair.to_owned(), pair.replace('+', "%2B")] {
                    let pairs = url::form_urlencoded::parse(pair.as_bytes());
                    secrets.extend(pairs.map(|(_, value)| value.into_owned()));
                }
            }
        }
        secrets.extend(sid.map(|sid| sid.expose().to_owned()));
        secrets.retain(|secret| secret.len() >= LEAST_LENGTH);
        // What contains another one goes first.
        secrets.sort_by(|one, other| (other.len(), other).cmp(&(one.len(), one)));
        secrets.dedup();
        Self(secrets)
    }

    /// The credentials in a caller's headers.
    pub(super) fn in_headers(headers: &HeaderMap) -> impl Iterator<Item = String> {
        let text = |name| headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        // What follows the scheme, `Bearer`.
        let tokens = text(AUTHORIZATION).filter_map(|value| value.split_once(' '));
        let cookies = text(COOKIE).flat_map(|value| value.split(';'));
        let values = cookies.filter_map(|pair| pair.split_once('='));
        let secrets = tokens.chain(values);
        secrets.map(|(_, secret)| secret.trim().to_owned())
    }

    /// The body of an error answer without them.
    pub(super) fn remove_from(&self, body: &Bytes) -> Bytes {
        let text = self.cut(&String::from_utf8_lossy(body));
        // JSON has several forms of a character, and encoders that write `+` as `\u002b` and `/` as `\/`.
        if text.contains('\\')
            && let Ok(mut json) = serde_json::from_str(&text)
            && self.cut_from_json(&mut json)
        {
            return json.to_string().into();
        }
        text.into()
    }

    /// Whether there was something to cut out.
    fn cut_from_json(&self, json: &mut Value) -> bool {
        let mut found = false;
        match json {
            Value::String(text) => {
                let clean = self.cut(text);
                found = clean != *text;
                *text = clean;
            }
            Value::Array(items) => {
                for item in items {
                    found |= self.cut_from_json(item);
                }
            }
            Value::Object(members) => {
                let clean = std::mem::take(members).into_iter().map(|(key, mut value)| {
                    let clean = self.cut(&key);
                    found |= clean != key;
                    found |= self.cut_from_json(&mut value);
                    (clean, value)
                });
                let clean = clean.collect();
                *members = clean;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        found
    }

    /// What stands in place of a secret is not searched for others: cookies are values of the server's choice, which
    /// could make it grow without end.
    fn cut(&self, text: &str) -> String {
        let mut kept = vec![text];
        for secret in &self.0 {
            if kept.iter().any(|piece| piece.contains(secret.as_str())) {
                let pieces = kept.into_iter();
                kept = pieces.flat_map(|piece| piece.split(secret)).collect();
            }
        }
        kept.join("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Handshake;

    #[test]
    fn what_was_sent_does_not_come_back() {
        let json = r#"{"sid":"SESSION","pingInterval":1,"pingTimeout":1}"#;
        let sid = Handshake::parse(json).unwrap().sid;
        let secrets = Secrets::new(
            Some("token=ab%2Bcd%3D&x=1&flagged&key=a+b%2Fc"),
            Some(&sid),
            ["cookie-value".into()],
        );
        for (body, clean) in [
            (
                "GET /?token=ab%2Bcd%3D&x=1&flagged&key=a+b%2Fc&EIO=4",
                "GET /?[redacted]&EIO=4",
            ),
            ("bad token ab+cd=", "bad token [redacted]"),
            ("bad token ab%2Bcd%3D", "bad token [redacted]"),
            ("no flagged here, 1", "no [redacted] here, 1"),
            ("bad key a+b/c", "bad key [redacted]"),
            ("bad key a b/c", "bad key [redacted]"),
            ("unknown SESSION", "unknown [redacted]"),
            ("Cookie: a=cookie-value", "Cookie: a=[redacted]"),
            ("Session ID unknown", "Session ID unknown"),
            (
                r#"{"code":3,"message":"bad token ab\u002bcd\u003D"}"#,
                r#"{"code":3,"message":"bad token [redacted]"}"#,
            ),
            (
                r#"{"errors":["C:\\", {"a+b\/c":0}]}"#,
                r#"{"errors":["C:\\",{"[redacted]":0}]}"#,
            ),
            (
                r#"{"code":3, "message":"\u0041"}"#,
                r#"{"code":3, "message":"\u0041"}"#,
            ),
        ] {
            assert_eq!(secrets.remove_from(&Bytes::from(body)), clean);
        }
        assert_eq!(
            Secrets::new(None, None, []).remove_from(&Bytes::from("as it is")),
            "as it is"
        );
    }

    #[test]
    fn a_server_cannot_make_what_stands_for_a_secret_grow() {
        let cookies = ["aaaa", "redacted", "[redacted", "dact", "acted]"].map(String::from);
        let secrets = Secrets::new(None, None, cookies);
        let clean = secrets.remove_from(&Bytes::from("aaaa-aaaaaaaa"));
        assert_eq!(clean, "[redacted]-[redacted][redacted]");
    }

    #[test]
    fn credentials_in_headers_are_secrets() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, "Bearer abc.def".parse().unwrap());
        headers.append(COOKIE, "a=cookie1; b=cookie2==".parse().unwrap());
        headers.append("x-other", "x=harmless".parse().unwrap());
        let found: Vec<_> = Secrets::in_headers(&headers).collect();
        assert_eq!(found, ["abc.def", "cookie1", "cookie2=="]);
    }
}
