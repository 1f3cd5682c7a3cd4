//! Cookies of a session: kept through polls, posts and the upgrade, and forgotten with it.

use engineio::client::Client;
use engineio::{Config, Endpoint, Event, UpgradeError};

use super::http_server::{Kind, Particular, Request, Server};
use super::{UPGRADE, WEBSOCKET, converse, direct, within};

fn with(cookie: &str) -> Particular {
    Particular {
        headers: format!("Set-Cookie: {cookie}; Path=/; HttpOnly\r\n"),
        ..Particular::default()
    }
}

/// A server that sets a cookie with each kind of answer.
fn sticky(request: &Request) -> Particular {
    with(match request.kind() {
        Kind::Handshake => "sticky=a",
        Kind::Poll => "poll=b",
        Kind::Post => "post=c",
        Kind::WebSocket => "ws=d",
    })
}

fn client(server: &Server, config: Config) -> Client {
    let http = direct().build().unwrap();
    let endpoint = Endpoint::parse(&server.url()).unwrap();
    Client::new(http, endpoint, config)
}

/// The cookies that came with the requests of a kind.
fn cookies(server: &Server, kind: Kind) -> Vec<String> {
    let requests = server.requests_of(kind).into_iter();
    let cookie = |request: Request| request.header("cookie").unwrap_or("none").to_owned();
    requests.map(cookie).collect()
}

/// Sends and waits until it comes back.
async fn echo(client: &mut Client, text: &str) {
    client.send(text.into()).unwrap();
    loop {
        match within(client.next_event()).await.unwrap() {
            Event::Message(message) => return assert_eq!(message, text.into()),
            Event::Closed(reason) => panic!("{reason}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn cookies_are_kept_through_polls_posts_and_the_upgrade() {
    let server = Server::scripted(sticky).await;
    let mut config = Config::default();
    config.transports = UPGRADE.to_vec();
    config.upgrade = false;
    let mut polling = client(&server, config);
    within(polling.next_event()).await.unwrap();
    for text in ["one", "two"] {
        echo(&mut polling, text).await;
    }
    assert_eq!(cookies(&server, Kind::Handshake), ["none"]);
    assert_eq!(cookies(&server, Kind::Poll)[0], "sticky=a");
    let posts = cookies(&server, Kind::Post);
    assert_eq!(posts[0], "sticky=a");
    assert!(posts[1].contains("sticky=a; "), "{posts:?}");
    assert!(posts[1].contains("post=c") || posts[1].contains("poll=b"));
    drop(polling);

    let server = Server::scripted(sticky).await;
    converse(client(&server, Config::default()), UPGRADE)
        .await
        .unwrap();
    assert_eq!(cookies(&server, Kind::WebSocket), ["sticky=a"]);
    // A new session knows nothing of the old one.
    let server = Server::scripted(sticky).await;
    let mut config = Config::default();
    config.transports = WEBSOCKET.to_vec();
    converse(client(&server, config), WEBSOCKET).await.unwrap();
    assert_eq!(cookies(&server, Kind::WebSocket), ["none"]);
}

/// The handshake of the WebSocket is an answer like others, be it a refusal.
#[tokio::test]
async fn cookies_of_a_refused_websocket_are_kept_and_not_told() {
    let server = Server::scripted(|request| match request.kind() {
        Kind::Handshake => with("sticky=credential"),
        Kind::WebSocket => Particular {
            refusal: Some((
                "503 Service Unavailable",
                format!("no backend for {}", request.header("cookie").unwrap()),
            )),
            ..with("backend=2")
        },
        _ => Particular::default(),
    })
    .await;
    let mut client = client(&server, Config::default());
    let error = loop {
        match within(client.next_event()).await.unwrap() {
            Event::UpgradeFailed(error) => break error,
            Event::Closed(reason) => panic!("{reason}"),
            _ => {}
        }
    };
    let UpgradeError::Refused(refusal) = error else {
        panic!("{error}")
    };
    assert_eq!(refusal.message, "no backend for sticky=[redacted]");
    echo(&mut client, "hello").await;
    assert_eq!(
        cookies(&server, Kind::Post),
        ["sticky=credential; backend=2"]
    );
}

#[tokio::test]
async fn the_caller_s_cookies_go_first_and_deleted_ones_go_away() {
    let server = Server::scripted(|request| match request.kind() {
        Kind::Handshake => with("sticky=a"),
        Kind::Post => with("sticky=; Max-Age=0"),
        _ => Particular::default(),
    })
    .await;
    let mut config = Config::default();
    config.upgrade = false;
    let headers = [(http::header::COOKIE, "mine=0".parse().unwrap())];
    let mut client = client(&server, config).with_headers(headers.into_iter().collect());
    within(client.next_event()).await.unwrap();
    echo(&mut client, "one").await;
    echo(&mut client, "two").await;
    assert_eq!(cookies(&server, Kind::Handshake), ["mine=0"]);
    assert_eq!(cookies(&server, Kind::Post), ["mine=0; sticky=a", "mine=0"]);
}

#[tokio::test]
async fn cookies_can_be_switched_off() {
    let server = Server::scripted(sticky).await;
    let mut config = Config::default();
    config.cookies = false;
    converse(client(&server, config), UPGRADE).await.unwrap();
    for request in server.requests() {
        assert_eq!(request.header("cookie"), None);
    }
}
