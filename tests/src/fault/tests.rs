//! The relay alone, between two plain sockets.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Direction::*;
use super::Exchange::*;
use super::Fault::*;
use super::Part::*;
use super::*;
use crate::within;

const REQUEST: &[u8] = b"GET /?transport=polling HTTP/1.1\r\n\r\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
const BODY: &[u8] = b"body";

/// A server that answers each request, and a relay in front of it.
async fn relayed() -> FaultProxy {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; REQUEST.len()];
                while stream.read_exact(&mut request).await.is_ok() {
                    stream.write_all(&[HEAD, BODY].concat()).await.unwrap();
                }
            });
        }
    });
    FaultProxy::start(port).await
}

async fn connect(proxy: &FaultProxy) -> std::io::Result<TcpStream> {
    within(
        "a connection",
        TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())),
    )
    .await
}

/// Asks, and reads until the connection is over: what was answered, and how it ended.
async fn ask(proxy: &FaultProxy) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut stream = connect(proxy).await.unwrap();
    let mut answer = Vec::new();
    let outcome = async {
        stream.write_all(REQUEST).await?;
        stream.read_to_end(&mut answer).await
    };
    let outcome = within("an end", outcome).await;
    (answer, outcome.map(drop).map_err(|error| error.kind()))
}

#[tokio::test]
async fn a_fault_strikes_at_its_place() {
    let proxy = relayed().await;
    let whole = [HEAD, BODY].concat();
    for (rule, passes) in [
        (accept(Close), 0),
        (on(Handshake).before(Request, Close), 0),
        (on(Handshake).inside(Request, Close), 0),
        (on(Handshake).before(Head, Close), 0),
        (on(Handshake).after_bytes(9, Head, Close), 9),
        (on(Handshake).after(Head, Close), HEAD.len()),
        (on(None).inside(Body, Close), HEAD.len() + 2),
        (on(None).after(Body, Close), whole.len()),
        (on(None).after(Body, Close).carrying("bod"), whole.len()),
    ] {
        proxy.script([
            on(Poll).before(Request, Reset),
            on(None).before(Body, Reset).carrying("BODY"),
            rule.clone(),
        ]);
        let (answer, outcome) = ask(&proxy).await;
        assert_eq!(
            (&answer[..], outcome),
            (&whole[..passes], Ok(())),
            "{rule:?}"
        );
    }
    proxy.script([on(Handshake).after(Head, Reset)]);
    assert_eq!(ask(&proxy).await.1, Err(ErrorKind::ConnectionReset));
    proxy.script([on(Handshake).after(Head, Fault::say("else"))]);
    assert_eq!(ask(&proxy).await, ([HEAD, b"else"].concat(), Ok(())));
    assert_eq!(proxy.seen().struck, 11);
}

#[tokio::test]
async fn a_rule_counts() {
    let proxy = relayed().await;
    proxy.script([
        on(Handshake).before(Head, Close).nth(2),
        on(Handshake).before(Body, Close).always(),
    ]);
    for passes in [HEAD.len(), 0, HEAD.len()] {
        assert_eq!(ask(&proxy).await.0.len(), passes);
    }
}

#[tokio::test]
async fn what_is_written_in_pieces_arrives_in_pieces() {
    let proxy = relayed().await;
    let whole = [HEAD, BODY].concat();
    for at in 1..HEAD.len() {
        proxy.pace(Pace::SplitAt(at));
        let mut stream = connect(&proxy).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let mut first = [0; 1024];
        let read = stream.read(&mut first).await.unwrap();
        assert_eq!(&first[..read], &HEAD[..at]);
    }
    proxy.pace(Pace::OneByte);
    let mut stream = connect(&proxy).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    for byte in whole {
        let mut buffer = [0; 8];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(buffer[0], byte);
    }
}

#[tokio::test]
async fn what_is_open_stalls_and_goes_on_and_breaks() {
    let proxy = relayed().await;
    let mut stream = connect(&proxy).await.unwrap();
    let mut answer = vec![0; HEAD.len() + BODY.len()];
    for direction in [ToServer, ToClient] {
        proxy.wait_for("it", |seen| seen.open == 1).await;
        proxy.stall(direction);
        let before = proxy.seen();
        stream.write_all(REQUEST).await.unwrap();
        proxy
            .wait_for("a request", |seen| {
                seen.requests.len() > before.requests.len()
            })
            .await;
        if direction == ToClient {
            let asked = before.bytes_to_server + REQUEST.len() as u64;
            proxy
                .wait_for("it passing", |seen| seen.bytes_to_server == asked)
                .await;
        }
        assert_eq!(proxy.seen().bytes_to_client, before.bytes_to_client);
        proxy.resume();
        within("an answer", stream.read_exact(&mut answer))
            .await
            .unwrap();
    }
    proxy.half_open();
    stream.write_all(REQUEST).await.unwrap();
    proxy
        .wait_for("a request", |seen| seen.requests.len() == 3)
        .await;
    proxy.reset_all();
    let outcome = within("an end", stream.read(&mut answer)).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionReset);
    proxy.wait_for("nobody", |seen| seen.open == 0).await;
    assert_eq!(proxy.seen().bytes_to_server, 2 * REQUEST.len() as u64);
}

#[tokio::test]
async fn the_port_refuses_ignores_and_accepts_again() {
    let mut proxy = relayed().await;
    proxy.script([on(Handshake).after(Body, Close).always()]);
    let whole = [HEAD, BODY].concat();
    for _ in 0..2 {
        assert_eq!(ask(&proxy).await, (whole.clone(), Ok(())));
        proxy.refuse().await;
        let refused = connect(&proxy).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        #[cfg(target_os = "linux")]
        {
            proxy.ignore().await;
            let soon = std::time::Duration::from_millis(50);
            let connecting = tokio::time::timeout(soon, connect(&proxy)).await;
            assert!(connecting.is_err(), "{connecting:?}");
        }
        proxy.accept_again().await;
    }
    assert_eq!(ask(&proxy).await, (whole, Ok(())));
}
