//! What has changed, asked of the emulator: alone, and after a notification.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use conformance::{http, within};
use futures_util::StreamExt as _;
use graph_emulator::{
    Emulator, EmulatorConfig, GraphFailure, ItemChange, Notification as Sending, ResyncCode,
    RetryAfter,
};
use graph_notifications::{
    AccessToken, BaseUrl, Change, ChangeKind, Cloud, Delta, DeltaBuilder, DeltaError, DeltaLink,
    GraphError, LinkOrigin, PlainHttp, Resource, ResyncMode, ResyncReason, StaticToken, Watch,
    WatchEvent, token_fn,
};
use tokio::net::TcpListener;

/// The loop that the documentation shows: the watch says that, and the delta query says what.
#[tokio::test]
async fn what_changed_delta() {
    let emulator = emulator().await;
    emulator.change_item(&ItemChange::file("old", "from before.txt"));
    let delta = delta(&emulator);
    let mut since = ask(delta.latest()).await;

    let mut watch = Watch::builder(Resource::drive("b!drive"))
        .token(StaticToken::new(emulator.token()).unwrap())
        .cloud(cloud(&emulator))
        .allow_http_on_loopback()
        .http(http())
        .start();
    let mut told = Vec::new();
    for step in 0..4 {
        let event = within("an event", watch.next()).await.unwrap().unwrap();
        match (step, event) {
            (0, WatchEvent::Resync(ResyncReason::Started)) => {}
            (1.., WatchEvent::Notification(_)) => {}
            (_, other) => panic!("{step}: {other:?}"),
        }
        let collected = ask(delta.changes(Some(&since)).collect()).await;
        told.push(names(&collected.changes));
        since = collected.delta_link;
        match step {
            0 => assert_eq!(emulator.notify(&Sending::default()).receivers, 1),
            1 => {
                // More than a page, one of them twice, and one of another drive.
                for number in 0..4 {
                    let name = format!("{number}.txt");
                    emulator.change_item(&ItemChange::file(number.to_string(), name));
                }
                emulator.change_item(&ItemChange::file("0", "renamed.txt"));
                emulator.change_item(&ItemChange::file("x", "x").only_in("/drives/other/root"));
                emulator.notify(&Sending::default());
            }
            2 => {
                emulator.change_item(&ItemChange::deleted("old"));
                emulator.notify(&Sending::default());
            }
            _ => {}
        }
    }
    let nothing: [&str; 0] = [];
    assert_eq!(told[0], nothing);
    assert_eq!(told[1], ["notified-1.txt"]);
    assert_eq!(
        told[2],
        ["1.txt", "2.txt", "3.txt", "renamed.txt", "notified-2.txt"]
    );
    assert_eq!(told[3], ["-old", "notified-3.txt"]);
}

#[tokio::test]
async fn everything_that_is_there_comes_in_pages() {
    let emulator = emulator().await;
    emulator.change_item(&ItemChange::folder("f", "folder"));
    for number in 0..6 {
        emulator.change_item(&ItemChange::file(number.to_string(), number.to_string()));
    }
    emulator.change_item(&ItemChange::deleted("5"));
    let delta = delta(&emulator);
    let mut changes = delta.changes(None);
    let mut pages = Vec::new();
    while let Some(page) = ask(changes.next_page()).await {
        pages.push(names(&page.changes));
        if pages.len() == 1 {
            assert_eq!(page.changes[0].kind, ChangeKind::Folder);
            assert_eq!(page.changes[1].kind, ChangeKind::File);
            assert!(page.changes[1].last_modified.is_some());
            assert!(changes.delta_link().is_none());
            // What happens meanwhile is not lost.
            emulator.change_item(&ItemChange::file("0", "0 again"));
        }
    }
    // What is deleted is not there, so it does not come.
    assert_eq!(
        pages,
        [
            vec!["folder", "0", "1"],
            vec!["2", "3", "4"],
            vec!["0 again"]
        ]
    );
    let link = changes.delta_link().unwrap();
    let later = ask(delta.changes(Some(link)).collect()).await;
    assert!(later.changes.is_empty());

    // A list has its items at another place, and titles for names.
    let list = builder(&emulator, Resource::custom("/sites/s,1,2/lists/l"));
    let list = list.build().unwrap();
    let items = ask(list.changes(None).collect()).await.changes;
    assert_eq!(items.len(), 6);
    assert!(items.iter().all(|item| item.kind == ChangeKind::Other));
    assert!(items[0].json().get().contains("Title"));
    for resource in [
        Resource::me_drive(),
        Resource::drive_list("b!drive"),
        Resource::group_drive("g"),
        Resource::site_list("s,1,2", "l"),
    ] {
        let delta = builder(&emulator, resource).build().unwrap();
        assert_eq!(ask(delta.changes(None).collect()).await.changes.len(), 6);
    }
}

#[tokio::test]
async fn an_expired_link_leads_to_a_new_start() {
    let rows = [
        (ResyncCode::ApplyDifferences, ResyncMode::ApplyDifferences),
        (ResyncCode::UploadDifferences, ResyncMode::UploadDifferences),
        (ResyncCode::Required, ResyncMode::Required),
    ];
    for (code, expected) in rows {
        let emulator = emulator().await;
        let delta = delta(&emulator);
        emulator.change_item(&ItemChange::file("1", "one"));
        let old = ask(delta.latest()).await;
        emulator.expire_delta_links(code);
        let error = fails(delta.changes(Some(&old)).collect(), &[&old]).await;
        let DeltaError::Resync { how, restart, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(how, expected);
        let restart = restart.expect("a location");
        let all = ask(delta.changes(Some(&restart)).collect()).await;
        assert_eq!(names(&all.changes), ["one"]);
        let since = ask(delta.changes(Some(&all.delta_link)).collect()).await;
        assert!(since.changes.is_empty());
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_and_throttling_told() {
    let emulator = emulator().await;
    let control = emulator.control();
    let remembered = emulator.token();
    let fresh = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fresh);
    let provider = token_fn(move |request| {
        counter.fetch_add(usize::from(request.fresh), Ordering::Relaxed);
        let token = if request.fresh {
            control.token()
        } else {
            remembered.clone()
        };
        async move { AccessToken::new(token) }
    });
    let delta = builder(&emulator, Resource::drive("b!drive")).token(provider);
    let delta = delta.build().unwrap();
    let since = ask(delta.latest()).await;
    assert_eq!(fresh.load(Ordering::Relaxed), 0);
    emulator.update(|settings| settings.token = "another-token".to_owned());
    emulator.notify(&Sending::default());
    let collected = ask(delta.changes(Some(&since)).collect()).await;
    assert_eq!(names(&collected.changes), ["notified-1.txt"]);
    assert_eq!(fresh.load(Ordering::Relaxed), 1);

    let mut changes = delta.changes(Some(&since));
    emulator.fail_next(
        1,
        GraphFailure::TooManyRequests {
            retry_after: Some(RetryAfter::Seconds(7)),
        },
    );
    let error = fails(changes.next_page(), &[&since]).await;
    assert!(error.is_retryable(), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    let page = ask(changes.next_page()).await.unwrap();
    assert_eq!(names(&page.changes), ["notified-1.txt"]);

    emulator.fail_next(2, GraphFailure::Unauthorized);
    let error = fails(delta.changes(Some(&since)).collect(), &[&since]).await;
    assert!(
        matches!(error, DeltaError::Graph(GraphError::Unauthorized(_))),
        "{error}"
    );
}

#[tokio::test]
async fn a_link_to_elsewhere_is_refused_and_nothing_sent_there() {
    let emulator = emulator().await;
    let delta = delta(&emulator);
    let link = ask(delta.latest()).await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = format!("http://{}", elsewhere.local_addr().unwrap());
    let forged = link.expose().replace(emulator.graph_url(), &there);
    let forged = DeltaLink::parse(&forged).unwrap();
    let error = fails(delta.changes(Some(&forged)).collect(), &[&forged]).await;
    let origin = LinkOrigin::Given;
    assert_eq!(error, DeltaError::ForeignLink { origin });
    // Our own connection is the first that arrives there.
    let own = tokio::net::TcpStream::connect(elsewhere.local_addr().unwrap());
    let own = own.await.unwrap();
    let (_, first) = within("a connection", elsewhere.accept()).await.unwrap();
    assert_eq!(first, own.local_addr().unwrap());
}

async fn emulator() -> Emulator {
    Emulator::start(EmulatorConfig::default()).await.unwrap()
}

fn cloud(emulator: &Emulator) -> Cloud {
    Cloud::Custom(BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback).unwrap())
}

fn builder(emulator: &Emulator, resource: Resource) -> DeltaBuilder {
    Delta::builder(resource)
        .token(StaticToken::new(emulator.token()).unwrap())
        .cloud(cloud(emulator))
        .http(http())
}

fn delta(emulator: &Emulator) -> Delta {
    let delta = builder(emulator, Resource::drive("b!drive")).build();
    let delta = delta.unwrap();
    assert!(!format!("{delta:?}").contains(&emulator.token()));
    delta
}

async fn ask<T>(asking: impl Future<Output = Result<T, DeltaError>>) -> T {
    within("an answer", asking).await.unwrap()
}

/// The error, in which neither form shows the token of a link.
async fn fails<T>(
    asking: impl Future<Output = Result<T, DeltaError>>,
    links: &[&DeltaLink],
) -> DeltaError {
    let Err(error) = within("an answer", asking).await else {
        panic!("no error");
    };
    for link in links {
        let (_, token) = link.expose().split_once("token=").unwrap();
        let shown = format!("{error} {error:?} {link:?}");
        assert!(!shown.contains(token.split('%').next().unwrap()), "{shown}");
    }
    error
}

/// The names, and the ids of what is deleted.
fn names(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| match (&change.name, change.deleted) {
            (Some(name), false) => name.clone(),
            (_, true) => format!("-{}", change.id.as_deref().unwrap()),
            (None, false) => panic!("{change:?}"),
        })
        .collect()
}
