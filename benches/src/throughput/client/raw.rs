//! The floor: tokio-tungstenite, and what nobody can do without.

use std::borrow::Cow;
use std::hint::black_box;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{Argument, Failure, IN_FLIGHT, Outcome, PARTS, ended};
use crate::clock::Stopwatch;
use crate::raw::{Raw, connect};

/// An event: its name, which is borrowed unless it has escapes in it, and the text of its argument, which has been
/// checked.
#[derive(Deserialize)]
struct Event<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] &'a RawValue);

/// Reads messages.
pub(super) async fn receive(url: &str, part: u64) -> Result<Outcome, Failure> {
    receiving(url, part, |_| Ok(())).await
}

/// Reads messages and splits them.
pub(super) async fn receive_json(url: &str, part: u64) -> Result<Outcome, Failure> {
    receiving(url, part, |text| {
        let Event(name, argument) = serde_json::from_str(text.get(2..).unwrap_or_default())?;
        black_box((&*name, argument.get()));
        Ok(())
    })
    .await
}

async fn receiving(
    url: &str,
    part: u64,
    look: impl Fn(&str) -> Result<(), Failure>,
) -> Result<Outcome, Failure> {
    let mut raw = connect(url).await?;
    for _ in 0..part {
        look(black_box(&text(&mut raw).await?))?;
    }
    let watch = Stopwatch::start();
    for _ in 0..part * PARTS {
        look(black_box(&text(&mut raw).await?))?;
    }
    Ok(Outcome::new(part * PARTS, &watch))
}

/// Sends and flushes each event.
pub(super) async fn emit(url: &str, part: u64) -> Result<Outcome, Failure> {
    let mut raw = connect(url).await?;
    for number in 0..part {
        raw.send(event("", number)?).await?;
    }
    text(&mut raw).await?;
    let watch = Stopwatch::start();
    for number in 0..part * PARTS {
        raw.send(event("", number)?).await?;
    }
    swallowed(raw, part, &watch).await
}

/// Sends events, and flushes when tungstenite's buffer is full, and at the end.
pub(super) async fn emit_batched(url: &str, part: u64) -> Result<Outcome, Failure> {
    let mut raw = connect(url).await?;
    for number in 0..part {
        raw.feed(event("", number)?).await?;
    }
    raw.flush().await?;
    text(&mut raw).await?;
    let watch = Stopwatch::start();
    for number in 0..part * PARTS {
        raw.feed(event("", number)?).await?;
    }
    raw.flush().await?;
    swallowed(raw, part, &watch).await
}

/// The server tells the end of each part. The last of them is what is waited for.
async fn swallowed(mut raw: Raw, part: u64, watch: &Stopwatch) -> Result<Outcome, Failure> {
    for _ in 0..PARTS {
        text(&mut raw).await?;
    }
    Ok(Outcome::new(part * PARTS, watch))
}

/// Sends an event with an id and waits for what comes back.
pub(super) async fn echo(url: &str, part: u64) -> Result<Outcome, Failure> {
    let mut raw = connect(url).await?;
    let mut id = String::new();
    let mut watch = Stopwatch::start();
    for number in 0..part * (PARTS + 1) {
        if number == part {
            watch = Stopwatch::start();
        }
        write_id(&mut id, number);
        raw.send(event(&id, number)?).await?;
        black_box(text(&mut raw).await?);
    }
    Ok(Outcome::new(part * PARTS, &watch))
}

/// Keeps a thousand on their way: one flush for all that can be sent, then one answer is waited for, and those that are
/// there already are read with it.
pub(super) async fn echoes(url: &str, part: u64) -> Result<Outcome, Failure> {
    let mut raw = connect(url).await?;
    let mut id = String::new();
    let mut watch = Stopwatch::start();
    let (mut sent, mut received, total) = (0, 0, part * (PARTS + 1));
    while received < total {
        while sent < total && sent - received < IN_FLIGHT as u64 {
            write_id(&mut id, sent);
            raw.feed(event(&id, sent)?).await?;
            sent += 1;
        }
        raw.flush().await?;
        let mut answer = Some(text(&mut raw).await?);
        while let Some(text) = answer {
            black_box(text);
            received += 1;
            if received == part {
                watch = Stopwatch::start();
            }
            answer = self::text(&mut raw).now_or_never().transpose()?;
        }
    }
    Ok(Outcome::new(part * PARTS, &watch))
}

/// The text of an event, made as cheaply as `serde_json` can: one allocation.
fn event(id: &str, number: u64) -> Result<Message, Failure> {
    let mut text = Vec::with_capacity(64);
    text.extend_from_slice(b"42");
    text.extend_from_slice(id.as_bytes());
    serde_json::to_writer(&mut text, &("msg", Argument::new(number)))?;
    Ok(Message::Text(Utf8Bytes::try_from(text)?))
}

fn write_id(id: &mut String, number: u64) {
    use std::fmt::Write as _;

    id.clear();
    write!(id, "{number}").ok();
}

async fn text(raw: &mut Raw) -> Result<Utf8Bytes, Failure> {
    loop {
        if let Message::Text(text) = raw.next().await.ok_or_else(ended)?? {
            return Ok(text);
        }
    }
}
