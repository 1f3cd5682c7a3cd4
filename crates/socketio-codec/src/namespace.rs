//! The name of a namespace, always one that can be written into a packet.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use bytestring::ByteString;

use crate::NamespaceError;

/// A namespace: starts with `/`, at most [`MAX_LEN`](Self::MAX_LEN) bytes.
///
/// It contains no comma, which ends it on the wire, and no U+001E, which separates packets under
/// HTTP long-polling and cannot be escaped there. Everything else is allowed and compared
/// literally: in `/a?x=1` the `?` is a character like any other.
///
/// ```
/// use socketio_codec::Namespace;
///
/// let admin: Namespace = "/admin".parse()?;
/// assert_eq!(admin.as_str(), "/admin");
/// assert!(Namespace::root().is_root());
/// assert!("admin".parse::<Namespace>().is_err());
/// # Ok::<(), socketio_codec::NamespaceError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(ByteString);

impl Namespace {
    /// The longest namespace, in bytes. The protocol knows no bound; this one keeps a peer from
    /// making every packet carry megabytes of name.
    pub const MAX_LEN: usize = 1024;

    /// The namespace `/`, which is left out on the wire.
    pub const fn root() -> Self {
        Self(ByteString::from_static("/"))
    }

    /// The name, with its leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// A copy in a buffer of its own, for keeping: a received namespace is a slice of the message
    /// it came in and keeps all of that alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        if self.is_root() {
            Self::root()
        } else {
            Self(ByteString::from(self.as_str()))
        }
    }
}

impl TryFrom<ByteString> for Namespace {
    type Error = NamespaceError;

    fn try_from(name: ByteString) -> Result<Self, NamespaceError> {
        if !name.starts_with('/') {
            return Err(NamespaceError::NoSlash);
        }
        if name.len() > Self::MAX_LEN {
            return Err(NamespaceError::TooLong {
                limit: Self::MAX_LEN,
            });
        }
        match name.find([',', '\u{1e}']) {
            Some(offset) => Err(NamespaceError::IllegalCharacter { offset }),
            None => Ok(Self(name)),
        }
    }
}

impl TryFrom<&str> for Namespace {
    type Error = NamespaceError;

    fn try_from(name: &str) -> Result<Self, NamespaceError> {
        ByteString::from(name).try_into()
    }
}

impl TryFrom<String> for Namespace {
    type Error = NamespaceError;

    fn try_from(name: String) -> Result<Self, NamespaceError> {
        ByteString::from(name).try_into()
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(name: &str) -> Result<Self, NamespaceError> {
        name.try_into()
    }
}

impl Default for Namespace {
    /// The namespace `/`.
    fn default() -> Self {
        Self::root()
    }
}

impl AsRef<str> for Namespace {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// A map with namespaces for keys can be asked with a string.
impl Borrow<str> for Namespace {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_namespace() {
        let longest = format!("/{}", "a".repeat(Namespace::MAX_LEN - 1));
        for name in [
            "/",
            "/a",
            "/a?x=1",
            "/a{\"x\":1}",
            "//",
            "/é😀",
            "/a b",
            &longest,
        ] {
            assert_eq!(Namespace::try_from(name).unwrap().as_str(), name);
        }
        let too_long = format!("{longest}a");
        for (name, error) in [
            ("", NamespaceError::NoSlash),
            ("a", NamespaceError::NoSlash),
            (" /a", NamespaceError::NoSlash),
            ("/a,b", NamespaceError::IllegalCharacter { offset: 2 }),
            ("/\u{1e}", NamespaceError::IllegalCharacter { offset: 1 }),
            (
                &too_long,
                NamespaceError::TooLong {
                    limit: Namespace::MAX_LEN,
                },
            ),
        ] {
            assert_eq!(Namespace::try_from(name), Err(error));
        }
    }

    #[test]
    fn the_root_is_recognised_however_it_was_made() {
        assert_eq!(Namespace::try_from("/").unwrap(), Namespace::root());
        assert!(Namespace::try_from(String::from("/")).unwrap().is_root());
        assert!(!Namespace::try_from("/a").unwrap().is_root());
    }

    #[test]
    fn a_map_can_be_asked_with_a_string() {
        let namespaces = std::collections::HashSet::from([Namespace::try_from("/a").unwrap()]);
        assert!(namespaces.contains("/a"));
    }
}
