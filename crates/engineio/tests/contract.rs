//! The contract of a connection, kept by a driver that meets every kind of answer at random.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use std::time::{Duration, Instant};

use engineio::{
    Action, Config, Connection, Event, Frame, Input, Refusal, Response, Stats, Transport,
    TransportError, TransportErrorKind, Version,
};
use proptest::prelude::*;

const BODIES: [&str; 12] = [
    r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":30,"pingTimeout":20,"maxPayload":100}"#,
    r#"72:0{"sid":"S","upgrades":["websocket"],"pingInterval":30,"pingTimeout":20}"#,
    r#"0{"sid":"S","upgrades":[],"pingInterval":30,"pingTimeout":20}"#,
    "0{}",
    "1",
    "2",
    "3",
    "3probe",
    "4a\u{1e}4b",
    "3:4ab1:6",
    "6",
    "",
];
const ERRORS: [(u16, &str); 5] = [
    (400, r#"{"code":0,"message":"Transport unknown"}"#),
    (
        400,
        r#"{"code":5,"message":"Unsupported protocol version"}"#,
    ),
    (403, r#"{"code":4,"message":"Forbidden"}"#),
    (404, ""),
    (502, "<html>"),
];

#[derive(Debug, Clone)]
enum Step {
    /// The request or the WebSocket is answered with this.
    Get(Answer),
    Post(Answer),
    WebSocket(Answer),
    Wait(u64),
    Send,
    Close,
}

#[derive(Debug, Clone)]
enum Answer {
    /// What a server says that means well.
    Right,
    Body(usize),
    Error(usize),
    Failed,
    Closed,
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        40 => Just(Answer::Right),
        6 => (0..BODIES.len()).prop_map(Answer::Body),
        2 => (0..ERRORS.len()).prop_map(Answer::Error),
        1 => Just(Answer::Failed),
        1 => Just(Answer::Closed),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => answer().prop_map(Step::Get),
        6 => answer().prop_map(Step::Post),
        12 => answer().prop_map(Step::WebSocket),
        3 => (0..20_u64).prop_map(Step::Wait),
        6 => Just(Step::Send),
        1 => Just(Step::Close),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let version = prop_oneof![Just(Version::V3), Just(Version::V4), Just(Version::Auto)];
    let transports = prop_oneof![
        Just(vec![Transport::Polling, Transport::WebSocket]),
        Just(vec![Transport::WebSocket, Transport::Polling]),
        Just(vec![Transport::WebSocket]),
    ];
    (version, transports, any::<[bool; 3]>()).prop_map(|(version, transports, flags)| {
        let mut config = Config::default();
        config.version = version;
        config.transports = transports;
        [
            config.try_all_transports,
            config.upgrade,
            config.force_base64,
        ] = flags;
        config.handshake_timeout = Duration::from_millis(30);
        config
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Socket {
    None,
    Opening,
    Open,
}

struct Driver {
    connection: Connection,
    now: Instant,
    get: bool,
    post: bool,
    socket: Socket,
    /// Of the latest request.
    version: Version,
    /// The revision that was opened with.
    opened: Option<Version>,
    closed: bool,
    stats: Stats,
    sent: u64,
}

impl Driver {
    fn new(config: Config) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any point in time will do")]
        let now = Instant::now();
        Self {
            connection: Connection::new(config, now),
            now,
            get: false,
            post: false,
            socket: Socket::None,
            version: Version::Auto,
            opened: None,
            closed: false,
            stats: Stats::default(),
            sent: 0,
        }
    }

    /// Carries out what is wanted, and checks that it may be wanted.
    fn settle(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            assert!(!self.closed, "{action:?} of a connection that is over");
            match &action {
                Action::Get(target) => {
                    assert!(!std::mem::replace(&mut self.get, true), "two GETs");
                    self.check(target.version, target.sid.is_some());
                }
                Action::Post(target, _) => {
                    assert!(!std::mem::replace(&mut self.post, true), "two POSTs");
                    self.check(target.version, true);
                    assert!(target.sid.is_some());
                }
                Action::OpenWebSocket(target) => {
                    assert_eq!(self.socket, Socket::None, "two WebSockets");
                    self.socket = Socket::Opening;
                    self.check(target.version, target.sid.is_some());
                }
                Action::SendFrame(_) => {
                    assert_eq!(self.socket, Socket::Open, "{action:?}");
                    self.sent += 1;
                }
                Action::CloseWebSocket => assert_eq!(self.socket, Socket::Open),
                Action::DropWebSocket => self.socket = Socket::None,
                Action::DropGet => self.get = false,
                _ => panic!("{action:?}"),
            }
        }
        while let Some(event) = self.connection.poll_event() {
            assert!(!self.closed, "{event:?} behind the end");
            match event {
                Event::Opened { version, .. } => {
                    assert_eq!(self.opened.replace(version), None, "opened twice");
                    assert_ne!(version, Version::Auto);
                }
                Event::Closed(_) => self.closed = true,
                Event::TransportFailed { transport, .. } => {
                    assert_eq!(self.opened, None);
                    // Nothing of it is left that could be taken for the next one's.
                    let is_left = match transport {
                        Transport::Polling => self.get,
                        _ => self.socket != Socket::None,
                    };
                    assert!(!is_left, "{transport}");
                }
                event => assert!(self.opened.is_some(), "{event:?}"),
            }
        }
        assert_eq!(self.closed, self.connection.is_closed());
        assert_eq!(self.connection.poll_timeout().is_none(), self.closed);
        let (before, stats) = (self.stats, self.connection.stats());
        assert!(stats.packets_sent >= before.packets_sent);
        assert!(stats.packets_received >= before.packets_received);
        assert!(stats.bytes_sent >= before.bytes_sent);
        assert!(stats.bytes_received >= before.bytes_received);
        assert!(stats.packets_sent >= self.sent);
        assert!(stats.heartbeat_rtt >= before.heartbeat_rtt.and(stats.heartbeat_rtt));
        self.stats = stats;
    }

    fn check(&mut self, version: Version, in_session: bool) {
        // A request of a session never comes before it, and one that opens never within it.
        assert_eq!(
            self.connection.is_open() || self.opened.is_some(),
            in_session
        );
        if let Some(opened) = self.opened {
            assert_eq!(version, opened);
        }
        self.version = version;
    }

    fn input(&mut self, input: Input) {
        self.connection.handle_input(self.now, input);
        self.settle();
    }

    fn step(&mut self, step: Step) {
        let counted = self.version == Version::V3;
        let right = match (self.opened, counted) {
            (None, true) if !matches!(step, Step::WebSocket(_)) => BODIES[1],
            (None, _) => BODIES[0],
            (Some(_), _) if matches!(step, Step::WebSocket(_)) => "3probe",
            (Some(_), true) => "1:6",
            (Some(_), false) => "6",
        };
        let failed = || TransportError::new(TransportErrorKind::Broken, "");
        let response = |answer: &Answer| match answer {
            Answer::Right => Ok(Response::new(200, right)),
            Answer::Body(index) => Ok(Response::new(200, BODIES[*index])),
            Answer::Error(index) => Ok(Response::new(ERRORS[*index].0, ERRORS[*index].1)),
            Answer::Failed | Answer::Closed => Err(failed()),
        };
        match step {
            Step::Get(answer) if self.get => {
                self.get = false;
                self.input(Input::GetDone(response(&answer)));
            }
            Step::Post(answer) if self.post => {
                self.post = false;
                self.input(Input::PostDone(response(&answer)));
            }
            Step::WebSocket(answer) if self.socket == Socket::Opening => {
                self.socket = Socket::None;
                let input = match answer {
                    Answer::Right | Answer::Body(_) => {
                        self.socket = Socket::Open;
                        Input::WebSocketOpened
                    }
                    Answer::Error(index) => Input::WebSocketRefused(Refusal::new(
                        ERRORS[index].0,
                        ERRORS[index].1.as_bytes(),
                    )),
                    Answer::Failed | Answer::Closed => Input::WebSocketFailed(failed()),
                };
                self.input(input);
            }
            Step::WebSocket(answer) if self.socket == Socket::Open => {
                let input = match answer {
                    Answer::Right => Input::Frame(Frame::Text(right.into())),
                    Answer::Body(index) => Input::Frame(Frame::Text(BODIES[index].into())),
                    Answer::Error(_) | Answer::Closed => Input::WebSocketClosed(None),
                    Answer::Failed => Input::WebSocketFailed(failed()),
                };
                if !matches!(input, Input::Frame(_)) {
                    self.socket = Socket::None;
                }
                self.input(input);
            }
            Step::Wait(ms) => {
                self.now += Duration::from_millis(ms);
                self.connection.handle_timeout(self.now);
                self.settle();
            }
            Step::Send => {
                self.connection.send(self.now, "x".into()).ok();
                self.settle();
            }
            Step::Close => {
                self.connection.close(self.now);
                self.settle();
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_connection_keeps_its_contract(
        config in config(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut driver = Driver::new(config);
        driver.settle();
        for step in steps {
            driver.step(step);
        }
        // Silence ends whatever is left.
        for _ in 0..100 {
            driver.step(Step::Wait(1000));
        }
        prop_assert!(driver.closed);
    }
}
