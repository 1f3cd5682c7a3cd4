//! Socket.IO packets, protocol revisions 5 and 4, to and from the messages they travel in.
//!
//! A packet is one text message, followed by one binary message for each of its attachments. This
//! crate turns [`Packet`]s into those and those into [`Packet`]s; it opens no connection, reads
//! no clock and starts no task.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use socketio_codec::{Bytes, Decoder, Event, Limits, Namespace, Packet};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Upload {
//!     name: String,
//!     content: Bytes,
//! }
//!
//! // One side writes …
//! let upload = Upload { name: "a.txt".into(), content: Bytes::from_static(b"hello") };
//! let packet = Packet::Event {
//!     namespace: Namespace::try_from("/files")?,
//!     id: Some(7),
//!     event: Event::new("upload", &(&upload, true))?,
//! };
//! let mut text = String::new();
//! packet.encode(&mut text);
//! assert_eq!(
//!     text,
//!     r#"51-/files,7["upload",{"name":"a.txt","content":{"_placeholder":true,"num":0}},true]"#
//! );
//!
//! // … and the other reads.
//! let mut decoder = Decoder::new(Limits::default());
//! let mut received = decoder.text(text.into())?;
//! for attachment in packet.attachments() {
//!     received = decoder.binary(attachment.clone())?;
//! }
//! let Some(Packet::Event { event, .. }) = received else { panic!("not an event") };
//! assert_eq!(event.name(), "upload");
//! assert_eq!(event.parse::<(Upload, bool)>()?, (upload, true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Arguments
//!
//! Events and acknowledgements carry a list of arguments. To and from Rust values, in both
//! directions:
//!
//! * **A tuple is the list; `()` is no arguments; anything else is one argument.** Tuple structs
//!   are tuples. So are arrays of a fixed length, which serde cannot tell from them. A newtype
//!   struct is what it wraps. `Some(x)` is one argument, `None` is one `null`.
//! * When reading, arguments beyond the tuple are ignored, and missing ones are read as `null`,
//!   which `Option` accepts.
//! * **Binary values** (`Bytes`, `serde_bytes`: what calls `serialize_bytes`) become attachments
//!   wherever they are, except as keys of a map. A `Vec<u8>` is a list of numbers to serde, in
//!   both directions.
//! * A binary value that is read as *whatever it is* (`deserialize_any`) is shown as bytes. Types
//!   that know only JSON refuse it: a `serde_json::Value` cannot hold one. The JSON text with the
//!   placeholders is there for those: [`Args::json`], [`Args::iter_raw`].
//! * Everything else is as in `serde_json`: NaN is written as `null`, keys of a map are strings,
//!   numbers or booleans, nothing more than 127 arrays and objects deep is read.
//!
//! Nothing is made of a value until [`Args::parse`] asks for it, but all of the JSON has been
//! checked by then.
//!
//! # Memory
//!
//! Decoding copies next to nothing. A received [`Event`], its arguments, its name, its
//! attachments, a [`Json`] and a [`Namespace`] are slices of the messages given to the
//! [`Decoder`], and a message may itself be a slice of a large receive buffer. The smallest of
//! them keeps the whole buffer alive. Only what a peer has packed into a much larger message
//! (more than 4 KiB, and more than twice as much: white space behind it, members that nobody
//! reads) is copied out. To keep one for long, keep what its `detach` gives, or an owned value out of
//! `parse`.
//!
//! What a peer can make the decoder hold is bounded by [`Limits`], which tell
//! [what reading costs](Limits#memory).
//!
//! # Revisions
//!
//! A [`Decoder`] reads one [`Revision`]; [`Decoder::new`] reads revision 5. Packets are written the
//! same in both, except that CONNECT carries an auth payload in revision 5, and a [`Query`] behind
//! the namespace in revision 4: whoever makes the packet gives it the one or the other.
//!
//! # Formats
//!
//! [`Parser`] is the format as a value, for whoever lets it be chosen: [`Parser::json`] is the one
//! described here; a [`CustomParser`] is one's own. Both ends of a connection must use the same.
//!
//! # MessagePack
//!
//! `Parser::msgpack`, behind the feature `msgpack`, is the format of `socket.io-msgpack-parser` 3:
//! a packet is one binary message, with binary values where they belong. Arguments are the same in
//! both formats, JSON text and attachments, and serde reads and writes them as ever. They are
//! translated so that a JavaScript peer gives and gets what it would with JSON:
//!
//! | MessagePack | JSON |
//! |---|---|
//! | bin, and the extension that stands for `ArrayBuffer` | a binary value; in CONNECT and CONNECT_ERROR, which have none, an array of numbers. Written as bin |
//! | integers | exact in 64 bits. A larger one in JSON text is written as the nearest floating-point number |
//! | floating point | as it is, `1.0` included; NaN and the infinities as `null` |
//! | the extension that stands for `undefined` | `null` in a list; the member is left out of an object |
//! | the extension that stands for `Date` | a string, `2020-01-01T00:00:00.000Z` |
//! | any other extension | `[type, bytes]` |
//! | keys | strings; integers and truth values as strings; no others. Equal keys are passed on, as in JSON |
//!
//! An object of the peer's that looks like a placeholder stays an object. JSON could not carry it
//! beside binary values: [`Parser::encode`] refuses that.
//!
//! Unlike the reference implementation, the decoder rejects bytes that are not UTF-8 in a string,
//! other keys than those, a member of the packet that is there twice, more than 128 arrays and
//! objects inside one another, and what [`Limits`] forbids, attachments included; and, as with
//! JSON, namespaces, ids and event names that could not be answered. It accepts `nil` for what is
//! absent, and a CONNECT_ERROR without data: implementations in other languages send them. When
//! writing, a string that is not Unicode (`"\ud800"`), a number beyond 64-bit floating point
//! (`1e999`), more than 128 arrays and objects inside one another, and an attachment that belongs
//! in several places are errors; they can be in JSON that came from elsewhere.
//!
//! # Differences from the reference implementation
//!
//! In revision 5 the JSON decoder accepts and rejects what `socket.io-parser` 4.2.7 does, except that
//! it rejects:
//!
//! * an event without JSON (`2`), and an empty message: there is no event name, or no packet;
//! * an acknowledgement without an id (`3[]`): it acknowledges nothing;
//! * ids that do not fit in 64 bits or have more than 20 digits: they could not be sent back;
//! * white space, signs, exponents and hexadecimal in the numbers of the header (`2 ["a"]`,
//!   `51e0-…`), which JavaScript reads as numbers by accident;
//! * a placeholder with a fraction for a number (`0.5`), which would become `undefined`;
//! * attachments that belong in so many places that they come to more than
//!   [`Limits::max_attachment_bytes`] there: each place would be a copy;
//! * a placeholder for no attachment under a key that is there again (`{"a":{…"num":9},"a":1}`), where
//!   JavaScript forgets it before it is looked at;
//! * an event name that is not Unicode (`"\ud800"`): it could not be compared with anything. In
//!   arguments this is accepted; reading the value as a `String` is what fails;
//! * namespaces longer than [`Namespace::MAX_LEN`] or with U+001E in them, which could not be
//!   answered under HTTP long-polling;
//! * more than 128 arrays and objects inside one another in a packet with attachments, where the
//!   placeholders have to be looked for; it overflows the stack of the reference implementation
//!   at some point. Without attachments any depth is accepted, and reading such a value fails.
//!
//! When writing, unlike there, more than 10 attachments are an error unless
//! [allowed](Event::with_max_attachments), because receivers end the connection; and so is an
//! object `{"_placeholder":true,…}` beside binary values, because the receiver would put an
//! attachment in its place.
//!
//! Errors name the rule and the place. Neither they nor any `Debug` shows a payload.

mod args;
mod check;
mod de;
mod decode;
mod encode;
mod error;
mod event;
mod json;
mod limits;
#[cfg(feature = "msgpack")]
mod msgpack;
mod namespace;
mod packet;
mod parser;
mod placeholder;
mod query;
mod revision;
mod scan;
mod scratch;
mod ser;
mod spread;

pub use args::{Args, RawArgs};
pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use decode::Decoder;
pub use error::{ArgsError, DecodeError, EncodeError, NamespaceError, QueryError, ValueError};
pub use event::Event;
pub use json::Json;
pub use limits::Limits;
pub use namespace::Namespace;
pub use packet::Packet;
pub use parser::{CustomDecoder, CustomParser, Parser, ParserDecoder, Part, Parts};
pub use query::Query;
pub use revision::Revision;
pub use serde_json::value::RawValue;
pub use spread::Spread;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_sent_between_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<Packet>();
        check::<Decoder>();
        check::<(Parser, ParserDecoder, Parts)>();
        check::<RawArgs<'static>>();
        check::<(
            NamespaceError,
            QueryError,
            DecodeError,
            EncodeError,
            ArgsError,
            ValueError,
        )>();
    }
}
