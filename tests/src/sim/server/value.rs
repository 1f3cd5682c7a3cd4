//! Bytes in arguments: `{"$hex":"…"}` for the application, placeholders and attachments on the wire.

use bytes::Bytes;
use serde_json::{Value, json};

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that `value` stands for, if it does.
fn bytes_of(value: &Value) -> Option<Bytes> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let digits = object.get("$hex")?.as_str()?;
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

/// Puts a placeholder where bytes stand, and the bytes behind the others in `attachments`.
pub(super) fn take_bytes(value: &Value, attachments: &mut Vec<Bytes>) -> Value {
    if let Some(bytes) = bytes_of(value) {
        attachments.push(bytes);
        return json!({"_placeholder": true, "num": attachments.len() - 1});
    }
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| take_bytes(item, attachments))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| (key.clone(), take_bytes(field, attachments)))
            .collect(),
        other => other.clone(),
    }
}

/// Puts the bytes back where placeholders stand; nothing where one stands for no attachment.
pub(super) fn put_bytes(value: &Value, attachments: &[Bytes]) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = usize::try_from(fields.get("num")?.as_u64()?).ok()?;
            Some(json!({"$hex": hex(attachments.get(number)?)}))
        }
        Value::Array(items) => items
            .iter()
            .map(|item| put_bytes(item, attachments))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| Some((key.clone(), put_bytes(field, attachments)?)))
            .collect::<Option<serde_json::Map<_, _>>>()
            .map(Value::Object),
        other => Some(other.clone()),
    }
}
