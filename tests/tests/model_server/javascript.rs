//! The model against the real servers: the same bytes from the client give the same bytes from the server.

use std::collections::BTreeMap;

use conformance::sim::server::{ExchangeId, Frame, Method, Namespace, SocketId};
use conformance::{JsServer, Release};
use serde_json::{Value, json};

use crate::model::{Model, Options, unhex};
use crate::raw::Raw;

/// One thing that a client does. `{sid}` in a target is the session opened last; requests and WebSockets are
/// numbered together as they come.
#[derive(Clone, Debug)]
enum Step {
    Get(&'static str),
    Post(&'static str, &'static str),
    PostBinary(&'static str, &'static str),
    Put(&'static str),
    Open(&'static str),
    /// Text on a WebSocket.
    Say(usize, &'static str),
    /// Bytes on a WebSocket, in hexadecimal digits.
    Bytes(usize, &'static str),
    /// A close frame.
    Close(usize),
    /// The end of a TCP connection.
    Cut(usize),
    /// CONNECT with what a lost connection is recovered by.
    Recover(usize),
    /// Nothing, until the server says something.
    Wait,
}

use Step::*;

#[derive(Clone, Copy)]
enum Channel {
    Exchange(ExchangeId),
    Socket(SocketId),
}

/// What a lost connection is recovered by.
#[derive(Default)]
struct Papers {
    private_id: Option<String>,
    offset: String,
}

impl Papers {
    /// Remembers what is in `said`, and says it without offsets.
    fn read(&mut self, said: &str) -> String {
        if let Some((_, behind)) = said.split_once(r#""pid":""#) {
            self.private_id = behind.split('"').next().map(str::to_owned);
        }
        let said = normal(said);
        let event = said.starts_with("42[") || said.starts_with("45");
        match said
            .strip_suffix("\"]")
            .and_then(|rest| rest.rsplit_once('"'))
        {
            Some((start, offset)) if event && self.private_id.is_some() => {
                self.offset = offset.to_owned();
                format!("{start}*\"]")
            }
            _ => said,
        }
    }

    fn connect(&self) -> String {
        let (private_id, offset) = (self.private_id.as_deref(), &self.offset);
        let private_id = private_id.unwrap_or_default();
        format!(r#"40{{"pid":"{private_id}","offset":"{offset}"}}"#)
    }
}

/// A script, run against both.
struct Run {
    model: Model,
    channels: Vec<Channel>,
    sids: (String, String),
    papers: (Papers, Papers),
    real: JsServer,
    raws: Vec<Raw>,
    /// Requests and handshakes, and WebSocket messages, that the real server must have seen.
    sent: (usize, usize),
}

/// Identifiers are made up anew by each server.
fn normal(said: &str) -> String {
    let mut normal = said.to_owned();
    for key in [r#""sid":""#, r#""pid":""#] {
        let mut at = 0;
        while let Some(found) = normal[at..].find(key) {
            let start = at + found + key.len();
            normal.replace_range(start..start + 20, "*");
            at = start;
        }
    }
    normal
}

/// The `sid` of a handshake.
fn sid_of(said: &str) -> Option<&str> {
    let start = said.find(r#"0{"sid":""#)? + r#"0{"sid":""#.len();
    let handshake = said.contains(r#""pingInterval""#);
    said.get(start..start + 20).filter(|_| handshake)
}

impl Run {
    fn model_step(&mut self, step: &Step) {
        let fill = |target: &str| target.replace("{sid}", &self.sids.0);
        let channel = match *step {
            Get(target) => Channel::Exchange(self.model.poll(&fill(target))),
            Put(target) => {
                let exchange = self.model.request(Method::Other, &fill(target), None, b"");
                Channel::Exchange(exchange)
            }
            Post(target, body) => {
                let kind = Some("text/plain;charset=UTF-8");
                let body = body.as_bytes();
                let exchange = self.model.request(Method::Post, &fill(target), kind, body);
                Channel::Exchange(exchange)
            }
            PostBinary(target, body) => {
                let kind = Some("application/octet-stream");
                let body = unhex(body);
                let exchange = self.model.request(Method::Post, &fill(target), kind, &body);
                Channel::Exchange(exchange)
            }
            Open(target) => Channel::Socket(self.model.websocket(&fill(target))),
            Say(at, text) => return self.model_says(at, Frame::from(text)),
            Bytes(at, digits) => return self.model_says(at, Frame::from(unhex(digits).as_slice())),
            Close(at) => {
                let Channel::Socket(socket) = self.channels[at] else {
                    panic!("no WebSocket");
                };
                self.model.close_keeping(socket);
                return;
            }
            Cut(at) => {
                let Channel::Socket(socket) = self.channels[at] else {
                    panic!("no WebSocket");
                };
                return self.model.cut(socket);
            }
            Recover(at) => {
                let connect = self.papers.0.connect();
                return self.model_says(at, Frame::from(connect.as_str()));
            }
            Wait => {
                self.model.wait();
                return;
            }
        };
        self.channels.push(channel);
    }

    fn model_says(&mut self, at: usize, frame: Frame) {
        let Channel::Socket(socket) = self.channels[at] else {
            panic!("no WebSocket");
        };
        self.model.say_keeping(socket, frame);
    }

    async fn real_step(&mut self, step: &Step) {
        let port = self.real.port();
        let fill = |target: &str| target.replace("{sid}", &self.sids.1);
        let raw = match *step {
            Get(target) => Raw::request(port, "GET", &fill(target), None, b"").await,
            Put(target) => Raw::request(port, "PUT", &fill(target), None, b"").await,
            Post(target, body) => {
                let kind = Some("text/plain;charset=UTF-8");
                Raw::request(port, "POST", &fill(target), kind, body.as_bytes()).await
            }
            PostBinary(target, body) => {
                let kind = Some("application/octet-stream");
                Raw::request(port, "POST", &fill(target), kind, &unhex(body)).await
            }
            Open(target) => Raw::websocket(port, &fill(target)).await,
            Say(at, text) => return self.real_says(at, 1, text.as_bytes()).await,
            Bytes(at, digits) => return self.real_says(at, 2, &unhex(digits)).await,
            Close(at) => return self.raws[at].send(8, b"").await,
            Recover(at) => {
                let connect = self.papers.1.connect();
                return self.real_says(at, 1, connect.as_bytes()).await;
            }
            Cut(_) | Wait => return,
        };
        self.raws.push(raw);
        self.sent.0 += 1;
        let sent = self.sent.0;
        let arrived = |line: &conformance::Line| line.is("request") || line.is("upgrade");
        self.real
            .wait_until("the request", |log| {
                (log.iter().filter(|line| arrived(line)).count() >= sent).then_some(())
            })
            .await;
    }

    async fn real_says(&mut self, at: usize, opcode: u8, content: &[u8]) {
        self.raws[at].send(opcode, content).await;
        self.sent.1 += 1;
        let sent = self.sent.1;
        self.real
            .wait_until("the message", |log| {
                (log.iter().filter(|line| line.is("frame")).count() >= sent).then_some(())
            })
            .await;
    }

    /// What the model has said since the last time, on each channel.
    fn model_said(&mut self) -> BTreeMap<usize, Vec<String>> {
        let mut said = BTreeMap::new();
        for (at, channel) in self.channels.iter().enumerate() {
            let heard = match *channel {
                Channel::Exchange(exchange) => Vec::from_iter(self.model.answer(exchange)),
                Channel::Socket(socket) => self.model.heard(socket),
            };
            if !heard.is_empty() {
                said.insert(at, heard);
            }
        }
        said
    }

    /// To the real server a WebSocket is closed only when its TCP connection is.
    async fn end_websocket(&mut self, step: &Step) {
        if let Close(at) | Cut(at) = *step {
            self.raws[at].shut_down().await;
            let closed = |line: &conformance::Line| line.is("websocket closed");
            self.real.wait_for("the end of the WebSocket", closed).await;
        }
    }

    async fn compare(&mut self, step: &Step) {
        for (at, expected) in self.model_said() {
            for expected in expected {
                // The one refusal that comes after the acceptance.
                let parts = match expected.split_once("101 ") {
                    Some(("", text)) => vec!["101", text],
                    _ => vec![expected.as_str()],
                };
                for expected in parts {
                    let said = self.raws[at].next().await;
                    let parts = (self.papers.0.read(expected), self.papers.1.read(&said));
                    assert_eq!(
                        parts.0, parts.1,
                        "the model (left) and the real server on channel {at}, after {step:?}"
                    );
                    if let Some(sid) = sid_of(expected) {
                        self.sids.0 = sid.to_owned();
                    }
                    if let Some(sid) = sid_of(&said) {
                        self.sids.1 = sid.to_owned();
                    }
                }
            }
        }
    }
}

async fn run(real: Option<JsServer>, options: Options, steps: &[Step]) {
    let Some(real) = real else {
        return;
    };
    let mut run = Run {
        model: Model::new(options),
        channels: Vec::new(),
        sids: Default::default(),
        papers: Default::default(),
        real,
        raws: Vec::new(),
        sent: (0, 0),
    };
    for step in steps {
        run.model_step(step);
        run.real_step(step).await;
        run.compare(step).await;
        run.end_websocket(step).await;
    }
    // Whatever else the real server has said comes before its end.
    run.real.kill().await;
    for (at, raw) in run.raws.iter_mut().enumerate() {
        let rest = raw.next().await;
        assert!(
            ["end", "nothing"].contains(&rest.as_str()),
            "the real server also said {rest:?} on channel {at}"
        );
    }
}

/// The namespaces of the real server's application.
fn furnished(options: Options) -> Options {
    let data = json!({"code": "E1"});
    ["/zbaehwg", "/notifications"]
        .iter()
        .fold(options, |options, name| {
            options.namespace(name, Namespace::open())
        })
        .namespace(
            "/admin",
            Namespace::refused_to("bad", "not authorized", None),
        )
        .namespace("/refused", Namespace::refused("not authorized", Some(data)))
        .namespace("/undecided", Namespace::never())
}

fn options_of(release: Release) -> Options {
    match release {
        Release::Old => Options::old(),
        Release::Compatible => Options::compatible(),
        _ => Options::current(),
    }
}

async fn socket_io(release: Release, steps: &[Step]) {
    let real = release.socket_io(json!({})).await;
    run(real, furnished(options_of(release)), steps).await;
}

async fn engine_io(
    release: Release,
    changes: Value,
    change: impl Fn(&mut Options),
    steps: &[Step],
) {
    let real = release.engine_io(changes).await;
    let mut options = options_of(release);
    options.socket_io = false;
    options.path = "/engine.io/".to_owned();
    change(&mut options);
    run(real, options, steps).await;
}

mod engine;
mod socket;
mod upgrade;
