//! The subscriptions handed out, each with the opaque credential that the relay asks for.

use std::{sync::Mutex, time::Duration};

use jiff::Timestamp;

use crate::{
    config::{AnswerShape, Settings, UrlForm},
    failure::guid,
    shared::lock,
};

/// One answer to a Graph request.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) client_state: String,
    pub(crate) expires: Option<Timestamp>,
    form: UrlForm,
    /// The query of the URL, which must come back byte for byte.
    credential: String,
}

impl Subscription {
    fn new(settings: &Settings) -> Self {
        let secret = format!("{:08x}", fastrand::u32(..));
        // Percent-encoded and repeated characters and base64 padding, because a client that decodes and re-encodes the
        // query loses exactly those.
        let credential = match settings.url_form {
            UrlForm::Split => format!("snthgk={secret}-2345672zz%2B831837523=="),
            UrlForm::Direct => format!("token={secret}%2Fa%2Bb==&applicationId={}", guid()),
        };
        let lifetime = settings.lifetime_ms.map(Duration::from_millis);
        Self {
            id: guid(),
            client_state: format!("system-managed:{}", guid().to_uppercase()),
            expires: lifetime.and_then(|lifetime| Timestamp::now().checked_add(lifetime).ok()),
            form: settings.url_form,
            credential,
        }
    }

    /// The `notificationUrl`, on the given scheme and authority.
    pub(crate) fn url(&self, base: &str) -> String {
        let path = match self.form {
            UrlForm::Split => "/zbaehwg/callback",
            UrlForm::Direct => "/notifications",
        };
        format!("{base}{path}?{}", self.credential)
    }

    /// Seven fractional digits, as in the field.
    pub(crate) fn expiration_date_time(&self) -> Option<String> {
        self.expires
            .map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string())
    }

    /// The JSON answer of the Graph request.
    pub(crate) fn answer(
        &self,
        settings: &Settings,
        base: &str,
        version: &str,
    ) -> serde_json::Value {
        let mut answer = serde_json::json!({ "id": self.id, "notificationUrl": self.url(base) });
        if settings.answer == AnswerShape::Field
            && let Some(fields) = answer.as_object_mut()
        {
            fields.insert(
                "@odata.context".to_owned(),
                format!("https://graph.microsoft.com/{version}/$metadata#subscriptions/$entity")
                    .into(),
            );
            fields.insert("clientState".to_owned(), self.client_state.clone().into());
            if let Some(expires) = self.expiration_date_time()
                && settings.announce_expiration
            {
                fields.insert("expirationDateTime".to_owned(), expires.into());
            }
        }
        answer
    }

    /// Whether the credential stands, unchanged, among the parameters of this engine query.
    fn is_named_by(&self, query: &str) -> bool {
        format!("&{query}&").contains(&format!("&{}&", self.credential))
    }

    /// Whether a client of this subscription may join the namespace.
    ///
    /// Both documented ways to read the split form are served: `/zbaehwg`, and the whole path.
    pub(crate) fn allows_namespace(&self, namespace: &str) -> bool {
        match self.form {
            _ if namespace == "/" => true,
            UrlForm::Split => matches!(namespace, "/zbaehwg" | "/zbaehwg/callback"),
            UrlForm::Direct => namespace == "/notifications",
        }
    }
}

/// All subscriptions that still work.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Mutex<Vec<Subscription>>);

impl Subscriptions {
    pub(crate) fn issue(&self, settings: &Settings) -> Subscription {
        let subscription = Subscription::new(settings);
        lock(&self.0).push(subscription.clone());
        subscription
    }

    /// The working subscription whose credential this engine query carries.
    pub(crate) fn find(&self, query: &str) -> Option<Subscription> {
        lock(&self.0)
            .iter()
            .find(|subscription| subscription.is_named_by(query))
            .cloned()
    }

    /// Ends one subscription; false if it had ended before.
    pub(crate) fn end(&self, id: &str) -> bool {
        let mut all = lock(&self.0);
        let before = all.len();
        all.retain(|subscription| subscription.id != id);
        all.len() < before
    }

    /// The identifiers of all subscriptions that still work.
    pub(crate) fn ids(&self) -> Vec<String> {
        lock(&self.0)
            .iter()
            .map(|subscription| subscription.id.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(form: UrlForm) -> Subscription {
        Subscription::new(&Settings {
            url_form: form,
            ..Settings::default()
        })
    }

    #[test]
    fn the_credential_must_come_back_byte_for_byte() {
        let subscription = issue(UrlForm::Direct);
        let credential = subscription.credential.clone();
        assert!(subscription.is_named_by(&credential));
        assert!(subscription.is_named_by(&format!("{credential}&EIO=4&transport=websocket")));
        assert!(subscription.is_named_by(&format!("EIO=4&{credential}")));
        assert!(!subscription.is_named_by(""));
        assert!(!subscription.is_named_by("EIO=4&transport=websocket"));
        assert!(!subscription.is_named_by(&credential.replace("==", "%3D%3D")));
        assert!(!subscription.is_named_by(&credential.replace("%2B", "+")));
        assert!(!subscription.is_named_by(&credential.replace("==", "")));
        assert!(!subscription.is_named_by(&format!("{credential}0")));
        let (first, second) = credential.split_once('&').unwrap();
        assert!(!subscription.is_named_by(&format!("{second}&{first}")));
    }

    #[test]
    fn each_form_has_its_namespaces() {
        let split = issue(UrlForm::Split);
        let direct = issue(UrlForm::Direct);
        for (namespace, in_split, in_direct) in [
            ("/", true, true),
            ("/zbaehwg", true, false),
            ("/zbaehwg/callback", true, false),
            ("/notifications", false, true),
            ("/notifications/", false, false),
            ("/other", false, false),
        ] {
            assert_eq!(split.allows_namespace(namespace), in_split, "{namespace}");
            assert_eq!(direct.allows_namespace(namespace), in_direct, "{namespace}");
        }
    }

    #[test]
    fn the_expiration_has_seven_fractional_digits() {
        let text = issue(UrlForm::Split).expiration_date_time().unwrap();
        let (_, fraction) = text.split_once('.').unwrap();
        assert_eq!(fraction.len(), 8, "{text}");
        assert!(fraction.ends_with('Z'), "{text}");
        assert!(text.parse::<Timestamp>().is_ok(), "{text}");
    }

    #[test]
    fn every_subscription_has_a_credential_of_its_own() {
        let (a, b) = (issue(UrlForm::Split), issue(UrlForm::Split));
        assert!(!a.is_named_by(&b.credential));
        assert_ne!(a.id, b.id);
    }
}
