//! What is read and written.

use bytes::Bytes;
use engineio::{ByteString, Message, Packet, Version, payload};
use serde::Serialize;

use super::Content;

/// How large the text EVENTs are, the digit of their type included.
pub const SIZES: [(&str, usize); 3] = [("101 B", 101), ("1 KiB", 1024), ("64 KiB", 64 * 1024)];

/// How many packets there are in a payload.
pub const COUNTS: [usize; 3] = [1, 64, 1024];

/// The revisions of Engine.IO.
pub const VERSIONS: [Version; 2] = [Version::V3, Version::V4];

/// The name of all events.
pub const NAME: &str = "message";

const ATTACHMENT: usize = 1024;

/// The argument of a text EVENT: what people's programs send, with escapes, numbers of both kinds and some nesting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chat {
    id: u64,
    user: &'static str,
    text: String,
    at: f64,
    read: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Item {
    id: u64,
    title: String,
    price: f64,
    tags: [&'static str; 2],
    image: Image,
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Image {
    width: u32,
    height: u32,
    path: String,
}

/// The argument of a binary EVENT.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct File {
    name: &'static str,
    size: u64,
    data: Bytes,
}

impl File {
    /// It, as it is written where the receiver is to find its data in the first attachment.
    pub(super) fn with_placeholder(&self) -> impl Serialize + use<> {
        #[derive(Serialize)]
        struct Placeholder {
            _placeholder: bool,
            num: usize,
        }
        #[derive(Serialize)]
        struct File {
            name: &'static str,
            size: u64,
            data: Placeholder,
        }
        File {
            name: self.name,
            size: self.size,
            data: Placeholder {
                _placeholder: true,
                num: 0,
            },
        }
    }

    pub(super) fn data(&self) -> Bytes {
        self.data.clone()
    }
}

/// A payload: its packets, and what they are in one body.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) packets: Vec<Packet>,
    pub(super) body: Bytes,
}

/// The argument of an EVENT of exactly this size, which is at least 90.
#[must_use]
pub fn chat(bytes: usize) -> Chat {
    let mut chat = Chat {
        id: 1842,
        user: "ada",
        text: "Hi \"Bob\"!\n".into(),
        at: 1_718_274.25,
        read: false,
        items: Vec::new(),
    };
    let mut len = text(&chat).len() + r#","items":[]"#.len();
    for item in (0..).map(item) {
        let comma = usize::from(!chat.items.is_empty());
        len += comma + serde_json::to_string(&item).unwrap_or_default().len();
        if len > bytes {
            break;
        }
        chat.items.push(item);
    }
    let missing = bytes.saturating_sub(text(&chat).len());
    let words = "what is left to say is said in plain words, ".chars();
    chat.text.extend(words.cycle().take(missing));
    chat
}

fn item(id: u64) -> Item {
    Item {
        id: 70_000 + id,
        title: format!("Café \"Größe {}\"", id % 7),
        price: 0.95 + id as f64,
        tags: ["new", "on sale"],
        image: Image {
            width: 640,
            height: 480,
            path: format!("/images/{id:04}.png"),
        },
        note: id
            .is_multiple_of(3)
            .then(|| "first line\n\tsecond line".into()),
    }
}

/// The text of an EVENT with this argument.
#[must_use]
pub fn text(chat: &Chat) -> ByteString {
    let array = serde_json::to_string(&(NAME, chat)).unwrap_or_default();
    format!("2{array}").into()
}

/// The argument of an EVENT with one attachment.
#[must_use]
pub fn file() -> File {
    File {
        name: "a.png",
        size: ATTACHMENT as u64,
        data: bytes(ATTACHMENT),
    }
}

/// The text of that EVENT, and its attachment.
#[must_use]
pub fn binary() -> (ByteString, Bytes) {
    let file = file();
    let text = format!(
        r#"51-["{NAME}",{{"name":"{}","size":{},"data":{{"_placeholder":true,"num":0}}}}]"#,
        file.name, file.size
    );
    (text.into(), file.data)
}

/// Packets with the smallest of the text EVENTs, or with 101 bytes each. All are ASCII, so that a length of revision 3,
/// which counts UTF-16 code units, is one in bytes, and the floor need not look at them.
pub(super) fn payload(version: Version, content: Content, packets: usize) -> Payload {
    let (_, smallest) = SIZES[0];
    let message = match content {
        Content::Text => Message::Text(text(&chat(smallest))),
        Content::Binary => Message::Binary(bytes(smallest)),
    };
    let packets = vec![Packet::Message(message); packets];
    Payload {
        body: payload::encode(version, &packets),
        packets,
    }
}

/// Bytes of which none is like the one in front of it.
fn bytes(count: usize) -> Bytes {
    (0..count)
        .map(|index| (index.wrapping_mul(167) & 0xFF) as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_exactly_their_size() {
        for (name, bytes) in SIZES {
            let text = text(&chat(bytes));
            assert_eq!(text.len(), bytes, "{name}");
            assert!(text.contains("\\\"") && text.contains("\\n"), "{name}");
        }
        assert!(text(&chat(101)).is_ascii());
    }
}
