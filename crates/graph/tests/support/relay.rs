//! Graph and its notification service in one: it grants URLs to itself, and speaks Socket.IO over
//! HTTP long-polling.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use graph_notifications::{
    BaseUrl, BoxFuture, Cloud, FromResource, NotificationUrl, PlainHttp, Resource, TransportMode,
    UrlOptions, Watch, WatchBuilder, WatchConfig,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Reply, Request, Server, answer, http, serve};

#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) server: Arc<Server>,
    inner: Arc<Inner>,
}

type Interfere = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

struct Inner {
    sessions: Mutex<Vec<Session>>,
    grants: AtomicUsize,
    /// The payload of CONNECT_ERROR, if nobody may join.
    refusal: Mutex<Option<String>>,
    /// How long granted URLs live.
    lifetime: Option<Duration>,
    /// Answers requests before anything else does.
    interfere: Box<Interfere>,
}

struct Session {
    to_client: UnboundedSender<String>,
    outbox: Arc<tokio::sync::Mutex<UnboundedReceiver<String>>>,
    joined: bool,
    is_left: bool,
}

impl Relay {
    pub(crate) async fn start(
        lifetime: Option<Duration>,
        interfere: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            sessions: Mutex::new(Vec::new()),
            grants: AtomicUsize::new(0),
            refusal: Mutex::new(None),
            lifetime,
            interfere: Box::new(interfere),
        });
        let handler = inner.clone();
        let server = serve(move |request| handler.clone().handle(request)).await;
        Self {
            server: Arc::new(server),
            inner,
        }
    }

    /// A watch of this relay, without a token provider.
    pub(crate) fn watch(&self) -> WatchBuilder<FromResource> {
        let base = BaseUrl::parse(&self.server.url(), PlainHttp::OnLoopback).unwrap();
        Watch::builder(Resource::drive("b!x"))
            .cloud(Cloud::Custom(base))
            .allow_http_on_loopback()
            .http(http())
            .transport(TransportMode::Polling)
            .config(quick())
    }

    pub(crate) fn url(&self) -> NotificationUrl {
        let text = format!("{}/notifications?token=PLANTED==&b=%2B", self.server.url());
        let options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
        NotificationUrl::parse_with(&text, options).unwrap()
    }

    /// Answers CONNECT with CONNECT_ERROR from now on.
    pub(crate) fn refuse_joins(&self, payload: &str) {
        *self.inner.refusal.lock().unwrap() = Some(payload.to_owned());
    }

    /// Sends a packet to all who have joined.
    pub(crate) fn send(&self, packet: &str) {
        for session in self.inner.sessions.lock().unwrap().iter() {
            if session.joined {
                let _gone = session.to_client.send(packet.to_owned());
            }
        }
    }

    pub(crate) fn notify(&self, payload: &str) {
        let argument = serde_json::to_string(payload).unwrap();
        self.send(&format!("42/notifications,[\"notification\",{argument}]"));
    }

    /// How many sessions were begun, and how many of them were left by the client.
    pub(crate) fn sessions(&self) -> (usize, usize) {
        let sessions = self.inner.sessions.lock().unwrap();
        let left = sessions.iter().filter(|session| session.is_left).count();
        (sessions.len(), left)
    }
}

/// Backoff in milliseconds, so that tests of recovery are over soon.
pub(crate) fn quick() -> WatchConfig {
    let mut config = WatchConfig::default();
    config.backoff.initial_delay = Duration::from_millis(5);
    config.backoff.max_delay = Duration::from_millis(20);
    config
}

impl Inner {
    fn handle(self: Arc<Self>, request: Request) -> BoxFuture<'static, Reply> {
        Box::pin(async move {
            if let Some(reply) = (self.interfere)(&request) {
                return reply;
            }
            if request.target().contains("/subscriptions/socketIo") {
                return self.grant(&request);
            }
            let Some((_, sid)) = request.target().split_once("&sid=") else {
                let (to_client, outbox) = unbounded_channel();
                let mut sessions = self.sessions.lock().unwrap();
                let sid = sessions.len();
                sessions.push(Session {
                    to_client,
                    outbox: Arc::new(tokio::sync::Mutex::new(outbox)),
                    joined: false,
                    is_left: false,
                });
                return answer(
                    200,
                    "",
                    format!(
                        r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":20,"pingTimeout":20000,"maxPayload":1000000}}"#
                    ),
                );
            };
            let sid: usize = sid.split('&').next().unwrap().parse().unwrap();
            if request.line.starts_with("POST") {
                for packet in request.body.split('\u{1e}') {
                    let mut sessions = self.sessions.lock().unwrap();
                    let session = &mut sessions[sid];
                    match packet {
                        "40/notifications," => {
                            let refusal = self.refusal.lock().unwrap().clone();
                            session.joined = refusal.is_none();
                            let reply = match refusal {
                                Some(payload) => format!("44/notifications,{payload}"),
                                None => r#"40/notifications,{"sid":"x"}"#.to_owned(),
                            };
                            session.to_client.send(reply).unwrap();
                        }
                        "41/notifications," | "1" => {
                            session.joined = false;
                            session.is_left = true;
                            let _gone = session.to_client.send("6".into());
                        }
                        other => assert_eq!(other, "3"),
                    }
                }
                return answer(200, "", "ok");
            }
            let outbox = self.sessions.lock().unwrap()[sid].outbox.clone();
            let mut outbox = outbox.lock().await;
            let mut payload = outbox.recv().await.unwrap();
            while let Ok(packet) = outbox.try_recv() {
                payload.push('\u{1e}');
                payload.push_str(&packet);
            }
            answer(200, "", payload)
        })
    }

    fn grant(&self, request: &Request) -> Reply {
        let number = self.grants.fetch_add(1, Ordering::Relaxed);
        let host = request.header("host").unwrap();
        let url = format!("http://{host}/notifications?token=PLANTED-{number}");
        let mut body = serde_json::json!({ "notificationUrl": url });
        if let Some(lifetime) = self.lifetime {
            let expires = jiff::Timestamp::try_from(now() + lifetime).unwrap();
            body["expirationDateTime"] = format!("{expires:.7}").into();
        }
        answer(200, "", body.to_string())
    }
}

#[expect(clippy::disallowed_methods, reason = "a server knows the time")]
fn now() -> SystemTime {
    SystemTime::now()
}
