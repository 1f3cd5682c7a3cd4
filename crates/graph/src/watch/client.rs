//! Joins the state machine of the watch to the clock, to Graph and to its connections.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use engineio::client::{Http, now};
use futures_core::Stream as _;
use tokio::time::Sleep;

use crate::EngineIo;
use crate::client::{SendError, ask_for_token};
use crate::connection::{ConnectOptions, ConnectionError, Notifications};
use crate::notification_url::NotificationUrl;
use crate::subscription::SubscriptionRequest;
use crate::token::{BoxFuture, TokenProvider, TokenRequest};
use crate::watch::config::WatchConfig;
use crate::watch::event::WatchError;
use crate::watch::machine::{Action, ConnectionId, Event, Grant, Input, Machine, Source};
use crate::watch::{End, Shared};

/// The timer's clock stops while the computer sleeps, and ours does not: look at ours this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How many rounds are made before other tasks get a chance.
const ROUNDS: usize = 64;

/// How long connections may take to close before they are dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The task of a watch.
pub(super) struct Driver {
    machine: Machine,
    shared: Arc<Shared>,
    fetcher: Option<Arc<Fetcher>>,
    connect_options: ConnectOptions,
    /// The revision that the last connection has found out: the next one need not.
    engine_io: Option<EngineIo>,
    fetch: Option<BoxFuture<'static, Result<Grant, WatchError>>>,
    links: Vec<Link>,
    /// Made when it is first needed: without a timer in the runtime, that ends the task and no more.
    timer: Option<Pin<Box<Sleep>>>,
    /// When the last connections are dropped, once nothing but closing them is left to do.
    give_up_at: Option<Instant>,
}

struct Link {
    id: ConnectionId,
    state: LinkState,
    /// Whether all has arrived that was sent before the connection was replaced.
    caught_up: Option<BoxFuture<'static, bool>>,
}

enum LinkState {
    Opening(BoxFuture<'static, Result<Notifications, ConnectionError>>),
    Up(Notifications),
    /// Over: to be removed.
    Gone,
}

impl Driver {
    pub(super) fn new(
        config: WatchConfig,
        source: Source,
        fetcher: Option<Arc<Fetcher>>,
        connect_options: ConnectOptions,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            machine: Machine::new(config, source, now(), fastrand::u64(..)),
            shared,
            fetcher,
            connect_options,
            engine_io: None,
            fetch: None,
            links: Vec::new(),
            timer: None,
            give_up_at: None,
        }
    }

    /// Runs until the watch has failed or is closed. Dropping the future drops the connections.
    pub(super) async fn run(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.driver.register(cx.waker());
        if self.shared.lock().closing && self.give_up_at.is_none() {
            self.fetch = None;
            self.links.iter_mut().for_each(Link::close);
            self.give_up_at = Some(now() + CLOSE_TIMEOUT);
        }
        for _ in 0..ROUNDS {
            self.obey();
            let now = now();
            let is_busy = self.poll_io(cx, now);
            let is_done = self
                .give_up_at
                .is_some_and(|at| at <= now || (!is_busy && self.links.is_empty()));
            if is_done {
                return Poll::Ready(());
            }
            // A flood does not stop the clock.
            if self.machine.poll_timeout().is_some_and(|at| at <= now) {
                self.machine.handle_timeout(now);
                continue;
            }
            if is_busy {
                continue;
            }
            if self.poll_timer(cx, now).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does what the machine asks for.
    fn obey(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Watch(event) => {
                    tracing::debug!(event = event.name(), "watch");
                    self.shared.push(event);
                }
                Event::Failed(error) => {
                    tracing::debug!(%error, "watch failed");
                    self.shared.end(End::Failed(error));
                    self.give_up_at = Some(now() + CLOSE_TIMEOUT);
                }
            }
        }
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Close(id) => {
                    if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
                        link.close();
                    }
                }
                Action::CatchUp(id) => {
                    if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
                        link.catch_up();
                    }
                }
                // Closing: nothing new is begun.
                _ if self.give_up_at.is_some() => {}
                Action::FetchUrl { fresh_token } => {
                    if let Some(fetcher) = &self.fetcher {
                        self.fetch = Some(Box::pin(fetcher.clone().fetch(fresh_token)));
                    }
                }
                Action::Open(id, url) => {
                    tracing::debug!(endpoint = url.endpoint(), "connecting");
                    let mut options = self.connect_options.clone();
                    options.engine_io = self.engine_io.unwrap_or(options.engine_io);
                    let connecting = open(url, options);
                    let state = LinkState::Opening(Box::pin(connecting));
                    self.links.push(Link {
                        id,
                        state,
                        caught_up: None,
                    });
                }
            }
        }
    }

    /// Whether anything happened.
    fn poll_io(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut busy = false;
        if let Some(fetch) = &mut self.fetch
            && let Poll::Ready(outcome) = fetch.as_mut().poll(cx)
        {
            self.fetch = None;
            self.machine.handle_input(now, Input::Fetched(outcome));
            busy = true;
        }
        for link in &mut self.links {
            if let Poll::Ready(input) = link.poll(cx) {
                busy = true;
                if let Some(input) = input {
                    match (&input, &link.state) {
                        (Input::Opened(_), LinkState::Up(notifications)) => {
                            self.engine_io = Some(notifications.engine_io());
                        }
                        (Input::Ended(_, error), _) if error.questions_engine_io() => {
                            self.engine_io = None;
                        }
                        _ => {}
                    }
                    self.machine.handle_input(now, input);
                }
            }
        }
        self.links
            .retain(|link| !matches!(link.state, LinkState::Gone));
        busy
    }

    /// Ready when it is worth another look at the clock.
    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let deadline = match self.give_up_at {
            Some(at) => Some(at),
            None => self.machine.poll_timeout(),
        };
        let delay = deadline.map_or(LONGEST_SLEEP, |at| at.saturating_duration_since(now));
        let wake_at = tokio::time::Instant::now() + delay.min(LONGEST_SLEEP);
        let timer = self.timer.get_or_insert_with(|| Box::pin(timer()));
        timer.as_mut().reset(wake_at);
        timer.as_mut().poll(cx)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let closing = self.shared.lock().closing;
        self.shared.end(if closing {
            End::Ended
        } else {
            End::Failed(WatchError::Stopped)
        });
    }
}

impl Link {
    fn catch_up(&mut self) {
        if let LinkState::Up(notifications) = &self.state {
            self.caught_up = Some(notifications.caught_up());
        }
    }

    /// Takes leave of the server; what still arrives is delivered.
    fn close(&mut self) {
        match &mut self.state {
            LinkState::Up(notifications) => notifications.close(),
            LinkState::Opening(_) | LinkState::Gone => self.state = LinkState::Gone,
        }
    }

    /// Ready without an input when a closed connection is gone, of which nobody needs to hear.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Input>> {
        let input = match &mut self.state {
            LinkState::Opening(opening) => match std::task::ready!(opening.as_mut().poll(cx)) {
                Ok(notifications) => {
                    self.state = LinkState::Up(notifications);
                    return Poll::Ready(Some(Input::Opened(self.id)));
                }
                Err(error) => Some(Input::Ended(self.id, error)),
            },
            LinkState::Up(notifications) => {
                match Pin::new(notifications).poll_next(cx) {
                    Poll::Ready(Some(Ok(notification))) => {
                        return Poll::Ready(Some(Input::Notified(notification)));
                    }
                    Poll::Ready(Some(Err(error))) => Some(Input::Ended(self.id, error)),
                    Poll::Ready(None) => None,
                    // Nothing is left to be read.
                    Poll::Pending => return self.poll_caught_up(cx).map(Some),
                }
            }
            LinkState::Gone => return Poll::Pending,
        };
        self.state = LinkState::Gone;
        Poll::Ready(input)
    }

    /// A connection that ends first is told as such.
    fn poll_caught_up(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if let Some(caught_up) = &mut self.caught_up
            && let Poll::Ready(caught_up) = caught_up.as_mut().poll(cx)
        {
            self.caught_up = None;
            if caught_up {
                return Poll::Ready(Input::CaughtUp(self.id));
            }
        }
        Poll::Pending
    }
}

async fn open(
    url: NotificationUrl,
    options: ConnectOptions,
) -> Result<Notifications, ConnectionError> {
    options.connect(&url).await
}

/// Gets URLs from Graph.
pub(super) struct Fetcher {
    pub(super) provider: Arc<dyn TokenProvider>,
    pub(super) token_timeout: Duration,
    pub(super) request: SubscriptionRequest,
    pub(super) http: Http,
}

impl Fetcher {
    async fn fetch(self: Arc<Self>, fresh_token: bool) -> Result<Grant, WatchError> {
        let request = if fresh_token {
            TokenRequest::fresh()
        } else {
            TokenRequest::any()
        };
        let token = ask_for_token(&*self.provider, request, self.token_timeout).await?;
        match self.request.send(&self.http, &token).await {
            Ok(subscription) => {
                tracing::debug!(lifetime = ?subscription.lifetime, "got a notification URL");
                Ok(Grant {
                    url: subscription.notification_url,
                    lifetime: subscription.lifetime,
                })
            }
            Err(SendError::Graph(error)) => Err(error.into()),
            Err(SendError::Resource(error)) => Err(error.into()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one timer of the watch; it is set anew before each wait"
)]
fn timer() -> Sleep {
    tokio::time::sleep(LONGEST_SLEEP)
}
