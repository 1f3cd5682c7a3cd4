//! One combination of server, revision and transport that a scenario is run in.

use engineio::{Config, Version};
use serde_json::{Value, json};

use crate::{JsServer, Route};

/// A release of the reference server, and whether it is told to speak the old revision as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// socket.io 2.5 on engine.io 3.6, which speak the old revision only.
    Old,
    /// socket.io 3.1 on engine.io 4.1: the first that speak the new revision.
    Middle,
    /// socket.io 4.8 on engine.io 6.6.
    Current,
    /// [`Release::Current`] with `allowEIO3`.
    Compatible,
    /// [`Release::Current`] with socket.io-msgpack-parser, which a client must use, too.
    MessagePack,
}

impl Release {
    /// Starts this release's socket.io server, as [`JsServer::socket_io`].
    pub async fn socket_io(self, options: Value) -> Option<JsServer> {
        JsServer::socket_io(self.with(options)).await
    }

    /// Starts this release's engine.io server, as [`JsServer::engine_io`].
    pub async fn engine_io(self, options: Value) -> Option<JsServer> {
        JsServer::engine_io(self.with(options)).await
    }

    fn with(self, mut options: Value) -> Value {
        let server = match self {
            Self::Old => "2.5",
            Self::Middle => "3.1",
            Self::Current | Self::Compatible | Self::MessagePack => "4.8",
        };
        options["server"] = json!(server);
        options["allowEIO3"] = json!(self == Self::Compatible);
        if self == Self::MessagePack {
            options["parser"] = json!("msgpack");
        }
        options
    }
}

/// Who speaks what with whom, over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The server.
    pub release: Release,
    /// The revision that the client is told to speak.
    pub version: Version,
    /// The transports that it is told to use.
    pub route: Route,
}

impl Case {
    /// A release and a revision, over whichever route is then given.
    pub fn over(release: Release, version: Version) -> impl Fn(Route) -> Self {
        move |route| Self {
            release,
            version,
            route,
        }
    }

    /// The current server in the current revision.
    #[must_use]
    pub fn current(route: Route) -> Self {
        Self::over(Release::Current, Version::V4)(route)
    }

    /// The client's configuration for this case.
    #[must_use]
    pub fn config(self) -> Config {
        let mut config = self.route.config();
        config.version = self.version;
        config
    }
}
