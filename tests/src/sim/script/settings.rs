//! The lines that set up a client and a model server.
//!
//! `client` is followed by `engine`, a bare Engine.IO client, or `socket`; by a revision of Engine.IO: `v3`, `v4` or
//! `auto`; by the transports in the order in which they are tried; and by any of the words of [`ClientSettings`]. What is
//! not named is as by default, but that delays between attempts are not random, and that `t` is left out of URLs.
//!
//! `model` is followed by `2.5`, `4.8` or `4.8+eio3`, and by any of the words of [`ModelSettings`].

use std::time::Duration;

use engineio::{Transport, Version};
use serde_json::json;
use socketio::{Decide, Decision, Retries, Target, UrlError};

use super::Failure;
use crate::sim::server::{Namespace, Options};

/// How a client is set up.
///
/// | word | meaning |
/// |---|---|
/// | `no-upgrade` | it stays on its first transport |
/// | `try-all` | it opens on the next transport where one fails |
/// | `base64` | it sends no bytes over WebSocket |
/// | `remember-upgrade` | it begins with the transport that the last connection ended up on |
/// | `insist` | the first connection is retried, too |
/// | `stubborn` | it comes back, too, where the server does not want it |
/// | `attempts=3` | so often it tries to come back |
/// | `recv=100` | the most bytes of a message that it takes |
/// | `offline=reject` | what is emitted while there is no connection is refused |
/// | `held=2` | so many events are taken before a namespace is joined |
/// | `retries=3` | so often an event is sent again that is not acknowledged |
/// | `jitter=0.5`, `seed=2` | delays between attempts are random; the same seed, the same delays |
/// | `url=https://h/chat?a=b` | the URL that it was given; `user joins` is then enough for the namespace in it |
/// | `query=a=b`, `path=/io` | in the place of the query and the HTTP path of the URL |
#[derive(Debug, Clone)]
pub struct ClientSettings {
    pub(super) level: Level,
    pub(super) engine: engineio::Config,
    pub(super) session: socketio::session::Config,
    pub(super) target: Target,
    pub(super) retries: Option<Retries>,
    pub(super) seed: u64,
}

/// Which layers a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Engine,
    Socket,
}

impl ClientSettings {
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let mut words = text.split_whitespace();
        let level = match words.next() {
            Some("engine") => Level::Engine,
            Some("socket") => Level::Socket,
            other => return Err(format!("{other:?} is no layer")),
        };
        let mut engine = engineio::Config::default();
        engine.version = match words.next() {
            Some("v3") => Version::V3,
            Some("v4") => Version::V4,
            Some("auto") => Version::Auto,
            other => return Err(format!("{other:?} is no revision")),
        };
        let transports = words.next().unwrap_or_default().split(',');
        engine.transports = transports
            .map(|name| match name {
                "polling" => Ok(Transport::Polling),
                "websocket" => Ok(Transport::WebSocket),
                other => Err(format!("{other:?} is no transport")),
            })
            .collect::<Result<_, _>>()?;
        let mut session = socketio::session::Config::default();
        session.reconnection.jitter = 0.0;
        let mut target = url("http://server.test")?;
        let mut retries = None;
        let mut seed = 1;
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "no-upgrade" => engine.upgrade = false,
                "try-all" => engine.try_all_transports = true,
                "base64" => engine.force_base64 = true,
                "remember-upgrade" => session.remember_upgrade = true,
                "insist" => session.reconnection.retry_on_initial_connect = true,
                "stubborn" => {
                    let decide = Decide::new(|_| Decision::Retry);
                    session.reconnection.decide = Some(decide);
                }
                "attempts" => session.reconnection.max_attempts = Some(number(value)?),
                "recv" => engine.limits.max_message_bytes = number(value)?,
                "offline" if value == "reject" => {
                    session.offline = socketio::session::Offline::Reject;
                }
                "held" => session.limits.max_held_events = number(value)?,
                "retries" => retries.insert(Retries::default()).max = number(value)?,
                "jitter" => session.reconnection.jitter = number(value)?,
                "seed" => seed = number(value)?,
                "url" => target = url(value)?,
                "query" => target = target.with_query(value).map_err(no_url)?,
                "path" => target = target.with_path(value).map_err(no_url)?,
                _ => return Err(format!("{word:?} is no setting of a client")),
            }
        }
        Ok(Self {
            level,
            engine,
            session,
            target,
            retries,
            seed,
        })
    }
}

fn url(text: &str) -> Result<Target, Failure> {
    Target::parse(text).map_err(no_url)
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn no_url(error: UrlError) -> Failure {
    error.to_string()
}

/// How a model server is set up.
///
/// | word | meaning |
/// |---|---|
/// | `bare` | there is no Socket.IO on it |
/// | `ping=25s/20s` | how often it pings, and how long it waits for a pong |
/// | `max=1000` | the most bytes that it takes |
/// | `no-upgrades` | it offers no other transport |
/// | `only=polling` | it has no other transport |
/// | `forbids` | it turns everybody away |
/// | `recovery=120s` | for how long a lost connection can be recovered |
/// | `/name` | a namespace that is open to all |
/// | `/name:bad` | one that turns away whoever shows the `token` `bad`, saying `not authorized` and `{"code":"E1"}` |
/// | `/name:slow` | one that takes a second to let people in |
/// | `/name:never` | one that answers nobody |
#[derive(Debug, Clone)]
pub struct ModelSettings(pub(super) Options);

impl ModelSettings {
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let mut words = text.split_whitespace();
        let mut options = match words.next() {
            Some("2.5") => Options::old(),
            Some("4.8") => Options::current(),
            Some("4.8+eio3") => Options::compatible(),
            other => return Err(format!("{other:?} is no server")),
        };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "bare" => options.socket_io = false,
                "ping" => {
                    let (interval, timeout) = value.split_once('/').ok_or("interval/timeout")?;
                    options.ping_interval = duration(interval)?;
                    options.ping_timeout = duration(timeout)?;
                }
                "max" => options.max_payload = number(value)?,
                "no-upgrades" => options.upgrades = false,
                "only" => {
                    let known = options.transports.iter().copied();
                    options.transports = known.filter(|known| known.as_str() == value).collect();
                }
                "forbids" => options.forbid = Some(String::new()),
                "recovery" => options.recovery = Some(duration(value)?),
                namespace if namespace.starts_with('/') => {
                    let (name, access) = namespace.split_once(':').unwrap_or((namespace, ""));
                    let access = match access {
                        "" => Namespace::open(),
                        "slow" => Namespace::open().after(Duration::from_secs(1)),
                        "never" => Namespace::never(),
                        token => {
                            let data = Some(json!({"code": "E1"}));
                            Namespace::refused_to(token, "not authorized", data)
                        }
                    };
                    options = options.namespace(name, access);
                }
                _ => return Err(format!("{word:?} is no setting of a server")),
            }
        }
        Ok(Self(options))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// `25s` or `1500ms`.
pub(super) fn duration(text: &str) -> Result<Duration, Failure> {
    if let Some(millis) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(number(millis)?));
    }
    let seconds = text.strip_suffix('s');
    let seconds = seconds.ok_or_else(|| format!("{text:?} is no time"))?;
    Ok(Duration::from_secs(number(seconds)?))
}
