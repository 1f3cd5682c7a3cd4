//! The `notification` event: a tap on the shoulder, read leniently.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeStruct as _;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The largest payload that is kept, in bytes of JSON text; of a larger one the beginning is
/// kept as raw text. Real payloads are a few hundred bytes for each entry.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 256 * 1024;

/// How deep JSON within a JSON string is looked for. The service sends one level.
const MAX_STRING_LEVELS: usize = 2;

/// Something changed in the watched drive or list.
///
/// A notification carries no change data: after it, the application runs a `delta` query. The
/// service sends several for one change, and echoes the application's own writes.
///
/// Its content is undocumented, so nothing in it is required and a payload that cannot be read
/// is a notification all the same, with its [`raw`](Self::raw) text.
///
/// Serialized, it is `{"data": payload}` with the payload as it came, unknown fields included, or
/// `{"data": null, "raw": "…"}` when it was not JSON.
///
/// ```
/// use graph_notifications::Notification;
///
/// // The payload is usually a JSON string that contains JSON.
/// let notification = Notification::from_json(r#""{\"value\":[{\"resource\":\"b86a\"}]}""#);
/// assert_eq!(notification.entries()[0].resource.as_deref(), Some("b86a"));
/// ```
#[derive(Clone)]
pub struct Notification {
    payload: Payload,
}

#[derive(Clone)]
enum Payload {
    /// JSON without insignificant white space, so one line.
    Json(Box<RawValue>),
    /// What could not be read.
    Raw(Box<str>),
}

impl Notification {
    /// Reads the argument of a `notification` event: JSON text whose value is the payload, or a
    /// string that contains the payload as JSON once more.
    ///
    /// Payloads of more than 256 KiB are not read; the beginning of their text is kept.
    #[must_use]
    pub fn from_json(argument: &str) -> Self {
        let payload = match serde_json::from_str::<&RawValue>(argument) {
            Ok(value) => unwrap_strings(value.get(), MAX_STRING_LEVELS),
            Err(_) => Payload::raw(argument),
        };
        Self { payload }
    }

    /// The payload as JSON text on one line, if it could be read: an object normally.
    #[must_use]
    pub fn data(&self) -> Option<&RawValue> {
        match &self.payload {
            Payload::Json(json) => Some(json),
            Payload::Raw(_) => None,
        }
    }

    /// The payload's text, if it could not be read as JSON.
    #[must_use]
    pub fn raw(&self) -> Option<&str> {
        match &self.payload {
            Payload::Json(_) => None,
            Payload::Raw(text) => Some(text),
        }
    }

    /// What the payload says: the elements of its `value` array, or the payload itself when it is
    /// a single entry. Empty when there is nothing of that shape.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let parsed = self
            .data()
            .and_then(|json| serde_json::from_str::<Value>(json.get()).ok());
        match parsed {
            Some(Value::Object(mut payload)) => match payload.remove("value") {
                Some(Value::Array(values)) => values.into_iter().filter_map(Entry::read).collect(),
                Some(value) => {
                    payload.insert("value".to_owned(), value);
                    vec![Entry::from(payload)]
                }
                None => vec![Entry::from(payload)],
            },
            Some(Value::Array(values)) => values.into_iter().filter_map(Entry::read).collect(),
            _ => Vec::new(),
        }
    }

    /// How much memory the payload takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        match &self.payload {
            Payload::Json(json) => json.get().len(),
            Payload::Raw(text) => text.len(),
        }
    }
}

impl PartialEq for Notification {
    fn eq(&self, other: &Self) -> bool {
        self.raw() == other.raw()
            && self.data().map(RawValue::get) == other.data().map(RawValue::get)
    }
}

impl Eq for Notification {}

impl Serialize for Notification {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 1 + usize::from(self.raw().is_some());
        let mut out = serializer.serialize_struct("Notification", fields)?;
        out.serialize_field("data", &self.data())?;
        if let Some(raw) = self.raw() {
            out.serialize_field("raw", raw)?;
        }
        out.end()
    }
}

/// The payload in JSON text that is known to be valid.
fn unwrap_strings(json: &str, levels: usize) -> Payload {
    if json.len() > MAX_PAYLOAD_BYTES {
        return Payload::raw(json);
    }
    if json.starts_with('"') && levels > 0 {
        // A lone surrogate is valid JSON grammar and no text.
        let Ok(inner) = serde_json::from_str::<String>(json) else {
            return Payload::raw(json);
        };
        return match serde_json::from_str::<&RawValue>(&inner) {
            Ok(value) => unwrap_strings(value.get(), levels - 1),
            Err(_) => Payload::raw(&inner),
        };
    }
    match RawValue::from_string(compact(json)) {
        Ok(json) => Payload::Json(json),
        Err(_) => Payload::raw(json),
    }
}

impl Payload {
    fn raw(text: &str) -> Self {
        let mut end = text.len().min(MAX_PAYLOAD_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self::Raw(text.get(..end).unwrap_or_default().into())
    }
}

/// Valid JSON without the white space between its tokens.
fn compact(json: &str) -> String {
    let mut in_string = false;
    let mut escaped = false;
    json.chars()
        .filter(|&c| {
            if in_string {
                in_string = escaped || c != '"';
                escaped = c == '\\' && !escaped;
                return true;
            }
            in_string = c == '"';
            !matches!(c, ' ' | '\t' | '\r' | '\n')
        })
        .collect()
}

impl fmt::Debug for Notification {
    /// Without the payload: it may hold a `clientState`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.payload {
            Payload::Json(json) => write!(f, "Notification({} bytes)", json.get().len()),
            Payload::Raw(text) => write!(f, "Notification({} bytes, no JSON)", text.len()),
        }
    }
}

/// One entry of a notification. Every field is optional; times are as the service wrote them.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// `subscriptionId`.
    pub subscription_id: Option<String>,
    /// `clientState`.
    pub client_state: Option<String>,
    /// `subscriptionExpirationDateTime` or `expirationDateTime`.
    pub expiration: Option<String>,
    /// `resource`: the id of the list, or a path.
    pub resource: Option<String>,
    /// `tenantId`.
    pub tenant_id: Option<String>,
    /// `siteUrl`.
    pub site_url: Option<String>,
    /// `webId`.
    pub web_id: Option<String>,
    /// `userId`.
    pub user_id: Option<String>,
    /// Fields that are unknown, or are no string.
    pub other: Map<String, Value>,
}

impl fmt::Debug for Entry {
    /// Without `clientState`, which proves that a notification is meant for the application.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("subscription_id", &self.subscription_id)
            .field("expiration", &self.expiration)
            .field("resource", &self.resource)
            .field("tenant_id", &self.tenant_id)
            .field("site_url", &self.site_url)
            .field("web_id", &self.web_id)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn read(value: Value) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self::from(fields)),
            _ => None,
        }
    }
}

impl From<Map<String, Value>> for Entry {
    fn from(fields: Map<String, Value>) -> Self {
        let mut entry = Self::default();
        for (name, value) in fields {
            let field = match name.as_str() {
                "subscriptionId" => &mut entry.subscription_id,
                "clientState" => &mut entry.client_state,
                "subscriptionExpirationDateTime" | "expirationDateTime" => &mut entry.expiration,
                "resource" => &mut entry.resource,
                "tenantId" => &mut entry.tenant_id,
                "siteUrl" => &mut entry.site_url,
                "webId" => &mut entry.web_id,
                "userId" => &mut entry.user_id,
                _ => {
                    entry.other.insert(name, value);
                    continue;
                }
            };
            match value {
                Value::String(text) if field.is_none() => *field = Some(text),
                other => {
                    entry.other.insert(name, other);
                }
            }
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAT: &str = r#"{"clientState":"c","subscriptionId":"s","subscriptionExpirationDateTime":"2025-12-24T03:32:50.8792357Z","userId":"u","resource":"r"}"#;
    const VALUE: &str = r#"{"value":[{"subscriptionId":"s","clientState":"c","expirationDateTime":"e","resource":"r","tenantId":"t","siteUrl":"/sites/x","webId":"w"},{"resource":"r2"}]}"#;

    /// The payload inside a JSON string, as the service sends it.
    fn quoted(payload: &str) -> String {
        serde_json::to_string(payload).unwrap()
    }

    #[test]
    fn both_shapes_in_both_forms() {
        let flat = Entry {
            client_state: Some("c".into()),
            subscription_id: Some("s".into()),
            expiration: Some("2025-12-24T03:32:50.8792357Z".into()),
            user_id: Some("u".into()),
            resource: Some("r".into()),
            ..Entry::default()
        };
        let value = Entry {
            subscription_id: Some("s".into()),
            client_state: Some("c".into()),
            expiration: Some("e".into()),
            resource: Some("r".into()),
            tenant_id: Some("t".into()),
            site_url: Some("/sites/x".into()),
            web_id: Some("w".into()),
            ..Entry::default()
        };
        let second = Entry {
            resource: Some("r2".into()),
            ..Entry::default()
        };
        for (payload, expected) in [(FLAT, vec![flat]), (VALUE, vec![value, second])] {
            for argument in [
                payload.to_owned(),
                quoted(payload),
                quoted(&quoted(payload)),
            ] {
                let notification = Notification::from_json(&argument);
                assert_eq!(notification.data().unwrap().get(), payload);
                assert_eq!(notification.entries(), expected);
                assert_eq!(notification.raw(), None);
            }
        }
    }

    #[test]
    fn nothing_is_required_and_nothing_is_lost() {
        let rows = [
            ("{}", vec![Entry::default()]),
            (r#"{"value":[]}"#, vec![]),
            (r#"{"value":[1,"x",null]}"#, vec![]),
            ("null", vec![]),
            ("17", vec![]),
            ("[]", vec![]),
            (
                r#"[{"resource":"r"}]"#,
                vec![entry(|e| e.resource = Some("r".into()))],
            ),
            (
                r#"{"value":7,"new":{"a":[1]},"resource":5}"#,
                vec![entry(|e| {
                    e.other.insert("value".into(), 7.into());
                    e.other.insert("new".into(), serde_json::json!({"a":[1]}));
                    e.other.insert("resource".into(), 5.into());
                })],
            ),
        ];
        for (payload, expected) in rows {
            let notification = Notification::from_json(payload);
            assert_eq!(notification.entries(), expected, "{payload}");
            assert_eq!(notification.data().unwrap().get(), payload);
        }
    }

    fn entry(fill: impl FnOnce(&mut Entry)) -> Entry {
        let mut entry = Entry::default();
        fill(&mut entry);
        entry
    }

    #[test]
    fn an_unreadable_payload_is_still_a_notification() {
        let rows = [
            (r#""hello""#, "hello"),
            (r#""""#, ""),
            (r#""{\"value\":[""#, "{\"value\":["),
            ("not json", "not json"),
            ("", ""),
            (r#""\ud800""#, r#""\ud800""#),
        ];
        for (argument, raw) in rows {
            let notification = Notification::from_json(argument);
            assert_eq!(notification.raw(), Some(raw), "{argument}");
            assert!(notification.data().is_none());
            assert!(notification.entries().is_empty());
        }
    }

    #[test]
    fn payloads_are_bounded_in_length_and_depth() {
        let long = quoted(&"é".repeat(MAX_PAYLOAD_BYTES));
        let kept = Notification::from_json(&long);
        assert!(kept.size() <= MAX_PAYLOAD_BYTES && kept.size() > MAX_PAYLOAD_BYTES - 2);
        assert!(kept.raw().is_some());

        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let notification = Notification::from_json(&deep);
        assert_eq!(notification.data().unwrap().get().len(), deep.len());
        assert!(notification.entries().is_empty());
    }

    #[test]
    fn serialized_it_is_one_line() {
        let rows = [
            (
                "{ \"b\" : \"x \\\" y\\\\\" ,\n \"a\" : [ 1 , 2.50 ] }",
                r#"{"data":{"b":"x \" y\\","a":[1,2.50]}}"#,
            ),
            (r#""oh\nno""#, r#"{"data":null,"raw":"oh\nno"}"#),
            ("null", r#"{"data":null}"#),
        ];
        for (argument, expected) in rows {
            for argument in [argument.to_owned(), quoted(argument)] {
                let notification = Notification::from_json(&argument);
                assert_eq!(serde_json::to_string(&notification).unwrap(), expected);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_never_fails(argument in "\\PC{0,60}|[\\[\\]{}\",:\\\\ 0-9a-z]{0,60}") {
            let notification = Notification::from_json(&argument);
            proptest::prop_assert!(notification.data().is_some() != notification.raw().is_some());
            let text = serde_json::to_string(&notification).unwrap();
            proptest::prop_assert!(!text.contains('\n'));
            proptest::prop_assert!(serde_json::from_str::<Value>(&text).is_ok() || notification.data().is_some());
        }
    }
}
