//! WebSocket frames (RFC 6455, section 5.2), as far as these clients use them: unfragmented.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;

const BUFFER: usize = 256 * 1024;

/// What a client has sent.
pub(super) enum Frame<'a> {
    /// A text or a binary message.
    Message(&'a [u8]),
    /// With its code.
    Control(u8, &'a [u8]),
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

pub(super) fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Appends a text message, as servers send it.
pub(super) fn encode(output: &mut Vec<u8>, text: &[u8]) {
    begin(output, TEXT, text.len());
    output.extend_from_slice(text);
}

fn begin(output: &mut Vec<u8>, code: u8, length: usize) {
    output.push(0x80 | code);
    match length {
        0..126 => output.push(length as u8),
        126..0x1_0000 => {
            output.push(126);
            output.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            output.push(127);
            output.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// What is to be written at once.
pub(super) struct Outgoing<'a> {
    socket: &'a TcpStream,
    output: Vec<u8>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(socket: &'a TcpStream) -> Self {
        Self {
            socket,
            output: Vec::with_capacity(BUFFER),
        }
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        encode(&mut self.output, text);
    }

    /// One message, of several parts.
    pub(super) fn text_of(&mut self, parts: &[&[u8]]) {
        begin(
            &mut self.output,
            TEXT,
            parts.iter().map(|part| part.len()).sum(),
        );
        for part in parts {
            self.output.extend_from_slice(part);
        }
    }

    /// Answers a control frame. After a close there is nothing more to come, and that is an error.
    pub(super) fn answer(&mut self, code: u8, content: &[u8]) -> io::Result<()> {
        let answer = match code {
            PING => PONG,
            CLOSE => CLOSE,
            _ => return Ok(()),
        };
        begin(&mut self.output, answer, content.len());
        self.output.extend_from_slice(content);
        if code == CLOSE {
            self.flush()?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.socket.write_all(&self.output)?;
            self.output.clear();
        }
        Ok(())
    }
}

/// What has been read and not been looked at.
pub(super) struct Incoming<'a> {
    socket: &'a TcpStream,
    buffer: Vec<u8>,
    filled: Range<usize>,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(socket: &'a TcpStream) -> Self {
        Self {
            socket,
            buffer: vec![0; BUFFER],
            filled: 0..0,
        }
    }

    /// Waits for more.
    pub(super) fn read(&mut self) -> io::Result<()> {
        if self.filled.start > 0 {
            let filled = std::mem::take(&mut self.filled);
            self.filled.end = filled.len();
            self.buffer.copy_within(filled, 0);
        }
        let room = self.buffer.get_mut(self.filled.end..).unwrap_or_default();
        if room.is_empty() {
            return Err(bad("a frame does not fit into the buffer"));
        }
        match self.socket.read(room)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.filled.end += length;
                Ok(())
            }
        }
    }

    /// The next frame, if all of it has been read.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        let unread = self.buffer.get_mut(self.filled.clone()).unwrap_or_default();
        let Some(head) = Head::parse(unread)? else {
            return Ok(None);
        };
        let end = head.length.saturating_add(head.content);
        let Some(content) = unread.get_mut(head.length..end) else {
            return Ok(None);
        };
        self.filled.start += end;
        unmask(content, head.mask);
        Ok(Some(match head.code {
            TEXT | BINARY => Frame::Message(content),
            code => Frame::Control(code, content),
        }))
    }
}

struct Head {
    code: u8,
    mask: [u8; 4],
    /// Of the head itself.
    length: usize,
    content: usize,
}

impl Head {
    fn parse(input: &[u8]) -> io::Result<Option<Self>> {
        let &[first, second, ref rest @ ..] = input else {
            return Ok(None);
        };
        let code = match first {
            0x81 | 0x82 | 0x88..=0x8A => first & 0x0F,
            _ => return Err(bad("a fragment, an extension, or no frame at all")),
        };
        if second & 0x80 == 0 {
            return Err(bad("a frame of a client without a mask"));
        }
        let (content, rest) = match second & 0x7F {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => {
                    let length = usize::try_from(u64::from_be_bytes(*length));
                    (length.map_err(|_| bad("a length beyond all memory"))?, rest)
                }
                None => return Ok(None),
            },
            length => (usize::from(length), rest),
        };
        Ok(rest.split_first_chunk().map(|(mask, rest)| Self {
            code,
            mask: *mask,
            length: input.len() - rest.len(),
            content,
        }))
    }
}

fn unmask(content: &mut [u8], mask: [u8; 4]) {
    let mut words = content.chunks_exact_mut(4);
    for word in &mut words {
        for (byte, mask) in word.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask) {
        *byte ^= mask;
    }
}
