//! The messages of a WebSocket, against the library whose frames they are made of.

use std::io::{self, Cursor, Read, Write};

use engineio::client::fuzzing;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

/// Less than an input has, so that there are messages which are too long.
const LIMIT: usize = 2000;

/// Whatever a server sends, in pieces as long as the first byte says: pieces make no difference, and tungstenite, which
/// is not used for more than the headers because it logs what it reads, would read the same.
pub fn websocket(data: &[u8]) {
    let Some((piece, bytes)) = data.split_first() else {
        return;
    };
    let (mut messages, mut fault) = fuzzing::websocket([bytes], LIMIT);
    let pieces = bytes.chunks(usize::from(*piece).max(1));
    assert_eq!(
        fuzzing::websocket(pieces, LIMIT),
        (messages.clone(), fault.clone())
    );
    assert!(messages.iter().all(|message| message.len() <= LIMIT));

    // It reads no further than that.
    if let Some(end) = messages.iter().position(Message::is_close) {
        messages.truncate(end);
        fault = None;
    }
    let (theirs, their_fault) = read_by_tungstenite(bytes);
    if matches!(their_fault, Some(Error::Utf8(_))) {
        // It tells that of a fragment already, and we of the whole message: so that gets its end, and before it a frame
        // that is not there as a whole.
        let finished = fuzzing::websocket([bytes, &b"\x80\x00".repeat(LIMIT)], LIMIT);
        assert!(finished.1.is_some(), "{their_fault:?}, {finished:?}");
        assert!(messages.starts_with(&theirs), "{messages:?}, {theirs:?}");
    } else {
        assert_eq!(messages, theirs);
        assert_eq!(
            fault.is_some(),
            their_fault.is_some(),
            "{fault:?}, {their_fault:?}"
        );
    }
}

/// The messages up to the first fault, and that.
fn read_by_tungstenite(bytes: &[u8]) -> (Vec<Message>, Option<Error>) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let mut socket =
        WebSocket::from_raw_socket(Server(Cursor::new(bytes)), Role::Client, Some(config));
    let mut messages = Vec::new();
    loop {
        messages.push(match socket.read() {
            Ok(Message::Pong(_)) => Message::Pong(Default::default()),
            Ok(Message::Close(_)) => return (messages, None),
            Ok(message) => message,
            // What it was given is over.
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return (messages, None);
            }
            Err(fault) => return (messages, Some(fault)),
        });
    }
}

/// What a server has sent; what is sent to it is of no interest.
struct Server<'a>(Cursor<&'a [u8]>);

impl Read for Server<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Server<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
