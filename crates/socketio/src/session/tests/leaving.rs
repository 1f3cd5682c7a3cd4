//! DISCONNECT, of both sides.

use super::*;

#[test]
fn the_link_is_closed_behind_the_last_namespace() {
    let (mut script, root) = Script::joined();
    let admin = script.join("/admin");
    script.server("0/admin,");
    script.skip();
    script.session.leave(script.now, admin);
    script.wants(&["1/admin,"]);
    script.session.leave(script.now, root);
    script.wants(&["1", "close link"]);
    script.tells(&[
        "/admin disconnected: disconnected by this side; for good",
        "/ disconnected: disconnected by this side; for good",
    ]);
    script.link_closed(CloseReason::Local);
    script.after_secs(1000);
    script.wants(&[]);
    assert!(script.session.is_idle());
    script.session.leave(script.now, root);
    script.tells(&[]);
}

#[test]
fn a_disconnect_of_the_server_is_final_for_its_namespace_alone() {
    let (mut script, root) = Script::joined();
    let admin = script.join("/admin");
    script.server("0/admin,");
    script.skip();
    script.server("1/admin,");
    script.tells(&["/admin disconnected: disconnected by the server; for good"]);
    script.wants(&[]);
    assert_eq!(script.emit(admin, "x"), Err(EmitError::Disconnected));
    script.emit(root, "x").unwrap();
    script.wants(&[r#"2["x"]"#]);
    script.server("1");
    script.tells(&["/ disconnected: disconnected by the server; for good"]);
    script.wants(&["close link"]);
    script.link_closed(CloseReason::Local);
    assert_eq!(script.due_in(), None);
}

#[test]
fn the_server_s_close_behind_its_disconnect_is_not_told_again() {
    let (mut script, _) = Script::joined();
    script.server("1");
    script.link_closed(CloseReason::Remote { code: None });
    script.tells(&["/ disconnected: disconnected by the server; for good"]);
    assert!(script.session.is_idle());
}

#[test]
fn leaving_while_disconnected_ends_the_attempts() {
    let (mut script, root) = Script::joined();
    script.link_lost();
    script.skip_events();
    script.session.leave(script.now, root);
    script.tells(&["/ disconnected: disconnected by this side; for good"]);
    assert_eq!(script.due_in(), None);
    assert!(script.session.is_idle());
    script.wants(&[]);
}

#[test]
fn leaving_during_an_attempt_closes_it() {
    let mut script = Script::new();
    let root = script.join("/");
    script.session.leave(script.now, root);
    script.wants(&["open link", "close link"]);
    script.link_opened();
    script.wants(&[]);
    script.link_closed(CloseReason::Local);
    assert!(script.session.is_idle());
}

#[test]
fn what_waited_in_a_namespace_that_is_left_is_not_sent_when_it_is_joined_again() {
    let (mut script, _) = Script::joined();
    let other = script.join("/b");
    script.emit(other, "dropped").unwrap();
    script.session.leave(script.now, other);
    script.server("0/b,");
    script.join("/b");
    script.after_leaving();
    script.server("0/b,");
    script.wants(&["0/b,", "1/b,", "0/b,"]);
}

#[test]
fn a_disconnect_that_crossed_with_a_new_connect_is_ignored() {
    let (mut script, root) = Script::joined();
    script.join("/keep");
    script.server("0/keep,");
    script.session.leave(script.now, root);
    script.join("/");
    script.after_leaving();
    script.skip();
    script.server("1");
    script.server(REPLY);
    script.tells(&["/ connected as s1"]);
}

#[test]
fn spurious_calls_change_nothing() {
    let mut script = Script::new();
    script.link_opened();
    script.link_lost();
    script.server("0");
    script.server_binary(&[1]);
    script.after_secs(100);
    assert_eq!(script.due_in(), None);
    let root = script.join("/");
    script.server("0");
    script.wants(&["open link"]);
    script.link_opened();
    script.link_opened();
    script.wants(&["0"]);
    script.server(REPLY);
    script.session.handle_timeout(script.now);
    script.tells(&["/ connected as s1"]);
    assert!(script.session.is_joined(root));
}

#[test]
fn a_program_that_passes_through_many_namespaces_does_not_pile_them_up() {
    let (mut script, root) = Script::joined();
    let mut keys = std::collections::BTreeSet::from([root]);
    for n in 0..100 {
        let name = format!("/{}", n % 10);
        let key = script.join(&name);
        assert!(keys.insert(key), "a name for two joinings");
        script.server(&format!(r#"0{name},{{"sid":"x"}}"#));
        script.skip();
        // Never twice with the same name, so that a late acknowledgement is nobody's.
        script.emit_with_ack(key, "a", 60);
        script.wants(&[&format!(r#"2{name},{n}["a"]"#)]);
        script.session.leave(script.now, key);
        assert_eq!(script.emit(key, "x"), Err(EmitError::Disconnected));
        script.skip();
        script.after_leaving();
        assert_eq!(script.acks().len(), 1);
        script.server(&format!("3{name},{n}[]"));
        assert_eq!(script.acks(), []);
    }
    assert_eq!(script.session.slots.len(), 2);
    assert_eq!(script.session.by_name.len(), 2);
}

#[test]
fn the_place_of_an_unanswered_connect_is_not_taken() {
    let (mut script, _) = Script::joined();
    let abandoned = script.join("/a");
    script.session.leave(script.now, abandoned);
    script.join("/b");
    script.skip();
    script.server(r#"0/a,{"sid":"x"}"#);
    script.wants(&["1/a,"]);
}

#[test]
fn with_the_link_goes_the_answer_that_had_to_come_first() {
    let mut script = Script::new();
    let abandoned = script.join("/a");
    script.link_opened();
    script.session.leave(script.now, abandoned);
    script.wants(&["open link", "0/a,", "close link"]);
    script.join("/a");
    script.link_closed(CloseReason::Local);
    script.after_secs(0);
    script.link_opened();
    script.wants(&["open link", "0/a,"]);
    script.server(r#"0/a,{"sid":"a"}"#);
    script.skip_events();
}

/// If a server reads DISCONNECT and CONNECT at once, it takes the one for a second CONNECT and drops the connection.
#[test]
fn who_comes_back_on_the_same_link_gives_the_server_time_to_let_go() {
    let (mut script, root) = Script::joined();
    script.join("/keep");
    script.server("0/keep,");
    script.skip();
    script.session.leave(script.now, root);
    script.session.set_flushed(script.now, false);
    script.join("/");
    script.wants(&["1"]);
    script.after(Duration::from_millis(99));
    script.wants(&[]);
    // It is still waiting for the request before it.
    script.after_secs(5);
    script.wants(&[]);
    script.session.set_flushed(script.now, true);
    script.wants(&["0"]);
    // On another link nothing of that matters.
    script.server(REPLY);
    let root = script.session.by_name["/"];
    let root = script.session.slots[root].key(root);
    script.session.leave(script.now, root);
    script.join("/");
    script.link_lost();
    script.skip();
    script.after_secs(1);
    script.link_opened();
    script.wants(&["open link", "0", "0/keep,"]);
}

#[test]
fn an_event_that_crossed_with_leaving_is_not_one_of_the_next_joining() {
    let (mut script, root) = Script::joined();
    script.join("/keep");
    script.session.leave(script.now, root);
    script.join("/");
    script.after_leaving();
    script.skip();
    script.server(r#"2["for who was here before"]"#);
    script.server(REPLY);
    script.server(r#"2["for who is here now"]"#);
    script.tells(&["/ connected as s1", r#"/ ["for who is here now"]"#]);
}
