//! The floor: WebSocket alone.

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, error::UrlError};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A raw WebSocket, without TLS.
pub type Raw = WebSocketStream<TcpStream>;

/// Connects to a `ws:` URL, without Nagle's algorithm and with tungstenite's default buffers of 128 KiB, which suit
/// high load.
///
/// # Errors
///
/// Those of the network, and of the handshake.
pub async fn connect(url: &str) -> Result<Raw, Error> {
    let request = url.into_client_request()?;
    let authority = request.uri().authority().ok_or(UrlError::NoHostName)?;
    let socket = TcpStream::connect(authority.as_str()).await?;
    socket.set_nodelay(true)?;
    let (raw, _response) = client_async(request, socket).await?;
    Ok(raw)
}
