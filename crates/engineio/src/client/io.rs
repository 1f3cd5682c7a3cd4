//! The I/O of one connection: carries out actions and reports their outcomes, in place, without tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ::http::HeaderMap;
use ::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};

use super::cookies::{Answer, Jar, today};
use super::http::{Http, exchange};
use super::websocket::{self, OpenError, WebSocket};
use crate::config::{Config, Limits};
use crate::connection::{Action, Input, Response, Target};
use crate::endpoint::Endpoint;
use crate::error::TransportError;
use crate::handshake::Sid;
use crate::secrets::Secrets;
use crate::subprotocol::Subprotocols;
use crate::timestamp::Timestamp;

/// Headers that carry the protocol. A second value of one would break it, or bring a body that nothing here reads.
const RESERVED_HEADERS: [HeaderName; 11] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Far more than what servers answer to a POST.
const MAX_POST_ANSWER: usize = 64 * 1024;

type Pending<T> = Option<Pin<Box<dyn Future<Output = Answer<T>> + Send>>>;

pub(super) struct Io {
    http: Http,
    endpoint: Endpoint,
    headers: Option<Arc<HeaderMap>>,
    keeps_cookies: bool,
    /// There is none before the server has set a cookie: most never do.
    cookies: Option<Box<Jar>>,
    limits: Limits,
    timestamp: Timestamp,
    subprotocols: Subprotocols,
    get: Pending<Result<Response, TransportError>>,
    post: Pending<Result<Response, TransportError>>,
    opening: Pending<Result<WebSocket, OpenError>>,
    websocket: Option<Box<WebSocket>>,
    has_read: bool,
}

impl Io {
    pub(super) fn new(http: Http, endpoint: Endpoint, config: &Config) -> Self {
        Self {
            http,
            endpoint,
            headers: None,
            keeps_cookies: config.cookies,
            cookies: None,
            limits: config.limits.clone(),
            timestamp: config.timestamp.clone(),
            subprotocols: config.subprotocols.clone(),
            get: None,
            post: None,
            opening: None,
            websocket: None,
            has_read: false,
        }
    }

    pub(super) fn set_headers(&mut self, headers: Arc<HeaderMap>) {
        self.headers = Some(headers);
    }

    /// Whether another frame can be sent: always, unless the socket is full.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.websocket {
            Some(websocket) => websocket.poll_ready(cx),
            None => Poll::Ready(()),
        }
    }

    pub(super) fn start(&mut self, action: Action) {
        match action {
            Action::Get(target) => {
                let request = self.request(reqwest::Method::GET, &target);
                let secrets = self.secrets(target.sid.as_ref());
                let is_forwarded = self.is_forwarded(&target);
                let limit = self.limits.max_body_bytes;
                self.get = Some(Box::pin(exchange(request, is_forwarded, limit, secrets)));
            }
            Action::Post(target, body) => {
                // Other content types make the reference server reject the body.
                let request = self
                    .request(reqwest::Method::POST, &target)
                    .header(CONTENT_TYPE, "text/plain;charset=UTF-8")
                    .body(body);
                let secrets = self.secrets(target.sid.as_ref());
                let is_forwarded = self.is_forwarded(&target);
                // It is `ok`, and read only so that the connection can be used again: no second body of polling.
                let limit = self.limits.max_body_bytes.min(MAX_POST_ANSWER);
                self.post = Some(Box::pin(exchange(request, is_forwarded, limit, secrets)));
            }
            Action::OpenWebSocket(target) => {
                let request = self.request(reqwest::Method::GET, &target);
                let secrets = self.secrets(target.sid.as_ref());
                let offered = self.subprotocols.clone();
                let limits = self.limits.clone();
                let is_forwarded = self.is_forwarded(&target);
                let opening = websocket::open(request, offered, is_forwarded, limits, secrets);
                self.opening = Some(Box::pin(opening));
            }
            Action::SendFrame(frame) => {
                if let Some(websocket) = &mut self.websocket {
                    websocket.send(&frame);
                }
            }
            Action::CloseWebSocket => {
                if let Some(websocket) = &mut self.websocket {
                    websocket.close();
                }
            }
            Action::DropWebSocket => self.drop_websocket(),
            Action::DropGet => self.get = None,
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) {
        if let Some(websocket) = &mut self.websocket {
            websocket.poll_flush(cx);
        }
    }

    /// The next outcome. The answer to a POST is taken even while reading is paused: it brings nothing to keep.
    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>, reading: bool) -> Poll<Input> {
        if let Poll::Ready(result) = self.poll_answer(|io| &mut io.post, cx) {
            self.has_read = true;
            return Poll::Ready(Input::PostDone(result));
        }
        if let Poll::Ready(result) = self.poll_answer(|io| &mut io.opening, cx) {
            self.has_read = true;
            return Poll::Ready(match result {
                Ok(websocket) => {
                    self.websocket = Some(Box::new(websocket));
                    Input::WebSocketOpened
                }
                Err(OpenError::Refused(refusal)) => Input::WebSocketRefused(refusal),
                Err(OpenError::Failed(error)) => Input::WebSocketFailed(error),
            });
        }
        if !reading {
            return Poll::Pending;
        }
        if let Poll::Ready(result) = self.poll_answer(|io| &mut io.get, cx) {
            self.has_read = true;
            return Poll::Ready(Input::GetDone(result));
        }
        match &mut self.websocket {
            Some(websocket) => {
                let input = std::task::ready!(websocket.poll_input(cx));
                self.has_read |= websocket.has_read();
                if !matches!(input, Input::Frame(_)) {
                    self.websocket = None;
                }
                Poll::Ready(input)
            }
            None => Poll::Pending,
        }
    }

    /// The outcome of what is under way there, if anything is. The cookies that came with it are kept.
    #[inline]
    fn poll_answer<T>(
        &mut self,
        pending: impl Fn(&mut Self) -> &mut Pending<T>,
        cx: &mut Context<'_>,
    ) -> Poll<T> {
        let Some(future) = pending(self) else {
            return Poll::Pending;
        };
        let answer = std::task::ready!(future.as_mut().poll(cx));
        *pending(self) = None;
        if self.keeps_cookies && !answer.cookies.is_empty() {
            let new = || Box::new(Jar::new(&self.endpoint, &self.limits));
            let jar = self.cookies.get_or_insert_with(new);
            jar.store(&answer.cookies, today());
        }
        Poll::Ready(answer.outcome)
    }

    /// Whether an input, since this was asked last, took more than looking at what had been read before.
    pub(super) fn has_read(&mut self) -> bool {
        std::mem::take(&mut self.has_read)
    }

    /// Drops everything that is under way.
    pub(super) fn shut(&mut self) {
        self.get = None;
        self.post = None;
        self.drop_websocket();
    }

    /// The server learns of it at once where the socket takes a close frame, and by the end of the stream elsewhere.
    fn drop_websocket(&mut self) {
        self.opening = None;
        if let Some(mut websocket) = self.websocket.take() {
            websocket.close();
            websocket.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn is_forwarded(&self, target: &Target) -> bool {
        self.http.is_forwarded(&self.endpoint.url(target, None))
    }

    /// What a request carries and no error may show.
    pub(super) fn secrets(&self, sid: Option<&Sid>) -> Secrets {
        let cookies = self.cookies.iter().flat_map(|jar| jar.values());
        let headers = self
            .headers
            .iter()
            .flat_map(|headers| Secrets::in_headers(headers));
        let offered = self.subprotocols.iter().map(str::to_owned);
        let others = cookies.chain(headers);
        let sid = sid.map(|sid| sid.expose().to_owned());
        let others = others.chain(offered).chain(sid);
        Secrets::new(self.endpoint.query(), others)
    }

    fn request(&self, method: reqwest::Method, target: &Target) -> reqwest::RequestBuilder {
        let timestamp = self.timestamp.parameter(target.transport);
        let value = cache_buster();
        let url = self
            .endpoint
            .url(target, timestamp.map(|name| (name, value.as_str())));
        let mut headers = self.headers.as_deref().cloned().unwrap_or_default();
        for reserved in RESERVED_HEADERS {
            headers.remove(reserved);
        }
        if let Some(jar) = &self.cookies {
            jar.add_to(&mut headers, today());
        }
        self.http.as_reqwest().request(method, url).headers(headers)
    }
}

/// Eight base-36 characters, as many as the reference client's.
fn cache_buster() -> String {
    std::iter::repeat_with(|| fastrand::digit(36))
        .take(8)
        .collect()
}
