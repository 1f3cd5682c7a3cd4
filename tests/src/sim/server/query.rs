//! Request targets, and namespaces that are read like URLs.

/// The path and query of a request.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: String,
    fields: Vec<(String, String)>,
}

impl Target {
    pub(super) fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            path: path.to_owned(),
            fields: fields(query),
        }
    }

    /// The value of a field, where there is one that is not empty; of several the last.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().rev().find(|(key, _)| key == name);
        field
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// The decoded pairs of a query.
pub(super) fn fields(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// Undoes the encoding of forms.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3);
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Splits the query off a namespace, and what is behind a `#` with it.
pub(super) fn split_namespace(namespace: &str) -> (&str, Option<&str>) {
    let namespace = namespace.split('#').next().unwrap_or_default();
    match namespace.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (namespace, None),
    }
}

/// A path as the URL parser of the web writes it; dots are left alone.
pub(super) fn normalize_path(path: &str) -> String {
    let mut normal = String::new();
    for byte in path.bytes() {
        match byte {
            0..=b' ' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | 0x7f.. => {
                normal.push_str(&format!("%{byte:02X}"));
            }
            byte => normal.push(char::from(byte)),
        }
    }
    normal
}
