//! The server of the busy clients: socketioxide, whose process seems to end and to start again.

use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::client::now;
use fastrand::Rng;
use futures_util::StreamExt as _;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, SocketRef, TryData};
use socketioxide::operators::BroadcastOperators;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

use super::books::{Books, Phase, Role, SharedAccount, lock};
use super::item::Item;
use super::ledger::Up;

/// Often enough that a loss is noticed in seconds.
const PING_INTERVAL: Duration = Duration::from_millis(1_000);
const PING_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long a client may take to acknowledge: longer than any weather.
const ACK_TIMEOUT: Duration = Duration::from_secs(60);

/// A server process, as far as its clients can tell.
pub(super) struct Server {
    port: u16,
    books: Arc<Books>,
    /// There until the end.
    runtime: Option<Runtime>,
    running: Option<Running>,
}

/// One life of the process.
struct Running {
    io: SocketIo,
    serving: JoinHandle<()>,
    /// Its connections, which end with it.
    connections: Arc<Mutex<JoinSet<()>>>,
}

impl Server {
    /// Starts one on a free port of the loopback interface.
    pub(super) fn start(books: Arc<Books>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("server")
            .enable_all()
            .build();
        let mut server = Self {
            port: 0,
            books,
            runtime: Some(runtime.expect("a runtime")),
            running: None,
        };
        server.run();
        server
    }

    /// Starts a process, at the same port as before.
    pub(super) fn run(&mut self) {
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        let (layer, io) = SocketIo::builder()
            .ping_interval(PING_INTERVAL)
            .ping_timeout(PING_TIMEOUT)
            .ack_timeout(ACK_TIMEOUT)
            .build_layer();
        for role in Role::ALL {
            let books = Arc::clone(&self.books);
            // Handlers do their work where they are called, not in the future that is spawned: so they keep the order.
            let handler = move |socket: SocketRef| {
                joins(&books, role, &socket);
                ready(())
            };
            // Unlike others, such a namespace outlives the closing of all sessions.
            io.dyn_ns(role.namespace(), handler).expect("a namespace");
        }
        let listener = listen(self.port);
        self.port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::default();
        let inlet = Inlet {
            listener,
            connections: Arc::clone(&connections),
        };
        let app = axum::Router::new().layer(layer);
        let serving = tokio::spawn(async move {
            axum::serve(inlet, app).await.ok();
        });
        self.running = Some(Running {
            io,
            serving,
            connections,
        });
    }

    /// Ends the process: its sockets are closed by the system, and nobody listens.
    pub(super) async fn kill(&mut self) {
        let (Some(running), Some(runtime)) = (self.running.take(), &self.runtime) else {
            return;
        };
        running.serving.abort();
        // An error says that it was ended, as it was meant to be.
        running.serving.await.ok();
        lock(&running.connections).abort_all();
        // What is left of it says nothing to anybody, and goes.
        runtime.spawn(async move { running.io.close().await });
    }

    /// Closes every Engine.IO session, and goes on.
    pub(super) fn close_sessions(&self) {
        if let (Some(running), Some(runtime)) = (&self.running, &self.runtime) {
            let io = running.io.clone();
            runtime.spawn(async move { io.close().await });
        }
    }

    /// Disconnects the clients of a namespace.
    pub(super) fn disconnect(&self, role: Role) {
        if let (Some(running), Some(runtime)) = (&self.running, &self.runtime) {
            let namespace = running.io.of(role.namespace());
            let sockets = namespace.map(BroadcastOperators::sockets);
            runtime.spawn(async move {
                for socket in sockets.into_iter().flatten() {
                    // It may be gone.
                    socket.disconnect().ok();
                }
            });
        }
    }

    pub(super) fn note(&self, line: &str) {
        self.books.each(|account| account.note(line));
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn listen(port: u16) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("it can be set");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.bind(address).expect("the port is ours");
    socket.listen(1024).expect("nobody else listens there")
}

/// Accepts connections that end when the process does, whoever still holds them.
struct Inlet {
    listener: TcpListener,
    connections: Arc<Mutex<JoinSet<()>>>,
}

impl axum::serve::Listener for Inlet {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        let mut outside = loop {
            if let Ok((stream, _)) = self.listener.accept().await {
                break stream;
            }
        };
        outside.set_nodelay(true).ok();
        let (mut inside, served) = tokio::io::duplex(64 * 1024);
        let mut connections = lock(&self.connections);
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            tokio::io::copy_bidirectional(&mut outside, &mut inside)
                .await
                .ok();
        });
        (served, ())
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

fn joins(books: &Arc<Books>, role: Role, socket: &SocketRef) {
    let query = socket.req_parts().uri.query().unwrap_or_default();
    let lane = query.split('&').find_map(|pair| pair.strip_prefix("lane="));
    let Some(account) = lane.and_then(|lane| books.account(lane, role)) else {
        return;
    };
    lock(&account).server_opened(socket.id.as_str());
    for (name, up) in [("say", Up::Said), ("ask", Up::Asked)] {
        let account = Arc::clone(&account);
        let saw = move |socket: SocketRef, TryData(item): TryData<Item>, ack: AckSender| {
            let item = match item {
                Ok(item) if item.is_intact() => item,
                other => {
                    let what =
                        other.map_or_else(|error| error.to_string(), |_| "spoilt".to_owned());
                    lock(&account).server_cannot_read(socket.id.as_str(), &what);
                    return ready(());
                }
            };
            lock(&account).server_saw(socket.id.as_str(), up, item.number);
            if up == Up::Asked {
                // Refused when the session is over, or does not get rid of its packets: then there is no answer.
                ack.send(&item.number).ok();
            }
            ready(())
        };
        socket.on(name, saw);
    }
    let leaving = Arc::clone(&account);
    socket.on_disconnect(move |socket: SocketRef| {
        lock(&leaving).server_closed(now(), socket.id.as_str());
        ready(())
    });
    if socket.connected() {
        let books = Arc::clone(books);
        tokio::spawn(sends(books, account, role, socket.clone()));
    } else {
        lock(&account).server_closed(now(), socket.id.as_str());
    }
}

/// Sends numbered events for as long as the session lives.
async fn sends(books: Arc<Books>, account: SharedAccount, role: Role, socket: SocketRef) {
    let mut rng = Rng::new();
    let sid = socket.id.to_string();
    while socket.connected() {
        tokio::time::sleep(Duration::from_millis(rng.u64(0..50))).await;
        if books.phase() >= Phase::Quiet {
            continue;
        }
        for _ in 0..rng.u8(1..6) {
            let wants_reply = role == Role::Asking && rng.bool();
            lock(&account).server_sends(&sid, |number| {
                let item = Item::random(&sid, number, &mut rng);
                if !wants_reply {
                    return socket.emit("item", &item).is_ok();
                }
                match socket.emit_with_ack::<_, u64>("item", &item) {
                    Ok(replies) => {
                        let (account, sid) = (Arc::clone(&account), sid.clone());
                        let mut replies = Box::pin(replies);
                        tokio::spawn(async move {
                            if let Some((_, Ok(reply))) = replies.next().await {
                                lock(&account).server_got_reply(&sid, number, reply);
                            }
                        });
                        true
                    }
                    Err(_) => false,
                }
            });
        }
    }
}
