//! What must hold whatever comes: the tests of a stranger's trust.

use bytes::Bytes;
use engineio::{
    Action, Config, Connection, Event, Frame, Input, Message, Response, Transport, Version,
};
use socketio::session::{self, Join, Session};
use socketio::{Namespace, codec};

use super::SECOND;

/// What a server may send, and then some.
const SEEDS: [&str; 24] = [
    r#"0{"sid":"e","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}"#,
    r#"40{"sid":"s","pid":"p"}"#,
    r#"40/admin,{"sid":"s"}"#,
    r#"42["e",{"a":[1,2.5e300,null,"\ud83d\ude00"]},"Q80KTut"]"#,
    r#"42/admin,7["e"]"#,
    r#"451-["e",{"_placeholder":true,"num":0}]"#,
    r#"452-["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}]"#,
    r#"461-0[{"_placeholder":true,"num":0}]"#,
    r#"430["answer"]"#,
    r#"44{"message":"no"}"#,
    r#"44/admin,"no""#,
    "41",
    "41/admin,",
    "2",
    "3",
    "3probe",
    "2probe",
    "1",
    "5",
    "6",
    "bAQID",
    "2\u{1E}4x\u{1E}b\u{1E}",
    "10:4é€😀",
    "\u{0}\u{1}\u{ff}1",
];

/// One of the seeds with up to three bytes changed, inserted, doubled or taken out.
fn mutated(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = SEEDS[random.usize(..SEEDS.len())].as_bytes().to_vec();
    for _ in 0..random.usize(..4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..4) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 => bytes.insert(
                at,
                *b"0123456789-/,[]{}\"\\:\x1E\xFFb"
                    .get(random.usize(..23))
                    .unwrap(),
            ),
            2 => bytes.extend_from_within(at..),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// 20,000 sessions of mutated packets, in both revisions, on each transport, joined or not, with time jumping about.
/// Whatever comes, each ends in a typed event or goes on. A run that panics is told by its seed.
#[test]
fn no_panic_on_hostile_input() {
    let start = engineio::client::now();
    let (mut ended, mut told) = (0, 0);
    for seed in 0..20_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let version = [Version::V4, Version::V3, Version::Auto][random.usize(..3)];
        let mut config = Config::default();
        config.version = version;
        config.transports = match random.bool() {
            true => vec![Transport::WebSocket],
            false => vec![Transport::Polling, Transport::WebSocket],
        };
        let mut link = Connection::new(config, start);
        let mut settings = session::Config::default();
        settings.version = version;
        let mut session = Session::new(settings, seed);
        let key = session
            .join(start, Namespace::root(), Join::default())
            .unwrap();
        let mut now = start;
        for step in 0..random.usize(1..12) {
            // The first packet is a good one as a rule, or little would ever be reached.
            let bytes = match step {
                0 if random.u8(..8) > 0 => SEEDS[0].as_bytes().to_vec(),
                _ => mutated(&mut random),
            };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let frame = match random.u8(..4) {
                0 => Frame::Binary(bytes.clone().into()),
                _ => Frame::Text(text.clone().into()),
            };
            // A server that always has an answer is always asked again.
            let actions: Vec<_> = std::iter::from_fn(|| link.poll_action()).collect();
            for action in actions {
                let answer = match action {
                    Action::Get(_) => Input::GetDone(Ok(Response::new(200, bytes.clone()))),
                    Action::Post(..) => Input::PostDone(Ok(Response::new(200, "ok"))),
                    Action::OpenWebSocket(_) => Input::WebSocketOpened,
                    _ => continue,
                };
                link.handle_input(now, answer);
            }
            link.handle_input(now, Input::Frame(frame));
            now += u32::from(random.u8(..30)) * SECOND;
            link.handle_timeout(now);
            while let Some(event) = link.poll_event() {
                let input = match event {
                    Event::Opened {
                        handshake,
                        transport,
                        version,
                    } => session::Input::LinkOpened {
                        handshake,
                        transport,
                        version,
                    },
                    Event::Message(message) => session::Input::Message(message),
                    Event::Closed(reason) => session::Input::LinkClosed(reason),
                    _ => continue,
                };
                session.handle_input(now, input);
            }
            // And past the engine, for those that it would have kept out.
            let message = match random.bool() {
                true => Message::Text(text.trim_start_matches('4').to_owned().into()),
                false => Message::Binary(Bytes::from(bytes)),
            };
            session.handle_input(now, session::Input::Message(message));
            if random.bool() {
                let event = codec::Event::new("e", &(1, Bytes::from_static(b"x"))).unwrap();
                session.emit_with_ack(key, event, now + SECOND).ok();
            }
            session.handle_timeout(now);
            while session.poll_action().is_some() || session.poll_ack().is_some() {}
            while let Some((_, event)) = session.poll_event() {
                told += 1;
                ended += usize::from(
                    event.is_final() || matches!(event, session::Event::Disconnected { .. }),
                );
                assert!(!format!("{event:?}").is_empty());
            }
        }
    }
    // It was not all in vain: there were sessions that came that far.
    assert!(ended > 1_000 && told > 10_000, "{ended} of {told}");
}
