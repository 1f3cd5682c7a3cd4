//! What has changed in a drive or list: the delta query, which a notification is the occasion for.
//!
//! A [`Watch`](crate::Watch) says *that* something changed. [`Delta`] says *what*. The loop of a
//! program that never misses a change:
//!
//! ```no_run
//! # async fn example(provider: std::sync::Arc<dyn graph_notifications::TokenProvider>) -> Result<(), Box<dyn std::error::Error>> {
//! use futures_util::StreamExt as _;
//! use graph_notifications::{Delta, DeltaError, Resource, Watch, WatchEvent};
//!
//! let drive = Resource::drive("b!…");
//! let delta = Delta::builder(drive.clone()).token(provider.clone()).build()?;
//! let mut since = delta.latest().await?; // or the link kept when the program ran last
//!
//! let mut watch = Watch::builder(drive).token(provider).connect().await?;
//! while let Some(event) = watch.next().await {
//!     match event? {
//!         WatchEvent::Resync(_) | WatchEvent::Notification(_) => {
//!             match delta.changes(Some(&since)).collect().await {
//!                 Ok(collected) => {
//!                     for change in collected.changes {
//!                         println!("{:?} deleted: {}", change.name, change.deleted);
//!                     }
//!                     since = collected.delta_link; // keep it now, not earlier
//!                 }
//!                 Err(DeltaError::Resync { how, restart, .. }) => {
//!                     // The link is too old: read all that is there, and compare.
//!                     println!("start over: {how:?}");
//!                     let mut all = delta.changes(restart.as_ref());
//!                     while let Some(page) = all.next_page().await? {
//!                         println!("{} items", page.changes.len());
//!                     }
//!                     since = all.delta_link().cloned().ok_or("no link")?;
//!                 }
//!                 // Nothing is lost: `since` still says where to go on. Ask again after
//!                 // `error.retry_after()`, or at the next event.
//!                 Err(error) if error.is_retryable() => eprintln!("{error}"),
//!                 Err(error) => return Err(error.into()),
//!             }
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Take the link ([`Delta::latest`]) *before* or at the first `Resync` of the watch: what changes
//! from then on is in one of the two.

mod builder;
mod change;
mod changes;
mod error;
mod link;
mod page;
mod path;

use std::fmt;
use std::sync::Arc;

use engineio::client::Http;

use crate::resource::Resource;
use crate::token::TokenProvider;

pub use self::builder::DeltaBuilder;
pub use self::change::{Change, ChangeKind};
pub use self::changes::{Changes, Collected};
pub use self::error::{DeltaError, LinkOrigin, ResyncMode};
pub use self::link::{DeltaLink, DeltaLinkError};
pub use self::page::Page;

use self::builder::Limits;
#[cfg(feature = "fuzzing")]
pub(crate) use self::page::fuzzed;

/// Asks Microsoft Graph what has changed in one drive or list.
///
/// Drives are asked at `…/root/delta`, lists at `…/items/delta`. Of [`Resource::custom`], paths of the
/// documented shapes have a delta query, such as `/sites/{site}/lists/{list}`.
///
/// It is a handle: cheap to clone, and without a state of its own. The links it gives and takes are
/// all there is to remember. The access token goes to the cloud that was set and nowhere else,
/// whatever a stored link or an answer says.
///
/// The [module](self) has an example: a watch and a delta query together.
#[derive(Clone)]
pub struct Delta(Arc<Inner>);

struct Inner {
    /// With the API version.
    base_url: String,
    /// Of the query that enumerates all.
    url: String,
    provider: Arc<dyn TokenProvider>,
    http: Http,
    limits: Limits,
}

impl Delta {
    /// The settings of queries for `resource`.
    pub fn builder(resource: Resource) -> DeltaBuilder {
        DeltaBuilder::new(resource)
    }

    /// Where to start without the past: what changes after this moment is in the
    /// [`Delta::changes`] since this link.
    ///
    /// # Errors
    ///
    /// Those of [`Changes::next_page`].
    pub async fn latest(&self) -> Result<DeltaLink, DeltaError> {
        let mut changes = Changes::latest(self.clone());
        while changes.next_page().await?.is_some() {}
        changes.delta_link().cloned().ok_or(DeltaError::NoLink)
    }

    /// What has changed since a link; with `None`, everything that is there.
    ///
    /// The link is one of [`Delta::latest`], [`Changes::delta_link`], [`Changes::position`] or
    /// [`DeltaError::Resync`], of the same resource: Graph takes any of its links, and answers for
    /// the resource that the link was made for.
    #[must_use]
    pub fn changes(&self, since: Option<&DeltaLink>) -> Changes {
        Changes::since(self.clone(), since)
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delta")
            .field("url", &self.0.url)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
