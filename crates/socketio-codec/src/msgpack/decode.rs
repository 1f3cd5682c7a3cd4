//! Message to packet.

use bytes::Bytes;
use bytestring::ByteString;

use super::read::{Item, Reader};
use super::{Kind, REVISION, to_json};
use crate::{DecodeError, Event, Json, Limits, Namespace, NamespaceError, Packet};

/// The packet of a message.
pub(crate) fn decode(message: &Bytes, limits: &Limits) -> Result<Packet, DecodeError> {
    let Fields {
        kind,
        namespace,
        id,
        data,
    } = Fields::read(message, limits)?;
    match kind {
        Kind::Connect => Ok(Packet::Connect {
            namespace,
            query: None,
            payload: data.payload("absent or a map", |item| matches!(item, Item::Map(_)))?,
        }),
        Kind::Disconnect => {
            data.payload("absent", |_| false)?;
            Ok(Packet::Disconnect { namespace })
        }
        Kind::Event => {
            let (start, len, contents) = data.array("an array with a name in front")?;
            let args = to_json::args(contents, start, len, limits)?;
            let name = contents.position();
            let event = Event::from_array(args, REVISION, 0).map_err(|error| match error {
                DecodeError::ReservedEventName { name: reserved, .. } => {
                    DecodeError::ReservedEventName {
                        offset: name,
                        name: reserved,
                    }
                }
                _ => DecodeError::IllegalEventName { offset: name },
            })?;
            Ok(Packet::Event {
                namespace,
                id,
                event,
            })
        }
        Kind::Ack => {
            let id = id.ok_or(DecodeError::MissingAckId {
                offset: message.len(),
            })?;
            let (start, len, contents) = data.array("an array")?;
            let args = to_json::args(contents, start, len, limits)?;
            Ok(Packet::Ack {
                namespace,
                id,
                args,
            })
        }
        Kind::ConnectError => {
            let is_allowed = |item: &Item<'_>| matches!(item, Item::Map(_) | Item::String(_));
            Ok(Packet::ConnectError {
                namespace,
                payload: data.payload("absent, a map or a string", is_allowed)?,
            })
        }
    }
}

/// The members of a packet's map. The id of a packet that has none is ignored, as in the reference
/// implementation, and so are other members, such as its `options`.
struct Fields<'a> {
    kind: Kind,
    namespace: Namespace,
    id: Option<u64>,
    data: Data<'a>,
}

impl<'a> Fields<'a> {
    fn read(message: &'a Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        if message.is_empty() {
            return Err(DecodeError::Empty);
        }
        let mut reader = Reader::new(message);
        let Item::Map(members) = reader.item()? else {
            return Err(Reader::malformed(0, "not a map"));
        };
        let mut kind = None;
        let mut namespace = None;
        let mut id = None;
        let mut data = None;
        for _ in 0..members {
            let key_start = reader.position();
            let key = reader.item()?;
            reader.skip_contents(&key)?;
            let start = reader.position();
            let item = reader.item()?;
            let contents = reader;
            reader.skip_contents(&item)?;
            let is_new = match key {
                Item::String("type") => kind.replace(read_kind(&item, start)?).is_none(),
                Item::String("nsp") => namespace
                    .replace(read_namespace(&item, start, contents, limits)?)
                    .is_none(),
                Item::String("id") => id.replace(read_id(&item, start, limits)?).is_none(),
                Item::String("data") => data
                    .replace(Data {
                        start,
                        item,
                        contents,
                    })
                    .is_none(),
                _ => true,
            };
            if !is_new {
                return Err(Reader::malformed(
                    key_start,
                    "a member that was there before",
                ));
            }
        }
        let end = reader.position();
        if end < message.len() {
            return Err(Reader::malformed(end, "something behind the packet"));
        }
        Ok(Self {
            kind: kind.ok_or_else(|| Reader::malformed(end, "a packet without a type"))?,
            namespace: namespace
                .ok_or_else(|| Reader::malformed(end, "a packet without a namespace"))?,
            id: id.flatten(),
            data: data.unwrap_or(Data {
                start: end,
                item: Item::Undefined,
                contents: reader,
            }),
        })
    }
}

/// A value that has been found whole, however deep.
struct Data<'a> {
    start: usize,
    item: Item<'a>,
    /// What belongs to it starts here.
    contents: Reader<'a>,
}

impl<'a> Data<'a> {
    /// Where the array starts, how many items it has, and where they are.
    fn array(&self, expected: &'static str) -> Result<(usize, usize, Reader<'a>), DecodeError> {
        match self.item {
            Item::Array(len) => Ok((self.start, len, self.contents)),
            _ => Err(self.illegal(expected)),
        }
    }

    fn payload(
        &self,
        expected: &'static str,
        is_allowed: impl Fn(&Item<'_>) -> bool,
    ) -> Result<Option<Json>, DecodeError> {
        match self.item {
            Item::Undefined | Item::Nil => Ok(None),
            item if is_allowed(&item) => to_json::json(self.contents, self.start, item).map(Some),
            _ => Err(self.illegal(expected)),
        }
    }

    fn illegal(&self, expected: &'static str) -> DecodeError {
        DecodeError::IllegalPayload {
            offset: self.start,
            expected,
        }
    }
}

fn read_kind(item: &Item<'_>, start: usize) -> Result<Kind, DecodeError> {
    let Whole::Number(number) = Whole::of(item) else {
        return Err(Reader::malformed(
            start,
            "a type that is not a whole number",
        ));
    };
    let problem = "the packet type is not one of 0 to 4";
    Kind::from_number(number).ok_or_else(|| Reader::malformed(start, problem))
}

fn read_id(item: &Item<'_>, start: usize, limits: &Limits) -> Result<Option<u64>, DecodeError> {
    if matches!(item, Item::Undefined | Item::Nil) {
        return Ok(None);
    }
    match Whole::of(item) {
        Whole::Number(id) if digits(id) <= limits.max_ack_id_digits => Ok(Some(id)),
        Whole::Number(_) | Whole::TooLarge => Err(DecodeError::AckIdTooLarge { offset: start }),
        Whole::No => {
            let problem = "an id that is not a whole number, 0 or more";
            Err(Reader::malformed(start, problem))
        }
    }
}

/// How many there are in the decimal form.
fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

fn read_namespace(
    item: &Item<'_>,
    start: usize,
    behind: Reader<'_>,
    limits: &Limits,
) -> Result<Namespace, DecodeError> {
    let Item::String(name) = *item else {
        return Err(Reader::malformed(start, "a namespace that is not a string"));
    };
    let limit = limits.max_namespace_len.min(Namespace::MAX_LEN);
    if name.len() > limit {
        return Err(DecodeError::NamespaceTooLong {
            offset: start,
            limit,
        });
    }
    if name == "/" {
        return Ok(Namespace::root());
    }
    let offset = behind.position() - name.len();
    let illegal = |inner| DecodeError::IllegalNamespace {
        offset: offset + inner,
    };
    let name = ByteString::try_from(behind.take(name.as_bytes())).map_err(|_| illegal(0))?;
    Namespace::try_from(name).map_err(|error| match error {
        NamespaceError::IllegalCharacter { offset } => illegal(offset),
        _ => illegal(0),
    })
}

/// JavaScript has one kind of number, and some encoders write all of them as floating point.
enum Whole {
    Number(u64),
    TooLarge,
    No,
}

impl Whole {
    fn of(item: &Item<'_>) -> Self {
        const TOO_LARGE: f64 = 18_446_744_073_709_551_616.0;
        match *item {
            Item::Unsigned(number) => Self::Number(number),
            Item::Float(number) if number.fract() != 0.0 || number < 0.0 => Self::No,
            Item::Float(number) if number < TOO_LARGE => Self::Number(number as u64),
            Item::Float(number) if number.is_finite() => Self::TooLarge,
            _ => Self::No,
        }
    }
}
