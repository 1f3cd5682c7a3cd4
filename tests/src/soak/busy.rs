//! The busy client: one connection, three namespaces, each with somebody who reads and somebody who sends.

use std::sync::Arc;
use std::time::Duration;

use engineio::client::Http;
use fastrand::Rng;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use socketio::{
    AckError, AckHandle, Builder, ConnectError, EmitError, Event, Events, Overflow, Reconnection,
    Socket, Transport,
};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::books::{Books, Phase, Role, SharedAccount, lock};
use super::item::Item;
use super::ledger::{Answer, Up};

/// A client on one route.
pub(super) struct Busy {
    pub(super) lane: &'static str,
    pub(super) transports: &'static [Transport],
    /// Of the proxy in front of the server.
    pub(super) port: u16,
    pub(super) books: Arc<Books>,
    /// Told when all handles are to be dropped, unread, and everything is to begin anew.
    pub(super) abandon: Arc<Notify>,
    pub(super) seed: u64,
}

/// Numbers that no later life of the client uses again.
#[derive(Default)]
struct Numbers {
    last: u64,
}

impl Numbers {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Busy {
    /// Runs until it is dropped, one life after the other.
    pub(super) async fn run(self, http: Http) {
        let mut rng = Rng::with_seed(self.seed);
        let numbers = Role::ALL.map(|_| Arc::new(tokio::sync::Mutex::new(Numbers::default())));
        loop {
            let mut members = JoinSet::new();
            if let Some(first) = self.first(&http, &mut rng).await {
                let root = first.0.clone();
                let mut first = Some(first);
                for role in Role::ALL {
                    let Some(account) = self.books.account(self.lane, role) else {
                        continue;
                    };
                    let member = Member {
                        role,
                        account,
                        books: Arc::clone(&self.books),
                        numbers: Arc::clone(&numbers[role as usize]),
                    };
                    let joined = if role == Role::Talking {
                        first.take()
                    } else {
                        None
                    };
                    members.spawn(member.run(root.clone(), joined, rng.fork()));
                }
            }
            // They go on for ever, unless one panics.
            tokio::select! {
                () = self.abandon.notified() => {}
                Some(Err(error)) = members.join_next() => panic!("{error}"),
            }
            // Their handles are dropped where they are.
            members.shutdown().await;
            self.books
                .of_lane(self.lane, super::ledger::Account::client_dropped);
        }
    }

    /// Connects, as often as it takes. `None` when it has been abandoned meanwhile.
    async fn first(&self, http: &Http, rng: &mut Rng) -> Option<(Socket, Events)> {
        loop {
            let connecting = self.builder(http, rng).connect();
            let connected = tokio::select! {
                connected = connecting => connected,
                () = self.abandon.notified() => {
                    self.abandon.notify_one();
                    return None;
                }
            };
            match connected {
                Ok(connected) => return Some(connected),
                Err(error) => {
                    let line = format!("client: cannot connect: {error}");
                    self.books
                        .of_lane(self.lane, |account| account.note(line.clone()));
                }
            }
            tokio::time::sleep(Duration::from_millis(rng.u64(10..300))).await;
        }
    }

    fn builder(&self, http: &Http, rng: &mut Rng) -> Builder {
        let mut engine = engineio::Config::default();
        engine.transports = self.transports.to_vec();
        engine.handshake_timeout = Duration::from_secs(3);
        engine.probe_timeout = Duration::from_secs(3);
        engine.request_timeout = Duration::from_secs(5);
        engine.close_timeout = Duration::from_secs(1);
        Builder::new(format!(
            "http://127.0.0.1:{}/?lane={}",
            self.port, self.lane
        ))
        .http(http.clone())
        .engine_config(engine)
        .connect_timeout(Duration::from_secs(3))
        .reconnection(reconnection(rng))
        .remember_upgrade(rng.bool())
        .report_sent(true)
        .event_queue(rng.usize(8..200))
    }
}

fn reconnection(rng: &mut Rng) -> Reconnection {
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_millis(50);
    reconnection.max_delay = Duration::from_millis(500);
    reconnection.stable_after = Duration::from_secs(1);
    reconnection.retry_on_initial_connect = rng.bool();
    reconnection
}

/// One namespace.
struct Member {
    role: Role,
    account: SharedAccount,
    books: Arc<Books>,
    numbers: Arc<tokio::sync::Mutex<Numbers>>,
}

impl Member {
    /// Joins, lives there until it is put out, joins again, for ever.
    async fn run(self, root: Socket, mut joined: Option<(Socket, Events)>, mut rng: Rng) {
        loop {
            let joining = match joined.take() {
                Some(joined) => Ok(joined),
                None => self.join(&root, &mut rng).await,
            };
            match joining {
                Ok((socket, events)) => {
                    let (mut for_reader, mut for_sender) = (rng.fork(), rng.fork());
                    // Who reads must not wait for room: with `report_sent` that may depend on what is read.
                    let (replies, to_send) = mpsc::unbounded_channel();
                    let reading = self.read(events, replies, &mut for_reader);
                    let sending = self.send(socket, to_send, &mut for_sender);
                    tokio::join!(reading, sending);
                }
                Err(error) => {
                    lock(&self.account).note(format!("client: cannot join: {error}"));
                }
            }
            tokio::time::sleep(Duration::from_millis(rng.u64(10..200))).await;
        }
    }

    async fn join(&self, root: &Socket, rng: &mut Rng) -> Result<(Socket, Events), ConnectError> {
        let joining = root.namespace(self.role.namespace()).report_sent(true);
        let joining = match self.role {
            Role::Talking | Role::Asking => joining.event_queue(rng.usize(8..200)),
            Role::Lagging => joining.event_queue(16).overflow(Overflow::DropOldest),
        };
        joining.connect().await
    }

    /// Reads until the last event, with pauses.
    async fn read(
        &self,
        mut events: Events,
        replies: mpsc::UnboundedSender<(AckHandle, Item)>,
        rng: &mut Rng,
    ) {
        while let Some(mut event) = events.next().await {
            let is_final = event.is_final();
            let ack = match &mut event {
                Event::Message(message) => message.ack(),
                _ => None,
            };
            if let (Some(item), Some(ack)) = (self.enter(event), ack) {
                // Nobody sends any more where the namespace was left.
                replies.send((ack, item)).ok();
            }
            if is_final {
                break;
            }
            let pause = match (self.role, rng.u16(0..2_000)) {
                (_, 0) => rng.u64(0..1_500),
                (_, 1..10) => rng.u64(0..200),
                (Role::Lagging, 10..30) => rng.u64(0..800),
                _ => continue,
            };
            if self.books.phase() == Phase::Storm {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
        assert!(
            events.next().await.is_none(),
            "an event behind the last one"
        );
    }

    /// Enters an event into the account.
    fn enter(&self, event: Event) -> Option<Item> {
        let mut account = lock(&self.account);
        match event {
            Event::Connected(connected) => {
                account.client_connected(connected.id.as_deref().unwrap_or_default());
            }
            Event::Message(message) => match message.parse::<Item>() {
                Ok(item) => {
                    account.client_saw(&item.session, item.number, item.is_intact());
                    return Some(item);
                }
                Err(error) => account.client_cannot_read(&error.to_string()),
            },
            Event::Disconnected { reason, .. } => account.client_disconnected(&reason.to_string()),
            Event::ConnectError { error, .. } => {
                account.note(format!("client: cannot connect: {error}"));
            }
            Event::Sent(event) => match event.parse::<Item>() {
                Ok(item) => account.client_sent(up(event.name()), item.number),
                Err(error) => account.client_cannot_read(&error.to_string()),
            },
            Event::Unsent { events, .. } if self.role == Role::Talking => {
                account.client_unsent(events);
            }
            // Elsewhere they are acknowledgements of sessions that are over.
            Event::Unsent { .. } => {}
            Event::Lagged(events) => account.client_lagged(events),
            Event::Upgraded(transport) => account.note(format!("client: on {transport:?}")),
            other => account.note(format!("client: {other:?}")),
        }
        None
    }

    /// Sends until the namespace is left.
    async fn send(
        &self,
        socket: Socket,
        mut to_send: mpsc::UnboundedReceiver<(AckHandle, Item)>,
        rng: &mut Rng,
    ) {
        let mut questions = FuturesUnordered::new();
        let mut replies = FuturesUnordered::new();
        while socket.is_active() {
            let pause = tokio::time::sleep(Duration::from_millis(rng.u64(0..60)));
            tokio::select! {
                () = pause => {}
                Some(()) = questions.next() => continue,
                Some(()) = replies.next() => continue,
                Some((ack, item)) = to_send.recv() => {
                    replies.push(self.reply(ack, item));
                    continue;
                }
            }
            if self.books.phase() >= Phase::Quiet {
                continue;
            }
            match self.role {
                Role::Talking => {
                    for _ in 0..rng.u8(1..5) {
                        self.say(&socket, rng).await;
                    }
                }
                Role::Asking if questions.len() < 8 => questions.push(self.ask(&socket, rng).await),
                Role::Asking | Role::Lagging => {}
            }
            if self.books.phase() == Phase::Storm {
                match rng.u16(0..3_000) {
                    0 => socket.reconnect(),
                    1 => socket.disconnect().await,
                    _ => {}
                }
            }
        }
        // All of them settle.
        while questions.next().await.is_some() {}
        while replies.next().await.is_some() {}
    }

    async fn say(&self, socket: &Socket, rng: &mut Rng) {
        let number = self.numbers.lock().await.next();
        let item = Item::random("", number, rng);
        let outcome = match rng.u8(0..10) {
            0 => socket.emit_volatile("say", &item),
            1 => {
                let timeout = Duration::from_millis(rng.u64(0..500));
                socket.emit_timeout("say", &item, timeout).await
            }
            2..5 => socket.try_emit("say", &item),
            _ => socket.emit("say", &item).await,
        };
        let mut account = lock(&self.account);
        match outcome {
            Ok(()) => account.client_accepted(),
            Err(error) => {
                assert!(!matches!(error, EmitError::Encode(_)), "{error}");
                account.client_refused(Up::Said, number);
            }
        }
    }

    async fn reply(&self, ack: AckHandle, item: Item) {
        if ack.reply(item.number).await.is_ok() {
            lock(&self.account).client_replied(&item.session);
        }
    }

    async fn ask<'a>(
        &'a self,
        socket: &'a Socket,
        rng: &mut Rng,
    ) -> impl Future<Output = ()> + use<'a> {
        let number = self.numbers.lock().await.next();
        let item = Item::random("", number, rng);
        let timeout = Duration::from_millis(match rng.u8(0..10) {
            0 => rng.u64(0..50),
            _ => rng.u64(500..8_000),
        });
        lock(&self.account).client_asks(number);
        let asking = socket.emit_with_ack("ask", item, timeout);
        async move {
            let answer = match asking.await {
                Ok(args) => match args.parse::<u64>() {
                    Ok(reply) => Answer::Number(reply),
                    Err(_) => Answer::Number(0),
                },
                Err(AckError::Emit(_)) => Answer::NotSent,
                Err(_) => Answer::Unknown,
            };
            lock(&self.account).client_answered(number, answer);
        }
    }
}

fn up(name: &str) -> Up {
    match name {
        "ask" => Up::Asked,
        _ => Up::Said,
    }
}
