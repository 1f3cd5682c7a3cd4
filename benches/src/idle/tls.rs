//! A certificate for the loopback that nobody else trusts.

use std::io;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What a server shows, with its key, as PEM.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    /// A new one for `127.0.0.1`.
    ///
    /// # Errors
    ///
    /// When there is no randomness to be had.
    pub fn generate() -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// The certificate that clients are to trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(io::Error::other)?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate(&self.certificate)?], key)
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// For clients that trust just this certificate.
pub(super) fn connector(pem: &str) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(pem)?).map_err(io::Error::other)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificate(pem: &str) -> io::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)
}
