//! What CONNECT carries behind the namespace in revision 4.

use std::fmt;

use bytestring::ByteString;

use crate::QueryError;

/// The query behind the namespace of a CONNECT, revision 4: `40/admin?token=ok,`.
///
/// It is opaque: its bytes are kept as they are, except that a comma, which would end the
/// namespace, is written as `%2C`. `Debug` does not show it: it may be what a client
/// authenticates with.
///
/// ```
/// use socketio_codec::Query;
///
/// let query = Query::try_from("token=a,b&x=a%20b")?;
/// assert_eq!(query.as_str(), "token=a%2Cb&x=a%20b");
/// assert_eq!(format!("{query:?}"), "Query(19 bytes)");
/// # Ok::<(), socketio_codec::QueryError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Query(ByteString);

impl Query {
    /// The longest query, in bytes, as it is written: room for the query of any URL of 16 KiB, each
    /// of whose bytes may be a comma.
    pub const MAX_LEN: usize = 3 * 16 * 1024;

    /// The query without its `?`, as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it; then it is not written at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A part of a namespace, which holds nothing that a query may not hold.
    pub(crate) fn from_namespace(text: ByteString) -> Self {
        Self(text)
    }
}

impl TryFrom<&str> for Query {
    type Error = QueryError;

    fn try_from(query: &str) -> Result<Self, QueryError> {
        if let Some(offset) = query.find('\u{1e}') {
            return Err(QueryError::IllegalCharacter { offset });
        }
        let query = query.replace(',', "%2C");
        if query.len() > Self::MAX_LEN {
            return Err(QueryError::TooLong {
                limit: Self::MAX_LEN,
            });
        }
        Ok(Self(query.into()))
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_kept_but_for_what_would_end_it() {
        for (given, written) in [
            ("", ""),
            ("token=ok&x=a%20b", "token=ok&x=a%20b"),
            ("k=%41+b&flag&tok=aa==&z=1=2", "k=%41+b&flag&tok=aa==&z=1=2"),
            ("x=1,2,", "x=1%2C2%2C"),
            ("a?b#é", "a?b#é"),
        ] {
            assert_eq!(Query::try_from(given).unwrap().as_str(), written);
        }
    }

    #[test]
    fn what_cannot_be_carried_is_refused() {
        let error = QueryError::IllegalCharacter { offset: 1 };
        assert_eq!(Query::try_from("a\u{1e}"), Err(error));
        let longest = "a".repeat(Query::MAX_LEN);
        assert!(Query::try_from(longest.as_str()).is_ok());
        let limit = Query::MAX_LEN;
        for too_long in [format!("{longest}a"), longest.replacen('a', ",", 1)] {
            let error = QueryError::TooLong { limit };
            assert_eq!(Query::try_from(too_long.as_str()), Err(error));
        }
    }
}
