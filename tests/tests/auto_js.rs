//! The Socket.IO client finding out by itself which revision a server speaks.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

#[macro_use]
mod socket_scenarios;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use conformance::{Case, Line, Release, Route, first_message, http, within};
use engineio::{CloseReason, Version};
use serde_json::json;
use socket_scenarios::*;
use socketio::{Builder, ConnectError, Event, Events, Socket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// The first release of the new revision: neither its handshake nor its name tells it from the old ones.
mod against_the_first_release_of_the_new_revision {
    use super::*;

    socket_scenarios! { Release::Middle, Version::Auto }

    conformance::over_every_route! { Release::Middle, Version::Auto =>
        the_revision_is_found_out_and_remembered,
    }
}

mod against_the_old_release {
    use super::*;

    conformance::over_every_route! { Release::Old, Version::Auto =>
        the_revision_is_found_out_and_remembered,
    }
}

mod against_the_current_release {
    use super::*;

    conformance::over_every_route! { Release::Current, Version::Auto =>
        the_revision_is_found_out_and_remembered,
    }
}

mod against_the_current_release_with_both {
    use super::*;

    conformance::over_every_route! { Release::Compatible, Version::Auto =>
        the_revision_is_found_out_and_remembered,
    }
}

async fn the_revision_is_found_out_and_remembered(case: Case) {
    for namespace in ["/", "/admin"] {
        let Some(mut server) = case.release.socket_io(json!({})).await else {
            return;
        };
        let connecting = builder(&server, namespace, case).query("token=T").connect();
        let (socket, mut events) = within("a connection", connecting).await.unwrap();
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        everything_comes_back(&socket, &mut events).await;

        let log = server.seen().await;
        let tried = revisions_tried(&log);
        let expected = match case.release {
            Release::Old => vec!["4", "3"],
            _ => vec!["4"],
        };
        assert_eq!(tried, expected, "{namespace}");
        if namespace == "/admin" {
            // The query is how one was let in then; nothing at all was sent before the revision was known.
            let connect = match case.release {
                Release::Old => "0/admin?token=T,",
                _ => "0/admin,",
            };
            assert_eq!(first_message(&server).await, connect);
        }
        nobody_joined_twice(&server).await;
        if case.release == Release::Old {
            let id = socket.id().unwrap();
            let session = id.rsplit('#').next().unwrap();
            let root = |line: &&Line| line.is("connect") && line.str("id") == session;
            assert_eq!(log.iter().filter(root).count(), 1, "{log:#?}");
        }

        let before = server.seen().await.len();
        server.kill().await;
        let event = next_but_upgraded(&mut events).await;
        assert!(matches!(event, Event::Disconnected { .. }), "{event:?}");
        server.start_again().await;
        loop {
            match next(&mut events).await {
                Event::Connected(_) => break,
                Event::ConnectError {
                    retry_in: Some(_), ..
                } => {}
                other => panic!("{other:?}"),
            }
        }
        everything_comes_back(&socket, &mut events).await;
        let log = server.seen().await;
        let tried = revisions_tried(&log[before..]);
        assert_eq!(tried, expected[expected.len() - 1..], "{namespace}, again");
        nobody_joined_twice(&server).await;
    }
}

async fn everything_comes_back(socket: &Socket, events: &mut Events) {
    let values = ("é€😀".to_owned(), Bytes::from_static(b"\xDE\xAD"));
    socket.emit("values", &values).await.unwrap();
    let back: (String, Bytes) = next_message(events).await.parse().unwrap();
    assert_eq!(back, values);
}

/// The revision in each request that opens a session, in the server's order.
fn revisions_tried(log: &[Line]) -> Vec<&str> {
    log.iter()
        .filter(|line| line.is("request") || line.is("upgrade"))
        .map(|line| line.str("target"))
        .filter(|target| !target.contains("&sid="))
        .map(|target| {
            let (_, rest) = target.split_once("EIO=").expect("a revision");
            rest.split('&').next().unwrap_or_default()
        })
        .collect()
}

#[tokio::test]
async fn a_server_that_is_none_of_them_is_one_clear_error() {
    let page = "<html><body>It works!</body></html>";
    for (status, route, tries) in [
        ("200 OK", Route::Polling, vec!["4", "3"]),
        ("200 OK", Route::WebSocket, vec!["4", "3"]),
        ("404 Not Found", Route::Polling, vec!["4", "3"]),
        ("404 Not Found", Route::WebSocket, vec!["4", "3"]),
        // A server in trouble is not asked again in another way.
        ("503 Service Unavailable", Route::Polling, vec!["4"]),
    ] {
        let server = Website::start(status, page).await;
        let connecting = Builder::new(format!("http://127.0.0.1:{}/", server.port))
            .engine_config(route.config())
            .version(Version::Auto)
            .http(http())
            .connect();
        let error = within("an error", connecting).await.unwrap_err();
        let told = error.to_string();
        let ConnectError::Engine(reason) = &error else {
            panic!("{error:?}")
        };
        let targets = server.targets.lock().unwrap().clone();
        let tried: Vec<&str> = targets
            .iter()
            .map(|target| if target.contains("EIO=4") { "4" } else { "3" })
            .collect();
        assert_eq!(tried, tries, "{status} {route:?}");
        if tries.len() == 2 {
            let CloseReason::NoCommonVersion { .. } = reason else {
                panic!("{reason:?}")
            };
            for version in ["tried as revision 4", "tried as revision 3"] {
                assert!(told.contains(version), "{told}");
            }
        } else {
            assert!(told.contains(status.get(..3).unwrap()), "{told}");
        }
        assert!(!told.contains('<'), "{told}");
    }
}

/// An HTTP server that knows nothing of all this.
struct Website {
    port: u16,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Website {
    async fn start(status: &'static str, page: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&targets);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let target = request.split(' ').nth(1).unwrap_or_default();
                seen.lock().unwrap().push(target.to_owned());
                let length = page.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
                );
                // A client that has seen enough may be gone.
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        Self { port, targets }
    }
}
