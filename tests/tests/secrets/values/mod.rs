//! Every public type that can hold text, with secrets wherever it can hold one.

mod client;
mod codec;
mod engine;
mod graph;
mod session;

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Debug;

use engineio::Handshake;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use serde::{Serialize, Serializer};

use crate::{ear, needle, source};

/// What is shown, by type.
#[derive(Default)]
struct Shown {
    looked_at: BTreeSet<&'static str>,
    leaks: Vec<String>,
}

impl Shown {
    fn value(&mut self, name: &'static str, value: impl Debug) {
        self.look_at(name, &[format!("{value:?}"), format!("{value:#?}")]);
    }

    fn error(&mut self, name: &'static str, error: impl Error + 'static) {
        self.look_at(name, &needle::words_of(&error));
    }

    fn look_at(&mut self, name: &'static str, texts: &[String]) {
        self.looked_at.insert(name);
        let leaks = texts.iter().filter(|text| needle::is_in(text));
        self.leaks
            .extend(leaks.map(|text| format!("{name}: {text}")));
    }
}

const SID: &str =
    r#"{"sid":"PLANTED-sid","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;

fn handshake() -> Box<Handshake> {
    Box::new(Handshake::parse(SID).unwrap())
}

fn secret_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let bearer = HeaderValue::from_static("Bearer PLANTED-bearer");
    headers.insert(AUTHORIZATION, bearer);
    headers.insert(COOKIE, HeaderValue::from_static("c=PLANTED-cookie"));
    headers
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it cannot be written"))
    }
}

/// What is made of answers only, by the tests of `crate::graph` and `crate::wire`, which look at all that is shown there.
const ELSEWHERE: [&str; 9] = [
    "graph_notifications::ConnectionError",
    "graph_notifications::ErrorAnswer",
    "graph_notifications::GraphError",
    "graph_notifications::LoginAnswer",
    "graph_notifications::Notifications",
    "graph_notifications::ResourceError",
    "graph_notifications::SendError",
    "graph_notifications::TransportFailure",
    "graph_notifications::WatchError",
];

#[tokio::test]
async fn no_public_type_shows_a_secret() {
    ear::open();
    let mut shown = Shown::default();
    engine::show(&mut shown);
    codec::show(&mut shown);
    session::show(&mut shown);
    client::show(&mut shown).await;
    graph::show(&mut shown).await;
    assert!(shown.leaks.is_empty(), "{:#?}", shown.leaks);
    let looked_at: BTreeSet<&str> = shown.looked_at.into_iter().chain(ELSEWHERE).collect();
    let known = source::types_that_hold_text();
    let missing: Vec<_> = known
        .iter()
        .filter(|name| !looked_at.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "public types without a sample here: {missing:#?}"
    );
    let gone: Vec<_> = looked_at
        .iter()
        .filter(|name| !known.iter().any(|known| known == **name))
        .collect();
    assert!(
        gone.is_empty(),
        "samples of no public type that holds text: {gone:#?}"
    );
    ear::heard_no_secret();
}
