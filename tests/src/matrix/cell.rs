//! One cell: who is talked to, over what, and what stands in between.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use engineio::Version;

use crate::Route;

/// A server, and the revision that the client speaks with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Server {
    /// socket.io 2.5, which speaks revision 3 of Engine.IO only.
    #[value(name = "socket_io_2_5")]
    SocketIo25,
    /// socket.io 3.1, the first line that speaks revision 4.
    #[value(name = "socket_io_3_1")]
    SocketIo31,
    /// socket.io 4.8, told to recover connections.
    #[value(name = "socket_io_4_8")]
    SocketIo48,
    /// socket.io 4.8 with `allowEIO3`, and a client that speaks revision 3.
    #[value(name = "socket_io_4_8_eio3")]
    SocketIo48Eio3,
    /// socketioxide in revision 4.
    Socketioxide,
    /// socketioxide with its feature `v4`, which is Socket.IO 2's protocol, and a client that speaks revision 3.
    #[value(name = "socketioxide_eio3")]
    SocketioxideEio3,
}

impl Server {
    /// As people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::SocketIo25 => "socket.io 2.5",
            Self::SocketIo31 => "socket.io 3.1",
            Self::SocketIo48 => "socket.io 4.8",
            Self::SocketIo48Eio3 => "socket.io 4.8 with allowEIO3",
            Self::Socketioxide => "socketioxide",
            Self::SocketioxideEio3 => "socketioxide, revision 3",
        }
    }

    /// The revision of Engine.IO that the client speaks.
    #[must_use]
    pub fn version(self) -> Version {
        match self {
            Self::SocketIo25 | Self::SocketIo48Eio3 | Self::SocketioxideEio3 => Version::V3,
            Self::SocketIo31 | Self::SocketIo48 | Self::Socketioxide => Version::V4,
        }
    }
}

/// What stands between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    Plain,
    /// TLS with a private authority.
    Tls,
    /// A CONNECT proxy that wants a login, and TLS behind it.
    Proxy,
    /// A reverse proxy that rewrites, splits and delays.
    ReverseProxy,
}

impl Network {
    /// As people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "TLS",
            Self::Proxy => "CONNECT proxy",
            Self::ReverseProxy => "reverse proxy",
        }
    }
}

/// A server, over a route, through a network. It is written `socket_io_4_8::websocket::tls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Who is talked to.
    pub server: Server,
    /// Over which transports.
    pub route: Route,
    /// Through what.
    pub network: Network,
}

impl Cell {
    /// All cells there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let cells = |server| {
            Route::value_variants().iter().flat_map(move |&route| {
                let networks = Network::value_variants().iter();
                networks.map(move |&network| Self {
                    server,
                    route,
                    network,
                })
            })
        };
        Server::value_variants()
            .iter()
            .flat_map(move |&server| cells(server))
    }
}

/// The name of a value on a command line and in the name of a test.
pub fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, route, network) = (name(&self.server), name(&self.route), name(&self.network));
        write!(f, "{server}::{route}::{network}")
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split("::").collect();
        let [server, route, network] = parts.as_slice() else {
            return Err(format!("{text}: not of the form server::route::network"));
        };
        Ok(Self {
            server: Server::from_str(server, false)?,
            route: Route::from_str(route, false)?,
            network: Network::from_str(network, false)?,
        })
    }
}
