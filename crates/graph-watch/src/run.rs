//! The main loop: events to the output until something ends it.

use std::{num::NonZeroU64, time::Duration};

use futures_util::StreamExt;
use graph_notifications::{ResyncReason, Watch, WatchEvent};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};

use crate::{
    changes::{Changes, Told},
    exit::{Failure, Status},
    output::Output,
};

/// How long a clean end may take after a signal, unless there is another one.
const GRACE: Duration = Duration::from_secs(6);
/// How often the live line is brought up to date.
const REFRESH: Duration = Duration::from_secs(1);

/// What ends a run from outside: a signal and the timeout, which counts from here on.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    interrupted: watch::Receiver<Option<Status>>,
    timeout: Option<(Duration, Instant)>,
}

/// Which of the two it was.
#[derive(Debug)]
pub(crate) enum Ended {
    Interrupted(Status),
    TimedOut(Duration),
}

impl Ending {
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        let (interrupt, interrupted) = watch::channel(None);
        tokio::spawn(async move {
            let status = signal().await;
            interrupt.send(Some(status)).ok();
            // The rest may be stuck in writing to a pipe that nobody reads.
            tokio::time::timeout(GRACE, signal()).await.ok();
            std::process::exit(status as i32);
        });
        let deadline = timeout.and_then(|timeout| {
            Instant::now()
                .checked_add(timeout)
                .map(|deadline| (timeout, deadline))
        });
        Self {
            interrupted,
            timeout: deadline,
        }
    }

    /// Waits for it.
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
    pub(crate) fn failure(self, notifications: u64, last: Option<&str>) -> Failure {
        match self {
            Self::Interrupted(status) => Failure::Interrupted(status),
            Self::TimedOut(timeout) => Failure::timed_out(timeout, notifications, last),
        }
    }
}

/// Prints what the watch reports until there were `count` notifications, or something ends it; then closes it.
pub(crate) async fn run(
    mut watch: Watch,
    mut changes: Option<Changes>,
    output: &mut Output,
    count: Option<NonZeroU64>,
    mut ending: Ending,
) -> Result<(), Failure> {
    let outcome = print_events(&mut watch, &mut changes, output, count, &mut ending).await;
    output.clear();
    watch.close().await;
    outcome
}

/// Waits for ever when nobody wants to know.
async fn next_told(changes: &mut Option<Changes>) -> Option<Told> {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

async fn print_events(
    watch: &mut Watch,
    changes: &mut Option<Changes>,
    output: &mut Output,
    count: Option<NonZeroU64>,
    ending: &mut Ending,
) -> Result<(), Failure> {
    let mut refresh = tokio::time::interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What is wrong while there is no connection.
    let mut trouble = Some("the first attempt is still under way".to_owned());
    // What was announced before changes can be told would not be told: so long it waits, and what comes after it.
    let mut held = None;
    loop {
        let is_ready = changes.as_ref().is_none_or(Changes::is_ready);
        let is_enough = count.is_some_and(|count| output.notifications() >= count.get());
        if is_enough && changes.as_ref().is_none_or(Changes::is_done) {
            return Ok(());
        }
        let event = tokio::select! {
            biased;
            ended = ending.wait() => {
                return Err(ended.failure(output.notifications(), trouble.as_deref()));
            }
            told = next_told(changes) => match told {
                Some(Told::Failed(error)) => return Err(error.into()),
                Some(told) => {
                    output.told(&told)?;
                    continue;
                }
                None => return Err(Failure::internal("the task that asks for changes is gone")),
            },
            event = async { held.take() }, if is_ready && held.is_some() => event,
            event = watch.next(), if held.is_none() && !is_enough => match event {
                Some(Ok(event)) => Some(event),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Failure::internal("the watch ended without a reason")),
            },
            _ = refresh.tick() => {
                output.refresh();
                continue;
            }
        };
        let Some(event) = event else { continue };
        let may_be_changes = matches!(event, WatchEvent::Resync(_) | WatchEvent::Notification(_));
        if may_be_changes && !is_ready {
            trouble = Some("Microsoft Graph has not said yet where changes start".to_owned());
            held = Some(event);
            continue;
        }
        output.event(&event)?;
        match event {
            WatchEvent::Down { reason, .. } => trouble = Some(reason.to_string()),
            WatchEvent::Resync(ResyncReason::Started | ResyncReason::Reconnected) => {
                trouble = None;
            }
            _ => {}
        }
        if let Some(changes) = changes.as_ref().filter(|_| may_be_changes) {
            changes.ask();
        }
    }
}
