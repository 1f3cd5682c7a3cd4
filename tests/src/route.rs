//! The three ways a session can reach its server.

use clap::ValueEnum;
use engineio::{Config, Transport};

/// How a session reaches the server; most scenarios run over each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Route {
    /// HTTP long-polling, and no attempt at anything else.
    Polling,
    /// WebSocket from the first request on.
    WebSocket,
    /// HTTP long-polling first, then WebSocket.
    Upgrade,
}

impl Route {
    /// The client's configuration for this route.
    #[must_use]
    pub fn config(self) -> Config {
        let mut config = Config::default();
        config.transports = match self {
            Self::Polling => vec![Transport::Polling],
            Self::WebSocket => vec![Transport::WebSocket],
            Self::Upgrade => vec![Transport::Polling, Transport::WebSocket],
        };
        config
    }

    /// The transport a session opens on.
    #[must_use]
    pub fn first(self) -> Transport {
        match self {
            Self::Polling | Self::Upgrade => Transport::Polling,
            Self::WebSocket => Transport::WebSocket,
        }
    }
}

/// Runs each scenario, an `async fn(Route)`, as one test a [`Route`].
///
/// ```
/// use conformance::{Route, over_every_route};
///
/// over_every_route! { opens_on_one_of_its_transports }
///
/// async fn opens_on_one_of_its_transports(route: Route) {
///     assert!(route.config().transports.contains(&route.first()));
/// }
/// ```
///
/// gives the tests `opens_on_one_of_its_transports::over_polling`, `…::over_websocket` and
/// `…::across_the_upgrade`. With a [`Release`](crate::Release) and a revision in front,
///
/// ```text
/// over_every_route! { Release::Old, Version::V3 => one_scenario, another_one }
/// ```
///
/// scenarios are of the form `async fn(Case)`.
#[macro_export]
macro_rules! over_every_route {
    ($($scenario:ident),* $(,)?) => {
        $crate::over_every_route! { @ ::std::convert::identity, $($scenario)* }
    };
    ($release:expr, $version:expr => $($scenario:ident),* $(,)?) => {
        $crate::over_every_route! { @ $crate::Case::over($release, $version), $($scenario)* }
    };
    (@ $case:expr, $($scenario:ident)*) => { $(
        mod $scenario {
            #[allow(unused_imports, reason = "what the case is made of")]
            use super::*;
            use $crate::Route;

            #[tokio::test]
            async fn over_polling() {
                Box::pin(super::$scenario($case(Route::Polling))).await;
            }

            #[tokio::test]
            async fn over_websocket() {
                Box::pin(super::$scenario($case(Route::WebSocket))).await;
            }

            #[tokio::test]
            async fn across_the_upgrade() {
                Box::pin(super::$scenario($case(Route::Upgrade))).await;
            }
        }
    )* };
}

/// Runs each scenario, an `async fn(Case)`, once: against a [`Release`](crate::Release), in a revision, over a [`Route`].
#[macro_export]
macro_rules! over_one_route {
    ($release:expr, $version:expr, $route:expr => $($scenario:ident),* $(,)?) => { $(
        mod $scenario {
            use super::*;

            #[tokio::test]
            async fn runs() {
                let case = $crate::Case::over($release, $version)($route);
                Box::pin(super::$scenario(case)).await;
            }
        }
    )* };
}
