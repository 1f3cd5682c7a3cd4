//! HTTP and WebSocket as bytes on a real socket, without a library that would smooth anything over.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use conformance::within;

use crate::model::hex;

/// A connection on which something is to be read.
pub(crate) struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
    ended: bool,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Response,
    Handshake,
    Frames,
}

impl Raw {
    /// Sends a request whose response ends with the connection.
    pub(crate) async fn request(
        port: u16,
        method: &str,
        target: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Self {
        let content_type = content_type.map(|kind| format!("Content-Type: {kind}\r\n"));
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n",
            content_type.unwrap_or_default(),
            body.len(),
        );
        let mut raw = Self::connect(port, State::Response).await;
        raw.write(&[head.as_bytes(), body].concat()).await;
        raw
    }

    pub(crate) async fn websocket(port: u16, target: &str) -> Self {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut raw = Self::connect(port, State::Handshake).await;
        raw.write(head.as_bytes()).await;
        raw
    }

    async fn connect(port: u16, state: State) -> Self {
        let stream = within("a connection", TcpStream::connect(("127.0.0.1", port)));
        Self {
            stream: stream.await.expect("the server listens"),
            received: Vec::new(),
            ended: false,
            state,
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        let written = within("room to write", self.stream.write_all(bytes)).await;
        written.expect("the server takes bytes");
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn shut_down(&mut self) {
        let done = within("the end of sending", self.stream.shutdown()).await;
        // The server may have gone first.
        done.ok();
    }

    /// Sends a WebSocket frame.
    pub(crate) async fn send(&mut self, opcode: u8, content: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u16::try_from(content.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length as u8),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((content.len() as u64).to_be_bytes());
            }
        }
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        frame.extend(content);
        self.write(&frame).await;
    }

    /// What comes next, in the words of the model's transcript; `end` at the end.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            if let Some(said) = self.take() {
                return said;
            }
            if self.ended {
                return "end".to_owned();
            }
            let mut buffer = [0; 4096];
            let read = within("bytes or the end", self.stream.read(&mut buffer)).await;
            match read {
                // A reset is an end as well.
                Ok(0) | Err(_) => self.ended = true,
                Ok(count) => self.received.extend(&buffer[..count]),
            }
        }
    }

    fn take(&mut self) -> Option<String> {
        match self.state {
            State::Response if !self.ended => None,
            State::Response => Some(response(&std::mem::take(&mut self.received))),
            State::Handshake => {
                let end = find(&self.received, b"\r\n\r\n")? + 4;
                if self.received.starts_with(b"HTTP/1.1 101") {
                    self.received.drain(..end);
                    self.state = State::Frames;
                    return Some("101".to_owned());
                }
                let whole = self.ended.then(|| std::mem::take(&mut self.received))?;
                Some(response(&whole))
            }
            State::Frames if self.received.starts_with(b"HTTP") => {
                let whole = self.ended.then(|| std::mem::take(&mut self.received))?;
                Some(String::from_utf8(whole).expect("text"))
            }
            State::Frames => self.take_frame(),
        }
    }

    fn take_frame(&mut self) -> Option<String> {
        let (start, length) = match *self.received.get(1)? {
            126 => {
                let bytes = self.received.get(2..4)?.try_into().ok()?;
                (4, usize::from(u16::from_be_bytes(bytes)))
            }
            127 => {
                let bytes = self.received.get(2..10)?.try_into().ok()?;
                (10, usize::try_from(u64::from_be_bytes(bytes)).ok()?)
            }
            length => (2, usize::from(length)),
        };
        let content = self.received.get(start..start + length)?.to_vec();
        let opcode = self.received.first()? & 0x0f;
        self.received.drain(..start + length);
        Some(match opcode {
            1 => String::from_utf8(content).expect("text"),
            2 => hex(&content),
            8 => match content.get(..2) {
                Some(code) => format!("close {}", u16::from_be_bytes([code[0], code[1]])),
                None => "close".to_owned(),
            },
            other => panic!("a frame with opcode {other}"),
        })
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// A whole response as its status and body, or `nothing`.
fn response(bytes: &[u8]) -> String {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return "nothing".to_owned();
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).expect("a status");
    let mut body = bytes[end + 4..].to_vec();
    if head.contains("transfer-encoding: chunked") {
        body = unchunk(&body);
    }
    if head.contains("application/octet-stream") {
        return format!("{status} {}", hex(&body));
    }
    format!("{status} {}", String::from_utf8(body).expect("text"))
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        body.extend(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
    body
}
