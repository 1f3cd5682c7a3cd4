//! A server that costs next to nothing: threads, blocking sockets on the loopback interface, and no framework.
//!
//! It speaks raw WebSocket, and Engine.IO 4 with Socket.IO 5 in text messages over WebSocket; no polling. What it does
//! with a connection, the URL says. It is no measure for servers: it is there so that what is measured is the client.

mod frame;
mod upgrade;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::monotonic;
use frame::{Frame, Incoming, Outgoing, bad};

/// The smallest event that a program is likely to send: 33 bytes with the prefixes of the protocols.
pub const EVENT: &str = r#"42["msg",{"id":12345,"name":"x"}]"#;

/// What the server sends when it has [swallowed](Job::Swallow) the last message. Over raw WebSocket too.
pub const DONE: &str = r#"42["done"]"#;

/// From one [paced](Job::Pace) event to the next.
pub const PACE: Duration = Duration::from_millis(1);

/// How much of a flood is encoded once and then written again and again, with one system call each.
const CHUNK: usize = 256 * 1024;

/// No run is as long as this interval, so that nobody is disturbed by heartbeats.
const HANDSHAKE: &str = concat!(
    r#"0{"sid":"loopback","upgrades":[],"pingInterval":3600000,"pingTimeout":3600000,"#,
    r#""maxPayload":1000000}"#
);

/// A running server. Dropping it stops it from accepting; connections end when their clients do.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// WebSocket, and the same texts as Socket.IO would have.
    Raw,
    /// Engine.IO 4 and Socket.IO 5, over WebSocket.
    SocketIo,
}

/// What the server does with a connection once it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Sends [`EVENT`] so many times, as fast as the socket takes it.
    Flood(u64),
    /// Sends so many events, one each [`PACE`]: `42["msg",{"at":…}]`, with the nanoseconds of
    /// [`monotonic`] right before it is written.
    Pace(u64),
    /// Reads, and sends [`DONE`] each time that so many messages have come; at least one.
    Swallow(u64),
    /// Answers each message: raw, with itself; a Socket.IO event that has an id, with an acknowledgement without
    /// arguments. What one read has brought is answered with one write.
    Echo,
}

impl Server {
    /// Starts one, on a port of its own.
    ///
    /// # Errors
    ///
    /// If there is no port, or no thread.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let accepting = thread::Builder::new().spawn(move || accept(&listener, &stop))?;
        Ok(Self {
            address,
            stopping,
            accepting: Some(accepting),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to connect to, to have this done with the connection. Socket.IO clients add path and query of their own.
    #[must_use]
    pub fn url(&self, wire: Wire, job: Job) -> String {
        let scheme = match wire {
            Wire::Raw => "ws",
            Wire::SocketIo => "http",
        };
        format!("{scheme}://{}/?job={}", self.address, job.name())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Somebody has to come, for it to see that.
        if TcpStream::connect(self.address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            accepting.join().ok();
        }
    }
}

impl Job {
    fn name(self) -> String {
        match self {
            Self::Flood(events) => format!("flood-{events}"),
            Self::Pace(events) => format!("pace-{events}"),
            Self::Swallow(messages) => format!("swallow-{messages}"),
            Self::Echo => "echo".to_owned(),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name.split_once('-') {
            Some(("flood", events)) => events.parse().ok().map(Self::Flood),
            Some(("pace", events)) => events.parse().ok().map(Self::Pace),
            Some(("swallow", messages)) => {
                let messages = messages.parse().ok().filter(|messages| *messages > 0);
                messages.map(Self::Swallow)
            }
            None if name == "echo" => Some(Self::Echo),
            _ => None,
        }
    }
}

fn accept(listener: &TcpListener, stop: &AtomicBool) {
    while let Ok((socket, _)) = listener.accept() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        // How a connection ends is for the client to tell.
        thread::spawn(move || serve(&socket).ok());
    }
}

fn serve(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let upgrade = upgrade::accept(socket)?;
    let query = |name: &str| upgrade.query(name);
    let wire = match query("EIO") {
        Some("4") => Wire::SocketIo,
        Some(_) => return Err(bad("another revision of Engine.IO")),
        None => Wire::Raw,
    };
    let job = query("job").and_then(Job::from_name);
    let mut connection = Connection {
        wire,
        incoming: Incoming::new(socket),
        outgoing: Outgoing::new(socket),
    };
    if wire == Wire::SocketIo {
        connection.join()?;
    }
    match job.ok_or_else(|| bad("no such job"))? {
        Job::Flood(events) => {
            flood(socket, events)?;
            connection.swallow(u64::MAX)
        }
        Job::Pace(events) => {
            connection.pace(events)?;
            connection.swallow(u64::MAX)
        }
        Job::Swallow(messages) => connection.swallow(messages),
        Job::Echo => connection.echo(),
    }
}

/// The same chunk over and over, and a part of it at last.
fn flood(mut socket: &TcpStream, events: u64) -> io::Result<()> {
    let mut frame = Vec::new();
    frame::encode(&mut frame, EVENT.as_bytes());
    let chunk = frame.repeat(CHUNK / frame.len());
    let mut remaining = usize::try_from(events)
        .ok()
        .and_then(|events| events.checked_mul(frame.len()))
        .ok_or_else(|| bad("too many events"))?;
    while remaining > 0 {
        let part = chunk.get(..remaining).unwrap_or(&chunk);
        socket.write_all(part)?;
        remaining -= part.len();
    }
    Ok(())
}

struct Connection<'a> {
    wire: Wire,
    incoming: Incoming<'a>,
    outgoing: Outgoing<'a>,
}

impl Connection<'_> {
    /// Opens the Engine.IO connection, and lets the client into the main namespace.
    fn join(&mut self) -> io::Result<()> {
        self.outgoing.text(HANDSHAKE.as_bytes());
        self.outgoing.flush()?;
        loop {
            while let Some(frame) = self.incoming.next()? {
                if let Frame::Message(message) = frame
                    && message.starts_with(b"40")
                {
                    self.outgoing.text(br#"40{"sid":"loopback"}"#);
                    return self.outgoing.flush();
                }
            }
            self.incoming.read()?;
        }
    }

    /// On time: an event that is late does not make the next one late.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread of its own, which has to wait for the time and nothing else"
    )]
    fn pace(&mut self, events: u64) -> io::Result<()> {
        let mut due = monotonic();
        for _ in 0..events {
            due += PACE;
            thread::sleep(due.saturating_sub(monotonic()));
            let at = monotonic().as_nanos();
            let event = format!(r#"42["msg",{{"at":{at}}}]"#);
            self.outgoing.text(event.as_bytes());
            self.outgoing.flush()?;
        }
        Ok(())
    }

    fn swallow(&mut self, messages: u64) -> io::Result<()> {
        let mut swallowed = 0;
        loop {
            while let Some(frame) = self.incoming.next()? {
                match frame {
                    Frame::Message(message) if is_event(self.wire, message) => swallowed += 1,
                    Frame::Message(_) => {}
                    Frame::Control(code, content) => self.outgoing.answer(code, content)?,
                }
                if swallowed == messages {
                    swallowed = 0;
                    self.outgoing.text(DONE.as_bytes());
                }
            }
            self.outgoing.flush()?;
            self.incoming.read()?;
        }
    }

    fn echo(&mut self) -> io::Result<()> {
        loop {
            self.incoming.read()?;
            while let Some(frame) = self.incoming.next()? {
                match (self.wire, frame) {
                    (Wire::Raw, Frame::Message(message)) => self.outgoing.text(message),
                    (Wire::SocketIo, Frame::Message(message)) => {
                        if let Some(id) = ack_id(message) {
                            self.outgoing.text_of(&[b"43", id, b"[]"]);
                        }
                    }
                    (_, Frame::Control(code, content)) => self.outgoing.answer(code, content)?,
                }
            }
            self.outgoing.flush()?;
        }
    }
}

/// Whether a message counts: with Socket.IO, there are others, like heartbeats.
fn is_event(wire: Wire, message: &[u8]) -> bool {
    wire == Wire::Raw || message.starts_with(b"42")
}

/// The id of `42<id>[…]`.
fn ack_id(message: &[u8]) -> Option<&[u8]> {
    let rest = message.strip_prefix(b"42")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest.get(..digits).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests;
