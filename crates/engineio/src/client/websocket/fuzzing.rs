//! WebSocket messages without a socket, for the fuzz targets. No part of the API.

use bytes::BytesMut;
use tungstenite::Message;

use super::wire::{self, Reader};
use crate::frame::Frame;

/// What a server has sent, as a client reads it that gets it in these pieces: messages, and what ends them. The reason
/// that a close frame gives is not told.
pub fn websocket<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limit: usize,
) -> (Vec<Message>, Option<String>) {
    let (mut reader, mut buffer) = (Reader::new(limit), BytesMut::new());
    let mut messages = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            messages.push(match reader.read(&mut buffer) {
                Ok(Some(wire::Message::Data(Frame::Text(text)))) => Message::text(&*text),
                Ok(Some(wire::Message::Data(Frame::Binary(bytes)))) => Message::Binary(bytes),
                Ok(Some(wire::Message::Ping(payload))) => Message::Ping(payload),
                Ok(Some(wire::Message::Pong)) => Message::Pong(Default::default()),
                Ok(Some(wire::Message::Close(_))) => Message::Close(None),
                Ok(None) => break,
                Err(fault) => return (messages, Some(fault.to_string())),
            });
        }
    }
    (messages, None)
}
