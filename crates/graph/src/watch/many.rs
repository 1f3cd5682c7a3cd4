//! Many watches as one stream.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use futures_util::future::join_all;
use futures_util::stream::SelectAll;

use super::{Watch, WatchError, WatchEvent};

/// Many watches, each under a key of the program's own: one stream of what any of them reports.
///
/// Watches come and go while the stream is read. One that has failed reports its error and is
/// gone; the others go on. None of them can keep another one waiting: each is asked only when it has
/// something to tell, and then in turn.
///
/// Share one [`Http`](crate::Http) and one token provider between them: then they share connections
/// to Graph, and a token is fetched once. Each watch is a WebSocket of its own to the service.
///
/// ```no_run
/// # async fn run_delta(drive: &str) {}
/// # async fn example(drives: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use futures_util::StreamExt as _;
/// use graph_notifications::{Http, Resource, StaticToken, TokenProvider, Watch, WatchEvent, Watches};
///
/// let http = Http::new()?;
/// let token: Arc<dyn TokenProvider> = Arc::new(StaticToken::new("…")?);
/// let mut watches = Watches::new();
/// for drive in drives {
///     let watch = Watch::builder(Resource::drive(drive.clone()))
///         .token(token.clone())
///         .http(http.clone());
///     watches.insert(drive, watch.start());
/// }
/// while let Some((drive, event)) = watches.next().await {
///     match event {
///         Ok(WatchEvent::Resync(_) | WatchEvent::Notification(_)) => run_delta(&drive).await,
///         Ok(_) => {}
///         Err(error) => eprintln!("{drive}: {error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Watches<K> {
    slots: HashMap<K, Arc<Slot>>,
    streams: SelectAll<Keyed<K>>,
}

/// Where a watch is, so that it can be taken out of the middle of a stream.
struct Slot(Mutex<Content>);

struct Content {
    watch: Option<Watch>,
    /// Wakes whoever has to find out that it is gone.
    reader: Option<Waker>,
}

/// One watch among the others.
struct Keyed<K> {
    key: K,
    slot: Arc<Slot>,
}

impl<K: Clone + Eq + Hash + Unpin> Watches<K> {
    /// No watch yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slots: HashMap::new(),
            streams: SelectAll::new(),
        }
    }

    /// Adds a watch, and gives back the one that had the key before.
    pub fn insert(&mut self, key: K, watch: Watch) -> Option<Watch> {
        let earlier = self.remove(&key);
        let slot = Arc::new(Slot::new(watch));
        self.slots.insert(key.clone(), slot.clone());
        self.streams.push(Keyed { key, slot });
        earlier
    }

    /// Takes a watch out; to drop it ends it, and [`Watch::close`] is the polite way.
    pub fn remove(&mut self, key: &K) -> Option<Watch> {
        self.slots.remove(key)?.take()
    }

    /// Whether there is a watch with this key that has not ended.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.slots.contains_key(key)
    }

    /// The keys of all watches that have not ended, in no particular order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.slots.keys()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Closes all of them gracefully and at the same time, which takes a few seconds at most. What
    /// has not been read is dropped.
    pub async fn close(mut self) {
        let watches = self.slots.drain().filter_map(|(_, slot)| slot.take());
        join_all(watches.map(Watch::close)).await;
    }
}

/// What any of them reports, with its key; `None` while there is no watch. It goes on when one is
/// inserted.
impl<K: Clone + Eq + Hash + Unpin> Stream for Watches<K> {
    type Item = (K, Result<WatchEvent, WatchError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let next = ready!(Pin::new(&mut this.streams).poll_next(cx));
            let Some((key, slot, report)) = next else {
                return Poll::Ready(None);
            };
            // Another watch may have the key by now.
            let present = this
                .slots
                .get(&key)
                .is_some_and(|present| Arc::ptr_eq(present, &slot));
            if !present {
                continue;
            }
            match report {
                Report::Event(event) => return Poll::Ready(Some((key, Ok(event)))),
                Report::End(error) => {
                    this.slots.remove(&key);
                    if let Some(error) = error {
                        return Poll::Ready(Some((key, Err(error))));
                    }
                }
            }
        }
    }
}

impl<K: Clone + Eq + Hash + Unpin> Default for Watches<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash + Unpin> Extend<(K, Watch)> for Watches<K> {
    fn extend<I: IntoIterator<Item = (K, Watch)>>(&mut self, watches: I) {
        for (key, watch) in watches {
            self.insert(key, watch);
        }
    }
}

/// Keys may be names of people's drives.
impl<K> fmt::Debug for Watches<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches")
            .field("len", &self.slots.len())
            .finish_non_exhaustive()
    }
}

/// What one watch has to tell.
enum Report {
    Event(WatchEvent),
    /// The last thing, and whether it was an error.
    End(Option<WatchError>),
}

impl Slot {
    fn new(watch: Watch) -> Self {
        Self(Mutex::new(Content {
            watch: Some(watch),
            reader: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // Nothing in here is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Watch> {
        let mut content = self.lock();
        if let Some(reader) = content.reader.take() {
            reader.wake();
        }
        content.watch.take()
    }
}

impl<K: Clone + Unpin> Stream for Keyed<K> {
    type Item = (K, Arc<Slot>, Report);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut content = self.slot.lock();
        let Some(watch) = &mut content.watch else {
            return Poll::Ready(None);
        };
        let Poll::Ready(next) = Pin::new(watch).poll_next(cx) else {
            content.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let report = match next {
            Some(Ok(event)) => Report::Event(event),
            Some(Err(error)) => Report::End(Some(error)),
            None => Report::End(None),
        };
        if matches!(report, Report::End(_)) {
            content.watch = None;
        }
        drop(content);
        Poll::Ready(Some((self.key.clone(), self.slot.clone(), report)))
    }
}
