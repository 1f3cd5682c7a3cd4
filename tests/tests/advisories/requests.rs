//! What a client says, whatever it is given: no header or request is injected, nothing goes to another host, and what a
//! server has chosen stays in its place.

use std::sync::{Arc, Mutex};

use engineio::{CloseReason, Endpoint, Event, Subprotocols, Transport, Version};
use socketio::{Builder, Namespace, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::raw::{self, header, headers};
use super::{Kind, client, end_of, serve, serve_silently};

/// Lines that an attacker would like to see in a request of ours.
const INJECTED: [&str; 7] = [
    "a\r\nX-Injected: 1",
    "a\nX-Injected: 1",
    "a\rX-Injected: 1",
    "a\r\n\r\nGET /injected HTTP/1.1\r\nHost: x\r\n\r\n",
    "a\0b",
    "a\u{85}X-Injected: 1",
    "a\u{560d}\u{560a}X-Injected: 1",
];

/// All that a server is told by the first connection of a client, to the end of the head.
async fn head_of(to: impl FnOnce(&Endpoint) -> Option<Builder>) -> Option<String> {
    let (listener, endpoint) = raw::listen();
    let builder = to(&endpoint)?;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = raw::request(&mut stream).await;
        raw::respond(&mut stream, "403 Forbidden", "").await;
        head
    });
    let error = raw::within(builder.connect()).await.err().unwrap();
    if server.is_finished()
        || matches!(
            error,
            socketio::ConnectError::Engine(CloseReason::Refused(_))
        )
    {
        return Some(raw::within(server).await.unwrap());
    }
    // It never came so far.
    server.abort();
    None
}

/// Nothing that a program passes on from somebody else becomes a header or a request of its own: it is refused, or it
/// is encoded.
#[tokio::test]
async fn cwe_113_no_header_is_injected_by_what_the_program_passes_on() {
    let mut seen = 0;
    for value in INJECTED {
        let url = |endpoint: &Endpoint| format!("http://127.0.0.1:{}/", endpoint.port());
        let base = |endpoint: &Endpoint| {
            Builder::new(url(endpoint))
                .transports([Transport::WebSocket])
                .http(conformance::http())
        };
        for (what, head) in [
            (
                "the URL's query",
                head_of(|to| {
                    Some(Builder::new(format!("{}?q={value}", url(to))).http(conformance::http()))
                })
                .await,
            ),
            (
                "the URL's path",
                head_of(|to| {
                    Some(Builder::new(format!("{}{value}", url(to))).http(conformance::http()))
                })
                .await,
            ),
            (
                "the URL's host",
                head_of(|to| {
                    Some(
                        Builder::new(format!("http://{value}@127.0.0.1:{}/", to.port()))
                            .http(conformance::http()),
                    )
                })
                .await,
            ),
            (
                "the query",
                head_of(|to| Some(base(to).query(format!("q={value}")))).await,
            ),
            (
                "a query's value",
                head_of(|to| Some(base(to).query_pairs([("q", value)]))).await,
            ),
            (
                "a query's name",
                head_of(|to| Some(base(to).query_pairs([(value, "q")]))).await,
            ),
            (
                "the path",
                head_of(|to| Some(base(to).path(format!("/{value}/")))).await,
            ),
            (
                "the namespace",
                head_of(|to| Some(base(to).namespace(format!("/{value}")))).await,
            ),
            (
                "the auth payload",
                head_of(|to| Some(base(to).auth(serde_json::json!({ "token": value })))).await,
            ),
            (
                "a subprotocol",
                head_of(|to| {
                    let mut config = raw::config(raw::WEBSOCKET);
                    config.subprotocols = Subprotocols::new([value]).ok()?;
                    Some(base(to).engine_config(config))
                })
                .await,
            ),
            (
                "the timestamp's name",
                head_of(|to| {
                    let mut config = raw::config(raw::POLLING);
                    config.timestamp = engineio::Timestamp::always().with_parameter(value).ok()?;
                    Some(base(to).engine_config(config))
                })
                .await,
            ),
        ] {
            let Some(head) = head else { continue };
            seen += 1;
            let lines: Vec<_> = head.split("\r\n").collect();
            assert!(
                head.is_ascii() && !head.contains('\0'),
                "{what} {value:?}: {head:?}"
            );
            assert!(
                !head.replace("\r\n", "").contains(['\r', '\n']),
                "{what} {value:?}: {head:?}"
            );
            assert!(
                !lines.iter().any(|line| line.starts_with("X-Injected") || line.starts_with("GET /injected")),
                "{what} {value:?}: {head:?}"
            );
            assert_eq!(lines[0].split(' ').count(), 3, "{what} {value:?}: {head:?}");
            assert_eq!(
                headers(&head, "host").len(),
                1,
                "{what} {value:?}: {head:?}"
            );
            assert!(head.ends_with("\r\n\r\n"), "{what} {value:?}: {head:?}");
        }
        // Headers are typed.
        let is_refused = http::HeaderValue::from_str(value).is_err();
        assert_eq!(is_refused, value.contains(['\r', '\n', '\0']), "{value:?}");
        assert!(http::HeaderName::from_bytes(value.as_bytes()).is_err());
        assert!(Subprotocols::new([value]).is_err());
        let agent = engineio::client::Http::builder()
            .no_system_certificates()
            .user_agent(value);
        assert!(
            agent.build().is_err() || !value.contains(['\r', '\n', '\0']),
            "{value:?}"
        );
    }
    // It was not all refused.
    assert!(seen > 3 * INJECTED.len(), "{seen}");
}

/// A namespace cannot end the packet's header that it stands in.
#[test]
fn cwe_113_no_packet_is_injected_by_a_namespace() {
    for namespace in ["/a,", "/a,1[\"e\"]", "/a\u{1e}4", "a", ""] {
        assert!(Namespace::try_from(namespace).is_err(), "{namespace:?}");
    }
    for url in ["http://h/a,b", "http://h/a\u{1e}b"] {
        assert!(Target::parse(url).is_err(), "{url}");
    }
    // An event whose text would be several packets by polling is not sent as one.
    let mut payload = String::new();
    let event = socketio::codec::Event::new("\u{1e}", &"\u{1e}4injected").unwrap();
    let packet = socketio::codec::Packet::Event {
        namespace: Namespace::root(),
        id: None,
        event,
    };
    packet.encode(&mut payload);
    assert!(!payload.contains('\u{1e}'), "{payload:?}");
}

/// What a server gives for a session id is a value in a query, and nothing else, ever.
#[tokio::test]
async fn cve_2026_59724_a_session_id_is_only_text() {
    for (sid, encoded) in [
        ("__proto__", "__proto__"),
        (
            "a&transport=websocket&sid=b",
            "a%26transport%3Dwebsocket%26sid%3Db",
        ),
        (
            r"a\r\nX-Injected: 1\r\n\r\n",
            "a%0D%0AX-Injected%3A%201%0D%0A%0D%0A",
        ),
        (r"\u0000\u001e#?/../ é", "%00%1E%23%3F%2F..%2F%20%C3%A9"),
        ("http://elsewhere/", "http%3A%2F%2Felsewhere%2F"),
    ] {
        let (listener, endpoint) = raw::listen();
        let (tell, mut told) = mpsc::unbounded_channel();
        let open = raw::usual_open().replace("SESSION", sid);
        serve_silently(listener, open, Kind::Poll, move |mut stream, head| {
            tell.send(head).unwrap();
            async move {
                stream.read_to_end(&mut Vec::new()).await.ok();
            }
        });
        let mut client = client(&endpoint, raw::config(raw::POLLING));
        assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
        let driver = tokio::spawn(async move { while client.next_event().await.is_some() {} });
        let head = raw::within(told.recv()).await.unwrap();
        driver.abort();
        let target = head.split(' ').nth(1).unwrap();
        assert!(target.ends_with(&format!("&sid={encoded}")), "{target}");
        assert_eq!(target.matches("&sid=").count(), 1);
        assert_eq!(headers(&head, "x-injected").len(), 0, "{head}");
        assert_eq!(head.lines().next().unwrap().split(' ').count(), 3, "{head}");
    }
}

/// All requests of a session name the same revision, and no session goes on in another one.
#[tokio::test]
async fn cve_2026_102599_the_revision_never_varies_in_a_session() {
    for (version, eio) in [(Version::V4, "4"), (Version::V3, "3"), (Version::Auto, "4")] {
        let (listener, endpoint) = raw::listen();
        let (tell, polls) = mpsc::unbounded_channel();
        let heads = Arc::new(Mutex::new(Vec::new()));
        // The WebSocket of the upgrade is refused, and then there is a message to answer.
        let seen = heads.clone();
        let seen_post = heads.clone();
        let open = match version {
            Version::V3 => {
                let open = raw::usual_open();
                format!("{}:{open}", open.len())
            }
            _ => raw::usual_open(),
        };
        serve(
            listener,
            open,
            Kind::WebSocket,
            polls,
            move |mut stream, head| {
                seen.lock().unwrap().push(head);
                async move { raw::respond(&mut stream, "400 Bad Request", "").await }
            },
        );
        let mut config = raw::config(raw::BOTH);
        config.version = version;
        let mut client = client(&endpoint, config);
        assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
        assert!(matches!(
            raw::next(&mut client).await,
            Event::UpgradeFailed(_)
        ));
        drop((client, tell));
        let heads = seen_post.lock().unwrap().clone();
        assert_eq!(heads.len(), 1, "{version:?}");
        for head in heads {
            let target = head.split(' ').nth(1).unwrap();
            assert!(target.contains("&sid=SESSION"), "{target}");
            assert!(target.contains(&format!("EIO={eio}&")), "{target}");
            assert_eq!(target.matches("EIO=").count(), 1, "{target}");
        }
        // Nor can a program make it vary.
        for query in ["EIO=3", "a=b&EIO=3", "sid=x", "transport=__proto__"] {
            assert!(endpoint.clone().with_query(query).is_err(), "{query}");
        }
    }
}

/// An answer that leads elsewhere is an answer: neither query nor headers nor cookies go along.
#[tokio::test]
async fn cwe_601_no_redirect_is_followed() {
    for kind in super::KINDS {
        for status in [
            "301 Moved Permanently",
            "302 Found",
            "303 See Other",
            "307 Temporary Redirect",
            "308 Permanent Redirect",
        ] {
            let (listener, endpoint) = raw::listen();
            let (elsewhere, other) = raw::listen();
            let answer = format!(
                "{status}\r\nSet-Cookie: a=b\r\nLocation: http://127.0.0.1:{}/engine.io/?stolen\r\nRefresh: 0; url=http://127.0.0.1:{}/",
                other.port(),
                other.port()
            );
            serve_silently(listener, raw::usual_open(), kind, move |mut stream, _| {
                let answer = answer.clone();
                async move { raw::respond(&mut stream, &answer, "").await }
            });
            let mut headers = http::HeaderMap::new();
            headers.insert("authorization", "Bearer secret".parse().unwrap());
            headers.insert("cookie", "own=secret".parse().unwrap());
            let mut client =
                client(&endpoint, raw::config(kind.transports())).with_headers(headers);
            let reason = raw::within(async {
                loop {
                    match client.next_event().await.unwrap() {
                        Event::Opened { .. } => client.send("hello".into()).unwrap(),
                        Event::Closed(reason) => return reason,
                        _ => {}
                    }
                }
            })
            .await;
            let CloseReason::Refused(refusal) = &reason else {
                panic!("{kind:?} {status}: {reason:?}")
            };
            assert_eq!(refusal.status.to_string(), status[..3]);
            let mut accept = std::pin::pin!(elsewhere.accept());
            let is_visited = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(accept.as_mut().poll(cx).is_ready())
            });
            assert!(!is_visited.await, "{kind:?} {status}: somebody came along");
        }
    }
}

/// Cookies without number, of any size, for other hosts: what is sent back has limits, and stays one header.
#[tokio::test]
async fn cwe_770_cookies_without_number() {
    let many: String = (0..80)
        .map(|n| format!("Set-Cookie: many{n}=v\r\n"))
        .collect();
    let long: String = (0..10)
        .map(|n| format!("Set-Cookie: long{n}={}\r\n", "x".repeat(3000)))
        .collect();
    let huge = format!("Set-Cookie: huge={}\r\n", "x".repeat(100_000));
    let odd = "Set-Cookie: =\r\nSet-Cookie: ;;;\r\nSet-Cookie: a=b\tc\r\nSet-Cookie: x=\"\r\nSet-Cookie: \u{80}=\u{ff}\r\nSet-Cookie: elsewhere=1; Domain=elsewhere.example\r\nSet-Cookie: path=1; Path=/elsewhere\r\nSet-Cookie: a; X-Injected=1\r\n".to_owned();
    for (set, is_sent) in [(many, "many79=v"), (long, "long9="), (huge, ""), (odd, "")] {
        let (listener, endpoint) = raw::listen();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            raw::request(&mut stream).await;
            let open = raw::usual_open();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{set}\r\n{open}",
                open.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            raw::request(&mut stream).await
        });
        let mut client = client(&endpoint, raw::config(raw::POLLING));
        let driver = tokio::spawn(async move { while client.next_event().await.is_some() {} });
        let head = raw::within(server).await.unwrap();
        driver.abort();
        let cookies = headers(&head, "cookie");
        assert!(cookies.len() <= 1, "{head}");
        let cookie = header(&head, "cookie").unwrap_or_default();
        assert!(cookie.len() <= 8 << 10, "{} bytes", cookie.len());
        assert!(cookie.split("; ").count() <= 50);
        assert!(cookie.contains(is_sent), "{cookie}");
        for never in ["huge", "elsewhere", "path=", "X-Injected"] {
            assert!(!cookie.contains(never), "{cookie}");
        }
    }
}

/// A server that turns a client away again and again, each time with as much to say as it can.
#[tokio::test]
async fn cwe_117_a_refusal_is_one_short_line() {
    for body in [
        "\u{1b}[2Jgone\r\n2026-01-01 INFO all is well".to_owned(),
        "x".repeat(60_000),
        format!(
            r#"{{"code":3,"message":"\u001b[31m\r\n{}"}}"#,
            "y".repeat(5000)
        ),
        format!("<html>{}", "z".repeat(1000)),
        "[".repeat(60_000),
        format!(r#"{{"code":{},"message":1}}"#, "9".repeat(1000)),
    ] {
        let (listener, endpoint) = raw::listen();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            raw::request(&mut stream).await;
            raw::respond(&mut stream, "400 Bad Request", &body).await;
        });
        let reason = end_of(&endpoint, raw::config(raw::POLLING)).await;
        let shown = reason.to_string();
        assert!(shown.chars().count() < 300, "{shown}");
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}
