//! The messages of a WebSocket (RFC 6455, sections 5.4 to 5.6) as a client reads and writes them: bytes in, messages out.
//!
//! Only the codes, and the headers of what is written, are tungstenite's. What it has above them logs each payload, and
//! payloads are credentials: the auth of a Socket.IO CONNECT, session ids, whatever the application sends.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;
use thiserror::Error;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::frame::Frame;

/// The longest header of a frame that a client sends: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;
/// Section 5.5: the most that a control frame carries.
const MAX_CONTROL_PAYLOAD: usize = 125;

/// A longer payload that is still on its way is read into memory of its own: so none keeps much more alive than itself,
/// and no buffer has to grow.
const LONG: usize = 512;

/// What a peer sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Data(Frame),
    Ping(Bytes),
    Pong,
    /// With its payload: a status code and a reason, or nothing.
    Close(Bytes),
}

/// How a peer breaks the protocol. None of them repeats what it has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("reserved bits are set")]
    ReservedBits,
    #[error("a masked frame")]
    Masked,
    #[error("an unknown opcode: {0}")]
    Opcode(u8),
    #[error("a fragmented control frame")]
    FragmentedControl,
    #[error("a control frame of more than {MAX_CONTROL_PAYLOAD} bytes")]
    LongControl,
    #[error("a continuation with nothing to continue")]
    NothingToContinue,
    #[error("a new message inside a fragmented one")]
    Unfinished,
    #[error("a text message that is not UTF-8")]
    NotUtf8,
    #[error("a malformed close frame")]
    BadClose,
    #[error("a frame behind the close frame")]
    BehindClose,
    #[error("a message longer than {0} bytes")]
    TooLong(usize),
}

/// The header of a frame that a peer sends (section 5.2), without what it says of the length.
#[derive(Clone, Copy)]
struct Header {
    is_final: bool,
    has_reserved_bits: bool,
    is_masked: bool,
    opcode: OpCode,
}

/// The header at the start of the bytes, how long it is, and how long its payload is; once it is there as a whole.
fn header(bytes: &[u8], limit: usize) -> Result<Option<(Header, usize, usize)>, Fault> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let is_masked = second & 0x80 != 0;
    let (length, extension) = match (second & 0x7f, rest.first_chunk(), rest.first_chunk()) {
        (126, Some(length), _) => (u16::from_be_bytes(*length).into(), 2),
        (127, _, Some(length)) => (u64::from_be_bytes(*length), 8),
        (126 | 127, ..) => return Ok(None),
        (length, ..) => (length.into(), 0),
    };
    let extension = extension + if is_masked { 4 } else { 0 };
    if rest.len() < extension {
        return Ok(None);
    }
    let header = Header {
        is_final: first & 0x80 != 0,
        has_reserved_bits: first & 0x70 != 0,
        is_masked,
        opcode: OpCode::from(first & 0x0f),
    };
    if let OpCode::Data(Data::Reserved(opcode)) | OpCode::Control(Control::Reserved(opcode)) =
        header.opcode
    {
        return Err(Fault::Opcode(opcode));
    }
    let length = usize::try_from(length).ok();
    let length = length.filter(|length| *length <= limit);
    let length = length.ok_or(Fault::TooLong(limit))?;
    Ok(Some((header, 2 + extension, length)))
}

/// What section 5 asks of a frame by itself.
fn check(header: Header, length: usize) -> Result<(), Fault> {
    // No extension is ever agreed on (section 5.2).
    if header.has_reserved_bits {
        return Err(Fault::ReservedBits);
    }
    if header.is_masked {
        return Err(Fault::Masked);
    }
    match header.opcode {
        OpCode::Control(_) if !header.is_final => Err(Fault::FragmentedControl),
        OpCode::Control(_) if length > MAX_CONTROL_PAYLOAD => Err(Fault::LongControl),
        OpCode::Control(_) | OpCode::Data(_) => Ok(()),
    }
}

/// Takes messages out of bytes.
pub(super) struct Reader {
    /// The most bytes of a message, over all its fragments.
    limit: usize,
    /// The frame whose payload is read into memory of its own: there is, and comes, nothing else in the buffer, which has
    /// room for just that.
    alone: Option<(Header, usize)>,
    /// What is there of a fragmented message, and whether that is text.
    fragments: Option<(bool, BytesMut)>,
    closed: bool,
}

impl Reader {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            // With its header, a length is still one.
            limit: limit.min(usize::MAX / 2),
            alone: None,
            fragments: None,
            closed: false,
        }
    }

    /// The next message in the buffer, if it is there as a whole. It shares the buffer's memory.
    pub(super) fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, Fault> {
        while let Some((header, payload)) = self.frame(buffer)? {
            if let Some(message) = self.message(header, payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// How many bytes are to be read into the room that is left in the buffer, and no more than those.
    pub(super) fn missing(&self, buffer: &BytesMut) -> Option<usize> {
        self.alone.map(|(_, length)| length - buffer.len())
    }

    fn frame(&mut self, buffer: &mut BytesMut) -> Result<Option<(Header, Bytes)>, Fault> {
        let (header, before, length) = match self.alone {
            Some((header, length)) => (header, 0, length),
            None => match header(buffer, self.limit)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        if buffer.len() < before + length {
            if length > LONG && self.alone.is_none() {
                buffer.advance(before);
                set_apart(length, buffer);
                self.alone = Some((header, length));
            }
            return Ok(None);
        }
        // Not before the payload is there: what comes instead of frames is told by its text, and that takes some.
        check(header, length)?;
        let frame = match self.alone.take() {
            // A buffer that is split remembers how large it was, and is as large again.
            Some(_) if buffer.len() == length => std::mem::take(buffer),
            _ => buffer.split_to(before + length),
        };
        let mut payload = frame.freeze();
        payload.advance(before);
        Ok(Some((header, payload)))
    }

    fn message(&mut self, header: Header, payload: Bytes) -> Result<Option<Message>, Fault> {
        if self.closed {
            return Err(Fault::BehindClose);
        }
        match header.opcode {
            OpCode::Control(Control::Close) => {
                self.closed = true;
                check_close(&payload)?;
                Ok(Some(Message::Close(payload)))
            }
            OpCode::Control(Control::Ping) => Ok(Some(Message::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(Some(Message::Pong)),
            OpCode::Data(Data::Continue) => {
                let fragments = self.fragments.as_mut();
                let (is_text, whole) = fragments.ok_or(Fault::NothingToContinue)?;
                if payload.len() > self.limit - whole.len() {
                    return Err(Fault::TooLong(self.limit));
                }
                whole.extend_from_slice(&payload);
                if !header.is_final {
                    return Ok(None);
                }
                let (is_text, whole) = (*is_text, std::mem::take(whole));
                self.fragments = None;
                data(is_text, whole.freeze()).map(Some)
            }
            OpCode::Data(Data::Text | Data::Binary) if self.fragments.is_some() => {
                Err(Fault::Unfinished)
            }
            OpCode::Data(kind @ (Data::Text | Data::Binary)) => {
                let is_text = kind == Data::Text;
                if header.is_final {
                    return data(is_text, payload).map(Some);
                }
                self.fragments = Some((is_text, BytesMut::from(payload)));
                Ok(None)
            }
            OpCode::Control(Control::Reserved(opcode)) | OpCode::Data(Data::Reserved(opcode)) => {
                Err(Fault::Opcode(opcode))
            }
        }
    }
}

/// Gives the buffer room for just this payload. It is read in place, and is all that its memory holds.
fn set_apart(length: usize, buffer: &mut BytesMut) {
    let mut alone = BytesMut::with_capacity(length);
    alone.extend_from_slice(buffer);
    *buffer = alone;
}

fn data(is_text: bool, payload: Bytes) -> Result<Message, Fault> {
    Ok(Message::Data(if is_text {
        Frame::Text(ByteString::try_from(payload).map_err(|_| Fault::NotUtf8)?)
    } else {
        Frame::Binary(payload)
    }))
}

/// Section 5.5.1: nothing, or a code and a reason in UTF-8.
fn check_close(payload: &[u8]) -> Result<(), Fault> {
    match payload {
        [] => Ok(()),
        [_, _, reason @ ..] if std::str::from_utf8(reason).is_ok() => Ok(()),
        _ => Err(Fault::BadClose),
    }
}

/// The status code in the payload of a close frame. One that must not be sent (section 7.4) is the peer's error.
pub(super) fn close_code(payload: &[u8]) -> Option<u16> {
    let code = CloseCode::from(u16::from_be_bytes(*payload.first_chunk()?));
    Some(if code.is_allowed() {
        code.into()
    } else {
        CloseCode::Protocol.into()
    })
}

/// Puts a frame into bytes.
pub(super) fn write_data(frame: &Frame, output: &mut BytesMut) {
    match frame {
        Frame::Text(text) => write(OpCode::Data(Data::Text), text.as_bytes(), output),
        Frame::Binary(bytes) => write(OpCode::Data(Data::Binary), bytes, output),
    }
}

/// The answer to a ping.
pub(super) fn write_pong(payload: &[u8], output: &mut BytesMut) {
    write(OpCode::Control(Control::Pong), payload, output);
}

/// An empty close frame, or the answer to one, which repeats its code.
pub(super) fn write_close(code: Option<u16>, output: &mut BytesMut) {
    let code = code.map(u16::to_be_bytes);
    let payload = code.as_ref().map_or(&[][..], |code| code);
    write(OpCode::Control(Control::Close), payload, output);
}

fn write(opcode: OpCode, payload: &[u8], output: &mut BytesMut) {
    // One that cannot be foretold, for each frame (section 5.3).
    let mask = rand::random();
    let header = FrameHeader {
        opcode,
        mask: Some(mask),
        ..FrameHeader::default()
    };
    output.reserve(MAX_HEADER + payload.len());
    let mut writer = output.writer();
    // Memory takes everything.
    header.format(payload.len() as u64, &mut writer).ok();
    let start = output.len();
    output.put_slice(payload);
    if let Some(payload) = output.get_mut(start..) {
        apply(mask, payload);
    }
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
