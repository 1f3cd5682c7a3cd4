//! The identifiers that a server makes up, by the names that a script gives them.

use std::collections::BTreeMap;

/// How long such an identifier is: the payloads of revision 3 count it.
const LENGTH: usize = 20;

/// What each name stands for by now.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// The text with each name replaced: by what it stands for, or by itself, as long as the servers make them, where it
    /// stands for nothing yet.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, name, behind)) = split(rest) {
            filled.push_str(before);
            match self.0.get(name) {
                Some(value) => filled.push_str(value),
                None => filled.push_str(&format!("{name:-<LENGTH$}")),
            }
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }

    /// Whether the text is what the pattern says; names that stand for nothing yet stand for what they met.
    pub(super) fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let mut found = Vec::new();
        let (mut pattern, mut text) = (pattern, text);
        while let Some((before, name, behind)) = split(pattern) {
            let Some(rest) = text.strip_prefix(before) else {
                return false;
            };
            let known = self.0.get(name).map(String::as_str);
            let known = known.or_else(|| {
                let mut found = found.iter();
                found.find_map(|(known, value)| (*known == name).then_some(*value))
            });
            let identifier = |c: char| !(c.is_ascii_alphanumeric() || "_-.#".contains(c));
            let value = known.unwrap_or_else(|| {
                let end = rest.find(identifier).unwrap_or(rest.len());
                rest.get(..end).unwrap_or_default()
            });
            let Some(rest) = rest.strip_prefix(value).filter(|_| !value.is_empty()) else {
                return false;
            };
            found.push((name, value));
            (pattern, text) = (behind, rest);
        }
        if pattern != text {
            return false;
        }
        let found = found
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let found: Vec<_> = found.collect();
        self.0.extend(found);
        true
    }
}

/// What stands in front of the first `$NAME`, the name, and what stands behind it.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let dollar = from + text.get(from..)?.find('$')?;
        let name = text.get(dollar + 1..)?;
        let end = name
            .find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit())
            .unwrap_or(name.len());
        if end > 0 {
            let (name, behind) = name.split_at(end);
            return Some((text.get(..dollar)?, name, behind));
        }
        from = dollar + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_name_stands_for_what_it_meets_first() {
        let mut names = Names::default();
        assert_eq!(
            names.fill(r#"{"sid":"$E"}"#),
            r#"{"sid":"E-------------------"}"#
        );
        assert!(names.matches(r#"0{"sid":"$E","a":1}"#, r#"0{"sid":"x-_9","a":1}"#));
        assert!(names.matches("GET /?sid=$E", "GET /?sid=x-_9"));
        assert!(!names.matches("GET /?sid=$E", "GET /?sid=y"));
        assert!(!names.matches("GET /?sid=$E", "GET /?sid=x-_9&more"));
        assert_eq!(names.fill("$E and $F"), "x-_9 and F-------------------");
        assert!(!names.matches("$A$", "a"));
        assert!(names.matches("$A $A", "a a"));
        assert!(!names.matches("$B $B", "a b"));
        assert!(names.matches("$B", "b"));
        assert_eq!(names.fill("$$B $"), "$b $");
    }
}
