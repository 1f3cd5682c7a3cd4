//! The frames of a WebSocket (RFC 6455, section 5) as a client reads and writes them: bytes in, messages out.
//!
//! Written here, because the libraries that would do it log each frame's payload, and payloads are credentials: the
//! auth of a Socket.IO CONNECT, session ids, whatever the application sends.

use std::hash::{BuildHasher as _, RandomState};

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;
use thiserror::Error;

use crate::frame::Frame;

/// The longest header of a frame that a client sends: two bytes, eight of length, four of mask.
pub(super) const MAX_HEADER: usize = 14;
/// Section 5.5: the most that a control frame carries.
const MAX_CONTROL_PAYLOAD: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const PROTOCOL_ERROR: u16 = 1002;

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

#[derive(Clone, Copy)]
struct Header {
    first: u8,
    masked: bool,
    length: usize,
}

impl Header {
    fn opcode(self) -> u8 {
        self.first & OPCODE
    }

    /// The header at the start of the bytes, if it is there as a whole, and its own length.
    fn parse(bytes: &[u8], limit: usize) -> Result<Option<(Self, usize)>, Fault> {
        let Some(([first, second], rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let (length, more) = match second & !MASKED {
            126 => match rest.first_chunk() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            length => (u64::from(length), 0),
        };
        let length = usize::try_from(length).ok();
        let length = length.filter(|length| *length <= limit);
        let header = Self {
            first: *first,
            masked: second & MASKED != 0,
            length: length.ok_or(Fault::TooLong(limit))?,
        };
        Ok(Some((header, 2 + more)))
    }

    fn check(self) -> Result<(), Fault> {
        // No extension is ever agreed on (section 5.2).
        if self.first & RESERVED != 0 {
            return Err(Fault::ReservedBits);
        }
        if self.masked {
            return Err(Fault::Masked);
        }
        match self.opcode() {
            CONTINUATION | TEXT | BINARY => Ok(()),
            CLOSE | PING | PONG if self.first & FINAL == 0 => Err(Fault::FragmentedControl),
            CLOSE | PING | PONG if self.length > MAX_CONTROL_PAYLOAD => Err(Fault::LongControl),
            CLOSE | PING | PONG => Ok(()),
            opcode => Err(Fault::Opcode(opcode)),
        }
    }
}

/// Takes messages out of bytes.
pub(super) struct Reader {
    /// The most bytes of a message, over all its fragments.
    limit: usize,
    /// Of the frame whose payload is not there as a whole.
    header: Option<Header>,
    /// What is there of a fragmented message, and whether that is text.
    fragments: Option<(bool, BytesMut)>,
    closed: bool,
}

impl Reader {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            header: None,
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

    fn frame(&mut self, buffer: &mut BytesMut) -> Result<Option<(Header, BytesMut)>, Fault> {
        let header = match self.header {
            Some(header) => header,
            None => match Header::parse(buffer, self.limit)? {
                Some((header, length)) => {
                    bytes::Buf::advance(buffer, length);
                    // All of it at once, and not again and again with each piece.
                    buffer.reserve(header.length);
                    self.header = Some(header);
                    header
                }
                None => {
                    buffer.reserve(MAX_HEADER);
                    return Ok(None);
                }
            },
        };
        if buffer.len() < header.length {
            return Ok(None);
        }
        self.header = None;
        // Not before the payload is there: what comes instead of frames is told by its text, and that takes some.
        header.check()?;
        Ok(Some((header, buffer.split_to(header.length))))
    }

    fn message(&mut self, header: Header, payload: BytesMut) -> Result<Option<Message>, Fault> {
        if self.closed {
            return Err(Fault::BehindClose);
        }
        let is_final = header.first & FINAL != 0;
        match header.opcode() {
            CLOSE => {
                self.closed = true;
                check_close(&payload)?;
                Ok(Some(Message::Close(payload.freeze())))
            }
            PING => Ok(Some(Message::Ping(payload.freeze()))),
            PONG => Ok(Some(Message::Pong)),
            CONTINUATION => {
                let fragments = self.fragments.as_mut();
                let (is_text, whole) = fragments.ok_or(Fault::NothingToContinue)?;
                if payload.len() > self.limit - whole.len() {
                    return Err(Fault::TooLong(self.limit));
                }
                whole.extend_from_slice(&payload);
                if !is_final {
                    return Ok(None);
                }
                let (is_text, whole) = (*is_text, std::mem::take(whole));
                self.fragments = None;
                data(is_text, whole.freeze()).map(Some)
            }
            _ if self.fragments.is_some() => Err(Fault::Unfinished),
            opcode if is_final => data(opcode == TEXT, payload.freeze()).map(Some),
            opcode => {
                // A copy: what is shared with the buffer could not grow.
                self.fragments = Some((opcode == TEXT, BytesMut::from(&payload[..])));
                Ok(None)
            }
        }
    }
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
    let code = u16::from_be_bytes(*payload.first_chunk()?);
    let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    Some(if may_be_sent { code } else { PROTOCOL_ERROR })
}

/// Puts frames into bytes, each behind a mask of its own.
#[derive(Default)]
pub(super) struct Writer {
    masks: Masks,
}

impl Writer {
    pub(super) fn data(&mut self, frame: &Frame, output: &mut BytesMut) {
        match frame {
            Frame::Text(text) => self.frame(TEXT, text.as_bytes(), output),
            Frame::Binary(bytes) => self.frame(BINARY, bytes, output),
        }
    }

    pub(super) fn pong(&mut self, payload: &[u8], output: &mut BytesMut) {
        self.frame(PONG, payload, output);
    }

    /// An empty close frame, or the answer to one, which repeats its code.
    pub(super) fn close(&mut self, code: Option<u16>, output: &mut BytesMut) {
        match code {
            Some(code) => self.frame(CLOSE, &code.to_be_bytes(), output),
            None => self.frame(CLOSE, &[], output),
        }
    }

    fn frame(&mut self, opcode: u8, payload: &[u8], output: &mut BytesMut) {
        output.reserve(MAX_HEADER + payload.len());
        output.put_u8(FINAL | opcode);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ ..=125), _) => output.put_u8(MASKED | length),
            (_, Ok(length)) => {
                output.put_u8(MASKED | 126);
                output.put_u16(length);
            }
            _ => {
                output.put_u8(MASKED | 127);
                output.put_u64(payload.len() as u64);
            }
        }
        let mask = self.masks.next();
        output.put_slice(&mask);
        let start = output.len();
        output.put_slice(payload);
        if let Some(payload) = output.get_mut(start..) {
            apply(mask, payload);
        }
    }
}

/// Masks that cannot be foretold (section 5.3): a keyed hash of their number, with a key from the system's entropy.
#[derive(Default)]
struct Masks {
    key: RandomState,
    number: u64,
}

impl Masks {
    fn next(&mut self) -> [u8; 4] {
        self.number += 1;
        let [mask @ .., _, _, _, _] = self.key.hash_one(self.number).to_ne_bytes();
        mask
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

/// The nonce of a handshake (section 4.1): 16 random bytes.
pub(super) fn nonce() -> [u8; 16] {
    let random = RandomState::new();
    let (one, other) = (random.hash_one(1), random.hash_one(2));
    (u128::from(one) << 64 | u128::from(other)).to_ne_bytes()
}

#[cfg(test)]
mod tests;
