//! The client against every server, over every route, through every network: each cell of `MATRIX.md` is a test,
//! `socket_io_4_8::websocket::tls`, which fails when the table says something else.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use std::process::Command;

use clap::ValueEnum as _;
use conformance::matrix::{Behaviour, Cell, Mark, Table, play};

/// A module for each server, in it one for each route, and in it a test for each network.
macro_rules! cells {
    ($($server:ident)*) => { $(
        mod $server {
            cells! { @ $server, polling }
            cells! { @ $server, websocket }
            cells! { @ $server, upgrade }
        }
    )* };
    (@ $server:ident, $route:ident) => {
        mod $route {
            cells! { @ $server, $route, plain }
            cells! { @ $server, $route, tls }
            cells! { @ $server, $route, proxy }
            cells! { @ $server, $route, reverse_proxy }
        }
    };
    (@ $server:ident, $route:ident, $network:ident) => {
        #[tokio::test]
        async fn $network() {
            let names = [stringify!($server), stringify!($route), stringify!($network)];
            Box::pin(crate::says_what_the_table_says(&names.join("::"))).await;
        }
    };
}

cells! {
    socket_io_2_5
    socket_io_3_1
    socket_io_4_8
    socket_io_4_8_eio3
    socketioxide
    socketioxide_eio3
}

async fn says_what_the_table_says(cell: &str) {
    let cell: Cell = cell.parse().unwrap();
    let table = Table::read(&committed());
    let Some(outcomes) = play(cell, Behaviour::value_variants()).await else {
        return;
    };
    let check = |(behaviour, outcome)| table.check(cell, behaviour, &outcome).err();
    let differences: String = outcomes.into_iter().filter_map(check).collect();
    assert!(differences.is_empty(), "\n\n{differences}");
}

fn committed() -> String {
    std::fs::read_to_string(Table::path()).expect("the table is committed")
}

/// Nothing has been edited by hand, no version or reason is out of date, no entry is missing.
#[test]
fn the_table_is_whole() {
    let committed = committed();
    let table = Table::read(&committed);
    assert!(
        committed == table.render(),
        "MATRIX.md is out of date: cargo run -p conformance --bin matrix -- --write"
    );
    for cell in Cell::all() {
        for &behaviour in Behaviour::value_variants() {
            let mark = table.mark(cell, behaviour);
            assert_ne!(mark, Mark::Unknown, "{cell}, {}", behaviour.title());
        }
    }
}

/// A server, route or network that is new has its tests.
#[test]
fn every_cell_is_a_test() {
    let this = std::env::current_exe().unwrap();
    let listed = Command::new(this).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests: Vec<&str> = listed.lines().collect();
    for cell in Cell::all() {
        let test = format!("{cell}: test");
        assert!(tests.contains(&test.as_str()), "there is no {test}");
    }
}
