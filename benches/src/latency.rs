//! How long it takes: an event from the server's write to the user's task, and a connection until it stands.

mod connecting;
mod events;
mod oxide;
mod relay;

use std::error::Error;

use crate::options::Options;
use crate::report::Report;

/// What is wrong: for people.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Measures all rows, on tokio's current-thread runtime, which is made here.
///
/// # Errors
///
/// If a client or a server could not do its work.
pub fn rows(report: &mut Report, options: Options) -> Result<(), Failure> {
    if cfg!(not(feature = "peers")) {
        report.skipped("rust_socketio: build with `--features peers`");
    }
    events::rows(report, options)?;
    connecting::rows(report, options)
}
