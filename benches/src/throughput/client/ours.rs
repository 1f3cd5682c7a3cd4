//! This project's client, as its users have it: with all its defaults, except that it begins with WebSocket.

use std::hint::black_box;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use socketio::{Builder, Event, Events, Message, Socket, Transport};

use super::{Argument, Failure, IN_FLIGHT, Outcome, PARTS, ended};
use crate::clock::Stopwatch;

/// For an acknowledgement. It is not reached.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads events, and looks at what the floor looks at: the name, and the text of the argument.
pub(super) async fn receive(url: &str, part: u64) -> Result<Outcome, Failure> {
    let (_socket, mut events) = connect(url).await?;
    for _ in 0..part {
        look(&message(&mut events).await?);
    }
    let watch = Stopwatch::start();
    for _ in 0..part * PARTS {
        look(&message(&mut events).await?);
    }
    Ok(Outcome::new(part * PARTS, &watch))
}

fn look(message: &Message) {
    for argument in message.args().iter_raw() {
        black_box((message.name(), argument));
    }
}

/// Emits, waiting for each event to be taken, until the server has told that the last one has come.
pub(super) async fn emit(url: &str, part: u64) -> Result<Outcome, Failure> {
    let (socket, mut events) = connect(url).await?;
    for number in 0..part {
        socket.emit("msg", (Argument::new(number),)).await?;
    }
    message(&mut events).await?;
    let watch = Stopwatch::start();
    for number in 0..part * PARTS {
        socket.emit("msg", (Argument::new(number),)).await?;
    }
    for _ in 0..PARTS {
        message(&mut events).await?;
    }
    Ok(Outcome::new(part * PARTS, &watch))
}

/// Emits an event and waits for its acknowledgement.
pub(super) async fn ack(url: &str, part: u64) -> Result<Outcome, Failure> {
    let (socket, _events) = connect(url).await?;
    let mut watch = Stopwatch::start();
    for number in 0..part * (PARTS + 1) {
        if number == part {
            watch = Stopwatch::start();
        }
        let argument = (Argument::new(number),);
        black_box(socket.emit_with_ack("msg", argument, TIMEOUT).await?);
    }
    Ok(Outcome::new(part * PARTS, &watch))
}

/// Waits for a thousand acknowledgements at a time.
pub(super) async fn acks(url: &str, part: u64) -> Result<Outcome, Failure> {
    let (socket, _events) = connect(url).await?;
    let asked = stream::iter(0..part * (PARTS + 1)).map(|number| {
        let argument = (Argument::new(number),);
        socket.emit_with_ack("msg", argument, TIMEOUT)
    });
    let mut replies = asked.buffer_unordered(IN_FLIGHT);
    for _ in 0..part {
        black_box(replies.next().await.ok_or_else(ended)??);
    }
    let watch = Stopwatch::start();
    for _ in 0..part * PARTS {
        black_box(replies.next().await.ok_or_else(ended)??);
    }
    Ok(Outcome::new(part * PARTS, &watch))
}

async fn connect(url: &str) -> Result<(Socket, Events), Failure> {
    let builder = Builder::new(url).transports([Transport::WebSocket]);
    Ok(builder.connect().await?)
}

async fn message(events: &mut Events) -> Result<Message, Failure> {
    loop {
        match events.next().await.ok_or_else(ended)? {
            Event::Message(message) => return Ok(message),
            Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
            _ => {}
        }
    }
}
