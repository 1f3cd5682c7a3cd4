//! Carries the bytes of one TCP connection to the HTTP server and back.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::{
    End, LineId, Shared,
    frame::{self, FrameReader},
    line::LineState,
};
use crate::log::Transport;

/// A held line goes on reading this much, so that it sees its client leave.
const MAX_HELD_BYTES: usize = 1 << 20;
const READ_BYTES: usize = 16 * 1024;

/// Runs until either side is done or the line is ended.
pub(super) async fn run(
    shared: Arc<Shared>,
    id: LineId,
    state: watch::Receiver<LineState>,
    outside: TcpStream,
    inside: DuplexStream,
) {
    // Counts the connection for as long as this future lives, however it ends.
    let open = Open {
        shared,
        id,
        websocket: AtomicBool::new(false),
    };
    let (outside_read, mut outside_write) = outside.into_split();
    let (inside_read, inside_write) = tokio::io::split(inside);
    let mut ended = state.clone();
    let end = tokio::select! {
        biased;
        end = wait_for_end(&mut ended) => end,
        // An I/O error is the other side leaving: the log and the counters tell the rest.
        _ = from_client(&open, state.clone(), outside_read, inside_write) => End::Drop,
        _ = to_client(&open, state, inside_read, &mut outside_write) => End::Drop,
    };
    if end == End::Close && open.is_websocket() {
        outside_write.write_all(&frame::CLOSE).await.ok();
    }
}

async fn wait_for_end(state: &mut watch::Receiver<LineState>) -> End {
    let done = |state: &LineState| match state.end {
        Some(End::Drop) => true,
        Some(End::Close) => !state.held,
        None => false,
    };
    match state.wait_for(done).await {
        Ok(state) => state.end.unwrap_or(End::Drop),
        Err(_) => End::Drop,
    }
}

async fn from_client(
    open: &Open,
    mut state: watch::Receiver<LineState>,
    mut outside: OwnedReadHalf,
    mut inside: WriteHalf<DuplexStream>,
) -> io::Result<()> {
    let mut frames = FrameReader::default();
    let mut waiting = BytesMut::with_capacity(READ_BYTES);
    loop {
        let held = state.borrow_and_update().held;
        if !held && !waiting.is_empty() {
            let bytes = waiting.split();
            if open.is_websocket() {
                frames.push(&bytes);
                while let Some(frame) = frames.next() {
                    open.record(&frame);
                }
            }
            inside.write_all(&bytes).await?;
        }
        tokio::select! {
            read = outside.read_buf(&mut waiting), if waiting.len() < MAX_HELD_BYTES => {
                if read? == 0 {
                    return Ok(());
                }
            }
            changed = state.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

async fn to_client(
    open: &Open,
    mut state: watch::Receiver<LineState>,
    mut inside: ReadHalf<DuplexStream>,
    outside: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let mut frames = FrameReader::default();
    let mut bytes = BytesMut::with_capacity(READ_BYTES);
    loop {
        let read = inside.read_buf(&mut bytes).await;
        // Not even the end of the stream gets past a held line.
        if state.wait_for(|state| !state.held).await.is_err() || read? == 0 {
            return Ok(());
        }
        if open.is_websocket() {
            frames.push(&bytes.split());
        } else if let Some(head) = switching_protocols(&bytes) {
            open.becomes_websocket();
            outside.write_all(&bytes.split_to(head)).await?;
            frames.push(&bytes.split());
        } else {
            outside.write_all(&bytes.split()).await?;
        }
        while let Some(frame) = frames.next() {
            match open.altered(&frame) {
                Some(altered) => outside.write_all(&altered).await?,
                None => outside.write_all(frame.raw()).await?,
            }
        }
    }
}

/// The length of a `101` response head, if these bytes start with one.
///
/// The server writes a head in one piece, and a client asks for the switch only when it has read all earlier answers: so a
/// `101` is never in the middle of a read.
fn switching_protocols(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"HTTP/1.1 101 ") {
        return None;
    }
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// An open connection, for the counters.
struct Open {
    shared: Arc<Shared>,
    id: LineId,
    websocket: AtomicBool,
}

impl Open {
    fn is_websocket(&self) -> bool {
        self.websocket.load(Ordering::Relaxed)
    }

    fn becomes_websocket(&self) {
        self.websocket.store(true, Ordering::Relaxed);
        self.shared.recorder.count(|counts| counts.websockets.up());
    }

    fn record(&self, frame: &frame::Frame) {
        let text = frame.text();
        if let Some(text) = text.as_deref().or(frame.is_binary().then_some("<binary>")) {
            self.shared
                .recorder
                .packet(self.id.0, Transport::WebSocket, text);
        }
    }

    /// The frame to send in place of this one, if the settings want another.
    fn altered(&self, frame: &frame::Frame) -> Option<Vec<u8>> {
        if self.shared.settings().connect_reply_sid {
            return None;
        }
        frame
            .text()
            .as_deref()
            .and_then(frame::without_sid)
            .map(frame::text_frame)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.lines.close(self.id);
        let websocket = self.is_websocket();
        self.shared.recorder.count(|counts| {
            counts.connections.down();
            if websocket {
                counts.websockets.down();
            }
        });
    }
}
