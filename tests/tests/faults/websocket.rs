//! Frames of an open session that break, on a WebSocket that opened it or took it over.

use conformance::Route;
use conformance::fault::Fault::*;
use conformance::fault::Part::*;
use conformance::fault::{Fault, Rule, on};

use crate::world::{BROKEN, HEARD, Trigger, in_both_revisions};

const BAD_WEBSOCKET: &str = "lost: WebSocket, connected";

/// Over a WebSocket of either kind, and in both revisions.
async fn everywhere(trigger: Trigger, rows: &[(Rule, &str)]) {
    let routes = [Route::WebSocket, Route::Upgrade];
    in_both_revisions(&routes, async |world| world.table(trigger, rows).await).await;
}

/// Whatever the server has of it; nobody can know, so it is never repeated.
#[tokio::test]
async fn a_frame_that_breaks_on_its_way_out_is_not_repeated() {
    let on = on(None);
    let rows = [Reset, Close].map(|fault| {
        [
            (on.before(Sent, fault.clone()), BROKEN),
            // In the header, the mask, and the payload.
            (on.after_bytes(1, Sent, fault.clone()), BROKEN),
            (on.after_bytes(4, Sent, fault.clone()), BROKEN),
            (on.after_bytes(8, Sent, fault.clone()), BROKEN),
            (on.after(Sent, fault), BROKEN),
        ]
    });
    everywhere(Trigger::Ask, &rows.concat()).await;
}

#[tokio::test]
async fn a_frame_that_breaks_on_its_way_in_ends_the_session() {
    let on = on(None);
    let rows = [Reset, Close].map(|fault| {
        [
            (on.before(Received, fault.clone()), BROKEN),
            // In the header, and the payload.
            (on.after_bytes(1, Received, fault.clone()), BROKEN),
            (on.after_bytes(5, Received, fault.clone()), BROKEN),
            (on.after(Received, fault), HEARD),
        ]
    });
    everywhere(Trigger::Notify, &rows.concat()).await;
}

#[tokio::test]
async fn garbage_on_a_websocket_ends_the_session() {
    let garbage: [(&[u8], &str); 15] = [
        // A reserved opcode, a reserved bit, a mask.
        (b"\x83\x00", BAD_WEBSOCKET),
        (b"\xC1\x01\x32", BAD_WEBSOCKET),
        (b"\x81\x81\x00\x00\x00\x00\x32", BAD_WEBSOCKET),
        // A continuation of nothing, a control frame in pieces, a text that is none.
        (b"\x80\x01\x32", BAD_WEBSOCKET),
        (b"\x09\x01\x32", BAD_WEBSOCKET),
        (b"\x81\x02\x34\xFF", BAD_WEBSOCKET),
        // A length that is not there, and one beyond all limits.
        (b"\x81\x054", BROKEN),
        (
            b"\x81\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF2",
            "lost: TooLarge, connected",
        ),
        // Plain text. The second letter is a length, too.
        (
            b"this is plain text, and more of it than that",
            BAD_WEBSOCKET,
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            BROKEN,
        ),
        // Whole frames that are no packets of Engine.IO, and of Socket.IO.
        (b"\x81\x00", "lost: Decode(EmptyPacket), connected"),
        (b"\x81\x01\x39", "lost: Decode(UnknownType(57)), connected"),
        (b"\x81\x0442[\"", "lost: not a packet, connected"),
        // An end.
        (b"\x88\x00", "lost: closed, connected"),
        (b"\x88\x02\x03\xF3", "lost: closed 1011, connected"),
    ];
    let rows = garbage.map(|(bytes, story)| (on(None).before(Received, Fault::say(bytes)), story));
    everywhere(Trigger::Notify, &rows).await;
}
