//! The WebSocket: its handshake over the common HTTP stack, checked in full, and its frames.

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod stream;
mod wire;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use self::stream::{Failure, Messages};
use self::wire::{Fault, Message, close_code};
use super::cookies::Answer;
use super::http::{MAX_ERROR_BODY, check_proxy, read_body, send, transport_error};
use crate::config::Limits;
use crate::connection::Input;
use crate::error::{TransportError, TransportErrorKind};
use crate::frame::Frame;
use crate::refusal::{ErrorCode, Refusal, http_inside_websocket};
use crate::secrets::Secrets;
use crate::subprotocol::Subprotocols;

/// Why a WebSocket could not be opened.
pub(super) enum OpenError {
    /// The server answered with an error.
    Refused(Refusal),
    /// There was no answer, or none that a WebSocket server gives.
    Failed(TransportError),
}

/// How long the body of an error answer may take.
const ERROR_BODY_PATIENCE: Duration = Duration::from_secs(2);

/// An answer for each ping is kept while the socket takes nothing. `ws` draws this line at 60.
const MAX_UNANSWERED_PINGS: usize = 256;

/// Opens a WebSocket: `request` becomes the handshake of RFC 6455, section 4.1. `is_forwarded` says that a proxy may
/// change it.
pub(super) async fn open(
    request: reqwest::RequestBuilder,
    offered: Subprotocols,
    is_forwarded: bool,
    limits: Limits,
    secrets: Secrets,
) -> Answer<Result<WebSocket, OpenError>> {
    let key = generate_key();
    let mut request = request
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key);
    if let Some(names) = offered.header_value() {
        request = request.header(SEC_WEBSOCKET_PROTOCOL, names);
    }
    let sent = send(request, is_forwarded).await;
    let response = sent.and_then(|response| check_proxy(response.status()).map(|()| response));
    match response {
        Ok(response) => {
            let headers = response.headers().clone();
            let outcome = open_with(response, &key, &offered, limits, secrets).await;
            let outcome = outcome.map_err(|error| match error {
                OpenError::Refused(refusal) if is_forwarded => {
                    OpenError::Refused(not_forwarded(refusal))
                }
                error => error,
            });
            Answer::new(outcome, &headers)
        }
        Err(error) => Answer::without_cookies(Err(OpenError::Failed(error))),
    }
}

/// A proxy that forwards leaves out what makes a request a WebSocket handshake (RFC 9110, section 7.6.1), and the
/// reference server calls what is left a bad request; or it forwards nothing and refuses in its own words. Other codes
/// are a server's.
fn not_forwarded(mut refusal: Refusal) -> Refusal {
    const HINT: &str = "the proxy may not let WebSocket through to plain http, only to https";
    if matches!(refusal.code, None | Some(ErrorCode::BadRequest)) {
        if !refusal.message.is_empty() {
            refusal.message.push_str("; ");
        }
        refusal.message.push_str(HINT);
    }
    refusal
}

/// Goes on from the answer to the handshake.
async fn open_with(
    mut response: reqwest::Response,
    key: &str,
    offered: &Subprotocols,
    limits: Limits,
    secrets: Secrets,
) -> Result<WebSocket, OpenError> {
    let failed = |error| OpenError::Failed(transport_error(error));
    let status = response.status().as_u16();
    if status != 101 {
        // The status says enough where the rest does not come.
        let body = tokio::time::timeout(
            ERROR_BODY_PATIENCE,
            read_body(&mut response, MAX_ERROR_BODY),
        );
        let body = body.await.ok().and_then(Result::ok).unwrap_or_default();
        return Err(OpenError::Refused(Refusal::new(
            status,
            &secrets.remove_from(&body),
        )));
    }
    check(response.headers(), key, offered).map_err(|what| {
        OpenError::Failed(TransportError::new(TransportErrorKind::NotWebSocket, what))
    })?;
    let stream = FirstBytes::new(response.upgrade().await.map_err(failed)?);
    let messages = Messages::new(stream, limits.max_message_bytes);
    Ok(WebSocket {
        messages,
        secrets,
        unflushed: false,
        error: None,
    })
}

/// What RFC 6455, section 4.1 tells a client to check in the answer, beyond the status.
fn check(headers: &HeaderMap, key: &str, offered: &Subprotocols) -> Result<(), &'static str> {
    let has_token = |name: HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    if !has_token(UPGRADE, "websocket") {
        return Err("its answer does not upgrade to websocket");
    }
    if !has_token(CONNECTION, "upgrade") {
        return Err("its answer does not upgrade the connection");
    }
    let accept = headers
        .get(SEC_WEBSOCKET_ACCEPT)
        .map(|value| value.as_bytes().trim_ascii());
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err("its answer has the wrong Sec-WebSocket-Accept");
    }
    // None was asked for.
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err("it forces an extension that was not offered");
    }
    let mut chosen = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    match (chosen.next(), chosen.next()) {
        (None, _) => Ok(()),
        (Some(name), None) if name.to_str().is_ok_and(|name| offered.contains(name)) => Ok(()),
        _ => Err("it forces a subprotocol that was not offered"),
    }
}

/// An open WebSocket.
pub(super) struct WebSocket {
    messages: Messages<FirstBytes<reqwest::Upgraded>>,
    secrets: Secrets,
    unflushed: bool,
    /// A write that failed; reported where inputs are.
    error: Option<Failure>,
}

impl WebSocket {
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.messages.poll_ready(cx)) {
            self.fail(error);
        }
        Poll::Ready(())
    }

    pub(super) fn send(&mut self, frame: &Frame) {
        self.unflushed = true;
        self.messages.send(frame);
    }

    pub(super) fn close(&mut self) {
        self.unflushed = true;
        self.messages.close();
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) {
        if !self.unflushed {
            return;
        }
        match self.messages.poll_flush(cx) {
            Poll::Ready(result) => {
                self.unflushed = false;
                if let Err(error) = result {
                    self.fail(error);
                }
            }
            Poll::Pending => {}
        }
    }

    /// A peer that has closed also makes writes fail: what it said before is still to be read, so a write error
    /// waits until reading brings nothing more.
    fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error.into());
    }

    /// The next frame, or the end.
    #[inline]
    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        loop {
            let message = match self.messages.poll_next(cx) {
                Poll::Ready(message) => message,
                Poll::Pending => {
                    return match self.error.take() {
                        Some(error) => Poll::Ready(self.failure(&error)),
                        None => Poll::Pending,
                    };
                }
            };
            return Poll::Ready(match message {
                Some(Ok(Message::Data(frame))) => Input::Frame(frame),
                Some(Ok(Message::Close(payload))) => {
                    // Our half of the closing handshake is waiting to be written.
                    self.unflushed = true;
                    self.poll_flush(cx);
                    Input::WebSocketClosed(close_code(&payload))
                }
                // WebSocket's own pings are answered here, and no part of Engine.IO.
                Some(Ok(Message::Ping(_))) => {
                    self.unflushed = true;
                    self.poll_flush(cx);
                    if self.messages.unanswered_pings() > MAX_UNANSWERED_PINGS {
                        let message = "the server pings without reading the answers";
                        let kind = TransportErrorKind::WebSocket;
                        Input::WebSocketFailed(TransportError::new(kind, message))
                    } else {
                        continue;
                    }
                }
                Some(Ok(Message::Pong)) => continue,
                Some(Err(error)) => self.failure(&error),
                None => Input::WebSocketClosed(None),
            });
        }
    }

    /// Whether something was read from the stream since this was asked last.
    pub(super) fn has_read(&mut self) -> bool {
        self.messages.has_read()
    }

    fn failure(&self, error: &Failure) -> Input {
        if let Some((status, body)) = http_inside_websocket(&self.messages.get_ref().text) {
            let body = self.secrets.remove_from(&body.into());
            return Input::WebSocketRefused(Refusal::new(status, &body));
        }
        let kind = match error {
            Failure::Io(_) | Failure::Broken => TransportErrorKind::Broken,
            Failure::Fault(Fault::TooLong(_)) => TransportErrorKind::TooLarge,
            Failure::Fault(_) => TransportErrorKind::WebSocket,
        };
        Input::WebSocketFailed(TransportError::new(kind, error.to_string()))
    }
}

/// Remembers the start of a stream that cannot be WebSocket frames.
///
/// A server that does not speak our revision answers `101` and then writes an HTTP error into the stream; see
/// [`Refusal::from_http_inside_websocket`]. Its `H` is no byte that a frame begins with.
struct FirstBytes<S> {
    stream: S,
    started: bool,
    text: Vec<u8>,
}

const MAX_FIRST_BYTES: usize = 1024;

impl<S> FirstBytes<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            started: false,
            text: Vec::new(),
        }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let suspicious = !self.text.is_empty() || bytes.first() == Some(&b'H');
        self.started = !suspicious || self.text.len() >= MAX_FIRST_BYTES;
        if !self.started {
            let room = MAX_FIRST_BYTES - self.text.len();
            self.text
                .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if !self.started
            && let Some(read @ [_, ..]) = buf.filled().get(before..)
        {
            self.look_at(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn headers(change: Option<(HeaderName, Option<&'static str>)>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, "WebSocket".parse().unwrap());
        headers.insert(CONNECTION, "keep-alive, Upgrade".parse().unwrap());
        headers.insert(
            SEC_WEBSOCKET_ACCEPT,
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".parse().unwrap(),
        );
        match change {
            Some((name, Some(value))) => headers.insert(name, value.parse().unwrap()),
            Some((name, None)) => headers.remove(name),
            None => None,
        };
        headers
    }

    /// RFC 6455, sections 1.3 and 4.1.
    #[test]
    fn the_handshake_answer_is_checked_in_full() {
        let none = Subprotocols::default();
        assert_eq!(check(&headers(None), KEY, &none), Ok(()));
        for change in [
            (UPGRADE, None),
            (UPGRADE, Some("h2c")),
            (CONNECTION, None),
            (CONNECTION, Some("close")),
            (SEC_WEBSOCKET_ACCEPT, None),
            (SEC_WEBSOCKET_ACCEPT, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOO=")),
            (SEC_WEBSOCKET_EXTENSIONS, Some("permessage-deflate")),
            (SEC_WEBSOCKET_PROTOCOL, Some("mqtt")),
        ] {
            let text = format!("{change:?}");
            assert!(check(&headers(Some(change)), KEY, &none).is_err(), "{text}");
        }
    }

    /// RFC 6455, section 4.1: one of the offered subprotocols, or none.
    #[test]
    fn subprotocols_are_chosen_among_the_offered() {
        let offered = Subprotocols::new(["a", "b"]).unwrap();
        assert_eq!(check(&headers(None), KEY, &offered), Ok(()));
        for (chosen, good) in [
            (&["a"][..], true),
            (&["b"], true),
            (&["A"], false),
            (&["c"], false),
            (&[""], false),
            (&["a, b"], false),
            (&["a", "b"], false),
        ] {
            let mut headers = headers(None);
            for name in chosen {
                headers.append(SEC_WEBSOCKET_PROTOCOL, name.parse().unwrap());
            }
            assert_eq!(check(&headers, KEY, &offered).is_ok(), good, "{chosen:?}");
        }
    }

    #[test]
    fn only_a_stream_that_begins_with_h_is_remembered() {
        let mut stream = FirstBytes::new(());
        stream.look_at(b"\x81\x01");
        assert!(stream.started && stream.text.is_empty());
        let mut stream = FirstBytes::new(());
        stream.look_at(b"HT");
        stream.look_at(b"TP/1.1 400");
        assert_eq!(
            (stream.started, stream.text.as_slice()),
            (false, &b"HTTP/1.1 400"[..])
        );
        stream.look_at(&[b'x'; 5000]);
        assert_eq!(stream.text.len(), MAX_FIRST_BYTES);
    }
}
