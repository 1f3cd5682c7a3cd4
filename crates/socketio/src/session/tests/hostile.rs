//! Anything in any order.

use super::*;
use proptest::prelude::*;

/// One step of a random script.
#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Leave(u8),
    Emit(u8),
    EmitWithAck(u8, u64),
    Opened,
    Closed,
    Server(String),
    Binary,
    After(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let namespace = prop_oneof![Just(""), Just("/a,"), Just("/b,")];
    let packet = (
        0..=6_u8,
        namespace,
        prop_oneof![Just("[]"), Just("0[\"e\"]"), Just("[\"e\"]")],
    );
    prop_oneof![
        (0..3_u8).prop_map(Step::Join),
        (0..3_u8).prop_map(Step::Leave),
        (0..3_u8).prop_map(Step::Emit),
        ((0..3_u8), (0..30_u64)).prop_map(|(n, s)| Step::EmitWithAck(n, s)),
        Just(Step::Opened),
        Just(Step::Closed),
        prop_oneof![
            Just("0"),
            Just("0/a,"),
            Just("0/b,"),
            Just("1/a,"),
            Just("30[]")
        ]
        .prop_map(|text| Step::Server(text.into())),
        packet.prop_map(|(t, n, json)| Step::Server(format!("{t}{n}{json}"))),
        Just(Step::Binary),
        (0..40_u64).prop_map(Step::After),
    ]
}

proptest! {
    /// Whatever happens: no panic, each ack settles once, at most one link, nothing is sent without one, and
    /// nothing but CONNECT to a namespace that is not joined.
    #[test]
    fn the_rules_hold_in_any_order_of_things(steps in prop::collection::vec(step(), 0..60)) {
        const NAMES: [&str; 3] = ["/", "/a", "/b"];
        let mut script = Script::new();
        let mut keys = [None; 3];
        let mut awaited = std::collections::BTreeSet::new();
        let mut link = false;
        for step in steps {
            match step {
                Step::Join(n) => {
                    if let Ok(key) = script.try_join(NAMES[usize::from(n)], None) {
                        keys[usize::from(n)] = Some(key);
                    }
                }
                Step::Leave(n) => {
                    if let Some(key) = keys[usize::from(n)] { script.session.leave(key); }
                }
                Step::Emit(n) => {
                    if let Some(key) = keys[usize::from(n)] { script.emit(key, "e").ok(); }
                }
                Step::EmitWithAck(n, seconds) => {
                    let event = codec::Event::new("e", &()).unwrap();
                    let deadline = script.now + Duration::from_secs(seconds);
                    if let Some(key) = keys[usize::from(n)]
                        && let Ok(ack) = script.session.emit_with_ack(key, event, deadline)
                    {
                        prop_assert!(awaited.insert(ack), "an ack id was used twice");
                    }
                }
                Step::Opened => script.link_opened(),
                Step::Closed => { link = false; script.link_lost(); }
                Step::Server(text) => script.server(&text),
                Step::Binary => script.server_binary(&[1]),
                Step::After(seconds) => script.after_secs(seconds),
            }
            for (ack, _) in script.acks() {
                prop_assert!(awaited.remove(&ack), "an ack settled twice");
            }
            for action in script.actions() {
                match &*action {
                    "open link" => { prop_assert!(!link); link = true; }
                    "close link" => prop_assert!(link),
                    _ => prop_assert!(link, "{action} without a link"),
                }
            }
            script.skip_events();
        }
        for key in keys.into_iter().flatten() {
            script.session.leave(key);
        }
        for (ack, _) in script.acks() {
            prop_assert!(awaited.remove(&ack));
        }
        prop_assert!(awaited.is_empty(), "an ack never settled");
        script.link_lost();
        script.after_secs(0);
        prop_assert!(script.session.is_idle());
        prop_assert_eq!(script.due_in(), None);
    }
}
