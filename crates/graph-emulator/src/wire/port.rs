//! The port that clients connect to: it can go down, refusing connections, and come back with the same number.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    io::DuplexStream,
    net::{TcpListener, TcpSocket},
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

use super::{End, LineId, Shared, pump};

const BACKLOG: u32 = 1024;
/// What may be under way between a client's socket and the HTTP server, in each direction.
const PIPE_BYTES: usize = 64 * 1024;

/// The listening port.
#[derive(Debug)]
pub(crate) struct Port {
    address: SocketAddr,
    connections: mpsc::Sender<(DuplexStream, LineId)>,
    state: Mutex<PortState>,
}

#[derive(Debug)]
enum PortState {
    Up(JoinHandle<()>),
    /// Bound but not listening: connections are refused, and nobody else can take the number.
    Down(TcpSocket),
    /// Bringing it down or up failed half-way.
    Lost,
}

impl Port {
    /// Opens the port, without accepting anything before [`Port::up`], and the inlet through which connections come.
    pub(crate) fn bind(port: u16) -> io::Result<(Self, Inlet)> {
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let address = socket.local_addr()?;
        let (connections, receiver) = mpsc::channel(BACKLOG as usize);
        let port = Self {
            address,
            connections,
            state: Mutex::new(PortState::Down(socket)),
        };
        Ok((
            port,
            Inlet {
                connections: receiver,
            },
        ))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts listening; nothing changes if it does already.
    pub(crate) async fn up(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let mut state = self.state.lock().await;
        let socket = match std::mem::replace(&mut *state, PortState::Lost) {
            PortState::Up(accepting) => {
                *state = PortState::Up(accepting);
                return Ok(());
            }
            PortState::Down(socket) => socket,
            PortState::Lost => bind(self.address)?,
        };
        let listener = socket.listen(BACKLOG)?;
        let accepting = accept(listener, Arc::clone(shared), self.connections.clone());
        *state = PortState::Up(tokio::spawn(accepting));
        Ok(())
    }

    /// Drops every connection and refuses new ones; when this returns, the port refuses.
    pub(crate) async fn down(&self, shared: &Shared) -> io::Result<()> {
        let mut state = self.state.lock().await;
        match std::mem::replace(&mut *state, PortState::Lost) {
            PortState::Up(accepting) => {
                accepting.abort();
                // Cancelled is what it is meant to be; what counts is that its listener is gone.
                accepting.await.ok();
                *state = PortState::Down(bind(self.address)?);
            }
            already => *state = already,
        }
        shared.lines.end_all(End::Drop);
        Ok(())
    }

    /// Stops listening for good, without waiting.
    pub(crate) fn stop(&self) {
        if let Ok(state) = self.state.try_lock()
            && let PortState::Up(accepting) = &*state
        {
            accepting.abort();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Without it, connections of a moment ago would keep the number busy.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    connections: mpsc::Sender<(DuplexStream, LineId)>,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // A client that left before it was accepted, or too many open files: the next accept tells.
                tracing::debug!(%error, "cannot accept a connection");
                tokio::task::yield_now().await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection closed as it was accepted");
            continue;
        }
        let (id, state) = shared.lines.open();
        shared.recorder.count(|counts| counts.connections.up());
        let (inside, served) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(pump::run(Arc::clone(&shared), id, state, stream, inside));
        if connections.send((served, id)).await.is_err() {
            return;
        }
    }
}

/// Where the HTTP server takes its connections from.
#[derive(Debug)]
pub(crate) struct Inlet {
    connections: mpsc::Receiver<(DuplexStream, LineId)>,
}

impl axum::serve::Listener for Inlet {
    type Io = DuplexStream;
    type Addr = LineId;

    async fn accept(&mut self) -> (DuplexStream, LineId) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The port is gone for good; the server is stopped from outside.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<LineId> {
        Ok(LineId(0))
    }
}

impl Connected<IncomingStream<'_, Inlet>> for LineId {
    fn connect_info(stream: IncomingStream<'_, Inlet>) -> Self {
        *stream.remote_addr()
    }
}
