//! Engine.IO on one transport, both revisions.

use super::*;

const NEW: Release = Release::Current;
const BOTH: Release = Release::Compatible;
const OLD: Release = Release::Old;

fn as_is(_: &mut Options) {}

/// Handshakes that fit no revision or transport.
const REFUSALS: &[Step] = &[
    Get("/engine.io/?transport=polling"),
    Get("/engine.io/?EIO=abc&transport=polling"),
    Get("/engine.io/?EIO=5&transport=polling"),
    Get("/engine.io/?EIO=4"),
    Get("/engine.io/?EIO=4&transport=abc"),
    Get("/engine.io/?EIO=4&transport=websocket"),
    Get("/engine.io/?EIO=4&transport=polling&sid=abc"),
    Post("/engine.io/?EIO=4&transport=polling", "4hello"),
    Post("/engine.io/?EIO=4&transport=polling&sid=abc", "4hello"),
    Put("/engine.io/?EIO=4&transport=polling"),
    Get("/elsewhere/?EIO=4&transport=polling"),
    Get("/engine.io?EIO=4&transport=polling"),
    Open("/engine.io/?EIO=4"),
    Open("/engine.io/?EIO=4&transport=abc"),
    Open("/engine.io/?EIO=4&transport=websocket&sid=abc"),
];

#[tokio::test]
async fn handshakes_are_refused_alike() {
    for release in [NEW, BOTH, OLD] {
        // Some of them open a session where the old revision is spoken.
        engine_io(release, json!({}), as_is, REFUSALS).await;
    }
}

#[tokio::test]
async fn other_revisions_are_refused_inside_the_websocket() {
    let steps = [
        Open("/engine.io/?EIO=3&transport=websocket"),
        Open("/engine.io/?transport=websocket"),
    ];
    engine_io(NEW, json!({}), as_is, &steps).await;
}

#[tokio::test]
async fn polling_handshakes_over_websocket_are_closed() {
    let steps = [Open("/engine.io/?EIO=4&transport=polling")];
    engine_io(NEW, json!({}), as_is, &steps).await;
    engine_io(OLD, json!({}), as_is, &steps).await;
}

#[tokio::test]
async fn whoever_is_forbidden_hears_why() {
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        Open("/engine.io/?EIO=4&transport=websocket"),
    ];
    let forbid = |options: &mut Options| options.forbid = Some("not you".to_owned());
    for release in [NEW, OLD] {
        engine_io(
            release,
            json!({"settings": {"forbid": "not you"}}),
            forbid,
            &steps,
        )
        .await;
    }
}

#[tokio::test]
async fn without_websocket_its_handshakes_are_plain_requests() {
    let polling = |options: &mut Options| {
        options.transports = vec![conformance::sim::server::TransportName::Polling];
    };
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        Open("/engine.io/?EIO=4&transport=websocket"),
    ];
    engine_io(NEW, json!({"transports": ["polling"]}), polling, &steps).await;
}

#[tokio::test]
async fn upgrades_can_be_off() {
    let off = |options: &mut Options| options.upgrades = false;
    let steps = [Get("/engine.io/?EIO=4&transport=polling")];
    for release in [NEW, OLD] {
        engine_io(release, json!({"allowUpgrades": false}), off, &steps).await;
    }
}

#[tokio::test]
async fn messages_over_polling() {
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        Post(
            "/engine.io/?EIO=4&transport=polling&sid={sid}",
            "4hello\u{1e}bAQIDBA==\u{1e}4é€😀",
        ),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Post("/engine.io/?EIO=4&transport=polling&sid={sid}", "b\u{1e}4"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Put("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        // Unsolicited, and passed over.
        Post(
            "/engine.io/?EIO=4&transport=polling&sid={sid}",
            "0\u{1e}5\u{1e}6\u{1e}4ok",
        ),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Get("/engine.io/?EIO=4&transport=websocket&sid={sid}"),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Post("/engine.io/?EIO=4&transport=polling&sid={sid}", "1"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
    ];
    for release in [NEW, BOTH] {
        engine_io(release, json!({}), as_is, &steps).await;
    }
}

#[tokio::test]
async fn messages_over_polling_in_the_old_revision() {
    let steps = [
        Get("/engine.io/?EIO=3&transport=polling&b64=1"),
        Post(
            "/engine.io/?EIO=3&transport=polling&sid={sid}",
            "6:4hello10:b4AQIDBA==6:4é€😀",
        ),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Post("/engine.io/?EIO=3&transport=polling&sid={sid}", "1:2"),
        Get("/engine.io/?EIO=3&transport=polling"),
        PostBinary(
            "/engine.io/?EIO=3&transport=polling&sid={sid}",
            "000100ff34c3a9e282acf09f9880 0103ff04dead 0002ff347a",
        ),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Post("/engine.io/?EIO=3&transport=polling&sid={sid}", "6:4hello"),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Post("/engine.io/?EIO=3&transport=polling&sid={sid}", "1:1"),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
    ];
    for release in [BOTH, OLD] {
        engine_io(release, json!({}), as_is, &steps).await;
    }
}

#[tokio::test]
async fn what_is_no_payload_ends_the_session() {
    for body in ["abc", "", "9x", "2", "4a\u{1e}", "4a\u{1e}9z\u{1e}4b"] {
        let steps = [
            Get("/engine.io/?EIO=4&transport=polling"),
            Post("/engine.io/?EIO=4&transport=polling&sid={sid}", body),
            Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        ];
        engine_io(NEW, json!({}), as_is, &steps).await;
    }
    // Lengths in characters or bytes, and rests.
    for body in [
        "abc",
        "",
        "1:9",
        "3:4é😀",
        "8:4é😀",
        "2:4a3",
        "6:4hello4",
        "5:4hello",
    ] {
        let steps = [
            Get("/engine.io/?EIO=3&transport=polling"),
            Post("/engine.io/?EIO=3&transport=polling&sid={sid}", body),
            Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        ];
        for release in [BOTH, OLD] {
            engine_io(release, json!({}), as_is, &steps).await;
        }
    }
}

#[tokio::test]
async fn pongs_of_the_old_revision() {
    let steps = [
        Open("/engine.io/?EIO=3&transport=websocket"),
        Say(0, "2"),
        Say(0, "3"),
        Say(0, "4hello"),
    ];
    engine_io(OLD, json!({}), as_is, &steps).await;
    engine_io(BOTH, json!({}), as_is, &steps[..3]).await;
}

#[tokio::test]
async fn binary_posts_of_the_current_revision_end_the_session() {
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        PostBinary("/engine.io/?EIO=4&transport=polling&sid={sid}", "3461"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
    ];
    engine_io(NEW, json!({}), as_is, &steps).await;
}

#[tokio::test]
async fn overlapping_polls_end_the_session() {
    for release in [NEW, OLD] {
        let steps = match release {
            Release::Old => [
                Get("/engine.io/?EIO=3&transport=polling"),
                Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
                Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
                Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
            ],
            _ => [
                Get("/engine.io/?EIO=4&transport=polling"),
                Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
                Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
                Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
            ],
        };
        engine_io(release, json!({}), as_is, &steps).await;
    }
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let small = |options: &mut Options| options.max_payload = 8;
    let limit = json!({"maxHttpBufferSize": 8});
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        Post(
            "/engine.io/?EIO=4&transport=polling&sid={sid}",
            "4too large",
        ),
        Post("/engine.io/?EIO=4&transport=polling&sid={sid}", "4fits"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
    ];
    engine_io(NEW, limit.clone(), small, &steps).await;
    let steps = [
        Get("/engine.io/?EIO=3&transport=polling"),
        Post(
            "/engine.io/?EIO=3&transport=polling&sid={sid}",
            "10:4too large",
        ),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
    ];
    engine_io(OLD, limit, small, &steps).await;
}

#[tokio::test]
async fn messages_over_websocket() {
    let steps = [
        Open("/engine.io/?EIO=4&transport=websocket"),
        Say(0, "4hello"),
        Bytes(0, "01020304"),
        Bytes(0, ""),
        Say(0, "bAQID"),
        // It means nothing here.
        Say(0, "1"),
        Say(0, "4still there"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Close(0),
    ];
    engine_io(NEW, json!({}), as_is, &steps).await;
    let steps = [
        Open("/engine.io/?EIO=4&transport=websocket&b64=1"),
        Bytes(0, "01020304"),
        Say(0, "abc"),
    ];
    engine_io(NEW, json!({}), as_is, &steps).await;
    let steps = [Open("/engine.io/?EIO=4&transport=websocket"), Say(0, "2")];
    engine_io(NEW, json!({}), as_is, &steps).await;
    let steps = [Open("/engine.io/?EIO=4&transport=websocket"), Say(0, "")];
    engine_io(NEW, json!({}), as_is, &steps).await;
}

#[tokio::test]
async fn messages_over_websocket_in_the_old_revision() {
    let steps = [
        Open("/engine.io/?EIO=3&transport=websocket"),
        Say(0, "4hello"),
        Bytes(0, "0401020304"),
        Bytes(0, "01020304"),
        Bytes(0, ""),
        Say(0, "b4AQID"),
        Say(0, "1"),
        Say(0, "2"),
        Say(0, "abc"),
    ];
    for release in [BOTH, OLD] {
        engine_io(release, json!({}), as_is, &steps).await;
    }
}

#[tokio::test]
async fn heartbeats() {
    let quick = |options: &mut Options| {
        options.ping_interval = std::time::Duration::from_millis(300);
        options.ping_timeout = std::time::Duration::from_millis(200);
    };
    let quickly = json!({"pingInterval": 300, "pingTimeout": 200});
    // Two pings, one answered, then the end.
    let steps = [
        Open("/engine.io/?EIO=4&transport=websocket"),
        Wait,
        Say(0, "3"),
        Wait,
        Wait,
    ];
    engine_io(NEW, quickly.clone(), quick, &steps).await;
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Wait,
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Wait,
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
    ];
    engine_io(NEW, quickly.clone(), quick, &steps).await;
    for release in [BOTH, OLD] {
        let steps = [
            Open("/engine.io/?EIO=3&transport=websocket"),
            Say(0, "2"),
            Wait,
        ];
        engine_io(release, quickly.clone(), quick, &steps).await;
    }
}
