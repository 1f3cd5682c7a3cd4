//! TLS with a private authority in front of a loopback server that speaks plain text.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A TLS terminator on a free loopback port, with a certificate for `localhost` of an authority that
/// nobody trusts by default.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    authority: String,
    accepting: JoinHandle<()>,
}

impl TlsFront {
    /// Stands in front of `127.0.0.1:target`.
    ///
    /// # Panics
    ///
    /// When no certificate can be made or no port opened.
    pub async fn start(target: u16) -> Self {
        let (authority, config) = certificates();
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
            accepting,
        }
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
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(acceptor: TlsAcceptor, stream: TcpStream, target: u16) {
    // A client that refuses the certificate is a case under test, not a failure here.
    let Ok(mut encrypted) = acceptor.accept(stream).await else {
        return;
    };
    let Ok(mut plain) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    // Either side may leave without a farewell.
    tokio::io::copy_bidirectional(&mut encrypted, &mut plain)
        .await
        .ok();
}

/// An authority (as PEM), and a server with a certificate of it.
fn certificates() -> (String, ServerConfig) {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");

    let key = KeyPair::generate().expect("a key");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("valid names");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("the key fits the certificate");
    (authority.pem(), config)
}
