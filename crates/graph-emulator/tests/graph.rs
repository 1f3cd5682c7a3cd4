//! The Graph half: paths, answers, and each way to fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{PATH, ask, http, soon, start, subscribe};
use graph_emulator::{AnswerShape, GraphFailure, RetryAfter, UrlForm};
use serde_json::Value;

#[tokio::test]
async fn the_documented_answer_has_two_fields() {
    let emulator = start(|config| config.settings.answer = AnswerShape::Documented).await;
    let answer = subscribe(&emulator).await;
    let fields: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["id", "notificationUrl"]);
    let url = answer["notificationUrl"].as_str().unwrap();
    assert!(
        url.starts_with(&format!(
            "{}/zbaehwg/callback?snthgk=",
            emulator.graph_url()
        )),
        "{url}"
    );
    assert_eq!(emulator.counts().subscriptions, 1);
}

#[tokio::test]
async fn the_field_answer_has_an_expiration_unless_told_otherwise() {
    let emulator = start(|config| config.settings.url_form = UrlForm::Direct).await;
    let answer = subscribe(&emulator).await;
    assert!(
        answer["expirationDateTime"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert!(answer["clientState"].is_string() && answer["@odata.context"].is_string());
    let url = answer["notificationUrl"].as_str().unwrap();
    assert!(
        url.contains("/notifications?token=") && url.contains("&applicationId="),
        "{url}"
    );

    emulator.update(|settings| settings.announce_expiration = false);
    assert!(
        subscribe(&emulator)
            .await
            .get("expirationDateTime")
            .is_none()
    );
}

#[tokio::test]
async fn the_url_can_name_a_proxy() {
    let emulator =
        start(|config| config.settings.relay_url = Some("https://proxy.example".to_owned())).await;
    let answer = subscribe(&emulator).await;
    assert!(
        answer["notificationUrl"]
            .as_str()
            .unwrap()
            .starts_with("https://proxy.example/zbaehwg")
    );
}

#[tokio::test]
async fn only_the_right_token_is_accepted() {
    let emulator = start(|_| ()).await;
    let url = format!("{}{PATH}", emulator.graph_url());
    for request in [http().get(&url), http().get(&url).bearer_auth("wrong")] {
        let response = soon(request.send()).await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "InvalidAuthenticationToken");
        assert!(body["error"]["innerError"]["request-id"].is_string());
    }
    let old = emulator.token();
    emulator.update(|settings| settings.token = "rotated".to_owned());
    assert_eq!(
        soon(http().get(&url).bearer_auth(old).send())
            .await
            .unwrap()
            .status(),
        401
    );
    assert_eq!(ask(&emulator, PATH).await.status(), 200);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let emulator = start(|_| ()).await;
    assert_eq!(ask(&emulator, "/v1.0/me/drive").await.status(), 404);
    let post = http()
        .post(format!("{}{PATH}", emulator.graph_url()))
        .bearer_auth(emulator.token());
    assert_eq!(soon(post.send()).await.unwrap().status(), 405);
}

#[tokio::test]
async fn each_failure_looks_like_the_real_one() {
    let emulator = start(|_| ()).await;
    let table = [
        (GraphFailure::NotSupported, 400, "notSupported"),
        (
            GraphFailure::Unauthorized,
            401,
            "InvalidAuthenticationToken",
        ),
        (GraphFailure::Forbidden, 403, "accessDenied"),
        (GraphFailure::NotFound, 404, "itemNotFound"),
        (
            GraphFailure::TooManyRequests { retry_after: None },
            429,
            "activityLimitReached",
        ),
        (
            GraphFailure::Unavailable { retry_after: None },
            503,
            "serviceNotAvailable",
        ),
        (
            GraphFailure::Status { status: 502 },
            502,
            "generalException",
        ),
    ];
    for (failure, status, code) in table {
        emulator.fail_next(1, failure);
        let response = ask(&emulator, PATH).await;
        assert_eq!(response.status(), status);
        assert!(response.headers().get("retry-after").is_none());
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], code);
    }
    assert_eq!(
        ask(&emulator, PATH).await.status(),
        200,
        "the failures are used up"
    );
    assert_eq!(emulator.counts().subscriptions, 1);
    assert_eq!(emulator.counts().graph_requests, 8);
}

#[tokio::test]
async fn retry_after_comes_in_both_forms() {
    let emulator = start(|_| ()).await;
    emulator.fail_next(
        1,
        GraphFailure::TooManyRequests {
            retry_after: Some(RetryAfter::Seconds(7)),
        },
    );
    assert_eq!(ask(&emulator, PATH).await.headers()["retry-after"], "7");
    emulator.fail_next(
        1,
        GraphFailure::Unavailable {
            retry_after: Some(RetryAfter::DateIn(3600)),
        },
    );
    let response = ask(&emulator, PATH).await;
    let date = response.headers()["retry-after"].to_str().unwrap();
    assert!(date.ends_with(" GMT"), "{date}");
}

#[tokio::test]
async fn failures_queue_up_and_can_be_forgotten() {
    let emulator = start(|_| ()).await;
    emulator.fail_next(2, GraphFailure::Forbidden);
    emulator.fail_next(1, GraphFailure::NotFound);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&emulator, PATH).await.status().as_u16());
    }
    assert_eq!(statuses, [403, 403, 404, 200]);
    emulator.fail_next(5, GraphFailure::Forbidden);
    emulator.fail_no_more();
    assert_eq!(ask(&emulator, PATH).await.status(), 200);
}

#[tokio::test]
async fn broken_answers() {
    let emulator = start(|_| ()).await;
    emulator.fail_next(1, GraphFailure::NotJson);
    let response = ask(&emulator, PATH).await;
    assert_eq!(response.status(), 200);
    assert!(response.json::<Value>().await.is_err());

    emulator.fail_next(1, GraphFailure::NoNotificationUrl);
    assert!(subscribe(&emulator).await.get("notificationUrl").is_none());

    emulator.fail_next(
        1,
        GraphFailure::NotificationUrl {
            url: "ftp://x".to_owned(),
        },
    );
    assert_eq!(subscribe(&emulator).await["notificationUrl"], "ftp://x");

    emulator.fail_next(1, GraphFailure::HugeBody { bytes: 10_000_000 });
    assert!(ask(&emulator, PATH).await.bytes().await.unwrap().len() >= 10_000_000);
}

#[tokio::test]
async fn a_hanging_request_keeps_its_connection() {
    let emulator = start(|_| ()).await;
    emulator.fail_next(1, GraphFailure::Hang);
    let control = emulator.control();
    let hanging = tokio::spawn(async move { ask(&control, PATH).await.status() });
    soon(emulator.wait_until(|counts| counts.graph_requests == 1)).await;
    assert_eq!(
        ask(&emulator, PATH).await.status(),
        200,
        "others are answered"
    );
    assert!(!hanging.is_finished());
    assert!(emulator.counts().connections.now >= 1);
    hanging.abort();
    soon(emulator.wait_until(|counts| counts.connections.now == 0)).await;
}

#[tokio::test]
async fn the_log_has_targets_and_header_names_but_no_token() {
    let emulator = start(|_| ()).await;
    ask(&emulator, "/beta/drives/b%21x/root/subscriptions/socketIo").await;
    let log = emulator.log();
    let request = log.graph_requests().next().unwrap();
    assert_eq!(request.method, "GET");
    assert_eq!(
        request.target,
        "/beta/drives/b%21x/root/subscriptions/socketIo"
    );
    assert!(request.headers.iter().any(|name| name == "authorization"));
    assert!(!format!("{log:?}").contains(&emulator.token()));
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let emulator = start(|_| ()).await;
    let address = emulator
        .graph_url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.ok();
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
        "{answer}"
    );
}
