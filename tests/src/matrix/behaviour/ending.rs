//! What ends, and what comes after it.

use engineio::Version;
use serde_json::json;
use socketio::{ConnectError, Connected, DisconnectReason, EmitError, Event, Events};

use super::super::rules::ANEW;
use super::{NotOffered, Stage, connected, still_there};
use crate::{connected_and_upgraded, next, next_but_upgraded, next_message, within};

pub(super) async fn refused(stage: &mut Stage) {
    for token in ["bad", "good"] {
        // Before there was `auth`, the query said who asks.
        let builder = match stage.cell.server.version() {
            Version::V3 => stage.client("/").query(format!("token={token}")),
            _ => stage.client("/"),
        };
        let (root, mut root_events) = connected(builder).await;
        connected_and_upgraded(&mut root_events, stage.cell.route).await;
        let admin = match stage.cell.server.version() {
            Version::V3 => root.namespace("/admin"),
            _ => root.namespace("/admin").auth(json!({"token": token})),
        };
        let outcome = within("a verdict", admin.connect()).await;
        match (token, outcome) {
            ("bad", Err(ConnectError::Refused { message, .. })) => {
                assert_eq!(message, "not authorized");
            }
            ("good", Ok((admin, mut events))) => {
                assert!(matches!(next(&mut events).await, Event::Connected(_)));
                still_there(&admin, &mut events).await;
            }
            (_, other) => panic!("who showed {token} was told {other:?}"),
        }
        // The namespace beside it goes on.
        still_there(&root, &mut root_events).await;
        within("an end", root.disconnect()).await;
    }
}

pub(super) async fn put_out(stage: &mut Stage) {
    let (root, mut root_events) = stage.join().await;
    let joining = root.namespace("/admin").connect();
    let (admin, mut events) = within("a namespace", joining).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    still_there(&admin, &mut events).await;

    stage.server.disconnect("/admin").await;
    let event = next(&mut events).await;
    let Event::Disconnected {
        reason: DisconnectReason::ServerDisconnect,
        retry_in: None,
    } = event
    else {
        panic!("put out, and told {event:?}")
    };
    let late = admin.emit("count", 1).await;
    assert!(matches!(late, Err(EmitError::Disconnected)), "{late:?}");

    // The namespace beside it goes on, and for the other one nothing is tried.
    still_there(&root, &mut root_events).await;
    assert!(
        within("the end of the stream", events.next())
            .await
            .is_none()
    );
    stage.hand_on(root, root_events);
}

pub(super) async fn engine_close(stage: &mut Stage) {
    let (socket, mut events) = stage.join().await;
    still_there(&socket, &mut events).await;
    stage.server.close_engine().await;
    link_closed(&mut events).await;
    connected_again(&mut events).await;
    still_there(&socket, &mut events).await;
    within("an end", socket.disconnect()).await;
}

pub(super) async fn recovery(stage: &mut Stage) -> Result<(), NotOffered> {
    const MISSED: u32 = 3;

    let (socket, mut events) = stage.join().await;
    still_there(&socket, &mut events).await;
    let id = socket.id();
    stage.server.broadcast(0).await;
    assert_eq!(next_message(&mut events).await.parse::<u32>().unwrap(), 0);
    stage.server.cut_and_broadcast(1, MISSED).await;
    link_closed(&mut events).await;
    let recovered = connected_again(&mut events).await.recovered;
    if recovered {
        assert_eq!(socket.id(), id);
        for number in 1..=MISSED {
            let message = next_message(&mut events).await;
            assert_eq!(
                (message.name(), message.parse::<u32>().unwrap()),
                ("number", number)
            );
        }
    } else {
        assert_ne!(socket.id(), id);
    }
    // Nothing comes twice, and nothing of what is said to be lost.
    still_there(&socket, &mut events).await;
    within("an end", socket.disconnect()).await;
    match recovered {
        true => Ok(()),
        false => Err(NotOffered(ANEW.to_owned())),
    }
}

pub(super) async fn restart(stage: &mut Stage) {
    let (socket, mut events) = stage.join().await;
    still_there(&socket, &mut events).await;
    stage.server.kill().await;
    link_closed(&mut events).await;
    // At least one attempt meets a port where nobody listens.
    match next(&mut events).await {
        Event::ConnectError {
            retry_in: Some(_), ..
        } => {}
        other => panic!("nobody listens, and yet: {other:?}"),
    }
    stage.server.start_again().await;
    let connected = connected_again(&mut events).await;
    assert!(
        !connected.recovered,
        "the new server knows nothing of the old one"
    );
    still_there(&socket, &mut events).await;
    within("an end", socket.disconnect()).await;
}

async fn link_closed(events: &mut Events) {
    match next_but_upgraded(events).await {
        Event::Disconnected {
            reason: DisconnectReason::LinkClosed(_),
            retry_in: Some(_),
        } => {}
        other => panic!("the connection broke, and yet: {other:?}"),
    }
}

/// Takes `Connected`, past attempts that failed.
async fn connected_again(events: &mut Events) -> Connected {
    loop {
        match next_but_upgraded(events).await {
            Event::Connected(connected) => return connected,
            Event::ConnectError {
                retry_in: Some(_), ..
            } => {}
            other => panic!("not connected again: {other:?}"),
        }
    }
}
