//! The system's proxy settings, which a process reads from its environment: each case is a process of its own.

use std::process::{Command, Output};

use engineio::client::Http;

use super::http_server::Server;
use super::proxy_server::{HttpProxy, Proxy, SocksProxy};
use super::tls::Authority;
use super::{HOST, WAYS, session};

const SETTINGS: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
/// What tells the process what to do.
const URL: &str = "ENGINEIO_TEST_URL";
const WAY: &str = "ENGINEIO_TEST_WAY";
const AUTHORITY: &str = "ENGINEIO_TEST_AUTHORITY";

/// Runs a session in a process with these settings, and no others.
async fn in_process(
    url: String,
    way: usize,
    authority: String,
    settings: Vec<(&'static str, String)>,
) -> Output {
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        for name in SETTINGS {
            command.env_remove(name);
            command.env_remove(name.to_ascii_lowercase());
        }
        command
            .args([
                "--exact",
                "system_proxy::a_session_by_the_system_s_settings",
            ])
            .env_remove("REQUEST_METHOD")
            .env(URL, url)
            .env(WAY, way.to_string())
            .env(AUTHORITY, authority)
            .envs(settings);
        command.output().unwrap()
    });
    super::within(run).await.unwrap()
}

/// The process of the other tests; by itself, a session with the settings of whoever runs the tests.
#[tokio::test]
async fn a_session_by_the_system_s_settings() {
    let Ok(url) = std::env::var(URL) else {
        Http::new().unwrap();
        return;
    };
    let way: usize = std::env::var(WAY).unwrap().parse().unwrap();
    let authority = std::env::var(AUTHORITY).unwrap();
    let http = Http::builder()
        .root_certificates_pem(authority.as_bytes())
        .unwrap()
        .resolve(HOST, ["127.0.0.1".parse().unwrap()]);
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
            let output =
                in_process(server.named_url(), way, authority.pem(), settings.collect()).await;
            assert!(output.status.success(), "{names}: {output:?}");
            let port = server.port.to_string();
            let asked = proxy.asked();
            assert!(asked.iter().any(|line| line.contains(&port)), "{names}");
        }
    }
}

#[tokio::test]
async fn the_environment_names_who_needs_no_proxy() {
    let authority = Authority::new();
    let proxy = Proxy::http(HttpProxy::default()).await;
    for (excepted, is_used) in [(HOST, false), ("test", false), ("other.test", true)] {
        let server = Server::start().await;
        let settings = vec![
            ("ALL_PROXY", proxy.url("http", "")),
            ("NO_PROXY", excepted.to_owned()),
        ];
        let output = in_process(server.named_url(), 0, authority.pem(), settings).await;
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
