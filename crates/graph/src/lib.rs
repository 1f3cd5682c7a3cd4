//! Near-real-time notifications of changes in OneDrive and SharePoint drives and lists, from
//! Microsoft Graph, without a public webhook endpoint.
//!
//! Microsoft Graph hands out a `notificationUrl`, and a Socket.IO server behind it says that
//! something changed, within seconds. A notification is a tap on the shoulder: what changed is then
//! read with a `delta` query, for which there is [`Delta`]; see the module [`delta`], with an example.
//!
//! ```no_run
//! # async fn run_delta() {}
//! # async fn example(provider: impl graph_notifications::TokenProvider) -> Result<(), Box<dyn std::error::Error>> {
//! use futures_util::StreamExt as _;
//! use graph_notifications::{Resource, Watch, WatchEvent};
//!
//! let mut watch = Watch::builder(Resource::drive("b!…")).token(provider).connect().await?;
//! while let Some(event) = watch.next().await {
//!     match event? {
//!         WatchEvent::Resync(_) | WatchEvent::Notification(_) => run_delta().await,
//!         WatchEvent::Down { .. } => {}
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Watch`] renews the subscription before it expires, without a gap, replaces what breaks, and
//! never lies about coverage: after any gap there is a [`WatchEvent::Resync`].
//!
//! Below it, each usable alone: [`SubscriptionRequest`] asks Graph for a URL once,
//! [`NotificationUrl`] takes one apart, [`connect`] makes one connection, and [`Notification`]
//! reads what arrives.
//!
//! Access tokens come from a [`TokenProvider`]. [`DeviceCode`] is one that signs a person in without
//! a browser on the machine, and refreshes the tokens.
//!
//! # Secrets
//!
//! Access tokens and the query of a `notificationUrl` are credentials. They are in no error, no
//! `Debug` text and no log of this crate, travel over TLS only (but to loopback hosts, if that is
//! asked for), and are never sent to where a redirect points. The same holds of delta links, and the
//! token is sent to no link that leads away from the cloud. The libraries below log none of them either, at
//! any level.

mod client;
mod cloud;
mod connection;
pub mod delta;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod login;
mod notification;
mod notification_url;
mod resource;
mod subscription;
mod text;
mod token;
mod watch;

pub use client::SendError;
pub use cloud::{ApiVersion, BaseUrl, BaseUrlError, Cloud, PlainHttp};
pub use connection::{ConnectOptions, ConnectionError, Notifications, TransportMode, connect};
pub use delta::{
    Change, ChangeKind, Changes, Collected, Delta, DeltaBuilder, DeltaError, DeltaLink,
    DeltaLinkError, LinkOrigin, Page, ResyncMode,
};
pub use engineio::Version as EngineIo;
pub use error::{BadAnswer, ErrorAnswer, GraphError, TransportFailure, TransportFailureKind};
pub use login::{
    DeviceCode, DeviceCodeBuilder, Login, LoginAnswer, LoginError, PendingLogin, RefreshTokens,
};
pub use notification::{Entry, Notification};
pub use notification_url::{NotificationUrl, NotificationUrlError, Recipe, UrlOptions};
pub use resource::{Resource, ResourceError};
pub use subscription::{Subscription, SubscriptionRequest};
pub use token::{
    AccessToken, BoxFuture, StaticToken, TokenError, TokenFn, TokenProvider, TokenRequest, token_fn,
};
pub use watch::{
    FromResource, FromUrl, ResyncReason, Watch, WatchBuilder, WatchConfig, WatchError, WatchEvent,
    WatchSource, Watches,
};

// Types of other crates that appear in this one's.
pub use engineio::client::{Http, HttpBuilder, HttpError};
pub use engineio::{CloseReason, ErrorCode, Refusal};
pub use secrecy::{ExposeSecret, SecretString};
pub use socketio::Reconnection;

/// The examples of the workspace's README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
