//! A real server, the relay in front of it, a client behind that, and a ledger of numbered events.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use conformance::fault::{FaultProxy, Rule, Seen};
use conformance::{Case, JsServer, PATIENCE, Release, Route, builder_to, http, within};
use engineio::{CloseReason, Version};
use futures_util::future::join_all;
use serde_json::{Value, json};
use socketio::{
    AckError, Builder, ConnectError, DisconnectReason, Event, Events, Reconnection, Socket,
    Transport,
};
use tokio::task::JoinHandle;

/// What the stream shows of most faults: the gap, and its end.
pub(crate) const BROKEN: &str = "lost: Broken, connected";
/// The same, and the event that was to break it is whole.
pub(crate) const HEARD: &str = "heard, lost: Broken, connected";

/// An answer that is HTTP, and not the one that was waited for.
pub(crate) const ERROR: &str = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
/// What is no HTTP.
pub(crate) const GARBAGE: &[u8] = b"\x16\x03\x01 neither head nor body \xFF\xFE\r\n\r\n";

/// Servers of both revisions, side by side, and each by one of these routes after the other.
pub(crate) async fn in_both_revisions(routes: &[Route], body: impl AsyncFn(World)) {
    let releases = [(Release::Current, Version::V4), (Release::Old, Version::V3)];
    let by_each_route = async |(release, version)| {
        let case = Case::over(release, version);
        let Some(world) = World::new(case(Route::Polling)).await else {
            return;
        };
        for (nth, route) in (1..).zip(routes) {
            body(world.beside(nth, case(*route)).await).await;
        }
    };
    join_all(releases.map(by_each_route)).await;
}

/// The server and the relay.
pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) server: Arc<JsServer>,
    pub(crate) proxy: FaultProxy,
    /// The numbers that are said behind this relay begin above it.
    base: u64,
}

/// So many numbers, and no more, are there for each relay of a server.
const NUMBERS: u64 = 1_000_000;

impl World {
    /// `None` when this machine cannot run the server.
    pub(crate) async fn new(case: Case) -> Option<Self> {
        Self::with(case, json!({})).await
    }

    /// The same, with options for the server.
    pub(crate) async fn with(case: Case, options: Value) -> Option<Self> {
        let server = case.release.socket_io(options).await?;
        let proxy = FaultProxy::start(server.port()).await;
        Some(Self {
            case,
            server: Arc::new(server),
            proxy,
            base: 0,
        })
    }

    /// The `nth` further relay in front of the same server.
    pub(crate) async fn beside(&self, nth: usize, case: Case) -> Self {
        Self {
            case,
            server: Arc::clone(&self.server),
            proxy: FaultProxy::start(self.server.port()).await,
            base: self.base + nth as u64 * NUMBERS,
        }
    }

    /// Settings for a client behind the relay, which wastes no time before it comes back.
    pub(crate) fn builder(&self) -> Builder {
        self.builder_to(&self.proxy.url("/"))
    }

    /// The same by another name.
    pub(crate) fn builder_to(&self, url: &str) -> Builder {
        let Case { version, route, .. } = self.case;
        builder_to(url.to_owned(), version, route)
            .http(http())
            .reconnection(soon())
    }

    /// A client behind the relay, past its upgrade if it has one.
    pub(crate) async fn client(&self) -> Client {
        self.client_of(self.builder()).await
    }

    pub(crate) async fn client_of(&self, builder: Builder) -> Client {
        let connecting = within("a connection", builder.connect());
        let mut client = self.numbering(connecting.await.unwrap());
        client.tells("connected").await;
        client.settled().await;
        client.works().await;
        client
    }

    /// A client whose first attempts may fail, like those to come back.
    pub(crate) fn client_in_background(&self, builder: Builder) -> Client {
        let mut reconnection = soon();
        reconnection.retry_on_initial_connect = true;
        let builder = builder.reconnection(reconnection);
        self.numbering(builder.connect_in_background().unwrap())
    }

    fn numbering(&self, (socket, events): (Socket, Events)) -> Client {
        Client {
            case: self.case,
            row: format!("{:?}, at first", self.case),
            socket,
            events,
            transport: None,
            base: self.base,
            said: BTreeSet::new(),
            asked: Vec::new(),
        }
    }

    /// Something that the server says to everybody.
    pub(crate) async fn notify(&self, number: u64) {
        let command = json!({"event": "number", "args": [number]});
        self.server.command("emit", command).await;
    }

    /// The number of times that a fault has struck becomes this.
    pub(crate) async fn struck(&self, times: usize) {
        self.proxy
            .wait_for("a fault", |seen| seen.struck >= times)
            .await;
    }

    /// The client goes. It has said nothing twice, and leaves no connection behind.
    pub(crate) async fn end(&self, client: Client) {
        client.has_said_nothing_twice(&self.server).await;
        let empty = |seen: &Seen| seen.open == 0;
        self.proxy
            .wait_for("the end of all connections", empty)
            .await;
    }

    /// Waits, after an event has come back, until polling has nothing to do but wait.
    pub(crate) async fn quiet(&self) {
        if self.case.route == Route::Polling {
            self.proxy.wait_for("a poll", Seen::only_a_poll_waits).await;
        }
    }

    /// Each rule in turn: `trigger` makes it strike, and the client's stream tells the row's story. Then everything
    /// works, and in the end nothing has been sent twice.
    ///
    /// A story without `connected` at its end is one of a session that goes on.
    pub(crate) async fn table(&self, trigger: Trigger, rows: &[(Rule, &str)]) {
        let mut client = self.client().await;
        let mut notified = self.base + NUMBERS / 2;
        for (index, (rule, story)) in rows.iter().enumerate() {
            client.tries(&(trigger, rule));
            self.quiet().await;
            self.proxy.script([rule.clone()]);
            let over = self.proxy.seen().over();
            match trigger {
                Trigger::Ask => client.ask(),
                Trigger::Notify => {
                    notified += 1;
                    self.notify(notified).await;
                }
            }
            if story.ends_with("connected") {
                let told = client.story().await;
                let told = told.replace(&format!("number {notified}"), "heard");
                assert_eq!(told, *story, "{}", client.row);
            } else if *story == "heard" {
                client.hears(notified).await;
            } else {
                assert_eq!(*story, "", "{}", client.row);
            }
            self.struck(index + 1).await;
            if story.is_empty() {
                // Nothing more is to be sent on the connection that was struck.
                self.proxy
                    .wait_for("its end", |seen| seen.over() > over)
                    .await;
            }
            client.works().await;
            client.settled().await;
        }
        self.end(client).await;
    }
}

/// No time is wasted before an attempt.
fn soon() -> Reconnection {
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_millis(5);
    reconnection.max_delay = Duration::from_millis(20);
    reconnection
}

/// Who says something, so that there is something to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// The client asks for an acknowledgement.
    Ask,
    /// The server sends an event.
    Notify,
}

/// A client that numbers what it says, and remembers what became of it.
pub(crate) struct Client {
    case: Case,
    /// What is being tried, for whoever reads a failure.
    pub(crate) row: String,
    pub(crate) socket: Socket,
    events: Events,
    /// As far as the stream has told.
    pub(crate) transport: Option<Transport>,
    /// What it says is numbered from here on.
    base: u64,
    /// Everything that must have arrived.
    said: BTreeSet<u64>,
    /// What may have arrived.
    asked: Vec<(u64, JoinHandle<Result<(), AckError>>)>,
}

impl Client {
    /// The next event.
    pub(crate) async fn next(&mut self) -> Event {
        let event = within(&self.row, self.events.next()).await;
        let event = event.expect("the stream is over");
        match &event {
            Event::Connected(connected) => self.transport = Some(connected.transport),
            Event::Upgraded(transport) => self.transport = Some(*transport),
            Event::Disconnected { .. } => self.transport = None,
            _ => {}
        }
        event
    }

    /// Whatever is awaited from now on is about this.
    pub(crate) fn tries(&mut self, what: &impl Debug) {
        self.row = format!("{:?}, {what:?}", self.case);
    }

    fn number(&self) -> u64 {
        self.base + (self.said.len() + self.asked.len() + 1) as u64
    }

    /// Says the next number, which is to be acknowledged; what became of it is asked in the end.
    pub(crate) fn ask(&mut self) {
        let (number, socket) = (self.number(), self.socket.clone());
        let asking = async move {
            let answer = socket.emit_with_ack("number", number, PATIENCE).await?;
            assert_eq!(answer.parse::<u64>().unwrap(), number);
            Ok(())
        };
        self.asked.push((number, tokio::spawn(asking)));
    }

    /// Says the next number, which comes back as an event.
    pub(crate) async fn say(&mut self) -> u64 {
        let number = self.number();
        self.said.insert(number);
        let said = within(&self.row, self.socket.emit("number", number));
        said.await.unwrap();
        number
    }

    /// This is the next thing on the stream.
    pub(crate) async fn shows(&mut self, what: &str) {
        assert_eq!(told(&self.next().await), what, "{}", self.row);
    }

    /// This is what the stream shows until the namespace is joined.
    pub(crate) async fn tells(&mut self, story: &str) {
        assert_eq!(self.story().await, story, "{}", self.row);
    }

    /// What the stream shows until the namespace is joined, and that as well.
    pub(crate) async fn story(&mut self) -> String {
        let mut story = Vec::new();
        while story.last().is_none_or(|last| last != "connected") {
            let event = self.next().await;
            story.push(told(&event));
            assert!(!event.is_final(), "{}: {story:?}", self.row);
        }
        story.join(", ")
    }

    /// Two attempts come to nothing.
    pub(crate) async fn fails_to_connect(&mut self) {
        for _ in 0..2 {
            self.shows("failed: Connect").await;
        }
    }

    /// After further such failures, perhaps, everything works.
    pub(crate) async fn comes_back(&mut self) {
        let story = self.story().await;
        assert_eq!(story.replace("failed: Connect, ", ""), "connected");
        self.works().await;
        self.settled().await;
    }

    /// Goes past the upgrade, where one is to come.
    pub(crate) async fn settled(&mut self) {
        let wanted = match self.case.route {
            Route::Polling => Transport::Polling,
            Route::WebSocket | Route::Upgrade => Transport::WebSocket,
        };
        while self.transport != Some(wanted) {
            assert_eq!(told(&self.next().await), "upgraded", "{}", self.row);
        }
    }

    /// Whatever is said now comes back, with nothing else in between: both directions work.
    pub(crate) async fn works(&mut self) {
        for _ in 0..2 {
            let number = self.say().await;
            self.hears(number).await;
        }
    }

    /// This number is the next thing on the stream, but for an upgrade.
    pub(crate) async fn hears(&mut self, number: u64) {
        let heard = loop {
            match self.next().await {
                Event::Upgraded(_) => {}
                other => break told(&other),
            }
        };
        assert_eq!(heard, format!("number {number}"), "{}", self.row);
    }

    /// The server has seen each number at most once, and in order; each that came back; and each that it has answered.
    async fn has_said_nothing_twice(self, server: &JsServer) {
        let seen: Vec<u64> = server
            .seen_of("event")
            .await
            .iter()
            .map(|event| event.get("args")[0].as_u64().unwrap())
            .filter(|number| number / NUMBERS == self.base / NUMBERS)
            .collect();
        assert!(
            seen.is_sorted_by(|one, next| one < next),
            "doubled, or out of order: {seen:?}"
        );
        for number in &self.said {
            assert!(seen.contains(number), "{number} was lost: {seen:?}");
        }
        for (number, answer) in self.asked {
            match within("an outcome", answer).await.unwrap() {
                Ok(()) => assert!(seen.contains(&number), "{number} was not there to answer"),
                // It may have arrived all the same.
                Err(error) => assert_eq!(error, AckError::Disconnected, "{number}"),
            }
        }
    }
}

/// An event as it stands in the tables.
pub(crate) fn told(event: &Event) -> String {
    let end = if event.is_final() { ", for good" } else { "" };
    match event {
        Event::Connected(_) => "connected".to_owned(),
        Event::Upgraded(_) => "upgraded".to_owned(),
        Event::Message(message) => format!("number {}", message.parse::<u64>().unwrap()),
        Event::Disconnected { reason, .. } => format!("lost: {}{end}", told_reason(reason)),
        Event::ConnectError { error, .. } => format!("failed: {}{end}", told_error(error)),
        other => format!("{other:?}"),
    }
}

fn told_reason(reason: &DisconnectReason) -> String {
    match reason {
        DisconnectReason::LinkClosed(reason) => told_close(reason),
        DisconnectReason::Decode(_) => "not a packet".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Why there was no connection.
pub(crate) fn told_error(error: &ConnectError) -> String {
    match error {
        ConnectError::Engine(reason) => told_close(reason),
        ConnectError::Decode(_) => "not a packet".to_owned(),
        other => format!("{other:?}"),
    }
}

fn told_close(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Transport(error) => format!("{:?}", error.kind),
        CloseReason::Refused(refusal) => format!("refused {}", refusal.status),
        CloseReason::Protocol(error) => format!("{error:?}"),
        CloseReason::Remote { code: None } => "closed".to_owned(),
        CloseReason::Remote { code: Some(code) } => format!("closed {code}"),
        other => format!("{other:?}"),
    }
}
