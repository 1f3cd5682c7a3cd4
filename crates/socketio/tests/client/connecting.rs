//! From a URL to a joined namespace, or to the reason why not.

use super::*;

#[tokio::test]
async fn a_url_becomes_a_request_and_a_first_packet() {
    let server = Server::start().await;
    let client = server
        .client("/zbaehwg?tok=aa==&x=%2F+1")
        .auth(serde_json::json!({"a": 1}));
    let serve = async {
        let mut peer = server.accept().await;
        assert_eq!(
            peer.target,
            "/socket.io/?tok=aa==&x=%2F+1&EIO=4&transport=websocket"
        );
        peer.expect(r#"0/zbaehwg,{"a":1}"#).await;
        peer.send(r#"2/zbaehwg,["early"]"#).await;
        peer.send(r#"0/zbaehwg,{"sid":"id1"}"#).await;
        peer
    };
    let (connected, _peer) = within(async { tokio::join!(client.connect(), serve) }).await;
    let (socket, mut events) = connected.unwrap();
    assert_eq!(socket.id().as_deref(), Some("id1"));
    assert!(socket.is_connected());
    let Event::Connected(connected) = next(&mut events).await else {
        panic!()
    };
    assert_eq!(connected.id.as_deref(), Some("id1"));
    assert_eq!(connected.transport, Transport::WebSocket);
    assert!(!connected.recovered);
    assert_eq!(message(next(&mut events).await).name(), "early");
}

#[tokio::test]
async fn the_builder_can_replace_every_part_of_the_url() {
    let server = Server::start().await;
    let client = server
        .client("/ns?a=1")
        .namespace("/other")
        .path("/p")
        .query("b=2");
    let mut headers = http::HeaderMap::new();
    headers.insert("x-test", "1".parse().unwrap());
    let connecting = tokio::spawn(client.headers(headers).connect());
    let mut peer = server.accept().await;
    assert_eq!(peer.target, "/p/?b=2&EIO=4&transport=websocket");
    peer.expect("0/other,").await;
    connecting.abort();
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_anything_is_sent() {
    let server = Server::start().await;
    let builder = || server.client("/");
    let error = Builder::new("example.com").connect().await.unwrap_err();
    assert_eq!(error, ConnectError::Url(UrlError::NoScheme));
    let error = socketio::connect("https://h/a,b").await.unwrap_err();
    assert!(matches!(error, ConnectError::Url(UrlError::Namespace(_))));
    let error = builder().namespace("a").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Namespace(_)));
    let error = builder().query("a b").connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Url(UrlError::Endpoint(_))));
    let error = builder().auth("token").connect().await.unwrap_err();
    assert_eq!(error, ConnectError::AuthNotAnObject);
    no_tasks_left().await;
}

#[tokio::test]
async fn a_refusal_is_the_outcome_of_connect() {
    let server = Server::start().await;
    let serve = async {
        let mut peer = server.accept().await;
        peer.expect("0/admin,").await;
        peer.send(r#"4/admin,{"message":"not authorized","data":{"code":"E1"}}"#)
            .await;
        peer.expect_close().await;
    };
    let (connected, ()) = tokio::join!(server.client("/admin").connect(), serve);
    let Err(ConnectError::Refused { message, data }) = connected else {
        panic!()
    };
    assert_eq!(message, "not authorized");
    assert_eq!(data.unwrap().as_str(), r#"{"code":"E1"}"#);
    no_tasks_left().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_the_outcome_of_connect() {
    let server = Server::start().await;
    let client = server.client("");
    drop(server);
    let error = within(client.connect()).await.unwrap_err();
    let ConnectError::Engine(CloseReason::Transport(_)) = &error else {
        panic!("{error:?}")
    };
    assert!(error.is_retryable());
    no_tasks_left().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_connect_is_the_outcome_of_connect() {
    let server = Server::start().await;
    let client = server.client("").connect_timeout(Duration::from_millis(10));
    let serve = async {
        let mut peer = server.accept().await;
        peer.expect("0").await;
        peer.expect_close().await;
    };
    let (connected, ()) = tokio::join!(client.connect(), serve);
    assert_eq!(connected.unwrap_err(), ConnectError::Timeout);
    no_tasks_left().await;
}

#[tokio::test]
async fn dropping_connect_gives_up() {
    let server = Server::start().await;
    let mut connecting = Box::pin(server.client("").connect());
    let mut peer = tokio::select! {
        _ = &mut connecting => panic!("nobody has answered"),
        peer = async {
            let mut peer = server.accept().await;
            peer.expect("0").await;
            peer
        } => peer,
    };
    drop(connecting);
    peer.expect_end().await;
    no_tasks_left().await;
}

#[tokio::test]
async fn dropping_connect_at_any_point_leaves_nothing_behind() {
    for polls in 0..40 {
        let server = Server::start().await;
        let mut connecting = Box::pin(server.client("").connect());
        let mut serve = Box::pin(async {
            let mut peer = server.accept().await;
            peer.expect("0").await;
            peer.send("0").await;
            peer.expect_end().await;
        });
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if connecting.as_mut().poll(cx).is_ready() {
                break;
            }
            let _pending = serve.as_mut().poll(cx);
            tokio::task::yield_now().await;
        }
        drop(connecting);
        drop(serve);
        drop(server);
        no_tasks_left().await;
    }
}
