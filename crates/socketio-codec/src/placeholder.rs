//! Where in a payload the attachments belong.

use std::fmt;

use bytes::Bytes;

use crate::DecodeError;
use crate::scan::{Scanner, StringToken};

/// The deepest nesting of arrays and objects in a payload with attachments, its own array
/// included. It is where `serde_json` stops too.
pub(crate) const MAX_DEPTH: usize = 128;

/// An object `{"_placeholder":true,"num":N}`, extra keys and any order allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// Byte offset of its `{`.
    pub(crate) start: usize,
    /// Byte offset behind its `}`.
    pub(crate) end: usize,
    /// Index of the attachment; there is one.
    pub(crate) num: usize,
}

/// Attachments, and the placeholders that stand for them in a JSON text, in its order.
#[derive(Clone)]
pub(crate) struct Attached {
    attachments: Vec<Bytes>,
    placeholders: Vec<Placeholder>,
    /// The text has an object that is none of the placeholders and looks like one.
    ambiguous: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaceholderError {
    NoSuchAttachment { offset: usize },
    TooDeep { offset: usize },
}

impl PlaceholderError {
    /// As an error of a message in which the text starts at `start`.
    pub(crate) fn within(self, start: usize) -> DecodeError {
        match self {
            Self::NoSuchAttachment { offset } => DecodeError::IllegalPlaceholder {
                offset: start + offset,
            },
            Self::TooDeep { offset } => DecodeError::TooDeep {
                offset: start + offset,
                limit: MAX_DEPTH,
            },
        }
    }
}

impl Attached {
    pub(crate) const fn none() -> Self {
        Self {
            attachments: Vec::new(),
            placeholders: Vec::new(),
            ambiguous: false,
        }
    }

    /// In a place of its own, if there is something attached.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    /// Finds the placeholders in a valid JSON text. Without attachments there are none: the
    /// objects of a text packet are ordinary ones, whatever they look like.
    pub(crate) fn new(attachments: Vec<Bytes>, text: &str) -> Result<Self, PlaceholderError> {
        let placeholders = if attachments.is_empty() {
            Vec::new()
        } else {
            find(text, attachments.len())?
        };
        Ok(Self {
            attachments,
            placeholders,
            ambiguous: false,
        })
    }

    /// Attachments of which the sender said where they belong, in a format that needs no
    /// placeholders: objects that look like one are ordinary ones. `may_mislead` is whether there
    /// can be any.
    #[cfg(feature = "msgpack")]
    pub(crate) fn at_places(
        attachments: Vec<Bytes>,
        placeholders: Vec<Placeholder>,
        text: &str,
        may_mislead: bool,
    ) -> Self {
        let ambiguous = may_mislead
            && !attachments.is_empty()
            && find(text, attachments.len()).as_ref() != Ok(&placeholders);
        Self {
            attachments,
            placeholders,
            ambiguous,
        }
    }

    /// Whether the text alone does not say where the attachments belong.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    pub(crate) fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.attachments.is_empty()
    }

    /// The bytes of all attachments, each counted for every placeholder that stands for it: what a value costs that
    /// is made of them all.
    pub(crate) fn placed_bytes(&self) -> usize {
        let placed = self.placeholders.iter();
        let placed = placed.filter_map(|place| self.attachments.get(place.num));
        placed.map(Bytes::len).fold(0, usize::saturating_add)
    }

    pub(crate) fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// The placeholder that starts at this offset, and its attachment.
    pub(crate) fn at(&self, start: usize) -> Option<(&Placeholder, &Bytes)> {
        let index = self
            .placeholders
            .binary_search_by_key(&start, |found| found.start)
            .ok()?;
        let placeholder = self.placeholders.get(index)?;
        Some((placeholder, self.attachments.get(placeholder.num)?))
    }

    pub(crate) fn detach(&self) -> Self {
        let attachments = self
            .attachments
            .iter()
            .map(|bytes| Bytes::copy_from_slice(bytes));
        Self {
            attachments: attachments.collect(),
            placeholders: self.placeholders.clone(),
            ambiguous: self.ambiguous,
        }
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.attachments.iter().map(Bytes::len))
            .finish()
    }
}

/// An array or object that has been entered and not left.
struct Open {
    start: usize,
    is_object: bool,
    marked: bool,
    num: Option<usize>,
}

/// Walks over the whole text without recursion. As in the reference implementation, the last of
/// equal keys counts and nothing inside a placeholder is looked at.
fn find(text: &str, attachments: usize) -> Result<Vec<Placeholder>, PlaceholderError> {
    let mut found: Vec<Placeholder> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut scanner = Scanner::new(text, 0);
    while let Some(byte) = scanner.peek() {
        let start = scanner.position();
        match byte {
            b'[' | b'{' => {
                if open.len() == MAX_DEPTH {
                    return Err(PlaceholderError::TooDeep { offset: start });
                }
                scanner.advance(1);
                open.push(Open {
                    start,
                    is_object: byte == b'{',
                    marked: false,
                    num: None,
                });
            }
            b']' | b'}' => {
                scanner.advance(1);
                if let Some(closed) = open.pop().filter(|closed| closed.marked) {
                    while found.pop_if(|inner| inner.start > closed.start).is_some() {}
                    found.push(Placeholder {
                        start: closed.start,
                        end: scanner.position(),
                        num: closed.num.unwrap_or(NO_ATTACHMENT),
                    });
                }
            }
            b'"' => {
                let Some(token) = scanner.string() else { break };
                if let Some(object) = open.last_mut().filter(|open| open.is_object)
                    && scanner.eat(b':')
                {
                    note_member(object, token, scanner, attachments);
                }
            }
            b',' => scanner.advance(1),
            _ => {
                if scanner.scalar().is_empty() {
                    break;
                }
            }
        }
    }
    // An error only now: inside of a placeholder, nothing is one.
    if let Some(wrong) = found.iter().find(|found| found.num == NO_ATTACHMENT) {
        let offset = wrong.start;
        return Err(PlaceholderError::NoSuchAttachment { offset });
    }
    found.shrink_to_fit();
    Ok(found)
}

/// The index of no attachment: there are never so many.
const NO_ATTACHMENT: usize = usize::MAX;

/// Takes down what a member says, if it is one of the two that matter. `value` stands behind the
/// colon.
fn note_member(
    object: &mut Open,
    key: StringToken<'_>,
    mut value: Scanner<'_>,
    attachments: usize,
) {
    match key.decode().as_deref() {
        Some("_placeholder") => object.marked = value.scalar() == "true",
        Some("num") => object.num = index(value.scalar(), attachments),
        _ => {}
    }
}

/// A whole number below `limit`. Like the reference implementation this takes `1.0` and `1e0`
/// for 1, but unlike it no fractions.
fn index(number: &str, limit: usize) -> Option<usize> {
    if let Ok(index) = number.parse::<usize>() {
        return Some(index).filter(|&index| index < limit);
    }
    let number = number.parse::<f64>().ok()?;
    (number.fract() == 0.0 && number >= 0.0 && number < limit as f64).then_some(number as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nums(text: &str, attachments: usize) -> Result<Vec<usize>, PlaceholderError> {
        let found = find(text, attachments)?;
        for placeholder in &found {
            let object = text.get(placeholder.start..placeholder.end).unwrap();
            assert!(object.starts_with('{') && object.ends_with('}'), "{object}");
        }
        Ok(found.iter().map(|placeholder| placeholder.num).collect())
    }

    #[test]
    fn what_is_a_placeholder() {
        for (text, expected) in [
            (r#"[{"_placeholder":true,"num":0}]"#, &[0][..]),
            (r#"[{"num":1,"x":[2],"_placeholder":true}]"#, &[1]),
            (r#"[ { "\u005fplaceholder" : true , "num" : 1 } ]"#, &[1]),
            (
                r#"[{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}]"#,
                &[1, 1],
            ),
            (r#"[{"a":{"b":[{"_placeholder":true,"num":0}]}}]"#, &[0]),
            (
                r#"[{"_placeholder":true,"num":1.0},{"_placeholder":true,"num":1e0}]"#,
                &[1, 1],
            ),
            (r#"[{"_placeholder":true,"num":-0}]"#, &[0]),
            (r#"[{"_placeholder":true,"num":9,"num":0}]"#, &[0]),
            (r#"[{"_placeholder":1,"_placeholder":true,"num":0}]"#, &[0]),
            (
                r#"[{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":9}}]"#,
                &[0],
            ),
            (r#"[{"_placeholder":1,"num":0}]"#, &[]),
            (r#"[{"_placeholder":"true","num":0}]"#, &[]),
            (r#"[{"_placeholder":[true],"num":0}]"#, &[]),
            (
                r#"[{"_placeholder":true,"_placeholder":false,"num":9}]"#,
                &[],
            ),
            (r#"["_placeholder",true,"num",0]"#, &[]),
            (r#"[{"a":"_placeholder","b":true}]"#, &[]),
            (r#"[{"_placeholder":false},true,{"num":7}]"#, &[]),
            ("[]", &[]),
        ] {
            assert_eq!(nums(text, 2).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn placeholders_of_nothing_are_errors() {
        for num in [
            "2",
            "2.0",
            "-1",
            "0.5",
            "1.5",
            "\"0\"",
            "\"splice\"",
            "null",
            "true",
            "[0]",
            "{}",
            "1e999",
            "18446744073709551616",
            "-1e-400",
        ] {
            let text = format!(r#"[1,{{"_placeholder":true,"num":{num}}}]"#);
            let expected = match num {
                // Underflows to -0, in JavaScript as well.
                "-1e-400" => Ok(vec![0]),
                _ => Err(PlaceholderError::NoSuchAttachment { offset: 3 }),
            };
            assert_eq!(nums(&text, 2), expected, "{num}");
        }
        assert_eq!(
            nums(r#"[{"_placeholder":true}]"#, 2),
            Err(PlaceholderError::NoSuchAttachment { offset: 1 })
        );
    }

    #[test]
    fn the_walk_is_bounded_in_depth() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(nums(&nested(MAX_DEPTH), 1), Ok(vec![]));
        assert_eq!(
            nums(&nested(MAX_DEPTH + 1), 1),
            Err(PlaceholderError::TooDeep { offset: MAX_DEPTH })
        );
        assert!(nums(&nested(1_000_000), 1).is_err());
    }

    #[test]
    fn without_attachments_nothing_is_a_placeholder() {
        let attached = Attached::new(vec![], r#"[{"_placeholder":true,"num":7}]"#).unwrap();
        assert!(attached.placeholders().is_empty());
    }
}
