//! The servers of the matrix behind the few verbs that its behaviours need.
//!
//! All of them are one application: `/` and `/admin` are open, `/admin` refuses whoever shows the token `bad`, and
//! each event comes back, as its acknowledgement where one is asked for, as the same event otherwise.

use serde_json::json;

use super::oxide::Oxide;
use super::{MAX_PAYLOAD, Server};
use crate::{JsServer, Release};

/// A running server.
#[derive(Debug)]
pub(super) enum MatrixServer {
    Js(Box<JsServer>),
    Oxide(Oxide),
}

impl MatrixServer {
    /// Starts it; `None` when this machine cannot run it, which has then been said loudly.
    pub(super) async fn start(server: Server) -> Option<Self> {
        let (release, options) = match server {
            Server::SocketIo25 => (Release::Old, json!({})),
            Server::SocketIo31 => (Release::Middle, json!({})),
            Server::SocketIo48 => (Release::Current, json!({"connectionStateRecovery": {}})),
            Server::SocketIo48Eio3 => {
                let options = json!({"connectionStateRecovery": {}});
                (Release::Compatible, options)
            }
            Server::Socketioxide | Server::SocketioxideEio3 => {
                return Some(Self::Oxide(Oxide::start(MAX_PAYLOAD).await));
            }
        };
        let server = release.socket_io(options).await?;
        Some(Self::Js(Box::new(server)))
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Js(server) => server.port(),
            Self::Oxide(server) => server.port(),
        }
    }

    /// What it has seen lately, where it tells.
    pub(super) fn transcript(&self) -> String {
        match self {
            Self::Js(server) => format!("\n  the server saw last:\n{}", server.transcript(12)),
            Self::Oxide(_) => String::new(),
        }
    }

    /// Sends `event` with a number to everybody in the root namespace, and gives the number that is acknowledged.
    pub(super) async fn ask(&self, event: &str, number: u32) -> u32 {
        match self {
            Self::Js(server) => {
                let question = json!({"event": event, "args": [number]});
                server.command("ask", question).await;
                let answer = server.wait_for("an answer", |line| {
                    line.is("answer") && line.str("event") == event
                });
                let number = answer.await.get("args")[0].as_u64();
                number.and_then(|number| number.try_into().ok()).unwrap()
            }
            Self::Oxide(server) => server.ask(event, number).await,
        }
    }

    /// Sends the event `number` with `number` to everybody in the root namespace, in a way that can be recovered.
    pub(super) async fn broadcast(&self, number: u32) {
        match self {
            Self::Js(server) => {
                let event = json!({"event": "number", "args": [number]});
                server.command("broadcast", event).await;
            }
            Self::Oxide(server) => server.broadcast(number),
        }
    }

    /// Puts everybody out of a namespace.
    pub(super) async fn disconnect(&self, namespace: &str) {
        match self {
            Self::Js(server) => {
                let namespace = json!({"namespace": namespace});
                server.command("disconnect", namespace).await;
            }
            Self::Oxide(server) => server.disconnect(namespace),
        }
    }

    /// Ends every Engine.IO session; no Socket.IO packet says so.
    pub(super) async fn close_engine(&self) {
        match self {
            Self::Js(server) => server.command("close engine", json!({})).await,
            Self::Oxide(server) => server.close_engine(),
        }
    }

    /// Breaks every connection, and sends the numbers `first..first + count` before anybody can be back.
    pub(super) async fn cut_and_broadcast(&self, first: u32, count: u32) {
        match self {
            Self::Js(server) => {
                let missed = json!({"event": "number", "first": first, "count": count});
                server.command("cut and broadcast", missed).await;
            }
            // It keeps no session that is over: there is nobody to send to.
            Self::Oxide(server) => server.close_engine(),
        }
    }

    /// Ends it as a crash does: every connection breaks, and the port refuses new ones.
    pub(super) async fn kill(&mut self) {
        match self {
            Self::Js(server) => server.kill().await,
            Self::Oxide(server) => server.kill().await,
        }
    }

    /// Starts it anew after [`kill`](Self::kill), on the port it had.
    pub(super) async fn start_again(&mut self) {
        match self {
            Self::Js(server) => server.start_again().await,
            Self::Oxide(server) => server.start_again().await,
        }
    }
}
