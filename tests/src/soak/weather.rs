//! The weather: what goes wrong, when and for how long, at random but from a seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use graph_emulator::{Control, GraphFailure, RetryAfter, UrlForm};
use tokio::sync::{Notify, watch};

use super::books::{Books, Role, SharedWatchAccount, lock};
use super::server::Server;
use crate::fault::{Direction, Exchange, Fault, FaultProxy, Pace, Part, Rule, on};

/// How often each trouble has struck.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    fn count(&self, name: &'static str) {
        *lock(&self.0).entry(name).or_default() += 1;
    }

    pub(super) fn all(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0).clone()
    }
}

/// One source of trouble: its own dice, its own pauses.
pub(super) struct Sky {
    pub(super) rng: Rng,
    pub(super) tally: Arc<Tally>,
    /// The longest pause between two troubles.
    pub(super) longest_calm: Duration,
    /// Whether it is over.
    pub(super) over: watch::Receiver<bool>,
}

impl Sky {
    /// So long, or until the weather is over.
    async fn pass(&mut self, time: Duration) {
        // An error says that it is over, too.
        tokio::time::timeout(time, self.over.wait_for(|over| *over))
            .await
            .ok();
    }

    /// Waits for the next trouble; `false` when there will be none.
    async fn calm(&mut self) -> bool {
        self.calm_over(|| ()).await
    }

    /// The same, and tidies up now and then.
    async fn calm_over(&mut self, tidy: impl Fn()) -> bool {
        // Mostly short, sometimes long.
        let share = self.rng.f64();
        let mut left = self.longest_calm.mul_f64(share * share);
        while !left.is_zero() && !*self.over.borrow() {
            tidy();
            let step = left.min(Duration::from_secs(1));
            self.pass(step).await;
            left -= step;
        }
        tidy();
        !*self.over.borrow()
    }

    async fn a_while(&mut self, most: u64) {
        let time = Duration::from_millis(self.rng.u64(0..most));
        self.pass(time).await;
    }
}

/// Who is told what happens on a line.
pub(super) enum Told {
    Lane(Arc<Books>, &'static str),
    Watch(SharedWatchAccount),
}

impl Told {
    fn note(&self, line: &str) {
        match self {
            Self::Lane(books, lane) => books.of_lane(lane, |account| account.note(line)),
            Self::Watch(account) => lock(account).note(line),
        }
    }

    fn garbage(&self, possible: bool) {
        if let Self::Lane(books, lane) = self {
            books.of_lane(lane, |account| account.garbage(possible));
        }
    }
}

/// What befalls a line.
const ON_A_LINE: [&str; 13] = [
    "reset",
    "close",
    "half open",
    "stall to client",
    "stall to server",
    "stall both ways",
    "one byte at a time",
    "split",
    "refused",
    "ignored",
    "slow handshake",
    "fault in a part",
    "client dropped",
];

/// Troubles a line until the weather is over, and leaves it in order.
pub(super) async fn over_line(
    mut proxy: FaultProxy,
    told: Told,
    abandon: Arc<Notify>,
    mut sky: Sky,
) -> FaultProxy {
    while sky.calm_over(|| proxy.forget_requests()).await {
        let name = ON_A_LINE[sky.rng.usize(0..ON_A_LINE.len())];
        sky.tally.count(name);
        told.note(&format!("weather: {name}"));
        match name {
            "reset" => proxy.reset_all(),
            "close" => proxy.close_all(),
            "half open" => proxy.half_open(),
            "stall to client" => stall(&proxy, &mut sky, &[Direction::ToClient]).await,
            "stall to server" => stall(&proxy, &mut sky, &[Direction::ToServer]).await,
            "stall both ways" => {
                stall(
                    &proxy,
                    &mut sky,
                    &[Direction::ToClient, Direction::ToServer],
                )
                .await;
            }
            "one byte at a time" => paced(&proxy, &mut sky, Pace::OneByte).await,
            "split" => {
                let at = sky.rng.usize(1..200);
                paced(&proxy, &mut sky, Pace::SplitAt(at)).await;
            }
            "refused" => {
                proxy.refuse().await;
                let and_reset: bool = sky.rng.bool();
                if and_reset {
                    proxy.reset_all();
                }
                sky.a_while(3_000).await;
                proxy.accept_again().await;
            }
            "ignored" => {
                #[cfg(target_os = "linux")]
                {
                    proxy.ignore().await;
                    proxy.reset_all();
                    sky.a_while(3_000).await;
                    proxy.accept_again().await;
                }
            }
            "slow handshake" => {
                let handshakes = [Exchange::Handshake, Exchange::WebSocket, Exchange::Probe];
                proxy.script(handshakes.map(|handshake| {
                    on(handshake).before(Part::Head, Fault::Stall(Direction::ToClient))
                }));
                proxy.reset_all();
                sky.a_while(4_000).await;
                proxy.script([]);
                proxy.resume();
            }
            "fault in a part" => {
                let rule = rule(&mut sky.rng, &told);
                told.note(&format!("weather: {rule:?}"));
                proxy.script([rule]);
                sky.a_while(5_000).await;
                proxy.script([]);
                proxy.resume();
                told.garbage(false);
            }
            _ => abandon.notify_one(),
        }
    }
    proxy.script([]);
    proxy.pace(Pace::Whole);
    proxy.resume();
    proxy.accept_again().await;
    proxy
}

async fn stall(proxy: &FaultProxy, sky: &mut Sky, directions: &[Direction]) {
    directions
        .iter()
        .for_each(|direction| proxy.stall(*direction));
    sky.a_while(4_000).await;
    proxy.resume();
}

async fn paced(proxy: &FaultProxy, sky: &mut Sky, pace: Pace) {
    proxy.pace(pace);
    sky.a_while(4_000).await;
    proxy.pace(Pace::Whole);
}

/// One fault, at a place of a part that is to come.
fn rule(rng: &mut Rng, told: &Told) -> Rule {
    let exchanges = [
        None,
        Some(Exchange::Handshake),
        Some(Exchange::Poll),
        Some(Exchange::Post),
        Some(Exchange::WebSocket),
        Some(Exchange::Probe),
    ];
    let parts = [
        Part::Request,
        Part::Head,
        Part::Body,
        Part::Sent,
        Part::Received,
    ];
    // Neither UTF-8 nor a WebSocket frame.
    let garbage = vec![0xFF; rng.usize(1..300)];
    let faults = [
        Fault::Reset,
        Fault::Close,
        Fault::Swallow,
        Fault::Stall(Direction::ToClient),
        Fault::Stall(Direction::ToServer),
        Fault::Say(garbage),
    ];
    let exchange = rng.choice(exchanges).flatten();
    let part = rng.choice(parts).unwrap_or(Part::Body);
    let fault = rng.choice(faults).unwrap_or(Fault::Reset);
    if matches!(fault, Fault::Say(_)) {
        // What was begun may be completed by what is said instead.
        told.garbage(true);
    }
    let place = match rng.u8(0..4) {
        0 => on(exchange).before(part, fault),
        1 => on(exchange).inside(part, fault),
        2 => on(exchange).after_bytes(rng.usize(1..30), part, fault),
        _ => on(exchange).after(part, fault),
    };
    place.nth(rng.usize(1..20))
}

/// What befalls the server of the busy clients.
const ON_THE_SERVER: [&str; 5] = [
    "server restarted",
    "server gone for a while",
    "sessions closed by the server",
    "namespace disconnected",
    "all namespaces disconnected",
];

/// Troubles the server until the weather is over, and leaves it running.
pub(super) async fn over_server(mut server: Server, mut sky: Sky) -> Server {
    while sky.calm().await {
        let name = ON_THE_SERVER[sky.rng.usize(0..ON_THE_SERVER.len())];
        sky.tally.count(name);
        server.note(&format!("weather: {name}"));
        match name {
            "server restarted" => server.kill().await,
            "server gone for a while" => {
                server.kill().await;
                sky.a_while(4_000).await;
            }
            "sessions closed by the server" => server.close_sessions(),
            "namespace disconnected" => {
                server.disconnect(Role::ALL[sky.rng.usize(0..Role::ALL.len())]);
            }
            _ => Role::ALL
                .into_iter()
                .for_each(|role| server.disconnect(role)),
        }
        if !server.is_running() {
            server.run();
        }
    }
    server
}

/// What befalls what stands for Microsoft Graph.
const ON_GRAPH: [&str; 9] = [
    "credentials expired",
    "relay restarted",
    "relay connections closed",
    "relay connections cut",
    "relay frozen",
    "namespaces disconnected by the relay",
    "namespaces refused by the relay",
    "requests to Graph fail",
    "URLs of another kind",
];

/// Troubles the emulator until the weather is over, and leaves it in order.
pub(super) async fn over_graph(control: Control, told: Told, mut sky: Sky) {
    while sky.calm().await {
        let name = ON_GRAPH[sky.rng.usize(0..ON_GRAPH.len())];
        sky.tally.count(name);
        told.note(&format!("weather: {name}"));
        match name {
            "credentials expired" => drop(control.expire_credentials()),
            "relay restarted" => {
                let down_for = Duration::from_millis(sky.rng.u64(0..3_000));
                control.restart(down_for).await.expect("the port is ours");
            }
            "relay connections closed" => drop(control.close_connections()),
            "relay connections cut" => control.cut_connections(),
            "relay frozen" => {
                if sky.rng.bool() {
                    control.freeze();
                } else {
                    control.freeze_everything();
                }
                sky.a_while(5_000).await;
                control.thaw();
            }
            "namespaces disconnected by the relay" => drop(control.disconnect_namespaces()),
            "namespaces refused by the relay" => {
                control.refuse_connects(sky.rng.u32(1..4));
                control.close_connections();
            }
            "requests to Graph fail" => {
                control.fail_next(sky.rng.usize(1..4), failure(&mut sky.rng));
                if sky.rng.bool() {
                    control.expire_credentials();
                }
            }
            _ => control.update(|settings| {
                settings.url_form = match sky.rng.bool() {
                    true => UrlForm::Split,
                    false => UrlForm::Direct,
                };
                settings.lifetime_ms = match sky.rng.u8(0..4) {
                    0 => None,
                    _ => Some(sky.rng.u64(2_000..30_000)),
                };
                settings.announce_expiration = sky.rng.bool();
                settings.connect_reply_sid = sky.rng.bool();
            }),
        }
    }
    control.fail_no_more();
    control.refuse_connects(0);
    control.thaw();
}

/// One that does not end a watch.
fn failure(rng: &mut Rng) -> GraphFailure {
    let retry_after = rng.bool().then_some(RetryAfter::Seconds(1));
    match rng.u8(0..5) {
        0 => GraphFailure::TooManyRequests { retry_after },
        1 => GraphFailure::Unavailable { retry_after },
        2 => GraphFailure::Status { status: 500 },
        3 => GraphFailure::NotSupported,
        _ => GraphFailure::Hang,
    }
}
