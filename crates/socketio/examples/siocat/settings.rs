//! From the command line to a connection's settings.

use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use socketio::engineio::client::Http;
use socketio::{Builder, ConnectError, Namespace, Parser, Reconnection, Target};

use crate::args::{Cli, ParserArg};
use crate::exit::{Failure, Status};

/// The settings, and the namespace that they name. No error repeats what may be a credential.
pub(crate) fn builder(cli: &Cli) -> Result<(Builder, Namespace), Failure> {
    let target = target(cli)?;
    let namespace = target.namespace().clone();
    let mut builder = Builder::to(target)
        .version(cli.version())
        .transports(cli.transports())
        .headers(headers(&cli.headers)?);
    if let Some(auth) = &cli.auth {
        builder = builder.auth(object(auth)?);
    }
    if cli.no_reconnect {
        builder = builder.reconnection(Reconnection::disabled());
    }
    builder = builder.parser(match cli.parser {
        ParserArg::Json => Parser::json(),
        ParserArg::Msgpack => Parser::msgpack(),
    });
    if let Some(http) = http(cli)? {
        builder = builder.http(http);
    }
    Ok((builder, namespace))
}

fn target(cli: &Cli) -> Result<Target, Failure> {
    let mut target = Target::parse(&cli.url)?;
    if let Some(namespace) = &cli.namespace {
        let namespace = Namespace::try_from(namespace.as_str()).map_err(ConnectError::from)?;
        target = target.with_namespace(namespace);
    }
    if let Some(path) = &cli.path {
        target = target.with_path(path)?;
    }
    if let Some(query) = &cli.query {
        target = target.with_query(query)?;
    }
    Ok(target)
}

/// A JSON object, as it was given.
fn object(auth: &str) -> Result<Box<RawValue>, Failure> {
    let value: Result<Box<RawValue>, _> = serde_json::from_str(auth);
    let what = match value {
        Ok(value) if value.get().starts_with('{') => return Ok(value),
        Ok(_) => "--auth is not an object".to_owned(),
        Err(error) => format!("--auth is not JSON from column {} on", error.column()),
    };
    let next = r#"give --auth a JSON object in quotes: --auth '{"token":"…"}'"#;
    Err(Failure::new(Status::Usage, what, next))
}

fn headers(lines: &[String]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (line, number) in lines.iter().zip(1..) {
        let Some((name, value)) = header(line) else {
            return Err(Failure::new(
                Status::Usage,
                format!("--header number {number} is not a header"),
                "give --header a name, a colon and a value: --header 'Authorization: Bearer …'",
            ));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
}

/// An HTTP stack, if the default one does not do.
fn http(cli: &Cli) -> Result<Option<Http>, Failure> {
    if cli.ca_file.is_none() && cli.proxy.is_none() {
        return Ok(None);
    }
    let mut http = Http::builder();
    if let Some(file) = &cli.ca_file {
        let pem = std::fs::read(file).map_err(|error| ca_file(file, error))?;
        http = http
            .root_certificates_pem(&pem)
            .map_err(|error| ca_file(file, error))?;
    }
    if let Some(proxy) = &cli.proxy {
        let next = "give --proxy a URL such as http://proxy:3128 or socks5://proxy:1080";
        http = http
            .proxy(proxy)
            .map_err(|error| Failure::new(Status::BadInput, error, next))?;
    }
    Ok(Some(http.build().map_err(Failure::internal)?))
}

fn ca_file(file: &Path, error: impl std::fmt::Display) -> Failure {
    let what = format!("{}: {error}", file.display());
    let next = "give --ca-file a file with certificates in PEM form";
    Failure::new(Status::BadInput, what, next)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn from(line: &[&str]) -> Result<(Builder, Namespace), Failure> {
        builder(&Cli::try_parse_from([&["siocat"], line].concat()).unwrap())
    }

    #[test]
    fn the_namespace_is_the_option_s_or_the_url_s() {
        for (line, namespace) in [
            (&["http://h"][..], "/"),
            (&["http://h/chat?q"], "/chat"),
            (&["http://h/chat", "--namespace", "/a"], "/a"),
        ] {
            assert_eq!(from(line).unwrap().1.as_str(), namespace);
        }
    }

    #[test]
    fn settings_that_cannot_be_used_have_a_status_and_are_not_repeated() {
        for (line, expected) in [
            (&["PLANTED"][..], Status::BadInput),
            (&["ftp://h/?PLANTED"], Status::BadInput),
            (&["http://h?PLANTED PLANTED"], Status::BadInput),
            (&["http://h", "--namespace", "a"], Status::BadInput),
            (&["http://h", "--path", "PLANTED"], Status::BadInput),
            (&["http://h", "--query", "PLANTED=é"], Status::BadInput),
            (&["http://h", "--query", "sid=PLANTED"], Status::BadInput),
            (&["http://h", "--proxy", "ftp://PLANTED"], Status::BadInput),
            (&["http://h", "--ca-file", "/nowhere/ca"], Status::BadInput),
            (&["http://h", "--ca-file", "Cargo.toml"], Status::BadInput),
            (&["http://h", "--auth", "PLANTED"], Status::Usage),
            (&["http://h", "--auth", "\"PLANTED\""], Status::Usage),
            (&["http://h", "--auth", "{\"a\":PLANTED}"], Status::Usage),
            (&["http://h", "--auth", "[]"], Status::Usage),
            (&["http://h", "--auth", ""], Status::Usage),
            (&["http://h", "--header", "PLANTED"], Status::Usage),
            (&["http://h", "--header", "a b: PLANTED"], Status::Usage),
            (&["http://h", "--header", ": PLANTED"], Status::Usage),
        ] {
            let Err(failure) = from(line) else {
                panic!("{line:?}")
            };
            assert!(!format!("{failure:?}").contains("PLANTED"), "{failure:?}");
            let Failure::Told { status, .. } = failure else {
                panic!("{failure:?}")
            };
            assert_eq!(status, expected, "{line:?}");
        }
    }

    #[test]
    fn headers_are_names_and_values() {
        let lines = ["A: b", "a:c:d ", "X-Empty:"].map(str::to_owned);
        let headers = headers(&lines).unwrap();
        assert!(headers.get_all("a").iter().eq(["b", "c:d"]));
        assert_eq!(headers["x-empty"], "");
        assert!(!format!("{headers:?}").contains("c:d"));
    }

    #[test]
    fn the_auth_payload_is_sent_as_it_was_given() {
        let auth = r#" {"z": 1.10, "a": 12345678901234567890123} "#;
        assert_eq!(object(auth).unwrap().get(), auth.trim());
    }
}
