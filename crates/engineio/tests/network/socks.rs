//! SOCKS 5, with and without a login.

use engineio::TransportErrorKind;
use std::net::Ipv4Addr;

use super::http_server::Server;
use super::proxy_server::{Proxy, SocksProxy};
use super::tls::Authority;
use super::{HOST, POLLING, WAYS, WEBSOCKET, direct, session, transport_error};

const LOGIN: Option<(&str, &str)> = Some(("user@x", "p:ss"));

#[tokio::test]
async fn a_socks5_proxy_carries_polling_and_websocket() {
    let authority = Authority::new();
    let pem = authority.pem();
    for (login, in_url) in [(None, ""), (LOGIN, "user%40x:p%3Ass")] {
        let proxy = Proxy::socks(SocksProxy { login, reply: 0 }).await;
        for way in WAYS {
            // The proxy resolves the name.
            let http = direct()
                .proxy(&proxy.url("socks5h", in_url))
                .unwrap()
                .root_certificates_pem(pem.as_bytes())
                .unwrap();
            for server in [Server::start().await, Server::tls(authority.server()).await] {
                session(http.clone(), &server.named_url(), way)
                    .await
                    .unwrap();
                assert!(proxy.asked().contains(&format!("{HOST}:{}", server.port)));
            }
        }
        // This side does.
        let server = Server::start().await;
        let http = direct()
            .proxy(&proxy.url("socks5", in_url))
            .unwrap()
            .resolve(HOST, [Ipv4Addr::LOCALHOST.into()]);
        session(http, &server.named_url(), POLLING).await.unwrap();
        let address = format!("127.0.0.1:{}", server.port);
        assert!(proxy.asked().contains(&address), "{:?}", proxy.asked());
    }
}

#[tokio::test]
async fn a_socks5_login_can_be_given_apart_from_the_url() {
    let proxy = Proxy::socks(SocksProxy {
        login: LOGIN,
        reply: 0,
    })
    .await;
    let server = Server::start().await;
    let http = direct()
        .proxy(&proxy.url("socks5h", ""))
        .unwrap()
        .proxy_auth("user@x", "p:ss");
    session(http, &server.named_url(), WEBSOCKET).await.unwrap();
}

#[tokio::test]
async fn what_a_socks5_proxy_refuses_is_told() {
    let with = |login, reply| SocksProxy { login, reply };
    let server = Server::start().await;
    for (settings, login, words) in [
        (
            with(LOGIN, 0),
            "user:wrong",
            "the proxy refuses the user name and the password",
        ),
        (with(LOGIN, 0), "", "the proxy wants another way to log in"),
        (
            with(None, 0),
            "user:password",
            "the proxy wants another way to log in",
        ),
        (with(None, 2), "", "SOCKS error: connection not allowed"),
    ] {
        let proxy = Proxy::socks(settings).await;
        for way in [POLLING, WEBSOCKET] {
            let http = direct().proxy(&proxy.url("socks5h", login)).unwrap();
            let error = transport_error(session(http, &server.named_url(), way).await);
            assert_eq!(error.kind, TransportErrorKind::Connect, "{error}");
            assert!(error.message.contains(words), "{error}");
            assert!(!error.to_string().contains("password:"));
        }
    }
    assert!(server.requests().is_empty());
}
