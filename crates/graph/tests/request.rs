//! The Graph request against servers of every kind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use std::time::Duration;

use graph_notifications::{
    AccessToken, ApiVersion, BadAnswer, BaseUrl, Cloud, GraphError, PlainHttp, Resource, SendError,
    Subscription, SubscriptionRequest, TransportFailureKind,
};
use support::{PATIENCE, Reply, Server, answer, http, serve_always};

const TOKEN: &str = "PLANTED-token-0123456789";

fn request_to(base_url: &str) -> SubscriptionRequest {
    let mut request = SubscriptionRequest::new(Resource::drive("b!x,y"));
    request.cloud = Cloud::Custom(BaseUrl::parse(base_url, PlainHttp::OnLoopback).unwrap());
    request.timeout = PATIENCE;
    request
}

async fn send(request: &SubscriptionRequest) -> Result<Subscription, GraphError> {
    let token = AccessToken::new(TOKEN).unwrap();
    match request.send(&http(), &token).await {
        Ok(subscription) => Ok(subscription),
        Err(SendError::Graph(error)) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("PLANTED"), "{shown}");
            Err(error)
        }
        Err(other) => panic!("{other}"),
    }
}

async fn error_of(server: &Server) -> GraphError {
    send(&request_to(&server.url())).await.unwrap_err()
}

#[tokio::test]
async fn the_request_is_the_documented_one() {
    let body = r#"{"id":"i","notificationUrl":"https://h.svc.ms/notifications?token=t"}"#;
    let server = serve_always(move || answer(200, "", body)).await;
    let mut request = request_to(&server.url());
    request.version = ApiVersion::Beta;
    let granted = send(&request).await.unwrap();
    assert_eq!(
        granted.notification_url.endpoint(),
        "https://h.svc.ms/notifications"
    );
    assert_eq!(granted.id.as_deref(), Some("i"));

    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].line,
        "GET /beta/drives/b!x,y/root/subscriptions/socketIo HTTP/1.1"
    );
    assert_eq!(
        requests[0].header("authorization"),
        Some(&*format!("Bearer {TOKEN}"))
    );
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn error_answers_are_typed() {
    // Status, code, extra headers, variant, whether it is retryable, retry-after.
    let rows = [
        (
            401,
            "InvalidAuthenticationToken",
            "",
            "Unauthorized",
            false,
            None,
        ),
        (403, "accessDenied", "", "Forbidden", false, None),
        (404, "itemNotFound", "", "NotFound", false, None),
        (400, "notSupported", "", "NotSupported", true, None),
        (400, "invalidRequest", "", "Rejected", false, None),
        (429, "tooManyRequests", "", "Throttled", true, None),
        (
            429,
            "tooManyRequests",
            "Retry-After: 17\r\n",
            "Throttled",
            true,
            Some(17),
        ),
        (
            429,
            "tooManyRequests",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n",
            "Throttled",
            true,
            Some(60),
        ),
        (
            429,
            "tooManyRequests",
            "Retry-After: soon\r\n",
            "Throttled",
            true,
            None,
        ),
        (
            503,
            "serviceNotAvailable",
            "Retry-After: 5\r\n",
            "Unavailable",
            true,
            Some(5),
        ),
        (503, "serviceNotAvailable", "", "Unavailable", true, None),
        (502, "badGateway", "", "Server", true, None),
    ];
    for (status, code, headers, variant, retryable, retry_after) in rows {
        let body = format!(
            r#"{{"error":{{"code":"{code}","message":"for {TOKEN}","innerError":{{"request-id":"r-1"}}}}}}"#
        );
        let server = serve_always(move || answer(status, headers, &body)).await;
        let error = error_of(&server).await;
        assert!(format!("{error:?}").starts_with(variant), "{error:?}");
        assert_eq!(error.is_retryable(), retryable, "{error:?}");
        assert_eq!(
            error.retry_after(),
            retry_after.map(Duration::from_secs),
            "{error:?}"
        );
        let said = error.answer().unwrap();
        assert_eq!((said.status, said.code.as_deref()), (status, Some(code)));
        assert_eq!(said.message.as_deref(), Some("for [redacted]"));
        assert_eq!(said.request_id.as_deref(), Some("r-1"));
    }
}

#[tokio::test]
async fn error_answers_need_no_body() {
    let server = serve_always(|| answer(401, "request-id: r-2\r\n", "<html>")).await;
    let error = error_of(&server).await;
    assert_eq!(error.answer().unwrap().request_id.as_deref(), Some("r-2"));
    assert_eq!(error.answer().unwrap().code, None);
}

#[tokio::test]
async fn useless_success_answers() {
    let rows = [
        ("<html>welcome</html>", BadAnswer::NotJson),
        ("", BadAnswer::NotJson),
        (r#"{"id":"x"}"#, BadAnswer::NoNotificationUrl),
    ];
    for (body, expected) in rows {
        let server = serve_always(move || answer(200, "", body)).await;
        assert_eq!(error_of(&server).await, GraphError::BadAnswer(expected));
    }
    let server = serve_always(|| {
        answer(
            200,
            "",
            r#"{"notificationUrl":"http://evil.example/n?t=PLANTED"}"#,
        )
    })
    .await;
    assert!(matches!(
        error_of(&server).await,
        GraphError::BadAnswer(BadAnswer::Url(_))
    ));
}

#[tokio::test]
async fn a_long_answer_is_not_read_to_its_end() {
    let long = format!(
        r#"{{"x":"{}","notificationUrl":"https://h/n?t=1"}}"#,
        "x".repeat(10 << 20)
    );
    let with_length = long.clone();
    let server = serve_always(move || answer(200, "", &with_length)).await;
    let too_large = GraphError::BadAnswer(BadAnswer::TooLarge { limit: 1 << 20 });
    assert_eq!(error_of(&server).await, too_large);

    let until_close = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}");
    let server = serve_always(move || Reply::Bytes(until_close.clone().into())).await;
    assert_eq!(error_of(&server).await, too_large);

    // The limit is the caller's.
    let server = serve_always(move || answer(200, "", &long)).await;
    let mut request = request_to(&server.url());
    request.max_answer_bytes = 11 << 20;
    assert!(send(&request).await.is_ok());
    request.max_answer_bytes = 100;
    let error = send(&request).await.unwrap_err();
    assert_eq!(error, BadAnswer::TooLarge { limit: 100 }.into());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let body = r#"{"notificationUrl":"https://h/n?t=1"}"#;
        let elsewhere = serve_always(move || answer(200, "", body)).await;
        let location = format!("Location: {}/v1.0/x\r\n", elsewhere.url());
        let server = serve_always(move || answer(status, &location, "")).await;
        assert_eq!(error_of(&server).await, GraphError::Redirected { status });
        assert!(elsewhere.requests().is_empty(), "the token has travelled");
    }
}

#[tokio::test]
async fn broken_hosts() {
    let kind = |error: GraphError| match error {
        GraphError::Transport(failure) => failure.kind,
        other => panic!("{other:?}"),
    };

    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let error = send(&request_to(&format!("http://{address}")))
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("drives"), "{error}");
    assert_eq!(kind(error), TransportFailureKind::Connect);

    let silent = serve_always(|| Reply::Silence).await;
    let mut request = request_to(&silent.url());
    request.timeout = Duration::from_millis(100);
    let error = send(&request).await.unwrap_err();
    assert_eq!(kind(error), TransportFailureKind::Timeout);

    let rows = [
        "",
        "\u{0}\u{1}garbage\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"notif",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for bytes in rows {
        let server = serve_always(move || Reply::Bytes(bytes.into())).await;
        let error = error_of(&server).await;
        assert!(error.is_retryable());
        assert_eq!(kind(error), TransportFailureKind::Exchange, "{bytes:?}");
    }
}

#[tokio::test]
async fn an_error_whose_body_breaks_off_is_still_that_error() {
    let rows = [
        ("401 X\r\nContent-Length: 100", "Unauthorized"),
        ("403 X\r\nContent-Length: 100", "Forbidden"),
        (
            "429 X\r\nRetry-After: 77\r\nContent-Length: 100",
            "Throttled",
        ),
        (
            "503 X\r\nRetry-After: 77\r\nTransfer-Encoding: chunked",
            "Unavailable",
        ),
    ];
    for (head, variant) in rows {
        let bytes = format!("HTTP/1.1 {head}\r\nrequest-id: r-3\r\n\r\n{{\"error");
        let server = serve_always(move || Reply::Bytes(bytes.clone().into())).await;
        let error = error_of(&server).await;
        assert!(format!("{error:?}").starts_with(variant), "{error:?}");
        let said = error.answer().unwrap();
        assert_eq!(said.request_id.as_deref(), Some("r-3"));
        let waits = head.contains("Retry-After");
        let expected = waits.then_some(Duration::from_secs(77));
        assert_eq!(error.retry_after(), expected);
    }
}

#[tokio::test]
async fn a_resource_without_a_path_sends_nothing() {
    let request = SubscriptionRequest::new(Resource::drive("a/b"));
    let token = AccessToken::new(TOKEN).unwrap();
    let error = request.send(&http(), &token).await.unwrap_err();
    assert!(matches!(error, SendError::Resource(_)), "{error}");
}
