//! The controls over HTTP, and the program that serves them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::process::Stdio;

use common::{End, PATH, Socket, http, inner, soon, start};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

async fn call(control_url: &str, method: reqwest::Method, name: &str, body: Value) -> (u16, Value) {
    let request = http()
        .request(method, format!("{control_url}/{name}"))
        .json(&body);
    let response = soon(request.send()).await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn post(control_url: &str, name: &str, body: Value) -> Value {
    let (status, answer) = call(control_url, reqwest::Method::POST, name, body).await;
    assert_eq!(status, 200, "{name}: {answer}");
    answer
}

async fn get(control_url: &str, name: &str) -> Value {
    let (status, answer) = call(control_url, reqwest::Method::GET, name, Value::Null).await;
    assert_eq!(status, 200, "{name}: {answer}");
    answer
}

#[tokio::test]
async fn without_a_control_port_there_is_no_control_api() {
    let emulator = start(|_| ()).await;
    assert!(emulator.control_url().is_none());
    let url = format!("{}/control/info", emulator.graph_url());
    assert_eq!(soon(http().get(url).send()).await.unwrap().status(), 401);
}

#[tokio::test]
async fn every_control_works_over_http() {
    let emulator = start(|config| config.control_port = Some(0)).await;
    let api = emulator.control_url().unwrap().to_owned();
    let graph = format!("{}{PATH}", emulator.graph_url());
    let status = async || {
        let request = http().get(&graph).bearer_auth(emulator.token());
        soon(request.send()).await.unwrap().status().as_u16()
    };
    assert_eq!(
        get(&api, "info").await,
        json!({ "graph_url": emulator.graph_url(), "token": emulator.token() })
    );

    // Graph.
    let throttled = json!({ "kind": "too_many_requests", "retry_after": { "seconds": 3 } });
    post(&api, "fail", json!({ "times": 2, "failure": throttled })).await;
    post(&api, "fail", json!({ "failure": { "kind": "not_json" } })).await;
    assert_eq!(
        [
            status().await,
            status().await,
            status().await,
            status().await
        ],
        [429, 429, 200, 200]
    );
    let counts = post(
        &api,
        "wait",
        json!({ "graph_requests": 4, "subscriptions": 1 }),
    )
    .await;
    assert_eq!(counts["subscriptions"], 1);

    // The relay.
    let mut socket = Socket::joined(&emulator).await;
    post(&api, "wait", json!({ "joined": 1, "websockets": 1 })).await;
    let sent = post(
        &api,
        "notify",
        json!({ "payload": "flat", "encoding": "text", "copies": 2 }),
    )
    .await;
    assert_eq!(sent, json!({ "number": 1, "receivers": 1 }));
    assert_eq!(inner(&socket.text().await)["emulatorNumber"], 1);
    assert_eq!(inner(&socket.text().await)["emulatorNumber"], 1);
    let custom = json!({ "payload": { "unreadable": "?" } });
    assert_eq!(post(&api, "notify", custom).await["number"], 2);
    assert_eq!(common::argument(&socket.text().await), "?");
    assert_eq!(
        post(&api, "disconnect", json!({})).await,
        json!({ "affected": 1 })
    );
    assert_eq!(socket.text().await, "41/zbaehwg,");
    post(&api, "refuse", json!({ "times": 1 })).await;
    assert!(socket.join("/zbaehwg").await.starts_with("44"));
    assert!(socket.join("/zbaehwg").await.starts_with("40"));
    post(&api, "wait", json!({ "joined": 1 })).await;
    assert_eq!(
        post(&api, "close", json!({})).await,
        json!({ "affected": 1 })
    );
    assert_eq!(socket.end().await, End::CloseFrame);
    let mut socket = Socket::joined(&emulator).await;
    assert_eq!(post(&api, "expire", json!({})).await["affected"], 3);
    assert_eq!(socket.end().await, End::CloseFrame);
    let mut socket = Socket::joined(&emulator).await;
    post(&api, "cut", json!({})).await;
    assert_eq!(socket.end().await, End::Cut);

    // What has changed.
    let delta = async |url: &str| {
        let request = http().get(url).bearer_auth(emulator.token());
        let answer = soon(request.send()).await.unwrap();
        let location = answer.headers().get("location").cloned();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap(), location)
    };
    let latest = format!(
        "{}/v1.0/me/drive/root/delta?token=latest",
        emulator.graph_url()
    );
    let (_, start, _) = delta(&latest).await;
    let link = start["@odata.deltaLink"].as_str().unwrap();
    post(&api, "change", json!({ "id": "1", "name": "a.txt" })).await;
    let (status_of_link, changes, _) = delta(link).await;
    assert_eq!(
        (status_of_link, &changes["value"][0]["name"]),
        (200, &json!("a.txt"))
    );
    post(
        &api,
        "expire-delta",
        json!({ "code": "upload_differences" }),
    )
    .await;
    let (status_of_link, gone, location) = delta(link).await;
    assert_eq!(status_of_link, 410);
    assert_eq!(gone["error"]["code"], "resyncChangesUploadDifferences");
    let (_, all, _) = delta(location.unwrap().to_str().unwrap()).await;
    // Those of the notifications, too.
    assert_eq!(all["value"].as_array().unwrap().len(), 3);

    // The network.
    post(&api, "freeze", json!({ "everything": true })).await;
    let frozen = tokio::spawn(http().get(&graph).bearer_auth(emulator.token()).send());
    post(&api, "wait", json!({ "connections": 1 })).await;
    assert!(!frozen.is_finished());
    post(&api, "thaw", json!({})).await;
    assert_eq!(soon(frozen).await.unwrap().unwrap().status(), 200);
    post(&api, "freeze", json!({})).await;
    assert_eq!(status().await, 200);
    post(&api, "thaw", json!({})).await;
    post(&api, "down", json!({})).await;
    assert!(
        soon(http().get(&graph).send())
            .await
            .unwrap_err()
            .is_connect()
    );
    post(&api, "up", json!({})).await;
    assert_eq!(status().await, 200);
    post(&api, "restart", json!({ "down_ms": 1 })).await;
    assert_eq!(status().await, 200);

    // What it saw.
    let log = get(&api, "log").await;
    assert!(
        log["requests"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["target"] == PATH)
    );
    assert!(
        log["packets"]
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["text"] == "40/zbaehwg,")
    );
    assert_eq!(get(&api, "counts").await["notifications"], 2);
}

#[tokio::test]
async fn settings_change_one_by_one() {
    let emulator = start(|config| config.control_port = Some(0)).await;
    let api = emulator.control_url().unwrap();
    let before = get(api, "settings").await;
    let patch = json!({ "url_form": "direct", "polling": false, "lifetime_ms": null });
    let (status, after) = call(api, reqwest::Method::PATCH, "settings", patch).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&after["url_form"], &after["polling"]),
        (&json!("direct"), &json!(false))
    );
    assert_eq!(after["token"], before["token"]);
    assert_eq!(emulator.settings().lifetime_ms, None);

    for bad in [json!({ "no_such": 1 }), json!({ "polling": "maybe" })] {
        assert_eq!(
            call(api, reqwest::Method::PATCH, "settings", bad).await.0,
            422
        );
    }
    assert_eq!(
        get(api, "settings").await,
        after,
        "a bad change changes nothing"
    );
}

#[tokio::test]
async fn a_wait_has_a_limit() {
    let emulator = start(|config| config.control_port = Some(0)).await;
    let api = emulator.control_url().unwrap();
    let body = json!({ "joined": 1, "timeout_ms": 1 });
    assert_eq!(call(api, reqwest::Method::POST, "wait", body).await.0, 408);
}

#[tokio::test]
async fn the_program_says_where_it_is() {
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_graph-emulator"))
        .args([
            "--token",
            "t0",
            "--url-form",
            "direct",
            "--answer",
            "documented",
            "--no-polling",
        ])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let place: Value =
        serde_json::from_str(&soon(lines.next_line()).await.unwrap().unwrap()).unwrap();
    assert_eq!(place["token"], "t0");
    let settings = get(place["control_url"].as_str().unwrap(), "settings").await;
    assert_eq!(
        (&settings["answer"], &settings["polling"]),
        (&json!("documented"), &json!(false))
    );
    let url = format!("{}{PATH}", place["graph_url"].as_str().unwrap());
    let answer: Value = soon(http().get(url).bearer_auth("t0").send())
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(
        answer["notificationUrl"]
            .as_str()
            .unwrap()
            .contains("/notifications?token=")
    );
    program.kill().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let emulator = start(|_| ()).await;
    let port = emulator
        .graph_url()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let mut config = graph_emulator::EmulatorConfig::default();
    config.port = port;
    let error = graph_emulator::Emulator::start(config).await.unwrap_err();
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}
