//! What goes over the network, as lines.
//!
//! | `C>S` | what the client does |
//! |---|---|
//! | `GET TARGET` | a request |
//! | `POST TARGET BODY` | one with a body |
//! | `GET DROP` | gives the GET up |
//! | `ws OPEN TARGET` | asks for a WebSocket |
//! | `ws TEXT text`, `ws BIN dead` | a frame; bytes are in hexadecimal |
//! | `ws CLOSE` | an empty close frame |
//! | `ws DROP` | gives the WebSocket up |
//! | `DROP` | the connection is over, and what it had under way is given up |
//!
//! | `S>C` | what the client gets |
//! |---|---|
//! | `GET 200 BODY`, `POST 200 ok` | the answer to its request |
//! | `GET BROKEN`, `POST BROKEN` | none: the connection ended |
//! | `GET UNREACHABLE`, … | none: there was no connection |
//! | `ws 101` | the WebSocket is open |
//! | `ws 400 BODY` | it is refused |
//! | `ws HTTP text` | it opened, and then HTTP stood in it |
//! | `ws TEXT text`, `ws BIN dead` | a frame |
//! | `ws CLOSE`, `ws CLOSE 1001` | a close frame, the second with a code |
//! | `ws BROKEN`, `ws UNREACHABLE` | the WebSocket broke, or could not be opened |
//!
//! With a model server it is the network that breaks, unless the server ends the connection itself.
//!
//! In texts and bodies `\x1e` is that byte; a body `<0106ff>` is those bytes.

use bytes::Bytes;
use engineio::{
    Action, Endpoint, Frame, Input, Refusal, Response, TransportError, TransportErrorKind,
};

use super::Failure;
use crate::sim::network::request_target;

/// What the client does.
pub(super) fn describe(action: &Action, endpoint: &Endpoint) -> String {
    let target = |target| request_target(endpoint, target);
    match action {
        Action::Get(to) => format!("GET {}", target(to)),
        Action::Post(to, body) => format!("POST {} {}", target(to), body_text(body)),
        Action::OpenWebSocket(to) => format!("ws OPEN {}", target(to)),
        Action::SendFrame(frame) => frame_text(frame),
        Action::CloseWebSocket => "ws CLOSE".to_owned(),
        Action::DropWebSocket => "ws DROP".to_owned(),
        Action::DropGet => "GET DROP".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A frame as a line.
fn frame_text(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) => text_line(text),
        Frame::Binary(bytes) => binary_line(bytes),
        other => format!("{other:?}"),
    }
}

pub(super) fn text_line(text: &str) -> String {
    line("ws TEXT", &escaped(text))
}

pub(super) fn binary_line(bytes: &[u8]) -> String {
    line("ws BIN", &hex(bytes))
}

/// A line that ends with what may be nothing.
pub(super) fn line(words: &str, content: &str) -> String {
    match content {
        "" => words.to_owned(),
        content => format!("{words} {content}"),
    }
}

/// What the client gets.
pub(super) fn read_input(line: &str) -> Result<Input, Failure> {
    let (channel, rest) = line.split_once(' ').ok_or("one word only")?;
    let (what, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let error = |kind, words| TransportError::new(kind, words);
    let broken = || error(TransportErrorKind::Broken, "reset");
    let unreachable = || error(TransportErrorKind::Connect, "unreachable");
    if matches!(channel, "GET" | "POST") {
        let outcome = match what {
            "BROKEN" => Err(broken()),
            "UNREACHABLE" => Err(unreachable()),
            status => Ok(Response::new(number(status)?, body_bytes(rest)?)),
        };
        return Ok(match channel {
            "GET" => Input::GetDone(outcome),
            _ => Input::PostDone(outcome),
        });
    }
    if channel != "ws" {
        return Err(format!("{channel:?} is no channel"));
    }
    Ok(match what {
        "101" => Input::WebSocketOpened,
        "TEXT" => Input::Frame(Frame::Text(unescaped_text(rest)?.into())),
        "BIN" => Input::Frame(Frame::Binary(unhex(rest)?.into())),
        "CLOSE" if rest.is_empty() => Input::WebSocketClosed(None),
        "CLOSE" => Input::WebSocketClosed(Some(number(rest)?)),
        "BROKEN" => Input::WebSocketFailed(broken()),
        "UNREACHABLE" => Input::WebSocketFailed(unreachable()),
        "HTTP" => {
            let refusal = Refusal::from_http_inside_websocket(&unescaped(rest));
            Input::WebSocketRefused(refusal.ok_or("that is no HTTP")?)
        }
        status => Input::WebSocketRefused(Refusal::new(number(status)?, &body_bytes(rest)?)),
    })
}

pub(super) fn body_text(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        // Lengths in the binary payloads of revision 3 begin with one of these bytes.
        Ok(text) if !matches!(body.first(), Some(0 | 1)) => escaped(text),
        _ => format!("<{}>", hex(body)),
    }
}

fn body_bytes(text: &str) -> Result<Bytes, Failure> {
    let digits = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    let digits = digits.filter(|digits| {
        digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b' ')
    });
    Ok(match digits {
        Some(digits) => unhex(digits)?.into(),
        None => unescaped(text).into(),
    })
}

pub(super) fn escaped(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if c.is_control() && c.is_ascii() {
            line.push_str(&format!("\\x{:02x}", u32::from(c)));
        } else {
            line.push(c);
        }
    }
    line
}

/// `\x1e` and the like as the byte.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let digits = behind.get(..2);
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = behind;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

pub(super) fn unescaped_text(text: &str) -> Result<String, Failure> {
    String::from_utf8(unescaped(text)).map_err(|error| error.to_string())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(digits: &str) -> Result<Vec<u8>, Failure> {
    let digits: String = digits.split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2);
    let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<_> = pairs.map(pair).collect();
    bytes.ok_or_else(|| format!("{digits:?} are no bytes"))
}

fn number(text: &str) -> Result<u16, Failure> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}
