//! Moves over JSON text that has been found valid before.
//!
//! Nothing here validates: text that is not JSON gives `None` or a wrong token, never a panic.

use std::borrow::Cow;

use memchr::memchr2;

/// A position in a JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

/// A string token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StringToken<'a> {
    /// With its quotes.
    quoted: &'a str,
    escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, position: usize) -> Self {
        Self { text, position }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The text from the current position on.
    pub(crate) fn rest(&self) -> &'a str {
        self.slice_from(self.position)
    }

    /// The text from an earlier position to the current one.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.position).unwrap_or_default()
    }

    /// Skips white space and looks at the byte behind it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.position) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.position += 1,
                other => return other.copied(),
            }
        }
    }

    /// Skips white space and then the given byte, if it is there.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    /// Moves over `count` bytes, which the caller has looked at.
    pub(crate) fn advance(&mut self, count: usize) {
        self.position = self.position.saturating_add(count).min(self.text.len());
    }

    /// The string token that starts behind white space.
    pub(crate) fn string(&mut self) -> Option<StringToken<'a>> {
        self.peek().filter(|&byte| byte == b'"')?;
        let start = self.position;
        let mut end = start + 1;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(end..)?;
            // Most are short, and found before a search in vectors has begun.
            let near = rest.first_chunk().and_then(|eight| first_special(*eight));
            end += match near {
                Some(before) => before,
                None => memchr2(b'"', b'\\', rest)?,
            };
            if self.text.as_bytes().get(end) == Some(&b'"') {
                self.position = end + 1;
                return Some(StringToken {
                    quoted: self.since(start),
                    escaped,
                });
            }
            // A control character, in what is no JSON, is skipped with what looks like an escape.
            escaped = true;
            end += 2;
        }
    }

    /// The number, `true`, `false` or `null` that starts behind white space.
    pub(crate) fn scalar(&mut self) -> &'a str {
        self.peek();
        let start = self.position;
        let rest = self.slice_from(start);
        let len = rest
            .bytes()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'));
        self.position += len.unwrap_or(rest.len());
        self.since(start)
    }

    /// Skips one value, however deep.
    pub(crate) fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'[' | b'{' => {
                    self.position += 1;
                    depth += 1;
                }
                b']' | b'}' => {
                    self.position += 1;
                    depth = depth.checked_sub(1)?;
                }
                b',' | b':' => {
                    self.position += 1;
                    continue;
                }
                _ => {
                    if self.scalar().is_empty() {
                        return None;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn slice_from(&self, start: usize) -> &'a str {
        self.text.get(start..).unwrap_or_default()
    }
}

impl<'a> StringToken<'a> {
    /// The token as it stands in the text.
    pub(crate) fn quoted(&self) -> &'a str {
        self.quoted
    }

    /// What stands between the quotes, if that is the string itself.
    pub(crate) fn verbatim(&self) -> Option<&'a str> {
        let inner = self
            .quoted
            .len()
            .checked_sub(1)
            .and_then(|end| self.quoted.get(1..end));
        inner.filter(|_| !self.escaped)
    }

    /// The string; `None` if it is not Unicode, as `"\ud800"` is not.
    pub(crate) fn decode(&self) -> Option<Cow<'a, str>> {
        match self.verbatim() {
            Some(text) => Some(Cow::Borrowed(text)),
            None => serde_json::from_str(self.quoted).ok().map(Cow::Owned),
        }
    }
}

/// The first of these bytes that means something in a string: a quote, a backslash, or a control character.
pub(crate) fn first_special(bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_le_bytes(bytes);
    // The high bit of each byte that is below `n`. It may be set behind one, too, which has borrowed from it.
    let below = |word: u64, n: u64| word.wrapping_sub(ONES * n) & !word & HIGHS;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let found = below(word, 0x20) | is(b'"') | is(b'\\');
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_values_end_where_they_end() {
        for (text, rest) in [
            ("1,2", ",2"),
            (" -1.5e+3 ]", " ]"),
            ("null}", "}"),
            (r#""a\"]",1"#, ",1"),
            (r#""\\",1"#, ",1"),
            (r#"{"a":[1,{"b":"]}"}],"c":null} ,2"#, " ,2"),
            ("[]]", "]"),
        ] {
            let mut scanner = Scanner::new(text, 0);
            assert_eq!(scanner.skip_value(), Some(()), "{text}");
            assert_eq!(scanner.rest(), rest, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Scanner::new(&deep, 0).skip_value(), Some(()));
    }

    #[test]
    fn strings_are_decoded_only_when_they_have_to_be() {
        let decode = |text| Scanner::new(text, 0).string().unwrap().decode();
        assert!(matches!(decode(r#" "aé""#), Some(Cow::Borrowed("aé"))));
        assert_eq!(decode(r#""a\u0062\n""#).unwrap(), "ab\n");
        assert_eq!(decode(r#""\ud83d\ude00""#).unwrap(), "😀");
        assert_eq!(decode(r#""\ud800""#), None);
    }

    #[test]
    fn nonsense_does_not_panic() {
        for text in [
            "", "\"", "\"\\", "\"é\\", "]", "[", ":", "é", "[é", "{\"a\"", "\u{1}",
        ] {
            let mut scanner = Scanner::new(text, 0);
            assert_eq!(scanner.skip_value(), None, "{text}");
            assert!(Scanner::new(text, 5).rest().is_empty());
        }
    }
}
