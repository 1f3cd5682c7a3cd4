//! Proxies by HTTP: tunnels, forwarding, logins, TLS to the proxy itself.

use std::sync::Arc;

use engineio::client::HttpBuilder;
use engineio::{CloseReason, ErrorCode, Event, TransportErrorKind, UpgradeError};

use super::http_server::{Particular, Server};
use super::proxy_server::{HttpProxy, Proxy};
use super::tls::Authority;
use super::{
    HOST, POLLING, UPGRADE, WAYS, WEBSOCKET, client, direct, session, transport_error, within,
};

const LOGIN: Option<&str> = Some("us:er@x:p@ss/w%rd");
const LOGIN_IN_URL: &str = "us%3Aer%40x:p%40ss%2Fw%25rd";

const NOT_THROUGH: &str = "the proxy may not let WebSocket through to plain http, only to https";

fn trusting(authority: &Authority) -> HttpBuilder {
    direct()
        .root_certificates_pem(authority.pem().as_bytes())
        .unwrap()
}

#[tokio::test]
async fn a_connect_proxy_with_a_login_carries_polling_and_websocket() {
    let authority = Authority::new();
    for way in WAYS {
        let proxy = Proxy::http(HttpProxy {
            login: LOGIN,
            refuses_forwarding: Some("501 Not Implemented"),
            ..HttpProxy::default()
        })
        .await;
        let by_url = trusting(&authority)
            .proxy(&proxy.url("http", LOGIN_IN_URL))
            .unwrap();
        let by_call = trusting(&authority)
            .proxy(&proxy.url("http", "another:one"))
            .unwrap()
            .proxy_auth("us:er@x", "p@ss/w%rd");
        for http in [by_url, by_call] {
            let server = Server::tls(authority.server()).await;
            session(http, &server.named_url(), way).await.unwrap();
            let tunnel = format!("CONNECT {HOST}:{}", server.port);
            assert!(proxy.asked().contains(&tunnel));
        }
    }
}

#[tokio::test]
async fn a_connect_proxy_that_refuses_the_login_is_told() {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    let proxy = Proxy::http(HttpProxy {
        login: LOGIN,
        ..HttpProxy::default()
    })
    .await;
    for login in ["", "user:wrong-password"] {
        for way in [POLLING, WEBSOCKET] {
            let http = trusting(&authority)
                .proxy(&proxy.url("http", login))
                .unwrap();
            let error = transport_error(session(http, &server.named_url(), way).await);
            assert_eq!(error.kind, TransportErrorKind::Connect);
            assert_eq!(
                error.message,
                "the proxy asks for a user name and a password, or refuses those that were given"
            );
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_connect_proxy_that_does_not_let_through_is_told() {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    for status in ["403 Forbidden", "502 Bad Gateway"] {
        let proxy = Proxy::http(HttpProxy {
            refuses_connect: Some(status),
            ..HttpProxy::default()
        })
        .await;
        for way in [POLLING, WEBSOCKET] {
            let http = trusting(&authority).proxy(&proxy.url("http", "")).unwrap();
            let error = transport_error(session(http, &server.named_url(), way).await);
            assert_eq!(error.kind, TransportErrorKind::Connect);
            assert_eq!(
                error.message,
                "the proxy does not let the connection through: its rules forbid it, or it cannot reach the server"
            );
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told() {
    let authority = Authority::new();
    let server = Server::tls(authority.server()).await;
    // Its listener is gone.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    for scheme in ["http", "https"] {
        // The second one would be asked to forward.
        for url in [server.named_url(), "http://server.test/".to_owned()] {
            for way in [POLLING, WEBSOCKET] {
                let proxy = format!("{scheme}://127.0.0.1:{port}");
                let http = trusting(&authority).proxy(&proxy).unwrap();
                let error = transport_error(session(http, &url, way).await);
                let (told, why) = error.message.split_once(": ").unwrap();
                assert_eq!(told, "the proxy cannot be reached", "{error}");
                assert!(why.contains("refused"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_https_proxy_with_a_login_carries_polling_and_websocket() {
    let authority = Authority::new();
    for way in WAYS {
        let server = Server::tls(authority.server()).await;
        let proxy = Proxy::http(HttpProxy {
            login: LOGIN,
            tls: Some(Arc::new(authority.server())),
            ..HttpProxy::default()
        })
        .await;
        let http = trusting(&authority)
            .proxy(&proxy.url("https", LOGIN_IN_URL))
            .unwrap();
        session(http, &server.named_url(), way).await.unwrap();
        assert!(!proxy.asked().is_empty());
    }
}

#[tokio::test]
async fn plain_http_is_forwarded_with_a_login() {
    for way in WAYS {
        let server = Server::start().await;
        let proxy = Proxy::http(HttpProxy {
            login: LOGIN,
            ..HttpProxy::default()
        })
        .await;
        let http = direct().proxy(&proxy.url("http", LOGIN_IN_URL)).unwrap();
        session(http, &server.named_url(), way).await.unwrap();
        assert!(!proxy.asked().is_empty());
        for request in server.requests() {
            assert_eq!(request.header("proxy-authorization"), None);
        }
    }
}

#[tokio::test]
async fn plain_http_without_the_proxy_s_login_is_told() {
    let server = Server::start().await;
    let proxy = Proxy::http(HttpProxy {
        login: LOGIN,
        ..HttpProxy::default()
    })
    .await;
    for way in [POLLING, WEBSOCKET] {
        let http = direct().proxy(&proxy.url("http", "user:wrong")).unwrap();
        let error = transport_error(session(http, &server.named_url(), way).await);
        assert_eq!(error.kind, TransportErrorKind::Connect);
        assert_eq!(
            error.message,
            "the proxy asks for a user name and a password, or refuses those that were given"
        );
    }
}

#[tokio::test]
async fn without_a_proxy_the_system_s_or_an_earlier_one_is_not_asked() {
    let proxy = Proxy::http(HttpProxy::default()).await;
    let server = Server::start().await;
    let http = direct().proxy(&proxy.url("http", "")).unwrap().no_proxy();
    session(http, &server.url(), POLLING).await.unwrap();
    assert!(proxy.asked().is_empty());
}

/// A proxy for `CONNECT` only does not forward polling: what it answers is told.
#[tokio::test]
async fn polling_by_plain_http_needs_a_proxy_that_forwards() {
    let server = Server::start().await;
    let proxy = Proxy::http(HttpProxy {
        refuses_forwarding: Some("405 Method Not Allowed"),
        ..HttpProxy::default()
    })
    .await;
    let http = direct().proxy(&proxy.url("http", "")).unwrap();
    let outcome = session(http, &server.named_url(), POLLING).await;
    let Err(CloseReason::Refused(refusal)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refusal.status, 405);
}

#[tokio::test]
async fn a_proxy_that_does_not_forward_websocket_to_plain_http_is_told() {
    let by_the_book = HttpProxy {
        is_by_the_book: true,
        ..HttpProxy::default()
    };
    let for_connect_only = HttpProxy {
        refuses_forwarding: Some("405 Method Not Allowed"),
        ..HttpProxy::default()
    };
    for (settings, status) in [(by_the_book.clone(), 400), (for_connect_only, 405)] {
        let server = Server::start().await;
        let proxy = Proxy::http(settings).await;
        let http = direct().proxy(&proxy.url("http", "")).unwrap();
        let outcome = session(http, &server.named_url(), WEBSOCKET).await;
        let Err(CloseReason::Refused(refusal)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(refusal.status, status);
        assert!(refusal.message.contains(NOT_THROUGH), "{refusal}");
        // Trying again does not help.
        assert!(!refusal.is_retryable());
    }
    // A session that began by polling stays there.
    let server = Server::start().await;
    let proxy = Proxy::http(by_the_book).await;
    let http = direct().proxy(&proxy.url("http", "")).unwrap();
    let mut client = client(http.build().unwrap(), &server.named_url(), UPGRADE);
    loop {
        match within(client.next_event()).await.unwrap() {
            Event::UpgradeFailed(UpgradeError::Refused(refusal)) => {
                assert!(refusal.message.contains(NOT_THROUGH), "{refusal}");
                client.send("hello".into()).unwrap();
            }
            Event::Message(_) => break,
            Event::Opened { .. } => {}
            event => panic!("{event:?}"),
        }
    }
}

#[tokio::test]
async fn what_a_server_refuses_behind_a_forwarding_proxy_is_the_server_s() {
    let server = Server::scripted(|_| Particular {
        refusal: Some((
            "403 Forbidden",
            r#"{"code":4,"message":"Forbidden"}"#.to_owned(),
        )),
        ..Particular::default()
    })
    .await;
    let proxy = Proxy::http(HttpProxy::default()).await;
    for way in [POLLING, WEBSOCKET] {
        let http = direct().proxy(&proxy.url("http", "")).unwrap();
        let outcome = session(http, &server.named_url(), way).await;
        let Err(CloseReason::Refused(refusal)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(refusal.code, Some(ErrorCode::Forbidden));
        assert_eq!(refusal.message, "Forbidden");
    }
}
