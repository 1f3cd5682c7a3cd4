//! What ends a run from outside: signals and the timeout.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::exit::{Failure, Status};

/// How long a clean end may take: longer than the library allows itself.
pub(crate) const GRACE: Duration = Duration::from_secs(6);

/// A signal, or the timeout, which counts from here on.
pub(crate) struct Ending {
    interrupted: watch::Receiver<Option<Status>>,
    timeout: Option<(Duration, Instant)>,
}

/// Which of the two it was.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ended {
    Interrupted(Status),
    TimedOut(Duration),
}

impl Ending {
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        let (interrupt, interrupted) = watch::channel(None);
        // On a thread of their own: the rest may be stuck in writing to a pipe that nobody reads. Without one, a signal
        // ends the program as it does by itself.
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || handle_signals(&interrupt))
            .ok();
        // A moment too far away to be named never comes.
        let timeout =
            timeout.and_then(|timeout| Some((timeout, Instant::now().checked_add(timeout)?)));
        Self {
            interrupted,
            timeout,
        }
    }

    /// Waits for it. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> Ended {
        let timed_out = async {
            match self.timeout {
                Some((timeout, deadline)) => {
                    tokio::time::sleep_until(deadline).await;
                    timeout
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(status) = interrupted(&mut self.interrupted) => Ended::Interrupted(status),
            timeout = timed_out => Ended::TimedOut(timeout),
        }
    }
}

/// Tells of the first signal, and ends the program when it does not end by itself, or at the second one.
fn handle_signals(interrupt: &watch::Sender<Option<Status>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    let status = runtime.block_on(async {
        let status = signal().await;
        interrupt.send_replace(Some(status));
        tokio::time::timeout(GRACE, signal()).await.ok();
        status
    });
    std::process::exit(status as i32);
}

async fn interrupted(signals: &mut watch::Receiver<Option<Status>>) -> Option<Status> {
    *signals.wait_for(Option::is_some).await.ok()?
}

/// Waits for Ctrl-C or, where there is such a thing, SIGTERM. Without a handler, each ends the program all the same.
async fn signal() -> Status {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending();
    tokio::select! {
        () = ctrl_c => Status::Interrupted,
        () = terminate => Status::Terminated,
    }
}

impl Ended {
    pub(crate) fn failure(self, messages: u64) -> Failure {
        match self {
            Self::Interrupted(status) => Failure::Interrupted(status),
            Self::TimedOut(timeout) => Failure::timed_out(timeout, messages),
        }
    }
}
