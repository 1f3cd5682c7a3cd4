//! Upgrades of Engine.IO, both revisions.

use super::*;

const NEW: Release = Release::Current;
const BOTH: Release = Release::Compatible;
const OLD: Release = Release::Old;

fn as_is(_: &mut Options) {}

#[tokio::test]
async fn upgrades_in_order() {
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Open("/engine.io/?EIO=4&transport=websocket&sid={sid}"),
        Open("/engine.io/?EIO=4&transport=websocket&sid={sid}"),
        Say(2, "2probe"),
        // The pending GET is let go.
        Wait,
        Post(
            "/engine.io/?EIO=4&transport=polling&sid={sid}",
            "4one\u{1e}4two",
        ),
        Say(2, "5"),
        Say(2, "4three"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
        Open("/engine.io/?EIO=4&transport=websocket&sid={sid}"),
        Close(2),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
    ];
    engine_io(NEW, json!({}), as_is, &steps).await;
}

#[tokio::test]
async fn upgrades_in_order_in_the_old_revision() {
    let steps = [
        Get("/engine.io/?EIO=3&transport=polling&b64=1"),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Open("/engine.io/?EIO=3&transport=websocket&sid={sid}"),
        Say(2, "2probe"),
        Wait,
        Post(
            "/engine.io/?EIO=3&transport=polling&sid={sid}",
            "4:4one6:b4AQID",
        ),
        Say(2, "5"),
        Say(2, "4three"),
        Say(2, "2"),
        Get("/engine.io/?EIO=3&transport=polling&sid={sid}"),
        Close(2),
    ];
    for release in [BOTH, OLD] {
        engine_io(release, json!({}), as_is, &steps).await;
    }
}

#[tokio::test]
async fn upgrades_that_come_to_nothing() {
    for wrong in ["4hello", "2", "3probe", "abc"] {
        let steps = [
            Get("/engine.io/?EIO=4&transport=polling"),
            Open("/engine.io/?EIO=4&transport=websocket&sid={sid}"),
            Say(1, wrong),
            Post("/engine.io/?EIO=4&transport=polling&sid={sid}", "4hello"),
            Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
            // Another attempt is welcome, without a probe as well.
            Open("/engine.io/?EIO=4&transport=websocket&sid={sid}"),
            Say(4, "5"),
            Say(4, "4hello"),
        ];
        engine_io(NEW, json!({}), as_is, &steps).await;
    }
    let short =
        |options: &mut Options| options.upgrade_timeout = std::time::Duration::from_millis(250);
    let steps = [
        Get("/engine.io/?EIO=4&transport=polling"),
        Open("/engine.io/?EIO=4&transport=websocket&sid={sid}"),
        Say(1, "2probe"),
        Wait,
        Post("/engine.io/?EIO=4&transport=polling&sid={sid}", "4hello"),
        Get("/engine.io/?EIO=4&transport=polling&sid={sid}"),
    ];
    engine_io(NEW, json!({"upgradeTimeout": 250}), short, &steps).await;
}

#[tokio::test]
async fn who_watches_an_upgraded_session_of_the_old_revision() {
    let quick = |options: &mut Options| {
        options.ping_interval = std::time::Duration::from_millis(300);
        options.ping_timeout = std::time::Duration::from_millis(200);
    };
    let quickly = json!({"pingInterval": 300, "pingTimeout": 200});
    let upgrade = [
        Get("/engine.io/?EIO=3&transport=polling"),
        Open("/engine.io/?EIO=3&transport=websocket&sid={sid}"),
        Say(1, "2probe"),
        Say(1, "5"),
        Say(1, "2"),
    ];
    // The old server does, from the next packet on.
    let steps = [upgrade.as_slice(), &[Wait]].concat();
    engine_io(OLD, quickly.clone(), quick, &steps).await;
    // The current one no longer does: it outlives two others that say nothing.
    let other = [Open("/engine.io/?EIO=4&transport=websocket"), Wait, Wait];
    let steps = [upgrade.as_slice(), &other, &other, &[Say(1, "4hello")]].concat();
    engine_io(BOTH, quickly, quick, &steps).await;
}
