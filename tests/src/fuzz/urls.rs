//! URLs and paths, from a user, a file or a server's answer.

use engineio::{Endpoint, Timestamp, Transport};
use graph_notifications::{BaseUrl, DeltaLink, ExposeSecret, NotificationUrl};
use graph_notifications::{PlainHttp, Recipe, Resource, UrlOptions};
use socketio::Target;

/// What stands in the query of each URL, and must be seen nowhere.
const SECRET: &str = "PLANTED5ECRET";

/// The bytes as a URL of each kind, as a path and as a query.
pub fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    target(text);
    endpoint(text);
    notification_url(text);
    resource(text);
    secrets(text);
}

/// Nothing of it gets out of its place: no blank, no line break, no second `?`'s worth of path.
fn endpoint_of(endpoint: &Endpoint) {
    assert!(endpoint.path().starts_with('/'));
    assert!(!endpoint.host().is_empty());
    let query = endpoint.query().unwrap_or_default();
    let illegal = |byte: u8| !byte.is_ascii_graphic() || byte == b'#';
    assert!(!query.bytes().any(illegal), "{query:?} in a request line");
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut connection = engineio::Config::default();
        connection.transports = vec![transport];
        let mut connection = engineio::Connection::new(connection, super::script::start());
        let Some(engineio::Action::Get(target) | engineio::Action::OpenWebSocket(target)) =
            connection.poll_action()
        else {
            panic!("it does not want to open");
        };
        let timestamp = Timestamp::always();
        let name = timestamp.parameter(transport);
        let url = endpoint.url(&target, name.map(|name| (name, "now")));
        assert!(!url.as_str().bytes().any(illegal), "{url}");
        assert_eq!(url.host_str(), Some(endpoint.host()));
        assert_eq!(url.port_or_known_default(), Some(endpoint.port()));
        assert_eq!(url.path(), endpoint.path());
        assert!(url.username().is_empty() && url.password().is_none());
        let named = url.query_pairs().filter(|(name, _)| name == "EIO");
        assert_eq!(named.count(), 1, "{url}");
        // The URL standard writes it in another way.
        let query = query.replace('\'', "%27");
        assert!(url.query().unwrap_or_default().contains(&query), "{url}");
    }
}

fn target(text: &str) {
    let Ok(target) = Target::parse(text) else {
        return;
    };
    let namespace = target.namespace().as_str();
    assert!(namespace.starts_with('/') && !namespace.contains([',', '\u{1e}']));
    assert!(
        namespace == "/" || text.contains(namespace),
        "a namespace is taken as it is"
    );
    endpoint_of(target.endpoint());
    let again = format!(
        "{}://{}:{}{namespace}?{}",
        if target.endpoint().is_tls() {
            "wss"
        } else {
            "ws"
        },
        target.endpoint().host(),
        target.endpoint().port(),
        target.endpoint().query().unwrap_or_default(),
    );
    assert_eq!(Target::parse(&again).as_ref(), Ok(&target));
    let others = [
        target.clone().with_path(text),
        target.clone().with_exact_path(text),
        target.clone().with_query(text),
        target.with_query_pairs([(text, text)]),
    ];
    for other in others.into_iter().flatten() {
        endpoint_of(other.endpoint());
    }
}

fn endpoint(text: &str) {
    if let Ok(endpoint) = Endpoint::parse(text) {
        endpoint_of(&endpoint);
    }
    let server = Endpoint::parse("https://server.test/").expect("a URL");
    let endpoints = [
        server.clone().with_path(text),
        server.clone().with_query(text),
        server.with_query_pairs([("name", text), (text, "value")]),
    ];
    for endpoint in endpoints.into_iter().flatten() {
        endpoint_of(&endpoint);
        assert_eq!(endpoint.host(), "server.test");
    }
}

fn notification_url(text: &str) {
    for recipe in [Recipe::Auto, Recipe::Direct, Recipe::Split] {
        for plain_http in [PlainHttp::Never, PlainHttp::OnLoopback] {
            let options = UrlOptions::default().recipe(recipe).plain_http(plain_http);
            let Ok(url) = NotificationUrl::parse_with(text, options) else {
                continue;
            };
            let query = url.query().expose_secret();
            assert!(text.ends_with(query) && !query.is_empty());
            assert!(url.namespace() == "/" || text.contains(url.namespace()));
            let target = format!("{}?{query}", url.endpoint());
            let target = Target::parse(&target).expect("it can be connected to");
            assert_eq!(target.namespace().as_str(), url.namespace());
            assert_eq!(target.endpoint().host(), url.host());
            assert_eq!(target.endpoint().query(), Some(query));
            assert!(target.endpoint().is_tls() || target.endpoint().is_loopback());
            assert!(target.endpoint().is_tls() || plain_http == PlainHttp::OnLoopback);
        }
    }
    if let Ok(link) = DeltaLink::parse(text) {
        assert_eq!(link.expose(), text);
    }
}

fn resource(text: &str) {
    for resource in [
        Resource::drive(text),
        Resource::drive_list(text),
        Resource::group_drive(text),
        Resource::site_list(text, text),
        Resource::custom(text),
    ] {
        let Ok(path) = resource.path() else {
            continue;
        };
        assert!(path.starts_with('/'));
        assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
        let url = url(&format!("https://graph.test/v1.0{path}"));
        assert_eq!(url.host_str(), Some("graph.test"));
        assert!(url.path().starts_with("/v1.0/"), "{url} has climbed up");
    }
    if let Ok(base) = BaseUrl::parse(text, PlainHttp::OnLoopback) {
        let url = url(base.as_str());
        assert!(url.query().is_none() && url.fragment().is_none());
    }
}

fn url(text: &str) -> url::Url {
    url::Url::parse(text).expect("a URL")
}

/// A query is a credential.
fn secrets(text: &str) {
    // What a fuzzer has learned from here is in no query. The URL standard leaves out line breaks and tabs.
    if text.replace(['\t', '\r', '\n'], "").contains("ECRET") {
        return;
    }
    for text in [
        format!("{text}?k={SECRET}"),
        format!("{text}&k={SECRET}#{SECRET}"),
    ] {
        if !text.contains('?') {
            continue;
        }
        let told = [
            told(Target::parse(&text)),
            told(Endpoint::parse(&text)),
            told(NotificationUrl::parse(&text)),
            told(DeltaLink::parse(&text)),
            told(BaseUrl::parse(&text, PlainHttp::OnLoopback)),
        ];
        for told in told {
            assert!(!told.contains(SECRET), "{told}");
        }
    }
}

fn told<T: std::fmt::Debug, E: std::error::Error>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}
