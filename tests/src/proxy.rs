//! Proxies that are told where to go, by HTTP or SOCKS.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A proxy on a free loopback port that wants a login. Whatever name it is asked for is this machine.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    asked: Asked,
    accepting: JoinHandle<()>,
}

type Asked = Arc<Mutex<Vec<String>>>;

impl Proxy {
    /// The name that the proxy wants to hear.
    pub const USER: &str = "proxy-user";
    /// The password that goes with it.
    pub const PASSWORD: &str = "proxy-password";

    /// An HTTP proxy that makes tunnels, RFC 9110, section 9.3.6.
    ///
    /// # Panics
    ///
    /// When no port can be opened.
    pub async fn connect() -> Self {
        Self::start(tunnel).await
    }

    /// A SOCKS proxy, RFC 1928 and RFC 1929.
    ///
    /// # Panics
    ///
    /// When no port can be opened.
    pub async fn socks5() -> Self {
        Self::start(socks5).await
    }

    async fn start<S>(serve: fn(TcpStream, Asked) -> S) -> Self
    where
        S: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let asked = Asked::default();
        let shared = Arc::clone(&asked);
        let (port, accepting) = listen(move |stream| serve(stream, Arc::clone(&shared))).await;
        Self {
            port,
            asked,
            accepting,
        }
    }

    /// `SCHEME://127.0.0.1:PORT`, without the login.
    #[must_use]
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// `SCHEME://USER:PASSWORD@127.0.0.1:PORT`.
    #[must_use]
    pub fn url_with_login(&self, scheme: &str) -> String {
        let (user, password) = (Self::USER, Self::PASSWORD);
        format!("{scheme}://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Takes the `HOST:PORT` of each connection that was let through since it was asked last.
    ///
    /// # Panics
    ///
    /// When the proxy has failed.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("the proxy lives"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves everybody on a free loopback port. Whoever goes away in the middle is no failure.
pub(crate) async fn listen<S>(
    serve: impl Fn(TcpStream) -> S + Send + 'static,
) -> (u16, JoinHandle<()>)
where
    S: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // What is passed on waits for nothing.
            stream.set_nodelay(true).ok();
            tokio::spawn(serve(stream));
        }
    });
    (port, accepting)
}

pub(crate) async fn dial(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn tunnel(mut stream: TcpStream, asked: Asked) -> std::io::Result<()> {
    let head = head(&mut stream).await?;
    let login = BASE64_STANDARD.encode(format!("{}:{}", Proxy::USER, Proxy::PASSWORD));
    let authorized = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .any(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value == format!("Basic {login}")
        });
    let target = head.strip_prefix("CONNECT ").and_then(|rest| {
        let authority = rest.split(' ').next()?;
        Some((authority, authority.rsplit_once(':')?.1.parse().ok()?))
    });
    let (status, target) = match target {
        Some(_) if !authorized => ("407 Proxy Authentication Required", None),
        Some(target) => ("200 OK", Some(target)),
        None => ("405 Method Not Allowed", None),
    };
    let answer = format!("HTTP/1.1 {status}\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    let Some((authority, port)) = target else {
        return Ok(());
    };
    note(&asked, authority.to_owned());
    copy_bidirectional(&mut stream, &mut dial(port).await?).await?;
    Ok(())
}

/// A request's head, byte by byte: what follows belongs to somebody else.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn socks5(mut stream: TcpStream, asked: Asked) -> std::io::Result<()> {
    const VERSION: u8 = 5;
    const BY_LOGIN: u8 = 2;
    const NOTHING_SUITS: u8 = 0xFF;

    let _version = stream.read_u8().await?;
    let offered = counted(&mut stream).await?;
    if !offered.contains(&BY_LOGIN) {
        return stream.write_all(&[VERSION, NOTHING_SUITS]).await;
    }
    stream.write_all(&[VERSION, BY_LOGIN]).await?;
    let _version = stream.read_u8().await?;
    let given = (counted(&mut stream).await?, counted(&mut stream).await?);
    let right = given.0 == Proxy::USER.as_bytes() && given.1 == Proxy::PASSWORD.as_bytes();
    stream.write_all(&[1, u8::from(!right)]).await?;
    if !right {
        return Ok(());
    }
    let mut command = [0; 4];
    stream.read_exact(&mut command).await?;
    let host = match command[3] {
        1 => Ipv4Addr::from(stream.read_u32().await?).to_string(),
        _ => String::from_utf8_lossy(&counted(&mut stream).await?).into_owned(),
    };
    let port = stream.read_u16().await?;
    note(&asked, format!("{host}:{port}"));
    let succeeded = [VERSION, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    stream.write_all(&succeeded).await?;
    copy_bidirectional(&mut stream, &mut dial(port).await?).await?;
    Ok(())
}

/// Bytes behind their number.
async fn counted(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn note(asked: &Asked, what: String) {
    asked.lock().expect("no test holds it").push(what);
}

pub(crate) async fn chunk(
    stream: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<Vec<u8>>> {
    let mut chunk = Vec::with_capacity(64 << 10);
    let read = stream.read_buf(&mut chunk).await?;
    Ok((read > 0).then_some(chunk))
}
