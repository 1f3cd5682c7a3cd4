//! Going from page to page, and the requests for them.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::client::{Response, ask_for_token, get};
use crate::delta::Delta;
use crate::delta::change::Change;
use crate::delta::error::{DeltaError, LinkOrigin};
use crate::delta::link::{DeltaLink, secrets_of};
use crate::delta::page::{Context, Next, Page};
use crate::token::{AccessToken, TokenRequest};

/// The changes of one query, read by the page; made by [`Delta::changes`].
///
/// Nothing happens until the first page is asked for. After an error it stands where it stood: what
/// may pass is tried again by asking once more, without losing or repeating a page.
pub struct Changes {
    delta: Delta,
    state: State,
    pages: usize,
    /// The links that were followed.
    followed: HashSet<u64>,
}

enum State {
    /// At the beginning of all there is, or of the present.
    Start { latest: bool },
    /// Before a page that is not the first, or at a link that was given.
    At(DeltaLink),
    /// All pages were read, and this is where to go on another time.
    Done(DeltaLink),
}

/// All the changes of a query, from [`Changes::collect`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Collected {
    /// The changes in their order, each item once, as it is now.
    pub changes: Vec<Change>,
    /// Where to go on next time.
    pub delta_link: DeltaLink,
}

impl Changes {
    pub(super) fn since(delta: Delta, since: Option<&DeltaLink>) -> Self {
        Self::new(
            delta,
            match since {
                Some(link) => State::At(link.clone()),
                None => State::Start { latest: false },
            },
        )
    }

    pub(super) fn latest(delta: Delta) -> Self {
        Self::new(delta, State::Start { latest: true })
    }

    fn new(delta: Delta, state: State) -> Self {
        Self {
            delta,
            state,
            pages: 0,
            followed: HashSet::new(),
        }
    }

    /// The next page; `None` after the last one.
    ///
    /// Dropping the future loses nothing: the same page is then asked for again.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Resync`] asks for a query of its own from where it says. What
    /// [`DeltaError::is_retryable`] says so of is worth another call, after
    /// [`DeltaError::retry_after`] or a pause of your own: this method never waits by itself. A `401`
    /// has already been answered with a fresh token once.
    pub async fn next_page(&mut self) -> Result<Option<Page>, DeltaError> {
        let inner = &self.delta.0;
        let url = match &self.state {
            State::Start { latest: false } => inner.url.clone(),
            State::Start { latest: true } => format!("{}?token=latest", inner.url),
            State::At(link) if link.belongs_to(&inner.base_url) => link.expose().to_owned(),
            State::At(_) => {
                // Those of answers were checked when they came.
                return Err(DeltaError::ForeignLink {
                    origin: LinkOrigin::Given,
                });
            }
            State::Done(_) => return Ok(None),
        };
        if self.pages >= inner.limits.max_pages {
            return Err(DeltaError::TooManyPages {
                limit: inner.limits.max_pages,
            });
        }
        let (changes, next) = self.delta.page(&url).await?;
        if let State::At(link) = &self.state {
            self.followed.insert(link.fingerprint());
        }
        let is_last = match next {
            Next::Page(link) if self.followed.contains(&link.fingerprint()) => {
                return Err(DeltaError::PageLoop);
            }
            Next::Page(link) => {
                self.state = State::At(link);
                false
            }
            Next::Done(link) => {
                self.state = State::Done(link);
                true
            }
        };
        self.pages += 1;
        tracing::debug!(
            page = self.pages,
            changes = changes.len(),
            is_last,
            "delta page"
        );
        Ok(Some(Page { changes, is_last }))
    }

    /// Where to go on another time, once the last page was read: to be kept, and given to
    /// [`Delta::changes`].
    ///
    /// Keep it after the changes were dealt with, not before.
    #[must_use]
    pub fn delta_link(&self) -> Option<&DeltaLink> {
        match &self.state {
            State::Done(link) => Some(link),
            State::Start { .. } | State::At(_) => None,
        }
    }

    /// Where it stands now: the next page's link, or the delta link after the last page; `None`
    /// before the first page of a query without a link.
    ///
    /// A long enumeration that is kept page by page can go on from here after a restart of the
    /// program.
    #[must_use]
    pub fn position(&self) -> Option<&DeltaLink> {
        match &self.state {
            State::At(link) | State::Done(link) => Some(link),
            State::Start { .. } => None,
        }
    }

    /// Reads all pages; of an item that came several times, the last one.
    ///
    /// For the few changes after a notification. It keeps all in memory, and an error loses what it
    /// has: for the contents of a large drive take [`Changes::next_page`].
    ///
    /// # Errors
    ///
    /// Those of [`Changes::next_page`], and [`DeltaError::TooManyChanges`].
    pub async fn collect(mut self) -> Result<Collected, DeltaError> {
        let limit = self.delta.0.limits.max_collected;
        let mut changes = Vec::new();
        let mut total = 0;
        while let Some(page) = self.next_page().await? {
            total += page.changes.len();
            if total > limit {
                return Err(DeltaError::TooManyChanges { limit });
            }
            changes.extend(page.changes);
        }
        match self.state {
            State::Done(delta_link) => Ok(Collected {
                changes: last_of_each(changes),
                delta_link,
            }),
            State::Start { .. } | State::At(_) => Err(DeltaError::NoLink),
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("pages", &self.pages)
            .field("is_done", &matches!(self.state, State::Done(_)))
            .finish_non_exhaustive()
    }
}

impl Delta {
    /// One page; a refused token is replaced once.
    async fn page(&self, url: &str) -> Result<(Vec<Change>, Next), DeltaError> {
        let (response, token) = self.ask(url, TokenRequest::any()).await?;
        let (response, token) = if response.answer().status == 401 {
            self.ask(url, TokenRequest::fresh()).await?
        } else {
            (response, token)
        };
        let mut secrets = secrets_of(url);
        secrets.push(token.expose().to_owned());
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let context = Context {
            base_url: &self.0.base_url,
            url,
            secrets: &secrets,
            max_page_bytes: self.0.limits.max_page_bytes,
        };
        let location = response.header("location");
        context.read(&response.answer(), location, response.received)
    }

    async fn ask(
        &self,
        url: &str,
        request: TokenRequest,
    ) -> Result<(Response, AccessToken), DeltaError> {
        let inner = &self.0;
        let limits = &inner.limits;
        let token = ask_for_token(&*inner.provider, request, limits.token_timeout).await?;
        let mut secrets = secrets_of(url);
        secrets.push(token.expose().to_owned());
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let response = get(
            &inner.http,
            url,
            &token,
            limits.request_timeout,
            limits.max_page_bytes,
            &secrets,
        )
        .await?;
        Ok((response, token))
    }
}

/// Each item once, where it came last; what has no id cannot be told apart, and stays.
fn last_of_each(changes: Vec<Change>) -> Vec<Change> {
    let mut last = HashMap::new();
    for (index, change) in changes.iter().enumerate() {
        if let Some(id) = &change.id {
            last.insert(id.clone(), index);
        }
    }
    let counts = |index: usize, change: &Change| match &change.id {
        Some(id) => last.get(id) == Some(&index),
        None => true,
    };
    let numbered = changes.into_iter().enumerate();
    numbered
        .filter(|(index, change)| counts(*index, change))
        .map(|(_, change)| change)
        .collect()
}
