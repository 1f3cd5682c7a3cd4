//! Faults at each step of opening a session and joining a namespace: the first time, and on the way back.

use conformance::fault::Exchange::*;
use conformance::fault::Fault::*;
use conformance::fault::Part::*;
use conformance::fault::{Exchange, Fault, On, Part, Rule, accept, on};
use conformance::{Case, Release, Route, within};
use engineio::Version;

use crate::world::{BROKEN, ERROR, GARBAGE, World, in_both_revisions, told_error};

/// A rule, and why there is no connection.
type Row = (Rule, &'static str);

/// Each row in turn fails the first attempt of a client, and the first one of another client to come back, which says
/// something meanwhile. What it says arrives once, and nobody is shown anything else.
async fn table(case: Case, rows: &[Row]) {
    let Some(world) = World::new(case).await else {
        return;
    };
    let newcomers = world.beside(1, case).await;
    let mut client = world.client().await;
    for (rule, failure) in rows {
        client.tries(rule);
        newcomers.proxy.script([rule.clone()]);
        let connecting = newcomers.builder().connect();
        let outcome = within(&client.row, connecting).await;
        let error = outcome.expect_err(&client.row);
        assert_eq!(told_error(&error), *failure, "{}: {error}", client.row);
        assert!(error.is_retryable(), "{}: {error}", client.row);

        world.proxy.script([rule.clone()]);
        world.proxy.reset_all();
        client.shows("lost: Broken").await;
        let number = client.say().await;
        client.tells(&format!("failed: {failure}, connected")).await;
        client.hears(number).await;
        client.works().await;
        client.settled().await;
    }
    world.end(client).await;
}

/// Every place in a part, with an end of either kind.
fn every_place(on: On, part: Part) -> impl Iterator<Item = Row> {
    [Reset, Close].into_iter().flat_map(move |fault| {
        [
            (on.before(part, fault.clone()), "Broken"),
            (on.after_bytes(1, part, fault.clone()), "Broken"),
            (on.inside(part, fault.clone()), "Broken"),
            (on.after(part, fault), "Broken"),
        ]
    })
}

/// A connection that ends at once.
fn at_the_door() -> Vec<Row> {
    vec![(accept(Close), "Broken"), (accept(Reset), "Broken")]
}

/// A request that breaks, and one that is answered by somebody else, or by no head at all.
fn request(exchange: Exchange) -> Vec<Row> {
    let on = on(exchange);
    let not_its_answer = [
        (on.before(Request, Fault::say(ERROR)), "refused 502"),
        (on.before(Head, Fault::say(ERROR)), "refused 502"),
        (on.before(Head, Fault::say(GARBAGE)), "NotHttp"),
    ];
    every_place(on, Request)
        .chain(every_place(on, Head))
        .chain(not_its_answer)
        .collect()
}

/// The same, and its answer breaks.
fn request_and_body(exchange: Exchange) -> Vec<Row> {
    let on = on(exchange);
    let body = [
        (on.inside(Body, Reset), "Broken"),
        (on.inside(Body, Close), "Broken"),
    ];
    request(exchange).into_iter().chain(body).collect()
}

/// The handshake, and, as soon as it is answered, the CONNECT by POST and its answer by GET.
#[tokio::test]
async fn polling() {
    let handshake = request_and_body(Handshake);
    let connect = every_place(on(Post), Request).collect();
    let rows = [at_the_door(), handshake, connect, request_and_body(Poll)].concat();
    table(Case::current(Route::Polling), &rows).await;
}

/// The answer to CONNECT comes by the GET, before the failure of the POST or after it.
#[tokio::test]
async fn the_answer_to_the_post_of_connect() {
    let Some(world) = World::new(Case::current(Route::Polling)).await else {
        return;
    };
    let mut client = world.client().await;
    let answer = every_place(on(Post), Head).chain([
        (on(Post).inside(Body, Reset), "Broken"),
        (on(Post).inside(Body, Close), "Broken"),
    ]);
    for (rule, failure) in answer {
        world.proxy.script([rule.clone()]);
        world.proxy.reset_all();
        client.shows("lost: Broken").await;
        let mut story = client.story().await;
        if story == "connected" {
            story = client.story().await;
        }
        let stories = ["failed", "lost"].map(|what| format!("{what}: {failure}, connected"));
        assert!(stories.contains(&story), "{rule:?}: {story}");
        client.works().await;
    }
    world.end(client).await;
}

/// Old servers join everybody to the root without being asked.
#[tokio::test]
async fn polling_without_connect() {
    let case = Case::over(Release::Old, Version::V3)(Route::Polling);
    table(case, &[at_the_door(), request_and_body(Handshake)].concat()).await;
}

#[tokio::test]
async fn before_an_upgrade() {
    let rows = [at_the_door(), request_and_body(Handshake)].concat();
    table(Case::current(Route::Upgrade), &rows).await;
}

/// The `101`, the handshake, the CONNECT, and its answer.
#[tokio::test]
async fn websocket() {
    let on = on(WebSocket);
    let mut rows = [at_the_door(), request(WebSocket)].concat();
    rows.extend(every_place(on, Received));
    rows.extend(every_place(on, Sent));
    // Once it has passed there is no attempt any more.
    let answered = every_place(on, Received).filter(|(rule, _)| !rule.is_after());
    rows.extend(answered.map(|(rule, failure)| (rule.nth(2), failure)));
    table(Case::current(Route::WebSocket), &rows).await;
}

#[tokio::test]
async fn websocket_without_connect() {
    let mut rows = [at_the_door(), request(WebSocket)].concat();
    rows.extend(every_place(on(WebSocket), Received));
    let case = Case::over(Release::Old, Version::V3)(Route::WebSocket);
    table(case, &rows).await;
}

/// The session is there, and goes on by another TCP connection.
#[tokio::test]
async fn an_end_between_two_requests_is_none() {
    in_both_revisions(&[Route::Polling], async |world| {
        let mut client = world.client().await;
        for exchange in [Handshake, Post, Poll] {
            for fault in [Close, Reset] {
                let rule = on(exchange).after(Body, fault).always();
                client.tries(&rule);
                let before = world.proxy.seen().struck;
                world.proxy.script([rule]);
                world.proxy.reset_all();
                client.tells(BROKEN).await;
                client.works().await;
                world.struck(before + 1).await;
            }
        }
        world.end(client).await;
    })
    .await;
}
