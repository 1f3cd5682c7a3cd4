//! What passes a relay, taken apart: requests, heads and bodies of answers, WebSocket frames.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::script::{Direction, Part};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The GET that opens a session by polling.
    Handshake,
    /// A GET of an open session.
    Poll,
    /// A POST of an open session.
    Post,
    /// The WebSocket handshake that opens a session, and what follows on it.
    WebSocket,
    /// The WebSocket handshake of an open session, and what follows on it.
    Probe,
    /// A request that is not Engine.IO's.
    Other,
}

impl Exchange {
    /// By a request's first line.
    fn of(request: &str) -> Self {
        let line = request.lines().next().unwrap_or_default();
        let has = |parameter: &str| line.contains(parameter);
        match has("sid=") {
            false if has("transport=polling") => Self::Handshake,
            false if has("transport=websocket") => Self::WebSocket,
            true if has("transport=websocket") => Self::Probe,
            true if has("transport=polling") && line.starts_with("POST ") => Self::Post,
            true if has("transport=polling") => Self::Poll,
            _ => Self::Other,
        }
    }
}

/// A part as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// `None` for what is no part of anything: the rest before an end, or what is not understood.
    pub(super) part: Option<Part>,
    pub(super) bytes: Vec<u8>,
    /// What it says: of a frame, without its header and its mask.
    pub(super) text: String,
}

impl Piece {
    /// What the request is for; nothing, if it is none.
    pub(super) fn exchange(&self) -> Option<Exchange> {
        (self.part == Some(Part::Request)).then(|| Exchange::of(&self.text))
    }

    /// Whether nothing but WebSocket frames follows it.
    pub(super) fn leads_to_frames(&self) -> bool {
        let starts = |text: &str| self.text.starts_with(text);
        match self.part {
            Some(Part::Head) => starts("HTTP/1.1 101"),
            Some(Part::Request) => self
                .text
                .to_ascii_lowercase()
                .contains("upgrade: websocket"),
            _ => false,
        }
    }
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A request, or the head of an answer.
    Http,
    Body(Length),
    Frame,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
    UntilEnd,
}

/// One way of a connection, part by part.
#[derive(Debug)]
pub(super) struct Parts<R> {
    from: R,
    direction: Direction,
    expected: Expected,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Parts<R> {
    pub(super) fn new(from: R, direction: Direction) -> Self {
        Self {
            from,
            direction,
            expected: Expected::Http,
            buffer: Vec::new(),
        }
    }

    /// The next part; `None` at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.complete() {
                return Ok(Some(piece));
            }
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                let whole = self.expected == Expected::Body(Length::UntilEnd);
                let part = whole.then_some(Part::Body);
                let bytes = std::mem::take(&mut self.buffer);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let rest = Piece { part, bytes, text };
                return Ok((!rest.bytes.is_empty()).then_some(rest));
            }
        }
    }

    /// Takes a part that is there in whole.
    fn complete(&mut self) -> Option<Piece> {
        let buffer = &self.buffer;
        let (part, length, payload) = match (self.expected, self.direction) {
            (Expected::Http, Direction::ToServer) => {
                let head = head(buffer)?;
                let length = head + content_length(buffer.get(..head)?).unwrap_or_default();
                (Part::Request, length, buffer.get(..length)?.to_vec())
            }
            (Expected::Http, Direction::ToClient) => {
                let head = head(buffer)?;
                (Part::Head, head, buffer.get(..head)?.to_vec())
            }
            (Expected::Body(length), _) => {
                let length = match length {
                    Length::Known(length) => length,
                    Length::Chunked => chunked(buffer)?,
                    Length::UntilEnd => return None,
                };
                (Part::Body, length, buffer.get(..length)?.to_vec())
            }
            (Expected::Frame, direction) => {
                let (length, payload) = frame(buffer)?;
                let part = match direction {
                    Direction::ToServer => Part::Sent,
                    Direction::ToClient => Part::Received,
                };
                (part, length, payload)
            }
        };
        let piece = Piece {
            part: Some(part),
            bytes: self.buffer.drain(..length).collect(),
            text: String::from_utf8_lossy(&payload).into_owned(),
        };
        self.expected = match part {
            _ if piece.leads_to_frames() => Expected::Frame,
            Part::Head => Expected::Body(length_of_body(&piece.text)),
            Part::Sent | Part::Received => Expected::Frame,
            Part::Accepted | Part::Request | Part::Body => Expected::Http,
        };
        Some(piece)
    }
}

/// Where the head ends that the buffer begins with.
fn head(buffer: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let end = buffer.windows(END.len()).position(|bytes| bytes == END)?;
    Some(end + END.len())
}

fn content_length(head: &[u8]) -> Option<usize> {
    header(&String::from_utf8_lossy(head), "content-length")?
        .parse()
        .ok()
}

fn header(head: &str, wanted: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim().to_ascii_lowercase())
}

fn length_of_body(head: &str) -> Length {
    if let Some(length) = content_length(head.as_bytes()) {
        Length::Known(length)
    } else if header(head, "transfer-encoding").is_some() {
        Length::Chunked
    } else {
        Length::UntilEnd
    }
}

/// Where a body of chunks ends: behind the empty one.
fn chunked(buffer: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = buffer.get(at..)?;
        let line = rest.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..line)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?, 16).ok()?;
        at += line + 2 + size + 2;
        if size == 0 {
            return (at <= buffer.len()).then_some(at);
        }
    }
}

/// The length of the frame that the buffer begins with, and its payload, unmasked. RFC 6455, section 5.2.
fn frame(buffer: &[u8]) -> Option<(usize, Vec<u8>)> {
    let second = *buffer.get(1)?;
    let (header, length) = match second & 0x7F {
        126 => (4, u64::from(u16::from_be_bytes(array(buffer, 2)?))),
        127 => (10, u64::from_be_bytes(array(buffer, 2)?)),
        short => (2, u64::from(short)),
    };
    let mask: Option<[u8; 4]> = match second & 0x80 {
        0 => None,
        _ => Some(array(buffer, header)?),
    };
    let start = header + mask.map_or(0, |mask| mask.len());
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    let mut payload = buffer.get(start..end)?.to_vec();
    for (byte, mask) in payload.iter_mut().zip(mask.iter().flatten().cycle()) {
        *byte ^= mask;
    }
    Some((end, payload))
}

fn array<const N: usize>(buffer: &[u8], start: usize) -> Option<[u8; N]> {
    buffer.get(start..start + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything in `bytes`, each part by its text.
    async fn parts(bytes: &[u8], direction: Direction) -> Vec<(Option<Part>, String)> {
        let mut parts = Parts::new(bytes, direction);
        let mut found = Vec::new();
        let mut passed = Vec::new();
        while let Some(piece) = parts.next().await.unwrap() {
            passed.extend(piece.bytes);
            found.push((piece.part, piece.text));
        }
        assert_eq!(passed, bytes, "nothing is lost, and nothing is added");
        found
    }

    #[tokio::test]
    async fn requests_have_the_bodies_that_their_lengths_say() {
        let get = "GET /?transport=polling HTTP/1.1\r\n\r\n";
        let post = "POST /?transport=polling&sid=S HTTP/1.1\r\nContent-Length: 2\r\n\r\n40";
        let upgrade =
            "GET /?transport=websocket&sid=S HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".to_owned();
        let all = format!("{get}{post}{upgrade}").into_bytes();
        let masked = [0x81, 0x82, 1, 2, 3, 4, 0x35, 0x32];
        let found = parts(&[&all[..], &masked].concat(), Direction::ToServer).await;
        let request = |text: &str| (Some(Part::Request), text.to_owned());
        assert_eq!(
            found,
            [
                request(get),
                request(post),
                request(&upgrade),
                (Some(Part::Sent), "40".to_owned())
            ]
        );
    }

    #[tokio::test]
    async fn answers_are_heads_and_bodies_and_what_is_cut_is_a_rest() {
        let known = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        let chunks = "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = "3\r\nabc\r\n0\r\n\r\n";
        let all = format!("{known}ok{chunks}{body}{known}x");
        let found = parts(all.as_bytes(), Direction::ToClient).await;
        let head = |text: &str| (Some(Part::Head), text.to_owned());
        assert_eq!(
            found,
            [
                head(known),
                (Some(Part::Body), "ok".to_owned()),
                head(chunks),
                (Some(Part::Body), body.to_owned()),
                head(known),
                (None, "x".to_owned()),
            ]
        );
    }

    #[tokio::test]
    async fn frames_follow_a_101() {
        let head = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
        let long = [&[0x82, 126, 1, 0][..], &[b'x'; 256]].concat();
        let all = [head.as_bytes(), &[0x81, 1, b'2'], &long, &[0x88]].concat();
        let found = parts(&all, Direction::ToClient).await;
        assert_eq!(
            found,
            [
                (Some(Part::Head), head.to_owned()),
                (Some(Part::Received), "2".to_owned()),
                (Some(Part::Received), "x".repeat(256)),
                (None, "\u{FFFD}".to_owned()),
            ]
        );
    }

    #[test]
    fn a_request_tells_what_it_is_for() {
        for (line, exchange) in [
            (
                "GET /engine.io/?EIO=4&transport=polling",
                Exchange::Handshake,
            ),
            (
                "GET /engine.io/?EIO=4&transport=polling&sid=S",
                Exchange::Poll,
            ),
            (
                "POST /engine.io/?EIO=4&transport=polling&sid=S",
                Exchange::Post,
            ),
            (
                "GET /engine.io/?EIO=4&transport=websocket",
                Exchange::WebSocket,
            ),
            (
                "GET /engine.io/?EIO=4&transport=websocket&sid=S",
                Exchange::Probe,
            ),
            ("GET /v1.0/me/drive", Exchange::Other),
        ] {
            assert_eq!(Exchange::of(&format!("{line} HTTP/1.1\r\n")), exchange);
        }
    }
}
