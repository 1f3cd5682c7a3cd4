//! A sign-in service that answers as it is told.

use std::sync::Mutex;

use graph_notifications::{BaseUrl, DeviceCode, DeviceCodeBuilder, PlainHttp};

use super::{PATIENCE, Request, Server, answer, http, serve};

pub(crate) const CODE: &str = r#"{"user_code":"USERCODE-PLANTED","device_code":"PLANTED-device","expires_in":900,"interval":0,
    "verification_uri":"https://microsoft.com/devicelogin","message":"Enter USERCODE-PLANTED there."}"#;

pub(crate) fn tokens(lifetime: u64, refresh_token: &str) -> String {
    format!(
        r#"{{"token_type":"Bearer","access_token":"PLANTED-access","expires_in":{lifetime},"refresh_token":"{refresh_token}"}}"#
    )
}

pub(crate) fn builder(server: &Server) -> DeviceCodeBuilder {
    let authority = BaseUrl::parse(&server.url(), PlainHttp::OnLoopback).unwrap();
    DeviceCode::builder("app").authority(authority).http(http())
}

pub(crate) fn sign_in(server: &Server) -> DeviceCode {
    builder(server).build().unwrap()
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

/// A code at once, and for the n-th request to the token endpoint the n-th of `replies`.
pub(crate) async fn serve_tokens(replies: Vec<(u16, String)>) -> Server {
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

pub(crate) fn refused(code: &str) -> (u16, String) {
    let body = format!(r#"{{"error":"{code}","error_description":"AADSTS1: ECHO\r\nTrace"}}"#);
    (400, body)
}
