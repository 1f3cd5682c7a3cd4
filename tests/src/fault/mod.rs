//! A relay in front of a server that breaks, delays and spoils what passes, as a script wants it.
//!
//! ```
//! use conformance::fault::{Exchange::*, Fault::*, FaultProxy, Part::*, on};
//!
//! # async fn example(port: u16) {
//! let proxy = FaultProxy::start(port).await;
//! proxy.script([
//!     on(Poll).inside(Body, Reset).nth(2),
//!     on(Post).before(Head, Close).carrying(r#"["number",7]"#),
//! ]);
//! // … a client talks to proxy.url("/") …
//! proxy.wait_for("both faults", |seen| seen.struck == 2).await;
//! # }
//! ```
//!
//! What passes is taken apart into [`Part`]s, and each is passed on once it is complete. A rule strikes once, at its
//! place in one part; the verbs of [`FaultProxy`] strike every connection that is open.

mod parts;
mod relay;
mod script;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::PATIENCE;
pub use parts::Exchange;
use relay::{Relay, Valves};
use script::Script;
pub use script::{Direction, Fault, On, Pace, Part, Rule, accept, on};

/// A relay on a loopback port of its own, in front of another one. With it end its connections.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    relay: Arc<Relay>,
    door: Door,
}

/// What has passed, and what has struck, since the relay stands.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Seen {
    /// Connections that were ever accepted.
    pub connections: usize,
    /// Those that are still there.
    pub open: usize,
    /// Bytes that the server was given.
    pub bytes_to_server: u64,
    /// Bytes that the client was given.
    pub bytes_to_client: u64,
    /// Bytes of the longest part that the client was given.
    pub longest_to_client: usize,
    /// Each HTTP request, as the client made it.
    pub requests: Vec<Request>,
    /// Requests that wait for the rest of their answers, on connections that are still there.
    pub waiting: usize,
    /// Rules that have struck.
    pub struck: usize,
}

impl Seen {
    /// Connections that are no longer there.
    #[must_use]
    pub fn over(&self) -> usize {
        self.connections - self.open
    }

    /// Whether the client waits for what the server has to say, and for nothing else.
    #[must_use]
    pub fn only_a_poll_waits(&self) -> bool {
        let last = self.requests.last().map(|request| request.exchange);
        self.waiting == 1 && last == Some(Exchange::Poll)
    }
}

/// A request that a client made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// On which connection, the first being 1.
    pub connection: usize,
    /// What it is for.
    pub exchange: Exchange,
    /// Its first line and headers, then its body.
    pub text: String,
}

/// What is behind the relay's port.
#[derive(Debug)]
enum Door {
    /// Somebody who accepts.
    Open(JoinHandle<()>),
    /// Nobody: a socket has the port, and does not listen.
    Shut(#[expect(dead_code, reason = "it keeps the port")] TcpSocket),
    /// A queue that is full, by whom it is filled, and nobody who accepts.
    #[cfg(target_os = "linux")]
    Clogged(
        #[expect(dead_code, reason = "they are the clog")] (TcpListener, tokio::net::TcpStream),
    ),
}

impl FaultProxy {
    /// Stands in front of `127.0.0.1:target`, which need not be there yet. A connection that cannot be passed on is
    /// reset.
    ///
    /// # Panics
    ///
    /// When no port can be opened.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let relay = Arc::new(Relay::new(target));
        let door = Door::Open(tokio::spawn(accepting(listener, Arc::clone(&relay))));
        Self { port, relay, door }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` followed by `rest`.
    #[must_use]
    pub fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}{rest}", self.port)
    }

    /// These rules from now on, and none of those before. They begin to count with what comes next.
    pub fn script(&self, rules: impl IntoIterator<Item = Rule>) {
        *lock(&self.relay.script) = Script::new(rules);
    }

    /// How everything is written from now on.
    pub fn pace(&self, pace: Pace) {
        *lock(&self.relay.pace) = pace;
    }

    /// Resets every open connection, on both sides.
    pub fn reset_all(&self) {
        self.all(|valves| valves.suffer(Fault::Reset));
    }

    /// Closes every open connection in order, on both sides.
    pub fn close_all(&self) {
        self.all(|valves| valves.suffer(Fault::Close));
    }

    /// Keeps every open connection, and everything that comes on it, for good.
    pub fn half_open(&self) {
        self.all(|valves| valves.suffer(Fault::Swallow));
    }

    /// Holds back what goes this way on every open connection, until [`resume`](Self::resume).
    pub fn stall(&self, direction: Direction) {
        self.all(|valves| valves.suffer(Fault::Stall(direction)));
    }

    /// Lets go what any stall holds back.
    pub fn resume(&self) {
        self.all(Valves::resume);
    }

    fn all(&self, change: impl Fn(&mut Valves)) {
        lock(&self.relay.open)
            .iter()
            .for_each(|valves| valves.send_modify(&change));
    }

    /// Refuses new connections from now on; those that are open stay.
    ///
    /// # Panics
    ///
    /// When another program has taken the port in between.
    pub async fn refuse(&mut self) {
        self.leave().await;
        self.door = Door::Shut(bound(self.port));
    }

    /// Leaves new connections unanswered from now on, as a machine does that is not there; those that are open stay.
    ///
    /// # Panics
    ///
    /// When another program has taken the port in between.
    #[cfg(target_os = "linux")]
    pub async fn ignore(&mut self) {
        self.leave().await;
        // Room for one who waits to be accepted: Linux drops the packets of all others.
        let listener = bound(self.port).listen(0).expect("the port is free");
        let filler = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let filler = filler.await.expect("there is room for one");
        self.door = Door::Clogged((listener, filler));
    }

    /// Accepts again, after [`refuse`](Self::refuse) or `ignore`.
    ///
    /// # Panics
    ///
    /// When another program has taken the port in between.
    pub async fn accept_again(&mut self) {
        self.leave().await;
        let listener = bound(self.port).listen(1024).expect("the port is free");
        let accepting = accepting(listener, Arc::clone(&self.relay));
        self.door = Door::Open(tokio::spawn(accepting));
    }

    /// Gives the port up, for a moment.
    async fn leave(&mut self) {
        // Nobody else has this port: whatever else is bound to it is gone with this.
        let free = TcpSocket::new_v4().expect("a socket");
        if let Door::Open(accepting) = std::mem::replace(&mut self.door, Door::Shut(free)) {
            accepting.abort();
            // An error says that it was ended, as it was meant to be.
            accepting.await.ok();
        }
    }

    /// What has been seen by now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.relay.seen.borrow().clone()
    }

    /// Forgets the requests that were seen so far: they are kept whole, which is too much for hours.
    pub fn forget_requests(&self) {
        self.relay
            .seen
            .send_modify(|seen| seen.requests = Vec::new());
    }

    /// Waits until what has been seen is `enough`, which can have been before.
    ///
    /// # Panics
    ///
    /// When it does not come to that; `what` and everything seen say what was missing.
    pub async fn wait_for(&self, what: &str, enough: impl Fn(&Seen) -> bool) {
        let mut changes = self.relay.seen.subscribe();
        let met = changes.wait_for(|seen| enough(seen));
        let met = matches!(tokio::time::timeout(PATIENCE, met).await, Ok(Ok(_)));
        assert!(
            met,
            "{what}: never seen by the relay: {:#?}, {:#?}",
            self.seen(),
            lock(&self.relay.script)
        );
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Door::Open(accepting) = &self.door {
            accepting.abort();
        }
        self.reset_all();
    }
}

/// A socket on this port, although connections of it may be open.
fn bound(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("it can be set");
    let bound = socket.bind((Ipv4Addr::LOCALHOST, port).into());
    bound.expect("the port is free");
    socket
}

async fn accepting(listener: TcpListener, relay: Arc<Relay>) {
    while let Ok((client, _)) = listener.accept().await {
        let valves = watch::Sender::new(Valves::default());
        lock(&relay.open).push(valves.clone());
        tokio::spawn(Arc::clone(&relay).serve(client, valves));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}
