//! Proxies: HTTP with `CONNECT` and with forwarding, and SOCKS 5. Whatever name they are given is this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::http_server::{Request, Stream};

/// What an HTTP proxy does.
#[derive(Clone, Default)]
pub(crate) struct HttpProxy {
    /// `user:password`.
    pub(crate) login: Option<&'static str>,
    /// Answers `CONNECT` with this status.
    pub(crate) refuses_connect: Option<&'static str>,
    /// Answers everything else with this status.
    pub(crate) refuses_forwarding: Option<&'static str>,
    /// Leaves out what concerns one hop only, as RFC 9110, section 7.6.1 tells proxies: no WebSocket gets through.
    pub(crate) is_by_the_book: bool,
    /// Speaks TLS itself.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// What a SOCKS proxy does.
#[derive(Clone, Copy, Default)]
pub(crate) struct SocksProxy {
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// The reply to a connect request, RFC 1928, section 6.
    pub(crate) reply: u8,
}

/// A proxy that runs, and what it has been asked: `METHOD target`, or the host and port by SOCKS.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) async fn http(settings: HttpProxy) -> Self {
        let tls = settings.tls.clone().map(TlsAcceptor::from);
        Self::start(async move |stream: TcpStream, peer, asked| match tls {
            Some(tls) => {
                settings
                    .serve(tls.accept(stream).await.ok()?, peer, asked)
                    .await
            }
            None => settings.serve(stream, peer, asked).await,
        })
        .await
    }

    pub(crate) async fn socks(settings: SocksProxy) -> Self {
        Self::start(async move |stream, _, asked| settings.serve(stream, asked).await).await
    }

    async fn start<S, F>(serve: S) -> Self
    where
        S: FnOnce(TcpStream, SocketAddr, Arc<Mutex<Vec<String>>>) -> F + Clone + Send + 'static,
        F: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::default();
        let shared = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let serve = serve.clone();
                tokio::spawn(serve(stream, peer, Arc::clone(&shared)));
            }
        });
        Self { port, asked }
    }

    /// `SCHEME://LOGIN@localhost:PORT`
    pub(crate) fn url(&self, scheme: &str, login: &str) -> String {
        let at = if login.is_empty() { "" } else { "@" };
        format!("{scheme}://{login}{at}localhost:{}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn dial(port: u16) -> Option<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()
}

impl HttpProxy {
    async fn serve(
        self,
        mut stream: impl Stream,
        peer: SocketAddr,
        asked: Arc<Mutex<Vec<String>>>,
    ) -> Option<()> {
        let request = Request::read(&mut stream, peer).await?;
        let target = request.target.split('?').next()?;
        asked
            .lock()
            .unwrap()
            .push(format!("{} {target}", request.method));
        let login = self.login.map(|login| BASE64_STANDARD.encode(login));
        let given = request.header("proxy-authorization");
        let given = given.and_then(|value| value.strip_prefix("Basic "));
        let is_connect = request.method == "CONNECT";
        let refusal = match is_connect {
            _ if login.is_some() && login.as_deref() != given => {
                Some("407 Proxy Authentication Required")
            }
            true => self.refuses_connect,
            false => self.refuses_forwarding,
        };
        if let Some(status) = refusal {
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\nSet-Cookie: proxy=1\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.ok()?;
            stream.read_to_end(&mut Vec::new()).await.ok()?;
            return None;
        }
        let address = request.target.trim_start_matches("http://");
        let (authority, _) = address.split_once('/').unwrap_or((address, ""));
        let (_, port) = authority.split_once(':')?;
        let mut server = dial(port.parse().unwrap()).await?;
        if is_connect {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
        } else {
            let head = self.forwarded(&request, address.strip_prefix(authority)?);
            server.write_all(head.as_bytes()).await.ok()?;
        }
        copy_bidirectional(&mut stream, &mut server).await.ok()?;
        Some(())
    }

    /// The request as a server gets it. One connection is for one request.
    fn forwarded(&self, request: &Request, path: &str) -> String {
        let is_upgrade = !self.is_by_the_book && request.header("upgrade").is_some();
        let mut head = format!("{} {path} HTTP/1.1\r\n", request.method);
        for (name, value) in &request.headers {
            match name.as_str() {
                "proxy-authorization" => {}
                "connection" | "upgrade" if !is_upgrade => {}
                _ => head.push_str(&format!("{name}: {value}\r\n")),
            }
        }
        if !is_upgrade {
            head.push_str("connection: close\r\n");
        }
        format!("{head}\r\n{}", request.body)
    }
}

impl SocksProxy {
    /// RFC 1928 and RFC 1929.
    async fn serve(self, mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) -> Option<()> {
        assert_eq!(stream.read_u8().await.ok()?, 5);
        let offered = string(&mut stream).await?;
        let method: u8 = if self.login.is_some() { 2 } else { 0 };
        if !offered.as_bytes().contains(&method) {
            stream.write_all(&[5, 0xFF]).await.ok()?;
            return None;
        }
        stream.write_all(&[5, method]).await.ok()?;
        if let Some((user, password)) = self.login {
            assert_eq!(stream.read_u8().await.ok()?, 1);
            let given = (string(&mut stream).await?, string(&mut stream).await?);
            let is_right = (given.0.as_str(), given.1.as_str()) == (user, password);
            stream.write_all(&[1, u8::from(!is_right)]).await.ok()?;
            if !is_right {
                return None;
            }
        }
        let mut command = [0; 4];
        stream.read_exact(&mut command).await.ok()?;
        assert_eq!(command[..3], [5, 1, 0]);
        let host = match command[3] {
            1 => Ipv4Addr::from(stream.read_u32().await.ok()?).to_string(),
            3 => string(&mut stream).await?,
            kind => panic!("address of type {kind}"),
        };
        let port = stream.read_u16().await.ok()?;
        asked.lock().unwrap().push(format!("{host}:{port}"));
        stream
            .write_all(&[5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0])
            .await
            .ok()?;
        if self.reply != 0 {
            return None;
        }
        let mut server = dial(port).await?;
        copy_bidirectional(&mut stream, &mut server).await.ok()?;
        Some(())
    }
}

/// A string behind its length.
async fn string(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await.ok()?)];
    stream.read_exact(&mut bytes).await.ok()?;
    String::from_utf8(bytes).ok()
}
