//! Hostile HTTP answers, on real sockets, to each request of a session: without an end, compressed, with lengths that lie.

use engineio::{
    CloseReason, Config, Event, ProtocolError, TransportError, TransportErrorKind, UpgradeError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::raw::{self, header};
use super::{KINDS, Kind, client, end_of, flood, hasty, hasty_upgrade, serve_silently};

/// The end of a client whose requests of this kind are answered with this, then with the other without end.
async fn end_by(
    kind: Kind,
    config: Config,
    open: String,
    first: &str,
    endless: &str,
) -> CloseReason {
    let (listener, endpoint) = raw::listen();
    let (first, endless) = (
        first.to_owned(),
        endless.repeat(8192 / endless.len().max(1)),
    );
    serve_silently(listener, open, kind, move |mut stream, _| {
        let (first, endless) = (first.clone(), endless.clone());
        async move {
            stream.write_all(first.as_bytes()).await.ok();
            if endless.is_empty() {
                stream.read_to_end(&mut Vec::new()).await.ok();
            } else {
                flood(&mut stream, endless.as_bytes()).await;
            }
        }
    });
    end_of(&endpoint, config).await
}

fn kind_of(reason: &CloseReason) -> TransportErrorKind {
    match reason {
        CloseReason::Transport(TransportError { kind, .. }) => *kind,
        other => panic!("{other:?}"),
    }
}

/// How a deadline of the client ends what a server draws out.
fn deadline(kind: Kind) -> CloseReason {
    match kind {
        Kind::Handshake | Kind::WebSocket => CloseReason::HandshakeTimeout,
        Kind::Poll => CloseReason::PingTimeout,
        Kind::Post => CloseReason::RequestTimeout,
    }
}

/// A heartbeat that soon misses its ping, where that is to be seen.
fn open_for(kind: Kind) -> String {
    match kind {
        Kind::Poll => raw::open(100, 100),
        _ => raw::usual_open(),
    }
}

/// A head has a limit of some hundred KiB, in whatever way it goes on.
#[tokio::test]
async fn rustsec_2023_0065_heads_that_never_end() {
    for kind in KINDS {
        for (first, endless) in [
            (
                "HTTP/1.1 200 OK\r\n",
                "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
            ),
            ("HTTP/1.1 200 OK\r\nX-Filler: ", "a"),
            ("HTTP/1.1 200 OK\r\n", "a"),
            ("HTTP/1.1 200 ", "a"),
            (
                "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ",
                "a",
            ),
            ("HTTP/1.1 200 OK\r\nSet-Cookie: a=", "b"),
            ("", "\r\n"),
            ("", "H"),
        ] {
            let config = raw::config(kind.transports());
            let reason = end_by(kind, config, raw::usual_open(), first, endless).await;
            assert!(
                matches!(
                    kind_of(&reason),
                    TransportErrorKind::TooLarge | TransportErrorKind::NotHttp
                ),
                "{kind:?} {first:?} {endless:?}: {reason:?}"
            );
        }
    }
}

/// What comes slowly, or not at all, ends by the deadline of what it belongs to.
#[tokio::test]
async fn rustsec_2023_0065_heads_and_bodies_that_stall() {
    // All wait for deadlines, side by side.
    let mut rows = JoinSet::new();
    for kind in KINDS {
        for first in [
            "",
            "HTTP/1.1 200 O",
            "HTTP/1.1 200 OK\r\nX: y\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n4",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n4",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            // The status of a refused WebSocket says enough, whatever its body does.
            if kind == Kind::WebSocket && first.contains("\r\n\r\n") && first.contains("200") {
                continue;
            }
            rows.spawn(async move {
                let config = hasty(kind);
                let reason = end_by(kind, config, open_for(kind), first, "").await;
                assert_eq!(reason, deadline(kind), "{first:?}");
            });
        }
    }
    rows.join_all().await;
}

/// More headers than anybody needs, `101` included.
#[tokio::test]
async fn cve_2024_37890_too_many_headers() {
    let many = "X: y\r\n".repeat(2000);
    for kind in KINDS {
        for status in [
            "200 OK\r\nContent-Length: 0",
            "101 Switching Protocols",
            "404 Not Found",
        ] {
            let config = raw::config(kind.transports());
            let first = format!("HTTP/1.1 {status}\r\n{many}\r\n");
            let reason = end_by(kind, config, raw::usual_open(), &first, "").await;
            assert_eq!(
                kind_of(&reason),
                TransportErrorKind::TooLarge,
                "{kind:?} {status}"
            );
        }
    }
    // In a good answer to the handshake of a WebSocket.
    let (listener, endpoint) = raw::listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = raw::request(&mut stream).await;
        raw::switch_with(&mut stream, &head, &many).await;
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let reason = end_of(&endpoint, raw::config(raw::WEBSOCKET)).await;
    assert_eq!(kind_of(&reason), TransportErrorKind::TooLarge);
}

/// Answers that announce an answer (100, 103), and never an end of it: passed over, until the deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cwe_770_interim_answers_without_end() {
    let mut rows = JoinSet::new();
    for kind in KINDS {
        for interim in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nSet-Cookie: a=b\r\n\r\n",
        ] {
            rows.spawn(async move {
                let config = hasty(kind);
                let reason = end_by(kind, config, open_for(kind), "", interim).await;
                assert_eq!(reason, deadline(kind), "{interim:?}");
            });
        }
    }
    rows.join_all().await;
    // On the WebSocket of an upgrade.
    let (listener, endpoint) = raw::listen();
    serve_silently(
        listener,
        raw::usual_open(),
        Kind::WebSocket,
        |mut stream, _| async move {
            flood(&mut stream, &b"HTTP/1.1 100 Continue\r\n\r\n".repeat(300)).await;
        },
    );
    let mut client = client(&endpoint, hasty_upgrade());
    assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
    let event = raw::next(&mut client).await;
    assert_eq!(event, Event::UpgradeFailed(UpgradeError::Timeout));
    assert!(client.is_open());
}

/// A server that takes a POST and never answers it.
#[tokio::test]
async fn cve_2026_59725_a_post_that_is_never_answered() {
    let config = hasty(Kind::Post);
    let reason = end_by(Kind::Post, config, raw::usual_open(), "", "").await;
    assert_eq!(reason, CloseReason::RequestTimeout);
    assert!(reason.is_retryable());
}

/// A body is counted as it comes, whatever it says of itself, and so are its chunks' decorations. The answer to a POST
/// is two letters long: it may be little longer, so that it is no second polling body.
#[tokio::test]
async fn cwe_770_bodies_without_end() {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";
    for kind in [Kind::Handshake, Kind::Poll, Kind::Post] {
        for (rest, endless) in [
            (CHUNKED.to_owned(), "1\r\n4\r\n"),
            (CHUNKED.to_owned(), "400\r\n"),
            (
                "Content-Length: 18446744073709551614\r\n\r\n".to_owned(),
                "4",
            ),
            ("Content-Length: 99999999\r\n\r\n".to_owned(), "4"),
            // To the end of the connection.
            ("\r\n".to_owned(), "4"),
            (format!("{CHUNKED}1;"), "extension=1;"),
            (CHUNKED.to_owned(), "1;extension\r\n4\r\n"),
            (format!("{CHUNKED}0\r\n"), "X-Trailer: y\r\n"),
            (format!("{CHUNKED}0\r\nX-Trailer: "), "y"),
        ] {
            let mut config = raw::config(raw::POLLING);
            // The answer to a POST does not need to be told.
            if kind != Kind::Post {
                config.limits.max_body_bytes = 10_000;
            }
            let first = format!("HTTP/1.1 200 OK\r\n{rest}");
            let reason = end_by(kind, config, raw::usual_open(), &first, endless).await;
            assert!(
                matches!(
                    kind_of(&reason),
                    TransportErrorKind::TooLarge
                        | TransportErrorKind::Broken
                        | TransportErrorKind::NotHttp
                ),
                "{kind:?} {rest:?} {endless:?}: {reason:?}"
            );
        }
        // The length of a chunk may begin with any number of zeros: nothing is kept of them, and the deadline comes.
        let first = format!("HTTP/1.1 200 OK\r\n{CHUNKED}");
        let config = hasty(kind);
        let reason = end_by(kind, config, open_for(kind), &first, "0").await;
        assert_eq!(reason, deadline(kind));
    }
}

/// Of an error answer, the status says enough.
#[tokio::test]
async fn cwe_770_bodies_of_errors_without_end() {
    for kind in KINDS {
        let config = raw::config(kind.transports());
        let first = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 99999999999999999999\r\n\r\n";
        let reason = end_by(kind, config, raw::usual_open(), first, "no").await;
        let CloseReason::Refused(refusal) = &reason else {
            panic!("{kind:?}: {reason:?}");
        };
        assert_eq!(
            (refusal.status, refusal.message.as_str()),
            (503, ""),
            "{kind:?}"
        );
        assert!(reason.is_retryable());
    }
}

/// `Content-Length` twice, or in numbers that are none; a body that is shorter. What is longer belongs to no request.
#[tokio::test]
async fn cwe_444_lengths_that_lie() {
    for kind in [Kind::Handshake, Kind::Poll] {
        for rest in [
            "Content-Length: 2\r\nContent-Length: 3\r\n\r\n4ab",
            "Content-Length: 2, 3\r\n\r\n4ab",
            "Content-Length: -1\r\n\r\n4ab",
            "Content-Length: +3\r\n\r\n4ab",
            "Content-Length: 0x3\r\n\r\n4ab",
            "Content-Length: 3.0\r\n\r\n4ab",
            "Content-Length: \r\n\r\n4ab",
            "Content-Length: 18446744073709551616\r\n\r\n4ab",
            "Content-Length: 9\r\n\r\n4ab",
            "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n4ab",
            "Transfer-Encoding: chunked\r\n\r\n-3\r\n4ab\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3\r\n4abcd\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3\r\n4ab\r\n",
        ] {
            let (listener, endpoint) = raw::listen();
            serve_silently(
                listener,
                raw::usual_open(),
                kind,
                move |mut stream, _| async move {
                    let answer = format!("HTTP/1.1 200 OK\r\n{rest}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                },
            );
            let reason = end_of(&endpoint, raw::config(raw::POLLING)).await;
            assert!(
                matches!(
                    kind_of(&reason),
                    TransportErrorKind::Broken | TransportErrorKind::NotHttp
                ),
                "{kind:?} {rest:?}: {reason:?}"
            );
        }
    }
    // What stands behind the end of an answer is not taken for the next one.
    let (listener, endpoint) = raw::listen();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        raw::request(&mut stream).await;
        let open = raw::usual_open();
        let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n4wrong";
        let length = open.len();
        let both = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{open}{smuggled}");
        stream.write_all(both.as_bytes()).await.unwrap();
        // The next request comes by another connection.
        let (mut stream, _) = listener.accept().await.unwrap();
        raw::request(&mut stream).await;
        raw::respond(&mut stream, "200 OK", "4right").await;
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let mut client = client(&endpoint, raw::config(raw::POLLING));
    assert!(matches!(raw::next(&mut client).await, Event::Opened { .. }));
    assert_eq!(raw::next(&mut client).await, Event::Message("right".into()));
}

/// A good `open` packet by gzip, and a million zeros.
const GZIP: &[u8] = include_bytes!("open.gz");
const BOMB: &[u8] = include_bytes!("bomb.gz");

/// Nothing compressed is ever asked for, and what comes compressed all the same is bytes like any others.
#[tokio::test]
async fn cwe_409_compressed_answers() {
    for kind in [Kind::Handshake, Kind::Poll] {
        for encoding in [
            "gzip",
            "x-gzip",
            "deflate",
            "br",
            "zstd",
            "compress",
            "gzip, gzip",
        ] {
            for body in [GZIP, BOMB] {
                let (listener, endpoint) = raw::listen();
                serve_silently(
                    listener,
                    raw::usual_open(),
                    kind,
                    move |mut stream, head| async move {
                        // Not even where the application asks for it.
                        let accepted = header(&head, "accept-encoding");
                        assert!(
                            accepted.is_none_or(|accepted| accepted == "identity"),
                            "{head}"
                        );
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {length}\r\n\r\n"
                        );
                        stream
                            .write_all(&[head.as_bytes(), body].concat())
                            .await
                            .unwrap();
                        stream.read_to_end(&mut Vec::new()).await.ok();
                    },
                );
                let mut headers = http::HeaderMap::new();
                headers.insert(
                    "accept-encoding",
                    "gzip, br, zstd, deflate".parse().unwrap(),
                );
                let mut config = raw::config(raw::POLLING);
                config.limits.max_body_bytes = 100_000;
                let mut client = client(&endpoint, config).with_headers(headers);
                let reason = raw::closed(&mut client).await;
                let CloseReason::Protocol(ProtocolError::Decode(_)) = reason else {
                    panic!("{kind:?} {encoding}: {reason:?}");
                };
            }
        }
    }
}

/// A server that compresses messages though no compression was offered.
#[tokio::test]
async fn cwe_409_a_forced_extension() {
    for extension in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits=15",
        "",
    ] {
        let (listener, endpoint) = raw::listen();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = raw::request(&mut stream).await;
            assert_eq!(header(&head, "sec-websocket-extensions"), None);
            let forced = format!("Sec-WebSocket-Extensions: {extension}\r\n");
            raw::switch_with(&mut stream, &head, &forced).await;
            stream.write_all(&raw::text(&raw::usual_open())).await.ok();
            stream.read_to_end(&mut Vec::new()).await.ok();
        });
        let reason = end_of(&endpoint, raw::config(raw::WEBSOCKET)).await;
        assert_eq!(
            kind_of(&reason),
            TransportErrorKind::NotWebSocket,
            "{extension}"
        );
        raw::within(server).await.unwrap();
    }
}

/// A `101` that nobody asked for: in answer to a poll, or to a POST.
#[tokio::test]
async fn cwe_444_a_switch_of_protocols_that_nobody_asked_for() {
    for kind in [Kind::Handshake, Kind::Poll, Kind::Post] {
        let (listener, endpoint) = raw::listen();
        serve_silently(
            listener,
            raw::usual_open(),
            kind,
            |mut stream: TcpStream, _| async move {
                let head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                stream.write_all(head).await.unwrap();
                flood(&mut stream, &raw::text("4x").repeat(1000)).await;
            },
        );
        let reason = end_of(&endpoint, raw::config(raw::POLLING)).await;
        assert!(
            matches!(&reason, CloseReason::Refused(refusal) if refusal.status == 101),
            "{kind:?}: {reason:?}"
        );
    }
}

/// A server that answers each poll at once, with nothing: the client asks again, and its heartbeat goes on missing a ping.
#[tokio::test]
async fn cwe_835_polls_that_bring_nothing() {
    for answer in ["6", "3", "4", "6\u{1e}6\u{1e}b"] {
        let (listener, endpoint) = raw::listen();
        let open = raw::open(100, 100);
        serve_silently(
            listener,
            open,
            Kind::Poll,
            move |mut stream, _| async move {
                raw::respond(&mut stream, "200 OK\r\nConnection: close", answer).await;
            },
        );
        let reason = end_of(&endpoint, raw::config(raw::POLLING)).await;
        assert_eq!(reason, CloseReason::PingTimeout, "{answer}");
    }
}
