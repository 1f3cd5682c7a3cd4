//! Servers of the older revision, known or to be found out.

use super::*;

/// Speaks revision 4 in `/ns`, both ways and with an attachment, as the second thing after `/`.
async fn serve_revision_4(peer: &mut Peer, connect: &str) {
    assert!(peer.target.contains("EIO=3"), "{}", peer.target);
    peer.send("0").await;
    peer.expect(connect).await;
    peer.send("0/ns,").await;
    peer.send(r#"51-/ns,["picture",{"_placeholder":true,"num":0}]"#)
        .await;
    peer.send_binary(b"\x04abc").await;
}

#[tokio::test]
async fn revision_4_over_websocket() {
    let server = Server::start().await;
    let client = server.client("/ns?token=a,b").version(Version::V3);
    let serve = async {
        let mut peer = server.accept_old().await;
        assert!(peer.target.contains("token=a,b&"), "{}", peer.target);
        serve_revision_4(&mut peer, "0/ns?token=a%2Cb,").await;
        peer
    };
    let (connected, mut peer) = tokio::join!(client.connect(), serve);
    let (socket, mut events) = connected.unwrap();
    assert_eq!(socket.id().as_deref(), Some("/ns#engine"));
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    let picture = message(next(&mut events).await);
    assert_eq!(picture.parse::<Bytes>().unwrap(), "abc");

    socket
        .emit("back", Bytes::from_static(b"xyz"))
        .await
        .unwrap();
    peer.expect(r#"51-/ns,["back",{"_placeholder":true,"num":0}]"#)
        .await;
    peer.expect_binary(b"\x04xyz").await;

    let admin = socket.namespace("/admin").query("token=ok&x=a%20b");
    let serve = async {
        peer.expect("0/admin?token=ok&x=a%20b,").await;
        peer.send(r#"4/admin,"not authorized""#).await;
    };
    let (refused, ()) = tokio::join!(admin.connect(), serve);
    let Err(ConnectError::Refused { message, data }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((message.as_str(), data), ("not authorized", None));

    let admin = socket.namespace("/admin").auth([(1, 2)]);
    assert!(matches!(
        admin.connect().await,
        Err(ConnectError::AuthNotAnObject)
    ));
    let query = socket.namespace("/admin").query("\u{1e}");
    assert!(matches!(query.connect().await, Err(ConnectError::Query(_))));
}

#[tokio::test]
async fn a_server_of_revision_4_is_found_out_and_remembered() {
    let server = Server::start().await;
    let client = server.client("/ns?a=1").version(Version::Auto);
    let serve = async {
        let mut peer = server.accept_old().await;
        assert!(peer.target.contains("EIO=4"), "{}", peer.target);
        peer.send("0").await;
        peer.expect_close().await;
        let mut peer = server.accept_old().await;
        serve_revision_4(&mut peer, "0/ns?a=1,").await;
        peer
    };
    let (connected, peer) = tokio::join!(client.connect(), serve);
    let (_socket, mut events) = connected.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert_eq!(message(next(&mut events).await).name(), "picture");

    drop(peer);
    let mut peer = server.accept_old().await;
    serve_revision_4(&mut peer, "0/ns?a=1,").await;
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn a_server_of_revision_5_is_found_out() {
    let server = Server::start().await;
    let client = server.client("/ns?a=1").version(Version::Auto);
    let serve = async {
        let mut peer = server.accept_old().await;
        peer.expect("0/ns,").await;
        peer.send(r#"0/ns,{"sid":"s1"}"#).await;
        peer
    };
    let (connected, _peer) = tokio::join!(client.connect(), serve);
    assert_eq!(connected.unwrap().0.id().as_deref(), Some("s1"));
}
