//! At least once: one at a time, a new id for each try.

use super::*;
use crate::Retries;

fn retries(max: u32, seconds: u64) -> Join {
    let timeout = Duration::from_secs(seconds);
    Join {
        retries: Some(Retries { max, timeout }),
        ..Join::default()
    }
}

fn joined(max: u32) -> (Script, NamespaceKey) {
    let mut script = Script::new();
    let key = script.try_join_with("/", retries(max, 1)).unwrap();
    script.link_opened();
    script.server(REPLY);
    script.skip();
    (script, key)
}

impl Script {
    fn retried(&mut self, key: NamespaceKey, name: &str) -> Result<AckKey, EmitError> {
        let event = codec::Event::new(name, &()).unwrap();
        let timeout = Duration::from_secs(1);
        self.session.emit_retried(self.now, key, event, timeout)
    }
}

/// The id in an event's packet.
fn id(packet: &str) -> u64 {
    packet[1..packet.find('[').unwrap()].parse().unwrap()
}

/// As the reference client does it: `first` is answered at its third try, and only then `second` is sent.
#[test]
fn one_in_flight_and_a_new_id_a_try() {
    let (mut script, root) = joined(3);
    let first = script.retried(root, "first").unwrap();
    let second = script.retried(root, "second").unwrap();
    script.after_secs(2);
    let tries = script.actions();
    assert!(
        tries.iter().all(|packet| packet.ends_with(r#"["first"]"#)),
        "{tries:?}"
    );
    let ids: Vec<u64> = tries.iter().map(|packet| id(packet)).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.is_sorted_by(|a, b| a < b));
    // Late answers to earlier tries say nothing about this one.
    script.server(&format!(r#"3{}["late"]"#, ids[1]));
    assert_eq!(script.acks(), []);
    script.server(&format!(r#"3{}["ok"]"#, ids[2]));
    assert_eq!(script.acks(), [(first, Ok(r#"["ok"]"#.into()))]);
    let [packet] = &script.actions()[..] else {
        panic!("one packet");
    };
    assert!(packet.ends_with(r#"["second"]"#));
    script.server(&format!("3{}[]", id(packet)));
    assert_eq!(script.acks(), [(second, Ok("[]".into()))]);
    assert_eq!(script.due_in(), None);
}

#[test]
fn after_all_tries_the_next_one_goes() {
    let (mut script, root) = joined(2);
    let first = script.retried(root, "first").unwrap();
    script.retried(root, "second").unwrap();
    script.after_secs(3);
    assert_eq!(script.acks(), [(first, Err(AckError::Timeout))]);
    let sent = script.actions();
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert!(sent[3].ends_with(r#"["second"]"#));
}

#[test]
fn the_one_under_way_is_sent_again_as_soon_as_there_is_a_connection() {
    let (mut script, root) = joined(1);
    let first = script.retried(root, "first").unwrap();
    script.skip_actions();
    script.link_lost();
    assert_eq!(script.acks(), []);
    let second = script.retried(root, "second").unwrap();
    script.after_secs(1);
    script.link_opened();
    script.server(REPLY);
    let sent = script.actions();
    assert!(
        matches!(&sent[..], [_, _, again] if again.ends_with(r#"["first"]"#)),
        "{sent:?}"
    );
    // That was its last try. The namespace has not ended, so this is not what is told.
    script.link_lost();
    assert_eq!(script.acks(), [(first, Err(AckError::Timeout))]);
    script.session.leave(script.now, root);
    assert_eq!(script.acks(), [(second, Err(AckError::Disconnected))]);
}

#[test]
fn what_is_cancelled_is_not_sent_again() {
    let (mut script, root) = joined(3);
    let first = script.retried(root, "first").unwrap();
    let second = script.retried(root, "second").unwrap();
    let third = script.retried(root, "third").unwrap();
    script.skip_actions();
    script.session.cancel_ack(script.now, second);
    script.session.cancel_ack(script.now, first);
    let sent = script.actions();
    assert!(
        matches!(&sent[..], [packet] if packet.ends_with(r#"["third"]"#)),
        "{sent:?}"
    );
    script.session.cancel_ack(script.now, third);
    assert_eq!(script.acks(), []);
    assert_eq!((script.due_in(), script.session.pending_acks()), (None, 0));
}

#[test]
fn the_queue_is_bounded() {
    let mut script = Script::with(|config| config.limits.max_buffered_events = 2);
    let key = script.try_join_with("/", retries(3, 1)).unwrap();
    assert!(script.session.has_room(key));
    script.retried(key, "a").unwrap();
    script.retried(key, "b").unwrap();
    assert!(!script.session.has_room(key));
    assert_eq!(script.retried(key, "c"), Err(EmitError::BufferFull));
    assert_eq!(
        (
            script.session.depth(key).events,
            script.session.pending_acks()
        ),
        (2, 2)
    );

    let mut script = Script::with(|config| config.limits.max_pending_acks = 1);
    let key = script.try_join_with("/", retries(3, 1)).unwrap();
    script.retried(key, "a").unwrap();
    assert_eq!(script.retried(key, "b"), Err(EmitError::TooManyAcks));
}

#[test]
fn what_the_server_would_never_take_does_not_block_the_others() {
    let (mut script, root) = joined(3);
    script.link_lost();
    let name = "n".repeat(2000);
    let large = script.retried(root, &name).unwrap();
    script.retried(root, "small").unwrap();
    script.after_secs(1);
    script.link_opened_with(Transport::WebSocket, Some(1000));
    script.server(REPLY);
    let max = 1000;
    assert!(
        matches!(
            &script.acks()[..],
            [(key, Err(AckError::Emit(EmitError::TooLarge { max: 1000, .. })))] if *key == large
        ),
        "{max}"
    );
    assert!(script.actions().last().unwrap().ends_with(r#"["small"]"#));
}

#[test]
fn nothing_is_sent_again_while_the_link_takes_nothing() {
    let (mut script, root) = joined(9);
    let first = script.retried(root, "first").unwrap();
    script.retried(root, "second").unwrap();
    script.skip_actions();
    script.session.set_writable(script.now, false);
    script.after_secs(5);
    script.wants(&[]);
    script.session.set_writable(script.now, true);
    let sent = script.actions();
    assert!(
        matches!(&sent[..], [again] if again.ends_with(r#"["first"]"#)),
        "{sent:?}"
    );
    script.session.set_writable(script.now, true);
    script.wants(&[]);
    script.server(&format!("3{}[]", id(&sent[0])));
    assert_eq!(script.acks(), [(first, Ok("[]".into()))]);
}
