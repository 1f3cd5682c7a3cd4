//! `--changes`: asks what has changed, in a task of its own, so that events are printed meanwhile.

use std::time::Duration;

use graph_notifications::{Change, Delta, DeltaError, DeltaLink};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::Instant,
};

/// The delays between failed attempts, unless Graph asks for another.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// One broken answer cannot stop the questions for good.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Answers that wait to be printed.
const QUEUE: usize = 8;

/// What the task tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// From here on, changes are told.
    Ready,
    /// What has changed, as of all questions up to this one.
    Changes(Vec<Change>, u64),
    /// It cannot be said at the moment.
    Unknown(DeltaError, Duration),
    /// The link was too old: what has changed cannot be said, and from here on it can.
    Lost(DeltaError),
    /// It will not be known.
    Failed(DeltaError),
}

/// Tells what has changed whenever it is asked to. Stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Changes {
    asked: watch::Sender<u64>,
    answered: u64,
    is_ready: bool,
    told: mpsc::Receiver<Told>,
    task: AbortHandle,
}

impl Changes {
    /// Starts with the present; what is before it is not told.
    pub(crate) fn start(delta: Delta) -> Self {
        let (asked, questions) = watch::channel(0);
        let (tell, told) = mpsc::channel(QUEUE);
        let follower = Follower {
            delta,
            questions,
            tell,
            delay: FIRST_DELAY,
        };
        let task = tokio::spawn(async move {
            follower.run().await;
        });
        Self {
            asked,
            answered: 0,
            is_ready: false,
            told,
            task: task.abort_handle(),
        }
    }

    /// Whether a change from now on will be told.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether no question is open.
    pub(crate) fn is_done(&self) -> bool {
        self.answered == *self.asked.borrow()
    }

    pub(crate) fn ask(&self) {
        self.asked.send_modify(|asked| *asked += 1);
    }

    /// `None` when the task is gone, after it has failed.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        let told = self.told.recv().await?;
        match told {
            Told::Ready => self.is_ready = true,
            Told::Changes(_, question) => self.answered = question,
            _ => {}
        }
        Some(told)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follower {
    delta: Delta,
    questions: watch::Receiver<u64>,
    tell: mpsc::Sender<Told>,
    delay: Duration,
}

/// The output is gone, or the last word was said.
struct Over;

impl Follower {
    async fn run(mut self) -> Option<Over> {
        let mut since = self.latest().await.ok()?;
        self.tell.send(Told::Ready).await.ok()?;
        loop {
            self.questions.changed().await.ok()?;
            // Those that come while this one is under way make one more.
            since = self.answer(since).await.ok()?;
        }
    }

    async fn latest(&mut self) -> Result<DeltaLink, Over> {
        loop {
            match self.delta.latest().await {
                Ok(link) => {
                    self.delay = FIRST_DELAY;
                    return Ok(link);
                }
                Err(error) => self.failed(error).await?,
            }
        }
    }

    async fn answer(&mut self, mut since: DeltaLink) -> Result<DeltaLink, Over> {
        loop {
            let question = *self.questions.borrow_and_update();
            match self.delta.changes(Some(&since)).collect().await {
                Ok(collected) => {
                    self.delay = FIRST_DELAY;
                    let told = Told::Changes(collected.changes, question);
                    self.tell.send(told).await.map_err(|_| Over)?;
                    return Ok(collected.delta_link);
                }
                Err(error @ DeltaError::Resync { .. }) => {
                    since = self.latest().await?;
                    self.tell.send(Told::Lost(error)).await.map_err(|_| Over)?;
                }
                Err(error) => self.failed(error).await?,
            }
        }
    }

    /// Waits, if that may help.
    async fn failed(&mut self, error: DeltaError) -> Result<(), Over> {
        if !error.is_retryable() {
            self.tell.send(Told::Failed(error)).await.ok();
            return Err(Over);
        }
        let wait = match error.retry_after() {
            Some(wait) => wait.min(LONGEST_RETRY_AFTER),
            None => {
                let wait = self.delay;
                self.delay = (wait * 2).min(LONGEST_DELAY);
                wait
            }
        };
        let told = Told::Unknown(error, wait);
        self.tell.send(told).await.map_err(|_| Over)?;
        tokio::time::sleep_until(Instant::now() + wait).await;
        Ok(())
    }
}
