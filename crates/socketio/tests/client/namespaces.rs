//! Several namespaces on one connection.

use super::*;

#[tokio::test]
async fn several_share_one_connection() {
    let server = Server::start().await;
    let (root, mut root_events, mut peer) = server.joined().await;
    let serve = async {
        peer.expect(r#"0/admin,{"token":"ok"}"#).await;
        peer.send(r#"0/admin,{"sid":"a1"}"#).await;
    };
    let admin = root
        .namespace("/admin")
        .auth(serde_json::json!({"token": "ok"}));
    let (connected, ()) = tokio::join!(admin.connect(), serve);
    let (admin, mut admin_events) = connected.unwrap();
    assert_eq!(admin.id().as_deref(), Some("a1"));
    assert!(matches!(next(&mut admin_events).await, Event::Connected(_)));

    admin.emit("x", ()).await.unwrap();
    peer.expect(r#"2/admin,["x"]"#).await;
    peer.send(r#"2["for root"]"#).await;
    peer.send(r#"2/admin,["for admin"]"#).await;
    assert_eq!(message(next(&mut root_events).await).name(), "for root");
    assert_eq!(message(next(&mut admin_events).await).name(), "for admin");

    within(admin.disconnect()).await;
    peer.expect("1/admin,").await;
    root.emit("y", ()).await.unwrap();
    peer.expect(r#"2["y"]"#).await;
    drop((root, root_events));
    peer.expect("1").await;
    peer.expect_close().await;
}

#[tokio::test]
async fn a_refused_one_is_no_concern_of_the_others() {
    let server = Server::start().await;
    let (root, _events, mut peer) = server.joined().await;
    let serve = async {
        peer.expect("0/zzz,").await;
        peer.send(r#"4/zzz,{"message":"Invalid namespace"}"#).await;
    };
    let (connected, ()) = tokio::join!(root.namespace("/zzz").connect(), serve);
    assert!(matches!(connected, Err(ConnectError::Refused { .. })));
    let error = root.namespace("/").connect().await.unwrap_err();
    assert_eq!(error, ConnectError::NamespaceInUse);
    let error = root.namespace("no slash").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Namespace(_)));
    root.emit("x", ()).await.unwrap();
    peer.expect(r#"2["x"]"#).await;
}

#[tokio::test]
async fn a_slow_reader_of_one_does_not_take_the_acks_of_timers() {
    let server = Server::start().await;
    let client = server.client("").event_queue(1);
    let (socket, _events, mut peer) = server.joined_by(client).await;
    for n in 0..10 {
        peer.send(&format!(r#"2["n",{n}]"#)).await;
    }
    settle().await;
    let acked = socket.emit_with_ack("a", (), Duration::from_millis(5));
    assert_eq!(within(acked).await, Err(AckError::Timeout));
    peer.expect(r#"20["a"]"#).await;
}

#[tokio::test]
async fn what_the_server_has_ended_can_be_joined_again_with_the_same_handle() {
    let server = Server::start().await;
    let (old, mut events, mut peer) = server.joined().await;
    peer.send("1").await;
    peer.expect_close().await;
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { retry_in: None, .. }
    ));
    let again = old.namespace("/");
    let (connected, mut peer) = tokio::join!(again.connect(), server.rejoined());
    let (new, _events) = connected.unwrap();
    assert_eq!(new.id().as_deref(), Some("s2"));
    assert_eq!(old.emit("x", ()).await, Err(EmitError::Disconnected));
    drop(old);
    new.emit("x", ()).await.unwrap();
    peer.expect(r#"2["x"]"#).await;
}
