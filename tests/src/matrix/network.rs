//! The way from a client to the server of a cell.

use engineio::client::{Http, HttpBuilder};

use super::Network;
use crate::{Proxy, ReverseProxy, TlsFront, http};

/// What stands between client and server, and an HTTP stack that goes this way.
#[derive(Debug)]
pub(super) struct Way {
    hop: Hop,
    pub(super) http: Http,
}

#[derive(Debug)]
enum Hop {
    Plain { port: u16 },
    Tls(TlsFront),
    Proxy { proxy: Proxy, behind: TlsFront },
    Reverse(ReverseProxy),
}

impl Way {
    /// To `127.0.0.1:target`.
    pub(super) async fn build(network: Network, target: u16) -> Self {
        let hop = match network {
            Network::Plain => Hop::Plain { port: target },
            Network::Tls => Hop::Tls(TlsFront::start(target).await),
            Network::Proxy => Hop::Proxy {
                proxy: Proxy::connect().await,
                behind: TlsFront::start(target).await,
            },
            Network::ReverseProxy => Hop::Reverse(ReverseProxy::start(target).await),
        };
        let http = match &hop {
            Hop::Plain { .. } | Hop::Reverse(_) => http(),
            Hop::Tls(front) => built(trusting(front).no_proxy()),
            Hop::Proxy { proxy, behind } => {
                let by_proxy = trusting(behind).proxy(&proxy.url_with_login("http"));
                built(by_proxy.expect("a proxy's URL"))
            }
        };
        Self { hop, http }
    }

    /// The server's URL as a client sees it, followed by `rest`.
    pub(super) fn url(&self, rest: &str) -> String {
        match &self.hop {
            Hop::Plain { port } => format!("http://127.0.0.1:{port}{rest}"),
            Hop::Tls(front) | Hop::Proxy { behind: front, .. } => front.url(rest),
            Hop::Reverse(proxy) => proxy.url(rest),
        }
    }

    /// A client has really come this way.
    pub(super) fn assert_taken(&self) {
        match &self.hop {
            // What is not encrypted is not understood behind the other.
            Hop::Plain { .. } | Hop::Tls(_) => {}
            Hop::Proxy { proxy, behind } => {
                let target = format!("localhost:{}", behind.port());
                let asked = proxy.asked();
                assert!(asked.contains(&target), "the proxy was asked for {asked:?}");
            }
            Hop::Reverse(proxy) => assert_ne!(proxy.requests(), 0, "requests passed on"),
        }
    }
}

fn trusting(front: &TlsFront) -> HttpBuilder {
    let builder = Http::builder().root_certificates_pem(front.authority_pem());
    builder.expect("a certificate")
}

fn built(builder: HttpBuilder) -> Http {
    builder.build().expect("a TLS library")
}
