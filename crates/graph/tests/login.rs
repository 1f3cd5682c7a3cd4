//! The sign-in by device code against scripted servers: odd, hostile and slow ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use graph_notifications::{
    BaseUrl, DeviceCode, LoginError, PlainHttp, TokenError, TokenProvider as _, TokenRequest,
    TransportFailureKind,
};
use support::sign_in::*;
use support::{Reply, answer, http, serve, serve_always};

#[tokio::test]
async fn requests_are_as_the_protocol_has_them() {
    let server = serve_tokens(vec![
        refused("authorization_pending"),
        (200, tokens(0, "PLANTED-refresh")),
        (200, tokens(3600, "")),
    ])
    .await;
    let builder = builder(&server)
        .tenant("contoso.example")
        .scopes(["A", "B"]);
    let mut pending = soon(builder.build().unwrap().start()).await.unwrap();
    assert_eq!(pending.user_code(), "USERCODE-PLANTED");
    assert_eq!(pending.message(), "Enter USERCODE-PLANTED there.");
    assert_eq!(
        pending.verification_uri(),
        "https://microsoft.com/devicelogin"
    );
    assert_eq!(pending.expires_in(), Duration::from_secs(900));
    let login = soon(pending.finish()).await.unwrap();
    soon(login.token(TokenRequest::any())).await.unwrap();
    soon(login.token(TokenRequest::any())).await.unwrap();

    let requests = server.requests();
    let poll = "client_id=app&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=PLANTED-device";
    let bodies = [
        ("devicecode", "client_id=app&scope=A+B"),
        ("token", poll),
        ("token", poll),
        (
            "token",
            "client_id=app&grant_type=refresh_token&refresh_token=PLANTED-refresh&scope=A+B",
        ),
    ];
    assert_eq!(requests.len(), bodies.len());
    for (request, (path, body)) in requests.iter().zip(bodies) {
        let line = format!("POST /contoso.example/oauth2/v2.0/{path} HTTP/1.1");
        assert_eq!((&*request.line, &*request.body), (&*line, body));
        let kind = request.header("content-type");
        assert_eq!(kind, Some("application/x-www-form-urlencoded"));
    }
}

#[tokio::test]
async fn finishing_may_be_interrupted() {
    let server = serve_tokens(vec![
        refused("authorization_pending"),
        (200, tokens(3600, "PLANTED-refresh")),
    ])
    .await;
    let mut pending = soon(sign_in(&server).start()).await.unwrap();
    // Looked at for a moment again and again, in the middle of a wait and of a poll.
    let login = soon(async {
        loop {
            tokio::select! {
                biased;
                login = pending.finish() => break login,
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;
    assert!(login.is_ok());
    assert_eq!(server.requests().len(), 3);
    assert!(soon(pending.finish()).await.is_ok(), "the outcome stays");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn many_who_ask_share_one_refresh() {
    let refreshes = Arc::new(AtomicUsize::new(0));
    let arrived = Arc::new(tokio::sync::Notify::new());
    let go_on = Arc::new(tokio::sync::Semaphore::new(0));
    let server = {
        let (refreshes, arrived, go_on) = (refreshes.clone(), arrived.clone(), go_on.clone());
        serve(move |_| {
            let (arrived, go_on) = (arrived.clone(), go_on.clone());
            let number = refreshes.fetch_add(1, Ordering::SeqCst) + 1;
            Box::pin(async move {
                arrived.notify_one();
                go_on.acquire().await.unwrap().forget();
                answer(200, "", tokens(3600, &format!("PLANTED-{number}")))
            })
        })
        .await
    };
    let login = sign_in(&server).restore("PLANTED-0").unwrap();
    let mut stored = login.refresh_tokens();
    assert_eq!(secret(soon(stored.next()).await), "PLANTED-0");

    let ask = |fresh| {
        let login = login.clone();
        let request = if fresh {
            TokenRequest::fresh()
        } else {
            TokenRequest::any()
        };
        tokio::spawn(async move { login.token(request).await })
    };
    let first = ask(false);
    soon(arrived.notified()).await;
    let others: Vec<_> = (0..20).map(|number| ask(number % 2 == 0)).collect();
    // Who began it does not wait any longer: it goes on all the same.
    first.abort();
    go_on.add_permits(1);
    for other in others {
        soon(other).await.unwrap().unwrap();
    }
    assert_eq!(refreshes.load(Ordering::SeqCst), 1);
    assert_eq!(secret(login.refresh_token()), "PLANTED-1");
    assert_eq!(secret(soon(stored.next()).await), "PLANTED-1");

    // From memory, until somebody's token was refused.
    soon(ask(false)).await.unwrap().unwrap();
    assert_eq!(refreshes.load(Ordering::SeqCst), 1);
    go_on.add_permits(1);
    soon(ask(true)).await.unwrap().unwrap();
    assert_eq!(refreshes.load(Ordering::SeqCst), 2);
    assert_eq!(secret(soon(stored.next()).await), "PLANTED-2");
    drop(login);
    assert!(soon(stored.next()).await.is_none());
}

fn secret(token: Option<graph_notifications::SecretString>) -> String {
    use graph_notifications::ExposeSecret as _;
    token.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn useless_answers_are_told_by_their_kind() {
    let long = "x".repeat(100_000);
    let rows = [
        (200, "", "<html>", "Protocol", false),
        (200, "", &*long, "Protocol", false),
        (200, "", "{}", "Protocol", false),
        (
            302,
            "Location: http://127.0.0.1:1/\r\n",
            "",
            "Redirected",
            false,
        ),
        (
            307,
            "Location: http://127.0.0.1:1/\r\n",
            "",
            "Redirected",
            false,
        ),
        (
            400,
            "",
            r#"{"error":"unauthorized_client"}"#,
            "Refused",
            false,
        ),
        (404, "", "nothing here", "Refused", false),
        (400, "", &*long, "Refused", false),
        (503, "Retry-After: 7\r\n", "", "Busy", true),
        (429, "Retry-After: 7\r\n", &*long, "Busy", true),
    ];
    for (status, headers, body, name, retryable) in rows {
        let (body, headers) = (body.to_owned(), headers.to_owned());
        let server = serve_always(move || answer(status, &headers, &body)).await;
        let error = soon(sign_in(&server).start()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(name), "{status} {error:?}");
        assert_eq!(error.is_retryable(), retryable);
        let wait = retryable.then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after(), wait, "{status}");
        assert!(error.to_string().len() < 500, "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_silent_server_and_none_at_all() {
    let kind = |error: LoginError| match error {
        LoginError::Transport { kind, .. } => kind,
        other => panic!("{other:?}"),
    };
    let server = serve_always(|| Reply::Silence).await;
    let builder = builder(&server).request_timeout(Duration::from_millis(50));
    let error = soon(builder.build().unwrap().start()).await.unwrap_err();
    assert_eq!(kind(error), TransportFailureKind::Timeout);

    let server =
        serve_always(|| Reply::Bytes(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{".into())).await;
    let error = soon(sign_in(&server).start()).await.unwrap_err();
    assert_eq!(kind(error), TransportFailureKind::Exchange);

    let authority = BaseUrl::parse("http://127.0.0.1:1", PlainHttp::OnLoopback).unwrap();
    let nobody = DeviceCode::builder("app").authority(authority).http(http());
    let login = nobody.build().unwrap().restore("PLANTED").unwrap();
    let error = soon(login.access_token(TokenRequest::any()))
        .await
        .unwrap_err();
    assert_eq!(kind(error.clone()), TransportFailureKind::Connect);
    assert!(matches!(
        TokenError::from(error),
        TokenError::Unavailable(_)
    ));
}

#[tokio::test]
async fn a_dead_refresh_token_is_told_once() {
    let server = serve_tokens(vec![refused("invalid_grant")]).await;
    let login = sign_in(&server).restore("PLANTED-refresh").unwrap();
    for _ in 0..3 {
        let error = soon(login.access_token(TokenRequest::fresh()))
            .await
            .unwrap_err();
        assert!(matches!(error, LoginError::SignInAgain(_)), "{error:?}");
        assert!(matches!(TokenError::from(error), TokenError::Refused(_)));
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn without_a_runtime_it_is_an_error() {
    let sign_in = DeviceCode::builder("app").http(http()).build().unwrap();
    let started = sign_in.start().now_or_never().unwrap();
    assert!(matches!(started, Err(LoginError::Http(_))));
    let login = sign_in.restore("PLANTED").unwrap();
    let asked = login.access_token(TokenRequest::any()).now_or_never();
    assert!(matches!(asked, Some(Err(LoginError::Http(_)))));
}
