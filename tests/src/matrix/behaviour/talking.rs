//! What is said, and arrives.

use bytes::Bytes;
use engineio::Transport;
use futures_util::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use socketio::{DisconnectReason, EmitError, Event, Events, Socket};

use super::{Mixed, NotOffered, Stage, Text, Upload, connected, still_there};
use crate::{
    PATIENCE, Route, connected_on_last_transport, next, next_but_upgraded, next_message, within,
};

pub(super) async fn connect(stage: &mut Stage) {
    let (socket, mut events) = stage.join().await;
    let last = match stage.cell.route {
        Route::Polling => Transport::Polling,
        Route::WebSocket | Route::Upgrade => Transport::WebSocket,
    };
    assert_eq!(socket.transport(), Some(last));
    assert!(socket.is_connected() && socket.id().is_some());
    stage.way.assert_taken();

    within("an end", socket.disconnect()).await;
    let event = next(&mut events).await;
    let Event::Disconnected {
        reason: DisconnectReason::ClientDisconnect,
        retry_in: None,
    } = event
    else {
        panic!("left, and told {event:?}")
    };
    assert!(within("an end", events.next()).await.is_none());
}

pub(super) async fn text(stage: &mut Stage) {
    let (socket, mut events) = stage.join().await;
    let sent: Text = (
        7,
        "é€😀 \"\u{1E}".to_owned(),
        json!({"a": [true, null, 1.5]}),
    );
    socket.emit("text", &sent).await.unwrap();
    let message = next_message(&mut events).await;
    assert_eq!(message.name(), "text");
    assert_eq!(message.parse::<Text>().unwrap(), sent);
    stage.hand_on(socket, events);
}

fn mixed() -> Mixed {
    let upload = Upload {
        title: "é€😀".to_owned(),
        parts: vec![Bytes::from_static(b"a\x1Eb"), (0..=255).collect()],
    };
    (Bytes::from_static(b"\xDE\xAD"), upload, "text".to_owned())
}

pub(super) async fn bytes(stage: &mut Stage) -> Result<(), NotOffered> {
    let (socket, mut events) = stage.join().await;
    let outcome = back(&socket, &mut events, "bytes", &mixed()).await;
    if outcome.is_ok() {
        let answer = socket.emit_with_ack("ask bytes", mixed(), PATIENCE).await;
        assert_eq!(answer.unwrap().parse::<Mixed>().unwrap(), mixed());
    }
    goes_on(&socket, &mut events, &outcome).await;
    stage.hand_on(socket, events);
    outcome
}

pub(super) async fn acks_to_client(stage: &mut Stage) {
    let (socket, events) = stage.join().await;
    let text: Text = (1, "two".to_owned(), json!([3]));
    let answer = socket.emit_with_ack("ask text", &text, PATIENCE).await;
    assert_eq!(answer.unwrap().parse::<Text>().unwrap(), text);

    // Many at once, each with its own answer.
    let answers =
        join_all((0..20_u32).map(|number| socket.emit_with_ack("ask count", number, PATIENCE)));
    for (number, answer) in (0..).zip(answers.await) {
        assert_eq!(answer.unwrap().parse::<u32>().unwrap(), number);
    }
    stage.hand_on(socket, events);
}

pub(super) async fn acks_to_server(stage: &mut Stage) {
    let (socket, mut events) = stage.join().await;
    still_there(&socket, &mut events).await;
    let replying = async {
        let mut question = next_message(&mut events).await;
        let number: u32 = question.parse().unwrap();
        let ack = question.ack().expect("the server wants an answer");
        ack.reply(number * 7).await.unwrap();
    };
    let (answer, ()) = tokio::join!(stage.server.ask("question", 6), replying);
    assert_eq!(answer, 42);
    stage.hand_on(socket, events);
}

pub(super) async fn namespaces(stage: &mut Stage) {
    let (root, mut root_events) = stage.join().await;
    let joining = root.namespace("/admin").connect();
    let (admin, mut admin_events) = within("a namespace", joining).await.unwrap();
    assert!(matches!(next(&mut admin_events).await, Event::Connected(_)));

    for number in 0..10_u32 {
        root.emit("count", number).await.unwrap();
        admin.emit("count", 100 + number).await.unwrap();
    }
    for number in 0..10_u32 {
        assert_eq!(count(&mut root_events).await, number);
        assert_eq!(count(&mut admin_events).await, 100 + number);
    }

    // One goes, the other one stays.
    leave(&admin).await;
    still_there(&root, &mut root_events).await;
    stage.hand_on(root, root_events);
}

pub(super) async fn order(stage: &mut Stage) {
    const COUNT: u32 = 100;

    let (socket, mut events) = connected(stage.client("/")).await;
    // An upgrade is now under way: these go before, during and after it.
    for number in 0..COUNT {
        socket.emit("count", number).await.unwrap();
    }
    let mut upgraded = connected_on_last_transport(&mut events, stage.cell.route).await;
    let mut number = 0;
    while number < COUNT || !upgraded {
        match next(&mut events).await {
            Event::Message(message) => {
                assert_eq!(message.parse::<u32>().unwrap(), number);
                number += 1;
            }
            Event::Upgraded(Transport::WebSocket) => upgraded = true,
            other => panic!("{number} of {COUNT} were back when this came: {other:?}"),
        }
    }
    leave(&socket).await;
}

/// As much text, in one event.
pub(super) async fn large_text(stage: &mut Stage, size: usize) -> Result<(), NotOffered> {
    let text: String = ('0'..='z').cycle().take(size).collect();
    large(stage, "large text", &text).await
}

/// As many bytes, in one event.
pub(super) async fn large_bytes(stage: &mut Stage, size: usize) -> Result<(), NotOffered> {
    let bytes: Bytes = (0..=255).cycle().take(size).collect();
    large(stage, "large bytes", &bytes).await
}

async fn large<T>(stage: &mut Stage, name: &str, value: &T) -> Result<(), NotOffered>
where
    T: Serialize + DeserializeOwned + PartialEq,
{
    let (socket, mut events) = stage.join().await;
    let outcome = back(&socket, &mut events, name, value).await;
    goes_on(&socket, &mut events, &outcome).await;
    stage.hand_on(socket, events);
    outcome
}

/// The value comes back as it was sent, unless one of the two sides refuses a message like that.
async fn back<T>(
    socket: &Socket,
    events: &mut Events,
    name: &str,
    value: &T,
) -> Result<(), NotOffered>
where
    T: Serialize + DeserializeOwned + PartialEq,
{
    match socket.emit(name, value).await {
        Ok(()) => {}
        Err(refused @ EmitError::TooLarge { .. }) => return Err(NotOffered(refused.to_string())),
        Err(other) => panic!("not sent: {other:?}"),
    }
    match next_but_upgraded(events).await {
        Event::Message(message) => {
            assert_eq!(message.name(), name);
            let same = message.parse::<T>().unwrap() == *value;
            assert!(same, "{name} came back, and not as it was");
            Ok(())
        }
        Event::Disconnected {
            reason: DisconnectReason::LinkClosed(reason),
            retry_in: Some(_),
        } => Err(NotOffered(reason.to_string())),
        other => panic!("{name} did not come back, but {other:?}"),
    }
}

/// Whatever became of the event before, the next one finds its way, over a new connection if need be.
async fn goes_on(socket: &Socket, events: &mut Events, before: &Result<(), NotOffered>) {
    socket.emit("count", 1).await.unwrap();
    loop {
        match next_but_upgraded(events).await {
            Event::Message(message) => {
                assert_eq!(
                    (message.name(), message.parse::<u32>().unwrap()),
                    ("count", 1)
                );
                return;
            }
            Event::Connected(_) if before.is_err() => {}
            other => panic!("the next event did not come back, but {other:?}"),
        }
    }
}

async fn count(events: &mut Events) -> u32 {
    next_message(events).await.parse().unwrap()
}

async fn leave(socket: &Socket) {
    within("an end", socket.disconnect()).await;
}
