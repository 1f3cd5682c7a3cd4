//! The names that a WebSocket handshake offers in `Sec-WebSocket-Protocol`.

use std::fmt;

/// Subprotocols that are offered in each WebSocket handshake, in order of preference; the server answers with one of them
/// or with none. Default: none is offered.
///
/// ```
/// use engineio::{Config, Subprotocols};
///
/// let mut config = Config::default();
/// config.subprotocols = Subprotocols::new(["chat.v2", "chat.v1"])?;
/// # Ok::<(), engineio::SubprotocolError>(())
/// ```
///
/// Where headers cannot be set (in browsers), applications put credentials here. So nothing prints them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Subprotocols(Vec<String>);

/// Names that a handshake cannot offer (RFC 6455, section 4.1); the number is the name's place in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubprotocolError {
    /// It is empty, or holds a space, a separator such as `,` or `/`, or something that is not ASCII.
    #[error("the subprotocol at index {0} is not a token")]
    NotAToken(usize),
    /// The list has it twice.
    #[error("the subprotocol at index {0} is in the list twice")]
    Duplicate(usize),
}

impl Subprotocols {
    /// A list of names.
    ///
    /// # Errors
    ///
    /// See [`SubprotocolError`].
    pub fn new<I>(names: I) -> Result<Self, SubprotocolError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut list = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let name = name.into();
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                return Err(SubprotocolError::NotAToken(index));
            }
            if list.contains(&name) {
                return Err(SubprotocolError::Duplicate(index));
            }
            list.push(name);
        }
        Ok(Self(list))
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether nothing is offered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the header, if there is to be one.
    #[must_use]
    pub fn header_value(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.0.join(", "))
    }

    /// Whether a server may choose this one. Names differ by case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|offered| offered == name)
    }
}

/// RFC 2616, section 2.2: any visible ASCII character but the separators.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?={}"#.contains(&byte)
}

impl fmt::Debug for Subprotocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subprotocols({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subprotocols_are_tokens_and_unique() {
        use SubprotocolError::{Duplicate, NotAToken};
        for (names, error) in [
            (&["a", ""][..], NotAToken(1)),
            (&["a b"], NotAToken(0)),
            (&["a,b"], NotAToken(0)),
            (&["a/b"], NotAToken(0)),
            (&["a=b"], NotAToken(0)),
            (&["\"a\""], NotAToken(0)),
            (&["a\r\nX: y"], NotAToken(0)),
            (&["\u{7f}"], NotAToken(0)),
            (&["é"], NotAToken(0)),
            (&["a", "b", "a"], Duplicate(2)),
        ] {
            let result = Subprotocols::new(names.iter().copied());
            assert_eq!(result, Err(error), "{names:?}");
        }
        let offered = Subprotocols::new(["a!#$%&'*+-.^_`|~1", "A", "a"]).unwrap();
        assert_eq!(
            offered.header_value().as_deref(),
            Some("a!#$%&'*+-.^_`|~1, A, a")
        );
        assert!(offered.contains("A") && !offered.contains("B"));
    }

    #[test]
    fn no_subprotocols_are_no_header() {
        let none = Subprotocols::new([""; 0]).unwrap();
        assert_eq!(none, Subprotocols::default());
        assert_eq!(none.header_value(), None);
    }

    #[test]
    fn debug_hides_the_names() {
        let offered = Subprotocols::new(["secret"]).unwrap();
        assert_eq!(format!("{offered:?}"), "Subprotocols(1)");
    }
}
