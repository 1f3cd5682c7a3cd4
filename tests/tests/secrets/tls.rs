//! Who cannot prove to be the server is told nothing: no request leaves, whatever it is for.

use std::sync::Arc;

use conformance::within;
use engineio::client::{Client, Http, HttpBuilder};
use engineio::{CloseReason, Endpoint, Transport, TransportErrorKind};
use graph_notifications::{
    AccessToken, Cloud, Delta, DeltaError, DeviceCode, GraphError, LoginError, Resource, SendError,
    StaticToken, SubscriptionRequest, TokenRequest, TransportFailureKind,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::ear;
use crate::server::{Server, http};

const OPEN: &str =
    r#"0{"sid":"S","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}"#;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server with a certificate for this name, changed so.
    fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        config(certificate.der().clone(), &key)
    }

    /// A stack that trusts this authority and nobody else.
    fn trusting(&self) -> HttpBuilder {
        let builder = Http::builder().no_proxy().no_system_certificates();
        builder
            .root_certificates_pem(self.0.pem().as_bytes())
            .unwrap()
    }
}

fn self_signed() -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    config(params.self_signed(&key).unwrap().der().clone(), &key)
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    builder
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

fn client(http: &Http, port: u16, way: &[Transport]) -> Client {
    let mut config = engineio::Config::default();
    config.transports = way.to_vec();
    let url = format!("https://localhost:{port}/engine.io/?token=PLANTED");
    Client::new(http.clone(), Endpoint::parse(&url).unwrap(), config)
}

async fn next(client: &mut Client) -> engineio::Event {
    let event = within("an event", std::future::poll_fn(|cx| client.poll_event(cx))).await;
    event.unwrap()
}

/// Every kind of request of this stack fails, because of the certificate, before anything is said.
async fn refuses(name: &str, http: &Http, config: ServerConfig) {
    let server = Server::tls(vec![config], |_| panic!("a request was made")).await;
    for way in [
        &[Transport::Polling][..],
        &[Transport::WebSocket],
        &[Transport::Polling, Transport::WebSocket],
    ] {
        let engineio::Event::Closed(CloseReason::Transport(error)) =
            next(&mut client(http, server.port, way)).await
        else {
            panic!("{name}: no transport error")
        };
        assert_eq!(error.kind, TransportErrorKind::Connect, "{name}: {error}");
        assert!(error.message.contains("certificate"), "{name}: {error}");
    }
    let cloud = || Cloud::custom(&format!("https://localhost:{}", server.port)).unwrap();
    let mut request = SubscriptionRequest::new(Resource::me_drive());
    request.cloud = cloud();
    let token = AccessToken::new("PLANTED").unwrap();
    let refused = within("a refusal", request.send(http, &token))
        .await
        .unwrap_err();
    let is_connect = |error: &GraphError| matches!(error, GraphError::Transport(failure) if failure.kind == TransportFailureKind::Connect);
    assert!(
        matches!(&refused, SendError::Graph(error) if is_connect(error)),
        "{name}: {refused}"
    );
    let delta = Delta::builder(Resource::me_drive())
        .token(StaticToken::from(token))
        .cloud(cloud())
        .http(http.clone());
    let refused = within("a refusal", delta.build().unwrap().latest())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, DeltaError::Graph(error) if is_connect(error)),
        "{name}: {refused}"
    );
    let Cloud::Custom(authority) = cloud() else {
        unreachable!()
    };
    let sign_in = DeviceCode::builder("app")
        .authority(authority)
        .http(http.clone())
        .build()
        .unwrap();
    let login = sign_in.restore("PLANTED-refresh").unwrap();
    let asked = within("a refusal", login.access_token(TokenRequest::any())).await;
    for refused in [
        within("a refusal", sign_in.start()).await.unwrap_err(),
        asked.unwrap_err(),
    ] {
        let is_connect = matches!(
            refused,
            LoginError::Transport {
                kind: TransportFailureKind::Connect,
                ..
            }
        );
        assert!(is_connect, "{name}: {refused}");
    }
    assert!(server.seen().is_empty());
    assert!(server.connections() >= 7, "{name}");
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused() {
    ear::open();
    let (authority, other) = (Authority::new(), Authority::new());
    let stack = authority.trusting().build().unwrap();
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let not_yet = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    };
    refuses("expired", &stack, authority.server("localhost", expired)).await;
    refuses(
        "not valid yet",
        &stack,
        authority.server("localhost", not_yet),
    )
    .await;
    refuses(
        "of another host",
        &stack,
        authority.server("localhost.example", |_| {}),
    )
    .await;
    refuses(
        "of a wildcard",
        &stack,
        authority.server("*.localhost", |_| {}),
    )
    .await;
    refuses(
        "of an unknown authority",
        &stack,
        other.server("localhost", |_| {}),
    )
    .await;
    refuses("self-signed", &stack, self_signed()).await;
    ear::heard_no_secret();
}

/// With the system's certificates, as everybody has it who sets nothing.
#[tokio::test]
async fn by_default_only_the_system_s_authorities_are_trusted() {
    ear::open();
    let stack = Http::builder().no_proxy().build().unwrap();
    refuses("self-signed", &stack, self_signed()).await;
    refuses(
        "of an unknown authority",
        &stack,
        Authority::new().server("localhost", |_| {}),
    )
    .await;
    ear::heard_no_secret();
}

/// Each connection of a session is checked like the first, be it for a poll, a POST or the upgrade.
#[tokio::test]
async fn a_session_does_not_go_on_with_somebody_else() {
    let authority = Authority::new();
    let stack = authority.trusting().build().unwrap();
    for way in [
        &[Transport::Polling][..],
        &[Transport::Polling, Transport::WebSocket],
    ] {
        let good = authority.server("localhost", |_| {});
        let server = Server::tls(vec![good, self_signed()], |_| {
            http("200 OK", "Connection: close\r\n", OPEN)
        })
        .await;
        let mut client = client(&stack, server.port, way);
        let reason = loop {
            match next(&mut client).await {
                engineio::Event::Closed(reason) => break reason,
                engineio::Event::Opened { .. } => client.send("PLANTED".into()).unwrap(),
                _ => {}
            }
        };
        assert!(reason.to_string().contains("certificate"), "{reason}");
        assert_eq!(server.seen().len(), 1);
        assert!(server.connections() > 1);
    }
}

/// It takes a name that says what it does.
#[tokio::test]
async fn certificates_go_unchecked_only_where_a_program_says_so_itself() {
    let server = Server::tls(vec![self_signed()], |_| http("403 No", "", "")).await;
    let unchecked = Http::builder().no_proxy().no_system_certificates();
    let unchecked = unchecked
        .customize(|client| client.tls_danger_accept_invalid_certs(true))
        .build()
        .unwrap();
    let event = next(&mut client(&unchecked, server.port, &[Transport::Polling])).await;
    assert!(
        matches!(event, engineio::Event::Closed(CloseReason::Refused(_))),
        "{event:?}"
    );
}
