//! Messages of a WebSocket on a stream of bytes: its buffers, and the closing handshake (RFC 6455, section 7).

use std::future::Future as _;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::wire::{self, Fault, Message, Reader, close_code};
use crate::frame::Frame;

/// Frames gather here until the flush; more than this is written before the next one is taken.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// What is read at once where nobody knows how much comes: onto the stack, so that a connection that is idle needs no
/// buffer. Each message keeps alive what came with it: no more than 8 KiB, with the start of a frame that was there before.
const READ_BYTES: usize = 7 * 1024;
/// What is read at once of a long payload: TLS clears what it may fill.
const MAX_READ_BYTES: usize = 64 * 1024;

#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The stream ended, and nobody had said that it would.
    #[error("it ended without a closing handshake")]
    Broken,
}

/// Who has sent a close frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    Nobody,
    Us,
    Peer,
}

pub(super) struct Messages<S> {
    io: S,
    reader: Reader,
    input: BytesMut,
    output: BytesMut,
    /// So many bytes of the output reach to the end of the last pong in it, and so many pongs there are.
    pongs_end: usize,
    pongs: usize,
    closing: Closing,
    has_read: bool,
    /// Nothing is read behind the end, nor written behind a failure.
    ended: bool,
    write_failed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    /// `limit` is that of a message.
    pub(super) fn new(io: S, limit: usize) -> Self {
        Self {
            io,
            reader: Reader::new(limit),
            input: BytesMut::new(),
            output: BytesMut::new(),
            pongs_end: 0,
            pongs: 0,
            closing: Closing::Nobody,
            has_read: false,
            ended: false,
            write_failed: false,
        }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.io
    }

    /// Whether the stream has brought anything, be it its end, since this was asked last.
    pub(super) fn has_read(&mut self) -> bool {
        std::mem::take(&mut self.has_read)
    }

    pub(super) fn send(&mut self, frame: &Frame) {
        if self.closing == Closing::Nobody && !self.write_failed {
            wire::write_data(frame, &mut self.output);
        }
    }

    /// Sends an empty close frame, as both reference sides do.
    pub(super) fn close(&mut self) {
        if self.closing == Closing::Nobody && !self.write_failed {
            self.closing = Closing::Us;
            wire::write_close(None, &mut self.output);
        }
    }

    /// How many pings came since the last time that all answers were written, whatever else still waits.
    pub(super) fn unanswered_pings(&self) -> usize {
        self.pongs
    }

    /// Whether another frame can be taken.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_down_to(WRITE_BUFFER_BYTES, cx)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_down_to(0, cx))?;
        let result = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(self.written(result))
    }

    fn poll_write_down_to(&mut self, rest: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.output.len() > rest {
            let result = match ready!(Pin::new(&mut self.io).poll_write(cx, &self.output)) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.output.advance(written);
                    self.pongs_end = self.pongs_end.saturating_sub(written);
                    if self.pongs_end == 0 {
                        self.pongs = 0;
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            };
            self.written(result)?;
        }
        // What has just been written is no longer part of the capacity: the memory of a large message is there for the next
        // one, which would pay for new memory otherwise, and a small one, such as a heartbeat, gives it back.
        if self.output.is_empty() && self.output.capacity() > 2 * WRITE_BUFFER_BYTES {
            self.output = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing more is written behind a failure. Of one behind the peer's close frame there is nothing to tell.
    fn written(&mut self, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            self.write_failed = true;
            self.output = BytesMut::new();
            if self.closing == Closing::Peer {
                return Ok(());
            }
        }
        result
    }

    /// The next message, or the end. Answers to pings and to a close frame are put where [`Messages::poll_flush`] sends
    /// them.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Failure>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let result = ready!(self.poll_message(cx));
        self.ended = !matches!(result, Some(Ok(_)));
        Poll::Ready(result)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Message, Failure>>> {
        loop {
            match self.reader.read(&mut self.input) {
                Ok(Some(message)) => {
                    self.answer(&message);
                    return Poll::Ready(Some(Ok(message)));
                }
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Some(Err(fault.into()))),
            }
            let result = match self.poll_read(cx) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    if self.input.is_empty() && self.reader.missing(&self.input).is_none() {
                        self.input = BytesMut::new();
                    }
                    return Poll::Pending;
                }
            };
            self.has_read = true;
            match result {
                Ok(0) if self.closing == Closing::Peer => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(Failure::Broken))),
                Ok(_) => {}
                Err(_) if self.closing == Closing::Peer => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// Adds to the input; says how much, and nothing at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(missing) = self.reader.missing(&self.input) {
            let mut room = (&mut self.input).limit(missing.min(MAX_READ_BYTES));
            return pin!(self.io.read_buf(&mut room)).poll(cx);
        }
        let mut bytes = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut read = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
        let read = read.filled();
        if self.input.capacity() - self.input.len() < read.len() {
            // It would double, or grow to what it once was; and each message keeps it alive.
            let mut input = BytesMut::with_capacity(self.input.len() + read.len());
            input.extend_from_slice(&self.input);
            self.input = input;
        }
        self.input.extend_from_slice(read);
        Poll::Ready(Ok(read.len()))
    }

    fn answer(&mut self, message: &Message) {
        let is_open = self.closing == Closing::Nobody && !self.write_failed;
        match message {
            Message::Ping(payload) if is_open => {
                wire::write_pong(payload, &mut self.output);
                self.pongs_end = self.output.len();
                self.pongs += 1;
            }
            Message::Close(payload) => {
                if is_open {
                    wire::write_close(close_code(payload), &mut self.output);
                }
                self.closing = Closing::Peer;
            }
            Message::Data(_) | Message::Ping(_) | Message::Pong => {}
        }
    }
}

#[cfg(test)]
mod tests;
