//! Both sides and the network between them, and the time that passes for all three.

use std::time::{Duration, Instant};

use engineio::Endpoint;
use socketio::session::Config;

use super::client::Client;
use super::network::{Delivery, Network, Weather};
use super::server::{Options, Server};

/// More steps than anything takes at one point in time: then the two keep each other busy for ever.
const STEPS_AT_A_TIME: usize = 100_000;

/// A client and a server.
#[derive(Debug)]
pub struct Pair {
    /// Now.
    pub now: Instant,
    /// The client; call [`Pair::settle`] behind each call of its session.
    pub client: Client,
    /// The server; call [`Pair::settle`] behind each of its verbs.
    pub server: Server,
    /// What lies between them.
    pub network: Network,
    steps: usize,
}

impl Pair {
    /// Both, before anything happens.
    ///
    /// # Panics
    ///
    /// When the server's path is none.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the origin of simulated time")]
    pub fn new(
        engine: engineio::Config,
        session: Config,
        options: Options,
        weather: Weather,
        seed: u64,
    ) -> Self {
        let endpoint = Endpoint::parse("http://server.test/")
            .and_then(|server| server.with_path(&options.path));
        let endpoint = endpoint.expect("a path");
        Self {
            now: Instant::now(),
            client: Client::new(engine, session, seed),
            server: Server::new(options, seed),
            network: Network::new(weather, endpoint, seed),
            steps: 0,
        }
    }

    /// Lets time go by, and everything happen that is due.
    ///
    /// # Panics
    ///
    /// When a rule is broken.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            if at > self.now {
                self.now = at;
                self.steps = 0;
            }
            self.steps += 1;
            assert!(self.steps < STEPS_AT_A_TIME, "time stands still");
            self.step();
        }
        self.now = end;
    }

    fn next_at(&self) -> Option<Instant> {
        let arrival = self.network.next_arrival();
        let client = self.client.poll_timeout();
        let server = self.server.poll_timeout();
        [arrival, client, server].into_iter().flatten().min()
    }

    /// What is due first.
    fn step(&mut self) {
        match self.network.arrive(self.now) {
            Some(Delivery::Server(input)) => self.server.handle_input(self.now, input),
            Some(Delivery::Client(link, input)) => self.client.handle_input(self.now, link, input),
            Some(Delivery::Answer(question, answer)) => {
                self.client.handle_answer(self.now, question, answer);
            }
            None => {
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
            }
        }
        self.settle();
    }

    /// Hands to the network what both sides want of it.
    ///
    /// # Panics
    ///
    /// When a rule is broken.
    pub fn settle(&mut self) {
        self.client.settle(self.now);
        while let Some(output) = self.client.poll_output() {
            self.network.carry_out(self.now, output);
        }
        while let Some(output) = self.server.poll_output() {
            self.network.answer(self.now, output);
        }
    }
}
