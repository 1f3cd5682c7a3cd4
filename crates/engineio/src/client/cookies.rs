//! The cookies of one session: those that load balancers recognise a client by, RFC 6265.

mod date;

use std::fmt;
use std::time::{Duration, SystemTime};

use ::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

use crate::config::Limits;
use crate::endpoint::Endpoint;

/// The outcome of a request, with the cookies of its answer.
pub(super) struct Answer<T> {
    pub(super) outcome: T,
    pub(super) cookies: Vec<HeaderValue>,
}

impl<T> Answer<T> {
    pub(super) fn new(outcome: T, headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(SET_COOKIE).iter().cloned().collect();
        Self { outcome, cookies }
    }

    pub(super) fn without_cookies(outcome: T) -> Self {
        let cookies = Vec::new();
        Self { outcome, cookies }
    }
}

/// Keeps what answers set, and gives it to requests.
///
/// All requests of a session go to one host and one path. So a cookie is known by its name alone, and whether its
/// attributes allow it here is decided once, when it is set; no other host ever sees it.
pub(super) struct Jar {
    host: String,
    path: String,
    is_secure: bool,
    max_cookies: usize,
    max_bytes: usize,
    /// In the order in which they were first set.
    cookies: Vec<Cookie>,
}

struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    expires: Option<SystemTime>,
}

impl Cookie {
    /// What it takes in a request, with `=` and `; `.
    fn len(&self) -> usize {
        self.name.len() + self.value.len() + 3
    }
}

impl Jar {
    pub(super) fn new(endpoint: &Endpoint, limits: &Limits) -> Self {
        Self {
            host: endpoint.host().to_ascii_lowercase(),
            path: endpoint.path().to_owned(),
            // What stays on this machine is as safe as TLS; browsers see it so too.
            is_secure: endpoint.is_tls() || endpoint.is_loopback(),
            max_cookies: limits.max_cookies,
            max_bytes: limits.max_cookie_bytes,
            cookies: Vec::new(),
        }
    }

    /// Does what `Set-Cookie` headers say, RFC 6265, sections 5.2 and 5.3.
    pub(super) fn store(&mut self, set_cookies: &[HeaderValue], now: SystemTime) {
        for set_cookie in set_cookies {
            let Some(cookie) = self.read(set_cookie.as_bytes(), now) else {
                continue;
            };
            let known = self.cookies.iter_mut().find(|old| old.name == cookie.name);
            match known {
                Some(known) => *known = cookie,
                None => self.cookies.push(cookie),
            }
            self.cookies.retain(|cookie| cookie.is_alive(now));
            // The oldest ones go first.
            while self.cookies.len() > self.max_cookies || self.len() > self.max_bytes {
                self.cookies.remove(0);
            }
        }
    }

    fn len(&self) -> usize {
        self.cookies.iter().map(Cookie::len).sum()
    }

    /// The cookie, unless it is not for this session.
    fn read(&self, set_cookie: &[u8], now: SystemTime) -> Option<Cookie> {
        let mut parts = set_cookie.split(|byte| *byte == b';');
        let (name, value) = split_pair(parts.next()?)?;
        let mut cookie = Cookie {
            name: name.to_vec(),
            value: value.to_vec(),
            expires: None,
        };
        if name.is_empty() || cookie.len() > self.max_bytes {
            return None;
        }
        let mut max_age = None;
        let mut path: &[u8] = b"";
        let mut domain: &[u8] = b"";
        // Of attributes that are repeated, the last one counts.
        for part in parts {
            let (key, value) = split_pair(part).unwrap_or((part.trim_ascii(), b""));
            match key.to_ascii_lowercase().as_slice() {
                b"expires" => cookie.expires = date::read(value).or(cookie.expires),
                b"max-age" => max_age = read_age(value).or(max_age),
                b"path" => path = value,
                b"domain" => domain = value.strip_prefix(b".").unwrap_or(value),
                b"secure" if !self.is_secure => return None,
                _ => {}
            }
        }
        if !self.is_on_path(path) || !self.is_in_domain(domain) {
            return None;
        }
        // It has precedence over a date.
        if let Some(age) = max_age {
            cookie.expires = age.map_or(Some(SystemTime::UNIX_EPOCH), |age| now.checked_add(age));
        }
        Some(cookie)
    }

    /// Path matching, RFC 6265, section 5.1.4. The default path, that of the request up to its last slash, always fits.
    fn is_on_path(&self, path: &[u8]) -> bool {
        if !path.starts_with(b"/") {
            return true;
        }
        self.path
            .as_bytes()
            .strip_prefix(path)
            .is_some_and(|rest| path.ends_with(b"/") || rest.is_empty() || rest.starts_with(b"/"))
    }

    /// Domain matching, RFC 6265, section 5.1.3.
    fn is_in_domain(&self, domain: &[u8]) -> bool {
        if domain.is_empty() {
            return true;
        }
        self.host
            .as_bytes()
            .strip_suffix(domain.to_ascii_lowercase().as_slice())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
    }

    /// Adds the cookies to a request, behind the caller's own. There is one header at most, RFC 6265, section 5.4.
    pub(super) fn add_to(&self, headers: &mut HeaderMap, now: SystemTime) {
        let mut line = Vec::new();
        let own = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
        for value in own {
            append(&mut line, &[value]);
        }
        let alive = self.cookies.iter().filter(|cookie| cookie.is_alive(now));
        for cookie in alive {
            append(&mut line, &[&cookie.name, b"=", &cookie.value]);
        }
        if line.is_empty() {
            return;
        }
        // Its parts came in headers.
        if let Ok(mut value) = HeaderValue::from_bytes(&line) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// What no error may show.
    pub(super) fn values(&self) -> impl Iterator<Item = String> {
        let cookies = self.cookies.iter();
        cookies.map(|cookie| String::from_utf8_lossy(&cookie.value).into_owned())
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jar({} cookies)", self.cookies.len())
    }
}

impl Cookie {
    fn is_alive(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

/// The wall clock: it is dates that cookies expire at.
#[expect(
    clippy::disallowed_methods,
    reason = "a driver may read a clock, and cookies expire by the wall clock"
)]
pub(super) fn today() -> SystemTime {
    SystemTime::now()
}

fn append(line: &mut Vec<u8>, parts: &[&[u8]]) {
    if !line.is_empty() {
        line.extend_from_slice(b"; ");
    }
    for part in parts {
        line.extend_from_slice(part);
    }
}

fn split_pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|byte| *byte == b'=')?;
    let (name, value) = part.split_at_checked(at)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// Seconds; `Some(None)` for those that are over. What is no number is no age.
fn read_age(value: &[u8]) -> Option<Option<Duration>> {
    let text = str::from_utf8(value).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if text.starts_with('-') || digits.bytes().all(|byte| byte == b'0') {
        return Some(None);
    }
    Some(Some(Duration::from_secs(
        digits.parse().unwrap_or(u64::MAX),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://api.example.com/engine.io/";

    fn jar(url: &str) -> Jar {
        Jar::new(&Endpoint::parse(url).unwrap(), &Limits::default())
    }

    /// 2026-01-01.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    fn set(jar: &mut Jar, set_cookie: &str) {
        jar.store(&[HeaderValue::from_str(set_cookie).unwrap()], now());
    }

    fn sent_at(jar: &Jar, own: &[&'static str], now: SystemTime) -> Option<String> {
        let mut headers = HeaderMap::new();
        for own in own {
            headers.append(COOKIE, HeaderValue::from_static(own));
        }
        jar.add_to(&mut headers, now);
        assert!(headers.get_all(COOKIE).iter().count() <= 1);
        let value = headers.get(COOKIE)?;
        assert!(value.is_sensitive());
        Some(value.to_str().unwrap().to_owned())
    }

    fn sent(jar: &Jar) -> String {
        sent_at(jar, &[], now()).unwrap_or_default()
    }

    #[test]
    fn what_is_set_is_sent_or_not() {
        for (set_cookie, expected) in [
            ("io=abc; Path=/; HttpOnly; SameSite=Lax", "io=abc"),
            ("  a = b c  ;Path=/", "a=b c"),
            ("a=", "a="),
            ("a=b=c==", "a=b=c=="),
            ("a=\"b,c\"", "a=\"b,c\""),
            // No name.
            ("abc", ""),
            ("=abc", ""),
            ("", ""),
            // Age.
            ("a=b; Max-Age=60", "a=b"),
            ("a=b; max-age=99999999999999999999999999", "a=b"),
            ("a=b; Max-Age=0", ""),
            ("a=b; Max-Age=-0", ""),
            ("a=b; Max-Age=-1", ""),
            ("a=b; Max-Age=soon", "a=b"),
            ("a=b; Max-Age=+0", "a=b"),
            ("a=b; Max-Age=", "a=b"),
            ("a=b; Max-Age=0; Max-Age=60", "a=b"),
            // Date.
            ("a=b; Expires=Thu, 31 Dec 2037 23:59:59 GMT", "a=b"),
            ("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
            ("a=b; expires=Thu, 01-Jan-1970 00:00:00 GMT", ""),
            ("a=b; Expires=Thursday, 01-Jan-70 00:00:00 GMT", ""),
            ("a=b; Expires=Thu Jan  1 00:00:00 1970", ""),
            ("a=b; Expires=Wed, 31 Dec 2025 23:59:59 GMT", ""),
            ("a=b; Expires=Thu, 01-Jan-70 00:00:01 GMT", ""),
            ("a=b; Expires=Mon, 01-Jan-0001 00:00:00 GMT", ""),
            ("a=b; Expires=0", "a=b"),
            (
                "a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "a=b",
            ),
            ("a=b; Max-Age=0; Expires=Thu, 31 Dec 2037 23:59:59 GMT", ""),
            // Path.
            ("a=b; Path=/engine.io", "a=b"),
            ("a=b; Path=/engine.io/", "a=b"),
            ("a=b; Path=/engine", ""),
            ("a=b; Path=/engine.io/x", ""),
            ("a=b; Path=/other", ""),
            ("a=b; Path=/other; Path=/", "a=b"),
            ("a=b; Path=relative", "a=b"),
            ("a=b; Path", "a=b"),
            // Domain.
            ("a=b; Domain=api.example.com", "a=b"),
            ("a=b; Domain=.Example.COM", "a=b"),
            ("a=b; Domain=", "a=b"),
            ("a=b; Domain=ple.com", ""),
            ("a=b; Domain=other.example.com", ""),
            ("a=b; Domain=x.api.example.com", ""),
            // Others.
            ("a=b; Secure", "a=b"),
            ("a=b; Partitioned; Priority=High", "a=b"),
            ("a=b;;; ;=", "a=b"),
        ] {
            let mut jar = jar(URL);
            set(&mut jar, set_cookie);
            assert_eq!(sent(&jar), expected, "{set_cookie}");
        }
    }

    #[test]
    fn a_secure_cookie_needs_tls_or_this_machine() {
        for (url, expected) in [
            ("https://example.com", "a=b"),
            ("http://example.com", ""),
            ("http://localhost", "a=b"),
            ("http://127.0.0.1:1", "a=b"),
            ("http://[::1]:1", "a=b"),
        ] {
            let mut jar = jar(url);
            set(&mut jar, "a=b; secure");
            assert_eq!(sent(&jar), expected, "{url}");
        }
    }

    #[test]
    fn a_cookie_is_replaced_and_deleted_by_its_name() {
        let mut jar = jar(URL);
        set(&mut jar, "a=1");
        set(&mut jar, "b=2; Max-Age=60");
        set(&mut jar, "A=3");
        set(&mut jar, "a=4");
        assert_eq!(sent(&jar), "a=4; b=2; A=3");
        let later = now() + Duration::from_secs(60);
        assert_eq!(sent_at(&jar, &[], later).unwrap(), "a=4; A=3");
        set(&mut jar, "a=; Max-Age=0");
        set(&mut jar, "A=gone; Path=/other; Max-Age=0");
        assert_eq!(sent(&jar), "b=2; A=3");
        set(&mut jar, "b=2; Max-Age=0");
        set(&mut jar, "A=3; Max-Age=0");
        assert_eq!(sent_at(&jar, &[], now()), None);
    }

    #[test]
    fn the_caller_s_cookies_come_first() {
        let mut jar = jar(URL);
        let own = &["mine=1", "mine2=2"][..];
        assert_eq!(sent_at(&jar, own, now()).unwrap(), "mine=1; mine2=2");
        set(&mut jar, "a=b");
        assert_eq!(sent_at(&jar, own, now()).unwrap(), "mine=1; mine2=2; a=b");
    }

    #[test]
    fn the_oldest_cookies_make_room() {
        let mut limits = Limits {
            max_cookies: 2,
            max_cookie_bytes: 20,
            ..Limits::default()
        };
        let mut jar = Jar::new(&Endpoint::parse(URL).unwrap(), &limits);
        for name in ["a", "b", "c"] {
            set(&mut jar, &format!("{name}=1"));
        }
        assert_eq!(sent(&jar), "b=1; c=1");
        // 4 + 16 bytes, each with `=` and `; `.
        set(&mut jar, &format!("d={}", "x".repeat(11)));
        assert_eq!(sent(&jar), format!("c=1; d={}", "x".repeat(11)));
        set(&mut jar, &format!("d={}", "x".repeat(12)));
        assert_eq!(sent(&jar), format!("d={}", "x".repeat(12)));
        // One that never fits changes nothing.
        set(&mut jar, &format!("d={}", "x".repeat(17)));
        assert_eq!(sent(&jar), format!("d={}", "x".repeat(12)));
        limits.max_cookies = 0;
        let mut jar = Jar::new(&Endpoint::parse(URL).unwrap(), &limits);
        set(&mut jar, "a=b");
        assert_eq!(sent(&jar), "");
    }

    #[test]
    fn debug_hides_cookies() {
        let mut jar = jar(URL);
        set(&mut jar, "name=value");
        assert_eq!(format!("{jar:?}"), "Jar(1 cookies)");
        assert_eq!(jar.values().collect::<Vec<_>>(), ["value"]);
    }

    proptest::proptest! {
        #[test]
        fn no_header_is_too_odd(bytes: Vec<u8>, text in "[a-zA-Z=;, -]{0,60}") {
            let mut jar = jar(URL);
            let values = [bytes, text.into_bytes()];
            let values: Vec<_> = values.iter().filter_map(|bytes| HeaderValue::from_bytes(bytes).ok()).collect();
            jar.store(&values, now());
            let mut headers = HeaderMap::new();
            jar.add_to(&mut headers, now());
            proptest::prop_assert_eq!(headers.contains_key(COOKIE), !jar.cookies.is_empty());
        }
    }
}
