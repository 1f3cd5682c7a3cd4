//! What has to work in every cell, each behaviour written once.

mod ending;
mod talking;

use bytes::Bytes;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketio::{Builder, Events, Socket};

use super::Cell;
use super::network::Way;
use super::server::MatrixServer;
use crate::{builder_to, connected_and_upgraded, next_message, within};

/// What a client and a server do with each other. They run in this order. A connection goes from one to the next until
/// it has an end, or something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Behaviour {
    /// Connect, and leave again.
    Connect,
    /// Be refused, with the server's words; with better credentials, be let in.
    Refused,
    /// Text both ways.
    Text,
    /// Bytes both ways, in events and in acknowledgements.
    Bytes,
    /// Acknowledgements that the client asks for.
    AcksToClient,
    /// Acknowledgements that the server asks for.
    AcksToServer,
    /// Two namespaces on one connection.
    Namespaces,
    /// What is sent at once arrives once and in order, an upgrade in the middle of it or not.
    Order,
    /// 64 KiB of text, both ways.
    #[value(name = "64_kib_text")]
    Kib64Text,
    /// 64 KiB of bytes, both ways.
    #[value(name = "64_kib_bytes")]
    Kib64Bytes,
    /// 900 KiB of text, both ways.
    #[value(name = "900_kib_text")]
    Kib900Text,
    /// 900 KiB of bytes, both ways.
    #[value(name = "900_kib_bytes")]
    Kib900Bytes,
    /// The server puts the client out of a namespace.
    PutOut,
    /// The server ends the Engine.IO session.
    EngineClose,
    /// The connection breaks, and what was missed comes all the same.
    Recovery,
    /// The server dies, and lives again.
    Restart,
}

impl Behaviour {
    /// What it is about, for a table.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Connect => "connect and leave",
            Self::Refused => "refused with the server's reason, then let in",
            Self::Text => "text both ways",
            Self::Bytes => "bytes both ways, in events and acknowledgements",
            Self::AcksToClient => "acknowledgements that the client asks for",
            Self::AcksToServer => "acknowledgements that the server asks for",
            Self::Namespaces => "two namespaces on one connection",
            Self::Order => "100 events at once, in order, across the upgrade",
            Self::Kib64Text => "64 KiB of text both ways",
            Self::Kib64Bytes => "64 KiB of bytes both ways",
            Self::Kib900Text => "900 KiB of text both ways",
            Self::Kib900Bytes => "900 KiB of bytes both ways",
            Self::PutOut => "put out of a namespace by the server, for good",
            Self::EngineClose => "connection closed by the server, made anew",
            Self::Recovery => "connection broken and recovered with what was missed",
            Self::Restart => "server killed and restarted, found again",
        }
    }

    /// Plays it; what the server does not offer is shown not to work.
    ///
    /// # Panics
    ///
    /// When the client or the server does something else; the message says what.
    pub(super) async fn play(self, stage: &mut Stage) -> Result<(), NotOffered> {
        match self {
            Self::Connect => talking::connect(stage).await,
            Self::Text => talking::text(stage).await,
            Self::Bytes => talking::bytes(stage).await?,
            Self::AcksToClient => talking::acks_to_client(stage).await,
            Self::AcksToServer => talking::acks_to_server(stage).await,
            Self::Namespaces => talking::namespaces(stage).await,
            Self::Order => talking::order(stage).await,
            Self::Kib64Text => talking::large_text(stage, 64 << 10).await?,
            Self::Kib64Bytes => talking::large_bytes(stage, 64 << 10).await?,
            Self::Kib900Text => talking::large_text(stage, 900 << 10).await?,
            Self::Kib900Bytes => talking::large_bytes(stage, 900 << 10).await?,
            Self::Refused => ending::refused(stage).await,
            Self::PutOut => ending::put_out(stage).await,
            Self::EngineClose => ending::engine_close(stage).await,
            Self::Recovery => ending::recovery(stage).await?,
            Self::Restart => ending::restart(stage).await,
        }
        Ok(())
    }
}

/// The server does not do it, as these words say that were made from what happened; the client has noticed, and goes on.
#[derive(Debug)]
pub(super) struct NotOffered(pub(super) String);

/// Numbers and text: the arguments of the event `text`.
pub(super) type Text = (u32, String, Value);

/// Bytes in various places: the arguments of the event `bytes`.
pub(super) type Mixed = (Bytes, Upload, String);

/// Bytes inside an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) title: String,
    pub(super) parts: Vec<Bytes>,
}

/// Where the behaviours of a cell take place.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) cell: Cell,
    pub(super) server: MatrixServer,
    pub(super) way: Way,
    /// What [`Stage::join`] gives next.
    handed_on: Option<(Socket, Events)>,
}

impl Stage {
    /// `None` when this machine cannot run the server, which has then been said loudly.
    pub(super) async fn set(cell: Cell) -> Option<Self> {
        let server = MatrixServer::start(cell.server).await?;
        let way = Way::build(cell.network, server.port()).await;
        Some(Self {
            cell,
            server,
            way,
            handed_on: None,
        })
    }

    /// Settings of a client that goes the cell's way.
    fn client(&self, namespace: &str) -> Builder {
        let Cell { server, route, .. } = self.cell;
        builder_to(self.way.url(namespace), server.version(), route).http(self.way.http.clone())
    }

    /// A client in the root namespace, on the route's last transport: the one that was handed on, or a new one.
    async fn join(&mut self) -> (Socket, Events) {
        if let Some(joined) = self.handed_on.take() {
            return joined;
        }
        let (socket, mut events) = connected(self.client("/")).await;
        connected_and_upgraded(&mut events, self.cell.route).await;
        (socket, events)
    }

    /// Leaves a client to the next behaviour, connected, with nothing under way.
    fn hand_on(&mut self, socket: Socket, events: Events) {
        self.handed_on = Some((socket, events));
    }
}

async fn connected(builder: Builder) -> (Socket, Events) {
    within("a connection", builder.connect())
        .await
        .unwrap_or_else(|error| panic!("no connection: {error}: {error:?}"))
}

/// An event goes there and back: so both sides know that the other one has joined.
async fn still_there(socket: &Socket, events: &mut Events) {
    socket.emit("count", 4711).await.unwrap();
    let message = next_message(events).await;
    assert_eq!(
        (message.name(), message.parse::<u32>().unwrap()),
        ("count", 4711)
    );
}
