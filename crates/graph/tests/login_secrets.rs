//! A sign-in shows no secret, and logs none: in a program of its own, as other tests would share the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use std::sync::{Arc, Mutex};

use graph_notifications::{BaseUrl, DeviceCode, PlainHttp, TokenError, TokenRequest};
use support::{PATIENCE, Request, Server, answer, http, serve};

const CODE: &str = r#"{"user_code":"USERCODE-PLANTED","device_code":"PLANTED-device","expires_in":900,"interval":0,
    "verification_uri":"https://microsoft.com/devicelogin","message":"Enter USERCODE-PLANTED there."}"#;

fn tokens(lifetime: u64, refresh_token: &str) -> String {
    format!(
        r#"{{"token_type":"Bearer","access_token":"PLANTED-access","expires_in":{lifetime},"refresh_token":"{refresh_token}"}}"#
    )
}

fn sign_in(server: &Server) -> DeviceCode {
    let authority = BaseUrl::parse(&server.url(), PlainHttp::OnLoopback).unwrap();
    let builder = DeviceCode::builder("app").authority(authority);
    builder.http(http()).build().unwrap()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// A code at once, and for the n-th request to the token endpoint the n-th of `replies`.
async fn serve_tokens(replies: Vec<(u16, String)>) -> Server {
    let replies = Mutex::new(replies.into_iter());
    serve(move |request: Request| {
        let reply = if request.target().ends_with("/devicecode") {
            (200, CODE.to_owned())
        } else {
            replies.lock().unwrap().next().expect("no more requests")
        };
        // As servers do.
        let body = reply.1.replace("ECHO", &request.body);
        Box::pin(async move { answer(reply.0, "", body) })
    })
    .await
}

fn refused(code: &str) -> (u16, String) {
    let body = format!(r#"{{"error":"{code}","error_description":"AADSTS1: ECHO\r\nTrace"}}"#);
    (400, body)
}

/// Collects everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?}\n"));
    }
}

#[tokio::test]
async fn no_secret_is_shown_or_logged() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = serve_tokens(vec![
        refused("authorization_pending"),
        (200, tokens(0, "PLANTED-refresh")),
        refused("server_error"),
        refused("bad_verification_code"),
    ])
    .await;
    let sign_in = sign_in(&server);
    let mut pending = soon(sign_in.start()).await.unwrap();
    let mut shown = format!("{pending:?} {pending:#?}");
    let login = soon(pending.finish()).await.unwrap();
    shown += &format!("{login:?} {sign_in:?} {:?}", login.refresh_tokens());
    shown += &format!("{:?}", login.refresh_token());
    let busy = soon(login.access_token(TokenRequest::any()))
        .await
        .unwrap_err();
    shown += &format!("{busy} {busy:?} {:?}", TokenError::from(busy.clone()));
    let mut pending = soon(sign_in.start()).await.unwrap();
    let refused = soon(pending.finish()).await.unwrap_err();
    shown += &format!("{refused} {refused:?}");
    shown += &format!("{:?}", sign_in.restore("PLANTED\n").unwrap_err());
    assert!(shown.contains("bad_verification_code") && shown.contains("server_error"));
    assert!(!shown.contains("PLANTED"), "{shown}");

    let log = log.0.lock().unwrap();
    for expected in ["got a device code", "signed in", "was not refreshed"] {
        assert!(log.contains(expected), "{expected} was not logged: {log}");
    }
    assert!(!log.contains("PLANTED"), "{log}");
}
