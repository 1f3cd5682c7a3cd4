//! What a request carries and an error must not show: servers repeat a request in their answers.

use bytes::Bytes;

use crate::handshake::Sid;

/// The query and session id of one request.
pub(super) struct Secrets(Vec<String>);

/// Shorter values are no credentials, and would be found everywhere.
const LEAST_LENGTH: usize = 4;

impl Secrets {
    pub(super) fn new(query: Option<&str>, sid: Option<&Sid>) -> Self {
        let mut secrets = Vec::new();
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
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The body of an error answer without them.
    pub(super) fn remove_from(&self, body: &Bytes) -> Bytes {
        let mut text = String::from_utf8_lossy(body).into_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "[redacted]");
            }
        }
        text.into()
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
        let secrets = Secrets::new(Some("token=ab%2Bcd%3D&x=1&flagged&key=a+b%2Fc"), Some(&sid));
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
            ("Session ID unknown", "Session ID unknown"),
        ] {
            assert_eq!(secrets.remove_from(&Bytes::from(body)), clean);
        }
        assert_eq!(
            Secrets::new(None, None).remove_from(&Bytes::from("as it is")),
            "as it is"
        );
    }
}
