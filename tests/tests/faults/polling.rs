//! Requests of an open session that break, on polling.

use conformance::fault::Exchange::*;
use conformance::fault::Fault::*;
use conformance::fault::Part::*;
use conformance::fault::{Fault, on};
use conformance::{Case, Route};

use crate::world::{BROKEN, ERROR, GARBAGE, HEARD, Trigger, World, in_both_revisions};

/// The server may have acted on the POST or not; nobody can know, so it is never repeated.
#[tokio::test]
async fn a_post_that_breaks_ends_the_session_and_is_not_repeated() {
    let refused = "lost: refused 502, connected";
    let rows = [
        (on(Post).before(Request, Reset), BROKEN),
        (on(Post).before(Request, Close), BROKEN),
        (on(Post).after_bytes(20, Request, Reset), BROKEN),
        (on(Post).after_bytes(20, Request, Close), BROKEN),
        (on(Post).after(Request, Reset), BROKEN),
        (on(Post).after(Request, Close), BROKEN),
        (on(Post).before(Head, Reset), BROKEN),
        (on(Post).before(Head, Close), BROKEN),
        (on(Post).after_bytes(9, Head, Reset), BROKEN),
        (on(Post).after_bytes(9, Head, Close), BROKEN),
        (on(Post).after(Head, Reset), BROKEN),
        (on(Post).after(Head, Close), BROKEN),
        (on(Post).inside(Body, Reset), BROKEN),
        (on(Post).inside(Body, Close), BROKEN),
        (on(Post).before(Request, Fault::say(ERROR)), refused),
        (on(Post).before(Head, Fault::say(ERROR)), refused),
        (
            on(Post).before(Head, Fault::say(GARBAGE)),
            "lost: NotHttp, connected",
        ),
        // Whole is whole, whatever becomes of the connection then.
        (on(Post).after(Body, Reset), ""),
        (on(Post).after(Body, Close), ""),
        (on(Post).after(Body, Fault::say(GARBAGE)), ""),
    ];
    in_both_revisions(&[Route::Polling], async |world| {
        world.table(Trigger::Ask, &rows).await;
    })
    .await;
}

#[tokio::test]
async fn a_poll_that_breaks_ends_the_session() {
    let rows = [
        (on(Poll).before(Head, Reset), BROKEN),
        (on(Poll).before(Head, Close), BROKEN),
        (on(Poll).after_bytes(9, Head, Reset), BROKEN),
        (on(Poll).after_bytes(9, Head, Close), BROKEN),
        (on(Poll).after(Head, Reset), BROKEN),
        (on(Poll).after(Head, Close), BROKEN),
        (on(Poll).inside(Body, Reset), BROKEN),
        (on(Poll).inside(Body, Close), BROKEN),
        // The one behind that with the event.
        (on(Poll).before(Request, Reset), HEARD),
        (on(Poll).before(Request, Close), HEARD),
        (on(Poll).inside(Request, Reset), HEARD),
        (on(Poll).inside(Request, Close), HEARD),
        (on(Poll).after(Body, Reset), "heard"),
        (on(Poll).after(Body, Close), "heard"),
        (on(Poll).after(Body, Fault::say(GARBAGE)), "heard"),
    ];
    in_both_revisions(&[Route::Polling], async |world| {
        world.table(Trigger::Notify, &rows).await;
    })
    .await;
}

#[tokio::test]
async fn a_poll_that_is_answered_with_something_else_ends_the_session() {
    let answers = [
        (ERROR, "lost: refused 502, connected"),
        (
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            "lost: refused 302, connected",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "lost: Decode(EmptyPacket), connected",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n9zz",
            "lost: Decode(UnknownType(57)), connected",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n42[\"",
            "lost: not a packet, connected",
        ),
        // An answer that is not as long as it says.
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n42[", BROKEN),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n42[",
            BROKEN,
        ),
        // The end of the session.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
            "lost: closed, connected",
        ),
    ];
    let not_http = "lost: NotHttp, connected";
    let garbage = (on(Poll).before(Head, Fault::say(GARBAGE)), not_http);
    let rows = answers.map(|(answer, story)| (on(Poll).before(Head, Fault::say(answer)), story));
    let rows = [&rows[..], &[garbage]].concat();
    if let Some(world) = World::new(Case::current(Route::Polling)).await {
        world.table(Trigger::Notify, &rows).await;
    }
}
