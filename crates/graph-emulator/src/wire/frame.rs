//! Just enough WebSocket framing (RFC 6455 section 5.2) to watch a stream and replace a text message in it.

use bytes::{Bytes, BytesMut};

/// Splits one direction of a WebSocket into frames, whatever pieces it comes in.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
}

impl FrameReader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame, if it is there.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let (head, payload) = measure(&self.buffer)?;
        let end = head.checked_add(payload)?;
        if self.buffer.len() < end {
            return None;
        }
        let raw = self.buffer.split_to(end).freeze();
        Some(Frame { raw, head })
    }
}

/// The lengths of the head and the payload of the frame that starts here.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    match second & 0x7f {
        126 => {
            let length: [u8; 2] = bytes.get(2..4)?.try_into().ok()?;
            Some((4 + mask, usize::from(u16::from_be_bytes(length))))
        }
        127 => {
            let length: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
            Some((10 + mask, usize::try_from(u64::from_be_bytes(length)).ok()?))
        }
        short => Some((2 + mask, usize::from(short))),
    }
}

/// One frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    raw: Bytes,
    head: usize,
}

impl Frame {
    /// The frame as it came.
    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The text, if this is a whole text message.
    pub(crate) fn text(&self) -> Option<String> {
        (self.first() == 0x81)
            .then(|| String::from_utf8(self.payload()).ok())
            .flatten()
    }

    /// Whether a binary message starts here.
    pub(crate) fn is_binary(&self) -> bool {
        self.first() & 0x0f == 0x02
    }

    fn first(&self) -> u8 {
        self.raw.first().copied().unwrap_or_default()
    }

    fn payload(&self) -> Vec<u8> {
        let payload = self.raw.get(self.head..).unwrap_or_default();
        let masked = self.raw.get(1).is_some_and(|second| second & 0x80 != 0);
        match self.raw.get(self.head.saturating_sub(4)..self.head) {
            Some(mask) if masked => payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect(),
            _ => payload.to_vec(),
        }
    }
}

/// An unmasked close frame without a code.
pub(crate) const CLOSE: [u8; 2] = [0x88, 0x00];

/// An unmasked text frame, as a server sends it.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(middle)) => {
            frame.push(126);
            frame.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A CONNECT reply without its `{"sid":…}` object; `None` if this packet is something else.
///
/// Engine.IO `4` (message), Socket.IO `0` (CONNECT), the namespace with its comma unless it is the root, the object.
pub(crate) fn without_sid(packet: &str) -> Option<&str> {
    let rest = packet.strip_prefix("40")?;
    let object = if rest.starts_with('/') {
        rest.find(",{")? + 1
    } else {
        0
    };
    if !rest.get(object..)?.starts_with('{') {
        return None;
    }
    packet.get(..2 + object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_whatever_the_pieces() {
        let long = "x".repeat(300);
        let longer = "y".repeat(70_000);
        let mut stream = text_frame("2");
        stream.extend_from_slice(&[0x81, 0x81, 1, 2, 3, 4, 0x32]);
        stream.extend(text_frame(&long));
        stream.extend_from_slice(&[0x82, 0x02, 0xde, 0xad]);
        stream.extend(text_frame(&longer));
        stream.extend(CLOSE);
        for piece in [1, 2, 3, 7, 1000, stream.len()] {
            let mut reader = FrameReader::default();
            let mut frames = Vec::new();
            let mut raw = Vec::new();
            for bytes in stream.chunks(piece) {
                reader.push(bytes);
                while let Some(frame) = reader.next() {
                    raw.extend_from_slice(frame.raw());
                    frames.push(frame);
                }
            }
            let texts: Vec<_> = frames.iter().map(Frame::text).collect();
            let expected = [Some("2"), Some("3"), Some(&long), None, Some(&longer), None]
                .map(|t| t.map(str::to_owned));
            assert_eq!(texts, expected, "in pieces of {piece}");
            assert_eq!(
                frames.iter().map(Frame::is_binary).collect::<Vec<_>>(),
                [false, false, false, true, false, false]
            );
            assert_eq!(raw, stream);
        }
    }

    #[test]
    fn only_a_connect_reply_loses_its_object() {
        for (packet, expected) in [
            (r#"40{"sid":"a"}"#, Some("40")),
            (r#"40/notifications,{"sid":"a"}"#, Some("40/notifications,")),
            (r#"40/a,{"sid":"{,{"}"#, Some("40/a,")),
            ("40", None),
            ("40/notifications,", None),
            (r#"42/notifications,["notification","{}"]"#, None),
            (r#"44/notifications,{"message":"no"}"#, None),
            ("2", None),
            ("", None),
        ] {
            assert_eq!(without_sid(packet), expected, "{packet}");
        }
    }
}
