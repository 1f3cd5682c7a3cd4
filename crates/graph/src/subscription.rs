//! The request for a `notificationUrl`, and how its answer is read: no I/O here.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use crate::cloud::{ApiVersion, Cloud};
use crate::error::{BadAnswer, GraphError, parse_retry_after};
use crate::notification_url::{NotificationUrl, UrlOptions};
use crate::resource::{Resource, ResourceError};

/// By how much our clock and the server's may differ before the server's is believed.
///
/// The `Date` header has whole seconds, so for short lifetimes our own clock is the better one.
const TOLERATED_SKEW: Duration = Duration::from_secs(5);

/// The request `GET …/subscriptions/socketIo` for one resource.
///
/// [`SubscriptionRequest::send`] makes it once. A [`Watch`](crate::Watch) makes it as often as
/// needed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubscriptionRequest {
    /// What to watch.
    pub resource: Resource,
    /// Where Graph is. Default [`Cloud::Global`].
    pub cloud: Cloud,
    /// Default [`ApiVersion::V1`].
    pub version: ApiVersion,
    /// How to read the `notificationUrl` of the answer.
    pub url_options: UrlOptions,
    /// The longest that one request may take, from name resolution to the end of the answer.
    /// Default 30 seconds.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes. Real answers are below 2 KiB. Default 1 MiB.
    pub max_answer_bytes: usize,
}

impl SubscriptionRequest {
    /// A request with the defaults that the fields tell.
    #[must_use]
    pub fn new(resource: Resource) -> Self {
        Self {
            resource,
            cloud: Cloud::default(),
            version: ApiVersion::default(),
            url_options: UrlOptions::default(),
            timeout: Duration::from_secs(30),
            max_answer_bytes: 1024 * 1024,
        }
    }

    /// The URL of the request.
    ///
    /// # Errors
    ///
    /// [`ResourceError`] if the resource cannot be named in a path.
    pub fn url(&self) -> Result<String, ResourceError> {
        let path = self.resource.path()?;
        Ok(format!("{}{path}", self.cloud.versioned(self.version)))
    }
}

/// What Graph granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Where notifications are delivered.
    pub notification_url: NotificationUrl,
    /// The subscription's id.
    pub id: Option<String>,
    /// When the URL expires, by the server's clock.
    pub expires: Option<SystemTime>,
    /// How long the URL lived when the answer came; `None` if unknown or no time at all.
    pub lifetime: Option<Duration>,
}

/// An HTTP answer, read to its end or to the limit.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// `Retry-After`.
    pub(crate) retry_after: Option<&'a str>,
    /// `Date`.
    pub(crate) date: Option<&'a str>,
    /// `request-id`.
    pub(crate) request_id: Option<&'a str>,
    /// `None` when it is longer than the limit.
    pub(crate) body: Option<&'a [u8]>,
}

impl SubscriptionRequest {
    /// What the answer means. `now` is the wall clock, for dates; `secrets` are kept out of errors.
    pub(crate) fn read(
        &self,
        answer: &Answer<'_>,
        now: SystemTime,
        secrets: &[&str],
    ) -> Result<Subscription, GraphError> {
        let now = believable_now(now, answer.date);
        if !(200..300).contains(&answer.status) {
            let retry_after = answer
                .retry_after
                .and_then(|value| parse_retry_after(value, now));
            return Err(GraphError::from_answer(
                answer.status,
                answer.body.unwrap_or_default(),
                answer.request_id,
                retry_after,
                secrets,
            ));
        }
        let body = answer.body.ok_or(BadAnswer::TooLarge {
            limit: self.max_answer_bytes,
        })?;
        let body: Body = serde_json::from_slice(body).map_err(|_| BadAnswer::NotJson)?;
        let url = body.notification_url.as_ref().and_then(Value::as_str);
        let url = url.ok_or(BadAnswer::NoNotificationUrl)?;
        let expires = body
            .expiration_date_time
            .as_ref()
            .and_then(|value| parse_date_time(value.as_str()?));
        Ok(Subscription {
            notification_url: NotificationUrl::parse_with(url, self.url_options)
                .map_err(BadAnswer::Url)?,
            id: body.id.as_ref().and_then(Value::as_str).map(str::to_owned),
            expires,
            lifetime: expires
                .and_then(|expires| expires.duration_since(now).ok())
                .filter(|lifetime| !lifetime.is_zero()),
        })
    }
}

/// The documented fields that we use. All are read as any value, so that a surprise in one that
/// is not needed does not cost the subscription.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    notification_url: Option<Value>,
    id: Option<Value>,
    expiration_date_time: Option<Value>,
}

/// `2025-12-24T03:32:50.8792357Z`; without an offset it is taken for UTC.
pub(crate) fn parse_date_time(text: &str) -> Option<SystemTime> {
    let timestamp = text.parse::<jiff::Timestamp>().or_else(|_| {
        let civil = text.parse::<jiff::civil::DateTime>()?;
        jiff::tz::Offset::UTC.to_timestamp(civil)
    });
    // Not every platform's clock reaches as far back as the calendar does.
    let since_epoch = Duration::try_from(timestamp.ok()?.as_duration()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// Our clock, or the server's when ours is plainly wrong.
pub(crate) fn believable_now(ours: SystemTime, date: Option<&str>) -> SystemTime {
    let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
        return ours;
    };
    let skew = match theirs.duration_since(ours) {
        Ok(skew) => skew,
        Err(error) => error.duration(),
    };
    if skew > TOLERATED_SKEW { theirs } else { ours }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = r#"{"id":"opaqueId-fj3hd7yf283jfk193726nvc2w3i2diemdu8",
        "notificationUrl":"https://f3hb0mpua.svc.ms/zbaehwg/callback?snthgk=1ff3-2345672zz831837523"}"#;
    const FIELD: &str = r#"{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity",
        "clientState":"system-managed:8082D436-D8DA-458D-96AD-34C902B73F37",
        "expirationDateTime":"2025-12-24T03:32:50.8792357Z",
        "id":"f267729a-51a1-4e7b-a65d-fe76017a5b81",
        "notificationUrl":"https://southcentralus1-7.pushnp.svc.ms/notifications?token=a&applicationId=b"}"#;

    fn at(text: &str) -> SystemTime {
        text.parse::<jiff::Timestamp>().unwrap().into()
    }

    fn read(body: &str) -> Result<Subscription, GraphError> {
        read_at(body, "2025-12-24T03:00:00Z", None)
    }

    fn read_at(body: &str, now: &str, date: Option<&str>) -> Result<Subscription, GraphError> {
        let answer = Answer {
            status: 200,
            retry_after: None,
            date,
            request_id: None,
            body: Some(body.as_bytes()),
        };
        SubscriptionRequest::new(Resource::me_drive()).read(&answer, at(now), &[])
    }

    #[test]
    fn the_url_of_the_request() {
        let mut request = SubscriptionRequest::new(Resource::drive("b!x"));
        assert_eq!(
            request.url().unwrap(),
            "https://graph.microsoft.com/v1.0/drives/b!x/root/subscriptions/socketIo"
        );
        request.version = ApiVersion::Beta;
        request.cloud = Cloud::China;
        assert_eq!(
            request.url().unwrap(),
            "https://microsoftgraph.chinacloudapi.cn/beta/drives/b!x/root/subscriptions/socketIo"
        );
        request.resource = Resource::drive("a/b");
        assert!(request.url().is_err());
    }

    #[test]
    fn documented_and_field_answers() {
        let documented = read(DOCUMENTED).unwrap();
        assert_eq!(documented.notification_url.namespace(), "/zbaehwg");
        assert_eq!(documented.expires, None);
        assert_eq!(documented.lifetime, None);

        let field = read(FIELD).unwrap();
        assert_eq!(field.notification_url.namespace(), "/notifications");
        assert_eq!(
            field.id.as_deref(),
            Some("f267729a-51a1-4e7b-a65d-fe76017a5b81")
        );
        assert_eq!(
            field.lifetime,
            Some(Duration::new(32 * 60 + 50, 879_235_700))
        );
    }

    #[test]
    fn only_the_url_is_needed() {
        for extra in [
            r#""id":null"#,
            r#""id":{"a":1}"#,
            r#""expirationDateTime":17"#,
            r#""expirationDateTime":"tomorrow""#,
            r#""expirationDateTime":"2025-12-24T02:59:00Z""#,
            r#""expirationDateTime":"-009999-01-02T02:59:00Z""#,
            r#""expirationDateTime":"99999-12-31T23:59:59Z""#,
            // Beyond what an instant can be in every time zone: for ever.
            r#""expirationDateTime":"9999-12-31T23:59:59.9999999Z""#,
            r#""expirationDateTime":"""#,
            r#""unknown":[[]]"#,
        ] {
            let body = format!(r#"{{"notificationUrl":"https://h/n?t=1",{extra}}}"#);
            let granted = read(&body).unwrap();
            assert_eq!(granted.lifetime, None, "{extra}");
        }
        for (expires, seconds) in [
            ("2025-12-24T03:01:00", 60),
            ("2025-12-24T05:01:00+02:00", 60),
            ("9999-12-30T21:59:59Z", 251_635_661_999),
        ] {
            let body = format!(
                r#"{{"notificationUrl":"https://h/n?t=1","expirationDateTime":"{expires}"}}"#
            );
            let granted = read(&body).unwrap();
            assert_eq!(granted.lifetime, Some(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn useless_answers() {
        let rows = [
            ("", BadAnswer::NotJson),
            ("<html>", BadAnswer::NotJson),
            ("{\"notificationUrl\":", BadAnswer::NotJson),
            ("[]", BadAnswer::NotJson),
            ("null", BadAnswer::NotJson),
            ("{}", BadAnswer::NoNotificationUrl),
            (r#"{"notificationUrl":null}"#, BadAnswer::NoNotificationUrl),
            (r#"{"notificationUrl":7}"#, BadAnswer::NoNotificationUrl),
            (
                r#"{"notificationUrl":"http://h/n?t=1"}"#,
                BadAnswer::Url(crate::NotificationUrlError::NotHttps),
            ),
        ];
        for (body, expected) in rows {
            assert_eq!(read(body), Err(expected.into()), "{body}");
        }
    }

    #[test]
    fn a_wrong_clock_of_ours_does_not_spoil_the_lifetime() {
        let lifetime = |now, date| {
            read_at(FIELD, now, date)
                .unwrap()
                .lifetime
                .map(|l| l.as_secs())
        };
        let date = Some("Wed, 24 Dec 2025 03:32:40 GMT");
        for (now, date, expected) in [
            // Nearly right: ours, because it is finer.
            ("2025-12-24T03:32:41Z", date, Some(9)),
            ("2025-12-24T03:32:36Z", date, Some(14)),
            // A minute off is too much for a short lifetime: theirs.
            ("2025-12-24T03:31:45Z", date, Some(10)),
            // Years off, in both directions: theirs.
            ("2039-01-01T00:00:00Z", date, Some(10)),
            ("1970-01-01T00:00:00Z", date, Some(10)),
            // Nobody knows better.
            ("2039-01-01T00:00:00Z", None, None),
            ("2039-01-01T00:00:00Z", Some("garbage"), None),
        ] {
            assert_eq!(lifetime(now, date), expected, "{now}");
        }
    }

    #[test]
    fn an_overlong_answer_is_an_error_of_its_status() {
        let request = SubscriptionRequest::new(Resource::me_drive());
        let now = at("2025-12-24T03:00:00Z");
        let answer = |status| Answer {
            status,
            retry_after: Some("9"),
            date: None,
            request_id: Some("r"),
            body: None,
        };
        assert_eq!(
            request.read(&answer(200), now, &[]),
            Err(BadAnswer::TooLarge { limit: 1024 * 1024 }.into())
        );
        let error = request.read(&answer(503), now, &[]).unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    }
}
