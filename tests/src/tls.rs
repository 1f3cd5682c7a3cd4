//! TLS with a private authority in front of a loopback server that speaks plain text.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::proxy::dial;

/// A TLS terminator on a free loopback port, with a certificate for `localhost` of an authority that
/// nobody trusts by default.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    authority: String,
    client: String,
    accepting: JoinHandle<()>,
}

impl TlsFront {
    /// Stands in front of `127.0.0.1:target`.
    ///
    /// # Panics
    ///
    /// When no certificate can be made or no port opened.
    pub async fn start(target: u16) -> Self {
        Self::start_with(target, false).await
    }

    /// The same for clients only that show a certificate of this authority.
    ///
    /// # Panics
    ///
    /// As [`TlsFront::start`].
    pub async fn start_for_clients(target: u16) -> Self {
        Self::start_with(target, true).await
    }

    async fn start_with(target: u16, asks_for_certificate: bool) -> Self {
        let (authority, client, config) = certificates(asks_for_certificate);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(acceptor.clone(), stream, target));
            }
        });
        Self {
            port,
            authority,
            client,
            accepting,
        }
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://localhost:PORT` followed by `rest`.
    #[must_use]
    pub fn url(&self, rest: &str) -> String {
        format!("https://localhost:{}{rest}", self.port)
    }

    /// The authority's certificate, as PEM.
    #[must_use]
    pub fn authority_pem(&self) -> &[u8] {
        self.authority.as_bytes()
    }

    /// A client's certificate of this authority and its key, as PEM.
    #[must_use]
    pub fn client_pem(&self) -> &[u8] {
        self.client.as_bytes()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(acceptor: TlsAcceptor, stream: TcpStream, target: u16) {
    // A client that refuses the certificate is a case under test, not a failure here.
    stream.set_nodelay(true).ok();
    let Ok(mut encrypted) = acceptor.accept(stream).await else {
        return;
    };
    let Ok(mut plain) = dial(target).await else {
        return;
    };
    // Either side may leave without a farewell.
    tokio::io::copy_bidirectional(&mut encrypted, &mut plain)
        .await
        .ok();
}

/// An authority, a client with a certificate of it (both as PEM), and a server with another one.
fn certificates(asks_for_certificate: bool) -> (String, String, ServerConfig) {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");

    let certificate = |names: &[&str]| {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
        let params = CertificateParams::new(names).expect("valid names");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        (certificate, key)
    };
    let (client, client_key) = certificate(&["client"]);
    let (server, server_key) = certificate(&["localhost", "127.0.0.1"]);
    let config = ServerConfig::builder();
    let config = if asks_for_certificate {
        let mut roots = RootCertStore::empty();
        let added = roots.add(authority.der().clone());
        added.expect("it is an authority");
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
        config.with_client_cert_verifier(verifier.build().expect("there is an authority"))
    } else {
        config.with_no_client_auth()
    };
    let config = config
        .with_single_cert(
            vec![server.der().clone()],
            PrivatePkcs8KeyDer::from(server_key.serialize_der()).into(),
        )
        .expect("the key fits the certificate");
    let client = client.pem() + &client_key.serialize_pem();
    (authority.pem(), client, config)
}
