//! What is counted, and what is not.

use super::*;
use crate::stats::Stats;

/// The counters: packets and bytes sent, packets and bytes received.
fn counters(wire: &Wire) -> [u64; 4] {
    let Stats {
        packets_sent,
        packets_received,
        bytes_sent,
        bytes_received,
        heartbeat_rtt: _,
        heartbeats: _,
    } = wire.connection.stats();
    [packets_sent, bytes_sent, packets_received, bytes_received]
}

fn rtt_ms(wire: &Wire) -> Option<u128> {
    let rtt = wire.connection.stats().heartbeat_rtt;
    rtt.map(|rtt| rtt.as_millis())
}

#[test]
fn stats_count_frames() {
    let open = OPEN.len() as u64;
    let mut wire = Wire::websocket();
    assert_eq!(counters(&wire), [0, 0, 1, open]);
    wire.frame("4hello");
    wire.frame("2");
    wire.input(Input::Frame(Frame::Binary(Bytes::from_static(b"\x01\x02"))));
    // Nothing is sent before it is taken away.
    wire.send("ab");
    assert_eq!(counters(&wire), [0, 0, 4, open + 6 + 1 + 2]);
    assert_eq!(wire.actions(), ["> 3", "> 4ab"]);
    assert_eq!(counters(&wire), [2, 4, 4, open + 9]);
    // What is no packet is bytes all the same.
    wire.frame("9z");
    assert_eq!(counters(&wire), [2, 4, 4, open + 11]);
    // And they stay readable; nothing counts any more.
    drop(wire.reason());
    wire.frame("4x");
    assert_eq!(counters(&wire), [2, 4, 4, open + 11]);
}

#[test]
fn stats_count_bodies_and_the_packets_in_them() {
    let open = OPEN.len() as u64;
    let mut wire = Wire::polling();
    wire.send("first");
    assert_eq!(wire.actions(), ["POST S 4first"]);
    wire.send("a");
    wire.connection
        .send(wire.now, Message::from(vec![1, 2, 3]))
        .unwrap();
    wire.got("4x\x1e4y");
    assert_eq!(counters(&wire), [1, 6, 3, open + 5]);
    wire.posted();
    assert_eq!(wire.actions(), ["GET S", "POST S 4a|bAQID"]);
    assert_eq!(counters(&wire), [3, 6 + 8, 3, open + 5 + 2]);
    wire.posted();
    wire.close();
    assert_eq!(wire.actions(), ["POST S 1"]);
    assert_eq!(counters(&wire), [4, 15, 3, open + 9]);
    wire.input(Input::GetDone(answer(400, "no")));
    assert_eq!(counters(&wire), [4, 15, 3, open + 11]);
}

#[test]
fn stats_count_from_the_first_attempt() {
    let mut wire = Wire::configured(Config {
        transports: vec![Transport::Polling, Transport::WebSocket],
        try_all_transports: true,
        ..Config::default()
    });
    wire.input(Input::GetDone(answer(502, "bad gateway")));
    wire.frame(OPEN);
    assert_eq!(counters(&wire), [0, 0, 1, 11 + OPEN.len() as u64]);
}

/// In revision 4 the probe is the only round trip that a client sees.
#[test]
fn stats_tell_the_round_trip_of_the_probe() {
    let mut wire = Wire::probing();
    assert_eq!(rtt_ms(&wire), None);
    wire.at(70);
    wire.frame("3probe");
    assert_eq!(rtt_ms(&wire), Some(70));
    let open = OPEN.len() as u64;
    assert_eq!(counters(&wire), [1, 6, 2, open + 6]);
    wire.got("6");
    assert_eq!(wire.events(), ["upgraded websocket"]);
    wire.at(300);
    wire.frame("2");
    assert_eq!(wire.actions(), ["> 5", "> 3"]);
    assert_eq!(rtt_ms(&wire), Some(70));
}

/// In revision 3 the client pings.
#[test]
fn stats_tell_the_round_trip_of_the_heartbeat() {
    let mut wire = websocket_v3();
    assert_eq!(wire.fire(), 300);
    assert_eq!(wire.actions(), ["> 2"]);
    wire.at(320);
    wire.frame("4a");
    assert_eq!(rtt_ms(&wire), None);
    wire.at(340);
    wire.frame("3");
    assert_eq!(rtt_ms(&wire), Some(40));
    // One that nobody asked for ends no round trip.
    wire.at(350);
    wire.frame("3");
    assert_eq!(rtt_ms(&wire), Some(40));
    assert_eq!(wire.fire(), 650);
    wire.at(655);
    wire.frame("3");
    assert_eq!(rtt_ms(&wire), Some(5));
}

#[test]
fn a_ping_counts_as_a_heartbeat_behind_the_answer_to_the_one_before() {
    let mut wire = Wire::websocket();
    let heartbeats = |wire: &Wire| wire.connection.stats().heartbeats;
    wire.frame("4hello");
    assert_eq!(heartbeats(&wire), 0);
    wire.frame("2");
    assert_eq!(heartbeats(&wire), 1);
    // It was sent before our answer to the first one has left, whenever it was.
    wire.at(150);
    wire.frame("2");
    assert_eq!(heartbeats(&wire), 1);
    assert_eq!(wire.actions(), ["> 3"]);
    wire.frame("2");
    assert_eq!((heartbeats(&wire), wire.actions()), (2, vec!["> 3".into()]));
    // So it may have been here, where a server pings at an interval and the link has hung for two of them.
    wire.at(299);
    wire.frame("2");
    assert_eq!((heartbeats(&wire), wire.actions()), (2, vec!["> 3".into()]));
    wire.at(300);
    wire.frame("2");
    assert_eq!(heartbeats(&wire), 3);
    // Not the server's turn.
    wire.frame("3");
    assert_eq!(heartbeats(&wire), 3);
}

#[test]
fn a_pong_counts_as_a_heartbeat_behind_our_ping() {
    let mut wire = websocket_v3();
    let heartbeats = |wire: &Wire| wire.connection.stats().heartbeats;
    for unasked in ["3", "2", "4hello"] {
        wire.frame(unasked);
        assert_eq!(heartbeats(&wire), 0, "{unasked}");
    }
    wire.fire();
    wire.frame("3");
    assert_eq!(heartbeats(&wire), 1);
    wire.frame("3");
    assert_eq!(heartbeats(&wire), 1);
    wire.fire();
    wire.frame("3");
    assert_eq!(heartbeats(&wire), 2);
}
