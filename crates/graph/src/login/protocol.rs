//! The requests and answers of the device authorization grant: no I/O here.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::cloud::PlainHttp;
use crate::login::error::{LoginAnswer, LoginError};
use crate::text;
use crate::token::AccessToken;

/// RFC 8628, section 3.2.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// What Microsoft's codes have.
const DEFAULT_CODE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// For an answer that does not say: real ones live for an hour or more.
const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// No code lives longer; it also keeps points in time from overflowing.
const MAX_CODE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Likewise for access tokens, which live for a day at most.
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Microsoft's have nine characters.
const MAX_USER_CODE_CHARS: usize = 64;

pub(super) fn endpoint(authority: &str, tenant: &str) -> String {
    format!("{authority}/{tenant}/oauth2/v2.0")
}

/// What is sent to which of the two endpoints.
#[derive(Clone)]
pub(super) enum Request {
    Code,
    Poll { device_code: SecretString },
    Refresh { refresh_token: SecretString },
}

impl Request {
    /// Below [`endpoint`].
    pub(super) fn path(&self) -> &'static str {
        match self {
            Self::Code => "/devicecode",
            Self::Poll { .. } | Self::Refresh { .. } => "/token",
        }
    }

    pub(super) fn form(&self, client_id: &str, scope: &str) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", client_id);
        match self {
            Self::Code => form.append_pair("scope", scope),
            Self::Poll { device_code } => form
                .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
                .append_pair("device_code", device_code.expose_secret()),
            Self::Refresh { refresh_token } => form
                .append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", refresh_token.expose_secret())
                .append_pair("scope", scope),
        };
        form.finish()
    }

    pub(super) fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Code => None,
            Self::Poll { device_code } => Some(device_code),
            Self::Refresh { refresh_token } => Some(refresh_token),
        }
    }

    /// `text` for people, without the secret that a server may echo, plain or as it was sent.
    pub(super) fn clean(&self, text: &str) -> String {
        let secret = self.secret().map_or("", |secret| secret.expose_secret());
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        text::clean(text, &[secret, &encoded])
    }
}

/// An HTTP answer, read to its end or to the limit.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// `None` when it is longer than the limit, or broke off.
    pub(super) body: Option<&'a [u8]>,
}

/// What is to be shown to the person, and what to poll with.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) device_code: SecretString,
    pub(super) user_code: String,
    pub(super) verification_uri: String,
    pub(super) message: String,
    pub(super) expires_in: Duration,
    pub(super) interval: Duration,
}

/// What a sign-in or a refresh gives.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) access_token: AccessToken,
    pub(super) lifetime: Duration,
    pub(super) refresh_token: Option<SecretString>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// What a poll says, if it is no error.
#[derive(Clone, Debug)]
pub(super) enum Polled {
    /// The person has not finished.
    Pending,
    /// Likewise, and polls shall be rarer.
    SlowDown,
    Granted(Grant),
}

#[derive(Deserialize)]
struct CodeBody {
    device_code: Option<String>,
    user_code: Option<String>,
    #[serde(alias = "verification_url")]
    verification_uri: Option<String>,
    message: Option<String>,
    expires_in: Option<Value>,
    interval: Option<Value>,
}

#[derive(Deserialize)]
struct TokenBody {
    token_type: Option<String>,
    access_token: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    error: Option<Value>,
    error_description: Option<Value>,
}

/// The answer to [`Request::Code`]. `plain_http`: the authority itself is on loopback without TLS.
pub(super) fn read_code(
    answer: &Answer<'_>,
    plain_http: bool,
) -> Result<Authorization, LoginError> {
    let body: CodeBody = success(&Request::Code, answer)?;
    let device_code = secret(body.device_code);
    let device_code = device_code.ok_or(LoginError::Protocol("has no device code"))?;
    let user_code = body.user_code.unwrap_or_default();
    if user_code.is_empty()
        || user_code.chars().count() > MAX_USER_CODE_CHARS
        || text::clean(&user_code, &[]) != user_code
    {
        return Err(LoginError::Protocol("has no usable user code"));
    }
    let uri = body.verification_uri.unwrap_or_default();
    let uri = Url::parse(&uri).map_err(|_| LoginError::Protocol("has no verification URI"))?;
    let tolerated = if plain_http {
        PlainHttp::OnLoopback
    } else {
        PlainHttp::Never
    };
    if uri.scheme() != "https" && !tolerated.allows(&uri) {
        return Err(LoginError::Protocol(
            "has a verification URI that is not https",
        ));
    }
    let message = body.message.unwrap_or_default();
    let message = text::clean(&message, &[device_code.expose_secret()]);
    // A message without the code would leave the person helpless.
    let message = if message.contains(&user_code) {
        message
    } else {
        format!("To sign in, open the page {uri} and enter the code {user_code}")
    };
    Ok(Authorization {
        device_code,
        user_code,
        verification_uri: uri.into(),
        message,
        expires_in: seconds(body.expires_in.as_ref())
            .unwrap_or(DEFAULT_CODE_LIFETIME)
            .min(MAX_CODE_LIFETIME),
        interval: seconds(body.interval.as_ref())
            .unwrap_or(DEFAULT_INTERVAL)
            .min(MAX_CODE_LIFETIME),
    })
}

/// The answer to [`Request::Poll`].
pub(super) fn read_poll(request: &Request, answer: &Answer<'_>) -> Result<Polled, LoginError> {
    match read_token(request, answer) {
        Ok(grant) => Ok(Polled::Granted(grant)),
        Err(LoginError::Refused(answer)) => match answer.code.as_deref() {
            Some("authorization_pending") => Ok(Polled::Pending),
            Some("slow_down") => Ok(Polled::SlowDown),
            _ => Err(LoginError::Refused(answer)),
        },
        Err(error) => Err(error),
    }
}

/// The answer to [`Request::Refresh`], and to a [`Request::Poll`] that ends well.
pub(super) fn read_token(request: &Request, answer: &Answer<'_>) -> Result<Grant, LoginError> {
    let body: TokenBody = success(request, answer)?;
    let is_bearer = |kind: &String| kind.eq_ignore_ascii_case("bearer");
    if !body.token_type.as_ref().is_some_and(is_bearer) {
        return Err(LoginError::Protocol("has a token that is no bearer token"));
    }
    let token = body
        .access_token
        .ok_or(LoginError::Protocol("has no access token"))?;
    Ok(Grant {
        access_token: AccessToken::new(token)
            .map_err(|_| LoginError::Protocol("has an unusable access token"))?,
        lifetime: seconds(body.expires_in.as_ref())
            .unwrap_or(DEFAULT_TOKEN_LIFETIME)
            .min(MAX_TOKEN_LIFETIME),
        refresh_token: secret(body.refresh_token),
    })
}

fn secret(text: Option<String>) -> Option<SecretString> {
    text.filter(|text| !text.is_empty()).map(Into::into)
}

/// A number, or one in quotes, as an older revision of the service has it.
fn seconds(value: Option<&Value>) -> Option<Duration> {
    match value? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .map(Duration::from_secs)
}

fn success<'a, T: Deserialize<'a>>(
    request: &Request,
    answer: &Answer<'a>,
) -> Result<T, LoginError> {
    match answer.status {
        200..=299 => {
            let body = answer.body.ok_or(LoginError::Protocol("is too long"))?;
            serde_json::from_slice(body)
                .map_err(|_| LoginError::Protocol("is not the JSON object it should be"))
        }
        status @ 300..=399 => Err(LoginError::Redirected { status }),
        _ => Err(failure(request, answer)),
    }
}

/// RFC 6749, section 5.2; RFC 8628, section 3.5; and Microsoft's own codes beside them.
fn failure(request: &Request, answer: &Answer<'_>) -> LoginError {
    let body: ErrorBody =
        serde_json::from_slice(answer.body.unwrap_or_default()).unwrap_or_default();
    let show = |value: Option<Value>| {
        let text = request.clean(value?.as_str()?);
        (!text.is_empty()).then_some(text)
    };
    let said = LoginAnswer {
        status: answer.status,
        code: show(body.error),
        message: show(body.error_description),
    };
    match (answer.status, said.code.as_deref()) {
        (_, Some("authorization_pending" | "slow_down")) => LoginError::Refused(said),
        (408 | 429 | 500.., _) | (_, Some("temporarily_unavailable" | "server_error")) => {
            LoginError::Busy {
                answer: said,
                retry_after: answer.retry_after,
            }
        }
        (_, Some("authorization_declined" | "access_denied")) => LoginError::Declined,
        (_, Some("expired_token" | "code_expired")) => LoginError::Expired,
        (
            _,
            Some("invalid_grant" | "interaction_required" | "login_required" | "consent_required"),
        ) => LoginError::SignInAgain(said),
        _ => LoginError::Refused(said),
    }
}

/// Reads the answer to each request, and says why it is of no use.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed(status: u16, body: &[u8], secret: &str) -> Vec<String> {
    use crate::fuzzing::error;

    let answer = Answer {
        status,
        retry_after: None,
        body: Some(body),
    };
    let poll = Request::Poll {
        device_code: secret.into(),
    };
    let refresh = Request::Refresh {
        refresh_token: secret.into(),
    };
    // That request has no secret yet.
    if let Ok(code) = read_code(&answer, false) {
        assert!(code.message.contains(&code.user_code));
        assert!(code.verification_uri.starts_with("https://"));
        assert!(code.expires_in <= MAX_CODE_LIFETIME && code.interval <= MAX_CODE_LIFETIME);
    }
    let errors = [
        error(read_poll(&poll, &answer)),
        error(read_token(&refresh, &answer)),
    ];
    errors.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer<'_> {
        Answer {
            status,
            retry_after: Some(Duration::from_secs(7)),
            body: Some(body.as_bytes()),
        }
    }

    fn poll() -> Request {
        Request::Poll {
            device_code: "PLANTED code/".into(),
        }
    }

    fn polled(status: u16, body: &str) -> Result<Polled, LoginError> {
        read_poll(&poll(), &answer(status, body))
    }

    const CODE: &str = r#"{"user_code":"A1B2C3D4E","device_code":"PLANTED","expires_in":900,"interval":5,
        "verification_uri":"https://microsoft.com/devicelogin","message":"Open it and enter A1B2C3D4E."}"#;

    #[test]
    fn forms_are_as_the_protocol_has_them() {
        let refresh = Request::Refresh {
            refresh_token: "r&1".into(),
        };
        for (request, path, form) in [
            (
                Request::Code,
                "/devicecode",
                "client_id=id&scope=Files.Read+offline_access",
            ),
            (
                poll(),
                "/token",
                "client_id=id&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=PLANTED+code%2F",
            ),
            (
                refresh,
                "/token",
                "client_id=id&grant_type=refresh_token&refresh_token=r%261&scope=Files.Read+offline_access",
            ),
        ] {
            assert_eq!(request.path(), path);
            assert_eq!(request.form("id", "Files.Read offline_access"), form);
        }
    }

    #[test]
    fn a_code_is_read_with_its_defaults() {
        let code = read_code(&answer(200, CODE), false).ok().unwrap();
        assert_eq!(code.user_code, "A1B2C3D4E");
        assert_eq!(code.message, "Open it and enter A1B2C3D4E.");
        assert_eq!(code.verification_uri, "https://microsoft.com/devicelogin");
        assert_eq!(code.expires_in, Duration::from_secs(900));
        assert_eq!(code.interval, Duration::from_secs(5));

        let bare = r#"{"user_code":"Q","device_code":"d","verification_url":"https://h/l",
            "message":"PLANTED\u001b[2J","expires_in":"60","interval":null}"#;
        let code = read_code(&answer(200, bare), false).ok().unwrap();
        assert_eq!(
            code.message,
            "To sign in, open the page https://h/l and enter the code Q"
        );
        assert_eq!(code.expires_in, Duration::from_secs(60));
        assert_eq!(code.interval, DEFAULT_INTERVAL);
        let endless = CODE.replace("900", "18446744073709551615");
        let code = read_code(&answer(200, &endless), false).ok().unwrap();
        assert_eq!(code.expires_in, MAX_CODE_LIFETIME);
    }

    #[test]
    fn useless_codes() {
        for (given, instead, problem) in [
            ("\"device_code\"", "\"x\"", "has no device code"),
            ("PLANTED", "", "has no device code"),
            ("\"user_code\"", "\"x\"", "has no usable user code"),
            ("A1B2C3D4E", "a\\nb", "has no usable user code"),
            ("A1B2C3D4E", &"a".repeat(65), "has no usable user code"),
            ("\"verification_uri\"", "\"x\"", "has no verification URI"),
            (
                "https://microsoft.com",
                "http://microsoft.com",
                "has a verification URI that is not https",
            ),
            (
                "https://microsoft.com",
                "http://127.0.0.1:9",
                "has a verification URI that is not https",
            ),
            (
                "https://",
                "javascript:",
                "has a verification URI that is not https",
            ),
            ("{", "[", "is not the JSON object it should be"),
        ] {
            let body = CODE.replacen(given, instead, 1);
            let read = read_code(&answer(200, &body), false).err();
            assert_eq!(read, Some(LoginError::Protocol(problem)), "{body}");
        }
        let local = CODE.replace("https://microsoft.com", "http://127.0.0.1:9");
        assert!(read_code(&answer(200, &local), true).is_ok());
    }

    #[test]
    fn tokens_and_useless_tokens() {
        let good =
            r#"{"token_type":"Bearer","access_token":"a","expires_in":"3599","refresh_token":"r"}"#;
        match polled(200, good) {
            Ok(Polled::Granted(grant)) => {
                assert_eq!(grant.access_token.expose(), "a");
                assert_eq!(grant.lifetime, Duration::from_secs(3599));
                assert_eq!(grant.refresh_token.unwrap().expose_secret(), "r");
            }
            other => panic!("{other:?}"),
        }
        match polled(200, r#"{"token_type":"bearer","access_token":"a"}"#) {
            Ok(Polled::Granted(grant)) => {
                assert_eq!(grant.lifetime, DEFAULT_TOKEN_LIFETIME);
                assert!(grant.refresh_token.is_none());
            }
            other => panic!("{other:?}"),
        }
        for (body, problem) in [
            (
                r#"{"token_type":"mac","access_token":"a"}"#,
                "has a token that is no bearer token",
            ),
            (r#"{"token_type":"Bearer"}"#, "has no access token"),
            (
                r#"{"token_type":"Bearer","access_token":"a b"}"#,
                "has an unusable access token",
            ),
            ("[]", "is not the JSON object it should be"),
            ("", "is not the JSON object it should be"),
        ] {
            let read = polled(200, body).err();
            assert_eq!(read, Some(LoginError::Protocol(problem)), "{body}");
        }
        let too_long = Answer {
            status: 200,
            retry_after: None,
            body: None,
        };
        assert_eq!(
            read_token(&poll(), &too_long).err(),
            Some(LoginError::Protocol("is too long"))
        );
    }

    #[test]
    fn each_error_code_has_its_meaning() {
        for (status, code, expected, retryable) in [
            (400, "authorization_pending", "Ok(Pending", false),
            (400, "slow_down", "Ok(SlowDown", false),
            (429, "slow_down", "Ok(SlowDown", false),
            (400, "authorization_declined", "Err(Declined", false),
            (400, "access_denied", "Err(Declined", false),
            (400, "expired_token", "Err(Expired", false),
            (400, "code_expired", "Err(Expired", false),
            (400, "bad_verification_code", "Err(Refused", false),
            (400, "invalid_grant", "Err(SignInAgain", false),
            (400, "interaction_required", "Err(SignInAgain", false),
            (401, "invalid_client", "Err(Refused", false),
            (400, "invalid_scope", "Err(Refused", false),
            (400, "temporarily_unavailable", "Err(Busy", true),
            (429, "", "Err(Busy", true),
            (503, "invalid_grant", "Err(Busy", true),
            (404, "", "Err(Refused", false),
            (302, "", "Err(Redirected", false),
        ] {
            let read = polled(status, &format!(r#"{{"error":"{code}"}}"#));
            let shown = format!("{read:?}");
            assert!(shown.starts_with(expected), "{status} {code}: {shown}");
            let retry = read.as_ref().is_err_and(LoginError::is_retryable);
            assert_eq!(retry, retryable, "{status} {code}");
            let waits = read.err().and_then(|error| error.retry_after());
            assert_eq!(waits.is_some(), retryable, "{status} {code}");
        }
    }

    #[test]
    fn what_a_server_echoes_is_cut_out() {
        let body =
            r#"{"error":"x PLANTED code/ y","error_description":"\u001b[2J PLANTED+code%2F\nZ"}"#;
        let error = polled(400, body).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("PLANTED"), "{shown}");
        assert!(shown.contains("Z") && !shown.contains('\u{1b}'), "{shown}");
    }
}
