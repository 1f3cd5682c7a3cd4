//! One connection to the notification service: the only place that knows the Socket.IO client.

mod error;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use engineio::client::Http;
use engineio::secrets::Secrets;
use engineio::{CloseReason, Transport};
use futures_core::Stream;
use secrecy::ExposeSecret as _;
use socketio::{Builder, ConnectError, DisconnectReason, Event, Events, Reconnection, Socket};

use crate::EngineIo;
use crate::notification::Notification;
use crate::notification_url::NotificationUrl;
use crate::text;
use crate::token::BoxFuture;

pub use self::error::ConnectionError;

/// The event whose argument is a notification.
const NOTIFICATION: &str = "notification";

/// Connects with the default options; see [`ConnectOptions`].
///
/// ```no_run
/// # async fn example(url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use futures_util::StreamExt as _;
/// use graph_notifications::NotificationUrl;
///
/// let mut notifications = graph_notifications::connect(&NotificationUrl::parse(url)?).await?;
/// while let Some(notification) = notifications.next().await {
///     println!("{:?}", notification?.entries());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ConnectionError`], after one attempt.
pub async fn connect(url: &NotificationUrl) -> Result<Notifications, ConnectionError> {
    ConnectOptions::default().connect(url).await
}

/// How a connection uses the two transports of Engine.IO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportMode {
    /// WebSocket from the start. The default, and the only one that the live service supports.
    #[default]
    WebSocket,
    /// HTTP long-polling only.
    Polling,
    /// HTTP long-polling first, then an upgrade to WebSocket.
    Upgrade,
}

/// How to connect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Default [`TransportMode::WebSocket`].
    pub transport: TransportMode,
    /// The protocol revision. Default [`EngineIo::V4`], which is what the service speaks first of
    /// all; it has been reached with [`EngineIo::V3`], too.
    pub engine_io: EngineIo,
    /// The HTTP stack: proxy, certificates and so on. Default: a new one with its defaults.
    pub http: Option<Http>,
    /// How long the Engine.IO handshake may take, with name resolution, TCP and TLS. Default 20
    /// seconds.
    pub handshake_timeout: Duration,
    /// How long the server may take to confirm the namespace after that. Default 20 seconds.
    pub join_timeout: Duration,
    /// The largest message that is accepted, in bytes. Notifications are a few hundred bytes.
    /// Default 1 MiB.
    pub max_message_bytes: usize,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            transport: TransportMode::default(),
            engine_io: EngineIo::default(),
            http: None,
            handshake_timeout: Duration::from_secs(20),
            join_timeout: Duration::from_secs(20),
            max_message_bytes: 1024 * 1024,
        }
    }
}

impl ConnectOptions {
    /// Connects to the service and joins the namespace of the URL.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`], after one attempt.
    pub async fn connect(self, url: &NotificationUrl) -> Result<Notifications, ConnectionError> {
        let transports = match self.transport {
            TransportMode::WebSocket => vec![Transport::WebSocket],
            TransportMode::Polling => vec![Transport::Polling],
            TransportMode::Upgrade => vec![Transport::Polling, Transport::WebSocket],
        };
        let mut engine = engineio::Config::default();
        engine.transports = transports;
        engine.handshake_timeout = self.handshake_timeout;
        engine.limits.max_message_bytes = self.max_message_bytes;
        // A polling body holds several messages, in base64 at worst.
        engine.limits.max_body_bytes = self.max_message_bytes.saturating_mul(2);
        let mut builder = Builder::new(url.origin())
            .namespace(url.namespace())
            .path("/socket.io/")
            .query(url.query().expose_secret())
            .engine_config(engine)
            .version(self.engine_io)
            .connect_timeout(self.join_timeout)
            .reconnection(Reconnection::disabled());
        if let Some(http) = self.http {
            builder = builder.http(http);
        }
        let reader = Reader { url: url.clone() };
        match builder.connect().await {
            Ok((socket, mut events)) => {
                // The first event is there already, and it is this one.
                let engine_io = match events.next().await {
                    Some(Event::Connected(connected)) => connected.version,
                    _ => self.engine_io,
                };
                Ok(Notifications {
                    engine_io,
                    events,
                    hold: Hold::Open(socket),
                    reader,
                })
            }
            Err(error) => Err(reader.not_connected(error)),
        }
    }
}

/// The notifications of one connection.
///
/// When the connection is over, the stream yields the reason as an error, and ends. After
/// [`Notifications::close`] it ends without an error. Dropping it closes the connection.
///
/// There is no replay: what happened before, or after the end, is not announced. [`Watch`] is the
/// stream that takes care of that.
///
/// [`Watch`]: crate::Watch
pub struct Notifications {
    engine_io: EngineIo,
    events: Events,
    hold: Hold,
    reader: Reader,
}

/// What keeps the connection open, or closes it.
enum Hold {
    Open(Socket),
    /// Ready when the server has been told and the connection is closed.
    Closing(BoxFuture<'static, ()>),
    /// The server has been told; what arrived before may still have to be read.
    Left,
    Ended,
}

impl Notifications {
    /// The protocol revision that the service speaks, as was found out if it was not given.
    #[must_use]
    pub fn engine_io(&self) -> EngineIo {
        self.engine_io
    }

    /// Ready when all that the server had sent by now can be read, or when the connection is over: `true` is the first.
    pub(crate) fn caught_up(&self) -> BoxFuture<'static, bool> {
        match &self.hold {
            Hold::Open(socket) => {
                let socket = socket.clone();
                Box::pin(async move { socket.caught_up().await.is_ok() })
            }
            Hold::Closing(_) | Hold::Left | Hold::Ended => Box::pin(std::future::ready(false)),
        }
    }

    /// Takes leave of the server. What has arrived is delivered; then, when the connection is
    /// closed, the stream ends.
    pub fn close(&mut self) {
        if let Hold::Open(socket) = &self.hold {
            let socket = socket.clone();
            self.hold = Hold::Closing(Box::pin(async move { socket.disconnect().await }));
        }
    }

    /// The next notification of the connection, or its end; `Ok(None)` is an end without a reason.
    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Notification>, ConnectionError>> {
        loop {
            let Some(event) = ready!(Pin::new(&mut self.events).poll_next(cx)) else {
                return Poll::Ready(Ok(None));
            };
            match self.reader.read(event) {
                Read::Notification(notification) => return Poll::Ready(Ok(Some(notification))),
                Read::Nothing => {}
                Read::Ended(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Stream for Notifications {
    type Item = Result<Notification, ConnectionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let is_open = match &mut this.hold {
            Hold::Open(_) => true,
            Hold::Closing(leaving) => {
                // Asked first: the request is made when it is polled.
                if leaving.as_mut().poll(cx).is_ready() {
                    this.hold = Hold::Left;
                }
                false
            }
            Hold::Left => false,
            Hold::Ended => return Poll::Ready(None),
        };
        // The events of a connection that was left end by themselves, behind all that has arrived.
        let item = match ready!(this.poll_event(cx)) {
            Ok(Some(notification)) => return Poll::Ready(Some(Ok(notification))),
            Err(error) if is_open => Some(Err(error)),
            Ok(None) | Err(_) => None,
        };
        if let Hold::Closing(leaving) = &mut this.hold {
            ready!(leaving.as_mut().poll(cx));
        }
        this.hold = Hold::Ended;
        Poll::Ready(item)
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("endpoint", &self.reader.url.endpoint())
            .finish_non_exhaustive()
    }
}

/// What an event of the Socket.IO client means here.
enum Read {
    Notification(Notification),
    Nothing,
    Ended(ConnectionError),
}

/// Reads what the Socket.IO client reports, and keeps the credential out of it.
struct Reader {
    url: NotificationUrl,
}

impl Reader {
    fn read(&self, event: Event) -> Read {
        match event {
            Event::Message(message) if message.name() == NOTIFICATION => {
                let argument = message.args().iter_raw().next().unwrap_or("null");
                // A payload in an attachment leaves only a placeholder in the argument.
                Read::Notification(match message.attachments().first() {
                    Some(bytes) => Notification::from_json(&String::from_utf8_lossy(bytes)),
                    None => Notification::from_json(argument),
                })
            }
            Event::Message(message) => {
                tracing::debug!(length = message.json().len(), "an event of another name");
                Read::Nothing
            }
            Event::Disconnected { reason, .. } => Read::Ended(self.disconnected(reason)),
            Event::ConnectError { error, .. } => Read::Ended(self.not_connected(error)),
            // Connected, upgraded.
            _ => Read::Nothing,
        }
    }

    fn disconnected(&self, reason: DisconnectReason) -> ConnectionError {
        match reason {
            DisconnectReason::ServerDisconnect => ConnectionError::Disconnected,
            DisconnectReason::Refused { message, .. } => self.refused(&message),
            DisconnectReason::LinkClosed(reason) => self.lost(reason),
            DisconnectReason::ConnectTimeout => ConnectionError::NoAnswer,
            other => ConnectionError::Protocol(self.clean(&other.to_string())),
        }
    }

    fn not_connected(&self, error: ConnectError) -> ConnectionError {
        match error {
            ConnectError::Engine(reason) => self.lost(reason),
            ConnectError::Refused { message, .. } => self.refused(&message),
            ConnectError::Timeout => ConnectionError::NoAnswer,
            ConnectError::Closed => ConnectionError::Lost(CloseReason::Local),
            ConnectError::Decode(_) | ConnectError::TooManyHeldEvents => {
                ConnectionError::Protocol(self.clean(&error.to_string()))
            }
            other => ConnectionError::Setup(self.clean(&other.to_string())),
        }
    }

    fn refused(&self, message: &str) -> ConnectionError {
        let message = self.clean(message);
        ConnectionError::NamespaceRefused { message }
    }

    fn lost(&self, reason: CloseReason) -> ConnectionError {
        match reason {
            CloseReason::Refused(mut refusal) => {
                refusal.message = self.clean(&refusal.message);
                ConnectionError::Refused(refusal)
            }
            other => ConnectionError::Lost(other),
        }
    }

    /// Cuts out the query, and the value of each parameter as it is and decoded.
    fn clean(&self, said: &str) -> String {
        let secrets = Secrets::in_query(self.url.query().expose_secret());
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        text::clean(said, &secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_says_comes_without_the_credential() {
        let url = "https://h/n?token=abcd&sig=abcdPLANTED%2B%3D&key=PLANTED+x%2Fy&PLANTED-flag&v=1";
        let url = NotificationUrl::parse(url).unwrap();
        let reader = Reader { url };
        for (said, expected) in [
            ("no abcd here", "no [redacted] here"),
            ("bad abcdPLANTED%2B%3D", "bad [redacted]"),
            ("bad abcdPLANTED+=", "bad [redacted]"),
            ("bad PLANTED+x/y", "bad [redacted]"),
            ("bad PLANTED x/y", "bad [redacted]"),
            ("bad PLANTED-flag", "bad [redacted]"),
            ("version 1", "version 1"),
        ] {
            assert_eq!(reader.clean(said), expected, "{said}");
        }
    }
}
