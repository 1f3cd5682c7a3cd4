//! The Socket.IO client in a test: settings for a server, and one event after another.

use std::time::Duration;

use engineio::{Transport, Version};
use socketio::{Builder, Event, Events, Message, Parser, Reconnection, Socket};

use crate::{Case, JsServer, Release, Route, http, within};

/// Settings for a client of this server in this case, which comes back quickly when it loses the connection.
#[must_use]
pub fn builder(server: &JsServer, namespace: &str, case: Case) -> Builder {
    let parser = match case.release {
        Release::MessagePack => Parser::msgpack(),
        _ => Parser::json(),
    };
    builder_to(server.url(namespace), case.version, case.route)
        .parser(parser)
        .http(http())
}

/// The same for any server, by this URL, in this revision.
#[must_use]
pub fn builder_to(url: String, version: Version, route: Route) -> Builder {
    let mut reconnection = Reconnection::default();
    reconnection.initial_delay = Duration::from_millis(20);
    reconnection.max_delay = Duration::from_millis(100);
    Builder::new(url)
        .engine_config(route.config())
        .version(version)
        .reconnection(reconnection)
}

/// A joined namespace, past `Connected` and, where the route has one, past the upgrade.
///
/// # Panics
///
/// When the namespace cannot be joined.
pub async fn join(server: &JsServer, namespace: &str, case: Case) -> (Socket, Events) {
    let connecting = builder(server, namespace, case).connect();
    let (socket, mut events) = within("a connection", connecting).await.unwrap();
    connected_and_upgraded(&mut events, case.route).await;
    (socket, events)
}

/// Takes `Connected` and, where the route has one, `Upgraded`.
///
/// # Panics
///
/// When the next events are others.
pub async fn connected_and_upgraded(events: &mut Events, route: Route) {
    if !connected_on_last_transport(events, route).await {
        let event = next(events).await;
        assert!(
            matches!(event, Event::Upgraded(Transport::WebSocket)),
            "{event:?}"
        );
    }
}

/// Takes `Connected`, and says whether no upgrade is to come: where a namespace waits for the root, it can be over.
///
/// # Panics
///
/// When the next event is another one.
pub async fn connected_on_last_transport(events: &mut Events, route: Route) -> bool {
    match next(events).await {
        Event::Connected(connected) => {
            route != Route::Upgrade || connected.transport == Transport::WebSocket
        }
        other => panic!("not connected: {other:?}"),
    }
}

/// The next event.
///
/// # Panics
///
/// When there is none.
pub async fn next(events: &mut Events) -> Event {
    within("an event", events.next())
        .await
        .expect("the stream is over")
}

/// The next event that is not about the transport.
///
/// # Panics
///
/// When there is none.
pub async fn next_but_upgraded(events: &mut Events) -> Event {
    loop {
        match next(events).await {
            Event::Upgraded(_) => {}
            other => return other,
        }
    }
}

/// The next event, which is one of the server's.
///
/// # Panics
///
/// When it is not.
pub async fn next_message(events: &mut Events) -> Message {
    match next_but_upgraded(events).await {
        Event::Message(message) => message,
        other => panic!("not a message: {other:?}"),
    }
}

/// The first Engine.IO message that the server received.
///
/// # Panics
///
/// When there was none.
pub async fn first_message(server: &JsServer) -> String {
    let packets = server.seen_of("packet").await;
    let message = packets
        .iter()
        .find(|packet| packet.str("type") == "message");
    message.expect("a message").str("text").to_owned()
}
