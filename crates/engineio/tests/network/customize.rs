//! The hook into the HTTP library, and what holds whatever it does.

use std::time::Duration;

use engineio::CloseReason;
use engineio::client::reqwest;

use super::http_server::{Particular, Server};
use super::{POLLING, WAYS, WEBSOCKET, direct, session};

#[tokio::test]
async fn a_hook_reaches_every_request() {
    for way in WAYS {
        let server = Server::start().await;
        let http = direct().user_agent("ours").customize(|settings| {
            let header = reqwest::header::HeaderName::from_static("x-custom");
            let value = reqwest::header::HeaderValue::from_static("yes");
            let headers = [(header, value)].into_iter().collect();
            settings.default_headers(headers).user_agent("theirs")
        });
        session(http, &server.url(), way).await.unwrap();
        assert!(!server.requests().is_empty());
        for request in server.requests() {
            assert_eq!(request.header("x-custom"), Some("yes"));
            assert_eq!(request.header("user-agent"), Some("theirs"));
        }
    }
}

/// The server keeps a poll open until it has something to say.
#[tokio::test]
async fn time_limits_of_a_hook_do_not_cut_polls() {
    for way in WAYS {
        let server = Server::start().await;
        let http = direct().customize(|settings| {
            let at_once = Duration::from_nanos(1);
            settings.timeout(at_once).read_timeout(at_once)
        });
        session(http, &server.url(), way).await.unwrap();
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = Server::start().await;
    let location = elsewhere.url();
    let server = Server::scripted(move |_| Particular {
        refusal: Some(("307 Temporary Redirect", String::new())),
        headers: format!("Location: {location}\r\n"),
    })
    .await;
    let following =
        || direct().customize(|settings| settings.redirect(reqwest::redirect::Policy::limited(5)));
    for http in [direct(), following()] {
        for way in [POLLING, WEBSOCKET] {
            let outcome = session(http.clone(), &server.url(), way).await;
            let Err(CloseReason::Refused(refusal)) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(refusal.status, 307);
        }
    }
    assert!(elsewhere.requests().is_empty());
}
