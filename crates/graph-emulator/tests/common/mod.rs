//! A raw client: HTTP requests and WebSocket messages, nothing that knows the protocols.
#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use graph_emulator::{Control, Emulator, EmulatorConfig};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite};
use tungstenite::Message;

/// Waits for the thing itself; the limit only keeps a failure from hanging.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it happens")
}

pub(crate) async fn start(change: impl FnOnce(&mut EmulatorConfig)) -> Emulator {
    let mut config = EmulatorConfig::default();
    change(&mut config);
    Emulator::start(config).await.unwrap()
}

pub(crate) const PATH: &str = "/v1.0/me/drive/root/subscriptions/socketIo";

/// A client that opens a connection for each request, as a raw one would.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) async fn ask(control: &Control, path: &str) -> reqwest::Response {
    let url = format!("{}{path}", control.graph_url());
    soon(http().get(url).bearer_auth(control.token()).send())
        .await
        .unwrap()
}

pub(crate) async fn subscribe(control: &Control) -> Value {
    ask(control, PATH).await.json().await.unwrap()
}

/// The engine query and the namespace of a new `notificationUrl`.
pub(crate) async fn subscription(control: &Control) -> (String, String) {
    let answer = subscribe(control).await;
    let url = answer["notificationUrl"].as_str().unwrap().to_owned();
    let rest = url.strip_prefix(control.graph_url()).unwrap();
    let (path, query) = rest.split_once('?').unwrap();
    (
        query.to_owned(),
        path.strip_suffix("/callback").unwrap_or(path).to_owned(),
    )
}

/// A WebSocket, and nothing more.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The WebSocket, or the status and body of the refusal.
    pub(crate) async fn open(control: &Control, query: &str) -> Result<Self, (u16, String)> {
        let authority = control.graph_url().strip_prefix("http://").unwrap();
        let url = format!("ws://{authority}/socket.io/?{query}&EIO=4&transport=websocket");
        match soon(tokio_tungstenite::connect_async(url)).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8(body).unwrap()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Opened, and past the open packet.
    pub(crate) async fn opened(control: &Control, query: &str) -> Self {
        let mut socket = Self::open(control, query).await.unwrap();
        assert!(socket.text().await.starts_with('0'));
        socket
    }

    /// A new subscription, opened, joined.
    pub(crate) async fn joined(control: &Control) -> Self {
        let (query, namespace) = subscription(control).await;
        let mut socket = Self::opened(control, &query).await;
        let reply = socket.join(&namespace).await;
        assert!(
            reply.starts_with(&format!("40{namespace},{{\"sid\":")),
            "{reply}"
        );
        socket
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The answer to a CONNECT.
    pub(crate) async fn join(&mut self, namespace: &str) -> String {
        self.send(&format!("40{namespace},")).await;
        self.text().await
    }

    /// The next text message but for pings.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match soon(self.0.next()).await.expect("more").expect("a message") {
                Message::Text(text) if text.as_str() == "2" => self.send("3").await,
                Message::Text(text) => return text.to_string(),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next thing, whatever it is.
    pub(crate) async fn next(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        soon(self.0.next()).await
    }

    /// The next thing if it is already there.
    pub(crate) fn arrived(&mut self) -> Option<Option<Result<Message, tungstenite::Error>>> {
        self.0.next().now_or_never()
    }

    /// What ends the stream after pings: a close frame or not.
    pub(crate) async fn end(&mut self) -> End {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => {}
                Some(Ok(Message::Close(_))) => return End::CloseFrame,
                None | Some(Err(_)) => return End::Cut,
                Some(Ok(other)) => panic!("{other:?}"),
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    CloseFrame,
    Cut,
}

/// The argument of a `notification` event.
pub(crate) fn argument(packet: &str) -> Value {
    let (_, event) = packet.split_once(',').expect("a namespace");
    let event: Vec<Value> = serde_json::from_str(event).unwrap();
    let [name, argument] = <[Value; 2]>::try_from(event).unwrap();
    assert_eq!(name, "notification");
    argument
}

/// The same where the argument is a string that contains JSON.
pub(crate) fn inner(packet: &str) -> Value {
    serde_json::from_str(argument(packet).as_str().expect("a string")).unwrap()
}
