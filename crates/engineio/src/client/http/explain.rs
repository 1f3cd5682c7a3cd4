//! What libraries say of a failure, in words that a person can act on.

use std::error::Error;

/// What a proxy asks with status 407, be it for a tunnel or for a request that it forwards.
pub(super) const PROXY_LOGIN: &str =
    "the proxy asks for a user name and a password, or refuses those that were given";
const PROXY_UNREACHABLE: &str = "the proxy cannot be reached";
const SOCKS_LOGIN: &str = "the proxy wants another way to log in: a user name and a password where none were given, or none";

/// What the innermost cause says, and what it means. The first one that fits counts.
const EXPLANATIONS: [(&str, &str); 31] = [
    (
        "InvalidContentType",
        "the server does not speak TLS; is it plain http?",
    ),
    // Its certificate.
    (
        "UnknownIssuer",
        "the certificate is signed by nobody whom this machine trusts",
    ),
    (
        "certificate: BadSignature",
        "the certificate is not signed by whom it names",
    ),
    ("certificate: Expired", "the certificate has expired"),
    ("certificate expired", "the certificate has expired"),
    (
        "certificate not valid yet",
        "the certificate is not valid yet; is the clock right?",
    ),
    // Ours.
    (
        "alert: CertificateRequired",
        "the server asks for a client certificate",
    ),
    (
        "alert: UnknownCA",
        "the server does not trust who signed the client certificate",
    ),
    (
        "alert: CertificateExpired",
        "the server says that the client certificate has expired",
    ),
    (
        "alert: CertificateRevoked",
        "the server says that the client certificate has been revoked",
    ),
    // OpenSSL's and older servers' words for none, too.
    (
        "alert: BadCertificate",
        "the server refuses the client certificate, or asks for one",
    ),
    (
        "alert: CertificateUnknown",
        "the server refuses the client certificate, or asks for one",
    ),
    (
        "alert: DecryptError",
        "the server does not accept the signature of the client certificate",
    ),
    (
        "alert: UnsupportedCertificate",
        "the server refuses the client certificate: it is not of a kind that it takes",
    ),
    (
        "alert: AccessDenied",
        "the server does not let the client certificate in",
    ),
    (
        "alert: HandshakeFailure",
        "the server agrees to no way of encrypting, or asks for a client certificate",
    ),
    (
        "alert: ProtocolVersion",
        "the server speaks no version of TLS that is still safe",
    ),
    (
        "alert: NoApplicationProtocol",
        "the server does not speak HTTP/1.1 by TLS",
    ),
    (
        "alert: UnrecognisedName",
        "the server does not know the host's name",
    ),
    // Proxies.
    ("proxy authorization required", PROXY_LOGIN),
    (
        "tunnel error: unexpected end of file",
        "the proxy hung up instead of letting the connection through",
    ),
    (
        "tunnel error: unsuccessful",
        "the proxy does not let the connection through: its rules forbid it, or it cannot reach the server",
    ),
    (
        "tunnel error",
        "the proxy does not let the connection through",
    ),
    (
        "SOCKS error: failed to create underlying connection",
        PROXY_UNREACHABLE,
    ),
    (
        "SOCKS error: credentials not accepted",
        "the proxy refuses the user name and the password",
    ),
    (
        "SOCKS error: server does not support user/pass authentication",
        SOCKS_LOGIN,
    ),
    (
        "SOCKS error: server implements authentication incorrectly",
        SOCKS_LOGIN,
    ),
    (
        "SOCKS error: failed serialize request",
        "the user name and the password are longer than SOCKS allows",
    ),
    (
        "SOCKS error: failed parsing server response",
        "the proxy does not speak SOCKS as it must",
    ),
    // Time.
    ("operation timed out", "nobody answered in time"),
    ("deadline has elapsed", "nobody answered in time"),
];

/// What went wrong, without a URL.
pub(super) fn explain(error: &dyn Error) -> String {
    let cause = innermost(error);
    let words = match in_words(&cause) {
        Some(words) => words.to_owned(),
        // A certificate's names are many, and none is the right one.
        None => cause
            .split("; certificate is only")
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    // The cause is that of a connection, and does not say to whom.
    let is_proxy = |error: &(dyn Error + 'static)| {
        error
            .to_string()
            .starts_with("tunnel error: failed to create")
    };
    match causes(error).any(is_proxy) {
        true => of_proxy(&words),
        false => words,
    }
}

/// The same where the connection was to a proxy.
pub(super) fn of_proxy(words: &str) -> String {
    match words.starts_with(PROXY_UNREACHABLE) {
        true => words.to_owned(),
        false => format!("{PROXY_UNREACHABLE}: {words}"),
    }
}

fn in_words(cause: &str) -> Option<&'static str> {
    let mut known = EXPLANATIONS.iter();
    let known = known.find(|(sign, _)| cause.contains(sign));
    known.map(|(_, words)| *words)
}

/// Whether the peer ended the TLS handshake. In TLS 1.3 a client learns only with the first answer, after what it
/// takes for the end of the handshake, that its certificate is refused.
pub(super) fn is_tls_refusal(error: &dyn Error) -> bool {
    innermost(error).contains("received fatal alert: ")
}

/// Whether what the peer said cannot be read as the head of an answer.
pub(super) fn is_not_http(error: &dyn Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse)
}

/// Whether the head of an answer is longer, or has more headers, than is read. To the library, that is unreadable, too.
pub(super) fn is_too_large(error: &dyn Error) -> bool {
    innermost(error).contains("message head is too large")
}

/// The innermost cause. The outer ones repeat "error sending request", and the outermost shows the URL.
pub(super) fn innermost(error: &dyn Error) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn causes(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Self>>);

    /// An error of an HTTP library, whose outermost layer shows the URL.
    fn chain(layers: &[&'static str]) -> Layer {
        let mut inner = None;
        for text in layers.iter().rev() {
            inner = Some(Box::new(Layer(text, inner)));
        }
        Layer(
            "error sending request for url (http://h/?token=secret)",
            inner,
        )
    }

    #[test]
    fn failures_are_told_in_words_to_act_on() {
        for (layers, words) in [
            (
                &["client error", "received fatal alert: CertificateRequired"][..],
                "the server asks for a client certificate",
            ),
            (
                &["received fatal alert: HandshakeFailure"],
                "the server agrees to no way of encrypting, or asks for a client certificate",
            ),
            (
                &["received fatal alert: UnknownCA"],
                "the server does not trust who signed the client certificate",
            ),
            (
                &["invalid peer certificate: UnknownIssuer"],
                "the certificate is signed by nobody whom this machine trusts",
            ),
            (
                &[
                    "invalid peer certificate: certificate not valid for name \"a\"; certificate is only valid for b, c, d",
                ],
                "invalid peer certificate: certificate not valid for name \"a\"",
            ),
            (
                &[
                    "client error (Connect)",
                    "tunnel error: proxy authorization required",
                ],
                "the proxy asks for a user name and a password, or refuses those that were given",
            ),
            (
                &["tunnel error: unsuccessful"],
                "the proxy does not let the connection through: its rules forbid it, or it cannot reach the server",
            ),
            (
                &["tunnel error: unexpected end of file"],
                "the proxy hung up instead of letting the connection through",
            ),
            (
                &["tunnel error: proxy response headers too long"],
                "the proxy does not let the connection through",
            ),
            (
                &[
                    "tunnel error: failed to create underlying connection",
                    "tcp connect error",
                    "Connection refused (os error 111)",
                ],
                "the proxy cannot be reached: Connection refused (os error 111)",
            ),
            (
                &[
                    "error connecting to socks proxy",
                    "SOCKS error: credentials not accepted",
                ],
                "the proxy refuses the user name and the password",
            ),
            (
                &["SOCKS error: server does not support user/pass authentication"],
                SOCKS_LOGIN,
            ),
            (
                &["SOCKS error: failed to create underlying connection"],
                "the proxy cannot be reached",
            ),
            (
                &["tcp connect error", "Connection refused (os error 111)"],
                "Connection refused (os error 111)",
            ),
            (&["operation timed out"], "nobody answered in time"),
            (&[], ""),
        ] {
            let explained = explain(&chain(layers));
            assert_eq!(explained, words, "{layers:?}");
            assert!(!explained.contains("secret"));
        }
    }

    #[test]
    fn only_an_alert_of_the_peer_is_a_refusal_of_tls() {
        assert!(is_tls_refusal(&chain(&[
            "x",
            "received fatal alert: UnknownCA"
        ])));
        assert!(!is_tls_refusal(&chain(&[
            "invalid peer certificate: UnknownIssuer"
        ])));
        assert!(!is_tls_refusal(&chain(&[])));
    }

    /// One that stands behind a more general one would never be found.
    #[test]
    fn each_explanation_is_reached() {
        for (sign, words) in EXPLANATIONS {
            assert_eq!(in_words(sign), Some(words), "{sign}");
        }
    }
}
