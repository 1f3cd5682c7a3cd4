//! A server with polling and upgrades: socketioxide.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A server in a thread of its own, which lets everybody into the main namespace. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Oxide {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Oxide {
    pub(super) fn start() -> io::Result<Self> {
        let (layer, io) = SocketIo::new_layer();
        io.ns("/", async |_: SocketRef| {});
        let app = Router::new().layer(layer).layer(from_fn(in_order));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        // How a connection fares is for the client to tell.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().spawn(move || {
            runtime.spawn(axum::serve(listener, app).into_future());
            runtime.block_on(stopped).ok();
        })?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Requests of a session that arrive together with its WebSocket handshake come first.
///
/// From that handshake on, socketioxide answers polls with nothing until the upgrade is over, and reference servers from
/// the probe on. With all connections at the same distance, chance would decide whether the answer to a CONNECT comes by
/// polling or two round trips later.
#[expect(clippy::disallowed_methods, reason = "a server has to wait here")]
async fn in_order(request: Request, next: Next) -> Response {
    let is_upgrade = request.headers().contains_key("upgrade");
    if is_upgrade && request.uri().query().is_some_and(|it| it.contains("sid=")) {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    next.run(request).await
}

impl Drop for Oxide {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
