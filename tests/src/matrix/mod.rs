//! The matrix: the client against each server, over each route, through each network, in one list of behaviours.
//!
//! A [`Cell`] is a server, a route and a network; [`play`] plays [`Behaviour`]s in it, and [`Table`] is how the outcomes are
//! written down in `MATRIX.md`. What cannot work has its reason in `rules.rs`, and is shown not to work.

mod behaviour;
mod cell;
mod network;
mod oxide;
mod rules;
mod server;
mod table;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

pub use behaviour::Behaviour;
use behaviour::{NotOffered, Stage};
pub use cell::{Cell, Network, Server, name};
pub use table::{Mark, Table};

/// What socket.io's servers take in one HTTP request by default since release 3, and what socketioxide is told to take.
const MAX_PAYLOAD: u64 = 1_000_000;

/// What became of a behaviour in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Works,
    /// It cannot work, as the rule with this number says, from 0 on.
    CannotWork(usize),
    /// It should work and does not, or the other way round: in full.
    Fails(String),
}

/// Plays the behaviours in the cell, in their order; `None` when this machine cannot run the server, which has then been said
/// loudly.
///
/// # Panics
///
/// When the server does not start.
pub async fn play(cell: Cell, behaviours: &[Behaviour]) -> Option<Vec<(Behaviour, Outcome)>> {
    let mut stage = Stage::set(cell).await?;
    let mut outcomes = Vec::new();
    for &behaviour in behaviours {
        // A behaviour says by a panic what went wrong, as any test does; the next one then begins on a new connection.
        let playing = AssertUnwindSafe(behaviour.play(&mut stage)).catch_unwind();
        let played = Box::pin(playing).await;
        let mut outcome = judge(cell, behaviour, played);
        if let Outcome::Fails(what) = &mut outcome {
            *what += &stage.server.transcript();
        }
        outcomes.push((behaviour, outcome));
    }
    Some(outcomes)
}

type Played = Result<Result<(), NotOffered>, Box<dyn Any + Send>>;

fn judge(cell: Cell, behaviour: Behaviour, played: Played) -> Outcome {
    match (played, rules::exception(cell, behaviour)) {
        (Ok(Ok(())), None) => Outcome::Works,
        (Ok(Err(NotOffered(seen))), Some((number, rule))) if rule.is_shown_by(&seen) => {
            Outcome::CannotWork(number)
        }
        (Ok(Err(NotOffered(seen))), None) => {
            Outcome::Fails(format!("it does not work, and no rule says why: {seen}"))
        }
        (Ok(Err(NotOffered(seen))), Some((_, rule))) => {
            let expected = rule.shown_by;
            Outcome::Fails(format!("not {expected:?}, as the rule says, but: {seen}"))
        }
        (Ok(Ok(())), Some((_, rule))) => {
            let reason = rule.reason;
            Outcome::Fails(format!(
                "it works, but a rule says that it cannot: {reason}"
            ))
        }
        (Err(panic), _) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Outcome::Fails(text.unwrap_or("a panic without words").to_owned())
        }
    }
}
