//! What it takes to open a link.

use std::sync::Arc;

use engineio::client::{Client, Http};
use engineio::{Transport, Version};
use http::HeaderMap;

use super::provider::{Dial, Provider};
use crate::error::ProviderError;
use crate::url::Target;

/// How links are opened: constant settings, and who provides the others.
pub(super) struct Dialer {
    pub(super) http: Http,
    pub(super) target: Target,
    pub(super) config: engineio::Config,
    /// Constant headers, if there are any.
    pub(super) headers: Option<Arc<HeaderMap>>,
    pub(super) provider: Option<Provider<Dial>>,
}

/// One link to be opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) version: Version,
    pub(super) attempt: u32,
    pub(super) websocket_first: bool,
}

impl Dialer {
    /// A link with the constant settings.
    pub(super) fn client(&self, call: Call) -> Client {
        self.open(call, &self.target, self.headers.clone())
    }

    /// A link with what was provided.
    pub(super) fn dial(&self, call: Call, dial: Dial) -> Result<Client, ProviderError> {
        let mut target = self.target.clone();
        if let Some(url) = dial.url {
            let provided = Target::parse(&url)?.with_exact_path(self.target.endpoint().path())?;
            let namespace = provided.namespace();
            if !namespace.is_root() && namespace != self.target.namespace() {
                return Err(ProviderError::OtherNamespace);
            }
            target = match (provided.endpoint().query(), target.endpoint().query()) {
                (None, Some(query)) => provided.with_query(query)?,
                _ => provided,
            };
        }
        if let Some(query) = dial.query {
            target = target.with_query(&query)?;
        }
        let mut headers = self.headers.clone();
        if !dial.headers.is_empty() {
            let headers = Arc::make_mut(headers.get_or_insert_default());
            for name in dial.headers.keys() {
                headers.remove(name);
            }
            headers.extend(dial.headers);
        }
        Ok(self.open(call, &target, headers))
    }

    fn open(&self, call: Call, target: &Target, headers: Option<Arc<HeaderMap>>) -> Client {
        let mut config = self.config.clone();
        config.version = call.version;
        // What was upgraded before begins where it ended. (A stable sort: the others keep their order.)
        if call.websocket_first {
            config
                .transports
                .sort_by_key(|transport| *transport != Transport::WebSocket);
        }
        let client = Client::new(self.http.clone(), target.endpoint().clone(), config);
        match headers {
            Some(headers) => client.with_shared_headers(headers),
            None => client,
        }
    }

    pub(super) fn first_transport(&self) -> Transport {
        let first = self.config.transports.first();
        first.copied().unwrap_or(Transport::Polling)
    }
}
