//! That a script which is not what happens is told so: in which line, and what happens instead.

use super::Script;

/// What is well.
const SCRIPT: &str = r#"# Title

```session
client engine v4 polling no-upgrade
model 4.8 bare no-upgrades

C>S GET /socket.io/?EIO=4&transport=polling
S>C GET 200 0{"sid":"$E","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}
told opened polling
C>S GET /socket.io/?EIO=4&transport=polling&sid=$E
after 25s
S>C GET 200 2
C>S POST /socket.io/?EIO=4&transport=polling&sid=$E 3
C>S GET /socket.io/?EIO=4&transport=polling&sid=$E
S>C POST 200 ok
```
"#;

fn play(text: &str) -> Result<(), String> {
    let scripts = Script::all(text)?;
    scripts.iter().try_for_each(Script::play)
}

#[test]
fn a_script_that_is_right_is_played() {
    assert_eq!(play(SCRIPT), Ok(()));
}

#[test]
fn a_script_that_is_wrong_fails() {
    for (line, instead, why) in [
        // Something else is said, done or told.
        (
            "GET 200 2",
            "GET 200 4a",
            "line 13: the client did: C>S GET",
        ),
        ("sid=$E 3", "sid=$E 4", "line 13: the client did: C>S POST"),
        (
            "opened polling",
            "opened websocket",
            "line 9: the user was told: opened polling",
        ),
        // Only the model server knows.
        (
            r#""upgrades":[]"#,
            r#""upgrades":["websocket"]"#,
            "against the model server: line 8: ",
        ),
        (
            "after 25s\n",
            "after 24s\n",
            "against the model server: line 12: the server does not say that",
        ),
        // Nothing is left out, and nothing made up.
        (
            "told opened polling\n",
            "",
            "line 10: not in the script: told opened polling",
        ),
        (
            "C>S GET /socket.io/?EIO=4&transport=polling&sid=$E\nS>C",
            "S>C",
            "not in the script: C>S GET",
        ),
        (
            "S>C POST 200 ok\n",
            "",
            "at the end: the server says: S>C POST 200 ok",
        ),
        (
            "S>C POST 200 ok\n",
            "S>C POST 200 ok\ntold opened polling\n",
            "line 16: the user is told nothing",
        ),
        (
            "S>C POST 200 ok\n",
            "S>C POST 200 ok\nC>S GET DROP\n",
            "line 16: the client does nothing",
        ),
        (
            "S>C POST 200 ok\n",
            "S>C POST 200 ok\nS>C POST 200 ok\n",
            "line 16: the client does not wait for that",
        ),
        (
            "S>C POST 200 ok\n",
            "S>C POST 200 ok\nS>C ws TEXT 2\n",
            "line 16: the client does not wait for that",
        ),
        (
            "S>C POST 200 ok\n",
            "S>C POST 200 ok\nafter 1h\n",
            "line 16: \"1h\" is no time",
        ),
        // What cannot be read.
        ("after 25s\n", "waits 25s\n", "nobody is called"),
        ("no-upgrade\n", "no-upgrades\n", "is no setting of a client"),
        ("```session", "```text", "a block that is no session"),
        ("```session", "session", "a block that is no session"),
    ] {
        let wrong = SCRIPT.replacen(line, instead, 1);
        assert_ne!(wrong, SCRIPT, "{line}");
        let told = play(&wrong).expect_err(&wrong);
        assert!(told.contains(why), "{line:?} as {instead:?}: {told}");
    }
    assert_eq!(play("# Title\n"), Err("no session".to_owned()));
}
