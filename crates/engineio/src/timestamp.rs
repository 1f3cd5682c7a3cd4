//! The query parameter that defeats caches.

use crate::endpoint::{Endpoint, EndpointError, reserved};
use crate::transport::Transport;

/// Which requests carry a value that no other one has, and by what name, so that no cache between client and server
/// answers them. Servers ignore it. Default: `t`, on polling only; a WebSocket handshake is never cached.
///
/// ```
/// use engineio::{Config, Timestamp};
///
/// let mut config = Config::default();
/// config.timestamp = Timestamp::always().with_parameter("ts")?;
/// # Ok::<(), engineio::EndpointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    when: When,
    parameter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Polling,
    Always,
    Never,
}

impl Timestamp {
    /// On polling requests only.
    #[must_use]
    pub fn on_polling() -> Self {
        Self::new(When::Polling)
    }

    /// On every request, WebSocket handshakes included.
    #[must_use]
    pub fn always() -> Self {
        Self::new(When::Always)
    }

    /// On none.
    #[must_use]
    pub fn never() -> Self {
        Self::new(When::Never)
    }

    fn new(when: When) -> Self {
        Self {
            when,
            parameter: "t".to_owned(),
        }
    }

    /// By this name instead of `t`. It is percent-encoded where it has to be.
    ///
    /// # Errors
    ///
    /// The names of the protocol's own parameters (`EIO`, `transport`, `sid`, `b64`), and over-long ones.
    pub fn with_parameter(mut self, name: &str) -> Result<Self, EndpointError> {
        if let Some(name) = reserved(name).or((name == "b64").then_some("b64")) {
            return Err(EndpointError::Reserved(name));
        }
        if name.len() > Endpoint::MAX_LEN {
            return Err(EndpointError::TooLong);
        }
        self.parameter = name.to_owned();
        Ok(self)
    }

    /// The parameter's name on requests of this transport, if they carry it.
    #[must_use]
    pub fn parameter(&self, transport: Transport) -> Option<&str> {
        let wanted = match self.when {
            When::Polling => transport == Transport::Polling,
            When::Always => true,
            When::Never => false,
        };
        wanted.then_some(self.parameter.as_str())
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::on_polling()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_parameter_is_sent_where_it_is_wanted() {
        let named = Timestamp::always().with_parameter("ts").unwrap();
        for (timestamp, polling, websocket) in [
            (Timestamp::default(), Some("t"), None),
            (Timestamp::on_polling(), Some("t"), None),
            (Timestamp::always(), Some("t"), Some("t")),
            (Timestamp::never(), None, None),
            (named, Some("ts"), Some("ts")),
        ] {
            assert_eq!(timestamp.parameter(Transport::Polling), polling);
            assert_eq!(timestamp.parameter(Transport::WebSocket), websocket);
        }
    }

    #[test]
    fn the_timestamp_parameter_is_none_of_the_protocol_s() {
        for name in ["EIO", "transport", "sid", "b64"] {
            assert_eq!(
                Timestamp::always().with_parameter(name),
                Err(EndpointError::Reserved(name))
            );
        }
        let long = "x".repeat(Endpoint::MAX_LEN + 1);
        assert_eq!(
            Timestamp::always().with_parameter(&long),
            Err(EndpointError::TooLong)
        );
    }
}
