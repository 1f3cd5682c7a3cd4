//! JSON texts, looked at by neither side's means.

use std::collections::BTreeMap;

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

/// A JSON text with U+FFFD in place of half surrogate pairs.
fn without_lone_surrogates(json: &str) -> String {
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
    out
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

/// A JSON value as JavaScript reads it, as far as placeholders go: the last of equal keys counts, at any depth.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    True,
    Number(f64),
    Other,
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Seen {
    /// Reads a text that is known to be valid.
    pub(super) fn of(json: &str) -> Self {
        Self::first_of(&mut without_lone_surrogates(json).as_str())
    }

    fn first_of(rest: &mut &str) -> Self {
        *rest = rest.trim_start();
        match rest.chars().next() {
            Some('[') => {
                let mut items = Vec::new();
                while goes_on(rest, ']') {
                    items.push(Self::first_of(rest));
                }
                Self::List(items)
            }
            Some('{') => {
                let mut members = BTreeMap::new();
                while goes_on(rest, '}') {
                    let key = take_string(rest);
                    *rest = rest.trim_start().trim_start_matches(':');
                    members.insert(key, Self::first_of(rest));
                }
                Self::Object(members)
            }
            Some('"') => {
                take_string(rest);
                Self::Other
            }
            _ => {
                let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']);
                let (token, behind) = rest.split_at(end.unwrap_or(rest.len()));
                *rest = behind;
                match token.parse() {
                    Ok(number) => Self::Number(number),
                    Err(_) if token == "true" => Self::True,
                    Err(_) => Self::Other,
                }
            }
        }
    }
}

/// Takes the bracket or comma in front of the next item, or the bracket behind the last one.
fn goes_on(rest: &mut &str, close: char) -> bool {
    let mut characters = rest.trim_start().chars();
    let taken = characters.next();
    let behind = characters.as_str().trim_start();
    let is_empty = matches!(taken, Some('[' | '{')) && behind.starts_with(close);
    *rest = if is_empty {
        behind.get(1..).unwrap_or_default()
    } else {
        behind
    };
    !is_empty && taken.is_some_and(|taken| taken != close)
}

/// Takes a string, and reads it.
fn take_string(rest: &mut &str) -> String {
    let text = rest.trim_start().get(1..).unwrap_or_default();
    let (string, behind) = text.split_at(string_len(text));
    *rest = behind.get(1..).unwrap_or_default();
    serde_json::from_str(&format!("\"{string}\"")).unwrap_or_default()
}
