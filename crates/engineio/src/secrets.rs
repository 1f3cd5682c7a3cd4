//! What one side sends and an error must not show: servers repeat a request in their answers.

use std::fmt;

#[cfg(feature = "client")]
use ::http::header::{AUTHORIZATION, COOKIE, HeaderMap, PROXY_AUTHORIZATION};
#[cfg(feature = "client")]
use base64::Engine as _;
#[cfg(feature = "client")]
use base64::engine::general_purpose::STANDARD;
#[cfg(feature = "client")]
use bytes::Bytes;
use serde_json::Value;

#[cfg(feature = "client")]
use crate::refusal::reworded;

/// The credentials that a peer was given, to be cut out of what it says.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// Shorter values are no credentials, and would be found everywhere.
const LEAST_LENGTH: usize = 4;
/// A longer text is not read as JSON: as a value it takes up to a hundred times its size.
const MOST_JSON: usize = 4 * 1024;

impl Secrets {
    /// The values of a query, and others. Those of less than four bytes are left out.
    #[must_use]
    pub fn new(query: Option<&str>, others: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<_> = others.into_iter().collect();
        secrets.extend(query.into_iter().flat_map(Self::in_query));
        secrets.retain(|secret| secret.len() >= LEAST_LENGTH);
        let others: Vec<_> = secrets
            .iter()
            .flat_map(|secret| other_forms(secret))
            .collect();
        secrets.extend(others);
        // What contains another one goes first.
        secrets.sort_by(|one, other| (other.len(), other).cmp(&(one.len(), one)));
        secrets.dedup();
        // They are kept for as long as the connection lasts.
        secrets.shrink_to_fit();
        Self(secrets)
    }

    /// A query, and the values in it: a server shows each as it came, or as it has read it.
    #[must_use]
    pub fn in_query(query: &str) -> Vec<String> {
        let mut secrets = vec![query.to_owned()];
        for pair in query.split('&') {
            let value = pair.split_once('=').map_or(pair, |(_, value)| value);
            secrets.push(value.to_owned());
            // For a form decoder `+` is a space, for others it is itself.
            for pair in [pair.to_owned(), pair.replace('+', "%2B")] {
                let pairs = url::form_urlencoded::parse(pair.as_bytes());
                secrets.extend(pairs.map(|(_, value)| value.into_owned()));
            }
        }
        secrets
    }

    /// The texts in a JSON value, such as the auth payload of a CONNECT.
    pub fn in_json(json: &str) -> Vec<String> {
        fn collect(value: Value, texts: &mut Vec<String>) {
            match value {
                Value::String(text) => texts.push(text),
                Value::Array(items) => items.into_iter().for_each(|item| collect(item, texts)),
                Value::Object(members) => members
                    .into_iter()
                    .for_each(|(_, value)| collect(value, texts)),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        let mut texts = Vec::new();
        if let Ok(value) = serde_json::from_str(json) {
            collect(value, &mut texts);
        }
        texts
    }

    /// The credentials in a caller's headers, and whatever in them is marked as sensitive.
    #[cfg(feature = "client")]
    pub(crate) fn in_headers(headers: &HeaderMap) -> impl Iterator<Item = String> {
        let text = |name| headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        let logins = text(AUTHORIZATION).chain(text(PROXY_AUTHORIZATION));
        let cookies = text(COOKIE).flat_map(|value| value.split(';'));
        let values = cookies.filter_map(|pair| Some(pair.split_once('=')?.1.trim().to_owned()));
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        let sensitive = sensitive.filter_map(|value| Some(value.to_str().ok()?.to_owned()));
        logins.flat_map(credentials).chain(values).chain(sensitive)
    }

    /// The body of an error answer without them.
    #[cfg(feature = "client")]
    pub(crate) fn remove_from(&self, body: &Bytes) -> Bytes {
        reworded(body, |words| self.remove(words)).into()
    }

    /// A text without them. It takes several times the size of the text: who has a long one cuts it short first.
    #[must_use]
    pub fn remove(&self, text: &str) -> String {
        // JSON stays JSON. Where nothing is in its values, there may be in one of two members of the same name.
        if text.len() <= MOST_JSON
            && let Ok(mut json) = serde_json::from_str(&self.cut(text))
            && self.cut_from_json(&mut json)
        {
            return json.to_string();
        }
        self.clean(text)
    }

    /// A text without them, however often it has been encoded: decoded as often as they are found in it.
    fn clean(&self, text: &str) -> String {
        let mut clean = self.cut(text);
        for level in decoded_levels(text) {
            let found = self.cut(&level);
            if found != level {
                clean = found;
            }
        }
        clean
    }

    /// Whether there was something to cut out.
    fn cut_from_json(&self, json: &mut Value) -> bool {
        let mut found = false;
        match json {
            Value::String(text) => {
                let clean = self.clean(text);
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
                    let clean = self.clean(&key);
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
        let mut kept = Vec::new();
        for piece in self.split(text) {
            // Control characters are not shown: a secret that has some in it would be whole again without them.
            let shown = piece.replace(char::is_control, "");
            if self.0.iter().any(|secret| shown.contains(secret.as_str())) {
                kept.extend(self.split(&shown).into_iter().map(str::to_owned));
            } else {
                kept.push(piece.to_owned());
            }
        }
        kept.join("[redacted]")
    }

    /// What is in front of, between and behind the secrets.
    fn split<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut kept = vec![text];
        for secret in &self.0 {
            if kept.iter().any(|piece| piece.contains(secret.as_str())) {
                let pieces = kept.into_iter();
                kept = pieces.flat_map(|piece| piece.split(secret)).collect();
            }
        }
        kept
    }
}

/// How often a text is taken to have been encoded at most: a URL of ours in a URL in JSON.
const MOST_LEVELS: usize = 3;

/// What a text stands for if it is encoded for a URL or escaped for JSON, once, twice and so on.
fn decoded_levels(text: &str) -> impl Iterator<Item = String> {
    let decode = |text: &str| {
        let unescaped = without_escapes(text);
        let plain = percent_encoding::percent_decode_str(&unescaped).decode_utf8_lossy();
        (plain != text).then(|| plain.into_owned())
    };
    std::iter::successors(decode(text), move |text| decode(text)).take(MOST_LEVELS)
}

/// What becomes of a value that is decoded once too often.
fn other_forms(value: &str) -> Vec<String> {
    let levels = decoded_levels(value).chain([value.to_owned()]);
    let mut forms: Vec<_> = levels
        .flat_map(|form| [form.replace('+', " "), form])
        .collect();
    forms.retain(|form| form.len() >= LEAST_LENGTH && form != value);
    forms
}

/// What a text with escapes of JSON stands for.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.strip_prefix('u').and_then(|code| code.get(..4));
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        rest = match code.and_then(char::from_u32) {
            Some(c) => {
                plain.push(c);
                after.get(5..).unwrap_or_default()
            }
            None => {
                let mut chars = after.chars();
                plain.extend(chars.next());
                chars.as_str()
            }
        };
    }
    plain + rest
}

/// What proves who one is in the value of an `Authorization` header: what follows the scheme, such as `Bearer`, or all
/// of it where there is none; of `Basic`, what is encoded there, too.
#[cfg(feature = "client")]
fn credentials(value: &str) -> impl Iterator<Item = String> {
    let (scheme, token) = value.split_once(' ').unwrap_or(("", value));
    let token = token.trim();
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    let login = is_basic.then(|| STANDARD.decode(token).ok()).flatten();
    let login = login.and_then(|login| String::from_utf8(login).ok());
    let password = login.iter().filter_map(|login| login.split_once(':'));
    let password = password.map(|(_, password)| password.to_owned()).next();
    [Some(token.to_owned()), password]
        .into_iter()
        .chain([login])
        .flatten()
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    #[test]
    fn what_was_sent_does_not_come_back() {
        let secrets = Secrets::new(
            Some("token=ab%2Bcd%3D&x=1&flagged&key=a+b%2Fc"),
            ["cookie-value", "SESSION"].map(String::from),
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
            ("bad token ab cd=", "bad token [redacted]"),
            ("bad token=ab%2bcd%3d", "bad token=[redacted]"),
            ("bad key=a%20b%2Fc", "bad key=[redacted]"),
            ("unknown SESSION", "unknown [redacted]"),
            ("Cookie: a=cookie%2Fvalue", "Cookie: a=cookie%2Fvalue"),
            ("Cookie: a=cookie-value", "Cookie: a=[redacted]"),
            ("Session ID unknown", "Session ID unknown"),
            (
                r#"{"code":3,"message":"bad token ab\u002bcd\u003D"}"#,
                r#"{"code":3,"message":"bad token [redacted]"}"#,
            ),
            (
                r#"{"m":"ab\u002bcd\u003D","m":"the last one counts"}"#,
                r#"{"m":"[redacted]","m":"the last one counts"}"#,
            ),
            (
                r#"9["bad token ab\u002bcd\u003d"#,
                r#"9["bad token [redacted]"#,
            ),
            (r"bad key a+b\/c", "bad key [redacted]"),
            (r"C:\users\uABC", r"C:\users\uABC"),
            (
                r#"{"errors":["C:\\", {"a+b\/c":0}]}"#,
                r#"{"errors":["C:\\",{"[redacted]":0}]}"#,
            ),
            (
                r#"{"code":3, "message":"\u0041"}"#,
                r#"{"code":3, "message":"\u0041"}"#,
            ),
            ("bad \u{1}key a\u{1}+b/c", "bad key [redacted]"),
            (
                r#"{"message":"SESS\u0000ION"}"#,
                r#"{"message":"[redacted]"}"#,
            ),
            ("two\r\nlines", "two\r\nlines"),
        ] {
            assert_eq!(secrets.remove(body), clean);
        }
        assert_eq!(Secrets::default().remove("as it is"), "as it is");
    }

    /// Whether trying again helps, and which revision a server speaks, is told by the code, or by the words that stand
    /// for it.
    #[test]
    fn secrets_that_are_words_of_a_refusal_do_not_change_what_it_means() {
        let secrets = Secrets::new(
            Some("device=unknown&api=version&flow=code&message"),
            ["true".to_owned()],
        );
        for (body, clean) in [
            ("Session ID unknown", "Session ID unknown"),
            (
                "Unsupported protocol version",
                "Unsupported protocol version",
            ),
            (
                r#"{"code":1,"message":"Session ID unknown"}"#,
                r#"{"code":1,"message":"Session ID unknown"}"#,
            ),
            (
                r#"{"code":4,"message":"no unknown device","debug":true}"#,
                r#"{"code":4,"message":"no [redacted] device"}"#,
            ),
            (r#"{"code":4}"#, r#"{"code":4,"message":""}"#),
            ("device unknown", "device [redacted]"),
        ] {
            assert_eq!(secrets.remove_from(&Bytes::from(body)), clean);
        }
    }

    #[test]
    fn a_long_text_is_cleaned_without_being_read() {
        let secrets = Secrets::new(None, ["key a+b/c".to_owned()]);
        let long = format!(r#"{{"message":"{}key a\u002bb/c"}}"#, ".".repeat(MOST_JSON));
        let clean = secrets.remove(&long);
        assert!(clean.ends_with(r#"...[redacted]"}"#), "{clean}");
    }

    #[test]
    fn a_server_cannot_make_what_stands_for_a_secret_grow() {
        let cookies = ["aaaa", "redacted", "[redacted", "dact", "acted]"].map(String::from);
        let secrets = Secrets::new(None, cookies);
        let clean = secrets.remove("aaaa-aaaaaaaa");
        assert_eq!(clean, "[redacted]-[redacted][redacted]");
    }

    #[test]
    fn credentials_in_headers_are_secrets() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, "Bearer abc.def".parse().unwrap());
        headers.append(AUTHORIZATION, "bare".parse().unwrap());
        headers.append(AUTHORIZATION, "basic dXNlcjpwYTpzcw==".parse().unwrap());
        headers.append(PROXY_AUTHORIZATION, "Basic !".parse().unwrap());
        headers.append(COOKIE, "a=cookie1; b=cookie2==".parse().unwrap());
        headers.append("x-other", "x=harmless".parse().unwrap());
        let mut key = HeaderValue::from_static("my key");
        key.set_sensitive(true);
        headers.append("x-key", key);
        let found: Vec<_> = Secrets::in_headers(&headers).collect();
        let basic = ["dXNlcjpwYTpzcw==", "pa:ss", "user:pa:ss", "!"];
        let others = ["cookie1", "cookie2==", "my key"];
        let all = ["abc.def", "bare"].into_iter().chain(basic).chain(others);
        assert_eq!(found, all.collect::<Vec<_>>());
    }
}
