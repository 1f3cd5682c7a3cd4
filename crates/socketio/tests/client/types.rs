//! What the types promise.

use super::*;

fn send<T: Send + 'static>() {}
fn send_future<T: Send>(_: &T) {}

#[test]
fn handles_and_futures_can_go_to_other_threads() {
    fn sync<T: Send + Sync + Clone + 'static>() {}
    sync::<Socket>();
    sync::<Builder>();
    send::<Events>();
    send::<Event>();
    send::<socketio::AckHandle>();
    // Arguments are written at once, so they need not be.
    fn emit(socket: &Socket) {
        let args = std::cell::Cell::new(1);
        send_future(&socket.emit("x", &args));
        send_future(&socket.emit_with_ack("x", &args, LONG));
        send_future(&socket.disconnect());
        send_future(&socket.namespace("/").connect());
    }
    let _unused: fn(&Socket) = emit;
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let server = Server::start().await;
    let builder = server
        .client("/ns?secret=1")
        .query("secret=2")
        .auth(serde_json::json!({"token": "secret"}))
        .namespace("/")
        .clone();
    let text = format!("{builder:?}");
    assert!(!text.contains("secret"), "{text}");
    let (socket, events, _peer) = server.joined().await;
    let text = format!(
        "{socket:?} {events:?} {:?}",
        socket.namespace("/x").auth([("a", "secret")])
    );
    assert!(!text.contains("secret") && !text.contains("s1"), "{text}");
}
