//! The watch: notifications for as long as the application wants them, and the truth about gaps.

mod backlog;
mod builder;
mod client;
mod config;
mod event;
mod machine;
mod many;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use futures_util::task::AtomicWaker;

use crate::notification_url::NotificationUrl;
use crate::resource::Resource;
use backlog::Backlog;

pub use builder::{FromResource, FromUrl, WatchBuilder, WatchSource};
pub use config::WatchConfig;
pub use event::{ResyncReason, WatchError, WatchEvent};
pub use many::Watches;

/// A stream of "something changed" that renews its subscription and tells about every gap.
///
/// It fetches a `notificationUrl`, connects to it, replaces it before it expires (the new
/// connection is up before the old one is closed), and replaces whatever breaks, with backoff.
/// After an error, which is final, the stream ends.
///
/// Events that have not been read wait in a bounded queue. When it is full, the notifications in it
/// make room for one [`ResyncReason::Lagged`]; that something changed is never lost.
///
/// One task does the work. Dropping the watch ends it and drops its connections;
/// [`Watch::close`] takes leave of the server first.
///
/// ```no_run
/// # async fn run_delta() {}
/// # async fn example(url: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use futures_util::StreamExt as _;
/// use graph_notifications::{NotificationUrl, Watch, WatchEvent};
///
/// let mut watch = Watch::for_url(NotificationUrl::parse(url)?).start();
/// while let Some(event) = watch.next().await {
///     match event? {
///         WatchEvent::Resync(_) | WatchEvent::Notification(_) => run_delta().await,
///         WatchEvent::Down { reason, retry_in } => println!("{reason}; again in {retry_in:?}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Watch {
    shared: Arc<Shared>,
    task: Option<tokio::task::AbortHandle>,
}

impl Watch {
    /// Settings for a watch of a resource.
    #[must_use]
    pub fn builder(resource: Resource) -> WatchBuilder<FromResource> {
        WatchBuilder::new(FromResource::new(resource))
    }

    /// Settings for a watch of a URL that is known already. No request to Graph is made.
    ///
    /// The URL cannot be replaced, so the watch lives as long as the URL: what breaks is tried
    /// again, and when the service refuses the URL, the watch ends.
    #[must_use]
    pub fn for_url(url: NotificationUrl) -> WatchBuilder<FromUrl> {
        WatchBuilder::new(FromUrl::new(url))
    }

    /// Closes the connections gracefully, which takes a few seconds at most. What has not been
    /// read is dropped.
    pub async fn close(mut self) {
        self.shared.lock().closing = true;
        self.shared.driver.wake();
        std::future::poll_fn(|cx| {
            loop {
                match self.shared.poll_next(cx) {
                    Poll::Ready(Some(_unread)) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        self.task = None;
    }

    /// Waits for the first coverage, dropping what is reported before it.
    async fn covered(&mut self) -> Result<(), WatchError> {
        std::future::poll_fn(|cx| {
            loop {
                match std::task::ready!(self.shared.poll_next(cx)) {
                    Some(Ok(
                        WatchEvent::Down { .. } | WatchEvent::Resync(ResyncReason::Safety),
                    )) => {}
                    Some(Ok(event)) => {
                        self.shared.lock().backlog.unpop(event);
                        return Poll::Ready(Ok(()));
                    }
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => return Poll::Ready(Err(WatchError::Stopped)),
                }
            }
        })
        .await
    }
}

impl Stream for Watch {
    type Item = Result<WatchEvent, WatchError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.poll_next(cx)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// What the application's side and the task have in common.
struct Shared {
    state: Mutex<State>,
    /// Wakes the task.
    driver: AtomicWaker,
}

struct State {
    backlog: Backlog,
    end: End,
    /// The application wants the watch to end.
    closing: bool,
    /// Wakes the application.
    reader: Option<Waker>,
}

/// What follows when the backlog has been read.
enum End {
    /// More events, once they come.
    Open,
    /// One error.
    Failed(WatchError),
    /// Nothing.
    Ended,
}

impl Shared {
    fn new(config: &WatchConfig) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                backlog: Backlog::new(config.max_queued_events, config.max_queued_bytes),
                end: End::Open,
                closing: false,
                reader: None,
            }),
            driver: AtomicWaker::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: WatchEvent) {
        let mut state = self.lock();
        state.backlog.push(event);
        state.wake();
    }

    fn end(&self, end: End) {
        let mut state = self.lock();
        if matches!(state.end, End::Open) {
            state.end = end;
            state.wake();
        }
    }

    fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Result<WatchEvent, WatchError>>> {
        let mut state = self.lock();
        if let Some(event) = state.backlog.pop() {
            return Poll::Ready(Some(Ok(event)));
        }
        if matches!(state.end, End::Open) {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        match std::mem::replace(&mut state.end, End::Ended) {
            End::Failed(error) => Poll::Ready(Some(Err(error))),
            End::Open | End::Ended => Poll::Ready(None),
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
