//! Delta queries against servers of every kind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail a test"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use graph_notifications::{
    AccessToken, BadAnswer, BaseUrl, Changes, Cloud, Delta, DeltaBuilder, DeltaError, DeltaLink,
    GraphError, LinkOrigin, PlainHttp, Resource, ResyncMode, StaticToken, TokenError,
    TransportFailureKind, token_fn,
};
use support::{PATIENCE, Reply, Request, Server, answer, http, serve, serve_always};

const TOKEN: &str = "PLANTED-token-0123456789";

fn builder(server: &Server) -> DeltaBuilder {
    let base = BaseUrl::parse(&server.url(), PlainHttp::OnLoopback).unwrap();
    Delta::builder(Resource::drive("b!x,y"))
        .token(StaticToken::new(TOKEN).unwrap())
        .cloud(Cloud::Custom(base))
        .http(http())
        .request_timeout(PATIENCE)
}

fn delta(server: &Server) -> Delta {
    builder(server).build().unwrap()
}

async fn error_of(mut changes: Changes) -> DeltaError {
    let error = changes.next_page().await.unwrap_err();
    let shown = format!("{error} {error:?} {changes:?}");
    assert!(!shown.contains("PLANTED"), "{shown}");
    error
}

/// Answers by what is asked for, with the server's own origin in it.
async fn script<F>(answers: F) -> Server
where
    F: Fn(&Request, &str) -> Reply + Send + Sync + 'static,
{
    let answers = Arc::new(answers);
    serve(move |request| {
        let answers = answers.clone();
        Box::pin(async move {
            let origin = format!("http://{}", request.header("host").unwrap());
            answers(&request, &origin)
        })
    })
    .await
}

fn page(items: &str, link: &str, to: &str) -> Reply {
    let body = format!(r#"{{"value":[{items}],"@odata.{link}":"{to}"}}"#);
    answer(200, "", body)
}

#[tokio::test]
async fn links_are_used_as_they_came_and_the_last_of_an_item_counts() {
    // Percent signs, repeated and empty parameters: what a client that re-encodes would lose.
    const NEXT: &str = "/any/path?$skiptoken=a%2Bb==&x=&x=%20(1)";
    const DONE: &str = "/v1.0/drives/b!x,y/root/delta(token='z%2f')";
    let server = script(|request, origin| match request.target() {
        "/v1.0/drives/b!x,y/root/delta" => page(
            r#"{"id":"1","name":"old"},{"name":"no id"},{"id":"2"}"#,
            "nextLink",
            &format!("{origin}{NEXT}"),
        ),
        NEXT => page(
            r#"{"id":"1","name":"new"},{"id":"2","deleted":{"state":"deleted"}},{"id":"1","name":"newest"}"#,
            "deltaLink",
            &format!("{origin}{DONE}"),
        ),
        DONE => page("", "deltaLink", &format!("{origin}{DONE}")),
        other => panic!("{other}"),
    })
    .await;
    let delta = delta(&server);
    let mut changes = delta.changes(None);
    assert!(changes.position().is_none());
    let first = changes.next_page().await.unwrap().unwrap();
    assert_eq!((first.changes.len(), first.is_last), (3, false));
    assert!(changes.delta_link().is_none());
    let position = changes.position().unwrap().clone();
    let last = changes.next_page().await.unwrap().unwrap();
    assert_eq!((last.changes.len(), last.is_last), (3, true));
    assert!(changes.next_page().await.unwrap().is_none());
    assert_eq!(changes.position(), changes.delta_link());

    // From the middle, as after a restart of the program.
    let rest = delta.changes(Some(&position)).collect().await.unwrap();
    assert_eq!(rest.changes.len(), 2);

    let all = delta.changes(None).collect().await.unwrap();
    let names: Vec<_> = all.changes.iter().map(|it| it.name.as_deref()).collect();
    assert_eq!(names, [Some("no id"), None, Some("newest")]);
    assert!(all.changes[1].deleted);

    let kept = serde_json::to_string(&all.delta_link).unwrap();
    let kept: DeltaLink = serde_json::from_str(&kept).unwrap();
    let none = delta.changes(Some(&kept)).collect().await.unwrap();
    assert!(none.changes.is_empty());
    assert_eq!(none.delta_link, all.delta_link);

    for request in server.requests() {
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(request.header("authorization"), Some(&*bearer));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn latest_asks_for_a_link_only() {
    let server = script(|request, origin| match request.target() {
        "/v1.0/drives/b!x,y/root/delta?token=latest" => {
            page("", "nextLink", &format!("{origin}/more"))
        }
        "/more" => page("", "deltaLink", &format!("{origin}/now")),
        other => panic!("{other}"),
    })
    .await;
    let link = delta(&server).latest().await.unwrap();
    assert_eq!(link.expose(), format!("{}/now", server.url()));
}

#[tokio::test]
async fn the_token_goes_to_the_cloud_and_nowhere_else() {
    let elsewhere = serve_always(|| panic!("asked")).await;
    let evil = format!(
        "{}/v1.0/drives/b!x,y/root/delta?token=PLANTED",
        elsewhere.url()
    );

    // A link of the program's: from a file that somebody wrote to.
    let server = serve_always(|| panic!("asked")).await;
    let link = DeltaLink::parse(&evil).unwrap();
    let error = error_of(delta(&server).changes(Some(&link))).await;
    let origin = LinkOrigin::Given;
    assert_eq!(error, DeltaError::ForeignLink { origin });
    assert_eq!(server.requests().len(), 0);

    // Links in answers.
    for field in ["nextLink", "deltaLink"] {
        let evil = evil.clone();
        let server = script(move |_, _| page(r#"{"id":"1"}"#, field, &evil)).await;
        let mut changes = delta(&server).changes(None);
        for _ in 0..2 {
            let error = changes.next_page().await.unwrap_err();
            let origin = LinkOrigin::Answer;
            assert_eq!(error, DeltaError::ForeignLink { origin });
        }
        let error = delta(&server).latest().await.unwrap_err();
        assert!(matches!(error, DeltaError::ForeignLink { .. }), "{error}");
    }

    // Where to start over, and a redirect.
    let location = format!("Location: {evil}\r\n");
    let server = script(move |_, _| answer(410, &location, "{}")).await;
    match error_of(delta(&server).changes(None)).await {
        DeltaError::Resync { restart, .. } => assert_eq!(restart, None),
        other => panic!("{other}"),
    }
    let location = format!("Location: {evil}\r\n");
    let server = script(move |_, _| answer(302, &location, "")).await;
    let error = error_of(delta(&server).changes(None)).await;
    assert_eq!(error, GraphError::Redirected { status: 302 }.into());
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn starting_over_says_how_and_where() {
    let rows = [
        (
            "resyncChangesApplyDifferences",
            ResyncMode::ApplyDifferences,
        ),
        (
            "resyncChangesUploadDifferences",
            ResyncMode::UploadDifferences,
        ),
        ("resyncRequired", ResyncMode::Required),
    ];
    for (code, expected) in rows {
        let server = script(move |request, origin| {
            if request.target() == "/fresh?token=PLANTED-2" {
                return page(r#"{"id":"1"}"#, "deltaLink", &format!("{origin}/d"));
            }
            let location = format!("Location: {origin}/fresh?token=PLANTED-2\r\n");
            let said = request.target();
            let body = format!(r#"{{"error":{{"code":"{code}","message":"{said} {TOKEN}"}}}}"#);
            answer(410, &location, body)
        })
        .await;
        let delta = delta(&server);
        let old = DeltaLink::parse(&format!("{}/old?token=PLANTED-1", server.url())).unwrap();
        let error = error_of(delta.changes(Some(&old))).await;
        assert!(!error.is_retryable());
        let DeltaError::Resync { how, restart, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(how, expected);
        let all = delta.changes(restart.as_ref()).collect().await.unwrap();
        assert_eq!(all.changes.len(), 1);
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let fresh_ones = Arc::new(AtomicUsize::new(0));
    let asked = fresh_ones.clone();
    let provider = token_fn(move |request| {
        asked.fetch_add(usize::from(request.fresh), Ordering::SeqCst);
        async move {
            AccessToken::new(if request.fresh {
                "fresh"
            } else {
                "PLANTED-old"
            })
        }
    });
    let server = script(|request, origin| {
        if request.header("authorization") == Some("Bearer fresh") {
            page("", "deltaLink", &format!("{origin}/d"))
        } else {
            answer(
                401,
                "",
                r#"{"error":{"code":"InvalidAuthenticationToken"}}"#,
            )
        }
    })
    .await;
    let delta = builder(&server).token(provider).build().unwrap();
    delta.latest().await.unwrap();
    assert_eq!(fresh_ones.load(Ordering::SeqCst), 1);
    assert_eq!(server.requests().len(), 2);

    let server =
        serve_always(|| answer(401, "", format!(r#"{{"error":{{"message":"{TOKEN}"}}}}"#))).await;
    let error = error_of(builder(&server).build().unwrap().changes(None)).await;
    assert!(
        matches!(error, DeltaError::Graph(GraphError::Unauthorized(_))),
        "{error}"
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn what_passes_is_asked_for_again_where_it_stood() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let server = script(move |request, origin| {
        match (request.target(), counter.fetch_add(1, Ordering::SeqCst)) {
            (_, 1) => answer(429, "Retry-After: 7\r\n", "{}"),
            (_, 2) => answer(503, "Retry-After: 8\r\n", "{}"),
            (_, 3) => Reply::Bytes(Vec::new()),
            ("/next", _) => page(r#"{"id":"2"}"#, "deltaLink", &format!("{origin}/d")),
            _ => page(r#"{"id":"1"}"#, "nextLink", &format!("{origin}/next")),
        }
    })
    .await;
    let mut changes = delta(&server).changes(None);
    let mut ids = Vec::new();
    let mut waits = Vec::new();
    loop {
        match changes.next_page().await {
            Ok(Some(page)) => ids.extend(page.changes.into_iter().filter_map(|it| it.id)),
            Ok(None) => break,
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                waits.push(error.retry_after().map(|wait| wait.as_secs()));
            }
        }
    }
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(waits, [Some(7), Some(8), None]);
    assert!(changes.delta_link().is_some());
}

#[tokio::test]
async fn a_dropped_request_loses_nothing() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let server = script(
        move |_, origin| match counter.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Silence,
            _ => page(r#"{"id":"1"}"#, "deltaLink", &format!("{origin}/d")),
        },
    )
    .await;
    let mut changes = delta(&server).changes(None);
    tokio::select! {
        biased;
        outcome = changes.next_page() => panic!("{outcome:?}"),
        () = async {
            while count.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let page = changes.next_page().await.unwrap().unwrap();
    assert_eq!(page.changes.len(), 1);
}

#[tokio::test]
async fn a_peer_without_end_is_left() {
    // In a circle of two.
    let server = script(|request, origin| match request.target() {
        "/a" => page("", "nextLink", &format!("{origin}/b")),
        _ => page("", "nextLink", &format!("{origin}/a")),
    })
    .await;
    let error = delta(&server).changes(None).collect().await.unwrap_err();
    assert_eq!(error, DeltaError::PageLoop);
    assert!(server.requests().len() <= 4);

    // Ever new pages.
    let count = Arc::new(AtomicUsize::new(0));
    let server = script(move |_, origin| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        page("{},{}", "nextLink", &format!("{origin}/{number}"))
    })
    .await;
    let limited = builder(&server).max_pages(5).build().unwrap();
    let error = limited.changes(None).collect().await.unwrap_err();
    assert_eq!(error, DeltaError::TooManyPages { limit: 5 });
    assert_eq!(server.requests().len(), 5);
    let limited = builder(&server).max_collected(3).build().unwrap();
    let error = limited.changes(None).collect().await.unwrap_err();
    assert_eq!(error, DeltaError::TooManyChanges { limit: 3 });

    // A page without end, and none at all.
    let server = serve_always(|| answer(200, "", vec![b' '; 5000])).await;
    let limited = builder(&server).max_page_bytes(4999).build().unwrap();
    let error = error_of(limited.changes(None)).await;
    assert_eq!(
        error,
        GraphError::BadAnswer(BadAnswer::TooLarge { limit: 4999 }).into()
    );
    let server = serve_always(|| Reply::Silence).await;
    let limited = builder(&server).request_timeout(Duration::from_millis(50));
    match error_of(limited.build().unwrap().changes(None)).await {
        DeltaError::Graph(GraphError::Transport(failure)) => {
            assert_eq!(failure.kind, TransportFailureKind::Timeout);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before() {
    let server = serve_always(|| panic!("asked")).await;
    let error = Delta::builder(Resource::me_drive()).build().unwrap_err();
    assert_eq!(error, DeltaError::NoToken);
    let custom = Delta::builder(Resource::custom("/custom/thing"));
    assert_eq!(custom.build().unwrap_err(), DeltaError::UnsupportedResource);
    let provider = token_fn(|_| async { Err(TokenError::refused("sign in")) });
    let unable = builder(&server).token(provider).build().unwrap();
    let error = error_of(unable.changes(None)).await;
    assert_eq!(error, TokenError::refused("sign in").into());
    let provider = token_fn(|_| std::future::pending());
    let hanging = builder(&server)
        .token(provider)
        .token_timeout(Duration::from_millis(20));
    let error = error_of(hanging.build().unwrap().changes(None)).await;
    assert_eq!(error, TokenError::TimedOut.into());
    assert!(error.is_retryable());
    assert_eq!(server.requests().len(), 0);
}
