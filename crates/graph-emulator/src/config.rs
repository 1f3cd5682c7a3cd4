//! What an emulator is started with, and the part of it that can change while it runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an [`Emulator`](crate::Emulator) is started with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EmulatorConfig {
    /// Port of the Graph endpoints and the relay on 127.0.0.1; `0`, the default, takes a free one.
    pub port: u16,
    /// Port of the HTTP control API on 127.0.0.1; `None`, the default, opens none; `Some(0)` takes a free one.
    pub control_port: Option<u16>,
    /// Engine.IO ping interval that the relay announces and keeps; 25 s by default.
    pub ping_interval: Duration,
    /// Engine.IO ping timeout that the relay announces and keeps; 20 s by default.
    pub ping_timeout: Duration,
    /// The part that can change later.
    pub settings: Settings,
}

impl Default for EmulatorConfig {
    fn default() -> Self {
        Self {
            port: 0,
            control_port: None,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            settings: Settings::default(),
        }
    }
}

/// How the emulator behaves from now on; change it with [`Control::update`](crate::Control::update).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The bearer token that Graph requests must carry. By default a fresh random one.
    pub token: String,
    /// Which of the two forms a `notificationUrl` takes.
    pub url_form: UrlForm,
    /// Which fields a Graph answer has.
    pub answer: AnswerShape,
    /// How long the credential of a subscription works, in milliseconds; `None` is for ever. One hour by default.
    ///
    /// Afterwards its connections are closed and the credential is refused.
    pub lifetime_ms: Option<u64>,
    /// Whether the answer states that lifetime as `expirationDateTime` ([`AnswerShape::Field`] only); true by default.
    pub announce_expiration: bool,
    /// Where the credential is checked.
    pub credential_check: CredentialCheck,
    /// Whether the polling transport is served; true by default. The real relay does not serve it.
    pub polling: bool,
    /// Whether the WebSocket transport is served; true by default.
    pub websocket: bool,
    /// Whether the reply to a namespace CONNECT carries its `{"sid":…}` object; true by default.
    pub connect_reply_sid: bool,
    /// More paths that answer like the documented ones, each complete but for `/v1.0` or `/beta`; none by default.
    pub custom_paths: Vec<String>,
    /// How many items a page of a delta query has at most; 3 by default, so that there are pages.
    pub delta_page_size: usize,
    /// Scheme and authority to put into a `notificationUrl` in place of the emulator's own, for a proxy in front of it.
    pub relay_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: random_token(),
            url_form: UrlForm::Split,
            answer: AnswerShape::Field,
            lifetime_ms: Some(3_600_000),
            announce_expiration: true,
            credential_check: CredentialCheck::Handshake,
            polling: true,
            websocket: true,
            connect_reply_sid: true,
            custom_paths: Vec::new(),
            delta_page_size: 3,
            relay_url: None,
        }
    }
}

fn random_token() -> String {
    format!("emulator-{:016x}", fastrand::u64(..))
}

/// Which of the two known forms a `notificationUrl` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UrlForm {
    /// `http://host/zbaehwg/callback?snthgk=…`, the form of Microsoft's documentation.
    Split,
    /// `http://host/notifications?token=…&applicationId=…`, the form seen in the field.
    Direct,
}

/// Which fields a Graph answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnswerShape {
    /// `id` and `notificationUrl`, as documented.
    Documented,
    /// Also `@odata.context`, `clientState` and `expirationDateTime`, as seen in the field.
    Field,
}

/// Where the relay checks the credential in the engine query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialCheck {
    /// At each HTTP request: an unknown one gets `403` with the Engine.IO error code 4.
    Handshake,
    /// At the namespace CONNECT only: an unknown one gets a CONNECT_ERROR packet (`44`).
    Namespace,
}
