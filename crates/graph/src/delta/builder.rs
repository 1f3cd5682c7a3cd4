//! How a delta query is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engineio::client::Http;

use crate::cloud::{ApiVersion, Cloud};
use crate::delta::error::DeltaError;
use crate::delta::{Delta, Inner, path};
use crate::resource::Resource;
use crate::token::TokenProvider;

/// Settings of a [`Delta`], made by [`Delta::builder`].
#[derive(Clone)]
pub struct DeltaBuilder {
    resource: Resource,
    cloud: Cloud,
    version: ApiVersion,
    token: Option<Arc<dyn TokenProvider>>,
    http: Option<Http>,
    limits: Limits,
}

#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) request_timeout: Duration,
    pub(super) token_timeout: Duration,
    pub(super) max_page_bytes: usize,
    pub(super) max_pages: usize,
    pub(super) max_collected: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(60),
            token_timeout: Duration::from_secs(60),
            max_page_bytes: 16 * 1024 * 1024,
            max_pages: 100_000,
            max_collected: 100_000,
        }
    }
}

impl DeltaBuilder {
    pub(super) fn new(resource: Resource) -> Self {
        Self {
            resource,
            cloud: Cloud::default(),
            version: ApiVersion::default(),
            token: None,
            http: None,
            limits: Limits::default(),
        }
    }

    /// Who provides access tokens. There is no default.
    #[must_use]
    pub fn token(mut self, provider: impl TokenProvider) -> Self {
        self.token = Some(Arc::new(provider));
        self
    }

    /// Where Graph is, and the only place that the token is sent to. Default [`Cloud::Global`].
    ///
    /// The links in answers must lead to the same scheme, host and port. A gateway that passes on
    /// Graph's own links is therefore not possible.
    #[must_use]
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// Default [`ApiVersion::V1`].
    #[must_use]
    pub fn version(mut self, version: ApiVersion) -> Self {
        self.version = version;
        self
    }

    /// The HTTP stack: proxy, certificates and so on. Default: a new one with its defaults.
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.http = Some(http);
        self
    }

    /// The longest that one page may take. Default 60 seconds.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.limits.request_timeout = timeout;
        self
    }

    /// How long the token provider may take. Default 60 seconds.
    #[must_use]
    pub fn token_timeout(mut self, timeout: Duration) -> Self {
        self.limits.token_timeout = timeout;
        self
    }

    /// The longest page that is read, in bytes. Real pages have 200 items or so, and below 1 MiB.
    /// Default 16 MiB.
    #[must_use]
    pub fn max_page_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_page_bytes = bytes;
        self
    }

    /// How many pages one query may have, so that it ends whatever the peer does. Default 100,000,
    /// which is about 20 million items.
    #[must_use]
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.limits.max_pages = pages;
        self
    }

    /// How many changes [`Changes::collect`](crate::Changes::collect) gathers in memory. Default
    /// 100,000.
    #[must_use]
    pub fn max_collected(mut self, changes: usize) -> Self {
        self.limits.max_collected = changes;
        self
    }

    /// Checks the settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`DeltaError::Resource`] or [`DeltaError::UnsupportedResource`] if the resource has no delta
    /// query, [`DeltaError::NoToken`], or [`DeltaError::Http`].
    pub fn build(self) -> Result<Delta, DeltaError> {
        let path = path::of(&self.resource)?;
        let provider = self.token.ok_or(DeltaError::NoToken)?;
        let http = match self.http {
            Some(http) => http,
            None => Http::new().map_err(|error| DeltaError::Http(error.to_string()))?,
        };
        let base_url = self.cloud.versioned(self.version);
        Ok(Delta(Arc::new(Inner {
            url: format!("{base_url}{path}"),
            base_url,
            provider,
            http,
            limits: self.limits,
        })))
    }
}

impl fmt::Debug for DeltaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaBuilder")
            .field("resource", &self.resource)
            .field("cloud", &self.cloud)
            .field("version", &self.version)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
