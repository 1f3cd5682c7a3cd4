//! The HTTP request that a WebSocket begins with.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frame::bad;

/// The clients send less than one tenth of it.
const MAX_HEAD: usize = 16 * 1024;

/// What was asked for.
pub(super) struct Upgrade {
    target: String,
}

impl Upgrade {
    /// The value of a pair in the query, as it stands there.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// Reads the request and accepts it. Clients send nothing more until they have the response.
pub(super) fn accept(mut socket: &TcpStream) -> io::Result<Upgrade> {
    let mut head = Vec::with_capacity(1024);
    let mut part = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        let length = socket.read(&mut part)?;
        let part = part.get(..length).filter(|part| !part.is_empty());
        head.extend_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        if head.len() > MAX_HEAD {
            return Err(bad("the head of the request is too long"));
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1));
    let key = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    let (Some(target), Some((_, key))) = (target, key) else {
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
        return Err(bad("not a WebSocket handshake"));
    };
    let accept = derive_accept_key(key.trim().as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    socket.write_all(response.as_bytes())?;
    Ok(Upgrade {
        target: target.to_owned(),
    })
}
