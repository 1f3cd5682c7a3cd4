//! What the program prints, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{
    Program, TOKEN, emulator, event, run, run_watch, run_with_stdin, soon, watch_arguments,
};
use graph_emulator::{
    Emulator, Encoding, GraphFailure, ItemChange, Notification, Payload, ResyncCode, RetryAfter,
    UrlForm,
};
use graph_notifications::{
    AccessToken, BaseUrl, Cloud, ExposeSecret, PlainHttp, Resource, SubscriptionRequest, UrlOptions,
};
use serde_json::Value;

/// A notificationUrl of the emulator.
async fn notification_url(emulator: &Emulator) -> String {
    let mut request = SubscriptionRequest::new(Resource::me_drive());
    let base = BaseUrl::parse(emulator.graph_url(), PlainHttp::OnLoopback).unwrap();
    request.cloud = Cloud::Custom(base);
    request.url_options = UrlOptions::default().plain_http(PlainHttp::OnLoopback);
    let http = graph_notifications::Http::builder()
        .no_proxy()
        .build()
        .unwrap();
    let token = AccessToken::new(TOKEN).unwrap();
    let url = soon(request.send(&http, &token))
        .await
        .unwrap()
        .notification_url;
    let callback = if url.namespace() == "/zbaehwg" {
        "/callback"
    } else {
        ""
    };
    format!(
        "{}{callback}?{}",
        url.endpoint(),
        url.query().expose_secret()
    )
}

/// None of the credentials that the emulator has seen may be in what was printed.
fn assert_no_credential(emulator: &Emulator, printed: &str) {
    let log = emulator.log();
    let mut seen = 0;
    for request in log.relay_requests() {
        let query = request.target.split_once('?').unwrap().1;
        for pair in query
            .split('&')
            .take_while(|pair| !pair.starts_with("EIO="))
        {
            let (_, secret) = pair.split_once('=').unwrap();
            assert!(!printed.contains(secret), "{printed}");
            seen += 1;
        }
    }
    assert!(seen > 0, "there was a credential to look for");
}

#[tokio::test]
async fn json_lines_have_the_documented_shape() {
    let emulator = emulator(|_| ()).await;
    let mut program = Program::watch(&emulator, "me --json --count 5");
    assert_eq!(
        program.line().await.unwrap(),
        r#"{"event":"resync","reason":"started"}"#
    );
    soon(emulator.wait_for_connections(1)).await;

    emulator.notify(&Notification::default());
    let value = program.event().await;
    assert_eq!(value["event"], "notification");
    assert_eq!(value["data"]["value"][0]["emulatorNumber"], 1);
    assert!(value.get("raw").is_none());

    emulator.notify(
        &Notification::new(Payload::Flat)
            .encoding(Encoding::Object)
            .copies(2),
    );
    for _ in 0..2 {
        assert_eq!(program.event().await["data"]["emulatorNumber"], 2);
    }

    emulator.notify(&Notification::new(Payload::Unreadable(
        "{not\njson".to_owned(),
    )));
    assert_eq!(
        program.line().await.unwrap(),
        r#"{"event":"notification","data":null,"raw":"{not\njson"}"#
    );

    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    assert_eq!(finished.events().len(), 1);
    soon(emulator.wait_until(|counts| counts.connections.now == 0)).await;
}

#[tokio::test]
async fn readable_lines_have_a_time_and_no_credential() {
    let emulator = emulator(|_| ()).await;
    let mut program = Program::watch(&emulator, "me --count 1");
    let first = program.line().await.unwrap();
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    let second = &finished.stdout[0];
    for (line, name) in [(&first, "resync"), (second, "notification")] {
        let (time, rest) = line.split_once("  ").unwrap();
        assert_eq!((time.len(), time.ends_with('Z')), (20, true), "{line}");
        assert!(rest.starts_with(name), "{line}");
    }
    assert!(second.contains("emulatorNumber 1"), "{second}");
    assert_no_credential(&emulator, &format!("{first}{finished:?}"));
}

#[tokio::test]
async fn each_form_asks_for_its_path() {
    let emulator = emulator(|config| {
        config
            .settings
            .custom_paths
            .push("/custom/thing/subscriptions/socketIo".to_owned());
    })
    .await;
    for (line, path) in [
        ("me", "/v1.0/me/drive/root"),
        ("me --beta", "/beta/me/drive/root"),
        ("drive b!x", "/v1.0/drives/b!x/root"),
        ("list b!x", "/v1.0/drives/b!x/list"),
        ("group 02bd-8f", "/v1.0/groups/02bd-8f/drive/root"),
        (
            "site-list contoso.sharepoint.com,1,2 l1",
            "/v1.0/sites/contoso.sharepoint.com,1,2/lists/l1/drive/root",
        ),
        ("path /sites/s/lists/l", "/v1.0/sites/s/lists/l"),
        ("path custom/thing", "/v1.0/custom/thing"),
    ] {
        let mut program = Program::watch(&emulator, &format!("{line} --json --count 1"));
        assert_eq!(program.event().await["reason"], "started", "{line}");
        soon(emulator.wait_for_connections(1)).await;
        emulator.notify(&Notification::default());
        assert_eq!(program.finish().await.code, 0);
        let log = emulator.log();
        let asked = log.graph_requests().last().unwrap();
        assert_eq!(asked.target, format!("{path}/subscriptions/socketIo"));
        soon(emulator.wait_for_connections(0)).await;
    }
}

/// A file name that is free, and is so again when this is dropped.
struct CacheFile(std::path::PathBuf);

impl CacheFile {
    fn new(name: &str) -> Self {
        let name = format!("graph-watch-{name}-{}.json", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        std::fs::remove_file(&file.0).ok();
        file
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }

    fn refresh_token(&self) -> String {
        let value: Value = serde_json::from_str(&self.text()).unwrap();
        value["refresh_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for CacheFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// A person who signs in with the emulator.
fn login_line(emulator: &Emulator, options: &str) -> String {
    let url = emulator.graph_url();
    format!("me --login app --login-url {url} {options}")
}

#[tokio::test]
async fn a_person_signs_in_by_device_code_and_is_remembered() {
    let emulator = emulator(|_| ()).await;
    emulator.update_login(|settings| settings.interval_s = 1);
    let file = CacheFile::new("remembered");
    let options = format!("--json --count 1 --login-cache {}", file.0.display());
    let line = login_line(&emulator, &options);

    let program = Program::watch(&emulator, &line);
    soon(emulator.wait_for_login(|counts| counts.polls >= 1)).await;
    assert!(!file.0.exists(), "nobody has signed in");
    emulator.approve_logins();
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.events().len()), (0, 2));
    let asked = format!("{}/devicelogin and enter the code ", emulator.graph_url());
    assert!(finished.stderr.contains(&asked), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(
        !format!("{finished:?}").contains("emulator-"),
        "{finished:?}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    // The next time nobody is asked, and the new refresh token replaces the old one.
    soon(emulator.wait_for_connections(0)).await;
    let first = file.refresh_token();
    let program = Program::watch(&emulator, &line);
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    assert_ne!(file.refresh_token(), first);
    assert_eq!(emulator.login_counts().codes, 1);

    // A sign-in that has ended is asked for anew.
    soon(emulator.wait_for_connections(0)).await;
    assert_eq!(emulator.revoke_refresh_tokens(), 1);
    let program = Program::watch(&emulator, &line);
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(emulator.login_counts().codes, 2);
    assert!(
        !format!("{finished:?}").contains("emulator-"),
        "{finished:?}"
    );

    // A token of one application is not sent for another.
    soon(emulator.wait_for_connections(0)).await;
    let refreshes = emulator.login_counts().refreshes;
    emulator.decline_logins();
    let other = line.replace("--login app", "--login other");
    assert_eq!(run_watch(&emulator, &other).await.code, 4);
    assert_eq!(emulator.login_counts().refreshes, refreshes);
}

#[tokio::test]
async fn a_sign_in_that_fails_says_why() {
    let emulator = emulator(|_| ()).await;
    let message_and = |finished: &common::Finished, code| {
        assert_eq!(finished.code, code, "{finished:?}");
        let lines: Vec<_> = finished.stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{finished:?}");
        assert!(lines[1].starts_with("graph-watch: ") && lines[2].starts_with("next: "));
        assert!(
            !format!("{finished:?}").contains("emulator-"),
            "{finished:?}"
        );
    };
    emulator.update_login(|settings| settings.interval_s = 1);
    emulator.decline_logins();
    let line = login_line(&emulator, "");
    message_and(&run_watch(&emulator, &line).await, 4);

    emulator.update_login(|settings| settings.code_lifetime_s = 0);
    message_and(&run_watch(&emulator, &line).await, 4);

    // The timeout counts from the start.
    let pending = login_line(&emulator, "--timeout 1");
    emulator.update_login(|settings| {
        settings.code_lifetime_s = 900;
        settings.interval_s = 900;
    });
    message_and(&run_watch(&emulator, &pending).await, 9);

    let codes = emulator.login_counts().codes;
    for (options, code) in [
        ("--tenant a/b", 3),
        ("--login-cache /nowhere/at/all", 3),
        ("--login-cache /dev/null/x", 3),
    ] {
        let line = login_line(&emulator, options);
        run_watch(&emulator, &line).await.failed_with(code);
    }
    for (line, code) in [
        // It is not known where the people of this Graph sign in.
        ("me --login app", 3),
        ("me --login app --login-url http://10.0.0.1", 3),
        ("me --login app --login-url http://127.0.0.1:1", 7),
    ] {
        run_watch(&emulator, line).await.failed_with(code);
    }
    assert_eq!(emulator.login_counts().codes, codes, "nobody was asked");

    // What is no file of ours stays as it is.
    let file = CacheFile::new("other");
    std::fs::write(&file.0, "precious").unwrap();
    let options = format!("--login-cache {}", file.0.display());
    let line = login_line(&emulator, &options);
    run_watch(&emulator, &line).await.failed_with(3);
    assert_eq!(file.text(), "precious");
}

#[tokio::test]
async fn a_given_url_works_from_both_places_and_in_both_forms() {
    let emulator = emulator(|_| ()).await;
    for form in [UrlForm::Split, UrlForm::Direct] {
        emulator.update(|settings| settings.url_form = form);
        for from_stdin in [false, true] {
            let url = notification_url(&emulator).await;
            let options = ["--json", "--allow-http", "--count", "1"];
            let arguments: Vec<&str> = ["url", if from_stdin { "-" } else { &url }]
                .into_iter()
                .chain(options)
                .collect();
            let notify = async {
                soon(emulator.wait_for_connections(1)).await;
                emulator.notify(&Notification::default());
            };
            let input = format!("{url}\n");
            let running = async {
                if from_stdin {
                    run_with_stdin(&arguments, &input).await
                } else {
                    run(&arguments).await
                }
            };
            let (finished, ()) = tokio::join!(running, notify);
            assert_eq!(finished.code, 0, "{finished:?}");
            assert_eq!(finished.events().len(), 2);
            assert_no_credential(&emulator, &format!("{finished:?}"));
            soon(emulator.wait_for_connections(0)).await;
        }
    }
    assert_eq!(
        emulator.counts().graph_requests,
        4,
        "the program itself asked Graph for nothing"
    );
}

#[tokio::test]
async fn recipe_and_transport_are_as_asked() {
    let emulator = emulator(|_| ()).await;
    for (options, namespace, polls, websocket) in [
        ("", "/zbaehwg", false, true),
        ("--recipe split", "/zbaehwg", false, true),
        ("--recipe direct", "/zbaehwg/callback", false, true),
        ("--transport polling", "/zbaehwg", true, false),
        ("--transport upgrade", "/zbaehwg", true, true),
    ] {
        let before = (emulator.log(), emulator.counts());
        let mut program = Program::watch(&emulator, &format!("me --json --count 1 {options}"));
        program.event_named("resync").await;
        soon(emulator.wait_for_connections(1)).await;
        let upgraded = before.1.websockets.total + u64::from(websocket);
        soon(emulator.wait_until(|counts| counts.websockets.total == upgraded)).await;
        emulator.notify(&Notification::default());
        assert_eq!(program.finish().await.code, 0, "{options}");
        soon(emulator.wait_for_connections(0)).await;

        let log = emulator.log();
        let mut packets = log.packets.iter().skip(before.0.packets.len());
        assert!(
            packets.any(|packet| packet.text == format!("40{namespace},")),
            "{options} {log:?}"
        );
        let mut requests = log.requests.iter().skip(before.0.requests.len());
        assert_eq!(
            requests.any(|r| r.target.contains("transport=polling")),
            polls,
            "{options}"
        );
    }
}

#[tokio::test]
async fn the_timeout_ends_it() {
    let emulator = emulator(|_| ()).await;
    let finished = run_watch(&emulator, "me --json --timeout 5 --count 5").await;
    finished.failed_with(9);
    assert_eq!(finished.events()[0]["event"], "resync");
    assert!(
        !finished.stderr.contains("no connection"),
        "{}",
        finished.stderr
    );

    emulator.freeze_everything();
    let finished = run_watch(&emulator, "me --json --timeout 1").await;
    finished.failed_with(9);
    assert!(
        finished
            .stderr
            .contains("there is no connection: the first attempt"),
        "{}",
        finished.stderr
    );
    emulator.thaw();

    emulator.go_down().await.unwrap();
    let finished = run_watch(&emulator, "me --json --timeout 5").await;
    finished.failed_with(9);
    assert!(
        finished.stderr.contains("there is no connection: "),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.events()[0]["event"], "down");
}

#[tokio::test]
async fn waiting_for_standard_input_has_a_timeout_too() {
    let emulator = emulator(|_| ()).await;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_graph-watch"))
        .args(["url", "-", "--timeout", "1"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = soon(tokio::task::spawn_blocking(move || {
        // `wait` would close standard input first.
        let _kept = child.stdin.take();
        child.wait()
    }))
    .await;
    assert_eq!(status.unwrap().unwrap().code(), Some(9));
    drop(emulator);
}

#[tokio::test]
async fn unusable_notification_urls() {
    let host = "https://127.0.0.1:1";
    for (url, options) in [
        ("PLANTED", ""),
        ("", ""),
        ("ftp://h/n?PLANTED", ""),
        ("http://h/n?PLANTED", ""),
        ("http://h/n?PLANTED", "--allow-http"),
        ("http://127.0.0.1/n?PLANTED", ""),
        ("https://?PLANTED", ""),
        ("https:///n?PLANTED", ""),
        (&format!("{host}/n"), ""),
        (&format!("{host}/n?"), ""),
        (&format!("{host}/zbaehwg/callback?"), ""),
        (&format!("{host}/a/callback?x=PLANTED/callback?y"), ""),
        (&format!("{host}/a,b?PLANTED"), ""),
        (&format!("{host}/n?PLANTED with spaces"), ""),
        (&format!("{host}/n?PLANTED-é"), ""),
        (&format!("{host}/n?PLANTED"), "--recipe split"),
        (&format!("{host}/n?PLANTED{}", "x".repeat(10_000)), ""),
    ] {
        let arguments: Vec<&str> = ["url", url]
            .into_iter()
            .chain(options.split_whitespace())
            .collect();
        run(&arguments).await.failed_with(3);
        let arguments: Vec<&str> = ["url", "-"]
            .into_iter()
            .chain(options.split_whitespace())
            .collect();
        run_with_stdin(&arguments, url).await.failed_with(3);
    }
}

#[tokio::test]
async fn unusable_input_of_other_kinds() {
    for line in [
        "drive a/b",
        "drive b%21x",
        "drive ..",
        "path /v1.0/me/drive/root",
        "path /a?b",
        "me --graph-url graph.microsoft.com",
        "me --graph-url http://graph.microsoft.com",
        "me --graph-url http://graph.microsoft.com --allow-http",
        "me --graph-url http://127.0.0.1:1",
        "me --graph-url https://user:PLANTED@graph.microsoft.com",
        "me --ca-file /does/not/exist",
        "me --ca-file /dev/null",
        "me --proxy http://user:PLANTED@:x",
    ] {
        let arguments: Vec<&str> = line
            .split_whitespace()
            .chain(["--token-env", "TOKEN"])
            .collect();
        run(&arguments).await.failed_with(3);
    }
    run(&["drive", "", "--token-env", "TOKEN"])
        .await
        .failed_with(3);
}

#[tokio::test]
async fn a_wrong_command_line_is_status_2() {
    for line in [
        "",
        "unknown",
        "me --token PLANTED",
        "me --count 0",
        "me --count x",
        "demo --recipe split",
    ] {
        let finished = run(&line
            .split_whitespace()
            .filter(|w| !w.contains("PLANTED"))
            .collect::<Vec<_>>())
        .await;
        assert_eq!(finished.code, 2, "{line}: {finished:?}");
    }
}

#[tokio::test]
async fn help_lists_the_exit_statuses_and_warns() {
    let help = run(&["--help"]).await;
    assert_eq!(help.code, 0);
    let help = help.stdout.join("\n");
    for status in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130] {
        assert!(
            help.lines()
                .any(|line| line.starts_with(&format!("{status:>5}  "))),
            "{status}"
        );
    }
    let help = run(&["url", "--help"]).await.stdout.join("\n");
    assert!(help.contains("The URL is a credential"), "{help}");
    assert!(run(&["--version"]).await.stdout[0].starts_with("graph-watch "));
}

#[tokio::test]
async fn without_a_token_nothing_is_asked() {
    let emulator = emulator(|_| ()).await;
    let file = std::env::temp_dir().join(format!("graph-watch-empty-{}", std::process::id()));
    std::fs::write(&file, "\n").unwrap();
    let empty = format!("me --token-file {}", file.display());
    for line in [
        "me --token-env NOT_SET",
        "me --token-file /does/not/exist",
        &empty,
    ] {
        run_watch(&emulator, line).await.failed_with(4);
    }
    for command in [
        "exit 3",
        "echo PLANTED; exit 1",
        "true",
        "echo PLANTED b",
        "no-such-program-at-all 2>/dev/null",
    ] {
        let mut arguments = watch_arguments(&emulator, "me --token-env TOKEN");
        arguments.truncate(arguments.len() - 2);
        arguments.retain(|argument| !argument.starts_with("--token"));
        arguments.retain(|argument| *argument != "TOKEN");
        arguments.extend(["--token-command", command]);
        run(&arguments).await.failed_with(4);
    }
    // Without any option, GRAPH_TOKEN is looked for, which is not set here.
    run(&["me"]).await.failed_with(4);
    assert_eq!(emulator.counts().graph_requests, 0);
    std::fs::remove_file(file).ok();
}

#[tokio::test]
async fn what_graph_refuses_is_told_by_status() {
    let emulator = emulator(|_| ()).await;
    let retry_after = Some(RetryAfter::Seconds(0));
    for (failure, times, options, status) in [
        // A token that is refused is asked for once more.
        (GraphFailure::Unauthorized, 2, "", 5),
        (GraphFailure::Forbidden, 1, "", 5),
        (GraphFailure::NotFound, 1, "", 6),
        (GraphFailure::NotSupported, 1, "--retries 0", 6),
        (
            GraphFailure::TooManyRequests { retry_after },
            1,
            "--retries 0",
            11,
        ),
        (
            GraphFailure::Unavailable { retry_after: None },
            1,
            "--retries 0",
            11,
        ),
        (GraphFailure::Status { status: 500 }, 1, "--retries 0", 11),
        (GraphFailure::Status { status: 400 }, 1, "", 8),
        (GraphFailure::Status { status: 302 }, 1, "", 8),
        (GraphFailure::NotJson, 1, "", 8),
        (GraphFailure::NoNotificationUrl, 1, "", 8),
        (GraphFailure::HugeBody { bytes: 10_000_000 }, 1, "", 8),
        (
            GraphFailure::NotificationUrl {
                url: "https://h/n".to_owned(),
            },
            1,
            "",
            8,
        ),
        (
            GraphFailure::NotificationUrl {
                url: "PLANTED".to_owned(),
            },
            1,
            "",
            8,
        ),
    ] {
        emulator.fail_next(times, failure.clone());
        let finished = run_watch(&emulator, &format!("me --json {options}")).await;
        finished.failed_with(status);
        assert!(finished.stdout.is_empty(), "{failure:?}: {finished:?}");
        emulator.fail_no_more();
    }
}

#[tokio::test]
async fn one_refused_token_is_forgiven() {
    let emulator = emulator(|_| ()).await;
    emulator.fail_next(1, GraphFailure::Unauthorized);
    let mut program = Program::watch(&emulator, "me --json");
    assert_eq!(program.event().await["reason"], "started");
}

#[tokio::test]
async fn passing_trouble_is_waited_out() {
    let emulator = emulator(|_| ()).await;
    emulator.fail_next(
        1,
        GraphFailure::TooManyRequests {
            retry_after: Some(RetryAfter::Seconds(2)),
        },
    );
    emulator.fail_next(1, GraphFailure::NotSupported);
    let mut program = Program::watch(&emulator, "me --json");
    let down = program.event().await;
    assert_eq!(down["event"], "down");
    assert!(down["retry_in_ms"].as_u64().unwrap() >= 2000, "{down}");
    assert!(down["reason"].as_str().unwrap().contains("429"), "{down}");
    let down = program.event().await;
    assert!(
        down["reason"].as_str().unwrap().contains("/drives/{id}"),
        "{down}"
    );
    assert_eq!(program.event().await["reason"], "started");
}

#[tokio::test]
async fn hosts_that_are_no_use() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let emulator = emulator(|_| ()).await;
    emulator.go_down().await.unwrap();
    run_watch(&emulator, "me --retries 0").await.failed_with(7);
    let refusing = format!("{}/n?PLANTED=1", emulator.graph_url());
    run(&["url", &refusing, "--allow-http", "--retries", "0"])
        .await
        .failed_with(7);

    for answer in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"",
        b"\x88\x00\xff\xfe",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _request = stream.read(&mut [0; 1024]).await;
                stream.write_all(answer).await.ok();
            }
        });
        let graph = [
            "me",
            "--token-env",
            "TOKEN",
            "--allow-http",
            "--retries",
            "0",
            "--graph-url",
            &origin,
        ];
        let status = run(&graph).await;
        assert!(matches!(status.code, 7 | 8), "{status:?}");
        status.failed_with(status.code);
        let url = format!("{origin}/n?PLANTED=1");
        run(&["url", &url, "--allow-http", "--retries", "0"])
            .await
            .failed_with(7);
        server.abort();
    }
    // Plain HTTP where TLS is expected.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .await
                .ok();
        }
    });
    run(&[
        "me",
        "--token-env",
        "TOKEN",
        "--retries",
        "0",
        "--graph-url",
        &origin,
    ])
    .await
    .failed_with(7);
    server.abort();
}

#[tokio::test]
async fn a_relay_that_refuses_a_given_url_ends_it() {
    let emulator = emulator(|_| ()).await;
    let url = format!("{}/notifications?token=PLANTED", emulator.graph_url());
    run(&["url", &url, "--allow-http"]).await.failed_with(10);
    let url = notification_url(&emulator).await;
    emulator.refuse_connects(1);
    run(&["url", &url, "--allow-http"]).await.failed_with(10);
}

#[tokio::test]
async fn a_lost_connection_is_told_and_replaced() {
    let emulator = emulator(|_| ()).await;
    let mut program = Program::watch(&emulator, "me --json --count 1");
    program.event_named("resync").await;
    soon(emulator.wait_for_connections(1)).await;
    emulator.close_connections();
    let down = program.event().await;
    assert_eq!(down["event"], "down");
    assert!(
        down["retry_in_ms"].is_u64() && down["reason"].is_string(),
        "{down}"
    );
    assert_eq!(program.event_named("resync").await["reason"], "reconnected");
    soon(emulator.wait_for_connections(1)).await;
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!(finished.code, 0);
    assert_eq!(emulator.counts().subscriptions, 2, "with a fresh URL");
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_command_is_run_anew() {
    let emulator = emulator(|config| config.settings.token = "first".to_owned()).await;
    let file = std::env::temp_dir().join(format!("graph-watch-rotating-{}", std::process::id()));
    std::fs::write(&file, "first\n").unwrap();
    let command = format!("cat {}", file.display());
    let mut arguments = watch_arguments(&emulator, "me --json");
    arguments.truncate(arguments.len() - 2);
    arguments.extend(["--token-command", &command]);
    let mut program = Program::start(&arguments);
    program.event_named("resync").await;
    soon(emulator.wait_for_connections(1)).await;

    std::fs::write(&file, "second\n").unwrap();
    emulator.update(|settings| settings.token = "second".to_owned());
    emulator.expire_credentials();
    assert_eq!(program.event_named("resync").await["reason"], "reconnected");
    std::fs::remove_file(file).ok();
}

#[tokio::test]
async fn credentials_are_renewed_without_a_gap() {
    let emulator = emulator(|config| config.settings.lifetime_ms = Some(3000)).await;
    let mut program = Program::watch(&emulator, "me --json");
    assert_eq!(program.event().await["reason"], "started");
    assert_eq!(program.line().await.unwrap(), r#"{"event":"renewed"}"#);
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_error() {
    let emulator = emulator(|_| ()).await;
    let mut program = Program::watch(&emulator, "me --json");
    program.event_named("resync").await;
    soon(emulator.wait_for_connections(1)).await;
    program.close_stdout();
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_and_sigterm_close_cleanly() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        a_signal_closes_cleanly(signal, code).await;
    }
}

async fn a_signal_closes_cleanly(signal: &str, code: i32) {
    let emulator = emulator(|_| ()).await;
    let mut program = Program::watch(&emulator, "me --json");
    program.event_named("resync").await;
    soon(emulator.wait_for_connections(1)).await;
    let id = program.id().to_string();
    let kill = tokio::process::Command::new("kill")
        .args([signal, &id])
        .status();
    assert!(soon(kill).await.unwrap().success());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (code, ""));
    soon(emulator.wait_until(|counts| counts.connections.now == 0)).await;
    let log = emulator.log();
    let left = log
        .packets
        .iter()
        .any(|packet| packet.text == "41/zbaehwg,");
    assert!(left, "{:?}", log.packets);
}

#[tokio::test]
async fn the_demo_tells_the_whole_story() {
    for transport in ["websocket", "polling", "upgrade"] {
        let finished = run(&["demo", "--count", "3", "--transport", transport]).await;
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (0, ""),
            "{transport}: {finished:#?}"
        );
        let text = finished.stdout.join("\n");
        for expected in [
            "GET http://127.0.0.1:",
            "/zbaehwg/callback?snthgk=[redacted]",
            "  resync        started",
            "  notification  resource ",
            "  renewed ",
            "3 notifications, over ",
            "next: ",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert_eq!(
            finished
                .stdout
                .iter()
                .filter(|line| line.contains("  notification  "))
                .count(),
            3
        );
        assert_eq!(
            text.matches("snthgk=").count(),
            text.matches("snthgk=[redacted]").count()
        );
    }
}

#[tokio::test]
async fn the_demo_speaks_json_too() {
    let finished = run(&["demo", "--json"]).await;
    assert_eq!(finished.code, 0, "{finished:#?}");
    let events: Vec<_> = finished
        .stdout
        .iter()
        .map(|line| event(line)["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(events.first().unwrap(), "resync");
    assert_eq!(
        events
            .iter()
            .filter(|event| *event == "notification")
            .count(),
        5
    );
    assert!(events.iter().any(|event| event == "renewed"), "{events:?}");
    assert!(
        finished.stderr.contains("notificationUrl"),
        "the story is on standard error"
    );
}

#[tokio::test]
async fn the_demo_ends_at_its_timeout() {
    let finished = run(&["demo", "--json", "--count", "1000", "--timeout", "1"]).await;
    assert_eq!(finished.code, 9);
    assert!(finished.stderr.ends_with('\n') && finished.stderr.contains("\nnext: "));
}

/// The query that belongs to the first resync may be under way still, and be the one that sees what happens next.
#[tokio::test]
async fn changes_are_told() {
    let emulator = emulator(|_| ()).await;
    emulator.change_item(&ItemChange::file("0", "from before"));
    let mut program = Program::watch(&emulator, "drive b!x --changes --json --count 1");
    assert_eq!(program.event().await["event"], "resync");
    soon(emulator.wait_for_connections(1)).await;

    emulator.change_item(&ItemChange::folder("1", "new\u{1b}folder"));
    emulator.change_item(&ItemChange::deleted("0"));
    emulator.notify(&Notification::default());
    // Those of the last notification are waited for.
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    let (changes, others): (Vec<Value>, Vec<Value>) = finished
        .events()
        .into_iter()
        .partition(|event| event["event"] == "change");
    let names: Vec<_> = others.iter().map(|event| event["event"].as_str()).collect();
    assert_eq!(names, [Some("notification")]);
    let ids: Vec<_> = changes.iter().map(|event| event["id"].as_str()).collect();
    assert_eq!(ids, [Some("1"), Some("0"), Some("notified-1")]);
    let (folder, gone) = (&changes[0], &changes[1]);
    assert_eq!(folder["name"], "new\u{1b}folder");
    assert_eq!(folder["kind"], "folder");
    assert_eq!(folder["deleted"], false);
    assert_eq!(folder["parent_id"], "emulator-root");
    assert!(folder["last_modified"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (&gone["name"], &gone["deleted"]),
        (&Value::Null, &true.into())
    );
}

#[tokio::test]
async fn changes_that_are_not_known_are_asked_for_again() {
    let emulator = emulator(|_| ()).await;
    let mut program = Program::watch(&emulator, "me --changes --json --count 1");
    assert_eq!(program.event().await["event"], "resync");
    soon(emulator.wait_for_connections(1)).await;
    emulator.expire_delta_links(ResyncCode::ApplyDifferences);
    let retry_after = Some(RetryAfter::Seconds(0));
    emulator.fail_next(1, GraphFailure::Unavailable { retry_after });
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    let events = finished.events();
    let find = |name: &str| {
        let found = events.iter().find(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {events:?}"))
    };
    find("notification");
    assert_eq!(find("changes_unknown")["retry_in_ms"], 0);
    let reason = find("changes_lost")["reason"].as_str().unwrap();
    assert!(reason.contains("resyncChangesApplyDifferences"), "{reason}");
}

#[tokio::test]
async fn readable_changes_are_one_line_each() {
    let emulator = emulator(|_| ()).await;
    let mut program = Program::watch(&emulator, "me --changes --count 1");
    assert!(program.line().await.unwrap().contains("  resync"));
    soon(emulator.wait_for_connections(1)).await;
    emulator.change_item(&ItemChange::file("1", "a\u{1b}[2J\nb.txt"));
    emulator.change_item(&ItemChange::deleted("2"));
    emulator.notify(&Notification::default());
    let finished = program.finish().await;
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    let told: Vec<&str> = finished
        .stdout
        .iter()
        .map(|line| line.split_once("Z  ").unwrap().1)
        .filter(|line| !line.starts_with("notification"))
        .collect();
    assert_eq!(
        told,
        [
            "changed       a [2J b.txt",
            "deleted       2",
            "changed       notified-1.txt"
        ]
    );
}

#[tokio::test]
async fn changes_that_cannot_be_had_end_the_program() {
    let emulator = emulator(|config| {
        let path = "/custom/thing/subscriptions/socketIo";
        config.settings.custom_paths.push(path.to_owned());
    })
    .await;
    let finished = run_watch(&emulator, "path /custom/thing --changes").await;
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.stderr.contains("leave out --changes"));
    assert_eq!(emulator.counts().graph_requests, 0);

    emulator.update(|settings| settings.token = "another".to_owned());
    let finished = run_watch(&emulator, "me --changes").await;
    assert_eq!(finished.code, 5, "{finished:?}");

    // Nobody there: the limit on attempts holds.
    soon(emulator.go_down()).await.unwrap();
    let finished = run_watch(&emulator, "me --changes --retries 0").await;
    assert_eq!(finished.code, 7, "{finished:?}");
}
