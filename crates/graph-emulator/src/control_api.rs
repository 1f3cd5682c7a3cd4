//! The controls over HTTP, for tests in other processes.
//!
//! It has a port of its own, because freezing or restarting the other one must not lock it out. All bodies are JSON;
//! every successful answer is a JSON object.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /control/info` | | `graph_url`, `token` |
//! | `GET /control/settings` | | the settings |
//! | `PATCH /control/settings` | the settings to change | all settings |
//! | `GET /control/counts` | | the counters |
//! | `GET /control/log` | | the log |
//! | `POST /control/wait` | `joined`, `websockets`, `connections` (exactly), `notifications`, `graph_requests`, `subscriptions` (at least), `timeout_ms` | the counters, or `408` |
//! | `POST /control/notify` | a notification, `{}` for the usual one | `number`, `receivers` |
//! | `POST /control/fail` | `times`, `failure` | the counters |
//! | `POST /control/refuse` | `times` | the counters |
//! | `POST /control/disconnect`, `close`, `expire` | | `affected` |
//! | `POST /control/cut`, `thaw`, `down`, `up` | | the counters |
//! | `POST /control/freeze` | `{"everything":true}` or `{}` | the counters |
//! | `POST /control/change` | an item: `id`, `name`, `folder`, `deleted`, `only_in` | `{}` |
//! | `POST /control/expire-delta` | `code`: `apply_differences`, `upload_differences` or `required` | `{}` |
//! | `PATCH /control/login` | the login settings to change, `{}` for none | `settings`, `counts` |
//! | `POST /control/revoke` | `access`, `refresh`: which tokens of sign-ins | `affected` |
//! | `POST /control/restart` | `down_ms` | the counters, once it is back |

use std::{io, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    config::Settings,
    control::Control,
    delta,
    failure::GraphFailure,
    log::{Counts, Log},
    login,
    notification::{Notification, Sent},
};

const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const DEFAULT_WAIT_MS: u64 = 30_000;

pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/control/info", get(info))
        .route("/control/settings", get(settings).patch(change_settings))
        .route("/control/counts", get(counts))
        .route("/control/log", get(log))
        .route("/control/wait", post(wait))
        .route("/control/notify", post(notify))
        .route("/control/fail", post(fail))
        .route("/control/refuse", post(refuse))
        .route("/control/disconnect", post(disconnect))
        .route("/control/close", post(close))
        .route("/control/expire", post(expire))
        .route("/control/cut", post(cut))
        .route("/control/freeze", post(freeze))
        .route("/control/thaw", post(thaw))
        .route("/control/down", post(down))
        .route("/control/up", post(up))
        .route("/control/restart", post(restart))
        .merge(delta::control_routes())
        .merge(login::control_routes())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(control)
}

/// What an HTTP control answers when it cannot do what was asked.
struct Failed(StatusCode, String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

#[derive(Serialize)]
struct Affected {
    affected: usize,
}

async fn info(State(control): State<Control>) -> Json<Value> {
    Json(json!({ "graph_url": control.graph_url(), "token": control.token() }))
}

async fn settings(State(control): State<Control>) -> Json<Settings> {
    Json(control.settings())
}

async fn change_settings(
    State(control): State<Control>,
    Json(changes): Json<Map<String, Value>>,
) -> Result<Json<Settings>, Failed> {
    let changed = control.shared.update_settings(|settings| {
        let mut all = serde_json::to_value(&*settings)?;
        if let Some(all) = all.as_object_mut() {
            all.extend(changes);
        }
        *settings = serde_json::from_value(all)?;
        Ok::<_, serde_json::Error>(settings.clone())
    });
    changed
        .map(Json)
        .map_err(|error| Failed(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

async fn counts(State(control): State<Control>) -> Json<Counts> {
    Json(control.counts())
}

async fn log(State(control): State<Control>) -> Json<Log> {
    Json(control.log())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    joined: Option<u64>,
    websockets: Option<u64>,
    connections: Option<u64>,
    #[serde(default)]
    notifications: u64,
    #[serde(default)]
    graph_requests: u64,
    #[serde(default)]
    subscriptions: u64,
    timeout_ms: Option<u64>,
}

async fn wait(
    State(control): State<Control>,
    Json(wait): Json<Wait>,
) -> Result<Json<Counts>, Failed> {
    let is_now = |wanted: Option<u64>, now: u64| wanted.is_none_or(|wanted| wanted == now);
    let reached = control.wait_until(|counts| {
        is_now(wait.joined, counts.joined.now)
            && is_now(wait.websockets, counts.websockets.now)
            && is_now(wait.connections, counts.connections.now)
            && counts.notifications >= wait.notifications
            && counts.graph_requests >= wait.graph_requests
            && counts.subscriptions >= wait.subscriptions
    });
    let limit = Duration::from_millis(wait.timeout_ms.unwrap_or(DEFAULT_WAIT_MS));
    match tokio::time::timeout(limit, reached).await {
        Ok(counts) => Ok(Json(counts)),
        Err(_) => Err(Failed(
            StatusCode::REQUEST_TIMEOUT,
            "it did not happen in time".to_owned(),
        )),
    }
}

async fn notify(
    State(control): State<Control>,
    Json(notification): Json<Notification>,
) -> Json<Sent> {
    Json(control.notify(&notification))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fail {
    #[serde(default = "once")]
    times: u32,
    failure: GraphFailure,
}

fn once() -> u32 {
    1
}

async fn fail(State(control): State<Control>, Json(fail): Json<Fail>) -> Json<Counts> {
    control.fail_next(
        usize::try_from(fail.times).unwrap_or(usize::MAX),
        fail.failure,
    );
    Json(control.counts())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refuse {
    #[serde(default = "once")]
    times: u32,
}

async fn refuse(State(control): State<Control>, Json(refuse): Json<Refuse>) -> Json<Counts> {
    control.refuse_connects(refuse.times);
    Json(control.counts())
}

async fn disconnect(State(control): State<Control>) -> Json<Affected> {
    Json(Affected {
        affected: control.disconnect_namespaces(),
    })
}

async fn close(State(control): State<Control>) -> Json<Affected> {
    Json(Affected {
        affected: control.close_connections(),
    })
}

async fn expire(State(control): State<Control>) -> Json<Affected> {
    Json(Affected {
        affected: control.expire_credentials(),
    })
}

async fn cut(State(control): State<Control>) -> Json<Counts> {
    control.cut_connections();
    Json(control.counts())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Freeze {
    #[serde(default)]
    everything: bool,
}

async fn freeze(State(control): State<Control>, Json(freeze): Json<Freeze>) -> Json<Counts> {
    if freeze.everything {
        control.freeze_everything();
    } else {
        control.freeze();
    }
    Json(control.counts())
}

async fn thaw(State(control): State<Control>) -> Json<Counts> {
    control.thaw();
    Json(control.counts())
}

async fn down(State(control): State<Control>) -> Result<Json<Counts>, Failed> {
    control.go_down().await?;
    Ok(Json(control.counts()))
}

async fn up(State(control): State<Control>) -> Result<Json<Counts>, Failed> {
    control.come_back().await?;
    Ok(Json(control.counts()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restart {
    #[serde(default)]
    down_ms: u64,
}

async fn restart(
    State(control): State<Control>,
    Json(restart): Json<Restart>,
) -> Result<Json<Counts>, Failed> {
    control
        .restart(Duration::from_millis(restart.down_ms))
        .await?;
    Ok(Json(control.counts()))
}
