//! The public types of a Socket.IO session, without I/O: its settings, inputs, actions, events and messages.

use std::time::Duration;

use engineio::{Transport, Version};
use socketio::session::{Auth, Config, Input, Join, Session};
use socketio_codec::{Json, Namespace, Query};

use super::{Shown, handshake};
use crate::needle;

pub(super) fn show(shown: &mut Shown) {
    let auth = || Json::from_text(r#"{"token":"PLANTED"}"#).unwrap();
    let now = engineio::client::now();
    let mut config = Config::default();
    config.version = Version::V4;
    shown.value("socketio::Config", &config);
    let mut join = Join::with_auth(auth());
    join.query = Some(Query::try_from("token=PLANTED").unwrap());
    join.report_sent = true;
    shown.value("socketio::Auth", Auth::Fixed(auth()));
    shown.value("socketio::Join", &join);
    let mut session = Session::new(config, 7);
    let key = session.join(now, Namespace::root(), join).unwrap();
    let opened = Input::LinkOpened {
        handshake: handshake(),
        transport: Transport::Polling,
        version: Version::V4,
    };
    for input in [
        opened,
        Input::Message(r#"0{"sid":"PLANTED","pid":"PLANTED"}"#.into()),
        Input::Message(r#"21["e","PLANTED","PLANTED-offset"]"#.into()),
        Input::Message(r#"51-["e",{"_placeholder":true,"num":0},"PLANTED"]"#.into()),
    ] {
        shown.value("socketio::Input", &input);
        let event = socketio_codec::Event::new("e", &"PLANTED").unwrap();
        session.emit(key, event.clone()).ok();
        session
            .emit_retried(now, key, event, Duration::from_secs(1))
            .ok();
        session.handle_input(now, input);
        shown.value("socketio::Session", &session);
        while let Some(action) = session.poll_action() {
            shown.value("socketio::Action", action);
        }
        while let Some((_, event)) = session.poll_event() {
            shown.value("socketio::Event", &event);
            if let socketio::session::Event::Message(mut message) = event {
                shown.value("socketio::Message", &message);
                needle::shown("a ticket", &message.ack());
            }
        }
    }
}
