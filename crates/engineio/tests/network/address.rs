//! Addresses: ours, the server's, and those that do not answer. Most of it needs the loopback network of Linux.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use engineio::TransportErrorKind;
use engineio::client::HttpBuilder;
use tokio::net::{TcpListener, TcpSocket};

use super::http_server::Server;
use super::{HOST, POLLING, WAYS, client, converse, direct, session, transport_error, within};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Another address of this machine, where all of 127.0.0.0/8 is.
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// An address where nothing is answered and nothing refused: the queue of a listener that never accepts is full.
#[cfg(target_os = "linux")]
struct BlackHole {
    _listener: TcpListener,
    _waiting: TcpStream,
}

#[cfg(target_os = "linux")]
impl BlackHole {
    fn open(address: IpAddr, port: u16) -> Self {
        let address = SocketAddr::new(address, port);
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(0).unwrap();
        let waiting = TcpStream::connect(address).unwrap();
        Self {
            _listener: listener,
            _waiting: waiting,
        }
    }
}

#[tokio::test]
async fn a_name_can_be_given_addresses() {
    for way in WAYS {
        let server = Server::start().await;
        let http = direct().resolve(HOST, [LOCALHOST]);
        session(http, &server.named_url(), way).await.unwrap();
        let host = format!("{HOST}:{}", server.port);
        for request in server.requests() {
            assert_eq!(request.header("host"), Some(host.as_str()));
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_local_address_is_the_one_that_was_chosen() {
    for way in WAYS {
        let server = Server::start().await;
        let http = direct().local_address(SECOND).resolve(HOST, [LOCALHOST]);
        session(http, &server.named_url(), way).await.unwrap();
        assert!(!server.requests().is_empty());
        for request in server.requests() {
            assert_eq!(request.peer.ip(), SECOND);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_does_not_answer_gives_way_to_one_of_the_other_kind() {
    let server = Server::start().await;
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let _hole = BlackHole::open(v6, server.port);
    // Without the other one there is no answer: it is a hole.
    let alone = direct()
        .connect_timeout(Duration::from_millis(500))
        .resolve(HOST, [v6]);
    let error = transport_error(session(alone, &server.named_url(), POLLING).await);
    assert_eq!(
        (error.kind, error.message.as_str()),
        (TransportErrorKind::Connect, "nobody answered in time")
    );
    // RFC 8305: this needs no time limit.
    let http = direct()
        .connect_timeout(None)
        .resolve(HOST, [v6, LOCALHOST]);
    session(http, &server.named_url(), POLLING).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_does_not_answer_gives_way_to_another_one() {
    let server = Server::start().await;
    let _hole = BlackHole::open(SECOND, server.port);
    let http = direct()
        .connect_timeout(Duration::from_secs(4))
        .resolve(HOST, [SECOND, LOCALHOST]);
    session(http, &server.named_url(), POLLING).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_address_that_refuses_gives_way_to_another_one() {
    let server = Server::start().await;
    let refusing = [SECOND, IpAddr::V6(Ipv6Addr::LOCALHOST)];
    for address in refusing {
        let http = direct()
            .connect_timeout(None)
            .resolve(HOST, [address, LOCALHOST]);
        session(http, &server.named_url(), POLLING).await.unwrap();
    }
}

/// Which timer the kernel runs for the socket of the last request, `tr` of proc_tcp(5): 2 is keep-alive.
#[cfg(target_os = "linux")]
fn timer(server: &Server) -> String {
    let port = server.requests().last().unwrap().peer.port();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let remote = format!(":{:04X}", server.port);
    let line = table.lines().find(|line| {
        let mut columns = line.split_whitespace().skip(1);
        columns.next().unwrap().ends_with(&local) && columns.next().unwrap().ends_with(&remote)
    });
    let column = line.unwrap().split_whitespace().nth(5).unwrap();
    column.split_once(':').unwrap().0.to_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn tcp_keep_alive_is_on_unless_switched_off() {
    let probing = |http: HttpBuilder| async {
        let server = Server::start().await;
        let http = http.build().unwrap();
        let url = server.named_url();
        let mut client = client(http, &url, super::WEBSOCKET);
        within(client.next_event()).await.unwrap();
        // Until what is under way has been acknowledged, another timer runs.
        let timer = within(async {
            loop {
                match timer(&server).as_str() {
                    "00" => return false,
                    "02" => return true,
                    _ => tokio::task::yield_now().await,
                }
            }
        });
        let timer = timer.await;
        client.send("hello".into()).unwrap();
        client.close();
        converse(client, super::WEBSOCKET).await.ok();
        timer
    };
    let http = || direct().resolve(HOST, [LOCALHOST]);
    assert!(probing(http()).await);
    assert!(probing(http().tcp_keepalive(Duration::from_secs(60))).await);
    assert!(!probing(http().tcp_keepalive(None)).await);
}
