//! Proxies and servers that accept a connection and then say nothing.

use std::time::Duration;

use engineio::client::{Client, HttpBuilder};
use engineio::{CloseReason, Config, Endpoint, Event, Transport, TransportErrorKind};
use tokio::net::TcpListener;

use super::{POLLING, UPGRADE, WAYS, WEBSOCKET, direct, session, transport_error, within};

/// Accepts, keeps and never answers. Its port.
async fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    port
}

/// Each way to be kept waiting before there is a connection: the settings, and the server's URL.
async fn ways_to_wait() -> Vec<(HttpBuilder, String)> {
    let port = silent().await;
    let mut ways = vec![(direct(), format!("https://127.0.0.1:{port}/"))];
    for (proxy, url) in [
        ("http", "https://server.test/"),
        ("https", "https://server.test/"),
        ("https", "http://server.test/"),
        ("socks4a", "http://server.test/"),
        ("socks5h", "http://server.test/"),
        ("socks5h", "https://server.test/"),
    ] {
        let http = direct().proxy(&format!("{proxy}://127.0.0.1:{port}"));
        ways.push((http.unwrap(), url.to_owned()));
    }
    ways
}

#[tokio::test]
async fn a_connection_that_never_comes_about_is_given_up_in_time() {
    for (http, url) in ways_to_wait().await {
        for way in WAYS {
            let http = http.clone().connect_timeout(Duration::from_millis(50));
            let error = transport_error(session(http, &url, way).await);
            assert_eq!(error.kind, TransportErrorKind::Connect, "{url}: {error}");
            assert!(error.message.contains("nobody answered in time"), "{error}");
        }
    }
}

#[tokio::test]
async fn without_a_limit_on_connecting_the_one_on_the_handshake_holds() {
    for (http, url) in ways_to_wait().await {
        for way in [POLLING, WEBSOCKET] {
            let mut config = Config::default();
            config.transports = way.to_vec();
            config.handshake_timeout = Duration::from_millis(50);
            let http = http.clone().connect_timeout(None).build().unwrap();
            let mut client = Client::new(http, Endpoint::parse(&url).unwrap(), config);
            let end = within(client.next_event()).await;
            assert_eq!(end, Some(Event::Closed(CloseReason::HandshakeTimeout)));
        }
    }
}

/// Each transport has its share, and the end comes when all have had theirs.
#[tokio::test]
async fn each_transport_that_hangs_is_given_up_in_turn() {
    let port = silent().await;
    let mut config = Config::default();
    config.transports = UPGRADE.to_vec();
    config.try_all_transports = true;
    config.handshake_timeout = Duration::from_millis(100);
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let mut client = Client::new(direct().build().unwrap(), endpoint, config);
    let first = Event::TransportFailed {
        transport: Transport::Polling,
        reason: CloseReason::HandshakeTimeout,
    };
    assert_eq!(within(client.next_event()).await, Some(first));
    let end = Event::Closed(CloseReason::HandshakeTimeout);
    assert_eq!(within(client.next_event()).await, Some(end));
}
