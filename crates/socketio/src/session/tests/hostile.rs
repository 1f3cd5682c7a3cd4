//! Anything in any order.

use super::*;
use crate::{Decide, Decision};
use proptest::prelude::*;

/// One step of a random script.
#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Leave(u8),
    Emit(u8),
    EmitVolatile(u8),
    EmitWithAck(u8, u64),
    EmitBefore(u8, u64),
    EmitRetried(u8, u64),
    Cancel(u8),
    LeaveUnread(u8),
    Reconnect,
    Opened,
    Closed,
    NoTarget,
    Auth(bool),
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
        (0..3_u8).prop_map(Step::EmitVolatile),
        ((0..3_u8), (0..30_u64)).prop_map(|(n, s)| Step::EmitWithAck(n, s)),
        ((0..3_u8), (0..30_u64)).prop_map(|(n, s)| Step::EmitBefore(n, s)),
        ((0..3_u8), (1..30_u64)).prop_map(|(n, s)| Step::EmitRetried(n, s)),
        any::<u8>().prop_map(Step::Cancel),
        (0..3_u8).prop_map(Step::LeaveUnread),
        Just(Step::Reconnect),
        Just(Step::Opened),
        Just(Step::Opened),
        Just(Step::Closed),
        Just(Step::NoTarget),
        any::<bool>().prop_map(Step::Auth),
        prop_oneof![
            Just("0"),
            Just("0/a,"),
            Just("0/b,"),
            Just("1/a,"),
            Just("30[]"),
            Just(r#"0{"sid":"s","pid":"p"}"#),
            Just(r#"2["e","Q80KTut"]"#),
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
    fn the_rules_hold_in_any_order_of_things(
        steps in prop::collection::vec(step(), 0..60),
        initial: bool,
        decisions in prop::collection::vec(0..4_u8, 0..3),
    ) {
        const NAMES: [&str; 3] = ["/", "/a", "/b"];
        let mut script = Script::with(|config| {
            config.reconnection.retry_on_initial_connect = initial;
            config.limits.max_buffered_events = 3;
            let asked = std::sync::atomic::AtomicUsize::new(0);
            config.reconnection.decide = Some(Decide::new(move |_| {
                let turn = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                match decisions.get(turn % decisions.len().max(1)) {
                    Some(1) => Decision::Retry,
                    Some(2) => Decision::RetryIn(Duration::from_secs(20)),
                    Some(3) => Decision::Stop,
                    _ => Decision::Default,
                }
            }));
        });
        let mut keys = [None; 3];
        let mut awaited = std::collections::BTreeSet::new();
        let mut link = false;
        let mut open = false;
        for step in steps {
            match step {
                Step::Join(n) => {
                    let mut settings = Join::default();
                    if n == 1 {
                        settings.auth = Auth::Asked;
                        settings.retries = Some(Retries::default());
                    }
                    if let Ok(key) = script.try_join_with(NAMES[usize::from(n)], settings) {
                        keys[usize::from(n)] = Some(key);
                    }
                }
                Step::Leave(n) => {
                    if let Some(key) = keys[usize::from(n)] { script.session.leave(script.now, key); }
                }
                Step::Emit(n) => {
                    if let Some(key) = keys[usize::from(n)] { script.emit(key, "e").ok(); }
                }
                Step::EmitVolatile(n) => {
                    let event = codec::Event::new("v", &()).unwrap();
                    if let Some(key) = keys[usize::from(n)] {
                        let joined = script.session.is_joined(key);
                        let sent = script.session.emit_volatile(key, event);
                        prop_assert_eq!(sent.is_ok(), joined);
                    }
                }
                Step::EmitBefore(n, seconds) => {
                    let event = codec::Event::new("t", &()).unwrap();
                    let deadline = script.now + Duration::from_secs(seconds);
                    if let Some(key) = keys[usize::from(n)]
                        && let Ok(ack) = script.session.emit_before(key, event, deadline)
                    {
                        prop_assert!(awaited.insert(ack), "an ack id was used twice");
                    }
                }
                Step::EmitRetried(n, seconds) => {
                    let event = codec::Event::new("r", &()).unwrap();
                    let timeout = Duration::from_secs(seconds);
                    if let Some(key) = keys[usize::from(n)]
                        && let Ok(ack) = script.session.emit_retried(script.now, key, event, timeout)
                    {
                        prop_assert!(awaited.insert(ack), "an ack id was used twice");
                    }
                }
                Step::Cancel(n) => {
                    let ack = awaited.iter().nth(usize::from(n) % awaited.len().max(1)).copied();
                    if let Some(ack) = ack {
                        script.session.cancel_ack(script.now, ack);
                        awaited.remove(&ack);
                    }
                }
                Step::LeaveUnread(n) => {
                    if let Some(key) = keys[usize::from(n)] { script.session.leave_unread(script.now, key); }
                }
                Step::Reconnect => script.session.reconnect(script.now),
                Step::NoTarget => {
                    // In place of a link, and not of one that is open.
                    if !open {
                        link = false;
                        let error = ProviderError::Timeout;
                        script.session.handle_input(script.now, Input::NoTarget(error));
                        // The one that is closing.
                        script.link_lost();
                    }
                }
                Step::Auth(given) => {
                    if let Some(key) = script.asked.pop() {
                        let auth = if given { Ok(None) } else { Err(ProviderError::Panicked) };
                        script.session.handle_input(script.now, Input::Auth { key, auth });
                    }
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
                Step::Opened => { open |= link; script.link_opened(); }
                Step::Closed => { link = false; open = false; script.link_lost(); }
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
            let depth = script.session.depth(key);
            prop_assert!(depth.events <= 6, "{} events wait", depth.events);
            script.session.leave(script.now, key);
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

/// While nobody reads, each refused event is one more to tell of.
#[test]
fn what_is_not_sent_is_told_in_few_words() {
    let (mut script, root) = Script::joined();
    let other = script.join("/b");
    script.skip_events();
    for _ in 0..9 {
        for key in [root, other] {
            script.session.tell_unsent(key, 1, EmitError::TooManyAcks);
        }
    }
    script.tells(&[
        "/ 9 unsent: too many acknowledgements are awaited",
        "/b 9 unsent: too many acknowledgements are awaited",
    ]);
    // Each where it belongs.
    for packet in [r#"2["a"]"#, r#"2["b"]"#] {
        script.server(packet);
        script.session.tell_unsent(root, 1, EmitError::TooManyAcks);
    }
    script.tells(&[
        r#"/ ["a"]"#,
        "/ 1 unsent: too many acknowledgements are awaited",
        r#"/ ["b"]"#,
        "/ 1 unsent: too many acknowledgements are awaited",
    ]);
}
