//! The push relay: a Socket.IO server whose clients show the credential of a subscription.

use std::{
    fmt,
    sync::{Arc, Mutex, Weak, atomic::Ordering},
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    http::{Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use socketioxide::{
    NsInsertError, SocketIo, extract::SocketRef, handler::ConnectHandler, layer::SocketIoLayer,
};

use crate::{
    config::{CredentialCheck, EmulatorConfig, Settings},
    log::Transport,
    notification::Notification,
    shared::{Shared, lock},
    subscription::Subscription,
    wire::{LineId, frame},
};

/// The Engine.IO server's own limit for a payload is 100 kB; a larger body is refused here already.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The clients that have joined, and the server that they joined at.
pub(crate) struct Relay {
    io: SocketIo,
    joined: Mutex<Vec<Joined>>,
}

#[derive(Clone)]
struct Joined {
    socket: SocketRef,
    subscription: Subscription,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("joined", &lock(&self.joined).len())
            .finish_non_exhaustive()
    }
}

impl Relay {
    pub(crate) fn new(config: &EmulatorConfig) -> (Self, SocketIoLayer) {
        let (layer, io) = SocketIo::builder()
            .ping_interval(config.ping_interval)
            .ping_timeout(config.ping_timeout)
            .build_layer();
        (
            Self {
                io,
                joined: Mutex::default(),
            },
            layer,
        )
    }

    /// Serves every namespace; which of them a client may join is a matter of its credential.
    pub(crate) fn open(shared: &Arc<Shared>) -> Result<(), NsInsertError> {
        for pattern in ["/", "/{*path}"] {
            // Weak, because the server owns its handlers and `Shared` owns the server.
            let (check, join) = (Arc::downgrade(shared), Arc::downgrade(shared));
            let handler = move |socket: SocketRef| joins(join.clone(), socket);
            let middleware = move |socket: SocketRef| may_join(check.clone(), socket);
            shared.relay.io.dyn_ns(pattern, handler.with(middleware))?;
        }
        Ok(())
    }

    /// Sends the notification to everybody who has joined, and says to how many.
    pub(crate) fn notify(&self, notification: &Notification, number: u64) -> usize {
        let joined = lock(&self.joined).clone();
        joined
            .iter()
            .filter(|client| {
                let argument = notification.argument(number, &client.subscription);
                let copies = 0..notification.copies;
                copies
                    .filter(|_| client.socket.emit("notification", &argument).is_ok())
                    .count()
                    > 0
            })
            .count()
    }

    /// Sends `41` to everybody who has joined, and says to how many; their connections stay.
    pub(crate) fn disconnect(&self) -> usize {
        // Taken out of the lock first: the disconnect handler locks too.
        let joined = lock(&self.joined).clone();
        joined
            .into_iter()
            .filter(|client| client.socket.clone().disconnect().is_ok())
            .count()
    }

    /// Sends `41` to those who joined with this subscription.
    pub(crate) fn end_subscription(&self, id: &str) {
        let joined = lock(&self.joined).clone();
        for client in joined
            .into_iter()
            .filter(|client| client.subscription.id == id)
        {
            client.socket.disconnect().ok();
        }
    }

    /// Ends every Engine.IO session, and says how many clients had joined.
    pub(crate) fn close(&self, shared: &Shared) -> usize {
        let joined = std::mem::take(&mut *lock(&self.joined));
        shared
            .recorder
            .count(|counts| joined.iter().for_each(|_| counts.joined.down()));
        let io = self.io.clone();
        // The server waits for its transports to be gone, which a held connection never is.
        tokio::spawn(async move { io.close().await });
        joined.len()
    }

    fn leave(&self, shared: &Shared, socket: &SocketRef) {
        let mut joined = lock(&self.joined);
        let before = joined.len();
        joined.retain(|client| client.socket.id != socket.id || client.socket.ns() != socket.ns());
        let left = joined.len() < before;
        drop(joined);
        if left {
            shared.recorder.count(|counts| counts.joined.down());
        }
    }
}

/// Why a CONNECT is answered with `44`.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("refused on purpose")]
    OnPurpose,
    #[error("the credential is unknown or has expired")]
    Credential,
    #[error("Invalid namespace")]
    Namespace,
}

async fn may_join(shared: Weak<Shared>, socket: SocketRef) -> Result<(), Refused> {
    let Some(shared) = shared.upgrade() else {
        return Err(Refused::OnPurpose);
    };
    let verdict = if take_one(&shared) {
        Err(Refused::OnPurpose)
    } else {
        match subscription_of(&shared, &socket) {
            None => Err(Refused::Credential),
            Some(subscription) if !subscription.allows_namespace(socket.ns()) => {
                Err(Refused::Namespace)
            }
            Some(_) => Ok(()),
        }
    };
    if verdict.is_err() {
        shared.recorder.count(|counts| counts.refused_connects += 1);
    }
    verdict
}

/// Whether this CONNECT is one of those to refuse.
fn take_one(shared: &Shared) -> bool {
    let less_one = |left: u32| left.checked_sub(1);
    let left = &shared.connects_to_refuse;
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one)
        .is_ok()
}

async fn joins(shared: Weak<Shared>, socket: SocketRef) {
    let Some(shared) = shared.upgrade() else {
        return;
    };
    // It may have expired since the check.
    let Some(subscription) = subscription_of(&shared, &socket) else {
        socket.disconnect().ok();
        return;
    };
    // The root namespace can be joined, as some clients do first, but nothing is sent there.
    if socket.ns() == "/" {
        return;
    }
    let leaving = Arc::downgrade(&shared);
    socket.on_disconnect(async move |socket: SocketRef| {
        if let Some(shared) = leaving.upgrade() {
            shared.relay.leave(&shared, &socket);
        }
    });
    lock(&shared.relay.joined).push(Joined {
        socket: socket.clone(),
        subscription,
    });
    shared.recorder.count(|counts| counts.joined.up());
    // It may have left before the handler above was there.
    if !socket.connected() {
        shared.relay.leave(&shared, &socket);
    }
}

fn subscription_of(shared: &Shared, socket: &SocketRef) -> Option<Subscription> {
    shared
        .subscriptions
        .find(socket.req_parts().uri.query().unwrap_or_default())
}

/// What stands between the HTTP server and the Socket.IO server: checks, the log, and the CONNECT reply over polling.
pub(crate) async fn guard(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<LineId>,
    request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with("/socket.io") {
        return next.run(request).await;
    }
    let settings = shared.settings();
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let subscription = shared.subscriptions.find(query);
    shared.lines.mark_relay(
        line,
        subscription
            .as_ref()
            .map(|subscription| subscription.id.clone()),
    );
    if let Some(refusal) = refusal(&settings, &parts, subscription.is_some()) {
        return refusal;
    }
    if parts.method != Method::POST {
        let response = next.run(Request::from_parts(parts, body)).await;
        return if settings.connect_reply_sid {
            response
        } else {
            without_sid(response).await
        };
    }
    match axum::body::to_bytes(body, MAX_BODY_BYTES).await {
        Ok(payload) => {
            record_payload(&shared, line, &payload);
            next.run(Request::from_parts(parts, Body::from(payload)))
                .await
        }
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    }
}

/// The refusal of a relay request, as an Engine.IO error body.
fn refusal(settings: &Settings, parts: &Parts, credential_is_known: bool) -> Option<Response> {
    let has = |pair: &str| {
        parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .any(|part| part == pair)
    };
    let unserved = (has("transport=polling") && !settings.polling)
        || (has("transport=websocket") && !settings.websocket);
    if unserved {
        return Some(engine_error(
            StatusCode::BAD_REQUEST,
            0,
            "Transport unknown",
        ));
    }
    let refused = settings.credential_check == CredentialCheck::Handshake && !credential_is_known;
    refused.then(|| engine_error(StatusCode::FORBIDDEN, 4, "Forbidden"))
}

fn engine_error(status: StatusCode, code: u8, message: &str) -> Response {
    let body = serde_json::json!({ "code": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn record_payload(shared: &Shared, line: LineId, payload: &Bytes) {
    let text = String::from_utf8_lossy(payload);
    for packet in text.split('\u{1e}') {
        let packet = if packet.starts_with('b') {
            "<binary>"
        } else {
            packet
        };
        shared.recorder.packet(line.0, Transport::Polling, packet);
    }
}

/// The same polling answer with each CONNECT reply stripped of its object.
async fn without_sid(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if parts.status != StatusCode::OK {
        return Response::from_parts(parts, body);
    }
    let Ok(payload) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let text = String::from_utf8_lossy(&payload);
    let packets: Vec<&str> = text
        .split('\u{1e}')
        .map(|packet| frame::without_sid(packet).unwrap_or(packet))
        .collect();
    // The length has changed; the server writes the right one.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packets.join("\u{1e}")))
}
