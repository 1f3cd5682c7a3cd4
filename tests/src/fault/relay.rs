//! A connection through the relay: two ways, and the valves in them.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt as _, copy, sink};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::parts::Parts;
use super::script::{Direction, Fault, Pace, Part, Script};
use super::{Request, Seen, lock};

/// What every connection shares.
#[derive(Debug)]
pub(super) struct Relay {
    target: u16,
    pub(super) script: Mutex<Script>,
    pub(super) pace: Mutex<Pace>,
    pub(super) seen: watch::Sender<Seen>,
    pub(super) open: Mutex<Vec<watch::Sender<Valves>>>,
}

/// What may pass on a connection.
#[derive(Debug, Default)]
pub(super) struct Valves {
    to_server: Flow,
    to_client: Flow,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flow {
    #[default]
    Passing,
    Held,
    Swallowed,
}

/// How a connection ends.
#[derive(Clone, Debug)]
enum End {
    Reset,
    /// After these words to the client.
    Close(Vec<u8>),
}

impl Valves {
    pub(super) fn suffer(&mut self, fault: Fault) {
        let end = match fault {
            Fault::Reset => End::Reset,
            Fault::Close => End::Close(Vec::new()),
            Fault::Say(words) => End::Close(words),
            Fault::Swallow => {
                (self.to_server, self.to_client) = (Flow::Swallowed, Flow::Swallowed);
                return;
            }
            Fault::Stall(direction) => {
                let flow = self.flow_mut(direction);
                if *flow == Flow::Passing {
                    *flow = Flow::Held;
                }
                return;
            }
        };
        self.end.get_or_insert(end);
    }

    pub(super) fn resume(&mut self) {
        for flow in [&mut self.to_server, &mut self.to_client] {
            if *flow == Flow::Held {
                *flow = Flow::Passing;
            }
        }
    }

    fn flow_mut(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// What happens to bytes this way; `None` while they wait, for good if the connection is about to end.
    fn flow(&self, direction: Direction) -> Option<Flow> {
        let flow = match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        };
        (flow != Flow::Held && self.end.is_none()).then_some(flow)
    }
}

impl Relay {
    pub(super) fn new(target: u16) -> Self {
        Self {
            target,
            script: Mutex::default(),
            pace: Mutex::default(),
            seen: watch::Sender::default(),
            open: Mutex::default(),
        }
    }

    /// Serves a client until its connection is over.
    pub(super) async fn serve(self: Arc<Self>, client: TcpStream, valves: watch::Sender<Valves>) {
        let mut number = 0;
        self.seen.send_modify(|seen| {
            seen.connections += 1;
            seen.open += 1;
            number = seen.connections;
        });
        let line = Line {
            relay: &self,
            valves: &valves,
            number,
            request: Mutex::default(),
            is_waiting: AtomicBool::new(false),
        };
        // Whoever has gone away in the middle is what this is for.
        line.run(client).await.ok();
        line.waits(false);
        lock(&self.open).retain(|open| !open.same_channel(&valves));
        self.seen.send_modify(|seen| seen.open -= 1);
    }
}

/// One connection.
struct Line<'a> {
    relay: &'a Relay,
    valves: &'a watch::Sender<Valves>,
    number: usize,
    /// The one under way, or the last one.
    request: Mutex<Option<Request>>,
    is_waiting: AtomicBool,
}

impl Line<'_> {
    async fn run(&self, mut client: TcpStream) -> io::Result<()> {
        if let Some((_, fault)) = self.strike(Part::Accepted, "", 0) {
            self.valves.send_modify(|valves| valves.suffer(fault));
        }
        let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.relay.target)).await
        else {
            return client.set_zero_linger();
        };
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let passing = async {
            tokio::try_join!(
                self.pass(Direction::ToServer, from_client, to_server),
                self.pass(Direction::ToClient, from_server, to_client),
            )
        };
        let end = tokio::select! {
            biased;
            end = self.end() => end,
            passed = passing => match passed {
                Ok(_) => return Ok(()),
                Err(_) => End::Reset,
            },
        };
        match end {
            End::Reset => {
                client.set_zero_linger()?;
                server.set_zero_linger()
            }
            End::Close(words) => {
                client.write_all(&words).await?;
                client.shutdown().await?;
                server.shutdown().await?;
                // To leave now would be a reset, if there is anything that was not read.
                let (mut nowhere, mut nobody) = (sink(), sink());
                tokio::try_join!(
                    copy(&mut client, &mut nowhere),
                    copy(&mut server, &mut nobody)
                )
                .map(drop)
            }
        }
    }

    /// Whether a request waits for its answer from now on.
    fn waits(&self, now: bool) {
        let before = self.is_waiting.swap(now, Ordering::Relaxed);
        self.relay.seen.send_modify(|seen| {
            seen.waiting = seen.waiting + usize::from(now) - usize::from(before);
        });
    }

    /// What this part is to suffer, and how many of its bytes pass before.
    fn strike(&self, part: Part, text: &str, length: usize) -> Option<(usize, Fault)> {
        let request = lock(&self.request);
        let strike = lock(&self.relay.script).strike(part, request.as_ref(), text, length);
        if strike.is_some() {
            self.relay.seen.send_modify(|seen| seen.struck += 1);
        }
        strike
    }

    /// Passes on what comes this way, part by part, until there is no more.
    async fn pass(
        &self,
        direction: Direction,
        from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> io::Result<()> {
        let mut parts = Parts::new(from, direction);
        while let Some(piece) = parts.next().await? {
            if let Some(exchange) = piece.exchange() {
                *lock(&self.request) = Some(Request {
                    connection: self.number,
                    exchange,
                    text: piece.text.clone(),
                });
            }
            let bytes = &piece.bytes[..];
            let strike = piece
                .part
                .and_then(|part| self.strike(part, &piece.text, bytes.len()));
            // Whoever has seen it knows that rules which come later are not for it.
            if piece.part == Some(Part::Body) || piece.leads_to_frames() {
                self.waits(false);
            }
            if piece.part == Some(Part::Request) {
                self.waits(true);
                let request = lock(&self.request).clone();
                self.relay
                    .seen
                    .send_modify(|seen| seen.requests.extend(request));
            }
            let (passing, fault) = strike.map_or((bytes.len(), None), |(passing, fault)| {
                (passing, Some(fault))
            });
            if direction == Direction::ToClient {
                self.relay.seen.send_modify(|seen| {
                    seen.longest_to_client = seen.longest_to_client.max(bytes.len());
                });
            }
            let (before, behind) = bytes.split_at(passing);
            self.write(direction, before, &mut to).await?;
            if let Some(fault) = fault {
                self.valves.send_modify(|valves| valves.suffer(fault));
            }
            self.write(direction, behind, &mut to).await?;
        }
        match self.may(direction).await {
            Flow::Swallowed => Ok(()),
            _ => to.shutdown().await,
        }
    }

    async fn write(
        &self,
        direction: Direction,
        bytes: &[u8],
        to: &mut WriteHalf<'_>,
    ) -> io::Result<()> {
        let pace = *lock(&self.relay.pace);
        for piece in pace.pieces(bytes) {
            if self.may(direction).await == Flow::Swallowed {
                continue;
            }
            to.write_all(piece).await?;
            let count = piece.len() as u64;
            self.relay.seen.send_modify(|seen| match direction {
                Direction::ToServer => seen.bytes_to_server += count,
                Direction::ToClient => seen.bytes_to_client += count,
            });
            if piece.len() < bytes.len() {
                // The runtime asks the operating system what has arrived where, and whoever has something to read reads.
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// What happens to bytes this way, once they are not held back.
    async fn may(&self, direction: Direction) -> Flow {
        let mut valves = self.valves.subscribe();
        match valves
            .wait_for(|valves| valves.flow(direction).is_some())
            .await
        {
            Ok(valves) => valves.flow(direction).unwrap_or_default(),
            // Its sender is this connection's own.
            Err(_) => Flow::Swallowed,
        }
    }

    /// How the connection is to end, once it is.
    async fn end(&self) -> End {
        let mut valves = self.valves.subscribe();
        let ended = valves.wait_for(|valves| valves.end.is_some()).await;
        let end = ended.ok().and_then(|valves| valves.end.clone());
        end.unwrap_or(End::Reset)
    }
}
