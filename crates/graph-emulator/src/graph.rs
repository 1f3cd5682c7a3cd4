//! The Graph half: the request that hands out a `notificationUrl`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;

use crate::{
    config::Settings,
    delta,
    failure::{error, not_found, unauthorized},
    log::RequestRecord,
    shared::{Shared, lock},
    wire::LineId,
};

/// Writes every request into the log, the relay's too.
pub(crate) async fn record(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<LineId>,
    request: Request,
    next: Next,
) -> Response {
    shared.recorder.request(RequestRecord {
        connection: line.0,
        method: request.method().to_string(),
        target: request
            .uri()
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: request.headers().keys().map(ToString::to_string).collect(),
    });
    next.run(request).await
}

/// Answers whatever is not for the relay.
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.recorder.count(|counts| counts.graph_requests += 1);
    let failure = lock(&shared.failures).pop_front();
    if let Some(failure) = failure {
        return failure.respond().await;
    }
    let settings = shared.settings();
    let token = bearer_token(request.headers());
    if token != Some(settings.token.as_str()) && !shared.logins.accepts(token) {
        return unauthorized();
    }
    if let Some(changes) = delta::answer(&shared, &settings, &request) {
        return changes;
    }
    let Some(version) = subscription_version(request.uri().path(), &settings) else {
        return not_found();
    };
    if request.method() != Method::GET {
        return error(
            StatusCode::METHOD_NOT_ALLOWED,
            "methodNotAllowed",
            "Use GET on this resource.",
        );
    }
    let subscription = shared.subscribe(&settings);
    let base = settings.relay_url.as_deref().unwrap_or(&shared.base_url);
    Json(subscription.answer(&settings, base, version)).into_response()
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// The API version of a path, if a subscription can be had there.
fn subscription_version<'path>(path: &'path str, settings: &Settings) -> Option<&'path str> {
    let version = ["v1.0", "beta"].iter().find(|version| {
        path.strip_prefix('/')
            .is_some_and(|p| p.starts_with(**version))
    })?;
    let (version, resource) = path.get(1..)?.split_at_checked(version.len())?;
    let known = settings
        .custom_paths
        .iter()
        .any(|custom| custom == resource)
        || is_documented(resource);
    known.then_some(version)
}

/// The five documented paths, and the one that is used without being documented.
fn is_documented(path: &str) -> bool {
    let Some(resource) = path
        .strip_prefix('/')
        .and_then(|path| path.strip_suffix("/subscriptions/socketIo"))
    else {
        return false;
    };
    let segments: Vec<&str> = resource.split('/').collect();
    match *segments {
        ["me", "drive", "root"] => true,
        ["drives", drive, "root" | "list"] => is_id(drive),
        ["groups", group, "drive", "root"] => is_id(group),
        ["sites", site, "lists", list] | ["sites", site, "lists", list, "drive", "root"] => {
            is_id(site) && is_id(list)
        }
        _ => false,
    }
}

/// Whether a path segment is an identifier encoded exactly once.
pub(crate) fn is_id(segment: &str) -> bool {
    match percent_decode_str(segment).decode_utf8() {
        // No identifier contains a percent sign: one that is left over was encoded twice.
        Ok(id) => !id.is_empty() && !id.contains('%'),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn these_paths_have_subscriptions_and_no_others() {
        let mut settings = Settings::default();
        settings
            .custom_paths
            .push("/custom/thing/subscriptions/socketIo".to_owned());
        for (path, expected) in [
            ("/v1.0/me/drive/root/subscriptions/socketIo", Some("v1.0")),
            ("/beta/me/drive/root/subscriptions/socketIo", Some("beta")),
            (
                "/v1.0/drives/b!a-_Z/root/subscriptions/socketIo",
                Some("v1.0"),
            ),
            (
                "/v1.0/drives/b%21a/root/subscriptions/socketIo",
                Some("v1.0"),
            ),
            (
                "/v1.0/drives/b%21a/list/subscriptions/socketIo",
                Some("v1.0"),
            ),
            (
                "/v1.0/groups/02bd9fd6-8f93/drive/root/subscriptions/socketIo",
                Some("v1.0"),
            ),
            (
                "/v1.0/sites/contoso.sharepoint.com,1,2/lists/l/drive/root/subscriptions/socketIo",
                Some("v1.0"),
            ),
            (
                "/v1.0/sites/contoso.sharepoint.com%2C1%2C2/lists/l/subscriptions/socketIo",
                Some("v1.0"),
            ),
            ("/beta/custom/thing/subscriptions/socketIo", Some("beta")),
            ("/v2.0/me/drive/root/subscriptions/socketIo", None),
            ("/me/drive/root/subscriptions/socketIo", None),
            ("/v1.0/me/drive/root/subscriptions/socketio", None),
            ("/v1.0/me/drive/root/subscriptions/socketIo/", None),
            ("/v1.0/me/drive/subscriptions/socketIo", None),
            ("/v1.0//me/drive/root/subscriptions/socketIo", None),
            ("/v1.0me/drive/root/subscriptions/socketIo", None),
            ("/v1.0/drives//root/subscriptions/socketIo", None),
            ("/v1.0/drives/b%2521a/root/subscriptions/socketIo", None),
            ("/v1.0/drives/%ff/root/subscriptions/socketIo", None),
            ("/v1.0/drives/a/b/root/subscriptions/socketIo", None),
            ("/v1.0/other/thing/subscriptions/socketIo", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(subscription_version(path, &settings), expected, "{path}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_a_token() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(bearer_token(&headers), expected, "{value}");
        }
        assert_eq!(bearer_token(&HeaderMap::new()), None);
    }
}
