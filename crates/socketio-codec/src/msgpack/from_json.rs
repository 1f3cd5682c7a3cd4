//! JSON text and its attachments to MessagePack.
//!
//! MessagePack says in front how long a list is and JSON does not, so the text is walked twice:
//! once to count, once to write. Neither walk is recursive.

use bytes::Bytes;

use super::write::Writer;
use crate::placeholder::{Attached, MAX_DEPTH};
use crate::scan::{Scanner, StringToken};
use crate::{Args, EncodeError, Event, Json};

pub(super) fn push_json(out: &mut Writer, json: &Json) -> Result<(), EncodeError> {
    push(out, Tokens::new(json.as_str(), 0, None), 0)
}

/// The array with the name in front.
pub(super) fn push_event(out: &mut Writer, event: &Event) -> Result<(), EncodeError> {
    let attached = event.args().attached();
    check_references(attached)?;
    push(out, Tokens::new(event.json(), 0, Some(attached)), 0)
}

/// The array without the name of the event that the arguments may have come with.
pub(super) fn push_args(out: &mut Writer, args: &Args) -> Result<(), EncodeError> {
    check_references(args.attached())?;
    out.array(args.len())?;
    let items = Tokens::new(args.array(), args.first(), Some(args.attached()));
    push(out, items, 1)
}

/// Binary values are written where they belong, so that one in many places would be multiplied. No
/// encoder makes such packets; a hostile peer may, and this one may be passed on.
fn check_references(attached: &Attached) -> Result<(), EncodeError> {
    let mut seen = vec![false; attached.attachments().len()];
    for placeholder in attached.placeholders() {
        if let Some(seen) = seen.get_mut(placeholder.num)
            && std::mem::replace(seen, true)
        {
            return Err(EncodeError::Inexpressible {
                what: "one attachment in several places",
            });
        }
    }
    Ok(())
}

/// `depth` arrays have been begun around the tokens.
fn push(out: &mut Writer, tokens: Tokens<'_>, depth: usize) -> Result<(), EncodeError> {
    let mut counts = count(tokens, depth)?.into_iter();
    for token in tokens {
        match token {
            Token::Array => out.array(counts.next().unwrap_or_default())?,
            Token::Object => out.map(counts.next().unwrap_or_default() / 2)?,
            Token::End => {}
            Token::String(token) => match token.decode() {
                Some(text) => out.string(&text)?,
                None => {
                    return Err(EncodeError::Inexpressible {
                        what: "a string that is not Unicode",
                    });
                }
            },
            Token::Scalar(text) => push_scalar(out, text)?,
            Token::Binary(data) => out.binary(data)?,
        }
    }
    Ok(())
}

/// How many items each array has, and how many keys and values each object, in the order in which
/// they begin.
fn count(tokens: Tokens<'_>, depth: usize) -> Result<Vec<usize>, EncodeError> {
    let mut counts = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for token in tokens {
        if matches!(token, Token::End) {
            open.pop();
            continue;
        }
        if let Some(count) = open.last().and_then(|&index| counts.get_mut(index)) {
            *count += 1;
        }
        if matches!(token, Token::Array | Token::Object) {
            if depth + open.len() == MAX_DEPTH {
                return Err(EncodeError::TooDeep { limit: MAX_DEPTH });
            }
            open.push(counts.len());
            counts.push(0);
        }
    }
    Ok(counts)
}

/// A number is what it is to JavaScript, but exact where it fits in 64 bits.
fn push_scalar(out: &mut Writer, text: &str) -> Result<(), EncodeError> {
    match text {
        "null" => out.nil(),
        "true" => out.bool(true),
        "false" => out.bool(false),
        "-0" => out.float(-0.0),
        number => {
            if let Ok(value) = number.parse() {
                out.unsigned(value);
            } else if let Ok(value) = number.parse() {
                out.negative(value);
            } else {
                match number.parse::<f64>() {
                    Ok(value) if value.is_finite() => out.float(value),
                    _ => {
                        return Err(EncodeError::Inexpressible {
                            what: "a number beyond 64-bit floating point",
                        });
                    }
                }
            }
        }
    }
    Ok(())
}

/// Keys are strings like any other.
enum Token<'a> {
    Array,
    Object,
    /// Of an array or object.
    End,
    String(StringToken<'a>),
    Scalar(&'a str),
    Binary(&'a Bytes),
}

/// What stands in a valid JSON text, with binary values in place of their placeholders.
#[derive(Clone, Copy)]
struct Tokens<'a> {
    scanner: Scanner<'a>,
    attached: Option<&'a Attached>,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str, start: usize, attached: Option<&'a Attached>) -> Self {
        Self {
            scanner: Scanner::new(text, start),
            attached,
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self.scanner.eat(b',') || self.scanner.eat(b':') {}
        let token = match self.scanner.peek()? {
            b'"' => return self.scanner.string().map(Token::String),
            b'[' => Token::Array,
            b'{' => {
                let start = self.scanner.position();
                if let Some((found, data)) = self.attached.and_then(|all| all.at(start)) {
                    self.scanner.advance(found.end - start);
                    return Some(Token::Binary(data));
                }
                Token::Object
            }
            b']' | b'}' => Token::End,
            _ => {
                let text = self.scanner.scalar();
                return (!text.is_empty()).then_some(Token::Scalar(text));
            }
        };
        self.scanner.advance(1);
        Some(token)
    }
}
