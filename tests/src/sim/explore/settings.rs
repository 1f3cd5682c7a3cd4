//! How a life is set up: client, server and network, as its seed has it.

use std::time::Duration;

use engineio::{Transport, Version};
use socketio::Retries;
use socketio::session::{Auth, Config, Join};

use crate::sim::Pair;
use crate::sim::network::Weather;
use crate::sim::server::{self, Options, Revision};

/// The most events that wait in a namespace for its connection.
pub(super) const MAX_BUFFERED: usize = 16;

/// All that a seed decides before anything happens.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) engine: engineio::Config,
    pub(super) session: Config,
    pub(super) join: Join,
    /// Whether the client is told anew what to open each connection with.
    pub(super) asks_target: bool,
    pub(super) options: Options,
    pub(super) weather: Weather,
}

impl Settings {
    pub(super) fn random(random: &mut fastrand::Rng) -> Self {
        let (options, version) = server(random);
        let mut engine = engineio::Config::default();
        engine.version = version;
        engine.transports = match random.u8(0..4) {
            0 => vec![Transport::Polling],
            1 => vec![Transport::WebSocket],
            2 => vec![Transport::WebSocket, Transport::Polling],
            _ => vec![Transport::Polling, Transport::WebSocket],
        };
        engine.upgrade = random.u8(0..4) > 0;
        engine.try_all_transports = random.bool();
        engine.force_base64 = random.u8(0..4) == 0;
        if random.u8(0..4) == 0 {
            engine.send_buffer_bytes = random.usize(1..2_000);
        }
        let mut session = Config::default();
        session.remember_upgrade = random.bool();
        session.reconnection.initial_delay = Duration::from_millis(200);
        session.reconnection.retry_on_initial_connect = true;
        session.limits.max_buffered_events = MAX_BUFFERED;
        let mut join = Join::default();
        join.report_sent = random.bool();
        if random.bool() {
            join.auth = Auth::Asked;
        }
        if random.bool() {
            let mut retries = Retries::default();
            retries.max = random.u32(0..5);
            retries.timeout = Duration::from_millis(random.u64(1..10_000));
            join.retries = Some(retries);
        }
        let mut weather = weather(random);
        if engine.version == Version::Auto {
            // Over WebSocket alone it tells the revisions apart by what comes within its grace, as it says.
            weather.stalled = 0;
        }
        Self {
            engine,
            session,
            join,
            asks_target: random.u8(0..4) == 0,
            options,
            weather,
        }
    }

    pub(super) fn pair(self, seed: u64) -> Pair {
        let mut pair = Pair::new(self.engine, self.session, self.options, self.weather, seed);
        pair.client.asks_target = self.asks_target;
        pair
    }
}

/// A server, and a revision in which it can be spoken to.
fn server(random: &mut fastrand::Rng) -> (Options, Version) {
    let (mut options, versions) = match random.u8(0..4) {
        0 => (Options::old(), &[Version::V3, Version::Auto][..]),
        1 => (
            Options::compatible(),
            &[Version::V3, Version::V4, Version::Auto][..],
        ),
        _ => (Options::current(), &[Version::V4, Version::Auto][..]),
    };
    let version = random.choice(versions.iter().copied()).unwrap_or_default();
    options = options.namespace("/chat", server::Namespace::open());
    options.ping_interval = Duration::from_millis(random.u64(500..10_000));
    options.ping_timeout = Duration::from_millis(random.u64(500..5_000));
    if options.revision == Revision::V4 {
        options.announce_max_payload = random.u8(0..4) > 0;
        // Whoever is not told cannot keep to it. A single event of a life fits.
        if options.announce_max_payload && random.bool() {
            options.max_payload = random.usize(600..2_000);
        }
        if random.bool() {
            options.recovery = Some(Duration::from_secs(120));
        }
    }
    options.upgrades = random.u8(0..4) > 0;
    (options, version)
}

/// Half of all networks are fair.
fn weather(random: &mut fastrand::Rng) -> Weather {
    let mut weather = Weather::fair();
    weather.latency = Duration::ZERO..Duration::from_millis(random.u64(1..300));
    if random.bool() {
        return weather;
    }
    let mut chance = |most: u32| {
        if random.u8(0..3) == 0 {
            random.u32(0..most)
        } else {
            0
        }
    };
    weather.stalled = chance(50);
    weather.unreachable = chance(300);
    weather.swallowed = chance(100);
    weather.lost_response = chance(100);
    weather.truncated = chance(100);
    weather.intruder = chance(100);
    weather.reset = chance(50);
    weather.half_open = chance(30);
    weather.closed = chance(30);
    weather.unprovided = chance(300);
    weather
}
