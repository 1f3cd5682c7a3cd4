//! What an answer to a delta query means: no I/O here.

use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::delta::change::Change;
use crate::delta::error::{DeltaError, LinkOrigin, ResyncMode};
use crate::delta::link::DeltaLink;
use crate::error::{BadAnswer, GraphError, parse_retry_after};
use crate::subscription::{Answer, believable_now};

/// How deep the errors within an error are looked into. The service nests two.
const MAX_INNER_ERRORS: usize = 8;

/// Some of the changes, in the order in which the service tells them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The changes; there may be none. An item may be here several times, and on several pages: the
    /// last one counts.
    pub changes: Vec<Change>,
    /// Whether the service has no more.
    pub is_last: bool,
}

/// Where a page leads to.
pub(super) enum Next {
    Page(DeltaLink),
    Done(DeltaLink),
}

/// The request that an answer is for.
pub(super) struct Context<'a> {
    pub(super) base_url: &'a str,
    pub(super) url: &'a str,
    /// What must not be repeated of the request.
    pub(super) secrets: &'a [&'a str],
    pub(super) max_page_bytes: usize,
}

/// What it holds is read where it is wanted: as a [`Value`] it would take a hundred times its size.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow, rename = "@odata.nextLink")]
    next_link: Option<&'a RawValue>,
    #[serde(borrow, rename = "@odata.deltaLink")]
    delta_link: Option<&'a RawValue>,
}

/// What an item takes at least, in a page and in memory: so much of the page's limit it counts for.
const ITEM_BYTES: usize = 128;
/// So many items are never too many.
const MIN_ITEMS: usize = 4096;

impl Context<'_> {
    /// What the answer means. `now` is the wall clock, for dates.
    pub(super) fn read(
        &self,
        answer: &Answer<'_>,
        location: Option<&str>,
        now: SystemTime,
    ) -> Result<(Vec<Change>, Next), DeltaError> {
        if !(200..300).contains(&answer.status) {
            return Err(self.error(answer, location, now));
        }
        let body = answer.body.ok_or(GraphError::from(BadAnswer::TooLarge {
            limit: self.max_page_bytes,
        }))?;
        let body: Body<'_> = serde_json::from_slice(body)
            .map_err(|_| DeltaError::Graph(BadAnswer::NotJson.into()))?;
        // A page with both would not be the last one: nothing is skipped.
        let next = match (text(body.next_link), text(body.delta_link)) {
            (Some(link), _) => Next::Page(self.link(&link)?),
            (None, Some(link)) => Next::Done(self.link(&link)?),
            (None, None) => return Err(DeltaError::NoLink),
        };
        let changes = body
            .value
            .map_or(Ok(Vec::new()), |value| self.changes(value))?;
        Ok((changes, next))
    }

    fn changes(&self, value: &RawValue) -> Result<Vec<Change>, DeltaError> {
        let most = (self.max_page_bytes / ITEM_BYTES).max(MIN_ITEMS);
        let mut json = serde_json::Deserializer::from_str(value.get());
        match json.deserialize_seq(Items { most }) {
            Ok(Some(changes)) => Ok(changes),
            Ok(None) => {
                let limit = self.max_page_bytes;
                Err(GraphError::from(BadAnswer::TooLarge { limit }).into())
            }
            Err(_) => Err(DeltaError::NoChanges),
        }
    }

    fn link(&self, text: &str) -> Result<DeltaLink, DeltaError> {
        let link = DeltaLink::parse(text).map_err(DeltaError::BadLink)?;
        if link.belongs_to(self.base_url) {
            Ok(link)
        } else {
            Err(DeltaError::ForeignLink {
                origin: LinkOrigin::Answer,
            })
        }
    }

    fn error(&self, answer: &Answer<'_>, location: Option<&str>, now: SystemTime) -> DeltaError {
        let now = believable_now(now, answer.date);
        let body = answer.body.unwrap_or_default();
        let retry_after = answer
            .retry_after
            .and_then(|value| parse_retry_after(value, now));
        let error = GraphError::from_answer(
            answer.status,
            body,
            answer.request_id,
            retry_after,
            self.secrets,
        );
        let how = match (answer.status, resync_mode(body)) {
            (410, how) => how.unwrap_or(ResyncMode::Required),
            (400..=499, Some(how)) => how,
            _ => return error.into(),
        };
        let Some(answer) = error.answer() else {
            return error.into();
        };
        // The enumeration can start over without it, so an unusable one is none.
        let restart = location
            .and_then(|location| DeltaLink::from_location(location, self.url))
            .filter(|link| link.belongs_to(self.base_url));
        DeltaError::Resync {
            how,
            restart,
            answer: answer.clone(),
        }
    }
}

/// Reads a page, and says why it is of no use.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed(answer: &Answer<'_>, location: &str, secret: &str) -> Option<String> {
    let context = Context {
        base_url: "https://graph.test/v1.0",
        url: "https://graph.test/v1.0/me/drive/root/delta",
        secrets: &[secret],
        max_page_bytes: usize::MAX,
    };
    let page = context.read(answer, Some(location), SystemTime::UNIX_EPOCH);
    if let Ok((_, Next::Page(link) | Next::Done(link))) = &page {
        assert!(link.belongs_to(context.base_url));
    }
    crate::fuzzing::error(page)
}

/// Reads the items of a page; gives nothing where there are too many.
struct Items {
    most: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = Option<Vec<Change>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut changes = Vec::new();
        while let Some(item) = items.next_element::<&RawValue>()? {
            if changes.len() == self.most {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            changes.push(Change::read(item.to_owned()));
        }
        Ok(Some(changes))
    }
}

/// A string, if it is one.
pub(super) fn text(value: Option<&RawValue>) -> Option<String> {
    let json = value?.get();
    // Asking anything else for a string would cost an error that quotes it.
    json.starts_with('"')
        .then(|| serde_json::from_str(json).ok())
        .flatten()
}

/// What the codes of an error body ask for, from the outermost to the innermost.
fn resync_mode(body: &[u8]) -> Option<ResyncMode> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let mut error = body.get("error");
    let mut codes = Vec::new();
    for _ in 0..MAX_INNER_ERRORS {
        let Some(own) = error else { break };
        codes.extend(own.get("code").and_then(Value::as_str));
        error = own.get("innerError").or_else(|| own.get("innererror"));
    }
    ResyncMode::of_codes(codes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BASE: &str = "https://graph.microsoft.com/v1.0";
    const URL: &str = "https://graph.microsoft.com/v1.0/drives/b!x/root/delta?token=PLANTED";

    fn read(
        status: u16,
        body: Option<&str>,
        location: Option<&str>,
    ) -> Result<(Vec<Change>, Next), DeltaError> {
        let context = Context {
            base_url: BASE,
            url: URL,
            secrets: &["PLANTED"],
            max_page_bytes: 9,
        };
        let answer = Answer {
            status,
            retry_after: Some("7"),
            date: None,
            request_id: Some("r"),
            body: body.map(str::as_bytes),
        };
        context.read(&answer, location, SystemTime::UNIX_EPOCH)
    }

    fn error_of(status: u16, body: &str) -> DeltaError {
        match read(status, Some(body), None) {
            Err(error) => error,
            Ok(_) => panic!("{body}"),
        }
    }

    #[test]
    fn a_page_of_too_many_items_is_too_large() {
        let last = r#""@odata.deltaLink":"https://graph.microsoft.com/v1.0/d?token=2""#;
        for (count, is_read) in [(MIN_ITEMS, true), (MIN_ITEMS + 1, false)] {
            let items = vec!["0"; count].join(",");
            let page = read(200, Some(&format!(r#"{{"value":[{items}],{last}}}"#)), None);
            assert_eq!(page.is_ok(), is_read, "{count}");
        }
    }

    #[test]
    fn pages() {
        let next = r#""@odata.nextLink":"https://graph.microsoft.com/v1.0/n?token=1""#;
        let last = r#""@odata.deltaLink":"https://graph.microsoft.com/v1.0/d?token=2""#;
        let rows = [
            (format!(r#"{{"value":[],{next}}}"#), 0, false),
            (
                format!(r#"{{"value":[{{"id":"1"}},{{}}],{last}}}"#),
                2,
                true,
            ),
            // No content of an item is an error, and neither is an unknown field.
            (
                format!(r#"{{"value":[null,7,[]],"x":{{}},{last}}}"#),
                3,
                true,
            ),
            (format!(r#"{{{last}}}"#), 0, true),
            (format!(r#"{{"value":null,{last}}}"#), 0, true),
            // Nothing is skipped.
            (format!(r#"{{"value":[{{}}],{last},{next}}}"#), 1, false),
            (
                format!(r#"{{"value":[],"@odata.nextLink":null,{last}}}"#),
                0,
                true,
            ),
        ];
        for (body, count, is_last) in rows {
            let (changes, next) = read(200, Some(&body), None).unwrap();
            assert_eq!(changes.len(), count, "{body}");
            assert_eq!(matches!(next, Next::Done(_)), is_last, "{body}");
            let (Next::Page(link) | Next::Done(link)) = next;
            assert!(link.expose().starts_with(BASE));
        }
    }

    #[test]
    fn answers_that_are_no_page() {
        let too_large = read(200, None, None).err();
        let too_large_expected = GraphError::from(BadAnswer::TooLarge { limit: 9 });
        assert_eq!(too_large, Some(too_large_expected.into()));
        let not_json = || DeltaError::Graph(BadAnswer::NotJson.into());
        let foreign = || DeltaError::ForeignLink {
            origin: LinkOrigin::Answer,
        };
        let rows = [
            ("", not_json()),
            ("<html>", not_json()),
            ("null", not_json()),
            ("{}", DeltaError::NoLink),
            (r#"{"value":[]}"#, DeltaError::NoLink),
            (r#"{"@odata.deltaLink":7}"#, DeltaError::NoLink),
            (
                r#"{"value":{},"@odata.deltaLink":"https://graph.microsoft.com/d"}"#,
                DeltaError::NoChanges,
            ),
            (
                r#"{"@odata.deltaLink":"/relative"}"#,
                DeltaError::BadLink(crate::DeltaLinkError::NotAUrl),
            ),
            (
                r#"{"@odata.nextLink":"http://graph.microsoft.com/d"}"#,
                DeltaError::BadLink(crate::DeltaLinkError::NotHttps),
            ),
            (
                r#"{"@odata.nextLink":"https://evil.example/v1.0/d"}"#,
                foreign(),
            ),
            (
                r#"{"@odata.deltaLink":"https://evil.example/v1.0/d"}"#,
                foreign(),
            ),
            (
                r#"{"@odata.nextLink":"http://127.0.0.1/v1.0/d"}"#,
                foreign(),
            ),
            (
                r#"{"@odata.nextLink":"https://graph.microsoft.com:8443/d"}"#,
                foreign(),
            ),
        ];
        for (body, expected) in rows {
            assert_eq!(error_of(200, body), expected, "{body}");
        }
    }

    #[test]
    fn starting_over() {
        let code =
            |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"not PLANTED"}}}}"#);
        let nested =
            r#"{"error":{"code":"resyncRequired","innererror":{"code":"resyncApplyDifferences"}}}"#;
        let apply = Some(ResyncMode::ApplyDifferences);
        let upload = Some(ResyncMode::UploadDifferences);
        let required = Some(ResyncMode::Required);
        let rows = [
            (410, code("resyncChangesApplyDifferences"), apply),
            (410, code("resyncChangesUploadDifferences"), upload),
            (410, code("resyncRequired"), required),
            (400, code("resyncRequired"), required),
            (410, nested.to_owned(), apply),
            (410, code("itemNotFound"), required),
            (410, "<html>".to_owned(), required),
            (410, String::new(), required),
            (404, code("itemNotFound"), None),
            (500, code("resyncRequired"), None),
            (400, code("invalidRequest"), None),
        ];
        for (status, body, expected) in rows {
            let error = error_of(status, &body);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("PLANTED"), "{shown}");
            let how = match error {
                DeltaError::Resync { how, .. } => Some(how),
                _ => None,
            };
            assert_eq!(how, expected, "{status} {body}");
        }
    }

    #[test]
    fn where_to_start_over() {
        let rows = [
            (
                Some("https://graph.microsoft.com/v1.0/drives/b!x/root/delta?token=new"),
                Some("https://graph.microsoft.com/v1.0/drives/b!x/root/delta?token=new"),
            ),
            (
                Some("/v1.0/drives/b!x/root/delta"),
                Some("https://graph.microsoft.com/v1.0/drives/b!x/root/delta"),
            ),
            (Some("https://evil.example/v1.0/delta"), None),
            (Some("//evil.example/v1.0/delta"), None),
            (None, None),
        ];
        for (location, expected) in rows {
            let Err(DeltaError::Resync {
                restart, answer, ..
            }) = read(410, Some("{}"), location)
            else {
                panic!("{location:?}");
            };
            assert_eq!(restart.as_ref().map(DeltaLink::expose), expected);
            assert_eq!(answer.request_id.as_deref(), Some("r"));
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_only_links_of_the_cloud_are_followed(
            status in 200..600_u16,
            host in "[a-z.@:/#?\\\\0-9]{0,12}",
            before in "(https?:)?(//)?(graph\\.microsoft\\.com)?",
            junk in "[\\x00-\\x7f]{0,20}",
        ) {
            let link = format!("{before}{host}");
            let body = serde_json::json!({ "value": [junk], "@odata.nextLink": link }).to_string();
            let origin = |link: &DeltaLink| {
                assert!(link.expose().to_ascii_lowercase().starts_with("https:"));
                url::Url::parse(link.expose()).unwrap().origin().ascii_serialization()
            };
            match read(status, Some(&body), Some(&link)) {
                Ok((_, Next::Page(link) | Next::Done(link))) => {
                    proptest::prop_assert_eq!(origin(&link), "https://graph.microsoft.com");
                }
                Err(DeltaError::Resync { restart: Some(link), .. }) => {
                    proptest::prop_assert_eq!(origin(&link), "https://graph.microsoft.com");
                }
                Err(_) => {}
            }
            // Not JSON, and no URL.
            drop(read(status, Some(&junk), Some(&junk)));
        }
    }

    #[test]
    fn throttling_says_how_long() {
        for status in [429, 503] {
            let error = error_of(status, "{}");
            assert!(error.is_retryable(), "{error}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        }
        let error = error_of(401, "{}");
        assert!(!error.is_retryable(), "{error}");
        assert!(!error_of(410, "{}").is_retryable());
    }
}
