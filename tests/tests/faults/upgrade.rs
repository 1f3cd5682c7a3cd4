//! Faults at each step of an upgrade: up to `3probe` the session stays on polling, from `5` on it goes with the
//! WebSocket.

use conformance::Route;
use conformance::fault::Fault::*;
use conformance::fault::Part::*;
use conformance::fault::{Exchange::Probe, Fault, Part, Rule, on};
use socketio::Transport;

use crate::world::{BROKEN, ERROR, GARBAGE, in_both_revisions};

/// Every place in the `nth` part of the WebSocket, with an end of either kind.
fn every_place(part: Part, nth: usize) -> Vec<Rule> {
    let of = |fault: Fault| {
        [
            on(Probe).before(part, fault.clone()),
            on(Probe).after_bytes(1, part, fault.clone()),
            on(Probe).inside(part, fault.clone()),
            on(Probe).after(part, fault),
        ]
    };
    let rules = [Reset, Close].into_iter().flat_map(of);
    rules.map(|rule| rule.nth(nth)).collect()
}

/// Nobody is shown anything, and whatever is said meanwhile arrives.
#[tokio::test]
async fn an_upgrade_that_breaks_before_its_end_leaves_the_session_on_polling() {
    const HELLO: usize = 1;
    let wrong = |bytes: &[u8]| on(Probe).before(Received, Fault::say(bytes));
    let wrong = vec![
        on(Probe).before(Head, Fault::say(ERROR)),
        on(Probe).before(Head, Fault::say(GARBAGE)),
        // A bad frame, another packet than `3probe`, an end in order.
        wrong(b"\x83\x00"),
        wrong(b"\x81\x016"),
        wrong(b"\x88\x00"),
    ];
    let handshake = [every_place(Request, 1), every_place(Head, 1)].concat();
    let probe = [every_place(Sent, HELLO), every_place(Received, HELLO)].concat();
    let rules = [handshake, probe, wrong].concat();
    in_both_revisions(&[Route::Upgrade], async |world| {
        let mut client = world.client().await;
        for (index, rule) in rules.iter().enumerate() {
            client.tries(rule);
            world.proxy.script([rule.clone()]);
            world.proxy.reset_all();
            client.tells(BROKEN).await;
            client.works().await;
            world.struck(index + 1).await;
            client.works().await;
            assert_eq!(client.transport, Some(Transport::Polling), "{}", client.row);
        }
        // The next session upgrades again.
        world.proxy.reset_all();
        client.tells(BROKEN).await;
        client.settled().await;
        client.works().await;
        world.end(client).await;
    })
    .await;
}

/// The client has moved, wherever the server is. What was said behind the `5` may have arrived or not.
#[tokio::test]
async fn an_upgrade_that_breaks_at_its_end_ends_the_session() {
    const UPGRADE: usize = 2;
    in_both_revisions(&[Route::Upgrade], async |world| {
        let mut client = world.client().await;
        for rule in every_place(Sent, UPGRADE) {
            client.tries(&rule);
            world.proxy.script([rule]);
            world.proxy.reset_all();
            client.tells(BROKEN).await;
            for _ in 0..3 {
                client.ask();
            }
            let upgraded = format!("upgraded, {BROKEN}");
            client.tells(&upgraded).await;
            client.settled().await;
            client.works().await;
        }
        world.end(client).await;
    })
    .await;
}
