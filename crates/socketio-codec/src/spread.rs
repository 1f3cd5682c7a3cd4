//! Arguments whose number is known only at run time.

use serde::ser::{Serialize, SerializeTuple, Serializer};

/// A list of arguments whose length is known only at run time, what `...list` is in JavaScript: a `Vec` by itself is one
/// argument. [`Args::parse_each`](crate::Args::parse_each) reads such a list.
///
/// ```
/// use socketio_codec::{Event, Spread};
///
/// let event = Event::new("sum", &Spread(vec![1, 2, 3]))?;
/// assert_eq!(event.json(), r#"["sum",1,2,3]"#);
/// assert_eq!(event.args().parse_each::<u32>()?, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spread<T>(pub Vec<T>);

/// As a tuple, which to serde is what it is.
impl<T: Serialize> Serialize for Spread<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_tuple(self.0.len())?;
        for item in &self.0 {
            list.serialize_element(item)?;
        }
        list.end()
    }
}
