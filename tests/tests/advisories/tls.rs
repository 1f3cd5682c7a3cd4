//! A server must be the one that was asked for, unless a program goes out of its way.

use std::sync::Arc;

use engineio::client::{Client, Http, HttpBuilder};
use engineio::{CloseReason, Endpoint, Event, TransportErrorKind};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::raw;

/// What is wrong with the certificate that a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certificate {
    Good,
    SelfSigned,
    OfAnotherAuthority,
    ForAnotherHost,
    Expired,
    NotYetValid,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server on loopback that opens a session for everybody who trusts its certificate; and whether somebody did.
async fn serve(authority: &CertifiedIssuer<'static, KeyPair>, kind: Certificate) -> u16 {
    let key = KeyPair::generate().unwrap();
    let host = if kind == Certificate::ForAnotherHost {
        "elsewhere.example"
    } else {
        "localhost"
    };
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    match kind {
        Certificate::Expired => params.not_after = date_time_ymd(2020, 1, 1),
        Certificate::NotYetValid => params.not_before = date_time_ymd(2150, 1, 1),
        _ => {}
    }
    let certificate = match kind {
        Certificate::SelfSigned => params.self_signed(&key).unwrap(),
        Certificate::OfAnotherAuthority => params.signed_by(&key, &self::authority()).unwrap(),
        _ => params.signed_by(&key, authority).unwrap(),
    };
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = vec![0; 4096];
                let Ok(1..) = stream.read(&mut head).await else {
                    return;
                };
                assert_eq!(kind, Certificate::Good, "a request came, with its query");
                let open = raw::usual_open();
                let length = open.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{open}"
                );
                stream.write_all(answer.as_bytes()).await.ok();
                stream.read_to_end(&mut Vec::new()).await.ok();
            });
        }
    });
    port
}

/// By any way to a client of this crate: what the settings have to do with other things leaves verification alone.
fn builders(authority: &CertifiedIssuer<'static, KeyPair>) -> Vec<HttpBuilder> {
    let trusting = || {
        let builder = Http::builder().no_proxy().no_system_certificates();
        builder
            .root_certificates_pem(authority.pem().as_bytes())
            .unwrap()
    };
    vec![
        trusting(),
        trusting()
            .user_agent("x")
            .connect_timeout(None)
            .tcp_keepalive(None)
            .resolve("localhost", [[127, 0, 0, 1].into()]),
        trusting().customize(|settings| settings.connection_verbose(false)),
    ]
}

async fn try_to_open(http: Http, port: u16, transports: &[engineio::Transport]) -> Event {
    let url = format!("https://localhost:{port}/engine.io/?token=TOKEN");
    let endpoint = Endpoint::parse(&url).unwrap();
    let mut client = Client::new(http, endpoint, raw::config(transports));
    raw::next(&mut client).await
}

/// Verification is on by default, by polling and by WebSocket, and there is no setting that turns it off in passing.
#[tokio::test]
async fn cve_2016_10536_a_certificate_must_be_good() {
    let authority = authority();
    for (kind, words) in [
        (Certificate::Good, ""),
        (
            Certificate::SelfSigned,
            "signed by nobody whom this machine trusts",
        ),
        (
            Certificate::OfAnotherAuthority,
            "not signed by whom it names",
        ),
        (Certificate::ForAnotherHost, "not valid for name"),
        (Certificate::Expired, "has expired"),
        (Certificate::NotYetValid, "not valid yet"),
    ] {
        let port = serve(&authority, kind).await;
        for builder in builders(&authority) {
            let http = builder.build().unwrap();
            for transports in [raw::POLLING, raw::WEBSOCKET] {
                let event = try_to_open(http.clone(), port, transports).await;
                match event {
                    Event::Opened { .. } => assert_eq!(kind, Certificate::Good),
                    // This server speaks no WebSocket.
                    Event::Closed(CloseReason::Refused(_)) => assert_eq!(kind, Certificate::Good),
                    Event::Closed(CloseReason::Transport(error)) => {
                        assert_ne!(kind, Certificate::Good, "{error}");
                        assert_eq!(error.kind, TransportErrorKind::Connect, "{kind:?}");
                        assert!(error.message.contains(words), "{kind:?}: {error}");
                    }
                    other => panic!("{kind:?}: {other:?}"),
                }
            }
        }
    }
}

/// What is not set is not off: an authority that nobody has named is not trusted, whoever made the client.
#[tokio::test]
async fn cve_2021_31597_what_is_not_set_is_not_off() {
    let authority = authority();
    let port = serve(&authority, Certificate::Good).await;
    for http in [
        Http::new().unwrap(),
        Http::builder()
            .no_proxy()
            .no_system_certificates()
            .build()
            .unwrap(),
        Http::builder()
            .no_proxy()
            .customize(|settings| settings)
            .build()
            .unwrap(),
    ] {
        let event = try_to_open(http, port, raw::POLLING).await;
        let Event::Closed(CloseReason::Transport(error)) = event else {
            panic!("{event:?}");
        };
        assert_eq!(error.kind, TransportErrorKind::Connect);
    }
}

/// A handshake message at the wrong level of encryption was taken by rustls before 0.23.45. This workspace has one
/// rustls, and a newer one.
#[test]
fn rustsec_2026_0285_rustls_is_a_fixed_one() {
    let versions = locked("rustls");
    assert_eq!(versions.len(), 1, "{versions:?}");
    for version in versions {
        assert!(version >= [0, 23, 45], "{version:?}");
    }
}

/// The same for the WebSocket library, before 0.20.1.
#[test]
fn rustsec_2023_0065_tungstenite_is_a_fixed_one() {
    let versions = locked("tungstenite");
    assert!(!versions.is_empty());
    for version in versions {
        assert!(version >= [0, 20, 1], "{version:?}");
    }
}

/// The versions of a package that this workspace is built with.
fn locked(package: &str) -> Vec<[u64; 3]> {
    let lock = include_str!("../../../Cargo.lock");
    let name = format!("name = \"{package}\"");
    let packages = lock
        .split("[[package]]")
        .filter(|entry| entry.lines().any(|line| line == name));
    packages
        .map(|entry| {
            let version = entry
                .lines()
                .find_map(|line| line.strip_prefix("version = "));
            let version = version.unwrap().trim_matches('"');
            let numbers = version.split(['.', '-', '+']).take(3);
            let numbers: Vec<_> = numbers.map(|number| number.parse().unwrap()).collect();
            numbers.try_into().unwrap()
        })
        .collect()
}
