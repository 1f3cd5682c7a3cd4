//! Finds a text to be a JSON array, in one pass, and counts its items.
//!
//! Each event and each acknowledgement passes through here, which is most of what it costs to read one. What is taken is
//! JSON; what is not may only be deep: [`count_items`](crate::json::count_items) asks `serde_json` then, which also
//! knows where a fault is.

use crate::scan::first_special;

/// Arrays and objects inside one another, the outermost included: one bit each says which it is.
const MAX_DEPTH: u32 = u64::BITS;

/// The number of items, if this is an array (RFC 8259) with nothing in front of it and only white space behind.
pub(crate) fn count_items(array: &str) -> Option<usize> {
    let mut text = Text {
        bytes: array.as_bytes(),
        at: 0,
    };
    if text.byte()? != b'[' {
        return None;
    }
    let mut len = 1;
    let mut open = Open::default().inside(false)?;
    // What a round begins with: the first byte of a value.
    let mut token = text.token()?;
    if token == b']' {
        return text.is_at_end().then_some(0);
    }
    loop {
        match token {
            b'"' => text.skip_string()?,
            b'-' | b'0'..=b'9' => text.skip_number(token)?,
            b'[' => {
                token = text.token()?;
                if token != b']' {
                    open = open.inside(false)?;
                    continue;
                }
            }
            b'{' => {
                token = text.token()?;
                if token != b'}' {
                    open = open.inside(true)?;
                    token = text.skip_key(token)?;
                    continue;
                }
            }
            b't' => text.skip_word(b"rue")?,
            b'f' => text.skip_word(b"alse")?,
            b'n' => text.skip_word(b"ull")?,
            _ => return None,
        }
        // Behind a value.
        loop {
            match text.token()? {
                b',' => {
                    token = text.token()?;
                    if open.is_object() {
                        token = text.skip_key(token)?;
                    }
                    len += usize::from(open.depth == 1);
                    break;
                }
                b'}' if open.is_object() => {}
                b']' if !open.is_object() => {}
                _ => return None,
            }
            open = open.outside();
            if open.depth == 0 {
                return text.is_at_end().then_some(len);
            }
        }
    }
}

/// The arrays and objects that are open.
#[derive(Clone, Copy, Default)]
struct Open {
    depth: u32,
    /// The lowest bit is the innermost one's; it is set for an object.
    objects: u64,
}

impl Open {
    fn inside(self, is_object: bool) -> Option<Self> {
        (self.depth < MAX_DEPTH).then_some(Self {
            depth: self.depth + 1,
            objects: self.objects << 1 | u64::from(is_object),
        })
    }

    fn outside(self) -> Self {
        Self {
            depth: self.depth - 1,
            objects: self.objects >> 1,
        }
    }

    fn is_object(self) -> bool {
        self.objects & 1 == 1
    }
}

struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Text<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// The next byte that is no white space.
    fn token(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\n' | b'\r' => {}
                byte => return Some(byte),
            }
        }
    }

    fn is_at_end(&mut self) -> bool {
        self.token().is_none()
    }

    /// Skips a key whose first byte this is, and its colon; gives the first byte of its value.
    fn skip_key(&mut self, quote: u8) -> Option<u8> {
        if quote != b'"' {
            return None;
        }
        self.skip_string()?;
        if self.token()? != b':' {
            return None;
        }
        self.token()
    }

    /// Skips what is left of a string behind its first quote.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            while let Some(eight) = self.bytes.get(self.at..)?.first_chunk() {
                match first_special(*eight) {
                    None => self.at += eight.len(),
                    Some(before) => {
                        self.at += before;
                        break;
                    }
                }
            }
            match self.byte()? {
                b'"' => return Some(()),
                b'\\' => self.skip_escape()?,
                ..0x20 => return None,
                _ => {}
            }
        }
    }

    fn skip_escape(&mut self) -> Option<()> {
        match self.byte()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// Skips what is left of a number behind its first byte.
    fn skip_number(&mut self, first: u8) -> Option<()> {
        let first = match first {
            b'-' => self.byte().filter(u8::is_ascii_digit)?,
            digit => digit,
        };
        if first != b'0' {
            self.skip_digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.byte().filter(u8::is_ascii_digit)?;
            self.skip_digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.byte().filter(u8::is_ascii_digit)?;
            self.skip_digits();
        }
        Some(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn skip_word(&mut self, rest: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..)?.starts_with(rest);
        self.at += rest.len();
        found.then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn agrees(text: &str) {
        let expected = serde_json::from_str::<Vec<&RawValue>>(text);
        let expected = expected.ok().map(|items| items.len());
        assert_eq!(count_items(text), expected, "{text:?}");
    }

    /// RFC 8259.
    #[test]
    fn arrays_are_taken_and_counted_and_everything_else_is_not() {
        for text in [
            "[]",
            "[ ]",
            "[1]",
            "[1,2]",
            "[1] ",
            "[1]x",
            "[1",
            "[",
            "",
            "[,]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{}",
            "[[]]",
            "[[],[]]",
            "[[1,[2,{}]],3]",
            "[{}]",
            r#"[{"a":1}]"#,
            r#"[{"a":1,"b":[]},2]"#,
            r#"[{"a" : 1 , "b" : 2 }]"#,
            r#"[{"a":1,}]"#,
            r#"[{"a"}]"#,
            r#"[{"a":}]"#,
            r#"[{a:1}]"#,
            r#"[{1:1}]"#,
            r#"[{"a":1]"#,
            "[{]",
            "[[}]",
            "[[1}]",
            "[}",
            "[true,false,null]",
            "[tru]",
            "[trux]",
            "[nul",
            "[True]",
            "[NaN]",
            "[\u{c}1]",
            "[\u{a0}1]",
            "\u{feff}[]",
            "[0]",
            "[-0]",
            "[01]",
            "[-]",
            "[--1]",
            "[+1]",
            "[1.]",
            "[.1]",
            "[1.5]",
            "[1.5e]",
            "[1e5]",
            "[1E+5]",
            "[1e-5]",
            "[1e+]",
            "[12345678901234567890123456789012345678901234567890]",
            "[1a]",
            "[0x1]",
            "[-01]",
            "[1.0.0]",
            "[1e999]",
            r#"["a\"b"]"#,
            r#"["\\"]"#,
            r#"["\"]"#,
            r#"["\u00e9"]"#,
            r#"["\u00g9"]"#,
            r#"["\u00"]"#,
            r#"["\ud800"]"#,
            r#"["\x"]"#,
            "[\"a\u{1f}\"]",
            "[\"a\tb\"]",
            "[\"é€😀\"]",
            "[\"\u{7f}\u{80}\"]",
            r#"["12345678"]"#,
            r#"["1234567\""]"#,
            r#"["12345678\n9"]"#,
            r#"["a","b"]"#,
            r#"["unfinished"#,
            r#"["a":1]"#,
            "[\n1\r,\t2 ]",
        ] {
            agrees(text);
        }
        for at in 0..20 {
            for byte in [
                '"', '\\', '\u{0}', '\u{1f}', ' ', '!', '#', '[', ']', '\u{7f}', 'é',
            ] {
                let (before, behind) = ("x".repeat(at), "y".repeat(20 - at));
                agrees(&format!("[\"{before}{byte}{behind}\"]"));
                agrees(&format!("[\"{before}\\{byte}{behind}\"]"));
            }
        }
    }

    #[test]
    fn what_is_deeper_than_it_looks_is_left_to_others() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(count_items(&nested(64)), Some(1));
        // An empty one has nothing inside.
        assert_eq!(count_items(&nested(65)), Some(1));
        assert_eq!(count_items(&nested(66)), None);
        let nested = |depth: usize| format!("[{}1{}]", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert_eq!(count_items(&nested(63)), Some(1));
        assert_eq!(count_items(&nested(64)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Text out of what JSON is made of: now and then it is some.
        #[test]
        fn it_takes_what_serde_json_takes(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "[", "]", "{", "}", ",", ":", "\"", "\"a\"", "\"key\":", "1", "-", "0", ".5", "e", "+", "true", "null", " ", "\n", "\\", "\\u12",
                "x", "é", "abcdefgh", "\u{1}",
            ]), 0..12),
        ) {
            agrees(&pieces.concat());
            agrees(&format!("[{}]", pieces.concat()));
        }

        #[test]
        fn it_takes_json_with_one_fault_or_none(
            values in prop::collection::vec(any::<(bool, f64, String)>(), 0..4), at in any::<prop::sample::Index>(), byte in 0_u8..127, harm in any::<bool>(),
        ) {
            let mut text = serde_json::to_string(&values).unwrap().into_bytes();
            if harm {
                let index = at.index(text.len());
                text[index] = byte;
            }
            if let Ok(text) = std::str::from_utf8(&text) {
                agrees(text);
            }
        }
    }
}
