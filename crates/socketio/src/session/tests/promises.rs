//! Whatever happens in whatever order: what a session owes to everybody.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Decide, Decision, Retries};

const NAMES: [&str; 3] = ["/", "/a", "/b"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Join(usize),
    Leave(usize),
    Emit(usize),
    EmitAck(usize),
    EmitBefore(usize),
    EmitRetried(usize),
    Cancel(usize),
    Answer(usize),
    Refuse(usize),
    PutOut(usize),
    Event(usize),
    Acknowledge,
    Opened,
    Lost,
    Garbage,
    Reading(bool),
    Auth(bool),
    NoTarget,
    Time(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        3 => name.clone().prop_map(Step::Join),
        1 => name.clone().prop_map(Step::Leave),
        2 => name.clone().prop_map(Step::Emit),
        2 => name.clone().prop_map(Step::EmitAck),
        1 => name.clone().prop_map(Step::EmitBefore),
        2 => name.clone().prop_map(Step::EmitRetried),
        1 => (0..20_usize).prop_map(Step::Cancel),
        6 => name.clone().prop_map(Step::Answer),
        1 => name.clone().prop_map(Step::Refuse),
        1 => name.clone().prop_map(Step::PutOut),
        2 => name.prop_map(Step::Event),
        3 => Just(Step::Acknowledge),
        6 => Just(Step::Opened),
        2 => Just(Step::Lost),
        1 => Just(Step::Garbage),
        1 => any::<bool>().prop_map(Step::Reading),
        3 => any::<bool>().prop_map(Step::Auth),
        1 => Just(Step::NoTarget),
        4 => (0..40_u64).prop_map(Step::Time),
    ]
}

/// What a namespace's user was told last.
#[derive(Debug, Default)]
struct Told {
    connected: bool,
    ended: bool,
    unsent: u64,
}

#[derive(Default)]
struct Ledger {
    told: BTreeMap<NamespaceKey, Told>,
    /// Events accepted of which nobody awaits anything.
    accepted: BTreeMap<NamespaceKey, u64>,
    sent: BTreeMap<NamespaceKey, u64>,
    awaited: BTreeSet<AckKey>,
    /// Ids of events that left, on any link.
    ids: BTreeSet<(String, u64)>,
    unanswered: Vec<(String, u64)>,
    opening: bool,
    joined: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Ledger {
    fn drain(&mut self, script: &mut Script, current: &[Option<NamespaceKey>; 3]) {
        for action in script.actions() {
            match &*action {
                "open link" => {
                    assert!(!self.opening, "two links");
                    self.opening = true;
                }
                "close link" => {}
                auth if auth.starts_with("auth of") => {}
                packet => self.packet(packet, current),
            }
        }
        while let Some((key, event)) = script.session.poll_event() {
            let told = self.told.entry(key).or_default();
            assert!(!told.ended, "behind the last event: {event:?}");
            match event {
                Event::Connected(_) => {
                    assert!(!told.connected);
                    told.connected = true;
                }
                Event::Message(_) | Event::Upgraded(_) => assert!(told.connected),
                Event::Disconnected { retry_in, .. } => {
                    assert!(told.connected || retry_in.is_none());
                    told.connected = false;
                    told.ended = retry_in.is_none();
                }
                Event::ConnectError { retry_in, .. } => {
                    assert!(!told.connected);
                    told.ended = retry_in.is_none();
                }
                Event::Unsent { events, .. } => told.unsent += events,
                Event::Sent(_) | Event::SentMore(_) | Event::Lagged(_) => {}
            }
        }
        while let Some((key, _)) = script.session.poll_ack() {
            assert!(self.awaited.remove(&key), "settled twice, or after all");
        }
    }

    fn packet(&mut self, packet: &str, current: &[Option<NamespaceKey>; 3]) {
        let (kind, rest) = packet.split_at(1);
        let (name, rest) = match rest.split_once(',') {
            Some((name, rest)) if name.starts_with('/') => (name, rest),
            _ => ("/", rest),
        };
        match kind {
            "0" => {
                assert!(!self.joined.contains(name), "the server drops the link");
                assert!(self.asked.insert(name.into()), "the server drops the link");
            }
            "1" => assert!(self.joined.remove(name), "the server drops the link"),
            "2" => {
                assert!(self.joined.contains(name), "the server drops the link");
                let id = &rest[..rest.find('[').unwrap()];
                if id.is_empty() {
                    if rest.contains("plain") {
                        let index = NAMES.iter().position(|n| *n == name).unwrap();
                        *self.sent.entry(current[index].unwrap()).or_default() += 1;
                    }
                } else {
                    let id = (name.to_owned(), id.parse().unwrap());
                    assert!(self.ids.insert(id.clone()), "an id for two events");
                    self.unanswered.push(id);
                }
            }
            other => panic!("{other}: {packet}"),
        }
    }

    fn link_gone(&mut self) {
        self.opening = false;
        self.joined.clear();
        self.asked.clear();
        self.unanswered.clear();
    }
}

fn prefix(name: &str) -> String {
    if name == "/" {
        String::new()
    } else {
        format!("{name},")
    }
}

fn run(steps: Vec<Step>, retry_first: bool, decide: Option<Decision>, attempts: Option<u32>) {
    let mut script = Script::with(|config| {
        config.reconnection.retry_on_initial_connect = retry_first;
        config.reconnection.max_attempts = attempts;
        config.reconnection.decide = decide.map(|decision| Decide::new(move |_| decision));
        config.limits.max_buffered_events = 4;
        config.limits.max_pending_acks = 12;
        config.limits.max_held_events = 2;
    });
    let mut ledger = Ledger::default();
    let mut current = [None; 3];
    let mut ever = Vec::new();
    let event = |name| codec::Event::new(name, &()).unwrap();
    for step in steps {
        let deadline = script.now + Duration::from_secs(5);
        match step {
            Step::Join(n) => {
                let settings = Join {
                    auth: if n == 1 { Auth::Asked } else { Auth::None },
                    retries: Some(Retries {
                        max: 1,
                        timeout: Duration::from_secs(3),
                    }),
                    ..Join::default()
                };
                if let Ok(key) = script.try_join_with(NAMES[n], settings) {
                    current[n] = Some(key);
                    ever.push(key);
                }
            }
            Step::Leave(n) => current[n]
                .into_iter()
                .for_each(|key| script.session.leave(script.now, key)),
            Step::Emit(n) => {
                if let Some(key) = current[n]
                    && script.session.emit(key, event("plain")).is_ok()
                {
                    *ledger.accepted.entry(key).or_default() += 1;
                }
            }
            Step::EmitAck(n) | Step::EmitBefore(n) | Step::EmitRetried(n) => {
                if let Some(key) = current[n] {
                    let awaited = match step {
                        Step::EmitAck(_) => {
                            script.session.emit_with_ack(key, event("ack"), deadline)
                        }
                        Step::EmitBefore(_) => {
                            script.session.emit_before(key, event("before"), deadline)
                        }
                        _ => {
                            let timeout = Duration::from_secs(3);
                            let event = event("retried");
                            script.session.emit_retried(script.now, key, event, timeout)
                        }
                    };
                    if let Ok(key) = awaited {
                        assert!(ledger.awaited.insert(key));
                    }
                }
            }
            Step::Cancel(n) => {
                if let Some(key) = ledger.awaited.iter().nth(n).copied() {
                    ledger.awaited.remove(&key);
                    script.session.cancel_ack(script.now, key);
                }
            }
            Step::Answer(n) if ledger.asked.remove(NAMES[n]) => {
                ledger.joined.insert(NAMES[n].into());
                script.server(&format!(r#"0{}{{"sid":"s","pid":"p"}}"#, prefix(NAMES[n])));
            }
            Step::Refuse(n) if ledger.asked.remove(NAMES[n]) => {
                script.server(&format!(r#"4{}{{"message":"no"}}"#, prefix(NAMES[n])));
            }
            Step::PutOut(n) if ledger.joined.remove(NAMES[n]) => {
                script.server(&format!("1{}", prefix(NAMES[n])));
            }
            Step::Event(n) => script.server(&format!(r#"2{}["e","Q80KTut"]"#, prefix(NAMES[n]))),
            Step::Acknowledge => {
                if let Some((name, id)) = ledger.unanswered.pop() {
                    script.server(&format!("3{}{id}[]", prefix(&name)));
                }
            }
            Step::Opened => script.link_opened(),
            Step::Lost => {
                ledger.link_gone();
                script.link_lost();
            }
            Step::Garbage => script.server("x"),
            Step::Reading(reading) => script.session.set_reading(script.now, reading),
            Step::Auth(there) => {
                if let Some(key) = script.asked.pop() {
                    let auth = if there {
                        Ok(None)
                    } else {
                        Err(ProviderError::Timeout)
                    };
                    script
                        .session
                        .handle_input(script.now, Input::Auth { key, auth });
                }
            }
            Step::NoTarget => {
                if ledger.opening && !matches!(script.session.link, Link::Open(_)) {
                    if matches!(script.session.link, Link::Opening) {
                        ledger.link_gone();
                    }
                    let error = ProviderError::Timeout;
                    script
                        .session
                        .handle_input(script.now, Input::NoTarget(error));
                }
            }
            Step::Time(seconds) => script.after_secs(seconds),
            Step::Answer(_) | Step::Refuse(_) | Step::PutOut(_) => {}
        }
        ledger.drain(&mut script, &current);
        assert!(script.session.pending_acks() <= 12);
        for key in &ever {
            assert!(script.session.depth(*key).events <= 8);
            // Who is wanted is on the way, or joined.
            let told = ledger.told.get(key);
            assert_eq!(
                script.session.is_wanted(*key),
                !told.is_some_and(|told| told.ended)
            );
            assert_eq!(
                script.session.is_joined(*key),
                told.is_some_and(|told| told.connected)
            );
        }
        if !script.session.is_idle() && matches!(script.session.link, Link::Waiting { .. }) {
            assert!(script.due_in().is_some());
        }
    }
    for key in &ever {
        script.session.leave(script.now, *key);
    }
    ledger.drain(&mut script, &current);
    assert_eq!(ledger.awaited.len(), 0, "everything settles");
    assert_eq!(script.session.pending_acks(), 0);
    for key in ever {
        let told = ledger.told.get(&key).unwrap();
        assert!(told.ended);
        let count = |of: &BTreeMap<_, u64>| of.get(&key).copied().unwrap_or_default();
        assert_eq!(
            count(&ledger.accepted),
            count(&ledger.sent) + told.unsent,
            "accepted is sent or told"
        );
    }
    ledger.link_gone();
    script.link_closed(CloseReason::Local);
    assert!(script.session.is_idle());
    assert_eq!(script.due_in(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_told_twice_nothing_is_forgotten_and_no_server_is_offended(
        steps in proptest::collection::vec(step(), 1..120),
        retry_first: bool,
        decide in prop_oneof![
            Just(None),
            Just(Some(Decision::Retry)),
            Just(Some(Decision::RetryIn(Duration::from_millis(1)))),
            Just(Some(Decision::RetryIn(Duration::from_secs(30)))),
        ],
        attempts in prop_oneof![Just(None), Just(Some(2))],
    ) {
        run(steps, retry_first, decide, attempts);
    }
}
