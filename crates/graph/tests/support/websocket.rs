//! Graph and a relay that speaks WebSocket, each connection on a thread of its own, so that it can flood, stop
//! anywhere, and say whatever a test wants.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use graph_notifications::{
    BaseUrl, Cloud, FromResource, NotificationUrl, PlainHttp, Resource, StaticToken, UrlOptions,
    Watch, WatchBuilder,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::http;
use super::relay::quick;

/// What a connection does once it has been accepted. `number` counts the connections to the relay, from 0.
pub(crate) type Script = dyn Fn(Connection, usize) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    relay_requests: Mutex<Vec<String>>,
    grants: AtomicUsize,
    open: AtomicUsize,
}

/// An accepted TCP connection whose request has been read.
pub(crate) struct Connection {
    stream: TcpStream,
    head: String,
    state: Arc<State>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Raw {
    pub(crate) fn start(script: impl Fn(Connection, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let raw = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let server = raw.clone();
        let script: Arc<Script> = Arc::new(script);
        // It ends with the process.
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (server, script) = (server.clone(), script.clone());
                thread::spawn(move || server.serve(stream, &*script));
            }
        });
        raw
    }

    fn serve(&self, mut stream: TcpStream, script: &Script) {
        let Some(head) = read_head(&mut stream) else {
            return;
        };
        let target = head.split(' ').nth(1).unwrap().to_owned();
        if target.contains("/subscriptions/socketIo") {
            let number = self.state.grants.fetch_add(1, Ordering::SeqCst);
            let body = format!(
                r#"{{"notificationUrl":"http://{}/notifications?token=PLANTED-{number}"}}"#,
                self.address
            );
            let _gone = write!(
                stream,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            return;
        }
        self.state.open.fetch_add(1, Ordering::SeqCst);
        let connection = Connection {
            stream,
            head,
            state: self.state.clone(),
        };
        let number = {
            let mut requests = self.state.relay_requests.lock().unwrap();
            requests.push(target);
            requests.len() - 1
        };
        script(connection, number);
    }

    /// The targets of all requests to the relay.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.relay_requests.lock().unwrap().clone()
    }

    /// How many connections to the relay are not over.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    pub(crate) fn grants(&self) -> usize {
        self.state.grants.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path_and_query: &str) -> NotificationUrl {
        let options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
        let text = format!("http://{}{path_and_query}", self.address);
        NotificationUrl::parse_with(&text, options).unwrap()
    }

    pub(crate) fn watch(&self) -> WatchBuilder<FromResource> {
        let base = format!("http://{}", self.address);
        let base = BaseUrl::parse(&base, PlainHttp::OnLoopback).unwrap();
        Watch::builder(Resource::drive("b!x"))
            .token(StaticToken::new("PLANTED").unwrap())
            .cloud(Cloud::Custom(base))
            .allow_http_on_loopback()
            .http(http())
            .config(quick())
    }
}

impl Connection {
    /// Accepts the WebSocket.
    pub(crate) fn switch(&mut self) {
        let key = self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then_some(value)
        });
        let accept = derive_accept_key(key.unwrap().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.write(answer.as_bytes());
    }

    /// Accepts the WebSocket, with a heartbeat that no test waits for.
    pub(crate) fn open(&mut self) {
        self.switch();
        self.send(r#"0{"sid":"s","upgrades":[],"pingInterval":600000,"pingTimeout":600000}"#);
    }

    /// Accepts the WebSocket and the namespace.
    pub(crate) fn join(&mut self) {
        self.open();
        assert_eq!(self.read().as_deref(), Some("40/notifications,"));
        self.send("40/notifications,{\"sid\":\"x\"}");
    }

    /// Sends a text frame, unless the client is gone.
    pub(crate) fn send(&mut self, packet: &str) -> bool {
        self.write(&frame(packet))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The text of the next frame of the client; `None` at a close frame or the end.
    pub(crate) fn read(&mut self) -> Option<String> {
        let mut head = [0; 6];
        self.stream.read_exact(&mut head).ok()?;
        let len = usize::from(head[1] & 0x7f);
        assert!(len < 126, "a long frame");
        let mut data = vec![0; len];
        self.stream.read_exact(&mut data).ok()?;
        for (byte, mask) in data.iter_mut().zip(head[2..].iter().cycle()) {
            *byte ^= mask;
        }
        (head[0] == 0x81).then(|| String::from_utf8(data).unwrap())
    }

    /// Says nothing until the client is gone.
    pub(crate) fn hang(mut self) {
        let mut bytes = [0; 1024];
        while self.stream.read(&mut bytes).is_ok_and(|len| len > 0) {}
    }
}

/// A whole text message, unmasked.
pub(crate) fn frame(packet: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(packet.len()) {
        Ok(len) if len < 126 => frame.push(len),
        _ => {
            frame.push(126);
            frame.extend(u16::try_from(packet.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend(packet.as_bytes());
    frame
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    String::from_utf8(head).ok()
}
