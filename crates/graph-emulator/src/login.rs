//! The sign-in service: the device authorization grant (RFC 8628) as the Microsoft identity platform has it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{patch, post},
};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    control::Control,
    shared::{Shared, lock},
};

/// What becomes of the sign-ins that wait for a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginDecision {
    /// Nobody has entered the code yet: `authorization_pending`. The default.
    #[default]
    Pending,
    /// The person signs in: tokens.
    Approve,
    /// The person declines: `authorization_declined`.
    Decline,
    /// Nobody came in time: `expired_token`.
    Expire,
}

/// How the sign-in service behaves from now on; change it with [`Control::update_login`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginSettings {
    /// What the polls are told.
    pub decision: LoginDecision,
    /// So many of the next polls are told `slow_down`.
    pub slow_down: u32,
    /// `interval` of a code, in seconds; 5 by default.
    pub interval_s: u64,
    /// `expires_in` of a code, in seconds; 900 by default. Afterwards it is told `expired_token`.
    pub code_lifetime_s: u64,
    /// `expires_in` of an access token, in seconds; 3600 by default. Afterwards Graph does not accept it.
    pub token_lifetime_s: u64,
    /// Whether a refresh gives a new refresh token, and the old one is no longer good; true by default.
    pub rotate: bool,
    /// So many of the next refreshes are told `503`.
    pub busy: u32,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            decision: LoginDecision::Pending,
            slow_down: 0,
            interval_s: 5,
            code_lifetime_s: 900,
            token_lifetime_s: 3600,
            rotate: true,
            busy: 0,
        }
    }
}

/// What the sign-in service was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoginCounts {
    /// Codes handed out.
    pub codes: u64,
    /// Polls with a code, good or not.
    pub polls: u64,
    /// Refreshes, good or not.
    pub refreshes: u64,
}

/// What the service knows.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    settings: LoginSettings,
    counts: LoginCounts,
    /// Device codes and when they expire.
    codes: HashMap<String, Option<Instant>>,
    /// Access tokens, likewise.
    access: HashMap<String, Option<Instant>>,
    refresh: HashSet<String>,
}

impl Logins {
    /// Whether Graph accepts this access token.
    pub(crate) fn accepts(&self, token: Option<&str>) -> bool {
        let known = lock(&self.0);
        let expires = token.and_then(|token| known.access.get(token));
        expires.is_some_and(|expires| !is_over(*expires))
    }
}

/// The controls of the sign-in service, whose authority is [`Control::graph_url`].
impl Control {
    /// Changes how it behaves.
    pub fn update_login(&self, change: impl FnOnce(&mut LoginSettings)) {
        change(&mut lock(&self.shared.logins.0).settings);
    }

    /// From now on whoever has a code is signed in.
    pub fn approve_logins(&self) {
        self.update_login(|settings| settings.decision = LoginDecision::Approve);
    }

    /// From now on whoever has a code is told that the person declined.
    pub fn decline_logins(&self) {
        self.update_login(|settings| settings.decision = LoginDecision::Decline);
    }

    /// Makes Graph refuse all access tokens of sign-ins so far, and says how many there were.
    pub fn revoke_access_tokens(&self) -> usize {
        std::mem::take(&mut lock(&self.shared.logins.0).access).len()
    }

    /// Makes all refresh tokens so far `invalid_grant`, and says how many there were.
    pub fn revoke_refresh_tokens(&self) -> usize {
        std::mem::take(&mut lock(&self.shared.logins.0).refresh).len()
    }

    /// What was asked for so far.
    #[must_use]
    pub fn login_counts(&self) -> LoginCounts {
        lock(&self.shared.logins.0).counts
    }

    /// Waits, without a limit of its own, until the counters satisfy a condition.
    pub async fn wait_for_login(
        &self,
        mut condition: impl FnMut(&LoginCounts) -> bool,
    ) -> LoginCounts {
        self.wait_until(|_| condition(&self.login_counts())).await;
        self.login_counts()
    }
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device_code))
        .route("/{tenant}/oauth2/v2.0/token", post(token))
}

/// The controls over HTTP.
pub(crate) fn control_routes() -> Router<Control> {
    Router::new()
        .route("/control/login", patch(change))
        .route("/control/revoke", post(revoke))
}

async fn change(
    State(control): State<Control>,
    Json(changes): Json<Map<String, Value>>,
) -> Response {
    let mut known = lock(&control.shared.logins.0);
    let changed = serde_json::to_value(&known.settings).and_then(|mut all| {
        if let Some(all) = all.as_object_mut() {
            all.extend(changes);
        }
        serde_json::from_value(all)
    });
    match changed {
        Ok(settings) => {
            known.settings = settings;
            Json(json!({ "settings": known.settings, "counts": known.counts })).into_response()
        }
        Err(error) => {
            let body = json!({ "error": error.to_string() });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Revoke {
    access: bool,
    refresh: bool,
}

async fn revoke(State(control): State<Control>, Json(which): Json<Revoke>) -> Json<Value> {
    let mut affected = 0;
    if which.access {
        affected += control.revoke_access_tokens();
    }
    if which.refresh {
        affected += control.revoke_refresh_tokens();
    }
    Json(json!({ "affected": affected }))
}

async fn device_code(
    State(shared): State<Arc<Shared>>,
    Path(_tenant): Path<String>,
    body: String,
) -> Response {
    let form = form(&body);
    if field(&form, "client_id").is_empty() {
        return refusal("invalid_request", "AADSTS900144: client_id is missing.");
    }
    if field(&form, "scope").is_empty() {
        return refusal("invalid_request", "AADSTS900144: scope is missing.");
    }
    let mut known = lock(&shared.logins.0);
    known.counts.codes += 1;
    let lifetime = known.settings.code_lifetime_s;
    let device_code = format!("emulator-device-{}", random());
    let user_code = format!("{:09X}", fastrand::u64(0x1_0000_0000..0x10_0000_0000));
    known.codes.insert(device_code.clone(), after(lifetime));
    let uri = format!("{}/devicelogin", shared.base_url);
    let answer = json!({
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": uri,
        "expires_in": lifetime,
        "interval": known.settings.interval_s,
        "message": format!("To sign in, use a web browser to open the page {uri} and enter the code {user_code} to authenticate."),
    });
    drop(known);
    changed(&shared);
    Json(answer).into_response()
}

async fn token(
    State(shared): State<Arc<Shared>>,
    Path(_tenant): Path<String>,
    body: String,
) -> Response {
    let form = form(&body);
    let response = {
        let mut known = lock(&shared.logins.0);
        match field(&form, "grant_type") {
            _ if field(&form, "client_id").is_empty() => {
                refusal("invalid_request", "AADSTS900144: client_id is missing.")
            }
            "urn:ietf:params:oauth:grant-type:device_code" => {
                known.poll(field(&form, "device_code"))
            }
            "refresh_token" => known.refresh(field(&form, "refresh_token")),
            _ => refusal(
                "unsupported_grant_type",
                "AADSTS70003: unsupported grant type.",
            ),
        }
    };
    changed(&shared);
    response
}

/// Wakes [`Control::wait_until`], which looks again whenever a counter of the emulator was touched.
fn changed(shared: &Shared) {
    shared.recorder.count(|_| ());
}

impl Known {
    fn poll(&mut self, device_code: &str) -> Response {
        self.counts.polls += 1;
        let Some(expires) = self.codes.get(device_code) else {
            return refusal(
                "bad_verification_code",
                "AADSTS70020: the device code is unknown.",
            );
        };
        if self.settings.slow_down > 0 {
            self.settings.slow_down -= 1;
            return refusal("slow_down", "AADSTS70024: polls are too frequent.");
        }
        match self.settings.decision {
            LoginDecision::Expire => refusal("expired_token", "AADSTS70020: the code has expired."),
            _ if is_over(*expires) => {
                refusal("expired_token", "AADSTS70020: the code has expired.")
            }
            LoginDecision::Pending => refusal(
                "authorization_pending",
                "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending. Continue polling.\r\nTrace ID: emulator",
            ),
            LoginDecision::Decline => refusal(
                "authorization_declined",
                "AADSTS70000: the end user denied the request.",
            ),
            LoginDecision::Approve => {
                self.codes.remove(device_code);
                self.grant(true)
            }
        }
    }

    fn refresh(&mut self, refresh_token: &str) -> Response {
        self.counts.refreshes += 1;
        if self.settings.busy > 0 {
            self.settings.busy -= 1;
            return failure(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "AADSTS90033: a transient error has occurred.",
            );
        }
        if !self.refresh.contains(refresh_token) {
            // The real service repeats parts of what it was given, too.
            let what = format!("AADSTS700082: the refresh token {refresh_token} has expired.");
            return refusal("invalid_grant", &what);
        }
        if self.settings.rotate {
            self.refresh.remove(refresh_token);
        }
        self.grant(self.settings.rotate)
    }

    fn grant(&mut self, with_refresh_token: bool) -> Response {
        let access_token = format!("emulator-access-{}", random());
        let lifetime = self.settings.token_lifetime_s;
        self.access.insert(access_token.clone(), after(lifetime));
        let mut answer = json!({
            "token_type": "Bearer",
            "scope": "Files.Read.All",
            "expires_in": lifetime,
            "access_token": access_token,
        });
        if with_refresh_token {
            let refresh_token = format!("emulator-refresh-{}", random());
            answer["refresh_token"] = refresh_token.as_str().into();
            self.refresh.insert(refresh_token);
        }
        Json(answer).into_response()
    }
}

fn refusal(code: &str, description: &str) -> Response {
    failure(StatusCode::BAD_REQUEST, code, description)
}

fn failure(status: StatusCode, code: &str, description: &str) -> Response {
    let body = json!({ "error": code, "error_description": description });
    (status, Json(body)).into_response()
}

fn random() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// `None` is never.
fn after(seconds: u64) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(seconds))
}

fn is_over(expires: Option<Instant>) -> bool {
    expires.is_some_and(|expires| Instant::now() >= expires)
}

/// `application/x-www-form-urlencoded`.
fn form(body: &str) -> HashMap<String, String> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn field<'form>(form: &'form HashMap<String, String>, name: &str) -> &'form str {
    form.get(name).map_or("", String::as_str)
}
