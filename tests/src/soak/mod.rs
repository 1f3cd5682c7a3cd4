//! The soak: busy clients and watches in bad weather for as long as one likes, with every event accounted for.
//!
//! In one process there are three runtimes: the clients under test; the world around them (relays that break what passes,
//! what stands for Microsoft Graph); and the server of the busy clients, which ends and starts again. Each event has
//! a number, and both sides tell an [`Account`](ledger::Account) what they see.

#![allow(
    clippy::disallowed_methods,
    reason = "a soak goes on in real time: its traffic, its weather and its patience"
)]

mod books;
mod busy;
mod item;
pub mod ledger;
pub mod promise;
mod report;
pub mod resources;
mod server;
pub mod watched;
mod watching;
mod weather;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::client::now;
use fastrand::Rng;
use graph_emulator::Emulator;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::fault::FaultProxy;
use crate::heap;
use books::{Books, LANES, Phase};
use busy::Busy;
use resources::{Memory, descriptors};
use server::Server;
use watching::{WATCHES, Watcher};
use weather::{Sky, Tally, Told};

pub use report::{Leftovers, Report, Status};

/// How long everything may take to arrive in fair weather, and to be gone after the end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often accounts are looked through, and memory is sampled.
const TICK: Duration = Duration::from_secs(1);

/// What a soak is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// Decides what goes wrong, and what is sent; what comes of it depends on the machine, too.
    pub seed: u64,
    /// When the weather turns fair.
    pub length: Length,
    /// The longest pause between two troubles of one source.
    pub longest_calm: Duration,
    /// How long the clients go on in fair weather.
    pub fair: Duration,
    /// The steepest rise of the clients' heap that is no leak, in KiB a minute. Judged over [`Plan::MIN_SLOPE`] and more,
    /// where it is [counted](heap::count).
    pub max_slope: f64,
}

/// When the weather turns fair.
#[derive(Debug, Clone, Copy)]
pub enum Length {
    /// After this time.
    Time(Duration),
    /// After so many events have arrived and so many troubles have struck.
    Count {
        /// Of both directions, notifications included.
        events: u64,
        /// Of all kinds.
        troubles: u64,
    },
}

impl Plan {
    /// Over less than this, the slope is told and not judged: what comes and goes makes it uncertain.
    pub const MIN_SLOPE: Duration = Duration::from_secs(300);

    /// A plan with the defaults.
    #[must_use]
    pub fn new(seed: u64, length: Length) -> Self {
        Self {
            seed,
            length,
            longest_calm: Duration::from_secs(12),
            fair: Duration::from_secs(3),
            max_slope: 64.0,
        }
    }
}

/// Soaks; `progress` is told every second how it goes, until it says `false`: then the weather turns fair at once.
///
/// # Panics
///
/// When the machine gives no runtime, port or process; and in the end when a client or its user has panicked.
pub fn run(plan: &Plan, mut progress: impl FnMut(&Status) -> bool) -> Report {
    let world = runtime("world", || ());
    let clients = runtime("clients", heap::is_of_clients);
    let books = Arc::new(Books::new(&WATCHES.map(|(name, _)| name)));
    let server = Server::start(Arc::clone(&books));
    let soak = Soak {
        plan,
        books,
        clients: clients.handle().clone(),
        memory: Memory::default(),
        tally: Arc::default(),
        start: now(),
    };
    let (report, server) = world.block_on(soak.run(server, &mut progress));
    drop(server);
    clients.shutdown_timeout(Duration::from_secs(10));
    world.shutdown_timeout(Duration::from_secs(10));
    report
}

fn runtime(name: &str, on_thread_start: fn()) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .on_thread_start(on_thread_start)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Ends tasks that would go on for ever. One that has panicked was not to end before: its panic goes on here.
async fn ended(mut tasks: JoinSet<()>) {
    tasks.abort_all();
    while let Some(task) = tasks.join_next().await {
        if let Err(error) = task
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

struct Soak<'a> {
    plan: &'a Plan,
    books: Arc<Books>,
    /// Where the clients live.
    clients: Handle,
    memory: Memory,
    tally: Arc<Tally>,
    start: Instant,
}

/// All that is not under test.
struct World {
    lanes: Vec<(FaultProxy, Arc<Notify>)>,
    watches: Vec<(Emulator, FaultProxy, Arc<Notify>)>,
}

/// The weather over all of it, until it is over.
struct Weather {
    over: watch::Sender<bool>,
    server: JoinHandle<Server>,
    lines: Vec<JoinHandle<FaultProxy>>,
    others: JoinSet<()>,
}

impl Soak<'_> {
    async fn run(
        mut self,
        server: Server,
        progress: &mut impl FnMut(&Status) -> bool,
    ) -> (Report, Server) {
        let mut rng = Rng::with_seed(self.plan.seed);
        let world = World::set_up(server.port()).await;
        let held_at_start = self.held();

        let alive = self.start_clients(&world, &mut rng);
        let controls: Vec<_> = world
            .watches
            .iter()
            .map(|(graph, ..)| graph.control())
            .collect();
        let mut changes = JoinSet::new();
        for (control, account) in controls.iter().zip(&self.books.watches) {
            let (books, account) = (Arc::clone(&self.books), Arc::clone(account));
            changes.spawn(watching::changes(
                control.clone(),
                account,
                books,
                rng.u64(..),
            ));
        }
        let (emulators, weather) = self.start_weather(world, server, &mut rng);
        while self.goes_on() {
            tokio::time::sleep(TICK).await;
            if !progress(&self.look(Phase::Storm)) {
                break;
            }
        }
        let (server, proxies) = weather.end().await;

        self.books.enter(Phase::Fair);
        tokio::time::sleep(self.plan.fair).await;
        self.books.enter(Phase::Quiet);
        let quiet_since = now();
        while !self.is_settled() && quiet_since.elapsed() < PATIENCE {
            tokio::time::sleep(TICK / 4).await;
            progress(&self.look(Phase::Quiet));
        }
        self.books.each(ledger::Account::close);
        self.books.each_watch(watched::WatchAccount::close);

        // What is left behind by clients that were dropped is theirs.
        ended(alive).await;
        ended(changes).await;
        // Connections that are half open would stay: the server does not know that its client is gone.
        proxies.iter().for_each(FaultProxy::reset_all);
        let dropped_at = now();
        let mut held_at_end = self.held();
        while held_at_end.is_more_than(&held_at_start) && dropped_at.elapsed() < PATIENCE {
            tokio::time::sleep(TICK / 4).await;
            held_at_end = self.held();
        }
        drop((proxies, emulators));
        let report = Report::new(
            self.plan,
            &self.status(Phase::Quiet),
            &self.books,
            &self.memory,
        )
        .held(held_at_start, held_at_end);
        (report, server)
    }

    fn start_clients(&self, world: &World, rng: &mut Rng) -> JoinSet<()> {
        let mut alive = JoinSet::new();
        // One HTTP stack for all of them, as is recommended; it goes with the last of them.
        let http = crate::http();
        for ((lane, transports), (proxy, abandon)) in LANES.into_iter().zip(&world.lanes) {
            let busy = Busy {
                lane,
                transports,
                port: proxy.port(),
                books: Arc::clone(&self.books),
                abandon: Arc::clone(abandon),
                seed: rng.u64(..),
            };
            alive.spawn_on(busy.run(http.clone()), &self.clients);
        }
        let watches = WATCHES
            .into_iter()
            .zip(&world.watches)
            .zip(&self.books.watches);
        for (((_, transport), (emulator, proxy, abandon)), account) in watches {
            let watcher = Watcher {
                account: Arc::clone(account),
                books: Arc::clone(&self.books),
                transport,
                base_url: proxy.url(""),
                token: emulator.token(),
                abandon: Arc::clone(abandon),
                seed: rng.u64(..),
            };
            alive.spawn_on(watcher.run(http.clone()), &self.clients);
        }
        alive
    }

    fn start_weather(
        &self,
        world: World,
        server: Server,
        rng: &mut Rng,
    ) -> (Vec<Emulator>, Weather) {
        let (over, is_over) = watch::channel(false);
        let mut sky = || Sky {
            rng: rng.fork(),
            tally: Arc::clone(&self.tally),
            longest_calm: self.plan.longest_calm,
            over: is_over.clone(),
        };
        let server = tokio::spawn(weather::over_server(server, sky()));
        let mut lines = Vec::new();
        for ((lane, _), (proxy, abandon)) in LANES.into_iter().zip(world.lanes) {
            let told = Told::Lane(Arc::clone(&self.books), lane);
            lines.push(tokio::spawn(weather::over_line(
                proxy,
                told,
                abandon,
                sky(),
            )));
        }
        let mut others = JoinSet::new();
        let mut emulators = Vec::new();
        for ((emulator, proxy, abandon), account) in
            world.watches.into_iter().zip(&self.books.watches)
        {
            let told = || Told::Watch(Arc::clone(account));
            lines.push(tokio::spawn(weather::over_line(
                proxy,
                told(),
                abandon,
                sky(),
            )));
            others.spawn(weather::over_graph(emulator.control(), told(), sky()));
            emulators.push(emulator);
        }
        let weather = Weather {
            over,
            server,
            lines,
            others,
        };
        (emulators, weather)
    }

    fn held(&self) -> Leftovers {
        Leftovers {
            tasks: self.clients.metrics().num_alive_tasks(),
            world_tasks: Handle::current().metrics().num_alive_tasks(),
            heap: heap::clients(),
            descriptors: descriptors(),
        }
    }

    fn goes_on(&self) -> bool {
        match self.plan.length {
            Length::Time(time) => self.start.elapsed() < time,
            Length::Count { events, troubles } => {
                let status = self.status(Phase::Storm);
                status.events() < events || status.troubles() < troubles
            }
        }
    }

    fn is_settled(&self) -> bool {
        let mut all = true;
        self.books.each(|account| all &= account.is_settled());
        self.books.each_watch(|account| all &= account.is_settled());
        all
    }

    /// Looks through the accounts, and tells how it goes.
    fn look(&mut self, phase: Phase) -> Status {
        let now = now();
        self.books.each(|account| account.check(now));
        self.books.each_watch(|account| account.check(now));
        if phase == Phase::Storm {
            self.memory.sample(self.start.elapsed());
        }
        self.status(phase)
    }

    fn status(&self, phase: Phase) -> Status {
        Status::new(self.start.elapsed(), phase, &self.books, self.tally.all())
    }
}

impl World {
    async fn set_up(port: u16) -> Self {
        let mut world = Self {
            lanes: Vec::new(),
            watches: Vec::new(),
        };
        for _ in LANES {
            world
                .lanes
                .push((FaultProxy::start(port).await, Arc::default()));
        }
        for _ in WATCHES {
            let emulator = watching::emulator().await;
            let address = emulator.graph_url().rsplit(':').next();
            let port = address.and_then(|port| port.parse().ok()).expect("a port");
            let proxy = FaultProxy::start(port).await;
            emulator.update(|settings| settings.relay_url = Some(proxy.url("")));
            world.watches.push((emulator, proxy, Arc::default()));
        }
        world
    }
}

impl Weather {
    /// Turns fair: everything that was broken is whole again when this returns.
    async fn end(mut self) -> (Server, Vec<FaultProxy>) {
        self.over.send_replace(true);
        let server = self.server.await.expect("a server");
        let mut proxies = Vec::new();
        for line in self.lines {
            proxies.push(line.await.expect("a line"));
        }
        while let Some(other) = self.others.join_next().await {
            other.expect("a sky");
        }
        (server, proxies)
    }
}
