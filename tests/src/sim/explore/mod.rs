//! Random lives of a client, each made by a seed, and the promises that hold in all of them.

mod ledger;
mod life;
mod settings;

use life::Life;

/// The namespaces of a life.
const NAMES: [&str; 2] = ["/", "/chat"];

/// Lives one life to its end.
///
/// # Errors
///
/// The promise that was broken, and what happened until then.
pub fn explore(seed: u64) -> Result<Summary, String> {
    let mut life = Life::new(seed);
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life.live()));
    match lived {
        Ok(()) => Ok(life.ledger.summary),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let what = text.unwrap_or_default();
            Err(format!("seed {seed}: {what}\n{}", life.ledger.transcript))
        }
    }
}

/// What happened in a life, so that a reader sees that something did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Events that arrived at the server.
    pub up: u64,
    /// Events that arrived at the client.
    pub down: u64,
    /// Events that arrived at the server once more, because they were retried.
    pub again: u64,
    /// Acknowledgements that settled.
    pub settled: u64,
    /// Events that the client said it would not send.
    pub unsent: u64,
    /// Connections that were lost.
    pub lost: u64,
    /// Sessions that were recovered.
    pub recovered: u64,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.up += other.up;
        self.down += other.down;
        self.again += other.again;
        self.settled += other.settled;
        self.unsent += other.unsent;
        self.lost += other.lost;
        self.recovered += other.recovered;
    }
}
