//! The main loop: events to the output until something ends it.

use std::{num::NonZeroU64, time::Duration};

use futures_util::StreamExt;
use graph_notifications::{ResyncReason, Watch, WatchEvent};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};

use crate::{exit::Failure, output::Output};

/// How long a clean end may take after Ctrl-C, unless it is pressed again.
const GRACE: Duration = Duration::from_secs(6);
/// How often the live line is brought up to date.
const REFRESH: Duration = Duration::from_secs(1);

/// What ends a run from outside: Ctrl-C and the timeout, which counts from here on.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    interrupted: watch::Receiver<bool>,
    timeout: Option<(Duration, Instant)>,
}

/// Which of the two it was.
#[derive(Debug)]
pub(crate) enum Ended {
    Interrupted,
    TimedOut(Duration),
}

impl Ending {
    pub(crate) fn new(timeout: Option<Duration>) -> Self {
        let (interrupt, interrupted) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                // Without a handler, Ctrl-C ends the program all the same.
                return std::future::pending().await;
            }
            interrupt.send(true).ok();
            // The rest may be stuck in writing to a pipe that nobody reads.
            tokio::time::timeout(GRACE, tokio::signal::ctrl_c())
                .await
                .ok();
            std::process::exit(crate::exit::Status::Interrupted as i32);
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
            Ok(_) = self.interrupted.wait_for(|interrupted| *interrupted) => Ended::Interrupted,
            timeout = timed_out => Ended::TimedOut(timeout),
        }
    }
}

impl Ended {
    pub(crate) fn failure(self, notifications: u64, last: Option<&str>) -> Failure {
        match self {
            Self::Interrupted => Failure::Interrupted,
            Self::TimedOut(timeout) => Failure::timed_out(timeout, notifications, last),
        }
    }
}

/// Prints what the watch reports until there were `count` notifications, or something ends it; then closes it.
pub(crate) async fn run(
    mut watch: Watch,
    output: &mut Output,
    count: Option<NonZeroU64>,
    mut ending: Ending,
) -> Result<(), Failure> {
    let outcome = print_events(&mut watch, output, count, &mut ending).await;
    output.clear();
    watch.close().await;
    outcome
}

async fn print_events(
    watch: &mut Watch,
    output: &mut Output,
    count: Option<NonZeroU64>,
    ending: &mut Ending,
) -> Result<(), Failure> {
    let mut refresh = tokio::time::interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What is wrong while there is no connection.
    let mut trouble = Some("the first attempt is still under way".to_owned());
    loop {
        tokio::select! {
            biased;
            ended = ending.wait() => {
                return Err(ended.failure(output.notifications(), trouble.as_deref()));
            }
            event = watch.next() => match event {
                Some(Ok(event)) => {
                    output.event(&event)?;
                    match event {
                        WatchEvent::Down { reason, .. } => trouble = Some(reason.to_string()),
                        WatchEvent::Resync(ResyncReason::Started | ResyncReason::Reconnected) => {
                            trouble = None;
                        }
                        _ => {}
                    }
                    if count.is_some_and(|count| output.notifications() >= count.get()) {
                        return Ok(());
                    }
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Failure::internal("the watch ended without a reason")),
            },
            _ = refresh.tick() => output.refresh(),
        }
    }
}
