//! The protocol stack against real servers: what the tests in `tests/` share.
//!
//! [`JsServer`] runs the reference implementation and tells what it saw; [`TlsFront`] puts TLS with a
//! private authority in front of any loopback server, [`Proxy`] and [`ReverseProxy`] stand in between, a
//! [`FaultProxy`](fault::FaultProxy) breaks what passes; [`Route`], [`Case`]
//! and [`over_every_route!`] run a scenario over each transport and against each release of the server; [`within`]
//! bounds every wait for an event; [`Page`] keeps honest a page that names tests.

// Whatever goes wrong in here is a failed test, and a panic is how a test says so.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod case;
mod client;
pub mod differential;
pub mod fault;
pub mod flood;
pub mod fuzz;
pub mod heap;
mod js_server;
pub mod matrix;
mod node;
mod page;
mod proxy;
mod reverse_proxy;
mod route;
pub mod sim;
pub mod soak;
mod tls;

pub use case::{Case, Release};
pub use client::{
    builder, builder_to, connected_and_upgraded, connected_on_last_transport, first_message, join,
    next, next_but_upgraded, next_message,
};
pub use js_server::{JsServer, Line};
pub use page::Page;
pub use proxy::Proxy;
pub use reverse_proxy::ReverseProxy;
pub use route::Route;
pub use tls::TlsFront;

use std::time::Duration;

use engineio::client::Http;

/// How long a test waits for an event before it counts as missing.
///
/// Long enough for a busy machine: a test that passes never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The value of `future`, which must come within [`PATIENCE`].
///
/// # Panics
///
/// When it does not; `what` says what was waited for.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// An HTTP stack that reaches loopback directly, whatever proxy this machine is told to use. It trusts no certificate:
/// to read the system's takes longer than most sessions of a test.
///
/// # Panics
///
/// When TLS cannot be set up.
#[must_use]
pub fn http() -> Http {
    let http = Http::builder().no_proxy().no_system_certificates();
    http.build().expect("a TLS library")
}
