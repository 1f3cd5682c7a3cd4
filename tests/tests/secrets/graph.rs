//! The Graph request, delta queries, the sign-in and a watch, against services that repeat each secret.

use std::sync::Arc;

use conformance::{http as http_stack, within};
use futures_util::StreamExt as _;
use graph_notifications::{
    AccessToken, BaseUrl, Cloud, Delta, DeltaLink, DeviceCode, NotificationUrl, PlainHttp,
    Resource, StaticToken, SubscriptionRequest, TokenError, TokenRequest, TransportMode,
    UrlOptions, Watch, token_fn,
};
use serde_json::json;

use crate::server::{Answer, BROKEN, Fixed, Request, Server, Step, http, url_encoded};
use crate::{ear, needle};

/// Personal accounts have tokens with such characters.
const TOKEN: &str = "PLANTED.access+/==!*$'";
const DELTA: &str = "/v1.0/me/drive/root/delta?token=PLANTED%2Bdelta%2F%3D&$skiptoken=PLANTED+skip";

fn base(server: &Server) -> Cloud {
    let url = format!("http://127.0.0.1:{}", server.port);
    Cloud::Custom(BaseUrl::parse(&url, PlainHttp::OnLoopback).unwrap())
}

fn token() -> StaticToken {
    StaticToken::new(TOKEN).unwrap()
}

/// All that a request has, in the forms in which services repeat it.
fn echo(request: &Request) -> [String; FORMS] {
    let line = request.line();
    let encoded = [url_encoded(&line, true), url_encoded(&line, false)];
    let [large, small] = encoded;
    [line, request.decoded(), large, small]
}

const FORMS: usize = 4;

type Choose = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

fn failures() -> Vec<(String, Choose)> {
    let mut all: Vec<(String, Choose)> = Vec::new();
    for form in 0..FORMS {
        for status in [
            "200 OK", "204 No", "301 M", "302 M", "303 M", "307 M", "308 M", "400 No", "401 No",
            "403 No", "404 No", "407 No", "408 No", "410 Gone", "429 No", "500 No", "501 No",
            "503 No",
        ] {
            all.push((
                format!("{status}, form {form}"),
                Arc::new(move |request| {
                    let text = &echo(request)[form];
                    let body = json!({
                        "error": {
                            "code": "resyncRequired", "message": text,
                            "innerError": {"code": text, "request-id": text, "date": text},
                        },
                    });
                    let body = body.to_string().replace('+', "\\u002b").replace('/', "\\/");
                    let headers = format!("request-id: {text}\r\nRetry-After: {text}\r\nLocation: http://PLANTED@h{}\r\n", request.target);
                    http(status, &headers, &body)
                }),
            ));
            all.push((
                format!("{status} of the sign-in, form {form}"),
                Arc::new(move |request| {
                    let text = &echo(request)[form];
                    let body = json!({"error": text, "error_description": text, "trace_id": text});
                    http(status, "", &body.to_string())
                }),
            ));
            all.push((
                format!("{status} without JSON, form {form}"),
                Arc::new(move |request| {
                    let text = &echo(request)[form];
                    http(
                        &format!("{status} {}", request.target),
                        &format!("X-Echo: {text}\r\n"),
                        text,
                    )
                }),
            ));
        }
    }
    let fixed: [(&str, Fixed); 3] = [
        ("a URL that is none", |request| {
            http(
                "200 OK",
                "",
                &json!({"notificationUrl": request.line(), "@odata.deltaLink": request.line()})
                    .to_string(),
            )
        }),
        ("a URL elsewhere", |_| {
            http(
                "200 OK",
                "",
                &json!({
                    "notificationUrl": "http://elsewhere.invalid/n?token=PLANTED",
                    "@odata.nextLink": "http://elsewhere.invalid/delta?token=PLANTED",
                    "value": [],
                })
                .to_string(),
            )
        }),
        ("fields of other kinds", |request| {
            let text = request.line();
            http("200 OK", "", &json!({
                "notificationUrl": [&text], "value": {"a": &text}, "@odata.nextLink": {"b": &text},
                "device_code": {"c": &text}, "user_code": &text, "verification_uri": &text,
                "token_type": &text, "access_token": [&text], "refresh_token": [&text], "expires_in": &text,
            }).to_string())
        }),
    ];
    let fixed = BROKEN.into_iter().chain(fixed);
    all.extend(fixed.map(|(name, choose)| (name.to_owned(), Arc::new(choose) as Choose)));
    all
}

#[tokio::test]
async fn a_graph_request_that_fails_shows_no_secret() {
    ear::open();
    let stack = http_stack();
    for (name, choose) in failures() {
        let server = Server::start(move |request| choose(request)).await;
        let mut request = SubscriptionRequest::new(Resource::me_drive());
        request.cloud = base(&server);
        let token = AccessToken::new(TOKEN).unwrap();
        let outcome = within(&name, request.send(&stack, &token)).await;
        needle::told(&name, &outcome.unwrap_err());
        let delta = Delta::builder(Resource::me_drive()).token(self::token());
        let delta = delta
            .cloud(base(&server))
            .http(stack.clone())
            .build()
            .unwrap();
        let link = format!("http://127.0.0.1:{}{DELTA}", server.port);
        let link = DeltaLink::parse(&link).unwrap();
        for mut changes in [delta.changes(None), delta.changes(Some(&link))] {
            match within(&name, changes.next_page()).await {
                Ok(page) => needle::shown(&name, &page),
                Err(error) => drop(needle::told(&name, &error)),
            }
            needle::shown(&name, &changes);
        }
        assert!(
            server
                .seen()
                .iter()
                .all(|request| request.line().contains(TOKEN))
        );
    }
    ear::heard_no_secret();
}

#[tokio::test]
async fn a_sign_in_that_fails_shows_no_secret() {
    ear::open();
    let stack = http_stack();
    // A poll waits for a second: all at once.
    let all = failures().into_iter().map(|(name, choose)| {
        let stack = stack.clone();
        async move {
        let server = Server::start(move |request| {
            // A code comes, and then it goes wrong.
            if request.target.ends_with("/devicecode") && !request.body.contains("client_id=first") {
                let code = json!({
                    "device_code": "PLANTED-device+/==", "user_code": "PLANTED-CODE", "interval": 0,
                    "verification_uri": "https://h/login", "message": "PLANTED-CODE PLANTED-device+/==",
                });
                return http("200 OK", "", &code.to_string());
            }
            choose(request)
        })
        .await;
        let Cloud::Custom(authority) = base(&server) else {
            unreachable!()
        };
        for client in ["first", "later"] {
            let sign_in = DeviceCode::builder(client).authority(authority.clone()).http(stack.clone()).build().unwrap();
            match within(&name, sign_in.start()).await {
                Err(error) => drop(needle::told(&name, &error)),
                Ok(mut pending) => {
                    needle::shown(&name, &pending);
                    assert!(!pending.message().contains("PLANTED-device"));
                    // What may pass is asked again, until the code expires.
                    let is_passing = ["408", "429", "50"].iter().any(|status| name.contains(status))
                        || BROKEN.iter().any(|(broken, _)| name == *broken);
                    let asked = async {
                        server.asked("/token").await;
                        if !is_passing {
                            std::future::pending::<()>().await;
                        }
                    };
                    let outcome = async {
                        tokio::select! {
                            biased;
                            outcome = pending.finish() => Some(outcome),
                            () = asked => None,
                        }
                    };
                    let outcome = within(&name, outcome).await;
                    needle::shown(&name, &outcome);
                    if let Some(Err(error)) = outcome {
                        needle::told(&name, &error);
                    }
                    needle::shown(&name, &pending);
                }
            }
            let login = sign_in.restore("PLANTED-refresh+/==").unwrap();
            let refused = within(&name, login.access_token(TokenRequest::any())).await.unwrap_err();
            needle::told(&name, &refused);
            needle::told(&name, &TokenError::from(refused));
            needle::shown(&name, &login);
        }
        }
    });
    futures_util::future::join_all(all).await;
    ear::heard_no_secret();
}

const OPEN: &str =
    r#"0{"sid":"PLANTED-sid","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;

/// A watch, whose service grants a URL with a credential, and repeats that in all that follows.
#[tokio::test]
async fn a_watch_that_fails_shows_no_secret() {
    ear::open();
    let say = |text: &str| Step::Say(text.to_owned());
    let joined = || {
        vec![
            say(OPEN),
            Step::Hear,
            say(r#"40/notifications,{"sid":"PLANTED"}"#),
        ]
    };
    for (name, steps) in [
        (
            "refused",
            vec![
                say(OPEN),
                Step::Hear,
                Step::Repeat(r#"44/notifications,{"message":""#, "\"}"),
            ],
        ),
        (
            "refused in a word",
            vec![
                say(OPEN),
                Step::Hear,
                Step::Repeat("44/notifications,\"", "\""),
            ],
        ),
        (
            "put out",
            [joined(), vec![Step::Repeat("44/notifications,\"", "\"")]].concat(),
        ),
        (
            "no packet",
            [joined(), vec![Step::Repeat("49", "")]].concat(),
        ),
        (
            "a notification, and the end",
            [
                joined(),
                vec![Step::Repeat(r#"42/notifications,["notification",""#, "\"]")],
            ]
            .concat(),
        ),
        (
            "no frame",
            [joined(), vec![Step::Raw(b"\xf1PLANTED".to_vec())]].concat(),
        ),
    ] {
        let server = Server::start(move |request| match request.target.starts_with("/v1.0") {
            true => {
                let host = request
                    .head
                    .lines()
                    .find_map(|line| line.strip_prefix("host: "))
                    .unwrap();
                let url = format!("http://{host}/notifications?token=PLANTED%2Burl%2F%3D%3D");
                http("200 OK", "", &json!({"notificationUrl": url}).to_string())
            }
            false => Answer::WebSocket(steps.clone()),
        })
        .await;
        let url = format!(
            "http://127.0.0.1:{}/notifications?token=PLANTED%2Burl%2F%3D%3D&key=PLANTED",
            server.port
        );
        let options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
        let url = NotificationUrl::parse_with(&url, options).unwrap();
        let fixed = Watch::for_url(url)
            .http(http_stack())
            .transport(TransportMode::WebSocket)
            .start();
        let asked = Watch::builder(Resource::me_drive())
            .cloud(base(&server))
            .allow_http_on_loopback()
            .token(token())
            .http(http_stack())
            .transport(TransportMode::WebSocket)
            .start();
        for mut watch in [fixed, asked] {
            // As much as says how it ends.
            for _ in 0..4 {
                needle::shown(name, &watch);
                match within(name, watch.next()).await {
                    Some(Ok(event)) => {
                        needle::shown(name, &event);
                        if let graph_notifications::WatchEvent::Down { reason, .. } = event {
                            needle::told(name, &reason);
                            break;
                        }
                    }
                    Some(Err(error)) => drop(needle::told(name, &error)),
                    None => break,
                }
            }
        }
    }
    ear::heard_no_secret();
    assert!(ear::lines_of("graph_notifications") > 0);
}

/// What a program's own provider says is shown as it says it; what it gives is not.
#[tokio::test]
async fn a_token_provider_s_words_are_shown_and_not_its_token() {
    ear::open();
    let server = Server::start(|_| http("401 No", "", "")).await;
    let build = |delta: graph_notifications::DeltaBuilder| {
        delta
            .cloud(base(&server))
            .http(http_stack())
            .build()
            .unwrap()
    };
    let failing =
        token_fn(|_| async { Err::<AccessToken, _>(TokenError::refused("no key in the ring")) });
    let panicking = token_fn(|_| async { panic_with("PLANTED") });
    let unusable = token_fn(|_| async { AccessToken::new("PLANTED PLANTED") });
    for (delta, words) in [
        (
            Delta::builder(Resource::me_drive()).token(failing),
            "no key in the ring",
        ),
        (
            Delta::builder(Resource::me_drive()).token(panicking),
            "panicked",
        ),
        (
            Delta::builder(Resource::me_drive()).token(unusable),
            "cannot be in one",
        ),
    ] {
        let error = within("an error", build(delta).latest()).await.unwrap_err();
        assert!(needle::told("a provider", &error).contains(words));
    }
    ear::heard_no_secret();
}

fn panic_with(text: &'static str) -> Result<AccessToken, TokenError> {
    std::panic::resume_unwind(Box::new(text))
}
