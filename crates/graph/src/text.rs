//! Makes text that a peer wrote fit to be shown: bounded, one line, without secrets.

use engineio::secrets::Secrets;

/// The longest piece of a peer's text that an error carries, in characters.
const MAX_CHARS: usize = 300;

/// Peer text as one bounded line, with each of `secrets` cut out.
///
/// Control characters go, and so do the invisible ones that reorder or hide text on a terminal. They go first: a secret
/// that has some in it would not be found, and be whole again without them.
pub(crate) fn clean(text: &str, secrets: &[&str]) -> String {
    let given = secrets.iter().map(|secret| visible(secret));
    let secrets = Secrets::new(None, given);
    let mut text = visible(text);
    // What is cut out was decoded first, which may bring back what is not shown.
    for _ in 0..2 {
        text = visible(&secrets.remove(&text));
    }
    let mut chars = text.chars();
    let mut line: String = chars.by_ref().take(MAX_CHARS).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}

fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_harmful(*c))
        .collect()
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_one_bounded_line() {
        let rows = [
            ("plain", "plain"),
            ("two\nlines", "two lines"),
            ("\u{1b}[31mred", "[31mred"),
            ("abc\u{202e}def\u{200b}", "abcdef"),
            (" padded ", "padded"),
        ];
        for (given, expected) in rows {
            assert_eq!(clean(given, &[]), expected, "{given:?}");
        }
        let long = clean(&"é".repeat(5000), &[]);
        assert_eq!(long.chars().count(), MAX_CHARS + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn secrets_are_cut_out_even_across_the_length_limit() {
        let text = format!("{}PLANTED-secret", "x".repeat(MAX_CHARS - 3));
        let cleaned = clean(&text, &["PLANTED-secret", ""]);
        assert!(!cleaned.contains("PLA"), "{cleaned}");
        assert_eq!(clean("a PLANTED b", &["PLANTED"]), "a [redacted] b");
        assert_eq!(clean("PLA\u{200b}NTED", &["PLANTED"]), "[redacted]");
        assert_eq!(clean("PLANT\u{1}ED", &["PLANT\u{1}ED"]), "[redacted]");
    }
}
