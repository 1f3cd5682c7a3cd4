//! The system's settings, proxies and certificates, which a process reads from its environment: each case is a process
//! of its own.

use std::process::{Command, Output};

use engineio::client::Http;

use super::http_server::Server;
use super::proxy_server::{HttpProxy, Proxy, SocksProxy};
use super::tls::Authority;
use super::{HOST, WAYS, session};

const SETTINGS: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
];
/// What tells the process what to do.
const URL: &str = "ENGINEIO_TEST_URL";
const WAY: &str = "ENGINEIO_TEST_WAY";
/// An authority that is trusted besides the system's.
const AUTHORITY: &str = "ENGINEIO_TEST_AUTHORITY";
/// Which of the system's settings are not used.
const WITHOUT: &str = "ENGINEIO_TEST_WITHOUT";

/// Runs a session in a process with these settings, and no others.
async fn in_process(
    url: String,
    way: usize,
    settings: impl IntoIterator<Item = (&'static str, String)>,
) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in SETTINGS {
        command.env_remove(name);
        command.env_remove(name.to_ascii_lowercase());
    }
    command
        .args(["--exact", "system::a_session_by_the_system_s_settings"])
        .env_remove("REQUEST_METHOD")
        .env(URL, url)
        .env(WAY, way.to_string())
        .envs(settings);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    super::within(run).await.unwrap()
}

/// The process of the other tests; by itself, a client with the settings of whoever runs the tests.
#[tokio::test]
async fn a_session_by_the_system_s_settings() {
    let Ok(url) = std::env::var(URL) else {
        Http::new().unwrap();
        return;
    };
    let way: usize = std::env::var(WAY).unwrap().parse().unwrap();
    let mut http = Http::builder().resolve(HOST, ["127.0.0.1".parse().unwrap()]);
    if let Ok(authority) = std::env::var(AUTHORITY) {
        http = http.root_certificates_pem(authority.as_bytes()).unwrap();
    }
    let http = match std::env::var(WITHOUT).as_deref() {
        Ok("proxy") => http.no_proxy(),
        Ok("certificates") => http.no_system_certificates(),
        _ => http,
    };
    session(http, &url, WAYS[way]).await.unwrap();
}

#[tokio::test]
async fn the_environment_names_the_proxy() {
    let authority = Authority::new();
    let http = Proxy::http(HttpProxy {
        login: Some("user:password"),
        ..HttpProxy::default()
    })
    .await;
    let socks = Proxy::socks(SocksProxy::default()).await;
    let http_url = http.url("http", "user:password");
    let socks_url = socks.url("socks5h", "");
    for way in 0..WAYS.len() {
        for (is_tls, settings, proxy) in [
            (false, vec![("HTTP_PROXY", &http_url)], &http),
            (true, vec![("HTTPS_PROXY", &http_url)], &http),
            (true, vec![("ALL_PROXY", &http_url)], &http),
            (true, vec![("https_proxy", &http_url)], &http),
            (false, vec![("ALL_PROXY", &socks_url)], &socks),
            (
                true,
                vec![("HTTPS_PROXY", &socks_url), ("ALL_PROXY", &http_url)],
                &socks,
            ),
        ] {
            let server = match is_tls {
                true => Server::tls(authority.server()).await,
                false => Server::start().await,
            };
            let names = format!("{settings:?}");
            let settings = settings.into_iter();
            let settings = settings.map(|(name, value)| (name, value.clone()));
            let settings = settings.chain([(AUTHORITY, authority.pem())]);
            let output = in_process(server.named_url(), way, settings).await;
            assert!(output.status.success(), "{names}: {output:?}");
            let port = server.port.to_string();
            let asked = proxy.asked();
            assert!(asked.iter().any(|line| line.contains(&port)), "{names}");
        }
    }
}

#[tokio::test]
async fn the_environment_names_who_needs_no_proxy() {
    let proxy = Proxy::http(HttpProxy::default()).await;
    for (excepted, is_used) in [(HOST, false), ("test", false), ("other.test", true)] {
        let server = Server::start().await;
        let settings = vec![
            ("ALL_PROXY", proxy.url("http", "")),
            ("NO_PROXY", excepted.to_owned()),
        ];
        let output = in_process(server.named_url(), 0, settings).await;
        assert!(output.status.success(), "{excepted}: {output:?}");
        assert!(!server.requests().is_empty());
        let port = server.port.to_string();
        let asked = proxy.asked();
        assert_eq!(
            asked.iter().any(|line| line.contains(&port)),
            is_used,
            "{excepted}"
        );
    }
}

#[tokio::test]
async fn the_environment_s_proxy_can_be_left_out() {
    let proxy = Proxy::http(HttpProxy::default()).await;
    for way in 0..WAYS.len() {
        let server = Server::start().await;
        let settings = [
            ("ALL_PROXY", proxy.url("http", "")),
            (WITHOUT, "proxy".to_owned()),
        ];
        let output = in_process(server.named_url(), way, settings).await;
        assert!(output.status.success(), "{output:?}");
        assert!(!server.requests().is_empty());
    }
    assert!(proxy.asked().is_empty());
}

/// The file that names them is the environment's, as for OpenSSL.
#[cfg(all(unix, not(target_vendor = "apple")))]
#[tokio::test]
async fn the_system_s_certificates_are_trusted_unless_left_out() {
    let authority = Authority::new();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("system.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let file = file.to_str().unwrap();
    for (without, is_trusted) in [("nothing", true), ("certificates", false)] {
        for more in [None, Some(Authority::new().pem())] {
            let server = Server::tls(authority.server()).await;
            let settings = [
                ("SSL_CERT_FILE", file.to_owned()),
                (WITHOUT, without.to_owned()),
            ];
            let more = more.map(|pem| (AUTHORITY, pem));
            let output = in_process(server.named_url(), 0, settings.into_iter().chain(more)).await;
            assert_eq!(output.status.success(), is_trusted, "{output:?}");
            assert_eq!(!server.requests().is_empty(), is_trusted);
        }
    }
}
