//! What goes into the model server and what comes out of it.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

/// One HTTP request and its response, as the network numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// One WebSocket connection, from its handshake on, as the network numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// One Engine.IO session, as the server numbers them; not the `sid` that is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The number of an acknowledgement, as on the wire.
pub type AckId = u64;

/// A revision of Engine.IO with the revision of Socket.IO that runs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Engine.IO 3 and Socket.IO 4: socket.io 2.x.
    V3,
    /// Engine.IO 4 and Socket.IO 5: socket.io 3.x and 4.x.
    V4,
}

/// A transport by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportName {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

impl TransportName {
    /// The name as in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// Any other.
    Other,
}

/// One WebSocket message.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Binary(bytes) => write!(f, "<{}>", super::value::hex(bytes)),
        }
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&[u8]> for Frame {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

/// What the network brings from the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The head of a request whose body is still to come, as a [`Input::Request`] of the same exchange.
    ///
    /// Optional: a network that delivers requests whole never says it.
    Head {
        /// Which request.
        exchange: ExchangeId,
        /// Its method.
        method: Method,
        /// Its path and query as on the wire.
        target: String,
        /// Its `Content-Type`.
        content_type: Option<String>,
    },
    /// A whole request.
    Request {
        /// Which request.
        exchange: ExchangeId,
        /// Its method.
        method: Method,
        /// Its path and query as on the wire.
        target: String,
        /// Its `Content-Type`.
        content_type: Option<String>,
        /// Its body.
        body: Bytes,
    },
    /// The client's side of the exchange is gone before its response.
    Aborted(ExchangeId),
    /// A WebSocket handshake.
    Upgrade {
        /// Which connection.
        socket: SocketId,
        /// Path and query as on the wire.
        target: String,
    },
    /// A message on a WebSocket.
    Frame(SocketId, Frame),
    /// The client's side of a WebSocket is gone.
    SocketClosed {
        /// Which connection.
        socket: SocketId,
        /// Whether a close frame said so; otherwise the TCP connection ended.
        clean: bool,
    },
}

/// What the network is to take to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The response to a request.
    Respond {
        /// To which request.
        exchange: ExchangeId,
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`, if there is one.
        content_type: Option<&'static str>,
        /// The body.
        body: Bytes,
    },
    /// The TCP connection of a request is closed without a response.
    Abort(ExchangeId),
    /// `101`: the WebSocket is open.
    Accept(SocketId),
    /// The WebSocket handshake is answered with an HTTP error.
    Refuse {
        /// Which connection.
        socket: SocketId,
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// `101`, then this text in place of WebSocket frames, then the end of the TCP connection.
    AcceptThenHttp {
        /// Which connection.
        socket: SocketId,
        /// A whole HTTP response.
        text: String,
    },
    /// A message on a WebSocket.
    Send(SocketId, Frame),
    /// A close frame: the server's own, or the echo of the client's.
    Close {
        /// Which connection.
        socket: SocketId,
        /// Its code; none is the empty close frame.
        code: Option<u16>,
    },
    /// The TCP connection of a WebSocket, or of a WebSocket handshake, is closed without a word.
    Drop(SocketId),
}

/// What the server's application is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An Engine.IO session is open.
    Opened {
        /// Which one.
        session: SessionId,
        /// The revision that it speaks.
        revision: Revision,
        /// The transport that it was opened over.
        transport: TransportName,
        /// The path and query of the handshake.
        target: String,
    },
    /// The session has changed to WebSocket.
    Upgraded(SessionId),
    /// The session is over.
    Closed {
        /// Which one.
        session: SessionId,
        /// The reason in the reference implementation's words.
        reason: String,
    },
    /// A message, on a bare Engine.IO server.
    Message {
        /// In which session.
        session: SessionId,
        /// What it says.
        data: Frame,
    },
    /// Somebody has joined a namespace.
    Connected {
        /// In which session.
        session: SessionId,
        /// Which namespace.
        namespace: String,
        /// The Socket.IO socket's id.
        id: String,
        /// The payload of the CONNECT packet; the namespace's query where a current server speaks the old revision.
        auth: Option<Value>,
        /// The query behind the namespace, in the old revision.
        query: Option<String>,
        /// Whether this is an earlier socket, recovered.
        recovered: bool,
    },
    /// Somebody is out of a namespace.
    Disconnected {
        /// In which session.
        session: SessionId,
        /// Which namespace.
        namespace: String,
        /// The reason in the reference implementation's words.
        reason: String,
    },
    /// An event of the client's.
    Event {
        /// In which session.
        session: SessionId,
        /// In which namespace.
        namespace: String,
        /// The name and the arguments; bytes stand as `{"$hex":"…"}`.
        args: Vec<Value>,
        /// The acknowledgement that it asks for.
        ack: Option<AckId>,
    },
    /// The answer to an event of the server's.
    Acked {
        /// In which session.
        session: SessionId,
        /// In which namespace.
        namespace: String,
        /// Which acknowledgement.
        id: AckId,
        /// The answer; bytes stand as `{"$hex":"…"}`.
        args: Vec<Value>,
    },
    /// A packet of the client's met the server's own DISCONNECT on its way. Nobody is at fault, and the current
    /// reference server drops the connection.
    Crossed {
        /// In which session.
        session: SessionId,
        /// The namespace that the server has put the client out of.
        namespace: String,
    },
    /// The client did what no client may do.
    Violation {
        /// In which session, where there is one.
        session: Option<SessionId>,
        /// What it did.
        what: Violation,
    },
}

/// What no client may do, whether or not the reference servers put up with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Violation {
    /// A second GET while one is pending.
    SecondGet,
    /// A second POST while one is pending.
    SecondPost,
    /// A request that is neither GET nor POST.
    Method,
    /// A request or WebSocket that names another revision than its session's.
    OtherRevision,
    /// A POST in the current revision whose content type says that it is binary.
    ContentType,
    /// A POST or WebSocket message above the announced size.
    TooLarge,
    /// An HTTP request in a session that is on WebSocket.
    HttpAfterUpgrade,
    /// A second WebSocket in a session that has one.
    SecondWebSocket,
    /// A packet on the probing WebSocket that is neither the probe nor the upgrade.
    ProbePacket,
    /// An upgrade packet without a probe before it.
    UpgradeWithoutProbe,
    /// A payload or packet that is none of Engine.IO.
    BadPacket,
    /// A ping from a client of the current revision.
    Ping,
    /// A pong that nobody asked for, or any in the old revision.
    Pong,
    /// A packet that is the server's to send, or that has no place in an open session.
    StrayPacket,
    /// A close packet over WebSocket, where it means nothing.
    CloseOverWebSocket,
    /// Text or bytes that are no Socket.IO packet.
    Undecodable,
    /// More than ten attachments.
    TooManyAttachments,
    /// Text where an attachment has to follow.
    InterleavedText,
    /// Bytes that belong to no packet.
    StrayAttachment,
    /// A placeholder for an attachment that there is not.
    BadPlaceholder,
    /// An event without so much as a name.
    EmptyEvent,
    /// A packet for a namespace that is not joined.
    NotJoined,
    /// A CONNECT to a namespace that is joined or about to be.
    SecondConnect,
    /// A CONNECT to the root in the old revision, where the server does that by itself.
    RootConnect,
    /// A packet that only a server sends: CONNECT_ERROR, in the old revision ERROR.
    ConnectError,
    /// An acknowledgement that was not asked for, or a second one.
    UnknownAck,
}

/// What has become of an event that the application emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emitted {
    /// It is on its way.
    Sent,
    /// It is on its way, and its acknowledgement will have this number.
    Asked(AckId),
    /// It was volatile and the transport could not take it.
    Dropped,
}
