//! Credentials go nowhere but where they were meant for: not behind a redirect, not along a link, not to a proxy, and not
//! over plain HTTP.

use std::sync::Arc;

use conformance::{TlsFront, http as http_stack, within};
use engineio::client::{Client, Http};
use engineio::{CloseReason, Endpoint, Transport};
use graph_notifications::{
    AccessToken, BaseUrl, Cloud, Delta, DeltaError, DeltaLink, DeviceCode, GraphError, LinkOrigin,
    NotificationUrl, PlainHttp, Resource, SendError, StaticToken, SubscriptionRequest,
    TokenRequest,
};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::server::{Answer, Request, Server, http};
use crate::{ear, needle};

const POLLING: &[Transport] = &[Transport::Polling];
const WEBSOCKET: &[Transport] = &[Transport::WebSocket];
const UPGRADE: &[Transport] = &[Transport::Polling, Transport::WebSocket];
const REDIRECTS: [&str; 5] = ["301 M", "302 F", "303 S", "307 T", "308 P"];
const OPEN: &str =
    r#"0{"sid":"PLANTED-sid","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;

async fn thief() -> Server {
    Server::start(|_| http("200 OK", "", "{}")).await
}

/// Where a redirect of a server at `own` can lead: another host, another port, the same origin, to TLS and from it.
fn places(thief: u16, own: &str) -> [String; 6] {
    [
        format!("http://localhost:{thief}/stolen"),
        format!("http://127.0.0.1:{thief}/stolen"),
        format!("https://127.0.0.1:{thief}/stolen"),
        format!("//127.0.0.1:{thief}/stolen"),
        format!("{own}/stolen"),
        "/stolen".to_owned(),
    ]
}

fn redirecting(
    status: &'static str,
    place: String,
    from: impl Fn(&Request) -> bool + Send + Sync + 'static,
) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    move |request| match from(request) {
        true => http(status, &format!("Location: {place}\r\n"), ""),
        false => http("200 OK", "", OPEN),
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer PLANTED"));
    headers
}

/// A session with credentials in query, headers and messages, until it is closed.
async fn session(http: &Http, url: &str, way: &[Transport]) -> CloseReason {
    let mut config = engineio::Config::default();
    config.transports = way.to_vec();
    let endpoint = Endpoint::parse(&format!("{url}/engine.io/?token=PLANTED")).unwrap();
    let mut client = Client::new(http.clone(), endpoint, config).with_headers(headers());
    loop {
        let event = within("an event", std::future::poll_fn(|cx| client.poll_event(cx))).await;
        match event.unwrap() {
            engineio::Event::Closed(reason) => return reason,
            engineio::Event::Opened { .. } => drop(client.send("PLANTED".into())),
            engineio::Event::UpgradeFailed(_) => client.close(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn no_redirect_of_a_session_is_followed() {
    ear::open();
    let following = Http::builder()
        .no_proxy()
        .no_system_certificates()
        // Not even when it is asked for.
        .customize(|client| {
            client
                .redirect(reqwest::redirect::Policy::limited(9))
                .referer(true)
        })
        .build()
        .unwrap();
    let thief = thief().await;
    type From = fn(&Request) -> bool;
    let is_handshake = |request: &Request| !request.target.contains("sid=");
    let is_poll = |request: &Request| {
        request.method == "GET"
            && request.target.contains("polling")
            && request.target.contains("sid=")
    };
    let is_post = |request: &Request| request.method == "POST";
    let is_upgrade = |request: &Request| request.target.contains("websocket");
    let steps: [(&[Transport], From); 5] = [
        (POLLING, is_handshake),
        (WEBSOCKET, is_handshake),
        (POLLING, is_poll),
        (POLLING, is_post),
        (UPGRADE, is_upgrade),
    ];
    for status in REDIRECTS {
        for (number, place) in places(thief.port, "http://127.0.0.1:1")
            .into_iter()
            .enumerate()
        {
            // What is followed is followed wherever it leads; each place once for each status, and each step.
            let (way, from) = steps[number % steps.len()];
            let server = Server::start(redirecting(status, place.clone(), from)).await;
            let url = format!("http://127.0.0.1:{}", server.port);
            session(&following, &url, way).await;
            let seen = server.seen();
            assert!(seen.iter().any(from), "{status} {place}");
            assert!(
                seen.iter()
                    .all(|request| request.target.starts_with("/engine.io/")),
                "{seen:?}"
            );
        }
    }
    for (way, from) in steps {
        for place in places(thief.port, "") {
            let server = Server::start(redirecting("307 T", place, from)).await;
            let url = format!("http://127.0.0.1:{}", server.port);
            session(&following, &url, way).await;
            assert!(server.seen().iter().any(from));
        }
    }
    assert_eq!(thief.connections(), 0);
    ear::heard_no_secret();
}

/// From TLS to plain HTTP on the same machine, which is what a downgrade looks like.
#[tokio::test]
async fn no_redirect_leads_from_tls_to_plain_http() {
    ear::open();
    let thief = thief().await;
    let place = format!("http://localhost:{}/engine.io/", thief.port);
    let server = Server::start(redirecting("308 P", place, |_| true)).await;
    let front = TlsFront::start(server.port).await;
    let trusting = Http::builder().no_proxy().no_system_certificates();
    let stack = trusting
        .root_certificates_pem(front.authority_pem())
        .unwrap()
        .build()
        .unwrap();
    for way in [POLLING, WEBSOCKET] {
        let reason = session(&stack, front.url("").trim_end_matches("/"), way).await;
        assert!(
            matches!(&reason, CloseReason::Refused(refusal) if refusal.status == 308),
            "{reason}"
        );
    }
    assert_eq!(thief.connections(), 0);
    ear::heard_no_secret();
}

fn base(port: u16) -> BaseUrl {
    BaseUrl::parse(&format!("http://127.0.0.1:{port}"), PlainHttp::OnLoopback).unwrap()
}

#[tokio::test]
async fn no_redirect_of_graph_or_of_the_sign_in_is_followed() {
    ear::open();
    let thief = thief().await;
    let stack = http_stack();
    for status in REDIRECTS {
        for place in places(thief.port, "http://127.0.0.1:1") {
            let server = Server::start(redirecting(status, place, |_| true)).await;
            let mut request = SubscriptionRequest::new(Resource::me_drive());
            request.cloud = Cloud::Custom(base(server.port));
            let token = AccessToken::new("PLANTED").unwrap();
            let refused = within("a refusal", request.send(&stack, &token))
                .await
                .unwrap_err();
            assert!(
                matches!(refused, SendError::Graph(GraphError::Redirected { .. })),
                "{refused}"
            );
            let delta = Delta::builder(Resource::me_drive())
                .token(StaticToken::from(token))
                .http(stack.clone());
            let delta = delta
                .cloud(Cloud::Custom(base(server.port)))
                .build()
                .unwrap();
            let refused = within("a refusal", delta.latest()).await.unwrap_err();
            assert!(
                matches!(refused, DeltaError::Graph(GraphError::Redirected { .. })),
                "{refused}"
            );
            let sign_in = DeviceCode::builder("app")
                .authority(base(server.port))
                .http(stack.clone())
                .build()
                .unwrap();
            let refused = within("a refusal", sign_in.start()).await.unwrap_err();
            needle::told("a redirect", &refused);
            let login = sign_in.restore("PLANTED-refresh").unwrap();
            let refused = within("a refusal", login.access_token(TokenRequest::any()))
                .await
                .unwrap_err();
            needle::told("a redirect", &refused);
            assert!(
                server
                    .seen()
                    .iter()
                    .all(|request| !request.target.contains("stolen"))
            );
        }
    }
    assert_eq!(thief.connections(), 0);
    ear::heard_no_secret();
}

#[tokio::test]
async fn no_link_of_an_answer_takes_the_token_elsewhere() {
    ear::open();
    let thief = thief().await;
    let stack = http_stack();
    for place in [
        format!("http://localhost:{}/delta?token=1", thief.port),
        format!("http://127.0.0.1:{}/delta?token=1", thief.port),
        format!("https://127.0.0.1:{}/delta?token=1", thief.port),
        format!("http://127.0.0.1@127.0.0.1:{}/delta?token=1", thief.port),
        "http://elsewhere.invalid/delta".to_owned(),
    ] {
        for name in ["@odata.nextLink", "@odata.deltaLink"] {
            let body = serde_json::json!({"value": [], name: place}).to_string();
            let server = Server::start(move |_| http("200 OK", "", &body)).await;
            let delta =
                Delta::builder(Resource::me_drive()).token(StaticToken::new("PLANTED").unwrap());
            let delta = delta
                .cloud(Cloud::Custom(base(server.port)))
                .http(stack.clone())
                .build()
                .unwrap();
            let mut changes = delta.changes(None);
            let error = loop {
                match within("a page", changes.next_page()).await {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{name}: {place} was taken"),
                    Err(error) => break error,
                }
            };
            let refused = matches!(
                error,
                DeltaError::ForeignLink {
                    origin: LinkOrigin::Answer
                } | DeltaError::BadLink(_)
            );
            assert!(refused, "{error}");
            // Nor one that a program has kept.
            if let Ok(link) = DeltaLink::parse(&place) {
                let error = within("a page", delta.changes(Some(&link)).next_page())
                    .await
                    .unwrap_err();
                assert!(
                    matches!(
                        error,
                        DeltaError::ForeignLink {
                            origin: LinkOrigin::Given
                        }
                    ),
                    "{error}"
                );
            }
        }
    }
    // A redirect of `410 Gone`, which is followed, but at home.
    for place in places(thief.port, "http://elsewhere.invalid")
        .into_iter()
        .take(5)
    {
        let server = Server::start(move |_| {
            http(
                "410 Gone",
                &format!("Location: {place}\r\n"),
                r#"{"error":{"code":"resyncRequired"}}"#,
            )
        })
        .await;
        let delta =
            Delta::builder(Resource::me_drive()).token(StaticToken::new("PLANTED").unwrap());
        let delta = delta
            .cloud(Cloud::Custom(base(server.port)))
            .http(stack.clone())
            .build()
            .unwrap();
        let link = DeltaLink::parse(&format!(
            "http://127.0.0.1:{}/delta?token=PLANTED",
            server.port
        ))
        .unwrap();
        let error = within("a page", delta.changes(Some(&link)).next_page())
            .await
            .unwrap_err();
        needle::told("gone", &error);
        if let DeltaError::Resync {
            restart: Some(link),
            ..
        } = error
        {
            within("a page", delta.changes(Some(&link)).next_page())
                .await
                .unwrap_err();
        }
    }
    assert_eq!(thief.connections(), 0);
    ear::heard_no_secret();
}

#[test]
fn tokens_travel_by_tls_or_to_this_machine_by_choice() {
    for (url, by_choice) in [
        ("http://127.0.0.1/", true),
        ("http://localhost/", true),
        ("http://[::1]/", true),
        ("http://10.0.0.1/", false),
        ("http://127.0.0.1.example/", false),
        ("http://localhost.example/", false),
        ("http://localhost@example/", false),
        ("http://0.0.0.0/", false),
        ("http://[::]/", false),
        ("http://[::ffff:10.0.0.1]/", false),
        ("http://graph.microsoft.com/", false),
    ] {
        assert!(BaseUrl::parse(url, PlainHttp::Never).is_err(), "{url}");
        assert_eq!(
            BaseUrl::parse(url, PlainHttp::OnLoopback).is_ok(),
            by_choice,
            "{url}"
        );
        let with_query = format!("{url}n?token=1");
        assert!(NotificationUrl::parse(&with_query).is_err(), "{url}");
        let options = graph_notifications::UrlOptions::default().plain_http(PlainHttp::OnLoopback);
        let parsed = NotificationUrl::parse_with(&with_query, options);
        assert_eq!(parsed.is_ok(), by_choice, "{url} {parsed:?}");
        // To which base it belongs is checked besides.
        assert_eq!(DeltaLink::parse(&with_query).is_ok(), by_choice, "{url}");
    }
}

/// A proxy that writes down all that it can read, and lets connections through to one port.
async fn proxy(target: u16) -> Server {
    Server::tunnel(target).await
}

#[tokio::test]
async fn a_proxy_learns_its_own_login_and_nothing_else() {
    ear::open();
    let server = Server::start(|request| match request.target.contains("sid=") {
        false => http("200 OK", "", OPEN),
        true => http(
            "400 Bad Request",
            "",
            r#"{"code":1,"message":"Session ID unknown"}"#,
        ),
    })
    .await;
    let server = Arc::new(server);
    let front = TlsFront::start(server.port).await;
    let proxy = proxy(front.port()).await;
    let login = format!("http://user:PLANTED-proxy@127.0.0.1:{}", proxy.port);
    let trusting = Http::builder()
        .no_system_certificates()
        .proxy(&login)
        .unwrap();
    let stack = trusting
        .root_certificates_pem(front.authority_pem())
        .unwrap()
        .build()
        .unwrap();
    for way in [POLLING, WEBSOCKET] {
        session(&stack, front.url("").trim_end_matches("/"), way).await;
    }
    let asked = proxy.seen();
    assert!(!asked.is_empty() && !server.seen().is_empty());
    for request in asked {
        assert_eq!(request.method, "CONNECT");
        let head = request.head.to_lowercase();
        // In base64, as HTTP has it.
        assert!(
            head.contains("proxy-authorization: basic dxnlcjpqtefovevelxbyb3h5"),
            "{head}"
        );
        let rest: String = head
            .lines()
            .filter(|line| !line.starts_with("proxy-authorization"))
            .collect();
        needle::absent("CONNECT", &rest);
    }
    for request in server.seen() {
        let head = request.head.to_lowercase();
        assert!(
            head.contains("bearer planted") && head.contains("token=planted"),
            "{head}"
        );
        assert!(
            !head.contains("proxy-authorization") && !head.contains("planted-proxy"),
            "{head}"
        );
    }
    ear::heard_no_secret();
}

#[tokio::test]
async fn a_proxy_that_fails_shows_no_login() {
    ear::open();
    let server = thief().await;
    // One that answers as no proxy does, one that refuses, and one that is not there.
    let refusing = Server::start(|request| http("407 No", "", &request.line())).await;
    for port in [server.port, refusing.port, 1] {
        for scheme in ["http", "https", "socks5", "socks5h"] {
            let proxy = format!("{scheme}://PLANTED-user:PLANTED-password@127.0.0.1:{port}");
            let stack = Http::builder()
                .no_system_certificates()
                .proxy(&proxy)
                .unwrap();
            // Who speaks SOCKS waits for an answer, and servers of HTTP for a line.
            let stack = stack
                .connect_timeout(std::time::Duration::from_millis(300))
                .build()
                .unwrap();
            for url in ["https://server.invalid", "http://server.invalid"] {
                let reason = session(&stack, url, WEBSOCKET).await;
                needle::told(&proxy, &reason);
            }
        }
    }
    ear::heard_no_secret();
}
