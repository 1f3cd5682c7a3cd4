//! No secret is shown: by no value, no error, and no line that anything in the process logs, whatever goes wrong.
//!
//! Everything that is a secret here has [`needle::PLANTED`] in it: credentials in URLs, headers, cookies, auth payloads
//! and certificates, session ids, access and refresh tokens, device codes, delta links. Servers repeat all of it in
//! whatever they can write. The servers are written by hand, so that what is logged is the clients' doing.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

mod ear;
mod elsewhere;
mod graph;
mod needle;
mod server;
mod source;
mod tls;
mod values;
mod wire;
