//! socketioxide in this process, as the application that the JavaScript servers are.

use std::fmt;
use std::net::Ipv4Addr;
use std::thread::JoinHandle;

use axum::Router;
use bytes::Bytes;
use futures_util::future::select_ok;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::behaviour::{Mixed, Text};
use crate::within;

/// A server on a loopback port, in a thread of its own: when that ends, everything of it is gone at once.
pub(super) struct Oxide {
    port: u16,
    max_payload: u64,
    /// None once it is killed.
    running: Option<Running>,
}

struct Running {
    io: SocketIo,
    runtime: Handle,
    /// Dropped, it ends the thread.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Oxide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oxide")
            .field("port", &self.port)
            .field("running", &self.running.is_some())
            .finish_non_exhaustive()
    }
}

impl Oxide {
    pub(super) async fn start(max_payload: u64) -> Self {
        let mut server = Self {
            port: 0,
            max_payload,
            running: None,
        };
        server.start_again().await;
        server
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) async fn start_again(&mut self) {
        let (layer, io) = SocketIo::builder()
            .max_payload(self.max_payload)
            .build_layer();
        // By pattern, because namespaces with a name are gone for good with `SocketIo::close`.
        for namespace in ["/", "/admin"] {
            io.dyn_ns(namespace, serve.with(may_join)).unwrap();
        }
        // Each event is handled in a task of its own: only one thread takes them in order.
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || drop(runtime.block_on(stopped)));
        let (port, app) = (self.port, Router::new().layer(layer));
        let listening = handle.spawn(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            let listener = listener.expect("the port is free");
            let port = listener.local_addr().expect("it is bound").port();
            tokio::spawn(axum::serve(listener, app).into_future());
            port
        });
        self.port = within("a listening server", listening).await.unwrap();
        self.running = Some(Running {
            io,
            runtime: handle,
            stop,
            thread,
        });
    }

    pub(super) async fn kill(&mut self) {
        let Running { stop, thread, .. } = self.running.take().expect("it runs");
        drop(stop);
        let ending = tokio::task::spawn_blocking(|| thread.join());
        within("the server's end", ending).await.unwrap().unwrap();
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    fn sockets(&self, namespace: &str) -> Vec<SocketRef> {
        let namespace = self
            .running()
            .io
            .of(namespace)
            .expect("somebody has joined");
        namespace.sockets()
    }

    pub(super) async fn ask(&self, event: &str, number: u32) -> u32 {
        // Who has just left may still be among them, and does not answer.
        let answers = self.sockets("/").into_iter().map(|socket| {
            let answer = socket.emit_with_ack::<_, u32>(event, &number);
            Box::pin(async move {
                answer
                    .map_err(|error| error.to_string())?
                    .await
                    .map_err(|error| error.to_string())
            })
        });
        within("an answer", select_ok(answers)).await.unwrap().0
    }

    pub(super) fn broadcast(&self, number: u32) {
        for socket in self.sockets("/") {
            // Who has just left may still be among them.
            socket.emit("number", &number).ok();
        }
    }

    pub(super) fn disconnect(&self, namespace: &str) {
        for socket in self.sockets(namespace) {
            socket.disconnect().ok();
        }
    }

    pub(super) fn close_engine(&self) {
        let Running { io, runtime, .. } = self.running();
        let io = io.clone();
        runtime.spawn(async move { io.close().await });
    }
}

/// What somebody shows who wants to join; in revision 4 of Socket.IO that is in the query.
#[derive(Deserialize)]
struct Shown {
    token: Option<String>,
}

async fn may_join(socket: SocketRef, TryData(shown): TryData<Shown>) -> Result<(), &'static str> {
    let query = socket.req_parts().uri.query().unwrap_or_default();
    let bad = query.split('&').any(|pair| pair == "token=bad")
        || shown.is_ok_and(|shown| shown.token.as_deref() == Some("bad"));
    match bad && socket.ns() == "/admin" {
        true => Err("not authorized"),
        false => Ok(()),
    }
}

async fn serve(socket: SocketRef) {
    echo::<Text>(&socket, "text");
    echo::<Mixed>(&socket, "bytes");
    echo::<String>(&socket, "large text");
    echo::<Bytes>(&socket, "large bytes");
    echo::<u32>(&socket, "count");
}

/// The event comes back; with "ask " in front of its name, as an acknowledgement.
fn echo<T>(socket: &SocketRef, name: &'static str)
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    socket.on(name, async move |socket: SocketRef, Data(args): Data<T>| {
        socket.emit(name, &args).ok();
    });
    socket.on(
        format!("ask {name}"),
        async |Data(args): Data<T>, ack: AckSender| {
            ack.send(&args).ok();
        },
    );
}
