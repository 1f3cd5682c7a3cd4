//! The example program `siocat` against the real socket.io server.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is a test"
)]

use std::process::Stdio;

use conformance::{
    Case, JsServer, Line, Release, Route, TlsFront, over_every_route, over_one_route, within,
};
use engineio::Version;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

mod against_the_current_release {
    use super::*;

    over_every_route! { Release::Current, Version::V4 => a_conversation, joining_is_refused }
}

mod against_the_old_release {
    use super::*;

    over_every_route! { Release::Old, Version::V3 => a_conversation, joining_is_refused }
}

mod against_the_old_release_unasked {
    use super::*;

    over_every_route! { Release::Old, Version::Auto => a_conversation }
}

mod against_the_current_release_unasked {
    use super::*;

    over_one_route! { Release::Current, Version::Auto, Route::Upgrade => a_conversation }
}

async fn a_conversation(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let url = server.url("/admin?token=PLANTED-query");
    let mut program = Program::start(&[&[url.as_str()], options(case).as_slice()].concat());

    let connected = program.line().await;
    let joined = |line: &Line| line.is("connect") && line.str("namespace") == "/admin";
    let joined = server.wait_for("a join", joined).await;
    let transport = case.route.first().name();
    // The order of keys is part of what is documented.
    assert!(
        connected.starts_with(r#"{"event":"connected","namespace":"/admin","sid":""#),
        "{connected}"
    );
    let connected: Value = serde_json::from_str(&connected).unwrap();
    assert_eq!(connected["sid"], joined.str("id"));
    assert_eq!(connected["recovered"], false);
    if case.route == Route::Upgrade {
        // The upgrade may be over before the namespace is joined.
        if connected["transport"] == transport {
            let line = program.line().await;
            assert_eq!(line, r#"{"event":"upgraded","transport":"websocket"}"#);
        }
    } else {
        assert_eq!(connected["transport"], transport);
    }

    // What is sent comes back, bytes and all.
    for (line, back) in [
        (
            r#"{"emit":"text","args":[1,"é€😀",{"z":[null,true],"a":0.30000000000000004}]}"#,
            r#"{"event":"message","namespace":"/admin","name":"text","args":[1,"é€😀",{"z":[null,true],"a":0.30000000000000004}]}"#,
        ),
        (
            r#"{"emit":"nothing"}"#,
            r#"{"event":"message","namespace":"/admin","name":"nothing","args":[]}"#,
        ),
        (
            r#"{"emit":"bytes","args":[{"name":"a","data":[{"$base64":"3q0="}]},{"$base64":""}],"timeout_ms":30000}"#,
            r#"{"event":"message","namespace":"/admin","name":"bytes","args":[{"name":"a","data":[{"$base64":"3q0="}]},{"$base64":""}]}"#,
        ),
        (
            r#"{"emit":"volatile","args":[9007199254740991],"volatile":true}"#,
            r#"{"event":"message","namespace":"/admin","name":"volatile","args":[9007199254740991]}"#,
        ),
        (
            r#"{"emit":"sum","args":[1,{"$base64":"AP8="}],"ack":true,"timeout_ms":30000}"#,
            r#"{"event":"ack","name":"sum","args":[1,{"$base64":"AP8="}]}"#,
        ),
        (
            r#"{"emit":"void","ack":true}"#,
            r#"{"event":"ack","name":"void","args":[]}"#,
        ),
        (
            r#"{"emit":"silent","ack":true,"timeout_ms":1}"#,
            r#"{"event":"error","message":"emit \"silent\": no acknowledgement in time"}"#,
        ),
    ] {
        program.tell(line).await;
        assert_eq!(program.line().await, back);
    }

    // The server asks, and is answered once.
    let question = json!({"namespace": "/admin", "event": "question", "args": [{"$hex": "dead"}]});
    server.command("ask", question.clone()).await;
    assert_eq!(
        program.line().await,
        r#"{"event":"message","namespace":"/admin","name":"question","args":[{"$base64":"3q0="}],"ack":1}"#
    );
    server.command("ask", question).await;
    assert_eq!(program.event().await["ack"], 2);
    program
        .tell(r#"{"reply":2,"args":["b",{"$base64":"vu8="}]}"#)
        .await;
    program.tell(r#"{"reply":1}"#).await;
    let answer = |args: Value| move |line: &Line| line.is("answer") && line.get("args") == &args;
    let second = answer(json!(["b", {"$hex": "beef"}]));
    server.wait_for("the second answer", second).await;
    server.wait_for("the first answer", answer(json!([]))).await;
    program.tell(r#"{"reply":2}"#).await;
    program.error_with("reply 2: no message waits").await;

    // Mistakes are told, and change nothing.
    for (line, told) in [
        ("hello", "not a line of input: "),
        (r#"{"emit":"x","ackn":true}"#, "not a line of input: "),
        (r#"{"emit":"connect"}"#, r#"emit "connect": "#),
        (
            r#"{"emit":"x","args":[{"$base64":"!"}]}"#,
            r#"emit "x": a $base64"#,
        ),
    ] {
        program.tell(line).await;
        program.error_with(told).await;
    }

    // Whatever is asked for before the end is sent.
    program.tell(r#"{"emit":"silent","args":["last"]}"#).await;
    program.tell(r#"{"disconnect":true}"#).await;
    program.tell(r#"{"emit":"text"}"#).await;
    assert_eq!(
        program.line().await,
        r#"{"event":"disconnected","reason":"disconnected by this side","retry_in_ms":null}"#
    );
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    assert!(finished.stdout.is_empty(), "{finished:?}");
    let left = |line: &Line| line.is("disconnect") && line.str("namespace") == "/admin";
    let goodbye = server.wait_for("a goodbye", left).await;
    assert!(goodbye.str("reason").starts_with("client"), "{goodbye:?}");
}

async fn joining_is_refused(case: Case) {
    let Some(server) = case.release.socket_io(json!({})).await else {
        return;
    };
    let url = server.url("");
    // What each revision is let in with.
    let credential = match case.version {
        Version::V3 => ["--query", "token=bad"],
        _ => ["--auth", r#"{"token":"bad"}"#],
    };
    let namespace = ["--namespace", "/admin"];
    let options = options(case);
    let arguments = [&[url.as_str()], &namespace[..], &credential, &options].concat();
    let finished = Program::start(&arguments).finish().await;
    let refusal = r#"{"event":"connect_error","message":"not authorized","data":null}"#;
    assert_eq!(finished.stdout, [refusal]);
    finished.failed_with(4);
}

/// The command line's words for a case.
fn options(case: Case) -> Vec<&'static str> {
    let transport = match case.route {
        Route::Polling => "polling",
        Route::WebSocket => "websocket",
        Route::Upgrade => "upgrade",
    };
    let revision = match case.version {
        Version::V3 => "3",
        Version::V4 => "4",
        _ => "auto",
    };
    vec!["--transport", transport, "--engine-io", revision]
}

#[tokio::test]
async fn what_is_sent_with_each_attempt_is_what_the_options_say() {
    let options = json!({"path": "/elsewhere/", "settings": {"notify": [1]}});
    let Some(server) = JsServer::socket_io(options).await else {
        return;
    };
    let front = TlsFront::start(server.port()).await;
    let authority = File::new("authority.pem", front.authority_pem());
    let program = Program::start(&[
        &front.url("/admin?ignored"),
        "--ca-file",
        authority.path(),
        "--path",
        "/elsewhere",
        "--query",
        "a=PLANTED==&b=%2B",
        "--auth",
        r#"{"token":"PLANTED-auth"}"#,
        "--header",
        "Authorization: Bearer PLANTED",
        "--header",
        "x-two:2",
        "--parser",
        "json",
        "--count",
        "1",
    ]);
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    let request = server
        .wait_for("a request", |line| line.is("request"))
        .await;
    assert!(
        request
            .str("target")
            .starts_with("/elsewhere/?a=PLANTED==&b=%2B&EIO=4&transport=polling&"),
        "{request:?}"
    );
    assert_eq!(request.get("headers")["authorization"], "Bearer PLANTED");
    assert_eq!(request.get("headers")["x-two"], "2");
    let joined = server.wait_for("a join", |line| line.is("connect")).await;
    assert_eq!(joined.get("auth"), &json!({"token": "PLANTED-auth"}));
}

#[tokio::test]
async fn the_server_s_data_about_a_refusal_is_printed() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let finished = Program::start(&[&server.url("/refused")]).finish().await;
    let refusal = r#"{"event":"connect_error","message":"not authorized","data":{"code":"E1"}}"#;
    assert_eq!(finished.stdout, [refusal]);
    finished.failed_with(4);
}

#[tokio::test]
async fn it_ends_after_so_many_messages_and_prints_no_more() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut program =
        Program::start(&[&server.url("/"), "--transport", "websocket", "--count", "3"]);
    assert_eq!(program.event().await["event"], "connected");
    // An acknowledgement is no message. The end of input ends nothing.
    program.tell(r#"{"emit":"x","ack":true}"#).await;
    assert_eq!(program.event().await["event"], "ack");
    program.close_stdin();
    server
        .command("burst", json!({"event": "n", "count": 100}))
        .await;
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    let numbers: Vec<Value> = finished
        .events()
        .into_iter()
        .map(|event| event["args"][0].clone())
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
    let goodbye = server
        .wait_for("a goodbye", |line| line.is("disconnect"))
        .await;
    assert!(goodbye.str("reason").starts_with("client"), "{goodbye:?}");
}

#[tokio::test]
async fn emits_are_sent_in_the_order_of_their_lines_and_wait_for_no_answer() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut program = Program::start(&[&server.url("/"), "--transport", "websocket"]);
    assert_eq!(program.event().await["event"], "connected");
    // The first is never answered, and nothing waits for it.
    let mut lines = r#"{"emit":"silent","args":[0],"ack":true,"timeout_ms":600000}"#.to_owned();
    for number in 1..1000 {
        let ack = number % 2 == 0;
        lines.push_str(&format!(
            "\n{{\"emit\":\"n\",\"args\":[{number}],\"ack\":{ack}}}"
        ));
    }
    program.tell(&lines).await;
    let mut messages = Vec::new();
    let mut answers = Vec::new();
    for _ in 1..1000 {
        let event = program.event().await;
        let number = event["args"][0].as_u64().unwrap();
        match event["event"].as_str() {
            Some("message") => messages.push(number),
            Some("ack") => answers.push(number),
            _ => panic!("{event}"),
        }
    }
    assert!(
        messages.iter().copied().eq((1..1000).step_by(2)),
        "{messages:?}"
    );
    answers.sort_unstable();
    assert!(
        answers.iter().copied().eq((2..1000).step_by(2)),
        "{answers:?}"
    );
    let seen = server.seen_of("event").await;
    let seen = seen
        .iter()
        .map(|line| line.get("args")[0].as_u64().unwrap());
    assert!(seen.eq(0..1000));

    // Leaving settles what nobody has answered.
    program.tell(r#"{"disconnect":true}"#).await;
    let finished = program.finish().await;
    assert_eq!(finished.code, 0);
    let mut events = finished.events();
    events.sort_by_key(|event| event["event"].to_string());
    let [disconnected, error] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(disconnected["event"], "disconnected");
    assert_eq!(
        error["message"],
        r#"emit "silent": disconnected before the acknowledgement came"#
    );
}

#[tokio::test]
async fn a_server_that_disconnects_ends_it() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut program = Program::start(&[&server.url("/admin")]);
    assert_eq!(program.event().await["event"], "connected");
    server
        .command("disconnect", json!({"namespace": "/admin"}))
        .await;
    let finished = program.finish().await;
    assert_eq!(
        finished.stdout.last().unwrap(),
        r#"{"event":"disconnected","reason":"disconnected by the server","retry_in_ms":null}"#
    );
    finished.failed_with(6);
}

#[tokio::test]
async fn a_lost_connection_is_restored_unless_told_otherwise() {
    let Some(mut server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let url = server.url("/");
    let mut lasting = Program::start(&[&url, "--transport", "websocket"]);
    let mut fleeting = Program::start(&[&url, "--transport", "polling", "--no-reconnect"]);
    let first = lasting.event().await;
    assert_eq!(fleeting.event().await["event"], "connected");
    let question = json!({"event": "question"});
    server.command("ask", question).await;
    assert_eq!(lasting.event().await["ack"], 1);
    server.kill().await;

    let lost = lasting.event().await;
    assert_eq!(lost["event"], "disconnected");
    assert!(lost["retry_in_ms"].is_u64(), "{lost}");
    // What is not sent at once is not sent at all, if that is what was asked for.
    lasting.tell(r#"{"emit":"late","volatile":true}"#).await;
    lasting.error_with(r#"emit "late": "#).await;
    server.start_again().await;
    let again = loop {
        let event = lasting.event().await;
        match event["event"].as_str() {
            Some("connect_error") => assert_eq!(event["data"], Value::Null),
            _ => break event,
        }
    };
    assert_eq!(again["event"], "connected");
    assert_ne!(again["sid"], first["sid"]);
    lasting.tell(r#"{"reply":1}"#).await;
    lasting
        .error_with("reply 1: the event came on an earlier connection")
        .await;

    let finished = fleeting.finish().await;
    let lost = finished.events().pop().unwrap();
    assert_eq!(lost["event"], "disconnected");
    assert_eq!(lost["retry_in_ms"], Value::Null);
    finished.failed_with(5);
}

#[tokio::test]
async fn where_nobody_listens_it_fails_at_once() {
    let Some(mut server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    server.kill().await;
    let finished = Program::start(&[&server.url("/?token=PLANTED")])
        .finish()
        .await;
    let [event] = finished.events().try_into().unwrap();
    assert_eq!(event["event"], "connect_error");
    assert!(
        event["message"]
            .as_str()
            .unwrap()
            .starts_with("no connection: ")
    );
    finished.failed_with(5);
}

#[tokio::test]
async fn the_timeout_holds_while_connecting_and_after() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let run = async |namespace: &str, seconds: &str| {
        let url = server.url(namespace);
        let arguments = [&url, "--transport", "websocket", "--timeout", seconds];
        let finished = Program::start(&arguments).finish().await;
        finished.failed_with(7);
        finished.stdout.len()
    };
    assert_eq!(run("/undecided", "0.5").await, 0);
    // A slow machine needs more time to connect.
    for seconds in ["1", "5", "25"] {
        if run("/", seconds).await == 1 {
            return;
        }
    }
    panic!("it never connected");
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_it_quietly() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    let mut program = Program::start(&[&server.url("/")]);
    assert_eq!(program.event().await["event"], "connected");
    program.close_stdout();
    program.tell(r#"{"emit":"x"}"#).await;
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
}

#[cfg(unix)]
#[tokio::test]
async fn signals_close_the_connection() {
    let Some(server) = JsServer::socket_io(json!({})).await else {
        return;
    };
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut program = Program::start(&[&server.url("/"), "--transport", "websocket"]);
        assert_eq!(program.event().await["event"], "connected");
        let before = server.seen_of("disconnect").await.len();
        let id = program.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(within("a signal", sent).await.unwrap().success());
        let finished = program.finish().await;
        assert_eq!((finished.code, finished.stderr.as_str()), (code, ""));
        let goodbye = server.wait_until("a goodbye", |log| {
            let mut ends = log.iter().filter(|line| line.is("disconnect"));
            ends.nth(before).cloned()
        });
        let goodbye = goodbye.await;
        assert!(goodbye.str("reason").starts_with("client"), "{goodbye:?}");
    }
}

#[tokio::test]
async fn command_lines_that_cannot_be_used_say_so_and_repeat_no_secret() {
    for (arguments, code) in [
        (&["http://h", "--auth", "{PLANTED"][..], 2),
        (&["http://h", "--auth", "[1]"], 2),
        (&["http://h", "--header", "PLANTED"], 2),
        (&["PLANTED?PLANTED"], 3),
        (&["http://h", "--query", "PLANTED é"], 3),
        (&["http://h", "--namespace", "no-slash"], 3),
        (&["http://h", "--path", "no-slash"], 3),
        (&["http://h", "--ca-file", "/nowhere/ca.pem"], 3),
        (&["http://h", "--proxy", "ftp://u:PLANTED@h"], 3),
    ] {
        let finished = Program::start(arguments).finish().await;
        assert!(finished.stdout.is_empty(), "{finished:?}");
        finished.failed_with(code);
    }
    for arguments in [&[][..], &["http://h", "--engine-io", "5"]] {
        let finished = Program::start(arguments).finish().await;
        assert_eq!(finished.code, 2, "{finished:?}");
        assert!(finished.stderr.starts_with("error: "), "{finished:?}");
    }
    let help = Program::start(&["--help"]).finish().await;
    assert_eq!(help.code, 0);
    let help = help.stdout.join("\n");
    for said in ["$base64", "--count", "Exit status", "130"] {
        assert!(help.contains(said), "{said}");
    }
}

/// A file that ends with this value.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, content: &[u8]) -> Self {
        let unique = format!("siocat-{}-{name}", std::process::id());
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// A running program.
struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
}

/// What is left of it.
#[derive(Debug)]
struct Finished {
    code: i32,
    stdout: Vec<String>,
    stderr: String,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_siocat"))
            // No proxy of this machine's.
            .env_clear()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            stdin: child.stdin.take(),
            stdout: Some(stdout),
            child,
        }
    }

    /// Writes a line.
    async fn tell(&mut self, line: &str) {
        let line = format!("{line}\n");
        let written = self.stdin.as_mut().unwrap().write_all(line.as_bytes());
        // Who has been told to leave may be gone.
        within("room for a line", written).await.ok();
    }

    fn close_stdin(&mut self) {
        self.stdin = None;
    }

    fn close_stdout(&mut self) {
        self.stdout = None;
    }

    async fn next_line(&mut self) -> Option<String> {
        let line = self.stdout.as_mut()?.next_line();
        within("a line", line).await.unwrap()
    }

    async fn line(&mut self) -> String {
        let line = self.next_line().await.expect("another line");
        assert!(!line.contains("PLANTED"), "a secret in {line}");
        line
    }

    /// The next line that is not about the transport, as JSON.
    async fn event(&mut self) -> Value {
        loop {
            let event: Value = serde_json::from_str(&self.line().await).unwrap();
            if event["event"] != "upgraded" {
                return event;
            }
        }
    }

    /// The next line, which is an error, and not about an attempt to connect.
    async fn error_with(&mut self, start: &str) {
        let mut event = self.event().await;
        while event["event"] == "connect_error" {
            event = self.event().await;
        }
        assert_eq!(event["event"], "error", "{event}");
        let message = event["message"].as_str().unwrap();
        assert!(message.starts_with(start), "{message}");
    }

    async fn finish(mut self) -> Finished {
        let mut stdout = Vec::new();
        while let Some(line) = self.next_line().await {
            stdout.push(line);
        }
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        within("the end of stderr", pipe.read_to_string(&mut stderr))
            .await
            .unwrap();
        let status = within("the end", self.child.wait()).await.unwrap();
        let finished = Finished {
            code: status.code().expect("an exit status"),
            stdout,
            stderr,
        };
        assert!(
            !format!("{finished:?}").contains("PLANTED"),
            "a secret in {finished:?}"
        );
        finished
    }
}

impl Finished {
    /// A failure: this status, one sentence, one next step, nothing else.
    fn failed_with(&self, code: i32) {
        assert_eq!(self.code, code, "{self:#?}");
        let lines: Vec<_> = self.stderr.lines().collect();
        let [what, next] = lines.as_slice() else {
            panic!("{self:#?}")
        };
        assert!(what.starts_with("siocat: ") && what.len() > 20, "{self:#?}");
        assert!(next.starts_with("next: ") && next.len() > 10, "{self:#?}");
    }

    /// The lines that are not about the transport.
    fn events(&self) -> Vec<Value> {
        let events = self
            .stdout
            .iter()
            .map(|line| serde_json::from_str(line).unwrap());
        events
            .filter(|event: &Value| event["event"] != "upgraded")
            .collect()
    }
}
