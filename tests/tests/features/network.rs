//! The way to the server: certificates, proxies, cookies, and what is asked for on it.

use std::process::Stdio;

use bytes::Bytes;
use conformance::{
    JsServer, Line, Proxy, Route, TlsFront, connected_and_upgraded, next_message, within,
};
use engineio::client::{Http, HttpBuilder};
use engineio::{CloseReason, Subprotocols};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use socketio::{Builder, ConnectError};
use tokio::process::Command;

use super::{ROUTES, builder, connect, targets};

/// A whole session by this HTTP stack: an event there and back, in text and in bytes, and an end.
async fn session(url: &str, route: Route, http: &Http) -> Result<(), ConnectError> {
    let builder = Builder::new(url)
        .engine_config(route.config())
        .http(http.clone());
    let (socket, mut events) = within("an outcome", builder.connect()).await?;
    let sent = ("text".to_owned(), Bytes::from_static(b"\xDE\xAD"));
    connected_and_upgraded(&mut events, route).await;
    socket.emit("mixed", &sent).await.unwrap();
    assert_eq!(
        next_message(&mut events)
            .await
            .parse::<(String, Bytes)>()
            .unwrap(),
        sent
    );
    within("an end", socket.disconnect()).await;
    Ok(())
}

async fn cannot_connect(url: &str, route: Route, http: &Http) {
    let outcome = session(url, route, http).await;
    let Err(ConnectError::Engine(CloseReason::Transport(_))) = &outcome else {
        panic!("{route:?}: {outcome:?}")
    };
}

#[tokio::test]
async fn custom_ca_and_client_certificate() {
    let server = server!({});
    let front = TlsFront::start(server.port()).await;
    let strict = TlsFront::start_for_clients(server.port()).await;
    let trusting = |front: &TlsFront| {
        Http::builder()
            .no_proxy()
            .root_certificates_pem(front.authority_pem())
            .unwrap()
    };
    let known = trusting(&strict)
        .client_identity_pem(strict.client_pem())
        .unwrap();
    let wrong = trusting(&strict)
        .client_identity_pem(front.client_pem())
        .unwrap();
    let build = |builder: HttpBuilder| builder.build().unwrap();
    for route in ROUTES {
        session(&front.url("/"), route, &build(trusting(&front)))
            .await
            .unwrap();
        let by_system = build(Http::builder().no_proxy());
        cannot_connect(&front.url("/"), route, &by_system).await;

        session(&strict.url("/"), route, &build(known.clone()))
            .await
            .unwrap();
        cannot_connect(&strict.url("/"), route, &build(trusting(&strict))).await;
        cannot_connect(&strict.url("/"), route, &build(wrong.clone())).await;
    }
    assert_eq!(server.seen_of("session").await.len(), 2 * ROUTES.len());
}

#[tokio::test]
async fn http_connect_proxy_with_authentication() {
    let server = server!({});
    let front = TlsFront::start(server.port()).await;
    let proxy = Proxy::connect().await;
    let by = |url: &str| {
        let builder = Http::builder()
            .root_certificates_pem(front.authority_pem())
            .unwrap();
        builder.proxy(url).unwrap()
    };
    let target = format!("localhost:{}", front.port());
    for route in ROUTES {
        let by_url = by(&proxy.url_with_login("http")).build().unwrap();
        session(&front.url("/"), route, &by_url).await.unwrap();
        let asked = proxy.asked();
        assert!(
            !asked.is_empty() && asked.iter().all(|asked| *asked == target),
            "{route:?}: {asked:?}"
        );

        let by_setting = by(&proxy.url("http"))
            .proxy_auth(Proxy::USER, Proxy::PASSWORD)
            .build()
            .unwrap();
        session(&front.url("/"), route, &by_setting).await.unwrap();
        let stranger = by(&proxy.url("http"))
            .proxy_auth(Proxy::USER, "wrong")
            .build()
            .unwrap();
        cannot_connect(&front.url("/"), route, &stranger).await;
    }
}

#[tokio::test]
async fn socks5_proxy() {
    let server = server!({});
    let proxy = Proxy::socks5().await;
    // A name that only the proxy knows.
    let target = format!("server.test:{}", server.port());
    for route in ROUTES {
        // New ones: others would have connections already.
        let by = |url: &str| Http::builder().proxy(url).unwrap().build().unwrap();
        let (http, stranger) = (
            by(&proxy.url_with_login("socks5h")),
            by(&proxy.url("socks5h")),
        );
        session(&format!("http://{target}/"), route, &http)
            .await
            .unwrap();
        let asked = proxy.asked();
        assert!(
            !asked.is_empty() && asked.iter().all(|asked| *asked == target),
            "{route:?}: {asked:?}"
        );
        cannot_connect(&format!("http://{target}/"), route, &stranger).await;
    }
}

/// The environment is a process's own: so this is the program `siocat`.
#[tokio::test]
async fn system_proxy() {
    let server = server!({});
    let proxy = Proxy::socks5().await;
    let target = format!("server.test:{}", server.port());
    for transport in ["polling", "websocket", "upgrade"] {
        let program = Command::new(env!("CARGO_BIN_EXE_siocat"))
            .args([
                &format!("http://{target}/"),
                "--transport",
                transport,
                "--count",
                "1",
            ])
            .env_clear()
            .env("ALL_PROXY", proxy.url_with_login("socks5h"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut program = program.unwrap();
        let mut stdin = program.stdin.take().unwrap();
        let line = b"{\"emit\":\"hello\"}\n";
        tokio::io::AsyncWriteExt::write_all(&mut stdin, line)
            .await
            .unwrap();
        let output = within("its end", program.wait_with_output()).await.unwrap();
        drop(stdin);
        assert!(output.status.success(), "{output:?}");
        let asked = proxy.asked();
        assert!(
            !asked.is_empty() && asked.iter().all(|asked| *asked == target),
            "{transport}: {asked:?}"
        );
    }
}

/// A balancer that goes by a cookie needs it on every request, the one that becomes the WebSocket included.
#[tokio::test]
async fn cookies_are_kept_through_the_upgrade() {
    let server = server!({"cookie": {"name": "sticky"}});
    for wanted in [true, false] {
        let before = requests(&server).await.len();
        let mut config = Route::Upgrade.config();
        config.cookies = wanted;
        let (socket, mut events) =
            connect(builder(&server, "/", Route::Upgrade).engine_config(config)).await;
        connected_and_upgraded(&mut events, Route::Upgrade).await;
        within("an end", socket.disconnect()).await;
        let requests = requests(&server).await.split_off(before);
        let [handshake, others @ ..] = &requests[..] else {
            panic!("no request")
        };
        assert_eq!(handshake.get("headers").get("cookie"), None);
        assert!(others.iter().any(|request| request.is("upgrade")));
        for request in others {
            let sid = request.str("target").rsplit_once("&sid=").unwrap().1;
            let cookie = request.get("headers").get("cookie");
            let expected = wanted.then(|| json!(format!("sticky={sid}")));
            assert_eq!(cookie, expected.as_ref(), "{request:?}");
        }
    }
}

async fn requests(server: &JsServer) -> Vec<Line> {
    let mut log = server.seen().await;
    log.retain(|line| line.is("request") || line.is("upgrade"));
    log
}

#[tokio::test]
async fn headers_path_query_and_subprotocol() {
    let server = server!({"path": "/chat/socket", "addTrailingSlash": false});
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", HeaderValue::from_static("contoso"));
    for route in ROUTES {
        let before = requests(&server).await.len();
        let mut config = route.config();
        config.subprotocols = Subprotocols::new(["chat.v2", "chat.v1"]).unwrap();
        let builder = builder(&server, "/admin", route)
            .engine_config(config)
            .path("/chat/socket")
            .trailing_slash(false)
            .query("token=T")
            .query_pairs([("room 1", "é&=")])
            .headers(headers.clone());
        let (socket, mut events) = connect(builder).await;
        connected_and_upgraded(&mut events, route).await;
        within("an end", socket.disconnect()).await;
        for request in &requests(&server).await[before..] {
            let start = "/chat/socket?token=T&room%201=%C3%A9%26%3D&EIO=4&transport=";
            assert!(request.str("target").starts_with(start), "{request:?}");
            assert_eq!(request.get("headers")["x-tenant"], "contoso");
            let offered = request.get("headers").get("sec-websocket-protocol");
            let expected = request.is("upgrade").then(|| json!("chat.v2, chat.v1"));
            assert_eq!(offered, expected.as_ref());
        }
    }
    let joined = server.seen_of("connect").await;
    assert_eq!(joined.len(), ROUTES.len());
    assert!(
        joined
            .iter()
            .all(|line| line.get("query")["room 1"] == "é&="),
        "{joined:?}"
    );
}

/// It may be a credential: padding, order, case and doubled names are somebody's signature.
#[tokio::test]
async fn opaque_query_kept_byte_for_byte() {
    let server = server!({});
    let query = "token=aB%2b%2F+c==&a=1&a=&flag&~!*()'=%7e&z=%c3%A9";
    // In a query a URL can carry `'` only as `%27`.
    let arrives = query.replace('\'', "%27");
    for route in ROUTES {
        let (socket, _events) = connect(builder(&server, "/", route).query(query)).await;
        within("an end", socket.disconnect()).await;
    }
    let (_socket, _events) =
        connect(Builder::new(server.url(&format!("/?{query}"))).http(conformance::http())).await;
    for target in targets(&server).await {
        assert!(
            target.starts_with(&format!("/socket.io/?{arrives}&EIO=4&transport=")),
            "{target}"
        );
    }
}
