//! A scripted server on loopback, and a client for it: what the tests of the driver share.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, of which each uses a part"
)]

use std::future::Future;
use std::time::Duration;

use engineio::client::{Client, Http};
use engineio::{CloseReason, Config, Endpoint, Event, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// An `open` packet with this window for the heartbeat.
pub(crate) fn open(ping_interval: u64, ping_timeout: u64) -> String {
    format!(
        r#"0{{"sid":"SESSION","upgrades":["websocket"],"pingInterval":{ping_interval},"pingTimeout":{ping_timeout},"maxPayload":1000000}}"#
    )
}

/// The values of the reference server.
pub(crate) fn usual_open() -> String {
    open(25_000, 20_000)
}

/// Waits for what must happen; the limit only keeps a broken test from hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("it never happened")
}

/// A listener whose connections hold little unread data, so that a server that does not read is felt soon.
pub(crate) fn listen() -> (TcpListener, Endpoint) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/engine.io/?token=TOKEN");
    (listener, Endpoint::parse(&url).unwrap())
}

pub(crate) fn config(transports: &[Transport]) -> Config {
    let mut config = Config::default();
    config.transports = transports.to_vec();
    config
}

pub(crate) fn client(endpoint: Endpoint, config: Config) -> Client {
    Client::new(
        Http::builder().no_proxy().build().unwrap(),
        endpoint,
        config,
    )
}

pub(crate) async fn next(client: &mut Client) -> Event {
    within(client.next_event()).await.expect("the stream ended")
}

pub(crate) async fn closed(client: &mut Client) -> CloseReason {
    within(async {
        loop {
            if let Event::Closed(reason) = client.next_event().await.expect("the stream ended") {
                let after = client.next_event().await;
                assert_eq!(after, None, "silence after Closed");
                return reason;
            }
        }
    })
    .await
}

/// Reads one request: its head, and its body if it tells a length.
pub(crate) async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |value| value.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let read = stream.read_buf(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "the request ended early: {text}");
    }
}

pub(crate) fn headers<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
        .collect()
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    headers(head, name).first().copied()
}

pub(crate) async fn respond(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// Answers a WebSocket handshake whose request was read already.
pub(crate) async fn switch(stream: &mut TcpStream, request: &str) {
    switch_with(stream, request, "").await;
}

/// The same, with `extra` header lines.
pub(crate) async fn switch_with(stream: &mut TcpStream, request: &str, extra: &str) {
    let key = header(request, "sec-websocket-key").unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// A server for one WebSocket session: accepts it, switches protocols and writes `first`.
pub(crate) async fn websocket(listener: TcpListener, first: &[u8]) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let request = request(&mut stream).await;
    switch(&mut stream, &request).await;
    stream.write_all(first).await.unwrap();
    stream
}

/// The same, and held open without another word.
pub(crate) async fn websocket_held(listener: TcpListener, first: Vec<u8>) {
    let mut stream = websocket(listener, &first).await;
    drop(stream.read_to_end(&mut Vec::new()).await);
}

/// A frame as a server sends it: unmasked.
pub(crate) fn frame(first_byte: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    match u16::try_from(data.len()).unwrap() {
        len @ 0..=125 => bytes.push(u8::try_from(len).unwrap()),
        len => {
            bytes.push(126);
            bytes.extend(len.to_be_bytes());
        }
    }
    bytes.extend(data);
    bytes
}

pub(crate) fn text(packet: &str) -> Vec<u8> {
    frame(0x81, packet.as_bytes())
}

/// Reads one short frame of a client; `None` at the end of the stream, however it ended.
pub(crate) async fn client_frame(
    stream: &mut (impl AsyncReadExt + Unpin),
) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 6];
    stream.read_exact(&mut head).await.ok()?;
    let [first, length, mask @ ..] = head;
    let mut data = vec![0; usize::from(length & 0x7F)];
    stream.read_exact(&mut data).await.ok()?;
    for (byte, mask) in data.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some((first, data))
}

/// The first `count` frames of a client.
pub(crate) async fn client_frames(stream: &mut TcpStream, count: usize) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while frames.len() < count {
        let frame = client_frame(stream).await;
        frames.push(frame.expect("the stream ended"));
    }
    frames
}

pub(crate) const WEBSOCKET: &[Transport] = &[Transport::WebSocket];
pub(crate) const POLLING: &[Transport] = &[Transport::Polling];
pub(crate) const BOTH: &[Transport] = &[Transport::Polling, Transport::WebSocket];
