//! Attempts that a provider equips: what it gives is used, and whatever it does, the client goes on and can be stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{HeaderName, HeaderValue};
use socketio::{Dial, ProviderError};

use super::*;

type Never = std::convert::Infallible;

/// Whatever is asked of it, this provider counts.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn count(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    async fn reached(&self, count: usize) {
        within(async {
            while self.0.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn url_query_and_headers_are_re_evaluated_per_attempt() {
    let first = Server::start().await;
    let second = Server::start().await;
    let urls = [first.url("/?number=one"), second.url("")];
    let client = first
        .client("/?number=constant")
        .headers(
            [(
                HeaderName::from_static("x-both"),
                HeaderValue::from_static("constant"),
            )]
            .into_iter()
            .collect(),
        )
        .provider(move |attempt| {
            let url = urls[attempt.number as usize].clone();
            async move {
                let value = HeaderValue::from(attempt.number);
                let mut dial = Dial::new()
                    .url(url)
                    .header(HeaderName::from_static("x-attempt"), value);
                if attempt.number == 1 {
                    dial = dial.query("number=two").header(
                        HeaderName::from_static("x-both"),
                        HeaderValue::from_static("provided"),
                    );
                }
                Ok::<_, Never>(dial)
            }
        });
    let (_socket, mut events, peer) = first.joined_by(client).await;
    assert!(peer.target.contains("number=one&"), "{}", peer.target);
    assert_eq!(
        (peer.header("x-attempt"), peer.header("x-both")),
        (Some("0"), Some("constant"))
    );
    drop(peer);
    let peer = second.rejoined().await;
    assert!(peer.target.contains("number=two&"), "{}", peer.target);
    assert_eq!(
        (peer.header("x-attempt"), peer.header("x-both")),
        (Some("1"), Some("provided"))
    );
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn a_provider_need_not_give_anything() {
    let server = Server::start().await;
    let client = server
        .client("/?number=constant")
        .provider(|_| async { Ok::<_, Never>(Dial::new()) });
    let (_socket, _events, peer) = server.joined_by(client).await;
    assert!(peer.target.contains("number=constant&"));
}

#[tokio::test]
async fn auth_payload_is_asked_for_per_attempt() {
    let server = Server::start().await;
    let counter = Counter::default();
    let client = server.client("").auth_provider(move |_| {
        let number = counter.count();
        async move { Ok::<_, Never>(serde_json::json!({ "token": number })) }
    });
    let serve = async {
        let mut peer = server.accept().await;
        peer.expect(r#"0{"token":0}"#).await;
        peer.send(r#"0{"sid":"s"}"#).await;
        drop(peer);
        let mut peer = server.accept().await;
        peer.expect(r#"0{"token":1}"#).await;
    };
    let (connected, ()) = within(async { tokio::join!(client.connect(), serve) }).await;
    drop(connected.unwrap());
}

#[tokio::test]
async fn a_further_namespace_has_a_provider_of_its_own() {
    let server = Server::start().await;
    let (socket, _events, mut peer) = server.joined().await;
    let other = socket.namespace("/b").auth_provider(|_| async {
        Ok::<_, Never>(
            [("a", 1)]
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>(),
        )
    });
    let serve = async {
        peer.expect(r#"0/b,{"a":1}"#).await;
        peer.send(r#"0/b,{"sid":"b"}"#).await;
    };
    let (joined, ()) = within(async { tokio::join!(other.connect(), serve) }).await;
    joined.unwrap();
}

/// What a bad provider does the second to the fourth time that it is asked.
async fn misbehave(turn: usize) -> Result<(), std::io::Error> {
    match turn {
        1 => Err(std::io::Error::other("no token today")),
        2 => panic!("a bug in the provider"),
        3 => std::future::pending().await,
        _ => Ok(()),
    }
}

async fn expect_failures(events: &mut Events) {
    assert!(matches!(next(events).await, Event::Disconnected { .. }));
    for expected in [
        ProviderError::Failed("no token today".into()),
        ProviderError::Panicked,
        ProviderError::Timeout,
    ] {
        let Event::ConnectError { error, retry_in } = next(events).await else {
            panic!("no error");
        };
        assert_eq!(error, ConnectError::Provider(expected));
        assert!(retry_in.is_some());
    }
}

#[tokio::test]
async fn a_provider_that_fails_panics_or_hangs_is_asked_again() {
    let server = Server::start().await;
    let counter = Counter::default();
    let client = server
        .client("")
        .provider_timeout(Duration::from_millis(50))
        .provider(move |_| {
            let turn = counter.count();
            async move {
                misbehave(turn).await?;
                Ok::<_, std::io::Error>(Dial::new())
            }
        });
    let (_socket, mut events, peer) = server.joined_by(client).await;
    drop(peer);
    expect_failures(&mut events).await;
    let _peer = server.rejoined().await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn an_auth_provider_that_fails_panics_or_hangs_is_asked_again() {
    let server = Server::start().await;
    let counter = Counter::default();
    let client = server
        .client("")
        .provider_timeout(Duration::from_millis(50))
        .auth_provider(move |_| {
            let turn = counter.count();
            async move {
                misbehave(turn).await?;
                Ok::<_, std::io::Error>(serde_json::json!({}))
            }
        });
    let serve = async {
        let mut peer = server.accept().await;
        peer.expect("0{}").await;
        peer.send(r#"0{"sid":"s"}"#).await;
    };
    let (connected, ()) = within(async { tokio::join!(client.connect(), serve) }).await;
    let (_socket, mut events) = connected.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    // The only namespace of the connection has to wait: the link is closed meanwhile.
    let failures = expect_failures(&mut events);
    let serve = async {
        for _ in 0..3 {
            server.accept().await.expect_close().await;
        }
        let mut peer = server.accept().await;
        peer.expect("0{}").await;
        peer.send(r#"0{"sid":"s"}"#).await;
        peer
    };
    let ((), _peer) = within(async { tokio::join!(failures, serve) }).await;
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn the_first_failure_of_a_provider_is_returned() {
    let client =
        Builder::new("http://127.0.0.1:9").provider(|_| async { Err::<Dial, _>("no token") });
    assert_eq!(
        within(client.connect()).await.unwrap_err(),
        ConnectError::Provider(ProviderError::Failed("no token".into()))
    );
}

#[tokio::test]
async fn what_a_provider_gives_is_checked() {
    let dial = |dial: Dial| async move {
        let client = Builder::new("http://127.0.0.1:9/a").provider(move |_| {
            let dial = dial.clone();
            async move { Ok::<_, Never>(dial) }
        });
        match within(client.connect()).await.unwrap_err() {
            ConnectError::Provider(error) => error,
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        dial(Dial::new().url("http://h/b")).await,
        ProviderError::OtherNamespace
    );
    assert!(matches!(
        dial(Dial::new().url("no url")).await,
        ProviderError::Url(_)
    ));
    let error = dial(Dial::new().query("secret query")).await;
    assert!(
        matches!(error, ProviderError::Url(_)) && !error.to_string().contains("secret"),
        "{error}"
    );
}

/// Notes when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_client_whose_provider_hangs_can_be_stopped() {
    let server = Server::start().await;
    let counter = Counter::default();
    let dropped = Arc::new(AtomicBool::new(false));
    let client = {
        let (counter, dropped) = (counter.clone(), dropped.clone());
        server.client("").provider(move |_| {
            let hangs = counter.count() > 0;
            let guard = Dropped(dropped.clone());
            async move {
                if hangs {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                } else {
                    std::mem::forget(guard);
                }
                Ok::<_, Never>(Dial::new())
            }
        })
    };
    let (socket, events, peer) = server.joined_by(client).await;
    drop(peer);
    counter.reached(2).await;
    within(socket.disconnect()).await;
    drop((socket, events));
    no_tasks_left().await;
    assert!(
        dropped.load(Ordering::SeqCst),
        "the provider's future lives on"
    );
}

#[tokio::test]
async fn dropping_connect_stops_a_provider_that_hangs() {
    let counter = Counter::default();
    let client = {
        let counter = counter.clone();
        Builder::new("http://127.0.0.1:9").provider(move |_| {
            counter.count();
            async {
                std::future::pending::<()>().await;
                Ok::<_, Never>(Dial::new())
            }
        })
    };
    let mut connecting = Box::pin(client.connect());
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(connecting.as_mut().poll(cx).is_pending());
    counter.reached(1).await;
    drop(connecting);
    no_tasks_left().await;
}
