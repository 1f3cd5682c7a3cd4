//! How long it takes until a connection stands, in round trips of a network that is slow enough for nothing else to count.
//!
//! A new connection of TCP is one of them. Everybody begins without one, and with a new HTTP client.

use std::time::Duration;

use socketio::{Builder, Event, Transport};

use super::Failure;
use super::oxide::Oxide;
use super::relay::Relay;
use crate::clock::Stopwatch;
use crate::measure::in_turn;
use crate::options::Options;
use crate::raw;
use crate::report::{Report, Row};
use crate::server::{Job, Server, Wire};

/// Each way. Much more than what a client computes, or a scheduler is late.
const WAY: Duration = Duration::from_millis(25);

/// No attempt takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// Until the WebSocket handshake is over: what no client can do without.
    Raw,
    /// Until the namespace is joined, without polling.
    WebSocket,
    /// Until the namespace is joined by polling, which is the default.
    Polling,
    /// Until what began with polling goes on over WebSocket.
    Upgraded,
    #[cfg(feature = "peers")]
    RustSocketioWebSocket,
    #[cfg(feature = "peers")]
    RustSocketioPolling,
}

/// Where they connect to, through relays.
struct Network {
    raw: String,
    socketio: String,
    runtime: tokio::runtime::Runtime,
}

pub(super) fn rows(report: &mut Report, options: Options) -> Result<(), Failure> {
    let (server, oxide) = (Server::start()?, Oxide::start()?);
    let to_server = Relay::start(server.address(), WAY)?;
    let to_oxide = Relay::start(oxide.address(), WAY)?;
    let direct = server.url(Wire::Raw, Job::Echo);
    let (near, far) = (
        server.address().to_string(),
        to_server.address().to_string(),
    );
    let network = Network {
        raw: direct.replacen(&near, &far, 1),
        socketio: format!("http://{}", to_oxide.address()),
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    let mut subjects = [
        Subject::Raw,
        Subject::WebSocket,
        Subject::Polling,
        Subject::Upgraded,
        #[cfg(feature = "peers")]
        Subject::RustSocketioWebSocket,
        #[cfg(feature = "peers")]
        Subject::RustSocketioPolling,
    ];
    let rounds = options.either(5, 11);
    let samples = in_turn(rounds, &mut subjects, |subject| {
        report.progress(format_args!("connecting: {subject:?}"));
        network
            .round_trips(*subject)
            .map_err(|error| Failure::from(format!("connecting: {subject:?}: {error}")))
    })?;
    let [raw, websocket, polling, upgraded, theirs @ ..] = &samples[..] else {
        return Ok(());
    };
    let unit = "round trips";
    for (name, samples, floor) in [
        (
            "connect, WebSocket first / raw WebSocket",
            websocket,
            Some(raw),
        ),
        (
            "connect, WebSocket first / rust_socketio",
            websocket,
            theirs.first(),
        ),
        ("connect, polling first / raw WebSocket", polling, Some(raw)),
        (
            "connect, polling first / rust_socketio",
            polling,
            theirs.get(1),
        ),
        (
            "connect, polling first, until upgraded / raw WebSocket",
            upgraded,
            Some(raw),
        ),
    ] {
        if let Some(floor) = floor {
            report.add(Row::compared(name, samples, floor, unit));
        }
    }
    Ok(())
}

impl Network {
    fn round_trips(&self, subject: Subject) -> Result<f64, Failure> {
        let connect = subject.connect(self);
        let patiently = async { tokio::time::timeout(PATIENCE, connect).await };
        let seconds = self.runtime.block_on(patiently)??;
        Ok(seconds / (2 * WAY).as_secs_f64())
    }
}

impl Subject {
    /// Seconds until it is connected.
    async fn connect(self, network: &Network) -> Result<f64, Failure> {
        let url = &network.socketio;
        let watch = Stopwatch::start();
        match self {
            Self::Raw => {
                let _raw = raw::connect(&network.raw).await?;
                Ok(watch.seconds())
            }
            Self::WebSocket => {
                let builder = Builder::new(url).transports([Transport::WebSocket]);
                let _connected = builder.connect().await?;
                Ok(watch.seconds())
            }
            Self::Polling => {
                let _connected = Builder::new(url).connect().await?;
                Ok(watch.seconds())
            }
            Self::Upgraded => {
                let (_socket, mut events) = Builder::new(url).connect().await?;
                loop {
                    match events.next().await.ok_or("the connection has ended")? {
                        Event::Upgraded(_) => return Ok(watch.seconds()),
                        // The upgrade was over before the namespace was joined.
                        Event::Connected(connected)
                            if connected.transport == Transport::WebSocket =>
                        {
                            return Ok(watch.seconds());
                        }
                        Event::Disconnected { reason, .. } => {
                            return Err(reason.to_string().into());
                        }
                        _ => {}
                    }
                }
            }
            #[cfg(feature = "peers")]
            Self::RustSocketioWebSocket => {
                rust_socketio(url, rust_socketio::TransportType::Websocket, &watch).await
            }
            #[cfg(feature = "peers")]
            Self::RustSocketioPolling => {
                rust_socketio(url, rust_socketio::TransportType::Any, &watch).await
            }
        }
    }
}

/// Until it tells that the namespace is joined.
#[cfg(feature = "peers")]
async fn rust_socketio(
    url: &str,
    transport: rust_socketio::TransportType,
    watch: &Stopwatch,
) -> Result<f64, Failure> {
    use futures_util::FutureExt as _;

    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let client = rust_socketio::asynchronous::ClientBuilder::new(url)
        .transport_type(transport)
        .reconnect(false)
        .on("open", move |_, _| {
            tell.send(()).ok();
            std::future::ready(()).boxed()
        });
    let client = client.connect().await?;
    told.recv().await.ok_or("the connection has ended")?;
    let seconds = watch.seconds();
    client.disconnect().await?;
    Ok(seconds)
}
