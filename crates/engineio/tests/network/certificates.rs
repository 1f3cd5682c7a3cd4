//! Whom we trust, and who we are.

use engineio::TransportErrorKind;

use super::http_server::Server;
use super::tls::{Authority, Tls};
use super::{POLLING, WAYS, WEBSOCKET, direct, session, transport_error};

#[tokio::test]
async fn a_private_authority_is_trusted_when_given() {
    let authority = Authority::new();
    for way in WAYS {
        let server = Server::tls(authority.server()).await;
        let trusting = direct()
            .root_certificates_pem(authority.pem().as_bytes())
            .unwrap();
        session(trusting.clone(), &server.url(), way).await.unwrap();
        let server = Server::tls(authority.server()).await;
        let trusting_only = trusting.no_system_certificates();
        session(trusting_only, &server.url(), way).await.unwrap();
    }
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_refused() {
    let server = Server::tls(Authority::new().server()).await;
    let other = Authority::new().pem();
    let with_other = direct().root_certificates_pem(other.as_bytes()).unwrap();
    for http in [
        direct(),
        direct().no_system_certificates(),
        with_other.clone(),
        with_other.no_system_certificates(),
    ] {
        for way in WAYS {
            let error = transport_error(session(http.clone(), &server.url(), way).await);
            assert_eq!(error.kind, TransportErrorKind::Connect);
            assert_eq!(
                error.message,
                "the certificate is signed by nobody whom this machine trusts"
            );
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for tls in [Tls::V12, Tls::V13] {
        for way in WAYS {
            let server = Server::tls(authority.server_for(&clients, tls)).await;
            let http = direct()
                .root_certificates_pem(authority.pem().as_bytes())
                .unwrap()
                .client_identity_pem(clients.client_identity().as_bytes())
                .unwrap();
            session(http, &server.url(), way).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_missing_or_not_trusted_is_told() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let nobody = direct()
        .root_certificates_pem(authority.pem().as_bytes())
        .unwrap();
    let stranger = nobody
        .clone()
        .client_identity_pem(Authority::new().client_identity().as_bytes())
        .unwrap();
    for (tls, http, words) in [
        (Tls::V12, &nobody, "asks for a client certificate"),
        (Tls::V13, &nobody, "asks for a client certificate"),
        (
            Tls::V12,
            &stranger,
            "does not trust who signed the client certificate",
        ),
        (
            Tls::V13,
            &stranger,
            "does not trust who signed the client certificate",
        ),
    ] {
        let server = Server::tls(authority.server_for(&clients, tls)).await;
        for way in [POLLING, WEBSOCKET] {
            let error = transport_error(session(http.clone(), &server.url(), way).await);
            assert_eq!(error.kind, TransportErrorKind::Connect, "{tls:?} {error}");
            assert!(error.message.contains(words), "{tls:?} {error}");
        }
        assert!(server.requests().is_empty());
    }
}
