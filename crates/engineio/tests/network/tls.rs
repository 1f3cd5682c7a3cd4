//! Certificates of a private authority.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Tls {
    V12,
    V13,
}

impl Tls {
    fn versions(self) -> [&'static SupportedProtocolVersion; 1] {
        [match self {
            Self::V12 => &TLS12,
            Self::V13 => &TLS13,
        }]
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        // No two have the same name.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client's certificate and key, as PEM.
    pub(crate) fn client_identity(&self) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["client".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        certificate.pem() + &key.serialize_pem()
    }

    /// A server that shows a certificate of this authority.
    pub(crate) fn server(&self) -> ServerConfig {
        self.config(Tls::V13, None)
    }

    /// A server that asks clients for one of `clients`, too.
    pub(crate) fn server_for(&self, clients: &Self, tls: Tls) -> ServerConfig {
        self.config(tls, Some(clients))
    }

    fn config(&self, tls: Tls, clients: Option<&Self>) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let names = [super::HOST.to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&tls.versions())
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let chain = vec![certificate.der().clone()];
        builder.with_single_cert(chain, key).unwrap()
    }
}
