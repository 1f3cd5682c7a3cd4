//! Socket.IO, both revisions.

use super::*;

const WS: &str = "/socket.io/?EIO=4&transport=websocket";
const OLD_WS: &str = "/socket.io/?EIO=3&transport=websocket";

/// What a client says after the handshake, over WebSocket.
async fn conversation(release: Release, target: &'static str, frames: &[&'static str]) {
    let opening = [Open(target)].into_iter();
    let frames = frames.iter().map(|frame| match frame.strip_prefix('<') {
        Some(digits) => Bytes(0, digits),
        None => Say(0, frame),
    });
    socket_io(release, &opening.chain(frames).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn namespaces() {
    let frames = [
        "40",
        "40/zbaehwg,",
        "40/admin,{\"token\":\"ok\"}",
        "40/random,",
        "40/a?x=1,",
        "40/refused,",
        "40/undecided,",
        "41/admin,",
        "40/admin,{\"token\":\"bad\"}",
        "40/admin",
        "41",
        "40{}",
        "42/zbaehwg,[\"still there\"]",
    ];
    for release in [Release::Current, Release::Compatible] {
        conversation(release, WS, &frames).await;
    }
}

#[tokio::test]
async fn events_and_acknowledgements() {
    let frames = [
        "40",
        "42[\"message\",1,\"2\",{\"3\":[true]}]",
        "42456[\"message\",1,\"2\",{\"3\":[false]}]",
        "452-[\"message\",{\"_placeholder\":true,\"num\":0},{\"deep\":[{\"_placeholder\":true,\"num\":1}]}]",
        "<010203",
        "<040506",
        "452-789[\"message\",{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}]",
        "<010203",
        "<",
        "42[1,\"a number\"]",
        "42[\"error\"]",
        "420[\"é€😀\",\"é€😀\"]",
        "43999[1]",
    ];
    for release in [Release::Current, Release::Compatible] {
        conversation(release, WS, &frames).await;
    }
}

#[tokio::test]
async fn what_ends_the_connection() {
    let cases: &[&[&str]] = &[
        &["42[\"early\"]"],
        &["41"],
        &["43 1[]"],
        &["44{\"message\":\"x\"}"],
        &["4abc"],
        &["4"],
        &["40", "40"],
        &["40", "41", "42[\"late\"]"],
        &["40", "42/admin,[\"elsewhere\"]"],
        &["40", "44\"x\""],
        &["40", "42{}"],
        &["40", "42abc[\"a\"]"],
        &["40", "42[]"],
        &["40", "42[\"connect\"]"],
        &["40", "42[\"disconnecting\"]"],
        &["40", "42[null]"],
        &["40", "41{}"],
        &["40", "431{}"],
        &["40", "47"],
        &["40", "42[\"a\""],
        &["40[]"],
        &["40null"],
        &["40\"x\""],
        &["40", "4511-[\"a\"]"],
        &["40", "450-[\"a\"]"],
        &["40", "45[\"a\"]"],
        &["40", "451-[\"a\"]", "42[\"b\"]"],
        &["40", "<01"],
        &["40", "451-[\"a\",{\"_placeholder\":true,\"num\":1}]", "<01"],
        &["40", "451-[{\"_placeholder\":true,\"num\":0}]"],
    ];
    for frames in cases {
        conversation(Release::Current, WS, frames).await;
    }
}

#[tokio::test]
async fn one_payload_is_one_turn() {
    let url = "/socket.io/?EIO=4&transport=polling&sid={sid}";
    let start = Get("/socket.io/?EIO=4&transport=polling");
    for body in [
        "40\u{1e}42[\"a\"]",
        "40\u{1e}40/admin,\u{1e}40/zzz,",
        "40\u{1e}41",
    ] {
        let steps = [start.clone(), Post(url, body), Get(url), Get(url)];
        socket_io(Release::Current, &steps).await;
    }
    for body in [
        "41\u{1e}40",
        "42[\"a\"]\u{1e}41\u{1e}1",
        "421[\"a\"]\u{1e}9",
    ] {
        let steps = [
            start.clone(),
            Post(url, "40"),
            Get(url),
            Get(url),
            Post(url, body),
            Get(url),
        ];
        socket_io(Release::Current, &steps).await;
    }
}

#[tokio::test]
async fn a_session_with_an_upgrade() {
    let url = "/socket.io/?EIO=4&transport=polling&sid={sid}";
    let steps = [
        Get("/socket.io/?EIO=4&transport=polling"),
        Post(url, "40{\"token\":\"abc\"}"),
        Open("/socket.io/?EIO=4&transport=websocket&sid={sid}"),
        Get(url),
        Say(2, "2probe"),
        Get(url),
        Post(url, "420[\"hello\",\"é€😀\"]"),
        Say(2, "5"),
        Say(2, "451-1[\"bin\",{\"_placeholder\":true,\"num\":0}]"),
        Bytes(2, "dead"),
        Say(2, "40/admin,{\"token\":\"bad\"}"),
        Say(2, "40/admin,{\"token\":\"ok\"}"),
        Say(2, "41/admin,"),
        Say(2, "41"),
        Close(2),
    ];
    for release in [Release::Current, Release::Compatible] {
        socket_io(release, &steps).await;
    }
}

#[tokio::test]
async fn the_old_revision() {
    let frames = [
        "42[\"message\",\"é€😀\"]",
        "4212[\"message\",1]",
        "451-3[\"bin\",{\"_placeholder\":true,\"num\":0}]",
        "<04dead",
        "40/admin?token=bad,",
        "40/admin?token=ok&x=a%20b,",
        "42/admin,[\"hello\"]",
        "40/zzz,",
        "40/refused,",
        "41/admin,",
        "2",
        "41",
    ];
    for release in [Release::Old, Release::Compatible] {
        conversation(release, OLD_WS, &frames).await;
    }
}

#[tokio::test]
async fn what_the_old_server_passes_over() {
    let frames = [
        "40",
        "42[\"twice\"]",
        "40/admin,",
        "40/admin,",
        "42/zzz,[\"a\"]",
        "41/zzz,",
        "43/zzz,1[]",
        "4abc",
        "47",
        "421[\"disconnect\"]",
        "44\"x\"",
        "4312[]",
        "41",
        "42[\"late\"]",
        "40",
        "42[\"again\"]",
    ];
    conversation(Release::Old, OLD_WS, &frames).await;
    for frame in [
        "42{}",
        "42[\"a\"",
        "42[]",
        "4511-[\"a\"]",
        "45-[\"a\"]",
        "<04dead",
    ] {
        conversation(Release::Old, OLD_WS, &[frame]).await;
    }
}

#[tokio::test]
async fn what_the_current_server_does_not_pass_over_in_the_old_revision() {
    for frame in ["40", "42/zzz,[\"a\"]", "44\"x\"", "4abc", "41/admin,"] {
        conversation(Release::Compatible, OLD_WS, &[frame]).await;
    }
}

#[tokio::test]
async fn the_old_revision_over_polling() {
    for (release, greeting) in [(Release::Old, None), (Release::Compatible, Some(()))] {
        let url = "/socket.io/?EIO=3&transport=polling&sid={sid}";
        let mut steps = vec![Get("/socket.io/?EIO=3&transport=polling&b64=1")];
        steps.extend(greeting.map(|()| Get(url)));
        steps.extend([
            Post(url, "19:420[\"hello\",\"é€😀\"]"),
            Get(url),
            Post(
                url,
                "42:451-1[\"bin\",{\"_placeholder\":true,\"num\":0}]6:b43q0=",
            ),
            Get(url),
            Post(url, "11:42[\"hello\"]"),
            Get(url),
            Get(url),
            Post(url, "2:411:1"),
        ]);
        socket_io(release, &steps).await;
    }
}

#[tokio::test]
async fn lost_connections_are_recovered() {
    let recovery = json!({"connectionStateRecovery": {"maxDisconnectionDuration": 60000}});
    let real = Release::Current.socket_io(recovery).await;
    let mut options = furnished(Options::current());
    options.recovery = Some(std::time::Duration::from_secs(60));
    let steps = [
        Open(WS),
        Say(0, "40"),
        Say(0, "42[\"first\"]"),
        Say(0, "451-[\"second\",{\"_placeholder\":true,\"num\":0}]"),
        Bytes(0, "01"),
        // No offset in an answer.
        Say(0, "421[\"third\",1]"),
        Cut(0),
        Open(WS),
        Recover(1),
        Say(1, "42[\"fourth\"]"),
        Cut(1),
        Open(WS),
        Say(2, "40{\"pid\":\"unknown\",\"offset\":\"unknown\"}"),
        Say(2, "41"),
        // It has left by itself.
        Recover(2),
    ];
    run(real, options, &steps).await;
}

#[tokio::test]
async fn a_root_that_thinks_or_refuses() {
    use std::time::Duration;

    for release in [Release::Old, Release::Current, Release::Compatible] {
        let old = release != Release::Current;
        let target = if old { OLD_WS } else { WS };
        let never = Namespace::refused("root denied", None);
        // The real one takes a turn of its loop.
        let later = Namespace::open().after(Duration::from_millis(1));
        for (setting, root) in [("never", never), ("later", later)] {
            let real = release
                .socket_io(json!({"settings": {"root": setting}}))
                .await;
            let options = furnished(options_of(release)).namespace("/", root);
            let mut steps = vec![Open(target)];
            if !old {
                steps.push(Say(0, "40"));
            }
            if setting == "later" {
                steps.push(Wait);
            }
            steps.extend([Say(0, "40/admin,"), Say(0, "40/zzz,")]);
            run(real, options, &steps).await;
        }
    }
}
