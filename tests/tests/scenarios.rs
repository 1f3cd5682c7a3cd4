//! The scenarios of `scenarios/`, each a script of frames, played under simulated time: alone, and against the model
//! server.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is a test")]

use conformance::sim::script::Script;

fn play(file: &str, markdown: &str) {
    let scripts = Script::all(markdown).unwrap_or_else(|what| panic!("{file}: {what}"));
    for script in scripts {
        script
            .play()
            .unwrap_or_else(|what| panic!("{file}, {what}"));
    }
}

/// Each file of each directory, as a test.
macro_rules! scenarios {
    ($($directory:ident { $($file:ident)* })*) => {
        $(mod $directory {
            $(#[test]
            fn $file() {
                const FILE: &str =
                    concat!(stringify!($directory), "/", stringify!($file), ".md");
                super::play(FILE, include_str!(concat!("../scenarios/", stringify!($directory), "/", stringify!($file), ".md")));
            })*
        })*

        const PLAYED: &[(&str, &[&str])] =
            &[$((stringify!($directory), &[$(stringify!($file)),*])),*];
    };
}

scenarios! {
    engineio {
        duplicate_polls
        failed_upgrade
        handshake_method
        held_poll
        http_after_upgrade
        one_websocket
        polling_close
        polling_handshake
        polling_heartbeat
        polling_invalid_packet
        polling_message
        polling_ping_timeout
        polling_several_messages
        polling_text_and_binary
        refused_request
        unknown_transport
        unsupported_revision
        upgrade
        websocket_close
        websocket_handshake
        websocket_heartbeat
        websocket_invalid_packet
        websocket_messages
        websocket_refused
    }
    socketio {
        ack_disconnect
        ack_timeout
        asleep
        auth_each_time
        binary_event
        binary_event_with_ack
        buffering
        closing_while_upgrading
        connect_custom
        connect_root
        disconnect_custom
        disconnect_root
        event_with_ack
        invalid_handshake
        invalid_packets
        max_payload
        multiplexing
        no_handshake
        other_revision
        plain_event
        reconnection
        recovery
        remember_upgrade
        retries
        unknown_namespace
        volatile
    }
    traps {
        close_packet_over_websocket
        error_inside_websocket
        jitter_at_the_cap
        lengths_in_revision_3
        namespace_before_root
        only_pings_extend_the_heartbeat
        packets_for_unjoined_namespaces
        payload_too_large
        query_kept_verbatim
        recovered_events_before_connect
        root_connect_in_revision_4
        separator_in_polling
        too_many_attachments
        url_to_namespace
    }
}

#[test]
fn every_file_is_played_and_in_the_table() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    for (directory, played) in PLAYED {
        let files = std::fs::read_dir(format!("{root}/{directory}")).unwrap();
        let mut files: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut played: Vec<_> = played.iter().map(|name| format!("{name}.md")).collect();
        played.sort();
        assert_eq!(files, played, "in {directory}");
        for file in files {
            let link = format!("({directory}/{file})");
            assert!(readme.contains(&link), "the README has no {link}");
        }
    }
}
