//! An event, from the server's write to the user's task, at a rate at which nobody has to wait for anybody.
//!
//! The server runs in threads of this process, and writes the time into each event right before it is written to the
//! socket. Most of what is measured is the system's: the socket, and waking the thread that waits for it. That is the
//! same for all, so differences tell more than ratios.

use std::borrow::Cow;

use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use socketio::{Builder, Event, Transport};
use tokio_tungstenite::tungstenite::Message;

use super::Failure;
use crate::clock::monotonic;
use crate::measure::{Samples, in_turn};
use crate::options::Options;
use crate::raw;
use crate::report::{Report, Row};
use crate::server::{Job, Server, Wire};

/// Events that are not counted, in front of those that are.
const WARM_UP: usize = 200;

const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// tokio-tungstenite, and `serde_json` splits each message into its name and the text of its argument.
    Raw,
    Ours,
    #[cfg(feature = "peers")]
    RustSocketio,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw + RawValue",
            Self::Ours => "ours",
            #[cfg(feature = "peers")]
            Self::RustSocketio => "rust_socketio",
        }
    }

    /// Nanoseconds of so many events.
    async fn run(self, server: &Server, events: usize) -> Result<Vec<u64>, Failure> {
        let job = Job::Pace(events as u64);
        match self {
            Self::Raw => raw(&server.url(Wire::Raw, job), events).await,
            Self::Ours => ours(&server.url(Wire::SocketIo, job), events).await,
            #[cfg(feature = "peers")]
            Self::RustSocketio => rust_socketio(&server.url(Wire::SocketIo, job), events).await,
        }
    }
}

/// One that takes turns, and what its runs have found: a list for each of the percentiles.
struct Contender {
    subject: Subject,
    found: [Vec<f64>; PERCENTILES.len()],
}

pub(super) fn rows(report: &mut Report, options: Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let server = Server::start()?;
    let subjects = [
        Subject::Ours,
        Subject::Raw,
        #[cfg(feature = "peers")]
        Subject::RustSocketio,
    ];
    let mut contenders = subjects.map(|subject| Contender {
        subject,
        found: Default::default(),
    });
    let events = WARM_UP + options.either(1000, 6000);
    in_turn(5, &mut contenders, |contender| {
        let name = contender.subject.name();
        report.progress(format_args!("events, one a millisecond: {name}"));
        let run = contender.subject.run(&server, events);
        let mut nanos = runtime.block_on(run)?.split_off(WARM_UP);
        nanos.sort_unstable();
        let of = PERCENTILES.map(|(_, share)| percentile(&nanos, share) / 1e3);
        for (found, micros) in contender.found.iter_mut().zip(of) {
            found.push(micros);
        }
        Ok::<_, Failure>(0.0)
    })?;

    let [ours, others @ ..] = &contenders;
    for other in others {
        for (index, (percentile, _)) in PERCENTILES.into_iter().enumerate() {
            let samples = |contender: &Contender| {
                let found = contender.found.get(index).map(Vec::as_slice);
                Samples::from(found.unwrap_or_default())
            };
            let floor = other.subject.name();
            let name = format!("latency of an event, {percentile} / {floor}");
            report.add(Row::compared(name, &samples(ours), &samples(other), "µs"));
        }
    }
    Ok(())
}

/// The smallest value that such a share of all does not exceed.
fn percentile(sorted: &[u64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let value = sorted.get(rank.saturating_sub(1));
    value.copied().unwrap_or_default() as f64
}

/// The argument of an event: when it was sent.
#[derive(Deserialize)]
struct Stamp {
    at: u64,
}

fn now() -> u64 {
    u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX)
}

/// The clock is read when the argument is there as text, and before that text is read.
fn since(argument: &str) -> Result<u64, Failure> {
    let now = now();
    let Stamp { at } = serde_json::from_str(argument)?;
    Ok(now.saturating_sub(at))
}

async fn raw(url: &str, events: usize) -> Result<Vec<u64>, Failure> {
    let mut raw = raw::connect(url).await?;
    let mut nanos = Vec::with_capacity(events);
    while nanos.len() < events {
        if let Message::Text(text) = raw.next().await.ok_or("the connection has ended")?? {
            let event = text.get(2..).unwrap_or_default();
            let (_name, argument): (Cow<'_, str>, &RawValue) = serde_json::from_str(event)?;
            nanos.push(since(argument.get())?);
        }
    }
    Ok(nanos)
}

async fn ours(url: &str, events: usize) -> Result<Vec<u64>, Failure> {
    let builder = Builder::new(url).transports([Transport::WebSocket]);
    let (_socket, mut stream) = builder.connect().await?;
    let mut nanos = Vec::with_capacity(events);
    while nanos.len() < events {
        match stream.next().await.ok_or("the connection has ended")? {
            Event::Message(message) => {
                let argument = message.args().iter_raw().next();
                nanos.push(since(argument.ok_or("an event without an argument")?)?);
            }
            Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
            _ => {}
        }
    }
    Ok(nanos)
}

/// The clock is read in the callback. It gets values, and not text.
#[cfg(feature = "peers")]
async fn rust_socketio(url: &str, events: usize) -> Result<Vec<u64>, Failure> {
    use futures_util::FutureExt as _;
    use rust_socketio::asynchronous::ClientBuilder;
    use rust_socketio::{Payload, TransportType};

    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let client = ClientBuilder::new(url)
        .transport_type(TransportType::Websocket)
        .reconnect(false)
        .on("msg", move |payload, _client| {
            let now = now();
            let Payload::Text(values) = payload else {
                return std::future::ready(()).boxed();
            };
            let at = values.first().and_then(|value| value.get("at")?.as_u64());
            tell.send(at.map(|at| now.saturating_sub(at))).ok();
            std::future::ready(()).boxed()
        });
    let client = client.connect().await?;
    let mut nanos = Vec::with_capacity(events);
    while nanos.len() < events {
        let event = told.recv().await.ok_or("the connection has ended")?;
        nanos.push(event.ok_or("an event without a time")?);
    }
    client.disconnect().await?;
    Ok(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_have_been_there() {
        let values: Vec<u64> = (1..=1000).collect();
        let of = |values: &[u64]| PERCENTILES.map(|(_, share)| percentile(values, share));
        assert_eq!(of(&values), [500.0, 990.0, 999.0]);
        assert_eq!(of(&[7]), [7.0; 3]);
        assert_eq!(of(&[]), [0.0; 3]);
    }

    #[test]
    fn each_subject_gets_each_event_once_it_was_sent() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let server = Server::start().unwrap();
        for subject in [Subject::Raw, Subject::Ours] {
            let before = now();
            let nanos = runtime.block_on(subject.run(&server, 5)).unwrap();
            let passed = now() - before;
            assert_eq!(nanos.len(), 5, "{subject:?}");
            let possible = nanos.iter().all(|nanos| (1..passed).contains(nanos));
            assert!(possible, "{subject:?}: {nanos:?} in {passed}");
        }
    }
}
