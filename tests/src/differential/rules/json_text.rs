//! JSON texts, looked at without reading them: what both sides make of them is what is compared.

/// How many arrays and objects are open at most, strings left out.
pub(super) fn depth(json: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for part in outside_strings(json) {
        for byte in part.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(open);
        }
    }
    deepest
}

pub(super) fn has_infinite_number(json: &str) -> bool {
    outside_strings(json)
        .into_iter()
        .flat_map(|part| part.split([',', ':', '[', ']', '{', '}', ' ', '\t', '\n', '\r']))
        .filter_map(|token| token.parse::<f64>().ok())
        .any(f64::is_infinite)
}

/// A JSON text with neither half surrogate pairs nor numbers beyond doubles, in which only their place matters.
pub(super) fn readable(json: &str) -> String {
    let mut out = String::new();
    let mut rest = json;
    while let Some((before, escape)) = rest.split_once("\\u") {
        out.push_str(before);
        out.push_str("\\u");
        let pair = escape
            .get(..10)
            .filter(|pair| !has_lone_surrogate(&format!("\\u{pair}")));
        let one = escape.get(..4);
        rest = match (pair, one) {
            (Some(pair), _) if pair.get(4..6) == Some("\\u") => {
                out.push_str(pair);
                escape.get(10..).unwrap_or_default()
            }
            (_, Some(one)) if has_lone_surrogate(&format!("\\u{one}")) => {
                out.push_str("fffd");
                escape.get(4..).unwrap_or_default()
            }
            _ => escape,
        };
    }
    out.push_str(rest);
    out.replace("1e999", "0").replace("1e400", "0")
}

/// The parts of a JSON text between its strings.
fn outside_strings(json: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = json;
    while let Some((part, behind)) = rest.split_once('"') {
        parts.push(part);
        rest = behind.get(string_len(behind)..).unwrap_or_default();
        rest = rest.strip_prefix('"').unwrap_or_default();
    }
    parts.push(rest);
    parts
}

/// How long a string is up to its closing quote.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// The first string in a JSON text, with its escapes.
pub(super) fn first_string(json: &str) -> &str {
    let text = json.split_once('"').map_or("", |(_, text)| text);
    text.get(..string_len(text)).unwrap_or_default()
}

/// Whether an escape stands for half a surrogate pair whose other half is missing.
pub(super) fn has_lone_surrogate(json: &str) -> bool {
    let mut units = Vec::new();
    let mut rest = json.chars();
    while let Some(c) = rest.next() {
        let escaped = if c == '\\' { rest.next() } else { None };
        let unit = match escaped {
            Some('u') => rest
                .as_str()
                .get(..4)
                .and_then(|digits| u16::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        // Whatever it is, it stands between two halves.
        units.push(unit.unwrap_or(u16::from(b' ')));
        if unit.is_some() {
            rest = rest.as_str().get(4..).unwrap_or_default().chars();
        }
    }
    char::decode_utf16(units).any(|c| c.is_err())
}
